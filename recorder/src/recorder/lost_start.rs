//! Whether a power cut may have taken the start of the node's process. Blocks that are told
//! of again would then have the entries of two processes.
//!
//! A start mostly stands in the local lane, and a lane without its newest records looks
//! complete. So the lane itself cannot tell.

use std::fs::File;
use std::io;

use haltbox_format::Lane;
use haltbox_format::mark::{Mark, decode_marks};
use haltbox_format::ring::{Found, Line, RecordCursor, RingView};
use haltbox_model::Event;

/// What proves that no start is lost.
pub(super) enum Starts {
    /// The writer records the start itself whenever it opens the ring. The newest opening
    /// whose start is there.
    Told(u32),
    /// Starts come at any time, and the machine went down since.
    Doubted,
    /// Starts come at any time. Nothing was lost.
    Whole,
}

impl Starts {
    /// The starts that the marks tell of, for a writer that records them itself.
    pub(super) fn told(file: &File, view: &RingView) -> io::Result<Starts> {
        let mut cursor = RecordCursor::new(file, view, Lane::Spine);
        let (mut told, mut session) = (0, None);
        while let Some(found) = cursor.next()? {
            let Found::Record(record) = found else {
                continue;
            };
            let marks = decode_marks(record.payload).map_or_else(Vec::new, |(_, marks)| marks);
            let has = |wanted: fn(&Mark) -> bool| marks.iter().any(wanted);
            if has(|mark| matches!(mark, Mark::Session(_))) {
                session = Some(record.epoch);
            }
            // Before its session an opening tells of starts of earlier ones.
            let is_own = session == Some(record.epoch);
            let is_start = is_own && has(|mark| matches!(mark, Mark::NodeStart));
            // The mark of the start is evicted by age. A later checkpoint tells as much.
            let goes_on = |mark: &Mark| matches!(mark, Mark::Checkpoint(told) if !told.opening);
            if is_start || has(goes_on) {
                told = record.epoch;
            }
        }
        Ok(Starts::Told(told))
    }

    /// Takes note of what an entry tells.
    pub(super) fn learn(&mut self, line: &Line<'_>, event: &Event) {
        if let (Starts::Told(told), Event::ProcessStart) = (self, event) {
            *told = line.epoch.max(*told);
        }
    }

    /// Whether a start may be lost before this line, of which no mark tells. True once for
    /// each of them.
    pub(super) fn may_lack_one_before(&mut self, line: &Line<'_>) -> bool {
        if line.lane != Lane::Main {
            return false;
        }
        match self {
            Starts::Told(told) => std::mem::replace(told, line.epoch.max(*told)) < line.epoch,
            Starts::Doubted => {
                *self = Starts::Whole;
                true
            }
            Starts::Whole => false,
        }
    }
}
