//! Text from outside reaches no terminal as it is, sources that can be read
//! once are read all the same, and output that nobody takes is no panic.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use haltbox_model::outside::is_hidden;
use haltbox_tests::*;

const HOSTILE: &str = "x\x1b[2J\u{9b}31m\u{202e}y\u{2066}\u{200b}\x07z";

fn assert_visible(done: &Output, what: &str) {
    for bytes in [&done.stdout, &done.stderr] {
        let printed = std::str::from_utf8(bytes).expect("UTF-8");
        let raw = printed.chars().find(|c| *c != '\n' && is_hidden(*c));
        assert_eq!(raw, None, "{what} prints a hidden letter: {printed:?}");
    }
}

/// A slog whose first crank has a hostile entry type and value.
fn hostile_slog() -> Vec<u8> {
    let slog = String::from_utf8(excerpt("honest-a")).expect("UTF-8");
    // As they are, in the JSON string, but for what JSON forbids.
    let raw = HOSTILE
        .replace('\x1b', "\\u001b")
        .replace('\x07', "\\u0007");
    let odd = format!("{{\"type\":\"{raw}\",\"{raw}\":\"{raw}\"}}\n{HOSTILE}\n");
    let middle = slog.find("\"crank-finish\"").expect("a crank");
    let at = slog[..middle].rfind('\n').expect("a line") + 1;
    format!("{}{odd}{}", &slog[..at], &slog[at..]).into_bytes()
}

#[test]
fn nothing_of_a_recording_or_its_name_steers_a_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| folder.path().join(name);
    let hostile = of(&format!("{HOSTILE}\nslog"));
    let sound = of("sound");
    fs::write(&hostile, hostile_slog()).expect("a slog");
    fs::write(&sound, excerpt("honest-a")).expect("a slog");
    let profile = of(&format!("{HOSTILE}.json"));
    fs::write(&profile, format!("{{\"name\":\"{HOSTILE}\"")).expect("a profile");
    let (slog, sound, profile) = (text(&hostile), text(&sound), text(&profile));
    let extract = of(&format!("{HOSTILE}-box"));
    let print = of(&format!("{HOSTILE}-print"));
    for arguments in [
        vec!["info", slog],
        vec!["info", "--json", slog],
        vec!["ls", slog],
        vec!["ls", "--json", slog],
        vec!["ls", text(folder.path())],
        vec!["verify", slog],
        vec!["verify", "--json", "--reads", slog],
        vec!["diff", slog, sound],
        vec!["diff", "--json", slog, sound],
        vec!["compare", slog, sound],
        vec!["compare", "--json", slog, sound],
        vec!["cat", slog, &format!("--{HOSTILE}")],
        vec!["status", slog, &format!("--{HOSTILE}")],
        vec![HOSTILE, slog],
        vec!["extract", slog, "-o", text(&extract)],
        vec!["extract", slog, "-o", text(&extract)],
        vec!["info", text(&extract)],
        vec!["info", "--json", text(&extract)],
        vec!["fingerprint", slog, "-o", text(&print)],
        vec!["info", "--profile", profile, slog],
        vec!["cat", "--height", "99", slog],
        vec!["status", slog],
        vec!["doctor", slog],
    ] {
        assert_visible(&run(&arguments), &arguments[..2].join(" "));
    }
}

#[test]
fn nothing_of_a_node_log_steers_the_operators_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let log = String::from_utf8(failure(13)).expect("UTF-8");
    let at = log.find("CONSENSUS FAILURE").expect("a failure");
    let log = format!("{}{HOSTILE} {}", &log[..at], &log[at..]);
    record_all(
        &dir,
        &excerpt("divergent-kv"),
        Some(log.as_bytes()),
        "16MiB",
    )
    .wait();
    for arguments in [
        ["status", text(&dir)],
        ["info", text(&dir)],
        ["doctor", text(&dir)],
    ] {
        assert_visible(&run(&arguments), arguments[0]);
    }
    let raw = |c: char| c != '\n' && is_hidden(c);
    let said = fs::read_to_string(dir.with_extension("stderr")).expect("UTF-8");
    assert!(!said.contains(raw), "{said:?}");
    let alert = dir.join("boxes").join("CONSENSUS_FAILURE.txt");
    if let Ok(alert) = fs::read_to_string(alert) {
        assert!(!alert.contains(raw), "{alert:?}");
    }
}

fn through_pipe(file: &Path, arguments: &str) -> Output {
    let (program, file) = (haltbox(), text(file));
    let program = program.get_program().to_str().expect("UTF-8").to_owned();
    let script = format!("cat '{file}' | '{program}' {arguments}");
    let done = std::process::Command::new("sh")
        .args(["-c", &script])
        .output();
    done.expect("a shell runs")
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn what_can_be_read_once_is_read_as_the_file_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("slog");
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let bx = folder.path().join("box");
    output(0, &["extract", text(&slog), "-o", text(&bx)]);
    let mut damaged = fs::read(&bx).expect("a box");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let bad = folder.path().join("bad");
    fs::write(&bad, damaged).expect("a box");
    for (file, code) in [(&bx, 0), (&bad, 1)] {
        let found = run(&["verify", "--reads", text(file)]);
        assert_eq!(found.status.code(), Some(code), "{found:?}");
        for source in ["-", "/dev/stdin"] {
            let piped = through_pipe(file, &format!("verify --reads {source}"));
            assert_eq!(piped.status.code(), Some(code), "{source}: {piped:?}");
        }
    }
    // What damage left of a box is no slog because it comes through a pipe.
    let mut headless = fs::read(&bx).expect("a box");
    headless[..32].fill(0);
    fs::write(&bad, headless).expect("a box");
    for file in [&bx, &bad, &slog] {
        let piped = through_pipe(file, "cat -");
        assert!(piped.stdout == output(0, &["cat", text(file)]), "{file:?}");
    }
    let same = through_pipe(&bx, &format!("diff '{}' /dev/stdin", text(&slog)));
    assert_eq!(same.status.code(), Some(0), "{same:?}");
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let refused = run(&["info", text(&fifo)]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no process opened it for writing"));
}

#[test]
fn a_check_of_nothing_is_not_intact() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("slog");
    fs::write(&slog, "{\"type\":\"alone\"}\n").expect("a slog");
    output(0, &["verify", text(&slog)]);
    let reads = output(2, &["verify", "--reads", text(&slog)]);
    assert!(reads.starts_with(b"NO READS CHECKED"), "{reads:?}");
    assert_eq!(
        through_pipe(Path::new("/dev/null"), "verify -")
            .status
            .code(),
        Some(2)
    );
    for arguments in [
        vec!["info", "/etc/passwd"],
        vec!["ls", "/etc/passwd"],
        vec!["cat", text(&slog), "--height", "5", "--crank", "3"],
        vec!["extract", text(&slog), "-o", "-"],
        vec!["diff", text(&slog), text(&slog), "--html", "-"],
    ] {
        output(2, &arguments);
    }
}

#[test]
fn output_that_nobody_takes_is_no_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("slog");
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let slog = text(&slog);
    for arguments in [
        vec!["info", slog],
        vec!["ls", slog],
        vec!["verify", slog],
        vec!["diff", slog, slog],
        vec!["compare", slog, slog],
        vec!["completions", "bash"],
    ] {
        let full = fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let done = haltbox()
            .args(&arguments)
            .stdout(full)
            .stderr(Stdio::piped())
            .output();
        let done = done.expect("haltbox runs");
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {done:?}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let done = haltbox()
            .args(&arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output();
        let done = done.expect("haltbox runs");
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {done:?}");
        assert!(done.stderr.is_empty(), "{arguments:?}: {done:?}");
    }
}

/// A command that reads what others wrote has given up its rights before it opens the source.
#[test]
fn a_command_that_reads_gives_up_its_rights_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = folder.path().join("slog");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let out = folder.path().join("out");
    let key = folder.path().join("key");
    fs::write(&key, [7; 32]).expect("a key");
    let (fifo, out, key) = (text(&fifo), text(&out), text(&key));
    for arguments in [
        &["cat", fifo][..],
        &["info", fifo],
        &["ls", fifo],
        &["verify", fifo],
        &["compare", fifo, fifo],
        &["diff", fifo, fifo],
        &["report", fifo],
        &["fingerprint", fifo, "-o", out],
        &["extract", fifo, "-o", out, "--height", "1"],
        &["redact", fifo, "-o", out, "--key-file", key],
    ] {
        let mut command = std::process::Command::new(programs().join("haltbox"));
        let command = command.args(arguments).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().expect("it starts");
        let status = format!("/proc/{}/status", child.id());
        // The kernel lets a process take Landlock rules only once it has renounced new rights.
        wait_until(&format!("{arguments:?} to give up its rights"), || {
            let status = fs::read_to_string(&status).unwrap_or_default();
            assert!(!status.contains("(zombie)"), "{arguments:?} ended");
            status.contains("NoNewPrivs:\t1")
        });
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}
