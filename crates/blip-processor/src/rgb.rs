//! A decoded picture.

use crate::ProcessorError;

/// Red, green and blue of every pixel, 0..=255: what every picture becomes before it is resized.
///
/// # Shapes
///
/// - data: `[height, width, 3]`, row-major, u8
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl RgbImage {
    /// A picture from its bytes.
    ///
    /// # Shapes
    ///
    /// - data: `[height, width, 3]`, row-major
    ///
    /// # Errors
    ///
    /// [`ProcessorError::NoPixels`] if a side is 0; [`ProcessorError::BufferLength`] if `data` has another length.
    pub fn new(width: usize, height: usize, data: Vec<u8>) -> Result<Self, ProcessorError> {
        if width == 0 || height == 0 {
            return Err(ProcessorError::NoPixels { width, height });
        }
        let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        if expected != Some(data.len()) {
            return Err(ProcessorError::BufferLength {
                width,
                height,
                got: data.len(),
            });
        }
        Ok(Self { width, height, data })
    }

    /// A picture from bytes of the right length.
    pub(crate) fn from_parts(width: usize, height: usize, data: Vec<u8>) -> Self {
        debug_assert_eq!(data.len(), width * height * 3);
        Self { width, height, data }
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes, `[height, width, 3]`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, `[height, width, 3]`.
    pub fn into_bytes(self) -> Vec<u8> {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_must_fit_its_sizes() {
        assert!(RgbImage::new(2, 1, vec![0; 6]).is_ok());
        for (width, height, length) in [(2, 1, 5), (0, 1, 0), (usize::MAX, 2, 6)] {
            let error = RgbImage::new(width, height, vec![0; length])
                .unwrap_err()
                .to_string();
            assert!(error.contains(&width.to_string()), "{error}");
        }
    }
}
