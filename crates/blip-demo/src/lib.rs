//! BLIP's demonstration model: synthetic scenes and a small trained BLIP.
//!
//! For whoever wants to see every task of BLIP at work without a checkpoint, and to measure it exactly: a scene is
//! coloured shapes on a plain background, so every caption, answer and statement can be checked against what is there.
//!
//! ```text
//! seed ─ Scene::sample ─▶ Scene ─┬─ render ───────────────▶ RgbImage [side, side, 3]
//!                                ├─ caption, full_caption ▶ text ─ Judgement::of ─▶ which stated facts are right
//!                                ├─ questions ────────────▶ question and answer
//!                                ├─ statement ────────────▶ a true sentence, or one with a single fact changed
//!                                └─ facts ────────────────▶ what the scene shows, to compare and to hash
//! seed ─ sample_pair ─▶ two scenes ─ pair_statement ──────▶ a sentence about both, true or false
//! ```
//!
//! # Example
//!
//! ```
//! use blip_demo::{Judgement, Scene, Split, seeded};
//!
//! let scene = Scene::sample(7, Split::Train);
//! let picture = scene.render(80)?;
//! assert_eq!((picture.width(), picture.height()), (80, 80));
//!
//! let mut rng = seeded(7);
//! let caption = scene.caption(&mut rng);
//! let judgement = Judgement::of(&caption, &scene);
//! assert!(judgement.is_true() && judgement.names_every_object());
//! assert!(!Judgement::of(&scene.statement(&mut rng, false).text, &scene).is_true());
//! # Ok::<(), blip_demo::DemoError>(())
//! ```

mod background;
mod caption;
mod claim;
mod color;
mod corpus;
mod draw;
mod error;
mod facts;
mod judgement;
mod kind;
mod layout;
mod object;
mod pair;
mod parser;
mod place;
mod question;
mod raster;
mod relation;
mod scene;
mod shape;
mod size;
mod split;
mod statement;
#[cfg(feature = "weights")]
mod weights;
mod wording;

pub use background::Background;
pub use claim::{Claim, Mention, StatedRelation};
pub use color::Color;
pub use corpus::corpus;
pub use draw::seeded;
pub use error::DemoError;
pub use facts::{Facts, Item};
pub use judgement::{FactKind, Judgement, WrongFact};
pub use kind::Kind;
pub use object::Object;
pub use pair::{PairStatement, PairStatementKind, pair_statement, sample_pair};
pub use place::Place;
pub use question::{Question, QuestionKind};
pub use raster::{MAX_SIDE, MIN_SIDE};
pub use relation::Relation;
pub use scene::Scene;
pub use shape::Shape;
pub use size::Size;
pub use split::{NEW_KINDS, Split};
pub use statement::Statement;
#[cfg(feature = "weights")]
pub use weights::DemoModel;
