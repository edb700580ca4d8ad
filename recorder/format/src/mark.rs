//! Marks: the records the recorder itself understands, kept in the spine.
//!
//! One spine record holds a [`Stamp`] and one or more marks, all of which one
//! entry of the host caused. They are published together, so that a kill can
//! never leave half of what an entry meant. `docs/format.md` lists the bytes.

mod source;

use serde::{Deserialize, Serialize};

pub use source::{Before, SourceMark, Tail, Unread};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Digest of its canonical rules, in hex: two profiles may have one name. `None`
    /// without such rules, and of an older recorder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
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
    /// The block was known: the other stream told of it, or its own begin entry
    /// follows the work that opened it. Otherwise the block is a new one, also
    /// if an older one of the same name was released and forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins: bool,
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
    /// Where in the lane; rings of older recorders do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
}

/// Counters of a lane: `from` and those behind it, before `until`. A record that
/// is dropped takes a counter, so that the lane itself shows that it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The first.
    pub from: u64,
    /// The one behind the last; `from` for a place where nobody counted.
    pub until: u64,
}

impl Loss {
    /// Block records were lost here, how many or which nobody knows.
    pub fn breaks_blocks(&self) -> bool {
        self.dropped && self.lane == Lane::Main && self.stream != Some(Stream::Node)
    }

    /// The lane lacks counters where the records are missing, or holds a record
    /// that says it was cut: the mark is not needed to see it.
    pub fn shows_as_gap(&self) -> bool {
        !self.dropped || self.counters.is_some_and(|lost| lost.from < lost.until)
    }
}

impl Counters {
    /// Whether any of them is `counter` or stands behind it.
    pub(crate) fn reach(self, counter: u64) -> bool {
        self.until > counter || self.from == self.until && self.from == counter
    }
}

/// Records of a lane that were dropped, for [`Checkpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The lane.
    pub lane: Lane,
    /// Their counters.
    #[serde(flatten)]
    pub counters: Counters,
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
    /// Where the search for the next block's first entry begins, if no block is
    /// being executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// What was dropped, oldest first: the marks that told of it go by age, and
    /// a pinned block beside the gap may stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<Dropped>,
    /// The session that goes on: its own mark goes by age, too, and without it
    /// nobody knows by which profile the ring is read. Absent in rings of older
    /// recorders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

/// A place between two executions: canonical entries behind it belong to the
/// block that is executed next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// The place.
    #[serde(flatten)]
    pub at: Position,
    /// Nothing between it and the newest entry can be missing.
    pub whole: bool,
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
                joins: false,
                early: false,
            }),
        ];
        assert_eq!(round_trip(&marks).unwrap().1, marks);
    }

    fn of() -> Attempt {
        Attempt {
            height: u64::MAX,
            attempt: 3,
        }
    }

    fn app_hash(byte: u8, len: usize) -> AppHash {
        AppHash::new(&[byte; AppHash::MAX][..len]).unwrap()
    }

    fn source() -> SourceMark {
        SourceMark {
            stream: Stream::Slog,
            path: "/home/agoric/slög \"1\".jsonl".to_owned(),
            inode: u64::MAX,
            offset: 1 << 40,
            file: None,
            before: Some(Before {
                bytes: 4096,
                behind: 12,
                digest: Digest([0xCD; 32]),
            }),
            trouble: Some(Unread {
                why: "Permission denied".to_owned(),
                since: 1_795_218_984_594,
            }),
        }
    }

    fn told() -> Told {
        Told {
            of: of(),
            by: Stream::Node,
        }
    }

    /// The unsettled blocks of a life: one that diverged, one that is executed
    /// though a box of it is durable already.
    fn checkpoint() -> Checkpoint {
        let mut life = crate::lifecycle::Lifecycle::default();
        let at = Position { main: 8, local: 9 };
        let of = Attempt {
            height: 1,
            attempt: 1,
        };
        let by = Stream::Slog;
        let name = "1-incomplete".to_owned();
        let kept = |m: &&Mark| !matches!(m, Mark::Checkpoint(_) | Mark::Frozen(_));
        every_mark()
            .iter()
            .filter(kept)
            .for_each(|mark| life.apply(mark, at));
        for mark in [
            Mark::Begin(Begin {
                of,
                joins: false,
                ..begin()
            }),
            Mark::Diverged(Diverged { of, ..diverged() }),
            Mark::Crank(crank()),
            Mark::End(Told { of, by }),
            Mark::Frozen(Frozen { of, name }),
        ] {
            life.apply(&mark, at);
        }
        life.checkpoint()
    }

    fn begin() -> Begin {
        Begin {
            of: of(),
            from: Position { main: 3, local: 4 },
            whole: true,
            by: Stream::Slog,
            joins: true,
            early: true,
        }
    }

    fn pin() -> Pin {
        Pin {
            of: of(),
            why: "a mismatch".to_owned(),
            network: Some(app_hash(7, 0)),
            over: true,
        }
    }

    fn diverged() -> Diverged {
        Diverged {
            of: of(),
            field: "AppHash".to_owned(),
            local: app_hash(0xAB, 32),
            network: app_hash(0xCD, 64),
        }
    }

    fn crank() -> Crank {
        Crank {
            number: u64::MAX,
            crankhash: Digest([1; 32]),
            activityhash: Digest([0xFE; 32]),
        }
    }

    fn session() -> Session {
        Session {
            version: "0.1.0".to_owned(),
            pid: 4711,
            boot: "b0".to_owned(),
            profile: "agoric".to_owned(),
            rules: Some("ab".repeat(32)),
        }
    }

    fn release() -> Release {
        Release {
            of: of(),
            by: ReleasedBy::LaterAttempt,
            network: None,
        }
    }

    fn loss() -> Loss {
        Loss {
            lane: Lane::Local,
            stream: Some(Stream::Node),
            records: 1,
            bytes: u64::MAX,
            why: "no room".to_owned(),
            dropped: true,
            counters: Some(Counters {
                from: 3,
                until: LOW_40,
            }),
        }
    }

    /// The sample behind `last`. The match names every variant: a new one does
    /// not compile until it stands in this chain.
    fn next(last: Option<&Mark>) -> Option<Mark> {
        Some(match last {
            None => Mark::Session(session()),
            Some(Mark::Session(_)) => Mark::Close,
            Some(Mark::Close) => Mark::NodeStart,
            Some(Mark::NodeStart) => Mark::Source(source()),
            Some(Mark::Source(_)) => Mark::Begin(Begin {
                joins: false,
                ..begin()
            }),
            Some(Mark::Begin(_)) => Mark::Executed(of()),
            Some(Mark::Executed(_)) => Mark::End(told()),
            Some(Mark::End(_)) => Mark::Commit(told()),
            Some(Mark::Commit(_)) => Mark::LocalHash(LocalHash {
                of: of(),
                app_hash: app_hash(1, 20),
            }),
            Some(Mark::LocalHash(_)) => Mark::Release(release()),
            Some(Mark::Release(_)) => Mark::Pin(pin()),
            Some(Mark::Pin(_)) => Mark::Diverged(diverged()),
            Some(Mark::Diverged(_)) => Mark::Crank(crank()),
            Some(Mark::Crank(_)) => Mark::Loss(loss()),
            Some(Mark::Loss(_)) => Mark::Note(Note {
                text: "line\nbreak \u{1F6D1}".to_owned(),
            }),
            Some(Mark::Note(_)) => Mark::Checkpoint(Checkpoint {
                blocks: Vec::new(),
                sources: vec![source()],
                boundary: None,
                dropped: vec![Dropped {
                    lane: Lane::Main,
                    counters: Counters { from: 1, until: 2 },
                }],
                session: Some(session()),
            }),
            Some(Mark::Checkpoint(_)) => Mark::Frozen(Frozen {
                of: of(),
                name: "12-incomplete.2".to_owned(),
            }),
            Some(Mark::Frozen(_)) => return None,
        })
    }

    fn every_mark() -> Vec<Mark> {
        std::iter::successors(next(None), |last| next(Some(last))).collect()
    }

    #[test]
    fn every_mark_survives_its_bytes() {
        let marks = every_mark();
        assert_eq!(marks.len(), 17);
        assert_eq!(round_trip(&marks).unwrap().1, marks);
        let more = [
            Mark::Begin(begin()),
            Mark::Checkpoint(checkpoint()),
            Mark::Release(Release {
                network: Some(app_hash(9, 64)),
                by: ReleasedBy::NextCommit,
                ..release()
            }),
            Mark::Loss(Loss {
                stream: None,
                dropped: false,
                counters: None,
                ..loss()
            }),
        ];
        assert_eq!(round_trip(&more).unwrap().1, more);
    }

    #[test]
    fn every_mark_has_a_number_of_its_own() {
        let numbers: Vec<u8> = every_mark().iter().map(Mark::code).collect();
        assert_eq!(
            numbers,
            [1, 2, 17, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 12],
            "the numbers of old rings must stay what they were"
        );
    }

    #[test]
    fn a_checkpoint_carries_a_block_with_all_its_members() {
        let checkpoint = checkpoint();
        let json = serde_json::to_value(&checkpoint).unwrap();
        let blocks = json["blocks"].as_array().unwrap();
        for member in blocks[0].as_object().unwrap().keys() {
            let set = blocks.iter().any(|block| !block[member].is_null());
            assert!(
                set,
                "a sample that leaves {member} out proves nothing of it"
            );
        }
        assert!(checkpoint.boundary.is_some());
    }

    #[test]
    fn a_mark_too_long_for_its_length_is_told_of() {
        let text = "x".repeat(1 << 24);
        let found = round_trip(&[Mark::Note(Note { text }), Mark::Close])
            .unwrap()
            .1;
        let [Mark::Note(note), Mark::Close] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(
            note.text.contains("type 15") && note.text.contains("16777227"),
            "{}",
            note.text
        );
    }

    /// Damage may make another mark, or none, but never a panic; and a mark
    /// that was read can be written and read again.
    #[test]
    fn damaged_marks_are_read_without_harm() {
        let mut sound = vec![0; STAMP_SIZE];
        every_mark()
            .iter()
            .for_each(|mark| encode_mark(mark, &mut sound));
        encode_mark(&Mark::Checkpoint(checkpoint()), &mut sound);
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut roll = |sides: usize| {
            seed ^= seed >> 12;
            seed ^= seed << 25;
            seed ^= seed >> 27;
            usize::try_from(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % sides
        };
        let (mut marks, mut changed) = (0, 0);
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..=roll(8) {
                let place = roll(bytes.len());
                bytes[place] = u8::try_from(roll(256)).unwrap();
            }
            bytes.truncate(bytes.len() - roll(4) * roll(200));
            let found = decode_marks(&bytes).unwrap().1;
            let mut life = crate::lifecycle::Lifecycle::default();
            found
                .iter()
                .for_each(|mark| life.apply(mark, Position::default()));
            marks += found.len();
            changed += usize::from(found != decode_marks(&sound).unwrap().1);
            assert_eq!(round_trip(&found).unwrap().1, found);
        }
        println!("{marks} marks read, {changed} of 20000 records were changed by the damage");
        assert!(changed > 10_000);
    }

    #[test]
    fn random_bytes_are_read_without_harm() {
        let mut seed = 1_u64;
        for length in 0..4096 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8 % if length % 2 == 0 { 20 } else { 255 }
            })
            .take(length)
            .collect();
            assert_eq!(decode_marks(&bytes).is_some(), length >= STAMP_SIZE);
        }
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
