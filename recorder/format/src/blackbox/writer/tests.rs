use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, ErrorKind, Read as _, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::*;
use crate::blackbox::{
    CrankIndex, FOOTER_LEN, Footer, FrameHead, HEAD_LEN, IDENTITY_LEN, IndexError, Manifest,
    SeekTable,
};

/// A real slog, or generated lines if there is none.
fn slog() -> Vec<u8> {
    recorded().unwrap_or_else(|| generated(60_000))
}

/// The recording honest-a. If this machine does not have it: prints a line and returns
/// `None`.
fn recorded() -> Option<Vec<u8>> {
    let folder = match std::env::var_os("HALTBOX_DATA") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    };
    let path = folder.join("honest-a.slog.zst");
    let Ok(file) = File::open(&path) else {
        println!(
            "skipped: no recording at {} (set HALTBOX_DATA)",
            path.display()
        );
        return None;
    };
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut slog = Vec::new();
    decoder.read_to_end(&mut slog).unwrap();
    Some(slog)
}

fn generated(lines: usize) -> Vec<u8> {
    let line = |n: usize| {
        let noise = n.wrapping_mul(0x9E37_79B9) % 1_000_003;
        format!(
            "{{\"type\":\"syscall\",\"n\":{n},\"vatID\":\"v{}\",\"x\":{noise}}}\n",
            n % 7
        )
    };
    (0..lines).flat_map(|n| line(n).into_bytes()).collect()
}

fn write_lines<W: Write + Seek>(writer: &mut BoxWriter<W>, slog: &[u8]) -> Result<(), BoxError> {
    slog.split_inclusive(|b| *b == b'\n').try_for_each(|line| {
        let bare = line.strip_suffix(b"\n");
        writer.slog(bare.unwrap_or(line), bare.is_some())
    })
}

fn small() -> Options {
    Options {
        frame_bytes: 4096,
        side_frame_bytes: 2048,
        held_bytes: 600,
        ..Options::default()
    }
}

fn finished<W: Write + Seek>(mut writer: BoxWriter<W>) -> BoxSummary {
    writer.node(b"node log", true).unwrap();
    writer.context(b"replay", true).unwrap();
    writer.marks(b"\x01mark").unwrap();
    writer
        .finish(
            Identity {
                height: Some(7),
                ..Identity::default()
            },
            fields(),
        )
        .unwrap()
}

fn fields() -> ManifestFields {
    ManifestFields {
        origin: Some("a test".to_owned()),
        ..ManifestFields::default()
    }
}

fn box_of(slog: &[u8], options: &Options) -> (Vec<u8>, BoxSummary) {
    let mut file = Cursor::new(Vec::new());
    let mut writer = BoxWriter::new(&mut file, options).unwrap();
    write_lines(&mut writer, slog).unwrap();
    let summary = finished(writer);
    (file.into_inner(), summary)
}

/// The frames of a box by its seek table, which the zstd format defines.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let len = bytes.len() as u64;
    let footer = Footer::parse(&bytes[bytes.len() - FOOTER_LEN..], len).unwrap();
    let table = &bytes[bytes.len() - footer.table_len() as usize..];
    let table = SeekTable::parse(footer, table, len).unwrap();
    let mut rest = bytes;
    let take = |size: usize| {
        let (frame, behind) = rest.split_at(size);
        rest = behind;
        frame
    };
    table
        .entries
        .iter()
        .map(|e| e.compressed as usize)
        .map(take)
        .collect()
}

fn manifest(bytes: &[u8]) -> Manifest {
    let frame = *frames(bytes).last().unwrap();
    let head = FrameHead::parse(frame).unwrap();
    assert_eq!(head.tag, Tag::Manifest);
    Manifest::parse(head.proven_body(frame).unwrap()).unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn zstd_prints_the_slog_and_the_box_is_as_small_as_zstd() {
    let slog = slog();
    let begun = std::time::Instant::now();
    let (bytes, summary) = box_of(&slog, &Options::default());
    let spent = begun.elapsed();
    let plain = zstd::encode_all(slog.as_slice(), 1).unwrap().len();
    let ratio = bytes.len() as f64 / plain as f64;
    println!("{} of {plain} bytes: {ratio:.4} in {spent:?}", bytes.len());
    assert!(ratio <= 1.05, "{ratio:.4} times what zstd -1 needs");
    assert!(zstd::decode_all(bytes.as_slice()).unwrap() == slog);
    assert_eq!(
        (summary.bytes, summary.slog_bytes),
        (bytes.len() as u64, slog.len() as u64)
    );
}

#[test]
#[ignore = "needs zstd; `-- --ignored` runs it"]
fn the_zstd_program_prints_the_slog() {
    let slog = slog();
    let (bytes, _) = box_of(&slog, &Options::default());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let printed = Command::new("zstd")
        .arg("-dc")
        .stdin(file.reopen().unwrap())
        .output()
        .expect("this test needs the program `zstd`");
    assert!(printed.status.success() && printed.stdout == slog);
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn the_manifest_knows_every_frame() {
    let slog = generated(500);
    let (bytes, summary) = box_of(&slog, &small());
    let frames = frames(&bytes);
    assert_eq!(frames.len(), summary.frames);
    let manifest = manifest(&bytes);
    assert_eq!(manifest.frames.len() + 2, frames.len());
    let (mut at, mut line, mut content) = (IDENTITY_LEN as u64, 0, Vec::new());
    for (entry, frame) in manifest.frames.iter().zip(&frames[1..]) {
        assert_eq!((entry.offset, entry.compressed), (at, frame.len() as u64));
        assert_eq!(entry.blake3.unwrap().0, *blake3::hash(frame).as_bytes());
        at += entry.compressed;
        if entry.kind == Some(FrameKind::Slog) {
            let part = zstd::decode_all(*frame).unwrap();
            assert_eq!(part.last(), Some(&b'\n'));
            assert!(part.len() <= 4096);
            assert_eq!(
                (entry.decompressed, entry.first_line),
                (part.len() as u64, line)
            );
            line += entry.lines;
            content.extend(part);
        } else {
            FrameHead::parse(frame).unwrap().proven_body(frame).unwrap();
        }
    }
    assert!(content == slog && line == 500);
    let identity = Identity::parse(&bytes).unwrap();
    assert!(identity.complete && identity.height == Some(7));
    assert_eq!(
        (manifest.identity, manifest.origin),
        (identity, Some("a test".to_owned()))
    );
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn the_seek_table_has_the_checksums_of_the_content() {
    let (bytes, _) = box_of(&generated(200), &small());
    let footer = Footer::parse(&bytes[bytes.len() - FOOTER_LEN..], u64::MAX).unwrap();
    let table = &bytes[bytes.len() - footer.table_len() as usize..];
    let table = SeekTable::parse(footer, table, bytes.len() as u64).unwrap();
    for (entry, frame) in table.entries.iter().zip(frames(&bytes)) {
        let zstd = frame.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]);
        let tail = u32::from_le_bytes(frame[frame.len() - 4..].try_into().unwrap());
        assert_eq!(entry.checksum, Some(if zstd { tail } else { 0x51D8_E999 }));
        assert_eq!(entry.decompressed > 0, zstd);
    }
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn blocks_and_cranks_point_at_their_lines() {
    let mut file = Cursor::new(Vec::new());
    let mut writer = BoxWriter::new(&mut file, &small()).unwrap();
    let mut slog = String::new();
    let mut add = |writer: &mut BoxWriter<_>, line: String| {
        writer.slog(line.as_bytes(), true).unwrap();
        slog += &line;
        slog.push('\n');
    };
    add(&mut writer, "before the first block".to_owned());
    for height in [7, 8, 8] {
        writer.block_begin(height, 1 + u32::from(height == 8));
        for crank in 0..50 {
            add(
                &mut writer,
                format!("crank-start {height} {crank} {}", "x".repeat(crank)),
            );
            add(
                &mut writer,
                format!("crank-finish {}", height * 100 + crank as u64),
            );
            writer.crank(height * 100 + crank as u64, None);
        }
        if height == 7 {
            let state = Some(State::Committed);
            let hash = Some("ab".to_owned());
            writer.block_end(BlockFacts {
                state,
                hash,
                ..BlockFacts::default()
            });
            add(&mut writer, "between blocks".to_owned());
        }
    }
    let summary = finished(writer);
    let bytes = file.into_inner();
    assert_eq!((summary.blocks, summary.cranks), (3, 150));
    let manifest = manifest(&bytes);
    for block in &manifest.blocks {
        let text = &slog[block.offset as usize..(block.offset + block.bytes) as usize];
        assert_eq!((text.lines().count() as u64, block.lines), (100, 100));
        assert!(text.starts_with(&format!("crank-start {} 0", block.height)));
        let first = slog.lines().nth(block.first_line as usize);
        assert_eq!(first, text.lines().next());
        let cranks = (block.first_crank, block.last_crank, block.cranks);
        assert_eq!(
            cranks,
            (Some(block.height * 100), Some(block.height * 100 + 49), 50)
        );
    }
    assert_eq!(manifest.blocks[0].name.as_deref(), Some("7-ab"));
    assert_eq!(manifest.blocks[1].state, None);
    let frames = frames(&bytes);
    let index = frames[frames.len() - 2];
    assert_eq!(FrameHead::parse(index).unwrap().tag, Tag::Cranks);
    let cranks: Vec<_> = CrankIndex::new(&index[HEAD_LEN..]).collect();
    assert_eq!(cranks.len(), 150);
    for crank in cranks {
        let line = slog[crank.offset as usize..].lines().next().unwrap();
        assert_eq!(line, format!("crank-finish {}", crank.number));
    }
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn long_lines_and_lines_without_an_end_have_their_own_frames() {
    let long = vec![b'x'; 100_000];
    let mut file = Cursor::new(Vec::new());
    let mut writer = BoxWriter::new(&mut file, &small()).unwrap();
    writer.slog(b"short", true).unwrap();
    writer.slog(&long, true).unwrap();
    writer.slog(b"torn", false).unwrap();
    writer.slog(b"", false).unwrap();
    writer.slog(b"two\nlines", true).unwrap();
    writer.slog(b"", true).unwrap();
    finished(writer);
    let bytes = file.into_inner();
    let parts: Vec<Vec<u8>> = frames(&bytes)
        .into_iter()
        .map(|frame| zstd::decode_all(frame).unwrap())
        .filter(|part| !part.is_empty())
        .collect();
    let expected = [
        b"short\n".to_vec(),
        [long.as_slice(), b"\n"].concat(),
        b"torn".to_vec(),
        b"two\nlines\n\n".to_vec(),
    ];
    assert!(parts == expected);
    let lines: Vec<u64> = manifest(&bytes)
        .frames
        .iter()
        .filter(|entry| entry.kind == Some(FrameKind::Slog))
        .map(|entry| entry.lines)
        .collect();
    assert_eq!(lines, [1, 1, 1, 3]);
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn side_streams_beyond_the_bound_are_written_early_and_stay_in_order() {
    let mut file = Cursor::new(Vec::new());
    let mut writer = BoxWriter::new(&mut file, &small()).unwrap();
    for n in 0..2000u32 {
        writer.slog(format!("slog {n}").as_bytes(), true).unwrap();
        writer
            .node(
                format!("node {n} {:x}", n.wrapping_mul(0x9E37_79B9)).as_bytes(),
                true,
            )
            .unwrap();
    }
    finished(writer);
    let bytes = file.into_inner();
    let manifest = manifest(&bytes);
    let kinds: Vec<_> = manifest
        .frames
        .iter()
        .filter_map(|entry| entry.kind)
        .collect();
    let (node, slog) = (FrameKind::Tagged(Tag::Node), FrameKind::Slog);
    let first_node = kinds.iter().position(|kind| *kind == node).unwrap();
    assert!(
        kinds[first_node..].contains(&slog),
        "nothing was written early"
    );
    let mut text = Vec::new();
    for frame in frames(&bytes) {
        if FrameHead::parse(frame).is_ok_and(|head| head.tag == Tag::Node) {
            text.extend(zstd::decode_all(&frame[HEAD_LEN..]).unwrap());
        }
    }
    let text = String::from_utf8(text).unwrap();
    let numbers = text
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned());
    let expected = (0..2000).map(|n| n.to_string()).chain(["log".to_owned()]);
    assert!(numbers.eq(expected));
}

/// A file on a disk with little room, which accepts few bytes per write.
struct Tight {
    file: Cursor<Vec<u8>>,
    room: usize,
}

impl Write for Tight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.room.saturating_sub(self.file.position() as usize);
        match bytes.len().min(end).min(1000) {
            0 if !bytes.is_empty() => Err(ErrorKind::StorageFull.into()),
            len => self.file.write(&bytes[..len]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Tight {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A file shared by the writing thread and the test.
#[derive(Clone)]
struct Shared(Arc<Mutex<Tight>>);

impl Shared {
    fn with_room(room: usize) -> Shared {
        let file = Cursor::new(Vec::new());
        Shared(Arc::new(Mutex::new(Tight { file, room })))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().file.get_ref().clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.lock().unwrap().seek(to)
    }
}

type Begin = fn(Shared, &Options) -> Result<BoxWriter<Shared>, BoxError>;

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn a_thread_of_its_own_writes_the_same_box() {
    let slog = generated(5000);
    let here = box_of(&slog, &small());
    let file = Shared::with_room(usize::MAX);
    let mut writer = BoxWriter::with_thread(file.clone(), &small()).unwrap();
    write_lines(&mut writer, &slog).unwrap();
    let summary = finished(writer);
    assert!((file.bytes(), summary) == here);
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn nothing_is_written_once_a_writer_is_dropped() {
    let file = Shared::with_room(usize::MAX);
    let mut writer = BoxWriter::with_thread(file.clone(), &small()).unwrap();
    write_lines(&mut writer, &generated(20_000)).unwrap();
    drop(writer);
    assert_eq!(Arc::strong_count(&file.0), 1, "the thread still holds it");
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn a_full_disk_is_told_apart_and_leaves_an_unfinished_box() {
    let slog = generated(500);
    let begins: [Begin; 2] = [BoxWriter::new, BoxWriter::with_thread];
    for begin in begins {
        let fill = |room| {
            let file = Shared::with_room(room);
            let run = || {
                let mut writer = begin(file.clone(), &small())?;
                write_lines(&mut writer, &slog)?;
                writer.node(b"node log", true)?;
                writer.finish(Identity::default(), fields())
            };
            (run(), file.bytes())
        };
        let whole = fill(usize::MAX).0.unwrap().bytes as usize;
        for room in (0..whole).step_by(501).chain([whole - 1]) {
            let (outcome, bytes) = fill(room);
            let error = outcome.expect_err("there is no room");
            let all = bytes.len() as u64;
            let told = matches!(error, BoxError::NoSpace { written, .. } if written == all);
            assert!(told, "{room}: {error:?}");
            let identity = Identity::parse(&bytes);
            assert!(identity.is_err() || identity.is_ok_and(|identity| !identity.complete));
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn nothing_is_written_behind_a_failed_write() {
    let mut file = Tight {
        file: Cursor::new(Vec::new()),
        room: 6000,
    };
    let mut writer = BoxWriter::new(&mut file, &small()).unwrap();
    write_lines(&mut writer, &generated(2000)).expect_err("there is no room");
    assert!(matches!(
        writer.slog(&[b'x'; 10_000], true),
        Err(BoxError::Io { written: 6000, .. })
    ));
    assert!(writer.finish(Identity::default(), fields()).is_err());
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn the_system_s_own_full_device_is_no_space() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return println!("no /dev/full here");
    };
    let refused = BoxWriter::new(full, &small()).err();
    assert!(
        matches!(refused, Some(BoxError::NoSpace { written: 0, .. })),
        "{refused:?}"
    );
}

/// Blocks of a few lines each, a crank at the end of each.
fn box_of_blocks(heights: std::ops::Range<u64>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let options = Options {
        frame_per_block: true,
        ..small()
    };
    let mut writer = BoxWriter::new(&mut file, &options).unwrap();
    for height in heights.clone() {
        writer.block_begin(height, 1);
        write_lines(&mut writer, &block(height)).unwrap();
        writer.crank(height * 10, None);
        writer.block_end(BlockFacts::default());
        writer.slog(&between(height), true).unwrap();
        writer.node(&between(height), true).unwrap();
    }
    writer.finish(Identity::default(), fields()).unwrap();
    file.into_inner()
}

fn block(height: u64) -> Vec<u8> {
    let line = |n| {
        format!(
            "{{\"height\":{height},\"n\":{n},\"pad\":\"{}\"}}\n",
            n * height
        )
    };
    (0..height * 13 % 200 + 1)
        .flat_map(|n| line(n).into_bytes())
        .collect()
}

fn between(height: u64) -> Vec<u8> {
    format!("after {height}").into_bytes()
}

fn slog_of(file: &[u8]) -> Vec<u8> {
    let mut slog = Vec::new();
    let manifest = Manifest::read(&file.to_vec()).unwrap();
    for frame in manifest
        .frames
        .iter()
        .filter(|f| f.kind == Some(FrameKind::Slog))
    {
        let (from, to) = (
            frame.offset as usize,
            (frame.offset + frame.compressed) as usize,
        );
        let content = zstd::decode_all(&file[from..to]).unwrap();
        assert_eq!(content.len() as u64, frame.decompressed);
        assert_eq!(
            slog.iter().filter(|b| **b == b'\n').count() as u64,
            frame.first_line
        );
        slog.extend(content);
    }
    slog
}

fn cranks_of(file: &[u8], manifest: &Manifest) -> Vec<Crank> {
    let kind = Some(FrameKind::Tagged(Tag::Cranks));
    let frame = manifest.frames.iter().find(|f| f.kind == kind).unwrap();
    let from = frame.offset as usize + HEAD_LEN;
    CrankIndex::new(&file[from..(frame.offset + frame.compressed) as usize]).collect()
}

/// Every block and crank of a box lies where the index says.
fn check_index(file: &[u8]) -> Vec<u64> {
    let (manifest, slog) = (Manifest::read(&file.to_vec()).unwrap(), slog_of(file));
    for entry in &manifest.blocks {
        let range = entry.offset as usize..(entry.offset + entry.bytes) as usize;
        assert!(
            slog[range] == block(entry.height),
            "height {}",
            entry.height
        );
        let lines_before = slog[..entry.offset as usize]
            .iter()
            .filter(|b| **b == b'\n');
        assert_eq!(lines_before.count() as u64, entry.first_line);
    }
    for crank in cranks_of(file, &manifest) {
        let line = slog[crank.offset as usize..]
            .split(|b| *b == b'\n')
            .next()
            .unwrap();
        let height = crank.number / 10;
        assert!(line.starts_with(format!("{{\"height\":{height},").as_bytes()));
    }
    manifest.blocks.iter().map(|block| block.height).collect()
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn joined_boxes_hold_what_each_held_and_index_it() {
    let parts = [
        box_of_blocks(3..9),
        box_of_blocks(9..10),
        box_of_blocks(10..40),
    ];
    let mut file = Cursor::new(Vec::new());
    let mut joiner = BoxJoiner::new(&mut file, Identity::default()).unwrap();
    for part in &parts {
        joiner.add(part, &Manifest::read(part).unwrap()).unwrap();
    }
    let summary = joiner.finish(Identity::default(), fields()).unwrap();
    let joined = file.into_inner();
    let apart: Vec<u8> = parts.iter().flat_map(|part| slog_of(part)).collect();
    assert!(slog_of(&joined) == apart);
    assert!(zstd::decode_all(&joined[..]).unwrap() == apart, "zstd -dc");
    assert_eq!(check_index(&joined), (3..40).collect::<Vec<_>>());
    assert_eq!((summary.blocks, summary.cranks), (37, 37));
    let manifest = Manifest::read(&joined).unwrap();
    let node = manifest
        .frames
        .iter()
        .filter(|f| f.kind == Some(FrameKind::Tagged(Tag::Node)));
    let lines: Vec<_> = node.map(|frame| (frame.first_line, frame.lines)).collect();
    assert_eq!(lines, [(0, 6), (6, 1), (7, 30)]);
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn a_block_is_taken_out_of_a_box_with_its_cranks_and_nothing_before_it() {
    let file = box_of_blocks(3..60);
    let manifest = Manifest::read(&file).unwrap();
    for entry in &manifest.blocks {
        let mut out = Cursor::new(Vec::new());
        let mut joiner = BoxJoiner::new(&mut out, Identity::default()).unwrap();
        joiner.add_block(&file, &manifest, entry, &[]).unwrap();
        joiner.finish(Identity::default(), fields()).unwrap();
        let taken = out.into_inner();
        let expected = [block(entry.height), between(entry.height), b"\n".to_vec()].concat();
        // The lines that follow it in its last frame are copied, too.
        let found = slog_of(&taken);
        assert!(expected.starts_with(&found) && found.starts_with(&block(entry.height)));
        assert_eq!(check_index(&taken), [entry.height]);
        let cranks = cranks_of(&taken, &Manifest::read(&taken).unwrap());
        assert_eq!(cranks.len(), 1);
    }
}

#[test]
#[cfg_attr(miri, ignore = "zstd is C, which Miri does not run")]
fn a_damaged_frame_is_not_taken_over() {
    let sound = box_of_blocks(3..30);
    let manifest = Manifest::read(&sound).unwrap();
    for frame in &manifest.frames {
        let mut file = sound.clone();
        file[(frame.offset + frame.compressed / 2) as usize] ^= 1;
        let mut joiner = BoxJoiner::new(Cursor::new(Vec::new()), Identity::default()).unwrap();
        let error = joiner.add(&file, &manifest).unwrap_err();
        assert!(
            matches!(error, JoinError::Damaged { offset } if offset == frame.offset),
            "{error}"
        );
    }
    let mut short = sound.clone();
    short.truncate(short.len() / 2);
    assert!(matches!(
        Manifest::read(&short),
        Err(IndexError::SeekTable(_))
    ));
    let mut joiner = BoxJoiner::new(Cursor::new(Vec::new()), Identity::default()).unwrap();
    assert!(joiner.add(&short, &manifest).is_err());
}
