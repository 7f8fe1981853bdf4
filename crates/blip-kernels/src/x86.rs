//! Dot products that x86-64 has instructions for: a strip of rows times a panel of 32 columns.
//!
//! ```text
//! bytes   tiles       u8 x i8, sums of four products in an i32         AMX
//!         VNNI        the same                                         AVX-512
//!         maddubs     the same by pairs in 16 bits: inputs of 7 bits   AVX2
//! bf16    tiles       sums of two products of bf16 in an f32           AMX
//!         dpbf16      the same                                         AVX-512
//! ```
//!
//! Each type here is proof that the processor has the instructions: it comes from asking it alone.
#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::array::from_fn;
use std::mem::transmute;
use std::ptr;
use std::sync::OnceLock;

use crate::int8::{Columns, Row, quantize_column, quantize_terms, scale};
use crate::packed::{AHEAD, AHEAD_ROWS, PIECES, WIDTH};
use crate::rows::{Layout, Line, Rows};
use crate::tiles::{Pairs, Quads, Tiles};

/// Most rows of a strip.
const STRIP: usize = 12;

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
pub(crate) enum Bytes {
    Tiles(Tiles),
    Vnni(Vnni),
    Maddubs(Maddubs),
}

/// Proof of AVX-512 with VNNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vnni(());

/// Proof of AVX2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maddubs(());

impl Bytes {
    /// All that the processor has, the best first.
    pub(crate) fn detect() -> impl Iterator<Item = Self> {
        let vnni = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        let vnni = vnni.then_some(Self::Vnni(Vnni(())));
        let avx2 = is_x86_feature_detected!("avx2").then_some(Self::Maddubs(Maddubs(())));
        Tiles::detect()
            .map(Self::Tiles)
            .into_iter()
            .chain(vnni)
            .chain(avx2)
    }

    /// The same for rows that are too few to fill tiles.
    pub(crate) fn of_few(self) -> Self {
        match self {
            // Tiles are proof of VNNI.
            Self::Tiles(_) => Self::Vnni(Vnni(())),
            of_few => of_few,
        }
    }

    /// The largest input whose products do not overflow.
    pub(crate) fn largest_input(self) -> f32 {
        match self {
            Self::Tiles(_) | Self::Vnni(_) => 255.0,
            Self::Maddubs(_) => 127.0,
        }
    }

    /// Into how many pieces each thread's rows are best cut.
    pub(crate) fn pieces(self) -> usize {
        match self {
            // They wait for weights, which every piece reads again.
            Self::Tiles(_) => 1,
            Self::Vnni(_) | Self::Maddubs(_) => PIECES,
        }
    }

    /// How so many rows are to be laid, each in groups of four bytes.
    pub(crate) fn layout(self, count: usize) -> Layout {
        match self {
            Self::Tiles(tiles) => tiles.layout(count),
            Self::Vnni(_) => Layout::Strips(STRIP),
            Self::Maddubs(_) => Layout::Strips(4),
        }
    }

    /// [`quantize_column`], by this processor's vectors.
    pub(crate) fn quantize_column(self, column: &[f32], values: &mut [i8]) -> f32 {
        // SAFETY: `self` is proof of the features.
        unsafe {
            match self {
                Self::Tiles(_) | Self::Vnni(_) => quantize_column_512(column, values),
                Self::Maddubs(_) => quantize_column_256(column, values),
            }
        }
    }

    /// [`quantize_terms`], by this processor's vectors.
    pub(crate) fn quantize(self, input: &[f32], terms: usize, quantized: &mut [u8]) -> [Row; 2] {
        let largest = self.largest_input();
        // SAFETY: `self` is proof of the features.
        unsafe {
            match self {
                Self::Tiles(_) | Self::Vnni(_) => quantize_512(input, largest, terms, quantized),
                Self::Maddubs(_) => quantize_256(input, largest, terms, quantized),
            }
        }
    }

    /// [`scale`], by this processor's vectors.
    pub(crate) fn scale(
        self,
        products: &[[i32; WIDTH]],
        rows: &[Row],
        terms: usize,
        columns: &Columns,
        tile: &mut [[f32; WIDTH]],
    ) {
        // SAFETY: `self` is proof of the features.
        unsafe {
            match self {
                Self::Tiles(_) | Self::Vnni(_) => scale_512(products, rows, terms, columns, tile),
                Self::Maddubs(_) => scale_256(products, rows, terms, columns, tile),
            }
        }
    }

    /// The products of rows, as they are laid for it, and a panel.
    ///
    /// # Shapes
    ///
    /// - panel: each half `[in / 4]`, up to a whole tile
    /// - sums: `[rows][32]`, for blocks those of rows that fill the last one too
    pub(crate) fn multiply(self, rows: &Rows, panel: [&[Line<[i8; 4]>]; 2], sums: &mut [[i32; WIDTH]]) {
        if let Self::Tiles(tiles) = self {
            return tiles.multiply::<Quads>(rows, panel, sums);
        }
        let panel = panel.map(|half| &half[..rows.width()]);
        let Layout::Strips(most) = rows.layout() else {
            unreachable!("vectors take strips");
        };
        for (inputs, sums) in rows.strips().zip(sums.chunks_mut(most)) {
            match self {
                Self::Maddubs(_) => strip!(maddubs(inputs, panel, sums)),
                _ => strip!(vnni(inputs, panel, sums)),
            }
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
fn scale_512(
    products: &[[i32; WIDTH]],
    rows: &[Row],
    terms: usize,
    columns: &Columns,
    tile: &mut [[f32; WIDTH]],
) {
    scale(products, rows, terms, columns, tile);
}

#[target_feature(enable = "avx2")]
fn scale_256(
    products: &[[i32; WIDTH]],
    rows: &[Row],
    terms: usize,
    columns: &Columns,
    tile: &mut [[f32; WIDTH]],
) {
    scale(products, rows, terms, columns, tile);
}

/// - inputs: `[in / 4][sums.len()]`, each four bytes of a row
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn vnni<const R: usize>(inputs: &[u32], [lower, upper]: [&[Line<[i8; 4]>]; 2], sums: &mut [[i32; WIDTH]]) {
    let mut totals = [[_mm512_setzero_si512(); 2]; R];
    let (inputs, _) = inputs.as_chunks::<R>();
    for (inputs, (lower, upper)) in inputs.iter().zip(lower.iter().zip(upper)) {
        if R <= AHEAD_ROWS {
            for line in [lower, upper] {
                _mm_prefetch::<_MM_HINT_T0>(ptr::from_ref(line).wrapping_add(AHEAD).cast());
            }
        }
        // SAFETY: a line is a vector of 64 bytes, aligned to as many.
        let weights = unsafe { [lower, upper].map(|line| _mm512_load_si512(ptr::from_ref(line).cast())) };
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

/// - inputs: `[in / 4][sums.len()]`, each four bytes of a row
#[target_feature(enable = "avx2")]
fn maddubs<const R: usize>(inputs: &[u32], panel: [&[Line<[i8; 4]>]; 2], sums: &mut [[i32; WIDTH]]) {
    let ones = _mm256_set1_epi16(1);
    let (inputs, _) = inputs.as_chunks::<R>();
    // A half at a time: registers for the sums of four rows.
    for (half, lines) in panel.into_iter().enumerate() {
        let mut totals = [[_mm256_setzero_si256(); 2]; R];
        for (inputs, line) in inputs.iter().zip(lines) {
            // SAFETY: a line is two vectors of 32 bytes, aligned to twice as many.
            let weights = unsafe {
                let first = ptr::from_ref(line).cast::<__m256i>();
                [_mm256_load_si256(first), _mm256_load_si256(first.add(1))]
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
pub(crate) enum DotBf16 {
    Tiles(Tiles),
    Vectors(Vectors),
}

/// Proof of AVX-512 with bf16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors(());

impl DotBf16 {
    /// What is faster than widening: tiles, and vectors where Intel did not make the processor. There they are slower than
    /// multiply-adds of f32: on two cores of a Xeon with AMX 577 rows times 768 x 3072 took 34.7 ms with them, 22.2 ms
    /// widened and 19.1 ms in f32.
    pub(crate) fn detect() -> Option<Self> {
        static DETECTED: OnceLock<Option<DotBf16>> = OnceLock::new();
        *DETECTED.get_or_init(|| Self::all().find(|dot| matches!(dot, Self::Tiles(_)) || !is_of_intel()))
    }

    /// All that the processor has, the best first.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        let vectors = vectors.then_some(Self::Vectors(Vectors(())));
        Tiles::detect().map(Self::Tiles).into_iter().chain(vectors)
    }

    /// Into how many pieces each thread's rows are best cut.
    pub(crate) fn pieces(self) -> usize {
        match self {
            // They wait for weights, which every piece reads again.
            Self::Tiles(_) => 1,
            Self::Vectors(_) => PIECES,
        }
    }

    /// How many inputs of a row are best multiplied before the next ones are: what of all rows stays in the second cache.
    pub(crate) fn depth(self) -> usize {
        match self {
            Self::Tiles(_) => 1536,
            Self::Vectors(_) => 384,
        }
    }

    /// Rows of zeros, laid as they are to be multiplied, each of so many values.
    pub(crate) fn rows(self, count: usize, width: usize) -> Rows {
        let layout = match self {
            Self::Tiles(tiles) => tiles.layout(count),
            Self::Vectors(_) => Layout::Strips(STRIP),
        };
        Rows::new(count, width.div_ceil(2), layout)
    }

    /// Rounds values to bf16, two neighbours each, to the nearest, ties to even.
    ///
    /// # Shapes
    ///
    /// - values: `[2 * pairs]`, or one less
    pub(crate) fn round(self, values: &[f32], pairs: &mut [u32]) {
        assert_eq!(values.len().div_ceil(2), pairs.len(), "other pairs than values");
        // SAFETY: `self` is proof of the features.
        unsafe { round_pairs(values, pairs) };
    }

    /// Rounds two rows, to the nearest, ties to even: the first in the lower bits, the second in the upper.
    ///
    /// # Shapes
    ///
    /// - even, odd, pairs: as long as each other
    pub(crate) fn pair(self, even: &[f32], odd: &[f32], pairs: &mut [u32]) {
        // SAFETY: `self` is proof of the features.
        unsafe { pair_rows(even, odd, pairs) };
    }

    /// The products of rows and a panel.
    ///
    /// # Shapes
    ///
    /// - panel: each half `[in / 2]`, up to a whole tile
    /// - sums: `[rows][32]`, for blocks those of rows that fill the last one too
    pub(crate) fn multiply(self, rows: &Rows, panel: [&[Line<i32>]; 2], sums: &mut [[f32; WIDTH]]) {
        let Layout::Strips(most) = rows.layout() else {
            let Self::Tiles(tiles) = self else {
                unreachable!("vectors take strips");
            };
            return tiles.multiply::<Pairs>(rows, panel, sums);
        };
        let panel = panel.map(|half| &half[..rows.width()]);
        for (inputs, sums) in rows.strips().zip(sums.chunks_mut(most)) {
            strip!(dpbf16(inputs, panel, sums));
        }
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

/// Two rows, rounded to the nearest, ties to even.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pair_rows(even: &[f32], odd: &[f32], pairs: &mut [u32]) {
    let (whole_even, even) = even.as_chunks::<16>();
    let (whole_odd, odd) = odd.as_chunks::<16>();
    let (whole, places) = pairs.as_chunks_mut::<16>();
    let paired = |even: &[f32; 16], odd: &[f32; 16]| {
        // SAFETY: 16 values are a vector of f32; vectors of bf16 are bits as others are.
        let [even, odd] = unsafe {
            [even, odd].map(|values| {
                let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(values.as_ptr()));
                _mm512_cvtepu16_epi32(transmute::<__m256bh, __m256i>(rounded))
            })
        };
        let pairs = _mm512_or_si512(even, _mm512_slli_epi32::<16>(odd));
        // SAFETY: bits both.
        unsafe { transmute::<__m512i, [u32; 16]>(pairs) }
    };
    for (pairs, (even, odd)) in whole.iter_mut().zip(whole_even.iter().zip(whole_odd)) {
        *pairs = paired(even, odd);
    }
    let [even, odd] = [even, odd].map(|rest| from_fn(|at| rest.get(at).copied().unwrap_or(0.0)));
    let count = places.len();
    places.copy_from_slice(&paired(&even, &odd)[..count]);
}

/// - inputs: `[in / 2][sums.len()]`, each two of a row
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn dpbf16<const R: usize>(inputs: &[u32], [lower, upper]: [&[Line<i32>]; 2], sums: &mut [[f32; WIDTH]]) {
    let mut totals = [[_mm512_setzero_ps(); 2]; R];
    let (inputs, _) = inputs.as_chunks::<R>();
    for (inputs, (lower, upper)) in inputs.iter().zip(lower.iter().zip(upper)) {
        // SAFETY: a line is a vector of 64 bytes, aligned to as many; vectors of bf16 are bits as others are.
        let weights = unsafe {
            [lower, upper]
                .map(|line| transmute::<__m512i, __m512bh>(_mm512_load_si512(ptr::from_ref(line).cast())))
        };
        for row in 0..R {
            // SAFETY: vectors of bf16 are bits as others are.
            let input = unsafe { transmute::<__m512i, __m512bh>(_mm512_set1_epi32(inputs[row] as i32)) };
            for vector in 0..2 {
                totals[row][vector] = _mm512_dpbf16_ps(totals[row][vector], input, weights[vector]);
            }
        }
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
    use crate::rows::lines_of;

    /// As many rows of bytes, and a panel, as a form takes them; the sums that it gives.
    fn products(bytes: Bytes, inputs: &[Vec<u8>], weights: &[Vec<i8>]) -> Vec<[i32; WIDTH]> {
        let depth = weights[0].len();
        let group = |values: &[u8], at: usize| from_fn(|of| values.get(4 * at + of).copied().unwrap_or(0));
        let mut rows = Rows::new(inputs.len(), depth.div_ceil(4), bytes.layout(inputs.len()));
        for (row, input) in inputs.iter().enumerate() {
            let groups: Vec<u32> = (0..depth.div_ceil(4))
                .map(|at| u32::from_le_bytes(group(input, at)))
                .collect();
            rows.set(row, &groups);
        }
        let mut panel = vec![Line([[0; 4]; 16]); 2 * lines_of(depth, 4)];
        let (lower, upper) = panel.split_at_mut(lines_of(depth, 4));
        for (column, weights) in weights.iter().enumerate() {
            let half = if column < 16 { &mut *lower } else { &mut *upper };
            for (row, weight) in weights.iter().enumerate() {
                half[row / 4].0[column % 16][row % 4] = *weight;
            }
        }
        let mut sums = vec![[0; WIDTH]; inputs.len().next_multiple_of(32)];
        let filled = rows.filled();
        bytes.multiply(&rows, [lower, upper], &mut sums[..filled]);
        assert!(
            sums[filled..].as_flattened().iter().all(|sum| *sum == 0),
            "not its own"
        );
        sums.truncate(inputs.len());
        sums
    }

    proptest! {
        #[test]
        fn products_of_bytes_are_exact(
            rows in prop_oneof![1_usize..5, 13_usize..80],
            depth in prop_oneof![1_usize..160, 760_usize..1700],
            seed in any::<u64>(),
        ) {
            let mut state = seed;
            let mut byte = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            };
            for bytes in Bytes::detect() {
                let most = bytes.largest_input() as u8;
                // The extremes among them.
                let inputs: Vec<Vec<u8>> = (0..rows).map(|_| (0..depth).map(|_| byte().min(most)).collect()).collect();
                let weights: Vec<Vec<i8>> =
                    (0..WIDTH).map(|_| (0..depth).map(|_| (byte() as i8).max(-127)).collect()).collect();
                for (input, got) in inputs.iter().zip(products(bytes, &inputs, &weights)) {
                    for (weights, got) in weights.iter().zip(got) {
                        let terms = input.iter().zip(weights);
                        let want: i32 = terms.map(|(input, weight)| i32::from(*input) * i32::from(*weight)).sum();
                        prop_assert_eq!(got, want, "{:?}", bytes);
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
                let got = products(bytes, &vec![vec![most; 16]; 2], &vec![vec![weight; 16]; WIDTH]);
                assert_eq!(got, [[16 * i32::from(most) * i32::from(weight); WIDTH]; 2]);
            }
        }
    }
}
