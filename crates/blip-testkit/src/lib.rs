//! Goldens, closeness checks and fakes for the tests of the BLIP crates
