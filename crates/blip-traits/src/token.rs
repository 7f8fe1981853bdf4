//! What the text networks take.

use crate::AttentionMask;

/// Token ids of a batch of texts, padded on the right, on the host: `[rows, length]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    input_ids: Vec<u32>,
    mask: AttentionMask,
}

impl TokenBatch {
    /// A batch of rows, each filled up to the longest with `pad`.
    pub fn from_rows<R: AsRef<[u32]>>(rows: &[R], pad: u32) -> Self {
        let lengths: Vec<usize> = rows.iter().map(|row| row.as_ref().len()).collect();
        let length = lengths.iter().copied().max().unwrap_or(0);
        let mut input_ids = Vec::with_capacity(rows.len() * length);
        for row in rows {
            let row = row.as_ref();
            input_ids.extend_from_slice(row);
            input_ids.resize(input_ids.len() + length - row.len(), pad);
        }
        Self {
            input_ids,
            mask: AttentionMask::from_lengths(&lengths, length),
        }
    }

    /// One token a row, as a decoding step takes them.
    pub fn column(ids: &[u32]) -> Self {
        Self {
            input_ids: ids.to_vec(),
            mask: AttentionMask::full(ids.len(), 1),
        }
    }

    /// The same texts with another first token: BLIP's networks are told by it what to do.
    pub fn with_first_token(mut self, id: u32) -> Self {
        let [_, length] = self.shape();
        if length > 0 {
            self.input_ids
                .chunks_exact_mut(length)
                .for_each(|row| row[0] = id);
        }
        self
    }

    /// Some of the rows, in another order, any of them more than once.
    ///
    /// # Panics
    ///
    /// If an index is not below the number of rows.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self {
            input_ids: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            mask: self.mask.select(rows),
        }
    }

    /// `[rows, length]`.
    pub fn shape(&self) -> [usize; 2] {
        self.mask.shape()
    }

    /// All ids, row-major.
    pub fn input_ids(&self) -> &[u32] {
        &self.input_ids
    }

    /// The ids of one row, padding included.
    ///
    /// # Panics
    ///
    /// If `row` is not below the number of rows.
    pub fn row(&self, row: usize) -> &[u32] {
        let [_, length] = self.shape();
        &self.input_ids[row * length..(row + 1) * length]
    }

    /// Which ids are real.
    pub fn attention_mask(&self) -> &AttentionMask {
        &self.mask
    }
}
