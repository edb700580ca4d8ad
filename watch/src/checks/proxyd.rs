//! proxyd's log: lines of one check are joined by its `req_id`.
//!
//! ```text
//! INFO  validating interop access list               {req_id, tx_hash, strategy, source}
//! DEBUG an interop validating backend has responded  {req_id, interop_filter_url, error}   each backend
//! DEBUG interop agreement outcome                    {req_id, outcome, valid, invalid, duration}
//! INFO  interop access list validated successfully | interop access list validation failed
//!                                                    {req_id, tx_hash, error}
//! ```
//!
//! The two INFO lines make a check; their times tell how long it took where the proxy does
//! not log DEBUG. Backends that answer behind the end still belong to it: the proxy goes on
//! as soon as enough of them have answered.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::Value;

use super::sample::{BACKEND, ERROR, Sample, cut};
use crate::check::stages::{Outcome, Stage};

/// Checks that are followed at a time.
const OPEN: usize = 4096;
/// Backends of one check.
const BACKENDS: usize = 16;
/// Characters of a `req_id` that is one.
const ID: usize = 128;
/// A check that has no end by then will have none.
const PATIENCE: Duration = Duration::from_secs(60);
/// Backends may answer for so long behind the end.
const LINGER: Duration = Duration::from_secs(5);

/// A line of the log, as far as it matters. Members of another type than expected are as
/// good as absent.
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
    /// What the generation before calls it.
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

/// What a line tells.
enum Told {
    Start,
    Backend,
    Outcome,
    End(Outcome),
}

/// Puts the lines of each check together.
#[derive(Default)]
pub(super) struct Joiner {
    open: HashMap<String, Check>,
    /// The order in which they came, and which of those of one id it is: what is in
    /// `open` is in here, not the other way round.
    order: VecDeque<(String, u64)>,
    next: u64,
    /// Checks that had to go before their end was seen.
    pub(super) dropped: u64,
}

/// A check whose lines still come.
struct Check {
    number: u64,
    met: Instant,
    tx: Option<B256>,
    /// Microseconds since 1970, by the proxy's clock.
    started: Option<u64>,
    last: u64,
    answers: Vec<Answer>,
    outcome: Option<Agreed>,
    /// It ended, so that what comes now is late.
    ended: Option<Instant>,
}

/// What one backend answered.
struct Answer {
    backend: Option<String>,
    error: Option<String>,
    took: Option<u64>,
    at: u64,
}

/// What the proxy made of all answers.
struct Agreed {
    word: String,
    invalid: Option<u64>,
    took: Option<u64>,
}

impl LogLine {
    fn told(&self) -> Option<Told> {
        Some(match self.msg.as_str() {
            "validating interop access list" => Told::Start,
            "an interop validating backend has responded" => Told::Backend,
            "interop agreement outcome" => Told::Outcome,
            "interop access list validated successfully" => Told::End(Outcome::Accepted),
            "interop access list validation failed" => Told::End(Outcome::Refused),
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
        // As Go writes an error that is none.
        (!error.is_empty() && error != "<nil>").then_some(error)
    }

    fn backend(&self) -> Option<String> {
        let url = self.interop_filter_url.as_str();
        let url = url.or(self.supervisor_url.as_str())?;
        Some(cut(url, BACKEND))
    }
}

impl Joiner {
    /// Takes a line, and gives the samples that it completes. `now_ms` stands for the time
    /// of a line that tells none. `false`: the line is of something else.
    pub(super) fn take(
        &mut self,
        line: &LogLine,
        now: Instant,
        now_ms: u64,
        done: &mut Vec<Sample>,
    ) -> bool {
        let (Some(told), Some(id)) = (line.told(), line.id()) else {
            return false;
        };
        let at = line.micros();
        let or_now = at.unwrap_or(now_ms.saturating_mul(1000));
        match told {
            Told::Start => {
                // The proxy gave up before the end, and goes on with the next of a batch.
                if let Some(check) = self.open.remove(id) {
                    check.give_up(
                        "the next check of the same request began before this one had ended",
                        done,
                    );
                }
                let check = self.check(id, now, done);
                (check.tx, check.started, check.last) = (line.tx(), at, or_now);
            }
            Told::Backend => self.check(id, now, done).answered(line, at, or_now, done),
            Told::Outcome => {
                let check = self.check(id, now, done);
                check.last = or_now;
                check.outcome = Some(Agreed {
                    word: cut(line.outcome.as_str().unwrap_or_default(), 80),
                    invalid: line.invalid.as_u64().filter(|_| line.valid.is_u64()),
                    took: line.duration.as_u64().map(|nanos| nanos / 1000),
                });
            }
            Told::End(verdict) => {
                let check = self.check(id, now, done);
                check.tx = line.tx().or(check.tx);
                check.end(verdict, line.error(), at, or_now, done);
                check.ended = Some(now);
            }
        }
        true
    }

    /// What is due by the clock alone.
    pub(super) fn look(&mut self, now: Instant, done: &mut Vec<Sample>) {
        while let Some((id, number)) = self.order.front() {
            let current = self.open.get(id).filter(|check| check.number == *number);
            if current.is_some_and(|check| !check.is_over(now)) {
                // What stands behind it came later, and an ended one waits for it.
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

    /// The check of an id, a new one if there is none.
    fn check(&mut self, id: &str, now: Instant, done: &mut Vec<Sample>) -> &mut Check {
        if !self.open.contains_key(id) {
            // Bounds `open` with it: each of its checks is in the order.
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

    /// Lets the oldest go. `true`: its end was not seen.
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

    /// `None`: a time is not known, or the clock was set back.
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

    /// Its end will not come. `true`: it did not come before either.
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
        // Where all of them are of one kind, the proxy says of which.
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

    /// Whether an error refuses the transaction, or only tells that there is no answer: the
    /// proxy logs its text and not its number.
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
