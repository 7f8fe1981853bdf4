//! Matching: how well pictures and texts fit.
//!
//! ```text
//! pictures ─ ImageEncoder ─▶ HiddenStates ─┬─ Embedder ──────────────────────────▶ itc_similarity
//!                                          └─ GroundedEncoder::ground, once a picture
//!                     texts ─ encode ─ token 0 ─ itm_head ─▶ itm_logits ─ softmax ─▶ itm_probability
//! ```
//!
//! Source: salesforce/BLIP@056a169 `models/blip_itm.py`; transformers 5.23 `models/blip/modeling_blip.py`
//! `BlipForImageTextRetrieval`.

use blip_traits::{GroundedEncoder, Head, HiddenStates, ImageEncoder, PixelValues, TextEncoder, Tokenizer};

use crate::compose::{self, TEXTS_AT_ONCE, batch, check_batch, check_width, of_first_token};
use crate::{Embedder, FirstToken, TaskError, TextPolicy};

/// How well a picture and a text fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// The cosine of their vectors, -1 to 1; no temperature.
    pub itc_similarity: f32,
    /// The matching head's scores, `[no match, match]`.
    pub itm_logits: [f32; 2],
    /// The probability of a match, the softmax of `itm_logits`.
    pub itm_probability: f32,
}

impl Match {
    /// What the retrieval evaluation ranks by: the logit of a match and the cosine, added.
    ///
    /// salesforce/BLIP@056a169 train_retrieval.py `evaluation`.
    pub fn retrieval_score(&self) -> f32 {
        self.itm_logits[1] + self.itc_similarity
    }

    fn new(itc_similarity: f32, itm_logits: [f32; 2]) -> Self {
        Self {
            itc_similarity,
            itm_logits,
            itm_probability: second_of_two(itm_logits),
        }
    }
}

/// The probability of the second of two classes.
pub(crate) fn second_of_two([first, second]: [f32; 2]) -> f32 {
    1.0 / (1.0 + (first - second).exp())
}

/// What a request wants; whatever is left `None` is the policy's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatchOptions {
    /// First token of the text that looks at the picture: [`FirstToken::Cls`] or [`FirstToken::Enc`].
    pub first_token: Option<FirstToken>,
}

/// Compares pictures and texts with any networks that fit each other.
///
/// Holds no request: one matcher serves many threads.
#[derive(Clone, Debug)]
pub struct Matcher<V, E, H, T> {
    embedder: Embedder<V, E, H, T>,
    itm_head: H,
}

impl<V, E, H, T> Matcher<V, E, H, T>
where
    V: ImageEncoder,
    E: TextEncoder + GroundedEncoder,
    H: Head,
    T: Tokenizer,
{
    /// Puts the parts together. They may be owned, borrowed or shared.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if the text encoder attends another width than
    /// the image encoder gives, or the head takes another than the text encoder gives or has not two classes.
    pub fn new(embedder: Embedder<V, E, H, T>, itm_head: H) -> Result<Self, TaskError> {
        let text_encoder = embedder.text_encoder();
        check_width(
            "hidden_size",
            ("the image encoder", embedder.image_encoder().hidden_size()),
            ("the text encoder", text_encoder.context_size()),
        )?;
        check_width(
            "hidden_size",
            ("the text encoder", GroundedEncoder::hidden_size(text_encoder)),
            ("itm_head", itm_head.hidden_size()),
        )?;
        check_width("classes", ("itm_head", itm_head.output_size()), ("matching", 2))?;
        Ok(Self { embedder, itm_head })
    }

    /// The part that compares by vectors.
    pub fn embedder(&self) -> &Embedder<V, E, H, T> {
        &self.embedder
    }

    /// The conventions that it follows.
    pub fn policy(&self) -> &TextPolicy {
        self.embedder.policy()
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
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's.
    pub fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, TaskError> {
        self.embedder.encode(pixel_values)
    }

    /// Every picture with every text.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[pictures, 3, height, width]`
    /// - output: `[pictures][texts]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's, and those of
    /// [`match_encoded`](Self::match_encoded).
    pub fn match_texts<S: AsRef<str>>(
        &self,
        pixel_values: &PixelValues,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Vec<Match>>, TaskError> {
        self.match_encoded(&self.encode(pixel_values)?, texts, options)
    }

    /// Every picture that was looked at before with every text.
    ///
    /// A picture's cross-attention keys and values are projected once for all its texts.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`
    /// - output: `[pictures][texts]`
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] for a first token that matching does not know;
    /// [`ModelError::TooLong`](blip_traits::ModelError::TooLong) for a text that the encoder has no positions for;
    /// [`ModelError::Foreign`](blip_traits::ModelError::Foreign) if the tokenizer fails.
    pub fn match_encoded<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Vec<Match>>, TaskError> {
        let first = self.first_token(options)?;
        let images = self.embedder.embed_images(hidden_states)?;
        let similarities = images.similarities(&self.embedder.embed_texts(texts)?)?;
        let rows = self.rows(texts, first)?;
        let one = |(picture, similarities): (usize, Vec<f32>)| {
            let logits = self.itm_logits(&hidden_states.row(picture), &rows)?;
            Ok(similarities
                .into_iter()
                .zip(logits)
                .map(|(similarity, logits)| Match::new(similarity, logits))
                .collect())
        };
        similarities.into_iter().enumerate().map(one).collect()
    }

    /// A film, of which some frames were looked at before, with every text.
    ///
    /// The mean of the frames' projections is compared by cosine, and the texts look at the tokens of all frames in a row.
    ///
    /// # Shapes
    ///
    /// - frames: `[frames, tokens, hidden_size]`, at least one, in order
    /// - output: `[texts]`
    ///
    /// # Errors
    ///
    /// As [`match_encoded`](Self::match_encoded), and [`TaskError::Setting`] for no frame.
    pub fn match_video<S: AsRef<str>>(
        &self,
        frames: &HiddenStates,
        texts: &[S],
        options: &MatchOptions,
    ) -> Result<Vec<Match>, TaskError> {
        // salesforce/BLIP@056a169 eval_retrieval_video.py is a retrieval evaluation.
        let first = self.known(options.first_token.unwrap_or(self.policy().retrieval_first_token))?;
        let video = self.embedder.embed_video(frames)?;
        let similarities = video.similarities(&self.embedder.embed_texts(texts)?)?;
        let rows = self.rows(texts, first)?;
        let logits = self.itm_logits(&frames.joined(), &rows)?;
        let matches = similarities.into_iter().flatten().zip(logits);
        Ok(matches
            .map(|(similarity, logits)| Match::new(similarity, logits))
            .collect())
    }

    /// The matching head's scores of one picture with texts as ids.
    ///
    /// # Shapes
    ///
    /// - image: `[1, tokens, hidden_size]`
    /// - output: `[texts]`
    pub(crate) fn itm_logits(
        &self,
        image: &HiddenStates,
        rows: &[Vec<u32>],
    ) -> Result<Vec<[f32; 2]>, TaskError> {
        let text_encoder = self.embedder.text_encoder();
        let mut all = Vec::with_capacity(rows.len());
        if rows.is_empty() {
            return Ok(all);
        }
        let context = text_encoder.ground(image)?;
        for rows in rows.chunks(TEXTS_AT_ONCE) {
            let text = batch(self.embedder.tokenizer(), rows);
            let states = GroundedEncoder::encode(text_encoder, &text, &context)?;
            check_batch(&states, rows.len())?;
            let logits = of_first_token(&self.itm_head, &states)?;
            all.extend((0..rows.len()).map(|text| {
                let logits = logits.at(text, 0);
                [logits[0], logits[1]]
            }));
        }
        Ok(all)
    }

    /// Texts as ids that look at a picture.
    pub(crate) fn rows<S: AsRef<str>>(
        &self,
        texts: &[S],
        first: FirstToken,
    ) -> Result<Vec<Vec<u32>>, TaskError> {
        let max_length = self.policy().matching_max_length;
        compose::rows(self.embedder.tokenizer(), texts, max_length, first)
    }

    fn first_token(&self, options: &MatchOptions) -> Result<FirstToken, TaskError> {
        self.known(options.first_token.unwrap_or(self.policy().matching_first_token))
    }

    fn known(&self, first: FirstToken) -> Result<FirstToken, TaskError> {
        match first {
            FirstToken::Cls | FirstToken::Enc => Ok(first),
            FirstToken::Dec => Err(TaskError::setting("first_token", "cls or enc", "dec")),
        }
    }
}
