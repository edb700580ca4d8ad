//! A folder of slog files, one for each block, as Agoric's block-slog writes them. They are
//! one recording, in the order of their times.
//!
//! A hole stands between two files if something may be missing there.

use std::io;
use std::path::{Path, PathBuf};

use haltbox_model::block_files::{BlockFileName, Clocks, Missing, Seams};

use crate::item::{Hole, Item, Line};
use crate::slog_file::SlogFile;
use crate::slog_lines::read_slog;

#[derive(Clone, Debug)]
struct BlockFile {
    name: BlockFileName,
    path: PathBuf,
}

/// Slog files of one node, in order.
#[derive(Debug)]
pub struct BlockFiles(Vec<BlockFile>);

/// Whether a file has the name of such a file.
pub(crate) fn is_one(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    BlockFileName::read(&name.to_string_lossy()).is_some()
}

impl BlockFiles {
    /// The files in a folder; `None` if there are none.
    ///
    /// # Errors
    /// An error from the operating system.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Option<BlockFiles>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Some(name) = BlockFileName::read(&entry.file_name().to_string_lossy()) else {
                continue;
            };
            // A file that was created and not yet written says nothing.
            if entry.path().metadata()?.len() > 0 {
                let path = entry.path();
                files.push(BlockFile { name, path });
            }
        }
        files.sort_by(|a, b| (a.name, &a.path).cmp(&(b.name, &b.path)));
        // The same file compressed and uncompressed holds the same lines.
        files.dedup_by_key(|file| file.name);
        Ok((!files.is_empty()).then_some(BlockFiles(files)))
    }

    /// Reads all lines, as [`crate::Source::read_lines`] does.
    pub(crate) fn read(
        &self,
        sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>,
    ) -> io::Result<()> {
        let mut reading = Reading::default();
        for (n, file) in self.0.iter().enumerate() {
            let last = n + 1 == self.0.len();
            if !reading.file(file, last, sink)? {
                break;
            }
        }
        Ok(())
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    lines: u64,
    seams: Seams,
}

impl Reading {
    /// Reads one file. Returns false once `sink` has enough.
    fn file(
        &mut self,
        file: &BlockFile,
        last: bool,
        sink: &mut dyn FnMut(Item<'_>) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy();
        let first = self.lines;
        let (mut enough, mut clocks, mut begun) = (false, None, false);
        read_slog(SlogFile::open(&file.path)?, &mut |item| {
            let more = match item {
                Item::Line(line) => {
                    clocks = Clocks::of(line.bytes).or(clocks);
                    let hole = match begun {
                        true => None,
                        false => self.seams.begin(file.name.part, &name, line.bytes),
                    };
                    let hole = hole.map(open_end);
                    begun = true;
                    let counter = line.counter.saturating_add(first);
                    self.lines = counter + 1;
                    let go = match hole {
                        Some(hole) => sink(Item::Hole(hole))?,
                        None => true,
                    };
                    go && sink(Item::Line(Line { counter, ..line }))?
                }
                // The node may still be writing the newest file, so its cut end is no damage.
                Item::Hole(hole) => sink(Item::Hole(Hole {
                    text: format!("{name}: {}", hole.text),
                    damage: hole.damage && !last,
                    ..hole
                }))?,
            };
            enough |= !more;
            Ok(more)
        })?;
        self.seams.end(file.name.part, clocks);
        Ok(!enough)
    }
}

fn open_end(missing: Missing) -> Hole {
    Hole {
        text: missing.text,
        damage: missing.damage,
        lost: false,
        of_blocks: true,
        records: None,
    }
}
