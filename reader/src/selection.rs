//! Selects lines of a source by height, attempt and crank.

use std::io;
use std::ops::RangeInclusive;

use haltbox_format::Stream;
use haltbox_format::mark::Attempt;
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{Event, Profile};

use crate::attribution::{Attribution, Attributor};
use crate::carrier::Origin;
use crate::held_lines::HeldLines;
use crate::process_clock::ProcessClock;
use crate::repeats::ResentLines;
use crate::source::{Blocks, Hole, Line};

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
    attributor: Attributor<'a>,
    profile: &'a Profile,
    /// What stood in the text before.
    resent_lines: ResentLines,
    process_clock: ProcessClock,
    /// Parts of the text were moved. Where they were taken out, nothing shows.
    moved: bool,
    /// Lines from the first on that prepares a block which is not known yet.
    held: HeldLines,
}

impl<'a> Selector<'a> {
    /// A selector for a source with these blocks.
    pub fn new(selection: &'a Selection, profile: &'a Profile, blocks: Blocks) -> Selector<'a> {
        Selector {
            selection,
            attributor: Attributor::new(profile, blocks),
            profile,
            resent_lines: ResentLines::default(),
            process_clock: ProcessClock::default(),
            moved: false,
            held: HeldLines::new(),
        }
    }

    /// The blocks that the lines have shown so far; `None` if the source has an index.
    pub fn derived(&self) -> Option<&Lifecycle> {
        self.attributor.derived()
    }

    /// Takes a line. Passes on the lines that are now known to be selected.
    pub fn line(&mut self, line: &Line<'_>, wanted: Wanted<'_>) -> io::Result<()> {
        let origin = self.origin(line);
        let line = &Line { origin, ..*line };
        let place = self.attributor.place(line);
        if self.prepares_a_block() {
            if self.held.push(line, place) {
                return Ok(());
            }
            // The block would lack these lines, so it must not count as complete.
            self.attributor.hole();
        }
        self.release(place.attempt, wanted)?;
        self.pass(line, place, wanted)
    }

    /// Whether parts of the text were moved, as far as it was read: any block may lack some.
    pub fn is_moved(&self) -> bool {
        self.moved
    }

    /// The origin of a line: whether this part of a text stood there before, or parts were moved.
    fn origin(&mut self, line: &Line<'_>) -> Origin {
        let is_text = line.origin == Origin::Text && line.stream == Stream::Slog;
        let Some(rules) = self.profile.slog.as_ref().filter(|_| is_text && line.whole) else {
            return line.origin;
        };
        let is_resent = self.resent_lines.is_resent(line.bytes, false);
        let events: Vec<Event> = rules.read(line.bytes).events().collect();
        let starts = events.contains(&Event::ProcessStart);
        let bounds = |event: &Event| {
            matches!(
                event,
                Event::Begin { .. } | Event::End { .. } | Event::ProcessStart
            )
        };
        let asked = events.iter().any(bounds);
        self.moved |= asked && self.process_clock.goes_back(line.bytes, starts);
        self.process_clock.passes(line.bytes);
        // A node may really begin a block again.
        let begins = self.resent_lines.note_begin(is_resent, events.into_iter());
        match self.moved || is_resent && !begins {
            true => Origin::Resent,
            false => line.origin,
        }
    }

    fn pass(&self, line: &Line<'_>, place: Attribution, wanted: Wanted<'_>) -> io::Result<()> {
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

    /// Ends the source. Lines that prepared no block are selected by what was known of them when
    /// they came.
    pub fn finish(&mut self, wanted: Wanted<'_>) -> io::Result<()> {
        self.release(None, wanted)
    }

    /// Whether the newest line is, or is behind, the first that prepares a block which has not
    /// begun. Only a source without an index needs this: a block's first entries may come before
    /// the entry that names its height.
    fn prepares_a_block(&self) -> bool {
        let derived = self.attributor.derived();
        derived.is_some_and(|life| life.prelude().is_some())
    }

    /// Passes on the held lines: as lines of the block that begins, from its first entry on.
    fn release(&mut self, begins: Option<Attempt>, wanted: Wanted<'_>) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let life = self.attributor.derived();
        let block = begins.and_then(|attempt| life?.block(attempt));
        let block = block.map(|block| (block.of, block.from));
        let mut held = std::mem::replace(&mut self.held, HeldLines::new());
        held.drain(&mut |line, own| {
            let of_block = block.filter(|(_, from)| !line.is_behind(*from));
            let place = Attribution {
                attempt: of_block.map(|(of, _)| of).or(own.attempt),
                ..own
            };
            self.pass(&line, place, wanted)
        })
    }
}

#[cfg(test)]
mod tests;
