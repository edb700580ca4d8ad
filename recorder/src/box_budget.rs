//! How much the folder of boxes may hold, and which box is removed first.

use std::cmp::Reverse;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use haltbox_format::blackbox::{ALERT_FILE, Identity};
use haltbox_model::lifecycle::Finding;

use crate::blackbox::BoxFolder;

/// Limits of the folder of boxes.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Most boxes.
    pub boxes: usize,
    /// Most bytes of all boxes together.
    pub bytes: u64,
}

impl Default for Budget {
    /// 64 boxes, 8 GiB.
    fn default() -> Budget {
        Budget {
            boxes: 64,
            bytes: 8 << 30,
        }
    }
}

/// A box in the folder, as the budget sees it.
struct Kept {
    path: PathBuf,
    bytes: u64,
    written: SystemTime,
    finding: Finding,
    /// A series of failures began with this box: none with the same finding was
    /// written in the day before it.
    first: bool,
}

/// A series of failures is over when no box was written for this long.
const SERIES: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes boxes until the folder is within its budget. Returns the removed
/// paths.
///
/// The order of removal:
/// 1. boxes of a doubt, oldest first
/// 2. boxes of blocks that the node itself rejects, oldest first
/// 3. boxes that prove a divergence, oldest first
/// 4. boxes that began a series of failures, youngest first: a series whose
///    middle is missing would look like several
///
/// The newest box stays in any case.
///
/// # Errors
/// The folder cannot be read, or a box cannot be removed.
pub fn keep_budget(boxes: &Path, budget: Budget) -> io::Result<Vec<PathBuf>> {
    let mut kept = look(boxes)?;
    mark_first(&mut kept);
    let newest = kept.iter().map(|kept| kept.written).max();
    let age_of_first = |kept: &Kept| kept.first.then_some(Reverse(kept.written));
    kept.sort_by_key(|kept| (age_of_first(kept), kept.finding, kept.written));
    let mut bytes: u64 = kept.iter().map(|kept| kept.bytes).sum();
    let mut count = kept.len();
    let mut removed = Vec::new();
    for old in kept {
        let fits = count <= budget.boxes && bytes <= budget.bytes;
        if fits || Some(old.written) == newest {
            continue;
        }
        remove(&old.path)?;
        count -= 1;
        bytes -= old.bytes;
        removed.push(old.path);
    }
    Ok(removed)
}

/// Removes a box and its signature. The signature goes first: one without its
/// box would later stand beside another box of the same name.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(haltbox_signature::path_of(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::remove_file(path)
}

fn bytes_of_signature(path: &Path) -> u64 {
    let found = fs::symlink_metadata(haltbox_signature::path_of(path));
    found.map_or(0, |found| found.len())
}

fn look(boxes: &Path) -> io::Result<Vec<Kept>> {
    let folder = BoxFolder::open(boxes)?;
    let mut kept = Vec::new();
    for entry in fs::read_dir(boxes)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = entry.metadata()?;
        if !metadata.is_file() || name.starts_with('.') || name == ALERT_FILE {
            continue;
        }
        if let Some(identity) = folder.identity(&name) {
            let path = entry.path();
            kept.push(Kept {
                bytes: metadata.len() + bytes_of_signature(&path),
                path,
                written: metadata.modified()?,
                finding: finding_of(&identity),
                first: false,
            });
        }
    }
    Ok(kept)
}

/// What a box proves. Boxes of older versions do not say it; those with a hash
/// of the network prove a divergence.
fn finding_of(identity: &Identity) -> Finding {
    let finding = match (Finding::of_box(identity), identity.network_app_hash) {
        (Some(finding), _) => finding,
        (None, Some(_)) => Finding::Proved,
        (None, None) => Finding::Doubt,
    };
    // A box that somebody asked for is worth as much as one of a doubt.
    finding.max(Finding::Doubt)
}

/// Marks the first box of each series. It tells most about a crash loop, so
/// later ones must not push it out.
fn mark_first(kept: &mut [Kept]) {
    kept.sort_by_key(|kept| (kept.finding, kept.written));
    let mut before: Option<(Finding, SystemTime)> = None;
    for kept in kept.iter_mut().filter(|kept| kept.finding.is_settled()) {
        let follows = before.is_some_and(|(finding, written)| {
            let since = kept.written.duration_since(written);
            finding == kept.finding && since.is_ok_and(|since| since < SERIES)
        });
        kept.first = !follows;
        before = Some((kept.finding, kept.written));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haltbox_format::AppHash;
    use haltbox_format::blackbox::{BoxWriter, ManifestFields, Options};
    use haltbox_format::mark::State;

    fn put(folder: &Path, name: &str, age: u64, finding: Finding) {
        let path = folder.join(name);
        let file = fs::File::create(&path).unwrap();
        let writer = BoxWriter::new(&file, &Options::default()).unwrap();
        let proved = finding == Finding::Proved;
        let identity = Identity {
            state: Some(if proved {
                State::Diverged
            } else {
                State::Pinned
            }),
            broken: finding == Finding::Broken,
            network_app_hash: proved.then(|| AppHash::new(&[1; 32]).unwrap()),
            ..Identity::default()
        };
        writer.finish(identity, ManifestFields::default()).unwrap();
        let written = SystemTime::now() - Duration::from_secs(age);
        file.set_modified(written).unwrap();
    }

    fn names(paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    }

    #[test]
    fn the_oldest_go_first_and_proof_last() {
        use Finding::{Broken, Doubt, Proved};
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        put(at, "1-proof", 500, Proved);
        put(at, "2-asked", 400, Doubt);
        put(at, "3-proof", 300, Proved);
        put(at, "4-broken", 250, Broken);
        put(at, "5-broken", 240, Broken);
        put(at, "6-asked", 200, Doubt);
        put(at, "7-asked", 100, Doubt);
        fs::write(at.join("notes"), vec![0; 1 << 20]).unwrap();
        fs::write(at.join(ALERT_FILE), b"read me").unwrap();
        let of = |boxes, bytes| keep_budget(at, Budget { boxes, bytes }).unwrap();
        assert!(of(7, 1 << 30).is_empty());
        assert_eq!(names(&of(6, 1 << 30)), ["2-asked"]);
        assert_eq!(names(&of(4, 1 << 30)), ["6-asked", "5-broken"]);
        assert_eq!(names(&of(2, 1 << 30)), ["3-proof", "4-broken"]);
        assert_eq!(
            names(&of(64, 1)),
            ["1-proof"],
            "the newest stays, whatever it takes"
        );
        assert!(at.join("notes").exists() && at.join(ALERT_FILE).exists());
    }

    /// One without its box would later stand beside another box of the same name.
    #[test]
    fn a_signature_goes_with_its_box_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        for (name, age) in [("1-a", 300), ("2-b", 200), ("3-c", 100)] {
            put(at, name, age, Finding::Doubt);
        }
        for name in ["1-a.sig", "3-c.sig"] {
            fs::write(at.join(name), vec![b'-'; 1 << 20]).unwrap();
        }
        let of = |boxes, bytes| keep_budget(at, Budget { boxes, bytes }).unwrap();
        assert!(of(3, 3 << 20).is_empty(), "a signature is no box");
        assert_eq!(names(&of(3, 2 << 20)), ["1-a"], "it counts");
        assert!(!at.join("1-a.sig").exists() && at.join("3-c.sig").exists());
        assert_eq!(names(&of(1, 2 << 20)), ["2-b"]);
        assert!(at.join("3-c").exists() && at.join("3-c.sig").exists());
    }

    /// The first box of a series tells most, and so does the first one of another day.
    #[test]
    fn a_series_of_failures_never_costs_its_first_box() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let day = SERIES.as_secs();
        put(at, "1-first-of-all", 3 * day, Finding::Broken);
        for n in 0..40 {
            put(
                at,
                &format!("{}-broken", 10 + n),
                day - 60 * n,
                Finding::Broken,
            );
            keep_budget(
                at,
                Budget {
                    boxes: 6,
                    bytes: 1 << 30,
                },
            )
            .unwrap();
        }
        let left = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        let mut left = names(&left.collect::<Vec<_>>());
        left.sort();
        let expected = ["1-first-of-all", "10-broken", "46-broken", "47-broken"];
        assert_eq!(left[..4], expected, "{left:?}");
        assert_eq!(left.len(), 6);
    }

    /// A series without its middle would look like two.
    #[test]
    fn the_first_box_of_a_series_of_weeks_stays() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let hours = 40 * 24;
        for n in 0..hours / 6 {
            let age = 60 * 60 * (hours - 6 * n);
            put(at, &format!("{n}-broken"), age, Finding::Broken);
            let budget = Budget {
                boxes: 4,
                bytes: 1 << 30,
            };
            keep_budget(at, budget).unwrap();
        }
        assert!(at.join("0-broken").exists());
    }
}
