//! Fine-tuning for retrieval: contrast and matching, where several texts describe one picture.
//!
//! Source: salesforce/BLIP@056a169 `models/blip_retrieval.py`, `configs/retrieval_coco.yaml`.

use blip_traits::{ImageEncoder, SpecialTokens};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData};

use crate::answering::turn;
use crate::matching::{Negatives, matching_loss};
use crate::momentum::part;
use crate::pretraining::{NEGATIVES, contrast, pointer, read, remember};
use crate::{
    AlphaRamp, FeatureQueue, ImageTextBatch, Losses, Moment, Multinomial, NegativeSampler, Objective,
    TrainError, Trainee,
};

/// The settings of retrieval's fine-tuning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrievalOptions {
    /// How much of itself a momentum parameter keeps at each step.
    pub momentum: f64,
    /// The weight of soft targets.
    pub alpha: AlphaRamp,
    /// The special tokens of the vocabulary.
    pub special: SpecialTokens,
}

impl Default for RetrievalOptions {
    fn default() -> Self {
        Self {
            momentum: 0.995,
            alpha: AlphaRamp::OneEpoch(0.4),
            special: SpecialTokens::BERT_BASE_UNCASED,
        }
    }
}

/// The objective of retrieval.
#[doc(alias = "BLIP_Retrieval")]
#[derive(Debug)]
pub struct Retrieval {
    trainee: Trainee,
    options: RetrievalOptions,
    first_tokens: Vec<u32>,
    pointer: usize,
    /// Which picture each row of the queue is of; -100 where none is yet.
    queue_ids: Vec<i64>,
}

/// No picture.
const NONE: i64 = -100;

impl Retrieval {
    /// The objective for a trainee with [`contrast`](Trainee::with_contrast).
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if it lacks the text encoder, a projection, the matching head, or what contrastive
    /// learning needs.
    pub fn new(trainee: Trainee, options: RetrievalOptions) -> Result<Self, TrainError> {
        TrainError::require("retrieval", &trainee.contrastive_parts())?;
        let size = trainee.queue.as_ref().map_or(0, FeatureQueue::size);
        Ok(Self {
            trainee,
            first_tokens: vec![options.special.enc],
            options,
            pointer: 0,
            queue_ids: vec![NONE; size],
        })
    }

    /// The same with other first tokens of texts that are matched, which take turns, batch by batch, as for
    /// [`Pretraining`](crate::Pretraining::with_first_tokens).
    pub fn with_first_tokens(mut self, first_tokens: Vec<u32>) -> Self {
        self.first_tokens = first_tokens;
        self
    }

    /// The same with a queue whose pictures are known.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] if there is not one id for each row of the queue.
    pub fn with_queue_ids(mut self, ids: Vec<i64>) -> Result<Self, TrainError> {
        if ids.len() != self.queue_ids.len() {
            let expected = format!("{} of them", self.queue_ids.len());
            return Err(TrainError::setting("queue ids", expected, ids.len()));
        }
        self.queue_ids = ids;
        Ok(self)
    }

    /// Which picture each row of the queue is of; -100 where none is yet.
    pub fn queue_ids(&self) -> &[i64] {
        &self.queue_ids
    }

    /// The losses with a given weight of soft targets and choice of negatives.
    ///
    /// # Errors
    ///
    /// As [`Objective::losses`].
    pub fn losses_with(
        &mut self,
        batch: &ImageTextBatch,
        alpha: f64,
        sampler: &mut dyn NegativeSampler,
    ) -> Result<Losses, TrainError> {
        let first_token = self.options.special.enc;
        self.losses_by(batch, alpha, first_token, sampler)
    }

    fn losses_by(
        &mut self,
        batch: &ImageTextBatch,
        alpha: f64,
        first_token: u32,
        sampler: &mut dyn NegativeSampler,
    ) -> Result<Losses, TrainError> {
        let size = batch.size()?;
        if batch.image_ids.len() != size {
            let expected = format!("one for each of {size} pictures");
            return Err(TrainError::setting("image_ids", expected, batch.image_ids.len()));
        }
        let special = self.options.special;
        let images = self.trainee.model.visual_encoder.encode(&batch.pixel_values)?;
        let texts = batch.texts.clone().with_first_token(special.cls);
        let hard = self.positives(&batch.image_ids, &images.states().device());
        let momentum = self.options.momentum;
        let contrast = contrast(
            &mut self.trainee,
            &images,
            batch,
            &texts,
            momentum,
            alpha,
            Some(hard),
        )?;

        // Online against online here, off the graph, with texts of the same picture taken out.
        let temperature = part(&self.trainee.temperature, "temperature")?.val();
        let temperature = temperature.without_autodiff().unsqueeze::<2>();
        let (image, text) = (
            contrast.image.clone().without_autodiff(),
            contrast.text.clone().without_autodiff(),
        );
        let weights = |from: Tensor<2>, to: Tensor<2>| -> Result<Vec<f32>, TrainError> {
            let similarities = from.matmul(to.transpose()) / temperature.clone();
            let mut weights = read(softmax(similarities, 1))?;
            for (at, weight) in weights.iter_mut().enumerate() {
                if batch.image_ids[at / size] == batch.image_ids[at % size] {
                    *weight = 0.0;
                }
            }
            Ok(weights)
        };
        let to_images = weights(text.clone(), image.clone())?;
        let to_texts = weights(image, text)?;
        let negatives = Negatives::draw(&to_images, &to_texts, size, sampler);
        let encoder = part(&self.trainee.model.text_encoder, "text_encoder")?;
        let head = part(&self.trainee.model.itm_head, "itm_head")?;
        let statements = batch.statements.as_ref();
        let matching = matching_loss(
            encoder,
            head,
            &images,
            &texts,
            &negatives,
            statements,
            first_token,
        )?;

        let at = self.pointer;
        self.pointer = remember(&mut self.trainee, at, contrast.momentum)?;
        self.queue_ids[at..at + size].copy_from_slice(&batch.image_ids);
        Ok(Losses::sum(vec![
            ("loss_ita", contrast.loss),
            ("loss_itm", matching),
        ]))
    }

    /// Every row's probability shared between the candidates of the same picture, `[batch, batch + queue]`.
    fn positives(&self, ids: &[i64], device: &burn::tensor::Device) -> Tensor<2> {
        let candidates: Vec<i64> = ids.iter().chain(&self.queue_ids).copied().collect();
        let mut targets = Vec::with_capacity(ids.len() * candidates.len());
        for id in ids {
            let same = candidates.iter().filter(|other| *other == id).count() as f32;
            targets.extend(
                candidates
                    .iter()
                    .map(|other| if other == id { 1.0 / same } else { 0.0 }),
            );
        }
        let data = TensorData::new(targets, [ids.len(), candidates.len()]);
        Tensor::<2>::from_data(data, device).without_autodiff()
    }
}

impl Objective for Retrieval {
    type Batch = ImageTextBatch;

    fn trainee(&self) -> &Trainee {
        &self.trainee
    }

    fn set_trainee(&mut self, trainee: Trainee) {
        self.trainee = trainee;
    }

    fn losses(&mut self, batch: &ImageTextBatch, moment: &Moment) -> Result<Losses, TrainError> {
        let alpha = self.options.alpha.alpha(moment);
        let first_token = turn(&self.first_tokens, moment, self.options.special.enc);
        self.losses_by(batch, alpha, first_token, &mut Multinomial(moment.rng(NEGATIVES)))
    }

    fn counters(&self) -> Vec<i64> {
        [self.pointer as i64]
            .into_iter()
            .chain(self.queue_ids.iter().copied())
            .collect()
    }

    fn set_counters(&mut self, counters: &[i64]) -> Result<(), TrainError> {
        let pointer = pointer(counters, &self.trainee)?;
        if counters.len() != 1 + self.queue_ids.len() {
            let expected = format!("{} of them", 1 + self.queue_ids.len());
            return Err(TrainError::setting("counters", expected, counters.len()));
        }
        self.pointer = pointer;
        self.queue_ids.copy_from_slice(&counters[1..]);
        Ok(())
    }
}
