//! The crate as its users see it.

mod fine_tuning;
mod golden;
mod lora;
mod pretraining;
mod run;
mod schedule;
mod tiny;
