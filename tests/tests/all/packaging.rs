//! What comes with the programs: the unit, completions, the manual.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use haltbox_tests::toolchain::needs;
use haltbox_tests::*;

/// The service manager hears that it began, that it lives and that it ends.
#[test]
fn a_service_manager_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, slog) = (folder.path().join("notify"), folder.path().join("slog"));
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    // As systemd does, the process that is watched is named by its number.
    let mut recorder = Command::new("sh")
        .args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh"])
        .arg(programs().join("haltbox-record"))
        .args(["record", "--size", "4MiB", "--slog", text(&slog), "--dir"])
        .arg(folder.path().join("node"))
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "400000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the recorder starts");
    let hear = || {
        let mut bytes = [0; 256];
        let count = manager.recv(&mut bytes).expect("a word from the recorder");
        String::from_utf8_lossy(&bytes[..count]).trim().to_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!([hear(), hear()], ["WATCHDOG=1", "WATCHDOG=1"]);
    let pid = nix::unistd::Pid::from_raw(recorder.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    let last = std::iter::repeat_with(hear).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(recorder.wait().expect("it ends").success());
}

/// Whoever copies a unit's file learns of it from the guide.
#[test]
fn every_unit_is_named_in_the_guide() {
    let guide = std::fs::read_to_string(root().join("validator-guide.md")).expect("a guide");
    let files = unit_files();
    for path in &files {
        let name = path.strip_prefix(units()).expect("one of them");
        assert!(guide.contains(text(name)), "{}", name.display());
    }
    let attached = |path: &&PathBuf| {
        options_of(&std::fs::read_to_string(path).expect("a unit")).contains(&"--attach")
    };
    assert_eq!(files.iter().filter(attached).count(), 1);
}

fn units() -> PathBuf {
    root().join("packaging/systemd")
}

/// The files in packaging/systemd, drop-ins included.
fn unit_files() -> Vec<PathBuf> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path())
    };
    let (folders, mut files): (Vec<_>, Vec<_>) = list(&units()).partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| list(folder)));
    files.sort();
    files
}

/// Options of the recorder's command in a unit.
fn options_of(unit: &str) -> Vec<&str> {
    let Some((_, command)) = unit.split_once("/usr/bin/haltbox-record record ") else {
        return Vec::new();
    };
    let last = command.lines().position(|line| !line.ends_with('\\'));
    let lines = command.lines().take(last.unwrap_or(0) + 1);
    lines
        // What follows is another command, whose output it reads.
        .take_while(|line| !line.trim_start().starts_with('<'))
        .flat_map(|line| line.split([' ', '\'']))
        .filter(|word| word.starts_with("--"))
        .collect()
}

/// Every command of a unit is one that the program takes.
#[test]
fn units_have_no_option_that_record_has_not() {
    let help = String::from_utf8(output(0, &["record", "--help"])).expect("UTF-8");
    let mut checked = 0;
    for path in unit_files() {
        let unit = std::fs::read_to_string(&path).expect("a unit");
        for option in options_of(&unit) {
            assert!(help.contains(option), "{}: {option}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} options seen");
}

/// systemd takes the units, alone and with each drop-in.
#[test]
#[ignore = "needs systemd; `-- --ignored` runs it"]
fn units_are_sound() {
    needs("systemd-analyze");
    verify("haltbox.service", &[], None);
    verify("haltbox-slog.socket", &["haltbox.service"], None);
    for path in unit_files() {
        let folder = path
            .parent()
            .expect("a folder")
            .file_name()
            .expect("a name");
        let Some(unit) = text(Path::new(folder)).strip_suffix(".d") else {
            continue;
        };
        let beside: &[&str] = match path.ends_with("slog-fifo.conf") {
            true => &["haltbox-slog.socket"],
            false => &[],
        };
        verify(unit, beside, Some(&path));
    }
}

/// Has systemd look at a unit of ours, or at any node's, with others of ours
/// beside it and a drop-in.
fn verify(unit: &str, beside: &[&str], drop_in: Option<&Path>) {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, local(content)).expect("written");
    };
    for name in [unit].iter().chain(beside) {
        let node = "[Service]\nExecStart=/bin/true\n".to_owned();
        put(
            name,
            &std::fs::read_to_string(units().join(name)).unwrap_or(node),
        );
    }
    if let Some(path) = drop_in {
        let name = format!("{unit}.d/haltbox.conf");
        put(&name, &std::fs::read_to_string(path).expect("a drop-in"));
    }
    let done = Command::new("systemd-analyze")
        .arg("verify")
        .arg(folder.path().join(unit))
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let of_ours = |line: &&str| line.contains("haltbox") || line.contains(unit);
    assert_eq!(
        said.lines().find(of_ours),
        None,
        "{unit}, {drop_in:?}: {said}"
    );
}

/// systemd looks whether programs, users and pages are there: those here.
fn local(unit: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some(("Documentation", _)) => String::new(),
        Some((name @ ("User" | "SocketUser"), _)) => format!("{name}=root\n"),
        _ => format!("{line}\n"),
    };
    let recorder = programs().join("haltbox-record");
    let unit: String = unit.lines().map(line).collect();
    unit.replace("/usr/bin/haltbox-record", text(&recorder))
}

#[test]
fn completions_and_manual_name_every_command() {
    let bash = String::from_utf8(output(0, &["completions", "bash"])).expect("UTF-8");
    let folder = tempfile::tempdir().expect("a folder");
    output(0, &["manual", text(folder.path())]);
    let page = std::fs::read_to_string(folder.path().join("haltbox.1")).expect("a page");
    // Whichever of the programs does it: its options are on its page.
    for (command, option) in [
        ("record", "slog"),
        ("run", "tee"),
        ("cat", "crank"),
        ("check", "depset"),
    ] {
        let page = folder.path().join(format!("haltbox-{command}.1"));
        let page = std::fs::read_to_string(page).expect("a page");
        assert!(
            page.contains(&format!("\\-\\-{option}")),
            "{command}: {page}"
        );
    }
    for command in [
        "cat", "check", "diff", "compare", "doctor", "freeze", "run", "status", "verify",
    ] {
        assert!(
            bash.contains(&format!("haltbox__{command}"))
                || bash.contains(&format!("haltbox,{command}")),
            "{command}"
        );
        assert!(
            folder.path().join(format!("haltbox-{command}.1")).exists(),
            "{command}"
        );
        assert!(
            page.contains(&format!("haltbox\\-{command}")),
            "{command} is not on the page"
        );
    }
}
