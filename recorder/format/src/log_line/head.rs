//! What stands on a line before the message: the collector's prefix, then the
//! logger's own head with time and level.
//!
//! A message position is where one of these heads ends. Everything else on a
//! line may be text that somebody else chose.

/// Tokens of a collector's prefix: journald's longest form has seven.
const MAX_PREFIX_TOKENS: usize = 12;
const MAX_TIME: usize = 40;

const CONSOLE_LEVELS: [&[u8]; 7] = [b"TRC", b"DBG", b"INF", b"WRN", b"ERR", b"FTL", b"PNC"];
const COLUMN_LEVELS: [&[u8]; 7] = [
    b"DEBUG", b"INFO", b"WARN", b"ERROR", b"DPANIC", b"PANIC", b"FATAL",
];
const CALENDAR: [&[u8]; 19] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
    b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
];

/// The logger's own head of an entry.
pub(super) enum Head<'a> {
    /// A message, then logfmt fields: CometBFT's plain form, zerolog's console.
    Message {
        error: bool,
        /// From the message on.
        rest: &'a [u8],
    },
    /// Columns: the message, then one JSON object: zap's console.
    Columns {
        error: bool,
        message: &'a [u8],
        fields: &'a [u8],
    },
}

impl<'a> Head<'a> {
    /// The head `text` begins with.
    pub(super) fn read(text: &'a [u8], loggers: &[String]) -> Option<Head<'a>> {
        if let Some((error, rest)) = native(text) {
            return Some(Head::Message { error, rest });
        }
        if let Some((error, rest)) = console(text) {
            let rest = skip_logger(rest, loggers);
            return Some(Head::Message { error, rest });
        }
        columns(text, loggers)
    }
}

/// The names loggers give to error and what is worse.
pub(super) fn is_error_level(level: &[u8]) -> bool {
    let names: [&[u8]; 8] = [
        b"err", b"error", b"ftl", b"fatal", b"pnc", b"panic", b"dpanic", b"crit",
    ];
    names.iter().any(|name| level.eq_ignore_ascii_case(name))
}

/// `E[2022-05-29|16:33:12.561] `: CometBFT's plain form; the year may be missing.
pub(super) fn native(text: &[u8]) -> Option<(bool, &[u8])> {
    let (level, rest) = text.split_first()?;
    let date = rest.strip_prefix(b"[")?;
    let len = date.iter().take(MAX_TIME).position(|b| *b == b']')?;
    let (date, rest) = date.split_at(len);
    let is_date = date.contains(&b'|')
        && date
            .iter()
            .all(|b| b.is_ascii_digit() || b"-|:.".contains(b));
    let rest = rest.strip_prefix(b"] ")?;
    (level.is_ascii_uppercase() && is_date).then_some((*level == b'E', rest))
}

/// `ERR `: zerolog's console, behind its time.
pub(super) fn console(text: &[u8]) -> Option<(bool, &[u8])> {
    let (level, rest) = text.split_at_checked(3)?;
    let rest = rest.strip_prefix(b" ")?;
    CONSOLE_LEVELS
        .contains(&level)
        .then(|| (is_error_level(level), rest))
}

/// Behind zap's time: level, logger, caller, message, fields. Logger and
/// caller are optional; only known loggers count, or a message that somebody
/// else chose could pass for one.
fn columns<'a>(text: &'a [u8], loggers: &[String]) -> Option<Head<'a>> {
    let (level, mut rest) = split_column(text)?;
    COLUMN_LEVELS.contains(&level).then_some(())?;
    for passes in [is_logger, is_caller] {
        if let Some((column, after)) = split_column(rest)
            && passes(column, loggers)
        {
            rest = after;
        }
    }
    let (message, fields) = split_column(rest)?;
    Some(Head::Columns {
        error: is_error_level(level),
        message,
        fields,
    })
}

/// Columns stand apart by a tab, or by spaces where a terminal expanded it.
fn split_column(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let tab = memchr::memchr(b'\t', text);
    let spaces = memchr::memmem::find(text, b"  ");
    let len = tab.into_iter().chain(spaces).min()?;
    let (column, rest) = text.split_at_checked(len)?;
    Some((column, rest.trim_ascii_start()))
}

fn is_logger(column: &[u8], loggers: &[String]) -> bool {
    let name = column.rsplit(|b| *b == b'.').next().unwrap_or(column);
    loggers.iter().any(|logger| logger.as_bytes() == name)
}

/// `consensus/state.go:732`
fn is_caller(column: &[u8], _loggers: &[String]) -> bool {
    let Some(colon) = memchr::memrchr(b':', column) else {
        return false;
    };
    let (file, line) = column.split_at(colon);
    let is_line = line.len() > 1 && line.iter().skip(1).all(u8::is_ascii_digit);
    file.ends_with(b".go") && is_line && !file.contains(&b' ')
}

/// `comet: ` before a message.
fn skip_logger<'a>(text: &'a [u8], loggers: &[String]) -> &'a [u8] {
    let after = |logger: &String| text.strip_prefix(logger.as_bytes())?.strip_prefix(b": ");
    loggers.iter().find_map(after).unwrap_or(text)
}

/// A line behind its collector's prefix.
pub(super) struct Prefix<'a> {
    pub(super) rest: &'a [u8],
    /// Kubernetes marked the line as a part of one.
    pub(super) partial: bool,
}

/// Skips what journald, syslog, docker, docker compose and Kubernetes put
/// before a line, and the time that zerolog and zap begin with.
///
/// Only tokens of known shape are skipped: a console line such as
/// `SwingSet: vat: v9: ERR ...` must not end in a message position.
pub(super) fn skip_collector(text: &[u8]) -> Prefix<'_> {
    let mut prefix = Prefix {
        rest: text.trim_ascii_start(),
        partial: false,
    };
    for _ in 0..MAX_PREFIX_TOKENS {
        if prefix.rest.starts_with(b"{") || console(prefix.rest).is_some() {
            break;
        }
        let Some(rest) = after_token(prefix.rest, &mut prefix.partial) else {
            break;
        };
        prefix.rest = rest.trim_ascii_start();
    }
    prefix
}

fn after_token<'a>(text: &'a [u8], partial: &mut bool) -> Option<&'a [u8]> {
    let (word, rest) = split_word(text);
    let next = rest.trim_ascii_start();
    if let Some(after) = next.strip_prefix(b"| ") {
        return Some(after);
    }
    if word == b"stdout" || word == b"stderr" {
        *partial = next.starts_with(b"P ");
        return next.strip_prefix(b"P ").or(next.strip_prefix(b"F "));
    }
    if is_time(word) || is_zone(word) || is_bracketed(word) || is_process(word) {
        return Some(rest);
    }
    let (process, after) = split_word(next);
    is_process(process).then_some(after)
}

fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let len = memchr::memchr2(b' ', b'\t', text).unwrap_or(text.len());
    text.split_at(len)
}

/// `2:28PM`, `2023-08-30T11:55:49.071Z`, `16:33:12`, `20`, `Nov`
fn is_time(word: &[u8]) -> bool {
    let is_part = |b: &u8| b.is_ascii_digit() || b":.,+-/TZ".contains(b);
    let clock = word
        .strip_suffix(b"AM")
        .or(word.strip_suffix(b"PM"))
        .unwrap_or(word);
    CALENDAR.contains(&word)
        || clock.len() <= MAX_TIME
            && clock.first().is_some_and(u8::is_ascii_digit)
            && clock.iter().all(is_part)
}

/// `UTC`, `CEST`: journald's `short-full` names the zone.
fn is_zone(word: &[u8]) -> bool {
    (2..=5).contains(&word.len())
        && word.iter().all(u8::is_ascii_uppercase)
        && !COLUMN_LEVELS.contains(&word)
}

/// `[AGD]`
fn is_bracketed(word: &[u8]) -> bool {
    word.len() <= MAX_TIME && word.starts_with(b"[") && word.ends_with(b"]")
}

/// `agd[123]:`
fn is_process(word: &[u8]) -> bool {
    let pid = word
        .strip_suffix(b"]:")
        .and_then(|word| word.rsplit(|b| *b == b'[').next());
    pid.is_some_and(|pid| {
        !pid.is_empty() && pid.len() + 2 < word.len() && pid.iter().all(u8::is_ascii_digit)
    })
}
