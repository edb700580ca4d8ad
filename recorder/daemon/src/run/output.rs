//! The node's output under `--tee`: kept in `node.log` and shown where it was
//! shown before.
//!
//! The node writes into a file in memory. No full disk, slow reader, stopped or
//! killed process can fail such a write or hold it up. One thread copies from
//! there into the log, another one to standard output, and what both have is
//! given back. Should this process be killed, the recorder copies on.
//!
//! What the log cannot take is left out by whole lines, counted, and told in its
//! place, as [`LeftOut`](haltbox_recorder::source_entry::LeftOut) has it: whoever reads the
//! log sees that it has a gap.

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

use super::link;
use log::Log;

/// The log's name in the recorder's folder.
pub const NODE_LOG: &str = "node.log";
/// Bytes copied at once.
const CHUNK: usize = 128 << 10;
/// How often the threads look for more.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that wait at most for a standard output that nobody reads: the log has them.
const UNSHOWN: u64 = 64 << 20;
/// How many bytes are given back at once.
const GIVE_BACK: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// The first bytes, and the last ones before the place that was reached, by which
/// output that was cut and grew again is known.
const KNOWN_BY: usize = 256;

/// The memory, seen by the threads that copy out of it.
struct Memory {
    /// Its position tells a recorder how far it was copied into the log.
    file: File,
    logged: AtomicU64,
    shown: AtomicU64,
    /// Before this nothing is there any more.
    freed: AtomicU64,
    /// The node ended: what is there now is all.
    over: AtomicBool,
    say: fn(&str),
}

/// The output of a node that is at work.
pub struct Output {
    memory: Arc<Memory>,
    logged: Receiver<()>,
    shown: Receiver<()>,
}

impl Output {
    /// Copies what the node writes into [`Output::for_node`], from now on.
    ///
    /// # Errors
    /// In words: there is no memory, no thread, or no log at this place.
    pub fn start(folder: &Path, say: fn(&str)) -> Result<Output, String> {
        unlimited()?;
        let file = link::memory("haltbox-output")
            .map_err(|error| format!("cannot keep the node's output in memory: {error}"))?;
        let own = file
            .try_clone()
            .map_err(|error| format!("cannot keep the node's output in memory: {error}"))?;
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
        let output =
            File::from(output.map_err(|error| format!("cannot open standard output: {error}"))?);
        let shown = start("haltbox-output", move || of_show.show(output))?;
        Ok(Output {
            memory,
            logged,
            shown,
        })
    }

    /// The memory itself.
    pub fn file(&self) -> &File {
        &self.memory.file
    }

    /// What the node gets as its output: each write goes behind the others.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn for_node(&self) -> io::Result<File> {
        let path = format!("/proc/self/fd/{}", self.memory.file.as_raw_fd());
        File::options().append(true).open(path)
    }

    /// The node ended: waits until the log has its last words.
    pub fn log_the_rest(&self, patience: Duration) {
        self.memory.over.store(true, Ordering::SeqCst);
        let _ = self.logged.recv_timeout(patience);
    }

    /// Says what the log did not get till now: from here on nobody copies.
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

    /// Waits until all is shown, as long as somebody reads it.
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

/// The memory is as long as all that the node prints, and a limit of the sizes of
/// files would end it there.
fn unlimited() -> Result<(), String> {
    let limit = getrlimit(Resource::Fsize).current;
    limit.map_or(Ok(()), |bytes| {
        Err(format!(
            "the file size limit ({bytes} bytes) would kill the node once it has printed that \
             much: remove the limit (ulimit -f unlimited, LimitFSIZE=infinity), or leave out --tee"
        ))
    })
}

/// Starts a thread; what is received tells that it is done.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Receiver<()>, String> {
    let (told, done) = channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            work();
            let _ = told.send(());
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
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

    /// What both have goes; one that shows too slowly loses the oldest.
    fn give_back(&self) {
        let logged = self.logged.load(Ordering::SeqCst);
        let shown = self.shown.load(Ordering::SeqCst).min(logged);
        let until = no_more_needed(shown.max(logged.saturating_sub(UNSHOWN)));
        let freed = self.freed.load(Ordering::SeqCst);
        if until >= freed + GIVE_BACK {
            // First told, then done: a reader looks behind what it read.
            self.freed.store(until, Ordering::SeqCst);
            give_back(&self.file, until);
        }
    }

    /// Unless the other thread saw that the output begins anew.
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

/// A page before the place is kept: it tells whether somebody wrote there anew.
fn no_more_needed(place: u64) -> u64 {
    (place / PAGE).saturating_sub(1) * PAGE
}

fn length(memory: &File) -> u64 {
    memory.metadata().map_or(u64::MAX, |found| found.len())
}

/// Prints what the node printed, and waits for a reader that is behind.
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

/// What could not be shown, told when it begins.
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
            // Whoever read it has seen enough.
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
    /// What it begins with, and what stood before that place: both stand there still
    /// unless somebody wrote there anew.
    head: Vec<u8>,
    before: Tail,
    /// How often it was.
    cuts: u64,
    log: Log,
    chunk: Vec<u8>,
}

impl Copying {
    /// Goes on behind what was copied already.
    ///
    /// # Errors
    /// In words: there can be no log at this place. A full disk is no such reason.
    pub fn begin(
        folder: &Path,
        memory: File,
        copied: u64,
        say: fn(&str),
    ) -> Result<Copying, String> {
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

    /// Copies what is there, at most one chunk; whether there was anything.
    pub fn turn(&mut self) -> bool {
        if self.was_cut() {
            // The node opened its output anew, which cut it to nothing.
            self.at = 0;
            self.head.clear();
            self.before.clear();
            self.cuts += 1;
            self.log.gap();
        } else if !self.stand(self.before.last(KNOWN_BY), self.at) {
            // Somebody writes into the middle, over what others wrote.
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
        // Last: killed before it, the next who copies repeats these lines.
        let _ = self.memory.seek(SeekFrom::Start(self.at));
        count > 0
    }

    /// It is shorter than it was, or grew again to other bytes.
    fn was_cut(&self) -> bool {
        length(&self.memory) < self.at || !self.stand(&self.head, self.head.len() as u64)
    }

    /// Whether these bytes stand before a place.
    fn stand(&self, bytes: &[u8], before: u64) -> bool {
        let mut found = vec![0; bytes.len()];
        let at = before.saturating_sub(bytes.len() as u64);
        self.memory.read_exact_at(&mut found, at).is_err() || found == bytes
    }

    /// As [`Copying::turn`], where nobody shows what is copied.
    pub fn turn_alone(&mut self) -> bool {
        let copied = self.turn();
        if copied && self.at % GIVE_BACK < CHUNK as u64 {
            give_back(&self.memory, no_more_needed(self.at));
        }
        copied
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.log.end();
    }
}

/// The first page stays: it tells whether the output begins anew.
fn give_back(memory: &File, until: u64) {
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    let length = i64::try_from(until.saturating_sub(PAGE)).unwrap_or(0);
    let _ = fallocate(memory, punch, PAGE as i64, length);
}
