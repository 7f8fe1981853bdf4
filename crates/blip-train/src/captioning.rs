//! Fine-tuning for captions.
//!
//! Source: salesforce/BLIP@056a169 `models/blip.py` `BLIP_Decoder.forward`, `configs/caption_coco.yaml`.

use blip_traits::ImageEncoder;

use crate::language::LABEL_SMOOTHING;
use crate::{ImageTextBatch, Losses, Moment, Objective, Reduction, TrainError, Trainee, label_smoothed_loss};

/// Language modelling of captions behind a prompt that is given and not learned.
#[doc(alias = "BLIP_Decoder")]
#[derive(Debug)]
pub struct Captioning {
    trainee: Trainee,
    dec: u32,
    prompt_length: usize,
}

impl Captioning {
    /// The objective for a model with a text decoder.
    ///
    /// - dec: the id of `[DEC]`
    /// - prompt_length: the tokens that every text begins with and that are no targets, the first one included: 4 for
    ///   "a picture of "
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if the model has no text decoder.
    pub fn new(trainee: Trainee, dec: u32, prompt_length: usize) -> Result<Self, TrainError> {
        TrainError::require(
            "captioning",
            &[(trainee.model.text_decoder.is_some(), "text_decoder")],
        )?;
        Ok(Self {
            trainee,
            dec,
            prompt_length,
        })
    }
}

impl Objective for Captioning {
    type Batch = ImageTextBatch;

    fn trainee(&self) -> &Trainee {
        &self.trainee
    }

    fn set_trainee(&mut self, trainee: Trainee) {
        self.trainee = trainee;
    }

    fn losses(&mut self, batch: &ImageTextBatch, _moment: &Moment) -> Result<Losses, TrainError> {
        batch.size()?;
        let model = &self.trainee.model;
        let decoder = crate::momentum::part(&model.text_decoder, "text_decoder")?;
        let images = model.visual_encoder.encode(&batch.pixel_values)?;
        let texts = batch.texts.clone().with_first_token(self.dec);
        let logits = decoder.forced_logits(&texts, &images)?;
        let loss = label_smoothed_loss(
            logits,
            &texts,
            self.prompt_length,
            LABEL_SMOOTHING,
            Reduction::Mean,
        );
        Ok(Losses::one("loss_lm", loss))
    }
}
