//! The recorder beside the node: started, started again if it dies, and left to
//! itself at the node's end.
//!
//! A thread looks after it, so that neither a signal for the node nor the node's
//! end waits for a recorder that hangs.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use haltbox_model::ShowPath;

use super::link::Shared;
use super::output::NODE_LOG;
use super::pump::Pump;
use super::{LOOK, Options};
use crate::console::say;
use crate::operator::control::{self, Reply, Request};

/// Before a recorder that died is started again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long one that works already may take to say what it records.
const ANSWER: Duration = Duration::from_secs(2);
/// The option by which the wrapper says what a recorder inherits. It is not one
/// of what is recorded.
pub(super) const OF_RUN: &str = "--of-run";

/// The thread that looks after the recorder.
pub(super) struct Beside {
    ending: Sender<String>,
    outcome: Receiver<Outcome>,
}

/// What became of the recorder at the node's end.
enum Outcome {
    /// It ended, or there is none.
    Over,
    /// Nobody has read the last of the slog.
    NoneCame,
}

impl Beside {
    /// Starts a recorder, now and whenever it dies.
    pub(super) fn start(
        options: &Options,
        pump: Option<&Pump>,
        shared: Shared,
    ) -> Result<Beside, String> {
        let stdin = pump.map(Pump::for_recorder).transpose();
        let stdin =
            stdin.map_err(|error| format!("cannot open a pipe to the recorder: {error}"))?;
        let mut recorder = Recorder {
            options: options.clone(),
            shared,
            stdin,
            child: None,
            another: None,
            since: Instant::now(),
        };
        let ((ending, asked), (told, outcome)) = (channel(), channel());
        let work = move || {
            recorder.child = recorder.spawn();
            let how = loop {
                match asked.recv_timeout(LOOK) {
                    Ok(how) => break how,
                    Err(RecvTimeoutError::Timeout) => recorder.keep(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            };
            let _ = told.send(recorder.end(how));
        };
        std::thread::Builder::new()
            .name("haltbox-beside".to_owned())
            .spawn(work)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Beside { ending, outcome })
    }

    /// The node ended: gives the recorder this long to read the rest and to write
    /// its boxes. It needs nobody for that.
    pub(super) fn end(self, how: String, patience: Duration) {
        let _ = self.ending.send(how);
        match self.outcome.recv_timeout(patience) {
            Ok(Outcome::Over) | Err(RecvTimeoutError::Disconnected) => {}
            Ok(Outcome::NoneCame) => {
                say("no recorder was running to read the last lines of the slog: they are lost");
            }
            Err(RecvTimeoutError::Timeout) => say(
                "the recorder is still running: it reads the rest, writes its boxes, then exits",
            ),
        }
    }
}

/// The recorder in a process group of its own: what ends the node by the terminal
/// must not end it before it has read the rest.
struct Recorder {
    options: Options,
    shared: Shared,
    /// Its slog, if that is not a file.
    stdin: Option<std::io::PipeReader>,
    child: Option<Child>,
    another: Option<Another>,
    since: Instant,
}

/// A recorder that works in the folder and was not started here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Another {
    /// One of a wrapper that was killed, which records just what this one would.
    Same,
    /// It reads the FIFO of another node, until that ends.
    OtherFifo,
    /// It records something else.
    Other { who: String, end_it: String },
}

impl Recorder {
    /// Starts it again if it died.
    fn keep(&mut self) {
        let ended = self
            .child
            .as_mut()
            .and_then(|child| child.try_wait().ok().flatten());
        if let Some(status) = ended {
            self.child = None;
            self.another = self.find_another();
            match &self.another {
                None => say(&format!(
                    "the recorder ended with {status}; starting it again"
                )),
                Some(another) => say(&self.words_of(another)),
            }
        }
        if self.child.is_none() && self.since.elapsed() >= AGAIN {
            self.since = Instant::now();
            // It may have ended since, and nobody else would start one again.
            if self.another.is_some() {
                self.another = self.find_another();
            }
            if self.another.is_none() {
                self.child = self.spawn();
            }
        }
    }

    fn words_of(&self, another: &Another) -> String {
        let dir = self.options.dir.shown();
        match another {
            Another::Same => "using the recorder that is already running there".to_owned(),
            Another::OtherFifo => "the recorder of an earlier haltbox run still reads the FIFO of \
                                   its node; this node's slog waits until that recorder ends"
                .to_owned(),
            Another::Other { who, end_it } => format!(
                "THIS NODE IS NOT RECORDED: a recorder with other options is running in {dir} \
                 ({who}). Stop it ({end_it}), then one for this node starts automatically; or \
                 give this run another --dir"
            ),
        }
    }

    /// Whoever answers in the folder, if it is not the child.
    fn find_another(&self) -> Option<Another> {
        let own = shown(&self.arguments());
        let waiting = Some(own.clone());
        let asked = control::ask_within(&self.options.dir, &Request::Who { waiting }, Some(ANSWER));
        let (pid, arguments) = match asked {
            Ok(Some(Reply::AtWork { pid, arguments, .. })) => (pid, arguments),
            // It cannot tell what it records, nor which process it is.
            Ok(Some(_)) => {
                let who = "of an older version".to_owned();
                let end_it = format!(
                    "kill the pid that haltbox status --json {} shows",
                    self.options.dir.shown()
                );
                return Some(Another::Other { who, end_it });
            }
            // None, or one that hangs: the ring's lock tells of that.
            Ok(None) | Err(_) => return None,
        };
        Some(if arguments != own {
            let who = format!("process {pid}: {}", arguments.join(" "));
            let end_it = format!("kill {pid}");
            Another::Other { who, end_it }
        } else if self.stdin.is_some() {
            Another::OtherFifo
        } else {
            Another::Same
        })
    }

    /// Has the rest read. What the recorder is to know of the node's end it
    /// inherited; one that somebody else started is told.
    fn end(&mut self, how: String) -> Outcome {
        if let Some(Another::Same) = &self.another {
            let ended = Request::NodeEnded { how };
            if let Err(error) = control::ask_within(&self.options.dir, &ended, Some(ANSWER)) {
                say(&format!(
                    "cannot tell the recorder that the node ended: {error}"
                ));
            }
            return Outcome::Over;
        }
        let mut started = false;
        loop {
            match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => std::thread::sleep(LOOK),
                // One that somebody ended may not have heard of the node's end.
                Some(Ok(Some(status))) if status.success() && !self.shared.is_unheard() => {
                    return Outcome::Over;
                }
                // One that died has left what it did not read to another, once.
                _ if !started && self.another.is_none() => {
                    started = true;
                    self.child = self.spawn_again(&how);
                }
                _ if self.stdin.is_some() => return Outcome::NoneCame,
                _ => return Outcome::Over,
            }
        }
    }

    /// Options of `record` that say what is recorded, and how.
    fn arguments(&self) -> Vec<OsString> {
        let options = &self.options;
        let mut arguments: Vec<OsString> = vec!["record".into(), "--dir".into()];
        arguments.push(options.dir.clone().into());
        arguments.extend(options.record.iter().cloned());
        match self.stdin {
            None => {
                arguments.extend(["--slog".into(), options.slog().into()]);
                arguments.push("--give-back".into());
            }
            Some(_) => arguments.extend(["--wrapped-fifo".into(), options.slog().into()]),
        }
        if options.tee {
            arguments.extend(["--node-log".into(), options.dir.join(NODE_LOG).into()]);
        }
        arguments
    }

    fn spawn_again(&mut self, how: &str) -> Option<Child> {
        if let Err(error) = self.shared.tell_again(how) {
            say(&format!("cannot start a recorder: {error}"));
            return None;
        }
        self.spawn()
    }

    fn spawn(&self) -> Option<Child> {
        let mut command = Command::new(own_program());
        command
            .arg0(std::env::args_os().next().unwrap_or_default())
            .args(self.arguments())
            .arg(OF_RUN)
            .arg(self.shared.handed().to_string())
            .stdin(Stdio::null())
            // Whoever reads the node's output waits for its end, and not for the
            // recorder's.
            .stdout(io::stderr())
            .process_group(0);
        if let Some(pipe) = &self.stdin {
            match pipe.try_clone() {
                Ok(pipe) => command.stdin(pipe),
                Err(error) => {
                    say(&format!("cannot start a recorder: {error}; retrying"));
                    return None;
                }
            };
        }
        command
            .spawn()
            .map_err(|error| {
                say(&format!(
                    "cannot start a recorder: {error}; the node runs without one"
                ))
            })
            .ok()
    }
}

/// This very program. An update may have put another one in its place by now, and
/// what wrapper and recorder share is of one version.
fn own_program() -> PathBuf {
    let found = std::env::current_exe().ok().filter(|path| path.exists());
    found.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

/// What this process records, and how: its arguments, but for what it inherits.
/// Two recorders with the same ones can stand for each other.
pub fn arguments_of_this_process() -> Vec<String> {
    let mut kept = Vec::new();
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument == OF_RUN {
            true => drop(arguments.next()),
            false => kept.push(argument),
        }
    }
    shown(&kept)
}

fn shown(arguments: &[OsString]) -> Vec<String> {
    let text = |argument: &OsString| argument.to_string_lossy().into_owned();
    arguments.iter().map(text).collect()
}
