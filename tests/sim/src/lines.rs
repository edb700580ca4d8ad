//! The entries that the simulated host writes, and what each means, as docs/embedding.md tells.

use crate::random::Random;

/// What an entry means to a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing but itself.
    Plain,
    /// The process began.
    Start,
    /// A block begins.
    Begin(u64),
    /// A block ends.
    End(u64, Option<Vec<u8>>),
    /// A block's state is durable.
    Commit(u64, Option<Vec<u8>>),
    /// An execution is thrown away.
    Abort(u64),
}

/// Bytes as hex, in capitals where that is asked for.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn app_hash_member(app_hash: Option<&[u8]>) -> String {
    let hex = |hash: &[u8]| hex(hash).to_uppercase();
    app_hash.map_or(String::new(), |hash| {
        format!(r#","appHash":"{}""#, hex(hash))
    })
}

/// What `begin_block` writes. `time_ns` is not negative.
pub fn begin(height: u64, time_ns: i64) -> Vec<u8> {
    let (seconds, rest) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
    format!(r#"{{"type":"begin-block","height":{height},"time":"{seconds}.{rest:09}"}}"#).into()
}

/// What `end_block` writes.
pub fn end(height: u64, app_hash: Option<&[u8]>) -> Vec<u8> {
    let hash = app_hash_member(app_hash);
    format!(r#"{{"type":"end-block","height":{height}{hash}}}"#).into()
}

/// What `commit` writes.
pub fn commit(height: u64, app_hash: Option<&[u8]>) -> Vec<u8> {
    let hash = app_hash_member(app_hash);
    format!(r#"{{"type":"commit-block","height":{height}{hash}}}"#).into()
}

/// What `abort` writes.
pub fn abort(height: u64) -> Vec<u8> {
    format!(r#"{{"type":"abort-block","height":{height}}}"#).into()
}

/// What `crank` writes.
pub fn crank(number: u64, hash: [u8; 32], activity: [u8; 32]) -> Vec<u8> {
    let (hash, activity) = (hex(&hash), hex(&activity));
    format!(
        r#"{{"type":"crank","crank":{number},"crankhash":"{hash}","activityhash":"{activity}"}}"#
    )
    .into()
}

/// What opening writes.
pub fn start() -> Vec<u8> {
    let (pid, version) = (std::process::id(), env!("CARGO_PKG_VERSION"));
    format!(r#"{{"type":"host-start","pid":{pid},"haltbox":"{version}"}}"#).into()
}

/// Members of an entry, some of which are no part of what honest nodes have in common.
const TAILS: [&str; 6] = [
    "",
    r#","local":{"at":1.5,"who":"a"}"#,
    r#","op":7,"store":"bank","key":"00ff","value":null"#,
    r#","local":[1,{"x":"}\\\""}],"code":0"#,
    r#","text":"a \"quoted\" \\ and } { ] \u001b word","op":3"#,
    r#","nested":{"local":1,"op":[2,3]},"appHash":"AB""#,
];

/// An entry of the main lane that marks nothing; `serial` makes it unlike all others.
pub fn entry(random: &mut Random, serial: u64, size: usize) -> Vec<u8> {
    let name = random.pick(&[
        "tx-begin",
        "tx-input",
        "tx-result",
        "op-write",
        "op-delete",
        "op-read",
        "op-has",
        "op-iterate",
        "step-set",
        "step-own",
        "branch",
        "note",
        "commit-other",
    ]);
    let tail = random.pick(&TAILS);
    let head = match random.below(24) {
        0 => format!(r#"{{"n":{serial},"type":"{name}"{tail}"#),
        1 => format!(r#"{{ "type" : "{name}" , "n" : {serial} {tail}"#),
        2 => format!(r#"no entry at all {serial}, "type":"{name}""#),
        3 => format!(r#"{{"type":"{name}","n":{serial},"cut" "#),
        _ => format!(r#"{{"type":"{name}","n":{serial}{tail}"#),
    };
    padded(head, size, r#"}"#)
}

/// An entry that a host may lay itself.
pub fn laid(random: &mut Random, serial: u64, size: usize) -> Vec<u8> {
    let name = random.pick(&["op-write", "op-read", "tx-begin", "tx-result", "branch"]);
    let tail = random.pick(&TAILS);
    padded(
        format!(r#"{{"type":"{name}","n":{serial}{tail}"#),
        size,
        r#"}"#,
    )
}

/// An entry that is the node's own.
pub fn local(serial: u64, size: usize) -> Vec<u8> {
    padded(
        format!(r#"{{"type":"local-timing","n":{serial}"#),
        size,
        r#"}"#,
    )
}

/// A line of the node's log that tells of nothing.
pub fn log(random: &mut Random, serial: u64, size: usize) -> Vec<u8> {
    let head = random.pick(&[
        "3:04PM INF Timed out dur=1000 module=consensus",
        "I[2026-11-30|12:00:00.000] Saved to the pool module=mempool",
        "INF received proposal",
    ]);
    padded(format!("{head} n={serial}"), size, "")
}

fn padded(mut head: String, size: usize, close: &str) -> Vec<u8> {
    let missing = size.saturating_sub(head.len() + close.len() + 12);
    if missing > 0 && close == "}" {
        head.push_str(r#","pad":""#);
        head.extend(std::iter::repeat_n("0123456789abcdef", missing / 16 + 1));
        head.push('"');
    } else if missing > 0 {
        head.push(' ');
        head.extend(std::iter::repeat_n("pad ", missing / 4 + 1));
    }
    head.push_str(close);
    head.into_bytes()
}
