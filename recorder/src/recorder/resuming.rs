//! Where sources go on that an earlier session read.

use std::fs::File;

use haltbox_format::mark::{Position, Session, SourceMark, Stamp, Tail};
use haltbox_format::ring::{Entry, Hole, HoleKind, RingView, Timeline};
use haltbox_format::{Lane, Stream};
use haltbox_model::history::History;
use haltbox_model::history::MarkedSource;

use super::line_end;

/// Where each source goes on: behind everything that was recorded of it.
///
/// A source mark says how far the source had been read when it was made; every
/// record of the stream behind it adds its own length. What was recorded is
/// therefore never read twice, and what was not is never skipped. Where records
/// behind the mark are missing, nobody knows how long they were: the source is
/// read again from its mark, and named as uncertain. So it is where the machine
/// went down: of what stands behind the mark any page may be missing, and a lane
/// without its newest records looks like one that had no more. `boot`: the
/// machine's, now.
pub fn resume_points(
    file: &File,
    view: &RingView,
    history: &History,
    boot: &str,
) -> std::io::Result<(Vec<SourceMark>, Vec<Stream>)> {
    let (mut sources, mut uncertain) = (Vec::new(), Vec::new());
    let crashed = |(_, session): &(Stamp, Session)| session.boot != boot;
    let crashed = !history.closed && history.sessions.last().is_some_and(crashed);
    for MarkedSource { at, mark, dropped } in &history.sources {
        let read = match crashed {
            true => None,
            false => read_since(file, view, history, *at, mark.stream)?,
        };
        let mut mark = mark.clone();
        match read {
            Some(read) => {
                mark.advance(read.bytes.saturating_add(*dropped));
                // Of what was dropped nobody knows the bytes.
                let recorded = read.tail.filter(|_| *dropped == 0);
                let recorded = recorded.and_then(|tail| tail.before());
                let recorded = recorded.filter(|_| mark.inode != 0);
                // The more bytes, the less can they stand in another file. Of as
                // many the mark's are the better ones: they were in the file.
                let both = recorded.into_iter().chain(mark.before);
                mark.before = both.max_by_key(|before| before.bytes);
            }
            None => uncertain.push(mark.stream),
        }
        sources.push(mark);
    }
    Ok((sources, uncertain))
}

/// What was recorded of a source behind a position.
struct ReadSince {
    bytes: u64,
    /// The last of them, if all of them are there.
    tail: Option<Tail>,
}

/// What was recorded of a source behind a position; `None` if records
/// are missing there. Of what was dropped the marks tell how long it was.
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
            // A record that was being written when the recorder was killed is
            // the last of its lane; one behind a hole is not.
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
            // Of a gap with more in it than was dropped nobody knows the length.
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
