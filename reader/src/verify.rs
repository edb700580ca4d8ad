//! Searches a source for damage, and says where it is.

use std::io;
use std::path::Path;

use haltbox_format::blackbox::{BlockEntry, Manifest};
use haltbox_format::ring::{self as ring_format, Hole as RecordHole, HoleKind, SlotState};
use haltbox_format::{BoxName, Lane};
use haltbox_model::{Profile, SlogRules};
use serde::Serialize;

use crate::blackbox::BlackBox;
use crate::compare::reads;
use crate::compare::recording::Recording;
use crate::count::counted;
use crate::fingerprint::Fingerprint;
use crate::source::{Hole, Item, RingSource, Source};
use crate::source_summary::SourceSummary;

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it is, in words.
    pub place: String,
    /// What it is, in words.
    pub what: String,
    /// It is damage: what was there cannot be read.
    pub damage: bool,
    /// Something was never recorded: dropped, or lost before it reached the recorder. A finding
    /// that is neither damage nor lost is a note.
    pub lost: bool,
    /// There was nothing to check.
    #[serde(skip)]
    pub nothing: bool,
}

/// The result of checking the reads of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReadsFound {
    /// Number of reads whose value was known.
    pub checked: u64,
    /// Number of these reads that returned another value.
    pub differ: u64,
    /// Number of reads of keys without an earlier record.
    pub unknown: u64,
    /// Number of reads that cannot be judged: earlier writes may have been discarded.
    pub untold: u64,
    /// How often all known values were dropped, because one block wrote too much.
    pub forgotten: u64,
    /// Where reads differ, and how many were checked.
    #[serde(skip)]
    pub findings: Vec<Finding>,
}

impl Finding {
    fn damage(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            what: what.into(),
            damage: true,
            lost: false,
            nothing: false,
        }
    }

    fn loss(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            what: what.into(),
            damage: false,
            lost: true,
            nothing: false,
        }
    }

    fn of_hole(hole: Hole) -> Option<Finding> {
        match (hole.damage, hole.lost) {
            (true, _) => Some(Finding::damage("content", hole.text)),
            (_, true) => Some(Finding::loss("content", hole.text)),
            (false, false) => None,
        }
    }

    fn note(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            what: what.into(),
            damage: false,
            lost: false,
            nothing: false,
        }
    }
}

/// Checks everything in a source that can be checked.
///
/// # Errors
/// An error from reading.
pub fn verify(path: &Path, source: &Source, profile: &Profile) -> io::Result<Vec<Finding>> {
    match source {
        Source::Ring(ring) => Ok(verify_ring(ring)),
        Source::BlackBox(bx) => verify_box(path, source, bx, profile),
        Source::Agoric(_)
        | Source::BlockFiles(_)
        | Source::Slog(_)
        | Source::Stdin
        | Source::Folder(_) => verify_lines(source, profile),
        Source::Fingerprint(fingerprint) => verify_fingerprint(fingerprint),
    }
}

/// Checks every read of a vat's or chain's store against what was recorded before it.
///
/// # Errors
/// An error from reading.
pub fn verify_reads(recording: &Recording) -> io::Result<ReadsFound> {
    let reads = reads::check_reads(recording)?;
    let wrong = reads.wrong.iter().map(|read| {
        let crank = read
            .crank
            .map_or(String::new(), |crank| format!(", crank {crank}"));
        let what = format!(
            "{} reads {}, but line {} recorded another value: the storage was changed outside the \
             {}, or a write is missing from the recording",
            read.key,
            read.read.as_deref().unwrap_or("nothing"),
            read.known_from,
            recording.vocabulary.runner()
        );
        Finding::note(format!("line {}{crank}", read.line_number), what)
    });
    let mut findings: Vec<Finding> = wrong.collect();
    let untold = match reads.untold {
        0 => String::new(),
        untold => format!(
            "; cannot be checked: {untold}, because it is unknown whether the write before them \
             took effect"
        ),
    };
    let forgotten = match reads.forgotten {
        0 => "",
        _ => {
            "; a block wrote more than fits in memory: the values known by then were dropped, \
             so its later reads are not checked"
        }
    };
    let what = format!(
        "{} reads checked, {} do not match; {} of keys without an earlier recorded write{untold}{forgotten}",
        reads.checked, reads.wrong_count, reads.unknown
    );
    findings.push(Finding::note("reads", what));
    Ok(ReadsFound {
        checked: reads.checked,
        differ: reads.wrong_count,
        unknown: reads.unknown,
        untold: reads.untold,
        forgotten: reads.forgotten,
        findings,
    })
}

fn verify_fingerprint(fingerprint: &Fingerprint) -> io::Result<Vec<Finding>> {
    let intact = fingerprint.is_intact()?;
    let what = "the units do not match their digest";
    Ok((!intact)
        .then(|| Finding::damage("units", what))
        .into_iter()
        .collect())
}

fn verify_ring(ring: &RingSource) -> Vec<Finding> {
    let view = &ring.view;
    let mut findings: Vec<Finding> = view
        .bad_superblocks
        .iter()
        .map(|(offset, error)| {
            Finding::damage(format!("superblock at byte {offset}"), error.to_string())
        })
        .collect();
    if view.missing_bytes() > 0 {
        let what = format!(
            "the file is truncated: missing bytes: {}",
            view.missing_bytes()
        );
        findings.push(Finding::damage(format!("byte {}", view.length), what));
    }
    findings.extend(
        ring_format::holes(view, ring.history.marked())
            .iter()
            .map(of_records),
    );
    let losses = ring.history.losses.iter().map(|(_, loss)| loss);
    let without_gap = losses.filter(|loss| loss.breaks_blocks() && !loss.shows_as_gap());
    findings.extend(without_gap.map(|loss| Finding::loss("main lane", loss.why.clone())));
    for lane in Lane::ALL {
        verify_lane(ring, lane, &mut findings);
    }
    if !ring.history.closed {
        let what = "the last session was not closed: the recorder was killed, or it is still \
                    recording";
        findings.push(Finding::note("spine", what));
    }
    findings
}

fn of_records(hole: &RecordHole) -> Finding {
    let (from, to) = (hole.from, hole.to);
    let place = format!("{} lane, records {from} to {to}", hole.lane.name());
    match hole.why {
        HoleKind::Missing => {
            Finding::damage(place, "missing: they were written but cannot be found")
        }
        HoleKind::Torn => Finding::note(place, "torn: the recorder stopped while it wrote them"),
        HoleKind::Dropped => {
            let what = "dropped, or lost before they reached the ring; haltbox info shows why";
            Finding::loss(place, what)
        }
        HoleKind::Evicted => Finding::note(place, "evicted by age"),
        HoleKind::Overrun => Finding::note(place, "overwritten while they were read"),
    }
}

fn verify_lane(ring: &RingSource, lane: Lane, findings: &mut Vec<Finding>) {
    let view = ring.view.lane(lane);
    for slot in view
        .slots
        .iter()
        .filter(|slot| slot.state == SlotState::Damaged)
    {
        let place = format!(
            "{} lane, segment at byte {}",
            lane.name(),
            ring.view.geometry.offset(slot.index)
        );
        findings.push(Finding::damage(place, "its header is damaged"));
    }
    if !view.strays.is_empty() {
        let count: u64 = view.strays.iter().map(|run| run.last - run.first + 1).sum();
        let records = counted(count, "older record");
        let what = format!("{records} in reused segments, outside the covered range");
        findings.push(Finding::note(format!("{} lane", lane.name()), what));
    }
}

fn verify_box(
    path: &Path,
    source: &Source,
    bx: &BlackBox,
    profile: &Profile,
) -> io::Result<Vec<Finding>> {
    let mut findings: Vec<Finding> = bx
        .verify()?
        .iter()
        .map(|found| {
            let mut place = format!("bytes {} to {}", found.bytes.start, found.bytes.end);
            if let Some(frame) = found.frame {
                place += &format!(", frame {frame}");
            }
            if let Some(lines) = &found.lines {
                place += &format!(", lines {} to {}", lines.start, lines.end);
            }
            if let Some(heights) = &found.heights {
                place += &format!(", heights {} to {}", heights.first, heights.last);
            }
            Finding::damage(place, found.problem.to_string())
        })
        .collect();
    if findings.is_empty() {
        findings.extend(verify_names(path, source, bx, profile)?);
    }
    findings.extend(bx.manifest().into_iter().flat_map(lost_of));
    Ok(findings)
}

/// What a box says was lost. A loss without a line shows as a hole, or as a cut entry.
fn lost_of(manifest: &Manifest) -> Vec<Finding> {
    let losses = manifest.losses.iter().filter(|loss| loss.line.is_some());
    let holes = manifest.holes.iter().chain(losses).map(Hole::of_index);
    let lost = holes.filter(|hole| hole.lost);
    lost.filter_map(Finding::of_hole).collect()
}

/// If the box names blocks by other rules, the digests of its lines are not its HASHes.
fn other_rules(bx: &BlackBox, profile: &Profile) -> Option<Finding> {
    let recorded = bx.identity()?.profile_digest?;
    let rules = profile.slog.as_ref();
    let own = rules.map(|slog| slog.canonical().name_digest());
    let what = format!(
        "the HASHes of the box were made with rules {recorded}, the profile {} has {}: they were \
         not checked; use the haltbox that wrote the box, or pass its profile: --profile FILE",
        profile.name,
        own.map_or("none".to_owned(), |own| own.to_string())
    );
    (Some(recorded) != own).then(|| Finding {
        nothing: true,
        ..Finding::note("HASH", what)
    })
}

fn wrong_hash(entry: &BlockEntry, source_summary: &SourceSummary) -> Option<Finding> {
    let mut rows = source_summary.blocks.iter();
    let row = rows.find(|row| row.height == entry.height && row.attempt == entry.attempt);
    let found = row.and_then(|row| row.hash).map(|hash| hash.to_string());
    (found != entry.hash).then(|| {
        let what = format!(
            "the HASH of its lines is {}, the manifest says {}: the lines were changed",
            found.unwrap_or_else(|| "none".to_owned()),
            entry.hash.as_deref().unwrap_or("none")
        );
        Finding::damage(format!("height {}", entry.height), what)
    })
}

/// Checks that the lines give the HASHes in the manifest and in the name.
fn verify_names(
    path: &Path,
    source: &Source,
    bx: &BlackBox,
    profile: &Profile,
) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let source_summary = SourceSummary::of(source, profile)?;
    let promised = bx.manifest().into_iter().flat_map(|m| &m.blocks);
    let promised: Vec<_> = promised.filter(|entry| entry.hash.is_some()).collect();
    if !promised.is_empty()
        && let Some(other) = other_rules(bx, profile)
    {
        findings.push(other);
    } else {
        let wrong = promised
            .into_iter()
            .filter_map(|entry| wrong_hash(entry, &source_summary));
        findings.extend(wrong);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let identity = bx
        .identity()
        .map(|identity| identity.name.clone())
        .unwrap_or_default();
    if let (Ok(file), Ok(inside)) = (name.parse::<BoxName>(), identity.parse::<BoxName>())
        && (file.height, file.hash) != (inside.height, inside.hash)
    {
        let what = format!("the file is named {name}, but it contains box {identity}");
        findings.push(Finding::damage("file name", what));
    }
    Ok(findings)
}

fn verify_lines(source: &Source, profile: &Profile) -> io::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let (mut lines, mut not_json, mut cut) = (0_u64, 0_u64, false);
    let mut known = 0_u64;
    let rules = profile.slog.as_ref();
    if let Source::Agoric(path) = source {
        let ring = crate::agoric_ring::AgoricRing::open(path);
        let ring = ring.map_err(io::Error::other)?;
        findings.extend(
            ring.faults()
                .iter()
                .map(|fault| Finding::damage("header", fault.to_string())),
        );
    }
    source.read_lines(&mut |item| {
        match item {
            Item::Line(line) => {
                lines += 1;
                not_json += u64::from(!line.bytes.starts_with(b"{"));
                cut = !line.newline;
                known += u64::from(rules.is_some_and(|rules| rules.read(line.bytes).known));
            }
            Item::Hole(hole) => findings.extend(Finding::of_hole(hole)),
        }
        Ok(true)
    })?;
    if lines == 0 {
        findings.push(Finding {
            nothing: true,
            ..Finding::note("content", "contains no lines: there was nothing to check")
        });
    }
    let is_no_slog = lines >= SlogRules::MANY || lines > 0 && not_json == lines;
    if rules.is_some() && known == 0 && is_no_slog {
        let text = format!(
            "{}, none of them an entry that the profile {} knows: nothing could be \
             checked",
            counted(lines, "line"),
            profile.name
        );
        findings.push(Finding {
            nothing: true,
            ..Finding::note("content", text)
        });
    }
    if not_json > 0 {
        findings.push(Finding::note(
            "content",
            format!(
                "not a JSON object: {not_json} of {}",
                counted(lines, "line")
            ),
        ));
    }
    if cut {
        findings.push(Finding::note(
            format!("line {lines}"),
            "does not end with a newline: it may be truncated",
        ));
    }
    Ok(findings)
}
