//! Cuts the lines of a source into the blocks and units of a tape.

use std::io;

use blake3::Hasher;
use haltbox_format::{Digest, Event, Lane, SlogRules, Stream};

use super::chain::Chain;
use super::party::Party;
use super::role::{self, Role};
use super::swingset;
use crate::source::{Item, Line, Source};
use crate::tape::{BlockTape, ChainBreak, Finds, Summary, Unit, UnitDigest, What};

/// Canonical bytes gathered before they are hashed.
const BATCH: usize = 64 << 10;
/// Chain breaks and holes that are told one by one.
const TOLD: usize = 100;

/// Replayed deliveries that are remembered.
const REPLAYS: usize = 1 << 20;

/// Cuts the lines of a source into blocks and units.
pub struct Cutter<'a> {
    rules: &'a SlogRules,
    depth: Depth,
    summary: Summary,
    open: BlockTape,
    height: Option<u64>,
    attempts: (u64, u32),
    ordinal: u64,
    crank: Option<OpenCrank>,
    cranks_in_run: bool,
    chain: Chain,
    committed: Option<Digest>,
    started: bool,
    bootstrapped: bool,
    batch: Vec<u8>,
}

struct OpenCrank {
    number: u64,
    hasher: Hasher,
}

/// How much of a source is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Digests of all units.
    Digests,
    /// Only which line belongs where: digests are those of nothing.
    Places,
}

/// Reads a source to its end, or until `finds` has enough.
///
/// # Errors
/// What reading gives; a profile that reads no slog is none of them: there are
/// no blocks then.
pub fn read(party: &Party, depth: Depth, finds: &mut dyn Finds) -> io::Result<Summary> {
    if let Source::Fingerprint(fingerprint) = &party.source {
        return fingerprint.read(finds);
    }
    let Some(rules) = &party.profile.slog else {
        return Ok(Summary::default());
    };
    let mut cutter = Cutter::new(rules, depth);
    party.source.read(&mut |item| {
        if let Item::Line(line) = &item {
            party.took(line.bytes.len());
        }
        Ok(match item {
            Item::Line(line) if line.stream == Stream::Node || line.context => true,
            Item::Line(line) => cutter.line(&line, finds),
            Item::Hole(hole) => {
                if hole.of_blocks {
                    cutter.hole(&hole.text);
                }
                true
            }
        })
    })?;
    party.end_pass();
    Ok(cutter.finish(finds))
}

impl<'a> Cutter<'a> {
    fn new(rules: &'a SlogRules, depth: Depth) -> Cutter<'a> {
        Cutter {
            rules,
            depth,
            summary: Summary::default(),
            open: BlockTape::default(),
            height: None,
            attempts: (0, 0),
            ordinal: 0,
            crank: None,
            cranks_in_run: false,
            chain: Chain::default(),
            committed: None,
            started: false,
            bootstrapped: false,
            batch: Vec::new(),
        }
    }

    /// Takes the next line; false if `finds` has enough.
    fn line(&mut self, line: &Line<'_>, finds: &mut dyn Finds) -> bool {
        self.summary.lines += u64::from(line.newline || line.whole);
        finds.any_line(line.bytes, self.summary.lines);
        if !line.whole {
            self.hole("an entry that could not be read in one piece");
            return true;
        }
        let entry = self.rules.read(line.bytes);
        if entry.lane == Lane::Local {
            return self.local(line.bytes, entry.events(), finds);
        }
        if !entry.canonical {
            return true;
        }
        let mut more = true;
        let mut crank_end = None;
        let mut end = None;
        for event in entry.events() {
            match event {
                Event::Begin { height, early } => more = self.begin(height, early, finds),
                Event::Executed => self.open.executed = true,
                Event::End { height } => end = Some(height),
                Event::Crank {
                    number,
                    crankhash,
                    activityhash,
                } => {
                    crank_end = Some((number, crankhash, activityhash));
                }
                _ => {}
            }
        }
        self.take(line.bytes, crank_end, finds);
        match end {
            Some(height) => self.end(height, finds),
            None => more,
        }
    }

    /// Node-local entries: a process that starts throws the open execution away.
    fn local(
        &mut self,
        line: &[u8],
        events: impl Iterator<Item = Event>,
        finds: &mut dyn Finds,
    ) -> bool {
        let mut more = true;
        for event in events {
            if event == Event::ProcessStart && !self.started {
                self.started = true;
                more = self.abandon(finds);
                self.chain.go_back(self.committed);
            }
        }
        if role::of(line) == Role::Deliver && self.summary.replays.len() < REPLAYS {
            let numbers = role::numbers(line);
            self.summary
                .replays
                .extend(numbers.vat.zip(numbers.delivery));
        }
        more
    }

    /// What was open will not be finished.
    fn abandon(&mut self, finds: &mut dyn Finds) -> bool {
        if self.open.begun {
            return self.give(finds);
        }
        self.close_crank(None);
        self.open = BlockTape::default();
        self.height = None;
        true
    }

    /// A block begins. Early entries belong to a block whose own first entry
    /// is still to come, or is not there.
    fn begin(&mut self, height: u64, early: bool, finds: &mut dyn Finds) -> bool {
        if self.started {
            self.started = false;
            self.summary.kernel_starts.push(height);
        }
        if early {
            self.height.get_or_insert(height);
            return true;
        }
        let again = self.open.begun && !std::mem::take(&mut self.bootstrapped);
        let more = !again || self.give(finds);
        self.height = Some(height);
        self.open.begun = true;
        more
    }

    /// Takes one canonical line.
    fn take(
        &mut self,
        line: &[u8],
        crank_end: Option<(u64, Digest, Digest)>,
        finds: &mut dyn Finds,
    ) {
        if self.crank.is_none()
            && let Some(number) = self.rules.crank_of(line)
        {
            self.crank = Some(OpenCrank {
                number,
                hasher: Hasher::new(),
            });
            if number == 0 && self.summary.chain_id.is_none() {
                self.summary.chain_id = swingset::chain_id(line);
            }
        }
        finds.line(
            self.ordinal,
            self.open.units.len(),
            line,
            self.summary.lines,
        );
        if self.crank.is_none() {
            return self.single(line);
        }
        if self.depth == Depth::Digests {
            self.digest(line, crank_end.is_some());
        }
        if crank_end.is_some() {
            self.close_crank(crank_end);
        }
    }

    fn digest(&mut self, line: &[u8], ends_crank: bool) {
        let before = self.batch.len();
        self.rules.canonical().cut_canonical(line, &mut self.batch);
        if ends_crank {
            role::drop_value(&mut self.batch, before, "activityhash");
        }
        self.batch.push(b'\n');
        if let (Some(crank), true) = (&mut self.crank, self.batch.len() >= BATCH) {
            crank.hasher.update(&self.batch);
            self.batch.clear();
        }
    }

    fn close_crank(&mut self, end: Option<(u64, Digest, Digest)>) {
        let Some(OpenCrank { number, mut hasher }) = self.crank.take() else {
            return;
        };
        hasher.update(&self.batch);
        self.batch.clear();
        let hashes = end.map(|(_, crankhash, activityhash)| (crankhash, activityhash));
        if let Some((crankhash, activityhash)) = hashes {
            self.summary.cranks += 1;
            let follows = self.chain.follows(crankhash, activityhash);
            if !follows && self.open.breaks.len() < TOLD {
                self.open.breaks.push(ChainBreak {
                    unit: self.open.units.len(),
                    crank: number,
                    in_run: self.cranks_in_run,
                });
            }
            self.cranks_in_run = true;
        }
        self.open.units.push(Unit {
            digest: short(hasher.finalize()),
            what: What::Crank { number, hashes },
        });
    }

    /// An entry outside cranks.
    fn single(&mut self, line: &[u8]) {
        let mut text = Vec::new();
        self.rules.canonical().cut_canonical(line, &mut text);
        let digest = short(blake3::hash(&text));
        let what = match role::of(line) {
            Role::Input => {
                self.bootstrapped = swingset::begins_chain(line);
                self.open.begun |= self.bootstrapped;
                role::drop_value(&mut text, 0, role::input_number_member(line));
                What::Input(short(blake3::hash(&text)))
            }
            Role::RunStart => {
                self.cranks_in_run = false;
                What::RunStart
            }
            Role::RunFinish => {
                self.cranks_in_run = false;
                What::Entry
            }
            _ => What::Entry,
        };
        self.open.units.push(Unit { digest, what });
    }

    fn end(&mut self, height: u64, finds: &mut dyn Finds) -> bool {
        self.close_crank(None);
        self.height = Some(height);
        self.open.ended = true;
        self.committed = self.chain.last();
        self.give(finds)
    }

    /// Hands the open execution on and begins another.
    fn give(&mut self, finds: &mut dyn Finds) -> bool {
        self.close_crank(None);
        let mut block = std::mem::take(&mut self.open);
        let Some(height) = self.height.take() else {
            return true;
        };
        if self.attempts.0 != height {
            self.attempts = (height, 0);
        }
        self.attempts.1 += 1;
        block.height = height;
        block.attempt = self.attempts.1;
        block.ordinal = self.ordinal;
        self.ordinal += 1;
        finds.block(block)
    }

    /// Something is missing here.
    fn hole(&mut self, why: &str) {
        if self.summary.holes.len() < TOLD {
            self.summary.holes.push(why.to_owned());
        }
        self.close_crank(None);
        self.open.holes.push(self.open.units.len());
        self.chain.forget();
    }

    fn finish(mut self, finds: &mut dyn Finds) -> Summary {
        if self.open.begun || !self.open.units.is_empty() {
            self.give(finds);
        }
        self.summary
    }
}

fn short(hash: blake3::Hash) -> UnitDigest {
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}
