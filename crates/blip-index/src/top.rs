//! The best of many neighbours, in memory that does not grow with them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use blip_traits::Neighbor;

/// The better neighbour first: the greater similarity, then the lower index. What is not a number comes last.
pub(crate) fn rank(left: &Neighbor, right: &Neighbor) -> Ordering {
    let (a, b) = (left.similarity, right.similarity);
    b.partial_cmp(&a)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        .then(left.index.cmp(&right.index))
}

/// A neighbour that is greater, the worse it is: the heap's top is the first to go.
struct Ranked(Neighbor);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        rank(&self.0, &other.0)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The best `limit` of the neighbours that were offered, in no order.
pub(crate) struct Top {
    limit: usize,
    heap: BinaryHeap<Ranked>,
}

impl Top {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            heap: BinaryHeap::new(),
        }
    }

    pub(crate) fn offer(&mut self, neighbor: Neighbor) {
        if self.heap.len() < self.limit {
            self.heap.push(Ranked(neighbor));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && rank(&neighbor, &worst.0).is_lt()
        {
            *worst = Ranked(neighbor);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Neighbor> {
        self.heap.into_iter().map(|ranked| ranked.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beat_nan_and_low_indices_beat_high_ones() {
        let neighbor = |index, similarity| Neighbor { index, similarity };
        let offered = [
            neighbor(0, f32::NAN),
            neighbor(1, 0.0),
            neighbor(2, f32::NEG_INFINITY),
            neighbor(3, -0.0),
            neighbor(4, f32::NAN),
            neighbor(5, 1.0),
        ];
        for limit in 0..=offered.len() {
            let mut top = Top::new(limit);
            offered.iter().for_each(|&neighbor| top.offer(neighbor));
            let mut best = top.into_vec();
            best.sort_unstable_by(rank);
            let best: Vec<usize> = best.iter().map(|neighbor| neighbor.index).collect();
            assert_eq!(best, [5, 1, 3, 2, 0, 4][..limit]);
        }
    }
}
