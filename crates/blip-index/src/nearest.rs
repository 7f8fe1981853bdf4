//! The nearest vectors, exactly: every dot product is computed, at the speed of memory.
//!
//! ```text
//! vectors [count, embed_dim] ─┬─ rows of a thread ─ dot(query) ─▶ its best top_k ─┐
//!                             ├─ …                                                ├─ sort ─▶ the best top_k
//!                             └─ …                                                ┘
//! ```
//!
//! A vector's product is summed in one order, whichever thread does it, and neighbours are ranked by one total order:
//! the number of threads does not show in the result.

use std::num::NonZero;
use std::thread;

use blip_traits::{ModelError, Neighbor};

use crate::top::{Top, rank};

/// A thread is worth starting for this many bytes of vectors: it takes tenths of a millisecond to read them.
const BYTES_PER_THREAD: usize = 4 << 20;

/// Sums that grow side by side, as a single one would wait for each addition before the next: four registers of the
/// four floats that every x86-64 has.
const LANES: usize = 16;

/// The `top_k` vectors with the greatest dot product with the query, greatest first; fewer if there are fewer.
///
/// Equal products are ordered by the lower index. A product that is not a number comes after all that are.
///
/// # Shapes
///
/// - vectors: `[count, embed_dim]`, one vector after the other
/// - query: `[embed_dim]`
///
/// # Errors
///
/// [`ModelError::Shape`] if `embed_dim` is 0, `vectors` is no multiple of it, or the query has another length.
pub fn nearest(
    vectors: &[f32],
    embed_dim: usize,
    query: &[f32],
    top_k: usize,
) -> Result<Vec<Neighbor>, ModelError> {
    check_vectors(vectors.len(), embed_dim)?;
    search(vectors, embed_dim, query, top_k)
}

/// That `values` floats are whole vectors of a length.
pub(crate) fn check_vectors(values: usize, embed_dim: usize) -> Result<(), ModelError> {
    if embed_dim == 0 {
        return Err(ModelError::shape("embed_dim", "at least 1", &[0]));
    }
    if !values.is_multiple_of(embed_dim) {
        return Err(ModelError::shape(
            "vectors",
            format!("[count, {embed_dim}], a multiple of {embed_dim} values"),
            &[values],
        ));
    }
    Ok(())
}

/// [`nearest`] in whole vectors, of which the elements may still be bytes.
pub(crate) fn search<E: Element>(
    vectors: &[E],
    embed_dim: usize,
    query: &[f32],
    top_k: usize,
) -> Result<Vec<Neighbor>, ModelError> {
    if query.len() != embed_dim {
        return Err(ModelError::shape(
            "query",
            format!("[{embed_dim}]"),
            &[query.len()],
        ));
    }
    let useful = size_of_val(vectors) / BYTES_PER_THREAD;
    // Asking costs as much as a small search.
    let threads = if useful < 2 {
        1
    } else {
        thread::available_parallelism()
            .map_or(1, NonZero::get)
            .min(useful)
    };
    Ok(search_with(vectors, query, top_k, threads))
}

/// A float, or the bytes of one as files have it. Reading the bytes compiles to the same load.
pub(crate) trait Element: Copy + Sync {
    fn value(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn value(self) -> f32 {
        self
    }
}

impl Element for [u8; 4] {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from_le_bytes(self)
    }
}

fn search_with<E: Element>(vectors: &[E], query: &[f32], top_k: usize, threads: usize) -> Vec<Neighbor> {
    let rows = (vectors.len() / query.len()).div_ceil(threads.max(1)).max(1);
    let mut parts = vectors.chunks(rows * query.len()).enumerate();
    let search_part =
        |(part, vectors): (usize, &[E])| search_rows(vectors, part * rows, query, top_k).into_vec();

    // This thread takes the first part.
    let own = parts.next();
    let mut best = thread::scope(|scope| {
        let others: Vec<_> = parts
            .map(|part| {
                let worker = thread::Builder::new().spawn_scoped(scope, move || search_part(part));
                worker.map_err(|_| part)
            })
            .collect();
        let mut best = own.map(search_part).unwrap_or_default();
        for other in others {
            best.extend(match other {
                Ok(worker) => worker.join().expect("a search has nothing to panic about"),
                // The machine has no thread to spare.
                Err(part) => search_part(part),
            });
        }
        best
    });
    best.sort_unstable_by(rank);
    best.truncate(top_k);
    best
}

/// The best of rows that start at the index `first`.
fn search_rows<E: Element>(vectors: &[E], first: usize, query: &[f32], top_k: usize) -> Top {
    let mut top = Top::new(top_k);
    for (row, vector) in vectors.chunks_exact(query.len()).enumerate() {
        top.offer(Neighbor {
            index: first + row,
            similarity: dot(vector, query),
        });
    }
    top
}

#[inline(always)]
fn dot<E: Element>(vector: &[E], query: &[f32]) -> f32 {
    let (vector, vector_rest) = vector.as_chunks::<LANES>();
    let (query, query_rest) = query.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (vector, query) in vector.iter().zip(query) {
        for lane in 0..LANES {
            sums[lane] += vector[lane].value() * query[lane];
        }
    }
    // One after the other: halving is compiled to loops over pairs of floats, at two thirds of the speed.
    let sum = sums.iter().sum();
    let rest = vector_rest.iter().zip(query_rest);
    rest.fold(sum, |sum, (vector, query)| sum + vector.value() * query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn neither_threads_nor_bytes_show(
            values in prop::collection::vec(-1.0_f32..1.0, 0..2000),
            embed_dim in 1..70_usize,
            top_k in 0..40_usize,
            threads in 0..9_usize,
        ) {
            let query: Vec<f32> = (0..embed_dim).map(|place| (place as f32).sin()).collect();
            let vectors = &values[..values.len() / embed_dim * embed_dim];
            let bytes: Vec<[u8; 4]> = vectors.iter().map(|value| value.to_le_bytes()).collect();
            let expected = search_with(vectors, &query, top_k, 1);
            prop_assert_eq!(&search_with(vectors, &query, top_k, threads), &expected);
            prop_assert_eq!(&search_with(&bytes, &query, top_k, threads), &expected);
        }
    }
}
