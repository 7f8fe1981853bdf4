//! What flags take: each parser says what it expected, and clap names the flag.

use std::path::Path;

use blip_core::is_picture;

/// A number of things: 1 to 4096.
///
/// # Errors
///
/// For anything else.
pub fn count(text: &str) -> Result<usize, String> {
    within(text, 1, 4096)
}

/// A number of things of which there may be any number: 1 or more.
///
/// # Errors
///
/// For anything else.
pub fn some(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// The length of a text in tokens, first and last one included: 2 to 4096.
///
/// # Errors
///
/// For anything else.
pub fn length(text: &str) -> Result<usize, String> {
    within(text, 2, 4096)
}

fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("expected a number from {least} to {most}"))
}

/// A finite number above 0.
///
/// # Errors
///
/// For anything else.
pub fn positive(text: &str) -> Result<f32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number: &f32| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// A number above 0, at most 1.
///
/// # Errors
///
/// For anything else.
pub fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number| *number > 0.0 && *number <= 1.0);
    number.ok_or_else(|| "expected a number above 0, at most 1".to_owned())
}

/// The exponent of a beam's length: -100 to 100.
///
/// # Errors
///
/// For anything else.
pub fn length_penalty(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.abs() <= 100.0);
    number.ok_or_else(|| "expected a number from -100 to 100".to_owned())
}

/// A text of a flag that takes several.
///
/// # Errors
///
/// For what looks like a picture's file: whoever names one behind such a flag means it as a picture, and it would become
/// a text.
pub fn text(text: &str) -> Result<String, String> {
    let path = Path::new(text);
    if is_picture(path) && (path.is_file() || !text.contains(char::is_whitespace)) {
        return Err("expected a text, got a picture's name; pictures come before the texts".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!((count("4096"), some("4097")), (Ok(4096), Ok(4097)));
        assert_eq!(length("2"), Ok(2));
        assert_eq!(length_penalty("-1"), Ok(-1.0));
        assert_eq!(probability("1"), Ok(1.0));
        for number in ["0", "4097", "-1", "many", ""] {
            assert!(count(number).is_err(), "{number}");
            assert!(number == "4097" || some(number).is_err(), "{number}");
        }
        for number in ["0", "-1", "inf", "NaN"] {
            assert!(
                positive(number).is_err() && probability(number).is_err(),
                "{number}"
            );
        }
        assert!(length_penalty("NaN").is_err() && length_penalty("101").is_err());
    }

    #[test]
    fn a_picture_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("a dog.jpg");
        let name = picture.to_str().unwrap();
        assert_eq!(text(name).unwrap(), name);
        std::fs::write(&picture, b"").unwrap();
        assert!(text(name).is_err() && text("gone.png").is_err());
        assert!(text("").is_ok() && text("is it in beach.jpg?").is_ok());
    }
}
