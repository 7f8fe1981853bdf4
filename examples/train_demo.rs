//! Trains the demonstration model from nothing.
//!
//! ```text
//! cargo run --release --example train_demo -- --out demo
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use blip_core::{BertTokenizer, BlipModel, Device, Part, Tokenizer};
use blip_demo::corpus;
use blip_examples::demo::{CaptionedScenes, SceneReader, demo_config};
use blip_examples::exit;
use blip_train::{
    AlphaRamp, Pretraining, PretrainingOptions, Regularization, Run, RunOptions, Schedule, Trainee,
};
use clap::Parser;

/// Trains the demonstration model from nothing.
#[derive(Parser)]
#[command(name = "train_demo")]
struct Cli {
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 3000)]
    steps: usize,
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    #[arg(long, default_value_t = 1e-3)]
    lr: f64,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    std::fs::create_dir_all(&cli.out)?;
    let vocab = cli.out.join("vocab.txt");
    if !vocab.exists() {
        std::fs::write(&vocab, blip_core::train_vocabulary(corpus(1, 60_000), 256)?)?;
    }
    let tokenizer = BertTokenizer::from_file(&vocab)?;
    println!("vocabulary {}", tokenizer.vocab_size());
    let config = demo_config(&tokenizer);
    let special = tokenizer.special_tokens();
    let reader = SceneReader::new(tokenizer).map_err(|error| error.to_string())?;
    let device = Device::flex();
    let parts = [Part::TextEncoder, Part::TextDecoder, Part::Projections, Part::ItmHead];
    let model = BlipModel::from_seed(&config, &parts, 1, &device)?;
    let trainee =
        Trainee::new(model, &Regularization::NONE, &device)?.with_contrast(0.07, 2048, 2)?;
    let options = PretrainingOptions {
        special,
        momentum: 0.995,
        alpha: AlphaRamp::Constant(0.2),
    };
    let objective = Pretraining::new(trainee, options)?;
    let schedule = Schedule::WarmupCosine {
        init_lr: cli.lr,
        min_lr: 1e-5,
        warmup_steps: 300,
        max_steps: cli.steps,
    };
    let mut options = RunOptions::new(1, schedule);
    options.folder = Some(cli.out.join("pretrain"));
    options.checkpoint_every = 250;
    options.optimizer.max_grad_norm = Some(1.0);
    let mut run = Run::new(objective, options)?;
    let source = CaptionedScenes {
        reader: &reader,
        batch_size: cli.batch_size,
        steps: cli.steps,
    };
    run.train(&source, |report| {
        if report.step % 10 == 0 {
            println!(
                "{} lr {:.5} {:?} norm {:.2} {:.0}s left {:.0}s",
                report.step,
                report.learning_rate,
                report.parts,
                report.grad_norm.unwrap_or(0.0),
                report.seconds,
                report.seconds_left
            );
        }
        true
    })?;
    Ok(ExitCode::SUCCESS)
}
