//! A picture and what it shows, in words.

use blip_processor::{RgbImage, pre_caption};

use crate::field::{Fault, Object, given, string, strings};
use crate::option::{CAPTION_WORDS, Parsing};
use crate::record::Content;
use crate::{Random, Record, RecordId, Targets};

/// A picture and its captions: COCO, Flickr30k, NoCaps, pre-training, folders and shards.
///
/// ```text
/// {"image": "val2014/COCO_val2014_000000522418.jpg", "caption": "A woman …", "image_id": "coco_522418"}   training
/// {"image": "val2014/COCO_val2014_000000391895.jpg", "caption": ["A man …", "Man riding …", …]}           evaluation
/// {"image": "/export/…/000.jpg", "caption": "…"}                                                        pre-training
/// {"image": "val/0013ea2087020901.jpg", "img_id": 0}                               NoCaps, with Targets::Optional
/// ```
///
/// Source: salesforce/BLIP@056a169 `data/coco_karpathy_dataset.py`, `data/flickr30k_dataset.py`,
/// `data/nocaps_dataset.py`, `data/pretrain_dataset.py`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionRecord {
    /// The picture's file or member, as the record names it.
    pub image: String,
    /// The captions: `caption` or `captions`, a string or a list. At least one, unless targets are optional or there
    /// is a class.
    pub captions: Vec<String>,
    /// `image_id` or `img_id`.
    pub image_id: Option<RecordId>,
    /// The class's number, from a `.cls` member of a shard.
    pub class: Option<usize>,
}

impl CaptionRecord {
    /// One of the captions, each as likely as the others.
    pub fn draw_caption(&self, random: &mut Random) -> Option<&str> {
        self.captions
            .get(random.below(self.captions.len()))
            .map(String::as_str)
    }

    /// Cleans the captions, and complains if there has to be one.
    pub(crate) fn finish(mut self, parsing: Parsing) -> Result<Self, Fault> {
        if self.captions.is_empty() && self.class.is_none() && parsing.targets == Targets::Required {
            return Err(Fault::new("caption", "a string or a list of strings", "none"));
        }
        if parsing.clean {
            for caption in &mut self.captions {
                *caption = pre_caption(caption, CAPTION_WORDS);
            }
        }
        Ok(self)
    }

    /// What a JSON object says of a picture that is known otherwise.
    pub(crate) fn about(image: String, object: &Object) -> Result<Self, Fault> {
        Ok(Self {
            image,
            captions: match given(object, &["caption", "captions"]) {
                Some((name, value)) => strings(name, value)?,
                None => Vec::new(),
            },
            image_id: RecordId::parse(object, &["image_id", "img_id"])?,
            class: None,
        })
    }
}

impl Content for CaptionRecord {
    fn parse(object: &Object, parsing: Parsing) -> Result<Self, Fault> {
        Self::about(string(object, "image")?.into(), object)?.finish(parsing)
    }
}

impl Record for CaptionRecord {
    type Image = RgbImage;

    fn load<E>(&self, mut load: impl FnMut(&str) -> Result<RgbImage, E>) -> Result<RgbImage, E> {
        load(&self.image)
    }
}
