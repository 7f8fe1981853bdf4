//! Zero-shot classification: which of some labels a picture is nearest to.
//!
//! Source: LAVIS `examples/blip_zero_shot_classification.ipynb`: the softmax over cosines divided by the temperature of
//! contrastive training.

use blip_traits::{Head, HiddenStates, ImageEncoder, PixelValues, TextEncoder, Tokenizer};

use crate::compose::descending;
use crate::{Embedder, Embeddings, TaskError, TextPolicy};

/// A label and how likely it is.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelProbability {
    /// The label's place in its set.
    pub index: usize,
    /// The label.
    pub label: String,
    /// The cosine of the picture's vector and the label's.
    pub itc_similarity: f32,
    /// The softmax over the set of cosines divided by the temperature: how the labels compare with each other, not
    /// whether any of them is right.
    pub probability: f32,
}

/// Labels as vectors, made once for any number of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelSet {
    labels: Vec<String>,
    embeddings: Embeddings,
}

impl LabelSet {
    /// The labels, in order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Their vectors, in the same order.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }
}

/// Says which of some labels a picture is nearest to.
///
/// Holds no request: one classifier serves many threads.
#[derive(Clone, Debug)]
pub struct Classifier<V, E, H, T> {
    embedder: Embedder<V, E, H, T>,
    temperature: f32,
}

impl<V: ImageEncoder, E: TextEncoder, H: Head, T: Tokenizer> Classifier<V, E, H, T> {
    /// What BLIP's contrastive training begins with, where a checkpoint does not say what it ended with.
    ///
    /// salesforce/BLIP@056a169 models/blip_pretrain.py:87.
    pub const DEFAULT_TEMPERATURE: f32 = 0.07;

    /// Puts the parts together; the temperature is what cosines are divided by.
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] if the temperature is not above 0.
    pub fn new(embedder: Embedder<V, E, H, T>, temperature: f32) -> Result<Self, TaskError> {
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(TaskError::setting("temperature", "a number above 0", temperature));
        }
        Ok(Self {
            embedder,
            temperature,
        })
    }

    /// The part that compares by vectors.
    pub fn embedder(&self) -> &Embedder<V, E, H, T> {
        &self.embedder
    }

    /// The conventions that it follows.
    pub fn policy(&self) -> &TextPolicy {
        self.embedder.policy()
    }

    /// What cosines are divided by.
    pub fn temperature(&self) -> f32 {
        self.temperature
    }

    /// Makes vectors of labels: of each label put into every template, the mean, made one of length 1.
    ///
    /// A template has `{}` where the label goes; without templates a label is read as it is.
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] for no label or a template without `{}`, and those of [`Embedder::embed_texts`].
    pub fn label_set<L: AsRef<str>, S: AsRef<str>>(
        &self,
        labels: &[L],
        templates: &[S],
    ) -> Result<LabelSet, TaskError> {
        if labels.is_empty() {
            return Err(TaskError::setting("labels", "at least one", "none"));
        }
        if let Some(template) = templates
            .iter()
            .find(|template| !template.as_ref().contains("{}"))
        {
            let got = format!("{:?}", template.as_ref());
            return Err(TaskError::setting("templates", "{} where the label goes", got));
        }
        let labels: Vec<String> = labels.iter().map(|label| label.as_ref().to_owned()).collect();
        let embeddings = if templates.is_empty() {
            self.embedder.embed_texts(&labels)?
        } else {
            let mut values = Vec::new();
            for label in &labels {
                let texts: Vec<String> = templates
                    .iter()
                    .map(|template| template.as_ref().replace("{}", label))
                    .collect();
                values.extend_from_slice(self.embedder.embed_texts(&texts)?.mean()?.as_slice());
            }
            Embeddings::new(values, self.embedder.embed_dim())?
        };
        Ok(LabelSet { labels, embeddings })
    }

    /// The labels of each picture, likeliest first.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch][labels]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's, and those of
    /// [`classify_encoded`](Self::classify_encoded).
    pub fn classify(
        &self,
        pixel_values: &PixelValues,
        labels: &LabelSet,
    ) -> Result<Vec<Vec<LabelProbability>>, TaskError> {
        self.classify_encoded(&self.embedder.encode(pixel_values)?, labels)
    }

    /// The labels of each picture that was looked at before, likeliest first; among equals in the order of the set.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[batch, tokens, hidden_size]`
    /// - output: `[batch][labels]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the states or the labels' vectors are another model's.
    pub fn classify_encoded(
        &self,
        hidden_states: &HiddenStates,
        labels: &LabelSet,
    ) -> Result<Vec<Vec<LabelProbability>>, TaskError> {
        let images = self.embedder.embed_images(hidden_states)?;
        let similarities = images.similarities(&labels.embeddings)?;
        let of_picture = |similarities: &Vec<f32>| {
            let probabilities = softmax(similarities, self.temperature);
            let mut ranked: Vec<LabelProbability> = similarities
                .iter()
                .zip(probabilities)
                .enumerate()
                .map(|(index, (&itc_similarity, probability))| LabelProbability {
                    index,
                    label: labels.labels[index].clone(),
                    itc_similarity,
                    probability,
                })
                .collect();
            ranked.sort_by(|a, b| descending(a.itc_similarity, b.itc_similarity));
            ranked
        };
        Ok(similarities.iter().map(of_picture).collect())
    }
}

fn softmax(similarities: &[f32], temperature: f32) -> Vec<f32> {
    let scaled = similarities
        .iter()
        .map(|&similarity| f64::from(similarity) / f64::from(temperature));
    let max = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scaled.map(|value| (value - max).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| (power / sum) as f32).collect()
}
