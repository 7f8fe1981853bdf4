//! Softmax of rows.

use rayon::prelude::*;
use rten_simd::SimdOp;
use rten_vecmath::Softmax;

use crate::parallel::pieces_of_rows;

/// Softmax of every row, in place. A row of minus infinity alone becomes NaN, as everywhere.
///
/// # Shapes
///
/// - values: `[rows, width]`
///
/// # Panics
///
/// If the values are no whole number of rows.
pub fn softmax(values: &mut [f32], width: usize) {
    pieces_of_rows(values, width).for_each(|rows| {
        for row in rows.chunks_exact_mut(width) {
            Softmax::new_mut(row).dispatch();
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
            (width, values) in (1_usize..70).prop_flat_map(|width| {
                (Just(width), proptest::collection::vec(-90.0_f32..90.0, width * 3))
            }),
        ) {
            let mut got = values.clone();
            softmax(&mut got, width);
            for (got, row) in got.chunks(width).zip(values.chunks(width)) {
                let most = row.iter().fold(f64::MIN, |most, &value| most.max(f64::from(value)));
                let sum: f64 = row.iter().map(|&value| (f64::from(value) - most).exp()).sum();
                for (got, &value) in got.iter().zip(row) {
                    let want = (f64::from(value) - most).exp() / sum;
                    // A distance from the greatest is rounded before its power is taken.
                    let within = (1e-6 + 2e-7 * (most - f64::from(value))) * want + 1e-30;
                    prop_assert!((f64::from(*got) - want).abs() <= within, "{got} {want}");
                }
            }
        }
    }

    #[test]
    fn masked_entries_get_nothing_and_nan_spreads_over_its_row_alone() {
        let (masked, nan) = (f32::NEG_INFINITY, f32::NAN);
        let mut values = [0.0, masked, 0.0, 1.0, nan, 2.0, 1e30, -1e30, 1e30];
        softmax(&mut values, 3);
        assert_eq!(values[..3], [0.5, 0.0, 0.5]);
        assert!(values[3..6].iter().all(|value| value.is_nan()));
        assert_eq!(values[6..], [0.5, 0.0, 0.5]);
    }
}
