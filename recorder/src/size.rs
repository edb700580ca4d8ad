//! Sizes as operators write and read them.

use thiserror::Error;

/// Reasons why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SizeError {
    /// Its unit is none of the binary ones.
    #[error("unknown unit {0:?}; use KiB, MiB, GiB or TiB")]
    Unit(String),
    /// It does not begin with a whole number.
    #[error("expected a size like 100MiB, found {0:?}")]
    Number(String),
    /// No 64 bits hold it.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// `100MiB`, `1GiB`, `8388608`: binary units only, as decimal ones would not
/// be multiples of a page.
///
/// # Errors
/// [`SizeError`].
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        unit => return Err(SizeError::Unit(unit.to_owned())),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| SizeError::Number(text.to_owned()))?;
    number
        .checked_mul(factor)
        .ok_or_else(|| SizeError::TooLarge(text.to_owned()))
}

/// Bytes as people read them: `5.6 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}
