//! Positioned reads from a file or from memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Positioned reads: all that this crate needs of a file. Tests implement it in memory.
pub trait ReadAt {
    /// Reads at most `buf.len()` bytes at `offset`; 0 means the end of the file.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;

    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Reads until `buf` is full or the file ends; returns the number of bytes.
    fn read_full(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read_at(offset + filled as u64, &mut buf[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// The error number of the system for a disk block that cannot be read.
const EIO: i32 = 5;
const PAGE: usize = 4096;

/// Like [`ReadAt::read_full`], but pages that the disk cannot read come as zeros: the
/// records around them are still evidence.
pub(crate) fn read_readable(source: &dyn ReadAt, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    let is_bad = |error: &io::Error| error.raw_os_error() == Some(EIO);
    match source.read_full(offset, buf) {
        Err(error) if is_bad(&error) => {}
        read => return read,
    }
    let mut filled = 0;
    while filled < buf.len() {
        let at = offset + filled as u64;
        let page = PAGE - (at % PAGE as u64) as usize;
        let end = buf.len().min(filled + page);
        let part = &mut buf[filled..end];
        match source.read_full(at, part) {
            Ok(count) if count < part.len() => return Ok(filled + count),
            Ok(_) => {}
            Err(error) if is_bad(&error) => part.fill(0),
            Err(error) => return Err(error),
        }
        filled = end;
    }
    Ok(filled)
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let count = buf.len().min(self.len() - start);
        buf[..count].copy_from_slice(&self[start..start + count]);
        Ok(count)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(offset, buf)
    }

    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }
}
