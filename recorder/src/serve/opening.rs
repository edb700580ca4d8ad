//! What has to be there before the loop begins.

use haltbox_format::ShowPath;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use haltbox_format::Stream;

use super::Options;
use crate::intake::Source;
use crate::operator::message::say;
use crate::recorder::Opened;

pub(super) fn make_folder(path: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| format!("cannot make the folder {}: {error}", path.shown()))
}

/// Replaced as a whole: a kill must not leave half a profile. Recording does
/// not depend on it.
pub(super) fn keep_profile(path: &Path, text: &[u8]) {
    let temporary = path.with_extension("new");
    let kept = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = kept {
        say(&format!(
            "no copy of the profile at {}: {error}",
            path.shown()
        ));
    }
}

pub(super) fn open_sources(options: &Options, opened: &Opened) -> Result<Vec<Source>, String> {
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
            Source::open(stream, place, resume)
        })
        .collect()
}
