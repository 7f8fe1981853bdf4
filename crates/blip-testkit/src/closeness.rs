//! Whether two vectors of numbers agree.

/// Asserts that `got` and `want` have one length and differ nowhere by more than `atol`.
///
/// Equal infinities agree; a NaN agrees with nothing.
///
/// # Panics
///
/// If they do not agree: the message names `name`, the worst index, both values there, and how many values are off.
#[track_caller]
pub fn assert_close(name: &str, got: &[f32], want: &[f32], atol: f32) {
    assert_eq!(
        got.len(),
        want.len(),
        "{name}: got {} values, want {}",
        got.len(),
        want.len()
    );
    let mut worst: Option<(usize, f32)> = None;
    let mut off = 0_usize;
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let difference = if got == want { 0.0 } else { (got - want).abs() };
        let difference = if difference.is_nan() {
            f32::INFINITY
        } else {
            difference
        };
        if difference > atol {
            off += 1;
            if worst.is_none_or(|(_, largest)| difference > largest) {
                worst = Some((index, difference));
            }
        }
    }
    if let Some((index, difference)) = worst {
        panic!(
            "{name}: {off} of {} values are off by more than {atol:e}; the worst is at {index}: got {}, want {}, \
             difference {difference:e}",
            got.len(),
            got[index],
            want[index],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_silent() {
        assert_close(
            "logits",
            &[1.0, f32::NEG_INFINITY],
            &[1.00001, f32::NEG_INFINITY],
            1e-4,
        );
    }

    #[test]
    #[should_panic(
        expected = "logits: 2 of 3 values are off by more than 1e-1; the worst is at 2: got 3, want 5"
    )]
    fn the_message_names_the_worst_index() {
        assert_close("logits", &[1.0, 2.0, 3.0], &[1.0, 2.5, 5.0], 0.1);
    }

    #[test]
    #[should_panic(expected = "the worst is at 0: got NaN")]
    fn nan_agrees_with_nothing() {
        assert_close("logits", &[f32::NAN], &[f32::NAN], 1.0);
    }

    #[test]
    #[should_panic(expected = "logits: got 1 values, want 2")]
    fn lengths_must_agree() {
        assert_close("logits", &[1.0], &[1.0, 2.0], 1.0);
    }
}
