//! The flags that name a model.

use std::error::Error;
use std::path::{Path, PathBuf};

use blip_core::{
    Captioner, Classifier, FeatureExtractor, LoadOptions, Matcher, PairReasoner, Precisions,
    QuestionAnswerer, Reference, Retriever, device, error_chain, set_num_threads,
};
use blip_demo::DemoModel;
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::count;

/// Which model, whose conventions, and where it runs.
#[derive(Args, Debug)]
pub struct ModelArgs {
    /// A folder in Hugging Face layout, one original .pth file, or a hub id such as
    /// Salesforce/blip-image-captioning-base (feature `hub`). Left out: the demonstration model, which knows scenes of
    /// coloured shapes such as those in examples/images/scenes, and nothing else.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,

    /// Whose conventions: huggingface or salesforce. Default: those of the checkpoint's layout.
    #[arg(long, value_name = "NAME")]
    reference: Option<Reference>,

    /// Where the networks run: flex (the CPU), wgpu, vulkan or metal (features of the same names).
    #[arg(long, default_value = "flex", value_parser = PossibleValuesParser::new(["flex", "wgpu", "vulkan", "metal"]))]
    device: String,

    /// How the CPU holds weights: f32, bf16 (half the memory) or int8 (a quarter); or some parts by name, such as
    /// image-encoder=int8,text-decoder=bf16 (and text-encoder).
    #[arg(long, default_value_t)]
    precision: Precisions,

    /// Threads that compute on the CPU. Left out: as many as there are cores, or as RAYON_NUM_THREADS says.
    #[arg(long, value_name = "N", value_parser = count)]
    threads: Option<usize>,

    /// Side of the square that pictures are resized to, in pixels. Default: the checkpoint's.
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    image_size: Option<usize>,

    /// Turn pictures as their EXIF data says; no reference does.
    #[arg(long)]
    exif_orientation: bool,
}

/// A task of a checkpoint.
pub trait Loadable: Sized {
    /// Loads a folder or a file.
    ///
    /// # Errors
    ///
    /// If it is no checkpoint, or one for another task.
    fn from_path(path: &Path, options: &LoadOptions) -> Result<Self, blip_core::Error>;

    /// The demonstration model's.
    ///
    /// # Errors
    ///
    /// If the options do not fit it.
    fn demonstration(options: &LoadOptions) -> Result<Self, blip_core::Error>;

    /// Downloads a repository of the hub, and tells how far it is.
    ///
    /// # Errors
    ///
    /// If it cannot be had, or is no checkpoint for the task.
    #[cfg(feature = "hub")]
    fn from_hub(
        id: &str,
        options: &LoadOptions,
        on_progress: impl FnMut(blip_core::weights::Progress<'_>),
    ) -> Result<Self, blip_core::Error>;
}

macro_rules! loadable {
    ($($task:ident by $method:ident;)+) => {$(
        impl Loadable for $task {
            fn from_path(path: &Path, options: &LoadOptions) -> Result<Self, blip_core::Error> {
                $task::from_path(path, options)
            }

            fn demonstration(options: &LoadOptions) -> Result<Self, blip_core::Error> {
                DemoModel::built_in().$method(options)
            }

            #[cfg(feature = "hub")]
            fn from_hub(
                id: &str,
                options: &LoadOptions,
                on_progress: impl FnMut(blip_core::weights::Progress<'_>),
            ) -> Result<Self, blip_core::Error> {
                $task::from_pretrained(id, "main", options, on_progress)
            }
        }
    )+};
}

loadable! {
    Captioner by captioner;
    QuestionAnswerer by question_answerer;
    Matcher by matcher;
    Retriever by retriever;
    Classifier by classifier;
    FeatureExtractor by feature_extractor;
    PairReasoner by pair_reasoner;
}

impl ModelArgs {
    /// Loads the model for a task.
    ///
    /// # Errors
    ///
    /// If there is no such model or device, or the model is for another task.
    pub fn load<T: Loadable>(&self) -> Result<T, Box<dyn Error>> {
        if let Some(threads) = self.threads {
            set_num_threads(threads)?;
        }
        let mut options = LoadOptions::new(device(&self.device)?);
        options.precision = self.precision;
        options.reference = self.reference;
        options.image_size = self.image_size.map(|side| [side; 2]);
        options.exif_orientation = self.exif_orientation;
        match &self.model {
            Some(path) if path.exists() => T::from_path(path, &options)
                .map_err(|error| format!("--model {}: {}", path.display(), error_chain(&error)).into()),
            Some(path) => pretrained(path, &options),
            None => {
                eprintln!(
                    "note: no --model given; using the demonstration model, which knows scenes of coloured shapes only"
                );
                Ok(T::demonstration(&options)?)
            }
        }
    }
}

/// What is no path may be a repository's id.
#[cfg(feature = "hub")]
fn pretrained<T: Loadable>(id: &Path, options: &LoadOptions) -> Result<T, Box<dyn Error>> {
    use indicatif::{ProgressBar, ProgressStyle};

    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")?;
    let bar = ProgressBar::new(0).with_style(style);
    let mut file = String::new();
    let loaded = T::from_hub(&id.to_string_lossy(), options, |progress| {
        if file != progress.file {
            file = progress.file.to_owned();
            bar.reset();
            bar.set_message(file.clone());
        }
        bar.set_length(progress.total.unwrap_or(progress.done));
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    Ok(loaded?)
}

#[cfg(not(feature = "hub"))]
fn pretrained<T: Loadable>(path: &Path, _: &LoadOptions) -> Result<T, Box<dyn Error>> {
    let path = path.display();
    Err(format!("{path}: no such file or folder (for a hub id, build with --features hub)").into())
}
