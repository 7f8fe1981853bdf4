//! How good a retrieval is.
//!
//! Source: salesforce/BLIP@056a169 `train_retrieval.py` `itm_eval`.

use crate::{RetrievalScores, TaskError};

/// Recall at 1, 5 and 10 both ways, in percent. Named as in the original: `txt_r` is for each picture its texts, `img_r`
/// for each text its picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrievalMetrics {
    /// Pictures whose best text is one of theirs.
    pub txt_r1: f64,
    /// Pictures that have one of their texts among the best 5.
    pub txt_r5: f64,
    /// Pictures that have one of their texts among the best 10.
    pub txt_r10: f64,
    /// The mean of the three.
    pub txt_r_mean: f64,
    /// Texts whose best picture is theirs.
    pub img_r1: f64,
    /// Texts that have their picture among the best 5.
    pub img_r5: f64,
    /// Texts that have their picture among the best 10.
    pub img_r10: f64,
    /// The mean of the three.
    pub img_r_mean: f64,
    /// The mean of `txt_r_mean` and `img_r_mean`, by which the original chooses its checkpoints.
    pub r_mean: f64,
}

impl RetrievalMetrics {
    /// The metrics of scores, given for each text the picture that it is of.
    ///
    /// Among equal scores the last comes first, as in the original (`numpy.argsort`, reversed).
    ///
    /// # Errors
    ///
    /// [`TaskError::Setting`] if a matrix is not of as many pictures and texts as the other and `image_of_text`, there is
    /// none of either, a score is NaN, a text is of no picture, or a picture has no text.
    pub fn new(scores: &RetrievalScores, image_of_text: &[usize]) -> Result<Self, TaskError> {
        let (pictures, texts) = (scores.image_to_text.len(), scores.text_to_image.len());
        let shape = |matrix: &[Vec<f32>], columns: usize| matrix.iter().all(|row| row.len() == columns);
        if texts != image_of_text.len()
            || !shape(&scores.image_to_text, texts)
            || !shape(&scores.text_to_image, pictures)
        {
            let got = format!("{pictures} pictures and {texts} texts");
            let expected = format!("matrices of all pictures and {} texts", image_of_text.len());
            return Err(TaskError::setting("scores", expected, got));
        }
        let scores_of = [&scores.image_to_text, &scores.text_to_image];
        if scores_of
            .into_iter()
            .flatten()
            .flatten()
            .any(|score| score.is_nan())
        {
            return Err(TaskError::setting("scores", "numbers", "NaN"));
        }
        let mut texts_of_image = vec![Vec::new(); pictures];
        for (text, &picture) in image_of_text.iter().enumerate() {
            match texts_of_image.get_mut(picture) {
                Some(of_image) => of_image.push(text),
                None => {
                    let expected = format!("below {pictures}, the number of pictures");
                    return Err(TaskError::setting("image_of_text", expected, picture));
                }
            }
        }
        if let Some(picture) = texts_of_image.iter().position(Vec::is_empty) {
            let got = format!("none for picture {picture}");
            return Err(TaskError::setting(
                "image_of_text",
                "a text for each picture",
                got,
            ));
        }
        if pictures == 0 {
            return Err(TaskError::setting("scores", "at least one picture", 0));
        }
        let of_images: Vec<usize> = scores
            .image_to_text
            .iter()
            .zip(&texts_of_image)
            .map(|(row, texts)| best_rank(row, texts))
            .collect();
        let of_texts: Vec<usize> = scores
            .text_to_image
            .iter()
            .zip(image_of_text)
            .map(|(row, &picture)| best_rank(row, &[picture]))
            .collect();
        let [txt_r1, txt_r5, txt_r10] = [1, 5, 10].map(|k| recall(&of_images, k));
        let [img_r1, img_r5, img_r10] = [1, 5, 10].map(|k| recall(&of_texts, k));
        let txt_r_mean = (txt_r1 + txt_r5 + txt_r10) / 3.0;
        let img_r_mean = (img_r1 + img_r5 + img_r10) / 3.0;
        Ok(Self {
            txt_r1,
            txt_r5,
            txt_r10,
            txt_r_mean,
            img_r1,
            img_r5,
            img_r10,
            img_r_mean,
            r_mean: (txt_r_mean + img_r_mean) / 2.0,
        })
    }
}

/// The best place, from 0, that one of some entries has among all scores.
fn best_rank(scores: &[f32], entries: &[usize]) -> usize {
    let rank = |entry: usize| {
        let score = scores[entry];
        let before = |&(other, value): &(usize, &f32)| *value > score || (*value == score && other > entry);
        scores.iter().enumerate().filter(before).count()
    };
    entries
        .iter()
        .map(|&entry| rank(entry))
        .min()
        .unwrap_or(scores.len())
}

/// Percent of ranks below `k`.
fn recall(ranks: &[usize], k: usize) -> f64 {
    100.0 * ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equals_comes_first() {
        assert_eq!(best_rank(&[1.0, 2.0, 2.0], &[1]), 1);
        assert_eq!(best_rank(&[1.0, 2.0, 2.0], &[2]), 0);
        assert_eq!(best_rank(&[1.0, 2.0, 2.0], &[0, 1]), 1);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let scores = RetrievalScores {
            image_to_text: vec![vec![0.0; 2]],
            text_to_image: vec![vec![0.0]; 2],
        };
        let error = |of: &[usize]| RetrievalMetrics::new(&scores, of).unwrap_err().to_string();
        assert!(error(&[0]).contains("2 texts"), "{}", error(&[0]));
        assert_eq!(
            error(&[0, 1]),
            "image_of_text: expected below 1, the number of pictures, got 1"
        );
        let nothing = RetrievalScores {
            image_to_text: vec![vec![f32::NAN; 2]],
            ..scores.clone()
        };
        let refused = RetrievalMetrics::new(&nothing, &[0, 0]).unwrap_err();
        assert_eq!(refused.to_string(), "scores: expected numbers, got NaN");
        let perfect = RetrievalMetrics::new(&scores, &[0, 0]).unwrap();
        assert_eq!(perfect.r_mean, 100.0);
    }
}
