//! Weights from a seed, for tests, benchmarks and tries without a checkpoint.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

/// Fills a module with weights from a seed.
///
/// Matrices and tables are drawn with a standard deviation of 0.02, as both references start theirs; biases likewise,
/// and LayerNorm weights around 1, so that no parameter is one that a mistake could leave out unnoticed. A parameter's
/// values depend on the seed and its path in the module alone, not on the machine or on the checkpoint's layout.
pub fn seeded<M: Module>(module: M, seed: u64) -> M {
    module.map(&mut Filler {
        seed,
        path: Vec::new(),
        norm: false,
    })
}

struct Filler {
    seed: u64,
    path: Vec<String>,
    norm: bool,
}

impl ModuleMapper for Filler {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_owned());
        self.norm = container_type.ends_with("LayerNorm");
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (shape, device) = (param.lazy_shape(), param.lazy_device());
        let is_scale = self.norm && self.path.last().is_some_and(|name| name == "weight");
        let mean = if is_scale { 1.0 } else { 0.0 };
        let mut state = self.path.iter().flat_map(|name| name.bytes().chain([b'.'])).fold(
            self.seed ^ 0xcbf2_9ce4_8422_2325,
            // FNV-1a over the path.
            |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3),
        );
        let values: Vec<f32> = (0..shape.num_elements())
            .map(|_| mean + 0.02 * normal(&mut state))
            .collect();
        Param::initialized(
            param.id,
            Tensor::from_data(TensorData::new(values, shape), &device),
        )
    }
}

/// A nearly normal number of mean 0 and deviation 1: four uniform ones added up, in whole numbers, so that every
/// machine draws the same.
fn normal(state: &mut u64) -> f32 {
    // SplitMix64.
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let sum: i32 = (0..4)
        .map(|part| (bits >> (16 * part)) as u16)
        .map(i32::from)
        .sum();
    // Mean 4 * 32767.5; each part has the variance 65536² / 12.
    const SCALE: f32 = 1.0 / 37837.227;
    (sum - 131_070) as f32 * SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_nearly_normal() {
        let mut state = 7;
        let draws: Vec<f32> = (0..100_000).map(|_| normal(&mut state)).collect();
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02,
            "{mean} {variance}"
        );
    }
}
