//! Detached ssh signatures of black boxes, made and checked by OpenSSH's
//! `ssh-keygen -Y`.
//!
//! This crate knows how the program is called. The recorder makes signatures
//! with it and the reader checks them, and neither holds a key: `ssh-keygen`
//! reads it, or asks the ssh-agent.
//!
//! A call never waits for a person and always ends:
//!
//! - It gets an empty passphrase (`-P`), so it asks for none, and never starts
//!   an askpass program. A key with a passphrase gives an error at once.
//! - It is killed after its [patience](patience_for). An agent may hang, or
//!   wait until somebody confirms.
//! - What it prints is read up to a bound.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use haltbox_format::blackbox::{SIGNATURE_NAMESPACE, SIGNATURE_SUFFIX};
use haltbox_model::outside::visible;
use thiserror::Error;

const PROGRAM: &str = "ssh-keygen";

/// Time for everything but reading the file. A signature takes milliseconds,
/// so whatever takes longer waits for an agent or a person.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes a second that a slow disk reads. The file is digested first.
const SLOW_DISK: u64 = 16 << 20;
/// Most bytes of each output that are read. A signature has less than 4 KiB.
const OUTPUT_MAX: u64 = 64 << 10;
/// Pause between two looks whether the program ended.
const LOOK: Duration = Duration::from_millis(10);
/// Time for its output to arrive once it ended. A program that it started may
/// hold the pipe open.
const REST: Duration = Duration::from_secs(1);
/// Most characters of its words in an error.
const WORDS_MAX: usize = 300;

/// Path of a file's signature.
pub fn path_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(SIGNATURE_SUFFIX);
    PathBuf::from(path)
}

/// How long a call may take over a file of this size.
pub fn patience_for(bytes: u64) -> Duration {
    PATIENCE + Duration::from_secs(bytes / SLOW_DISK)
}

/// Why `ssh-keygen` gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// It is not installed.
    #[error(
        "ssh-keygen is not on PATH; install it (Debian and Ubuntu: the package openssh-client)"
    )]
    NotInstalled,
    /// The system cannot start it or wait for it.
    #[error("cannot run ssh-keygen: {0}")]
    System(io::Error),
    /// It took too long, and was killed.
    #[error(
        "ssh-keygen did not answer within {} s and was killed; look whether the ssh-agent at \
         SSH_AUTH_SOCK answers (ssh-add -l), or waits until somebody confirms",
        .0.as_secs()
    )]
    TooSlow(Duration),
    /// The caller is told to end, and killed it.
    #[error("ssh-keygen did not answer before the recorder ended")]
    Hurried,
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> CallError {
        CallError::System(error)
    }
}

/// A running `ssh-keygen`.
#[derive(Debug)]
pub struct Call(Child);

/// What `ssh-keygen` answered.
#[derive(Debug)]
pub struct Answer {
    status: ExitStatus,
    out: Vec<u8>,
    err: Vec<u8>,
}

/// Starts to sign what `message` holds. `key` is a private key, or a public one
/// whose private key the ssh-agent has.
///
/// # Errors
/// [`CallError`].
pub fn sign(key: &Path, message: Stdio) -> Result<Call, CallError> {
    let arguments = ["-Y", "sign", "-P", "", "-n", SIGNATURE_NAMESPACE, "-f"];
    start(arguments.map(OsStr::new), [key.as_os_str()], message)
}

/// Starts to look for the key of a signature in a file of allowed signers.
///
/// # Errors
/// [`CallError`].
pub fn find_principals(signature: &Path, signers: &Path) -> Result<Call, CallError> {
    let files = [signature.as_os_str(), OsStr::new("-f"), signers.as_os_str()];
    let arguments = ["-Y", "find-principals", "-s"].map(OsStr::new);
    start(arguments, files, Stdio::null())
}

/// Starts to check that a principal of the allowed signers signed `message`.
///
/// # Errors
/// [`CallError`].
pub fn verify(
    signature: &Path,
    signers: &Path,
    principal: &str,
    message: Stdio,
) -> Result<Call, CallError> {
    let arguments = [
        "-Y",
        "verify",
        "-n",
        SIGNATURE_NAMESPACE,
        "-I",
        principal,
        "-s",
    ];
    let files = [signature.as_os_str(), OsStr::new("-f"), signers.as_os_str()];
    start(arguments.map(OsStr::new), files, message)
}

/// Starts to check that a signature is of `message`, whoever made it.
///
/// # Errors
/// [`CallError`].
pub fn check(signature: &Path, message: Stdio) -> Result<Call, CallError> {
    let arguments = ["-Y", "check-novalidate", "-n", SIGNATURE_NAMESPACE, "-s"];
    start(arguments.map(OsStr::new), [signature.as_os_str()], message)
}

fn start<'a>(
    arguments: impl IntoIterator<Item = &'a OsStr>,
    files: impl IntoIterator<Item = &'a OsStr>,
    message: Stdio,
) -> Result<Call, CallError> {
    let arguments: Vec<OsString> = arguments
        .into_iter()
        .chain(files)
        .map(OsStr::to_owned)
        .collect();
    let mut command = Command::new(PROGRAM);
    let command = command
        .args(arguments)
        .env("SSH_ASKPASS_REQUIRE", "never")
        // Ctrl-C at the recorder's terminal is not for it: the recorder gives it
        // time to end.
        .process_group(0)
        .stdin(message)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match command.spawn() {
        Ok(child) => Ok(Call(child)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(CallError::NotInstalled),
        Err(error) => Err(error.into()),
    }
}

impl Call {
    /// Waits for the answer, and kills the program if that takes longer than
    /// `patience`, or once `hurried` says that there is no time left.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn end(
        mut self,
        patience: Duration,
        hurried: &dyn Fn() -> bool,
    ) -> Result<Answer, CallError> {
        let out = self.0.stdout.take().map(gather).transpose()?;
        let err = self.0.stderr.take().map(gather).transpose()?;
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait()? {
                break status;
            }
            if begun.elapsed() >= patience {
                return Err(CallError::TooSlow(patience));
            }
            if hurried() {
                return Err(CallError::Hurried);
            }
            std::thread::sleep(LOOK);
        };
        Ok(Answer {
            status,
            out: gathered(out),
            err: gathered(err),
        })
    }
}

/// Without this, a program that hangs would outlive the recorder.
impl Drop for Call {
    fn drop(&mut self) {
        // Does nothing if it was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a pipe in a thread, so that a full pipe does not stop the program.
fn gather(pipe: impl Read + Send + 'static) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, gathered) = channel();
    let reading = move || {
        let mut bytes = Vec::new();
        // What was read before an error counts: the status decides.
        let _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    };
    let thread = std::thread::Builder::new().name("haltbox-keygen".to_owned());
    thread.spawn(reading)?;
    Ok(gathered)
}

fn gathered(pipe: Option<Receiver<Vec<u8>>>) -> Vec<u8> {
    let bytes = pipe.and_then(|pipe| pipe.recv_timeout(REST).ok());
    bytes.unwrap_or_default()
}

impl Answer {
    /// Whether it did what it was asked for.
    pub fn is_done(&self) -> bool {
        self.status.success()
    }

    /// What it printed on standard output.
    pub fn output(&self) -> &[u8] {
        &self.out
    }

    /// The lines of its complaints.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        let lines = self.err.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| String::from_utf8_lossy(line).trim().to_owned());
        lines.filter(|line| !line.is_empty() && line != "Signing data on standard input")
    }

    /// Its complaints as one line for people, without control characters.
    pub fn words(&self) -> String {
        let mut lines: Vec<String> = self.complaints().collect();
        lines.dedup();
        let text: String = match lines.is_empty() {
            true => self.status.to_string(),
            false => lines.join("; ").chars().take(WORDS_MAX).collect(),
        };
        visible(&text).into_owned()
    }
}

#[cfg(test)]
mod tests;
