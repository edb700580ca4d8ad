//! The checks that saw the transaction of an incident, before and after a block included it.

use serde::Serialize;

use crate::vocabulary::messages::entry::{Check, Incident, Joined};

/// Limit of the checks of one incident that are listed.
const MOST: usize = 512;
const NONE: &str = "the recording contains no check of this transaction: haltbox watch records \
                    only checks from the files named with --checks, and removes the oldest ones";

/// The checks of one incident.
#[derive(Debug, Default, Serialize)]
pub struct Checks {
    /// The checks, oldest first.
    list: Vec<Witness>,
    /// Number of checks that are not listed.
    more: u64,
    /// What the checks say together.
    say: Vec<String>,
}

/// A check that saw the transaction, or its message.
#[derive(Debug, Serialize)]
struct Witness {
    #[serde(flatten)]
    check: Check,
    /// How the check is known to concern the incident.
    by: Joined,
    /// Milliseconds before the watcher saw the block; negative if the check came later.
    before_ms: i64,
}

impl Checks {
    /// Takes a check, if it concerns this incident.
    pub fn take(&mut self, incident: &Incident, check: &Check) {
        let Some(by) = check.joins(incident) else {
            return;
        };
        // A reader of a log that is killed and reads on records some checks twice.
        if self.list.iter().any(|known| known.check == *check) {
            return;
        }
        if self.list.len() >= MOST {
            self.more += 1;
            return;
        }
        self.list.push(Witness {
            check: check.clone(),
            by,
            before_ms: before(check.at, block_seen(incident)),
        });
    }

    /// Ends the checks: sorts them and makes the sentences.
    pub fn end(&mut self) {
        self.list.sort_by_key(|witness| witness.check.at);
        self.say = self.sentences();
    }

    /// What the checks say together: one sentence for each stage and verdict.
    fn sentences(&self) -> Vec<String> {
        if self.list.is_empty() {
            return vec![NONE.to_owned()];
        }
        // What stages decided before the block. The answer of one backend decides nothing.
        let decided = self.list.iter().filter(|one| {
            let is_verdict = ["accepted", "refused"].contains(&one.check.verdict.as_str());
            !one.check.part && one.before_ms >= 0 && is_verdict
        });
        let mut last: Vec<(&Witness, u64)> = Vec::new();
        for one in decided {
            match last.iter_mut().find(|(known, _)| known.is_like(one)) {
                Some((known, times)) => (*known, *times) = (one, *times + 1),
                None => last.push((one, 1)),
            }
        }
        if last.is_empty() {
            let text = "no recorded check accepted or refused it before the block";
            return vec![text.to_owned()];
        }
        last.sort_by_key(|(one, _)| (one.check.verdict != "refused", one.check.at));
        last.iter()
            .map(|(one, times)| one.sentence(*times))
            .collect()
    }

    /// What the checks say together.
    pub fn say(&self) -> String {
        self.say.join("; ")
    }

    /// Each check in words.
    pub fn rows(&self) -> impl Iterator<Item = String> {
        let rows = self.list.iter().map(Witness::row);
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        rows.chain(more)
    }
}

impl Witness {
    fn is_like(&self, other: &Witness) -> bool {
        let of = |one: &Witness| (one.check.who(), one.check.verdict.clone(), one.by);
        of(self) == of(other)
    }

    /// `times`: how often the stage gave this verdict.
    fn sentence(&self, times: u64) -> String {
        let what = match self.by {
            Joined::Transaction => "it",
            Joined::Message => "its message",
        };
        let (who, verdict) = (self.check.who(), &self.check.verdict);
        let often = match times {
            1 => String::new(),
            times => format!(" {times} times, last"),
        };
        let when = when(self.before_ms);
        let text = format!("{who} {verdict} {what}{often} {when}");
        match verdict.as_str() {
            "refused" => format!("{text}, but {what} was included anyway"),
            _ => text,
        }
    }

    fn row(&self) -> String {
        let by = match self.by {
            Joined::Transaction => "",
            Joined::Message => ", matched only by its message",
        };
        format!("{}{by}: {}", when(self.before_ms), self.check.words())
    }
}

/// When the watcher saw the first block that holds the message.
fn block_seen(incident: &Incident) -> u64 {
    let first = incident.heights.first();
    let seen = first.and_then(|height| height.seen.first());
    seen.map_or(incident.opened, |seen| seen.at)
}

fn before(at: u64, block: u64) -> i64 {
    let millis = i128::from(block) - i128::from(at);
    let bound = i128::from(i64::MAX);
    i64::try_from(millis.clamp(-bound, bound)).unwrap_or_default()
}

fn when(before_ms: i64) -> String {
    let millis = before_ms.unsigned_abs();
    let side = if before_ms < 0 { "behind" } else { "before" };
    format!("{}.{:03} s {side} the block", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident() -> Incident {
        let json = r#"{"id":"i","transaction":"0x01","chain":"902","message":"log 7","checksum":"0x03",
            "why":"no-log","text":"none","level":"unsafe","opened":9000,"returns":0,"frozen":null,"ended":null,
            "heights":[{"block":7,"closed":null,"seen":[{"hash":"0xaa","shape":"holds","at":10000}]}]}"#;
        serde_json::from_str(json).unwrap()
    }

    fn check(more: &str, verdict: &str, at: u64) -> Check {
        let json = format!(
            r#"{{"stage":"proxyd","verdict":"{verdict}","took_us":1200,"at":{at},{more}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn checks_of(checks: &[Check]) -> Checks {
        let mut checks_of = Checks::default();
        checks
            .iter()
            .for_each(|check| checks_of.take(&incident(), check));
        checks_of.end();
        checks_of
    }

    const OWN: &str = r#""tx":"0x01""#;
    const BY_MESSAGE: &str = r#""declares":[{"chain":"901","block":4,"log":1,"checksum":"0x03"}]"#;

    #[test]
    fn a_refusal_that_was_passed_by_is_said_first_and_plainly() {
        let checks_of = checks_of(&[
            check(OWN, "accepted", 7_100),
            check(
                r#""tx":"0x01","part":true,"backend":"http://a:1""#,
                "refused",
                6_990,
            ),
            check(OWN, "refused", 7_000),
            check(OWN, "refused", 7_500),
            check(OWN, "accepted", 12_000),
        ]);
        assert_eq!(
            checks_of.say(),
            "proxyd refused it 2 times, last 2.500 s before the block, but it was included \
             anyway; proxyd accepted it 2.900 s before the block"
        );
        let rows: Vec<String> = checks_of.rows().collect();
        assert_eq!(rows.len(), 5);
        assert_eq!(
            rows[0],
            "3.010 s before the block: proxyd (http://a:1) refused it in 1.200 ms"
        );
        assert_eq!(
            rows[4],
            "2.000 s behind the block: proxyd accepted it in 1.200 ms"
        );
    }

    #[test]
    fn a_check_is_joined_by_what_it_names() {
        let other =
            r#""tx":"0x02","declares":[{"chain":"901","block":4,"log":1,"checksum":"0x03"}]"#;
        let another = BY_MESSAGE.replace("0x03", "0x04");
        let checks = [other, &another, BY_MESSAGE].map(|more| check(more, "refused", 9_000));
        let checks_of = checks_of(&checks);
        assert_eq!(checks_of.list.len(), 1);
        assert_eq!(
            checks_of.say(),
            "proxyd refused its message 1.000 s before the block, but its message was included anyway"
        );
        let row = checks_of.rows().next().unwrap();
        assert!(row.contains("matched only by its message"), "{row}");
    }

    #[test]
    fn what_nobody_decided_before_the_block_is_said_so() {
        assert_eq!(checks_of(&[]).say(), NONE);
        let undecided = check(OWN, "undecided", 9_000);
        let late = check(OWN, "accepted", u64::MAX);
        let words = "no recorded check accepted or refused it before the block";
        assert_eq!(checks_of(&[undecided, late]).say(), words);
    }

    #[test]
    fn what_is_told_twice_is_told_once_and_a_flood_is_counted() {
        let one = check(OWN, "accepted", 9_000);
        assert_eq!(checks_of(&[one.clone(), one]).list.len(), 1);
        let flood: Vec<Check> = (0..MOST as u64 + 5)
            .map(|at| check(OWN, "accepted", at))
            .collect();
        let checks_of = checks_of(&flood);
        assert_eq!((checks_of.list.len(), checks_of.more), (MOST, 5));
        assert_eq!(checks_of.rows().last().unwrap(), "and 5 more");
    }
}
