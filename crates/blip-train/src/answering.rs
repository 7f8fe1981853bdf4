//! Fine-tuning for questions.
//!
//! Source: salesforce/BLIP@056a169 `models/blip_vqa.py` `BLIP_VQA.forward`, `configs/vqa.yaml`.

use blip_traits::{GroundedEncoder, HiddenStates, ImageEncoder, PixelValues, SpecialTokens, TokenBatch};
use burn::tensor::{Int, Tensor};

use crate::language::LABEL_SMOOTHING;
use crate::{Losses, Moment, Objective, Reduction, TrainError, Trainee, label_smoothed_loss};

/// Questions about pictures with their answers.
#[derive(Clone, Debug)]
pub struct QuestionBatch {
    /// `[batch, 3, height, width]`.
    pub pixel_values: PixelValues,
    /// `[questions, length]`, as many of each picture, in the pictures' order; the objective sets the first token.
    pub questions: TokenBatch,
    /// `[answers, length]`, all questions' answers; the objective sets the first token.
    pub answers: TokenBatch,
    /// Which question each answer is to.
    pub question_of: Vec<usize>,
    /// How much each answer counts: the part of the annotators that gave it.
    pub weights: Vec<f32>,
}

impl QuestionBatch {
    fn check(&self) -> Result<usize, TrainError> {
        let (images, questions) = (self.pixel_values.shape()[0], self.questions.shape()[0]);
        if images == 0 || questions == 0 || !questions.is_multiple_of(images) {
            let expected = format!("as many for each of {images} pictures, and at least one");
            return Err(TrainError::setting("questions", expected, questions));
        }
        let answers = self.answers.shape()[0];
        for (name, got) in [
            ("question_of", self.question_of.len()),
            ("weights", self.weights.len()),
        ] {
            if got != answers {
                let expected = format!("one for each of {answers} answers");
                return Err(TrainError::setting(name, expected, got));
            }
        }
        if let Some(question) = self.question_of.iter().find(|&&question| question >= questions) {
            let expected = format!("below {questions} questions");
            return Err(TrainError::setting("question_of", expected, question));
        }
        Ok(questions)
    }
}

/// Language modelling of answers, each over its question's states, weighted.
#[doc(alias = "BLIP_VQA")]
#[derive(Debug)]
pub struct Answering {
    trainee: Trainee,
    special: SpecialTokens,
    first_tokens: Vec<u32>,
}

impl Answering {
    /// The objective for a model with a text encoder and a text decoder.
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if the model has no text encoder or no text decoder.
    pub fn new(trainee: Trainee, special: SpecialTokens) -> Result<Self, TrainError> {
        let model = &trainee.model;
        let parts = [
            (model.text_encoder.is_some(), "text_encoder"),
            (model.text_decoder.is_some(), "text_decoder"),
        ];
        TrainError::require("answering", &parts)?;
        Ok(Self {
            trainee,
            special,
            first_tokens: vec![special.enc],
        })
    }

    /// The same with other first tokens of questions, which take turns, batch by batch: the original asks by `[ENC]`,
    /// Hugging Face by `[CLS]`, and a model that has seen both answers either.
    pub fn with_first_tokens(mut self, first_tokens: Vec<u32>) -> Self {
        self.first_tokens = first_tokens;
        self
    }
}

/// The first token whose turn it is.
pub(crate) fn turn(first_tokens: &[u32], moment: &Moment, otherwise: u32) -> u32 {
    let place = moment.total() % first_tokens.len().max(1);
    first_tokens.get(place).copied().unwrap_or(otherwise)
}

impl Objective for Answering {
    type Batch = QuestionBatch;

    fn trainee(&self) -> &Trainee {
        &self.trainee
    }

    fn set_trainee(&mut self, trainee: Trainee) {
        self.trainee = trainee;
    }

    fn losses(&mut self, batch: &QuestionBatch, moment: &Moment) -> Result<Losses, TrainError> {
        let questions = batch.check()?;
        let model = &self.trainee.model;
        let encoder = crate::momentum::part(&model.text_encoder, "text_encoder")?;
        let decoder = crate::momentum::part(&model.text_decoder, "text_decoder")?;

        let images = model.visual_encoder.encode(&batch.pixel_values)?;
        let asked =
            batch
                .questions
                .clone()
                .with_first_token(turn(&self.first_tokens, moment, self.special.enc));
        let states = encoder.encode_grounded(&asked, &encoder.ground(&images)?)?;
        let rows: Vec<i32> = batch.question_of.iter().map(|&row| row as i32).collect();
        let index = Tensor::<1, Int>::from_ints(rows.as_slice(), &states.states().device());
        let repeated = HiddenStates::with_mask(
            states.states().clone().select(0, index),
            asked.attention_mask().select(&batch.question_of),
        )?;

        let answers = batch.answers.clone().with_first_token(self.special.dec);
        let logits = decoder.forced_logits(&answers, &repeated)?;
        let weights = Reduction::Weighted(&batch.weights);
        let loss = label_smoothed_loss(logits, &answers, 1, LABEL_SMOOTHING, weights);
        Ok(Losses::one("loss_vqa", loss / questions as f64))
    }
}
