//! Marks: the records the recorder itself understands, kept in the spine.
//!
//! One spine record holds a [`Stamp`] and one or more marks, all of which one
//! entry of the host caused. They are published together, so that a kill can
//! never leave half of what an entry meant. `docs/format.md` lists the bytes.
//!
//! The table in this file is the place for a new mark: its number, its name, and its
//! body, which stands in the file of what it is about.

mod block;
mod block_record;
mod body;
mod crank;
mod dropped;
mod loss;
mod position;
mod record;
mod session;
mod source;
#[cfg(test)]
mod tests;

use body::Body;

pub use block::{Attempt, Begin, Diverged, Frozen, LocalHash, Pin, Release, ReleasedBy, Told};
pub use block_record::{BlockRecord, State, ToldBy};
pub use crank::{CRANK_SIZE, Crank};
pub use dropped::DroppedRecords;
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
        /// What the recorder understood or decided.
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

// Numbers of old rings stay what they are.
marks! {
    /// The recorder opened the ring.
    1 Session(Session),
    /// The recorder closed the ring in order.
    2 Close,
    /// How far a source had been read: resuming neither skips nor repeats.
    3 Source(SourceMark),
    /// An attempt at a height began.
    4 Begin(Begin),
    /// The attempt did work of its own.
    5 Executed(Attempt),
    /// The attempt's last entry.
    6 End(Told),
    /// The attempt was made durable by the host.
    7 Commit(Told),
    /// The AppHash this node computed.
    8 LocalHash(LocalHash),
    /// The block needs no more protection.
    9 Release(Release),
    /// Something is unproven about the attempt: keep it.
    10 Pin(Pin),
    /// This node's hash and the network's are proved to differ.
    11 Diverged(Diverged),
    /// A box of the attempt is durable.
    12 Frozen(Frozen),
    /// A crank and its hashes.
    13 Crank(Crank),
    /// Records that could not be kept.
    14 Loss(Loss),
    /// Something an operator or developer should know.
    15 Note(Note),
    /// All unsettled blocks, so that evicted marks are not missed.
    16 Checkpoint(Checkpoint),
    /// The node process started.
    17 NodeStart,
}
