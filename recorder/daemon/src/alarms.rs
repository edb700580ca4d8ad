//! What a piece of news brings about: words for the operator, and boxes.
//!
//! A recorder of a ring of its own and one that stands beside a host's hear the
//! same news, and make the same of it.

use std::io;
use std::path::Path;
use std::time::Instant;

use haltbox_format::blackbox::ALERT_FILE;
use haltbox_format::mark::{Attempt, Diverged, Pin};
use haltbox_model::Event;
use haltbox_model::lifecycle::Lifecycle;

use crate::operator::contents;
use haltbox_recorder::after_freeze;
use haltbox_recorder::console::{self, say};
use haltbox_recorder::halt_message;
use haltbox_recorder::recorder::News;
use haltbox_recorder::triggers::{Due, Policy, Triggers};

/// What has to be done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Brings {
    /// A box is wanted that nobody asked for, and why.
    Box(Attempt, String),
    /// It has to be noted where the recording is.
    Note(String),
}

/// Watches for trouble, and says what comes.
pub(crate) struct Alarms {
    triggers: Triggers,
    /// What the node said before it stopped, if it announced that.
    farewell: Option<String>,
}

impl Alarms {
    pub(crate) fn new(policy: Policy) -> Alarms {
        Alarms {
            triggers: Triggers::new(policy),
            farewell: None,
        }
    }

    /// Takes news, and tells the operator.
    pub(crate) fn hear(&mut self, news: News) -> Option<Brings> {
        match news {
            News::Pinned(Pin { of, why, .. }) => self.tell_pinned(of, &why),
            News::Trouble(event, of) => self.triggers.hear(&event, of, Instant::now()),
            News::NodeStarted => {
                self.node_ended();
                self.farewell = None;
            }
            News::Unread(unread, wanted) => {
                let told = contents::words(&unread, &wanted);
                say(&told);
                return Some(Brings::Note(told));
            }
            News::SlogUnread(unread, wanted) => {
                let told = contents::slog_words(&unread, &wanted);
                say(&told);
                return Some(Brings::Note(told));
            }
            News::SlogRead => {
                say(contents::SLOG_UNDERSTOOD);
                return Some(Brings::Note(contents::SLOG_UNDERSTOOD.to_owned()));
            }
            News::Farewell(why) => {
                say(&format!("the node announced that it stops: {why}"));
                self.farewell = Some(why);
            }
            News::Lost(loss) if loss.records > 0 => {
                let (records, lane, why) = (loss.records, loss.lane.name(), loss.why);
                say(&format!(
                    "records lost or cut: {records}, in the {lane} lane: {why}"
                ));
            }
            News::Lost(_) => {}
            News::Diverged(diverged) => {
                let reason = reason_of(&diverged);
                let height = diverged.of.height;
                say(&format!("consensus failure at height {height}: {reason}"));
                return Some(Brings::Box(diverged.of, reason));
            }
        }
        None
    }

    /// An end that was announced is no alarm.
    fn tell_pinned(&self, of: Attempt, why: &str) {
        match &self.farewell {
            Some(farewell) => say(&format!(
                "height {} is kept until it is executed again; the node stopped as announced: {farewell}",
                of.height
            )),
            None => say(&format!("height {} is pinned: {why}", of.height)),
        }
    }

    /// What was heard of before stands unchanged.
    pub(crate) fn still(&mut self, event: &Event, life: &Lifecycle) {
        if let Some(of) = life.accused(event) {
            self.triggers.still(event, of.of(), Instant::now());
        }
    }

    /// The node's process ended, or started again.
    pub(crate) fn node_ended(&mut self) {
        self.triggers.node_ended();
    }

    /// What is due by now. Of trouble without a block the operator is told in the
    /// folder of boxes.
    pub(crate) fn due(&mut self, life: &Lifecycle, boxes: &Path) -> Vec<Brings> {
        let due = self.triggers.due(life, Instant::now()).into_iter();
        let brings = due.map(|due| match due {
            Due::Box { of, reason } => {
                say(&format!("height {}: {reason}", of.height));
                Brings::Box(of, reason)
            }
            Due::Held { of, name, reason } => {
                let height = of.height;
                console::tell(&halt_message::held(height, &name, &reason));
                warn(after_freeze::alert_of_held(boxes, height, &name, &reason));
                Brings::Note(format!(
                    "height {height}: {reason} (already frozen in box {name})"
                ))
            }
            Due::Unrecorded { reason } => {
                console::tell(&halt_message::without_a_box(&reason));
                warn(after_freeze::alert_without_a_box(boxes, &reason));
                Brings::Note(format!("{}: {reason}", halt_message::WITHOUT_A_BOX))
            }
        });
        brings.collect()
    }
}

fn warn(written: io::Result<()>) {
    if let Err(error) = written {
        say(&format!("cannot write {ALERT_FILE}: {error}"));
    }
}

fn reason_of(diverged: &Diverged) -> String {
    let (local, network) = (diverged.local, diverged.network);
    format!(
        "{} differs, this node has {local}, the network {network}",
        diverged.field
    )
}
