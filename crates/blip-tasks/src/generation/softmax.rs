//! Log-probabilities of a row of logits.

/// The two numbers that turn a logit into a log-probability: `log p = (x - max) - log_sum`.
///
/// In f32 and in this order, as PyTorch's `log_softmax` on the CPU; the exponentials are summed in f64, so `log_sum` is
/// the correctly rounded one where PyTorch's may be an ulp or two off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogSumExp {
    max: f32,
    log_sum: f32,
}

impl LogSumExp {
    /// Those of a row, or `None` if the row is no distribution: a logit is NaN or +∞, or all are −∞.
    pub(super) fn of(logits: &[f32]) -> Option<Self> {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if !max.is_finite() {
            return None;
        }
        let sum: f64 = logits.iter().map(|&logit| f64::from((logit - max).exp())).sum();
        // `f32::max` passes over NaN; the sum does not.
        sum.is_finite().then(|| Self {
            max,
            log_sum: sum.ln() as f32,
        })
    }

    /// The log-probability of a logit of the row.
    pub(super) fn log_prob(self, logit: f32) -> f32 {
        (logit - self.max) - self.log_sum
    }
}

#[cfg(test)]
mod tests {
    use blip_testkit::assert_close;

    use super::*;

    #[test]
    fn log_probabilities_are_those_of_the_softmax() {
        let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln(), f32::NEG_INFINITY];
        let norm = LogSumExp::of(&logits).unwrap();
        let probabilities: Vec<f32> = logits.iter().map(|&logit| norm.log_prob(logit).exp()).collect();
        assert_close("probabilities", &probabilities, &[0.125, 0.25, 0.625, 0.0], 1e-6);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let norm = LogSumExp::of(&[1e30, 1e30]).unwrap();
        assert_close("log p", &[norm.log_prob(1e30)], &[-std::f32::consts::LN_2], 1e-6);
    }

    #[test]
    fn what_is_no_distribution_is_none() {
        for row in [
            [1.0, f32::NAN],
            [f32::INFINITY, 0.0],
            [f32::NEG_INFINITY, f32::NEG_INFINITY],
            [f32::NAN, f32::NAN],
        ] {
            assert_eq!(LogSumExp::of(&row), None, "{row:?}");
        }
    }
}
