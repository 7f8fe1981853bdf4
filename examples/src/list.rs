//! Texts in a file, one a line.

use std::error::Error;
use std::path::Path;

/// The lines of a UTF-8 file without the spaces around them; blank ones are left out.
///
/// # Errors
///
/// If the file cannot be read or has nothing but blank lines; the error names it.
pub fn list(path: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let shown = path.display();
    let content =
        std::fs::read_to_string(path).map_err(|error| format!("{shown}: cannot read it: {error}"))?;
    // Some editors begin a file with a byte order mark.
    let lines = content.trim_start_matches('\u{feff}').lines().map(str::trim);
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(format!("{shown}: expected a text on each line, got none").into());
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_no_texts_and_nothing_else_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "\u{feff}yes\r\n\n  two dogs \n \t\n").unwrap();
        assert_eq!(list(file.path()).unwrap(), ["yes", "two dogs"]);
        for nothing in ["", "\n \n"] {
            std::fs::write(&file, nothing).unwrap();
            let error = list(file.path()).unwrap_err().to_string();
            assert!(error.contains(&file.path().display().to_string()), "{error}");
        }
    }
}
