//! The conclusion in one sentence.

use crate::compare::cause::{Cause, Fault, Surplus};
use crate::compare::classify::Difference;
use crate::compare::finding::{
    ActivityMeaning, Caveat, ComparedExtent, Conclusion, DigestDifference, DigestDivergence,
    Divergence, Finding, Incomparable, Outcome, RecordingFacts, Undecided,
};
use crate::compare::judgements::Dissent;
use crate::compare::order::Moved;
use crate::compare::pair::HeightRow;
use crate::compare::replay::Mismatch;
use crate::compare::side::{Side, Who};
use crate::compare::streams::OneSidedStream;
use crate::compare::version::Version;
use crate::count::counted;
use crate::vocabulary::{Vocabulary, entry};

/// The sentence, without its full stop.
pub fn words(finding: &Finding) -> String {
    let mut words = conclusion(finding);
    for caveat in &finding.caveats {
        words = match caveat {
            Caveat::AfterGap => format!(
                "the first difference comes directly after missing heights, which may contain its \
                 cause: {words}"
            ),
            Caveat::BeginsInside { who, height } => behind(&begins_inside(*who, *height), &words),
            Caveat::TooLarge => TOO_LARGE.to_owned(),
            Caveat::Truncated(lines) => behind(&truncated(*lines), &words),
            Caveat::Version(version) => behind(&self::version(version), &words),
            Caveat::Disorder { who, why } => {
                let disorder = disorder(*who, why.as_deref(), finding.vocabulary);
                behind(&disorder, &words)
            }
        };
    }
    words
}

const TOO_LARGE: &str = "they differ in a crank that has more entries than are compared: what differs first is not \
     certain";

fn begins_inside(who: Who, height: u64) -> String {
    let who = match who {
        Who::One(side) => format!("{} begins", side.name()),
        Who::Both => "both begin".to_owned(),
    };
    format!(
        "{who} in the middle of height {height}: an earlier difference in that block may be the \
         cause"
    )
}

fn behind(caveat: &str, words: &str) -> String {
    format!("{caveat}; the first difference: {words}")
}

fn truncated(lines: [Option<u64>; 2]) -> String {
    let one = |line: u64, name: &str| format!("line {line} of {name} contains a truncated entry");
    match lines {
        [Some(line), None] => one(line, "A"),
        [None, Some(line)] => one(line, "B"),
        _ => "both contain a truncated entry".to_owned(),
    }
}

fn version(version: &Version) -> String {
    let (name, other) = (version.side.name(), version.side.other().name());
    let Version { kind, count, .. } = version;
    match &version.member {
        Some(member) => format!(
            "{name} writes {member} into each of its {count} {kind} entries, {other} into none: \
             one of the two is another version"
        ),
        None => format!(
            "{name} writes {kind} entries ({count} of them), {other} writes none: one of the two \
             is another version or is configured differently"
        ),
    }
}

fn disorder(who: Who, why: Option<&str>, vocabulary: &dyn Vocabulary) -> String {
    let why = why.map_or(String::new(), |why| format!(" ({why})"));
    format!(
        "the entries of {} are not in the order in which a {} writes them{why}: some are missing \
         or misplaced, which may be the cause of the difference",
        or_both(who),
        vocabulary.runner()
    )
}

fn or_both(who: Who) -> &'static str {
    match who {
        Who::One(side) => side.name(),
        Who::Both => "both",
    }
}

fn or_neither(who: Who) -> &'static str {
    match who {
        Who::One(side) => side.name(),
        Who::Both => "neither side",
    }
}

/// The names of the sources that are fingerprints.
pub(super) fn a_and_b(who: Who) -> &'static str {
    match who {
        Who::One(side) => side.name(),
        Who::Both => "A and B",
    }
}

fn conclusion(finding: &Finding) -> String {
    match &finding.conclusion {
        Conclusion::Incomparable(why) => incomparable(why, &finding.recordings),
        Conclusion::Replay(side, mismatch) => replay(*side, mismatch),
        Conclusion::Step(divergence) => {
            let begins_inside = |caveat: &Caveat| matches!(caveat, Caveat::BeginsInside { .. });
            let in_part = finding.caveats.iter().any(begins_inside);
            step(divergence, in_part, finding.vocabulary)
        }
        Conclusion::Digests(found) => digests(found),
        Conclusion::Activity(found) => activity(found.means, finding.vocabulary),
        Conclusion::Recorders { dissent, is_final } => recorders(dissent, *is_final),
        Conclusion::Undecided {
            why,
            other_app_hash,
        } => undecided(why, *other_app_hash),
        Conclusion::Outcome { outcome, .. } => self::outcome(outcome),
        Conclusion::Identical(extent) => identical(extent, finding),
    }
}

// ---- two recordings that cannot be compared ----

fn incomparable(why: &Incomparable, recordings: &[RecordingFacts; 2]) -> String {
    match why {
        Incomparable::Profiles([a, b]) => format!(
            "the sources were recorded with different profiles, {a} and {b}; choose one for both \
             with --profile"
        ),
        Incomparable::Redacted(keys) => {
            let [a, b] = keys.each_ref().map(|keys| match &keys[..] {
                [] => "is not redacted".to_owned(),
                keys => format!("is redacted with key {}", keys.join(" and ")),
            });
            format!(
                "A {a}, B {b}, so equal values look different; compare the original sources, or \
                 have both redacted with one key (haltbox redact --key-file)"
            )
        }
        Incomparable::NoSlog(profile) => {
            format!("the profile {profile} has no slog section, so there are no steps to compare")
        }
        Incomparable::Chains([a, b]) => {
            format!("the sources are from different chains, {a} and {b}")
        }
        Incomparable::NoBlocks {
            who,
            prefixed,
            cranks,
            in_range,
        } => {
            let article = if *who == Who::Both { "an" } else { "no" };
            let why = why_no_block(*prefixed, *cranks);
            let range = if *in_range {
                " (in the selected range of heights)"
            } else {
                ""
            };
            let who = or_neither(*who);
            format!("{who} contains {article} execution of a block{why}{range}")
        }
        Incomparable::Rewritten(side) => format!(
            "{} was rewritten by another JSON writer: its bytes cannot be compared with a \
             fingerprint; compare the recordings themselves",
            side.name()
        ),
        Incomparable::Dropped(side) => format!(
            "the slog sender of {} drops members and entries: its lines cannot be compared with a \
             fingerprint; compare the recordings themselves",
            side.name()
        ),
        Incomparable::Crankhashes(who) => {
            let has = if *who == Who::Both {
                "has all"
            } else {
                "has no"
            };
            format!(
                "{} {has} crankhashes: digests with and without crankhashes cannot be compared; \
                 compare the recordings themselves",
                or_neither(*who)
            )
        }
        Incomparable::Replaced(height) => other_blocks(*height),
        Incomparable::NoWholeHeight => format!(
            "no height is complete on both sides: A covers {}, B {}",
            range(&recordings[0]),
            range(&recordings[1])
        ),
    }
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

fn range(recording_facts: &RecordingFacts) -> String {
    match recording_facts.heights {
        Some((first, last)) if first == last => format!("height {first}"),
        Some((first, last)) => format!("heights {first} to {last}"),
        None => "no height".to_owned(),
    }
}

fn other_blocks(height: u64) -> String {
    format!(
        "the two sides have different blocks at height {height}: the chain replaced one of them, \
         or its nodes disagree; find out which one is finalized"
    )
}

// ---- a replay ----

fn replay(side: Side, mismatch: &Mismatch) -> String {
    let before = mismatch
        .before_height
        .map_or(String::new(), |height| format!(" before height {height}"));
    let (own, delivery, vat) = (side.name(), mismatch.delivery, &mismatch.vat);
    match mismatch.of_other {
        false => format!(
            "{own} replayed delivery {delivery} of {vat}{before}, and the replay differs from the \
             original execution"
        ),
        true => format!(
            "{own} replayed delivery {delivery} of {vat}{before}, and the replay differs from the \
             execution on {}; the original execution on {own} is not recorded, so either side may \
             be wrong",
            side.other().name()
        ),
    }
}

// ---- a step ----

/// `in_part`: a side does not have the beginning of the block, so nothing is known to be equal
/// before the step but what both recorded.
fn step(divergence: &Divergence, in_part: bool, vocabulary: &dyn Vocabulary) -> String {
    let difference = &divergence.difference;
    let words = match (difference.is_broken(), in_part) {
        (true, _) => faults(&difference.faults),
        (false, true) => cause_in_part(difference, vocabulary),
        (false, false) => cause(difference, vocabulary),
    };
    match divergence.is_result_only {
        true => format!("{words}, but the AppHash is the same"),
        false => words,
    }
}

fn faults(faults: &[Option<Fault>; 2]) -> String {
    let broken = |fault: &Fault, name: &str| {
        format!(
            "the recording of {name} is broken here: {}",
            fault_words(fault)
        )
    };
    match faults {
        [Some(fault), None] => broken(fault, "A"),
        [None, Some(fault)] => broken(fault, "B"),
        [Some(a), Some(b)] => {
            let mut both = [(fault_words(a), "A"), (fault_words(b), "B")];
            both.sort_unstable();
            let [(one, x), (other, y)] = both;
            format!("the recordings of both are broken here: {x}: {one}; {y}: {other}")
        }
        [None, None] => String::new(),
    }
}

fn fault_words(fault: &Fault) -> String {
    match fault {
        Fault::Truncated { line } => format!("line {line} is not a complete JSON object"),
        Fault::Structure(words) => words.clone(),
        Fault::CrankNumber { crank, before } => format!("crank {crank} follows crank {before}"),
        Fault::Chain { crank } => format!(
            "the activityhash of crank {crank} does not follow from the crank before it: something \
             between them was removed, added or changed"
        ),
    }
}

fn cause(difference: &Difference, vocabulary: &dyn Vocabulary) -> String {
    let plain = match &difference.cause {
        Cause::LeftKey(side) => return left_key(*side),
        Cause::Root { store, written_on } => return root(store, *written_on),
        Cause::OtherCourse => return other_course(difference),
        Cause::Deferred { side, to } => return deferred(*side, *to),
        Cause::Extra { side, count, of } => return extra(difference, *side, *count, *of),
        Cause::OtherInputs(names) => return other_inputs(names),
        Cause::Snapshot => return snapshot(difference),
        Cause::OtherMessage => return by_runner(vocabulary, "continued with another message"),
        Cause::CrankNumber => {
            let words = "gives this crank another number although everything before it is equal";
            return by_runner(vocabulary, words);
        }
        Cause::TriggersReordered => {
            let runner = vocabulary.runner();
            return format!("the inputs from outside the {runner} came in another order");
        }
        Cause::LeftValue => {
            return format!("the block leaves another value under the same key{ONLY_OPERATIONS}");
        }
        Cause::ReadAnswer => "a read returned another value although everything before it is equal",
        Cause::DeviceAnswer => "a device answered differently",
        Cause::KernelAnswer => "the kernel answered the same syscall differently",
        Cause::DeliveryResult => "the same delivery ended differently",
        Cause::TransactionResult => "the same transaction ended differently",
        Cause::OtherStep => "the inputs and reads before are equal, but the step here differs",
        Cause::PollResult => "the same trigger came in, but its result differs",
        Cause::CranksReordered => "the same cranks ran in another order",
        Cause::StepsReordered => "the same steps ran in another order",
        Cause::EntriesReordered => "the same entries are in another order",
        Cause::OperationsReordered(Moved::Reads) => {
            "the same reads come in another order, and the steps after them differ"
        }
        Cause::OperationsReordered(Moved::Keys) => {
            "the same keys are written in another order, with other values"
        }
        Cause::InputsReordered => "the same inputs came in another order",
        Cause::InputNumber => "the same input came with another number",
        Cause::BlockParameters => "the block itself came with other parameters",
        Cause::OtherInput => "a different input came in here",
        Cause::OtherPoll => "a different trigger came in here",
        Cause::OtherTrigger(words) => words,
        Cause::CrankHash => EQUAL_STEPS,
    };
    plain.to_owned()
}

/// The cause, without a word about what is not recorded on both sides.
fn cause_in_part(difference: &Difference, vocabulary: &dyn Vocabulary) -> String {
    let plain = match &difference.cause {
        Cause::ReadAnswer => "a read returned another value",
        Cause::OtherStep => "the step here differs",
        Cause::OtherCourse => "the block was executed differently",
        Cause::Snapshot => "the heap snapshot has another ID",
        Cause::CrankNumber => {
            return by_runner(vocabulary, "gives this crank another number");
        }
        _ => return cause(difference, vocabulary),
    };
    plain.to_owned()
}

const EQUAL_STEPS: &str =
    "every step of the crank is equal, but its crankhash differs: a write that no entry shows";

const ONLY_OPERATIONS: &str =
    "; only recorded operations show whether a read or the execution is the cause";

fn by_runner(vocabulary: &dyn Vocabulary, words: &str) -> String {
    format!("the {} {words}", vocabulary.runner())
}

fn left_key(side: Side) -> String {
    let only = side.name();
    format!("the block changes this key only on {only}{ONLY_OPERATIONS}")
}

fn snapshot(difference: &Difference) -> String {
    format!(
        "the heap snapshot of {} has another ID although every recorded delivery before it is equal",
        difference.numbers.vat.as_deref().unwrap_or("a vat")
    )
}

fn deferred(side: Side, to: u64) -> String {
    format!(
        "{} deferred an input to height {to} that {} ran here",
        side.other().name(),
        side.name()
    )
}

fn root(store: &str, written_on: Option<Side>) -> String {
    let differs = format!(
        "the root of store {store} differs, but everything that both recorded before is equal"
    );
    match written_on {
        Some(side) => format!(
            "{differs}: only {} has entries of that store at this height; the cause may be what \
             it wrote, or the database",
            side.name()
        ),
        None => {
            format!("{differs}: either the database differs, or a write was not recorded")
        }
    }
}

fn other_course(difference: &Difference) -> String {
    let differently = "the inputs are equal, but the block was executed differently";
    let [Some(a), Some(b)] = &difference.steps else {
        return differently.to_owned();
    };
    let kind = |line: &[u8]| entry::type_of(line).into_owned();
    let mut kinds = [(kind(&a.line), "A"), (kind(&b.line), "B")];
    // Sorted, so that the sentence does not depend on which source was named first.
    kinds.sort_unstable();
    let [(one, x), (other, y)] = kinds;
    match one == other {
        true => differently.to_owned(),
        false => format!("{differently}: {one} on {x}, {other} on {y}"),
    }
}

fn extra(difference: &Difference, side: Side, count: usize, of: Surplus) -> String {
    let (name, other, kind) = (side.name(), side.other().name(), &difference.kind);
    match (of, count) {
        (Surplus::Input, _) => format!("{name} took an input here that {other} did not"),
        (Surplus::Cranks, 1) => format!("{name} ran a crank here that {other} did not"),
        (Surplus::Cranks, count) => {
            format!("{name} ran {count} cranks or entries here that {other} did not")
        }
        (_, 1) => format!("{name} has one more entry here: {kind}"),
        (_, _) => format!("{name} has more entries here, starting with {kind}"),
    }
}

/// A block was given other inputs: their names.
fn other_inputs(names: &[String]) -> String {
    format!("the block had another input: {}", names.join(", "))
}

// ---- digests ----

fn digests(found: &DigestDivergence) -> String {
    let height = found.height;
    match &found.difference {
        DigestDifference::UnknownVersion(who) => {
            let who = match who {
                Who::One(Side::A) => "A holds",
                Who::One(Side::B) => "B holds",
                Who::Both => "both hold",
            };
            format!(
                "they differ at height {height}, where {who} entries or members that no kernel \
                 version known to this program writes: digests cannot distinguish another version \
                 from another execution; compare the recordings themselves"
            )
        }
        DigestDifference::Inputs(names) => other_inputs(names),
        DigestDifference::Unit {
            crank,
            fingerprints,
            same_app_hash,
            may_be_harmless,
            ..
        } => {
            let place = match crank {
                Some(crank) => format!("crank {crank}"),
                None => "an entry outside cranks".to_owned(),
            };
            let whose = a_and_b(*fingerprints);
            let more = beside_digests(*same_app_hash, *may_be_harmless);
            format!(
                "they differ in {place} of height {height}; to determine the class, compare the \
                 entries of {whose}{more}"
            )
        }
    }
}

fn beside_digests(same_app_hash: Option<bool>, may_be_harmless: bool) -> String {
    let harmless = "; the entries also show whether it matters: a node that has just started \
                    reads more than one that is running";
    match (same_app_hash, may_be_harmless) {
        (Some(false), _) => "; the AppHashes after it differ too".to_owned(),
        (Some(true), true) => format!("{harmless}; the AppHashes after it are the same"),
        (None, true) => harmless.to_owned(),
        (_, false) => String::new(),
    }
}

fn activity(means: ActivityMeaning, vocabulary: &dyn Vocabulary) -> String {
    match means {
        ActivityMeaning::Dropped => "the steps that both sides recorded are equal, but the \
                                     activityhashes differ: the difference may be in entries that \
                                     a slog sender dropped"
            .to_owned(),
        ActivityMeaning::Before => "the cranks are equal, but the activityhash differs from the \
                                    first one on: the cause lies before it, and at least one side \
                                    does not completely cover the height before"
            .to_owned(),
        ActivityMeaning::HiddenWork => format!(
            "the cranks are equal, but the activityhash differs: one side committed {} work \
             between runs that no entry shows",
            vocabulary.runner()
        ),
        ActivityMeaning::BrokenChain => {
            "the steps are equal, but the activityhash does not follow from them".to_owned()
        }
    }
}

// ---- the recorders ----

fn recorders(dissent: &Dissent, is_final: bool) -> String {
    let words = dissent_words(dissent);
    match is_final {
        true => format!(
            "the contents of the blocks are equal, but the recorders' verdicts differ: {words}"
        ),
        false => format!(
            "the contents of the blocks are equal; the verdicts differ, but at least one of them \
             is not final: {words}"
        ),
    }
}

fn dissent_words(dissent: &Dissent) -> String {
    let (words, a, b) = (&dissent.item.words, &dissent.a.words, &dissent.b.words);
    let by = dissent.decided_by();
    let by = by.map_or(String::new(), |by| format!(", both based on {by}"));
    format!("{words}: A says {a}, B says {b}{by}")
}

// ---- nothing differs ----

fn undecided(why: &Undecided, other_app_hash: Option<u64>) -> String {
    let differ = other_app_hash.map_or(String::new(), |height| {
        format!("the AppHashes differ after height {height}; ")
    });
    let otherwise = match other_app_hash {
        None => "everything else is equal",
        Some(_) => "all entries that were compared are equal",
    };
    let words = match why {
        Undecided::Dropped {
            who,
            heights,
            cranks,
        } => {
            let who = match who {
                Who::Both => "the slog senders of both drop",
                Who::One(Side::A) => "the slog sender of A drops",
                Who::One(Side::B) => "the slog sender of B drops",
            };
            format!(
                "all entries that both sides recorded are equal (heights: {heights}, cranks: \
                 {cranks}), but {who} members and entries: differences there cannot be seen; \
                 compare the plain slogs"
            )
        }
        Undecided::Inconsistent { who, height, why } => format!(
            "{otherwise}, but the entries of {} are inconsistent at height {height}: \
             {why}",
            or_both(*who)
        ),
        Undecided::NotCovered { who, height } => {
            let who = match who {
                Who::Both => "neither side completely covers",
                Who::One(Side::A) => "A does not completely cover",
                Who::One(Side::B) => "B does not completely cover",
            };
            format!(
                "{otherwise}, but {who} height {height}; get a complete recording of \
                 it"
            )
        }
        Undecided::Replaced(height) => {
            format!("{otherwise}, but {}", other_blocks(*height))
        }
        Undecided::RunsLeftOut(pairs) => format!(
            "everything that was compared is equal, but the nodes went back to lower heights so \
             often that {} were not compared; select the heights with --from-height and \
             --to-height, or cut the recording before the rollback",
            match pairs {
                1 => "1 pair of earlier executions".to_owned(),
                pairs => format!("{pairs} pairs of earlier executions"),
            }
        ),
    };
    format!("{differ}{words}")
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Disputed { who, height } => {
            let who = does_not_cover(*who, "neither fully covers");
            format!("everything that both cover is equal, but {who} the disputed height {height}")
        }
        Outcome::AppHash {
            height,
            reads_differ,
            only,
        } => {
            let what = match reads_differ {
                true => "every input, write and result",
                false => "every entry",
            };
            let only = only.as_ref().map_or(String::new(), |only| {
                let only = only_words(only);
                format!("; at height {height} {only}: the difference may be in these")
            });
            format!("{what} up to height {height} is equal, but the AppHashes differ{only}")
        }
        Outcome::AppHashInPart { who, height } => {
            let who = does_not_cover(*who, "neither covers");
            format!(
                "the AppHashes already differ after height {height}, which {who} completely: the \
                 difference is there or earlier"
            )
        }
        Outcome::Results(height) => format!(
            "every entry and the AppHash are equal, but the LastResultsHash of height {height} \
             differs"
        ),
        Outcome::OneSided(height, only) => format!(
            "everything that both sides recorded is equal, but at height {height} {}, and these \
             may decide the outcome",
            only_words(only)
        ),
        Outcome::Unhashed { height, .. } => format!(
            "everything that both sides recorded is equal, but the AppHash of height {height} is \
             not known on both sides: what a host does not record may differ"
        ),
    }
}

fn does_not_cover(who: Who, neither: &str) -> String {
    match who {
        Who::One(side) => format!("{} does not cover", side.name()),
        Who::Both => neither.to_owned(),
    }
}

fn only_words(only: &OneSidedStream) -> String {
    let name = only.name.as_deref().unwrap_or("an unknown kind");
    format!("only {} has entries of {name}", only.side.name())
}

fn identical(extent: &ComparedExtent, finding: &Finding) -> String {
    let blocks = counted(extent.whole, "complete block");
    let amount = finding.vocabulary.amount(extent.amount);
    let judged = extent.judged.map_or(String::new(), |(alike, open)| {
        let open = match open {
            0 => String::new(),
            open => format!(", not decided on both sides: {open}"),
        };
        format!(", equal verdicts: {alike}{open}")
    });
    let parts = parts(&finding.heights);
    format!("everything that both cover is equal: {blocks}{amount}{judged}{parts}")
}

/// The heights of which only a part was compared.
fn parts(rows: &[HeightRow]) -> String {
    let in_part = rows.iter().filter(|row| !row.whole);
    let parts: Vec<u64> = in_part.map(|row| row.height).collect();
    match parts.as_slice() {
        [] => String::new(),
        [height] => format!("; height {height} was only partly compared"),
        [first, .., last] => format!(
            "; {} heights from {first} to {last} were only partly compared",
            parts.len()
        ),
    }
}
