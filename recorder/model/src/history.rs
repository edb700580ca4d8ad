//! Folds the marks of a ring's spine.

mod pace;

pub use pace::Pace;

use std::io;

use haltbox_format::mark::{Loss, Mark, Note, Position, Session, SourceMark, Stamp, decode_marks};
use haltbox_format::ring::{Found, Gap, Marked, RecordCursor, RingView};
use haltbox_format::{Lane, ReadAt, Stream};

use crate::lifecycle::Lifecycle;

/// The checkpoint of the oldest segment is among this many records at its beginning.
const BEGINNING: u32 = 4;

/// Most entries of each list in a [`History`]. The oldest are removed first.
const KEPT: usize = 4096;

/// The state that a ring's marks give.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Its blocks.
    pub life: Lifecycle,
    /// The last stamp. The recorder has processed every entry before it.
    pub last: Stamp,
    /// The recorder's sessions, oldest first.
    pub sessions: Vec<(Stamp, Session)>,
    /// Whether the last session was closed normally.
    pub closed: bool,
    /// Starts of the node process, oldest first.
    pub node_starts: Vec<Stamp>,
    /// The last mark of each source.
    pub sources: Vec<MarkedSource>,
    /// Streams with a source mark in the last session. A source of an earlier session may
    /// no longer be read.
    pub followed: Vec<Stream>,
    /// Times of the newest blocks.
    pub pace: Pace,
    /// Marks are missing or cannot be read, so this state may be incomplete.
    pub holes: bool,
    /// Records that the recorder could not keep.
    pub losses: Vec<(Stamp, Loss)>,
    /// Notes.
    pub notes: Vec<(Stamp, Note)>,
    /// Cranks whose hashes are in the spine.
    pub cranks: u64,
    /// The first line of the node's log that the recorder had not acted on, because the slog
    /// had not come as far.
    pub log_waits: Option<Position>,
}

/// How far a source had been read, and the position of its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkedSource {
    /// Position of the mark.
    pub at: Position,
    /// The mark.
    pub mark: SourceMark,
    /// Bytes of the source that were dropped since. They were read, and are in no record.
    pub dropped: u64,
}

impl History {
    /// Folds every mark of a ring's spine.
    ///
    /// # Errors
    /// Errors of reading the file.
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

    /// Clears `whole` for blocks whose records are gone, whatever the marks say of the
    /// execution. A view of the marks alone cannot show it.
    fn judge(&mut self, ring: &RingView) {
        let main = ring.lane(Lane::Main);
        if !main.slots.is_empty() {
            let newest = self.last.at.main;
            self.life
                .judge(newest, |from, until| main.holds(from, until));
        }
    }

    /// The marks' data that a timeline of the ring needs.
    pub fn marked(&self) -> Marked<'_> {
        Marked {
            until: self.last.at,
            dropped: self.life.dropped(),
        }
    }

    /// Applies the marks of one entry.
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
                // What waits is told again behind it. Older recorders do not know of it.
                self.log_waits = None;
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
            Mark::LogWait(wait) => self.log_waits = wait.from,
            Mark::Checkpoint(checkpoint) => {
                self.log_waits = checkpoint.log_waits;
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

/// Whether marks are lost. Marks that were evicted by age are in the checkpoints behind
/// them.
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
