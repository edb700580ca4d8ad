//! What a reader finds: lines, holes and blocks of a ring.

use std::io;
use std::path::Path;

use haltbox_format::Lane;
use haltbox_format::ReadAt;
use haltbox_format::ring::{Entry, RingView, Timeline};
use haltbox_model::Profile;
use haltbox_model::history::History;
use haltbox_model::lifecycle;
use haltbox_reader::source::{self, Item, Source};
use haltbox_reader::source_summary::SourceSummary;

use crate::model::Of;

/// A line of one lane.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its counter.
    pub counter: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// They are all of it.
    pub whole: bool,
    /// Its place among the lines of all lanes.
    pub place: usize,
}

/// Lines of one lane between two holes.
pub type Run = Vec<Seen>;

/// What a reader finds.
#[derive(Debug, Default)]
pub struct Look {
    /// Of the main lane.
    pub main: Vec<Run>,
    /// Of the local lane.
    pub local: Vec<Run>,
    /// Holes of the main lane, in words.
    pub holes: Vec<String>,
    /// Blocks by the marks.
    pub blocks: Vec<lifecycle::Block>,
    /// Counters of the main lane that marks call overwritten before they were released.
    pub overwritten: Vec<(u64, u64)>,
    /// HASH of each block that has lines.
    pub hashes: Vec<(Of, Option<String>)>,
    lines: usize,
}

impl Look {
    /// Looks into a ring as `haltbox info` does.
    pub fn at(ring: &Path, profile: &Profile) -> Result<Look, String> {
        let source = source::open(ring).map_err(|error| format!("a reader: {error}"))?;
        let mut look = Look::new();
        let read = source.read(profile, &mut |item| {
            look.item(item);
            Ok(true)
        });
        read.map_err(|error| format!("a reader: {error}"))?;
        let Source::Ring(found) = &source else {
            return Err("a reader takes the ring for something else".to_owned());
        };
        look.blocks = found.history.life.blocks().to_vec();
        let losses = found.history.losses.iter().map(|(_, loss)| loss);
        let kept = losses.filter(|loss| !loss.dropped && loss.lane == Lane::Main);
        let counters = kept.filter_map(|loss| loss.counters);
        look.overwritten = counters.map(|c| (c.from, c.until)).collect();
        let survey = SourceSummary::of(&source, profile).map_err(|e| format!("a survey: {e}"))?;
        for row in &survey.blocks {
            let of = (row.height, row.attempt);
            look.hashes
                .push((of, row.hash.map(|hash| hash.to_string())));
        }
        Ok(look)
    }

    /// Looks at lines and blocks through any way of reading.
    pub fn through(ring: &dyn ReadAt) -> io::Result<Look> {
        let view = RingView::read(ring).map_err(|error| io::Error::other(error.to_string()))?;
        let history = History::read(ring, &view)?;
        let mut look = Look::new();
        let mut timeline = Timeline::new(ring, &view, history.marked());
        while let Some(entry) = timeline.next()? {
            match entry {
                Entry::Line(line) => {
                    look.line(line.lane, line.counter, line.bytes, line.cut.is_none());
                }
                Entry::Marks(..) => {}
                Entry::Hole(hole) => look.hole(hole.lane, hole.to_string()),
            }
        }
        look.blocks = history.life.blocks().to_vec();
        Ok(look)
    }

    fn new() -> Look {
        Look {
            main: vec![Run::new()],
            local: vec![Run::new()],
            ..Look::default()
        }
    }

    fn item(&mut self, item: Item<'_>) {
        match item {
            Item::Line(line) => self.line(line.lane, line.counter, line.bytes, line.whole),
            Item::Hole(hole) => match hole.records {
                Some((lane, ..)) => self.hole(lane, hole.text),
                // A mark tells of it: the lane shows nothing there.
                None => self.holes.push(hole.text),
            },
        }
    }

    fn line(&mut self, lane: Lane, counter: u64, bytes: &[u8], whole: bool) {
        let place = self.lines;
        self.lines += 1;
        let run = self.runs(lane).last_mut().expect("there is one");
        run.push(Seen {
            counter,
            bytes: bytes.to_vec(),
            whole,
            place,
        });
    }

    fn hole(&mut self, lane: Lane, text: String) {
        if lane == Lane::Spine {
            return;
        }
        let runs = self.runs(lane);
        if runs.last().is_some_and(|run| !run.is_empty()) {
            runs.push(Run::new());
        }
        if lane == Lane::Main {
            self.holes.push(text);
        }
    }

    fn runs(&mut self, lane: Lane) -> &mut Vec<Run> {
        match lane {
            Lane::Local => &mut self.local,
            Lane::Main | Lane::Spine => &mut self.main,
        }
    }

    /// Of one lane.
    pub fn of(&self, lane: Lane) -> &[Run] {
        match lane {
            Lane::Local => &self.local,
            Lane::Main | Lane::Spine => &self.main,
        }
    }
}
