use std::io::Write;
use std::path::PathBuf;

use super::*;

#[derive(Debug, Default, PartialEq)]
struct Lines {
    /// Bytes, whether terminated, which part.
    lines: Vec<(Vec<u8>, bool, LinePart)>,
    damage: Option<Damage>,
}

impl Lines {
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (bytes, terminated, _) in &self.lines {
            text.extend_from_slice(bytes);
            text.extend(terminated.then_some(b'\n'));
        }
        text
    }
}

fn read<R: Read>(reader: R) -> Lines {
    let mut slog = SlogFile::new(reader).expect("a stream");
    let mut lines = Lines::default();
    while let Some(item) = slog.next().expect("a stream") {
        assert_eq!(lines.damage, None, "something follows the damage");
        match item {
            SlogItem::Line(SlogLine {
                bytes,
                terminated,
                part,
            }) => {
                lines.lines.push((bytes.to_vec(), terminated, part));
            }
            SlogItem::Damage(damage) => lines.damage = Some(damage),
        }
    }
    lines
}

/// A stream that yields a few bytes at a time, and sometimes an interruption.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.0.len().min(out.len()).min(1 + self.1 % 7);
        let (now, later) = self.0.split_at(len);
        out[..len].copy_from_slice(now);
        self.0 = later;
        Ok(len)
    }
}

fn slog(lines: usize) -> Vec<u8> {
    let line = |i: usize| {
        format!(
            "{{\"n\":{i},\"square\":{},\"mix\":{}}}\n",
            i * i,
            i * 7919 % 9973
        )
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("zstd");
    encoder.include_checksum(true).expect("zstd");
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn data(name: &str) -> Option<File> {
    let folder = std::env::var_os("HALTBOX_DATA").map(PathBuf::from);
    let near = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = folder.unwrap_or(near).join(name);
    let file = File::open(&path).ok();
    if file.is_none() {
        println!("skipped: no {}", path.display());
    }
    file
}

#[test]
fn every_compression_yields_the_same_lines() {
    let text = slog(20_000);
    let half = text.len() / 2;
    let (first, second) = text.split_at(half);
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"\n\n\n"].concat();
    let streams = [
        text.clone(),
        gzip(&text),
        [gzip(first), gzip(b""), gzip(second)].concat(),
        zstd(&text),
        [
            skippable.clone(),
            zstd(first),
            skippable.clone(),
            zstd(second),
            skippable,
        ]
        .concat(),
    ];
    for (i, stream) in streams.iter().enumerate() {
        for lines in [read(&stream[..]), read(Trickle(stream, 0))] {
            assert_eq!(lines.damage, None, "stream {i}");
            assert_eq!(lines.lines.len(), 20_000, "stream {i}");
            assert!(lines.text() == text, "stream {i}");
        }
    }
}

#[test]
fn the_last_line_may_lack_its_newline() {
    let whole = |bytes: &[u8], terminated| (bytes.to_vec(), terminated, LinePart::Whole);
    assert_eq!(
        read(&b"a\n\nb"[..]).lines,
        [whole(b"a", true), whole(b"", true), whole(b"b", false)]
    );
    assert_eq!(read(&b"a\n"[..]).lines, [whole(b"a", true)]);
    assert_eq!(read(&b""[..]), Lines::default());
}

/// Lengths around the size of a part and of the buffer.
#[test]
fn a_line_longer_than_a_part_comes_in_parts() {
    use LinePart::{First, Last, Middle, Whole};
    for (len, end, parts) in [
        (
            BUFFER,
            "\nx",
            vec![(BUFFER, true, Whole), (1, false, Whole)],
        ),
        (
            MAX_PART - 1,
            "\nx",
            vec![(MAX_PART - 1, true, Whole), (1, false, Whole)],
        ),
        (
            MAX_PART,
            "",
            vec![(MAX_PART, false, First), (0, false, Last)],
        ),
        (
            2 * MAX_PART + 5,
            "\nx",
            vec![
                (MAX_PART, false, First),
                (MAX_PART, false, Middle),
                (5, true, Last),
                (1, false, Whole),
            ],
        ),
    ] {
        let text = io::repeat(b'y').take(len as u64).chain(end.as_bytes());
        let mut slog = SlogFile::new(text).expect("a stream");
        let mut found = Vec::new();
        while let Some(SlogItem::Line(line)) = slog.next().expect("a stream") {
            found.push((line.bytes.len(), line.terminated, line.part));
        }
        assert_eq!(found, parts);
        assert!(slog.buffer.len() <= MAX_PART);
    }
}

/// A stream that is cut anywhere yields the beginning of its text and reports the cut.
#[test]
fn a_cut_stream_yields_what_is_there_and_says_so() {
    let text = slog(3000);
    for stream in [gzip(&text), zstd(&text)] {
        for cut in (8..stream.len()).step_by(97) {
            let lines = read(&stream[..cut]);
            assert!(text.starts_with(&lines.text()));
            let damage = lines.damage.expect("damage");
            assert_eq!(damage.offset, cut as u64);
            assert!(damage.what.ends_with("is truncated"), "{damage}");
        }
    }
}

/// Every block before a damaged one is delivered, even if it came in the same read.
#[test]
fn damage_costs_nothing_before_it() {
    let text = slog(60_000);
    let mut stream = zstd(&text);
    let third = stream.len() / 3;
    let sound = read(&stream[..third]).text().len();
    // Everything from here on is damaged: the current block fails, and those before do not.
    stream[third..].fill(0xff);
    let lines = read(&stream[..]);
    assert!(sound > 128 << 10);
    assert!(text.starts_with(&lines.text()));
    assert_eq!(lines.text().len(), sound);
    let damage = lines.damage.expect("damage");
    assert!(
        damage.what.contains("Zstandard stream is damaged"),
        "{damage}"
    );
    assert!(damage.offset <= stream.len() as u64 && damage.offset + (128 << 10) >= third as u64);
}

#[test]
fn a_flipped_bit_is_never_silent() {
    let text = slog(2000);
    for (format, mut stream) in [("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        for at in (12..stream.len()).step_by(131) {
            stream[at] ^= 0x10;
            let lines = read(&stream[..]);
            assert!(lines.damage.is_some(), "{format} at {at}");
            stream[at] ^= 0x10;
        }
    }
}

#[test]
fn what_follows_the_last_frame_is_reported() {
    let text = slog(10);
    let stream = [zstd(&text), b"garbage!".to_vec()].concat();
    let lines = read(&stream[..]);
    assert_eq!(lines.text(), text);
    assert!(lines.damage.expect("damage").offset >= (stream.len() - 8) as u64);
}

/// A stream that fails is an error, not damage.
#[test]
fn a_failing_source_is_an_error() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let text = slog(3000);
    for stream in [text.clone(), gzip(&text), zstd(&text)] {
        let mut slog = SlogFile::new(stream[..900].chain(Failing)).expect("a stream");
        let error = loop {
            match slog.next() {
                Ok(Some(SlogItem::Line(_))) => {}
                Ok(other) => panic!("{other:?}"),
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

/// Compressed with a window of 27 bits.
#[test]
fn real_recordings_are_read_whole() {
    for (name, count, bytes) in [
        ("honest-a", 129_210, 47_824_063),
        ("honest-b", 129_210, 47_824_094),
        ("honest-d-restart", 136_913, 54_297_610),
        ("divergent-kv", 129_210, 47_789_217),
        ("divergent-swap", 129_204, 47_794_561),
    ] {
        let Some(file) = data(&format!("{name}.slog.zst")) else {
            return;
        };
        let mut slog = SlogFile::new(file).expect("a file");
        assert_eq!(slog.compression(), Compression::Zstd);
        let (mut lines, mut total) = (0, 0);
        while let Some(item) = slog.next().expect("a file") {
            let SlogItem::Line(line) = item else {
                panic!("{name}: {item:?}");
            };
            assert!(line.terminated && line.bytes.starts_with(b"{"));
            (lines, total) = (lines + 1, total + line.bytes.len() + 1);
        }
        assert_eq!((lines, total), (count, bytes), "{name}");
    }
}

/// Run by hand, with SLOG=FILE:
/// `cargo test -p haltbox-reader --release --lib plain_speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, with SLOG=FILE"]
fn plain_speed() {
    let Some(path) = std::env::var_os("SLOG") else {
        return println!("left out: SLOG names no file to measure");
    };
    for _ in 0..5 {
        let start = std::time::Instant::now();
        let mut slog = SlogFile::open(&path).expect("a file");
        let (mut lines, mut bytes) = (0_u64, 0);
        while let Some(SlogItem::Line(line)) = slog.next().expect("a file") {
            (lines, bytes) = (lines + 1, bytes + line.bytes.len() + 1);
        }
        let speed = bytes as f64 / start.elapsed().as_secs_f64() / 1e9;
        println!("{lines} lines, {bytes} bytes, {speed:.2} GB/s");
    }
}
