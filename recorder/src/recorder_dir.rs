//! The names of the files in a recorder's folder.

use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::{ALERT_FILE, SIGNATURE_SUFFIX};
use haltbox_model::Profile;

use crate::owner_only;

const RING: &str = "ring";
const BOXES: &str = "boxes";
const ARCHIVE: &str = "archive";

/// Path of a recorder's folder. Creating the value opens nothing.
#[derive(Clone, Copy, Debug)]
pub struct RecorderDir<'a>(&'a Path);

impl<'a> RecorderDir<'a> {
    /// The folder at `path`.
    pub fn at(path: &'a Path) -> RecorderDir<'a> {
        RecorderDir(path)
    }

    /// The folder that contains a ring.
    pub fn of_ring(ring: &'a Path) -> RecorderDir<'a> {
        let parent = ring.parent().filter(|path| !path.as_os_str().is_empty());
        RecorderDir(parent.unwrap_or(Path::new(".")))
    }

    /// The folder's own path.
    pub fn path(self) -> &'a Path {
        self.0
    }

    /// Path of the ring in use.
    pub fn ring(self) -> PathBuf {
        self.0.join(RING)
    }

    /// The ring that a path means: the file itself, or the ring in use if the
    /// path is a folder.
    pub fn ring_meant(path: &Path) -> PathBuf {
        match path.is_dir() {
            true => path.join(RING),
            false => path.to_owned(),
        }
    }

    /// Whether a path has the name of the ring in use, and not of a renamed
    /// one.
    pub fn is_ring(path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == RING)
    }

    /// Path of the folder of boxes.
    pub fn boxes(self) -> PathBuf {
        self.0.join(BOXES)
    }

    /// Path of the archive's folder.
    pub fn archive(self) -> PathBuf {
        self.0.join(ARCHIVE)
    }

    /// Path of the copy of a profile that is not builtin.
    pub fn profile(self) -> PathBuf {
        self.0.join(Profile::BESIDE_RING)
    }

    /// Creates the folder, and the folder of boxes in it.
    ///
    /// # Errors
    /// The folder that could not be created, and the error.
    pub fn make(self) -> Result<(), (PathBuf, io::Error)> {
        for folder in [self.0.to_owned(), self.boxes()] {
            owner_only::folder(&folder).map_err(|error| (folder, error))?;
        }
        Ok(())
    }

    /// Names of the boxes, sorted. Empty if the folder cannot be read.
    pub fn box_names(self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.boxes()) else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let is_box = |name: &String| {
            !name.starts_with('.') && name != ALERT_FILE && !name.ends_with(SIGNATURE_SUFFIX)
        };
        let mut names: Vec<String> = names.filter(is_box).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_without_a_folder_lies_in_the_current_one() {
        assert_eq!(
            RecorderDir::of_ring(Path::new("ring")).path(),
            Path::new(".")
        );
        let dir = RecorderDir::of_ring(Path::new("/a/ring"));
        assert_eq!(dir.boxes(), Path::new("/a/boxes"));
        assert!(RecorderDir::is_ring(&dir.ring()));
        assert!(!RecorderDir::is_ring(Path::new(
            "/a/ring.aside-other-size-1"
        )));
    }

    #[test]
    fn what_else_lies_among_the_boxes_is_no_box() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RecorderDir::at(folder.path());
        assert!(dir.box_names().is_empty());
        dir.make().unwrap();
        for name in ["13-b", "13-b.sig", "12-a", ".reserve", ALERT_FILE] {
            std::fs::write(dir.boxes().join(name), "").unwrap();
        }
        assert_eq!(dir.box_names(), ["12-a", "13-b"]);
        std::fs::write(folder.path().join("file"), "").unwrap();
        let file = folder.path().join("file");
        let (refused, _) = RecorderDir::at(&file).make().unwrap_err();
        assert_eq!(refused, file);
    }
}
