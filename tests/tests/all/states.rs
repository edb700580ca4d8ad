//! The states in which an operator must not be told that nothing needs attention,
//! and the one in which that is true.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use haltbox_format::AppHash;
use haltbox_model::Profile;
use haltbox_recorder::host::{HostRecorder, Options};
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The exit code of `haltbox status`, and what it prints.
fn asked(dir: &Path, more: &[&str]) -> (i32, String) {
    let done = run(&[&["status", text(dir)], more].concat());
    let printed = [done.stdout, done.stderr].concat();
    let printed = String::from_utf8(printed).expect("UTF-8");
    (done.status.code().expect("a code"), printed)
}

/// The words of the concerns.
fn words(dir: &Path) -> Vec<String> {
    let status = status(dir);
    let concerns = status["concerns"].as_array().cloned().unwrap_or_default();
    assert_eq!(
        status["needs_attention"],
        !concerns.is_empty() || status["attention"] != serde_json::json!([]),
        "{status}"
    );
    let word = |concern: &serde_json::Value| concern["word"].as_str().unwrap_or("").to_owned();
    concerns.iter().map(word).collect()
}

fn doctor(dir: &Path) -> String {
    String::from_utf8(run(&["doctor", text(dir)]).stdout).expect("UTF-8")
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> PathBuf {
        self.path("node")
    }

    fn slog(&self, heights: std::ops::RangeInclusive<u64>) -> PathBuf {
        let path = self.path("slog");
        let bytes: Vec<u8> = heights.flat_map(block).collect();
        fs::write(&path, bytes).expect("a slog");
        path
    }

    fn node_log(&self) -> PathBuf {
        let path = self.path("node.log");
        fs::write(&path, NODE_LOG).expect("a log");
        path
    }

    fn start(&self, arguments: &[&str]) -> Recorder {
        let arguments = [&["--size", "8MiB"], arguments].concat();
        let recorder = Recorder::start(&self.dir(), &arguments, Stdio::null());
        recorder.wait_for("recording into");
        // It may be an earlier one that said so.
        let dir = self.dir();
        wait_until("it to record", || status(&dir)["recording"] == true);
        recorder
    }
}

const NODE_LOG: &str = "2:28PM INF finalized block block_app_hash=11 height=5 module=state \
                        num_txs_res=0 num_val_updates=0\n";

fn pid(dir: &Path) -> Pid {
    Pid::from_raw(status(dir)["pid"].as_i64().expect("a process") as i32)
}

#[test]
fn nothing_needs_attention_only_while_blocks_come() {
    let place = Place::new();
    let slog = place.slog(5..=6);
    let recorder = place.start(&["--slog", text(&slog)]);
    let dir = place.dir();
    wait_until("the blocks", || status(&dir)["head"] == 6);
    let mut file = OpenOptions::new()
        .append(true)
        .open(&slog)
        .expect("the slog");
    let mut height = 6;
    wait_until("all to be well", || {
        height += 1;
        file.write_all(&block(height)).expect("a block");
        std::thread::sleep(Duration::from_millis(200));
        asked(&dir, &[]).0 == 0
    });
    file.write_all(&block(height + 1)).expect("a block");
    wait_until("the block", || status(&dir)["head"] == height + 1);
    let (code, said) = asked(&dir, &[]);
    assert_eq!(code, 0, "{said}");
    let verdict = "nothing needs attention, recording, last block ";
    assert!(said.starts_with(verdict), "{said}");
    assert_eq!(status(&dir)["max_block_seconds"], 60);
    std::thread::sleep(Duration::from_millis(2100));
    let (code, said) = asked(&dir, &["--max-block-age", "1"]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.starts_with("1 thing needs attention, recording"),
        "{said}"
    );
    assert!(said.contains("the last new block came "), "{said}");
    let metrics = output(
        0,
        &["status", "--prometheus", "--max-block-age", "1", text(&dir)],
    );
    let metrics = String::from_utf8(metrics).expect("UTF-8");
    assert!(
        metrics.contains("\nhaltbox_needs_attention 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nhaltbox_last_block_timestamp_seconds 1"),
        "{metrics}"
    );
    recorder.stop();
    let (code, said) = asked(&dir, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(") ended\n"), "{said}");
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_recorder_that_was_killed_or_stopped_is_told() {
    let place = Place::new();
    let (code, said) = asked(&place.dir(), &[]);
    assert_eq!(code, 2, "{said}");
    fs::create_dir(place.dir()).expect("a folder");
    let (code, said) = asked(&place.dir(), &[]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("nothing was recorded here yet; start the recorder"),
        "{said}"
    );
    let recorder = place.start(&["--slog", text(&place.slog(5..=6))]);
    let dir = place.dir();
    wait_until("the blocks", || status(&dir)["head"] == 6);
    let stopped = pid(&dir);
    kill(stopped, Signal::SIGSTOP).expect("it runs");
    let (code, said) = asked(&dir, &[]);
    kill(stopped, Signal::SIGCONT).expect("it runs");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("holds the ring and does not answer"),
        "{said}"
    );
    wait_until("it to answer", || {
        !words(&dir).contains(&"not-answering".to_owned())
    });
    recorder.kill();
    let (code, said) = asked(&dir, &[]);
    assert_eq!(code, 1, "{said}");
    for expected in [
        ", not recording, last block ",
        "was killed or crashed",
        "start it: ",
    ] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert_eq!(words(&dir)[0], "not-recording");
}

#[test]
fn sources_that_give_nothing_are_told() {
    let place = Place::new();
    let (slog, log) = (place.path("slog"), place.path("node.log"));
    let recorder = place.start(&["--slog", text(&slog), "--node-log", text(&log)]);
    let dir = place.dir();
    wait_until("both to be missed", || {
        words(&dir) == ["source-missing", "source-missing", "no-block"]
    });
    let file = File::create(&log).expect("a log");
    let old = SystemTime::now() - Duration::from_secs(500);
    file.set_modified(old).expect("a time");
    assert_eq!(words(&dir), ["source-missing", "source-empty", "no-block"]);
    fs::write(&slog, "hello\n".repeat(1000)).expect("no slog");
    fs::write(&log, "hello\n").expect("a log");
    wait_until("all to be read", || {
        status(&dir)["sources"].as_array().is_some_and(|all| {
            all.iter()
                .all(|source| source["lag"] == 0 && source["offset"] != 0)
        })
    });
    wait_until("what they hold", || {
        words(&dir) == ["no-block", "slog-not-understood"]
    });
    let (code, said) = asked(&dir, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("contains none"), "{said}");
    let said = doctor(&dir);
    assert!(
        said.contains("contains no blocks that a builtin profile reads"),
        "{said}"
    );
    fs::remove_file(&slog).expect("a file");
    fs::create_dir(&slog).expect("a folder");
    let expected = ["source-unreadable", "no-block", "slog-not-understood"];
    assert_eq!(words(&dir), expected);
    recorder.stop();
}

#[test]
fn the_doctor_looks_into_the_sources() {
    let place = Place::new();
    let (slog, log) = (place.slog(5..=6), place.node_log());
    let recorder = place.start(&["--slog", text(&log), "--node-log", text(&slog)]);
    let said = doctor(&place.dir());
    assert!(said.contains("--slog and --node-log are swapped"), "{said}");
    assert_ne!(words(&place.dir()), [""; 0]);
    recorder.stop();
    fs::remove_dir_all(place.dir()).expect("a folder");
    let recorder = place.start(&["--profile", "cosmos", "--slog", text(&slog)]);
    let said = doctor(&place.dir());
    assert!(
        said.contains("the profile cosmos reads no blocks in"),
        "{said}"
    );
    assert!(
        said.contains("start the recorder with --profile agoric"),
        "{said}"
    );
    recorder.stop();
    fs::remove_dir_all(place.dir()).expect("a folder");
    let recorder = place.start(&["--slog", text(&slog), "--node-log", text(&log)]);
    wait_until("the blocks", || status(&place.dir())["head"] == 6);
    let said = doctor(&place.dir());
    for good in [
        "ok       slog: the profile agoric reads",
        "ok       node: the profile agoric reads",
    ] {
        assert!(said.contains(good), "{good} is not in\n{said}");
    }
    recorder.stop();
}

/// A chain without a slog: a node's log alone, and the slog that `haltbox run` offers
/// and such a node never writes.
#[test]
fn a_chain_without_a_slog_misses_none() {
    let place = Place::new();
    let log = place.node_log();
    let slog = place.path("never");
    let arguments = [
        "--profile",
        "cosmos",
        "--slog",
        text(&slog),
        "--node-log",
        text(&log),
    ];
    let recorder = place.start(&arguments);
    let dir = place.dir();
    wait_until("the block", || status(&dir)["head"] == 5);
    wait_until("all to be well", || words(&dir).is_empty());
    let said = doctor(&dir);
    let wrong = |line: &str| line.starts_with("PROBLEM") && !line.contains("the ring is on");
    assert!(!said.lines().any(wrong), "{said}");
    recorder.stop();
}

#[test]
fn a_host_that_links_the_recorder_has_no_sources_and_may_be_dead() {
    let place = Place::new();
    let dir = place.dir();
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 8 << 20,
        ..Options::new(&dir, profile)
    };
    let (host, _) = HostRecorder::open(options).expect("a recorder");
    assert_eq!(words(&dir), ["no-block"]);
    let hash = AppHash::new(&[7; 32]);
    for height in 5..=7 {
        host.begin_block(height, 0, None).expect("a block");
        host.record(b"an entry").expect("an entry");
        host.end_block(height, None).expect("a block");
        host.commit(height, hash).expect("a commit");
    }
    assert_eq!(words(&dir), [""; 0]);
    let said = doctor(&dir);
    let wrong = |line: &str| line.starts_with("PROBLEM") && !line.contains("the ring is on");
    assert!(!said.lines().any(wrong), "{said}");
    assert!(
        said.contains("ok       the host itself writes the ring"),
        "{said}"
    );
    host.close();
    drop(host);
    let (code, said) = asked(&dir, &[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("not recording: the host that writes this ring"),
        "{said}"
    );
    assert!(said.contains("start the node"), "{said}");
}

#[test]
#[ignore = "needs root; `-- --ignored` runs it"]
fn a_disk_without_room_for_a_box_is_told() {
    let disk = SmallDisk::mount(13);
    let place = Place::new();
    let slog = place.slog(5..=6);
    let dir = disk.path().join("node");
    let recorder = Recorder::start(
        &dir,
        &["--size", "8MiB", "--slog", text(&slog)],
        Stdio::null(),
    );
    wait_until("all to be well", || {
        status(&dir)["head"] == 6 && words(&dir).is_empty()
    });
    let _ = fs::remove_file(dir.join("boxes/.reserve"));
    assert!(fs::write(disk.path().join("filler"), vec![1; 13 << 20]).is_err());
    wait_until("the disk to be told of", || words(&dir) == ["no-room"]);
    recorder.stop();
}

#[test]
fn a_recorder_says_what_it_follows_and_the_first_block_it_sees() {
    let place = Place::new();
    let (slog, log) = (place.slog(5..=7), place.path("node.log"));
    let arguments = ["--slog", text(&slog), "--node-log", text(&log)];
    let recorder = place.start(&arguments);
    recorder.wait_for("first block seen: 5\n");
    wait_until("the blocks", || status(&place.dir())["head"] == 7);
    let said = recorder.said();
    for expected in [
        format!("follows the slog {}, from its beginning\n", slog.display()),
        format!(
            "follows the node log {}, which does not exist yet\n",
            log.display()
        ),
    ] {
        assert!(said.contains(&expected), "{expected} is not in\n{said}");
    }
    assert_eq!(said.matches("first block seen").count(), 1, "{said}");
    recorder.stop();
    let recorder = place.start(&arguments);
    let length = fs::metadata(&slog).expect("a slog").len();
    recorder.wait_for(&format!("from byte {length} on\n"));
    let mut file = OpenOptions::new()
        .append(true)
        .open(&slog)
        .expect("the slog");
    file.write_all(&block(8)).expect("a block");
    recorder.wait_for("first block seen: 8\n");
    recorder.stop();
}
