//! Marks: records of the recorder itself, kept in the spine.
//!
//! One spine record holds a [`Stamp`] and all marks that one entry of the host caused. It
//! is published as a whole, so a kill never leaves half of an entry's meaning.
//! `docs/format.md` lists the bytes.
//!
//! To add a mark, add a line to the table in this file: its number, its name, and the
//! type of its body, which the file of its subject defines.

mod block;
mod block_record;
mod body;
mod crank;
mod dropped;
mod log_wait;
mod loss;
mod position;
mod record;
mod session;
mod source;
#[cfg(test)]
mod tests;

use body::Body;

pub use block::{Attempt, Begin, Diverged, Frozen, LocalHash, Pin, Release, ReleasedBy, Reported};
pub use block_record::{BlockRecord, State, ToldBy};
pub use crank::{CRANK_SIZE, Crank};
pub use dropped::DroppedRecords;
pub use log_wait::LogWait;
pub use loss::{Counters, Dropped, Loss};
pub use position::{Position, Stamp};
pub use record::{
    MARK_HEADER_SIZE, STAMP_SIZE, decode_marks, decode_stamp, encode_mark, encode_stamp,
};
pub use session::{Boundary, Checkpoint, Note, Session};
pub use source::{Before, SourceMark, Tail, Unread};

/// A pattern that binds the body of a mark that has one.
macro_rules! bind {
    ($name:ident of $body:ty) => {
        $name
    };
}

macro_rules! marks {
    ($($(#[$about:meta])* $code:literal $name:ident $(($body:ty))?,)*) => {
        /// What the recorder learned or decided.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Mark {
            $($(#[$about])* $name $(($body))?,)*
        }

        impl Mark {
            /// The number of the mark's type in the spine.
            pub fn code(&self) -> u8 {
                match self {
                    $(Mark::$name { .. } => $code,)*
                }
            }

            fn write_body(&self, out: &mut Vec<u8>) {
                match self {
                    $(Mark::$name $((bind!(body of $body)))? => {
                        $(<$body as Body>::write(body, out);)?
                    })*
                }
            }

            fn read(code: u8, bytes: &[u8]) -> Option<Mark> {
                Some(match code {
                    $($code => Mark::$name $((<$body as Body>::read(bytes)?))?,)*
                    _ => return None,
                })
            }
        }
    };
}

// Existing rings contain these numbers: never reuse or change one.
marks! {
    /// The recorder opened the ring.
    1 Session(Session),
    /// The recorder closed the ring normally.
    2 Close,
    /// How far a source had been read. A restart continues there, without skipping or
    /// repeating lines.
    3 Source(SourceMark),
    /// An attempt at a height began.
    4 Begin(Begin),
    /// The attempt executed something.
    5 Executed(Attempt),
    /// The attempt ended.
    6 End(Reported),
    /// The host made the attempt durable.
    7 Commit(Reported),
    /// The AppHash this node computed.
    8 LocalHash(LocalHash),
    /// The block needs no more protection.
    9 Release(Release),
    /// Something about the attempt is unproven: the recorder keeps it.
    10 Pin(Pin),
    /// This node's hash is proved to differ from the network's.
    11 Diverged(Diverged),
    /// A box of the attempt is durable.
    12 Frozen(Frozen),
    /// A crank and its hashes.
    13 Crank(Crank),
    /// Records that could not be kept.
    14 Loss(Loss),
    /// A sentence for operators and developers.
    15 Note(Note),
    /// State of all unsettled blocks, so that a reader does not need the marks that were
    /// evicted.
    16 Checkpoint(Checkpoint),
    /// The node process started.
    17 NodeStart,
    /// The node's log is read further than the slog.
    18 LogWait(LogWait),
}
