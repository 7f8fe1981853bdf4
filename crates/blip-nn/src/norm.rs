//! Layer normalisation.

use burn::module::{Initializer, Module, Param};
use burn::tensor::module::layer_norm;
use burn::tensor::{Device, Tensor};

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    epsilon: f64,
}

impl LayerNorm {
    /// A layer that changes nothing but the scale: weight 1, bias 0.
    ///
    /// `epsilon` is 1e-12 in BLIP's text networks, and 1e-6 (original) or 1e-5 (Hugging Face) in its ViT.
    pub fn new(d_model: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([d_model], device),
            bias: Initializer::Zeros.init([d_model], device),
            epsilon,
        }
    }

    /// What is added to the variance.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input, output: `[batch, tokens, d_model]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        #[cfg(feature = "flex")]
        if let Some(output) = crate::cpu::layer_norm(&input, None, [&weight, &bias], self.epsilon) {
            return output;
        }
        layer_norm(input, weight, Some(bias), self.epsilon)
    }

    /// Applies the layer to `input + residual`.
    ///
    /// # Shapes
    ///
    /// - input, residual, output: `[batch, tokens, d_model]`
    pub fn forward_add(&self, input: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        #[cfg(feature = "flex")]
        if let Some(output) = crate::cpu::layer_norm(&input, Some(&residual), [&weight, &bias], self.epsilon)
        {
            return output;
        }
        layer_norm(input + residual, weight, Some(bias), self.epsilon)
    }
}
