//! Errors of names: what a file is called when it is not called by the rule.

use thiserror::Error;

/// Reasons why a text is not a name of this format. Each holds the start of the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is not the name of an archive file.
    #[error("expected a name like 2026-11-21T10Z-12345-12890, found {0:?}")]
    Archive(String),
    /// It is not a HASH.
    #[error("expected 32 lower-case hex digits, found {0:?}")]
    Hash(String),
    /// It is not the name of a black box.
    #[error(
        "expected HEIGHT-HASH (32 lower-case hex digits) or HEIGHT-incomplete, with .2 or more at \
         the end for a later box, found {0:?}"
    )]
    Box(String),
}

/// As much of a text as an error shows.
pub(crate) fn start_of(text: &str) -> String {
    text.chars().take(80).collect()
}
