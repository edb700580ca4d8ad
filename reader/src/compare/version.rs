//! A difference that stands in every entry of a type tells of two versions of a
//! kernel, not of one step.

use std::collections::BTreeSet;
use std::io;

use haltbox_format::json;

use super::cutter::{self, Depth};
use super::party::Party;
use super::role;
use super::settle::both;
use super::verdict::Finding;
use crate::tape::{BlockTape, Finds};

/// Entries of a type from which on one can speak of every entry.
const EVERY: u64 = 3;

/// Entries of one type in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: u64,
    with: u64,
}

/// In words, how all entries of the step's type differ between the sources, if they
/// do.
///
/// # Errors
/// What reading gives.
pub fn of_every_entry(
    a: &Party,
    b: &Party,
    finding: &Finding,
    heights: &BTreeSet<u64>,
) -> io::Result<Option<String>> {
    let [one, other] = finding.steps.each_ref().map(|step| {
        let line = step.as_ref().map(|entry| entry.line.as_slice());
        names(line.unwrap_or_default())
    });
    let own = |these: &[String], those: &[String]| {
        these.iter().find(|name| !those.contains(name)).cloned()
    };
    let member = match (finding.counterparts, own(&one, &other), own(&other, &one)) {
        (true, Some(member), None) | (true, None, Some(member)) => Some(member),
        (false, ..) if finding.inserted_on.is_some() => None,
        _ => return Ok(None),
    };
    let kind = &finding.kind;
    let count = |party: &Party| count(party, kind, member.as_deref(), heights);
    let [of_a, of_b] = both(|| count(a), || count(b))?;
    Ok(words(kind, member.as_deref(), of_a, of_b))
}

/// Turned round, the same is said with the sides turned round.
fn words(kind: &str, member: Option<&str>, a: Count, b: Count) -> Option<String> {
    let every = |has: Count, lacks: Count| match member {
        Some(_) => has.all >= EVERY && has.with == has.all && lacks.all >= EVERY && lacks.with == 0,
        None => has.all >= EVERY && lacks.all == 0,
    };
    let (name, other, count) = match (every(a, b), every(b, a)) {
        (true, _) => ("A", "B", a.all),
        (_, true) => ("B", "A", b.all),
        _ => return None,
    };
    Some(match member {
        Some(member) => format!(
            "{name} writes {member} into each of its {count} entries {kind}, {other} into none: one is of \
             another version"
        ),
        None => format!(
            "{name} writes entries {kind} ({count} of them), {other} writes none at all: one is of another \
             version, or set up otherwise"
        ),
    })
}

fn names(line: &[u8]) -> Vec<String> {
    let members = json::members(line).flatten();
    members
        .map(|member| String::from_utf8_lossy(member.key).into_owned())
        .collect()
}

fn count(
    party: &Party,
    kind: &str,
    member: Option<&str>,
    heights: &BTreeSet<u64>,
) -> io::Result<Count> {
    let mut counting = Counting {
        kind,
        member,
        heights,
        open: Count::default(),
        count: Count::default(),
    };
    cutter::read(party, Depth::Places, &mut counting)?;
    Ok(counting.count)
}

struct Counting<'a> {
    kind: &'a str,
    member: Option<&'a str>,
    /// Those that both sources have: what one does not cover it does not lack.
    heights: &'a BTreeSet<u64>,
    open: Count,
    count: Count,
}

impl Finds for Counting<'_> {
    fn block(&mut self, block: BlockTape) -> bool {
        let open = std::mem::take(&mut self.open);
        if self.heights.contains(&block.height) {
            self.count.all += open.all;
            self.count.with += open.with;
        }
        true
    }

    fn line(&mut self, _ordinal: u64, _unit: usize, line: &[u8], _number: u64) {
        if !role::is_type(line, self.kind) {
            return;
        }
        self.open.all += 1;
        let has = |member: &str| json::find(line, member.as_bytes()).is_some();
        self.open.with += u64::from(self.member.is_some_and(has));
    }
}
