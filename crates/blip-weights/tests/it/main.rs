//! Real files, made by `tests/goldens/make_checkpoints.py` and by this crate, through the public API.

mod damage;
mod golden;
#[cfg(feature = "hub")]
mod hub;
mod load;
mod model;
mod open;
mod refuse;
mod write;
