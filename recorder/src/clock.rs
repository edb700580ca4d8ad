//! The recorder's wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970. 0 if the clock is before 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Time as `2026-11-21T01:02:03Z`, from milliseconds since 1970. `unknown` if
/// the year is out of range.
pub fn rfc3339(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "unknown".to_owned(), |t| t.to_string())
}

/// The time now as `20261121T010203Z`, for file names.
pub fn compact_now() -> String {
    rfc3339(now_ms()).replace(['-', ':'], "")
}
