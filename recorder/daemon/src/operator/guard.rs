//! `haltbox guard`: decides whether a node may be started again.
//!
//! The same build diverges again over the same block, and overwrites evidence
//! with what it writes on the way. So the guard refuses a start if a box proves
//! that this node's hash differs, nothing was agreed since, and the executable
//! is the one of the box. If one of these is not known, the node may start: a
//! guard in doubt would keep a healthy node down.

mod no_refusal;

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use haltbox_format::blackbox::Manifest;
use haltbox_format::mark::{Stamp, State};
use haltbox_format::ring::RingView;
use haltbox_format::{Digest, RingId};
use haltbox_model::history::History;
use haltbox_model::lifecycle::Block;
use haltbox_model::{Outside, ShowPath, quote};
use serde::Serialize;

use haltbox_recorder::attached;
use haltbox_recorder::clock;
use haltbox_recorder::halt_message::WHAT_TO_DO;
use haltbox_recorder::held_boxes::in_boxes;
use haltbox_recorder::host::program::Program;
use haltbox_recorder::machine;
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::{open_regular, owner_only};
pub use no_refusal::{NoFacts, ReleaseError, Unusable};
use no_refusal::{NoHold, NoManifest, NotTheBuild, short};

/// File beside the ring: the boxes that no longer keep the node from starting.
const RELEASED: &str = "released";
/// Most boxes in that file. The oldest entries are removed.
const REMEMBERED: usize = 64;
/// Most bytes of that file that are read.
const LONGEST: u64 = 64 << 10;
/// Longest wait for the disk: a disk that hangs must not keep a node down.
/// systemd itself waits for 90 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// Name of the header field AppHash.
const APP_HASH: &str = "AppHash";

/// The guard's decision.
pub enum Verdict {
    /// The node may start. The text says why, in one line.
    Start(String),
    /// The node may not start. The text is a screen that says why, and how to
    /// continue.
    Refuse(String),
}

/// A box that keeps the build which wrote it from starting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The height that was executed.
    pub height: u64,
    /// Name of the box.
    #[serde(rename = "box")]
    pub name: String,
    /// SHA-256 of the node's executable, from the box.
    pub build: Digest,
    /// Text for the operator to quote.
    #[serde(skip)]
    quote: String,
    /// The header field that differs.
    #[serde(skip)]
    field: String,
    /// Main counter at which the block begins in the ring.
    #[serde(skip)]
    from: u64,
}

/// What the ring says of a node.
struct RingFacts {
    blocks: Vec<Block>,
    /// Starts of the node's process, as main counter and milliseconds since
    /// 1970. If the ring knows none, the start of the first recorder.
    starts: Vec<(u64, u64)>,
}

/// What the guard makes of a block that differs.
enum Standing {
    Holds(Hold),
    /// No start is refused over it.
    Not(NoHold),
}

/// Decides over a start of the node whose recorder has this folder. `program`
/// is the executable to start.
pub fn judge(dir: &Path, program: Option<&Path>) -> Verdict {
    let (dir, program) = (dir.to_owned(), program.map(Path::to_owned));
    let (sender, verdict) = channel();
    let look = move || {
        let _ = sender.send(judge_now(&dir, program));
    };
    let started = std::thread::Builder::new().spawn(look);
    if let Err(error) = started {
        return Verdict::Start(format!("cannot start a thread for the check: {error}"));
    }
    match verdict.recv_timeout(PATIENCE) {
        Ok(verdict) => verdict,
        Err(RecvTimeoutError::Timeout) => {
            let seconds = PATIENCE.as_secs();
            Verdict::Start(format!("the disk did not answer within {seconds} s"))
        }
        Err(RecvTimeoutError::Disconnected) => {
            Verdict::Start("the check ended without a result".to_owned())
        }
    }
}

fn judge_now(dir: &Path, program: Option<PathBuf>) -> Verdict {
    let told = match told_of(dir) {
        Ok(told) => told,
        Err(why) => return Verdict::Start(why.to_string()),
    };
    let mut why = "no box here proves that this node's hash differs".to_owned();
    for standing in standings(&folder_of(dir), &told.blocks) {
        match standing {
            Standing::Not(reason) => why = reason.to_string(),
            Standing::Holds(hold) => match told.is_build(&hold, dir, program.as_deref()) {
                Ok(program) => return Verdict::Refuse(hold.refusal(dir, &program)),
                Err(reason) => why = reason.to_string(),
            },
        }
    }
    Verdict::Start(why)
}

impl RingFacts {
    /// The executable to start, if it is proved to be the one of the box.
    /// Otherwise says why not.
    fn is_build(
        &self,
        hold: &Hold,
        dir: &Path,
        given: Option<&Path>,
    ) -> Result<PathBuf, NotTheBuild> {
        let (name, build) = (hold.name.clone(), hold.build);
        let told = || Program::path_of_folder(&folder_of(dir));
        let Some(program) = given.map(Path::to_owned).or_else(told) else {
            return Err(NotTheBuild::Unknown { name, build });
        };
        let cannot = |error| NotTheBuild::Io {
            program: program.clone(),
            error,
        };
        let found = machine::sha256(&program).map_err(cannot)?;
        if found != build {
            return Err(NotTheBuild::Another {
                program,
                found,
                name,
                build,
            });
        }
        match self.was_put_there_later(hold, &program).map_err(cannot)? {
            true => Err(NotTheBuild::Installed { program, name }),
            false => Ok(program),
        }
    }

    /// Whether the file was installed after the node of the box had started.
    /// The box has the digest of the file at the time of the freeze, and the
    /// process may be older.
    fn was_put_there_later(&self, hold: &Hold, program: &Path) -> io::Result<bool> {
        let changed = std::fs::metadata(program)?.ctime();
        let changed = u64::try_from(changed).unwrap_or(0).saturating_mul(1000);
        let before = |start: &&(u64, u64)| start.0 <= hold.from;
        let start = self.starts.iter().rev().find(before);
        Ok(start.is_some_and(|(_, began)| changed > *began))
    }
}

/// The boxes that refuse a start, whichever executable is started.
pub(crate) fn holds<'a>(dir: &'a Path, blocks: &'a [Block]) -> impl Iterator<Item = Hold> + 'a {
    standings(dir, blocks).filter_map(|standing| match standing {
        Standing::Holds(hold) => Some(hold),
        Standing::Not(_) => None,
    })
}

/// Allows starts in spite of the boxes of a height. Returns words for the
/// operator.
///
/// # Errors
/// [`ReleaseError`].
pub fn release(dir: &Path, height: u64) -> Result<String, ReleaseError> {
    let folder = folder_of(dir);
    let told = told_of(dir)?;
    let (meant, others): (Vec<_>, Vec<_>) =
        holds(&folder, &told.blocks).partition(|hold| hold.height == height);
    if meant.is_empty() {
        let others = others.iter().map(|hold| hold.height).collect();
        return Err(ReleaseError::NoReason { height, others });
    }
    let names: Vec<&str> = meant.iter().map(|hold| hold.name.as_str()).collect();
    remember(&folder, &names).map_err(|error| ReleaseError::Save {
        path: folder.join(RELEASED),
        error,
    })?;
    Ok(format!(
        "haltbox guard: a start is no longer refused because of {}. No box is removed.\n",
        Outside::text(&names.join(" "))
    ))
}

/// The guard's view of each diverged block, the newest first.
fn standings<'a>(dir: &'a Path, blocks: &'a [Block]) -> impl Iterator<Item = Standing> + 'a {
    let released = released(dir).map_err(Arc::new);
    let diverged = blocks.iter().enumerate().rev();
    let diverged = diverged.filter(|(_, block)| block.state == State::Diverged);
    diverged.map(move |(index, block)| {
        let later = blocks.get(index + 1..).unwrap_or_default();
        match standing(dir, block, later, &released) {
            Ok(hold) => Standing::Holds(hold),
            Err(why) => Standing::Not(why),
        }
    })
}

/// The box that refuses a start because of a block, or why none does.
fn standing(
    dir: &Path,
    block: &Block,
    later: &[Block],
    released: &Result<Vec<String>, Arc<io::Error>>,
) -> Result<Hold, NoHold> {
    let height = block.of.height;
    agreed_since(block, later)?;
    let Some(name) = block.frozen.clone() else {
        return Err(NoHold::NoBox { height });
    };
    match released {
        Err(error) => return Err(NoHold::Released(Arc::clone(error))),
        Ok(names) if names.contains(&name) => return Err(NoHold::Allowed { name }),
        Ok(_) => {}
    }
    let manifest = match manifest(dir, &name) {
        Ok(manifest) => manifest,
        Err(why) => return Err(NoHold::Manifest { name, why }),
    };
    let Some(build) = manifest.host.node_sha256 else {
        return Err(NoHold::NoBuild { name });
    };
    Ok(Hold {
        height,
        build,
        quote: quote(
            &name,
            &manifest.identity.reason,
            block.app_hash,
            block.network,
        ),
        from: block.from.main,
        field: block.why.clone().unwrap_or(APP_HASH.to_owned()),
        name,
    })
}

/// Returns an error if a later block stands on this one, or if it was executed
/// again with another result.
fn agreed_since(block: &Block, later: &[Block]) -> Result<(), NoHold> {
    let height = block.of.height;
    // A node executes a proposal at most one height above the last decided
    // block. So a block that begins higher stands on a committed one, even if
    // nothing else says so.
    let went_on = |b: &&Block| {
        let done = b.committed.any() || b.state == State::Confirmed;
        b.of.height > height && done || b.of.height > height.saturating_add(1)
    };
    if let Some(next) = later.iter().find(went_on) {
        let next = next.of.height;
        return Err(NoHold::WentOn { height, next });
    }
    let other = |b: &&Block| b.app_hash.zip(block.app_hash).is_some_and(|(a, b)| a != b);
    let mut again = later.iter().filter(|b| b.of.height == height);
    if again.any(|b| b.state == State::Confirmed || other(&b)) {
        return Err(NoHold::Again { height });
    }
    let equal = block.app_hash.is_some() && block.app_hash == block.network;
    match equal && block.why.as_deref().is_none_or(|field| field == APP_HASH) {
        true => Err(NoHold::Equal { height }),
        false => Ok(()),
    }
}

fn manifest(dir: &Path, name: &str) -> Result<Manifest, NoManifest> {
    let is_name = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
    if !is_name {
        return Err(NoManifest::Name);
    }
    let path = RecorderDir::at(dir).boxes().join(name);
    Ok(Manifest::read(&open_regular::open(&path)?)?)
}

/// Reads the ring of a folder.
fn told_of(dir: &Path) -> Result<RingFacts, NoFacts> {
    let ring = RecorderDir::ring_meant(dir);
    facts(dir, &ring).map_err(|why| NoFacts { ring, why })
}

fn facts(dir: &Path, ring: &Path) -> Result<RingFacts, Unusable> {
    let file = open_regular::open(ring)?;
    let view = RingView::read_marks(&file)?;
    if view.superblock.as_ref().is_some_and(machine::is_others) {
        return Err(Unusable::OtherMachine);
    }
    let mut history = History::read(&file, &view)?;
    if let Some(told) = attached::state(ring) {
        let id = view.superblock.map(|superblock| RingId(superblock.uuid));
        history.life.apply_attached(&told, id, history.last.at);
    }
    Ok(RingFacts {
        starts: starts_of(&history),
        blocks: in_boxes(&folder_of(dir), &view, &history),
    })
}

fn starts_of(history: &History) -> Vec<(u64, u64)> {
    let stamps = |stamp: &Stamp| (stamp.at.main, stamp.time_ms);
    let starts: Vec<_> = history.node_starts.iter().map(stamps).collect();
    match starts.is_empty() {
        true => history
            .sessions
            .iter()
            .map(|(stamp, _)| stamps(stamp))
            .take(1)
            .collect(),
        false => starts,
    }
}

/// The recorder's folder, also if the operator named the ring.
fn folder_of(dir: &Path) -> PathBuf {
    let ring = RecorderDir::ring_meant(dir);
    let parent = ring.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// Names of the boxes that no longer refuse a start.
fn released(dir: &Path) -> io::Result<Vec<String>> {
    let path = dir.join(RELEASED);
    let file = match open_regular::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    if file.metadata()?.len() > LONGEST {
        return Err(io::Error::other(
            "it is longer than any file that Haltbox writes there",
        ));
    }
    let text = open_regular::read(&path)?;
    let lines = String::from_utf8_lossy(&text).into_owned();
    let name = |line: &str| line.split(' ').next_back().map(str::to_owned);
    Ok(lines.lines().filter_map(name).collect())
}

/// Saves that these boxes no longer refuse a start, so that it outlives a power
/// cut.
fn remember(dir: &Path, names: &[&str]) -> io::Result<()> {
    let path = dir.join(RELEASED);
    let known = match open_regular::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        other => other?,
    };
    let known = String::from_utf8_lossy(&known).into_owned();
    let time = clock::rfc3339(clock::now_ms());
    let new = names.iter().map(|name| format!("{time} {name}"));
    let mut lines: Vec<String> = known.lines().map(str::to_owned).chain(new).collect();
    lines.drain(..lines.len().saturating_sub(REMEMBERED));
    owner_only::replace(&path, (lines.join("\n") + "\n").as_bytes())
}

impl Hold {
    /// The sentence for `haltbox status` and `doctor`.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "haltbox guard refuses to start the build {} because of {}",
            short(&self.build),
            Outside::text(&self.name)
        )
    }

    /// The next step for `haltbox status` and `doctor`.
    pub(crate) fn mend(&self) -> String {
        format!(
            "copy the box, then start a new build or run: haltbox guard DIR --release {}",
            self.height
        )
    }

    fn refusal(&self, dir: &Path, program: &Path) -> String {
        let folder = folder_of(dir);
        let (height, mut text) = (self.height, String::new());
        let field = Outside::text(&self.field).to_string();
        let _ = write!(
            text,
            "haltbox guard: NOT STARTED: this node's {field} of height {height} differs from the \
             network's\n  no block was agreed since, and {} is the build that diverged:\n  it \
             would diverge again and overwrite the rest of the evidence\n  black box  {}\n  \
             quote      {}\n{WHAT_TO_DO}how to continue:\n  with a new build     install it and \
             start the node: guard lets another executable start\n  with the same build  (after \
             the state was replaced, for example) first run\n                       haltbox guard \
             {} --release {height}\n",
            program.shown(),
            RecorderDir::at(&folder).boxes().join(&self.name).shown(),
            Outside::text(&self.quote),
            folder.shown(),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltbox_format::AppHash;
    use haltbox_format::Stream;
    use haltbox_format::mark::{
        Attempt, Begin, Diverged, LocalHash, Mark, Position, Release, ReleasedBy, Reported,
    };
    use haltbox_model::lifecycle::Lifecycle;

    fn hash(digit: u8) -> AppHash {
        AppHash::new(&[digit; 32]).unwrap()
    }

    fn at(height: u64, attempt: u32) -> Attempt {
        Attempt { height, attempt }
    }

    fn begun(life: &mut Lifecycle, of: Attempt) {
        let by = Stream::Node;
        let (whole, joins, early) = (true, false, false);
        let from = Position::default();
        let mark = Mark::Begin(Begin {
            of,
            from,
            whole,
            by,
            joins,
            early,
        });
        life.apply(&mark, from);
    }

    /// Executes and commits a block with a result.
    fn executed(life: &mut Lifecycle, of: Attempt, digit: u8) {
        begun(life, of);
        let (by, from) = (Stream::Node, Position::default());
        let app_hash = hash(digit);
        let marks = [
            Mark::LocalHash(LocalHash { of, app_hash }),
            Mark::Commit(Reported { of, by }),
        ];
        marks.iter().for_each(|mark| life.apply(mark, from));
    }

    fn diverged(life: &mut Lifecycle, of: Attempt, field: &str) {
        let (local, network) = (hash(1), hash(2));
        let field = field.to_owned();
        let mark = Mark::Diverged(Diverged {
            of,
            field,
            local,
            network,
        });
        life.apply(&mark, Position::default());
    }

    /// Whether a node that diverged at height 7 counts as agreed after `then`.
    fn agreed(field: &str, then: impl FnOnce(&mut Lifecycle)) -> bool {
        let mut life = Lifecycle::default();
        // A block of a course that was rolled back.
        executed(&mut life, at(9, 1), 1);
        executed(&mut life, at(7, 1), 1);
        diverged(&mut life, at(7, 1), field);
        then(&mut life);
        let blocks = life.blocks();
        let of = |b: &Block| b.state == State::Diverged;
        let index = blocks.iter().position(of).unwrap();
        agreed_since(&blocks[index], &blocks[index + 1..]).is_err()
    }

    #[test]
    fn only_what_came_since_agrees() {
        for field in [APP_HASH, "LastResultsHash"] {
            assert!(
                !agreed(field, |_| ()),
                "what was rolled back agrees with nothing"
            );
            assert!(
                !agreed(field, |life| executed(life, at(7, 2), 1)),
                "the same again"
            );
            assert!(agreed(field, |life| executed(life, at(7, 2), 2)));
            // A proposal may be executed one height ahead, but not higher.
            assert!(!agreed(field, |life| begun(life, at(8, 1))));
            assert!(agreed(field, |life| begun(life, at(9, 2))));
            assert!(agreed(field, |life| executed(life, at(8, 1), 3)));
            assert!(agreed(field, |life| {
                executed(life, at(7, 2), 1);
                let by = ReleasedBy::Network;
                let (of, network) = (at(7, 2), None);
                let release = Mark::Release(Release { of, by, network });
                life.apply(&release, Position::default());
            }));
        }
    }

    #[test]
    fn what_is_merely_executed_agrees_with_nothing() {
        let begins = |life: &mut Lifecycle| {
            let (whole, joins, early) = (true, false, false);
            let (of, from, by) = (at(8, 1), Position::default(), Stream::Node);
            let begin = Mark::Begin(Begin {
                of,
                from,
                whole,
                by,
                joins,
                early,
            });
            life.apply(&begin, from);
        };
        assert!(!agreed(APP_HASH, begins), "as optimistic execution does");
    }

    #[test]
    fn what_was_released_is_remembered_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        assert!(released(at).unwrap().is_empty());
        for height in 0..70 {
            remember(at, &[&format!("{height}-aa")]).unwrap();
        }
        let names = released(at).unwrap();
        assert_eq!(names.len(), REMEMBERED);
        assert_eq!(names.first().map(String::as_str), Some("6-aa"));
        std::fs::write(at.join(RELEASED), vec![b'x'; LONGEST as usize + 1]).unwrap();
        assert!(released(at).is_err());
    }
}
