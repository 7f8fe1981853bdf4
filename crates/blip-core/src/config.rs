//! The sizes of a whole BLIP: from config.json, from the weights themselves, or from a preset.
//!
//! Source: transformers 5.23 `models/blip/configuration_blip.py`, whose defaults fill what a config.json leaves out.

use blip_nn::BertConfig;
use blip_vit::VitConfig;
use blip_weights::Checkpoint;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Error, Layout, Reference, Task};

/// The sizes of a BLIP, and the ids by which it begins and ends a text.
#[derive(Clone, Debug, PartialEq)]
pub struct BlipConfig {
    /// The image encoder.
    pub vision: VitConfig,
    /// The text networks; `encoder_hidden_size` is the image encoder's width.
    pub text: BertConfig,
    /// Width of what the text decoder attends: the image encoder's when captioning, the text's own when answering.
    pub decoder_context_size: usize,
    /// Length of the vectors in the space that pictures and texts share.
    pub image_text_hidden_size: usize,
    /// First token of a generated text, `[DEC]` (`bos_token_id`).
    pub bos_token_id: u32,
    /// Last token of every text, `[SEP]` (`sep_token_id`). Generation ends with it, not with `eos_token_id`, which
    /// published configs leave at 2.
    pub sep_token_id: u32,
    /// What fills rows (`pad_token_id`).
    pub pad_token_id: u32,
}

/// `config.json`, as far as it matters here.
#[derive(Default, Deserialize)]
struct ConfigJson {
    #[serde(default)]
    model_type: Option<String>,
    #[serde(default)]
    text_config: Option<TextJson>,
    #[serde(default)]
    vision_config: Option<VisionJson>,
    #[serde(default)]
    image_text_hidden_size: Option<usize>,
}

#[derive(Default, Deserialize)]
struct TextJson {
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    max_position_embeddings: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_act: Option<String>,
    bos_token_id: Option<u32>,
    sep_token_id: Option<u32>,
    pad_token_id: Option<u32>,
}

#[derive(Default, Deserialize)]
struct VisionJson {
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_act: Option<String>,
}

impl BlipConfig {
    /// ViT-B/16 at 384 pixels and BERT-base.
    pub fn base() -> Self {
        Self::new(VitConfig::base(), BertConfig::base(768))
    }

    /// ViT-L/16 at 384 pixels and BERT-base.
    pub fn large() -> Self {
        Self::new(VitConfig::large(), BertConfig::base(1024))
    }

    /// Two narrow layers each, at 32 pixels, with the standard vocabulary: for tests and examples.
    pub fn tiny() -> Self {
        let text = BertConfig {
            vocab_size: 30524,
            hidden_size: 64,
            encoder_hidden_size: 64,
            intermediate_size: 128,
            num_attention_heads: 1,
            max_position_embeddings: 512,
            ..BertConfig::tiny()
        };
        let vision = VitConfig {
            hidden_size: 64,
            intermediate_size: 128,
            // The original's checkpoints do not state heads: theirs are all 64 wide, and so is this one.
            num_attention_heads: 1,
            ..VitConfig::tiny()
        };
        Self::new(vision, text)
    }

    /// A configuration with the ids of the standard vocabulary.
    pub fn new(vision: VitConfig, text: BertConfig) -> Self {
        Self {
            decoder_context_size: text.encoder_hidden_size,
            image_text_hidden_size: 256,
            vision,
            text,
            bos_token_id: 30522,
            sep_token_id: 102,
            pad_token_id: 0,
        }
    }

    /// The same sizes for a task: to answer, the text decoder attends the question and not the picture.
    pub fn for_task(mut self, task: Task) -> Self {
        self.decoder_context_size = match task {
            Task::QuestionAnswering => self.text.hidden_size,
            _ => self.text.encoder_hidden_size,
        };
        self
    }

    /// Reads a Hugging Face `config.json`; what it leaves out is transformers' default, but for
    /// `encoder_hidden_size`, which is always the image encoder's width.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if it is no such JSON; [`Error::Config`] if it is of another model or asks for an activation
    /// that BLIP does not have.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let wrong = |source| Error::Json {
            file: "config.json".to_owned(),
            source,
        };
        let value: Value = serde_json::from_str(json).map_err(wrong)?;
        // serde would read an array as a struct's fields.
        for (field, section) in [
            ("the file", Some(&value)),
            ("text_config", value.get("text_config")),
            ("vision_config", value.get("vision_config")),
        ] {
            if let Some(section) = section.filter(|section| !section.is_object() && !section.is_null()) {
                return Err(unfit(field, "an object", section));
            }
        }
        let parsed: ConfigJson = serde_json::from_str(json).map_err(wrong)?;
        if let Some(model_type) = parsed.model_type.filter(|model_type| model_type != "blip") {
            return Err(unfit("model_type", "blip", model_type));
        }
        let (text, vision) = (
            parsed.text_config.unwrap_or_default(),
            parsed.vision_config.unwrap_or_default(),
        );
        exact_gelu("text_config.hidden_act", text.hidden_act)?;
        exact_gelu("vision_config.hidden_act", vision.hidden_act)?;
        let epsilon = Reference::HuggingFace.vision_epsilon();
        let vision = VitConfig {
            hidden_size: vision.hidden_size.unwrap_or(768),
            intermediate_size: vision.intermediate_size.unwrap_or(3072),
            num_hidden_layers: vision.num_hidden_layers.unwrap_or(12),
            num_attention_heads: vision.num_attention_heads.unwrap_or(12),
            image_size: vision.image_size.unwrap_or(384),
            patch_size: vision.patch_size.unwrap_or(16),
            layer_norm_eps: positive(
                "vision_config.layer_norm_eps",
                vision.layer_norm_eps.unwrap_or(epsilon),
            )?,
        };
        Ok(Self {
            bos_token_id: text.bos_token_id.unwrap_or(30522),
            sep_token_id: text.sep_token_id.unwrap_or(102),
            pad_token_id: text.pad_token_id.unwrap_or(0),
            // modeling_blip.py builds every text network with the image encoder's width, the answering decoder too.
            decoder_context_size: vision.hidden_size,
            image_text_hidden_size: parsed.image_text_hidden_size.unwrap_or(256),
            text: BertConfig {
                vocab_size: text.vocab_size.unwrap_or(30524),
                hidden_size: text.hidden_size.unwrap_or(768),
                // configuration_blip.py `BlipConfig` overwrites what the file says.
                encoder_hidden_size: vision.hidden_size,
                intermediate_size: text.intermediate_size.unwrap_or(3072),
                num_hidden_layers: text.num_hidden_layers.unwrap_or(12),
                // Not 12: the class's default is 8, and a file that leaves it out was run with 8.
                num_attention_heads: text.num_attention_heads.unwrap_or(8),
                max_position_embeddings: text.max_position_embeddings.unwrap_or(512),
                layer_norm_eps: positive("text_config.layer_norm_eps", text.layer_norm_eps.unwrap_or(1e-12))?,
            },
            vision,
        })
    }

    /// A `config.json` with nothing left out, of the Hugging Face class for a task.
    ///
    /// # Errors
    ///
    /// [`Error::NoClass`] if Hugging Face has none for the task; [`Error::NoLayout`] if its decoder attends another width
    /// than the image encoder's.
    pub fn to_json(&self, task: Task) -> Result<String, Error> {
        let class = match task {
            Task::Captioning => "BlipForConditionalGeneration",
            Task::QuestionAnswering => "BlipForQuestionAnswering",
            Task::Matching => "BlipForImageTextRetrieval",
            _ => return Err(Error::NoClass { task }),
        };
        if task != Task::Matching && self.decoder_context_size != self.vision.hidden_size {
            // configuration_blip.py gives the decoder the image encoder's width, whatever the file says.
            return Err(Error::NoLayout {
                parts: format!(
                    "an image encoder {} wide and a decoder that attends {}",
                    self.vision.hidden_size, self.decoder_context_size
                ),
            });
        }
        let (vision, text) = (&self.vision, &self.text);
        let config = json!({
            "architectures": [class],
            "model_type": "blip",
            "torch_dtype": "float32",
            "image_text_hidden_size": self.image_text_hidden_size,
            "projection_dim": 512,
            "text_config": {
                "model_type": "blip_text_model",
                "vocab_size": text.vocab_size,
                "hidden_size": text.hidden_size,
                "encoder_hidden_size": text.encoder_hidden_size,
                "intermediate_size": text.intermediate_size,
                "num_hidden_layers": text.num_hidden_layers,
                "num_attention_heads": text.num_attention_heads,
                "max_position_embeddings": text.max_position_embeddings,
                "layer_norm_eps": text.layer_norm_eps,
                "hidden_act": "gelu",
                "is_decoder": true,
                "bos_token_id": self.bos_token_id,
                "sep_token_id": self.sep_token_id,
                "pad_token_id": self.pad_token_id,
            },
            "vision_config": {
                "model_type": "blip_vision_model",
                "hidden_size": vision.hidden_size,
                "intermediate_size": vision.intermediate_size,
                "num_hidden_layers": vision.num_hidden_layers,
                "num_attention_heads": vision.num_attention_heads,
                "image_size": vision.image_size,
                "patch_size": vision.patch_size,
                "layer_norm_eps": vision.layer_norm_eps,
                "hidden_act": "gelu",
            },
        });
        Ok(format!("{config:#}\n"))
    }

    /// Reads the sizes off the tensors, as an original checkpoint, which brings no config, needs it.
    ///
    /// Heads cannot be read: they are taken to be 64 wide, as in every published checkpoint.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] if a tensor that tells a size is missing or has the wrong number of axes.
    pub fn from_checkpoint(checkpoint: &Checkpoint, layout: Layout) -> Result<Self, Error> {
        let mut config = Self::sizes(checkpoint, layout)?;
        config.vision.num_attention_heads = heads("the image encoder", config.vision.hidden_size)?;
        config.text.num_attention_heads = heads("the text network", config.text.hidden_size)?;
        Ok(config)
    }

    /// The configuration of a checkpoint: that of its config.json, if it fits, or that of its shapes.
    ///
    /// # Errors
    ///
    /// [`Error::NoConfig`] for Hugging Face weights alone, [`Error::Contradiction`] if the two disagree, and those of
    /// [`from_checkpoint`](Self::from_checkpoint).
    pub(crate) fn of(stated: Option<Self>, checkpoint: &Checkpoint, layout: Layout) -> Result<Self, Error> {
        match (stated, layout) {
            (Some(config), _) => config.check(checkpoint, layout).map(|()| config),
            (None, Layout::HuggingFace) => Err(Error::NoConfig),
            (None, Layout::Salesforce) => Self::from_checkpoint(checkpoint, layout),
        }
    }

    /// Everything but the heads.
    fn sizes(checkpoint: &Checkpoint, layout: Layout) -> Result<Self, Error> {
        let sizes = Sizes { checkpoint, layout };
        let vision = sizes.vision(layout.reference().vision_epsilon())?;
        let (encodes, decodes) = (sizes.has("text_encoder."), sizes.has("text_decoder."));
        let text = sizes.text(if encodes {
            "text_encoder"
        } else {
            "text_decoder.bert"
        })?;
        let mut config = Self::new(vision, text);
        if encodes && decodes {
            config.decoder_context_size = sizes.context_size("text_decoder.bert")?;
        }
        if sizes.has(VISION_PROJ) {
            [config.image_text_hidden_size, _] = sizes.shape(VISION_PROJ)?;
        }
        Ok(config)
    }

    /// Finds the first size that this configuration and a checkpoint's tensors disagree on.
    ///
    /// # Errors
    ///
    /// [`Error::Contradiction`] with both; and those of [`from_checkpoint`](Self::from_checkpoint).
    pub(crate) fn check(&self, checkpoint: &Checkpoint, layout: Layout) -> Result<(), Error> {
        let mut there = Self::sizes(checkpoint, layout)?;
        if checkpoint.tensor(VISION_PROJ).is_none() {
            there.image_text_hidden_size = self.image_text_hidden_size;
        }
        let (vision, text) = (&self.vision, &self.text);
        let fields = [
            (
                "vision_config.hidden_size",
                vision.hidden_size,
                there.vision.hidden_size,
            ),
            (
                "vision_config.intermediate_size",
                vision.intermediate_size,
                there.vision.intermediate_size,
            ),
            (
                "vision_config.num_hidden_layers",
                vision.num_hidden_layers,
                there.vision.num_hidden_layers,
            ),
            (
                "vision_config.patch_size",
                vision.patch_size,
                there.vision.patch_size,
            ),
            (
                "vision_config.image_size",
                vision.image_size,
                there.vision.image_size,
            ),
            ("text_config.vocab_size", text.vocab_size, there.text.vocab_size),
            (
                "text_config.hidden_size",
                text.hidden_size,
                there.text.hidden_size,
            ),
            (
                "vision_config.hidden_size, which the text attends,",
                text.encoder_hidden_size,
                there.text.encoder_hidden_size,
            ),
            (
                "vision_config.hidden_size, which the decoder attends,",
                self.decoder_context_size,
                there.decoder_context_size,
            ),
            (
                "image_text_hidden_size",
                self.image_text_hidden_size,
                there.image_text_hidden_size,
            ),
            (
                "text_config.intermediate_size",
                text.intermediate_size,
                there.text.intermediate_size,
            ),
            (
                "text_config.num_hidden_layers",
                text.num_hidden_layers,
                there.text.num_hidden_layers,
            ),
            (
                "text_config.max_position_embeddings",
                text.max_position_embeddings,
                there.text.max_position_embeddings,
            ),
        ];
        match fields.into_iter().find(|(_, config, weights)| config != weights) {
            Some((field, config, weights)) => Err(Error::Contradiction {
                field,
                config,
                weights,
            }),
            None => Ok(()),
        }
    }
}

fn unfit(field: &str, expected: &str, got: impl ToString) -> Error {
    Error::Config {
        field: field.to_owned(),
        expected: expected.to_owned(),
        got: got.to_string(),
    }
}

fn exact_gelu(field: &str, activation: Option<String>) -> Result<(), Error> {
    match activation {
        Some(other) if other != "gelu" => Err(unfit(field, "gelu", other)),
        _ => Ok(()),
    }
}

fn positive(field: &str, value: f64) -> Result<f64, Error> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(unfit(field, "a number above 0", value))
    }
}

const VISION_PROJ: &str = "vision_proj.weight";

/// Sizes as the shapes of a checkpoint's tensors tell them.
struct Sizes<'a> {
    checkpoint: &'a Checkpoint,
    layout: Layout,
}

impl Sizes<'_> {
    fn has(&self, prefix: &str) -> bool {
        self.checkpoint
            .tensors()
            .iter()
            .any(|tensor| tensor.name.starts_with(prefix))
    }

    fn shape<const D: usize>(&self, tensor: &str) -> Result<[usize; D], Error> {
        let shape = self
            .checkpoint
            .tensor(tensor)
            .map(|tensor| tensor.shape.as_slice());
        let fits = shape.and_then(|shape| <[usize; D]>::try_from(shape).ok());
        fits.filter(|shape| !shape.contains(&0))
            .ok_or_else(|| Error::Tensor {
                tensor: tensor.to_owned(),
                expected: format!("{D} axes of at least 1"),
                got: shape.map_or("no such tensor".to_owned(), |shape| format!("{shape:?}")),
            })
    }

    /// One more than the largest index that stands between a prefix and a dot.
    fn layers(&self, prefix: &str) -> usize {
        let index = |name: &str| {
            name.strip_prefix(prefix)?
                .split('.')
                .next()?
                .parse::<usize>()
                .ok()
        };
        let layers: std::collections::HashSet<usize> = self
            .checkpoint
            .tensors()
            .iter()
            .filter_map(|tensor| index(&tensor.name))
            .collect();
        // A gap in the indices shows as a missing tensor when the model is filled.
        layers.len()
    }

    fn vision(&self, layer_norm_eps: f64) -> Result<VitConfig, Error> {
        let (class, positions, patch, block, blocks) = match self.layout {
            Layout::HuggingFace => (
                "vision_model.embeddings.class_embedding",
                "vision_model.embeddings.position_embedding",
                "vision_model.embeddings.patch_embedding.weight",
                "vision_model.encoder.layers.0.mlp.fc1.weight",
                "vision_model.encoder.layers.",
            ),
            Layout::Salesforce => (
                "visual_encoder.cls_token",
                "visual_encoder.pos_embed",
                "visual_encoder.patch_embed.proj.weight",
                "visual_encoder.blocks.0.mlp.fc1.weight",
                "visual_encoder.blocks.",
            ),
        };
        let [_, _, hidden_size] = self.shape(class)?;
        let [_, rows, _] = self.shape(positions)?;
        let [_, _, patch_size, _] = self.shape(patch)?;
        let [intermediate_size, _] = self.shape(block)?;
        let grid = (rows - 1).isqrt();
        if grid == 0 || grid * grid != rows - 1 {
            return Err(Error::Tensor {
                tensor: positions.to_owned(),
                expected: "a class token and a square grid of patches".to_owned(),
                got: format!("{rows} positions"),
            });
        }
        let image_size = grid.checked_mul(patch_size).ok_or_else(|| Error::Tensor {
            tensor: patch.to_owned(),
            expected: "a patch of a picture".to_owned(),
            got: format!("{patch_size} pixels"),
        })?;
        Ok(VitConfig {
            hidden_size,
            intermediate_size,
            num_hidden_layers: self.layers(blocks),
            num_attention_heads: 1,
            image_size,
            patch_size,
            layer_norm_eps,
        })
    }

    /// The width of what a text network attends.
    fn context_size(&self, prefix: &str) -> Result<usize, Error> {
        let key = |attention: &str| format!("{prefix}.encoder.layer.0.crossattention.{attention}.key.weight");
        // The encoder of two pictures has two of them.
        let pair = Some(key("self0")).filter(|name| self.checkpoint.tensor(name).is_some());
        let [_, context_size] = self.shape(&pair.unwrap_or_else(|| key("self")))?;
        Ok(context_size)
    }

    fn text(&self, prefix: &str) -> Result<BertConfig, Error> {
        let words = format!("{prefix}.embeddings.word_embeddings.weight");
        let layer = format!("{prefix}.encoder.layer.");
        let [vocab_size, hidden_size] = self.shape(&words)?;
        let [max_position_embeddings, _] =
            self.shape(&format!("{prefix}.embeddings.position_embeddings.weight"))?;
        let [intermediate_size, _] = self.shape(&format!("{layer}0.intermediate.dense.weight"))?;
        let encoder_hidden_size = self.context_size(prefix)?;
        Ok(BertConfig {
            vocab_size,
            hidden_size,
            encoder_hidden_size,
            intermediate_size,
            num_hidden_layers: self.layers(&layer),
            num_attention_heads: 1,
            max_position_embeddings,
            layer_norm_eps: 1e-12,
        })
    }
}

/// Heads of 64, as all published checkpoints have them.
fn heads(network: &str, hidden_size: usize) -> Result<usize, Error> {
    const HEAD_DIM: usize = 64;
    if hidden_size.is_multiple_of(HEAD_DIM) {
        return Ok(hidden_size / HEAD_DIM);
    }
    Err(Error::Tensor {
        tensor: network.to_owned(),
        expected: "a width of whole heads of 64, where no config.json states the heads".to_owned(),
        got: hidden_size.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_config_is_transformers_default() {
        let config = BlipConfig::from_json("{}").unwrap();
        assert_eq!(config.text.num_attention_heads, 8);
        assert_eq!(config.vision.layer_norm_eps, 1e-5);
        let vision = VitConfig {
            layer_norm_eps: 1e-5,
            ..VitConfig::base()
        };
        assert_eq!(config.vision, vision);
        assert_eq!(
            (config.bos_token_id, config.sep_token_id, config.pad_token_id),
            (30522, 102, 0)
        );
    }

    #[test]
    fn the_context_is_as_wide_as_the_pictures_whatever_the_file_says() {
        let json = r#"{"vision_config": {"hidden_size": 1024}, "text_config": {"encoder_hidden_size": 768}}"#;
        assert_eq!(
            BlipConfig::from_json(json).unwrap().text.encoder_hidden_size,
            1024
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for config in [BlipConfig::tiny(), BlipConfig::base(), BlipConfig::large()] {
            let json = config.to_json(Task::Captioning).unwrap();
            assert_eq!(BlipConfig::from_json(&json).unwrap(), config);
        }
    }

    #[test]
    fn what_hugging_face_cannot_say_is_not_written() {
        let large = BlipConfig::large().for_task(Task::QuestionAnswering);
        let error = large.to_json(Task::QuestionAnswering).unwrap_err().to_string();
        assert_eq!(
            error,
            "Hugging Face has no layout for an image encoder 1024 wide and a decoder that attends 768 together: \
             expected salesforce"
        );
        assert!(BlipConfig::large().to_json(Task::Reasoning).is_err());
        let base = BlipConfig::base().for_task(Task::QuestionAnswering);
        assert_eq!(
            BlipConfig::from_json(&base.to_json(Task::QuestionAnswering).unwrap()).unwrap(),
            base
        );
    }

    #[test]
    fn another_model_is_refused_by_name() {
        let error = |json: &str| BlipConfig::from_json(json).unwrap_err().to_string();
        assert_eq!(
            error(r#"{"model_type": "blip-2"}"#),
            "config.json: model_type: expected blip, got blip-2"
        );
        assert_eq!(
            error(r#"{"text_config": {"hidden_act": "gelu_new"}}"#),
            "config.json: text_config.hidden_act: expected gelu, got gelu_new"
        );
        assert_eq!(
            error(r#"{"vision_config": {"layer_norm_eps": -1}}"#),
            "config.json: vision_config.layer_norm_eps: expected a number above 0, got -1"
        );
        assert!(error(r#"{"vision_config": {"hidden_size": "wide"}}"#).contains("line 1 column"));
        assert!(error("<html>").starts_with("config.json: expected value at line 1"));
    }
}
