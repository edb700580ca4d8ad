//! `haltbox diff`: two sources, one verdict, and what it rests on.

use std::collections::BTreeSet;
use std::io;

use haltbox_model::{Profile, SlogRules, json};

use super::app_hash_dispute::Dispute;
use super::changes;
use super::classify::{Finding, other_inputs_words};
use super::document::{
    BreakFacts, Consequence, Context, Document, HeightFacts, LastWrite, Place, SideFacts, Sides,
};
use super::environment::environment;
use super::evidence::{Entry, Evidence};
use super::judgements::{self, Dissent, Judgements};
use super::last_write::{self, StoreKey};
use super::outcome::{self, Aside};
use super::pair::{ActivityParting, Agreement, Comparison, Coverage, HeightRow, Parting};
use super::parting_place::{self, Settled, both, settle};
use super::party::Party;
use super::replay::{self, Form, Mismatch, Originals, Replays};
use super::roots;
use super::side::Side;
use super::streams;
use super::verdict::Verdict;
use super::version;
use crate::count::counted;
use crate::fingerprint;
use crate::source::Source;
use crate::tape::{BlockTape, Replayed, Unit};
use crate::vocabulary::{Role, Vocabulary, entry};

/// Entries of context that are told on each side of the step.
const CONTEXT: usize = 4;
/// Names that are listed one by one.
const NAMES: usize = 8;

/// Compares two sources.
///
/// # Errors
/// What reading gives.
pub fn diff(a: &Party, b: &Party) -> io::Result<Document> {
    let settled = settle(a, b)?;
    let comparison = &settled.comparison;
    let mut document = Document::new(a, b, &settled);
    if let Some(why) = incomparable(a, b, comparison) {
        document.decide(Verdict::Insufficient, why);
        return Ok(document);
    }
    let mut replays = check_replays(a, b, comparison)?;
    if comparison.parting.is_some() {
        replays
            .iter_mut()
            .flatten()
            .for_each(Replays::forget_others);
    }
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
    } else if let Some(parting) = comparison.parting.as_ref().filter(|_| !comparison.is_led()) {
        match &settled.evidence {
            Some(evidence) => document.parting(a, b, parting, evidence, comparison)?,
            None => document.parting_of_digests(a, b, parting, comparison)?,
        }
    } else {
        let judgements = judgements::compare(a, b, comparison)?;
        document.no_parting(a, b, comparison, judgements.as_ref());
    }
    document.tell_aside(a, b, comparison)?;
    document.tell_events(a, b, comparison)?;
    document.tell_inputs([a, b], comparison);
    document.tell_streams([a, b], comparison);
    document
        .notes
        .extend(roots::differing(comparison, a.vocabulary));
    document.warn_of_digests([a, b]);
    document.weigh_disorder(comparison);
    Ok(document)
}

/// Why two sources cannot be compared at all.
fn incomparable(a: &Party, b: &Party, comparison: &Comparison) -> Option<String> {
    if a.rules() != b.rules() {
        return Some(format!(
            "the sources were recorded with different profiles, {} and {}; choose one for both \
             with --profile",
            a.profile.name, b.profile.name
        ));
    }
    if a.rules().is_none() {
        return Some(format!(
            "the profile {} has no slog section, so there are no steps to compare",
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
        return Some(format!(
            "the sources are from different chains, {x} and {y}"
        ));
    }
    if let Some(why) = without_blocks(one, other) {
        return Some(match a.range == (0..=u64::MAX) {
            true => why,
            false => format!("{why} (in the selected range of heights)"),
        });
    }
    let prints = [a, b].map(|party| party.source.is_fingerprint());
    let rewritten = [one, other].map(|side| side.summary.rewritten);
    let digests = prints[0] && rewritten[1] || prints[1] && rewritten[0];
    if digests && comparison.parting.is_some() {
        let name = if rewritten[0] { "A" } else { "B" };
        return Some(format!(
            "{name} was rewritten by another JSON writer: its bytes cannot be compared with a \
             fingerprint; compare the recordings themselves"
        ));
    }
    let wrapped = [one, other].map(|side| side.summary.wrapped > 0);
    if prints[0] && wrapped[1] || prints[1] && wrapped[0] {
        let name = if wrapped[0] { "A" } else { "B" };
        return Some(format!(
            "the slog sender of {name} drops members and entries: its lines cannot be compared \
             with a fingerprint; compare the recordings themselves"
        ));
    }
    let hashless = |side: &Coverage| side.summary.without_hashes > 0;
    let apart = comparison.apart > 0 || comparison.whole == 0 && hashless(one) != hashless(other);
    if (prints[0] || prints[1]) && apart && comparison.parting.is_none() {
        let name = match (hashless(one), hashless(other)) {
            (true, true) => "neither side",
            (true, false) => "A",
            _ => "B",
        };
        let tells = if name == "neither side" {
            "has all"
        } else {
            "has no"
        };
        return Some(format!(
            "{name} {tells} crankhashes: digests with and without crankhashes cannot be compared; \
             compare the recordings themselves"
        ));
    }
    let in_part = |row: &HeightRow| row.agreement == Agreement::Partial;
    let in_part = wrapped != [false; 2] && comparison.rows.iter().any(in_part);
    if comparison.whole == 0 && comparison.parting.is_none() && !in_part {
        if let Some(why) = replaced(comparison, None) {
            return Some(why);
        }
        return Some(format!(
            "no height is complete on both sides: {}",
            ranges(one, other)
        ));
    }
    None
}

/// Which sources hold no block.
fn without_blocks(a: &Coverage, b: &Coverage) -> Option<String> {
    let who = match (a.blocks, b.blocks) {
        (0, 0) => "neither side",
        (0, _) => "A",
        (_, 0) => "B",
        _ => return None,
    };
    let lacking = || [a, b].into_iter().filter(|side| side.blocks == 0);
    let prefixed = lacking().map(|side| side.summary.prefixed).max();
    let cranks = lacking().map(|side| side.summary.cranks).max();
    let behind = why_no_block(prefixed.unwrap_or(0), cranks.unwrap_or(0));
    let article = if who == "neither side" { "an" } else { "no" };
    Some(format!(
        "{who} contains {article} execution of a block{behind}"
    ))
}

/// What a source without blocks holds, and what to do about it.
fn why_no_block(prefixed: u64, cranks: u64) -> String {
    match (prefixed, cranks) {
        (0, 0) => String::new(),
        (0, cranks) => format!(
            ", only cranks ({cranks}) without their block; extract the whole block: haltbox \
             extract --height H"
        ),
        (prefixed, _) => format!(
            ": an unknown prefix stands before the entry in {}; remove it first, for example with \
             sed 's/^[^{{]*//'",
            counted(prefixed, "line")
        ),
    }
}

fn ranges(a: &Coverage, b: &Coverage) -> String {
    let range = |side: &Coverage| match side.heights {
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
    let check = |party: &Party, own: &Replayed, peer: &Party| {
        // Which delivery a replayed step is of may not be told.
        if own.deliveries.is_empty() || party.is_told() {
            return Ok(None);
        }
        let by_bytes = check_replays_of(party, own, peer, Form::Bytes)?;
        if by_bytes.wrong.is_empty() {
            return Ok(Some(by_bytes));
        }
        check_replays_of(party, own, peer, Form::Values).map(Some)
    };
    both(|| check(a, one, b), || check(b, other, a))
}

fn check_replays_of(
    party: &Party,
    own: &Replayed,
    peer: &Party,
    form: Form,
) -> io::Result<Replays> {
    let alone = replay::check(party, own, &Originals::default(), form)?;
    if alone.unknown == 0 || peer.source.is_fingerprint() {
        return Ok(alone);
    }
    let others = replay::originals(peer, own, form)?;
    replay::check(party, own, &others, form)
}

/// What differs tells of a kill or of a version, and not of an execution, or not of it
/// alone.
fn caution(
    a: &Party,
    b: &Party,
    finding: &mut Finding,
    evidence: &[Evidence; 2],
    comparison: &Comparison,
) -> io::Result<()> {
    let (words, nothing_else) = if let Some(words) = torn(evidence) {
        (words, true)
    } else if finding.verdict == Verdict::Insufficient {
        return Ok(());
    } else {
        let heights = comparison.rows.iter().map(|row| row.height).collect();
        match version::of_every_entry(a, b, finding, evidence, &heights)? {
            Some(version) => (version.words, version.unknown),
            None => return Ok(()),
        }
    };
    finding.summary = format!("{words}; the first difference: {}", finding.summary);
    if nothing_else {
        finding.verdict = Verdict::Insufficient;
    }
    Ok(())
}

/// In words, that an entry where two sources part is no JSON to its end: a process that is
/// killed while it writes leaves half a line, and the next one goes on in it.
fn torn(evidence: &[Evidence; 2]) -> Option<String> {
    let cut = |entry: &&Entry| json::members(&entry.line).any(|member| member.is_err());
    let [of_a, of_b] = evidence.each_ref().map(|of| of.unit.iter().find(cut));
    let place = |entry: &Entry, name| format!("line {} of {name}", entry.number);
    let holds = "contains a truncated entry";
    match (of_a, of_b) {
        (None, None) => None,
        (Some(entry), None) => Some(format!("{} {holds}", place(entry, "A"))),
        (None, Some(entry)) => Some(format!("{} {holds}", place(entry, "B"))),
        (Some(_), Some(_)) => Some("both contain a truncated entry".to_owned()),
    }
}

fn first_mismatch(replays: &[Option<Replays>; 2]) -> Option<(Side, Mismatch)> {
    let sides = [Side::A, Side::B].into_iter().zip(replays);
    let found = sides.flat_map(|(which, replays)| {
        replays
            .iter()
            .flat_map(|r| &r.wrong)
            .map(move |mismatch| (which, mismatch.clone()))
    });
    // What a source's own original tells is certain.
    found.min_by_key(|(_, mismatch)| {
        (
            mismatch.of_other,
            mismatch.before_height.unwrap_or(u64::MAX),
            mismatch.line_number,
        )
    })
}

impl Document {
    fn new(a: &Party, b: &Party, settled: &Settled) -> Document {
        let comparison = &settled.comparison;
        let [one, other] = &comparison.sides;
        let heights = comparison.rows.iter().map(|row| HeightFacts {
            height: row.height,
            cranks: row.cranks,
            whole: row.whole,
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
            notes: notes([a, b], settled),
            collect: Vec::new(),
            own_inputs: Vec::new(),
            vocabulary: a.vocabulary,
        }
    }

    fn decide(&mut self, verdict: Verdict, summary: impl Into<String>) {
        self.verdict = verdict;
        self.exit = verdict.exit();
        self.summary = summary.into();
    }

    /// Both recorders judge a thing otherwise.
    fn dissent(&mut self, verdict: Verdict, dissent: &Dissent) {
        let words = dissent.words();
        if verdict == Verdict::Insufficient {
            self.decide(
                verdict,
                format!(
                    "the contents of the blocks are equal; the verdicts differ, but at least one \
                     of them is not final: {words}"
                ),
            );
            self.collect.push(
                "the same recordings again, once both report the block as settled: a recorder \
                 that was not running still has the earlier verdict"
                    .to_owned(),
            );
        } else {
            self.decide(
                verdict,
                format!(
                    "the contents of the blocks are equal, but the recorders' verdicts differ: \
                     {words}"
                ),
            );
        }
        if dissent.rests_on_settings() {
            self.notes.push(
                "this verdict also depends on the settings of the recorders: compare those first"
                    .to_owned(),
            );
        }
        let judgements = [&dissent.a, &dissent.b];
        let kind = entry::type_of(&dissent.a.line).into_owned();
        self.place = Some(dissent.place(&kind));
        for (side, judgement) in [&mut self.sides.a, &mut self.sides.b]
            .into_iter()
            .zip(judgements)
        {
            side.line = Some(text(&judgement.line));
            side.line_number = Some(judgement.line_number);
        }
        self.changes = changes::changes(&dissent.a.line, &dissent.b.line);
        self.context = Some(Sides::default());
    }

    /// Courses that part where nothing came of it.
    fn tell_aside(&mut self, a: &Party, b: &Party, comparison: &Comparison) -> io::Result<()> {
        let Some(aside) = &comparison.aside else {
            return Ok(());
        };
        let evidence = parting_place::gather(a, b, aside)?;
        let sides = [("A", a, &evidence[0]), ("B", b, &evidence[1])];
        let steps = sides.map(|(name, party, evidence)| {
            let step = evidence.unit.first();
            step.map_or(format!("{name} has no more steps"), |step| {
                let brief = party.vocabulary.brief(&text(&step.line));
                format!("{name} line {}: {brief}", step.number)
            })
        });
        let times = match comparison.asides {
            1 => String::new(),
            times => format!(" (and at {})", counted(times - 1, "other height")),
        };
        let ((of_a, _), (of_b, _)) = (&aside.a, &aside.b);
        let height = of_a.height;
        let is_known = outcome::is_same_state(of_a, of_b);
        let came = match is_known {
            true => "the AppHash and the results are equal",
            false => "everything that decides the outcome is equal, as far as both recorded it",
        };
        let why = match outcome::aside(aside) {
            Aside::Answer => {
                "the same read returned different values: one of the two stores or caches is faulty"
            }
            Aside::Reads => {
                "a node that has just started reads more, a node with filled caches reads less"
            }
            Aside::Order => {
                "the same reads in another order; this had no effect here, so it does not explain \
                 a difference elsewhere"
            }
            Aside::Place => "a host may record results and starts of transactions in other places",
            Aside::Told => {
                "events do not decide the outcome, and other software of the node may emit others"
            }
            Aside::Writes => "the writes differ, but the resulting state is the same",
        };
        self.notes.push(format!(
            "height {height}: the steps differ, but {came}{times}: {}; {}: {why}",
            steps[0], steps[1]
        ));
        Ok(())
    }

    /// What was told of the block that differs is not the same either.
    fn tell_events(&mut self, a: &Party, b: &Party, comparison: &Comparison) -> io::Result<()> {
        let Some(told) = &comparison.told else {
            return Ok(());
        };
        let evidence = parting_place::gather(a, b, told)?;
        let steps = [("A", a, &evidence[0]), ("B", b, &evidence[1])].map(|(name, party, found)| {
            let step = found.unit.first();
            step.map_or(format!("{name} has no more events"), |step| {
                let brief = party.vocabulary.brief(&text(&step.line));
                format!("{name} line {}: {brief}", step.number)
            })
        });
        self.notes.push(format!(
            "height {}: the events differ too: {}; {}: they may show where to look, but they \
             decide nothing, because another release may emit other events for the same execution",
            told.a.0.height, steps[0], steps[1]
        ));
        Ok(())
    }

    /// What is each node's own, and what digests say of the inputs.
    fn tell_inputs(&mut self, parties: [&Party; 2], comparison: &Comparison) {
        let own = comparison.given.local().iter();
        self.notes.extend(own.map(|own| own.words(["A", "B"])));
        self.own_inputs = comparison.given.local().to_vec();
        if parties.iter().any(|party| party.source.is_fingerprint())
            && self.verdict != Verdict::Inputs
        {
            self.notes.extend(comparison.given.words());
        }
    }

    /// What only one side recorded is not compared.
    fn tell_streams(&mut self, parties: [&Party; 2], comparison: &Comparison) {
        if parties.iter().any(|party| party.source.is_fingerprint()) {
            return;
        }
        let [one, other] = comparison.sides.each_ref().map(|side| &side.summary);
        for (name, own, other) in [("A", one, other), ("B", other, one)] {
            let lacking = streams::lacking(own, other);
            if !lacking.is_empty() {
                self.notes.push(format!(
                    "only {name} has entries of {}: these are not compared",
                    listed(&lacking)
                ));
            }
        }
    }

    /// Digests are of canonical entries alone.
    fn warn_of_digests(&mut self, parties: [&Party; 2]) {
        for (which, party) in [Side::A, Side::B].into_iter().zip(parties) {
            if party.source.is_fingerprint() && judgements::is_judged(party) {
                self.notes.push(format!(
                    "{} is a fingerprint: it covers the contents of the blocks, but not the \
                     recorder's verdicts (valid, invalid); to compare verdicts, compare the \
                     recordings themselves",
                    which.name()
                ));
            }
        }
    }

    /// Where parts of a recording stand in another order, what differs may stand
    /// elsewhere: nobody is accused of it.
    fn weigh_disorder(&mut self, comparison: &Comparison) {
        let disorder = comparison.sides.each_ref();
        let (who, why) = match disorder.map(|side| side.summary.disorder.as_ref()) {
            [Some(one), Some(other)] => ("both", (one == other).then_some(one)),
            [Some(why), None] => ("A", Some(why)),
            [None, Some(why)] => ("B", Some(why)),
            [None, None] => return,
        };
        if self.exit != Verdict::Execution.exit() {
            return;
        }
        let why = why.map_or(String::new(), |why| format!(" ({why})"));
        let summary = format!(
            "the entries of {who} are not in the order in which a {} writes them{why}: some are \
             missing or misplaced, which may be the cause of the difference; the first \
             difference: {}",
            self.vocabulary.runner(),
            self.summary
        );
        self.decide(Verdict::Insufficient, summary);
        self.collect.push(
            "the files of that recording in the order in which they were written, each of them once"
                .to_owned(),
        );
    }

    fn take_replays(&mut self, replays: &[Option<Replays>; 2]) {
        let [a, b] = replays;
        self.sides.a.replays.clone_from(a);
        self.sides.b.replays.clone_from(b);
        for (which, replays) in [Side::A, Side::B].into_iter().zip(replays) {
            let Some(replays) = replays else { continue };
            let (checked, wrong) = (replays.checked, replays.wrong.len());
            if wrong == 0 {
                self.notes.push(format!(
                    "{}: replayed deliveries that match their original: {checked}, without an \
                     original here: {}",
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

    fn replay(&mut self, which: Side, mismatch: &Mismatch) {
        let height = mismatch.before_height;
        let before = height.map_or(String::new(), |height| format!(" before height {height}"));
        let (own, delivery, vat) = (which.name(), mismatch.delivery, &mismatch.vat);
        let words = match mismatch.of_other {
            false => format!(
                "{own} replayed delivery {delivery} of {vat}{before}, and the replay differs from \
                 the original execution"
            ),
            true => format!(
                "{own} replayed delivery {delivery} of {vat}{before}, and the replay differs from \
                 the execution on {}; the original execution on {own} is not recorded, so either \
                 side may be wrong",
                which.other().name()
            ),
        };
        self.decide(Verdict::Replay, words);
        self.place = Some(Place {
            height: height.unwrap_or(0),
            vat: Some(mismatch.vat.clone()),
            delivery: Some(mismatch.delivery),
            syscall: mismatch.syscall,
            kind: mismatch.kind.clone(),
            ..Place::default()
        });
        let side = if which == Side::A {
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
        evidence: &[Evidence; 2],
        comparison: &Comparison,
    ) -> io::Result<()> {
        let [(block_a, at_a), (block_b, at_b)] = [&parting.a, &parting.b];
        let mut finding = parting_place::case(a, parting, evidence, comparison).judge();
        let same = block_a.app_hash.is_some() && block_a.app_hash == block_b.app_hash;
        let same = same || Dispute::of(a, b).is_same_app_hash(block_a.height) == Some(true);
        if finding.role == Role::Result && same {
            finding.verdict = Verdict::ResultsOnly;
            finding.summary += ", but the AppHash is the same";
        }
        caution(a, b, &mut finding, evidence, comparison)?;
        self.decide(finding.verdict, finding.summary.clone());
        let told = &evidence[finding.told_by.index()];
        let before = cranks_before(block_a, *at_a).max(cranks_before(block_b, *at_b));
        self.place = Some(Place {
            height: block_a.height,
            attempt: block_a.attempt.max(block_b.attempt),
            input: told.input.clone(),
            run: told.run,
            crank: finding.numbers.crank,
            crank_in_block: finding.numbers.crank.map(|_| before),
            vat: finding.numbers.vat.clone(),
            delivery: finding.numbers.delivery,
            syscall: finding.numbers.syscall,
            tx: finding.numbers.tx,
            tx_hash: None,
            messages: Vec::new(),
            phase: None,
            behind_tx: None,
            op: finding.numbers.op,
            log: finding.numbers.log,
            kind: finding.kind.clone(),
        });
        self.tell_part(evidence, finding.told_by);
        self.sides.a.attempt = Some(block_a.attempt);
        self.sides.b.attempt = Some(block_b.attempt);
        self.inserted_on = finding.inserted_on;
        self.show_steps(&finding, &a.profile);
        self.tell_keys(&finding, a);
        self.notes.extend(finding.notes.clone());
        self.find_last_write(a, b, &finding)?;
        if finding.verdict == Verdict::State {
            self.warn_of_first(block_a.height, comparison);
        }
        for (name, side) in [("A", &evidence[0]), ("B", &evidence[1])] {
            if let Some(vat) = &finding.numbers.vat
                && let Some((_, line)) = side.vat_loads.iter().find(|(of, _)| of == vat)
            {
                self.notes
                    .push(format!("{name} last loaded {vat} at line {line}"));
            }
        }
        if is_left_out(comparison) {
            self.notes.push(
                "only what both sides recorded was compared: the nodes may have diverged earlier, \
                 in entries that a slog sender dropped"
                    .to_owned(),
            );
        }
        self.warn_of_gaps(parting, &comparison.sides);
        Ok(())
    }

    /// The part of its block that the step stands in. The other side may have recorded more
    /// of that than the one that has the step.
    fn tell_part(&mut self, evidence: &[Evidence; 2], told_by: Side) {
        let parts = [told_by, told_by.other()].map(|side| &evidence[side.index()].part);
        let Some(place) = &mut self.place else { return };
        if place.op.is_some() && place.tx.is_none() {
            let part = parts.into_iter().find(|part| part.phase.is_some());
            let part = part.unwrap_or(parts[0]);
            (place.phase, place.behind_tx) = (part.phase.clone(), part.behind_tx);
        }
        let told = parts.into_iter().find_map(|part| part.transaction.as_ref());
        if let Some(transaction) = told.filter(|_| place.tx.is_some()) {
            place.tx_hash.clone_from(&transaction.hash);
            place.messages.clone_from(&transaction.messages);
        }
    }

    /// What the keys of the two steps are, and what was kept of their values.
    fn tell_keys(&mut self, finding: &Finding, a: &Party) {
        let sides = [&mut self.sides.a, &mut self.sides.b];
        for (side, step) in sides.into_iter().zip(&finding.steps) {
            let Some(step) = step else { continue };
            let prefix = a.address_prefix.as_deref();
            side.key_words = a.vocabulary.key_words(&step.line, prefix);
            side.value = a.vocabulary.kept_value(&step.line);
        }
    }

    /// Digests tell where, not what, and of a version that is not known here not even that.
    fn parting_of_digests(
        &mut self,
        a: &Party,
        b: &Party,
        parting: &Parting,
        comparison: &Comparison,
    ) -> io::Result<()> {
        let others = parting.other_inputs();
        match version::of_digests(a, b, parting.a.0.height)? {
            Some(why) => self.decide(Verdict::Insufficient, why),
            None if others.is_empty() => self.place_of_digests(a, b, parting),
            None => self.other_inputs(parting, &others, comparison),
        }
        Ok(())
    }

    /// Digests tell that the block was given something else, and what.
    fn other_inputs(&mut self, parting: &Parting, others: &[String], comparison: &Comparison) {
        let ((block_a, _), (block_b, _)) = (&parting.a, &parting.b);
        self.decide(Verdict::Inputs, other_inputs_words(others));
        self.place = Some(Place {
            height: block_a.height,
            attempt: block_a.attempt.max(block_b.attempt),
            ..Place::default()
        });
        self.warn_of_gaps(parting, &comparison.sides);
    }

    fn place_of_digests(&mut self, a: &Party, b: &Party, parting: &Parting) {
        let (block_a, at_a) = &parting.a;
        let (block_b, at_b) = &parting.b;
        let crank_of = |block: &BlockTape, at: usize| block.units.get(at).and_then(Unit::crank);
        let cranks = [crank_of(block_a, *at_a), crank_of(block_b, *at_b)];
        let crank = cranks[0].filter(|_| cranks[0] == cranks[1]);
        let block = block_a;
        let prints = [("A", a), ("B", b)].into_iter();
        let prints = prints.filter(|(_, party)| party.source.is_fingerprint());
        let whose: Vec<&str> = prints.map(|(name, _)| name).collect();
        let whose = whose.join(" and ");
        let place = match crank {
            Some(crank) => format!("crank {crank}"),
            None => "an entry outside cranks".to_owned(),
        };
        self.decide(
            Verdict::Insufficient,
            format!(
                "they differ in {place} of height {}; to determine the class, compare the entries \
                 of {whose}",
                block.height
            ),
        );
        // That they differ is known, whatever the class.
        self.exit = 1;
        let same_state = fingerprint::is_same_app_hash(block_a, block_b);
        if same_state == Some(false) {
            self.summary += "; the AppHashes after it differ too";
        } else if a.vocabulary.trace().is_some() {
            self.exit = Verdict::Insufficient.exit();
            self.summary += "; the entries also show whether it matters: a node that has just \
                             started reads more than one that is running";
            if same_state == Some(true) {
                self.summary += "; the AppHashes after it are the same";
            }
        }
        self.collect.push(format!(
            "height {} of {whose}: haltbox freeze --height {}, or haltbox extract",
            block.height, block.height
        ));
        let before = cranks_before(block_a, *at_a).max(cranks_before(block_b, *at_b));
        self.place = Some(Place {
            height: block.height,
            attempt: block_a.attempt.max(block_b.attempt),
            crank,
            crank_in_block: crank.map(|_| before),
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
            entry::drop_value(&mut text, 0, "activityhash");
            text
        };
        if let ([Some(one), Some(other)], true) = (&finding.steps, finding.counterparts) {
            let (one, other) = (canonical(one), canonical(other));
            self.changes = changes::changes(&one, &other);
            if changes::has_lossy_number(&one) || changes::has_lossy_number(&other) {
                self.notes.push(
                    "these entries contain integers above 2^53, which the slog's writer rounds"
                        .to_owned(),
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

    /// Who wrote the key last that gave another value, or that is written otherwise here.
    fn find_last_write(&mut self, a: &Party, b: &Party, finding: &Finding) -> io::Result<()> {
        let is_read = finding.verdict == Verdict::State;
        let key = match is_read {
            true => key_read(a.vocabulary, finding),
            false => key_written(a.vocabulary, finding),
        };
        let Some(key) = key else {
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
            if found.is_none() && is_read {
                let first = side.first_height.unwrap_or(0);
                self.collect.push(format!(
                    "the last write of {} is not in {name}, which begins at height {first}: get \
                     the heights before {first}",
                    key.text()
                ));
            }
        }
        self.last_write = Some(LastWrite {
            key: key.text(),
            key_words: self.sides.a.key_words.clone(),
            a: of_a,
            b: of_b,
        });
        Ok(())
    }

    /// What differs at the first height may come from before.
    fn warn_of_first(&mut self, height: u64, comparison: &Comparison) {
        let mut rows = comparison.rows.iter();
        if rows.any(|row| row.height < height && row.whole) {
            return;
        }
        self.notes.push(format!(
            "height {height} is the first that both cover: the fault may have happened before the \
             recordings begin"
        ));
    }

    fn warn_of_gaps(&mut self, parting: &Parting, sides: &[Coverage; 2]) {
        let height = parting.a.0.height;
        for (name, side) in [("A", &sides[0]), ("B", &sides[1])] {
            if let Some(missing) = side.missing.iter().rev().find(|missing| **missing < height) {
                self.notes.push(format!(
                    "{name} does not cover height {missing}: the nodes may already have diverged \
                     there"
                ));
            }
        }
        if parting.behind_gap {
            self.collect
                .push("the heights just before, from the side where they are missing".to_owned());
            let seen = std::mem::take(&mut self.summary);
            let text = format!(
                "the first difference comes directly after missing heights, which may contain its \
                 cause: {seen}"
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
                    "the activityhash chain of {name} breaks inside a run, at crank {}: that \
                     recording is damaged or was changed",
                    found.crank
                ));
            }
        }
    }

    /// All steps are equal, an activityhash is not.
    fn other_activity(&mut self, activity: &ActivityParting, comparison: &Comparison) {
        let in_run = [&self.sides.a, &self.sides.b]
            .iter()
            .any(|side| side.chain_breaks.iter().any(|found| found.in_run));
        self.place = Some(Place {
            height: activity.height,
            attempt: activity.attempt,
            crank: Some(activity.crank),
            crank_in_block: Some(activity.before),
            kind: "crank-finish".to_owned(),
            ..Place::default()
        });
        let unseen = is_left_out(comparison) && has_gaps_before(comparison, activity.height);
        if unseen {
            return self.decide(
                Verdict::Insufficient,
                "the steps that both sides recorded are equal, but the activityhashes differ: the \
                 difference may be in entries that a slog sender dropped",
            );
        }
        if activity.between_runs && !in_run {
            let words = format!(
                "the cranks are equal, but the activityhash differs: one side committed {} work \
                 between runs that no entry shows",
                self.vocabulary.runner()
            );
            return self.decide(Verdict::HiddenCrank, words);
        }
        self.decide(
            Verdict::HashOnly,
            "the steps are equal, but the activityhash does not follow from them",
        );
        self.chain_words();
    }

    fn no_parting(
        &mut self,
        a: &Party,
        b: &Party,
        comparison: &Comparison,
        judgements: Option<&Judgements>,
    ) {
        if let Some(judgements) = judgements {
            self.notes.extend(judgements.notes.clone());
            if let Some(dissent) = &judgements.certain {
                return self.dissent(Verdict::Verdicts, dissent);
            }
        }
        if let Some(activity) = &comparison.activity {
            return self.other_activity(activity, comparison);
        }
        if is_left_out(comparison) {
            return self.decide(Verdict::Insufficient, left_out(comparison));
        }
        if let Some((height, why)) = broken(comparison) {
            self.place = Some(Place {
                height,
                ..Place::default()
            });
            return self.decide(Verdict::Insufficient, why);
        }
        let gone = judgements.map(|judgements| &judgements.gone);
        if let Some(why) = uncovered(comparison, gone) {
            return self.decide(Verdict::Insufficient, why);
        }
        if let Some(why) = replaced(comparison, gone) {
            return self.decide(
                Verdict::Insufficient,
                format!("everything else is equal, but {why}"),
            );
        }
        if let Some(dissent) = judgements.and_then(|judgements| judgements.doubtful.as_ref()) {
            return self.dissent(Verdict::Insufficient, dissent);
        }
        let dispute = Dispute::of(a, b);
        match dispute
            .judge(comparison)
            .or_else(|| one_sided_words(comparison))
            .or_else(|| unhashed_words([a, b], comparison))
        {
            Some((verdict, why, collect)) => {
                self.decide(verdict, why);
                self.collect.extend(collect);
                if let Some(other) = comparison.other_app_hash {
                    self.warn_of_first(other.height, comparison);
                    self.place.get_or_insert(Place {
                        height: other.height,
                        ..Place::default()
                    });
                }
            }
            None => {
                let whole = comparison.whole;
                let blocks = counted(whole, "complete block");
                let mut text = format!("everything that both cover is equal: {blocks}");
                text += &a.vocabulary.amount(comparison.amount());
                text += &judgements.map_or(String::new(), judged_words);
                text += &parts_words(comparison);
                self.decide(Verdict::Identical, text);
            }
        }
    }
}

/// Digests of a host that may have traced nothing are equal, and no AppHash says that the
/// state is too.
fn unhashed_words(
    parties: [&Party; 2],
    comparison: &Comparison,
) -> Option<(Verdict, String, Vec<String>)> {
    let height = comparison.unhashed?;
    parties[0].vocabulary.trace()?;
    let prints = parties.map(|party| party.source.is_fingerprint());
    let whose = match prints {
        [true, true] => "A and B",
        [true, false] => "A",
        _ => "B",
    };
    Some((
        Verdict::Insufficient,
        format!(
            "everything that both sides recorded is equal, but the AppHash of height {height} is \
             not known on both sides: what a host does not record may differ"
        ),
        vec![format!(
            "the recordings of {whose}, or new fingerprints of them, made by this version or a \
             later one"
        )],
    ))
}

/// What decides may stand in what one side alone records.
fn one_sided_words(comparison: &Comparison) -> Option<(Verdict, String, Vec<String>)> {
    let (height, of) = comparison.one_sided?;
    let only = streams::only(of, comparison.streams());
    Some((
        Verdict::Insufficient,
        format!(
            "everything that both sides recorded is equal, but at height {height} {only}, and \
             these may decide the outcome"
        ),
        vec!["the same heights from two nodes that record the same kinds of entries".to_owned()],
    ))
}

/// What both said of things in the blocks, in words.
fn judged_words(judgements: &Judgements) -> String {
    let alike = judgements.alike;
    let open = match judgements.open {
        0 => String::new(),
        open => format!(", not decided on both sides: {open}"),
    };
    format!(", equal verdicts: {alike}{open}")
}

/// The first height at which each side has a block of its own.
fn replaced(comparison: &Comparison, gone: Option<&BTreeSet<u64>>) -> Option<String> {
    let mut heights = comparison.replaced.iter();
    let height = heights.find(|height| !gone.is_some_and(|gone| gone.contains(height)))?;
    Some(format!(
        "the two sides have different blocks at height {height}: the chain replaced one of them, \
         or its nodes disagree; find out which one is finalized"
    ))
}

/// The key of the read that gave another value.
fn key_read(vocabulary: &dyn Vocabulary, finding: &Finding) -> Option<StoreKey> {
    let own = finding.steps[0].as_ref();
    let read = own.filter(|step| vocabulary.role_of(&step.line) == Role::Read);
    let asked = read.or(finding.leading[0].last())?;
    StoreKey::of_read(vocabulary, &asked.line)
}

/// The key to which both write, or the only one that does.
fn key_written(vocabulary: &dyn Vocabulary, finding: &Finding) -> Option<StoreKey> {
    let mut steps = finding.steps.iter().flatten();
    let written = |entry: &Entry| StoreKey::of_write(vocabulary, &entry.line);
    let key = steps.next().and_then(written)?;
    let is_same = steps
        .next()
        .is_none_or(|other| written(other).as_ref() == Some(&key));
    is_same.then_some(key)
}

fn cranks_before(block: &BlockTape, unit: usize) -> u64 {
    let before = block.units.iter().take(unit);
    before.filter(|unit| unit.crank().is_some()).count() as u64
}

/// Of which heights only a part was compared, in words.
fn parts_words(comparison: &Comparison) -> String {
    let rows = comparison.rows.iter();
    let parts: Vec<String> = rows
        .filter(|row| !row.whole)
        .map(|row| row.height.to_string())
        .collect();
    match parts.as_slice() {
        [] => String::new(),
        [height] => format!("; height {height} was only partly compared"),
        [first, .., last] => format!(
            "; {} heights from {first} to {last} were only partly compared",
            parts.len()
        ),
    }
}

/// A side's sender leaves out what cannot be seen to be missing.
fn is_left_out(comparison: &Comparison) -> bool {
    comparison.sides.iter().any(|side| side.summary.wrapped > 0)
}

/// Some height before this one is not there, or nothing of it could be compared.
fn has_gaps_before(comparison: &Comparison, height: u64) -> bool {
    let missing = |side: &Coverage| side.missing.iter().any(|missing| *missing < height);
    let mut rows = comparison.rows.iter();
    comparison.sides.iter().any(missing)
        || rows.any(|row| row.height < height && row.agreement == Agreement::Unknown)
}

/// Why nobody can say that two sources are equal, though all that both tell is.
fn left_out(comparison: &Comparison) -> String {
    let wrapped = |at: usize| comparison.sides[at].summary.wrapped > 0;
    let who = match (wrapped(0), wrapped(1)) {
        (true, true) => "the slog senders of both drop",
        (true, false) => "the slog sender of A drops",
        _ => "the slog sender of B drops",
    };
    let told = |row: &&HeightRow| row.agreement == Agreement::Partial;
    let heights = comparison.rows.iter().filter(told).count();
    format!(
        "everything that both sides recorded is equal (heights: {heights}, cranks: {}), but {who} \
         members and entries: differences there cannot be seen; compare the plain slogs",
        comparison.cranks.0
    )
}

/// The first height that both have and of which a side's entries do not stand as its
/// kernel wrote them.
fn broken(comparison: &Comparison) -> Option<(u64, String)> {
    let common = |height: u64| comparison.rows.iter().any(|row| row.height == height);
    let first = comparison.sides.each_ref().map(|side| {
        let mut faults = side.faults.iter();
        faults.find(|(height, _)| common(*height))
    });
    let (height, who, why) = match first {
        [Some((a, why)), Some((b, other))] if a == b && why == other => (*a, "both", why),
        [Some((a, why)), other] if other.is_none_or(|(b, of_b)| (a, why) < (b, of_b)) => {
            (*a, "A", why)
        }
        [_, Some((b, why))] => (*b, "B", why),
        _ => return None,
    };
    Some((
        height,
        format!(
            "everything else is equal, but the entries of {who} are inconsistent at height \
             {height}: {why}"
        ),
    ))
}

/// A height missing in the middle, or damage, where all the rest is equal. Of several
/// the lowest, whichever source was named first.
fn uncovered(comparison: &Comparison, gone: Option<&BTreeSet<u64>>) -> Option<String> {
    let gone = |height: &u64| gone.is_some_and(|gone| gone.contains(height));
    let common = |height: &u64| {
        !gone(height)
            && comparison.sides.iter().all(|side| {
                side.heights
                    .is_some_and(|(first, last)| (first..=last).contains(height))
            })
    };
    let within = |height: &u64| {
        let at = comparison.rows.iter().position(|row| row.height == *height);
        at.is_some_and(|at| at > 0 && at + 1 < comparison.rows.len())
    };
    let lacking = |of: fn(&Coverage) -> &Vec<u64>, wanted: &dyn Fn(&u64) -> bool| {
        let first = comparison.sides.each_ref().map(|side| {
            let mut heights = of(side).iter().copied();
            heights.find(|height| wanted(height))
        });
        let height = first.iter().flatten().copied().min()?;
        let who = match first {
            [Some(a), Some(b)] if a == b => "neither side completely covers",
            [Some(a), _] if a == height => "A does not completely cover",
            _ => "B does not completely cover",
        };
        Some((height, who))
    };
    let missing = lacking(|side| &side.missing, &common);
    let partial = lacking(|side| &side.incomplete, &within);
    // At the edges of a recording a beginning or an end may be missing, and no more.
    let holed = lacking(|side| &side.holed, &common);
    let (height, who) = missing.into_iter().chain(partial).chain(holed).min()?;
    Some(format!(
        "everything else is equal, but {who} height {height}; get a complete recording of it"
    ))
}

fn facts(party: &Party, side: &Coverage) -> SideFacts {
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
        again: side
            .executions
            .again
            .iter()
            .map(|again| again.height)
            .collect(),
        rewritten: side.summary.rewritten,
        carried_by: side.summary.carrier.map(|by| by.to_string()),
        damage: side.summary.holes.clone(),
        kernel_starts: kernel_starts(party, side),
        streams: streams::facts(party.vocabulary, &side.summary),
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

/// Where a kernel started; a host without one has none.
fn kernel_starts(party: &Party, side: &Coverage) -> Vec<u64> {
    match party.vocabulary.has_cranks() {
        true => side.summary.kernel_starts.clone(),
        false => Vec::new(),
    }
}

fn notes(parties: [&Party; 2], settled: &Settled) -> Vec<String> {
    let mut notes = Vec::new();
    let sides = &settled.comparison.sides;
    for ((name, side), party) in [("A", &sides[0]), ("B", &sides[1])]
        .into_iter()
        .zip(parties)
    {
        notes.extend(execution_notes(name, side, party.attempt, settled));
        if let Some((first, _)) = side
            .heights
            .filter(|(first, _)| side.incomplete.contains(first) && !side.begins_whole)
        {
            notes.push(format!("{name} begins in the middle of height {first}"));
        }
        notes.extend(writing_notes(name, side, party));
    }
    notes.extend(undecided_note(&settled.comparison));
    let told = |side: &Coverage| side.summary.rewritten || side.summary.without_hashes > 0;
    if settled.same_values && !sides.iter().any(told) {
        notes.push(
            "the two differ in bytes but not in values: another JSON writer rewrote one of them"
                .to_owned(),
        );
    }
    notes
}

/// A block that may not be that of its height.
fn undecided_note(comparison: &Comparison) -> Option<String> {
    let (height, sides) = comparison.undecided.first()?;
    let who = match sides[..] {
        [which] => format!("{} executes what may be a proposal", which.name()),
        _ => "both execute what may be proposals".to_owned(),
    };
    Some(format!(
        "{who} at height {height} whose end is not recorded: whether that is the block that was \
         decided is not known, and that execution is not compared"
    ))
}

/// What is to be known of heights that were executed more than once.
fn execution_notes(
    name: &str,
    side: &Coverage,
    attempt: Option<u32>,
    settled: &Settled,
) -> Vec<String> {
    let mut notes = Vec::new();
    let executions = &side.executions;
    if let Some(height) = executions.replaced.first() {
        notes.push(format!(
            "{name} saw the chain replace its block at height {height}: the last block is compared"
        ));
        return notes;
    }
    if let Some((height, attempt)) = executions.asked.first() {
        notes.push(format!(
            "{name} executed height {height} more than once: attempt {attempt} is compared, as \
             requested"
        ));
    } else if let Some(attempt) = attempt {
        notes.push(format!(
            "{name} has no attempt {attempt} at any height that it executed more than once"
        ));
    } else if let Some((height, attempt)) = executions.diverged.first() {
        notes.push(format!(
            "{name} executed height {height} more than once, and attempt {attempt} diverged: that \
             attempt is compared; --attempt-{} N selects another",
            name.to_lowercase()
        ));
    } else if let Some(again) = executions.again.first() {
        let (height, attempt) = (again.height, again.attempt);
        let which = match again.whole {
            true => "the last complete one",
            false => "and none is complete",
        };
        notes.push(format!(
            "{name} executed height {height} more than once: attempt {attempt} is compared, {which}"
        ));
    }
    if let Some((height, other, counts)) = executions.otherwise.first() {
        notes.push(format!(
            "the attempts of {name} differ from one another: attempt {other} at height {height} \
             differs from attempt {counts}, which is compared here"
        ));
    }
    if executions.rises > 1 {
        let which = if settled.earlier {
            "the executions after the rollback are equal; the difference shown here is from \
             before it"
        } else if settled.stands {
            "only executions that were not rolled back are compared"
        } else {
            "executions that were not rolled back are compared first"
        };
        let times = match executions.rises - 1 {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        notes.push(format!(
            "{name} goes back to a lower height {times}, as after a rollback to an older state: \
             {which}"
        ));
    }
    notes
}

/// What is to be known of how a source was written.
fn writing_notes(name: &str, side: &Coverage, party: &Party) -> Vec<String> {
    let mut notes = Vec::new();
    let summary = &side.summary;
    if let Some(what) = summary.changed_by() {
        notes.push(format!("{name}: {what}"));
    }
    if summary.known == 0 && summary.lines >= SlogRules::MANY && !party.source.is_fingerprint() {
        notes.push(format!(
            "{name} has {} lines, none of them an entry that the profile {} knows: the slog has \
             another format or is from another host",
            summary.lines, party.profile.name
        ));
    }
    if summary.without_hashes > 0 {
        notes.push(format!(
            "{name} has no {} for {}: a write that no entry shows cannot be detected there",
            match summary.without_crankhashes {
                0 => "activityhash",
                _ => "crankhash",
            },
            counted(summary.without_hashes, "crank")
        ));
    }
    if let Source::Fingerprint(print) = &party.source
        && !print.version.has_activity()
    {
        notes.push(format!(
            "{name} is a fingerprint of version 1, without activityhashes: kernel work that no \
             entry shows cannot be detected there; make a new fingerprint"
        ));
    }
    notes
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

/// Some names of many.
fn listed(names: &[String]) -> String {
    match names.split_at_checked(NAMES) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}
