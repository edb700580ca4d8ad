//! Parses the head of an entry: what its logger prints before the message.
//!
//! The message begins where a head ends. Everything else on a line may be text that
//! somebody else chose.

/// Most bytes of a time in a head.
pub(super) const MAX_TIME: usize = 40;
/// Most bytes in brackets behind a level: `[2025-10-02T13:00:00.123+02:00]`.
const MAX_BRACKET: usize = 48;

/// Names of levels as loggers print them, and whether they mean error or worse.
const LEVELS: [(&[u8], bool); 27] = [
    (b"TRC", false),
    (b"TRAC", false),
    (b"TRACE", false),
    (b"DBG", false),
    (b"DEBU", false),
    (b"DBUG", false),
    (b"DEBUG", false),
    (b"INF", false),
    (b"INFO", false),
    (b"NOTICE", false),
    (b"WRN", false),
    (b"WARN", false),
    (b"WARNING", false),
    (b"ERR", true),
    (b"ERRO", true),
    (b"ERRR", true),
    (b"EROR", true),
    (b"ERROR", true),
    (b"FTL", true),
    (b"FATA", true),
    (b"FATAL", true),
    (b"PNC", true),
    (b"PANI", true),
    (b"PANIC", true),
    (b"DPANIC", true),
    (b"CRIT", true),
    (b"CRITICAL", true),
];

/// The head of an entry.
pub(super) enum Head<'a> {
    /// A message, then logfmt fields: CometBFT's plain form, consoles.
    Message {
        error: bool,
        /// The text from the message on.
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
    /// Parses the head that `text` begins with.
    pub(super) fn read(text: &'a [u8], loggers: &[String]) -> Option<Head<'a>> {
        if let Some((error, rest)) = native(text) {
            return Some(Head::Message { error, rest });
        }
        let (error, rest) = level(text)?;
        if let Some((message, fields)) = columns(rest, loggers) {
            return Some(Head::Columns {
                error,
                message,
                fields,
            });
        }
        let rest = skip_names(rest.trim_ascii_start(), loggers);
        Some(Head::Message { error, rest })
    }
}

/// Fields that begin a logfmt line, in loggers that print nothing else.
const FIRST_FIELDS: [&[u8]; 7] = [
    b"time=",
    b"ts=",
    b"t=",
    b"timestamp=",
    b"level=",
    b"lvl=",
    b"msg=",
];

/// Whether the text begins with a head, a JSON object or a line of logfmt.
pub(super) fn stands_at(text: &[u8]) -> bool {
    let field = || {
        let mut firsts = FIRST_FIELDS.iter();
        firsts.any(|first| text.starts_with(first))
    };
    match text.first() {
        Some(b'{') => true,
        Some(b'[') => level(text).is_some(),
        Some(byte) if byte.is_ascii_alphabetic() => {
            level(text).is_some() || native(text).is_some() || field()
        }
        _ => false,
    }
}

/// Whether a level means error or worse.
pub(super) fn is_error_level(level: &[u8]) -> bool {
    let mut levels = LEVELS.iter();
    levels.any(|(name, error)| *error && level.eq_ignore_ascii_case(name))
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

/// Parses a level as consoles print it: `ERR `, `[ERROR] `, `ERRO[0042] `,
/// `ERROR[10-02|13:00:00.123] `, `error<TAB>`. Returns what follows, from its first
/// space on.
pub(super) fn level(text: &[u8]) -> Option<(bool, &[u8])> {
    // Most callers pass a time or a word.
    let first = text.first()?;
    (first.is_ascii_alphabetic() || *first == b'[').then_some(())?;
    let bracketed = text.strip_prefix(b"[");
    let name = bracketed.unwrap_or(text);
    let len = name.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    (3..=8).contains(&len).then_some(())?;
    let (name, rest) = name.split_at_checked(len)?;
    let rest = match bracketed {
        Some(_) => rest.strip_prefix(b"]")?,
        None => rest,
    };
    // A lower-case word is a level only if the logger's form shows that.
    let small = bracketed.is_some() || rest.starts_with(b"\t");
    let is_name = |known: &&(&[u8], bool)| match small {
        true => name.eq_ignore_ascii_case(known.0),
        false => name == known.0,
    };
    let (_, error) = LEVELS.iter().find(is_name)?;
    let rest = skip_time_in_brackets(rest);
    rest.first().is_some_and(is_space).then_some((*error, rest))
}

/// Skips the time, or the seconds since the start, which geth and logrus print behind the
/// level.
fn skip_time_in_brackets(text: &[u8]) -> &[u8] {
    let after = || {
        let inside = text.trim_ascii_start().strip_prefix(b"[")?;
        let len = inside.iter().take(MAX_BRACKET).position(|b| *b == b']')?;
        let (time, rest) = inside.split_at(len);
        let is_part = |b: &u8| b.is_ascii_digit() || b"-|:.,+/TZ ".contains(b);
        (!time.is_empty() && time.iter().all(is_part)).then_some(rest.get(1..)?)
    };
    after().unwrap_or(text)
}

/// Parses the columns behind zap's level: logger, caller, message, fields. Logger and
/// caller are optional. Only known loggers count, because a message that somebody else
/// chose could pass for one.
///
/// Other consoles pad their messages, too. Without a tab behind the level, only a JSON
/// object at the end proves columns.
fn columns<'a>(text: &'a [u8], loggers: &[String]) -> Option<(&'a [u8], &'a [u8])> {
    let tab = text.starts_with(b"\t");
    (tab || text.starts_with(b"  ")).then_some(())?;
    let mut rest = text.trim_ascii_start();
    for passes in [is_logger, is_caller] {
        if let Some((column, after)) = split_column(rest)
            && passes(column, loggers)
        {
            rest = after;
        }
    }
    let (message, fields) = split_column(rest).unwrap_or((rest, &[]));
    (tab || fields.starts_with(b"{")).then_some((message, fields))
}

/// Splits at a tab, or at two spaces, which some terminals print for it.
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

/// Skips `consensus/state.go:732 > `, `<state.go:732> ` and `comet: ` before a message.
fn skip_names<'a>(text: &'a [u8], loggers: &[String]) -> &'a [u8] {
    let (word, rest) = split_word(text);
    let caller = word.strip_prefix(b"<").unwrap_or(word);
    let caller = caller.strip_suffix(b">").unwrap_or(caller);
    let text = match is_caller(caller, loggers) {
        true => {
            let rest = rest.trim_ascii_start();
            rest.strip_prefix(b"> ").unwrap_or(rest)
        }
        false => text,
    };
    let after = |logger: &String| text.strip_prefix(logger.as_bytes())?.strip_prefix(b": ");
    loggers.iter().find_map(after).unwrap_or(text)
}

pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let len = memchr::memchr2(b' ', b'\t', text).unwrap_or(text.len());
    text.split_at(len)
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
