//! The warning for a stream in which the recorder understands nothing.

use haltbox_model::{Outside, Unread};

/// Begins the warning about a node's log.
pub const LOG: &str = "the node's log is not understood";
/// Begins the warning about a slog.
pub const SLOG: &str = "the slog is not understood";
/// The message when an entry of the slog is known after all.
pub const SLOG_AGAIN: &str = "the slog is understood again";

/// The warning about a log. `wanted` is an example of a line that would be
/// understood.
pub fn log(unread: &Unread, wanted: &str) -> String {
    let again = again(unread);
    format!(
        "{LOG}{again}: no height in {} lines, such as{}\n  expected: a level and a message such \
         as \"{}\" with its fields, or the same as JSON; haltbox doctor --try-log FILE shows how \
         a log is read",
        unread.lines,
        shown(unread),
        wanted
    )
}

/// The warning about a slog without a known entry. `wanted` lists the entries
/// that were looked for.
pub fn slog(unread: &Unread, wanted: &str) -> String {
    let again = again(unread);
    format!(
        "{SLOG}{again}: no known entry in {} lines, such as{}\n  expected: {wanted}; haltbox info \
         FILE shows how a slog is read",
        unread.lines,
        shown(unread)
    )
}

fn again(unread: &Unread) -> &'static str {
    match unread.was_read {
        true => " any more",
        false => "",
    }
}

fn shown(unread: &Unread) -> String {
    let lines = unread.shown.iter();
    lines
        .map(|line| format!("\n    {}", Outside::text(line)))
        .collect()
}
