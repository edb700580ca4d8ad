//! Logs of real failures, and what a recorder has to make of them.
//!
//! `tests/data/logs/NAME.log` is the log, `NAME.expect` what is expected, one
//! statement a line:
//!
//! ```text
//! # source, format and truth, for people
//! profile NAME               how it is read (cosmos, where nothing is said)
//! slog NAME                  the recording of the repository that is played first
//! wait SECONDS before-last-line | before-last-height
//! box HEIGHT STATE           a box of that height and state; no other height has one
//! no box                     no box at all
//! name NAME                  the name of the box
//! quote app=OWN/NETWORK      in the message of the box
//! hashes OWN NETWORK         the first digits of both hashes, as the message says them
//! alert WORD | no alert      what the alert file begins with
//! hook STATE                 the state that the command of --on-freeze was told last
//! told TEXT | untold TEXT    in what the recorder said, or the alert file
//! head HEIGHT                the newest height that `haltbox status` knows
//! freeze HEIGHT              an operator freezes it at the end
//! ```

pub mod journald;
pub mod layout;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::{Recorder, boxes, excerpt, root, run, status, text};
use layout::Layout;

/// `--persist-seconds` of the recorders that play.
pub const PERSIST: u64 = 3;
/// How long a box that must come may take, beyond what was waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A log and what is expected of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name.
    pub name: String,
    /// Its lines.
    pub lines: Vec<String>,
    expected: Vec<Expected>,
}

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Profile(String),
    Slog(String),
    Wait(u64, Pause),
    Box(u64, String),
    NoBox,
    Name(String),
    Quote(String),
    Hashes(String, String),
    Alert(String),
    NoAlert,
    Hook(String),
    Told(String),
    Untold(String),
    Head(u64),
    Freeze(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pause {
    BeforeLastLine,
    BeforeLastHeight,
}

impl Expected {
    fn read(line: &str) -> Expected {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("a number: {line}"));
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest).to_owned();
        match words[..] {
            ["profile", name] => Expected::Profile(name.to_owned()),
            ["slog", name] => Expected::Slog(name.to_owned()),
            ["wait", seconds, "before-last-line"] => {
                Expected::Wait(number(seconds), Pause::BeforeLastLine)
            }
            ["wait", seconds, "before-last-height"] => {
                Expected::Wait(number(seconds), Pause::BeforeLastHeight)
            }
            ["box", height, state] => Expected::Box(number(height), state.to_owned()),
            ["no", "box"] => Expected::NoBox,
            ["no", "alert"] => Expected::NoAlert,
            ["name", name] => Expected::Name(name.to_owned()),
            ["quote", quote] => Expected::Quote(quote.to_owned()),
            ["hashes", own, network] => Expected::Hashes(own.to_owned(), network.to_owned()),
            ["alert", _, ..] => Expected::Alert(rest),
            ["hook", state] => Expected::Hook(state.to_owned()),
            ["told", ..] => Expected::Told(rest),
            ["untold", ..] => Expected::Untold(rest),
            ["head", height] => Expected::Head(number(height)),
            ["freeze", height] => Expected::Freeze(number(height)),
            _ => panic!("no such statement: {line}"),
        }
    }
}

/// All cases of the repository.
pub fn cases() -> Vec<Case> {
    let folder = root().join("tests/data/logs");
    let entries = fs::read_dir(&folder).expect("the folder of logs");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let logs = paths.filter(|path| path.extension().is_some_and(|end| end == "log"));
    let mut cases: Vec<Case> = logs.map(|path| Case::read(&path)).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// How the lines come to the recorder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A file that is followed.
    File,
    /// The recorder's standard input.
    Pipe,
    /// The output of a node that `haltbox run` started.
    Run,
    /// The journal that a running journald keeps: see [`journald`].
    Journal,
}

/// All of them that any machine has.
pub const WAYS: [Way; 3] = [Way::File, Way::Pipe, Way::Run];

/// What came of a play.
pub struct Outcome {
    said: String,
    alert: String,
    hook: String,
    boxes: Vec<PathBuf>,
    status: serde_json::Value,
}

impl Case {
    fn read(path: &Path) -> Case {
        let log = fs::read(path).expect("a log");
        let log = String::from_utf8(log).expect("text");
        let expected = fs::read_to_string(path.with_extension("expect")).expect("what is expected");
        let statements = expected.lines().filter(|line| !line.starts_with('#'));
        Case {
            name: path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            lines: log.lines().map(str::to_owned).collect(),
            expected: statements.map(Expected::read).collect(),
        }
    }

    /// The same, as another logger or collector prints it; `None` where that
    /// cannot carry these lines.
    pub fn laid_out(&self, layout: &Layout) -> Option<Case> {
        let lines = layout.lines(&self.lines)?;
        Some(Case {
            lines,
            ..self.clone()
        })
    }

    /// Whether it can come this way: `haltbox run` makes the slog itself.
    pub fn comes_by(&self, way: Way) -> bool {
        way != Way::Run || self.slog().is_none()
    }

    /// Plays it in a folder; gives what is wrong with the outcome.
    pub fn play(&self, folder: &Path, way: Way) -> Vec<String> {
        let stage = Stage::open(self, folder, way);
        let outcome = stage.play(self);
        self.faults(&outcome)
    }

    fn pauses(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.expected.iter().filter_map(|expected| match expected {
            Expected::Wait(seconds, Pause::BeforeLastLine) => {
                Some((self.lines.len() - 1, *seconds))
            }
            Expected::Wait(seconds, Pause::BeforeLastHeight) => {
                Some((self.last_height_begins(), *seconds))
            }
            _ => None,
        })
    }

    /// The first line that has the greatest height of the log.
    fn last_height_begins(&self) -> usize {
        let height = |line: &String| {
            let (_, rest) = line.split_once("height")?;
            let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
            let end = digits.find(|c: char| !c.is_ascii_digit());
            digits[..end.unwrap_or(digits.len())].parse::<u64>().ok()
        };
        let heights: Vec<Option<u64>> = self.lines.iter().map(height).collect();
        let last = heights.iter().flatten().max().copied();
        heights
            .iter()
            .position(|height| *height == last)
            .unwrap_or(0)
    }

    fn slog(&self) -> Option<Vec<u8>> {
        self.expected.iter().find_map(|expected| match expected {
            Expected::Slog(name) => Some(excerpt(name.trim_end_matches("-12-13"))),
            _ => None,
        })
    }

    fn profile(&self) -> &str {
        let named = self.expected.iter().find_map(|expected| match expected {
            Expected::Profile(name) => Some(name.as_str()),
            _ => None,
        });
        named.unwrap_or("cosmos")
    }

    fn wants_box(&self) -> usize {
        let boxes = |expected: &&Expected| matches!(expected, Expected::Box(..));
        self.expected.iter().filter(boxes).count()
    }

    /// What must come has come.
    fn is_complete(&self, outcome: &Outcome) -> bool {
        self.faults(outcome).is_empty()
    }

    fn faults(&self, outcome: &Outcome) -> Vec<String> {
        let wrong = |expected: &&Expected| !outcome.holds(expected);
        let mut faults: Vec<String> = self
            .expected
            .iter()
            .filter(wrong)
            .map(|expected| format!("{expected:?}"))
            .collect();
        let allowed = |height: u64| {
            self.expected.iter().any(|expected| match expected {
                Expected::Box(wanted, _) | Expected::Freeze(wanted) => *wanted == height,
                Expected::Told(_) => self.wants_box() == 0,
                _ => false,
            })
        };
        for (height, state) in outcome.heights() {
            if !allowed(height) {
                faults.push(format!("a box of {height}, {state}"));
            }
        }
        if !faults.is_empty() {
            faults.push(format!("it said:\n{}", outcome.said));
        }
        faults
    }
}

impl Outcome {
    fn heights(&self) -> Vec<(u64, String)> {
        let of = |path: &PathBuf| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let height = name.split('-').next()?.parse().ok()?;
            let told = run(&["info", "--json", text(path)]).stdout;
            let told: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
            let state = told.pointer("/sources/0/identity/state");
            Some((
                height,
                state.and_then(|s| s.as_str()).unwrap_or("?").to_owned(),
            ))
        };
        self.boxes.iter().filter_map(of).collect()
    }

    fn holds(&self, expected: &Expected) -> bool {
        let told = |words: &str| self.said.contains(words) || self.alert.contains(words);
        match expected {
            Expected::Profile(_) | Expected::Slog(_) | Expected::Wait(..) | Expected::Freeze(_) => {
                true
            }
            Expected::Box(height, state) => self.heights().contains(&(*height, state.clone())),
            Expected::NoBox => self.boxes.is_empty(),
            Expected::NoAlert => self.alert.is_empty(),
            Expected::Name(name) => self.boxes.iter().any(|path| path.ends_with(name)),
            Expected::Quote(quote) => told(quote),
            Expected::Hashes(own, network) => {
                let own = told(&format!("this node has {own}"));
                own && told(&format!("the network {network}"))
            }
            Expected::Alert(words) => {
                let first = self.alert.lines().nth(1).unwrap_or_default();
                first.contains(words.as_str())
            }
            Expected::Hook(state) => self.hook.trim().ends_with(&state.to_lowercase()),
            Expected::Told(words) => told(words),
            Expected::Untold(words) => !told(words),
            Expected::Head(height) => self.status["head"] == *height,
        }
    }
}

/// A recorder, and what its lines are written into.
struct Stage {
    recorder: Recorder,
    dir: PathBuf,
    sink: Sink,
    way: Way,
    hook: PathBuf,
}

enum Sink {
    File(fs::File),
    Pipe(std::process::ChildStdin),
}

impl Stage {
    fn open(case: &Case, folder: &Path, way: Way) -> Stage {
        let (dir, hook) = (folder.join("node"), folder.join("hook"));
        let command = format!("echo \"$HALTBOX_STATE\" >> {}", hook.display());
        let seconds = PERSIST.to_string();
        let size = if case.slog().is_some() {
            "64MiB"
        } else {
            "4MiB"
        };
        let mut arguments = vec!["--size", size, "--archive-bytes", "0"];
        arguments.extend(["--persist-seconds", &seconds, "--on-freeze", &command]);
        let slog = folder.join("slog");
        match case.slog() {
            Some(bytes) => {
                fs::write(&slog, bytes).expect("a slog");
                arguments.extend(["--profile", "agoric", "--slog", text(&slog)]);
            }
            None => arguments.extend(["--profile", case.profile()]),
        }
        let (recorder, sink) = match way {
            Way::File => {
                let log = folder.join("node.log");
                let file = fs::File::create(&log).expect("a log");
                arguments.extend(["--node-log", text(&log)]);
                let recorder = Recorder::start(&dir, &arguments, Stdio::null());
                (recorder, Sink::File(file))
            }
            Way::Pipe => {
                arguments.extend(["--node-log", "-"]);
                let mut recorder = Recorder::start(&dir, &arguments, Stdio::piped());
                let pipe = recorder.child().stdin.take().expect("a pipe");
                (recorder, Sink::Pipe(pipe))
            }
            Way::Journal => {
                let (unit, pipe) = journald::unit();
                arguments.extend(["--journal", &unit]);
                let recorder = Recorder::start(&dir, &arguments, Stdio::null());
                (recorder, Sink::Pipe(pipe))
            }
            Way::Run => {
                arguments.extend(["--tee", "--", "cat"]);
                let said = fs::File::create(dir.with_extension("stderr")).expect("a file");
                let child = crate::haltbox()
                    .args(["run", "--dir", text(&dir)])
                    .args(&arguments)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .stderr(said)
                    .spawn();
                let mut recorder = Recorder::of(&dir, child.expect("haltbox run starts"));
                let pipe = recorder.child().stdin.take().expect("a pipe");
                (recorder, Sink::Pipe(pipe))
            }
        };
        recorder.wait_for("recording into");
        Stage {
            recorder,
            dir,
            sink,
            way,
            hook,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        match &mut self.sink {
            Sink::File(file) => file.write_all(bytes),
            Sink::Pipe(pipe) => pipe.write_all(bytes),
        }
        .expect("the lines are taken");
    }

    fn outcome(&self) -> Outcome {
        let alert = self.dir.join("boxes/CONSENSUS_FAILURE.txt");
        Outcome {
            said: self.recorder.said(),
            alert: fs::read_to_string(alert).unwrap_or_default(),
            hook: fs::read_to_string(&self.hook).unwrap_or_default(),
            boxes: boxes(&self.dir),
            status: status(&self.dir),
        }
    }

    /// Ends the node, and with it a recorder that `haltbox run` started: one that is
    /// killed leaves its recorder to go on.
    fn close(self) {
        drop(self.sink);
        match self.way {
            Way::Run | Way::Pipe => self.recorder.wait_however(),
            Way::File | Way::Journal => self.recorder.kill(),
        }
    }

    fn play(mut self, case: &Case) -> Outcome {
        if case.slog().is_some() {
            self.recorder.wait_for("first block seen");
        }
        let mut from = 0;
        for (until, seconds) in case.pauses() {
            let part = case.lines[from..until].join("\n") + "\n";
            self.write(part.as_bytes());
            std::thread::sleep(Duration::from_secs(seconds));
            from = until;
        }
        let part = case.lines[from..].join("\n") + "\n";
        self.write(part.as_bytes());
        // What must not come has as much time as what must.
        std::thread::sleep(Duration::from_secs(PERSIST + 2));
        for expected in &case.expected {
            if let Expected::Freeze(height) = expected {
                run(&["freeze", text(&self.dir), "--height", &height.to_string()]);
            }
        }
        let begun = Instant::now();
        loop {
            let outcome = self.outcome();
            if case.is_complete(&outcome) || begun.elapsed() >= PATIENCE {
                self.close();
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
