//! The networks, as a task sees them.
//!
//! Each trait has at most four required methods and a blanket implementation for `&T`, `Box<T>` and `Arc<T>`, so a
//! task can own, borrow or share a network. To widen one is a change of its own.

use std::sync::Arc;

use crate::{Features, HiddenStates, Logits, ModelError, PixelValues, TokenBatch};

/// Looks at pictures: pixels to a sequence of vectors.
///
/// BLIP's is a ViT whose first token stands for the whole picture; any encoder of the right width will do for
/// captioning.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot encode pictures for BLIP",
    note = "use `blip_vit::VisionTransformer`, or implement `blip_traits::ImageEncoder` for your own encoder"
)]
pub trait ImageEncoder: Send + Sync {
    /// Encodes a batch of pictures.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[batch, 3, height, width]`
    /// - output: `[batch, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the pictures' size is not [`image_size`](Self::image_size).
    fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, ModelError>;

    /// The width of a token's vector.
    fn hidden_size(&self) -> usize;

    /// Height and width of the pictures that it takes, in pixels.
    fn image_size(&self) -> [usize; 2];
}

/// Reads text on its own (`mode='text'` in the original): nothing but the text is attended.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot encode text for BLIP")]
pub trait TextEncoder: Send + Sync {
    /// Encodes a batch of texts; padding changes nothing.
    ///
    /// # Shapes
    ///
    /// - text: `[batch, length]`
    /// - output: `[batch, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::TooLong`] or [`ModelError::Token`] for text that the model cannot take.
    fn encode(&self, text: &TokenBatch) -> Result<HiddenStates, ModelError>;

    /// The width of a token's vector.
    fn hidden_size(&self) -> usize;
}

/// Reads text while looking at a picture (`mode='multimodal'`): every layer cross-attends the picture's tokens.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot ground text in pictures for BLIP")]
pub trait GroundedEncoder: Send + Sync {
    /// What is prepared once for each picture and shared by all its texts: the cross-attention keys and values.
    type Context: Send;

    /// Prepares pictures.
    ///
    /// # Shapes
    ///
    /// - image: `[images, tokens, context_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the width is not [`context_size`](Self::context_size).
    fn ground(&self, image: &HiddenStates) -> Result<Self::Context, ModelError>;

    /// Encodes texts, the same number for every picture: text `t` looks at picture `t / (texts / images)`.
    ///
    /// # Shapes
    ///
    /// - text: `[texts, length]`
    /// - output: `[texts, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if `texts` is not a multiple of the number of pictures; [`ModelError::TooLong`] or
    /// [`ModelError::Token`] for text that the model cannot take.
    fn encode(&self, text: &TokenBatch, context: &Self::Context) -> Result<HiddenStates, ModelError>;

    /// The width of the picture's vectors that it takes.
    fn context_size(&self) -> usize;

    /// The width of a token's vector.
    fn hidden_size(&self) -> usize;
}

/// Reads text while looking at two pictures, for sentences that compare them (NLVR2).
#[diagnostic::on_unimplemented(message = "`{Self}` cannot ground text in pairs of pictures for BLIP")]
pub trait PairEncoder: Send + Sync {
    /// Encodes a batch of texts, each with its own two pictures.
    ///
    /// # Shapes
    ///
    /// - text: `[batch, length]`
    /// - first, second: `[batch, tokens, context_size]`
    /// - output: `[batch, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if batches or widths differ; [`ModelError::TooLong`] or [`ModelError::Token`] for text
    /// that the model cannot take.
    fn encode(
        &self,
        text: &TokenBatch,
        first: &HiddenStates,
        second: &HiddenStates,
    ) -> Result<HiddenStates, ModelError>;

    /// The width of the pictures' vectors that it takes.
    fn context_size(&self) -> usize;

    /// The width of a token's vector.
    fn hidden_size(&self) -> usize;
}

/// A last layer: tokens' vectors to scores of classes, or to coordinates in the space that pictures and texts share.
///
/// BLIP reads the first token alone; the others may be asked for too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no head for BLIP's hidden states",
    note = "use `blip_nn::Linear` or `blip_encoder::ClassHead`, or implement `blip_traits::Head` for your own"
)]
pub trait Head: Send + Sync {
    /// Applies the head to every token.
    ///
    /// # Shapes
    ///
    /// - states: `[batch, tokens, hidden_size]`
    /// - output: `[batch, tokens, output_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the width is not [`hidden_size`](Self::hidden_size).
    fn apply(&self, states: &HiddenStates) -> Result<Features, ModelError>;

    /// The width of the vectors that it takes.
    fn hidden_size(&self) -> usize;

    /// The number of classes or coordinates.
    fn output_size(&self) -> usize;
}

/// Writes text, one token after the other, while attending a context.
///
/// The context is a sequence of vectors: the picture when captioning, the grounded question when answering. Rows of
/// a request stand in groups: one group for each row of the context, one row a group at the start, and `copies` of it
/// (the beams, or the captions sampled for one picture) after [`DecoderState::fan_out`]. The context is projected once
/// for each group and never copied for its rows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot write text for BLIP",
    note = "use `blip_decoder::TextDecoder`, or implement `blip_traits::TextDecoder` for your own decoder"
)]
pub trait TextDecoder: Send + Sync {
    /// What a request grows: the keys and values of what was written so far.
    type State: DecoderState;

    /// Begins a request: one group for each row of the context, one row a group, nothing written.
    ///
    /// # Shapes
    ///
    /// - context: `[groups, tokens, context_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the width is not [`context_size`](Self::context_size).
    fn start(&self, context: &HiddenStates) -> Result<Self::State, ModelError>;

    /// Writes `positions` tokens to every row and says what may come after each of them.
    ///
    /// One call covers a prompt's prefill, the decoding of one token, and the scoring of a whole given text. Padding on
    /// the right of a given text is harmless: no earlier position sees it.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, positions]`
    /// - output: `[rows, positions, vocab_size]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`] if the rows are not the state's; [`ModelError::TooLong`] or [`ModelError::Token`] for text
    /// that the model cannot take. The state is unchanged then.
    fn step(&self, input_ids: &TokenBatch, state: &mut Self::State) -> Result<Logits, ModelError>;

    /// Writes `positions` tokens to every row and says what may come after the last of them: all that a search asks of a
    /// prompt. A decoder that can leave out the scores of the others does so; this one throws them away.
    ///
    /// # Shapes
    ///
    /// - input_ids: `[rows, positions]`
    /// - output: `[rows, 1, vocab_size]`
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    fn step_last(&self, input_ids: &TokenBatch, state: &mut Self::State) -> Result<Logits, ModelError> {
        self.step(input_ids, state).map(Logits::into_last)
    }

    /// The width of the context's vectors that it takes.
    fn context_size(&self) -> usize;

    /// The number of token ids.
    fn vocab_size(&self) -> usize;
}

/// What a decoder keeps of one request.
pub trait DecoderState: Send {
    /// The number of rows now.
    fn rows(&self) -> usize;

    /// The number of tokens that every row has.
    fn length(&self) -> usize;

    /// Makes `copies` rows out of every row; row `r` becomes rows `r * copies .. (r + 1) * copies`.
    fn fan_out(&mut self, copies: usize);

    /// Row `r` goes on from what row `beam_idx[r]` had; an index stays within its row's group.
    ///
    /// # Panics
    ///
    /// May panic if `beam_idx` has not one index a row or an index leaves its group.
    fn reorder(&mut self, beam_idx: &[usize]);
}

macro_rules! forward_models {
    ($($pointer:ty),+) => {$(
        impl<T: ImageEncoder + ?Sized> ImageEncoder for $pointer {
            fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, ModelError> {
                (**self).encode(pixel_values)
            }
            fn hidden_size(&self) -> usize {
                (**self).hidden_size()
            }
            fn image_size(&self) -> [usize; 2] {
                (**self).image_size()
            }
        }

        impl<T: TextEncoder + ?Sized> TextEncoder for $pointer {
            fn encode(&self, text: &TokenBatch) -> Result<HiddenStates, ModelError> {
                (**self).encode(text)
            }
            fn hidden_size(&self) -> usize {
                (**self).hidden_size()
            }
        }

        impl<T: GroundedEncoder + ?Sized> GroundedEncoder for $pointer {
            type Context = T::Context;

            fn ground(&self, image: &HiddenStates) -> Result<Self::Context, ModelError> {
                (**self).ground(image)
            }
            fn encode(&self, text: &TokenBatch, context: &Self::Context) -> Result<HiddenStates, ModelError> {
                (**self).encode(text, context)
            }
            fn context_size(&self) -> usize {
                (**self).context_size()
            }
            fn hidden_size(&self) -> usize {
                (**self).hidden_size()
            }
        }

        impl<T: PairEncoder + ?Sized> PairEncoder for $pointer {
            fn encode(
                &self,
                text: &TokenBatch,
                first: &HiddenStates,
                second: &HiddenStates,
            ) -> Result<HiddenStates, ModelError> {
                (**self).encode(text, first, second)
            }
            fn context_size(&self) -> usize {
                (**self).context_size()
            }
            fn hidden_size(&self) -> usize {
                (**self).hidden_size()
            }
        }

        impl<T: Head + ?Sized> Head for $pointer {
            fn apply(&self, states: &HiddenStates) -> Result<Features, ModelError> {
                (**self).apply(states)
            }
            fn hidden_size(&self) -> usize {
                (**self).hidden_size()
            }
            fn output_size(&self) -> usize {
                (**self).output_size()
            }
        }

        impl<T: TextDecoder + ?Sized> TextDecoder for $pointer {
            type State = T::State;

            fn start(&self, context: &HiddenStates) -> Result<Self::State, ModelError> {
                (**self).start(context)
            }
            fn step(&self, input_ids: &TokenBatch, state: &mut Self::State) -> Result<Logits, ModelError> {
                (**self).step(input_ids, state)
            }
            fn step_last(
                &self,
                input_ids: &TokenBatch,
                state: &mut Self::State,
            ) -> Result<Logits, ModelError> {
                (**self).step_last(input_ids, state)
            }
            fn context_size(&self) -> usize {
                (**self).context_size()
            }
            fn vocab_size(&self) -> usize {
                (**self).vocab_size()
            }
        }
    )+};
}

forward_models!(&T, Box<T>, Arc<T>);

#[cfg(test)]
mod tests {
    use super::*;

    struct State;

    impl DecoderState for State {
        fn rows(&self) -> usize {
            1
        }
        fn length(&self) -> usize {
            0
        }
        fn fan_out(&mut self, _: usize) {}
        fn reorder(&mut self, _: &[usize]) {}
    }

    // The traits stay object safe: a program can choose its parts at run time.
    #[allow(dead_code)]
    fn object_safe(
        _: &dyn ImageEncoder,
        _: &dyn TextEncoder,
        _: &dyn GroundedEncoder<Context = ()>,
        _: &dyn PairEncoder,
        _: &dyn Head,
        _: &dyn TextDecoder<State = State>,
        _: &dyn DecoderState,
    ) {
    }
}
