//! Reads a slog line by line: plain text, gzip or Zstandard, from a file or any other stream.
//!
//! The content shows the compression. gzip may have several members; Zstandard may have
//! several frames, skippable frames, and windows up to 2 GiB. If a compressed stream is
//! damaged, the lines before the damage are delivered and its offset is reported. Memory holds
//! one line, or [`MAX_PART`] bytes of a longer one, and the decoder's window.

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

/// The longest line that is delivered whole, in bytes. Longer lines come in parts of this
/// size.
pub const MAX_PART: usize = 64 << 20;

/// Size of the buffer in bytes, unless a line is longer.
const BUFFER: usize = 1 << 18;

/// A slog, read from its first line to its last.
pub struct SlogFile<R = File> {
    decoder: Decoder<R>,
    buffer: Vec<u8>,
    /// The range of the buffer that is filled and not yet delivered.
    filled: Range<usize>,
    /// Number of bytes at the beginning of `filled` that hold no newline.
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

/// What [`SlogFile::next`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlogItem<'a> {
    /// A line, or a part of one.
    Line(SlogLine<'a>),
    /// The compressed stream is damaged here. Nothing follows.
    Damage(Damage),
}

/// A line, or a part of one longer than [`MAX_PART`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlogLine<'a> {
    /// Its bytes, without the newline.
    pub bytes: &'a [u8],
    /// A newline follows. The last line of a stream may lack it, and may then be cut off.
    pub terminated: bool,
    /// Which part of the line this is.
    pub part: LinePart,
}

/// Which part of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinePart {
    /// All of it.
    Whole,
    /// The first [`MAX_PART`] bytes; more follow.
    First,
    /// More bytes; more follow.
    Middle,
    /// The rest, possibly empty.
    Last,
}

/// The damage in a compressed stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Number of compressed bytes that were used. The first damaged byte may be before that,
    /// because a checksum is checked only at the end of a frame or member.
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
    /// Opens a file for reading only.
    ///
    /// # Errors
    /// An error from the operating system.
    pub fn open(path: impl AsRef<Path>) -> io::Result<SlogFile> {
        SlogFile::new(File::open(path)?)
    }
}

impl<R: Read> SlogFile<R> {
    /// Reads from any stream. Waits for its first four bytes, or its end.
    ///
    /// # Errors
    /// An error from the stream.
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

    /// Returns the next line; `None` at the end.
    ///
    /// # Errors
    /// An error from the stream. Damage in a compressed stream is an item and not an error.
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

    /// Number of bytes before the next newline.
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

    /// Reads more bytes behind the ones that are there, and makes room for them.
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
