//! Checkpoint-shaped trees of networks.

use blip_decoder::{DECODER_FALLBACKS, DECODER_KEYS, TextDecoder};
use blip_nn::BERT_KEYS;
use blip_vit::{HUGGING_FACE_KEYS, VisionTransformer};
use blip_weights::KeyMap;
use burn::module::Module;
use burn::tensor::Device;

use crate::part::{LEFT_OUT, OTHER_TASKS};
use crate::{BlipConfig, Error, Layout, Task, seeded};

/// The networks of captioning, under the names that the original's checkpoints give them.
///
/// Loading fills this tree and [`Captioner`](crate::Captioner) takes its parts; training and tools work on it whole.
#[derive(Module, Debug)]
pub struct CaptionModel {
    /// The ViT.
    pub visual_encoder: VisionTransformer,
    /// The causal decoder with its language-model head.
    pub text_decoder: TextDecoder,
}

impl CaptionModel {
    /// Networks with fresh weights, which stay unallocated until they are read or replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Vision`] or [`Error::Decoder`] if the configuration describes no network.
    pub fn new(config: &BlipConfig, device: &Device) -> Result<Self, Error> {
        Ok(Self {
            visual_encoder: VisionTransformer::new(&config.vision, device)?,
            text_decoder: TextDecoder::new(&config.text, device)?,
        })
    }

    /// Networks with weights from a seed ([`seeded`]), whose head scores by the word embeddings.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_seed(config: &BlipConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        let mut model = seeded(Self::new(config, device)?, seed);
        model.text_decoder = model.text_decoder.tied();
        Ok(model)
    }

    /// Where its parameters stand in checkpoints of a layout, and what else those may hold.
    pub fn keys(layout: Layout) -> KeyMap {
        let decoder = "text_decoder";
        let mut keys = vision_keys(layout).table(decoder, decoder, DECODER_KEYS).table(
            "text_decoder.bert",
            "text_decoder.bert",
            BERT_KEYS,
        );
        for (absent, instead) in DECODER_FALLBACKS {
            keys = keys.fallback(&format!("{decoder}.{absent}"), &format!("{decoder}.{instead}"));
        }
        leave_out(keys, Task::Captioning)
    }
}

fn vision_keys(layout: Layout) -> KeyMap {
    let rules = match layout {
        Layout::HuggingFace => HUGGING_FACE_KEYS,
        Layout::Salesforce => &[],
    };
    KeyMap::new().table("visual_encoder", layout.vision_prefix(), rules)
}

/// Names what a checkpoint may hold beside a task's parts.
fn leave_out(mut keys: KeyMap, task: Task) -> KeyMap {
    for &(pattern, why) in LEFT_OUT {
        keys = keys.leave_out(pattern, why);
    }
    for &(part, pattern, why) in OTHER_TASKS {
        if !task.parts().contains(&part) {
            keys = keys.leave_out(pattern, why);
        }
    }
    keys
}
