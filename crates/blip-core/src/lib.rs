//! BLIP in Rust: captions, answers, matching and search from Hugging Face or original checkpoints, exactly as the
//! references give them.
//!
//! For whoever wants to use BLIP. This crate puts the parts together and re-exports what their use takes; whoever needs
//! less adds the one part instead:
//!
//! | you want | add |
//! |---|---|
//! | captions, answers, search, now | this crate |
//! | image embeddings in a Burn program | `blip-vit` (and `blip-weights`) |
//! | BLIP's exact preprocessing for another engine | `blip-processor` |
//! | your own encoder in our beam search | `blip-traits`, `blip-tasks` |
//!
//! | task | type |
//! |---|---|
//! | say what a picture shows | [`Captioner`] |
//! | answer questions about it | [`QuestionAnswerer`] |
//! | say how well pictures and texts fit | [`Matcher`] |
//! | search a folder of pictures, or texts | [`Retriever`] |
//! | say which label is nearest | [`Classifier`] |
//! | give what the encoders see | [`FeatureExtractor`] |
//! | judge a sentence about two pictures | [`PairReasoner`] |
//! | several of them from one checkpoint | [`Blip`] |
//!
//! ```text
//! checkpoint ─ blip-weights ─▶ blip-vit, blip-encoder, blip-decoder ─┐
//! picture    ─ blip-processor ─▶ PixelValues ────────────────────────┴─ blip-tasks ─▶ captions, answers, matches
//! folder     ─ blip-index ─▶ Gallery ─ blip-tasks ─▶ what was found
//! ```
//!
//! # Example
//!
//! A model with weights from a seed runs anywhere; its words are noise. [`Captioner::from_dir`] loads real ones.
//!
//! ```
//! # #[cfg(all(feature = "flex", feature = "vocab"))] {
//! use blip_core::{BlipConfig, CaptionOptions, Captioner, LoadOptions, PixelValues};
//!
//! let captioner = Captioner::from_seed(&BlipConfig::tiny(), 1, &LoadOptions::default())?;
//!
//! let picture = PixelValues::new(vec![0.5; 3 * 32 * 32], [1, 32, 32])?;
//! let options = CaptionOptions {
//!     num_beams: Some(3),
//!     num_return_sequences: Some(2),
//!     ..CaptionOptions::default()
//! };
//! let captions = captioner.caption(&picture, &options)?;
//! assert_eq!(captions.len(), 2);
//! assert!(captions[0].score >= captions[1].score);
//! # }
//! # Ok::<(), blip_core::Error>(())
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `flex` | on | Burn's pure-Rust CPU backend |
//! | `vocab` | on | the vocabulary of `bert-base-uncased`, which original checkpoints do not bring |
//! | `wgpu`, `vulkan`, `metal` | off | Burn's GPU backends |
//! | `hub` | off | `from_pretrained` of every task, which downloads; the only part that opens a socket |

mod answerer;
mod blip;
mod captioner;
mod classifier;
mod config;
mod device;
mod error;
mod extractor;
mod fingerprint;
mod gallery;
mod inspect;
mod loader;
mod matcher;
mod model;
mod part;
mod picture;
mod precision;
mod quantize;
mod reasoner;
mod reference;
mod retriever;
mod save;
mod seed;
mod source;
mod stored;
mod tokenizer;

pub use blip_decoder::TextDecoder;
pub use blip_encoder::{PairEncoder, TextEncoder};
pub use blip_index as index;
pub use blip_index::IndexError;
pub use blip_nn::{BertConfig, Precision};
#[cfg(feature = "flex")]
pub use blip_nn::{ThreadsError, set_num_threads};
pub use blip_processor::{
    AlphaPolicy, BertTokenizer, ImageLimits, ImageProcessor, ImageProcessorConfig, ProcessorError, RgbImage,
    pre_caption, pre_question, train_vocabulary,
};
pub use blip_tasks::{
    Answer, AnswerList, AnswerOptions, BeamSemantics, Caption, CaptionOptions, EarlyStopping, Embeddings,
    FinishReason, FirstToken, GenerationConfig, LabelProbability, LabelSet, Match, MatchOptions, RankOptions,
    RankedAnswer, RetrievalMetrics, RetrievalScores, SearchOptions, TaskError, TextPiece, TextPolicy,
    Verdict, frame_indices,
};
pub use blip_traits as traits;
pub use blip_traits::{Features, HiddenStates, ImageEncoder, ModelError, PixelValues, Tokenizer};
pub use blip_vit::{VisionTransformer, VitConfig};
pub use blip_weights as weights;
pub use blip_weights::WeightsError;
pub use burn::tensor::Device;

pub use answerer::QuestionAnswerer;
pub use blip::Blip;
pub use captioner::Captioner;
pub use classifier::Classifier;
pub use config::BlipConfig;
pub use device::device;
pub use error::{Error, error_chain};
pub use extractor::FeatureExtractor;
pub use gallery::{BuildEvent, BuildOptions, BuildReport, Gallery, is_picture, pictures_in};
pub use inspect::Inspection;
pub use matcher::{ConfidentCaption, Matcher};
pub use model::BlipModel;
pub use part::{Part, Task};
pub use precision::{ParsePrecisionError, Precisions};
pub use quantize::quantize;
pub use reasoner::PairReasoner;
pub use reference::{Layout, Reference};
pub use retriever::{FoundEntry, Retriever};
pub use seed::seeded;
pub use source::{LoadOptions, ModelBytes, ModelFiles};

/// The README's Rust compiles.
#[cfg(all(doctest, feature = "flex"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
