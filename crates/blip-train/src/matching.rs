//! Image-text matching (ITM) against hard negatives.

use blip_encoder::TextEncoder;
use blip_nn::Linear;
use blip_traits::{GroundedEncoder, HiddenStates, ModelError, TokenBatch};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData, s};
use rand::{Rng, RngExt};

use crate::Statements;

/// Chooses the negative of each row.
pub trait NegativeSampler {
    /// One index for each row of `[rows, columns]` weights, none of which is negative; rows of nothing but zeros have
    /// no negative.
    fn draw(&mut self, weights: &[f32], columns: usize) -> Vec<Option<usize>>;
}

/// Draws an index with the probability of its weight.
#[derive(Debug)]
pub struct Multinomial<R>(pub R);

impl<R: Rng> NegativeSampler for Multinomial<R> {
    fn draw(&mut self, weights: &[f32], columns: usize) -> Vec<Option<usize>> {
        weights
            .chunks_exact(columns)
            .map(|row| {
                let total: f64 = row.iter().map(|&weight| f64::from(weight)).sum();
                if total.is_nan() || total <= 0.0 {
                    return None;
                }
                let mut rest = self.0.random::<f64>() * total;
                let last = row.iter().rposition(|&weight| weight > 0.0)?;
                let drawn = row.iter().position(|&weight| {
                    rest -= f64::from(weight);
                    rest < 0.0
                });
                // Rounding may leave a little over behind the last one.
                Some(drawn.unwrap_or(last).min(last))
            })
            .collect()
    }
}

/// The negatives of a batch: rows of the same batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Negatives {
    /// For each text that has one, `(text, picture that it does not describe)`.
    pub(crate) images: Vec<(usize, usize)>,
    /// For each picture that has one, `(picture, text that does not describe it)`.
    pub(crate) texts: Vec<(usize, usize)>,
}

impl Negatives {
    /// Draws first a picture for each text, then a text for each picture, as the original does.
    ///
    /// - text_to_image, image_to_text: `[batch, batch]`, weights
    pub(crate) fn draw(
        text_to_image: &[f32],
        image_to_text: &[f32],
        batch: usize,
        sampler: &mut dyn NegativeSampler,
    ) -> Self {
        let numbered = |drawn: Vec<Option<usize>>| {
            drawn
                .into_iter()
                .enumerate()
                .filter_map(|(row, negative)| Some((row, negative?)))
                .collect()
        };
        Self {
            images: numbered(sampler.draw(text_to_image, batch)),
            texts: numbered(sampler.draw(image_to_text, batch)),
        }
    }
}

/// Cross-entropy of the matching head over true pairs, texts with wrong pictures, pictures with wrong texts, and
/// statements.
///
/// Keys and values of each picture are projected once, however many texts look at it.
///
/// # Shapes
///
/// - images: `[batch, tokens, hidden_size]`
/// - texts: `[batch, length]`
/// - first_token: of every text and statement, `[ENC]` in the original
/// - output: `[1]`
pub(crate) fn matching_loss(
    encoder: &TextEncoder,
    head: &Linear,
    images: &HiddenStates,
    texts: &TokenBatch,
    negatives: &Negatives,
    statements: Option<&Statements>,
    first_token: u32,
) -> Result<Tensor<1>, ModelError> {
    let batch = texts.shape()[0];
    let pairs: Vec<(usize, usize)> = (0..batch)
        .map(|row| (row, row))
        .chain(negatives.images.iter().copied())
        .chain(negatives.texts.iter().map(|&(image, text)| (text, image)))
        .collect();
    let (text_rows, image_rows): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
    let context = encoder.ground(images)?;
    let judge = |texts: TokenBatch, images: &[usize]| -> Result<Tensor<3>, ModelError> {
        let states =
            encoder.encode_grounded(&texts.with_first_token(first_token), &context.select(images))?;
        Ok(head.forward(states.states().clone().slice(s![.., 0..1, ..])))
    };
    let mut logits = judge(texts.select(&text_rows), &image_rows)?;
    let mut labels: Vec<bool> = (0..text_rows.len()).map(|row| row < batch).collect();
    if let Some(statements) = statements {
        let stated = judge(statements.texts.clone(), &statements.images)?;
        logits = Tensor::cat(vec![logits, stated], 0);
        labels.extend(&statements.truths);
    }
    Ok(class_loss(logits, &labels))
}

/// Mean cross-entropy over two classes.
///
/// # Shapes
///
/// - logits: `[rows, 1, 2]`
/// - output: `[1]`
pub(crate) fn class_loss(logits: Tensor<3>, labels: &[bool]) -> Tensor<1> {
    let rows = labels.len();
    let classes: Vec<i32> = labels.iter().map(|&label| i32::from(label)).collect();
    let classes = Tensor::<2, Int>::from_data(TensorData::new(classes, [rows, 1]), &logits.device());
    -log_softmax(logits.reshape([rows, 2]), 1)
        .gather(1, classes)
        .mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    #[test]
    fn negatives_are_drawn_by_their_weights_and_never_with_none() {
        let mut sampler = Multinomial(ChaCha8Rng::seed_from_u64(1));
        let weights = [0.0, 1.0, 3.0];
        let mut counts = [0; 3];
        for _ in 0..4000 {
            counts[sampler.draw(&weights, 3)[0].unwrap()] += 1;
        }
        assert_eq!(counts[0], 0);
        assert!(
            (counts[2] as f64 / counts[1] as f64 - 3.0).abs() < 0.4,
            "{counts:?}"
        );
        assert_eq!(sampler.draw(&[0.0, 0.0], 2), [None]);
    }
}
