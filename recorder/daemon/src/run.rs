//! `haltbox run`: a recorder and a node side by side.
//!
//! The node writes its slog into a file and its output where it always did, or,
//! with `--tee`, into memory: neither this process nor the recorder stands in its
//! way, and whatever kills them leaves it running. This process forwards signals,
//! has a recorder started again that died, and gives the node's own exit code,
//! whatever the recorder does.
//!
//! With a FIFO in place of the slog's file nothing of it goes to the disk but
//! what is recorded. The node then depends on this process or the recorder being
//! alive: `run/pump.rs` has what that means.
//!
//! | where | what |
//! |---|---|
//! | [`recorder_child`] | the thread that looks after the recorder |
//! | [`link`] | what wrapper and recorder share, and how the node's end is told |
//! | [`output`] | the node's output, with `--tee` |
//! | `pump` | the node's slog, with `--fifo` |

pub mod link;
pub mod output;
mod pump;
pub mod recorder_child;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use haltbox_model::ShowPath;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::console::say;
use crate::signals::Signals;
use haltbox_recorder::owner_only;
use link::Link;
use output::Output;
use pump::Pump;
use recorder_child::Beside;

/// The slog's name in the recorder's folder.
const SLOG: &str = "slog.jsonl";
/// The FIFO's, where the node gets one.
const FIFO: &str = "slog.fifo";
/// How often the two processes are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long what the node wrote last may take to be put down where the recorder
/// finds it: nobody else is waited for.
const PUT_DOWN: Duration = Duration::from_secs(1);
/// How long a reader of the node's output may take for nothing ...
const UNREAD: Duration = Duration::from_secs(1);
/// ... and how long for all of it.
const SHOWN: Duration = Duration::from_secs(15);

/// Signals that are the node's.
const FORWARDED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The recorder's folder.
    pub dir: PathBuf,
    /// Options of `record`, as they were given.
    pub record: Vec<OsString>,
    /// Keep the node's output in a file, and read it as its log.
    pub tee: bool,
    /// Give the node a FIFO in place of the slog's file, and keep this many
    /// bytes of it in memory while the recorder is away.
    pub fifo: Option<u64>,
    /// How long the node's exit code waits for the recorder to write its boxes.
    pub patience: Duration,
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
    let mut signals =
        Signals::catch(&FORWARDED).map_err(|error| format!("cannot catch signals: {error}"))?;
    owner_only::folder(&options.dir)
        .map_err(|error| format!("cannot make {}: {error}", options.dir.shown()))?;
    let oom_kills = oom_kills();
    let mut streams = Streams::open(options)?;
    let mut node = start_node(options, streams.output.as_ref())?;
    // Only now: one of a node that cannot be started would be left behind, and
    // stand for the next node's.
    let beside = streams.start_recorder(options);
    let status = watch(&mut signals, &mut node);
    let how = match &status {
        Ok(status) => judge(*status, oom_kills),
        Err(error) => format!("cannot wait for the node: {error}"),
    };
    say(&how);
    streams.end(&how);
    if let Some(beside) = beside {
        beside.end(how.clone(), options.patience);
    }
    streams.show_the_rest();
    status.map(code_of).map_err(|_| how)
}

/// What the node writes, as far as it comes through this process.
struct Streams {
    link: Link,
    pump: Option<Pump>,
    output: Option<Output>,
}

impl Streams {
    fn open(options: &Options) -> Result<Streams, String> {
        let cannot = |error: io::Error| format!("cannot prepare the link to the recorder: {error}");
        let mut link = Link::new().map_err(cannot)?;
        let pump = match options.fifo {
            Some(backlog) => {
                let rest = link.add_rest().map_err(cannot)?;
                Some(Pump::start(&options.slog(), backlog, rest, say)?)
            }
            None => None,
        };
        let output = options.tee.then(|| Output::start(&options.dir, say));
        let output = output.transpose()?;
        if let Some(output) = &output {
            link.add_output(output.file()).map_err(cannot)?;
        }
        Ok(Streams { link, pump, output })
    }

    /// The node runs without a recorder if there is none to be had.
    fn start_recorder(&self, options: &Options) -> Option<Beside> {
        let shared = self.link.hand_on().map_err(|error| error.to_string());
        let started = shared.and_then(|shared| Beside::start(options, self.pump.as_ref(), shared));
        started
            .map_err(|error| {
                say(&format!(
                    "cannot start a recorder: {error}; the node runs without one"
                ))
            })
            .ok()
    }

    /// The node ended: what it wrote last is put down where the recorder finds it,
    /// then how it ended.
    fn end(&mut self, how: &str) {
        if let Some(output) = &self.output {
            output.log_the_rest(PUT_DOWN);
        }
        if let Some(pump) = &self.pump
            && !pump.drained(PUT_DOWN)
        {
            say("a process still writes to the FIFO: its last lines are lost");
        }
        self.link.end(how);
    }

    fn show_the_rest(&self) {
        if let Some(output) = &self.output {
            output.show_the_rest(UNREAD, SHOWN);
            output.tell_unlogged();
        }
    }
}

/// Hands signals on until the node ends.
fn watch(signals: &mut Signals, node: &mut Child) -> io::Result<ExitStatus> {
    loop {
        forward(signals, node);
        if let Some(status) = node.try_wait()? {
            return Ok(status);
        }
        wait(signals);
    }
}

fn start_node(options: &Options, output: Option<&Output>) -> Result<Child, String> {
    let (program, arguments) = options
        .command
        .split_first()
        .ok_or("nothing to run: give the node's command after --")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("SLOGFILE", absolute(&options.slog()));
    if let Some(output) = output {
        let file = output.for_node().map_err(|error| error.to_string())?;
        let again = file.try_clone().map_err(|error| error.to_string())?;
        command.stdout(file).stderr(again);
    }
    command
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", Path::new(program).shown()))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Hands signals on. One from the terminal reached the node by itself.
fn forward(signals: &mut Signals, node: &Child) {
    for came in signals.arrived() {
        if !came.of_terminal {
            let _ = kill(Pid::from_raw(node.id() as i32), came.signal);
        }
    }
}

fn wait(signals: &Signals) {
    let mut waiting = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let look = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
    let _ = poll(&mut waiting, look);
}

fn code_of(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signal).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

/// How the node ended, in words.
fn judge(status: ExitStatus, oom_kills_before: Option<u64>) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "the node ended normally".to_owned(),
        (Some(code), _) => format!("the node ended with exit code {code}"),
        (None, Some(libc::SIGKILL)) if oom_kills() > oom_kills_before => {
            "the kernel's OOM killer killed the node (out of memory)".to_owned()
        }
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            format!("the node was terminated by {name}")
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
