//! Marks: the records the recorder itself understands, kept in the spine.
//!
//! One spine record holds a [`Stamp`] and one or more marks, all of which one
//! entry of the host caused. They are published together, so that a kill can
//! never leave half of what an entry meant. `docs/format.md` lists the bytes.

use serde::{Deserialize, Serialize};

use crate::app_hash::{AppHash, Digest};
use crate::lifecycle::Block;
use crate::stream::{Lane, Stream};

/// A place in the recorded order: how many records each lane had been given.
///
/// An entry lies at or behind a position if its own lane's counter does, so
/// positions compare across lanes without a common clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Counter of the next main record.
    pub main: u64,
    /// Counter of the next local record.
    pub local: u64,
}

impl Position {
    /// Whether the record `counter` of `lane` stands before this position.
    /// Marks have a place of their own and are never asked.
    pub fn is_behind(&self, lane: Lane, counter: u64) -> bool {
        match lane {
            Lane::Main | Lane::Spine => counter < self.main,
            Lane::Local => counter < self.local,
        }
    }
}

/// When and where marks were made: behind every record the position counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Behind which records.
    pub at: Position,
    /// Wall clock of the recorder, milliseconds since 1970 (48 bits kept).
    pub time_ms: u64,
}

/// What the recorder understood or decided.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// The recorder opened the ring.
    Session(Session),
    /// The recorder closed the ring in order.
    Close,
    /// The node process started.
    NodeStart,
    /// How far a source had been read: resuming neither skips nor repeats.
    Source(SourceMark),
    /// An attempt at a height began.
    Begin(Begin),
    /// The attempt did work of its own.
    Executed(Attempt),
    /// The attempt's last entry.
    End(Told),
    /// The attempt was made durable by the host.
    Commit(Told),
    /// The AppHash this node computed.
    LocalHash(LocalHash),
    /// The block needs no more protection.
    Release(Release),
    /// Something is unproven about the attempt: keep it.
    Pin(Pin),
    /// This node's hash and the network's are proved to differ.
    Diverged(Diverged),
    /// A box of the attempt is durable.
    Frozen(Frozen),
    /// A crank and its hashes.
    Crank(Crank),
    /// Records that could not be kept.
    Loss(Loss),
    /// Something an operator or developer should know.
    Note(Note),
    /// All unsettled blocks, so that evicted marks are not missed.
    Checkpoint(Checkpoint),
}

/// One attempt at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Height that is executed.
    pub height: u64,
    /// 1 for the first attempt at it.
    pub attempt: u32,
}

/// See [`Mark::Session`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Version of the recorder.
    pub version: String,
    /// Process that writes.
    pub pid: u32,
    /// Kernel boot id: another one than before means the tail may be missing.
    pub boot: String,
    /// Name of the profile in force.
    pub profile: String,
}

/// See [`Mark::Source`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMark {
    /// Which stream it feeds.
    pub stream: Stream,
    /// Path as given.
    pub path: String,
    /// Inode of the followed file; 0 for pipes.
    pub inode: u64,
    /// Bytes consumed from it when the mark was made.
    pub offset: u64,
}

/// See [`Mark::Begin`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Where its first entry stands: work before the begin entry included.
    #[serde(flatten)]
    pub from: Position,
    /// Nothing before its first entry can be missing.
    pub whole: bool,
    /// The stream that told.
    pub by: Stream,
    /// Opened by work that precedes the block's own begin entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
}

/// An attempt and the stream that told of it: [`Mark::End`], [`Mark::Commit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// The stream that told.
    pub by: Stream,
}

/// See [`Mark::LocalHash`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalHash {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// What this node computed.
    pub app_hash: AppHash,
}

/// See [`Mark::Release`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// What proved it.
    pub by: ReleasedBy,
    /// The network's AppHash, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppHash>,
}

/// Why a block is no longer protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleasedBy {
    /// The next height was committed.
    NextCommit,
    /// The network decided the next header.
    Network,
    /// Later attempts at the height replaced it.
    LaterAttempt,
}

/// See [`Mark::Pin`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Why, in words for the operator.
    pub why: String,
    /// The network's AppHash, if a mismatch was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AppHash>,
    /// The host threw the attempt away: nothing that follows belongs to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// See [`Mark::Diverged`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// Header field that differs.
    pub field: String,
    /// This node's value.
    pub local: AppHash,
    /// The network's value.
    pub network: AppHash,
}

/// See [`Mark::Frozen`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Which attempt.
    #[serde(flatten)]
    pub of: Attempt,
    /// File name of the box.
    pub name: String,
}

/// See [`Mark::Crank`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crank {
    /// The kernel's number.
    pub number: u64,
    /// SHA-256 over the crank's consensus writes.
    pub crankhash: Digest,
    /// SHA-256 chain over all crankhashes.
    pub activityhash: Digest,
}

/// See [`Mark::Loss`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Lane that could not keep them.
    pub lane: Lane,
    /// Stream of the records, where they are of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// How many.
    pub records: u64,
    /// Their bytes as the source gave them, line ends included.
    pub bytes: u64,
    /// Why, in words for the operator.
    pub why: String,
    /// Whether the records were never in the ring (dropped); otherwise
    /// unreleased ones were overwritten.
    pub dropped: bool,
}

/// See [`Mark::Note`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The sentence.
    pub text: String,
}

/// See [`Mark::Checkpoint`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Every block that is not released, or of which entries may still come,
    /// oldest first.
    pub blocks: Vec<Block>,
    /// How far each source had been read.
    pub sources: Vec<SourceMark>,
    /// Where the next block's first entry has to be searched from, if it cannot
    /// have been missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Position>,
}

/// Size of an encoded [`Stamp`].
pub const STAMP_SIZE: usize = 16;
/// Size of the header of one mark inside a spine record.
pub const MARK_HEADER_SIZE: usize = 4;
/// Size of the body of a crank mark.
pub const CRANK_SIZE: usize = 72;

const LOW_40: u64 = (1 << 40) - 1;
const LOW_48: u64 = (1 << 48) - 1;

/// Writes a stamp: main (5 bytes), local (5 bytes), time (6 bytes).
pub fn encode_stamp(stamp: &Stamp, out: &mut Vec<u8>) {
    out.extend_from_slice(&(stamp.at.main & LOW_40).to_le_bytes()[..5]);
    out.extend_from_slice(&(stamp.at.local & LOW_40).to_le_bytes()[..5]);
    out.extend_from_slice(&(stamp.time_ms & LOW_48).to_le_bytes()[..6]);
}

/// Appends one mark to a spine record that begins with a stamp.
///
/// A mark whose body would not fit the 24-bit length is replaced by a note
/// saying so; the recorder itself never makes one.
pub fn encode_mark(mark: &Mark, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[mark.code(), 0, 0, 0]);
    mark.encode_body(out);
    let length = out.len() - start - MARK_HEADER_SIZE;
    match u32::try_from(length)
        .ok()
        .filter(|length| *length < 1 << 24)
    {
        Some(length) => out[start + 1..start + 4].copy_from_slice(&length.to_le_bytes()[..3]),
        None => {
            out.truncate(start);
            let code = mark.code();
            let text = format!("a mark of type {code} is left out: {length} bytes, 16777215 fit");
            encode_mark(&Mark::Note(Note { text }), out);
        }
    }
}

/// The stamp at the beginning of a spine record; `None` if it is cut.
pub fn decode_stamp(payload: &[u8]) -> Option<Stamp> {
    let stamp: &[u8; STAMP_SIZE] = payload.first_chunk()?;
    Some(Stamp {
        at: Position {
            main: low(&stamp[..5]),
            local: low(&stamp[5..10]),
        },
        time_ms: low(&stamp[10..]),
    })
}

/// A spine record as it was read: its stamp and its marks.
///
/// `None` if the stamp is cut. Marks that this version does not know, or whose
/// body it cannot read, are left out.
pub fn decode_marks(payload: &[u8]) -> Option<(Stamp, Vec<Mark>)> {
    let stamp = decode_stamp(payload)?;
    let mut rest = payload.get(STAMP_SIZE..)?;
    let mut marks = Vec::new();
    while let Some((header, tail)) = rest.split_at_checked(MARK_HEADER_SIZE) {
        let length = usize::try_from(low(&header[1..])).ok()?;
        let Some((body, tail)) = tail.split_at_checked(length) else {
            break;
        };
        marks.extend(Mark::decode(header[0], body));
        rest = tail;
    }
    Some((stamp, marks))
}

fn low(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

macro_rules! mark_codes {
    ($($code:literal $name:ident),* $(,)?) => {
        impl Mark {
            fn encode_json(&self, out: &mut Vec<u8>) -> bool {
                match self {
                    $(Mark::$name(body) => serde_json::to_writer(out, body).is_ok(),)*
                    Mark::Close | Mark::NodeStart | Mark::Crank(_) => false,
                }
            }

            fn decode_json(code: u8, body: &[u8]) -> Option<Mark> {
                match code {
                    $($code => serde_json::from_slice(body).ok().map(Mark::$name),)*
                    _ => None,
                }
            }

            /// The number of the mark's type in the spine.
            pub fn code(&self) -> u8 {
                match self {
                    $(Mark::$name(_) => $code,)*
                    Mark::Close => CODE_CLOSE,
                    Mark::NodeStart => CODE_NODE_START,
                    Mark::Crank(_) => CODE_CRANK,
                }
            }
        }
    };
}

const CODE_CLOSE: u8 = 2;
const CODE_CRANK: u8 = 13;
const CODE_NODE_START: u8 = 17;

mark_codes! {
    1 Session, 3 Source, 4 Begin, 5 Executed, 6 End, 7 Commit, 8 LocalHash,
    9 Release, 10 Pin, 11 Diverged, 12 Frozen, 14 Loss, 15 Note, 16 Checkpoint,
}

impl Mark {
    fn encode_body(&self, out: &mut Vec<u8>) {
        if let Mark::Crank(crank) = self {
            out.extend_from_slice(&crank.number.to_le_bytes());
            out.extend_from_slice(&crank.crankhash.0);
            out.extend_from_slice(&crank.activityhash.0);
        } else {
            self.encode_json(out);
        }
    }

    fn decode(code: u8, body: &[u8]) -> Option<Mark> {
        match code {
            CODE_CLOSE => Some(Mark::Close),
            CODE_NODE_START => Some(Mark::NodeStart),
            CODE_CRANK => decode_crank(body).map(Mark::Crank),
            _ => Mark::decode_json(code, body),
        }
    }
}

fn decode_crank(body: &[u8]) -> Option<Crank> {
    let (number, hashes) = body.split_first_chunk::<8>()?;
    let (crankhash, rest) = hashes.split_first_chunk::<32>()?;
    let activityhash = rest.first_chunk::<32>()?;
    Some(Crank {
        number: u64::from_le_bytes(*number),
        crankhash: Digest(*crankhash),
        activityhash: Digest(*activityhash),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(marks: &[Mark]) -> Option<(Stamp, Vec<Mark>)> {
        let stamp = Stamp {
            at: Position {
                main: 7,
                local: LOW_40,
            },
            time_ms: 1_795_218_984_594,
        };
        let mut bytes = Vec::new();
        encode_stamp(&stamp, &mut bytes);
        marks.iter().for_each(|mark| encode_mark(mark, &mut bytes));
        let decoded = decode_marks(&bytes);
        assert_eq!(decoded.as_ref().unwrap().0, stamp);
        decoded
    }

    #[test]
    fn marks_of_one_record_come_back_in_order() {
        let of = Attempt {
            height: 13,
            attempt: 2,
        };
        let marks = vec![
            Mark::End(Told {
                of,
                by: Stream::Slog,
            }),
            Mark::NodeStart,
            Mark::Crank(Crank {
                number: u64::MAX,
                crankhash: Digest([1; 32]),
                activityhash: Digest([2; 32]),
            }),
            Mark::LocalHash(LocalHash {
                of,
                app_hash: AppHash::new(&[0xAB, 0xCD]).unwrap(),
            }),
            Mark::Close,
            Mark::Begin(Begin {
                of,
                from: Position { main: 3, local: 4 },
                whole: true,
                by: Stream::Node,
                early: false,
            }),
        ];
        assert_eq!(round_trip(&marks).unwrap().1, marks);
    }

    #[test]
    fn unknown_and_cut_marks_are_left_out() {
        let mut bytes = vec![0; STAMP_SIZE];
        bytes.extend_from_slice(&[200, 2, 0, 0, b'{', b'}']);
        encode_mark(&Mark::Close, &mut bytes);
        bytes.extend_from_slice(&[1, 0xFF, 0xFF, 0xFF, b'{']);
        assert_eq!(decode_marks(&bytes).unwrap().1, vec![Mark::Close]);
        assert_eq!(decode_marks(&bytes[..STAMP_SIZE - 1]), None);
    }
}
