//! The name that was probably meant.

/// More names than this are not searched: an error message must not take minutes.
const MOST_NAMES: usize = 20_000;

/// Longer names are not compared.
const LONGEST_NAME: usize = 256;

/// The name in `names` with the fewest edits to `wanted`, if it shares at least half of it.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > LONGEST_NAME {
        return None;
    }
    names
        .into_iter()
        .take(MOST_NAMES)
        .filter(|name| name.len() <= LONGEST_NAME)
        .map(|name| (edits(wanted.as_bytes(), name.as_bytes()), name))
        .min()
        .filter(|&(edits, _)| 2 * edits <= wanted.len())
        .map(|(_, name)| name)
}

/// The edit distance of Levenshtein, in bytes.
fn edits(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_as_levenshtein_does() {
        assert_eq!(edits(b"kitten", b"sitting"), 3);
        assert_eq!(edits(b"", b"abc"), 3);
        assert_eq!(edits(b"abc", b"abc"), 0);
    }

    #[test]
    fn the_nearest_name_is_named_only_if_it_is_near() {
        let names = ["norm.weight", "blocks.0.attn.qkv.weight"];
        assert_eq!(nearest("blocks.0.attn.qvk.weight", names), Some(names[1]));
        assert_eq!(nearest("itm_head.bias", names), None);
    }
}
