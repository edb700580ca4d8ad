//! Follows a folder into which another process writes a file for each block, as
//! Agoric's block-slog does.
//!
//! Each file is read to its end, in the order in which the files were begun. A
//! file that is open can be moved away, because its handle reads on. A gap is
//! reported where entries between two files may be missing. The rules for that
//! are the same in every command that reads such a folder.

mod arrivals;
mod file;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use haltbox_format::mark::{Before, SourceMark};
use haltbox_model::block_files::{BlockFileName, Seams};
use haltbox_model::{Outside, ShowPath};

use super::super::failure::Failure;
use super::{DONE_AFTER, Follow, Got, LOOK, Opened, Step, WAIT_AT_MOST};
use arrivals::{Arrivals, Arrived};
use file::{BlockFile, Resumed};

/// Most names that are remembered, to know a file that appears again in
/// compressed form.
const KNOWN_AT_MOST: usize = 1024;
/// Largest difference between the time in a file's name and the time of its
/// creation, if its sender made it.
const MADE_WITHIN: Duration = Duration::from_secs(5);

/// A followed folder.
pub(crate) struct BlockFolder {
    folder: PathBuf,
    arrivals: Arrivals,
    looked: Instant,
    /// The file that is read. `None` until the first one appears.
    reading: Option<BlockFile>,
    /// Name of the file that was read last.
    last: Option<String>,
    /// Newer files, in their order.
    waiting: VecDeque<Waiting>,
    seams: Seams,
    newest: Option<BlockFileName>,
    known: VecDeque<BlockFileName>,
    /// Why entries may be missing before the next file.
    unsure: Option<String>,
    folder_failure: Option<Failure>,
    read_failure: Option<(Failure, Instant)>,
}

/// A file that waits for its turn to be read.
struct Waiting {
    found: Arrived,
    file: Option<BlockFile>,
}

impl BlockFolder {
    /// Follows the folder from where a mark left it. Without a mark, the newest
    /// file is the first.
    pub(crate) fn open(folder: &Path, mark: Option<&SourceMark>) -> io::Result<Opened<Self>> {
        let mut followed = BlockFolder::new(folder);
        let found = match followed.arrivals.take() {
            Ok(found) => found,
            Err(error) => {
                followed.folder_failure = Some(Failure::of(&error));
                Vec::new()
            }
        };
        match mark {
            None => followed.begin_at_newest(found),
            Some(mark) => match &mark.file {
                None => {
                    followed.take(found);
                    Ok(followed.opened(0, false, None))
                }
                Some(name) => followed.go_on(found, mark, name),
            },
        }
    }

    /// Follows a new folder. All files in it are read.
    pub(crate) fn open_new(folder: &Path) -> io::Result<BlockFolder> {
        let mut followed = BlockFolder::new(folder);
        let found = followed.arrivals.take()?;
        followed.take(found);
        Ok(followed)
    }

    fn new(folder: &Path) -> BlockFolder {
        BlockFolder {
            folder: folder.to_owned(),
            arrivals: Arrivals::of(folder),
            looked: Instant::now(),
            reading: None,
            last: None,
            waiting: VecDeque::new(),
            seams: Seams::default(),
            newest: None,
            known: VecDeque::new(),
            unsure: None,
            folder_failure: None,
            read_failure: None,
        }
    }

    fn opened(self, from: u64, goes_on: bool, told: Option<String>) -> Opened<BlockFolder> {
        Opened {
            followed: self,
            from,
            goes_on,
            told,
        }
    }

    fn begin_at_newest(mut self, mut found: Vec<Arrived>) -> io::Result<Opened<BlockFolder>> {
        let newest = found.pop();
        let told = found.first().zip(found.last()).map(|(first, last)| {
            let newest = newest.as_ref().map_or("", |newest| newest.name.as_str());
            format!(
                "{}: older files found: {}, from {} to {}. They are not recorded, but haltbox can \
                 read them in place; recording starts with {}",
                self.folder.shown(),
                found.len(),
                Outside::text(&first.name),
                Outside::text(&last.name),
                Outside::text(newest)
            )
        });
        found.iter().for_each(|old| self.know(old.key));
        if let Some(newest) = newest {
            self.know(newest.key);
            self.read(BlockFile::open(&self.folder, &newest)?);
        }
        Ok(self.opened(0, false, told))
    }

    /// Continues behind the recorded part, and with all newer files.
    fn go_on(
        mut self,
        mut found: Vec<Arrived>,
        mark: &SourceMark,
        name: &str,
    ) -> io::Result<Opened<BlockFolder>> {
        let Some(key) = BlockFileName::read(name) else {
            return self.begin_at_newest(found);
        };
        self.last = Some(name.to_owned());
        let at = found.iter().position(|file| file.key == key);
        let newer = found.iter().position(|file| file.key > key);
        let rest = found.split_off(newer.unwrap_or(found.len()));
        found.iter().for_each(|old| self.know(old.key));
        self.know(key);
        let file = at.and_then(|at| found.get(at));
        let opened = file.map(|file| BlockFile::open(&self.folder, file));
        let (from, goes_on, told) = match opened.transpose() {
            Ok(Some(mut file)) => match self.resume(&mut file, mark)? {
                Resumed::There { certain } => {
                    self.read(file);
                    (mark.offset, certain, None)
                }
                Resumed::Shorter => {
                    let told = format!(
                        "{} is shorter than the part that was recorded before",
                        shown(name)
                    );
                    self.read(file);
                    (mark.offset, false, Some(told))
                }
                Resumed::Other => {
                    let told = format!(
                        "{} does not match the part that was recorded before",
                        shown(name)
                    );
                    let file = found.get(at.unwrap_or(0));
                    let file = file.map(|file| BlockFile::open(&self.folder, file));
                    file.transpose()?
                        .into_iter()
                        .for_each(|file| self.read(file));
                    (0, false, Some(told))
                }
            },
            Ok(None) => {
                let told = format!("{} is no longer in its folder", shown(name));
                (mark.offset, false, Some(told))
            }
            Err(error) => return Err(error),
        };
        self.take(rest);
        let told = told.map(|told| format!("{told}; entries of it may be missing"));
        Ok(self.opened(from, goes_on, told))
    }

    fn resume(&mut self, file: &mut BlockFile, mark: &SourceMark) -> io::Result<Resumed> {
        // Do not report a gap before this file: that was done when it was
        // begun.
        if file.fill_line()? {
            let part = file.part();
            self.seams.begin(part, "", file.first_line());
        }
        file.resume(mark)
    }

    fn know(&mut self, key: BlockFileName) {
        self.newest = Some(key);
        self.known.push_back(key);
        if self.known.len() > KNOWN_AT_MOST {
            self.known.pop_front();
        }
    }

    fn read(&mut self, file: BlockFile) {
        self.last = Some(file.name().to_owned());
        self.reading = Some(file);
    }

    /// Looks for new files in the folder.
    fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        match self.arrivals.take() {
            Ok(found) => {
                self.folder_failure = None;
                self.take(found);
            }
            Err(error) => self.folder_failure = Some(Failure::of(&error)),
        }
    }

    fn take(&mut self, found: Vec<Arrived>) {
        for found in found {
            if self.known.contains(&found.key) || !self.is_next(&found) {
                continue;
            }
            self.know(found.key);
            let file = match self.waiting.len() < WAIT_AT_MOST {
                true => BlockFile::open(&self.folder, &found).ok(),
                false => None,
            };
            self.waiting.push_back(Waiting { found, file });
        }
    }

    /// Whether the file follows all others. If the clock was set back, its
    /// creation time decides: a file that was moved here or compressed anew was
    /// created at another time.
    fn is_next(&self, found: &Arrived) -> bool {
        self.newest.is_none_or(|newest| found.key > newest)
            || found.is_made_within(&self.folder, MADE_WITHIN)
    }

    /// Acts at the end of the file. Its writer makes the next file when it is
    /// done with this one. A writer that was killed leaves a file without an
    /// end.
    fn at_end(&mut self) -> Step {
        let Some(file) = &self.reading else {
            return Step::Quiet;
        };
        if !file.is_ended() && file.quiet_for() < DONE_AFTER {
            return Step::Quiet;
        }
        let cut = (!file.is_whole()).then(|| match file.broken() {
            Some(why) => format!("{}: {why}", shown(file.name())),
            None => format!("{} is incomplete: its end is missing", shown(file.name())),
        });
        self.next(cut)
    }

    /// Continues in the next file, once it has a whole line.
    fn next(&mut self, cut: Option<String>) -> Step {
        loop {
            let only = self.waiting.len() <= 1;
            let Some(next) = self.waiting.front_mut() else {
                return Step::Quiet;
            };
            match next.has_line(&self.folder) {
                Ok(true) => return self.begin_next(cut),
                Ok(false) if only || !next.is_over() => return Step::Quiet,
                Ok(false) => self.pass_over("contains no complete entry"),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.pass_over("was removed before it was read");
                }
                Err(error) => return self.cannot_read(&error, only),
            }
        }
    }

    fn pass_over(&mut self, why: &str) {
        if let Some(passed) = self.waiting.pop_front() {
            let why = format!("{} {why}", shown(&passed.found.name));
            self.unsure.get_or_insert(why);
        }
    }

    /// Tries a file that cannot be read again, until there is a next one.
    fn cannot_read(&mut self, error: &io::Error, only: bool) -> Step {
        let now = Instant::now();
        let since = self.read_failure.as_ref().map_or(now, |(_, since)| *since);
        self.read_failure = Some((Failure::of(error), since));
        if !only && since.elapsed() >= DONE_AFTER {
            self.pass_over(&format!("cannot be read: {error}"));
        }
        Step::Quiet
    }

    fn begin_next(&mut self, cut: Option<String>) -> Step {
        let Some(Waiting { found, file }) = self.waiting.pop_front() else {
            return Step::Quiet;
        };
        let Some(file) = file else {
            return Step::Quiet;
        };
        self.read_failure = None;
        if let Some(old) = &self.reading {
            self.seams.end(old.part(), old.clocks());
        }
        let name = shown(&found.name).to_string();
        let seam = self.seams.begin(found.key.part, &name, file.first_line());
        let why = [cut, self.unsure.take(), seam.map(|seam| seam.text)];
        let why: Vec<String> = why.into_iter().flatten().collect();
        self.read(file);
        if why.is_empty() {
            return Step::Appeared { from: 0 };
        }
        let missing = format!(
            "{}: entries may be missing before {name}: {}",
            self.folder.shown(),
            why.join("; ")
        );
        Step::Next {
            from: 0,
            missing: Some(missing),
        }
    }
}

impl Follow for BlockFolder {
    fn turn(&mut self, chunk: &mut [u8]) -> Step {
        self.look();
        let Some(file) = &mut self.reading else {
            return self.next(None);
        };
        match file.read(chunk) {
            Ok(Got::Bytes(count)) => {
                self.read_failure = None;
                Step::Read(count)
            }
            Ok(Got::End | Got::Cut(_)) => self.at_end(),
            Err(error) => {
                self.read_failure = Some((Failure::of(&error), Instant::now()));
                Step::Quiet
            }
        }
    }

    fn inode(&self) -> u64 {
        self.reading.as_ref().map_or(0, BlockFile::inode)
    }

    fn file_name(&self) -> Option<&str> {
        self.last.as_deref()
    }

    fn before(&self) -> Option<Before> {
        self.reading.as_ref().and_then(BlockFile::before)
    }

    fn told_by(&self) -> u64 {
        self.reading.as_ref().map_or(0, BlockFile::told_by)
    }

    /// Always false, so that nothing of it is freed: the writer and programs
    /// that move the file need it whole.
    fn reads(&self, _inode: u64, _device: u64) -> bool {
        false
    }

    fn holds_back(&self) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(Waiting::is_readable) || self.waiting.len() > 1
    }

    fn failure(&self) -> Option<&Failure> {
        let read = self.read_failure.as_ref().map(|(failure, _)| failure);
        read.or(self.folder_failure.as_ref())
    }

    fn is_untouched(&self) -> bool {
        false
    }
}

impl Waiting {
    /// Whether a whole line of it can be read.
    fn has_line(&mut self, folder: &Path) -> io::Result<bool> {
        if self.file.is_none() {
            self.file = Some(BlockFile::open(folder, &self.found)?);
        }
        self.file.as_mut().map_or(Ok(false), BlockFile::fill_line)
    }

    fn is_readable(&self) -> bool {
        self.file.as_ref().is_some_and(BlockFile::has_line)
    }

    /// Whether its writer is done with it.
    fn is_over(&self) -> bool {
        let file = self.file.as_ref();
        file.is_some_and(|file| file.is_ended() || file.quiet_for() >= DONE_AFTER)
    }
}

fn shown(name: &str) -> impl std::fmt::Display + '_ {
    Outside::text(name)
}
