//! One file of a block: its plain bytes while it grows, and how far they were
//! read.

use std::io;
use std::path::Path;
use std::time::Duration;

use haltbox_format::mark::{Before, SourceMark};
use haltbox_model::block_files::{Clocks, Part};

use super::super::file::{FollowedFile, Got, Passed};
use super::super::inflate::Inflate;
use super::arrivals::Arrived;

/// Most compressed bytes read at once.
const COMPRESSED: usize = 64 << 10;
/// Most bytes kept of a line. A longer one is not searched for clocks or a
/// block.
const LINE_AT_MOST: usize = 1 << 20;

pub(super) struct BlockFile {
    found: Arrived,
    file: FollowedFile,
    inflate: Inflate,
    /// Bytes read from the file and not unpacked yet.
    held: Vec<u8>,
    /// Plain bytes of the first line, read before the file's turn.
    ahead: Vec<u8>,
    handed: usize,
    /// Plain bytes that the caller got.
    read: u64,
    passed: Passed,
    last: LastLine,
    broken: Option<String>,
}

/// Where reading continues.
pub(super) enum Resumed {
    /// At the mark's place. `certain` says that the bytes before it are the
    /// recorded ones.
    There { certain: bool },
    /// At the end of the file, which is before the mark's place.
    Shorter,
    /// Not in this file: it is another one than the mark's.
    Other,
}

impl BlockFile {
    pub(super) fn open(folder: &Path, found: &Arrived) -> io::Result<BlockFile> {
        let (name, file) = open(folder, found)?;
        let mut file = file.written_once();
        file.begin(0)?;
        Ok(BlockFile {
            found: Arrived {
                name,
                ..found.clone()
            },
            file,
            inflate: Inflate::new(),
            held: Vec::new(),
            ahead: Vec::new(),
            handed: 0,
            read: 0,
            passed: Passed::default(),
            last: LastLine::default(),
            broken: None,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.found.name
    }

    pub(super) fn part(&self) -> Part {
        self.found.key.part
    }

    pub(super) fn inode(&self) -> u64 {
        self.file.inode()
    }

    pub(super) fn before(&self) -> Option<Before> {
        self.passed.before()
    }

    pub(super) fn told_by(&self) -> u64 {
        self.passed.told_by()
    }

    pub(super) fn quiet_for(&self) -> Duration {
        self.file.quiet_for()
    }

    /// Whether its writer ended it, or nothing more can be unpacked.
    pub(super) fn is_ended(&self) -> bool {
        self.broken.is_some() || self.inflate.is_ended() == Some(true) && self.held.is_empty()
    }

    /// Whether it has everything that its writer meant to write, if nothing
    /// more comes.
    pub(super) fn is_whole(&self) -> bool {
        let ended = self.inflate.is_ended().unwrap_or(true);
        ended && self.broken.is_none() && self.last.is_whole()
    }

    /// Why nothing more can be read of it.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// The clocks of its last entry.
    pub(super) fn clocks(&self) -> Option<Clocks> {
        Clocks::of(&self.last.whole)
    }

    /// Reads at most one chunk of plain bytes.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<Got> {
        let ahead = self.ahead.get(self.handed..).unwrap_or_default();
        let count = ahead.len().min(chunk.len());
        if let (Some(to), Some(from), true) =
            (chunk.get_mut(..count), ahead.get(..count), count > 0)
        {
            to.copy_from_slice(from);
            self.handed += count;
            self.took(chunk.get(..count).unwrap_or_default());
            return Ok(Got::Bytes(count));
        }
        let got = self.make(chunk)?;
        if let Got::Bytes(count) = got {
            self.took(chunk.get(..count).unwrap_or_default());
        }
        Ok(got)
    }

    fn took(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        self.passed.took(bytes);
        self.last.took(bytes);
    }

    /// Unpacks the next plain bytes. `End` if there are none now.
    fn make(&mut self, chunk: &mut [u8]) -> io::Result<Got> {
        while self.broken.is_none() {
            match self.inflate.step(&self.held, chunk) {
                Ok(step) => {
                    self.held.drain(..step.used);
                    if step.made > 0 {
                        return Ok(Got::Bytes(step.made));
                    }
                    if step.used > 0 {
                        continue;
                    }
                }
                Err(error) => {
                    self.broken = Some(format!("it is damaged: {error}"));
                    break;
                }
            }
            let had = self.held.len();
            self.held.resize(had + COMPRESSED, 0);
            let got = self.file.read(self.held.get_mut(had..).unwrap_or_default());
            let count = match got {
                Ok(Got::Bytes(count)) => count,
                _ => 0,
            };
            self.held.truncate(had + count);
            match got? {
                Got::Bytes(_) => {}
                Got::End => break,
                Got::Cut(_) => self.broken = Some("it was truncated".to_owned()),
            }
        }
        Ok(Got::End)
    }

    /// Reads until the first line is whole. Returns whether it is.
    pub(super) fn fill_line(&mut self) -> io::Result<bool> {
        let mut more = vec![0; 4096];
        while !self.has_line() {
            match self.make(&mut more)? {
                Got::Bytes(count) => self.ahead.extend(more.get(..count).unwrap_or_default()),
                Got::End | Got::Cut(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether the first line is whole.
    pub(super) fn has_line(&self) -> bool {
        self.ahead.len() > LINE_AT_MOST || self.ahead.contains(&b'\n')
    }

    /// The first line, once it is whole.
    pub(super) fn first_line(&self) -> &[u8] {
        let mut lines = self.ahead.split(|byte| *byte == b'\n');
        lines.next().unwrap_or_default()
    }

    /// Skips the recorded part.
    pub(super) fn resume(&mut self, mark: &SourceMark) -> io::Result<Resumed> {
        let place = mark.offset;
        let begin = mark.before.as_ref().map(|before| before.begin(place));
        let Some(begin) = begin.unwrap_or(Some(place)) else {
            return Ok(Resumed::Other);
        };
        let (mut chunk, mut stood) = (vec![0; COMPRESSED], Vec::new());
        while self.read < place {
            let left = usize::try_from(place - self.read).unwrap_or(COMPRESSED);
            let at = self.read;
            let room = chunk.get_mut(..left.min(COMPRESSED)).unwrap_or_default();
            let Got::Bytes(count) = self.read(room)? else {
                return Ok(Resumed::Shorter);
            };
            let from = usize::try_from(begin.saturating_sub(at)).unwrap_or(count);
            stood.extend_from_slice(chunk.get(from..count).unwrap_or_default());
        }
        let Some(before) = &mark.before else {
            return Ok(Resumed::There { certain: false });
        };
        stood.truncate(usize::try_from(before.bytes).unwrap_or(0));
        Ok(match before.are(&stood) {
            true => Resumed::There { certain: true },
            false => Resumed::Other,
        })
    }
}

/// Opens the file under any of the names it may have now.
fn open(folder: &Path, found: &Arrived) -> io::Result<(String, FollowedFile)> {
    let mut first = None;
    for name in found.names() {
        match FollowedFile::open(&folder.join(&name)) {
            Ok(file) => return Ok((name, file)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

/// The last whole line, up to [`LINE_AT_MOST`] bytes.
#[derive(Default)]
struct LastLine {
    whole: Vec<u8>,
    open: Vec<u8>,
    is_open: bool,
}

impl LastLine {
    fn took(&mut self, bytes: &[u8]) {
        let Some(end) = memchr::memrchr(b'\n', bytes) else {
            self.extend(bytes);
            return;
        };
        let (lines, rest) = bytes.split_at(end);
        match memchr::memrchr(b'\n', lines) {
            Some(begin) => {
                self.whole.clear();
                self.whole
                    .extend_from_slice(lines.get(begin + 1..).unwrap_or_default());
            }
            None => {
                self.extend(lines);
                std::mem::swap(&mut self.whole, &mut self.open);
            }
        }
        self.open.clear();
        self.is_open = false;
        self.extend(rest.get(1..).unwrap_or_default());
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.is_open |= !bytes.is_empty();
        let room = LINE_AT_MOST.saturating_sub(self.open.len());
        self.open
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Whether no bytes follow that line.
    fn is_whole(&self) -> bool {
        !self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_known_however_the_bytes_come() {
        let text = b"{\"a\":1}\n{\"b\":2}\n\n{\"c\":3}\n{\"d";
        for size in 1..text.len() {
            let mut last = LastLine::default();
            text.chunks(size).for_each(|bytes| last.took(bytes));
            assert_eq!(last.whole, b"{\"c\":3}", "chunks of {size}");
            assert!(!last.is_whole());
            last.took(b"\":4}\n");
            assert_eq!(last.whole, b"{\"d\":4}", "chunks of {size}");
            assert!(last.is_whole());
        }
    }
}
