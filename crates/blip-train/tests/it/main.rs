//! The crate as its users see it.

mod run;
mod tiny;
