//! What the programs about the demonstration model share: its sizes, and batches of scenes.

use std::error::Error;

use blip_core::{
    BertConfig, BertTokenizer, BlipConfig, ImageProcessor, ImageProcessorConfig, PixelValues, Tokenizer,
    VitConfig,
};
use blip_core::traits::TokenBatch;
use blip_demo::{Scene, Split, seeded};
use blip_train::{BatchSource, ImageTextBatch, Moment};
use rand::Rng;

/// Side of the pictures, in pixels.
pub const IMAGE_SIZE: usize = 80;

/// Tokens of a caption, first and last included, that generation writes without being asked for more.
pub const CAPTION_LENGTH: usize = 20;

/// The sizes of the demonstration model.
pub fn demo_config(tokenizer: &BertTokenizer) -> BlipConfig {
    let vision = VitConfig {
        hidden_size: 128,
        intermediate_size: 512,
        num_hidden_layers: 4,
        num_attention_heads: 4,
        image_size: IMAGE_SIZE,
        patch_size: 16,
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
    pub fn new(tokenizer: BertTokenizer) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let processor = ImageProcessor::new(ImageProcessorConfig::new([IMAGE_SIZE; 2]))?;
        Ok(Self { tokenizer, processor })
    }

    /// The vocabulary.
    pub fn tokenizer(&self) -> &BertTokenizer {
        &self.tokenizer
    }

    /// Pictures of scenes, `[scenes, 3, side, side]`.
    ///
    /// # Errors
    ///
    /// If a scene cannot be rendered.
    pub fn pixels<'a>(
        &self,
        scenes: impl IntoIterator<Item = &'a Scene>,
    ) -> Result<PixelValues, Box<dyn Error + Send + Sync>> {
        let pictures: Result<Vec<PixelValues>, Box<dyn Error + Send + Sync>> = scenes
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
    pub fn tokens<S: AsRef<str>>(&self, texts: &[S]) -> Result<TokenBatch, Box<dyn Error + Send + Sync>> {
        let rows: Result<Vec<Vec<u32>>, _> = texts
            .iter()
            .map(|text| self.tokenizer.encode(text.as_ref(), None))
            .collect();
        Ok(TokenBatch::from_rows(&rows?, self.tokenizer.special_tokens().pad))
    }

    /// A caption that generation has room for: the wording is drawn again until it is short enough.
    ///
    /// # Errors
    ///
    /// If it cannot be tokenized.
    pub fn caption<R: Rng>(&self, scene: &Scene, rng: &mut R) -> Result<String, Box<dyn Error + Send + Sync>> {
        loop {
            let caption = scene.caption(rng);
            if self.tokenizer.encode(&caption, None)?.len() <= CAPTION_LENGTH {
                return Ok(caption);
            }
        }
    }
}

/// Pairs of training scenes and captions, new ones at every step.
#[derive(Debug)]
pub struct CaptionedScenes<'a> {
    /// How they are read.
    pub reader: &'a SceneReader,
    /// Scenes at a time.
    pub batch_size: usize,
    /// Batches of an epoch.
    pub steps: usize,
}

/// The seed of one scene of a step.
pub fn scene_seed(moment: &Moment, index: usize) -> u64 {
    moment.rng(SCENES + index as u64).next_u64()
}

/// The streams of chance from which scenes are seeded, one for each place in a batch.
const SCENES: u64 = 1 << 32;

impl BatchSource for CaptionedScenes<'_> {
    type Batch = ImageTextBatch;

    fn steps_per_epoch(&self) -> usize {
        self.steps
    }

    fn batch(&self, moment: &Moment) -> Result<ImageTextBatch, Box<dyn Error + Send + Sync>> {
        let seeds: Vec<u64> = (0..self.batch_size).map(|index| scene_seed(moment, index)).collect();
        let scenes: Vec<Scene> = seeds.iter().map(|&seed| Scene::sample(seed, Split::Train)).collect();
        let texts: Result<Vec<String>, _> = scenes
            .iter()
            .zip(&seeds)
            .map(|(scene, &seed)| self.reader.caption(scene, &mut seeded(seed)))
            .collect();
        Ok(ImageTextBatch {
            pixel_values: self.reader.pixels(&scenes)?,
            texts: self.reader.tokens(&texts?)?,
            image_ids: Vec::new(),
        })
    }
}
