//! One attempt at a height: its position in the ring, and what is known about it.

use haltbox_format::blackbox::Identity;
use haltbox_format::mark::{Attempt, Position, State, ToldBy};
use haltbox_format::{AppHash, Digest, Stream};

/// What is known against an execution, from nothing to proof. A box that was written at a
/// lower finding does not count as the box of a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// Something is unproven.
    Doubt,
    /// The node said that the block does not stand.
    Broken,
    /// Its hash and the network's are proved to differ.
    Proved,
}

impl Finding {
    /// The finding of a state. `broken`: the node said that the block does not stand.
    pub fn of(state: State, broken: bool) -> Finding {
        match state {
            State::Diverged => Finding::Proved,
            State::Pinned if broken => Finding::Broken,
            State::Pinned => Finding::Doubt,
            State::Open | State::Committed | State::Confirmed | State::Superseded => {
                Finding::Nothing
            }
        }
    }

    /// The finding when a box was made. `None` for boxes of older recorders, which do not
    /// have it.
    pub fn of_box(identity: &Identity) -> Option<Finding> {
        let of = |state| Finding::of(state, identity.broken);
        identity.state.map(of)
    }

    /// Whether the block is frozen at once, and nothing later takes the finding back.
    pub fn is_settled(self) -> bool {
        self >= Finding::Broken
    }
}

/// One attempt at a height, and all that is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Which attempt.
    pub of: Attempt,
    /// Its state.
    pub state: State,
    /// Position of its first entry.
    pub from: Position,
    /// Position behind the last entry of its execution. `None` also for an execution that
    /// the host discarded.
    pub end: Option<Position>,
    /// Position from which entries no longer belong to it. It is set at the commit;
    /// without it the log of a halted chain would make the block grow without bound.
    pub until: Option<Position>,
    /// Neither its first entries nor any up to the newest can be missing.
    pub whole: bool,
    /// It executed something.
    pub executed: bool,
    /// Work before its own begin entry opened it, and that entry has not come yet.
    pub early: bool,
    /// Streams that reported its begin.
    pub begun: ToldBy,
    /// Streams that reported its end.
    pub ended: ToldBy,
    /// Streams that reported its commit.
    pub committed: ToldBy,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network: Option<AppHash>,
    /// Why it is pinned, or which field diverged.
    pub why: Option<String>,
    /// The node said that the block does not stand: no later block releases it.
    pub broken: bool,
    /// Name of the box that holds it.
    pub frozen: Option<String>,
    /// Number of cranks that finished in it.
    pub cranks: u64,
    /// First crank's number.
    pub first_crank: Option<u64>,
    /// Last crank's number.
    pub last_crank: Option<u64>,
    /// The last crank's activityhash.
    pub activityhash: Option<Digest>,
}

impl Block {
    pub(super) fn new(of: Attempt, from: Position) -> Block {
        Block {
            of,
            state: State::Open,
            from,
            end: None,
            until: None,
            whole: false,
            executed: false,
            early: false,
            begun: ToldBy::default(),
            ended: ToldBy::default(),
            committed: ToldBy::default(),
            app_hash: None,
            network: None,
            why: None,
            broken: false,
            frozen: None,
            cranks: 0,
            first_crank: None,
            last_crank: None,
            activityhash: None,
        }
    }

    /// Whether a later agreed block, or a later attempt, releases it.
    pub(super) fn is_releasable(&self) -> bool {
        let undecided = matches!(self.state, State::Open | State::Committed | State::Pinned);
        undecided && !self.broken
    }

    /// The finding against it.
    pub fn finding(&self) -> Finding {
        Finding::of(self.state, self.broken)
    }

    /// Whether its records must not be overwritten.
    pub fn is_protected(&self) -> bool {
        match self.state {
            State::Open | State::Committed => true,
            State::Pinned | State::Diverged => self.frozen.is_none(),
            State::Confirmed | State::Superseded => false,
        }
    }

    /// Whether it is protected because something is wrong. Such a block is not
    /// overwritten even to make room.
    pub fn is_pinned(&self) -> bool {
        self.is_protected() && matches!(self.state, State::Pinned | State::Diverged)
    }

    /// Whether the marks say that its execution is recorded from the first entry to the
    /// last. They do not say whether the records still exist. An end that comes after
    /// another block began, or the process started, does not end what belongs to it. A node
    /// that had saved a block runs it again empty: that is no execution of it.
    pub fn is_complete(&self) -> bool {
        let is_own = |end: Position| self.until.is_none_or(|until| end.main <= until.main);
        let is_ended = self.end.is_some_and(is_own) && self.ended.has(Stream::Slog);
        self.whole && self.executed && is_ended
    }

    /// Whether something is wrong with it, with or without a box.
    pub(super) fn is_found(&self) -> bool {
        matches!(self.state, State::Pinned | State::Diverged)
    }

    /// Whether it is released and no later entry can belong to it. A block that only the
    /// node's log began is not settled while the slog, which is at `slog_at`, has not
    /// reached its height.
    pub(super) fn is_settled(&self, slog_at: Option<u64>) -> bool {
        let awaits_slog =
            !self.begun.has(Stream::Slog) && slog_at.is_some_and(|at| at < self.of.height);
        !self.is_protected() && self.until.is_some() && !awaits_slog
    }

    /// Whether it executed something and reached its end.
    pub(super) fn is_executed(&self) -> bool {
        self.executed && self.end.is_some()
    }
}
