//! Generation (greedy, beam search, sampling) and the task pipelines of BLIP, generic over its traits.
//!
//! For whoever wants BLIP's tasks over parts of their own choice: this crate knows no model. An encoder in another
//! engine, a remote decoder or another tokenizer takes part by implementing a trait of [`blip_traits`].
//!
//! ```text
//! CAPTION   PixelValues ─ ImageEncoder ─▶ HiddenStates          once for each picture
//!             ─ TextDecoder::start, step_last(prompt), fan_out  once for each picture
//!             ─ { step_last ─▶ Logits ─ search ─▶ tokens, reorder }* the only loop, see generate
//!             ─ Tokenizer::decode ─▶ Caption
//! VQA       picture, question ─ GroundedEncoder ─▶ HiddenStates ─ the same generate, or a ranking of given answers
//! MATCH     picture, text ─ GroundedEncoder ─ token 0 ─ Head ─▶ itm_logits;  both ─ Embedder ─ dot ─▶ itc_similarity
//! SEARCH    Embedder ─ VectorIndex ─ top k ─ itm_logits ─▶ ranked again
//! NLVR2     2 pictures, text ─ PairEncoder ─ token 0 ─ Head ─▶ true or false
//! ```
//!
//! What the references do differently with the same weights (prompts, first tokens, the rules of beam search) is a
//! [`TextPolicy`].
//!
//! # Example
//!
//! A decoder that is no network, in beam search:
//!
//! ```
//! use blip_tasks::{BeamSearch, BeamSemantics, GenerationConfig, Search, generate};
//! use blip_traits::{DecoderState, HiddenStates, Logits, ModelError, TextDecoder, TokenBatch};
//! use burn::tensor::Tensor;
//!
//! /// Counts: after the token `n` comes most likely `n + 1`, and after 4 the end token 0.
//! struct Counter;
//!
//! struct Rows {
//!     rows: usize,
//!     length: usize,
//! }
//!
//! impl DecoderState for Rows {
//!     fn rows(&self) -> usize {
//!         self.rows
//!     }
//!     fn length(&self) -> usize {
//!         self.length
//!     }
//!     fn fan_out(&mut self, copies: usize) {
//!         self.rows *= copies;
//!     }
//!     fn reorder(&mut self, _beam_idx: &[usize]) {} // The last token alone decides.
//! }
//!
//! impl TextDecoder for Counter {
//!     type State = Rows;
//!
//!     fn start(&self, context: &HiddenStates) -> Result<Rows, ModelError> {
//!         let [rows, ..] = context.shape();
//!         Ok(Rows { rows, length: 0 })
//!     }
//!     fn step(&self, input_ids: &TokenBatch, state: &mut Rows) -> Result<Logits, ModelError> {
//!         let [rows, positions] = input_ids.shape();
//!         state.length += positions;
//!         let mut logits = vec![0.0; rows * positions * 5];
//!         for (position, id) in input_ids.input_ids().iter().enumerate() {
//!             logits[position * 5 + (*id as usize + 1) % 5] = 3.0;
//!         }
//!         Logits::new(logits, [rows, positions, 5])
//!     }
//!     fn context_size(&self) -> usize {
//!         1
//!     }
//!     fn vocab_size(&self) -> usize {
//!         5
//!     }
//! }
//!
//! let context = HiddenStates::new(Tensor::zeros([1, 1, 1], &Default::default()));
//! let config = GenerationConfig {
//!     search: Search::Beam(BeamSearch::new(3, BeamSemantics::Transformers5)),
//!     eos_token_id: 0,
//!     ..GenerationConfig::default()
//! };
//! let texts = generate(&Counter, &context, &[1], &config, None)?;
//! assert_eq!(texts[0][0].token_ids, [1, 2, 3, 4, 0]);
//! # Ok::<(), blip_tasks::TaskError>(())
//! ```

mod answer;
mod answerer;
mod caption;
mod captioner;
mod classifier;
mod compose;
mod embedder;
mod embedding;
mod error;
mod extractor;
mod generation;
mod matcher;
mod metric;
mod policy;
mod reasoner;
mod retrieval;
mod stream;
mod video;

pub use answer::{Answer, AnswerList, AnswerOptions, RankOptions, RankedAnswer};
pub use answerer::QuestionAnswerer;
pub use caption::{Caption, CaptionOptions};
pub use captioner::Captioner;
pub use classifier::{Classifier, LabelProbability, LabelSet};
pub use embedder::Embedder;
pub use embedding::Embeddings;
pub use error::TaskError;
pub use extractor::FeatureExtractor;
pub use generation::{
    BeamSearch, BeamSemantics, EarlyStopping, FinishReason, GenerationConfig, Hypothesis, Sampling, Search,
    TextScore, TokenEvent, generate, score_texts,
};
pub use matcher::{Match, MatchOptions, Matcher};
pub use metric::RetrievalMetrics;
pub use policy::{FirstToken, TextPolicy};
pub use reasoner::{PairReasoner, Verdict};
pub use retrieval::{Found, RetrievalScores, SearchOptions};
pub use stream::TextPiece;
pub use video::frame_indices;
