//! The slow copies of the encoders (momentum encoders).

use blip_core::{BlipModel, TextEncoder, VisionTransformer};
use blip_nn::Linear;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::TrainError;

/// Copies of the encoders and projections that follow them slowly: what the contrastive loss is distilled from.
#[derive(Module, Debug)]
pub struct MomentumEncoders {
    /// The ViT.
    pub visual_encoder: VisionTransformer,
    /// A picture's vector into the shared space.
    pub vision_proj: Linear,
    /// The text encoder.
    pub text_encoder: TextEncoder,
    /// A text's vector into the shared space.
    pub text_proj: Linear,
}

impl MomentumEncoders {
    /// Copies of a model's encoders as they are, off the graph of gradients.
    ///
    /// # Errors
    ///
    /// [`TrainError::MissingPart`] if the model has no text encoder or no projections.
    pub fn of(model: &BlipModel) -> Result<Self, TrainError> {
        let missing = |part| TrainError::MissingPart {
            objective: "contrastive learning",
            part,
        };
        let copy = Self {
            visual_encoder: model.visual_encoder.clone(),
            vision_proj: model.vision_proj.clone().ok_or(missing("vision_proj"))?,
            text_encoder: model.text_encoder.clone().ok_or(missing("text_encoder"))?,
            text_proj: model.text_proj.clone().ok_or(missing("text_proj"))?,
        };
        Ok(copy.map(&mut Detach))
    }

    /// `m = momentum * m + (1 - momentum) * p` for every parameter.
    pub(crate) fn follow(self, online: &Self, momentum: f64) -> Self {
        let mut values = Values::default();
        online.visit(&mut values);
        self.map(&mut Follow {
            values: values.0.into_iter(),
            momentum,
        })
    }

    /// The model's own encoders in the shape of these, sharing their parameters.
    pub(crate) fn online(model: &BlipModel) -> Result<Self, TrainError> {
        Ok(Self {
            visual_encoder: model.visual_encoder.clone(),
            vision_proj: part(&model.vision_proj, "vision_proj")?.clone(),
            text_encoder: part(&model.text_encoder, "text_encoder")?.clone(),
            text_proj: part(&model.text_proj, "text_proj")?.clone(),
        })
    }
}

/// A part that contrastive learning needs.
pub(crate) fn part<'a, T>(part: &'a Option<T>, name: &'static str) -> Result<&'a T, TrainError> {
    part.as_ref().ok_or(TrainError::MissingPart {
        objective: "contrastive learning",
        part: name,
    })
}

/// Takes parameters off the graph, each with an id of its own.
struct Detach;

impl ModuleMapper for Detach {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        crate::queue::constant(param.val().without_autodiff())
    }
}

/// Every parameter in order, flat and off the graph.
#[derive(Default)]
struct Values(Vec<Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().without_autodiff().flatten(0, D - 1));
    }
}

struct Follow {
    values: std::vec::IntoIter<Tensor<1>>,
    momentum: f64,
}

impl ModuleMapper for Follow {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let online = self
            .values
            .next()
            .expect("copies have the parameters of what they copy");
        let momentum = self.momentum;
        param.map(|slow| {
            let shape = slow.shape();
            slow * momentum + online.reshape(shape) * (1.0 - momentum)
        })
    }
}
