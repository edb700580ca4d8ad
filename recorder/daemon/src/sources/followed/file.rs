//! One followed file: how far it was read, and whether it is still the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use haltbox_format::mark::{Before, Tail};
use nix::libc;
use nix::unistd::{Whence, lseek};

use super::LOOKED_LATELY;

/// Bytes that are compared to notice a file that was cut and grew again. They
/// contain times, so other lines differ.
const LAST: usize = 256;
/// Longest quiet time that is counted for a file that was not written for long.
const LONG_QUIET: Duration = Duration::from_secs(3600);

/// A file that is held open. Its handle stays valid if the file is renamed or
/// removed.
pub(super) struct FollowedFile {
    file: File,
    inode: u64,
    device: u64,
    born: Option<SystemTime>,
    /// Its length at the last look, the time of that look, and the time of the
    /// last write then.
    length: u64,
    looked: Instant,
    written: Option<SystemTime>,
    quiet_since: Instant,
    is_written_once: bool,
    /// Its first bytes, from before its turn to be read.
    head: Vec<u8>,
    /// Bytes read, with those of an unfinished line.
    read: u64,
    /// The last of these bytes. They are unchanged unless the file was cut.
    passed: Passed,
}

/// The last bytes that were read of a file.
#[derive(Default)]
pub(super) struct Passed {
    recent: Tail,
    /// Those before the end of the last whole line.
    whole: Tail,
}

impl Passed {
    /// All of the bytes end with a whole line.
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

    /// The bytes before the end of the last whole line.
    pub(super) fn before(&self) -> Option<Before> {
        self.whole.before()
    }

    /// How many bytes [`Passed::before`] has.
    pub(super) fn told_by(&self) -> u64 {
        self.whole.last(Before::MOST).len() as u64
    }
}

/// The result of reading.
pub(super) enum Got {
    Bytes(usize),
    /// The end, for now.
    End,
    /// The file was cut, and may have grown again.
    Cut(Cut),
}

/// How a cut was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The file is shorter than before, or has other bytes.
    Seen,
    /// It was empty, and nobody looked at it while it got its first bytes. What it had before
    /// them is unknown.
    Possible,
}

/// Opens a path for reading. Never waits, whatever is there.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

impl FollowedFile {
    /// Opens a file of which nothing was read.
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

    /// The same file, whose writer begins it once and never cuts it. So it is
    /// normal that it is empty at first.
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

    /// Whether nothing was ever written to it, as far as that can be known.
    pub(super) fn is_untouched(&self) -> bool {
        self.length == 0 && self.born.is_some() && self.written == self.born
    }

    /// Whether it has no name any more.
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

    /// Counts everything as read.
    pub(super) fn pass_over(&mut self) {
        self.read = self.length;
        self.passed = Passed::default();
    }

    /// The bytes before the end of the last whole line that was read.
    pub(super) fn before(&self) -> Option<Before> {
        self.passed.before()
    }

    /// How many bytes [`FollowedFile::before`] has.
    pub(super) fn told_by(&self) -> u64 {
        self.passed.told_by()
    }

    /// How far it was read, and the bytes before that place.
    pub(super) fn place(&self) -> Option<(u64, Before)> {
        Some((self.read, self.passed.recent.before()?))
    }

    /// Whether these bytes are before a place in it.
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

    /// Whether a line ends before a place. Reading stops only behind whole
    /// lines. If none ends there, the file was cut meanwhile and has grown
    /// beyond the place again. Freed blocks read as zeros.
    pub(super) fn is_behind_a_line(&self, place: u64) -> io::Result<bool> {
        let Some(last) = place.checked_sub(1) else {
            return Ok(true);
        };
        let mut byte = [0];
        let read = self.file.read_at(&mut byte, last)?;
        Ok(read == 0 || matches!(byte, [b'\n' | 0]))
    }

    /// Begins to read at a place, or behind the freed blocks there. Returns the
    /// place.
    pub(super) fn begin(&mut self, place: u64) -> io::Result<u64> {
        let from = behind_hole(&mut self.file, place)?;
        self.passed = Passed::default();
        // The bytes before the first line behind a hole are freed next, so they
        // identify nothing.
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

    /// Reads at most one chunk.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<Got> {
        let count = match self.file.read(chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Got::Bytes(0)),
            Err(error) => return Err(error),
        };
        // Check after reading: if the file was cut before, these bytes do not
        // follow the ones that were read.
        if let Some(cut) = self.was_cut()? {
            return Ok(Got::Cut(cut));
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

    /// Looks at the file before its turn or after it. Returns whether it was
    /// cut since.
    pub(super) fn watch(&mut self) -> io::Result<bool> {
        let cut = self.was_cut()?.is_some();
        if cut {
            self.forget();
            self.length = self.file.metadata()?.len();
        }
        self.keep_head()?;
        Ok(cut)
    }

    /// Begins again at the start of a file that was cut. Returns the place.
    pub(super) fn begin_anew(&mut self) -> io::Result<u64> {
        self.forget();
        self.begin(0)
    }

    fn forget(&mut self) {
        (self.read, self.length) = (0, 0);
        self.head.clear();
        self.passed = Passed::default();
    }

    /// Whether the file was cut: it is shorter than before, or has other bytes
    /// than were seen. An empty file was cut if it was written and is still
    /// empty. If it is no longer empty and nobody looked for a while, it may
    /// have been cut, and counts as cut.
    fn was_cut(&mut self) -> io::Result<Option<Cut>> {
        // Take the time before the look: a later change is then seen by the
        // next look.
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
        if length < self.length.max(self.read) || had_none && length == 0 {
            return Ok(Some(Cut::Seen));
        }
        if had_none && late {
            return Ok(Some(Cut::Possible));
        }
        self.length = length;
        let last = self.passed.recent.last(LAST);
        let at = self.read - (last.len() as u64).min(self.read);
        let stands = self.stands(last, at)? && self.stands(&self.head, 0)?;
        Ok((!stands).then_some(Cut::Seen))
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

/// Where the first whole line at or behind an offset begins, after skipping
/// freed blocks.
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
