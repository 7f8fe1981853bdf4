//! Rows times weights of eight bits.
//!
//! ```text
//! weight [in, out]    f32 ─ quantize ─▶ i8 with a step for each column      once
//! input  [rows, in]   f32 ─ quantize ─▶ u8 with a step and a zero a row     at every product
//!                                       i8 x u8 ▶ i32 ▶ f32 [rows, out]
//! ```
//!
//! Few rows are bound by the reading of weights, not by products: there what rounding an input leaves is rounded too, into
//! a row of its own, and nothing is lost but what the weights lost.
//!
//! The products are rten-gemm's: VNNI or its like where there is one, else pairs of products in 16 bits, in which inputs of
//! seven bits leave nothing to overflow.

use std::fmt;

use rayon::prelude::*;
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

/// What multiplies: the best that the processor has.
fn executor() -> GemmExecutor<u8, i8, i32> {
    GemmExecutor::new()
}

/// The largest value of an input: pairs of products of seven bits and eight are within 16.
fn largest_input() -> f32 {
    if executor().may_saturate() { 127.0 } else { 255.0 }
}

/// Weights of eight bits, `[in, out]`: the value of each is `values` times the step of its column.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// -127 to 127, row-major.
    pub values: Vec<i8>,
    /// One for each column.
    pub steps: Vec<f32>,
}

/// The largest value.
const LARGEST: f32 = 127.0;

impl Quantized {
    /// The nearest of the 255 values to each weight, of which the largest of a column is 127 or -127.
    ///
    /// A column with a value that is no number, or infinite, is no number.
    ///
    /// # Shapes
    ///
    /// - weight: `[in, out]`, row-major
    ///
    /// # Panics
    ///
    /// If the weight is not of this size.
    pub fn new(weight: &[f32], [rows, columns]: [usize; 2]) -> Self {
        assert_eq!(
            weight.len(),
            rows * columns,
            "a weight of another size than {rows} x {columns}"
        );
        let mut steps = vec![0.0_f32; columns];
        for row in weight.chunks_exact(columns.max(1)) {
            for (step, value) in steps.iter_mut().zip(row) {
                // What is no number is greater than anything.
                if value.abs() > *step || value.is_nan() {
                    *step = value.abs();
                }
            }
        }
        for step in &mut steps {
            *step = if step.is_finite() {
                *step / LARGEST
            } else {
                f32::NAN
            };
        }
        let inverse: Vec<f32> = steps
            .iter()
            .map(|step| if *step > 0.0 { step.recip() } else { 0.0 })
            .collect();
        let mut values = vec![0; weight.len()];
        values
            .par_chunks_exact_mut(columns.max(1))
            .zip(weight.par_chunks_exact(columns.max(1)))
            .for_each(|(values, row)| {
                for ((value, weight), inverse) in values.iter_mut().zip(row).zip(&inverse) {
                    *value = (weight * inverse).round_ties_even().clamp(-LARGEST, LARGEST) as i8;
                }
            });
        Self { values, steps }
    }

    /// The weights themselves, `[in, out]`, row-major.
    pub fn weight(&self) -> Vec<f32> {
        let rows = self.values.chunks_exact(self.steps.len().max(1));
        rows.flat_map(|row| {
            row.iter()
                .zip(&self.steps)
                .map(|(value, step)| f32::from(*value) * step)
        })
        .collect()
    }
}

/// [`Quantized`] weights as they are multiplied.
#[derive(Clone)]
pub(crate) struct Int8 {
    /// None of a weight without values.
    packed: Option<PackedBMatrix<i8>>,
    rows: usize,
    steps: Vec<f32>,
    /// The sum of each column: an input's zero counts it as often as it is large.
    sums: Vec<i32>,
}

impl Int8 {
    /// - weight: `[in, out]`
    pub(crate) fn new(weight: &Quantized, [rows, columns]: [usize; 2]) -> Self {
        let values = NdTensorView::from_data([rows, columns], weight.values.as_slice());
        let mut sums = vec![0; columns];
        for row in weight.values.chunks_exact(columns.max(1)) {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += i32::from(*value));
        }
        Self {
            packed: (rows * columns > 0).then(|| executor().prepack_b(values)),
            rows,
            steps: weight.steps.clone(),
            sums,
        }
    }

    /// The bytes that the weights take.
    pub(crate) fn size(&self) -> usize {
        (self.rows + 8) * self.steps.len()
    }

    /// What was packed.
    pub(crate) fn quantized(&self) -> Quantized {
        let rows = self.rows;
        let mut values = Vec::with_capacity(rows * self.steps.len());
        // The packed form is read by multiplying rows of the unit matrix.
        for first in (0..rows).step_by(UNIT_ROWS) {
            let count = UNIT_ROWS.min(rows - first);
            let mut unit = vec![0; count * rows];
            (0..count).for_each(|row| unit[row * rows + first + row] = 1);
            let products = self.products(&unit);
            values.extend(products.into_iter().map(|value| value as i8));
        }
        Quantized {
            values,
            steps: self.steps.clone(),
        }
    }

    /// Adds rows times the weights.
    ///
    /// # Shapes
    ///
    /// - input: `[rows, in]`
    /// - output: `[rows, out]`
    pub(crate) fn add_product(&self, input: &[f32], output: &mut [f32]) {
        let (d_in, d_out) = (self.rows, self.steps.len());
        let count = output.len() / d_out;
        // Rows of values for each row of inputs.
        let terms = if count <= FINE_ROWS { 2 } else { 1 };
        let mut quantized = vec![0; terms * input.len()];
        let mut rows = vec![[Row::default(); 2]; count];
        let largest = largest_input();
        quantized
            .par_chunks_exact_mut(terms * d_in)
            .zip(input.par_chunks_exact(d_in))
            .zip(&mut rows)
            .with_min_len(4)
            .for_each(|((quantized, input), rows)| {
                let (values, rest) = quantized.split_at_mut(d_in);
                rows[0] = quantize_row(input, largest, values);
                if terms == 2 {
                    rows[1] = quantize_rest(input, rows[0], largest, values, rest);
                }
            });
        let products = self.products(&quantized);
        output
            .par_chunks_exact_mut(d_out)
            .zip(products.par_chunks_exact(terms * d_out))
            .zip(&rows)
            .with_min_len(4)
            .for_each(|((output, products), rows)| {
                for (products, row) in products.chunks_exact(d_out).zip(rows) {
                    let columns = self.steps.iter().zip(&self.sums);
                    for ((output, product), (step, sum)) in output.iter_mut().zip(products).zip(columns) {
                        *output += (product - i32::from(row.zero) * sum) as f32 * (row.step * step);
                    }
                }
            });
    }

    /// Rows of values times the weights'.
    fn products(&self, values: &[u8]) -> Vec<i32> {
        let (d_in, d_out) = (self.rows, self.steps.len());
        let count = values.len() / d_in;
        let mut products = vec![0; count * d_out];
        let Some(packed) = &self.packed else {
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
struct Row {
    step: f32,
    zero: u8,
}

/// Rounds a row to values of `0..=largest`, of which one is zero exactly. A row with what is not finite is no number.
fn quantize_row(input: &[f32], largest: f32, quantized: &mut [u8]) -> Row {
    let (mut low, mut high) = (0.0_f32, 0.0_f32);
    let mut finite = true;
    for &value in input {
        low = if value < low { value } else { low };
        high = if value > high { value } else { high };
        finite &= value.is_finite();
    }
    // Halves: the difference of the largest numbers is not finite.
    let step = (high / largest - low / largest).max(f32::MIN_POSITIVE);
    if !finite {
        return Row {
            step: f32::NAN,
            zero: 0,
        };
    }
    let zero = (-low / step).round_ties_even().clamp(0.0, largest);
    for (quantized, value) in quantized.iter_mut().zip(input) {
        // Half a step up, and cut off.
        *quantized = (value / step + zero + 0.5).clamp(0.0, largest) as u8;
    }
    Row {
        step,
        zero: zero as u8,
    }
}

/// Rounds what the values of a row leave of its inputs: less than a step of them, up or down.
fn quantize_rest(input: &[f32], row: Row, largest: f32, values: &[u8], rest: &mut [u8]) -> Row {
    let zero = (largest / 2.0).floor();
    let step = row.step / zero;
    for ((rest, input), value) in rest.iter_mut().zip(input).zip(values) {
        let left = input - row.step * (f32::from(*value) - f32::from(row.zero));
        *rest = (left / step + zero + 0.5).clamp(0.0, largest) as u8;
    }
    Row {
        step,
        zero: zero as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::values;
    use crate::{PackedWeight, Precision};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_are_those_of_what_is_held(
            rows in prop_oneof![1_usize..20, FINE_ROWS - 1..FINE_ROWS + 3],
            d_in in 1_usize..420,
            d_out in 1_usize..110,
            biased in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let (input, weight) = (values(rows * d_in, seed), values(d_in * d_out, seed ^ 77));
            let bias = values(d_out, seed ^ 99);
            let bias = biased.then_some(bias.as_slice());
            let packed = PackedWeight::new(&weight, [d_in, d_out], Precision::Int8);
            let held = packed.unpack();
            let mut got = vec![f32::NAN; rows * d_out];
            packed.multiply(&input, bias, &mut got);
            for (input, got) in input.chunks(d_in).zip(got.chunks(d_out)) {
                let held_as = |row: Row, values: &[u8]| -> Vec<f64> {
                    let value = |value: &u8| f64::from(row.step) * (f64::from(*value) - f64::from(row.zero));
                    values.iter().map(value).collect()
                };
                let [mut quantized, mut rest] = [vec![0; d_in], vec![0; d_in]];
                let row = quantize_row(input, largest_input(), &mut quantized);
                let mut held_input = held_as(row, &quantized);
                if rows <= FINE_ROWS {
                    let row = quantize_rest(input, row, largest_input(), &quantized, &mut rest);
                    for (held, rest) in held_input.iter_mut().zip(held_as(row, &rest)) {
                        *held += rest;
                    }
                    for (held, input) in held_input.iter().zip(input) {
                        // Half a step of the rest, and what f32 rounds.
                        let most = 0.51 * f64::from(row.step) + 1e-6 * f64::from(input.abs());
                        prop_assert!((held - f64::from(*input)).abs() <= most, "{held} {input} {row:?}");
                    }
                }
                let input = held_input;
                for (column, got) in got.iter().enumerate() {
                    let terms = input.iter().enumerate();
                    let terms = terms.map(|(index, input)| input * f64::from(held[index * d_out + column]));
                    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                    let want: f64 = sum + bias.map_or(0.0, |bias| f64::from(bias[column]));
                    prop_assert!((f64::from(*got) - want).abs() < 1e-6 * (1.0 + size), "{got} {want}");
                }
            }
        }

        #[test]
        fn what_is_held_is_within_half_a_step(rows in 1_usize..40, columns in 1_usize..40, seed in any::<u32>()) {
            let weight = values(rows * columns, seed);
            let held = Quantized::new(&weight, [rows, columns]);
            let largest: Vec<f32> = (0..columns)
                .map(|column| weight.iter().skip(column).step_by(columns).fold(0.0_f32, |most, value| most.max(value.abs())))
                .collect();
            for (index, (value, weight)) in held.weight().iter().zip(&weight).enumerate() {
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
            None,
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
        packed.multiply(&[0.0, 0.0], Some(&[1.0, 2.0]), &mut output);
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
        let quantized = Quantized::new(&values(64 * 96, 5), [64, 96]);
        let packed = PackedWeight::quantized(&quantized, [64, 96]);
        assert_eq!(packed.size(), 64 * 96 + 8 * 96);
        assert_eq!(packed.unpack(), quantized.weight());
        assert_eq!(packed.precision(), Precision::Int8);
    }
}
