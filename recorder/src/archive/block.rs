//! Takes one block out of the archive and writes it as a box.

use std::path::{Path, PathBuf};

use haltbox_format::blackbox::{
    BlockEntry, BoxJoiner, Coverage, Identity, Manifest, ManifestFields, Tag,
};
use haltbox_format::mark::{Attempt, State};
use haltbox_model::Inputs;
use haltbox_model::lifecycle::Finding;

use super::{ArchiveError, at, files_in, open_file};
use crate::clock;
use crate::freeze::{FreezeError, Frozen, Reach, folder_of, publish};
use crate::recorder_dir::RecorderDir;

/// A block that the archive has.
#[derive(Clone, Debug)]
pub struct ArchivedBlock {
    path: PathBuf,
    manifest: Manifest,
    entry: BlockEntry,
}

impl ArchivedBlock {
    /// Finds the newest attempt at a height in the archive beside a ring.
    ///
    /// Within a file, an attempt with a HASH comes before one without. Returns
    /// `None` if no file has the height. Skips damaged files: `haltbox verify`
    /// reports those.
    ///
    /// # Errors
    /// The archive's folder cannot be listed, or one of its files cannot be
    /// opened.
    pub fn find(dir: &Path, height: u64) -> Result<Option<ArchivedBlock>, ArchiveError> {
        let folder = RecorderDir::at(dir).archive();
        let files = files_in(&folder).map_err(|error| at("list", &folder, error))?;
        let may_hold =
            |name: &haltbox_format::ArchiveName| (name.first..=name.last).contains(&height);
        for file in files.into_iter().rev().filter(|file| may_hold(&file.name)) {
            let Ok(manifest) = Manifest::read(&open_file(&file.path)?) else {
                continue;
            };
            let attempts = manifest.blocks.iter().enumerate();
            let of_height = attempts.filter(|(_, block)| block.height == height);
            let best = of_height.max_by_key(|(index, block)| (block.hash.is_some(), *index));
            if let Some((_, entry)) = best {
                let entry = entry.clone();
                return Ok(Some(ArchivedBlock {
                    path: file.path,
                    manifest,
                    entry,
                }));
            }
        }
        Ok(None)
    }

    /// The height and the attempt.
    pub fn of(&self) -> Attempt {
        Attempt {
            height: self.entry.height,
            attempt: self.entry.attempt,
        }
    }

    /// Writes the block as a box into the folder `boxes`.
    ///
    /// # Errors
    /// The archive's file cannot be read, or the box cannot be written.
    pub fn freeze(&self, boxes: &Path, reason: &str) -> Result<Frozen, FreezeError> {
        let cannot = |error: ArchiveError| FreezeError::Archive(error.to_string());
        let source = open_file(&self.path).map_err(cannot)?;
        let folder = folder_of(boxes)?;
        let failed = |error| FreezeError::of_io("write a box in", boxes, error);
        let file = folder.temporary().map_err(failed)?;
        let out = file.file().try_clone().map_err(failed)?;
        let identity = self.identity(reason);
        let mut joiner = BoxJoiner::new(out, identity.clone())
            .map_err(|error| FreezeError::of_box(boxes, error))?;
        // Lines of the node's log carry no height. If the block has no slog
        // lines, the log is all there is, so the box gets all of it.
        let sides: &[Tag] = if self.entry.bytes == 0 {
            &[Tag::Node]
        } else {
            &[]
        };
        let added = joiner.add_block(&source, &self.manifest, &self.entry, sides);
        added.map_err(|error| {
            cannot(ArchiveError::Join {
                path: self.path.clone(),
                error,
            })
        })?;
        let summary = joiner
            .finish(identity.clone(), self.fields())
            .map_err(|error| FreezeError::of_box(boxes, error))?;
        let (path, existed) = publish(file, &folder, boxes, &identity)?;
        Ok(Frozen {
            of: self.of(),
            path,
            bytes: summary.bytes,
            existed,
            reach: Reach::Archived,
            reason: reason.to_owned(),
            app_hash: self.entry.app_hash,
            network: self.entry.network_app_hash,
            state: self.entry.state.unwrap_or(State::Confirmed),
            finding: Finding::of(self.entry.state.unwrap_or(State::Confirmed), false),
            inputs: Inputs::default(),
            unanswered: None,
        })
    }

    fn identity(&self, reason: &str) -> Identity {
        let of = &self.manifest.identity;
        let unnamed = format!("{}-incomplete", self.entry.height);
        Identity {
            name: self.entry.name.clone().unwrap_or(unnamed),
            height: Some(self.entry.height),
            attempt: Some(self.entry.attempt),
            reason: reason.to_owned(),
            state: self.entry.state,
            app_hash: self.entry.app_hash,
            network_app_hash: self.entry.network_app_hash,
            profile: of.profile.clone(),
            profile_digest: of.profile_digest,
            evidence: Some(self.entry.lines),
            created: clock::rfc3339(clock::now_ms()),
            origin: Some(self.origin()),
            ..Identity::default()
        }
    }

    fn origin(&self) -> String {
        format!(
            "height {} of the archive file {}",
            self.entry.height, self.manifest.identity.name
        )
    }

    /// A manifest without record numbers: the archive's file does not say which
    /// of its records were this block's.
    fn fields(&self) -> ManifestFields {
        ManifestFields {
            coverage: Coverage {
                ring: self.manifest.coverage.ring,
                first_height: Some(self.entry.height),
                last_height: Some(self.entry.height),
                ..Coverage::default()
            },
            losses: Vec::new(),
            holes: Vec::new(),
            host: self.manifest.host.clone(),
            origin: Some(self.origin()),
        }
    }
}
