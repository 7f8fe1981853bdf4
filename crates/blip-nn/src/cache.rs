//! What a request grows, kept outside the weights.

use burn::tensor::{Bool, Device, Int, Tensor, s};

/// Positions by which a [`KvCache`] grows: most captions fit the first allocation.
const CHUNK: usize = 32;

/// The self-attention keys and values of one layer for what was written so far.
///
/// Preallocated, and written in place as long as nobody else holds the tensors.
///
/// ```text
/// key, value: [rows, heads, capacity, head_dim], of which `length` positions are real
/// ```
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    stored: Option<(Tensor<4>, Tensor<4>)>,
    length: usize,
}

impl KvCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of positions written.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Writes new positions behind the old ones and returns all of them.
    ///
    /// # Shapes
    ///
    /// - key, value: `[rows, heads, new, head_dim]`
    /// - output: twice `[rows, heads, length, head_dim]`
    pub fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [rows, heads, new, head_dim] = key.dims();
        let (from, to) = (self.length, self.length + new);
        let device = key.device();

        let (mut keys, mut values) = match self.stored.take() {
            Some(stored) => stored,
            None => {
                let capacity = to.next_multiple_of(CHUNK);
                let empty = || Tensor::<4>::zeros([rows, heads, capacity, head_dim], &device);
                (empty(), empty())
            }
        };
        if to > keys.dims()[2] {
            let more = to.next_multiple_of(CHUNK) - keys.dims()[2];
            let grow = |old: Tensor<4>| {
                let empty = Tensor::<4>::zeros([rows, heads, more, head_dim], &device);
                Tensor::cat(vec![old, empty], 2)
            };
            (keys, values) = (grow(keys), grow(values));
        }

        keys = keys.slice_assign(s![.., .., from..to, ..], key);
        values = values.slice_assign(s![.., .., from..to, ..], value);
        self.length = to;
        let (keys, values) = self.stored.insert((keys, values));
        let written = |all: &Tensor<4>| all.clone().slice(s![.., .., 0..to, ..]);
        (written(keys), written(values))
    }

    /// Row `r` becomes what row `rows[r]` was; there may be more rows than before.
    pub fn select(&mut self, rows: &Tensor<1, Int>) {
        if let Some((keys, values)) = self.stored.take() {
            self.stored = Some((keys.select(0, rows.clone()), values.select(0, rows.clone())));
        }
    }

    /// Indices for [`select`](Self::select), made once for all layers.
    pub fn rows(indices: &[usize], device: &Device) -> Tensor<1, Int> {
        let indices: Vec<i32> = indices.iter().map(|&row| row as i32).collect();
        Tensor::from_ints(indices.as_slice(), device)
    }
}

/// The cross-attention keys and values of one layer for the contexts of a request.
///
/// Projected once for each context and shared by all rows that attend it: a row is never a copy of its context.
#[derive(Clone, Debug)]
pub struct CrossKeyValue {
    /// `[groups, heads, tokens, head_dim]`, contiguous, in `f32` or bf16.
    pub(crate) key: Tensor<4>,
    /// `[groups, heads, tokens, head_dim]`, contiguous, in `f32` or bf16.
    pub(crate) value: Tensor<4>,
    /// `[groups, 1, 1, tokens]`, true = hidden.
    pub(crate) hide: Option<Tensor<4, Bool>>,
}

impl CrossKeyValue {
    /// The number of contexts.
    pub fn groups(&self) -> usize {
        self.key.dims()[0]
    }

    /// Some of the contexts, in another order, any of them more than once.
    pub fn select(&self, groups: &[usize]) -> Self {
        let indices = KvCache::rows(groups, &self.key.device());
        Self {
            key: self.key.clone().select(0, indices.clone()),
            value: self.value.clone().select(0, indices.clone()),
            hide: self.hide.clone().map(|hide| hide.select(0, indices)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(value: f32, new: usize, device: &Device) -> Tensor<4> {
        Tensor::full([2, 1, new, 1], value, device)
    }

    #[test]
    fn it_grows_past_its_capacity_and_keeps_what_it_had() {
        let device = Device::flex();
        let mut cache = KvCache::new();
        for step in 0..CHUNK + 3 {
            let key = filled(step as f32, 1, &device);
            let (keys, values) = cache.append(key.clone(), key);
            let want: Vec<f32> = (0..2).flat_map(|_| (0..=step).map(|s| s as f32)).collect();
            assert_eq!(keys.try_to_vec_as::<f32>().unwrap(), want);
            assert_eq!(values.try_to_vec_as::<f32>().unwrap(), want);
        }
    }

    #[test]
    fn a_prefill_longer_than_a_chunk_fits() {
        let device = Device::flex();
        let mut cache = KvCache::new();
        cache.append(filled(1.0, 3, &device), filled(1.0, 3, &device));
        let (keys, _) = cache.append(filled(2.0, 2 * CHUNK, &device), filled(2.0, 2 * CHUNK, &device));
        assert_eq!(keys.dims(), [2, 1, 3 + 2 * CHUNK, 1]);
    }

    #[test]
    fn select_moves_and_multiplies_rows() {
        let device = Device::flex();
        let mut cache = KvCache::new();
        let key = Tensor::<1>::from_floats([1.0, 2.0], &device).reshape([2, 1, 1, 1]);
        cache.append(key.clone(), key);
        cache.select(&KvCache::rows(&[1, 1, 0], &device));
        let new = Tensor::<4>::zeros([3, 1, 1, 1], &device);
        let (keys, _) = cache.append(new.clone(), new);
        assert_eq!(
            keys.try_to_vec_as::<f32>().unwrap(),
            [2.0, 0.0, 2.0, 0.0, 1.0, 0.0]
        );
    }
}
