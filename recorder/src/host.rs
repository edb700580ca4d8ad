//! A recorder inside a host: what an application calls that links this crate.
//!
//! ```text
//! begin_block(H)  record ...  end_block(H)  commit(H)      the host executes
//!                                           confirm(H) | diverged(H)    the network decides
//! ```
//!
//! Every call may come from any thread, takes one short lock, and neither waits
//! for the disk nor for another process; only [`HostRecorder::freeze`] does. No
//! call prints anything. Threads run only if [`Options::background`] asks for
//! them; else `haltbox record --attach RING` freezes and archives, and a call
//! stops where the ring's next page is not present.
//!
//! A host of the `host` profile has no slog of its own: the calls write the
//! entries that mark its blocks. Where the host's own entries mark them, as
//! Agoric's slog does, those calls are refused, and `commit` gives the AppHash.

mod entry;
mod keeper;
mod messages;
pub mod program;

use haltbox_model::ShowPath;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use haltbox_format::mark::{Attempt, State};
use haltbox_format::{AppHash, Digest, Lane, Stream};
use haltbox_model::lifecycle::Block;
use haltbox_model::{Event, Mismatch, Profile, Weight};

use crate::freeze::{self, FreezeError, Frozen, Plan};
use crate::freeze_request::{Holder, Subject};
use crate::host_threads::SizeLimit;
use crate::memory;
use crate::owner_only;
use crate::recorder::{Config, Recorder};
use crate::recorder_dir::RecorderDir;
pub use crate::ring::Birth;
use crate::ring::engine::Engine;
use crate::ring::file::{OpenError, RingOptions};
pub use crate::ring::lent::Span;
use crate::source_entry::Given;
use entry::Line;
pub use keeper::Background;
use keeper::Keeper;
use messages::Messages;
use program::Program;

/// Bytes of a ring for which a host gives no other number.
pub const DEFAULT_SIZE: u64 = 256 << 20;

/// For so long a box waits for what was recorded to be in the ring's file.
const SETTLING: Duration = Duration::from_secs(10);

/// What to record, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of ring, boxes and archive; made if it is not there. Never
    /// under a node's `data/`, which operators reset.
    pub dir: PathBuf,
    /// Bytes of the ring, 4 MiB to 1 TiB.
    pub size: u64,
    /// How records get into the ring's file; `None`: mapped where a full disk cannot end the
    /// process by that, else written by a thread.
    pub engine: Option<Engine>,
    /// How the host's entries are read.
    pub profile: Profile,
    /// The profile's own text, if it is not a builtin one: left beside the ring
    /// for whoever reads it later.
    pub profile_text: Option<Vec<u8>>,
    /// The node's executable, whose digest goes into the boxes.
    pub node_program: Option<PathBuf>,
    /// A thread that freezes what diverged, and archives; and one that makes the
    /// ring's pages present ahead of the calls.
    pub background: Option<Background>,
}

impl Options {
    /// A ring of [`DEFAULT_SIZE`] in a folder, no thread.
    pub fn new(dir: &Path, profile: Profile) -> Options {
        Options {
            dir: dir.to_owned(),
            size: DEFAULT_SIZE,
            engine: None,
            profile,
            profile_text: None,
            node_program: None,
            background: None,
        }
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It survives the end of the process.
    Whole,
    /// There was no room for it that may be overwritten: it was counted.
    Dropped,
}

/// What the network's AppHash says of this node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They are equal: the block is released.
    Equal,
    /// They differ: the block is pinned.
    Differs,
    /// This node's is not known: nothing was released.
    Unknown,
}

/// What was recorded since the ring was opened, and how its blocks stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries recorded.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries that were dropped.
    pub dropped: u64,
    /// The height begun last; 0 for none.
    pub head: u64,
    /// The greatest height that the network agreed with; 0 for none.
    pub released: u64,
    /// The least height that has entries in the ring; 0 for none.
    pub oldest: u64,
    /// Blocks that must not be overwritten.
    pub pinned: u64,
    /// Of these, blocks that diverged and are in no box yet.
    pub diverged: u64,
}

/// Why a call did nothing.
#[derive(Debug)]
pub enum HostError {
    /// The ring cannot be had: locked, refused by its file system, no room.
    Open(OpenError),
    /// The folder cannot be made or read.
    Folder(PathBuf, std::io::Error),
    /// This process is a fork of the one that opened the recorder.
    Forked,
    /// The recorder was closed.
    Closed,
    /// A panic in an earlier call, or in the background thread, left the lock:
    /// the ring is valid as it is, and nothing more goes into it.
    Broken,
    /// The profile takes blocks from the host's own entries.
    MarkedByEntries,
    /// No part of this ring can be lent.
    NotLent,
    /// There is no box: why.
    Freeze(FreezeError),
    /// There is nothing to freeze: why.
    Nothing(String),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Open(error) => error.fmt(f),
            HostError::Folder(path, error) => {
                write!(f, "cannot make the folder {}: {error}", path.shown())
            }
            HostError::Forked => f.write_str(
                "this process is a fork of the one that opened the recorder; only that one records",
            ),
            HostError::Closed => f.write_str("the recorder is closed"),
            HostError::Broken => f.write_str(
                "the recorder failed in an earlier call and is off; what it recorded is in the ring",
            ),
            HostError::MarkedByEntries => f.write_str(
                "this profile reads blocks and cranks from the host's own entries; record those \
                 entries instead of this call",
            ),
            HostError::NotLent => f.write_str(
                "no part of this ring can be lent, record by calls: the ring is not mapped, or \
                 its profile reads tx-*, op-* or branch* entries as marks",
            ),
            HostError::Freeze(error) => error.fmt(f),
            HostError::Nothing(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for HostError {}

/// A recorder inside a host.
pub struct HostRecorder {
    shared: Arc<Shared>,
    birth: Birth,
    /// The calls write the entries that mark blocks.
    writes_marks: bool,
    /// Entries that mark nothing are known by their type: the host may lay them.
    lends: bool,
    keeper: Option<Keeper>,
}

/// What the host's threads and the background thread have in common.
struct Shared {
    options: Options,
    profile: Arc<Profile>,
    /// The host's program, as it was at opening.
    program: Option<Program>,
    open: Mutex<Option<Open>>,
    /// One box at a time.
    freezing: Mutex<()>,
    messages: Arc<Messages>,
}

struct Open {
    recorder: Recorder,
    stats: Stats,
    /// Somebody takes the recorder's news.
    heard: bool,
}

impl HostRecorder {
    /// Opens or makes the ring. Gives sentences for the host's own log too.
    ///
    /// # Errors
    /// [`HostError::Open`], [`HostError::Folder`]. The host goes on without.
    pub fn open(options: Options) -> Result<(HostRecorder, Vec<String>), HostError> {
        let _limit = SizeLimit::begin();
        memory::ask(memory::to_open(options.size)).map_err(|error| {
            HostError::Open(OpenError::Io {
                doing: "allocate memory for",
                path: options.dir.clone(),
                error,
            })
        })?;
        make_folders(&options)?;
        let profile = Arc::new(options.profile.clone());
        let config = Config {
            ring: RingOptions {
                size: options.size,
                in_host: true,
                engine: options.engine,
            },
            profile: Arc::clone(&profile),
            node_lane: Lane::Local,
            populate: options.background.is_some(),
        };
        let opened = Recorder::open(&RecorderDir::at(&options.dir).ring(), config)
            .map_err(HostError::Open)?;
        let mut recorder = opened.recorder;
        // A program beside the host may have frozen what the ring still pins.
        recorder.learn_of_boxes(&RecorderDir::at(&options.dir).boxes());
        let writes_marks = entry::mark_blocks(&profile);
        let lends = entry::may_be_laid(&profile) && recorder.may_lend();
        let program = options.node_program.as_deref().and_then(Program::now);
        Program::note(program.as_ref(), &options.dir);
        let shared = Arc::new(Shared {
            open: Mutex::new(Some(Open {
                recorder,
                stats: Stats::default(),
                heard: options.background.is_some(),
            })),
            options,
            profile,
            program,
            freezing: Mutex::default(),
            messages: Arc::default(),
        });
        let mut notices = opened.notices;
        let keeper = shared.options.background.clone().and_then(|background| {
            let started = Keeper::start(&shared, background);
            let told = started.map_err(|error| {
                notices.push(format!("cannot start the background thread: {error}"))
            });
            told.ok()
        });
        let host = HostRecorder {
            shared,
            birth: Birth::here(),
            writes_marks,
            lends,
            keeper,
        };
        if writes_marks {
            host.put(&Line::start())?;
        }
        Ok((host, notices))
    }

    /// The execution of a block begins. `time_ns`: the block's own time, in
    /// nanoseconds since 1970. `input`: a digest of what the block brings.
    ///
    /// # Errors
    /// As all calls: [`HostError::Forked`], [`HostError::Closed`],
    /// [`HostError::Broken`]; and [`HostError::MarkedByEntries`].
    pub fn begin_block(
        &self,
        height: u64,
        time_ns: i64,
        input: Option<Digest>,
    ) -> Result<Kept, HostError> {
        self.mark(&Line::begin_block(height, time_ns, input))
    }

    /// One entry of what the host executes: a line of text, in the manner of
    /// the profile. A line end at its end is left out; one inside parts it in two.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn record(&self, bytes: &[u8]) -> Result<Kept, HostError> {
        self.put_lines(Stream::Slog, bytes)
    }

    /// Lends a part of the ring to the host, which lays entries of the types `op-*`, `tx-*` and `branch*`
    /// there, as docs/format.md tells, and says in `laid` how many bytes: each is a record of
    /// its own, and survives a kill once its commit word is there. Every other call takes over
    /// what was laid; what appends to the main lane ends the lending, so the host does not lay
    /// while it calls that.
    ///
    /// # Errors
    /// [`HostError::NotLent`]: never with this ring; and those of all calls.
    pub fn lend(&self, laid: &'static AtomicU64) -> Result<Option<Span>, HostError> {
        if !self.lends {
            return Err(HostError::NotLent);
        }
        self.with(|open| match open.recorder.lend(laid) {
            None if !open.recorder.may_lend() => Err(HostError::NotLent),
            lent => Ok(lent),
        })?
    }

    /// The host lays nothing any more.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn end_lending(&self) -> Result<(), HostError> {
        self.with(|open| open.recorder.end_lending())
    }

    /// One line of the node's log.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn log(&self, bytes: &[u8]) -> Result<Kept, HostError> {
        self.put_lines(Stream::Node, bytes)
    }

    /// A crank, or whatever part of a block has digests of its own, ended.
    ///
    /// # Errors
    /// As [`HostRecorder::begin_block`].
    pub fn crank(
        &self,
        number: u64,
        crankhash: Digest,
        activityhash: Digest,
    ) -> Result<Kept, HostError> {
        self.mark(&Line::crank(number, crankhash, activityhash))
    }

    /// The execution of a block ended, with this AppHash if it is known by then.
    ///
    /// # Errors
    /// As [`HostRecorder::begin_block`].
    pub fn end_block(&self, height: u64, app_hash: Option<AppHash>) -> Result<Kept, HostError> {
        self.mark(&Line::end_block(height, app_hash))
    }

    /// The block's state is durable, and this is the node's AppHash after it.
    /// Ends the block if nothing else did.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn commit(&self, height: u64, app_hash: Option<AppHash>) -> Result<Kept, HostError> {
        if !self.writes_marks {
            let event = app_hash.map(|app_hash| Event::LocalHash { height, app_hash });
            return self.with(|open| {
                event
                    .iter()
                    .for_each(|event| open.recorder.event(event, Stream::Slog));
                open.settle(Kept::Whole)
            });
        }
        self.with(|open| {
            let runs = |block: &Block| block.end.is_none() && block.state == State::Open;
            if open.recorder.life().latest(height).is_some_and(runs) {
                open.put(Stream::Slog, Line::end_block(height, app_hash).bytes());
            }
            let kept = open.put(Stream::Slog, Line::commit_block(height, app_hash).bytes());
            open.settle(kept)
        })
    }

    /// What the network decided for a height: the AppHash in the next header.
    /// Equal releases the block and all below it, different pins it; where this
    /// node's is not known, nothing happens.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn confirm(&self, height: u64, network: AppHash) -> Result<Agreement, HostError> {
        self.with(|open| {
            let subject = open.recorder.life().subject(height);
            let agreement = match subject.and_then(|block| block.app_hash) {
                Some(local) if local == network => Agreement::Equal,
                Some(_) => Agreement::Differs,
                None => Agreement::Unknown,
            };
            // The network went on without a node that halted: what it decided
            // above the node's last block must not let go of that block.
            if agreement != Agreement::Unknown {
                let app_hash = Some(network);
                let event = Event::Confirm { height, app_hash };
                open.recorder.event(&event, Stream::Slog);
            }
            open.settle(agreement)
        })
    }

    /// A height and all below it need no more protection: for a host that decides this by
    /// something else than an AppHash.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn release(&self, height: u64) -> Result<(), HostError> {
        let event = Event::Confirm {
            height,
            app_hash: None,
        };
        self.with(|open| {
            open.recorder.event(&event, Stream::Slog);
            open.settle(())
        })
    }

    /// The newest attempt at a height.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn attempt(&self, height: u64) -> Result<Option<Attempt>, HostError> {
        self.with(|open| {
            let latest = open.recorder.life().latest(height);
            latest.map(|block| block.of)
        })
    }

    /// The execution of a height was thrown away: an optimistic one whose
    /// proposal was not decided. It stays until the height is executed again.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn abort(&self, height: u64) -> Result<Kept, HostError> {
        if self.writes_marks {
            return self.put(&Line::abort_block(height));
        }
        self.with(|open| {
            open.recorder.event(&Event::Abort { height }, Stream::Slog);
            open.settle(Kept::Whole)
        })
    }

    /// It is proved that a height differs: pins it until a box holds it. `what`
    /// differs: `AppHash`, `LastResultsHash`.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn diverged(
        &self,
        height: u64,
        expected: AppHash,
        got: AppHash,
        what: &str,
    ) -> Result<(), HostError> {
        let event = Event::Mismatch(Mismatch {
            carried: None,
            round: None,
            height: Some(height),
            field: what.to_owned(),
            local: expected,
            network: got,
            weight: Weight::Proved,
        });
        self.with(|open| {
            open.recorder.event(&event, Stream::Slog);
            open.settle(())
        })
    }

    /// The folder of ring, boxes and archive.
    pub fn dir(&self) -> &Path {
        &self.shared.options.dir
    }

    /// Writes the black box of a height, or of the one an operator would mean.
    /// **The one call that waits for the disk**: seconds for a large ring.
    /// Recording goes on meanwhile.
    ///
    /// # Errors
    /// [`HostError::Nothing`], [`HostError::Freeze`] and those of all calls.
    pub fn freeze(&self, height: Option<u64>) -> Result<Frozen, HostError> {
        let _limit = SizeLimit::begin();
        self.shared.ask_for_memory()?;
        let (subject, _) = self.with(|open| {
            let recorder = &open.recorder;
            let subject = Subject::of(recorder.life(), height, recorder.oldest());
            (subject, ())
        })?;
        let holder = Holder::of(&self.shared.options.dir, subject, height);
        match holder.map_err(HostError::Nothing)? {
            Holder::Ring(subject) => self.shared.freeze(subject.of, subject.reason),
            Holder::Archive(block) => {
                let boxes = self.shared.boxes();
                let reason = crate::freeze_request::BY_REQUEST;
                block.freeze(&boxes, reason).map_err(HostError::Freeze)
            }
        }
    }

    /// Writes the black box of one attempt, and why. **Waits for the disk**, as
    /// [`HostRecorder::freeze`] does.
    ///
    /// # Errors
    /// [`HostError::Freeze`] and those of all calls.
    pub fn freeze_attempt(&self, of: Attempt, reason: String) -> Result<Frozen, HostError> {
        let _limit = SizeLimit::begin();
        self.shared.freeze(of, reason)
    }

    /// Takes what the background thread has to tell the operator: the message of
    /// a box that it wrote, or why it wrote none. Each is given once, the oldest
    /// first, also after [`HostRecorder::close`]. A host prints it in its own log,
    /// for nothing here does.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn take_message(&self) -> Result<Option<String>, HostError> {
        if self.birth.is_elsewhere() {
            return Err(HostError::Forked);
        }
        match self.shared.messages.take() {
            Some(message) => Ok(Some(message)),
            None => self.with(|_| None),
        }
    }

    /// How recording stands.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn stats(&self) -> Result<Stats, HostError> {
        self.with(|open| open.full_stats())
    }

    /// Has the kernel begin to write the ring to the disk, and waits only where the
    /// disk's queue is full. What was recorded survives the process in any case.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn flush(&self) -> Result<(), HostError> {
        let (file, waiting) = self.with(|open| (open.recorder.file(), open.recorder.waiting()))?;
        file.iter().for_each(|file| waiting.start_writeback(file));
        Ok(())
    }

    /// Closes the ring in order. A box that the background thread is writing is
    /// finished by that thread, as long as the process lives.
    pub fn close(&self) {
        if let Ok(mut open) = self.lock()
            && let Some(mut open) = open.take()
        {
            open.take_over();
            open.recorder.close();
        }
        self.keeper.iter().for_each(Keeper::end);
    }

    /// Writes an entry that marks a block, where the calls do that.
    fn mark(&self, line: &Line) -> Result<Kept, HostError> {
        if !self.writes_marks {
            return Err(HostError::MarkedByEntries);
        }
        self.put(line)
    }

    fn put(&self, line: &Line) -> Result<Kept, HostError> {
        self.put_lines(Stream::Slog, line.bytes())
    }

    fn put_lines(&self, stream: Stream, bytes: &[u8]) -> Result<Kept, HostError> {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        self.with(|open| {
            let mut kept = Kept::Whole;
            let (mut rest, mut more) = (bytes, true);
            while more {
                let end = memchr::memchr(b'\n', rest);
                let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if open.put(stream, line) == Kept::Dropped {
                    kept = Kept::Dropped;
                }
                rest = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
                more = end.is_some();
            }
            open.settle(kept)
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Open) -> R) -> Result<R, HostError> {
        let mut open = self.lock()?;
        let open = open.as_mut().ok_or(HostError::Closed)?;
        open.take_over();
        Ok(work(open))
    }

    /// In the child of a fork the lock may be held by a thread that is not
    /// there. A lock that a panic left is not to be trusted with a ring.
    fn lock(&self) -> Result<MutexGuard<'_, Option<Open>>, HostError> {
        if self.birth.is_elsewhere() {
            return Err(HostError::Forked);
        }
        self.shared.open.lock().map_err(|_| HostError::Broken)
    }
}

impl Drop for HostRecorder {
    fn drop(&mut self) {
        self.close();
    }
}

impl Open {
    /// What the host laid stands before whatever comes now.
    #[inline]
    fn take_over(&mut self) {
        let taken = self.recorder.take_over();
        self.stats.records += taken.entries;
        self.stats.bytes += taken.bytes;
    }

    fn put(&mut self, stream: Stream, line: &[u8]) -> Kept {
        self.stats.records += 1;
        self.stats.bytes += line.len() as u64;
        match self.recorder.record(stream, Given::line(line)) {
            true => Kept::Whole,
            false => {
                self.stats.dropped += 1;
                Kept::Dropped
            }
        }
    }

    /// Nobody takes the news of a host without a thread: the marks tell them.
    fn settle<R>(&mut self, result: R) -> R {
        if !self.heard {
            self.recorder.forget_news();
        }
        result
    }

    fn full_stats(&self) -> Stats {
        let oldest = self.recorder.oldest();
        let blocks = self.recorder.life().blocks();
        let height = |block: &Block| block.of.height;
        let there = |block: &&Block| block.until.is_none_or(|until| until.main > oldest);
        let released = |block: &&Block| block.state == State::Confirmed;
        let unfrozen = |block: &&Block| block.state == State::Diverged && block.frozen.is_none();
        Stats {
            head: blocks.last().map_or(0, height),
            released: blocks
                .iter()
                .filter(released)
                .map(height)
                .max()
                .unwrap_or(0),
            oldest: blocks.iter().filter(there).map(height).min().unwrap_or(0),
            pinned: blocks.iter().filter(|block| block.is_pinned()).count() as u64,
            diverged: blocks.iter().filter(unfrozen).count() as u64,
            ..self.stats
        }
    }
}

impl Shared {
    fn boxes(&self) -> PathBuf {
        RecorderDir::at(&self.options.dir).boxes()
    }

    fn lock(&self) -> Option<MutexGuard<'_, Option<Open>>> {
        self.open.lock().ok()
    }

    fn ask_for_memory(&self) -> Result<(), HostError> {
        let asked = memory::ask(memory::TO_FREEZE + memory::to_open(self.options.size));
        let doing = "allocate memory for a box in";
        asked.map_err(|error| HostError::Freeze(FreezeError::of_io(doing, &self.boxes(), error)))
    }

    /// Writes the box of an attempt while recording goes on.
    fn freeze(&self, of: Attempt, reason: String) -> Result<Frozen, HostError> {
        let _one = self.freezing.lock().map_err(|_| HostError::Broken)?;
        self.ask_for_memory()?;
        let (ring, waiting) = {
            let mut open = self.lock().ok_or(HostError::Broken)?;
            let open = open.as_mut().ok_or(HostError::Closed)?;
            // From here on the box needs what the ring holds now.
            open.recorder.hold_history();
            (open.recorder.file(), open.recorder.waiting())
        };
        let ring = match waiting.settle(SETTLING) {
            true => ring,
            false => Err(std::io::ErrorKind::TimedOut.into()),
        };
        let plan = Plan {
            of,
            reason,
            boxes: self.boxes(),
            profile: Arc::clone(&self.profile),
            node_program: self.program.as_ref().and_then(Program::unchanged),
            ask: None,
        };
        let ring = ring
            .map_err(|error| FreezeError::of_io("open the ring for a box in", &plan.boxes, error));
        let frozen = ring.and_then(|ring| freeze::freeze(&ring, &plan));
        if let Some(open) = self.lock().as_deref_mut().and_then(Option::as_mut) {
            match &frozen {
                Ok(frozen) => open
                    .recorder
                    .frozen(frozen.of, frozen.name(), frozen.finding),
                Err(_) => open.recorder.release_history(),
            }
        }
        frozen.map_err(HostError::Freeze)
    }
}

fn make_folders(options: &Options) -> Result<(), HostError> {
    let dir = RecorderDir::at(&options.dir);
    dir.make()
        .map_err(|(folder, error)| HostError::Folder(folder, error))?;
    if let Some(text) = &options.profile_text {
        // Recording does not depend on it.
        let _ = owner_only::replace(&dir.profile(), text);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
