//! Messages to the operator, on standard error and by a command.

use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};

use haltbox_daemon::console::tell;

use crate::incident::{self, Record, Step};
use crate::message::ChainId;

/// Sends alerts to the operator, on standard error and by a command.
pub struct Alerts {
    command: Option<Sender<Alert>>,
}

/// One alert, for the command.
struct Alert {
    chain: String,
    kind: String,
    level: String,
    text: String,
    transaction: String,
}

impl Alerts {
    /// `command`: a shell runs it for each alert, one after another, with
    /// `HALTBOX_ALERT_KIND`, `_CHAIN`, `_LEVEL`, `_TEXT` and `_TRANSACTION`.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn new(command: Option<String>) -> std::io::Result<Alerts> {
        let started = command.map(|command| -> std::io::Result<Sender<Alert>> {
            let (sender, alerts) = channel::<Alert>();
            let thread = std::thread::Builder::new().name("alerts".to_owned());
            thread.spawn(move || {
                for alert in alerts {
                    alert.run(&command);
                }
            })?;
            Ok(sender)
        });
        Ok(Alerts {
            command: started.transpose()?,
        })
    }

    /// Prints a message that needs no action.
    pub fn note(&mut self, text: &str) {
        tell(&format!("haltbox: {text}\n"));
    }

    /// Sends an alert about something that the operator must look at.
    pub fn alert(&mut self, chain: ChainId, kind: &str, text: &str) {
        self.send(&chain.to_string(), kind, "", text, "");
    }

    /// Like [`Alerts::alert`], about something that belongs to no single chain.
    pub fn of_all(&mut self, kind: &str, text: &str) {
        self.send("", kind, "", text, "");
    }

    /// Reports a step of an incident: as an alert if it is urgent, else as a note.
    pub fn step(&mut self, chain: ChainId, record: &Record, step: &Step) {
        let text = incident::tell(chain, record, step);
        let urgent = matches!(
            step,
            Step::Opened | Step::Rose | Step::CameBack | Step::NotReplaced
        );
        if !urgent {
            return self.note(&text);
        }
        let text = format!("{text}\n  what to do: {}", record.level.what_to_do());
        let transaction = record.transaction.to_string();
        let (chain, level) = (chain.to_string(), record.level.word());
        self.send(&chain, &record.why, level, &text, &transaction);
    }

    fn send(&mut self, chain: &str, kind: &str, level: &str, text: &str, transaction: &str) {
        tell(&format!("haltbox: ALERT {text}\n"));
        let Some(command) = &self.command else { return };
        // If the thread has ended, it has printed why.
        let _ = command.send(Alert {
            chain: chain.to_owned(),
            kind: kind.to_owned(),
            level: level.to_owned(),
            text: text.to_owned(),
            transaction: transaction.to_owned(),
        });
    }
}

impl Alert {
    fn run(&self, command: &str) {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .env("HALTBOX_ALERT_KIND", &self.kind)
            .env("HALTBOX_ALERT_CHAIN", &self.chain)
            .env("HALTBOX_ALERT_LEVEL", &self.level)
            .env("HALTBOX_ALERT_TEXT", &self.text)
            .env("HALTBOX_ALERT_TRANSACTION", &self.transaction);
        match shell.status() {
            Ok(status) if status.success() => {}
            Ok(status) => tell(&format!("haltbox: the alert command ended with {status}\n")),
            Err(error) => tell(&format!("haltbox: cannot run the alert command: {error}\n")),
        }
    }
}
