//! The feed-forward part of a layer.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::{Linear, Packing};

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

    /// The same layer for inference on a CPU: see [`Linear::packed`].
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        Self {
            fc1: self.fc1.packed(packing),
            fc2: self.fc2.packed(packing),
        }
    }

    /// Applies the layer.
    ///
    /// # Shapes
    ///
    /// - input, output: `[batch, tokens, hidden_size]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(self.fc1.forward_gelu(input))
    }

    /// Applies the layer, and adds a residual to what it gives.
    ///
    /// # Shapes
    ///
    /// - input, residual, output: `[batch, tokens, hidden_size]`
    pub fn forward_add(&self, input: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        self.fc2.forward_add(self.fc1.forward_gelu(input), residual)
    }
}
