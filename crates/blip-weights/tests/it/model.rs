//! Modules in the shape of the goldens, with the names of the structs that decide the order of axes.

use blip_weights::KeyMap;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

const HIDDEN: usize = 6;

#[derive(Module, Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Param<Tensor<2>>,
    pub(crate) bias: Param<Tensor<1>>,
}

impl Linear {
    fn new(d_in: usize, d_out: usize, device: &Device) -> Self {
        Self {
            weight: normal([d_in, d_out], device),
            bias: normal([d_out], device),
        }
    }
}

#[derive(Module, Debug)]
pub(crate) struct PatchProjection {
    pub(crate) weight: Param<Tensor<4>>,
    pub(crate) bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) bias: Param<Tensor<1>>,
}

#[derive(Module, Debug)]
pub(crate) struct Embedding {
    pub(crate) weight: Param<Tensor<2>>,
}

#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) qkv: Linear,
    pub(crate) norm1: LayerNorm,
}

#[derive(Module, Debug)]
pub(crate) struct Vision {
    pub(crate) cls_token: Param<Tensor<3>>,
    pub(crate) patches: PatchProjection,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Module, Debug)]
pub(crate) struct Text {
    pub(crate) words: Embedding,
    /// Three projections in the checkpoint, one here.
    pub(crate) qkv: Linear,
    pub(crate) head: Option<Linear>,
}

#[derive(Module, Debug)]
pub(crate) struct Tiny {
    pub(crate) vision: Vision,
    pub(crate) text: Text,
}

fn normal<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Initializer::Normal { mean: 0.0, std: 1.0 }.init(shape, device)
}

impl Tiny {
    pub(crate) fn new(device: &Device) -> Self {
        let block = || Block {
            qkv: Linear::new(HIDDEN, 3 * HIDDEN, device),
            norm1: LayerNorm {
                weight: normal([HIDDEN], device),
                bias: normal([HIDDEN], device),
            },
        };
        Self {
            vision: Vision {
                cls_token: normal([1, 1, HIDDEN], device),
                patches: PatchProjection {
                    weight: normal([3, 2, 2, HIDDEN], device),
                    bias: normal([HIDDEN], device),
                },
                blocks: vec![block(), block()],
            },
            text: Text {
                words: Embedding {
                    weight: normal([5, HIDDEN], device),
                },
                qkv: Linear::new(HIDDEN, 12, device),
                head: Some(Linear::new(HIDDEN, 5, device)),
            },
        }
    }

    /// Without a head of its own: it would multiply with the word embeddings.
    pub(crate) fn tied(device: &Device) -> Self {
        let mut model = Self::new(device);
        model.text.head = None;
        model
    }
}

pub(crate) const WORDS: &str = "text_decoder.bert.embeddings.word_embeddings.weight";
pub(crate) const HEAD: &str = "text_decoder.cls.predictions.decoder.weight";

pub(crate) fn keys() -> KeyMap {
    KeyMap::new()
        .table(
            "vision",
            "visual_encoder",
            &[
                ("patches", "patch_embed.proj"),
                ("blocks.*.qkv", "blocks.*.attn.qkv"),
            ],
        )
        .table(
            "text",
            "text_decoder",
            &[
                ("words", "bert.embeddings.word_embeddings"),
                ("qkv", "bert.encoder.layer.0.attention.self.{query,key,value}"),
                ("head", "cls.predictions.decoder"),
            ],
        )
        .fallback(HEAD, WORDS)
        .fallback(
            "text_decoder.cls.predictions.decoder.bias",
            "text_decoder.cls.predictions.bias",
        )
        .leave_out("**.position_ids", "counts from 0")
}
