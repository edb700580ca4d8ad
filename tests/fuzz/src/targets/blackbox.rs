//! Boxes.

use std::io::Cursor;

use haltbox_format::blackbox::{
    BlockFacts, BlockHead, BoxWriter, Footer, FrameHead, HEAD_LEN, Identity, Manifest,
    ManifestFields, Options, SeekTable, ZstdHead,
};
use haltbox_format::mark::State;
use haltbox_reader::blackbox::{BlackBox, BoxItem, BoxStream};

use super::{SLOG, TRANSACTIONS};
use crate::{Target, file};

/// A file as it is.
pub const FILE: Target = Target {
    name: "box",
    run: |input| {
        let Ok(opened) = BlackBox::open(file::file(input)) else {
            return;
        };
        let found = opened.verify();
        let streams = [
            BoxStream::Slog,
            BoxStream::Node,
            BoxStream::Context,
            BoxStream::Marks,
            BoxStream::Evidence,
        ];
        let all = streams.map(|stream| lines(&opened, stream));
        let _ = opened.cranks();
        for block in opened
            .manifest()
            .into_iter()
            .flat_map(|manifest| &manifest.blocks)
        {
            let mut lines = opened.block_lines(block);
            while let Ok(Some(_)) = lines.next() {}
        }
        // What is called intact is what zstd makes of the file.
        if found.is_ok_and(|found| found.is_empty()) {
            assert_eq!(
                all[0],
                zstd::decode_all(input).expect("an intact box is a Zstandard file")
            );
        }
    },
    seeds: || {
        vec![
            written(SLOG.as_bytes(), 900),
            written(TRANSACTIONS.as_bytes(), 70_000),
        ]
    },
};

/// The parts of a box by themselves: their frames' digests hide them from a fuzzer of files.
pub const PARTS: Target = Target {
    name: "box-parts",
    run: |input| {
        let _ = Identity::parse(input);
        let _ = ZstdHead::parse(input);
        if let Some(head) = input.first_chunk() {
            let _ = BlockHead::parse(*head);
        }
        if let Ok(head) = FrameHead::parse(input) {
            assert!(head.frame_len() >= HEAD_LEN as u64);
            let _ = head.proven_body(input);
        }
        if let Some(manifest) = Manifest::parse(input) {
            let frame = manifest.to_bytes().expect("what was read can be written");
            assert_eq!(Manifest::parse(&frame[HEAD_LEN..]), Some(manifest));
        }
        for length in [input.len() as u64, u64::MAX] {
            if let Ok(footer) = Footer::parse(input, length)
                && let Ok(table) = SeekTable::parse(footer, input, length)
            {
                let _ = table.to_bytes();
            }
        }
    },
    seeds: || {
        let whole = written(SLOG.as_bytes(), 900);
        let opened = BlackBox::open(file::file(&whole)).expect("a box");
        let manifest = opened
            .manifest()
            .and_then(Manifest::to_bytes)
            .expect("a manifest");
        let end = whole.len().saturating_sub(400);
        let body = manifest[HEAD_LEN..].to_vec();
        let (start, end) = (whole[..4096].to_vec(), whole[end..].to_vec());
        vec![manifest, body, start, end]
    },
};

/// Lines that a writer gets. Every byte comes back, by the reader and by zstd.
pub const WRITTEN: Target = Target {
    name: "box-written",
    run: |input| {
        let (frame, text) = input
            .split_first()
            .map_or((0, input), |(byte, rest)| (*byte, rest));
        let whole = written(text, 1 + usize::from(frame) * 16);
        let opened = BlackBox::open(file::file(&whole)).expect("a box that was just written");
        let found = opened.verify().expect("a file in memory");
        assert!(
            found.is_empty(),
            "damage in a box that was just written: {found:?}"
        );
        assert_eq!(lines(&opened, BoxStream::Slog), text);
        assert_eq!(zstd::decode_all(&*whole).expect("a Zstandard file"), text);
    },
    seeds: || {
        let short = [&[3], SLOG.as_bytes().get(..3000).unwrap_or_default()].concat();
        vec![short, b"\x01a\n\nb".to_vec(), Vec::new()]
    },
};

/// A box of these lines; every third begins a block.
fn written(text: &[u8], frame_bytes: usize) -> Vec<u8> {
    let options = Options {
        frame_bytes,
        ..Options::default()
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = BoxWriter::new(&mut bytes, &options).expect("a writer");
    let mut height = 0;
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if at % 3 == 0 {
            height += 1;
            writer.block_begin(height, 1);
        }
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        writer
            .slog(bare, bare.len() < line.len())
            .expect("room in memory");
        if at % 3 == 2 {
            let state = Some(State::Committed);
            writer.block_end(BlockFacts {
                state,
                ..BlockFacts::default()
            });
        }
    }
    writer
        .node(b"a line of the node's log", true)
        .expect("room in memory");
    let finished = writer.finish(Identity::default(), ManifestFields::default());
    finished.expect("a box");
    bytes.into_inner()
}

fn lines(opened: &BlackBox, stream: BoxStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut lines = opened.lines(stream);
    while let Ok(Some(item)) = lines.next() {
        match item {
            BoxItem::Line { bytes, newline } => {
                all.extend_from_slice(bytes);
                all.extend_from_slice(if newline { b"\n" } else { b"" });
            }
            BoxItem::Piece { bytes } => all.extend_from_slice(bytes),
            BoxItem::Hole { .. } => {}
        }
    }
    all
}
