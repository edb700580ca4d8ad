//! The slog through a FIFO: whoever holds it, no death of the recorder reaches
//! the node, and what was missed is told.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haltbox_tests::*;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// No write of the node may take longer, on whatever machine this runs: a
/// recorder that stands in its way does so for good.
const LONGEST_MS: u64 = 10_000;

/// `haltbox run --fifo` of a node that writes 20 MB/s.
struct Run {
    wrapper: Child,
    folder: PathBuf,
    dir: PathBuf,
}

impl Run {
    fn start(folder: &Path, options: &[&str]) -> Run {
        let dir = folder.join("node");
        let said = File::create(folder.join("said")).expect("stderr");
        let wrapper = haltbox()
            .args(["run", "--fifo", "--dir", text(&dir), "--wait-seconds", "60"])
            .args(options)
            .arg("--")
            .arg(programs().join("slog-writer"))
            .arg(folder)
            .stderr(said)
            .spawn()
            .expect("haltbox runs");
        let run = Run {
            wrapper,
            folder: folder.to_owned(),
            dir,
        };
        run.says("recording into", 1);
        run.goes_on();
        run
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }

    /// Lines that the node has written, or a little less.
    fn at(&self) -> u64 {
        let at = fs::read_to_string(self.folder.join("at"));
        at.ok().and_then(|at| at.parse().ok()).unwrap_or(0)
    }

    /// Waits until it was said so often.
    fn says(&self, words: &str, times: usize) {
        wait_until(words, || self.said().matches(words).count() >= times);
    }

    /// How often lines were left out till now, the start of the recorder
    /// included, which takes its time.
    fn counts(&self) -> usize {
        self.said().matches("lines of the slog dropped: ").count()
    }

    /// The node writes: some megabytes more.
    fn goes_on(&self) {
        let before = self.at();
        wait_until("the node to write on", || self.at() > before + 4000);
    }

    fn recorder(&self) -> Pid {
        let of = format!("record --dir {}", text(&self.dir));
        let found = processes(&of);
        let [pid] = found.as_slice() else {
            panic!("one recorder expected, found {found:?}: {}", self.said())
        };
        *pid
    }

    fn signal(&self, signal: Signal) {
        kill(self.recorder(), signal).expect("it runs");
    }

    fn stop_node(&self) {
        fs::write(self.folder.join("stop"), "").expect("a file");
    }

    /// How many lines the node wrote.
    fn wrote(&self) -> u64 {
        let path = self.folder.join("wrote");
        wait_until("the node's last words", || {
            fs::read_to_string(&path).is_ok_and(|text| text.contains(' '))
        });
        let wrote = fs::read_to_string(path).expect("the node ended in order");
        let (lines, longest) = wrote.split_once(' ').expect("two numbers");
        let longest: u64 = longest.parse().expect("a number");
        println!("{lines} lines, the longest write took {longest} ms");
        assert!(longest < LONGEST_MS, "a write took {longest} ms");
        lines.parse().expect("a number")
    }

    /// Ends the node and the run; gives how many lines were written.
    fn end(mut self) -> u64 {
        self.stop_node();
        let status = self.wrapper.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{}", self.said());
        assert!(!self.dir.join("slog.fifo").exists(), "the FIFO is left");
        self.wrote()
    }
}

/// Processes whose command line has this text.
fn processes(of: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let matches = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(of)
    };
    pids.filter(matches).map(Pid::from_raw).collect()
}

/// Numbers of the recorded lines, each whole.
fn numbers(dir: &Path) -> Vec<u64> {
    let kept = run(&["cat", text(&dir.join("ring"))]).stdout;
    let number = |line: &str| {
        let entry: serde_json::Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{error}: a line that nobody wrote: {line:?}"));
        entry["n"].as_u64().expect("a number")
    };
    let text = String::from_utf8(kept).expect("UTF-8");
    text.lines().map(number).collect()
}

/// Places at which lines are missing; the others are in order.
fn places(numbers: &[u64]) -> usize {
    assert!(numbers.is_sorted_by(|one, other| one < other), "in order");
    let jumps = numbers.windows(2).filter(|two| two[0] + 1 != two[1]);
    jumps.count()
}

fn lost(dir: &Path) -> u64 {
    let status = run(&["status", "--json", text(dir)]).stdout;
    let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
    status["lost"].as_u64().expect("a number")
}

fn info(dir: &Path) -> String {
    let info = run(&["info", text(&dir.join("ring"))]).stdout;
    String::from_utf8(info).expect("UTF-8")
}

#[test]
fn every_line_comes_through() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run::start(folder.path(), &["--size", "512MiB"]);
    let dir = run.dir.clone();
    run.goes_on();
    let wrote = run.end();
    let numbers = numbers(&dir);
    assert_eq!(
        (numbers.len() as u64, places(&numbers), lost(&dir)),
        (wrote, 0, 0)
    );
}

/// What the dead recorder had read and not recorded is missing, and said to be;
/// what it had not read is there.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_killed_recorder_costs_a_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run::start(folder.path(), &["--size", "512MiB"]);
    let dir = run.dir.clone();
    run.signal(Signal::SIGKILL);
    run.says("recording into", 2);
    run.goes_on();
    let wrote = run.end();
    let numbers = numbers(&dir);
    assert_eq!(numbers.last(), Some(&(wrote - 1)), "it goes on to the end");
    assert!(places(&numbers) <= 1, "missing at one place");
    let missing = wrote - numbers.len() as u64;
    assert!(missing < 300, "{missing} lines are missing");
    assert!(info(&dir).contains("was not reading"), "{}", info(&dir));
}

/// A recorder that hangs: what neither it nor the backlog takes is counted to
/// the line.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_hung_recorder_does_not_stop_the_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--size", "512MiB", "--backlog", "1MiB"];
    let run = Run::start(folder.path(), &options);
    let dir = run.dir.clone();
    let counts = run.counts();
    run.signal(Signal::SIGSTOP);
    run.says("lines of the slog are dropped", counts + 1);
    run.goes_on();
    run.signal(Signal::SIGCONT);
    run.says("lines of the slog dropped: ", counts + 1);
    run.goes_on();
    let wrote = run.end();
    let numbers = numbers(&dir);
    let left_out = lost(&dir);
    assert!(left_out > 3000, "{left_out} lines left out");
    assert_eq!(
        numbers.len() as u64 + left_out,
        wrote,
        "counted to the line"
    );
    assert_eq!(numbers.last(), Some(&(wrote - 1)), "it goes on to the end");
    assert!(info(&dir).contains("dropped them"), "{}", info(&dir));
}

/// A recorder that cannot come back (somebody holds its ring) and then can.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_recorder_that_stays_away_does_not_stop_the_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = ["--size", "512MiB", "--backlog", "1MiB"];
    let run = Run::start(folder.path(), &options);
    let dir = run.dir.clone();
    let ring = File::open(dir.join("ring")).expect("a ring");
    run.signal(Signal::SIGKILL);
    let mut lock = Flock::lock(ring, FlockArg::LockExclusive);
    while let Err((ring, _)) = lock {
        lock = Flock::lock(ring, FlockArg::LockExclusive);
    }
    run.says("starting it again", 2);
    run.goes_on();
    let counts = run.counts();
    drop(lock);
    run.says("lines of the slog dropped: ", counts + 1);
    run.goes_on();
    let wrote = run.end();
    let numbers = numbers(&dir);
    assert_eq!(numbers.last(), Some(&(wrote - 1)), "it goes on to the end");
    let missing = wrote - numbers.len() as u64;
    let left_out = lost(&dir);
    assert!(
        left_out > 3000 && missing - left_out < 300,
        "{missing} missing, {left_out} told"
    );
    let info = info(&dir);
    assert!(
        info.contains("dropped them") && info.contains("was not reading"),
        "{info}"
    );
}

/// A recorder that died is no reason to lose what the node said last.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn what_came_before_the_node_s_end_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = Run::start(folder.path(), &["--size", "512MiB"]);
    let dir = run.dir.clone();
    run.signal(Signal::SIGKILL);
    // What it had read goes with it: the last lines are to be others.
    run.goes_on();
    let wrote = run.end();
    assert_eq!(numbers(&dir).last(), Some(&(wrote - 1)));
}

/// Only both deaths would reach the node. The next run has a FIFO of its own,
/// and a recorder once the other has nothing left to read.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_killed_wrapper_leaves_the_recorder_with_the_fifo() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Run::start(folder.path(), &["--size", "512MiB"]);
    let (dir, recorder) = (run.dir.clone(), run.recorder());
    run.wrapper.kill().expect("it runs");
    run.wrapper.wait().expect("it ends");
    run.goes_on();
    let second = folder.path().join("second");
    fs::create_dir(&second).expect("a folder");
    let said = File::create(second.join("said")).expect("stderr");
    let mut wrapper = haltbox()
        .args(["run", "--fifo", "--size", "512MiB", "--dir", text(&dir)])
        .args(["--wait-seconds", "60"])
        .arg("--")
        .arg(programs().join("slog-writer"))
        .arg(&second)
        .stderr(said)
        .spawn()
        .expect("haltbox runs");
    let second_said = || fs::read_to_string(second.join("said")).unwrap_or_default();
    wait_until("the second to wait", || {
        second_said().contains("this node's slog waits")
    });
    assert_eq!(
        processes(&format!("record --dir {}", text(&dir))),
        [recorder]
    );
    run.stop_node();
    let wrote = run.wrote();
    wait_until("a recorder of the second", || {
        second_said().contains("recording into")
    });
    fs::write(second.join("stop"), "").expect("a file");
    assert_eq!(
        wrapper.wait().expect("it ends").code(),
        Some(0),
        "{}",
        second_said()
    );
    let kept = numbers(&dir);
    let restart = kept.windows(2).position(|two| two[1] < two[0]);
    let (first, second) = kept.split_at(restart.expect("two runs") + 1);
    assert_eq!(first.last(), Some(&(wrote - 1)), "the first to its end");
    assert!(places(first) <= 1, "missing at one place");
    assert_eq!(
        (second.first(), places(second)),
        (Some(&0), 0),
        "nothing of the second is missing"
    );
}

/// As systemd starts a unit whose socket has ListenFIFO=: the FIFO is open for
/// reading and writing as descriptor 3, and stays open with the manager.
fn activated(dir: &Path, fifo: &Path, arguments: &[&str]) -> Recorder {
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=slog; exec \"$@\" 3<>\"$FIFO\"";
    let said = File::options()
        .create(true)
        .append(true)
        .open(dir.with_extension("stderr"))
        .expect("stderr");
    let child = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(programs().join("haltbox"))
        .args(["record", "--size", "512MiB", "--dir", text(dir)])
        .args(arguments)
        .env("FIFO", fifo)
        .stderr(said)
        .stdin(Stdio::null())
        .spawn()
        .expect("sh runs");
    Recorder::of(dir, child)
}

fn held(folder: &Path) -> (PathBuf, File) {
    let path = folder.join("slog.fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let holder = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&path)
        .expect("the FIFO");
    let found = holder.metadata().expect("it is there");
    assert!(found.file_type().is_fifo());
    (path, holder)
}

/// The manager holds the FIFO: a node writes on over the death of a recorder,
/// and only what that one had read is missing.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_fifo_that_systemd_holds_outlives_the_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (fifo, holder) = held(folder.path());
    // Nobody reads yet: the node's open does not wait.
    let mut node = Command::new(programs().join("slog-writer"))
        .arg(folder.path())
        .env("SLOGFILE", &fifo)
        .spawn()
        .expect("the node starts");
    let first = activated(&dir, &fifo, &["--slog", "systemd"]);
    wait_until("lines", || {
        dir.join("ring").exists() && numbers(&dir).len() > 2000
    });
    first.kill();
    std::thread::sleep(Duration::from_millis(300));
    let second = activated(&dir, &fifo, &["--slog", "fd:slog"]);
    wait_until("the second", || {
        second.said().matches("recording into").count() == 2
    });
    let before = numbers(&dir).len();
    wait_until("more lines", || numbers(&dir).len() > before + 2000);
    fs::write(folder.path().join("stop"), "").expect("a file");
    assert!(node.wait().expect("it ends").success(), "EPIPE, or a hang");
    let wrote = fs::read_to_string(folder.path().join("wrote")).expect("a count");
    let (wrote, _) = wrote.split_once(' ').expect("two numbers");
    let wrote: u64 = wrote.parse().expect("a number");
    wait_until("the last line", || {
        numbers(&dir).last() == Some(&(wrote - 1))
    });
    // The node's end is no end of the FIFO, and no reason to be busy.
    let before = cpu_ticks(second.id());
    std::thread::sleep(Duration::from_secs(2));
    let ticks = cpu_ticks(second.id()) - before;
    assert!(ticks < 50, "{ticks} ticks of CPU in 2 s of silence");
    let mut next_node = File::options().append(true).open(&fifo).expect("the FIFO");
    writeln!(next_node, "{{\"type\":\"console\",\"n\":{wrote}}}").expect("a line");
    wait_until("a line of the next node", || {
        numbers(&dir).last() == Some(&wrote)
    });
    second.stop();
    let kept = numbers(&dir);
    let missing = wrote + 1 - kept.len() as u64;
    assert!(
        missing < 300 && places(&kept) <= 1,
        "{missing} lines are missing"
    );
    assert!(info(&dir).contains("was not reading"), "{}", info(&dir));
    drop(holder);
}

/// A recorder that died may have had the beginning of the line that comes next.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn the_rest_of_a_line_is_no_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (fifo, mut holder) = held(folder.path());
    let line = |n| format!("{{\"type\":\"console\",\"n\":{n}}}\n");
    let lines: String = (0..3).map(line).collect();
    holder.write_all(lines.as_bytes()).expect("room");
    holder.read_exact(&mut [0; 10]).expect("bytes");
    let recorder = activated(&dir, &fifo, &["--slog", "systemd"]);
    wait_until("the lines", || {
        dir.join("ring").exists() && !numbers(&dir).is_empty()
    });
    recorder.stop();
    assert_eq!(numbers(&dir), [1, 2]);
}

/// User and system time of a process, in ticks of 10 ms.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let tick = |at: usize| fields[at].parse::<u64>().expect("ticks");
    tick(11) + tick(12)
}

#[test]
fn a_descriptor_that_is_none_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (fifo, _holder) = held(folder.path());
    let fails = |mut recorder: Recorder, words: &str| {
        let status = recorder.child().wait().expect("it ends");
        assert_eq!(status.code(), Some(2));
        assert!(recorder.said().contains(words), "{}", recorder.said());
    };
    let unpassed = Recorder::start(&dir, &["--slog", "systemd"], Stdio::null());
    fails(unpassed, "passed no file descriptor");
    fails(activated(&dir, &fifo, &["--slog", "fd:other"]), "only slog");
    let regular = folder.path().join("regular");
    fs::write(&regular, "").expect("a file");
    fails(
        activated(&dir, &regular, &["--slog", "systemd"]),
        "is not a FIFO",
    );
}
