//! The recorder beside the node: started, restarted if it dies, and left alone
//! after the node's end.
//!
//! A thread does this, so that neither a signal for the node nor the node's end
//! waits for a recorder that hangs.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use haltbox_model::ShowPath;
use thiserror::Error;

use super::link::Shared;
use super::output::NODE_LOG;
use super::pump::Pump;
use super::{LOOK, Options};
use crate::console::say;
use crate::operator::control::{self, Reply, Request};

/// Pause before a recorder that died is started again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long a recorder that is already running may take to say what it records.
const ANSWER: Duration = Duration::from_secs(2);
/// The option with the inherited descriptor numbers. It does not change what is
/// recorded.
pub(super) const OF_RUN: &str = "--of-run";

/// Handle of the thread.
pub(super) struct Beside {
    ending: Sender<String>,
    outcome: Receiver<Outcome>,
}

/// The state of the recorder after the node's end.
enum Outcome {
    /// It ended, or there is none.
    Over,
    /// No recorder read the last bytes of the slog.
    NoneCame,
}

/// Reasons why no recorder is started beside the node.
#[derive(Debug, Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Link(#[from] io::Error),
    #[error("cannot open a pipe to the recorder: {error}")]
    Pipe { error: io::Error },
    #[error("cannot start a thread: {error}")]
    Thread { error: io::Error },
}

impl Beside {
    /// Starts the thread, which starts a recorder now and after each death.
    pub(super) fn start(
        options: &Options,
        pump: Option<&Pump>,
        shared: Shared,
    ) -> Result<Beside, StartError> {
        let stdin = pump.map(Pump::for_recorder).transpose();
        let stdin = stdin.map_err(|error| StartError::Pipe { error })?;
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
            .map_err(|error| StartError::Thread { error })?;
        Ok(Beside { ending, outcome })
    }

    /// After the node's end: waits up to `patience` for the recorder to read
    /// the rest and to write its boxes. A recorder that takes longer continues
    /// alone.
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

/// The recorder has its own process group: a key of the terminal that ends the
/// node must not end the recorder before it has read the rest.
struct Recorder {
    options: Options,
    shared: Shared,
    /// Its slog, if that is a pipe and not a file.
    stdin: Option<std::io::PipeReader>,
    child: Option<Child>,
    another: Option<Another>,
    since: Instant,
}

/// A recorder that runs in the folder and was not started by this process.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Another {
    /// The recorder of a wrapper that was killed. It records the same as this
    /// one would.
    Same,
    /// It reads the FIFO of another node, until that node ends.
    OtherFifo,
    /// It records something else.
    Other { who: String, end_it: String },
}

impl Recorder {
    /// Starts the recorder again if it died.
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
            // It may have ended, and nobody else would start a recorder.
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

    /// The recorder that answers in the folder, if it is not the child.
    fn find_another(&self) -> Option<Another> {
        let own = shown(&self.arguments());
        let waiting = Some(own.clone());
        let asked = control::ask_within(&self.options.dir, &Request::Who { waiting }, Some(ANSWER));
        let (pid, arguments) = match asked {
            Ok(Some(Reply::AtWork { pid, arguments, .. })) => (pid, arguments),
            // It does not say what it records, nor its process id.
            Ok(Some(_)) => {
                let who = "of an older version".to_owned();
                let end_it = format!(
                    "kill the pid that haltbox status --json {} shows",
                    self.options.dir.shown()
                );
                return Some(Another::Other { who, end_it });
            }
            // There is none, or it hangs. The ring's lock shows that.
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

    /// Has the rest read after the node's end. A recorder of this process
    /// learns of the end by the inherited pipe. Another one is told over the
    /// control socket.
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
                // If somebody ended it, it may not know of the node's end.
                Some(Ok(Some(status))) if status.success() && !self.shared.is_unheard() => {
                    return Outcome::Over;
                }
                // A recorder that died left its unread bytes. Start another
                // one, once.
                _ if !started && self.another.is_none() => {
                    started = true;
                    self.child = self.spawn_again(&how);
                }
                _ if self.stdin.is_some() => return Outcome::NoneCame,
                _ => return Outcome::Over,
            }
        }
    }

    /// Options of `record` that decide what is recorded, and how.
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
            // Somebody who waits for the end of the node's output must not wait
            // for the recorder's end.
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

/// This very program. An update may have replaced the file, and wrapper and
/// recorder must be of one version.
fn own_program() -> PathBuf {
    let found = std::env::current_exe().ok().filter(|path| path.exists());
    found.unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

/// The arguments of this process, without the inherited numbers. Two recorders
/// with equal arguments can replace each other.
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
