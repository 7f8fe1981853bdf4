//! Which tokens are real.

/// A mask over a batch of sequences: `true` = attend, `false` = padding.
///
/// The convention of BLIP and Hugging Face (`attention_mask`, 1 = attend). Burn's attention hides where its mask is
/// true; `blip-nn` converts, and nothing else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionMask {
    attend: Vec<bool>,
    rows: usize,
    length: usize,
}

impl AttentionMask {
    /// A mask that attends everything.
    pub fn full(rows: usize, length: usize) -> Self {
        Self {
            attend: vec![true; rows * length],
            rows,
            length,
        }
    }

    /// A mask that attends the first `lengths[row]` tokens of each row of `length`.
    pub fn from_lengths(lengths: &[usize], length: usize) -> Self {
        let attend = lengths
            .iter()
            .flat_map(|&real| (0..length).map(move |position| position < real))
            .collect();
        Self {
            attend,
            rows: lengths.len(),
            length,
        }
    }

    /// `[rows, length]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.length]
    }

    /// One row, `true` = attend.
    ///
    /// # Panics
    ///
    /// If `row` is not below the number of rows.
    pub fn row(&self, row: usize) -> &[bool] {
        &self.attend[row * self.length..(row + 1) * self.length]
    }

    /// Some rows, in this order.
    ///
    /// # Panics
    ///
    /// If a row is not below the number of rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            attend: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            rows: rows.len(),
            length: self.length,
        }
    }

    /// All rows as a single one, `[1, rows * length]`.
    pub fn joined(self) -> Self {
        Self {
            length: self.attend.len(),
            attend: self.attend,
            rows: 1,
        }
    }

    /// All rows, one after the other.
    pub fn as_slice(&self) -> &[bool] {
        &self.attend
    }

    /// Whether nothing is masked.
    pub fn is_full(&self) -> bool {
        self.attend.iter().all(|&attend| attend)
    }
}
