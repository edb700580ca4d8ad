//! What a ring's spine tells, folded.

mod pace;

pub use pace::Pace;

use std::io;

use haltbox_format::mark::{Loss, Mark, Note, Position, Session, SourceMark, Stamp, decode_marks};
use haltbox_format::ring::{Found, Gap, Marked, RecordCursor, RingView};
use haltbox_format::{Lane, ReadAt, Stream};

use crate::lifecycle::Lifecycle;

/// Marks at the beginning of the oldest segment among which its checkpoint is.
const BEGINNING: u32 = 4;

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
    /// The last mark of each source.
    pub sources: Vec<MarkedSource>,
    /// The streams of which the last session marked a source: those of earlier
    /// ones may be read no longer.
    pub followed: Vec<Stream>,
    /// When blocks were told of.
    pub pace: Pace,
    /// Marks are missing or cannot be read: what is told may not be all.
    pub holes: bool,
    /// Records that could not be kept.
    pub losses: Vec<(Stamp, Loss)>,
    /// Notes.
    pub notes: Vec<(Stamp, Note)>,
    /// Cranks whose hashes are in the spine.
    pub cranks: u64,
}

/// How far a source had been read, and where that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedSource {
    /// Where the mark stands.
    pub at: Position,
    /// The mark.
    pub mark: SourceMark,
    /// Bytes that were dropped of it since: they are read, and in no record.
    pub dropped: u64,
}

impl History {
    /// Folds every mark of a ring's spine.
    ///
    /// # Errors
    /// What reading the file gives.
    pub fn read(source: &dyn ReadAt, ring: &RingView) -> io::Result<History> {
        let mut history = History::default();
        let mut cursor = RecordCursor::new(source, ring, Lane::Spine);
        let (mut records, mut begun) = (0, false);
        while let Some(found) = cursor.next()? {
            let Found::Record(record) = found else {
                history.holes |= is_damage(&found);
                continue;
            };
            let Some((stamp, marks)) = decode_marks(record.payload) else {
                history.holes = true;
                continue;
            };
            let checkpoint = marks.iter().any(|mark| matches!(mark, Mark::Checkpoint(_)));
            begun |= record.counter == 0 || checkpoint && records < BEGINNING;
            records += 1;
            history.fold(stamp, &marks);
        }
        history.holes |= records > 0 && !begun;
        history.judge(ring);
        Ok(history)
    }

    /// A block is whole only if its records are still there, whatever its marks
    /// say of the execution. A view of the marks alone cannot tell.
    fn judge(&mut self, ring: &RingView) {
        let main = ring.lane(Lane::Main);
        if !main.slots.is_empty() {
            let newest = self.last.at.main;
            self.life
                .judge(newest, |from, until| main.holds(from, until));
        }
    }

    /// What a timeline of the ring needs of its marks.
    pub fn marked(&self) -> Marked<'_> {
        Marked {
            until: self.last.at,
            dropped: self.life.dropped(),
        }
    }

    /// Folds the marks of one entry.
    pub fn fold(&mut self, stamp: Stamp, marks: &[Mark]) {
        self.last = stamp;
        for mark in marks {
            self.life.apply(mark, stamp.at);
            self.pace.take(mark, stamp.time_ms);
            self.keep(stamp, mark);
        }
    }

    fn keep(&mut self, stamp: Stamp, mark: &Mark) {
        match mark {
            Mark::Session(session) => {
                self.followed.clear();
                keep(&mut self.sessions, (stamp, session.clone()));
            }
            Mark::NodeStart => keep(&mut self.node_starts, stamp),
            Mark::Loss(loss) => {
                let dropped = |source: &&mut MarkedSource| {
                    loss.dropped && loss.stream == Some(source.mark.stream)
                };
                if let Some(source) = self.sources.iter_mut().find(dropped) {
                    source.dropped += loss.bytes;
                }
                keep(&mut self.losses, (stamp, loss.clone()));
            }
            Mark::Note(note) => keep(&mut self.notes, (stamp, note.clone())),
            Mark::Source(source) => {
                if !self.followed.contains(&source.stream) {
                    self.followed.push(source.stream);
                }
                self.keep_source(stamp.at, source);
            }
            Mark::Checkpoint(checkpoint) => {
                checkpoint
                    .sources
                    .iter()
                    .for_each(|source| self.keep_source(stamp.at, source));
                if self.sessions.is_empty() {
                    let session = checkpoint.session.clone();
                    self.sessions
                        .extend(session.map(|session| (stamp, session)));
                }
            }
            Mark::Crank(_) => self.cranks += 1,
            _ => {}
        }
        self.closed = matches!(mark, Mark::Close);
    }

    fn keep_source(&mut self, at: Position, source: &SourceMark) {
        self.sources
            .retain(|known| known.mark.stream != source.stream);
        self.sources.push(MarkedSource {
            at,
            mark: source.clone(),
            dropped: 0,
        });
    }
}

/// Marks that went by age are in the checkpoints behind them.
fn is_damage(found: &Found<'_>) -> bool {
    match found {
        Found::Gap { why, .. } => *why == Gap::Missing,
        Found::Torn { .. } | Found::Overrun { .. } => true,
        Found::Record(_) => false,
    }
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() >= KEPT {
        list.remove(0);
    }
    list.push(entry);
}
