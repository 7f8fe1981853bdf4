//! BLIP of candle-transformers behind the protocol of `../compare.py`; `../../src/bin/peer.rs` says what that is.
//!
//! ```text
//! candle-peer --task caption --precision f32 --model DIR --work work.json
//! ```
//!
//! candle-transformers has the captioning model, for one text at a time: no text encoder, no beams. Its decoder projects
//! the picture's keys and values anew at every step.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use candle_core::{DType, Device, Module, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::blip::{BlipForConditionalGeneration, Config, VisionConfig};
use candle_transformers::models::blip_text;
use serde::Deserialize;
use serde_json::{Value, json};

type Anything<T> = Result<T, Box<dyn Error>>;

/// `[SEP]`, which ends a text.
const SEP: usize = 102;

fn main() -> Anything<()> {
    let started = Instant::now();
    let arguments = Arguments::from_env()?;
    let work: Work = serde_json::from_str(&std::fs::read_to_string(&arguments.work)?)?;
    let mut worker = Worker::load(&arguments, work)?;
    answer(&json!({
        "ready": true,
        "imports": 0.0,
        "load": started.elapsed().as_secs_f64(),
        "versions": {"candle-transformers": "0.11.1"},
        "missing": {
            "preprocess": "candle-transformers has none",
            "step_3": "candle-transformers adds positions to one row only",
            "caption_beams": "candle-transformers has no beam search",
        },
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
        for (name, only) in [("--task", "caption"), ("--precision", "f32")] {
            let given = value(name)?;
            if given != only {
                return Err(format!("{name}: expected {only}, got {given}").into());
            }
        }
        Ok(Self {
            model: value("--model")?.into(),
            work: value("--work")?.into(),
        })
    }
}

#[derive(Deserialize)]
struct Work {
    /// Values as f32, little-endian, `[1, 3, image_size, image_size]`.
    pixel_values: PathBuf,
    batch: usize,
    prompt: Vec<u32>,
    next: u32,
    caption_length: usize,
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

struct Worker {
    model: BlipForConditionalGeneration,
    image_size: usize,
    work: Work,
}

impl Worker {
    fn load(arguments: &Arguments, work: Work) -> Anything<Self> {
        let config = std::fs::read_to_string(arguments.model.join("config.json"))?;
        let config = config_of(&serde_json::from_str(&config)?)?;
        let files = [arguments.model.join("model.safetensors")];
        // SAFETY: nothing writes to the checkpoint while it is measured.
        let weights = unsafe { VarBuilder::from_mmaped_safetensors(&files, DType::F32, &Device::Cpu)? };
        // A file that leaves out what is tied has the head's weight under the word embeddings' name.
        let tied = !weights.contains_tensor("text_decoder.cls.predictions.decoder.weight");
        let weights = weights.rename_f(move |name| match name {
            "text_decoder.cls.predictions.decoder.weight" if tied => {
                "text_decoder.bert.embeddings.word_embeddings.weight".to_owned()
            }
            name => name.to_owned(),
        });
        Ok(Self {
            model: BlipForConditionalGeneration::new(&config, weights)?,
            image_size: config.vision_config.image_size,
            work,
        })
    }

    fn reply(&mut self, request: &Request) -> Anything<Value> {
        if let Some(row) = &request.run {
            let seconds = self.run(row, request.untimed, request.times)?;
            return Ok(json!({"seconds": seconds}));
        }
        match request.check.as_deref() {
            Some("caption_greedy") => Ok(json!({"ids": self.caption()?})),
            Some("vit_1") => {
                let values: Vec<f32> = self.encode(1)?.flatten_all()?.to_vec1()?;
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(request.out.as_ref().ok_or("out is missing")?, bytes)?;
                Ok(json!({"written": values.len()}))
            }
            Some(what) => Err(format!("{what}: candle-transformers has it not").into()),
            None => Ok(json!({"bytes": peak_memory()?})),
        }
    }

    fn run(&mut self, row: &str, untimed: usize, times: usize) -> Anything<Vec<f64>> {
        let seconds: Anything<Vec<f64>> = (0..untimed + times)
            .map(|_| match row {
                "vit_1" | "vit_8" => {
                    let batch = if row == "vit_8" { self.work.batch } else { 1 };
                    let pictures = self.pictures(batch)?;
                    let start = Instant::now();
                    let _states = self.model.vision_model().forward(&pictures)?;
                    Ok(start.elapsed().as_secs_f64())
                }
                "step_1" => self.step(),
                "caption_greedy" => {
                    let start = Instant::now();
                    self.caption()?;
                    Ok(start.elapsed().as_secs_f64())
                }
                _ => Err(format!("{row}: candle-transformers has it not").into()),
            })
            .collect();
        Ok(seconds?.split_off(untimed))
    }

    fn pictures(&self, batch: usize) -> Anything<Tensor> {
        let values: Vec<f32> = std::fs::read(&self.work.pixel_values)?
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        let shape = (1, 3, self.image_size, self.image_size);
        let picture = Tensor::from_vec(values, shape, &Device::Cpu)?;
        Ok(Tensor::cat(&vec![picture; batch], 0)?)
    }

    fn encode(&self, batch: usize) -> Anything<Tensor> {
        Ok(self.model.vision_model().forward(&self.pictures(batch)?)?)
    }

    /// Logits behind the last of some ids.
    fn logits(&mut self, ids: &[u32], image: &Tensor) -> Anything<Vec<f32>> {
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let logits = self.model.text_decoder().forward(&ids, image)?;
        Ok(logits.get(0)?.get(logits.dim(1)? - 1)?.to_vec1()?)
    }

    /// Seconds of one step behind the prompt, which is written anew each time: the cache is the model's.
    fn step(&mut self) -> Anything<f64> {
        let image = self.encode(1)?;
        let (prompt, next) = (self.work.prompt.clone(), self.work.next);
        self.model.reset_kv_cache();
        self.logits(&prompt, &image)?;
        let start = Instant::now();
        let logits = self.logits(&[next], &image)?;
        let seconds = start.elapsed().as_secs_f64();
        drop(logits);
        Ok(seconds)
    }

    fn caption(&mut self) -> Anything<Vec<u32>> {
        let image = self.encode(1)?;
        let mut ids = vec![self.work.prompt[0]];
        self.model.reset_kv_cache();
        while ids.len() < self.work.caption_length {
            let mut logits = self.logits(&ids[ids.len() - 1..], &image)?;
            logits[SEP] = f32::NEG_INFINITY;
            let mut best = 0;
            for (id, logit) in logits.iter().enumerate() {
                if *logit > logits[best] {
                    best = id;
                }
            }
            ids.push(best as u32);
        }
        Ok(ids)
    }
}

/// candle's configuration from Hugging Face's.
fn config_of(config: &Value) -> Anything<Config> {
    let (vision, text) = (&config["vision_config"], &config["text_config"]);
    let number = |of: &Value, name: &str| -> Anything<usize> {
        let value = of[name].as_u64().ok_or(format!("config.json lacks {name}"))?;
        Ok(usize::try_from(value)?)
    };
    let epsilon = |of: &Value| {
        of["layer_norm_eps"]
            .as_f64()
            .ok_or("config.json lacks layer_norm_eps")
    };
    let projection_dim = number(config, "projection_dim")?;
    Ok(Config {
        text_config: blip_text::Config {
            vocab_size: number(text, "vocab_size")?,
            hidden_size: number(text, "hidden_size")?,
            encoder_hidden_size: number(text, "encoder_hidden_size")?,
            intermediate_size: number(text, "intermediate_size")?,
            projection_dim,
            num_hidden_layers: number(text, "num_hidden_layers")?,
            num_attention_heads: number(text, "num_attention_heads")?,
            max_position_embeddings: number(text, "max_position_embeddings")?,
            hidden_act: Activation::Gelu,
            layer_norm_eps: epsilon(text)?,
            is_decoder: true,
        },
        vision_config: VisionConfig {
            hidden_size: number(vision, "hidden_size")?,
            intermediate_size: number(vision, "intermediate_size")?,
            projection_dim,
            num_hidden_layers: number(vision, "num_hidden_layers")?,
            num_attention_heads: number(vision, "num_attention_heads")?,
            image_size: number(vision, "image_size")?,
            patch_size: number(vision, "patch_size")?,
            hidden_act: Activation::Gelu,
            layer_norm_eps: epsilon(vision)?,
        },
        projection_dim,
        image_text_hidden_size: number(config, "image_text_hidden_size")?,
    })
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
