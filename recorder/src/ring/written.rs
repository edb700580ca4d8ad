//! The engine `write`: each call writes to the ring's file. For file systems
//! where a mapped page can end the process. The file has the same bytes in the
//! same order as a mapped one.
//!
//! A record is one write that begins with its header. A kill can stop a write
//! between two pages, and a reader can see half of a write. In both cases the
//! payload does not match the checksum in the header, so the record counts as
//! missing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use haltbox_format::ring::{FRAGMENT, HEADER_SIZE, padded};

use super::map::Birth;
use crate::host_threads::SizeLimit;

/// How long nothing is written after an error. A full XFS flushes all its files
/// each time before it reports the error.
const PAUSE: Duration = Duration::from_millis(100);

/// The file, and a buffer for one record.
pub(super) struct Written {
    file: File,
    length: usize,
    record: Vec<u8>,
    failed: Option<Instant>,
    birth: Birth,
}

impl Written {
    /// Writes into `file`, which has `length` bytes.
    pub(super) fn new(file: File, length: usize) -> io::Result<Written> {
        let mut record = Vec::new();
        record
            .try_reserve_exact(HEADER_SIZE + padded(FRAGMENT))
            .map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Written {
            file,
            length,
            record,
            failed: None,
            birth: Birth::here(),
        })
    }

    pub(super) fn is_forked(&self) -> bool {
        self.birth.is_elsewhere()
    }

    /// As [`super::map::Map::write`]. Also returns false if the file takes no
    /// writes.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        if self.is_forked() || !fits(offset, bytes.len(), self.length) || self.is_pausing() {
            return false;
        }
        let limit = SizeLimit::begin();
        let written = self.file.write_all_at(bytes, offset as u64);
        self.failed = written.is_err().then(Instant::now);
        if written.is_ok() {
            limit.was_kept();
        }
        self.failed.is_none()
    }

    /// As [`super::map::Map::put_record`]. Also returns false if the file takes
    /// no writes.
    pub(super) fn put_record(
        &mut self,
        offset: usize,
        head: [u64; 2],
        prefix: &[u8],
        payload: &[u8],
    ) -> bool {
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        encode(&mut record, head, prefix, payload);
        let written = self.write(offset, &record);
        self.record = record;
        written
    }

    fn is_pausing(&self) -> bool {
        self.failed.is_some_and(|failed| failed.elapsed() < PAUSE)
    }
}

/// Whether a range lies inside a file of `whole` bytes.
pub(super) fn fits(offset: usize, length: usize, whole: usize) -> bool {
    offset.checked_add(length).is_some_and(|end| end <= whole)
}

/// Appends the bytes of a record, as they are in the file, to `into`.
pub(super) fn encode(into: &mut Vec<u8>, head: [u64; 2], prefix: &[u8], payload: &[u8]) {
    head.iter()
        .for_each(|word| into.extend_from_slice(&word.to_le_bytes()));
    into.extend_from_slice(prefix);
    into.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_file_is_written_and_a_failure_is_told() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let mut written = Written::new(file.try_clone().unwrap(), 4096).unwrap();
        assert!(written.put_record(0, [1, 2], b"pre", b"fix"));
        assert!(!written.write(4090, b"haltbox") && !written.write(usize::MAX, b"h"));
        let mut bytes = [0; 22];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[16..], b"prefix");
        assert_eq!(file.metadata().unwrap().len(), 4096);
        let mut full = Written::new(File::options().write(true).open("/dev/full").unwrap(), 64);
        assert!(!full.as_mut().unwrap().write(0, b"haltbox"));
    }
}
