//! `haltbox doctor --try-log`: shows how a recorder would read a node's log,
//! before an operator relies on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead};

use haltbox_format::Stream;
use haltbox_format::mark::Position;
use haltbox_model::lifecycle::{Accused, Lifecycle};
use haltbox_model::{Event, NodeLog, Outside, Profile};
use thiserror::Error;

use haltbox_recorder::not_understood;
use haltbox_recorder::triggers::{Policy, then};

/// Most kinds of trouble that are shown.
const SHOWN: usize = 40;
/// Most bytes shown of a line.
const SHOWN_BYTES: usize = 160;
/// Longest line. A longer one is cut, as a recorder cuts it.
const MAX_LINE: u64 = 8 << 20;

/// What was read of a log.
#[derive(Debug, Default)]
pub struct Reading {
    lines: u64,
    telling: u64,
    /// Whether the profile has rules for lines about blocks.
    looked_for: bool,
    blocks: BTreeMap<u64, Block>,
    starts: u64,
    trouble: Vec<Trouble>,
    more: u64,
    unread: Option<String>,
}

/// Lines with the same meaning.
#[derive(Debug)]
struct Trouble {
    then: String,
    first: u64,
    times: u64,
    line: String,
}

/// What the log has about one height.
#[derive(Debug, Default)]
struct Block {
    app_hash: bool,
    network: bool,
}

/// Why a log is not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// The profile is for no node's log.
    #[error("the profile {name} has no rules for a node's log")]
    NoRules {
        /// The name of the profile.
        name: String,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] io::Error),
}

impl Reading {
    /// Reads a log to its end.
    ///
    /// # Errors
    /// [`ReadingError`].
    pub fn of(log: &mut dyn BufRead, profile: &Profile) -> Result<Reading, ReadingError> {
        let name = || profile.name.clone();
        let rules = profile.node.as_ref();
        let rules = rules.ok_or_else(|| ReadingError::NoRules { name: name() })?;
        let (mut reading, mut memory) = (Reading::default(), NodeLog::default());
        let mut life = Lifecycle::default();
        let (mut line, mut last) = (Vec::new(), Vec::new());
        while let Some(complete) = next_line(log, &mut line)? {
            reading.lines += 1;
            let mut told = false;
            rules.read(&mut memory, &line, complete, &mut |event| {
                told = true;
                reading.hear(&event, &mut life, &line);
            });
            reading.telling += u64::from(told);
            std::mem::swap(&mut line, &mut last);
        }
        rules.end(&mut memory, &mut |event| {
            reading.hear(&event, &mut life, &last);
        });
        reading.looked_for = rules.tells_of_blocks();
        let nothing = reading.looked_for && reading.blocks.is_empty() && reading.lines > 0;
        let unread = rules.unread(&memory);
        let unread = unread.or_else(|| nothing.then(|| memory.so_far()));
        reading.unread = unread.map(|unread| not_understood::log(&unread, rules.example()));
        Ok(reading)
    }

    fn hear(&mut self, event: &Event, life: &mut Lifecycle, line: &[u8]) {
        let at = Position {
            main: self.lines,
            local: 0,
        };
        life.on(event, Stream::Node, at, at);
        self.take(event, life.accused(event), line);
    }

    fn take(&mut self, event: &Event, accused: Option<Accused>, line: &[u8]) {
        if let Some(height) = event.height() {
            let block = self.blocks.entry(height).or_default();
            match event {
                Event::LocalHash { .. } => block.app_hash = true,
                Event::Commit { app_hash, .. } => block.app_hash |= app_hash.is_some(),
                Event::Confirm { app_hash, .. } => block.network |= app_hash.is_some(),
                _ => {}
            }
            return;
        }
        self.starts += u64::from(*event == Event::ProcessStart);
        let Some(then) = then(event, accused, &Policy::default()) else {
            return;
        };
        if let Some(known) = self.trouble.iter_mut().find(|known| known.then == then) {
            known.times += 1;
        } else if self.trouble.len() < SHOWN {
            let line = line.get(..SHOWN_BYTES).unwrap_or(line);
            self.trouble.push(Trouble {
                then,
                first: self.lines,
                times: 1,
                line: String::from_utf8_lossy(line).into_owned(),
            });
        } else {
            self.more += 1;
        }
    }

    /// Whether blocks were found, or none were looked for.
    pub fn is_understood(&self) -> bool {
        self.unread.is_none() && !(self.looked_for && self.blocks.is_empty())
    }

    /// The result in words for the operator.
    pub fn text(&self) -> String {
        let mut text = format!(
            "lines: {}, of which recognized: {}\n",
            self.lines, self.telling
        );
        let (first, last) = (self.blocks.first_key_value(), self.blocks.last_key_value());
        let count = |wanted: fn(&Block) -> bool| self.blocks.values().filter(|b| wanted(b)).count();
        if let (Some((first, _)), Some((last, _))) = (first, last) {
            let _ = writeln!(
                text,
                "heights {first} to {last}: found {}, with this node's AppHash {}, with the \
                 network's AppHash {}",
                self.blocks.len(),
                count(|block| block.app_hash),
                count(|block| block.network),
            );
        }
        let _ = writeln!(text, "starts of the node's process: {}", self.starts);
        if let Some(unread) = &self.unread {
            let _ = writeln!(text, "{unread}");
        }
        if self.trouble.is_empty() {
            text += "no trouble found\n";
        } else {
            text += "trouble, and what a recorder does about it:\n";
            self.trouble
                .iter()
                .for_each(|trouble| text += &trouble.text());
        }
        if self.more > 0 {
            let _ = writeln!(text, "  and {} more lines of trouble", self.more);
        }
        text
    }
}

impl Trouble {
    fn text(&self) -> String {
        let times = match self.times {
            1 => String::new(),
            times => format!(", {times} lines"),
        };
        let (first, then) = (self.first, Outside::text(&self.then));
        let line = Outside::text(&self.line);
        format!("  line {first}{times}: {then}\n    {line}\n")
    }
}

/// Reads the next line without its newline. Returns whether there was one, and
/// `None` at the end.
fn next_line(log: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let read = io::Read::take(&mut *log, MAX_LINE).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    Ok(Some(line.pop_if(|last| *last == b'\n').is_some()))
}
