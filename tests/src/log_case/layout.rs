//! The same lines as other loggers print them, and other collectors wrap them.

use serde_json::{Map, Value, json};

/// A way to print a log.
pub struct Layout {
    /// Its name.
    pub name: &'static str,
    how: How,
}

enum How {
    /// Each line alone, whatever it is.
    Wrapped(fn(&str) -> Vec<String>),
    /// Lines of zerolog's console, taken apart and printed by another logger;
    /// others stay as they are.
    Printed(fn(&LogEntry) -> String),
}

/// What a logger was given.
pub struct LogEntry {
    level: Level,
    message: String,
    fields: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
struct Level {
    zerolog: &'static str,
    four: &'static str,
    charm: &'static str,
    long: &'static str,
}

const LEVELS: [Level; 4] = [
    Level {
        zerolog: "DBG",
        four: "DBUG",
        charm: "DEBU",
        long: "DEBUG",
    },
    Level {
        zerolog: "INF",
        four: "INFO",
        charm: "INFO",
        long: "INFO",
    },
    Level {
        zerolog: "WRN",
        four: "WARN",
        charm: "WARN",
        long: "WARN",
    },
    Level {
        zerolog: "ERR",
        four: "ERRR",
        charm: "ERRO",
        long: "ERROR",
    },
];

impl Layout {
    /// The lines in this layout; `None` if it cannot carry them.
    pub fn lines(&self, lines: &[String]) -> Option<Vec<String>> {
        match self.how {
            How::Wrapped(wrap) => Some(lines.iter().flat_map(|line| wrap(line)).collect()),
            How::Printed(print) => {
                let entries: Vec<_> = lines.iter().map(|line| LogEntry::read(line)).collect();
                let headed = entries.iter().flatten().count();
                // A log of another logger says nothing of this one.
                (headed * 2 > lines.len()).then(|| {
                    let printed = entries.iter().zip(lines).map(|(entry, line)| match entry {
                        Some(entry) => print(entry),
                        None => line.clone(),
                    });
                    printed.collect()
                })
            }
        }
    }
}

impl LogEntry {
    /// Reads `5:31PM INF message key=value key="quoted"`.
    fn read(line: &str) -> Option<LogEntry> {
        let (time, rest) = line.split_once(' ')?;
        let is_clock = time.ends_with("AM") || time.ends_with("PM");
        let (name, rest) = rest.split_once(' ')?;
        let level = LEVELS.into_iter().find(|level| level.zerolog == name);
        let level = level.filter(|_| is_clock)?;
        let (message, mut rest) = split_message(rest);
        let mut fields = Vec::new();
        while let Some((key, after)) = rest.split_once('=') {
            let (value, after) = split_value(after)?;
            fields.push((key.trim().to_owned(), value));
            rest = after;
        }
        rest.trim().is_empty().then(|| LogEntry {
            level,
            message: message.to_owned(),
            fields,
        })
    }

    fn object(&self) -> Map<String, Value> {
        let value = |text: &str| match text.parse::<u64>() {
            Ok(number) => json!(number),
            Err(_) => json!(text),
        };
        let fields = self.fields.iter();
        fields
            .map(|(key, text)| (key.clone(), value(text)))
            .collect()
    }

    /// `key=value`, with quotes where they are needed.
    fn logfmt(&self) -> String {
        self.fields_as(|text| match text.contains([' ', '"', '=', '\n', '\t']) {
            true => format!("{text:?}"),
            false => text.to_owned(),
        })
    }

    fn unquoted(&self) -> String {
        self.fields_as(|text| text.replace('\n', " "))
    }

    fn fields_as(&self, show: impl Fn(&str) -> String) -> String {
        let fields = self.fields.iter();
        let shown: Vec<String> = fields
            .map(|(key, text)| format!("{key}={}", show(text)))
            .collect();
        shown.join(" ")
    }
}

/// The message ends where the first `key=` begins.
fn split_message(text: &str) -> (&str, &str) {
    let is_key = |word: &str| {
        word.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty()
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        })
    };
    let mut at = 0;
    for word in text.split_inclusive(' ') {
        if is_key(word) {
            break;
        }
        at += word.len();
    }
    (text[..at].trim_end(), &text[at..])
}

fn split_value(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        let end = text.find(' ').unwrap_or(text.len());
        return Some((text[..end].to_owned(), text[end..].trim_start()));
    }
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = strings.next()?.ok()?;
    Some((value, text[strings.byte_offset()..].trim_start()))
}

/// All of them.
pub fn layouts() -> Vec<Layout> {
    let wrapped = WRAPPED.iter().map(|(name, wrap)| Layout {
        name,
        how: How::Wrapped(*wrap),
    });
    let printed = PRINTED.iter().map(|(name, print)| Layout {
        name,
        how: How::Printed(*print),
    });
    wrapped.chain(printed).collect()
}

type Wrap = fn(&str) -> Vec<String>;
type Print = fn(&LogEntry) -> String;

fn behind(prefix: &str, line: &str) -> Vec<String> {
    vec![format!("{prefix}{line}")]
}

const WRAPPED: &[(&str, Wrap)] = &[
    ("as it is", |line| vec![line.to_owned()]),
    ("Windows line ends", |line| vec![format!("{line}\r")]),
    ("journald", |l| {
        behind("Nov 20 01:21:47 host chaind[4711]: ", l)
    }),
    ("journald, German", |l| {
        behind("Okt 20 01:21:47 host chaind[4711]: ", l)
    }),
    ("journald, Polish", |l| {
        behind("paź 20 01:21:47 host chaind[4711]: ", l)
    }),
    ("journald, Japanese", |l| {
        behind("10月 20 01:21:47 host chaind[4711]: ", l)
    }),
    ("journald, short-iso", |l| {
        behind("2025-10-02T13:00:00+0200 host chaind[4711]: ", l)
    }),
    ("journald, short-full", |l| {
        behind("Thu 2025-10-02 13:00:00 CEST host chaind[4711]: ", l)
    }),
    ("journald, short-full, French", |l| {
        behind("jeu. 2025-10-02 13:00:00 CEST host chaind[4711]: ", l)
    }),
    ("journald, short-monotonic", |l| {
        behind("[1234567.123456] host chaind[4711]: ", l)
    }),
    ("journald, short-unix", |l| {
        behind("1759402800.123456 host chaind[4711]: ", l)
    }),
    ("syslog without a process id", |l| {
        behind("Nov 20 01:21:47 host chaind: ", l)
    }),
    ("syslog, RFC 5424", |l| {
        behind(
            "<13>1 2025-10-02T13:00:00.123456+02:00 host chaind 4711 - - ",
            l,
        )
    }),
    ("compose", |l| behind("node-1  | ", l)),
    ("compose v1", |l| behind("validator_node_1  | ", l)),
    ("kubectl", |l| behind("[pod/validator-0/node] ", l)),
    ("stern", |l| behind("validator-0 node ", l)),
    ("containerd", |l| {
        behind("2025-10-02T13:00:00.123456789Z stderr F ", l)
    }),
    ("containerd, in parts", |line| {
        let head = "2025-10-02T13:00:00.123456789Z stdout";
        let chars: Vec<char> = line.chars().collect();
        let parts: Vec<String> = chars
            .chunks(120)
            .map(|part| part.iter().collect())
            .collect();
        let last = parts.len().saturating_sub(1);
        let tag = |at: usize| if at == last { "F" } else { "P" };
        let each = parts.iter().enumerate();
        let mut lines: Vec<String> = each
            .map(|(at, part)| format!("{head} {} {part}", tag(at)))
            .collect();
        if lines.is_empty() {
            lines.push(format!("{head} F "));
        }
        lines
    }),
    ("docker", |line| {
        vec![
            json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2025-10-02T13:00:00Z"})
                .to_string(),
        ]
    }),
    ("journald's JSON", |line| {
        let entry = json!({"__REALTIME_TIMESTAMP": "1759402800123456", "PRIORITY": "6",
            "_SYSTEMD_UNIT": "chaind.service", "MESSAGE": line});
        vec![entry.to_string()]
    }),
    ("vector", |line| {
        vec![
            json!({"file": "/var/log/x", "host": "h", "message": line, "source_type": "file",
            "timestamp": "2025-10-02T13:00:00Z"})
            .to_string(),
        ]
    }),
    ("OpenTelemetry's file log", |line| {
        vec![
            json!({"timeUnixNano": "0", "observedTimeUnixNano": "1759402800000000000",
            "body": {"stringValue": line}, "attributes": [{"key": "log.file.name",
            "value": {"stringValue": "node.log"}}]})
            .to_string(),
        ]
    }),
    ("supervisord's prefix", |l| {
        behind(
            "[program:validator-node-with-quite-a-long-name-of-its-own-00] ",
            l,
        )
    }),
    ("a bracketed time", |l| {
        behind("[02/Oct/2025:13:00:00 +0200] ", l)
    }),
    ("brackets", |l| {
        behind("[2025-10-02 13:00:00,123] [validator 0] ", l)
    }),
    ("tai64n", |l| behind("@400000006543210f2ef02e94 ", l)),
    ("seconds since 1970", |l| behind("1759402800 ", l)),
    ("a time without separators", |l| {
        behind("20251002T130000.123Z ", l)
    }),
    ("a tag", |l| behind("validator01 ", l)),
    ("a tag and a colon", |l| behind("validator01: ", l)),
    ("a time, a tag, a bar", |l| {
        behind("13:00:00 validator01 | ", l)
    }),
    ("twice", |line| vec![line.to_owned(), line.to_owned()]),
    ("twice, by two", |line| {
        vec![line.to_owned(), format!("[AGD] {line}")]
    }),
    ("colours that rsyslog wrote", |line| {
        vec![coloured(line, "#033")]
    }),
    ("colours", |line| vec![coloured(line, "\u{1b}")]),
    ("colours without ESC", |line| vec![coloured(line, "")]),
];

/// zerolog's colours, where the line is of its console.
fn coloured(line: &str, esc: &str) -> String {
    let Some(entry) = LogEntry::read(line) else {
        return line.to_owned();
    };
    let mut text = format!(
        "{esc}[90m5:31PM{esc}[0m {esc}[32m{}{esc}[0m {}",
        entry.level.zerolog, entry.message
    );
    for (key, value) in &entry.fields {
        let value = match value.contains([' ', '"', '=', '\n']) {
            true => format!("{value:?}"),
            false => value.clone(),
        };
        text += &format!(" {esc}[36m{key}={esc}[0m{value}");
    }
    text
}

const PRINTED: &[(&str, Print)] = &[
    ("CometBFT's plain form", |e| {
        let level = e.level.long.get(..1).unwrap_or("I");
        format!(
            "{level}[2025-10-02|13:00:00.123] {:<44} {}",
            e.message,
            e.logfmt()
        )
    }),
    ("CometBFT's JSON", |e| {
        let mut object = e.object();
        object.insert("_msg".to_owned(), json!(e.message));
        object.insert("level".to_owned(), json!(e.level.long.to_lowercase()));
        object.insert("ts".to_owned(), json!("2025-10-02T13:00:00.123Z"));
        Value::Object(object).to_string()
    }),
    ("zerolog's JSON", |e| {
        let mut object = e.object();
        object.insert("message".to_owned(), json!(e.message));
        object.insert("level".to_owned(), json!(e.level.long.to_lowercase()));
        object.insert("time".to_owned(), json!("2025-10-02T13:00:00Z"));
        Value::Object(object).to_string()
    }),
    ("zerolog's console with a full time", |e| {
        format!(
            "2025-10-02T13:00:00+02:00 {} {} {}",
            e.level.zerolog,
            e.message,
            e.logfmt()
        )
    }),
    ("charmbracelet", |e| {
        format!(
            "25-10-02 13:00:00.123 {} {:<40} {}",
            e.level.charm,
            e.message,
            e.logfmt()
        )
    }),
    ("Berachain", |e| {
        format!(
            "2025-10-02T13:00:00+02:00 {} {} {}",
            e.level.four,
            e.message,
            e.unquoted()
        )
    }),
    ("zap's console", |e| {
        let fields = Value::Object(e.object());
        format!(
            "2025-10-02T13:00:00.123Z\t{}\ttendermint\tconsensus/state.go:732\t{}\t{fields}",
            e.level.long, e.message
        )
    }),
    ("zap's console without a logger", |e| {
        let fields = Value::Object(e.object());
        format!(
            "2025-10-02T13:00:00.123Z\t{}\t{}\t{fields}",
            e.level.long.to_lowercase(),
            e.message
        )
    }),
    ("zap's JSON", |e| {
        let mut object = e.object();
        object.insert("msg".to_owned(), json!(e.message));
        object.insert("level".to_owned(), json!(e.level.long.to_lowercase()));
        object.insert("ts".to_owned(), json!(1_759_402_800.123_f64));
        object.insert("logger".to_owned(), json!("tendermint"));
        Value::Object(object).to_string()
    }),
    ("logrus without a terminal", |e| {
        format!(
            "time=\"2025-10-02T13:00:00+02:00\" level={} msg={:?} {}",
            e.level.long.to_lowercase(),
            e.message,
            e.logfmt()
        )
    }),
    ("logrus on a terminal", |e| {
        format!("{}[0042] {:<44} {}", e.level.charm, e.message, e.logfmt())
    }),
    ("slog's text", |e| {
        format!(
            "time=2025-10-02T13:00:00.123+02:00 level={} msg={:?} {}",
            e.level.long,
            e.message,
            e.logfmt()
        )
    }),
    ("slog's JSON", |e| {
        let mut object = Map::new();
        object.insert("time".to_owned(), json!("2025-10-02T13:00:00.123+02:00"));
        object.insert("level".to_owned(), json!(e.level.long));
        object.insert("msg".to_owned(), json!(e.message));
        object.extend(e.object());
        Value::Object(object).to_string()
    }),
    ("slog's default", |e| {
        format!(
            "2025/10/02 13:00:00 {} {} {}",
            e.level.long,
            e.message,
            e.logfmt()
        )
    }),
    ("geth's terminal", |e| {
        format!(
            "{:<5}[10-02|13:00:00.123] {:<40} {}",
            e.level.long,
            e.message,
            e.logfmt()
        )
    }),
    ("OpenTelemetry's record", |e| {
        json!({"timestamp": "2025-10-02T13:00:00Z", "severityText": e.level.long,
            "severityNumber": 9, "body": e.message, "attributes": e.object()})
        .to_string()
    }),
    ("OpenTelemetry's protocol JSON", |e| {
        let value = |text: &str| match text.parse::<u64>() {
            Ok(_) => json!({"intValue": text}),
            Err(_) => json!({"stringValue": text}),
        };
        let attributes: Vec<Value> = e
            .fields
            .iter()
            .map(|(key, text)| json!({"key": key, "value": value(text)}))
            .collect();
        json!({"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": [{
            "timeUnixNano": "1759402800000000000", "severityText": e.level.long,
            "body": {"stringValue": e.message}, "attributes": attributes}]}]}]})
        .to_string()
    }),
    ("a level in brackets", |e| {
        format!(
            "2025-10-02 13:00:00.123 [{}] {} {}",
            e.level.long,
            e.message,
            e.logfmt()
        )
    }),
];
