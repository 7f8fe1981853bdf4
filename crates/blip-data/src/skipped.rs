//! Which records were left out, and why.

use std::fmt;

use crate::DataError;

/// Which records were left out when data was opened, and why.
#[derive(Debug, Default)]
pub struct Skipped {
    count: usize,
    first: Vec<DataError>,
}

impl Skipped {
    /// Complaints that are kept.
    pub const KEPT: usize = 100;

    /// How many records were left out. What breaks off an archive counts as one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Why the first of them were, at most [`KEPT`](Self::KEPT).
    pub fn errors(&self) -> &[DataError] {
        &self.first
    }

    pub(crate) fn push(&mut self, error: DataError) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(error);
        }
    }

    pub(crate) fn into_first(self) -> Option<DataError> {
        self.first.into_iter().next()
    }

    /// Adds what another report says, after what this one does.
    pub(crate) fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = Self::KEPT - self.first.len();
        self.first.extend(other.first.into_iter().take(room));
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} records left out", self.count)?;
        for error in &self.first {
            write!(formatter, "\n{error}")?;
        }
        if self.count > self.first.len() {
            write!(formatter, "\nand {} more", self.count - self.first.len())?;
        }
        Ok(())
    }
}
