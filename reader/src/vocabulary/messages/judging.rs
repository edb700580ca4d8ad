//! The last verdict of a watcher on each message, and whether anything can still change it.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Status, WatchEntry};
use crate::vocabulary::judging::{Judged, JudgedItem, Judgement, Judging};

/// Collects the verdicts of one tape.
#[derive(Debug, Default)]
pub struct OfMessages {
    blocks: BTreeMap<(u64, String), Block>,
    /// The block that the next messages belong to.
    current: Option<(u64, String)>,
}

#[derive(Debug, Default)]
struct Block {
    messages: BTreeMap<u64, Message>,
    /// Its last entry is recorded.
    whole: bool,
    /// It is no longer on the chain.
    gone: bool,
    /// Both sides of all its messages are finalized.
    settled: bool,
}

#[derive(Debug, Default)]
struct Message {
    words: String,
    said: Option<Said>,
}

#[derive(Debug)]
struct Said {
    status: Status,
    /// Later entries are missing. One may have held another verdict.
    unsure: bool,
    line: Vec<u8>,
    number: u64,
}

/// Rules whose result depends on the watcher's settings, and not on the chains alone.
const BY_SETTINGS: [&str; 3] = ["unknown-chain", "expired", "inactive"];

impl Judging for OfMessages {
    fn take(&mut self, line: &[u8], number: u64) {
        match WatchEntry::read(line) {
            Some(WatchEntry::BlockSeen { block, hash, .. }) => self.begin(block, hash),
            Some(entry @ (WatchEntry::Message(_) | WatchEntry::Malformed { .. })) => {
                self.message(&entry)
            }
            Some(WatchEntry::BlockRead { .. }) => self.end_block(),
            Some(WatchEntry::Status(status)) => self.status(&status, line, number),
            Some(WatchEntry::Orphan { block, hash, .. }) => {
                let block = self.blocks.get_mut(&(block, hash));
                block.into_iter().for_each(|block| block.gone = true);
            }
            Some(WatchEntry::Settled { block }) => self.settle(block),
            _ => {}
        }
    }

    fn hole(&mut self) {
        self.current = None;
        for block in self.blocks.values_mut() {
            let said = block.messages.values_mut();
            said.flat_map(|message| &mut message.said)
                .for_each(|said| said.unsure = true);
        }
    }

    fn end(self: Box<Self>) -> Judged {
        let standing: BTreeSet<u64> = self
            .blocks
            .iter()
            .filter(|(_, block)| !block.gone)
            .map(|((height, _), _)| *height)
            .collect();
        let heights: BTreeSet<u64> = self.blocks.keys().map(|(height, _)| *height).collect();
        let gone = heights.difference(&standing).copied().collect();
        let blocks = self.blocks.into_iter();
        let followed = blocks.filter(|(_, block)| block.whole && !block.gone);
        let items = followed.flat_map(|((height, hash), block)| {
            let settled = block.settled;
            let messages = block.messages.into_iter();
            messages.map(move |(log, message)| item(height, &hash, log, message, settled))
        });
        Judged {
            items: items.collect(),
            gone,
        }
    }
}

impl OfMessages {
    /// Begins a block. A block that is read again keeps its verdicts: a watcher that restarts
    /// records only verdicts that changed.
    fn begin(&mut self, height: u64, hash: String) {
        let of = (height, hash);
        let block = self.blocks.entry(of.clone()).or_default();
        block.gone = false;
        self.current = Some(of);
    }

    fn current(&mut self) -> Option<&mut Block> {
        self.blocks.get_mut(self.current.as_ref()?)
    }

    fn message(&mut self, entry: &WatchEntry) {
        let (log, words) = match entry {
            WatchEntry::Message(message) => {
                let (log, tx, names) = (&message.log, &message.tx, message.names());
                (log, format!("log {log} (tx {tx}), which names {names}"))
            }
            WatchEntry::Malformed { log, tx, .. } => {
                (log, format!("log {log} (tx {tx}), which is not a message"))
            }
            _ => return,
        };
        if let Some(block) = self.current() {
            block.messages.entry(*log).or_default().words = words;
        }
    }

    fn end_block(&mut self) {
        if let Some(block) = self.current() {
            block.whole = true;
        }
        self.current = None;
    }

    /// Takes a verdict. `unknown` does not undo an earlier verdict.
    fn status(&mut self, status: &Status, line: &[u8], number: u64) {
        let of = (status.block, status.hash.clone());
        let Some(block) = self.blocks.get_mut(&of).filter(|_| status.is != "unknown") else {
            return;
        };
        for log in &status.logs {
            let message = block.messages.entry(*log).or_default();
            message.said = Some(Said {
                status: status.clone(),
                unsure: false,
                line: line.to_vec(),
                number,
            });
        }
    }

    fn settle(&mut self, height: u64) {
        let blocks = self.blocks.iter_mut();
        let up_to = blocks.take_while(|((block, _), _)| *block <= height);
        up_to
            .filter(|(_, block)| !block.gone && block.whole)
            .for_each(|(_, block)| block.settled = true);
    }
}

fn item(height: u64, hash: &str, log: u64, message: Message, settled: bool) -> JudgedItem {
    let judgement = message.said.map(|said| Judgement {
        words: said.status.verdict(),
        is_final: settled && !said.unsure,
        decided_by: said
            .status
            .named_hash
            .filter(|_| !said.unsure)
            .map(|hash| format!("the named block {hash}")),
        by_settings: said
            .status
            .why
            .as_ref()
            .is_some_and(|why| BY_SETTINGS.contains(&why.as_str())),
        is: said.status.is,
        why: said.status.why,
        line: said.line,
        line_number: said.number,
    });
    JudgedItem {
        height,
        block: hash.to_owned(),
        number: log,
        words: format!("{}, in block {height} ({hash})", message.words),
        judgement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts of a tape whose block 7 holds one message in log 0, followed by these entries.
    fn of(behind: &[&str]) -> Judged {
        let mut judging = Box::<OfMessages>::default();
        let block = [
            r#"{"type":"block-seen","block":7,"hash":"0xa","parent":"0x9","timestamp":5}"#,
            r#"{"type":"message","log":0,"tx":"0x1","declared":"declared","chain":"901","named":3,"timestamp":4,"index":0,"origin":"0x2","payload":"0x3"}"#,
            r#"{"type":"block-read","block":7}"#,
        ];
        for (at, line) in block.iter().chain(behind).enumerate() {
            match *line {
                "hole" => judging.hole(),
                line => judging.take(line.as_bytes(), at as u64 + 1),
            }
        }
        judging.end()
    }

    const VALID: &str =
        r#"{"type":"status","block":7,"hash":"0xa","logs":[0],"is":"valid","at":1}"#;
    const INVALID: &str = r#"{"type":"status","block":7,"hash":"0xa","logs":[0],"is":"invalid","why":"no-log","text":"none","flip":true,"at":2}"#;
    const UNKNOWN: &str =
        r#"{"type":"status","block":7,"hash":"0xa","logs":[0],"is":"unknown","at":3}"#;
    const SETTLED: &str = r#"{"type":"settled","block":8,"at":4}"#;
    const ORPHAN: &str = r#"{"type":"orphan","block":7,"hash":"0xa","why":"reorg","at":4}"#;

    #[test]
    fn the_last_verdict_counts_and_is_final_once_settled() {
        type Row = (&'static [&'static str], Option<(&'static str, bool)>);
        let table: [Row; 7] = [
            (&[], None),
            (&[UNKNOWN], None),
            (&[VALID], Some(("valid", false))),
            (&[VALID, INVALID], Some(("invalid", false))),
            (&[INVALID, VALID, UNKNOWN], Some(("valid", false))),
            (&[VALID, SETTLED], Some(("valid", true))),
            // Another verdict may have been in the hole.
            (&[VALID, "hole", SETTLED], Some(("valid", false))),
        ];
        for (behind, expected) in table {
            let judged = of(behind);
            let [item] = judged.items.as_slice() else {
                panic!("{behind:?}: {judged:?}");
            };
            let found = item.judgement.as_ref();
            let found = found.map(|said| (said.is.as_str(), said.is_final));
            assert_eq!(found, expected, "{behind:?}");
        }
    }

    #[test]
    fn what_a_named_block_decided_is_known_unless_entries_are_missing() {
        const FOUND: &str = r#"{"type":"status","block":7,"hash":"0xa","logs":[0],"is":"valid","named_hash":"0xb","at":1}"#;
        let by = |behind: &[&str]| {
            let judged = of(behind);
            judged.items[0]
                .judgement
                .clone()
                .and_then(|said| said.decided_by)
        };
        assert_eq!(by(&[FOUND]), Some("the named block 0xb".to_owned()));
        assert_eq!(by(&[VALID]), None);
        assert_eq!(by(&[FOUND, "hole"]), None, "it may have been taken back");
    }

    #[test]
    fn a_block_that_is_gone_is_not_judged() {
        let judged = of(&[VALID, ORPHAN, SETTLED]);
        assert_eq!((judged.items.len(), judged.gone), (0, vec![7]));
        let again = r#"{"type":"block-seen","block":7,"hash":"0xa","parent":"0x9","timestamp":5}"#;
        let judged = of(&[VALID, ORPHAN, again, SETTLED]);
        assert_eq!((judged.items.len(), judged.gone), (1, vec![]));
    }
}
