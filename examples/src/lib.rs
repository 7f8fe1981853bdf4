//! What the example programs share: how a model is named, how pictures are found, how results and errors are told.

mod exit;
mod model;
mod picture;

pub use exit::{Output, exit};
pub use model::ModelArgs;
pub use picture::{is_picture, pictures};
