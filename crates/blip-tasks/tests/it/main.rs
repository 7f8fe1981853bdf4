//! The searches and the captioner on scripted decoders.

mod captioner;
mod compare;
mod exhaustive;
mod golden;
mod invariant;
mod search;
mod toy;
