//! A run: steps in order, with a log and checkpoints that it resumes from.
//!
//! ```text
//! folder/
//!   log.jsonl              one line a logged step: step, epoch, learning rate, losses, seconds
//!   checkpoint-00001200/   trainee.burnpack, optimizer.burnpack, run.json; complete or not there
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use serde_json::{Map, Value, json};

use crate::optimizer::{gradient_norm, patch_embedding_gradients, scaled};
use crate::{BatchSource, Moment, Objective, OptimizerConfig, Schedule, TrainError};

/// The settings of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions {
    /// What everything random comes from.
    pub seed: u64,
    /// How often the source is gone through.
    pub epochs: usize,
    /// The learning rate.
    pub schedule: Schedule,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Batches whose gradients are averaged for one step of the optimizer.
    pub accumulation: usize,
    /// Where the log and the checkpoints go; nowhere if there is none.
    pub folder: Option<PathBuf>,
    /// Steps between checkpoints; the end of the run always gets one.
    pub checkpoint_every: usize,
    /// Steps between lines of the log.
    pub log_every: usize,
}

impl RunOptions {
    /// A run without files, checkpoints every 500 steps and a line every 10 where there is a folder.
    pub fn new(epochs: usize, schedule: Schedule) -> Self {
        Self {
            seed: 42,
            epochs,
            schedule,
            optimizer: OptimizerConfig::default(),
            accumulation: 1,
            folder: None,
            checkpoint_every: 500,
            log_every: 10,
        }
    }
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Steps of the optimizer taken so far, this one included.
    pub step: usize,
    /// The steps of the whole run.
    pub steps: usize,
    /// The epoch, from 0.
    pub epoch: usize,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// What was minimised, averaged over the batches of this step.
    pub loss: f32,
    /// Its parts by name.
    pub parts: Vec<(&'static str, f32)>,
    /// The norm of all gradients before clipping, where they are clipped.
    pub grad_norm: Option<f64>,
    /// Seconds of this process's part of the run.
    pub seconds: f64,
    /// Seconds that are left at this pace.
    pub seconds_left: f64,
}

/// An objective on its way.
pub struct Run<O> {
    objective: O,
    options: RunOptions,
    optimizer: ModuleOptimizer,
    step: usize,
}

/// The format of checkpoints that this version reads and writes.
const FORMAT: u64 = 1;
const TRAINEE: &str = "trainee.burnpack";
const OPTIMIZER: &str = "optimizer.burnpack";
const STATE: &str = "run.json";
const LOG: &str = "log.jsonl";
const PREFIX: &str = "checkpoint-";

impl<O: Objective> Run<O> {
    /// A run from its first step, or from the last checkpoint in its folder if there is one.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] for settings that no run can have; [`TrainError::Checkpoint`] and [`TrainError::Weights`]
    /// for a checkpoint that does not fit; [`TrainError::Io`] for a folder that cannot be used.
    pub fn new(objective: O, options: RunOptions) -> Result<Self, TrainError> {
        for (name, value) in [
            ("epochs", options.epochs),
            ("accumulation", options.accumulation),
            ("checkpoint_every", options.checkpoint_every),
            ("log_every", options.log_every),
        ] {
            if value == 0 {
                return Err(TrainError::setting(name, "at least 1", value));
            }
        }
        let mut run = Self {
            objective,
            optimizer: options.optimizer.init(),
            options,
            step: 0,
        };
        if let Some(folder) = run.options.folder.clone() {
            fs::create_dir_all(&folder).map_err(io("create", &folder))?;
            if let Some(checkpoint) = last_checkpoint(&folder)? {
                run.resume(&checkpoint)?;
            }
            trim_log(&folder.join(LOG), run.step)?;
        }
        Ok(run)
    }

    /// Steps of the optimizer taken so far.
    pub fn step(&self) -> usize {
        self.step
    }

    /// What is minimised, and what is trained.
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// The objective, trained as far as it is.
    pub fn into_objective(self) -> O {
        self.objective
    }

    /// Goes on to the end of the run. `observe` is called after every step and may end it there by returning `false`;
    /// what was done is then in a checkpoint, as at the end.
    ///
    /// # Errors
    ///
    /// [`TrainError`] of whatever fails. What was done since the last checkpoint is lost then.
    pub fn train<S>(
        &mut self,
        source: &S,
        mut observe: impl FnMut(&StepReport) -> bool,
    ) -> Result<(), TrainError>
    where
        S: BatchSource<Batch = O::Batch>,
    {
        let accumulation = self.options.accumulation;
        let batches = source.steps_per_epoch();
        let per_epoch = batches / accumulation;
        if per_epoch == 0 {
            let expected = format!("at least {accumulation}, which one step takes");
            return Err(TrainError::setting("batches of an epoch", expected, batches));
        }
        let steps = per_epoch * self.options.epochs;
        let (from, seed) = (self.step, self.options.seed);
        // Moments of batches: the source's own count.
        let moments = (from..steps).flat_map(move |step| {
            (0..accumulation).map(move |part| Moment {
                epoch: step / per_epoch,
                step: (step % per_epoch) * accumulation + part,
                steps_per_epoch: batches,
                seed,
            })
        });
        let started = Instant::now();
        std::thread::scope(|scope| {
            // Batches are made ready while the one before is computed.
            let (sender, receiver) = sync_channel(2);
            scope.spawn(move || {
                for moment in moments {
                    let batch = source.batch(&moment);
                    let failed = batch.is_err();
                    if sender.send((moment, batch)).is_err() || failed {
                        return;
                    }
                }
            });
            while self.step < steps {
                let mut pending = Vec::with_capacity(accumulation);
                for _ in 0..accumulation {
                    let (moment, batch) = receiver.recv().expect("the source gives a batch or an error");
                    let batch = batch.map_err(|source| TrainError::Batch {
                        epoch: moment.epoch,
                        step: moment.step,
                        source,
                    })?;
                    pending.push((moment, batch));
                }
                let position = Moment {
                    epoch: self.step / per_epoch,
                    step: self.step % per_epoch,
                    steps_per_epoch: per_epoch,
                    seed,
                };
                let mut report = self.take_step(&pending, &position)?;
                report.steps = steps;
                report.seconds = started.elapsed().as_secs_f64();
                report.seconds_left = report.seconds / (self.step - from) as f64 * (steps - self.step) as f64;
                let goes_on = observe(&report);
                let ends = self.step == steps || !goes_on;
                if self.step.is_multiple_of(self.options.log_every) || ends {
                    self.log(&report)?;
                }
                if self.step.is_multiple_of(self.options.checkpoint_every) || ends {
                    self.checkpoint()?;
                }
                if !goes_on {
                    break;
                }
            }
            Ok(())
        })
    }

    fn take_step(
        &mut self,
        batches: &[(Moment, O::Batch)],
        position: &Moment,
    ) -> Result<StepReport, TrainError> {
        let count = batches.len() as f64;
        let mut accumulator = GradientsAccumulator::new();
        let (mut loss, mut parts) = (0.0, Vec::<(&'static str, f32)>::new());
        for (moment, batch) in batches {
            // Dropout draws from the device.
            let device = self.objective.trainee().model.visual_encoder.device();
            device.seed(rand::Rng::next_u64(&mut moment.rng(DROPOUT)));
            let losses = self.objective.losses(batch, moment)?;
            let value = losses.total.clone().into_scalar::<f32>();
            if !value.is_finite() {
                return Err(TrainError::Diverged {
                    step: self.step,
                    loss: value,
                });
            }
            loss += value / count as f32;
            for (index, (name, part)) in losses.parts.into_iter().enumerate() {
                let part = part.into_scalar::<f32>() / count as f32;
                match parts.get_mut(index) {
                    Some((_, sum)) => *sum += part,
                    None => parts.push((name, part)),
                }
            }
            let gradients = (losses.total / count).backward();
            let trainee = self.objective.trainee();
            accumulator.accumulate(trainee, GradientsParams::from_grads(gradients, trainee));
        }
        let mut gradients = accumulator.grads();
        let mut trainee = self.objective.trainee().clone();
        let grad_norm = match self.options.optimizer.max_grad_norm {
            Some(max) => {
                let norm = gradient_norm(&trainee, &gradients);
                // torch.nn.utils.clip_grad_norm_
                let scale = max / (norm + 1e-6);
                if scale < 1.0 {
                    gradients = scaled(&trainee, gradients, scale);
                }
                Some(norm)
            }
            None => None,
        };
        let learning_rate = self.options.schedule.learning_rate(position);
        let scale = self.options.optimizer.patch_embedding_lr_scale;
        if scale != 1.0 {
            let patches = patch_embedding_gradients(&trainee, &mut gradients);
            if scale != 0.0 {
                trainee = self.optimizer.step(scale * learning_rate, trainee, patches);
            }
        }
        self.objective
            .set_trainee(self.optimizer.step(learning_rate, trainee, gradients));
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            steps: 0,
            epoch: position.epoch,
            learning_rate,
            loss,
            parts,
            grad_norm,
            seconds: 0.0,
            seconds_left: 0.0,
        })
    }

    fn log(&self, report: &StepReport) -> Result<(), TrainError> {
        let Some(folder) = &self.options.folder else {
            return Ok(());
        };
        let mut line = Map::new();
        line.insert("step".to_owned(), json!(report.step));
        line.insert("epoch".to_owned(), json!(report.epoch));
        line.insert("learning_rate".to_owned(), json!(report.learning_rate));
        line.insert("loss".to_owned(), json!(report.loss));
        for (name, part) in &report.parts {
            line.insert((*name).to_owned(), json!(part));
        }
        if let Some(norm) = report.grad_norm {
            line.insert("grad_norm".to_owned(), json!(norm));
        }
        line.insert("seconds".to_owned(), json!(report.seconds));
        let path = folder.join(LOG);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.map_err(io("open", &path))?;
        writeln!(file, "{}", Value::Object(line)).map_err(io("write", &path))
    }

    /// Writes a checkpoint beside the last one, which goes when the new one is complete.
    fn checkpoint(&self) -> Result<(), TrainError> {
        let Some(folder) = &self.options.folder else {
            return Ok(());
        };
        let last = last_checkpoint(folder)?;
        let partial = folder.join("checkpoint.partial");
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(io("remove", &partial))?;
        }
        fs::create_dir(&partial).map_err(io("create", &partial))?;
        let trainee = self.objective.trainee().valid();
        let weights = partial.join(TRAINEE);
        trainee
            .save_file(&weights)
            .map_err(|error| wrong(&weights, error))?;
        let optimizer = partial.join(OPTIMIZER);
        self.optimizer
            .save(&optimizer)
            .map_err(|error| wrong(&optimizer, error))?;
        let state = json!({
            "format": FORMAT,
            "step": self.step,
            "seed": self.options.seed,
            "counters": self.objective.counters(),
        });
        let path = partial.join(STATE);
        fs::write(&path, format!("{state:#}\n")).map_err(io("write", &path))?;
        let name = folder.join(format!("{PREFIX}{:08}", self.step));
        if name.exists() {
            fs::remove_dir_all(&name).map_err(io("remove", &name))?;
        }
        fs::rename(&partial, &name).map_err(io("rename", &partial))?;
        match last {
            Some(last) if last != name => fs::remove_dir_all(&last).map_err(io("remove", &last)),
            _ => Ok(()),
        }
    }

    fn resume(&mut self, checkpoint: &Path) -> Result<(), TrainError> {
        let path = checkpoint.join(STATE);
        let text = fs::read_to_string(&path).map_err(io("read", &path))?;
        let state: Value = serde_json::from_str(&text).map_err(|error| wrong(&path, error))?;
        let number = |name: &str| {
            let number = state.get(name).and_then(Value::as_u64);
            number.ok_or_else(|| wrong(&path, format!("expected a number {name}")))
        };
        if number("format")? != FORMAT {
            return Err(wrong(&path, format!("expected format {FORMAT}")));
        }
        let seed = number("seed")?;
        if seed != self.options.seed {
            let what = format!("of a run with seed {seed}, expected {}", self.options.seed);
            return Err(wrong(&path, what));
        }
        let counters = state.get("counters").and_then(Value::as_array);
        let counters: Option<Vec<i64>> =
            counters.and_then(|counters| counters.iter().map(Value::as_i64).collect());
        let counters = counters.ok_or_else(|| wrong(&path, "expected a list of numbers, counters"))?;

        let weights = checkpoint.join(TRAINEE);
        let fresh = self.objective.trainee().clone();
        let trainee = fresh
            .try_load_file(&weights)
            .map_err(|error| wrong(&weights, error))?;
        self.objective.set_trainee(trainee.constants_stay());
        self.objective.set_counters(&counters)?;
        let optimizer = checkpoint.join(OPTIMIZER);
        self.optimizer = self
            .options
            .optimizer
            .init()
            .load(&optimizer)
            .map_err(|error| wrong(&optimizer, error))?;
        self.step = number("step")? as usize;
        Ok(())
    }
}

fn last_checkpoint(folder: &Path) -> Result<Option<PathBuf>, TrainError> {
    let entries = fs::read_dir(folder).map_err(io("read", folder))?;
    let mut last = None;
    for entry in entries {
        let entry = entry.map_err(io("read", folder))?;
        let name = entry.file_name();
        let step = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let step = step.and_then(|step| step.parse::<usize>().ok());
        if let Some(step) = step {
            last = last.max(Some((step, entry.path())));
        }
    }
    Ok(last.map(|(_, path)| path))
}

/// Takes out of the log what came after a step: it will come again.
fn trim_log(path: &Path, step: usize) -> Result<(), TrainError> {
    let Ok(file) = File::open(path) else {
        return Ok(());
    };
    let mut kept = String::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(io("read", path))?;
        let logged = serde_json::from_str::<Value>(&line).ok();
        let logged = logged.and_then(|line| line.get("step")?.as_u64());
        if logged.is_some_and(|logged| logged as usize <= step) {
            kept.push_str(&line);
            kept.push('\n');
        }
    }
    fs::write(path, kept).map_err(io("write", path))
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TrainError {
    let path = path.to_owned();
    move |source| TrainError::Io { action, path, source }
}

fn wrong(path: &Path, what: impl ToString) -> TrainError {
    TrainError::Checkpoint {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// The stream of chance that dropout is seeded from.
const DROPOUT: u64 = 0;
