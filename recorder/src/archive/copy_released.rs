//! One pass over the ring: writes the blocks released since the last part into
//! a new part.

use std::fs::File;

use haltbox_format::blackbox::{BoxWriter, HostFingerprint, Identity, Manifest, Options};
use haltbox_format::mark::{Position, State};
use haltbox_format::ring::RingView;
use haltbox_format::{ArchiveName, Lane, RingId};
use haltbox_model::Profile;
use haltbox_model::history::History;
use haltbox_model::lifecycle::Block;

use super::{Archive, ArchiveError, at, open_file};
use crate::blackbox::FileStem;
use crate::clock;
use crate::freeze::ring_copy::{self, CopyError, Reading, Scope};

/// What a pass reads.
pub(super) struct Pass<'a> {
    pub(super) ring: &'a File,
    pub(super) profile: &'a Profile,
    pub(super) host: &'a HostFingerprint,
}

impl Archive {
    /// Archives what the ring released since the last pass.
    ///
    /// `done` is the ring and the position up to which it is archived, if the
    /// caller knows. Returns the same for the state after this pass.
    pub(super) fn pass(
        &self,
        pass: &Pass<'_>,
        done: Option<(RingId, Position)>,
    ) -> Result<Option<(RingId, Position)>, ArchiveError> {
        let view = RingView::read(pass.ring).map_err(ArchiveError::Ring)?;
        let Some(ring) = view.superblock.map(|superblock| RingId(superblock.uuid)) else {
            return Ok(done);
        };
        let history =
            History::read(pass.ring, &view).map_err(|error| ArchiveError::Ring(error.into()))?;
        let known = done.filter(|(of, _)| *of == ring);
        let from = match known {
            Some((_, from)) => from,
            None => self.reached(ring)?.unwrap_or_else(|| oldest(&view)),
        };
        let Some(until) = released(history.life.blocks()).filter(|until| until.main > from.main)
        else {
            return Ok(Some((ring, from)));
        };
        let reading = Reading {
            file: pass.ring,
            view: &view,
            history: &history,
            profile: pass.profile,
        };
        let written = self.write_part(reading, Scope::Span(from, until), pass.host)?;
        Ok(Some((ring, if written { until } else { from })))
    }

    /// Position up to which a ring is archived. All files count: after the clock went back,
    /// the newest name is not that of the newest records.
    fn reached(&self, ring: RingId) -> Result<Option<Position>, ArchiveError> {
        let mut reached: Option<Position> = None;
        for file in self.files()? {
            // Skip a damaged file. The pass archives its blocks again if the
            // ring still has them.
            let Ok(manifest) = Manifest::read(&open_file(&file.path)?) else {
                continue;
            };
            let covered = manifest.coverage;
            let Some(main) = covered.main.filter(|_| covered.ring == Some(ring)) else {
                continue;
            };
            let local = covered.local.map_or(0, |span| span.to + 1);
            let behind = reached.unwrap_or_default();
            reached = Some(Position {
                main: behind.main.max(main.to + 1),
                local: behind.local.max(local),
            });
        }
        Ok(reached)
    }

    /// Returns false and writes nothing if no block of the span is left in the
    /// ring. The next part then lists the hole.
    fn write_part(
        &self,
        ring: Reading<'_>,
        span: Scope,
        host: &HostFingerprint,
    ) -> Result<bool, ArchiveError> {
        let failed = |error| at("write a part in", &self.path, error);
        let file = self.folder.temporary().map_err(failed)?;
        let created = clock::rfc3339(clock::now_ms());
        let identity = identity(ring.profile, &created);
        let options = Options {
            draft: identity.clone(),
            frame_per_block: true,
            ..Options::default()
        };
        let out = file.file().try_clone().map_err(failed)?;
        let writer = BoxWriter::new(out, &options).map_err(ArchiveError::Write)?;
        let copied = ring_copy::copy(ring, span, None, host.clone(), writer);
        let copied = copied.map_err(|error| match error {
            CopyError::Box(error) => ArchiveError::Write(error),
            CopyError::Ring(error) => ArchiveError::Ring(error.into()),
        })?;
        let covered = &copied.fields.coverage;
        let Some(heights) = covered.first_height.zip(covered.last_height) else {
            return Ok(false);
        };
        let newest = self.files()?.pop();
        let name = ArchiveName::part(&created, heights).map(|name| match &newest {
            Some(newest) => name.behind(&newest.name),
            None => name,
        });
        let name = name.and_then(|name| FileStem::new(&name.to_string()));
        let name = name.ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
        let identity = Identity {
            name: name.to_string(),
            ..identity
        };
        let finished = copied.writer.finish(identity, copied.fields);
        finished.map_err(ArchiveError::Write)?;
        file.publish_next(&name).map_err(failed)?;
        Ok(true)
    }
}

/// Identity of an archive file, which is about no single block.
pub(super) fn identity(profile: &Profile, created: &str) -> Identity {
    Identity {
        reason: "archive: blocks that the network agreed with".to_owned(),
        profile: profile.name.clone(),
        profile_digest: profile
            .slog
            .as_ref()
            .map(|slog| slog.canonical().name_digest()),
        created: created.to_owned(),
        ..Identity::default()
    }
}

fn oldest(view: &RingView) -> Position {
    let first = |lane| view.lane(lane).first_counter().unwrap_or(0);
    Position {
        main: first(Lane::Main),
        local: first(Lane::Local),
    }
}

/// End of the last block that the network agreed with.
///
/// Blocks behind it may still be needed for a box, so they stay out of the
/// archive. Pinned blocks before it are copied too, in their place.
pub(super) fn released(blocks: &[Block]) -> Option<Position> {
    let agreed = blocks.iter().filter(|b| b.state == State::Confirmed);
    let last = agreed.max_by_key(|block| block.from.main)?;
    // A block that owns nothing cuts no other: its beginning may be lost, and the place where
    // it was proved to differ is no beginning.
    let owns = |b: &&Block| b.until.is_none_or(|until| until.main > b.from.main);
    let behind = blocks.iter().filter(|b| b.from.main > last.from.main);
    let behind = behind.filter(owns);
    let next = behind.map(|block| block.from).min_by_key(|from| from.main);
    next.or(last.until)
}
