//! What the recorder does once a box is durable.
//!
//! It writes the alert file, removes old boxes over the budget of the folder
//! ([`crate::box_budget`]), and starts the operator's command. It does not wait
//! for the command.

use haltbox_model::ShowPath;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use haltbox_format::AppHash;
use haltbox_format::blackbox::ALERT_FILE;
use haltbox_model::outside::visible;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::box_budget::{Budget, keep_budget};
use crate::clock;
use crate::freeze::Frozen;
use crate::halt_message;
use crate::host_threads;
use crate::open_regular;
use crate::owner_only;
use crate::voice::Speaker;

/// Most bytes the alert file may have, so that a crash loop does not fill the
/// disk.
const ALERT_MAX: usize = 64 << 10;
/// Time the operator's command may run before it is killed.
const COMMAND_TIME: Duration = Duration::from_secs(60);

/// The operator's settings for what follows a freeze.
#[derive(Clone, Debug, Default)]
pub struct AfterFreeze {
    /// How many boxes and bytes the folder of boxes may hold.
    pub budget: Budget,
    /// Shell command to run after a freeze that nobody asked for.
    pub on_freeze: Option<String>,
    /// Where the operator should upload the box. The halt message quotes it.
    pub upload_hint: Option<String>,
}

impl AfterFreeze {
    /// Writes the alert about a box that nobody asked for, and returns whether the box is
    /// news. Errors go to `voice`: no error here may stop the recorder.
    ///
    /// Call it before the box is noted anywhere. A recorder that dies between the two
    /// writes the box again when it comes back, and finds that it existed. The alert file
    /// then tells whether the operator was alerted.
    pub fn announce(&self, boxes: &Path, frozen: &Frozen, voice: &Speaker) -> bool {
        if frozen.existed && is_alerted(boxes, frozen) {
            return false;
        }
        if let Err(error) = alert(boxes, frozen, self.upload_hint.as_deref()) {
            voice.say(&format!("cannot write {ALERT_FILE}: {error}"));
        }
        true
    }

    /// Acts on a durable box, and returns the halt message. Removes old boxes. Errors go
    /// to `voice`, as those of [`AfterFreeze::announce`] do.
    pub fn follow_up(&self, boxes: &Path, frozen: &Frozen, voice: &Speaker) -> String {
        match keep_budget(boxes, self.budget) {
            Ok(removed) => removed.iter().for_each(|path| {
                voice.say(&format!(
                    "removed {}: the boxes exceeded --max-boxes or --max-bytes",
                    path.shown()
                ));
            }),
            Err(error) => voice.say(&format!(
                "cannot remove old boxes (--max-boxes, --max-bytes): {error}"
            )),
        }
        halt_message::frozen(frozen, self.upload_hint.as_deref())
    }

    /// Starts the operator's command for a new box that nobody asked for.
    /// `signature` is the one beside the box. Errors go to `voice`.
    pub fn run_command(&self, frozen: &Frozen, signature: Option<&Path>, voice: &Speaker) {
        let run = self.on_freeze.as_deref();
        let run = run.map(|command| run_command(command, frozen, signature, voice));
        if let Some(Err(error)) = run {
            voice.say(&format!("cannot start the --on-freeze command: {error}"));
        }
    }
}

/// Prepends the halt message of a box to the alert file.
///
/// # Errors
/// The alert file cannot be written.
pub fn alert(boxes: &Path, frozen: &Frozen, upload_hint: Option<&str>) -> io::Result<()> {
    put_on_top(boxes, &halt_message::frozen(frozen, upload_hint))
}

/// Whether the alert file has the message of this box. A box that was written when
/// somebody asked for it has none.
fn is_alerted(boxes: &Path, frozen: &Frozen) -> bool {
    let told = open_regular::read(&boxes.join(ALERT_FILE)).unwrap_or_default();
    let line = halt_message::line_of_box(&frozen.path);
    String::from_utf8_lossy(&told).contains(&line)
}

/// Prepends an alert about trouble at a block that was not recorded.
///
/// No box can be frozen then, so the alert file is the only lasting trace.
///
/// # Errors
/// As [`alert()`].
pub fn alert_without_a_box(boxes: &Path, reason: &str) -> io::Result<()> {
    put_on_top(boxes, &halt_message::without_a_box(reason))
}

/// Prepends an alert about trouble at a height that already has a box.
///
/// Leaves the file alone if it already holds this message: a crash loop reports
/// the same again and again, and would push the first alert out of the file.
///
/// # Errors
/// As [`alert()`].
pub fn alert_of_held(boxes: &Path, height: u64, name: &str, reason: &str) -> io::Result<()> {
    let told = halt_message::held(height, name, reason);
    let before = open_regular::read(&boxes.join(ALERT_FILE)).unwrap_or_default();
    match String::from_utf8_lossy(&before).contains(&told) {
        true => Ok(()),
        false => put_on_top(boxes, &told),
    }
}

fn put_on_top(boxes: &Path, message: &str) -> io::Result<()> {
    let path = boxes.join(ALERT_FILE);
    let before = open_regular::read(&path).unwrap_or_default();
    let time = clock::rfc3339(clock::now_ms());
    let mut text = format!("{time}\n{message}{}", halt_message::WHAT_TO_DO).into_bytes();
    text.extend_from_slice(b"\n");
    text.extend(before);
    text.truncate(ALERT_MAX);
    owner_only::replace(&path, &text)
}

/// Starts the operator's command with the facts of the box in its environment,
/// and the path of its signature, if it has one.
///
/// The command gets its own process group. A thread kills that group after a
/// minute.
///
/// # Errors
/// The command or the thread that waits for it cannot be started.
fn run_command(
    command: &str,
    frozen: &Frozen,
    signature: Option<&Path>,
    voice: &Speaker,
) -> io::Result<()> {
    let hash = |hash: Option<AppHash>| hash.map_or(String::new(), |hash| hash.to_string());
    let mut shell = Command::new("/bin/sh");
    let shell = shell
        .args(["-c", command])
        .env("HALTBOX_BOX", &frozen.path)
        .env("HALTBOX_NAME", frozen.name())
        .env("HALTBOX_HEIGHT", frozen.of.height.to_string())
        .env("HALTBOX_STATE", frozen.state.name())
        // The reason quotes text of others. A zero byte in it would keep the
        // command from starting.
        .env("HALTBOX_REASON", visible(&frozen.reason).as_ref())
        .env("HALTBOX_APP_HASH", hash(frozen.app_hash))
        .env("HALTBOX_NETWORK_APP_HASH", hash(frozen.network))
        .env("HALTBOX_SIGNATURE", signature.unwrap_or(Path::new("")))
        .stdin(Stdio::null())
        .process_group(0);
    let child = host_threads::outside(|| shell.spawn())?;
    let voice = Speaker::clone(voice);
    let waiting = move || {
        if let Some(trouble) = wait(child) {
            voice.say(&format!("the --on-freeze command {trouble}"));
        }
    };
    std::thread::Builder::new()
        .name("haltbox-command".to_owned())
        .spawn(waiting)
        .map(drop)
}

/// Waits until the command ends, kills it after [`COMMAND_TIME`], and returns
/// what went wrong.
fn wait(mut child: Child) -> Option<String> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return (!status.success()).then(|| format!("ended with {status}")),
            Ok(None) if begun.elapsed() < COMMAND_TIME => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(None) => {
                let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
                let _ = child.wait();
                let seconds = COMMAND_TIME.as_secs();
                return Some(format!("was killed after {seconds} s"));
            }
            Err(error) => return Some(format!("cannot be waited for: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltbox_format::mark::Attempt;
    use haltbox_format::mark::State;
    use haltbox_model::lifecycle::Finding;
    use std::fs;

    use crate::voice::Silence;

    fn frozen(boxes: &Path, existed: bool, reason: &str) -> Frozen {
        Frozen {
            of: Attempt {
                height: 7,
                attempt: 1,
            },
            path: boxes.join("7-incomplete"),
            bytes: 0,
            existed,
            reach: crate::freeze::Reach::History,
            reason: reason.to_owned(),
            app_hash: None,
            network: None,
            state: State::Pinned,
            finding: Finding::Doubt,
            inputs: haltbox_model::Inputs::default(),
            unanswered: None,
        }
    }

    /// A recorder may die behind the box and before its alert, or behind both.
    #[test]
    fn a_box_is_announced_once() {
        let folder = tempfile::tempdir().unwrap();
        let (boxes, after) = (folder.path(), AfterFreeze::default());
        let voice: Speaker = std::sync::Arc::new(Silence);
        let announce = |existed| after.announce(boxes, &frozen(boxes, existed, "trouble"), &voice);
        assert!(announce(true), "it died before the alert");
        assert!(!announce(true), "it died behind the alert");
        let alert = fs::read_to_string(boxes.join(ALERT_FILE)).unwrap();
        assert_eq!(alert.matches("  black box  ").count(), 1);
        assert!(announce(false), "a new box");
    }

    /// A reason quotes the node's log, and others can write text into that.
    #[test]
    fn a_reason_from_outside_neither_stops_the_command_nor_steers_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let frozen = frozen(folder.path(), false, "a\0b\x1b[2J");
        let command = format!(
            "printf %s \"$HALTBOX_REASON\" > {0}.new; mv {0}.new {0}",
            told.display()
        );
        let voice: Speaker = std::sync::Arc::new(Silence);
        run_command(&command, &frozen, None, &voice).unwrap();
        let begun = Instant::now();
        while !told.exists() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let told = fs::read_to_string(told).unwrap();
        assert!(told.starts_with('a') && told.ends_with("[2J"), "{told:?}");
        assert!(!told.contains(['\0', '\x1b']), "{told:?}");
    }

    /// A crash loop reports the same again and again.
    #[test]
    fn the_same_trouble_is_on_the_alert_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for reason in ["it does not stand", "it does not stand", "another"] {
            alert_of_held(at, 7, "7-abc", reason).unwrap();
        }
        let alert = fs::read_to_string(at.join(ALERT_FILE)).unwrap();
        assert_eq!(alert.matches("height 7: it does not stand").count(), 1);
        assert!(alert.find("height 7: another") < alert.find("height 7: it does not stand"));
    }
}
