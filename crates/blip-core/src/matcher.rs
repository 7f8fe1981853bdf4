//! How well pictures and texts fit, from a checkpoint and pictures' files.

use std::path::Path;
use std::sync::Arc;

use blip_encoder::TextEncoder;
use blip_nn::Linear;
use blip_processor::ImageProcessor;
use blip_tasks::{
    Caption, CaptionOptions, Embeddings, Match, MatchOptions, RetrievalScores, TaskError, TextPolicy,
};
use blip_traits::{HiddenStates, PixelValues, Tokenizer};
use blip_vit::VisionTransformer;

use crate::loader::loaders;
use crate::picture::PictureReader;
use crate::{Blip, Captioner, Error};

pub(crate) type Pipeline =
    blip_tasks::Matcher<Arc<VisionTransformer>, Arc<TextEncoder>, Arc<Linear>, Arc<dyn Tokenizer>>;

/// Compares pictures and texts: by the cosine of their vectors (ITC) and by the matching head (ITM).
///
/// ```text
/// match_file ─▶ match_texts ─▶ match_encoded          each stage can be entered
///   read          encode         embed, ground        and its value kept
/// ```
///
/// Holds weights and no request: one matcher serves many threads at once, and a clone shares the weights.
///
/// # Example
///
/// ```no_run
/// use blip_core::{LoadOptions, MatchOptions, Matcher};
///
/// let matcher = Matcher::from_path("model_base_retrieval_coco.pth", &LoadOptions::default())?;
/// let texts = ["a woman and her dog on a beach", "a city at night"];
/// for (text, matching) in texts.iter().zip(matcher.match_file("beach.jpg", &texts, &MatchOptions::default())?) {
///     println!("{text}: {:.3}", matching.itm_probability);
/// }
/// # Ok::<(), blip_core::Error>(())
/// ```
#[doc(alias = "BlipForImageTextRetrieval")]
#[doc(alias = "BLIP_ITM")]
#[derive(Clone)]
pub struct Matcher {
    pipeline: Arc<Pipeline>,
    pictures: PictureReader,
}

/// A caption, and how well it fits its picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfidentCaption {
    /// The caption; [`Caption::log_probability`] is how likely the decoder finds it.
    pub caption: Caption,
    /// How well it fits.
    pub matching: Match,
}

loaders!(Matcher, Matching);

impl Matcher {
    pub(crate) fn new(pipeline: Pipeline, pictures: PictureReader) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            pictures,
        }
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.matcher()
    }

    /// A picture in a file with every text.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if the file cannot be read; [`Error::Picture`] if it is no picture within the limits;
    /// [`Error::Task`] if a text or the options cannot be met.
    pub fn match_file<S: AsRef<str>>(
        &self,
        path: impl AsRef<Path>,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Match>, Error> {
        let matches = self.match_texts(&self.pictures.open(path)?, texts, options)?;
        Ok(matches.into_iter().flatten().collect())
    }

    /// A picture in an image file's bytes with every text.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if they are no picture within the limits; [`Error::Task`] if a text or the options cannot be
    /// met.
    pub fn match_bytes<S: AsRef<str>>(
        &self,
        bytes: &[u8],
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Match>, Error> {
        let matches = self.match_texts(&self.pictures.read(bytes)?, texts, options)?;
        Ok(matches.into_iter().flatten().collect())
    }

    /// Every preprocessed picture with every text.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[pictures, 3, height, width]`
    /// - output: `[pictures][texts]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the pictures are not of the encoder's size, or a text or the options cannot be met.
    pub fn match_texts<S: AsRef<str>>(
        &self,
        pixel_values: &PixelValues,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Vec<Match>>, Error> {
        Ok(self.pipeline.match_texts(pixel_values, texts, options)?)
    }

    /// Every picture that was encoded before with every text; a picture's keys and values are projected once.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`, from [`encode`](Self::encode)
    /// - output: `[pictures][texts]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if a text or the options cannot be met.
    pub fn match_encoded<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Vec<Match>>, Error> {
        Ok(self.pipeline.match_encoded(hidden_states, texts, options)?)
    }

    /// A film with every text: the mean of its frames' vectors is compared by cosine, and the texts look at the tokens of
    /// all frames. [`frame_indices`](crate::frame_indices) says which frames the original takes.
    ///
    /// # Shapes
    ///
    /// - frames: `[frames, tokens, hidden_size]`, from [`encode`](Self::encode) of the frames as pictures, in order
    /// - output: `[texts]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if there is no frame, or a text or the options cannot be met.
    pub fn match_video<S: AsRef<str>>(
        &self,
        frames: &HiddenStates,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Match>, Error> {
        Ok(self.pipeline.match_video(frames, texts, options)?)
    }

    /// Captions of a preprocessed picture with how likely they are and how well they fit it, best fit first.
    ///
    /// The captioner may be of the same checkpoint, whose look at the picture is then shared, or of another one for
    /// pictures of the same size.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[1, 3, height, width]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the picture is not one of either encoder's size, or the options cannot be met.
    pub fn caption_with_confidence(
        &self,
        captioner: &Captioner,
        pixel_values: &PixelValues,
        options: &CaptionOptions,
    ) -> Result<Vec<ConfidentCaption>, Error> {
        let [pictures, ..] = pixel_values.shape();
        if pictures != 1 {
            let expected = "[1, 3, height, width], one picture";
            let got = pixel_values.shape();
            let error = blip_traits::ModelError::shape("pixel_values", expected, &got);
            return Err(TaskError::from(error).into());
        }
        let encoded = captioner.encode(pixel_values)?;
        let captions: Vec<Caption> = captioner
            .caption_encoded(&encoded, options)?
            .into_iter()
            .flatten()
            .collect();
        let shared = Arc::ptr_eq(
            captioner.image_encoder(),
            self.pipeline.embedder().image_encoder(),
        );
        let encoded = if shared {
            encoded
        } else {
            self.encode(pixel_values)?
        };
        let texts: Vec<&str> = captions.iter().map(|caption| caption.text.as_str()).collect();
        let matches = self.match_encoded(&encoded, &texts, &MatchOptions::default())?;
        let mut confident: Vec<ConfidentCaption> = captions
            .iter()
            .cloned()
            .zip(matches.into_iter().flatten())
            .map(|(caption, matching)| ConfidentCaption { caption, matching })
            .collect();
        // Stable: captions that fit as well stay in the search's order.
        confident.sort_by(|a, b| b.matching.itm_probability.total_cmp(&a.matching.itm_probability));
        Ok(confident)
    }

    /// A unit vector for each picture that was encoded before.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the states are not the encoder's.
    pub fn embed_images(&self, hidden_states: &HiddenStates) -> Result<Embeddings, Error> {
        Ok(self.pipeline.embedder().embed_images(hidden_states)?)
    }

    /// A unit vector for each text.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if a text cannot be read.
    pub fn embed_texts<S: AsRef<str>>(&self, texts: &[S]) -> Result<Embeddings, Error> {
        Ok(self.pipeline.embedder().embed_texts(texts)?)
    }

    /// Scores of pictures in files and texts both ways, as the retrieval evaluation makes them:
    /// [`RetrievalMetrics`](crate::RetrievalMetrics) says how good they are.
    ///
    /// Each picture is encoded twice rather than kept, so that any number of them fits in memory.
    ///
    /// # Errors
    ///
    /// As [`match_file`](Self::match_file), for the first file that fails.
    pub fn retrieval_scores<P: AsRef<Path>, S: AsRef<str>>(
        &self,
        paths: &[P],
        texts: &[S],
        k_test: usize,
    ) -> Result<RetrievalScores, Error> {
        let states = |picture: usize| self.encode(&self.pictures.open(&paths[picture])?);
        self.retrieval_scores_encoded(paths.len(), states, texts, k_test)
    }

    /// The same of pictures that were encoded before. `states` is asked for the hidden states of each picture,
    /// `[1, tokens, hidden_size]`: first of every one, then of each again.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if a text or `k_test` cannot be met, and what `states` fails with.
    pub fn retrieval_scores_encoded<S: AsRef<str>>(
        &self,
        pictures: usize,
        states: impl FnMut(usize) -> Result<HiddenStates, Error>,
        texts: &[S],
        k_test: usize,
    ) -> Result<RetrievalScores, Error> {
        self.pipeline.retrieval_scores(pictures, states, texts, k_test)
    }

    /// Looks at pictures once, for any number of other calls.
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

    /// The conventions that it follows.
    pub fn policy(&self) -> &TextPolicy {
        self.pipeline.policy()
    }

    /// The image encoder, shared.
    pub fn image_encoder(&self) -> &Arc<VisionTransformer> {
        self.pipeline.embedder().image_encoder()
    }

    /// The text encoder, shared.
    pub fn text_encoder(&self) -> &Arc<TextEncoder> {
        self.pipeline.embedder().text_encoder()
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub(crate) fn pictures(&self) -> &PictureReader {
        &self.pictures
    }
}
