//! What becomes of products on their way to memory.
//!
//! ```text
//! x W ─ + bias ─ GELU ─ + residual ─▶ [rows, out]
//! ```
//!
//! A tile of products is finished while it is in the first cache, and written once, into memory that nobody has cleared.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

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
    values: &'a mut [MaybeUninit<f32>],
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
    /// Whether no more products will come for the tile's outputs.
    pub(crate) is_last: bool,
}

impl Place {
    /// Where products come once, from a row and a column on.
    pub(crate) fn at(row: usize, column: usize, columns: usize) -> Self {
        Self {
            row,
            column,
            columns,
            is_last: true,
        }
    }
}

/// The same values, which may be overwritten by numbers alone.
pub(crate) fn as_uninit(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: of the same size and alignment, and nothing in this crate writes what is no value.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [MaybeUninit<f32>]) }
}

impl<'a> Output<'a> {
    /// Rows of a stride, as wide as that or less.
    pub(crate) fn new(
        values: &'a mut [MaybeUninit<f32>],
        stride: usize,
        width: usize,
        epilogue: Epilogue<'a>,
    ) -> Self {
        Self {
            values,
            stride,
            width,
            epilogue,
        }
    }

    /// Takes the first products of a place, `[rows, sums_stride]`, of which each row has as many as the place has columns,
    /// or more.
    pub(crate) fn write(&mut self, sums: &[f32], sums_stride: usize, place: Place) {
        let before = match self.epilogue.bias {
            Some(bias) => Before::Bias(bias),
            None => Before::Nothing,
        };
        self.take(sums, sums_stride, place, before);
    }

    /// Takes more products of a place: they are added to those that came before.
    ///
    /// # Safety
    ///
    /// The place has been written.
    pub(crate) unsafe fn add(&mut self, sums: &[f32], sums_stride: usize, place: Place) {
        self.take(sums, sums_stride, place, Before::Written);
    }

    fn take(&mut self, sums: &[f32], sums_stride: usize, place: Place, before: Before) {
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
            before: match before {
                Before::Bias(bias) => Before::Bias(&bias[column..]),
                before => before,
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
    /// What the output holds: it has been written.
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
    output: &'a mut [MaybeUninit<f32>],
    stride: usize,
}

/// Outputs to which products are added.
///
/// # Safety
///
/// They have been written.
#[inline(always)]
unsafe fn written(output: &[MaybeUninit<f32>]) -> &[f32] {
    // SAFETY: the caller's word.
    unsafe { &*(std::ptr::from_ref(output) as *const [f32]) }
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
                    Before::Written => {
                        // SAFETY: as `Written` says.
                        let before = unsafe { written(&output[at..at + ops.len()]) };
                        x = ops.add(x, ops.load(before));
                    }
                    Before::Bias(bias) => x = ops.add(x, ops.load(&bias[at..])),
                }
                if self.gelu {
                    x = Gelu {}.eval(isa, x);
                }
                if let Some(residual) = residual {
                    x = ops.add(x, ops.load(&residual[at..]));
                }
                ops.store_uninit(x, &mut output[at..]);
            }
            if whole == columns {
                continue;
            }
            let (mut x, _) = ops.load_pad(&sums[whole..]);
            match self.before {
                Before::Nothing => {}
                Before::Written => {
                    // SAFETY: as `Written` says.
                    let before = unsafe { written(&output[whole..]) };
                    x = ops.add(x, ops.load_pad(before).0);
                }
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
                .for_each(|(place, value)| {
                    place.write(*value);
                });
        }
    }
}
