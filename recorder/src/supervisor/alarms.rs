//! Turns news into words for the operator and into wanted boxes.

use std::time::Instant;

use haltbox_format::mark::{Attempt, Diverged, Pin};
use haltbox_model::lifecycle::{Finding, Lifecycle};
use haltbox_model::{Event, differs};

use crate::not_understood;
use crate::recorder::News;
use crate::triggers::{Due, Policy, Triggers};
use crate::voice::Voice;

/// What the owner must do after news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brings {
    /// Write a box that nobody asked for: the attempt, the finding against it,
    /// and the reason.
    Box(Attempt, Finding, String),
    /// Write a note to where the recording is.
    Note(String),
}

/// Watches for trouble, and tells the operator.
pub(super) struct Alarms {
    triggers: Triggers,
    /// What the node said when it announced that it stops.
    farewell: Option<String>,
}

impl Alarms {
    pub(super) fn new(policy: Policy) -> Alarms {
        Alarms {
            triggers: Triggers::new(policy),
            farewell: None,
        }
    }

    /// Takes news, and tells the operator.
    pub(super) fn hear(&mut self, news: News, voice: &dyn Voice) -> Option<Brings> {
        match news {
            News::Pinned(Pin { of, why, .. }) => self.tell_pinned(of, &why, voice),
            News::Trouble(event, of) => self.triggers.hear(&event, of, Instant::now()),
            News::NodeStarted => {
                self.node_ended();
                self.farewell = None;
            }
            News::Unread(unread, wanted) => {
                return Some(noted(not_understood::log(&unread, &wanted), voice));
            }
            News::SlogUnread(unread, wanted) => {
                return Some(noted(not_understood::slog(&unread, &wanted), voice));
            }
            News::SlogRead => {
                return Some(noted(not_understood::SLOG_AGAIN.to_owned(), voice));
            }
            News::Farewell(why) => {
                voice.say(&format!("the node announced that it stops: {why}"));
                self.farewell = Some(why);
            }
            News::Lost(loss) if loss.records > 0 => {
                let (records, lane, why) = (loss.records, loss.lane.name(), loss.why);
                voice.say(&format!(
                    "records lost or cut: {records}, in the {lane} lane: {why}"
                ));
            }
            News::Lost(_) => {}
            News::Diverged(diverged) => {
                let reason = reason_of(&diverged);
                let height = diverged.of.height;
                voice.say(&format!("consensus failure at height {height}: {reason}"));
                return Some(Brings::Box(diverged.of, Finding::Proved, reason));
            }
        }
        None
    }

    /// Tells the operator that a block is pinned. It is no alarm if the node
    /// announced that it stops.
    fn tell_pinned(&self, of: Attempt, why: &str, voice: &dyn Voice) {
        match &self.farewell {
            Some(farewell) => voice.say(&format!(
                "height {} is kept until it is executed again; the node stopped as announced: {farewell}",
                of.height
            )),
            None => voice.say(&format!("height {} is pinned: {why}", of.height)),
        }
    }

    /// Says that reported trouble continues.
    pub(super) fn still(&mut self, event: &Event, life: &Lifecycle) {
        if let Some(of) = life.accused(event) {
            self.triggers.still(event, of.of(), Instant::now());
        }
    }

    /// Says that the node's process ended, or started again.
    pub(super) fn node_ended(&mut self) {
        self.triggers.node_ended();
    }

    /// Says that another ring is in use. Its blocks are not those of the last
    /// one.
    pub(super) fn another_ring(&mut self) {
        self.triggers.another_ring();
    }

    /// What the trouble so far calls for.
    pub(super) fn due(&mut self, life: &Lifecycle) -> Vec<Due> {
        self.triggers.due(life, Instant::now())
    }
}

fn noted(told: String, voice: &dyn Voice) -> Brings {
    voice.say(&told);
    Brings::Note(told)
}

fn reason_of(diverged: &Diverged) -> String {
    differs(&diverged.field, &diverged.local, &diverged.network)
}
