//! A kernel's entries as a node writes them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Block, Kernel, Own, Step};
use crate::random::Random;
use crate::tape::{Digest, Line};

/// The clock of one process.
#[derive(Clone, Debug)]
pub struct Clock {
    time: u64,
    monotime: u64,
    random: Random,
    /// Vats that it did not page in yet.
    absent: BTreeSet<usize>,
}

impl Clock {
    /// A process starts at this time, in microseconds.
    pub fn starts(time: u64, seed: u64) -> Clock {
        let mut random = Random::new(seed);
        let absent = (0..super::VATS).filter(|_| random.percent(50)).collect();
        Clock {
            time,
            monotime: 1000 + random.below(100_000_000),
            random,
            absent,
        }
    }

    /// Another process starts, after the one before ended.
    pub fn restarts(&mut self) {
        self.monotime = 1000 + self.random.below(1_000_000);
        self.time += 100_000 + self.monotime;
        self.absent = (0..super::VATS)
            .filter(|_| self.random.percent(50))
            .collect();
    }

    fn passes(&mut self) {
        let by = 50 + self.random.below(4000);
        self.time += by;
        self.monotime += by;
    }

    /// An entry with the time at its end.
    fn stamped(&mut self, entry: &str, timed: bool) -> String {
        self.passes();
        let seconds = |micros: u64| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let (time, monotime) = (seconds(self.time), seconds(self.monotime));
        let mut text = format!(r#"{entry},"time":{time},"monotime":{monotime}"#);
        if timed {
            let took = seconds(1 + self.random.below(90_000));
            let _ = write!(text, r#","seconds":{took}"#);
        }
        text + "}"
    }

    fn own(&mut self, own: Own) -> String {
        let number = self.random.below(1000);
        match own {
            Own::None => String::new(),
            Own::Lag => format!(
                r#","interBlockSeconds":0.{number},"afterCommitHangoverSeconds":0,"blockLagSeconds":{number},"inboundQueueStats":{{"cosmic_swingset_inbound_queue_length":{number}}}"#
            ),
            Own::Queue => {
                format!(r#","inboundQueueStats":{{"cosmic_swingset_inbound_queue_add":{number}}}"#)
            }
            Own::Meter => format!(r#","currentHeapCount":{}"#, 200_000 + number),
            Own::Sizes => format!(
                r#","uncompressedSize":13{number},"compressSeconds":0.{number},"dbSaveSeconds":0.004,"compressedSize":26{number},"uncompressedSizeDelta":null,"restartWorker":true"#
            ),
            Own::Stats => format!(r#","memoryUsage":{{"rss":240{number}}}"#),
        }
    }

    fn line(&mut self, step: &Step) -> String {
        let own = self.own(step.own);
        let entry = format!("{}{own}{}", step.head, step.tail);
        self.stamped(&entry, step.timed)
    }
}

impl Kernel {
    /// A block as it is written, and what its name stands on.
    pub fn lines(&self, height: u64, clock: &mut Clock) -> (Vec<Line>, Digest) {
        let mut lines = Vec::new();
        let Some(block) = self.blocks.get(&height) else {
            return (lines, [0; 32]);
        };
        let mut behind = false;
        for step in &block.steps {
            if step.kind == "deliver" && clock.absent.remove(&step.vat) {
                let paged = self.paged_in(step, clock);
                lines.extend(paged.into_iter().map(|text| Line::of(height, text)));
            }
            let mut line = Line::of(height, clock.line(step));
            line.begins = step.kind == "cosmic-swingset-begin-block";
            line.behind = behind;
            behind |= step.kind == "cosmic-swingset-end-block-finish";
            lines.push(line);
        }
        (lines, block.digest())
    }

    /// A block that was saved runs again, empty.
    pub fn empty_lines(&self, height: u64, clock: &mut Clock) -> Vec<Line> {
        let outside = |step: &&Step| {
            step.kind.starts_with("cosmic-swingset-")
                && !["run-", "inbound", "poll"]
                    .iter()
                    .any(|part| step.kind.contains(part))
        };
        let steps = self.blocks.get(&height).map(|block| block.steps.as_slice());
        let steps = steps.unwrap_or_default().iter().filter(outside);
        let texts: Vec<String> = steps.map(|step| clock.line(step)).collect();
        texts
            .into_iter()
            .map(|text| Line::of(height, text))
            .collect()
    }

    /// What a process writes when it starts, before block `height`. `other`: what it
    /// replays is not what was executed.
    pub fn start(&self, height: u64, how: u64, other: bool, clock: &mut Clock) -> Vec<Line> {
        let mut random = Random::new(how);
        let mut texts = vec![clock.stamped(r#"{"type":"kernel-init-start""#, false)];
        if random.percent(50) {
            texts.push(clock.stamped(
                r#"{"type":"create-vat","vatID":"v1","dynamic":false"#,
                false,
            ));
        }
        if other || random.percent(60) {
            let vat = random.place(super::VATS);
            let last = random.percent(80).then_some(vat);
            let vats = if other { 0..super::VATS } else { vat..vat + 1 };
            for vat in vats {
                texts.extend(self.replayed(vat, height, last.is_some() || other, other, clock));
            }
        }
        texts.push(clock.stamped(r#"{"type":"kernel-init-finish""#, true));
        texts.into_iter().map(|text| Line::of(0, text)).collect()
    }

    /// A vat is paged in before one of its deliveries.
    fn paged_in(&self, step: &Step, clock: &mut Clock) -> Vec<String> {
        let vat = step.vat;
        if clock.random.percent(40) {
            let entry = format!(
                r#"{{"type":"heap-snapshot-load","vatID":"v{vat}","snapPos":4,"hash":"00""#
            );
            return vec![clock.stamped(&entry, false)];
        }
        let before = |other: &&Step| other.vat == vat && other.delivery < step.delivery;
        let steps = self.blocks.values().flat_map(|block| &block.steps);
        let steps: Vec<&Step> = steps
            .filter(before)
            .filter(|step| step.replay.is_some())
            .collect();
        Kernel::replay_of(vat, &steps, 3, false, clock)
    }

    /// The deliveries of a vat before a block, once more.
    fn replayed(
        &self,
        vat: usize,
        height: u64,
        few: bool,
        other: bool,
        clock: &mut Clock,
    ) -> Vec<String> {
        let blocks = self.blocks.range(..height);
        let steps = blocks.flat_map(|(_, block): (_, &Block)| &block.steps);
        let steps: Vec<&Step> = steps
            .filter(|step| step.replay.is_some() && step.vat == vat)
            .collect();
        Kernel::replay_of(vat, &steps, if few { 2 } else { 5 }, other, clock)
    }

    /// The last `count` deliveries of these steps.
    fn replay_of(
        vat: usize,
        steps: &[&Step],
        count: u64,
        other: bool,
        clock: &mut Clock,
    ) -> Vec<String> {
        let Some(last) = steps.last() else {
            return Vec::new();
        };
        let from = (last.delivery + 1).saturating_sub(count);
        let entry = format!(r#"{{"type":"start-replay","vatID":"v{vat}","deliveries":{count}"#);
        let mut texts = vec![clock.stamped(&entry, false)];
        let mut altered = !other;
        for step in steps.iter().filter(|step| step.delivery >= from) {
            let mut text = step.replay.clone().unwrap_or_default();
            if !altered && step.kind == "syscall" {
                text = text.replacen(r#""vsc":[""#, r#""vsc":["other",""#, 1);
                altered = true;
            }
            texts.push(clock.stamped(&text, step.timed));
        }
        let entry = format!(r#"{{"type":"finish-replay","vatID":"v{vat}""#);
        texts.push(clock.stamped(&entry, true));
        texts
    }
}
