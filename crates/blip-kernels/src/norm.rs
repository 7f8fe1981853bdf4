//! Layer normalisation with the residual before it.
//!
//! ```text
//! x ─ + residual ─▶ x ─▶ (x - mean) / √(variance + eps) · gamma + beta
//! ```

use rayon::prelude::*;
use rten_simd::SimdOp;
use rten_vecmath::{Normalize, NormalizeOptions, Sum, SumSquareSub};

use crate::parallel::{pieces_of_rows, values_of_a_piece};

/// Normalises every row, after a residual was added to it where there is one.
///
/// # Shapes
///
/// - input, residual, output: `[rows, width]`
/// - gamma, beta: `[width]`
///
/// # Panics
///
/// If the sizes are not these.
pub fn layer_norm(
    input: &[f32],
    residual: Option<&[f32]>,
    [gamma, beta]: [&[f32]; 2],
    eps: f32,
    output: &mut [f32],
) {
    let width = gamma.len();
    assert_eq!(beta.len(), width, "beta is not as long as gamma");
    assert_eq!(input.len(), output.len(), "an output of another size");
    if let Some(residual) = residual {
        assert_eq!(residual.len(), input.len(), "a residual of another size");
    }
    let piece = values_of_a_piece(width);
    pieces_of_rows(output, width)
        .enumerate()
        .for_each(|(index, rows)| {
            for (row, values) in rows.chunks_exact_mut(width).enumerate() {
                let from = index * piece + row * width;
                match residual {
                    None => values.copy_from_slice(&input[from..][..width]),
                    Some(residual) => {
                        let sums = input[from..].iter().zip(&residual[from..]);
                        for (value, (input, residual)) in values.iter_mut().zip(sums) {
                            *value = input + residual;
                        }
                    }
                }
                let mean = Sum::new(values).dispatch() / width as f32;
                // About the mean: of values far from zero the sum of squares alone would lose every digit.
                let variance = SumSquareSub::new(values, mean).dispatch() / width as f32;
                let options = NormalizeOptions {
                    pre_scale_bias: mean,
                    scale: 1.0 / (variance + eps).sqrt(),
                    element_scale: Some(gamma),
                    element_bias: Some(beta),
                    ..NormalizeOptions::default()
                };
                Normalize::new_mut(values, options).dispatch();
            }
        });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_the_exact_ones(
            (width, values) in (1_usize..50).prop_flat_map(|width| {
                (Just(width), proptest::collection::vec(-9.0_f32..9.0, width * 5))
            }),
            shift in -1e3_f32..1e3,
        ) {
            let (gamma, beta, rest) = (&values[..width], &values[width..2 * width], &values[2 * width..]);
            let residual: Vec<f32> = rest.iter().map(|value| value * 0.5 + shift).collect();
            let mut got = vec![f32::NAN; rest.len()];
            layer_norm(rest, Some(&residual), [gamma, beta], 1e-5, &mut got);
            let rows = rest.chunks(width).zip(residual.chunks(width));
            for (got, (row, residual)) in got.chunks(width).zip(rows) {
                let x: Vec<f64> = row.iter().zip(residual).map(|(a, b)| f64::from(a + b)).collect();
                let mean = x.iter().sum::<f64>() / width as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
                // Values are rounded in proportion to the greatest, and that is divided by the deviation.
                let greatest = x.iter().fold(1.0_f64, |most, x| most.max(x.abs()));
                for (index, got) in got.iter().enumerate() {
                    let gain = f64::from(gamma[index]) / (variance + 1e-5).sqrt();
                    let within = 1e-5 + 1e-6 * greatest * gain.abs();
                    let want = (x[index] - mean) * gain + f64::from(beta[index]);
                    prop_assert!((f64::from(*got) - want).abs() < within, "{got} {want}");
                }
            }
        }
    }

    #[test]
    fn a_row_of_equals_becomes_beta() {
        let mut output = [f32::NAN; 6];
        layer_norm(
            &[7.0; 6],
            None,
            [&[1.0, 2.0, 3.0], &[0.1, 0.2, 0.3]],
            1e-12,
            &mut output,
        );
        assert_eq!(output, [0.1, 0.2, 0.3, 0.1, 0.2, 0.3]);
    }
}
