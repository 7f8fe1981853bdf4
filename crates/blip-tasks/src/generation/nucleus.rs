//! The distribution that sampling draws from.
//!
//! scores [vocab] ─ temperature ─ top-k ─ top-p ─ softmax ─▶ a few tokens with their weights ─ draw ─▶ token
//!
//! Source: transformers 4.15 `_get_logits_warper` and 5.23 `_get_logits_processor`: the same three in the same order, at
//! least one token kept. They differ where a cumulative probability equals `top_p` exactly; this is 5.23's rule.

use std::cmp::Ordering;

use super::Sampling;
use super::softmax::{exp, largest};

/// The kept tokens of one step, with room that the next step uses again.
#[derive(Debug, Default)]
pub(super) struct Nucleus {
    kept: Vec<Kept>,
    largest: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    token: u32,
    score: f32,
    /// In proportion to the probability; 1 for the most likely token.
    weight: f64,
}

impl Kept {
    /// The most likely first, the lower token among equals.
    fn order(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then(self.token.cmp(&other.token))
    }
}

impl Nucleus {
    /// Draws a token by a number in [0, 1), or none if every score is −∞.
    pub(super) fn draw(&mut self, scores: &mut [f32], sampling: &Sampling, draw: f64) -> Option<u32> {
        self.keep(scores, sampling);
        let total: f64 = self.kept.iter().map(|kept| kept.weight).sum();
        let mut left = draw * total;
        for kept in &self.kept {
            left -= kept.weight;
            if left < 0.0 {
                return Some(kept.token);
            }
        }
        // Rounding can leave a remainder after the last token that has a weight.
        let last = self.kept.iter().rfind(|kept| kept.weight > 0.0);
        last.map(|kept| kept.token)
    }

    /// Finds the tokens that temperature, top-k and top-p keep.
    fn keep(&mut self, scores: &mut [f32], sampling: &Sampling) {
        if sampling.temperature != 1.0 {
            scores.iter_mut().for_each(|score| *score /= sampling.temperature);
        }
        let floor = self.floor(scores, sampling.top_k);
        let max = largest(scores);
        self.kept.clear();
        for (token, &score) in scores.iter().enumerate() {
            if score >= floor && score > f32::NEG_INFINITY {
                // A small temperature can push the best score to infinity: then it is the only one.
                let weight = if score == max {
                    1.0
                } else {
                    f64::from(exp(score - max))
                };
                let token = token as u32;
                self.kept.push(Kept { token, score, weight });
            }
        }
        if sampling.top_p < 1.0 {
            self.cut(f64::from(sampling.top_p));
        }
    }

    /// The `top_k`-th largest score; what equals it is kept too.
    fn floor(&mut self, scores: &[f32], top_k: usize) -> f32 {
        /// Up to this many are kept in order in one pass, which turns almost every score away by one comparison.
        const FEW: usize = 128;
        if top_k == 0 || top_k >= scores.len() {
            return f32::NEG_INFINITY;
        }
        let largest = &mut self.largest;
        largest.clear();
        if top_k > FEW {
            largest.extend_from_slice(scores);
            let (_, floor, _) = largest.select_nth_unstable_by(top_k - 1, |a, b| b.total_cmp(a));
            return *floor;
        }
        let mut floor = f32::NEG_INFINITY;
        for &score in scores {
            if score > floor {
                largest.truncate(top_k - 1);
                let place = largest.partition_point(|&kept| kept >= score);
                largest.insert(place, score);
                if largest.len() == top_k {
                    floor = largest[top_k - 1];
                }
            }
        }
        floor
    }

    /// Keeps the most likely tokens until their share reaches `top_p`; at least one.
    fn cut(&mut self, top_p: f64) {
        let total: f64 = self.kept.iter().map(|kept| kept.weight).sum();
        let mut sorted = 0;
        let mut before = 0.0;
        let mut end = 0;
        while end < self.kept.len() && (end == 0 || before < top_p * total) {
            // Usually few tokens are needed, so they are put in order a stretch at a time.
            if end == sorted {
                let stretch = (sorted * 2).max(64).min(self.kept.len() - sorted);
                let rest = &mut self.kept[sorted..];
                if stretch < rest.len() {
                    rest.select_nth_unstable_by(stretch, Kept::order);
                }
                rest[..stretch].sort_unstable_by(Kept::order);
                sorted += stretch;
            }
            before += self.kept[end].weight;
            end += 1;
        }
        self.kept.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use blip_testkit::{assert_close, hashed_logits};
    use serde_json::Value;

    use super::*;

    fn probabilities(logits: &[f32], sampling: &Sampling) -> Vec<f32> {
        let mut nucleus = Nucleus::default();
        nucleus.keep(&mut logits.to_vec(), sampling);
        let total: f64 = nucleus.kept.iter().map(|kept| kept.weight).sum();
        let mut probabilities = vec![0.0; logits.len()];
        for kept in &nucleus.kept {
            probabilities[kept.token as usize] = (kept.weight / total) as f32;
        }
        probabilities
    }

    fn logits(probabilities: &[f32]) -> Vec<f32> {
        probabilities.iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn temperature_sharpens_and_flattens() {
        let logits = logits(&[0.2, 0.8]);
        let with = |temperature| Sampling {
            temperature,
            ..Sampling::default()
        };
        assert_close("p", &probabilities(&logits, &with(1.0)), &[0.2, 0.8], 1e-6);
        assert_close(
            "p",
            &probabilities(&logits, &with(0.5)),
            &[0.04 / 0.68, 0.64 / 0.68],
            1e-6,
        );
        assert_close(
            "p",
            &probabilities(&logits, &with(2.0)),
            &[1.0 / 3.0, 2.0 / 3.0],
            1e-6,
        );
        assert_eq!(probabilities(&logits, &with(f32::MIN_POSITIVE)), [0.0, 1.0]);
    }

    #[test]
    fn top_k_keeps_ties() {
        let with = |top_k| Sampling {
            top_k,
            ..Sampling::default()
        };
        let logits = logits(&[0.2, 0.4, 0.2, 0.1, 0.1]);
        assert_eq!(probabilities(&logits, &with(1)), [0.0, 1.0, 0.0, 0.0, 0.0]);
        assert_close(
            "p",
            &probabilities(&logits, &with(2)),
            &[0.25, 0.5, 0.25, 0.0, 0.0],
            1e-6,
        );
        for all in [0, 5, 99] {
            assert_close(
                "p",
                &probabilities(&logits, &with(all)),
                &[0.2, 0.4, 0.2, 0.1, 0.1],
                1e-6,
            );
        }
    }

    #[test]
    fn few_and_many_of_top_k_are_those_of_a_full_sort() {
        let logits = hashed_logits(6, 0, &[1], 1000);
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for top_k in [1, 2, 127, 128, 129, 999] {
            assert_eq!(
                Nucleus::default().floor(&logits, top_k),
                sorted[top_k - 1],
                "{top_k}"
            );
        }
        assert_eq!(Nucleus::default().floor(&logits, 1000), f32::NEG_INFINITY);
        // Fewer finite scores than asked for: all of them stay.
        let banned = [0.0, f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY];
        assert_eq!(Nucleus::default().floor(&banned, 3), f32::NEG_INFINITY);
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses() {
        let with = |top_p| Sampling {
            top_p,
            ..Sampling::default()
        };
        let logits = logits(&[0.1, 0.5, 0.3, 0.1]);
        assert_eq!(probabilities(&logits, &with(0.0001)), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(probabilities(&logits, &with(0.45)), [0.0, 1.0, 0.0, 0.0]);
        assert_close(
            "p",
            &probabilities(&logits, &with(0.6)),
            &[0.0, 0.625, 0.375, 0.0],
            1e-6,
        );
        // The lower of two equals comes first.
        assert_close(
            "p",
            &probabilities(&logits, &with(0.85)),
            &[0.1 / 0.9, 0.5 / 0.9, 0.3 / 0.9, 0.0],
            1e-6,
        );
        assert_close(
            "p",
            &probabilities(&logits, &with(1.0)),
            &[0.1, 0.5, 0.3, 0.1],
            1e-6,
        );
    }

    #[test]
    fn top_p_in_stretches_is_top_p_by_a_full_sort() {
        let logits = hashed_logits(5, 0, &[1], 1000);
        let sampling = Sampling {
            top_p: 0.97,
            ..Sampling::default()
        };
        let got = probabilities(&logits, &sampling);
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        let total: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
        let mut before = 0.0;
        let mut want = vec![false; logits.len()];
        for token in order {
            want[token] = before < 0.97;
            before += f64::from(logits[token]).exp() / total;
        }
        assert!(
            want.iter().filter(|&&kept| kept).count() > 256,
            "the case takes several stretches"
        );
        assert_eq!(got.iter().map(|&p| p > 0.0).collect::<Vec<_>>(), want);
    }

    #[test]
    fn top_k_comes_before_top_p() {
        // After top-k the shares are 5/8 and 3/8, so 0.6 is reached by the first alone.
        let sampling = Sampling {
            top_k: 2,
            top_p: 0.6,
            ..Sampling::default()
        };
        assert_eq!(
            probabilities(&logits(&[0.2, 0.5, 0.3]), &sampling),
            [0.0, 1.0, 0.0]
        );
    }

    #[test]
    fn a_draw_falls_in_proportion() {
        let mut nucleus = Nucleus::default();
        let mut draw = |draw| nucleus.draw(&mut logits(&[0.25, 0.5, 0.25]), &Sampling::default(), draw);
        assert_eq!(draw(0.0), Some(0));
        assert_eq!(draw(0.24), Some(0));
        assert_eq!(draw(0.26), Some(1));
        assert_eq!(draw(0.74), Some(1));
        assert_eq!(draw(0.76), Some(2));
        assert_eq!(draw(1.0), Some(2));
    }

    #[test]
    fn nothing_to_draw_from_is_none() {
        let mut scores = [f32::NEG_INFINITY; 3];
        assert_eq!(
            Nucleus::default().draw(&mut scores, &Sampling::default(), 0.5),
            None
        );
    }

    /// Against what transformers 4.15 and 5.23 make of the same scores, see `tests/goldens`.
    #[test]
    fn probabilities_are_those_of_both_references() {
        for golden in [
            include_str!("../../tests/goldens/transformers415.json"),
            include_str!("../../tests/goldens/transformers5.json"),
        ] {
            let golden: Value = serde_json::from_str(golden).unwrap();
            let cases = golden["processors"].as_array().unwrap().iter();
            let cases: Vec<&Value> = cases.filter(|case| case["probabilities"].is_array()).collect();
            assert_eq!(cases.len(), 10);
            for case in cases {
                let settings = &case["config"];
                let number = |name: &str| settings[name].as_f64().unwrap_or(1.0) as f32;
                let sampling = Sampling {
                    temperature: number("temperature"),
                    top_k: settings["top_k"].as_u64().unwrap_or(0) as usize,
                    top_p: number("top_p"),
                    seed: 0,
                };
                let mut logits = hashed_logits(case["seed"].as_u64().unwrap(), 0, &[1, 5], 24);
                logits[2] += 1.5;
                let want = case["probabilities"].as_array().unwrap().iter();
                let want: Vec<f32> = want.map(|p| p.as_f64().unwrap() as f32).collect();
                assert_close(&case.to_string(), &probabilities(&logits, &sampling), &want, 1e-5);
            }
        }
    }
}
