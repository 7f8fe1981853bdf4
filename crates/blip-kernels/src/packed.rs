//! Rows times weights that are packed once.
//!
//! ```text
//! weight [in, out] ─ pack ─▶ panels of 32 columns ─ multiply ─▶ input [rows, in] → [rows, out]
//! ```
//!
//! A step of a decoder reads every weight for one to eight rows: memory is what it waits for. There threads take panels,
//! and each weight is read once. Pictures have hundreds of rows: there threads take rows, and a piece of a panel stays in
//! the first cache for all of them. bf16 halves what is read; it is widened in registers, and the sums are of f32. Where a
//! processor has dot products of bf16 that are worth it, many rows are rounded to bf16 for them.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;
use rten_simd::ops::{BitOps, IntOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp};

use crate::epilogue::{Epilogue, Output, Place, as_uninit};
use crate::int8::Int8;
use crate::parallel::keep_others_awake;
use crate::rows::{Line, Lines, Word, lines_of};
#[cfg(target_arch = "x86_64")]
use crate::x86::DotBf16;

/// Columns of a panel.
pub(crate) const WIDTH: usize = 32;

/// Columns of half a panel.
pub(crate) const HALF: usize = WIDTH / 2;

/// Up to so many rows the reading of weights is what takes the time.
pub(crate) const FEW: usize = 12;

/// Pieces into which each thread's share of many rows is cut, so that who is done sooner takes more.
pub(crate) const PIECES: usize = 2;

/// How many lines ahead weights are fetched that are read for a few rows: more than a processor fetches by itself.
pub(crate) const AHEAD: usize = 16;

/// Up to so many rows of a strip.
pub(crate) const AHEAD_ROWS: usize = 6;

/// Rows of a panel that are multiplied at once: 24 KiB of the first cache.
const DEPTH: usize = 384;

/// How weights are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As they are.
    F32,
    /// The upper half of each, rounded to the nearest, ties to even.
    Bf16,
    /// One of the 255 values from -127 to 127 steps, the step of each column such that its largest value is 127 or -127. The
    /// inputs are rounded too, row by row.
    Int8,
}

/// A weight as [`multiply`](PackedWeight::multiply) reads it.
#[derive(Clone, Debug)]
pub struct PackedWeight {
    rows: usize,
    columns: usize,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    /// `[panels][2][rows][16]`: lower columns, then upper ones.
    F32(Lines<f32>),
    /// `[panels][2][rows / 2][16]`, up to a whole tile: an even row's in the lower bits, the next one's in the upper.
    Bf16(Lines<i32>),
    /// In panels too, or as rten-gemm packs it.
    Int8(Int8),
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
        let read = |those: Range<usize>, values: &mut [f32]| {
            for (row, weight) in weight.chunks_exact(columns.max(1)).enumerate() {
                let places = values[row..].iter_mut().step_by(rows);
                places
                    .zip(&weight[those.clone()])
                    .for_each(|(place, value)| *place = *value);
            }
            Some(())
        };
        Self::from_columns([rows, columns], precision, read).expect("what is in memory can be read")
    }

    /// Packs a weight that is read some columns at a time, by several threads, and that is never whole in another form: a
    /// checkpoint's, in which the columns (PyTorch's outputs) follow each other.
    ///
    /// `None` as soon as `read` gives `None`.
    ///
    /// # Shapes
    ///
    /// - `[in, out]`
    /// - read: is told which columns, and writes them as `[columns, in]`
    pub fn from_columns(
        [rows, columns]: [usize; 2],
        precision: Precision,
        read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
    ) -> Option<Self> {
        let held = match precision {
            Precision::F32 => {
                let place = |values: &[f32], panel: &mut [Line<f32>]| {
                    for (column, values) in values.chunks_exact(rows).enumerate() {
                        let lines = panel[column / HALF * rows..].iter_mut();
                        lines
                            .zip(values)
                            .for_each(|(line, value)| line.0[column % HALF] = *value);
                    }
                };
                Held::F32(pack([rows, columns], 2 * rows, read, place)?)
            }
            Precision::Bf16 => {
                let half = lines_of(rows, 2);
                let place = |values: &[f32], panel: &mut [Line<i32>]| {
                    for (column, values) in values.chunks_exact(rows).enumerate() {
                        let lines = panel[column / HALF * half..].iter_mut();
                        for (line, values) in lines.zip(values.chunks(2)) {
                            let [even, odd] = [0, 1].map(|at| values.get(at).map_or(0, |value| bf16(*value)));
                            line.0[column % HALF] = (u32::from(odd) << 16 | u32::from(even)) as i32;
                        }
                    }
                };
                Held::Bf16(pack([rows, columns], 2 * half, read, place)?)
            }
            Precision::Int8 => Held::Int8(Int8::from_columns([rows, columns], read)?),
        };
        Some(Self { rows, columns, held })
    }

    /// The weight as it is multiplied, `[in, out]`, row-major.
    pub fn unpack(&self) -> Vec<f32> {
        if let Held::Int8(weight) = &self.held {
            return weight.unpack();
        }
        let mut weight = vec![0.0; self.rows * self.columns];
        for (row, weight) in weight.chunks_exact_mut(self.columns.max(1)).enumerate() {
            for (column, value) in weight.iter_mut().enumerate() {
                let (half, column) = (column / HALF, column % HALF);
                *value = match &self.held {
                    Held::F32(lines) => lines[half * self.rows + row].0[column],
                    Held::Bf16(lines) => {
                        let pair = lines[half * lines_of(self.rows, 2) + row / 2].0[column] as u32;
                        let upper = if row % 2 == 0 {
                            pair << 16
                        } else {
                            pair & 0xffff_0000
                        };
                        f32::from_bits(upper)
                    }
                    Held::Int8(_) => unreachable!("unpacked above"),
                };
            }
        }
        weight
    }

    /// `[in, out]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// How the weights are held.
    pub fn precision(&self) -> Precision {
        match self.held {
            Held::F32(_) => Precision::F32,
            Held::Bf16(_) => Precision::Bf16,
            Held::Int8(_) => Precision::Int8,
        }
    }

    /// Bytes that the weights take.
    pub fn size(&self) -> usize {
        match &self.held {
            Held::F32(lines) => size_of_val(&**lines),
            Held::Bf16(lines) => size_of_val(&**lines),
            Held::Int8(weight) => weight.size(),
        }
    }

    /// Rows times the weight, and what follows.
    ///
    /// # Shapes
    ///
    /// - input: `[rows, in]`
    /// - output: `[rows, out]`
    ///
    /// # Panics
    ///
    /// If the sizes are not these, or the epilogue's are not its own.
    pub fn multiply(&self, input: &[f32], epilogue: Epilogue, output: &mut [f32]) {
        self.multiply_into(input, epilogue, as_uninit(output));
    }

    /// [`multiply`](Self::multiply), of so many rows, into memory that is not cleared before.
    ///
    /// # Panics
    ///
    /// As [`multiply`](Self::multiply).
    pub fn product(&self, input: &[f32], rows: usize, epilogue: Epilogue) -> Vec<f32> {
        let size = rows * self.columns;
        let mut output = Vec::with_capacity(size);
        self.multiply_into(input, epilogue, &mut output.spare_capacity_mut()[..size]);
        // SAFETY: each of them was written: `by_panels`, `by_rows` and int8's other form cut all rows and columns into pieces,
        // and every form writes the whole of its piece. Tests multiply into what is no number.
        #[allow(unsafe_code)]
        unsafe {
            output.set_len(size);
        }
        output
    }

    /// Writes all of an output.
    fn multiply_into(&self, input: &[f32], epilogue: Epilogue, output: &mut [MaybeUninit<f32>]) {
        if let Some(bias) = epilogue.bias {
            assert_eq!(bias.len(), self.columns, "a bias of another size");
        }
        if let Some(residual) = epilogue.residual {
            assert_eq!(residual.len(), output.len(), "a residual of another size");
        }
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
        let shape = [self.rows, self.columns];
        #[cfg(target_arch = "x86_64")]
        if let (Held::Bf16(lines), Some(dot)) = (&self.held, DotBf16::detect())
            && count > FEW
            && self.rows > 0
        {
            return by_rows(input, output, shape, dot.pieces(), epilogue, |input, output| {
                self.multiply_bf16(dot, lines, input, output);
            });
        }
        match (&self.held, count) {
            // No inputs, no products.
            _ if self.rows == 0 => by_panels(output, [1, self.columns], epilogue, |_, _| ()),
            (Held::Int8(weight), _) => weight.multiply(input, epilogue, output),
            (_, ..=FEW) => by_panels(output, shape, epilogue, |panels, mut output| {
                self.multiply_depth(panels, 0..self.rows, input, &mut output);
            }),
            _ => by_rows(input, output, shape, PIECES, epilogue, |input, mut output| {
                // A piece of a panel stays in the first cache for all rows of a thread.
                let panels = 0..self.columns.div_ceil(WIDTH);
                for from in (0..self.rows).step_by(DEPTH) {
                    let depth = from..self.rows.min(from + DEPTH);
                    self.multiply_depth(panels.clone(), depth, input, &mut output);
                }
            }),
        }
    }

    /// Rows, rounded to bf16, times weights of bf16.
    #[cfg(target_arch = "x86_64")]
    fn multiply_bf16(&self, dot: DotBf16, lines: &[Line<i32>], input: &[f32], mut output: Output) {
        let count = input.len() / self.rows;
        let half = lines_of(self.rows, 2);
        for from in (0..self.rows).step_by(dot.depth()) {
            let depth = from..self.rows.min(from + dot.depth());
            let mut rows = dot.rows(count, depth.len());
            let mut pairs = vec![0; rows.width()];
            for (row, input) in input.chunks_exact(self.rows).enumerate() {
                dot.round(&input[depth.clone()], &mut pairs);
                rows.set(row, &pairs);
            }
            let those = from / 2..from / 2 + lines_of(depth.len(), 2);
            let mut sums = vec![[0.0; WIDTH]; rows.filled()];
            for (panel, lines) in lines.chunks_exact(2 * half).enumerate() {
                let (lower, upper) = lines.split_at(half);
                dot.multiply(&rows, [lower, upper].map(|half| &half[those.clone()]), &mut sums);
                let place = Place {
                    is_last: depth.end == self.rows,
                    ..Place::at(0, panel * WIDTH, WIDTH)
                };
                let sums = sums[..count].as_flattened();
                match depth.start {
                    0 => output.write(sums, WIDTH, place),
                    // SAFETY: written with the first depth.
                    #[allow(unsafe_code)]
                    _ => unsafe { output.add(sums, WIDTH, place) },
                }
            }
        }
    }

    /// What some depth of the inputs gives with some panels.
    ///
    /// # Shapes
    ///
    /// - input: `[rows, in]`
    /// - output: from the first panel's first column on
    fn multiply_depth(&self, panels: Range<usize>, depth: Range<usize>, input: &[f32], output: &mut Output) {
        match &self.held {
            Held::F32(lines) => Multiply::<F32> {
                d_in: self.rows,
                depth,
                input,
                half: self.rows,
                lines: &lines[panels.start * 2 * self.rows..panels.end * 2 * self.rows],
                output,
            }
            .dispatch(),
            Held::Bf16(lines) => {
                let half = lines_of(self.rows, 2);
                Multiply::<Bf16> {
                    d_in: self.rows,
                    depth,
                    input,
                    half,
                    lines: &lines[panels.start * 2 * half..panels.end * 2 * half],
                    output,
                }
                .dispatch();
            }
            Held::Int8(_) => unreachable!("has no panels"),
        }
    }
}

/// Panels of `size` lines each, zeros where `place` puts nothing.
fn pack<T: Word + Send>(
    [rows, columns]: [usize; 2],
    size: usize,
    read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
    place: impl Fn(&[f32], &mut [Line<T>]) + Sync,
) -> Option<Lines<T>> {
    let mut panels = Lines::new(columns.div_ceil(WIDTH) * size);
    let places = panels.par_chunks_exact_mut(size.max(1));
    read_panels([rows, columns], read, places, place)?;
    Some(panels)
}

/// Threads take panels: the columns of each are read, `[columns, in]`, and placed.
pub(crate) fn read_panels<P: Send>(
    [rows, columns]: [usize; 2],
    read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
    places: impl IndexedParallelIterator<Item = P>,
    place: impl Fn(&[f32], P) + Sync,
) -> Option<()> {
    places.enumerate().try_for_each_init(
        || vec![0.0; WIDTH * rows],
        |values, (panel, places)| {
            let those = panel * WIDTH..columns.min((panel + 1) * WIDTH);
            let values = &mut values[..those.len() * rows];
            read(those, values)?;
            place(values, places);
            Some(())
        },
    )
}

/// Few rows of products: threads take panels, and each weight is read once, by one of them. `multiply` is given some panels,
/// and where their products go, from the first panel's first column on.
pub(crate) fn by_panels(
    output: &mut [MaybeUninit<f32>],
    [d_in, d_out]: [usize; 2],
    epilogue: Epilogue,
    multiply: impl Fn(Range<usize>, Output) + Sync,
) {
    let count = output.len() / d_out;
    let panels = d_out.div_ceil(WIDTH);
    // A thread is worth its waking from some hundred kilobytes on.
    let least = (64 * 1024 / (d_in * WIDTH)).max(1);
    let each = panels.div_ceil(4 * rayon::current_num_threads()).max(least);
    // [pieces][rows][32 * each]: a thread writes what no other does.
    let width = WIDTH * each;
    let mut sums = vec![0.0; panels.div_ceil(each) * count * width];
    sums.par_chunks_mut(count * width)
        .enumerate()
        .for_each(|(piece, sums)| {
            let columns = width.min(d_out - piece * width);
            let output = Output::new(as_uninit(sums), width, columns, Epilogue::default());
            multiply(piece * each..panels.min((piece + 1) * each), output);
        });
    keep_others_awake();
    let mut output = Output::new(output, d_out, d_out, epilogue);
    for (piece, sums) in sums.chunks(count * width).enumerate() {
        output.write(sums, width, Place::at(0, piece * width, width));
    }
}

/// Many rows of products: threads take rows, cut into so many pieces each. `multiply` is given some of the inputs and of the
/// outputs.
pub(crate) fn by_rows(
    input: &[f32],
    output: &mut [MaybeUninit<f32>],
    [d_in, d_out]: [usize; 2],
    pieces: usize,
    epilogue: Epilogue,
    multiply: impl Fn(&[f32], Output) + Sync,
) {
    let count = output.len() / d_out;
    let each = count.div_ceil(pieces * rayon::current_num_threads()).max(FEW);
    output
        .par_chunks_mut(each * d_out)
        .zip(input.par_chunks(each * d_in))
        .enumerate()
        .for_each(|(piece, (output, input))| {
            let from = piece * each * d_out;
            let residual = epilogue.residual.map(|residual| &residual[from..]);
            let epilogue = Epilogue { residual, ..epilogue };
            multiply(input, Output::new(output, d_out, d_out, epilogue));
        });
}

/// The upper half of a number, rounded; what is no number stays none.
pub(crate) fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// How the lines of a panel's half are read.
trait Panels: Copy {
    type Value: Sync;
    /// Rows that a line holds.
    const ROWS: usize;

    /// A vector of a row's columns.
    fn load<I: Isa>(isa: I, line: &[Self::Value], row: usize) -> I::F32;
}

#[derive(Clone, Copy)]
struct F32;

impl Panels for F32 {
    type Value = f32;
    const ROWS: usize = 1;

    #[inline(always)]
    fn load<I: Isa>(isa: I, line: &[f32], _: usize) -> I::F32 {
        isa.f32().load(line)
    }
}

#[derive(Clone, Copy)]
struct Bf16;

impl Panels for Bf16 {
    type Value = i32;
    const ROWS: usize = 2;

    #[inline(always)]
    fn load<I: Isa>(isa: I, line: &[i32], row: usize) -> I::F32 {
        let ops = isa.i32();
        let pairs = ops.load(line);
        let upper = if row == 0 {
            ops.shift_left::<16>(pairs)
        } else {
            ops.and(pairs, ops.splat(-0x1_0000))
        };
        upper.reinterpret_cast()
    }
}

struct Multiply<'a, 'b, P: Panels> {
    d_in: usize,
    /// Which of a row's inputs meet the weights: whole lines, but for the last.
    depth: Range<usize>,
    /// `[rows, in]`
    input: &'a [f32],
    /// Lines of a panel's half.
    half: usize,
    /// Of some panels.
    lines: &'a [Line<P::Value>],
    /// From the first panel's first column on.
    output: &'a mut Output<'b>,
}

impl<P: Panels> SimdOp for Multiply<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        // As many sums as leave registers for what they are made of: 12 x 2 of 32, 6 x 2 of 16.
        match isa.f32().len() {
            16 => self.by::<I, 12, 2, 2>(isa),
            8 => self.by::<I, 6, 2, 4>(isa),
            4 => self.by::<I, 4, 4, 8>(isa),
            lanes => unreachable!("no instruction set has vectors of {lanes} values"),
        }
    }
}

impl<P: Panels> Multiply<'_, '_, P> {
    /// `R` rows at a time by `V` of a panel's `ALL` vectors; one row, and two, by all of them.
    #[inline(always)]
    fn by<I: Isa, const R: usize, const V: usize, const ALL: usize>(mut self, isa: I) {
        let count = self.input.len() / self.d_in;
        let inputs = self.interleaved(R);
        let depth = self.depth.start / P::ROWS..self.depth.end.div_ceil(P::ROWS);
        for (index, panel) in self.lines.chunks_exact(2 * self.half).enumerate() {
            let (lower, upper) = panel.split_at(self.half);
            let weights = [&lower[depth.clone()], &upper[depth.clone()]];
            for first in (0..ALL).step_by(V) {
                for row in (0..count).step_by(R) {
                    let inputs = &inputs[row * P::ROWS * depth.len()..];
                    let place = Place {
                        row,
                        column: index * WIDTH + first * isa.f32().len(),
                        columns: V * isa.f32().len(),
                        is_last: self.depth.end == self.d_in,
                    };
                    let all = Place {
                        columns: WIDTH,
                        ..place
                    };
                    let rows = R.min(count - row);
                    match strip_rows(R, rows) {
                        // All vectors at once: a weight is loaded once.
                        1 | 2 if first > 0 => {}
                        1 => self.strip::<I, 1, ALL>(isa, rows, all, inputs, weights),
                        2 => self.strip::<I, 2, ALL>(isa, rows, all, inputs, weights),
                        3 => self.strip::<I, 3, V>(isa, rows, place, inputs, weights),
                        4 => self.strip::<I, 4, V>(isa, rows, place, inputs, weights),
                        6 => self.strip::<I, 6, V>(isa, rows, place, inputs, weights),
                        _ => self.strip::<I, R, V>(isa, rows, place, inputs, weights),
                    }
                }
            }
        }
    }

    /// The inputs as strips read them: `[strips][depth][rows of a strip]`, zeros up to whole lines and where there are no
    /// rows.
    #[inline(always)]
    fn interleaved(&self, strip: usize) -> Vec<f32> {
        let count = self.input.len() / self.d_in;
        let size = self.depth.len().next_multiple_of(P::ROWS);
        let mut inputs = vec![0.0; count.next_multiple_of(strip) * size];
        for row in (0..count).step_by(strip) {
            let real = strip.min(count - row);
            let rows = strip_rows(strip, real);
            let strip = &mut inputs[row * size..][..rows * size];
            for index in 0..real {
                let input = &self.input[(row + index) * self.d_in..][self.depth.clone()];
                for (place, value) in strip[index..].iter_mut().step_by(rows).zip(input) {
                    *place = *value;
                }
            }
        }
        inputs
    }

    /// A strip of `R` rows, of which `rows` are real, times `V` of a panel's vectors.
    #[inline(always)]
    fn strip<I: Isa, const R: usize, const V: usize>(
        &mut self,
        isa: I,
        rows: usize,
        place: Place,
        inputs: &[f32],
        [lower, upper]: [&[Line<P::Value>]; 2],
    ) {
        let ops = isa.f32();
        let half = HALF / ops.len();
        let first = place.column % WIDTH / ops.len();
        let mut totals = [[ops.zero(); V]; R];
        for (inputs, (lower, upper)) in inputs.chunks_exact(R * P::ROWS).zip(lower.iter().zip(upper)) {
            if R <= AHEAD_ROWS {
                for line in [lower, upper] {
                    ops.prefetch(std::ptr::from_ref(line).wrapping_add(AHEAD).cast());
                }
            }
            for (of_line, inputs) in inputs.chunks_exact(R).enumerate() {
                // Not `array::from_fn`: its closure is compiled without the instruction set, and called.
                let mut weights = [ops.zero(); V];
                for (vector, weights) in weights.iter_mut().enumerate() {
                    let vector = first + vector;
                    *weights = match vector < half {
                        true => P::load(isa, &lower.0[vector * ops.len()..], of_line),
                        false => P::load(isa, &upper.0[(vector - half) * ops.len()..], of_line),
                    };
                }
                for row in 0..R {
                    let value = ops.splat(inputs[row]);
                    for vector in 0..V {
                        totals[row][vector] = ops.mul_add(value, weights[vector], totals[row][vector]);
                    }
                }
            }
        }
        let mut sums = [[0.0; WIDTH]; R];
        for (sums, totals) in sums.iter_mut().zip(totals) {
            for (sums, total) in sums.chunks_exact_mut(ops.len()).zip(totals) {
                ops.store(total, sums);
            }
        }
        let sums = sums[..rows].as_flattened();
        match self.depth.start {
            0 => self.output.write(sums, WIDTH, place),
            // SAFETY: written with the first depth, which comes before.
            #[allow(unsafe_code)]
            _ => unsafe { self.output.add(sums, WIDTH, place) },
        }
    }
}

/// How many rows a strip has, zeros among them, of which so many are real.
fn strip_rows(most: usize, real: usize) -> usize {
    match real {
        ..=4 => real,
        5..=6 => 6,
        _ => most,
    }
}

/// The value in bf16.
#[cfg(test)]
pub(crate) fn nearest(value: f32) -> f32 {
    f32::from_bits(u32::from(bf16(value)) << 16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{product, values};

    /// Whether many rows are rounded to bf16 before they meet weights of bf16.
    fn rounds_many() -> bool {
        #[cfg(target_arch = "x86_64")]
        return DotBf16::detect().is_some();
        #[cfg(not(target_arch = "x86_64"))]
        return false;
    }

    proptest! {
        #[test]
        fn products_are_the_exact_ones(
            rows in 1_usize..40,
            d_in in 1_usize..420,
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
                    _ => {
                        weight.iter().map(|value| nearest(*value)).collect()
                    }
                };
                let packed = PackedWeight::new(&weight, [d_in, d_out], precision);
                prop_assert_eq!(packed.precision(), precision);
                prop_assert_eq!(&packed.unpack(), &held);
                let mut got = vec![f32::NAN; rows * d_out];
                let epilogue = Epilogue { bias, ..Epilogue::default() };
                packed.multiply(&input, epilogue, &mut got);
                prop_assert_eq!(&packed.product(&input, rows, epilogue), &got);
                let rounded = precision == Precision::Bf16 && rows > FEW && rounds_many();
                let input: Vec<f32> = input.iter().map(|value| if rounded { nearest(*value) } else { *value }).collect();
                let want = product(&input, &held, [d_in, d_out]);
                for (index, (got, (want, size))) in got.iter().zip(&want).enumerate() {
                    let want = want + bias.map_or(0.0, |bias| f64::from(bias[index % d_out]));
                    let within = 1e-6 * (1.0 + size);
                    prop_assert!((f64::from(*got) - want).abs() < within, "{precision:?} {got} {want}");
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    proptest! {
        /// In every form that this processor has.
        #[test]
        fn dot_products_of_bf16_are_the_exact_ones(
            rows in 1_usize..80,
            d_in in prop_oneof![1_usize..70, 380_usize..400, 1500_usize..1700],
            d_out in 1_usize..110,
            seed in any::<u32>(),
        ) {
            let (input, weight) = (values(rows * d_in, seed), values(d_in * d_out, seed ^ 77));
            let packed = PackedWeight::new(&weight, [d_in, d_out], Precision::Bf16);
            let Held::Bf16(lines) = &packed.held else { unreachable!("as it was asked") };
            let rounded: Vec<f32> = input.iter().map(|value| nearest(*value)).collect();
            let want = product(&rounded, &packed.unpack(), [d_in, d_out]);
            for dot in DotBf16::all() {
                let mut got = vec![f32::NAN; rows * d_out];
                let output = Output::new(as_uninit(&mut got), d_out, d_out, Epilogue::default());
                packed.multiply_bf16(dot, lines, &input, output);
                for (got, (want, size)) in got.iter().zip(&want) {
                    let within = 1e-6 * (1.0 + size);
                    prop_assert!((f64::from(*got) - want).abs() < within, "{dot:?} {got} {want}");
                }
            }
        }
    }

    proptest! {
        /// Whatever is finished with the products is what it is when it is done afterwards.
        #[test]
        fn an_epilogue_is_what_it_says(
            rows in 1_usize..40,
            d_in in 1_usize..800,
            d_out in 1_usize..110,
            biased in any::<bool>(),
            gelu in any::<bool>(),
            added in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let (input, weight) = (values(rows * d_in, seed), values(d_in * d_out, seed ^ 77));
            let (bias, residual) = (values(d_out, seed ^ 99), values(rows * d_out, seed ^ 55));
            let epilogue = Epilogue {
                bias: biased.then_some(bias.as_slice()),
                gelu,
                residual: added.then_some(residual.as_slice()),
            };
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                let packed = PackedWeight::new(&weight, [d_in, d_out], precision);
                let [mut got, mut want] = [vec![f32::NAN; rows * d_out], vec![f32::NAN; rows * d_out]];
                packed.multiply(&input, epilogue, &mut got);
                let alone = Epilogue { gelu: false, residual: None, ..epilogue };
                packed.multiply(&input, alone, &mut want);
                if gelu {
                    crate::gelu(&mut want);
                }
                if added {
                    want.iter_mut().zip(&residual).for_each(|(want, residual)| *want += residual);
                }
                prop_assert_eq!(got, want, "{:?}", precision);
            }
        }

        #[test]
        fn what_cannot_be_read_is_not_packed(columns in 1_usize..200, missing in 0_usize..200) {
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                let read = |those: Range<usize>, values: &mut [f32]| {
                    values.fill(1.0);
                    (!those.contains(&missing)).then_some(())
                };
                let packed = PackedWeight::from_columns([3, columns], precision, read);
                prop_assert_eq!(packed.is_none(), missing < columns);
            }
        }
    }

    #[test]
    fn bf16_is_rounded_to_the_nearest_and_keeps_what_is_no_number() {
        let of = nearest;
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
            for rows in [2, FEW + 2] {
                let mut input = vec![1.0; 2 * rows];
                input[2] = f32::NAN;
                let mut output = vec![0.0; 40 * rows];
                packed.multiply(&input, Epilogue::default(), &mut output);
                for (row, output) in output.chunks(40).enumerate() {
                    if row == 1 {
                        assert!(output.iter().all(|value| value.is_nan()));
                        continue;
                    }
                    assert!(
                        output[..33]
                            .iter()
                            .chain(&output[34..])
                            .all(|value| *value == 1.0)
                    );
                    assert_eq!(output[33], f32::INFINITY);
                }
            }
        }
    }

    #[test]
    fn without_inputs_there_is_the_bias() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let packed = PackedWeight::new(&[], [0, 2], precision);
            let mut output = [f32::NAN; 6];
            let epilogue = Epilogue {
                bias: Some(&[1.0, 2.0]),
                residual: Some(&[0.0, 0.0, 1.0, 1.0, 2.0, 2.0]),
                ..Epilogue::default()
            };
            packed.multiply(&[], epilogue, &mut output);
            assert_eq!(output, [1.0, 2.0, 2.0, 3.0, 3.0, 4.0]);
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
