//! Files in memory, for readers that take a path or a file.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};
use tempfile::TempDir;

/// A file in memory that holds these bytes, at its beginning.
pub fn file(bytes: &[u8]) -> File {
    let made = memfd_create(c"fuzz", MFdFlags::MFD_CLOEXEC).expect("a file in memory");
    let mut file = File::from(made);
    file.write_all(bytes).expect("room in memory");
    file.rewind().expect("a file that can be rewound");
    file
}

/// The path of an open file.
pub fn path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// An empty folder in memory, where the system has one.
pub fn folder() -> TempDir {
    let found = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    found.expect("a folder")
}
