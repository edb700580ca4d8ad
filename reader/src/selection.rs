//! Selects lines of a source by height, attempt and crank.

use std::io;
use std::ops::RangeInclusive;

use haltbox_format::mark::Attempt;
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_model::lifecycle::Lifecycle;

use crate::attribution::{Attribution, Attributor};
use crate::carrier::Origin;
use crate::source::{Blocks, Hole, Line};

/// Limit of the lines that are held until the block is known that they prepare. If there are
/// more, those held so far count for no block, and so not for its HASH either.
const HELD: usize = 1024;

/// What is selected; everything, if no field is set.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only this height.
    pub height: Option<u64>,
    /// Only heights from this one on.
    pub from_height: Option<u64>,
    /// Only heights up to this one.
    pub to_height: Option<u64>,
    /// Only this attempt at a height.
    pub attempt: Option<u32>,
    /// Only this crank.
    pub crank: Option<u64>,
    /// Only cranks from this one on.
    pub from_crank: Option<u64>,
    /// Only cranks up to this one.
    pub to_crank: Option<u64>,
}

impl Selection {
    /// Whether everything is selected.
    pub fn is_empty(&self) -> bool {
        !self.selects_blocks() && !self.selects_cranks()
    }

    /// The selected heights.
    pub fn heights(&self) -> RangeInclusive<u64> {
        let from = self.height.or(self.from_height).unwrap_or(0);
        let to = self.height.or(self.to_height).unwrap_or(u64::MAX);
        from..=to
    }

    /// Whether cranks are selected, and so parts of blocks.
    pub fn selects_cranks(&self) -> bool {
        self.crank.is_some() || self.from_crank.is_some() || self.to_crank.is_some()
    }

    fn selects_blocks(&self) -> bool {
        self.height.is_some()
            || self.from_height.is_some()
            || self.to_height.is_some()
            || self.attempt.is_some()
    }

    fn wants(&self, place: &Attribution) -> bool {
        let crank = !self.selects_cranks() || place.crank.is_some_and(|n| self.wants_crank(n));
        let block = !self.selects_blocks()
            || place
                .attempt
                .is_some_and(|attempt| self.wants_block(attempt));
        crank && block
    }

    fn wants_crank(&self, crank: u64) -> bool {
        self.crank.is_none_or(|only| crank == only)
            && self.from_crank.is_none_or(|from| crank >= from)
            && self.to_crank.is_none_or(|to| crank <= to)
    }

    fn wants_block(&self, block: Attempt) -> bool {
        self.height.is_none_or(|height| block.height == height)
            && self.from_height.is_none_or(|from| block.height >= from)
            && self.to_height.is_none_or(|to| block.height <= to)
            && self.attempt.is_none_or(|attempt| block.attempt == attempt)
    }

    /// The selection in words: `heights 12 to 13, crank 5105`. Empty if everything is selected.
    pub fn words(&self) -> String {
        let parts = [
            range("height", self.height, self.from_height, self.to_height),
            self.attempt.map(|attempt| format!("attempt {attempt}")),
            range("crank", self.crank, self.from_crank, self.to_crank),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn range(what: &str, only: Option<u64>, from: Option<u64>, to: Option<u64>) -> Option<String> {
    match (only, from, to) {
        (Some(only), ..) => Some(format!("{what} {only}")),
        (None, Some(from), Some(to)) => Some(format!("{what}s {from} to {to}")),
        (None, Some(from), None) => Some(format!("{what}s from {from} on")),
        (None, None, Some(to)) => Some(format!("{what}s up to {to}")),
        (None, None, None) => None,
    }
}

/// A selected line.
pub struct SelectedLine<'p> {
    /// The line.
    pub line: Line<'p>,
    /// Its block and crank.
    pub place: Attribution,
    /// The blocks that the lines have shown so far; `None` if the source has an index.
    pub derived: Option<&'p Lifecycle>,
}

/// Takes the selected lines.
pub type Wanted<'w> = &'w mut dyn FnMut(&SelectedLine<'_>) -> io::Result<()>;

/// Selects lines of one source. The lines must come in order.
pub struct Selector<'a> {
    selection: &'a Selection,
    profile: &'a Profile,
    attributor: Attributor<'a>,
    /// Lines that prepare a block which is not known yet.
    held: Vec<HeldLine>,
}

struct HeldLine {
    lane: Lane,
    counter: u64,
    bytes: Vec<u8>,
    newline: bool,
    whole: bool,
    origin: Origin,
    /// The line as the source has it, if that differs from `bytes`.
    wrapped: Option<Vec<u8>>,
}

impl<'a> Selector<'a> {
    /// A selector for a source with these blocks.
    pub fn new(selection: &'a Selection, profile: &'a Profile, blocks: Blocks) -> Selector<'a> {
        Selector {
            selection,
            profile,
            attributor: Attributor::new(profile, blocks),
            held: Vec::new(),
        }
    }

    /// The blocks that the lines have shown so far; `None` if the source has an index.
    pub fn derived(&self) -> Option<&Lifecycle> {
        self.attributor.derived()
    }

    /// Takes a line. Passes on the lines that are now known to be selected.
    pub fn line(&mut self, line: &Line<'_>, wanted: Wanted<'_>) -> io::Result<()> {
        let place = self.attributor.place(line);
        if place.attempt.is_none() && self.prepares_a_block(line) {
            self.held.push(HeldLine {
                lane: line.lane,
                counter: line.counter,
                bytes: line.bytes.to_vec(),
                newline: line.newline,
                whole: line.whole,
                origin: line.origin,
                wrapped: line.wrapped.map(<[u8]>::to_vec),
            });
            return Ok(());
        }
        self.release(place.attempt, wanted)?;
        if !self.selection.wants(&place) {
            return Ok(());
        }
        wanted(&SelectedLine {
            line: *line,
            place,
            derived: self.attributor.derived(),
        })
    }

    /// Something is missing behind the newest line.
    pub fn hole(&mut self, hole: &Hole) {
        if hole.of_blocks {
            self.attributor.hole();
        }
    }

    /// Whether it is not known yet whether the newest line is selected.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Ends the source. Lines that prepared no block are selected only if everything is.
    pub fn finish(&mut self, wanted: Wanted<'_>) -> io::Result<()> {
        self.release(None, wanted)
    }

    /// Only a source without an index needs this: a block's first entries may come before the
    /// entry that names its height.
    fn prepares_a_block(&self, line: &Line<'_>) -> bool {
        let rules = self.profile.slog.as_ref();
        self.attributor.derived().is_some()
            && line.stream == Stream::Slog
            && !line.context
            && rules.is_some_and(|rules| rules.read(line.bytes).canonical)
            && self.held.len() < HELD
    }

    /// Passes on the held lines if their block is selected.
    fn release(&mut self, attempt: Option<Attempt>, wanted: Wanted<'_>) -> io::Result<()> {
        let place = Attribution {
            attempt,
            crank: None,
        };
        let wants = self.selection.wants(&place);
        for held in std::mem::take(&mut self.held) {
            if wants {
                wanted(&SelectedLine {
                    line: held.line(),
                    place,
                    derived: self.attributor.derived(),
                })?;
            }
        }
        Ok(())
    }
}

impl HeldLine {
    fn line(&self) -> Line<'_> {
        Line {
            stream: Stream::Slog,
            lane: self.lane,
            counter: self.counter,
            bytes: &self.bytes,
            newline: self.newline,
            whole: self.whole,
            goes_on: false,
            context: false,
            origin: self.origin,
            wrapped: self.wrapped.as_deref(),
        }
    }
}
