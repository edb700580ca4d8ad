//! Finds, beside a followed file, the files that it became by rotation.
//!
//! A name alone proves nothing. The file that was read is known by the bytes
//! before the place that was reached. A file that was never read is known by
//! its name and its creation time, and only if these leave no doubt.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use haltbox_format::mark::{Before, SourceMark};

use super::file::FollowedFile;

/// Most unread files that are read one after the other. If there are more, none
/// is read.
const BETWEEN_AT_MOST: usize = 16;

struct Beside {
    path: PathBuf,
    found: Metadata,
    /// Whether rotation makes such a name.
    is_rotated: bool,
}

/// Finds the file of a mark under another name. A copy is as good as the file
/// itself, because it has the same bytes before the place.
pub(super) fn find(path: &Path, mark: &SourceMark) -> Option<(FollowedFile, PathBuf)> {
    let before = mark.before.as_ref()?;
    let mut files = beside(path).ok()?;
    let is_it = |file: &Beside| file.found.ino() == mark.inode;
    files.retain(|file| is_it(file) || file.is_rotated && file.found.len() >= mark.offset);
    files.sort_by_key(|file| !is_it(file));
    files.into_iter().find_map(|file| {
        let opened = FollowedFile::open(&file.path).ok()?;
        let has = opened.has(mark.offset, before).ok()?;
        has.then_some((opened, file.path))
    })
}

/// The file that was read last.
pub(super) struct Last<'a> {
    pub(super) file: &'a FollowedFile,
    /// A place in it, and the bytes before that place. Every copy has them too.
    pub(super) place: Option<(u64, Before)>,
    /// Time of the last look at the folder.
    pub(super) until: SystemTime,
}

/// Files that were at the path after the last one and before the newest, in
/// their order.
pub(super) enum Between {
    Nothing,
    /// All of them.
    These(Vec<FollowedFile>),
    /// There are some, but it is not certain which one is a copy or came first.
    Unclear,
}

pub(super) fn between(path: &Path, last: &Last<'_>, newest: Option<&FollowedFile>) -> Between {
    let Ok(mut files) = beside(path) else {
        return Between::Unclear;
    };
    files.retain(|file| file.is_rotated && may_lie_between(&file.found, last, newest));
    if files.is_empty() {
        return Between::Nothing;
    }
    let Some((place, before)) = &last.place else {
        return Between::Unclear;
    };
    if files.len() > BETWEEN_AT_MOST {
        return Between::Unclear;
    }
    let mut opened = Vec::new();
    for file in files {
        let Ok(open) = FollowedFile::open(&file.path) else {
            return Between::Unclear;
        };
        match open.has(*place, before) {
            Ok(true) => {}
            Ok(false) => opened.push((file.found, open)),
            Err(_) => return Between::Unclear,
        }
    }
    in_order(opened)
}

/// Whether a file may be one of those.
///
/// It must be another file than the two, created after the last one and not after
/// the newest, and touched after the last look. An old copy was not touched since.
/// Only the creation time shows the order, because a file is still written after
/// the next one was created.
fn may_lie_between(found: &Metadata, last: &Last<'_>, newest: Option<&FollowedFile>) -> bool {
    let (inode, device) = (found.ino(), found.dev());
    let newest_is = newest.is_some_and(|newest| newest.is(inode, device));
    if last.file.is(inode, device) || newest_is {
        return false;
    }
    let touched = found.modified().into_iter().chain(found.created()).max();
    if touched.is_some_and(|touched| touched < last.until) {
        return false;
    }
    let (Ok(born), Some(last_born)) = (found.created(), last.file.born()) else {
        return true;
    };
    let before_newest = newest.is_none_or(|newest| newest.born().is_none_or(|at| born <= at));
    born > last_born && before_newest
}

/// Orders the files, if each was done with before the next was made. A copy
/// beside its original, which goes on, would come behind what follows it.
fn in_order(mut files: Vec<(Metadata, FollowedFile)>) -> Between {
    files.sort_by_key(|(found, _)| found.created().ok());
    let is_before = |pair: &[(Metadata, FollowedFile)]| match pair {
        [(first, _), (second, _)] => match (first.modified(), second.created()) {
            (Ok(done), Ok(born)) => done <= born,
            _ => false,
        },
        _ => false,
    };
    let certain = files.iter().all(|(found, _)| found.created().is_ok());
    match (files.is_empty(), certain && files.windows(2).all(is_before)) {
        (true, _) => Between::Nothing,
        (false, true) => Between::These(files.into_iter().map(|(_, file)| file).collect()),
        (false, false) => Between::Unclear,
    }
}

/// Older files of the path, the last written first. Also returns whether one of
/// them was written after `since`, because its writer then goes on in it.
pub(super) fn older(
    path: &Path,
    than: &FollowedFile,
    since: SystemTime,
    most: usize,
) -> (Vec<FollowedFile>, bool) {
    let mut files = beside(path).unwrap_or_default();
    files.retain(|file| {
        let born = file.found.created().ok();
        let other = !than.is(file.found.ino(), file.found.dev());
        file.is_rotated && other && born.is_some() && born < than.born()
    });
    files.sort_by_key(|file| std::cmp::Reverse(file.found.modified().ok()));
    let written = |file: &Beside| file.found.modified().is_ok_and(|at| at > since);
    let any = files.iter().any(written);
    let opened = files.into_iter().take(most);
    let opened = opened.filter_map(|file| FollowedFile::open(&file.path).ok());
    (opened.collect(), any)
}

/// The other regular files in the folder of the file that the path leads to.
fn beside(path: &Path) -> io::Result<Vec<Beside>> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match real.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let base = real.file_name().unwrap_or_default().to_string_lossy();
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // A file that is gone was removed or renamed meanwhile.
        let Ok(found) = entry.metadata() else {
            continue;
        };
        if found.is_file() && name != base {
            files.push(Beside {
                path: entry.path(),
                found,
                is_rotated: is_rotated(&base, &name),
            });
        }
    }
    Ok(files)
}

/// Whether rotation makes `name` from `base`: `x.log.1`, `x.log-20261128`,
/// `x-2026-11-28T10-30-00.log`.
fn is_rotated(base: &str, name: &str) -> bool {
    let behind = name.strip_prefix(base);
    let within = base.rsplit_once('.').and_then(|(stem, extension)| {
        let middle = name.strip_prefix(stem)?.strip_suffix(extension)?;
        middle.strip_suffix('.')
    });
    behind.or(within).is_some_and(is_number_or_time)
}

fn is_number_or_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let separates = |byte: &u8| b".-_".contains(byte);
    let counts = |byte: &u8| byte.is_ascii_digit() || b".-_:+TZ".contains(byte);
    bytes.first().is_some_and(separates)
        && bytes.iter().any(u8::is_ascii_digit)
        && bytes.iter().all(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_gives() {
        for name in [
            "slog.jsonl.1",
            "slog.jsonl-20261128",
            "slog.jsonl-2026112810",
            "slog.jsonl_3",
            "slog-2026-11-28T10-30-00.123.jsonl",
            "slog.2.jsonl",
        ] {
            assert!(is_rotated("slog.jsonl", name), "{name}");
        }
        for name in [
            "slog.jsonl",
            "slog.jsonl.1.gz",
            "slog.jsonl.bak",
            "slog.jsonl.",
            "slog.jsonl1",
            "slog.1",
            "slog2.jsonl",
            "node.jsonl.1",
            "slog.jsonl.offset.1",
        ] {
            assert!(!is_rotated("slog.jsonl", name), "{name}");
        }
        assert!(is_rotated("slog", "slog.1") && !is_rotated("slog", "slog.jsonl"));
        assert!(!is_rotated("node.log", "node.slog.1") && !is_rotated("a.log", "a.b.log"));
    }
}
