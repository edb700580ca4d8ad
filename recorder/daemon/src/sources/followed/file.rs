//! One file that is followed: how far it was read, and whether it is still what
//! it was.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use haltbox_format::mark::{Before, Tail};
use nix::libc;
use nix::unistd::{Whence, lseek};

use super::LOOKED_LATELY;

/// Bytes by which a file that was cut and grew again is known: times stand in
/// them, so that others are never the same.
const LAST: usize = 256;
/// A file that was not written for longer than this is as quiet as any.
const LONG_QUIET: Duration = Duration::from_secs(3600);

/// A file that is held open. Its handle reads on whatever becomes of its name.
pub(super) struct FollowedFile {
    file: File,
    inode: u64,
    device: u64,
    born: Option<SystemTime>,
    /// As long as it was seen last, when, and when it was written last then.
    length: u64,
    looked: Instant,
    written: Option<SystemTime>,
    quiet_since: Instant,
    is_written_once: bool,
    /// Its first bytes, as they were seen before its turn to be read came.
    head: Vec<u8>,
    /// Bytes read, those of an unfinished line included.
    read: u64,
    /// The last of them, which stand there still unless the file was cut.
    passed: Passed,
}

/// The last bytes that were read of a file.
#[derive(Default)]
pub(super) struct Passed {
    recent: Tail,
    /// The last before the end of the last whole line.
    whole: Tail,
}

impl Passed {
    /// All of them stand before a line.
    fn all(bytes: &[u8]) -> Passed {
        let mut recent = Tail::default();
        recent.push(bytes);
        let whole = recent.clone();
        Passed { recent, whole }
    }

    pub(super) fn took(&mut self, bytes: &[u8]) {
        if let Some(end) = memchr::memrchr(b'\n', bytes) {
            self.whole.clone_from(&self.recent);
            self.whole.push(bytes.get(..=end).unwrap_or_default());
        }
        self.recent.push(bytes);
    }

    /// What stood before the end of the last whole line.
    pub(super) fn before(&self) -> Option<Before> {
        self.whole.before()
    }

    /// How many bytes that are.
    pub(super) fn told_by(&self) -> u64 {
        self.whole.last(Before::MOST).len() as u64
    }
}

/// What reading came to.
pub(super) enum Got {
    Bytes(usize),
    /// The end, for now.
    End,
    /// The file was cut since, and may have grown again.
    Cut,
}

/// Opens for reading, and never waits: whatever stands at the path.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

impl FollowedFile {
    /// A file of which nothing was read.
    pub(super) fn open(path: &Path) -> io::Result<FollowedFile> {
        let file = open(path)?;
        let found = file.metadata()?;
        let age = found.modified().ok();
        let age = age.and_then(|at| SystemTime::now().duration_since(at).ok());
        let quiet = age.unwrap_or_default().min(LONG_QUIET);
        let now = Instant::now();
        let mut opened = FollowedFile {
            file,
            inode: found.ino(),
            device: found.dev(),
            born: found.created().ok(),
            length: found.len(),
            looked: now,
            written: found.modified().ok(),
            quiet_since: now.checked_sub(quiet).unwrap_or(now),
            is_written_once: false,
            head: Vec::new(),
            read: 0,
            passed: Passed::default(),
        };
        opened.keep_head()?;
        Ok(opened)
    }

    /// Its writer begins it once and never cuts it: that nothing was in it at first
    /// says nothing.
    pub(super) fn written_once(self) -> FollowedFile {
        let is_written_once = true;
        FollowedFile {
            is_written_once,
            ..self
        }
    }

    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    pub(super) fn is(&self, inode: u64, device: u64) -> bool {
        self.inode == inode && self.device == device
    }

    pub(super) fn born(&self) -> Option<SystemTime> {
        self.born
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Nothing was ever written to it, as far as can be known.
    pub(super) fn is_untouched(&self) -> bool {
        self.length == 0 && self.born.is_some() && self.written == self.born
    }

    /// It has no name any more.
    pub(super) fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() == 0)
    }

    /// How long it has not grown.
    pub(super) fn quiet_for(&self) -> Duration {
        self.quiet_since.elapsed()
    }

    /// Bytes that were not read.
    pub(super) fn unread(&self) -> u64 {
        self.length.saturating_sub(self.read)
    }

    /// Counts what was not read as read.
    pub(super) fn pass_over(&mut self) {
        self.read = self.length;
        self.passed = Passed::default();
    }

    /// What stood before the end of the last whole line that was read.
    pub(super) fn before(&self) -> Option<Before> {
        self.passed.before()
    }

    /// How many bytes that are.
    pub(super) fn told_by(&self) -> u64 {
        self.passed.told_by()
    }

    /// A place that was read to, and what stood before it.
    pub(super) fn place(&self) -> Option<(u64, Before)> {
        Some((self.read, self.passed.recent.before()?))
    }

    /// Whether these bytes stand before a place in it.
    pub(super) fn has(&self, place: u64, before: &Before) -> io::Result<bool> {
        let Some(begin) = before.begin(place) else {
            return Ok(false);
        };
        let bytes = before.bytes.min(Before::MOST as u64);
        let mut found = [0; Before::MOST];
        let found = found.get_mut(..bytes as usize).unwrap_or_default();
        let read = self.file.read_at(found, begin)?;
        Ok(read == found.len() && before.are(found))
    }

    /// Reading stops behind whole lines only: where there is none before the place,
    /// the file was cut meanwhile and has grown beyond it again. What was given back
    /// reads as zeros.
    pub(super) fn is_behind_a_line(&self, place: u64) -> io::Result<bool> {
        let Some(last) = place.checked_sub(1) else {
            return Ok(true);
        };
        let mut byte = [0];
        let read = self.file.read_at(&mut byte, last)?;
        Ok(read == 0 || matches!(byte, [b'\n' | 0]))
    }

    /// Begins to read at a place, or behind what was given back there; gives the
    /// place.
    pub(super) fn begin(&mut self, place: u64) -> io::Result<u64> {
        let from = behind_hole(&mut self.file, place)?;
        self.passed = Passed::default();
        // What stands before the first line behind a hole is given back next.
        if from == place {
            let length = from.min(Before::MOST as u64);
            let mut bytes = vec![0; length as usize];
            self.file.read_exact_at(&mut bytes, from - length)?;
            self.passed = Passed::all(&bytes);
        }
        self.read = from;
        if from > 0 {
            self.head.clear();
        }
        Ok(from)
    }

    /// Reads what is there, at most one chunk.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<Got> {
        let count = match self.file.read(chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Got::Bytes(0)),
            Err(error) => return Err(error),
        };
        // Asked behind the reading: what was read of a file that was cut before is
        // not what follows.
        if self.was_cut()? {
            return Ok(Got::Cut);
        }
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(Got::End);
        };
        self.took(bytes);
        Ok(Got::Bytes(count))
    }

    fn took(&mut self, bytes: &[u8]) {
        self.passed.took(bytes);
        self.read += bytes.len() as u64;
        self.length = self.length.max(self.read);
        self.head.clear();
    }

    /// Looks at it before its turn has come, or after it; whether it was cut since.
    pub(super) fn watch(&mut self) -> io::Result<bool> {
        let cut = self.was_cut()?;
        if cut {
            self.forget();
            self.length = self.file.metadata()?.len();
        }
        self.keep_head()?;
        Ok(cut)
    }

    /// Begins again at the start of a file that was cut; gives the place.
    pub(super) fn begin_anew(&mut self) -> io::Result<u64> {
        self.forget();
        self.begin(0)
    }

    fn forget(&mut self) {
        (self.read, self.length) = (0, 0);
        self.head.clear();
        self.passed = Passed::default();
    }

    /// It is shorter than it was, or has other bytes where some were seen. One that
    /// had none was cut if it was written and still has none; or may have been, if
    /// nobody looked for a while.
    fn was_cut(&mut self) -> io::Result<bool> {
        // Before the question: what comes behind it is seen the next time.
        let now = Instant::now();
        let found = self.file.metadata()?;
        let (length, written) = (found.len(), found.modified().ok());
        let late = self.looked.elapsed() > LOOKED_LATELY;
        let had_none = self.length.max(self.read) == 0 && written != self.written;
        let had_none = had_none && !self.is_written_once;
        (self.looked, self.written) = (now, written);
        if length > self.length {
            self.quiet_since = self.looked;
        }
        if length < self.length.max(self.read) || had_none && (length == 0 || late) {
            return Ok(true);
        }
        self.length = length;
        let last = self.passed.recent.last(LAST);
        let at = self.read - (last.len() as u64).min(self.read);
        Ok(!self.stands(last, at)? || !self.stands(&self.head, 0)?)
    }

    fn stands(&self, bytes: &[u8], at: u64) -> io::Result<bool> {
        let mut found = [0; LAST];
        let found = found.get_mut(..bytes.len()).unwrap_or_default();
        let read = self.file.read_at(found, at)?;
        Ok(read == bytes.len() && found == bytes)
    }

    fn keep_head(&mut self) -> io::Result<()> {
        let have = self.head.len();
        if self.read > 0 || have == LAST || self.length <= have as u64 {
            return Ok(());
        }
        let mut more = [0; LAST];
        let more = more.get_mut(have..).unwrap_or_default();
        let count = self.file.read_at(more, have as u64)?;
        self.head
            .extend_from_slice(more.get(..count).unwrap_or_default());
        Ok(())
    }
}

/// Where the first whole line at or behind an offset begins, past what was
/// given back of the file.
fn behind_hole(file: &mut File, from: u64) -> io::Result<u64> {
    let offset = i64::try_from(from).unwrap_or(i64::MAX);
    let data = lseek(&*file, offset, Whence::SeekData);
    let data = data.map_or(from, |at| u64::try_from(at).unwrap_or(from));
    file.seek(SeekFrom::Start(data))?;
    if data == from {
        return Ok(from);
    }
    let mut at = data;
    let mut block = [0; 4096];
    loop {
        let count = file.read(&mut block)?;
        let found = block.get(..count).unwrap_or_default();
        match memchr::memchr(b'\n', found) {
            Some(end) => at += end as u64 + 1,
            None if count == 0 => {}
            None => {
                at += count as u64;
                continue;
            }
        }
        file.seek(SeekFrom::Start(at))?;
        return Ok(at);
    }
}
