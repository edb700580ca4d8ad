//! Joins the parts of an hour that is over into one file.

use std::fs::File;
use std::path::PathBuf;

use haltbox_format::blackbox::{BoxJoiner, Coverage, Identity, Manifest, ManifestFields, Span};
use haltbox_format::{ArchiveName, RingId};

use super::{Archive, ArchiveError, ArchiveFile, at, open_file, remove};
use crate::blackbox::FileStem;
use crate::clock;

/// An archive file and its index.
struct Indexed {
    name: ArchiveName,
    path: PathBuf,
    file: File,
    manifest: Manifest,
}

impl Indexed {
    fn open(file: ArchiveFile) -> Result<Indexed, ArchiveError> {
        let open = open_file(&file.path)?;
        let manifest = Manifest::read(&open).map_err(|error| ArchiveError::File {
            path: file.path.clone(),
            error,
        })?;
        Ok(Indexed {
            name: file.name,
            path: file.path,
            file: open,
            manifest,
        })
    }

    fn ring(&self) -> Option<RingId> {
        self.manifest.coverage.ring
    }

    fn span(&self) -> Span {
        self.manifest.coverage.main.unwrap_or_default()
    }

    /// Whether this file covers all records of the other one.
    ///
    /// Then both hold the same records: the recorder was killed after it
    /// published the joined file and before it removed the parts.
    fn covers(&self, other: &Indexed) -> bool {
        let (mine, theirs) = (self.span(), other.span());
        self.ring() == other.ring() && mine.from <= theirs.from && theirs.to <= mine.to
    }
}

impl Archive {
    /// Joins the parts of every hour before `now`, an hour as in
    /// [`ArchiveName::hour`].
    ///
    /// Returns the errors of the hours that stay in parts.
    pub(super) fn join_hours(&self, now: &str) -> Result<Vec<ArchiveError>, ArchiveError> {
        let files = self.files()?;
        let mut hours: Vec<&str> = files
            .iter()
            .filter(|file| file.name.part.is_some() && file.name.hour.as_str() < now)
            .map(|file| file.name.hour.as_str())
            .collect();
        hours.dedup();
        let mut trouble = Vec::new();
        for hour in hours {
            let of_hour = files.iter().filter(|file| file.name.hour == hour);
            if let Err(error) = self.join_hour(hour, of_hour.cloned().collect()) {
                trouble.push(error);
            }
        }
        Ok(trouble)
    }

    fn join_hour(&self, hour: &str, files: Vec<ArchiveFile>) -> Result<(), ArchiveError> {
        let opened: Result<Vec<Indexed>, ArchiveError> =
            files.into_iter().map(Indexed::open).collect();
        let mut rest = opened?;
        rest.sort_by_key(|file| (file.span().from, file.name.part.is_some()));
        while !rest.is_empty() {
            let ring = rest.first().and_then(Indexed::ring);
            let (of_ring, others) = rest.into_iter().partition(|file| file.ring() == ring);
            rest = others;
            self.join_ring(hour, of_ring)?;
        }
        Ok(())
    }

    /// Joins files of one ring, in the order of its records.
    fn join_ring(&self, hour: &str, files: Vec<Indexed>) -> Result<(), ArchiveError> {
        let mut parts: Vec<Indexed> = Vec::new();
        for file in files {
            if parts.last().is_some_and(|last| last.covers(&file)) {
                remove(&file.path)?;
            } else {
                parts.push(file);
            }
        }
        while !parts.is_empty() {
            let joined = self.join(hour, &parts)?;
            let rest = parts.split_off(joined.max(1));
            for part in parts.iter().filter(|part| part.name.part.is_some()) {
                remove(&part.path)?;
            }
            parts = rest;
        }
        Ok(())
    }

    /// Joins the first parts, as many as one index can hold, and returns how
    /// many. A file that is already an hour counts as one and stays.
    fn join(&self, hour: &str, parts: &[Indexed]) -> Result<usize, ArchiveError> {
        let [first, ..] = parts else { return Ok(0) };
        if first.name.part.is_none() {
            return Ok(1);
        }
        let failed = |error| at("join parts in", &self.path, error);
        let file = self.folder.temporary().map_err(failed)?;
        let out = file.file().try_clone().map_err(failed)?;
        let draft = Identity {
            created: clock::rfc3339(clock::now_ms()),
            ..first.manifest.identity.clone()
        };
        let mut joiner = BoxJoiner::new(out, draft.clone()).map_err(ArchiveError::Write)?;
        let mut fields = ManifestFields::default();
        let mut count = 0;
        for part in parts {
            // Another version of the profile names blocks by other rules, and a
            // file states one version.
            let alike = part.manifest.identity.profile_digest == draft.profile_digest;
            let room = joiner.has_room_for(&part.manifest);
            let fits = alike && room && part.name.part.is_some();
            if count > 0 && !fits {
                break;
            }
            let added = joiner.add(&part.file, &part.manifest);
            added.map_err(|error| ArchiveError::Join {
                path: part.path.clone(),
                error,
            })?;
            add_fields(&mut fields, &part.manifest);
            count += 1;
        }
        let covered = &fields.coverage;
        let heights = covered.first_height.zip(covered.last_height);
        let name = ArchiveName::hour(hour, heights.unwrap_or_default()).to_string();
        let name =
            FileStem::new(&name).ok_or_else(|| failed(std::io::ErrorKind::InvalidInput.into()))?;
        let identity = Identity {
            name: name.to_string(),
            ..draft
        };
        joiner
            .finish(identity, fields)
            .map_err(ArchiveError::Write)?;
        file.publish_next(&name).map_err(failed)?;
        Ok(count)
    }
}

/// Adds a part's coverage, losses and holes to those of the joined file.
fn add_fields(fields: &mut ManifestFields, part: &Manifest) {
    let covered = &mut fields.coverage;
    let other = &part.coverage;
    *covered = Coverage {
        ring: other.ring,
        main: hull(covered.main, other.main),
        local: hull(covered.local, other.local),
        first_height: least(covered.first_height, other.first_height),
        last_height: covered.last_height.max(other.last_height),
    };
    fields.losses.extend(part.losses.iter().cloned());
    fields.holes.extend(part.holes.iter().cloned());
    fields.host = part.host.clone();
}

fn hull(a: Option<Span>, b: Option<Span>) -> Option<Span> {
    let (Some(one), Some(other)) = (a, b) else {
        return a.or(b);
    };
    Some(Span {
        from: one.from.min(other.from),
        to: one.to.max(other.to),
    })
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
