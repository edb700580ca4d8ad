//! A folder with a file for each block, as a source.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use haltbox_model::block_files::BlockFileName;

/// The block files of a folder, in the order in which they were begun.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn files(folder: &Path) -> io::Result<Vec<(BlockFileName, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let key = name.to_str().and_then(BlockFileName::read);
        files.extend(key.map(|key| (key, entry.path())));
    }
    files.sort();
    Ok(files)
}

/// Bytes of the files behind the one named `name`. Counts bytes and not
/// entries, because the files are compressed.
pub(crate) fn unread_behind(folder: &Path, name: &str) -> Option<u64> {
    let read = BlockFileName::read(name)?;
    let files = files(folder).ok()?;
    let behind = files.iter().filter(|(key, _)| *key > read);
    let lengths = behind.filter_map(|(_, path)| Some(fs::metadata(path).ok()?.len()));
    Some(lengths.sum())
}
