//! What a checkpoint says of a tensor without its data.

use crate::DType;

/// Name, element type and shape of a tensor, as the checkpoint has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The full name, at dots: `visual_encoder.blocks.0.attn.qkv.weight`.
    pub name: String,
    /// The stored element type.
    pub dtype: DType,
    /// The shape, in the checkpoint's order of axes. Empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// A tensor of this name, element type and shape.
    pub fn new(name: impl Into<String>, dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }

    /// The number of elements; `None` where it overflows, which only a broken file can claim.
    pub fn elements(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis))
    }

    /// The number of bytes; `None` where it overflows or the type's size is not known.
    pub fn bytes(&self) -> Option<usize> {
        self.elements()?.checked_mul(self.dtype.size()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_one_element_and_an_impossible_shape_none() {
        assert_eq!(TensorInfo::new("temp", DType::F32, []).bytes(), Some(4));
        assert_eq!(TensorInfo::new("x", DType::F16, [2, 0]).bytes(), Some(0));
        assert_eq!(TensorInfo::new("x", DType::U8, [usize::MAX, 2]).elements(), None);
    }
}
