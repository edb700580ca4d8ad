//! Cuts the lines of a source into the blocks and units of a trace.

use std::io;

use blake3::Hasher;
use haltbox_format::{AppHash, Lane, Stream};
use haltbox_model::{Event, InputRules, Profile, SlogRules, json};

use super::attempts::Attempts;
use super::chain::Chain;
use super::durable::Durable;
use super::left_out::{Countability, OpenBlock};
use super::recording::Recording;
use super::roots::Roots;
use crate::carrier::{Origin, is_prefixed};
use crate::process_clock::ProcessClock;
use crate::repeats::{Repeats, ResentLines};
use crate::source::{Blocks, Item, Line, Source};
use crate::trace::{
    BlockTrace, ChainBreak, CrankEnd, Durability, Root, Step, Stream as StepStream, StreamId,
    Summary, TraceSink, Unit, UnitDigest, What, spanning,
};
use crate::values;
use crate::vocabulary::{
    Entry, EntryOrder, Fault, Role, StepTracker, TrackedStep, Vocabulary, entry,
};

/// Canonical bytes that are gathered before they are hashed.
const BATCH: usize = 64 << 10;
/// Limit of the list of chain breaks of a block, and of the holes of a source.
const LIST_LIMIT: usize = 100;

/// Limit of the replayed deliveries that are remembered.
const REPLAYS: usize = 1 << 20;

/// Limit of the streams of one recording whose names are kept.
const STREAMS: usize = 1024;

/// Cuts the lines of a source into blocks and units.
pub struct Cutter<'a> {
    rules: &'a SlogRules,
    inputs: &'a InputRules,
    vocabulary: &'static dyn Vocabulary,
    depth: Depth,
    by_value: bool,
    open_block: Option<OpenBlock>,
    summary: Summary,
    repeats: Repeats,
    resent_lines: ResentLines,
    process_clock: ProcessClock,
    repeated: RepeatedLines,
    entry_order: Box<dyn EntryOrder>,
    open: BlockTrace,
    second: Second,
    height: Option<u64>,
    /// Counter of the line that began the open execution.
    begun_at: u64,
    ordinal: u64,
    crank: Option<OpenCrank>,
    cranks_in_run: bool,
    chain: Chain,
    durable: Durable,
    started: bool,
    bootstrapped: bool,
    /// The profile is a built-in one, so the host's JSON writer is known.
    writer_known: bool,
    /// The source does not prove the order of its lines: only the lines themselves show it.
    order_unproved: bool,
    /// The lines were records, which have numbers: what is missing is told where it is missing.
    records_numbered: bool,
    attempts: Attempts,
    step_tracker: Option<Box<dyn StepTracker>>,
    roots: Roots,
    /// An execution that ended and waits. The following lines may give its AppHash, or discard it.
    ended: Option<BlockTrace>,
    /// The AppHash of a block that ends behind another one's beginning.
    hash_behind: Option<AppHash>,
    batch: Vec<u8>,
}

struct OpenCrank {
    number: u64,
    hasher: Hasher,
}

/// Whether the entry directly behind the block's begin entry is recorded. It holds the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    /// It is missing, and the next entry is not it.
    Missing,
    /// The next entry is it.
    Next,
    Seen,
}

/// Whether the lines just read are repeated lines that an earlier part of the source has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RepeatedLines {
    None,
    /// One repeated line, and the line before it is not repeated. A trigger or an input may come
    /// twice by itself.
    Alone,
    /// A node-local line.
    Local,
    /// The line belongs to a repeated part.
    Part,
}

/// How much of a source is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The digests of all units.
    Digests,
    /// Only which line belongs to which unit. The digests are those of empty input.
    Places,
}

/// Reads a source to its end, or until `sink` returns false. A source whose profile has no
/// slog gives no blocks and no error.
///
/// # Errors
/// An error from reading the source.
pub fn read(recording: &Recording, depth: Depth, sink: &mut dyn TraceSink) -> io::Result<Summary> {
    if let Source::Fingerprint(fingerprint) = &recording.source {
        return fingerprint.read(sink);
    }
    let Some(rules) = &recording.profile.slog else {
        return Ok(Summary::default());
    };
    let mut cutter = Cutter::new(rules, depth, recording);
    recording.source.read(&recording.profile, &mut |item| {
        if let Item::Line(line) = &item {
            recording.took(line.bytes.len());
        }
        Ok(match item {
            Item::Line(line) if line.stream == Stream::Node || line.context => true,
            Item::Line(line) => cutter.line(&line, sink),
            Item::Hole(hole) => {
                if hole.of_blocks {
                    cutter.hole(&hole.text, sink);
                }
                true
            }
        })
    })?;
    recording.end_pass();
    Ok(cutter.finish(sink))
}

impl<'a> Cutter<'a> {
    fn new(rules: &'a SlogRules, depth: Depth, recording: &'a Recording) -> Cutter<'a> {
        Cutter {
            rules,
            inputs: &recording.profile.inputs,
            vocabulary: recording.vocabulary,
            depth,
            by_value: recording.is_by_value(),
            open_block: recording
                .is_by_sender()
                .then(|| OpenBlock::new(recording.vocabulary)),
            summary: Summary::default(),
            repeats: Repeats::default(),
            resent_lines: ResentLines::default(),
            process_clock: ProcessClock::default(),
            repeated: RepeatedLines::None,
            entry_order: recording.vocabulary.entry_order(),
            open: BlockTrace::default(),
            second: Second::Missing,
            height: None,
            begun_at: 0,
            ordinal: 0,
            crank: None,
            cranks_in_run: false,
            chain: Chain::default(),
            durable: Durable::default(),
            started: false,
            bootstrapped: false,
            writer_known: Profile::is_builtin(&recording.profile.name),
            order_unproved: matches!(recording.source.blocks(), Blocks::Untold),
            records_numbered: recording.source.has_records(),
            attempts: Attempts::of(&recording.source),
            step_tracker: recording.vocabulary.step_tracker(),
            roots: Roots::default(),
            ended: None,
            hash_behind: None,
            batch: Vec::new(),
        }
    }

    /// Takes the next line. Returns false once `sink` has enough.
    fn line(&mut self, line: &Line<'_>, sink: &mut dyn TraceSink) -> bool {
        self.summary.lines += u64::from(line.newline || line.whole);
        if line.whole && self.repeats.is_repeat(line.bytes) {
            self.summary.doubled += 1;
            return true;
        }
        if let Origin::Carried(by) = line.origin {
            self.summary.carrier = Some(by);
        }
        self.summary.wrapped += u64::from(line.wrapped.is_some());
        if let Some(why) = self.unreadable(line) {
            self.take_unreadable(why, sink);
            return true;
        }
        // A different JSON writer may have formatted heights and numbers differently.
        let plain = self.open_block.is_some() && line.wrapped.is_none();
        let as_sent = plain.then(|| self.rules.told(line.bytes));
        let bytes = as_sent.as_deref().unwrap_or(line.bytes);
        let value = self.by_value.then(|| values::normal(bytes));
        let read = value.as_deref().unwrap_or(bytes);
        let entry = self.rules.read(read);
        self.summary.known += u64::from(entry.known);
        let events: Vec<Event> = entry.events().collect();
        let local = entry.lane == Lane::Local;
        let typed = Entry::new(self.vocabulary, read);
        let text = if self.by_value { read } else { line.bytes };
        if line.origin != Origin::Recorded {
            self.check_clock(text, typed.role, &events, sink);
            self.process_clock.passes(text);
        }
        let is_resent = (local || !self.is_placed(line, typed.role))
            && self.is_resent(text, typed.role, &events);
        match local {
            true => self.take_local_repeated(is_resent, sink),
            false => self.take_repeated(is_resent, line.bytes, sink),
        }
        if local && is_resent {
            return true;
        }
        sink.any_line(line.bytes, self.summary.lines);
        if local {
            return self.local(bytes, events, sink);
        }
        if !entry.canonical {
            self.summary.prefixed += u64::from(is_prefixed(bytes));
            events
                .into_iter()
                .for_each(|event| self.settle(event, sink));
            return true;
        }
        self.note_writer(line, typed.role, &events);
        if self.has_order(line) {
            self.check_order(typed, &events, sink);
        }
        let (more, end, mut crank_end) = self.follow(events, line.counter, sink);
        if crank_end.is_none() && entry.ends_crank() {
            let [crankhash, activityhash] = self.rules.crank_hashes(read);
            crank_end = Some(CrankEnd {
                crankhash,
                activityhash,
            });
        }
        if self.counts(bytes, line.wrapped.is_some()) {
            self.take(bytes, read, crank_end, sink);
        }
        match end {
            Some(height) => self.end(height, sink),
            None => more,
        }
    }

    /// Why a line gives no entry. A cut entry would differ from the whole one, so it counts as
    /// missing.
    fn unreadable(&mut self, line: &Line<'_>) -> Option<&'static str> {
        let is_cut = || json::members(line.bytes).any(|member| member.is_err());
        if !line.whole {
            return Some("an entry that was split or cut off");
        }
        if !line.newline && is_cut() {
            return Some("the last entry is cut off");
        }
        if entry::is_torn(line.bytes) {
            self.open.torn = true;
            return Some("an entry is cut off, and another one begins on its line");
        }
        None
    }

    /// Whether the order of the line's entries can be checked. A sender that drops entries leaves
    /// gaps in the order, which would look like disorder.
    fn has_order(&self, line: &Line<'_>) -> bool {
        self.open_block.is_none() && line.wrapped.is_none()
    }

    /// Whether the entry has a number of its own. A numbered entry that comes twice is out of
    /// order, and the order check reports it.
    fn is_placed(&self, line: &Line<'_>, role: Role) -> bool {
        self.has_order(line) && self.vocabulary.is_numbered(role)
    }

    /// Checks that a process start, and what begins or ends a block or a run, is not older than the
    /// one before: then parts of the text were moved, and where they were moved from, something is
    /// missing without a trace.
    fn check_clock(&mut self, text: &[u8], role: Role, events: &[Event], sink: &mut dyn TraceSink) {
        let bounds = [Role::Begin, Role::RunStart, Role::RunFinish, Role::End];
        let starts = events.contains(&Event::ProcessStart);
        if !bounds.contains(&role) && !starts {
            return;
        }
        let goes_back = self.process_clock.goes_back(text, starts);
        let begins = events.iter().find_map(|event| match event {
            Event::Begin { height, .. } if role == Role::Begin => Some(*height),
            _ => None,
        });
        if let Some(height) = begins {
            self.process_clock.block_begins(height, text);
        }
        let own = self.vocabulary.height(text);
        let untrue = |height| self.process_clock.is_older_than_its_block(height, text);
        if goes_back && !own.is_some_and(untrue) {
            let why = "entries are older than those before them, and of the same process";
            self.summary.disorder.get_or_insert(why.to_owned());
            self.lose_track(sink);
        }
    }

    fn check_order(&mut self, entry: Entry<'_>, events: &[Event], sink: &mut dyn TraceSink) {
        if let Some(why) = self.entry_order.goes_back(entry) {
            if self.order_unproved {
                self.summary.disorder.get_or_insert(why);
            }
            self.lose_track(sink);
        }
        if let Some(fault) = self.entry_order.take(entry) {
            self.out_of_order(fault, events, sink);
        }
    }

    /// Notes whether another writer wrote a canonical entry, and whether a begin or end entry
    /// could not be read.
    fn note_writer(&mut self, line: &Line<'_>, role: Role, events: &[Event]) {
        self.summary.rewritten |= self.is_rewritten(line);
        self.summary.unread |= matches!(role, Role::Begin | Role::End) && events.is_empty();
    }

    /// One rewritten entry is enough to know. The pass for places always follows a pass for
    /// digests, which has checked already.
    fn is_rewritten(&self, line: &Line<'_>) -> bool {
        let asked = self.depth == Depth::Digests && !self.summary.rewritten;
        asked
            && line.wrapped.is_none()
            && match self.writer_known {
                true => !self.vocabulary.is_as_written(line.bytes, line.origin),
                false => !entry::opens_as_written(line.bytes),
            }
    }

    /// Takes the events of a canonical entry. Returns whether `sink` wants more, the height that
    /// ends with the entry, and the hashes of the crank that ends with it.
    fn follow(
        &mut self,
        events: Vec<Event>,
        at: u64,
        sink: &mut dyn TraceSink,
    ) -> (bool, Option<u64>, Option<CrankEnd>) {
        let mut more = true;
        let (mut end, mut crank_end) = (None, None);
        for event in events {
            match event {
                Event::Begin { height, early } => {
                    more &= self.begin(height, early, at, sink);
                }
                Event::Executed => self.executed(sink),
                Event::End { height } => end = Some(height),
                Event::Crank {
                    crankhash,
                    activityhash,
                    ..
                } => {
                    crank_end = Some(CrankEnd {
                        crankhash: Some(crankhash),
                        activityhash: Some(activityhash),
                    });
                }
                Event::LocalHash { height, app_hash } => match self.height {
                    Some(open) if open != height => self.hash_behind = Some(app_hash),
                    _ => self.open.app_hash = Some(app_hash),
                },
                other => self.settle(other, sink),
            }
        }
        (more, end, crank_end)
    }

    /// Whether an entry counts in a comparison with a sender that drops entries.
    fn counts(&mut self, entry: &[u8], wrapped: bool) -> bool {
        let countability = self
            .open_block
            .as_mut()
            .map(|block| block.weigh(entry, wrapped));
        match countability {
            Some(Countability::Omittable) => false,
            Some(Countability::ShowsLoss(why)) => {
                self.note_missing_entry(&why);
                true
            }
            Some(Countability::Counts) | None => true,
        }
    }

    /// Notes that an entry is missing somewhere in the open block. The whole block is then
    /// uncovered.
    fn note_missing_entry(&mut self, why: &str) {
        let first = self.open.holes.is_empty();
        if first && !why.is_empty() && self.summary.holes.len() < LIST_LIMIT {
            self.summary.holes.push(why.to_owned());
        }
        self.open.holes.push(0);
        self.miss_second();
    }

    /// Notes that something is missing here. Directly behind the block's begin entry, the next
    /// entry may belong to another block, so it is not taken for the inputs.
    fn miss_second(&mut self) {
        if self.second == Second::Next {
            self.second = Second::Missing;
        }
    }

    /// Whether a line repeats an earlier part of the source. A repeated begin entry or process
    /// start does not count: the node may really execute the height again.
    fn is_resent(&mut self, text: &[u8], role: Role, events: &[Event]) -> bool {
        let is_resent = self.resent_lines.is_resent(text, role.is_from_outside());
        let begins = self
            .resent_lines
            .note_begin(is_resent, events.iter().cloned());
        is_resent && !begins
    }

    /// Handles parts that the source has twice. Nobody knows which of the two is in its place, nor
    /// what was committed when it was written, so all knowledge of earlier state is dropped.
    fn take_repeated(&mut self, is_resent: bool, line: &[u8], sink: &mut dyn TraceSink) {
        let before = std::mem::replace(&mut self.repeated, RepeatedLines::None);
        if is_resent || matches!(before, RepeatedLines::Alone | RepeatedLines::Part) {
            self.lose_track(sink);
        }
        if !is_resent {
            return;
        }
        self.repeated = match before {
            RepeatedLines::None if self.vocabulary.role_of(line).is_from_outside() => {
                RepeatedLines::Alone
            }
            _ => RepeatedLines::Part,
        };
        if self.repeated == RepeatedLines::Part {
            self.entry_order.forget();
            if before != RepeatedLines::Part {
                self.broken(Fault::resent_lines(), sink);
            }
        }
    }

    /// Takes a node-local line. If it is repeated, an input beside it that also is was not alone.
    fn take_local_repeated(&mut self, is_resent: bool, sink: &mut dyn TraceSink) {
        match (self.repeated, is_resent) {
            (RepeatedLines::Alone, true) => self.repeats_a_part(sink),
            (RepeatedLines::None, true) => self.repeated = RepeatedLines::Local,
            (RepeatedLines::Local, false) => self.repeated = RepeatedLines::None,
            _ => {}
        }
    }

    /// Takes a line that gives no entry. Whether it was repeated, as the input before it, is
    /// not known.
    fn take_unreadable(&mut self, why: &str, sink: &mut dyn TraceSink) {
        if self.repeated == RepeatedLines::Alone {
            self.repeats_a_part(sink);
        }
        self.hole(why, sink);
    }

    /// A repeated trigger or input was not alone.
    fn repeats_a_part(&mut self, sink: &mut dyn TraceSink) {
        self.repeated = RepeatedLines::Part;
        self.entry_order.forget();
        self.broken(Fault::resent_lines(), sink);
    }

    /// Handles an entry that cannot be where it is.
    fn out_of_order(&mut self, fault: Fault, events: &[Event], sink: &mut dyn TraceSink) {
        let begins = events.iter().find_map(|event| match event {
            Event::Begin {
                height,
                early: false,
            } => Some(*height),
            _ => None,
        });
        match begins {
            Some(height) => self.drop_rest(height, fault, sink),
            None => self.broken(fault, sink),
        }
    }

    /// Marks the open block as disordered: its entries are not in the order in which the kernel
    /// wrote them. Units behind the last sound one are not compared.
    fn broken(&mut self, fault: Fault, sink: &mut dyn TraceSink) {
        self.resent_lines.lose_height();
        let text = match self.height {
            Some(height) => format!("height {height}: {}", fault.why),
            None => fault.why.clone(),
        };
        let sound = match (fault.here, &self.crank) {
            (false, _) => 0,
            (true, Some(_)) => self.open.units.len(),
            (true, None) => self.proved_units(),
        };
        self.summary.disorder.get_or_insert_with(|| text.clone());
        self.hole(&text, sink);
        self.open.holes.push(sound);
        self.open.fault.get_or_insert(fault.why);
    }

    /// Number of units up to the last one whose number or height proves that it is in its place.
    fn proved_units(&self) -> usize {
        let tells = |unit: &Unit| matches!(unit.what, What::Crank { .. } | What::RunStart);
        let last = self.open.units.iter().rposition(tells);
        last.map_or(0, |last| last + 1)
    }

    /// Entries before the begin entry belong to another block, or to an unknown one. In the second
    /// case the beginning of this block may be missing.
    fn drop_rest(&mut self, height: u64, fault: Fault, sink: &mut dyn TraceSink) {
        self.close_crank(None);
        let other = self.height.is_some_and(|open| open != height);
        if other {
            self.summary.disorder.get_or_insert(fault.why.clone());
            self.open.holes.push(0);
            self.pass_on_open(sink);
        }
        (self.open, self.height) = (BlockTrace::default(), None);
        match other {
            true => self.lose_track(sink),
            false => self.broken(fault, sink),
        }
    }

    /// Takes a commit, which makes an execution durable, or an abort, which discards it.
    fn settle(&mut self, event: Event, sink: &mut dyn TraceSink) {
        match event {
            Event::Commit { height, app_hash } => {
                let ended = self.ended.as_mut().filter(|ended| ended.height == height);
                if let Some(ended) = ended {
                    ended.app_hash = ended.app_hash.take().or(app_hash);
                }
                let durability = self.durable.commit(self.chain.last());
                durability
                    .into_iter()
                    .for_each(|durability| sink.durability(durability));
                self.forget_missing_before_commit();
            }
            Event::Abort { height } => {
                self.forget_aborted(height);
                self.discard(sink);
            }
            _ => {}
        }
    }

    /// Whether something is missing here, and nothing is recorded of the next execution yet.
    fn is_only_missing(&self) -> bool {
        let open = &self.open;
        let nothing = !open.begun && open.units.is_empty() && self.crank.is_none();
        nothing && self.height.is_none() && !open.holes.is_empty()
    }

    /// What is missing before a block's commit is not of the next block: a kernel does nothing for
    /// that before the commit. In a text, whose lines may be moved or sent again, the commit does
    /// not prove where it stands.
    fn forget_missing_before_commit(&mut self) {
        let is_of_kernel = self.step_tracker.is_none() && self.open_block.is_none();
        let is_proved = self.records_numbered && self.open.fault.is_none();
        if is_of_kernel && is_proved && self.is_only_missing() {
            self.open.holes.clear();
        }
    }

    /// An execution that its host discarded is not an execution of the block.
    fn forget_aborted(&mut self, height: u64) {
        if self.step_tracker.is_none() {
            return;
        }
        if self
            .ended
            .as_ref()
            .is_some_and(|ended| ended.height == height)
        {
            self.ended = None;
        }
        // Of what has no beginning here, the recording begins inside it.
        if !self.open.begun || self.height == Some(height) {
            self.close_crank(None);
            self.forget_open();
        }
    }

    /// Passes on the execution that ended, if one waits.
    fn pass_on_ended(&mut self, sink: &mut dyn TraceSink) -> bool {
        let ended = self.ended.take();
        ended.is_none_or(|block| self.pass_on(block, sink))
    }

    /// Discards the open execution: the next one continues from the last commit.
    fn discard(&mut self, sink: &mut dyn TraceSink) {
        self.chain.go_back(self.durable.chain());
        sink.durability(Durability::Discarded);
    }

    /// Takes a node-local entry. A process start discards the open execution.
    fn local(&mut self, line: &[u8], events: Vec<Event>, sink: &mut dyn TraceSink) -> bool {
        let mut more = true;
        for event in events {
            if event == Event::ProcessStart && (!self.started || self.is_only_missing()) {
                self.started = true;
                more = self.abandon(sink);
            }
        }
        if self.vocabulary.role_of(line) == Role::Deliver {
            let replays = &mut self.summary.replays;
            replays.last = self.summary.lines;
            if replays.deliveries.len() < REPLAYS {
                let numbers = self.vocabulary.numbers(line);
                replays.deliveries.extend(numbers.vat.zip(numbers.delivery));
            }
        }
        more
    }

    /// Drops the open execution: nothing will finish it.
    fn abandon(&mut self, sink: &mut dyn TraceSink) -> bool {
        self.close_crank(None);
        self.entry_order.starts_anew();
        let open = self.open.begun || !self.open.units.is_empty();
        let more = !self.open.begun || self.pass_on_open(sink);
        self.open_block = self
            .open_block
            .take()
            .map(|_| OpenBlock::new(self.vocabulary));
        self.forget_open();
        if open {
            self.discard(sink);
        }
        more
    }

    /// Begins a block. Early entries belong to a block whose own begin entry comes later, or is
    /// missing.
    fn begin(&mut self, height: u64, early: bool, at: u64, sink: &mut dyn TraceSink) -> bool {
        let more = self.pass_on_ended(sink);
        if self.started {
            self.started = false;
            self.summary.kernel_starts.push(height);
        }
        if early {
            if self.height.is_none() {
                self.begun_at = at;
                self.begins(height, sink);
            }
            self.height.get_or_insert(height);
            return more;
        }
        if !self.open.begun && !self.open.holes.is_empty() && !self.open.units.is_empty() {
            self.begins_behind_a_gap();
        } else if !self.open.begun && self.ordinal == 0 {
            self.begins_behind_rest(sink);
        }
        let again = self.open.begun && !std::mem::take(&mut self.bootstrapped);
        let mut more = more;
        if again {
            let goes_on = self.height.is_some_and(|open| height > open);
            more &= self.pass_on_open(sink);
            match goes_on {
                true => self.lose_track(sink),
                false => self.discard(sink),
            }
        }
        if self.height.is_none() {
            self.begins(height, sink);
        }
        self.begun_at = at;
        self.height = Some(height);
        self.second = Second::Missing;
        self.open.begun = true;
        self.step_tracker
            .iter_mut()
            .for_each(|step_tracker| step_tracker.begins());
        if let Some(why) = self.open_block.as_mut().and_then(OpenBlock::begin) {
            self.note_missing_entry(&why);
        }
        more
    }

    /// Handles a recording that begins inside an execution in which the node died, so that the
    /// block begins again here. The rest must not count as part of the new execution. Two cases
    /// are not such a rest: work that prepares a block begins with an input, and work of a host
    /// before its first block runs no crank. Both belong to the block.
    fn begins_behind_rest(&mut self, sink: &mut dyn TraceSink) {
        self.close_crank(None);
        let units = &self.open.units;
        match units.first().map(|unit| unit.what) {
            Some(What::Input(_)) => self.lose_track(sink),
            Some(_) if units.iter().any(|unit| unit.crank().is_some()) => {
                self.forget_open();
                self.discard(sink);
            }
            _ => {}
        }
    }

    /// Discards entries that stand before a gap and a block's beginning. They may belong to another
    /// block, and some of this block's own may be missing.
    fn begins_behind_a_gap(&mut self) {
        self.close_crank(None);
        self.forget_open();
        self.open.holes.push(0);
    }

    /// Drops the open execution without passing it on. Its lines get an ordinal of their own.
    fn forget_open(&mut self) {
        self.ordinal += u64::from(!self.open.units.is_empty());
        self.open = BlockTrace::default();
        self.height = None;
    }

    fn begins(&mut self, height: u64, sink: &mut dyn TraceSink) {
        let durability = self.durable.begin(height, self.chain.last());
        if durability == Some(Durability::Unknown) {
            self.chain.forget();
        }
        durability
            .into_iter()
            .for_each(|durability| sink.durability(durability));
    }

    /// The kernel runs: if this height has already been executed, it is executed again.
    fn executed(&mut self, sink: &mut dyn TraceSink) {
        self.open.executed = true;
        let height = self.height.unwrap_or(0);
        match self.durable.execute(height) {
            Some(Durability::Discarded) => self.discard(sink),
            Some(Durability::Unknown) => self.lose_track(sink),
            _ => {}
        }
    }

    /// Drops all knowledge of earlier state: from here on nothing of it is certain.
    fn lose_track(&mut self, sink: &mut dyn TraceSink) {
        self.chain.forget();
        self.durable = Durable::default();
        sink.durability(Durability::Unknown);
    }

    /// Takes one canonical line.
    fn take(
        &mut self,
        line: &[u8],
        read: &[u8],
        crank_end: Option<CrankEnd>,
        sink: &mut dyn TraceSink,
    ) {
        if self.crank.is_none()
            && let Some(number) = self.rules.crank_of(read)
        {
            self.crank = Some(OpenCrank {
                number,
                hasher: Hasher::new(),
            });
            if number == 0 && self.summary.chain_id.is_none() {
                self.summary.chain_id = self.vocabulary.chain_id(line);
            }
        }
        sink.line(
            self.ordinal,
            self.open.units.len(),
            line,
            self.summary.lines,
        );
        if self.crank.is_none() {
            return self.outside_crank(line);
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
        if self.by_value {
            let mut value = values::normal(&self.batch[before..]).into_owned();
            if ends_crank {
                // The crankhash is compared separately. An older kernel that writes no hashes does
                // not differ because of that.
                value = entry::without_hashes(&value);
            }
            self.batch.truncate(before);
            self.batch.extend(value);
        } else if ends_crank {
            entry::drop_value(&mut self.batch, before, "activityhash");
        }
        self.batch.push(b'\n');
        if let (Some(crank), true) = (&mut self.crank, self.batch.len() >= BATCH) {
            crank.hasher.update(&self.batch);
            self.batch.clear();
        }
    }

    fn close_crank(&mut self, end: Option<CrankEnd>) {
        let Some(OpenCrank { number, mut hasher }) = self.crank.take() else {
            return;
        };
        hasher.update(&self.batch);
        self.batch.clear();
        if let Some(end) = end {
            self.link(number, end);
        }
        self.open.units.push(Unit {
            digest: short(hasher.finalize()),
            what: What::Crank { number, end },
        });
    }

    /// Checks at the end of a crank whether its activityhash follows from the crank before.
    fn link(&mut self, number: u64, end: CrankEnd) {
        self.summary.cranks += 1;
        let hashless = end.crankhash.is_none() || end.activityhash.is_none();
        self.summary.without_hashes += u64::from(hashless);
        self.summary.without_crankhashes += u64::from(end.crankhash.is_none());
        self.open.hashless |= hashless;
        let follows = match (end.crankhash, end.activityhash) {
            (Some(crankhash), Some(activityhash)) => self.chain.follows(crankhash, activityhash),
            _ => {
                self.chain.forget();
                true
            }
        };
        if !follows && self.open.breaks.len() < LIST_LIMIT {
            self.open.breaks.push(ChainBreak {
                unit: self.open.units.len(),
                crank: number,
                // The sender may have dropped the entry that starts the run.
                in_run: self.cranks_in_run && self.open_block.is_none(),
            });
        }
        self.cranks_in_run = true;
    }

    /// Takes an entry outside cranks.
    fn outside_crank(&mut self, line: &[u8]) {
        let mut text = Vec::new();
        self.rules.canonical().cut_canonical(line, &mut text);
        if self.by_value {
            text = values::normal(&text).into_owned();
        }
        let digest = short(blake3::hash(&text));
        let role = self.vocabulary.role_of(line);
        if role == Role::Begin && self.open.units.is_empty() {
            self.open.given.begin(self.inputs, line, &text);
            self.second = Second::Next;
        }
        let what = match role {
            Role::Input => {
                self.bootstrapped = self.vocabulary.begins_chain(line);
                self.open.begun |= self.bootstrapped;
                entry::drop_value(&mut text, 0, self.vocabulary.input_number());
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
            _ => {
                // The inputs are in the entry directly behind the begin entry.
                let is_second = self.open.units.len() == 1 && self.second == Second::Next;
                if is_second {
                    self.second = Second::Seen;
                    self.open.proposed |= self.vocabulary.is_proposal(line);
                }
                let what = self.step(&text);
                if is_second && what.is_of_outcome() {
                    self.open.given.go_on(self.inputs, line, &text);
                }
                what
            }
        };
        self.open.units.push(Unit { digest, what });
    }

    /// Classifies an entry outside cranks: a step of a stream that not every recording has, or an
    /// entry that all have.
    fn step(&mut self, canonical: &[u8]) -> What {
        let tracked = self
            .step_tracker
            .as_mut()
            .and_then(|step_tracker| step_tracker.step(canonical));
        let Some(TrackedStep {
            stream,
            kind,
            root_of,
            bare,
            asks,
        }) = tracked
        else {
            return What::Entry;
        };
        let digest = |text: &[u8]| short(blake3::hash(text));
        let id_of = |stream: &str| u128::from_le_bytes(digest(stream.as_bytes())) as StreamId;
        let id = id_of(&stream);
        if let Some(stream) = root_of {
            self.open.roots.push(Root {
                stream: id_of(&stream),
                says: digest(&bare),
                changed: None,
            });
        }
        let streams = &mut self.summary.streams;
        if streams.len() < STREAMS {
            streams.entry(id).or_insert_with(|| StepStream {
                name: stream,
                heights: None,
            });
        }
        let begins_phase = self.vocabulary.phase(canonical).is_some();
        What::Step(Step {
            stream: id,
            kind,
            begins_phase,
            bare: digest(&bare),
            asks: asks.as_deref().map(digest),
        })
    }

    fn end(&mut self, height: u64, sink: &mut dyn TraceSink) -> bool {
        self.close_crank(None);
        // The end entry names another height. The open execution keeps its own height and is
        // unfinished.
        if self.open.begun && self.height.is_some_and(|open| open != height) {
            self.pass_on_open(sink);
        }
        if let Some(app_hash) = self.hash_behind.take() {
            self.open.app_hash = Some(app_hash);
        }
        self.height = Some(height);
        self.open.ended = true;
        self.durable.end(height);
        self.pass_on_open(sink)
    }

    /// Passes the open execution on and begins a new one.
    fn pass_on_open(&mut self, sink: &mut dyn TraceSink) -> bool {
        self.close_crank(None);
        let ended = self.open.ended;
        if let Some((wrapped, why)) = self.open_block.as_mut().map(|block| block.end(ended)) {
            self.open.wrapped = wrapped;
            why.into_iter().for_each(|why| self.note_missing_entry(why));
        }
        let mut block = std::mem::take(&mut self.open);
        // The entry that would mark it as a proposal is missing, so it may be one.
        let inputs_missing = self.step_tracker.is_some() && self.second != Second::Seen;
        let torn = !block.ended || !block.holes.is_empty();
        block.proposed |= inputs_missing && block.begun && torn;
        let Some(height) = self.height.take() else {
            return true;
        };
        block.height = height;
        (block.attempt, block.diverged) = self.attempts.next(height, self.begun_at);
        block.ordinal = self.ordinal;
        self.ordinal += 1;
        let more = self.pass_on_ended(sink);
        if self.step_tracker.is_some() && block.ended {
            self.ended = Some(block);
            return more;
        }
        self.pass_on(block, sink) && more
    }

    /// Passes an execution to the sink, and adds it to the summary.
    fn pass_on(&mut self, mut block: BlockTrace, sink: &mut dyn TraceSink) -> bool {
        let height = block.height;
        self.roots.weigh(height, &mut block.roots);
        for unit in &block.units {
            if let What::Step(step) = &unit.what
                && let Some(stream) = self.summary.streams.get_mut(&step.stream)
            {
                stream.heights = Some(spanning(stream.heights, height));
            }
        }
        if block.app_hash.is_some() {
            self.summary.app_hashes = Some(spanning(self.summary.app_hashes, height));
        }
        sink.block(block)
    }

    /// Notes that something is missing at this position.
    fn hole(&mut self, why: &str, sink: &mut dyn TraceSink) {
        if self.summary.holes.len() < LIST_LIMIT {
            self.summary.holes.push(why.to_owned());
        }
        self.close_crank(None);
        self.open.holes.push(self.open.units.len());
        self.miss_second();
        self.lose_track(sink);
    }

    fn finish(mut self, sink: &mut dyn TraceSink) -> Summary {
        if self.open.begun || !self.open.units.is_empty() {
            self.pass_on_open(sink);
        }
        self.pass_on_ended(sink);
        self.summary
    }
}

fn short(hash: blake3::Hash) -> UnitDigest {
    let mut out = [0; 16];
    out.copy_from_slice(&hash.as_bytes()[..16]);
    out
}
