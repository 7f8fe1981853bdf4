//! Answers to questions about pictures, from a checkpoint and a picture's file.

use std::path::Path;
use std::sync::Arc;

use blip_decoder::TextDecoder;
use blip_encoder::TextEncoder;
use blip_processor::ImageProcessor;
use blip_tasks::{Answer, AnswerList, AnswerOptions, RankOptions, RankedAnswer, TextPolicy};
use blip_traits::{HiddenStates, PixelValues, Tokenizer};
use blip_vit::VisionTransformer;

use crate::loader::loaders;
use crate::picture::PictureReader;
use crate::{Blip, Error};

type Pipeline = blip_tasks::QuestionAnswerer<
    Arc<VisionTransformer>,
    Arc<TextEncoder>,
    Arc<TextDecoder>,
    Arc<dyn Tokenizer>,
>;

/// Answers questions about pictures: by writing an answer, or by ranking those of a list.
///
/// ```text
/// answer_file ─▶ answer_bytes ─▶ answer ─▶ answer_encoded          each stage can be entered
///   read           preprocess      encode    ground, generate      and its value kept
/// ```
///
/// Holds weights and no request: one answerer serves many threads at once, and a clone shares the weights.
///
/// # Example
///
/// ```no_run
/// use blip_core::{AnswerOptions, QuestionAnswerer};
///
/// let answerer = QuestionAnswerer::from_dir("blip-vqa-base")?;
/// let answers = answerer.answer_file("beach.jpg", "how many dogs are there?", &AnswerOptions::default())?;
/// println!("{}", answers[0].text);
/// # Ok::<(), blip_core::Error>(())
/// ```
#[doc(alias = "BlipForQuestionAnswering")]
#[doc(alias = "BLIP_VQA")]
#[derive(Clone)]
pub struct QuestionAnswerer {
    pipeline: Arc<Pipeline>,
    pictures: PictureReader,
}

loaders!(QuestionAnswerer, QuestionAnswering);

impl QuestionAnswerer {
    pub(crate) fn new(pipeline: Pipeline, pictures: PictureReader) -> Self {
        Self {
            pipeline: Arc::new(pipeline),
            pictures,
        }
    }

    fn of(blip: &Blip) -> Result<Self, Error> {
        blip.question_answerer()
    }

    /// The answers to a question about a picture in a file, best first.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if the file cannot be read; [`Error::Picture`] if it is no picture within the limits;
    /// [`Error::Task`] if the question or the options cannot be met.
    pub fn answer_file(
        &self,
        path: impl AsRef<Path>,
        question: &str,
        options: &AnswerOptions,
    ) -> Result<Vec<Answer>, Error> {
        self.first(&self.pictures.open(path)?, question, options)
    }

    /// The answers to a question about a picture in an image file's bytes, best first.
    ///
    /// # Errors
    ///
    /// [`Error::Processor`] if they are no picture within the limits; [`Error::Task`] if the question or the options cannot
    /// be met.
    pub fn answer_bytes(
        &self,
        bytes: &[u8],
        question: &str,
        options: &AnswerOptions,
    ) -> Result<Vec<Answer>, Error> {
        self.first(&self.pictures.read(bytes)?, question, options)
    }

    fn first(
        &self,
        pixel_values: &PixelValues,
        question: &str,
        options: &AnswerOptions,
    ) -> Result<Vec<Answer>, Error> {
        let answers = self.answer(pixel_values, &[question], options)?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// The answers to questions about preprocessed pictures, best first: as many questions for each picture, question `q`
    /// about picture `q / (questions / pictures)`. The questions are one batch, see
    /// [`answer_encoded`](Self::answer_encoded).
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[pictures, 3, height, width]`
    /// - output: `[questions][answers]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the pictures are not of the encoder's size, the questions are no multiple of them, or the
    /// options cannot be met.
    pub fn answer<S: AsRef<str>>(
        &self,
        pixel_values: &PixelValues,
        questions: &[S],
        options: &AnswerOptions,
    ) -> Result<Vec<Vec<Answer>>, Error> {
        Ok(self.pipeline.answer(pixel_values, questions, options)?)
    }

    /// The answers to questions about pictures that were encoded before, best first: as many questions for each picture.
    ///
    /// The questions are one batch. Unless their padding is masked
    /// ([`mask_question_padding`](AnswerOptions::mask_question_padding)), an answer depends on the longest of them, as in
    /// both references; ask one by one, or mask, for answers that do not.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`, from [`encode`](Self::encode)
    /// - output: `[questions][answers]`
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    pub fn answer_encoded<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        questions: &[S],
        options: &AnswerOptions,
    ) -> Result<Vec<Vec<Answer>>, Error> {
        Ok(self.pipeline.answer_encoded(hidden_states, questions, options)?)
    }

    /// Makes a list of answers to rank, for any number of questions.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] for no answer.
    pub fn answer_list<S: AsRef<str>>(&self, answers: &[S]) -> Result<AnswerList, Error> {
        Ok(self.pipeline.answer_list(answers)?)
    }

    /// The answers of a list to a question about a picture in a file, best first.
    ///
    /// # Errors
    ///
    /// As [`answer_file`](Self::answer_file).
    pub fn rank_file(
        &self,
        path: impl AsRef<Path>,
        question: &str,
        answers: &AnswerList,
        options: &RankOptions,
    ) -> Result<Vec<RankedAnswer>, Error> {
        let encoded = self.encode(&self.pictures.open(path)?)?;
        let ranked = self.rank_encoded(&encoded, &[question], answers, options)?;
        Ok(ranked.into_iter().flatten().collect())
    }

    /// The answers of a list to questions about pictures that were encoded before, best first: as many questions for each
    /// picture. Each question gets what it gets alone.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`, from [`encode`](Self::encode)
    /// - output: `[questions][min(k_test, answers)]`
    ///
    /// # Errors
    ///
    /// [`Error::Task`] if the questions are no multiple of the pictures, or the options cannot be met.
    pub fn rank_encoded<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        questions: &[S],
        answers: &AnswerList,
        options: &RankOptions,
    ) -> Result<Vec<Vec<RankedAnswer>>, Error> {
        Ok(self
            .pipeline
            .rank_encoded(hidden_states, questions, answers, options)?)
    }

    /// Looks at pictures once, for any number of questions.
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

    /// Reads questions while looking at pictures: what the decoder attends.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`
    /// - output: `[questions, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// As [`answer`](Self::answer).
    pub fn encode_questions<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        questions: &[S],
    ) -> Result<HiddenStates, Error> {
        Ok(self.pipeline.encode_questions(hidden_states, questions)?)
    }

    /// Says whether a request makes sense, without a picture: before the first of many.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] as [`answer`](Self::answer), as far as it depends neither on the picture nor on the question.
    pub fn check(&self, options: &AnswerOptions) -> Result<(), Error> {
        Ok(self.pipeline.check(options)?)
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
        self.pipeline.image_encoder()
    }

    /// The text decoder, shared.
    pub fn decoder(&self) -> &Arc<TextDecoder> {
        self.pipeline.decoder()
    }
}
