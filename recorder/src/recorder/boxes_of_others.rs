//! Boxes of the ring that other programs made.

use std::path::Path;

use haltbox_format::mark::Attempt;
use haltbox_format::ring::RingView;
use haltbox_model::lifecycle::{Block, Finding};

use super::Recorder;
use crate::held_boxes::Held;

impl Recorder {
    /// Looks for boxes that other programs made of this ring, and marks their
    /// blocks as frozen.
    pub fn learn_of_boxes(&mut self, boxes: &Path) {
        let end = self.position().main;
        let owed = |block: &&Block| block.is_pinned() && block.frozen.is_none();
        if !self.life().blocks().iter().any(|block| owed(&block)) {
            return;
        }
        let view = self.file().ok().map(|file| RingView::read_marks(&file));
        let ring = view.and_then(Result::ok).and_then(|view| view.superblock);
        let held = Held::look(boxes, ring.as_ref());
        let blocks = self.life().blocks().iter().filter(owed);
        let found: Vec<(Attempt, String, Finding)> = blocks
            .filter_map(|block| {
                let name = held.name_of(block, end)?.to_owned();
                Some((block.of, name, block.finding()))
            })
            .collect();
        for (of, name, finding) in found {
            self.frozen(of, name, finding);
        }
    }
}
