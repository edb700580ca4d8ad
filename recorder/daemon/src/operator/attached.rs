//! The recorder attached to a host's ring, for the status.

use std::path::Path;

use haltbox_format::Stream;
use haltbox_format::attached::{AttachedState, Noted};
use haltbox_model::{Outside, Profile};
use serde::Serialize;

use crate::operator::source_state::SourceState;
use haltbox_recorder::attached;
use haltbox_recorder::clock;

/// A `haltbox record --attach` that is or was attached.
#[derive(Debug, Serialize)]
pub struct Attached {
    /// Whether it is running.
    pub alive: bool,
    /// Whether it ended in order.
    pub closed: bool,
    /// Its process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When it last saved its state: UTC, RFC 3339.
    pub last: String,
    /// The node's log, if it follows one.
    pub sources: Vec<SourceState>,
    /// The nodes that it asks by RPC.
    pub asks: Vec<String>,
    #[serde(skip)]
    pub(crate) notes: Vec<Noted>,
}

impl Attached {
    /// The recorder that is or was attached to a ring, from the state that it
    /// saved.
    pub(crate) fn of(ring: &Path, told: &AttachedState, profile: Option<&Profile>) -> Attached {
        let is_read = profile.is_none_or(|profile| profile.node.is_some());
        let sources = told.source.iter().map(|mark| SourceState {
            is_read,
            ..SourceState::of(mark.clone())
        });
        Attached {
            alive: attached::is_attached(ring),
            closed: told.closed,
            pid: told.session.as_ref().map(|session| session.pid),
            last: clock::rfc3339(told.time_ms),
            sources: sources.collect(),
            asks: told.asked.clone(),
            notes: told.notes().to_vec(),
        }
    }

    /// Whether a source of it reports this node's AppHash and the network's.
    pub(crate) fn hears(&self) -> bool {
        let node = |source: &SourceState| source.stream == Stream::Node.name() && source.is_read;
        self.alive && (self.sources.iter().any(node) || !self.asks.is_empty())
    }

    /// The sources that it follows, in words.
    pub(crate) fn follows(&self) -> String {
        let paths = self.sources.iter().map(|source| source.path.as_str());
        let all: Vec<&str> = paths.chain(self.asks.iter().map(String::as_str)).collect();
        match all.is_empty() {
            true => "follows no log and queries no node".to_owned(),
            false => format!("follows {}", Outside::text(&all.join(", "))),
        }
    }

    /// Its process, in words.
    pub(crate) fn process(&self) -> String {
        let pid = self.pid.map(|pid| format!(" (process {pid})"));
        pid.unwrap_or_default()
    }

    /// Its line of the status.
    pub(crate) fn text(&self) -> String {
        let state = match (self.alive, self.closed) {
            (true, _) => "running",
            (false, true) => "ended",
            (false, false) => "gone",
        };
        format!("attached   {state}{}, {}", self.process(), self.follows())
    }
}
