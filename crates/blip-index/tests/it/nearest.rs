//! Search against sorting all products.

use blip_index::{ExactIndex, nearest};
use blip_traits::{ModelError, Neighbor, VectorIndex};
use proptest::prelude::*;

/// Products in order, by a sort that keeps equal ones as they are. What is not a number goes last.
fn naive(vectors: &[f32], query: &[f32], top_k: usize) -> Vec<usize> {
    let mut scored: Vec<(usize, f32)> = vectors
        .chunks(query.len())
        .map(|vector| vector.iter().zip(query).map(|(a, b)| a * b).sum())
        .enumerate()
        .collect();
    scored.sort_by(|(_, a), (_, b)| match (a.is_nan(), b.is_nan()) {
        (false, false) => b.partial_cmp(a).unwrap(),
        (a, b) => a.cmp(&b),
    });
    scored.iter().map(|&(index, _)| index).take(top_k).collect()
}

/// Small whole numbers, so that sums are exact in any order and often equal, and sometimes none.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        200 => (-3..=3_i8).prop_map(f32::from),
        1 => Just(f32::NAN),
    ]
}

fn places(found: &[Neighbor]) -> Vec<usize> {
    found.iter().map(|neighbor| neighbor.index).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn search_finds_what_sorting_finds(
        (vectors, query) in (1..80_usize).prop_flat_map(|embed_dim| (
            prop::collection::vec(value(), 0..40 * embed_dim),
            prop::collection::vec((-3..=3_i8).prop_map(f32::from), embed_dim),
        )),
        top_k in 0..50_usize,
    ) {
        let vectors = &vectors[..vectors.len() / query.len() * query.len()];
        let found = nearest(vectors, query.len(), &query, top_k).unwrap();
        prop_assert_eq!(places(&found), naive(vectors, &query, top_k));
    }
}

#[test]
fn enough_for_several_threads_is_searched_all_the_same() {
    const EMBED_DIM: usize = 64;
    // 26 MB, in whole numbers from a linear congruential generator.
    let mut state = 1_u32;
    let vectors: Vec<f32> = (0..100_000 * EMBED_DIM)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from((state >> 28) as u8) - 8.0
        })
        .collect();
    let query = &vectors[777 * EMBED_DIM..778 * EMBED_DIM];
    let found = nearest(&vectors, EMBED_DIM, query, 100).unwrap();
    assert_eq!(places(&found), naive(&vectors, query, 100));
    assert_eq!(found[0].index, 777);
}

#[test]
fn an_index_in_memory_says_what_it_holds() {
    let index = ExactIndex::new(vec![1.0, 0.0, 0.0, 1.0], 2).unwrap();
    assert_eq!((index.len(), index.embed_dim(), index.is_empty()), (2, 2, false));
    assert_eq!(index.vectors(), [1.0, 0.0, 0.0, 1.0]);
    let found = index.search(&[0.5, 2.0], usize::MAX).unwrap();
    let neighbor = |index, similarity| Neighbor { index, similarity };
    assert_eq!(found, [neighbor(1, 2.0), neighbor(0, 0.5)]);

    let empty = ExactIndex::new(Vec::new(), 2).unwrap();
    assert!(empty.is_empty());
    assert_eq!(empty.search(&[0.5, 2.0], 3).unwrap(), []);
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let message = |result: Result<Vec<Neighbor>, ModelError>| result.unwrap_err().to_string();
    assert_eq!(
        message(nearest(&[0.0; 6], 3, &[0.0; 2], 1)),
        "query: expected [3], got [2]"
    );
    assert_eq!(
        message(nearest(&[0.0; 5], 3, &[0.0; 3], 1)),
        "vectors: expected [count, 3], a multiple of 3 values, got [5]"
    );
    assert_eq!(
        message(nearest(&[], 0, &[], 1)),
        "embed_dim: expected at least 1, got [0]"
    );
    assert!(ExactIndex::new(vec![0.0; 5], 3).is_err());
}
