//! A decoder that says what a test tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use blip_traits::{DecoderState, HiddenStates, Logits, ModelError, TextDecoder, TokenBatch};
use burn::tensor::{Device, Tensor, TensorData};

type Script = dyn Fn(u32, &[u32]) -> Vec<f32> + Send + Sync;

/// A context for [`ScriptedDecoder`]: one group for each id.
///
/// # Shapes
///
/// - output: `[ids, 1, 1]`, the ids themselves
pub fn context(ids: &[u32], device: &Device) -> HiddenStates {
    let values: Vec<f32> = ids.iter().map(|&id| id as f32).collect();
    HiddenStates::new(Tensor::from_data(
        TensorData::new(values, [ids.len(), 1, 1]),
        device,
    ))
}

/// A [`TextDecoder`] whose next-token logits are a function of the group's context id and the row's tokens so far.
///
/// The context id is the first number of the group's first vector, see [`context`].
pub struct ScriptedDecoder {
    script: Box<Script>,
    vocab_size: usize,
    context_size: usize,
    positions: usize,
    calls: Arc<Calls>,
}

/// How often a decoder and its states were called.
#[derive(Debug, Default)]
struct Calls {
    steps: AtomicUsize,
    fan_outs: AtomicUsize,
    reorders: AtomicUsize,
}

impl ScriptedDecoder {
    /// A decoder of `vocab_size` ids that follows `script(context id, token prefix)`.
    pub fn new(vocab_size: usize, script: impl Fn(u32, &[u32]) -> Vec<f32> + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            vocab_size,
            context_size: 1,
            positions: 512,
            calls: Arc::default(),
        }
    }

    /// A decoder that looks the prefix up in a table, whatever the context, and gives `otherwise` for any other prefix.
    pub fn from_table(rows: &[(&[u32], &[f32])], otherwise: &[f32]) -> Self {
        let rows: Vec<(Vec<u32>, Vec<f32>)> = rows
            .iter()
            .map(|(prefix, logits)| (prefix.to_vec(), logits.to_vec()))
            .collect();
        let otherwise = otherwise.to_vec();
        Self::new(otherwise.len(), move |_, prefix| {
            let row = rows.iter().find(|(known, _)| known == prefix);
            row.map_or_else(|| otherwise.clone(), |(_, logits)| logits.clone())
        })
    }

    /// The same decoder for vectors of another width.
    pub fn with_context_size(mut self, context_size: usize) -> Self {
        self.context_size = context_size;
        self
    }

    /// The same decoder with another number of positions (512 otherwise).
    pub fn with_positions(mut self, positions: usize) -> Self {
        self.positions = positions;
        self
    }

    /// How often [`TextDecoder::step`] was called.
    pub fn steps(&self) -> usize {
        self.calls.steps.load(Ordering::Relaxed)
    }

    /// How often [`DecoderState::fan_out`] was called on its states.
    pub fn fan_outs(&self) -> usize {
        self.calls.fan_outs.load(Ordering::Relaxed)
    }

    /// How often [`DecoderState::reorder`] was called on its states.
    pub fn reorders(&self) -> usize {
        self.calls.reorders.load(Ordering::Relaxed)
    }
}

impl TextDecoder for ScriptedDecoder {
    type State = ScriptedState;

    fn start(&self, context: &HiddenStates) -> Result<Self::State, ModelError> {
        let [groups, tokens, width] = context.shape();
        if width != self.context_size {
            let expected = format!("[groups, tokens, {}]", self.context_size);
            return Err(ModelError::shape("context", expected, &context.shape()));
        }
        let data = context.states().clone().into_data();
        let values: Vec<f32> = data.try_to_vec().map_err(ModelError::foreign)?;
        Ok(ScriptedState {
            contexts: values
                .chunks(tokens * width)
                .map(|group| group[0] as u32)
                .collect(),
            rows: vec![Vec::new(); groups],
            calls: Arc::clone(&self.calls),
        })
    }

    fn step(&self, input_ids: &TokenBatch, state: &mut Self::State) -> Result<Logits, ModelError> {
        let [rows, positions] = input_ids.shape();
        if rows != state.rows() {
            let expected = format!("[{}, positions]", state.rows());
            return Err(ModelError::shape("input_ids", expected, &[rows, positions]));
        }
        let length = state.length() + positions;
        if length > self.positions {
            return Err(ModelError::TooLong {
                name: "input_ids",
                length,
                limit: self.positions,
            });
        }
        let vocab_size = self.vocab_size;
        if let Some(&id) = input_ids
            .input_ids()
            .iter()
            .find(|&&id| id as usize >= vocab_size)
        {
            return Err(ModelError::Token { id, vocab_size });
        }
        self.calls.steps.fetch_add(1, Ordering::Relaxed);
        let copies = state.copies();
        let mut data = Vec::with_capacity(rows * positions * vocab_size);
        for row in 0..rows {
            for &id in input_ids.row(row) {
                state.rows[row].push(id);
                let logits = (self.script)(state.contexts[row / copies], &state.rows[row]);
                assert_eq!(
                    logits.len(),
                    vocab_size,
                    "the script gave logits for another vocabulary"
                );
                data.extend(logits);
            }
        }
        Logits::new(data, [rows, positions, vocab_size])
    }

    fn context_size(&self) -> usize {
        self.context_size
    }

    fn vocab_size(&self) -> usize {
        self.vocab_size
    }
}

/// What [`ScriptedDecoder`] keeps of a request: the tokens of every row.
#[derive(Clone, Debug)]
pub struct ScriptedState {
    contexts: Vec<u32>,
    rows: Vec<Vec<u32>>,
    calls: Arc<Calls>,
}

impl ScriptedState {
    /// The tokens written to a row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.rows[row]
    }

    /// The rows of one group.
    fn copies(&self) -> usize {
        (self.rows.len() / self.contexts.len().max(1)).max(1)
    }
}

impl DecoderState for ScriptedState {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn length(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    fn fan_out(&mut self, copies: usize) {
        self.calls.fan_outs.fetch_add(1, Ordering::Relaxed);
        self.rows = self
            .rows
            .iter()
            .flat_map(|row| std::iter::repeat_n(row.clone(), copies))
            .collect();
    }

    fn reorder(&mut self, beam_idx: &[usize]) {
        self.calls.reorders.fetch_add(1, Ordering::Relaxed);
        let copies = self.copies();
        assert_eq!(
            beam_idx.len(),
            self.rows.len(),
            "beam_idx needs one index for each row"
        );
        for (row, &from) in beam_idx.iter().enumerate() {
            assert_eq!(
                row / copies,
                from / copies,
                "row {row} may not go on from row {from} of another group"
            );
        }
        self.rows = beam_idx.iter().map(|&from| self.rows[from].clone()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> ScriptedDecoder {
        ScriptedDecoder::new(4, |context, prefix| {
            vec![context as f32, prefix.len() as f32, prefix[0] as f32, 0.0]
        })
    }

    #[test]
    fn rows_fan_out_and_reorder_within_their_group() {
        let decoder = counting();
        let mut state = decoder.start(&context(&[5, 7], &Device::default())).unwrap();
        decoder
            .step(&TokenBatch::from_rows(&[[1, 2], [1, 3]], 0), &mut state)
            .unwrap();
        state.fan_out(2);
        let logits = decoder
            .step(&TokenBatch::column(&[0, 1, 2, 3]), &mut state)
            .unwrap();
        assert_eq!(logits.last(1), [5.0, 3.0, 1.0, 0.0]);
        assert_eq!(logits.last(2), [7.0, 3.0, 1.0, 0.0]);
        state.reorder(&[1, 1, 2, 2]);
        assert_eq!(state.row(0), [1, 2, 1]);
        assert_eq!(state.row(3), [1, 3, 2]);
        assert_eq!((state.rows(), state.length()), (4, 3));
        assert_eq!(
            (decoder.steps(), decoder.fan_outs(), decoder.reorders()),
            (2, 1, 1)
        );
    }

    #[test]
    #[should_panic(expected = "row 0 may not go on from row 1 of another group")]
    fn an_index_may_not_leave_its_group() {
        let mut state = counting().start(&context(&[5, 7], &Device::default())).unwrap();
        state.reorder(&[1, 0]);
    }

    #[test]
    fn bad_input_is_an_error() {
        let decoder = counting().with_positions(2);
        let mut state = decoder.start(&context(&[5], &Device::default())).unwrap();
        for (batch, message) in [
            (TokenBatch::column(&[1, 1]), "expected [1, positions], got [2, 1]"),
            (TokenBatch::column(&[4]), "token id 4"),
            (TokenBatch::from_rows(&[[1, 1, 1]], 0), "3 tokens do not fit"),
        ] {
            let error = decoder.step(&batch, &mut state).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert_eq!(state.length(), 0);
    }
}
