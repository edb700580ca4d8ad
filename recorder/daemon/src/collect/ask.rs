//! Asking one node for evidence, with bounds on size and time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::rpc::{Client, Endpoint, shown};
use haltbox_recorder::clock;
use haltbox_recorder::freeze::{Answered, AskNode, Asking};

/// How much may be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of one answer.
    answer: u64,
    /// Bytes of all.
    all: usize,
    /// For one answer.
    patience: Duration,
    /// For all.
    time: Duration,
}

impl Bounds {
    /// While a box waits to be durable.
    pub(super) const KIT: Bounds = Bounds {
        answer: 8 << 20,
        all: 24 << 20,
        patience: Duration::from_secs(5),
        time: Duration::from_secs(15),
    };
    /// While a person does.
    pub(super) const COLLECT: Bounds = Bounds {
        answer: 32 << 20,
        all: 128 << 20,
        patience: Duration::from_secs(30),
        time: Duration::from_secs(300),
    };
}

/// Who answers.
enum Source {
    Node(Box<Client>),
    /// What a node answered before, a line each, by what was asked.
    Given(BTreeMap<String, Vec<u8>>),
}

/// One node, and what it answered so far.
pub(super) struct Asker {
    source: Source,
    from: String,
    bounds: Bounds,
    begun: Instant,
    bytes: usize,
    answers: Vec<Answer>,
    /// The first call that a bound kept from being asked, and why.
    unasked: Option<String>,
    /// Hears of each question and of each answer that is kept.
    listener: Option<Sender<Said>>,
}

/// What the asking thread of a [`Kit`] says.
enum Said {
    /// What it asks now.
    Asks(String),
    /// An answer that is kept, as a line.
    Line(Vec<u8>),
    /// There is no more to ask. `unasked`: what a bound left out, from which call on.
    Done { unasked: Option<String> },
}

/// What was asked, and what came of it.
struct Answer {
    call: String,
    at: String,
    took: Duration,
    outcome: Result<Vec<u8>, String>,
}

impl Asker {
    pub(super) fn new(endpoint: Endpoint, bounds: Bounds) -> Asker {
        Asker {
            from: endpoint.to_string(),
            source: Source::Node(Box::new(Client::patient(
                endpoint,
                bounds.patience,
                bounds.patience,
            ))),
            bounds,
            begun: Instant::now(),
            bytes: 0,
            answers: Vec::new(),
            unasked: None,
            listener: None,
        }
    }

    /// Of lines that `haltbox cat --stream evidence` prints: what a node answered when a box
    /// was made.
    ///
    /// # Errors
    /// In words: they are none, or of several nodes.
    pub(super) fn of_lines(lines: &[u8], bounds: Bounds) -> Result<Asker, String> {
        let mut answers = BTreeMap::new();
        let mut from: Option<String> = None;
        let given = lines.split(|byte| *byte == b'\n');
        for line in given.filter(|line| !line.is_empty()) {
            let read: Result<Given<'_>, _> = serde_json::from_slice(line);
            let read = read.map_err(|error| {
                format!(
                    "the answers contain a line that is not output of haltbox cat --stream \
                     evidence: {error}"
                )
            })?;
            if from.get_or_insert_with(|| shown(&read.from)) != &shown(&read.from) {
                return Err(
                    "the answers come from several nodes: give those of one node".to_owned(),
                );
            }
            answers.insert(read.call.into_owned(), line.to_vec());
        }
        Ok(Asker {
            from: from.ok_or("the answers are empty")?,
            source: Source::Given(answers),
            bounds,
            begun: Instant::now(),
            bytes: 0,
            answers: Vec::new(),
            unasked: None,
            listener: None,
        })
    }

    /// The same, for one that hears of everything at once.
    fn heard_by(endpoint: Endpoint, bounds: Bounds, listener: Sender<Said>) -> Asker {
        Asker {
            listener: Some(listener),
            ..Asker::new(endpoint, bounds)
        }
    }

    /// The place, as it may be shown.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Asks, and keeps what comes of it; gives the body where the node told something.
    pub(super) fn ask(&mut self, call: &str) -> Option<Vec<u8>> {
        let begun = Instant::now();
        let at = clock::rfc3339(clock::now_ms());
        let outcome = self.fetch(call);
        let told = outcome
            .as_ref()
            .ok()
            .filter(|body| refusal(body).is_none())
            .cloned();
        self.push(Answer {
            call: call.to_owned(),
            at,
            took: begun.elapsed(),
            outcome,
        });
        told
    }

    fn push(&mut self, answer: Answer) {
        self.bytes += answer.outcome.as_ref().map_or(0, Vec::len);
        if self.listener.is_some() {
            self.say(Said::Line(self.line_of(&answer)));
        }
        self.answers.push(answer);
    }

    /// Where nobody hears any more, nobody needs it.
    fn say(&self, said: Said) {
        if let Some(listener) = &self.listener {
            let _ = listener.send(said);
        }
    }

    /// The same, and keeps nothing but that a bound leaves it out.
    pub(super) fn ask_quietly(&mut self, call: &str) -> Option<Vec<u8>> {
        if self.is_over() {
            return None;
        }
        if self.bound().is_some() {
            return self.ask(call);
        }
        self.fetch(call).ok().filter(|body| refusal(body).is_none())
    }

    /// A bound left something out: nothing more is asked.
    pub(super) fn is_over(&self) -> bool {
        self.unasked.is_some()
    }

    /// The bound that is reached.
    fn bound(&self) -> Option<String> {
        if self.begun.elapsed() >= self.bounds.time {
            let seconds = self.bounds.time.as_secs();
            return Some(format!(
                "not asked: the time limit of {seconds} s was reached"
            ));
        }
        let is_full = self.bytes >= self.bounds.all;
        is_full.then(|| {
            format!(
                "not asked: the size limit was reached ({} bytes received)",
                self.bytes
            )
        })
    }

    /// Keeps what was asked for quietly.
    pub(super) fn keep(&mut self, call: &str, body: &[u8]) {
        self.push(Answer {
            call: call.to_owned(),
            at: clock::rfc3339(clock::now_ms()),
            took: Duration::ZERO,
            outcome: Ok(body.to_vec()),
        });
    }

    /// What a call gave that was asked before.
    pub(super) fn told(&self, call: &str) -> Option<Vec<u8>> {
        let answer = self.answers.iter().find(|answer| answer.call == call)?;
        answer.outcome.as_ref().ok().cloned()
    }

    /// Calls that failed, and why.
    pub(super) fn failures(&self) -> Vec<String> {
        let why = |answer: &Answer| match &answer.outcome {
            Err(why) => Some(format!("/{}: {why}", answer.call)),
            Ok(body) => refusal(body).map(|why| format!("/{}: {why}", answer.call)),
        };
        self.answers.iter().filter_map(why).collect()
    }

    /// All of it, a line for each answer.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let lines = self.answers.iter().map(|answer| self.line_of(answer));
        lines.collect()
    }

    fn fetch(&mut self, call: &str) -> Result<Vec<u8>, String> {
        self.say(Said::Asks(call.to_owned()));
        if let Some(why) = self.bound() {
            self.unasked.get_or_insert(format!("/{call}: {why}"));
            return Err(why);
        }
        let room = self.bounds.all.saturating_sub(self.bytes);
        let limit = self.bounds.answer.min(room as u64);
        match &self.source {
            Source::Node(client) => client.raw(call, limit),
            Source::Given(lines) => given(lines, call).and_then(|given| given.answer()),
        }
    }

    /// The line that an answer was read of.
    fn line_of(&self, answer: &Answer) -> Vec<u8> {
        let call = format!("/{}", answer.call);
        let known = match &self.source {
            Source::Node(_) => None,
            Source::Given(lines) => lines.get(&call).cloned(),
        };
        known.unwrap_or_else(|| answer.line(&self.from))
    }
}

/// A line of an answer.
#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    call: Cow<'a, str>,
    #[serde(borrow, default)]
    answer: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<String>,
}

fn given<'a>(lines: &'a BTreeMap<String, Vec<u8>>, call: &str) -> Result<Given<'a>, String> {
    let line = lines.get(&format!("/{call}"));
    let line = line.ok_or("it is not among the answers")?;
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

impl Given<'_> {
    fn answer(&self) -> Result<Vec<u8>, String> {
        let answer = self.answer.map(|answer| answer.get().as_bytes().to_vec());
        answer.ok_or_else(|| self.error.clone().unwrap_or_default())
    }
}

/// Why an answer tells nothing: the node's own error, or that it is none.
fn refusal(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        error: Option<Refusal>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        message: String,
        #[serde(default)]
        data: String,
    }
    let envelope: Result<Envelope, _> = serde_json::from_slice(body);
    match envelope {
        Ok(envelope) => envelope
            .error
            .map(|error| shown(&format!("{}: {}", error.message, error.data))),
        Err(error) => Some(shown(&format!("not a CometBFT answer: {error}"))),
    }
}

impl Answer {
    fn line(&self, from: &str) -> Vec<u8> {
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let mut line = format!(
            r#"{{"from":{},"call":{},"at":{},"ms":{}"#,
            text(from),
            text(&format!("/{}", self.call)),
            text(&self.at),
            self.took.as_millis()
        )
        .into_bytes();
        match &self.outcome {
            Err(why) => line.extend(format!(r#","error":{}}}"#, text(why)).as_bytes()),
            Ok(body) => {
                line.extend(br#","answer":"#);
                line.extend(one_line(body));
                line.push(b'}');
            }
        }
        line
    }
}

/// JSON as it came, without line feeds, which stand between its values alone.
fn one_line(body: &[u8]) -> Vec<u8> {
    let flat = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        byte => *byte,
    };
    body.iter().map(flat).collect()
}

/// A node that is asked while a box of its is written.
struct Kit {
    said: Receiver<Said>,
    until: Instant,
    from: String,
}

impl AskNode for Endpoint {
    fn ask(&self, height: u64) -> Box<dyn Asking> {
        Box::new(Kit::start(self, height))
    }
}

impl Kit {
    /// How long a node is still waited for once the recorder is told to end: one that answers
    /// at all needs less for most of what it is asked.
    const LAST_ANSWERS: Duration = Duration::from_secs(2);
    /// How often it is looked whether the recorder is told to end.
    const GLANCE: Duration = Duration::from_millis(50);

    /// Begins to ask about a height. Without a thread nobody is asked.
    fn start(endpoint: &Endpoint, height: u64) -> Kit {
        let (sender, said) = channel();
        let (from, node) = (endpoint.to_string(), endpoint.clone());
        let thread = std::thread::Builder::new().name("haltbox-evidence".to_owned());
        // The closed channel tells of a thread that was not to be had.
        let _ = thread.spawn(move || {
            let mut asker = Asker::heard_by(node, Bounds::KIT, sender);
            super::ask_all(&mut asker, height, &[]);
            let unasked = asker.unasked.take();
            asker.say(Said::Done { unasked });
        });
        Kit {
            said,
            until: Instant::now() + Bounds::KIT.time + Bounds::KIT.patience,
            from,
        }
    }

    fn words(&self, call: &str) -> String {
        format!("{} did not answer everything: {call}", self.from)
    }

    fn cut(&self, mut lines: Vec<Vec<u8>>, call: String, why: &str) -> Answered {
        let cut = self.words(&format!("/{call}: {why}"));
        let answer = Answer {
            call,
            at: clock::rfc3339(clock::now_ms()),
            took: Duration::ZERO,
            outcome: Err(format!("{why}; no later query was sent")),
        };
        lines.push(answer.line(&self.from));
        Answered {
            lines,
            cut: Some(cut),
        }
    }
}

impl Asking for Kit {
    fn take(&self, is_ending: &dyn Fn() -> bool) -> Answered {
        let (mut lines, mut asked) = (Vec::new(), String::new());
        let (mut until, mut ending) = (self.until, false);
        let why = loop {
            if !ending && is_ending() {
                ending = true;
                until = until.min(Instant::now() + Self::LAST_ANSWERS);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left.min(Self::GLANCE)) {
                Ok(Said::Asks(call)) => asked = call,
                Ok(Said::Line(line)) => lines.push(line),
                Ok(Said::Done { unasked }) => {
                    let cut = unasked.map(|call| self.words(&call));
                    return Answered { lines, cut };
                }
                Err(RecvTimeoutError::Disconnected) => break "no query could be sent",
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(RecvTimeoutError::Timeout) if ending => {
                    break "the recorder was stopped before the answer arrived";
                }
                Err(RecvTimeoutError::Timeout) => break "no answer in time",
            }
        };
        self.cut(lines, asked, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_line_whatever_it_is() {
        let answer = |outcome| Answer {
            call: "block?height=7".to_owned(),
            at: "t".to_owned(),
            took: Duration::ZERO,
            outcome,
        };
        let body = b"{\r\n \"result\": {\"a\": \"b\\n\"}\n}".to_vec();
        for outcome in [Ok(body), Err("no\n".to_owned())] {
            let line = answer(outcome).line("http://h:1");
            assert!(!line.contains(&b'\n'), "{line:?}");
            let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
            assert_eq!(read["call"], "/block?height=7");
            assert!(read["answer"].is_null() != read["error"].is_null());
        }
    }

    #[test]
    fn what_is_no_answer_is_a_refusal() {
        for none in [&b"<html>"[..], b"{\"error\":{\"code\":1}}", b""] {
            assert!(refusal(none).is_some());
        }
        assert_eq!(refusal(b"{\"result\":{}}"), None);
    }
}
