//! Our beam search over an image encoder that is none of ours.
//!
//! ```text
//! cargo run --release --example foreign_encoder -- beach.jpg
//! ```
//!
//! `PatchColours` below is no network and knows no Burn module: it sees a picture as the average colours of its patches,
//! in plain slices, as an encoder in another engine or on another machine would hand over numbers. All it takes to stand
//! in for the ViT is `ImageEncoder`, three methods, written against the public API alone. What this proves: the captioner
//! depends on the contract and not on the model, so that preprocessing, decoder, key-value cache, beam search and
//! tokenizer work unchanged behind a foreign encoder of the right width.
//!
//! The decoder's weights are random and have never seen such an encoder: the words are noise.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use blip_core::{
    BertTokenizer, BlipConfig, BlipModel, CaptionOptions, Device, HiddenStates, ImageEncoder, ImageProcessor,
    ImageProcessorConfig, ModelError, Part, PixelValues, device,
};
use blip_examples::{Output, Picture, count, exit};
use blip_tasks::{Captioner, TextPolicy};
use burn::tensor::{Tensor, TensorData};
use clap::Parser;

/// Sees a picture as the average colours of 4 x 4 patches: three numbers of a token's vector, and zeros.
struct PatchColours {
    hidden_size: usize,
    device: Device,
}

impl PatchColours {
    const GRID: usize = 4;
    const PATCH: usize = 8;
}

impl ImageEncoder for PatchColours {
    fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, ModelError> {
        let [batch, channels, height, width] = pixel_values.shape();
        if [height, width] != self.image_size() {
            let expected = "[batch, 3, 32, 32]";
            return Err(ModelError::shape("pixel_values", expected, &pixel_values.shape()));
        }
        let tokens = Self::GRID * Self::GRID;
        let mut states = vec![0.0; batch * tokens * self.hidden_size];
        for (index, value) in pixel_values.as_slice().iter().enumerate() {
            let (x, y, plane) = (index % width, index / width % height, index / width / height);
            let patch = y / Self::PATCH * Self::GRID + x / Self::PATCH;
            let token = plane / channels * tokens + patch;
            states[token * self.hidden_size + plane % channels] += value / (Self::PATCH * Self::PATCH) as f32;
        }
        let data = TensorData::new(states, [batch, tokens, self.hidden_size]);
        Ok(HiddenStates::new(Tensor::from_data(data, &self.device)))
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn image_size(&self) -> [usize; 2] {
        [Self::GRID * Self::PATCH; 2]
    }
}

/// Captions a picture by our beam search over an image encoder that is none of ours.
///
/// Behind the caption stands its score: the sum of its tokens' log-probabilities, in beam search divided by the
/// length.
#[derive(Parser)]
#[command(name = "foreign_encoder")]
struct Cli {
    /// A picture.
    #[arg(value_name = "IMAGE")]
    image: PathBuf,

    /// Partial captions kept in beam search; 1 is greedy search.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = count)]
    num_beams: usize,
}

fn main() -> ExitCode {
    exit(run(&Cli::parse()))
}

fn run(cli: &Cli) -> Result<ExitCode, Box<dyn Error>> {
    let device = device("flex")?;
    let config = BlipConfig::tiny();
    let model = BlipModel::from_seed(&config, &[Part::TextDecoder], 1, &device)?;
    let decoder = model.text_decoder.ok_or("expected a text decoder, got none")?;
    let encoder = PatchColours {
        hidden_size: config.decoder_context_size,
        device,
    };
    let processor = ImageProcessor::new(ImageProcessorConfig::new(encoder.image_size()))?;
    let picture = Picture::needed(&processor, &cli.image)?;

    let captioner = Captioner::new(encoder, decoder, BertTokenizer::new(), TextPolicy::hugging_face())?;
    let options = CaptionOptions {
        num_beams: Some(cli.num_beams),
        ..CaptionOptions::default()
    };
    for caption in captioner.caption(&picture.pixel_values, &options)? {
        Output::new().line(format_args!("{} ({:.3})", caption.text, caption.score))?;
    }
    Ok(ExitCode::SUCCESS)
}
