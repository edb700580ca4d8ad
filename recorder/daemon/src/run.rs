//! `haltbox run`: runs a node with a recorder beside it.
//!
//! The node writes its slog into a file. Its output goes where it always went,
//! or with `--tee` into memory. So the node waits for neither this process nor
//! the recorder, and goes on if either is killed. This process forwards
//! signals, restarts a recorder that died, and returns the node's own exit
//! code, whatever the recorder does.
//!
//! With `--fifo` the node gets a FIFO instead of the slog's file, and only what
//! is recorded goes to the disk. The node then needs this process or the
//! recorder to be alive; `run/pump.rs` explains that.
//!
//! | where | what |
//! |---|---|
//! | [`recorder_child`] | the thread that starts and restarts the recorder |
//! | [`link`] | what wrapper and recorder share, and how the recorder learns of the node's end |
//! | [`output`] | the node's output, with `--tee` |
//! | `pump` | the node's slog, with `--fifo` |

mod error;
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

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::console::say;
use crate::signals::Signals;
pub use error::RunError;
use haltbox_recorder::owner_only;
use link::Link;
use output::Output;
use pump::Pump;
use recorder_child::{Beside, StartError};

/// Name of the slog in the recorder's folder.
const SLOG: &str = "slog.jsonl";
/// Name of the FIFO, if the node gets one.
const FIFO: &str = "slog.fifo";
/// Time between two looks at node and recorder.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait until the node's last bytes are where the recorder finds them.
/// This process waits for nobody else.
const PUT_DOWN: Duration = Duration::from_secs(1);
/// How long a reader of the node's output may read nothing ...
const UNREAD: Duration = Duration::from_secs(1);
/// ... and how long it may take for everything.
const SHOWN: Duration = Duration::from_secs(15);

/// Signals that are forwarded to the node.
const FORWARDED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The recorder's folder.
    pub dir: PathBuf,
    /// Options of `record`, as they were given.
    pub record: Vec<OsString>,
    /// Whether to keep the node's output in a file that the recorder reads as
    /// its log.
    pub tee: bool,
    /// Gives the node a FIFO instead of the slog's file. The number is how many
    /// bytes wait in memory while no recorder runs.
    pub fifo: Option<u64>,
    /// How long to wait, after the node's end, for the recorder to write its
    /// boxes.
    pub patience: Duration,
    /// The node and its arguments.
    pub command: Vec<OsString>,
}

impl Options {
    /// Path for the node's slog.
    fn slog(&self) -> PathBuf {
        self.dir.join(self.fifo.map_or(SLOG, |_| FIFO))
    }
}

/// Runs the node until it ends. Returns its exit code, or 128 plus the number
/// of the signal that ended it.
///
/// # Errors
/// [`RunError`]. Errors of the recorder are reported and do not stop the node.
pub fn run(options: &Options) -> Result<u8, RunError> {
    let signals = Signals::catch(&FORWARDED);
    let mut signals = signals.map_err(|error| RunError::Signals { error })?;
    owner_only::folder(&options.dir).map_err(|error| RunError::Folder {
        path: options.dir.clone(),
        error,
    })?;
    let oom_kills = oom_kills();
    let mut streams = Streams::open(options)?;
    let mut node = start_node(options, streams.output.as_ref())?;
    // Start the recorder only now. If the node cannot be started, a recorder
    // would be left behind, and would take the place of the next node's
    // recorder.
    let beside = streams.start_recorder(options);
    let status = watch(&mut signals, &mut node).map_err(|error| RunError::Wait { error });
    let how = match &status {
        Ok(status) => judge(*status, oom_kills),
        Err(error) => error.to_string(),
    };
    say(&how);
    streams.end(&how);
    if let Some(beside) = beside {
        beside.end(how.clone(), options.patience);
    }
    streams.show_the_rest();
    status.map(code_of)
}

/// The node's bytes that go through this process.
struct Streams {
    link: Link,
    pump: Option<Pump>,
    output: Option<Output>,
}

impl Streams {
    fn open(options: &Options) -> Result<Streams, RunError> {
        let cannot = |error| RunError::Link { error };
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

    /// Starts the recorder. If that fails, the node runs without one.
    fn start_recorder(&self, options: &Options) -> Option<Beside> {
        let shared = self.link.hand_on().map_err(StartError::Link);
        let started = shared.and_then(|shared| Beside::start(options, self.pump.as_ref(), shared));
        started
            .map_err(|error| {
                say(&format!(
                    "cannot start a recorder: {error}; the node runs without one"
                ))
            })
            .ok()
    }

    /// After the node's end: leaves its last bytes where the recorder finds
    /// them, then says how it ended.
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

/// Forwards signals until the node ends.
fn watch(signals: &mut Signals, node: &mut Child) -> io::Result<ExitStatus> {
    loop {
        forward(signals, node);
        if let Some(status) = node.try_wait()? {
            return Ok(status);
        }
        wait(signals);
    }
}

fn start_node(options: &Options, output: Option<&Output>) -> Result<Child, RunError> {
    let command = options.command.split_first();
    let (program, arguments) = command.ok_or(RunError::NoCommand)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("SLOGFILE", absolute(&options.slog()));
    if let Some(output) = output {
        let file = output.for_node().map_err(RunError::OutputFile)?;
        let again = file.try_clone().map_err(RunError::OutputFile)?;
        command.stdout(file).stderr(again);
    }
    command.spawn().map_err(|error| RunError::Start {
        program: program.into(),
        error,
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Forwards signals. The terminal sends its own to the node directly, so those
/// are skipped.
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

/// How many processes of this control group the kernel killed for lack of
/// memory.
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
