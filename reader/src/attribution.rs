//! Finds the block and the crank that a line belongs to.

use haltbox_format::mark::{Attempt, Position};
use haltbox_format::{Lane, Stream};
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{Event, Profile};

use crate::block_index::IndexedBlock;
use crate::source::{Blocks, Line};

/// The block and the crank of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The attempt; `None` if the line belongs to no block.
    pub attempt: Option<Attempt>,
    /// The crank; `None` if the line is outside cranks.
    pub crank: Option<u64>,
}

/// Finds the block and crank of each line of one source. The lines must come in order.
pub struct Attributor<'a> {
    profile: &'a Profile,
    known: Known,
    crank: Option<u64>,
    /// Position behind the newest line.
    next: Position,
}

enum Known {
    /// The source's index lists the blocks: in the order of their lines, and how many of them have
    /// begun.
    Told(Vec<IndexedBlock>, usize),
    /// The lines themselves show the blocks.
    Derived(Box<Lifecycle>),
}

impl<'a> Attributor<'a> {
    /// An attributor for a source with these blocks.
    pub fn new(profile: &'a Profile, blocks: Blocks) -> Attributor<'a> {
        let known = match blocks {
            Blocks::Told(blocks) => Known::Told(blocks, 0),
            Blocks::Untold => Known::Derived(Box::default()),
        };
        Attributor {
            profile,
            known,
            crank: None,
            next: Position::default(),
        }
    }

    /// The blocks that the lines have shown so far; `None` if the source has an index.
    pub fn derived(&self) -> Option<&Lifecycle> {
        match &self.known {
            Known::Derived(life) => Some(life),
            Known::Told(..) => None,
        }
    }

    /// Block records may be missing behind the newest line. The block that begins next may lack
    /// its first entries.
    pub fn hole(&mut self) {
        if let Known::Derived(life) = &mut self.known {
            let at = self.next;
            life.on(&Event::Gap, Stream::Slog, at, at);
        }
    }

    /// Finds the block and crank of the next line.
    pub fn place(&mut self, line: &Line<'_>) -> Attribution {
        self.next.main = line.counter + 1;
        let attempt = if line.context {
            None
        } else {
            self.attempt(line)
        };
        Attribution {
            attempt,
            crank: self.crank_of(line),
        }
    }

    fn attempt(&mut self, line: &Line<'_>) -> Option<Attempt> {
        match &mut self.known {
            Known::Told(blocks, begun) => {
                let begins = |block: &&IndexedBlock| !line.is_behind(block.from);
                while blocks.get(*begun).filter(begins).is_some() {
                    *begun += 1;
                }
                let newest = blocks.get(begun.checked_sub(1)?).filter(begins)?;
                let over = newest.until.is_some_and(|until| !line.is_behind(until));
                (!over).then_some(newest.attempt)
            }
            Known::Derived(life) => derive(self.profile, life, line),
        }
    }

    /// Entries without a crank number belong to the crank around them.
    fn crank_of(&mut self, line: &Line<'_>) -> Option<u64> {
        let rules = self
            .profile
            .slog
            .as_ref()
            .filter(|_| line.stream == Stream::Slog)?;
        self.crank = rules.crank_of(line.bytes).or(self.crank);
        let finished = rules
            .read(line.bytes)
            .events()
            .any(|e| matches!(e, Event::Crank { .. }));
        let crank = self.crank;
        if finished {
            self.crank = None;
        }
        crank
    }
}

/// Derives the blocks from plain lines with the rules of the life cycle.
fn derive(profile: &Profile, life: &mut Lifecycle, line: &Line<'_>) -> Option<Attempt> {
    let rules = profile.slog.as_ref()?;
    let before = Position {
        main: line.counter,
        local: 0,
    };
    let after = Position {
        main: line.counter + 1,
        local: 0,
    };
    let entry = rules.read(line.bytes);
    let local = entry.lane == Lane::Local;
    life.entry(entry.canonical, before);
    let mut ended = None;
    for event in entry.events() {
        if let Event::End { height } | Event::Commit { height, .. } = event {
            ended = Some(height);
        }
        life.on(&event, Stream::Slog, before, after);
    }
    let newest = life
        .blocks()
        .iter()
        .rev()
        .find(|b| b.begun.has(Stream::Slog))?;
    let over = newest.until.is_some_and(|until| until.main <= line.counter);
    let attempt = newest.of;
    let inside = !over || ended == Some(attempt.height);
    (inside && !(local && over)).then_some(attempt)
}
