//! The loop that every search shares.

use blip_traits::{DecoderState, HiddenStates, Logits, ModelError, TextDecoder, TokenBatch};

use super::beam::BeamGroup;
use super::nucleus::Nucleus;
use super::row::RowGroup;
use super::{FinishReason, GenerationConfig, Hypothesis, Search};
use crate::TaskError;

/// A token that greedy search or sampling has just written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenEvent {
    /// The row of the context that the text is for.
    pub group: usize,
    /// Which of several texts for that row.
    pub copy: usize,
    /// The token.
    pub token_id: u32,
    /// Its log-probability under the decoder's own distribution.
    pub log_prob: f32,
    /// Set on the last token of a text.
    pub finish_reason: Option<FinishReason>,
}

/// Writes text for every row of a context, all of them side by side.
///
/// Gives for each row its texts: best first in beam search, in the order of the copies in sampling. A row gets exactly
/// what it would get alone. `observer` is told every token when it is written.
///
/// Fewer than `num_return_sequences` texts come back for a row only if the constraints rule out all others.
///
/// # Shapes
///
/// - context: `[groups, tokens, context_size]`
/// - prompt: the ids that every text begins with, first token (`[DEC]`) included
/// - output: `[groups][texts]`
///
/// # Errors
///
/// [`TaskError::Setting`] or [`TaskError::PromptTooLong`] for a configuration that makes no sense,
/// [`TaskError::StreamingBeams`] for an observer of beam search, [`TaskError::NoContinuation`] if the constraints leave
/// nothing to write, [`TaskError::NotFinite`] if the decoder's logits are no distribution, and [`TaskError::Model`] if
/// the decoder fails: among others with [`ModelError::TooLong`] where the text outgrows its positions.
pub fn generate<D: TextDecoder + ?Sized>(
    decoder: &D,
    context: &HiddenStates,
    prompt: &[u32],
    config: &GenerationConfig,
    observer: Option<&mut dyn FnMut(TokenEvent)>,
) -> Result<Vec<Vec<Hypothesis>>, TaskError> {
    config.check(decoder.vocab_size(), prompt)?;
    if let (Search::Beam(beam), true) = (&config.search, observer.is_some())
        && beam.num_beams > 1
    {
        return Err(TaskError::StreamingBeams {
            num_beams: beam.num_beams,
        });
    }
    let mut nobody = |_: TokenEvent| {};
    let observer = observer.unwrap_or(&mut nobody);
    let [groups, ..] = context.shape();
    if groups == 0 {
        return Ok(Vec::new());
    }
    let copies = config.copies();
    let mut searches: Vec<GroupSearch> = (0..groups)
        .map(|group| GroupSearch::new(group, config, prompt))
        .collect();
    let mut scratch = Scratch::default();
    let mut next_ids = vec![config.eos_token_id; groups * copies];
    let mut beam_idx: Vec<usize> = (0..groups * copies).collect();

    let mut state = decoder.start(context)?;
    let mut input_ids = TokenBatch::from_rows(&vec![prompt; groups], config.eos_token_id);
    let mut rows_of_group = 1;
    loop {
        let logits = step_last(decoder, &input_ids, &mut state)?;
        for (group, search) in searches.iter_mut().enumerate() {
            if !search.is_done() {
                let rows = group * copies..(group + 1) * copies;
                let mut step = Step {
                    logits: &logits,
                    group,
                    rows_of_group,
                    scratch: &mut scratch,
                    next_ids: &mut next_ids[rows.clone()],
                    beam_idx: &mut beam_idx[rows],
                    copies,
                };
                search.advance(&mut step, observer)?;
            }
        }
        if searches.iter().all(GroupSearch::is_done) {
            break;
        }
        if rows_of_group < copies {
            // The copies of a row are all alike, whichever they go on from.
            state.fan_out(copies);
            rows_of_group = copies;
        } else if beam_idx.iter().enumerate().any(|(row, &from)| row != from) {
            state.reorder(&beam_idx);
        }
        beam_idx
            .iter_mut()
            .enumerate()
            .for_each(|(row, from)| *from = row);
        input_ids = TokenBatch::column(&next_ids);
    }
    searches.into_iter().map(GroupSearch::into_hypotheses).collect()
}

/// What comes after the last token of each row, `[rows, 1, vocab_size]`.
pub(super) fn step_last<D: TextDecoder + ?Sized>(
    decoder: &D,
    input_ids: &TokenBatch,
    state: &mut D::State,
) -> Result<Logits, TaskError> {
    let logits = decoder.step_last(input_ids, state)?;
    checked(logits, [input_ids.shape()[0], 1, decoder.vocab_size()])
}

/// What comes after each token, `[rows, positions, vocab_size]`.
pub(super) fn step<D: TextDecoder + ?Sized>(
    decoder: &D,
    input_ids: &TokenBatch,
    state: &mut D::State,
) -> Result<Logits, TaskError> {
    let logits = decoder.step(input_ids, state)?;
    let [rows, positions] = input_ids.shape();
    checked(logits, [rows, positions, decoder.vocab_size()])
}

/// The answer may come from an engine that is not ours.
fn checked(logits: Logits, shape: [usize; 3]) -> Result<Logits, TaskError> {
    if logits.shape() != shape {
        let expected = format!("{shape:?}");
        return Err(ModelError::shape("logits", expected, &logits.shape()).into());
    }
    Ok(logits)
}

/// Room that every step and every row uses again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The row's scores under the processors, `[vocab]`.
    pub(super) scores: Vec<f32>,
    pub(super) nucleus: Nucleus,
}

/// One step, as one group sees it.
pub(super) struct Step<'a> {
    logits: &'a Logits,
    group: usize,
    /// 1 at the first step, when the group's rows are still one; `copies` after it.
    rows_of_group: usize,
    pub(super) scratch: &'a mut Scratch,
    /// The token that each row goes on with, `[copies]`.
    pub(super) next_ids: &'a mut [u32],
    /// The row that each row goes on from, `[copies]`, among the rows of all groups.
    beam_idx: &'a mut [usize],
    copies: usize,
}

impl<'a> Step<'a> {
    /// The logits after a row of the group, `[vocab]`.
    pub(super) fn logits(&self, row: usize) -> &'a [f32] {
        let row = if self.rows_of_group == 1 { 0 } else { row };
        self.logits.last(self.group * self.rows_of_group + row)
    }

    /// A row of the group goes on from another with a token.
    pub(super) fn go_on(&mut self, row: usize, from: usize, token: u32) {
        self.next_ids[row] = token;
        self.beam_idx[row] = self.group * self.copies + from;
    }
}

/// The search of one group.
#[derive(Debug)]
enum GroupSearch<'a> {
    Rows(RowGroup<'a>),
    Beams(BeamGroup<'a>),
}

impl<'a> GroupSearch<'a> {
    fn new(group: usize, config: &'a GenerationConfig, prompt: &[u32]) -> Self {
        match &config.search {
            Search::Beam(beam) if beam.num_beams > 1 => {
                Self::Beams(BeamGroup::new(group, config, beam, prompt))
            }
            _ => Self::Rows(RowGroup::new(group, config, prompt)),
        }
    }

    fn is_done(&self) -> bool {
        match self {
            Self::Rows(rows) => rows.is_done(),
            Self::Beams(beams) => beams.is_done(),
        }
    }

    fn advance(
        &mut self,
        step: &mut Step<'_>,
        observer: &mut dyn FnMut(TokenEvent),
    ) -> Result<(), TaskError> {
        match self {
            Self::Rows(rows) => rows.advance(step, observer),
            Self::Beams(beams) => beams.advance(step),
        }
    }

    fn into_hypotheses(self) -> Result<Vec<Hypothesis>, TaskError> {
        match self {
            Self::Rows(rows) => Ok(rows.into_hypotheses()),
            Self::Beams(beams) => beams.into_hypotheses(),
        }
    }
}
