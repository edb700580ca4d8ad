//! A folder of slog files, one for each block, as Agoric's block-slog writes them: one
//! recording, in the order of their times.
//!
//! What its sender writes between two files is nowhere. So a file goes on where the
//! one before ends only if both are of one process and nothing can stand between
//! them; everywhere else there is a hole, and no HASH rests on what may be missing.

use std::io;
use std::path::{Path, PathBuf};

use haltbox_format::json;

use crate::slog_file::SlogFile;
use crate::source::{Hole, Item, Line, read_slog};

/// What a file holds, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The start of a kernel.
    Init,
    /// The first block's work before its begin entry.
    Bootstrap,
    /// An upgrade's work before its block's begin entry.
    Upgrade,
    /// A block from its begin entry to behind its commit.
    Block(u64),
}

#[derive(Clone, Debug)]
struct BlockFile {
    /// Milliseconds since 1970 when it was begun.
    at: u64,
    part: Part,
    path: PathBuf,
}

/// Slog files of one node, in their order.
#[derive(Debug)]
pub struct BlockFiles(Vec<BlockFile>);

/// The clocks of an entry: since 1970, and since its process started.
#[derive(Clone, Copy, Debug)]
struct Clocks {
    time: f64,
    uptime: f64,
}

/// How far apart, in seconds, one process may seem to have started: clocks are set.
const SLACK: f64 = 2.0;

/// `slogfile_block_HEIGHT_TIME.gz` and its kin, also decompressed or compressed anew.
fn parse(name: &str) -> Option<(u64, Part)> {
    let name = name.strip_prefix("slogfile_")?;
    let name = [".gz", ".zst"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    let words: Vec<&str> = name.split('_').collect();
    let number = |word: &str| -> Option<u64> {
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| word.parse().ok())?
    };
    let (part, at) = match words.as_slice() {
        ["init", at] => (Part::Init, at),
        ["bootstrap", at] => (Part::Bootstrap, at),
        ["upgrade", at] => (Part::Upgrade, at),
        ["block", height, at] => (Part::Block(number(height)?), at),
        _ => return None,
    };
    Some((number(at)?, part))
}

impl Part {
    /// Whether a file of this part begins with this line. One that was cut at its
    /// beginning, or renamed, must not pass as the whole of a block.
    fn is_begun_by(self, line: &[u8]) -> bool {
        let [kind, height] = json::pick(line, [b"type", b"blockHeight"]);
        let kind = kind.and_then(json::read_plain).unwrap_or_default();
        match self {
            Part::Init => kind == b"kernel-init-start",
            Part::Bootstrap => kind == b"cosmic-swingset-bootstrap-block-start",
            Part::Upgrade => kind == b"cosmic-swingset-upgrade-start",
            Part::Block(own) => {
                kind == b"cosmic-swingset-begin-block"
                    && height.and_then(json::read_u64) == Some(own)
            }
        }
    }
}

/// A file of such a name.
pub(crate) fn is_one(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    parse(&name.to_string_lossy()).is_some()
}

impl BlockFiles {
    /// Those in a folder; `None` if there are none.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Option<BlockFiles>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Some((at, part)) = parse(&entry.file_name().to_string_lossy()) else {
                continue;
            };
            // A file that was begun and not yet written to says nothing.
            if entry.path().metadata()?.len() > 0 {
                files.push(BlockFile {
                    at,
                    part,
                    path: entry.path(),
                });
            }
        }
        files.sort_by(|a, b| (a.at, a.part, &a.path).cmp(&(b.at, b.part, &b.path)));
        // One file twice, compressed and not: they hold the same.
        files.dedup_by_key(|file| (file.at, file.part));
        Ok((!files.is_empty()).then_some(BlockFiles(files)))
    }

    /// As [`crate::Source::read_lines`].
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
    before: Option<(Part, Option<Clocks>)>,
    height: Option<u64>,
}

impl Reading {
    /// False if that was enough.
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
                        false if !file.part.is_begun_by(line.bytes) => Some(Hole {
                            damage: true,
                            ..open_end(format!("{name} does not begin as its name says"))
                        }),
                        false => self.between(file.part, clocks),
                    };
                    begun = true;
                    let counter = line.counter.saturating_add(first);
                    self.lines = counter + 1;
                    let go = match hole {
                        Some(hole) => sink(Item::Hole(hole))?,
                        None => true,
                    };
                    go && sink(Item::Line(Line { counter, ..line }))?
                }
                // The node still writes the newest file.
                Item::Hole(hole) => sink(Item::Hole(Hole {
                    text: format!("{name}: {}", hole.text),
                    damage: hole.damage && !last,
                    ..hole
                }))?,
            };
            enough |= !more;
            Ok(more)
        })?;
        self.before = Some((file.part, clocks));
        if let Part::Block(height) = file.part {
            self.height = Some(height);
        }
        Ok(!enough)
    }

    /// What may be missing before the first line of a file.
    fn between(&self, part: Part, clocks: Option<Clocks>) -> Option<Hole> {
        let (before, ended) = self.before?;
        if let (Part::Block(height), Some(known)) = (part, self.height)
            && height > known + 1
        {
            let text = match height - known {
                2 => format!("block {}: its file is not here", known + 1),
                _ => format!(
                    "blocks {} to {}: their files are not here",
                    known + 1,
                    height - 1
                ),
            };
            return Some(Hole {
                damage: true,
                ..open_end(text)
            });
        }
        let one_process = ended.zip(clocks).is_some_and(|(a, b)| a.goes_on_in(b));
        let joins = match (before, part) {
            (_, Part::Init) => return None,
            (Part::Block(before), Part::Block(next)) => next == before + 1,
            (Part::Init, Part::Bootstrap | Part::Upgrade) => true,
            (Part::Bootstrap | Part::Upgrade, Part::Block(_)) => true,
            // An upgrade's work would stand between them, in a file of its own.
            _ => false,
        };
        (!joins || !one_process).then(|| {
            open_end(match part {
                Part::Block(height) => format!(
                    "before block {height}: the node was started anew, and the work of an upgrade may be missing"
                ),
                _ => "before the work of a bootstrap or an upgrade: the start of the node is not here".to_owned(),
            })
        })
    }
}

fn open_end(text: String) -> Hole {
    Hole {
        text,
        damage: false,
        lost: false,
        of_blocks: true,
        records: None,
    }
}

impl Clocks {
    fn of(line: &[u8]) -> Option<Clocks> {
        let number = |value: &[u8]| str::from_utf8(value).ok()?.parse::<f64>().ok();
        let [time, uptime] = json::pick(line, [b"time", b"monotime"]);
        Some(Clocks {
            time: number(time?)?,
            uptime: number(uptime?)?,
        })
    }

    /// An entry with the other clocks is a later one of the same process.
    fn goes_on_in(self, next: Clocks) -> bool {
        let started = |clocks: Clocks| clocks.time - clocks.uptime;
        next.uptime > self.uptime && (started(next) - started(self)).abs() < SLACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_names() {
        let cases = [
            (
                "slogfile_block_12_1795219000123.gz",
                Some((1_795_219_000_123, Part::Block(12))),
            ),
            (
                "slogfile_block_12_1795219000123",
                Some((1_795_219_000_123, Part::Block(12))),
            ),
            ("slogfile_init_5.gz", Some((5, Part::Init))),
            ("slogfile_upgrade_5.zst", Some((5, Part::Upgrade))),
            ("slogfile_bootstrap_5.gz", Some((5, Part::Bootstrap))),
            ("slogfile_block_12.gz", None),
            ("slogfile_block_+1_5.gz", None),
            ("slogfile_block__5.gz", None),
            ("slogfile_init_.gz", None),
            ("block_12_5.gz", None),
            ("flight-recorder.bin", None),
        ];
        for (name, found) in cases {
            assert_eq!(parse(name), found, "{name}");
        }
    }

    #[test]
    fn a_process_is_known_by_when_it_started() {
        let clocks = |time, uptime| Clocks { time, uptime };
        let here = clocks(1000.0, 60.0);
        assert!(here.goes_on_in(clocks(1005.5, 65.4)));
        assert!(!here.goes_on_in(clocks(1005.0, 10.0)), "restarted");
        assert!(
            !here.goes_on_in(clocks(1200.0, 70.0)),
            "restarted, and up for longer"
        );
        assert!(!here.goes_on_in(clocks(1005.0, 60.0)));
        assert!(Clocks::of(br#"{"type":"a","time":1.5}"#).is_none());
    }
}
