//! What tests hold attention to.

use super::{Hidden, View};

/// How much is attended.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) head_dim: usize,
}

impl Sizes {
    /// The width of a token's query, key and value, which stand side by side, as one product gives them.
    pub(super) fn row(self) -> usize {
        3 * self.heads * self.head_dim
    }

    /// Queries, keys and values of `[batch, keys, row]`.
    pub(super) fn parts<T>(self, fused: &[T]) -> [View<'_, T>; 3] {
        let strides = [self.keys * self.row(), self.head_dim, self.row()];
        [(0, self.queries), (1, self.keys), (2, self.keys)].map(|(part, tokens)| {
            let from = part * self.heads * self.head_dim;
            View::new(
                &fused[from..],
                [self.batch, self.heads, tokens, self.head_dim],
                strides,
            )
        })
    }

    /// A mask with which every query sees the first key.
    pub(super) fn mask(self) -> Vec<bool> {
        (0..self.batch * self.keys)
            .map(|at| at % self.keys % 3 == 1)
            .collect()
    }

    /// Values of an output.
    pub(super) fn output(self) -> Vec<f32> {
        vec![f32::NAN; self.batch * self.queries * self.heads * self.head_dim]
    }
}

/// The formula in f64, `[batch, queries, heads, head_dim]`.
pub(super) fn exact([query, key, value]: [View<f32>; 3], hidden: Hidden) -> Vec<f64> {
    let [batch, heads, queries, head_dim] = query.shape;
    let keys = key.shape[2];
    let mut output = Vec::new();
    for b in 0..batch {
        for q in 0..queries {
            for h in 0..heads {
                let sees = |k: usize| {
                    !hidden.keys.is_some_and(|hidden| hidden[b * keys + k])
                        && (!hidden.causal || k + queries <= q + keys)
                };
                let scores: Vec<f64> = (0..keys)
                    .map(|k| {
                        let terms = query.vector(b, h, q).iter().zip(key.vector(b, h, k));
                        let dot: f64 = terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        if sees(k) {
                            dot / (head_dim as f64).sqrt()
                        } else {
                            f64::NEG_INFINITY
                        }
                    })
                    .collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
                output.extend((0..head_dim).map(|d| {
                    let terms = scores.iter().enumerate();
                    terms
                        .map(|(k, score)| (score - most).exp() / sum * f64::from(value.vector(b, h, k)[d]))
                        .sum::<f64>()
                }));
            }
        }
    }
    output
}
