//! Small steps along a text. Each starts at a place and gives the place where it ends.

/// The character at a place.
pub(super) fn peek(text: &[char], at: usize) -> Option<char> {
    text.get(at).copied()
}

/// Whether the character at a place is of a class. Behind the end there is none.
pub(super) fn is(text: &[char], at: usize, class: impl Fn(char) -> bool) -> bool {
    peek(text, at).is_some_and(class)
}

/// Past one character of a class.
pub(super) fn one(text: &[char], at: usize, class: impl Fn(char) -> bool) -> Option<usize> {
    is(text, at, class).then_some(at + 1)
}

/// Past as many characters of a class as there are.
pub(super) fn run(text: &[char], at: usize, class: impl Fn(char) -> bool) -> usize {
    let mut end = at;
    while is(text, end, &class) {
        end += 1;
    }
    end
}

/// Past one to all characters of a class.
pub(super) fn some(text: &[char], at: usize, class: impl Fn(char) -> bool) -> Option<usize> {
    let end = run(text, at, class);
    (end > at).then_some(end)
}

/// Past a whole run of a class that is between `least` and `most` characters long.
pub(super) fn counted(
    text: &[char],
    at: usize,
    least: usize,
    most: usize,
    class: impl Fn(char) -> bool,
) -> Option<usize> {
    let end = run(text, at, class);
    (least..=most).contains(&(end - at)).then_some(end)
}

/// Past the first `most` characters of a run, if it is at least `least` characters long.
pub(super) fn at_most(
    text: &[char],
    at: usize,
    least: usize,
    most: usize,
    class: impl Fn(char) -> bool,
) -> Option<usize> {
    let end = run(text, at, class).min(at + most);
    (end - at >= least).then_some(end)
}

/// Past a text that is spelled so, in capitals or not. The spelling is in lower-case ASCII.
pub(super) fn literal(text: &[char], at: usize, spelling: &str) -> Option<usize> {
    let mut end = at;
    for expected in spelling.chars() {
        if peek(text, end)?.to_ascii_lowercase() != expected {
            return None;
        }
        end += 1;
    }
    Some(end)
}

/// Past the longest of several spellings.
pub(super) fn literals(text: &[char], at: usize, spellings: &[&str]) -> Option<usize> {
    spellings
        .iter()
        .filter_map(|spelling| literal(text, at, spelling))
        .max()
}
