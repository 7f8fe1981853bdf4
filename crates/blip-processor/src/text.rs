//! What the original does to a caption or a question before it is tokenized.
//!
//! Hugging Face's processors clean nothing, so that "A dog." and "a dog" match a picture differently there.
//!
//! Source: salesforce/BLIP@056a169 `data/utils.py` `pre_caption` and `pre_question`.

/// The punctuation that is taken out. Commas, apostrophes, hyphens, slashes and question marks stay.
fn is_taken_out(character: char) -> bool {
    matches!(
        character,
        '.' | '!' | '"' | '(' | ')' | '*' | '#' | ':' | ';' | '~'
    )
}

/// What Python's `\s` matches: Unicode's white space, and four separators of ASCII.
fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// A caption in lower case, without punctuation, with single spaces, of at most `max_words` words.
///
/// The original keeps 30 words for retrieval, captioning and pre-training, and 40 for NLVR2; LAVIS keeps 50.
///
/// # Examples
///
/// ```
/// use blip_processor::pre_caption;
///
/// assert_eq!(pre_caption("A man's  dog (brown), asleep.", 50), "a man's dog brown , asleep");
/// assert_eq!(pre_caption("one two three", 2), "one two");
/// ```
pub fn pre_caption(text: &str, max_words: usize) -> String {
    let lower = text.to_lowercase().replace(is_taken_out, " ");
    let mut caption = String::with_capacity(lower.len());
    let mut characters = lower.chars().peekable();
    while let Some(character) = characters.next() {
        if is_space(character) && characters.next_if(|next| is_space(*next)).is_some() {
            // A run of two or more becomes one space; one alone stays what it is.
            while characters.next_if(|next| is_space(*next)).is_some() {}
            caption.push(' ');
        } else {
            caption.push(character);
        }
    }
    first_words(caption.trim_end_matches('\n').trim_matches(' '), max_words)
}

/// A question in lower case, without punctuation but with its question mark, of at most `max_words` words.
///
/// Unlike in a caption, punctuation is deleted and leaves no space, and runs of spaces stay. The original keeps 50
/// words.
///
/// # Examples
///
/// ```
/// use blip_processor::pre_question;
///
/// assert_eq!(pre_question("Is it a dog (or a cat)? ", 50), "is it a dog or a cat?");
/// ```
pub fn pre_question(text: &str, max_words: usize) -> String {
    let question = text.to_lowercase().replace(is_taken_out, "");
    first_words(question.trim_end_matches(' '), max_words)
}

/// The text up to its `max_words`-th space. Between two spaces stands an empty word.
fn first_words(text: &str, max_words: usize) -> String {
    let words: Vec<&str> = text.split(' ').take(max_words).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_get_spaces_and_questions_get_none() {
        assert_eq!(pre_caption("a.b", 50), "a b");
        assert_eq!(pre_question("a.b", 50), "ab");
        assert_eq!(pre_caption("a \n", 50), "a");
        assert_eq!(pre_caption("a\n ", 50), "a");
        assert_eq!(pre_caption("a\tb", 50), "a\tb");
        assert_eq!(pre_question(" a  b ", 50), " a  b");
        assert_eq!(pre_question("a  b c", 2), "a ");
        assert_eq!(pre_caption("a b", 0), "");
        assert_eq!(pre_caption("", 50), "");
    }
}
