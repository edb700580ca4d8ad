//! Rings that were renamed because the operator asked for another `--size`.
//!
//! An old ring stays until no block in it waits for a verdict or a box, and
//! until the ring in use has overwritten records of its own. All of those are
//! younger than the old ring's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::Lane;
use haltbox_format::mark::Attempt;
use haltbox_format::ring::{LaneView, RingView, SlotState};
use haltbox_model::ShowPath;
use haltbox_model::history::History;
use haltbox_model::lifecycle::{Block, Finding, Lifecycle};

use crate::freeze_request::found_at_start;
use crate::held_boxes::Held;
use crate::machine;
use crate::open_regular;
use crate::recorder_dir::RecorderDir;
use crate::ring::file::OTHER_SIZE;

/// A renamed ring, and what it still holds.
#[derive(Clone, Debug)]
pub struct OldRing {
    /// Path of the file.
    pub path: PathBuf,
    /// Lowest and highest height in it. `None` if it has no block.
    pub heights: Option<(u64, u64)>,
    /// Attempts without a box that diverged or that the node rejects, each with
    /// the finding and the reason for a box.
    pub unfrozen: Vec<(Attempt, Finding, String)>,
    /// Pinned heights that wait for the operator's decision.
    pub pinned: Vec<u64>,
    /// Whether its marks are damaged. It may then hold more than it lists.
    pub damaged: bool,
}

/// Finds the old rings beside `ring`.
///
/// Skips rings that cannot be read, that a person put there, or that another
/// machine made: the caller freezes and archives what is found here, and
/// removes it in the end.
pub fn find(ring: &Path) -> Vec<OldRing> {
    let (Some(folder), Some(name)) = (ring.parent(), ring.file_name()) else {
        return Vec::new();
    };
    let prefix = format!("{}.aside-{OTHER_SIZE}-", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_old = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.strip_prefix(&prefix).is_some_and(is_stamp))
    };
    paths
        .filter(is_old)
        .filter_map(|path| OldRing::read(path).ok())
        .collect()
}

/// Whether a text has the form that renaming adds to a name:
/// `20261127T222406Z`, with `.2` and so on where there are several.
fn is_stamp(text: &str) -> bool {
    let (stamp, serial) = text.split_once('.').unwrap_or((text, "2"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let day = stamp.strip_suffix('Z').and_then(|s| s.split_once('T'));
    let right = |(day, time): (&str, &str)| {
        day.len() == 8 && time.len() == 6 && digits(day) && digits(time)
    };
    day.is_some_and(right) && digits(serial)
}

impl OldRing {
    fn read(path: PathBuf) -> io::Result<OldRing> {
        let file = open_regular::open(&path)?;
        let view = RingView::read(&file).map_err(|error| io::Error::other(error.to_string()))?;
        let made_on = view.superblock.map(|superblock| superblock.machine);
        if made_on != Some(machine::machine()) {
            return Err(io::Error::other("was not made on this machine"));
        }
        let history = History::read(&file, &view)?;
        let (damaged, life) = (
            history.holes || is_damaged(view.lane(Lane::Spine)),
            history.life,
        );
        // A freeze does not write into an old ring, so look for its boxes in
        // the folder.
        let boxes = RecorderDir::of_ring(&path).boxes();
        let held = Held::look(&boxes, view.superblock.as_ref());
        let end = history.last.at.main;
        let is_owed = |block: &&Block| block.is_pinned() && held.name_of(block, end).is_none();
        let owed = life.blocks().iter().filter(is_owed);
        let (settled, doubted): (Vec<&Block>, Vec<&Block>) =
            owed.partition(|block| block.finding().is_settled());
        Ok(OldRing {
            heights: heights(&life),
            pinned: doubted.iter().map(|block| block.of.height).collect(),
            unfrozen: settled
                .iter()
                .map(|block| (block.of, block.finding(), found_at_start(block)))
                .collect(),
            damaged,
            path,
        })
    }

    /// Whether nothing in it is needed. The file may go once younger records
    /// were overwritten.
    pub fn is_drained(&self) -> bool {
        self.unfrozen.is_empty() && self.pinned.is_empty() && !self.damaged
    }

    /// What it holds and how long it stays, in words for the operator.
    pub fn describe(&self) -> String {
        let heights = self
            .heights
            .map_or("no heights".to_owned(), |(first, last)| {
                format!("heights {first} to {last}")
            });
        let path = self.path.shown();
        let fate = match self.pinned.first() {
            _ if self.damaged => "it is kept because its marks are damaged".to_owned(),
            Some(height) => format!("it is kept because height {height} is pinned and has no box"),
            None => "it is removed once the new ring has wrapped around".to_owned(),
        };
        format!(
            "{path}, a ring of another size, contains {heights}; {fate}. To keep one of its \
             heights: haltbox freeze {path} --height H"
        )
    }
}

/// Whether marks are missing. A segment whose first record is not the one in
/// its header either lost that record, or a kill came right after the segment
/// was begun. Keep the ring in both cases.
fn is_damaged(spine: &LaneView) -> bool {
    spine.slots.iter().any(|slot| {
        let runs = spine.runs.iter().filter(|run| run.segment == slot.index);
        let begins = runs
            .filter(|run| run.generation.is_some())
            .map(|run| run.first)
            .min();
        match slot.state {
            SlotState::Free => false,
            SlotState::Damaged => true,
            SlotState::Filled { first, .. } => begins != Some(first),
        }
    })
}

fn heights(life: &Lifecycle) -> Option<(u64, u64)> {
    let heights = || life.blocks().iter().map(|block| block.of.height);
    heights().min().zip(heights().max())
}
