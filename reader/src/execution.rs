//! Whether an execution is recorded from its first entry to its last, and its HASH.
//!
//! Every command that names a block uses this. The source says what it knows of the block
//! ([`IndexedBlock::whole`]); reading the lines shows what is really there.

use haltbox_format::BlockHash;
use haltbox_model::{BlockHasher, Profile, json};

use crate::block_index::IndexedBlock;
use crate::carrier::Origin;
use crate::repeats::Repeats;
use crate::vocabulary::{self, Entry, EntryOrder, Vocabulary, entry};

/// One execution, read line by line.
#[derive(Clone, Debug)]
pub struct Execution {
    hasher: Option<BlockHasher>,
    lines: u64,
    ended: bool,
    repeats: Repeats,
    vocabulary: &'static dyn Vocabulary,
    entry_order: Box<dyn EntryOrder>,
    altered: bool,
    rewritten: bool,
    /// The profile is a built-in one, so the host's JSON writer is known.
    writer_known: bool,
}

impl Execution {
    /// An execution without lines.
    pub fn new(height: u64, profile: &Profile) -> Execution {
        let rules = profile.slog.as_ref();
        let vocabulary = vocabulary::of(profile);
        Execution {
            hasher: rules.map(|rules| BlockHasher::new(rules.canonical(), height)),
            lines: 0,
            ended: false,
            repeats: Repeats::default(),
            vocabulary,
            entry_order: vocabulary.entry_order(),
            altered: false,
            rewritten: false,
            writer_known: Profile::is_builtin(&profile.name),
        }
    }

    /// A part of an execution. It has no HASH.
    pub fn of_a_part(profile: &Profile) -> Execution {
        Execution {
            hasher: None,
            writer_known: false,
            ..Execution::new(0, profile)
        }
    }

    /// Takes the next line. `whole`: the line is complete, as the host wrote it.
    pub fn line(&mut self, line: &[u8], whole: bool, origin: Origin) {
        self.lines += 1;
        if self.ended {
            return;
        }
        match &mut self.hasher {
            Some(hasher) if whole => {
                // A line with a context never counts for a HASH, and has a layout of its own.
                if hasher.line(line) && !hasher.is_wrapped() {
                    self.weigh(line, origin);
                }
            }
            _ => self.hasher = None,
        }
    }

    /// Checks whether the line is the host's own. Anybody may have rewritten a text file. What a
    /// recorder recorded is believed.
    fn weigh(&mut self, line: &[u8], origin: Origin) {
        self.rewritten |= self.writer_known && !self.vocabulary.is_as_written(line, origin);
        self.altered |= match origin {
            Origin::Recorded => false,
            Origin::Text => {
                // What a kill tore, and the next process wrote on behind, is no entry.
                json::members(line).any(|member| member.is_err())
                    | entry::is_torn(line)
                    | self.repeats.is_repeat(line)
                    | self
                        .entry_order
                        .take(Entry::new(self.vocabulary, line))
                        .is_some()
                    | self.rewritten
            }
            Origin::Resent | Origin::Carried(_) => true,
        };
    }

    /// Notes that something behind the host handled the lines.
    pub fn doubt(&mut self) {
        self.altered = true;
    }

    /// Whether another JSON writer rewrote the lines.
    pub fn is_rewritten(&self) -> bool {
        self.rewritten
    }

    /// Whether its bytes are not the host's own, or lines may be missing or doubled. A HASH of
    /// them would name another execution.
    pub fn is_altered(&self) -> bool {
        self.altered
    }

    /// The last line ends the execution. Later lines are not hashed.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Notes that something is missing behind the last line.
    pub fn hole(&mut self) {
        if !self.ended {
            self.hasher = None;
        }
    }

    /// Its HASH, if it is complete and unaltered.
    pub fn finish(self, known: &IndexedBlock, missing: &MissingRecords) -> Option<BlockHash> {
        let altered = self.is_altered();
        let all_there = known.lines.is_none_or(|lines| lines == self.lines);
        let whole = known.whole && self.ended && all_there && !missing.costs_beginning(known);
        self.hasher.filter(|_| whole && !altered)?.finish()
    }
}

/// Missing main records of a source, by counter. A reader meets the missing records before a
/// block's first line before it meets the block.
#[derive(Clone, Debug, Default)]
pub struct MissingRecords(Vec<(u64, u64)>);

impl MissingRecords {
    /// Adds the records from one counter to another, both included.
    pub fn add(&mut self, from: u64, to: u64) {
        self.0.push((from, to));
    }

    fn costs_beginning(&self, block: &IndexedBlock) -> bool {
        let holds_it = |(from, to): &(u64, u64)| (*from..=*to).contains(&block.from.main);
        self.0.iter().any(holds_it)
    }
}
