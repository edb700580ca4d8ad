//! The host's program, as it was when the host opened its recorder. A box tells its digest,
//! by which builds are told apart: of a file that was replaced since it would be another
//! build's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{open_regular, owner_only};

/// Beside the ring, for whoever writes a box when the host is not there.
const FILE: &str = "host.json";
/// The longest such file.
const LONGEST: u64 = 64 << 10;

/// A program and what its file was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    node_program: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
}

impl Program {
    /// As its file is now. `None`: there is no such file.
    pub fn now(path: &Path) -> Option<Program> {
        let found = fs::metadata(path).ok()?;
        Some(Program {
            node_program: path.to_owned(),
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }

    /// Its path, if the file is still the same.
    pub(crate) fn unchanged(&self) -> Option<PathBuf> {
        let same = Program::now(&self.node_program).as_ref() == Some(self);
        same.then(|| self.node_program.clone())
    }

    /// Writes down what a host told, or that it told nothing. Recording does not depend on
    /// it.
    pub fn note(told: Option<&Program>, dir: &Path) {
        let path = dir.join(FILE);
        match told.and_then(|told| serde_json::to_vec(told).ok()) {
            Some(text) => _ = owner_only::replace(&path, &text),
            None => _ = fs::remove_file(&path),
        }
    }

    /// The program that the last host told, if its file is still the same.
    pub fn of_folder(dir: &Path) -> Option<PathBuf> {
        Program::told_in(dir)?.unchanged()
    }

    /// Where the program lies that the last host told, whatever is there now.
    pub fn path_of_folder(dir: &Path) -> Option<PathBuf> {
        Program::told_in(dir).map(|told| told.node_program)
    }

    fn told_in(dir: &Path) -> Option<Program> {
        let path = dir.join(FILE);
        let is_short = fs::metadata(&path).is_ok_and(|found| found.len() <= LONGEST);
        let text = is_short.then(|| open_regular::read(&path).ok())??;
        serde_json::from_slice(&text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_another_build() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("noded");
        fs::write(&program, "one").unwrap();
        assert_eq!(Program::of_folder(folder.path()), None);
        let told = Program::now(&program);
        Program::note(told.as_ref(), folder.path());
        assert_eq!(Program::of_folder(folder.path()), Some(program.clone()));
        // As an upgrade does it: another file of the same name.
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &program).unwrap();
        assert_eq!(Program::of_folder(folder.path()), None);
        assert_eq!(told.and_then(|told| told.unchanged()), None);
        Program::note(Program::now(&program).as_ref(), folder.path());
        assert!(Program::of_folder(folder.path()).is_some());
        // A host that tells nothing is another one.
        Program::note(None, folder.path());
        assert_eq!(Program::of_folder(folder.path()), None);
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Program::of_folder(folder.path()), None);
    }
}
