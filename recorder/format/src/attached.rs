//! Files of an attached recorder, beside a ring that its host writes.
//!
//! The host owns the ring, and the attached recorder writes nothing into it. It keeps
//! marks from the node's log and from other nodes in a file of its own. `docs/format.md`
//! has the bytes.

use crate::app_hash::RingId;
use crate::mark::{
    Attempt, Mark, Note, Position, Session, SourceMark, Stamp, decode_marks, encode_mark,
    encode_stamp,
};

/// Name of the folder beside the ring.
pub const FOLDER: &str = "attached";
/// Name of the file in that folder that holds the marks.
pub const STATE: &str = "told";
/// Prefix of the names of the files that hold lines of the node's log.
pub const LINES: &str = "log.";

const MAGIC: [u8; 8] = *b"HBXTOLD\x01";
/// Bytes before the marks: magic, checksum, ring id, and the end of the kept lines.
const HEAD: usize = 8 + 4 + 16 + 8 + 8;
/// Marks this far below the newest height are removed, except verdicts.
const HEIGHTS: u64 = 64;
/// Most marks that are kept.
const MOST: usize = 1024;
/// Most blocks that do not stand and wait for a box whose marks outlast the others: the
/// newest. A recorder keeps fewer at once, but a box of some may never come.
const OWED: usize = 32;
/// Most notes that are kept.
const NOTES: usize = 16;

/// State of an attached recorder: its session, how far it read the node's log, and marks
/// about blocks of the ring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttachedState {
    ring: Option<RingId>,
    /// Session of the attached recorder.
    pub session: Option<Session>,
    /// Whether the recorder ended normally.
    pub closed: bool,
    /// How far it read the node's log.
    pub source: Option<SourceMark>,
    /// URLs of the nodes that it asks.
    pub asked: Vec<String>,
    /// End of the kept log lines. A recorder that continues cuts the newest file here, so
    /// that it does not keep a line twice.
    pub lines: LinesEnd,
    /// Time of the state, milliseconds since 1970.
    pub time_ms: u64,
    notes: Vec<Noted>,
    marks: Vec<Mark>,
}

/// A note with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Text of the note.
    pub text: String,
}

/// End of the kept lines: the newest file and its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinesEnd {
    /// Number of the file.
    pub file: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

impl AttachedState {
    /// Binds the state to `ring`, and removes the marks if they are about another ring.
    pub fn of_ring(&mut self, ring: Option<RingId>) {
        if self.ring != ring {
            self.ring = ring;
            self.marks.clear();
        }
    }

    /// Whether the marks are about `ring`.
    pub fn is_of(&self, ring: Option<RingId>) -> bool {
        ring.is_some() && self.ring == ring
    }

    /// Highest height that a mark is about.
    pub fn reach(&self) -> Option<u64> {
        let heights = self.marks.iter().filter_map(about).map(|of| of.height);
        heights.max()
    }

    /// Marks about blocks, oldest first.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Marks that a power cut must not lose: verdicts and pins.
    pub fn serious(&self) -> impl Iterator<Item = &Mark> {
        let serious = |mark: &&Mark| is_verdict(mark) || matches!(mark, Mark::Pin(_));
        self.marks.iter().filter(serious)
    }

    /// Notes, oldest first.
    pub fn notes(&self) -> &[Noted] {
        &self.notes
    }

    /// Adds a note, and removes the oldest beyond the limit.
    pub fn note(&mut self, at_ms: u64, text: String) {
        self.notes.push(Noted { at_ms, text });
        let surplus = self.notes.len().saturating_sub(NOTES);
        self.notes.drain(..surplus);
    }

    /// Adds the marks that are about a block, and removes old ones beyond the limits.
    /// Verdicts (Diverged, Frozen) are removed last, and so are the marks of blocks that do
    /// not stand and have no box: a running chain adds marks every second and would push
    /// them out.
    pub fn add(&mut self, marks: impl IntoIterator<Item = Mark>) {
        let told = marks.into_iter().filter(|mark| about(mark).is_some());
        self.marks.extend(told);
        let newest = self.reach().unwrap_or(0);
        let near = |of: Attempt| of.height.saturating_add(HEIGHTS) > newest;
        let owed = self.owed();
        let is_lasting = |mark: &Mark| is_verdict(mark) || is_of_owed(mark, &owed);
        self.marks
            .retain(|mark| is_lasting(mark) || about(mark).is_some_and(near));
        let mut surplus = self.marks.len().saturating_sub(MOST);
        self.marks.retain(|mark| {
            let goes = surplus > 0 && !is_lasting(mark);
            surplus -= usize::from(goes);
            !goes
        });
        let surplus = self.marks.len().saturating_sub(MOST);
        self.marks.drain(..surplus);
    }

    /// Blocks that do not stand, and that no box holds since that was told.
    fn owed(&self) -> Vec<Attempt> {
        let mut owed: Vec<Attempt> = Vec::new();
        for mark in &self.marks {
            match mark {
                Mark::Pin(pin) if pin.broken && !owed.contains(&pin.of) => owed.push(pin.of),
                Mark::Frozen(frozen) => owed.retain(|of| *of != frozen.of),
                _ => {}
            }
        }
        let surplus = owed.len().saturating_sub(OWED);
        owed.split_off(surplus)
    }

    /// Whether a mark says that a box of the attempt is durable.
    pub fn holds_a_box_of(&self, of: Attempt) -> bool {
        let mut marks = self.marks.iter();
        marks.any(|mark| matches!(mark, Mark::Frozen(frozen) if frozen.of == of))
    }

    /// The bytes of the file. `at`: position in the ring at the last look.
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

    /// Parses the file. `None` if its magic or checksum is wrong, as after a power cut.
    pub fn decode(bytes: &[u8]) -> Option<AttachedState> {
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
        let mut told = AttachedState {
            ring: (ring != [0; 16]).then_some(RingId(ring)),
            lines: LinesEnd {
                file: number(28)?,
                bytes: number(36)?,
            },
            time_ms: stamp.time_ms,
            ..AttachedState::default()
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

/// A mark that says that an owed block does not stand, or which block that is.
fn is_of_owed(mark: &Mark, owed: &[Attempt]) -> bool {
    let tells = match mark {
        Mark::Pin(pin) => pin.broken,
        Mark::Begin(_) | Mark::LocalHash(_) => true,
        _ => false,
    };
    tells && about(mark).is_some_and(|of| owed.contains(&of))
}

/// The attempt that a mark beside a ring is about; `None` for marks of other types, which
/// are not kept there.
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

/// Bits of a line's first word that hold its length.
const LENGTH: u32 = (1 << 30) - 1;
/// Bit of a line's first word: the line end never came.
const UNTERMINATED: u32 = 1 << 31;
/// Bytes before a line: length with flag, then CRC-32.
pub const LINE_HEAD: usize = 8;

/// Appends one line of the node's log in the form of the file.
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

/// Iterates over the lines of a `log.N` file, each with whether its line end came. Ends
/// at the first line whose checksum is wrong: a live recorder may be writing it, and a
/// wrong length does not lead to the next line.
pub struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// Lines of these bytes.
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
