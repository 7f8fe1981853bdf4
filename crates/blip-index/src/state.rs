//! Hidden states that an index keeps for each entry, for whatever reads them again later.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// How the states of an entry are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateShape {
    /// Rows: tokens of a text, patches of a picture and one.
    pub tokens: usize,
    /// Columns.
    pub hidden_size: usize,
    /// The type of an element.
    pub dtype: StateType,
}

/// The type in which states are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateType {
    /// As they are given.
    F32,
    /// Rounded to the nearest 16-bit float, in half the space: up to 65,504, with 11 significant bits.
    F16,
}

impl StateType {
    /// Bytes of an element.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::F16 => size_of::<f16>(),
        }
    }
}

impl StateShape {
    /// Values of an entry; `None` if that is too much for the machine to count.
    pub(crate) fn checked_values(self) -> Option<usize> {
        self.tokens.checked_mul(self.hidden_size)
    }

    /// Values of an entry.
    pub(crate) fn values(self) -> usize {
        self.tokens * self.hidden_size
    }

    /// Bytes of an entry's states.
    pub(crate) fn bytes(self) -> usize {
        self.values() * self.dtype.bytes()
    }

    /// Appends values as they are stored, and says whether all of them are finite there.
    pub(crate) fn encode(self, values: &[f32], bytes: &mut Vec<u8>) -> bool {
        match self.dtype {
            StateType::F32 => {
                encode_f32(values, bytes);
                values.iter().all(|value| value.is_finite())
            }
            StateType::F16 => {
                let mut halves = vec![f16::ZERO; values.len()];
                halves.convert_from_f32_slice(values);
                bytes.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
                halves.iter().all(|half| half.is_finite())
            }
        }
    }

    pub(crate) fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self.dtype {
            StateType::F32 => decode_f32(bytes),
            StateType::F16 => {
                let halves: Vec<f16> = bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&half| f16::from_le_bytes(half))
                    .collect();
                let mut values = vec![0.0; halves.len()];
                halves.convert_to_f32_slice(&mut values);
                values
            }
        }
    }
}

pub(crate) fn encode_f32(values: &[f32], bytes: &mut Vec<u8>) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

pub(crate) fn decode_f32(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&value| f32::from_le_bytes(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(dtype: StateType) -> StateShape {
        StateShape {
            tokens: 1,
            hidden_size: 3,
            dtype,
        }
    }

    #[test]
    fn f32_comes_back_and_f16_is_rounded() {
        let values = [1.0, -0.1, 65_504.0];
        for (dtype, expected) in [
            (StateType::F32, values),
            (StateType::F16, [1.0, -0.099_975_586, 65_504.0]),
        ] {
            let mut bytes = Vec::new();
            assert!(shape(dtype).encode(&values, &mut bytes));
            assert_eq!(bytes.len(), shape(dtype).bytes());
            assert_eq!(shape(dtype).decode(&bytes), expected);
        }
    }

    #[test]
    fn what_overflows_f16_is_not_finite() {
        let mut bytes = Vec::new();
        assert!(!shape(StateType::F16).encode(&[0.0, 0.0, 70_000.0], &mut bytes));
        assert!(shape(StateType::F32).encode(&[0.0, 0.0, 70_000.0], &mut bytes));
        assert!(!shape(StateType::F32).encode(&[0.0, 0.0, f32::NAN], &mut bytes));
    }
}
