//! The node's output with `--tee`: kept in `node.log`, and shown where it was
//! shown before.
//!
//! The node writes into a file in memory. So no full disk, slow reader, or
//! stopped or killed process makes a write of the node fail or wait. One thread
//! copies from memory into the log, another one to standard output. What both
//! have copied is freed. If this process is killed, the recorder continues the
//! copy into the log.
//!
//! If the log cannot take something, whole lines are left out, and a line in
//! their place says how many, as in
//! [`LeftOut`](haltbox_recorder::source_entry::LeftOut). So a reader of the log
//! sees the gap.

mod log;

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use haltbox_format::mark::Tail;
use nix::fcntl::{FallocateFlags, fallocate};
use rustix::process::{Resource, getrlimit};
use thiserror::Error;

use super::link;
use log::Log;
pub use log::LogError;

/// Name of the log in the recorder's folder.
pub const NODE_LOG: &str = "node.log";
/// Most bytes copied at once.
const CHUNK: usize = 128 << 10;
/// Pause of the threads before they look for more.
const LOOK: Duration = Duration::from_millis(50);
/// Most bytes that wait for a reader of standard output. The log has them too.
const UNSHOWN: u64 = 64 << 20;
/// Bytes that are freed at once.
const GIVE_BACK: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// How many first bytes, and how many bytes before the copied place, are
/// compared. They show that the output was cut and has grown again.
const KNOWN_BY: usize = 256;

/// The memory, and how far the threads have copied it.
struct Memory {
    /// The file's position says how far it was copied into the log. A recorder
    /// reads it if this process is killed.
    file: File,
    logged: AtomicU64,
    shown: AtomicU64,
    /// Bytes before this place are freed, except the first page.
    freed: AtomicU64,
    /// Whether the node ended, so that nothing more comes.
    over: AtomicBool,
    say: fn(&str),
}

/// Reasons why a node's output cannot be kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Files may have only this many bytes, and so may the one in memory.
    #[error(
        "the file size limit ({bytes} bytes) would kill the node once it has printed that \
         much: remove the limit (ulimit -f unlimited, LimitFSIZE=infinity), or leave out --tee"
    )]
    Limit {
        /// The limit.
        bytes: u64,
    },
    /// There is no file in memory.
    #[error("cannot keep the node's output in memory: {error}")]
    Memory {
        /// What the system said.
        error: io::Error,
    },
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The memory of a wrapper that was killed cannot be opened.
    #[error(transparent)]
    Inherited(io::Error),
    /// Standard output cannot be duplicated.
    #[error("cannot open standard output: {error}")]
    Stdout {
        /// What the system said.
        error: io::Error,
    },
    /// There is no thread.
    #[error("cannot start a thread: {error}")]
    Thread {
        /// What the system said.
        error: io::Error,
    },
}

/// The output of a running node.
pub struct Output {
    memory: Arc<Memory>,
    logged: Receiver<()>,
    shown: Receiver<()>,
}

impl Output {
    /// Begins to copy what the node writes into [`Output::for_node`].
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn start(folder: &Path, say: fn(&str)) -> Result<Output, OutputError> {
        unlimited()?;
        let cannot = |error| OutputError::Memory { error };
        let file = link::memory("haltbox-output").map_err(cannot)?;
        let own = file.try_clone().map_err(cannot)?;
        let memory = Arc::new(Memory {
            file,
            logged: AtomicU64::new(0),
            shown: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            over: AtomicBool::new(false),
            say,
        });
        let mut copying = Copying::begin(folder, own, 0, say)?;
        let of_log = Arc::clone(&memory);
        let logged = start("haltbox-log", move || of_log.log(&mut copying))?;
        let of_show = Arc::clone(&memory);
        let output = io::stdout().as_fd().try_clone_to_owned();
        let output = File::from(output.map_err(|error| OutputError::Stdout { error })?);
        let shown = start("haltbox-output", move || of_show.show(output))?;
        Ok(Output {
            memory,
            logged,
            shown,
        })
    }

    /// The file in memory.
    pub fn file(&self) -> &File {
        &self.memory.file
    }

    /// The file for the node's output. It appends, so that writes of several
    /// processes follow each other.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn for_node(&self) -> io::Result<File> {
        let path = format!("/proc/self/fd/{}", self.memory.file.as_raw_fd());
        File::options().append(true).open(path)
    }

    /// Waits until the log has the last bytes of the node that ended.
    pub fn log_the_rest(&self, patience: Duration) {
        self.memory.over.store(true, Ordering::SeqCst);
        let _ = self.logged.recv_timeout(patience);
    }

    /// Says how many bytes the log lacks, because nobody copies from now on.
    pub fn tell_unlogged(&self) {
        let all = length(&self.memory.file);
        let left = all.saturating_sub(self.memory.logged.load(Ordering::SeqCst));
        if left > 0 {
            (self.memory.say)(&format!(
                "the last {left} bytes of the node's output are missing in node.log: the disk is \
                 slow, or a process that the node started is still writing"
            ));
        }
    }

    /// Waits until everything is shown, as long as somebody reads it.
    pub fn show_the_rest(&self, idle: Duration, most: Duration) {
        let begun = Instant::now();
        let mut before = u64::MAX;
        while before != self.memory.shown.load(Ordering::SeqCst) && begun.elapsed() < most {
            before = self.memory.shown.load(Ordering::SeqCst);
            if self.shown.recv_timeout(idle).is_ok() {
                return;
            }
        }
        (self.memory.say)("nothing reads the node's output: its last lines are only in node.log");
    }
}

/// Refuses a limit of file sizes. The file in memory gets as long as everything
/// that the node prints, and the limit would kill the node there.
fn unlimited() -> Result<(), OutputError> {
    let limit = getrlimit(Resource::Fsize).current;
    limit.map_or(Ok(()), |bytes| Err(OutputError::Limit { bytes }))
}

/// Starts a thread. The receiver gets a message when it is done.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Receiver<()>, OutputError> {
    let (told, done) = channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            work();
            let _ = told.send(());
        })
        .map_err(|error| OutputError::Thread { error })?;
    Ok(done)
}

impl Memory {
    fn log(&self, copying: &mut Copying) {
        loop {
            let over = self.over.load(Ordering::SeqCst);
            let cuts = copying.cuts;
            let copied = copying.turn();
            if copying.cuts > cuts {
                self.freed.store(0, Ordering::SeqCst);
                self.shown.store(0, Ordering::SeqCst);
            }
            self.logged.store(copying.at, Ordering::SeqCst);
            self.give_back();
            if !copied && over {
                return copying.end();
            }
            if !copied {
                std::thread::sleep(LOOK);
            }
        }
    }

    /// Frees what both threads have copied. If the one that shows is too slow,
    /// its oldest bytes are freed too.
    fn give_back(&self) {
        let logged = self.logged.load(Ordering::SeqCst);
        let shown = self.shown.load(Ordering::SeqCst).min(logged);
        let until = no_more_needed(shown.max(logged.saturating_sub(UNSHOWN)));
        let freed = self.freed.load(Ordering::SeqCst);
        if until >= freed + GIVE_BACK {
            // Store the place before freeing it. The other thread reads the
            // place after it read bytes, and sees whether they were freed.
            self.freed.store(until, Ordering::SeqCst);
            give_back(&self.file, until);
        }
    }

    /// Advances `shown`, unless the other thread reset it because the output
    /// begins anew.
    fn shown_to(&self, from: u64, until: u64) {
        let order = Ordering::SeqCst;
        let _ = self.shown.compare_exchange(from, until, order, order);
    }

    fn show(&self, mut output: File) {
        let mut chunk = vec![0; CHUNK];
        let mut lost = Unshown::default();
        loop {
            let over = self.over.load(Ordering::SeqCst);
            let at = self.shown.load(Ordering::SeqCst);
            let count = self.file.read_at(&mut chunk, at).unwrap_or(0);
            let freed = self.freed.load(Ordering::SeqCst);
            let bytes = chunk.get(..count).unwrap_or_default();
            if freed > at {
                lost.skipped(freed - at, self.say);
                self.shown_to(at, freed);
            } else if count > 0 {
                lost.shown(show(bytes, &mut output, &self.over), self.say);
                self.shown_to(at, at + count as u64);
            } else if length(&self.file) < at {
                self.shown_to(at, 0);
            } else if over {
                return;
            } else {
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// End of the bytes that nobody needs. Keeps a page before the place, to notice
/// whether somebody writes there anew.
fn no_more_needed(place: u64) -> u64 {
    (place / PAGE).saturating_sub(1) * PAGE
}

fn length(memory: &File) -> u64 {
    memory.metadata().map_or(u64::MAX, |found| found.len())
}

/// Prints what the node printed. Waits for a slow reader.
fn show(mut bytes: &[u8], output: &mut File, over: &AtomicBool) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if over.load(Ordering::SeqCst) {
                    return Err(error);
                }
                std::thread::sleep(LOOK);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reports bytes that could not be shown, once for each trouble.
#[derive(Default)]
struct Unshown {
    told: bool,
}

impl Unshown {
    fn skipped(&mut self, bytes: u64, say: fn(&str)) {
        say(&format!(
            "{bytes} bytes of the node's output are not shown, because nothing reads it: they are \
             in node.log"
        ));
    }

    fn shown(&mut self, outcome: io::Result<()>, say: fn(&str)) {
        match outcome {
            Ok(()) => self.told = false,
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) if !self.told => {
                self.told = true;
                say(&format!(
                    "cannot show the node's output ({error}): it is in node.log"
                ));
            }
            Err(_) => {}
        }
    }
}

/// Copies the memory into the log.
pub struct Copying {
    memory: File,
    at: u64,
    /// The first bytes of the output, and those before `at`. They are still
    /// there unless somebody wrote anew.
    head: Vec<u8>,
    before: Tail,
    /// How often the output was cut.
    cuts: u64,
    log: Log,
    chunk: Vec<u8>,
}

impl Copying {
    /// Continues behind `copied` bytes that are in the log already.
    ///
    /// # Errors
    /// [`LogError`]. A full disk is no such error.
    pub fn begin(
        folder: &Path,
        memory: File,
        copied: u64,
        say: fn(&str),
    ) -> Result<Copying, LogError> {
        let mut log = Log::new(&folder.join(NODE_LOG), say);
        log.open()?;
        Ok(Copying {
            memory,
            at: copied,
            head: Vec::new(),
            before: Tail::default(),
            cuts: 0,
            log,
            chunk: vec![0; CHUNK],
        })
    }

    /// Copies at most one chunk. Returns whether there was anything.
    pub fn turn(&mut self) -> bool {
        if self.was_cut() {
            // The node opened its output again and cut it to nothing.
            self.at = 0;
            self.head.clear();
            self.before.clear();
            self.cuts += 1;
            self.log.gap();
        } else if !self.stand(self.before.last(KNOWN_BY), self.at) {
            // Somebody writes into the middle, over bytes of others.
            self.before.clear();
            self.log.gap();
        }
        let count = self.memory.read_at(&mut self.chunk, self.at).unwrap_or(0);
        let bytes = self.chunk.get(..count).unwrap_or_default();
        self.log.write(bytes);
        self.before.push(bytes);
        let room = KNOWN_BY.saturating_sub(self.head.len());
        if self.at == self.head.len() as u64 {
            self.head.extend(bytes.iter().take(room));
        }
        self.at += count as u64;
        // Move the position last. After a kill before this, the next recorder
        // copies these lines again and loses none.
        let _ = self.memory.seek(SeekFrom::Start(self.at));
        count > 0
    }

    /// Whether the output is shorter than before, or has other bytes at its
    /// beginning.
    fn was_cut(&self) -> bool {
        length(&self.memory) < self.at || !self.stand(&self.head, self.head.len() as u64)
    }

    /// Whether these bytes are still before a place.
    fn stand(&self, bytes: &[u8], before: u64) -> bool {
        let mut found = vec![0; bytes.len()];
        let at = before.saturating_sub(bytes.len() as u64);
        self.memory.read_exact_at(&mut found, at).is_err() || found == bytes
    }

    /// As [`Copying::turn`], for a copy without a thread that shows. Also frees
    /// what was copied.
    pub fn turn_alone(&mut self) -> bool {
        let copied = self.turn();
        if copied && self.at % GIVE_BACK < CHUNK as u64 {
            give_back(&self.memory, no_more_needed(self.at));
        }
        copied
    }

    /// Ends the log. Nothing more comes.
    pub fn end(&mut self) {
        self.log.end();
    }
}

/// Frees bytes before `until`, except the first page. That page shows whether
/// the output begins anew.
fn give_back(memory: &File, until: u64) {
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let length = i64::try_from(until.saturating_sub(PAGE)).unwrap_or(0);
    let _ = fallocate(memory, punch, PAGE as i64, length);
}
