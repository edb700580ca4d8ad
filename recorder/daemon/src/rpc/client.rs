//! Asks one node over HTTP, within limits of time and size.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use thiserror::Error;
use ureq::http::Uri;
use ureq::http::uri::Authority;

use super::answers::{self, Answer};

/// Longest wait for a connection, and for the head of an answer.
const CONNECT: Duration = Duration::from_secs(2);
/// Longest wait for a whole answer.
const WHOLE: Duration = Duration::from_secs(5);
/// Most bytes of an answer to [`CONSENSUS_STATE`], which contains a block ...
const LARGEST: u64 = 8 << 20;
/// ... and of any other answer. Every peer may send one at the same time.
const LARGE: u64 = 1 << 20;
/// The call whose answer contains a block.
pub(super) const CONSENSUS_STATE: &str = "dump_consensus_state";
/// CometBFT closes a connection after 10 s without a request. This is shorter.
const IDLE: Duration = Duration::from_secs(8);
/// Length from which a part of a path may be a key. Shorter parts are names,
/// and can be anywhere in a text.
const KEY: usize = 12;
/// Most characters shown of foreign text.
const SHOWN: usize = 160;

/// Address of a node's RPC. Its text has neither credentials nor the path,
/// which can contain a key.
#[derive(Clone)]
pub struct Endpoint {
    base: String,
    shown: String,
    authorization: Option<String>,
}

impl Endpoint {
    /// Whether both have the same address.
    pub(super) fn is_at(&self, other: &Endpoint) -> bool {
        self.base.eq_ignore_ascii_case(&other.base)
    }

    /// The URL. Never show it, because its path can contain a key.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Replaces the parts of the path that may be keys in a text.
    fn hide(&self, mut text: Vec<u8>) -> Vec<u8> {
        let path = self.base.strip_prefix(&self.shown).unwrap_or_default();
        for key in path.split('/').filter(|part| part.len() >= KEY) {
            let places: Vec<usize> = memchr::memmem::find_iter(&text, key).collect();
            for at in places {
                text[at..at + key.len()].fill(b'*');
            }
        }
        text
    }

    /// The value of the header `Authorization`, if the URL had credentials.
    /// Never show it.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// As `Display`, so that no debug output has the secrets.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// What an endpoint looks like.
const EXPECTED: &str = "expected http://HOST:PORT, https://HOST or tcp://HOST:PORT";

/// Reasons why a URL is no endpoint. None shows what is secret of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It has no scheme.
    #[error("the URL has no scheme; {EXPECTED}")]
    NoScheme,
    /// Its scheme is none that is spoken.
    #[error("the scheme {0:?} is not known; {EXPECTED}")]
    Scheme(String),
    /// It has a query or a fragment.
    #[error("the URL has a query or a fragment; {EXPECTED}")]
    Query,
    /// It has no host, or a port that is none.
    #[error("{0:?} names no host and port; {EXPECTED}")]
    NoPlace(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Endpoint, EndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(EndpointError::NoScheme)?;
        let scheme = match scheme {
            // CometBFT's own configuration has `tcp` in rpc.laddr.
            "http" | "tcp" => "http",
            "https" => "https",
            other => return Err(EndpointError::Scheme(other.to_owned())),
        };
        if rest.contains(['?', '#']) {
            return Err(EndpointError::Query);
        }
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, host) = match place.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, place),
        };
        let shown = format!("{scheme}://{host}");
        let base = format!("{shown}/{path}");
        let base = base.trim_end_matches('/').to_owned();
        let parsed: Result<Uri, _> = base.parse();
        let authority = parsed.ok().and_then(|uri| uri.into_parts().authority);
        let named = authority.is_some_and(|named| !named.host().is_empty() && is_port(&named));
        if host.is_empty() || !named {
            return Err(EndpointError::NoPlace(shown));
        }
        let authorization = credentials.map(|pair| format!("Basic {}", STANDARD.encode(pair)));
        Ok(Endpoint {
            base,
            shown,
            authorization,
        })
    }
}

/// Whether the host is followed by a port, or by nothing.
fn is_port(authority: &Authority) -> bool {
    let behind = authority.as_str().strip_prefix(authority.host());
    behind.is_some_and(|text| text.is_empty() || authority.port_u16().is_some())
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The node was not reached, or its answer is not understood.
    NoAnswer(String),
    /// The node refused: it does not have the height, or no longer.
    Refused,
}

/// Why a call has no body to keep.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum CallError {
    /// The text alone, without the secrets of the URL: the library's error has them.
    #[error("{0}")]
    NoAnswer(String),
    #[error("status {status}, {bytes} bytes that are not JSON")]
    NoJson { status: u16, bytes: usize },
}

/// An HTTP client for one node.
pub(crate) struct Client {
    agent: ureq::Agent,
    endpoint: Endpoint,
}

impl Client {
    pub(super) fn new(endpoint: Endpoint) -> Client {
        Client::of(endpoint, WHOLE, CONNECT, 3)
    }

    /// A client that waits `whole` for an answer and `head` for its head. It
    /// follows no redirects: the answers are kept and shown to others, so
    /// nobody may send it to another server.
    pub(crate) fn patient(endpoint: Endpoint, whole: Duration, head: Duration) -> Client {
        Client::of(endpoint, whole, head, 0)
    }

    fn of(endpoint: Endpoint, whole: Duration, head: Duration, redirects: u32) -> Client {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(whole))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(head))
            .max_idle_age(IDLE)
            .max_redirects(redirects)
            // The node's own errors have status 500, and a body that says what
            // is wrong.
            .http_status_as_error(false)
            // Do not ask a node beside the recorder through a proxy.
            .proxy(None)
            .user_agent(concat!("haltbox/", env!("CARGO_PKG_VERSION")))
            .build();
        Client {
            agent: config.new_agent(),
            endpoint,
        }
    }

    /// Asks. `call` is a path with its arguments.
    pub(super) fn get<T: DeserializeOwned>(&self, call: &str) -> Result<T, Trouble> {
        let (status, body) = self.fetch(call).map_err(|error| no_answer(call, &error))?;
        match answers::parse(&body) {
            Ok(Answer::Result(told)) => Ok(told),
            Ok(Answer::Refused) => Err(Trouble::Refused),
            Err(error) => {
                let why = format!("status {status}, not a CometBFT answer: {error}");
                Err(no_answer(call, &why))
            }
        }
    }

    /// The body of an answer as it came, but without the secrets of the URL. At
    /// most `limit` bytes, and only JSON.
    pub(crate) fn raw(&self, call: &str, limit: u64) -> Result<Vec<u8>, CallError> {
        let answer = self.fetch_within(call, limit);
        let (status, body) = answer.map_err(|error| {
            let error = self.endpoint.hide(error.to_string().into_bytes());
            CallError::NoAnswer(shown(&String::from_utf8_lossy(&error)))
        })?;
        match serde_json::from_slice::<&RawValue>(&body) {
            Ok(_) => Ok(self.endpoint.hide(body)),
            Err(_) => Err(CallError::NoJson {
                status,
                bytes: body.len(),
            }),
        }
    }

    fn fetch(&self, call: &str) -> Result<(u16, Vec<u8>), ureq::Error> {
        let limit = match call {
            CONSENSUS_STATE => LARGEST,
            _ => LARGE,
        };
        self.fetch_within(call, limit)
    }

    fn fetch_within(&self, call: &str, limit: u64) -> Result<(u16, Vec<u8>), ureq::Error> {
        let mut request = self.agent.get(format!("{}/{call}", self.endpoint.base));
        if let Some(authorization) = &self.endpoint.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.call()?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(limit);
        Ok((status, body.read_to_vec()?))
    }
}

fn no_answer(call: &str, why: &dyn fmt::Display) -> Trouble {
    let call = call.split('?').next().unwrap_or(call);
    Trouble::NoAnswer(shown(&format!("/{call}: {why}")))
}

/// Foreign text as one short line.
pub(crate) fn shown(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(SHOWN).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_without_what_is_secret() {
        let rows = [
            (
                "tcp://127.0.0.1:26657",
                "http://127.0.0.1:26657",
                "http://127.0.0.1:26657",
            ),
            (
                "http://node:26657/",
                "http://node:26657",
                "http://node:26657",
            ),
            (
                "http://[::1]:26657",
                "http://[::1]:26657",
                "http://[::1]:26657",
            ),
            (
                "https://a:b@rpc.example/KEY/",
                "https://rpc.example/KEY",
                "https://rpc.example",
            ),
        ];
        for (text, base, shown) in rows {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(
                (endpoint.base.as_str(), endpoint.to_string().as_str()),
                (base, shown)
            );
        }
        let keyed: Endpoint = "https://h/rpc/0123456789abcdef".parse().unwrap();
        assert_eq!(
            keyed.hide(b"no /rpc/0123456789abcdef/status".to_vec()),
            b"no /rpc/****************/status"
        );
        let secret: Endpoint = "http://a:b@h:1".parse().unwrap();
        assert_eq!(secret.authorization.as_deref(), Some("Basic YTpi"));
        assert_eq!(format!("{secret:?}"), "Endpoint(http://h:1)");
        for (text, word) in [
            ("127.0.0.1:26657", "no scheme"),
            ("unix:///tmp/x", "\"unix\" is not known"),
            ("http://", "names no host"),
            ("http://:26657", "names no host"),
            ("http://a b:1", "names no host"),
            ("http://host:port", "names no host"),
            ("https://rpc.example/?key=1", "a query"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(
                error.contains(word) && error.contains("expected http://"),
                "{text}: {error}"
            );
        }
    }
}
