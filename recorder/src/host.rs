//! The recorder inside a host: the calls for an application that links this
//! crate.
//!
//! ```text
//! begin_block(H)  record ...  end_block(H)  commit(H)      the host executes
//!                                           confirm(H) | diverged(H)    the network decides
//! ```
//!
//! Any thread may call. Each call takes one short lock and prints nothing. Only
//! [`HostRecorder::open`], [`HostRecorder::freeze`] and
//! [`HostRecorder::freeze_attempt`] wait for the disk. [`HostRecorder::flush`]
//! and [`HostRecorder::close`] do so while the disk's queue is full, and with
//! the engine `queue` closing waits up to a second for the rest of the queue.
//! With the engine `write`, which a host must ask for, recording waits as long
//! as the file system does. No call waits for another process.
//!
//! Threads run only if [`Options::background`] asks for them. Without them
//! `haltbox record --attach RING` freezes and archives, and a call may wait for
//! a page fault in the ring's file.
//!
//! A host of the `host` profile has no slog of its own: the calls write the
//! entries that mark its blocks. Other profiles read blocks from the host's own
//! entries, as Agoric's slog has them. Then the calls that mark blocks return
//! [`HostError::MarkedByEntries`], and `commit` only gives the AppHash.

mod entry;
mod error;
mod keeper;
mod messages;
pub mod program;

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
pub use error::{HostError, HostErrorKind};
pub use keeper::Background;
use keeper::Keeper;
use messages::Messages;
use program::Program;

/// Size of a ring in bytes, if the host sets none.
pub const DEFAULT_SIZE: u64 = 256 << 20;

/// Longest wait until the queue's records are in the ring's file, before a box
/// is written.
const SETTLING: Duration = Duration::from_secs(10);

/// What to record, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of ring, boxes and archive, created if it is missing. Never
    /// choose one under a node's `data/`: operators reset that.
    pub dir: PathBuf,
    /// Size of the ring in bytes, 4 MiB to 1 TiB.
    pub size: u64,
    /// How records get into the ring's file. `None` maps the file where a full
    /// disk cannot raise SIGBUS, and queues records for a thread elsewhere. It
    /// refuses a file system that it does not know.
    pub engine: Option<Engine>,
    /// The profile that says how to read the host's entries.
    pub profile: Profile,
    /// The profile's text if it is not builtin. It is copied beside the ring,
    /// for later readers.
    pub profile_text: Option<Vec<u8>>,
    /// The node's executable. Its digest goes into the boxes.
    pub node_program: Option<PathBuf>,
    /// Starts two threads: one freezes diverged blocks and archives, one makes
    /// the ring's pages present ahead of the calls.
    pub background: Option<Background>,
}

impl Options {
    /// Settings for a ring of [`DEFAULT_SIZE`] without threads.
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

/// Whether the ring took an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The ring has it. It survives the end of the process, except for the
    /// newest entries of the engine `queue`.
    Whole,
    /// The ring had no space that may be overwritten. The entry is counted as
    /// dropped.
    Dropped,
}

/// How the network's AppHash compares with this node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Equal: the block is released.
    Equal,
    /// Different: the block is pinned.
    Differs,
    /// This node's AppHash is not known: nothing changes.
    Unknown,
}

/// Counts since the ring was opened, and the state of its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries recorded.
    pub records: u64,
    /// Bytes of these entries.
    pub bytes: u64,
    /// Entries that were dropped.
    pub dropped: u64,
    /// Height of the block begun last. 0 if there is none.
    pub head: u64,
    /// Greatest confirmed height. 0 if there is none.
    pub released: u64,
    /// Least height with entries in the ring. 0 if there is none.
    pub oldest: u64,
    /// Blocks that must not be overwritten.
    pub pinned: u64,
    /// Diverged blocks without a box. They are pinned too.
    pub diverged: u64,
}

/// A recorder inside a host. Dropping it closes the ring.
pub struct HostRecorder {
    shared: Arc<Shared>,
    birth: Birth,
    /// Whether the calls write the entries that mark blocks. Depends on the
    /// profile.
    writes_marks: bool,
    /// Whether the host may write entries into the ring itself: the ring can
    /// lend, and the profile ignores the types that a host may write there.
    lends: bool,
    keeper: Option<Keeper>,
}

/// State that the host's threads and the background thread share.
struct Shared {
    options: Options,
    profile: Arc<Profile>,
    /// The host's executable, as it was when the ring was opened.
    program: Option<Program>,
    open: Mutex<Option<Open>>,
    /// Held while a box is written, so that there is one at a time.
    freezing: Mutex<()>,
    messages: Arc<Messages>,
}

struct Open {
    recorder: Recorder,
    stats: Stats,
    /// Whether a thread takes the recorder's news.
    heard: bool,
}

impl HostRecorder {
    /// Opens the ring, and creates it if it is missing. Also returns notices
    /// for the host's log.
    ///
    /// # Errors
    /// [`HostError::Open`], [`HostError::Folder`]. A host should go on without
    /// a recorder then.
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
        let writes_marks = entry::mark_blocks(&profile);
        let config = Config {
            ring: RingOptions {
                size: options.size,
                in_host: true,
                engine: options.engine,
            },
            profile: Arc::clone(&profile),
            node_lane: Lane::Local,
            own_start: writes_marks,
            populate: options.background.is_some(),
        };
        let opened = Recorder::open(&RecorderDir::at(&options.dir).ring(), config)
            .map_err(HostError::Open)?;
        let mut recorder = opened.recorder;
        // Another program may have written boxes for blocks that the ring still
        // pins.
        recorder.learn_of_boxes(&RecorderDir::at(&options.dir).boxes());
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

    /// Begins the execution of a block. `time_ns` is the block's own time in
    /// nanoseconds since 1970. `input` is a digest of the block's inputs.
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

    /// Records one entry of the host's execution: a line of text as the profile
    /// expects it.
    ///
    /// A newline at the end is removed. A newline inside splits the text into
    /// two entries.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn record(&self, bytes: &[u8]) -> Result<Kept, HostError> {
        self.put_lines(Stream::Slog, bytes)
    }

    /// Lends a part of the ring to the host, which then writes entries of the
    /// types `op-*`, `tx-*` and `branch*` there without calls.
    ///
    /// `docs/format.md` has the layout. Each entry is a record of its own, and
    /// survives a kill once its commit word is written. The host counts the
    /// written bytes in `laid`. Every other call takes over what the host has
    /// written so far. A call that appends to the main lane also ends the
    /// lending, so the host must not write while it makes such a call.
    ///
    /// Returns `None` if nothing can be lent at the moment.
    ///
    /// # Errors
    /// [`HostError::NotLent`] if this ring can never lend, and the errors of
    /// all calls.
    pub fn lend(&self, laid: &'static AtomicU64) -> Result<Option<Span>, HostError> {
        if !self.lends {
            return Err(HostError::NotLent);
        }
        self.with(|open| match open.recorder.lend(laid) {
            None if !open.recorder.may_lend() => Err(HostError::NotLent),
            lent => Ok(lent),
        })?
    }

    /// Ends the lending. The host must not write into the ring after this.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn end_lending(&self) -> Result<(), HostError> {
        self.with(|open| open.recorder.end_lending())
    }

    /// Records one line of the node's log.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn log(&self, bytes: &[u8]) -> Result<Kept, HostError> {
        self.put_lines(Stream::Node, bytes)
    }

    /// Records the end of a crank, or of another part of a block that has
    /// digests of its own.
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

    /// Ends the execution of a block. `app_hash` is its AppHash, if it is known
    /// by now.
    ///
    /// # Errors
    /// As [`HostRecorder::begin_block`].
    pub fn end_block(&self, height: u64, app_hash: Option<AppHash>) -> Result<Kept, HostError> {
        self.mark(&Line::end_block(height, app_hash))
    }

    /// Records that the block's state is durable, and the node's AppHash after
    /// it. Ends the block first if it has no end yet.
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

    /// Records the network's AppHash of a height, from the next header.
    ///
    /// If it equals this node's, the block and all below it are released. If it
    /// differs, the block is pinned. If this node's AppHash is not known,
    /// nothing changes.
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
            // The network may be ahead of a node that halted. A hash of a
            // height that this node did not execute must not release the node's
            // last block.
            if agreement != Agreement::Unknown {
                let app_hash = Some(network);
                let event = Event::Confirm { height, app_hash };
                open.recorder.event(&event, Stream::Slog);
            }
            open.settle(agreement)
        })
    }

    /// Releases a height and all below it, for a host that decides by something
    /// other than an AppHash.
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

    /// The newest attempt at a height. `None` if the ring has none.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn attempt(&self, height: u64) -> Result<Option<Attempt>, HostError> {
        self.with(|open| {
            let latest = open.recorder.life().latest(height);
            latest.map(|block| block.of)
        })
    }

    /// Records that the host discarded the execution of a height, as it does
    /// with an optimistic one whose proposal was not decided. The entries stay
    /// until the height is executed again.
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

    /// Records a proven divergence, and pins the height until it is in a box.
    ///
    /// `expected` is this node's hash and `got` is the network's. `what` names
    /// the field that differs: `AppHash` or `LastResultsHash`.
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

    /// The folder with the ring, the boxes and the archive.
    pub fn dir(&self) -> &Path {
        &self.shared.options.dir
    }

    /// Writes the black box of a height, or of the block that an operator most
    /// likely wants.
    ///
    /// **Waits for the disk**: seconds for a large ring. Other threads can
    /// record meanwhile.
    ///
    /// # Errors
    /// [`HostError::Nothing`], [`HostError::Freeze`], and the errors of all
    /// calls.
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
            Holder::Ring(subject) => self.shared.freeze(subject.of, subject.reason, |_| {}),
            Holder::Archive(block) => {
                let boxes = self.shared.boxes();
                let reason = crate::freeze_request::BY_REQUEST;
                block.freeze(&boxes, reason).map_err(HostError::Freeze)
            }
        }
    }

    /// Writes the black box of one attempt, with this reason. **Waits for the
    /// disk**, as [`HostRecorder::freeze`] does.
    ///
    /// # Errors
    /// [`HostError::Freeze`], and the errors of all calls.
    pub fn freeze_attempt(&self, of: Attempt, reason: String) -> Result<Frozen, HostError> {
        let _limit = SizeLimit::begin();
        self.shared.freeze(of, reason, |_| {})
    }

    /// Takes the oldest message of the background thread: the halt message of a
    /// box, or why there is no box.
    ///
    /// Each message is returned once, also after [`HostRecorder::close`]. The
    /// host should print it into its own log, because the recorder prints
    /// nothing.
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

    /// Counts since the ring was opened, and the state of its blocks.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn stats(&self) -> Result<Stats, HostError> {
        self.with(|open| open.full_stats())
    }

    /// Asks the kernel to begin writing the ring to the disk. Waits only while
    /// the disk's queue is full.
    ///
    /// This is for power cuts. Mapped records survive the end of the process
    /// without it.
    ///
    /// # Errors
    /// [`HostError::Forked`], [`HostError::Closed`], [`HostError::Broken`].
    pub fn flush(&self) -> Result<(), HostError> {
        let (file, waiting) = self.with(|open| (open.recorder.file(), open.recorder.waiting()))?;
        file.iter().for_each(|file| waiting.start_writeback(file));
        Ok(())
    }

    /// Closes the ring. With the engine `queue` this waits up to a second until
    /// the queue is in the file; its thread goes on after that. The background
    /// thread still finishes a box that it is writing, if the process lives long
    /// enough.
    pub fn close(&self) {
        if let Ok(mut open) = self.lock()
            && let Some(mut open) = open.take()
        {
            open.take_over();
            open.recorder.close();
        }
        self.keeper.iter().for_each(Keeper::end);
    }

    /// Writes an entry that marks a block, if the profile leaves that to the
    /// calls.
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

    /// Takes the lock, after two checks. In the child of a fork, a thread that
    /// does not exist there may hold the lock. After a panic the ring's state
    /// in memory may be half changed, so nothing more is written.
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
    /// Takes over what the host wrote into the lent part, so that it stands
    /// before the next record.
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

    /// Drops the news if no thread takes them. They are in the marks too.
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

    /// Writes the box of an attempt. Other threads can record meanwhile. Calls `announce` once
    /// the box is durable, before the ring says so.
    fn freeze(
        &self,
        of: Attempt,
        reason: String,
        announce: impl FnOnce(&Frozen),
    ) -> Result<Frozen, HostError> {
        let _one = self.freezing.lock().map_err(|_| HostError::Broken)?;
        self.ask_for_memory()?;
        let (ring, waiting) = {
            let mut open = self.lock().ok_or(HostError::Broken)?;
            let open = open.as_mut().ok_or(HostError::Closed)?;
            // Keep the history that the box needs while it is copied.
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
        if let Ok(frozen) = &frozen {
            announce(frozen);
        }
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
        // If this fails, recording goes on. A reader then needs the profile
        // from somewhere else.
        let _ = owner_only::replace(&dir.profile(), text);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
