//! The order of an epoch.

use crate::random::{Purpose, Random};

/// The indices `0..len`, shuffled as a seed and an epoch say.
///
/// Every order is as likely as the others. A run is taken up again at step `n` by leaving out what came before it.
///
/// # Examples
///
/// ```
/// use blip_data::epoch_order;
///
/// let order = epoch_order(42, 0, 5);
/// assert_eq!(order, epoch_order(42, 0, 5));
/// assert_ne!(order, epoch_order(42, 1, 5));
///
/// let mut all = order.clone();
/// all.sort();
/// assert_eq!(all, [0, 1, 2, 3, 4]);
/// ```
pub fn epoch_order(seed: u64, epoch: u64, len: usize) -> Vec<usize> {
    let mut random = Random::of([seed, epoch, 0], Purpose::Order);
    let mut order: Vec<usize> = (0..len).collect();
    // Fisher and Yates: each place, from the last, takes one of those that are left.
    for last in (1..len).rev() {
        order.swap(last, random.below(last + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_never_changes() {
        // As a ChaCha8 written down anew in Python gives it.
        assert_eq!(epoch_order(1, 2, 10), [9, 3, 6, 1, 4, 5, 0, 7, 8, 2]);
        assert!(epoch_order(1, 2, 0).is_empty());
        assert_eq!(epoch_order(1, 2, 1), [0]);
    }

    #[test]
    fn every_order_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *counts.entry(epoch_order(9, epoch, 3)).or_insert(0_usize) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| count.abs_diff(1000) < 174),
            "{counts:?}"
        );
    }
}
