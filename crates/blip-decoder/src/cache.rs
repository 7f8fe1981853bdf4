//! What the decoder keeps of one request.

use blip_nn::{CrossKeyValue, KvCache};
use blip_traits::DecoderState;
use burn::tensor::Device;

/// The keys and values of a request: those of its contexts, once each, and those of what was written.
#[derive(Clone, Debug)]
pub struct DecoderCache {
    /// One for each layer.
    pub(crate) context: Vec<CrossKeyValue>,
    /// One for each layer.
    pub(crate) written: Vec<KvCache>,
    pub(crate) rows: usize,
    pub(crate) groups: usize,
    pub(crate) device: Device,
}

impl DecoderCache {
    fn select(&mut self, rows: &[usize]) {
        let indices = KvCache::rows(rows, &self.device);
        for cache in &mut self.written {
            cache.select(&indices);
        }
    }
}

impl DecoderState for DecoderCache {
    fn rows(&self) -> usize {
        self.rows
    }

    fn length(&self) -> usize {
        self.written.first().map_or(0, KvCache::length)
    }

    fn fan_out(&mut self, copies: usize) {
        let rows: Vec<usize> = (0..self.rows * copies).map(|row| row / copies).collect();
        self.select(&rows);
        self.rows = rows.len();
    }

    fn reorder(&mut self, beam_idx: &[usize]) {
        let per_group = self.rows / self.groups;
        assert!(
            beam_idx.len() == self.rows
                && beam_idx
                    .iter()
                    .enumerate()
                    .all(|(row, from)| row / per_group == from / per_group),
            "beam_idx has one index a row, within the row's group"
        );
        self.select(beam_idx);
    }
}
