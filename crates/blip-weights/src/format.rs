//! Which format a file has, told by its first bytes: published checkpoints carry every extension.

/// The first bytes that decide; a tar header ends at 512.
pub(crate) const HEAD: usize = 512;

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    Pytorch,
    Json,
    /// No weights: what it is instead, for the error.
    Foreign(String),
}

/// Recognises a file by its first [`HEAD`] bytes, or all of a shorter one.
pub(crate) fn recognise(head: &[u8]) -> Format {
    let foreign = |found: &str| Format::Foreign(found.to_owned());
    let pickle = head.starts_with(b"PK\x03\x04") || head.first() == Some(&0x80);
    // Eight bytes of header length, then the header, a JSON object. A pickle's fifth to eighth byte are never
    // all zero, so a length whose lowest byte looks like one is still told apart.
    if head.get(8) == Some(&b'{') && (!pickle || head[4..8] == [0; 4]) {
        return Format::Safetensors;
    }
    // A tar of torch before 0.1.10 has its magic at 257.
    if pickle || head.get(257..262) == Some(b"ustar") {
        return Format::Pytorch;
    }
    let text = head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start();
    match text {
        [] if head.is_empty() => foreign("an empty file"),
        _ if text.starts_with(b"version https://git-lfs") => {
            foreign("a Git LFS pointer, which stands for weights that were not downloaded (git lfs pull)")
        }
        [b'<', ..] => foreign("an HTML or XML page"),
        [b'{', ..] => Format::Json,
        _ if head.starts_with(b"\x89HDF") => foreign("an HDF5 file (TensorFlow or Keras weights)"),
        _ if head.starts_with(b"GGUF") => foreign("a GGUF file"),
        _ if head.starts_with(b"\x1f\x8b") => foreign("a gzip archive"),
        _ => Format::Foreign(format!(
            "unknown content that starts with {:02x?}",
            &head[..head.len().min(8)]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        assert_eq!(recognise(b"\x80\0\0\0\0\0\0\0{\"a\":"), Format::Safetensors);
        assert_eq!(
            recognise(b"\xff\xff\xff\xff\xff\xff\xff\xff{"),
            Format::Safetensors
        );
        assert_eq!(recognise(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"), Format::Pytorch);
        assert_eq!(recognise(b"PK\x03\x04\0\0\x08\x08\0"), Format::Pytorch);
        assert_eq!(recognise(b"{\"weight_map\": {}}"), Format::Json);
    }

    #[test]
    fn what_is_no_checkpoint_is_called_by_its_name() {
        for (head, name) in [
            (&b""[..], "empty"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"\n<!DOCTYPE html>", "HTML"),
            (b"\x89HDF\r\n", "HDF5"),
            (b"GGUF\x03", "GGUF"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"abc", "[61, 62, 63]"),
        ] {
            match recognise(head) {
                Format::Foreign(found) => assert!(found.contains(name), "{found}"),
                other => panic!("{head:?} was taken for {other:?}"),
            }
        }
    }
}
