//! Looks into BLIP checkpoints and makes seeded ones.
//!
//! ```text
//! cargo run --release -p weights-tools -- inspect blip-image-captioning-base
//! cargo run --release -p weights-tools -- random --task caption --preset base --out random-base
//! ```

mod inspect;
mod random;
mod record;

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
    /// Write what a captioning model computes for a picture, to be held against a reference.
    Record(record::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Random(args) => random::run(&args),
        Command::Record(args) => record::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", error_chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
