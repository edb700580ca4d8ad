//! Asks one node for evidence, within limits of size and time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::rpc::{CallError, Client, Endpoint, shown};
use haltbox_recorder::clock;
use haltbox_recorder::freeze::{Answered, AskNode, Asking};

/// Limits for asking a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most bytes of one answer.
    answer: u64,
    /// Most bytes of all answers.
    all: usize,
    /// Longest wait for one answer.
    patience: Duration,
    /// Longest wait for all answers.
    time: Duration,
}

impl Bounds {
    /// Limits while a box waits for its answers.
    pub(super) const KIT: Bounds = Bounds {
        answer: 8 << 20,
        all: 24 << 20,
        patience: Duration::from_secs(5),
        time: Duration::from_secs(15),
    };
    /// Limits while a person waits.
    pub(super) const COLLECT: Bounds = Bounds {
        answer: 32 << 20,
        all: 128 << 20,
        patience: Duration::from_secs(30),
        time: Duration::from_secs(300),
    };
}

/// Where answers come from.
enum Source {
    Node(Box<Client>),
    /// Answers of an earlier time: one line each, by call.
    Given(BTreeMap<String, Vec<u8>>),
}

/// One node, and its answers so far.
pub(super) struct Asker {
    source: Source,
    from: String,
    bounds: Bounds,
    begun: Instant,
    bytes: usize,
    answers: Vec<Answer>,
    /// The first call that was not sent because of a limit, and which one.
    unasked: Option<String>,
    /// Gets each call before it is sent, and each answer that is kept.
    listener: Option<Sender<Said>>,
}

/// A message of the thread that asks for a [`Kit`].
enum Said {
    /// The call that it sends now.
    Asks(String),
    /// A kept answer, as a line.
    Line(Vec<u8>),
    /// The end. `unasked` names the first call that a limit left out.
    Done { unasked: Option<String> },
}

/// A call and its outcome.
struct Answer {
    call: String,
    at: String,
    took: Duration,
    outcome: Result<Vec<u8>, NoAnswer>,
}

/// Reasons why lines are no answers of a node.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnswersError {
    /// A line is none that `haltbox cat` printed.
    #[error(
        "the answers contain a line that is not output of haltbox cat --stream \
         evidence: {error}"
    )]
    NoOutput {
        /// What its JSON lacks.
        error: serde_json::Error,
    },
    /// They are of different nodes.
    #[error("the answers come from several nodes: give those of one node")]
    Several,
    /// There is none.
    #[error("the answers are empty")]
    Empty,
}

/// Why a call has no answer.
#[derive(Debug, Error)]
enum NoAnswer {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Limit(#[from] Limit),
    #[error("it is not among the answers")]
    NotGiven,
    #[error(transparent)]
    Unread(#[from] serde_json::Error),
    /// As it was noted at an earlier time.
    #[error("{0}")]
    Noted(String),
    #[error("{why}; no later query was sent")]
    Cut { why: &'static str },
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, Error)]
enum Limit {
    #[error("not asked: the time limit of {seconds} s was reached")]
    Time { seconds: u64 },
    #[error("not asked: the size limit was reached ({bytes} bytes received)")]
    Size { bytes: usize },
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

    /// An asker that reads answers of an earlier time, as `haltbox cat --stream
    /// evidence` prints them.
    ///
    /// # Errors
    /// [`AnswersError`].
    pub(super) fn of_lines(lines: &[u8], bounds: Bounds) -> Result<Asker, AnswersError> {
        let mut answers = BTreeMap::new();
        let mut from: Option<String> = None;
        let given = lines.split(|byte| *byte == b'\n');
        for line in given.filter(|line| !line.is_empty()) {
            let read: Result<Given<'_>, _> = serde_json::from_slice(line);
            let read = read.map_err(|error| AnswersError::NoOutput { error })?;
            if from.get_or_insert_with(|| shown(&read.from)) != &shown(&read.from) {
                return Err(AnswersError::Several);
            }
            answers.insert(read.call.into_owned(), line.to_vec());
        }
        Ok(Asker {
            from: from.ok_or(AnswersError::Empty)?,
            source: Source::Given(answers),
            bounds,
            begun: Instant::now(),
            bytes: 0,
            answers: Vec::new(),
            unasked: None,
            listener: None,
        })
    }

    /// An asker that reports everything to `listener` at once.
    fn heard_by(endpoint: Endpoint, bounds: Bounds, listener: Sender<Said>) -> Asker {
        Asker {
            listener: Some(listener),
            ..Asker::new(endpoint, bounds)
        }
    }

    /// The endpoint, without its secrets.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Asks, and keeps the outcome. Returns the body, unless the node refused
    /// or failed.
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

    /// Reports to the listener. Errors are ignored: a listener that is gone
    /// needs nothing.
    fn say(&self, said: Said) {
        if let Some(listener) = &self.listener {
            let _ = listener.send(said);
        }
    }

    /// As [`Asker::ask`], but keeps an outcome only if a limit prevents the
    /// call.
    pub(super) fn ask_quietly(&mut self, call: &str) -> Option<Vec<u8>> {
        if self.is_over() {
            return None;
        }
        if self.bound().is_some() {
            return self.ask(call);
        }
        self.fetch(call).ok().filter(|body| refusal(body).is_none())
    }

    /// Whether a limit left a call out. Nothing is asked after that.
    pub(super) fn is_over(&self) -> bool {
        self.unasked.is_some()
    }

    /// The limit that is reached.
    fn bound(&self) -> Option<Limit> {
        if self.begun.elapsed() >= self.bounds.time {
            let seconds = self.bounds.time.as_secs();
            return Some(Limit::Time { seconds });
        }
        let bytes = self.bytes;
        (bytes >= self.bounds.all).then_some(Limit::Size { bytes })
    }

    /// Keeps an answer to a call of [`Asker::ask_quietly`].
    pub(super) fn keep(&mut self, call: &str, body: &[u8]) {
        self.push(Answer {
            call: call.to_owned(),
            at: clock::rfc3339(clock::now_ms()),
            took: Duration::ZERO,
            outcome: Ok(body.to_vec()),
        });
    }

    /// The body of an earlier call.
    pub(super) fn told(&self, call: &str) -> Option<Vec<u8>> {
        let answer = self.answers.iter().find(|answer| answer.call == call)?;
        answer.outcome.as_ref().ok().cloned()
    }

    /// The calls that failed, and why.
    pub(super) fn failures(&self) -> Vec<String> {
        let why = |answer: &Answer| match &answer.outcome {
            Err(why) => Some(format!("/{}: {why}", answer.call)),
            Ok(body) => refusal(body).map(|why| format!("/{}: {why}", answer.call)),
        };
        self.answers.iter().filter_map(why).collect()
    }

    /// All outcomes, one line each.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let lines = self.answers.iter().map(|answer| self.line_of(answer));
        lines.collect()
    }

    fn fetch(&mut self, call: &str) -> Result<Vec<u8>, NoAnswer> {
        self.say(Said::Asks(call.to_owned()));
        if let Some(why) = self.bound() {
            self.unasked.get_or_insert(format!("/{call}: {why}"));
            return Err(why.into());
        }
        let room = self.bounds.all.saturating_sub(self.bytes);
        let limit = self.bounds.answer.min(room as u64);
        match &self.source {
            Source::Node(client) => Ok(client.raw(call, limit)?),
            Source::Given(lines) => given(lines, call)?.answer(),
        }
    }

    /// The line of an answer. An answer of an earlier time keeps the line it
    /// was read from.
    fn line_of(&self, answer: &Answer) -> Vec<u8> {
        let call = format!("/{}", answer.call);
        let known = match &self.source {
            Source::Node(_) => None,
            Source::Given(lines) => lines.get(&call).cloned(),
        };
        known.unwrap_or_else(|| answer.line(&self.from))
    }
}

/// An answer of an earlier time, parsed.
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

fn given<'a>(lines: &'a BTreeMap<String, Vec<u8>>, call: &str) -> Result<Given<'a>, NoAnswer> {
    let line = lines.get(&format!("/{call}"));
    Ok(serde_json::from_slice(line.ok_or(NoAnswer::NotGiven)?)?)
}

impl Given<'_> {
    fn answer(&self) -> Result<Vec<u8>, NoAnswer> {
        let answer = self.answer.map(|answer| answer.get().as_bytes().to_vec());
        answer.ok_or_else(|| NoAnswer::Noted(self.error.clone().unwrap_or_default()))
    }
}

/// Why a body is no answer: the node's own error, or it is no JSON of CometBFT.
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
            Err(why) => line.extend(format!(r#","error":{}}}"#, text(&why.to_string())).as_bytes()),
            Ok(body) => {
                line.extend(br#","answer":"#);
                line.extend(one_line(body));
                line.push(b'}');
            }
        }
        line
    }
}

/// The JSON as it came, without newlines. JSON has those only between its
/// values.
fn one_line(body: &[u8]) -> Vec<u8> {
    let flat = |byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        byte => *byte,
    };
    body.iter().map(flat).collect()
}

/// Questions to a node while a box of it is written.
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
    /// How long to wait for a node once the recorder is told to end. A node
    /// that answers at all needs less for most calls.
    const LAST_ANSWERS: Duration = Duration::from_secs(2);
    /// Time between two checks whether the recorder is told to end.
    const GLANCE: Duration = Duration::from_millis(50);

    /// Begins to ask about a height, in a thread.
    fn start(endpoint: &Endpoint, height: u64) -> Kit {
        let (sender, said) = channel();
        let (from, node) = (endpoint.to_string(), endpoint.clone());
        let thread = std::thread::Builder::new().name("haltbox-evidence".to_owned());
        // If there is no thread, the closed channel says so.
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

    fn cut(&self, mut lines: Vec<Vec<u8>>, call: String, why: &'static str) -> Answered {
        let cut = self.words(&format!("/{call}: {why}"));
        let answer = Answer {
            call,
            at: clock::rfc3339(clock::now_ms()),
            took: Duration::ZERO,
            outcome: Err(NoAnswer::Cut { why }),
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
        for outcome in [Ok(body), Err(NoAnswer::Noted("no\n".to_owned()))] {
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
