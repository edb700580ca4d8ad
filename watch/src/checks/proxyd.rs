//! Reads proxyd's log: joins the lines of one check by its `req_id`.
//!
//! ```text
//! INFO  validating interop access list               {req_id, tx_hash, strategy, source}
//! DEBUG an interop validating backend has responded  {req_id, interop_filter_url, error}   each backend
//! DEBUG interop agreement outcome                    {req_id, outcome, valid, invalid, duration}
//! INFO  interop access list validated successfully | interop access list validation failed
//!                                                    {req_id, tx_hash, error}
//! ```
//!
//! The two INFO lines make a check. Their times give its duration if the proxy does not
//! log DEBUG. Backends that answer after the end still belong to the check: the proxy
//! continues as soon as enough of them have answered.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::Value;

use super::sample::{BACKEND, ERROR, Sample, cut};
use crate::stages::{Outcome, Stage};

/// Most checks that are tracked at a time.
const OPEN: usize = 4096;
/// Most backends of one check.
const BACKENDS: usize = 16;
/// Most characters of a `req_id`.
const ID: usize = 128;
/// After this time a check without an end is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after the end backends may still answer.
const LINGER: Duration = Duration::from_secs(5);

/// The members of a log line that are needed. A member of another type counts as absent.
#[derive(Deserialize)]
pub(super) struct LogLine {
    #[serde(default)]
    time: Value,
    msg: String,
    #[serde(default)]
    req_id: Value,
    #[serde(default)]
    tx_hash: Value,
    #[serde(default)]
    interop_filter_url: Value,
    /// The name in the generation before.
    #[serde(default)]
    supervisor_url: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    outcome: Value,
    #[serde(default)]
    valid: Value,
    #[serde(default)]
    invalid: Value,
    #[serde(default)]
    duration: Value,
}

/// The kind of a line.
enum LineKind {
    Start,
    Backend,
    Outcome,
    End(Outcome),
}

/// Joins the lines of each check.
#[derive(Default)]
pub(super) struct Joiner {
    open: HashMap<String, Check>,
    /// The checks in the order of their first lines, with a number that distinguishes
    /// checks with the same id. Every check in `open` is in here, but not every id in
    /// here is in `open`.
    order: VecDeque<(String, u64)>,
    next: u64,
    /// Checks that were dropped before their end was seen.
    pub(super) dropped: u64,
}

/// A check that waits for more lines.
struct Check {
    number: u64,
    met: Instant,
    tx: Option<B256>,
    /// Microseconds since 1970, by the proxy's clock.
    started: Option<u64>,
    last: u64,
    answers: Vec<Answer>,
    outcome: Option<Agreed>,
    /// When it ended. Later answers are late.
    ended: Option<Instant>,
}

/// The answer of one backend.
struct Answer {
    backend: Option<String>,
    error: Option<String>,
    took: Option<u64>,
    at: u64,
}

/// The proxy's summary of all answers.
struct Agreed {
    word: String,
    invalid: Option<u64>,
    took: Option<u64>,
}

impl LogLine {
    fn kind(&self) -> Option<LineKind> {
        Some(match self.msg.as_str() {
            "validating interop access list" => LineKind::Start,
            "an interop validating backend has responded" => LineKind::Backend,
            "interop agreement outcome" => LineKind::Outcome,
            "interop access list validated successfully" => LineKind::End(Outcome::Accepted),
            "interop access list validation failed" => LineKind::End(Outcome::Refused),
            _ => return None,
        })
    }

    fn id(&self) -> Option<&str> {
        let id = self.req_id.as_str()?;
        (!id.is_empty() && id.chars().count() <= ID).then_some(id)
    }

    fn tx(&self) -> Option<B256> {
        self.tx_hash.as_str()?.parse().ok()
    }

    /// Microseconds since 1970.
    fn micros(&self) -> Option<u64> {
        let time: jiff::Timestamp = self.time.as_str()?.parse().ok()?;
        u64::try_from(time.as_microsecond()).ok()
    }

    fn error(&self) -> Option<String> {
        let error = match &self.error {
            Value::String(text) => cut(text, ERROR),
            Value::Null => return None,
            other => cut(&other.to_string(), ERROR),
        };
        // Go prints a missing error like this.
        (!error.is_empty() && error != "<nil>").then_some(error)
    }

    fn backend(&self) -> Option<String> {
        let url = self.interop_filter_url.as_str();
        let url = url.or(self.supervisor_url.as_str())?;
        Some(cut(url, BACKEND))
    }
}

impl Joiner {
    /// Handles a line, and appends the samples that it completes to `done`. `now_ms`
    /// replaces a missing time of the line. `false` if the line is about something else.
    pub(super) fn take(
        &mut self,
        line: &LogLine,
        now: Instant,
        now_ms: u64,
        done: &mut Vec<Sample>,
    ) -> bool {
        let (Some(told), Some(id)) = (line.kind(), line.id()) else {
            return false;
        };
        let at = line.micros();
        let or_now = at.unwrap_or(now_ms.saturating_mul(1000));
        match told {
            LineKind::Start => {
                // The proxy gave up, and continues with the next check of the batch.
                if let Some(check) = self.open.remove(id) {
                    check.give_up(
                        "the next check of the same request began before this one had ended",
                        done,
                    );
                }
                let check = self.check(id, now, done);
                (check.tx, check.started, check.last) = (line.tx(), at, or_now);
            }
            LineKind::Backend => self.check(id, now, done).answered(line, at, or_now, done),
            LineKind::Outcome => {
                let check = self.check(id, now, done);
                check.last = or_now;
                check.outcome = Some(Agreed {
                    word: cut(line.outcome.as_str().unwrap_or_default(), 80),
                    invalid: line.invalid.as_u64().filter(|_| line.valid.is_u64()),
                    took: line.duration.as_u64().map(|nanos| nanos / 1000),
                });
            }
            LineKind::End(verdict) => {
                let check = self.check(id, now, done);
                check.tx = line.tx().or(check.tx);
                check.end(verdict, line.error(), at, or_now, done);
                check.ended = Some(now);
            }
        }
        true
    }

    /// Does what is due by the clock.
    pub(super) fn look(&mut self, now: Instant, done: &mut Vec<Sample>) {
        while let Some((id, number)) = self.order.front() {
            let current = self.open.get(id).filter(|check| check.number == *number);
            if current.is_some_and(|check| !check.is_over(now)) {
                // The checks behind it came later, so they need not be looked at.
                return;
            }
            self.pop(done);
        }
    }

    /// Checks that wait for more lines.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.open.len()
    }

    /// The check of an id; a new one if there is none.
    fn check(&mut self, id: &str, now: Instant, done: &mut Vec<Sample>) -> &mut Check {
        if !self.open.contains_key(id) {
            // This also bounds `open`: each of its checks is in the order.
            while self.order.len() >= OPEN {
                self.dropped += u64::from(self.pop(done));
            }
            self.next += 1;
            self.order.push_back((id.to_owned(), self.next));
        }
        let number = self.next;
        self.open
            .entry(id.to_owned())
            .or_insert_with(|| Check::new(number, now))
    }

    /// Removes the oldest check. `true` if its end was not seen.
    fn pop(&mut self, done: &mut Vec<Sample>) -> bool {
        let Some((id, number)) = self.order.pop_front() else {
            return false;
        };
        if self
            .open
            .get(&id)
            .is_none_or(|check| check.number != number)
        {
            return false;
        }
        let check = self.open.remove(&id);
        check.is_some_and(|check| check.give_up("its end is not in the log", done))
    }
}

impl Check {
    fn new(number: u64, met: Instant) -> Check {
        Check {
            number,
            met,
            tx: None,
            started: None,
            last: 0,
            answers: Vec::new(),
            outcome: None,
            ended: None,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        since(self.met) >= PATIENCE || self.ended.is_some_and(|ended| since(ended) >= LINGER)
    }

    fn answered(&mut self, line: &LogLine, at: Option<u64>, or_now: u64, done: &mut Vec<Sample>) {
        self.last = self.last.max(or_now);
        let answer = Answer {
            backend: line.backend(),
            error: line.error(),
            took: self.since_start(at),
            at: or_now,
        };
        match self.ended {
            Some(_) => done.push(self.part(&answer, self.is_refusal(&answer, None))),
            None if self.answers.len() < BACKENDS => self.answers.push(answer),
            None => {}
        }
    }

    /// Microseconds since the start. `None` if a time is unknown, or the clock was set
    /// back.
    fn since_start(&self, at: Option<u64>) -> Option<u64> {
        at?.checked_sub(self.started?)
    }

    fn end(
        &mut self,
        verdict: Outcome,
        error: Option<String>,
        at: Option<u64>,
        or_now: u64,
        done: &mut Vec<Sample>,
    ) {
        self.parts(done);
        let outcome = self.outcome.take();
        let took = outcome.as_ref().and_then(|outcome| outcome.took);
        let took = took.or(self.since_start(at));
        let word = outcome.map(|outcome| outcome.word);
        let word = word.filter(|word| !word.is_empty() && verdict != Outcome::Accepted);
        let error = match (word, error) {
            (Some(word), Some(error)) => Some(cut(&format!("{word}: {error}"), ERROR)),
            (word, error) => word.or(error),
        };
        done.push(self.whole(verdict, error, took, or_now / 1000));
    }

    /// Gives up on a check whose end will not come. `true` if it had not ended before.
    fn give_up(mut self, why: &str, done: &mut Vec<Sample>) -> bool {
        if self.ended.is_some() {
            return false;
        }
        self.parts(done);
        let at = self.last / 1000;
        done.push(self.whole(Outcome::Undecided, Some(why.to_owned()), None, at));
        true
    }

    fn parts(&mut self, done: &mut Vec<Sample>) {
        let answers = std::mem::take(&mut self.answers);
        let failed = answers.iter().filter(|answer| answer.error.is_some());
        let failed = failed.count() as u64;
        // If all errors are of one kind, the proxy says which.
        let invalid = self.outcome.as_ref().and_then(|outcome| outcome.invalid);
        let all = invalid.and_then(|invalid| match invalid {
            0 => Some(false),
            invalid => (invalid == failed).then_some(true),
        });
        done.extend(
            answers
                .iter()
                .map(|answer| self.part(answer, self.is_refusal(answer, all))),
        );
    }

    /// Whether an error refuses the transaction, or only means that there is no answer.
    /// The proxy logs the text of an error, not its code.
    fn is_refusal(&self, answer: &Answer, all: Option<bool>) -> bool {
        const REFUSALS: [&str; 5] = ["mismatch", "conflict", "expired", "unknown chain", "no log"];
        let by_words = |error: &String| {
            let error = error.to_lowercase();
            REFUSALS.iter().any(|words| error.contains(words))
        };
        answer
            .error
            .as_ref()
            .is_some_and(|error| all.unwrap_or_else(|| by_words(error)))
    }

    fn part(&self, answer: &Answer, is_refusal: bool) -> Sample {
        let verdict = match (&answer.error, is_refusal) {
            (None, _) => Outcome::Accepted,
            (Some(_), true) => Outcome::Refused,
            (Some(_), false) => Outcome::Undecided,
        };
        Sample {
            backend: answer.backend.clone(),
            part: true,
            ..self.whole(verdict, answer.error.clone(), answer.took, answer.at / 1000)
        }
    }

    fn whole(
        &self,
        verdict: Outcome,
        error: Option<String>,
        took_us: Option<u64>,
        at: u64,
    ) -> Sample {
        Sample {
            stage: Stage::Proxyd,
            backend: None,
            part: false,
            chain: None,
            tx: self.tx,
            declares: Vec::new(),
            verdict,
            error,
            took_us,
            at,
        }
    }
}

#[cfg(test)]
mod tests;
