//! From files to what a task is built of.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blip_processor::{AlphaPolicy, BertTokenizer, ImageProcessor, ImageProcessorConfig};
use blip_traits::Tokenizer;
use blip_weights::Checkpoint;
use burn::tensor::Device;

use crate::part::{layout_of, networks};
use crate::tokenizer::WithIds;
use crate::{BlipConfig, Error, Layout, Part, Precisions, Reference, Task};

/// The files of a checkpoint, where they do not lie together in one folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFiles {
    /// One file of weights, or the shards of one model: safetensors or PyTorch.
    pub weights: Vec<PathBuf>,
    /// Hugging Face's `config.json`. The original has none: there the sizes are read off the tensors.
    pub config: Option<PathBuf>,
    /// `tokenizer.json` or `vocab.txt`. Without it the standard vocabulary in the crate is taken.
    pub tokenizer: Option<PathBuf>,
    /// Hugging Face's `preprocessor_config.json`.
    pub preprocessor: Option<PathBuf>,
}

/// The contents of a checkpoint's files, for programs that keep them elsewhere than in a file system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelBytes {
    /// One safetensors or PyTorch file.
    pub weights: Vec<u8>,
    /// Hugging Face's `config.json`. The original has none: there the sizes are read off the tensors.
    pub config: Option<String>,
    /// `tokenizer.json` or `vocab.txt`. Without it the standard vocabulary in the crate is taken.
    pub tokenizer: Option<Vec<u8>>,
    /// Hugging Face's `preprocessor_config.json`.
    pub preprocessor: Option<String>,
}

/// How a checkpoint is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Where the networks run.
    pub device: Device,
    /// Whose conventions are followed; `None` is those of the checkpoint's layout.
    ///
    /// Said aloud it also sets the ViT's LayerNorm epsilon, which config.json states otherwise.
    pub reference: Option<Reference>,
    /// Height and width that pictures are resized to; `None` is the checkpoint's. The position table is interpolated.
    pub image_size: Option<[usize; 2]>,
    /// How the weights are held for inference on the CPU. Any other device than that knows `f32` alone.
    pub precision: Precisions,
    /// What becomes of transparency.
    pub alpha: AlphaPolicy,
    /// Whether pictures are turned as their EXIF data says. No reference does that.
    pub exif_orientation: bool,
}

impl LoadOptions {
    /// The defaults on a device of your choice.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            reference: None,
            image_size: None,
            precision: Precisions::default(),
            alpha: AlphaPolicy::default(),
            exif_orientation: false,
        }
    }
}

#[cfg(feature = "flex")]
impl Default for LoadOptions {
    /// On the CPU.
    fn default() -> Self {
        Self::new(Device::flex())
    }
}

/// An opened checkpoint with everything beside it: headers read and checked, no weights yet.
pub(crate) struct Source {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) layout: Layout,
    /// The parts to load.
    pub(crate) parts: Vec<Part>,
    pub(crate) reference: Reference,
    pub(crate) config: BlipConfig,
    tokenizer: Option<BertTokenizer>,
    processor: Option<ImageProcessorConfig>,
    /// Whether a config.json states the ids that begin and end a text.
    ids_are_stated: bool,
    options: LoadOptions,
}

impl Source {
    /// A folder in Hugging Face layout, or one file of weights.
    pub(crate) fn open_path(path: &Path, task: Option<Task>, options: &LoadOptions) -> Result<Self, Error> {
        if path.is_dir() {
            return Self::open_dir(path, task, options);
        }
        let checkpoint = Checkpoint::open_files(&[path.to_owned()])?;
        // A file out of a Hugging Face folder has the rest beside it; an original stands alone.
        let files = match layout_of(&checkpoint)? {
            Layout::HuggingFace => ModelFiles::beside(path.parent().unwrap_or(Path::new(""))),
            Layout::Salesforce => ModelFiles::default(),
        };
        Self::with_files(checkpoint, &files, task, options)
    }

    /// A folder in Hugging Face layout.
    pub(crate) fn open_dir(folder: &Path, task: Option<Task>, options: &LoadOptions) -> Result<Self, Error> {
        let checkpoint = Checkpoint::open(folder)?;
        Self::with_files(checkpoint, &ModelFiles::beside(folder), task, options)
    }

    /// Files, wherever they are.
    pub(crate) fn open_files(
        files: &ModelFiles,
        task: Option<Task>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let checkpoint = Checkpoint::open_files(&files.weights)?;
        Self::with_files(checkpoint, files, task, options)
    }

    fn with_files(
        checkpoint: Checkpoint,
        files: &ModelFiles,
        task: Option<Task>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let config = read_config(files.config.as_deref())?;
        let tokenizer = at(&files.tokenizer, |path| {
            let tokenizer = read(path)?;
            parse_tokenizer(&tokenizer)
        })?;
        let processor = at(&files.preprocessor, |path| {
            Ok(ImageProcessorConfig::from_preprocessor_json(read(path)?)?)
        })?;
        Self::new(checkpoint, config, tokenizer, processor, task, options)
    }

    /// Contents of files.
    pub(crate) fn from_bytes(
        bytes: ModelBytes,
        task: Option<Task>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let checkpoint = Checkpoint::from_bytes(bytes.weights)?;
        let config = bytes.config.as_deref().map(BlipConfig::from_json).transpose()?;
        let tokenizer = bytes.tokenizer.as_deref().map(parse_tokenizer).transpose()?;
        let processor = bytes
            .preprocessor
            .map(ImageProcessorConfig::from_preprocessor_json)
            .transpose()?;
        Self::new(checkpoint, config, tokenizer, processor, task, options)
    }

    fn new(
        checkpoint: Checkpoint,
        stated: Option<BlipConfig>,
        tokenizer: Option<BertTokenizer>,
        processor: Option<ImageProcessorConfig>,
        task: Option<Task>,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        let layout = layout_of(&checkpoint)?;
        let found = Part::all_in(&checkpoint, layout);
        let parts = match task {
            Some(task) => {
                task.check(&found)?;
                let wanted =
                    |part: &Part| task.parts().contains(part) || task.optional_parts().contains(part);
                found.into_iter().filter(wanted).collect()
            }
            None => networks(&found),
        };
        let ids_are_stated = stated.is_some();
        let mut config = BlipConfig::of(stated, &checkpoint, layout)?;
        if let Some(reference) = options.reference {
            config.vision.layer_norm_eps = reference.vision_epsilon();
        }
        Ok(Self {
            reference: options.reference.unwrap_or(layout.reference()),
            checkpoint,
            layout,
            parts,
            config,
            tokenizer,
            processor,
            ids_are_stated,
            options: options.clone(),
        })
    }

    pub(crate) fn precisions(&self) -> &Precisions {
        &self.options.precision
    }

    pub(crate) fn device(&self) -> &Device {
        &self.options.device
    }

    /// The size that pictures are resized to.
    pub(crate) fn image_size(&self) -> [usize; 2] {
        self.options
            .image_size
            .unwrap_or([self.config.vision.image_size; 2])
    }

    /// The temperature of contrastive training, where the checkpoint has it and something to divide by it.
    pub(crate) fn temperature(&self) -> Result<Option<f32>, Error> {
        if !self.parts.contains(&Part::Projections) || self.checkpoint.tensor(TEMPERATURE).is_none() {
            return Ok(None);
        }
        match self.checkpoint.read_f32(TEMPERATURE)?[..] {
            [temperature] if temperature.is_finite() && temperature > 0.0 => Ok(Some(temperature)),
            ref values => Err(Error::Tensor {
                tensor: TEMPERATURE.to_owned(),
                expected: "one number above 0".to_owned(),
                got: format!("{values:?}"),
            }),
        }
    }

    pub(crate) fn image_processor(&self) -> Result<ImageProcessor, Error> {
        let size = self.image_size();
        let mut config = self
            .processor
            .clone()
            .unwrap_or_else(|| ImageProcessorConfig::new(size));
        // The networks decide the size: a preprocessor_config.json may be that of another size. Normalisation stays
        // at its default: the original's arithmetic and that of Hugging Face's Pillow processor have the same bits.
        config.size = size;
        config.alpha = self.options.alpha;
        config.exif_orientation = self.options.exif_orientation;
        Ok(ImageProcessor::new(config)?)
    }

    pub(crate) fn tokenizer(&self) -> Result<Arc<dyn Tokenizer>, Error> {
        let vocab_size = self.config.text.vocab_size;
        let tokenizer = match &self.tokenizer {
            Some(tokenizer) => tokenizer.clone(),
            None => built_in(vocab_size)?,
        };
        // The decoder's table may be padded to a round number; a vocabulary that lacks more is another's, or cut off.
        let got = tokenizer.vocab_size();
        if got > vocab_size || got + MAX_PADDING < vocab_size {
            return Err(Error::Vocabulary { vocab_size, got });
        }
        let tokenizer = tokenizer.with_special_token_policy(self.reference.special_token_policy())?;
        if self.ids_are_stated {
            Ok(Arc::new(WithIds::new(tokenizer, &self.config)))
        } else {
            Ok(Arc::new(tokenizer))
        }
    }
}

/// salesforce/BLIP@056a169 models/blip_retrieval.py `temp`.
const TEMPERATURE: &str = "temp";

/// Rows by which a table of embeddings may be longer than its vocabulary.
const MAX_PADDING: usize = 64;

impl ModelFiles {
    /// The small files of a folder in Hugging Face layout, as far as they are there.
    pub(crate) fn beside(folder: &Path) -> Self {
        let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        Self {
            weights: Vec::new(),
            config: file("config.json"),
            tokenizer: file("tokenizer.json").or_else(|| file("vocab.txt")),
            preprocessor: file("preprocessor_config.json"),
        }
    }
}

/// Reads a config.json, if there is one.
pub(crate) fn read_config(path: Option<&Path>) -> Result<Option<BlipConfig>, Error> {
    at(&path, |path| {
        BlipConfig::from_json(&String::from_utf8_lossy(&read(path)?))
    })
}

/// Does something with a file, if there is one; its errors name the file.
fn at<P: AsRef<Path>, T>(
    path: &Option<P>,
    with: impl Fn(&Path) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    let Some(path) = path else {
        return Ok(None);
    };
    let path = path.as_ref();
    with(path).map(Some).map_err(|error| match error {
        error @ Error::Io { .. } => error,
        error => Error::File {
            path: path.to_owned(),
            source: Box::new(error),
        },
    })
}

/// A `tokenizer.json` or a `vocab.txt`, by content.
fn parse_tokenizer(bytes: &[u8]) -> Result<BertTokenizer, Error> {
    Ok(if bytes.trim_ascii_start().starts_with(b"{") {
        BertTokenizer::from_tokenizer_json(bytes)?
    } else {
        BertTokenizer::from_vocab_txt(bytes)?
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

#[cfg(feature = "vocab")]
pub(crate) fn built_in(vocab_size: usize) -> Result<BertTokenizer, Error> {
    let tokenizer = BertTokenizer::new();
    if tokenizer.vocab_size() != vocab_size {
        return Err(Error::NoTokenizer { vocab_size });
    }
    Ok(tokenizer)
}

#[cfg(not(feature = "vocab"))]
pub(crate) fn built_in(vocab_size: usize) -> Result<BertTokenizer, Error> {
    Err(Error::NoTokenizer { vocab_size })
}
