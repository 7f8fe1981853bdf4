//! Pre-training: contrast, matching and language modelling at once.
//!
//! ```text
//! images ─ ViT ─┬─ [CLS] ─ vision_proj ─┐ ITC against momentum features and queue
//!               │   texts [CLS] ─ text_encoder ─ text_proj ─┘
//!               ├─ texts [ENC] ─ text_encoder grounded ─ itm_head     ITM, with hard negatives by similarity
//!               └─ texts [DEC] ─ text_decoder, which shares all but self-attention with the encoder     LM
//! ```
//!
//! Source: salesforce/BLIP@056a169 `models/blip_pretrain.py`, `configs/pretrain.yaml`.

use blip_traits::{HiddenStates, ImageEncoder, SpecialTokens, TokenBatch};
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, TensorData, s};

use crate::answering::turn;
use crate::language::LABEL_SMOOTHING;
use crate::matching::{Negatives, matching_loss};
use crate::momentum::part;
use crate::queue::normalized;
use crate::{
    AlphaRamp, FeatureQueue, ImageTextBatch, Losses, Moment, MomentumEncoders, Multinomial, NegativeSampler,
    Objective, Reduction, TrainError, Trainee, contrastive_loss, label_smoothed_loss, soft_targets,
};

/// The settings of pre-training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PretrainingOptions {
    /// How much of itself a momentum parameter keeps at each step.
    pub momentum: f64,
    /// The weight of soft targets.
    pub alpha: AlphaRamp,
    /// The special tokens of the vocabulary.
    pub special: SpecialTokens,
}

impl Default for PretrainingOptions {
    fn default() -> Self {
        Self {
            momentum: 0.995,
            alpha: AlphaRamp::TwoEpochs(0.4),
            special: SpecialTokens::BERT_BASE_UNCASED,
        }
    }
}

/// The joint objective of pre-training.
#[doc(alias = "BLIP_Pretrain")]
#[derive(Debug)]
pub struct Pretraining {
    trainee: Trainee,
    options: PretrainingOptions,
    pointer: usize,
    first_tokens: Vec<u32>,
}

/// What the contrastive part computes on the way.
pub(crate) struct Contrast {
    pub(crate) loss: Tensor<1>,
    /// Online features, `[batch, features]`.
    pub(crate) image: Tensor<2>,
    /// Online features, `[batch, features]`.
    pub(crate) text: Tensor<2>,
    /// Momentum features, off the graph.
    pub(crate) momentum: [Tensor<2>; 2],
    /// Of pictures to the batch's texts and of texts to its pictures, over the temperature, `[batch, batch]`.
    pub(crate) similarities: [Tensor<2>; 2],
}

impl Pretraining {
    /// The objective for a trainee with [`contrast`](Trainee::with_contrast).
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if it lacks a part: text encoder, decoder, projections, matching head, or what
    /// contrastive learning needs.
    pub fn new(trainee: Trainee, options: PretrainingOptions) -> Result<Self, TrainError> {
        let objective = "pre-training";
        TrainError::require(objective, &trainee.contrastive_parts())?;
        TrainError::require(
            objective,
            &[(trainee.model.text_decoder.is_some(), "text_decoder")],
        )?;
        let mut pretraining = Self {
            trainee: trainee.clone(),
            first_tokens: vec![options.special.enc],
            options,
            pointer: 0,
        };
        pretraining.set_trainee(trainee);
        Ok(pretraining)
    }

    /// The same with other first tokens of texts that are matched, which take turns, batch by batch: the original trains
    /// by `[ENC]` and matches by `[CLS]` in part, as Hugging Face does throughout.
    pub fn with_first_tokens(mut self, first_tokens: Vec<u32>) -> Self {
        self.first_tokens = first_tokens;
        self
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
        let special = self.options.special;
        let images = self.trainee.model.visual_encoder.encode(&batch.pixel_values)?;
        let texts = batch.texts.clone().with_first_token(special.cls);
        let momentum = self.options.momentum;
        let contrast = contrast(&mut self.trainee, &images, batch, &texts, momentum, alpha, None)?;

        let encoder = part(&self.trainee.model.text_encoder, "text_encoder")?;
        let head = part(&self.trainee.model.itm_head, "itm_head")?;
        let decoder = part(&self.trainee.model.text_decoder, "text_decoder")?;
        // The original adds 1e-4, so that no pair is impossible, and takes out the pairs that belong together.
        let weights = |similarities: &Tensor<2>| -> Result<Vec<f32>, TrainError> {
            let mut weights = read(softmax(similarities.clone(), 1) + 1e-4)?;
            (0..size).for_each(|row| weights[row * size + row] = 0.0);
            Ok(weights)
        };
        let [to_texts, to_images] = &contrast.similarities;
        let negatives = Negatives::draw(&weights(to_images)?, &weights(to_texts)?, size, sampler);
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

        let written = texts.with_first_token(special.dec);
        let logits = decoder.forced_logits(&written, &images)?;
        let language = label_smoothed_loss(logits, &written, 1, LABEL_SMOOTHING, Reduction::Mean);

        self.pointer = remember(&mut self.trainee, self.pointer, contrast.momentum)?;
        Ok(Losses::sum(vec![
            ("loss_ita", contrast.loss),
            ("loss_itm", matching),
            ("loss_lm", language),
        ]))
    }
}

impl Objective for Pretraining {
    type Batch = ImageTextBatch;

    fn trainee(&self) -> &Trainee {
        &self.trainee
    }

    fn set_trainee(&mut self, trainee: Trainee) {
        self.trainee = trainee;
        self.trainee.tie();
    }

    fn losses(&mut self, batch: &ImageTextBatch, moment: &Moment) -> Result<Losses, TrainError> {
        let alpha = self.options.alpha.alpha(moment);
        let first_token = turn(&self.first_tokens, moment, self.options.special.enc);
        self.losses_by(batch, alpha, first_token, &mut Multinomial(moment.rng(NEGATIVES)))
    }

    fn counters(&self) -> Vec<i64> {
        vec![self.pointer as i64]
    }

    fn set_counters(&mut self, counters: &[i64]) -> Result<(), TrainError> {
        self.pointer = pointer(counters, &self.trainee)?;
        Ok(())
    }
}

/// The stream of chance that negatives are drawn from.
pub(crate) const NEGATIVES: u64 = 1;

/// Reads the queue's pointer out of a checkpoint's counters.
pub(crate) fn pointer(counters: &[i64], trainee: &Trainee) -> Result<usize, TrainError> {
    let size = trainee.queue.as_ref().map_or(0, FeatureQueue::size);
    let pointer = counters
        .first()
        .and_then(|&pointer| usize::try_from(pointer).ok());
    pointer
        .filter(|&pointer| pointer < size)
        .ok_or_else(|| TrainError::setting("queue pointer", format!("below {size}"), format!("{counters:?}")))
}

/// The contrastive loss of a batch. The temperature is clamped and the momentum copies take a step, as the original's
/// forward pass does.
///
/// - hard: the hard targets, `[batch, batch + queue]`; the diagonal where there are none
pub(crate) fn contrast(
    trainee: &mut Trainee,
    images: &HiddenStates,
    batch: &ImageTextBatch,
    texts: &TokenBatch,
    momentum: f64,
    alpha: f64,
    hard: Option<Tensor<2>>,
) -> Result<Contrast, TrainError> {
    trainee.clamp_temperature();
    let online = MomentumEncoders::online(&trainee.model)?;
    let image = project(&online.vision_proj, images);
    let text = project(&online.text_proj, &online.text_encoder.encode_text(texts)?);

    let slow = trainee.momentum.take();
    let slow = slow.ok_or(TrainError::MissingPart {
        objective: "contrastive learning",
        part: "momentum",
    })?;
    let slow = slow.follow(&online, momentum);
    let image_m = project(
        &slow.vision_proj,
        &slow.visual_encoder.encode(&batch.pixel_values)?,
    );
    let text_m = project(&slow.text_proj, &slow.text_encoder.encode_text(texts)?);
    trainee.momentum = Some(slow);

    let queue = part(&trainee.queue, "queue")?;
    let temperature = part(&trainee.temperature, "temperature")?.val();
    let candidates =
        |batch: &Tensor<2>, queue: Tensor<2>| Tensor::cat(vec![batch.clone(), queue], 0).transpose();
    let (images_all, texts_all) = (
        candidates(&image_m, queue.image()),
        candidates(&text_m, queue.text()),
    );
    let size = texts.shape()[0];
    let hard = match hard {
        Some(hard) => hard,
        None => diagonal(size, size + queue.size(), &image_m),
    };
    // Nothing of the targets is on the graph, the temperature included.
    let plain = temperature.clone().without_autodiff().unsqueeze();
    let targets = |features: Tensor<2>, all: &Tensor<2>| {
        soft_targets(features.matmul(all.clone()) / plain.clone(), hard.clone(), alpha).autodiff()
    };
    let similarities = |features: &Tensor<2>, all: &Tensor<2>| {
        features.clone().matmul(all.clone().autodiff()) / temperature.clone().unsqueeze()
    };
    let to_texts = similarities(&image, &texts_all);
    let to_images = similarities(&text, &images_all);
    let loss = (contrastive_loss(to_texts.clone(), targets(image_m.clone(), &texts_all))
        + contrastive_loss(to_images.clone(), targets(text_m.clone(), &images_all)))
        / 2.0;
    let own = |all: Tensor<2>| all.without_autodiff().slice(s![.., 0..size]);
    Ok(Contrast {
        loss,
        image,
        text,
        momentum: [image_m, text_m],
        similarities: [own(to_texts), own(to_images)],
    })
}

/// Puts a batch's momentum features into the queue; gives the next pointer.
pub(crate) fn remember(
    trainee: &mut Trainee,
    pointer: usize,
    [image, text]: [Tensor<2>; 2],
) -> Result<usize, TrainError> {
    let batch = image.dims()[0];
    let queue = trainee.queue.take();
    let queue = queue.ok_or(TrainError::MissingPart {
        objective: "contrastive learning",
        part: "queue",
    })?;
    let size = queue.size();
    let checked = FeatureQueue::check(size, batch).and_then(|()| match pointer + batch <= size {
        true => Ok(()),
        false => Err(TrainError::setting(
            "batch",
            "batches of one size",
            format!("{batch} at {pointer} of {size}"),
        )),
    });
    if let Err(error) = checked {
        trainee.queue = Some(queue);
        return Err(error);
    }
    trainee.queue = Some(queue.put(pointer, image, text));
    Ok((pointer + batch) % size)
}

/// The first token's vector in the shared space, of length 1: `[batch, features]`.
fn project(projection: &blip_nn::Linear, states: &HiddenStates) -> Tensor<2> {
    let first = states.states().clone().slice(s![.., 0..1, ..]);
    let projected = projection.forward(first);
    let [batch, _, features] = projected.dims();
    normalized(projected.reshape([batch, features]))
}

/// 1 where a picture and a text belong together, `[batch, candidates]`.
fn diagonal(batch: usize, candidates: usize, like: &Tensor<2>) -> Tensor<2> {
    let mut hard = vec![0.0_f32; batch * candidates];
    (0..batch).for_each(|row| hard[row * candidates + row] = 1.0);
    Tensor::from_data(TensorData::new(hard, [batch, candidates]), &like.device())
}

/// Reads a tensor to the host.
pub(crate) fn read(tensor: Tensor<2>) -> Result<Vec<f32>, TrainError> {
    let values = tensor.without_autodiff().try_into_vec_as();
    Ok(values.map_err(|error| blip_traits::ModelError::Device(error.to_string()))?)
}
