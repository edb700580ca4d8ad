//! Counts in words.

/// A count with its noun: `1 line`, `3 lines`.
pub fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_no_plural() {
        let said = [0, 1, 2].map(|count| counted(count, "block"));
        assert_eq!(said, ["0 blocks", "1 block", "2 blocks"]);
    }
}
