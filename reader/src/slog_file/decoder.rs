//! Decompresses a stream that may be compressed, and finds where it is damaged.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::raw::{DParameter, Decoder as RawZstd, Operation};

use super::Damage;
use crate::source_kind::Compression;

/// Windows up to 2 GiB, the limit of the format, because slogs are compressed with `--long`.
const WINDOW_LOG_MAX: u32 = 31;

/// Compressed bytes that gzip's decoder gets at once. What it decodes in the call that fails
/// is lost, so it gets few.
const GZIP_STEP: usize = 1024;

/// Bytes of a frame's beginning that Zstandard requests first.
const ZSTD_FIRST_STEP: usize = 5;

/// Why no more bytes come.
pub(super) enum Failure {
    /// The source failed.
    Io(io::Error),
    /// The compressed stream is damaged.
    Damage(Damage),
}

/// The first bytes, which were read to recognise the compression, and the rest.
type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

pub(super) enum Decoder<R> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Zstd(Box<ZstdFrames<R>>),
}

impl<R: Read> Decoder<R> {
    /// Reads as much as is needed to recognise the compression.
    pub fn new(mut reader: R) -> io::Result<Decoder<R>> {
        let mut head = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut head)?;
        let compression = Compression::sniff(&head);
        let whole = Cursor::new(head).chain(reader);
        Ok(match compression {
            Compression::Plain => Decoder::Plain(whole),
            Compression::Gzip => {
                let input = Input::new(whole, GZIP_STEP);
                Decoder::Gzip(Box::new(MultiGzDecoder::new(input)))
            }
            Compression::Zstd => Decoder::Zstd(Box::new(ZstdFrames::new(whole)?)),
        })
    }

    pub fn compression(&self) -> Compression {
        match self {
            Decoder::Plain(_) => Compression::Plain,
            Decoder::Gzip(_) => Compression::Gzip,
            Decoder::Zstd(_) => Compression::Zstd,
        }
    }

    /// The next bytes; 0 at the sound end of the stream.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Failure> {
        let read = match self {
            Decoder::Plain(whole) => whole.read(out),
            Decoder::Gzip(gzip) => gzip.read(out),
            Decoder::Zstd(zstd) => zstd.read(out),
        };
        read.map_err(|e| match self {
            Decoder::Plain(_) => Failure::Io(e),
            Decoder::Gzip(gzip) => gzip.get_ref().blame(e, "gzip"),
            Decoder::Zstd(zstd) => zstd.input.blame(e, "Zstandard"),
        })
    }
}

/// The compressed bytes, counted and handed out in steps.
pub(super) struct Input<R> {
    inner: BufReader<Whole<R>>,
    step: usize,
    consumed: u64,
    /// The source failed, and not the compressed stream in it.
    failed: bool,
}

impl<R: Read> Input<R> {
    fn new(whole: Whole<R>, step: usize) -> Input<R> {
        Input {
            inner: BufReader::with_capacity(1 << 18, whole),
            step,
            consumed: 0,
            failed: false,
        }
    }

    fn blame(&self, e: io::Error, format: &str) -> Failure {
        if self.failed || e.kind() == io::ErrorKind::Interrupted {
            return Failure::Io(e);
        }
        let what = match e.kind() {
            io::ErrorKind::UnexpectedEof => format!("the {format} stream is truncated"),
            _ => format!("the {format} stream is damaged: {e}"),
        };
        let offset = self.consumed;
        Failure::Damage(Damage { offset, what })
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(out)?;
        self.consume(len);
        Ok(len)
    }
}

impl<R: Read> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.inner.fill_buf() {
            Ok(bytes) => Ok(bytes.get(..self.step).unwrap_or(bytes)),
            Err(e) => {
                self.failed = e.kind() != io::ErrorKind::Interrupted;
                Err(e)
            }
        }
    }

    fn consume(&mut self, len: usize) {
        self.consumed += len as u64;
        self.inner.consume(len);
    }
}

/// The content of all frames, one block at a time. The decoder discards its output of the call
/// that meets damage, so no call gets more than it requests.
pub(super) struct ZstdFrames<R> {
    input: Input<R>,
    decoder: RawZstd<'static>,
    in_frame: bool,
}

impl<R: Read> ZstdFrames<R> {
    fn new(whole: Whole<R>) -> io::Result<ZstdFrames<R>> {
        let mut decoder = RawZstd::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(ZstdFrames {
            input: Input::new(whole, ZSTD_FIRST_STEP),
            decoder,
            in_frame: false,
        })
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() && !self.in_frame {
                return Ok(0);
            }
            let ended = bytes.is_empty();
            let status = self.decoder.run_on_buffers(bytes, out)?;
            self.input.consume(status.bytes_read);
            self.in_frame = status.remaining != 0;
            self.input.step = match status.remaining {
                0 => ZSTD_FIRST_STEP,
                wanted => wanted,
            };
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
            if ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
