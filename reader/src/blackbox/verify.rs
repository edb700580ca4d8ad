//! Verifies every byte of a box.

use std::fmt;
use std::io;
use std::ops::Range;

use haltbox_format::blackbox::{
    CrankIndex, FrameEntry, FrameKind, IDENTITY_LEN, IdentityError, SeekEntry, SeekTableError, Tag,
};

use super::damage::Damage;
use super::extent::{Extent, ExtentKind};
use super::inflate::Inflate;
use super::{BlackBox, overlap, verify_frame};

/// A problem, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Number of the frame in the file, from 0, if the problem is in one.
    pub frame: Option<usize>,
    /// What the frame holds or held, if known.
    pub kind: Option<FrameKind>,
    /// The affected range of the file.
    pub bytes: Range<u64>,
    /// The affected lines of the stream, if known.
    pub lines: Option<Range<u64>>,
    /// The affected heights, if known.
    pub heights: Option<HeightSpan>,
    /// What is wrong.
    pub problem: Problem,
}

/// The lowest and the highest affected height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeightSpan {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The identity page is damaged; the manifest has a copy.
    Identity(IdentityError),
    /// Writing did not finish: the box does not say that it is complete.
    Incomplete,
    /// The seek table is missing or unsound.
    SeekTable(SeekTableError),
    /// There is no sound manifest, so coverage, losses and blocks are unknown.
    NoManifest,
    /// Bytes that yield nothing.
    Damaged(Damage),
    /// A frame of another program, or of a later version.
    Foreign,
    /// A frame that the manifest does not list.
    Unlisted,
    /// The manifest lists a frame that is not there.
    Absent,
    /// Manifest and content disagree about the number of lines.
    Lines {
        /// Lines in the manifest.
        expected: u64,
        /// Lines found.
        found: u64,
    },
    /// Seek table and frame disagree.
    SeekEntry,
    /// The crank index ends with bytes that are not an entry.
    CrankIndex,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Identity(e) => write!(f, "{e}"),
            Problem::Incomplete => write!(f, "the box is incomplete: its writer did not finish"),
            Problem::SeekTable(e) => write!(f, "{e}"),
            Problem::NoManifest => {
                write!(
                    f,
                    "no valid manifest: coverage and losses of the box are unknown"
                )
            }
            Problem::Damaged(why) => write!(f, "{why}"),
            Problem::Foreign => write!(
                f,
                "unknown frame type, written by another program or a later version"
            ),
            Problem::Unlisted => write!(f, "the manifest does not list this frame"),
            Problem::Absent => write!(f, "the manifest lists a frame here, but there is none"),
            Problem::Lines { expected, found } => {
                write!(f, "expected {expected} lines, found {found}")
            }
            Problem::SeekEntry => write!(f, "the seek table's entry does not match this frame"),
            Problem::CrankIndex => write!(
                f,
                "the crank index ends with bytes that are not an index entry"
            ),
        }
    }
}

impl BlackBox {
    /// Reads the whole file and lists every problem, in file order where it has an offset. An
    /// empty list means that the box is intact. The only error is that there is no memory for a
    /// decompressor.
    pub fn verify(&self) -> io::Result<Vec<Finding>> {
        let mut inflate = Inflate::new()?;
        let mut findings = self.verify_identity();
        let seek = self.seek_entries();
        for (number, extent) in self.contents.extents.iter().enumerate() {
            let listed = seek.binary_search_by_key(&extent.at, |(at, _)| *at).ok();
            let listed = listed.and_then(|i| seek.get(i)).map(|(_, entry)| entry);
            let problems = self.verify_extent(extent, listed, &mut inflate);
            findings.extend(
                problems
                    .into_iter()
                    .map(|p| self.finding(number, extent, p)),
            );
        }
        findings.extend(self.verify_manifest());
        let end = self.file_len()..self.file_len();
        if let Err(e) = &self.seek {
            findings.push(Finding::at(end, Problem::SeekTable(*e)));
        }
        Ok(findings)
    }

    fn verify_identity(&self) -> Vec<Finding> {
        let page = 0..self.file_len().min(IDENTITY_LEN as u64);
        let problem = match &self.identity {
            Err(e) => Some(Problem::Identity(e.clone())),
            Ok(identity) => (!identity.complete).then_some(Problem::Incomplete),
        };
        problem
            .into_iter()
            .map(|p| Finding::at(page.clone(), p))
            .collect()
    }

    fn verify_manifest(&self) -> Vec<Finding> {
        let Some(manifest) = &self.contents.manifest else {
            return vec![Finding::at(0..self.file_len(), Problem::NoManifest)];
        };
        let absent = |entry: &&FrameEntry| !self.stands(entry);
        manifest
            .frames
            .iter()
            .filter(absent)
            .map(Finding::absent)
            .collect()
    }

    fn stands(&self, entry: &FrameEntry) -> bool {
        let found = self
            .contents
            .extents
            .binary_search_by_key(&entry.offset, |extent| extent.at);
        found.is_ok()
    }

    fn verify_extent(
        &self,
        extent: &Extent,
        listed: Option<&SeekEntry>,
        inflate: &mut Inflate,
    ) -> Vec<Problem> {
        match extent.kind {
            ExtentKind::Damaged(why) => vec![Problem::Damaged(why)],
            ExtentKind::SeekTable => Vec::new(),
            // `verify_identity` has reported its error.
            ExtentKind::Tagged(Tag::Identity) if extent.at == 0 => Vec::new(),
            ExtentKind::Foreign => vec![Problem::Foreign],
            _ => match self.verify_frame(extent, listed, inflate) {
                Ok(problems) => problems,
                Err(why) => vec![Problem::Damaged(why)],
            },
        }
    }

    fn verify_frame(
        &self,
        extent: &Extent,
        listed: Option<&SeekEntry>,
        inflate: &mut Inflate,
    ) -> Result<Vec<Problem>, Damage> {
        verify_frame::prove_listed(&self.contents.source, extent)?;
        let mut problems = Vec::new();
        let content = match extent.kind {
            ExtentKind::Tagged(tag) => {
                verify_frame::prove_tagged(&self.contents.source, extent)?;
                problems.extend(self.verify_body(tag, extent, inflate)?);
                0
            }
            _ => {
                let content =
                    verify_frame::decompress(&self.contents.source, extent, inflate, u64::MAX)?;
                problems.extend(line_count(extent, content.lines));
                content.bytes
            }
        };
        problems.extend(self.unlisted(extent));
        problems.extend(self.seek_problem(extent, content, listed));
        Ok(problems)
    }

    /// Verifies the contents of a frame whose digest is right.
    fn verify_body(
        &self,
        tag: Tag,
        extent: &Extent,
        inflate: &mut Inflate,
    ) -> Result<Option<Problem>, Damage> {
        match tag {
            Tag::Identity | Tag::Manifest => Ok(None),
            Tag::Cranks => Ok(self.crank_problem()),
            Tag::Marks => {
                verify_frame::decompress(&self.contents.source, extent, inflate, u64::MAX)
                    .map(|_| None)
            }
            Tag::Node | Tag::Context | Tag::Evidence => {
                let content =
                    verify_frame::decompress(&self.contents.source, extent, inflate, u64::MAX)?;
                Ok(line_count(extent, content.lines))
            }
        }
    }

    fn crank_problem(&self) -> Option<Problem> {
        let body = self.tagged_body(Tag::Cranks).unwrap_or_default();
        let mut index = CrankIndex::new(&body);
        index.by_ref().for_each(drop);
        (!index.rest().is_empty()).then_some(Problem::CrankIndex)
    }

    fn unlisted(&self, extent: &Extent) -> Option<Problem> {
        let indexed = extent.kind != ExtentKind::Tagged(Tag::Manifest);
        let unlisted = self.contents.manifest.is_some() && extent.claim.is_none() && indexed;
        unlisted.then_some(Problem::Unlisted)
    }

    fn seek_problem(
        &self,
        extent: &Extent,
        content: u64,
        listed: Option<&SeekEntry>,
    ) -> Option<Problem> {
        self.seek.as_ref().ok()?;
        let slog = extent.kind == ExtentKind::Slog;
        let tail = extent
            .end()
            .checked_sub(4)
            .and_then(|at| self.contents.source.bytes(at, 4).ok());
        let tail = tail.and_then(|tail| super::extent::magic(&tail));
        let right = listed.is_some_and(|entry| {
            u64::from(entry.compressed) == extent.len
                && u64::from(entry.decompressed) == content
                && (!slog || entry.checksum.is_none() || entry.checksum == tail)
        });
        (!right).then_some(Problem::SeekEntry)
    }

    /// The seek table's entries with their offsets in the file.
    fn seek_entries(&self) -> Vec<(u64, SeekEntry)> {
        let mut at = 0;
        let entries = self.seek.iter().flat_map(|table| &table.entries);
        let place = |entry: &SeekEntry| {
            let start = at;
            at += u64::from(entry.compressed);
            (start, *entry)
        };
        entries.map(place).collect()
    }

    fn finding(&self, number: usize, extent: &Extent, problem: Problem) -> Finding {
        let entry = extent.claim.as_ref().map(|claim| &claim.entry);
        Finding {
            frame: Some(number),
            kind: extent.frame_kind(),
            bytes: extent.range(),
            lines: entry.map(|e| e.first_line..e.first_line.saturating_add(e.lines)),
            heights: self.heights(extent),
            problem,
        }
    }

    fn heights(&self, extent: &Extent) -> Option<HeightSpan> {
        let content = &extent.claim.as_ref()?.content;
        let blocks = &self.contents.manifest.as_ref()?.blocks;
        let mut heights = blocks.iter().filter_map(|block| {
            let lines = block.offset..block.offset.saturating_add(block.bytes);
            overlap(&lines, content).then_some(block.height)
        });
        let first = heights.next()?;
        let one = HeightSpan { first, last: first };
        Some(heights.fold(one, |span, height| HeightSpan {
            first: span.first.min(height),
            last: span.last.max(height),
        }))
    }
}

impl Finding {
    fn at(bytes: Range<u64>, problem: Problem) -> Finding {
        Finding {
            frame: None,
            kind: None,
            bytes,
            lines: None,
            heights: None,
            problem,
        }
    }

    fn absent(entry: &FrameEntry) -> Finding {
        let bytes = entry.offset..entry.offset.saturating_add(entry.compressed);
        let lines = Some(entry.first_line..entry.first_line.saturating_add(entry.lines));
        Finding {
            kind: entry.kind,
            lines,
            ..Finding::at(bytes, Problem::Absent)
        }
    }
}

fn line_count(extent: &Extent, found: u64) -> Option<Problem> {
    let expected = extent.claim.as_ref()?.entry.lines;
    (expected != found).then_some(Problem::Lines { expected, found })
}
