//! Batches out of data sets.
//!
//! ```text
//! Dataset ─ epoch_order ─▶ indices ─ sample ─▶ picture ─ TrainTransform ─ ImageProcessor ─▶ PixelValues ─┐
//!                                        └───▶ texts ─ Tokenizer ─────────────────────────▶ TokenBatch ──┴─▶ batch
//! ```
//!
//! A broken record is told to whoever wants to know, and another one, drawn by lot, takes its place.
//!
//! Source: salesforce/BLIP@056a169 `data/*_dataset.py`; the last batch of an epoch is left out where it is not full, as
//! its loaders do.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use blip_core::{ImageProcessor, RgbImage, Tokenizer};
use blip_data::{
    CaptionRecord, DataError, Dataset, PairRecord, QuestionRecord, Random, Record, RecordId, Sample,
    TrainTransform, epoch_order,
};
use blip_traits::{PixelValues, TokenBatch};

use crate::identity::fnv;
use crate::{BatchSource, ImageTextBatch, Moment, PairBatch, QuestionBatch};

type AnyError = Box<dyn Error + Send + Sync>;

/// A data set cut into batches.
pub struct Records<D> {
    dataset: D,
    processor: ImageProcessor,
    transform: TrainTransform,
    tokenizer: Arc<dyn Tokenizer>,
    batch_size: usize,
    max_length: Option<usize>,
    prompt: String,
    on_broken: Box<dyn Fn(&DataError) + Send + Sync>,
    order: Mutex<Order>,
}

/// The order of the last epoch that was asked for.
#[derive(Debug, Default)]
struct Order {
    of: Option<(u64, usize)>,
    indices: Arc<Vec<usize>>,
}

/// Tries for a record in place of a broken one.
const REPLACEMENTS: usize = 100;

impl<D> std::fmt::Debug for Records<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("transform", &self.transform)
            .field("batch_size", &self.batch_size)
            .finish_non_exhaustive()
    }
}

impl<D> Records<D> {
    /// Batches of a data set. Pictures are changed by `transform` and then made pixel values by `processor`.
    pub fn new(
        dataset: D,
        processor: ImageProcessor,
        transform: TrainTransform,
        tokenizer: Arc<dyn Tokenizer>,
        batch_size: usize,
    ) -> Self {
        Self {
            dataset,
            processor,
            transform,
            tokenizer,
            batch_size: batch_size.max(1),
            max_length: None,
            prompt: String::new(),
            on_broken: Box::new(|_| {}),
            order: Mutex::default(),
        }
    }

    /// The same with texts of at most so many tokens, first and last included: 40 for captions, 30 for pre-training, 35
    /// for retrieval and questions.
    pub fn with_max_length(mut self, max_length: usize) -> Self {
        self.max_length = Some(max_length);
        self
    }

    /// The same with a prompt before every caption.
    pub fn with_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = prompt.into();
        self
    }

    /// The same with somebody who is told of broken records.
    pub fn on_broken(mut self, told: impl Fn(&DataError) + Send + Sync + 'static) -> Self {
        self.on_broken = Box::new(told);
        self
    }

    fn pixels<'a>(
        &self,
        images: impl IntoIterator<Item = (&'a RgbImage, &'a mut Random)>,
    ) -> Result<PixelValues, AnyError> {
        let pictures: Result<Vec<PixelValues>, AnyError> = images
            .into_iter()
            .map(|(image, random)| Ok(self.processor.preprocess(&self.transform.apply(image, random)?)?))
            .collect();
        Ok(PixelValues::concat(&pictures?)?)
    }

    fn tokens<S: AsRef<str>>(
        &self,
        texts: impl IntoIterator<Item = S>,
        max_length: Option<usize>,
    ) -> Result<TokenBatch, AnyError> {
        let rows: Result<Vec<Vec<u32>>, _> = texts
            .into_iter()
            .map(|text| self.tokenizer.encode(text.as_ref(), max_length))
            .collect();
        Ok(TokenBatch::from_rows(&rows?, self.tokenizer.special_tokens().pad))
    }
}

impl<D: Dataset> Records<D> {
    fn steps(&self) -> usize {
        self.dataset.len() / self.batch_size
    }

    fn order(&self, moment: &Moment) -> Arc<Vec<usize>> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = Some((moment.seed, moment.epoch));
        if order.of != wanted {
            let indices = epoch_order(moment.seed, moment.epoch as u64, self.dataset.len());
            *order = Order {
                of: wanted,
                indices: Arc::new(indices),
            };
        }
        order.indices.clone()
    }

    /// The samples of a batch, each with the chance that belongs to it.
    fn samples(&self, moment: &Moment) -> Result<Vec<(D::Sample, Random)>, AnyError> {
        let order = self.order(moment);
        let from = moment.step * self.batch_size;
        let indices = &order[from..from + self.batch_size];
        let one = |&index: &usize| {
            let mut random = Random::of_sample(moment.seed, moment.epoch as u64, index);
            let mut index = index;
            for _ in 0..REPLACEMENTS {
                match self.dataset.sample(index) {
                    Ok(sample) => return Ok((sample, random)),
                    Err(error) => (self.on_broken)(&error),
                }
                index = random.below(self.dataset.len());
            }
            Err(format!("{REPLACEMENTS} records in a row are broken").into())
        };
        indices.iter().map(one).collect()
    }
}

/// Both halves of some samples, the chance that belongs to each kept apart.
fn split<R: Record>(samples: Vec<(Sample<R>, Random)>) -> (Vec<R>, Vec<R::Image>, Vec<Random>) {
    let mut parts = (Vec::new(), Vec::new(), Vec::new());
    for (sample, random) in samples {
        parts.0.push(sample.record);
        parts.1.push(sample.image);
        parts.2.push(random);
    }
    parts
}

/// Pictures with a caption each; of several captions one is drawn by lot.
#[derive(Debug)]
pub struct CaptionRecords<D>(pub Records<D>);

impl<D: Dataset<Sample = Sample<CaptionRecord>>> BatchSource for CaptionRecords<D> {
    type Batch = ImageTextBatch;

    fn steps_per_epoch(&self) -> usize {
        self.0.steps()
    }

    fn batch(&self, moment: &Moment) -> Result<ImageTextBatch, AnyError> {
        let (records, images, mut randoms) = split(self.0.samples(moment)?);
        let prompt = &self.0.prompt;
        let texts: Vec<String> = records
            .iter()
            .zip(&mut randoms)
            .map(|(record, random)| format!("{prompt}{}", record.draw_caption(random).unwrap_or_default()))
            .collect();
        Ok(ImageTextBatch {
            pixel_values: self.0.pixels(images.iter().zip(&mut randoms))?,
            texts: self.0.tokens(&texts, self.0.max_length)?,
            image_ids: records.iter().map(image_number).collect(),
            statements: None,
        })
    }
}

/// A number that two captions share if they are of one picture.
fn image_number(record: &CaptionRecord) -> i64 {
    let name = match &record.image_id {
        Some(RecordId::Number(number)) => number.to_string(),
        Some(RecordId::Text(text)) => text.clone(),
        None => record.image.clone(),
    };
    // Without a sign.
    (fnv(name.bytes()) >> 1) as i64
}

/// Pictures with a question each, and its answers by weight.
#[derive(Debug)]
pub struct QuestionRecords<D>(pub Records<D>);

impl<D: Dataset<Sample = Sample<QuestionRecord>>> BatchSource for QuestionRecords<D> {
    type Batch = QuestionBatch;

    fn steps_per_epoch(&self) -> usize {
        self.0.steps()
    }

    fn batch(&self, moment: &Moment) -> Result<QuestionBatch, AnyError> {
        let (records, images, mut randoms) = split(self.0.samples(moment)?);
        let answers = || {
            let numbered = records.iter().enumerate();
            numbered.flat_map(|(index, record)| record.answers.iter().map(move |answer| (index, answer)))
        };
        Ok(QuestionBatch {
            pixel_values: self.0.pixels(images.iter().zip(&mut randoms))?,
            questions: self
                .0
                .tokens(records.iter().map(|record| &record.question), self.0.max_length)?,
            // The original does not cut answers off.
            answers: self.0.tokens(answers().map(|(_, answer)| &answer.answer), None)?,
            question_of: answers().map(|(question, _)| question).collect(),
            weights: answers().map(|(_, answer)| answer.weight).collect(),
        })
    }
}

/// Pairs of pictures with a sentence each; half of them change places, and their words with them.
#[derive(Debug)]
pub struct PairRecords<D>(pub Records<D>);

impl<D: Dataset<Sample = Sample<PairRecord>>> BatchSource for PairRecords<D> {
    type Batch = PairBatch;

    fn steps_per_epoch(&self) -> usize {
        self.0.steps()
    }

    fn batch(&self, moment: &Moment) -> Result<PairBatch, AnyError> {
        let samples = self.0.samples(moment)?;
        let drawn = samples.into_iter().map(|(sample, mut random)| {
            let sample = sample.draw_order(&mut random);
            (sample, random)
        });
        let (records, images, mut randoms) = split(drawn.collect());
        let first = self
            .0
            .pixels(images.iter().map(|[first, _]| first).zip(&mut randoms))?;
        let second = self
            .0
            .pixels(images.iter().map(|[_, second]| second).zip(&mut randoms))?;
        Ok(PairBatch {
            first,
            second,
            sentences: self
                .0
                .tokens(records.iter().map(|record| &record.sentence), self.0.max_length)?,
            labels: records.iter().map(|record| record.label == Some(true)).collect(),
        })
    }
}
