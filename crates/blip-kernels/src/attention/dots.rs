//! Attention of many queries by dot products of bf16.
//!
//! ```text
//! for each head:               K ─ round ─▶ rows of keys;  Vᵀ ─ round ─▶ rows of head_dim
//!   for a block of queries:    K Qᵀ [keys, 32] ─ mask ─ exp ─ round ─▶ a panel;  Vᵀ panel [head_dim, 32] ─ one over the sums
//! ```
//!
//! Queries stand side by side, as the columns of a panel do: no vector is summed across.

use rten_simd::ops::{BitOps, FloatOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use super::element::Element;
use super::{Attention, BLOCK, Block};
use crate::packed::HALF;
use crate::rows::{Line, Rows, lines_of};
use crate::x86::DotBf16;

/// As [`Attention::many`], in f32 but for what is multiplied.
pub(super) fn many<T: Element>(attention: &Attention<T>, dot: DotBf16, output: &mut [f32]) {
    let [_, _, keys, head_dim] = attention.key.shape;
    let buffers = || {
        let (key, value) = (dot.rows(keys, head_dim), dot.rows(head_dim, keys));
        Buffers {
            scores: vec![[0.0; BLOCK]; key.filled()],
            sums: vec![[0.0; BLOCK]; value.filled()],
            query: vec![Line::default(); 2 * lines_of(head_dim, 2)],
            powers: vec![Line::default(); 2 * lines_of(keys, 2)],
            pairs: vec![0; head_dim.max(keys).div_ceil(2)],
            words: vec![0; keys.div_ceil(2) * head_dim],
            scaled: vec![0.0; head_dim],
            zeros: vec![T::ZERO; head_dim],
            key,
            value,
        }
    };
    let pack = |buffers: &mut Buffers<T>, batch: usize, head: usize| {
        let pairs = &mut buffers.pairs[..head_dim.div_ceil(2)];
        for token in 0..keys {
            T::round(dot, attention.key.vector(batch, head, token), pairs);
            buffers.key.set(token, pairs);
        }
        // Two tokens side by side, then what all of them have of a column.
        let words = buffers.words.chunks_exact_mut(head_dim);
        for (pair, words) in words.enumerate() {
            let even = attention.value.vector(batch, head, 2 * pair);
            let odd = match 2 * pair + 1 {
                odd if odd < keys => attention.value.vector(batch, head, odd),
                _ => &buffers.zeros,
            };
            T::pair(dot, even, odd, words);
        }
        let pairs = &mut buffers.pairs[..keys.div_ceil(2)];
        for column in 0..head_dim {
            let words = buffers.words[column..].iter().step_by(head_dim);
            pairs.iter_mut().zip(words).for_each(|(pair, word)| *pair = *word);
            buffers.value.set(column, pairs);
        }
    };
    let attend = |buffers: &mut Buffers<T>, block: Block, output: &mut [f32]| {
        let count = output.len() / head_dim;
        let half = lines_of(head_dim, 2);
        // Powers are of two: what one of e is.
        let scale = attention.scale() * std::f32::consts::LOG2_E;
        let pairs = &mut buffers.pairs[..head_dim.div_ceil(2)];
        for index in 0..count {
            let vector = attention
                .query
                .vector(block.batch, block.head, block.first + index);
            buffers
                .scaled
                .iter_mut()
                .zip(vector)
                .for_each(|(scaled, value)| *scaled = value * scale);
            dot.round(&buffers.scaled, pairs);
            let lines = buffers.query[index / HALF * half..].iter_mut();
            lines
                .zip(&*pairs)
                .for_each(|(line, pair)| line.0[index % HALF] = *pair as i32);
        }
        let (lower, upper) = buffers.query.split_at(half);
        dot.multiply(&buffers.key, [lower, upper], &mut buffers.scores);
        let scores = &mut buffers.scores[..keys];
        attention.hide(block, scores.iter_mut().map(|row| row.as_mut_slice()));
        let mut inverse = [0.0; BLOCK];
        Powers {
            scores,
            powers: &mut buffers.powers,
            inverse: &mut inverse,
        }
        .dispatch();
        let (lower, upper) = buffers.powers.split_at(lines_of(keys, 2));
        dot.multiply(&buffers.value, [lower, upper], &mut buffers.sums);
        for (index, (output, inverse)) in output.chunks_exact_mut(head_dim).zip(inverse).enumerate() {
            let sums = output.iter_mut().zip(&buffers.sums);
            sums.for_each(|(value, sums)| *value = sums[index] * inverse);
        }
    };
    attention.by_blocks(buffers, pack, attend, output);
}

/// What a thread needs for a head.
struct Buffers<T> {
    key: Rows,
    /// Rows of `head_dim`, of all keys.
    value: Rows,
    /// A panel: `[2][head_dim / 2][16 queries]`
    query: Vec<Line<i32>>,
    /// `[keys][queries]`
    scores: Vec<[f32; BLOCK]>,
    /// A panel: `[2][keys / 2][16 queries]`, zeros behind the last key.
    powers: Vec<Line<i32>>,
    /// `[head_dim][queries]`
    sums: Vec<[f32; BLOCK]>,
    /// Of a row.
    pairs: Vec<u32>,
    /// `[keys / 2][head_dim]`
    words: Vec<u32>,
    /// `[head_dim]`
    scaled: Vec<f32>,
    /// A value that is not there, `[head_dim]`
    zeros: Vec<T>,
}

/// Scores to powers of two less than the greatest one's, in bf16, and one over their sums.
struct Powers<'a> {
    /// `[keys][queries]`
    scores: &'a [[f32; BLOCK]],
    /// `[2][keys / 2][16 queries]`
    powers: &'a mut [Line<i32>],
    inverse: &'a mut [f32; BLOCK],
}

impl SimdOp for Powers<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let (ops, ints) = (isa.f32(), isa.i32());
        let half = self.powers.len() / 2;
        for at in (0..BLOCK).step_by(ops.len()) {
            let mut most = ops.splat(f32::NEG_INFINITY);
            for scores in self.scores {
                most = ops.max(ops.load(&scores[at..]), most);
            }
            let mut sum = ops.zero();
            let lines = &mut self.powers[at / HALF * half..];
            for (line, scores) in lines.iter_mut().zip(self.scores.chunks(2)) {
                let even = power(isa, ops.sub(ops.load(&scores[0][at..]), most));
                sum = ops.add(sum, even);
                let mut pair = ints.and(ints.shift_right::<16>(rounded(isa, even)), ints.splat(0xffff));
                if let Some(scores) = scores.get(1) {
                    let odd = power(isa, ops.sub(ops.load(&scores[at..]), most));
                    sum = ops.add(sum, odd);
                    pair = ints.or(pair, ints.and(rounded(isa, odd), ints.splat(-0x1_0000)));
                }
                ints.store(pair, &mut line.0[at % HALF..]);
            }
            ops.store(ops.div(ops.one(), sum), &mut self.inverse[at..]);
        }
    }
}

/// `2^x` of what is not above zero, within 4e-6 of it; zero from -127 on.
#[inline(always)]
fn power<I: Isa>(isa: I, x: I::F32) -> I::F32 {
    /// From here on the numbers are whole, and count in their lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    /// Of the polynomial for `2^x - 1` on -0.5 to 0.5, the lowest power first.
    const FACTORS: [f32; 4] = [0.693_124_2, 0.240_240_99, 0.055_906_426, 0.009_582_85];
    let (ops, ints) = (isa.f32(), isa.i32());
    // What is no number stays none.
    let x = ops.max(ops.splat(-127.0), x);
    let whole = ops.add(x, ops.splat(WHOLE));
    let rest = ops.sub(x, ops.sub(whole, ops.splat(WHOLE)));
    let mut factor = ops.splat(FACTORS[3]);
    for lower in [FACTORS[2], FACTORS[1], FACTORS[0], 1.0] {
        factor = ops.mul_add(factor, rest, ops.splat(lower));
    }
    let exponent = ints.shift_left::<23>(whole.reinterpret_cast());
    let bits: I::I32 = factor.reinterpret_cast();
    ints.add(bits, exponent).reinterpret_cast()
}

/// The bits of what is not below zero, rounded to bf16 in their upper half, to the nearest, ties to even.
#[inline(always)]
fn rounded<I: Isa>(isa: I, value: I::F32) -> I::I32 {
    let ints = isa.i32();
    let bits: I::I32 = value.reinterpret_cast();
    let odd = ints.and(ints.shift_right::<16>(bits), ints.splat(1));
    ints.add(bits, ints.add(odd, ints.splat(0x7fff)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attention::formula::{Sizes, exact};
    use crate::attention::{Hidden, View};
    use crate::packed::nearest;
    use crate::sample::values;

    proptest! {
        /// In every form that this processor has.
        #[test]
        fn every_head_is_attended_as_the_formula_says(
            batch in 1_usize..3,
            heads in 1_usize..4,
            queries in 1_usize..70,
            more in 0_usize..90,
            head_dim in 1_usize..70,
            causal in any::<bool>(),
            masked in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let sizes = Sizes { batch, heads, queries, keys: queries + more, head_dim };
            let fused = values(batch * sizes.keys * sizes.row(), seed);
            let fused: Vec<f32> = fused.iter().map(|value| 3.0 * value).collect();
            // What is multiplied, in bf16: queries are so after they are scaled.
            let scale = std::f32::consts::LOG2_E / (head_dim as f32).sqrt();
            let held: Vec<f32> = fused
                .iter()
                .enumerate()
                .map(|(index, value)| match index % sizes.row() < heads * head_dim {
                    true => nearest(value * scale) / scale,
                    false => nearest(*value),
                })
                .collect();
            let mask = sizes.mask();
            let hidden = Hidden { keys: masked.then_some(mask.as_slice()), causal };
            let want = exact(sizes.parts(&held), hidden);
            let [query, key, value] = sizes.parts(&fused);
            for dot in DotBf16::all() {
                let mut got = sizes.output();
                many(&Attention::new(query, [key, value], hidden), dot, &mut got);
                for (got, want) in got.iter().zip(&want) {
                    // A power loses half of 2^-8 of itself, and what is weighed is at most three.
                    prop_assert!((f64::from(*got) - want).abs() < 3.0 / 256.0, "{dot:?} {got} {want}");
                }
                // Nor do such errors add up.
                let errors = got.iter().zip(&want).map(|(got, want)| (f64::from(*got) - want).abs());
                let mean = errors.sum::<f64>() / want.len() as f64;
                prop_assert!(mean < 1.5 / 256.0, "{dot:?} {mean}");
            }
        }

        #[test]
        fn powers_are_those_of_two(x in -130.0_f32..0.0) {
            struct Power(f32);
            impl SimdOp for Power {
                type Output = f32;
                #[inline(always)]
                fn eval<I: Isa>(self, isa: I) -> f32 {
                    power(isa, isa.f32().splat(self.0)).to_array().as_ref()[0]
                }
            }
            let (got, want) = (f64::from(Power(x).dispatch()), f64::from(x).exp2());
            let within = 4e-6 * want + f64::from(f32::MIN_POSITIVE);
            prop_assert!((got - want).abs() <= within, "{x}: {got} is not {want}");
            prop_assert_eq!(Power(f32::NEG_INFINITY).dispatch(), 0.0);
            prop_assert_eq!(Power(0.0).dispatch(), 1.0);
            prop_assert!(Power(f32::NAN).dispatch().is_nan());
        }
    }

    #[test]
    fn what_is_no_number_reaches_its_own_query_and_who_sees_nothing_gets_none() {
        for dot in DotBf16::all() {
            let key = values(40 * 8, 3);
            let mut query = values(20 * 8, 5);
            query[3 * 8 + 1] = f32::NAN;
            let heads = |values, tokens| View::new(values, [1, 1, tokens, 8], [0, 0, 8]);
            let (query, key) = (heads(&query, 20), heads(&key, 40));
            let attend = |mask: &[bool]| {
                let mut output = vec![0.0; 20 * 8];
                let hidden = Hidden {
                    keys: Some(mask),
                    causal: false,
                };
                many(&Attention::new(query, [key, key], hidden), dot, &mut output);
                output
            };
            for (row, output) in attend(&[false; 40]).chunks(8).enumerate() {
                assert!(
                    output.iter().all(|value| value.is_nan() == (row == 3)),
                    "{dot:?} {row}"
                );
            }
            assert!(attend(&[true; 40]).iter().all(|value| value.is_nan()), "{dot:?}");
        }
    }
}
