//! Recognises another version of a kernel: a difference in every entry of a type comes from
//! the version, and not from one step.

use std::collections::BTreeSet;
use std::io;

use haltbox_model::json;

use super::classify::Difference;
use super::cutter::{self, Depth};
use super::evidence::Evidence;
use super::height_ranges::HeightRanges;
use super::located_parting::both;
use super::recording::Recording;
use super::side::{Side, Who};
use crate::source::Source;
use crate::trace::{BlockTrace, TraceSink};
use crate::vocabulary::{Vocabulary, entry};

/// Number of entries of a type from which on "every entry" is a safe statement.
const EVERY: u64 = 3;

/// Counts of entries of one type in one source: all, and those with the member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: u64,
    with: u64,
}

/// How all entries of a type differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The side that writes the entries or the member.
    pub side: Side,
    /// The type of the entries.
    pub kind: String,
    /// The member that only this side writes, in every entry. `None` if only this side writes
    /// entries of the type.
    pub member: Option<String>,
    /// Number of these entries.
    pub count: u64,
    /// No known version of the kernel writes them. The difference then shows the version and
    /// nothing of the execution.
    pub unknown: bool,
}

/// Whether all entries of the step's type, or of another type near it, differ between the
/// sources, and how.
///
/// # Errors
/// An error from reading a source.
pub fn of_every_entry(
    a: &Recording,
    b: &Recording,
    difference: &Difference,
    evidence: &[Evidence; 2],
    heights: &HeightRanges,
) -> io::Result<Option<Version>> {
    let step = of_step(difference).map(|member| (difference.kind.clone(), member));
    let unit = of_unit(a.vocabulary, evidence).map(|(kind, member)| (kind, Some(member)));
    for (kind, member) in step.into_iter().chain(unit) {
        let name = member.as_deref();
        let count = |recording: &Recording| count(recording, &kind, name, heights);
        let [of_a, of_b] = both(|| count(a), || count(b))?;
        let unknown = a.vocabulary.is_of_unknown_version(&kind, name);
        let every = if unknown { 1 } else { EVERY };
        if let Some((side, count)) = writer(name.is_some(), every, of_a, of_b) {
            return Ok(Some(Version {
                side,
                kind,
                member,
                count,
                unknown,
            }));
        }
    }
    Ok(None)
}

/// Which sides have a block at this height that an unknown version of a kernel wrote. Digests
/// cannot tell another version from another execution.
///
/// # Errors
/// An error from reading a source.
pub fn of_digests(a: &Recording, b: &Recording, height: u64) -> io::Result<Option<Who>> {
    let [of_a, of_b] = both(|| newer_heights(a), || newer_heights(b))?;
    let newer = [of_a, of_b].map(|heights| heights.contains(&height));
    Ok((newer != [false; 2]).then(|| Who::of(newer)))
}

/// Heights with entries, or members of entries, that no known kernel writes.
///
/// # Errors
/// An error from reading the source.
pub fn newer_heights(recording: &Recording) -> io::Result<BTreeSet<u64>> {
    if let Source::Fingerprint(fingerprint) = &recording.source {
        let newer = fingerprint.blocks.iter().filter(|block| block.is_newer());
        return Ok(newer.map(|block| block.height).collect());
    }
    let mut newer = Newer {
        vocabulary: recording.vocabulary,
        open: false,
        heights: BTreeSet::new(),
    };
    cutter::read(recording, Depth::Places, &mut newer)?;
    Ok(newer.heights)
}

struct Newer {
    vocabulary: &'static dyn Vocabulary,
    open: bool,
    heights: BTreeSet<u64>,
}

impl TraceSink for Newer {
    fn block(&mut self, block: BlockTrace) -> bool {
        if std::mem::take(&mut self.open) {
            self.heights.insert(block.height);
        }
        true
    }

    fn line(&mut self, _ordinal: u64, _unit: usize, line: &[u8], _number: u64) {
        self.open = self.open || is_newer(self.vocabulary, line);
    }
}

/// An entry that is cut off counts too, because its line holds what the next process wrote.
fn is_newer(vocabulary: &dyn Vocabulary, line: &[u8]) -> bool {
    let kind = entry::type_of(line);
    let newer = |member: Result<json::Member<'_>, _>| {
        let name = member.map(|member| str::from_utf8(member.key));
        match name {
            Ok(name) => name.is_ok_and(|name| vocabulary.is_of_unknown_version(&kind, Some(name))),
            Err(_) => true,
        }
    };
    vocabulary.is_of_unknown_version(&kind, None) || json::members(line).any(newer)
}

/// What the step that differs has on one side only: a member, or (`None`) the step itself.
fn of_step(difference: &Difference) -> Option<Option<String>> {
    let [one, other] = difference.steps.each_ref().map(|step| {
        let line = step.as_ref().map(|entry| entry.line.as_slice());
        let mut names = names(line.unwrap_or_default());
        // An older kernel writes no hashes, and that is no difference.
        names.retain(|name| !entry::HASHES.contains(&name.as_str()));
        names
    });
    let own = |these: &[String], those: &[String]| {
        these.iter().find(|name| !those.contains(name)).cloned()
    };
    match (
        difference.counterparts().is_some(),
        own(&one, &other),
        own(&other, &one),
    ) {
        (true, Some(member), None) | (true, None, Some(member)) => Some(Some(member)),
        (false, ..) if difference.inserted_on().is_some() => Some(None),
        _ => None,
    }
}

/// A member near the place that no known kernel writes. If one side writes it, no crank is
/// equal, and a moved crank looks like a missing one.
fn of_unit(vocabulary: &dyn Vocabulary, evidence: &[Evidence; 2]) -> Option<(String, String)> {
    let entries = evidence
        .iter()
        .flat_map(|side| side.before.iter().chain(&side.unit).chain(&side.after));
    let unknown = entries.flat_map(|entry| {
        let kind = entry::type_of(&entry.line).into_owned();
        let names = names(&entry.line).into_iter();
        names
            .filter(|name| vocabulary.is_of_unknown_version(&kind, Some(name)))
            .map(|name| (kind.clone(), name))
            .collect::<Vec<_>>()
    });
    unknown.min()
}

/// The side that writes a member in each entry while the other writes it in none, or that
/// alone writes such entries, and their number. If the sides are swapped, so is the result.
fn writer(is_member: bool, least: u64, a: Count, b: Count) -> Option<(Side, u64)> {
    let every = |has: Count, lacks: Count| match is_member {
        true => has.all >= least && has.with == has.all && lacks.all >= least && lacks.with == 0,
        false => has.all >= least && lacks.all == 0,
    };
    match (every(a, b), every(b, a)) {
        (true, _) => Some((Side::A, a.all)),
        (_, true) => Some((Side::B, b.all)),
        _ => None,
    }
}

fn names(line: &[u8]) -> Vec<String> {
    let members = json::members(line).flatten();
    members
        .map(|member| String::from_utf8_lossy(member.key).into_owned())
        .collect()
}

fn count(
    recording: &Recording,
    kind: &str,
    member: Option<&str>,
    heights: &HeightRanges,
) -> io::Result<Count> {
    let mut counting = Counting {
        kind,
        member,
        heights,
        open: Count::default(),
        count: Count::default(),
    };
    cutter::read(recording, Depth::Places, &mut counting)?;
    Ok(counting.count)
}

struct Counting<'a> {
    kind: &'a str,
    member: Option<&'a str>,
    /// The heights that both sources have. A source does not lack what it does not cover.
    heights: &'a HeightRanges,
    open: Count,
    count: Count,
}

impl TraceSink for Counting<'_> {
    fn block(&mut self, block: BlockTrace) -> bool {
        let open = std::mem::take(&mut self.open);
        if self.heights.contains(block.height) {
            self.count.all += open.all;
            self.count.with += open.with;
        }
        true
    }

    fn line(&mut self, _ordinal: u64, _unit: usize, line: &[u8], _number: u64) {
        if !entry::is_type(line, self.kind) {
            return;
        }
        self.open.all += 1;
        let has = |member: &str| json::find(line, member.as_bytes()).is_some();
        self.open.with += u64::from(self.member.is_some_and(has));
    }
}
