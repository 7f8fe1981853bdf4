//! Whether sizes describe a network.

/// Sizes that describe no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// A size that has to be at least 1.
    #[error("{config}: {name} is 0")]
    Zero {
        /// The configuration: `text config`, `vision config`.
        config: &'static str,
        /// The configuration's field.
        name: &'static str,
    },

    /// The width cannot be split into heads.
    #[error("{config}: hidden_size {hidden_size} is not a multiple of num_attention_heads {heads}")]
    Heads {
        /// The configuration: `text config`, `vision config`.
        config: &'static str,
        /// `hidden_size`.
        hidden_size: usize,
        /// `num_attention_heads`.
        heads: usize,
    },

    /// A network to begin as, of another depth.
    #[error("expected {expected} layers, got {got}")]
    Depth {
        /// Those that are there.
        expected: usize,
        /// Those that were asked for.
        got: usize,
    },
}

/// Checks that no size is 0 and that the heads divide the width.
///
/// # Errors
///
/// [`SizeError`] naming `config` and the first field that is wrong.
pub fn check_sizes(
    config: &'static str,
    hidden_size: usize,
    num_attention_heads: usize,
    others: &[(&'static str, usize)],
) -> Result<(), SizeError> {
    let sizes = [
        ("hidden_size", hidden_size),
        ("num_attention_heads", num_attention_heads),
    ];
    if let Some(&(name, _)) = sizes.iter().chain(others).find(|(_, size)| *size == 0) {
        return Err(SizeError::Zero { config, name });
    }
    if !hidden_size.is_multiple_of(num_attention_heads) {
        return Err(SizeError::Heads {
            config,
            hidden_size,
            heads: num_attention_heads,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wrong_field_is_named() {
        let error = check_sizes("text config", 8, 2, &[("vocab_size", 0)]).unwrap_err();
        assert_eq!(error.to_string(), "text config: vocab_size is 0");
        let error = check_sizes("vision config", 8, 3, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "vision config: hidden_size 8 is not a multiple of num_attention_heads 3"
        );
        let error = check_sizes("vision config", 8, 0, &[]).unwrap_err();
        assert_eq!(error.to_string(), "vision config: num_attention_heads is 0");
        check_sizes("text config", 8, 2, &[("vocab_size", 1)]).unwrap();
    }
}
