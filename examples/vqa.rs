//! Answers questions about pictures.
//!
//! ```text
//! cargo run --release --example vqa -- --model blip-vqa-base beach.jpg --question "how many dogs are there?"
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use blip_core::{
    Answer, AnswerList, AnswerOptions, HiddenStates, QuestionAnswerer, RankOptions, RankedAnswer,
};
use blip_examples::{
    ModelArgs, Picture, PictureArgs, Report, Timings, Usage, count, exit, length, length_penalty, list,
    positive, some, text,
};
use clap::Parser;
use serde_json::{Value, json};

/// Answers questions about pictures: writes answers, or ranks those of a list.
///
/// A written answer's score is the sum of its tokens' log-probabilities, in beam search divided by the length to the
/// power of the length penalty. A listed answer's score is the sum of its tokens' log-probabilities, [SEP] included,
/// with label smoothing; log_probability is the same sum without. Higher is better.
#[derive(Parser)]
#[command(name = "vqa")]
struct Cli {
    #[command(flatten)]
    pictures: PictureArgs,

    /// Questions about every picture; the pictures come first.
    #[arg(long = "question", required = true, num_args = 1.., value_name = "Q", value_parser = text)]
    questions: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// Partial answers kept in beam search; 1 is greedy search.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = count)]
    num_beams: usize,

    /// Tokens that an answer may have, with its first and last one.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = length)]
    max_length: usize,

    /// Tokens that an answer has at least, with its first one. Default: 0 (huggingface), 1 (salesforce).
    #[arg(long, value_name = "N")]
    min_length: Option<usize>,

    /// Exponent of the length by which a beam's score is divided.
    #[arg(long, value_name = "L", allow_negative_numbers = true, value_parser = length_penalty)]
    length_penalty: Option<f64>,

    /// Above 1 discourages tokens that the answer has already.
    #[arg(long, value_name = "R", value_parser = positive)]
    repetition_penalty: Option<f32>,

    /// Answers told for each question [default: the best; with --json all beams, or all that were ranked].
    #[arg(long, value_name = "N", value_parser = some)]
    num_answers: Option<usize>,

    /// Ask all questions about a picture together: faster, but an answer depends on the longest question.
    #[arg(long)]
    batch: bool,

    /// Hide the padding of shorter questions, so that each gets what it gets alone; neither reference does.
    #[arg(long, requires = "batch")]
    mask_question_padding: bool,

    /// Rank the answers in this file, one a line, instead of writing one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["num_beams", "max_length", "min_length", "length_penalty", "repetition_penalty", "batch"])]
    answers: Option<PathBuf>,

    /// Answers that are ranked whole: those whose first token is likeliest.
    #[arg(long, default_value_t = 128, requires = "answers", value_name = "K", value_parser = some)]
    k_test: usize,

    /// Rank by log-probability, without the label smoothing of 0.1 that the original's evaluation has.
    #[arg(long, requires = "answers")]
    unsmoothed: bool,

    /// One JSON object a question on standard output; times are milliseconds, those of a batch divided by its questions.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    cli.check()?;
    let found = cli.pictures.find()?;
    let answers = cli.answers.as_deref().map(list).transpose()?;
    let answerer: QuestionAnswerer = cli.model.load()?;
    let how = match answers {
        Some(answers) => How::Rank(answerer.answer_list(&answers)?, cli.rank_options()),
        None => {
            let options = cli.answer_options();
            answerer.check(&options)?;
            How::Write(options)
        }
    };
    let mut report = Report::new(cli.json, "image");
    report.each(&found, answerer.processor(), |report, picture| {
        cli.ask(&answerer, &how, &picture, report)
    })?;
    Ok(report.finish())
}

/// Where answers come from.
enum How {
    Write(AnswerOptions),
    Rank(AnswerList, RankOptions),
}

impl How {
    /// The answers to each question, best first, as text and as JSON.
    fn answers(
        &self,
        answerer: &QuestionAnswerer,
        encoded: &HiddenStates,
        questions: &[String],
    ) -> Result<Vec<Vec<(String, Value)>>, blip_core::Error> {
        Ok(match self {
            Self::Write(options) => told(
                answerer.answer_encoded(encoded, questions, options)?,
                |answer: Answer| {
                    let json = json!({
                        "text": answer.text,
                        "score": answer.score,
                        "token_ids": answer.token_ids,
                        "token_log_probs": answer.token_log_probs,
                    });
                    (answer.text, json)
                },
            ),
            Self::Rank(list, options) => told(
                answerer.rank_encoded(encoded, questions, list, options)?,
                |answer: RankedAnswer| {
                    let json = json!({
                        "text": answer.text,
                        "score": answer.score,
                        "log_probability": answer.log_probability,
                        "first_token_probability": answer.first_token_probability,
                        "token_ids": answer.token_ids,
                    });
                    (answer.text, json)
                },
            ),
        })
    }
}

fn told<A>(answers: Vec<Vec<A>>, tell: impl Fn(A) -> (String, Value)) -> Vec<Vec<(String, Value)>> {
    answers
        .into_iter()
        .map(|answers| answers.into_iter().map(&tell).collect())
        .collect()
}

impl Cli {
    /// What no flag's own parser can see.
    fn check(&self) -> Result<(), Usage> {
        let (beams, longest) = (self.num_beams, self.max_length);
        let wrong = match (self.num_answers, self.min_length) {
            (Some(answers), _) if self.answers.is_none() && answers > beams => {
                format!("--num-answers {answers}: expected at most --num-beams, {beams}")
            }
            (_, Some(shortest)) if shortest > longest => {
                format!("--min-length {shortest}: expected at most --max-length, {longest}")
            }
            _ if self.length_penalty.is_some() && beams == 1 => {
                "--length-penalty has no effect with --num-beams 1".to_owned()
            }
            _ => return Ok(()),
        };
        Err(Usage(wrong))
    }

    /// The most answers that are told for a question.
    fn told(&self) -> Option<usize> {
        self.num_answers.or((!self.json).then_some(1))
    }

    fn answer_options(&self) -> AnswerOptions {
        AnswerOptions {
            num_beams: Some(self.num_beams),
            max_length: Some(self.max_length),
            min_length: self.min_length,
            num_return_sequences: self.told(),
            length_penalty: self.length_penalty,
            repetition_penalty: self.repetition_penalty,
            mask_question_padding: self.mask_question_padding.then_some(true),
        }
    }

    fn rank_options(&self) -> RankOptions {
        let smoothed = RankOptions::default().label_smoothing;
        RankOptions {
            k_test: self.k_test,
            label_smoothing: if self.unsmoothed { 0.0 } else { smoothed },
        }
    }

    /// Asks everything about one picture, which is encoded once.
    fn ask(
        &self,
        answerer: &QuestionAnswerer,
        how: &How,
        picture: &Picture,
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        let start = Instant::now();
        let encoded = answerer.encode(&picture.pixel_values)?;
        let encode = start.elapsed();
        let together = if self.batch { self.questions.len() } else { 1 };
        for questions in self.questions.chunks(together) {
            let start = Instant::now();
            let answers = how.answers(answerer, &encoded, questions)?;
            let timings = Timings {
                encode,
                generate: start.elapsed() / questions.len() as u32,
                ..picture.timings
            };
            for (question, mut answers) in questions.iter().zip(answers) {
                answers.truncate(self.told().unwrap_or(usize::MAX));
                self.tell(picture, question, answers, timings, report)?;
            }
        }
        Ok(())
    }

    fn tell(
        &self,
        picture: &Picture,
        question: &str,
        answers: Vec<(String, Value)>,
        timings: Timings,
        report: &mut Report,
    ) -> Result<(), Box<dyn Error>> {
        if self.json {
            let answers: Vec<Value> = answers.into_iter().map(|(_, json)| json).collect();
            report.line(json!({
                "image": picture.path.display().to_string(),
                "question": question,
                "answers": answers,
                "timings_ms": timings.json(),
            }))?;
            return Ok(());
        }
        let mut name = self.pictures.name(picture.path);
        if self.questions.len() > 1 {
            name += &format!("{question} ");
        }
        for (text, _) in answers {
            report.line(format_args!("{name}{text}"))?;
        }
        Ok(())
    }
}
