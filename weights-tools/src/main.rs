//! Looks into BLIP checkpoints and makes seeded ones.
//!
//! ```text
//! cargo run --release -p weights-tools -- inspect blip-image-captioning-base
//! cargo run --release -p weights-tools -- random --task caption --preset base --out random-base
//! ```

mod inspect;
mod random;

use std::error::Error;
use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Random(args) => random::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // A transparent error repeats its source.
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}
