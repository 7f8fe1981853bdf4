//! Reasoning over two pictures: is a sentence about them true?
//!
//! ```text
//! 2 × picture ─ ImageEncoder ─▶ 2 × HiddenStates ─┐
//!                        text [ENC] … ─ PairEncoder ─ token 0 ─ cls_head ─▶ logits [false, true]
//! ```
//!
//! Source: salesforce/BLIP@056a169 `models/blip_nlvr.py`.

use blip_traits::{Head, HiddenStates, ImageEncoder, PairEncoder, PixelValues, Tokenizer};

use crate::compose::{batch, check_batch, check_width, of_first_token, rows};
use crate::matcher::second_of_two;
use crate::{FirstToken, TaskError};

/// What a sentence about two pictures was judged to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The head's scores, `[false, true]`.
    pub logits: [f32; 2],
    /// Whether the second is greater.
    pub answer: bool,
    /// The probability that the sentence is true, the softmax of `logits`.
    pub probability: f32,
}

/// Judges sentences about pairs of pictures.
///
/// Holds no request: one reasoner serves many threads.
#[derive(Clone, Debug)]
pub struct PairReasoner<V, E, H, T> {
    image_encoder: V,
    pair_encoder: E,
    cls_head: H,
    tokenizer: T,
}

impl<V: ImageEncoder, E: PairEncoder, H: Head, T: Tokenizer> PairReasoner<V, E, H, T> {
    /// Puts the parts together. They may be owned, borrowed or shared.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if the widths do not fit, or the head has not
    /// two classes.
    pub fn new(image_encoder: V, pair_encoder: E, cls_head: H, tokenizer: T) -> Result<Self, TaskError> {
        check_width(
            "hidden_size",
            ("the image encoder", image_encoder.hidden_size()),
            ("the pair encoder", pair_encoder.context_size()),
        )?;
        check_width(
            "hidden_size",
            ("the pair encoder", pair_encoder.hidden_size()),
            ("cls_head", cls_head.hidden_size()),
        )?;
        check_width("classes", ("cls_head", cls_head.output_size()), ("reasoning", 2))?;
        Ok(Self {
            image_encoder,
            pair_encoder,
            cls_head,
            tokenizer,
        })
    }

    /// The part that looks at pictures.
    pub fn image_encoder(&self) -> &V {
        &self.image_encoder
    }

    /// Looks at pictures once, for any number of calls of [`reason_encoded`](Self::reason_encoded).
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
        Ok(self.image_encoder.encode(pixel_values)?)
    }

    /// Judges a sentence about each pair of pictures.
    ///
    /// # Shapes
    ///
    /// - first, second: `[batch, 3, height, width]`; text `i` is about picture `i` of each
    /// - output: `[batch]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's, or there are not
    /// as many pictures as texts; those of [`reason_encoded`](Self::reason_encoded).
    pub fn reason<S: AsRef<str>>(
        &self,
        first: &PixelValues,
        second: &PixelValues,
        texts: &[S],
    ) -> Result<Vec<Verdict>, TaskError> {
        self.reason_encoded(&self.encode(first)?, &self.encode(second)?, texts)
    }

    /// Judges a sentence about each pair of pictures that were looked at before.
    ///
    /// # Shapes
    ///
    /// - first, second: `[batch, tokens, hidden_size]`; text `i` is about picture `i` of each
    /// - output: `[batch]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if there are not as many pictures as texts;
    /// [`ModelError::TooLong`](blip_traits::ModelError::TooLong) for a text that the encoder has no positions for: the
    /// reference cuts nothing off here.
    pub fn reason_encoded<S: AsRef<str>>(
        &self,
        first: &HiddenStates,
        second: &HiddenStates,
        texts: &[S],
    ) -> Result<Vec<Verdict>, TaskError> {
        let rows = rows(&self.tokenizer, texts, None, FirstToken::Enc)?;
        let text = batch(&self.tokenizer, &rows);
        let states = self.pair_encoder.encode(&text, first, second)?;
        check_batch(&states, rows.len())?;
        let logits = of_first_token(&self.cls_head, &states)?;
        let verdict = |text: usize| {
            let logits = [logits.at(text, 0)[0], logits.at(text, 0)[1]];
            Verdict {
                logits,
                answer: logits[1] > logits[0],
                probability: second_of_two(logits),
            }
        };
        Ok((0..texts.len()).map(verdict).collect())
    }
}
