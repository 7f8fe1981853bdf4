//! Which of some labels a picture is nearest to, from a checkpoint and a picture's file.

use std::path::Path;
use std::sync::Arc;

use blip_encoder::TextEncoder;
use blip_nn::Linear;
use blip_processor::ImageProcessor;
use blip_tasks::{LabelProbability, LabelSet};
use blip_traits::{HiddenStates, PixelValues, Tokenizer};
use blip_vit::VisionTransformer;

use crate::loader::loaders;
use crate::picture::PictureReader;
use crate::{Blip, Error};

pub(crate) type Pipeline =
    blip_tasks::Classifier<Arc<VisionTransformer>, Arc<TextEncoder>, Arc<Linear>, Arc<dyn Tokenizer>>;

/// Says which of some labels a picture is nearest to, without training for them.
///
/// Cosines are divided by the temperature that the checkpoint's training ended with; Hugging Face's checkpoints do not
/// have it, and 0.07, with which training begins, stands for it.
///
/// Holds weights and no request: one classifier serves many threads at once, and a clone shares the weights.
///
/// # Example
///
/// ```no_run
/// use blip_core::{Classifier, LoadOptions};
///
/// let classifier = Classifier::from_path("model_base.pth", &LoadOptions::default())?;
/// let labels = classifier.label_set(&["dog", "cat", "horse"], &["a picture of a {}"])?;
/// println!("{}", classifier.classify_file("beach.jpg", &labels)?[0].label);
/// # Ok::<(), blip_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Classifier {
    pipeline: Arc<Pipeline>,
    pictures: PictureReader,
}

loaders!(Classifier, Classification);

impl Classifier {
    pub(crate) fn new(pipeline: Pipeline, pictures: PictureReader) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            pictures,
        }
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.classifier()
    }

    /// The same classifier with another temperature.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if it is not above 0.
    pub fn with_temperature(&self, temperature: f32) -> Result<Self, Error> {
        let pipeline = Pipeline::new(self.pipeline.embedder().clone(), temperature)?;
        Ok(Self::new(pipeline, self.pictures.clone()))
    }

    /// What cosines are divided by.
    pub fn temperature(&self) -> f32 {
        self.pipeline.temperature()
    }

    /// Makes vectors of labels for any number of pictures: of each label put into every template where `{}` stands, the
    /// mean, made one of length 1; without templates of the label as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] for no label, or a template without `{}`.
    pub fn label_set<L: AsRef<str>, S: AsRef<str>>(
        &self,
        labels: &[L],
        templates: &[S],
    ) -> Result<LabelSet, Error> {
        Ok(self.pipeline.label_set(labels, templates)?)
    }

    /// The labels of a picture in a file, likeliest first.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if the file cannot be read; [`Error::Picture`] if it is no picture within the limits;
    /// [`Error::Task`] if the labels are another model's.
    pub fn classify_file(
        &self,
        path: impl AsRef<Path>,
        labels: &LabelSet,
    ) -> Result<Vec<LabelProbability>, Error> {
        let ranked = self.classify(&self.pictures.open(path)?, labels)?;
        Ok(ranked.into_iter().flatten().collect())
    }

    /// The labels of each preprocessed picture, likeliest first.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch][labels]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the pictures are not of the encoder's size, or the labels are another model's.
    pub fn classify(
        &self,
        pixel_values: &PixelValues,
        labels: &LabelSet,
    ) -> Result<Vec<Vec<LabelProbability>>, Error> {
        Ok(self.pipeline.classify(pixel_values, labels)?)
    }

    /// The labels of each picture that was encoded before, likeliest first.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[batch, tokens, hidden_size]`, from [`encode`](Self::encode)
    /// - output: `[batch][labels]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the states or the labels are another model's.
    pub fn classify_encoded(
        &self,
        hidden_states: &HiddenStates,
        labels: &LabelSet,
    ) -> Result<Vec<Vec<LabelProbability>>, Error> {
        Ok(self.pipeline.classify_encoded(hidden_states, labels)?)
    }

    /// Looks at pictures once, for any number of label sets.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the pictures' size is not the encoder's.
    pub fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, Error> {
        Ok(self.pipeline.embedder().encode(pixel_values)?)
    }

    /// What turns pictures into pixel values for this model.
    pub fn processor(&self) -> &ImageProcessor {
        self.pictures.processor()
    }
}
