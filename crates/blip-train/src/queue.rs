//! The features that the contrastive loss remembers of earlier batches.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, s};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::TrainError;

/// The momentum encoders' features of earlier batches, overwritten in a ring.
///
/// Source: salesforce/BLIP@056a169 `models/blip_pretrain.py` `_dequeue_and_enqueue`; the queues are transposed here.
#[derive(Module, Debug)]
pub struct FeatureQueue {
    /// `[queue_size, features]`, each row of length 1.
    pub(crate) image: Param<Tensor<2>>,
    /// `[queue_size, features]`, each row of length 1.
    pub(crate) text: Param<Tensor<2>>,
}

impl FeatureQueue {
    /// A queue of normalised random directions, as the original starts.
    pub fn new(queue_size: usize, features: usize, seed: u64, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut random = || {
            // Four uniform numbers added up are nearly normal: every direction is about as likely.
            let mut normal = || (0..4).map(|_| rng.random::<f32>() - 0.5).sum::<f32>();
            let values: Vec<f32> = (0..queue_size * features).map(|_| normal()).collect();
            let data = TensorData::new(values, [queue_size, features]);
            constant(normalized(Tensor::from_data(data, device)))
        };
        Self {
            image: random(),
            text: random(),
        }
    }

    /// A queue with these features, `[queue_size, features]` each.
    pub fn from_features(image: Tensor<2>, text: Tensor<2>) -> Self {
        Self {
            image: constant(image),
            text: constant(text),
        }
    }

    /// The number of features of each kind that it holds.
    pub fn size(&self) -> usize {
        self.image.dims()[0]
    }

    /// The features of pictures, `[queue_size, features]`.
    pub fn image(&self) -> Tensor<2> {
        self.image.val()
    }

    /// The features of texts, `[queue_size, features]`.
    pub fn text(&self) -> Tensor<2> {
        self.text.val()
    }

    /// Overwrites the rows from `pointer` on.
    pub(crate) fn put(self, pointer: usize, image: Tensor<2>, text: Tensor<2>) -> Self {
        let to = pointer + image.dims()[0];
        let write = |queue: Param<Tensor<2>>, rows: Tensor<2>| {
            queue.map(|queue| queue.slice_assign(s![pointer..to, ..], rows))
        };
        Self {
            image: write(self.image, image),
            text: write(self.text, text),
        }
    }

    /// Checks that batches fill it evenly, as the original asserts.
    pub(crate) fn check(queue_size: usize, batch: usize) -> Result<(), TrainError> {
        if batch == 0 || !queue_size.is_multiple_of(batch) {
            let expected = format!("a multiple of the batch, {batch}");
            return Err(TrainError::setting("queue_size", expected, queue_size));
        }
        Ok(())
    }
}

/// Vectors of length 1, as `torch.nn.functional.normalize` makes them.
///
/// # Shapes
///
/// - vectors, output: `[rows, features]`
pub(crate) fn normalized(vectors: Tensor<2>) -> Tensor<2> {
    let length = vectors.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
    vectors / length
}

/// A tensor that is kept with the parameters and not trained.
pub(crate) fn constant<const D: usize>(tensor: Tensor<D>) -> Param<Tensor<D>> {
    Param::from_tensor(tensor).set_require_grad(false)
}
