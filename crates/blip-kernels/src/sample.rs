//! Values for tests.

/// As many values of -1 to 1 as are wanted, the same for the same seed.
pub(crate) fn values(count: usize, seed: u32) -> Vec<f32> {
    let mixed = |index: usize| (index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed);
    (0..count)
        .map(|index| (mixed(index).wrapping_mul(747_796_405) >> 8) as f32 / 8_388_608.0 - 1.0)
        .collect()
}

/// `[rows, in] x [in, out]` in f64, and the sum of its terms' magnitudes, which rounding errors are in proportion to.
pub(crate) fn product<T: Copy + Into<f64>>(
    input: &[T],
    weight: &[f32],
    [d_in, d_out]: [usize; 2],
) -> Vec<(f64, f64)> {
    let entry = |row: &[T], column: usize| {
        let terms = row.iter().enumerate();
        terms
            .map(|(index, value)| (*value).into() * f64::from(weight[index * d_out + column]))
            .fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
    };
    input
        .chunks(d_in)
        .flat_map(|row| (0..d_out).map(move |column| entry(row, column)))
        .collect()
}
