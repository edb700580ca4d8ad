//! `@haltbox/slog-sender` in real Node processes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use haltbox_tests::slog_sender::{NodeHost, install_packed};
use haltbox_tests::toolchain::needs;
use haltbox_tests::*;

/// A process that records numbered entries, and the last number it said.
struct Counter {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Counter {
    fn start(host: &NodeHost, home: &Path, from: u64) -> Counter {
        let mut program = host.program("counter.mjs", home);
        let program = program.arg(from.to_string()).stdout(Stdio::piped());
        let mut child = program.spawn().expect("node starts");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut counter = Counter { child, said };
        assert_eq!(counter.hear().as_deref(), Some("opening"));
        counter
    }

    fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("a pipe");
        line.strip_suffix('\n').map(str::to_owned)
    }

    /// Kills it after a time that begins with its first entry. Gives the first
    /// number that was not acknowledged.
    fn kill_after(mut self, time: Duration) -> u64 {
        let first = self.hear().expect("it records");
        let child = &mut self.child;
        let said = &mut self.said;
        let last = std::thread::scope(|scope| {
            let heard = scope.spawn(|| {
                let whole = said.lines().map(|line| line.expect("a pipe"));
                whole.filter_map(|line| line.parse().ok()).last()
            });
            std::thread::sleep(time);
            child.kill().expect("it runs");
            heard.join().expect("a number")
        });
        self.child.wait().expect("it ends");
        let last: u64 = last.unwrap_or_else(|| first.parse().expect("a number"));
        last + 1
    }
}

fn numbered(number: u64) -> String {
    let pad = "é".repeat((number * 7919 % 1000) as usize);
    format!("{{\"type\":\"numbered\",\"number\":{number},\"pad\":\"{pad}\"}}")
}

fn cat(home: &Path) -> Vec<u8> {
    output(0, &["cat", text(&home.join("haltbox"))])
}

/// What a kill leaves. A kill between the two parts of an entry that spans two segments
/// leaves its first part: it was not acknowledged, and `cat` reports that one record as
/// torn, with exit code 1. Each kill tears at most one.
fn cat_after_kills(home: &Path, kills: usize) -> Vec<u8> {
    let done = run(&["cat", text(&home.join("haltbox"))]);
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.code() == Some(0) {
        return done.stdout;
    }
    assert_eq!(done.status.code(), Some(1), "{said}");
    let torn: BTreeSet<&str> = said.lines().map(torn_record).collect();
    assert!((1..=kills).contains(&torn.len()), "{said}");
    done.stdout
}

/// The number in `records N to N of the main lane: torn`.
fn torn_record(line: &str) -> &str {
    let (_, numbers) = line.split_once("records ").expect(line);
    let (range, why) = numbers.split_once(" of the main lane: ").expect(line);
    let (from, to) = range.split_once(" to ").expect(line);
    assert!(from == to && why.starts_with("torn"), "{line}");
    from
}

/// The acknowledged entries are there, and perhaps the one whose acknowledgement
/// the kill cut off. Only what the ring had no room for may be missing at the
/// front. Gives the next number.
fn check_numbered(home: &Path, acknowledged: u64, kills: usize) -> u64 {
    let found = String::from_utf8(cat_after_kills(home, kills)).expect("UTF-8");
    let first = found
        .split(&['"', ':', ','][..])
        .find_map(|word| word.parse().ok());
    let first: u64 = first.expect("a number");
    assert!(first == 0 || found.len() > 16 << 20, "{first} is the first");
    let mut next = first;
    for line in found.lines() {
        assert_eq!(line, numbered(next));
        next += 1;
    }
    assert!(
        next == acknowledged || next == acknowledged + 1,
        "{acknowledged} were acknowledged, {next} are there"
    );
    next
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn every_entry_that_was_acknowledged_outlives_a_kill() {
    let host = NodeHost::installed();
    let mut random = Random::seeded(20);
    for _ in 0..20 {
        let home = tempfile::tempdir().expect("a folder");
        let time = Duration::from_micros(random.below(300_000));
        let acknowledged = Counter::start(host, home.path(), 0).kill_after(time);
        let next = check_numbered(home.path(), acknowledged, 1);
        // Who is started again goes on behind what is there.
        let time = Duration::from_micros(random.below(50_000));
        let acknowledged = Counter::start(host, home.path(), next).kill_after(time);
        check_numbered(home.path(), acknowledged, 2);
    }
}

/// A node may be started again while the process before it is still ending.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_ring_that_is_locked_for_a_moment_is_waited_for() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let mut first = Counter::start(host, home.path(), 0);
    first.hear().expect("it records");
    let mut second = Counter::start(host, home.path(), 0);
    std::thread::sleep(Duration::from_millis(300));
    first.kill_after(Duration::ZERO);
    assert!(second.hear().is_some(), "the second one never recorded");
    second.kill_after(Duration::ZERO);
}

/// What a program printed, and each line that it said.
fn finish(program: &mut Command) -> (String, Vec<String>) {
    let Output {
        status,
        stdout,
        stderr,
    } = program.output().expect("node runs");
    let said = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{program:?} ended with {status}: {said}");
    let printed = String::from_utf8(stdout).expect("UTF-8");
    (printed, said.lines().map(str::to_owned).collect())
}

fn feed(host: &NodeHost, home: &Path, slog: &[u8]) -> Command {
    let path = home.join("input.slog");
    fs::write(&path, slog).expect("a slog");
    let mut program = host.program("feed.mjs", home);
    program
        .arg(path)
        .env("SLOGSENDER", "@haltbox/slog-sender")
        .env_remove("SLOGFILE");
    program
}

fn report(slog: &[u8], sends: bool) -> String {
    let sent = slog.iter().filter(|byte| **byte == b'\n').count();
    format!("{{\"sends\":{sends},\"sent\":{sent},\"changed\":0}}\n")
}

#[track_caller]
fn assert_same(found: &[u8], expected: &[u8]) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b);
    let lengths = (found.len(), expected.len());
    assert!(found == expected, "differ at {differs:?} of {lengths:?}");
}

/// The bytes that the kernel's JSON has, whichever process the sender runs in,
/// and blocks as its entries mark them.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn agorics_aggregator_hands_over_every_line() {
    let host = NodeHost::installed();
    for name in ["honest-a", "divergent-kv"] {
        let slog = excerpt(name);
        for agent in ["self", "process"] {
            let home = tempfile::tempdir().expect("a folder");
            let home = home.path();
            let (printed, _) = finish(feed(host, home, &slog).env("SLOGSENDER_AGENT", agent));
            assert_eq!(printed, report(&slog, true), "{name}, {agent}");
            assert_same(&cat(home), &slog);
            let block = output(0, &["cat", text(&home.join("haltbox")), "--height", "13"]);
            let block = String::from_utf8_lossy(&block);
            assert!(block.starts_with(r#"{"type":"cosmic-swingset-begin-block","blockHeight":13"#));
            assert!(!home.join("data/haltbox").exists());
        }
    }
}

#[test]
#[ignore = "needs Node.js, npm and HALTBOX_DATA; `-- --ignored` runs it"]
fn a_full_recording_comes_out_as_it_went_in() {
    let host = NodeHost::installed();
    let Some(slog) = recording("honest-a") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let mut program = feed(host, home.path(), &slog);
    // By its path, as where the package lies outside the node's modules.
    program.env("SLOGSENDER", host.module());
    program.env("HALTBOX_SIZE", "256MiB");
    let (printed, _) = finish(&mut program);
    assert_eq!(printed, report(&slog, true));
    assert_same(&cat(home.path()), &slog);
}

fn own_lines(said: &[String]) -> Vec<&str> {
    let own = said
        .iter()
        .filter_map(|line| line.strip_prefix("haltbox: "));
    own.collect()
}

/// Runs the kernel with a setting that no ring can be had with: it goes on, and
/// one line says why.
fn refused(host: &NodeHost, home: &Path, name: &str, value: &Path, why: &str) {
    let slog = excerpt("honest-a");
    for agent in ["self", "process"] {
        let mut program = feed(host, home, &slog);
        let program = program.env("SLOGSENDER_AGENT", agent).env(name, value);
        let (printed, said) = finish(program);
        assert_eq!(printed, report(&slog, false), "{name}={}", value.display());
        let own = own_lines(&said);
        assert_eq!(own.len(), 1, "{said:?}");
        assert!(
            own[0].starts_with("not recording: ") && own[0].contains(why),
            "{own:?}"
        );
    }
}

#[test]
#[ignore = "needs Node.js, npm and root; `-- --ignored` runs it"]
fn without_a_ring_the_node_goes_on() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let file = home.join("file");
    File::create(&file).expect("a file");
    let refused = |name, value: &Path, why| refused(host, home, name, value, why);
    refused("HALTBOX_DIR", &file.join("under"), "cannot make the folder");
    refused(
        "HALTBOX_DIR",
        Path::new("/proc/haltbox"),
        "cannot make the folder",
    );
    refused("HALTBOX_SIZE", Path::new("1MiB"), "a ring of 1048576 bytes");
    refused("HALTBOX_SIZE", Path::new("much"), "HALTBOX_SIZE: ");
    refused(
        "HALTBOX_BACKGROUND",
        Path::new("maybe"),
        "HALTBOX_BACKGROUND: ",
    );
    let disk = SmallDisk::mount(6);
    refused("HALTBOX_DIR", &disk.path().join("ring"), "no room for");
    let mut first = Counter::start(host, home, 0);
    first.hear().expect("it records");
    refused(
        "HALTBOX_SIZE",
        Path::new("64MiB"),
        "is being written by another recorder",
    );
    let acknowledged = first.kill_after(Duration::ZERO);
    check_numbered(home, acknowledged, 1);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn switched_off_it_leaves_no_trace() {
    let host = NodeHost::installed();
    let slog = excerpt("honest-a");
    for word in ["off", "0"] {
        let home = tempfile::tempdir().expect("a folder");
        let (printed, said) = finish(feed(host, home.path(), &slog).env("HALTBOX", word));
        assert_eq!(printed, report(&slog, false));
        assert_eq!(own_lines(&said), [""; 0]);
        assert!(!home.path().join("haltbox").exists());
    }
}

/// Lines that no kernel should send are kept as they are, what is no line is
/// told of once, and nothing is thrown.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn odd_entries_harm_nobody() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let expected = home.join("expected");
    let mut program = host.program("odd-entries.mjs", home);
    let program = program
        .arg(&expected)
        .arg("70e6")
        .env("HALTBOX_SIZE", "256MiB");
    let (_, said) = finish(program);
    assert_same(&cat(home), &fs::read(expected).expect("lines"));
    let told = own_lines(&said);
    let expected = [
        "Converting circular structure",
        "no error",
        "the entry is not a string",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(
            told.starts_with("an entry was not recorded: ") && told.contains(expected),
            "{told}"
        );
    }
}

/// An entry that no ring of this size can hold is cut; those around it are whole.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn an_entry_larger_than_the_ring_is_cut() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let expected = home.join("expected");
    let mut program = host.program("odd-entries.mjs", home);
    finish(
        program
            .arg(&expected)
            .arg("70e6")
            .env("HALTBOX_SIZE", "8MiB"),
    );
    let whole = fs::read_to_string(expected).expect("lines");
    let found = output(0, &["cat", text(&home.join("haltbox"))]);
    // The cut may have parted a character.
    let found = String::from_utf8_lossy(&found);
    let short = |lines: &str| -> Vec<String> {
        let lines = lines.lines().filter(|line| !line.contains("aé€😀aé€😀"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(short(&found), short(&whole));
    assert!(found.len() < 8 << 20);
}

/// Node unloads what a worker loaded, while the recorder's thread may be at work.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_worker_that_ends_takes_nothing_with_it() {
    let host = NodeHost::installed();
    for background in ["0", "1"] {
        let home = tempfile::tempdir().expect("a folder");
        let mut program = host.program("worker.mjs", home.path());
        let (printed, _) = finish(program.env("HALTBOX_BACKGROUND", background));
        assert_eq!(printed, "mapped\n", "HALTBOX_BACKGROUND={background}");
    }
}

/// By itself, and nobody else has to.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn the_sender_archives() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let slog: Vec<u8> = (1..=150).flat_map(block).collect();
    let mut program = feed(host, home, &slog);
    program.env("HALTBOX_SIZE", "16MiB");
    finish(program.env("HALTBOX_ARCHIVE_BYTES", "64MiB"));
    let parts = fs::read_dir(home.join("haltbox/archive")).expect("an archive");
    assert!(parts.count() > 0);
}

/// What tells the sender's own process what is followed.
struct Beside {
    home: tempfile::TempDir,
    log: std::path::PathBuf,
}

impl Beside {
    fn start(&self, host: &NodeHost) -> Child {
        let mut program = host.program("beside.mjs", self.home.path());
        program
            .env("HALTBOX_NODE_LOG", &self.log)
            .env("HALTBOX_PROGRAM", programs().join("haltbox"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = program.spawn().expect("node starts");
        let mut said = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut said).expect("a line");
        assert_eq!(said, "recording\n");
        child
    }

    fn dir(&self) -> std::path::PathBuf {
        self.home.path().join("haltbox")
    }

    fn attached(&self) -> serde_json::Value {
        status(&self.dir())["attached"].clone()
    }

    fn wait_for(&self, pid: impl Fn(u64) -> bool) -> u64 {
        let mut found = 0;
        wait_until("one that is attached", || {
            let attached = self.attached();
            found = attached["pid"].as_u64().unwrap_or(0);
            attached["alive"] == true && pid(found)
        });
        found
    }

    fn say(&self, lines: &[u8]) {
        let log = fs::OpenOptions::new().append(true).open(&self.log);
        log.expect("a log").write_all(lines).expect("written");
    }
}

fn end(pid: u64, signal: nix::sys::signal::Signal) {
    let pid = nix::unistd::Pid::from_raw(pid as i32);
    nix::sys::signal::kill(pid, signal).expect("it runs");
}

/// A setting of the node's environment is all it takes: its log is followed by a process
/// that outlives it, comes back when it is killed, and ends with it in order.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_failure_in_the_node_s_log_is_frozen_beside_the_sender() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let log = home.path().join("node.log");
    fs::write(&log, "").expect("a log");
    let beside = Beside { home, log };
    let mut node = beside.start(host);
    let mut feed = |heights: std::ops::RangeInclusive<u64>| {
        let slog: Vec<u8> = heights.flat_map(block).collect();
        node.stdin
            .as_mut()
            .expect("a pipe")
            .write_all(&slog)
            .expect("it reads");
    };
    feed(1..=3);
    let first = beside.wait_for(|_| true);
    end(first, nix::sys::signal::Signal::SIGKILL);
    let second = beside.wait_for(|pid| pid != first);
    feed(4..=5);
    wait_until("height 5", || status(&beside.dir())["head"] == 5);
    // The node is killed, and only then its last words are read.
    node.kill().expect("it runs");
    node.wait().expect("it ends");
    beside.say(&failure(5));
    wait_until("a box", || !boxes(&beside.dir()).is_empty());
    let found = boxes(&beside.dir());
    assert_eq!(found.len(), 1, "{found:?}");
    let slog: Vec<u8> = (1..=5).flat_map(block).collect();
    assert_same(&zstd_dc(&found[0]), &slog);
    let info = output(0, &["info", "--json", text(&found[0])]);
    let info: serde_json::Value = serde_json::from_slice(&info).expect("JSON");
    let identity = &info["sources"][0]["identity"];
    assert_eq!(
        (&identity["state"], &identity["height"]),
        (&"diverged".into(), &5.into())
    );
    assert!(!text(&found[0]).contains("incomplete"), "{found:?}");
    assert_eq!(
        output(0, &["cat", "--stream", "node", text(&found[0])]),
        failure(5)
    );
    // The next node finds it there, and its end in order is the end of what it started.
    end(second, nix::sys::signal::Signal::SIGTERM);
    wait_until("its end", || beside.attached()["alive"] == false);
    let mut node = beside.start(host);
    beside.wait_for(|pid| pid != second);
    drop(node.stdin.take());
    assert!(node.wait().expect("it ends").success());
    wait_until("its end", || beside.attached()["closed"] == true);
    assert_eq!(boxes(&beside.dir()), found);
}

/// What cannot be started is said once, and the node goes on.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_program_that_is_not_there_is_told_and_the_sender_records() {
    let host = NodeHost::installed();
    let home = tempfile::tempdir().expect("a folder");
    let mut program = host.program("beside.mjs", home.path());
    program.env("HALTBOX_JOURNAL", "agd.service");
    program.env("HALTBOX_PROGRAM", "/nowhere/haltbox");
    let (printed, said) = finish(&mut program);
    assert_eq!(printed, "recording\n");
    let own = own_lines(&said);
    assert_eq!(own.len(), 1, "{said:?}");
    assert!(
        own[0].contains("/nowhere/haltbox cannot be started"),
        "{own:?}"
    );
}

/// The tarball is all that a machine needs.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn the_package_installs_with_nothing_but_itself() {
    ["node", "npm"].into_iter().for_each(needs);
    let folder = tempfile::tempdir().expect("a folder");
    install_packed(folder.path());
    let program = folder.path().join("host.mjs");
    let mut file = File::create(&program).expect("a file");
    file.write_all(
        b"import { makeSlogSender } from '@haltbox/slog-sender';\n\
          const slogSender = await makeSlogSender({ env: { HALTBOX_DIR: 'haltbox', HALTBOX_SIZE: '4MiB' } });\n\
          slogSender({ type: 'hello' });\n",
    )
    .expect("a program");
    finish(Command::new("node").arg(program).current_dir(folder.path()));
    assert_same(&cat(folder.path()), b"{\"type\":\"hello\"}\n");
}

/// Whoever runs these tests asks their own registry.
#[test]
fn the_lock_file_names_no_registry() {
    let lock = fs::read_to_string(root().join("tests/node/package-lock.json")).expect("a file");
    let lock: serde_json::Value = serde_json::from_str(&lock).expect("JSON");
    let packages = lock["packages"].as_object().expect("packages");
    assert!(packages.len() > 100);
    for (name, package) in packages {
        assert!(package["resolved"].is_null(), "{name}");
    }
}
