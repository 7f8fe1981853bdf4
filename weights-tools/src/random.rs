//! Checkpoints with weights from a seed, for tests and benchmarks without a download.

use std::error::Error;
use std::path::{Path, PathBuf};

use blip_core::{BlipConfig, BlipModel, Layout, Task, device};
use blip_processor::BERT_BASE_UNCASED;
use clap::ValueEnum;

use crate::Report;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the checkpoint is for.
    #[arg(long, value_enum, default_value_t = TaskName::Caption)]
    task: TaskName,

    /// How large it is.
    #[arg(long, value_enum)]
    preset: Preset,

    /// Side of the square picture, in pixels: a multiple of the patch size. Default: the preset's (384; tiny: 32).
    #[arg(long, value_name = "S")]
    image_size: Option<usize>,

    /// Where the weights come from: the same seed makes the same weights, in either layout.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,

    /// huggingface: a folder; salesforce: one .pth file.
    #[arg(long, default_value = "huggingface", value_name = "NAME")]
    layout: Layout,

    /// Where it is written; what is there already is not overwritten.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TaskName {
    /// Captioning.
    Caption,
    /// Question answering.
    Vqa,
    /// Matching, search and classification.
    Itm,
    /// Reasoning over two pictures; salesforce only.
    Nlvr,
}

impl TaskName {
    fn task(self) -> Task {
        match self {
            Self::Caption => Task::Captioning,
            Self::Vqa => Task::QuestionAnswering,
            Self::Itm => Task::Matching,
            Self::Nlvr => Task::Reasoning,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Preset {
    /// Two layers of width 64, pictures of 32 pixels.
    Tiny,
    /// ViT-B/16 and BERT-base.
    Base,
    /// ViT-L/16 and BERT-base.
    Large,
}

impl Preset {
    fn config(self) -> BlipConfig {
        match self {
            Self::Tiny => BlipConfig::tiny(),
            Self::Base => BlipConfig::base(),
            Self::Large => BlipConfig::large(),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Report, Box<dyn Error>> {
    let task = args.task.task();
    let mut config = args.preset.config().for_task(task);
    if let Some(image_size) = args.image_size {
        config.vision.image_size = image_size;
    }
    if args.layout == Layout::HuggingFace {
        // As every published Hugging Face config has it; the original computes with 1e-6.
        config.vision.layer_norm_eps = 1e-5;
    }
    vacant(&args.out)?;
    if args.layout == Layout::HuggingFace {
        // Before the weights are made.
        config.to_json(task)?;
    }
    let model = BlipModel::from_seed(&config, task.parts(), args.seed, &device("flex")?)?;
    model.save(&config, args.layout, &args.out)?;
    if args.layout == Layout::HuggingFace {
        std::fs::write(args.out.join("vocab.txt"), BERT_BASE_UNCASED)?;
    }
    Ok(format!("{}\n", args.out.display()).into())
}

/// Nothing that is there is lost.
pub(crate) fn vacant(out: &Path) -> Result<(), Box<dyn Error>> {
    let taken = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    if taken {
        return Err(format!(
            "--out {}: it exists already; expected a new path or an empty folder",
            out.display()
        )
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        vacant(folder.path()).unwrap();
        let file = folder.path().join("model.pth");
        vacant(&file).unwrap();
        std::fs::write(&file, b"precious").unwrap();
        assert!(vacant(&file).is_err() && vacant(folder.path()).is_err());
    }
}
