//! The log of a run, read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::{PlotError, io};

/// A value and the step it was logged at; both are finite.
pub(super) type Point = (f64, f64);

/// What is drawn of a log, in the order of its lines.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Records {
    pub(super) loss: Vec<Point>,
    pub(super) learning_rate: Vec<Point>,
    pub(super) parts: BTreeMap<String, Vec<Point>>,
}

pub(super) fn read_log(path: &Path) -> Result<Records, PlotError> {
    let bytes = fs::read(path).map_err(io("read", path))?;
    let mut records = Records::default();
    for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let broken = |what| PlotError::Line {
            path: path.to_owned(),
            line: index + 1,
            what,
        };
        let fields = match parse_line(line) {
            Ok(Value::Object(fields)) => fields,
            Ok(other) => return Err(broken(format!("expected a JSON object, got {}", kind(&other)))),
            // Only a run that was killed while it wrote leaves a line without its end.
            Err(error) if error.is_eof() && !line.ends_with(b"\n") => break,
            Err(error) => return Err(broken(format!("expected a JSON object, got no JSON ({error})"))),
        };
        records.add(&fields).map_err(broken)?;
    }
    Ok(records)
}

impl Records {
    pub(super) fn add(&mut self, fields: &Map<String, Value>) -> Result<(), String> {
        let step = fields.get("step").unwrap_or(&Value::Null);
        let step = step
            .as_u64()
            .ok_or_else(|| format!("step: expected a whole number, got {}", kind(step)))?
            as f64;
        for (name, value) in fields {
            if matches!(name.as_str(), "step" | "epoch" | "grad_norm" | "seconds") {
                continue;
            }
            let value = match value {
                Value::Null => continue,
                Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
                other => return Err(format!("{name}: expected a number or null, got {}", kind(other))),
            };
            // Losses are f32: what does not fit was infinite.
            if !(value as f32).is_finite() {
                continue;
            }
            let points = match name.as_str() {
                "loss" => &mut self.loss,
                "learning_rate" => &mut self.learning_rate,
                _ => self.parts.entry(name.clone()).or_default(),
            };
            points.push((step, value));
        }
        Ok(())
    }
}

/// One line of JSON, or of what Python's `json` makes of numbers that JSON does not have.
pub(super) fn parse_line(line: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(line).or_else(|error| {
        if error.is_eof() {
            return Err(error);
        }
        serde_json::from_slice(&without_nan(line))
    })
}

/// `line` with `null` for `NaN`, `Infinity` and `-Infinity` outside strings; one that the end cuts off is left out.
pub(super) fn without_nan(line: &[u8]) -> Vec<u8> {
    const NAMES: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut out = Vec::with_capacity(line.len());
    let mut in_string = false;
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        if !in_string {
            if let Some(name) = NAMES.iter().find(|name| rest.starts_with(name)) {
                out.extend_from_slice(b"null");
                at += name.len();
                continue;
            }
            if NAMES.iter().any(|name| name.starts_with(rest)) {
                break;
            }
        }
        // An escaped quote does not end a string.
        let taken = if in_string && rest[0] == b'\\' && rest.len() > 1 {
            2
        } else {
            1
        };
        in_string ^= rest[0] == b'"';
        out.extend_from_slice(&rest[..taken]);
        at += taken;
    }
    out
}

/// What came, for an error.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}
