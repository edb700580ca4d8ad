//! Parses what collectors put before a line: journald, syslog, docker, Kubernetes,
//! supervisors, and whatever an operator may have added.
//!
//! No list of them would be complete. So the parser recognises the head of an entry, and
//! accepts before it anything with the shape of a prefix: times, brackets, names of hosts
//! and processes, a few words; no sentence, no quotes, no fields.

use super::head::{self, MAX_TIME, split_word};

const MAX_TOKENS: usize = 16;
const MAX_BYTES: usize = 512;
/// `[program:...]`, `(...)`.
const MAX_GROUP: usize = 128;
const MAX_WORD: usize = 64;
/// Most words that are neither time nor process: a host, a month of any language.
const MAX_WORDS: usize = 4;
/// Most names. `SwingSet: vat: v9: ERR ...` was printed by a contract, `agd: ERR ...` was
/// written by syslog.
const MAX_NAMES: usize = 1;

const CALENDAR: [&[u8]; 19] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
    b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
];

/// The prefix before a line's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix<'a> {
    /// The line's own text.
    pub(super) rest: &'a [u8],
    /// Whether Kubernetes marked the line as a part.
    pub(super) partial: bool,
    /// Kinds of words in the prefix.
    pub(super) shape: Shape,
}

/// Fingerprint of a prefix: the kinds of its words, and the names in it.
///
/// The lines of one node share one shape. Text that somebody else chose stands behind
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    digest: u64,
    /// Whether it has words that may be anything.
    pub(crate) is_loose: bool,
}

impl Shape {
    pub(super) const NONE: Shape = Shape {
        digest: 0xcbf2_9ce4_8422_2325,
        is_loose: false,
    };

    /// The shape of a line inside an object with this shape. A node that prints plain
    /// lines never wraps one, so anybody may have written such a line.
    pub(super) fn around(self) -> Shape {
        let mut shape = self;
        shape.add(b'{', &[]);
        shape.is_loose = true;
        shape
    }

    /// This shape with `inner` inside it. An inner prefix without words says nothing
    /// about who wrote the line: a dying process prints no time.
    pub(super) fn with(self, inner: Shape) -> Shape {
        let mut both = self;
        if inner.is_loose {
            both.add(b'i', &inner.digest.to_le_bytes());
            both.is_loose = true;
        }
        both
    }

    /// FNV-1a, over a few bytes for each line, compared with one other digest.
    fn add(&mut self, kind: u8, name: &[u8]) {
        let bytes = [kind].into_iter().chain(name.iter().copied());
        for byte in bytes.filter(|byte| !byte.is_ascii_digit()) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Parses the prefix of `text`: everything before a head. Without a head, everything that
/// no sentence begins with.
pub(super) fn read(text: &[u8]) -> Prefix<'_> {
    let mut walk = Walk::new(text);
    let mut strict = walk.prefix();
    while !head::stands_at(walk.rest) {
        if !walk.step() {
            return strict;
        }
        if !walk.is_loose() {
            strict = walk.prefix();
        }
    }
    match walk.says {
        0 => walk.prefix(),
        _ => strict,
    }
}

/// Whether the text begins with a head, or with a prefix without words and then a head.
pub(super) fn is_headed(text: &[u8]) -> bool {
    let prefix = read(text);
    !prefix.shape.is_loose && head::stands_at(prefix.rest)
}

/// Every place at which the text behind a prefix may begin.
pub(super) fn beginnings(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut walk = Walk::new(text);
    let mut next = Some((walk.rest, 0));
    let places = std::iter::from_fn(move || {
        let now = next?;
        next = walk.step().then_some((walk.rest, walk.says));
        Some(now)
    });
    places.filter_map(|(rest, says)| (says == 0).then_some(rest))
}

struct Walk<'a> {
    whole: usize,
    rest: &'a [u8],
    partial: bool,
    shape: Shape,
    tokens: usize,
    /// Words since the last process or bar.
    words: usize,
    names: usize,
    /// Words behind a name. They are its message unless a process follows.
    says: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a [u8]) -> Walk<'a> {
        let rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Walk {
            whole: rest.len(),
            rest: rest.trim_ascii_start(),
            partial: false,
            shape: Shape::NONE,
            tokens: 0,
            words: 0,
            names: 0,
            says: 0,
        }
    }

    fn is_loose(&self) -> bool {
        self.words > 0 || self.names > 0
    }

    fn prefix(&self) -> Prefix<'a> {
        let mut shape = self.shape;
        shape.is_loose = self.is_loose();
        Prefix {
            rest: self.rest,
            partial: self.partial,
            shape,
        }
    }

    /// Consumes one token. `false` if the next token cannot stand in a prefix.
    fn step(&mut self) -> bool {
        self.tokens += 1;
        let taken = self.whole - self.rest.len();
        if self.tokens > MAX_TOKENS || taken > MAX_BYTES {
            return false;
        }
        let after = self.group().or_else(|| self.word());
        let Some(after) = after else {
            return false;
        };
        self.rest = after.trim_ascii_start();
        true
    }

    /// `[AGD]`, `[program:x] `, `<13>`, `(1)`
    fn group(&mut self) -> Option<&'a [u8]> {
        let (open, inside) = self.rest.split_first()?;
        let close = match open {
            b'[' => b']',
            b'<' => b'>',
            b'(' => b')',
            _ => return None,
        };
        let len = inside.iter().take(MAX_GROUP).position(|b| *b == close)?;
        let (inside, after) = inside.split_at(len);
        (!inside.contains(&b'=') && !inside.contains(&b'"')).then_some(())?;
        self.shape.add(*open, &[]);
        let after = after.get(1..).unwrap_or_default();
        Some(after.strip_prefix(b":").unwrap_or(after))
    }

    fn word(&mut self) -> Option<&'a [u8]> {
        let (word, after) = split_word(self.rest);
        if word == b"|" {
            return Some(self.settled(b'|', after));
        }
        if let Some(after) = self.stream(word, after) {
            return Some(after);
        }
        if is_time(word) || is_zone(word) {
            self.shape.add(b't', &[]);
            return Some(after);
        }
        if word == b"-" || word == b"::" {
            return Some(after);
        }
        if let Some(process) = process(word) {
            self.shape.add(b'p', process);
            return Some(self.settled(b'p', after));
        }
        self.other(word, after)
    }

    /// `stderr F `: printed by containerd.
    fn stream(&mut self, word: &[u8], after: &'a [u8]) -> Option<&'a [u8]> {
        (word == b"stdout" || word == b"stderr").then_some(())?;
        let (tag, after) = split_word(after.trim_ascii_start());
        // `F`, or several tags: `P:x`.
        let tag = tag.split(|b| *b == b':').next().unwrap_or(tag);
        self.partial = tag == b"P";
        matches!(tag, b"P" | b"F").then_some(())?;
        // The text follows, with all its spaces.
        Some(self.settled(b'k', after.get(1..).unwrap_or_default()))
    }

    /// The words so far turn out to be the names of a host or a container.
    fn settled(&mut self, kind: u8, after: &'a [u8]) -> &'a [u8] {
        self.shape.add(kind, &[]);
        self.words = 0;
        self.says = 0;
        after
    }

    fn other(&mut self, word: &[u8], after: &'a [u8]) -> Option<&'a [u8]> {
        let plain = |b: &u8| !b.is_ascii_control() && !b"\"'={}[]<>()|:;!?`\\".contains(b);
        let (name, rest) = match word.strip_suffix(b":") {
            Some(name) => (name, true),
            None => (word, false),
        };
        let fits = (1..=MAX_WORD).contains(&name.len()) && name.iter().all(plain);
        (fits && !after.is_empty()).then_some(())?;
        match rest {
            true => {
                self.names += 1;
                self.shape.add(b'n', name);
                (self.names <= MAX_NAMES).then_some(after)
            }
            false => {
                self.words += 1;
                self.says += usize::from(self.names > 0);
                self.shape.add(b'w', &[]);
                (self.words <= MAX_WORDS).then_some(after)
            }
        }
    }
}

/// `2:28PM`, `2023-08-30T11:55:49.071Z`, `16:33:12`, `20`, `Nov`,
/// `@400000006543210f2ef02e94`
fn is_time(word: &[u8]) -> bool {
    let is_part = |b: &u8| b.is_ascii_digit() || b":.,+-/TZ|".contains(b);
    let clock = word
        .strip_suffix(b"AM")
        .or(word.strip_suffix(b"PM"))
        .unwrap_or(word);
    let tai = word.strip_prefix(b"@");
    CALENDAR.contains(&word)
        || tai.is_some_and(|tai| tai.len() >= 16 && tai.iter().all(u8::is_ascii_hexdigit))
        || clock.len() <= MAX_TIME
            && clock.first().is_some_and(u8::is_ascii_digit)
            && clock.iter().all(is_part)
}

/// `UTC`, `CEST`: journald's `short-full` names the zone.
fn is_zone(word: &[u8]) -> bool {
    (2..=5).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase)
}

/// `agd[123]:`, `agd[123]`: the program's name.
fn process(word: &[u8]) -> Option<&[u8]> {
    let word = word.strip_suffix(b":").unwrap_or(word);
    let inside = word.strip_suffix(b"]")?;
    let open = memchr::memrchr(b'[', inside)?;
    let (name, pid) = inside.split_at(open);
    let pid = pid.get(1..).unwrap_or_default();
    let digits = !pid.is_empty() && pid.iter().all(u8::is_ascii_digit);
    (digits && !name.is_empty()).then_some(name)
}
