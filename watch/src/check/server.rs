//! The check as a server, for the chains' own programs: JSON-RPC over HTTP.
//!
//! ```text
//! interop_checkAccessList     [entries, "unsafe", {"chainID", "timestamp", "timeout"?}]
//! supervisor_checkAccessList  the same of the generation before: "chainID" may be absent
//! ```
//!
//! If there is no verdict, the answer has a code after which callers ask again: 320400 if
//! no node answered, 321401 if the block may still come, 321100 if this check cannot know
//! at all.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_daemon::console::say;
use haltbox_daemon::exposition::{CONTENT_TYPE, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Checker, Question, Undecided, Verdict, shown};
use crate::access_list;
use crate::checks::written::Samples;
use crate::checks::{DECLARED, Named, Sample};
use crate::http::{self, Answers, Refusal, Reply, Request};
use crate::message::{ChainId, Place};
use crate::stages::{self, Board, OncePerMinute, Outcome, Stage};
use crate::validity::{Broken, Descriptor};
use haltbox_recorder::clock::now_ms;

/// Most calls in one batch.
const CALLS: usize = 1000;
/// Most blocks that the calls of one request may name.
const BLOCKS: usize = 512;

const PARSE: i64 = -32700;
const REQUEST: i64 = -32600;
const METHOD: i64 = -32601;
const PARAMS: i64 = -32602;
const UNINITIALIZED: i64 = -320_400;
const UNKNOWN_CHAIN: i64 = -320_501;
const CONFLICT: i64 = -320_600;
const OUT_OF_SCOPE: i64 = -321_100;
const FUTURE: i64 = -321_401;

/// Required safety of a block, in the words of either generation.
const TELLABLE: &str = "unsafe";
const OF_INTEROP: [&str; 1] = ["cross-unsafe"];
const OF_SUPERVISOR: [&str; 4] = ["cross-unsafe", "local-safe", "safe", "finalized"];

/// The error for a level that receipts cannot show.
pub(super) fn cannot_tell(level: &str) -> String {
    format!(
        "the light check reads only receipts and cannot check {level}: ask it for {TELLABLE}, or \
         ask an op-interop-filter for {level}"
    )
}

/// Whether an error code says that a message is invalid. -32602 does: it means that the
/// list is not one.
pub(super) fn is_verdict(code: i64) -> bool {
    matches!(code, CONFLICT | UNKNOWN_CHAIN | PARAMS)
}

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Serves until the process ends.
pub(super) fn serve(listener: &TcpListener, checker: Checker, samples: Option<Samples>) -> ! {
    let server = Server {
        samples,
        ..Server::new(checker)
    };
    http::serve(listener, Arc::new(server))
}

pub(super) struct Server {
    checker: Checker,
    board: Board,
    /// Limits the messages about missing verdicts.
    trouble: Mutex<OncePerMinute>,
    /// File for samples of the checks.
    samples: Option<Samples>,
}

/// The error of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    code: i64,
    message: String,
}

fn failure(code: i64, message: impl Into<String>) -> Failure {
    let message = message.into();
    Failure { code, message }
}

#[derive(Deserialize)]
struct Call {
    /// Absent if nobody waits for an answer.
    #[serde(default, deserialize_with = "given")]
    id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Option<Value>,
}

/// Reads an id. `"id": null` is an id, too.
fn given<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// A parsed call.
struct Taken {
    id: Option<Value>,
    asked: Result<Question, Failure>,
    is_check: bool,
}

impl Server {
    pub(super) fn new(checker: Checker) -> Server {
        Server {
            checker,
            board: Board::default(),
            trouble: Mutex::default(),
            samples: None,
        }
    }

    fn call(&self, request: &Request) -> Reply {
        let named = request.stage.as_deref();
        let named = named.unwrap_or(request.path.trim_start_matches('/'));
        let stage = match named {
            "" => Ok(Stage::Proxyd),
            named => named.parse(),
        };
        match stage {
            Ok(stage) => self.calls(stage, &request.body),
            Err(error) => one(
                "404 Not Found",
                &failed(None, &failure(REQUEST, error.to_string())),
            ),
        }
    }

    fn calls(&self, stage: Stage, body: &[u8]) -> Reply {
        let begun = Instant::now();
        let (calls, is_batch) = match calls(body) {
            Ok(calls) => calls,
            Err(error) => return one("200 OK", &failed(None, &error)),
        };
        let mut taken: Vec<Taken> = calls.into_iter().map(take).collect();
        bound(&mut taken);
        let results = self.results(&taken);
        let took = begun.elapsed();
        let mut answers = Vec::new();
        for (taken, result) in taken.into_iter().zip(results) {
            if taken.is_check {
                let alarm = self.board.count(stage, outcome(&result), Some(took));
                alarm
                    .iter()
                    .for_each(|alarm| say(&format!("ALARM: {alarm}")));
                if let Some(samples) = &self.samples {
                    samples.put(sample(stage, &taken, &result, took));
                }
            }
            if let Some(id) = taken.id {
                answers.push(match result {
                    Ok(()) => json!({"jsonrpc": "2.0", "id": id, "result": null}),
                    Err(error) => failed(Some(id), &error),
                });
            }
        }
        match (is_batch, answers.pop()) {
            // Nobody waits for an answer.
            (_, None) => reply("200 OK", JSON, String::new()),
            (false, Some(answer)) => one("200 OK", &answer),
            (true, Some(last)) => {
                answers.push(last);
                one("200 OK", &Value::Array(answers))
            }
        }
    }

    fn metrics(&self) -> String {
        let mut page = stages::exposed("haltbox_check", &[(String::new(), &self.board)]);
        if let Some(samples) = &self.samples {
            let name = "haltbox_check_samples_lost_total";
            let help = "Checks that could not be written to the --samples file.";
            page.head(name, Kind::Counter, help);
            page.sample(name, "", samples.lost());
        }
        page.to_string()
    }

    /// The results of all calls of a request. They share their look-ups.
    fn results(&self, taken: &[Taken]) -> Vec<Result<(), Failure>> {
        let asked = taken.iter().filter_map(|taken| taken.asked.as_ref().ok());
        let questions: Vec<Question> = asked.cloned().collect();
        let mut verdicts = questions.iter().zip(self.checker.check(&questions));
        let result = |taken: &Taken| match &taken.asked {
            Err(error) => Err(error.clone()),
            Ok(_) => verdicts.next().map_or_else(
                || Err(failure(UNINITIALIZED, "no verdict was reached")),
                |(question, verdicts)| self.decided(question, &verdicts),
            ),
        };
        taken.iter().map(result).collect()
    }
}

impl Server {
    /// The result of a call: the verdict that decides, with its declaration.
    fn decided(&self, question: &Question, verdicts: &[Verdict]) -> Result<(), Failure> {
        let worst = Verdict::of_all(verdicts);
        let code = match worst {
            Verdict::Accepted => return Ok(()),
            Verdict::Refused(Broken::UnknownChain(_)) => UNKNOWN_CHAIN,
            Verdict::Refused(_) => CONFLICT,
            Verdict::Undecided(Undecided::Ahead { .. }) => FUTURE,
            Verdict::Undecided(Undecided::Untold(_)) => UNINITIALIZED,
        };
        let at = verdicts.iter().position(|verdict| verdict == worst);
        let declared = at.and_then(|at| question.declared.get(at));
        let place = declared.map_or_else(String::new, |declared| shown(&declared.place));
        let what = match worst {
            Verdict::Undecided(Undecided::Untold(why)) => self.untold(&place, why),
            otherwise => otherwise.what().unwrap_or_default(),
        };
        Err(failure(code, format!("{place}: {what}")))
    }

    /// Only the operator sees which node failed, and how: the caller may be anyone.
    fn untold(&self, place: &str, why: &str) -> String {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_due(Instant::now()) {
            say(&format!("a check has no verdict: {place}: {why}"));
        }
        "no node answered; try again".to_owned()
    }
}

impl Answers for Server {
    fn answer(&self, request: &Request) -> Reply {
        match (request.is_get, request.path.as_str()) {
            (false, _) => self.call(request),
            (true, "/metrics") => reply("200 OK", CONTENT_TYPE, self.metrics()),
            (true, _) => {
                let text = "metrics are at /metrics; send checks by POST\n";
                reply("404 Not Found", PLAIN, text.to_owned())
            }
        }
    }

    fn refuse(&self, refusal: Refusal) -> Reply {
        let code = match refusal {
            Refusal::Busy => UNINITIALIZED,
            _ => REQUEST,
        };
        one("", &failed(None, &failure(code, refusal.what())))
    }
}

fn reply(status: &'static str, kind: &'static str, body: String) -> Reply {
    Reply { status, kind, body }
}

fn one(status: &'static str, answer: &Value) -> Reply {
    reply(status, JSON, answer.to_string())
}

fn failed(id: Option<Value>, error: &Failure) -> Value {
    let Failure { code, message } = error;
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// The calls of a body, each parsed or an error, and whether it is a batch.
type Calls = (Vec<Result<Call, Failure>>, bool);

fn calls(body: &[u8]) -> Result<Calls, Failure> {
    let no_json = |error| failure(PARSE, format!("the body is not JSON: {error}"));
    let whole: &RawValue = serde_json::from_slice(body).map_err(no_json)?;
    if !whole.get().starts_with('[') {
        return Ok((vec![read(whole)], false));
    }
    let all: Vec<&RawValue> = serde_json::from_str(whole.get()).map_err(no_json)?;
    match all.len() {
        0 => Err(failure(REQUEST, "the batch is empty")),
        1..=CALLS => Ok((all.into_iter().map(read).collect(), true)),
        found => {
            let message = format!("the batch has {found} calls: at most {CALLS} are allowed");
            Err(failure(REQUEST, message))
        }
    }
}

fn read(call: &RawValue) -> Result<Call, Failure> {
    let no_call = |error| failure(REQUEST, format!("not a JSON-RPC call: {error}"));
    serde_json::from_str(call.get()).map_err(no_call)
}

fn take(call: Result<Call, Failure>) -> Taken {
    let call = match call {
        Ok(call) => call,
        // The id is unknown: null says so.
        Err(error) => {
            return Taken {
                id: Some(Value::Null),
                asked: Err(error),
                is_check: false,
            };
        }
    };
    let asked = match call.method.as_str() {
        "interop_checkAccessList" => question(call.params, true),
        "supervisor_checkAccessList" => question(call.params, false),
        other => {
            let other: String = other.chars().take(80).collect();
            Err(failure(
                METHOD,
                format!("the method {other:?} does not exist; interop_checkAccessList does"),
            ))
        }
    };
    Taken {
        id: call.id,
        is_check: asked
            .as_ref()
            .err()
            .is_none_or(|error| error.code != METHOD),
        asked,
    }
}

/// Limits the number of blocks that all calls of a request together may name.
fn bound(taken: &mut [Taken]) {
    let mut blocks: HashSet<(ChainId, u64)> = HashSet::new();
    for taken in taken {
        let Ok(question) = &taken.asked else {
            continue;
        };
        let places = question.declared.iter().map(|declared| declared.place);
        blocks.extend(places.map(|Place { chain, block, .. }| (chain, block)));
        if blocks.len() > BLOCKS {
            let message = format!(
                "the calls of this request name more than {BLOCKS} blocks: split it into several \
                 requests"
            );
            taken.asked = Err(failure(OUT_OF_SCOPE, message));
        }
    }
}

fn question(params: Option<Value>, is_interop: bool) -> Result<Question, Failure> {
    let Some(Value::Array(params)) = params else {
        return Err(failure(
            PARAMS,
            "expected params: [entries, level, descriptor]",
        ));
    };
    let [entries, level, descriptor] = <[Value; 3]>::try_from(params).map_err(|params| {
        let found = params.len();
        let message = format!("expected 3 params (entries, level, descriptor), found {found}");
        failure(PARAMS, message)
    })?;
    let entries: Vec<B256> = serde_json::from_value(entries)
        .map_err(|error| failure(PARAMS, format!("entries of the access list: {error}")))?;
    let declared =
        access_list::read(&entries).map_err(|error| failure(PARAMS, error.to_string()))?;
    let descriptor = read_descriptor(descriptor, is_interop)?;
    is_tellable(&level, is_interop)?;
    Ok(Question {
        declared,
        descriptor,
    })
}

fn is_tellable(level: &Value, is_interop: bool) -> Result<(), Failure> {
    let level = level.as_str().unwrap_or_default();
    let known: &[&str] = match is_interop {
        true => &OF_INTEROP,
        false => &OF_SUPERVISOR,
    };
    match level {
        TELLABLE => Ok(()),
        level if known.contains(&level) => Err(failure(OUT_OF_SCOPE, cannot_tell(level))),
        _ => {
            let known = known.join(", ");
            let message = format!("expected a safety level: {TELLABLE}, {known}");
            Err(failure(PARAMS, message))
        }
    }
}

#[derive(Deserialize)]
struct RawDescriptor {
    #[serde(rename = "chainID")]
    chain_id: Option<String>,
    timestamp: Quantity,
    #[serde(default)]
    timeout: Option<Quantity>,
}

/// A number as text, `"0x64"`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Quantity(u64);

/// A text that is no number.
#[derive(Debug, Error)]
#[error("expected a number such as \"0x64\", found {0:?}")]
struct NoQuantity(String);

impl TryFrom<String> for Quantity {
    type Error = NoQuantity;

    fn try_from(text: String) -> Result<Quantity, NoQuantity> {
        let digits = text.strip_prefix("0x");
        let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let signed = digits.is_some_and(|digits| digits.starts_with('+'));
        let number = number.filter(|_| !signed).map(Quantity);
        number.ok_or(NoQuantity(text))
    }
}

fn read_descriptor(descriptor: Value, is_interop: bool) -> Result<Descriptor, Failure> {
    let raw: RawDescriptor = serde_json::from_value(descriptor)
        .map_err(|error| failure(PARAMS, format!("the executing descriptor: {error}")))?;
    let chain = raw.chain_id.map(|name| {
        let message = format!("expected a chainID such as \"902\" or \"0x386\", found {name:?}");
        name.parse().map_err(|_| failure(PARAMS, message))
    });
    let chain: Option<ChainId> = chain.transpose()?;
    if chain.is_none() && is_interop {
        let message = "the executing descriptor names no chain: expected \"chainID\"";
        return Err(failure(UNKNOWN_CHAIN, message));
    }
    Ok(Descriptor {
        chain,
        timestamp: raw.timestamp.0,
        timeout: raw.timeout.map_or(0, |timeout| timeout.0),
    })
}

fn sample(stage: Stage, taken: &Taken, result: &Result<(), Failure>, took: Duration) -> Sample {
    let asked = taken.asked.as_ref().ok();
    let declared = asked.into_iter().flat_map(|asked| &asked.declared);
    let chain = asked.and_then(|asked| asked.descriptor.chain);
    Sample {
        stage,
        backend: None,
        part: false,
        chain: chain.map(|chain| chain.to_string()),
        tx: None,
        declares: declared.take(DECLARED).map(Named::from).collect(),
        verdict: outcome(result),
        error: result.as_ref().err().map(|error| error.message.clone()),
        took_us: u64::try_from(took.as_micros()).ok(),
        at: now_ms(),
    }
}

fn outcome(result: &Result<(), Failure>) -> Outcome {
    match result.as_ref().err().map(|error| error.code) {
        None => Outcome::Accepted,
        Some(CONFLICT | UNKNOWN_CHAIN) => Outcome::Refused,
        Some(UNINITIALIZED | FUTURE | OUT_OF_SCOPE) => Outcome::Undecided,
        Some(_) => Outcome::Malformed,
    }
}

#[cfg(test)]
mod tests;
