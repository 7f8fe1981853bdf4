//! The rules of transformers 4.15, which the original BLIP uses.
//!
//! Source: transformers 4.15.0 `generation_beam_search.py`, `BeamSearchScorer` and `BeamHypotheses`.

use super::beam::{Beam, Continuation, Rule};
use super::{BeamSearch, EarlyStopping, FinishReason, Hypothesis};

#[derive(Debug)]
pub(super) struct Transformers4 {
    num_beams: usize,
    length_penalty: f64,
    early_stopping: bool,
    eos_token_id: u32,
    /// In the order in which they came; at most `num_beams`.
    complete: Vec<Complete>,
    worst_score: f64,
    done: bool,
}

/// Scored in f64, as the reference does once the sum has left its tensor.
#[derive(Debug)]
struct Complete {
    score: f64,
    beam: Beam,
    finish_reason: FinishReason,
}

impl Transformers4 {
    pub(super) fn new(search: &BeamSearch, eos_token_id: u32) -> Self {
        Self {
            num_beams: search.num_beams,
            length_penalty: search.length_penalty,
            early_stopping: search.early_stopping == EarlyStopping::WhenFull,
            eos_token_id,
            complete: Vec::new(),
            worst_score: f64::INFINITY,
            done: false,
        }
    }

    /// The score of a text of `length` tokens, prompt included.
    fn score(&self, sum: f32, length: usize) -> f64 {
        f64::from(sum) / (length as f64).powf(self.length_penalty)
    }

    /// Keeps a complete text if it is among the `num_beams` best. `length` leaves the end token out.
    fn add(&mut self, beam: Beam, length: usize, finish_reason: FinishReason) {
        let score = self.score(beam.sum, length);
        if self.complete.len() < self.num_beams {
            self.worst_score = self.worst_score.min(score);
        } else if score <= self.worst_score {
            return;
        }
        self.complete.push(Complete {
            score,
            beam,
            finish_reason,
        });
        if self.complete.len() > self.num_beams {
            // The first of the lowest goes.
            let lowest = (1..self.complete.len()).fold(0, |lowest, index| {
                if self.complete[index].score < self.complete[lowest].score {
                    index
                } else {
                    lowest
                }
            });
            self.complete.remove(lowest);
            let scores = self.complete.iter().map(|complete| complete.score);
            self.worst_score = scores.fold(f64::INFINITY, f64::min);
        }
    }
}

impl Rule for Transformers4 {
    fn select(&mut self, beams: &[Beam], candidates: &[Continuation]) -> Vec<Continuation> {
        let length = beams[0].ids.len();
        let mut going_on = Vec::with_capacity(self.num_beams);
        for (rank, next) in candidates.iter().enumerate() {
            if next.candidate.token != self.eos_token_id {
                going_on.push(*next);
            } else if rank < self.num_beams {
                let complete = beams[next.candidate.beam].extended(next);
                self.add(complete, length, FinishReason::EndToken);
            }
            if going_on.len() == self.num_beams {
                break;
            }
        }
        // The test takes the length before the step, and the best candidate even if it is an end token.
        if self.complete.len() == self.num_beams {
            let best = candidates
                .first()
                .map_or(f32::NEG_INFINITY, |next| next.candidate.score);
            self.done = self.early_stopping || self.worst_score >= self.score(best, length);
        }
        going_on
    }

    fn is_done(&mut self, _: &[Beam]) -> bool {
        self.done
    }

    fn finish(mut self: Box<Self>, open: &[Beam]) -> Vec<Hypothesis> {
        if !self.done {
            for beam in open {
                self.add(beam.clone(), beam.ids.len(), FinishReason::MaxLength);
            }
        }
        let mut complete = self.complete;
        // Among equals the last that came is the best.
        complete.reverse();
        complete.sort_by(|a, b| b.score.total_cmp(&a.score));
        complete
            .into_iter()
            .map(|text| text.beam.into_hypothesis(text.score as f32, text.finish_reason))
            .collect()
    }
}
