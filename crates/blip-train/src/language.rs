//! The language-modelling loss.

use blip_traits::TokenBatch;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData, s};

/// The label smoothing of all of BLIP's language-modelling losses (`models/med.py` `BertLMHeadModel`).
pub(crate) const LABEL_SMOOTHING: f64 = 0.1;

/// How the losses of tokens become one of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction<'a> {
    /// The mean over the tokens that are targets.
    Mean,
    /// The weighted sum over rows of the sum over a row's tokens.
    Weighted(&'a [f32]),
}

/// Cross-entropy of each token given those before it, with label smoothing: `(1 - e) * -log p(token) + e * mean over the
/// vocabulary of -log p`.
///
/// Targets are the real tokens of `text` behind the first `prompt_length` positions; the first token never is one.
///
/// # Shapes
///
/// - logits: `[rows, length, vocab_size]`, of the token behind each position
/// - text: `[rows, length]`
/// - output: `[1]`
///
/// # Panics
///
/// If there is not one weight for each row.
pub fn label_smoothed_loss(
    logits: Tensor<3>,
    text: &TokenBatch,
    prompt_length: usize,
    smoothing: f64,
    reduction: Reduction,
) -> Tensor<1> {
    let [rows, length, vocab_size] = logits.dims();
    let device = logits.device();
    let first = prompt_length.max(1);
    let mut positions = Vec::new();
    let mut targets = Vec::new();
    let mut weights = Vec::new();
    for row in 0..rows {
        let mask = text.attention_mask().row(row);
        for (position, &id) in text.row(row).iter().enumerate().skip(first) {
            if mask[position] {
                positions.push((row * length + position - 1) as i32);
                targets.push(id as i32);
                weights.push(match reduction {
                    Reduction::Mean => 1.0,
                    Reduction::Weighted(weights) => weights[row],
                });
            }
        }
    }
    if let Reduction::Weighted(weights) = reduction {
        assert_eq!(weights.len(), rows, "one weight for each row");
    }
    let count = targets.len();
    if count == 0 {
        return (logits.slice(s![0..1, 0..1, 0..1]) * 0.0).reshape([1]);
    }
    let index = Tensor::<1, Int>::from_data(TensorData::new(positions, [count]), &device);
    let targets = Tensor::<2, Int>::from_data(TensorData::new(targets, [count, 1]), &device);
    // [count, vocab_size]: positions that are no target are never normalised.
    let log_probabilities = log_softmax(logits.reshape([rows * length, vocab_size]).select(0, index), 1);
    let chosen = log_probabilities.clone().gather(1, targets).reshape([count]);
    let spread = log_probabilities.mean_dim(1).reshape([count]);
    let losses = -(chosen * (1.0 - smoothing) + spread * smoothing);
    match reduction {
        Reduction::Mean => losses.mean(),
        Reduction::Weighted(_) => {
            let weights = Tensor::<1>::from_data(TensorData::new(weights, [count]), &device);
            (losses * weights).sum()
        }
    }
}
