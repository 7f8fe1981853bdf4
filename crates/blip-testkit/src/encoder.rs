//! A text encoder and a head that say what a test tells them to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use blip_traits::{
    Features, GroundedEncoder, Head, HiddenStates, ModelError, PairEncoder, TextEncoder, TokenBatch,
};
use burn::tensor::{Device, Tensor, TensorData};

/// The vector of every token of a text, from the pictures that it looks at (their first numbers) and its real ids.
type Script = dyn Fn(&[u32], &[u32]) -> Vec<f32> + Send + Sync;

/// An encoder of text whose hidden states are a function of the pictures' ids and the text's ids without padding.
///
/// It is a [`TextEncoder`] (no picture), a [`GroundedEncoder`] (one) and a [`PairEncoder`] (two). A picture's id is the
/// first number of its first vector, as [`ScriptedImageEncoder`](crate::ScriptedImageEncoder) gives it.
#[derive(Clone)]
pub struct ScriptedEncoder {
    script: Arc<Script>,
    context_size: usize,
    hidden_size: usize,
    device: Device,
    grounded: Arc<AtomicUsize>,
}

impl ScriptedEncoder {
    /// An encoder that looks at vectors of `context_size` and gives vectors of `hidden_size`, those of
    /// `script(pictures, ids)` for every token.
    pub fn new(
        context_size: usize,
        hidden_size: usize,
        device: &Device,
        script: impl Fn(&[u32], &[u32]) -> Vec<f32> + Send + Sync + 'static,
    ) -> Self {
        Self {
            script: Arc::new(script),
            context_size,
            hidden_size,
            device: device.clone(),
            grounded: Arc::default(),
        }
    }

    /// How often [`GroundedEncoder::ground`] was called.
    pub fn grounded(&self) -> usize {
        self.grounded.load(Ordering::Relaxed)
    }

    fn states(
        &self,
        text: &TokenBatch,
        pictures: impl Fn(usize) -> Vec<u32>,
    ) -> Result<HiddenStates, ModelError> {
        let [rows, length] = text.shape();
        let mask = text.attention_mask();
        let values: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let real = mask.row(row).iter().filter(|&&real| real).count();
                let vector = (self.script)(&pictures(row), &text.row(row)[..real]);
                assert_eq!(
                    vector.len(),
                    self.hidden_size,
                    "the script gives vectors of another size"
                );
                vector.repeat(length)
            })
            .collect();
        let data = TensorData::new(values, [rows, length, self.hidden_size]);
        HiddenStates::with_mask(Tensor::from_data(data, &self.device), mask.clone())
    }
}

/// The ids of some pictures.
fn ids(images: &HiddenStates) -> Result<Vec<u32>, ModelError> {
    let features = images.read()?;
    let [count, ..] = features.shape();
    Ok((0..count).map(|image| features.at(image, 0)[0] as u32).collect())
}

impl TextEncoder for ScriptedEncoder {
    fn encode(&self, text: &TokenBatch) -> Result<HiddenStates, ModelError> {
        self.states(text, |_| Vec::new())
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}

impl GroundedEncoder for ScriptedEncoder {
    type Context = Vec<u32>;

    fn ground(&self, image: &HiddenStates) -> Result<Vec<u32>, ModelError> {
        self.grounded.fetch_add(1, Ordering::Relaxed);
        ids(image)
    }

    fn encode(&self, text: &TokenBatch, context: &Vec<u32>) -> Result<HiddenStates, ModelError> {
        let per_picture = text.shape()[0] / context.len();
        self.states(text, |row| vec![context[row / per_picture]])
    }

    fn context_size(&self) -> usize {
        self.context_size
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}

impl PairEncoder for ScriptedEncoder {
    fn encode(
        &self,
        text: &TokenBatch,
        first: &HiddenStates,
        second: &HiddenStates,
    ) -> Result<HiddenStates, ModelError> {
        let (first, second) = (ids(first)?, ids(second)?);
        self.states(text, |row| vec![first[row], second[row]])
    }

    fn context_size(&self) -> usize {
        self.context_size
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }
}

/// A token's scores from its vector.
type HeadScript = dyn Fn(&[f32]) -> Vec<f32> + Send + Sync;

/// A [`Head`] that is a function of a token's vector.
#[derive(Clone)]
pub struct ScriptedHead {
    script: Arc<HeadScript>,
    hidden_size: usize,
    output_size: usize,
}

impl ScriptedHead {
    /// A head from vectors of `hidden_size` to `output_size` scores.
    pub fn new(
        hidden_size: usize,
        output_size: usize,
        script: impl Fn(&[f32]) -> Vec<f32> + Send + Sync + 'static,
    ) -> Self {
        Self {
            script: Arc::new(script),
            hidden_size,
            output_size,
        }
    }
}

impl Head for ScriptedHead {
    fn apply(&self, states: &HiddenStates) -> Result<Features, ModelError> {
        let states = states.read()?;
        let [batch, tokens, _] = states.shape();
        let values = (0..batch).flat_map(|row| (0..tokens).map(move |token| (row, token)));
        let values = values.flat_map(|(row, token)| (self.script)(states.at(row, token)));
        Features::new(values.collect(), [batch, tokens, self.output_size])
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn output_size(&self) -> usize {
        self.output_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context;

    #[test]
    fn a_text_sees_its_pictures_and_not_its_padding() {
        let device = Device::default();
        let encoder = ScriptedEncoder::new(1, 2, &device, |pictures, ids| {
            vec![pictures.iter().sum::<u32>() as f32, ids.len() as f32]
        });
        let text = TokenBatch::from_rows(&[vec![3, 7, 2], vec![3, 2]], 0);
        let read = |states: HiddenStates| states.read().unwrap().at(1, 0).to_vec();
        assert_eq!(read(TextEncoder::encode(&encoder, &text).unwrap()), [0.0, 2.0]);
        let images = context(&[5, 9], &device);
        let grounded = encoder.ground(&images).unwrap();
        let states = GroundedEncoder::encode(&encoder, &text, &grounded).unwrap();
        assert_eq!(read(states), [9.0, 2.0]);
        let states = PairEncoder::encode(&encoder, &text, &images, &images).unwrap();
        assert_eq!(read(states), [18.0, 2.0]);
        assert_eq!(encoder.grounded(), 1);
        let head = ScriptedHead::new(1, 2, |vector| vec![vector[0], -vector[0]]);
        assert_eq!(head.apply(&images).unwrap().at(1, 0), [9.0, -9.0]);
    }
}
