//! What is remembered of a node's log from line to line.
//!
//! Nothing of it is in the marks: a recorder that was away begins anew.

use std::borrow::Cow;

use haltbox_format::AppHash;

use crate::event::{Event, Mismatch, Refusal, Weight};
use crate::log_line::{Parts, Shape};

/// Longer lines are not held against the one before.
const MAX_REPEATED: usize = 64 << 10;
/// Shorter ones are too often the same by chance.
const MIN_REPEATED: usize = 24;
/// Lines that tell of blocks before other shapes are no longer believed.
const SETTLED: u32 = 3;
/// Lines of another shape that tell of blocks, and none of the known one: the
/// collector was changed.
const STRANGERS: u32 = 100;
/// Lines without one height before that is told.
const UNREAD: u64 = 100;
/// The same, of a log that had heights before.
const UNREAD_AGAIN: u64 = 2000;
/// Lines shown of a log that cannot be read, and bytes of each.
const SHOWN: usize = 2;
const SHOWN_BYTES: usize = 160;

/// What a reader of one node's log remembers.
#[derive(Clone, Debug, Default)]
pub struct NodeLog {
    parts: Parts,
    last: Vec<u8>,
    repeats: u32,
    /// The last line told of a block.
    told: bool,
    /// The last line was the first of a banner: which.
    banner: Option<usize>,
    /// Each line comes twice.
    doubled: bool,
    shape: Option<(Shape, u32)>,
    strangers: u32,
    newest: Option<u64>,
    /// The height whose block was begun last in this process.
    begun: Option<u64>,
    /// The last dispute whose line told its height.
    disputed: Option<Dispute>,
    /// The last refused block's height.
    refused: Option<u64>,
    /// The node announced an end, and did not start again.
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

/// A log in which nothing is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Lines since a height was understood.
    pub lines: u64,
    /// Some of them, cut short.
    pub shown: Vec<String>,
    /// Heights were understood before.
    pub was_read: bool,
}

impl NodeLog {
    /// The line that `line` is, or ends: `None` if more of it is to come.
    pub(super) fn whole<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        self.lines += 1;
        self.since_height += 1;
        if self.shown.len() < SHOWN && !line.trim_ascii().is_empty() {
            let line = line.get(..SHOWN_BYTES).unwrap_or(line);
            self.shown.push(String::from_utf8_lossy(line).into_owned());
        }
        self.parts.join(line)
    }

    /// Two writers, or two collectors, gave it: each line comes twice.
    ///
    /// A node that refuses a block may say so again and again in the same words, so a
    /// line alone does not tell. One that tells of a block never comes twice by itself:
    /// where those do, every line does.
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

    /// Remembers a line that was read.
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

    /// The last line was the first of a banner.
    pub(super) fn is_behind_banner(&self) -> bool {
        self.banner.is_some()
    }

    /// The banner whose first line the last one was.
    pub(super) fn take_banner(&mut self) -> Option<usize> {
        self.banner.take()
    }

    /// The next line tells of the banner's block. Always true.
    pub(super) fn await_block(&mut self, banner: usize) -> bool {
        self.banner = Some(banner);
        true
    }

    /// Lines of the node have one shape. Words that may be anything are believed
    /// only where the node's own lines have them.
    pub(super) fn believes(&self, shape: Shape) -> bool {
        match self.shape {
            Some((known, times)) if times >= SETTLED => !shape.is_loose || shape == known,
            _ => true,
        }
    }

    /// A line of this shape told of a block.
    pub(super) fn told_of_a_block(&mut self, shape: Shape) {
        self.told = true;
        self.heights += 1;
        self.longest = self.longest.max(self.since_height);
        self.since_height = 0;
        self.shown.clear();
        match &mut self.shape {
            Some((known, times)) if *known == shape => {
                *times = times.saturating_add(1);
                self.strangers = 0;
            }
            Some((_, times)) if *times >= SETTLED && self.strangers < STRANGERS => {
                self.strangers += 1;
            }
            known => {
                *known = Some((shape, 1));
                self.strangers = 0;
            }
        }
    }

    /// The greatest height told.
    pub(super) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The node announced that it will stop, since it started.
    pub(super) fn has_announced(&self) -> bool {
        self.announced
    }

    /// The event with what earlier lines told of it; `None` if they told it.
    pub(super) fn placed(&mut self, event: Event) -> Option<Event> {
        self.go_on_to(event.height());
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
                // A process begins a height once; what prints lines twice may
                // print other lines between them.
                if self.begun.replace(height) == Some(height) {
                    return None;
                }
                event
            }
            Event::Mismatch(seen) => Event::Mismatch(self.placed_mismatch(seen)),
            Event::Refused(refusal) => {
                self.refused = refusal.height.or(self.refused);
                let height = refusal.height.or(self.refused_last());
                Event::Refused(Refusal { height, ..refusal })
            }
            event => event,
        })
    }

    /// What was said of a height before a later one was told is over: a divergent
    /// proposer was refused, and the chain went on.
    fn go_on_to(&mut self, height: Option<u64>) {
        self.newest = self.newest.max(height);
        let is_over = |of: u64| height.is_some_and(|height| height > of);
        self.refused = self.refused.filter(|of| !is_over(*of));
        let disputed = self.disputed.take();
        self.disputed = disputed.filter(|known| !is_over(known.height));
    }

    /// The last refused block's height, where the log tells how far the chain is:
    /// without that it may be an old one.
    fn refused_last(&self) -> Option<u64> {
        self.refused.filter(|_| self.newest.is_some())
    }

    fn placed_mismatch(&mut self, mut seen: Mismatch) -> Mismatch {
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
        seen.carried = disputed.map(|known| known.height).or(self.refused_last());
        seen
    }

    /// Nothing in the log is understood, and it has lines enough: `before`, where the
    /// profile knows how many come before the first block.
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

    /// The lines since a height was understood, however few.
    pub fn so_far(&self) -> Unread {
        Unread {
            lines: self.since_height,
            shown: self.shown.clone(),
            was_read: self.heights > 0,
        }
    }
}
