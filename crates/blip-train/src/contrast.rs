//! Image-text contrastive learning (ITC) with momentum distillation.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// The targets of the contrastive loss: partly what the momentum encoders think.
///
/// `alpha * softmax(momentum similarities) + (1 - alpha) * hard`.
///
/// # Shapes
///
/// - momentum: `[batch, candidates]`, similarities over the temperature
/// - hard: `[batch, candidates]`, each row adds up to 1
pub fn soft_targets(momentum: Tensor<2>, hard: Tensor<2>, alpha: f64) -> Tensor<2> {
    softmax(momentum, 1) * alpha + hard * (1.0 - alpha)
}

/// Cross-entropy with probabilities for targets: the mean over rows of `-sum(target * log_softmax(similarity))`.
///
/// # Shapes
///
/// - similarities, targets: `[batch, candidates]`
/// - output: `[1]`
pub fn contrastive_loss(similarities: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    -(log_softmax(similarities, 1) * targets).sum_dim(1).mean()
}
