//! Learning rates and the weight of soft targets, over a run.
//!
//! Source: salesforce/BLIP@056a169 `utils.py`, `pretrain.py`, `train_retrieval.py`.

use std::f64::consts::PI;

use crate::Moment;

/// The learning rate of each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Falls by half a cosine, in one step an epoch (`cosine_lr_schedule`): fine-tuning.
    Cosine {
        /// At the start.
        init_lr: f64,
        /// Where the cosine ends, after the last epoch.
        min_lr: f64,
        /// The epochs of the run.
        max_epoch: usize,
    },
    /// Rises in the first epoch, then falls by a factor an epoch (`warmup_lr_schedule`, `step_lr_schedule`):
    /// pre-training.
    StepDecay {
        /// After the warm-up.
        init_lr: f64,
        /// The least.
        min_lr: f64,
        /// What an epoch multiplies it by.
        lr_decay_rate: f64,
        /// At step 0.
        warmup_lr: f64,
        /// Steps of the warm-up, all in the first epoch.
        warmup_steps: usize,
    },
    /// Rises for some steps, then falls by half a cosine at every step: short runs, whose epochs are few.
    WarmupCosine {
        /// After the warm-up.
        init_lr: f64,
        /// At the last step.
        min_lr: f64,
        /// Steps of the warm-up, from 0.
        warmup_steps: usize,
        /// The steps of the run.
        max_steps: usize,
    },
}

impl Schedule {
    /// The learning rate of a step.
    pub fn learning_rate(&self, moment: &Moment) -> f64 {
        let fall = |init_lr: f64, min_lr: f64, part: f64| {
            (init_lr - min_lr) * 0.5 * (1.0 + (PI * part).cos()) + min_lr
        };
        match *self {
            Self::Cosine {
                init_lr,
                min_lr,
                max_epoch,
            } => fall(init_lr, min_lr, moment.epoch as f64 / max_epoch.max(1) as f64),
            Self::StepDecay {
                init_lr,
                warmup_lr,
                warmup_steps,
                ..
            } if moment.epoch == 0 => {
                let part = moment.step as f64 / warmup_steps.max(1) as f64;
                init_lr.min(warmup_lr + (init_lr - warmup_lr) * part)
            }
            Self::StepDecay {
                init_lr,
                min_lr,
                lr_decay_rate,
                ..
            } => min_lr.max(init_lr * lr_decay_rate.powi(moment.epoch as i32)),
            Self::WarmupCosine {
                init_lr,
                min_lr,
                warmup_steps,
                max_steps,
            } => {
                let step = moment.total();
                if step < warmup_steps {
                    return init_lr * (step + 1) as f64 / warmup_steps as f64;
                }
                let rest = max_steps.saturating_sub(warmup_steps).max(1);
                fall(
                    init_lr,
                    min_lr,
                    ((step - warmup_steps) as f64 / rest as f64).min(1.0),
                )
            }
        }
    }
}

/// How the weight of the momentum encoders' opinion in the contrastive targets grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AlphaRamp {
    /// Over the first two epochs: pre-training.
    TwoEpochs(f64),
    /// Over the first epoch: retrieval.
    OneEpoch(f64),
    /// The same from the start.
    Constant(f64),
}

impl AlphaRamp {
    /// The weight at a step, 0..=1.
    pub fn alpha(&self, moment: &Moment) -> f64 {
        let epochs = moment.total() as f64 / moment.steps_per_epoch.max(1) as f64;
        match *self {
            Self::TwoEpochs(alpha) => alpha * (epochs / 2.0).min(1.0),
            Self::OneEpoch(alpha) => alpha * epochs.min(1.0),
            Self::Constant(alpha) => alpha,
        }
    }
}
