//! Lines that wait until the block is known that they prepare. A node that starts or upgrades may
//! do any amount of work before a block's begin entry, so more than a little is kept in a
//! temporary file.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use haltbox_format::mark::Attempt;
use haltbox_format::{Lane, Stream};

use crate::attribution::Attribution;
use crate::carrier::{Carrier, Origin};
use crate::item::Line;

/// Limit of the bytes in memory; the rest is in the file.
const IN_MEMORY: usize = 4 << 20;
/// Limit of the file in bytes: an endless stream must not fill the disk.
const IN_FILE: u64 = 16 << 30;

/// Bytes of a line's record before its texts.
const HEAD: usize = 40;

const NEWLINE: u8 = 1;
const WHOLE: u8 = 2;
const GOES_ON: u8 = 4;
const CONTEXT: u8 = 8;
const OF_BLOCK: u8 = 16;
const IN_CRANK: u8 = 32;
const WRAPPED: u8 = 64;
const OF_NODE: u8 = 128;

/// Every lane; a record has the index.
const LANES: [Lane; 3] = [Lane::Main, Lane::Spine, Lane::Local];
/// Every origin; a record has the index.
const ORIGINS: [Origin; 9] = [
    Origin::Recorded,
    Origin::Text,
    Origin::Resent,
    Origin::Carried(Carrier::Syslog),
    Origin::Carried(Carrier::Journal),
    Origin::Carried(Carrier::Docker),
    Origin::Carried(Carrier::Timestamp),
    Origin::Carried(Carrier::Kubernetes),
    Origin::Carried(Carrier::Compose),
];

/// The lines, in their order.
pub(crate) struct HeldLines {
    newest: Vec<u8>,
    file: Option<File>,
    in_file: u64,
    in_memory: usize,
    most: u64,
}

impl HeldLines {
    /// None yet.
    pub(crate) fn new() -> HeldLines {
        HeldLines::with_limits(IN_MEMORY, IN_FILE)
    }

    fn with_limits(in_memory: usize, most: u64) -> HeldLines {
        HeldLines {
            newest: Vec::new(),
            file: None,
            in_file: 0,
            in_memory,
            most,
        }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.is_empty() && self.in_file == 0
    }

    /// Keeps a line. Returns whether there was room for it.
    pub(crate) fn push(&mut self, line: &Line<'_>, place: Attribution) -> bool {
        let before = self.newest.len();
        if encode(line, place, &mut self.newest).is_none() {
            self.newest.truncate(before);
            return false;
        }
        if self.newest.len() <= self.in_memory {
            return true;
        }
        let written = self.in_file + before as u64;
        if written > self.most || self.spill(before).is_err() {
            self.newest.truncate(before);
            return false;
        }
        self.newest.drain(..before);
        self.in_file = written;
        true
    }

    /// Writes the first bytes in memory to the file, behind what is there.
    fn spill(&mut self, bytes: usize) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(tempfile::tempfile()?);
        }
        let (Some(file), Some(bytes)) = (&mut self.file, self.newest.get(..bytes)) else {
            return Ok(());
        };
        file.seek(io::SeekFrom::Start(self.in_file))?;
        file.write_all(bytes)
    }

    /// Passes on all lines, each with the place that was known when it came.
    ///
    /// # Errors
    /// An error from the file or from `sink`.
    pub(crate) fn drain(
        &mut self,
        sink: &mut dyn FnMut(Line<'_>, Attribution) -> io::Result<()>,
    ) -> io::Result<()> {
        let newest = std::mem::take(&mut self.newest);
        let in_file = std::mem::take(&mut self.in_file);
        let Some(mut file) = self.file.take() else {
            return decode(&newest[..], sink);
        };
        file.rewind()?;
        let older = io::BufReader::with_capacity(1 << 18, file.take(in_file));
        decode(older.chain(&newest[..]), sink)
    }
}

fn encode(line: &Line<'_>, place: Attribution, out: &mut Vec<u8>) -> Option<()> {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(line.newline, NEWLINE)
        | flag(line.whole, WHOLE)
        | flag(line.goes_on, GOES_ON)
        | flag(line.context, CONTEXT)
        | flag(place.attempt.is_some(), OF_BLOCK)
        | flag(place.crank.is_some(), IN_CRANK)
        | flag(line.wrapped.is_some(), WRAPPED)
        | flag(line.stream == Stream::Node, OF_NODE);
    let index = |at: Option<usize>| u8::try_from(at?).ok();
    let lane = index(LANES.iter().position(|lane| *lane == line.lane))?;
    let origin = index(ORIGINS.iter().position(|origin| *origin == line.origin))?;
    let wrapped = line.wrapped.unwrap_or_default();
    let attempt = place.attempt.map_or((0, 0), |of| (of.height, of.attempt));
    out.extend([flags, lane, origin, 0]);
    out.extend(attempt.1.to_le_bytes());
    out.extend(attempt.0.to_le_bytes());
    out.extend(place.crank.unwrap_or_default().to_le_bytes());
    out.extend(line.counter.to_le_bytes());
    out.extend(u32::try_from(line.bytes.len()).ok()?.to_le_bytes());
    out.extend(u32::try_from(wrapped.len()).ok()?.to_le_bytes());
    out.extend(line.bytes);
    out.extend(wrapped);
    Some(())
}

fn decode(
    mut from: impl Read,
    sink: &mut dyn FnMut(Line<'_>, Attribution) -> io::Result<()>,
) -> io::Result<()> {
    let (mut head, mut texts) = ([0; HEAD], Vec::new());
    loop {
        // The last record ends where the bytes end.
        if from.read(&mut head[..1])? == 0 {
            return Ok(());
        }
        from.read_exact(&mut head[1..])?;
        let (bytes, wrapped) = (word32(&head, 32) as usize, word32(&head, 36) as usize);
        texts.resize(bytes + wrapped, 0);
        from.read_exact(&mut texts)?;
        let (bytes, wrapped) = texts.split_at(bytes);
        let has = |flag: u8| head[0] & flag != 0;
        let attempt = Attempt {
            height: word(&head, 8),
            attempt: word32(&head, 4),
        };
        let line = Line {
            stream: match has(OF_NODE) {
                true => Stream::Node,
                false => Stream::Slog,
            },
            lane: *LANES.get(usize::from(head[1])).unwrap_or(&Lane::Main),
            counter: word(&head, 24),
            bytes,
            newline: has(NEWLINE),
            whole: has(WHOLE),
            goes_on: has(GOES_ON),
            context: has(CONTEXT),
            origin: *ORIGINS.get(usize::from(head[2])).unwrap_or(&Origin::Text),
            wrapped: has(WRAPPED).then_some(wrapped),
        };
        let place = Attribution {
            attempt: has(OF_BLOCK).then_some(attempt),
            crank: has(IN_CRANK).then_some(word(&head, 16)),
        };
        sink(line, place)?;
    }
}

fn word(head: &[u8; HEAD], at: usize) -> u64 {
    let bytes = head.get(at..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn word32(head: &[u8; HEAD], at: usize) -> u32 {
    let bytes = head.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::plain_line;

    fn place(n: u64) -> Attribution {
        let attempt = Attempt {
            height: n,
            attempt: 3,
        };
        Attribution {
            attempt: n.is_multiple_of(2).then_some(attempt),
            crank: n.is_multiple_of(3).then_some(n),
        }
    }

    fn line(n: u64, bytes: &[u8]) -> Line<'_> {
        Line {
            lane: LANES[n as usize % LANES.len()],
            origin: ORIGINS[n as usize % ORIGINS.len()],
            wrapped: n.is_multiple_of(5).then_some(bytes),
            goes_on: n.is_multiple_of(7),
            ..plain_line(bytes, n, n.is_multiple_of(2), n.is_multiple_of(11))
        }
    }

    #[test]
    fn every_line_comes_back_in_order_from_memory_and_from_the_file() {
        for in_memory in [10, 300, 1 << 20] {
            let mut held = HeldLines::with_limits(in_memory, 1 << 20);
            for n in 0..500 {
                let bytes = vec![b'a' + (n % 26) as u8; n as usize % 50];
                assert!(held.push(&line(n, &bytes), place(n)));
            }
            assert!(!held.is_empty());
            let mut n = 0;
            let drained = held.drain(&mut |found, at| {
                let bytes = vec![b'a' + (n % 26) as u8; n as usize % 50];
                assert_eq!(format!("{found:?}"), format!("{:?}", line(n, &bytes)));
                assert_eq!(at, place(n));
                n += 1;
                Ok(())
            });
            drained.expect("drained");
            assert_eq!((n, held.is_empty()), (500, true), "{in_memory}");
        }
    }

    #[test]
    fn a_line_without_room_is_refused_and_the_others_stay() {
        let mut held = HeldLines::with_limits(100, 300);
        let kept = (0..100).take_while(|n| held.push(&line(*n, b"0123456789"), place(*n)));
        let kept = kept.count();
        assert!((3..20).contains(&kept), "{kept}");
        let mut found = 0;
        let drained = held.drain(&mut |_, _| {
            found += 1;
            Ok(())
        });
        drained.expect("drained");
        assert_eq!(found, kept);
    }
}
