//! Search against the obvious version of it, and real files: written, killed, cut and flipped.

mod damage;
mod file;
mod gallery;
mod journal;
mod nearest;
mod update;
