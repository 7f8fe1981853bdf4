//! A checkpoint as the layers read it that pack their weights.

use std::ops::Range;

use blip_nn::{WeightOutputs, WeightSource};
use blip_weights::{PromisedOutputs, Promises};
use burn::module::ParamId;

/// Weights that are packed as they are read.
#[derive(Debug)]
pub(crate) struct StoredWeights<'a>(pub(crate) &'a Promises);

impl WeightSource for StoredWeights<'_> {
    fn open(&self, parameter: ParamId) -> Option<Box<dyn WeightOutputs + '_>> {
        Some(Box::new(StoredOutputs(self.0.open(parameter)?)))
    }
}

struct StoredOutputs<'a>(PromisedOutputs<'a>);

impl WeightOutputs for StoredOutputs<'_> {
    fn read(&self, outputs: Range<usize>, values: &mut [f32]) -> Option<()> {
        self.0.read(outputs, values)
    }
}
