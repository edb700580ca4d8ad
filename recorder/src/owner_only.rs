//! Files and folders that hold what users sent: for their owner alone, whatever
//! the umask says. A name that somebody else put there first, such as a link to
//! another file, is never followed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use crate::open_regular;

/// For their owner alone.
const MODE: u32 = 0o600;

/// Makes a folder and those above it; one that is there is left as it is.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Options to write a file of this kind: what else is wanted is set by the caller.
pub fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .mode(MODE)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK);
    options
}

/// Opens a file to write behind what it holds.
pub fn append(path: &Path) -> io::Result<File> {
    writing().append(true).create(true).open(path)
}

/// Puts a file in the place of another as a whole: a kill or a power cut leaves one
/// of them. One that says the same already stays, and waits for no disk.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_already(path, bytes) {
        return Ok(());
    }
    in_place(path, bytes, File::sync_data)
}

/// The same without a wait for the disk: a kill leaves one of them, a power cut may
/// leave neither.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    in_place(path, bytes, |_| Ok(()))
}

fn in_place(
    path: &Path,
    bytes: &[u8],
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    // What a kill left, or a link; its target stays.
    let _ = fs::remove_file(&temporary);
    let mut file = writing().create_new(true).open(&temporary)?;
    file.write_all(bytes)?;
    settle(&file)?;
    fs::rename(&temporary, path)
}

fn is_already(path: &Path, bytes: &[u8]) -> bool {
    let own = fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_file()
            && found.permissions().mode() & 0o777 == MODE
            && found.len() == bytes.len() as u64
    });
    own && open_regular::read(path).is_ok_and(|found| found == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("victim"), "mine").unwrap();
        symlink(at("victim"), at(".file.new")).unwrap();
        symlink(at("victim"), at("file")).unwrap();
        symlink(at("victim"), at("log")).unwrap();
        replace(&at("file"), b"new").unwrap();
        assert!(append(&at("log")).is_err());
        assert_eq!(fs::read(at("victim")).unwrap(), b"mine");
        assert_eq!(fs::read(at("file")).unwrap(), b"new");
        let mode = fs::metadata(at("file")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_says_the_same_stays_unless_others_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let inode = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
        replace(&path, b"same").unwrap();
        let first = inode();
        replace(&path, b"same").unwrap();
        assert_eq!(inode(), first);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"same").unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        replace(&path, b"else").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"else");
    }
}
