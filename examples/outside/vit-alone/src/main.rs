//! Image embeddings, without a tokenizer and without an image decoder.

use blip_traits::{ImageEncoder, PixelValues};
use blip_vit::{VisionTransformer, VitConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vit = VisionTransformer::new(&VitConfig::tiny(), &burn::tensor::Device::flex())?;
    let picture = PixelValues::new(vec![0.5; 3 * 32 * 32], [1, 32, 32])?;
    println!("{:?}", vit.encode(&picture)?.shape());
    Ok(())
}
