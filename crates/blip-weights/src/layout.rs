//! The order of axes: a checkpoint has the output first, a module that multiplies `x W` has it last.
//!
//! ```text
//! checkpoint  query.weight [out, in]   key.weight [out, in]   value.weight [out, in]
//!                  │ transpose              │                      │
//! module      qkv.weight [in, 3 * out]:  columns 0..out      out..2*out          2*out..3*out
//! ```
//!
//! A patch projection is the same with `rest = 3 * P * P` for `in`. Widening to `f32` happens on the way, so
//! that the stored bytes are read once and the final buffer is written once.

use crate::checkpoint::{Stored, StoredRows};
use crate::dtype::{StoredBF16, StoredF16, StoredF32, StoredF64, StoredFloat, StoredI8};
use crate::{DType, WeightsError};

/// Rows that are transposed together: 16 `f32` are one cache line, so that each line of the result is written
/// whole, from 16 streams that are read in order.
const BLOCK: usize = 16;

/// Where one of the tensors that make up a parameter goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    /// Output axis of this tensor.
    pub(crate) out: usize,
    /// Product of its other axes.
    pub(crate) rest: usize,
    /// How many tensors of this size make up the parameter.
    pub(crate) parts: usize,
    /// Which of them this is.
    pub(crate) part: usize,
    /// Whether the parameter has the output axis last.
    pub(crate) out_last: bool,
}

impl Placement {
    fn elements(self) -> usize {
        self.out * self.rest
    }
}

/// Bytes that are read at once: they and where they go stay in the second cache.
const PIECE: usize = 256 * 1024;

/// Puts a stored tensor into `parameter`, the buffer of all parts.
///
/// # Errors
///
/// [`WeightsError::NotFloat`], and what reading gives.
pub(crate) fn place_all(
    parameter: &mut [f32],
    placement: Placement,
    stored: &Stored<'_>,
) -> Result<(), WeightsError> {
    let mut buffer = Vec::new();
    let rows = (PIECE / stored.row_bytes().max(1))
        .next_multiple_of(BLOCK)
        .max(BLOCK);
    for first in (0..placement.out).step_by(rows) {
        let outputs = first..placement.out.min(first + rows);
        if !place(parameter, placement, first, &stored.rows(outputs, &mut buffer)?) {
            return Err(WeightsError::NotFloat {
                name: stored.info.name.clone(),
                dtype: stored.info.dtype,
            });
        }
    }
    Ok(())
}

/// Puts outputs of a stored tensor, from the first given on, into `parameter`, the buffer of all parts. Their bytes hold
/// exactly their elements. Returns whether the type is a float; nothing is written where it is not.
#[must_use]
pub(crate) fn place(
    parameter: &mut [f32],
    placement: Placement,
    first: usize,
    stored: &StoredRows<'_>,
) -> bool {
    let bytes = stored.bytes;
    match stored.dtype {
        DType::F64 => place_as::<StoredF64>(parameter, placement, first, bytes),
        DType::F32 => place_as::<StoredF32>(parameter, placement, first, bytes),
        DType::F16 => place_as::<StoredF16>(parameter, placement, first, bytes),
        DType::BF16 => place_as::<StoredBF16>(parameter, placement, first, bytes),
        DType::ScaledI8 => {
            place_as::<StoredI8>(parameter, placement, first, bytes);
            scale(parameter, placement, first, stored.scales);
        }
        _ => return false,
    }
    true
}

/// Multiplies what was placed by the scale of its output.
fn scale(parameter: &mut [f32], placement: Placement, first: usize, scales: &[f32]) {
    if placement.elements() == 0 {
        return;
    }
    let first = placement.part * placement.out + first;
    if placement.out_last {
        for line in parameter.chunks_exact_mut(placement.parts * placement.out) {
            let values = line[first..].iter_mut().zip(scales);
            values.for_each(|(value, scale)| *value *= scale);
        }
    } else {
        let rows = parameter[first * placement.rest..].chunks_exact_mut(placement.rest);
        for (row, scale) in rows.zip(scales) {
            row.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

fn place_as<T: StoredFloat>(parameter: &mut [f32], placement: Placement, first: usize, bytes: &[u8]) {
    let Placement {
        out,
        rest,
        parts,
        part,
        out_last,
    } = placement;
    if !out_last {
        let values = parameter[(part * out + first) * rest..].iter_mut();
        for (value, stored) in values.zip(bytes.chunks_exact(T::SIZE)) {
            *value = T::read(stored);
        }
        return;
    }
    if rest == 0 || out == 0 {
        return;
    }
    let width = parts * out;
    for (block, rows) in bytes.chunks(BLOCK * rest * T::SIZE).enumerate() {
        let column = part * out + first + block * BLOCK;
        let mut streams = [&[] as &[u8]; BLOCK];
        let mut count = 0;
        for (stream, row) in streams.iter_mut().zip(rows.chunks_exact(rest * T::SIZE)) {
            *stream = row;
            count += 1;
        }
        let lines = parameter.chunks_exact_mut(width).enumerate();
        if count == BLOCK {
            // The usual case with a constant count, which the compiler unrolls.
            for (index, line) in lines {
                for (value, stream) in line[column..column + BLOCK].iter_mut().zip(&streams) {
                    *value = T::read(&stream[index * T::SIZE..]);
                }
            }
        } else {
            for (index, line) in lines {
                for (value, stream) in line[column..column + count].iter_mut().zip(&streams) {
                    *value = T::read(&stream[index * T::SIZE..]);
                }
            }
        }
    }
}

/// The inverse of [`place`]: one tensor out of a parameter, in the checkpoint's order.
pub(crate) fn take(parameter: &[f32], placement: Placement) -> Vec<f32> {
    let Placement {
        out,
        rest,
        parts,
        part,
        out_last,
    } = placement;
    let elements = placement.elements();
    if !out_last {
        return parameter[part * elements..][..elements].to_vec();
    }
    let mut values = vec![0.0; elements];
    if elements == 0 {
        return values;
    }
    for (block, rows) in values.chunks_mut(BLOCK * rest).enumerate() {
        let column = part * out + block * BLOCK;
        let count = rows.len() / rest;
        for (index, line) in parameter.chunks_exact(parts * out).enumerate() {
            for (row, value) in line[column..column + count].iter().enumerate() {
                rows[row * rest + index] = *value;
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(dtype: DType, bytes: &[u8]) -> StoredRows<'_> {
        StoredRows {
            dtype,
            bytes,
            scales: &[0.5, 2.0, 3.0],
        }
    }

    /// The slow, obvious transpose of the parts side by side.
    fn expected(tensors: &[Vec<f32>], out: usize, rest: usize) -> Vec<f32> {
        let mut parameter = Vec::new();
        for r in 0..rest {
            for tensor in tensors {
                parameter.extend((0..out).map(|o| tensor[o * rest + r]));
            }
        }
        parameter
    }

    #[test]
    fn placing_is_the_obvious_transpose_and_taking_its_inverse() {
        // Around the block of 16, and empty.
        for (out, rest, parts) in [
            (1, 1, 1),
            (16, 3, 1),
            (17, 5, 3),
            (40, 33, 2),
            (5, 0, 2),
            (0, 4, 1),
        ] {
            let tensors: Vec<Vec<f32>> = (0..parts)
                .map(|p| (0..out * rest).map(|i| (p * 10_000 + i) as f32).collect())
                .collect();
            for dtype in [DType::F32, DType::F64] {
                let mut parameter = vec![-1.0; parts * out * rest];
                for (part, tensor) in tensors.iter().enumerate() {
                    let placement = Placement {
                        out,
                        rest,
                        parts,
                        part,
                        out_last: true,
                    };
                    let bytes = dtype.encode(tensor).expect("a float");
                    // In two pieces, the later one first.
                    let cut = (out / 2).next_multiple_of(3).min(out);
                    for rows in [cut..out, 0..cut] {
                        let size = rest * dtype.size().expect("a known type");
                        let bytes = &bytes[rows.start * size..rows.end * size];
                        assert!(place(
                            &mut parameter,
                            placement,
                            rows.start,
                            &stored(dtype, bytes)
                        ));
                    }
                }
                assert_eq!(
                    parameter,
                    expected(&tensors, out, rest),
                    "{out} x {rest} x {parts}"
                );
                for (part, tensor) in tensors.iter().enumerate() {
                    let placement = Placement {
                        out,
                        rest,
                        parts,
                        part,
                        out_last: true,
                    };
                    assert_eq!(&take(&parameter, placement), tensor);
                }
            }
        }
    }

    #[test]
    fn without_a_transpose_parts_follow_each_other() {
        let mut parameter = vec![0.0; 4];
        for part in 0..2 {
            let placement = Placement {
                out: 2,
                rest: 1,
                parts: 2,
                part,
                out_last: false,
            };
            let bytes = DType::F16.encode(&[part as f32, 0.5]).expect("a float");
            assert!(place(&mut parameter, placement, 0, &stored(DType::F16, &bytes)));
            assert_eq!(take(&parameter, placement), [part as f32, 0.5]);
        }
        assert_eq!(parameter, [0.0, 0.5, 1.0, 0.5]);
    }

    #[test]
    fn integers_with_scales_are_multiplied_by_those_of_their_output() {
        let bytes = [1_i8, -2, 3, 4, -5, 127].map(|value| value as u8);
        let want = [0.5, -1.0, 6.0, 8.0, -15.0, 381.0];
        for (out_last, want) in [
            (false, want),
            (true, [want[0], want[2], want[4], want[1], want[3], want[5]]),
        ] {
            let mut parameter = vec![f32::NAN; 12];
            for part in 0..2 {
                let placement = Placement {
                    out: 3,
                    rest: 2,
                    parts: 2,
                    part,
                    out_last,
                };
                for first in [2, 0, 1] {
                    let rows = StoredRows {
                        dtype: DType::ScaledI8,
                        bytes: &bytes[2 * first..2 * first + 2],
                        scales: &[0.5, 2.0, 3.0][first..=first],
                    };
                    assert!(place(&mut parameter, placement, first, &rows));
                }
                assert_eq!(take(&parameter, placement), [0.5, -1.0, 6.0, 8.0, -15.0, 381.0]);
            }
            let first: Vec<f32> = match out_last {
                false => parameter[..6].to_vec(),
                true => [&parameter[..3], &parameter[6..9]].concat(),
            };
            assert_eq!(first, want);
        }
    }

    #[test]
    fn integers_are_refused() {
        let placement = Placement {
            out: 1,
            rest: 1,
            parts: 1,
            part: 0,
            out_last: false,
        };
        assert!(!place(&mut [0.0], placement, 0, &stored(DType::I64, &[0; 8])));
    }
}
