//! Recognises the kind of a source by its content, and not by its name.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use haltbox_format::blackbox::FRAME_MAGIC;

use crate::agoric_ring::AgoricRing;
use crate::carrier::{carried, is_prefixed};
use crate::fingerprint;
use crate::vocabulary::entry;

/// Number of bytes that [`SourceKind::sniff`] uses.
pub const SNIFF_LEN: usize = 4096;

const RING: &[u8] = b"HALTBOX\x01";
const AGORIC_RING: &[u8] = b"AG-SLOG!";
const BLACK_BOX_FRAME: [u8; 4] = FRAME_MAGIC.to_le_bytes();
const BLACK_BOX_NAME: &[u8] = b"HBX";

/// The kind of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceKind {
    /// A Haltbox ring, live or dead.
    Ring,
    /// A black box or an archive file.
    BlackBox,
    /// Agoric's `flight-recorder.bin`.
    AgoricRing,
    /// A slog: text, gzip or Zstandard. Also a pipe or a device, because looking into it would
    /// take bytes out of it.
    Slog,
    /// Digests of a source without its bodies.
    Fingerprint,
    /// A folder.
    Folder,
    /// A file of 0 bytes.
    Empty,
    /// None of these.
    UnsupportedFormat(UnsupportedFormat),
}

/// How a slog is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Uncompressed.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// The compression of a file.
    ///
    /// # Errors
    /// An error from the operating system.
    pub fn of(path: impl AsRef<Path>) -> io::Result<Compression> {
        Ok(Compression::sniff(&head_of(path.as_ref())?))
    }

    /// Recognises the compression by the first four bytes.
    pub fn sniff(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::Plain,
        }
    }
}

impl SourceKind {
    /// Recognises a file or folder. A file of an unknown kind whose name ends in `.bin` is
    /// searched for records of Agoric's recorder, because its magic may be damaged. No other
    /// format holds such records. The search ends after 16 MiB.
    ///
    /// # Errors
    /// An error from the operating system.
    pub fn of(path: impl AsRef<Path>) -> io::Result<SourceKind> {
        let path = path.as_ref();
        let metadata = path.metadata()?;
        if metadata.is_dir() {
            return Ok(SourceKind::Folder);
        }
        if !metadata.is_file() {
            return Ok(SourceKind::Slog);
        }
        let kind = SourceKind::sniff(&head_of(path)?);
        let named_bin = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("bin"));
        if matches!(kind, SourceKind::UnsupportedFormat(_))
            && named_bin
            && AgoricRing::probe(File::open(path)?)?
        {
            return Ok(SourceKind::AgoricRing);
        }
        Ok(kind)
    }

    /// Recognises a kind by the first bytes: [`SNIFF_LEN`] of them, or all of a shorter file.
    pub fn sniff(head: &[u8]) -> SourceKind {
        if head.is_empty() {
            return SourceKind::Empty;
        }
        if head.starts_with(RING) {
            return SourceKind::Ring;
        }
        if head.starts_with(AGORIC_RING) {
            return SourceKind::AgoricRing;
        }
        if head.starts_with(fingerprint::MAGIC) {
            return SourceKind::Fingerprint;
        }
        if is_black_box(head) {
            return SourceKind::BlackBox;
        }
        if Compression::sniff(head) != Compression::Plain || is_text(head) {
            return SourceKind::Slog;
        }
        SourceKind::UnsupportedFormat(UnsupportedFormat::new(head))
    }
}

/// Whether a file is text that begins without an entry of a host. A recorder keeps such files
/// beside its ring: settings, notes and the node's log.
pub(crate) fn is_without_entries(path: &Path) -> io::Result<bool> {
    let head = head_of(path)?;
    let is_entry = |line: &[u8]| !entry::type_of(line).is_empty() || carried(line).is_some();
    let plain = SourceKind::sniff(&head) == SourceKind::Slog
        && Compression::sniff(&head) == Compression::Plain;
    Ok(plain && !head.split(|byte| *byte == b'\n').any(is_entry))
}

fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?
        .take(SNIFF_LEN as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

/// Whether a skippable Zstandard frame holds the name of a box behind magic and size.
fn is_black_box(head: &[u8]) -> bool {
    let content = head.get(8..).unwrap_or_default();
    head.starts_with(&BLACK_BOX_FRAME) && content.starts_with(BLACK_BOX_NAME)
}

/// Whether one of the first lines begins a JSON object. A line that is longer than the head
/// may be the rest of an object. Text holds no zero byte.
fn is_text(head: &[u8]) -> bool {
    if head.contains(&0) {
        return false;
    }
    let endless = head.len() >= SNIFF_LEN && !head.contains(&b'\n');
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let lines = || head.split(|b| *b == b'\n');
    lines().any(begins_object)
        || lines().any(|line| carried(line).is_some() || is_prefixed(line))
        || endless && is_printable(head)
}

fn begins_object(line: &[u8]) -> bool {
    let members = line.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    members.is_some_and(|rest| rest.starts_with(b"\"") || rest.starts_with(b"}"))
}

fn is_printable(line: &[u8]) -> bool {
    let control = |b: &u8| b.is_ascii_control() && !matches!(b, b'\t' | b'\r' | 0x1b);
    let utf8 = match std::str::from_utf8(line) {
        Ok(_) => true,
        // The end of the head cuts a character.
        Err(e) => e.error_len().is_none(),
    };
    utf8 && !line.iter().any(control)
}

/// The beginning of a file that the reader cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedFormat {
    head: Vec<u8>,
    name: Option<&'static str>,
}

/// Other formats that are common in a node's folders, by their first bytes.
const KNOWN: [(&[u8], &str); 9] = [
    (
        b"SQLite format 3\0",
        "an SQLite database, such as Agoric's swingstore.sqlite",
    ),
    (b"\x7fELF", "an executable"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"BZh", "a bzip2 file"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"HALTBOX", "a Haltbox ring of a newer version"),
    (b"LPKSHHRH", "a systemd journal"),
    (
        b"\0\0\0\0\0\0\0\0",
        "a file that was allocated but never written, or whose beginning was lost",
    ),
];

const TEXT: &str = "text without a JSON object in its first lines";

impl UnsupportedFormat {
    fn new(head: &[u8]) -> UnsupportedFormat {
        let known = KNOWN.iter().find(|(magic, _)| head.starts_with(magic));
        let first = head.split(|b| *b == b'\n').next().unwrap_or_default();
        let text = (!first.is_empty() && is_printable(first)).then_some(TEXT);
        let name = known.map(|(_, name)| *name).or(text);
        UnsupportedFormat {
            head: head.iter().take(8).copied().collect(),
            name,
        }
    }
}

impl fmt::Display for UnsupportedFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "begins with the bytes")?;
        self.head.iter().try_for_each(|b| write!(f, " {b:02x}"))?;
        if let Some(name) = self.name {
            write!(f, ": {name}")?;
        }
        write!(
            f,
            "; expected a Haltbox ring, a black box, a fingerprint, an Agoric \
             flight-recorder.bin or a slog (JSON lines, plain, .gz, .zst)"
        )
    }
}

#[cfg(test)]
mod tests {
    use haltbox_format::blackbox::Identity;

    use super::*;

    #[test]
    fn each_kind_is_told_by_its_first_bytes() {
        let black_box = Identity::default().to_bytes();
        let skippable = [&BLACK_BOX_FRAME[..], &[4, 0, 0, 0], b"abcd"].concat();
        let cases: [(&[u8], SourceKind); 12] = [
            (b"HALTBOX\x01....", SourceKind::Ring),
            (b"AG-SLOG!\0\0", SourceKind::AgoricRing),
            (&black_box, SourceKind::BlackBox),
            (&skippable, SourceKind::Slog),
            (&[0x5a, 0x2a, 0x4d, 0x18], SourceKind::Slog),
            (&[0x28, 0xb5, 0x2f, 0xfd], SourceKind::Slog),
            (&[0x1f, 0x8b, 8], SourceKind::Slog),
            (b"\n\n{\"type\":\"\xff", SourceKind::Slog),
            (b"odd\n{ \"type\":\"a\"}", SourceKind::Slog),
            (
                b"root:x:0:0::/:\n",
                SourceKind::UnsupportedFormat(UnsupportedFormat::new(b"root:x:0:0::/:\n")),
            ),
            (b"", SourceKind::Empty),
            (
                b"\n\n",
                SourceKind::UnsupportedFormat(UnsupportedFormat::new(b"\n\n")),
            ),
        ];
        for (head, kind) in cases {
            assert_eq!(SourceKind::sniff(head), kind, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn what_is_foreign_is_named() {
        let SourceKind::UnsupportedFormat(foreign) = SourceKind::sniff(b"SQLite format 3\0\x10\0")
        else {
            panic!("not foreign");
        };
        let text = foreign.to_string();
        assert!(text.starts_with("begins with the bytes 53 51 4c 69 74 65 20 66: an SQLite"));
        let newer = UnsupportedFormat::new(b"HALTBOX\x02").to_string();
        assert!(newer.contains("newer version"), "{newer}");
        assert!(matches!(
            SourceKind::sniff(&[0; 16]),
            SourceKind::UnsupportedFormat(_)
        ));
    }

    /// A ring with a damaged magic is found by its records, and only if its name ends in `.bin`.
    #[test]
    fn a_ring_without_magic_is_found_by_its_records() {
        let folder = tempfile::tempdir().expect("a folder");
        let line = br#"{"type":"a"}"#;
        let mut ring = vec![0; 32 + 64];
        ring[32 + 20 + 7] = 1 + line.len() as u8;
        ring[32 + 28] = b'\n';
        ring[32 + 29..32 + 29 + line.len()].copy_from_slice(line);
        let of = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("a file");
            SourceKind::of(&path).expect("a file")
        };
        assert_eq!(of("flight-recorder.bin", &ring), SourceKind::AgoricRing);
        assert!(matches!(
            of("ring.dat", &ring),
            SourceKind::UnsupportedFormat(_)
        ));
        ring[32 + 29] = b'[';
        assert!(matches!(
            of("other.bin", &ring),
            SourceKind::UnsupportedFormat(_)
        ));
        assert_eq!(
            SourceKind::of(folder.path()).expect("a folder"),
            SourceKind::Folder
        );
        assert!(SourceKind::of(folder.path().join("nothing")).is_err());
    }
}
