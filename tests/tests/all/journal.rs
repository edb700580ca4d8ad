//! The node's log out of systemd's journal: journalctl's own words of a journal
//! that systemd's tools wrote, replayed by a stub, and the tools themselves
//! where they are.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use haltbox_tests::node::{Format, Node, Version, wrong};
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// What journalctl printed of a unit that fails at height 7, of long lines,
/// colours, and bytes that are no UTF-8.
fn capture() -> String {
    fs::read_to_string(root().join("tests/data/journal.json")).expect("a capture")
}

/// The lines that the unit had printed.
fn lines_of(capture: &str) -> Vec<u8> {
    let mut lines = Vec::new();
    for entry in capture.lines() {
        let entry: Value = serde_json::from_str(entry).expect("an entry");
        match &entry["MESSAGE"] {
            Value::String(text) => lines.extend(text.as_bytes()),
            Value::Array(bytes) => {
                lines.extend(
                    bytes
                        .iter()
                        .map(|byte| byte.as_u64().expect("a byte") as u8),
                );
            }
            other => panic!("{other}"),
        }
        if entry["_LINE_BREAK"] != "line-max" {
            lines.push(b'\n');
        }
    }
    lines
}

/// A folder with a `journalctl` that is to come first on PATH.
fn install(folder: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let programs = folder.join("bin");
    fs::create_dir_all(&programs).expect("a folder");
    let program = programs.join("journalctl");
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    programs
}

/// The stub, over a journal that is empty yet.
struct Stub {
    programs: PathBuf,
    journal: PathBuf,
    dir: PathBuf,
}

impl Stub {
    fn new(folder: &Path) -> Stub {
        let journal = folder.join("journal.json");
        fs::write(&journal, "").expect("a journal");
        let stub = root().join("tests/data/journalctl-stub.sh");
        let (path, stub) = (text(&journal), text(&stub));
        let script = format!("#!/bin/sh\nJOURNAL='{path}' exec '{stub}' \"$@\"\n");
        Stub {
            programs: install(folder, &script),
            dir: folder.join("node"),
            journal,
        }
    }

    fn record(&self) -> Recorder {
        record(&self.dir, &self.programs)
    }

    fn append(&self, entries: &str) {
        let file = File::options().append(true).open(&self.journal);
        let mut file = file.expect("a journal");
        file.write_all(entries.as_bytes()).expect("written");
    }

    /// Processes of the stub, which are those of tail.
    fn processes(&self) -> Vec<Pid> {
        processes(&format!("-f {}", text(&self.journal)))
    }
}

fn record(dir: &Path, programs: &Path) -> Recorder {
    let arguments = ["--size", "8MiB", "--journal", "agd"];
    Recorder::start_with_path(dir, &arguments, Stdio::null(), Some(programs))
}

fn recorded(dir: &Path) -> Vec<u8> {
    run(&["cat", "--stream", "all", text(&dir.join("ring"))]).stdout
}

fn wait_until_recorded(dir: &Path, lines: &[u8]) {
    wait_until("the lines", || recorded(dir).len() >= lines.len());
    let recorded = recorded(dir);
    let shown = String::from_utf8_lossy(&recorded);
    assert!(recorded == lines, "other lines: {shown}");
}

#[test]
fn the_lines_of_a_unit_are_recorded_and_its_failure_is_frozen() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::new(folder.path());
    stub.append(&capture());
    let recorder = stub.record();
    recorder.wait_for("DIVERGED at height 7");
    wait_until_recorded(&stub.dir, &lines_of(&capture()));
    let status = run(&["status", "--json", text(&stub.dir)]).stdout;
    let status: Value = serde_json::from_slice(&status).expect("JSON");
    assert_eq!(status["sources"][0]["path"], "journal:agd.service");
    assert!(
        !recorder.said().contains("at height 5"),
        "a cut line counted"
    );
    recorder.stop();
    wait_until("journalctl to end", || stub.processes().is_empty());
}

/// Recorder and journalctl are killed while the journal grows: every line is
/// there once.
#[test]
fn kills_neither_lose_nor_repeat_a_line_of_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::new(folder.path());
    let capture = capture();
    let entries: Vec<&str> = capture.split_inclusive('\n').collect();
    let mut random = Random::seeded(51);
    let mut recorder = stub.record();
    for entry in &entries {
        stub.append(entry);
        std::thread::sleep(Duration::from_millis(random.below(150)));
        if random.below(2) == 0 {
            recorder.kill();
            recorder = stub.record();
        } else {
            for pid in stub.processes() {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
    wait_until_recorded(&stub.dir, &lines_of(&capture));
    let said = recorder.said();
    assert!(said.contains("journalctl ended"), "{said}");
    recorder.kill();
    // Without a reader it ends at its next line.
    wait_until("journalctl to end", || {
        stub.append(entries[0]);
        stub.processes().is_empty()
    });
}

#[test]
fn what_is_no_entry_and_what_is_gone_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = Stub::new(folder.path());
    let capture = capture();
    let (first, rest) = capture.split_at(capture.find('\n').expect("lines") + 1);
    stub.append(&format!("{first}-- Boot 5c1e --\n{{\"__CURSOR\":\"x\n"));
    let recorder = stub.record();
    recorder.wait_for("not a JSON entry");
    wait_until_recorded(&stub.dir, &lines_of(first));
    recorder.kill();
    // The journal was cleared of what the recorder had read.
    fs::remove_file(&stub.journal).expect("a journal");
    fs::write(&stub.journal, rest).expect("a journal");
    let recorder = stub.record();
    recorder.wait_for("no longer contains the entry");
    wait_until_recorded(&stub.dir, &lines_of(&capture));
    recorder.stop();
    let info = run(&["info", text(&stub.dir.join("ring"))]).stdout;
    let info = String::from_utf8_lossy(&info);
    assert!(info.contains("the recorder was not reading"), "{info}");
}

#[test]
fn a_recorder_without_a_journal_says_so_once_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let script = "#!/bin/sh\necho no journal here >&2\nexit 3\n";
    let programs = install(folder.path(), script);
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let sources = ["--journal", "agd.service", "--slog", text(&slog)];
    let arguments = [&["--size", "8MiB"], &sources[..]].concat();
    let recorder = Recorder::start_with_path(&dir, &arguments, Stdio::null(), Some(&programs));
    recorder.wait_for("journalctl ended");
    wait_until_recorded(&dir, &excerpt("honest-a"));
    std::thread::sleep(Duration::from_secs(2));
    let said = recorder.said();
    recorder.stop();
    assert_eq!(said.matches("journalctl ended").count(), 1, "{said}");
    assert_eq!(said.matches("no journal here").count(), 1, "{said}");
}

/// One that closes its output and lives on holds nobody up.
#[test]
fn a_journalctl_that_does_not_end_is_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let programs = install(folder.path(), "#!/bin/sh\nexec >&-\nexec sleep 4711\n");
    let recorder = record(&folder.path().join("node"), &programs);
    recorder.wait_for("journalctl ended");
    recorder.stop();
    assert!(processes("sleep 4711").is_empty());
}

#[test]
fn a_unit_s_name_is_no_pattern() {
    let both = ["--journal", "agd", "--node-log", "x"];
    for wrong in [
        &["--journal", "agd*"][..],
        &["--journal", "-a"],
        &["--journal", ""],
        &both,
    ] {
        let arguments = [&["record", "--dir", "/nonexistent"], wrong].concat();
        assert_eq!(run(&arguments).status.code(), Some(2), "{wrong:?}");
    }
}

/// systemd's own tools: a journal that systemd-journal-remote writes, and the
/// journalctl of this machine.
struct Journald {
    writer: PathBuf,
    journal: PathBuf,
    export: PathBuf,
    entries: u64,
}

impl Journald {
    fn new(folder: &Path) -> (Journald, PathBuf) {
        let places = [
            "/usr/lib/systemd/systemd-journal-remote",
            "/lib/systemd/systemd-journal-remote",
        ];
        let mut places = places.map(PathBuf::from).into_iter();
        let reader = Path::new("/usr/bin/journalctl");
        let writer = places.find(|path| path.exists() && reader.exists());
        let writer = writer.expect("this test needs systemd-journal-remote and journalctl");
        let journals = folder.join("journals");
        fs::create_dir_all(&journals).expect("a folder");
        let script = format!(
            "#!/bin/sh\nexec {} --directory='{}' \"$@\"\n",
            text(reader),
            text(&journals)
        );
        let journald = Journald {
            writer,
            journal: journals.join("remote.journal"),
            export: folder.join("export"),
            entries: 0,
        };
        (journald, install(folder, &script))
    }

    /// Writes entries of a unit, in the journal's export format.
    fn write(&mut self, unit: &str, lines: &[(&[u8], &str)]) {
        let mut export = Vec::new();
        for (line, more) in lines {
            self.entries += 1;
            let micros = self.entries * 1_000;
            let _ = write!(
                export,
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={micros}\n\
                 _BOOT_ID=0123456789abcdef0123456789abcdef\n_SYSTEMD_UNIT={unit}\n\
                 SYSLOG_IDENTIFIER=agd\nPRIORITY=6\n_TRANSPORT=stdout\n_STREAM_ID=5c1e\n{more}",
                1_795_220_000_000_000 + micros
            );
            export.extend(b"MESSAGE\n");
            export.extend((line.len() as u64).to_le_bytes());
            export.extend(*line);
            export.extend(b"\n\n");
        }
        fs::write(&self.export, export).expect("an export");
        let written = Command::new(&self.writer)
            .arg("-o")
            .args([&self.journal, &self.export])
            .stderr(Stdio::null())
            .status();
        assert!(written.expect("it runs").success());
    }
}

#[test]
#[ignore = "needs systemd-journal-remote; `-- --ignored` runs it"]
fn the_real_journalctl_is_followed_across_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut journald, programs) = Journald::new(folder.path());
    let dir = folder.path().join("node");
    let of_journalctl = format!("--directory={}", text(&folder.path().join("journals")));
    let journalctl = || processes(&of_journalctl);
    let mut expected = b"bad \xff\xfe bytes\n".to_vec();
    journald.write("agd.service", &[(b"bad \xff\xfe bytes", "")]);
    journald.write("other.service", &[(b"not this one", "")]);
    let recorder = record(&dir, &programs);
    wait_until_recorded(&dir, &expected);
    recorder.kill();
    wait_until("journalctl to end", || journalctl().is_empty());
    let mut node = Node::new(Format::Coloured, Version::V038);
    node.start();
    (5..=7).for_each(|height| node.block(height));
    let lines = node.log.lines().map(|line| (line.as_bytes(), ""));
    journald.write("agd.service", &lines.collect::<Vec<_>>());
    expected.extend(node.log.as_bytes());
    let recorder = record(&dir, &programs);
    wait_until_recorded(&dir, &expected);
    // It follows by now.
    let long = "x".repeat(50_000);
    let parts: [(&[u8], &str); 3] = [
        (long.as_bytes(), "_LINE_BREAK=line-max\n"),
        (b" the rest", ""),
        (long.as_bytes(), ""),
    ];
    journald.write("agd.service", &parts);
    expected.extend(format!("{long} the rest\n{long}\n").as_bytes());
    wait_until_recorded(&dir, &expected);
    for pid in journalctl() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    let mut failed = Node::new(Format::Console, Version::V038);
    let words = "+2/3 committed an invalid block";
    failed.fail(&format!("{words}: {}", wrong("AppHash", 7)));
    journald.write("agd.service", &[(failed.log.trim_end().as_bytes(), "")]);
    expected.extend(failed.log.as_bytes());
    recorder.wait_for("DIVERGED at height 7");
    wait_until_recorded(&dir, &expected);
    recorder.stop();
    assert!(journalctl().is_empty(), "journalctl outlived the recorder");
}
