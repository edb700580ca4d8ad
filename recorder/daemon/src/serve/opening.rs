//! What is prepared before the loop begins.

use haltbox_model::{Outside, ShowPath};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use haltbox_format::mark::{Attempt, SourceMark};
use haltbox_format::{Lane, Stream};
use haltbox_model::lifecycle::Lifecycle;

use super::Options;
use crate::console::say;
use crate::intake::{OpenError, Source};
use crate::sources::journald::{SCHEME, shown_path};
use haltbox_recorder::host::program::Program;
use haltbox_recorder::owner_only;
use haltbox_recorder::recorder::{Config, Opened};
use haltbox_recorder::ring::file::RingOptions;

/// Copies the profile beside the ring, as a whole, so that a kill leaves no
/// half file. Recording goes on if that fails.
pub(super) fn keep_profile(path: &Path, text: &[u8]) {
    if let Err(error) = owner_only::replace(path, text) {
        say(&format!(
            "cannot save a copy of the profile at {}: {error}",
            path.shown()
        ));
    }
}

/// The recorder's settings for these options.
pub(super) fn config_of(options: &Options) -> Config {
    Config {
        ring: RingOptions {
            size: options.size,
            in_host: false,
            engine: None,
        },
        profile: Arc::new(options.profile.clone()),
        own_start: false,
        node_lane: match options.slog {
            Some(_) => Lane::Local,
            None => Lane::Main,
        },
        populate: true,
    }
}

/// Notes the path of the node's executable, for a guard that is not told it.
pub(super) fn note_program(options: &Options) {
    let program = options.node_program.as_deref();
    let program = program.and_then(|path| std::path::absolute(path).ok());
    let program = program.as_deref().and_then(Program::now);
    Program::note(program.as_ref(), &options.dir);
}

pub(super) fn open_sources(options: &Options, opened: &Opened) -> Result<Vec<Source>, OpenError> {
    let places = [
        (Stream::Slog, &options.slog),
        (Stream::Node, &options.node_log),
    ];
    let given = places
        .into_iter()
        .filter_map(|(stream, place)| Some((stream, place.as_ref()?)));
    given
        .map(|(stream, place)| {
            let resume = opened.sources.iter().find(|mark| mark.stream == stream);
            Source::open(stream, place, resume, opened.until_ms)
        })
        .collect()
}

/// Says what is followed, and from which place.
pub(crate) fn followed(mark: &SourceMark) -> String {
    let stream = match mark.stream {
        Stream::Slog => "slog",
        Stream::Node => "node log",
    };
    let path = shown_path(&mark.path);
    if let Some(name) = &mark.file {
        let name = Outside::text(name);
        let from = match mark.offset {
            0 => format!("from the beginning of {name}"),
            offset => format!("from byte {offset} of {name} on"),
        };
        return format!("follows the {stream} {path}, a file for each block, {from}");
    }
    let from = match (mark.inode, mark.offset) {
        _ if fs::metadata(path).is_ok_and(|found| found.is_dir()) => {
            "a file for each block, none of which exists yet".to_owned()
        }
        _ if mark.path.starts_with(SCHEME) => "from the journal".to_owned(),
        _ if fs::metadata(path).is_ok_and(|found| !found.is_file()) || path == "-" => {
            "as it comes".to_owned()
        }
        (0, _) => "which does not exist yet".to_owned(),
        (_, 0) => "from its beginning".to_owned(),
        (_, offset) => format!("from byte {offset} on"),
    };
    format!("follows the {stream} {path}, {from}")
}

/// The first block of this session. It shows the operator that the sources are
/// right.
#[derive(Default)]
pub(super) struct FirstBlock {
    known: Option<Attempt>,
    told: bool,
}

impl FirstBlock {
    /// Notes the newest block of the last session.
    pub(super) fn known(&mut self, life: &Lifecycle) {
        self.known = newest(life);
    }

    /// The height of the first new block, once.
    pub(super) fn seen(&mut self, life: &Lifecycle) -> Option<u64> {
        let newest = newest(life).filter(|of| !self.told && Some(*of) != self.known)?;
        self.told = true;
        Some(newest.height)
    }
}

fn newest(life: &Lifecycle) -> Option<Attempt> {
    life.blocks().last().map(|block| block.of)
}
