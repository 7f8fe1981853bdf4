//! Data to train and evaluate BLIP: records, folders and tar shards, and the original's augmentation.
//!
//! For whoever trains BLIP, or evaluates it on a data set: annotations in the original's files, pictures in a folder or
//! in WebDataset shards, shuffled and augmented so that a run can be repeated and taken up again. No network and no Burn
//! backend comes along; `blip-processor` makes pixel values of what comes out.
//!
//! ```text
//! JSON array, JSON lines ─┐
//! folder, texts beside ───┼▶ RecordSet ─ sample(index) ─▶ Sample ─ TrainTransform ─▶ RgbImage [size, size, 3]
//! tar shards ─────────────┘      ▲                          ├ CaptionRecord              │
//!                           epoch_order                     ├ QuestionRecord             └▶ ImageProcessor::preprocess
//!                                                           └ PairRecord
//! ```
//!
//! A broken record is left out and told with its place ([`Skipped`], [`DataError::place`]); it stops nothing.
//!
//! What the original does is the default, its oddities included:
//!
//! | choice | default | the other |
//! |---|---|---|
//! | [`ReadOptions::clean`] | texts are cleaned by `pre_caption` and `pre_question` | as they stand |
//! | [`TrainTransform::flip`] | half of the pictures are mirrored, whatever the words say of left and right | 0 |
//! | [`AutoContrast`] | `Original`: a channel without black becomes white | `Pillow`: what was meant |
//! | [`Sample::draw_order`] | called in training | in evaluation too, as the original, which adds noise |
//!
//! The operations give the bytes of the original with OpenCV 4; OpenCV 5 shears, moves and turns with other rounding.
//! Random choices have the original's distributions, not its streams of numbers.
//!
//! # Example
//!
//! ```
//! use blip_data::{CaptionRecord, Dataset, Random, ReadOptions, RecordSet, TrainTransform, epoch_order};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::env::set_current_dir(&folder)?;
//! # std::fs::create_dir("pictures")?;
//! # image::RgbImage::new(40, 30).save("pictures/beach.png")?;
//! # std::fs::write("pictures/beach.txt", "A woman and a dog.")?;
//! // pictures/beach.png, and pictures/beach.txt with a caption a line.
//! let set = RecordSet::<CaptionRecord>::open_folder("pictures", &ReadOptions::default())?;
//! let transform = TrainTransform::original(384);
//!
//! let (seed, epoch) = (42, 0);
//! for index in epoch_order(seed, epoch, set.len()) {
//!     let mut random = Random::of_sample(seed, epoch, index);
//!     match set.sample(index) {
//!         Ok(sample) => {
//!             let image = transform.apply(&sample.image, &mut random)?;
//!             assert_eq!((image.width(), image.height()), (384, 384));
//!             assert_eq!(sample.record.draw_caption(&mut random), Some("a woman and a dog"));
//!         }
//!         Err(broken) => eprintln!("{broken}"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod augmentation;
mod caption;
mod crop;
mod dataset;
mod error;
mod field;
mod flip;
mod folder;
mod group;
mod id;
mod json;
mod option;
mod order;
mod pair;
mod place;
mod question;
mod randaugment;
mod random;
mod record;
mod set;
mod sharpness;
mod sidecar;
mod skipped;
mod stream;
mod tone;
mod transform;
mod walk;
mod warp;

pub use augmentation::{Augmentation, Operation};
pub use caption::CaptionRecord;
pub use crop::{CropBox, RandomResizedCrop};
pub use dataset::Dataset;
pub use error::DataError;
pub use flip::flip_horizontal;
pub use id::{RecordId, coco_image_id};
pub use option::{CAPTION_WORDS, QUESTION_WORDS, ReadLimits, ReadOptions, SENTENCE_WORDS, Targets};
pub use order::epoch_order;
pub use pair::{PairRecord, exchange_left_right};
pub use place::{Place, Position};
pub use question::{QuestionRecord, QuestionSource, WeightedAnswer};
pub use randaugment::RandAugment;
pub use random::Random;
pub use record::{Record, Sample};
pub use set::RecordSet;
pub use skipped::Skipped;
pub use stream::ShardStream;
pub use tone::AutoContrast;
pub use transform::{TrainTransform, TransformPlan};
