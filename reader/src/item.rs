//! What a source gives: entries, and what is missing between them.

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
    /// Its lane, where the source has lanes; otherwise the main one.
    pub lane: Lane,
    /// Its place in the lane: the ring's counter, else lines counted from 0.
    pub counter: u64,
    /// Its bytes without the line feed.
    pub bytes: &'a [u8],
    /// A line feed follows.
    pub newline: bool,
    /// `bytes` is the whole entry, not a part of one.
    pub whole: bool,
    /// A part, and the next line is more of the same entry.
    pub goes_on: bool,
    /// It stands outside what the source covers: block records around it were
    /// evicted.
    pub context: bool,
    /// Who answers for its bytes.
    pub origin: Origin,
    /// The line as it stands in the source, if that is one that holds an entry and its
    /// context; `bytes` is what it tells of the entry then.
    pub wrapped: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Its bytes as they stand in the source.
    pub fn as_it_stands(&self) -> &'a [u8] {
        self.wrapped.unwrap_or(self.bytes)
    }
}

/// Something that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// What, where and why, in words.
    pub text: String,
    /// It was there and is damaged or lost; otherwise it went by age, was never
    /// written, or a live writer was faster.
    pub damage: bool,
    /// It never was recorded: dropped, or lost before it came to the recorder.
    pub lost: bool,
    /// Block records may be missing.
    pub of_blocks: bool,
    /// The lane and the first and last counter of it, where the source has
    /// lanes.
    pub records: Option<(Lane, u64, u64)>,
}

impl Hole {
    /// Block records that never were recorded.
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
    pub(crate) fn told(missing: &Missing) -> Hole {
        let lane = missing.lane.unwrap_or(Lane::Main);
        let (from, to, why) = (missing.from, missing.to, &missing.why);
        let text = match missing.lane {
            Some(lane) => format!("records {from} to {to} of the {} lane: {why}", lane.name()),
            None => why.clone(),
        };
        // A copy of a copy says where it was missing there, then why.
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

    /// Its text without the place, where that is told by records.
    pub fn reason(&self) -> &str {
        let reason = self
            .text
            .rsplit(": ")
            .next()
            .filter(|_| self.records.is_some());
        reason.unwrap_or(&self.text)
    }

    /// Something is missing that no age explains: exit code 1.
    pub fn needs_attention(&self) -> bool {
        self.damage || self.lost
    }
}

/// What a source gives.
#[derive(Debug)]
pub enum Item<'a> {
    /// An entry.
    Line(Line<'a>),
    /// Something that is not there.
    Hole(Hole),
}

/// Takes what a source gives; false ends the reading.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Item<'_>) -> io::Result<bool>;

impl Line<'_> {
    /// Where it stands among positions of its source.
    pub fn is_behind(&self, at: Position) -> bool {
        at.is_behind(self.lane, self.counter)
    }
}

/// A line of a source that says nothing else of it.
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
