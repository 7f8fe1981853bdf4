//! What is left out at random while a network is trained.
//!
//! Burn's dropout is at work on an autodiff device and nowhere else: the same weights on a plain device compute
//! without it.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Distribution, Tensor};

/// The dropout of a text network: of what layers give, and of attention probabilities.
///
/// Source: salesforce/BLIP@056a169 `configs/med_config.json`, 0.1 and 0.1.
#[derive(Module, Debug)]
pub struct TextDropout {
    pub(crate) hidden: Dropout,
    pub(crate) attention: Dropout,
}

impl TextDropout {
    /// Dropout by Hugging Face's names of the probabilities, each at least 0 and below 1.
    ///
    /// # Panics
    ///
    /// If a probability is outside of that.
    pub fn new(hidden_dropout_prob: f64, attention_probs_dropout_prob: f64) -> Self {
        Self {
            hidden: DropoutConfig::new(hidden_dropout_prob).init(),
            attention: DropoutConfig::new(attention_probs_dropout_prob).init(),
        }
    }

    /// The dropout of what layers give.
    pub fn hidden(&self) -> &Dropout {
        &self.hidden
    }

    /// None, as networks start and as they are used.
    pub fn none() -> Self {
        Self::new(0.0, 0.0)
    }
}

/// Whether dropout changes anything on a device.
pub(crate) fn is_at_work(dropout: &Dropout, device: &Device) -> bool {
    dropout.prob > 0.0 && dropout.training.is_enabled() && device.is_autodiff()
}

/// Leaves out a residual branch for some rows of a batch while it is trained (stochastic depth), and scales it up for
/// the others by as much.
///
/// Source: timm 0.4.12 `DropPath`.
///
/// # Shapes
///
/// - branch, output: `[batch, tokens, hidden_size]`
pub fn drop_path(branch: Tensor<3>, rate: f64) -> Tensor<3> {
    let device = branch.device();
    if rate == 0.0 || !device.is_autodiff() {
        return branch;
    }
    let keep = 1.0 - rate;
    let kept = Tensor::<3>::random([branch.dims()[0], 1, 1], Distribution::Bernoulli(keep), &device);
    branch * (kept / keep)
}
