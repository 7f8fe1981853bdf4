//! How good captions and answers are: BLEU, ROUGE-L, CIDEr-D and VQA accuracy, as the official evaluations compute
//! them.
//!
//! For whoever fine-tunes or evaluates a model and wants the numbers that papers report, without Python and Java. It
//! knows no model and no tensor: texts go in, numbers come out.
//!
//! ```text
//! texts ─ tokenize_captions ─▶ CaptionSet ─┬─ bleu ────▶ Bleu
//!                                          ├─ rouge_l ─▶ Scores
//!                                          └─ cider_d ─▶ Scores        all three: CaptionScores
//!
//! answers, VqaAnnotation ─ normalize_answer ─ vqa_accuracy ─▶ VqaScores
//! ```
//!
//! Captions follow pycocoevalcap 1.2, the evaluation of COCO captions; METEOR and SPICE are not here. Answers follow
//! the evaluation of VQA in LAVIS, which is the challenge's code of before March 2021. Since then (GT-Vision-Lab/VQA
//! a013f00) that treats what annotators answered like predictions, and leaves both as they are where all annotators
//! agree, so that its accuracies differ a little. A-OKVQA's direct answers are measured by
//! [`direct_answer_accuracy`]. Recall of retrieval is measured where the ranks are made, by `RetrievalMetrics` of the
//! crate `blip-tasks`.
//!
//! # Example
//!
//! ```
//! use blip_metrics::{CaptionScores, vqa_accuracy};
//!
//! let scores = CaptionScores::from_pairs(&[
//!     ("a man riding a wave on a surfboard", vec!["A man rides a wave.", "A surfer on a big wave."]),
//!     ("a plate of food", vec!["A plate with rice and beans.", "Food on a white plate."]),
//! ])?;
//! println!("BLEU-4 {:.1}, CIDEr {:.1}", 100.0 * scores.bleu.corpus[3], 100.0 * scores.cider_d.corpus);
//!
//! assert_eq!(vqa_accuracy("Surfing!", &["surfing", "surfing", "surfing", "surfing", "swimming"]), Some(1.0));
//! # Ok::<(), blip_metrics::MetricError>(())
//! ```

mod answer;
mod bleu;
mod caption;
mod cider;
mod contraction;
mod digit;
mod direct_answer;
mod error;
mod lexer;
mod ngram;
mod rouge;
mod score;
mod tokenizer;
mod vqa;

pub use answer::normalize_answer;
pub use bleu::{Bleu, bleu};
pub use caption::CaptionSet;
pub use cider::cider_d;
pub use direct_answer::{direct_answer_accuracy, mean_direct_answer_accuracy};
pub use error::MetricError;
pub use rouge::rouge_l;
pub use score::{CaptionScores, Scores};
pub use tokenizer::{tokenize_caption, tokenize_captions};
pub use vqa::{VqaAnnotation, VqaScores, vqa_accuracy};
