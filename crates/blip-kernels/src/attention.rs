//! Scaled dot-product attention, a head at a time, without a matrix of all scores.
//!
//! ```text
//! many queries   for each head: keys and values ─ pack;  for a block of queries, side by side in vectors:
//!                  K Qᵀ / √head_dim ─ mask ─ exp ─ V ─ one over the sum of powers
//! few queries    for each head: a dot product with every key, softmax, a weighted sum of the values
//! ```
//!
//! In another precision than f32 the products of many queries are of bf16 where the processor has dot products of it that
//! are faster. Keys and values may be kept in bf16: few queries wait for them.

#[cfg(target_arch = "x86_64")]
mod dots;
mod element;
#[cfg(test)]
mod formula;

use rayon::prelude::*;
use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::{Exp, Softmax};

use self::element::Element;
use crate::Precision;
use crate::parallel::{keep_others_awake, pieces_of_rows, values_of_a_piece};
#[cfg(target_arch = "x86_64")]
use crate::x86::DotBf16;

/// Queries that are attended at once: two of the widest vectors. Their scores stay in the second cache.
const BLOCK: usize = 32;

/// Keys that stand side by side when they are packed.
const STRIP: usize = 12;

/// What the width of packed values is a multiple of: two of the widest vectors.
const PAD: usize = 32;

/// Up to so many queries the keys are not worth packing.
const FEW: usize = 8;

/// The vectors of heads, wherever they stand in a slice.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a>(Kept<'a>);

/// How vectors are kept.
#[derive(Clone, Copy, Debug)]
enum Kept<'a> {
    F32(View<'a, f32>),
    Bf16(View<'a, u16>),
}

impl<'a> Heads<'a> {
    /// Vectors that are contiguous, their beginnings at `strides`.
    ///
    /// # Shapes
    ///
    /// - values: `[batch, heads, tokens, head_dim]` is `shape`; `strides` are those of the first three axes
    ///
    /// # Panics
    ///
    /// If a vector would be outside of the values.
    pub fn new(values: &'a [f32], shape: [usize; 4], strides: [usize; 3]) -> Self {
        Self(Kept::F32(View::new(values, shape, strides)))
    }

    /// [`new`](Self::new), of vectors in bf16, by their bits: keys and values, which few queries wait for.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn in_bf16(values: &'a [u16], shape: [usize; 4], strides: [usize; 3]) -> Self {
        Self(Kept::Bf16(View::new(values, shape, strides)))
    }
}

#[derive(Clone, Copy, Debug)]
struct View<'a, T> {
    values: &'a [T],
    shape: [usize; 4],
    strides: [usize; 3],
}

impl<'a, T> View<'a, T> {
    fn new(values: &'a [T], shape: [usize; 4], strides: [usize; 3]) -> Self {
        let last: usize = (0..3)
            .map(|axis| shape[axis].saturating_sub(1) * strides[axis])
            .sum();
        assert!(
            shape.contains(&0) || last + shape[3] <= values.len(),
            "{} values are not {shape:?} at strides of {strides:?}",
            values.len()
        );
        Self {
            values,
            shape,
            strides,
        }
    }

    fn vector(&self, batch: usize, head: usize, token: usize) -> &'a [T] {
        let [of_batch, of_head, of_token] = self.strides;
        &self.values[batch * of_batch + head * of_head + token * of_token..][..self.shape[3]]
    }
}

/// What queries do not see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hidden<'a> {
    /// `[batch, keys]`, true = hidden.
    pub keys: Option<&'a [bool]>,
    /// The last query sees all keys, the one before it one key less, and so on.
    pub causal: bool,
}

impl Hidden<'_> {
    /// Minus infinity for what a query does not see.
    fn apply(&self, scores: &mut [f32], batch: usize, query: usize, queries: usize) {
        let keys = scores.len();
        if let Some(hidden) = self.keys {
            for (score, hidden) in scores.iter_mut().zip(&hidden[batch * keys..]) {
                if *hidden {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        if self.causal {
            let seen = (keys + query + 1).saturating_sub(queries);
            scores[seen.min(keys)..].fill(f32::NEG_INFINITY);
        }
    }
}

/// `softmax(Q Kᵀ / √head_dim) V` for every head. A query that sees no key gets NaN.
///
/// With a precision other than `F32`, queries, keys, values and the powers of scores are rounded to bf16 where that is
/// faster: for many queries, on processors with dot products of bf16 (AMX, or AVX-512 but Intel's). Sums are of f32
/// everywhere. What is beyond bf16's largest number becomes infinite, and no number where a query does not see it.
///
/// # Shapes
///
/// - query: `[batch, heads, queries, head_dim]`
/// - key, value: `[batch, heads, keys, head_dim]`
/// - output: `[batch, queries, heads, head_dim]`: heads are merged
///
/// # Panics
///
/// If the sizes are not these, or queries are in bf16, or one of keys and values alone.
pub fn attention(
    query: Heads,
    key: Heads,
    value: Heads,
    hidden: Hidden,
    precision: Precision,
    output: &mut [f32],
) {
    match (query.0, key.0, value.0) {
        (Kept::F32(query), Kept::F32(key), Kept::F32(value)) => {
            Attention::new(query, [key, value], hidden).attend(precision, output);
        }
        (Kept::F32(query), Kept::Bf16(key), Kept::Bf16(value)) => {
            Attention::new(query, [key, value], hidden).attend(precision, output);
        }
        _ => panic!("queries in bf16, or one of keys and values"),
    }
}

struct Attention<'a, T> {
    query: View<'a, f32>,
    key: View<'a, T>,
    value: View<'a, T>,
    hidden: Hidden<'a>,
}

/// Some queries of a head.
#[derive(Clone, Copy)]
struct Block {
    batch: usize,
    head: usize,
    /// The first of at most [`BLOCK`] queries.
    first: usize,
}

impl<'a, T: Element> Attention<'a, T> {
    fn new(query: View<'a, f32>, [key, value]: [View<'a, T>; 2], hidden: Hidden<'a>) -> Self {
        Self {
            query,
            key,
            value,
            hidden,
        }
    }

    fn attend(&self, precision: Precision, output: &mut [f32]) {
        let [batch, heads, queries, head_dim] = self.query.shape;
        let keys = self.key.shape[2];
        assert_eq!(
            self.key.shape,
            [batch, heads, keys, head_dim],
            "keys of another shape than queries"
        );
        assert_eq!(
            self.value.shape, self.key.shape,
            "values of another shape than keys"
        );
        assert_eq!(
            output.len(),
            batch * heads * queries * head_dim,
            "an output of another size"
        );
        if let Some(hidden) = self.hidden.keys {
            assert_eq!(hidden.len(), batch * keys, "a mask of another size");
        }
        if keys == 0 || output.is_empty() {
            output.fill(f32::NAN);
            return;
        }
        if queries <= FEW {
            return self.few(output);
        }
        #[cfg(target_arch = "x86_64")]
        if let (true, Some(dot)) = (precision != Precision::F32, DotBf16::detect()) {
            return dots::many(self, dot, output);
        }
        let _ = precision;
        self.many(output);
    }

    fn scale(&self) -> f32 {
        1.0 / (self.query.shape[3] as f32).sqrt()
    }

    /// Threads take heads.
    fn few(&self, output: &mut [f32]) {
        let [_, heads, queries, head_dim] = self.query.shape;
        let keys = self.key.shape[2];
        // [batch, heads, queries, head_dim]: a thread writes what no other does.
        let mut attended = vec![0.0; output.len()];
        let head = |index: usize, attended: &mut [f32]| {
            FewQueries {
                attention: self,
                batch: index / heads,
                head: index % heads,
                attended,
            }
            .dispatch();
        };
        let size = queries * head_dim;
        let work = output.len() * keys;
        if work < 256 * 1024 {
            attended
                .chunks_mut(size)
                .enumerate()
                .for_each(|(index, attended)| head(index, attended));
        } else {
            attended
                .par_chunks_mut(size)
                .enumerate()
                .for_each(|(index, attended)| head(index, attended));
            keep_others_awake();
        }
        self.merge(&attended, output);
    }

    /// Many queries, in f32.
    fn many(&self, output: &mut [f32]) {
        let [_, _, keys, head_dim] = self.key.shape;
        // What is beyond the last key and column stays zero.
        let buffers = || Buffers {
            key: vec![0.0; keys.next_multiple_of(STRIP) * head_dim],
            value: vec![0.0; keys * head_dim.next_multiple_of(PAD)],
            query: vec![0.0; head_dim * BLOCK],
            scores: vec![0.0; keys.next_multiple_of(STRIP) * BLOCK],
        };
        let pack = |buffers: &mut Buffers, batch: usize, head: usize| {
            self.pack(batch, head, &mut buffers.key, &mut buffers.value);
        };
        let attend = |buffers: &mut Buffers, block: Block, output: &mut [f32]| {
            for index in 0..output.len() / head_dim {
                let vector = self.query.vector(block.batch, block.head, block.first + index);
                let places = buffers.query[index..].iter_mut().step_by(BLOCK);
                for (place, value) in places.zip(vector) {
                    *place = value * self.scale();
                }
            }
            ManyQueries {
                attention: self,
                block,
                buffers,
                output,
            }
            .dispatch();
        };
        self.by_blocks(buffers, pack, attend, output);
    }

    /// Threads take heads, or blocks of a head's queries where there are more threads than heads: a head's keys and values
    /// stay in the second cache.
    ///
    /// - buffers: what a thread needs
    /// - pack: is told the batch and the head, of which blocks follow
    /// - attend: writes a block, `[queries of the block, head_dim]`
    fn by_blocks<B>(
        &self,
        buffers: impl Fn() -> B + Send + Sync,
        pack: impl Fn(&mut B, usize, usize) + Send + Sync,
        attend: impl Fn(&mut B, Block, &mut [f32]) + Send + Sync,
        output: &mut [f32],
    ) {
        let [batch, heads, queries, head_dim] = self.query.shape;
        let blocks = queries.div_ceil(BLOCK);
        let parts = (2 * rayon::current_num_threads()).div_ceil(batch * heads);
        let part = BLOCK * blocks.div_ceil(parts);
        // [batch, heads, queries, head_dim]
        let mut attended = vec![0.0; output.len()];
        let parts = attended
            .par_chunks_mut(queries * head_dim)
            .enumerate()
            .flat_map(|(head, attended)| {
                let parts = attended.par_chunks_mut(part * head_dim).enumerate();
                parts.map(move |(index, attended)| (head, index * part, attended))
            });
        parts.for_each_init(buffers, |buffers, (index, first, attended)| {
            let (batch, head) = (index / heads, index % heads);
            pack(buffers, batch, head);
            for (block, output) in attended.chunks_mut(BLOCK * head_dim).enumerate() {
                let first = first + block * BLOCK;
                attend(buffers, Block { batch, head, first }, output);
            }
        });
        self.merge(&attended, output);
    }

    /// Minus infinity for what queries do not see.
    ///
    /// - scores: `[keys][32]`
    fn hide<'s>(&self, block: Block, scores: impl Iterator<Item = &'s mut [f32]>) {
        let Hidden { keys: mask, causal } = self.hidden;
        let [queries, keys] = [self.query.shape[2], self.key.shape[2]];
        if mask.is_none() && !causal {
            return;
        }
        for (key, row) in scores.enumerate() {
            if mask.is_some_and(|mask| mask[block.batch * keys + key]) {
                row.fill(f32::NEG_INFINITY);
            } else if causal {
                let blind = (key + queries).saturating_sub(keys + block.first);
                row[..blind.min(BLOCK)].fill(f32::NEG_INFINITY);
            }
        }
    }

    /// From `[batch, heads, queries, head_dim]` to `[batch, queries, heads, head_dim]`.
    fn merge(&self, attended: &[f32], output: &mut [f32]) {
        let [_, heads, queries, head_dim] = self.query.shape;
        let width = heads * head_dim;
        let rows_of_a_piece = values_of_a_piece(width) / width;
        pieces_of_rows(output, width)
            .enumerate()
            .for_each(|(piece, rows)| {
                for (row, output) in rows.chunks_exact_mut(width).enumerate() {
                    let row = piece * rows_of_a_piece + row;
                    let (batch, query) = (row / queries, row % queries);
                    for (head, output) in output.chunks_exact_mut(head_dim).enumerate() {
                        let from = ((batch * heads + head) * queries + query) * head_dim;
                        output.copy_from_slice(&attended[from..][..head_dim]);
                    }
                }
            });
    }

    /// A head as blocks of queries read it: keys `[keys / 12][head_dim][12]`, values `[keys][head_dim]`, padded.
    fn pack(&self, batch: usize, head: usize, key: &mut [f32], value: &mut [f32]) {
        let [_, _, keys, head_dim] = self.key.shape;
        for (strip, packed) in key.chunks_exact_mut(head_dim * STRIP).enumerate() {
            for token in strip * STRIP..keys.min((strip + 1) * STRIP) {
                let vector = self.key.vector(batch, head, token);
                for (place, value) in packed[token % STRIP..].iter_mut().step_by(STRIP).zip(vector) {
                    *place = value.to_f32();
                }
            }
        }
        let padded = head_dim.next_multiple_of(PAD);
        for (token, packed) in value.chunks_exact_mut(padded).enumerate() {
            let vector = self.value.vector(batch, head, token);
            packed
                .iter_mut()
                .zip(vector)
                .for_each(|(place, value)| *place = value.to_f32());
        }
    }
}

/// What a thread needs for a head.
struct Buffers {
    /// `[keys / 12][head_dim][12]`
    key: Vec<f32>,
    /// `[keys][head_dim]`, padded
    value: Vec<f32>,
    /// `[head_dim][32]`, scaled
    query: Vec<f32>,
    /// `[keys][32]`, whole strips of them
    scores: Vec<f32>,
}

/// One head for a block of queries: they lie side by side in vectors, so that no vector is ever summed across.
struct ManyQueries<'a, T> {
    attention: &'a Attention<'a, T>,
    block: Block,
    buffers: &'a mut Buffers,
    /// `[queries of the block, head_dim]`
    output: &'a mut [f32],
}

impl<T: Element> SimdOp for ManyQueries<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // As many sums as leave registers for what they are made of: keys by vectors of queries, and queries by values.
        match isa.f32().len() {
            16 => self.by::<I, 12, 8>(isa),
            8 => self.by::<I, 6, 4>(isa),
            4 => self.by::<I, 6, 4>(isa),
            lanes => unreachable!("no instruction set has vectors of {lanes} values"),
        }
    }
}

impl<T: Element> ManyQueries<'_, T> {
    #[inline(always)]
    fn by<I: Isa, const K: usize, const Q: usize>(mut self, isa: I) {
        let lanes = isa.f32().len();
        let head_dim = self.attention.query.shape[3];
        let count = self.output.len() / head_dim;
        // Vectors of queries, in pairs but for a single one.
        let used = if count <= lanes {
            lanes
        } else {
            count.next_multiple_of(2 * lanes)
        };
        let Buffers {
            key, query, scores, ..
        } = &mut *self.buffers;
        for (strip, key) in key.chunks_exact(STRIP * head_dim).enumerate() {
            for from in (0..STRIP).step_by(K) {
                let scores = &mut scores[(strip * STRIP + from) * BLOCK..];
                if used == lanes {
                    score::<I, K, 1>(isa, &key[from..], query, scores);
                } else {
                    for at in (0..used).step_by(2 * lanes) {
                        score::<I, K, 2>(isa, &key[from..], &query[at..], &mut scores[at..]);
                    }
                }
            }
        }
        let keys = self.attention.key.shape[2];
        let scores = self.buffers.scores.chunks_exact_mut(BLOCK).take(keys);
        self.attention.hide(self.block, scores);
        let mut inverse = [0.0; BLOCK];
        self.normalize(isa, used, &mut inverse);
        let padded = head_dim.next_multiple_of(PAD);
        let Buffers { value, scores, .. } = &*self.buffers;
        for query in (0..count).step_by(Q) {
            for column in (0..head_dim).step_by(2 * lanes) {
                let sums = weigh::<I, Q>(isa, &scores[query..], &value[column..], padded);
                let rows = self.output[query * head_dim + column..].chunks_mut(head_dim);
                let columns = (2 * lanes).min(head_dim - column);
                for ((row, sums), inverse) in rows.zip(sums).zip(&inverse[query..count]) {
                    let inverse = isa.f32().splat(*inverse);
                    let sums = sums.map(|sums| isa.f32().mul(sums, inverse).to_array());
                    let sums = sums.iter().flat_map(|sums| sums.as_ref());
                    row[..columns]
                        .iter_mut()
                        .zip(sums)
                        .for_each(|(place, sum)| *place = *sum);
                }
            }
        }
    }

    /// Scores to powers, and one over their sums.
    #[inline(always)]
    fn normalize<I: Isa>(&mut self, isa: I, used: usize, inverse: &mut [f32; BLOCK]) {
        let ops = isa.f32();
        let keys = self.attention.key.shape[2];
        let scores = &mut self.buffers.scores[..keys * BLOCK];
        for at in (0..used).step_by(ops.len()) {
            let mut most = ops.splat(f32::NEG_INFINITY);
            for row in scores.chunks_exact(BLOCK) {
                most = ops.max(ops.load(&row[at..]), most);
            }
            let mut sum = ops.zero();
            for row in scores.chunks_exact_mut(BLOCK) {
                let power = Exp {}.eval(isa, ops.sub(ops.load(&row[at..]), most));
                sum = ops.add(sum, power);
                ops.store(power, &mut row[at..]);
            }
            ops.store(ops.div(ops.one(), sum), &mut inverse[at..]);
        }
    }
}

/// Scores of `K` keys of a strip for `V` vectors of queries.
#[inline(always)]
fn score<I: Isa, const K: usize, const V: usize>(isa: I, key: &[f32], query: &[f32], scores: &mut [f32]) {
    let ops = isa.f32();
    let mut totals = [[ops.zero(); V]; K];
    for (key, query) in key.chunks(STRIP).zip(query.chunks(BLOCK)) {
        let (Some(key), Some(query)) = (key.first_chunk::<K>(), query.get(..V * ops.len())) else {
            break;
        };
        // Not `array::from_fn`: its closure is compiled without the instruction set, and called.
        let mut queries = [ops.zero(); V];
        for (vector, queries) in queries.iter_mut().enumerate() {
            *queries = ops.load(&query[vector * ops.len()..]);
        }
        for row in 0..K {
            let value = ops.splat(key[row]);
            for vector in 0..V {
                totals[row][vector] = ops.mul_add(value, queries[vector], totals[row][vector]);
            }
        }
    }
    for (scores, totals) in scores.chunks_mut(BLOCK).zip(totals) {
        for (scores, total) in scores.chunks_mut(ops.len()).zip(totals) {
            ops.store(total, scores);
        }
    }
}

/// Two vectors of values, weighted and summed for `Q` queries.
#[inline(always)]
fn weigh<I: Isa, const Q: usize>(isa: I, scores: &[f32], value: &[f32], padded: usize) -> [[I::F32; 2]; Q] {
    let ops = isa.f32();
    let mut totals = [[ops.zero(); 2]; Q];
    for (scores, value) in scores.chunks(BLOCK).zip(value.chunks(padded)) {
        let (Some(scores), Some(value)) = (scores.first_chunk::<Q>(), value.get(..2 * ops.len())) else {
            break;
        };
        let value = [ops.load(value), ops.load(&value[ops.len()..])];
        for query in 0..Q {
            let weight = ops.splat(scores[query]);
            for vector in 0..2 {
                totals[query][vector] = ops.mul_add(weight, value[vector], totals[query][vector]);
            }
        }
    }
    totals
}

/// One head for a few queries.
struct FewQueries<'a, T> {
    attention: &'a Attention<'a, T>,
    batch: usize,
    head: usize,
    /// `[queries, head_dim]`
    attended: &'a mut [f32],
}

impl<T: Element> SimdOp for FewQueries<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self {
            attention,
            batch,
            head,
            attended,
        } = self;
        let [_, _, queries, head_dim] = attention.query.shape;
        let keys = attention.key.shape[2];
        let scale = attention.scale();
        let mut scores = vec![0.0; queries * keys];
        for token in 0..keys {
            let key = attention.key.vector(batch, head, token);
            for index in 0..queries {
                let query = attention.query.vector(batch, head, index);
                scores[index * keys + token] = scale * dot(isa, query, key);
            }
        }
        for (index, scores) in scores.chunks_exact_mut(keys).enumerate() {
            attention.hidden.apply(scores, batch, index, queries);
            Softmax::new_mut(scores).dispatch();
        }
        let value = |token: usize| attention.value.vector(batch, head, token);
        let rows = attended.chunks_mut(4 * head_dim).zip(scores.chunks(4 * keys));
        for (attended, scores) in rows {
            match scores.len() / keys {
                1 => weigh_few::<I, T, 1>(isa, scores, value, attended),
                2 => weigh_few::<I, T, 2>(isa, scores, value, attended),
                3 => weigh_few::<I, T, 3>(isa, scores, value, attended),
                _ => weigh_few::<I, T, 4>(isa, scores, value, attended),
            }
        }
    }
}

/// The values, weighted and summed for `Q` queries; each value is read once for all of them.
///
/// - scores: `[Q, keys]`
/// - attended: `[Q, head_dim]`
#[inline(always)]
fn weigh_few<'a, I: Isa, T: Element, const Q: usize>(
    isa: I,
    scores: &[f32],
    value: impl Fn(usize) -> &'a [T],
    attended: &mut [f32],
) {
    let ops = isa.f32();
    let (keys, head_dim) = (scores.len() / Q, attended.len() / Q);
    let whole = head_dim - head_dim % (2 * ops.len());
    for column in (0..whole).step_by(2 * ops.len()) {
        let mut totals = [[ops.zero(); 2]; Q];
        for token in 0..keys {
            let value = T::load_two(isa, &value(token)[column..]);
            for query in 0..Q {
                let weight = ops.splat(scores[query * keys + token]);
                for vector in 0..2 {
                    totals[query][vector] = ops.mul_add(weight, value[vector], totals[query][vector]);
                }
            }
        }
        for (attended, totals) in attended.chunks_exact_mut(head_dim).zip(totals) {
            for (attended, total) in attended[column..].chunks_mut(ops.len()).zip(totals) {
                ops.store(total, attended);
            }
        }
    }
    for (attended, scores) in attended.chunks_exact_mut(head_dim).zip(scores.chunks_exact(keys)) {
        for (column, attended) in attended.iter_mut().enumerate().skip(whole) {
            let terms = scores.iter().enumerate();
            *attended = terms
                .map(|(token, weight)| weight * value(token)[column].to_f32())
                .sum();
        }
    }
}

#[inline(always)]
fn dot<I: Isa, T: Element>(isa: I, a: &[f32], b: &[T]) -> f32 {
    let ops = isa.f32();
    let mut sums = [ops.zero(); 2];
    let mut pairs_of_a = a.chunks_exact(2 * ops.len());
    let mut pairs_of_b = b.chunks_exact(2 * ops.len());
    for (a, b) in pairs_of_a.by_ref().zip(pairs_of_b.by_ref()) {
        let b = T::load_two(isa, b);
        sums[0] = ops.mul_add(ops.load(a), b[0], sums[0]);
        sums[1] = ops.mul_add(ops.load(&a[ops.len()..]), b[1], sums[1]);
    }
    let rest = pairs_of_a.remainder().iter().zip(pairs_of_b.remainder());
    ops.sum(ops.add(sums[0], sums[1])) + rest.map(|(a, b)| a * b.to_f32()).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::formula::{Sizes, exact};
    use super::*;
    use crate::packed::bf16;
    use crate::sample::values;

    /// Values in bf16, and what they are.
    fn kept_in_bf16(values: &[f32]) -> (Vec<u16>, Vec<f32>) {
        let kept: Vec<u16> = values.iter().map(|value| bf16(*value)).collect();
        let widened = kept.iter().map(|value| value.to_f32()).collect();
        (kept, widened)
    }

    proptest! {
        #[test]
        fn every_head_is_attended_as_the_formula_says(
            batch in 1_usize..3,
            heads in 1_usize..4,
            queries in 1_usize..70,
            more in 0_usize..90,
            head_dim in 1_usize..70,
            causal in any::<bool>(),
            masked in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let sizes = Sizes { batch, heads, queries, keys: queries + more, head_dim };
            let fused = values(batch * sizes.keys * sizes.row(), seed);
            let parts = sizes.parts(&fused);
            let mask = sizes.mask();
            let hidden = Hidden { keys: masked.then_some(mask.as_slice()), causal };
            let mut got = sizes.output();
            let [query, key, value] = parts.map(|part| Heads(Kept::F32(part)));
            attention(query, key, value, hidden, Precision::F32, &mut got);
            let (kept, widened) = kept_in_bf16(&fused);
            for precision in [Precision::F32, Precision::Bf16] {
                let mut outputs = [sizes.output(), sizes.output()];
                let [_, key, value] = sizes.parts(&kept).map(|part| Heads(Kept::Bf16(part)));
                attention(query, key, value, hidden, precision, &mut outputs[0]);
                let [_, key, value] = sizes.parts(&widened).map(|part| Heads(Kept::F32(part)));
                attention(query, key, value, hidden, precision, &mut outputs[1]);
                prop_assert_eq!(&outputs[0], &outputs[1], "{:?}", precision);
            }
            for (got, want) in got.iter().zip(exact(parts, hidden)) {
                prop_assert!((f64::from(*got) - want).abs() < 1e-5, "{got} {want}");
            }
        }
    }

    #[test]
    fn one_hidden_key_leaves_the_other() {
        let query = [1.0_f32; 4];
        let values = [5.0, 6.0, 7.0, 8.0, f32::MAX, 1.0, 1.0, 1.0];
        let heads = |values| Heads::new(values, [1, 1, 2, 4], [8, 8, 4]);
        let hidden = Hidden {
            keys: Some(&[false, true]),
            causal: false,
        };
        let mut output = [0.0; 4];
        let query = Heads::new(&query, [1, 1, 1, 4], [4, 4, 4]);
        for precision in [Precision::F32, Precision::Bf16] {
            attention(
                query,
                heads(&values),
                heads(&values),
                hidden,
                precision,
                &mut output,
            );
            assert_eq!(output, [5.0, 6.0, 7.0, 8.0]);
        }
    }

    #[test]
    fn without_keys_there_is_nothing_to_attend() {
        let query = [1.0_f32; 40];
        for queries in [1, 10] {
            let mut output = vec![0.0; queries * 4];
            let keys = Heads::new(&[], [1, 1, 0, 4], [0, 0, 4]);
            let query = Heads::new(&query, [1, 1, queries, 4], [40, 40, 4]);
            attention(query, keys, keys, Hidden::default(), Precision::Bf16, &mut output);
            assert!(output.iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    #[should_panic(expected = "4 values are not [1, 1, 2, 4] at strides of [4, 4, 4]")]
    fn vectors_outside_of_the_values_are_refused() {
        Heads::new(&[0.0; 4], [1, 1, 2, 4], [4, 4, 4]);
    }
}
