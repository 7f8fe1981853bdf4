//! What becomes of products on their way to memory.
//!
//! ```text
//! x W ─ + bias ─ GELU ─ + residual ─▶ [rows, out]
//! ```
//!
//! A tile of products is finished while it is in the first cache, and written once.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::Gelu;

/// What is done with products before they are written: `gelu(x W + bias) + residual`, or less of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// What is added to each row, `[out]`.
    pub bias: Option<&'a [f32]>,
    /// Whether GELU follows.
    pub gelu: bool,
    /// What is added at the end, `[rows, out]`.
    pub residual: Option<&'a [f32]>,
}

/// Some rows of an output, from some column on, and what is done on the way there.
pub(crate) struct Output<'a> {
    /// `[rows, stride]`
    values: &'a mut [f32],
    stride: usize,
    /// Columns that are written.
    width: usize,
    /// Its residual stands as the values do.
    epilogue: Epilogue<'a>,
}

/// Which tile of an [`Output`].
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) row: usize,
    pub(crate) column: usize,
    /// At most so many columns: those of the output alone are written.
    pub(crate) columns: usize,
    /// Whether these are the first products of the tile's outputs; else they are added to those that were written.
    pub(crate) is_first: bool,
    /// Whether no more will come.
    pub(crate) is_last: bool,
}

impl Place {
    /// Where products come once, from a row and a column on.
    pub(crate) fn at(row: usize, column: usize, columns: usize) -> Self {
        Self {
            row,
            column,
            columns,
            is_first: true,
            is_last: true,
        }
    }
}

impl<'a> Output<'a> {
    /// Rows of a stride, as wide as that or less.
    pub(crate) fn new(values: &'a mut [f32], stride: usize, width: usize, epilogue: Epilogue<'a>) -> Self {
        Self {
            values,
            stride,
            width,
            epilogue,
        }
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn rows(&self) -> usize {
        self.values.len().div_ceil(self.stride)
    }

    /// Takes products, `[rows, sums_stride]`, of which each row has as many as the place has columns, or more.
    pub(crate) fn write(&mut self, sums: &[f32], sums_stride: usize, place: Place) {
        let Place { row, column, .. } = place;
        let columns = self.width.min(column + place.columns).saturating_sub(column);
        if columns == 0 {
            return;
        }
        let from = row * self.stride + column;
        let last = place.is_last;
        Finish {
            sums,
            sums_stride,
            columns,
            before: match self.epilogue.bias {
                _ if !place.is_first => Before::Written,
                Some(bias) => Before::Bias(&bias[column..]),
                None => Before::Nothing,
            },
            gelu: last && self.epilogue.gelu,
            residual: self.epilogue.residual.filter(|_| last).map(|all| &all[from..]),
            output: &mut self.values[from..],
            stride: self.stride,
        }
        .dispatch();
    }
}

/// What products are added to.
#[derive(Clone, Copy)]
enum Before<'a> {
    Nothing,
    /// What the output holds.
    Written,
    /// `[columns]`
    Bias(&'a [f32]),
}

/// Writes rows of products, as many as there are sums.
struct Finish<'a> {
    /// `[rows, sums_stride]`
    sums: &'a [f32],
    sums_stride: usize,
    /// How many of each row.
    columns: usize,
    before: Before<'a>,
    gelu: bool,
    /// `[rows, stride]`
    residual: Option<&'a [f32]>,
    /// `[rows, stride]`
    output: &'a mut [f32],
    stride: usize,
}

impl SimdOp for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let columns = self.columns;
        let whole = columns - columns % ops.len();
        let rows = self
            .output
            .chunks_mut(self.stride)
            .zip(self.sums.chunks(self.sums_stride));
        for (row, (output, sums)) in rows.enumerate() {
            let (output, sums) = (&mut output[..columns], &sums[..columns]);
            let residual = match self.residual {
                Some(all) => Some(&all[row * self.stride..][..columns]),
                None => None,
            };
            for at in (0..whole).step_by(ops.len()) {
                let mut x = ops.load(&sums[at..]);
                match self.before {
                    Before::Nothing => {}
                    Before::Written => x = ops.add(x, ops.load(&output[at..])),
                    Before::Bias(bias) => x = ops.add(x, ops.load(&bias[at..])),
                }
                if self.gelu {
                    x = Gelu {}.eval(isa, x);
                }
                if let Some(residual) = residual {
                    x = ops.add(x, ops.load(&residual[at..]));
                }
                ops.store(x, &mut output[at..]);
            }
            if whole == columns {
                continue;
            }
            let (mut x, _) = ops.load_pad(&sums[whole..]);
            match self.before {
                Before::Nothing => {}
                Before::Written => x = ops.add(x, ops.load_pad(&output[whole..]).0),
                Before::Bias(bias) => x = ops.add(x, ops.load_pad(&bias[whole..columns]).0),
            }
            if self.gelu {
                x = Gelu {}.eval(isa, x);
            }
            if let Some(residual) = residual {
                x = ops.add(x, ops.load_pad(&residual[whole..]).0);
            }
            let x = x.to_array();
            output[whole..]
                .iter_mut()
                .zip(x.as_ref())
                .for_each(|(place, value)| *place = *value);
        }
    }
}
