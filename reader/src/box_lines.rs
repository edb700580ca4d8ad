//! The lines of a black box, with a hole wherever its index says that something is missing.

use std::io;

use haltbox_format::blackbox::{FrameEntry, Missing};
use haltbox_format::{Lane, Stream};

use crate::blackbox::{BlackBox, BoxItem, BoxStream};
use crate::carrier::Origin;
use crate::item::{Hole, Item, Line, Sink};

/// What the index of a box says is missing, by the line that follows.
struct MissingLines<'a> {
    missing: Vec<(u64, &'a Missing)>,
    next: usize,
}

impl<'a> MissingLines<'a> {
    fn of(bx: &'a BlackBox) -> MissingLines<'a> {
        let lists = bx.manifest().map(|m| m.holes.iter().chain(&m.losses));
        let placed = lists.into_iter().flatten();
        let placed = placed.filter_map(|missing| Some((missing.line?, missing)));
        let mut missing: Vec<_> = placed.collect();
        missing.sort_by_key(|(line, _)| *line);
        MissingLines { missing, next: 0 }
    }

    /// Gives `sink` what is missing before a line. Returns false once `sink` has enough.
    fn before(&mut self, line: u64, sink: Sink<'_>) -> io::Result<bool> {
        while let Some((at, missing)) = self.missing.get(self.next) {
            if *at > line {
                break;
            }
            self.next += 1;
            if !sink(Item::Hole(Hole::of_index(missing)))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Reads the context first because it is the oldest, then the slog, then the node's log.
pub(crate) fn read_box(bx: &BlackBox, sink: Sink<'_>) -> io::Result<()> {
    for which in [BoxStream::Context, BoxStream::Slog, BoxStream::Node] {
        let stream = if which == BoxStream::Node {
            Stream::Node
        } else {
            Stream::Slog
        };
        let mut lines = bx.lines(which);
        let of_slog = which == BoxStream::Slog;
        let mut missing = of_slog.then(|| MissingLines::of(bx));
        let mut counter = 0;
        let mut in_pieces = false;
        while let Some(item) = lines.next()? {
            if let Some(missing) = &mut missing
                && !missing.before(counter, sink)?
            {
                return Ok(());
            }
            let line = |bytes, newline, whole, goes_on| Line {
                stream,
                lane: if which == BoxStream::Slog {
                    Lane::Main
                } else {
                    Lane::Local
                },
                counter,
                bytes,
                newline,
                whole,
                goes_on,
                context: which == BoxStream::Context,
                origin: Origin::Recorded,
                wrapped: None,
            };
            let (item, ended) = match item {
                BoxItem::Line { bytes, newline } => {
                    (Item::Line(line(bytes, newline, !in_pieces, false)), true)
                }
                BoxItem::Piece { bytes } => (Item::Line(line(bytes, false, false, true)), false),
                BoxItem::Hole { offset, len, why } => {
                    counter = line_behind(bx, which, offset + len).unwrap_or(counter);
                    let text = format!("bytes {offset} to {} of the box: {why}", offset + len);
                    let of_blocks = which == BoxStream::Slog;
                    (
                        Item::Hole(Hole {
                            text,
                            damage: true,
                            lost: false,
                            of_blocks,
                            records: None,
                        }),
                        true,
                    )
                }
            };
            let is_line = matches!(item, Item::Line(_));
            if !sink(item)? {
                return Ok(());
            }
            in_pieces = !ended;
            counter += u64::from(ended && is_line);
        }
        if let Some(missing) = &mut missing
            && !missing.before(u64::MAX, sink)?
        {
            return Ok(());
        }
    }
    Ok(())
}

/// Number of the first line behind a hole. Blocks are ranges of lines, so without it the lines
/// behind the hole would count for the block of the hole.
fn line_behind(bx: &BlackBox, which: BoxStream, at: u64) -> Option<u64> {
    let frames = &bx.manifest()?.frames;
    let of_stream = |frame: &&FrameEntry| frame.kind == Some(which.kind());
    let mut behind = frames.iter().filter(of_stream).filter(|f| f.offset >= at);
    behind.next().map(|frame| frame.first_line)
}
