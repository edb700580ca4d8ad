//! The light check: whether the messages that an access list declares exist, by the
//! receipts of plain nodes alone.
//!
//! It shares no code with the programs that index a chain for this. So it refuses what
//! they would all accept because of one fault in all of them. It cannot tell whether a
//! block stays: a receipt of an unsafe block is a receipt.
//!
//! ```text
//! entries -> declarations -> rules that need no chain -> blocks of each chain, one batch
//!                                                          -> checksum of each log
//! ```

mod bench;
pub mod command;
mod finals;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use alloy_primitives::B256;

use crate::access_list::Declared;
use crate::chain::{Block, Emitted, Node};
use crate::dependency_set::DependencySet;
use crate::message::{ChainId, Message, Place};
use crate::validity::{Broken, Descriptor, Lookup, Validity, judge_declared, refused_at_once};

use finals::Finals;

/// Most blocks in one batch: nodes limit the size of their answers.
const BATCH: usize = 64;

/// The declarations of one access list, and the block that will execute them.
#[derive(Clone, Debug)]
pub struct Question {
    /// The messages.
    pub declared: Vec<Declared>,
    /// The block that executes them.
    pub descriptor: Descriptor,
}

/// The verdict on a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its log is at its place, and all rules hold.
    Accepted,
    /// A rule is broken.
    Refused(Broken),
    /// No verdict, because information is missing.
    Undecided(Undecided),
}

/// Reasons why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// The block may still come.
    Ahead {
        /// Timestamp of the chain's newest block.
        head: u64,
    },
    /// No node answered; a sentence.
    Untold(String),
}

impl Verdict {
    /// One word for metrics and documents.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Refused(_) => "refused",
            Verdict::Undecided(_) => "undecided",
        }
    }

    /// One word for the reason, if there is one.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Verdict::Accepted => None,
            Verdict::Refused(broken) => Some(broken.word()),
            Verdict::Undecided(Undecided::Ahead { .. }) => Some("ahead"),
            Verdict::Undecided(Undecided::Untold(_)) => Some("untold"),
        }
    }

    /// The reason as a sentence, if there is one.
    pub fn what(&self) -> Option<String> {
        match self {
            Verdict::Accepted => None,
            Verdict::Refused(broken) => Some(broken.to_string()),
            Verdict::Undecided(why) => Some(why.to_string()),
        }
    }

    /// The verdict on a whole list: a refusal outweighs everything, and an undecided
    /// verdict outweighs acceptance.
    pub fn of_all<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> &'a Verdict {
        let weight = |verdict: &&Verdict| match verdict {
            Verdict::Refused(_) => 0,
            Verdict::Undecided(_) => 1,
            Verdict::Accepted => 2,
        };
        // `min_by_key` returns the first of equals.
        let heaviest = verdicts.into_iter().min_by_key(weight);
        heaviest.unwrap_or(&Verdict::Accepted)
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecided::Ahead { head } => write!(
                f,
                "the block does not exist yet: the chain's newest block has timestamp {head}"
            ),
            Undecided::Untold(why) => f.write_str(why),
        }
    }
}

/// One block, in the form that declarations are compared with.
#[derive(Debug)]
struct Known {
    timestamp: u64,
    /// Checksums of the messages that would execute its logs, in order.
    checksums: Vec<B256>,
    /// Whether it cannot be replaced any more.
    is_final: bool,
}

impl Known {
    fn of(chain: ChainId, block: &Block, finalized: Option<u64>) -> Known {
        let header = block.header;
        let checksum = |emitted: &Emitted| {
            let message = Message {
                place: Place {
                    chain,
                    block: header.number,
                    timestamp: header.timestamp,
                    log: emitted.index,
                },
                origin: emitted.log.address,
                payload: emitted.log.payload(),
            };
            message.checksum()
        };
        Known {
            timestamp: header.timestamp,
            checksums: block.logs.iter().map(checksum).collect(),
            is_final: finalized.is_some_and(|finalized| header.number <= finalized),
        }
    }

    fn told(&self, log: u32) -> Lookup<B256> {
        let at = usize::try_from(log).ok();
        Lookup::Block {
            timestamp: self.timestamp,
            logs: u32::try_from(self.checksums.len()).unwrap_or(u32::MAX),
            log: at.and_then(|at| self.checksums.get(at)).copied(),
        }
    }
}

/// The result for one height of a chain.
#[derive(Clone, Debug)]
enum Seen {
    Block(Arc<Known>),
    Ahead { head: u64 },
    Nothing(String),
}

impl Seen {
    /// The better result of two nodes.
    fn or(self, other: Seen) -> Seen {
        match (self, other) {
            (Seen::Block(known), _) | (_, Seen::Block(known)) => Seen::Block(known),
            (Seen::Ahead { head }, Seen::Ahead { head: other }) => Seen::Ahead {
                head: head.max(other),
            },
            (ahead @ Seen::Ahead { .. }, _) | (_, ahead @ Seen::Ahead { .. }) => ahead,
            (_, nothing) => nothing,
        }
    }

    fn is_block(&self) -> bool {
        matches!(self, Seen::Block(_))
    }
}

/// Heights of several chains.
type Heights = BTreeMap<ChainId, BTreeSet<u64>>;
type Sights = BTreeMap<(ChainId, u64), Seen>;

/// A declaration with its verdict so far.
struct Ruling {
    declared: Declared,
    verdict: Verdict,
    /// Whether another look may change the verdict.
    is_open: bool,
}

/// Checks declarations against the nodes of their chains.
pub struct Checker {
    set: DependencySet,
    nodes: BTreeMap<ChainId, Vec<Node>>,
    /// Time after which missing blocks and logs are looked for once more; zero: never.
    retest: Duration,
    finals: Finals,
}

impl Checker {
    /// A checker for a dependency set. Of each chain's nodes the first that answers
    /// counts.
    pub fn new(
        set: DependencySet,
        nodes: BTreeMap<ChainId, Vec<Node>>,
        retest: Duration,
    ) -> Checker {
        Checker {
            set,
            nodes,
            retest,
            finals: Finals::default(),
        }
    }

    /// The verdicts on all declarations of all questions, in order. A block that several
    /// of them name is requested once.
    pub fn check(&self, questions: &[Question]) -> Vec<Vec<Verdict>> {
        let all = questions.iter().flat_map(|question| {
            let rule = |declared| self.rule(declared, &question.descriptor);
            question.declared.iter().map(rule)
        });
        let mut rulings: Vec<Ruling> = all.collect();
        self.look(&mut rulings);
        let is_open = rulings.iter().any(|ruling| ruling.is_open);
        if is_open && !self.retest.is_zero() {
            thread::sleep(self.retest);
            self.look(&mut rulings);
        }
        let mut verdicts = rulings.into_iter().map(|ruling| ruling.verdict);
        let of = |question: &Question| verdicts.by_ref().take(question.declared.len()).collect();
        questions.iter().map(of).collect()
    }

    fn rule(&self, declared: &Declared, descriptor: &Descriptor) -> Ruling {
        let broken = refused_at_once(declared, descriptor, &self.set);
        let untold = || Verdict::Undecided(Undecided::Untold("no node was asked".to_owned()));
        Ruling {
            declared: *declared,
            is_open: broken.is_none(),
            verdict: broken.map_or_else(untold, Verdict::Refused),
        }
    }

    fn look(&self, rulings: &mut [Ruling]) {
        let mut wanted = Heights::new();
        for Place { chain, block, .. } in open_places(rulings) {
            wanted.entry(chain).or_default().insert(block);
        }
        let sights = self.sights(&wanted);
        for ruling in rulings.iter_mut().filter(|ruling| ruling.is_open) {
            let Place { chain, block, .. } = ruling.declared.place;
            if let Some(seen) = sights.get(&(chain, block)) {
                (ruling.verdict, ruling.is_open) = ruled(&ruling.declared, seen);
            }
        }
    }

    /// Reads the heights. Chains are queried in parallel.
    fn sights(&self, wanted: &Heights) -> Sights {
        thread::scope(|scope| {
            let ask = |(chain, heights): (&ChainId, _)| {
                let chain = *chain;
                scope.spawn(move || self.sights_of(chain, heights))
            };
            let asked: Vec<_> = wanted.iter().map(ask).collect();
            let told = asked.into_iter().filter_map(|thread| thread.join().ok());
            told.flatten().collect()
        })
    }

    fn sights_of(&self, chain: ChainId, heights: &BTreeSet<u64>) -> Sights {
        let none = format!("no node of chain {chain} is given: add --chain {chain}=URL");
        let first = |height: &u64| {
            let known = self.finals.get(chain, *height);
            let seen = known.map_or_else(|| Seen::Nothing(none.clone()), Seen::Block);
            ((chain, *height), seen)
        };
        let mut sights: Sights = heights.iter().map(first).collect();
        for node in self.nodes.get(&chain).into_iter().flatten() {
            let open = sights.iter().filter(|(_, seen)| !seen.is_block());
            let open: Vec<u64> = open.map(|((_, height), _)| *height).collect();
            for heights in open.chunks(BATCH) {
                for (height, seen) in self.ask(chain, node, heights) {
                    if let Some(known) = sights.get_mut(&(chain, height)) {
                        *known = known.clone().or(seen);
                    }
                }
            }
        }
        sights
    }

    fn ask(&self, chain: ChainId, node: &Node, heights: &[u64]) -> Vec<(u64, Seen)> {
        let endpoint = node.endpoint();
        let glance = match node.blocks_at(heights) {
            Ok(glance) if glance.chain == chain => glance,
            Ok(glance) => {
                let found = glance.chain;
                let why = format!("{endpoint} follows chain {found}, expected chain {chain}");
                return nothing(heights, &why);
            }
            Err(trouble) => return nothing(heights, &format!("{endpoint}: {trouble}")),
        };
        let finalized = glance.finalized.map(|header| header.number);
        let latest = glance.latest;
        let seen = heights.iter().zip(glance.blocks).map(|(height, block)| {
            let seen = match block {
                Ok(Some(block)) => Seen::Block(self.known(chain, &block, finalized)),
                Ok(None) if *height > latest.number => Seen::Ahead {
                    head: latest.timestamp,
                },
                Ok(None) => Seen::Nothing(format!("{endpoint} no longer has block {height}")),
                Err(trouble) => Seen::Nothing(format!("{endpoint}: block {height}: {trouble}")),
            };
            (*height, seen)
        });
        seen.collect()
    }

    fn known(&self, chain: ChainId, block: &Block, finalized: Option<u64>) -> Arc<Known> {
        let known = Arc::new(Known::of(chain, block, finalized));
        if known.is_final {
            let height = block.header.number;
            self.finals.put(chain, height, Arc::clone(&known));
        }
        known
    }
}

/// A place in words.
fn shown(place: &Place) -> String {
    let Place {
        chain, block, log, ..
    } = place;
    format!("chain {chain}, block {block}, log {log}")
}

fn open_places(rulings: &[Ruling]) -> impl Iterator<Item = Place> {
    let open = rulings.iter().filter(|ruling| ruling.is_open);
    open.map(|ruling| ruling.declared.place)
}

fn nothing(heights: &[u64], why: &str) -> Vec<(u64, Seen)> {
    let seen = |height: &u64| (*height, Seen::Nothing(why.to_owned()));
    heights.iter().map(seen).collect()
}

/// The verdict, and whether another look may change it. A missing block or log may come.
/// A block that exists may be replaced while it is not final.
fn ruled(declared: &Declared, seen: &Seen) -> (Verdict, bool) {
    let (told, untold, is_final) = match seen {
        Seen::Block(known) => (known.told(declared.place.log), None, known.is_final),
        Seen::Ahead { head } => {
            let ahead = Undecided::Ahead { head: *head };
            (Lookup::Ahead { head: *head }, Some(ahead), false)
        }
        Seen::Nothing(why) => (Lookup::Nothing, Some(Undecided::Untold(why.clone())), false),
    };
    match judge_declared(declared, &told) {
        Validity::Valid => (Verdict::Accepted, false),
        Validity::Invalid(broken) => {
            let absent = matches!(broken, Broken::NoBlock { .. } | Broken::NoLog { .. });
            (Verdict::Refused(broken), absent && !is_final)
        }
        Validity::Unknown => {
            let why = untold
                .unwrap_or_else(|| Undecided::Untold("no node returned the block".to_owned()));
            (Verdict::Undecided(why), true)
        }
    }
}

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
