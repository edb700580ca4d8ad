//! Concludes from a parting: from the entries at the place, or from digests where there are no
//! entries.

use std::io;

use haltbox_model::Profile;

use super::app_hash_dispute::Dispute;
use super::cause::Cause;
use super::changes::{self, Change};
use super::classify::Difference;
use super::evidence::{Entry, Evidence};
use super::finding::{Caveat, DigestDifference, DigestDivergence, Divergence};
use super::last_write::{self, LastWrite, StoreKey};
use super::located_parting::{self, both};
use super::pair::Comparison;
use super::parting::Parting;
use super::recording::Recording;
use super::remark::{OfRecording, Remark};
use super::side::{Side, Who};
use super::verdict::Verdict;
use super::version;
use crate::fingerprint;
use crate::trace::{BlockTrace, Unit};
use crate::vocabulary::{Role, Vocabulary, entry};

/// Concludes from a parting whose entries are available.
///
/// # Errors
/// An error from reading a source.
pub(super) fn of_entries(
    recordings: [&Recording; 2],
    parting: &Parting,
    evidence: &[Evidence; 2],
    comparison: &Comparison,
) -> io::Result<(Divergence, Vec<Caveat>)> {
    let [a, b] = recordings;
    let difference = located_parting::classify_input(a, parting, evidence, comparison).judge();
    let mut divergence = divergence(recordings, parting, evidence, difference, comparison);
    let caveats = caution(recordings, &divergence, evidence, comparison)?;
    let is_read = is_state(&divergence, &caveats);
    divergence.last_write = last_writes(a, b, &divergence.difference, is_read)?;
    Ok((divergence, caveats))
}

/// Whether the class is that a value of the state differs, and no caveat weakens it.
fn is_state(divergence: &Divergence, caveats: &[Caveat]) -> bool {
    divergence.verdict() == Verdict::State && !caveats.iter().any(Caveat::leaves_open)
}

fn divergence(
    [a, b]: [&Recording; 2],
    parting: &Parting,
    evidence: &[Evidence; 2],
    difference: Difference,
    comparison: &Comparison,
) -> Divergence {
    let [(block_a, _), (block_b, _)] = [&parting.a, &parting.b];
    let same = block_a.app_hash.is_some() && block_a.app_hash == block_b.app_hash;
    let same =
        same || Dispute::of([a, b], comparison).is_same_app_hash(block_a.height) == Some(true);
    let numbered_by = difference.numbered_by;
    let own = &evidence[numbered_by.index()];
    let of_steps = |of: &dyn Fn(&[u8]) -> Option<String>| {
        let steps = difference.steps.each_ref();
        steps.map(|step| step.as_ref().and_then(|step| of(&step.line)))
    };
    let prefix = a.address_prefix.as_deref();
    let parts = [numbered_by, numbered_by.other()].map(|side| evidence[side.index()].part.clone());
    Divergence {
        height: block_a.height,
        attempts: [block_a.attempt, block_b.attempt],
        is_result_only: difference.role == Role::Result && same,
        cranks_before: cranks_before(parting),
        run: own.run,
        input: own.input.clone(),
        parts,
        changes: changes_of(&difference, &a.profile),
        keys: of_steps(&|line| a.vocabulary.key_words(line, prefix)),
        values: of_steps(&|line| a.vocabulary.kept_value(line)),
        last_write: None,
        difference,
    }
}

/// Number of cranks before the place in its block, of the side with more.
fn cranks_before(parting: &Parting) -> u64 {
    let before = |(block, unit): &(BlockTrace, usize)| {
        let before = block.units.iter().take(*unit);
        before.filter(|unit| unit.crank().is_some()).count() as u64
    };
    before(&parting.a).max(before(&parting.b))
}

/// The members that differ between two steps that correspond to each other.
fn changes_of(difference: &Difference, profile: &Profile) -> Vec<Change> {
    let counterparts = difference.counterparts();
    counterparts.map_or(Vec::new(), |steps| {
        let [one, other] = steps.map(|entry| canonical(entry, profile));
        changes::changes(&one, &other)
    })
}

fn canonical(entry: &Entry, profile: &Profile) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(slog) = &profile.slog {
        slog.canonical().cut(&entry.line, &mut text);
    }
    entry::drop_value(&mut text, 0, "activityhash");
    text
}

/// Caveats: the difference may come from a kill or from another version, and not from the
/// execution, or not from it alone.
fn caution(
    [a, b]: [&Recording; 2],
    divergence: &Divergence,
    evidence: &[Evidence; 2],
    comparison: &Comparison,
) -> io::Result<Vec<Caveat>> {
    let truncated = evidence.each_ref().map(|side| {
        let mut entries = side.unit.iter();
        entries.find(|entry| entry.is_truncated())
    });
    if truncated.iter().any(Option::is_some) {
        let lines = truncated.map(|entry| entry.map(|entry| entry.number));
        return Ok(vec![Caveat::Truncated(lines)]);
    }
    if divergence.verdict() == Verdict::Insufficient {
        return Ok(Vec::new());
    }
    if evidence.iter().any(|side| side.cut) {
        return Ok(vec![Caveat::TooLarge]);
    }
    let heights = &comparison.common.all;
    let version = version::of_every_entry(a, b, &divergence.difference, evidence, heights)?;
    Ok(version.map(Caveat::Version).into_iter().collect())
}

/// Who last wrote the key whose read gave another value, or that is written differently here.
fn last_writes(
    a: &Recording,
    b: &Recording,
    difference: &Difference,
    is_read: bool,
) -> io::Result<Option<LastWrite>> {
    let key = match is_read {
        true => key_read(a.vocabulary, difference),
        false => key_written(a.vocabulary, difference),
    };
    let Some(key) = key else {
        return Ok(None);
    };
    let find = |recording: &Recording, side: Side| {
        let step = difference.steps[side.index()].as_ref();
        let before = step.map_or(u64::MAX, |entry| entry.number);
        last_write::find(recording, &key, before)
    };
    let writes = both(|| find(a, Side::A), || find(b, Side::B))?;
    Ok(Some(LastWrite {
        key,
        is_read,
        writes,
    }))
}

/// The key of the read that gave another value.
fn key_read(vocabulary: &dyn Vocabulary, difference: &Difference) -> Option<StoreKey> {
    let own = difference.steps[0].as_ref();
    let read = own.filter(|step| vocabulary.role_of(&step.line) == Role::Read);
    let asked = read.or(difference.leading[0].last())?;
    StoreKey::of_read(vocabulary, &asked.line)
}

/// The key that both steps write, or the only step.
fn key_written(vocabulary: &dyn Vocabulary, difference: &Difference) -> Option<StoreKey> {
    let mut steps = difference.steps.iter().flatten();
    let written = |entry: &Entry| StoreKey::of_write(vocabulary, &entry.line);
    let key = steps.next().and_then(written)?;
    let is_same = steps
        .next()
        .is_none_or(|other| written(other).as_ref() == Some(&key));
    is_same.then_some(key)
}

/// What the user should know besides a divergence.
pub(super) fn remarks(
    a: &Recording,
    (divergence, caveats): (&Divergence, &[Caveat]),
    evidence: &[Evidence; 2],
    comparison: &Comparison,
) -> Vec<Remark> {
    let difference = &divergence.difference;
    let mut remarks = Vec::new();
    if let Some(steps) = difference.counterparts() {
        let mut texts = steps.into_iter().map(|entry| canonical(entry, &a.profile));
        let is_lossy = texts.any(|text| changes::has_lossy_number(&text));
        remarks.extend(is_lossy.then_some(Remark::LossyNumbers));
    }
    remarks.extend(of_cause(a.vocabulary, difference));
    if is_state(divergence, caveats) {
        remarks.extend(first_height(divergence.height, comparison));
    }
    if let Some(vat) = &difference.numbers.vat {
        remarks.extend(evidence.iter().enumerate().filter_map(|(at, of)| {
            let (_, line) = of.vat_loads.iter().find(|(loaded, _)| loaded == vat)?;
            let (vat, line) = (vat.clone(), *line);
            let loaded = OfRecording::VatLoaded { vat, line };
            Some(Remark::Recording(Side::at(at), loaded))
        }));
    }
    remarks.extend(comparison.is_left_out().then_some(Remark::DroppedBefore));
    remarks
}

/// Remarks that belong to the cause.
fn of_cause(vocabulary: &dyn Vocabulary, difference: &Difference) -> Vec<Remark> {
    match difference.cause {
        Cause::Snapshot => {
            let snapshots = difference.steps.iter().enumerate().map(|(at, step)| {
                let line = step.as_ref().map(|entry| entry.line.as_slice());
                let words = vocabulary.snapshot(line.unwrap_or_default());
                Remark::Recording(Side::at(at), OfRecording::Snapshot(words))
            });
            snapshots.chain([Remark::XsnapBuilds]).collect()
        }
        Cause::Deferred { .. } => vec![Remark::RunPolicy],
        _ => Vec::new(),
    }
}

/// If no whole height was compared before this one, the difference may be older.
pub(super) fn first_height(height: u64, comparison: &Comparison) -> Option<Remark> {
    let first_whole = comparison.common.first_whole;
    let is_whole_before = first_whole.is_some_and(|whole| whole < height);
    (!is_whole_before).then_some(Remark::FirstHeight(height))
}

/// The highest missing height before the place, of each side.
pub(super) fn gaps(parting: &Parting, comparison: &Comparison) -> Vec<Remark> {
    let height = parting.a.0.height;
    let sides = comparison.sides.iter().enumerate();
    let gaps = sides.filter_map(|(at, side)| {
        let mut missing = side.missing.iter().rev();
        let missing = missing.find(|missing| **missing < height)?;
        let gap = OfRecording::NotCovered(*missing);
        Some(Remark::Recording(Side::at(at), gap))
    });
    gaps.collect()
}

/// Concludes from digests. They show where the difference is, and not what it is. If the
/// version of a kernel is unknown, they do not even show where.
///
/// # Errors
/// An error from reading a source.
pub(super) fn of_digests(
    a: &Recording,
    b: &Recording,
    parting: &Parting,
) -> io::Result<DigestDivergence> {
    let [(block_a, _), (block_b, _)] = [&parting.a, &parting.b];
    let inputs = parting.other_inputs();
    let difference = match version::of_digests(a, b, block_a.height)? {
        Some(who) => DigestDifference::UnknownVersion(who),
        None if inputs.is_empty() => unit_of_digests(a, b, parting),
        None => DigestDifference::Inputs(inputs),
    };
    Ok(DigestDivergence {
        height: block_a.height,
        attempt: block_a.attempt.max(block_b.attempt),
        difference,
    })
}

fn unit_of_digests(a: &Recording, b: &Recording, parting: &Parting) -> DigestDifference {
    let crank = |(block, at): &(BlockTrace, usize)| block.units.get(*at).and_then(Unit::crank);
    let cranks = [crank(&parting.a), crank(&parting.b)];
    let prints = [a, b].map(|recording| recording.source.is_fingerprint());
    DigestDifference::Unit {
        crank: cranks[0].filter(|_| cranks[0] == cranks[1]),
        before: cranks_before(parting),
        fingerprints: Who::of(prints),
        same_app_hash: fingerprint::is_same_app_hash(&parting.a.0, &parting.b.0),
        may_be_harmless: a.vocabulary.step_tracker().is_some(),
    }
}
