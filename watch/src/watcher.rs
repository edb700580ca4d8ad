//! The watcher: passes sightings of the finders to the book and the tapes, and problems
//! to the operator.
//!
//! ```text
//! finder of each chain --> watcher --> book (what is known)
//!                             |------> tape of each chain (what survives)
//!                             '------> alerts, boxes, metrics
//! ```
//!
//! One thread owns all state. Finders and the box writer have their own threads, so that
//! neither a slow node nor a slow disk delays the rest.

pub mod command;
mod finding;
mod forks;
mod freezing;
mod headers;
mod levels;
mod opinions;
mod resets;
mod super_roots;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_daemon::intake::Place;
use haltbox_recorder::box_budget::Budget;
use haltbox_recorder::clock::now_ms;
use haltbox_recorder::host::HostError;
use haltbox_recorder::recorder_dir::RecorderDir;
use thiserror::Error;

use crate::alert::Alerts;
use crate::book::{Book, Change, Fault, Standing};
use crate::chain::{Heads, Node};
use crate::checks::Checks;
use crate::dependency_set::DependencySet;
use crate::finder::{Declaration, Finder, Found, FoundMessage, Sighting};
use crate::incident::{self, Child, Level, Record, Shape, Step};
use crate::level::{Source, Status};
use crate::message::ChainId;
use crate::metrics::{Metrics, Shown};
use crate::opinion::{Asked, Opinions};
use crate::rpc::Trouble;
use crate::tape::{Tape, TapeError};
use crate::validity::Broken;
use crate::watched_chain::WatchedChain;
use finding::FinderThread;
use forks::Forks;
use freezing::{BoxThread, NoBox};
use headers::Headers;
use levels::Sources;
use opinions::SecondOpinions;
use resets::Resets;
use super_roots::SuperRoots;

/// Capacity of the queue from the other threads to the watcher, in inputs. A thread
/// blocks when it is full.
const QUEUE: usize = 64;
/// Time between two ticks: the watcher then does what is due by the clock, and writes the
/// metrics.
const TICK: Duration = Duration::from_millis(500);

/// Options of the watcher.
pub struct Options {
    /// Folder of the tapes. Each chain has a subfolder, named by its ID.
    pub dir: PathBuf,
    /// The chains and their nodes.
    pub chains: BTreeMap<ChainId, Vec<Node>>,
    /// The dependency set.
    pub set: DependencySet,
    /// Size of each chain's ring, in bytes.
    pub size: u64,
    /// Limits for the boxes of each chain.
    pub budget: Budget,
    /// Time between two polls of a chain.
    pub every: Duration,
    /// Number of blocks within which an invalid block must be replaced.
    pub replace_within: u64,
    /// Op-nodes and supernodes that report levels.
    pub sources: Vec<Source>,
    /// Filters and supervisors to ask about each message.
    pub asked: Vec<Asked>,
    /// Time until the same question is asked again.
    pub ask_again: Duration,
    /// Sources of other programs' checks, by executing chain.
    pub checks: Vec<(ChainId, Place)>,
}

/// Input from the other threads.
enum Input {
    /// From the finder of a chain.
    Sighting(ChainId, Sighting),
    /// A box was written, or failed.
    Frozen {
        chain: ChainId,
        incident: B256,
        outcome: Result<String, NoBox>,
    },
    /// The levels from a source.
    Levels(usize, Result<Status, Trouble>),
    /// The super root of a timestamp, from a source.
    SuperRoot(usize, super_roots::Answer),
    /// Answers of an endpoint about messages.
    Opinions(usize, Opinions),
    /// The headers that all nodes of a chain have.
    Look(ChainId, forks::Look),
}

/// Reasons why a watcher does not begin, or does not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WatchError {
    /// A tape cannot be opened.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// A thread cannot be started.
    #[error("cannot start a thread: {error}")]
    Thread {
        /// What the system said.
        error: io::Error,
    },
    /// The recorder of a tape is off.
    #[error(transparent)]
    Recorder(#[from] HostError),
}

/// Watches until `stop` is set.
///
/// # Errors
/// [`WatchError`].
pub fn run(
    options: Options,
    alerts: Alerts,
    shown: &Shown,
    stop: &AtomicBool,
) -> Result<(), WatchError> {
    let (sender, inputs) = sync_channel(QUEUE);
    let mut watcher = Watcher::start(options, alerts, &sender)?;
    drop(sender);
    watcher.freeze_unfinished();
    let outcome = watcher.listen(&inputs, shown, stop);
    watcher.end();
    Ok(outcome?)
}

fn note_unwatched(options: &Options, alerts: &mut Alerts) {
    let chains = options.set.chains();
    for id in chains.filter(|id| !options.chains.contains_key(id)) {
        alerts.note(&format!(
            "chain {id} is in the dependency set but not watched: messages that name it cannot be \
             judged; add --chain {id}=..."
        ));
    }
}

fn no_thread(error: io::Error) -> WatchError {
    WatchError::Thread { error }
}

/// A duration in microseconds.
fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

struct Watcher {
    book: Book,
    chains: BTreeMap<ChainId, WatchedChain>,
    finders: BTreeMap<ChainId, FinderThread>,
    boxes: BoxThread,
    metrics: Metrics,
    alerts: Alerts,
    replace_within: u64,
    sources: Sources,
    roots: SuperRoots,
    second: SecondOpinions,
    forks: Forks,
    headers: Headers,
    resets: Resets,
    ask_again: Duration,
    checks: Checks,
}

impl Watcher {
    /// Opens the tapes, and starts the other threads.
    fn start(
        options: Options,
        mut alerts: Alerts,
        sender: &SyncSender<Input>,
    ) -> Result<Watcher, WatchError> {
        let mut chains = BTreeMap::new();
        let mut finders = BTreeMap::new();
        for (id, nodes) in &options.chains {
            let opened = Tape::open(&options.dir.join(id.to_string()), options.size)?;
            let notices = opened.notices.iter().chain(&opened.recalled.missing);
            notices.for_each(|notice| alerts.note(&format!("chain {id}: {notice}")));
            let finder = Finder::new(*id, nodes.clone(), opened.recalled.from());
            let finder = FinderThread::start(*id, finder, options.every, sender.clone());
            finders.insert(*id, finder.map_err(no_thread)?);
            chains.insert(*id, WatchedChain::new(*id, opened));
        }
        note_unwatched(&options, &mut alerts);
        let mut checks = Checks::default();
        for (id, watched) in &chains {
            checks.of_chain(*id, &watched.tape.recorder(), options.size);
            let open = watched.incidents.open();
            open.for_each(|record| checks.want(*id, record));
        }
        for (id, place) in options.checks {
            let read = checks.read(id, place, &options.dir.join(id.to_string()));
            read.map_err(no_thread)?;
        }
        let every = options.ask_again;
        let mut second = SecondOpinions::start(options.asked, every, sender).map_err(no_thread)?;
        for (id, watched) in &chains {
            second.recall(*id, &watched.recalled.opinions);
        }
        Ok(Watcher {
            boxes: BoxThread::start(options.budget, sender.clone()).map_err(no_thread)?,
            sources: Sources::start(options.sources, options.every, sender).map_err(no_thread)?,
            second,
            forks: Forks::start(&options.chains, every, sender).map_err(no_thread)?,
            metrics: Metrics::of(options.set.chains()),
            book: Book::new(options.set, options.chains.keys().copied()),
            chains,
            finders,
            alerts,
            replace_within: options.replace_within,
            roots: SuperRoots::default(),
            headers: Headers::default(),
            resets: Resets::default(),
            ask_again: every,
            checks,
        })
    }

    fn listen(
        &mut self,
        inputs: &Receiver<Input>,
        shown: &Shown,
        stop: &AtomicBool,
    ) -> Result<(), HostError> {
        let mut shown_at: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            match inputs.recv_timeout(TICK) {
                Ok(input) => self.handle(input)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if shown_at.is_none_or(|at| at.elapsed() >= TICK) {
                shown_at = Some(Instant::now());
                self.tick()?;
                shown.set(&self.metrics, &self.book, self.chains.values());
            }
        }
        Ok(())
    }

    /// Does what is due by the clock.
    fn tick(&mut self) -> Result<(), HostError> {
        self.look_at_levels();
        self.look_at_opinions();
        self.look_at_forks();
        for (chain, alarm) in self.checks.take_alarms() {
            let text = format!("chain {chain}: {alarm}");
            self.alerts.alert(chain, "forbidden-stage", &text);
        }
        self.metrics.checks = self.checks.exposed();
        self.metrics.concerns = self.concerns();
        Ok(())
    }

    /// What needs attention, besides the chains and the book.
    fn concerns(&self) -> Vec<String> {
        let roots = "supernodes report different roots for a timestamp that both have finalized";
        let roots = self.roots.differ.then(|| roots.to_owned());
        let others = [
            self.second.concerns(),
            self.sources.concerns(),
            self.forks.concerns(),
            self.resets.concerns(),
        ];
        roots.into_iter().chain(others.concat()).collect()
    }

    /// Ends the other threads, and records how far each chain was read.
    fn end(self) {
        self.checks.end();
        self.second.end();
        for (_, finder) in self.finders {
            finder.end();
        }
        for (chain, mut watched) in self.chains {
            // Without a cursor the next session reads some blocks again.
            let _ = watched.cursor(self.book.first(chain), now_ms());
        }
    }

    /// Requests boxes that an earlier session did not finish.
    fn freeze_unfinished(&mut self) {
        for watched in self.chains.values() {
            let due = watched.incidents.open();
            let due = due.filter(|record| record.frozen.is_none() && record.level > Level::Unsafe);
            for record in due {
                self.boxes.ask(watched, record);
            }
        }
    }

    fn handle(&mut self, input: Input) -> Result<(), HostError> {
        match input {
            Input::Sighting(chain, sighting) => {
                self.sighting(chain, sighting)?;
                self.rewind_window(chain)?;
            }
            Input::Frozen {
                chain,
                incident,
                outcome,
            } => self.frozen(chain, incident, outcome)?,
            Input::Levels(source, told) => self.levels(source, told)?,
            Input::SuperRoot(source, answer) => self.super_root(source, answer)?,
            Input::Opinions(endpoint, told) => {
                self.checks.asked(self.second.name(endpoint), &told);
                self.opinions(endpoint, told)?;
            }
            Input::Look(chain, look) => self.looked(chain, look)?,
        }
        self.judge()
    }

    fn sighting(&mut self, chain: ChainId, sighting: Sighting) -> Result<(), HostError> {
        match sighting {
            Sighting::Block(found) => self.block(chain, &found),
            Sighting::Rewound { to } => self.rewound(chain, to),
            Sighting::Heads(heads) => self.heads(chain, &heads),
            Sighting::Gap { from, to, why } => self.gap(chain, from, to, &why),
            Sighting::Old { number, block } => {
                self.book.old(chain, number, block.as_deref());
                Ok(())
            }
            Sighting::Header { number, hash, told } => self.header(chain, number, hash, told),
            Sighting::Down(why) => self.node(chain, false, &why),
            Sighting::Up => self.node(chain, true, "a node answers"),
        }
    }

    fn block(&mut self, chain: ChainId, found: &Found) -> Result<(), HostError> {
        let at = now_ms();
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        let orphans = watched.met(found, at)?;
        let is_new = watched.is_new(found);
        self.metrics.block(chain, found, is_new, orphans);
        // Do this before the block is on the tape: the next session does not check a
        // block that is there.
        if is_new {
            for message in &found.messages {
                self.declared(chain, found, message, at)?;
            }
        }
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        if is_new && !found.messages.is_empty() {
            watched.tape.block(found)?;
        }
        self.book.block(chain, found, |site| watched.held(site));
        let shape = match found.block.deposits_only {
            true => Shape::DepositsOnly,
            false => Shape::Other,
        };
        let (number, hash) = (found.block.header.number, found.block.header.hash);
        let holds = watched.identities(found);
        let steps = watched
            .incidents
            .stands(number, Some(hash), shape, &holds, at);
        self.steps(chain, steps, at)
    }

    /// Checks how a message is declared, once, when it is first seen.
    fn declared(
        &mut self,
        chain: ChainId,
        found: &Found,
        message: &FoundMessage,
        at: u64,
    ) -> Result<(), HostError> {
        if message.declared == Declaration::Declared || message.message.is_err() {
            return Ok(());
        }
        self.metrics.undeclared(chain, message.declared);
        let why = match message.declared {
            Declaration::Declared => return Ok(()),
            Declaration::Missing => "its transaction declares no message",
            Declaration::Other => "its transaction declares other messages and not this one",
            Declaration::Duplicate => "its transaction declares it more often than it executes it",
        };
        let word = format!("access-list-{}", message.declared.word());
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        let site = watched.site(found, message);
        let reason = (word, why.to_owned());
        let step = watched
            .incidents
            .invalid(&site, &message.message, reason, at);
        self.steps(chain, step.into_iter().collect(), at)
    }

    fn rewound(&mut self, chain: ChainId, to: u64) -> Result<(), HostError> {
        let at = now_ms();
        let left = self.book.rewound(chain, to);
        self.metrics.rewound(chain, &left);
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        for block in &left {
            let why = "the chain was rewound below it";
            watched.tape.orphan(block.number, block.block, why, at)?;
        }
        if !left.is_empty() {
            let count: usize = left.iter().map(|block| block.messages.len()).sum();
            self.alerts.note(&format!(
                "chain {chain} was rewound to block {to}: blocks removed: {}, messages in them: \
                 {count}",
                left.len()
            ));
        }
        Ok(())
    }

    fn heads(&mut self, chain: ChainId, heads: &Heads) -> Result<(), HostError> {
        let at = now_ms();
        self.book.heads(chain, heads);
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        watched.heads(heads, &mut self.alerts);
        let mut steps = watched.null_above(
            heads.latest.number,
            |number| self.book.hash(chain, number).is_some(),
            at,
        );
        // A safe block of another fork proves nothing about this one.
        let safe = heads.safe.filter(|safe| {
            !watched.is_resetting() && self.book.hash(chain, safe.number) == Some(safe.hash)
        });
        if let Some(safe) = safe {
            let canonical = |number| self.book.hash(chain, number);
            let level = Level::CrossSafe;
            steps.extend(watched.incidents.reached(level, safe.number, canonical, at));
        }
        steps.extend(
            watched
                .incidents
                .overdue(heads.latest.number, self.replace_within),
        );
        self.steps(chain, steps, at)?;
        self.settle(at)?;
        match self.chains.get_mut(&chain) {
            Some(watched) => watched.cursor_if_due(self.book.first(chain), at),
            None => Ok(()),
        }
    }

    /// Records settled blocks of all chains: a block that one chain finalizes may settle
    /// messages of any.
    fn settle(&mut self, at: u64) -> Result<(), HostError> {
        for (chain, watched) in &mut self.chains {
            let settled = self.book.settled(*chain);
            self.metrics.settled(*chain, &settled);
            watched.tape.settled(&settled, at)?;
        }
        Ok(())
    }

    fn gap(&mut self, chain: ChainId, from: u64, to: u64, why: &str) -> Result<(), HostError> {
        let at = now_ms();
        self.metrics.gap(chain, from, to);
        self.alerts.alert(
            chain,
            "gap",
            &format!("chain {chain}: blocks {from} to {to} were not seen: {why}"),
        );
        match self.chains.get_mut(&chain) {
            Some(watched) => watched.gap(from, to, why, at),
            None => Ok(()),
        }
    }

    fn node(&mut self, chain: ChainId, up: bool, why: &str) -> Result<(), HostError> {
        let text = match up {
            true => format!("chain {chain}: {why}"),
            false => format!("chain {chain}: NOT WATCHED, no node answers: {why}"),
        };
        match up {
            true => self.alerts.note(&text),
            false => self.alerts.alert(chain, "node-down", &text),
        }
        match self.chains.get_mut(&chain) {
            Some(watched) => watched.node(up, why, now_ms()),
            None => Ok(()),
        }
    }

    /// Judges what may have changed, and requests missing blocks.
    fn judge(&mut self) -> Result<(), HostError> {
        let at = now_ms();
        let changes = self.book.judge();
        for (chain, number) in self.book.take_wanted() {
            if let Some(finder) = self.finders.get(&chain) {
                finder.ask(number);
            }
        }
        self.ask_others(&changes);
        let mut news = Vec::new();
        for change in changes {
            let watched = self.chains.get_mut(&change.site.chain);
            let recalled = watched.is_some_and(|watched| watched.forget_recalled(&change));
            self.metrics.judged(&change, recalled);
            if !recalled {
                news.push(change);
            }
        }
        // Report first, then record. A kill in between reports a change twice; in the
        // other order it would never be reported.
        for change in &news {
            self.changed(change, at)?;
        }
        // The incident that dooms a message may have been opened just now.
        for change in &news {
            self.link(change, at)?;
        }
        for of_chain in news.chunk_by(|a, b| a.site.chain == b.site.chain) {
            if let Some(watched) = self.chains.get_mut(&of_chain[0].site.chain) {
                watched.tape.changes(of_chain, at)?;
            }
        }
        Ok(())
    }

    fn changed(&mut self, change: &Change, at: u64) -> Result<(), HostError> {
        let chain = change.site.chain;
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        if change.flip {
            self.alerts.alert(chain, "flip", &flip(change));
        }
        if let Standing::Invalid(fault) = &change.to
            && fault.word() == "doomed"
        {
            self.alerts.alert(chain, "doomed", &doomed(change));
            return Ok(());
        }
        let step = watched.incidents.judged(change, at);
        self.steps(chain, step.into_iter().collect(), at)
    }

    /// Adds a doomed message to the incident that dooms it.
    fn link(&mut self, change: &Change, at: u64) -> Result<(), HostError> {
        let Standing::Invalid(fault) = &change.to else {
            return Ok(());
        };
        let Fault::Broken(Broken::Doomed { chain, block }) = &**fault else {
            return Ok(());
        };
        let Some(watched) = self.chains.get_mut(chain) else {
            return Ok(());
        };
        match watched.incidents.dooms(*block, Child::from(&change.site)) {
            Some(record) => watched.tape.incident(&record, at),
            None => Ok(()),
        }
    }

    /// Passes each step of an incident to the operator and the tape, and requests a box
    /// if the message got that far.
    fn steps(
        &mut self,
        chain: ChainId,
        steps: Vec<(Record, Step)>,
        at: u64,
    ) -> Result<(), HostError> {
        for (record, step) in steps {
            let Some(watched) = self.chains.get_mut(&chain) else {
                return Ok(());
            };
            // Do this before the box is requested: it must contain the checks.
            self.checks.want(chain, &record);
            self.alerts.step(chain, &record, &step);
            watched.tape.incident(&record, at)?;
            self.metrics.step(chain, &record, &step);
            // An invalidation leaves a height without a block, or the same transaction
            // again, whether or not a node reported it. Another block at once is a reorg
            // of the unsafe chain.
            let freezes = matches!(
                step,
                Step::NotReplaced | Step::CameBack | Step::Changed(Shape::Null)
            ) || record.level > Level::Unsafe;
            if freezes && record.frozen.is_none() && record.ended.is_none() {
                self.boxes.ask(watched, &record);
            }
            self.want_headers(chain, &record);
        }
        Ok(())
    }

    fn frozen(
        &mut self,
        chain: ChainId,
        id: B256,
        outcome: Result<String, NoBox>,
    ) -> Result<(), HostError> {
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        match outcome {
            Ok(name) => {
                self.metrics.frozen(chain);
                let at = RecorderDir::at(&watched.tape.dir()).boxes().join(&name);
                self.alerts
                    .note(&format!("chain {chain}: black box {}", at.display()));
                match watched.incidents.frozen(id, name) {
                    Some(record) => watched.tape.incident(&record, now_ms()),
                    None => Ok(()),
                }
            }
            Err(why) => {
                let text =
                    format!("chain {chain}: NO BLACK BOX was written for an incident: {why}");
                self.alerts.alert(chain, "no-box", &text);
                Ok(())
            }
        }
    }
}

fn place(change: &Change) -> String {
    format!("{}: {}", change.site, incident::words(&change.executed))
}

fn flip(change: &Change) -> String {
    let why = match &change.to {
        Standing::Invalid(fault) => format!("invalid now: {fault}"),
        Standing::Valid => "valid now".to_owned(),
        Standing::Unknown => "unknown now".to_owned(),
    };
    format!(
        "THE VALIDITY OF A MESSAGE CHANGED, the chain that it names was likely reorganized: {}: {why}",
        place(change)
    )
}

fn doomed(change: &Change) -> String {
    match &change.to {
        Standing::Invalid(fault) => format!("a message is doomed: {}: {fault}", place(change)),
        Standing::Valid | Standing::Unknown => place(change),
    }
}
