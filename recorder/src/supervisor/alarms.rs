//! What a piece of news brings about: words for the operator, and boxes.

use std::time::Instant;

use haltbox_format::mark::{Attempt, Diverged, Pin};
use haltbox_model::lifecycle::{Finding, Lifecycle};
use haltbox_model::{Event, differs};

use crate::not_understood;
use crate::recorder::News;
use crate::triggers::{Due, Policy, Triggers};
use crate::voice::Voice;

/// What has to be done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brings {
    /// A box is wanted that nobody asked for: of which attempt, what is known against it,
    /// and why.
    Box(Attempt, Finding, String),
    /// It has to be noted where the recording is.
    Note(String),
}

/// Watches for trouble, and says what comes.
pub(super) struct Alarms {
    triggers: Triggers,
    /// What the node said before it stopped, if it announced that.
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

    /// An end that was announced is no alarm.
    fn tell_pinned(&self, of: Attempt, why: &str, voice: &dyn Voice) {
        match &self.farewell {
            Some(farewell) => voice.say(&format!(
                "height {} is kept until it is executed again; the node stopped as announced: {farewell}",
                of.height
            )),
            None => voice.say(&format!("height {} is pinned: {why}", of.height)),
        }
    }

    /// What was heard of before stands unchanged.
    pub(super) fn still(&mut self, event: &Event, life: &Lifecycle) {
        if let Some(of) = life.accused(event) {
            self.triggers.still(event, of.of(), Instant::now());
        }
    }

    /// The node's process ended, or started again.
    pub(super) fn node_ended(&mut self) {
        self.triggers.node_ended();
    }

    /// Another ring is looked at: what was given of the last one's blocks does not count.
    pub(super) fn another_ring(&mut self) {
        self.triggers.another_ring();
    }

    /// What is due by now.
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
