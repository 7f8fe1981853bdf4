//! Training for BLIP: its objectives, momentum distillation, schedules, and runs that can be killed.
//!
//! For whoever trains a BLIP from nothing or fine-tunes one. Pictures and texts come from `blip-data` or from the
//! caller; the networks are `blip-core`'s, whose forward passes are used as they are.
//!
//! ```text
//!  BatchSource ─▶ batch ─▶ Objective::losses ─▶ backward ─▶ clip ─▶ AdamW ─▶ Objective::stepped ─▶ log, checkpoint
//!                              │
//!          pre-training        ├─ ITC   online against momentum features and a queue, soft targets
//!                              ├─ ITM   against hard negatives
//!                              └─ LM    label smoothing
//!          captioning          ── LM, the prompt is no target
//!          answering           ── LM, weighted answers
//!          retrieval           ── ITC with picture ids, ITM
//!          reasoning           ── cross-entropy over two pictures
//! ```
//!
//! Everything random comes from the run's seed and the number of the step: a run that was stopped and resumed does on
//! one thread what one that was not stopped does, bit for bit.
//!
//! Source: salesforce/BLIP@056a169 `models/blip_*.py`, `pretrain.py`, `train_*.py`, `configs/`.

mod answering;
mod capfilt;
mod captioning;
mod contrast;
mod error;
mod identity;
mod language;
mod matching;
mod moment;
mod momentum;
mod objective;
mod optimizer;
#[cfg(feature = "plot")]
mod plot;
mod pretraining;
mod queue;
mod reasoning;
mod records;
mod retrieval;
mod run;
mod schedule;
mod trainee;

pub use answering::{Answering, QuestionBatch};
pub use capfilt::{CapFilt, CapFiltEvent, CapFiltOptions, CapFiltReport, JudgedText, TextSource};
pub use captioning::Captioning;
pub use contrast::{contrastive_loss, soft_targets};
pub use error::TrainError;
pub use language::{Reduction, label_smoothed_loss};
pub use matching::{Multinomial, NegativeSampler};
pub use moment::Moment;
pub use momentum::MomentumEncoders;
pub use objective::{BatchSource, ImageTextBatch, Losses, Objective, Statements};
pub use optimizer::OptimizerConfig;
#[cfg(feature = "plot")]
pub use plot::{PlotError, plot_log};
pub use pretraining::{Pretraining, PretrainingOptions};
pub use queue::FeatureQueue;
pub use reasoning::{PairBatch, Reasoning};
pub use records::{CaptionRecords, PairRecords, QuestionRecords, Records};
pub use retrieval::{Retrieval, RetrievalOptions};
pub use run::{Run, RunOptions, StepReport};
pub use schedule::{AlphaRamp, Schedule};
pub use trainee::{Regularization, Trainee};
