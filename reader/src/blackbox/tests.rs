//! The files here are built byte by byte from docs/format.md, and not with the code under
//! test.

use std::fs::File;
use std::io::Write;
use std::ops::Range;

use fastrand::Rng;
use serde_json::{Value, json};

use super::frames::{Frames, Parts};
use super::read_ahead::{Counted, ReadAhead};
use super::*;

/// One item, owned.
#[derive(Clone, Debug, PartialEq)]
enum Got {
    Line(Vec<u8>, bool),
    Piece(usize),
    Hole(Range<u64>),
}

/// A test that fails prints the seed.
fn seeded(seed: u64) -> Rng {
    println!("seed {seed:#x}");
    Rng::with_seed(seed)
}

fn skippable(tag: &[u8; 8], body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend([0x5B, 0x2A, 0x4D, 0x18]);
    frame.extend((body.len() as u32 + 40).to_le_bytes());
    frame.extend(tag);
    let digest = blake3::hash(&[&frame, body].concat());
    frame.extend(digest.as_bytes());
    frame.extend(body);
    frame
}

fn identity(complete: bool) -> Vec<u8> {
    let json = json!({"format": 1, "name": "7-abc", "height": 7, "complete": complete});
    let mut body = json.to_string().into_bytes();
    body.resize(4096 - 48, b' ');
    skippable(b"HBXIDENT", &body)
}

fn zstd_frame(content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder
        .set_pledged_src_size(Some(content.len() as u64))
        .unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn seek_table(frames: &[(usize, usize)]) -> Vec<u8> {
    let mut table = Vec::new();
    table.extend(0x184D_2A5Eu32.to_le_bytes());
    table.extend((frames.len() as u32 * 8 + 9).to_le_bytes());
    for (compressed, decompressed) in frames {
        table.extend((*compressed as u32).to_le_bytes());
        table.extend((*decompressed as u32).to_le_bytes());
    }
    table.extend((frames.len() as u32).to_le_bytes());
    table.push(0);
    table.extend(0x8F92_EAB1u32.to_le_bytes());
    table
}

/// A box under construction.
struct Synth {
    bytes: Vec<u8>,
    sizes: Vec<(usize, usize)>,
    entries: Vec<Value>,
    lines: usize,
}

impl Synth {
    fn new() -> Synth {
        let bytes = identity(true);
        Synth {
            sizes: vec![(bytes.len(), 0)],
            bytes,
            entries: Vec::new(),
            lines: 0,
        }
    }

    fn add(&mut self, kind: &str, frame: &[u8], content: usize, slog: bool, lines: usize) {
        self.entries.push(json!({
            "kind": kind, "offset": self.bytes.len(), "compressed": frame.len(),
            "decompressed": content, "first_line": self.lines, "lines": lines,
            "blake3": blake3::hash(frame).to_hex().as_str(),
        }));
        self.lines += if slog { lines } else { 0 };
        self.sizes
            .push((frame.len(), if slog { content } else { 0 }));
        self.bytes.extend(frame);
    }

    fn slog(&mut self, content: &[u8]) {
        let lines = content.split_inclusive(|b| *b == b'\n').count();
        self.add("slog", &zstd_frame(content), content.len(), true, lines);
    }

    fn side(&mut self, kind: &str, tag: &[u8; 8], content: &[u8], lines: usize) {
        let frame = skippable(tag, &zstd_frame(content));
        self.add(kind, &frame, content.len(), false, lines);
    }

    fn manifest(&mut self, manifest: &str) {
        let frame = skippable(b"HBXMANI1", manifest.as_bytes());
        self.sizes.push((frame.len(), 0));
        self.bytes.extend(frame);
    }

    fn finish(mut self) -> Vec<u8> {
        let mut offset = 0;
        let blocks: Vec<Value> = self
            .entries
            .iter()
            .filter(|entry| entry["kind"] == "slog")
            .enumerate()
            .map(|(i, entry)| {
                let bytes = entry["decompressed"].as_u64().unwrap();
                offset += bytes;
                json!({"height": 100 + i, "offset": offset - bytes, "bytes": bytes})
            })
            .collect();
        let manifest = json!({
            "identity": {"name": "7-abc", "height": 7}, "frames": self.entries, "blocks": blocks,
        });
        self.manifest(&manifest.to_string());
        self.seal()
    }

    fn seal(mut self) -> Vec<u8> {
        self.bytes.extend(seek_table(&self.sizes));
        self.bytes
    }
}

fn line(number: usize) -> Vec<u8> {
    let noise = number.wrapping_mul(0x9E37_79B9) % 1_000_003;
    let padding = "x".repeat(noise % 97);
    format!("{{\"type\":\"syscall\",\"n\":{number},\"noise\":{noise},\"pad\":\"{padding}\"}}")
        .into_bytes()
}

fn lines_of(range: Range<usize>) -> Vec<u8> {
    range
        .flat_map(|n| [line(n), b"\n".to_vec()].concat())
        .collect()
}

const FRAMES: usize = 8;
const PER_FRAME: usize = 400;

/// A box of eight slog frames and every side stream.
fn sample() -> Vec<u8> {
    let mut synth = Synth::new();
    (0..FRAMES).for_each(|i| synth.slog(&lines_of(i * PER_FRAME..(i + 1) * PER_FRAME)));
    synth.side("node", b"HBXNODE1", b"node one\nnode two\n", 2);
    synth.side("context", b"HBXCTX01", b"context\nno end", 2);
    synth.side("marks", b"HBXMARK1", b"\x02\0\0\0a\n\0\0\0\0\x01\0\0\0b", 3);
    synth.finish()
}

fn open(bytes: &[u8]) -> Result<BlackBox, OpenError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    BlackBox::open(file)
}

fn collect(mut lines: Lines) -> Vec<Got> {
    let mut got = Vec::new();
    while let Some(item) = lines.next().unwrap() {
        got.push(match item {
            BoxItem::Line { bytes, newline } => Got::Line(bytes.to_vec(), newline),
            BoxItem::Piece { bytes } => Got::Piece(bytes.len()),
            BoxItem::Hole { offset, len, .. } => Got::Hole(offset..offset + len),
        });
        assert!(got.len() <= 1_000_000, "the iteration does not end");
    }
    got
}

fn slog_of(bytes: &[u8]) -> Vec<Got> {
    collect(open(bytes).unwrap().lines(BoxStream::Slog))
}

/// The ranges of the sample's slog frames.
fn slog_frames(bytes: &[u8]) -> Vec<Range<usize>> {
    let bx = open(bytes).unwrap();
    let frames = &bx.manifest().unwrap().frames;
    let slog = frames.iter().filter(|f| f.kind == Some(FrameKindOf::Slog));
    slog.map(|f| f.offset as usize..(f.offset + f.compressed) as usize)
        .collect()
}

use haltbox_format::blackbox::FrameKind as FrameKindOf;

/// The numbers of the lines that came, in order. Panics at a line that was never written.
fn numbers(got: &[Got]) -> Vec<usize> {
    let lines = got.iter().filter_map(|got| match got {
        Got::Line(bytes, newline) => {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let number = text
                .split("\"n\":")
                .nth(1)
                .unwrap()
                .split(',')
                .next()
                .unwrap();
            let number: usize = number.parse().unwrap();
            assert!(
                *newline && *bytes == line(number),
                "a line that never was: {text}"
            );
            Some(number)
        }
        _ => None,
    });
    let numbers: Vec<usize> = lines.collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order");
    numbers
}

/// The lines of the frames that are kept.
fn expected(kept: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..FRAMES)
        .filter(|frame| kept(*frame))
        .flat_map(|frame| frame * PER_FRAME..(frame + 1) * PER_FRAME)
        .collect()
}

#[test]
fn an_intact_box_is_read_whole_and_found_intact() {
    let bytes = sample();
    let bx = open(&bytes).unwrap();
    assert_eq!(bx.verify().unwrap(), []);
    assert_eq!(bx.identity().unwrap().height, Some(7));
    let got = collect(bx.lines(BoxStream::Slog));
    assert_eq!(numbers(&got), expected(|_| true));
    assert_eq!(got.len(), FRAMES * PER_FRAME);
    let line = |text: &str, newline| Got::Line(text.as_bytes().to_vec(), newline);
    let node = collect(bx.lines(BoxStream::Node));
    assert_eq!(node, [line("node one", true), line("node two", true)]);
    let context = collect(bx.lines(BoxStream::Context));
    assert_eq!(context, [line("context", true), line("no end", false)]);
    let marks = collect(bx.lines(BoxStream::Marks));
    assert_eq!(
        marks,
        [line("a\n", false), line("", false), line("b", false)]
    );
}

#[test]
fn a_block_is_read_from_its_own_frames_only() {
    let mut bytes = sample();
    let bx = open(&bytes).unwrap();
    let blocks = bx.manifest().unwrap().blocks.clone();
    let got = collect(bx.block_lines(&blocks[3]));
    assert_eq!(numbers(&got), expected(|frame| frame == 3));
    // Half of block 2 and half of block 3, cut at line ends.
    let half = lines_of(2 * PER_FRAME..2 * PER_FRAME + 200).len() as u64;
    let across = BlockEntry {
        offset: blocks[2].offset + half,
        bytes: blocks[2].bytes - half + lines_of(3 * PER_FRAME..3 * PER_FRAME + 200).len() as u64,
        ..BlockEntry::default()
    };
    let got = collect(bx.block_lines(&across));
    let range = 2 * PER_FRAME + 200..3 * PER_FRAME + 200;
    assert_eq!(numbers(&got), range.collect::<Vec<_>>());
    // Damage in another frame does not matter, in its own it is a hole.
    let frames = slog_frames(&bytes);
    bytes[frames[3].start + 40] ^= 1;
    let bx = open(&bytes).unwrap();
    assert_eq!(collect(bx.block_lines(&blocks[4])).len(), PER_FRAME);
    let hole = Got::Hole(frames[3].start as u64..frames[3].end as u64);
    assert_eq!(collect(bx.block_lines(&blocks[3])), [hole]);
}

#[test]
fn a_box_cut_anywhere_gives_every_whole_frame_and_says_so() {
    let whole = sample();
    let frames = slog_frames(&whole);
    let ends = frames.iter().map(|f| f.end);
    let cuts = (1..whole.len())
        .step_by(997)
        .chain(ends)
        .chain([4096, whole.len() - 1]);
    for cut in cuts {
        let bytes = &whole[..cut];
        let bx = match open(bytes) {
            Ok(bx) => bx,
            Err(OpenError::NotABox) if cut < 48 => continue,
            Err(e) => panic!("cut at {cut}: {e}"),
        };
        let got = collect(bx.lines(BoxStream::Slog));
        let kept = expected(|frame| frames[frame].end <= cut);
        assert!(numbers(&got) == kept, "cut at {cut}");
        let manifest = bx.manifest().is_some();
        let hole = got.iter().any(|got| matches!(got, Got::Hole(_)));
        assert!(manifest || hole, "cut at {cut}: the loss is not said");
        assert!(!bx.verify().unwrap().is_empty(), "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_costs_its_own_frame_and_is_found() {
    let whole = sample();
    let frames = slog_frames(&whole);
    let mut random = seeded(0x5EED_0001);
    let starts = frames.iter().flat_map(|f| f.start..f.start + 12);
    let tail = whole.len() - 60..whole.len();
    let anywhere: Vec<usize> = (0..500).map(|_| random.usize(..whole.len())).collect();
    for place in anywhere.into_iter().chain(0..64).chain(starts).chain(tail) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << random.u8(..8);
        let bx = open(&bytes).unwrap_or_else(|e| panic!("flip at {place}: {e}"));
        let got = collect(bx.lines(BoxStream::Slog));
        let kept = expected(|frame| !frames[frame].contains(&place));
        assert!(numbers(&got) == kept, "flip at {place}");
        let holes = got.iter().filter(|got| matches!(got, Got::Hole(_))).count();
        assert_eq!(
            holes > 0,
            kept.len() < FRAMES * PER_FRAME,
            "flip at {place}: {holes} holes"
        );
        let findings = bx.verify().unwrap();
        let near = |f: &Finding| {
            f.bytes.contains(&(place as u64))
                || f.bytes.start == bytes.len() as u64
                || (f.problem == Problem::SeekEntry && place > frames[FRAMES - 1].end)
        };
        assert!(findings.iter().any(near), "flip at {place}: {findings:?}");
    }
}

#[test]
fn without_any_index_damage_costs_its_own_frame() {
    let sealed = sample();
    let frames = slog_frames(&sealed);
    let whole = &sealed[..frames[FRAMES - 1].end];
    let mut random = seeded(0x5EED_0002);
    let starts = frames.iter().flat_map(|f| f.start..f.start + 16);
    let anywhere: Vec<usize> = (0..300).map(|_| random.usize(..whole.len())).collect();
    for place in anywhere.into_iter().chain(starts) {
        let mut bytes = whole.to_vec();
        bytes[place] ^= 1 << random.u8(..8);
        let kept = expected(|frame| !frames[frame].contains(&place));
        // A bit that no decoder reads may do no damage at all.
        let got = numbers(&slog_of(&bytes));
        assert!(got == kept || got == expected(|_| true), "flip at {place}");
    }
}

#[test]
fn damage_has_lines_and_heights() {
    let mut bytes = sample();
    let frames = slog_frames(&bytes);
    bytes[frames[5].start + 100] ^= 0x10;
    let findings = open(&bytes).unwrap().verify().unwrap();
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(finding.bytes, frames[5].start as u64..frames[5].end as u64);
    assert_eq!(finding.frame, Some(6));
    assert_eq!(finding.lines, Some(2000..2400));
    assert_eq!(
        finding.heights,
        Some(HeightSpan {
            first: 105,
            last: 105
        })
    );
    assert_eq!(finding.problem, Problem::Damaged(Damage::Digest));
}

#[test]
fn trailing_garbage_and_an_unfinished_identity_are_found() {
    let mut bytes = sample();
    bytes.extend(b"garbage");
    let bx = open(&bytes).unwrap();
    assert_eq!(
        numbers(&collect(bx.lines(BoxStream::Slog))),
        expected(|_| true)
    );
    let garbage = bytes.len() as u64 - 7..bytes.len() as u64;
    assert!(bx.verify().unwrap().iter().any(|f| f.bytes == garbage));

    let mut bytes = sample();
    bytes[..4096].copy_from_slice(&identity(false));
    let findings = open(&bytes).unwrap().verify().unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].problem, Problem::Incomplete);
}

#[test]
fn a_zip_bomb_is_a_stream_in_bounded_memory() {
    // 1 GiB of zeros in some 40 KB, without a single line end.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..1024).for_each(|_| encoder.write_all(&zeros).unwrap());
    let bomb = encoder.finish().unwrap();
    let bytes = [identity(true), bomb.clone()].concat();
    let bx = open(&bytes).unwrap();
    let mut lines = bx.lines(BoxStream::Slog);
    let (mut total, mut longest) = (0, 0);
    while let Some(item) = lines.next().unwrap() {
        let len = match item {
            BoxItem::Piece { bytes } | BoxItem::Line { bytes, .. } => bytes.len(),
            BoxItem::Hole { .. } => 0,
        };
        total += len;
        longest = longest.max(len);
    }
    assert_eq!(total, 1 << 30);
    assert!(longest < PIECE_LEN + (1 << 20), "{longest}");

    // If the manifest says that it is small, it is damage, and found early.
    let mut synth = Synth::new();
    synth.add("slog", &bomb, 1000, true, 1);
    let bytes = synth.finish();
    assert!(matches!(slog_of(&bytes).as_slice(), [Got::Hole(_)]));
}

#[test]
fn a_window_beyond_the_promise_is_damage() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&lines_of(0..100)).unwrap();
    let bytes = [
        identity(true),
        encoder.finish().unwrap(),
        zstd_frame(b"after\n"),
    ]
    .concat();
    let got = slog_of(&bytes);
    assert!(matches!(got[0], Got::Hole(_)), "{got:?}");
    assert_eq!(got[1], Got::Line(b"after".to_vec(), true));
}

#[test]
fn hostile_manifests_cost_nothing_but_themselves() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let many = vec![r#"{"offset":4096,"compressed":1}"#; 200_000].join(",");
    let manifests = [
        "".to_owned(),
        "null".to_owned(),
        "{\"frames\":17,\"blocks\":{},\"coverage\":[],\"host\":\"../../etc/passwd\"}".to_owned(),
        "{\"frames\":[{\"offset\":-1},{\"offset\":1e300},{\"offset\":18446744073709551615,\
         \"compressed\":18446744073709551615,\"decompressed\":18446744073709551615,\
         \"lines\":18446744073709551615,\"first_line\":3}]}"
            .to_owned(),
        format!("{{\"frames\":{deep},\"blocks\":{deep},\"new\":{deep}}}"),
        format!("{{\"frames\":[{many}]}}"),
        "{\"blocks\":[{\"height\":-5,\"offset\":18446744073709551615,\"bytes\":7},{\"height\":1,\
         \"offset\":3,\"bytes\":18446744073709551615}]}"
            .to_owned(),
        "{\"identity\":{\"name\":\"/tmp/evil\",\"height\":\"x\",\"app_hash\":\"zz\"}}".to_owned(),
    ];
    for manifest in manifests {
        let mut synth = Synth::new();
        synth.slog(&lines_of(0..PER_FRAME));
        synth.manifest(&manifest);
        let bytes = synth.seal();
        let name = &manifest[..manifest.len().min(60)];
        let bx = open(&bytes).unwrap();
        let got = collect(bx.lines(BoxStream::Slog));
        let blocks = bx.manifest().map(|m| m.blocks.clone()).unwrap_or_default();
        blocks
            .iter()
            .for_each(|block| drop(collect(bx.block_lines(block))));
        assert!(!bx.verify().unwrap().is_empty(), "{name}");
        // A manifest that denies a frame leaves a hole, and not silence.
        let lines = numbers(&got).len();
        assert!(
            lines == PER_FRAME || matches!(got.as_slice(), [Got::Hole(_)]),
            "{name}"
        );
    }
}

#[test]
fn a_lying_seek_table_is_not_followed() {
    let mut synth = Synth::new();
    synth.slog(&lines_of(0..PER_FRAME));
    synth.slog(&lines_of(PER_FRAME..2 * PER_FRAME));
    synth.sizes[1].0 += 5;
    synth.sizes[2].0 -= 5;
    let bytes = synth.finish();
    assert_eq!(numbers(&slog_of(&bytes)).len(), 2 * PER_FRAME);
    // 4 billion frames claimed in the footer.
    let mut bytes = sample();
    let end = bytes.len();
    bytes[end - 9..end - 5].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(numbers(&slog_of(&bytes)), expected(|_| true));
}

#[test]
fn marks_that_claim_too_much_are_a_hole() {
    let mut whole = vec![0; PIECE_LEN + 5];
    whole[..4].copy_from_slice(&(PIECE_LEN as u32 + 1).to_le_bytes());
    for marks in [
        &b"\xFF\xFF\xFF\xFFabc"[..],
        b"\x05\0\0\0abc",
        b"\x01\0",
        &whole,
    ] {
        let mut synth = Synth::new();
        synth.side("marks", b"HBXMARK1", marks, 1);
        let bytes = synth.finish();
        let got = collect(open(&bytes).unwrap().lines(BoxStream::Marks));
        assert!(matches!(got.as_slice(), [Got::Hole(_)]), "{got:?}");
    }
}

/// The machine of a test may have one core.
fn counted() -> Counted {
    Counted::within(usize::MAX).unwrap()
}

/// The items of a whole stream, decompressed when they are used or ahead.
fn in_both_ways(bx: &BlackBox, stream: BoxStream) -> [Vec<Got>; 2] {
    let frames = || Frames::new(Arc::clone(&bx.contents), stream, frames::WHOLE);
    let ahead = ReadAhead::start(frames(), counted()).unwrap();
    let ways: [Box<dyn Parts>; 2] = [Box::new(frames()), Box::new(ahead)];
    ways.map(|parts| collect(Lines::of(stream, parts)))
}

#[test]
fn frames_that_are_read_ahead_give_the_same_items() {
    const STREAMS: [BoxStream; 4] = [
        BoxStream::Slog,
        BoxStream::Node,
        BoxStream::Context,
        BoxStream::Marks,
    ];
    let mut random = seeded(0x5EED_0004);
    let whole = sample();
    for _ in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(0..4) {
            let at = random.usize(..bytes.len());
            bytes[at] ^= 1 << random.u8(..8);
        }
        bytes.truncate(random.usize(bytes.len() / 2..=bytes.len()));
        for stream in STREAMS {
            let [used, ahead] = in_both_ways(&open(&bytes).unwrap(), stream);
            assert_eq!(used, ahead);
        }
    }
}

#[test]
fn the_rest_of_a_frame_that_is_given_up_is_not_read() {
    let mut synth = Synth::new();
    let mut given_up = vec![b'x'; 3 * frames::CHUNK];
    given_up[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    synth.side("marks", b"HBXMARK1", &given_up, 1);
    synth.side("marks", b"HBXMARK1", b"\x01\0\0\0b", 1);
    let bx = open(&synth.finish()).unwrap();
    for got in in_both_ways(&bx, BoxStream::Marks) {
        let [Got::Hole(_), Got::Line(mark, false)] = &got[..] else {
            panic!("{got:?}");
        };
        assert_eq!(mark, b"b");
    }
}

#[test]
fn a_stream_that_is_left_early_leaves_no_thread() {
    let bx = open(&sample()).unwrap();
    let frames = Frames::new(Arc::clone(&bx.contents), BoxStream::Slog, frames::WHOLE);
    let mut lines = Lines::of(
        BoxStream::Slog,
        Box::new(ReadAhead::start(frames, counted()).unwrap()),
    );
    assert!(lines.next().unwrap().is_some());
    drop(lines);
    assert_eq!(Arc::strong_count(&bx.contents), 1);
}

#[test]
fn random_bytes_are_no_box_and_no_panic() {
    let mut random = seeded(0x5EED_0003);
    for len in [0, 1, 8, 9, 17, 47, 48, 4095, 4096, 100_000] {
        let bytes: Vec<u8> = (0..len).map(|_| random.u8(..)).collect();
        assert!(
            matches!(open(&bytes), Err(OpenError::NotABox)),
            "{len} bytes"
        );
        let boxed = [identity(true), bytes].concat();
        let bx = open(&boxed).unwrap();
        assert!(numbers(&collect(bx.lines(BoxStream::Slog))).is_empty());
        assert!(!bx.verify().unwrap().is_empty());
    }
}

#[test]
fn false_starts_do_not_cost_their_square() {
    // Every block is raw and holds only the beginning of a frame, and the last one is missing. So
    // each of the false frames runs to the end of the file.
    let start = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58];
    let head = ((start.len() as u32) << 3).to_le_bytes();
    let mut bytes = [identity(true), start.to_vec()].concat();
    while bytes.len() < 8 << 20 {
        bytes.extend(&head[..3]);
        bytes.extend(&start);
    }
    let begun = std::time::Instant::now();
    let bx = open(&bytes).unwrap();
    assert_eq!(collect(bx.lines(BoxStream::Slog)).len(), 1);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[test]
fn a_file_that_shrinks_while_open_is_damage() {
    let bytes = sample();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let bx = BlackBox::open(File::open(file.path()).unwrap()).unwrap();
    file.as_file()
        .set_len(slog_frames(&bytes)[2].start as u64 + 10)
        .unwrap();
    let got = collect(bx.lines(BoxStream::Slog));
    assert_eq!(numbers(&got), expected(|frame| frame < 2));
    assert_eq!(got.len() - 2 * PER_FRAME, FRAMES - 2);
}
