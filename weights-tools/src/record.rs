//! What we compute for one picture, for `parity/full_size.py` to hold against a reference.

use std::error::Error;
use std::path::PathBuf;

use blip_core::traits::{TextDecoder, TokenBatch};
use blip_core::weights::{CheckpointWriter, DType, TensorInfo};
use blip_core::{CaptionOptions, Captioner, LoadOptions, device};

use crate::Report;

/// `[DEC]` "a picture of a woman sitting on the beach with her dog", the text whose logits are recorded.
const TEACHER_FORCED: [u32; 13] = [
    30522, 1037, 3861, 1997, 1037, 2450, 3564, 2006, 1996, 3509, 2007, 2014, 3899,
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder in Hugging Face layout, or one file of weights; with the standard vocabulary.
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// A picture; PNG, so that decoders do not differ.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    /// Where flex, wgpu, … runs.
    #[arg(long, default_value = "flex", value_name = "NAME")]
    device: String,

    /// The safetensors file that is written: pixel_values, image_embeds, logits, input_ids, greedy_ids, beam3_ids.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    let captioner = Captioner::from_path(&args.model, &LoadOptions::new(device(&args.device)?))?;
    let pixel_values = captioner.processor().preprocess_file(&args.image)?;
    let encoded = captioner.encode(&pixel_values)?;
    let decoder = captioner.decoder();
    let mut state = decoder.start(&encoded)?;
    let logits = decoder.step(&TokenBatch::from_rows(&[TEACHER_FORCED], 0), &mut state)?;
    let [_, length, vocab_size] = logits.shape();
    let ids = |num_beams| -> Result<Vec<u32>, Box<dyn Error>> {
        let options = CaptionOptions {
            num_beams: Some(num_beams),
            max_length: Some(20),
            min_length: Some(5),
            ..CaptionOptions::default()
        };
        let captions = captioner.caption_encoded(&encoded, &options)?;
        Ok(captions[0][0].token_ids.clone())
    };
    let tokens = [
        ("input_ids", TEACHER_FORCED.to_vec()),
        ("greedy_ids", ids(1)?),
        ("beam3_ids", ids(3)?),
    ];
    let floats = [
        (
            "pixel_values",
            pixel_values.shape().to_vec(),
            pixel_values.as_slice().to_vec(),
        ),
        (
            "image_embeds",
            encoded.shape().to_vec(),
            encoded.states().clone().try_into_vec_as()?,
        ),
        (
            "logits",
            vec![length, vocab_size],
            (0..length)
                .flat_map(|position| logits.at(0, position).to_vec())
                .collect(),
        ),
    ];

    let infos: Vec<TensorInfo> = floats
        .iter()
        .map(|(name, shape, _)| TensorInfo::new(*name, DType::F32, shape.clone()))
        .chain(
            tokens
                .iter()
                .map(|(name, ids)| TensorInfo::new(*name, DType::I64, [ids.len()])),
        )
        .collect();
    let mut writer = CheckpointWriter::safetensors(&args.out, &infos, &[])?;
    for (name, _, values) in &floats {
        writer.write_f32(name, values)?;
    }
    let mut said = String::new();
    for (name, ids) in &tokens {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| i64::from(id).to_le_bytes()).collect();
        writer.write_bytes(name, &bytes)?;
        said += &format!("{name} {ids:?}\n");
    }
    writer.finish()?;
    Ok(said.into())
}
