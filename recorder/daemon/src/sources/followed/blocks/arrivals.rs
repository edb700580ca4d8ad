//! Finds new files in a folder.
//!
//! The kernel reports each of them, because listing a folder with a year of
//! blocks takes a second. The folder is listed if the kernel does not report,
//! or has lost reports.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use haltbox_model::block_files::BlockFileName;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Time between two checks that the folder is still the same, and between two
/// lists if the kernel reports nothing.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) key: BlockFileName,
    pub(super) name: String,
}

pub(super) struct Arrivals {
    folder: PathBuf,
    watch: Option<Watch>,
    asked: Option<Instant>,
}

struct Watch {
    inotify: Inotify,
    inode: u64,
    device: u64,
}

impl Arrived {
    fn of(name: &OsStr) -> Option<Arrived> {
        let name = name.to_str()?;
        let key = BlockFileName::read(name)?;
        let name = name.to_owned();
        Some(Arrived { key, name })
    }

    /// Its own name, and the names it can have once it is compressed or
    /// unpacked.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let stem = BlockFileName::stem(&self.name).to_owned();
        let others = BlockFileName::ENDS.map(|end| format!("{stem}{end}"));
        std::iter::once(self.name.clone()).chain(others)
    }

    /// Whether it was created just now, and at the time in its name.
    pub(super) fn is_made_within(&self, folder: &Path, most: Duration) -> bool {
        let Ok(created) = fs::metadata(folder.join(&self.name)).and_then(|found| found.created())
        else {
            return false;
        };
        let named = SystemTime::UNIX_EPOCH + Duration::from_millis(self.key.at);
        apart(created, named) <= most && apart(created, SystemTime::now()) <= most
    }
}

fn apart(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

impl Arrivals {
    pub(super) fn of(folder: &Path) -> Arrivals {
        Arrivals {
            folder: folder.to_owned(),
            watch: None,
            asked: None,
        }
    }

    /// The new files, in the order in which they were begun. The first call
    /// returns all files. A file may be returned twice.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn take(&mut self) -> io::Result<Vec<Arrived>> {
        let mut found = Vec::new();
        if let Some(watch) = &self.watch {
            match watch.told() {
                Some(told) => found = told,
                None => (self.watch, self.asked) = (None, None),
            }
        }
        if self.asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
            self.asked = None;
            let now = fs::metadata(&self.folder)?;
            if !self.watch.as_ref().is_some_and(|watch| watch.is_of(&now)) {
                // Watch before listing: a file that appears in between is then
                // reported.
                self.watch = Watch::begin(&self.folder, &now);
                found.extend(self.list()?);
            }
            self.asked = Some(Instant::now());
        }
        found.sort_by(|a, b| (a.key, &a.name).cmp(&(b.key, &b.name)));
        // One file, compressed and not.
        found.dedup_by_key(|found| found.key);
        Ok(found)
    }

    fn list(&self) -> io::Result<Vec<Arrived>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            found.extend(Arrived::of(&entry?.file_name()));
        }
        Ok(found)
    }
}

impl Watch {
    fn begin(folder: &Path, now: &Metadata) -> Option<Watch> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
        let wanted = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let itself = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        let wanted = wanted | itself | AddWatchFlags::IN_ONLYDIR;
        inotify.add_watch(folder, wanted).ok()?;
        let (inode, device) = (now.ino(), now.dev());
        Some(Watch {
            inotify,
            inode,
            device,
        })
    }

    fn is_of(&self, found: &Metadata) -> bool {
        self.inode == found.ino() && self.device == found.dev()
    }

    /// What the kernel reports. `None` if it lost some, or if the folder is
    /// gone.
    fn told(&self) -> Option<Vec<Arrived>> {
        let gone = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        let lost = AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_IGNORED | gone;
        let mut found = Vec::new();
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => return Some(found),
                Err(Errno::EINTR) => continue,
                Err(_) => return None,
            };
            for event in events {
                if event.mask.intersects(lost) {
                    return None;
                }
                found.extend(event.name.as_deref().and_then(Arrived::of));
            }
        }
    }
}
