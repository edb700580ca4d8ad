//! Decompresses a frame as a stream. Neither the claims nor the content of a frame decide how
//! much memory it takes.

use std::io;
use std::ops::Range;

use haltbox_format::blackbox::{ZSTD_HEAD_MAX, ZstdHead};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::damage::Damage;
use super::source::Source;

/// The largest window that a frame may request: 8 MiB, the limit of the writer.
const WINDOW_LOG_MAX: u32 = 23;
const IN_LEN: usize = 128 * 1024;

/// A decompressor for one frame after the other.
pub(super) struct Inflate {
    decoder: Decoder<'static>,
    input: Vec<u8>,
    used: usize,
    filled: usize,
    /// The rest of the frame in the file.
    rest: Range<u64>,
    declared: Option<u64>,
    produced: u64,
    ended: bool,
}

impl Inflate {
    pub(super) fn new() -> io::Result<Inflate> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(Inflate {
            decoder,
            input: vec![0; IN_LEN],
            used: 0,
            filled: 0,
            rest: 0..0,
            declared: None,
            produced: 0,
            ended: true,
        })
    }

    /// Begins the zstd frame in this range of the file. `expected` is the size of its content by
    /// an index.
    pub(super) fn begin(
        &mut self,
        source: &Source,
        frame: Range<u64>,
        expected: Option<u64>,
    ) -> Result<(), Damage> {
        self.decoder.reinit().map_err(|_| Damage::Zstd)?;
        let head = source.bytes(frame.start, ZSTD_HEAD_MAX);
        let head = head.map_err(|e| Damage::Unreadable(e.kind()))?;
        let declared = ZstdHead::parse(&head).ok_or(Damage::Zstd)?.content_len;
        if let (Some(expected), Some(found)) = (expected, declared) {
            check_size(expected, found)?;
        }
        self.declared = expected.or(declared);
        (self.used, self.filled, self.produced) = (0, 0, 0);
        self.rest = frame;
        self.ended = false;
        Ok(())
    }

    /// The next bytes of content; 0 behind the last.
    pub(super) fn pull(&mut self, source: &Source, out: &mut [u8]) -> Result<usize, Damage> {
        while !self.ended {
            self.refill(source)?;
            let fresh = self.step(out)?;
            if fresh > 0 {
                return Ok(fresh);
            }
        }
        Ok(0)
    }

    fn refill(&mut self, source: &Source) -> Result<(), Damage> {
        if self.used < self.filled || self.rest.is_empty() {
            return Ok(());
        }
        let want = (self.rest.end - self.rest.start).min(IN_LEN as u64) as usize;
        let buffer = self.input.get_mut(..want).unwrap_or_default();
        let got = source.read_at(self.rest.start, buffer);
        let got = got.map_err(|e| Damage::Unreadable(e.kind()))?;
        if got < want {
            return Err(Damage::CutOff);
        }
        (self.used, self.filled) = (0, got);
        self.rest.start += got as u64;
        Ok(())
    }

    fn step(&mut self, out: &mut [u8]) -> Result<usize, Damage> {
        let before = self.used;
        let mut input = InBuffer::around(self.input.get(..self.filled).unwrap_or_default());
        input.set_pos(self.used);
        let mut output = OutBuffer::around(out);
        let hint = self
            .decoder
            .run(&mut input, &mut output)
            .map_err(|_| Damage::Zstd)?;
        self.used = input.pos();
        let fresh = output.pos();
        self.produced += fresh as u64;
        if let Some(declared) = self.declared.filter(|declared| self.produced > *declared) {
            return Err(Damage::Size {
                expected: declared,
                found: self.produced,
            });
        }
        if hint == 0 {
            self.end()?;
        } else if fresh == 0 && self.used == before && self.rest.is_empty() {
            return Err(Damage::Zstd);
        }
        Ok(fresh)
    }

    /// The frame must end exactly where its range of the file does.
    fn end(&mut self) -> Result<(), Damage> {
        self.ended = true;
        if self.used < self.filled || !self.rest.is_empty() {
            return Err(Damage::Zstd);
        }
        self.declared
            .map_or(Ok(()), |declared| check_size(declared, self.produced))
    }
}

fn check_size(expected: u64, found: u64) -> Result<(), Damage> {
    if expected == found {
        Ok(())
    } else {
        Err(Damage::Size { expected, found })
    }
}
