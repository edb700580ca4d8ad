//! When trouble becomes a freeze.
//!
//! A consensus failure over two hashes is proof and is frozen at once, by the
//! life of a block itself. Everything else is watched here:
//!
//! ```text
//! the node refuses a proposal    pinned; frozen if the same goes on for some rounds or seconds
//! the node blames its peers      pinned; frozen the third time
//! first words of a panic, alarms pinned; frozen if the node then ends or gets no further
//! failure without two hashes     frozen at once, and said to be no divergence
//! text that others chose         pinned at most, until the next block is agreed
//! ```
//!
//! What the network agrees with is no longer watched: a healthy node sees the
//! same lines when a divergent one proposes.

use std::time::{Duration, Instant};

use haltbox_format::lifecycle::{Lifecycle, State};
use haltbox_format::mark::Attempt;
use haltbox_format::{AppHash, Event, Mismatch, Weight};

/// Things watched at once; the oldest gives way to another. A log that others
/// write into must not cost memory.
const MOST: usize = 64;
/// Refusals while syncing that are enough: each blames two peers.
const BLAMES: u32 = 3;

/// How long a doubt has to last.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Sightings of the same mismatch, one a round.
    pub rounds: u32,
    /// Time between the first sighting and one that repeats it; also the time
    /// a node in trouble has to agree on another block.
    pub time: Duration,
}

impl Default for Policy {
    /// 8 rounds, 60 seconds.
    fn default() -> Policy {
        Policy {
            rounds: 8,
            time: Duration::from_secs(60),
        }
    }
}

/// A block that has to be frozen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub of: Attempt,
    /// Why, in words for the operator.
    pub reason: String,
}

/// What is being watched.
#[derive(Debug)]
pub struct Triggers {
    policy: Policy,
    watches: Vec<Watch>,
}

#[derive(Debug)]
struct Watch {
    of: Attempt,
    cause: Cause,
    first: Instant,
    last: Instant,
    times: u32,
    /// The node ended since.
    ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Sighting(Pair),
    Blame(Pair),
    LastWords(Pair),
    Alarm(String),
    Failure { text: String, of_hashes: bool },
}

/// Two hashes of one header field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    field: String,
    local: AppHash,
    network: AppHash,
}

impl Triggers {
    /// Nothing is watched yet.
    pub fn new(policy: Policy) -> Triggers {
        Triggers {
            policy,
            watches: Vec::new(),
        }
    }

    /// The attempt that an event is about, if it is trouble to be watched.
    pub fn accused(event: &Event, life: &Lifecycle) -> Option<Attempt> {
        match event {
            Event::Mismatch(seen) => life.accused(seen),
            Event::Failure { .. } | Event::Alarm { .. } => life.newest_accused(),
            _ => None,
        }
    }

    /// Takes trouble about a block.
    pub fn hear(&mut self, event: &Event, of: Attempt, now: Instant) {
        let Some(cause) = Cause::of(event) else {
            return;
        };
        let same = |watch: &&mut Watch| watch.of == of && watch.cause == cause;
        if let Some(watch) = self.watches.iter_mut().find(same) {
            watch.times += 1;
            watch.last = now;
            return;
        }
        if self.watches.len() >= MOST {
            self.watches.remove(0);
        }
        self.watches.push(Watch {
            of,
            cause,
            first: now,
            last: now,
            times: 1,
            ended: false,
        });
    }

    /// What was heard of before stands unchanged: it lasts, and counts no more.
    pub fn still(&mut self, event: &Event, of: Attempt, now: Instant) {
        let cause = Cause::of(event);
        let same = |watch: &&mut Watch| watch.of == of && Some(&watch.cause) == cause.as_ref();
        if let Some(watch) = self.watches.iter_mut().find(same) {
            watch.last = now;
        }
    }

    /// The node's process ended, or started again.
    pub fn node_ended(&mut self) {
        self.watches.iter_mut().for_each(|watch| watch.ended = true);
    }

    /// Blocks whose time has come. Each is given once; what the network agreed
    /// with, or a box holds, is watched no longer.
    pub fn due(&mut self, life: &Lifecycle, now: Instant) -> Vec<Due> {
        self.watches.retain(|watch| is_open(life, watch.of));
        let policy = self.policy;
        let ripe = self.watches.iter().filter(|w| w.is_ripe(&policy, now));
        let mut due: Vec<Due> = Vec::new();
        for watch in ripe {
            if due.iter().all(|known| known.of != watch.of) {
                let reason = watch.reason(now);
                due.push(Due {
                    of: watch.of,
                    reason,
                });
            }
        }
        let told = |of: Attempt| due.iter().any(|due| due.of == of);
        self.watches.retain(|watch| !told(watch.of));
        due
    }
}

/// The network has not agreed with it, and no box holds it. A diverged one is
/// frozen without this.
fn is_open(life: &Lifecycle, of: Attempt) -> bool {
    life.block(of).is_some_and(|block| {
        let undecided = matches!(block.state, State::Open | State::Committed | State::Pinned);
        undecided && block.frozen.is_none()
    })
}

impl Cause {
    fn of(event: &Event) -> Option<Cause> {
        Some(match event {
            Event::Mismatch(seen) => match seen.weight {
                Weight::Seen => Cause::Sighting(Pair::of(seen)),
                Weight::Blamed => Cause::Blame(Pair::of(seen)),
                Weight::LastWords => Cause::LastWords(Pair::of(seen)),
                Weight::Quoted | Weight::Proved => return None,
            },
            Event::Alarm { why } => Cause::Alarm(why.clone()),
            Event::Failure { text, of_hashes } => Cause::Failure {
                text: text.clone(),
                of_hashes: *of_hashes,
            },
            _ => return None,
        })
    }
}

impl Pair {
    fn of(seen: &Mismatch) -> Pair {
        Pair {
            field: seen.field.clone(),
            local: seen.local,
            network: seen.network,
        }
    }

    fn words(&self) -> String {
        format!(
            "{} differs, this node has {}, the network {}",
            self.field, self.local, self.network
        )
    }
}

impl Watch {
    fn is_ripe(&self, policy: &Policy, now: Instant) -> bool {
        let lasted = self.last.duration_since(self.first) >= policy.time;
        match self.cause {
            Cause::Failure { .. } => true,
            Cause::Sighting(_) => self.times >= policy.rounds || lasted,
            Cause::Blame(_) => self.times >= BLAMES || lasted,
            Cause::LastWords(_) | Cause::Alarm(_) => {
                self.ended || now.duration_since(self.first) >= policy.time
            }
        }
    }

    fn reason(&self, now: Instant) -> String {
        let seconds = now.duration_since(self.first).as_secs();
        let then = match self.ended {
            true => "then the node ended".to_owned(),
            false => format!("and no block was agreed for {seconds} s"),
        };
        match &self.cause {
            Cause::Sighting(pair) => format!(
                "{}: seen {} times in {seconds} s without a decision; who is right is not known yet",
                pair.words(),
                self.times
            ),
            Cause::Blame(pair) => format!(
                "{}: the node refuses the next block while it syncs and blames the peers that send it",
                pair.words()
            ),
            Cause::LastWords(pair) => format!("{}: the node's last words, {then}", pair.words()),
            Cause::Alarm(why) => format!("{why}, {then}"),
            Cause::Failure { text, .. } if text.is_empty() => {
                "consensus failed; the line that says why was cut".to_owned()
            }
            Cause::Failure {
                text,
                of_hashes: true,
            } => format!("consensus failed over hashes that could not be read: {text}"),
            Cause::Failure { text, .. } => {
                format!("consensus failed, and not over a hash: no divergence, but {text}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
