//! Reads Agoric's own flight recorder, `flight-recorder.bin`, including damaged files.
//!
//! The file is a 32-byte header and an arena that the recorder writes around and around. A
//! record is a big-endian u64 length and a payload: a newline and one slog entry as JSON.
//! There is no checksum and no sequence number, and the recorder's own reader stops at the
//! first thing that does not fit. This reader resynchronises. It delivers every intact record,
//! oldest first, including records that the recorder itself no longer counts, and it reports
//! each byte that it did not deliver. It opens the file for reading only. In memory it holds a
//! chunk of the file, or the largest record (two across the arena's end) if that is more.
//!
//! Nothing may write to the file meanwhile: the recorder's header is always a little behind
//! its records.

mod header;
mod order;
mod scan;
mod survey;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::vec;

use thiserror::Error;

pub use header::Fault;
pub use window::ReadAt;

use header::UntrustedHeader;
use order::Piece;
use scan::{Placed, Step};
use window::{HEADER_LEN, Span, Window};

/// Bytes that [`AgoricRing::probe`] searches for a record.
const PROBE_LEN: u64 = 16 << 20;

/// A `flight-recorder.bin`, read from its oldest record to its newest.
pub struct AgoricRing<S = File> {
    window: Window<S>,
    pieces: vec::IntoIter<Piece>,
    at: u64,
    /// The second half of a gap across the arena's end.
    held: Option<Skip>,
    newest_end: u64,
    order: Order,
    faults: Vec<Fault>,
}

/// What [`AgoricRing::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// One entry as it was given to the recorder: JSON, without the newline in front of it.
    Record(&'a [u8]),
    /// Bytes that are not an intact record.
    Skipped(Skip),
}

/// A range of the file that was not delivered. Together with the records and the header, these
/// ranges cover the file exactly once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skip {
    /// From the beginning of the file.
    pub offset: u64,
    /// Bytes, at least 1.
    pub len: u64,
    /// What is there, or should be.
    pub why: Why,
}

/// Why bytes were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Only zeros: never written.
    Blank,
    /// Directly behind the newest record: the rest of a record that was being overwritten, or one
    /// that was half written when the recorder stopped. Every ring that has wrapped has this.
    Overwritten,
    /// A length that no record here can have.
    Length {
        /// The length prefix.
        found: u64,
        /// Bytes available for a payload.
        room: u64,
    },
    /// The length fits, but the payload is not one whole JSON entry.
    NotJson {
        /// Bytes of payload by the length prefix.
        len: u64,
    },
    /// Too few bytes for a length prefix.
    Cut,
    /// Not in the file, because the file ends before the arena does.
    Missing,
    /// Behind the arena: the rest of a record that was written past its end and was then
    /// overwritten.
    PastTheArena,
    /// The record across the arena's end is intact in two ways, split and written past the end,
    /// with different bytes. It is unknown which one was written.
    Ambiguous,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Blank => write!(f, "never written"),
            Why::Overwritten => write!(f, "remains of a record that was being overwritten"),
            Why::Length { found, room } => {
                write!(f, "length prefix {found}, expected 2 to {room}")
            }
            Why::NotJson { len } => {
                write!(
                    f,
                    "the {len} bytes after the length prefix are not a JSON entry"
                )
            }
            Why::Cut => write!(f, "too few bytes for a length prefix"),
            Why::Missing => write!(f, "missing: the file ends before the arena does"),
            Why::PastTheArena => write!(f, "after the arena, not part of an intact record"),
            Why::Ambiguous => write!(
                f,
                "ambiguous: the record across the arena's end can be read in two ways, both \
                 complete"
            ),
        }
    }
}

/// The evidence for the order of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The header's end pointer, confirmed by the records.
    Header,
    /// The place where the `time` of the entries falls back most.
    Time,
    /// The only gap between the records.
    Gap,
    /// The record that was written past the arena's end, which is the newest.
    Overrun,
    /// None: arena order, which may begin in the middle of the history.
    Unknown,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Header => "the header's end pointer",
            Order::Time => "the point where the times of the entries jump back",
            Order::Gap => "the only gap between the records",
            Order::Overrun => "the record past the arena's end, which is the newest",
            Order::Unknown => "nothing: the records are in arena order",
        })
    }
}

/// Why a file could not be opened as Agoric's recorder file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system could not read the file.
    #[error("cannot read the file: {e}", e = .0)]
    Io(io::Error),
    /// The file is shorter than a header and one byte of arena.
    #[error(
        "not an Agoric flight recorder: the file has {len} bytes, expected a header of \
         {HEADER_LEN} bytes and an arena; check that it was copied completely"
    )]
    TooShort {
        /// Bytes of the file.
        len: u64,
    },
    /// The magic is wrong, and no intact record was found.
    #[error(
        "not an Agoric flight recorder: the file begins with \"{}\", expected \
         \"AG-SLOG!\", and a scan found no record in it; check that it is the right file",
        found.escape_ascii()
    )]
    Foreign {
        /// The first eight bytes.
        found: [u8; 8],
    },
}

// By hand: `#[from]` would make it a source too, and its text stands in the message.
impl From<io::Error> for OpenError {
    fn from(e: io::Error) -> OpenError {
        OpenError::Io(e)
    }
}

impl AgoricRing<File> {
    /// Opens a file for reading only.
    ///
    /// # Errors
    /// The errors of [`AgoricRing::from_source`].
    pub fn open(path: impl AsRef<Path>) -> Result<AgoricRing, OpenError> {
        AgoricRing::from_source(File::open(path)?)
    }
}

impl<S: ReadAt> AgoricRing<S> {
    /// Reads such a file from any source of bytes. Reads the records once to find the oldest: only
    /// those from the header's start to its end if the header is right, else all.
    ///
    /// # Errors
    /// [`OpenError::TooShort`] below 33 bytes, [`OpenError::Foreign`] if neither the magic nor a
    /// record is there, [`OpenError::Io`].
    pub fn from_source(source: S) -> Result<AgoricRing<S>, OpenError> {
        let len = source.size()?;
        let present = len.saturating_sub(HEADER_LEN);
        if present == 0 {
            return Err(OpenError::TooShort { len });
        }
        let header = UntrustedHeader::parse(&first_bytes(&source)?);
        let mut window = Window::new(source);
        let plan = order::plan(&mut window, &header, present)?;
        if !header.has_magic() && !plan.any_record {
            let found = header.magic;
            return Err(OpenError::Foreign { found });
        }
        window.enter(Span::default());
        Ok(AgoricRing {
            window,
            pieces: plan.pieces.into_iter(),
            at: 0,
            held: None,
            newest_end: plan.newest_end,
            order: plan.order,
            faults: plan.faults,
        })
    }

    /// Whether an intact record begins within the first 16 MiB. This recognises a ring whose magic
    /// is damaged. Records of other formats are not mistaken for its records.
    ///
    /// # Errors
    /// The errors of the source.
    pub fn probe(source: S) -> io::Result<bool> {
        let arena = source.size()?.saturating_sub(HEADER_LEN);
        let mut window = Window::new(source);
        window.enter(Span::linear(0, arena.min(PROBE_LEN)));
        let found = match scan::step(&mut window, 0)? {
            Step::Gap { end, .. } => scan::step(&mut window, end)?,
            other => other,
        };
        Ok(matches!(found, Step::Record(_)))
    }

    /// The evidence for the order of the records.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The faults of the header. Empty for a ring that was shut down properly.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Returns the next record or gap, oldest first; `None` at the end.
    ///
    /// # Errors
    /// The errors of the source; `UnexpectedEof` if the file became shorter since it was opened.
    #[allow(
        clippy::should_implement_trait,
        reason = "what is found borrows from the ring, which no Iterator can do"
    )]
    pub fn next(&mut self) -> io::Result<Option<Scanned<'_>>> {
        match self.advance()? {
            Some(Next::Record(record)) => {
                let line = scan::line(&mut self.window, record)?;
                Ok(Some(Scanned::Record(line)))
            }
            Some(Next::Skip(skip)) => Ok(Some(Scanned::Skipped(skip))),
            None => Ok(None),
        }
    }

    fn advance(&mut self) -> io::Result<Option<Next>> {
        if let Some(skip) = self.held.take() {
            return Ok(Some(Next::Skip(skip)));
        }
        loop {
            match scan::step(&mut self.window, self.at)? {
                Step::Record(record) => {
                    self.at = record.end();
                    return Ok(Some(Next::Record(record)));
                }
                Step::Gap { start, end, why } => {
                    self.at = end;
                    return Ok(Some(Next::Skip(self.skip(start, end, why))));
                }
                Step::End => match self.pieces.next() {
                    Some(Piece::Scan(span)) => self.enter(span),
                    Some(Piece::Skip(skip)) => return Ok(Some(Next::Skip(skip))),
                    None => return Ok(None),
                },
            }
        }
    }

    fn enter(&mut self, span: Span) {
        self.window.enter(span);
        self.at = span.start;
    }

    /// A gap as a range of the file. A gap across the arena's end is two ranges there.
    fn skip(&mut self, start: u64, end: u64, why: Why) -> Skip {
        let why = match why {
            Why::Blank => Why::Blank,
            _ if start == self.newest_end => Why::Overwritten,
            other => other,
        };
        let span = self.window.span();
        let (offset, run) = span.locate(start);
        let len = run.min(end - start);
        if len < end - start {
            let (offset, _) = span.locate(start + len);
            let len = end - start - len;
            self.held = Some(Skip { offset, len, why });
        }
        Skip { offset, len, why }
    }
}

enum Next {
    Record(Placed),
    Skip(Skip),
}

fn first_bytes<S: ReadAt>(source: &S) -> io::Result<[u8; 32]> {
    let mut raw = [0; 32];
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = raw.get_mut(filled..) {
        match source.read_at(rest, filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(raw)
}
