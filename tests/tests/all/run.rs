//! `haltbox run`: nothing of Haltbox stands in the node's way, whatever dies.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use haltbox_tests::node::{Format, Node, Version, wrong};
use haltbox_tests::slog_writer::{Report, SlogWriter};
use haltbox_tests::*;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// `haltbox run` of a shell script; what it says on stderr goes to a file.
fn start(dir: &Path, options: &[&str], script: &str) -> Child {
    let said = fs::File::create(said_path(dir)).expect("stderr");
    let default = |option: &'static str, value| match options.contains(&option) {
        true => vec![],
        false => vec![option, value],
    };
    haltbox()
        .args(["run", "--dir", text(dir)])
        .args(options)
        .args(default("--size", "8MiB"))
        .args(default("--wait-seconds", "60"))
        .args(["--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(said)
        .spawn()
        .expect("haltbox runs")
}

fn said_path(dir: &Path) -> PathBuf {
    dir.with_extension("said")
}

fn said(dir: &Path) -> String {
    fs::read_to_string(said_path(dir)).unwrap_or_default()
}

fn cat(dir: &Path) -> Vec<u8> {
    run(&["cat", "--stream", "all", text(&dir.join("ring"))]).stdout
}

#[test]
fn the_node_s_output_and_exit_code_come_through() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("a.slog"));
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let script = format!("echo hello; cat {} >> \"$SLOGFILE\"; exit 7", text(&slog));
    let done = start(&dir, &[], &script)
        .wait_with_output()
        .expect("it ends");
    assert_eq!(done.status.code(), Some(7), "{}", said(&dir));
    assert_eq!(done.stdout, b"hello\n");
    let ring = fs::metadata(dir.join("ring")).expect("a ring").len();
    assert_eq!(ring, 8 << 20, "the options are the recorder's");
    assert!(
        said(&dir).contains("ended with exit code 7"),
        "{}",
        said(&dir)
    );
    assert!(
        cat(&dir) == excerpt("honest-a"),
        "the slog was read to its end"
    );
    let status = run(&["status", "--json", text(&dir)]).stdout;
    assert!(
        String::from_utf8_lossy(&status).contains("\"recording\": false"),
        "the recorder ended"
    );
}

/// As one that panics at its start: the recorder may begin later than it ends.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_node_that_ends_at_once_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    for round in 0..10 {
        let dir = folder.path().join(format!("node-{round}"));
        let script = "echo '{\"type\":\"last\"}' >> \"$SLOGFILE\"; exit 2";
        let status = start(&dir, &[], script).wait().expect("it ends");
        assert_eq!(status.code(), Some(2), "{}", said(&dir));
        let lines = String::from_utf8(cat(&dir)).expect("UTF-8");
        assert!(lines.contains("\"last\""), "{lines}{}", said(&dir));
    }
}

/// Whatever the umask of the one who starts it is.
#[test]
fn what_holds_users_data_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("a.slog");
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let program = haltbox().get_program().to_owned();
    let script = format!(
        "umask 0; cd {}; {} run --dir node --tee --size 8MiB -- \
         sh -c 'cat {} >> $SLOGFILE; sleep 1'",
        text(folder.path()),
        program.to_string_lossy(),
        text(&slog)
    );
    let mut shell = std::process::Command::new("sh");
    let done = shell.args(["-c", &script]).output().expect("a shell");
    assert!(done.status.success(), "{done:?}");
    let dir = folder.path().join("node");
    let freeze = format!(
        "umask 0; {} freeze {}",
        program.to_string_lossy(),
        text(&dir)
    );
    let mut shell = std::process::Command::new("sh");
    let done = shell.args(["-c", &freeze]).output().expect("a shell");
    assert!(done.status.success(), "{done:?}");
    let mut folders = vec![dir];
    let mut seen = 0;
    while let Some(next) = folders.pop() {
        for path in [next.clone()].into_iter().chain(entries(&next)) {
            let mode = path.symlink_metadata().expect("it is there").permissions();
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            // The node makes its slog itself.
            if path.file_name() != Some("slog.jsonl".as_ref()) {
                assert_eq!(mode.mode() & 0o777, wanted, "{}", text(&path));
            }
            seen += 1;
            if path.is_dir() && path != next {
                folders.push(path);
            }
        }
    }
    assert!(seen >= 7, "{seen}");
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn signals_reach_the_node_and_its_end_is_judged() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = [
        (
            "trap 'exit 3' TERM; touch ready; while :; do sleep 0.05; done",
            Signal::SIGTERM,
            3,
            "exit code 3",
        ),
        (
            "trap 'exit 4' INT; touch ready; while :; do sleep 0.05; done",
            Signal::SIGINT,
            4,
            "exit code 4",
        ),
        (
            "trap 'kill -9 $$' USR1; touch ready; while :; do sleep 0.05; done",
            Signal::SIGUSR1,
            137,
            "SIGKILL",
        ),
        (
            // It ends by itself; the signal must not be faster.
            "trap '' USR2; touch ready; kill -SEGV $$",
            Signal::SIGUSR2,
            139,
            "SIGSEGV",
        ),
    ];
    for (number, (script, signal, code, words)) in table.into_iter().enumerate() {
        let dir = folder.path().join(format!("node-{number}"));
        let ready = folder.path().join(format!("ready-{number}"));
        let script = script.replace("ready", text(&ready));
        let mut wrapper = start(&dir, &[], &script);
        wait_until("the node", || ready.exists());
        let _ = kill(Pid::from_raw(wrapper.id() as i32), signal);
        let status = wrapper.wait().expect("it ends");
        assert_eq!(status.code(), Some(code), "{script}: {}", said(&dir));
        assert!(said(&dir).contains(words), "{}", said(&dir));
    }
}

/// A wrong option is told before the node is started.
#[test]
fn a_node_is_not_started_with_a_wrong_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, started) = (folder.path().join("node"), folder.path().join("started"));
    for wrong in [["--profile", "/nonexistent"], ["--size", "7 apples"]] {
        let script = format!("touch {}", text(&started));
        let status = start(&dir, &wrong, &script).wait().expect("it ends");
        assert_eq!(
            (status.code(), started.exists()),
            (Some(2), false),
            "{}",
            said(&dir)
        );
    }
}

/// A recorder of a node that never was would stand for the next node's.
#[test]
fn a_node_that_cannot_be_started_leaves_no_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    for options in [&["--tee"][..], &["--fifo"], &[]] {
        let done = haltbox()
            .args(["run", "--dir", text(&dir)])
            .args(options)
            .args(["--", "/nonexistent/agdd", "start"])
            .output()
            .expect("haltbox runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains("cannot start /nonexistent/agdd"), "{said}");
        let left = processes(&format!("record --dir {}", text(&dir)));
        assert!(left.is_empty() && !dir.join("ring").exists(), "{left:?}");
    }
}

/// A recorder that follows something else is no recorder of this node; that is
/// said, here and in the status, until it ends.
#[test]
fn a_recorder_with_other_options_is_not_taken_for_the_node_s() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = folder.path().join("other.slog");
    let other = Recorder::start(&dir, &["--slog", text(&slog)], Stdio::null());
    other.wait_for("recording into");
    let script = format!("echo '{{\"type\":\"own\"}}' >> \"$SLOGFILE\"; {WAITING}");
    let mut wrapper = start(&dir, &["--tee"], &script);
    wait_until("the word", || {
        said(&dir).contains("THIS NODE IS NOT RECORDED")
    });
    wait_until("the status", || {
        let status = run(&["status", text(&dir)]);
        let text = String::from_utf8_lossy(&status.stdout).into_owned();
        status.status.code() == Some(1) && text.contains("is not recorded")
    });
    other.stop();
    wait_until("a recorder of its own", || {
        said(&dir).contains("recording into")
    });
    kill(Pid::from_raw(wrapper.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let kept = String::from_utf8(cat(&dir)).expect("UTF-8");
    assert!(kept.contains("\"own\""), "{kept}{}", said(&dir));
}

/// A recorder that cannot say what it records is taken by nobody for this node's, and
/// is asked nothing more. A stand-in: it holds the ring and answers as one that does
/// not know the question.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn an_older_recorder_is_named_and_left_at_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = folder.path().join("other.slog");
    let real = Recorder::start(&dir, &["--slog", text(&slog)], Stdio::null());
    real.wait_for("recording into");
    let pid = real.id();
    real.stop();
    let ring = fs::File::open(dir.join("ring")).expect("a ring");
    let held = Flock::lock(ring, FlockArg::LockExclusiveNonblock);
    let held = held.map_err(|(_, errno)| errno).expect("nobody holds it");
    let socket = UnixListener::bind(dir.join("control")).expect("a socket");
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        for stream in socket.incoming() {
            let mut stream = stream.expect("a caller");
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = stream.write_all(b"{\"failed\":\"the request is not understood\"}\n");
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    let mut wrapper = start(&dir, &[], WAITING);
    wait_until("the word", || said(&dir).contains("older version"));
    let words = said(&dir);
    assert!(words.contains("THIS NODE IS NOT RECORDED"), "{words}");
    let end_it = format!(
        "kill the pid that haltbox status --json {} shows",
        text(&dir)
    );
    assert!(words.contains(&end_it), "{words}");
    let kills = |after: &str| after.starts_with(|c: char| c.is_ascii_digit());
    assert!(
        !words.split("kill ").skip(1).any(kills),
        "no number that nobody told: {words}"
    );
    let status = status(&dir);
    assert_eq!(status["pid"], pid, "{status}");
    // Some seconds later it is still asked, and nothing but who it is.
    let mut questions = 0;
    while questions < 3 {
        let question = asked.recv_timeout(Duration::from_secs(60)).expect("asked");
        // The status asks whether it lives.
        assert!(
            question.contains("who") || question.contains("hello"),
            "{question}"
        );
        questions += usize::from(question.contains("who"));
    }
    assert!(!said(&dir).contains("recording into"), "{}", said(&dir));
    // It ends by itself, and only then has the node a recorder.
    drop(held);
    fs::remove_file(dir.join("control")).expect("a socket");
    wait_until("a recorder of its own", || {
        said(&dir).contains("recording into")
    });
    kill(Pid::from_raw(wrapper.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
}

/// An update replaces the program while a node is at work for weeks.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_recorder_is_started_again_though_its_program_was_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, bin) = (folder.path().join("node"), folder.path().join("bin"));
    fs::create_dir(&bin).expect("a folder");
    let put = |name: &str| fs::copy(programs().join(name), bin.join(name)).expect("a program");
    for name in ["haltbox", "haltbox-record"] {
        put(name);
    }
    let mut wrapper = Command::new(bin.join("haltbox"))
        .args(["run", "--dir", text(&dir), "--size", "8MiB"])
        .args(["--", "sh", "-c", WAITING])
        .stderr(fs::File::create(said_path(&dir)).expect("stderr"))
        .spawn()
        .expect("haltbox runs");
    wait_until("a recorder", || said(&dir).contains("recording into"));
    fs::remove_file(bin.join("haltbox-record")).expect("a program");
    fs::write(bin.join("haltbox-record"), "another version").expect("a program");
    signal(
        &processes(&format!("record --dir {}", text(&dir))),
        Signal::SIGKILL,
    );
    wait_until("another recorder", || {
        said(&dir).matches("recording into").count() == 2
    });
    kill(Pid::from_raw(wrapper.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
}

/// Some parents ignore the ends of their children, and what they start does too.
#[test]
fn the_exit_code_comes_though_whoever_starts_it_ignores_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let status = Command::new("env")
        .arg("--ignore-signal=CHLD")
        .arg(haltbox().get_program())
        .args(["run", "--dir", text(&dir), "--size", "8MiB"])
        .args(["--", "sh", "-c", "sleep 0.2; exit 7"])
        .stderr(fs::File::create(said_path(&dir)).expect("stderr"))
        .status()
        .expect("env runs");
    assert_eq!(status.code(), Some(7), "{}", said(&dir));
    wait_until("the recorder's end", || {
        processes(&format!("record --dir {}", text(&dir))).is_empty()
    });
}

/// Whoever reads the node's output to its end, as a shell does, waits for no recorder
/// that is still at work then.
#[test]
fn the_recorder_does_not_hold_the_node_s_output_open() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, options) in [&["--fifo"][..], &["--tee"], &[]].into_iter().enumerate() {
        let dir = folder.path().join(format!("node-{number}"));
        let mut wrapper = start(&dir, options, WAITING);
        wait_until("a recorder", || said(&dir).contains("recording into"));
        let output = wrapper.stdout.as_ref().expect("a pipe").as_raw_fd();
        let output = fs::read_link(format!("/proc/self/fd/{output}")).expect("a link");
        for pid in processes(&format!("record --dir {}", text(&dir))) {
            let held = entries(Path::new(&format!("/proc/{pid}/fd")));
            let mut held = held.into_iter().filter_map(|fd| fs::read_link(fd).ok());
            assert!(held.all(|held| held != output), "{options:?}");
        }
        kill(Pid::from_raw(wrapper.id() as i32), Signal::SIGTERM).expect("it runs");
        assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    }
}

/// The terminal stops whatever writes from its background, if the operator set it so.
/// That must not stop the recorder at its first word.
#[test]
#[ignore = "needs script(1); `-- --ignored` runs it"]
fn a_terminal_that_stops_background_output_stops_no_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, stop) = (folder.path().join("node"), folder.path().join("stop"));
    let node = format!(
        "stty tostop; {} run --dir {} --size 8MiB -- \
         sh -c \"while [ ! -e {} ]; do sleep 0.05; done\"",
        text(&programs().join("haltbox")),
        text(&dir),
        text(&stop)
    );
    let shown = folder.path().join("shown");
    let terminal = Command::new("script")
        .args(["-qefc", &node, text(&shown)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let mut terminal = terminal.expect("this test needs script(1), to make a terminal");
    let begun = Instant::now();
    let said = || fs::read_to_string(&shown).unwrap_or_default();
    while !said().contains("recording into") && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = said();
    fs::write(&stop, "").expect("a file");
    assert!(terminal.wait().expect("it ends").success());
    assert!(said.contains("recording into"), "{said}");
}

/// A recorder that is killed while it reads the last words leaves them to another,
/// which must hear that the node is gone: else it would wait for it for ever.
#[test]
fn a_recorder_killed_behind_the_node_s_end_leaves_the_rest_to_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, go) = (folder.path().join("node"), folder.path().join("go"));
    let script = format!(
        "echo '{{\"type\":\"first\"}}' >> \"$SLOGFILE\"; \
         while [ ! -e {} ]; do sleep 0.05; done; exit 5",
        text(&go)
    );
    let mut wrapper = start(&dir, &["--wait-seconds", "40"], &script);
    let recorders = || processes(&format!("record --dir {}", text(&dir)));
    wait_until("a line", || {
        dir.join("ring").exists() && !cat(&dir).is_empty()
    });
    let first = recorders();
    fs::write(&go, "").expect("a file");
    wait_until("the end", || said(&dir).contains("ended with exit code 5"));
    // While more comes it reads on, some seconds at most.
    let mut slog = fs::File::options();
    let mut slog = slog
        .append(true)
        .open(dir.join("slog.jsonl"))
        .expect("a slog");
    for _ in 0..20 {
        slog.write_all(b"{\"type\":\"more\"}\n").expect("written");
        std::thread::sleep(Duration::from_millis(50));
    }
    signal(&first, Signal::SIGKILL);
    slog.write_all(b"{\"type\":\"last\"}\n").expect("written");
    let killed = Instant::now();
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(5));
    let (waited, left) = (killed.elapsed(), recorders());
    left.iter()
        .for_each(|pid| kill(*pid, Signal::SIGKILL).expect("it runs"));
    assert!(left.is_empty(), "after {waited:?}: {}", said(&dir));
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    let kept = String::from_utf8(cat(&dir)).expect("UTF-8");
    assert!(kept.ends_with("{\"type\":\"last\"}\n"), "{kept}");
    let info = run(&["info", text(&dir.join("ring"))]).stdout;
    let info = String::from_utf8_lossy(&info);
    assert!(info.contains("ended with exit code 5"), "{info}");
}

/// A FIFO that takes the place of a followed slog is not waited for.
#[test]
fn giving_back_does_not_wait_for_what_is_at_the_path_by_now() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let line = format!("{{\"type\":\"console\",\"x\":\"{}\"}}\n", "y".repeat(960));
    fs::write(&slog, &line).expect("a slog");
    let arguments = ["--size", "32MiB", "--slog", text(&slog), "--give-back"];
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    wait_until("a line", || {
        dir.join("ring").exists() && !cat(&dir).is_empty()
    });
    let mut file = fs::File::options();
    let mut file = file.append(true).open(&slog).expect("a slog");
    fs::rename(&slog, folder.path().join("slog.1")).expect("renamed");
    nix::unistd::mkfifo(&slog, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let more = line.repeat(12 * 1024);
    file.write_all(more.as_bytes()).expect("written");
    wait_until("all of it", || cat(&dir).len() == line.len() + more.len());
    recorder.stop();
}

const WAITING: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

/// Supervisors wait for the exit code. The recorder does what is left as soon as
/// it can.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn the_node_s_end_waits_for_no_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, options) in [&["--fifo"][..], &["--tee"], &[]].into_iter().enumerate() {
        let dir = folder.path().join(format!("node-{number}"));
        let ready = folder.path().join(format!("ready-{number}"));
        let last = folder.path().join(format!("last-{number}"));
        let line = "{\"type\":\"console\",\"n\":1}";
        // More than a pipe holds comes last.
        let script = format!(
            "exec 3>> \"$SLOGFILE\"; echo '{line}' >&3; while [ ! -e {} ]; do sleep 0.05; done; \
             n=0; while [ $n -lt 30000 ]; do n=$((n+1)); echo \
             \"{{\\\"type\\\":\\\"console\\\",\\\"n\\\":$n,\\\"x\\\":\\\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\\\"}}\" \
             >&3; done; echo said last; touch {}; exit 5",
            text(&ready),
            text(&last)
        );
        let options = [options, &["--wait-seconds", "1"]].concat();
        let mut wrapper = start(&dir, &options, &script);
        wait_until("a line", || {
            dir.join("ring").exists() && !cat(&dir).is_empty()
        });
        let recorder = processes(&format!("record --dir {}", text(&dir)));
        signal(&recorder, Signal::SIGSTOP);
        fs::write(&ready, "").expect("a file");
        wait_until("the node's end", || last.exists());
        let ended = std::time::Instant::now();
        let status = wrapper.wait().expect("it ends");
        let waited = ended.elapsed();
        assert_eq!(status.code(), Some(5), "{}", said(&dir));
        println!("{options:?}: the exit code came after {waited:?}");
        assert!(waited < Duration::from_secs(8), "{waited:?}");
        signal(&recorder, Signal::SIGCONT);
        wait_until("the recorder's end", || {
            processes(&format!("record --dir {}", text(&dir))).is_empty()
        });
        let numbers = numbers_from(&dir, 1);
        assert_eq!(numbers.len(), 30_000, "{}", said(&dir));
        let info = run(&["info", text(&dir.join("ring"))]).stdout;
        let info = String::from_utf8_lossy(&info);
        assert!(info.contains("ended with exit code 5"), "{info}");
    }
}

/// The numbers behind the first lines.
fn numbers_from(dir: &Path, skipped: usize) -> Vec<u64> {
    let slog = run(&["cat", text(&dir.join("ring"))]).stdout;
    let text = String::from_utf8(slog).expect("UTF-8");
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("an entry");
        value["n"].as_u64().expect("a number")
    };
    let numbers: Vec<u64> = text.lines().skip(skipped).map(number).collect();
    assert!(numbers.is_sorted(), "in order");
    numbers
}

/// A node that is started has no signal blocked, and what it ignored from its
/// parents' side, as under nohup, it ignores still.
#[test]
fn a_node_has_the_signals_of_whoever_starts_haltbox() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let program = haltbox().get_program().to_owned();
    let script = format!(
        "trap '' HUP; exec {} run --dir {} --size 8MiB -- grep ^Sig /proc/self/status",
        program.to_string_lossy(),
        text(&dir)
    );
    let mut shell = std::process::Command::new("sh");
    let done = shell.args(["-c", &script]).output().expect("a shell");
    let shown = String::from_utf8(done.stdout).expect("UTF-8");
    let mask = |name: &str| {
        let found = shown.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(found.expect("a mask").trim(), 16).expect("a number")
    };
    let bit = |signal: Signal| 1 << (signal as u64 - 1);
    assert_eq!(mask("SigBlk:"), 0, "{shown}");
    assert_eq!(mask("SigIgn:") & bit(Signal::SIGHUP), bit(Signal::SIGHUP));
    assert_eq!(mask("SigIgn:") & bit(Signal::SIGTERM), 0);
}

const COUNTING: &str = "n=0; while [ $n -lt 100000 ]; do n=$((n+1)); echo \
                        \"{\\\"type\\\":\\\"console\\\",\\\"n\\\":$n}\" >> \"$SLOGFILE\"; sleep \
                        0.01; done";

/// Numbers of the lines that are kept; they must follow each other.
fn numbers(dir: &Path) -> Vec<u64> {
    let text = String::from_utf8(cat(dir)).expect("UTF-8");
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("an entry");
        value["n"].as_u64().expect("a number")
    };
    let numbers: Vec<u64> = text.lines().map(number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "lost or repeated: {numbers:?}"
    );
    numbers
}

#[test]
fn a_killed_wrapper_leaves_node_and_recorder_at_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    // The folder in the script tells its process from those of other tests.
    let mut wrapper = start(&dir, &[], &format!(": {}; {COUNTING}", text(&dir)));
    wait_until("lines", || {
        dir.join("ring").exists() && numbers(&dir).len() > 20
    });
    wrapper.kill().expect("it runs");
    wrapper.wait().expect("it ends");
    let before = numbers(&dir).len();
    wait_until("more lines", || numbers(&dir).len() > before + 20);
    // The next wrapper uses the recorder that is there, and starts another when
    // that dies.
    let stop = format!(
        "while [ ! -e {}/stop ]; do sleep 0.1; done; exit 5",
        text(&dir)
    );
    let mut second = start(&dir, &[], &stop);
    wait_until("the second to find it", || {
        said(&dir).contains("already running there")
    });
    let recorders = || processes(&format!("record --dir {}", text(&dir)));
    let [left] = recorders()[..] else {
        panic!("one recorder expected, found {:?}", recorders())
    };
    kill(left, Signal::SIGKILL).expect("it runs");
    wait_until("another recorder", || {
        recorders().iter().any(|pid| *pid != left)
    });
    fs::write(dir.join("stop"), "").expect("a file");
    assert_eq!(second.wait().expect("it ends").code(), Some(5));
    for pid in processes(text(&dir)) {
        let _ = kill(pid, Signal::SIGKILL);
    }
}

#[test]
fn a_killed_recorder_is_started_again_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut wrapper = start(&dir, &[], &format!("trap 'exit 0' TERM; {COUNTING}"));
    wait_until("lines", || {
        dir.join("ring").exists() && numbers(&dir).len() > 20
    });
    let recorder = processes(&format!("record --dir {}", text(&dir)));
    let [recorder] = recorder.as_slice() else {
        panic!("one recorder expected, found {recorder:?}")
    };
    kill(*recorder, Signal::SIGKILL).expect("it runs");
    let before = numbers(&dir).len();
    wait_until("more lines", || numbers(&dir).len() > before + 50);
    assert!(said(&dir).contains("starting it again"), "{}", said(&dir));
    kill(Pid::from_raw(wrapper.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(wrapper.wait().expect("it ends").code(), Some(0));
    let written = fs::read_to_string(dir.join("slog.jsonl"))
        .expect("a slog")
        .lines()
        .count();
    let kept = numbers(&dir);
    assert_eq!((kept.first(), kept.len()), (Some(&1), written));
}

/// With --tee the node's output is its log too: what it says last, and that it
/// ended, freezes the block.
#[test]
fn the_last_words_of_a_node_that_ends_freeze_its_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut node = Node::new(Format::Console, Version::V038);
    node.start();
    (5..=7).for_each(|height| node.block(height));
    let slog = folder.path().join("a.slog");
    fs::write(&slog, &node.slog).expect("a slog");
    node.raw(&format!(
        "panic: +2/3 committed an invalid block: {}",
        wrong("AppHash", 7)
    ));
    let log = folder.path().join("a.log");
    fs::write(&log, &node.log).expect("a log");
    let script = format!(
        "cat {} >> \"$SLOGFILE\"; sleep 1; cat {}; exit 2",
        text(&slog),
        text(&log)
    );
    let done = start(&dir, &["--tee"], &script)
        .wait_with_output()
        .expect("it ends");
    assert_eq!(done.status.code(), Some(2));
    assert!(done.stdout == node.log.as_bytes(), "the output is copied");
    let found = boxes(&dir);
    assert_eq!(found.len(), 1, "{}", said(&dir));
    assert!(
        said(&dir).contains("among the node's last log lines"),
        "{}",
        said(&dir)
    );
}

/// A followed slog of hundreds of megabytes takes some dozens on the disk, and a
/// new ring begins behind what is gone.
#[test]
#[ignore = "needs a file system whose files can have holes; `-- --ignored` runs it"]
fn what_is_recorded_is_given_back_to_the_disk() {
    let target = root().join("target");
    fs::create_dir_all(&target).expect("a folder on a disk");
    let folder = tempfile::tempdir_in(target).expect("a folder on a disk");
    assert!(
        has_holes(folder.path()),
        "this test needs a file system whose files can have holes"
    );
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let line = format!("{{\"type\":\"console\",\"x\":\"{}\"}}\n", "y".repeat(960));
    let megabytes = line.repeat(16 * 1024);
    let arguments = ["--size", "8MiB", "--slog", text(&slog), "--give-back"];
    fs::write(&slog, "").expect("a slog");
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    recorder.wait_for("recording into");
    let mut file = fs::File::options()
        .append(true)
        .open(&slog)
        .expect("a slog");
    for _ in 0..16 {
        std::io::Write::write_all(&mut file, megabytes.as_bytes()).expect("written");
    }
    let held = || fs::metadata(&slog).expect("a slog").blocks() * 512;
    wait_until("the slog to be given back", || held() < 90 << 20);
    assert_eq!(
        fs::metadata(&slog).expect("a slog").len(),
        16 * megabytes.len() as u64
    );
    recorder.stop();
    fs::remove_file(dir.join("ring")).expect("a ring");
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    wait_until("the rest to be read", || cat(&dir).len() > 4 << 20);
    recorder.stop();
    let kept = String::from_utf8(cat(&dir)).expect("UTF-8");
    assert!(
        kept.split_inclusive('\n').all(|kept| kept == line),
        "a torn line"
    );
}

/// A write of the node waits for nothing of Haltbox: not for a recorder or a
/// wrapper that is stopped for seconds, nor for one that is killed.
#[test]
#[ignore = "needs Node.js; `-- --ignored` runs it"]
fn no_write_of_the_node_waits_for_a_stopped_or_killed_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = SlogWriter::new(folder.path(), 8.0);
    let (dir, report) = (folder.path().join("node"), folder.path().join("report"));
    let node = writer.command(14.0);
    let mut wrapper = haltbox()
        .args(["run", "--dir", text(&dir), "--size", "32MiB", "--"])
        .arg(node.get_program())
        .args(node.get_args())
        .stdout(fs::File::create(&report).expect("a report"))
        .stderr(Stdio::null())
        .spawn()
        .expect("haltbox runs");
    let slog = dir.join("slog.jsonl");
    wait_until("the node and its recorder", || {
        slog.exists() && dir.join("control").exists()
    });
    let recorder = || processes(&format!("record --dir {}", text(&dir)));
    let of_wrapper = Pid::from_raw(wrapper.id() as i32);
    let stop = Duration::from_secs(3);
    let written_in = |what: &str, time: Duration| {
        let before = fs::metadata(&slog).expect("a slog").len();
        std::thread::sleep(time);
        let grown = fs::metadata(&slog).expect("a slog").len() - before;
        println!("{what}: {grown} bytes in {time:?}");
        assert!(grown as f64 > 4e6 * time.as_secs_f64(), "{what}: {grown}");
    };
    written_in("recording", Duration::from_secs(1));
    for pids in [recorder(), vec![of_wrapper]] {
        signal(&pids, Signal::SIGSTOP);
        written_in("stopped", stop);
        signal(&pids, Signal::SIGCONT);
    }
    signal(&recorder(), Signal::SIGKILL);
    written_in("the recorder is killed", Duration::from_secs(1));
    wrapper.kill().expect("it runs");
    wrapper.wait().expect("it ends");
    written_in("the wrapper is killed", Duration::from_secs(1));
    wait_until("the node's end", || {
        fs::metadata(&report).is_ok_and(|report| report.len() > 0)
    });
    let report = Report::read(&report);
    signal(&recorder(), Signal::SIGKILL);
    // Whatever had waited for one that was stopped would have taken so long.
    report.assert_unharmed(writer.rate, stop.as_secs_f64() * 1e3 - 500.0);
}

fn signal(pids: &[Pid], signal: Signal) {
    assert!(!pids.is_empty(), "nobody to send {signal} to");
    for pid in pids {
        kill(*pid, signal).expect("it runs");
    }
}
