//! How work is cut for threads.

use rayon::prelude::*;
use rayon::slice::ChunksMut;

/// Values below which one thread is faster than the waking of another.
pub(crate) const GRAIN: usize = 16 * 1024;

/// Pieces of some whole rows, of about [`GRAIN`] values each, for threads.
///
/// # Panics
///
/// If the values are no whole number of rows.
pub(crate) fn pieces_of_rows(values: &mut [f32], width: usize) -> ChunksMut<'_, f32> {
    assert!(
        values.is_empty() || (width > 0 && values.len().is_multiple_of(width)),
        "{} values are no rows of {width}",
        values.len()
    );
    values.par_chunks_mut(values_of_a_piece(width))
}

/// How many values a piece of rows has: a whole number of them, at least one.
pub(crate) fn values_of_a_piece(width: usize) -> usize {
    let width = width.max(1);
    width * (GRAIN / width).max(1)
}
