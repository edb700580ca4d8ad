use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use super::*;

fn name(text: &str) -> FileStem {
    FileStem::new(text).unwrap()
}

fn put<'a>(file: Unpublished<'a>, text: &str) -> Unpublished<'a> {
    file.file().write_all(text.as_bytes()).unwrap();
    file
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The two kinds of temporary file: unnamed and hidden.
const WAYS: [fn(&BoxFolder) -> io::Result<Unpublished<'_>>; 2] =
    [BoxFolder::temporary, BoxFolder::hidden];

#[test]
fn a_name_is_never_rewritten() {
    for way in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let folder = BoxFolder::open(dir.path()).unwrap();
        let done = put(way(&folder).unwrap(), "first")
            .publish(&name("7-ab"))
            .unwrap();
        assert_eq!(done, Published::As("7-ab".to_owned()));
        let path = dir.path().join("7-ab");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let again = put(way(&folder).unwrap(), "second")
            .publish(&name("7-ab"))
            .unwrap();
        assert_eq!(again, Published::AlreadyThere("7-ab".to_owned()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(names(dir.path()), ["7-ab"]);
    }
}

#[test]
fn a_greater_box_is_the_next_edition() {
    for way in WAYS {
        let dir = tempfile::tempdir().unwrap();
        let folder = BoxFolder::open(dir.path()).unwrap();
        for file in ["7-ab.9", "7-ab.x", "7-ab.02", "7-abc", "7-ab.1", "8-ab.30"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        assert_eq!(folder.editions(&name("7-ab")).unwrap(), [9]);
        let done = put(way(&folder).unwrap(), "x")
            .publish_next(&name("7-ab"))
            .unwrap();
        assert_eq!(done, Published::As("7-ab.10".to_owned()));
        let first = put(way(&folder).unwrap(), "x")
            .publish_next(&name("9-zz"))
            .unwrap();
        assert_eq!(first, Published::As("9-zz".to_owned()));
        let second = put(way(&folder).unwrap(), "x")
            .publish_next(&name("9-zz"))
            .unwrap();
        assert_eq!(second, Published::As("9-zz.2".to_owned()));
        assert_eq!(folder.editions(&name("9-zz")).unwrap(), [1, 2]);
    }
}

#[test]
fn an_unpublished_file_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let folder = BoxFolder::open(dir.path()).unwrap();
    drop(put(folder.temporary().unwrap(), "x"));
    drop(put(folder.hidden().unwrap(), "x"));
    assert!(names(dir.path()).is_empty());
    // A sweep removes the file of a killed writer, not the file of a living
    // one.
    fs::write(dir.path().join(".haltbox-1-0.tmp"), "left").unwrap();
    fs::write(dir.path().join("7-ab"), "kept").unwrap();
    let living = folder.hidden().unwrap();
    BoxFolder::open(dir.path()).unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    drop(living);
    assert_eq!(names(dir.path()), ["7-ab"]);
}

#[test]
fn a_name_cannot_leave_its_folder() {
    let long = "x".repeat(201);
    for text in [
        "",
        ".",
        "..",
        "a/b",
        "../a",
        ".hidden",
        "a.2",
        "a\0b",
        "a b",
        long.as_str(),
    ] {
        assert_eq!(FileStem::new(text), None, "{text:?}");
    }
    assert!(FileStem::new("12-00ff").is_some() && FileStem::new("12-incomplete").is_some());
}
