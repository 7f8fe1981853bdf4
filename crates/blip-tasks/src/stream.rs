//! Text in pieces while it is written.

/// A piece of a text that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPiece<'a> {
    /// The picture's place in its batch.
    pub picture: usize,
    /// Which of several texts for the picture.
    pub copy: usize,
    /// What comes next in the text. The pieces of a text, put together, are the text.
    pub text: &'a str,
}

/// How much of a growing text has been given out.
///
/// A word is held back until the next begins, since word pieces may still join it; so is punctuation with the word
/// before it, since decoding takes out the spaces around an apostrophe once its right side is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextStream {
    given: String,
}

impl TextStream {
    /// The piece that has become certain, given the text so far. May be empty.
    pub(crate) fn advance<'a>(&mut self, text: &'a str) -> &'a str {
        self.give(&text[..certain(text)])
    }

    /// The rest, given the whole text.
    pub(crate) fn finish<'a>(&mut self, text: &'a str) -> &'a str {
        self.give(text)
    }

    fn give<'a>(&mut self, text: &'a str) -> &'a str {
        let piece = text.strip_prefix(self.given.as_str()).unwrap_or("");
        self.given.push_str(piece);
        piece
    }
}

/// The length in bytes of what no later token changes.
fn certain(text: &str) -> usize {
    let mut end = text.len();
    loop {
        let Some(space) = text[..end].rfind(' ') else {
            return 0;
        };
        let word = &text[space + 1..end];
        end = space;
        if word.starts_with(char::is_alphanumeric) {
            return end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[&str]) -> Vec<String> {
        let mut stream = TextStream::default();
        let mut pieces: Vec<String> = texts.iter().map(|text| stream.advance(text).to_owned()).collect();
        pieces.push(stream.finish(texts[texts.len() - 1]).to_owned());
        pieces
    }

    #[test]
    fn a_word_is_held_back_until_the_next() {
        assert_eq!(
            pieces(&["a", "a snow", "a snowboard", "a snowboard here"]),
            ["", "a", "", " snowboard", " here"]
        );
    }

    #[test]
    fn apostrophes_join_what_is_held_back() {
        assert_eq!(
            pieces(&["a man", "a man '", "a man's", "a man's dog", "a man's dog."]),
            ["a", "", "", " man's", "", " dog."]
        );
        assert_eq!(
            pieces(&["do", "do n", "do n '", "don't"]),
            ["", "do", "", "", "n't"]
        );
    }

    #[test]
    fn an_empty_text_has_empty_pieces() {
        assert_eq!(pieces(&["", ""]), ["", "", ""]);
    }
}
