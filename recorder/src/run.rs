//! `haltbox run`: a recorder and a node side by side.
//!
//! The node writes its slog into a file and its output where it always did:
//! neither this process nor the recorder stands in its way, and whatever kills
//! them leaves it running. This process forwards signals, starts a recorder
//! that died again, and gives the node's own exit code.
//!
//! With a FIFO in place of the slog's file nothing of it goes to the disk but
//! what is recorded. The node then depends on this process or the recorder being
//! alive: `run/pump.rs` has what that means.

mod pump;

use haltbox_format::ShowPath;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use crate::operator::control::{self, Request};
use crate::operator::message::say;
use crate::private;
use crate::run::pump::Pump;
use crate::signals;

/// The slog's name in the recorder's folder.
const SLOG: &str = "slog.jsonl";
/// The FIFO's, where the node gets one.
const FIFO: &str = "slog.fifo";
/// The node's output, where it is kept too.
const NODE_LOG: &str = "node.log";
/// How often the two processes are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Before a recorder that died is started again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long the recorder may take to answer: one that hangs must not keep the
/// node's exit code back.
const ANSWER: Duration = Duration::from_secs(15);
/// How long one that was seen alive may take: signals wait meanwhile. Of one that
/// hangs the ring's lock tells.
const ALIVE: Duration = Duration::from_millis(500);
/// How long the recorder may take to read the rest and write its boxes.
const LAST: Duration = Duration::from_secs(120);

/// Signals that are the node's, and the one that tells of its end.
const FORWARDED: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCHLD,
];

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The recorder's folder.
    pub dir: PathBuf,
    /// Options of `record`, as they were given.
    pub record: Vec<OsString>,
    /// Keep the node's output in a file too, and read it as its log.
    pub tee: bool,
    /// Give the node a FIFO in place of the slog's file, and keep this many
    /// bytes of it in memory while the recorder is away.
    pub fifo: Option<u64>,
    /// The node and its arguments.
    pub command: Vec<OsString>,
}

impl Options {
    /// Where the node is to write its slog.
    fn slog(&self) -> PathBuf {
        self.dir.join(self.fifo.map_or(SLOG, |_| FIFO))
    }
}

/// Runs the node to its end; gives its exit code, 128 and the signal's number
/// if one ended it.
///
/// # Errors
/// What keeps the node from being started. Trouble of the recorder is told and
/// keeps nothing.
pub fn run(options: &Options) -> Result<u8, String> {
    let signals =
        signals::catch(&FORWARDED).map_err(|error| format!("cannot catch signals: {error}"))?;
    private::folder(&options.dir)
        .map_err(|error| format!("cannot make {}: {error}", options.dir.shown()))?;
    let oom_kills = oom_kills();
    let start = |backlog| Pump::start(&options.slog(), backlog, say);
    let pump = options.fifo.map(start).transpose()?;
    let mut recorder = Recorder::start(options, pump);
    let log = options.tee.then(|| open_log(&options.dir)).transpose()?;
    let output = log.as_ref().and_then(|_| Tail::start(&options.dir));
    let mut node = start_node(options, log)?;
    let status = loop {
        forward(&signals, &node);
        match node.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => {}
            Err(error) => return Err(format!("the node cannot be waited for: {error}")),
        }
        recorder.keep(options);
        wait(&signals);
    };
    if let Some(tail) = output {
        tail.end();
    }
    let how = judge(status, oom_kills);
    say(&how);
    recorder.end(options, how);
    Ok(code_of(status))
}

fn open_log(dir: &Path) -> Result<File, String> {
    private::append(&dir.join(NODE_LOG))
        .map_err(|error| format!("cannot open the node's log: {error}"))
}

fn start_node(options: &Options, log: Option<File>) -> Result<Child, String> {
    let (program, arguments) = options
        .command
        .split_first()
        .ok_or("nothing to run: name the node's command behind --")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("SLOGFILE", absolute(&options.slog()));
    if let Some(log) = log {
        let again = log.try_clone().map_err(|error| error.to_string())?;
        command.stdout(log).stderr(again);
    }
    unblocked(&mut command)
        .map_err(|error| format!("cannot start {}: {error}", program.to_string_lossy()))
}

/// Starts a program without the signals blocked that this one waits for.
fn unblocked(command: &mut Command) -> io::Result<Child> {
    let blocked = SigSet::thread_get_mask()?;
    SigSet::empty().thread_set_mask()?;
    let started = command.spawn();
    blocked.thread_set_mask()?;
    started
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Hands signals on. One from the terminal reached the node by itself.
fn forward(signals: &SignalFd, node: &Child) {
    while let Ok(Some(info)) = signals.read_signal() {
        let signal = Signal::try_from(info.ssi_signo as i32);
        let of_terminal = info.ssi_code == libc::SI_KERNEL;
        if let Ok(signal) = signal
            && signal != Signal::SIGCHLD
            && !of_terminal
        {
            let _ = kill(Pid::from_raw(node.id() as i32), signal);
        }
    }
}

fn wait(signals: &SignalFd) {
    let mut waiting = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let look = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
    let _ = poll(&mut waiting, look);
}

/// The recorder beside the node, in a process group of its own: what ends the
/// node by the terminal must not end it before it has read the rest.
struct Recorder {
    child: Option<Child>,
    /// What it reads, if that is not a file.
    pump: Option<Pump>,
    since: Instant,
    /// Another recorder writes the ring: that of a wrapper that was killed.
    another: bool,
}

impl Recorder {
    fn start(options: &Options, pump: Option<Pump>) -> Recorder {
        Recorder {
            child: spawn(options, pump.as_ref()),
            pump,
            since: Instant::now(),
            another: false,
        }
    }

    /// Starts it again if it died.
    fn keep(&mut self, options: &Options) {
        let ended = self
            .child
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten());
        if let Some(status) = ended {
            self.child = None;
            self.another = answers(&options.dir, ANSWER);
            match (self.another, &self.pump) {
                (false, _) => say(&format!(
                    "the recorder ended with {status} and is started again"
                )),
                (true, None) => say("the recorder that is at work there already is used"),
                (true, Some(_)) => say(
                    "the recorder of a haltbox run that is gone reads the FIFO of its node; \
                     this node's slog waits until it ends",
                ),
            }
        }
        if self.child.is_none() && self.since.elapsed() >= AGAIN {
            self.since = Instant::now();
            // It may have died since, and nobody else would start one again.
            self.another = self.another && answers(&options.dir, ALIVE);
            if !self.another {
                self.child = spawn(options, self.pump.as_ref());
            }
        }
    }

    /// Lets it read the rest, hear of the node's end, and write its boxes.
    fn end(&mut self, options: &Options, how: String) {
        self.drain(options);
        self.await_start(&options.dir);
        // Another recorder's node, if it does not read here, did not end.
        let concerned = self.pump.is_none() || !self.another;
        let ended = Request::NodeEnded { how };
        let told = concerned.then(|| control::ask_within(&options.dir, &ended, Some(ANSWER)));
        if let Some(Err(error)) = told {
            say(&format!("the recorder was not told: {error}"));
        }
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
        let begun = Instant::now();
        while begun.elapsed() < LAST {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        say("the recorder is still at work and is left to it");
    }
}

impl Recorder {
    /// A node that ends at once, as by a panic at its start, must not end a recorder
    /// that has not begun yet: nothing would be recorded of it.
    fn await_start(&mut self, dir: &Path) {
        let begun = Instant::now();
        while runs(&mut self.child) && !answers(dir, ANSWER) && begun.elapsed() < ANSWER {
            std::thread::sleep(LOOK);
        }
    }

    /// Has the last of the FIFO recorded: what came before the node's end is
    /// what matters most, and nobody but this process has it.
    fn drain(&mut self, options: &Options) {
        let Some(pump) = &self.pump else { return };
        if !runs(&mut self.child) && !self.another {
            self.child = spawn(options, Some(pump));
        }
        let begun = Instant::now();
        // What the pipe has is recorded only if somebody reads it: one that was
        // just started does once it answers.
        while !(pump.drained(LOOK) && answers(&options.dir, ANSWER)) {
            if !runs(&mut self.child) || begun.elapsed() > ANSWER {
                say("no recorder took the last lines of the slog: they are lost");
                return;
            }
        }
    }
}

fn runs(child: &mut Option<Child>) -> bool {
    let child = child.as_mut().map(Child::try_wait);
    matches!(child, Some(Ok(None)))
}

/// A recorder is at work in the folder.
fn answers(dir: &Path, patience: Duration) -> bool {
    let hello = control::ask_within(dir, &Request::Hello, Some(patience));
    hello.is_ok_and(|reply| reply.is_some())
}

fn spawn(options: &Options, pump: Option<&Pump>) -> Option<Child> {
    let program = std::env::current_exe().ok()?;
    let mut command = Command::new(program);
    command
        .arg("record")
        .arg("--dir")
        .arg(&options.dir)
        .args(&options.record)
        .process_group(0);
    match pump.map(Pump::for_recorder) {
        None => {
            command.arg("--slog").arg(options.slog()).arg("--give-back");
        }
        Some(Ok(pipe)) => {
            command
                .arg("--wrapped-fifo")
                .arg(options.slog())
                .stdin(pipe);
        }
        Some(Err(error)) => {
            say(&format!("no recorder: {error}; it is tried again"));
            return None;
        }
    }
    if options.tee {
        command.arg("--node-log").arg(options.dir.join(NODE_LOG));
    }
    let started = unblocked(&mut command);
    started
        .map_err(|error| say(&format!("no recorder: {error}; the node runs without one")))
        .ok()
}

/// Copies what the node appends to its log to this process's output, in a
/// thread of its own: whoever reads the output may be slow or gone, and neither
/// the node nor its signals wait for that.
struct Tail {
    over: Sender<()>,
    done: Receiver<()>,
}

impl Tail {
    /// The file is there: it was opened for the node.
    fn start(dir: &Path) -> Option<Tail> {
        let log = File::open(dir.join(NODE_LOG)).ok()?;
        let mut offset = log.metadata().ok()?.len();
        let ((over, ending), (ended, done)) = (channel(), channel());
        let work = move || {
            while ending.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                offset += copy(&log, offset);
            }
            copy(&log, offset);
            let _ = ended.send(());
        };
        let started = std::thread::Builder::new()
            .name("haltbox-tail".to_owned())
            .spawn(work);
        started.ok().map(|_| Tail { over, done })
    }

    /// Copies the rest, if somebody reads it.
    fn end(self) {
        let _ = self.over.send(());
        let _ = self.done.recv_timeout(ANSWER);
    }
}

/// Copies from an offset to the end; gives how much that was.
fn copy(log: &File, from: u64) -> u64 {
    let mut bytes = [0; 64 << 10];
    let mut copied = 0;
    while let Ok(count @ 1..) = log.read_at(&mut bytes, from + copied) {
        copied += count as u64;
        let shown = bytes.get(..count).unwrap_or_default();
        let _ = io::stdout().lock().write_all(shown);
    }
    copied
}

fn code_of(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signal).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

/// How the node ended, in words.
fn judge(status: ExitStatus, oom_kills_before: Option<u64>) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "the node ended in order".to_owned(),
        (Some(code), _) => format!("the node ended with exit code {code}"),
        (None, Some(libc::SIGKILL)) if oom_kills() > oom_kills_before => {
            "the node was killed for want of memory (the kernel's OOM killer)".to_owned()
        }
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            format!("the node was ended by {name}")
        }
        (None, None) => "the node ended".to_owned(),
    }
}

/// Processes of this control group that the kernel killed for want of memory.
fn oom_kills() -> Option<u64> {
    let group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = group.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut events = String::new();
    let path = format!("/sys/fs/cgroup{path}/memory.events");
    File::open(path).ok()?.read_to_string(&mut events).ok()?;
    let count = events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?;
    count.parse().ok()
}
