//! JSON-RPC over HTTP, one batch at a time, with bounds on time and size.

use std::fmt;
use std::time::Duration;

use haltbox_daemon::rpc::Endpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

/// Timeout of a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Timeout of the head of an answer.
const HEAD: Duration = Duration::from_secs(4);
/// Timeout of a whole answer.
const WHOLE: Duration = Duration::from_secs(10);
/// Largest answer that is read: a full block with its receipts.
const LARGEST: u64 = 128 << 20;
/// Most characters shown of foreign text.
const SHOWN: usize = 500;

/// One call of a batch.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: &'static str,
    /// Its parameters, by position.
    pub params: Vec<Value>,
}

impl Call {
    /// A call.
    pub fn new(method: &'static str, params: impl Into<Vec<Value>>) -> Call {
        Call {
            method,
            params: params.into(),
        }
    }
}

/// Reasons why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The endpoint was not reached, or its response is not an answer.
    #[error("{0}")]
    Unreached(String),
    /// The endpoint answered with an error.
    #[error("error {code}: {message}")]
    Refused {
        /// The error code.
        code: i64,
        /// The error message.
        message: String,
    },
    /// The result has another shape than the method promises.
    #[error("unexpected answer: {0}")]
    Shape(String),
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: usize,
    method: &'static str,
    params: &'a [Value],
}

#[derive(Deserialize)]
struct Response {
    id: Option<usize>,
    result: Option<Box<RawValue>>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    data: Option<Box<RawValue>>,
}

impl Refusal {
    /// The message, with the error's data.
    fn words(&self) -> String {
        match &self.data {
            Some(data) => shown(&format!("{} {data}", self.message)),
            None => shown(&self.message),
        }
    }
}

/// The outcome of one call of a batch. A result is raw JSON.
pub type CallResult = Result<Box<RawValue>, Trouble>;

/// One endpoint.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    endpoint: Endpoint,
}

impl Client {
    /// A client for an endpoint. This makes no request.
    pub fn new(endpoint: Endpoint) -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(WHOLE))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(HEAD))
            .max_redirects(3)
            // An error may come with an HTTP status, and a body that explains it.
            .http_status_as_error(false)
            // Requests to a node beside the watcher do not go through a proxy.
            .proxy(None)
            .user_agent(concat!("haltbox/", env!("CARGO_PKG_VERSION")))
            .build();
        Client {
            agent: config.new_agent(),
            endpoint,
        }
    }

    /// The endpoint; it displays without its secrets.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Makes one call.
    ///
    /// # Errors
    /// [`Trouble`].
    pub fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, Trouble> {
        let told = self.batch(&[call])?;
        read(told.into_iter().next().unwrap_or_else(|| Err(missing())))
    }

    /// Makes many calls in one request. Returns the outcomes in the order of the calls.
    ///
    /// # Errors
    /// [`Trouble::Unreached`] if there is no answer at all.
    pub fn batch(&self, calls: &[Call]) -> Result<Vec<CallResult>, Trouble> {
        let requests = calls.iter().enumerate().map(|(id, call)| Request {
            jsonrpc: "2.0",
            id,
            method: call.method,
            params: &call.params,
        });
        let requests: Vec<Request<'_>> = requests.collect();
        let body = serde_json::to_vec(&requests).map_err(|error| unreached(&error))?;
        let (status, answer) = self.post(&body).map_err(|error| unreached(&error))?;
        let responses = responses(&answer).map_err(|error| {
            unreached(&format!("status {status}, not a JSON-RPC answer: {error}"))
        })?;
        in_order(responses, calls.len())
    }

    fn post(&self, body: &[u8]) -> Result<(u16, Vec<u8>), ureq::Error> {
        let request = self.agent.post(self.endpoint.url());
        let mut request = request.header("Content-Type", "application/json");
        if let Some(authorization) = self.endpoint.authorization() {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.send(body)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(LARGEST);
        Ok((status, body.read_to_vec()?))
    }
}

/// Parses a result.
///
/// # Errors
/// [`Trouble`].
pub fn read<T: DeserializeOwned>(told: CallResult) -> Result<T, Trouble> {
    serde_json::from_str(told?.get()).map_err(|error| Trouble::Shape(shown(&error.to_string())))
}

/// Parses the responses. An endpoint that rejects a whole batch answers with one object.
fn responses(answer: &[u8]) -> serde_json::Result<Vec<Response>> {
    serde_json::from_slice(answer).or_else(|error| match serde_json::from_slice(answer) {
        Ok(one) => Ok(vec![one]),
        Err(_) => Err(error),
    })
}

/// Sorts the responses by the calls. Endpoints answer in any order, and may leave some
/// out.
fn in_order(responses: Vec<Response>, calls: usize) -> Result<Vec<CallResult>, Trouble> {
    let mut told: Vec<CallResult> = (0..calls).map(|_| Err(missing())).collect();
    for response in responses {
        let one = match (response.result, response.error) {
            (_, Some(error)) => Err(Trouble::Refused {
                code: error.code,
                message: error.words(),
            }),
            (Some(result), None) => Ok(result),
            // `"result": null` is read as no result.
            (None, None) => RawValue::from_string("null".to_owned())
                .map_err(|error| Trouble::Shape(error.to_string())),
        };
        match (response.id, one) {
            (Some(id), one) => {
                if let Some(place) = told.get_mut(id) {
                    *place = one;
                }
            }
            (None, Err(refused)) => return Ok(vec![Err(refused); calls]),
            (None, Ok(_)) => {}
        }
    }
    Ok(told)
}

fn missing() -> Trouble {
    Trouble::Unreached("the endpoint did not answer this call".to_owned())
}

fn unreached(why: &dyn fmt::Display) -> Trouble {
    Trouble::Unreached(shown(&why.to_string()))
}

/// Foreign text as one short line.
fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(SHOWN).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str, calls: usize) -> Vec<Result<u64, Trouble>> {
        let told = in_order(responses(answer.as_bytes()).unwrap(), calls).unwrap();
        told.into_iter().map(read).collect()
    }

    #[test]
    fn answers_are_given_in_the_order_of_the_calls() {
        let answer = r#"[{"jsonrpc":"2.0","id":1,"result":7},
                         {"id":0,"error":{"code":-32000,"message":"header not found"}}]"#;
        let [first, second, third] = &told(answer, 3)[..] else {
            panic!("three calls");
        };
        let refused = |code, message: &str| Trouble::Refused {
            code,
            message: message.to_owned(),
        };
        assert_eq!(*first, Err(refused(-32000, "header not found")));
        assert_eq!(*second, Ok(7));
        assert_eq!(*third, Err(missing()));
        let refusal =
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no\nbatches"}}"#;
        assert_eq!(
            told(refusal, 2),
            vec![Err(refused(-32600, "no batches")); 2]
        );
        let other = told(r#"[{"id":0,"result":"x"}]"#, 1);
        assert!(matches!(other[..], [Err(Trouble::Shape(_))]), "{other:?}");
    }

    #[test]
    fn null_is_a_result() {
        let told = in_order(responses(br#"[{"id":0,"result":null}]"#).unwrap(), 1).unwrap();
        let told: Vec<Option<u64>> = told.into_iter().map(|one| read(one).unwrap()).collect();
        assert_eq!(told, [None]);
    }
}
