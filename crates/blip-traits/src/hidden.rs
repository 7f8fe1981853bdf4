//! What an encoder gives and a decoder attends.

use burn::tensor::Tensor;

use crate::{AttentionMask, Features, ModelError};

/// A batch of sequences of vectors, and which of them are real.
///
/// Image tokens when captioning, the grounded question when answering: whoever attends them does not know which.
#[derive(Clone, Debug)]
pub struct HiddenStates {
    states: Tensor<3>,
    mask: Option<AttentionMask>,
}

impl HiddenStates {
    /// States of which every one is real.
    ///
    /// # Shapes
    ///
    /// - states: `[batch, tokens, hidden_size]`
    pub fn new(states: Tensor<3>) -> Self {
        Self { states, mask: None }
    }

    /// States with padding.
    ///
    /// # Shapes
    ///
    /// - states: `[batch, tokens, hidden_size]`
    /// - mask: `[batch, tokens]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the mask's shape is not that of the states' first two axes.
    pub fn with_mask(states: Tensor<3>, mask: AttentionMask) -> Result<Self, ModelError> {
        let [batch, tokens, _] = states.dims();
        if mask.shape() != [batch, tokens] {
            return Err(ModelError::shape(
                "attention_mask",
                format!("[{batch}, {tokens}]"),
                &mask.shape(),
            ));
        }
        let mask = (!mask.is_full()).then_some(mask);
        Ok(Self { states, mask })
    }

    /// `[batch, tokens, hidden_size]`.
    pub fn shape(&self) -> [usize; 3] {
        self.states.dims()
    }

    /// The states, `[batch, tokens, hidden_size]`.
    pub fn states(&self) -> &Tensor<3> {
        &self.states
    }

    /// Which tokens are real, or `None` if all are.
    pub fn mask(&self) -> Option<&AttentionMask> {
        self.mask.as_ref()
    }

    /// One sequence of the batch, `[1, tokens, hidden_size]`.
    ///
    /// # Panics
    ///
    /// If `row` is not below the batch.
    pub fn row(&self, row: usize) -> Self {
        let mask = self.mask.as_ref().map(|mask| mask.select(&[row]));
        Self {
            states: self.states.clone().narrow(0, row, 1),
            mask: mask.filter(|mask| !mask.is_full()),
        }
    }

    /// The first token of every sequence, `[batch, 1, hidden_size]`: what BLIP's heads read.
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if there is no sequence, or the sequences have no token.
    pub fn first_token(&self) -> Result<Self, ModelError> {
        let shape = self.shape();
        if shape[0] == 0 || shape[1] == 0 {
            let expected = format!("[at least 1, at least 1, {}]", shape[2]);
            return Err(ModelError::shape("hidden_states", expected, &shape));
        }
        Ok(Self::new(self.states.clone().narrow(1, 0, 1)))
    }

    /// All sequences one behind the other as a single one, `[1, batch * tokens, hidden_size]`: a film out of its
    /// pictures.
    pub fn joined(&self) -> Self {
        let [batch, tokens, width] = self.shape();
        Self {
            states: self.states.clone().reshape([1, batch * tokens, width]),
            mask: self.mask.clone().map(AttentionMask::joined),
        }
    }

    /// The states on the host, `[batch, tokens, hidden_size]`: a device read.
    ///
    /// # Errors
    ///
    /// [`ModelError::Device`] if the device cannot hand them back.
    pub fn read(&self) -> Result<Features, ModelError> {
        let shape = self.shape();
        let data = self.states.clone().try_into_vec_as();
        Features::new(
            data.map_err(|error| ModelError::Device(error.to_string()))?,
            shape,
        )
    }

    /// The same states with nothing masked.
    ///
    /// What both references do for a generated answer: the decoder attends the question's padding too.
    pub fn unmasked(self) -> Self {
        Self {
            states: self.states,
            mask: None,
        }
    }
}
