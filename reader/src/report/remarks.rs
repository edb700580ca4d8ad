//! Remarks besides a verdict, in one sentence each.

use crate::compare::evidence::Entry;
use crate::compare::finding::Finding;
use crate::compare::inputs::{InputsAgreement, LocalDifference};
use crate::compare::outcome::HarmlessDifference;
use crate::compare::remark::{AfterRollback, ExecutionChoice, HarmlessSteps, OfRecording, Remark};
use crate::compare::side::{Side, Who};
use crate::count::counted;
use crate::vocabulary::Vocabulary;

/// Limit of the names that are listed.
const NAMES: usize = 8;

/// A remark in words.
pub(super) fn words(remark: &Remark, finding: &Finding) -> String {
    let plain = match remark {
        Remark::Recording(side, of) => return of_recording(side.name(), of),
        Remark::Undecided(height, who) => return undecided(*height, *who),
        Remark::OtherReasons {
            item,
            verdict,
            reasons: [a, b],
        } => {
            return format!(
                "both say {verdict} for {item}, but for different reasons: A {a}, B {b}"
            );
        }
        Remark::FirstHeight(height) => return first_height(*height),
        Remark::HarmlessSteps(steps) => return harmless_steps(steps, finding.vocabulary),
        Remark::Events { height, steps } => return events(*height, steps, finding.vocabulary),
        Remark::OwnInput(own) => return own_input(own, ["A", "B"]),
        Remark::Inputs(agreement) => return inputs(agreement),
        Remark::Roots(height, stores) => {
            let stores = stores.join(", ");
            return format!("after height {height} the roots of these stores differ: {stores}");
        }
        Remark::SameValues => {
            "the two differ in bytes but not in values: another JSON writer rewrote one of them"
        }
        Remark::LossyNumbers => {
            "these entries contain integers above 2^53, which the slog's writer rounds"
        }
        Remark::XsnapBuilds => {
            "either the heap differs, or another build of xsnap wrote it: compare the builds of \
             xsnap first"
        }
        Remark::RunPolicy => {
            "deferred because the run policy stopped one side earlier (compute limit); no input is \
             missing"
        }
        Remark::RecorderSettings => {
            "this verdict also depends on the settings of the recorders: compare those first"
        }
        Remark::DroppedBefore => {
            "only what both sides recorded was compared: the nodes may have diverged earlier, in \
             entries that a slog sender dropped"
        }
    };
    plain.to_owned()
}

fn first_height(height: u64) -> String {
    format!(
        "height {height} is the first that both cover: the fault may have happened before the \
         recordings begin"
    )
}

/// A remark about one recording, called `name`.
fn of_recording(name: &str, remark: &OfRecording) -> String {
    match remark {
        OfRecording::BlockReplaced(height) => format!(
            "{name} saw the chain replace its block at height {height}: the last block is compared"
        ),
        OfRecording::Attempt {
            height,
            attempt,
            choice,
        } => compared_attempt(name, *height, *attempt, *choice),
        OfRecording::NoSuchAttempt(attempt) => {
            format!("{name} has no attempt {attempt} at any height that it executed more than once")
        }
        OfRecording::AttemptsDiffer {
            height,
            other,
            compared,
        } => format!(
            "the attempts of {name} differ from one another: attempt {other} at height {height} \
             differs from attempt {compared}, which is compared here"
        ),
        OfRecording::WentBack { times, compared } => went_back(name, *times, *compared),
        OfRecording::BeginsInside(first) => {
            format!("{name} begins in the middle of height {first}")
        }
        OfRecording::Changed(how) => format!("{name}: {how}"),
        OfRecording::UnknownEntries { lines, profile } => format!(
            "{name} has {lines} lines, none of them an entry that the profile {profile} knows: the \
             slog has another format or is from another host"
        ),
        OfRecording::NoHashes {
            cranks,
            activity_only,
        } => no_hashes(name, *cranks, *activity_only),
        OfRecording::OldFingerprint => old_fingerprint(name),
        OfRecording::NoVerdicts => no_verdicts(name),
        OfRecording::ReplaysMatch { checked, unknown } => format!(
            "{name}: replayed deliveries that match their original: {checked}, without an original \
             here: {unknown}"
        ),
        OfRecording::Snapshot(words) => format!("{name}: {words}"),
        OfRecording::VatLoaded { vat, line } => format!("{name} last loaded {vat} at line {line}"),
        OfRecording::NotCovered(missing) => format!(
            "{name} does not cover height {missing}: the nodes may already have diverged there"
        ),
        OfRecording::ChainBreak(crank) => format!(
            "the activityhash chain of {name} breaks inside a run, at crank {crank}: that \
             recording is damaged or was changed"
        ),
        OfRecording::OnlyHere(streams) => format!(
            "only {name} has entries of {}: these are not compared",
            listed(streams)
        ),
    }
}

fn old_fingerprint(name: &str) -> String {
    format!(
        "{name} is a fingerprint of version 1, without activityhashes: kernel work that no entry \
         shows cannot be detected there; make a new fingerprint"
    )
}

fn no_verdicts(name: &str) -> String {
    format!(
        "{name} is a fingerprint: it covers the contents of the blocks, but not the recorder's \
         verdicts (valid, invalid); to compare verdicts, compare the recordings themselves"
    )
}

fn compared_attempt(name: &str, height: u64, attempt: u32, choice: ExecutionChoice) -> String {
    let again = format!("{name} executed height {height} more than once");
    match choice {
        ExecutionChoice::Requested => {
            format!("{again}: attempt {attempt} is compared, as requested")
        }
        ExecutionChoice::Diverged => format!(
            "{again}, and attempt {attempt} diverged: that attempt is compared; --attempt-{} N \
             selects another",
            name.to_lowercase()
        ),
        ExecutionChoice::LastWhole => {
            format!("{again}: attempt {attempt} is compared, the last complete one")
        }
        ExecutionChoice::NoneWhole => {
            format!("{again}: attempt {attempt} is compared, and none is complete")
        }
    }
}

fn went_back(name: &str, times: usize, compared: AfterRollback) -> String {
    let which = match compared {
        AfterRollback::Earlier => {
            "the executions after the rollback are equal; the difference shown here is from before \
             it"
        }
        AfterRollback::EarlierWhole => {
            "the executions after the rollback differ too, but they do not cover the height shown \
             here; the difference shown here is from before the rollback"
        }
        AfterRollback::StandingOnly => "only executions that were not rolled back are compared",
        AfterRollback::StandingFirst => "executions that were not rolled back are compared first",
    };
    let times = match times {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    format!(
        "{name} goes back to a lower height {times}, as after a rollback to an older state: \
         {which}"
    )
}

fn undecided(height: u64, who: Who) -> String {
    let who = match who {
        Who::One(side) => format!("{} executes what may be a proposal", side.name()),
        Who::Both => "both execute what may be proposals".to_owned(),
    };
    format!(
        "{who} at height {height} whose end is not recorded: whether that is the block that was \
         decided is not known, and that execution is not compared"
    )
}

fn no_hashes(name: &str, cranks: u64, activity_only: bool) -> String {
    let hash = match activity_only {
        true => "activityhash",
        false => "crankhash",
    };
    format!(
        "{name} has no {hash} for {}: a write that no entry shows cannot be detected there",
        counted(cranks, "crank")
    )
}

/// Steps that differ without an effect on the outcome.
fn harmless_steps(steps: &HarmlessSteps, vocabulary: &dyn Vocabulary) -> String {
    let height = steps.height;
    let [a, b] = two_steps(&steps.steps, "steps", vocabulary);
    let came = match steps.same_state {
        true => "the AppHash and the results are equal",
        false => "everything that decides the outcome is equal, as far as both recorded it",
    };
    let times = match steps.heights {
        1 => String::new(),
        heights => format!(" (and at {})", counted(heights - 1, "other height")),
    };
    let why = why_harmless(steps.how);
    format!("height {height}: the steps differ, but {came}{times}: {a}; {b}: {why}")
}

fn events(height: u64, steps: &[Option<Entry>; 2], vocabulary: &dyn Vocabulary) -> String {
    let [a, b] = two_steps(steps, "events", vocabulary);
    format!(
        "height {height}: the events differ too: {a}; {b}: they may show where to look, but they \
         decide nothing, because another release may emit other events for the same execution"
    )
}

/// The step of each side in one line, or that the side has none.
fn two_steps(steps: &[Option<Entry>; 2], what: &str, vocabulary: &dyn Vocabulary) -> [String; 2] {
    let words = |side: Side| {
        let name = side.name();
        let Some(step) = &steps[side.index()] else {
            return format!("{name} has no more {what}");
        };
        let brief = vocabulary.brief(&String::from_utf8_lossy(&step.line));
        format!("{name} line {}: {brief}", step.number)
    };
    [words(Side::A), words(Side::B)]
}

/// Why steps may differ without an effect.
fn why_harmless(how: HarmlessDifference) -> &'static str {
    match how {
        HarmlessDifference::Answer => {
            "the same read returned different values: one of the two stores or caches is faulty"
        }
        HarmlessDifference::Reads => {
            "a node that has just started reads more, a node with filled caches reads less"
        }
        HarmlessDifference::Order => {
            "the same reads in another order; this had no effect here, so it does not explain a \
             difference elsewhere"
        }
        HarmlessDifference::Place => {
            "a host may record results and starts of transactions in other places"
        }
        HarmlessDifference::Told => {
            "events do not decide the outcome, and other software of the node may emit others"
        }
        HarmlessDifference::Writes => "the writes differ, but the resulting state is the same",
    }
}

/// An input of a node's own that differs. `sides`: names of the two sources.
pub fn own_input(own: &LocalDifference, sides: [&str; 2]) -> String {
    let LocalDifference { name, height, .. } = own;
    let more = match own.heights {
        1 => String::new(),
        heights => format!(" and {}", counted(heights - 1, "other height")),
    };
    let [a, b] = sides;
    let values = match &own.values {
        Some([of_a, of_b]) => format!(" ({a} has {of_a}, {b} has {of_b})"),
        None => String::new(),
    };
    format!(
        "{name} differs between {a} and {b} at height {height}{more}{values}: it is local \
         to each node, so it decides nothing, but it may be the reason why they differ"
    )
}

fn inputs(agreement: &InputsAgreement) -> String {
    match agreement {
        InputsAgreement::Differ { height, names } => format!(
            "the inputs of the blocks differ from height {height} on: {}",
            names.join(", ")
        ),
        InputsAgreement::Same { heights, names } => {
            let at = match heights {
                1 => "at the one height where both recorded them".to_owned(),
                heights => format!("at all {heights} heights where both recorded them"),
            };
            let names = names.iter().map(|(name, times)| match times {
                times if times == heights => name.clone(),
                times => format!("{name} (at {times} of them)"),
            });
            let names = names.collect::<Vec<_>>().join(", ");
            format!("the inputs of the blocks are equal {at}: {names}")
        }
    }
}

/// The first names of a list.
fn listed(names: &[String]) -> String {
    match names.split_at_checked(NAMES) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}
