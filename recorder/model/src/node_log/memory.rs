//! State of reading a node's log, kept from line to line.
//!
//! The marks do not contain it: a recorder that was away starts anew.

use std::borrow::Cow;

use haltbox_format::AppHash;

use crate::event::{Event, Mismatch, Refusal, Weight};
use crate::log_line::{Parts, Shape};

/// Longer lines are not compared with the line before.
const MAX_REPEATED: usize = 64 << 10;
/// Shorter lines are equal too often by chance.
const MIN_REPEATED: usize = 24;
/// Lines about blocks after which other shapes are no longer believed.
const SETTLED: u32 = 3;
/// After this many lines about blocks in other shapes, and none in the known one, the new
/// shape counts: the collector was changed.
const NEW_SHAPE_LINES: u32 = 100;
/// Lines without a height before the operator is warned.
const UNREAD: u64 = 100;
/// The same for a log that had heights before.
const UNREAD_AGAIN: u64 = 2000;
/// Number of lines shown of a log that cannot be read, and bytes of each.
const SHOWN: usize = 2;
const SHOWN_BYTES: usize = 160;

/// State of a reader of one node's log.
#[derive(Clone, Debug, Default)]
pub struct NodeLog {
    parts: Parts,
    last: Vec<u8>,
    repeats: u32,
    /// Whether the last line was about a block.
    told: bool,
    /// The banner whose first line was the last line.
    banner: Option<usize>,
    /// Whether each line comes twice.
    doubled: bool,
    shape: Option<(Shape, u32)>,
    other_shapes: u32,
    newest: Option<u64>,
    /// Height of the last block begun in this process.
    begun: Option<u64>,
    /// The last mismatch whose line had its height.
    disputed: Option<Dispute>,
    /// Height of the last refused block.
    refused: Option<u64>,
    /// Whether the node announced that it will stop, and did not start again.
    announced: bool,
    lines: u64,
    heights: u64,
    since_height: u64,
    longest: u64,
    shown: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Dispute {
    field: String,
    local: AppHash,
    network: AppHash,
    height: u64,
}

/// A log of which the rules understand nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Lines since the last height.
    pub lines: u64,
    /// Some of the lines, cut short.
    pub shown: Vec<String>,
    /// Whether heights were found before.
    pub was_read: bool,
}

impl NodeLog {
    /// Counts a line, and returns the whole line that it completes; `None` if more parts
    /// will come.
    pub(super) fn whole<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        self.lines += 1;
        self.since_height += 1;
        if self.shown.len() < SHOWN && !line.trim_ascii().is_empty() {
            let line = line.get(..SHOWN_BYTES).unwrap_or(line);
            self.shown.push(String::from_utf8_lossy(line).into_owned());
        }
        self.parts.join(line)
    }

    /// Whether the line is a repetition because two writers or two collectors write each
    /// line.
    ///
    /// A node that refuses a block may repeat the same words, so one equal line proves
    /// nothing. A line about a block never comes twice by itself: if such lines come
    /// twice, every line does.
    pub(super) fn is_repetition(&mut self, line: &[u8]) -> bool {
        let last = &self.last;
        let shorter = line.len().min(last.len());
        let same = shorter >= MIN_REPEATED && (line.ends_with(last) || last.ends_with(line));
        self.repeats = if same { self.repeats + 1 } else { 0 };
        let told = std::mem::take(&mut self.told);
        let even = self.repeats % 2 == 1;
        if told {
            self.doubled = even;
        }
        even && self.doubled
    }

    /// Stores a line that was read.
    pub(super) fn leave(&mut self, line: Cow<'_, [u8]>) {
        self.last.clear();
        if line.len() <= MAX_REPEATED {
            self.last.extend_from_slice(&line);
        }
    }

    /// The line that was read before.
    pub(super) fn last(&self) -> &[u8] {
        &self.last
    }

    /// Whether the last line was the first of a banner.
    pub(super) fn is_behind_banner(&self) -> bool {
        self.banner.is_some()
    }

    /// Takes the banner whose first line was the last line.
    pub(super) fn take_banner(&mut self) -> Option<usize> {
        self.banner.take()
    }

    /// Notes that the next line is about the banner's block. Always returns true.
    pub(super) fn expect_block(&mut self, banner: usize) -> bool {
        self.banner = Some(banner);
        true
    }

    /// Whether a line of this shape is believed. The node's lines share one shape. A
    /// prefix with words that may be anything is believed only if the node's own lines
    /// have it.
    pub(super) fn believes(&self, shape: Shape) -> bool {
        match self.shape {
            Some((known, times)) if times >= SETTLED => !shape.is_loose || shape == known,
            _ => true,
        }
    }

    /// Notes that a line of this shape was about a block.
    pub(super) fn saw_block(&mut self, shape: Shape) {
        self.told = true;
        self.heights += 1;
        self.longest = self.longest.max(self.since_height);
        self.since_height = 0;
        self.shown.clear();
        match &mut self.shape {
            Some((known, times)) if *known == shape => {
                *times = times.saturating_add(1);
                self.other_shapes = 0;
            }
            Some((_, times)) if *times >= SETTLED && self.other_shapes < NEW_SHAPE_LINES => {
                self.other_shapes += 1;
            }
            known => {
                *known = Some((shape, 1));
                self.other_shapes = 0;
            }
        }
    }

    /// Highest height so far.
    pub(super) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Whether the node announced, since its start, that it will stop.
    pub(super) fn has_announced(&self) -> bool {
        self.announced
    }

    /// Completes an event with what earlier lines said. `None` if they reported it
    /// already.
    pub(super) fn complete(&mut self, event: Event) -> Option<Event> {
        self.advance_to(event.height());
        Some(match event {
            Event::ProcessStart => {
                self.begun = None;
                self.announced = false;
                event
            }
            Event::Farewell { .. } => {
                self.announced = true;
                event
            }
            Event::Begin { height, .. } => {
                // A process begins a height once. A writer that prints lines twice may
                // print other lines between them.
                if self.begun.replace(height) == Some(height) {
                    return None;
                }
                event
            }
            Event::Mismatch(seen) => Event::Mismatch(self.complete_mismatch(seen)),
            Event::Refused(refusal) => {
                self.refused = refusal.height.or(self.refused);
                let height = refusal.height.or(self.last_refused());
                Event::Refused(Refusal { height, ..refusal })
            }
            event => event,
        })
    }

    /// Forgets what was said about a height once a later height comes: a divergent
    /// proposer was refused, and the chain continued.
    fn advance_to(&mut self, height: Option<u64>) {
        self.newest = self.newest.max(height);
        let is_over = |of: u64| height.is_some_and(|height| height > of);
        self.refused = self.refused.filter(|of| !is_over(*of));
        let disputed = self.disputed.take();
        self.disputed = disputed.filter(|known| !is_over(known.height));
    }

    /// Height of the last refused block, if the log shows how far the chain is. Without
    /// that it may be an old one.
    fn last_refused(&self) -> Option<u64> {
        self.refused.filter(|_| self.newest.is_some())
    }

    fn complete_mismatch(&mut self, mut seen: Mismatch) -> Mismatch {
        if seen.weight == Weight::Quoted {
            return seen;
        }
        if let Some(height) = seen.height {
            self.heights += 1;
            self.since_height = 0;
            self.refused = Some(height);
            self.disputed = Some(Dispute {
                field: seen.field.clone(),
                local: seen.local,
                network: seen.network,
                height,
            });
            return seen;
        }
        let same = |known: &&Dispute| {
            known.field == seen.field && known.local == seen.local && known.network == seen.network
        };
        let disputed = self.disputed.as_ref().filter(same);
        seen.carried = disputed.map(|known| known.height).or(self.last_refused());
        seen
    }

    /// Whether nothing in the log is understood, over enough lines. `before`: lines
    /// before the first block, if the profile knows.
    pub(super) fn is_unread(&self, before: Option<u64>) -> bool {
        let before = before.unwrap_or(UNREAD);
        let enough = match self.heights {
            0 => before,
            _ => UNREAD_AGAIN
                .max(before)
                .max(self.longest.saturating_mul(20)),
        };
        self.since_height >= enough
    }

    /// The lines since the last height, however few.
    pub fn so_far(&self) -> Unread {
        Unread {
            lines: self.since_height,
            shown: self.shown.clone(),
            was_read: self.heights > 0,
        }
    }
}
