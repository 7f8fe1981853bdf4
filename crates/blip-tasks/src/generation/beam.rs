//! Beam search: the steps that both references share.
//!
//! ```text
//! beams [num_beams] ─ log-softmax, processors, + the beam's sum ─▶ scores [num_beams · vocab]
//!   ─ best 2 · num_beams ─▶ candidates ─ Rule ─┬▶ open beams [num_beams] of the next step
//!                                              └▶ complete texts, at most num_beams
//! ```
//!
//! At the start a group has one beam; the references give it `num_beams` and put all but one at −10⁹, which is the same
//! but for vocabularies of fewer than `2 · num_beams` tokens, where they then keep such placeholders.

use super::candidate::{Candidate, TopCandidates};
use super::processor::Processors;
use super::run::Step;
use super::softmax::LogSumExp;
use super::transformers4::Transformers4;
use super::transformers5::Transformers5;
use super::{BeamSearch, BeamSemantics, FinishReason, GenerationConfig, Hypothesis};
use crate::TaskError;

/// A partial text.
#[derive(Clone, Debug)]
pub(super) struct Beam {
    pub(super) ids: Vec<u32>,
    pub(super) log_probs: Vec<f32>,
    /// The sum of the processed log-probabilities.
    pub(super) sum: f32,
    /// The beam of the step before that it goes on from.
    parent: usize,
}

impl Beam {
    /// This beam with one more token.
    pub(super) fn extended(&self, next: &Continuation) -> Self {
        let mut beam = self.clone();
        beam.ids.push(next.candidate.token);
        beam.log_probs.push(next.log_prob);
        beam.sum = next.candidate.score;
        beam.parent = next.candidate.beam;
        beam
    }

    /// This beam as a complete text.
    pub(super) fn into_hypothesis(self, sequence_score: f32, finish_reason: FinishReason) -> Hypothesis {
        Hypothesis {
            token_ids: self.ids,
            token_log_probs: self.log_probs,
            sequence_score,
            sum_log_probs: self.sum,
            finish_reason,
        }
    }
}

/// A candidate, with its token's log-probability under the decoder's own distribution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Continuation {
    pub(super) candidate: Candidate,
    pub(super) log_prob: f32,
}

/// What the references do differently: which candidates complete a text, what it scores, and when a group is done.
pub(super) trait Rule: std::fmt::Debug {
    /// Takes a step's candidates, best first, for beams of equal length; gives those that go on, best first, at most
    /// `num_beams`.
    fn select(&mut self, beams: &[Beam], candidates: &[Continuation]) -> Vec<Continuation>;

    /// Whether nothing better can come, asked after each `select` with the beams that go on.
    fn is_done(&mut self, beams: &[Beam]) -> bool;

    /// The complete texts, best first, given the beams that were open at the end.
    fn finish(self: Box<Self>, open: &[Beam]) -> Vec<Hypothesis>;
}

/// The beams of one group.
#[derive(Debug)]
pub(super) struct BeamGroup<'a> {
    group: usize,
    config: &'a GenerationConfig,
    beams: Vec<Beam>,
    rule: Box<dyn Rule>,
    top: TopCandidates,
    length: usize,
    done: bool,
}

impl<'a> BeamGroup<'a> {
    pub(super) fn new(
        group: usize,
        config: &'a GenerationConfig,
        search: &BeamSearch,
        prompt: &[u32],
    ) -> Self {
        let beam = Beam {
            ids: prompt.to_vec(),
            log_probs: Vec::new(),
            sum: 0.0,
            parent: 0,
        };
        let rule: Box<dyn Rule> = match search.semantics {
            BeamSemantics::Transformers4_15 => Box::new(Transformers4::new(search, config.eos_token_id)),
            BeamSemantics::Transformers5 => Box::new(Transformers5::new(search, config, prompt.len())),
        };
        Self {
            group,
            config,
            beams: vec![beam],
            rule,
            top: TopCandidates::new(2 * search.num_beams),
            length: prompt.len(),
            done: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Puts one more token to every open beam.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) -> Result<(), TaskError> {
        let (group, length) = (self.group, self.length);
        let mut norms = Vec::with_capacity(self.beams.len());
        self.top.clear();
        for (row, beam) in self.beams.iter().enumerate() {
            let logits = step.logits(row);
            let norm = LogSumExp::of(logits).ok_or(TaskError::NotFinite { group, length })?;
            let scores = &mut step.scratch.scores;
            scores.clear();
            scores.extend(logits.iter().map(|&logit| norm.log_prob(logit)));
            Processors::new(self.config).apply(&beam.ids, scores);
            self.top.offer(row, beam.sum, scores);
            norms.push(norm);
        }
        let candidates: Vec<Continuation> = self
            .top
            .as_slice()
            .iter()
            .map(|&candidate| Continuation {
                candidate,
                log_prob: norms[candidate.beam]
                    .log_prob(step.logits(candidate.beam)[candidate.token as usize]),
            })
            .collect();
        let going_on = self.rule.select(&self.beams, &candidates);
        self.beams = going_on
            .iter()
            .map(|next| self.beams[next.candidate.beam].extended(next))
            .collect();
        // The beams may have run out: at `max_length`, or where the constraints leave nothing.
        self.length += usize::from(!self.beams.is_empty());
        self.done =
            self.rule.is_done(&self.beams) || self.beams.is_empty() || self.length >= self.config.max_length;
        for (row, beam) in self.beams.iter().enumerate() {
            step.go_on(row, beam.parent, beam.ids[length]);
        }
        Ok(())
    }

    /// The best texts, best first.
    pub(super) fn into_hypotheses(self) -> Result<Vec<Hypothesis>, TaskError> {
        let mut hypotheses = self.rule.finish(&self.beams);
        hypotheses.truncate(self.config.num_return_sequences);
        if hypotheses.is_empty() {
            return Err(TaskError::NoContinuation {
                group: self.group,
                length: self.length,
            });
        }
        Ok(hypotheses)
    }
}
