//! Sentences about two pictures, from a checkpoint and pictures' files.

use std::path::Path;
use std::sync::Arc;

use blip_encoder::{ClassHead, PairEncoder};
use blip_processor::ImageProcessor;
use blip_tasks::Verdict;
use blip_traits::{HiddenStates, PixelValues, Tokenizer};
use blip_vit::VisionTransformer;

use crate::loader::loaders;
use crate::picture::PictureReader;
use crate::{Blip, Error};

type Pipeline =
    blip_tasks::PairReasoner<Arc<VisionTransformer>, Arc<PairEncoder>, Arc<ClassHead>, Arc<dyn Tokenizer>>;

/// Judges whether sentences about two pictures are true (NLVR2).
///
/// Holds weights and no request: one reasoner serves many threads at once, and a clone shares the weights.
///
/// # Example
///
/// ```no_run
/// use blip_core::{LoadOptions, PairReasoner};
///
/// let reasoner = PairReasoner::from_path("model_base_nlvr.pth", &LoadOptions::default())?;
/// let verdict = reasoner.reason_files(["left.jpg", "right.jpg"], "both pictures show a dog")?;
/// println!("{} ({:.2})", verdict.answer, verdict.probability);
/// # Ok::<(), blip_core::Error>(())
/// ```
#[doc(alias = "BLIP_NLVR")]
#[derive(Clone)]
pub struct PairReasoner {
    pipeline: Arc<Pipeline>,
    pictures: PictureReader,
}

loaders!(PairReasoner, Reasoning);

impl PairReasoner {
    pub(crate) fn new(pipeline: Pipeline, pictures: PictureReader) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            pictures,
        }
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.pair_reasoner()
    }

    /// Judges a sentence about two pictures in files, the left one first.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if a file cannot be read; [`Error::Picture`] if it is no picture within the limits;
    /// [`Error::Task`] if the text is too long.
    pub fn reason_files<P: AsRef<Path>>(&self, pictures: [P; 2], text: &str) -> Result<Verdict, Error> {
        let [first, second] = pictures;
        let (first, second) = (self.pictures.open(first)?, self.pictures.open(second)?);
        let verdicts = self.reason(&first, &second, &[text])?;
        Ok(verdicts[0])
    }

    /// Judges a sentence about each pair of preprocessed pictures.
    ///
    /// # Shapes
    ///
    /// - first, second: `[batch, 3, height, width]`; text `i` is about picture `i` of each
    /// - output: `[batch]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the pictures are not of the encoder's size or not as many as the texts, or a text is too long.
    pub fn reason<S: AsRef<str>>(
        &self,
        first: &PixelValues,
        second: &PixelValues,
        texts: &[S],
    ) -> Result<Vec<Verdict>, Error> {
        Ok(self.pipeline.reason(first, second, texts)?)
    }

    /// Judges a sentence about each pair of pictures that were encoded before.
    ///
    /// # Shapes
    ///
    /// - first, second: `[batch, tokens, hidden_size]`, from [`encode`](Self::encode); text `i` is about picture `i` of
    ///   each
    /// - output: `[batch]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if there are not as many pictures as texts, or a text is too long.
    pub fn reason_encoded<S: AsRef<str>>(
        &self,
        first: &HiddenStates,
        second: &HiddenStates,
        texts: &[S],
    ) -> Result<Vec<Verdict>, Error> {
        Ok(self.pipeline.reason_encoded(first, second, texts)?)
    }

    /// Looks at pictures once, for any number of sentences.
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
        Ok(self.pipeline.encode(pixel_values)?)
    }

    /// What turns pictures into pixel values for this model.
    pub fn processor(&self) -> &ImageProcessor {
        self.pictures.processor()
    }
}
