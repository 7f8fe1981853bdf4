//! The head that judges a sentence.

use blip_nn::{Linear, Packing};
use blip_traits::{Features, Head, HiddenStates, ModelError};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

/// Where the parameters stand in published checkpoints under `cls_head`: `(here, there)`.
pub const CLASS_HEAD_KEYS: &[(&str, &str)] = &[("fc1", "0"), ("fc2", "2")];

/// `fc2(relu(fc1(x)))`: scores of classes.
///
/// Source: salesforce/BLIP@056a169 `models/blip_nlvr.py` `cls_head`.
#[derive(Module, Debug)]
pub struct ClassHead {
    fc1: Linear,
    fc2: Linear,
}

impl ClassHead {
    /// A head with fresh weights, which stay unallocated until they are read or replaced.
    pub fn new(hidden_size: usize, classes: usize, device: &Device) -> Self {
        Self {
            fc1: Linear::new(hidden_size, hidden_size, device),
            fc2: Linear::new(hidden_size, classes, device),
        }
    }

    /// The same head for inference on a CPU: see [`Linear::packed`].
    pub fn packed<'a>(self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        Self {
            fc1: self.fc1.packed(packing),
            fc2: self.fc2.packed(packing),
        }
    }

    /// Scores every token.
    ///
    /// # Shapes
    ///
    /// - states: `[batch, tokens, hidden_size]`
    /// - output: `[batch, tokens, classes]`
    pub fn forward(&self, states: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(relu(self.fc1.forward(states)))
    }
}

impl Head for ClassHead {
    fn apply(&self, states: &HiddenStates) -> Result<Features, ModelError> {
        let shape = states.shape();
        if shape[2] != self.fc1.d_in() {
            let expected = format!("[batch, tokens, {}]", self.fc1.d_in());
            return Err(ModelError::shape("hidden_states", expected, &shape));
        }
        HiddenStates::new(self.forward(states.states().clone())).read()
    }

    fn hidden_size(&self) -> usize {
        self.fc1.d_in()
    }

    fn output_size(&self) -> usize {
        self.fc2.d_out()
    }
}
