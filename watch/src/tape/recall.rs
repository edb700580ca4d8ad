//! Reads the open state of a tape when it is opened.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use alloy_primitives::B256;
use haltbox_format::Lane;
use haltbox_format::mark::{Attempt, Mark};
use haltbox_format::ring::{Entry as RingEntry, RingView, Timeline};
use haltbox_model::history::History;

use super::entry::{Cursor, Entry};
use super::opinions::{Divergence, RecalledOpinions};
use crate::incident::Record;

/// The open state at the end of a tape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recalled {
    /// Blocks with unsettled messages, by height and hash.
    pub blocks: BTreeMap<(u64, B256), RecalledBlock>,
    /// The ring's attempt of each unsettled block, even of one that was removed from the
    /// chain: its box may still be requested.
    pub attempts: BTreeMap<(u64, B256), Attempt>,
    /// How far the chain was read.
    pub cursor: Option<Cursor>,
    /// Incidents by identity, in their last state.
    pub incidents: BTreeMap<B256, Record>,
    /// Second opinions.
    pub opinions: RecalledOpinions,
    /// Missing records of the ring that were not evicted. Their content is unknown.
    pub missing: Vec<String>,
}

/// A block with messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecalledBlock {
    /// Its messages by executing log: last standing, and the broken rule.
    pub messages: BTreeMap<u32, (String, Option<String>)>,
    /// Whether its last entry exists.
    pub whole: bool,
}

impl Recalled {
    /// Whether the tape is new.
    pub fn is_empty(&self) -> bool {
        *self == Recalled::default()
    }

    /// The block above which the chain must be read again. The ring's blocks alone do not
    /// decide: in a ring that was too small, open blocks are missing.
    pub fn from(&self) -> Option<u64> {
        let open = self.blocks.keys().next().map(|(number, _)| *number);
        let cursor = self.cursor.as_ref().map(|cursor| cursor.from);
        let from = open.into_iter().chain(cursor).min()?;
        Some(from.saturating_sub(1))
    }
}

/// Reads a ring. A ring that does not exist has no state.
pub(super) fn of_ring(path: &Path) -> io::Result<Recalled> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Recalled::default()),
        Err(error) => return Err(error),
    };
    // The later opening for writing reports the error, and moves the ring aside.
    let Ok(view) = RingView::read(&file) else {
        return Ok(Recalled::default());
    };
    let history = History::read(&file, &view)?;
    let mut timeline = Timeline::new(&file, &view, history.marked());
    let mut reading = Reading::default();
    while let Some(entry) = timeline.next()? {
        match entry {
            RingEntry::Line(line) if line.cut.is_none() => reading.take(line.bytes),
            RingEntry::Line(_) => {}
            RingEntry::Marks(_, marks, _) => marks.iter().for_each(|mark| reading.mark(mark)),
            RingEntry::Hole(hole) if hole.lane == Lane::Main => reading.hole(&hole),
            RingEntry::Hole(_) => {}
        }
    }
    Ok(reading.end())
}

#[derive(Default)]
struct Reading {
    recalled: Recalled,
    /// The block whose messages follow.
    current: Option<(u64, B256)>,
}

impl Reading {
    fn take(&mut self, line: &[u8]) {
        let Some(entry) = Entry::read(line) else {
            return;
        };
        match entry {
            Entry::BlockSeen { block, hash, .. } => {
                self.current = Some((block, hash));
                self.recalled
                    .blocks
                    .insert((block, hash), RecalledBlock::default());
            }
            Entry::Message { log, .. } | Entry::Malformed { log, .. } => {
                if let Some(block) = self.current() {
                    block.messages.insert(log, ("unknown".to_owned(), None));
                }
            }
            Entry::BlockRead { .. } => {
                if let Some(block) = self.current() {
                    block.whole = true;
                }
                self.current = None;
            }
            Entry::Status {
                block,
                hash,
                logs,
                is,
                why,
                ..
            } => self.status((block, hash), &logs, &is, why.as_deref()),
            Entry::Orphan { block, hash, .. } => {
                self.recalled.blocks.remove(&(block, hash));
            }
            Entry::Settled { block, .. } => {
                let recalled = &mut self.recalled;
                recalled.blocks.retain(|(number, _), _| *number > block);
                recalled.attempts.retain(|(number, _), _| *number > block);
            }
            Entry::Cursor(cursor) => self.recalled.cursor = Some(cursor),
            Entry::Incident { incident, .. } => {
                self.recalled.incidents.insert(incident.id, *incident);
            }
            Entry::Endpoint {
                endpoint, is, at, ..
            } => self.recalled.opinions.endpoint(&endpoint, &is, at),
            Entry::Opinion { .. } => self.opinion(entry),
            Entry::TapeStart { .. }
            | Entry::Gap { .. }
            | Entry::Node { .. }
            | Entry::Reset { .. }
            | Entry::Fork { .. }
            | Entry::Header { .. }
            | Entry::SuperRoots { .. } => {}
        }
    }

    fn current(&mut self) -> Option<&mut RecalledBlock> {
        self.recalled.blocks.get_mut(self.current.as_ref()?)
    }

    fn status(&mut self, of: (u64, B256), logs: &[u32], is: &str, why: Option<&str>) {
        let Some(block) = self.recalled.blocks.get_mut(&of) else {
            return;
        };
        for log in logs {
            let told = (is.to_owned(), why.map(str::to_owned));
            block.messages.insert(*log, told);
        }
    }

    fn opinion(&mut self, entry: Entry) {
        if let Entry::Opinion {
            block,
            hash,
            log,
            tx,
            endpoint,
            own,
            other,
            ..
        } = entry
        {
            let divergence = Divergence {
                block,
                hash,
                log,
                transaction: tx,
                endpoint,
                own,
            };
            self.recalled.opinions.opinion(divergence, &other);
        }
    }

    fn mark(&mut self, mark: &Mark) {
        let Mark::Begin(begin) = mark else { return };
        let of = begin.of;
        if let Some(current) = self.current.filter(|(number, _)| *number == of.height) {
            self.recalled.attempts.insert(current, of);
        }
    }

    fn hole(&mut self, hole: &haltbox_format::ring::Hole) {
        self.current = None;
        if hole.why != haltbox_format::ring::HoleKind::Evicted {
            self.recalled.missing.push(hole.to_string());
        }
    }

    /// Finishes. A block without its last entry is read again as a new one.
    fn end(mut self) -> Recalled {
        let Recalled {
            blocks, opinions, ..
        } = &mut self.recalled;
        blocks.retain(|_, block| block.whole);
        opinions.retain(|block, hash| blocks.contains_key(&(block, hash)));
        self.recalled
    }
}
