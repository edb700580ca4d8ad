//! A reader that reads while the ring is written.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;

use haltbox_format::{Lane, ReadAt};

use super::World;
use crate::check::{self, Leave};
use crate::lines;
use crate::look::Look;
use crate::model::{Entry, Fate};
use crate::random::Random;
use crate::system::outside;

/// A ring's file; between two reads entries come.
struct Live<'a> {
    file: File,
    writer: RefCell<(&'a mut World, Random, Result<(), String>)>,
    /// In so many of a hundred reads.
    often: u64,
}

impl ReadAt for Live<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (world, random, trouble) = &mut *self.writer.borrow_mut();
        if random.percent(self.often) && trouble.is_ok() {
            *trouble = world.write_some(random);
        }
        ReadAt::read_at(&self.file, offset, buf)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

impl World {
    fn write_some(&mut self, random: &mut Random) -> Result<(), String> {
        for _ in 0..random.skewed(5) {
            let (serial, size) = (self.next_serial(), 20 + random.skewed(14) as usize);
            match random.below(5) {
                0 => self.record(lines::local(serial, size.min(2000)), Lane::Local)?,
                _ => self.record(lines::entry(random, serial, size), Lane::Main)?,
            }
        }
        Ok(())
    }

    /// What is there before and behind the reading must be found by it, and nothing else.
    pub(super) fn live_look(&mut self, random: &mut Random) -> Result<(), String> {
        self.look(Leave::default())?;
        let before = self.model.log.len();
        let file = outside(|| File::open(self.ring())).map_err(|error| error.to_string())?;
        let often = random.pick(&[5, 20, 60, 100]);
        let live = Live {
            file,
            writer: RefCell::new((self, random.clone(), Ok(()))),
            often,
        };
        let look = Look::through(&live).map_err(|error| format!("a live reader: {error}"));
        let (_, _, trouble) = live.writer.into_inner();
        trouble?;
        let look = look?;
        self.look(Leave::default())?;
        // Of a record that is being written the beginning may be seen alone.
        let told = |hole: &&String| hole.ends_with("missing");
        // A file that took nothing took no mark of that either.
        let dropped = |entry: &Entry| entry.fate == Fate::Dropped;
        let explained = !self.model.deaths.is_empty() || self.model.log.iter().any(dropped);
        if let Some(hole) = look.holes.iter().find(told).filter(|_| !explained) {
            return Err(format!("a live reader takes writing for damage: {hole}"));
        }
        for lane in [Lane::Main, Lane::Local] {
            let found = check::lines(&self.model, &look, lane, true)?;
            let found: BTreeSet<usize> = found.into_iter().collect();
            let first = found.first().copied().unwrap_or(0);
            let lacks = (first..before).filter(|index| {
                let entry = &self.model.log[*index];
                entry.lane == lane && entry.was_there() && !entry.gone && !found.contains(index)
            });
            let lacks: Vec<usize> = lacks.collect();
            let (Some(&from), Some(&to)) = (lacks.first(), lacks.last()) else {
                continue;
            };
            // What one segment still has that the writer began to reuse may pass for gone. It
            // stands behind what is held, and the reader names the hole.
            let one_piece = found.range(from..to).next().is_none();
            let reused = |hole: &String| hole.ends_with("evicted") || hole.ends_with("overrun");
            let named = lane == Lane::Local || look.holes.iter().any(reused);
            if !one_piece || !named {
                let text = check::shown(&self.model.log[from].line);
                return Err(format!("a live reader does not find {text}"));
            }
        }
        Ok(())
    }
}
