//! The original's models, what they lose and what gradients that gives.

use std::collections::HashMap;
use std::path::PathBuf;

use blip_core::weights::{Checkpoint, KeyMap, load_module, module_entries};
use blip_core::{BertConfig, BlipConfig, BlipModel, Layout, Part, VitConfig};
use blip_nn::BERT_KEYS;
use blip_testkit::{Golden, assert_close};
use blip_train::{
    FeatureQueue, Losses, MomentumEncoders, NegativeSampler, Objective, Regularization, Trainee,
};
use blip_traits::{PixelValues, SpecialTokens, TokenBatch};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};

pub(crate) const SPECIAL: SpecialTokens = SpecialTokens {
    pad: 0,
    unk: 1,
    cls: 2,
    sep: 3,
    mask: 4,
    dec: 198,
    enc: 199,
};

/// Sizes that differ between the models.
pub(crate) struct Sizes {
    pub(crate) blocks: usize,
    pub(crate) layers: usize,
    pub(crate) mlp: usize,
}

pub(crate) fn config(sizes: &Sizes) -> BlipConfig {
    let text = BertConfig {
        vocab_size: 200,
        hidden_size: 64,
        encoder_hidden_size: 64,
        intermediate_size: sizes.mlp,
        num_hidden_layers: sizes.layers,
        num_attention_heads: 1,
        max_position_embeddings: 40,
        layer_norm_eps: 1e-12,
    };
    let vision = VitConfig {
        hidden_size: 64,
        intermediate_size: 128,
        num_hidden_layers: sizes.blocks,
        num_attention_heads: 1,
        image_size: 32,
        patch_size: 8,
        layer_norm_eps: 1e-6,
    };
    BlipConfig {
        image_text_hidden_size: 16,
        ..BlipConfig::new(vision, text)
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/goldens")
        .join(name)
}

pub(crate) fn open(name: &str) -> Golden {
    Golden::open(path(&format!("{name}.safetensors")))
}

pub(crate) fn weights(name: &str) -> Checkpoint {
    Checkpoint::open(path(&format!("{name}_weights.safetensors"))).unwrap()
}

/// A model with the recorded weights, to be trained without dropout.
pub(crate) fn trainee(name: &str, sizes: &Sizes, parts: &[Part]) -> Trainee {
    let device = Device::flex();
    let fresh = BlipModel::new(&config(sizes), parts, &device).unwrap();
    let keys = BlipModel::keys(Layout::Salesforce, parts);
    let (model, _) = load_module(&weights(name), fresh, &keys, &device).unwrap();
    Trainee::new(model, &Regularization::NONE, &device).unwrap()
}

/// The same with the recorded momentum copies, queues and temperature.
pub(crate) fn contrastive_trainee(name: &str, sizes: &Sizes, parts: &[Part], temperature: f64) -> Trainee {
    let device = Device::flex();
    let mut trainee = trainee(name, sizes, parts)
        .with_contrast(temperature, 12, 1)
        .unwrap();
    let checkpoint = weights(name);
    let keys = momentum_keys();
    let fresh = trainee.momentum.take().unwrap();
    let (momentum, _) = load_module(&checkpoint, fresh, &keys, &device).unwrap();
    trainee.momentum = Some(momentum);
    let queue = |name: &str| {
        let data = TensorData::new(checkpoint.read_f32(name).unwrap(), [16, 12]);
        Tensor::<2>::from_data(data, &device).transpose()
    };
    trainee.queue = Some(FeatureQueue::from_features(
        queue("image_queue"),
        queue("text_queue"),
    ));
    trainee
}

pub(crate) fn momentum_keys() -> KeyMap {
    let mut keys = KeyMap::new()
        .table("visual_encoder", "visual_encoder_m", &[])
        .table("vision_proj", "vision_proj_m", &[])
        .table("text_encoder.bert", "text_encoder_m", BERT_KEYS)
        .table("text_proj", "text_proj_m", &[]);
    for pattern in [
        "visual_encoder.**",
        "vision_proj.*",
        "text_encoder.**",
        "text_decoder.**",
        "text_proj.*",
        "itm_head.*",
        "**.position_ids",
        "*",
    ] {
        keys = keys.leave_out(pattern, "another part");
    }
    keys
}

pub(crate) fn pixel_values(golden: &Golden, name: &str) -> PixelValues {
    let shape = golden.shape(name);
    PixelValues::new(golden.f32(name), [shape[0], shape[2], shape[3]]).unwrap()
}

/// Recorded texts, padding included where the rows have it.
pub(crate) fn tokens(golden: &Golden, name: &str) -> TokenBatch {
    let ids = golden.ids(&format!("{name}.input_ids"));
    let mask = golden.i64(&format!("{name}.attention_mask"));
    let length = golden.shape(&format!("{name}.input_ids"))[1];
    let rows: Vec<&[u32]> = ids
        .chunks_exact(length)
        .zip(mask.chunks_exact(length))
        .map(|(ids, mask)| &ids[..mask.iter().filter(|&&real| real == 1).count()])
        .collect();
    TokenBatch::from_rows(&rows, 0)
}

/// Gives the recorded negatives, the pictures' first, and checks what they are drawn from.
pub(crate) struct Recorded<'a> {
    pub(crate) golden: &'a Golden,
    pub(crate) drawn: usize,
    pub(crate) tolerance: f32,
}

impl NegativeSampler for Recorded<'_> {
    fn draw(&mut self, weights: &[f32], columns: usize) -> Vec<Option<usize>> {
        let (from, to) = [
            ("weights_t2i", "negative_images"),
            ("weights_i2t", "negative_texts"),
        ][self.drawn];
        self.drawn += 1;
        assert_eq!(self.golden.shape(from)[1], columns);
        assert_close(from, weights, &self.golden.f32(from), self.tolerance);
        self.golden
            .i64(to)
            .into_iter()
            .map(|index| Some(index as usize))
            .collect()
    }
}

/// The gradients of the sum of losses.
pub(crate) fn gradients(trainee: &Trainee, losses: &Losses) -> GradientsParams {
    GradientsParams::from_grads(losses.total.clone().backward(), trainee)
}

/// Gradients under the names of the state dict; zeros where there is none.
pub(crate) fn named(trainee: &Trainee, gradients: &GradientsParams) -> HashMap<String, Vec<f32>> {
    let mut named = HashMap::new();
    if let Some(temperature) = &trainee.temperature {
        let gradient = gradients.get::<1>(temperature.id).unwrap();
        named.insert("temp".to_owned(), gradient.try_into_vec_as().unwrap());
    }
    let model = trainee.model.clone().map(&mut Replace(gradients));
    named.extend(entries(&model));
    named
}

/// A model's parameters under the names of the state dict.
pub(crate) fn entries(model: &BlipModel) -> HashMap<String, Vec<f32>> {
    let mut named = HashMap::new();
    let keys = BlipModel::keys(Layout::Salesforce, &model.parts());
    module_entries(model, &keys, |info, values| {
        named.insert(info.name, values);
        Ok(())
    })
    .unwrap();
    named
}

/// The momentum copies' parameters under the names of the state dict.
pub(crate) fn momentum_entries(momentum: &MomentumEncoders) -> HashMap<String, Vec<f32>> {
    let mut named = HashMap::new();
    module_entries(momentum, &momentum_keys(), |info, values| {
        named.insert(info.name, values);
        Ok(())
    })
    .unwrap();
    named
}

struct Replace<'a>(&'a GradientsParams);

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val().without_autodiff();
        let gradient = self.0.get::<D>(param.id).map(Tensor::without_autodiff);
        Param::from_tensor(gradient.unwrap_or_else(|| value.zeros_like()))
    }
}

/// Compares every recorded gradient, by the greatest of its tensor.
pub(crate) fn assert_gradients(golden: &Golden, got: &HashMap<String, Vec<f32>>, tolerance: f32) {
    let mut compared = 0;
    for name in golden.names() {
        let Some((kind, parameter)) = name.split_once('.') else {
            continue;
        };
        if !["grad", "grad_sum", "grad_norm"].contains(&kind) {
            continue;
        }
        let parameter = match parameter {
            "text_decoder.cls.predictions.bias" => "text_decoder.cls.predictions.decoder.bias",
            other => other,
        };
        let values = got
            .get(parameter)
            .unwrap_or_else(|| panic!("no gradient of {parameter}"));
        let want = golden.f32(&name);
        let values = match kind {
            "grad_sum" => values
                .chunks_exact(values.len() / want.len())
                .map(|row| row.iter().sum())
                .collect(),
            "grad_norm" => vec![values.iter().map(|value| value * value).sum::<f32>().sqrt()],
            _ => values.clone(),
        };
        let greatest = want
            .iter()
            .fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
        assert_close(&name, &values, &want, tolerance * greatest.max(1e-2));
        compared += 1;
    }
    assert!(compared > 60, "{compared}");
}

/// Compares recorded parameters where they do not hang on rounding.
pub(crate) fn assert_after(golden: &Golden, got: &HashMap<String, Vec<f32>>, tolerance: f32) -> usize {
    let mut compared = 0;
    for name in golden.names() {
        let Some(parameter) = name.strip_prefix("after.") else {
            continue;
        };
        let parameter = match parameter {
            "text_decoder.cls.predictions.bias" => "text_decoder.cls.predictions.decoder.bias",
            other => other,
        };
        let Some(values) = got.get(parameter) else {
            continue;
        };
        let (mut same, mut want) = (Vec::new(), Vec::new());
        // Softmax does not see the keys' bias: all of its gradient is rounding.
        let third = values.len() / 3;
        let unseen = if parameter.ends_with("attn.qkv.bias") {
            third..2 * third
        } else {
            0..0
        };
        for (index, (&value, recorded)) in values.iter().zip(golden.f32(&name)).enumerate() {
            if !recorded.is_nan() && !unseen.contains(&index) {
                same.push(value);
                want.push(recorded);
            }
        }
        assert_eq!(values.len(), golden.f32(&name).len(), "{name}");
        assert_close(&name, &same, &want, tolerance);
        compared += 1;
    }
    compared
}

pub(crate) fn assert_loss(golden: &Golden, losses: &Losses, tolerance: f32) {
    for (name, loss) in &losses.parts {
        let name = if golden.contains(name) { name } else { "loss" };
        assert_close(
            name,
            &[loss.clone().into_scalar::<f32>()],
            &golden.f32(name),
            tolerance,
        );
    }
    let total = losses.total.clone().into_scalar::<f32>();
    assert_close("loss", &[total], &golden.f32("loss"), tolerance);
}

/// A step of AdamW as the original takes it.
pub(crate) fn step<O: Objective>(
    objective: &mut O,
    optimizer: &mut burn::optim::ModuleOptimizer,
    gradients: GradientsParams,
    learning_rate: f64,
) {
    let trainee = objective.trainee().clone();
    objective.set_trainee(optimizer.step(learning_rate, trainee, gradients));
}
