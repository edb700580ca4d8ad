//! The ring's writer: appends records and reuses segments.
//!
//! Readers in other processes rely on this protocol:
//!
//! * record: the payload first, then `seq`, then the commit word in ONE aligned
//!   8-byte release store. A kill stops between two instructions, and the page
//!   cache keeps every store that was executed. So a record is whole, or it
//!   fails its checksum.
//! * segment: generation 0 first, then the header, then the new generation by a
//!   release store. A reader that copied a segment reads the generation again.
//!   If it changed, the copy is useless.
//!
//! A call here takes no lock, allocates nothing and calls no system as long as
//! the file is mapped; at most it waits for a page fault. [`engine`] lists the
//! other ways to write and what they cost.

pub mod engine;
pub mod file;
pub mod lent;
mod map;
pub mod populate;
mod queue;
mod surface;
mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use haltbox_format::Lane;
use haltbox_format::mark::{Counters, Position};
use haltbox_format::ring::{
    FRAGMENT, Flags, Geometry, HEADER_SIZE, HINTS_OFFSET, Header, LaneKey, MIN_FIRST, Part,
    RingView, SEGMENT_HEADER_SIZE, SegmentHeader, Seq, SlotState,
};

use engine::Engine;
pub use map::{Birth, Pages};
use surface::Surface;
pub(crate) use surface::Waiting;

/// A range of main records that must not be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protected {
    /// Counter of the first record.
    pub from: u64,
    /// Counter behind the last record. `u64::MAX` while the block is being
    /// recorded.
    pub until: u64,
    /// Whether the range stays even if the open block needs its space.
    pub pinned: bool,
}

/// How appending a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The ring has it. It survives the end of the process, unless it still
    /// waits in the engine `queue`.
    Kept {
        /// Whether a segment was begun for it.
        switched: bool,
        /// Unreleased records that it overwrote.
        overwritten: Option<Counters>,
    },
    /// No segment may be overwritten, the record is too large, or the process
    /// is a fork.
    Dropped,
    /// The file takes no writes: its disk is full, fails or is too slow. A
    /// mark's number stays unused, so that readers see the gap. For other
    /// records the recorder takes care of that.
    Refused,
}

/// Segments of history that may be overwritten between a divergence and its
/// box. What the node does after a divergence must not overwrite what led to
/// it.
pub const AFTERMATH: u32 = 4;

/// The one writer of a ring.
pub struct RingWriter {
    surface: Surface,
    geometry: Geometry,
    salt: u64,
    epoch: u32,
    spine: LaneWriter,
    local: LaneWriter,
    main: LaneWriter,
    protected: Vec<Protected>,
    /// How many main segments with history may still be overwritten. `None`
    /// sets no limit.
    allowance: Option<u32>,
    heads: Arc<Heads>,
    lent: Option<lent::Lent>,
    /// Whether the kernel failed to make pages present for the last lending.
    never_lent: bool,
}

/// File offsets at which each lane writes now and next. The populating thread
/// reads them.
#[derive(Default)]
pub struct Heads {
    lanes: [(AtomicUsize, AtomicUsize); 3],
}

impl Heads {
    /// For each lane: the offset being written, and the start of the next
    /// segment.
    pub fn read(&self) -> [(usize, usize); 3] {
        let load = |value: &AtomicUsize| value.load(Ordering::Relaxed);
        self.lanes
            .each_ref()
            .map(|(head, next)| (load(head), load(next)))
    }

    fn advance(&self, lane: Lane, head: usize) {
        let (head_cell, _) = &self.lanes[usize::from(lane.number()).min(2)];
        head_cell.store(head, Ordering::Relaxed);
    }

    fn set(&self, lane: Lane, head: usize, next: usize) {
        let (head_cell, next_cell) = &self.lanes[usize::from(lane.number()).min(2)];
        head_cell.store(head, Ordering::Relaxed);
        next_cell.store(next, Ordering::Relaxed);
    }
}

/// A segment, as the writer knows it.
#[derive(Clone, Copy, Debug)]
struct Slot {
    index: u32,
    generation: u64,
    /// Counters of its records, `first..next`. Equal if it has none. The segment
    /// being filled gets its `next` when the writer leaves it, so that no append
    /// pays for that.
    first: u64,
    next: u64,
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.first == self.next
    }

    fn holds_any_of(&self, range: &Protected) -> bool {
        self.first < self.next && self.first < range.until && range.from < self.next
    }
}

struct LaneWriter {
    key: LaneKey,
    slots: Vec<Slot>,
    /// Index in `slots` of the segment being filled.
    head: Option<usize>,
    /// File offset of the next record.
    at: usize,
    /// File offset of the end of that segment. 0 if there is none.
    end: usize,
    /// Counter of the next record.
    next: u64,
    generation: u64,
}

/// Where the next segment comes from.
enum Room {
    Released(usize),
    Overwrite(usize),
    None,
}

impl RingWriter {
    /// Goes on where the last writer stopped, as `view` shows. `epoch` must be
    /// unused.
    fn resume(surface: Surface, view: &RingView, epoch: u32) -> RingWriter {
        let lane = |lane| LaneWriter::resume(view, lane);
        RingWriter {
            surface,
            geometry: view.geometry,
            salt: view.salt,
            epoch,
            spine: lane(Lane::Spine),
            local: lane(Lane::Local),
            main: lane(Lane::Main),
            protected: Vec::new(),
            allowance: None,
            heads: Arc::default(),
            lent: None,
            never_lent: false,
        }
    }

    /// Offsets of the lanes, for the populating thread.
    pub fn heads(&self) -> Arc<Heads> {
        Arc::clone(&self.heads)
    }

    /// The map's pages, for the populating thread. `None` if the file is not
    /// mapped.
    pub fn pages(&self) -> Option<Pages> {
        self.surface.pages()
    }

    /// Handle to wait for records that are not in the file yet.
    pub(crate) fn waiting(&self) -> Waiting {
        self.surface.waiting()
    }

    /// How records get into the file.
    pub fn engine(&self) -> Engine {
        self.surface.engine()
    }

    /// Counter of the next record of a lane.
    pub fn next_counter(&self, lane: Lane) -> u64 {
        self.lane(lane).next
    }

    /// Counter of the oldest record of a lane that is not overwritten.
    pub fn oldest_counter(&self, lane: Lane) -> u64 {
        let others = self.others(lane).filter(|(_, slot)| !slot.is_empty());
        let writer = self.lane(lane);
        let head = writer.head.and_then(|head| writer.slots.get(head));
        let first = others
            .map(|(_, slot)| slot.first)
            .chain(head.map(|slot| slot.first))
            .min();
        first.unwrap_or(writer.next)
    }

    /// Continues behind a position. Marks can name records that were dropped or
    /// that a power cut took. Their counters must not be used for other
    /// records.
    pub fn go_on_behind(&mut self, at: Position) {
        self.main.next = self.main.next.max(at.main);
        self.local.next = self.local.next.max(at.local);
    }

    /// Leaves the next counter of a lane unused. A dropped record then shows as
    /// a gap in its lane, even if the mark about it is lost.
    pub fn leave_out(&mut self, lane: Lane) {
        if !self.surface.is_forked() {
            if lane == Lane::Main {
                self.end_lending();
            }
            self.lane_mut(lane).next += 1;
        }
    }

    /// Whether a record of `length` bytes would be kept.
    pub fn would_keep(&self, lane: Lane, length: usize) -> bool {
        !self.surface.is_forked()
            && length <= self.capacity(lane)
            && (HEADER_SIZE + length <= self.lane(lane).left() || self.has_room(lane, length))
    }

    /// Sets the main records that must be kept from now on.
    pub fn protect(&mut self, protected: Vec<Protected>) {
        self.protected = protected;
    }

    /// Limits how many main segments with history may still be overwritten.
    pub fn set_allowance(&mut self, allowance: Option<u32>) {
        self.allowance = allowance;
    }

    /// Whether there is such a limit.
    pub fn has_allowance(&self) -> bool {
        self.allowance.is_some()
    }

    /// Most bytes that a record of a lane can have: all segments but the one
    /// being filled.
    pub fn capacity(&self, lane: Lane) -> usize {
        self.lane(lane)
            .slots
            .len()
            .saturating_sub(1)
            .saturating_mul(self.per_segment())
    }

    /// Payload bytes that an empty segment holds at least, however the records
    /// are split.
    fn per_segment(&self) -> usize {
        let fragments = self.segment_size() / FRAGMENT + 1;
        self.segment_size()
            .saturating_sub(SEGMENT_HEADER_SIZE + fragments * HEADER_SIZE)
    }

    /// Appends one record: `prefix` and `payload` in one piece. Drops a record
    /// of more than [`RingWriter::capacity`] bytes.
    #[inline]
    pub fn append(&mut self, lane: Lane, flags: Flags, prefix: &[u8], payload: &[u8]) -> Appended {
        let length = prefix.len() + payload.len();
        if length > FRAGMENT || HEADER_SIZE + length > self.lane(lane).left() {
            return self.append_split(lane, flags, prefix, payload);
        }
        let part = Part::Full;
        if !self.put(lane, Header { part, flags }, prefix, payload) {
            return self.refused(lane);
        }
        Appended::Kept {
            switched: false,
            overwritten: None,
        }
    }

    /// Appends a record that needs another segment, several fragments, or both.
    #[cold]
    fn append_split(
        &mut self,
        lane: Lane,
        flags: Flags,
        prefix: &[u8],
        payload: &[u8],
    ) -> Appended {
        // Check the room first, because a record is kept whole or not at all.
        let length = prefix.len() + payload.len();
        if self.surface.is_forked() || length > self.capacity(lane) || !self.has_room(lane, length)
        {
            return Appended::Dropped;
        }
        let (mut prefix, mut payload) = (prefix, payload);
        let (mut switched, mut overwritten, mut first) = (false, None, true);
        loop {
            let rest = prefix.len() + payload.len();
            let room = self.room_in_segment(lane);
            if room < rest.min(MIN_FIRST) || room == 0 {
                // The room was checked, so only the file can refuse.
                let Some(lost) = self.switch(lane) else {
                    return self.refused(lane);
                };
                switched = true;
                overwritten = joined(overwritten, lost);
                continue;
            }
            let take = rest.min(room).min(FRAGMENT);
            let (prefix_now, prefix_rest) = prefix.split_at(take.min(prefix.len()));
            let (payload_now, payload_rest) = payload.split_at(take - prefix_now.len());
            let part = match (first, take == rest) {
                (true, true) => Part::Full,
                (true, false) => Part::First,
                (false, true) => Part::Last,
                (false, false) => Part::Mid,
            };
            if !self.put(lane, Header { part, flags }, prefix_now, payload_now) {
                return self.refused(lane);
            }
            if take == rest {
                return Appended::Kept {
                    switched,
                    overwritten,
                };
            }
            (prefix, payload, first) = (prefix_rest, payload_rest, false);
        }
    }

    /// Handles a record that the file did not take. A mark's number stays
    /// unused, so that the gap shows. For the other lanes the recorder counts
    /// the dropped records.
    #[cold]
    fn refused(&mut self, lane: Lane) -> Appended {
        if lane == Lane::Spine {
            self.leave_out(lane);
        }
        match self.surface.is_forked() {
            true => Appended::Dropped,
            false => Appended::Refused,
        }
    }

    fn has_room(&self, lane: Lane, length: usize) -> bool {
        let room = self.room_in_segment(lane);
        // Fragments behind the first have their own headers and padding.
        let room = room.saturating_sub(room / (FRAGMENT + HEADER_SIZE) * 2 * HEADER_SIZE);
        let here = Some(room).filter(|room| *room >= MIN_FIRST);
        let beyond = length.saturating_sub(here.unwrap_or(0));
        let segments = beyond.div_ceil(self.per_segment().max(1));
        let mut usable = self
            .others(lane)
            .filter(|(_, slot)| !self.is_pinned(lane, slot));
        let usable = match self.allowance.filter(|_| lane == Lane::Main) {
            Some(allowance) => {
                let empty = self
                    .others(lane)
                    .filter(|(_, slot)| slot.is_empty())
                    .count();
                (empty + allowance as usize).min(usable.count())
            }
            None => usable.by_ref().count(),
        };
        segments <= usable
    }

    fn is_pinned(&self, lane: Lane, slot: &Slot) -> bool {
        lane == Lane::Main
            && self
                .protected
                .iter()
                .any(|p| p.pinned && slot.holds_any_of(p))
    }

    fn is_protected(&self, lane: Lane, slot: &Slot) -> bool {
        lane == Lane::Main && self.protected.iter().any(|p| slot.holds_any_of(p))
    }

    /// Payload bytes that still fit into the segment being filled.
    fn room_in_segment(&self, lane: Lane) -> usize {
        self.lane(lane).left().saturating_sub(HEADER_SIZE)
    }

    /// Writes one fragment that fits into the segment being filled. Returns
    /// false if the file takes nothing, or in the child of a fork. Then no
    /// record is there.
    #[inline]
    fn put(&mut self, lane: Lane, header: Header, prefix: &[u8], payload: &[u8]) -> bool {
        let writer = match lane {
            Lane::Main => &mut self.main,
            Lane::Spine => &mut self.spine,
            Lane::Local => &mut self.local,
        };
        let end = writer.put(&mut self.surface, self.epoch, header, prefix, payload);
        if let Some(end) = end {
            self.heads.advance(lane, end);
        }
        end.is_some()
    }

    /// Begins another segment. Returns the unreleased records that it
    /// overwrites. `None` if no segment may be used or the file takes nothing.
    fn switch(&mut self, lane: Lane) -> Option<Option<Counters>> {
        let (position, lost) = match self.choose(lane) {
            Room::Released(position) => (position, None),
            Room::Overwrite(position) => {
                let slot = self.lane(lane).slots.get(position)?;
                let (from, until) = (slot.first, slot.next);
                (position, Some(Counters { from, until }))
            }
            Room::None => return None,
        };
        let takes_history = self
            .lane(lane)
            .slots
            .get(position)
            .is_some_and(|s| !s.is_empty());
        let (generation, next) = (self.lane(lane).generation + 1, self.lane(lane).next);
        let index = self.lane(lane).slots.get(position)?.index;
        // If the file refuses, the lane stays in its segment.
        self.begin_segment(lane, index, generation, Seq::new(self.epoch, next))?;
        if lane == Lane::Main && takes_history {
            self.allowance = self.allowance.map(|allowance| allowance.saturating_sub(1));
        }
        let (base, size) = (self.segment_at(index), self.segment_size());
        let writer = self.lane_mut(lane);
        writer.leave_head();
        writer.generation = generation;
        *writer.slots.get_mut(position)? = Slot {
            index,
            generation,
            first: next,
            next,
        };
        writer.head = Some(position);
        writer.at = base + SEGMENT_HEADER_SIZE;
        writer.end = base + size;
        self.publish_hints(lane, index);
        Some(lost)
    }

    /// Begins a segment: generation 0, then the header, then the generation.
    fn begin_segment(&mut self, lane: Lane, index: u32, generation: u64, first: Seq) -> Option<()> {
        let header = SegmentHeader {
            generation,
            salt: self.salt,
            first: first.0,
            geometry: self.geometry,
            index,
            lane: lane.number(),
        };
        let bytes = header.encode();
        let at = self.segment_at(index);
        let mut begun = self.surface.publish(at, 0);
        // No store of the header may move before the store of generation 0.
        std::sync::atomic::fence(Ordering::Release);
        begun &= self.surface.write(at + 8, &bytes[8..]);
        begun &= self.surface.publish(at, generation);
        begun.then_some(())
    }

    /// Writes the lane's hints. Only a segment switch does so, because no
    /// reader trusts them.
    fn publish_hints(&mut self, lane: Lane, index: u32) {
        let line = HINTS_OFFSET as usize + 64 * (1 + usize::from(lane.number()));
        let generation = self.lane(lane).generation;
        self.surface.publish(line, generation);
        self.surface.publish(line + 8, u64::from(index));
        let head = self.segment_at(index) + SEGMENT_HEADER_SIZE;
        let next = match self.choose(lane) {
            Room::Released(position) | Room::Overwrite(position) => self
                .lane(lane)
                .slots
                .get(position)
                .map_or(head, |s| self.segment_at(s.index)),
            Room::None => head,
        };
        self.heads.set(lane, head, next);
    }

    /// Picks the segment to fill next: the oldest one without protected
    /// records. If there is none, an unpinned one: of the open block itself if
    /// the block has at least two, else the oldest. Never a pinned one.
    fn choose(&self, lane: Lane) -> Room {
        let spent = lane == Lane::Main && self.allowance == Some(0);
        let others = || {
            self.others(lane)
                .filter(|(_, slot)| !spent || slot.is_empty())
        };
        let oldest = |slots: &mut dyn Iterator<Item = (usize, &Slot)>| {
            slots
                .min_by_key(|(_, slot)| slot.age())
                .map(|(position, _)| position)
        };
        if let Some(free) = oldest(&mut others().filter(|(_, s)| !self.is_protected(lane, s))) {
            return Room::Released(free);
        }
        let unpinned = || others().filter(|(_, slot)| !self.is_pinned(lane, slot));
        let open = self
            .protected
            .iter()
            .filter(|p| p.until == u64::MAX)
            .map(|p| p.from)
            .max();
        let own = |(_, slot): &(usize, &Slot)| open.is_some_and(|from| slot.first >= from);
        let choice = if unpinned().filter(own).count() >= 2 {
            oldest(&mut unpinned().filter(own))
        } else {
            oldest(&mut unpinned())
        };
        choice.map_or(Room::None, Room::Overwrite)
    }

    /// All segments of a lane but the one being filled.
    fn others(&self, lane: Lane) -> impl Iterator<Item = (usize, &Slot)> {
        let writer = self.lane(lane);
        let slots = writer.slots.iter().enumerate();
        slots.filter(|(position, _)| Some(*position) != writer.head)
    }

    fn segment_size(&self) -> usize {
        self.geometry.segment_size as usize
    }

    fn segment_at(&self, index: u32) -> usize {
        usize::try_from(self.geometry.offset(index)).unwrap_or(usize::MAX)
    }

    fn lane(&self, lane: Lane) -> &LaneWriter {
        match lane {
            Lane::Main => &self.main,
            Lane::Spine => &self.spine,
            Lane::Local => &self.local,
        }
    }

    fn lane_mut(&mut self, lane: Lane) -> &mut LaneWriter {
        match lane {
            Lane::Main => &mut self.main,
            Lane::Spine => &mut self.spine,
            Lane::Local => &mut self.local,
        }
    }

    /// Writes one copy of the superblock. Does not sync it, because recovery
    /// does not depend on it.
    pub fn write_superblock(&mut self, offset: u64, bytes: &[u8]) {
        self.surface
            .write(usize::try_from(offset).unwrap_or(usize::MAX), bytes);
    }

    /// Writes into the hints who writes the ring: a process id, or 0 for a
    /// closed ring.
    pub fn publish_writer(&mut self, pid: u32) {
        self.surface.publish(HINTS_OFFSET as usize, u64::from(pid));
    }
}

/// The range from one to the other. Segments are overwritten oldest first, so
/// whatever lies between was overwritten before.
fn joined(one: Option<Counters>, other: Option<Counters>) -> Option<Counters> {
    let (Some(a), Some(b)) = (one, other) else {
        return one.or(other);
    };
    Some(Counters {
        from: a.from.min(b.from),
        until: a.until.max(b.until),
    })
}

impl Slot {
    /// Orders segments for reuse: empty ones first, then by the counters of
    /// their records. The generation does not tell the age: after a power cut a
    /// header can be a lap older than the records behind it.
    fn age(&self) -> (u64, u64) {
        match self.is_empty() {
            true => (0, self.generation),
            false => (self.next, 0),
        }
    }
}

impl LaneWriter {
    /// Writes one fragment that fits into the segment being filled. Returns its
    /// end in the file. `None` if the file takes nothing, or in the child of a
    /// fork.
    #[inline]
    fn put(
        &mut self,
        surface: &mut Surface,
        epoch: u32,
        header: Header,
        prefix: &[u8],
        payload: &[u8],
    ) -> Option<usize> {
        let length = HEADER_SIZE + prefix.len() + payload.len();
        surface.request(self.at, length);
        let seq = Seq::new(epoch, self.next);
        let word = self.key.commit_word(seq, header, prefix, payload);
        if !surface.put_record(self.at, [self.key.mask(seq), word], prefix, payload) {
            return None;
        }
        self.go_over(prefix.len() + payload.len());
        Some(self.at)
    }

    /// Bytes left in the segment being filled, headers included. The padding of
    /// the last record may reach the end of the segment, but not beyond.
    #[inline]
    fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    fn leave_head(&mut self) {
        let next = self.next;
        if let Some(slot) = self.head.and_then(|head| self.slots.get_mut(head)) {
            slot.next = next;
        }
    }

    fn resume(view: &RingView, lane: Lane) -> LaneWriter {
        let lane_view = view.lane(lane);
        let slots: Vec<Slot> = lane_view
            .slots
            .iter()
            .map(|slot| {
                let generation = match slot.state {
                    SlotState::Filled { generation, .. } => generation,
                    SlotState::Free | SlotState::Damaged => 0,
                };
                // Ignore records of an earlier filling in the segment that this
                // session continues. They would make the segment look as old as
                // the whole lane.
                let head = lane_view.head().is_some_and(|(head, _)| head == slot.index);
                let held = || {
                    let runs = lane_view.runs.iter();
                    runs.filter(|run| run.segment == slot.index)
                        .filter(move |run| !head || run.generation.is_some())
                };
                let nothing = if head { lane_view.next_counter() } else { 0 };
                let first = held().map(|run| run.first).min().unwrap_or(nothing);
                let next = held().map(|run| run.last + 1).max().unwrap_or(first);
                Slot {
                    index: slot.index,
                    generation,
                    first,
                    next,
                }
            })
            .collect();
        let next = lane_view.next_counter();
        let head = lane_view.head();
        let position = head
            .and_then(|(index, _)| slots.iter().position(|slot| slot.index == index))
            .filter(|position| {
                slots
                    .get(*position)
                    .is_some_and(|s| s.next == next || s.next == 0)
            });
        let offset = head.map_or(SEGMENT_HEADER_SIZE, |(_, offset)| offset);
        let geometry = view.geometry;
        let base = head.map_or(0, |(index, _)| geometry.offset(index));
        let base = usize::try_from(base).unwrap_or(usize::MAX);
        let end = base.saturating_add(geometry.segment_size as usize);
        LaneWriter {
            key: LaneKey::new(view.salt, lane),
            generation: slots.iter().map(|slot| slot.generation).max().unwrap_or(0),
            slots,
            head: position,
            at: base.saturating_add(offset),
            end: if position.is_some() { end } else { 0 },
            next,
        }
    }
}
