//! Counts the samples of one chain, and records them on its tape.
//!
//! The local lane of a tape has limited room. Samples may fill it at most once in
//! [`SPAN`]. Beyond that they wait in memory, and go to the tape if an incident needs
//! them: the transactions of an incident are few, the checks of a chain are not.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_recorder::host::{HostRecorder, Kept};

use super::sample::{Missing, Sample};
use crate::message::ChainId;
use crate::stages::{Board, Outcome};
use haltbox_recorder::clock::now_ms;

/// Seconds in which samples may fill the local lane once.
const SPAN: u64 = 1800;
/// The local lane is this fraction of a ring: one quarter.
const LANE: u64 = 4;
/// Most bytes of samples that wait in memory.
const WAITING: usize = 32 << 20;
/// Memory of a sample besides its bytes, in bytes.
const AROUND: usize = 256;
/// Most incidents whose checks are kept.
const WANTED: usize = 1024;
/// Most checks of one incident that are recorded even in a flood.
const OF_ONE: u32 = 256;
/// Time between two entries that say how many samples were lost.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The samples of one chain.
pub(super) struct Keeper {
    pub(super) chain: ChainId,
    pub(super) board: Board,
    /// Weak, because the owner of the tape closes it, not the last thread that reads
    /// checks.
    recorder: Weak<HostRecorder>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    budget: Budget,
    waiting: VecDeque<(Sample, usize)>,
    waiting_bytes: usize,
    wanted: VecDeque<Wanted>,
    alarms: Vec<String>,
    counts: Counts,
    /// Lost samples since the last entry about them, and the time of that entry.
    lost: u64,
    lost_said: Option<Instant>,
}

/// The metrics of one chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Samples on the tape.
    pub(super) taped: u64,
    /// Samples neither on the tape nor in memory.
    pub(super) lost: u64,
    /// Lines of checks.
    pub(super) lines: u64,
    pub(super) others: u64,
    pub(super) unreadable: u64,
    /// Checks of proxyd that were dropped before their end was seen.
    pub(super) unfinished: u64,
}

/// A token bucket: bytes that may go to the tape now.
#[derive(Default)]
struct Budget {
    left: u64,
    most: u64,
    per_second: u64,
    filled: Option<Instant>,
}

/// The checks of an incident.
struct Wanted {
    tx: B256,
    checksum: Option<B256>,
    room: u32,
    /// The last verdict of each endpoint that the watcher asked.
    verdicts: Vec<(Option<String>, Outcome)>,
}

impl Budget {
    fn of_ring(size: u64) -> Budget {
        let lane = size / LANE;
        Budget {
            left: lane / 8,
            most: lane / 8,
            per_second: lane / SPAN,
            filled: None,
        }
    }

    fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let filled = *self.filled.get_or_insert(now);
        let millis = now.saturating_duration_since(filled).as_millis();
        let more = u64::try_from(millis).unwrap_or(u64::MAX);
        let more = more.saturating_mul(self.per_second) / 1000;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.most);
            self.filled = Some(now);
        }
        let fits = self.left >= bytes;
        if fits {
            self.left -= bytes;
        }
        fits
    }
}

impl State {
    /// Whether an incident needs the sample.
    fn is_wanted(&mut self, sample: &Sample) -> bool {
        let mut wanted = self.wanted.iter_mut();
        let wanted = wanted.find(|wanted| wanted.room > 0 && wanted.is(sample));
        let is_wanted = wanted.is_some();
        wanted.into_iter().for_each(|wanted| wanted.room -= 1);
        is_wanted
    }

    fn wait(&mut self, sample: Sample, bytes: usize) {
        self.waiting.push_back((sample, bytes));
        self.waiting_bytes += bytes;
        while self.waiting_bytes > WAITING {
            let Some((_, bytes)) = self.waiting.pop_front() else {
                return;
            };
            self.waiting_bytes -= bytes;
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.lost += 1;
        self.counts.lost += 1;
    }

    /// Removes and returns the waiting samples of an incident.
    fn take_waiting(&mut self, wanted: &mut Wanted) -> Vec<Sample> {
        let mut found = Vec::new();
        self.waiting.retain(|(sample, bytes)| {
            let is_taken = wanted.room > 0 && wanted.is(sample);
            if is_taken {
                wanted.room -= 1;
                self.waiting_bytes -= bytes;
                found.push(sample.clone());
            }
            !is_taken
        });
        found
    }
}

impl Wanted {
    fn is(&self, sample: &Sample) -> bool {
        sample.is_of(self.tx, self.checksum)
    }

    /// Whether the endpoint's verdict differs from its last one.
    fn is_new_verdict(&mut self, sample: &Sample) -> bool {
        let mut verdicts = self.verdicts.iter_mut();
        match verdicts.find(|(backend, _)| *backend == sample.backend) {
            Some((_, verdict)) => std::mem::replace(verdict, sample.verdict) != sample.verdict,
            None => {
                self.verdicts.push((sample.backend.clone(), sample.verdict));
                true
            }
        }
    }
}

impl Keeper {
    /// A keeper. `size`: of the ring.
    pub(super) fn new(chain: ChainId, recorder: Weak<HostRecorder>, size: u64) -> Keeper {
        let state = State {
            budget: Budget::of_ring(size),
            ..State::default()
        };
        Keeper {
            chain,
            board: Board::default(),
            recorder,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.state().counts);
    }

    pub(super) fn take_alarms(&self) -> Vec<String> {
        std::mem::take(&mut self.state().alarms)
    }

    /// Handles a check.
    pub(super) fn take(&self, sample: Sample) {
        if !sample.is_on(self.chain) {
            return;
        }
        let sample = sample.bounded();
        let alarm = match sample.part {
            true => None,
            false => {
                let took = sample.took_us.map(Duration::from_micros);
                self.board.count(sample.stage, sample.verdict, took)
            }
        };
        let entry = sample.entry();
        let mut state = self.state();
        state.alarms.extend(alarm);
        let bytes = entry.len();
        if state.is_wanted(&sample) || state.budget.take(bytes as u64, Instant::now()) {
            self.put(&mut state, &entry);
        } else {
            state.wait(sample, bytes + AROUND);
        }
    }

    /// Handles a check that the watcher itself made. It asks again and again, so only
    /// checks of an incident are recorded, and only when the verdict changes.
    pub(super) fn asked(&self, sample: Sample) {
        let took = sample.took_us.map(Duration::from_micros);
        // Its stage is not forbidden, so there is no alarm.
        let _ = self.board.count(sample.stage, sample.verdict, took);
        let sample = sample.bounded();
        let mut state = self.state();
        let mut wanted = state.wanted.iter_mut();
        let wanted = wanted.find(|wanted| wanted.is(&sample));
        if wanted.is_some_and(|wanted| wanted.is_new_verdict(&sample)) {
            self.put(&mut state, &sample.entry());
        }
    }

    /// Keeps the checks of an incident: all checks of its transaction belong on the tape.
    pub(super) fn want(&self, tx: B256, checksum: Option<B256>) {
        let mut state = self.state();
        let mut known = state.wanted.iter();
        if known.any(|known| (known.tx, known.checksum) == (tx, checksum)) {
            return;
        }
        let mut wanted = Wanted {
            tx,
            checksum,
            room: OF_ONE,
            verdicts: Vec::new(),
        };
        for sample in state.take_waiting(&mut wanted) {
            self.put(&mut state, &sample.entry());
        }
        state.wanted.push_back(wanted);
        if state.wanted.len() > WANTED {
            state.wanted.pop_front();
        }
    }

    /// Records that samples of a source may be missing.
    pub(super) fn missing(&self, why: String) {
        let missing = Missing {
            why,
            count: None,
            at: now_ms(),
        };
        let mut state = self.state();
        self.put(&mut state, &missing.entry());
    }

    /// Does what is due by the clock.
    pub(super) fn look(&self) {
        let mut state = self.state();
        let is_due = state
            .lost_said
            .is_none_or(|said| said.elapsed() >= REPORT_EVERY);
        if state.lost == 0 || !is_due {
            return;
        }
        let missing = Missing {
            why: "there were more checks than the tape and the memory for them can hold".to_owned(),
            count: Some(std::mem::take(&mut state.lost)),
            at: now_ms(),
        };
        state.lost_said = Some(Instant::now());
        self.put(&mut state, &missing.entry());
    }

    fn put(&self, state: &mut State, entry: &[u8]) {
        // The watcher itself notices that its recorder is off.
        let recorder = self.recorder.upgrade();
        let kept = recorder.and_then(|recorder| recorder.record(entry).ok());
        match kept {
            Some(Kept::Whole) => state.counts.taped += 1,
            Some(Kept::Dropped) | None => state.lose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checks::sample::tests::sample;
    use crate::tape::Tape;

    const SIZE: u64 = 4 << 20;

    fn with_tape(work: impl FnOnce(&Keeper, &dyn Fn() -> Vec<String>)) {
        let folder = tempfile::tempdir().unwrap();
        let tape = Tape::open(folder.path(), SIZE).unwrap().tape;
        let recorder = tape.recorder();
        let keeper = Keeper::new(902.into(), Arc::downgrade(&recorder), SIZE);
        let entries = || {
            let file = std::fs::File::open(folder.path().join("ring")).unwrap();
            let view = haltbox_format::ring::RingView::read(&file).unwrap();
            let history = haltbox_model::history::History::read(&file, &view).unwrap();
            let mut timeline = haltbox_format::ring::Timeline::new(&file, &view, history.marked());
            let mut lines = Vec::new();
            while let Some(entry) = timeline.next().unwrap() {
                if let haltbox_format::ring::Entry::Line(line) = entry {
                    lines.push(String::from_utf8(line.bytes.to_vec()).unwrap());
                }
            }
            lines.retain(|line| line.contains("\"check"));
            lines
        };
        work(&keeper, &entries);
    }

    #[test]
    fn a_flood_fills_no_tape_and_an_incident_finds_its_checks() {
        with_tape(|keeper, entries| {
            let of = |at: u64| {
                let tx = B256::from(alloy_primitives::U256::from(at));
                sample(Some(tx), B256::ZERO)
            };
            (0..10_000).for_each(|at| keeper.take(of(at)));
            let taped = entries();
            let bytes: usize = taped.iter().map(String::len).sum();
            assert!((bytes as u64) < SIZE / LANE / 8 + 64 * 1024, "{bytes}");
            assert!(taped.len() > 100, "{}", taped.len());
            let asked = of(9_000).tx.unwrap();
            let has = |lines: &[String]| lines.iter().any(|line| line.contains(&asked.to_string()));
            assert!(!has(&taped));
            keeper.want(asked, None);
            assert!(has(&entries()));
            // A later one finds room too, but there is a limit.
            let before = entries().len();
            (0..1_000).for_each(|_| keeper.take(of(9_000)));
            let more = entries().len() - before;
            assert!((200..400).contains(&more), "{more}");
        });
    }

    #[test]
    fn a_budget_fills_up_and_no_further() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut budget = Budget::of_ring(LANE * SPAN * 80);
        assert!(budget.take(SPAN * 10, begun) && !budget.take(1, begun));
        assert!(!budget.take(81, after(1)) && budget.take(80, after(1)));
        // A day without checks does not save up a day's budget.
        assert!(!budget.take(SPAN * 10 + 1, after(86_400)));
        assert!(budget.take(SPAN * 10, after(86_400)));
        // A clock that stands still or goes back adds nothing.
        assert!(!budget.take(1, after(5)));
    }

    #[test]
    fn what_the_watcher_asks_again_and_again_is_told_when_it_changes() {
        with_tape(|keeper, entries| {
            let tx = B256::repeat_byte(1);
            let mut asked = sample(Some(tx), B256::ZERO);
            keeper.asked(asked.clone());
            assert!(entries().is_empty(), "no incident is of it");
            keeper.want(tx, None);
            for (verdict, backend, told) in [
                (Outcome::Accepted, "a", 1),
                (Outcome::Accepted, "a", 1),
                (Outcome::Accepted, "b", 2),
                (Outcome::Refused, "a", 3),
                (Outcome::Refused, "a", 3),
            ] {
                (asked.verdict, asked.backend) = (verdict, Some(backend.to_owned()));
                keeper.asked(asked.clone());
                assert_eq!(entries().len(), told, "{verdict:?} {backend}");
            }
        });
    }

    #[test]
    fn what_is_lost_is_counted_on_the_tape() {
        with_tape(|keeper, entries| {
            let mut long = sample(None, B256::ZERO);
            long.declares = vec![long.declares[0].clone(); 64];
            (0..4_000).for_each(|_| keeper.take(long.clone()));
            let lost = keeper.counts().lost;
            assert!(lost > 0);
            assert!(keeper.state().waiting_bytes <= WAITING);
            keeper.look();
            keeper.look();
            let lines = entries();
            let told = lines.iter().filter(|line| line.contains("checks-missing"));
            let told: Vec<&String> = told.collect();
            let count = format!("\"count\":{lost}");
            assert!(told.len() == 1 && told[0].contains(&count), "{told:?}");
        });
    }

    #[test]
    fn checks_of_other_chains_are_left_out_and_parts_are_not_counted() {
        with_tape(|keeper, entries| {
            let mut other = sample(None, B256::ZERO);
            other.chain = Some("901".to_owned());
            keeper.take(other.clone());
            assert!(entries().is_empty());
            other.chain = Some("0x386".to_owned());
            keeper.take(other.clone());
            other.part = true;
            keeper.take(other);
            assert_eq!(entries().len(), 2);
            let text = crate::stages::exposed("x", &[(String::new(), &keeper.board)]).to_string();
            let line = "x_total{stage=\"mempool-ingress\",verdict=\"accepted\"} 1";
            assert!(text.lines().any(|found| found == line), "{text}");
        });
    }
}
