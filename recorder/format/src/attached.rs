//! What an attached recorder keeps beside a ring that its host writes.
//!
//! The ring is the host's, and nothing is noted in it. What the node's log and
//! other nodes tell is kept as marks in a file of their own. `docs/format.md` has the
//! bytes.

use crate::app_hash::RingId;
use crate::mark::{
    Attempt, Mark, Note, Position, Session, SourceMark, Stamp, decode_marks, encode_mark,
    encode_stamp,
};

/// Name of the folder beside the ring.
pub const FOLDER: &str = "attached";
/// Name of the file in it that holds the marks.
pub const TOLD: &str = "told";
/// How the names of the files begin that hold lines of the node's log.
pub const LINES: &str = "log.";

const MAGIC: [u8; 8] = *b"HBXTOLD\x01";
/// Bytes before the marks: magic, checksum, ring, and how far the lines reach.
const HEAD: usize = 8 + 4 + 16 + 8 + 8;
/// Heights below the newest that are remembered, unless something is wrong there.
const HEIGHTS: u64 = 64;
/// Marks that are remembered.
const MOST: usize = 1024;
/// Notes that are remembered.
const NOTES: usize = 16;

/// What was told beside a ring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    ring: Option<RingId>,
    /// Who tells it.
    pub session: Option<Session>,
    /// It ended in order.
    pub closed: bool,
    /// How far the node's log was read.
    pub source: Option<SourceMark>,
    /// Nodes that are asked.
    pub asked: Vec<String>,
    /// Where the lines end that belong to it.
    pub lines: LinesEnd,
    /// When it was written, milliseconds since 1970.
    pub time_ms: u64,
    notes: Vec<Noted>,
    marks: Vec<Mark>,
}

/// A sentence, and when it was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The sentence.
    pub text: String,
}

/// Where kept lines end: in which file, and at which byte of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesEnd {
    /// Number of the file.
    pub file: u64,
    /// Its bytes.
    pub bytes: u64,
}

impl Told {
    /// Of another ring nothing was told.
    pub fn of_ring(&mut self, ring: Option<RingId>) {
        if self.ring != ring {
            self.ring = ring;
            self.marks.clear();
        }
    }

    /// It is told of this ring.
    pub fn is_of(&self, ring: Option<RingId>) -> bool {
        ring.is_some() && self.ring == ring
    }

    /// The greatest height that anything was told of.
    pub fn reach(&self) -> Option<u64> {
        let heights = self.marks.iter().filter_map(about).map(|of| of.height);
        heights.max()
    }

    /// What is told of blocks, oldest first.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// What is told that must not be lost to a power cut.
    pub fn serious(&self) -> impl Iterator<Item = &Mark> {
        let serious = |mark: &&Mark| is_verdict(mark) || matches!(mark, Mark::Pin(_));
        self.marks.iter().filter(serious)
    }

    /// What was noted, oldest first.
    pub fn notes(&self) -> &[Noted] {
        &self.notes
    }

    /// Notes a sentence.
    pub fn note(&mut self, at_ms: u64, text: String) {
        self.notes.push(Noted { at_ms, text });
        let surplus = self.notes.len().saturating_sub(NOTES);
        self.notes.drain(..surplus);
    }

    /// Keeps what says something of a block. What says that something is wrong goes
    /// last: a chain that goes on tells more of its blocks each second.
    pub fn add(&mut self, marks: impl IntoIterator<Item = Mark>) {
        let told = marks.into_iter().filter(|mark| about(mark).is_some());
        self.marks.extend(told);
        let newest = self.reach().unwrap_or(0);
        let near = |of: Attempt| of.height.saturating_add(HEIGHTS) > newest;
        self.marks
            .retain(|mark| is_verdict(mark) || about(mark).is_some_and(near));
        let mut surplus = self.marks.len().saturating_sub(MOST);
        self.marks.retain(|mark| {
            let goes = surplus > 0 && !is_verdict(mark);
            surplus -= usize::from(goes);
            !goes
        });
        let surplus = self.marks.len().saturating_sub(MOST);
        self.marks.drain(..surplus);
    }

    /// A box of the attempt is durable.
    pub fn holds_a_box_of(&self, of: Attempt) -> bool {
        let mut marks = self.marks.iter();
        marks.any(|mark| matches!(mark, Mark::Frozen(frozen) if frozen.of == of))
    }

    /// The bytes of the file.
    pub fn encode(&self, at: Position) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0; 4]);
        bytes.extend(self.ring.map_or([0; 16], |ring| ring.0));
        bytes.extend(self.lines.file.to_le_bytes());
        bytes.extend(self.lines.bytes.to_le_bytes());
        let time_ms = self.time_ms;
        encode_stamp(&Stamp { at, time_ms }, &mut bytes);
        let session = self.session.clone().map(Mark::Session);
        let close = self.closed.then_some(Mark::Close);
        let source = self.source.clone().map(Mark::Source);
        let asked = self.asked.iter().map(|url| Mark::Note(asks(url)));
        let notes = self.notes.iter().map(|noted| {
            let text = format!("{} {}", noted.at_ms, noted.text);
            Mark::Note(Note { text })
        });
        let own = session.into_iter().chain(close).chain(source);
        let own: Vec<Mark> = own.chain(asked).chain(notes).collect();
        let marks = own.iter().chain(&self.marks);
        marks.for_each(|mark| encode_mark(mark, &mut bytes));
        let crc = crc32fast::hash(&bytes[12..]).to_le_bytes();
        bytes[8..12].copy_from_slice(&crc);
        bytes
    }

    /// Reads them; `None` where they do not prove themselves, as after a power cut.
    pub fn decode(bytes: &[u8]) -> Option<Told> {
        let (head, marks) = bytes.split_first_chunk::<HEAD>()?;
        let number = |at: usize| {
            let bytes = head.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let crc = u32::from_le_bytes(head.get(8..12)?.try_into().ok()?);
        if head.get(..8)? != MAGIC || crc32fast::hash(bytes.get(12..)?) != crc {
            return None;
        }
        let ring: [u8; 16] = head.get(12..28)?.try_into().ok()?;
        let (stamp, marks) = decode_marks(marks)?;
        let mut told = Told {
            ring: (ring != [0; 16]).then_some(RingId(ring)),
            lines: LinesEnd {
                file: number(28)?,
                bytes: number(36)?,
            },
            time_ms: stamp.time_ms,
            ..Told::default()
        };
        marks.into_iter().for_each(|mark| told.take(mark));
        Some(told)
    }

    fn take(&mut self, mark: Mark) {
        match mark {
            Mark::Session(session) => self.session = Some(session),
            Mark::Close => self.closed = true,
            Mark::Source(source) => self.source = Some(source),
            Mark::Note(note) => match note.text.strip_prefix(ASKS) {
                Some(url) => self.asked.push(url.to_owned()),
                None => self.notes.extend(Noted::read(&note.text)),
            },
            mark => self.marks.push(mark),
        }
    }
}

impl Noted {
    fn read(note: &str) -> Option<Noted> {
        let (at_ms, text) = note.split_once(' ')?;
        let text = text.to_owned();
        let at_ms = at_ms.parse().ok()?;
        Some(Noted { at_ms, text })
    }
}

const ASKS: &str = "asks ";

fn asks(url: &str) -> Note {
    Note {
        text: format!("{ASKS}{url}"),
    }
}

fn is_verdict(mark: &Mark) -> bool {
    matches!(mark, Mark::Diverged(_) | Mark::Frozen(_))
}

/// The block that a mark says something of, which stands beside a ring.
pub fn about(mark: &Mark) -> Option<Attempt> {
    match mark {
        Mark::Begin(begin) => Some(begin.of),
        Mark::LocalHash(hash) => Some(hash.of),
        Mark::Release(release) => Some(release.of),
        Mark::Pin(pin) if !pin.over => Some(pin.of),
        Mark::Diverged(diverged) => Some(diverged.of),
        Mark::Frozen(frozen) => Some(frozen.of),
        _ => None,
    }
}

/// Length of a line, in the first four bytes before it.
const LENGTH: u32 = (1 << 30) - 1;
/// Its end never came.
const UNTERMINATED: u32 = 1 << 31;
/// Bytes before a line.
pub const LINE_HEAD: usize = 8;

/// One line of the node's log, as it is kept.
pub fn encode_line(bytes: &[u8], terminated: bool, out: &mut Vec<u8>) {
    let bytes = &bytes[..bytes.len().min(LENGTH as usize)];
    let flag = if terminated { 0 } else { UNTERMINATED };
    let word = (bytes.len() as u32 | flag).to_le_bytes();
    out.extend(word);
    out.extend(checksum(word, bytes).to_le_bytes());
    out.extend(bytes);
}

fn checksum(word: [u8; 4], bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&word);
    crc.update(bytes);
    crc.finalize()
}

/// The lines of a file, and whether each ended. The last may be half written by a
/// live recorder; behind one that does not prove itself nothing can be found.
pub struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// Of these bytes.
    pub fn of(bytes: &'a [u8]) -> Lines<'a> {
        Lines(bytes)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], bool);

    fn next(&mut self) -> Option<(&'a [u8], bool)> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let head = u32::from_le_bytes(*word);
        let (line, rest) = rest.split_at_checked((head & LENGTH) as usize)?;
        if checksum(*word, line) != u32::from_le_bytes(*crc) {
            return None;
        }
        self.0 = rest;
        Some((line, head & UNTERMINATED == 0))
    }
}

#[cfg(test)]
mod tests;
