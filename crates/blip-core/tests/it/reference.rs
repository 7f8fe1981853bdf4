//! The recorded models, opened as users open them.

use std::path::PathBuf;

use blip_core::{Captioner, LoadOptions, ModelFiles, PixelValues, device};
use blip_testkit::Golden;

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/goldens")
        .join(name)
}

/// A recorded model and what its reference computed.
#[derive(Clone, Copy)]
pub(crate) struct Recorded {
    /// The folder or file.
    pub(crate) model: &'static str,
    /// The golden file.
    pub(crate) golden: &'static str,
}

pub(crate) const HUGGING_FACE: &[Recorded] = &[
    Recorded {
        model: "hf_caption",
        golden: "hf_caption.safetensors",
    },
    Recorded {
        model: "hf_caption_bin",
        golden: "hf_caption.safetensors",
    },
    Recorded {
        model: "hf_wide",
        golden: "hf_wide.safetensors",
    },
];

pub(crate) const SALESFORCE: &[Recorded] = &[
    Recorded {
        model: "salesforce_caption.pth",
        golden: "salesforce_caption.safetensors",
    },
    Recorded {
        model: "salesforce_pretrain.pth",
        golden: "salesforce_pretrain.safetensors",
    },
];

pub(crate) fn all() -> impl Iterator<Item = Recorded> {
    HUGGING_FACE.iter().chain(SALESFORCE).copied()
}

/// On the CPU, or where `BLIP_TEST_DEVICE` says (with the feature of that name).
pub(crate) fn options() -> LoadOptions {
    let name = std::env::var("BLIP_TEST_DEVICE").unwrap_or("flex".to_owned());
    LoadOptions::new(device(&name).unwrap())
}

impl Recorded {
    pub(crate) fn golden(self) -> Golden {
        Golden::open(path(self.golden))
    }

    pub(crate) fn captioner(self) -> Captioner {
        self.captioner_with(&options())
    }

    pub(crate) fn captioner_with(self, options: &LoadOptions) -> Captioner {
        let model = path(self.model);
        let loaded = if model.is_dir() {
            Captioner::from_path(&model, options)
        } else {
            // The originals bring no vocabulary, and these do not have the standard one.
            Captioner::from_files(&original(self.model), options)
        };
        loaded.unwrap_or_else(|error| panic!("{}: {error}", self.model))
    }
}

pub(crate) fn original(name: &str) -> ModelFiles {
    ModelFiles {
        weights: vec![path(name)],
        tokenizer: Some(path("hf_caption/vocab.txt")),
        ..ModelFiles::default()
    }
}

/// Loads a recorded model for a task.
macro_rules! load {
    ($task:ident, $model:expr) => {{
        let model = $crate::reference::path($model);
        let options = $crate::reference::options();
        let loaded = if model.is_dir() {
            $task::from_path(&model, &options)
        } else {
            $task::from_files(&$crate::reference::original($model), &options)
        };
        loaded.unwrap_or_else(|error| panic!("{}: {error}", $model))
    }};
}

pub(crate) use load;

/// A list of texts in a golden's metadata.
pub(crate) fn list(golden: &Golden, key: &str) -> Vec<String> {
    serde_json::from_str(&golden.metadata(key)).unwrap()
}

pub(crate) fn pixels(golden: &Golden, name: &str) -> PixelValues {
    let shape = golden.shape(name);
    PixelValues::new(golden.f32(name), [shape[0], shape[2], shape[3]]).unwrap()
}
