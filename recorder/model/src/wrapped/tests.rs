use haltbox_format::Lane;

use crate::{BlockHasher, Profile, RedactKey, Redactor, SlogRules};

fn agoric() -> SlogRules {
    Profile::builtin("agoric").unwrap().slog.unwrap()
}

const SYSCALL: &str = r#"{"type":"syscall","crankNum":9,"vatID":"v1","deliveryNum":1,"syscallNum":0,"replay":false,"syscall":"vatstoreGet","ksc":["vatstoreGet","v1","k"],"time":1795.25,"monotime":7.5}"#;
const WRAPPED: &str = r#"{"body":{"type":"syscall","crankNum":9,"vatID":"v1","syscall":"vatstoreGet","ksc":["vatstoreGet","v1","k"]},"attributes":{"chain-id":"agoric-3","block.height":7,"crank.num":9,"crank.vatID":"v1","crank.deliveryNum":1,"crank.syscallNum":0,"process.uptime":7.5},"time":1795.25}"#;
const TOLD: &str = r#"{"type":"syscall","crankNum":9,"vatID":"v1","syscall":"vatstoreGet","ksc":["vatstoreGet","v1","k"],"syscallNum":0,"time":1795.25,"monotime":7.5}"#;

fn unwrap(line: &str) -> Option<String> {
    let told = agoric().unwrap(line.as_bytes())?;
    Some(String::from_utf8(told).unwrap())
}

fn told(entry: &str) -> String {
    String::from_utf8(agoric().told(entry.as_bytes()).into_owned()).unwrap()
}

#[test]
fn an_entry_and_its_wrapped_line_tell_the_same() {
    assert_eq!(unwrap(WRAPPED).unwrap(), TOLD);
    assert_eq!(told(SYSCALL), TOLD);
    let deliver = r#"{"type":"deliver","crankNum":9,"vatID":"v1","deliveryNum":4,"replay":false,"kd":[],"time":1,"monotime":2}"#;
    let line = r#"{"body":{"type":"deliver","crankNum":9,"vatID":"v1","kd":[]},"attributes":{"crank.vatID":"v1","crank.deliveryNum":4,"process.uptime":2},"time":1}"#;
    assert_eq!(unwrap(line).unwrap(), told(deliver));
    assert!(told(deliver).contains(r#""deliveryNum":4"#));
}

/// The context of a result was set by the deliver before it, and another vat's import may
/// have changed it since.
#[test]
fn what_the_context_says_of_another_entry_is_not_told() {
    let result = r#"{"body":{"type":"deliver-result","crankNum":9,"vatID":"v1","dr":["ok"],"seconds":0.25},"attributes":{"crank.vatID":"v1","crank.deliveryNum":1,"replay":true,"process.uptime":7.5},"time":1795.25}"#;
    let told = unwrap(result).unwrap();
    assert!(
        !told.contains("deliveryNum") && !told.contains("replay"),
        "{told}"
    );
}

/// An input has a member `body` too, and another writer may put it first.
#[test]
fn what_only_looks_wrapped_is_left_alone() {
    let lines = [
        SYSCALL,
        r#"{"body":{"type":"WALLET_ACTION"},"attributes":{},"type":"cosmic-swingset-bridge-inbound"}"#,
        r#"{"body":{"type":"WALLET_ACTION"},"inboundNum":"1-a-0"}"#,
        r#"{"body":"text","attributes":{}}"#,
        r#"{"body":{"text":1},"attributes":{}}"#,
        r#"{"body":{"type":"syscall"},"attributes":"#,
        "",
    ];
    for line in lines {
        assert_eq!(unwrap(line), None, "{line}");
    }
}

/// A replay that its node did not finish marks all later contexts as replayed, so only
/// the entry itself is believed.
#[test]
fn a_replay_is_told_by_the_entry_itself() {
    let rules = agoric();
    let stale = WRAPPED.replace(r#""chain-id""#, r#""replay":true,"chain-id""#);
    for line in [WRAPPED, &stale] {
        let entry = rules.read(line.as_bytes());
        assert!(
            entry.canonical && entry.known && entry.lane == Lane::Main,
            "{line}"
        );
    }
    let replay = WRAPPED.replace(r#""crankNum":9,"#, "");
    let entry = rules.read(replay.as_bytes());
    assert!(!entry.canonical && entry.lane == Lane::Local);
    assert!(unwrap(&replay).unwrap().contains(r#""replay":true"#));
}

#[test]
fn no_hash_rests_on_a_wrapped_line() {
    let rules = agoric();
    let begin = r#"{"type":"cosmic-swingset-begin-block","blockHeight":7}"#;
    let hash = |lines: &[&str]| {
        let mut hasher = BlockHasher::new(rules.canonical(), 7);
        for line in lines {
            hasher.line(line.as_bytes());
        }
        let wrapped = hasher.is_wrapped();
        let hash = hasher.finish();
        assert_eq!(hash.is_none(), wrapped);
        hash
    };
    assert!(hash(&[begin, SYSCALL]).is_some());
    assert_eq!(hash(&[begin, WRAPPED]), None);
    let wrapped = format!(r#"{{"body":{begin},"attributes":{{}},"time":1}}"#);
    assert_eq!(hash(&[&wrapped, SYSCALL]), None);
    // A line that does not count does not cost the HASH.
    let console = r#"{"body":{"type":"console"},"attributes":{},"time":1}"#;
    assert_eq!(hash(&[begin, SYSCALL]), hash(&[begin, SYSCALL, console]));
}

/// A redacted box must still show that it is wrapped, and of which block.
#[test]
fn a_redacted_line_is_still_a_wrapped_one() {
    let rules = agoric();
    let key = RedactKey::derive(&[7; 16]).unwrap();
    let redactor = Redactor::new(rules.redact().unwrap().clone(), key);
    let mut out = Vec::new();
    assert!(redactor.line(WRAPPED.as_bytes(), &mut out));
    let line = String::from_utf8(out).unwrap();
    let entry = rules.read(line.as_bytes());
    assert!(entry.canonical && entry.known, "{line}");
    for secret in ["agoric-3", "\"k\""] {
        assert!(!line.contains(secret), "{line}");
    }
    for plain in [
        r#""body":{"type":"syscall","crankNum":9"#,
        r#""crank.num":9"#,
        r#""time":1795.25"#,
    ] {
        assert!(line.contains(plain), "{line}");
    }
}
