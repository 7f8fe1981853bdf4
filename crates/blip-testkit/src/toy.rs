//! A toy language model without weights: logits by hashing.

/// Logits of the next token as a hash of (seed, context id, token prefix): `vocab_size` multiples of 2^-17 in [-4, 4).
///
/// The generators of the generation goldens compute the same numbers in Python, so that a golden holds results alone.
pub fn hashed_logits(seed: u64, context: u32, prefix: &[u32], vocab_size: usize) -> Vec<f32> {
    let state = prefix
        .iter()
        .fold(mix(mix(seed) ^ u64::from(context)), |state, &token| {
            mix(state ^ u64::from(token))
        });
    (0..vocab_size as u64)
        .map(|token| (mix(state ^ (token << 32)) >> 44) as f32 / 131_072.0 - 4.0)
        .collect()
}

/// One step of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_past_counts() {
        let logits = hashed_logits(7, 1, &[1, 2], 5);
        assert_eq!(logits, hashed_logits(7, 1, &[1, 2], 5));
        for other in [
            hashed_logits(8, 1, &[1, 2], 5),
            hashed_logits(7, 2, &[1, 2], 5),
            hashed_logits(7, 1, &[2, 1], 5),
            hashed_logits(7, 1, &[1], 5),
        ] {
            assert_ne!(logits, other);
        }
        assert!(logits.iter().all(|logit| (-4.0..4.0).contains(logit)));
    }
}
