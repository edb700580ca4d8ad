//! A journald that runs here, and units that print into its journal. A process is of a
//! unit if it is in the unit's control group: no systemd is needed.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{text, toolchain::needs};

/// Where control groups are, on machines of either kind.
const GROUPS: [&str; 3] = [
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup",
];

/// Fails unless a journald takes lines here, and control groups can be made.
pub fn needed() {
    let taken = UnixStream::connect("/run/systemd/journal/stdout");
    assert!(taken.is_ok(), "this test needs a journald that takes lines");
    needs("systemd-cat");
    assert!(
        !groups("haltbox-test.slice").is_empty(),
        "this test needs control groups that it can make"
    );
}

/// A new unit's name, and a pipe whose lines it prints.
pub fn unit() -> (String, ChildStdin) {
    static UNITS: AtomicU32 = AtomicU32::new(0);
    let number = UNITS.fetch_add(1, Ordering::Relaxed);
    let unit = format!("haltbox-test-{}-{number}.service", std::process::id());
    let groups = groups(&format!("haltbox-test.slice/{unit}"));
    let enter = "for group; do echo $$ > \"$group/cgroup.procs\" || exit 1; done; exec systemd-cat";
    let child = Command::new("sh")
        .args(["-c", enter, "unit"])
        .args(groups.iter().map(|group| text(group)))
        .stdin(Stdio::piped())
        .spawn();
    let pipe = child.expect("sh starts").stdin.take();
    (unit, pipe.expect("a pipe"))
}

/// A control group of this name, in every tree that has one of processes.
fn groups(name: &str) -> Vec<PathBuf> {
    let trees = GROUPS.iter().map(Path::new);
    let trees = trees.filter(|tree| tree.join("cgroup.procs").exists());
    let made = trees.map(|tree| tree.join(name));
    made.filter(|group| std::fs::create_dir_all(group).is_ok())
        .collect()
}
