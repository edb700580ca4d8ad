//! Where a new session goes on with the sources of the last one.

use std::fs::File;

use haltbox_format::mark::{Position, Session, SourceMark, Stamp, Tail};
use haltbox_format::ring::{Entry, Hole, HoleKind, RingView, Timeline};
use haltbox_format::{Lane, Stream};
use haltbox_model::history::History;
use haltbox_model::history::MarkedSource;

use super::line_end;

/// Finds the position at which each source goes on, right behind what was
/// recorded of it. The second list names the sources whose position is
/// uncertain.
///
/// A source mark says how far the source was read when the mark was made. Every
/// later record of the stream adds its length. So no recorded entry is read
/// twice, and no other entry is skipped.
///
/// Two cases make a source uncertain, and it goes on at its mark:
/// - Records behind the mark are missing, so their length is unknown.
/// - The machine crashed: `boot` is the boot id of now, and differs from that
///   of the last session. Any page behind the mark may be missing, and a lane
///   without its newest records looks complete.
///
/// # Errors
/// The ring's file cannot be read.
pub fn resume_points(
    file: &File,
    view: &RingView,
    history: &History,
    boot: &str,
) -> std::io::Result<(Vec<SourceMark>, Vec<Stream>)> {
    let (mut sources, mut uncertain) = (Vec::new(), Vec::new());
    let crashed = machine_went_down(history, boot);
    for MarkedSource { at, mark, dropped } in &history.sources {
        let read = match crashed {
            true => None,
            false => read_since(file, view, history, *at, mark.stream)?,
        };
        let mut mark = mark.clone();
        match read {
            Some(read) => {
                mark.advance(read.bytes.saturating_add(*dropped));
                // The content of dropped entries is unknown.
                let recorded = read.tail.filter(|_| *dropped == 0);
                let recorded = recorded.and_then(|tail| tail.before());
                let recorded = recorded.filter(|_| mark.inode != 0);
                // More bytes are more likely to identify the file. Of equally
                // many, take the mark's, because they were read from the file
                // itself.
                let both = recorded.into_iter().chain(mark.before);
                mark.before = both.max_by_key(|before| before.bytes);
            }
            None => uncertain.push(mark.stream),
        }
        sources.push(mark);
    }
    Ok((sources, uncertain))
}

/// Whether the machine went down while the last session recorded: any page behind its marks
/// may be missing.
pub(super) fn machine_went_down(history: &History, boot: &str) -> bool {
    let another = |(_, session): &(Stamp, Session)| session.boot != boot;
    !history.closed && history.sessions.last().is_some_and(another)
}

/// What was recorded of a source behind a position.
struct ReadSince {
    bytes: u64,
    /// The last bytes, if no record is missing.
    tail: Option<Tail>,
}

/// Reads what was recorded of a source behind a position. `None` if records are
/// missing there and no mark says how long they were.
fn read_since(
    file: &File,
    view: &RingView,
    history: &History,
    at: Position,
    stream: Stream,
) -> std::io::Result<Option<ReadSince>> {
    let begins_late = |lane: Lane, counter: u64| {
        let first = view.lane(lane).first_counter();
        first.is_some_and(|first| first > counter)
    };
    if begins_late(Lane::Main, at.main) || begins_late(Lane::Local, at.local) {
        return Ok(None);
    }
    let (mut bytes, mut hole) = (0, false);
    let mut tail = Some(Tail::default());
    let mut timeline = Timeline::lines_after(file, view, history.marked(), at);
    while let Some(entry) = timeline.next()? {
        match entry {
            // A kill while a record is written leaves a torn record at the end
            // of the lane. A torn record with others behind it has another
            // cause.
            Entry::Line(_) if hole => return Ok(None),
            Entry::Line(line) if line.stream == stream => {
                let length = line.cut.map_or(line.bytes.len() as u64, |cut| cut.length);
                bytes += length + u64::from(line.terminated);
                match &mut tail {
                    Some(tail) if line.cut.is_none() => {
                        tail.push(line.bytes);
                        tail.push(line_end(line.terminated));
                    }
                    _ => tail = None,
                }
            }
            Entry::Line(_) | Entry::Marks(..) => {}
            Entry::Hole(missing) if missing.why == HoleKind::Torn => hole = true,
            // If more is missing than was dropped, the length is unknown.
            Entry::Hole(Hole { lane, from, to, .. })
                if !history.life.dropped().covers(lane, from, to + 1) =>
            {
                return Ok(None);
            }
            Entry::Hole(_) => tail = None,
        }
    }
    Ok(Some(ReadSince { bytes, tail }))
}
