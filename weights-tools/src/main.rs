//! Looks into BLIP checkpoints and makes seeded ones.
//!
//! ```text
//! cargo run --release -p weights-tools -- inspect blip-image-captioning-base
//! cargo run --release -p weights-tools -- random --task caption --preset base --out random-base
//! cargo run --release -p weights-tools -- quantize blip-image-captioning-base --precision int8 --out small
//! ```

mod compare;
mod inspect;
mod quantize;
mod random;
mod record;

use std::io::Write;
use std::process::ExitCode;

use blip_core::error_chain;
use clap::{Parser, Subcommand};

/// Looks into BLIP checkpoints and makes seeded ones.
#[derive(Parser)]
#[command(name = "weights-tools")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what a checkpoint is, from its headers alone: layout, task, sizes, what is missing or unexpected.
    Inspect(inspect::Args),
    /// Make a checkpoint with weights from a seed, in a published layout.
    Random(random::Args),
    /// Store a checkpoint with its weights in bf16 or int8, for loading with that precision.
    Quantize(quantize::Args),
    /// Hold what a model computes with weights in bf16 or int8 against what it computes in f32.
    Compare(compare::Args),
    /// Write what a model computes for a picture, to be held against a reference.
    Record(record::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Random(args) => random::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Quantize(args) => quantize::run(&args),
        Command::Record(args) => record::run(&args),
    };
    let (said, code) = match result {
        Ok(Report { text, fault: None }) => (text, ExitCode::SUCCESS),
        Ok(Report {
            text,
            fault: Some(fault),
        }) => {
            eprintln!("error: {fault}");
            (text, ExitCode::FAILURE)
        }
        Err(error) => {
            eprintln!("error: {}", error_chain(error.as_ref()));
            (String::new(), ExitCode::FAILURE)
        }
    };
    match std::io::stdout().write_all(said.as_bytes()) {
        // Nobody reads on, as under `head`.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("error: standard output: {error}");
            ExitCode::FAILURE
        }
        _ => code,
    }
}

/// What a command has to say.
struct Report {
    /// For standard output.
    text: String,
    /// Why the status is 1 all the same.
    fault: Option<String>,
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self { text, fault: None }
    }
}
