//! How work is cut for threads.

/// Values below which one thread is faster than the waking of another.
pub(crate) const GRAIN: usize = 16 * 1024;

/// Rows of a piece of work of about [`GRAIN`] values, at least one.
pub(crate) fn rows_of_a_piece(width: usize) -> usize {
    (GRAIN / width.max(1)).max(1)
}
