//! Finds what would keep a recorder from helping at a halt, beside blocks that
//! need attention.
//!
//! `haltbox status` says that nothing needs attention only if this finds
//! nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use haltbox_format::mark::Loss;
use haltbox_model::ShowPath;
use haltbox_model::history::History;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::operator::attached::Attached;
use crate::operator::block_folder;
use crate::operator::concern::{Concern, Judging};
use crate::operator::control::{self, Reply, Request};
use crate::operator::source_state::SourceState;
use crate::operator::status::Status;
use crate::sources::journald::SCHEME;
use haltbox_model::size::human_bytes;
use haltbox_recorder::clock;
use haltbox_recorder::freeze::reserve::RESERVE;
use haltbox_recorder::halt_message::WITHOUT_A_BOX;
use haltbox_recorder::not_understood;
use haltbox_recorder::recorder_dir::RecorderDir;

/// The last block is too old only if it is older than this ...
const SLOW_MS: u64 = 60_000;
/// ... and older than this many of the chain's own intervals.
const INTERVALS: u64 = 10;
/// Age of a loss after which it is no longer reported.
const LOSS_IS_NEWS_MS: u64 = 600_000;
/// How long a file must be empty before nobody seems to write it.
const EMPTY: Duration = Duration::from_secs(120);
/// Unread bytes of a source above which the recorder is too slow.
pub(crate) const LAGGING: u64 = 64 << 20;
/// Largest difference between two looks at one clock, with the corrections of
/// its daemon.
pub(crate) const CLOCK_SLACK_MS: u64 = 60_000;

fn concern(word: &'static str, what: impl Into<String>, mend: impl Into<String>) -> Concern {
    Concern {
        word,
        what: what.into(),
        mend: mend.into(),
    }
}

/// Greatest age of a chain's last block: a minute, or ten times the median
/// interval of its newest blocks if that is longer.
pub(crate) fn max_block_age(history: &History) -> Duration {
    let interval = history.pace.interval_ms().unwrap_or(0);
    Duration::from_millis(SLOW_MS.max(interval.saturating_mul(INTERVALS)))
}

/// All concerns, the worst first.
pub(crate) fn of(status: &Status, history: &History, judging: &Judging) -> Vec<Concern> {
    let now = clock::now_ms();
    let mut found = Vec::new();
    found.extend(recording(status));
    found.extend(answering(status, judging.answers));
    found.extend(attached(status));
    found.extend(sources(status));
    found.extend(blocks(status));
    found.extend(slog_unread(history));
    found.extend(told(status, history));
    found.extend(clock_set_back(status, now));
    found.extend(room(status));
    found.extend(losses(history, now));
    found.extend(archive_behind(status));
    found
}

const START: &str = "start it: systemctl start haltbox, or haltbox record --dir ...";

fn recording(status: &Status) -> Option<Concern> {
    if status.recording {
        return None;
    }
    let process = status
        .pid
        .map_or(String::new(), |pid| format!(" (process {pid})"));
    let (what, mend) = match (status.sessions, status.is_linked(), status.closed) {
        (0, _, _) => (
            "not recording: no recorder has written to this ring yet".to_owned(),
            START,
        ),
        (_, true, closed) => {
            let how = if closed {
                "closed it"
            } else {
                "is no longer running"
            };
            let what = format!("not recording: the host that writes this ring{process} {how}");
            (what, "start the node")
        }
        (_, false, true) => (format!("not recording: the recorder{process} ended"), START),
        (_, false, false) => {
            let what = format!("not recording: the recorder{process} was killed or crashed");
            (what, START)
        }
    };
    Some(concern("not-recording", what, mend))
}

/// Finds a recorder that holds the ring's lock and does not answer, because it
/// hangs or is suspended.
fn answering(status: &Status, known: Option<bool>) -> Option<Concern> {
    if !status.recording {
        return None;
    }
    let process = status
        .pid
        .map_or(String::new(), |pid| format!(" (process {pid})"));
    if status.is_linked() {
        let what = format!("the host that writes this ring{process} is suspended");
        let is_stopped = status.pid.is_some_and(is_stopped);
        return is_stopped.then(|| concern("not-answering", what, "resume it: kill -CONT"));
    }
    let hangs = |why: &str| {
        let what = format!("the recorder{process} holds the ring and does not answer: {why}");
        let mend = "if this repeats in a minute, restart the recorder; nothing recorded is lost";
        concern("not-answering", what, mend)
    };
    if let Some(answers) = known {
        return (!answers).then(|| hangs("it hangs"));
    }
    let folder = status.folder();
    let who = Request::Who { waiting: None };
    match control::ask_within(folder, &who, Some(control::ALIVE)) {
        Ok(Some(Reply::AtWork {
            pid,
            unrecorded: true,
            ..
        })) => Some(not_recorded(pid)),
        Ok(Some(_)) => None,
        Ok(None) => Some(hangs("it has just started, or has no control socket")),
        Err(error) => Some(hangs(&error.to_string())),
    }
}

/// A recorder runs and looks healthy, but it records another node.
fn not_recorded(pid: u32) -> Concern {
    let what = format!(
        "a node started by haltbox run is not recorded: the recorder that is running here \
         (process {pid}) has other options"
    );
    let mend = format!("stop it, then haltbox run starts a recorder for its node: kill {pid}");
    concern("node-not-recorded", what, mend)
}

fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The program's name is in brackets and can contain anything.
    let state = stat.rsplit_once(')').map(|(_, behind)| behind.trim_start());
    state.is_some_and(|state| state.starts_with(['T', 't']))
}

/// Finds an attached recorder that is gone, and a ring whose AppHash nobody
/// reports.
fn attached(status: &Status) -> Option<Concern> {
    let attached = status.attached.as_ref().filter(|_| status.is_linked());
    let stopped =
        attached.filter(|attached| attached.alive && attached.pid.is_some_and(is_stopped));
    if let Some(stopped) = stopped {
        let what = format!("haltbox record --attach{} is suspended", stopped.process());
        return Some(concern("not-answering", what, "resume it: kill -CONT"));
    }
    let gone = attached.filter(|attached| !attached.alive && !attached.closed);
    if let Some(gone) = gone {
        let (process, follows) = (gone.process(), gone.follows());
        let what =
            format!("haltbox record --attach{process}, which {follows}, is no longer running");
        let mend = "start it again with the same options: it continues where it stopped";
        return Some(concern("attached-gone", what, mend));
    }
    let hears = attached.is_some_and(Attached::hears);
    let deaf = status.is_linked() && status.lacks_app_hash && !hears;
    let ring = status.ring.shown();
    deaf.then(|| {
        concern(
            "not-followed",
            "no source reports this ring's AppHash: no box is written automatically at a halt",
            format!(
                "follow the node's log: haltbox record --attach {ring} --node-log FILE (or \
                 --journal UNIT); otherwise, run haltbox freeze at a halt"
            ),
        )
    })
}

fn sources(status: &Status) -> Vec<Concern> {
    let attached = status.attached.as_ref().filter(|attached| attached.alive);
    let beside = attached.iter().flat_map(|attached| {
        let sources = attached.sources.iter();
        sources.map(|source| (source, attached.pid, attached.alive))
    });
    let own = status.sources.iter();
    let own = own.map(|source| (source, status.pid, status.recording));
    let read = own
        .chain(beside)
        .filter(|(source, ..)| source.is_followed && source.is_read);
    let concern = |(source, pid, alive): (&SourceState, Option<u32>, bool)| {
        let told = told_unread(source).filter(|_| alive);
        told.or_else(|| source_concern(source, pid))
    };
    read.filter_map(concern).collect()
}

/// The path of a source, if it can be found. A relative path starts at the
/// working folder of the process `pid`.
pub(crate) fn place_of(source: &SourceState, pid: Option<u32>) -> Option<PathBuf> {
    let path = Path::new(&source.path);
    if source.path == "-" || source.path.starts_with(SCHEME) {
        return None;
    }
    if path.is_absolute() {
        return Some(path.to_owned());
    }
    let folder = fs::read_link(format!("/proc/{}/cwd", pid?)).ok()?;
    Some(folder.join(path))
}

/// A source that the recorder itself cannot read. Its own report counts,
/// because this process may have other rights, and a rotated file has another
/// path.
fn told_unread(source: &SourceState) -> Option<Concern> {
    let unread = source.trouble.as_ref()?;
    let (stream, path, why) = (&source.stream, &source.path, &unread.why);
    let since = &unread.since;
    Some(concern(
        "source-unreadable",
        format!("{stream}: {path} cannot be read: {why}, since {since}"),
        "give the recorder the file the node writes to, and run it as a user who may read it; if \
         the disk fails, dmesg shows it",
    ))
}

fn source_concern(source: &SourceState, pid: Option<u32>) -> Option<Concern> {
    let place = place_of(source, pid)?;
    let (stream, path) = (&source.stream, place.shown().to_string());
    let found = match fs::metadata(&place) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some(concern(
                "source-missing",
                format!("{stream}: {path} does not exist"),
                "start the node, or give the recorder the path it writes to",
            ));
        }
        Err(error) => return Some(unreadable(stream, &place, &error)),
    };
    if found.is_dir() && source.is_folder() {
        return folder_concern(source, &place, &found);
    }
    if found.is_dir() {
        let error = std::io::Error::other("it is a folder");
        return Some(unreadable(stream, &place, &error));
    }
    // Opening a FIFO would make this process its reader.
    if !found.is_file() {
        return None;
    }
    if let Err(error) = fs::File::open(&place) {
        return Some(unreadable(stream, &place, &error));
    }
    if found.len() == 0 && is_quiet(&found) {
        return Some(concern(
            "source-empty",
            format!("{stream}: {path} is empty"),
            "check that the node writes there (SLOGFILE, the unit's StandardOutput)",
        ));
    }
    unread(source, &path)
}

/// Whether nothing was written to it for a while.
fn is_quiet(found: &fs::Metadata) -> bool {
    let since = found.modified().ok();
    let since = since.and_then(|at| SystemTime::now().duration_since(at).ok());
    since.is_some_and(|since| since > EMPTY)
}

fn unread(source: &SourceState, path: &str) -> Option<Concern> {
    let lag = source.lag.filter(|lag| *lag > LAGGING)?;
    let stream = &source.stream;
    Some(concern(
        "source-unread",
        format!("{stream}: {} of {path} not read yet", human_bytes(lag)),
        "check that the recorder is running, and that its disk is fast enough (the unit's I/O \
         statistics)",
    ))
}

/// Checks a folder into which the node writes a file for each block.
fn folder_concern(source: &SourceState, place: &Path, found: &fs::Metadata) -> Option<Concern> {
    let (stream, path) = (&source.stream, place.shown().to_string());
    match block_folder::files(place) {
        Err(error) => Some(unreadable(stream, place, &error)),
        Ok(files) if files.is_empty() && source.file.is_none() && is_quiet(found) => Some(concern(
            "source-empty",
            format!("{stream}: {path} contains no block files"),
            "check that the node's slog sender writes there (block-slog writes into the node's \
             state folder)",
        )),
        Ok(_) => unread(source, &path),
    }
}

fn unreadable(stream: &str, place: &Path, error: &std::io::Error) -> Concern {
    concern(
        "source-unreadable",
        format!("{stream}: {} cannot be read: {error}", place.shown()),
        "give the recorder the file the node writes to, and run it as a user who may read it",
    )
}

fn blocks(status: &Status) -> Option<Concern> {
    let Some(age) = status.last_block_seconds else {
        if !status.looks_for_blocks {
            return None;
        }
        let read = status.sources.iter().filter(|source| source.offset > 0);
        let read: Vec<&str> = read.map(|source| source.path.as_str()).collect();
        return Some(match (status.head, read.is_empty()) {
            (Some(_), _) => concern(
                "no-block",
                "the time of the last block is unknown",
                "check again after the node has executed a block",
            ),
            (None, true) => concern(
                "no-block",
                "no block was seen yet",
                "check that the node is running; haltbox doctor examines what it writes",
            ),
            (None, false) => concern(
                "no-block",
                format!("no block was seen yet: {} contains none", read.join(", ")),
                "haltbox doctor shows what it contains, and which --profile reads it",
            ),
        });
    };
    (age > status.max_block_seconds).then(|| {
        let bound = status.max_block_seconds;
        concern(
            "old-block",
            format!("the last new block came {age} s ago; the limit is {bound} s"),
            "check that the node is running and the chain makes progress; haltbox doctor examines \
             what the node writes",
        )
    })
}

/// The last recorder noted that it understands nothing in the slog. Blocks from
/// the node's log do not make the slog readable.
fn slog_unread(history: &History) -> Option<Concern> {
    let since = history.sessions.last().map_or(0, |(at, _)| at.time_ms);
    let notes = history.notes.iter().rev();
    let mut texts = notes
        .take_while(|(stamp, _)| stamp.time_ms >= since)
        .map(|(_, note)| note.text.as_str());
    let last = texts.find(|text| {
        text.starts_with(not_understood::SLOG) || text.starts_with(not_understood::SLOG_AGAIN)
    })?;
    last.starts_with(not_understood::SLOG).then(|| {
        concern(
            "slog-not-understood",
            last,
            "give the recorder the slog that the node writes (SLOGFILE), or the --profile that \
             fits the host: without a readable slog there are no steps to compare",
        )
    })
}

/// The recorder's notes about the node's log since the last block.
fn told(status: &Status, history: &History) -> Vec<Concern> {
    let since = status.last_block_ms.unwrap_or(0);
    let attached = status.attached.iter();
    let beside = attached.flat_map(|attached| &attached.notes);
    let beside = beside.map(|noted| (noted.at_ms, noted.text.as_str()));
    let own = history.notes.iter();
    let own = own.map(|(stamp, note)| (stamp.time_ms, note.text.as_str()));
    let news = own.chain(beside).filter(|(at_ms, _)| *at_ms >= since);
    let news: Vec<&str> = news.map(|(_, text)| text).collect();
    let last = |begin: &str| {
        news.iter()
            .rev()
            .find(|text| text.starts_with(begin))
            .copied()
    };
    let unread = last(not_understood::LOG).map(|text| {
        concern(
            "log-not-understood",
            text,
            "haltbox doctor --try-log FILE shows how a log is read; an unknown layout needs its \
             own --profile, or --rpc in addition to the log",
        )
    });
    let trouble = last(WITHOUT_A_BOX).map(|text| {
        concern(
            "trouble-without-block",
            text,
            "read the node's log; set its log level to info, or use --rpc",
        )
    });
    unread.into_iter().chain(trouble).collect()
}

/// Finds a last mark in the future. Every age that counts from it would stay
/// fresh.
fn clock_set_back(status: &Status, now: u64) -> Option<Concern> {
    (status.last_mark_ms > now + CLOCK_SLACK_MS).then(|| {
        let what = format!(
            "the last mark is dated {}, which is in the future",
            status.last_mark
        );
        concern("clock", what, "set the clock: timedatectl set-ntp true")
    })
}

/// Free bytes of the folder's disk, bytes of the reserve, and bytes that a box
/// can need.
pub(crate) struct Room {
    pub(crate) free: u64,
    pub(crate) kept: u64,
    pub(crate) needed: u64,
    pub(crate) read_only: bool,
}

impl Room {
    pub(crate) fn of(dir: &Path, ring_bytes: u64) -> Room {
        let stat = statvfs(dir).ok();
        let reserve = RecorderDir::at(dir).boxes().join(RESERVE);
        Room {
            free: stat.map_or(0, |stat| {
                stat.blocks_available().saturating_mul(stat.fragment_size())
            }),
            kept: fs::metadata(reserve).map_or(0, |found| found.blocks() * 512),
            needed: ring_bytes / 4,
            read_only: stat.is_some_and(|stat| stat.flags().contains(FsFlags::ST_RDONLY)),
        }
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.free.saturating_add(self.kept) >= self.needed && !self.read_only
    }

    pub(crate) fn lack(&self) -> String {
        match self.read_only {
            true => "the disk is read-only: no box can be written".to_owned(),
            false => format!(
                "{} are free, but a box can need {}",
                human_bytes(self.free.saturating_add(self.kept)),
                human_bytes(self.needed)
            ),
        }
    }
}

fn room(status: &Status) -> Option<Concern> {
    let room = Room::of(status.folder(), status.bytes);
    let mend = "free disk space: without it, a box can hold only the failing block";
    (!room.is_enough()).then(|| concern("no-room", room.lack(), mend))
}

fn losses(history: &History, now: u64) -> Option<Concern> {
    let recent = history.losses.iter().filter(|(stamp, loss)| {
        loss.records > 0 && now.saturating_sub(stamp.time_ms) < LOSS_IS_NEWS_MS
    });
    let recent: Vec<&Loss> = recent.map(|(_, loss)| loss).collect();
    let last = recent.last()?;
    let records: u64 = recent.iter().map(|loss| loss.records).sum();
    Some(concern(
        "loss",
        format!(
            "records lost in the last ten minutes: {records}; last reason: {}",
            last.why
        ),
        "freeze the pinned blocks, use a larger --size, or check the load of this machine",
    ))
}

/// Finds heights that the ring overwrote before the archive had them, while
/// somebody archives.
fn archive_behind(status: &Status) -> Option<Concern> {
    let folder = RecorderDir::at(status.folder()).archive();
    let newest = status.archived?;
    let (oldest, confirmed) = (status.oldest?, status.confirmed?);
    let missing = oldest > newest + 1 && confirmed >= oldest;
    (missing && is_locked(&folder)).then(|| {
        concern(
            "archive-behind",
            format!(
                "heights {} to {} are in neither ring nor archive",
                newest + 1,
                oldest - 1
            ),
            "give the archive more room (--archive-bytes, disk space), give the recorder more CPU \
             time, or use a larger --size",
        )
    })
}

fn is_locked(folder: &Path) -> bool {
    let Ok(folder) = fs::File::open(folder) else {
        return false;
    };
    let locked = Flock::lock(folder, FlockArg::LockSharedNonblock);
    matches!(locked, Err((_, nix::errno::Errno::EWOULDBLOCK)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use haltbox_format::ring::RingView;
    use haltbox_format::{Lane, Stream};
    use haltbox_model::{Event, Profile};

    use super::*;
    use crate::operator::inspect;
    use haltbox_recorder::recorder::{Config, Recorder};
    use haltbox_recorder::ring::file::RingOptions;
    use haltbox_recorder::source_entry::LeftOut;

    /// A ring that nobody writes, its status and its marks.
    fn ring(record: impl FnOnce(&mut Recorder)) -> (tempfile::TempDir, Status, History) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let config = Config {
            ring: RingOptions {
                size: 4 << 20,
                in_host: false,
                engine: None,
            },
            profile: Arc::new(Profile::builtin("agoric").unwrap()),
            node_lane: Lane::Local,
            own_start: false,
            populate: false,
        };
        let mut recorder = Recorder::open(&path, config).unwrap().recorder;
        record(&mut recorder);
        recorder.close();
        let status = inspect::look(folder.path()).unwrap();
        let file = fs::File::open(&path).unwrap();
        let view = RingView::read(&file).unwrap();
        let history = History::read(&file, &view).unwrap();
        (folder, status, history)
    }

    fn word(found: Option<Concern>) -> Option<&'static str> {
        found.map(|concern| concern.word)
    }

    #[test]
    fn a_clock_that_was_set_back_is_told() {
        let (_folder, status, _) = ring(|_| {});
        let at = status.last_mark_ms;
        assert_eq!(word(clock_set_back(&status, at)), None);
        assert_eq!(word(clock_set_back(&status, at - CLOCK_SLACK_MS)), None);
        let set_back = at - CLOCK_SLACK_MS - 1;
        assert_eq!(word(clock_set_back(&status, set_back)), Some("clock"));
    }

    #[test]
    fn a_loss_is_told_for_ten_minutes() {
        let (_folder, status, history) = ring(|recorder| {
            let (lines, bytes) = (3, 99);
            recorder.left_out(Stream::Slog, LeftOut { lines, bytes });
        });
        let at = status.last_mark_ms;
        let told = losses(&history, at).unwrap();
        assert_eq!(told.word, "loss");
        assert!(told.what.contains(": 3;"), "{}", told.what);
        let later = at + LOSS_IS_NEWS_MS + 1;
        assert_eq!(word(losses(&history, later)), None);
        let (_folder, status, nothing) = ring(|recorder| recorder.event(&Event::Gap, Stream::Slog));
        assert_eq!(word(losses(&nothing, status.last_mark_ms)), None);
    }

    #[test]
    fn an_archive_that_does_not_keep_up_is_told_while_somebody_archives() {
        let (folder, mut status, _) = ring(|_| {});
        (status.archived, status.oldest, status.confirmed) = (Some(5), Some(8), Some(9));
        assert_eq!(word(archive_behind(&status)), None, "nobody archives");
        let archive = RecorderDir::at(folder.path()).archive();
        fs::create_dir_all(&archive).unwrap();
        let held = fs::File::open(&archive).unwrap();
        let _held = Flock::lock(held, FlockArg::LockExclusive).unwrap();
        assert_eq!(word(archive_behind(&status)), Some("archive-behind"));
        status.oldest = Some(6);
        assert_eq!(word(archive_behind(&status)), None, "nothing is missing");
    }

    #[test]
    fn a_source_that_grows_faster_than_it_is_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let slog = folder.path().join("slog");
        fs::write(&slog, "{}\n").unwrap();
        let of = |lag| SourceState {
            stream: "slog".to_owned(),
            path: slog.to_string_lossy().into_owned(),
            file: None,
            offset: 3,
            lag: Some(lag),
            trouble: None,
            is_followed: true,
            is_read: true,
        };
        assert_eq!(word(source_concern(&of(LAGGING), None)), None);
        assert_eq!(
            word(source_concern(&of(LAGGING + 1), None)),
            Some("source-unread")
        );
    }
}
