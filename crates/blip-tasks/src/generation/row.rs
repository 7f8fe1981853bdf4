//! Greedy search and sampling: rows that go on each on their own.

use super::processor::Processors;
use super::random::RandomStream;
use super::run::{Step, TokenEvent};
use super::softmax::LogSumExp;
use super::{FinishReason, GenerationConfig, Hypothesis, Search};
use crate::TaskError;

/// The rows of one group.
#[derive(Debug)]
pub(super) struct RowGroup<'a> {
    group: usize,
    config: &'a GenerationConfig,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    ids: Vec<u32>,
    log_probs: Vec<f32>,
    finish_reason: Option<FinishReason>,
    random: RandomStream,
}

impl<'a> RowGroup<'a> {
    pub(super) fn new(group: usize, config: &'a GenerationConfig, prompt: &[u32]) -> Self {
        let seed = match &config.search {
            Search::Sample(sampling) => sampling.seed,
            _ => 0,
        };
        let rows = (0..config.copies())
            .map(|copy| Row {
                ids: prompt.to_vec(),
                log_probs: Vec::new(),
                finish_reason: None,
                random: RandomStream::new(seed, copy),
            })
            .collect();
        Self { group, config, rows }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rows.iter().all(|row| row.finish_reason.is_some())
    }

    /// Writes one token to every row that is not finished.
    pub(super) fn advance(
        &mut self,
        step: &mut Step<'_>,
        observer: &mut dyn FnMut(TokenEvent),
    ) -> Result<(), TaskError> {
        let config = self.config;
        for (copy, row) in self.rows.iter_mut().enumerate() {
            if row.finish_reason.is_some() {
                continue;
            }
            let logits = step.logits(copy);
            let (group, length) = (self.group, row.ids.len());
            let norm = LogSumExp::of(logits).ok_or(TaskError::NotFinite { group, length })?;
            step.scratch.scores.clear();
            step.scratch.scores.extend_from_slice(logits);
            let scores = &mut step.scratch.scores;
            Processors::new(config).apply(&row.ids, scores);
            let token = match &config.search {
                Search::Sample(sampling) => {
                    step.scratch.nucleus.draw(scores, sampling, row.random.next_f64())
                }
                _ => most_likely(scores),
            };
            let token_id = token.ok_or(TaskError::NoContinuation { group, length })?;
            let log_prob = norm.log_prob(logits[token_id as usize]);
            row.ids.push(token_id);
            row.log_probs.push(log_prob);
            row.finish_reason = if token_id == config.eos_token_id {
                Some(FinishReason::EndToken)
            } else if row.ids.len() >= config.max_length {
                Some(FinishReason::MaxLength)
            } else {
                None
            };
            step.next_ids[copy] = token_id;
            observer(TokenEvent {
                group,
                copy,
                token_id,
                log_prob,
                finish_reason: row.finish_reason,
            });
        }
        Ok(())
    }

    pub(super) fn into_hypotheses(self) -> Vec<Hypothesis> {
        self.rows
            .into_iter()
            .map(|row| {
                let sum = row.log_probs.iter().sum();
                Hypothesis {
                    token_ids: row.ids,
                    token_log_probs: row.log_probs,
                    sequence_score: sum,
                    sum_log_probs: sum,
                    finish_reason: row.finish_reason.unwrap_or(FinishReason::MaxLength),
                }
            })
            .collect()
    }
}

/// The largest score's token, the lowest among equals, or none if every score is −∞.
fn most_likely(scores: &[f32]) -> Option<u32> {
    let mut best = (None, f32::NEG_INFINITY);
    for (token, &score) in scores.iter().enumerate() {
        if score > best.1 {
            best = (Some(token as u32), score);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_equals_is_the_most_likely() {
        assert_eq!(most_likely(&[-1.0, 3.0, 3.0]), Some(1));
        assert_eq!(most_likely(&[f32::NEG_INFINITY; 2]), None);
    }
}
