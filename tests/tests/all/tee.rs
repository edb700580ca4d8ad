//! `haltbox run --tee`: the node's output is kept, shown and read as its log, and
//! nothing of that reaches the node.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use haltbox_tests::loop_disk::{FileSystem, LoopDisk};
use haltbox_tests::node::{Format, Node, Version, wrong};
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A node that is a script, with its output kept in `dir`.
fn start(dir: &Path, shown: Stdio, script: &str) -> Child {
    let said = File::create(said_path(dir)).expect("stderr");
    haltbox()
        .args(["run", "--tee", "--dir", text(dir), "--size", "8MiB"])
        .args(["--archive-bytes", "0", "--wait-seconds", "60"])
        .args(["--", "sh", "-c", script])
        .stdout(shown)
        .stderr(said)
        .spawn()
        .expect("haltbox runs")
}

fn said_path(dir: &Path) -> PathBuf {
    std::env::temp_dir().join(format!("said-{}", text(dir).replace('/', "-")))
}

fn said(dir: &Path) -> String {
    fs::read_to_string(said_path(dir)).unwrap_or_default()
}

/// The whole lines of the log: it is read while it is written.
fn log(dir: &Path) -> String {
    let mut log = fs::read_to_string(dir.join("node.log")).unwrap_or_default();
    log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
    log
}

/// Prints numbered lines until `stop` is there, and counts the writes that fail.
fn counting(folder: &Path) -> String {
    format!(
        "n=0; bad=0; while [ -d {folder} ] && [ ! -e {folder}/stop ]; do n=$((n+1)); \
         echo \"INF line $n xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" \
         2> /dev/null || bad=$((bad+1)); done; echo \"$n $bad\" > {folder}/wrote.new; \
         mv {folder}/wrote.new {folder}/wrote",
        folder = text(folder)
    )
}

/// How many lines it printed, and how many of them failed.
fn wrote(folder: &Path) -> (usize, usize) {
    let path = folder.join("wrote");
    wait_until("the node's last words", || path.exists());
    let wrote = fs::read_to_string(path).expect("two numbers");
    let (lines, bad) = wrote.trim().split_once(' ').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    (number(lines), number(bad))
}

fn stop(folder: &Path) {
    fs::write(folder.join("stop"), "").expect("a file");
}

/// The numbers of the lines in a text; each is whole, but for what stands before
/// the word that lines are missing.
fn numbers(text: &str) -> Vec<usize> {
    let number = |line: &str| {
        let rest = line.strip_prefix("INF line ")?.split_once(' ')?;
        assert_eq!(rest.1.len(), 63, "a torn line: {line:?}");
        rest.0.parse().ok()
    };
    let whole = text.lines().filter(|line| !line.contains('\u{1e}'));
    whole.filter_map(number).collect()
}

fn follow_each_other(numbers: &[usize]) -> bool {
    numbers.windows(2).all(|two| two[0] + 1 == two[1])
}

/// The node prints as if nothing were; what is missing in its log is counted to
/// the line, and the recorder knows of the place.
#[test]
#[ignore = "needs root, loop devices and mkfs; `-- --ignored` runs it"]
fn a_full_disk_is_no_error_of_the_node() {
    let disk = LoopDisk::mount(FileSystem::Ext4);
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, shown) = (disk.path().join("node"), folder.path().join("shown"));
    let output = File::create(&shown).expect("a file");
    let mut wrapper = start(&dir, output.into(), &counting(folder.path()));
    wait_until("the recorder", || said(&dir).contains("recording into"));
    wait_until("lines", || numbers(&log(&dir)).len() > 1000);
    disk.fill();
    wait_until("the end of the disk", || {
        said(&dir).contains("cannot write node.log")
    });
    let before = fs::metadata(&shown).expect("it is there").len();
    wait_until("the node to print on", || {
        fs::metadata(&shown).expect("it is there").len() > before + (1 << 20)
    });
    disk.free();
    wait_until("the log to be written", || {
        said(&dir).contains("node.log is written again")
    });
    let before = numbers(&log(&dir)).len();
    wait_until("more lines", || numbers(&log(&dir)).len() > before + 1000);
    stop(folder.path());
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let (lines, bad) = wrote(folder.path());
    assert_eq!(bad, 0, "writes of the node that failed");
    let all = fs::read_to_string(&shown).expect("UTF-8");
    let all = numbers(&all);
    assert_eq!((all.len(), follow_each_other(&all)), (lines, true));
    let kept = numbers(&log(&dir));
    let told = log(&dir);
    let left_out = told.lines().filter_map(|line| {
        let (_, counts) = line.split_once("\u{1e}left out ")?;
        counts.split_once(' ')?.0.parse::<usize>().ok()
    });
    let left_out: usize = left_out.sum();
    assert!(left_out > 1000, "{left_out} lines left out");
    assert_eq!(kept.len() + left_out, lines, "counted to the line");
    let info = run(&["info", text(&dir.join("ring"))]).stdout;
    let info = String::from_utf8_lossy(&info);
    assert!(info.contains("could not be written"), "{info}");
    let recorded = run(&["cat", "--stream", "node", text(&dir.join("ring"))]).stdout;
    let recorded = String::from_utf8(recorded).expect("UTF-8");
    assert!(
        !recorded.contains('\u{1e}'),
        "a line of ours among the node's"
    );
    assert!(numbers(&recorded).ends_with(&kept[kept.len() - 1000..]));
}

/// Nobody reads what is shown, and the wrapper is stopped: the node prints on,
/// and all of it comes into the log.
#[test]
fn a_node_does_not_wait_for_a_reader_or_a_stopped_wrapper() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut wrapper = start(&dir, Stdio::piped(), &counting(folder.path()));
    wait_until("lines", || numbers(&log(&dir)).len() > 1000);
    let pid = Pid::from_raw(wrapper.id() as i32);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    let stopped = numbers(&log(&dir)).len();
    std::thread::sleep(Duration::from_secs(2));
    stop(folder.path());
    // It ends while the wrapper is stopped: it waited for nobody.
    let (lines, bad) = wrote(folder.path());
    assert!(lines > stopped && bad == 0, "{lines} lines, {bad} failed");
    kill(pid, Signal::SIGCONT).expect("it runs");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let kept = numbers(&log(&dir));
    assert_eq!((kept.len(), follow_each_other(&kept)), (lines, true));
    assert!(said(&dir).contains("nothing reads"), "{}", said(&dir));
}

/// The recorder copies on what the node prints, and records it.
#[test]
fn a_killed_wrapper_leaves_the_log_to_the_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut node = Node::new(Format::Console, Version::V038);
    node.start();
    (5..=7).for_each(|height| node.block(height));
    let slog = folder.path().join("a.slog");
    fs::write(&slog, &node.slog).expect("a slog");
    let begun = node.log.clone();
    node.raw(&format!(
        "panic: +2/3 committed an invalid block: {}",
        wrong("AppHash", 7)
    ));
    let (first, last) = (folder.path().join("first"), folder.path().join("last"));
    fs::write(&first, &begun).expect("a log");
    fs::write(&last, &node.log[begun.len()..]).expect("a log");
    let script = format!(
        "cat {first}; cat {} >> \"$SLOGFILE\"; \
         while [ -e {first} ] && [ ! -e {}/stop ]; do sleep 0.05; done; cat {}",
        text(&slog),
        text(folder.path()),
        text(&last),
        first = text(&first),
    );
    let mut wrapper = start(&dir, Stdio::null(), &script);
    wait_until("the blocks", || {
        said(&dir).contains("first block seen") && log(&dir) == begun
    });
    wrapper.kill().expect("it runs");
    wrapper.wait().expect("it ends");
    stop(folder.path());
    wait_until("the last words", || log(&dir) == node.log);
    wait_until("its record", || {
        let recorded = run(&["cat", "--stream", "node", text(&dir.join("ring"))]).stdout;
        recorded.ends_with(&node.log.as_bytes()[begun.len()..])
    });
    for pid in processes(&format!("record --dir {}", text(&dir))) {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// A log that was renamed gets a new one in its place: no line is in both, none
/// in neither.
#[test]
fn a_log_that_is_rotated_goes_on_in_a_new_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut wrapper = start(&dir, Stdio::null(), &counting(folder.path()));
    let rotated: Vec<PathBuf> = (0..3).map(|n| dir.join(format!("node.log.{n}"))).collect();
    for path in &rotated {
        wait_until("lines", || numbers(&log(&dir)).len() > 1000);
        fs::rename(dir.join("node.log"), path).expect("renamed");
        wait_until("a new log", || dir.join("node.log").exists());
    }
    stop(folder.path());
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let pieces = rotated
        .iter()
        .map(|path| fs::read_to_string(path).expect("UTF-8"));
    let all: String = pieces.chain([log(&dir)]).collect();
    let all = numbers(&all);
    let (lines, _) = wrote(folder.path());
    assert_eq!((all.len(), follow_each_other(&all)), (lines, true));
}

/// The end of a line that a killed node began is not the next one's beginning.
#[test]
fn a_line_without_an_end_takes_no_other_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    fs::create_dir(&dir).expect("a folder");
    fs::write(dir.join("node.log"), "INF committed state app_hash=AB").expect("a log");
    let script = "printf 'first\\nlast'";
    let done = start(&dir, Stdio::piped(), script).wait_with_output();
    let done = done.expect("it ends");
    assert_eq!(done.stdout, b"first\nlast");
    let recorded = run(&["cat", "--stream", "node", text(&dir.join("ring"))]).stdout;
    let recorded = String::from_utf8_lossy(&recorded);
    assert_eq!(recorded, "first\nlast\n", "{}", said(&dir));
}

/// A recorder that is stopped reads no log, and delays no output.
#[test]
fn what_the_node_prints_is_shown_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut wrapper = start(&dir, Stdio::piped(), "printf 'a prompt'; exec sleep 600");
    let mut shown = wrapper.stdout.take().expect("a pipe");
    let mut prompt = [0; 8];
    let begun = Instant::now();
    std::io::Read::read_exact(&mut shown, &mut prompt).expect("it is shown");
    assert_eq!(&prompt, b"a prompt");
    println!("shown after {:?}", begun.elapsed());
    kill(Pid::from_raw(wrapper.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(143));
}

/// A script that opens its output by name cuts it: what follows is read from its
/// beginning, and the log says that something may be missing before.
#[test]
fn output_that_is_opened_anew_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, seen) = (folder.path().join("node"), folder.path().join("seen"));
    let line = "INF committed state app_hash=ABCDEF0123456789";
    let script = format!(
        "echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo '{line}' > /dev/stderr; \
         sleep 1; echo done",
        text(&seen)
    );
    let mut wrapper = start(&dir, Stdio::piped(), &script);
    wait_until("the first line", || log(&dir) == "begun\n");
    fs::write(&seen, "").expect("a file");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let log = log(&dir);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(
        lines,
        ["begun", "\u{1e}left out 1 0", line, "done"],
        "{log}"
    );
}

/// Nobody copies what is printed behind the end of `haltbox run`: it says so.
#[test]
fn output_of_a_process_that_the_node_left_behind_is_no_silent_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let script =
        "(n=0; while [ $n -lt 200 ]; do n=$((n+1)); echo late $n; sleep 0.02; done) & exit 0";
    let mut wrapper = start(&dir, Stdio::null(), script);
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let said = said(&dir);
    assert!(said.contains("are missing in node.log"), "{said}");
}

/// What the node prints into memory counts as a file of its own.
#[test]
fn a_node_that_a_limit_of_file_sizes_would_end_is_not_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, started) = (folder.path().join("node"), folder.path().join("started"));
    let script = format!(
        "ulimit -f 100; exec {} run --tee --dir {} -- touch {}",
        text(&programs().join("haltbox")),
        text(&dir),
        text(&started)
    );
    let done = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(
        (done.status.code(), started.exists()),
        (Some(2), false),
        "{said}"
    );
    assert!(said.contains("LimitFSIZE=infinity"), "{said}");
}
