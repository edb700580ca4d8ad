//! The bytes of a spine record: a stamp, and marks behind it.

use super::{Mark, Note, Position, Stamp};

/// Size of an encoded [`Stamp`].
pub const STAMP_SIZE: usize = 16;
/// Size of the header of one mark inside a spine record.
pub const MARK_HEADER_SIZE: usize = 4;

pub(super) const LOW_40: u64 = (1 << 40) - 1;
const LOW_48: u64 = (1 << 48) - 1;

/// Writes a stamp: main (5 bytes), local (5 bytes), time (6 bytes).
pub fn encode_stamp(stamp: &Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(&(stamp.at.main & LOW_40).to_le_bytes()[..5]);
    out.extend_from_slice(&(stamp.at.local & LOW_40).to_le_bytes()[..5]);
    out.extend_from_slice(&(stamp.time_ms & LOW_48).to_le_bytes()[..6]);
}

/// Appends one mark to a spine record that begins with a stamp.
///
/// A mark whose body exceeds the 24-bit length is replaced by a note that says so. The
/// recorder never makes such a mark.
pub fn encode_mark(mark: &Mark, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[mark.code(), 0, 0, 0]);
    mark.write_body(out);
    let length = out.len() - start - MARK_HEADER_SIZE;
    match u32::try_from(length)
        .ok()
        .filter(|length| *length < 1 << 24)
    {
        Some(length) => out[start + 1..start + 4].copy_from_slice(&length.to_le_bytes()[..3]),
        None => {
            out.truncate(start);
            let code = mark.code();
            let text = format!(
                "a mark of type {code} was dropped: it has {length} bytes, the limit is 16777215"
            );
            encode_mark(&Mark::Note(Note { text }), out);
        }
    }
}

/// The stamp of a spine record; `None` if the record is shorter than a stamp.
pub fn decode_stamp(payload: &[u8]) -> Option<Stamp> {
    let stamp: &[u8; STAMP_SIZE] = payload.first_chunk()?;
    Some(Stamp {
        at: Position {
            main: low(&stamp[..5]),
            local: low(&stamp[5..10]),
        },
        time_ms: low(&stamp[10..]),
    })
}

/// Parses a spine record into its stamp and its marks.
///
/// `None` if the record is shorter than a stamp. Unknown marks, and marks whose body this
/// version cannot read, are left out.
pub fn decode_marks(payload: &[u8]) -> Option<(Stamp, Vec<Mark>)> {
    let stamp = decode_stamp(payload)?;
    let mut rest = payload.get(STAMP_SIZE..)?;
    let mut marks = Vec::new();
    while let Some((header, tail)) = rest.split_at_checked(MARK_HEADER_SIZE) {
        let length = usize::try_from(low(&header[1..])).ok()?;
        let Some((body, tail)) = tail.split_at_checked(length) else {
            break;
        };
        marks.extend(Mark::read(header[0], body));
        rest = tail;
    }
    Some((stamp, marks))
}

fn low(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}
