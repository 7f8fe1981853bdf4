//! The toy model of the goldens, see `tests/goldens/toy_model.py`.

use blip_testkit::{ScriptedDecoder, context, hashed_logits};
use blip_traits::HiddenStates;

pub(crate) const VOCAB_SIZE: usize = 24;
pub(crate) const EOS: u32 = 2;

/// Logits by hashing; the end token stands 1.5 higher.
pub(crate) fn logits(seed: u64, context: u32, prefix: &[u32]) -> Vec<f32> {
    let mut row = hashed_logits(seed, context, prefix, VOCAB_SIZE);
    row[EOS as usize] += 1.5;
    row
}

pub(crate) fn decoder(seed: u64) -> ScriptedDecoder {
    ScriptedDecoder::new(VOCAB_SIZE, move |context, prefix| logits(seed, context, prefix))
}

pub(crate) fn groups(ids: &[u32]) -> HiddenStates {
    context(ids, &Default::default())
}

/// log-softmax in f64.
pub(crate) fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    logits.iter().map(|&logit| f64::from(logit) - sum.ln()).collect()
}
