//! What is done once a box is durable: the alert file, the operator's command,
//! the budget of the folder. None of it may hold up the recording.

use haltbox_model::ShowPath;
use std::cmp::Reverse;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use haltbox_format::AppHash;
use haltbox_format::blackbox::{ALERT_FILE, Identity};
use haltbox_model::lifecycle::Finding;
use haltbox_model::outside::visible;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::blackbox::BoxFolder;
use crate::clock;
use crate::freeze::Frozen;
use crate::halt_message;
use crate::host_threads;
use crate::open_regular;
use crate::owner_only;
use crate::voice::Speaker;

/// Bytes of the alert file: a loop of failures must not fill the disk.
const ALERT_MAX: usize = 64 << 10;
/// How long the operator's command may run.
const COMMAND_TIME: Duration = Duration::from_secs(60);

/// How much the folder of boxes may hold.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Boxes.
    pub boxes: usize,
    /// Bytes of all boxes.
    pub bytes: u64,
}

impl Default for Budget {
    /// 64 boxes, 8 GiB.
    fn default() -> Budget {
        Budget {
            boxes: 64,
            bytes: 8 << 30,
        }
    }
}

/// What the operator wants of a durable box.
#[derive(Clone, Debug, Default)]
pub struct AfterFreeze {
    /// What the folder of boxes may hold.
    pub budget: Budget,
    /// A shell command to run when a box was frozen without being asked for.
    pub on_freeze: Option<String>,
    /// Where to upload a box, for the halt message.
    pub upload_hint: Option<String>,
}

impl AfterFreeze {
    /// What a durable box brings about; gives the words for the operator. Who asked
    /// for it needs no alert, and a box that was there already was told of. Trouble
    /// is told.
    pub fn follow_up(
        &self,
        boxes: &Path,
        frozen: &Frozen,
        unasked: bool,
        voice: &Speaker,
    ) -> String {
        let hint = self.upload_hint.as_deref();
        if unasked && !frozen.existed {
            if let Err(error) = alert(boxes, frozen, hint) {
                voice.say(&format!("cannot write {ALERT_FILE}: {error}"));
            }
            let run = self.on_freeze.as_deref();
            if let Some(Err(error)) = run.map(|command| run_command(command, frozen, voice)) {
                voice.say(&format!("cannot start the --on-freeze command: {error}"));
            }
        }
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
        halt_message::frozen(frozen, hint)
    }
}

/// Writes what happened and what to do on top of the alert file.
///
/// # Errors
/// What writing gives: the alert is then only on standard error.
pub fn alert(boxes: &Path, frozen: &Frozen, upload_hint: Option<&str>) -> io::Result<()> {
    put_on_top(boxes, &halt_message::frozen(frozen, upload_hint))
}

/// Trouble of which no block is recorded: there is no box, and yet nobody may
/// miss it.
///
/// # Errors
/// As [`alert()`].
pub fn alert_without_a_box(boxes: &Path, reason: &str) -> io::Result<()> {
    put_on_top(boxes, &halt_message::without_a_box(reason))
}

/// Trouble at a height that a box holds already. The same is not written twice: a loop of
/// restarts says it again, and must not push the first alert out.
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

/// Starts the operator's command, in a process group of its own, with the facts
/// in its environment; a thread ends it after a minute.
///
/// # Errors
/// What starting it gives.
pub fn run_command(command: &str, frozen: &Frozen, voice: &Speaker) -> io::Result<()> {
    let hash = |hash: Option<AppHash>| hash.map_or(String::new(), |hash| hash.to_string());
    let mut shell = Command::new("/bin/sh");
    let shell = shell
        .args(["-c", command])
        .env("HALTBOX_BOX", &frozen.path)
        .env("HALTBOX_NAME", frozen.name())
        .env("HALTBOX_HEIGHT", frozen.of.height.to_string())
        .env("HALTBOX_STATE", frozen.state.name())
        // Others wrote a part of it; a zero byte would keep the command from starting.
        .env("HALTBOX_REASON", visible(&frozen.reason).as_ref())
        .env("HALTBOX_APP_HASH", hash(frozen.app_hash))
        .env("HALTBOX_NETWORK_APP_HASH", hash(frozen.network))
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

/// Waits for the command's end; says what was wrong with it.
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

/// A box that counts.
struct Kept {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
    finding: Finding,
    /// No box of such a finding was written in the day before it: what a series of
    /// failures began with.
    first: bool,
}

/// Without a box for so long a series of failures is over.
const SERIES: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes boxes until the budget is kept: the oldest first, after those of doubts the
/// ones of blocks that do not stand, then those that prove a divergence; then what a
/// series of failures began with, the youngest first, because a series whose middle was
/// removed looks like several. The newest never. Gives what was removed.
///
/// # Errors
/// What looking into the folder gives.
pub fn keep_budget(boxes: &Path, budget: Budget) -> io::Result<Vec<PathBuf>> {
    let mut kept = look(boxes)?;
    mark_first(&mut kept);
    let newest = kept.iter().map(|kept| kept.written).max();
    let age_of_first = |kept: &Kept| kept.first.then_some(Reverse(kept.written));
    kept.sort_by_key(|kept| (age_of_first(kept), kept.finding, kept.written));
    let mut bytes: u64 = kept.iter().map(|kept| kept.bytes).sum();
    let mut count = kept.len();
    let mut removed = Vec::new();
    for old in kept {
        let fits = count <= budget.boxes && bytes <= budget.bytes;
        if fits || Some(old.written) == newest {
            continue;
        }
        fs::remove_file(&old.path)?;
        count -= 1;
        bytes -= old.bytes;
        removed.push(old.path);
    }
    Ok(removed)
}

fn look(boxes: &Path) -> io::Result<Vec<Kept>> {
    let folder = BoxFolder::open(boxes)?;
    let mut kept = Vec::new();
    for entry in fs::read_dir(boxes)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata()?;
        if !metadata.is_file() || name.starts_with('.') || name == ALERT_FILE {
            continue;
        }
        if let Some(identity) = folder.identity(&name) {
            kept.push(Kept {
                path: entry.path(),
                bytes: metadata.len(),
                written: metadata.modified()?,
                finding: finding_of(&identity),
                first: false,
            });
        }
    }
    Ok(kept)
}

/// Older boxes do not tell; a network's hash was in those of proof.
fn finding_of(identity: &Identity) -> Finding {
    let finding = match (Finding::of_box(identity), identity.network_app_hash) {
        (Some(finding), _) => finding,
        (None, Some(_)) => Finding::Proved,
        (None, None) => Finding::Doubt,
    };
    // A box that was asked for is worth as much as one of a doubt.
    finding.max(Finding::Doubt)
}

/// The first box of a loop of failures tells most: those that follow must not push it out.
fn mark_first(kept: &mut [Kept]) {
    kept.sort_by_key(|kept| (kept.finding, kept.written));
    let mut before: Option<(Finding, SystemTime)> = None;
    for kept in kept.iter_mut().filter(|kept| kept.finding.is_settled()) {
        let follows = before.is_some_and(|(finding, written)| {
            let since = kept.written.duration_since(written);
            finding == kept.finding && since.is_ok_and(|since| since < SERIES)
        });
        kept.first = !follows;
        before = Some((kept.finding, kept.written));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltbox_format::blackbox::{BoxWriter, ManifestFields, Options};
    use haltbox_format::mark::Attempt;
    use haltbox_format::mark::State;

    use crate::voice::Silence;

    fn put(folder: &Path, name: &str, age: u64, finding: Finding) {
        let path = folder.join(name);
        let file = fs::File::create(&path).unwrap();
        let writer = BoxWriter::new(&file, &Options::default()).unwrap();
        let proved = finding == Finding::Proved;
        let identity = Identity {
            state: Some(if proved {
                State::Diverged
            } else {
                State::Pinned
            }),
            broken: finding == Finding::Broken,
            network_app_hash: proved.then(|| AppHash::new(&[1; 32]).unwrap()),
            ..Identity::default()
        };
        writer.finish(identity, ManifestFields::default()).unwrap();
        let written = SystemTime::now() - Duration::from_secs(age);
        file.set_modified(written).unwrap();
    }

    fn names(paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    }

    /// A reason quotes the node's log, in which others may have put anything.
    #[test]
    fn a_reason_from_outside_neither_stops_the_command_nor_steers_a_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let frozen = Frozen {
            of: Attempt {
                height: 7,
                attempt: 1,
            },
            path: folder.path().join("7-incomplete"),
            bytes: 0,
            existed: false,
            reach: crate::freeze::Reach::History,
            reason: "a\0b\x1b[2J".to_owned(),
            app_hash: None,
            network: None,
            state: State::Pinned,
            finding: Finding::Doubt,
            inputs: haltbox_model::Inputs::default(),
            unanswered: None,
        };
        let command = format!(
            "printf %s \"$HALTBOX_REASON\" > {0}.new; mv {0}.new {0}",
            told.display()
        );
        let voice: Speaker = std::sync::Arc::new(Silence);
        run_command(&command, &frozen, &voice).unwrap();
        let begun = Instant::now();
        while !told.exists() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let told = fs::read_to_string(told).unwrap();
        assert!(told.starts_with('a') && told.ends_with("[2J"), "{told:?}");
        assert!(!told.contains(['\0', '\x1b']), "{told:?}");
    }

    #[test]
    fn the_oldest_go_first_and_proof_last() {
        use Finding::{Broken, Doubt, Proved};
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        put(at, "1-proof", 500, Proved);
        put(at, "2-asked", 400, Doubt);
        put(at, "3-proof", 300, Proved);
        put(at, "4-broken", 250, Broken);
        put(at, "5-broken", 240, Broken);
        put(at, "6-asked", 200, Doubt);
        put(at, "7-asked", 100, Doubt);
        fs::write(at.join("notes"), vec![0; 1 << 20]).unwrap();
        fs::write(at.join(ALERT_FILE), b"read me").unwrap();
        let of = |boxes, bytes| keep_budget(at, Budget { boxes, bytes }).unwrap();
        assert!(of(7, 1 << 30).is_empty());
        assert_eq!(names(&of(6, 1 << 30)), ["2-asked"]);
        assert_eq!(names(&of(4, 1 << 30)), ["6-asked", "5-broken"]);
        assert_eq!(names(&of(2, 1 << 30)), ["3-proof", "4-broken"]);
        assert_eq!(
            names(&of(64, 1)),
            ["1-proof"],
            "the newest stays, whatever it takes"
        );
        assert!(at.join("notes").exists() && at.join(ALERT_FILE).exists());
    }

    /// What a loop of failures began with tells most, and so does that of another day.
    #[test]
    fn a_series_of_failures_never_costs_its_first_box() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let day = SERIES.as_secs();
        put(at, "1-first-of-all", 3 * day, Finding::Broken);
        for n in 0..40 {
            put(
                at,
                &format!("{}-broken", 10 + n),
                day - 60 * n,
                Finding::Broken,
            );
            keep_budget(
                at,
                Budget {
                    boxes: 6,
                    bytes: 1 << 30,
                },
            )
            .unwrap();
        }
        let left = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        let mut left = names(&left.collect::<Vec<_>>());
        left.sort();
        let expected = ["1-first-of-all", "10-broken", "46-broken", "47-broken"];
        assert_eq!(left[..4], expected, "{left:?}");
        assert_eq!(left.len(), 6);
    }

    /// Removing the middle of a series makes it look like several.
    #[test]
    fn the_first_box_of_a_series_of_weeks_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let hours = 40 * 24;
        for n in 0..hours / 6 {
            let age = 60 * 60 * (hours - 6 * n);
            put(at, &format!("{n}-broken"), age, Finding::Broken);
            let budget = Budget {
                boxes: 4,
                bytes: 1 << 30,
            };
            keep_budget(at, budget).unwrap();
        }
        assert!(at.join("0-broken").exists());
    }

    /// A loop of restarts says the same again.
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
