//! GELU by the error function, as BERT and ViT have it.
//!
//! ```text
//! x ─ + bias ─▶ x ─▶ x Φ(x) = x / 2 (1 + erf(x / √2))
//! ```
//!
//! The error function is that of Abramowitz and Stegun 7.1.26, within 7e-7 of the exact one.

use rayon::prelude::*;
use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::Gelu;

use crate::parallel::{GRAIN, pieces_of_rows};

/// GELU of every value, in place.
pub fn gelu(values: &mut [f32]) {
    values.par_chunks_mut(GRAIN).for_each(|piece| {
        Gelu {}.map_mut(piece);
    });
}

/// A bias and GELU, in place.
///
/// # Shapes
///
/// - values: `[rows, width]`
/// - bias: `[width]`
///
/// # Panics
///
/// If the values are no whole number of rows.
pub fn bias_gelu(values: &mut [f32], bias: &[f32]) {
    pieces_of_rows(values, bias.len()).for_each(|rows| {
        BiasGelu { rows, bias }.dispatch();
    });
}

struct BiasGelu<'a> {
    rows: &'a mut [f32],
    bias: &'a [f32],
}

impl SimdOp for BiasGelu<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        for row in self.rows.chunks_exact_mut(self.bias.len()) {
            let mut values = row.chunks_exact_mut(lanes);
            let mut biases = self.bias.chunks_exact(lanes);
            for (values, bias) in values.by_ref().zip(biases.by_ref()) {
                let x = ops.add(ops.load(values), ops.load(bias));
                ops.store(Gelu {}.eval(isa, x), values);
            }
            let (values, bias) = (values.into_remainder(), biases.remainder());
            let (x, _) = ops.load_pad(values);
            let (b, _) = ops.load_pad(bias);
            let last = Gelu {}.eval(isa, ops.add(x, b)).to_array();
            values.copy_from_slice(&last.as_ref()[..values.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Abramowitz and Stegun's is within 1.5e-7 of this where it counts; this is by its series and continued fraction.
    fn exact(x: f32) -> f64 {
        let x = f64::from(x);
        0.5 * x * erfc(-x / std::f64::consts::SQRT_2)
    }

    /// The complementary error function: Numerical Recipes' `erfccheb` needs tables, a plain integral does not.
    fn erfc(x: f64) -> f64 {
        if x < 0.0 {
            return 2.0 - erfc(-x);
        }
        if x > 6.5 {
            return 0.0;
        }
        // Simpson's rule over [x, x + 7].
        let (steps, width) = (4000, 7.0);
        let h = width / f64::from(steps);
        let f = |t: f64| (-t * t).exp();
        let inner: f64 = (1..steps)
            .map(|i| f(x + h * f64::from(i)) * if i % 2 == 1 { 4.0 } else { 2.0 })
            .sum();
        2.0 / std::f64::consts::PI.sqrt() * h / 3.0 * (f(x) + inner + f(x + width))
    }

    proptest! {
        #[test]
        fn every_value_is_the_exact_one(
            width in 1_usize..40,
            rows in 0_usize..4,
            seed in any::<u32>(),
        ) {
            let value = |index: usize, scale: f32| {
                let mixed = (index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed);
                ((mixed >> 8) as f32 / 8_388_608.0 - 1.0) * scale
            };
            let bias: Vec<f32> = (0..width).map(|index| value(index + 1000, 1.0)).collect();
            let values: Vec<f32> = (0..rows * width).map(|index| value(index, 8.0)).collect();
            let mut got = values.clone();
            bias_gelu(&mut got, &bias);
            let mut summed: Vec<f32> =
                values.iter().enumerate().map(|(index, value)| value + bias[index % width]).collect();
            for (got, summed) in got.iter().zip(&summed) {
                prop_assert!((f64::from(*got) - exact(*summed)).abs() < 4e-6, "{summed}: {got}");
            }
            gelu(&mut summed);
            prop_assert_eq!(got, summed);
        }
    }

    #[test]
    fn extremes_are_those_of_the_formula() {
        let mut values = [
            0.0,
            -0.0,
            f32::MAX,
            f32::MIN_POSITIVE,
            -40.0,
            f32::INFINITY,
            f32::NAN,
            1e-20,
            40.0,
        ];
        gelu(&mut values);
        assert_eq!(values[..3], [0.0, 0.0, f32::MAX]);
        assert!(values[3] >= 0.0 && values[3] <= f32::MIN_POSITIVE);
        assert_eq!(values[4], 0.0);
        assert_eq!(values[5], f32::INFINITY);
        assert!(values[6].is_nan());
        assert!((values[7] - 5e-21).abs() < 1e-26);
        assert_eq!(values[8], 40.0);
    }

    #[test]
    fn large_inputs_are_cut_for_threads_and_come_out_the_same() {
        let values: Vec<f32> = (0..577 * 3072)
            .map(|index| (index % 1001) as f32 / 100.0 - 5.0)
            .collect();
        let bias: Vec<f32> = (0..3072).map(|index| index as f32 / 3072.0).collect();
        let mut whole = values.clone();
        bias_gelu(&mut whole, &bias);
        for row in [0, 13, 576] {
            let mut alone = values[row * 3072..][..3072].to_vec();
            bias_gelu(&mut alone, &bias);
            assert_eq!(alone, whole[row * 3072..][..3072]);
        }
    }
}
