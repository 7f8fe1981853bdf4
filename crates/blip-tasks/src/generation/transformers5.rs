//! The rules of transformers 5.
//!
//! Source: transformers 5.23.0 `generation/utils.py`: `_get_running_beams_for_next_iteration`,
//! `_update_finished_beams`, `_check_early_stop_heuristic`, `_beam_search_has_unfinished_sequences`. There a batch is one
//! tensor and goes on until no group can improve; a group that cannot is not changed by that, so here it stops.

use super::beam::{Beam, Continuation, Rule};
use super::{BeamSearch, EarlyStopping, FinishReason, GenerationConfig, Hypothesis};

#[derive(Debug)]
pub(super) struct Transformers5 {
    num_beams: usize,
    length_penalty: f64,
    early_stopping: EarlyStopping,
    eos_token_id: u32,
    max_length: usize,
    prompt_length: usize,
    /// Best first, among equals the first that came; at most `num_beams`.
    complete: Vec<Hypothesis>,
}

impl Transformers5 {
    pub(super) fn new(search: &BeamSearch, config: &GenerationConfig, prompt_length: usize) -> Self {
        Self {
            num_beams: search.num_beams,
            length_penalty: search.length_penalty,
            early_stopping: search.early_stopping,
            eos_token_id: config.eos_token_id,
            max_length: config.max_length,
            prompt_length,
            complete: Vec::new(),
        }
    }

    /// The score of a text of `length` tokens, of which the generated ones count; in f32, as on the reference's tensors.
    fn score(&self, sum: f32, length: usize) -> f32 {
        let generated = (length - self.prompt_length) as f64;
        sum / generated.powf(self.length_penalty) as f32
    }

    /// Keeps a complete text, end token included, if it is among the `num_beams` best.
    fn add(&mut self, beam: Beam, finish_reason: FinishReason) {
        let score = self.score(beam.sum, beam.ids.len());
        let place = self.complete.partition_point(|kept| kept.sequence_score >= score);
        if place < self.num_beams {
            self.complete.truncate(self.num_beams - 1);
            self.complete
                .insert(place, beam.into_hypothesis(score, finish_reason));
        }
    }
}

impl Rule for Transformers5 {
    fn select(&mut self, beams: &[Beam], candidates: &[Continuation]) -> Vec<Continuation> {
        let at_max_length = beams[0].ids.len() + 1 >= self.max_length;
        let mut going_on = Vec::with_capacity(self.num_beams);
        for (rank, next) in candidates.iter().enumerate() {
            let at_end = next.candidate.token == self.eos_token_id;
            if at_end || at_max_length {
                // What ends outside the best `num_beams` is dropped.
                if rank < self.num_beams {
                    let reason = if at_end {
                        FinishReason::EndToken
                    } else {
                        FinishReason::MaxLength
                    };
                    self.add(beams[next.candidate.beam].extended(next), reason);
                }
            } else if going_on.len() < self.num_beams {
                going_on.push(*next);
            }
        }
        going_on
    }

    fn is_done(&mut self, beams: &[Beam]) -> bool {
        let Some(best) = beams.first() else {
            return true;
        };
        if self.complete.len() < self.num_beams {
            return false;
        }
        let length = match self.early_stopping {
            EarlyStopping::WhenFull => return true,
            EarlyStopping::Never if self.length_penalty > 0.0 => self.max_length,
            EarlyStopping::Never | EarlyStopping::Heuristic => best.ids.len(),
        };
        let worst = self.complete.last().map(|kept| kept.sequence_score);
        worst.is_some_and(|worst| self.score(best.sum, length) <= worst)
    }

    fn finish(self: Box<Self>, _: &[Beam]) -> Vec<Hypothesis> {
        self.complete
    }
}
