//! The status as Prometheus reads it, for the textfile collector of
//! node_exporter and for HTTP.

use haltbox_format::mark::State;

use crate::exposition::{Exposition, Kind, label};
use crate::operator::status::{Attention, Status};

/// The status in the text exposition format.
pub fn text(status: &Status) -> String {
    let mut page = Exposition::default();
    let metrics = heights(status).into_iter().chain(counts(status));
    for (name, help, value) in metrics.chain(blocks(status)) {
        if let Some(value) = value {
            let kind = match COUNTERS.contains(&name) {
                true => Kind::Counter,
                false => Kind::Gauge,
            };
            page.head(format_args!("haltbox_{name}"), kind, help);
            page.sample(format_args!("haltbox_{name}"), "", value);
        }
    }
    lags(&mut page, status);
    page.to_string()
}

/// These grow with each loss. Another ring begins anew, and so does one that forgets its
/// oldest loss for a new one: a scraper takes both for a restart. The rest are gauges.
const COUNTERS: [&str; 2] = ["dropped_records", "lost_records"];

/// A name, what it means, and its value if there is one.
type Metric = (&'static str, &'static str, Option<u64>);

fn heights(status: &Status) -> [Metric; 3] {
    [
        (
            "head_height",
            "Newest height that was recorded or reported.",
            status.head,
        ),
        (
            "confirmed_height",
            "Newest height the network agreed with.",
            status.confirmed,
        ),
        (
            "oldest_height",
            "Oldest height that the ring or the archive still has.",
            status.obtainable,
        ),
    ]
}

fn counts(status: &Status) -> [Metric; 12] {
    [
        (
            "up",
            "1 while a recorder holds the ring.",
            Some(u64::from(status.recording)),
        ),
        (
            "needs_attention",
            "1 if something needs attention: haltbox status says what.",
            Some(u64::from(status.needs_attention)),
        ),
        (
            "log_not_understood",
            "1 if the node's log has many lines but no height.",
            Some(u64::from(status.has_concern("log-not-understood"))),
        ),
        (
            "slog_not_understood",
            "1 if the slog has many lines but no known entry.",
            Some(u64::from(status.has_concern("slog-not-understood"))),
        ),
        (
            "last_block_timestamp_seconds",
            "Time of the last new block, or of the last agreement on one.",
            status.last_block_ms.map(|ms| ms / 1000),
        ),
        (
            "max_block_age_seconds",
            "Age of the last block above which it needs attention.",
            Some(status.max_block_seconds),
        ),
        ("ring_bytes", "Bytes of the ring.", Some(status.bytes)),
        (
            "records",
            "Records of blocks in the ring.",
            Some(status.records),
        ),
        (
            "blocks",
            "Heights that the ring holds.",
            Some(status.blocks),
        ),
        (
            "dropped_records",
            "Of the lost records, those that were never in the ring.",
            Some(status.dropped),
        ),
        (
            "last_freeze_timestamp_seconds",
            "When the newest black box was written.",
            status.last_frozen,
        ),
        (
            "lost_records",
            "Records dropped, or overwritten before their release.",
            Some(status.lost),
        ),
    ]
}

fn blocks(status: &Status) -> [Metric; 5] {
    let blocks = |wanted: &dyn Fn(&&Attention) -> bool| {
        Some(status.attention.iter().filter(wanted).count() as u64)
    };
    let pinned = blocks(&|block| block.state == State::Pinned);
    let diverged = blocks(&|block| block.state == State::Diverged);
    let unfrozen = blocks(&|block| block.frozen.is_none());
    let boxes = Some(status.boxes.len() as u64);
    [
        (
            "pinned_blocks",
            "Blocks kept because of a suspicion that is not proved.",
            pinned,
        ),
        (
            "diverged_blocks",
            "Blocks whose hash differs from the network's.",
            diverged,
        ),
        (
            "unfrozen_blocks",
            "Pinned or diverged blocks that are in no box yet.",
            unfrozen,
        ),
        ("boxes", "Black boxes in the folder.", boxes),
        (
            "guard_holds",
            "1 while haltbox guard refuses to start a build that diverged.",
            Some(u64::from(status.guard.is_some())),
        ),
    ]
}

fn lags(page: &mut Exposition, status: &Status) {
    const NAME: &str = "haltbox_source_lag_bytes";
    let lags = status.sources.iter();
    let mut lags = lags.filter_map(|s| Some((&s.stream, s.lag?))).peekable();
    if lags.peek().is_some() {
        let help = "Bytes of a followed file that are not recorded yet.";
        page.head(NAME, Kind::Gauge, help);
    }
    for (stream, lag) in lags {
        page.sample(NAME, &label("stream", stream), lag);
    }
}
