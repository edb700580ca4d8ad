//! To which block and crank a line belongs.

use haltbox_format::mark::{Attempt, Position};
use haltbox_format::{Lane, Stream};
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{Event, Profile};

use crate::block_index::IndexedBlock;
use crate::source::{Blocks, Line};

/// Where a line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The attempt it belongs to.
    pub of: Option<Attempt>,
    /// The crank it belongs to.
    pub crank: Option<u64>,
}

/// Places the lines of one source, which must come in their order.
pub struct Attributor<'a> {
    profile: &'a Profile,
    known: Known,
    crank: Option<u64>,
    /// Behind the newest line.
    next: Position,
}

enum Known {
    /// In the order of their lines, and how many of them have begun.
    Told(Vec<IndexedBlock>, usize),
    /// The lines themselves tell.
    Derived(Lifecycle),
}

impl<'a> Attributor<'a> {
    /// A placer for a source with these blocks.
    pub fn new(profile: &'a Profile, blocks: Blocks) -> Attributor<'a> {
        let known = match blocks {
            Blocks::Told(blocks) => Known::Told(blocks, 0),
            Blocks::Untold => Known::Derived(Lifecycle::default()),
        };
        Attributor {
            profile,
            known,
            crank: None,
            next: Position::default(),
        }
    }

    /// The blocks that the lines told of so far, where no others were known.
    pub fn derived(&self) -> Option<&Lifecycle> {
        match &self.known {
            Known::Derived(life) => Some(life),
            Known::Told(..) => None,
        }
    }

    /// Block records may be missing behind the newest line: what begins next is
    /// not known to be there from its first entry on.
    pub fn hole(&mut self) {
        if let Known::Derived(life) = &mut self.known {
            let at = self.next;
            life.on(&Event::Gap, Stream::Slog, at, at);
        }
    }

    /// Where the next line stands.
    pub fn place(&mut self, line: &Line<'_>) -> Attribution {
        self.next.main = line.counter + 1;
        let of = if line.context {
            None
        } else {
            self.attempt(line)
        };
        Attribution {
            of,
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
                (!over).then_some(newest.of)
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

/// Runs the life of a block over plain lines.
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
    let of = newest.of;
    let inside = !over || ended == Some(of.height);
    (inside && !(local && over)).then_some(of)
}
