//! Recovery: what a ring holds, found by looking at every segment.
//!
//! One procedure serves a ring that was closed, killed, cut off by a power
//! failure, damaged, or is being written right now. Every segment is scanned
//! for records that prove themselves; runs of consecutive ones are sorted by
//! counter; what is missing between them is reported. Segment headers say in
//! which order segments were filled, but never which records may stand in
//! them: after a power cut a header page can be older than its records.

use std::collections::HashSet;
use std::fmt;
use std::io;

use super::geometry::{FIRST_SEGMENT, Geometry, MAX_SEGMENT, PAGE, SUPERBLOCK_OFFSETS};
use super::record::{ALIGN, FRAGMENT, Fragment, HEADER_SIZE, LaneKey, MAX_EPOCH, Seq, padded};
use super::segment::{SEGMENT_HEADER_SIZE, SegmentHeader};
use super::superblock::{RING_VERSION, SUPERBLOCK_SIZE, Superblock, SuperblockError};
use crate::read_at::{ReadAt, read_readable};
use crate::stream::Lane;

/// How often a segment is read again before a failure in it is believed: the
/// writer may be putting the missing bytes there this moment.
const REREADS: u32 = 4;

/// Runs that are told of one segment. A sound one has one or two, damage makes
/// dozens; more are somebody's who wants memory and time.
const RUNS_MAX: usize = 4096;

/// Why a file cannot be read as a ring.
#[derive(Debug)]
pub enum RingError {
    /// The file cannot be read.
    Io(io::Error),
    /// Nothing in it is a ring's.
    Foreign(SuperblockError),
    /// Only zeroes where a ring has its superblocks and segments.
    Zeroed,
    /// Made by another version of the format.
    Version(u32),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Foreign(why) => write!(f, "is not a Haltbox ring: its superblock {why}"),
            Self::Zeroed => write!(f, "contains only zeros where a ring has its superblocks"),
            Self::Version(found) => {
                write!(
                    f,
                    "has ring format version {found}, this program reads {RING_VERSION}"
                )
            }
        }
    }
}

impl std::error::Error for RingError {}

impl From<io::Error> for RingError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Consecutive records in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Counter of the first record.
    pub first: u64,
    /// Counter of the last record.
    pub last: u64,
    /// Segment that holds them.
    pub segment: u32,
    /// Offset in the segment of the first record.
    pub from: usize,
    /// Offset in the segment behind the last record.
    pub to: usize,
    /// The filling of the segment they belong to; `None` for what an earlier
    /// filling left, or where the header is damaged.
    pub generation: Option<u64>,
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// Never filled, or just being reused.
    Free,
    /// Filled for the `generation`-th time in this lane, from counter `first`.
    Filled {
        /// Number of the filling.
        generation: u64,
        /// Counter of its first record.
        first: u64,
    },
    /// Neither: the header does not prove itself.
    Damaged,
}

/// One segment of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index in the file.
    pub index: u32,
    /// What its header says.
    pub state: SlotState,
}

impl Slot {
    fn generation(&self) -> Option<u64> {
        match self.state {
            SlotState::Filled { generation, .. } => Some(generation),
            SlotState::Free | SlotState::Damaged => None,
        }
    }
}

/// Why counters are missing between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Released data that went by age: segments between them were reused.
    Evicted,
    /// Nothing was reused between them: the records were there.
    Missing,
}

/// What one lane holds.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Which lane.
    pub lane: Lane,
    /// Its segments, by index.
    pub slots: Vec<Slot>,
    /// Its records, oldest first; runs do not overlap.
    pub runs: Vec<Run>,
    /// Remains of earlier fillings that stand alone: true history, but with
    /// evicted records behind them.
    pub strays: Vec<Run>,
    /// Bytes of segments that are no record, between records.
    pub junk_bytes: u64,
    /// Highest epoch seen in a record.
    pub epoch: u32,
    /// A writer was at work: what is not there may have been overtaken.
    pub moved: bool,
}

impl LaneView {
    fn empty(lane: Lane) -> LaneView {
        LaneView {
            lane,
            slots: Vec::new(),
            runs: Vec::new(),
            strays: Vec::new(),
            junk_bytes: 0,
            epoch: 0,
            moved: false,
        }
    }

    /// Counter the next record would get. A segment's header tells of the ones
    /// before it, even where those records are lost.
    pub fn next_counter(&self) -> u64 {
        let begun = self.slots.iter().filter_map(|slot| match slot.state {
            SlotState::Filled { first, .. } => Some(first),
            SlotState::Free | SlotState::Damaged => None,
        });
        let recorded = self.runs.iter().chain(&self.strays);
        recorded
            .map(|run| run.last + 1)
            .chain(begun)
            .max()
            .unwrap_or(0)
    }

    /// Counter behind the newest record that is there.
    pub fn next_recorded(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.last + 1)
    }

    /// Counter of the oldest record.
    pub fn first_counter(&self) -> Option<u64> {
        self.runs.first().map(|run| run.first)
    }

    /// The newest segment and the offset behind its last record: where a
    /// writer goes on.
    pub fn head(&self) -> Option<(u32, usize)> {
        let newest = self.slots.iter().filter(|s| s.generation().is_some());
        let slot = newest.max_by_key(|slot| slot.generation())?;
        let in_head = self
            .runs
            .iter()
            .filter(|run| run.segment == slot.index && run.generation.is_some());
        let end = in_head
            .map(|run| run.to)
            .max()
            .unwrap_or(SEGMENT_HEADER_SIZE);
        Some((slot.index, end))
    }

    /// Whether every record from one counter to before another is there.
    pub fn holds(&self, from: u64, until: u64) -> bool {
        let mut next = from;
        let first = self.runs.partition_point(|run| run.last < from);
        for run in self.runs.iter().skip(first) {
            if next >= until || run.first > next {
                break;
            }
            next = run.last + 1;
        }
        next >= until
    }

    /// Why the counters between two neighbouring runs are missing; `None` if
    /// none are.
    pub fn gap(&self, before: &Run, after: &Run) -> Option<Gap> {
        if before.last + 1 >= after.first {
            return None;
        }
        let (from, to) = (before.generation, self.filling_of(after));
        let is_lost = |slot: &Slot| match slot.state {
            SlotState::Damaged => true,
            SlotState::Free => false,
            // Its records are gone, but no younger filling took their place.
            SlotState::Filled { generation, .. } => {
                from.is_some_and(|from| from < generation) && to.is_some_and(|to| generation < to)
            }
        };
        let damaged = self.slots.iter().any(is_lost);
        let leftover = after.generation.is_none();
        let reused = match (from, to) {
            (Some(from), Some(to)) if leftover => to > from && self.is_overwritten_up_to(after),
            (Some(from), Some(to)) => to > from + 1,
            (None, Some(_)) => !leftover,
            (_, None) => false,
        };
        Some(match reused && !damaged {
            true => Gap::Evicted,
            false => Gap::Missing,
        })
    }

    /// The filling a run belongs to. What an earlier filling left behind the
    /// newest one leads on to the next filling: it is of the one before that.
    fn filling_of(&self, run: &Run) -> Option<u64> {
        if run.generation.is_some() || !self.is_sound(run.segment) {
            return run.generation;
        }
        let behind = self.runs.partition_point(|other| other.first <= run.first);
        let next = self.runs.get(behind)?;
        let leads_on = run.last + 1 == next.first;
        next.generation.filter(|_| leads_on)?.checked_sub(1)
    }

    /// The records before this run stood in its segment and gave way to a
    /// younger filling, which ends where the run begins: between them are at
    /// most the rest of a record that was overwritten in part, and one that is
    /// being written.
    fn is_overwritten_up_to(&self, run: &Run) -> bool {
        let of_segment = self
            .runs
            .iter()
            .filter(|other| other.segment == run.segment);
        let younger = of_segment.filter(|other| other.generation.is_some());
        let end = younger.map(|other| other.to).max();
        let most = 2 * (HEADER_SIZE + padded(FRAGMENT));
        end.is_some_and(|end| run.from.saturating_sub(end) < most)
    }

    fn is_sound(&self, segment: u32) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|slot| slot.index == segment && slot.state != SlotState::Damaged)
    }

    /// Every pair of neighbouring runs with counters missing between them, as
    /// (first missing, last missing, why).
    pub fn gaps(&self) -> Vec<(u64, u64, Gap)> {
        let pairs = self.runs.windows(2);
        pairs
            .filter_map(|pair| {
                let why = self.gap(&pair[0], &pair[1])?;
                Some((pair[0].last + 1, pair[1].first - 1, why))
            })
            .collect()
    }
}

/// What a ring holds.
#[derive(Clone, Debug)]
pub struct RingView {
    /// How the file is divided.
    pub geometry: Geometry,
    /// The ring's salt.
    pub salt: u64,
    /// The newer sound superblock; `None` if both are damaged and the ring was
    /// found again by its segments.
    pub superblock: Option<Superblock>,
    /// Copies of the superblock that do not prove themselves, and why.
    pub bad_superblocks: Vec<(u64, SuperblockError)>,
    /// Length of the file.
    pub length: u64,
    spine: LaneView,
    local: LaneView,
    main: LaneView,
}

impl RingView {
    /// Looks at every segment of a ring, which may be written meanwhile: what
    /// the writer adds after a lane was begun is left out.
    ///
    /// Reads each segment once, needs memory for one segment and for the
    /// positions of the runs.
    pub fn read(source: &dyn ReadAt) -> Result<RingView, RingError> {
        let mut view = RingView::read_marks(source)?;
        // Marks and local records carry main counters: reading the main lane
        // last makes sure that what they speak of is seen too.
        let scan = |lane| LaneScan::new(source, view.geometry, view.salt, lane).run();
        (view.local, view.main) = (scan(Lane::Local)?, scan(Lane::Main)?);
        Ok(view)
    }

    /// Looks at the spine alone, the other lanes left empty: enough for the
    /// marks, and cheap enough to be done every second.
    ///
    /// # Errors
    /// As [`RingView::read`].
    pub fn read_marks(source: &dyn ReadAt) -> Result<RingView, RingError> {
        let length = source.length()?;
        let (superblock, bad_superblocks) = read_superblocks(source)?;
        let (geometry, salt) = match &superblock {
            Some(superblock) => (superblock.geometry, superblock.salt),
            None => find_by_segments(source, length, &bad_superblocks)?,
        };
        Ok(RingView {
            geometry,
            salt,
            superblock,
            bad_superblocks,
            length,
            spine: LaneScan::new(source, geometry, salt, Lane::Spine).run()?,
            local: LaneView::empty(Lane::Local),
            main: LaneView::empty(Lane::Main),
        })
    }

    /// What one lane holds.
    pub fn lane(&self, lane: Lane) -> &LaneView {
        match lane {
            Lane::Main => &self.main,
            Lane::Spine => &self.spine,
            Lane::Local => &self.local,
        }
    }

    /// The highest epoch that the superblock or any record tells of.
    pub fn epoch(&self) -> u32 {
        let told = self.superblock.map_or(0, |superblock| superblock.epoch);
        Lane::ALL
            .iter()
            .map(|lane| self.lane(*lane).epoch)
            .fold(told, u32::max)
    }

    /// Bytes that the division of the file promises and the file lacks.
    pub fn missing_bytes(&self) -> u64 {
        self.geometry.file_size().saturating_sub(self.length)
    }
}

type Superblocks = (Option<Superblock>, Vec<(u64, SuperblockError)>);

fn read_superblocks(source: &dyn ReadAt) -> Result<Superblocks, RingError> {
    let mut best: Option<Superblock> = None;
    let mut bad = Vec::new();
    for offset in SUPERBLOCK_OFFSETS {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        let got = source.read_full(offset, &mut bytes)?;
        match Superblock::decode(&bytes[..got]) {
            Ok(found) if best.is_none_or(|best| found.revision > best.revision) => {
                best = Some(found);
            }
            Ok(_) => {}
            Err(SuperblockError::Version(found)) => return Err(RingError::Version(found)),
            Err(error) => bad.push((offset, error)),
        }
    }
    Ok((best, bad))
}

/// Both superblocks are gone: every segment header repeats what they said.
fn find_by_segments(
    source: &dyn ReadAt,
    length: u64,
    bad: &[(u64, SuperblockError)],
) -> Result<(Geometry, u64), RingError> {
    let mut bytes = [0; SEGMENT_HEADER_SIZE];
    let mut zeroed = true;
    let mut offset = FIRST_SEGMENT;
    while offset < length {
        let got = source.read_full(offset, &mut bytes)?;
        if let Some(header) = SegmentHeader::decode(&bytes[..got]) {
            return Ok((header.geometry, header.salt));
        }
        zeroed &= bytes.iter().all(|byte| *byte == 0);
        offset += PAGE;
    }
    let first = bad
        .first()
        .map_or(SuperblockError::Short(0), |(_, error)| *error);
    let empty = matches!(first, SuperblockError::Magic([0, 0, 0, 0, 0, 0, 0, 0]));
    Err(if zeroed && empty {
        RingError::Zeroed
    } else {
        RingError::Foreign(first)
    })
}

/// The scan of one lane.
struct LaneScan<'a> {
    source: &'a dyn ReadAt,
    geometry: Geometry,
    salt: u64,
    key: LaneKey,
    lane: Lane,
    buffer: Vec<u8>,
    view: LaneView,
}

/// What one pass over a segment copy found.
#[derive(Default)]
struct Pass {
    runs: Vec<Run>,
    junk: u64,
    epoch: u32,
}

impl<'a> LaneScan<'a> {
    fn new(source: &'a dyn ReadAt, geometry: Geometry, salt: u64, lane: Lane) -> Self {
        let view = LaneView::empty(lane);
        let size = (geometry.segment_size as usize).min(MAX_SEGMENT as usize);
        let key = LaneKey::new(salt, lane);
        let buffer = vec![0; size];
        LaneScan {
            source,
            geometry,
            salt,
            key,
            lane,
            buffer,
            view,
        }
    }

    fn run(mut self) -> io::Result<LaneView> {
        // A damaged superblock may promise more segments than the file has.
        let length = self.source.length()?;
        let in_file = |index: &u32| self.geometry.offset(*index) < length;
        for index in self.geometry.lane(self.lane).take_while(in_file) {
            let state = self.slot_state(index)?;
            self.view.slots.push(Slot { index, state });
        }
        // The head first: what it holds now bounds what a live writer had
        // finished when the scan began.
        let newest = self.view.slots.iter().max_by_key(|slot| slot.generation());
        let head = newest.filter(|slot| slot.generation().is_some()).copied();
        if let Some(head) = head {
            self.segment(head)?;
        }
        let newest = head.map(|head| self.newest_in(head));
        for slot in self.view.slots.clone() {
            if Some(slot.index) != head.map(|head| head.index) {
                self.segment(slot)?;
            }
        }
        if let (Some(head), Some(newest)) = (head, newest) {
            self.leave_out_what_moved(head, newest)?;
        }
        self.find_lost_headers()?;
        Ok(self.finish())
    }

    /// A writer at work: segments it began to reuse are evicted, and what it
    /// added since the head was read was seen in part only. A ring at rest
    /// keeps everything, as a header can be older than the records behind it.
    fn leave_out_what_moved(&mut self, head: Slot, newest: u64) -> io::Result<()> {
        let mut reused = Vec::new();
        for slot in &self.view.slots {
            if self.slot_state(slot.index)? != slot.state {
                reused.push(slot.index);
            }
        }
        let again = self.pass(head)?;
        let known = self
            .view
            .runs
            .iter()
            .filter(|run| run.segment == head.index);
        if reused.is_empty() && again.runs.iter().eq(known) {
            return Ok(());
        }
        self.view.moved = true;
        self.view
            .runs
            .retain(|run| run.first <= newest && !reused.contains(&run.segment));
        // Not as they were when they were read: a gap beside them is no damage.
        let slots = self.view.slots.iter_mut();
        slots
            .filter(|slot| reused.contains(&slot.index))
            .for_each(|slot| slot.state = SlotState::Free);
        self.view
            .runs
            .iter_mut()
            .for_each(|run| run.last = run.last.min(newest));
        Ok(())
    }

    /// Counter of the newest record, which the head holds unless it is empty.
    fn newest_in(&self, head: Slot) -> u64 {
        let current = self.view.runs.iter().filter(|run| run.generation.is_some());
        let before = match head.state {
            SlotState::Filled { first, .. } => first.saturating_sub(1),
            SlotState::Free | SlotState::Damaged => u64::MAX,
        };
        current.map(|run| run.last).max().unwrap_or(before)
    }

    fn slot_state(&self, index: u32) -> io::Result<SlotState> {
        let mut bytes = [0; SEGMENT_HEADER_SIZE];
        let got = self.read(self.geometry.offset(index), &mut bytes)?;
        let header = SegmentHeader::decode(&bytes[..got])
            .filter(|header| header.belongs(self.salt, &self.geometry, self.lane, index));
        Ok(match header {
            Some(header) => SlotState::Filled {
                generation: header.generation,
                first: Seq(header.first).counter(),
            },
            None if bytes[..8] == [0; 8] => SlotState::Free,
            None => SlotState::Damaged,
        })
    }

    /// After a power cut the header's page of a segment can be as blank as it
    /// was allocated, and the records behind it intact. A blank header is sound
    /// only where the lane was never filled and nothing stands behind it; a
    /// segment that is being reused keeps its magic.
    fn find_lost_headers(&mut self) -> io::Result<()> {
        let fillings = self.view.slots.iter().filter_map(Slot::generation).max();
        let never_filled = (self.view.slots.len() as u64).saturating_sub(fillings.unwrap_or(0));
        let mut blank = Vec::new();
        for (at, slot) in self.view.slots.iter().enumerate() {
            if slot.state == SlotState::Free && self.is_blank(slot.index)? {
                blank.push(at);
            }
        }
        let too_many = blank.len() as u64 > never_filled;
        for at in blank {
            let slot = &mut self.view.slots[at];
            if too_many || self.view.runs.iter().any(|run| run.segment == slot.index) {
                slot.state = SlotState::Damaged;
            }
        }
        Ok(())
    }

    fn is_blank(&self, index: u32) -> io::Result<bool> {
        let mut bytes = [0; SEGMENT_HEADER_SIZE];
        self.read(self.geometry.offset(index), &mut bytes)?;
        Ok(bytes == [0; SEGMENT_HEADER_SIZE])
    }

    /// What of the file can be read; a page that cannot is a hole, not the end
    /// of the ring.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        read_readable(self.source, offset, bytes)
    }

    /// Scans a segment, again while a failure in it may be the writer at work.
    fn segment(&mut self, slot: Slot) -> io::Result<()> {
        let mut pass = self.pass(slot)?;
        for _ in 0..REREADS {
            if !pass.has_hole(slot) {
                break;
            }
            let again = self.pass(slot)?;
            let same = again.runs == pass.runs;
            pass = again;
            if same {
                break;
            }
        }
        self.view.epoch = self.view.epoch.max(pass.epoch);
        self.view.junk_bytes += pass.junk;
        self.view.runs.extend(pass.runs);
        Ok(())
    }

    fn pass(&mut self, slot: Slot) -> io::Result<Pass> {
        let offset = self.geometry.offset(slot.index);
        let got = read_readable(self.source, offset, &mut self.buffer)?;
        let bytes = &self.buffer[..got];
        let mut pass = Pass::default();
        let mut at = SEGMENT_HEADER_SIZE;
        let mut junk_from = at;
        while at < bytes.len() {
            match self.key.fragment_at(bytes, at, MAX_EPOCH) {
                Some(_) if pass.runs.len() >= RUNS_MAX => break,
                Some(fragment) => {
                    pass.junk += (at - junk_from) as u64;
                    pass.add(slot, at, &fragment);
                    at = fragment.end;
                    junk_from = at;
                }
                None => at += ALIGN,
            }
        }
        Ok(pass)
    }

    /// Sorts the runs, cuts what is there twice, and sets strays aside.
    fn finish(mut self) -> LaneView {
        self.view
            .runs
            .sort_by_key(|run| (run.first, run.generation.is_none()));
        let mut runs: Vec<Run> = Vec::with_capacity(self.view.runs.len());
        for run in self.view.runs.drain(..) {
            let covered = runs.last().is_some_and(|last| run.last <= last.last);
            if !covered {
                runs.push(run);
            }
        }
        let (mut kept, mut strays) = (Vec::with_capacity(runs.len()), Vec::new());
        let sound: HashSet<u32> = self.sound_slots().collect();
        let mut follower: Option<u64> = None;
        for run in runs.into_iter().rev() {
            let leads_on = follower.is_some_and(|first| run.last + 1 >= first);
            let leftover = run.generation.is_none() && sound.contains(&run.segment);
            if leftover && !leads_on {
                strays.push(run);
            } else {
                follower = Some(run.first);
                kept.push(run);
            }
        }
        kept.reverse();
        strays.reverse();
        self.view.strays = strays;
        self.view.runs = kept;
        self.view
    }

    fn sound_slots(&self) -> impl Iterator<Item = u32> {
        let sound = |slot: &&Slot| slot.state != SlotState::Damaged;
        self.view.slots.iter().filter(sound).map(|slot| slot.index)
    }
}

impl Pass {
    fn add(&mut self, slot: Slot, at: usize, fragment: &Fragment<'_>) {
        let counter = fragment.seq.counter();
        self.epoch = self.epoch.max(fragment.seq.epoch());
        if let Some(run) = self
            .runs
            .last_mut()
            .filter(|run| run.last + 1 == counter && run.to == at)
        {
            run.last = counter;
            run.to = fragment.end;
            return;
        }
        let generation = match slot.state {
            SlotState::Filled { generation, first } if counter >= first => Some(generation),
            _ => None,
        };
        self.runs.push(Run {
            first: counter,
            last: counter,
            segment: slot.index,
            from: at,
            to: fragment.end,
            generation,
        });
    }

    /// Counters of this filling are missing before or between records.
    fn has_hole(&self, slot: Slot) -> bool {
        let current = || self.runs.iter().filter(|run| run.generation.is_some());
        let before = match slot.state {
            SlotState::Filled { first, .. } => {
                current().next().is_some_and(|run| run.first > first)
            }
            SlotState::Free | SlotState::Damaged => false,
        };
        before
            || current()
                .zip(current().skip(1))
                .any(|(a, b)| b.first > a.last + 1)
    }
}
