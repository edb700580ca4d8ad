//! Parses one line of a node's log into message and fields, in any grammar that nodes
//! print.
//!
//! The grammars are: a level and a message, then `key=value` or a JSON object (the
//! consoles of CometBFT, zerolog, zap, charmbracelet, logrus, slog, geth); logfmt alone;
//! JSON objects (the same loggers, OpenTelemetry). Each may stand behind a collector's
//! prefix, or inside an object that a collector made. The result decides whether evidence
//! is released or frozen, so a line that was cut gives fewer fields, never shorter
//! values.

mod colours;
mod head;
mod json;
mod logfmt;
mod parts;
mod prefix;

use std::borrow::Cow;

use haltbox_format::AppHash;

use head::Head;
pub(crate) use parts::Parts;
pub(crate) use prefix::Shape;

/// Most entries in one line. Lost newlines never give more.
const MAX_ENTRIES: usize = 8;
/// Most fields of one entry, which bounds memory on hostile lines. CometBFT's own lines
/// have at most a dozen.
const MAX_FIELDS: usize = 256;

/// Most layers of wrapping that are removed, such as a container's log in a journal in a
/// shipper's object.
const MAX_WRAPS: usize = 3;

/// Lengths of the digests in use as AppHash, in bytes. They count only if nothing but the
/// line's end says that a hash is complete.
const DIGEST_LENGTHS: [usize; 5] = [8, 20, 32, 48, 64];

/// What follows a value, which decides whether it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A delimiter of the grammar follows: the value is complete.
    Closed,
    /// A newline follows: the value is complete, unless the collector ended a part of the
    /// line (journald does when the writer dies).
    Newline,
    /// Nothing follows: the value may continue elsewhere.
    Cut,
}

/// A line without a collector's wrapping, and without colours.
#[derive(Debug)]
pub(crate) struct LogLine<'a> {
    text: Cow<'a, [u8]>,
    end: End,
    /// Shape of what stands before and around its own text.
    shape: Shape,
    /// Offset of its own text.
    own: usize,
}

impl<'a> LogLine<'a> {
    /// The lines in `line`: one, unless a collector wrapped several into one object.
    /// `line` has no newline at its end; `complete` says that one followed.
    pub(crate) fn all(line: &'a [u8], complete: bool) -> Vec<LogLine<'a>> {
        let end = if complete { End::Newline } else { End::Cut };
        let mut lines = Vec::new();
        unwrap(Cow::Borrowed(line), end, Shape::NONE, MAX_WRAPS, &mut lines);
        lines
    }

    /// The whole text, whatever its grammar.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// What follows the line.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// Whether its own text begins with `start`, behind a collector's prefix.
    pub(crate) fn begins_with(&self, start: &str) -> bool {
        self.beginnings()
            .any(|text| text.starts_with(start.as_bytes()))
    }

    /// Shape of what stands before and around its own text.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Its own text, behind a collector's prefix.
    pub(crate) fn own_text(&self) -> &[u8] {
        self.text.get(self.own..).unwrap_or_default()
    }

    /// Whether its own text is a JSON object, in which names and values cannot be
    /// confused.
    pub(crate) fn is_json(&self) -> bool {
        self.own_text().starts_with(b"{")
    }

    /// Every place at which its own text may begin, behind a collector's prefix.
    pub(crate) fn beginnings(&self) -> impl Iterator<Item = &[u8]> {
        prefix::beginnings(self.text())
    }

    /// The line's entries: none if its grammar is unknown, usually one, and more if
    /// newlines between lines were lost.
    ///
    /// `loggers` are the names that may stand before a message.
    pub(crate) fn entries(&self, loggers: &[String]) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        let mut rest = self.own_text();
        while entries.len() < MAX_ENTRIES {
            let headed = Entry::read(rest, self.end, loggers);
            let entry = headed.or_else(|| {
                let first = entries.is_empty();
                first.then(|| Entry::of_logfmt(rest, self.end)).flatten()
            });
            let Some((entry, behind)) = entry else {
                break;
            };
            entries.push(entry);
            if behind.is_empty() {
                break;
            }
            rest = prefix::read(behind).rest;
        }
        entries
    }
}

/// Removes all wrapping of collectors from a line.
fn unwrap<'a>(
    text: Cow<'a, [u8]>,
    end: End,
    around: Shape,
    wraps: usize,
    lines: &mut Vec<LogLine<'a>>,
) {
    let text = trim_carriage_return(text);
    let mut start = Start::of(&text);
    // Colours inside an object are part of its strings.
    let mut collected = start.collected(&text, wraps);
    let text = match collected.is_empty() && colours::are_in(&text) {
        true => {
            let plain = colours::taken_out(text);
            start = Start::of(&plain);
            collected = start.collected(&plain, wraps);
            plain
        }
        false => text,
    };
    let shape = around.with(start.shape);
    if collected.is_empty() {
        return lines.push(LogLine {
            text,
            end: if start.partial { End::Cut } else { end },
            shape,
            own: start.own,
        });
    }
    for (inner, end) in collected {
        unwrap(inner, end, shape.around(), wraps - 1, lines);
    }
}

/// A line after its prefix was parsed.
struct Start {
    /// Offset of its own text.
    own: usize,
    shape: Shape,
    partial: bool,
}

impl Start {
    fn of(text: &[u8]) -> Start {
        let prefix = prefix::read(text);
        Start {
            own: text.len() - prefix.rest.len(),
            shape: prefix.shape,
            partial: prefix.partial,
        }
    }

    /// The lines that a collector wrapped into the object in `text`.
    fn collected(&self, text: &[u8], wraps: usize) -> Vec<(Cow<'static, [u8]>, End)> {
        let own = text.get(self.own..).unwrap_or_default();
        if wraps == 0 || !own.starts_with(b"{") {
            return Vec::new();
        }
        let collected = json::collected(own).into_iter();
        let owned = collected.map(|(text, end)| (Cow::Owned(text.into_owned()), end));
        owned.collect()
    }
}

/// One entry: one call of a node's logger.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Whether it was logged at error level or above.
    pub(crate) error: bool,
    message: Option<Cow<'a, [u8]>>,
    fields: Vec<Field<'a>>,
}

impl<'a> Entry<'a> {
    /// Parses the entry that `text` begins with; returns what follows it.
    fn read(text: &'a [u8], end: End, loggers: &[String]) -> Option<(Entry<'a>, &'a [u8])> {
        if text.starts_with(b"{") {
            let (fields, rest) = json::object(text)?;
            return Some((Entry::of_fields(fields), rest));
        }
        match Head::read(text, loggers)? {
            Head::Columns {
                error,
                message,
                fields,
            } => Some((Entry::of_columns(error, message, fields), &[])),
            Head::Message { error, rest } => {
                let (message, fields) = logfmt::split_message(rest);
                let (fields, rest) = logfmt::fields(fields, end);
                let entry = Entry {
                    error,
                    message: Some(Cow::Borrowed(message)),
                    fields,
                };
                Some((entry, rest))
            }
        }
    }

    /// `time=... level=error msg="..." key=value`: no head, all fields.
    fn of_logfmt(text: &'a [u8], end: End) -> Option<(Entry<'a>, &'a [u8])> {
        logfmt::starts_with_field(text).then_some(())?;
        let (fields, rest) = logfmt::fields(text, end);
        Some((Entry::of_fields(fields), rest))
    }

    /// An entry whose message and level are fields.
    fn of_fields(fields: Vec<Field<'a>>) -> Entry<'a> {
        let mut entry = Entry {
            error: false,
            message: None,
            fields,
        };
        let level = entry.first_text(&json::LEVEL_KEYS);
        entry.error = level.is_some_and(|level| head::is_error_level(&level));
        let message = entry.message_behind_head();
        let message = message.or_else(|| entry.first_text(&json::MESSAGE_KEYS));
        entry.message = message.or_else(|| entry.leading_message());
        entry
    }

    /// The message of a logger that prints time and level, and perhaps the origin, before
    /// it. The first field behind these is the message if it has a message's key; later
    /// fields with such a key are not.
    ///
    /// Without time and level before it, the field may itself be an ordinary one: zerolog
    /// prints its time and its message last.
    fn message_behind_head(&self) -> Option<Cow<'a, [u8]>> {
        let is_of = |field: &Field<'_>, keys: &[&str]| keys.iter().any(|key| field.is(key));
        let heads = [&json::TIME_KEYS[..], &json::LEVEL_KEYS, &json::ORIGIN_KEYS];
        let is_head = |field: &Field<'_>| heads.iter().any(|keys| is_of(field, keys));
        let at = self.fields.iter().position(|field| !is_head(field))?;
        let (head, behind) = self.fields.split_at(at);
        let has = |keys: &[&str]| head.iter().any(|field| is_of(field, keys));
        let message = behind
            .first()
            .filter(|field| is_of(field, &json::MESSAGE_KEYS))?;
        let is_headed = has(&json::TIME_KEYS) && has(&json::LEVEL_KEYS);
        let value = message.value.as_ref().filter(|_| is_headed)?;
        Some(value.text.clone())
    }

    /// The message of a logger that prints time, level and message before all else. A
    /// later field with the same name belongs to the caller.
    fn leading_message(&self) -> Option<Cow<'a, [u8]>> {
        let is_of = |field: &Field<'_>, keys: &[&str]| keys.iter().any(|key| field.is(key));
        let leads = |field: &&Field<'_>| {
            !is_of(field, &json::TIME_KEYS) && !is_of(field, &json::LEVEL_KEYS)
        };
        let first = self.fields.iter().find(leads)?;
        let message = first.value.as_ref().filter(|_| first.is("msg"))?;
        Some(message.text.clone())
    }

    fn of_columns(error: bool, message: &'a [u8], fields: &'a [u8]) -> Entry<'a> {
        Entry {
            error,
            message: Some(Cow::Borrowed(message)),
            fields: json::object(fields).map_or_else(Vec::new, |(fields, _)| fields),
        }
    }

    fn first_text(&self, keys: &[&str]) -> Option<Cow<'a, [u8]>> {
        let key = keys.iter().find(|key| self.has(key))?;
        self.value(key).map(|value| value.text.clone())
    }

    /// Whether the message is exactly one of `texts`. Loggers may capitalise it.
    pub(crate) fn says(&self, texts: &[String]) -> bool {
        let message = self.message.as_deref();
        message.is_some_and(|message| {
            // geth's console quotes a message that is not all ASCII.
            let inner = message.strip_prefix(b"\"");
            let inner = inner.and_then(|inner| inner.strip_suffix(b"\""));
            let message = inner.filter(|inner| !inner.is_ascii()).unwrap_or(message);
            let mut texts = texts.iter();
            texts.any(|text| message.eq_ignore_ascii_case(text.as_bytes()))
        })
    }

    /// The message; empty if it has none.
    pub(crate) fn message(&self) -> &[u8] {
        self.message.as_deref().unwrap_or_default()
    }

    /// Whether the entry is a head with nothing behind it.
    pub(crate) fn is_empty(&self) -> bool {
        self.message().is_empty() && self.fields.is_empty()
    }

    /// Whether a field of that name has a value that begins with one of `starts`.
    pub(crate) fn any_begins(&self, key: &str, starts: &[String]) -> bool {
        let values = self.fields.iter().filter(|field| field.is(key));
        let mut texts = values.filter_map(|field| field.value.as_ref());
        texts.any(|value| {
            let mut starts = starts.iter();
            starts.any(|start| value.text.starts_with(start.as_bytes()))
        })
    }

    /// The number in a field.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.height()
    }

    /// Whether the entry has a field of that name, readable or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields.iter().any(|field| field.is(key))
    }

    /// The value of a field. `None` if it is missing, cut, not a text or number, or
    /// occurs twice with different values.
    pub(crate) fn value(&self, key: &str) -> Option<&Value<'a>> {
        let mut values = self.fields.iter().filter(|field| field.is(key));
        let value = values.next()?.value.as_ref()?;
        values
            .all(|other| {
                other
                    .value
                    .as_ref()
                    .is_some_and(|other| other.text == value.text)
            })
            .then_some(value)
    }
}

/// A key and its value. The value is `None` if it is cut, or neither text nor number.
#[derive(Debug)]
struct Field<'a> {
    key: Cow<'a, [u8]>,
    value: Option<Value<'a>>,
}

impl Field<'_> {
    fn is(&self, key: &str) -> bool {
        self.key.as_ref() == key.as_bytes()
    }
}

/// A field's value as it is printed (logfmt's escapes are left in place).
#[derive(Clone, Debug)]
pub(crate) struct Value<'a> {
    text: Cow<'a, [u8]>,
    end: End,
}

impl Value<'_> {
    /// The bytes.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// What follows the value; never [`End::Cut`].
    pub(crate) fn end(&self) -> End {
        self.end
    }

    /// Parses a height: decimal digits and nothing else.
    pub(crate) fn height(&self) -> Option<u64> {
        let digits = std::str::from_utf8(&self.text).ok()?;
        digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
        digits.parse().ok()
    }

    /// Parses an AppHash of at least one byte: hex digits and nothing else.
    pub(crate) fn hash(&self) -> Option<AppHash> {
        whole_hash(&self.text, self.end).filter(|hash| !hash.as_bytes().is_empty())
    }
}

/// Parses an AppHash. `None` if its digits are of mixed case, or if `end` does not prove
/// that the digits are complete.
///
/// Mixed case means that the next line's first letters ("Dec", "Feb") were read as
/// digits.
pub(crate) fn whole_hash(hex: &[u8], end: End) -> Option<AppHash> {
    let mixed = hex.iter().any(u8::is_ascii_uppercase) && hex.iter().any(u8::is_ascii_lowercase);
    let hash = AppHash::from_hex(hex).filter(|_| !mixed)?;
    let believed = match end {
        End::Closed => true,
        End::Newline => DIGEST_LENGTHS.contains(&hash.as_bytes().len()),
        End::Cut => false,
    };
    believed.then_some(hash)
}

/// Terminals and `docker run -t` end lines with CR LF.
fn trim_carriage_return(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(line) => Cow::Borrowed(line.strip_suffix(b"\r").unwrap_or(line)),
        Cow::Owned(mut line) => {
            line.pop_if(|last| *last == b'\r');
            Cow::Owned(line)
        }
    }
}
