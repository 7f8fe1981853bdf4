//! What an image encoder takes.

use crate::ModelError;

/// Normalised pixels of a batch of pictures, on the host: `[batch, 3, height, width]`, RGB, f32.
///
/// Named as in Hugging Face. The values are those after `(x / 255 - mean) / std`; `blip-processor` makes them.
#[derive(Clone, Debug, PartialEq)]
pub struct PixelValues {
    data: Vec<f32>,
    batch: usize,
    height: usize,
    width: usize,
}

impl PixelValues {
    /// The colour channels: red, green, blue.
    pub const CHANNELS: usize = 3;

    /// Pixel values from a flat vector.
    ///
    /// # Shapes
    ///
    /// - data: `[batch, 3, height, width]`, row-major
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the vector has another length or an axis is 0.
    pub fn new(data: Vec<f32>, [batch, height, width]: [usize; 3]) -> Result<Self, ModelError> {
        let pixels = batch.checked_mul(height).and_then(|rows| rows.checked_mul(width));
        let expected = pixels.and_then(|pixels| pixels.checked_mul(Self::CHANNELS));
        if data.is_empty() || Some(data.len()) != expected {
            let expected = format!("[{batch}, 3, {height}, {width}] and as many values, at least one");
            return Err(ModelError::shape("pixel_values", expected, &[data.len()]));
        }
        Ok(Self {
            data,
            batch,
            height,
            width,
        })
    }

    /// One batch out of several, in order.
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if `parts` is empty or their heights or widths differ.
    pub fn concat(parts: &[Self]) -> Result<Self, ModelError> {
        let Some(first) = parts.first() else {
            return Err(ModelError::shape("pixel_values", "at least one picture", &[0]));
        };
        let (height, width) = (first.height, first.width);
        if let Some(other) = parts
            .iter()
            .find(|part| (part.height, part.width) != (height, width))
        {
            return Err(ModelError::shape(
                "pixel_values",
                format!("[batch, 3, {height}, {width}] as the first picture"),
                &other.shape(),
            ));
        }
        Ok(Self {
            data: parts.iter().flat_map(|part| part.data.iter().copied()).collect(),
            batch: parts.iter().map(|part| part.batch).sum(),
            height,
            width,
        })
    }

    /// `[batch, 3, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        [self.batch, Self::CHANNELS, self.height, self.width]
    }

    /// All values, row-major.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concat_keeps_the_order_and_refuses_unequal_sizes() {
        let one = PixelValues::new(vec![1.0; 3], [1, 1, 1]).unwrap();
        let two = PixelValues::new(vec![2.0; 6], [2, 1, 1]).unwrap();
        let all = PixelValues::concat(&[one.clone(), two]).unwrap();
        assert_eq!(all.shape(), [3, 3, 1, 1]);
        assert_eq!(all.as_slice(), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]);

        let wide = PixelValues::new(vec![1.0; 6], [1, 1, 2]).unwrap();
        let error = PixelValues::concat(&[one, wide]).unwrap_err().to_string();
        assert!(error.contains("[1, 3, 1, 2]"), "{error}");
    }
}
