//! This library behind the protocol of `peers/compare.py`: a worker that does one piece of work each time it is asked.
//!
//! ```text
//! peer --task caption|vqa|itm --precision f32|bf16|int8 --model DIR --work work.json
//!
//!                                          ◀─ {"ready": …}         once, when the model is loaded
//! {"run": ROW, "untimed": 1, "times": 3}  ─▶
//!                                          ◀─ {"seconds": [0.5, 0.5, 0.5]}
//! {"check": WHAT, "out": FILE}            ─▶                       numbers go to FILE as f32, little-endian
//!                                          ◀─ {"ids": [30522, …]}
//! {"memory": true}                        ─▶
//!                                          ◀─ {"bytes": 900000000}
//! ```
//!
//! What cannot be done is `{"error": "why"}`. The end of its input ends it. `peers/README.md` says what the rows are.

use std::cell::OnceCell;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use blip_core::traits::{DecoderState, GroundedEncoder, Head, TextDecoder, TokenBatch};
use blip_core::{
    AnswerOptions, Blip, CaptionOptions, Captioner, HiddenStates, LoadOptions, PixelValues, Precisions,
    QuestionAnswerer,
};
use serde::Deserialize;
use serde_json::{Value, json};

type Anything<T> = Result<T, Box<dyn Error>>;

type State = <blip_core::TextDecoder as TextDecoder>::State;

fn main() -> Anything<()> {
    let started = Instant::now();
    let arguments = Arguments::from_env()?;
    let work: Work = serde_json::from_str(&std::fs::read_to_string(&arguments.work)?)?;
    let worker = Worker::load(&arguments, work)?;
    answer(&json!({
        "ready": true,
        "imports": 0.0,
        "load": started.elapsed().as_secs_f64(),
        "versions": {"blip-core": env!("CARGO_PKG_VERSION")},
    }))?;
    for line in std::io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let reply = worker
            .reply(&request)
            .unwrap_or_else(|error| json!({"error": error.to_string()}));
        answer(&reply)?;
    }
    Ok(())
}

fn answer(reply: &Value) -> Anything<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{reply}")?;
    Ok(stdout.flush()?)
}

struct Arguments {
    task: String,
    precision: Precisions,
    model: PathBuf,
    work: PathBuf,
}

impl Arguments {
    fn from_env() -> Anything<Self> {
        let given: Vec<String> = std::env::args().skip(1).collect();
        let value = |name: &str| {
            let at = given.iter().position(|argument| argument == name);
            at.and_then(|at| given.get(at + 1))
                .ok_or(format!("{name} is missing"))
        };
        Ok(Self {
            task: value("--task")?.clone(),
            precision: value("--precision")?.parse()?,
            model: value("--model")?.into(),
            work: value("--work")?.into(),
        })
    }
}

/// What all peers do, as `compare.py` writes it down.
#[derive(Deserialize)]
struct Work {
    picture: PathBuf,
    /// Pictures of the greater batch.
    batch: usize,
    /// What is written before the step that is measured, and what that step writes.
    prompt: Vec<u32>,
    next: u32,
    /// Tokens of a caption and of an answer, the first included.
    caption_length: usize,
    answer_length: usize,
    num_beams: usize,
    question: String,
    /// Ids of the texts that are matched, all of one length.
    texts: Vec<Vec<u32>>,
    texts_at_once: usize,
}

#[derive(Deserialize)]
struct Request {
    run: Option<String>,
    #[serde(default)]
    untimed: usize,
    #[serde(default)]
    times: usize,
    check: Option<String>,
    out: Option<PathBuf>,
}

enum Model {
    Captioner(Captioner),
    Answerer(QuestionAnswerer),
    Matcher(Box<Matching>),
}

/// The matching head without the cosine, which `Matcher` computes beside it and the peers do not.
struct Matching {
    blip: Blip,
    text_encoder: blip_core::TextEncoder,
    itm_head: Arc<dyn Head>,
}

struct Worker {
    model: Model,
    work: Work,
    pixel_values: OnceCell<PixelValues>,
}

impl Worker {
    fn load(arguments: &Arguments, work: Work) -> Anything<Self> {
        let options = LoadOptions {
            precision: arguments.precision,
            ..LoadOptions::default()
        };
        let path = &arguments.model;
        let model = match arguments.task.as_str() {
            "caption" => Model::Captioner(Captioner::from_path(path, &options)?),
            "vqa" => Model::Answerer(QuestionAnswerer::from_path(path, &options)?),
            "itm" => {
                let blip = Blip::from_path(path, &options)?;
                let tree = blip.to_model();
                Model::Matcher(Box::new(Matching {
                    text_encoder: tree.text_encoder.ok_or("no text encoder")?,
                    itm_head: Arc::new(tree.itm_head.ok_or("no matching head")?),
                    blip,
                }))
            }
            other => return Err(format!("--task: expected caption, vqa or itm, got {other}").into()),
        };
        Ok(Self {
            model,
            work,
            pixel_values: OnceCell::new(),
        })
    }

    fn reply(&self, request: &Request) -> Anything<Value> {
        if let Some(row) = &request.run {
            let seconds = self.run(row, request.untimed, request.times)?;
            return Ok(json!({"seconds": seconds}));
        }
        match &request.check {
            Some(what) => self.check(what, request.out.as_ref()),
            None => Ok(json!({"bytes": peak_memory()?})),
        }
    }

    /// The seconds of each of `times` runs of a row, behind `untimed` ones.
    fn run(&self, row: &str, untimed: usize, times: usize) -> Anything<Vec<f64>> {
        let nothing = || Ok(());
        let repeat = Repeat { untimed, times };
        match (row, &self.model) {
            ("preprocess", Model::Captioner(captioner)) => {
                let png = std::fs::read(&self.work.picture)?;
                repeat.time(nothing, |()| Ok(captioner.processor().preprocess_bytes(&png)?))
            }
            ("vit_1", Model::Captioner(captioner)) => {
                let pixel_values = self.pixel_values()?;
                repeat.time(nothing, |()| Ok(captioner.encode(pixel_values)?))
            }
            ("vit_8", Model::Captioner(captioner)) => {
                let pictures = PixelValues::concat(&vec![self.pixel_values()?.clone(); self.work.batch])?;
                repeat.time(nothing, |()| Ok(captioner.encode(&pictures)?))
            }
            ("step_1", Model::Captioner(captioner)) => self.steps(captioner, 1, repeat),
            ("step_3", Model::Captioner(captioner)) => self.steps(captioner, self.work.num_beams, repeat),
            ("caption_greedy", Model::Captioner(captioner)) => {
                repeat.time(nothing, |()| self.caption(captioner, 1))
            }
            ("caption_beams", Model::Captioner(captioner)) => {
                repeat.time(nothing, |()| self.caption(captioner, self.work.num_beams))
            }
            ("vqa", Model::Answerer(answerer)) => repeat.time(nothing, |()| self.answer(answerer)),
            ("itm", Model::Matcher(matching)) => repeat.time(nothing, |()| self.itm_logits(matching)),
            _ => Err(format!("{row}: not with this checkpoint").into()),
        }
    }

    fn check(&self, what: &str, out: Option<&PathBuf>) -> Anything<Value> {
        let ids = match (what, &self.model) {
            ("caption_greedy", Model::Captioner(captioner)) => self.caption(captioner, 1)?,
            ("caption_beams", Model::Captioner(captioner)) => self.caption(captioner, self.work.num_beams)?,
            ("vqa", Model::Answerer(answerer)) => self.answer(answerer)?,
            _ => {
                let values = match (what, &self.model) {
                    ("pixel_values", _) => self.pixel_values()?.as_slice().to_vec(),
                    ("vit_1", Model::Captioner(captioner)) => {
                        captioner.encode(self.pixel_values()?)?.read()?.into_vec()
                    }
                    ("itm", Model::Matcher(matching)) => self.itm_logits(matching)?,
                    _ => return Err(format!("{what}: not with this checkpoint").into()),
                };
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(out.ok_or("out is missing")?, bytes)?;
                return Ok(json!({"written": values.len()}));
            }
        };
        Ok(json!({"ids": ids}))
    }

    fn pixel_values(&self) -> Anything<&PixelValues> {
        if let Some(pixel_values) = self.pixel_values.get() {
            return Ok(pixel_values);
        }
        let processor = match &self.model {
            Model::Captioner(captioner) => captioner.processor(),
            Model::Answerer(answerer) => answerer.processor(),
            Model::Matcher(matching) => matching.blip.processor(),
        };
        let pixel_values = processor.preprocess_file(&self.work.picture)?;
        Ok(self.pixel_values.get_or_init(|| pixel_values))
    }

    /// One token for every row, behind the prompt.
    fn steps(&self, captioner: &Captioner, rows: usize, repeat: Repeat) -> Anything<Vec<f64>> {
        let decoder = captioner.decoder();
        let mut prompted = decoder.start(&captioner.encode(self.pixel_values()?)?)?;
        decoder.step(&TokenBatch::from_rows(&[&self.work.prompt], 0), &mut prompted)?;
        let next = TokenBatch::column(&vec![self.work.next; rows]);
        // A mere clone would share the rows' K/V, and the step would copy them before it writes.
        let own = || {
            let mut state = prompted.clone();
            state.fan_out(rows);
            Ok(state)
        };
        repeat.time(own, |mut state: State| {
            let logits = decoder.step(&next, &mut state)?;
            // Handed back so that freeing them is not measured.
            Ok((logits, state))
        })
    }

    fn caption(&self, captioner: &Captioner, num_beams: usize) -> Anything<Vec<u32>> {
        let options = CaptionOptions {
            num_beams: Some(num_beams),
            max_length: Some(self.work.caption_length),
            min_length: Some(self.work.caption_length),
            ..CaptionOptions::default()
        };
        let captions = captioner.caption(self.pixel_values()?, &options)?;
        let best = captions.into_iter().next().ok_or("no caption")?;
        Ok(best.token_ids)
    }

    fn answer(&self, answerer: &QuestionAnswerer) -> Anything<Vec<u32>> {
        let options = AnswerOptions {
            num_beams: Some(1),
            max_length: Some(self.work.answer_length),
            min_length: Some(self.work.answer_length),
            ..AnswerOptions::default()
        };
        let answers = answerer.answer(self.pixel_values()?, &[&self.work.question], &options)?;
        let best = answers.into_iter().flatten().next().ok_or("no answer")?;
        Ok(best.token_ids)
    }

    /// Two logits for every text.
    fn itm_logits(&self, matching: &Matching) -> Anything<Vec<f32>> {
        let extractor = matching.blip.feature_extractor()?;
        let image: HiddenStates = extractor.image_embeds(self.pixel_values()?)?;
        let context = matching.text_encoder.ground(&image)?;
        let mut logits = Vec::with_capacity(2 * self.work.texts.len());
        for texts in self.work.texts.chunks(self.work.texts_at_once) {
            let batch = TokenBatch::from_rows(texts, 0);
            let states = GroundedEncoder::encode(&matching.text_encoder, &batch, &context)?;
            logits.extend(matching.itm_head.apply(&states.first_token()?)?.into_vec());
        }
        Ok(logits)
    }
}

#[derive(Clone, Copy)]
struct Repeat {
    untimed: usize,
    times: usize,
}

impl Repeat {
    /// Seconds of `run`, each time with what `prepare` gives, whose time does not count.
    fn time<S, T>(
        self,
        prepare: impl Fn() -> Anything<S>,
        run: impl Fn(S) -> Anything<T>,
    ) -> Anything<Vec<f64>> {
        let mut seconds = Vec::with_capacity(self.untimed + self.times);
        for _ in 0..self.untimed + self.times {
            let prepared = prepare()?;
            let start = Instant::now();
            let result = run(prepared)?;
            seconds.push(start.elapsed().as_secs_f64());
            drop(result);
        }
        Ok(seconds.split_off(self.untimed))
    }
}

/// The most memory that this process ever held, in bytes.
fn peak_memory() -> Anything<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("/proc/self/status has no VmHWM")?;
    Ok(1024 * kilobytes.parse::<u64>()?)
}
