//! The ways to load, the same for every task.

/// Gives a type the constructors `from_dir`, `from_path`, `from_pretrained`, `from_hub`, `from_files`, `from_bytes` and
/// `from_seed`: they load a [`Blip`](crate::Blip) for the task (all that the checkpoint holds if there is none) and make
/// the type of it.
macro_rules! loaders {
    ($type:ident, $task:expr, $of_blip:expr) => {
        impl $type {
            /// Loads a folder in Hugging Face layout, on the CPU: `config.json`; `model.safetensors` (or shards with their
            /// index) or `pytorch_model.bin`; `tokenizer.json` or `vocab.txt`; `preprocessor_config.json`.
            ///
            /// # Errors
            ///
            /// [`Error`](crate::Error) names the file, field or tensor that is missing, unknown or contradicts another;
            /// nothing is loaded then.
            #[cfg(feature = "flex")]
            pub fn from_dir(folder: impl AsRef<std::path::Path>) -> Result<Self, crate::Error> {
                let options = crate::LoadOptions::default();
                Self::from_source(crate::source::Source::open_dir(
                    folder.as_ref(),
                    $task,
                    &options,
                )?)
            }

            /// Loads a folder in Hugging Face layout, or one file: an original `.pth`, or a safetensors file.
            ///
            /// Layout, sizes and parts are told by the tensors' names and shapes, not by the file's name.
            ///
            /// # Errors
            ///
            /// As [`from_files`](Self::from_files).
            pub fn from_path(
                path: impl AsRef<std::path::Path>,
                options: &crate::LoadOptions,
            ) -> Result<Self, crate::Error> {
                Self::from_source(crate::source::Source::open_path(
                    path.as_ref(),
                    $task,
                    options,
                )?)
            }

            /// Downloads a repository of the Hugging Face hub, or takes what an earlier call downloaded, and loads it.
            ///
            /// The endpoint, the cache and the token are those of `huggingface_hub`: `HF_ENDPOINT`, `HF_HOME`,
            /// `HF_TOKEN`. `on_progress` is told how far each file is.
            ///
            /// # Errors
            ///
            /// [`Error::Weights`](crate::Error::Weights) if a file cannot be had, and as
            /// [`from_files`](Self::from_files).
            #[cfg(feature = "hub")]
            pub fn from_pretrained(
                repo_id: &str,
                revision: &str,
                options: &crate::LoadOptions,
                on_progress: impl FnMut(blip_weights::Progress<'_>),
            ) -> Result<Self, crate::Error> {
                let hub = blip_weights::Hub::from_env();
                Self::from_hub(&hub, repo_id, revision, options, on_progress)
            }

            /// [`from_pretrained`](Self::from_pretrained) with an endpoint, a cache and a token of your choice.
            ///
            /// # Errors
            ///
            /// As [`from_pretrained`](Self::from_pretrained).
            #[cfg(feature = "hub")]
            pub fn from_hub(
                hub: &blip_weights::Hub,
                repo_id: &str,
                revision: &str,
                options: &crate::LoadOptions,
                on_progress: impl FnMut(blip_weights::Progress<'_>),
            ) -> Result<Self, crate::Error> {
                Self::from_path(hub.download(repo_id, revision, on_progress)?, options)
            }

            /// Loads files that do not lie together in one folder.
            ///
            /// # Errors
            ///
            /// [`Error`](crate::Error) names the file, field or tensor that is missing, unknown or contradicts another, or
            /// says which parts of the task the checkpoint lacks; nothing is loaded then.
            pub fn from_files(
                files: &crate::ModelFiles,
                options: &crate::LoadOptions,
            ) -> Result<Self, crate::Error> {
                Self::from_source(crate::source::Source::open_files(files, $task, options)?)
            }

            /// Loads from memory.
            ///
            /// # Errors
            ///
            /// As [`from_files`](Self::from_files).
            pub fn from_bytes(
                bytes: crate::ModelBytes,
                options: &crate::LoadOptions,
            ) -> Result<Self, crate::Error> {
                Self::from_source(crate::source::Source::from_bytes(bytes, $task, options)?)
            }

            /// Weights from a seed, whose results mean nothing: for tests, benchmarks and tries.
            ///
            /// Without a reference in the options it follows Hugging Face's conventions.
            ///
            /// # Errors
            ///
            /// [`Error`](crate::Error) if the configuration describes no model, or is not for the standard vocabulary.
            pub fn from_seed(
                config: &crate::BlipConfig,
                seed: u64,
                options: &crate::LoadOptions,
            ) -> Result<Self, crate::Error> {
                Self::of_blip(crate::Blip::seeded(config, $task, seed, options)?)
            }

            fn of_blip(blip: crate::Blip) -> Result<Self, crate::Error> {
                let of_blip: fn(crate::Blip) -> Result<Self, crate::Error> = $of_blip;
                of_blip(blip)
            }
        }
    };
    // For a task: `from_source` is the whole checkpoint's and then the task's.
    ($type:ident, $task:ident) => {
        $crate::loader::loaders!($type, Some(crate::Task::$task), |blip| Self::of(&blip));

        impl $type {
            fn from_source(source: crate::source::Source) -> Result<Self, crate::Error> {
                Self::of(&crate::Blip::from_source(source)?)
            }
        }
    };
}

pub(crate) use loaders;
