//! The items of a source: entries, and what is missing between them.

use std::io;

use haltbox_format::blackbox::Missing;
use haltbox_format::mark::Position;
use haltbox_format::ring::HoleKind;
use haltbox_format::{Lane, Stream};

use crate::carrier::Origin;

/// One entry of a source.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its stream.
    pub stream: Stream,
    /// Its lane; the main lane if the source has no lanes.
    pub lane: Lane,
    /// Its position in the lane: the ring's counter, else the number of the line from 0.
    pub counter: u64,
    /// Its bytes without the line feed.
    pub bytes: &'a [u8],
    /// A line feed follows.
    pub newline: bool,
    /// `bytes` is the whole entry, and not a part of it.
    pub whole: bool,
    /// It is a part, and the next line continues the same entry.
    pub goes_on: bool,
    /// It is outside what the source covers: the block records around it were evicted.
    pub context: bool,
    /// Where its bytes come from.
    pub origin: Origin,
    /// The line as the source has it, if that line wraps an entry together with its context.
    /// `bytes` is then the entry.
    pub wrapped: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// The bytes as the source has them.
    pub fn as_it_stands(&self) -> &'a [u8] {
        self.wrapped.unwrap_or(self.bytes)
    }
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// What is missing, where and why, in words.
    pub text: String,
    /// The records were written and are damaged or lost. If false, they were evicted by age, never
    /// written, or overwritten by a live writer.
    pub damage: bool,
    /// The records were never recorded: dropped, or lost before they reached the recorder.
    pub lost: bool,
    /// Block records may be missing.
    pub of_blocks: bool,
    /// Lane, first and last counter, if the source has lanes.
    pub records: Option<(Lane, u64, u64)>,
}

impl Hole {
    /// Block records that were never recorded.
    pub(crate) fn lost(text: String) -> Hole {
        Hole {
            text,
            damage: false,
            lost: true,
            of_blocks: true,
            records: None,
        }
    }

    /// What an index says is missing.
    pub(crate) fn of_index(missing: &Missing) -> Hole {
        let lane = missing.lane.unwrap_or(Lane::Main);
        let (from, to, why) = (missing.from, missing.to, &missing.why);
        let text = match missing.lane {
            Some(lane) => format!("records {from} to {to} of the {} lane: {why}", lane.name()),
            None => why.clone(),
        };
        // A box that was made of another box says first where it was missing there, then why.
        let word = why.rsplit(": ").next().unwrap_or(why);
        let gone = [HoleKind::Evicted, HoleKind::Torn, HoleKind::Overrun];
        let known = |kind: &HoleKind| word == kind.name();
        let damage = word == HoleKind::Missing.name();
        Hole {
            text,
            damage,
            lost: !damage && !gone.iter().any(known),
            of_blocks: lane == Lane::Main,
            records: None,
        }
    }

    /// The reason: the text without the location, if `records` gives that.
    pub fn reason(&self) -> &str {
        let reason = self
            .text
            .rsplit(": ")
            .next()
            .filter(|_| self.records.is_some());
        reason.unwrap_or(&self.text)
    }

    /// Whether age does not explain the hole. Then the exit code is 1.
    pub fn needs_attention(&self) -> bool {
        self.damage || self.lost
    }
}

/// An item of a source.
#[derive(Debug)]
pub enum Item<'a> {
    /// An entry.
    Line(Line<'a>),
    /// Something that is missing.
    Hole(Hole),
}

/// Takes the items of a source. Returns false to end the reading.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Item<'_>) -> io::Result<bool>;

impl Line<'_> {
    /// Whether the line is behind a position of its source.
    pub fn is_behind(&self, at: Position) -> bool {
        at.is_behind(self.lane, self.counter)
    }
}

/// A line of a source that knows only its bytes.
pub(crate) fn plain_line(bytes: &[u8], counter: u64, newline: bool, whole: bool) -> Line<'_> {
    let (stream, lane, context) = (Stream::Slog, Lane::Main, false);
    Line {
        stream,
        lane,
        counter,
        bytes,
        newline,
        whole,
        goes_on: false,
        context,
        origin: Origin::Recorded,
        wrapped: None,
    }
}
