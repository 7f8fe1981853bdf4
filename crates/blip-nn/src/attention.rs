//! Scaled dot-product attention over heads.

use blip_traits::AttentionMask;
use burn::nn::Dropout;
use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, Device, Tensor};

use crate::Precision;
use crate::dropout::is_at_work;

/// `softmax(Q Kᵀ / sqrt(head_dim)) V` for every head.
///
/// With `causal`, the last query sees all keys, the one before it one key less, and so on: what a cache of earlier
/// keys wants. The precision is what the products may be of on a CPU: see [`Precision`].
///
/// # Shapes
///
/// - query: `[batch, heads, queries, head_dim]`
/// - key, value: `[batch, heads, keys, head_dim]`
/// - hide: `[batch, 1, 1, keys]`, true = hidden, from [`hide_mask`]
/// - output: `[batch, heads, queries, head_dim]`
pub fn attend(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    hide: Option<&Tensor<4, Bool>>,
    causal: bool,
    precision: Precision,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(output) = crate::cpu::attend(&query, &key, &value, hide, causal, precision) {
        return output;
    }
    let _ = precision;
    let [batch, heads, queries, _] = query.dims();
    let [_, _, keys, _] = key.dims();
    let hide = hide.map(|hide| hide.clone().expand([batch, heads, queries, keys]));
    // A single query sees every key: no mask to apply.
    let is_causal = causal && queries > 1;
    let options = AttentionModuleOptions {
        is_causal,
        ..Default::default()
    };
    attention(query, key, value, hide, None, options)
}

/// [`attend`], with dropout of the probabilities while it is trained.
///
/// Where dropout is at work the formula is composed, for the fused form has no place for it; else this is [`attend`].
///
/// # Shapes
///
/// As [`attend`].
pub fn attend_with_dropout(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    hide: Option<&Tensor<4, Bool>>,
    causal: bool,
    precision: Precision,
    dropout: &Dropout,
) -> Tensor<4> {
    if !is_at_work(dropout, &query.device()) {
        return attend(query, key, value, hide, causal, precision);
    }
    let [batch, heads, queries, head_dim] = query.dims();
    let [_, _, keys, _] = key.dims();
    let device = query.device();
    let mut scores = query.matmul(key.swap_dims(2, 3)) / (head_dim as f64).sqrt();
    if let Some(hide) = hide {
        let hide = hide.clone().expand([batch, heads, queries, keys]);
        scores = scores.mask_fill(hide, f32::NEG_INFINITY);
    }
    if causal && queries > 1 {
        // True above the diagonal that ends at the last query and the last key.
        let offset = keys as i64 - queries as i64;
        let hide = Tensor::<2, Bool>::tril_mask([queries, keys], offset, &device);
        let hide = hide
            .reshape([1, 1, queries, keys])
            .expand([batch, heads, queries, keys]);
        scores = scores.mask_fill(hide, f32::NEG_INFINITY);
    }
    dropout.forward(softmax(scores, 3)).matmul(value)
}

/// The one place where BLIP's masks (true = attend) become Burn's (true = hide).
///
/// # Shapes
///
/// - mask: `[batch, tokens]`
/// - output: `[batch, 1, 1, tokens]`
pub fn hide_mask(mask: &AttentionMask, device: &Device) -> Tensor<4, Bool> {
    let [batch, tokens] = mask.shape();
    let hide: Vec<bool> = mask.as_slice().iter().map(|&attend| !attend).collect();
    Tensor::<1, Bool>::from_bool(hide.as_slice(), device).reshape([batch, 1, 1, tokens])
}

/// Heads out of a vector: contiguous blocks of `head_dim`.
///
/// # Shapes
///
/// - input: `[batch, tokens, heads * head_dim]`
/// - output: `[batch, heads, tokens, head_dim]`
pub fn split_heads(input: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, tokens, width] = input.dims();
    input
        .reshape([batch, tokens, heads, width / heads])
        .swap_dims(1, 2)
}

/// Heads of parts that stand side by side, such as queries, keys and values out of one matrix.
///
/// # Shapes
///
/// - input: `[batch, tokens, PARTS * heads * head_dim]`
/// - output: `PARTS` of `[batch, heads, tokens, head_dim]`
pub fn split_fused<const PARTS: usize>(input: Tensor<3>, heads: usize) -> [Tensor<4>; PARTS] {
    let all = split_heads(input, PARTS * heads);
    std::array::from_fn(|part| all.clone().narrow(1, part * heads, heads))
}

/// The inverse of [`split_heads`].
///
/// # Shapes
///
/// - input: `[batch, heads, tokens, head_dim]`
/// - output: `[batch, tokens, heads * head_dim]`
pub fn merge_heads(input: Tensor<4>) -> Tensor<3> {
    let [batch, heads, tokens, head_dim] = input.dims();
    input.swap_dims(1, 2).reshape([batch, tokens, heads * head_dim])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    /// The formula, one query at a time, in f64.
    fn naive(
        q: &[f32],
        k: &[f32],
        v: &[f32],
        head_dim: usize,
        visible: impl Fn(usize, usize) -> bool,
    ) -> Vec<f32> {
        let (queries, keys) = (q.len() / head_dim, k.len() / head_dim);
        let mut output = vec![0.0; q.len()];
        for i in 0..queries {
            let score = |j: usize| -> f64 {
                let dot: f64 = (0..head_dim)
                    .map(|d| f64::from(q[i * head_dim + d]) * f64::from(k[j * head_dim + d]))
                    .sum();
                (dot / (head_dim as f64).sqrt()).exp()
            };
            let total: f64 = (0..keys).filter(|&j| visible(i, j)).map(score).sum();
            for j in (0..keys).filter(|&j| visible(i, j)) {
                for d in 0..head_dim {
                    output[i * head_dim + d] += (score(j) / total) as f32 * v[j * head_dim + d];
                }
            }
        }
        output
    }

    fn random(shape: [usize; 4], device: &Device) -> (Tensor<4>, Vec<f32>) {
        let tensor = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), device);
        let values = tensor.try_to_vec_as().unwrap();
        (tensor, values)
    }

    #[test]
    fn a_causal_mask_is_aligned_with_the_last_key() {
        let device = Device::flex();
        let (query, q) = random([1, 1, 3, 8], &device);
        let (key, k) = random([1, 1, 5, 8], &device);
        let (value, v) = random([1, 1, 5, 8], &device);
        let got: Vec<f32> = attend(query, key, value, None, true, Precision::F32)
            .try_to_vec_as()
            .unwrap();
        let want = naive(&q, &k, &v, 8, |i, j| j <= i + 2);
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-5, "{got} is not {want}");
        }
    }

    #[test]
    fn padding_is_hidden() {
        let device = Device::flex();
        let (query, q) = random([1, 1, 2, 8], &device);
        let (key, k) = random([1, 1, 4, 8], &device);
        let (value, v) = random([1, 1, 4, 8], &device);
        let hide = hide_mask(&AttentionMask::from_lengths(&[3], 4), &device);
        let got: Vec<f32> = attend(query, key, value, Some(&hide), false, Precision::F32)
            .try_to_vec_as()
            .unwrap();
        let want = naive(&q, &k, &v, 8, |_, j| j < 3);
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-5, "{got} is not {want}");
        }
    }
}
