//! Unpacks a file that may be compressed and is still being written.
//!
//! A compressed stream marks its end, so a file that its writer ended differs
//! from one whose writer was killed. The content tells the compression, because
//! an operator may have compressed a file anew.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation};

const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Bytes of a gzip member behind its content: checksum and length.
const TRAILER: usize = 8;
/// Most bytes of a member's head. It can have texts of any length, but no
/// sender writes one so long.
const HEAD_AT_MOST: usize = 64 << 10;
/// Windows of up to 128 MiB, as much as `zstd` itself takes by default. A file
/// from outside must not decide how much memory the recorder takes.
const WINDOW_LOG_MAX: u32 = 27;

/// The result of a step.
pub(super) struct Step {
    /// Bytes of the input that were used.
    pub(super) used: usize,
    /// Plain bytes that were written.
    pub(super) made: usize,
}

/// Unpacks a file's bytes as they come.
pub(super) struct Inflate(Form);

enum Form {
    /// There are too few bytes to know.
    Unknown,
    Plain,
    Gzip(Gzip),
    Zstd {
        decoder: Zstd<'static>,
        in_frame: bool,
        /// Whether the output was full, so that more can come without input.
        is_full: bool,
    },
}

impl Inflate {
    pub(super) fn new() -> Inflate {
        Inflate(Form::Unknown)
    }

    /// Whether the writer ended the compressed stream. `None` for a plain file,
    /// which does not show it.
    pub(super) fn is_ended(&self) -> Option<bool> {
        match &self.0 {
            Form::Unknown => Some(false),
            Form::Plain => None,
            Form::Gzip(gzip) => Some(matches!(gzip.at, At::Between)),
            Form::Zstd { in_frame, .. } => Some(!*in_frame),
        }
    }

    /// Unpacks what it can. If it used and wrote nothing, it needs more input.
    ///
    /// # Errors
    /// The compressed stream is damaged.
    pub(super) fn step(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Step> {
        match &mut self.0 {
            Form::Unknown => {
                self.0 = match input {
                    input if input.starts_with(&GZIP) => Form::Gzip(Gzip::new()),
                    input if input.starts_with(&ZSTD) => zstd()?,
                    input if GZIP.starts_with(input) || ZSTD.starts_with(input) => Form::Unknown,
                    _ => Form::Plain,
                };
                match self.0 {
                    Form::Unknown => Ok(Step { used: 0, made: 0 }),
                    _ => self.step(input, out),
                }
            }
            Form::Plain => {
                let count = input.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..count), input.get(..count)) {
                    to.copy_from_slice(from);
                }
                let (used, made) = (count, count);
                Ok(Step { used, made })
            }
            Form::Gzip(gzip) => gzip.step(input, out),
            // zstd reports an error for a step without input.
            Form::Zstd { is_full: false, .. } if input.is_empty() => Ok(Step { used: 0, made: 0 }),
            Form::Zstd {
                decoder,
                in_frame,
                is_full,
            } => {
                let status = decoder.run_on_buffers(input, out)?;
                *in_frame = status.remaining != 0;
                *is_full = *in_frame && status.bytes_written == out.len();
                let (used, made) = (status.bytes_read, status.bytes_written);
                Ok(Step { used, made })
            }
        }
    }
}

/// Unpacks the beginning of a file that may be compressed, about `most` bytes.
pub(crate) fn inflated(bytes: &[u8], most: usize) -> Vec<u8> {
    let (mut inflate, mut out) = (Inflate::new(), Vec::new());
    let (mut rest, mut chunk) = (bytes, vec![0; 64 << 10]);
    while let Ok(Step { used, made }) = inflate.step(rest, &mut chunk) {
        if (used, made) == (0, 0) || out.len() >= most {
            break;
        }
        rest = rest.get(used..).unwrap_or_default();
        out.extend_from_slice(chunk.get(..made).unwrap_or_default());
    }
    out
}

fn zstd() -> io::Result<Form> {
    let mut decoder = Zstd::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
    Ok(Form::Zstd {
        decoder,
        in_frame: true,
        is_full: false,
    })
}

/// gzip, member by member.
struct Gzip {
    at: At,
    content: Decompress,
    checksum: crc32fast::Hasher,
}

enum At {
    Head,
    Content,
    Trailer,
    /// Behind a whole member.
    Between,
}

impl Gzip {
    fn new() -> Gzip {
        Gzip {
            at: At::Head,
            content: Decompress::new(false),
            checksum: crc32fast::Hasher::new(),
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Step> {
        let used = match self.at {
            At::Head => self.head(input)?,
            At::Content => return self.content(input, out),
            At::Trailer => self.trailer(input)?,
            At::Between if input.is_empty() => 0,
            At::Between => {
                *self = Gzip::new();
                self.head(input)?
            }
        };
        Ok(Step { used, made: 0 })
    }

    fn head(&mut self, input: &[u8]) -> io::Result<usize> {
        match head(input)? {
            Some(length) => {
                self.at = At::Content;
                Ok(length)
            }
            None if input.len() > HEAD_AT_MOST => {
                Err(io::Error::other("the gzip header has no end"))
            }
            None => Ok(0),
        }
    }

    fn content(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Step> {
        let (before_in, before_out) = (self.content.total_in(), self.content.total_out());
        let status = self.content.decompress(input, out, FlushDecompress::None)?;
        let used = (self.content.total_in() - before_in) as usize;
        let made = (self.content.total_out() - before_out) as usize;
        self.checksum.update(out.get(..made).unwrap_or_default());
        if status == Status::StreamEnd {
            self.at = At::Trailer;
        }
        Ok(Step { used, made })
    }

    fn trailer(&mut self, input: &[u8]) -> io::Result<usize> {
        let Some((checksum, length)) = input.get(..TRAILER).and_then(|t| t.split_first_chunk())
        else {
            return Ok(0);
        };
        let own = self.checksum.clone().finalize().to_le_bytes();
        let own_length = (self.content.total_out() as u32).to_le_bytes();
        if *checksum != own || length != own_length {
            return Err(io::Error::other("the gzip checksum does not match"));
        }
        self.at = At::Between;
        Ok(TRAILER)
    }
}

/// Bytes of a member's head. `None` until the head is whole.
fn head(bytes: &[u8]) -> io::Result<Option<usize>> {
    const FIXED: usize = 10;
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    if !bytes.starts_with(&GZIP) && !GZIP.starts_with(bytes) {
        return Err(io::Error::other("found data that is not gzip"));
    }
    let Some(flags) = bytes.get(3).filter(|_| bytes.len() >= FIXED) else {
        return Ok(None);
    };
    let mut at = FIXED;
    if flags & EXTRA != 0 {
        let Some([low, high]) = bytes.get(at..at + 2) else {
            return Ok(None);
        };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, rest) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    at += if flags & CHECKSUM != 0 { 2 } else { 0 };
    Ok((at <= bytes.len()).then_some(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn text() -> Vec<u8> {
        let number = |n: u32| format!("{{\"n\":{}}}\n", n.wrapping_mul(0x9E37_79B9));
        (0..20_000).flat_map(|n| number(n).into_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzBuilder::new()
            .filename("slogfile")
            .comment("by hand")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The output if the bytes come in pieces of this size, and whether the
    /// stream is ended.
    fn inflated(bytes: &[u8], size: usize, room: usize) -> (Vec<u8>, io::Result<Option<bool>>) {
        let (mut inflate, mut out) = (Inflate::new(), Vec::new());
        let (mut held, mut chunk) = (Vec::new(), vec![0; room]);
        for piece in bytes.chunks(size) {
            held.extend_from_slice(piece);
            loop {
                let step = match inflate.step(&held, &mut chunk) {
                    Ok(step) => step,
                    Err(error) => return (out, Err(error)),
                };
                held.drain(..step.used);
                out.extend_from_slice(&chunk[..step.made]);
                if step.used == 0 && step.made == 0 {
                    break;
                }
            }
        }
        (out, Ok(inflate.is_ended()))
    }

    #[test]
    fn whatever_its_form_it_comes_out_as_it_was() {
        let text = text();
        let forms = [
            (text.clone(), None),
            (gzip(&text), Some(true)),
            (
                [gzip(&text[..777]), gzip(&text[777..])].concat(),
                Some(true),
            ),
            (zstd::encode_all(&text[..], 3).unwrap(), Some(true)),
        ];
        for (n, (bytes, ended)) in forms.iter().enumerate() {
            for (size, room) in [(1, 100), (7, 4096), (5000, 1), (bytes.len(), 1 << 20)] {
                let (out, found) = inflated(bytes, size, room);
                assert!(out == text, "form {n} in pieces of {size}");
                assert_eq!(found.unwrap(), *ended, "form {n} in pieces of {size}");
            }
        }
    }

    #[test]
    fn what_was_cut_is_not_ended() {
        let text = text();
        for bytes in [gzip(&text), zstd::encode_all(&text[..], 3).unwrap()] {
            for cut in (0..bytes.len()).step_by(997).chain([bytes.len() - 1]) {
                let (out, ended) = inflated(&bytes[..cut], 4096, 4096);
                assert!(text.starts_with(&out));
                assert_eq!(ended.unwrap(), Some(false), "cut at {cut}");
            }
        }
    }

    #[test]
    fn another_checksum_or_trailing_bytes_are_damage() {
        let whole = gzip(&text());
        let mut wrong = whole.clone();
        let at = wrong.len() - 6;
        wrong[at] ^= 1;
        assert!(inflated(&wrong, 4096, 4096).1.is_err());
        let more = [whole, b"more".to_vec()].concat();
        assert!(inflated(&more, 4096, 4096).1.is_err());
    }
}
