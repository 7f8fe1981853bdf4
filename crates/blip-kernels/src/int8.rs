//! Rows times weights of eight bits.
//!
//! ```text
//! weight [in, out]    f32 ─ quantize ─▶ i8 with a step for each column      once, a panel at a time
//! input  [rows, in]   f32 ─ quantize ─▶ u8 with a step and a zero a row     at every product
//!                                       i8 x u8 ▶ i32 ▶ f32 [rows, out]
//! ```
//!
//! Few rows are bound by the reading of weights, not by products: there what rounding an input leaves is rounded too, into
//! a row of its own, and nothing is lost but what the weights lost.
//!
//! On x86-64 the products are of our own panels: by tiles (AMX) or VNNI where they are, else by pairs of products in 16 bits,
//! in which inputs of seven bits leave nothing to overflow. Elsewhere they are rten-gemm's.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use crate::epilogue::{Epilogue, Output, Place};
#[cfg(target_arch = "x86_64")]
use crate::packed::{FEW, HALF, by_panels, by_rows};
use crate::packed::{WIDTH, read_panels};
#[cfg(target_arch = "x86_64")]
use crate::rows::{Lines, Rows, lines_of};
#[cfg(target_arch = "x86_64")]
use crate::x86::Bytes;

/// What multiplies: the best that the processor has.
fn executor() -> GemmExecutor<u8, i8, i32> {
    GemmExecutor::new()
}

/// The largest value of a weight.
const LARGEST: f32 = 127.0;

/// Rounds a column to the nearest of 255 values, of which its largest becomes 127 or -127; gives the step from one value to
/// the next. A column with a value that is no number, or infinite, is no number.
#[inline(always)]
pub(crate) fn quantize_column(column: &[f32], values: &mut [i8]) -> f32 {
    let step = range(column).map_or(f32::NAN, |[low, high]| high.max(-low) / LARGEST);
    let inverse = if step > 0.0 { step.recip() } else { 0.0 };
    for (value, weight) in values.iter_mut().zip(column) {
        // Of numbers of this size the lowest bits count whole ones: rounded to the nearest, ties to even.
        const WHOLE: f32 = 12_582_912.0;
        let within = (weight * inverse).clamp(-LARGEST, LARGEST);
        *value = (within + WHOLE).to_bits() as i8;
    }
    step
}

/// Weights of eight bits as they are multiplied: the value of each times the step of its column.
#[derive(Clone)]
pub(crate) struct Int8 {
    form: Form,
    rows: usize,
    steps: Vec<f32>,
    /// The sum of each column: an input's zero counts it as often as it is large.
    sums: Vec<i32>,
}

#[derive(Clone)]
enum Form {
    /// `[panels][2][in / 4][16][4]`, up to a whole tile: lower columns, then upper ones; zeros where the weight has nothing.
    #[cfg(target_arch = "x86_64")]
    Panels(Bytes, Lines<[i8; 4]>),
    /// As rten-gemm packs it; none of a weight without values.
    Other(Option<PackedBMatrix<i8>>),
}

impl Int8 {
    /// As [`PackedWeight::from_columns`](crate::PackedWeight::from_columns).
    pub(crate) fn from_columns(
        shape: [usize; 2],
        read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
    ) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if let Some(bytes) = Bytes::detect().next() {
            return Self::in_panels(bytes, shape, read);
        }
        Self::by_others(shape, read)
    }

    #[cfg(target_arch = "x86_64")]
    fn in_panels(
        bytes: Bytes,
        [rows, columns]: [usize; 2],
        read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
    ) -> Option<Self> {
        let half = lines_of(rows, 4);
        let mut panels = Lines::new(columns.div_ceil(WIDTH) * 2 * half);
        let places = panels.par_chunks_exact_mut((2 * half).max(1));
        let (steps, sums) = Self::quantize([rows, columns], read, places, |column, panel, at| {
            // What is beyond the rows stays zero.
            let mut values = vec![0; 4 * half];
            let step = bytes.quantize_column(column, &mut values);
            let (quads, _) = values.as_chunks::<4>();
            let lines = panel[at / HALF * half..].iter_mut();
            lines
                .zip(quads)
                .for_each(|(line, quad)| line.0[at % HALF] = *quad);
            (step, sum(&values))
        })?;
        let form = Form::Panels(bytes, panels);
        Some(Self {
            form,
            rows,
            steps,
            sums,
        })
    }

    fn by_others(
        [rows, columns]: [usize; 2],
        read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
    ) -> Option<Self> {
        let mut values = vec![0; columns * rows];
        let places = values.par_chunks_mut((WIDTH * rows).max(1));
        let (steps, sums) = Self::quantize([rows, columns], read, places, |column, values, at| {
            let values = &mut values[at * rows..(at + 1) * rows];
            let step = quantize_column(column, values);
            (step, sum(values))
        })?;
        let view = NdTensorView::from_data([columns, rows], values.as_slice());
        let packed = (!values.is_empty()).then(|| executor().prepack_b(view.transposed()));
        let form = Form::Other(packed);
        Some(Self {
            form,
            rows,
            steps,
            sums,
        })
    }

    /// The steps and the sums of all columns; `place` rounds one, the `at`th of a panel, into the panel's place.
    fn quantize<P: Send>(
        [rows, columns]: [usize; 2],
        read: impl Fn(Range<usize>, &mut [f32]) -> Option<()> + Sync,
        places: impl IndexedParallelIterator<Item = P>,
        place: impl Fn(&[f32], &mut P, usize) -> (f32, i32) + Sync,
    ) -> Option<(Vec<f32>, Vec<i32>)> {
        let (mut steps, mut sums) = (vec![0.0; columns], vec![0; columns]);
        let places = places
            .zip(steps.par_chunks_mut(WIDTH))
            .zip(sums.par_chunks_mut(WIDTH));
        read_panels(
            [rows, columns],
            read,
            places,
            |values, ((mut panel, steps), sums)| {
                let columns = values.chunks_exact(rows).zip(steps.iter_mut().zip(sums));
                for (at, (column, (step, sum))) in columns.enumerate() {
                    (*step, *sum) = place(column, &mut panel, at);
                }
            },
        )?;
        Some((steps, sums))
    }

    /// The bytes that the weights take.
    pub(crate) fn size(&self) -> usize {
        (self.rows + 8) * self.steps.len()
    }

    /// The weights themselves, `[in, out]`, row-major.
    pub(crate) fn unpack(&self) -> Vec<f32> {
        let (rows, columns) = (self.rows, self.steps.len());
        let mut weight = Vec::with_capacity(rows * columns);
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels(_, panels) => {
                let half = lines_of(rows, 4);
                for row in 0..rows {
                    weight.extend(self.steps.iter().enumerate().map(|(column, step)| {
                        let line = &panels[column / HALF * half + row / 4];
                        f32::from(line.0[column % HALF][row % 4]) * step
                    }));
                }
            }
            Form::Other(packed) => {
                // The packed form is read by multiplying rows of the unit matrix.
                for first in (0..rows).step_by(UNIT_ROWS) {
                    let count = UNIT_ROWS.min(rows - first);
                    let mut unit = vec![0; count * rows];
                    (0..count).for_each(|row| unit[row * rows + first + row] = 1);
                    let products = self.products(packed.as_ref(), &unit);
                    for products in products.chunks_exact(columns.max(1)) {
                        weight.extend(
                            products
                                .iter()
                                .zip(&self.steps)
                                .map(|(value, step)| *value as f32 * step),
                        );
                    }
                }
            }
        }
        weight
    }

    fn largest_input(&self) -> f32 {
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels(bytes, _) => bytes.largest_input(),
            // Pairs of products of seven bits and eight are within 16.
            Form::Other(_) if executor().may_saturate() => 127.0,
            Form::Other(_) => 255.0,
        }
    }

    /// As [`PackedWeight::multiply`](crate::PackedWeight::multiply), of some inputs and outputs.
    pub(crate) fn multiply(&self, input: &[f32], epilogue: Epilogue, output: &mut [MaybeUninit<f32>]) {
        let (d_in, d_out) = (self.rows, self.steps.len());
        let count = output.len() / d_out;
        // Rows of values for each row of inputs.
        let terms = if count <= FINE_ROWS { 2 } else { 1 };
        match &self.form {
            #[cfg(target_arch = "x86_64")]
            Form::Panels(bytes, panels) => {
                let panel = 2 * lines_of(d_in, 4);
                let multiply = |bytes: Bytes, inputs: &Inputs, those: Range<usize>, mut output: Output| {
                    let panels = panels[those.start * panel..].chunks_exact(panel);
                    let mut products = vec![[0; WIDTH]; inputs.values.filled()];
                    for (index, (at, panel)) in those.zip(panels).enumerate() {
                        let (lower, upper) = panel.split_at(panel.len() / 2);
                        bytes.multiply(&inputs.values, [lower, upper], &mut products);
                        self.scale(bytes, inputs, &products, at, index * WIDTH, &mut output);
                    }
                };
                if count <= FEW {
                    let bytes = bytes.of_few();
                    let inputs = Inputs::new(bytes, input, d_in, terms);
                    by_panels(output, [d_in, d_out], epilogue, |those, output| {
                        multiply(bytes, &inputs, those, output);
                    });
                } else {
                    by_rows(
                        input,
                        output,
                        [d_in, d_out],
                        bytes.pieces(),
                        epilogue,
                        |input, output| {
                            let inputs = Inputs::new(*bytes, input, d_in, terms);
                            multiply(*bytes, &inputs, 0..d_out.div_ceil(WIDTH), output);
                        },
                    );
                }
            }
            Form::Other(packed) => {
                let largest = self.largest_input();
                let mut quantized = vec![0; terms * input.len()];
                let mut rows = vec![[Row::default(); 2]; count];
                quantized
                    .par_chunks_exact_mut(terms * d_in)
                    .zip(input.par_chunks_exact(d_in))
                    .zip(&mut rows)
                    .with_min_len(4)
                    .for_each(|((quantized, input), rows)| {
                        *rows = quantize_terms(input, largest, terms, quantized)
                    });
                let products = self.products(packed.as_ref(), &quantized);
                output
                    .par_chunks_exact_mut(d_out)
                    .zip(products.par_chunks_exact(terms * d_out))
                    .zip(&rows)
                    .with_min_len(4)
                    .enumerate()
                    .for_each(|(row, ((output, products), rows))| {
                        let mut sums = vec![0.0; d_out];
                        for (products, row) in products.chunks_exact(d_out).zip(rows) {
                            add_row(&mut sums, products, *row, &self.steps, &self.sums);
                        }
                        let residual = epilogue.residual.map(|residual| &residual[row * d_out..]);
                        Output::new(output, d_out, d_out, Epilogue { residual, ..epilogue }).write(
                            &sums,
                            d_out,
                            Place::at(0, 0, d_out),
                        );
                    });
            }
        }
    }

    /// Writes a panel's products, `[rows][32]`.
    ///
    /// - column: where the panel's first is in the output
    #[cfg(target_arch = "x86_64")]
    fn scale(
        &self,
        bytes: Bytes,
        inputs: &Inputs,
        products: &[[i32; WIDTH]],
        panel: usize,
        column: usize,
        output: &mut Output,
    ) {
        // So many rows at a time stay in the first cache.
        const ROWS: usize = 16;
        let those = panel * WIDTH..self.steps.len().min((panel + 1) * WIDTH);
        let mut columns = Columns::default();
        columns.steps[..those.len()].copy_from_slice(&self.steps[those.clone()]);
        columns.sums[..those.len()].copy_from_slice(&self.sums[those]);
        let mut scaled = [[0.0; WIDTH]; ROWS];
        let some = inputs.terms * ROWS;
        for (index, (products, rows)) in products.chunks(some).zip(inputs.rows.chunks(some)).enumerate() {
            let scaled = &mut scaled[..rows.len() / inputs.terms];
            bytes.scale(products, rows, inputs.terms, &columns, scaled);
            let place = Place::at(index * ROWS, column, WIDTH);
            output.write(scaled.as_flattened(), WIDTH, place);
        }
    }

    /// Rows of values times the weights'.
    fn products(&self, packed: Option<&PackedBMatrix<i8>>, values: &[u8]) -> Vec<i32> {
        let (d_in, d_out) = (self.rows, self.steps.len());
        let count = values.len() / d_in;
        let mut products = vec![0; count * d_out];
        let Some(packed) = packed else {
            return products;
        };
        // Zero points are taken off afterwards: those of rten-gemm 0.27 go wrong from twelve rows on.
        let values = NdTensorView::from_data([count, d_in], values);
        executor()
            .gemm(
                &mut products,
                GemmInputA::Unpacked(values),
                GemmInputB::Packed(packed),
                GemmOptions::default(),
            )
            .expect("packed by the same executor, and sizes that fit");
        products
    }
}

/// Rows of inputs as [`Bytes`] multiplies them.
#[cfg(target_arch = "x86_64")]
struct Inputs {
    values: Rows,
    /// Of every row of values: `terms` of them follow each other for a row of inputs.
    rows: Vec<Row>,
    terms: usize,
}

#[cfg(target_arch = "x86_64")]
impl Inputs {
    /// - input: `[rows, in]`
    fn new(bytes: Bytes, input: &[f32], d_in: usize, terms: usize) -> Self {
        let quads = d_in.div_ceil(4);
        let count = input.len() / d_in * terms;
        let mut values = Rows::new(count, quads, bytes.layout(count));
        let mut rows = Vec::with_capacity(count);
        // What is beyond a row's inputs stays zero, and meets zeros.
        let mut quantized = vec![0; terms * 4 * quads];
        let mut groups = vec![0; quads];
        for input in input.chunks_exact(d_in) {
            let of_row = bytes.quantize(input, terms, &mut quantized);
            for (quantized, row) in quantized.chunks_exact(4 * quads).zip(of_row) {
                let (quantized, _) = quantized.as_chunks::<4>();
                let quads = quantized.iter().map(|quad| u32::from_le_bytes(*quad));
                groups
                    .iter_mut()
                    .zip(quads)
                    .for_each(|(group, quad)| *group = quad);
                values.set(rows.len(), &groups);
                rows.push(row);
            }
        }
        Self { values, rows, terms }
    }
}

fn sum(values: &[i8]) -> i32 {
    values.iter().map(|value| i32::from(*value)).sum()
}

/// Of a panel's columns.
#[cfg(target_arch = "x86_64")]
#[derive(Default)]
pub(crate) struct Columns {
    steps: [f32; WIDTH],
    sums: [i32; WIDTH],
}

/// A panel's products as values, `terms` rows of products to each row.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn scale(
    products: &[[i32; WIDTH]],
    rows: &[Row],
    terms: usize,
    columns: &Columns,
    tile: &mut [[f32; WIDTH]],
) {
    let rows = products.chunks_exact(terms).zip(rows.chunks_exact(terms));
    for (output, (products, rows)) in tile.iter_mut().zip(rows) {
        *output = [0.0; WIDTH];
        for (products, row) in products.iter().zip(rows) {
            add_row(output, products, *row, &columns.steps, &columns.sums);
        }
    }
}

/// Adds a row of products, of which a column's sum is taken as often as the row's zero says.
#[inline(always)]
fn add_row(output: &mut [f32], products: &[i32], row: Row, steps: &[f32], sums: &[i32]) {
    let columns = steps.iter().zip(sums);
    for ((output, product), (step, sum)) in output.iter_mut().zip(products).zip(columns) {
        *output += (product - i32::from(row.zero) * sum) as f32 * (row.step * step);
    }
}

/// Rounds a row, and with two terms what that leaves of it.
#[inline(always)]
pub(crate) fn quantize_terms(input: &[f32], largest: f32, terms: usize, quantized: &mut [u8]) -> [Row; 2] {
    let (values, rest) = quantized.split_at_mut(quantized.len() / terms);
    let row = quantize_row(input, largest, values);
    match rest {
        [] => [row; 2],
        rest => [row, quantize_rest(input, row, largest, values, rest)],
    }
}

/// Up to so many rows the rest of an input is multiplied too.
const FINE_ROWS: usize = 128;

/// Rows of the unit matrix at a time.
const UNIT_ROWS: usize = 64;

impl fmt::Debug for Int8 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Int8({} x {})", self.rows, self.steps.len())
    }
}

/// How a row of inputs is held: the value of `u` is `step * (u - zero)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) step: f32,
    pub(crate) zero: u8,
}

/// Rounds a row to values of `0..=largest`, of which one is zero exactly. A row with what is not finite is no number.
#[inline(always)]
fn quantize_row(input: &[f32], largest: f32, quantized: &mut [u8]) -> Row {
    let Some([low, high]) = range(input) else {
        return Row {
            step: f32::NAN,
            zero: 0,
        };
    };
    // Each by itself: the difference of the largest numbers is not finite.
    let step = (high / largest - low / largest).max(f32::MIN_POSITIVE);
    let inverse = step.recip();
    let zero = (-low * inverse).round_ties_even().clamp(0.0, largest);
    for (quantized, value) in quantized.iter_mut().zip(input) {
        *quantized = nearest(value * inverse + zero, largest);
    }
    Row {
        step,
        zero: zero as u8,
    }
}

/// Rounds what the values of a row leave of its inputs: less than a step of them, up or down.
#[inline(always)]
fn quantize_rest(input: &[f32], row: Row, largest: f32, values: &[u8], rest: &mut [u8]) -> Row {
    let zero = (largest / 2.0).floor();
    let step = row.step / zero;
    let inverse = step.recip().min(f32::MAX);
    for ((rest, input), value) in rest.iter_mut().zip(input).zip(values) {
        let left = input - row.step * (f32::from(*value) - f32::from(row.zero));
        *rest = nearest(left * inverse + zero, largest);
    }
    Row {
        step,
        zero: zero as u8,
    }
}

/// The nearest of the values `0..=largest`, ties to even.
#[inline(always)]
fn nearest(value: f32, largest: f32) -> u8 {
    // From 2^23 on the numbers are whole, and count in their lowest bits.
    const WHOLE: f32 = 8_388_608.0;
    (value.max(0.0).min(largest) + WHOLE).to_bits() as u8
}

/// The least and the greatest of a row and zero, if everything is finite.
#[inline(always)]
fn range(input: &[f32]) -> Option<[f32; 2]> {
    // By lanes, for an order that vectors can keep.
    let [mut low, mut high, mut odd] = [[0.0_f32; 16]; 3];
    let (whole, rest) = input.as_chunks::<16>();
    let mut widen = |lane: usize, value: f32| {
        low[lane] = if value < low[lane] { value } else { low[lane] };
        high[lane] = if value > high[lane] { value } else { high[lane] };
        // Zero for what is finite.
        odd[lane] += value * 0.0;
    };
    for values in whole {
        for (lane, value) in values.iter().enumerate() {
            widen(lane, *value);
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        widen(lane, *value);
    }
    let low = low.into_iter().fold(0.0, f32::min);
    let high = high.into_iter().fold(0.0, f32::max);
    odd.iter().all(|odd| *odd == 0.0).then_some([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epilogue::as_uninit;
    use crate::sample::{product, values};
    use crate::{PackedWeight, Precision};
    use proptest::prelude::*;

    impl Int8 {
        /// In every form that this processor multiplies.
        fn all(weight: &[f32], shape: [usize; 2]) -> Vec<Self> {
            let read = |those: Range<usize>, values: &mut [f32]| {
                for (column, values) in those.zip(values.chunks_exact_mut(shape[0])) {
                    let weight = weight[column..].iter().step_by(shape[1]);
                    values
                        .iter_mut()
                        .zip(weight)
                        .for_each(|(value, weight)| *value = *weight);
                }
                Some(())
            };
            let mut all = vec![Self::by_others(shape, read)];
            #[cfg(target_arch = "x86_64")]
            all.extend(Bytes::detect().map(|bytes| Self::in_panels(bytes, shape, read)));
            all.into_iter()
                .map(|packed| packed.expect("what is in memory can be read"))
                .collect()
        }
    }

    proptest! {
        #[test]
        fn products_are_those_of_what_is_held(
            rows in prop_oneof![1_usize..20, FINE_ROWS - 1..FINE_ROWS + 3],
            d_in in 1_usize..420,
            d_out in 1_usize..110,
            seed in any::<u32>(),
        ) {
            let (input, weight) = (values(rows * d_in, seed), values(d_in * d_out, seed ^ 77));
            let bias = values(d_out, seed ^ 99);
            let held = PackedWeight::new(&weight, [d_in, d_out], Precision::Int8).unpack();
            for packed in Int8::all(&weight, [d_in, d_out]) {
                prop_assert_eq!(&packed.unpack(), &held);
                let largest = packed.largest_input();
                let mut got = vec![0.0; rows * d_out];
                packed.multiply(&input, Epilogue::default(), as_uninit(&mut got));
                for (input, got) in input.chunks(d_in).zip(got.chunks(d_out)) {
                    let held_as = |row: Row, values: &[u8]| -> Vec<f64> {
                        let value = |value: &u8| f64::from(row.step) * (f64::from(*value) - f64::from(row.zero));
                        values.iter().map(value).collect()
                    };
                    let [mut quantized, mut rest] = [vec![0; d_in], vec![0; d_in]];
                    let row = quantize_row(input, largest, &mut quantized);
                    let mut held_input = held_as(row, &quantized);
                    if rows <= FINE_ROWS {
                        let row = quantize_rest(input, row, largest, &quantized, &mut rest);
                        for (held, rest) in held_input.iter_mut().zip(held_as(row, &rest)) {
                            *held += rest;
                        }
                        for (held, input) in held_input.iter().zip(input) {
                            // Half a step of the rest, and what f32 rounds.
                            let most = 0.51 * f64::from(row.step) + 1e-6 * f64::from(input.abs());
                            prop_assert!((held - f64::from(*input)).abs() <= most, "{held} {input} {row:?}");
                        }
                    }
                    let want = product(&held_input, &held, [d_in, d_out]);
                    for (got, (want, size)) in got.iter().zip(want) {
                        let within = 1e-6 * (1.0 + size);
                        prop_assert!((f64::from(*got) - want).abs() < within, "{packed:?} {got} {want}");
                    }
                }
            }
            // A bias is what the product is added to.
            let packed = PackedWeight::new(&weight, [d_in, d_out], Precision::Int8);
            let [mut alone, mut with_bias] = [vec![f32::NAN; rows * d_out], vec![f32::NAN; rows * d_out]];
            packed.multiply(&input, Epilogue::default(), &mut alone);
            let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
            packed.multiply(&input, epilogue, &mut with_bias);
            for (index, (alone, with_bias)) in alone.iter().zip(with_bias).enumerate() {
                let want = alone + bias[index % d_out];
                prop_assert!((with_bias - want).abs() < 1e-5 * (1.0 + want.abs()), "{with_bias} {want}");
            }
        }

        #[test]
        fn what_is_held_is_within_half_a_step(rows in 1_usize..40, columns in 1_usize..40, seed in any::<u32>()) {
            let weight = values(rows * columns, seed);
            let held = PackedWeight::new(&weight, [rows, columns], Precision::Int8).unpack();
            let largest: Vec<f32> = (0..columns)
                .map(|column| weight.iter().skip(column).step_by(columns).fold(0.0_f32, |most, value| most.max(value.abs())))
                .collect();
            for (index, (value, weight)) in held.iter().zip(&weight).enumerate() {
                let step = largest[index % columns] / 127.0;
                prop_assert!((value - weight).abs() <= 0.501 * step, "{value} {weight} {step}");
            }
            for largest in [127.0, 255.0] {
                for input in weight.chunks(columns) {
                    let mut quantized = vec![0; columns];
                    let row = quantize_row(input, largest, &mut quantized);
                    for (quantized, input) in quantized.iter().zip(input) {
                        let held = row.step * (f32::from(*quantized) - f32::from(row.zero));
                        // The zero is rounded too.
                        prop_assert!((held - input).abs() <= 1.01 * row.step, "{held} {input} {row:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_reaches_its_own_row_and_column() {
        let mut weight = vec![0.5; 2 * 40];
        weight[40 + 33] = f32::NAN;
        weight[7] = f32::INFINITY;
        let packed = PackedWeight::new(&weight, [2, 40], Precision::Int8);
        let mut output = vec![0.0; 3 * 40];
        packed.multiply(
            &[1.0, 1.0, f32::NAN, 1.0, f32::NEG_INFINITY, 1.0],
            Epilogue::default(),
            &mut output,
        );
        for (column, value) in output[..40].iter().enumerate() {
            match column {
                7 | 33 => assert!(value.is_nan()),
                _ => assert!((value - 1.0).abs() < 1e-2, "{column}: {value}"),
            }
        }
        assert!(output[40..].iter().all(|value| value.is_nan()));
    }

    #[test]
    fn zeros_tiny_numbers_and_the_largest_are_held() {
        let packed = PackedWeight::new(&[0.0, 1e38, 0.0, -1e38], [2, 2], Precision::Int8);
        let held = packed.unpack();
        assert_eq!([held[0], held[2]], [0.0, 0.0]);
        assert!(
            (held[1] / 1e38 - 1.0).abs() < 1e-6 && (held[3] / 1e38 + 1.0).abs() < 1e-6,
            "{held:?}"
        );
        let mut output = [f32::NAN; 2];
        let epilogue = Epilogue {
            bias: Some(&[1.0, 2.0]),
            ..Epilogue::default()
        };
        packed.multiply(&[0.0, 0.0], epilogue, &mut output);
        assert_eq!(output, [1.0, 2.0]);
        let mut quantized = [0; 2];
        assert!(
            quantize_row(&[f32::MAX, f32::MIN], 255.0, &mut quantized)
                .step
                .is_finite()
        );
        let tiny = PackedWeight::new(&[f32::MIN_POSITIVE, 1e-40], [2, 1], Precision::Int8);
        assert!(tiny.unpack().iter().all(|value| value.is_finite()));
    }

    #[test]
    fn eight_bits_take_a_quarter_of_the_memory_and_come_back_as_they_were() {
        let packed = PackedWeight::new(&values(64 * 96, 5), [64, 96], Precision::Int8);
        assert_eq!(packed.size(), 64 * 96 + 8 * 96);
        let held = packed.unpack();
        // Nor do they move when they are rounded again.
        let again = PackedWeight::new(&held, [64, 96], Precision::Int8).unpack();
        for (again, held) in again.iter().zip(held) {
            assert!((again - held).abs() <= 2e-7 * held.abs(), "{again} {held}");
        }
        assert_eq!(packed.precision(), Precision::Int8);
    }
}
