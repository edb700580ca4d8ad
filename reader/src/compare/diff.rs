//! `haltbox diff`: reads two recordings and returns what the comparison found.

use std::io;

use super::comparable;
use super::divergence;
use super::environment::environment;
use super::equal;
use super::evidence::Entry;
use super::finding::{
    ActivityDivergence, ActivityMeaning, Caveat, Conclusion, Consequence, DigestDifference,
    Finding, Undecided,
};
use super::judgements;
use super::located_parting::{self, LocatedParting, both, settle};
use super::outcome;
use super::pair::Comparison;
use super::parting::Parting;
use super::recording::Recording;
use super::recording_facts;
use super::remark::{HarmlessSteps, OfRecording, Remark};
use super::replay::{self, Mismatch, OriginalDeliveries, Replays, StepForm};
use super::roots;
use super::side::{Side, Who};
use super::streams;
use super::verdict::Verdict;
use crate::trace::Replayed;

/// The conclusion, what weakens it, and what else the user should know.
struct Concluded {
    conclusion: Conclusion,
    caveats: Vec<Caveat>,
    remarks: Vec<Remark>,
}

impl From<Conclusion> for Concluded {
    fn from(conclusion: Conclusion) -> Concluded {
        Concluded {
            conclusion,
            caveats: Vec::new(),
            remarks: Vec::new(),
        }
    }
}

/// Compares two sources.
///
/// # Errors
/// An error from reading a source.
pub fn diff(a: &Recording, b: &Recording) -> io::Result<Finding> {
    let located = settle(a, b)?;
    let comparison = &located.comparison;
    if let Some(why) = comparable::incomparable(a, b, comparison) {
        let concluded = Conclusion::Incomparable(why).into();
        return Ok(finding([a, b], &located, [None, None], concluded));
    }
    let mut replays = check_replays(a, b, comparison)?;
    if comparison.parting.is_some() {
        let checked = replays.iter_mut().flatten();
        checked.for_each(Replays::forget_others);
    }
    let mut concluded = conclude([a, b], &located, &replays)?;
    let matching = matching_replays(&replays);
    concluded.remarks.splice(0..0, matching);
    let beside = beside([a, b], comparison, &concluded)?;
    concluded.remarks.extend(beside);
    let mut finding = finding([a, b], &located, replays, concluded);
    if finding.exit() == Verdict::Execution.exit() {
        finding.caveats.extend(disorder(comparison));
    }
    Ok(finding)
}

fn finding(
    recordings: [&Recording; 2],
    located: &LocatedParting,
    replays: [Option<Replays>; 2],
    concluded: Concluded,
) -> Finding {
    let [a, b] = recordings;
    let comparison = &located.comparison;
    let [one, other] = &comparison.sides;
    let [of_a, of_b] = replays;
    let mut remarks = recording_facts::remarks(recordings, located);
    remarks.extend(concluded.remarks);
    Finding {
        conclusion: concluded.conclusion,
        caveats: concluded.caveats,
        recordings: [
            recording_facts::recording_facts(a, one, of_a),
            recording_facts::recording_facts(b, other, of_b),
        ],
        heights: comparison.rows.clone(),
        consequence: Consequence {
            crankhash_after: comparison.crankhash_after,
            in_block: comparison.in_block.clone(),
            cranks_differing: comparison.cranks.1,
            cranks_compared: comparison.cranks.0,
            blocks_differing: comparison.differing,
        },
        environment: environment(a, b),
        remarks,
        vocabulary: a.vocabulary,
    }
}

/// Draws the conclusion. The earliest difference decides; everything later is a consequence.
fn conclude(
    recordings: [&Recording; 2],
    located: &LocatedParting,
    replays: &[Option<Replays>; 2],
) -> io::Result<Concluded> {
    let comparison = &located.comparison;
    let parting = comparison.parting.as_ref();
    if let Some((side, mismatch)) = first_mismatch(replays)
        && parting.is_none_or(|parting| mismatch.is_before(parting.a.0.height))
    {
        return Ok(Conclusion::Replay(side, mismatch).into());
    }
    let [a, b] = recordings;
    match (
        parting.filter(|_| !comparison.is_dispute_older()),
        &located.evidence,
    ) {
        (Some(parting), Some(evidence)) => {
            let (found, caveats) =
                divergence::of_entries(recordings, parting, evidence, comparison)?;
            let remarks = divergence::remarks(a, (&found, &caveats), evidence, comparison);
            let concluded = Concluded {
                conclusion: Conclusion::Step(Box::new(found)),
                caveats,
                remarks,
            };
            Ok(after_gaps(concluded, parting, comparison))
        }
        (Some(parting), None) => {
            let found = divergence::of_digests(a, b, parting)?;
            let is_inputs = matches!(found.difference, DigestDifference::Inputs(_));
            let concluded = Conclusion::Digests(found).into();
            Ok(match is_inputs {
                true => after_gaps(concluded, parting, comparison),
                false => concluded,
            })
        }
        (None, _) => {
            let mut concluded = without_parting(recordings, comparison)?;
            if located.left_out > 0 && matches!(concluded.conclusion, Conclusion::Identical(_)) {
                concluded.conclusion = Conclusion::Undecided {
                    why: Undecided::RunsLeftOut(located.left_out),
                    other_app_hash: None,
                };
            }
            Ok(concluded)
        }
    }
}

/// Adds what missing heights before the parting mean. The nodes may have diverged in a missing
/// height, so the difference behind it accuses nobody.
fn after_gaps(mut concluded: Concluded, parting: &Parting, comparison: &Comparison) -> Concluded {
    concluded
        .remarks
        .extend(divergence::gaps(parting, comparison));
    let gap = parting.behind_gap.then_some(Caveat::AfterGap);
    concluded.caveats.extend(gap);
    if let Some(who) = parting.begins_inside {
        let height = parting.a.0.height;
        concluded.caveats.push(Caveat::BeginsInside { who, height });
    }
    let is_open = concluded.caveats.iter().any(Caveat::leaves_open);
    if concluded.conclusion.verdict() == Verdict::HashOnly && !is_open {
        concluded.remarks.extend(chain_breaks(comparison));
    }
    concluded
}

/// The first break of each side's activityhash chain inside a run. It shows which side's hash
/// is wrong.
fn chain_breaks(comparison: &Comparison) -> impl Iterator<Item = Remark> + use<'_> {
    let sides = comparison.sides.iter().enumerate();
    sides.filter_map(|(at, side)| {
        let mut breaks = side.breaks.iter();
        let (_, found) = breaks.find(|(_, found)| found.in_run)?;
        let broken = OfRecording::ChainBreak(found.crank);
        Some(Remark::Recording(Side::at(at), broken))
    })
}

/// Draws the conclusion where no step differs.
fn without_parting(recordings: [&Recording; 2], comparison: &Comparison) -> io::Result<Concluded> {
    let judgements = judgements::compare(recordings[0], recordings[1], comparison)?;
    let mut concluded: Concluded =
        equal::conclude(recordings, comparison, judgements.as_ref()).into();
    let reasons = judgements.map(|judgements| judgements.remarks);
    concluded.remarks = reasons.unwrap_or_default();
    match &concluded.conclusion {
        Conclusion::Recorders { dissent, .. } if dissent.rests_on_settings() => {
            concluded.remarks.push(Remark::RecorderSettings);
        }
        Conclusion::Activity(ActivityDivergence {
            means: ActivityMeaning::BrokenChain,
            ..
        }) => concluded.remarks.extend(chain_breaks(comparison)),
        Conclusion::Outcome {
            other_app_hash: Some(height),
            ..
        } => {
            let first = divergence::first_height(*height, comparison);
            concluded.remarks.extend(first);
        }
        _ => {}
    }
    Ok(concluded)
}

fn check_replays(
    a: &Recording,
    b: &Recording,
    comparison: &Comparison,
) -> io::Result<[Option<Replays>; 2]> {
    let [one, other] = [0, 1].map(|side| &comparison.sides[side].summary.replays);
    let check = |recording: &Recording, replayed: &Replayed, peer: &Recording| {
        // A sender may have dropped the entry that says which delivery a replayed step belongs to.
        if replayed.deliveries.is_empty() || recording.is_by_sender() {
            return Ok(None);
        }
        let by_bytes = check_replays_of(recording, replayed, peer, StepForm::Bytes)?;
        if by_bytes.wrong.is_empty() {
            return Ok(Some(by_bytes));
        }
        check_replays_of(recording, replayed, peer, StepForm::Values).map(Some)
    };
    both(|| check(a, one, b), || check(b, other, a))
}

fn check_replays_of(
    recording: &Recording,
    replayed: &Replayed,
    peer: &Recording,
    form: StepForm,
) -> io::Result<Replays> {
    let alone = replay::check(recording, replayed, &OriginalDeliveries::default(), form)?;
    if alone.unknown == 0 || peer.source.is_fingerprint() {
        return Ok(alone);
    }
    let others = replay::originals(peer, replayed, form)?;
    replay::check(recording, replayed, &others, form)
}

fn first_mismatch(replays: &[Option<Replays>; 2]) -> Option<(Side, Mismatch)> {
    let sides = [Side::A, Side::B].into_iter().zip(replays);
    let found = sides.flat_map(|(side, replays)| {
        let wrong = replays.iter().flat_map(|replays| &replays.wrong);
        wrong.map(move |mismatch| (side, mismatch))
    });
    // A mismatch with the recording's own original is certain. One with the other recording's
    // original may be the other node's fault.
    let first = found.min_by_key(|(_, mismatch)| {
        (
            mismatch.of_other,
            mismatch.before_height.unwrap_or(u64::MAX),
            mismatch.line_number,
        )
    });
    first.map(|(side, mismatch)| (side, mismatch.clone()))
}

fn matching_replays(replays: &[Option<Replays>; 2]) -> Vec<Remark> {
    let sides = [Side::A, Side::B].into_iter().zip(replays);
    let matching = sides.filter_map(|(side, replays)| {
        let replays = replays
            .as_ref()
            .filter(|replays| replays.wrong.is_empty())?;
        let matching = OfRecording::ReplaysMatch {
            checked: replays.checked,
            unknown: replays.unknown,
        };
        Some(Remark::Recording(side, matching))
    });
    matching.collect()
}

/// What the user should know besides the conclusion, whatever it is.
fn beside(
    recordings: [&Recording; 2],
    comparison: &Comparison,
    concluded: &Concluded,
) -> io::Result<Vec<Remark>> {
    let [a, b] = recordings;
    let mut remarks = Vec::new();
    remarks.extend(harmless_steps(a, b, comparison)?);
    remarks.extend(events(a, b, comparison)?);
    let local = comparison.given.local().iter().cloned();
    remarks.extend(local.map(Remark::OwnInput));
    let is_print = recordings
        .iter()
        .any(|recording| recording.source.is_fingerprint());
    let is_open = concluded.caveats.iter().any(Caveat::leaves_open);
    let is_of_inputs = concluded.conclusion.verdict() == Verdict::Inputs && !is_open;
    if is_print && !is_of_inputs {
        remarks.extend(comparison.given.agreement().map(Remark::Inputs));
    }
    if !is_print {
        remarks.extend(only_on_one_side(comparison));
    }
    remarks.extend(other_roots(a, comparison));
    for (side, recording) in [Side::A, Side::B].into_iter().zip(recordings) {
        if recording.source.is_fingerprint() && judgements::is_judged(recording) {
            remarks.push(Remark::Recording(side, OfRecording::NoVerdicts));
        }
    }
    Ok(remarks)
}

/// Stores whose roots differ at the end of the height of the parting.
fn other_roots(a: &Recording, comparison: &Comparison) -> Option<Remark> {
    let parting = comparison.parting.as_ref()?;
    let streams = &comparison.sides[0].summary.streams;
    let stores = roots::differing(parting, streams, a.vocabulary)?;
    Some(Remark::Roots(parting.a.0.height, stores))
}

/// The first place where steps differ without an effect on the outcome.
fn harmless_steps(
    a: &Recording,
    b: &Recording,
    comparison: &Comparison,
) -> io::Result<Option<Remark>> {
    let Some(parting) = &comparison.harmless_at else {
        return Ok(None);
    };
    let ((of_a, _), (of_b, _)) = (&parting.a, &parting.b);
    Ok(Some(Remark::HarmlessSteps(HarmlessSteps {
        height: of_a.height,
        heights: comparison.harmless_heights,
        same_state: outcome::is_same_state(of_a, of_b),
        how: outcome::harmless_difference(parting),
        steps: steps_at(a, b, parting)?,
    })))
}

/// The events of the block that differs differ too.
fn events(a: &Recording, b: &Recording, comparison: &Comparison) -> io::Result<Option<Remark>> {
    let Some(parting) = &comparison.events else {
        return Ok(None);
    };
    let height = parting.a.0.height;
    let steps = steps_at(a, b, parting)?;
    Ok(Some(Remark::Events { height, steps }))
}

/// The step at a place, on each side.
fn steps_at(a: &Recording, b: &Recording, at: &Parting) -> io::Result<[Option<Entry>; 2]> {
    let evidence = located_parting::gather(a, b, at)?;
    Ok(evidence.map(|side| side.unit.into_iter().next()))
}

/// Streams that only one side recorded, and that are therefore not compared.
fn only_on_one_side(comparison: &Comparison) -> impl Iterator<Item = Remark> + use<> {
    let [one, other] = comparison.sides.each_ref().map(|side| &side.summary);
    let lacking = [
        (Side::A, streams::lacking(one, other)),
        (Side::B, streams::lacking(other, one)),
    ];
    let lacking = lacking.into_iter().filter(|(_, names)| !names.is_empty());
    lacking.map(|(side, names)| Remark::Recording(side, OfRecording::OnlyHere(names)))
}

/// If parts of a recording are out of order, a difference may have another cause. So nobody is
/// accused of it.
fn disorder(comparison: &Comparison) -> Option<Caveat> {
    let disorder = comparison.sides.each_ref();
    let (who, why) = match disorder.map(|side| side.summary.disorder.as_ref()) {
        [Some(one), Some(other)] => (Who::Both, (one == other).then_some(one)),
        [Some(why), None] => (Who::One(Side::A), Some(why)),
        [None, Some(why)] => (Who::One(Side::B), Some(why)),
        [None, None] => return None,
    };
    let why = why.cloned();
    Some(Caveat::Disorder { who, why })
}

#[cfg(test)]
mod tests;
