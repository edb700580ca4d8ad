//! Handles the levels of op-nodes and supernodes, and the windows in which no conclusion
//! is drawn from them.
//!
//! A source that rewinds returns errors, or 0 as the safe block of every chain, even of
//! chains that are not affected. A window is open for a source and chain from the first
//! such answer to the first sound one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel};
use std::time::{Duration, Instant};

use haltbox_daemon::exposition::{label, labels};
use haltbox_daemon::rpc::Endpoint;
use haltbox_recorder::host::HostError;

use super::{Input, Watcher};
use crate::incident::Level;
use crate::level::{Doubt, Head, Levels, Source, Status};
use crate::message::ChainId;
use crate::metrics::Metrics;
use crate::rpc::{Client, Trouble};
use crate::tape::Entry;
use crate::watched_chain::WatchedChain;
use haltbox_recorder::clock::now_ms;

/// A window of this length causes an alert: no conclusion was drawn for too long.
const LONG: Duration = Duration::from_secs(60);

/// All sources.
pub(super) struct Sources {
    pub(super) all: Vec<Followed>,
    /// Chains whose own node rewinds, and since when.
    rewinding: BTreeMap<ChainId, Instant>,
}

/// One source.
pub(super) struct Followed {
    pub(super) name: String,
    source: Source,
    /// Requests for the super root of a timestamp. Dropping it ends the thread.
    asked: Sender<u64>,
    up: Option<bool>,
    /// Whether its last status was sound.
    pub(super) sound: bool,
    pub(super) finalized: Option<u64>,
    chains: BTreeMap<ChainId, ChainLevels>,
}

/// What the source reported about one chain.
#[derive(Default)]
struct ChainLevels {
    levels: Option<Levels>,
    /// Whether it ever reported a safe block.
    had_safe: bool,
    window: Option<Window>,
}

struct Window {
    since: Instant,
    /// The last doubt, as a sentence.
    why: String,
    reported: BTreeSet<Doubt>,
    alerted: bool,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            since: Instant::now(),
            why: String::new(),
            reported: BTreeSet::new(),
            alerted: false,
        }
    }
}

impl Sources {
    /// Starts a thread for each source.
    pub(super) fn start(
        sources: Vec<Source>,
        every: Duration,
        sender: &SyncSender<Input>,
    ) -> io::Result<Sources> {
        let numbered = sources.into_iter().enumerate();
        let followed =
            numbered.map(|(at, source)| Followed::start(at, source, every, sender.clone()));
        Ok(Sources {
            all: followed.collect::<io::Result<_>>()?,
            rewinding: BTreeMap::new(),
        })
    }

    /// Windows that have been open for long, as sentences.
    pub(super) fn concerns(&self) -> Vec<String> {
        let mut concerns = Vec::new();
        for known in &self.all {
            for (chain, told) in &known.chains {
                if let Some(window) = told.window.as_ref().filter(|window| window.alerted) {
                    let (name, why) = (&known.name, &window.why);
                    concerns.push(format!(
                        "chain {chain}: the levels of {name} are not usable: {why}"
                    ));
                }
            }
        }
        concerns
    }

    /// Whether a window is open for a chain.
    pub(super) fn is_resetting(&self, chain: ChainId) -> bool {
        let mut told = self.all.iter().filter_map(|known| known.chains.get(&chain));
        told.any(|told| told.window.is_some())
    }
}

impl Followed {
    fn start(
        at: usize,
        source: Source,
        every: Duration,
        sender: SyncSender<Input>,
    ) -> io::Result<Followed> {
        let (asked, wanted) = channel();
        let name = source.to_string();
        let client = Client::new(source.endpoint().clone());
        let (of, asking) = (source.clone(), client.clone());
        let work = move || {
            let mut rest = Duration::ZERO;
            loop {
                let input = match wanted.recv_timeout(rest) {
                    Ok(timestamp) => {
                        Input::SuperRoot(at, super::super_roots::ask(&client, timestamp))
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        rest = every;
                        Input::Levels(at, of.status(&asking))
                    }
                };
                // An error means that the watcher ends.
                let _ = sender.send(input);
            }
        };
        let thread = std::thread::Builder::new().name(format!("levels-{at}"));
        thread.spawn(work)?;
        Ok(Followed {
            name,
            source,
            asked,
            up: None,
            sound: false,
            finalized: None,
            chains: BTreeMap::new(),
        })
    }

    /// Its endpoint.
    pub(super) fn endpoint(&self) -> &Endpoint {
        self.source.endpoint()
    }

    pub(super) fn is_supernode(&self) -> bool {
        matches!(self.source, Source::Supernode(_))
    }

    /// Whether it rewinds any chain.
    pub(super) fn is_resetting(&self) -> bool {
        self.chains.values().any(|told| told.window.is_some())
    }

    /// Requests the super root of a timestamp.
    pub(super) fn ask_root(&self, timestamp: u64) {
        // A thread that is not there any more ends the watcher anyway.
        let _ = self.asked.send(timestamp);
    }

    /// The chains that it should report.
    fn of(&self, watched: impl Iterator<Item = ChainId>) -> Vec<ChainId> {
        match self.source {
            Source::OpNode(chain, _) => vec![chain],
            Source::Supernode(_) => watched.collect(),
        }
    }
}

impl Watcher {
    /// Handles the answer of a source, or its failure.
    pub(super) fn levels(
        &mut self,
        source: usize,
        told: Result<Status, Trouble>,
    ) -> Result<(), HostError> {
        let Some(known) = self.sources.all.get_mut(source) else {
            return Ok(());
        };
        known.sound = told.is_ok();
        let reached = !matches!(told, Err(Trouble::Unreached(_)));
        if known.up.replace(reached) != Some(reached) {
            let (name, why) = (known.name.clone(), told.as_ref().err());
            let why = why.map_or("it answers".to_owned(), ToString::to_string);
            self.source_up(&name, reached, &why)?;
        }
        match told {
            Ok(status) => self.status(source, status),
            // A source that is not reached does not rewind; an open window stays open.
            Err(Trouble::Unreached(_)) => Ok(()),
            Err(trouble) => self.no_status(source, &trouble),
        }
    }

    fn source_up(&mut self, name: &str, up: bool, why: &str) -> Result<(), HostError> {
        match up {
            true => self.alerts.note(&format!("{name} answers")),
            false => {
                let text = format!("{name} does not answer: {why}");
                self.alerts.of_all("endpoint-down", &text);
            }
        }
        let is = if up { "answers" } else { "down" };
        self.everywhere(&Entry::Endpoint {
            endpoint: name.to_owned(),
            is: is.to_owned(),
            text: why.to_owned(),
            code: None,
            took_us: None,
            at: now_ms(),
        })
    }

    /// Records an entry that belongs to no chain on every tape.
    pub(super) fn everywhere(&mut self, entry: &Entry) -> Result<(), HostError> {
        let mut chains = self.chains.values_mut();
        chains.try_for_each(|watched| watched.tape.put(entry))
    }

    fn no_status(&mut self, source: usize, trouble: &Trouble) -> Result<(), HostError> {
        let why = format!("it returned no valid status: {trouble}");
        let watched = self.chains.keys().copied();
        let Some(known) = self.sources.all.get(source) else {
            return Ok(());
        };
        for chain in known.of(watched) {
            self.window(source, chain, Some((Doubt::Error, why.clone())))?;
        }
        Ok(())
    }

    fn status(&mut self, source: usize, status: Status) -> Result<(), HostError> {
        if let Some(known) = self.sources.all.get_mut(source) {
            known.finalized = status.finalized;
        }
        for (chain, levels) in status.chains {
            if self.chains.contains_key(&chain) {
                self.chain_levels(source, chain, levels)?;
            }
        }
        self.settle_roots()
    }

    fn chain_levels(
        &mut self,
        source: usize,
        chain: ChainId,
        levels: Levels,
    ) -> Result<(), HostError> {
        let Some(known) = self.sources.all.get_mut(source) else {
            return Ok(());
        };
        let told = known.chains.entry(chain).or_default();
        let doubt = levels.doubt(told.had_safe, |number| self.book.hash(chain, number));
        told.had_safe |= levels.safe.is_some_and(|safe| safe.number > 0);
        told.levels = Some(levels);
        let is_sound = doubt.is_none();
        if let Some((Doubt::Fork, _)) = doubt
            && let Some((_, head, own)) = levels.fork(|number| self.book.hash(chain, number))
        {
            self.want_header(chain, head.number, own);
            self.want_header(chain, head.number, head.hash);
        }
        self.window(source, chain, doubt)?;
        match is_sound {
            true => self.level_reached(chain, levels),
            false => Ok(()),
        }
    }

    /// Raises incidents by heads that are on the watched chain.
    fn level_reached(&mut self, chain: ChainId, levels: Levels) -> Result<(), HostError> {
        let at = now_ms();
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        if watched.is_resetting() {
            return Ok(());
        }
        let canonical = |number| self.book.hash(chain, number);
        let stands = |head: &Head| canonical(head.number) == Some(head.hash);
        let mut steps = Vec::new();
        for (level, head) in [
            (Level::LocalSafe, levels.local_safe),
            (Level::CrossSafe, levels.safe),
            (Level::CrossSafe, levels.finalized),
        ] {
            if let Some(head) = head.filter(stands) {
                steps.extend(watched.incidents.reached(level, head.number, canonical, at));
            }
        }
        self.steps(chain, steps, at)
    }

    /// Opens or closes a window. `doubt`: the reason to open it; `None` closes it. Each
    /// kind of doubt is reported once in a window.
    fn window(
        &mut self,
        source: usize,
        chain: ChainId,
        doubt: Option<(Doubt, String)>,
    ) -> Result<(), HostError> {
        let Some(known) = self.sources.all.get_mut(source) else {
            return Ok(());
        };
        let name = known.name.clone();
        let told = known.chains.entry(chain).or_default();
        let opens = doubt.is_some() && told.window.is_none();
        let (why, took) = match doubt {
            Some((kind, why)) => {
                let window = told.window.get_or_insert_with(Window::default);
                window.why.clone_from(&why);
                if !window.reported.insert(kind) {
                    return Ok(());
                }
                (why, None)
            }
            None => match told.window.take() {
                Some(window) => (window.why, Some(window.since.elapsed())),
                None => return Ok(()),
            },
        };
        self.alerts.note(&match took {
            None => format!(
                "chain {chain}: the levels of {name} are not usable for now, {why}: no conclusion \
                 is drawn until they are"
            ),
            Some(took) => format!(
                "chain {chain}: the levels of {name} are usable again, after {:.1} s",
                took.as_secs_f64()
            ),
        });
        if opens {
            self.look_for_loop(chain, &name);
        }
        self.reset(chain, name, why, took)
    }

    fn look_for_loop(&mut self, chain: ChainId, source: &str) {
        if self.resets.opens(source, chain, Instant::now()) {
            let text = super::resets::words(source, chain);
            self.alerts.alert(chain, "reset-loop", &text);
            let labels = label("executing_chain_id", chain);
            self.metrics.add("reset_loops_total", labels, 1);
        }
    }

    /// Records the window of a chain's own node.
    pub(super) fn rewind_window(&mut self, chain: ChainId) -> Result<(), HostError> {
        let watched = self.chains.get(&chain);
        let is_open = watched.is_some_and(WatchedChain::is_resetting);
        let since = self.sources.rewinding.get(&chain).copied();
        if is_open == since.is_some() {
            return Ok(());
        }
        let why = match is_open {
            true => "the node reports a lower block than before",
            false => "the node is back at its earlier block",
        };
        match is_open {
            true => self.sources.rewinding.insert(chain, Instant::now()),
            false => self.sources.rewinding.remove(&chain),
        };
        let took = since.map(|since| since.elapsed());
        let source = "the chain's node";
        if is_open {
            self.look_for_loop(chain, source);
        }
        self.reset(chain, source.to_owned(), why.to_owned(), took)
    }

    fn reset(
        &mut self,
        chain: ChainId,
        source: String,
        why: String,
        took: Option<Duration>,
    ) -> Result<(), HostError> {
        let Some(watched) = self.chains.get_mut(&chain) else {
            return Ok(());
        };
        let millis = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        watched.tape.put(&Entry::Reset {
            source,
            open: took.is_none(),
            why,
            took_ms: took.map(millis),
            at: now_ms(),
        })
    }

    /// Alerts about windows that have been open for long, and updates the metrics.
    pub(super) fn look_at_levels(&mut self) {
        for known in &mut self.sources.all {
            let (name, up) = (&known.name, known.up == Some(true));
            let endpoint = label("endpoint", name);
            self.metrics.set("endpoint_up", endpoint.clone(), up.into());
            for (chain, told) in &mut known.chains {
                told.show(
                    &labels(&[("endpoint", name), ("chain_id", chain)]),
                    &mut self.metrics,
                );
                if let Some((seconds, why)) = told.overlong() {
                    let text = format!(
                        "chain {chain}: the levels of {name} have not been usable for {seconds} \
                         s, {why}: check it; until then they cannot reveal a violation"
                    );
                    self.alerts.alert(*chain, "reset-window", &text);
                }
            }
        }
    }
}

impl ChainLevels {
    fn show(&self, labels: &str, metrics: &mut Metrics) {
        let open = self.window.as_ref().map(|window| window.since.elapsed());
        let seconds = open.map_or(0, |open| open.as_secs());
        metrics.set("reset_window", labels.to_owned(), open.is_some().into());
        metrics.set("reset_window_seconds", labels.to_owned(), seconds);
        for (level, head) in self.heads() {
            let labels = format!("{labels},{}", label("level", level));
            metrics.set("level_block", labels, head.number);
        }
    }

    /// Age and reason of a window that has been open for long. Returned once.
    fn overlong(&mut self) -> Option<(u64, &str)> {
        let window = self.window.as_mut()?;
        let open = window.since.elapsed();
        if open < LONG || std::mem::replace(&mut window.alerted, true) {
            return None;
        }
        Some((open.as_secs(), &window.why))
    }
    fn heads(&self) -> impl Iterator<Item = (&'static str, Head)> {
        let levels = self.levels;
        let heads = levels.map(|levels| {
            [
                ("local-safe", levels.local_safe),
                ("cross-safe", levels.safe),
                ("finalized", levels.finalized),
            ]
        });
        let heads = heads.into_iter().flatten();
        heads.filter_map(|(level, head)| Some((level, head?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_open_for_long_is_told_once() {
        let window = |since| Window {
            since,
            why: "it tells 0".to_owned(),
            ..Window::default()
        };
        let now = Instant::now();
        let mut told = ChainLevels::default();
        assert_eq!(told.overlong(), None, "no window");
        told.window = Some(window(now));
        assert_eq!(told.overlong(), None);
        told.window = Some(window(now.checked_sub(LONG).unwrap()));
        assert_eq!(told.overlong(), Some((60, "it tells 0")));
        assert_eq!(told.overlong(), None, "it was told");
    }
}
