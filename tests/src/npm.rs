//! Packages from npm, in the versions that a lock file in the repository names.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::needs;

/// Fails unless Node and npm are there.
pub(crate) fn needed() {
    ["node", "npm"].into_iter().for_each(needs);
}

/// Installs into `folder` what the lock file in `source` names, and runs no script
/// of it. What was installed before is left alone if it was the same.
pub(crate) fn ci(source: &Path, folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    let wanted = ["package.json", "package-lock.json", ".npmrc"];
    let sources = wanted.map(|name| source.join(name));
    let is_there =
        |path: &PathBuf| fs::read(path).ok() == fs::read(folder.join(name_of(path))).ok();
    // npm writes this file last: it tells that an installation was finished.
    let finished = folder.join("node_modules/.package-lock.json").is_file();
    if finished && sources.iter().all(is_there) {
        return;
    }
    for path in &sources {
        fs::copy(path, folder.join(name_of(path))).expect("a copy");
    }
    npm(folder, &["ci", "--ignore-scripts"]);
}

/// What `npm` prints, in this folder.
pub(crate) fn npm(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("npm");
    command
        .args(arguments)
        .args(["--no-audit", "--no-fund"])
        .current_dir(folder);
    run(&mut command)
}

/// Standard output of a program, which must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let done = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

pub(crate) fn name_of(path: &Path) -> &OsStr {
    path.file_name().expect("a file")
}
