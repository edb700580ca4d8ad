//! The files that a recorder leaves beside its ring: boxes, and the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use haltbox_format::Lane;
use haltbox_format::blackbox::{IDENTITY_LEN, Identity, Manifest};
use haltbox_format::mark::State;
use haltbox_recorder::archive::{Archive, Archiver, Plan};
use haltbox_recorder::box_budget::{Budget, keep_budget};
use haltbox_recorder::freeze::{Frozen, Reach};
use haltbox_recorder::voice::{Speaker, Voice};

use super::World;
use crate::check::{self, Leave};
use crate::look::Look;
use crate::model::{Block, Fate, Of, Step};
use crate::random::Random;
use crate::system::outside;

/// What the archive says to the operator.
#[derive(Default)]
pub(super) struct Heard(Mutex<Vec<String>>);

impl Voice for Heard {
    fn say(&self, sentence: &str) {
        self.0.lock().expect("no panic").push(sentence.to_owned());
    }

    fn tell(&self, message: &str) {
        self.say(message);
    }
}

/// Boxes that were acknowledged.
#[derive(Default)]
pub(super) struct Boxes {
    /// Their digests, by name.
    known: BTreeMap<String, blake3::Hash>,
    before: Option<BTreeMap<String, blake3::Hash>>,
    /// Removed within a budget.
    removed: BTreeSet<String>,
    /// Every HASH that a block had.
    pub(super) hashes: BTreeMap<Of, BTreeSet<String>>,
}

impl Boxes {
    /// What is acknowledged from here on is not, if the process dies.
    pub(super) fn set_aside(&mut self) {
        self.before = Some(self.known.clone());
    }

    pub(super) fn take_back(&mut self) {
        self.known = self
            .before
            .take()
            .unwrap_or_else(|| std::mem::take(&mut self.known));
        // The budget may have removed them before the process died.
        let removed = &self.removed;
        self.known.retain(|name, _| !removed.contains(name));
    }

    /// Takes the HASHes that were found right.
    pub(super) fn learn(&mut self, look: &Look) {
        for (of, hash) in &look.hashes {
            self.hashes.entry(*of).or_default().extend(hash.clone());
        }
    }
}

/// A file of this format, as zstd prints it.
struct Content {
    identity: Identity,
    manifest: Manifest,
    lines: Vec<Vec<u8>>,
}

impl Content {
    fn read(path: &Path) -> Result<Content, String> {
        let name = path.display();
        let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let identity = Identity::parse(&bytes[..IDENTITY_LEN.min(bytes.len())]);
        let identity = identity.map_err(|error| format!("{name}: {error}"))?;
        let manifest = Manifest::read(&bytes).map_err(|error| format!("{name}: {error}"))?;
        let text = zstd::decode_all(&bytes[..]).map_err(|error| format!("{name}: {error}"))?;
        if !identity.complete {
            return Err(format!("{name} has its name and is not complete"));
        }
        let mut lines: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        lines.pop();
        Ok(Content {
            identity,
            manifest,
            lines,
        })
    }
}

fn ends_in_a_hole(content: &Content) -> bool {
    let end = content.manifest.coverage.main.map(|span| span.to);
    let holes = content.manifest.holes.iter();
    holes.map(|hole| Some(hole.to)).any(|to| to == end)
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_kept = |path: &PathBuf| !name_of(path).starts_with('.');
    let mut paths: Vec<PathBuf> = paths.filter(is_kept).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

impl World {
    fn box_at(&self, name: &str) -> PathBuf {
        self.dir.path().join("boxes").join(name)
    }

    /// Asks for a box. `refused`: the disk may not take it.
    pub(super) fn freeze(&mut self, height: Option<u64>, refused: bool) -> Result<(), String> {
        self.look(Leave::default())?;
        let subject = match height {
            Some(height) => self.model.subject(height),
            None => self.model.default_subject(),
        };
        let subject = subject.map(|block| block.of);
        match (self.host()?.freeze(height), subject) {
            (Ok(frozen), subject) => self.is_frozen(&frozen, subject),
            (Err(_), None) => Ok(()),
            (Err(_), _) if refused => Ok(()),
            (Err(error), Some(of)) => Err(format!("no box of {of:?}: {error}")),
        }
    }

    fn is_frozen(&mut self, frozen: &Frozen, subject: Option<Of>) -> Result<(), String> {
        let of = (frozen.of.height, frozen.of.attempt);
        let name = frozen.name();
        if frozen.reach == Reach::Archived {
            return self.is_of_archive(of, &name);
        }
        if subject != Some(of) {
            return Err(format!("a box of {of:?} instead of {subject:?}"));
        }
        let hash = self.model.hash(of);
        let stem = format!("{}-{}", of.0, hash.as_deref().unwrap_or("incomplete"));
        if name.split('.').next() != Some(&stem) {
            return Err(format!(
                "the box of {of:?} is named {name} instead of {stem}"
            ));
        }
        let content = outside(|| Content::read(&frozen.path))?;
        match frozen.existed {
            true => self.stands_for(&content, of)?,
            false => self.holds(&content, of, frozen.reach)?,
        }
        self.know(&name)?;
        self.step(Step::Frozen(of, name));
        Ok(())
    }

    fn is_of_archive(&mut self, of: Of, name: &str) -> Result<(), String> {
        let stem = name.split('.').next().unwrap_or_default();
        let hash = stem.strip_prefix(&format!("{}-", of.0)).unwrap_or_default();
        let had = self.boxes.hashes.get(&of);
        if hash != "incomplete" && !had.is_some_and(|had| had.contains(hash)) {
            return Err(format!("{of:?} out of the archive is named {name}"));
        }
        self.know(name)
    }

    /// A box that was there already: of the same execution, and of no weaker a finding.
    fn stands_for(&self, content: &Content, of: Of) -> Result<(), String> {
        let block = self.model.block(of).ok_or("no such block")?;
        let proved = content.identity.state == Some(State::Diverged);
        if block.state == State::Diverged && !proved {
            let name = &content.identity.name;
            return Err(format!(
                "{name} was written of a doubt and stands for {of:?}, which diverged"
            ));
        }
        Ok(())
    }

    /// Whether a box holds what the ring holds of its block, and what it says of it.
    fn holds(&self, content: &Content, of: Of, reach: Reach) -> Result<(), String> {
        let block = self.model.block(of).ok_or("no such block")?;
        let identity = &content.identity;
        let told = (identity.height, identity.attempt, identity.state);
        if told != (Some(of.0), Some(of.1), Some(block.state)) {
            return Err(format!(
                "the box of {of:?} ({:?}) says {told:?}",
                block.state
            ));
        }
        let found: BTreeSet<usize> = self.entries_of(&content.lines, 0)?.into_iter().collect();
        let until = block.end.or(block.until).unwrap_or(self.model.log.len());
        let own = block.from..until.max(block.from);
        let all = 0..self.model.log.len();
        let wanted = if reach == Reach::History { all } else { own };
        for index in wanted {
            let entry = &self.model.log[index];
            let there = entry.was_there() && !entry.gone && entry.lane == Lane::Main;
            if there && !check::may_repeat(&entry.line) && !found.contains(&index) {
                let text = check::shown(&entry.line);
                return Err(format!("the box of {of:?} lacks {text}"));
            }
        }
        self.tells_holes(content, &found, false)
    }

    /// What is missing between the lines of a file is told by its holes. `told`: the file
    /// before it tells that its end is missing.
    fn tells_holes(
        &self,
        content: &Content,
        found: &BTreeSet<usize>,
        told: bool,
    ) -> Result<(), String> {
        // Of entries that repeat themselves nobody knows which one it is.
        let is_one = |index: &&usize| !check::may_repeat(&self.model.log[**index].line);
        let (Some(first), Some(last)) = (found.iter().find(is_one), found.last()) else {
            return Ok(());
        };
        let missing = (*first..*last).find(|index| {
            let entry = &self.model.log[*index];
            entry.lane == Lane::Main
                && !entry.node
                && entry.fate != Fate::Lost
                && !found.contains(index)
                && !check::may_repeat(&entry.line)
        });
        match missing {
            Some(index) if content.manifest.holes.is_empty() && !told => Err(format!(
                "{} lacks {} and tells of no hole",
                content.identity.name,
                check::shown(&self.model.log[index].line)
            )),
            _ => Ok(()),
        }
    }

    /// The entries that lines of a file are, in order.
    fn entries_of(&self, lines: &[Vec<u8>], from: usize) -> Result<Vec<usize>, String> {
        let mut next = from;
        let mut found = Vec::with_capacity(lines.len());
        for line in lines {
            let log = self.model.log.iter().enumerate();
            let mut slog = log.filter(|(_, entry)| !entry.node && entry.fate != Fate::Dropped);
            // Behind a power cut the node's own entries may stand in another place.
            if line.starts_with(br#"{"type":"host-"#) || line.starts_with(br#"{"type":"local-"#) {
                match slog.any(|(_, entry)| check::starts(&entry.line, line)) {
                    true => continue,
                    false => return Err(format!("never given: {}", check::shown(line))),
                }
            }
            let mut main = slog.filter(|(index, _)| *index >= next);
            let at = main.find(|(_, entry)| check::starts(&entry.line, line));
            let (index, _) = at.ok_or_else(|| {
                format!(
                    "a file has a line that was not given there: {}",
                    check::shown(line)
                )
            })?;
            found.push(index);
            next = index + 1;
        }
        Ok(found)
    }

    fn know(&mut self, name: &str) -> Result<(), String> {
        let bytes = outside(|| fs::read(self.box_at(name)));
        let digest = blake3::hash(&bytes.map_err(|error| format!("{name}: {error}"))?);
        match self.boxes.known.insert(name.to_owned(), digest) {
            Some(before) if before != digest => Err(format!("box {name} changed")),
            _ => Ok(()),
        }
    }

    /// No box changes or vanishes, and whatever has a name is whole.
    pub(super) fn check_boxes(&mut self) -> Result<(), String> {
        let there = outside(|| names_in(&self.dir.path().join("boxes")));
        let there: BTreeSet<String> = there.iter().map(|path| name_of(path)).collect();
        if let Some(gone) = self.boxes.known.keys().find(|name| !there.contains(*name)) {
            return Err(format!("box {gone} is gone"));
        }
        for name in there {
            if !self.boxes.known.contains_key(&name) {
                outside(|| Content::read(&self.box_at(&name)))?;
            }
            self.know(&name)?;
        }
        Ok(())
    }

    pub(super) fn boxes_after_death(&mut self, power_cut: bool) -> Result<(), String> {
        if power_cut {
            self.system.cut_power();
        }
        self.check_boxes()?;
        for path in outside(|| names_in(&self.dir.path().join("archive"))) {
            outside(|| Content::read(&path))?;
        }
        Ok(())
    }

    /// What a ring takes for the box of a block is one.
    pub(super) fn look_at_held(&mut self) -> Result<(), String> {
        for block in &self.model.blocks {
            let Some(name) = &block.frozen else { continue };
            if !block.states.contains(&State::Pinned) && !block.states.contains(&State::Diverged) {
                continue;
            }
            let Some(content) = self.boxes.known.get(name).map(|_| self.box_at(name)) else {
                continue;
            };
            let content = outside(|| Content::read(&content))?;
            let told = (content.identity.height, content.identity.attempt);
            let doubt = content.identity.state != Some(State::Diverged);
            if block.state == State::Diverged && doubt {
                return Err(format!(
                    "box {name} of a doubt is taken for that of {:?}",
                    block.of
                ));
            }
            if told.0 != Some(block.of.0) {
                return Err(format!("box {name} is taken for that of {:?}", block.of));
            }
        }
        Ok(())
    }

    /// Brings the folder of boxes within a budget.
    pub(super) fn keep_budget(&mut self, random: &mut Random) -> Result<(), String> {
        let before = outside(|| self.weighed())?;
        let boxes = 1 + random.below(before.len() as u64 + 1) as usize;
        let budget = Budget {
            boxes,
            bytes: 1 << 40,
        };
        let removed = keep_budget(&self.dir.path().join("boxes"), budget);
        let removed = removed.map_err(|error| format!("the budget of boxes: {error}"))?;
        let removed: BTreeSet<String> = removed.iter().map(|path| name_of(path)).collect();
        let newest = before.iter().map(|(_, _, at)| *at).max();
        let excess = before.len().saturating_sub(boxes);
        if removed.len() > excess {
            return Err(format!(
                "{} boxes were removed, {excess} too many there",
                removed.len()
            ));
        }
        for (name, proof, at) in before.iter().filter(|(name, ..)| removed.contains(name)) {
            self.boxes.known.remove(name);
            self.boxes.removed.insert(name.clone());
            let spared = |(other, lesser, when): &&(String, bool, _)| {
                !removed.contains(other) && !lesser && Some(*when) != newest
            };
            if Some(*at) == newest {
                return Err(format!("the newest box was removed: {name}"));
            }
            if *proof && before.iter().any(|other| spared(&other)) {
                return Err(format!(
                    "{name} proves a divergence and was removed before a doubt"
                ));
            }
        }
        self.check_boxes()
    }

    /// Boxes: name, whether one proves a divergence, and when it was written.
    fn weighed(&self) -> Result<Vec<(String, bool, std::time::SystemTime)>, String> {
        let paths = names_in(&self.dir.path().join("boxes"));
        let weigh = |path: &PathBuf| {
            let content = Content::read(path)?;
            let written = fs::metadata(path).and_then(|found| found.modified());
            let written = written.map_err(|error| error.to_string())?;
            let proof = content.identity.state == Some(State::Diverged);
            Ok((name_of(path), proof, written))
        };
        paths.iter().map(weigh).collect()
    }

    /// Lets the archive go on.
    pub(super) fn archive(&mut self, random: &mut Random, refused: bool) -> Result<(), String> {
        self.look(Leave::default())?;
        self.heard.0.lock().expect("no panic").clear();
        match &mut self.archiver {
            Some(archiver) => archiver.work(),
            None => self.begin_archive(random)?,
        }
        let heard = std::mem::take(&mut *self.heard.0.lock().expect("no panic"));
        if let Some(trouble) = heard.first().filter(|_| !refused) {
            return Err(format!("the archive: {trouble}"));
        }
        self.check_archive(!refused)
    }

    fn begin_archive(&mut self, random: &mut Random) -> Result<(), String> {
        let archive = Archive::open(self.dir.path());
        let archive = archive.map_err(|error| format!("the archive: {error}"))?;
        let ring = File::open(self.ring()).map_err(|error| format!("the archive: {error}"))?;
        let plan = Plan {
            ring,
            old_rings: Vec::new(),
            profile: Arc::clone(&self.profile),
            node_program: None,
            budget: random.pick(&[1 << 40, 1 << 40, 300 << 10]),
        };
        let voice: Speaker = Arc::clone(&self.heard) as Speaker;
        let mut archiver = Archiver::new(archive, plan, voice);
        archiver.begin();
        self.archiver = Some(archiver);
        Ok(())
    }

    /// Whether the archive's files hold what was released, in order, each once. `done`: the
    /// archive has just gone on, and nothing was refused.
    pub(super) fn check_archive(&self, done: bool) -> Result<(), String> {
        let files = outside(|| -> Result<Vec<Content>, String> {
            let paths = names_in(&self.dir.path().join("archive"));
            paths.iter().map(|path| Content::read(path)).collect()
        })?;
        let span = |content: &Content| content.manifest.coverage.main.unwrap_or_default();
        let mut files: Vec<Content> = files;
        files.sort_by_key(|content| (span(content).from, u64::MAX - span(content).to));
        let mut all: Vec<usize> = Vec::new();
        let mut behind: Option<u64> = None;
        let mut ends_in_hole = false;
        for content in &files {
            let (from, to) = (span(content).from, span(content).to);
            if behind.is_some_and(|behind| to < behind) {
                continue;
            }
            if let Some(behind) = behind.filter(|behind| *behind != from) {
                return Err(format!(
                    "an archive file begins at {from}, the one before ends before {behind}"
                ));
            }
            behind = Some(to + 1);
            let first = all.last().copied();
            let found = self.entries_of(&content.lines, first.map_or(0, |last| last + 1))?;
            let joined: BTreeSet<usize> = first.into_iter().chain(found.iter().copied()).collect();
            let told = std::mem::replace(&mut ends_in_hole, ends_in_a_hole(content));
            self.tells_holes(content, &joined, told)?;
            self.names_blocks(content)?;
            all.extend(found);
        }
        match done {
            true => self.is_archived(&all),
            false => Ok(()),
        }
    }

    fn names_blocks(&self, content: &Content) -> Result<(), String> {
        for block in &content.manifest.blocks {
            let of = (block.height, block.attempt);
            let Some(hash) = &block.hash else { continue };
            let had = self.boxes.hashes.get(&of);
            // The marks that tell where it begins may be lost in a power cut. The lines may be
            // whole all the same.
            let own = self
                .model
                .block(of)
                .filter(|block| self.model.is_kept(block));
            let own = own.and_then(|block| self.model.hash_before(block));
            if !had.is_some_and(|had| had.contains(hash)) && own.as_ref() != Some(hash) {
                if std::env::var_os("HALTBOX_TRACE").is_some() {
                    let first = block.first_line as usize;
                    let lines = content.lines.iter().skip(first).take(block.lines as usize);
                    lines.for_each(|line| eprintln!("  {}", check::shown(line)));
                    eprintln!("{:?}", content.manifest.holes);
                    let look = Look::at(&self.ring(), &self.profile)?;
                    check::dump(&self.model, &look, of);
                }
                return Err(format!(
                    "the archive gives {of:?} the HASH {hash}, it had {had:?}"
                ));
            }
        }
        Ok(())
    }

    /// Behind a block, before the next one. 0 while it may still get entries.
    fn behind(&self, last: &Block) -> usize {
        let behind = self.model.blocks.iter().filter(|b| b.from > last.from);
        let next = behind.map(|block| block.from).min();
        next.or(last.until).unwrap_or(0)
    }

    /// What the network agreed with is archived as far as the ring has it, and nothing else.
    fn is_archived(&self, all: &[usize]) -> Result<(), String> {
        // One that diverged later was agreed with, too. One that is executed again may be
        // agreed with before it ends, and was archived no further than the one before it.
        let blocks = self.model.blocks.iter();
        let ever = blocks.filter(|block| block.states.contains(&State::Confirmed));
        let ever = ever.map(|block| self.behind(block)).max().unwrap_or(0);
        if let Some(early) = all.last().filter(|at| **at >= ever && self.cuts == 0) {
            let text = check::shown(&self.model.log[*early].line);
            return Err(format!("{text} is archived and not agreed with"));
        }
        let is_agreed = |block: &Block| block.state == State::Confirmed;
        let agreed = self.model.blocks.iter().filter(|block| is_agreed(block));
        let last = agreed.max_by_key(|block| block.from);
        let until = last.map_or(0, |last| self.behind(last));
        let Some(first) = all.first() else {
            return Ok(());
        };
        let found: BTreeSet<usize> = all.iter().copied().collect();
        let reached = all.last().copied().unwrap_or(0);
        let lacks = (*first..until).find(|index| {
            let entry = &self.model.log[*index];
            // What belongs to no block waits for one. So does more of a block that is archived.
            let mut blocks = self.model.blocks.iter().filter(|block| is_agreed(block));
            let owned = blocks.any(|block| block.reaches(*index) && block.from > reached);
            let owed = *index < reached || owned;
            let there = entry.lane == Lane::Main && entry.was_there() && !entry.gone;
            owed && there
                && !entry.node
                && !check::may_repeat(&entry.line)
                && !found.contains(index)
        });
        match lacks {
            Some(index) => Err(format!(
                "{} was released and is not archived",
                check::shown(&self.model.log[index].line)
            )),
            None => Ok(()),
        }
    }
}
