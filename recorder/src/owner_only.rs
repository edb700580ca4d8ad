//! Files and folders that only their owner can read, whatever the umask says,
//! because they hold what users sent.
//!
//! Writing never follows a link that somebody else put under the name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use crate::open_regular;

/// Mode of files: read and write for the owner.
const MODE: u32 = 0o600;

/// Creates a folder and its parents with mode 0700. Leaves existing ones as
/// they are.
///
/// # Errors
/// The folder cannot be created, or the path is a file.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Options to open such a file for writing. The caller adds creating or
/// appending.
pub fn writing() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .mode(MODE)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK);
    options
}

/// Opens a file for appending, and creates it if it is missing.
///
/// # Errors
/// The file cannot be opened or created, or the path is a link.
pub fn append(path: &Path) -> io::Result<File> {
    writing().append(true).create(true).open(path)
}

/// Replaces a file as a whole: a kill or a power cut leaves the old or the new
/// one. Does nothing if the file already has these bytes and this mode.
///
/// # Errors
/// The new file cannot be written or renamed. The old one is unchanged.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_already(path, bytes) {
        return Ok(());
    }
    in_place(path, bytes, File::sync_data)?;
    // Without this a power cut can bring back the old file: the rename is in the folder.
    sync_folder(path)
}

/// Makes the names in a file's folder outlive a power cut.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// As [`replace`], without waiting for the disk. A kill leaves the old or the
/// new file, a power cut may leave neither.
///
/// # Errors
/// As [`replace`].
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
    // Remove what a kill left, or a link. The link's target is not touched.
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
