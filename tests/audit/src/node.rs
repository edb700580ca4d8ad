//! What a node goes through while it records: starts, kills, blocks executed again.

use crate::fault::Kind;
use crate::kernel::{Clock, Kernel};
use crate::ledger::{Beginning, Begun, Ledger, Tracing};
use crate::random::Random;
use crate::tape::{Digest, Line, Run, Tape};

/// What was executed.
#[derive(Clone, Debug)]
pub enum Chain {
    /// By a kernel of vats.
    Kernel(Kernel),
    /// By a host that runs transactions.
    Ledger(Ledger),
}

impl Chain {
    /// The name of its profile.
    pub fn profile(&self) -> &'static str {
        match self {
            Chain::Kernel(_) => "agoric",
            Chain::Ledger(_) => "host",
        }
    }

    /// The lowest height at which two nodes part.
    pub fn parting(&self, other: &Chain) -> Option<u64> {
        match (self, other) {
            (Chain::Kernel(own), Chain::Kernel(other)) => own.parting(other),
            (Chain::Ledger(own), Chain::Ledger(other)) => own.parting(other),
            _ => None,
        }
    }

    /// The lowest height at which they did not do the same, whatever came of it.
    pub fn courses_part(&self, other: &Chain) -> Option<u64> {
        match (self, other) {
            (Chain::Ledger(own), Chain::Ledger(other)) => own.courses_part(other),
            _ => self.parting(other),
        }
    }
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It dies in a block, behind so many of a thousand of its lines, and executes the
    /// block again.
    Kill {
        /// The block.
        height: u64,
        /// Where in it.
        at: u64,
        /// How it starts again.
        how: u64,
    },
    /// It ends and starts between two blocks.
    Restart {
        /// Before this one.
        height: u64,
        /// How it starts.
        how: u64,
    },
    /// It goes back some blocks, and executes them again.
    Rollback {
        /// Beginning behind this one.
        height: u64,
        /// So many.
        back: u64,
        /// How it starts.
        how: u64,
    },
    /// It begins a block on its proposal, which is decided.
    Proposal {
        /// The block.
        height: u64,
    },
    /// It begins a block on a proposal that is not decided.
    OtherProposal {
        /// The block.
        height: u64,
        /// How far it comes.
        at: u64,
    },
    /// It takes this block's state from others.
    StateSync {
        /// The block.
        height: u64,
    },
    /// An entry of its own stands somewhere in a block.
    OwnEntry {
        /// The block.
        height: u64,
        /// Where in it.
        at: u64,
    },
}

impl Event {
    fn height(&self) -> u64 {
        match self {
            Event::Kill { height, .. }
            | Event::Restart { height, .. }
            | Event::Rollback { height, .. }
            | Event::Proposal { height }
            | Event::OtherProposal { height, .. }
            | Event::StateSync { height }
            | Event::OwnEntry { height, .. } => *height,
        }
    }

    /// One of those that can happen to such a node.
    pub fn drawn(kernel: bool, blocks: u64, random: &mut Random) -> Event {
        let height = 1 + random.below(blocks);
        let (at, how) = (random.below(1000), random.draw());
        match random.below(if kernel { 7 } else { 9 }) {
            0 | 1 => Event::Kill { height, at, how },
            2 => Event::Restart { height, how },
            3 => Event::Rollback {
                height,
                back: 1 + random.below(3),
                how,
            },
            4 => Event::StateSync { height },
            5 | 6 => Event::OwnEntry { height, at },
            7 => Event::Proposal { height },
            _ => Event::OtherProposal { height, at },
        }
    }
}

/// How one node records.
#[derive(Clone, Debug)]
pub struct Life {
    /// Whatever else is drawn.
    pub seed: u64,
    /// The first block that is recorded, and the last.
    pub heights: (u64, u64),
    /// What happens.
    pub events: Vec<Event>,
    /// Every process records everything.
    pub plain: bool,
    /// What it replays is not what it executed.
    pub replays_otherwise: bool,
    /// A kernel writes a text file, of which a kill may leave half a line.
    pub is_text: bool,
}

struct Recorder<'c> {
    chain: &'c Chain,
    life: &'c Life,
    clock: Clock,
    begun: Begun,
    random: Random,
    tape: Tape,
}

/// What a node of a chain recorded.
pub fn record(chain: &Chain, life: &Life) -> Tape {
    let mut random = Random::new(life.seed);
    let time = 1_795_000_000_000_000 + random.below(1 << 40);
    let begun = Begun {
        tracing: Tracing::full(),
        fresh: false,
        random: Random::new(random.draw()),
    };
    let mut recorder = Recorder {
        chain,
        life,
        clock: Clock::starts(time, random.draw()),
        begun,
        random,
        tape: Tape::default(),
    };
    recorder.traces_anew();
    let (mut height, last) = life.heights;
    if height == 1 {
        recorder.starts(1, 0);
    }
    while height <= last {
        height = recorder.block(height, true) + 1;
    }
    recorder.tape
}

impl Recorder<'_> {
    fn traces_anew(&mut self) {
        if !self.life.plain {
            self.begun.tracing = Tracing::drawn(&mut self.random);
        }
    }

    /// A process starts.
    fn starts(&mut self, height: u64, how: u64) {
        let lines = match self.chain {
            Chain::Kernel(kernel) => {
                self.clock.restarts();
                let other = self.life.replays_otherwise && height > 1;
                kernel.start(height, how, other, &mut self.clock)
            }
            Chain::Ledger(_) => {
                self.traces_anew();
                self.begun.fresh = true;
                Ledger::start(&self.begun)
            }
        };
        self.tape.lines.extend(lines);
    }

    fn lines(&mut self, height: u64, from: Beginning) -> (Vec<Line>, Digest) {
        match self.chain {
            Chain::Kernel(kernel) => kernel.lines(height, &mut self.clock),
            Chain::Ledger(ledger) => ledger.lines(height, from, &mut self.begun),
        }
    }

    /// A block, with what happens in it; gives the last height that is executed.
    fn block(&mut self, height: u64, first: bool) -> u64 {
        let events = self.life.events.iter();
        let events: Vec<Event> = events
            .filter(|event| event.height() == height && first)
            .copied()
            .collect();
        let mut from = Beginning::Decision;
        let mut own = Vec::new();
        let (mut back, mut saved) = (None, false);
        for event in events {
            match event {
                Event::Kill { at, how, .. } => saved |= self.killed(height, at, how),
                Event::Restart { how, .. } => self.starts(height, how),
                Event::StateSync { .. } => {
                    self.starts(height + 1, self.life.seed);
                    return height;
                }
                Event::Proposal { .. } if self.proposes() => from = Beginning::Proposal,
                Event::OtherProposal { at, .. } if self.proposes() => {
                    self.other_proposal(height, at);
                }
                Event::Proposal { .. } | Event::OtherProposal { .. } => {}
                Event::OwnEntry { at, .. } => own.push(at),
                Event::Rollback { back: by, how, .. } => back = Some((by, how)),
            }
        }
        if !saved {
            self.whole(height, from, &own);
        }
        if let Some((by, how)) = back {
            let from = height.saturating_sub(by).max(self.life.heights.0) + 1;
            self.starts(from, how);
            for height in from..=height {
                self.block(height, false);
            }
        }
        height
    }

    fn whole(&mut self, height: u64, from: Beginning, own: &[u64]) {
        let (mut lines, named) = self.lines(height, from);
        if lines.is_empty() {
            return;
        }
        for at in own {
            let place = 1 + (*at as usize * (lines.len() - 1)) / 1000;
            let behind = lines[place].behind;
            let text = self.own_entry();
            let line = Line {
                behind,
                ..Line::of(height, text)
            };
            lines.insert(place, line);
        }
        let run = self.run(height, named);
        self.tape.takes(lines, run);
    }

    fn run(&self, height: u64, named: Digest) -> Run {
        let detailed = match self.chain {
            Chain::Kernel(_) => true,
            Chain::Ledger(_) => self.begun.tracing.is_full(),
        };
        Run {
            height,
            named,
            has_name: true,
            whole: true,
            detailed,
        }
    }

    fn own_entry(&mut self) -> String {
        match self.chain {
            Chain::Kernel(_) => self.random.pick(&[
                r#"{"type":"console","source":"vat","level":"info","args":["hello"],"time":1.5,"monotime":4.5}"#,
                r#"{"type":"heap-snapshot-load","vatID":"v1","snapPos":4,"hash":"00","time":1.5,"monotime":4.5}"#,
                "2026-11-28 some library says {hello}",
                r#"{"level":"info","message":"{}"}"#,
            ]).to_owned(),
            Chain::Ledger(ledger) => ledger.own_entry(&mut self.random),
        }
    }

    /// It dies behind some lines of a block; gives whether the block was saved, and so is
    /// not executed again.
    fn killed(&mut self, height: u64, at: u64, how: u64) -> bool {
        let (mut lines, named) = self.lines(height, Beginning::Decision);
        if lines.is_empty() {
            return false;
        }
        let kept = (1 + at as usize * lines.len() / 1000).min(lines.len() - 1);
        let rest = lines.split_off(kept);
        let committing = rest.iter().all(|line| line.behind);
        let saved = committing && rest.len() <= 2 && matches!(self.chain, Chain::Kernel(_));
        let run = Run {
            has_name: committing,
            whole: saved,
            ..self.run(height, named)
        };
        self.tape.takes(lines, run);
        let before = self.tape.lines.len();
        self.starts(height, how);
        // A host that records by calls tears no line.
        let torn = self.life.is_text && how.is_multiple_of(3);
        if torn && let (Some(cut), Some(next)) = (rest.first(), self.tape.lines.get_mut(before)) {
            // Half a line has no end, and the next process goes on behind it.
            let half = &cut.text[..cut.text.len() / 2];
            next.text = [half, &next.text].concat();
        }
        if saved && let Chain::Kernel(kernel) = self.chain {
            let again = kernel.empty_lines(height, &mut self.clock);
            self.tape.lines.extend(again);
        }
        saved
    }

    /// Where an entry tells of proposals.
    fn proposes(&self) -> bool {
        matches!(self.chain, Chain::Ledger(ledger) if ledger.habits.inputs)
    }

    /// It executes a proposal that is not decided.
    fn other_proposal(&mut self, height: u64, at: u64) {
        let other = 1 + at % 50;
        let (mut lines, _) = self.lines(height, Beginning::OtherProposal(other));
        if lines.len() < 3 {
            return;
        }
        let kept = 1 + at as usize * (lines.len() - 2) / 1000;
        lines.truncate(kept);
        self.tape.lines.extend(lines);
        let abort = format!(r#"{{"type":"abort-block","height":{height}}}"#);
        self.tape.lines.push(Line::of(height, abort));
    }
}

/// Whether such a fault needs a node that starts while it is recorded.
pub fn needs_a_start(kind: Kind) -> bool {
    kind == Kind::Replay
}
