//! What a run trains.

use blip_core::{BlipModel, TextDecoder};
use blip_nn::TextDropout;
use burn::module::{Lora, Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};

use crate::identity::named_by_path;
use crate::queue::constant;
use crate::{FeatureQueue, MomentumEncoders, TrainError};

/// Everything that a run changes and a checkpoint of it holds.
#[derive(Module, Debug)]
pub struct Trainee {
    /// The networks.
    pub model: BlipModel,
    /// What similarities are divided by; trained, between 0.001 and 0.5.
    pub temperature: Option<Param<Tensor<1>>>,
    /// The slow copies; they follow and are not trained.
    pub momentum: Option<MomentumEncoders>,
    /// What the contrastive loss remembers.
    pub queue: Option<FeatureQueue>,
}

/// What keeps a network from learning its training set by heart: at work in training, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regularization {
    /// Of what the text networks' layers give, 0.1 in the original.
    pub hidden_dropout_prob: f64,
    /// Of the text networks' attention, 0.1 in the original.
    pub attention_probs_dropout_prob: f64,
    /// Of the ViT's branches, 0.1 in the original for answering and reasoning, else 0.
    pub drop_path_rate: f64,
}

impl Regularization {
    /// None.
    pub const NONE: Self = Self {
        hidden_dropout_prob: 0.0,
        attention_probs_dropout_prob: 0.0,
        drop_path_rate: 0.0,
    };

    /// As the original trains (`configs/med_config.json`), with the drop path rate of the task.
    pub fn original(drop_path_rate: f64) -> Self {
        Self {
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            drop_path_rate,
        }
    }
}

impl Trainee {
    /// A model whose parameters are trained, and nothing else.
    ///
    /// The model moves to `device` with autodiff; its parameters get ids by their paths.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] for a probability that is not at least 0 and below 1.
    pub fn new(
        model: BlipModel,
        regularization: &Regularization,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let model = regularized(model, regularization)?;
        let model = model.map(&mut Trainable(device.clone().autodiff()));
        Ok(named_by_path(Self {
            model,
            temperature: None,
            momentum: None,
            queue: None,
        }))
    }

    /// The same with what contrastive learning needs: a temperature, momentum copies, and a queue of random features.
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if the model has no text encoder or no projections.
    pub fn with_contrast(
        mut self,
        temperature: f64,
        queue_size: usize,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let momentum = MomentumEncoders::of(&self.model)?;
        let features = momentum.vision_proj.d_out();
        let device = self.model.visual_encoder.device();
        let plain = Tensor::<1>::zeros([1], &device).without_autodiff().device();
        self.queue = Some(FeatureQueue::new(queue_size, features, seed, &plain));
        self.temperature = Some(Param::from_tensor(
            Tensor::from_floats([temperature as f32], &device).require_grad(),
        ));
        self.momentum = Some(momentum);
        Ok(named_by_path(self))
    }

    /// The same with an image encoder that stays as it is: what it computes needs no gradients, and several tasks can go on
    /// sharing it.
    pub fn with_frozen_image_encoder(mut self) -> Self {
        self.model.visual_encoder = self.model.visual_encoder.no_grad();
        self
    }

    /// The same with low-rank adapters (LoRA, Hu et al. 2021) on every matrix: they alone are trained, all else stays as it
    /// is. What is [`finished`](Self::finished) has them added in.
    ///
    /// Not for pre-training, which trains everything.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] for a rank of 0.
    pub fn with_lora(mut self, rank: usize, alpha: f64) -> Result<Self, TrainError> {
        if rank == 0 {
            return Err(TrainError::setting("the rank of LoRA", "at least 1", rank));
        }
        self.model = self.model.apply_lora(Lora::new(rank, alpha));
        Ok(named_by_path(self))
    }

    /// What contrast and matching need, and whether it is there.
    pub(crate) fn contrastive_parts(&self) -> [(bool, &'static str); 7] {
        let model = &self.model;
        [
            (model.text_encoder.is_some(), "text_encoder"),
            (model.vision_proj.is_some(), "vision_proj"),
            (model.text_proj.is_some(), "text_proj"),
            (model.itm_head.is_some(), "itm_head"),
            (self.temperature.is_some(), "temperature"),
            (self.momentum.is_some(), "momentum"),
            (self.queue.is_some(), "queue"),
        ]
    }

    /// The decoder shares everything but self-attention with the text encoder, as in pre-training. To be said again after
    /// each change of the parameters.
    pub(crate) fn tie(&mut self) {
        if let Some(encoder) = &self.model.text_encoder {
            let decoder = self.model.text_decoder.take();
            self.model.text_decoder =
                decoder.map(|decoder| decoder.sharing_all_but_self_attention(encoder.bert()));
        }
    }

    /// Keeps the temperature where the original does.
    pub(crate) fn clamp_temperature(&mut self) {
        self.temperature = self.temperature.take().map(|temperature| {
            let value = temperature.val().without_autodiff().clamp(0.001, 0.5);
            Param::initialized(temperature.id, value.autodiff().require_grad())
        });
    }

    /// The networks as they are used: off the graph of gradients, without dropout, their language-model head scoring by
    /// the word embeddings.
    pub fn finished(&self) -> BlipModel {
        let mut model = self.model.valid().materialize();
        model.text_decoder = model.text_decoder.map(TextDecoder::tied);
        regularized(model, &Regularization::NONE).expect("0 is a probability")
    }

    /// Keeps momentum copies and queue out of training after weights were loaded.
    pub(crate) fn constants_stay(mut self) -> Self {
        self.queue = self.queue.take().map(|queue| FeatureQueue {
            image: constant(queue.image.val().without_autodiff()),
            text: constant(queue.text.val().without_autodiff()),
        });
        named_by_path(self)
    }
}

/// Puts parameters on an autodiff device, as leaves of the graph of gradients.
struct Trainable(Device);

impl ModuleMapper for Trainable {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val().without_autodiff().to_device(&self.0);
        Param::initialized(param.id, value.autodiff().require_grad())
    }
}

fn regularized(mut model: BlipModel, regularization: &Regularization) -> Result<BlipModel, TrainError> {
    for (name, probability) in [
        ("hidden_dropout_prob", regularization.hidden_dropout_prob),
        (
            "attention_probs_dropout_prob",
            regularization.attention_probs_dropout_prob,
        ),
    ] {
        if !(0.0..1.0).contains(&probability) {
            return Err(TrainError::setting(name, "at least 0 and below 1", probability));
        }
    }
    let dropout = TextDropout::new(
        regularization.hidden_dropout_prob,
        regularization.attention_probs_dropout_prob,
    );
    let rate = regularization.drop_path_rate;
    model.visual_encoder = model
        .visual_encoder
        .with_drop_path(rate)
        .map_err(|_| TrainError::setting("drop_path_rate", "at least 0 and below 1", rate))?;
    model.text_encoder = model.text_encoder.map(|encoder| encoder.with_dropout(&dropout));
    model.pair_encoder = model.pair_encoder.map(|encoder| encoder.with_dropout(&dropout));
    model.text_decoder = model.text_decoder.map(|decoder| decoder.with_dropout(&dropout));
    Ok(model)
}
