//! Element types, and widening to `f32`.

use half::{bf16, f16};

/// The type in which a checkpoint stores a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// 64-bit float.
    F64,
    /// 32-bit float: what everything is computed in.
    F32,
    /// 16-bit float of IEEE 754.
    F16,
    /// The upper half of an `f32`.
    BF16,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 8-bit signed integer, to be multiplied by the scale of its output (the first axis). The scales are a tensor of `F32`
    /// of the same name with [`SCALE_SUFFIX`](crate::SCALE_SUFFIX) behind it, which a [`Checkpoint`](crate::Checkpoint)
    /// does not list. It is written as what it is stored as, `I8` and `F32`.
    ScaledI8,
    /// 64-bit unsigned integer.
    U64,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit unsigned integer.
    U16,
    /// 8-bit unsigned integer.
    U8,
    /// One byte, 0 or 1.
    Bool,
    /// A type that is listed and copied, but never read as numbers: `F8_E4M3`, `C64`, ….
    Other(&'static str),
}

impl DType {
    /// The name as the safetensors header writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::ScaledI8 => "I8 with scales",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
            Self::Other(name) => name,
        }
    }

    /// Bytes per element; `None` for types that this crate does not interpret.
    pub fn size(self) -> Option<usize> {
        match self {
            Self::F64 | Self::I64 | Self::U64 => Some(8),
            Self::F32 | Self::I32 | Self::U32 => Some(4),
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => Some(2),
            Self::I8 | Self::ScaledI8 | Self::U8 | Self::Bool => Some(1),
            Self::Other(_) => None,
        }
    }

    /// Whether [`Checkpoint::read_f32`](crate::Checkpoint::read_f32) takes the type: the four floats, and integers with
    /// scales.
    pub fn is_float(self) -> bool {
        matches!(
            self,
            Self::F64 | Self::F32 | Self::F16 | Self::BF16 | Self::ScaledI8
        )
    }

    /// Little-endian bytes of `values` in this type, rounded to nearest; `None` where it is no float.
    pub fn encode(self, values: &[f32]) -> Option<Vec<u8>> {
        fn bytes<const N: usize>(values: &[f32], encode: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
            values.iter().flat_map(|&value| encode(value)).collect()
        }
        match self {
            Self::F64 => Some(bytes(values, |value| f64::from(value).to_le_bytes())),
            Self::F32 => Some(bytes(values, f32::to_le_bytes)),
            Self::F16 => Some(bytes(values, |value| f16::from_f32(value).to_le_bytes())),
            Self::BF16 => Some(bytes(values, |value| bf16::from_f32(value).to_le_bytes())),
            _ => None,
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A float as files store it. One implementation per type keeps the inner loops free of branches.
pub(crate) trait StoredFloat: Copy {
    /// The value that starts `bytes`.
    fn read(bytes: &[u8]) -> f32;

    /// Bytes per value.
    const SIZE: usize;
}

macro_rules! stored_float {
    ($marker:ident, $float:ty, $size:literal, $widen:expr) => {
        #[derive(Clone, Copy)]
        pub(crate) struct $marker;

        impl StoredFloat for $marker {
            #[inline(always)]
            fn read(bytes: &[u8]) -> f32 {
                let mut value = [0; $size];
                value.copy_from_slice(&bytes[..$size]);
                $widen(<$float>::from_le_bytes(value))
            }

            const SIZE: usize = $size;
        }
    };
}

stored_float!(StoredF64, f64, 8, |value| value as f32);
stored_float!(StoredF32, f32, 4, |value| value);
stored_float!(StoredF16, f16, 2, f16::to_f32);
stored_float!(StoredBF16, bf16, 2, bf16::to_f32);
stored_float!(StoredI8, i8, 1, f32::from);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_reads_what_encode_wrote() {
        let values = [0.0, -1.5, 0.333_251_95, 65504.0];
        for (dtype, read) in [
            (DType::F64, StoredF64::read as fn(&[u8]) -> f32),
            (DType::F32, StoredF32::read),
            (DType::F16, StoredF16::read),
        ] {
            let bytes = dtype.encode(&values).expect("a float");
            let size = dtype.size().expect("a known type");
            let back: Vec<f32> = bytes.chunks_exact(size).map(read).collect();
            assert_eq!(back, values, "{dtype}");
        }
        let bytes = DType::BF16.encode(&[1.0, -0.5]).expect("a float");
        assert_eq!(StoredBF16::read(&bytes[2..]), -0.5);
    }

    #[test]
    fn integers_are_not_encoded_from_floats() {
        assert_eq!(DType::I64.encode(&[1.0]), None);
        assert!(!DType::I64.is_float());
    }
}
