//! What a recording is and what it covers, and what the user should know about its origin.

use haltbox_model::SlogRules;

use super::finding::RecordingFacts;
use super::located_parting::LocatedParting;
use super::pair::{Comparison, Coverage, Executions};
use super::recording::Recording;
use super::remark::{ExecutionChoice, OfRecording, Remark};
use super::replay::Replays;
use super::side::{Side, Who};
use super::streams;
use crate::source::Source;

/// What the source of a side is and what it covers.
pub(super) fn recording_facts(
    recording: &Recording,
    side: &Coverage,
    replays: Option<Replays>,
) -> RecordingFacts {
    let repeated = side.executions.repeated.iter();
    RecordingFacts {
        path: recording.path.clone(),
        kind: recording.source.kind(),
        heights: side.heights,
        blocks: side.blocks,
        cranks: side.summary.cranks,
        lines: side.summary.lines,
        incomplete: side.incomplete.clone(),
        missing: side.missing.clone(),
        again: repeated.map(|repeated| repeated.height).collect(),
        rewritten: side.summary.rewritten,
        carrier: side.summary.carrier,
        streams: streams::facts(recording.vocabulary, &side.summary),
        damage: side.summary.holes.clone(),
        kernel_starts: kernel_starts(recording, side),
        chain_breaks: side.breaks.clone(),
        replays,
    }
}

/// Heights before which a kernel started; empty for a host without a kernel.
fn kernel_starts(recording: &Recording, side: &Coverage) -> Vec<u64> {
    match recording.vocabulary.has_cranks() {
        true => side.summary.kernel_starts.clone(),
        false => Vec::new(),
    }
}

/// What the user should know about both recordings.
pub(super) fn remarks(recordings: [&Recording; 2], located: &LocatedParting) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let sides = &located.comparison.sides;
    for (at, (coverage, recording)) in sides.iter().zip(recordings).enumerate() {
        let mut own = of_executions(coverage, recording.attempt, located);
        own.extend(begins_inside(coverage));
        own.extend(of_writing(coverage, recording));
        let own = own.into_iter();
        remarks.extend(own.map(|of| Remark::Recording(Side::at(at), of)));
    }
    remarks.extend(undecided(&located.comparison));
    let rewritten = |side: &Coverage| side.summary.rewritten || side.summary.without_hashes > 0;
    if located.same_values && !sides.iter().any(rewritten) {
        remarks.push(Remark::SameValues);
    }
    remarks
}

fn begins_inside(coverage: &Coverage) -> Option<OfRecording> {
    let (first, _) = coverage.heights?;
    let is_inside = coverage.incomplete.contains(&first) && !coverage.begins_whole;
    is_inside.then_some(OfRecording::BeginsInside(first))
}

/// A block that may not be the block of its height.
fn undecided(comparison: &Comparison) -> Option<Remark> {
    let (height, sides) = comparison.undecided.first()?;
    let who = match sides[..] {
        [side] => Who::One(side),
        _ => Who::Both,
    };
    Some(Remark::Undecided(*height, who))
}

/// What the user should know about heights that were executed more than once.
fn of_executions(
    coverage: &Coverage,
    asked: Option<u32>,
    located: &LocatedParting,
) -> Vec<OfRecording> {
    let executions = &coverage.executions;
    if let Some(height) = executions.replaced.first() {
        return vec![OfRecording::BlockReplaced(*height)];
    }
    let mut remarks: Vec<_> = compared_attempt(executions, asked).into_iter().collect();
    if let Some((height, other, compared)) = executions.differing_attempts.first().copied() {
        remarks.push(OfRecording::AttemptsDiffer {
            height,
            other,
            compared,
        });
    }
    if executions.height_runs > 1 {
        remarks.push(OfRecording::WentBack {
            times: executions.height_runs - 1,
            compared: located.compared,
        });
    }
    remarks
}

/// Which execution is compared, and why.
fn compared_attempt(executions: &Executions, asked: Option<u32>) -> Option<OfRecording> {
    let of = |height: u64, attempt: u32, choice: ExecutionChoice| OfRecording::Attempt {
        height,
        attempt,
        choice,
    };
    if let Some((height, attempt)) = executions.requested.first() {
        Some(of(*height, *attempt, ExecutionChoice::Requested))
    } else if let Some(attempt) = asked {
        Some(OfRecording::NoSuchAttempt(attempt))
    } else if let Some((height, attempt)) = executions.diverged.first() {
        Some(of(*height, *attempt, ExecutionChoice::Diverged))
    } else {
        let repeated = executions.repeated.first()?;
        let choice = match repeated.whole {
            true => ExecutionChoice::LastWhole,
            false => ExecutionChoice::NoneWhole,
        };
        Some(of(repeated.height, repeated.attempt, choice))
    }
}

/// What the user should know about how the source was written.
fn of_writing(coverage: &Coverage, recording: &Recording) -> Vec<OfRecording> {
    let summary = &coverage.summary;
    let mut remarks: Vec<_> = summary
        .changed_by()
        .map(OfRecording::Changed)
        .into_iter()
        .collect();
    if summary.known == 0 && summary.lines >= SlogRules::MANY && !recording.source.is_fingerprint()
    {
        remarks.push(OfRecording::UnknownEntries {
            lines: summary.lines,
            profile: recording.profile.name.clone(),
        });
    }
    if summary.without_hashes > 0 {
        remarks.push(OfRecording::NoHashes {
            cranks: summary.without_hashes,
            activity_only: summary.without_crankhashes == 0,
        });
    }
    if let Source::Fingerprint(print) = &recording.source
        && !print.version.has_activity()
    {
        remarks.push(OfRecording::OldFingerprint);
    }
    remarks
}
