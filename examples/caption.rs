//! Captions pictures.
//!
//! ```text
//! cargo run --release --example caption -- --model blip-image-captioning-base beach.jpg
//! ```

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use blip_core::{Caption, CaptionOptions, Captioner, PixelValues, is_picture};
use blip_examples::{
    ModelArgs, Picture, PictureArgs, Report, Timings, count, exit, length, length_penalty, positive,
    probability,
};
use clap::Parser;
use serde_json::{Value, json};

/// Says what pictures show.
///
/// A caption's score is the sum of its tokens' log-probabilities, in beam search divided by the length to the power of
/// the length penalty; higher is better. token_log_probs are those of the generated tokens, [SEP] included.
#[derive(Parser)]
#[command(name = "caption")]
struct Cli {
    #[command(flatten)]
    pictures: PictureArgs,

    #[command(flatten)]
    model: ModelArgs,

    /// What the captions begin with. Default: nothing (huggingface), "a picture of " (salesforce).
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,

    /// Partial captions kept in beam search; 1 is greedy search [default: 3; 1 with --stream].
    #[arg(long, value_name = "N", conflicts_with = "sample", value_parser = count)]
    num_beams: Option<usize>,

    /// Tokens that a caption may have, with its prompt, first and last token.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = length)]
    max_length: usize,

    /// Tokens that a caption has at least, with its prompt and first token.
    #[arg(long, default_value_t = 5, value_name = "N")]
    min_length: usize,

    /// Draw tokens at random instead of searching for the likeliest caption.
    #[arg(long)]
    sample: bool,

    /// Draw from the smallest set of tokens whose probability reaches this.
    #[arg(long, requires = "sample", value_name = "P", value_parser = probability)]
    top_p: Option<f32>,

    /// Draw from this many of the most likely tokens; 0 is all.
    #[arg(long, requires = "sample", value_name = "K")]
    top_k: Option<usize>,

    /// Below 1 sharpens the distribution, above 1 flattens it.
    #[arg(long, requires = "sample", value_name = "T", value_parser = positive)]
    temperature: Option<f32>,

    /// Where the draws come from: the same seed draws the same captions.
    #[arg(long, requires = "sample", value_name = "S")]
    seed: Option<u64>,

    /// Captions for each picture.
    #[arg(long, value_name = "N", value_parser = count)]
    num_return_sequences: Option<usize>,

    /// Above 1 discourages words that the caption has already.
    #[arg(long, value_name = "R", value_parser = positive)]
    repetition_penalty: Option<f32>,

    /// Exponent of the length by which a beam's score is divided.
    #[arg(long, conflicts_with = "sample", value_name = "L", allow_negative_numbers = true, value_parser = length_penalty)]
    length_penalty: Option<f64>,

    /// No n-gram of this size comes twice.
    #[arg(long, value_name = "N")]
    no_repeat_ngram_size: Option<usize>,

    /// A word or phrase that does not come; may be given several times.
    #[arg(long = "bad-word", value_name = "W")]
    bad_words: Vec<String>,

    /// Pictures that are encoded and captioned together; each gets what it gets alone.
    #[arg(long, default_value_t = 1, value_name = "B", value_parser = count)]
    batch_size: usize,

    /// Print a caption while it is written (greedy search or sampling, one caption for each picture).
    #[arg(long, conflicts_with_all = ["json", "num_return_sequences"])]
    stream: bool,

    /// Also write each picture's captions beside it, into a file with this ending. A file that is there stays.
    #[arg(long, value_name = "EXT", value_parser = ending)]
    sidecar: Option<String>,

    /// Let --sidecar replace files that are there.
    #[arg(long, requires = "sidecar")]
    overwrite: bool,

    /// One JSON object a line on standard output; times are milliseconds, those of a batch divided by its pictures.
    #[arg(long)]
    json: bool,
}

/// The ending of a sidecar file: not a path, and not a picture's.
fn ending(text: &str) -> Result<String, String> {
    let ending = text.trim_start_matches('.');
    if ending.is_empty() || ending.contains(['/', '\\']) {
        return Err("expected a file name's ending, such as txt".to_owned());
    }
    if is_picture(&Path::new("x").with_extension(ending)) {
        return Err("expected another ending than a picture's".to_owned());
    }
    Ok(ending.to_owned())
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let found = cli.pictures.find()?;
    let captioner: Captioner = cli.model.load()?;
    captioner.check(&cli.options())?;
    if cli.stream && cli.num_beams.is_some_and(|beams| beams > 1) {
        return Err("--stream needs greedy search or sampling, got --num-beams above 1".into());
    }
    let mut report = Report::new(cli.json, "image");
    if !cli.stream {
        report.wait_for(found.len(), "pictures");
    }
    let mut images = Vec::new();
    for image in found {
        match image {
            Ok(image) => images.push(image),
            Err((folder, error)) => {
                report.failure(&folder, &error)?;
                report.advance(1);
            }
        }
    }
    for batch in images.chunks(cli.batch_size) {
        cli.caption(&captioner, batch, &mut report)?;
        report.advance(batch.len());
    }
    Ok(report.finish())
}

impl Cli {
    fn options(&self) -> CaptionOptions {
        let beams = self.num_beams.unwrap_or(if self.stream { 1 } else { 3 });
        CaptionOptions {
            prompt: self.prompt.clone(),
            sample: self.sample,
            num_beams: (!self.sample).then_some(beams),
            max_length: Some(self.max_length),
            min_length: Some(self.min_length),
            repetition_penalty: self.repetition_penalty,
            no_repeat_ngram_size: self.no_repeat_ngram_size,
            bad_words: self.bad_words.clone(),
            num_return_sequences: self.num_return_sequences,
            length_penalty: self.length_penalty,
            top_p: self.top_p,
            top_k: self.top_k,
            temperature: self.temperature,
            seed: self.seed,
            ..CaptionOptions::default()
        }
    }

    /// Captions a batch. What is wrong with a picture is told, and the rest go on; what is wrong with the request ends it.
    fn caption(
        &self,
        captioner: &Captioner,
        paths: &[PathBuf],
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        let mut read = Vec::with_capacity(paths.len());
        for path in paths {
            match Picture::open(captioner.processor(), path) {
                Ok(picture) => read.push(picture),
                Err(error) => report.failure(path, &error)?,
            }
        }
        if read.is_empty() {
            return Ok(());
        }
        let options = self.options();
        if self.stream {
            for picture in &read {
                self.stream(captioner, picture, &options, report)?;
            }
            return Ok(());
        }
        let pixel_values: Vec<PixelValues> =
            read.iter().map(|picture| picture.pixel_values.clone()).collect();
        let start = Instant::now();
        let encoded = captioner.encode(&PixelValues::concat(&pixel_values)?)?;
        let encode = start.elapsed() / read.len() as u32;

        let start = Instant::now();
        let captions = captioner.caption_encoded(&encoded, &options)?;
        let generate = start.elapsed() / read.len() as u32;
        for (picture, captions) in read.iter().zip(&captions) {
            self.sidecar(picture.path, captions, report)?;
            if self.json {
                let timings = Timings {
                    encode,
                    generate,
                    ..picture.timings
                };
                report.line(object(picture.path, captions, timings))?;
                continue;
            }
            let name = self.pictures.name(picture.path);
            for caption in captions {
                report.line(format_args!("{name}{}", caption.text))?;
            }
        }
        Ok(())
    }

    fn stream(
        &self,
        captioner: &Captioner,
        picture: &Picture,
        options: &CaptionOptions,
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        let mut closed = report.piece(&self.pictures.name(picture.path));
        let captions = captioner.caption_streaming(&picture.pixel_values, options, &mut |piece| {
            if closed.is_ok() {
                closed = report.piece(piece.text);
            }
        })?;
        closed?;
        report.line("")?;
        self.sidecar(picture.path, &captions, report)
    }

    /// Writes the captions beside the picture, a line each. What cannot be written is told, and the rest go on.
    fn sidecar(&self, path: &Path, captions: &[Caption], report: &mut Report) -> Result<(), Box<dyn Error>> {
        let Some(ending) = &self.sidecar else {
            return Ok(());
        };
        let beside = path.with_extension(ending);
        let text: String = captions
            .iter()
            .map(|caption| format!("{}\n", caption.text))
            .collect();
        let mut file = std::fs::OpenOptions::new();
        if self.overwrite {
            file.create(true).truncate(true);
        } else {
            file.create_new(true);
        }
        match file
            .write(true)
            .open(&beside)
            .and_then(|mut file| file.write_all(text.as_bytes()))
        {
            Ok(()) => Ok(()),
            Err(error) => Ok(report.failure(&beside, &error)?),
        }
    }
}

fn object(path: &Path, captions: &[Caption], timings: Timings) -> Value {
    let captions: Vec<Value> = captions
        .iter()
        .map(|caption| {
            json!({
                "text": caption.text,
                "score": caption.score,
                "token_ids": caption.token_ids,
                "token_log_probs": caption.token_log_probs,
            })
        })
        .collect();
    json!({
        "image": path.display().to_string(),
        "captions": captions,
        "timings_ms": timings.json(),
    })
}
