//! What a recording is kept in.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use haltbox_cli::commands::fingerprint;
use haltbox_format::blackbox::{BlockFacts, BoxWriter, Identity, ManifestFields, Missing, Options};
use haltbox_format::{Lane, Stream};
use haltbox_model::Profile;
use haltbox_reader::compare::recording::Recording;
use haltbox_recorder::recorder::{Config, Recorder};
use haltbox_recorder::ring::file::RingOptions;
use haltbox_recorder::source_entry::Given;

use crate::random::Random;
use crate::tape::{Line, Tape};

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text file.
    Slog,
    /// The same, compressed by gzip.
    Gzip,
    /// The same, compressed by zstd.
    Zstd,
    /// A black box without an index of blocks.
    Box,
    /// A black box with one.
    IndexedBox,
    /// Agoric's ring, of so many per cent of the recording's size.
    AgoricRing(u64),
    /// A folder of block-slog's files.
    BlockFiles,
    /// A ring of the recorder.
    Ring,
    /// Digests alone.
    Fingerprint,
}

impl Form {
    /// By weight.
    pub fn drawn(kernel: bool, random: &mut Random) -> Form {
        match random.below(1000) {
            0..620 => Form::Slog,
            620..640 => Form::Gzip,
            640..660 => Form::Zstd,
            660..740 => Form::Box,
            740..820 => Form::IndexedBox,
            820..900 if kernel => Form::AgoricRing(20 + random.below(120)),
            900..910 if kernel => Form::BlockFiles,
            910..912 => Form::Ring,
            912..960 => Form::Fingerprint,
            _ => Form::Slog,
        }
    }

    /// It tells what is missing.
    pub fn tells_gaps(self) -> bool {
        matches!(self, Form::Box | Form::IndexedBox)
    }

    /// It holds lines as they were recorded, not a text that may be anything.
    pub fn is_recorded(self) -> bool {
        !matches!(
            self,
            Form::Slog | Form::Gzip | Form::Zstd | Form::Fingerprint
        )
    }

    /// Writes a recording; false if it cannot be kept so.
    pub fn keep(self, tape: &mut Tape, profile: &Profile, path: &Path) -> bool {
        remove(path);
        match self {
            Form::Slog => fs::write(path, tape.bytes()).is_ok(),
            Form::Gzip => gzip(path, &tape.bytes()).is_some(),
            Form::Zstd => {
                let packed = zstd::stream::encode_all(tape.bytes().as_slice(), 1);
                packed.is_ok_and(|packed| fs::write(path, packed).is_ok())
            }
            Form::Box | Form::IndexedBox => {
                boxed(tape, profile, path, self == Form::IndexedBox).is_some()
            }
            Form::AgoricRing(share) => {
                // What is no entry is a hole to its reader.
                tape.lines.retain(|line| line.text.starts_with(b"{"));
                agoric_ring(tape, share, path);
                true
            }
            Form::BlockFiles => {
                // Between two files nobody knows what is missing.
                tape.runs.iter_mut().for_each(|run| run.whole = false);
                block_files(tape, path).is_some()
            }
            Form::Ring => ring(tape, profile, path).is_some(),
            Form::Fingerprint => print(tape, profile, path).is_some(),
        }
    }
}

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).ok();
    }
    fs::remove_file(path).ok();
}

fn gzip(path: &Path, bytes: &[u8]) -> Option<()> {
    let mut writer = GzEncoder::new(File::create(path).ok()?, Compression::fast());
    writer.write_all(bytes).ok()?;
    writer.finish().ok().map(drop)
}

fn boxed(tape: &Tape, profile: &Profile, path: &Path, indexed: bool) -> Option<()> {
    let options = Options {
        frame_bytes: 1 << (12 + tape.lines.len() % 5),
        frame_per_block: tape.lines.len().is_multiple_of(2),
        ..Options::default()
    };
    let mut writer = BoxWriter::new(File::create(path).ok()?, &options).ok()?;
    for (at, line) in tape.lines.iter().enumerate() {
        if indexed && line.begins {
            writer.block_begin(line.height, attempt(tape, at));
        }
        writer.slog(&line.text, true).ok()?;
    }
    writer.block_end(BlockFacts::default());
    let rules = profile.slog.as_ref()?.canonical().digest();
    let identity = Identity {
        name: "7-incomplete".to_owned(),
        profile: profile.name.clone(),
        profile_digest: Some(rules),
        ..Identity::default()
    };
    let holes = tape.gaps.iter().map(|at| Missing {
        lane: Some(Lane::Main),
        line: Some(*at as u64),
        why: "dropped".to_owned(),
        ..Missing::default()
    });
    let fields = ManifestFields {
        holes: holes.collect(),
        ..ManifestFields::default()
    };
    writer.finish(identity, fields).ok().map(drop)
}

/// Which execution of its height begins here.
fn attempt(tape: &Tape, at: usize) -> u32 {
    let own = tape.lines[at].height;
    let before = tape.lines[..at].iter();
    1 + before
        .filter(|line| line.begins && line.height == own)
        .count() as u32
}

/// Agoric's `flight-recorder.bin`, whose numbers are big-endian: of lines that do not fit
/// the oldest go.
#[expect(clippy::big_endian_bytes, reason = "Agoric's format")]
fn agoric_ring(tape: &mut Tape, share: u64, path: &Path) {
    let size: usize = tape.lines.iter().map(|line| line.text.len() + 9).sum();
    let arena = (size * share as usize / 100).max(4000);
    let (mut bytes, mut start, mut end, mut used) = (vec![0; arena], 0, 0, 0);
    let mut lengths = std::collections::VecDeque::new();
    for line in &tape.lines {
        let length = (line.text.len() as u64 + 1).to_be_bytes();
        let record = [&length, b"\n".as_slice(), &line.text].concat();
        if record.len() >= arena {
            continue;
        }
        while used + record.len() >= arena {
            let oldest: usize = lengths.pop_front().unwrap_or_default();
            start = (start + oldest) % arena;
            used -= oldest;
        }
        for byte in &record {
            bytes[end] = *byte;
            end = (end + 1) % arena;
        }
        used += record.len();
        lengths.push_back(record.len());
    }
    let gone = tape.lines.len() - lengths.len();
    tape.remove(0, gone);
    let head = [arena, start, end].map(|number| (number as u64).to_be_bytes());
    fs::write(
        path,
        [b"AG-SLOG!".as_slice(), &head.concat(), &bytes].concat(),
    )
    .ok();
}

/// A file for each block, from its beginning on: what stands between two of them goes
/// into the one before, as the sender writes it.
fn block_files(tape: &Tape, path: &Path) -> Option<()> {
    fs::create_dir_all(path).ok()?;
    let mut parts: Vec<&[Line]> = Vec::new();
    let begins = tape
        .lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.begins);
    let mut starts: Vec<usize> = begins.map(|(at, _)| at).collect();
    starts.push(tape.lines.len());
    for pair in starts.windows(2) {
        parts.push(&tape.lines[pair[0]..pair[1]]);
    }
    for (number, part) in parts.iter().enumerate() {
        let name = format!(
            "slogfile_block_{}_{}.gz",
            part.first()?.height,
            1_795_000_000_000 + number
        );
        let texts: Vec<&[u8]> = part.iter().map(|line| line.text.as_slice()).collect();
        gzip(
            &path.join(name),
            &[texts.join(&b'\n'), b"\n".to_vec()].concat(),
        )?;
    }
    (!parts.is_empty()).then_some(())
}

fn ring(tape: &Tape, profile: &Profile, path: &Path) -> Option<()> {
    let config = Config {
        ring: RingOptions {
            size: 4 << 20,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(profile.clone()),
        node_lane: Lane::Local,
        own_start: false,
        populate: false,
    };
    let mut recorder = Recorder::open(path, config).ok()?.recorder;
    for line in &tape.lines {
        recorder.record(Stream::Slog, Given::line(&line.text));
    }
    recorder.close();
    Some(())
}

fn print(tape: &Tape, profile: &Profile, path: &Path) -> Option<()> {
    let slog = path.with_extension("slog");
    fs::write(&slog, tape.bytes()).ok()?;
    let source = haltbox_reader::open(&slog).ok()?;
    let made = fingerprint::make(&Recording::new(slog, source, profile.clone())).ok()?;
    fs::write(path, made.bytes).ok()
}
