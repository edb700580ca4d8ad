//! The bugs that `tests/sim/prove` plays still fit the sources.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One place of a patch: its file, and the lines that it expects there.
struct Hunk {
    file: String,
    head: String,
    expected: Vec<String>,
}

fn hunks(patch: &str) -> Vec<Hunk> {
    let (mut file, mut hunks) = (String::new(), Vec::<Hunk>::new());
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("+++ b/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@ ") {
            hunks.push(Hunk {
                file: file.clone(),
                head: line.to_owned(),
                expected: Vec::new(),
            });
        } else if let (Some(hunk), false) = (hunks.last_mut(), line.starts_with("--- "))
            && let Some(kept) = line.strip_prefix([' ', '-'])
        {
            hunk.expected.push(kept.to_owned());
        }
    }
    hunks
}

/// As `git apply` finds it: all lines of a hunk, one behind another, behind the hunk before.
fn place(sources: &[&str], hunk: &Hunk, from: usize) -> Option<usize> {
    let length = hunk.expected.len();
    let mut places = (from..).take_while(|at| at + length <= sources.len());
    places.find(|at| sources[*at..at + length] == hunk.expected)
}

#[test]
fn the_bugs_fit_the_sources() {
    let patch = std::fs::read_to_string(root().join("tests/sim/bugs.patch")).expect("the patch");
    let (mut file, mut from) = (String::new(), 0);
    let hunks = hunks(&patch);
    assert!(hunks.len() > 50, "only {} places", hunks.len());
    for hunk in hunks {
        if file != hunk.file {
            (file, from) = (hunk.file.clone(), 0);
        }
        let text = std::fs::read_to_string(root().join(&file)).expect("a source");
        let lines: Vec<&str> = text.lines().collect();
        let found = place(&lines, &hunk, from);
        let head = &hunk.head;
        let at = found.unwrap_or_else(|| {
            panic!(
                "tests/sim/bugs.patch does not fit {file} at {head}: these lines are not there\n{}",
                hunk.expected.join("\n")
            )
        });
        from = at + hunk.expected.len();
    }
}
