//! The whole encoder.

use blip_nn::{LayerNorm, Packing, is_packable, on_workers};
use blip_traits::{HiddenStates, ImageEncoder, ModelError, PixelValues};
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::grid;
use crate::{Block, PatchEmbed, VitConfig, VitError, interpolate_pos_embed};

/// Where the parameters stand in Hugging Face's checkpoints: `(here, there)`, `*` a block's index.
///
/// The original's checkpoints have the names used here.
pub const HUGGING_FACE_KEYS: &[(&str, &str)] = &[
    ("cls_token", "embeddings.class_embedding"),
    ("pos_embed", "embeddings.position_embedding"),
    ("patch_embed.proj", "embeddings.patch_embedding"),
    ("blocks.*.norm1", "encoder.layers.*.layer_norm1"),
    ("blocks.*.attn.qkv", "encoder.layers.*.self_attn.qkv"),
    ("blocks.*.attn.proj", "encoder.layers.*.self_attn.projection"),
    ("blocks.*.norm2", "encoder.layers.*.layer_norm2"),
    ("blocks.*.mlp", "encoder.layers.*.mlp"),
    ("norm", "post_layernorm"),
];

/// BLIP's image encoder.
#[doc(alias = "BlipVisionModel")]
#[derive(Module, Debug)]
pub struct VisionTransformer {
    patch_embed: PatchEmbed,
    cls_token: Param<Tensor<3>>,
    pos_embed: Param<Tensor<3>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    patch_size: usize,
    image_size: [usize; 2],
}

impl VisionTransformer {
    /// An encoder with fresh weights, which stay unallocated until they are read or replaced.
    ///
    /// # Errors
    ///
    /// [`VitError`] if the configuration describes no Vision Transformer.
    pub fn new(config: &VitConfig, device: &Device) -> Result<Self, VitError> {
        config.check()?;
        let width = config.hidden_size;
        let [rows, columns] = config.grid([config.image_size; 2])?;
        let normal = Initializer::Normal { mean: 0.0, std: 0.02 };
        Ok(Self {
            patch_embed: PatchEmbed::new(config, device),
            cls_token: normal.init([1, 1, width], device),
            pos_embed: normal.init([1, 1 + rows * columns, width], device),
            blocks: (0..config.num_hidden_layers)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: LayerNorm::new(width, config.layer_norm_eps, device),
            patch_size: config.patch_size,
            image_size: [config.image_size; 2],
        })
    }

    /// The same encoder for pictures of another size, square or not: the position table is interpolated as both
    /// references do ([`interpolate_pos_embed`]).
    ///
    /// # Errors
    ///
    /// As [`VitConfig::grid`].
    ///
    /// # Panics
    ///
    /// If the device cannot hand back the position table.
    pub fn with_image_size(mut self, [height, width]: [usize; 2]) -> Result<Self, VitError> {
        if self.image_size == [height, width] {
            return Ok(self);
        }
        let from = grid(self.image_size, self.patch_size)?;
        let to = grid([height, width], self.patch_size)?;
        self.pos_embed = self.pos_embed.map(|table| {
            let (device, [_, _, hidden_size]) = (table.device(), table.dims());
            let values: Vec<f32> = table
                .try_to_vec_as()
                .expect("a position table is readable floats");
            let resized = interpolate_pos_embed(&values, hidden_size, from, to);
            let shape = [1, 1 + to[0] * to[1], hidden_size];
            Tensor::from_data(TensorData::new(resized, shape), &device)
        });
        self.image_size = [height, width];
        Ok(self)
    }

    /// The same encoder, trained with stochastic depth: the last block leaves a branch out with probability `rate`, the
    /// first never, those between in even steps. It is at work on an autodiff device, and nowhere else.
    ///
    /// Source: salesforce/BLIP@056a169 `models/vit.py` `drop_path_rate`; 0.1 for answering and reasoning.
    ///
    /// # Errors
    ///
    /// [`VitError::DropPath`] if `rate` is not at least 0 and below 1.
    pub fn with_drop_path(mut self, rate: f64) -> Result<Self, VitError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(VitError::DropPath { rate });
        }
        let last = self.blocks.len().saturating_sub(1).max(1) as f64;
        let blocks = self.blocks.into_iter().enumerate();
        self.blocks = blocks
            .map(|(index, block)| block.with_drop_path(rate * index as f64 / last))
            .collect();
        Ok(self)
    }

    /// The same encoder for inference on a CPU: see [`Linear::packed`](blip_nn::Linear::packed).
    pub fn packed<'a>(mut self, packing: impl Into<Packing<'a>>) -> Self {
        let packing = packing.into();
        self.patch_embed = self.patch_embed.packed(packing);
        let blocks = self.blocks.into_iter();
        self.blocks = blocks.map(|block| block.packed(packing)).collect();
        self
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.patch_embed.device()
    }

    /// The number of tokens that a picture becomes: the class token and the patches.
    pub fn tokens(&self) -> usize {
        self.pos_embed.lazy_shape()[1]
    }

    /// The number of attention heads; 0 without blocks.
    pub fn num_attention_heads(&self) -> usize {
        self.blocks.first().map_or(0, |block| block.attn.heads)
    }

    /// What is added to the variance in every LayerNorm.
    pub fn layer_norm_eps(&self) -> f64 {
        self.norm.epsilon()
    }

    /// Encodes pictures that are on the device already.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]` of [`image_size`](ImageEncoder::image_size)
    /// - output: `[batch, 1 + patches, hidden_size]`
    pub fn forward(&self, pixel_values: Tensor<4>) -> Tensor<3> {
        let embedded = self.embed(pixel_values);
        self.norm
            .forward(self.blocks.iter().fold(embedded, |x, block| block.forward(x)))
    }

    /// What goes into the first block, comes out of each block, and comes out at the end: `num_hidden_layers + 2`
    /// tensors, for looking inside and for checking against a reference.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: each `[batch, 1 + patches, hidden_size]`
    pub fn hidden_states(&self, pixel_values: Tensor<4>) -> Vec<Tensor<3>> {
        let mut states = vec![self.embed(pixel_values)];
        for block in &self.blocks {
            let last = states[states.len() - 1].clone();
            states.push(block.forward(last));
        }
        states.push(self.norm.forward(states[states.len() - 1].clone()));
        states
    }

    /// Patches, class token and positions: `[batch, 1 + patches, hidden_size]`.
    fn embed(&self, pixel_values: Tensor<4>) -> Tensor<3> {
        let patches = self.patch_embed.forward(pixel_values);
        let [batch, _, width] = patches.dims();
        let class = self.cls_token.val().expand([batch, 1, width]);
        Tensor::cat(vec![class, patches], 1) + self.pos_embed.val()
    }
}

/// Tokens that are encoded at once on a CPU. What lies between two layers leaves the caches with more of them: eight
/// pictures at once take longer than one after the other.
const ROWS: usize = 1024;

impl ImageEncoder for VisionTransformer {
    fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, ModelError> {
        let shape = pixel_values.shape();
        let [height, width] = self.image_size;
        if shape[2..] != self.image_size {
            return Err(ModelError::shape(
                "pixel_values",
                format!("[batch, 3, {height}, {width}]"),
                &shape,
            ));
        }
        let device = self.device();
        let pictures = match is_packable(&device) {
            true => (ROWS / self.tokens()).max(1),
            false => shape[0],
        };
        let states = on_workers(&device, || {
            let size = shape[1] * height * width;
            let batches = pixel_values.as_slice().chunks(pictures * size).map(|values| {
                let shape = [values.len() / size, shape[1], height, width];
                let data = TensorData::new(values.to_vec(), shape);
                self.forward(Tensor::from_data(data, &device))
            });
            let mut states: Vec<Tensor<3>> = batches.collect();
            match states.len() {
                1 => states.remove(0),
                _ => Tensor::cat(states, 0),
            }
        });
        Ok(HiddenStates::new(states))
    }

    fn hidden_size(&self) -> usize {
        self.cls_token.dims()[2]
    }

    fn image_size(&self) -> [usize; 2] {
        self.image_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    fn tiny() -> VisionTransformer {
        VisionTransformer::new(&VitConfig::tiny(), &Device::flex()).unwrap()
    }

    #[test]
    fn patch_embedding_is_the_convolution_of_the_references() {
        let device = Device::flex();
        let (patch, width) = (4, 6);
        let config = VitConfig {
            patch_size: patch,
            hidden_size: width,
            image_size: 12,
            num_attention_heads: 1,
            ..VitConfig::tiny()
        };
        let embed = PatchEmbed::new(&config, &device);
        let pixels = Tensor::<4>::random([2, 3, 12, 12], Distribution::Normal(0.0, 1.0), &device);
        let got: Vec<f32> = embed.forward(pixels.clone()).try_to_vec_as().unwrap();

        let record = embed.weight();
        let weight: Vec<f32> = record.try_to_vec_as().unwrap();
        let pixels: Vec<f32> = pixels.try_to_vec_as().unwrap();
        let mut index = 0;
        for picture in 0..2 {
            for row in 0..3 {
                for column in 0..3 {
                    for out in 0..width {
                        let mut sum = 0.0;
                        for c in 0..3 {
                            for y in 0..patch {
                                for x in 0..patch {
                                    let pixel =
                                        ((picture * 3 + c) * 12 + row * patch + y) * 12 + column * patch + x;
                                    sum +=
                                        pixels[pixel] * weight[((c * patch + y) * patch + x) * width + out];
                                }
                            }
                        }
                        assert!((got[index] - sum).abs() < 1e-5, "{} is not {sum}", got[index]);
                        index += 1;
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_in_a_batch_gets_what_it_gets_alone() {
        let vit = tiny();
        let noise = |seed: u32| -> Vec<f32> {
            (0..3 * 32 * 32u32)
                .map(|i| ((i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8_388_608.0) - 1.0)
                .collect()
        };
        let one = |seed| PixelValues::new(noise(seed), [1, 32, 32]).unwrap();
        // More than are encoded at once, and not a whole number of times.
        let count = 2 * (ROWS / vit.tokens()) + 1;
        let seeds = 0..count as u32;
        let pictures: Vec<PixelValues> = seeds.clone().map(one).collect();
        let all = PixelValues::concat(&pictures).unwrap();
        let batch = vit.encode(&all).unwrap();
        assert_eq!(batch.shape(), [count, 17, 32]);
        let batch: Vec<f32> = batch.states().try_to_vec_as().unwrap();
        for (index, seed) in seeds.enumerate() {
            let alone: Vec<f32> = vit.encode(&one(seed)).unwrap().states().try_to_vec_as().unwrap();
            let part = &batch[index * alone.len()..(index + 1) * alone.len()];
            for (got, want) in part.iter().zip(&alone) {
                assert!((got - want).abs() < 1e-5, "{got} is not {want}");
            }
        }
    }

    #[test]
    fn another_image_size_is_refused_until_the_table_is_interpolated() {
        let vit = tiny();
        let wide = PixelValues::new(vec![0.0; 3 * 32 * 48], [1, 32, 48]).unwrap();
        let error = vit.encode(&wide).unwrap_err().to_string();
        assert_eq!(
            error,
            "pixel_values: expected [batch, 3, 32, 32], got [1, 3, 32, 48]"
        );
        let vit = vit.with_image_size([32, 48]).unwrap();
        assert_eq!(vit.encode(&wide).unwrap().shape(), [1, 1 + 4 * 6, 32]);
    }

    #[test]
    fn sizes_that_make_no_patches_are_refused() {
        let error = tiny()
            .with_image_size([8_000_000_000, 8])
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("in patches of 8: expected at most 16384 patches"),
            "{error}"
        );
        let error = tiny().with_image_size([30, 32]).unwrap_err().to_string();
        assert_eq!(
            error,
            "image size 30 x 32 is not a positive multiple of the patch size 8"
        );
        let config = VitConfig {
            num_attention_heads: 5,
            ..VitConfig::tiny()
        };
        assert!(VisionTransformer::new(&config, &Device::flex()).is_err());
    }

    #[test]
    fn an_encoder_is_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&tiny());
    }
}
