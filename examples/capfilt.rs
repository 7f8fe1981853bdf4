//! CapFilt: writes texts for the pictures of a data set and keeps those, its own and the set's, that match.
//!
//! ```text
//! cargo run --release --example capfilt -- web.json --image-root pictures \
//!     --captioner model_base_caption.pth --filter model_base_retrieval_coco.pth --out filtered.jsonl
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use blip_core::{Captioner, LoadOptions, Matcher, device, error_chain};
use blip_data::{Dataset, ReadOptions, Targets};
use blip_examples::{count, exit, length, open_captions, positive, probability};
use blip_train::{CapFilt, CapFiltEvent, CapFiltOptions};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Writes texts for pictures and keeps those that match, one JSON object a line: image, caption, source (web or
/// synthetic) and itm_probability. A run that was killed goes on where it stopped.
#[derive(Parser)]
#[command(name = "capfilt")]
struct Cli {
    /// The original's JSON records (an array, or one a line), a folder of pictures with texts beside them, or tar shards.
    #[arg(required = true, value_name = "DATA")]
    data: Vec<PathBuf>,

    /// The folder that records name pictures from.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    image_root: PathBuf,

    /// The model that writes texts.
    #[arg(long, value_name = "PATH")]
    captioner: PathBuf,

    /// The model that judges them.
    #[arg(long, value_name = "PATH")]
    filter: PathBuf,

    /// Where the kept texts go.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Texts for each picture.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = count)]
    captions: usize,

    /// Draw from the smallest set of tokens whose probability reaches this.
    #[arg(long, default_value_t = 0.9, value_name = "P", value_parser = probability)]
    top_p: f32,

    /// Draw from this many of the most likely tokens; 0 is all.
    #[arg(long, default_value_t = 50, value_name = "K")]
    top_k: usize,

    /// Below 1 sharpens the distribution, above 1 flattens it.
    #[arg(long, default_value_t = 1.0, value_name = "T", value_parser = positive)]
    temperature: f32,

    /// Tokens that a text may have, with its prompt, first and last token.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = length)]
    max_length: usize,

    /// Tokens that a text has at least, with its prompt and first token.
    #[arg(long, default_value_t = 5, value_name = "N")]
    min_length: usize,

    /// The least probability of a match that is kept; 0 keeps all.
    #[arg(long, default_value_t = 0.5, value_name = "P")]
    threshold: f32,

    /// Leave the set's own texts out.
    #[arg(long)]
    synthetic_only: bool,

    /// Where the draws come from.
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// Where the networks run: flex (the CPU), wgpu, vulkan or metal (features of the same names).
    #[arg(long, default_value = "flex")]
    device: String,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    if !(0.0..=1.0).contains(&cli.threshold) {
        return Err(format!("--threshold: expected 0 to 1, got {}", cli.threshold).into());
    }
    let mut options = ReadOptions::new(&cli.image_root);
    options.targets = Targets::Optional;
    let data = open_captions(&cli.data, &options)?;
    let load = LoadOptions::new(device(&cli.device)?);
    let told = |flag: &str, path: &PathBuf, error: blip_core::Error| {
        format!("--{flag} {}: {}", path.display(), error_chain(&error))
    };
    let captioner = Captioner::from_path(&cli.captioner, &load)
        .map_err(|error| told("captioner", &cli.captioner, error))?;
    let filter =
        Matcher::from_path(&cli.filter, &load).map_err(|error| told("filter", &cli.filter, error))?;

    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} pictures, {eta} left")?;
    let bar = ProgressBar::new(data.len() as u64).with_style(style);
    let settings = CapFiltOptions {
        captions: cli.captions,
        top_p: cli.top_p,
        top_k: cli.top_k,
        temperature: cli.temperature,
        max_length: cli.max_length,
        min_length: cli.min_length,
        threshold: cli.threshold,
        web: !cli.synthetic_only,
        seed: cli.seed,
    };
    let report = CapFilt::new(&captioner, &filter).run(&data, &settings, &cli.out, |event| {
        let index = match event {
            CapFiltEvent::Picture { index, .. } => index,
            CapFiltEvent::Broken { index, error } => {
                bar.suspend(|| eprintln!("left out: {error}"));
                index
            }
        };
        bar.set_position(index as u64 + 1);
    })?;
    bar.finish_and_clear();
    println!(
        "{} pictures, {} broken; kept {} of {} web texts and {} of {} synthetic ones",
        report.pictures, report.broken, report.web_kept, report.web, report.synthetic_kept, report.synthetic
    );
    Ok(ExitCode::SUCCESS)
}
