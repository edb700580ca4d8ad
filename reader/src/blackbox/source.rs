//! The bytes of the file by offset. The file is not mapped, so a file that is cut short
//! meanwhile gives a short read and not a signal.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

#[derive(Debug)]
pub(super) struct Source {
    file: File,
    len: u64,
}

impl Source {
    pub(super) fn new(file: File) -> io::Result<Source> {
        let len = file.metadata()?.len();
        Ok(Source { file, len })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills the buffer as far as there are bytes.
    pub(super) fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    /// Up to `len` bytes. The caller limits `len`, and the size of the file limits it again.
    pub(super) fn bytes(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let there = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(there)];
        let filled = self.read_at(at, &mut bytes)?;
        bytes.truncate(filled);
        Ok(bytes)
    }
}

/// A page of the file that is kept for reads in small steps.
pub(super) struct Window<'a> {
    source: &'a Source,
    at: u64,
    page: Vec<u8>,
}

const PAGE: usize = 4096;

impl<'a> Window<'a> {
    pub(super) fn new(source: &'a Source) -> Window<'a> {
        Window {
            source,
            at: 0,
            page: Vec::new(),
        }
    }

    /// Up to `len` bytes (at most a page); fewer at the end of the file, none if it cannot be
    /// read.
    pub(super) fn peek(&mut self, at: u64, len: usize) -> &[u8] {
        let from = at
            .checked_sub(self.at)
            .and_then(|from| usize::try_from(from).ok());
        let inside = from.filter(|from| from + len <= self.page.len());
        let from = inside.unwrap_or_else(|| {
            self.page = self.source.bytes(at, PAGE).unwrap_or_default();
            self.at = at;
            0
        });
        let rest = self.page.get(from..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest)
    }
}
