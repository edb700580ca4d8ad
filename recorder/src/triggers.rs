//! Decides when trouble becomes a freeze.
//!
//! Two different hashes are proof. The life of a block handles them: the block
//! is frozen at once. The triggers watch everything else:
//!
//! ```text
//! the node refuses a proposal    pinned; frozen if the same goes on for some rounds or seconds
//! the node blames its peers      pinned; frozen the third time, or if the same lasts for seconds
//! first words of a panic, alarms pinned; frozen if the node then ends or makes no progress
//! failure without two hashes     frozen at once, with the reason that the node gives
//! the node rejects its own block frozen at once, with the reason that the profile gives
//! proof of an unknown height     frozen at once: the newest block
//! text that others chose         pinned at most, until the next block is agreed
//! ```
//!
//! A block that the network agrees with is no longer watched: a healthy node
//! sees the same lines when a divergent one proposes. If no block is recorded,
//! the operator is told and nothing is frozen. If a box already has the block,
//! the operator is told too, because that box may be a requested one or about
//! another failure.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use haltbox_format::AppHash;
use haltbox_format::mark::{Attempt, State};
use haltbox_model::lifecycle::{Accused, Block, Finding, Lifecycle};
use haltbox_model::{Event, FailedOver, Mismatch, Refusal, Weight, differs};

/// Most troubles watched at once. A new one replaces the oldest: a log that
/// others write into must not fill the memory.
const MOST: usize = 64;
/// How many refusals while syncing are enough. Each one blames two peers.
const BLAMES: u32 = 3;

/// Most boxes of rejected blocks within [`STORM`]. A node that replaces block
/// after block must not fill the disk with copies of one ring.
const STORM_BOXES: usize = 8;
/// The time in which [`STORM_BOXES`] counts.
const STORM: Duration = Duration::from_secs(600);

/// Most topics that are reported of one block.
const TOPICS: usize = 16;

/// How long a doubt must last before it is frozen.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Sightings of one mismatch. A round of consensus counts once.
    pub rounds: u32,
    /// Time between the first sighting and a later one. Also the time that a
    /// node in trouble has to agree on another block.
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

/// What trouble calls for now. Reasons are in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Write a box.
    Box {
        /// The block.
        of: Attempt,
        /// What speaks against it.
        finding: Finding,
        /// The reason for the box.
        reason: String,
    },
    /// Tell the operator that a box already has the block.
    Held {
        /// The block.
        of: Attempt,
        /// File name of the box.
        name: String,
        /// What was reported.
        reason: String,
    },
    /// Tell the operator that no block is recorded.
    Unrecorded {
        /// What was reported.
        reason: String,
    },
}

impl Due {
    fn box_of(&mut self, attempt: Attempt) -> Option<(&mut Finding, &mut String)> {
        match self {
            Due::Box {
                of,
                finding,
                reason,
            } if *of == attempt => Some((finding, reason)),
            _ => None,
        }
    }

    fn is_box_of(&self, attempt: Attempt) -> bool {
        matches!(self, Due::Box { of, .. } if *of == attempt)
    }
}

/// The troubles that are watched.
#[derive(Debug)]
pub struct Triggers {
    policy: Policy,
    watches: Vec<Watch>,
    /// Blocks that were returned as due, and the topics they were returned for.
    /// The caller takes care of their boxes.
    given: HashMap<Attempt, BTreeSet<String>>,
    /// Times of the boxes for rejected blocks.
    storm: Vec<Instant>,
}

#[derive(Debug)]
struct Watch {
    of: Option<Accused>,
    cause: Cause,
    first: Instant,
    last: Instant,
    times: u32,
    /// The round of consensus of the last sighting, if the log said it.
    round: Option<u64>,
    /// Whether the node ended since the first sighting.
    ended: bool,
    /// Whether it was reported already that nothing recorded can be frozen.
    told: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    Sighting(Pair),
    Blame(Pair),
    LastWords(Pair),
    /// Proof of a divergence at an unknown height.
    Proof(Pair),
    Refusal {
        text: String,
        why: Option<String>,
        blamed: bool,
    },
    Alarm(String),
    /// The node said that its own block does not stand.
    Break {
        /// The reason with which the block is pinned.
        pinned: String,
        height: Option<u64>,
        why: String,
        text: String,
    },
    Failure {
        text: String,
        over: FailedOver,
    },
}

/// Two hashes of one header field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    field: String,
    local: AppHash,
    network: AppHash,
}

impl Triggers {
    /// Triggers that watch nothing yet.
    pub fn new(policy: Policy) -> Triggers {
        Triggers {
            policy,
            watches: Vec::new(),
            given: HashMap::new(),
            storm: Vec::new(),
        }
    }

    /// Takes an event. Watches it if it is trouble.
    pub fn hear(&mut self, event: &Event, of: Option<Accused>, now: Instant) {
        let Some(cause) = Cause::of(event, of) else {
            return;
        };
        let round = round_of(event);
        if let Some(watch) = self.watched(of, &cause) {
            // A round counts once: two loggers may print one line, and a node
            // may refuse one proposal in several places.
            let counted = round.is_none() || round != watch.round;
            watch.times += u32::from(counted);
            watch.round = round;
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
            round,
            ended: false,
            told: false,
        });
    }

    fn watched(&mut self, of: Option<Accused>, cause: &Cause) -> Option<&mut Watch> {
        let attempt = of.map(Accused::of);
        let same =
            |watch: &&mut Watch| watch.of.map(Accused::of) == attempt && watch.cause == *cause;
        self.watches.iter_mut().find(same)
    }

    /// Says that reported trouble continues. That extends its duration, and is
    /// no further sighting.
    pub fn still(&mut self, event: &Event, of: Attempt, now: Instant) {
        let of = Some(Accused::Of(of));
        let cause = Cause::of(event, of);
        if let Some(watch) = cause.and_then(|cause| self.watched(of, &cause)) {
            watch.last = now;
        }
    }

    /// Says that the node's process ended, or started again.
    pub fn node_ended(&mut self) {
        self.watches.iter_mut().for_each(|watch| watch.ended = true);
    }

    /// Says that another ring is in use. Its blocks are not those that were
    /// returned before.
    pub fn another_ring(&mut self) {
        self.given.clear();
    }

    /// What is due now. A block is no longer watched once its box is due, the
    /// network agreed with it, or a box has it.
    ///
    /// The same trouble reported later can be due again, until a box has the
    /// block.
    pub fn due(&mut self, life: &Lifecycle, now: Instant) -> Vec<Due> {
        self.given.retain(|of, _| life.block(*of).is_some());
        self.storm
            .retain(|given| now.duration_since(*given) < STORM);
        let mut due = self.held(life, now);
        self.watches.retain(|watch| watch.is_watched(life));
        self.ripe(life, now, &mut due);
        self.given_up(life, now, &mut due);
        let wanted = |of: Attempt| due.iter().any(|due| due.is_box_of(of));
        self.watches
            .retain(|watch| watch.of_open(life).is_none_or(|of| !wanted(of)));
        due
    }

    /// Takes the troubles that need no watching and whose block already has a
    /// box. Each topic is reported once.
    fn held(&mut self, life: &Lifecycle, now: Instant) -> Vec<Due> {
        let is_held = |watch: &mut Watch| watch.held_by(life).is_some();
        let held: Vec<Watch> = self.watches.extract_if(.., is_held).collect();
        let told = held.into_iter().filter_map(|watch| {
            let (of, name) = watch.held_by(life)?;
            let news = self.give(of, watch.cause.topic());
            news.then(|| Due::Held {
                of,
                name,
                reason: watch.reason(now),
            })
        });
        told.collect()
    }

    fn ripe(&mut self, life: &Lifecycle, now: Instant, due: &mut Vec<Due>) {
        for mut watch in std::mem::take(&mut self.watches) {
            let of = watch.of_open(life);
            if watch.is_ripe(&self.policy, now) && self.has_room(&watch.cause) {
                // Trouble without a block to freeze is reported once.
                watch.told = of.is_none();
                self.call(&watch, of, now, due);
            }
            self.watches.push(watch);
        }
    }

    fn call(&mut self, watch: &Watch, of: Option<Attempt>, now: Instant, due: &mut Vec<Due>) {
        let mut reason = watch.reason(now);
        let Some(of) = of else {
            return due.push(Due::Unrecorded { reason });
        };
        let mut boxes = due.iter_mut();
        let finding = watch.cause.finding();
        if let Some((known, reasons)) = boxes.find_map(|due| due.box_of(of)) {
            // Make one box for everything that is due at the same time.
            self.give(of, watch.cause.topic());
            *known = finding.max(*known);
            let _ = write!(reasons, "; {reason}");
            return;
        }
        let news = self.give(of, watch.cause.topic());
        if let Cause::Break { .. } = watch.cause {
            // The caller already has this box: it is being written, or is tried
            // again.
            if !news {
                return;
            }
            reason += self.stormed(now);
        }
        due.push(Due::Box {
            of,
            finding,
            reason,
        });
    }

    /// Notes a topic of a block. Returns whether it is new. After [`TOPICS`]
    /// topics nothing is new, because a log can name any number of heights.
    fn give(&mut self, of: Attempt, topic: &str) -> bool {
        let given = self.given.entry(of).or_default();
        given.len() < TOPICS && given.insert(topic.to_owned())
    }

    fn has_room(&self, cause: &Cause) -> bool {
        !matches!(cause, Cause::Break { .. }) || self.storm.len() < STORM_BOXES
    }

    /// Counts a box of a rejected block. Returns a remark for the last one that
    /// a storm allows.
    fn stormed(&mut self, now: Instant) -> &'static str {
        self.storm.push(now);
        match self.storm.len() {
            STORM_BOXES => STORMED,
            _ => "",
        }
    }

    /// Adds rejected blocks that nobody watches: their watch was replaced, or
    /// the recorder was killed before their box was written. Nothing else would
    /// ever release them.
    fn given_up(&mut self, life: &Lifecycle, now: Instant, due: &mut Vec<Due>) {
        let broken = life.blocks().iter();
        let broken = broken.filter(|block| block.broken && is_open(life, block.of));
        for block in broken {
            let of = block.of;
            let watched = |watch: &Watch| watch.of.map(Accused::of) == Some(of);
            if self.storm.len() >= STORM_BOXES || self.watches.iter().any(watched) {
                continue;
            }
            let mut reason = block.why.clone().unwrap_or_default();
            let mut given = self.given.get(&of).into_iter().flatten();
            if !given.any(|topic| *topic == reason) {
                self.give(of, &reason.clone());
                reason += self.stormed(now);
                due.push(Due::Box {
                    of,
                    finding: Finding::Broken,
                    reason,
                });
            }
        }
    }
}

const STORMED: &str = " (many blocks are in doubt: more boxes follow within minutes, as far as \
                       the ring still has them)";

/// Whether the block may need a box: the network has not agreed with it, and no
/// box has it. A diverged block is frozen without the triggers.
fn is_open(life: &Lifecycle, of: Attempt) -> bool {
    life.block(of)
        .is_some_and(|block| is_undecided(block) && block.frozen.is_none())
}

fn is_undecided(block: &Block) -> bool {
    matches!(block.state, State::Open | State::Committed | State::Pinned)
}

/// What happens after an event, in the words of the guide's table. `None` if
/// the event is no trouble.
pub fn then(event: &Event, accused: Option<Accused>, policy: &Policy) -> Option<String> {
    let (rounds, seconds) = (policy.rounds, policy.time.as_secs());
    let lasting = format!("pinned; frozen if it lasts for {rounds} rounds or {seconds} s");
    let blamed = format!("pinned; frozen the third time, or if it lasts for {seconds} s");
    let (what, then) = match event {
        Event::Farewell { why } => (
            why.clone(),
            "nothing: the node had announced that it stops".to_owned(),
        ),
        Event::Alarm { why, quoted: false } => {
            (why.clone(), LAST.replace("{seconds}", &seconds.to_string()))
        }
        Event::Alarm { why, .. } => (
            format!("{why}, in a text that the node quotes"),
            QUOTED.to_owned(),
        ),
        Event::Mismatch(seen) => {
            let words = Pair::of(seen).words();
            let then = match seen.weight {
                Weight::Proved => "frozen at once: DIVERGED".to_owned(),
                Weight::Seen => lasting,
                Weight::Blamed => blamed,
                Weight::LastWords => LAST.replace("{seconds}", &seconds.to_string()),
                Weight::Quoted => QUOTED.to_owned(),
            };
            (words, then)
        }
        Event::Refused(refusal) => {
            let words = format!("a block is refused: {}", refusal.text);
            let then = if refusal.blamed { blamed } else { lasting };
            (words, then)
        }
        Event::Break(told) => (
            format!("{}: {}", told.why, told.text),
            "frozen at once, without a proved divergence".to_owned(),
        ),
        Event::Failure { text, .. } => (
            format!("consensus failed: {text}"),
            "frozen at once, without a proved divergence".to_owned(),
        ),
        _ => return None,
    };
    let of = match accused {
        Some(Accused::Of(of)) => format!("height {}: ", of.height),
        Some(Accused::Newest(of)) if event.is_trouble() => {
            format!("height unknown, {} is the newest: ", of.height)
        }
        _ => String::new(),
    };
    Some(format!("{of}{what}: {then}"))
}

const LAST: &str = "pinned; frozen if the process ends, or makes no progress for {seconds} s";
const QUOTED: &str = "at most pinned, until the next agreed block";

/// The round of consensus in which an event was seen.
fn round_of(event: &Event) -> Option<u64> {
    match event {
        Event::Mismatch(seen) => seen.round,
        Event::Refused(refusal) => refusal.round,
        _ => None,
    }
}

impl Cause {
    fn of(event: &Event, accused: Option<Accused>) -> Option<Cause> {
        Some(match event {
            Event::Mismatch(seen) => match seen.weight {
                Weight::Seen => Cause::Sighting(Pair::of(seen)),
                Weight::Blamed => Cause::Blame(Pair::of(seen)),
                Weight::LastWords => Cause::LastWords(Pair::of(seen)),
                // The block's own life handles proof about a known block.
                Weight::Proved if matches!(accused, Some(Accused::Of(_))) => return None,
                Weight::Proved => Cause::Proof(Pair::of(seen)),
                Weight::Quoted => return None,
            },
            Event::Refused(Refusal {
                text, why, blamed, ..
            }) => Cause::Refusal {
                text: text.clone(),
                why: why.clone(),
                blamed: *blamed,
            },
            Event::Break(told) => Cause::Break {
                pinned: told.why_of(accused.map_or(0, |accused| accused.of().height)),
                height: told.height,
                why: told.why.clone(),
                text: told.text.clone(),
            },
            Event::Alarm { quoted: true, .. } => return None,
            Event::Alarm { why, .. } => Cause::Alarm(why.clone()),
            Event::Failure { text, over } => Cause::Failure {
                text: text.clone(),
                over: over.clone(),
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
        differs(&self.field, &self.local, &self.network)
    }
}

impl Watch {
    /// The attempt and its box, if this trouble needs no watching and a box has
    /// the block.
    fn held_by(&self, life: &Lifecycle) -> Option<(Attempt, String)> {
        let at_once = matches!(self.cause, Cause::Failure { .. } | Cause::Break { .. });
        let of = self.of.filter(|_| at_once)?.of();
        let block = life.block(of).filter(|block| is_undecided(block))?;
        Some((of, block.frozen.clone()?))
    }

    /// The attempt that a freeze would be about.
    fn of_open(&self, life: &Lifecycle) -> Option<Attempt> {
        let of = self.of.map(Accused::of);
        of.filter(|of| is_open(life, *of))
    }

    /// Whether to keep watching. Trouble without a block, and proof without a
    /// height, are reported whatever happens to the newest block.
    fn is_watched(&self, life: &Lifecycle) -> bool {
        let unplaced = match self.of {
            None => true,
            Some(Accused::Newest(_)) => matches!(self.cause, Cause::Proof(_)),
            Some(Accused::Of(_)) => false,
        };
        unplaced || self.of_open(life).is_some()
    }

    fn is_ripe(&self, policy: &Policy, now: Instant) -> bool {
        if self.told {
            return false;
        }
        let lasted = self.last.duration_since(self.first) >= policy.time;
        match self.cause {
            Cause::Failure { .. } | Cause::Break { .. } | Cause::Proof(_) => true,
            Cause::Sighting(_) | Cause::Refusal { blamed: false, .. } => {
                self.times >= policy.rounds || lasted
            }
            Cause::Blame(_) | Cause::Refusal { blamed: true, .. } => self.times >= BLAMES || lasted,
            Cause::LastWords(_) | Cause::Alarm(_) => {
                self.ended || now.duration_since(self.first) >= policy.time
            }
        }
    }

    fn reason(&self, now: Instant) -> String {
        let reason = self.cause.words(self, now);
        match (&self.of, &self.cause) {
            (Some(Accused::Of(_)), _) => reason,
            (
                Some(Accused::Newest(_)),
                Cause::Break {
                    height: Some(height),
                    ..
                },
            ) => format!(
                "{reason} (nothing of height {height} is recorded: this is the newest \
                 recorded block)"
            ),
            (Some(Accused::Newest(_)), _) => format!(
                "{reason} (the log does not say at which height: this is the newest recorded block)"
            ),
            (None, _) => format!("{reason} (the log does not say at which height)"),
        }
    }
}

impl Cause {
    /// The topic under which a block is reported once. It must not contain text
    /// of the log, which repeats itself and quotes others.
    fn topic(&self) -> &str {
        match self {
            Cause::Break { pinned, .. } => pinned,
            Cause::Failure { .. } => "consensus failed",
            _ => "a doubt",
        }
    }

    /// What it proves against a block. Proof without a height proves nothing
    /// against any particular one.
    fn finding(&self) -> Finding {
        match self {
            Cause::Break { .. } => Finding::Broken,
            _ => Finding::Doubt,
        }
    }

    fn words(&self, watch: &Watch, now: Instant) -> String {
        let seconds = now.duration_since(watch.first).as_secs();
        let then = match watch.ended {
            true => "then the node ended".to_owned(),
            false => format!("and no block was agreed for {seconds} s"),
        };
        let times = watch.times;
        match self {
            Cause::Sighting(pair) => format!(
                "{}: seen {times} times in {seconds} s without a decision; who is right is not \
                 known yet",
                pair.words()
            ),
            Cause::Blame(pair) => format!(
                "{}: the node refuses the next block while it syncs and blames the peers that send it",
                pair.words()
            ),
            Cause::LastWords(pair) => {
                format!("{}: among the node's last log lines, {then}", pair.words())
            }
            Cause::Proof(pair) => format!("consensus failed: {}", pair.words()),
            Cause::Refusal {
                text,
                why,
                blamed: true,
            } => format!(
                "the node refuses the next block while it syncs and blames the peers that send \
                 it: {text}{}",
                meaning(why.as_ref())
            ),
            Cause::Refusal { text, why, .. } => format!(
                "the node refuses blocks of other nodes, {times} times in {seconds} s: {text}{}",
                meaning(why.as_ref())
            ),
            Cause::Alarm(why) => format!("{why}, {then}"),
            Cause::Break { why, text, .. } if text.is_empty() => why.clone(),
            Cause::Break { why, text, .. } => format!("{why}: {text}"),
            Cause::Failure { text, .. } if text.is_empty() => {
                "consensus failed; the log line with the reason was cut".to_owned()
            }
            Cause::Failure { text, over } => match over {
                FailedOver::Hashes => {
                    format!("consensus failed over hashes that could not be read: {text}")
                }
                FailedOver::Refusal(why) => format!(
                    "consensus failed: the other nodes accept a block that this node refuses: \
                     {text}{}",
                    meaning(why.as_ref())
                ),
                FailedOver::Other => {
                    format!(
                        "consensus failed, but not over a hash, so this is no divergence: {text}"
                    )
                }
            },
        }
    }
}

fn meaning(why: Option<&String>) -> String {
    why.map_or_else(String::new, |why| format!(" ({why})"))
}

#[cfg(test)]
mod tests;
