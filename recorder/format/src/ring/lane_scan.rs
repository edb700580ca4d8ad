//! Scans a lane: reads every segment, and reads it again before it reports a failure.

use std::collections::HashSet;
use std::io;

use super::geometry::{Geometry, MAX_SEGMENT};
use super::lane_view::{LaneView, Run, Slot, SlotState};
use super::record::{ALIGN, Fragment, LaneKey, MAX_EPOCH, Seq};
use super::segment::{SEGMENT_HEADER_SIZE, SegmentHeader};
use crate::read_at::{ReadAt, read_readable};
use crate::stream::Lane;

/// How often a segment with a hole is read again. A live writer may be storing the
/// missing bytes at this moment.
const REREADS: u32 = 4;

/// Most runs that the scan reports of one segment. A sound segment has one or two, a
/// damaged one dozens. More of them are an attempt to take memory and time.
const RUNS_MAX: usize = 4096;

/// The scan of one lane.
pub(super) struct LaneScan<'a> {
    source: &'a dyn ReadAt,
    geometry: Geometry,
    salt: u64,
    key: LaneKey,
    lane: Lane,
    buffer: Vec<u8>,
    view: LaneView,
}

/// Result of one pass over a copy of a segment.
#[derive(Default)]
struct Pass {
    runs: Vec<Run>,
    junk: u64,
    epoch: u32,
}

impl<'a> LaneScan<'a> {
    pub(super) fn new(source: &'a dyn ReadAt, geometry: Geometry, salt: u64, lane: Lane) -> Self {
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

    pub(super) fn run(mut self) -> io::Result<LaneView> {
        // A damaged superblock may claim more segments than the file has.
        let length = self.source.length()?;
        let in_file = |index: &u32| self.geometry.offset(*index) < length;
        for index in self.geometry.lane(self.lane).take_while(in_file) {
            let state = self.slot_state(index)?;
            self.view.slots.push(Slot { index, state });
        }
        // Read the head first. Its newest record bounds what a live writer had finished
        // when the scan began.
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

    /// Removes what a live writer changed during the scan. Segments that it began to
    /// reuse are evicted. Records behind `newest` were seen only in part. If nothing
    /// changed, every record stays: in a ring at rest a header can be older than the
    /// records behind it.
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
        // These segments changed after they were read: a gap beside them is not damage.
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

    /// Counter of the newest record. It stands in the head, unless the head is empty.
    fn newest_in(&self, head: Slot) -> u64 {
        let current = self.view.runs.iter().filter(|run| run.generation.is_some());
        let before = match head.state {
            SlotState::Filled { first, .. } => first.saturating_sub(1),
            SlotState::Free | SlotState::Damaged => u64::MAX,
        };
        current.map(|run| run.last).max().unwrap_or(before)
    }

    /// What the header of a segment says. That it is damaged is believed only once it was
    /// read again and has the same bytes: a copy that was made while the header was written
    /// can have words of both.
    fn slot_state(&self, index: u32) -> io::Result<SlotState> {
        let (mut bytes, mut state) = self.header(index)?;
        for _ in 0..REREADS {
            if state != SlotState::Damaged {
                break;
            }
            let again = self.header(index)?;
            let same = again.0 == bytes;
            (bytes, state) = again;
            if same {
                break;
            }
        }
        Ok(state)
    }

    fn header(&self, index: u32) -> io::Result<([u8; SEGMENT_HEADER_SIZE], SlotState)> {
        let mut bytes = [0; SEGMENT_HEADER_SIZE];
        let got = self.read(self.geometry.offset(index), &mut bytes)?;
        let header = SegmentHeader::decode(&bytes[..got])
            .filter(|header| header.belongs(self.salt, &self.geometry, self.lane, index));
        let state = match header {
            Some(header) => SlotState::Filled {
                generation: header.generation,
                first: Seq(header.first).counter(),
            },
            None if bytes[..8] == [0; 8] => SlotState::Free,
            None => SlotState::Damaged,
        };
        Ok((bytes, state))
    }

    /// Marks headers without a magic as damaged where a header was lost. After a power cut
    /// a segment's header page can be as blank as it was allocated while its records are
    /// intact, and a disk can flip bits of it. No header is needed only if the lane never
    /// filled the segment and no record stands in it. A segment that is being reused keeps
    /// its magic.
    fn find_lost_headers(&mut self) -> io::Result<()> {
        let fillings = self.view.slots.iter().filter_map(Slot::generation).max();
        let never_filled = (self.view.slots.len() as u64).saturating_sub(fillings.unwrap_or(0));
        let mut blank = Vec::new();
        for (at, slot) in self.view.slots.iter().enumerate() {
            if slot.state == SlotState::Free && self.has_no_header(slot.index)? {
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

    fn has_no_header(&self, index: u32) -> io::Result<bool> {
        let mut bytes = [0; SEGMENT_HEADER_SIZE];
        self.read(self.geometry.offset(index), &mut bytes)?;
        Ok(!SegmentHeader::has_magic(&bytes))
    }

    /// Reads what the disk gives. A page that it cannot read counts as zeros, and does
    /// not end the scan.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        read_readable(self.source, offset, bytes)
    }

    /// Scans a segment, and scans it again while it has a hole that a live writer may be
    /// filling.
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

    /// Sorts the runs, removes those that another run covers, and sets strays aside.
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
