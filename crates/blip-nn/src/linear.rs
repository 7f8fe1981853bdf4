//! `y = x W + b`, with the weight as it is multiplied.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

/// A linear layer. The weight is contiguous `[in, out]`, the transpose of PyTorch's.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Linear {
    /// A layer with weights of N(0, 0.02) and no bias, as both references start theirs.
    pub fn new(d_in: usize, d_out: usize, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            weight: normal.init([d_in, d_out], device),
            bias: Initializer::Zeros.init([d_out], device),
        }
    }

    /// The same layer with another weight.
    ///
    /// # Shapes
    ///
    /// - weight: `[in, out]`, contiguous
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = Param::initialized(self.weight.id, weight);
        self
    }

    /// The weight, `[in, out]`.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }

    /// Applies the layer to the last axis.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, tokens, in]`
    /// - output: `[batch, tokens, out]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, d_in] = input.dims();
        let [_, d_out] = self.weight.dims();
        // One matrix product over all rows: [batch * tokens, in] x [in, out].
        let rows = input.reshape([batch * tokens, d_in]);
        let output = rows.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        output.reshape([batch, tokens, d_out])
    }
}
