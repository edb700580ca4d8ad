//! `haltbox doctor`: what would keep a recorder from helping at a halt, one
//! line each.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use haltbox_format::Stream;
use haltbox_format::ring::RingView;
use haltbox_model::history::History;
use haltbox_model::{Profile, ShowPath};
use thiserror::Error;

use crate::operator::concern::Concern;
use crate::operator::concerns::{CLOCK_SLACK_MS, LAGGING, Room, place_of};
use crate::operator::contents::{self, Contents};
use crate::operator::inspect::{self, LookError, Unseen};
use crate::operator::source_state::SourceState;
use crate::operator::status::Status;
use crate::sources::journald::SCHEME;
use haltbox_model::size::human_bytes;
use haltbox_recorder::clock;
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::ring::file::file_system_name;
use haltbox_recorder::ring_profile::{RingProfileError, of_ring};

/// 2026-01-01. An earlier time means that the clock was never set.
const BUILT_MS: u64 = 1_767_225_600_000;
/// Memory of a recorder beside its ring: buffers, and the archive's thread.
const WORKING_MEMORY: u64 = 64 << 20;

/// A source without a new byte for this long is not connected, or the node is
/// down.
const SILENT: Duration = Duration::from_secs(120);

/// One thing that was examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is right.
    Good(String),
    /// It is wrong.
    Wrong {
        /// What was found.
        what: String,
        /// The next step.
        mend: String,
    },
}

fn wrong(what: impl Into<String>, mend: impl Into<String>) -> Finding {
    Finding::Wrong {
        what: what.into(),
        mend: mend.into(),
    }
}

/// No ring can be read in the folder.
#[derive(Debug, Error)]
#[error("{error}; is {} the --dir of a recorder?", dir.shown())]
pub struct NotExamined {
    /// The folder.
    pub dir: PathBuf,
    /// Why not.
    pub error: LookError,
}

/// Examines a recorder's folder.
///
/// # Errors
/// [`NotExamined`].
pub fn examine(dir: &Path) -> Result<Vec<Finding>, NotExamined> {
    let status = inspect::look(dir).map_err(|error| NotExamined {
        dir: dir.to_owned(),
        error,
    })?;
    let mut findings = vec![recording(&status), place(dir), permissions(dir)];
    findings.extend([file_system(dir), room(dir, &status)]);
    findings.push(time(&status, clock::now_ms()));
    findings.extend(memory(dir, &status));
    findings.extend(attached(&status));
    findings.extend(sources(&status));
    findings.extend(contents_of(&status));
    findings.extend(concerns(&status));
    findings.extend(attention(&status));
    let held = status.guard.as_ref();
    findings.extend(held.map(|hold| wrong(hold.sentence(), hold.mend())));
    Ok(findings)
}

fn recording(status: &Status) -> Finding {
    match (status.recording, status.is_linked()) {
        (true, false) => Finding::Good("a recorder is running".to_owned()),
        (true, true) => Finding::Good("the host itself writes the ring".to_owned()),
        (false, false) => wrong(
            "no recorder is running",
            "start it: systemctl start haltbox, or haltbox record --dir ...",
        ),
        (false, true) => wrong("the host no longer writes the ring", "start the node"),
    }
}

/// The concerns of `haltbox status` that are not examined more closely here.
fn concerns(status: &Status) -> Vec<Finding> {
    let told = |concern: &&Concern| {
        matches!(
            concern.word,
            "not-answering"
                | "node-not-recorded"
                | "attached-gone"
                | "not-followed"
                | "source-unreadable"
                | "old-block"
                | "loss"
                | "archive-behind"
                | "log-not-understood"
                | "slog-not-understood"
                | "trouble-without-block"
        ) || concern.word == "no-block" && status.is_linked()
    };
    let told = status.concerns.iter().filter(told);
    told.map(|concern| wrong(concern.what.clone(), concern.mend.clone()))
        .collect()
}

/// The attached recorder and its sources. A missing one is a concern of its
/// own.
fn attached(status: &Status) -> Vec<Finding> {
    let attached = status.attached.as_ref();
    let Some(attached) = attached.filter(|attached| status.is_linked() && attached.alive) else {
        return Vec::new();
    };
    let (process, follows) = (attached.process(), attached.follows());
    let at_work = format!("haltbox record --attach{process} is running and {follows}");
    let sources = attached.sources.iter();
    let sources = sources.map(|found| source(found, attached.pid));
    std::iter::once(Finding::Good(at_work))
        .chain(sources)
        .collect()
}

/// The folder must not be under the node's data folder, which operators reset
/// or replace.
fn place(dir: &Path) -> Finding {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let under_data = full
        .ancestors()
        .any(|folder| folder.join("priv_validator_state.json").exists());
    match under_data {
        true => wrong(
            format!("{} is inside the node's data folder", full.shown()),
            "move it elsewhere: resetting the node would delete the evidence",
        ),
        false => Finding::Good("the folder is outside the node's data folder".to_owned()),
    }
}

fn permissions(dir: &Path) -> Finding {
    let mode = fs::metadata(dir).map_or(0, |found| found.permissions().mode());
    match mode & 0o077 {
        0 => Finding::Good("the folder is accessible only to its owner".to_owned()),
        _ => wrong(
            format!(
                "the folder is accessible to other users (mode 0{:o})",
                mode & 0o777
            ),
            format!(
                "run: chmod 700 {} (boxes contain data of users)",
                dir.shown()
            ),
        ),
    }
}

fn file_system(dir: &Path) -> Finding {
    match file_system_name(&RecorderDir::at(dir).ring()) {
        Some(name) if name == "tmpfs" => wrong(
            "the ring is on tmpfs: a reboot deletes it, and it counts as memory of its control \
             group",
            "put it on a disk, or leave room for it under the group's memory limit",
        ),
        Some(name) => wrong(
            format!("the ring is on {name}, where entries can be lost while the disk is full"),
            "put it on ext4 or XFS",
        ),
        None => Finding::Good(
            "the file system keeps the blocks that are allocated for the ring".to_owned(),
        ),
    }
}

/// Checks the clock: marks and file names have the time, and others compare it.
fn time(status: &Status, now: u64) -> Finding {
    let now_text = clock::rfc3339(now);
    if now < BUILT_MS {
        return wrong(
            format!("the clock says {now_text}, which is before this program was built"),
            "set it: timedatectl set-ntp true",
        );
    }
    match status.last_mark_ms > now + CLOCK_SLACK_MS {
        true => wrong(
            format!(
                "the clock says {now_text}, but the recorder's last mark is dated {}: the clock \
                 was set back",
                status.last_mark
            ),
            "set it: timedatectl set-ntp true",
        ),
        false => Finding::Good(format!("the clock says {now_text}")),
    }
}

/// On tmpfs the ring counts as memory of the recorder, and the kernel kills it
/// if its control group is full.
fn memory(dir: &Path, status: &Status) -> Option<Finding> {
    let on_tmpfs =
        file_system_name(&RecorderDir::at(dir).ring()).is_some_and(|name| name == "tmpfs");
    let limit = memory_limit(status.pid.filter(|_| status.recording)?)?;
    memory_finding(on_tmpfs, status.bytes, limit)
}

fn memory_finding(on_tmpfs: bool, ring: u64, limit: u64) -> Option<Finding> {
    let needed = ring + WORKING_MEMORY;
    (on_tmpfs && limit < needed).then(|| {
        wrong(
            format!(
                "the memory limit of the recorder's control group is {}, but the ring ({}, on \
                 tmpfs) and the recorder need {}",
                human_bytes(limit),
                human_bytes(ring),
                human_bytes(needed)
            ),
            "put the ring on a disk, or raise MemoryMax=",
        )
    })
}

/// The least memory limit of a process's control group and the groups above.
fn memory_limit(pid: u32) -> Option<u64> {
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(path);
    let groups = folder
        .ancestors()
        .take_while(|at| at.starts_with("/sys/fs/cgroup"));
    let limits = groups.filter_map(|at| fs::read_to_string(at.join("memory.max")).ok());
    limits.filter_map(|text| text.trim().parse().ok()).min()
}

fn room(dir: &Path, status: &Status) -> Finding {
    let room = Room::of(dir, status.bytes);
    match room.is_enough() {
        true => Finding::Good(format!(
            "there is room for a box: {} free, {} reserved",
            human_bytes(room.free),
            human_bytes(room.kept)
        )),
        false => wrong(
            room.lack(),
            "free disk space: without it, a box can hold only the failing block",
        ),
    }
}

/// Compares the content of each source with the stream and the profile it was
/// given for.
fn contents_of(status: &Status) -> Vec<Finding> {
    let profile = match profile_of(&status.ring) {
        Ok(profile) => profile,
        Err(error) => {
            let mend = "give the recorder its --profile file again";
            return vec![wrong(error.to_string(), mend)];
        }
    };
    let attached = status.attached.iter().filter(|attached| attached.alive);
    let beside = attached.flat_map(|attached| attached.sources.iter().map(|s| (s, attached.pid)));
    let own = status.sources.iter().filter(|source| source.is_followed);
    let followed = own.map(|source| (source, status.pid)).chain(beside);
    let looked = followed.filter_map(|(source, pid)| {
        let place = place_of(source, pid)?;
        let stream = stream_of(source)?;
        let contents = match place.is_dir() {
            true => contents::of_folder(&place, stream, &profile)?,
            false if place.is_file() => contents::of(&place, stream, &profile).ok()?,
            false => return None,
        };
        Some((source, stream, contents))
    });
    let looked: Vec<_> = looked.collect();
    let others = looked
        .iter()
        .filter(|(_, _, found)| *found == Contents::OtherStream);
    let swapped = others.count() == 2;
    let mut findings: Vec<Finding> = Vec::new();
    if swapped {
        findings.push(wrong(
            "--slog and --node-log are swapped: each names the file of the other",
            "restart the recorder with the two paths exchanged",
        ));
    }
    let told = looked
        .iter()
        .filter(|(_, _, found)| !swapped || *found != Contents::OtherStream);
    findings.extend(
        told.filter_map(|(source, stream, found)| told_of(source, *stream, found, &profile)),
    );
    findings
}

/// The profile that a ring was recorded with is not known.
#[derive(Debug, Error)]
enum NoProfile {
    #[error("{}: {error}", ring.shown())]
    Ring { ring: PathBuf, error: Unseen },
    #[error(transparent)]
    Profile(#[from] RingProfileError),
}

fn profile_of(ring: &Path) -> Result<Profile, NoProfile> {
    let history = history_of(ring).map_err(|error| NoProfile::Ring {
        ring: ring.to_owned(),
        error,
    })?;
    Ok(of_ring(ring, &history)?)
}

fn history_of(ring: &Path) -> Result<History, Unseen> {
    let file = fs::File::open(ring)?;
    let view = RingView::read_marks(&file)?;
    Ok(History::read(&file, &view)?)
}

fn stream_of(source: &SourceState) -> Option<Stream> {
    let mut streams = [Stream::Slog, Stream::Node].into_iter();
    streams.find(|stream| stream.name() == source.stream)
}

fn told_of(
    source: &SourceState,
    stream: Stream,
    found: &Contents,
    profile: &Profile,
) -> Option<Finding> {
    let (path, own) = (&source.path, &profile.name);
    let (kind, other, option) = match stream {
        Stream::Slog => ("slog", "a node's log", "--node-log"),
        Stream::Node => ("node", "a slog", "--slog"),
    };
    match found {
        Contents::Nothing => None,
        Contents::AsGiven => Some(Finding::Good(format!(
            "{kind}: the profile {own} reads blocks in {path}"
        ))),
        Contents::Kept => Some(Finding::Good(format!(
            "{kind}: the profile {own} does not look for blocks in {path}; its lines are recorded"
        ))),
        Contents::OtherStream => Some(wrong(
            format!(
                "{kind}: {path} is {other}, but was given as {}",
                given_as(stream)
            ),
            format!("give it as {option}"),
        )),
        Contents::OtherProfile(name) => Some(wrong(
            format!("{kind}: the profile {own} reads no blocks in {path}"),
            format!("restart the recorder with --profile {name}, which does"),
        )),
        Contents::NoBlocks { lines } => Some(wrong(
            format!(
                "{kind}: {path} contains no blocks that a builtin profile reads (lines checked: \
                 {lines})"
            ),
            match stream {
                Stream::Slog => {
                    "check that it is the node's slog (SLOGFILE); another host needs its own \
                     --profile"
                }
                Stream::Node => {
                    "set the node's log level to info: without heights, only its failures are \
                     recognized"
                }
            },
        )),
    }
}

fn given_as(stream: Stream) -> &'static str {
    match stream {
        Stream::Slog => "--slog",
        Stream::Node => "--node-log",
    }
}

fn sources(status: &Status) -> Vec<Finding> {
    if status.is_linked() {
        return Vec::new();
    }
    if status.sources.is_empty() {
        let mend = "give the recorder --slog and --node-log";
        return vec![wrong("no source was ever read", mend)];
    }
    let followed = || status.sources.iter().filter(|source| source.is_followed);
    let mut findings: Vec<Finding> = followed().map(|s| source(s, status.pid)).collect();
    let heard = |stream: Stream| followed().any(|s| s.stream == stream.name());
    if !heard(Stream::Node) {
        findings.push(wrong(
            "the node's log is not read: the recorder cannot notice a failure",
            "give it --node-log or --rpc, or run haltbox freeze at a halt",
        ));
    }
    findings
}

fn source(source: &SourceState, pid: Option<u32>) -> Finding {
    let (stream, path) = (&source.stream, &source.path);
    if !source.is_read {
        return Finding::Good(format!(
            "{stream}: the profile has no rules for it, so {path} need not exist"
        ));
    }
    let place = place_of(source, pid);
    let Some(Ok(found)) = place.as_ref().map(fs::metadata) else {
        return match path.as_str() {
            "-" => Finding::Good(format!("{stream}: read from a pipe")),
            path if path.starts_with(SCHEME) => {
                Finding::Good(format!("{stream}: {path}, read through journalctl"))
            }
            path if place.is_none() => wrong(
                format!(
                    "{stream}: cannot find {path}, which is relative to the recorder's working \
                     directory"
                ),
                "give the recorder an absolute path",
            ),
            _ => wrong(
                format!("{stream}: {path} does not exist"),
                "start the node, or give the recorder the path it writes to",
            ),
        };
    };
    let silent = found
        .modified()
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .filter(|silent| found.is_file() && *silent > SILENT);
    match (silent, source.lag) {
        (Some(silent), _) => wrong(
            format!(
                "{stream}: nothing was written to {path} for {} s",
                silent.as_secs()
            ),
            "check that the node is running and writes there (SLOGFILE, the unit's StandardOutput)",
        ),
        (None, Some(lag)) if lag > LAGGING => wrong(
            format!("{stream}: {} of {path} not read yet", human_bytes(lag)),
            "check that the recorder is running, and that its disk is fast enough (the unit's I/O \
             statistics)",
        ),
        (None, lag) => {
            let lag = lag.map_or(String::new(), |lag| format!(", {lag} bytes unread"));
            Finding::Good(format!("{stream}: {path}{lag}"))
        }
    }
}

fn attention(status: &Status) -> Option<Finding> {
    (!status.attention.is_empty()).then(|| {
        wrong(
            format!("blocks that need attention: {}", status.attention.len()),
            "haltbox status lists them; do not roll back before you have copied their boxes",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_on_tmpfs_needs_its_room_in_the_control_group() {
        let is_told = |on_tmpfs, limit| memory_finding(on_tmpfs, 100 << 20, limit).is_some();
        assert!(is_told(true, 120 << 20));
        assert!(!is_told(true, 1 << 30));
        assert!(!is_told(false, 120 << 20), "a file's pages are given back");
    }

    #[test]
    fn a_clock_that_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let options = haltbox_recorder::ring::file::RingOptions {
            size: 4 << 20,
            in_host: false,
            engine: None,
        };
        drop(haltbox_recorder::ring::file::open(&folder.path().join("ring"), &options).unwrap());
        let mut status = inspect::look(folder.path()).unwrap();
        let now = clock::now_ms();
        let is_wrong = |status: &Status, now| matches!(time(status, now), Finding::Wrong { .. });
        assert!(!is_wrong(&status, now));
        assert!(is_wrong(&status, 3600 * 1000), "1970");
        status.last_mark_ms = now + 3600 * 1000;
        assert!(is_wrong(&status, now), "an hour back");
    }

    fn state(path: &Path, lag: Option<u64>) -> SourceState {
        SourceState {
            stream: "slog".to_owned(),
            path: path.display().to_string(),
            file: None,
            offset: 0,
            lag,
            trouble: None,
            is_read: true,
            is_followed: true,
        }
    }

    #[test]
    fn each_trouble_of_a_source_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slog");
        let is_wrong = |found: &Finding, words: &str| matches!(found, Finding::Wrong { what, .. } if what.contains(words));
        assert!(is_wrong(
            &source(&state(&path, None), None),
            "does not exist"
        ));
        let file = fs::File::create(&path).unwrap();
        assert!(matches!(
            source(&state(&path, Some(10)), None),
            Finding::Good(_)
        ));
        assert!(is_wrong(
            &source(&state(&path, Some(1 << 30)), None),
            "not read yet"
        ));
        let old = SystemTime::now() - Duration::from_secs(500);
        file.set_modified(old).unwrap();
        assert!(is_wrong(
            &source(&state(&path, Some(0)), None),
            "nothing was written"
        ));
        assert!(matches!(
            source(&state(Path::new("-"), None), None),
            Finding::Good(_)
        ));
    }

    #[test]
    fn a_folder_in_the_node_s_data_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let own = data.join("haltbox");
        fs::create_dir_all(&own).unwrap();
        assert!(matches!(place(&own), Finding::Good(_)));
        fs::write(data.join("priv_validator_state.json"), "{}").unwrap();
        assert!(matches!(place(&own), Finding::Wrong { .. }));
        fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(permissions(&own), Finding::Wrong { .. }));
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(permissions(&own), Finding::Good(_)));
    }
}
