//! Runs of one to four words, and how often a caption has each.

use std::collections::HashMap;

/// The longest run that is counted.
pub(crate) const ORDER: usize = 4;

/// One to four words as numbers from 1; 0 fills the rest.
pub(crate) type Ngram = [u32; ORDER];

/// Numbers for words.
#[derive(Default)]
pub(crate) struct Vocabulary<'a>(HashMap<&'a str, u32>);

impl<'a> Vocabulary<'a> {
    /// The runs of a caption. As in the reference, a word with white space inside counts as several.
    pub(crate) fn count(&mut self, words: &'a [String]) -> Counts {
        let mut numbers = Vec::with_capacity(words.len());
        for word in words.iter().flat_map(|word| word.split_whitespace()) {
            let next = self.0.len() as u32 + 1;
            numbers.push(*self.0.entry(word).or_insert(next));
        }
        Counts::new(&numbers)
    }
}

/// How often each run occurs in a caption.
pub(crate) struct Counts {
    /// Words of the caption.
    pub(crate) length: usize,
    /// The runs, each once, the short ones first and then by their first place. Sums over them are taken in this order,
    /// which is the reference's.
    pub(crate) runs: Vec<Run>,
}

/// A run of words.
pub(crate) struct Run {
    /// Its words.
    pub(crate) ngram: Ngram,
    /// How many they are, less one: 0 to 3.
    pub(crate) order: usize,
    /// How often it occurs, at least once.
    pub(crate) count: u32,
}

impl Counts {
    fn new(words: &[u32]) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut places: HashMap<Ngram, usize> = HashMap::new();
        for order in 0..ORDER {
            for window in words.windows(order + 1) {
                let mut ngram = [0; ORDER];
                ngram[..window.len()].copy_from_slice(window);
                let place = *places.entry(ngram).or_insert(runs.len());
                match runs.get_mut(place) {
                    Some(run) => run.count += 1,
                    None => runs.push(Run {
                        ngram,
                        order,
                        count: 1,
                    }),
                }
            }
        }
        Self {
            length: words.len(),
            runs,
        }
    }

    /// How many runs of each length there are, counting repetitions.
    pub(crate) fn totals(&self) -> [usize; ORDER] {
        std::array::from_fn(|order| self.length.saturating_sub(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_in_the_order_of_their_first_places() {
        let words: Vec<String> = ["a", "b", "a", "b"].map(str::to_owned).to_vec();
        let counts = Vocabulary::default().count(&words);
        let runs: Vec<(Ngram, usize, u32)> = counts
            .runs
            .iter()
            .map(|run| (run.ngram, run.order, run.count))
            .collect();
        let expected = [
            ([1, 0, 0, 0], 0, 2),
            ([2, 0, 0, 0], 0, 2),
            ([1, 2, 0, 0], 1, 2),
            ([2, 1, 0, 0], 1, 1),
            ([1, 2, 1, 0], 2, 1),
            ([2, 1, 2, 0], 2, 1),
            ([1, 2, 1, 2], 3, 1),
        ];
        assert_eq!(runs, expected);
        assert_eq!(counts.totals(), [4, 3, 2, 1]);
        assert_eq!(Vocabulary::default().count(&words[..1]).totals(), [1, 0, 0, 0]);
    }

    #[test]
    fn a_word_with_a_space_inside_is_two() {
        let words = ["5\u{a0}1/2".to_owned(), "inches".to_owned()];
        assert_eq!(Vocabulary::default().count(&words).length, 3);
    }
}
