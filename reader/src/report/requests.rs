//! What to collect next to decide what is still open.

use super::summary::a_and_b;
use crate::compare::finding::{
    Caveat, Conclusion, DigestDifference, DigestDivergence, Divergence, Finding, Outcome,
};
use crate::compare::side::Side;
use crate::vocabulary::Vocabulary;

/// What to collect next, in words.
pub(super) fn of(finding: &Finding) -> Vec<String> {
    let mut requests = match &finding.conclusion {
        Conclusion::Step(divergence) => earlier_heights(divergence, finding),
        Conclusion::Digests(found) => entries(found).into_iter().collect(),
        Conclusion::Recorders {
            is_final: false, ..
        } => vec![
            "the same recordings again, once both report the block as settled: a recorder that was \
             not running still has the earlier verdict"
                .to_owned(),
        ],
        Conclusion::Outcome { outcome, .. } => of_outcome(outcome, finding.vocabulary),
        _ => Vec::new(),
    };
    requests.extend(finding.caveats.iter().filter_map(|caveat| {
        match caveat {
        Caveat::AfterGap => {
            Some("the heights just before, from the side where they are missing".to_owned())
        }
        Caveat::BeginsInside { who, height } => Some(format!(
            "the whole of height {height} from {}: haltbox freeze --height {height}, or an older \
             part of the slog",
            a_and_b(*who)
        )),
        Caveat::Disorder { .. } => Some(
            "the files of that recording in the order in which they were written, each of them once"
                .to_owned(),
        ),
        Caveat::Truncated(_) | Caveat::Version(_) | Caveat::TooLarge => None,
    }
    }));
    requests
}

/// Requests for the heights that may hold the last write of what was read.
fn earlier_heights(divergence: &Divergence, finding: &Finding) -> Vec<String> {
    let Some(last) = divergence.last_write.as_ref().filter(|last| last.is_read) else {
        return Vec::new();
    };
    let without = [Side::A, Side::B].into_iter();
    let without = without.filter(|side| last.writes[side.index()].is_none());
    without
        .map(|side| {
            let heights = finding.recordings[side.index()].heights;
            let first = heights.map_or(0, |(first, _)| first);
            format!(
                "the last write of {} is not in {}, which begins at height {first}: get the \
                 heights before {first}",
                last.key.text(),
                side.name()
            )
        })
        .collect()
}

fn entries(found: &DigestDivergence) -> Option<String> {
    let DigestDifference::Unit { fingerprints, .. } = &found.difference else {
        return None;
    };
    let (height, whose) = (found.height, a_and_b(*fingerprints));
    Some(format!(
        "height {height} of {whose}: haltbox freeze --height {height}, or haltbox extract"
    ))
}

fn of_outcome(outcome: &Outcome, vocabulary: &dyn Vocabulary) -> Vec<String> {
    let request = match outcome {
        Outcome::AppHash { only: None, .. } => {
            let outside = vocabulary.outside().iter();
            return outside.map(|request| (*request).to_owned()).collect();
        }
        Outcome::AppHash { height, .. } => format!(
            "height {height} from two nodes that record the same kinds of entries: one that agrees \
             with A, one that agrees with B"
        ),
        Outcome::Disputed { height, .. } => {
            format!("height {height} from that side: haltbox freeze --height {height}")
        }
        Outcome::AppHashInPart { height, .. } => {
            format!("height {height} and the heights before it, from both nodes")
        }
        Outcome::Results(_) => {
            "the transaction results of the block from both nodes (code, gas, data)".to_owned()
        }
        Outcome::OneSided(..) => {
            "the same heights from two nodes that record the same kinds of entries".to_owned()
        }
        Outcome::Unhashed { fingerprints, .. } => format!(
            "the recordings of {}, or new fingerprints of them, made by this version or a later one",
            a_and_b(*fingerprints)
        ),
    };
    vec![request]
}
