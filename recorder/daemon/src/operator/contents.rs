//! Finds what is in a file that a recorder follows, and which profile reads
//! blocks in it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::operator::block_folder;
use crate::sources::followed::inflated;
use haltbox_format::Stream;
use haltbox_model::{Event, NodeLog, Profile};

/// Bytes of a file's end that are read: some blocks of a busy chain.
const LOOKED_AT: u64 = 16 << 20;
/// Files of a folder that are read. The newest may have no line yet.
const NEWEST: usize = 3;
/// Builtin profiles that know blocks, the ones with more rules first. So a
/// program that runs others for several chains comes before those.
const BUILTIN: [&str; 8] = [
    "agoric",
    "cosmos",
    "host",
    "op-supernode",
    "op-supervisor",
    "op-interop-filter",
    "op-node",
    "op-geth",
];

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// The file is empty.
    Nothing,
    /// The recorder's profile reads blocks in it, as the stream that it was
    /// given for.
    AsGiven,
    /// The recorder's profile keeps its lines without looking for blocks.
    Kept,
    /// It is a file of the other stream.
    OtherStream,
    /// Another profile reads blocks in it.
    OtherProfile(&'static str),
    /// No known profile reads blocks in it.
    NoBlocks {
        /// Lines that were read.
        lines: usize,
    },
}

/// Reads the end of a file.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn of(path: &Path, given: Stream, profile: &Profile) -> io::Result<Contents> {
    let bytes = end_of(path)?;
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(Contents::Nothing);
    }
    let other = match given {
        Stream::Slog => Stream::Node,
        Stream::Node => Stream::Slog,
    };
    if has_blocks(profile, given, &bytes) {
        return Ok(Contents::AsGiven);
    }
    let node = profile.node.as_ref().filter(|_| given == Stream::Node);
    if node.is_some_and(|rules| !rules.tells_of_blocks()) {
        return Ok(Contents::Kept);
    }
    let builtin = BUILTIN.iter().filter(|name| **name != profile.name);
    let builtin: Vec<(&'static str, Profile)> = builtin
        .filter_map(|name| Some((*name, Profile::builtin(name).ok()?)))
        .collect();
    let read_by = |stream| {
        let mut all = builtin.iter();
        all.find(|(_, profile)| has_blocks(profile, stream, &bytes))
    };
    Ok(if let Some((name, _)) = read_by(given) {
        Contents::OtherProfile(name)
    } else if has_blocks(profile, other, &bytes) || read_by(other).is_some() {
        Contents::OtherStream
    } else {
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        Contents::NoBlocks {
            lines: lines.count(),
        }
    })
}

/// Reads the newest file of a folder with a file for each block. Skips empty
/// ones. `None` if all are.
pub(crate) fn of_folder(folder: &Path, given: Stream, profile: &Profile) -> Option<Contents> {
    let files = block_folder::files(folder).ok()?;
    let newest = files.iter().rev().take(NEWEST);
    let mut found = newest.filter_map(|(_, path)| of(path, given, profile).ok());
    found.find(|found| *found != Contents::Nothing)
}

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(LOOKED_AT);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOOKED_AT).read_to_end(&mut bytes)?;
    match from {
        0 => Ok(inflated(&bytes, LOOKED_AT as usize)),
        _ => Ok(bytes),
    }
}

/// Whether some line begins, ends or commits a block.
fn has_blocks(profile: &Profile, stream: Stream, bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    match (stream, &profile.slog, &profile.node) {
        (Stream::Slog, Some(rules), _) => {
            lines.any(|line| rules.read(line).events().any(|event| is_block(&event)))
        }
        (Stream::Node, _, Some(rules)) => {
            let mut log = NodeLog::default();
            lines.any(|line| {
                let mut found = false;
                rules.read(&mut log, line, true, &mut |event| found |= is_block(&event));
                found
            })
        }
        (Stream::Slog, None, _) | (Stream::Node, _, None) => false,
    }
}

fn is_block(event: &Event) -> bool {
    matches!(
        event,
        Event::Begin { .. } | Event::End { .. } | Event::Commit { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOG: &str = "{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":12,\
                        \"blockTime\":1763715911,\"time\":1.5,\"monotime\":2.5}\n";
    const LOG: &str = "2:28PM INF finalized block block_app_hash=11 height=12 module=state \
                       num_txs_res=0 num_val_updates=0\n";

    const OP_LOG: &str = "{\"t\":\"2026-11-20T23:47:19Z\",\"lvl\":\"info\",\"msg\":\"Inserted new \
                          L2 unsafe block\",\"chain_id\":\"902\",\"number\":132}\n";
    const SUPERNODE: &str = concat!(
        "{\"lvl\":\"info\",\"msg\":\"Inserted new L2 unsafe block\",\"number\":132}\n",
        "{\"lvl\":\"info\",\"msg\":\"committed verified result\",\"timestamp\":99}\n"
    );

    fn contents(text: &str, given: Stream, profile: &str) -> Contents {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, text).unwrap();
        of(&path, given, &Profile::builtin(profile).unwrap()).unwrap()
    }

    #[test]
    fn what_stands_in_a_source_is_told_by_who_reads_its_blocks() {
        use Contents::{AsGiven, Kept, NoBlocks, Nothing, OtherProfile, OtherStream};
        let rows = [
            (SLOG, Stream::Slog, "agoric", AsGiven),
            (SLOG, Stream::Node, "agoric", OtherStream),
            (SLOG, Stream::Node, "cosmos", OtherStream),
            (SLOG, Stream::Slog, "cosmos", OtherProfile("agoric")),
            (SLOG, Stream::Slog, "host", OtherProfile("agoric")),
            (LOG, Stream::Node, "agoric", AsGiven),
            (LOG, Stream::Node, "cosmos", AsGiven),
            (LOG, Stream::Slog, "agoric", OtherStream),
            (LOG, Stream::Slog, "cosmos", OtherStream),
            (OP_LOG, Stream::Node, "op-node", AsGiven),
            (OP_LOG, Stream::Node, "cosmos", OtherProfile("op-node")),
            (
                SUPERNODE,
                Stream::Node,
                "cosmos",
                OtherProfile("op-supernode"),
            ),
            (OP_LOG, Stream::Node, "proxyd", Kept),
            ("", Stream::Slog, "agoric", Nothing),
            ("\n\nhello\n", Stream::Node, "cosmos", NoBlocks { lines: 1 }),
        ];
        for (text, given, profile, expected) in rows {
            let found = contents(text, given, profile);
            assert_eq!(found, expected, "{text:?} as {given:?} by {profile}");
        }
    }
}
