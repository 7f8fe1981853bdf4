//! Checkpoints that are stored as small as they will be held.

use std::error::Error;
use std::path::{Path, PathBuf};

use blip_core::{Precisions, quantize};

use crate::Report;
use crate::random::vacant;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder in Hugging Face layout, or one file of weights.
    #[arg(value_name = "PATH")]
    model: PathBuf,

    /// bf16 (half the size) or int8 (a quarter); or some parts by name, such as image-encoder=int8,text-decoder=bf16 (and
    /// text-encoder). It is loaded with the same.
    #[arg(long)]
    precision: Precisions,

    /// Where it is written, a folder or a file as the model is; what is there already is not overwritten.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    vacant(&args.out)?;
    quantize(&args.model, args.precision, &args.out)?;
    let [from, to] = [size(&args.model)?, size(&args.out)?];
    Ok(format!("{}: {to} bytes, from {from}\n", args.out.display()).into())
}

/// Bytes of a file, or of the files in a folder.
fn size(path: &Path) -> Result<u64, Box<dyn Error>> {
    if path.is_file() {
        return Ok(std::fs::metadata(path)?.len());
    }
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        let metadata = entry?.metadata()?;
        total += if metadata.is_file() { metadata.len() } else { 0 };
    }
    Ok(total)
}
