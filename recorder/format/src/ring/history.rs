//! What a ring's spine tells, folded.

use std::io;

use super::cursor::{Found, RecordCursor};
use super::read_at::ReadAt;
use super::view::RingView;
use crate::lifecycle::Lifecycle;
use crate::mark::{Loss, Mark, Note, Position, Session, SourceMark, Stamp, decode_marks};
use crate::stream::Lane;

/// Marks kept in a [`History`] for each list; the oldest go first.
const KEPT: usize = 4096;

/// All that a ring's marks tell.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Its blocks.
    pub life: Lifecycle,
    /// The last stamp: everything before it has been understood.
    pub last: Stamp,
    /// The recorder's sessions, oldest first.
    pub sessions: Vec<(Stamp, Session)>,
    /// The last session was closed in order.
    pub closed: bool,
    /// Starts of the node process, oldest first.
    pub node_starts: Vec<Stamp>,
    /// The last mark of each source, and where it stands.
    pub sources: Vec<(Position, SourceMark)>,
    /// Records that could not be kept.
    pub losses: Vec<(Stamp, Loss)>,
    /// Notes.
    pub notes: Vec<(Stamp, Note)>,
    /// Cranks whose hashes are in the spine.
    pub cranks: u64,
}

impl History {
    /// Folds every mark of a ring's spine.
    ///
    /// # Errors
    /// What reading the file gives.
    pub fn read(source: &dyn ReadAt, ring: &RingView) -> io::Result<History> {
        let mut history = History::default();
        let mut cursor = RecordCursor::new(source, ring, Lane::Spine);
        while let Some(found) = cursor.next()? {
            let Found::Record(record) = found else {
                continue;
            };
            if let Some((stamp, marks)) = decode_marks(record.payload) {
                history.fold(stamp, &marks);
            }
        }
        Ok(history)
    }

    /// Folds the marks of one entry.
    pub fn fold(&mut self, stamp: Stamp, marks: &[Mark]) {
        self.last = stamp;
        for mark in marks {
            self.life.apply(mark, stamp.at);
            self.keep(stamp, mark);
        }
    }

    fn keep(&mut self, stamp: Stamp, mark: &Mark) {
        match mark {
            Mark::Session(session) => keep(&mut self.sessions, (stamp, session.clone())),
            Mark::NodeStart => keep(&mut self.node_starts, stamp),
            Mark::Loss(loss) => keep(&mut self.losses, (stamp, loss.clone())),
            Mark::Note(note) => keep(&mut self.notes, (stamp, note.clone())),
            Mark::Source(source) => self.keep_source(stamp.at, source),
            Mark::Checkpoint(checkpoint) => {
                checkpoint
                    .sources
                    .iter()
                    .for_each(|source| self.keep_source(stamp.at, source));
            }
            Mark::Crank(_) => self.cranks += 1,
            _ => {}
        }
        self.closed = matches!(mark, Mark::Close);
    }

    fn keep_source(&mut self, at: Position, source: &SourceMark) {
        self.sources
            .retain(|(_, known)| known.stream != source.stream);
        self.sources.push((at, source.clone()));
    }
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() >= KEPT {
        list.remove(0);
    }
    list.push(entry);
}
