//! The feed-forward part of a layer.

use burn::module::Module;
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};

use crate::Linear;

/// `fc2(gelu(fc1(x)))`, with the exact (erf) GELU.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

impl Mlp {
    /// `hidden_size` to `intermediate_size` and back.
    pub fn new(hidden_size: usize, intermediate_size: usize, device: &Device) -> Self {
        Self {
            fc1: Linear::new(hidden_size, intermediate_size, device),
            fc2: Linear::new(intermediate_size, hidden_size, device),
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input, output: `[batch, tokens, hidden_size]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(input)))
    }
}
