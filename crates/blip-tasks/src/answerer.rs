//! Visual question answering.
//!
//! ```text
//! picture ─ ImageEncoder ─▶ HiddenStates ─ ground, once a picture ─┐
//!                          question [ENC] … ─ GroundedEncoder ─────┴▶ HiddenStates of the question
//!   generate:  ─ TextDecoder [DEC] ─ beam search ─▶ answers
//!   rank:      ─ TextDecoder [DEC] ─ first-token shortlist ─ teacher-forced scores ─▶ answers of a list
//! ```
//!
//! Source: salesforce/BLIP@056a169 `models/blip_vqa.py`; transformers 5.23 `models/blip/modeling_blip.py`
//! `BlipForQuestionAnswering`.

use blip_traits::{GroundedEncoder, HiddenStates, ImageEncoder, PixelValues, TextDecoder, Tokenizer};

use crate::compose::{TEXTS_AT_ONCE, batch, check_batch, check_vocabulary, check_width, descending, rows};
use crate::generation::first_token_probabilities;
use crate::{
    Answer, AnswerList, AnswerOptions, GenerationConfig, Hypothesis, RankOptions, RankedAnswer, Search,
    TaskError, TextPolicy, generate, score_texts,
};

/// Answers questions about pictures with any networks that fit each other.
///
/// Holds no request: one answerer serves many threads.
#[derive(Clone, Debug)]
pub struct QuestionAnswerer<V, E, D, T> {
    image_encoder: V,
    question_encoder: E,
    decoder: D,
    tokenizer: T,
    policy: TextPolicy,
}

impl<V, E, D, T> QuestionAnswerer<V, E, D, T>
where
    V: ImageEncoder,
    E: GroundedEncoder,
    D: TextDecoder,
    T: Tokenizer,
{
    /// Puts the parts together. They may be owned, borrowed or shared.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if a part's width is not what the next one attends, or the tokenizer has ids that the
    /// decoder lacks; [`TaskError::Setting`] if the policy makes no sense.
    pub fn new(
        image_encoder: V,
        question_encoder: E,
        decoder: D,
        tokenizer: T,
        policy: TextPolicy,
    ) -> Result<Self, TaskError> {
        check_width(
            "hidden_size",
            ("the image encoder", image_encoder.hidden_size()),
            ("the question encoder", question_encoder.context_size()),
        )?;
        check_width(
            "hidden_size",
            ("the question encoder", question_encoder.hidden_size()),
            ("the text decoder", decoder.context_size()),
        )?;
        check_vocabulary(&tokenizer, decoder.vocab_size())?;
        policy.answering.validate()?;
        Ok(Self {
            image_encoder,
            question_encoder,
            decoder,
            tokenizer,
            policy,
        })
    }

    /// The conventions that it follows.
    pub fn policy(&self) -> &TextPolicy {
        &self.policy
    }

    /// The part that looks at pictures.
    pub fn image_encoder(&self) -> &V {
        &self.image_encoder
    }

    /// The part that reads questions.
    pub fn question_encoder(&self) -> &E {
        &self.question_encoder
    }

    /// The part that writes.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// The part that turns text into ids and back.
    pub fn tokenizer(&self) -> &T {
        &self.tokenizer
    }

    /// Says whether a request makes sense, without a picture: before hours of work, and before the first of many.
    ///
    /// # Errors
    ///
    /// Those of [`answer_encoded`](Self::answer_encoded) that depend neither on the picture nor on the question.
    pub fn check(&self, options: &AnswerOptions) -> Result<(), TaskError> {
        let prompt = self.prompt();
        self.generation(options)?
            .check(self.decoder.vocab_size(), &prompt)
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
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's.
    pub fn encode(&self, pixel_values: &PixelValues) -> Result<HiddenStates, TaskError> {
        Ok(self.image_encoder.encode(pixel_values)?)
    }

    /// The answers to questions about pictures, best first: as many questions for each picture, question `q` about picture
    /// `q / (questions / pictures)`.
    ///
    /// # Shapes
    ///
    /// - pixel_values: `[pictures, 3, height, width]`
    /// - output: `[questions][answers]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the pictures' size is not the encoder's, and those of
    /// [`answer_encoded`](Self::answer_encoded).
    pub fn answer<S: AsRef<str>>(
        &self,
        pixel_values: &PixelValues,
        questions: &[S],
        options: &AnswerOptions,
    ) -> Result<Vec<Vec<Answer>>, TaskError> {
        self.answer_encoded(&self.encode(pixel_values)?, questions, options)
    }

    /// The answers to questions about pictures that were looked at before, best first: as many questions for each picture,
    /// question `q` about picture `q / (questions / pictures)`.
    ///
    /// The questions are one batch. Unless their padding is masked
    /// ([`mask_question_padding`](AnswerOptions::mask_question_padding)), an answer depends on the longest of them, as in
    /// both references; ask one by one, or mask, for answers that do not.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`
    /// - output: `[questions][answers]`
    ///
    /// # Errors
    ///
    /// [`ModelError::Shape`](blip_traits::ModelError::Shape) if the questions are no multiple of the pictures; [`ModelError::TooLong`](blip_traits::ModelError::TooLong) for a question that
    /// the encoder has no positions for; those of [`generate`]; [`TaskError::Unused`] for an option of another search.
    pub fn answer_encoded<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        questions: &[S],
        options: &AnswerOptions,
    ) -> Result<Vec<Vec<Answer>>, TaskError> {
        let config = self.generation(options)?;
        let prompt = self.prompt();
        config.check(self.decoder.vocab_size(), &prompt)?;
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let mask = options
            .mask_question_padding
            .unwrap_or(self.policy.mask_question_padding);
        let states = self.encode_questions(hidden_states, questions)?;
        let states = if mask { states } else { states.unmasked() };
        let answer = |hypothesis: Hypothesis| {
            Ok(Answer {
                text: self.tokenizer.decode(&hypothesis.token_ids)?,
                score: hypothesis.sequence_score,
                token_ids: hypothesis.token_ids,
                token_log_probs: hypothesis.token_log_probs,
                finish_reason: hypothesis.finish_reason,
            })
        };
        generate(&self.decoder, &states, &prompt, &config, None)?
            .into_iter()
            .map(|answers| answers.into_iter().map(answer).collect())
            .collect()
    }

    /// Reads questions while looking at pictures: what the decoder attends, padding masked.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`
    /// - output: `[questions, length, hidden_size]`
    ///
    /// # Errors
    ///
    /// As [`answer_encoded`](Self::answer_encoded).
    pub fn encode_questions<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        questions: &[S],
    ) -> Result<HiddenStates, TaskError> {
        let (max_length, first) = (self.policy.question_max_length, self.policy.question_first_token);
        let rows = rows(&self.tokenizer, questions, max_length, first)?;
        let context = self.question_encoder.ground(hidden_states)?;
        let text = batch(&self.tokenizer, &rows);
        let states = self.question_encoder.encode(&text, &context)?;
        check_batch(&states, rows.len())?;
        Ok(states)
    }

    /// Makes a list of answers to rank.
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] for no answer; [`ModelError::Foreign`](blip_traits::ModelError::Foreign) if the tokenizer fails.
    pub fn answer_list<S: AsRef<str>>(&self, answers: &[S]) -> Result<AnswerList, TaskError> {
        if answers.is_empty() {
            return Err(TaskError::setting("answers", "at least one", "none"));
        }
        let rows = rows(&self.tokenizer, answers, None, self.policy.generation_first_token)?;
        Ok(AnswerList {
            texts: answers.iter().map(|answer| answer.as_ref().to_owned()).collect(),
            rows,
        })
    }

    /// The answers of a list to questions about pictures that were looked at before, best first.
    ///
    /// The `k_test` answers whose first token is likeliest are scored whole; of equals, those that come first in the list.
    /// The padding of questions is always masked, as in the original, so that a question gets what it gets alone.
    ///
    /// # Shapes
    ///
    /// - hidden_states: `[pictures, tokens, hidden_size]`; as many questions for each picture
    /// - output: `[questions][min(k_test, answers)]`
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] for a `k_test` of 0 or a smoothing outside 0 to 1; those of
    /// [`answer_encoded`](Self::answer_encoded) and [`score_texts`].
    pub fn rank_encoded<S: AsRef<str>>(
        &self,
        hidden_states: &HiddenStates,
        questions: &[S],
        answers: &AnswerList,
        options: &RankOptions,
    ) -> Result<Vec<Vec<RankedAnswer>>, TaskError> {
        if options.k_test == 0 {
            return Err(TaskError::setting("k_test", "at least 1", 0));
        }
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        let states = self.encode_questions(hidden_states, questions)?;
        (0..questions.len())
            .map(|question| self.rank(&states.row(question), answers, options))
            .collect()
    }

    /// Ranks for one question, `[1, length, hidden_size]`.
    fn rank(
        &self,
        question: &HiddenStates,
        answers: &AnswerList,
        options: &RankOptions,
    ) -> Result<Vec<RankedAnswer>, TaskError> {
        let [first] = self.prompt();
        let seconds = answers
            .rows
            .iter()
            .map(|row| row.get(1).copied().unwrap_or(first));
        let probabilities = first_token_probabilities(&self.decoder, question, first, seconds)?;
        let mut shortlist: Vec<usize> = (0..answers.len()).collect();
        // Stable: of equals, the first of the list.
        shortlist.sort_by(|&a, &b| descending(probabilities[a], probabilities[b]));
        shortlist.truncate(options.k_test);

        let mut ranked = Vec::with_capacity(shortlist.len());
        for chunk in shortlist.chunks(TEXTS_AT_ONCE) {
            let rows: Vec<Vec<u32>> = chunk.iter().map(|&index| answers.rows[index].clone()).collect();
            let scores = score_texts(&self.decoder, question, &rows, options.label_smoothing)?;
            for ((&index, token_ids), score) in chunk.iter().zip(rows).zip(scores) {
                ranked.push(RankedAnswer {
                    index,
                    text: answers.texts[index].clone(),
                    score: score.smoothed,
                    log_probability: score.log_probability,
                    first_token_probability: probabilities[index],
                    token_ids,
                });
            }
        }
        ranked.sort_by(|a, b| descending(a.score, b.score).then(a.index.cmp(&b.index)));
        Ok(ranked)
    }

    /// What every answer begins with.
    fn prompt(&self) -> [u32; 1] {
        let special_tokens = self.tokenizer.special_tokens();
        [self.policy.generation_first_token.id(&special_tokens)]
    }

    /// Turns options into numbers.
    fn generation(&self, options: &AnswerOptions) -> Result<GenerationConfig, TaskError> {
        let search = options.search();
        let mut config = search.over(&self.policy.answering, &self.policy)?;
        config.eos_token_id = self.tokenizer.special_tokens().sep;
        if options.num_return_sequences.is_none()
            && let Search::Beam(beam) = &config.search
        {
            config.num_return_sequences = beam.num_beams;
        }
        if options.max_length.is_none() && self.policy.max_length_beyond_prompt {
            config.max_length += 1;
        }
        config.validate()?;
        Ok(config)
    }
}
