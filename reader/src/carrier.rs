//! Extracts entries that something carried. A log shipper puts a time, a host and a name
//! before each line, or wraps the line into a JSON object. The line of the node is extracted
//! only where the carrier's format is certain.

use std::borrow::Cow;
use std::fmt;

use haltbox_model::json;

/// What carried a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `Nov 28 10:00:00 host agd[7]: `, as syslog and `journalctl` print, or RFC 5424.
    Syslog,
    /// `journalctl -o json`.
    Journal,
    /// Docker's `json-file`.
    Docker,
    /// `docker logs -t`: a time before each line.
    Timestamp,
    /// Kubernetes: time, stream, and whether the line is whole.
    Kubernetes,
    /// `docker compose logs`: the name of the service and a bar.
    Compose,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Carrier::Syslog => "syslog or journald",
            Carrier::Journal => "journald's JSON",
            Carrier::Docker => "Docker's JSON log",
            Carrier::Timestamp => "lines with a timestamp prefix, as docker logs -t prints them",
            Carrier::Kubernetes => "a Kubernetes container log",
            Carrier::Compose => "docker compose logs",
        })
    }
}

/// Where the bytes of a line come from, and so how far they are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A recorder took them as the host wrote them.
    Recorded,
    /// They are in a text file, which anybody may have rewritten.
    Text,
    /// They are in a text file, and stood there before, or parts of the file were moved. Where they
    /// belong is unknown.
    Resent,
    /// A carrier brought them, and may have lost lines.
    Carried(Carrier),
}

/// A line that a carrier brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    /// The carrier.
    pub by: Carrier,
    /// The line as the host wrote it.
    pub bytes: Cow<'a, [u8]>,
    /// Whether it is a complete entry. Carriers split or cut lines that are too long for them.
    pub whole: bool,
}

/// Number of bytes at the beginning of a line in which its entry must begin.
const PREFIX: usize = 256;

/// The entry in a line, if a known carrier brought it.
pub fn carried(line: &[u8]) -> Option<Carried<'_>> {
    let (by, bytes, told_whole) = match line {
        [b'{', b'"', b'l', ..] => docker(line)?,
        [b'{', b'"', b'_' | b'A'..=b'Z', ..] => journal(line)?,
        [b'{', ..] => return None,
        _ => prefixed(line)?,
    };
    let whole = told_whole && json::members(&bytes).all(|member| member.is_ok());
    Some(Carried { by, bytes, whole })
}

/// Whether a line holds an entry behind an unknown prefix.
pub fn is_prefixed(line: &[u8]) -> bool {
    !line.starts_with(b"{") && memchr::memmem::find(line, b"{\"type\":\"").is_some()
}

type Parts<'a> = (Carrier, Cow<'a, [u8]>, bool);

fn docker(line: &[u8]) -> Option<Parts<'_>> {
    let [log, stream] = json::pick(line, [b"log", b"stream"]);
    stream?;
    let text = json::read_str(log?)?.into_owned();
    let whole = text.ends_with('\n');
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    text.starts_with('{')
        .then(|| (Carrier::Docker, Cow::Owned(text.into_bytes()), whole))
}

fn journal(line: &[u8]) -> Option<Parts<'_>> {
    let message = json::find(line, b"MESSAGE")?;
    let text = json::read_str(message)?.into_owned();
    text.starts_with('{')
        .then(|| (Carrier::Journal, Cow::Owned(text.into_bytes()), true))
}

fn prefixed(line: &[u8]) -> Option<Parts<'_>> {
    let head = line.get(..PREFIX.min(line.len()))?;
    let at = memchr::memchr(b'{', head)?;
    let (prefix, entry) = line.split_at(at);
    if !entry.starts_with(b"{\"") {
        return None;
    }
    let (by, whole) = carrier_of(str::from_utf8(prefix).ok()?)?;
    Some((by, Cow::Borrowed(entry), whole))
}

/// The carrier that writes such a prefix, and whether the prefix says that the line is whole.
fn carrier_of(prefix: &str) -> Option<(Carrier, bool)> {
    let text = prefix.strip_suffix(' ')?;
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let known = |by| Some((by, true));
    match words.as_slice() {
        [time, "stdout" | "stderr", part] if is_time(time) => {
            Some((Carrier::Kubernetes, *part == "F"))
        }
        [time] if is_time(time) => known(Carrier::Timestamp),
        [_, "|"] => known(Carrier::Compose),
        [time, _, tag] if is_time(time) && is_tag(tag) && tag.contains('[') => {
            known(Carrier::Syslog)
        }
        [month, day, time, _, tag] if is_date(month, day, time) && is_tag(tag) => {
            known(Carrier::Syslog)
        }
        [version, time, _, _, _, _, ..] if is_rfc5424(version) && is_time(time) => {
            known(Carrier::Syslog)
        }
        _ => None,
    }
}

/// Whether a word is a time such as `2026-11-28T10:00:00.123Z`, with any offset.
fn is_time(word: &str) -> bool {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let rest = word.get(19..).unwrap_or("?");
    word.bytes().take(19).enumerate().all(shape)
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".,Z+-:".contains(&byte))
}

fn is_date(month: &str, day: &str, time: &str) -> bool {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // RFC 3164 puts the priority directly before the month.
    let month = match month.strip_prefix('<') {
        Some(rest) => rest.split_once('>').map_or("", |(_, month)| month),
        None => month,
    };
    MONTHS.contains(&month)
        && day.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day))
        && time.len() >= 8
        && time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b':' || byte == b'.')
}

fn is_tag(word: &str) -> bool {
    word.len() > 1 && word.ends_with(':')
}

fn is_rfc5424(word: &str) -> bool {
    let number = word
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix(">1"));
    number.is_some_and(|number| number.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = r#"{"type":"crank-start","crankNum":7,"text":"a \"b\" {c}"}"#;

    #[test]
    fn every_carrier_is_known_by_its_form() {
        let text = serde_json::to_string(ENTRY).expect("JSON");
        let line = serde_json::to_string(&format!("{ENTRY}\n")).expect("JSON");
        let table = [
            (
                format!("Nov 28 10:00:00 host agd[77]: {ENTRY}"),
                Carrier::Syslog,
            ),
            (
                format!("<13>Nov  8 10:00:00 host agd: {ENTRY}"),
                Carrier::Syslog,
            ),
            (
                format!("2026-11-28T10:00:00.1+00:00 host agd[7]: {ENTRY}"),
                Carrier::Syslog,
            ),
            (
                format!("<14>1 2026-11-28T10:00:00Z host agd 7 - - {ENTRY}"),
                Carrier::Syslog,
            ),
            (
                format!("2026-11-28T10:00:00.123456789Z {ENTRY}"),
                Carrier::Timestamp,
            ),
            (
                format!("2026-11-28T10:00:00.1Z stdout F {ENTRY}"),
                Carrier::Kubernetes,
            ),
            (format!("agd-1  | {ENTRY}"), Carrier::Compose),
            (
                format!(r#"{{"log":{line},"stream":"stdout","time":"2026"}}"#),
                Carrier::Docker,
            ),
            (
                format!(r#"{{"__CURSOR":"s=1","MESSAGE":{text},"_PID":"7"}}"#),
                Carrier::Journal,
            ),
        ];
        for (line, by) in &table {
            let found = carried(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((found.by, found.whole), (*by, true), "{line}");
            assert_eq!(found.bytes, ENTRY.as_bytes(), "{line}");
        }
    }

    /// A node's own log quotes entries behind any text. None of these may count as an entry.
    #[test]
    fn what_a_node_prints_is_not_taken_for_an_entry() {
        let lines = [
            ENTRY.to_owned(),
            format!("10:00AM INF received module=vm: {ENTRY}"),
            format!("Nov 28 10:00:00 host agd[77]: 10:00AM INF received {ENTRY}"),
            format!("2026-11-28T10:00:00Z INF vm: {ENTRY}"),
            "Nov 28 10:00:00 host agd[77]: starting".to_owned(),
            r#"{"level":"info","message":"{}"}"#.to_owned(),
        ];
        for line in &lines {
            assert_eq!(carried(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn what_was_split_or_cut_is_no_whole_entry() {
        let half = &ENTRY[..30];
        let part = serde_json::to_string(half).expect("JSON");
        let lines = [
            format!("Nov 28 10:00:00 host agd[77]: {half}"),
            format!("2026-11-28T10:00:00.1Z stdout P {ENTRY}"),
            format!(r#"{{"log":{part},"stream":"stdout","time":"2026"}}"#),
        ];
        for line in &lines {
            assert!(!carried(line.as_bytes()).expect("carried").whole, "{line}");
        }
    }
}
