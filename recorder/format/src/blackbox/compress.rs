//! Compresses all frames of a box with one zstd context.

use std::io::{self, Write};

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, compress_bound,
    get_error_name,
};

/// Largest window of a frame: 8 MiB. A reader never needs more.
const WINDOW_LOG_MAX: u32 = 23;

pub(super) struct Compressor {
    context: CCtx<'static>,
    out: Vec<u8>,
}

impl Compressor {
    /// `frame_bytes`: content of the usual frame. A frame of that size is compressed in
    /// one pass, without a copy of its content.
    pub(super) fn new(level: i32, frame_bytes: usize) -> io::Result<Compressor> {
        let mut context = CCtx::create();
        check(context.set_parameter(CParameter::CompressionLevel(level)))?;
        check(context.set_parameter(CParameter::ChecksumFlag(true)))?;
        if level > 19 {
            check(context.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX)))?;
        }
        Ok(Compressor {
            context,
            out: vec![0; compress_bound(frame_bytes)],
        })
    }

    /// Compresses the parts as one frame. Its header has the size of the content, its end
    /// a checksum.
    pub(super) fn frame(&mut self, parts: &[&[u8]], to: &mut impl Write) -> io::Result<()> {
        let content = parts.iter().map(|part| part.len() as u64).sum();
        check(self.context.reset(ResetDirective::SessionOnly))?;
        check(self.context.set_pledged_src_size(Some(content)))?;
        let Some((last, ahead)) = parts.split_last() else {
            return Ok(());
        };
        for part in ahead {
            self.part(part, ZSTD_EndDirective::ZSTD_e_continue, to)?;
        }
        self.part(last, ZSTD_EndDirective::ZSTD_e_end, to)
    }

    fn part(
        &mut self,
        part: &[u8],
        directive: ZSTD_EndDirective,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let ends = directive == ZSTD_EndDirective::ZSTD_e_end;
        let mut input = InBuffer::around(part);
        loop {
            let mut out = OutBuffer::around(self.out.as_mut_slice());
            let left = check(
                self.context
                    .compress_stream2(&mut out, &mut input, directive),
            )?;
            to.write_all(out.as_slice())?;
            let taken = input.pos() == part.len();
            if taken && (left == 0 || !ends) {
                return Ok(());
            }
        }
    }
}

fn check(result: SafeResult) -> io::Result<usize> {
    result.map_err(|code| io::Error::other(get_error_name(code)))
}
