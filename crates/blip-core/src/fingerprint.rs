//! Which model made a gallery's vectors.

use std::hash::Hasher;

use blip_processor::{ImageLimits, ImageProcessorConfig};
use blip_tasks::TextPolicy;
use blip_traits::{ModelError, Tokenizer};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::{Error, TextEncoder, VisionTransformer};

/// Values that are read of each parameter, spread evenly: whoever trains a network changes nearly all of them.
const VALUES: usize = 64;

/// A text whose ids tell vocabularies apart.
const PROBE: &str = "A photo of two dogs, one red boat & an umbrella's shadow on the river in 2022!";

/// Tells models apart by all that decides their vectors: parameters of both encoders and projections, how pictures are
/// preprocessed, and how texts are tokenized and cut.
///
/// Not cryptographic: it guards against mistakes.
pub(crate) fn fingerprint(
    image_encoder: &VisionTransformer,
    text_encoder: &TextEncoder,
    projections: &[&blip_nn::Linear],
    pictures: &ImageProcessorConfig,
    tokenizer: &dyn Tokenizer,
    policy: &TextPolicy,
) -> Result<[u8; 32], Error> {
    let mut mixer = Mixer::default();
    mixer.write_usize(image_encoder.num_attention_heads());
    mixer.write_u64(image_encoder.layer_norm_eps().to_bits());
    mixer.write_usize(text_encoder.num_attention_heads());
    mixer.write_u64(text_encoder.layer_norm_eps().to_bits());
    let pictures = ImageProcessorConfig {
        // They say what is refused, not what becomes of the rest.
        limits: ImageLimits::default(),
        ..pictures.clone()
    };
    mixer.write(format!("{pictures:?}").as_bytes());
    mixer.write_usize(policy.matching_max_length.unwrap_or(usize::MAX));
    for id in tokenizer.encode(PROBE, None)? {
        mixer.write_u64(u64::from(id));
    }
    let mut walk = Walk { mixer, error: None };
    image_encoder.visit(&mut walk);
    text_encoder.visit(&mut walk);
    for projection in projections {
        projection.visit(&mut walk);
    }
    match walk.error {
        Some(error) => Err(error.into()),
        None => Ok(walk.mixer.bytes()),
    }
}

/// Four FNV-1a hashes side by side, each over every fourth number.
struct Mixer {
    lanes: [u64; 4],
    turn: usize,
}

impl Default for Mixer {
    fn default() -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        Self {
            lanes: [0, 1, 2, 3].map(|lane: u64| OFFSET ^ lane),
            turn: 0,
        }
    }
}

impl Mixer {
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (part, lane) in bytes.chunks_exact_mut(8).zip(self.lanes) {
            part.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let lane = &mut self.lanes[self.turn % 4];
        *lane = (*lane ^ number).wrapping_mul(PRIME);
        *lane ^= *lane >> 29;
        self.turn += 1;
    }

    fn finish(&self) -> u64 {
        self.lanes[0]
    }
}

struct Walk {
    mixer: Mixer,
    error: Option<ModelError>,
}

impl ModuleVisitor for Walk {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let elements = tensor.shape().num_elements();
        let (rows, columns) = (elements.min(VALUES), (elements / VALUES).max(1));
        let spread = tensor
            .reshape([elements])
            .narrow(0, 0, rows * columns)
            .reshape([rows, columns])
            .narrow(1, columns / 2, 1);
        self.mixer.write_usize(elements);
        match spread.try_into_vec_as::<f32>() {
            Ok(values) => values
                .iter()
                .for_each(|value| self.mixer.write_u64(u64::from(value.to_bits()))),
            Err(error) => self.error = Some(ModelError::Device(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_its_place_count() {
        let bytes = |numbers: &[u64]| {
            let mut mixer = Mixer::default();
            numbers.iter().for_each(|&number| mixer.write_u64(number));
            mixer.bytes()
        };
        let all = [
            bytes(&[1, 2, 3, 4, 5]),
            bytes(&[1, 2, 3, 5, 4]),
            bytes(&[5, 2, 3, 4, 1]),
            bytes(&[1, 2, 3, 4]),
            bytes(&[1, 2, 3, 4, 6]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one));
        }
        assert_eq!(all[0], bytes(&[1, 2, 3, 4, 5]));
    }
}
