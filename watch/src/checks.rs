//! Checks of access lists by other programs: in proxyd, in mempools, anywhere.
//!
//! ```text
//! proxyd's log ---------------> joiner --.
//! lines {"check":{...}} -----------------+--> keeper --> metrics by stage
//! (mempools, haltbox check --samples)    |          '--> tape, local lane
//! ```
//!
//! Each source is read in its own thread, and each sample goes directly to the tape.
//! Neither a flood of checks nor a slow disk under a log delays the watcher's loop.

mod feed;
mod keeper;
mod proxyd;
mod sample;
pub(crate) mod written;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use haltbox_daemon::exposition::{Exposition, Kind, label};
use haltbox_daemon::intake::Place;
use haltbox_recorder::host::HostRecorder;

use crate::access_list::Declared;
use crate::incident::Record;
use crate::message::ChainId;
use crate::opinion::{Opinion, Opinions, Question, Says};
use crate::stages::{self, Outcome, Stage};
use feed::Feed;
use haltbox_recorder::clock::now_ms;
use keeper::{Counts, Keeper};

pub use sample::{DECLARED, Missing, Named, Sample};

/// How long the end waits for the reading threads.
const PATIENCE: Duration = Duration::from_secs(1);

/// The checks of all chains.
#[derive(Default)]
pub(crate) struct Checks {
    keepers: BTreeMap<ChainId, Arc<Keeper>>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

/// A metric of [`Counts`]: name, label, and the field.
type Shown = (
    &'static str,
    Option<(&'static str, &'static str)>,
    fn(&Counts) -> u64,
);

fn monitored(endpoint: &str, question: &Question, opinion: &Opinion) -> Sample {
    Sample {
        stage: Stage::Monitor,
        backend: Some(endpoint.to_owned()),
        part: false,
        chain: None,
        tx: Some(question.site.transaction),
        declares: vec![Named::from(&Declared::of(&question.message))],
        verdict: match opinion.says {
            Some(Says::Valid) => Outcome::Accepted,
            Some(Says::Invalid) => Outcome::Refused,
            None => Outcome::Undecided,
        },
        error: opinion.error.clone(),
        took_us: u64::try_from(opinion.took.as_micros()).ok(),
        at: now_ms(),
    }
}

/// All values of one name stand next to each other.
const SHOWN: [Shown; 6] = [
    ("check_lines_total", Some(("kind", "check")), |c| c.lines),
    ("check_lines_total", Some(("kind", "other")), |c| c.others),
    ("check_lines_total", Some(("kind", "unreadable")), |c| {
        c.unreadable
    }),
    ("check_samples_total", Some(("kept", "tape")), |c| c.taped),
    ("check_samples_total", Some(("kept", "no")), |c| c.lost),
    ("check_unfinished_total", None, |c| c.unfinished),
];

impl Checks {
    /// Adds a chain whose tape records checks. `size`: of its ring.
    pub(crate) fn of_chain(&mut self, chain: ChainId, recorder: &Arc<HostRecorder>, size: u64) {
        let keeper = Keeper::new(chain, Arc::downgrade(recorder), size);
        self.keepers.insert(chain, Arc::new(keeper));
    }

    /// Starts to read a source of checks of a chain. `dir`: the folder of that chain.
    pub(crate) fn read(&mut self, chain: ChainId, place: Place, dir: &Path) -> io::Result<()> {
        let Some(keeper) = self.keepers.get(&chain) else {
            return Ok(());
        };
        let (keeper, stop) = (Arc::clone(keeper), Arc::clone(&self.stop));
        let thread = Feed::start(place, keeper, dir.to_owned(), stop)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Keeps the checks of an incident.
    pub(crate) fn want(&self, chain: ChainId, record: &Record) {
        if let Some(keeper) = self.keepers.get(&chain) {
            keeper.want(record.transaction, record.checksum);
        }
    }

    /// Counts the watcher's own questions to other programs, as checks at the stage of
    /// monitors.
    pub(crate) fn asked(&self, endpoint: &str, told: &Opinions) {
        let told = told.iter();
        let told = told.filter_map(|(question, opinion)| Some((question.as_ref()?, opinion)));
        for (question, opinion) in told {
            if let Some(keeper) = self.keepers.get(&question.site.chain) {
                keeper.asked(monitored(endpoint, question, opinion));
            }
        }
    }

    /// Alarms about checks at forbidden stages, since the last call.
    pub(crate) fn take_alarms(&self) -> Vec<(ChainId, String)> {
        let of = |(chain, keeper): (&ChainId, &Arc<Keeper>)| {
            let alarms = keeper.take_alarms().into_iter();
            let chain = *chain;
            alarms.map(move |alarm| (chain, alarm))
        };
        self.keepers.iter().flat_map(of).collect()
    }

    /// As metrics.
    pub(crate) fn exposed(&self) -> Exposition {
        let labels = |chain: &ChainId| label("executing_chain_id", chain);
        let boards = self.keepers.iter();
        let boards: Vec<(String, &stages::Board)> = boards
            .map(|(chain, keeper)| (labels(chain) + ",", &keeper.board))
            .collect();
        let mut page = stages::exposed("haltbox_watch_check", &boards);
        let counts = self.keepers.iter();
        let counts: Vec<(String, Counts)> = counts
            .map(|(chain, keeper)| (labels(chain), keeper.counts()))
            .collect();
        let mut last = String::new();
        for (name, more, of) in SHOWN {
            let name = format!("haltbox_watch_{name}");
            if name != last {
                page.head(&name, Kind::Counter, "");
            }
            for (labels, counts) in &counts {
                let more = more.map(|(name, value)| format!(",{}", label(name, value)));
                let labels = format!("{labels}{}", more.unwrap_or_default());
                page.sample(&name, &labels, of(counts));
            }
            last = name;
        }
        page
    }

    /// Ends the threads. It waits at most [`PATIENCE`] for one that hangs in a read.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + PATIENCE;
        let reads = |thread: &JoinHandle<()>| !thread.is_finished();
        while self.threads.iter().any(reads) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
