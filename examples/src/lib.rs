//! What the example programs share: how a model is named and loaded, how pictures are found and read, what flags take,
//! how results and errors are told.

mod data;
pub mod demo;
mod exit;
mod list;
mod model;
mod picture;
mod progress;
mod report;
mod timing;
mod value;

pub use data::{open_captions, open_records};
pub use exit::{Output, Usage, exit};
pub use list::list;
pub use model::{Loadable, ModelArgs};
pub use picture::{Found, Picture, PictureArgs};
pub use progress::{TrainingBar, progress};
pub use report::Report;
pub use timing::Timings;
pub use value::{count, length, length_penalty, positive, probability, some, text};
