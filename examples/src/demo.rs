//! What the programs about the demonstration model share: its sizes, and batches of scenes.

use std::error::Error;

use blip_core::traits::TokenBatch;
use blip_core::{
    BertConfig, BertTokenizer, BlipConfig, ImageProcessor, ImageProcessorConfig, PixelValues, Tokenizer,
    VitConfig,
};
use blip_demo::{Question, QuestionKind, Scene, Split, pair_statement, sample_pair, seeded};
use blip_train::{BatchSource, ImageTextBatch, Moment, PairBatch, QuestionBatch, Statements};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use rand::{Rng, RngExt};

type AnyError = Box<dyn Error + Send + Sync>;

/// Side of the pictures, in pixels.
pub const IMAGE_SIZE: usize = 96;

/// Tokens of a caption, first and last included, that generation writes without being asked for more.
pub const CAPTION_LENGTH: usize = 20;

/// The sizes of the demonstration model.
pub fn demo_config(tokenizer: &BertTokenizer) -> BlipConfig {
    let vision = VitConfig {
        hidden_size: 128,
        intermediate_size: 512,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        image_size: IMAGE_SIZE,
        patch_size: 32,
        ..VitConfig::base()
    };
    let text = BertConfig {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 128,
        intermediate_size: 512,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        max_position_embeddings: 64,
        ..BertConfig::base(128)
    };
    let special = tokenizer.special_tokens();
    BlipConfig {
        image_text_hidden_size: 64,
        bos_token_id: special.dec,
        sep_token_id: special.sep,
        pad_token_id: special.pad,
        ..BlipConfig::new(vision, text)
    }
}

/// Seeded weights as wide as a narrow network needs them: a matrix of `n` inputs gets a deviation of `1 / sqrt(n)` in place
/// of 0.02, which is that of networks 768 wide and more. With 0.02 shapes were still not told apart when with this they
/// were.
pub fn widened<M: Module>(module: M) -> M {
    module.map(&mut Widen(Vec::new()))
}

/// Times the deviation of the image encoder's positions.
const POSITIONS: f64 = 25.0;

struct Widen(Vec<String>);

impl ModuleMapper for Widen {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.0.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Patches are told apart by their places only if these are of the patches' own size.
        if self.0.last().is_some_and(|name| name == "pos_embed") {
            return param.map(|weight| weight * POSITIONS);
        }
        // Embeddings of words are normalised behind them.
        if D != 2 || self.0.iter().any(|name| name.contains("embeddings")) {
            return param;
        }
        let inputs = param.lazy_shape()[0] as f64;
        param.map(|weight| weight / (0.02 * inputs.sqrt()))
    }
}

/// Scenes as the networks take them.
#[derive(Debug)]
pub struct SceneReader {
    tokenizer: BertTokenizer,
    processor: ImageProcessor,
}

impl SceneReader {
    /// A reader with a vocabulary.
    ///
    /// # Errors
    ///
    /// If no processor can be made.
    pub fn new(tokenizer: BertTokenizer) -> Result<Self, AnyError> {
        let processor = ImageProcessor::new(ImageProcessorConfig::new([IMAGE_SIZE; 2]))?;
        Ok(Self { tokenizer, processor })
    }

    /// The vocabulary.
    pub fn tokenizer(&self) -> &BertTokenizer {
        &self.tokenizer
    }

    /// What makes pixel values of pictures.
    pub fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// Pictures of scenes, `[scenes, 3, side, side]`.
    ///
    /// # Errors
    ///
    /// If a scene cannot be rendered.
    pub fn pixels<'a>(&self, scenes: impl IntoIterator<Item = &'a Scene>) -> Result<PixelValues, AnyError> {
        let pictures: Result<Vec<PixelValues>, AnyError> = scenes
            .into_iter()
            .map(|scene| Ok(self.processor.preprocess(&scene.render(IMAGE_SIZE)?)?))
            .collect();
        Ok(PixelValues::concat(&pictures?)?)
    }

    /// Texts, each filled up to the longest.
    ///
    /// # Errors
    ///
    /// If one cannot be tokenized.
    pub fn tokens<S: AsRef<str>>(&self, texts: impl IntoIterator<Item = S>) -> Result<TokenBatch, AnyError> {
        let texts = texts.into_iter();
        let rows: Result<Vec<Vec<u32>>, _> = texts
            .map(|text| self.tokenizer.encode(text.as_ref(), None))
            .collect();
        Ok(TokenBatch::from_rows(&rows?, self.tokenizer.special_tokens().pad))
    }

    /// A caption that generation has room for: the wording is drawn again until it is short enough.
    ///
    /// # Errors
    ///
    /// If it cannot be tokenized.
    pub fn caption<R: Rng>(&self, scene: &Scene, rng: &mut R) -> Result<String, AnyError> {
        loop {
            let caption = scene.caption(rng);
            if self.tokenizer.encode(&caption, None)?.len() <= CAPTION_LENGTH {
                return Ok(caption);
            }
        }
    }
}

/// Training scenes, new ones at every step, and how many of them at a time.
#[derive(Debug)]
pub struct Scenes<'a> {
    /// How they are read.
    pub reader: &'a SceneReader,
    /// Scenes at a time.
    pub batch_size: usize,
    /// Batches of an epoch.
    pub steps: usize,
}

/// The streams of chance from which scenes are seeded, one for each place in a batch.
const SCENES: u64 = 1 << 32;

impl Scenes<'_> {
    /// A seed for each place in a batch.
    fn seeds(&self, moment: &Moment) -> Vec<u64> {
        (0..self.batch_size as u64)
            .map(|index| moment.rng(SCENES + index).next_u64())
            .collect()
    }
}

/// Scenes with a caption each.
#[derive(Debug)]
pub struct CaptionedScenes<'a> {
    /// The scenes.
    pub scenes: Scenes<'a>,
    /// How many of the captions begin with [`PROMPT`], 0..=1.
    pub prompted: f64,
    /// Statements that come with them.
    pub statements: Stated,
}

/// Which statements the matching head learns from, beside pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated {
    /// None.
    Nothing,
    /// A true one and a false one of each scene, and where two objects lie clearly to each other, both of their relation.
    Facts,
    /// Those of `Facts`, and of scenes where something can be confused, one more of each: the false one confuses it.
    Confusions,
}

/// The original's prompt.
pub const PROMPT: &str = "a picture of ";

impl BatchSource for CaptionedScenes<'_> {
    type Batch = ImageTextBatch;

    fn steps_per_epoch(&self) -> usize {
        self.scenes.steps
    }

    fn batch(&self, moment: &Moment) -> Result<ImageTextBatch, AnyError> {
        let (seeds, reader) = (self.scenes.seeds(moment), self.scenes.reader);
        let scenes: Vec<Scene> = seeds
            .iter()
            .map(|&seed| Scene::sample(seed, Split::Train))
            .collect();
        let texts: Result<Vec<String>, _> = scenes
            .iter()
            .zip(&seeds)
            .map(|(scene, &seed)| {
                let mut rng = seeded(seed);
                let caption = reader.caption(scene, &mut rng)?;
                Ok::<String, AnyError>(match rng.random_bool(self.prompted) {
                    true => format!("{PROMPT}{caption}"),
                    false => caption,
                })
            })
            .collect();
        Ok(ImageTextBatch {
            pixel_values: reader.pixels(&scenes)?,
            texts: reader.tokens(texts?)?,
            // No two scenes are the same picture.
            image_ids: seeds.iter().map(|&seed| (seed >> 1) as i64).collect(),
            statements: match self.statements {
                Stated::Nothing => None,
                stated => Some(statements(reader, &scenes, &seeds, stated == Stated::Confusions)?),
            },
        })
    }
}

/// What is true and what is false of scenes.
fn statements(
    reader: &SceneReader,
    scenes: &[Scene],
    seeds: &[u64],
    confusions: bool,
) -> Result<Statements, AnyError> {
    let (mut texts, mut images, mut truths) = (vec![], vec![], vec![]);
    for (image, (scene, &seed)) in scenes.iter().zip(seeds).enumerate() {
        // Not the chance that the caption was drawn with.
        let mut rng = seeded(!seed);
        for truth in [true, false] {
            let relation = scene.relation_statement(&mut rng, truth);
            for statement in relation.into_iter().chain([scene.statement(&mut rng, truth)]) {
                texts.push(statement.text);
                images.push(image);
                truths.push(truth);
            }
        }
        let confused = scene.confused_statement(&mut rng).filter(|_| confusions);
        for statement in confused
            .into_iter()
            .flat_map(|confused| [confused, scene.statement(&mut rng, true)])
        {
            truths.push(statement.is_true());
            texts.push(statement.text);
            images.push(image);
        }
    }
    Ok(Statements {
        texts: reader.tokens(texts)?,
        images,
        truths,
    })
}

/// Scenes with some questions each.
#[derive(Debug)]
pub struct QuestionedScenes<'a> {
    /// The scenes.
    pub scenes: Scenes<'a>,
    /// Questions about each.
    pub questions: usize,
    /// What they are about. Scenes of which none of it can be asked are left out.
    pub kinds: &'static [QuestionKind],
}

impl QuestionedScenes<'_> {
    /// A question of each of the kinds that a scene allows.
    fn about<R: Rng>(&self, scene: &Scene, rng: &mut R) -> Vec<Question> {
        let kinds = self.kinds.iter();
        kinds.filter_map(|&kind| scene.question(kind, rng)).collect()
    }

    /// The first scene from a seed on that allows some.
    fn asked<R: Rng>(&self, seed: u64, rng: &mut R) -> (Scene, Vec<Question>) {
        let mut seed = seed;
        loop {
            let scene = Scene::sample(seed, Split::Train);
            let questions = self.about(&scene, rng);
            if !questions.is_empty() {
                return (scene, questions);
            }
            seed = seed.wrapping_add(1);
        }
    }
}

impl BatchSource for QuestionedScenes<'_> {
    type Batch = QuestionBatch;

    fn steps_per_epoch(&self) -> usize {
        self.scenes.steps
    }

    fn batch(&self, moment: &Moment) -> Result<QuestionBatch, AnyError> {
        let reader = self.scenes.reader;
        let (mut scenes, mut asked) = (Vec::new(), Vec::<Question>::new());
        for seed in self.scenes.seeds(moment) {
            let mut rng = seeded(seed);
            let (scene, mut questions) = self.asked(seed, &mut rng);
            while questions.len() < self.questions {
                questions.extend(self.about(&scene, &mut rng));
            }
            // Kinds come in one order: begin anywhere, but with the hardest where there is one.
            let from = rng.next_u32() as usize % questions.len();
            questions.rotate_left(from);
            questions.sort_by_key(|question| question.kind != QuestionKind::Relation);
            asked.extend(questions.into_iter().take(self.questions));
            scenes.push(scene);
        }
        Ok(QuestionBatch {
            pixel_values: reader.pixels(&scenes)?,
            questions: reader.tokens(asked.iter().map(|question| &question.text))?,
            answers: reader.tokens(asked.iter().map(|question| &question.answer))?,
            question_of: (0..asked.len()).collect(),
            weights: vec![1.0; asked.len()],
        })
    }
}

/// Pairs of scenes with a true or a false sentence each.
#[derive(Debug)]
pub struct PairedScenes<'a>(pub Scenes<'a>);

impl BatchSource for PairedScenes<'_> {
    type Batch = PairBatch;

    fn steps_per_epoch(&self) -> usize {
        self.0.steps
    }

    fn batch(&self, moment: &Moment) -> Result<PairBatch, AnyError> {
        let reader = self.0.reader;
        let (mut first, mut second, mut sentences, mut labels) = (vec![], vec![], vec![], vec![]);
        for seed in self.0.seeds(moment) {
            let mut rng = seeded(seed);
            let [left, right] = sample_pair(seed, Split::Train);
            let truth = rng.next_u32().is_multiple_of(2);
            sentences.push(pair_statement(&left, &right, &mut rng, truth).text);
            labels.push(truth);
            first.push(left);
            second.push(right);
        }
        Ok(PairBatch {
            first: reader.pixels(&first)?,
            second: reader.pixels(&second)?,
            sentences: reader.tokens(sentences)?,
            labels,
        })
    }
}
