//! Which files of a folder are the checkpoint.
//!
//! ```text
//! model.safetensors             one file
//! model.safetensors.index.json  {"weight_map": {name: "model-00001-of-00002.safetensors", …}}
//! pytorch_model.bin             the same two, pickled
//! pytorch_model.bin.index.json
//! ```
//!
//! The first that is there is taken, as transformers 5.23 `modeling_utils.py` does.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::WeightsError;

/// File names of the Hugging Face layout, in order of preference.
pub(crate) const NAMES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Files of a model in the Hugging Face layout besides its weights, as far as it has them.
pub const COMPANIONS: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// Names that the error for a folder without weights lists.
const LISTED: usize = 10;

/// The checkpoint file or shard index in `folder`.
pub(crate) fn find(folder: &Path) -> Result<PathBuf, WeightsError> {
    if let Some(path) = NAMES
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
    {
        return Ok(path);
    }
    let entries = std::fs::read_dir(folder).map_err(WeightsError::io(folder, "list"))?;
    let mut files: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    files.truncate(LISTED);
    Err(WeightsError::EmptyFolder {
        folder: folder.to_owned(),
        expected: NAMES.join(" or "),
        files,
    })
}

/// Which shard holds which tensor.
pub(crate) struct ShardIndex {
    path: PathBuf,
    weight_map: BTreeMap<String, String>,
}

impl ShardIndex {
    /// Reads an index, and checks that its shards are files beside it.
    pub(crate) fn open(path: &Path) -> Result<Self, WeightsError> {
        let index = Self::read(path)?;
        for shard in index.weight_map.values() {
            if !index.shard_path(shard).is_file() {
                return Err(WeightsError::ShardMissing {
                    index: index.path.clone(),
                    shard: shard.clone(),
                });
            }
        }
        Ok(index)
    }

    /// Reads an index, and checks that its shards would be files beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, WeightsError> {
        let text = std::fs::read(path).map_err(WeightsError::io(path, "read"))?;
        let invalid = |source: Option<serde_json::Error>| WeightsError::Index {
            path: path.to_owned(),
            source: source.map(Into::into),
        };
        let json: serde_json::Value =
            serde_json::from_slice(&text).map_err(|source| invalid(Some(source)))?;
        let map = json
            .get("weight_map")
            .and_then(|map| map.as_object())
            .ok_or_else(|| invalid(None))?;
        let mut weight_map = BTreeMap::new();
        for (name, shard) in map {
            let shard = shard.as_str().ok_or_else(|| invalid(None))?;
            if !is_file_name(shard) {
                return Err(WeightsError::ShardOutside {
                    index: path.to_owned(),
                    shard: shard.to_owned(),
                });
            }
            weight_map.insert(name.clone(), shard.to_owned());
        }
        if weight_map.is_empty() {
            return Err(invalid(None));
        }
        Ok(Self {
            path: path.to_owned(),
            weight_map,
        })
    }

    /// The shards, each once.
    pub(crate) fn shards(&self) -> Vec<PathBuf> {
        let mut shards: Vec<&String> = self.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        shards.into_iter().map(|shard| self.shard_path(shard)).collect()
    }

    /// Checks that every tensor is where the index says, given where it is.
    pub(crate) fn check(&self, find: impl Fn(&str) -> Option<PathBuf>) -> Result<(), WeightsError> {
        for (name, shard) in &self.weight_map {
            let found = find(name);
            if found.as_ref() != Some(&self.shard_path(shard)) {
                return Err(WeightsError::WrongShard {
                    index: self.path.clone(),
                    name: name.clone(),
                    shard: shard.clone(),
                    found,
                });
            }
        }
        Ok(())
    }

    fn shard_path(&self, shard: &str) -> PathBuf {
        self.path.with_file_name(shard)
    }
}

/// Whether a name from a file is one step, that stays in its folder.
fn is_file_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    let inside = matches!(
        (components.next(), components.next()),
        (Some(Component::Normal(_)), None)
    );
    // A backslash separates on Windows only; no published file has one.
    inside && !name.contains('\\')
}
