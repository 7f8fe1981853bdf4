//! Says how well texts fit pictures.
//!
//! ```text
//! cargo run --release --example match -- --model blip-itm-base-coco beach.jpg --text "a dog" "a city at night"
//! ```

use std::error::Error;
use std::process::ExitCode;

use blip_core::{FirstToken, MatchOptions, Matcher};
use blip_examples::{ModelArgs, Picture, PictureArgs, Report, exit, text};
use clap::{Parser, ValueEnum};
use serde_json::json;

/// Says how well texts fit pictures, for every picture and every text.
///
/// itc_similarity is the cosine of the picture's and the text's vectors, -1 to 1. itm_logits are the matching head's
/// scores [no match, match], and itm_probability is the probability of a match, their softmax; it looks closer than the
/// cosine.
#[derive(Parser)]
#[command(name = "match")]
struct Cli {
    #[command(flatten)]
    pictures: PictureArgs,

    /// Texts for every picture; the pictures come first.
    #[arg(long = "text", required = true, num_args = 1.., value_name = "T", value_parser = text)]
    texts: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// First token of a text that looks at a picture. cls: both references' matching models; enc: training and the
    /// original's retrieval evaluation [default: cls].
    #[arg(long, value_enum, value_name = "TOKEN")]
    first_token: Option<First>,

    /// One JSON object a picture and text on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum First {
    Cls,
    Enc,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let found = cli.pictures.find()?;
    let matcher: Matcher = cli.model.load()?;
    let mut report = Report::new(cli.json, "image");
    report.each(&found, matcher.processor(), |report, picture| {
        cli.compare(&matcher, &picture, report)
    })?;
    Ok(report.finish())
}

impl Cli {
    fn compare(
        &self,
        matcher: &Matcher,
        picture: &Picture,
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        let options = MatchOptions {
            first_token: self.first_token.map(|first| match first {
                First::Cls => FirstToken::Cls,
                First::Enc => FirstToken::Enc,
            }),
        };
        let matches = matcher.match_texts(&picture.pixel_values, &self.texts, &options)?;
        let name = self.pictures.name(picture.path);
        for (text, matching) in self.texts.iter().zip(matches.iter().flatten()) {
            if self.json {
                report.line(json!({
                    "image": picture.path.display().to_string(),
                    "text": text,
                    "itc_similarity": matching.itc_similarity,
                    "itm_logits": matching.itm_logits,
                    "itm_probability": matching.itm_probability,
                }))?;
            } else {
                report.line(format_args!(
                    "{name}itm {:5.1} %  itc {:7.4}  {text}",
                    100.0 * matching.itm_probability,
                    matching.itc_similarity
                ))?;
            }
        }
        Ok(())
    }
}
