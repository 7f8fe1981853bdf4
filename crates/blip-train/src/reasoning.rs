//! Fine-tuning for sentences about two pictures (NLVR2).
//!
//! Source: salesforce/BLIP@056a169 `models/blip_nlvr.py` `BLIP_NLVR.forward`, `configs/nlvr.yaml`.

use blip_traits::{HiddenStates, ImageEncoder, PairEncoder, PixelValues, TokenBatch};
use burn::tensor::s;

use crate::matching::class_loss;
use crate::{Losses, Moment, Objective, TrainError, Trainee};

/// Sentences about two pictures each.
#[derive(Clone, Debug)]
pub struct PairBatch {
    /// `[batch, 3, height, width]`, the first pictures.
    pub first: PixelValues,
    /// `[batch, 3, height, width]`, the second pictures.
    pub second: PixelValues,
    /// `[batch, length]`; the objective sets the first token.
    pub sentences: TokenBatch,
    /// Whether each sentence is true.
    pub labels: Vec<bool>,
}

/// Cross-entropy of the head that says whether a sentence is true.
#[doc(alias = "BLIP_NLVR")]
#[derive(Debug)]
pub struct Reasoning {
    trainee: Trainee,
    enc: u32,
}

impl Reasoning {
    /// The objective for a model with a pair encoder and its head.
    ///
    /// - enc: the id of `[ENC]`
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if the model has no pair encoder or no head for it.
    pub fn new(trainee: Trainee, enc: u32) -> Result<Self, TrainError> {
        let model = &trainee.model;
        let parts = [
            (model.pair_encoder.is_some(), "pair_encoder"),
            (model.cls_head.is_some(), "cls_head"),
        ];
        TrainError::require("reasoning", &parts)?;
        Ok(Self { trainee, enc })
    }
}

impl Objective for Reasoning {
    type Batch = PairBatch;

    fn trainee(&self) -> &Trainee {
        &self.trainee
    }

    fn set_trainee(&mut self, trainee: Trainee) {
        self.trainee = trainee;
    }

    fn losses(&mut self, batch: &PairBatch, _moment: &Moment) -> Result<Losses, TrainError> {
        let size = batch.labels.len();
        for (name, got) in [
            ("first", batch.first.shape()[0]),
            ("second", batch.second.shape()[0]),
            ("sentences", batch.sentences.shape()[0]),
        ] {
            if got != size || got == 0 {
                let expected = format!("one for each of {size} labels, and at least one");
                return Err(TrainError::setting(name, expected, got));
            }
        }
        let model = &self.trainee.model;
        let encoder = crate::momentum::part(&model.pair_encoder, "pair_encoder")?;
        let head = crate::momentum::part(&model.cls_head, "cls_head")?;
        let both = PixelValues::concat(&[batch.first.clone(), batch.second.clone()])?;
        let images = model.visual_encoder.encode(&both)?.states().clone();
        let first = HiddenStates::new(images.clone().slice(s![0..size, .., ..]));
        let second = HiddenStates::new(images.slice(s![size.., .., ..]));
        let sentences = batch.sentences.clone().with_first_token(self.enc);
        let states = encoder.encode(&sentences, &first, &second)?;
        let logits = head.forward(states.states().clone().slice(s![.., 0..1, ..]));
        Ok(Losses::one("loss_nlvr", class_loss(logits, &batch.labels)))
    }
}
