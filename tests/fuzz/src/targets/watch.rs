//! What a watcher reads: entries of its own recordings, dependency sets, endpoints' answers.

use haltbox_reader::vocabulary::messages::entry::WatchEntry;
use haltbox_watch::dependency_set::DependencySet;

use crate::Target;

/// An entry, and a dependency set.
pub const ENTRY: Target = Target {
    name: "watch",
    run: |input| {
        let _ = WatchEntry::read(input).map(|entry| entry.words());
        let _ = DependencySet::read(input);
    },
    seeds: || {
        let entries = [
            r#"{"type":"block-seen","block":7,"hash":"0xa","timestamp":3}"#,
            r#"{"type":"settled","block":8,"at":4}"#,
            r#"{"type":"status","block":7,"hash":"0xa","logs":[0],"is":"valid","at":1}"#,
            r#"{"type":"gap","from":1,"to":2,"why":"no node"}"#,
            r#"{"dependencies":{"901":{},"902":{}},"overrideMessageExpiryWindow":3600}"#,
        ];
        entries
            .iter()
            .map(|entry| entry.as_bytes().to_vec())
            .collect()
    },
};
