//! What can go wrong in training.

use std::path::PathBuf;

use blip_core::weights::WeightsError;
use blip_traits::ModelError;

/// What a training step or a run can meet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A batch that a network cannot take.
    #[error(transparent)]
    Model(#[from] ModelError),

    /// A network that cannot be built or saved.
    #[error(transparent)]
    Blip(#[from] blip_core::Error),

    /// Weights of a checkpoint that cannot be read or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),

    /// A network that an objective needs.
    #[error("{objective} needs {part}, which this model does not have")]
    MissingPart {
        /// The objective.
        objective: &'static str,
        /// The part of [`BlipModel`](blip_core::BlipModel).
        part: &'static str,
    },

    /// Parts of a batch that do not go together, or settings that no run can have.
    #[error("{name}: expected {expected}, got {got}")]
    Setting {
        /// What is wrong.
        name: &'static str,
        /// What would be right.
        expected: String,
        /// What came.
        got: String,
    },

    /// A loss that is no number: the run is stopped before it spoils the weights.
    #[error("step {step}: the loss is {loss}; the weights are those of the last checkpoint")]
    Diverged {
        /// The optimizer step.
        step: usize,
        /// The loss.
        loss: f32,
    },

    /// A file of a run.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },

    /// A checkpoint of a run that is not what this version writes, or is of another run.
    #[error("{}: {what}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },

    /// A picture or text that the source of batches could not give.
    #[error("batch {step} of epoch {epoch}")]
    Batch {
        /// The epoch.
        epoch: usize,
        /// The step in the epoch.
        step: usize,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TrainError {
    /// Complains of the first part that an objective needs and that is not there.
    pub(crate) fn require(objective: &'static str, parts: &[(bool, &'static str)]) -> Result<(), Self> {
        match parts.iter().find(|(there, _)| !there) {
            Some(&(_, part)) => Err(Self::MissingPart { objective, part }),
            None => Ok(()),
        }
    }

    pub(crate) fn setting(name: &'static str, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::Setting {
            name,
            expected: expected.into(),
            got: got.to_string(),
        }
    }
}
