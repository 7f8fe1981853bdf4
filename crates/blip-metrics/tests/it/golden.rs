//! Reading of the goldens.

use serde_json::Value;

/// A golden by its name.
pub(crate) fn read(name: &str) -> Value {
    let path = format!("{}/tests/goldens/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The members of a list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// A list of texts.
pub(crate) fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

/// Panics unless a number is the recorded one but for `tolerance` of it, or of 1e-6 where it is less.
#[track_caller]
pub(crate) fn assert_close(got: f64, expected: &Value, tolerance: f64, what: &str) {
    let expected = number(expected);
    let difference = (got - expected).abs() / expected.abs().max(1e-6);
    assert!(
        difference <= tolerance,
        "{what}: expected {expected}, got {got}, relative difference {difference}"
    );
}
