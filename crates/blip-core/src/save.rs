//! Checkpoints as they are published.

use std::path::Path;

use blip_weights::{CheckpointWriter, DType, TensorInfo, WeightsError, module_entries, module_tensors};
use serde_json::json;

use crate::{BlipConfig, CaptionModel, Error, Layout};

const POSITIONS: &str = "text_decoder.bert.embeddings.position_ids";
const HEAD: &str = "text_decoder.cls.predictions.decoder.weight";
const HEAD_BIAS: &str = "text_decoder.cls.predictions.decoder.bias";
const BIAS: &str = "text_decoder.cls.predictions.bias";

impl CaptionModel {
    /// Writes the model in a published layout, in f32.
    ///
    /// - [`Layout::HuggingFace`]: a folder with `config.json`, `preprocessor_config.json` and `model.safetensors` as
    ///   transformers 5.23 `save_pretrained` lays them out; the head is left out where it is tied. The vocabulary is
    ///   the caller's to add.
    /// - [`Layout::Salesforce`]: one PyTorch file, `{"model": {name: tensor}}`, with the tied tensors under both their
    ///   names and the constant `position_ids`, as the original's training saves it.
    ///
    /// Files get their names when they are complete; one that was there is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`Error::Weights`] if a file cannot be written.
    pub fn save(&self, config: &BlipConfig, layout: Layout, out: &Path) -> Result<(), Error> {
        match layout {
            Layout::HuggingFace => {
                create_folder(out)?;
                write(&out.join("config.json"), &config.to_json())?;
                write(&out.join("preprocessor_config.json"), &preprocessor_json(config))?;
                self.save_hugging_face(&out.join("model.safetensors"))
            }
            Layout::Salesforce => self.save_salesforce(config, out),
        }
    }

    fn save_hugging_face(&self, file: &Path) -> Result<(), Error> {
        let tied = self.text_decoder.is_tied();
        let published = |name: &str| match name {
            HEAD if tied => None,
            HEAD_BIAS => Some(BIAS.to_owned()),
            _ => Some(name.to_owned()),
        };
        let keys = Self::keys(Layout::HuggingFace);
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
        let keys = Self::keys(Layout::Salesforce);
        let positions = config.text.max_position_embeddings;
        let mut infos = module_tensors(self, &keys)?;
        infos.push(TensorInfo::new(BIAS, DType::F32, [config.text.vocab_size]));
        infos.push(TensorInfo::new(POSITIONS, DType::I64, [1, positions]));
        let mut writer = CheckpointWriter::pytorch(file, &infos, Some("model"))?;
        let ids: Vec<u8> = (0..positions as i64).flat_map(i64::to_le_bytes).collect();
        writer.write_bytes(POSITIONS, &ids)?;
        module_entries(self, &keys, |info, values| -> Result<(), WeightsError> {
            if info.name == HEAD_BIAS {
                writer.write_f32(BIAS, &values)?;
            }
            writer.write_f32(&info.name, &values)
        })?;
        Ok(writer.finish()?)
    }
}

fn create_folder(folder: &Path) -> Result<(), Error> {
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
        let model = CaptionModel::from_seed(&config, 3, &device).unwrap();
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
