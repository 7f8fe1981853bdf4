//! Checkpoints as they are published.

use std::path::Path;

use blip_decoder::TextDecoder;
use blip_weights::{CheckpointWriter, DType, TensorInfo, WeightsError, module_entries, module_tensors};
use serde_json::json;

use crate::part::list;
use crate::{BlipConfig, BlipModel, Error, Layout, Part, Task};

/// What the language model's head is called, and what it is tied to.
pub(crate) const HEAD: &str = "text_decoder.cls.predictions.decoder.weight";
const HEAD_BIAS: &str = "text_decoder.cls.predictions.decoder.bias";
const BIAS: &str = "text_decoder.cls.predictions.bias";

/// Constants that the original's text networks carry along.
const POSITIONS: [(&str, &[Part]); 2] = [
    (
        "text_encoder.embeddings.position_ids",
        &[Part::TextEncoder, Part::PairEncoder],
    ),
    ("text_decoder.bert.embeddings.position_ids", &[Part::TextDecoder]),
];

impl BlipModel {
    /// Writes the model in a published layout, in f32.
    ///
    /// - [`Layout::HuggingFace`]: a folder with `config.json`, `preprocessor_config.json` and `model.safetensors` as
    ///   transformers 5.23 `save_pretrained` lays them out; the head is left out where it is tied. The vocabulary is
    ///   the caller's to add.
    /// - [`Layout::Salesforce`]: one PyTorch file, `{"model": {name: tensor}}`, with the tied tensors under both their
    ///   names and the constants `position_ids`, as the original's training saves it.
    ///
    /// Files get their names when they are complete; one that was there is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::NoClass`] or [`Error::NoLayout`] if Hugging Face has no class with these parts; [`Error::Write`] or
    /// [`Error::Weights`] if a file cannot be written.
    pub fn save(&self, config: &BlipConfig, layout: Layout, out: &Path) -> Result<(), Error> {
        match layout {
            Layout::HuggingFace => {
                let task = Task::of(&self.parts()).ok_or_else(|| Error::NoLayout {
                    parts: list(&self.parts()),
                })?;
                let json = config.to_json(task)?;
                create_folder(out)?;
                // All are complete before the first gets its name.
                let small = [
                    ("config.json", json),
                    ("preprocessor_config.json", preprocessor_json(config)),
                ];
                for (name, text) in &small {
                    write(&out.join(format!("{name}.partial")), text)?;
                }
                self.save_hugging_face(&out.join("model.safetensors"))?;
                for (name, _) in small {
                    rename(&out.join(format!("{name}.partial")), &out.join(name))?;
                }
                Ok(())
            }
            Layout::Salesforce => self.save_salesforce(config, out),
        }
    }

    fn save_hugging_face(&self, file: &Path) -> Result<(), Error> {
        let tied = self.text_decoder.as_ref().is_some_and(TextDecoder::is_tied);
        let published = |name: &str| match name {
            HEAD if tied => None,
            HEAD_BIAS => Some(BIAS.to_owned()),
            _ => Some(name.to_owned()),
        };
        let keys = Self::keys(Layout::HuggingFace, &self.parts());
        let infos: Vec<TensorInfo> = module_tensors(self, &keys)?
            .into_iter()
            .filter_map(|info| Some(TensorInfo::new(published(&info.name)?, DType::F32, info.shape)))
            .collect();
        // `format` is what transformers asks of a file before it loads it.
        let mut writer = CheckpointWriter::safetensors(file, &infos, &[("format", "pt")])?;
        module_entries(self, &keys, |info, values| match published(&info.name) {
            Some(name) => writer.write_f32(&name, &values),
            None => Ok(()),
        })?;
        Ok(writer.finish()?)
    }

    fn save_salesforce(&self, config: &BlipConfig, file: &Path) -> Result<(), Error> {
        let parts = self.parts();
        let keys = Self::keys(Layout::Salesforce, &parts);
        let positions = config.text.max_position_embeddings;
        let constants = POSITIONS
            .iter()
            .filter(|(_, owners)| owners.iter().any(|part| parts.contains(part)))
            .map(|&(name, _)| name);
        let mut infos = module_tensors(self, &keys)?;
        if self.text_decoder.is_some() {
            infos.push(TensorInfo::new(BIAS, DType::F32, [config.text.vocab_size]));
        }
        infos.extend(
            constants
                .clone()
                .map(|name| TensorInfo::new(name, DType::I64, [1, positions])),
        );
        let mut writer = CheckpointWriter::pytorch(file, &infos, Some("model"))?;
        let ids: Vec<u8> = (0..positions as i64).flat_map(i64::to_le_bytes).collect();
        for name in constants {
            writer.write_bytes(name, &ids)?;
        }
        module_entries(self, &keys, |info, values| -> Result<(), WeightsError> {
            if info.name == HEAD_BIAS {
                writer.write_f32(BIAS, &values)?;
            }
            writer.write_f32(&info.name, &values)
        })?;
        Ok(writer.finish()?)
    }
}

pub(crate) fn create_folder(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Write {
        path: folder.to_owned(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::rename(from, to).map_err(|source| Error::Write {
        path: to.to_owned(),
        source,
    })
}

fn preprocessor_json(config: &BlipConfig) -> String {
    let side = config.vision.image_size;
    let preprocessor = json!({
        "image_processor_type": "BlipImageProcessor",
        "do_convert_rgb": true,
        "do_resize": true,
        "size": {"height": side, "width": side},
        "resample": 3,
        "do_rescale": true,
        "rescale_factor": 0.003_921_568_627_450_98,
        "do_normalize": true,
        "image_mean": [0.481_454_66, 0.457_827_5, 0.408_210_73],
        "image_std": [0.268_629_54, 0.261_302_58, 0.275_777_11],
    });
    format!("{preprocessor:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CaptionOptions, Captioner, Device, LoadOptions, PixelValues, Reference};

    #[cfg(all(feature = "flex", feature = "vocab"))]
    #[test]
    fn what_is_saved_in_either_layout_captions_as_before() {
        let device = Device::flex();
        let config = BlipConfig::tiny();
        let model = BlipModel::from_seed(&config, Task::Captioning.parts(), 3, &device).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let picture = PixelValues::new(
            (0..3 * 32 * 32).map(|i| (i % 7) as f32 / 3.0).collect(),
            [1, 32, 32],
        )
        .unwrap();
        let options = CaptionOptions::default();
        let cases = [
            (Layout::HuggingFace, Reference::HuggingFace, "folder"),
            (Layout::Salesforce, Reference::Salesforce, "file.pth"),
        ];
        for (layout, reference, name) in cases {
            let path = folder.path().join(name);
            model.save(&config, layout, &path).unwrap();
            let options_of = LoadOptions {
                reference: Some(reference),
                ..LoadOptions::default()
            };
            let want = Captioner::from_seed(&config, 3, &options_of).unwrap();
            let got = Captioner::from_path(&path, &LoadOptions::default()).unwrap();
            assert_eq!(
                got.caption(&picture, &options).unwrap(),
                want.caption(&picture, &options).unwrap()
            );
        }
    }
}
