//! The lines of a slog file, extracted from what a log shipper wrapped around them.

use std::io;

use crate::carrier::{Origin, carried};
use crate::item::{Hole, Item, Line, Sink, plain_line};
use crate::slog_file::{LinePart, SlogFile, SlogItem};

/// Editors on Windows put it before the first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn read_slog<R: io::Read>(mut file: SlogFile<R>, sink: Sink<'_>) -> io::Result<()> {
    let mut counter = 0;
    while let Some(item) = file.next()? {
        let item = match item {
            SlogItem::Line(line) => {
                let whole = line.part == LinePart::Whole;
                let bytes = match counter {
                    0 => line
                        .bytes
                        .strip_prefix(BYTE_ORDER_MARK)
                        .unwrap_or(line.bytes),
                    _ => line.bytes,
                };
                let plain = bytes.starts_with(b"{\"type\"") || !whole;
                let found = if plain { None } else { carried(bytes) };
                let item = Line {
                    goes_on: matches!(line.part, LinePart::First | LinePart::Middle),
                    origin: Origin::Text,
                    ..plain_line(bytes, counter, line.terminated, whole)
                };
                counter += u64::from(line.terminated);
                if let Some(found) = found {
                    let item = Item::Line(Line {
                        bytes: &found.bytes,
                        whole: found.whole,
                        origin: Origin::Carried(found.by),
                        ..item
                    });
                    if !sink(item)? {
                        break;
                    }
                    continue;
                }
                Item::Line(item)
            }
            SlogItem::Damage(damage) => Item::Hole(Hole {
                text: format!("after compressed byte {}: {}", damage.offset, damage.what),
                damage: true,
                lost: false,
                of_blocks: true,
                records: None,
            }),
        };
        if !sink(item)? {
            break;
        }
    }
    Ok(())
}
