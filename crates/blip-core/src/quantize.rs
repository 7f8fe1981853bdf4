//! Checkpoints whose weights are stored as they will be held.

use std::io;
use std::path::Path;

use blip_nn::Precision;
use blip_weights::{COMPANIONS, Checkpoint, CheckpointWriter, DType, SCALE_SUFFIX, TensorInfo};

use crate::part::layout_of;
use crate::save::{HEAD, create_folder};
use crate::{Error, Layout, Precisions};

const WORDS: &str = "text_decoder.bert.embeddings.word_embeddings.weight";

/// Stores a checkpoint with the weights of its linear layers in the precisions that they will be held in, half or a quarter
/// as large: what is loaded from it with those precisions is what the whole checkpoint gives with them.
///
/// A folder becomes a folder with the same small files beside the weights, one file becomes one file of safetensors; names
/// stay those of its layout. Weights in int8 have their scales beside them ([`DType::ScaledI8`]); word embeddings are in
/// bf16 unless their part is to be `f32`. What is not loaded with such a precision is widened.
///
/// # Errors
///
/// What opening and reading give, [`Error::Write`] or [`Error::Weights`] if a file cannot be written, or `out` is the folder
/// that is read. The weights get their name when they are complete.
pub fn quantize(
    from: impl AsRef<Path>,
    precisions: impl Into<Precisions>,
    out: impl AsRef<Path>,
) -> Result<(), Error> {
    let (from, out, precisions) = (from.as_ref(), out.as_ref(), precisions.into());
    let checkpoint = Checkpoint::open(from)?;
    let plan = plan(&checkpoint, layout_of(&checkpoint)?, &precisions);
    if !from.is_dir() {
        return write(&checkpoint, &plan, out);
    }
    create_folder(out)?;
    if is_same(from, out) {
        // A copy of a small file onto itself would be empty.
        return Err(Error::Write {
            path: out.to_owned(),
            source: io::Error::new(
                io::ErrorKind::AlreadyExists,
                "expected another folder than the checkpoint's own",
            ),
        });
    }
    for name in COMPANIONS {
        let file = from.join(name);
        if file.is_file() {
            let path = out.join(name);
            std::fs::copy(&file, &path).map_err(|source| Error::Write { path, source })?;
        }
    }
    write(&checkpoint, &plan, &out.join("model.safetensors"))
}

/// Whether two paths are one folder.
fn is_same(from: &Path, out: &Path) -> bool {
    let real = [from, out].map(std::fs::canonicalize);
    matches!(real, [Ok(from), Ok(out)] if from == out)
}

/// A tensor to write, what it is read from, and how it is stored.
struct Planned {
    name: String,
    from: TensorInfo,
    dtype: DType,
}

fn plan(checkpoint: &Checkpoint, layout: Layout, precisions: &Precisions) -> Vec<Planned> {
    let mut plan: Vec<Planned> = checkpoint
        .tensors()
        .iter()
        .map(|info| Planned {
            name: info.name.clone(),
            from: info.clone(),
            dtype: stored(info, layout, precisions),
        })
        .collect();
    // A head that is tied to the words is held apart from them.
    if let (None, Some(words)) = (checkpoint.tensor(HEAD), checkpoint.tensor(WORDS))
        && precisions.text_decoder == Precision::Int8
    {
        plan.push(Planned {
            name: HEAD.to_owned(),
            from: words.clone(),
            dtype: DType::ScaledI8,
        });
    }
    plan
}

/// How a tensor is stored.
fn stored(info: &TensorInfo, layout: Layout, precisions: &Precisions) -> DType {
    let parts = [
        (layout.vision_prefix(), precisions.image_encoder),
        ("text_encoder", precisions.text_encoder),
        ("text_decoder", precisions.text_decoder),
    ];
    let precision = parts.into_iter().find_map(|(part, precision)| {
        let rest = info.name.strip_prefix(part)?;
        rest.starts_with('.').then_some(precision)
    });
    let is_matrix = info.shape.len() == 2 && info.name.ends_with(".weight") && info.dtype.is_float();
    let is_table = info.name.contains(".embeddings.");
    let are_words = info.name.ends_with(".word_embeddings.weight");
    match precision {
        Some(Precision::Bf16) if is_matrix && (!is_table || are_words) => DType::BF16,
        Some(Precision::Int8) if is_matrix && are_words => DType::BF16,
        Some(Precision::Int8) if is_matrix && !is_table => DType::ScaledI8,
        _ if info.dtype == DType::ScaledI8 => DType::F32,
        _ => info.dtype,
    }
}

fn write(checkpoint: &Checkpoint, plan: &[Planned], file: &Path) -> Result<(), Error> {
    let mut infos = Vec::new();
    for Planned { name, from, dtype } in plan {
        let shape = from.shape.clone();
        match dtype {
            DType::ScaledI8 => {
                let scales = format!("{name}{SCALE_SUFFIX}");
                infos.push(TensorInfo::new(scales, DType::F32, [shape[0]]));
                infos.push(TensorInfo::new(name, DType::I8, shape));
            }
            dtype => infos.push(TensorInfo::new(name, *dtype, shape)),
        }
    }
    let mut writer = CheckpointWriter::safetensors(file, &infos, &[("format", "pt")])?;
    for Planned { name, from, dtype } in plan {
        if *dtype == from.dtype && *dtype != DType::ScaledI8 {
            writer.write_bytes(name, &checkpoint.read_bytes(&from.name)?)?;
            continue;
        }
        let values = checkpoint.read_f32(&from.name)?;
        if *dtype == DType::ScaledI8 {
            let (values, scales) = eight_bits(&values, from.shape[0]);
            writer.write_bytes(name, &values)?;
            writer.write_f32(&format!("{name}{SCALE_SUFFIX}"), &scales)?;
        } else {
            writer.write_f32(name, &values)?;
        }
    }
    Ok(writer.finish()?)
}

/// The largest value of eight bits.
const LARGEST: f32 = 127.0;

/// Rows of weights as bytes, and the scale of each row: as they are held for int8.
fn eight_bits(weight: &[f32], rows: usize) -> (Vec<u8>, Vec<f32>) {
    let mut values = Vec::with_capacity(weight.len());
    let mut scales = Vec::with_capacity(rows);
    for row in weight.chunks_exact((weight.len() / rows.max(1)).max(1)) {
        let largest = row.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let finite = row.iter().all(|value| value.is_finite());
        let scale = if finite { largest / LARGEST } else { f32::NAN };
        let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
        let rounded = row
            .iter()
            .map(|value| (value * inverse).round_ties_even().clamp(-LARGEST, LARGEST) as i8 as u8);
        values.extend(rounded);
        scales.push(scale);
    }
    // Rows without values have scales all the same.
    scales.resize(rows, 0.0);
    (values, scales)
}

#[cfg(all(test, feature = "flex", feature = "vocab"))]
mod tests {
    use super::*;
    use crate::{Blip, BlipConfig, BlipModel, CaptionOptions, LoadOptions, MatchOptions, PixelValues, Task};

    fn picture() -> PixelValues {
        let values = (0..3 * 32 * 32).map(|i| (i % 11) as f32 / 4.0 - 1.0).collect();
        PixelValues::new(values, [1, 32, 32]).unwrap()
    }

    fn with(precisions: Precisions) -> LoadOptions {
        LoadOptions {
            precision: precisions,
            ..LoadOptions::default()
        }
    }

    fn captioning() -> (BlipConfig, BlipModel) {
        let config = BlipConfig::tiny();
        let device = crate::Device::flex();
        let model = BlipModel::from_seed(&config, Task::Captioning.parts(), 5, &device).unwrap();
        (config, model)
    }

    /// What is stored small is what is held small, in either layout, and takes as little room.
    #[test]
    fn what_is_stored_is_what_the_whole_checkpoint_is_held_as() {
        let folder = tempfile::tempdir().unwrap();
        let (config, model) = captioning();
        for (layout, name) in [(Layout::HuggingFace, "folder"), (Layout::Salesforce, "file.pth")] {
            let whole = folder.path().join(name);
            model.save(&config, layout, &whole).unwrap();
            for text in ["bf16", "int8", "f32", "image-encoder=int8,text-decoder=bf16"] {
                let precisions: Precisions = text.parse().unwrap();
                let small = folder.path().join(format!("{name} {text}"));
                quantize(&whole, precisions, &small).unwrap();
                let captions = |path: &Path| {
                    let captioner = Blip::from_path(path, &with(precisions))
                        .unwrap()
                        .captioner()
                        .unwrap();
                    captioner.caption(&picture(), &CaptionOptions::default()).unwrap()
                };
                let [want, got] = [&whole, &small].map(|path| captions(path).remove(0));
                assert_eq!(got.text, want.text, "{text}");
                assert!((got.score - want.score).abs() < 1e-4, "{text}: {got:?} {want:?}");
            }
        }
    }

    #[test]
    fn scores_of_small_weights_are_near_those_of_whole_ones() {
        let config = BlipConfig::tiny();
        let texts = ["a cat", "two dogs in the grass"];
        let scores = |precisions: Precisions| -> Vec<f32> {
            let blip = Blip::seeded(&config, Some(Task::Matching), 2, &with(precisions)).unwrap();
            let matches = blip
                .matcher()
                .unwrap()
                .match_texts(&picture(), &texts, &MatchOptions::default())
                .unwrap();
            matches[0].iter().map(|one| one.itm_probability).collect()
        };
        let want = scores(Precisions::default());
        for (precision, within) in [(Precision::Bf16, 2e-3), (Precision::Int8, 2e-2)] {
            let got = scores(precision.into());
            assert_ne!(got, want, "{precision} is not f32");
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < within, "{precision}: {got} {want}");
            }
        }
    }

    #[test]
    fn a_folder_is_not_written_over_itself() {
        let folder = tempfile::tempdir().unwrap();
        let (config, model) = captioning();
        let whole = folder.path().join("whole");
        model.save(&config, Layout::HuggingFace, &whole).unwrap();
        let read =
            || ["config.json", "model.safetensors"].map(|name| std::fs::read(whole.join(name)).unwrap());
        let before = read();
        let error = quantize(&whole, Precision::Int8, whole.join("../whole")).unwrap_err();
        assert!(
            crate::error_chain(&error).contains("expected another folder"),
            "{error}"
        );
        assert_eq!(read(), before);
    }

    #[test]
    fn a_row_is_scaled_by_its_largest_value() {
        let (values, scales) = eight_bits(&[1.27, -0.01, 0.0, 0.0, f32::NAN, 1.0], 3);
        assert_eq!(values[..4], [127, 255, 0, 0]);
        assert!((scales[0] - 0.01).abs() < 1e-8 && scales[1] == 0.0 && scales[2].is_nan());
        assert_eq!(eight_bits(&[], 2), (vec![], vec![0.0, 0.0]));
    }
}
