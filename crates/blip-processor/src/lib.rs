//! BLIP's preprocessing: pictures to pixel values as Pillow does it, BERT WordPiece, text cleaning.
//!
//! For whoever needs exactly what BLIP saw when it was trained, with our networks or with an engine of their own
//! (ONNX, a server): no network and no Burn backend comes along. You probably want `blip-core`, which does all of it.
//!
//! ```text
//! picture file ─ decode ─▶ RgbImage ─ resize_bicubic ─▶ RgbImage ─ normalise ─▶ PixelValues [1, 3, height, width]
//! caption      ─ pre_caption  ─┐
//! question     ─ pre_question ─┴▶ text ─ BertTokenizer ─▶ ids ─ BertTokenizer ─▶ text
//! ```
//!
//! Where the references differ, the choice is a named value:
//!
//! | choice | default | the other |
//! |---|---|---|
//! | [`PassOrder`] | `Pillow13`, today's | `Pillow12`, of BLIP's time |
//! | [`Normalization`] | `Salesforce`, and Hugging Face's Pillow processor | `HuggingFace`: its torchvision processor |
//! | [`AlphaPolicy`] | `Drop`: the original, LAVIS, transformers 4.x | `White`: transformers 5.23 |
//! | [`ImageProcessorConfig::exif_orientation`] | off, as every reference | on |
//! | [`SpecialTokenPolicy`] | `HuggingFace` | `Salesforce`, `Literal` |
//! | cleaning | none, as Hugging Face | [`pre_caption`], [`pre_question`], as the original |
//!
//! Resized samples equal Pillow's byte for byte, pixel values equal the references' bit for bit, and so do decoded
//! PNG pictures. JPEG decoders differ among each other by a few levels; feed PNG where that matters.
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `vocab` | on | the vocabulary of `bert-base-uncased` in the crate, for `BertTokenizer::new` |
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "vocab")] {
//! use blip_processor::{BertTokenizer, ImageProcessor, ImageProcessorConfig, RgbImage, pre_question};
//! use blip_traits::Tokenizer;
//!
//! let processor = ImageProcessor::new(ImageProcessorConfig::new([480, 480]))?;
//! // Or `preprocess_file("beach.jpg")`, or `preprocess_bytes`.
//! let pixel_values = processor.preprocess(&RgbImage::new(2, 1, vec![255, 0, 0, 0, 0, 255])?)?;
//! assert_eq!(pixel_values.shape(), [1, 3, 480, 480]);
//!
//! let tokenizer = BertTokenizer::new();
//! let question = pre_question("Where is the woman sitting?", 50);
//! let ids = tokenizer.encode(&question, Some(35))?;
//! assert_eq!(ids, [101, 2073, 2003, 1996, 2450, 3564, 1029, 102]);
//! assert_eq!(tokenizer.decode(&[2006, 3509, 102])?, "on beach");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bicubic;
mod config;
mod decoder;
mod error;
mod normalization;
mod processor;
mod rgb;
mod text;
mod tokenizer;
mod training;
mod vocabulary;

pub use bicubic::{MAX_RESIZED_SIDE, PassOrder, resize_bicubic};
pub use config::ImageProcessorConfig;
pub use decoder::{AlphaPolicy, ImageLimits};
pub use error::ProcessorError;
pub use normalization::{CLIP_MEAN, CLIP_STD, Normalization};
pub use processor::ImageProcessor;
pub use rgb::RgbImage;
pub use text::{pre_caption, pre_question};
#[cfg(feature = "vocab")]
pub use tokenizer::BERT_BASE_UNCASED;
pub use tokenizer::{BertTokenizer, SpecialTokenPolicy};
pub use training::train_vocabulary;
