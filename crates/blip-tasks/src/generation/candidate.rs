//! The best continuations of a group's beams.

/// One beam with one more token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// The beam's sum of log-probabilities with the token's.
    pub(super) score: f32,
    /// The beam.
    pub(super) beam: usize,
    /// The token.
    pub(super) token: u32,
}

/// The best `limit` candidates, best first; among equals the lower beam, then the lower token.
///
/// One pass over the scores; almost every score is turned away by one comparison.
#[derive(Debug)]
pub(super) struct TopCandidates {
    limit: usize,
    best: Vec<Candidate>,
}

impl TopCandidates {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            best: Vec::with_capacity(limit),
        }
    }

    pub(super) fn clear(&mut self) {
        self.best.clear();
    }

    /// Offers every token after one beam; the beams come in ascending order. A token at −∞ is no continuation.
    pub(super) fn offer(&mut self, beam: usize, sum: f32, log_probs: &[f32]) {
        let mut threshold = self.threshold();
        for (token, &log_prob) in log_probs.iter().enumerate() {
            let score = log_prob + sum;
            if score > threshold {
                if self.best.len() == self.limit {
                    self.best.pop();
                }
                let place = self.best.partition_point(|kept| kept.score >= score);
                let token = token as u32;
                self.best.insert(place, Candidate { score, beam, token });
                threshold = self.threshold();
            }
        }
    }

    pub(super) fn as_slice(&self) -> &[Candidate] {
        &self.best
    }

    /// What a score has to exceed.
    fn threshold(&self) -> f32 {
        if self.best.len() < self.limit {
            f32::NEG_INFINITY
        } else {
            self.best.last().map_or(f32::INFINITY, |worst| worst.score)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(limit: usize, rows: &[(f32, &[f32])]) -> Vec<(usize, u32)> {
        let mut top = TopCandidates::new(limit);
        for (beam, &(sum, row)) in rows.iter().enumerate() {
            top.offer(beam, sum, row);
        }
        top.as_slice()
            .iter()
            .map(|candidate| (candidate.beam, candidate.token))
            .collect()
    }

    #[test]
    fn the_best_come_first_and_equals_by_beam_then_token() {
        let rows: [(f32, &[f32]); 2] = [(0.0, &[-1.0, -3.0, -1.0, -2.0]), (1.0, &[-2.0, -5.0, -1.0, -2.0])];
        assert_eq!(top(5, &rows), [(1, 2), (0, 0), (0, 2), (1, 0), (1, 3)]);
        assert_eq!(top(2, &rows), [(1, 2), (0, 0)]);
    }

    #[test]
    fn ruled_out_tokens_are_no_candidates() {
        let none = f32::NEG_INFINITY;
        assert_eq!(top(4, &[(0.0, &[none, -1.0, none])]), [(0, 1)]);
        assert_eq!(top(4, &[(none, &[-1.0])]), []);
    }
}
