//! Measures checks: one declaration at a time against all at once, and this check against
//! another endpoint that answers the same question from an index.

use std::time::{Duration, Instant};

use haltbox_daemon::rpc::Endpoint;
use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Checker, Question, Verdict};
use crate::rpc::{Call, Client, Trouble};

/// Longest measured time, in microseconds.
const LONGEST: u64 = 60_000_000;

/// Another endpoint, and the name of its method.
#[derive(Clone, Debug)]
pub(super) struct Indexed {
    pub(super) endpoint: Endpoint,
    pub(super) method: &'static str,
}

/// Times of one way to check.
#[derive(Serialize)]
pub(super) struct Row {
    of: &'static str,
    requests: u64,
    /// Declarations in one request.
    declarations: usize,
    accepted: u64,
    refused: u64,
    undecided: u64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// The outcome of a request.
enum Outcome {
    Accepted,
    Refused,
    Undecided,
}

impl Outcome {
    fn of(verdicts: &[Vec<Verdict>]) -> Outcome {
        match Verdict::of_all(verdicts.iter().flatten()) {
            Verdict::Accepted => Outcome::Accepted,
            Verdict::Refused(_) => Outcome::Refused,
            Verdict::Undecided(_) => Outcome::Undecided,
        }
    }
}

/// Reasons why nothing can be measured.
#[derive(Debug, Error)]
pub(super) enum BenchError {
    #[error("nothing to measure: the access list declares no message")]
    Nothing,
    #[error(transparent)]
    Histogram(#[from] CreationError),
}

/// Runs each way for a share of the time: one declaration after another, and all of them
/// in one request.
///
/// # Errors
/// [`BenchError`].
pub(super) fn run(
    checker: &Checker,
    question: &Question,
    indexed: Option<&Indexed>,
    time: Duration,
) -> Result<Vec<Row>, BenchError> {
    let single = |declared: &_| Question {
        declared: vec![*declared],
        descriptor: question.descriptor,
    };
    let singles: Vec<Question> = question.declared.iter().map(single).collect();
    if singles.is_empty() {
        return Err(BenchError::Nothing);
    }
    let share = time / if indexed.is_some() { 4 } else { 2 };
    let light = |questions: &[Question]| Outcome::of(&checker.check(questions));
    let mut rows = vec![
        measure("light", singles.chunks(1), share, light)?,
        measure(
            "light-batch",
            [singles.as_slice()].into_iter(),
            share,
            light,
        )?,
    ];
    if let Some(indexed) = indexed {
        let client = Client::new(indexed.endpoint.clone());
        let ask = |questions: &[Question]| ask(&client, indexed.method, questions);
        rows.push(measure("indexed", singles.chunks(1), share, ask)?);
        let all = [singles.as_slice()].into_iter();
        rows.push(measure("indexed-batch", all, share, ask)?);
    }
    Ok(rows)
}

fn measure<'a>(
    of: &'static str,
    requests: impl Iterator<Item = &'a [Question]> + Clone,
    time: Duration,
    ask: impl Fn(&[Question]) -> Outcome,
) -> Result<Row, BenchError> {
    let mut times = Histogram::<u64>::new_with_bounds(1, LONGEST, 3)?;
    let (mut counts, mut declarations) = ([0; 3], 0);
    let end = Instant::now() + time;
    for questions in requests.cycle() {
        declarations = questions.len();
        let begun = Instant::now();
        counts[ask(questions) as usize] += 1;
        let took = begun.elapsed();
        times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if Instant::now() >= end {
            break;
        }
    }
    let [accepted, refused, undecided] = counts;
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Row {
        of,
        requests: times.len(),
        declarations,
        accepted,
        refused,
        undecided,
        p50_ms: ms(0.5),
        p90_ms: ms(0.9),
        p99_ms: ms(0.99),
        max_ms: ms(1.0),
    })
}

/// Asks the other endpoint. An error is a refusal only if its code is known to be a
/// verdict.
fn ask(client: &Client, method: &'static str, questions: &[Question]) -> Outcome {
    let calls = questions.iter().map(|question| call(method, question));
    let calls: Vec<Call> = calls.collect();
    let Ok(told) = client.batch(&calls) else {
        return Outcome::Undecided;
    };
    let mut outcome = Outcome::Accepted;
    for told in told {
        match told {
            Ok(_) => {}
            Err(Trouble::Refused { code, .. }) if super::server::is_verdict(code) => {
                return Outcome::Refused;
            }
            Err(_) => outcome = Outcome::Undecided,
        }
    }
    outcome
}

fn call(method: &'static str, question: &Question) -> Call {
    let entries: Vec<_> = question
        .declared
        .iter()
        .flat_map(|one| one.entries())
        .collect();
    let hex = |number: u64| format!("{number:#x}");
    let descriptor = question.descriptor;
    let mut told =
        json!({"timestamp": hex(descriptor.timestamp), "timeout": hex(descriptor.timeout)});
    if let Some(chain) = descriptor.chain {
        told["chainID"] = Value::from(chain.to_string());
    }
    Call::new(method, [json!(entries), json!("unsafe"), told])
}

/// The table for people.
pub(super) fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "way            declared  requests  accepted  refused  undecided    p50 ms    p90 ms    p99 ms    max ms\n",
    );
    for row in rows {
        text += &format!(
            "{:<13}  {:>8}  {:>8}  {:>8}  {:>7}  {:>9}  {:>8.2}  {:>8.2}  {:>8.2}  {:>8.2}\n",
            row.of,
            row.declarations,
            row.requests,
            row.accepted,
            row.refused,
            row.undecided,
            row.p50_ms,
            row.p90_ms,
            row.p99_ms,
            row.max_ms
        );
    }
    text
}
