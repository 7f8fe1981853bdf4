//! Beam search over a decoder that is no network of BLIP's.

use blip_tasks::{BeamSearch, BeamSemantics, GenerationConfig, Search, generate};
use blip_traits::{DecoderState, HiddenStates, Logits, ModelError, TextDecoder, TokenBatch};
use burn::tensor::{Device, Tensor};

/// After the token `n` comes most likely `n + 1`, and after 4 the end token 0.
struct Counter;

struct Rows {
    rows: usize,
    length: usize,
}

impl DecoderState for Rows {
    fn rows(&self) -> usize {
        self.rows
    }
    fn length(&self) -> usize {
        self.length
    }
    fn fan_out(&mut self, copies: usize) {
        self.rows *= copies;
    }
    fn reorder(&mut self, _beam_idx: &[usize]) {}
}

impl TextDecoder for Counter {
    type State = Rows;

    fn start(&self, context: &HiddenStates) -> Result<Rows, ModelError> {
        let [rows, ..] = context.shape();
        Ok(Rows { rows, length: 0 })
    }
    fn step(&self, input_ids: &TokenBatch, state: &mut Rows) -> Result<Logits, ModelError> {
        let [rows, positions] = input_ids.shape();
        state.length += positions;
        let mut logits = vec![0.0; rows * positions * 5];
        for (position, &id) in input_ids.input_ids().iter().enumerate() {
            logits[position * 5 + (id as usize + 1) % 5] = 3.0;
        }
        Logits::new(logits, [rows, positions, 5])
    }
    fn context_size(&self) -> usize {
        1
    }
    fn vocab_size(&self) -> usize {
        5
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = HiddenStates::new(Tensor::zeros([1, 1, 1], &Device::flex()));
    let config = GenerationConfig {
        search: Search::Beam(BeamSearch::new(3, BeamSemantics::Transformers5)),
        eos_token_id: 0,
        ..GenerationConfig::default()
    };
    println!("{:?}", generate(&Counter, &context, &[1], &config, None)?[0][0].token_ids);
    Ok(())
}
