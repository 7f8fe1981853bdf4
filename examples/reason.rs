//! Judges sentences about two pictures.
//!
//! ```text
//! cargo run --release --example reason -- --model model_base_nlvr.pth left.jpg right.jpg --text "both show a dog"
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use blip_core::{HiddenStates, PairReasoner};
use blip_examples::{ModelArgs, Picture, Report, exit, text};
use clap::Parser;
use serde_json::json;

/// Judges whether sentences about two pictures are true (NLVR2).
///
/// logits are the reasoning head's scores [false, true]; answer is whether the second is greater, and probability is that
/// of the sentence being true, their softmax.
#[derive(Parser)]
#[command(name = "reason")]
struct Cli {
    /// Two pictures, the left one first.
    #[arg(required = true, num_args = 2, value_names = ["IMAGE", "IMAGE"])]
    images: Vec<PathBuf>,

    /// Sentences about both pictures; the pictures come first.
    #[arg(long = "text", required = true, num_args = 1.., value_name = "T", value_parser = text)]
    texts: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// One JSON object a sentence on standard output.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let [first, second] = &cli.images[..] else {
        return Err("expected two pictures".into());
    };
    let reasoner: PairReasoner = cli.model.load()?;
    let encode = |path: &Path| -> Result<HiddenStates, Box<dyn Error>> {
        let picture = Picture::needed(reasoner.processor(), path)?;
        Ok(reasoner.encode(&picture.pixel_values)?)
    };
    let (left, right) = (encode(first)?, encode(second)?);
    let mut report = Report::new(cli.json, "image");
    for text in &cli.texts {
        // One by one: a pair of pictures is not copied for each text.
        for verdict in reasoner.reason_encoded(&left, &right, &[text])? {
            if cli.json {
                report.line(json!({
                    "images": [first.display().to_string(), second.display().to_string()],
                    "text": text,
                    "logits": verdict.logits,
                    "answer": verdict.answer,
                    "probability": verdict.probability,
                }))?;
            } else {
                report.line(format_args!(
                    "{:5}  {:5.1} %  {text}",
                    verdict.answer,
                    100.0 * verdict.probability
                ))?;
            }
        }
    }
    Ok(report.finish())
}
