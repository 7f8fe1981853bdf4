//! Search over galleries: nearest by cosine, then re-ranked by the matching head.
//!
//! ```text
//! text ── Embedder ─▶ VectorIndex of pictures ─ top k ─▶ ITM with each picture's hidden states ─▶ logit + cosine
//! image ─ Embedder ─▶ VectorIndex of texts ──── top k ─▶ ITM, the picture grounded once ───────▶ logit + cosine
//! ```
//!
//! Source: salesforce/BLIP@056a169 `train_retrieval.py` `evaluation`.

use blip_traits::{GroundedEncoder, Head, HiddenStates, ImageEncoder, TextEncoder, Tokenizer, VectorIndex};

use crate::compose::{check_width, descending};
use crate::{Embeddings, Matcher, TaskError};

/// What a search wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchOptions {
    /// Entries that are given back; fewer if the gallery has fewer.
    pub top_k: usize,
    /// Nearest entries that the matching head ranks again, at least `top_k` of them; 0 leaves the order to the cosine.
    pub rerank: usize,
}

impl Default for SearchOptions {
    /// Ten, by cosine alone.
    fn default() -> Self {
        Self { top_k: 10, rerank: 0 }
    }
}

/// An entry of a gallery, as a search found it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The entry's place in the index.
    pub index: usize,
    /// What the entries are ranked by: `itm_logit + itc_similarity` where they were re-ranked, else `itc_similarity`.
    pub score: f32,
    /// The cosine of the query's vector and the entry's.
    pub itc_similarity: f32,
    /// The matching head's score of a match, where the entries were re-ranked.
    pub itm_logit: Option<f32>,
}

/// Scores of pictures and texts both ways, as the retrieval evaluation makes them.
///
/// What was not among the nearest has [`NOT_RANKED`](Self::NOT_RANKED).
#[derive(Clone, Debug, PartialEq)]
pub struct RetrievalScores {
    /// For each picture its texts: `[pictures][texts]`.
    pub image_to_text: Vec<Vec<f32>>,
    /// For each text its pictures: `[texts][pictures]`.
    pub text_to_image: Vec<Vec<f32>>,
}

impl RetrievalScores {
    /// The score of a pair that was not among the nearest.
    pub const NOT_RANKED: f32 = -100.0;
}

impl<V, E, H, T> Matcher<V, E, H, T>
where
    V: ImageEncoder,
    E: TextEncoder + GroundedEncoder,
    H: Head,
    T: Tokenizer,
{
    /// The pictures of a gallery that fit a text, best first.
    ///
    /// `states` is asked for the hidden states, `[1, tokens, hidden_size]`, of each picture that is ranked again.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if the index is of vectors of another length;
    /// what the index, the networks and `states` fail with.
    pub fn search_pictures<X: From<TaskError>>(
        &self,
        text: &str,
        index: &(impl VectorIndex + ?Sized),
        options: &SearchOptions,
        mut states: impl FnMut(usize) -> Result<HiddenStates, X>,
    ) -> Result<Vec<Found>, X> {
        let query = self.embedder().embed_texts(&[text])?;
        let rows = self.rows(&[text], self.policy().retrieval_first_token)?;
        let mut found = self.nearest(&query, index, options)?;
        if options.rerank > 0 {
            for found in &mut found {
                let logits = self.itm_logits(&states(found.index)?, &rows)?;
                found.rank_by(logits[0][1]);
            }
        }
        Ok(best(found, options.top_k))
    }

    /// The texts of a gallery that fit a picture, best first.
    ///
    /// `text_of` is asked for each text that is ranked again.
    ///
    /// # Shapes
    ///
    /// - image: `[1, tokens, hidden_size]`
    ///
    /// # Errors
    ///
    /// As [`search_pictures`](Self::search_pictures).
    pub fn search_texts<X: From<TaskError>>(
        &self,
        image: &HiddenStates,
        index: &(impl VectorIndex + ?Sized),
        options: &SearchOptions,
        mut text_of: impl FnMut(usize) -> Result<String, X>,
    ) -> Result<Vec<Found>, X> {
        let query = self.embedder().embed_images(image)?;
        let mut found = self.nearest(&query, index, options)?;
        if options.rerank > 0 {
            let texts: Vec<String> = found
                .iter()
                .map(|found| text_of(found.index))
                .collect::<Result<_, X>>()?;
            let rows = self.rows(&texts, self.policy().retrieval_first_token)?;
            for (found, logits) in found.iter_mut().zip(self.itm_logits(image, &rows)?) {
                found.rank_by(logits[1]);
            }
        }
        Ok(best(found, options.top_k))
    }

    /// The entries of a gallery that are nearest to a vector by cosine: pictures to a picture, texts to a text.
    ///
    /// # Errors
    ///
    /// [`ModelError::Incompatible`](blip_traits::ModelError::Incompatible) if the index is of vectors of another length;
    /// what the index fails with.
    pub fn search_similar(
        &self,
        query: &Embeddings,
        index: &(impl VectorIndex + ?Sized),
        top_k: usize,
    ) -> Result<Vec<Found>, TaskError> {
        self.nearest(query, index, &SearchOptions { top_k, rerank: 0 })
    }

    /// Scores of pictures and texts both ways, for [`RetrievalMetrics`](crate::RetrievalMetrics).
    ///
    /// For each picture its `k_test` nearest texts, and for each text its `k_test` nearest pictures, have `logit + cosine`.
    /// A pair that counts both ways is computed once, and a picture is grounded once for all its texts. `states` is asked
    /// for the hidden states, `[1, tokens, hidden_size]`, of each picture; first of every one, then of each again.
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] for a `k_test` of 0, and what the networks and `states` fail with.
    pub fn retrieval_scores<S: AsRef<str>, X: From<TaskError>>(
        &self,
        pictures: usize,
        mut states: impl FnMut(usize) -> Result<HiddenStates, X>,
        texts: &[S],
        k_test: usize,
    ) -> Result<RetrievalScores, X> {
        let embed_dim = self.embedder().embed_dim();
        if k_test == 0 {
            return Err(TaskError::setting("k_test", "at least 1", 0).into());
        }
        let mut vectors = Vec::new();
        for picture in 0..pictures {
            let embedded = self.embedder().embed_images(&states(picture)?)?;
            vectors.extend_from_slice(embedded.as_slice());
        }
        let images = Embeddings::new(vectors, embed_dim).map_err(TaskError::from)?;
        let embedded = self.embedder().embed_texts(texts)?;
        let similarities = images.similarities(&embedded).map_err(TaskError::from)?;
        let rows = self.rows(texts, self.policy().retrieval_first_token)?;

        let mut scores = RetrievalScores {
            image_to_text: vec![vec![RetrievalScores::NOT_RANKED; texts.len()]; pictures],
            text_to_image: vec![vec![RetrievalScores::NOT_RANKED; pictures]; texts.len()],
        };
        let of_text: Vec<Vec<bool>> = (0..texts.len())
            .map(|text| {
                let column: Vec<f32> = similarities.iter().map(|of_picture| of_picture[text]).collect();
                among_nearest(&column, k_test)
            })
            .collect();
        for (picture, similarities) in similarities.iter().enumerate() {
            let of_picture = among_nearest(similarities, k_test);
            let wanted: Vec<usize> = (0..texts.len())
                .filter(|&text| of_picture[text] || of_text[text][picture])
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let wanted_rows: Vec<Vec<u32>> = wanted.iter().map(|&text| rows[text].clone()).collect();
            let logits = self.itm_logits(&states(picture)?, &wanted_rows)?;
            for (&text, logits) in wanted.iter().zip(logits) {
                let score = logits[1] + similarities[text];
                if of_picture[text] {
                    scores.image_to_text[picture][text] = score;
                }
                if of_text[text][picture] {
                    scores.text_to_image[text][picture] = score;
                }
            }
        }
        Ok(scores)
    }

    fn nearest(
        &self,
        query: &Embeddings,
        index: &(impl VectorIndex + ?Sized),
        options: &SearchOptions,
    ) -> Result<Vec<Found>, TaskError> {
        check_width(
            "embed_dim",
            ("the query", query.embed_dim()),
            ("the index", index.embed_dim()),
        )?;
        if query.len() != 1 {
            return Err(TaskError::setting("query", "one vector", query.len()));
        }
        let count = if options.rerank > 0 {
            options.rerank.max(options.top_k)
        } else {
            options.top_k
        };
        let found = index.search(query.row(0), count)?;
        Ok(found
            .into_iter()
            .map(|neighbor| Found {
                index: neighbor.index,
                score: neighbor.similarity,
                itc_similarity: neighbor.similarity,
                itm_logit: None,
            })
            .collect())
    }
}

impl Found {
    fn rank_by(&mut self, itm_logit: f32) {
        self.itm_logit = Some(itm_logit);
        self.score = itm_logit + self.itc_similarity;
    }
}

/// The `top_k` best; among equals in the order of the cosine.
fn best(mut found: Vec<Found>, top_k: usize) -> Vec<Found> {
    found.sort_by(|a, b| descending(a.score, b.score));
    found.truncate(top_k);
    found
}

/// Which of some similarities are among the `k` greatest; of equals the first.
fn among_nearest(similarities: &[f32], k: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..similarities.len()).collect();
    order.sort_by(|&a, &b| descending(similarities[a], similarities[b]));
    let mut among = vec![false; similarities.len()];
    order.into_iter().take(k).for_each(|index| among[index] = true);
    among
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equals_the_first_are_nearest() {
        assert_eq!(
            among_nearest(&[0.1, 0.5, 0.5, 0.5], 2),
            [false, true, true, false]
        );
        assert_eq!(among_nearest(&[0.1], 5), [true]);
    }
}
