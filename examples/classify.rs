//! Says which of some labels pictures are nearest to.
//!
//! ```text
//! cargo run --release --example classify -- --model model_base.pth beach.jpg --label dog cat --template "a picture of a {}"
//! ```

use std::error::Error;
use std::process::ExitCode;

use blip_core::{Classifier, LabelSet};
use blip_examples::{ModelArgs, Picture, PictureArgs, Report, exit, positive, text};
use clap::Parser;
use serde_json::{Value, json};

/// Says which of some labels pictures are nearest to, without training for them.
///
/// itc_similarity is the cosine of the picture's and the label's vectors, -1 to 1. probability is the softmax over the
/// labels of the cosines divided by the temperature: how the labels compare with each other, not whether any of them is
/// right.
#[derive(Parser)]
#[command(name = "classify")]
struct Cli {
    #[command(flatten)]
    pictures: PictureArgs,

    /// Labels for every picture; the pictures come first.
    #[arg(long = "label", required = true, num_args = 1.., value_name = "L", value_parser = text)]
    labels: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// A text with {} where a label goes; of several, the mean counts. Default: the label as it is.
    #[arg(long = "template", value_name = "TEXT", value_parser = template)]
    templates: Vec<String>,

    /// What cosines are divided by: below the default the labels stand further apart. Default: the temperature that the
    /// checkpoint's training ended with; 0.07, with which training begins, where the checkpoint does not say.
    #[arg(long, value_name = "T", value_parser = positive)]
    temperature: Option<f32>,

    /// One JSON object a picture on standard output.
    #[arg(long)]
    json: bool,
}

fn template(text: &str) -> Result<String, String> {
    if text.contains("{}") {
        Ok(text.to_owned())
    } else {
        Err("expected {} where the label goes".to_owned())
    }
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let found = cli.pictures.find()?;
    let mut classifier: Classifier = cli.model.load()?;
    if let Some(temperature) = cli.temperature {
        classifier = classifier.with_temperature(temperature)?;
    }
    let labels = classifier.label_set(&cli.labels, &cli.templates)?;
    let mut report = Report::new(cli.json, "image");
    report.each(&found, classifier.processor(), |report, picture| {
        cli.classify(&classifier, &labels, &picture, report)
    })?;
    Ok(report.finish())
}

impl Cli {
    fn classify(
        &self,
        classifier: &Classifier,
        labels: &LabelSet,
        picture: &Picture,
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        let ranked = classifier.classify(&picture.pixel_values, labels)?;
        let ranked = ranked.iter().flatten();
        if self.json {
            let labels: Vec<Value> = ranked
                .map(|label| {
                    json!({
                        "label": label.label,
                        "probability": label.probability,
                        "itc_similarity": label.itc_similarity,
                    })
                })
                .collect();
            report.line(json!({"image": picture.path.display().to_string(), "labels": labels}))?;
            return Ok(());
        }
        let name = self.pictures.name(picture.path);
        for label in ranked {
            report.line(format_args!(
                "{name}{:5.1} %  itc {:7.4}  {}",
                100.0 * label.probability,
                label.itc_similarity,
                label.label
            ))?;
        }
        Ok(())
    }
}
