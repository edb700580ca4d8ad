//! Files that come into a folder.
//!
//! The kernel tells of each: a folder of a year's blocks takes a second to list.
//! Where it does not, or lost count, the folder is listed.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use haltbox_model::block_files::BlockFileName;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// How often it is asked whether the folder is still the same, and listed where the
/// kernel tells nothing.
const EVERY: Duration = Duration::from_secs(1);

/// A file of a block.
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

    /// Its own name, and those that it has once it is compressed anew or not at all.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let stem = BlockFileName::stem(&self.name).to_owned();
        let others = BlockFileName::ENDS.map(|end| format!("{stem}{end}"));
        std::iter::once(self.name.clone()).chain(others)
    }

    /// It was created just now, and at the time that its name tells.
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

    /// Those that came, in the order in which they were begun; at first all that
    /// are there. Some may be told of twice.
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
                // Before it is listed: what comes in between is told of.
                self.watch = Watch::begin(&self.folder, &now);
                found.extend(self.list()?);
            }
            self.asked = Some(Instant::now());
        }
        found.sort_by(|a, b| (a.key, &a.name).cmp(&(b.key, &b.name)));
        // One file twice, compressed and not.
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

    /// What the kernel tells; `None` if some of it is lost, or the folder is gone.
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
