//! Which blocks of a ring have a box already, as the folder of boxes tells.
//!
//! Whoever freezes beside a ring that somebody else writes, or out of one that
//! nobody does, notes nothing in it: the ring is evidence. The box itself says of
//! which ring and block it is.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use haltbox_format::blackbox::Manifest;
use haltbox_format::mark::Attempt;
use haltbox_format::ring::{RingView, Superblock};
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Block, Finding};

use crate::open_regular;
use crate::recorder_dir::RecorderDir;

/// The boxes of one ring.
#[derive(Default)]
pub struct Held(HashMap<Attempt, HeldIn>);

/// A box, and how much of its block it can have.
struct HeldIn {
    name: String,
    complete: bool,
    /// What was known against the block. Boxes of older recorders do not tell, and
    /// count as proof.
    finding: Finding,
    /// Behind its last record of the main lane.
    until: u64,
}

impl HeldIn {
    fn reach(&self) -> (Finding, bool, u64) {
        (self.finding, self.complete, self.until)
    }
}

impl Held {
    /// Looks into a folder. What is no box there, or of another ring, holds nothing.
    pub fn look(boxes: &Path, ring: Option<&Superblock>) -> Held {
        let Some(ring) = ring else {
            return Held::default();
        };
        let entries = fs::read_dir(boxes).into_iter().flatten().flatten();
        let mut held = Held::default();
        for entry in entries {
            let manifest = open_regular::open(&entry.path()).ok();
            let Some(manifest) = manifest.and_then(|file| Manifest::read(&file).ok()) else {
                continue;
            };
            if manifest.coverage.ring.is_some_and(|id| id.0 == ring.uuid) {
                held.add(entry.file_name().to_string_lossy().into_owned(), &manifest);
            }
        }
        held
    }

    fn add(&mut self, name: String, manifest: &Manifest) {
        let identity = &manifest.identity;
        let (Some(height), Some(attempt)) = (identity.height, identity.attempt) else {
            return;
        };
        let found = HeldIn {
            name,
            complete: identity.complete,
            finding: Finding::of_box(identity).unwrap_or(Finding::Proved),
            until: manifest.coverage.main.map_or(0, |main| main.to + 1),
        };
        let of = Attempt { height, attempt };
        let known = self.0.get(&of);
        if known.is_none_or(|known| known.reach() < found.reach()) {
            self.0.insert(of, found);
        }
    }

    /// The box that holds a block, and no doubt alone of what is settled: all of it, or
    /// all that the ring, whose main lane ends before `end`, has of it.
    pub fn name_of(&self, block: &Block, end: u64) -> Option<&str> {
        let held = self.0.get(&block.of)?;
        let finding = block.finding();
        if finding.is_settled() && held.finding < finding {
            return None;
        }
        let behind = block.until.or(block.end).map_or(end, |at| at.main.min(end));
        (held.complete || held.until >= behind).then_some(held.name.as_str())
    }
}

/// The blocks, each with its box.
pub fn in_boxes(folder: &Path, view: &RingView, history: &History) -> Vec<Block> {
    let held = Held::look(&RecorderDir::at(folder).boxes(), view.superblock.as_ref());
    let blocks = history.life.blocks().iter();
    blocks.map(|block| held_in(&held, block, history)).collect()
}

/// The block, with the box that holds it if somebody froze it who could not note
/// that in the ring.
fn held_in(held: &Held, block: &Block, history: &History) -> Block {
    let mut block = block.clone();
    if block.frozen.is_none() {
        let name = held.name_of(&block, history.last.at.main);
        block.frozen = name.map(str::to_owned);
    }
    block
}
