//! The crate as its users see it.

mod dropout;
mod fine_tuning;
mod golden;
mod lora;
mod pretraining;
mod records;
mod run;
mod schedule;
mod tiny;
