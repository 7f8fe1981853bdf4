//! How long things took.

use std::time::Duration;

use serde_json::{Value, json};

/// How long each stage took for one picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// From the file's bytes to a picture.
    pub decode: Duration,
    /// From the picture to pixel values.
    pub preprocess: Duration,
    /// The image encoder.
    pub encode: Duration,
    /// Everything behind it.
    pub generate: Duration,
}

impl Timings {
    /// Milliseconds by stage, `timings_ms` of a JSON line.
    pub fn json(self) -> Value {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        json!({
            "decode": milliseconds(self.decode),
            "preprocess": milliseconds(self.preprocess),
            "encode": milliseconds(self.encode),
            "generate": milliseconds(self.generate),
        })
    }
}
