//! The host's executable, as it was when the host opened its recorder.
//!
//! A box holds the digest of the executable, which tells builds apart. If an
//! upgrade replaced the file, that digest would be of a build that did not
//! execute the block.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{open_regular, owner_only};

/// File beside the ring, for a program that writes a box while the host is
/// down.
const FILE: &str = "host.json";
/// Most bytes of that file.
const LONGEST: u64 = 64 << 10;

/// The path of an executable, and facts by which a replaced file is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    node_program: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    /// Modification time: seconds and nanoseconds since 1970.
    modified: (i64, i64),
}

impl Program {
    /// The executable as it is now. `None` if there is no such file.
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

    /// Its path, if the file was not replaced.
    pub(crate) fn unchanged(&self) -> Option<PathBuf> {
        let same = Program::now(&self.node_program).as_ref() == Some(self);
        same.then(|| self.node_program.clone())
    }

    /// Writes `host.json` into the folder `dir`, or removes it if the host
    /// names no executable. Errors are ignored: recording does not depend on
    /// the file.
    pub fn note(told: Option<&Program>, dir: &Path) {
        let path = dir.join(FILE);
        match told.and_then(|told| serde_json::to_vec(told).ok()) {
            Some(text) => _ = owner_only::replace(&path, &text),
            None => _ = fs::remove_file(&path),
        }
    }

    /// The executable that the last host named, if the file was not replaced.
    pub fn of_folder(dir: &Path) -> Option<PathBuf> {
        Program::told_in(dir)?.unchanged()
    }

    /// The path that the last host named, even if the file was replaced.
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
        // An upgrade puts another file under the same name.
        fs::write(folder.path().join("new"), "two").unwrap();
        fs::rename(folder.path().join("new"), &program).unwrap();
        assert_eq!(Program::of_folder(folder.path()), None);
        assert_eq!(told.and_then(|told| told.unchanged()), None);
        Program::note(Program::now(&program).as_ref(), folder.path());
        assert!(Program::of_folder(folder.path()).is_some());
        // A later host may name no executable.
        Program::note(None, folder.path());
        assert_eq!(Program::of_folder(folder.path()), None);
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Program::of_folder(folder.path()), None);
    }
}
