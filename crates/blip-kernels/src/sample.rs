//! Values for tests.

/// As many values of -1 to 1 as are wanted, the same for the same seed.
pub(crate) fn values(count: usize, seed: u32) -> Vec<f32> {
    let mixed = |index: usize| (index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed);
    (0..count)
        .map(|index| (mixed(index).wrapping_mul(747_796_405) >> 8) as f32 / 8_388_608.0 - 1.0)
        .collect()
}
