//! What comes with the programs: the unit, completions, the manual.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// The unit's command is one that the program takes, and systemd takes the unit.
#[test]
fn the_unit_is_sound() {
    let unit = std::fs::read_to_string(root().join("packaging/systemd/haltbox.service"));
    let unit = unit.expect("the unit");
    let command = unit.split("ExecStart=/usr/bin/").nth(1).expect("a command");
    let command: Vec<&str> = command
        .lines()
        .scan(true, |more, line| {
            let this = more.then_some(line);
            *more = line.ends_with('\\');
            this
        })
        .flat_map(|line| line.trim_end_matches('\\').split_whitespace())
        .collect();
    assert_eq!(command[..2], ["haltbox-record", "record"]);
    for option in command.iter().filter(|word| word.starts_with("--")) {
        let help = Command::new(programs().join("haltbox-record"))
            .args(["record", "--help"])
            .output();
        let help = String::from_utf8(help.expect("help").stdout).expect("UTF-8");
        assert!(help.contains(option), "{option} is no option of record");
    }
    let folder = tempfile::tempdir().expect("a folder");
    // systemd looks whether the program is there, and knows no such user here.
    let local = unit
        .replace(
            "/usr/bin/haltbox-record",
            text(&programs().join("haltbox-record")),
        )
        .replace("User=agoric", "User=root")
        .replace("Documentation=man:haltbox(1)\n", "");
    let path = folder.path().join("haltbox.service");
    std::fs::write(&path, local).expect("written");
    match Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
    {
        Err(_) => println!("skipped: no systemd-analyze here"),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let of_unit = |line: &&str| line.contains("haltbox.service:");
            assert_eq!(said.lines().find(of_unit), None, "{said}");
        }
    }
}

#[test]
fn completions_and_manual_name_every_command() {
    let bash = String::from_utf8(output(0, &["completions", "bash"])).expect("UTF-8");
    let folder = tempfile::tempdir().expect("a folder");
    output(0, &["manual", text(folder.path())]);
    let page = std::fs::read_to_string(folder.path().join("haltbox.1")).expect("a page");
    for command in [
        "cat", "diff", "compare", "doctor", "freeze", "run", "status", "verify",
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
