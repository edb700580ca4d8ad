//! Files of Agoric's block-slog, one for each block: what their names say, and what may
//! be missing between two of them.
//!
//! Entries that the sender writes between two files are in no file. So one file continues
//! another only if both come from one process and nothing can stand between them.
//! Anywhere else something may be missing, and no HASH covers the place.

use crate::json;

/// Content of a file, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The start of a kernel.
    Init,
    /// Work of the first block before its begin entry.
    Bootstrap,
    /// Work of an upgrade before its block's begin entry.
    Upgrade,
    /// A block, from its begin entry to behind its commit.
    Block(u64),
}

/// The parsed name of a file. Names sort in the order in which the files were begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockFileName {
    /// Time at which the file was begun, milliseconds since 1970.
    pub at: u64,
    /// Content of the file.
    pub part: Part,
}

impl BlockFileName {
    /// Suffixes that files with the same content may have.
    pub const ENDS: [&str; 3] = [".gz", ".zst", ""];

    /// The name without its suffix.
    pub fn stem(name: &str) -> &str {
        let [gzip, zstd, _] = BlockFileName::ENDS;
        let stem = name.strip_suffix(gzip).or(name.strip_suffix(zstd));
        stem.unwrap_or(name)
    }

    /// Parses `slogfile_block_HEIGHT_TIME.gz` and the other names, also of files that
    /// were decompressed or compressed again. `None` for any other name.
    pub fn read(name: &str) -> Option<BlockFileName> {
        let name = BlockFileName::stem(name).strip_prefix("slogfile_")?;
        let words: Vec<&str> = name.split('_').collect();
        let (part, at) = match words.as_slice() {
            ["init", at] => (Part::Init, at),
            ["bootstrap", at] => (Part::Bootstrap, at),
            ["upgrade", at] => (Part::Upgrade, at),
            ["block", height, at] => (Part::Block(number(height)?), at),
            _ => return None,
        };
        let at = number(at)?;
        Some(BlockFileName { at, part })
    }
}

fn number(word: &str) -> Option<u64> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok())?
}

impl Part {
    /// Whether a file of this part begins with this line. A file that lost its beginning,
    /// or was renamed, must not pass as a whole block.
    fn is_begun_by(self, line: &[u8]) -> bool {
        let [kind] = json::pick(line, [b"type"]);
        let kind = kind.and_then(json::read_plain).unwrap_or_default();
        match self {
            Part::Init => kind == b"kernel-init-start",
            Part::Bootstrap => kind == b"cosmic-swingset-bootstrap-block-start",
            Part::Upgrade => kind == b"cosmic-swingset-upgrade-start",
            Part::Block(own) => {
                kind == b"cosmic-swingset-begin-block" && height_of(line) == Some(own)
            }
        }
    }
}

/// What may be missing before the first line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Explanation.
    pub text: String,
    /// Whether something existed and is lost.
    pub damage: bool,
}

/// Clocks of an entry, in seconds: since 1970, and since its process started.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    time: f64,
    uptime: f64,
}

/// Largest difference between two computed start times of one process, in seconds. Clocks
/// get adjusted.
const SLACK: f64 = 2.0;

impl Clocks {
    /// The clocks of an entry.
    pub fn of(line: &[u8]) -> Option<Clocks> {
        let number = |value: &[u8]| str::from_utf8(value).ok()?.parse::<f64>().ok();
        let [time, uptime] = json::pick(line, [b"time", b"monotime"]);
        Some(Clocks {
            time: number(time?)?,
            uptime: number(uptime?)?,
        })
    }

    /// Whether an entry with the clocks `next` is a later one of the same process.
    fn goes_on_in(self, next: Clocks) -> bool {
        let started = |clocks: Clocks| clocks.time - clocks.uptime;
        next.uptime > self.uptime && (started(next) - started(self)).abs() < SLACK
    }
}

/// State about the files that were read, as far as the next file needs it.
#[derive(Clone, Debug, Default)]
pub struct Seams {
    /// The last file, and the last clocks in it.
    before: Option<(Part, Option<Clocks>)>,
    /// The height of the last block.
    height: Option<u64>,
    /// The block that the last bootstrap or upgrade prepared.
    prepared: Option<u64>,
}

/// The block that a chain's bootstrap prepares. A chain that begins at another height
/// cannot be recognised.
const FIRST_BLOCK: u64 = 1;

impl Seams {
    /// Reports that a file was read to its end, with its last clocks.
    pub fn end(&mut self, part: Part, clocks: Option<Clocks>) {
        self.before = Some((part, clocks));
        if let Part::Block(height) = part {
            self.height = Some(height);
        }
    }

    /// Reports that a file begins with this line; returns what may be missing before it.
    /// `shown`: name of the file.
    pub fn begin(&mut self, part: Part, shown: &str, line: &[u8]) -> Option<Missing> {
        let missing = self.before(part, shown, line);
        self.prepared = match part {
            Part::Bootstrap => Some(FIRST_BLOCK),
            Part::Upgrade => height_of(line),
            Part::Init | Part::Block(_) => None,
        };
        missing
    }

    fn before(&self, part: Part, shown: &str, line: &[u8]) -> Option<Missing> {
        if !part.is_begun_by(line) {
            return Some(Missing {
                text: format!("{shown} does not begin with the entry that its name requires"),
                damage: true,
            });
        }
        let (before, ended) = self.before?;
        if let (Part::Block(height), Some(known)) = (part, self.height)
            && height > known + 1
        {
            return Some(skipped(known + 1, height - 1));
        }
        let clocks = Clocks::of(line);
        let one_process = ended.zip(clocks).is_some_and(|(a, b)| a.goes_on_in(b));
        let joins = match (before, part) {
            (_, Part::Init) => return None,
            (Part::Block(before), Part::Block(next)) => next == before + 1,
            (Part::Init, Part::Bootstrap | Part::Upgrade) => true,
            (Part::Bootstrap | Part::Upgrade, Part::Block(next)) => self.prepared == Some(next),
            // The work of an upgrade would stand between them, in its own file.
            _ => false,
        };
        (!joins || !one_process).then(|| not_joined(part))
    }
}

fn height_of(line: &[u8]) -> Option<u64> {
    let [height] = json::pick(line, [b"blockHeight"]);
    height.and_then(json::read_u64)
}

fn skipped(from: u64, to: u64) -> Missing {
    let text = match from == to {
        true => format!("block {from}: its file is missing"),
        false => format!("blocks {from} to {to}: their files are missing"),
    };
    Missing { text, damage: true }
}

fn not_joined(part: Part) -> Missing {
    let text = match part {
        Part::Block(height) => format!(
            "before block {height}: a block, the start of the node or the work of an upgrade may be missing"
        ),
        _ => "before the work of a bootstrap or an upgrade: the start of the node is missing"
            .to_owned(),
    };
    Missing {
        text,
        damage: false,
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
            let found = found.map(|(at, part)| BlockFileName { at, part });
            assert_eq!(BlockFileName::read(name), found, "{name}");
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
