//! The status as Prometheus reads it, for the textfile collector of
//! node_exporter.

use std::fmt::Write as _;

use haltbox_format::lifecycle::State;

use crate::status::Status;

/// The status in the text exposition format.
pub fn text(status: &Status) -> String {
    let mut out = String::new();
    let of_state = |state| {
        let in_state = status.attention.iter().filter(|a| a.state == state);
        in_state.count() as u64
    };
    let unfrozen = status.attention.iter().filter(|a| a.frozen.is_none());
    let gauges = [
        (
            "up",
            "A recorder holds the ring.",
            Some(u64::from(status.recording)),
        ),
        ("ring_bytes", "Bytes of the ring.", Some(status.bytes)),
        ("head_height", "Newest height told of.", status.head),
        (
            "confirmed_height",
            "Newest height the network agreed with.",
            status.confirmed,
        ),
        (
            "oldest_height",
            "Oldest height that can still be frozen.",
            status.oldest,
        ),
        (
            "records",
            "Records of blocks in the ring.",
            Some(status.records),
        ),
        (
            "lost_records",
            "Records dropped or overwritten before they were released.",
            Some(status.lost),
        ),
        (
            "pinned_blocks",
            "Blocks that are kept because something is unproven.",
            Some(of_state(State::Pinned)),
        ),
        (
            "diverged_blocks",
            "Blocks whose hash differs from the network's.",
            Some(of_state(State::Diverged)),
        ),
        (
            "unfrozen_blocks",
            "Of these, blocks that no box holds yet.",
            Some(unfrozen.count() as u64),
        ),
        (
            "boxes",
            "Black boxes in the folder.",
            Some(status.boxes.len() as u64),
        ),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            head(&mut out, name, help);
            let _ = writeln!(out, "haltbox_{name} {value}");
        }
    }
    let lags = || {
        status
            .sources
            .iter()
            .filter_map(|s| Some((&s.stream, s.lag?)))
    };
    if lags().next().is_some() {
        head(
            &mut out,
            "source_lag_bytes",
            "Bytes of a followed file that are not recorded yet.",
        );
        for (stream, lag) in lags() {
            let _ = writeln!(out, "haltbox_source_lag_bytes{{stream=\"{stream}\"}} {lag}");
        }
    }
    out
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP haltbox_{name} {help}");
    let _ = writeln!(out, "# TYPE haltbox_{name} gauge");
}
