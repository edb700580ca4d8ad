//! The folder of boxes. A file becomes visible whole, durable and under an
//! unused name, or not at all.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use haltbox_format::blackbox::{IDENTITY_LEN, Identity, SIGNATURE_SUFFIX};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg, OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

/// Only the owner reads a box: it holds what users of the chain sent.
const MODE: Mode = Mode::S_IRUSR.union(Mode::S_IWUSR);

/// Prefix of temporary files, where the file system has no unnamed files.
const HIDDEN_PREFIX: &str = ".haltbox-";

/// Most files that share one name. A loop that freezes one block again and
/// again must end.
const EDITIONS_MAX: u32 = 1000;

/// File name of a box or of an archive file, without the number of its edition.
///
/// 1 to 200 characters of `A-Z a-z 0-9 - _`, so it names nothing outside its
/// folder and cannot look like an edition of another name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileStem(String);

impl FileStem {
    /// `None` if the text has another character or length.
    pub fn new(text: &str) -> Option<FileStem> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let sound = (1..=200).contains(&text.len()) && text.chars().all(allowed);
        sound.then(|| FileStem(text.to_owned()))
    }

    /// File name of an edition: `NAME`, then `NAME.2`, `NAME.3` and so on.
    pub fn edition(&self, edition: u32) -> String {
        if edition <= 1 {
            self.0.clone()
        } else {
            format!("{}.{edition}", self.0)
        }
    }

    fn edition_of(&self, file: &str) -> Option<u32> {
        let rest = file.strip_prefix(&self.0)?;
        if rest.is_empty() {
            return Some(1);
        }
        let number: u32 = rest.strip_prefix('.')?.parse().ok()?;
        (number > 1 && self.edition(number) == file).then_some(number)
    }
}

impl fmt::Display for FileStem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How publishing a file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The file is durable in the folder, under this name.
    As(String),
    /// Another file has this name and is unchanged. The new file is removed.
    AlreadyThere(String),
}

/// An open folder to publish boxes in.
#[derive(Debug)]
pub struct BoxFolder {
    path: PathBuf,
    dir: File,
}

impl BoxFolder {
    /// Opens an existing folder, and removes temporary files of writers that
    /// are dead.
    ///
    /// # Errors
    /// The folder cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<BoxFolder> {
        let dir = File::open(path)?;
        let folder = BoxFolder {
            path: path.to_owned(),
            dir,
        };
        folder.sweep()?;
        Ok(folder)
    }

    /// Creates a file that nobody sees yet. Dropping it unpublished removes it.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn temporary(&self) -> io::Result<Unpublished<'_>> {
        match self.unnamed() {
            Ok(file) if proc_link(&file).exists() => Ok(Unpublished {
                folder: self,
                content: Content::Unnamed(file),
            }),
            Ok(_no_proc) => self.hidden(),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => self.hidden(),
            Err(e) => Err(e.into()),
        }
    }

    /// Numbers of the files that share a name, in rising order. `1` stands for
    /// the name itself.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn editions(&self, name: &FileStem) -> io::Result<Vec<u32>> {
        let mut found: Vec<u32> = self
            .file_names()?
            .iter()
            .filter_map(|file| name.edition_of(file))
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Reads the identity on the first page of a box. `None` if the page cannot
    /// be read or its checksum is wrong.
    pub fn identity(&self, file: &str) -> Option<Identity> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.dir, file, flags, Mode::empty()).ok()?);
        let mut page = [0; IDENTITY_LEN];
        file.read_exact_at(&mut page, 0).ok()?;
        Identity::parse(&page).ok()
    }

    fn unnamed(&self) -> Result<File, Errno> {
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        openat(&self.dir, ".", flags, MODE).map(File::from)
    }

    pub(super) fn hidden(&self) -> io::Result<Unpublished<'_>> {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let name = format!("{HIDDEN_PREFIX}{}-{serial}.tmp", std::process::id());
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.dir, name.as_str(), flags, MODE)?);
        // The writer holds the lock while it lives, and a sweep removes only
        // files that are not locked.
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| e)?;
        Ok(Unpublished {
            folder: self,
            content: Content::Hidden { file, name },
        })
    }

    /// Removes temporary files of killed writers. Only hidden files need it: an
    /// unnamed file vanishes with its writer.
    fn sweep(&self) -> io::Result<()> {
        for name in self.file_names()? {
            if name.starts_with(HIDDEN_PREFIX) && name.ends_with(".tmp") {
                self.sweep_one(&name);
            }
        }
        Ok(())
    }

    fn sweep_one(&self, name: &str) {
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(file) = openat(&self.dir, name, flags, Mode::empty()) else {
            return;
        };
        if Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock).is_ok() {
            // A file that stays costs space, and the next sweep tries again.
            let _ = unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir);
        }
    }

    fn file_names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
        let names: io::Result<Vec<_>> = names.collect();
        Ok(names?
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect())
    }
}

#[derive(Debug)]
enum Content {
    Unnamed(File),
    Hidden { file: Flock<File>, name: String },
}

/// A file in the folder that is not visible yet.
#[derive(Debug)]
pub struct Unpublished<'a> {
    folder: &'a BoxFolder,
    content: Content,
}

impl Unpublished<'_> {
    /// The file to write to.
    pub fn file(&self) -> &File {
        match &self.content {
            Content::Unnamed(file) => file,
            Content::Hidden { file, .. } => file,
        }
    }

    /// Syncs the file, then gives it its name. Never replaces a file that has
    /// the name.
    ///
    /// # Errors
    /// The file or the folder cannot be synced, or the file cannot be linked.
    pub fn publish(self, name: &FileStem) -> io::Result<Published> {
        self.file().sync_all()?;
        self.publish_edition(name, 1)
    }

    /// As [`Unpublished::publish`], under the number that follows the highest
    /// one used for the name: `NAME`, `NAME.2`, `NAME.3`, ...
    ///
    /// # Errors
    /// As [`Unpublished::publish`], or the folder cannot be read.
    pub fn publish_next(self, name: &FileStem) -> io::Result<Published> {
        self.file().sync_all()?;
        let last = self.folder.editions(name)?.last().copied().unwrap_or(0);
        let mut outcome = Published::AlreadyThere(name.edition(last));
        for edition in last + 1..=EDITIONS_MAX {
            outcome = self.publish_edition(name, edition)?;
            if matches!(outcome, Published::As(_)) {
                break;
            }
        }
        Ok(outcome)
    }

    /// As [`Unpublished::publish`], as the signature of the box `name`.
    ///
    /// # Errors
    /// As [`Unpublished::publish`].
    pub fn publish_signature(self, name: &str) -> io::Result<Published> {
        self.file().sync_all()?;
        self.publish_as(format!("{name}{SIGNATURE_SUFFIX}"))
    }

    fn publish_edition(&self, name: &FileStem, edition: u32) -> io::Result<Published> {
        self.publish_as(name.edition(edition))
    }

    fn publish_as(&self, file_name: String) -> io::Result<Published> {
        match self.link(&file_name) {
            Ok(()) => {
                self.folder.dir.sync_all()?;
                Ok(Published::As(file_name))
            }
            Err(Errno::EEXIST) => Ok(Published::AlreadyThere(file_name)),
            Err(e) => Err(e.into()),
        }
    }

    fn link(&self, to: &str) -> Result<(), Errno> {
        let dir = self.folder.dir.as_fd();
        match &self.content {
            Content::Unnamed(file) => {
                let from = proc_link(file);
                linkat(AT_FDCWD, &from, dir, to, AtFlags::AT_SYMLINK_FOLLOW)
            }
            Content::Hidden { name, .. } => linkat(dir, name.as_str(), dir, to, AtFlags::empty()),
        }
    }
}

impl Drop for Unpublished<'_> {
    fn drop(&mut self) {
        if let Content::Hidden { name, .. } = &self.content {
            // If this fails, the next open of the folder sweeps the file.
            let _ = unlinkat(&self.folder.dir, name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn proc_link(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
