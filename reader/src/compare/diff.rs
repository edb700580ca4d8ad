//! `haltbox diff`: two sources, one verdict, and what it rests on.

use std::io;

use haltbox_format::Profile;

use super::changes;
use super::dispute::Dispute;
use super::document::{
    BreakFacts, Consequence, Context, Document, HeightFacts, LastWrite, Place, SideFacts, Sides,
};
use super::environment::environment;
use super::evidence::{self, Entry};
use super::last_write::{self, StoreKey};
use super::pair::{self, Agreement, Comparison, Parting, Side, TapeReader};
use super::party::Party;
use super::replay::{self, Mismatch, Originals, Replays};
use super::role::{self, Role};
use super::verdict::{Case, Finding, Verdict, Which};
use crate::tape::{BlockTape, Unit};

/// Entries of context that are told on each side of the step.
const CONTEXT: usize = 4;

/// Compares two sources.
///
/// # Errors
/// What reading gives.
pub fn diff(a: &Party, b: &Party) -> io::Result<Document> {
    let comparison = std::thread::scope(|scope| {
        let left = TapeReader::start(scope, a);
        let right = TapeReader::start(scope, b);
        pair::compare(left, right)
    })?;
    let mut document = Document::new(a, b, &comparison);
    if let Some(why) = incomparable(a, b, &comparison) {
        document.decide(Verdict::Insufficient, why);
        return Ok(document);
    }
    let replays = check_replays(a, b, &comparison)?;
    document.take_replays(&replays);
    let parting_height = comparison
        .parting
        .as_ref()
        .map(|parting| parting.a.0.height);
    if let Some((which, mismatch)) = first_mismatch(&replays)
        && parting_height
            .is_none_or(|height| mismatch.before_height.is_none_or(|before| before <= height))
    {
        document.replay(which, &mismatch);
    } else if let Some(parting) = &comparison.parting {
        let prints = [("A", a), ("B", b)];
        let prints = prints
            .iter()
            .filter(|(_, party)| party.source.is_fingerprint());
        let without: Vec<&str> = prints.map(|(name, _)| *name).collect();
        if without.is_empty() {
            document.parting(a, b, parting, &comparison.sides)?;
        } else {
            document.parting_of_digests(parting, &without);
        }
    } else {
        document.no_parting(a, b, &comparison);
    }
    Ok(document)
}

/// Why two sources cannot be compared at all.
fn incomparable(a: &Party, b: &Party, comparison: &Comparison) -> Option<String> {
    if a.rules() != b.rules() {
        return Some(format!(
            "the sources were recorded with different profiles, {} and {}; name one for both with --profile",
            a.profile.name, b.profile.name
        ));
    }
    if a.rules().is_none() {
        return Some(format!(
            "the profile {} reads no slog, so there are no steps to compare",
            a.profile.name
        ));
    }
    let [one, other] = &comparison.sides;
    let chains = one
        .summary
        .chain_id
        .as_ref()
        .zip(other.summary.chain_id.as_ref());
    if let Some((x, y)) = chains.filter(|(x, y)| x != y) {
        return Some(format!("the sources are of different chains, {x} and {y}"));
    }
    for (side, name) in [(one, "A"), (other, "B")] {
        if side.blocks == 0 {
            return Some(format!("{name} holds no execution of any block"));
        }
    }
    if comparison.whole == 0 && comparison.parting.is_none() {
        return Some(format!(
            "no height is whole on both sides: {}",
            ranges(one, other)
        ));
    }
    None
}

fn ranges(a: &Side, b: &Side) -> String {
    let range = |side: &Side| match side.heights {
        Some((first, last)) if first == last => format!("height {first}"),
        Some((first, last)) => format!("heights {first} to {last}"),
        None => "no height".to_owned(),
    };
    format!("A covers {}, B {}", range(a), range(b))
}

fn check_replays(
    a: &Party,
    b: &Party,
    comparison: &Comparison,
) -> io::Result<[Option<Replays>; 2]> {
    let [one, other] = [0, 1].map(|side| &comparison.sides[side].summary.replays);
    let check = |party: &Party, own: &replay::Deliveries, peer: &Party| {
        if own.is_empty() {
            return Ok(None);
        }
        let none = Originals::default();
        let alone = replay::check(party, own, &none)?;
        if alone.unknown == 0 {
            return Ok(Some(alone));
        }
        let others = replay::originals(peer, own)?;
        replay::check(party, own, &others).map(Some)
    };
    both(|| check(a, one, b), || check(b, other, a))
}

/// Reads both sources at once.
fn both<T: Send>(
    of_a: impl FnOnce() -> io::Result<T> + Send,
    of_b: impl FnOnce() -> io::Result<T>,
) -> io::Result<[T; 2]> {
    std::thread::scope(|scope| {
        let of_a = scope.spawn(of_a);
        let of_b = of_b()?;
        let lost = |_| io::Error::other("the reading thread ended without a word");
        Ok([of_a.join().map_err(lost)??, of_b])
    })
}

fn first_mismatch(replays: &[Option<Replays>; 2]) -> Option<(Which, Mismatch)> {
    let sides = [Which::A, Which::B].into_iter().zip(replays);
    let found = sides.flat_map(|(which, replays)| {
        replays
            .iter()
            .flat_map(|r| &r.wrong)
            .map(move |mismatch| (which, mismatch.clone()))
    });
    found.min_by_key(|(_, mismatch)| {
        (
            mismatch.before_height.unwrap_or(u64::MAX),
            mismatch.line_number,
        )
    })
}

impl Document {
    fn new(a: &Party, b: &Party, comparison: &Comparison) -> Document {
        let [one, other] = &comparison.sides;
        let heights = comparison.rows.iter().map(|row| HeightFacts {
            height: row.height,
            cranks: row.cranks,
            same: match row.agreement {
                Agreement::Same => Some(true),
                Agreement::Different => Some(false),
                Agreement::Partial | Agreement::Unknown => None,
            },
        });
        Document {
            version: 1,
            verdict: Verdict::Identical,
            exit: 0,
            summary: String::new(),
            place: None,
            sides: Sides {
                a: facts(a, one),
                b: facts(b, other),
            },
            changes: Vec::new(),
            inserted_on: None,
            context: None,
            last_write: None,
            replays: Vec::new(),
            consequence: Consequence {
                crankhash_after: comparison.crankhash_after,
                in_block: comparison.in_block.clone(),
                cranks_differing: comparison.cranks.1,
                cranks_compared: comparison.cranks.0,
                blocks_differing: comparison.differing,
            },
            heights: heights.collect(),
            environment: environment(a, b),
            notes: notes(&comparison.sides),
            collect: Vec::new(),
        }
    }

    fn decide(&mut self, verdict: Verdict, summary: impl Into<String>) {
        self.verdict = verdict;
        self.exit = verdict.exit();
        self.summary = summary.into();
    }

    fn take_replays(&mut self, replays: &[Option<Replays>; 2]) {
        let [a, b] = replays;
        self.sides.a.replays.clone_from(a);
        self.sides.b.replays.clone_from(b);
        for (which, replays) in [Which::A, Which::B].into_iter().zip(replays) {
            let Some(replays) = replays else { continue };
            let (checked, wrong) = (replays.checked, replays.wrong.len());
            if wrong == 0 {
                self.notes.push(format!(
                    "{}: {checked} replayed deliveries match their originals, {} have none here",
                    which.name(),
                    replays.unknown
                ));
            }
            self.replays.extend(
                replays
                    .wrong
                    .iter()
                    .map(|mismatch| (which, mismatch.clone())),
            );
        }
    }

    fn replay(&mut self, which: Which, mismatch: &Mismatch) {
        let height = mismatch.before_height;
        let before = height.map_or(String::new(), |height| format!(", before height {height}"));
        self.decide(
            Verdict::Replay,
            format!(
                "{} replayed delivery {} of {}{before} and it did not do what it did at first",
                which.name(),
                mismatch.delivery,
                mismatch.vat
            ),
        );
        self.place = Some(Place {
            height: height.unwrap_or(0),
            vat: Some(mismatch.vat.clone()),
            delivery: Some(mismatch.delivery),
            syscall: mismatch.syscall,
            kind: mismatch.kind.clone(),
            ..Place::default()
        });
        let side = if which == Which::A {
            &mut self.sides.a
        } else {
            &mut self.sides.b
        };
        side.line_number = Some(mismatch.line_number);
    }

    fn parting(
        &mut self,
        a: &Party,
        b: &Party,
        parting: &Parting,
        sides: &[Side; 2],
    ) -> io::Result<()> {
        let (block_a, at_a) = &parting.a;
        let (block_b, at_b) = &parting.b;
        let [of_a, of_b] = both(
            || evidence::gather(a, block_a, *at_a),
            || evidence::gather(b, block_b, *at_b),
        )?;
        let case = Case {
            profile: &a.profile,
            parting,
            evidence: [&of_a, &of_b],
            sides: [&sides[0], &sides[1]],
        };
        let mut finding = case.judge();
        if finding.role == Role::Result
            && Dispute::of(a, b).is_same_app_hash(block_a.height) == Some(true)
        {
            finding.verdict = Verdict::ResultsOnly;
            finding.summary += ", and the AppHash is the same";
        }
        self.decide(finding.verdict, finding.summary.clone());
        let first = if finding.steps[0].is_some() {
            &of_a
        } else {
            &of_b
        };
        self.place = Some(Place {
            height: block_a.height,
            attempt: block_a.attempt,
            input: first.input.clone(),
            run: first.run,
            crank: finding.numbers.crank,
            crank_in_block: finding.numbers.crank.map(|_| cranks_before(block_a, *at_a)),
            vat: finding.numbers.vat.clone(),
            delivery: finding.numbers.delivery,
            syscall: finding.numbers.syscall,
            tx: finding.numbers.tx,
            op: finding.numbers.op,
            kind: finding.kind.clone(),
        });
        self.inserted_on = finding.inserted_on;
        self.show_steps(&finding, &a.profile);
        self.notes.extend(finding.notes.clone());
        if finding.verdict == Verdict::State {
            self.find_last_write(a, b, &finding)?;
        }
        for (name, side) in [("A", &of_a), ("B", &of_b)] {
            if let Some(vat) = &finding.numbers.vat
                && let Some((_, line)) = side.vat_loads.iter().find(|(of, _)| of == vat)
            {
                self.notes
                    .push(format!("{name} last loaded {vat} at line {line}"));
            }
        }
        self.warn_of_gaps(parting, sides);
        Ok(())
    }

    /// Digests tell where, not what.
    fn parting_of_digests(&mut self, parting: &Parting, without: &[&str]) {
        let (block, at) = &parting.a;
        let crank = block.units.get(*at).and_then(Unit::crank);
        let whose = without.join(" and ");
        let place = match crank {
            Some(crank) => format!("crank {crank}"),
            None => "an entry outside cranks".to_owned(),
        };
        self.decide(
            Verdict::Insufficient,
            format!(
                "they differ in {place} of height {}; the class needs the entries of {whose}",
                block.height
            ),
        );
        // That they differ is known, whatever the class.
        self.exit = 1;
        self.collect.push(format!(
            "height {} of {whose}: haltbox freeze --height {}, or haltbox extract",
            block.height, block.height
        ));
        self.place = Some(Place {
            height: block.height,
            attempt: block.attempt,
            crank,
            crank_in_block: crank.map(|_| cranks_before(block, *at)),
            ..Place::default()
        });
    }

    fn show_steps(&mut self, finding: &Finding, profile: &Profile) {
        for (side, step) in [&mut self.sides.a, &mut self.sides.b]
            .into_iter()
            .zip(&finding.steps)
        {
            side.line = step.as_ref().map(|entry| text(&entry.line));
            side.line_number = step.as_ref().map(|entry| entry.number);
        }
        let canonical = |entry: &Entry| {
            let mut text = Vec::new();
            if let Some(slog) = &profile.slog {
                slog.canonical().cut(&entry.line, &mut text);
            }
            role::drop_value(&mut text, 0, "activityhash");
            text
        };
        if let ([Some(one), Some(other)], None) = (&finding.steps, finding.inserted_on) {
            let (one, other) = (canonical(one), canonical(other));
            self.changes = changes::changes(&one, &other);
            if changes::has_lossy_number(&one) || changes::has_lossy_number(&other) {
                self.notes.push(
                    "whole numbers above 2^53 stand in these entries: the slog's writer rounds them".to_owned(),
                );
            }
        }
        let around = |side: usize| {
            let lines = |entries: &[Entry]| -> Vec<String> {
                entries.iter().map(|entry| text(&entry.line)).collect()
            };
            let before = &finding.leading[side];
            let after = &finding.trailing[side];
            Context {
                before: lines(&before[before.len().saturating_sub(CONTEXT)..]),
                after: lines(&after[..after.len().min(CONTEXT)]),
            }
        };
        self.context = Some(Sides {
            a: around(0),
            b: around(1),
        });
    }

    fn find_last_write(&mut self, a: &Party, b: &Party, finding: &Finding) -> io::Result<()> {
        let own = finding.steps[0].as_ref();
        let read = own.filter(|step| role::of(&step.line) == Role::Read);
        let asked = read.or(finding.leading[0].last());
        let Some(key) = asked.and_then(|entry| StoreKey::of_read(&entry.line)) else {
            return Ok(());
        };
        let find = |party: &Party, side: usize| {
            let before = finding.steps[side]
                .as_ref()
                .map_or(u64::MAX, |entry| entry.number);
            last_write::find(party, &key, before)
        };
        let [of_a, of_b] = both(|| find(a, 0), || find(b, 1))?;
        for (name, side, found) in [("A", &self.sides.a, &of_a), ("B", &self.sides.b, &of_b)] {
            if found.is_none() {
                let first = side.first_height.unwrap_or(0);
                self.collect.push(format!(
                    "the last write of {} is not covered by {name}, which begins at height {first}: ask for \
                     heights before {first}",
                    key.text()
                ));
            }
        }
        self.last_write = Some(LastWrite {
            key: key.text(),
            a: of_a,
            b: of_b,
        });
        Ok(())
    }

    fn warn_of_gaps(&mut self, parting: &Parting, sides: &[Side; 2]) {
        let height = parting.a.0.height;
        for (name, side) in [("A", &sides[0]), ("B", &sides[1])] {
            if let Some(missing) = side.missing.iter().rev().find(|missing| **missing < height) {
                self.notes.push(format!(
                    "{name} does not cover height {missing}: the nodes may have parted there already"
                ));
            }
        }
        if parting.behind_gap {
            self.collect
                .push("the heights just before, from the side that lacks them".to_owned());
            let seen = std::mem::take(&mut self.summary);
            let text = format!(
                "the first difference stands right behind heights that are missing: {seen}"
            );
            self.decide(Verdict::Insufficient, text);
        }
        if self.verdict == Verdict::HashOnly {
            self.chain_words();
        }
    }

    /// What the chains say of a hash that differs alone.
    fn chain_words(&mut self) {
        for (name, side) in [("A", &self.sides.a), ("B", &self.sides.b)] {
            if let Some(found) = side.chain_breaks.iter().find(|found| found.in_run) {
                self.notes.push(format!(
                    "the activityhash chain of {name} breaks inside a run, at crank {}: that recording is \
                     damaged or was changed",
                    found.crank
                ));
            }
        }
    }

    fn no_parting(&mut self, a: &Party, b: &Party, comparison: &Comparison) {
        if let Some(activity) = comparison.activity {
            let in_run = [&self.sides.a, &self.sides.b]
                .iter()
                .any(|side| side.chain_breaks.iter().any(|found| found.in_run));
            self.place = Some(Place {
                height: activity.height,
                crank: Some(activity.crank),
                kind: "crank-finish".to_owned(),
                ..Place::default()
            });
            if activity.between_runs && !in_run {
                return self.decide(
                    Verdict::HiddenCrank,
                    "equal cranks, other activityhash: one side committed kernel work between runs that no \
                     entry shows",
                );
            }
            self.decide(
                Verdict::HashOnly,
                "equal steps, but the activityhash does not follow from them",
            );
            return self.chain_words();
        }
        if let Some(why) = uncovered(comparison) {
            return self.decide(Verdict::Insufficient, why);
        }
        let dispute = Dispute::of(a, b);
        match dispute.judge(comparison) {
            Some((verdict, why, collect)) => {
                self.decide(verdict, why);
                self.collect.extend(collect);
            }
            None => {
                let whole = comparison.whole;
                self.decide(
                    Verdict::Identical,
                    format!(
                        "all that both cover is equal: {whole} whole blocks, {} cranks",
                        comparison.cranks.0
                    ),
                );
            }
        }
    }
}

fn cranks_before(block: &BlockTape, unit: usize) -> u64 {
    let before = block.units.iter().take(unit);
    before.filter(|unit| unit.crank().is_some()).count() as u64
}

/// A height missing in the middle, or damage, where all the rest is equal.
fn uncovered(comparison: &Comparison) -> Option<String> {
    let common = |height: &u64| {
        comparison.sides.iter().all(|side| {
            side.heights
                .is_some_and(|(first, last)| (first..=last).contains(height))
        })
    };
    for (name, side) in [("A", &comparison.sides[0]), ("B", &comparison.sides[1])] {
        if let Some(missing) = side.missing.iter().find(|height| common(height)) {
            return Some(format!(
                "all else is equal, but {name} does not cover height {missing}; ask for it"
            ));
        }
        let within = |height: &&u64| {
            let is = |row: &pair::HeightRow| row.height == **height;
            let at = comparison.rows.iter().position(is);
            at.is_some_and(|at| at > 0 && at + 1 < comparison.rows.len())
        };
        if let Some(height) = side.incomplete.iter().find(within) {
            return Some(format!(
                "all else is equal, but {name} has height {height} in part only; ask for it"
            ));
        }
    }
    None
}

fn facts(party: &Party, side: &Side) -> SideFacts {
    SideFacts {
        path: party.path.display().to_string(),
        kind: party.source.kind().to_owned(),
        first_height: side.heights.map(|(first, _)| first),
        last_height: side.heights.map(|(_, last)| last),
        blocks: side.blocks,
        cranks: side.summary.cranks,
        lines: side.summary.lines,
        incomplete: side.incomplete.clone(),
        missing: side.missing.clone(),
        again: side.again.clone(),
        damage: side.summary.holes.clone(),
        kernel_starts: side.summary.kernel_starts.clone(),
        chain_breaks: side
            .breaks
            .iter()
            .map(|(height, found)| BreakFacts {
                height: *height,
                crank: found.crank,
                in_run: found.in_run,
            })
            .collect(),
        ..SideFacts::default()
    }
}

fn notes(sides: &[Side; 2]) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, side) in [("A", &sides[0]), ("B", &sides[1])] {
        if let Some(height) = side.again.first() {
            notes.push(format!(
                "{name} executed height {height} more than once: the last whole execution counts"
            ));
        }
        if let Some((first, _)) = side
            .heights
            .filter(|(first, _)| side.incomplete.contains(first))
        {
            notes.push(format!("{name} begins in the middle of height {first}"));
        }
    }
    notes
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}
