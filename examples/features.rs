//! Writes what the encoders see of a picture, a text, or both.
//!
//! ```text
//! cargo run --release --example features -- --model model_base.pth beach.jpg --text "a dog" --out beach.safetensors
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use blip_core::weights::{CheckpointWriter, DType, TensorInfo};
use blip_core::{FeatureExtractor, HiddenStates};
use blip_examples::{ModelArgs, Picture, Report, exit};
use clap::{ArgGroup, Parser};
use serde_json::json;

/// Writes what the encoders see of a picture, a text, or both into a safetensors file, and prints names and shapes.
///
/// pixel_values [1, 3, H, W], normalised; image_embeds [1, N, D], every token of the picture; image_features [1, E], the
/// picture's vector of length 1 in the space that pictures and texts share; input_ids [1, L], [CLS] first; text_embeds [1,
/// L, D], every token of the text alone; text_features [1, E], its vector in the shared space; multimodal_embeds [1, L, D],
/// every token of the text, [ENC] first, looking at the picture. What the inputs or the checkpoint do not allow is left
/// out. Raw embeds of pictures and of texts are not comparable; the cosine of image_features and text_features is their
/// dot product.
#[derive(Parser)]
#[command(name = "features", group = ArgGroup::new("inputs").required(true).multiple(true))]
struct Cli {
    /// A picture.
    #[arg(value_name = "IMAGE", group = "inputs")]
    image: Option<PathBuf>,

    /// A text; nothing of it is cut off.
    #[arg(long, value_name = "T", group = "inputs")]
    text: Option<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// The safetensors file that is written. A file that is there stays.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Let --out replace a file that is there.
    #[arg(long)]
    overwrite: bool,

    /// One JSON object a tensor on standard output: its name and shape.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let out = cli.out.display();
    // Before the model is loaded.
    if cli.out.is_dir() {
        return Err(format!("--out {out}: expected a file, got a folder").into());
    }
    if cli.out.exists() && !cli.overwrite {
        return Err(format!("--out {out}: it exists already; expected a new file, or --overwrite").into());
    }
    let extractor: FeatureExtractor = cli.model.load()?;
    let tensors = tensors(cli, &extractor)?;
    write(cli, &tensors)?;
    let mut report = Report::new(cli.json, "image");
    for tensor in &tensors {
        if cli.json {
            report.line(json!({"name": tensor.name, "shape": tensor.shape}))?;
        } else {
            report.line(format_args!("{} {:?}", tensor.name, tensor.shape))?;
        }
    }
    Ok(report.finish())
}

/// A tensor to be written.
struct Tensor {
    name: &'static str,
    shape: Vec<usize>,
    values: Values,
}

enum Values {
    F32(Vec<f32>),
    I64(Vec<u32>),
}

impl Tensor {
    fn floats(name: &'static str, shape: &[usize], values: &[f32]) -> Self {
        Self {
            name,
            shape: shape.to_vec(),
            values: Values::F32(values.to_vec()),
        }
    }

    fn embeds(name: &'static str, states: &HiddenStates) -> Result<Self, blip_core::Error> {
        let read = states.read()?;
        Ok(Self::floats(name, &read.shape(), read.as_slice()))
    }
}

/// What the inputs and the checkpoint allow.
fn tensors(cli: &Cli, extractor: &FeatureExtractor) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let [projects_image, projects_text] = extractor.projects();
    let mut tensors = Vec::new();
    let mut image_embeds = None;
    if let Some(path) = &cli.image {
        let pixel_values = Picture::needed(extractor.processor(), path)?.pixel_values;
        tensors.push(Tensor::floats(
            "pixel_values",
            &pixel_values.shape(),
            pixel_values.as_slice(),
        ));
        let embeds = extractor.image_embeds(&pixel_values)?;
        tensors.push(Tensor::embeds("image_embeds", &embeds)?);
        if projects_image {
            let features = extractor.project_image(&embeds)?;
            let vector = features.at(0, 0);
            tensors.push(Tensor::floats("image_features", &[1, vector.len()], vector));
        }
        image_embeds = Some(embeds);
    }
    let Some(text) = &cli.text else {
        return Ok(tensors);
    };
    let input_ids = extractor.input_ids(&[text])?;
    tensors.push(Tensor {
        name: "input_ids",
        shape: input_ids.shape().to_vec(),
        values: Values::I64(input_ids.input_ids().to_vec()),
    });
    if !extractor.reads_text() {
        eprintln!("note: the checkpoint has no text encoder; of the text, input_ids are written alone");
        return Ok(tensors);
    }
    let embeds = extractor.text_embeds(&[text])?;
    tensors.push(Tensor::embeds("text_embeds", &embeds)?);
    if projects_text {
        let features = extractor.project_text(&embeds)?;
        let vector = features.at(0, 0);
        tensors.push(Tensor::floats("text_features", &[1, vector.len()], vector));
    }
    if let Some(image_embeds) = &image_embeds {
        let embeds = extractor.multimodal_embeds(image_embeds, &[text])?;
        tensors.push(Tensor::embeds("multimodal_embeds", &embeds)?);
    }
    Ok(tensors)
}

fn write(cli: &Cli, tensors: &[Tensor]) -> Result<(), Box<dyn Error>> {
    let infos: Vec<TensorInfo> = tensors
        .iter()
        .map(|tensor| {
            let dtype = match tensor.values {
                Values::F32(_) => DType::F32,
                Values::I64(_) => DType::I64,
            };
            TensorInfo::new(tensor.name, dtype, tensor.shape.clone())
        })
        .collect();
    let mut writer = CheckpointWriter::safetensors(&cli.out, &infos, &[])?;
    for tensor in tensors {
        match &tensor.values {
            Values::F32(values) => writer.write_f32(tensor.name, values)?,
            Values::I64(ids) => {
                let bytes: Vec<u8> = ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
                writer.write_bytes(tensor.name, &bytes)?;
            }
        }
    }
    Ok(writer.finish()?)
}
