//! Compares the verdicts of two recorders about the same things, where all canonical entries
//! are equal. The recorders were then given different information, which the canonical entries
//! do not show.
//!
//! A verdict can come late, and can change. A recorder that was away meanwhile reports the
//! older verdict and is not wrong. So two verdicts contradict each other only if nothing can
//! change either of them, or if both rest on the same unchangeable thing. Other differences
//! are remarks and decide nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use haltbox_format::Stream;

use super::located_parting::both;
use super::location::Location;
use super::pair::Comparison;
use super::recording::Recording;
use super::remark::Remark;
use crate::source::Item;
use crate::vocabulary::entry;
use crate::vocabulary::judging::{Judged, JudgedItem, Judgement};

/// Limit of the remarks about reasons.
const NOTES: usize = 8;

/// The verdicts of both recorders, compared.
#[derive(Debug, Default)]
pub struct Judgements {
    /// Number of things on which both decided alike.
    pub alike: u64,
    /// Number of things that one side or neither decided.
    pub open: u64,
    /// The first thing with different final verdicts.
    pub certain: Option<Dissent>,
    /// The first thing with different verdicts of which at least one may still change.
    pub doubtful: Option<Dissent>,
    /// Differences that are no contradiction.
    pub remarks: Vec<Remark>,
    /// Heights at which a side itself says that its block no longer stands.
    pub gone: BTreeSet<u64>,
}

/// A thing on which two recorders disagree.
#[derive(Clone, Debug)]
pub struct Dissent {
    /// The thing.
    pub item: JudgedItem,
    /// The verdict of side A.
    pub a: Judgement,
    /// The verdict of side B.
    pub b: Judgement,
}

/// Reads and compares the verdicts of both. Returns `None` if entries of this kind hold no
/// verdicts, or a side is a fingerprint, which holds none.
///
/// # Errors
/// An error from reading a source.
pub fn compare(
    a: &Recording,
    b: &Recording,
    comparison: &Comparison,
) -> io::Result<Option<Judgements>> {
    if a.source.is_fingerprint() || b.source.is_fingerprint() || !is_judged(a) {
        return Ok(None);
    }
    let [of_a, of_b] = both(|| read(a), || read(b))?;
    let same = &comparison.common.same;
    let gone = of_a.gone.iter().chain(&of_b.gone).copied().collect();
    let mut others: BTreeMap<(u64, String, u64), Option<Judgement>> = BTreeMap::new();
    for item in of_b.items {
        others.insert((item.height, item.block, item.number), item.judgement);
    }
    let mut found = Judgements {
        gone,
        ..Judgements::default()
    };
    for item in of_a.items {
        let key = (item.height, item.block.clone(), item.number);
        if let (true, Some(other)) = (same.contains(item.height), others.remove(&key)) {
            found.take(item, other);
        }
    }
    Ok(Some(found))
}

/// Whether entries of the recording hold verdicts, which are not canonical.
pub fn is_judged(recording: &Recording) -> bool {
    recording.vocabulary.judging().is_some()
}

fn read(recording: &Recording) -> io::Result<Judged> {
    let Some(mut judging) = recording.vocabulary.judging() else {
        return Ok(Judged::default());
    };
    let mut number = 0;
    recording.source.read(&recording.profile, &mut |item| {
        match item {
            Item::Line(line) if line.stream == Stream::Node || line.context => {}
            Item::Line(line) => {
                recording.took(line.bytes.len());
                number += u64::from(line.newline || line.whole);
                match line.whole {
                    true => judging.take(line.bytes, number),
                    false => judging.hole(),
                }
            }
            Item::Hole(hole) if hole.of_blocks => judging.hole(),
            Item::Hole(_) => {}
        }
        Ok(true)
    })?;
    recording.end_pass();
    Ok(judging.end())
}

impl Judgements {
    fn take(&mut self, mut item: JudgedItem, other: Option<Judgement>) {
        let (Some(a), Some(b)) = (item.judgement.take(), other) else {
            self.open += 1;
            return;
        };
        if a.is != b.is {
            let dissent = Dissent { item, a, b };
            let place = match dissent.is_certain() {
                true => &mut self.certain,
                false => &mut self.doubtful,
            };
            place.get_or_insert(dissent);
            return;
        }
        self.alike += 1;
        if a.why != b.why && self.remarks.len() < NOTES {
            self.remarks.push(Remark::OtherReasons {
                item: item.words,
                verdict: a.is,
                reasons: [a.words, b.words],
            });
        }
    }
}

impl Dissent {
    fn is_certain(&self) -> bool {
        self.a.is_final && self.b.is_final || self.is_of_one_thing()
    }

    /// Whether both verdicts rest on the same thing.
    fn is_of_one_thing(&self) -> bool {
        self.a.decided_by.is_some() && self.a.decided_by == self.b.decided_by
    }

    /// The location of the thing.
    pub fn location(&self) -> Location {
        Location {
            height: self.item.height,
            log: Some(self.item.number),
            kind: entry::type_of(&self.a.line).into_owned(),
            ..Location::default()
        }
    }

    /// The one thing that decided both verdicts.
    pub fn decided_by(&self) -> Option<&str> {
        self.a
            .decided_by
            .as_deref()
            .filter(|_| self.is_of_one_thing())
    }

    /// Whether a verdict depends on the settings of its recorder. These have to be compared before
    /// a node is suspected.
    pub fn rests_on_settings(&self) -> bool {
        self.a.by_settings || self.b.by_settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement((is, why, is_final): (&str, &str, bool)) -> Judgement {
        Judgement {
            is: is.to_owned(),
            why: (!why.is_empty()).then(|| why.to_owned()),
            words: format!("{is} {why}"),
            is_final,
            decided_by: None,
            by_settings: false,
            line: Vec::new(),
            line_number: 1,
        }
    }

    fn item(judgement: Option<Judgement>) -> JudgedItem {
        JudgedItem {
            height: 7,
            block: "0xa".to_owned(),
            number: 0,
            words: "log 0".to_owned(),
            judgement,
        }
    }

    /// Whether there is a certain and a doubtful dissent; numbers of alike, open, and remarks.
    type Counts = (bool, bool, u64, u64, usize);

    #[test]
    fn two_who_find_otherwise_in_the_same_thing_contradict_one_another_at_any_time() {
        let by = |is, by: Option<&str>| Judgement {
            decided_by: by.map(str::to_owned),
            ..judgement((is, "", false))
        };
        let (x, y) = (Some("block 0x1"), Some("block 0x2"));
        for (a, b, certain) in [
            (x, x, true),
            (x, y, false),
            (x, None, false),
            (None, None, false),
        ] {
            let mut found = Judgements::default();
            found.take(item(Some(by("valid", a))), Some(by("invalid", b)));
            assert_eq!(found.certain.is_some(), certain, "{a:?} {b:?}");
            assert_eq!(found.doubtful.is_some(), !certain, "{a:?} {b:?}");
        }
    }

    #[test]
    fn only_two_last_words_contradict_one_another() {
        let (valid, invalid) = (("valid", "", true), ("invalid", "no-log", true));
        let table: [(Option<_>, Option<_>, Counts); 8] = [
            (Some(valid), Some(valid), (false, false, 1, 0, 0)),
            (Some(valid), Some(invalid), (true, false, 0, 0, 0)),
            (
                Some(valid),
                Some(("invalid", "no-log", false)),
                (false, true, 0, 0, 0),
            ),
            (
                Some(("valid", "", false)),
                Some(invalid),
                (false, true, 0, 0, 0),
            ),
            (
                Some(("valid", "", false)),
                Some(valid),
                (false, false, 1, 0, 0),
            ),
            (Some(valid), None, (false, false, 0, 1, 0)),
            (None, None, (false, false, 0, 1, 0)),
            (
                Some(invalid),
                Some(("invalid", "no-block", true)),
                (false, false, 1, 0, 1),
            ),
        ];
        for (a, b, expected) in table {
            for [one, other] in [[a, b], [b, a]] {
                let mut found = Judgements::default();
                found.take(item(one.map(judgement)), other.map(judgement));
                let counts = (
                    found.certain.is_some(),
                    found.doubtful.is_some(),
                    found.alike,
                    found.open,
                    found.remarks.len(),
                );
                assert_eq!(counts, expected, "{one:?} {other:?}");
            }
        }
    }
}
