//! Fine-tunes a checkpoint on your own data, or pre-trains it further.
//!
//! ```text
//! cargo run --release --example train -- captioning --model blip-image-captioning-base \
//!     --data captions.json --image-root pictures --out run
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use blip_core::traits::SpecialTokens;
use blip_core::{
    Blip, BlipConfig, ImageProcessor, Layout, LoadOptions, Task, Tokenizer, device, error_chain,
};
use blip_data::{
    Dataset, PairRecord, QuestionRecord, RandomResizedCrop, ReadOptions, Record, RecordSet, TrainTransform,
};
use blip_examples::{count, exit, open_captions, open_records, probability, progress, some};
use blip_train::{
    Answering, BatchSource, CaptionRecords, Captioning, Objective, PairRecords, Pretraining,
    PretrainingOptions, QuestionRecords, Reasoning, Records, Regularization, Retrieval, RetrievalOptions,
    Run, RunOptions, Schedule, Trainee, plot_log,
};
use clap::{Parser, ValueEnum};

/// Fine-tunes a checkpoint. The folder of --out gets log.jsonl, at the end curves.png, checkpoints, which the same command goes on from, and at
/// the end the trained model: model/ in Hugging Face layout, or model.pth where Hugging Face has no class for it.
#[derive(Parser)]
#[command(name = "train")]
struct Cli {
    /// What is learned.
    #[arg(value_enum)]
    task: Objectives,

    /// A folder in Hugging Face layout, or one original .pth file.
    #[arg(long, value_name = "PATH")]
    model: PathBuf,

    /// The original's JSON records (an array, or one a line), a folder of pictures with texts beside them, or tar shards.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    data: Vec<PathBuf>,

    /// The folder that records name pictures from.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    image_root: PathBuf,

    /// Where everything goes.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// How often the data is gone through [default: the original's: captioning 5, answering 10, retrieval 6,
    /// reasoning 15, pretraining 20].
    #[arg(long, value_name = "N", value_parser = count)]
    epochs: Option<usize>,

    /// Records at a time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = count)]
    batch_size: usize,

    /// Batches whose gradients are averaged for one step.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = count)]
    accumulation: usize,

    /// The learning rate at the start [default: the original's: 1e-5, answering 2e-5, reasoning 3e-5, pretraining 3e-4].
    #[arg(long, value_name = "R")]
    lr: Option<f64>,

    /// The learning rate at the end.
    #[arg(long, default_value_t = 0.0, value_name = "R")]
    min_lr: f64,

    /// What AdamW takes off every parameter, times the learning rate.
    #[arg(long, default_value_t = 0.05, value_name = "W")]
    weight_decay: f32,

    /// The greatest norm of all gradients together [default: no limit, as in the original].
    #[arg(long, value_name = "NORM")]
    max_grad_norm: Option<f64>,

    /// What captions begin with, which is not learned itself.
    #[arg(long, default_value = "a picture of ", value_name = "TEXT")]
    prompt: String,

    /// Dropout of the text networks.
    #[arg(long, default_value_t = 0.1, value_name = "P", value_parser = probability)]
    dropout: f32,

    /// Leave pictures as they are, but for their size: no crop, mirror or RandAugment.
    #[arg(long)]
    no_augmentation: bool,

    /// Train low-rank adapters of this rank, and nothing else.
    #[arg(long, value_name = "RANK", value_parser = count)]
    lora: Option<usize>,

    /// Features that the contrastive loss remembers; rounded down to whole batches.
    #[arg(long, default_value_t = 57_600, value_name = "N", value_parser = some)]
    queue_size: usize,

    /// Where everything random comes from.
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// Steps between checkpoints.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = some)]
    checkpoint_every: usize,

    /// Where the networks run: flex (the CPU), wgpu, vulkan or metal (features of the same names).
    #[arg(long, default_value = "flex")]
    device: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Objectives {
    /// Captions behind a prompt.
    Captioning,
    /// Answers to questions.
    Answering,
    /// Which texts and pictures belong together.
    Retrieval,
    /// Whether sentences about two pictures are true.
    Reasoning,
    /// Contrast, matching and language modelling at once.
    Pretraining,
}

impl Objectives {
    /// Epochs, learning rate, drop path rate and longest text of the original's configurations.
    fn recipe(self) -> (usize, f64, f64, Option<usize>) {
        match self {
            Self::Captioning => (5, 1e-5, 0.0, Some(40)),
            Self::Answering => (10, 2e-5, 0.1, Some(35)),
            Self::Retrieval => (6, 1e-5, 0.0, Some(35)),
            Self::Reasoning => (15, 3e-5, 0.1, None),
            Self::Pretraining => (20, 3e-4, 0.0, Some(30)),
        }
    }
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

/// What is trained, and what its data goes through.
struct Model {
    trainee: Trainee,
    config: BlipConfig,
    special: SpecialTokens,
    tokenizer: Arc<dyn Tokenizer>,
    processor: ImageProcessor,
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let Model {
        mut trainee,
        config,
        special,
        tokenizer,
        processor,
    } = load(cli)?;
    if let Some(rank) = cli.lora {
        trainee = trainee.with_lora(rank, 2.0 * rank as f64)?;
    }
    let contrastive = |trainee: Trainee| {
        let queue_size = cli.queue_size / cli.batch_size * cli.batch_size;
        trainee.with_contrast(0.07, queue_size.max(cli.batch_size), cli.seed)
    };
    let images = ReadOptions::new(&cli.image_root);
    match cli.task {
        Objectives::Captioning => {
            let prompt = tokenizer.encode(&cli.prompt, None)?.len() - 1;
            let objective = Captioning::new(trainee, special.dec, prompt)?;
            let source = CaptionRecords(
                batches(cli, open_captions(&cli.data, &images)?, processor, tokenizer)
                    .with_prompt(&cli.prompt),
            );
            train(cli, &config, objective, &source)
        }
        Objectives::Answering => {
            let data = open_records::<QuestionRecord>(&cli.data, &images)?;
            let source = QuestionRecords(batches(cli, data, processor, tokenizer));
            train(cli, &config, Answering::new(trainee, special)?, &source)
        }
        Objectives::Retrieval => {
            let source = CaptionRecords(batches(
                cli,
                open_captions(&cli.data, &images)?,
                processor,
                tokenizer,
            ));
            let options = RetrievalOptions {
                special,
                ..RetrievalOptions::default()
            };
            train(
                cli,
                &config,
                Retrieval::new(contrastive(trainee)?, options)?,
                &source,
            )
        }
        Objectives::Reasoning => {
            let data = open_records::<PairRecord>(&cli.data, &images)?;
            let source = PairRecords(batches(cli, data, processor, tokenizer));
            train(cli, &config, Reasoning::new(trainee, special.enc)?, &source)
        }
        Objectives::Pretraining => {
            if cli.lora.is_some() {
                return Err("--lora is for fine-tuning; pre-training trains everything".into());
            }
            let source = CaptionRecords(batches(
                cli,
                open_captions(&cli.data, &images)?,
                processor,
                tokenizer,
            ));
            let options = PretrainingOptions {
                special,
                ..PretrainingOptions::default()
            };
            let objective = Pretraining::new(contrastive(trainee)?, options)?;
            train(cli, &config, objective, &source)
        }
    }
}

fn load(cli: &Cli) -> Result<Model, Box<dyn Error>> {
    let device = device(&cli.device)?;
    let options = LoadOptions::new(device.clone());
    let blip = Blip::from_path(&cli.model, &options)
        .map_err(|error| format!("--model {}: {}", cli.model.display(), error_chain(&error)))?;
    let (_, _, drop_path_rate, _) = cli.task.recipe();
    let regularization = Regularization {
        hidden_dropout_prob: f64::from(cli.dropout),
        attention_probs_dropout_prob: f64::from(cli.dropout),
        drop_path_rate,
    };
    Ok(Model {
        trainee: Trainee::new(blip.to_model(), &regularization, &device)?,
        config: blip.config().expect("it was loaded from a checkpoint").clone(),
        special: blip.tokenizer().special_tokens(),
        tokenizer: blip.tokenizer().clone(),
        processor: blip.processor().clone(),
    })
}

fn batches<R: Record>(
    cli: &Cli,
    data: RecordSet<R>,
    processor: ImageProcessor,
    tokenizer: Arc<dyn Tokenizer>,
) -> Records<RecordSet<R>> {
    let [side, _] = processor.config().size;
    let transform = match (cli.no_augmentation, cli.task) {
        (true, _) => TrainTransform::plain(side),
        // The original pre-trains on smaller parts of pictures than it fine-tunes on.
        (false, Objectives::Pretraining) => TrainTransform {
            crop: RandomResizedCrop::new([0.2, 1.0]).ok(),
            ..TrainTransform::original(side)
        },
        (false, _) => TrainTransform::original(side),
    };
    eprintln!("{} records", data.len());
    let records = Records::new(data, processor, transform, tokenizer, cli.batch_size)
        .on_broken(|error| eprintln!("left out: {error}"));
    match cli.task.recipe() {
        (_, _, _, Some(length)) => records.with_max_length(length),
        _ => records,
    }
}

fn train<O: Objective, S: BatchSource<Batch = O::Batch>>(
    cli: &Cli,
    config: &BlipConfig,
    objective: O,
    source: &S,
) -> Result<ExitCode, Box<dyn Error>> {
    let (epochs, lr, _, _) = cli.task.recipe();
    let (epochs, init_lr) = (cli.epochs.unwrap_or(epochs), cli.lr.unwrap_or(lr));
    let schedule = match cli.task {
        Objectives::Pretraining => Schedule::StepDecay {
            init_lr,
            min_lr: cli.min_lr.max(1e-6),
            lr_decay_rate: 0.9,
            warmup_lr: 1e-6,
            warmup_steps: 3000,
        },
        _ => Schedule::Cosine {
            init_lr,
            min_lr: cli.min_lr,
            max_epoch: epochs,
        },
    };
    let mut options = RunOptions::new(epochs, schedule);
    options.seed = cli.seed;
    options.accumulation = cli.accumulation;
    options.folder = Some(cli.out.clone());
    options.checkpoint_every = cli.checkpoint_every;
    options.optimizer.weight_decay = cli.weight_decay;
    options.optimizer.max_grad_norm = cli.max_grad_norm;
    let mut run = Run::new(objective, options)?;
    let steps = source.steps_per_epoch() / cli.accumulation * epochs;
    let bar = progress("train", steps);
    run.train(source, |report| {
        bar.tell(report);
        true
    })?;
    bar.finish();
    plot_log(&cli.out.join("log.jsonl"), &cli.out.join("curves.png"))?;
    save(cli, config, run.objective())?;
    Ok(ExitCode::SUCCESS)
}

/// The trained model, with the vocabulary of the one that it was.
fn save<O: Objective>(cli: &Cli, config: &BlipConfig, objective: &O) -> Result<(), Box<dyn Error>> {
    let model = objective.trainee().finished();
    let published = matches!(
        Task::of(&model.parts()),
        Some(Task::Captioning | Task::QuestionAnswering | Task::Matching)
    );
    if !published {
        let out = cli.out.join("model.pth");
        model.save(config, Layout::Salesforce, &out)?;
        println!("{}", out.display());
        return Ok(());
    }
    let out = cli.out.join("model");
    model.save(config, Layout::HuggingFace, &out)?;
    let folder = match cli.model.is_dir() {
        true => cli.model.as_path(),
        false => cli.model.parent().unwrap_or(Path::new("")),
    };
    for name in ["tokenizer.json", "vocab.txt"] {
        let file = folder.join(name);
        if file.is_file() {
            std::fs::copy(&file, out.join(name))?;
        }
    }
    println!("{}", out.display());
    Ok(())
}
