//! Deaths of the process, and power cuts: what is left, and whether the recorder goes on.

use std::fs;

use haltbox_format::Lane;

use super::World;
use crate::check::{self, Leave};
use crate::look::Look;
use crate::model::{Model, Step};
use crate::random::Random;
use crate::reference;
use crate::system::outside;

/// How a process dies.
#[derive(Clone, Debug)]
pub(super) struct Doom {
    /// Behind so many stores and calls.
    pub(super) after: u64,
    /// The power goes with it, and these numbers say what the disk had.
    pub(super) power_cut: Option<u64>,
    /// The disk damages bytes, too.
    pub(super) damage: bool,
}

impl World {
    /// The process dies now, or died in the operation that is over.
    pub(super) fn die(&mut self, doom: &Doom) -> Result<(), String> {
        let remains = self.system.take_remains();
        // What the dead process did behind its death never was.
        (self.host, self.archiver) = (None, None);
        self.system.refuse(crate::system::Refusals::default());
        self.refusing = false;
        self.system.bury(&remains);
        self.boxes.take_back();
        let mut models = self.possible(remains.steps);
        let image = match doom.power_cut {
            Some(pick) => self.cut(remains.ring, &mut Random(pick), doom.damage),
            None => remains.ring,
        };
        if doom.power_cut.is_some() {
            models
                .iter_mut()
                .for_each(|model| model.cuts.clone_from(&model.deaths));
        }
        outside(|| fs::write(self.ring(), &image)).map_err(|error| format!("an image: {error}"))?;
        self.cuts += u64::from(doom.power_cut.is_some());
        self.boxes_after_death(doom.power_cut.is_some())?;
        let leave = Leave {
            power_cut: doom.power_cut.is_some(),
            dead: true,
            ..Leave::default()
        };
        let models = self.look_at_dead(models, &image, leave)?;
        self.go_on(models, &image, doom)
    }

    /// What the model says, by how much of the last operation was done: what was acknowledged
    /// was, and what was being done may have been.
    fn possible(&mut self, done: u64) -> Vec<Model> {
        let Some((before, steps)) = self.dying.take() else {
            let mut model = std::mem::take(&mut self.model);
            model.die();
            return vec![model];
        };
        let done = (done as usize).min(steps.len());
        let most = (done + 2).min(steps.len());
        let model_of = |count: usize| {
            let mut model = before.clone();
            steps.iter().take(count).for_each(|step| model.apply(step));
            if let Some(Step::Append { line, .. }) = steps.get(count) {
                model.torn.push((model.log.len(), line.len() as u64));
            }
            model.die();
            model
        };
        (done..=most).map(model_of).collect()
    }

    /// Pages, or sectors, as the disk got them at different times.
    fn cut(&mut self, newest: Vec<u8>, random: &mut Random, damage: bool) -> Vec<u8> {
        let fresh = random.pick(&[5, 50, 90, 99, 100]);
        let mut image = newest.clone();
        let older = |random: &mut Random| random.below(self.on_disk.len() as u64) as usize;
        for page in (0..image.len()).step_by(4096) {
            if random.percent(fresh) {
                continue;
            }
            let from = older(random);
            let torn = random.percent(10);
            for sector in (page..(page + 4096).min(image.len())).step_by(512) {
                if !torn || random.percent(50) {
                    let end = (sector + 512).min(image.len());
                    let old = &self.on_disk[from];
                    image[sector..end].copy_from_slice(&old[sector..end]);
                }
            }
        }
        if damage {
            for _ in 0..1 + random.skewed(9) {
                let at = 65536 + random.below(image.len() as u64 - 65536) as usize;
                image[at] ^= 1 << random.below(8);
            }
        }
        self.on_disk = vec![image.clone()];
        image
    }

    fn look_at_dead(
        &mut self,
        models: Vec<Model>,
        image: &[u8],
        leave: Leave,
    ) -> Result<Vec<Model>, String> {
        let look = outside(|| Look::at(&self.ring(), &self.profile))?;
        everything_is_found(image, &look)?;
        let mut wrong = String::new();
        let mut right = Vec::new();
        for mut model in models {
            match check::compare(&mut model, &look, super::ROOM, leave) {
                Ok(()) => right.push(model),
                Err(error) => wrong = error,
            }
        }
        match right.is_empty() {
            true => Err(format!("after a death: {wrong}")),
            false => Ok(right),
        }
    }

    /// Opens the ring again, and finds out which of the models is right.
    fn go_on(&mut self, models: Vec<Model>, image: &[u8], doom: &Doom) -> Result<(), String> {
        self.open_again(image)?;
        let look = outside(|| Look::at(&self.ring(), &self.profile))?;
        let leave = Leave {
            opened: true,
            power_cut: doom.power_cut.is_some(),
            dead: false,
        };
        let start = self.start_step();
        let mut wrong = String::new();
        for mut model in models {
            model.apply(&start);
            let found = check::compare(&mut model, &look, super::ROOM, leave);
            let found = found.and_then(|()| match doom.power_cut {
                Some(_) => check::adopt(&mut model, &look),
                None => Ok(()),
            });
            match found {
                Ok(()) => {
                    self.model = model;
                    self.boxes.learn(&look);
                    return self.look_at_held();
                }
                Err(error) => wrong = error,
            }
        }
        Err(format!("opened again: {wrong}"))
    }

    fn start_step(&self) -> Step {
        Step::Append {
            line: crate::lines::start().into(),
            lane: Lane::Local,
            node: false,
            meaning: crate::lines::Meaning::Start,
            fate: crate::model::Fate::Kept,
        }
    }

    /// docs/format.md: an opening has an epoch of its own, behind all there were.
    fn open_again(&mut self, image: &[u8]) -> Result<(), String> {
        let before = highest_epoch(image);
        self.model = Model::default();
        self.open()?;
        let after = reference::Ring::read(&self.image()).map_or(0, |ring| ring.epoch);
        match after == before + 1 {
            true => Ok(()),
            false => Err(format!("epoch {after} follows epoch {before}")),
        }
    }
}

fn highest_epoch(image: &[u8]) -> u64 {
    let Some(ring) = reference::Ring::read(image) else {
        return 0;
    };
    let newest = |lane| ring.lane(lane).values().map(|record| record.epoch).max();
    let told = (0..3).filter_map(newest).max();
    ring.epoch.max(told.unwrap_or(0))
}

/// Every record that is there and leads on to the newest one is found by a reader.
fn everything_is_found(image: &[u8], look: &Look) -> Result<(), String> {
    let Some(ring) = reference::Ring::read(image) else {
        return Ok(());
    };
    let records = ring.lane(0);
    let found: std::collections::BTreeMap<u64, &[u8]> = look
        .main
        .iter()
        .flatten()
        .map(|seen| (seen.counter, &seen.bytes[..]))
        .collect();
    let mut expected = None;
    for (counter, record) in records.iter().rev() {
        if expected.is_some_and(|expected| expected != *counter) {
            break;
        }
        expected = counter.checked_sub(1);
        let is_found = found
            .get(counter)
            .is_some_and(|bytes| *bytes == record.payload);
        if record.full && !record.evicted && !is_found {
            let text = check::shown(&record.payload);
            return Err(format!(
                "record {counter} is in the file, and no reader finds it: {text}"
            ));
        }
    }
    Ok(())
}
