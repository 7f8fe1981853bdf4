//! Trains the demonstration model from nothing: the recipe of what is in `blip-demo`.
//!
//! ```text
//! cargo run --release --example train_demo -- --out demo
//! ```
//!
//! ```text
//! vocabulary ─▶ language ─▶ pretrain ─────▶ refine ──────────────────────────────▶ export    captions
//!               LM alone    ITC, ITM, LM    statements too                         ▲ ▲ ▲
//!                                            └─▶ answering ─▶ relations ─▶ answers ┘ │ │     questions
//!                                                  │                        └─▶ matching │   matching, search
//!                                                  └─▶ reasoning ────────────────────────┘   pairs of pictures
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use blip_core::traits::SpecialTokens;
use blip_core::weights::{
    Checkpoint, CheckpointWriter, DType, TensorInfo, load_module, module_entries, module_tensors, save_module,
};
use blip_core::{
    BertTokenizer, BlipConfig, BlipModel, Device, Layout, PairEncoder, Part, Task, TextEncoder, Tokenizer,
    device, train_vocabulary,
};
use blip_demo::{QuestionKind, corpus};
use blip_examples::demo::{
    CaptionedScenes, PairedScenes, QuestionedScenes, SceneReader, Scenes, Stated, demo_config, widened,
};
use blip_examples::{exit, progress};
use blip_train::{
    AlphaRamp, Answering, BatchSource, Captioning, Objective, Pretraining, PretrainingOptions, Reasoning,
    Regularization, Retrieval, RetrievalOptions, Run, RunOptions, Schedule, Trainee, plot_log,
};
use clap::{Parser, ValueEnum};

/// Trains the demonstration model from nothing. Stages whose result is there are left out, and one that was stopped goes
/// on: the same command again is always right.
#[derive(Parser)]
#[command(name = "train_demo")]
struct Cli {
    /// Folder of everything that is made; weights/ in it is what blip-demo ships.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// The last stage to run.
    #[arg(long, value_enum, default_value_t = Stage::Export)]
    until: Stage,

    /// Only this stage, after those that it needs.
    #[arg(long, value_enum, conflicts_with = "until")]
    only: Option<Stage>,

    /// Where everything random comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// All numbers of steps times this: below 1 for a quick look.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,

    /// Where the networks run: flex (the CPU), wgpu, vulkan or metal (features of the same names).
    #[arg(long, default_value = "flex")]
    device: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Stage {
    Vocabulary,
    Language,
    Pretrain,
    Refine,
    Answering,
    Relations,
    Answers,
    Matching,
    Reasoning,
    Export,
}

/// Texts that the vocabulary is trained on, and its size.
const CORPUS: (usize, usize) = (60_000, 256);

/// A stage: its scenes, steps, scenes a step, and greatest learning rate.
struct Recipe {
    /// Added to the seed, so that no two stages see the same scenes.
    stream: u64,
    steps: usize,
    batch_size: usize,
    learning_rate: f64,
}

const LANGUAGE: Recipe = Recipe {
    stream: 8,
    steps: 16_000,
    batch_size: 32,
    learning_rate: 1e-3,
};
const PRETRAIN: Recipe = Recipe {
    stream: 9,
    steps: 4000,
    batch_size: 48,
    learning_rate: 5e-4,
};
const REFINE: Recipe = Recipe {
    stream: 12,
    steps: 4000,
    batch_size: 32,
    learning_rate: 3e-4,
};
const ANSWERING: Recipe = Recipe {
    stream: 10,
    steps: 5000,
    batch_size: 16,
    learning_rate: 7e-4,
};
const RELATIONS: Recipe = Recipe {
    stream: 14,
    steps: 3000,
    batch_size: 16,
    learning_rate: 1e-3,
};
const ANSWERS: Recipe = Recipe {
    stream: 15,
    steps: 3000,
    batch_size: 16,
    learning_rate: 4e-4,
};
const MATCHING: Recipe = Recipe {
    stream: 16,
    steps: 3000,
    batch_size: 32,
    learning_rate: 4e-4,
};
const REASONING: Recipe = Recipe {
    stream: 11,
    steps: 5000,
    batch_size: 32,
    learning_rate: 5e-4,
};

/// A patch of 32 pixels has 24 times the inputs of the other layers.
const PATCH_EMBEDDING_LR_SCALE: f64 = 0.03;

/// Questions about each scene of a step.
const QUESTIONS: usize = 4;

/// Every kind of question but that for a direction.
const SIMPLE_KINDS: &[QuestionKind] = QuestionKind::ALL.split_at(9).0;

/// How one object lies to another, and whether it lies so.
const RELATION_KINDS: &[QuestionKind] = &[QuestionKind::Direction, QuestionKind::Relation];

/// Features that the contrastive loss remembers: a multiple of both batch sizes.
const QUEUE: usize = 2304;

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    std::fs::create_dir_all(&cli.out)?;
    let kitchen = Kitchen::new(cli)?;
    let wanted = |stage: Stage| match cli.only {
        Some(only) => stage == only,
        None => stage <= cli.until,
    };
    for (stage, name, make) in STAGES {
        if wanted(stage) && !kitchen.file(name).exists() {
            make(&kitchen)?;
        }
    }
    if wanted(Stage::Export) {
        kitchen.export()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes what a stage is for.
type Make = fn(&Kitchen) -> Result<(), Box<dyn Error>>;

/// The stages that train, in order, with the names of their files.
const STAGES: [(Stage, &str, Make); 8] = [
    (Stage::Language, "language", |kitchen| kitchen.language()),
    (Stage::Pretrain, "pretrain", |kitchen| kitchen.pretrain()),
    (Stage::Refine, "refine", |kitchen| kitchen.refine()),
    (Stage::Answering, "answering", |kitchen| {
        kitchen.answering("answering", "refine", SIMPLE_KINDS, &ANSWERING)
    }),
    (Stage::Relations, "relations", |kitchen| {
        kitchen.answering("relations", "answering", RELATION_KINDS, &RELATIONS)
    }),
    (Stage::Answers, "answers", |kitchen| {
        kitchen.answering("answers", "relations", &QuestionKind::ALL, &ANSWERS)
    }),
    (Stage::Matching, "matching", |kitchen| kitchen.matching()),
    (Stage::Reasoning, "reasoning", |kitchen| kitchen.reasoning()),
];

/// What every stage takes.
struct Kitchen<'a> {
    cli: &'a Cli,
    device: Device,
    config: BlipConfig,
    special: SpecialTokens,
    reader: SceneReader,
}

/// The parts that pre-training trains, beside the image encoder.
const PRETRAINED: &[Part] = &[
    Part::VisualEncoder,
    Part::TextEncoder,
    Part::TextDecoder,
    Part::Projections,
    Part::ItmHead,
];

/// The parts that matching and search take, beside the image encoder.
const RETRIEVED: &[Part] = &[
    Part::VisualEncoder,
    Part::TextEncoder,
    Part::Projections,
    Part::ItmHead,
];

impl<'a> Kitchen<'a> {
    fn new(cli: &'a Cli) -> Result<Self, Box<dyn Error>> {
        let path = cli.out.join("vocab.txt");
        if !path.exists() {
            let (texts, size) = CORPUS;
            std::fs::write(&path, train_vocabulary(corpus(cli.seed, texts), size)?)?;
        }
        let tokenizer = BertTokenizer::from_file(&path)?;
        let (config, special) = (demo_config(&tokenizer), tokenizer.special_tokens());
        let reader = SceneReader::new(tokenizer).map_err(|error| error.to_string())?;
        Ok(Self {
            cli,
            device: device(&cli.device)?,
            config,
            special,
            reader,
        })
    }

    /// `recipe`'s steps, scaled.
    fn scenes(&self, recipe: &Recipe) -> Scenes<'_> {
        Scenes {
            reader: &self.reader,
            batch_size: recipe.batch_size,
            steps: ((recipe.steps as f64 * self.cli.scale) as usize).max(1),
        }
    }

    fn file(&self, stage: &str) -> PathBuf {
        self.cli.out.join(format!("{stage}.safetensors"))
    }

    /// Some parts of a stage's result.
    fn load(&self, stage: &str, parts: &[Part]) -> Result<BlipModel, Box<dyn Error>> {
        let path = self.file(stage);
        let checkpoint =
            Checkpoint::open(&path).map_err(|error| format!("{error}; is the stage {stage} done?"))?;
        let model = BlipModel::new(&self.config, parts, &self.device)?;
        let keys = BlipModel::keys(Layout::Salesforce, parts);
        Ok(load_module(&checkpoint, model, &keys, &self.device)?.0)
    }

    /// Trains to the end and saves what was trained.
    fn train<O: Objective, S: BatchSource<Batch = O::Batch>>(
        &self,
        stage: &str,
        objective: O,
        source: &S,
        recipe: &Recipe,
    ) -> Result<(), Box<dyn Error>> {
        let steps = source.steps_per_epoch();
        let schedule = Schedule::WarmupCosine {
            init_lr: recipe.learning_rate,
            min_lr: recipe.learning_rate / 100.0,
            warmup_steps: (steps / 20).min(300),
            max_steps: steps,
        };
        let mut options = RunOptions::new(1, schedule);
        options.seed = self.cli.seed.wrapping_add(recipe.stream);
        options.folder = Some(self.cli.out.join(stage));
        options.checkpoint_every = 250;
        options.optimizer.max_grad_norm = Some(1.0);
        options.optimizer.patch_embedding_lr_scale = PATCH_EMBEDDING_LR_SCALE;
        let mut run = Run::new(objective, options)?;
        let bar = progress(stage, steps);
        run.train(source, |report| {
            bar.tell(report);
            true
        })?;
        bar.finish();
        let folder = self.cli.out.join(stage);
        plot_log(&folder.join("log.jsonl"), &folder.join("curves.png"))?;
        let model = run.into_objective().trainee().finished();
        let keys = BlipModel::keys(Layout::Salesforce, &model.parts());
        save_module(&model, &keys, DType::F32, self.file(stage))?;
        Ok(())
    }

    /// Language modelling alone, from seeded weights: of the three losses the one that teaches most of a picture for its
    /// time.
    fn language(&self) -> Result<(), Box<dyn Error>> {
        let parts = Task::Captioning.parts();
        let model = BlipModel::from_seed(&self.config, parts, self.cli.seed, &self.device)?;
        let source = CaptionedScenes {
            scenes: self.scenes(&LANGUAGE),
            prompted: 0.0,
            statements: Stated::Nothing,
        };
        let trainee = Trainee::new(widened(model), &Regularization::NONE, &self.device)?;
        let objective = Captioning::new(trainee, self.special.dec, 1)?;
        self.train("language", objective, &source, &LANGUAGE)
    }

    /// Contrast, matching and language modelling. The text encoder begins as the decoder is, as in the original both begin
    /// as one BERT.
    fn pretrain(&self) -> Result<(), Box<dyn Error>> {
        let mut model = self.load("language", Task::Captioning.parts())?;
        let fresh = BlipModel::from_seed(&self.config, PRETRAINED, self.cli.seed, &self.device)?;
        let fresh = widened(fresh);
        let decoder = model.text_decoder.as_ref().expect("it was asked for");
        model.text_encoder = Some(TextEncoder::of_bert(decoder.bert().clone()));
        model.vision_proj = fresh.vision_proj;
        model.text_proj = fresh.text_proj;
        model.itm_head = fresh.itm_head;
        self.join(
            "pretrain",
            Trainee::new(model, &Regularization::NONE, &self.device)?,
            Stated::Nothing,
            &PRETRAIN,
        )
    }

    /// The same again, over an image encoder that stays: now the matching head learns from statements too, without which
    /// it takes a text that tells only a part for wrong, and one with a single word wrong for right.
    fn refine(&self) -> Result<(), Box<dyn Error>> {
        let model = self.load("pretrain", PRETRAINED)?;
        let trainee = Trainee::new(model, &Regularization::NONE, &self.device)?.with_frozen_image_encoder();
        self.join("refine", trainee, Stated::Facts, &REFINE)
    }

    /// A stage of all three losses, with captions that now and then begin with the prompt.
    fn join(
        &self,
        stage: &str,
        trainee: Trainee,
        statements: Stated,
        recipe: &Recipe,
    ) -> Result<(), Box<dyn Error>> {
        let source = CaptionedScenes {
            scenes: self.scenes(recipe),
            prompted: 0.08,
            statements,
        };
        let options = PretrainingOptions {
            alpha: AlphaRamp::Constant(0.4),
            special: self.special,
            ..PretrainingOptions::default()
        };
        // Half of the texts begin as Hugging Face's do.
        let objective = Pretraining::new(trainee.with_contrast(0.07, QUEUE, self.cli.seed)?, options)?
            .with_first_tokens(vec![self.special.enc, self.special.cls]);
        self.train(stage, objective, &source, recipe)
    }

    /// A stage of questions, over an image encoder that stays. Whether one object lies so to another is not learned beside
    /// all other kinds (55 % right, where chance is 50); beside the question how it lies, and alone, it is.
    fn answering(
        &self,
        stage: &str,
        from: &str,
        kinds: &'static [QuestionKind],
        recipe: &Recipe,
    ) -> Result<(), Box<dyn Error>> {
        let model = self.load(from, Task::QuestionAnswering.parts())?;
        let source = QuestionedScenes {
            scenes: self.scenes(recipe),
            questions: QUESTIONS,
            kinds,
        };
        let trainee = Trainee::new(model, &Regularization::NONE, &self.device)?.with_frozen_image_encoder();
        let objective = Answering::new(trainee, self.special)?
            .with_first_tokens(vec![self.special.enc, self.special.cls]);
        self.train(stage, objective, &source, recipe)
    }

    /// Contrast and matching alone. The text encoder begins as it was left by answers, to know relations; from what pre-training
    /// knows, it does not learn them.
    fn matching(&self) -> Result<(), Box<dyn Error>> {
        let mut model = self.load("refine", RETRIEVED)?;
        model.text_encoder = self.load("answers", &[Part::TextEncoder])?.text_encoder;
        let source = CaptionedScenes {
            scenes: self.scenes(&MATCHING),
            prompted: 0.08,
            statements: Stated::Confusions,
        };
        let options = RetrievalOptions {
            alpha: AlphaRamp::Constant(0.4),
            special: self.special,
            ..RetrievalOptions::default()
        };
        let trainee = Trainee::new(model, &Regularization::NONE, &self.device)?.with_frozen_image_encoder();
        let objective = Retrieval::new(trainee.with_contrast(0.07, QUEUE, self.cli.seed)?, options)?
            .with_first_tokens(vec![self.special.enc, self.special.cls]);
        self.train("matching", objective, &source, &MATCHING)
    }

    /// The text encoder begins as answering left it: it counts, and tells what is there.
    fn reasoning(&self) -> Result<(), Box<dyn Error>> {
        let mut model = self.load("answering", &[Part::TextEncoder])?;
        let head = BlipModel::from_seed(&self.config, &[Part::ClsHead], self.cli.seed, &self.device)?;
        let encoder = model.text_encoder.take().expect("it was asked for");
        let pair = PairEncoder::of_text_encoder(&encoder, &self.config.text, &self.device)?;
        model.pair_encoder = Some(pair);
        model.cls_head = head.cls_head;
        let source = PairedScenes(self.scenes(&REASONING));
        let trainee = Trainee::new(model, &Regularization::NONE, &self.device)?.with_frozen_image_encoder();
        let objective = Reasoning::new(trainee, self.special.enc)?;
        self.train("reasoning", objective, &source, &REASONING)
    }

    /// The files of `blip-demo`, in f16: what is shared is written once.
    fn export(&self) -> Result<(), Box<dyn Error>> {
        let folder = self.cli.out.join("weights");
        std::fs::create_dir_all(&folder)?;
        let path = |name: &str| folder.join(name);
        std::fs::write(path("config.json"), self.config.to_json(Task::Captioning)?)?;
        std::fs::copy(self.cli.out.join("vocab.txt"), path("vocab.txt"))?;
        let mut general = self.load("matching", RETRIEVED)?;
        general.text_decoder = self.load("refine", &[Part::TextDecoder])?.text_decoder;
        // The decoder's head is its words.
        let tied = "text_decoder.cls.predictions.decoder.weight";
        write_f16(&general, &path("general.safetensors"), |name| name != tied)?;
        let texts = |name: &str| !name.starts_with("vision_model.") && name != tied;
        let answering = self.load("answers", Task::QuestionAnswering.parts())?;
        write_f16(&answering, &path("answering.safetensors"), texts)?;
        let reasoning = self.load("reasoning", Task::Reasoning.parts())?;
        write_f16(&reasoning, &path("reasoning.safetensors"), texts)?;
        Ok(())
    }
}

/// Writes the tensors of a model that are wanted.
fn write_f16(model: &BlipModel, path: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), Box<dyn Error>> {
    let keys = BlipModel::keys(Layout::HuggingFace, &model.parts());
    let tensors: Vec<TensorInfo> = module_tensors(model, &keys)?
        .into_iter()
        .filter(|tensor| wanted(&tensor.name))
        .map(|tensor| TensorInfo::new(tensor.name, DType::F16, tensor.shape))
        .collect();
    let mut writer = CheckpointWriter::safetensors(path, &tensors, &[("format", "pt")])?;
    module_entries(model, &keys, |info, values| match wanted(&info.name) {
        true => writer.write_f32(&info.name, &values),
        false => Ok(()),
    })?;
    Ok(writer.finish()?)
}
