//! A tiny model and batches that depend on their moment alone.

use blip_core::{BertConfig, BlipConfig, BlipModel, Part, VitConfig};
use blip_train::{
    BatchSource, ImageTextBatch, Moment, Pretraining, PretrainingOptions, Regularization, Trainee,
};
use blip_traits::{PixelValues, SpecialTokens, TokenBatch};
use burn::tensor::Device;
use rand::RngExt;

pub(crate) const SPECIAL: SpecialTokens = SpecialTokens {
    pad: 0,
    unk: 1,
    cls: 2,
    sep: 3,
    mask: 4,
    dec: 38,
    enc: 39,
};

pub(crate) const PRETRAINING: &[Part] = &[
    Part::TextEncoder,
    Part::TextDecoder,
    Part::Projections,
    Part::ItmHead,
];

pub(crate) fn config() -> BlipConfig {
    let text = BertConfig {
        vocab_size: 40,
        hidden_size: 16,
        encoder_hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        ..BertConfig::tiny()
    };
    let vision = VitConfig {
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        image_size: 16,
        patch_size: 8,
        ..VitConfig::tiny()
    };
    let mut config = BlipConfig::new(vision, text);
    config.image_text_hidden_size = 8;
    config
}

pub(crate) fn trainee(parts: &[Part], regularization: &Regularization) -> Trainee {
    let device = Device::flex();
    let model = BlipModel::from_seed(&config(), parts, 1, &device).unwrap();
    Trainee::new(model, regularization, &device).unwrap()
}

pub(crate) fn pretraining(regularization: &Regularization) -> Pretraining {
    let trainee = trainee(PRETRAINING, regularization)
        .with_contrast(0.07, 8, 3)
        .unwrap();
    let options = PretrainingOptions {
        special: SPECIAL,
        ..PretrainingOptions::default()
    };
    Pretraining::new(trainee, options).unwrap()
}

/// Pictures whose brightness says which word the text is.
pub(crate) struct Shades;

impl BatchSource for Shades {
    type Batch = ImageTextBatch;

    fn steps_per_epoch(&self) -> usize {
        6
    }

    fn batch(&self, moment: &Moment) -> Result<ImageTextBatch, Box<dyn std::error::Error + Send + Sync>> {
        let mut rng = moment.rng(9);
        let words: Vec<u32> = (0..4).map(|_| rng.random_range(0..4)).collect();
        let pixels = words
            .iter()
            .flat_map(|&word| vec![word as f32 - 1.5; 3 * 16 * 16])
            .collect();
        let rows: Vec<Vec<u32>> = words.iter().map(|&word| vec![2, 10 + word, 20, 3]).collect();
        Ok(ImageTextBatch {
            pixel_values: PixelValues::new(pixels, [4, 16, 16])?,
            texts: TokenBatch::from_rows(&rows, 0),
            image_ids: Vec::new(),
            statements: None,
        })
    }
}
