//! Log-probabilities of a row of logits.

/// The two numbers that turn a logit into a log-probability: `log p = (x - max) - log_sum`.
///
/// In f32 and in this order, as PyTorch's `log_softmax` on the CPU. The exponentials are summed in f64, which is closer
/// to the true sum than PyTorch's f32; the results agree to about an ulp of `log_sum`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogSumExp {
    max: f32,
    log_sum: f32,
}

/// Independent sums, so that the compiler can add them side by side.
const LANES: usize = 8;

impl LogSumExp {
    /// Those of a row, or `None` if the row is no distribution: a logit is NaN or +∞, or all are −∞.
    pub(super) fn of(logits: &[f32]) -> Option<Self> {
        let max = largest(logits);
        if !max.is_finite() {
            return None;
        }
        let (chunks, rest) = logits.as_chunks::<LANES>();
        let mut sums = [0.0_f64; LANES];
        for chunk in chunks {
            for (sum, &logit) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(exp(logit - max));
            }
        }
        let rest: f64 = rest.iter().map(|&logit| f64::from(exp(logit - max))).sum();
        let sum = sums.iter().sum::<f64>() + rest;
        // `largest` passes over NaN; the sum does not.
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

/// The largest value, passing over NaN; −∞ for none.
pub(super) fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (largest, &value) in largest.iter_mut().zip(chunk) {
            *largest = larger(*largest, value);
        }
    }
    largest
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, larger)
}

/// e^x for x of at most 0, within 2 ulp; what would be subnormal is 0. NaN stays NaN.
///
/// Without branches or calls, so that a loop over it is vectorised, and the same on every platform. The method is that
/// of Cephes: 2^n times the Taylor polynomial of the remainder, which is at most ln 2 / 2.
pub(super) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with so few bits that its product with n is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let mut polynomial = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        polynomial = polynomial * r + coefficient;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    let power = f32::from_bits(exponent.wrapping_shl(23));
    if x < -87.0 { 0.0 } else { polynomial * power }
}

#[cfg(test)]
mod tests {
    use blip_testkit::{assert_close, hashed_logits};

    use super::*;

    #[test]
    fn log_probabilities_are_those_of_the_softmax() {
        let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln(), f32::NEG_INFINITY];
        let norm = LogSumExp::of(&logits).unwrap();
        let probabilities: Vec<f32> = logits.iter().map(|&logit| norm.log_prob(logit).exp()).collect();
        assert_close("probabilities", &probabilities, &[0.125, 0.25, 0.625, 0.0], 1e-6);
    }

    #[test]
    fn the_exponential_is_that_of_the_standard_library() {
        for step in 0..=870_000 {
            let x = -(step as f32) / 10_000.0;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got / want - 1.0).abs() < 2.4e-7, "e^{x}: got {got}, want {want}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-87.5), 0.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn a_long_row_is_summed_as_in_f64() {
        for length in [1, 7, 8, 9, 1000, 30_524] {
            let logits = hashed_logits(9, 0, &[1], length);
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            let want = (f64::from(logits[0]) - sum.ln()) as f32;
            let got = LogSumExp::of(&logits).unwrap().log_prob(logits[0]);
            assert_close("log p", &[got], &[want], 2e-6);
        }
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
