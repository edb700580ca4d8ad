//! Finds which blocks of a ring have a box, by reading the folder of boxes.
//!
//! A program that freezes a ring of another writer, or of none, writes nothing
//! into it: the ring is evidence. So the ring cannot say that the box exists.
//! The box itself names its ring and its block.

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

/// The boxes of one ring, the best one for each attempt.
#[derive(Default)]
pub struct Held(HashMap<Attempt, HeldIn>);

/// A box, and how much of its block it has.
struct HeldIn {
    name: String,
    complete: bool,
    /// What spoke against the block. Boxes of older recorders do not say it,
    /// and count as proof.
    finding: Finding,
    /// Counter behind its last record of the main lane.
    until: u64,
}

impl HeldIn {
    fn reach(&self) -> (Finding, bool, u64) {
        (self.finding, self.complete, self.until)
    }
}

impl Held {
    /// Reads the folder. Ignores files that are no box, and boxes of other
    /// rings.
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

    /// Name of a box that makes another one of this block needless. `end` is
    /// the end of the ring's main lane.
    ///
    /// The box must have the whole block, or all that the ring has of it. A box
    /// of a doubt is not enough once the finding about the block is settled.
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

/// All blocks of a ring. Each names its box, if it has one.
pub fn in_boxes(folder: &Path, view: &RingView, history: &History) -> Vec<Block> {
    let held = Held::look(&RecorderDir::at(folder).boxes(), view.superblock.as_ref());
    let blocks = history.life.blocks().iter();
    blocks.map(|block| held_in(&held, block, history)).collect()
}

/// The block, with the name of its box. The ring does not know a box that
/// another program made, so this looks into the folder's boxes too.
fn held_in(held: &Held, block: &Block, history: &History) -> Block {
    let mut block = block.clone();
    if block.frozen.is_none() {
        let name = held.name_of(&block, history.last.at.main);
        block.frozen = name.map(str::to_owned);
    }
    block
}
