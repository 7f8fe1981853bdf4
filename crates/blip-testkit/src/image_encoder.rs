//! An image encoder that passes a number through.

use blip_traits::{HiddenStates, ImageEncoder, ModelError, PixelValues};
use burn::tensor::{Device, Tensor, TensorData};

/// One picture of `image_size` (height, width) whose every pixel is the context id.
pub fn picture(context: u32, [height, width]: [usize; 2]) -> PixelValues {
    let data = vec![context as f32; PixelValues::CHANNELS * height * width];
    PixelValues::new(data, [1, height, width]).expect("the vector has this shape's length")
}

/// An [`ImageEncoder`] that gives each picture one vector, filled with the picture's first pixel.
///
/// So the picture's number is the context id that a [`ScriptedDecoder`](crate::ScriptedDecoder) sees.
pub struct ScriptedImageEncoder {
    hidden_size: usize,
    image_size: [usize; 2],
    device: Device,
}

impl ScriptedImageEncoder {
    /// An encoder of pictures of `image_size` (height, width) into vectors of `hidden_size`.
    pub fn new(hidden_size: usize, image_size: [usize; 2], device: &Device) -> Self {
        Self {
            hidden_size,
            image_size,
            device: device.clone(),
        }
    }
}

impl ImageEncoder for ScriptedImageEncoder {
    fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, ModelError> {
        let [batch, channels, height, width] = pixel_values.shape();
        if [height, width] != self.image_size {
            let expected = format!("[batch, 3, {}, {}]", self.image_size[0], self.image_size[1]);
            return Err(ModelError::shape("pixel_values", expected, &pixel_values.shape()));
        }
        let values: Vec<f32> = pixel_values
            .as_slice()
            .chunks(channels * height * width)
            .flat_map(|picture| std::iter::repeat_n(picture[0], self.hidden_size))
            .collect();
        let data = TensorData::new(values, [batch, 1, self.hidden_size]);
        Ok(HiddenStates::new(Tensor::from_data(data, &self.device)))
    }

    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn image_size(&self) -> [usize; 2] {
        self.image_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pixel_becomes_the_vector() {
        let encoder = ScriptedImageEncoder::new(2, [1, 3], &Device::default());
        let batch = PixelValues::concat(&[picture(4, [1, 3]), picture(9, [1, 3])]).unwrap();
        let hidden = encoder.encode(&batch).unwrap();
        assert_eq!(hidden.shape(), [2, 1, 2]);
        let values: Vec<f32> = hidden.states().clone().into_data().try_to_vec().unwrap();
        assert_eq!(values, [4.0, 4.0, 9.0, 9.0]);
        assert!(encoder.encode(&picture(1, [3, 1])).is_err());
    }
}
