//! Checkpoint-shaped trees of networks.

use blip_decoder::{DECODER_FALLBACKS, DECODER_KEYS, TextDecoder};
use blip_encoder::{CLASS_HEAD_KEYS, ClassHead, PAIR_KEYS, PairEncoder, TextEncoder};
use blip_nn::{BERT_KEYS, BertConfig, Linear, Packing, Precision, is_packable};
use blip_vit::{HUGGING_FACE_KEYS, VisionTransformer};
use blip_weights::KeyMap;
use burn::module::Module;
use burn::tensor::Device;

use crate::part::{LEFT_OUT, OTHER_PARTS};
use crate::{BlipConfig, Error, Layout, Part, Precisions, seeded};

/// The networks of BLIP under the names that the original's checkpoints give them, as many as are wanted.
///
/// Loading fills this tree and [`Blip`](crate::Blip) shares its parts out to the tasks; training and tools work on it
/// whole.
#[derive(Module, Debug)]
pub struct BlipModel {
    /// The ViT.
    pub visual_encoder: VisionTransformer,
    /// The text encoder, alone or grounded in a picture.
    pub text_encoder: Option<TextEncoder>,
    /// The text encoder that looks at two pictures; it is `text_encoder` in checkpoints.
    pub pair_encoder: Option<PairEncoder>,
    /// The causal decoder with its language-model head.
    pub text_decoder: Option<TextDecoder>,
    /// A picture's vector into the space that pictures and texts share.
    pub vision_proj: Option<Linear>,
    /// A text's vector into the same space.
    pub text_proj: Option<Linear>,
    /// Whether a picture and a text match.
    pub itm_head: Option<Linear>,
    /// Whether a sentence about two pictures is true.
    pub cls_head: Option<ClassHead>,
}

/// No match, match; false, true.
const CLASSES: usize = 2;

impl BlipModel {
    /// Networks with fresh weights, which stay unallocated until they are read or replaced: the image encoder and `parts`.
    ///
    /// # Errors
    ///
    /// [`Error::Vision`] or [`Error::Text`] if the configuration describes no network.
    pub fn new(config: &BlipConfig, parts: &[Part], device: &Device) -> Result<Self, Error> {
        let has = |part| parts.contains(&part);
        let text = &config.text;
        let project = |from: usize| Linear::new(from, config.image_text_hidden_size, device);
        let decoder = BertConfig {
            encoder_hidden_size: config.decoder_context_size,
            ..text.clone()
        };
        Ok(Self {
            visual_encoder: VisionTransformer::new(&config.vision, device)?,
            text_encoder: has(Part::TextEncoder)
                .then(|| TextEncoder::new(text, device))
                .transpose()?,
            pair_encoder: has(Part::PairEncoder)
                .then(|| PairEncoder::new(text, device))
                .transpose()?,
            text_decoder: has(Part::TextDecoder)
                .then(|| TextDecoder::new(&decoder, device))
                .transpose()?,
            vision_proj: has(Part::Projections).then(|| project(config.vision.hidden_size)),
            text_proj: has(Part::Projections).then(|| project(text.hidden_size)),
            itm_head: has(Part::ItmHead).then(|| Linear::new(text.hidden_size, CLASSES, device)),
            cls_head: has(Part::ClsHead).then(|| ClassHead::new(text.hidden_size, CLASSES, device)),
        })
    }

    /// Networks with weights from a seed ([`seeded`]); the decoder's head scores by its word embeddings.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_seed(config: &BlipConfig, parts: &[Part], seed: u64, device: &Device) -> Result<Self, Error> {
        let mut model = seeded(Self::new(config, parts, device)?, seed);
        model.text_decoder = model.text_decoder.map(TextDecoder::tied);
        Ok(model)
    }

    /// The same networks for inference on the CPU, weights held as its kernels read them ([`Linear::packed`]), in one
    /// precision or in each part's own.
    ///
    /// `f32` is for any device: where there are no kernels nothing is changed.
    ///
    /// # Errors
    ///
    /// [`Error::Precision`] for another precision on another device, and under autodiff.
    pub fn packed(self, precisions: impl Into<Precisions>) -> Result<Self, Error> {
        let precisions = precisions.into();
        check_precisions(&precisions, &self.visual_encoder.device())?;
        Ok(self.pack(&precisions, Packing::default()))
    }

    /// The same, where it is known that the device allows it.
    pub(crate) fn pack(self, precisions: &Precisions, packing: Packing) -> Self {
        let heads = packing.with_precision(Precision::F32);
        let linear = |linear: Option<Linear>| linear.map(|linear| linear.packed(heads));
        let of_texts = packing.with_precision(precisions.text_encoder);
        let of_decoder = packing.with_precision(precisions.text_decoder);
        Self {
            visual_encoder: self
                .visual_encoder
                .packed(packing.with_precision(precisions.image_encoder)),
            text_encoder: self.text_encoder.map(|encoder| encoder.packed(of_texts)),
            pair_encoder: self.pair_encoder.map(|encoder| encoder.packed(of_texts)),
            text_decoder: self.text_decoder.map(|decoder| decoder.packed(of_decoder)),
            vision_proj: linear(self.vision_proj),
            text_proj: linear(self.text_proj),
            itm_head: linear(self.itm_head),
            cls_head: self.cls_head.map(|head| head.packed(heads)),
        }
    }

    /// The parts that it has, in order.
    pub fn parts(&self) -> Vec<Part> {
        let parts = [
            (Part::VisualEncoder, true),
            (Part::TextEncoder, self.text_encoder.is_some()),
            (Part::PairEncoder, self.pair_encoder.is_some()),
            (Part::TextDecoder, self.text_decoder.is_some()),
            (Part::Projections, self.vision_proj.is_some()),
            (Part::ItmHead, self.itm_head.is_some()),
            (Part::ClsHead, self.cls_head.is_some()),
        ];
        parts
            .into_iter()
            .filter_map(|(part, there)| there.then_some(part))
            .collect()
    }

    /// Where the parameters of these parts stand in checkpoints of a layout, and what else those may hold.
    pub fn keys(layout: Layout, parts: &[Part]) -> KeyMap {
        let vision = match layout {
            Layout::HuggingFace => HUGGING_FACE_KEYS,
            Layout::Salesforce => &[],
        };
        let decoder = "text_decoder";
        let mut keys = KeyMap::new()
            .table("visual_encoder", layout.vision_prefix(), vision)
            .table("text_encoder.bert", "text_encoder", BERT_KEYS)
            .table("pair_encoder", "text_encoder", PAIR_KEYS)
            .table(decoder, decoder, DECODER_KEYS)
            .table("text_decoder.bert", "text_decoder.bert", BERT_KEYS)
            .table("cls_head", "cls_head", CLASS_HEAD_KEYS);
        if parts.contains(&Part::TextDecoder) {
            for (absent, instead) in DECODER_FALLBACKS {
                keys = keys.fallback(&format!("{decoder}.{absent}"), &format!("{decoder}.{instead}"));
            }
        }
        for &(pattern, why) in LEFT_OUT {
            keys = keys.leave_out(pattern, why);
        }
        for &(owners, pattern, why) in OTHER_PARTS {
            if !owners.iter().any(|part| parts.contains(part)) {
                keys = keys.leave_out(pattern, why);
            }
        }
        keys
    }
}

/// Refuses precisions that weights on a device cannot be held in.
pub(crate) fn check_precisions(precisions: &Precisions, device: &Device) -> Result<(), Error> {
    match precisions.reduced() {
        Some(precision) if !is_packable(device) => Err(Error::Precision { precision }),
        _ => Ok(()),
    }
}
