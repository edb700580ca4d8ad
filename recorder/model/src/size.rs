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
    let mut value = bytes as f64 / 1024.0;
    let mut units = ["KiB", "MiB", "GiB", "TiB"].iter();
    // What would be printed as 1024.0 is 1.0 of the next unit.
    while value >= 1023.95 && units.len() > 1 {
        value /= 1024.0;
        units.next();
    }
    match units.next() {
        Some(unit) if bytes >= 1024 => format!("{value:.1} {unit}"),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_and_binary() {
        for (text, bytes) in [
            ("8388608", 8 << 20),
            ("7B", 7),
            ("64K", 64 << 10),
            ("64KiB", 64 << 10),
            ("100MiB", 100 << 20),
            ("8G", 8 << 30),
            ("1TiB", 1 << 40),
            ("16777215TiB", 16_777_215 << 40),
            // No f64 holds these.
            ("9007199254740993", (1 << 53) + 1),
            ("8796093022209KiB", 8_796_093_022_209 << 10),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for (text, words) in [
            ("64MB", "unknown unit \"MB\"; use KiB, MiB"),
            ("64kib", "unknown unit"),
            ("1.5GiB", "expected a size like 100MiB"),
            ("8 GiB", "expected a size like 100MiB"),
            ("", "expected a size like 100MiB"),
            ("MiB", "expected a size like 100MiB"),
            ("-1", "expected a size like 100MiB"),
            ("16777216TiB", "\"16777216TiB\" is too large"),
        ] {
            let error = parse_size(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_printed_in_the_largest_unit_that_they_reach() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (5_872_026, "5.6 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (8 << 30, "8.0 GiB"),
            (1 << 40, "1.0 TiB"),
            (2000 << 40, "2000.0 TiB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
