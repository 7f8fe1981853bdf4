//! What a checkpoint is, told from its headers alone.

use std::path::Path;

use blip_weights::{Checkpoint, LoadReport, WeightsError, check};
use burn::tensor::Device;

use crate::part::{layout_of, networks};
use crate::source::read_config;
use crate::{BlipConfig, BlipModel, Error, Layout, Part, Task};

/// A checkpoint seen from its headers: no weights are read.
pub struct Inspection {
    /// The opened checkpoint, with its tensors' names, types and shapes.
    pub checkpoint: Checkpoint,
    /// How it names its tensors.
    pub layout: Layout,
    /// The parts of BLIP that it holds.
    pub parts: Vec<Part>,
    /// The task that it was made for, if it is one.
    pub task: Option<Task>,
    /// The sizes: those of config.json where there is one, else those that the shapes tell.
    pub config: BlipConfig,
    /// The tasks that its parts do for.
    pub tasks: Vec<Task>,
    /// Whether it fits the networks of all its parts.
    pub fit: Result<LoadReport, WeightsError>,
}

impl Inspection {
    /// Opens a folder in Hugging Face layout, or one file of weights.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be opened, is no BLIP checkpoint, or its config.json contradicts its weights.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, Error> {
        let path = path.as_ref();
        let checkpoint = Checkpoint::open(path)?;
        let layout = layout_of(&checkpoint)?;
        let parts = Part::all_in(&checkpoint, layout);
        // A file out of a Hugging Face folder has its config.json beside it; an original stands alone.
        let folder = match layout {
            _ if path.is_dir() => Some(path),
            Layout::HuggingFace => path.parent(),
            Layout::Salesforce => None,
        };
        let json = folder
            .map(|folder| folder.join("config.json"))
            .filter(|json| json.is_file());
        let config = BlipConfig::of(read_config(json.as_deref())?, &checkpoint, layout)?;
        let wanted = networks(&parts);
        let model = BlipModel::new(&config, &wanted, device)?;
        let fit = check(&checkpoint, &model, &BlipModel::keys(layout, &wanted));
        Ok(Self {
            task: Task::of(&parts),
            tasks: Task::possible(&parts),
            checkpoint,
            layout,
            parts,
            config,
            fit,
        })
    }
}
