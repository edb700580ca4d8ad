//! What is done, one after another. Each operation is a kind and a number that all its details
//! follow from, so that a list makes sense with any of them left out.

use std::fmt;

use crate::random::Random;

/// Kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A block from its begin to its commit, and what the network says of the one before.
    Block,
    /// Many short blocks.
    Storm,
    /// A block begins: the next, the same again, an earlier one, one further on.
    Begin,
    /// An entry of the main lane.
    Record,
    /// Many entries, so that segments are reused.
    Bulk,
    /// The same line many times.
    Same,
    /// An entry that is larger than most.
    Large,
    /// An entry of the node's own.
    Local,
    /// A line of the node's log.
    Log,
    /// A crank.
    Crank,
    /// Entries that the host lays itself.
    Lay,
    /// A block ends.
    End,
    /// A block is committed.
    Commit,
    /// The network decided, and has the same hash or another one.
    Confirm,
    /// Somebody else decided that a height needs no protection.
    Release,
    /// An execution is thrown away.
    Abort,
    /// It is proved that a height differs.
    Diverge,
    /// A box is asked for.
    Freeze,
    /// The disk refuses while a box is asked for.
    FreezeRefused,
    /// The archive goes on.
    Archive,
    /// The disk refuses while the archive goes on.
    ArchiveRefused,
    /// The folder of boxes is brought within a budget.
    Budget,
    /// The ring's file takes no writes for some entries.
    RingRefuses,
    /// Time passes, and the wall clock jumps.
    Clock,
    /// A reader looks.
    Look,
    /// A reader looks while the ring is written.
    LiveLook,
    /// The disk has got some pages by now.
    Writeback,
    /// The recorder is closed and opened again.
    Reopen,
    /// The process dies behind the operation before.
    Kill,
    /// The process dies in the next operation.
    DieInNext,
    /// The power goes behind the operation before.
    PowerCut,
    /// The power goes in the next operation.
    CutInNext,
    /// The power goes, and the disk damages some bytes.
    Damage,
    /// Another recorder wants the ring.
    SecondOpener,
    /// The process forks, and the child records.
    Fork,
}

/// How often each kind comes.
const WEIGHTS: [(Kind, u64); 35] = [
    (Kind::Block, 240),
    (Kind::Storm, 2),
    (Kind::Begin, 110),
    (Kind::Record, 420),
    (Kind::Bulk, 22),
    (Kind::Same, 4),
    (Kind::Large, 14),
    (Kind::Local, 70),
    (Kind::Log, 60),
    (Kind::Crank, 40),
    (Kind::Lay, 30),
    (Kind::End, 80),
    (Kind::Commit, 80),
    (Kind::Confirm, 60),
    (Kind::Release, 4),
    (Kind::Abort, 16),
    (Kind::Diverge, 8),
    (Kind::Freeze, 9),
    (Kind::FreezeRefused, 4),
    (Kind::Archive, 8),
    (Kind::ArchiveRefused, 3),
    (Kind::Budget, 3),
    (Kind::RingRefuses, 6),
    (Kind::Clock, 16),
    (Kind::Look, 6),
    (Kind::LiveLook, 5),
    (Kind::Writeback, 8),
    (Kind::Reopen, 4),
    (Kind::Kill, 4),
    (Kind::DieInNext, 14),
    (Kind::PowerCut, 4),
    (Kind::CutInNext, 2),
    (Kind::Damage, 2),
    (Kind::SecondOpener, 2),
    (Kind::Fork, 1),
];

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// What.
    pub kind: Kind,
    /// Its details.
    pub pick: u64,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:#x})", self.kind, self.pick)
    }
}

impl std::str::FromStr for Op {
    type Err = String;

    /// As it is printed.
    fn from_str(text: &str) -> Result<Op, String> {
        let wrong = || format!("no operation: {text}");
        let (name, pick) = text.trim().split_once("(0x").ok_or_else(wrong)?;
        let kind = WEIGHTS.iter().map(|(kind, _)| *kind);
        let kind = kind.into_iter().find(|kind| format!("{kind:?}") == name);
        let pick = u64::from_str_radix(pick.trim_end_matches(')'), 16);
        Ok(Op {
            kind: kind.ok_or_else(wrong)?,
            pick: pick.map_err(|_| wrong())?,
        })
    }
}

/// The operations of one round. Each round prefers some kinds, so that rare ones meet.
pub fn generate(random: &mut Random, steps: u64) -> Vec<Op> {
    let weights = WEIGHTS.map(|(kind, weight)| {
        let factor = random.pick(&[0, 1, 1, 2, 4]);
        let vital = matches!(kind, Kind::Block | Kind::Record);
        (kind, weight * if vital { 1 } else { factor })
    });
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    let one = |random: &mut Random| {
        let mut at = random.below(total);
        let found = weights
            .iter()
            .find(|(_, weight)| match at.checked_sub(*weight) {
                Some(rest) => {
                    at = rest;
                    false
                }
                None => true,
            });
        Op {
            kind: found.map_or(Kind::Record, |(kind, _)| *kind),
            pick: random.draw(),
        }
    };
    (0..steps).map(|_| one(random)).collect()
}
