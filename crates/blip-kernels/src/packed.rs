//! Few rows times many weights, as decoding multiplies.
//!
//! ```text
//! weight [in, out] ─ pack ─▶ panels of 32 columns, [out / 32][in][32] ─ multiply ─▶ input [rows, in] → [rows, out]
//! ```
//!
//! A step of a decoder reads every weight for one to eight rows: memory is what it waits for. A panel is read once, in
//! order, for up to three rows (six with AVX-512), and threads take panels in turns. bf16 halves what is read; it is widened
//! in registers, and the sums are of f32.

use rayon::prelude::*;
use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

/// Columns of a panel.
const WIDTH: usize = 32;

/// How weights are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As they are.
    F32,
    /// The upper half of each, rounded to the nearest, ties to even.
    Bf16,
}

/// A weight as [`multiply`](PackedWeight::multiply) reads it.
#[derive(Clone, Debug)]
pub struct PackedWeight {
    rows: usize,
    columns: usize,
    panels: Panels,
}

#[derive(Clone, Debug)]
enum Panels {
    /// `[panels][rows][32]`
    F32(Vec<f32>),
    /// `[panels][rows][16]`: columns `c` in the lower halves, `16 + c` in the upper.
    Bf16(Vec<i32>),
}

impl PackedWeight {
    /// Packs a weight.
    ///
    /// # Shapes
    ///
    /// - weight: `[in, out]`, row-major
    ///
    /// # Panics
    ///
    /// If the weight is not of this size.
    pub fn new(weight: &[f32], [rows, columns]: [usize; 2], precision: Precision) -> Self {
        assert_eq!(
            weight.len(),
            rows * columns,
            "a weight of another size than {rows} x {columns}"
        );
        let panels = columns.div_ceil(WIDTH);
        // What the last panel has beyond the weight is zero.
        let at = |row: usize, column: usize| match column < columns {
            true => weight[row * columns + column],
            false => 0.0,
        };
        let places = (0..panels).flat_map(|panel| (0..rows).map(move |row| (panel * WIDTH, row)));
        let panels = match precision {
            Precision::F32 => Panels::F32(
                places
                    .flat_map(|(first, row)| (0..WIDTH).map(move |column| (row, first + column)))
                    .map(|(row, column)| at(row, column))
                    .collect(),
            ),
            Precision::Bf16 => Panels::Bf16(
                places
                    .flat_map(|(first, row)| (0..WIDTH / 2).map(move |column| (row, first + column)))
                    .map(|(row, column)| {
                        let [low, high] = [column, column + WIDTH / 2].map(|column| bf16(at(row, column)));
                        (u32::from(high) << 16 | u32::from(low)) as i32
                    })
                    .collect(),
            ),
        };
        Self {
            rows,
            columns,
            panels,
        }
    }

    /// `[in, out]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// How the weights are held.
    pub fn precision(&self) -> Precision {
        match self.panels {
            Panels::F32(_) => Precision::F32,
            Panels::Bf16(_) => Precision::Bf16,
        }
    }

    /// Bytes that the weights take.
    pub fn size(&self) -> usize {
        4 * match &self.panels {
            Panels::F32(panels) => panels.len(),
            Panels::Bf16(panels) => panels.len(),
        }
    }

    /// Rows times the weight, and a bias.
    ///
    /// # Shapes
    ///
    /// - input: `[rows, in]`
    /// - bias: `[out]`
    /// - output: `[rows, out]`
    ///
    /// # Panics
    ///
    /// If the sizes are not these.
    pub fn multiply(&self, input: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
        if output.is_empty() {
            return;
        }
        let count = output.len() / self.columns.max(1);
        assert!(
            output.len() == count * self.columns && input.len() == count * self.rows,
            "{} inputs and {} outputs are no rows of {} and {}",
            input.len(),
            output.len(),
            self.rows,
            self.columns
        );
        if let Some(bias) = bias {
            assert_eq!(bias.len(), self.columns, "a bias of another size");
        }
        let panels = self.columns.div_ceil(WIDTH);
        // [panels][rows][32]: a thread writes what no other does.
        let mut sums = vec![[0.0_f32; WIDTH]; panels * count];
        // A thread is worth its waking from some hundred kilobytes on.
        let each = (64 * 1024 / (self.rows * WIDTH).max(1)).max(1);
        sums.par_chunks_mut(count * each)
            .enumerate()
            .for_each(|(piece, sums)| {
                for (index, sums) in sums.chunks_mut(count).enumerate() {
                    self.panel(piece * each + index, input, sums);
                }
            });
        for (panel, sums) in sums.chunks(count).enumerate() {
            let first = panel * WIDTH;
            let width = WIDTH.min(self.columns - first);
            for (row, sums) in sums.iter().enumerate() {
                let output = &mut output[row * self.columns + first..][..width];
                output.copy_from_slice(&sums[..width]);
                if let Some(bias) = bias {
                    for (output, bias) in output.iter_mut().zip(&bias[first..]) {
                        *output += bias;
                    }
                }
            }
        }
    }

    /// All rows times one panel.
    fn panel(&self, panel: usize, input: &[f32], sums: &mut [[f32; WIDTH]]) {
        let d_in = self.rows;
        match &self.panels {
            Panels::F32(panels) => {
                let size = d_in * WIDTH;
                let panel = F32(&panels[panel * size..][..size]);
                Multiply {
                    d_in,
                    input,
                    panel,
                    sums,
                }
                .dispatch();
            }
            Panels::Bf16(panels) => {
                let size = d_in * WIDTH / 2;
                let panel = Bf16(&panels[panel * size..][..size]);
                Multiply {
                    d_in,
                    input,
                    panel,
                    sums,
                }
                .dispatch();
            }
        }
    }
}

/// The upper half of a number, rounded; what is no number stays none.
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// One row of a panel, widened: `V` vectors that hold its 32 columns.
trait Panel: Copy {
    fn load<I: Isa, const V: usize>(self, isa: I, row: usize) -> [I::F32; V];
}

#[derive(Clone, Copy)]
struct F32<'a>(&'a [f32]);

#[derive(Clone, Copy)]
struct Bf16<'a>(&'a [i32]);

impl Panel for F32<'_> {
    #[inline(always)]
    fn load<I: Isa, const V: usize>(self, isa: I, row: usize) -> [I::F32; V] {
        let ops = isa.f32();
        let row = &self.0[row * WIDTH..][..WIDTH];
        // Not `array::from_fn`: its closure is compiled without the instruction set, and called.
        let mut vectors = [ops.zero(); V];
        for (vector, loaded) in vectors.iter_mut().enumerate() {
            *loaded = ops.load(&row[vector * ops.len()..]);
        }
        vectors
    }
}

impl Panel for Bf16<'_> {
    #[inline(always)]
    fn load<I: Isa, const V: usize>(self, isa: I, row: usize) -> [I::F32; V] {
        let ops = isa.i32();
        let row = &self.0[row * WIDTH / 2..][..WIDTH / 2];
        let upper = ops.splat(-0x1_0000);
        let mut vectors = [isa.f32().zero(); V];
        let (low, high) = vectors.split_at_mut(V / 2);
        for (vector, (low, high)) in low.iter_mut().zip(high).enumerate() {
            let pair = ops.load(&row[vector * ops.len()..]);
            *low = ops.shift_left::<16>(pair).reinterpret_cast();
            *high = ops.and(pair, upper).reinterpret_cast();
        }
        vectors
    }
}

struct Multiply<'a, P> {
    d_in: usize,
    /// `[rows, in]`
    input: &'a [f32],
    panel: P,
    /// `[rows][32]`
    sums: &'a mut [[f32; WIDTH]],
}

impl<P: Panel> SimdOp for Multiply<'_, P> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match isa.f32().len() {
            // 6 x 2 sums of 32 registers, 3 x 4 of 16; 2 x 8 of vectors of four or of none.
            16 => self.by::<I, 6, 2>(isa),
            8 => self.by::<I, 3, 4>(isa),
            4 => self.by::<I, 2, 8>(isa),
            lanes => unreachable!("no instruction set has vectors of {lanes} values"),
        }
    }
}

impl<P: Panel> Multiply<'_, P> {
    /// `R` rows at a time, as long as there are so many; then one by one fewer.
    #[inline(always)]
    fn by<I: Isa, const R: usize, const V: usize>(self, isa: I) {
        let mut rows = self.sums.chunks_exact_mut(R);
        let mut inputs = self.input.chunks_exact(R * self.d_in.max(1));
        for (sums, input) in rows.by_ref().zip(inputs.by_ref()) {
            multiply_rows::<I, P, R, V>(isa, self.d_in, input, self.panel, sums);
        }
        let (sums, input) = (rows.into_remainder(), inputs.remainder());
        match sums.len() {
            0 => {}
            1 => multiply_rows::<I, P, 1, V>(isa, self.d_in, input, self.panel, sums),
            2 => multiply_rows::<I, P, 2, V>(isa, self.d_in, input, self.panel, sums),
            3 => multiply_rows::<I, P, 3, V>(isa, self.d_in, input, self.panel, sums),
            4 => multiply_rows::<I, P, 4, V>(isa, self.d_in, input, self.panel, sums),
            _ => multiply_rows::<I, P, 5, V>(isa, self.d_in, input, self.panel, sums),
        }
    }
}

/// `R` rows times a panel, of whose 32 columns there are `V` vectors.
#[inline(always)]
fn multiply_rows<I: Isa, P: Panel, const R: usize, const V: usize>(
    isa: I,
    d_in: usize,
    input: &[f32],
    panel: P,
    sums: &mut [[f32; WIDTH]],
) {
    let ops = isa.f32();
    let mut rows = [input; R];
    for (row, input) in rows.iter_mut().zip(input.chunks_exact(d_in.max(1))) {
        *row = &input[..d_in];
    }
    let mut totals = [[ops.zero(); V]; R];
    #[expect(
        clippy::needless_range_loop,
        reason = "an input of each row and a row of the panel"
    )]
    for index in 0..d_in {
        let weights = panel.load::<I, V>(isa, index);
        for row in 0..R {
            let value = ops.splat(rows[row][index]);
            for vector in 0..V {
                totals[row][vector] = ops.mul_add(value, weights[vector], totals[row][vector]);
            }
        }
    }
    for (sums, totals) in sums.iter_mut().zip(totals) {
        for (sums, total) in sums.chunks_exact_mut(ops.len()).zip(totals) {
            ops.store(total, sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        let mixed = |index: usize| (index as u32).wrapping_mul(2_654_435_761).wrapping_add(seed);
        (0..count)
            .map(|index| (mixed(index) >> 8) as f32 / 8_388_608.0 - 1.0)
            .collect()
    }

    /// `[rows, in] x [in, out]` in f64.
    fn product(input: &[f32], weight: &[f32], [d_in, d_out]: [usize; 2]) -> Vec<f64> {
        let entry = |row: &[f32], column: usize| -> f64 {
            let terms = row.iter().enumerate();
            terms
                .map(|(index, value)| f64::from(*value) * f64::from(weight[index * d_out + column]))
                .sum()
        };
        input
            .chunks(d_in)
            .flat_map(|row| (0..d_out).map(move |column| entry(row, column)))
            .collect()
    }

    proptest! {
        #[test]
        fn products_are_the_exact_ones(
            rows in 1_usize..14,
            d_in in 1_usize..70,
            d_out in 1_usize..110,
            biased in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let (input, weight) = (values(rows * d_in, seed), values(d_in * d_out, seed ^ 77));
            let bias = values(d_out, seed ^ 99);
            let bias = biased.then_some(bias.as_slice());
            for precision in [Precision::F32, Precision::Bf16] {
                let held: Vec<f32> = match precision {
                    Precision::F32 => weight.clone(),
                    Precision::Bf16 => {
                        weight.iter().map(|value| f32::from_bits(u32::from(bf16(*value)) << 16)).collect()
                    }
                };
                let packed = PackedWeight::new(&weight, [d_in, d_out], precision);
                prop_assert_eq!(packed.precision(), precision);
                let mut got = vec![f32::NAN; rows * d_out];
                packed.multiply(&input, bias, &mut got);
                let want = product(&input, &held, [d_in, d_out]);
                for (index, (got, want)) in got.iter().zip(&want).enumerate() {
                    let want = want + bias.map_or(0.0, |bias| f64::from(bias[index % d_out]));
                    prop_assert!((f64::from(*got) - want).abs() < 1e-5, "{precision:?} {got} {want}");
                }
            }
        }
    }

    #[test]
    fn bf16_is_rounded_to_the_nearest_and_keeps_what_is_no_number() {
        let of = |value: f32| f32::from_bits(u32::from(bf16(value)) << 16);
        assert_eq!(of(1.0), 1.0);
        assert_eq!(of(1.0 + 1.0 / 256.0), 1.0, "a tie goes to the even one");
        assert_eq!(of(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert_eq!(of(-1.0 - 1.01 / 256.0), -1.0 - 2.0 / 256.0);
        assert_eq!(of(f32::MAX), f32::INFINITY);
        assert_eq!(of(f32::NEG_INFINITY), f32::NEG_INFINITY);
        assert!(of(f32::NAN).is_nan() && of(f32::from_bits(0x7f80_0001)).is_nan());
    }

    #[test]
    fn infinities_reach_their_own_row_and_column_alone() {
        let mut weight = vec![0.5; 2 * 40];
        weight[40 + 33] = f32::INFINITY;
        for precision in [Precision::F32, Precision::Bf16] {
            let packed = PackedWeight::new(&weight, [2, 40], precision);
            let mut output = vec![0.0; 2 * 40];
            packed.multiply(&[1.0, 1.0, f32::NAN, 1.0], None, &mut output);
            assert!(
                output[..33]
                    .iter()
                    .chain(&output[34..40])
                    .all(|value| *value == 1.0)
            );
            assert_eq!(output[33], f32::INFINITY);
            assert!(output[40..].iter().all(|value| value.is_nan()));
        }
    }

    #[test]
    fn bf16_takes_half_the_memory() {
        let weight = vec![1.0; 64 * 96];
        let size = |precision| PackedWeight::new(&weight, [64, 96], precision).size();
        assert_eq!(size(Precision::F32), 64 * 96 * 4);
        assert_eq!(size(Precision::Bf16), 64 * 96 * 2);
    }
}
