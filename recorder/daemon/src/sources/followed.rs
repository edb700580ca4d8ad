//! Follows a file that another process writes, across its rotations.
//!
//! A renamed file is read on through its handle, because its writer goes on
//! until it opens the new file, for seconds or for ever. Newer files at the
//! path wait in their order. They are open too, so it does not matter whether
//! they are renamed or removed meanwhile. A gap is reported where bytes between
//! two files may be missing.

mod blocks;
mod file;
mod inflate;
mod neighbours;

use std::collections::VecDeque;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use haltbox_format::mark::{Before, SourceMark};
use haltbox_model::ShowPath;

use super::failure::Failure;
pub(crate) use blocks::BlockFolder;
use file::{Cut, FollowedFile, Got};
pub(crate) use inflate::inflated;
use neighbours::{Between, Last};

/// Time between two looks at the path.
const LOOK: Duration = Duration::from_millis(20);
/// Age of the last look from which files may have come and gone since, and a
/// new file may have lost bytes.
const LOOKED_LATELY: Duration = Duration::from_millis(500);
/// Times of files lag behind the clock by up to a tick of the kernel.
const TICK: Duration = Duration::from_millis(20);
/// How long a file must be quiet, while the next one is written, before its
/// writer is done with it.
const DONE_AFTER: Duration = Duration::from_secs(2);
/// Longest time in which both files are written. After that only the new one is
/// read.
const BOTH_AT_MOST: Duration = Duration::from_secs(60);
/// Time between two looks at files that were read and left ...
const LATE: Duration = Duration::from_secs(1);
/// ... how long they are looked at after their removal and last write, and how
/// many of them.
const LEFT_FOR: Duration = Duration::from_secs(300);
const LEFT_AT_MOST: usize = 8;
/// Most files that wait for their turn.
const WAIT_AT_MOST: usize = 64;

/// What another process writes, and how far it was read.
pub(crate) trait Follow: Send {
    /// Reads at most one chunk.
    fn turn(&mut self, chunk: &mut [u8]) -> Step;
    /// Inode of the file that is read, for a source mark. 0 for none.
    fn inode(&self) -> u64;
    /// Its name, for a source mark, if the path alone does not tell it.
    fn file_name(&self) -> Option<&str>;
    /// The bytes before the end of the last whole line, for a source mark.
    fn before(&self) -> Option<Before>;
    /// How many bytes [`Follow::before`] has.
    fn told_by(&self) -> u64;
    /// Whether this is the file that is read.
    fn reads(&self, inode: u64, device: u64) -> bool;
    /// Whether a file whose turn has not come has bytes.
    fn holds_back(&self) -> bool;
    /// Why it cannot be read. `None` if it can.
    fn failure(&self) -> Option<&Failure>;
    /// Whether there never was a file.
    fn is_untouched(&self) -> bool;
}

pub(crate) struct Followed {
    path: PathBuf,
    /// The file that is read. `None` until the first one appears.
    reading: Option<FollowedFile>,
    /// Newer files of the path, oldest first.
    waiting: VecDeque<Waiting>,
    /// Files that were read and left. Later bytes in them are missing.
    left: Vec<FollowedFile>,
    looked: Look,
    /// When the last session recorded last.
    until: SystemTime,
    looked_late: Instant,
    told_late: Option<Instant>,
    /// Why bytes may be missing before the next file of the path.
    unsure: Option<String>,
    /// The file at the path, if it cannot be opened.
    closed: Option<Closed>,
    path_failure: Option<Failure>,
    read_failure: Option<(Failure, Instant)>,
    /// Since when both this and the next file are written.
    both: Option<Instant>,
}

/// A file that waits for its turn to be read.
struct Waiting {
    file: FollowedFile,
    /// Why bytes may be missing before its first byte.
    missing: Option<String>,
}

/// The last look at the path.
struct Look {
    /// Time of the last attempt to look.
    tried: Instant,
    /// Time of the last look that succeeded ...
    at: Instant,
    /// ... by the clock that files have ...
    clock: SystemTime,
    /// ... and how far the file was read at the last two such looks.
    places: [Option<(u64, Before)>; 2],
}

/// A file at the path that cannot be opened.
struct Closed {
    inode: u64,
    device: u64,
    length: u64,
}

/// An opened source, and where it continues.
pub(crate) struct Opened<F = Followed> {
    pub(crate) followed: F,
    /// The place at which reading begins.
    pub(crate) from: u64,
    /// Whether nothing is missing between the recorded part and that place.
    pub(crate) goes_on: bool,
    /// A message for the operator.
    pub(crate) told: Option<String>,
}

/// The result of one turn.
pub(crate) enum Step {
    /// The chunk has this many bytes.
    Read(usize),
    Quiet,
    /// The file was cut. Reading begins again.
    Anew {
        from: u64,
        missing: String,
    },
    /// Reading continues in the next file.
    Next {
        from: u64,
        missing: Option<String>,
    },
    /// The first file appeared.
    Appeared {
        from: u64,
    },
    /// A file that was left was written again. The text is for the operator.
    Late(Option<String>),
}

impl Followed {
    /// Follows the path from where a mark left it, or from its beginning.
    /// `until_ms` is when something was last recorded.
    pub(crate) fn open(
        path: &Path,
        mark: Option<&SourceMark>,
        until_ms: u64,
    ) -> io::Result<Opened> {
        let now = match FollowedFile::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut followed = Followed::new(path);
        followed.until = SystemTime::UNIX_EPOCH + Duration::from_millis(until_ms);
        let Some(mark) = mark else {
            return followed.begin_with(now, false);
        };
        if let Some(file) = now.as_ref().filter(|file| file.inode() == mark.inode)
            && let Some((place, goes_on)) = resumes_at(file, mark)?
        {
            followed.reading = now;
            return followed.opened(place, goes_on, None);
        }
        let same_path = mark.path == path.display().to_string();
        let was_absent = mark.inode == 0 && now.is_none();
        let known = same_path.then(|| neighbours::find(path, mark)).flatten();
        let Some((known, name)) = known else {
            let goes_on = same_path && was_absent;
            // Files may have come and gone.
            followed.unsure = goes_on.then(not_looked);
            return followed.begin_with(now, goes_on);
        };
        let told = format!(
            "{} was rotated while nothing was reading it: {} is read first, from byte {} on",
            path.shown(),
            name.shown(),
            mark.offset
        );
        followed.queue(&known, mark, now);
        followed.reading = Some(known);
        followed.opened(mark.offset, true, Some(told))
    }

    fn new(path: &Path) -> Followed {
        let now = Instant::now();
        Followed {
            path: path.to_owned(),
            reading: None,
            waiting: VecDeque::new(),
            left: Vec::new(),
            looked: Look {
                tried: now,
                at: now,
                clock: SystemTime::now(),
                places: [None, None],
            },
            until: SystemTime::UNIX_EPOCH,
            looked_late: now,
            told_late: None,
            unsure: None,
            closed: None,
            path_failure: None,
            read_failure: None,
            both: None,
        }
    }

    fn begin_with(mut self, now: Option<FollowedFile>, goes_on: bool) -> io::Result<Opened> {
        self.reading = now;
        self.opened(0, goes_on, None)
    }

    fn opened(mut self, place: u64, goes_on: bool, told: Option<String>) -> io::Result<Opened> {
        let (mut from, mut late) = (0, false);
        if let Some(file) = &mut self.reading {
            from = file.begin(place)?;
            (self.left, late) = neighbours::older(&self.path, file, self.until, LEFT_AT_MOST);
            self.left.iter_mut().for_each(FollowedFile::pass_over);
        }
        Ok(Opened {
            goes_on: goes_on && from == place && !late,
            followed: self,
            from,
            told,
        })
    }

    /// Puts the files that came while nobody read behind the file that was read
    /// then. It is unknown which others came and went.
    fn queue(&mut self, known: &FollowedFile, mark: &SourceMark, now: Option<FollowedFile>) {
        let away = format!(
            "{} was rotated while nothing was reading it",
            self.path.shown()
        );
        let last = Last {
            file: known,
            place: mark.before.map(|before| (mark.offset, before)),
            until: self.until,
        };
        if let Between::These(files) = neighbours::between(&self.path, &last, now.as_ref()) {
            self.wait(files, &away);
        }
        match now {
            Some(file) => self.wait([file], &away),
            None => self.unsure = Some(away),
        }
    }

    fn wait(&mut self, files: impl IntoIterator<Item = FollowedFile>, missing: &str) {
        let waiting = files.into_iter().map(|file| Waiting {
            file,
            missing: Some(missing.to_owned()),
        });
        self.waiting.extend(waiting);
    }

    fn anew(&mut self, cut: Cut) -> Step {
        let file = self.reading.as_mut();
        match file.map_or(Ok(0), FollowedFile::begin_anew) {
            Ok(from) => Step::Anew {
                from,
                missing: self.missing_by(cut),
            },
            Err(error) => self.cannot_read(&error),
        }
    }

    /// What a cut means, for the operator.
    fn missing_by(&self, cut: Cut) -> String {
        let path = self.path.shown();
        match cut {
            Cut::Seen => format!(
                "{path} was truncated: lines not read before that are lost; rotate it by renaming \
                 (logrotate: create, not copytruncate)"
            ),
            Cut::Possible => format!(
                "{path} was empty, and the recorder did not look at it for over {} ms before its \
                 first lines came: if it was truncated meanwhile, earlier lines are lost",
                LOOKED_LATELY.as_millis()
            ),
        }
    }

    /// Acts at the end of the file. [`Follow::turn`] looked at the path before,
    /// so a next file is already known.
    fn at_end(&mut self) -> Step {
        if !Follow::holds_back(self) {
            return Step::Quiet;
        }
        let both = self.both.get_or_insert_with(Instant::now).elapsed();
        let quiet = self.reading.as_ref().map(FollowedFile::quiet_for);
        if quiet.is_none_or(|quiet| quiet >= DONE_AFTER) {
            return self.next(None);
        }
        if both >= BOTH_AT_MOST {
            let missing = "both the rotated file and the new file are being written".to_owned();
            return self.next(Some(missing));
        }
        Step::Quiet
    }

    /// Tries a file that cannot be read again, until there is a next one.
    fn cannot_read(&mut self, error: &io::Error) -> Step {
        let now = Instant::now();
        let since = self.read_failure.as_ref().map_or(now, |(_, since)| *since);
        self.read_failure = Some((Failure::of(error), since));
        if !Follow::holds_back(self) || since.elapsed() < DONE_AFTER {
            return Step::Quiet;
        }
        self.next(Some(format!(
            "the rest of the rotated file cannot be read: {error}"
        )))
    }

    /// Continues in the next file, if there is one.
    fn next(&mut self, missing: Option<String>) -> Step {
        let Some(mut next) = self.waiting.pop_front() else {
            return Step::Quiet;
        };
        let from = match next.file.begin(0) {
            Ok(from) => from,
            Err(error) => {
                self.waiting.push_front(next);
                self.read_failure = Some((Failure::of(&error), Instant::now()));
                return Step::Quiet;
            }
        };
        (self.both, self.read_failure) = (None, None);
        self.looked.places = [None, None];
        let missing = missing.or(next.missing);
        let missing = missing.or_else(|| (from > 0).then(|| "its beginning is missing".to_owned()));
        match (self.reading.replace(next.file), missing) {
            (None, None) => Step::Appeared { from },
            (old, missing) => {
                self.leave(old);
                let missing = missing.map(|why| {
                    format!(
                        "{}: entries before this file may be missing: {why}",
                        self.path.shown()
                    )
                });
                Step::Next { from, missing }
            }
        }
    }

    fn leave(&mut self, old: Option<FollowedFile>) {
        self.left.extend(old);
        if self.left.len() > LEFT_AT_MOST {
            self.left.remove(0);
        }
    }

    /// Counts bytes that were written to files that were left. They no longer
    /// have a place in the order.
    fn late(&mut self) -> u64 {
        if self.left.is_empty() || self.looked_late.elapsed() < LATE {
            return 0;
        }
        self.looked_late = Instant::now();
        self.left
            .retain(|file| !(file.is_removed() && file.quiet_for() > LEFT_FOR));
        let mut bytes = 0;
        for file in &mut self.left {
            // A file that was cut has no byte that was neither read nor
            // reported.
            if file.watch().is_ok_and(|cut| !cut) {
                bytes += file.unread();
            }
            file.pass_over();
        }
        bytes
    }

    /// A message about such bytes. Rare, because a writer may go on in the old
    /// file for long.
    fn tell_late(&mut self, bytes: u64) -> Option<String> {
        if self.told_late.is_some_and(|told| told.elapsed() < LEFT_FOR) {
            return None;
        }
        self.told_late = Some(Instant::now());
        Some(format!(
            "{bytes} bytes were written to a rotated file after lines of the new {} had been \
             recorded: these bytes and later ones in the rotated file are not recorded; make the \
             node reopen its file when it is rotated",
            self.path.shown()
        ))
    }

    /// Looks at the path, and whether the waiting files are unchanged.
    fn look(&mut self) {
        if self.looked.tried.elapsed() < LOOK {
            return;
        }
        let (now, clock) = (Instant::now(), SystemTime::now());
        self.looked.tried = now;
        let known = match fs::metadata(&self.path) {
            Ok(found) => self.see(&found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.path_failure = None;
                self.no_file();
                true
            }
            Err(error) => {
                self.path_failure = Some(Failure::of(&error));
                // If the path cannot be examined, files may come and go unseen.
                // Only a link that leads nowhere shows that no file is there.
                let nowhere = error.raw_os_error() == Some(nix::libc::ELOOP);
                if nowhere {
                    self.no_file();
                }
                nowhere
            }
        };
        if known {
            (self.looked.at, self.looked.clock) = (now, clock);
            let place = self.reading.as_ref().and_then(FollowedFile::place);
            self.looked.places.rotate_left(1);
            self.looked.places[1] = place;
        }
        self.watch_waiting();
    }

    fn watch_waiting(&mut self) {
        let path = &self.path;
        for next in &mut self.waiting {
            // If it cannot be examined now, it is examined again when it is
            // read.
            if next.file.watch().is_ok_and(|cut| cut) {
                let why = || format!("{} was truncated before it was read", path.shown());
                next.missing.get_or_insert_with(why);
            }
        }
    }

    /// Acts on what is at the path. Returns whether it is known what that is.
    fn see(&mut self, found: &Metadata) -> bool {
        let (inode, device) = (found.ino(), found.dev());
        if self.holds(inode, device) {
            self.path_failure = None;
            self.forget_closed(None);
            return true;
        }
        let kind = found.file_type();
        if kind.is_dir() || kind.is_fifo() || kind.is_socket() {
            let what = if kind.is_dir() {
                "a folder"
            } else {
                "not a file"
            };
            self.path_failure = Some(Failure::no_file(what));
            self.no_file();
            return true;
        }
        match FollowedFile::open(&self.path) {
            // Another file came between the two calls.
            Ok(file) if !file.is(inode, device) => false,
            Ok(file) => {
                self.path_failure = None;
                self.arrived(file);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                self.path_failure = Some(Failure::of(&error));
                self.keep_closed(found);
                true
            }
        }
    }

    fn holds(&self, inode: u64, device: u64) -> bool {
        let waiting = self.waiting.iter().map(|next| &next.file);
        let mut all = self.reading.iter().chain(waiting).chain(&self.left);
        all.any(|file| file.is(inode, device))
    }

    /// Watches a file that cannot be opened, by its metadata.
    fn keep_closed(&mut self, found: &Metadata) {
        let now = Closed {
            inode: found.ino(),
            device: found.dev(),
            length: found.len(),
        };
        self.forget_closed(Some(&now));
        let was = self.closed.replace(now);
        if was.is_some_and(|was| was.length > found.len()) {
            self.unsure = Some("it was truncated while it could not be read".to_owned());
        } else {
            self.doubt();
        }
    }

    /// Notes that no file is at the path.
    fn no_file(&mut self) {
        self.forget_closed(None);
        self.doubt();
    }

    /// If nobody looked for a while, files may have come and gone.
    fn doubt(&mut self) {
        if self.looked.at.elapsed() > LOOKED_LATELY {
            self.unsure.get_or_insert_with(not_looked);
        }
    }

    /// Forgets the file that could not be opened, if another one is at the
    /// path.
    fn forget_closed(&mut self, now: Option<&Closed>) {
        let same = |was: &Closed| {
            now.is_some_and(|now| was.inode == now.inode && was.device == now.device)
        };
        if self.closed.take_if(|was| !same(was)).is_some() {
            let why = "a file that could not be read was removed";
            self.unsure = Some(why.to_owned());
        }
    }

    /// Adds a new file of the path to those that wait, behind the files that
    /// came and went in between.
    fn arrived(&mut self, file: FollowedFile) {
        let same = |was: &mut Closed| file.is(was.inode, was.device);
        if self.closed.take_if(same).is_none() {
            self.forget_closed(None);
        }
        self.doubt();
        let mut missing = self.unsure.take();
        let newest = self.waiting.back().map(|next| &next.file);
        if let Some(last) = newest.or(self.reading.as_ref()) {
            let [place, _] = self.looked.places;
            let last = Last {
                file: last,
                place: place.filter(|_| newest.is_none()),
                until: self
                    .looked
                    .clock
                    .checked_sub(TICK)
                    .unwrap_or(self.looked.clock),
            };
            let several = "it was rotated more than once between two checks";
            match neighbours::between(&self.path, &last, Some(&file)) {
                Between::Nothing => {}
                Between::Unclear => missing = missing.or(Some(several.to_owned())),
                Between::These(files) => {
                    self.wait(files, several);
                    missing = missing.or(Some(several.to_owned()));
                }
            }
        }
        self.waiting.push_back(Waiting { file, missing });
        self.let_one_go();
    }

    /// Removes a waiting file if there are too many, because each is held open.
    /// A writer that never opens its file anew leaves an empty one at each
    /// rotation, so an empty one goes first.
    fn let_one_go(&mut self) {
        if self.waiting.len() <= WAIT_AT_MOST {
            return;
        }
        let empty = self.waiting.iter().position(|next| next.file.length() == 0);
        let at = empty.unwrap_or(0);
        self.waiting.remove(at);
        if let Some(next) = self.waiting.get_mut(at) {
            let why = || "it was rotated too often: more files wait than are kept open".to_owned();
            next.missing.get_or_insert_with(why);
        }
    }
}

impl Follow for Followed {
    fn turn(&mut self, chunk: &mut [u8]) -> Step {
        self.look();
        let late = self.late();
        if late > 0 {
            return Step::Late(self.tell_late(late));
        }
        let Some(file) = &mut self.reading else {
            return self.next(None);
        };
        let got = file.read(chunk);
        if got.is_ok() {
            self.read_failure = None;
        }
        match got {
            Ok(Got::Bytes(count)) => Step::Read(count),
            Ok(Got::End) => self.at_end(),
            Ok(Got::Cut(cut)) => self.anew(cut),
            Err(error) => self.cannot_read(&error),
        }
    }

    fn inode(&self) -> u64 {
        self.reading.as_ref().map_or(0, FollowedFile::inode)
    }

    fn file_name(&self) -> Option<&str> {
        None
    }

    fn before(&self) -> Option<Before> {
        self.reading.as_ref().and_then(FollowedFile::before)
    }

    fn told_by(&self) -> u64 {
        self.reading.as_ref().map_or(0, FollowedFile::told_by)
    }

    fn reads(&self, inode: u64, device: u64) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|file| file.is(inode, device))
    }

    fn holds_back(&self) -> bool {
        self.waiting.iter().any(|next| next.file.length() > 0)
    }

    fn failure(&self) -> Option<&Failure> {
        let read = self.read_failure.as_ref().map(|(failure, _)| failure);
        read.or(self.path_failure.as_ref())
    }

    fn is_untouched(&self) -> bool {
        self.reading.is_none() && self.waiting.is_empty() && self.left.is_empty()
    }
}

fn not_looked() -> String {
    "it was not checked for a while".to_owned()
}

/// Where a file that is still at its path continues, and whether nothing can be
/// missing there. `None` if it is another file than the mark's.
fn resumes_at(file: &FollowedFile, mark: &SourceMark) -> io::Result<Option<(u64, bool)>> {
    if mark.offset > file.length() {
        return Ok(None);
    }
    Ok(match &mark.before {
        Some(before) => file
            .has(mark.offset, before)?
            .then_some((mark.offset, true)),
        // Nothing was read of it. It may have been cut, or be another file.
        None if mark.offset == 0 => Some((0, file.is_untouched())),
        // Older recorders knew a file only by this.
        None => file
            .is_behind_a_line(mark.offset)?
            .then_some((mark.offset, true)),
    })
}
