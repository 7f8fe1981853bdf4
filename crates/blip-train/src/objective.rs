//! What a run minimises, and what it takes batches from.

use blip_traits::{PixelValues, TokenBatch};
use burn::tensor::Tensor;

use crate::{Moment, TrainError, Trainee};

/// The losses of one batch.
#[derive(Debug)]
pub struct Losses {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Its parts by the original's names, each `[1]`.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}

impl Losses {
    /// The sum of parts.
    pub(crate) fn sum(parts: Vec<(&'static str, Tensor<1>)>) -> Self {
        let losses = parts.iter().map(|(_, loss)| loss.clone());
        Self {
            total: losses
                .reduce(|sum, loss| sum + loss)
                .expect("an objective has at least one loss"),
            parts,
        }
    }

    /// A single loss.
    pub(crate) fn one(name: &'static str, loss: Tensor<1>) -> Self {
        Self::sum(vec![(name, loss)])
    }
}

/// What a run minimises.
pub trait Objective {
    /// What it takes at a time.
    type Batch: Send;

    /// What is trained.
    fn trainee(&self) -> &Trainee;

    /// Puts back what was trained, and restores what must hold of it.
    fn set_trainee(&mut self, trainee: Trainee);

    /// The losses of a batch, with a graph of gradients behind them. What the original updates in its forward pass,
    /// momentum copies and queues, is updated.
    ///
    /// # Errors
    ///
    /// [`TrainError`] for a batch that the networks cannot take.
    fn losses(&mut self, batch: &Self::Batch, moment: &Moment) -> Result<Losses, TrainError>;

    /// What else a checkpoint must hold, as numbers.
    fn counters(&self) -> Vec<i64> {
        Vec::new()
    }

    /// Takes back what [`counters`](Self::counters) gave.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] if they are not this objective's.
    fn set_counters(&mut self, counters: &[i64]) -> Result<(), TrainError> {
        match counters {
            [] => Ok(()),
            _ => Err(TrainError::setting("counters", "none", counters.len())),
        }
    }
}

/// Where batches come from: the same batch whenever it is asked for.
pub trait BatchSource: Sync {
    /// What it gives.
    type Batch: Send;

    /// The batches of an epoch.
    fn steps_per_epoch(&self) -> usize;

    /// A batch.
    ///
    /// # Errors
    ///
    /// What the source meets; it ends the run.
    fn batch(&self, moment: &Moment) -> Result<Self::Batch, Box<dyn std::error::Error + Send + Sync>>;
}

/// Pictures with a text each.
#[derive(Clone, Debug)]
pub struct ImageTextBatch {
    /// `[batch, 3, height, width]`.
    pub pixel_values: PixelValues,
    /// `[batch, length]`; the objective sets the first token.
    pub texts: TokenBatch,
    /// Which pictures are the same, by number; none where all are different.
    pub image_ids: Vec<i64>,
    /// What the matching head learns from beside the batch's own pairs; objectives without one do not look at it.
    pub statements: Option<Statements>,
}

/// Texts of which it is known whether they are true of a picture.
///
/// The original's matching head sees true captions and other pictures' captions. It learns from these too where there are
/// some: texts that tell only a part, or that are wrong in a single word, are none of the two.
#[derive(Clone, Debug)]
pub struct Statements {
    /// `[statements, length]`; the objective sets the first token.
    pub texts: TokenBatch,
    /// The picture of the batch that each is about.
    pub images: Vec<usize>,
    /// Whether each is true of it.
    pub truths: Vec<bool>,
}

impl ImageTextBatch {
    /// The number of pictures.
    pub(crate) fn size(&self) -> Result<usize, TrainError> {
        let (images, texts) = (self.pixel_values.shape()[0], self.texts.shape()[0]);
        if images != texts || images == 0 {
            let expected = format!("one for each of {images} pictures, and at least one");
            return Err(TrainError::setting("texts", expected, texts));
        }
        if let Some(statements) = &self.statements {
            statements.check(images)?;
        }
        Ok(images)
    }
}

impl Statements {
    /// Each has its truth, and its picture among so many.
    fn check(&self, pictures: usize) -> Result<(), TrainError> {
        let texts = self.texts.shape()[0];
        for (name, count) in [
            ("statements' pictures", self.images.len()),
            ("statements' truths", self.truths.len()),
        ] {
            if count != texts {
                return Err(TrainError::setting(
                    name,
                    format!("one for each of {texts} texts"),
                    count,
                ));
            }
        }
        match self.images.iter().find(|&&image| image >= pictures) {
            Some(image) => Err(TrainError::setting(
                "statements' pictures",
                format!("below {pictures}"),
                image,
            )),
            None => Ok(()),
        }
    }
}
