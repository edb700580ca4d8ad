//! One zstd context for all frames of a box.

use std::io::{self, Write};

use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

/// No frame asks a reader for a larger window than 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;
const OUT_LEN: usize = 128 * 1024;

pub(super) struct Compressor {
    encoder: Encoder<'static>,
    out: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(level: i32) -> io::Result<Compressor> {
        let mut encoder = Encoder::new(level)?;
        encoder.set_parameter(CParameter::ChecksumFlag(true))?;
        if level > 19 {
            encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX))?;
        }
        Ok(Compressor {
            encoder,
            out: vec![0; OUT_LEN],
        })
    }

    /// Compresses the parts as one frame, with the content's size in its
    /// header and a checksum at its end.
    pub(super) fn frame(&mut self, parts: &[&[u8]], to: &mut impl Write) -> io::Result<()> {
        let content = parts.iter().map(|part| part.len() as u64).sum();
        self.encoder.reinit()?;
        self.encoder.set_pledged_src_size(Some(content))?;
        parts.iter().try_for_each(|part| self.feed(part, to))?;
        self.finish(to)
    }

    fn feed(&mut self, part: &[u8], to: &mut impl Write) -> io::Result<()> {
        let mut input = InBuffer::around(part);
        while input.pos() < part.len() {
            let mut out = OutBuffer::around(self.out.as_mut_slice());
            self.encoder.run(&mut input, &mut out)?;
            to.write_all(out.as_slice())?;
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut impl Write) -> io::Result<()> {
        loop {
            let mut out = OutBuffer::around(self.out.as_mut_slice());
            let left = self.encoder.finish(&mut out, true)?;
            to.write_all(out.as_slice())?;
            if left == 0 {
                return Ok(());
            }
        }
    }
}
