//! A slog line by line: plain text, gzip or Zstandard, from a file or any other stream.
//!
//! The compression is told by the content. gzip may have several members, Zstandard several
//! frames, skippable ones and windows up to 2 GiB. Where a compressed stream breaks, the lines
//! before are delivered and the place is named. Memory holds one line, or [`MAX_PART`] bytes of a
//! longer one, and the decoder's window.

mod decoder;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use memchr::memchr;

use crate::source_kind::Compression;
use decoder::{Decoder, Failure};

/// The longest line that is delivered whole, in bytes; longer ones come in parts of this size.
pub const MAX_PART: usize = 64 << 20;

/// What the buffer holds unless a line is longer.
const BUFFER: usize = 1 << 18;

/// A slog, read from its first line to its last.
pub struct SlogFile<R = File> {
    decoder: Decoder<R>,
    buffer: Vec<u8>,
    /// What of the buffer is filled and not yet delivered.
    filled: Range<usize>,
    /// Bytes at the beginning of that in which there is no newline.
    searched: usize,
    /// Parts of the current line were delivered.
    in_line: bool,
    end: End,
}

#[derive(Debug)]
enum End {
    NotYet,
    Sound,
    Damaged(Damage),
}

/// What [`SlogFile::next`] came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlogItem<'a> {
    /// A line, or a part of one.
    Line(SlogLine<'a>),
    /// The compressed stream is broken here. Nothing follows.
    Damage(Damage),
}

/// A line, or a part of one longer than [`MAX_PART`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlogLine<'a> {
    /// Without the newline.
    pub bytes: &'a [u8],
    /// A newline follows. The last line of a stream may be without one, and so may be cut off.
    pub terminated: bool,
    /// Whether this is the line, and if not, what of it.
    pub part: LinePart,
}

/// Which part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinePart {
    /// All of it.
    Whole,
    /// The first [`MAX_PART`] bytes; others follow.
    First,
    /// More bytes; others follow.
    Middle,
    /// The rest, perhaps no byte.
    Last,
}

/// Where a compressed stream breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Compressed bytes that were used up to there. The first damaged byte may lie before it:
    /// a checksum tells of it only at the end of a frame or member.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at offset {}; the lines before it were read, copy the file again to get the rest",
            self.what, self.offset
        )
    }
}

impl SlogFile<File> {
    /// Opens a file, for reading only.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<SlogFile> {
        SlogFile::new(File::open(path)?)
    }
}

impl<R: Read> SlogFile<R> {
    /// Reads from any stream. Waits for its first four bytes, or its end.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn new(reader: R) -> io::Result<SlogFile<R>> {
        Ok(SlogFile {
            decoder: Decoder::new(reader)?,
            buffer: vec![0; BUFFER],
            filled: 0..0,
            searched: 0,
            in_line: false,
            end: End::NotYet,
        })
    }

    /// How the stream is compressed.
    pub fn compression(&self) -> Compression {
        self.decoder.compression()
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// Those of the stream. Damage in a compressed stream is not an error but an item.
    #[allow(
        clippy::should_implement_trait,
        reason = "a line borrows from the buffer, which no Iterator can do"
    )]
    pub fn next(&mut self) -> io::Result<Option<SlogItem<'_>>> {
        loop {
            if let Some(len) = self.find_newline() {
                return Ok(Some(self.deliver(len, true, false)));
            }
            match &self.end {
                End::NotYet if self.filled.len() >= MAX_PART => {
                    return Ok(Some(self.deliver(MAX_PART, false, true)));
                }
                End::NotYet => self.fill()?,
                _ if !self.filled.is_empty() || self.in_line => {
                    return Ok(Some(self.deliver(self.filled.len(), false, false)));
                }
                _ => return Ok(self.take_damage()),
            }
        }
    }

    /// Bytes before the next newline.
    fn find_newline(&mut self) -> Option<usize> {
        let filled = self.buffer.get(self.filled.clone()).unwrap_or_default();
        let fresh = filled.get(self.searched..).unwrap_or_default();
        let found = memchr(b'\n', fresh).map(|at| self.searched + at);
        self.searched = found.unwrap_or(filled.len());
        found
    }

    fn deliver(&mut self, len: usize, terminated: bool, more: bool) -> SlogItem<'_> {
        let part = match (self.in_line, more) {
            (false, false) => LinePart::Whole,
            (false, true) => LinePart::First,
            (true, true) => LinePart::Middle,
            (true, false) => LinePart::Last,
        };
        let start = self.filled.start;
        self.filled.start += len + usize::from(terminated);
        self.searched = 0;
        self.in_line = more;
        SlogItem::Line(SlogLine {
            bytes: self.buffer.get(start..start + len).unwrap_or_default(),
            terminated,
            part,
        })
    }

    fn take_damage(&mut self) -> Option<SlogItem<'_>> {
        match std::mem::replace(&mut self.end, End::Sound) {
            End::Damaged(damage) => Some(SlogItem::Damage(damage)),
            _ => None,
        }
    }

    /// Gets more bytes behind those that are there, making room for them.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        if self.filled.len() == self.buffer.len() {
            let longer = (self.buffer.len() * 2).min(MAX_PART);
            self.buffer.resize(longer, 0);
        }
        let room = self.buffer.get_mut(self.filled.end..).unwrap_or_default();
        match self.decoder.read(room) {
            Ok(0) => self.end = End::Sound,
            Ok(len) => self.filled.end += len,
            Err(Failure::Damage(damage)) => self.end = End::Damaged(damage),
            Err(Failure::Io(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(Failure::Io(e)) => return Err(e),
        }
        Ok(())
    }
}
