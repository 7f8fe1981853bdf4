//! Values of a JSON object, or what is wrong with them.

use serde_json::{Map, Value};

use crate::{DataError, Place};

/// A record's JSON object. Fields that nobody asks for are ignored.
pub(crate) type Object = Map<String, Value>;

/// What is wrong with a record, before it is known where the record stands.
#[derive(Debug)]
pub struct Fault {
    pub(crate) field: String,
    pub(crate) expected: &'static str,
    pub(crate) got: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, expected: &'static str, got: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            expected,
            got: got.into(),
        }
    }

    pub(crate) fn at(self, place: Place) -> DataError {
        DataError::Field {
            place,
            field: self.field,
            expected: self.expected,
            got: self.got,
        }
    }
}

/// The first of several names that has a value other than null.
pub(crate) fn given<'a>(object: &'a Object, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    names.iter().find_map(|name| {
        let value = object.get(*name)?;
        (!value.is_null()).then_some((*name, value))
    })
}

/// A string that must be there.
pub(crate) fn string<'a>(object: &'a Object, name: &'static str) -> Result<&'a str, Fault> {
    match given(object, &[name]) {
        Some((_, Value::String(text))) => Ok(text),
        other => Err(Fault::new(name, "a string", shown(other.map(|(_, value)| value)))),
    }
}

/// One string or several.
pub(crate) fn strings(name: &'static str, value: &Value) -> Result<Vec<String>, Fault> {
    const EXPECTED: &str = "a string or a list of strings";
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| match item {
                Value::String(text) => Ok(text.clone()),
                other => Err(Fault::new(
                    format!("{name}[{index}]"),
                    "a string",
                    shown(Some(other)),
                )),
            })
            .collect(),
        other => Err(Fault::new(name, EXPECTED, shown(Some(other)))),
    }
}

/// A value in few words.
pub(crate) fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".into(),
        Some(Value::Array(items)) => format!("a list of {}", items.len()),
        Some(Value::Object(fields)) => format!("an object of {} fields", fields.len()),
        Some(Value::String(text)) => shown_text(text),
        Some(other) => other.to_string(),
    }
}

/// The beginning of a text, in quotes.
pub(crate) fn shown_text(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?} and more", &text[..end]),
        None => format!("{text:?}"),
    }
}
