//! Dot products that x86-64 has instructions for: a strip of rows times a panel of 32 columns.
//!
//! ```text
//! bytes   VNNI        u8 x i8, four products into an i32               AVX-512
//!         maddubs     the same by pairs in 16 bits: inputs of 7 bits   AVX2
//! bf16    dpbf16      two products of bf16 into an f32                 AVX-512
//! ```
//!
//! Each type here is proof that the processor has the instructions: it comes from `detect` alone.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::array::from_fn;
use std::mem::transmute;
use std::sync::OnceLock;

use crate::int8::{Row, add_row, quantize_column, quantize_terms};
use crate::packed::WIDTH;

/// Weights of four rows, `[column][row]`.
pub(crate) type Quads = [i8; 4 * WIDTH];

/// Weights of a row: column `c` in the lower bits, `16 + c` in the upper.
pub(crate) type Pairs = [i32; WIDTH / 2];

/// Most rows of a strip.
pub(crate) const STRIP: usize = 12;

/// Calls a kernel with as many rows as there are sums.
macro_rules! strip {
    ($strip:ident($inputs:expr, $weights:expr, $sums:expr)) => {
        strip!($strip($inputs, $weights, $sums) 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    ($strip:ident($inputs:expr, $weights:expr, $sums:expr) $($rows:literal)*) => {
        match $sums.len() {
            // SAFETY: the caller's `self` is proof of the features that the kernel is compiled for.
            $($rows => unsafe { $strip::<$rows>($inputs, $weights, $sums) },)*
            rows => unreachable!("a strip of {rows} rows"),
        }
    };
}

/// What multiplies bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    vnni: bool,
}

impl Bytes {
    /// All that the processor has, the best first.
    pub(crate) fn detect() -> impl Iterator<Item = Self> {
        let vnni = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        let vnni = vnni.then_some(Self { vnni: true });
        let avx2 = is_x86_feature_detected!("avx2").then_some(Self { vnni: false });
        vnni.into_iter().chain(avx2)
    }

    /// The largest input whose products do not overflow.
    pub(crate) fn largest_input(self) -> f32 {
        if self.vnni { 255.0 } else { 127.0 }
    }

    /// Rows that are multiplied at once.
    pub(crate) fn strip_rows(self) -> usize {
        if self.vnni { STRIP } else { 4 }
    }

    /// [`quantize_column`], by this processor's vectors.
    pub(crate) fn quantize_column(self, column: &[f32], values: &mut [i8]) -> f32 {
        // SAFETY: `self` is proof of the features.
        unsafe {
            if self.vnni {
                quantize_column_512(column, values)
            } else {
                quantize_column_256(column, values)
            }
        }
    }

    /// [`quantize_terms`], by this processor's vectors.
    pub(crate) fn quantize(self, input: &[f32], terms: usize, quantized: &mut [u8]) -> [Row; 2] {
        let largest = self.largest_input();
        // SAFETY: `self` is proof of the features.
        unsafe {
            if self.vnni {
                quantize_512(input, largest, terms, quantized)
            } else {
                quantize_256(input, largest, terms, quantized)
            }
        }
    }

    /// Adds products, scaled, to rows of a tile, `terms` rows of products to each.
    pub(crate) fn add_rows(
        self,
        products: &[[i32; WIDTH]],
        rows: &[Row],
        terms: usize,
        steps: &[f32],
        sums: &[i32],
        tile: &mut [[f32; WIDTH]],
    ) {
        let rows = products.chunks(terms).zip(rows.chunks(terms));
        for (output, (products, rows)) in tile.iter_mut().zip(rows) {
            let output = &mut output[..steps.len()];
            for (products, row) in products.iter().zip(rows) {
                // SAFETY: `self` is proof of the features.
                unsafe {
                    if self.vnni {
                        add_row_512(output, products, *row, steps, sums);
                    } else {
                        add_row_256(output, products, *row, steps, sums);
                    }
                }
            }
        }
    }

    /// The products of a strip and a panel.
    ///
    /// # Shapes
    ///
    /// - inputs: `[in / 4][sums.len()]`, each four bytes of a row
    /// - weights: `[in / 4]`
    pub(crate) fn multiply(self, inputs: &[u32], weights: &[Quads], sums: &mut [[i32; WIDTH]]) {
        assert_eq!(
            inputs.len(),
            weights.len() * sums.len(),
            "inputs of another depth"
        );
        if self.vnni {
            strip!(vnni(inputs, weights, sums));
        } else {
            strip!(maddubs(inputs, weights, sums));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn quantize_column_512(column: &[f32], values: &mut [i8]) -> f32 {
    quantize_column(column, values)
}

#[target_feature(enable = "avx2")]
fn quantize_column_256(column: &[f32], values: &mut [i8]) -> f32 {
    quantize_column(column, values)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn quantize_512(input: &[f32], largest: f32, terms: usize, quantized: &mut [u8]) -> [Row; 2] {
    quantize_terms(input, largest, terms, quantized)
}

#[target_feature(enable = "avx2")]
fn quantize_256(input: &[f32], largest: f32, terms: usize, quantized: &mut [u8]) -> [Row; 2] {
    quantize_terms(input, largest, terms, quantized)
}

#[target_feature(enable = "avx512f,avx512bw")]
fn add_row_512(output: &mut [f32], products: &[i32; WIDTH], row: Row, steps: &[f32], sums: &[i32]) {
    add_row(output, products, row, steps, sums);
}

#[target_feature(enable = "avx2")]
fn add_row_256(output: &mut [f32], products: &[i32; WIDTH], row: Row, steps: &[f32], sums: &[i32]) {
    add_row(output, products, row, steps, sums);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn vnni<const R: usize>(inputs: &[u32], weights: &[Quads], sums: &mut [[i32; WIDTH]]) {
    let mut totals = [[_mm512_setzero_si512(); 2]; R];
    let (inputs, _) = inputs.as_chunks::<R>();
    for (inputs, quads) in inputs.iter().zip(weights) {
        // SAFETY: 128 bytes are two vectors of 64, and loads need no alignment.
        let weights = unsafe {
            let first = quads.as_ptr().cast::<__m512i>();
            [_mm512_loadu_si512(first), _mm512_loadu_si512(first.add(1))]
        };
        for row in 0..R {
            let input = _mm512_set1_epi32(inputs[row] as i32);
            for vector in 0..2 {
                totals[row][vector] = _mm512_dpbusd_epi32(totals[row][vector], input, weights[vector]);
            }
        }
    }
    for (sums, totals) in sums.iter_mut().zip(totals) {
        // SAFETY: 32 sums are two vectors of 16, and stores need no alignment.
        unsafe {
            let first = sums.as_mut_ptr().cast::<__m512i>();
            _mm512_storeu_si512(first, totals[0]);
            _mm512_storeu_si512(first.add(1), totals[1]);
        }
    }
}

#[target_feature(enable = "avx2")]
fn maddubs<const R: usize>(inputs: &[u32], weights: &[Quads], sums: &mut [[i32; WIDTH]]) {
    let ones = _mm256_set1_epi16(1);
    let (inputs, _) = inputs.as_chunks::<R>();
    // Two of the panel's four vectors at a time: registers for the sums of four rows.
    for half in 0..2 {
        let mut totals = [[_mm256_setzero_si256(); 2]; R];
        for (inputs, quads) in inputs.iter().zip(weights) {
            // SAFETY: 128 bytes are four vectors of 32, of which these are two; loads need no alignment.
            let weights = unsafe {
                let first = quads.as_ptr().cast::<__m256i>().add(2 * half);
                [_mm256_loadu_si256(first), _mm256_loadu_si256(first.add(1))]
            };
            for row in 0..R {
                let input = _mm256_set1_epi32(inputs[row] as i32);
                for vector in 0..2 {
                    let pairs = _mm256_maddubs_epi16(input, weights[vector]);
                    let quads = _mm256_madd_epi16(pairs, ones);
                    totals[row][vector] = _mm256_add_epi32(totals[row][vector], quads);
                }
            }
        }
        for (sums, totals) in sums.iter_mut().zip(totals) {
            // SAFETY: 32 sums are four vectors of 8, of which these are two; stores need no alignment.
            unsafe {
                let first = sums.as_mut_ptr().cast::<__m256i>().add(2 * half);
                _mm256_storeu_si256(first, totals[0]);
                _mm256_storeu_si256(first.add(1), totals[1]);
            }
        }
    }
}

/// What multiplies bf16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DotBf16(());

impl DotBf16 {
    /// None on Intel's processors, where the instruction is slower than multiply-adds of f32: on two cores of a Xeon
    /// with AMX 577 rows times 768 x 3072 took 34.7 ms with it, 22.2 ms widened and 19.1 ms in f32.
    pub(crate) fn detect() -> Option<Self> {
        static DETECTED: OnceLock<Option<DotBf16>> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let has = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512bf16");
            (has && !is_of_intel()).then_some(Self(()))
        })
    }

    /// Inputs as strips read them: `[strips][in / 2][rows of a strip]`, each two of a row, rounded to bf16.
    ///
    /// # Shapes
    ///
    /// - input: rows of `d_in`, of which the columns of `depth` are taken
    pub(crate) fn inputs(self, input: &[f32], d_in: usize, depth: std::ops::Range<usize>) -> Vec<u32> {
        let pairs = depth.len().div_ceil(2);
        let mut inputs = vec![0; input.len() / d_in * pairs];
        let mut rounded = vec![0; pairs];
        for (input, inputs) in input.chunks(STRIP * d_in).zip(inputs.chunks_mut(STRIP * pairs)) {
            let rows = input.len() / d_in;
            for (row, input) in input.chunks_exact(d_in).enumerate() {
                // SAFETY: `self` is proof of the features.
                unsafe { round_pairs(&input[depth.clone()], &mut rounded) };
                for (place, pair) in inputs[row..].iter_mut().step_by(rows).zip(&rounded) {
                    *place = *pair;
                }
            }
        }
        inputs
    }

    /// The products of a strip and a panel.
    ///
    /// # Shapes
    ///
    /// - inputs: `[in / 2][sums.len()]`, as [`inputs`](Self::inputs) gives them
    /// - weights: `[in]`
    pub(crate) fn multiply(self, inputs: &[u32], weights: &[Pairs], sums: &mut [[f32; WIDTH]]) {
        let pairs = weights.len().div_ceil(2);
        assert_eq!(inputs.len(), pairs * sums.len(), "inputs of another depth");
        strip!(dpbf16(inputs, weights, sums));
    }
}

/// Whether the processor says that Intel made it.
fn is_of_intel() -> bool {
    let maker = __cpuid(0);
    [maker.ebx, maker.edx, maker.ecx].map(u32::to_le_bytes).concat() == b"GenuineIntel"
}

/// Two neighbours each, rounded to the nearest, ties to even.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn round_pairs(input: &[f32], pairs: &mut [u32]) {
    let (whole, rest) = input.as_chunks::<16>();
    let (vectors, places) = pairs.as_chunks_mut::<8>();
    for (pairs, input) in vectors.iter_mut().zip(whole) {
        // SAFETY: 16 values are a vector of f32, and of bf16 one of 32 bytes, as the pairs are.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(input.as_ptr()));
            *pairs = transmute::<__m256bh, [u32; 8]>(rounded);
        }
    }
    if !rest.is_empty() {
        let padded: [f32; 16] = from_fn(|at| rest.get(at).copied().unwrap_or(0.0));
        let mut last = [0; 8];
        round_pairs(&padded, &mut last);
        let places = match vectors.get_mut(whole.len()) {
            Some(vector) => vector.as_mut_slice(),
            None => places,
        };
        let count = places.len();
        places.copy_from_slice(&last[..count]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn dpbf16<const R: usize>(inputs: &[u32], weights: &[Pairs], sums: &mut [[f32; WIDTH]]) {
    let mut totals = [[_mm512_setzero_ps(); 2]; R];
    let (inputs, _) = inputs.as_chunks::<R>();
    // Two rows of the weight: what has no second one meets zeros.
    let mut step = |inputs: &[u32; R], first: &Pairs, second: &Pairs| {
        // SAFETY: 16 pairs are a vector, loads need no alignment, and vectors of bf16 are bits as others are.
        let weights: [__m512bh; 2] = unsafe {
            let [first, second] = [first, second].map(|pairs| _mm512_loadu_si512(pairs.as_ptr().cast()));
            let lower = _mm512_mask_mov_epi16(first, 0xaaaa_aaaa, _mm512_slli_epi32::<16>(second));
            let upper = _mm512_mask_mov_epi16(second, 0x5555_5555, _mm512_srli_epi32::<16>(first));
            [lower, upper].map(|bits| transmute::<__m512i, __m512bh>(bits))
        };
        for row in 0..R {
            // SAFETY: vectors of bf16 are bits as others are.
            let input = unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(inputs[row] as i32)) };
            for vector in 0..2 {
                totals[row][vector] = _mm512_dpbf16_ps(totals[row][vector], input, weights[vector]);
            }
        }
    };
    let (pairs, rest) = weights.as_chunks::<2>();
    for (inputs, [first, second]) in inputs.iter().zip(pairs) {
        step(inputs, first, second);
    }
    if let ([last], Some(inputs)) = (rest, inputs.last()) {
        step(inputs, last, &[0; WIDTH / 2]);
    }
    for (sums, totals) in sums.iter_mut().zip(totals) {
        // SAFETY: 32 sums are two vectors of 16, and stores need no alignment.
        unsafe {
            _mm512_storeu_ps(sums.as_mut_ptr(), totals[0]);
            _mm512_storeu_ps(sums.as_mut_ptr().add(WIDTH / 2), totals[1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_of_bytes_are_exact(rows in 1_usize..5, depth in 0_usize..40, seed in any::<u64>()) {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            for bytes in Bytes::detect() {
                let most = bytes.largest_input() as u8;
                // The extremes among them.
                let inputs: Vec<[u8; 4]> = (0..depth * rows).map(|_| from_fn(|_| byte().min(most))).collect();
                let weights: Vec<Quads> = (0..depth).map(|_| from_fn(|_| (byte() as i8).max(-127))).collect();
                let words: Vec<u32> = inputs.iter().map(|quad| u32::from_le_bytes(*quad)).collect();
                let mut got = vec![[0; WIDTH]; rows];
                bytes.multiply(&words, &weights, &mut got);
                for (row, got) in got.iter().enumerate() {
                    for (column, got) in got.iter().enumerate() {
                        let terms = (0..depth).flat_map(|quad| (0..4).map(move |at| (quad, at)));
                        let want: i32 = terms
                            .map(|(quad, at)| {
                                i32::from(inputs[quad * rows + row][at]) * i32::from(weights[quad][4 * column + at])
                            })
                            .sum();
                        prop_assert_eq!(*got, want);
                    }
                }
            }
        }
    }

    #[test]
    fn the_largest_products_do_not_overflow() {
        for bytes in Bytes::detect() {
            let most = bytes.largest_input() as u8;
            for weight in [-127_i8, 127] {
                let mut got = [[0; WIDTH]; 2];
                bytes.multiply(
                    &[u32::from_le_bytes([most; 4]); 8],
                    &[[weight; 4 * WIDTH]; 4],
                    &mut got,
                );
                assert_eq!(got, [[16 * i32::from(most) * i32::from(weight); WIDTH]; 2]);
            }
        }
    }
}
