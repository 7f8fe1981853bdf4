//! How a checkpoint and a model do not fit, as data and as one line.

use std::fmt;

use crate::{DType, TensorInfo};

/// Names of each kind that the message lists.
pub(crate) const LISTED: usize = 10;

/// Every way in which a checkpoint does not fit a model. At least one list is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Tensors that the model needs and the checkpoint lacks.
    pub missing: Vec<Missing>,
    /// Names in the checkpoint that the model does not know.
    pub unexpected: Vec<String>,
    /// Tensors of another shape than the model's.
    pub misshapen: Vec<Misshapen>,
    /// Tensors that hold no floats.
    pub not_float: Vec<TensorInfo>,
}

/// A tensor that the model needs and the checkpoint lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The most similar name that is there; looked for among the first ten missing.
    pub nearest: Option<String>,
}

/// A tensor whose shape is not the model's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// The model's shape, in the checkpoint's order of axes.
    pub expected: Vec<usize>,
    /// The checkpoint's.
    pub got: Vec<usize>,
}

impl Mismatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.misshapen.is_empty()
            && self.not_float.is_empty()
    }
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the checkpoint does not fit the model")?;
        list(formatter, "missing", &self.missing, |missing, formatter| {
            write!(formatter, "{} {:?}", missing.name, missing.shape)?;
            match &missing.nearest {
                Some(nearest) => write!(formatter, " (nearest: {nearest})"),
                None => Ok(()),
            }
        })?;
        list(formatter, "unexpected", &self.unexpected, |name, formatter| {
            formatter.write_str(name)
        })?;
        list(
            formatter,
            "of another shape",
            &self.misshapen,
            |tensor, formatter| {
                write!(
                    formatter,
                    "{}: expected {:?}, got {:?}",
                    tensor.name, tensor.expected, tensor.got
                )
            },
        )?;
        list(
            formatter,
            "without floats",
            &self.not_float,
            |tensor, formatter| {
                write!(
                    formatter,
                    "{}: expected {}, got {}",
                    tensor.name,
                    DType::F32,
                    tensor.dtype
                )
            },
        )
    }
}

fn list<T>(
    formatter: &mut fmt::Formatter<'_>,
    kind: &str,
    items: &[T],
    show: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    write!(formatter, "; {} {kind}: ", items.len())?;
    for (index, item) in items.iter().take(LISTED).enumerate() {
        formatter.write_str(if index == 0 { "" } else { ", " })?;
        show(item, formatter)?;
    }
    match items.len().checked_sub(LISTED) {
        None | Some(0) => Ok(()),
        Some(more) => write!(formatter, ", and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_one_line_with_counts_and_at_most_ten_names() {
        let mismatch = Mismatch {
            missing: vec![Missing {
                name: "norm.weight".into(),
                shape: vec![8],
                nearest: Some("norm.gamma".into()),
            }],
            unexpected: (0..12).map(|index| format!("x{index}")).collect(),
            misshapen: vec![Misshapen {
                name: "b".into(),
                expected: vec![2],
                got: vec![3, 1],
            }],
            not_float: vec![TensorInfo::new("ids", DType::I64, [4])],
        };
        assert_eq!(
            mismatch.to_string(),
            "the checkpoint does not fit the model; 1 missing: norm.weight [8] (nearest: norm.gamma); \
             12 unexpected: x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, and 2 more; \
             1 of another shape: b: expected [2], got [3, 1]; 1 without floats: ids: expected F32, got I64"
        );
    }
}
