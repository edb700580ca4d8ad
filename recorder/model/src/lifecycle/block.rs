//! One attempt at a height: where it stands, and what is known of it.

use haltbox_format::blackbox::Identity;
use haltbox_format::mark::{Attempt, Position, State, ToldBy};
use haltbox_format::{AppHash, Digest, Stream};

/// What is known against an execution, from nothing to proof. A box that was written
/// while less was known does not stand for one of more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// Nothing.
    Nothing,
    /// Something is unproven.
    Doubt,
    /// The node told that it does not stand.
    Broken,
    /// Its hash and the network's are proved to differ.
    Proved,
}

impl Finding {
    /// What a state means. `broken`: the node told that the block does not stand.
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

    /// What was known when a box was made. `None` for boxes of older recorders, which do
    /// not tell.
    pub fn of_box(identity: &Identity) -> Option<Finding> {
        let of = |state| Finding::of(state, identity.broken);
        identity.state.map(of)
    }

    /// It is frozen at once, and nothing that comes later takes it back.
    pub fn is_settled(self) -> bool {
        self >= Finding::Broken
    }
}

/// One attempt at a height, and all that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Which attempt.
    pub of: Attempt,
    /// Where it stands.
    pub state: State,
    /// Its first entry.
    pub from: Position,
    /// Behind the last entry of its execution. `None` also for an execution
    /// that the host threw away.
    pub end: Option<Position>,
    /// Where what follows no longer belongs to it: set as soon as it is
    /// committed, so that a halted chain's log does not grow it without bound.
    pub until: Option<Position>,
    /// Neither its first entries nor any between them and the newest can be
    /// missing.
    pub whole: bool,
    /// It did work of its own.
    pub executed: bool,
    /// Opened by work that precedes its own begin entry, which is still to come.
    pub early: bool,
    /// Who told of its begin.
    pub begun: ToldBy,
    /// Who told of its end.
    pub ended: ToldBy,
    /// Who told of its commit.
    pub committed: ToldBy,
    /// This node's AppHash after it.
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after it.
    pub network: Option<AppHash>,
    /// Why it is pinned, or which field diverged.
    pub why: Option<String>,
    /// The node told that the block does not stand: nothing later releases it.
    pub broken: bool,
    /// Box that holds it.
    pub frozen: Option<String>,
    /// Cranks finished in it.
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

    /// A later block that is agreed, or a later attempt, releases it.
    pub(super) fn is_releasable(&self) -> bool {
        let undecided = matches!(self.state, State::Open | State::Committed | State::Pinned);
        undecided && !self.broken
    }

    /// What is known against it.
    pub fn finding(&self) -> Finding {
        Finding::of(self.state, self.broken)
    }

    /// Its records must not be overwritten.
    pub fn is_protected(&self) -> bool {
        match self.state {
            State::Open | State::Committed => true,
            State::Pinned | State::Diverged => self.frozen.is_none(),
            State::Confirmed | State::Superseded => false,
        }
    }

    /// Protected because something is wrong: not even to make room.
    pub fn is_pinned(&self) -> bool {
        self.is_protected() && matches!(self.state, State::Pinned | State::Diverged)
    }

    /// Its execution is recorded from its first entry to its last, as far as
    /// the marks tell. Whether the bodies are still there is another question.
    pub fn is_complete(&self) -> bool {
        self.whole && self.end.is_some() && self.ended.has(Stream::Slog)
    }

    /// Something is wrong with it, whether a box holds it or not.
    pub(super) fn is_found(&self) -> bool {
        matches!(self.state, State::Pinned | State::Diverged)
    }

    /// Released, and no entry to come can belong to it: not one the slog, which
    /// is at `slog_at`, has still to begin.
    pub(super) fn is_settled(&self, slog_at: Option<u64>) -> bool {
        let awaits_slog =
            !self.begun.has(Stream::Slog) && slog_at.is_some_and(|at| at < self.of.height);
        !self.is_protected() && self.until.is_some() && !awaits_slog
    }

    /// It ran to its end and did work of its own.
    pub(super) fn is_executed(&self) -> bool {
        self.executed && self.end.is_some()
    }
}
