//! `y = x W + b`, with the weight as it is multiplied.

use blip_traits::{Features, Head, HiddenStates, ModelError};
use burn::module::{Initializer, Module, Param};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};

use crate::packed::{Packed, Packing, Precision, Then};

/// A linear layer. The weight is contiguous `[in, out]`, the transpose of PyTorch's.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    packed: Packed,
}

impl Linear {
    /// A layer with weights of N(0, 0.02) and no bias, as both references start theirs.
    pub fn new(d_in: usize, d_out: usize, device: &Device) -> Self {
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Self {
            weight: normal.init([d_in, d_out], device),
            bias: Initializer::Zeros.init([d_out], device),
            packed: Packed::default(),
        }
    }

    /// The same layer, its weight held as the CPU kernels read it, in that [`Precision`](crate::Precision) and in no other
    /// form. On any other device than the CPU, under autodiff, and where it is packed already, nothing is changed.
    ///
    /// The weight can still be read; what changes it leaves the packed form behind.
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        if self.packed.is_some() {
            return self;
        }
        let (weight, packed) = Packed::new(self.weight, packing.into());
        Self {
            weight,
            packed,
            bias: self.bias,
        }
    }

    /// The same layer with another weight.
    ///
    /// # Shapes
    ///
    /// - weight: `[in, out]`, contiguous
    pub fn with_weight(mut self, weight: Tensor<2>) -> Self {
        self.weight = Param::initialized(self.weight.id, weight);
        self.packed = Packed::default();
        self
    }

    /// The weight, `[in, out]`.
    pub fn weight(&self) -> Tensor<2> {
        self.weight.val()
    }

    /// How the weight is held where it is multiplied.
    pub fn precision(&self) -> Precision {
        self.packed.precision()
    }

    /// The width of what it takes.
    pub fn d_in(&self) -> usize {
        self.weight.lazy_shape()[0]
    }

    /// The width of what it gives.
    pub fn d_out(&self) -> usize {
        self.weight.lazy_shape()[1]
    }

    /// Applies the layer to the last axis.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, tokens, in]`
    /// - output: `[batch, tokens, out]`
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        match self.packed.forward(&input, &self.bias.val(), Then::Nothing) {
            Some(output) => output,
            None => self.composed(input),
        }
    }

    /// Applies the layer, and the exact (erf) GELU to what it gives.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_gelu(&self, input: Tensor<3>) -> Tensor<3> {
        match self.packed.forward(&input, &self.bias.val(), Then::Gelu) {
            Some(output) => output,
            None => gelu(self.composed(input)),
        }
    }

    /// Applies the layer, and adds a residual to what it gives.
    ///
    /// # Shapes
    ///
    /// As [`forward`](Self::forward); the residual's is that of the output.
    pub fn forward_add(&self, input: Tensor<3>, residual: Tensor<3>) -> Tensor<3> {
        match self
            .packed
            .forward(&input, &self.bias.val(), Then::Add(&residual))
        {
            Some(output) => output,
            None => self.composed(input) + residual,
        }
    }

    fn composed(&self, input: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, d_in] = input.dims();
        let [_, d_out] = self.weight.dims();
        // One matrix product over all rows: [batch * tokens, in] x [in, out].
        let rows = input.reshape([batch * tokens, d_in]);
        let output = rows.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        output.reshape([batch, tokens, d_out])
    }
}

/// BLIP's projections and its matching head are single layers.
impl Head for Linear {
    fn apply(&self, states: &HiddenStates) -> Result<Features, ModelError> {
        let shape = states.shape();
        if shape[2] != self.d_in() {
            let expected = format!("[batch, tokens, {}]", self.d_in());
            return Err(ModelError::shape("hidden_states", expected, &shape));
        }
        HiddenStates::new(self.forward(states.states().clone())).read()
    }

    fn hidden_size(&self) -> usize {
        self.d_in()
    }

    fn output_size(&self) -> usize {
        self.d_out()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_head_it_reads_every_token_and_refuses_another_width() {
        let device = Device::flex();
        let head = Linear::new(4, 2, &device);
        let states = Tensor::<3>::ones([2, 3, 4], &device);
        let features = head.apply(&HiddenStates::new(states.clone())).unwrap();
        assert_eq!(features.shape(), [2, 3, 2]);
        let want: Vec<f32> = head.forward(states).try_into_vec_as().unwrap();
        assert_eq!(features.as_slice(), want);

        let wide = HiddenStates::new(Tensor::ones([2, 3, 5], &device));
        let error = head.apply(&wide).unwrap_err().to_string();
        assert_eq!(error, "hidden_states: expected [batch, tokens, 4], got [2, 3, 5]");
    }

    #[cfg(feature = "flex")]
    #[test]
    fn packed_it_gives_the_same_and_its_weight_is_still_there() {
        use burn::tensor::Distribution;

        let device = Device::flex();
        let layer = Linear::new(24, 70, &device);
        let input = Tensor::<3>::random([2, 9, 24], Distribution::Normal(0.0, 1.0), &device);
        let values = |tensor: Tensor<3>| tensor.try_into_vec_as::<f32>().unwrap();
        let weight = |layer: &Linear| layer.weight().try_into_vec_as::<f32>().unwrap();
        let residual = Tensor::<3>::random([2, 9, 70], Distribution::Normal(0.0, 1.0), &device);
        let all = |layer: &Linear| {
            [
                layer.forward(input.clone()),
                layer.forward_gelu(input.clone()),
                layer.forward_add(input.clone(), residual.clone()),
            ]
            .map(values)
        };
        let want = all(&layer);
        for (precision, within, step) in [
            (Precision::F32, 1e-6, 0.0),
            (Precision::Bf16, 3e-3, 0.004),
            (Precision::Int8, 1e-2, 0.0),
        ] {
            let packed = layer.clone().packed(precision);
            for (got, want) in all(&packed).iter().flatten().zip(want.iter().flatten()) {
                assert!((got - want).abs() < within, "{precision:?}: {got} is not {want}");
            }
            let whole = weight(&layer);
            for (index, (got, want)) in weight(&packed).iter().zip(&whole).enumerate() {
                // Weights of eight bits are within half a step of their column's largest.
                let column = whole.iter().skip(index % 70).step_by(70);
                let most = if precision == Precision::Int8 {
                    0.501 / 127.0 * column.fold(0.0_f32, |most, value| most.max(value.abs()))
                } else {
                    step * want.abs()
                };
                assert!((got - want).abs() <= most, "{precision:?}: {got} is not {want}");
            }
        }
        assert_eq!(weight(&layer.clone().packed(Precision::F32)), weight(&layer));
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_weight_that_is_changed_is_the_one_that_multiplies() {
        struct Doubled;
        impl burn::module::ModuleMapper for Doubled {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|tensor| tensor * 2.0)
            }
        }
        let device = Device::flex();
        let layer = Linear::new(4, 3, &device).packed(Precision::F32);
        let input = Tensor::<3>::ones([1, 1, 4], &device);
        let once: Vec<f32> = layer.forward(input.clone()).try_into_vec_as().unwrap();
        let twice: Vec<f32> = layer.map(&mut Doubled).forward(input).try_into_vec_as().unwrap();
        for (twice, once) in twice.iter().zip(once) {
            assert!((twice - 2.0 * once).abs() < 1e-6, "{twice} is not twice {once}");
        }
    }
}
