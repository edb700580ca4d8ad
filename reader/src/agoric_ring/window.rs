//! The bytes of a ring by logical address, through one buffer that moves forward.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Length of the file's header, before the arena, in bytes.
pub(super) const HEADER_LEN: u64 = 32;

/// Bytes that are fetched at once.
const CHUNK: usize = 1 << 20;

/// A source of a ring's bytes. It is only read.
pub trait ReadAt {
    /// Reads at most `buf.len()` bytes at `offset`. Returns 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Number of bytes of the source.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|o| self.get(o..));
        let rest = rest.unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(len)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// A range of the arena, in the order of writing: the logical addresses `start..end`. If
/// `wrap` is set, an address `x >= wrap` is byte `x - wrap` of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub start: u64,
    pub end: u64,
    pub wrap: Option<u64>,
}

impl Span {
    /// A range whose addresses are the arena's own.
    pub fn linear(start: u64, end: u64) -> Span {
        let wrap = None;
        Span { start, end, wrap }
    }

    /// Once around an arena of `arena` bytes, beginning at `start`.
    pub fn around(start: u64, arena: u64) -> Span {
        let (end, wrap) = (start.saturating_add(arena), Some(arena));
        Span { start, end, wrap }
    }

    /// Where an address is in the file, and how many bytes follow it there.
    pub fn locate(&self, at: u64) -> (u64, u64) {
        match self.wrap {
            Some(wrap) if at < wrap => (HEADER_LEN + at, self.end.min(wrap).saturating_sub(at)),
            Some(wrap) => (HEADER_LEN + (at - wrap), self.end.saturating_sub(at)),
            None => (HEADER_LEN + at, self.end.saturating_sub(at)),
        }
    }
}

/// The buffer: the bytes of the span from `base` on. It grows to the largest record that is
/// requested, and no further.
pub(super) struct Window<S> {
    source: S,
    span: Span,
    base: u64,
    bytes: Vec<u8>,
}

impl<S: ReadAt> Window<S> {
    pub fn new(source: S) -> Window<S> {
        let (span, base, bytes) = (Span::default(), 0, Vec::new());
        Window {
            source,
            span,
            base,
            bytes,
        }
    }

    /// Moves to another span, and drops the buffer of the old one.
    pub fn enter(&mut self, span: Span) {
        self.span = span;
        self.base = span.start;
        self.bytes.clear();
    }

    pub fn span(&self) -> Span {
        self.span
    }

    /// At least `want` bytes at `at`, and often more. Fewer only if the span ends.
    ///
    /// # Errors
    /// The errors of the source; `UnexpectedEof` if the file became shorter while it was read.
    pub fn view(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let want = clamp(want, self.span.end.saturating_sub(at));
        if self.buffered(at).len() < want {
            self.fill(at, want)?;
        }
        Ok(self.buffered(at))
    }

    fn buffered(&self, at: u64) -> &[u8] {
        let skip = at
            .checked_sub(self.base)
            .and_then(|n| usize::try_from(n).ok());
        skip.and_then(|n| self.bytes.get(n..)).unwrap_or_default()
    }

    fn fill(&mut self, at: u64, want: usize) -> io::Result<()> {
        let keep = self.buffered(at).len();
        self.bytes.drain(..self.bytes.len() - keep);
        self.base = at;
        let target = clamp(want.max(CHUNK), self.span.end.saturating_sub(at));
        while self.bytes.len() < target {
            self.fetch(target)?;
        }
        Ok(())
    }

    /// One read at the end of the buffer, at most to the arena's end.
    fn fetch(&mut self, target: usize) -> io::Result<()> {
        let old = self.bytes.len();
        let (offset, run) = self.span.locate(self.base + old as u64);
        self.bytes.resize(old + clamp(target - old, run), 0);
        let room = self.bytes.get_mut(old..).unwrap_or_default();
        let got = match self.source.read_at(room, offset) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => None,
            other => Some(other),
        };
        let read = got.as_ref().map_or(0, |r| *r.as_ref().unwrap_or(&0));
        self.bytes.truncate(old + read);
        match got {
            Some(Ok(0)) => Err(shrunk(offset)),
            Some(Err(e)) => Err(e),
            _ => Ok(()),
        }
    }
}

fn clamp(want: usize, room: u64) -> usize {
    usize::try_from(room).map_or(want, |room| want.min(room))
}

fn shrunk(offset: u64) -> io::Error {
    let text = format!(
        "the file now ends at offset {offset}, it became shorter while it was read: copy it while \
         nothing writes to it, and read the copy"
    );
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}
