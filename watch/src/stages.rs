//! Counts and times the checks of each stage on a transaction's way.
//!
//! Quantiles cover the last five to ten minutes: two histograms take turns, and the older
//! one is cleared each time.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use haltbox_daemon::exposition::{Exposition, Kind, label};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Time after which the histograms are swapped.
const SWAP_EVERY: Duration = Duration::from_secs(300);
/// Longest measured time, in microseconds.
const LONGEST: u64 = 60_000_000;
/// Least time between two messages of the same kind.
const MINUTE: Duration = Duration::from_secs(60);
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// The stage of a transaction at a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The proxy in front of all nodes.
    Proxyd,
    /// A node adds it to its mempool.
    MempoolIngress,
    /// A node checks its mempool again.
    MempoolInterval,
    /// The sequencer adds it to its mempool.
    SequencerIngress,
    /// A block is built.
    Builder,
    /// A monitor checks it.
    Monitor,
}

impl Stage {
    const ALL: [Stage; 6] = [
        Stage::Proxyd,
        Stage::MempoolIngress,
        Stage::MempoolInterval,
        Stage::SequencerIngress,
        Stage::Builder,
        Stage::Monitor,
    ];

    fn word(self) -> &'static str {
        match self {
            Stage::Proxyd => "proxyd",
            Stage::MempoolIngress => "mempool-ingress",
            Stage::MempoolInterval => "mempool-interval",
            Stage::SequencerIngress => "sequencer-ingress",
            Stage::Builder => "builder",
            Stage::Monitor => "monitor",
        }
    }

    /// Whether a check at this stage is forbidden: it delays block building, and the
    /// topology of the chains excludes it.
    fn is_forbidden(self) -> bool {
        matches!(self, Stage::SequencerIngress | Stage::Builder)
    }
}

/// A word that names no stage.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a stage ({words}), found {0:?}", words = Stage::ALL.map(Stage::word).join(", "))]
pub struct BadStage(String);

impl FromStr for Stage {
    type Err = BadStage;

    fn from_str(text: &str) -> Result<Stage, BadStage> {
        let known = Stage::ALL.into_iter().find(|stage| stage.word() == text);
        known.ok_or_else(|| BadStage(text.to_owned()))
    }
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The transaction may proceed.
    Accepted,
    /// The transaction may not proceed.
    Refused,
    /// There was no verdict.
    Undecided,
    /// The question was malformed.
    Malformed,
}

impl Outcome {
    const ALL: [(Outcome, &'static str); 4] = [
        (Outcome::Accepted, "accepted"),
        (Outcome::Refused, "refused"),
        (Outcome::Undecided, "undecided"),
        (Outcome::Malformed, "malformed"),
    ];
}

/// Limits a message to one a minute.
#[derive(Default)]
pub(crate) struct OncePerMinute(Option<Instant>);

impl OncePerMinute {
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.0.is_none_or(|last| now - last >= MINUTE);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

/// The counts of all stages.
#[derive(Default)]
pub(crate) struct Board([Mutex<Tally>; 6]);

#[derive(Default)]
struct Tally {
    outcomes: [u64; 4],
    /// Number of checks with a known time, and the sum of their times.
    timed: u64,
    sum: Duration,
    times: Option<Times>,
    alarm: OncePerMinute,
}

struct Times {
    now: Histogram<u64>,
    before: Histogram<u64>,
    rotated: Instant,
}

impl Board {
    fn tally(&self, stage: Stage) -> std::sync::MutexGuard<'_, Tally> {
        let tally = &self.0[stage as usize];
        tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a check, with its time if that is known. Returns an alarm if the stage is
    /// forbidden, at most once a minute.
    pub(crate) fn count(
        &self,
        stage: Stage,
        outcome: Outcome,
        took: Option<Duration>,
    ) -> Option<String> {
        let mut tally = self.tally(stage);
        tally.count(outcome, took);
        let due = stage.is_forbidden() && tally.alarm.is_due(Instant::now());
        due.then(|| {
            let word = stage.word();
            let count = tally.count_all();
            format!(
                "stage {word} asked for a check ({count} so far): a check there delays block \
                 building. Check earlier, in proxyd and in the mempools of other nodes, and turn \
                 the check off at the sequencer"
            )
        })
    }
}

/// The boards as metrics. `prefix` begins the names. Each board's labels, with a comma at
/// their end, stand before those of the stage.
pub(crate) fn exposed(prefix: &str, boards: &[(String, &Board)]) -> Exposition {
    let mut page = Exposition::default();
    let each = || {
        let stages = |(labels, board)| Stage::ALL.map(|stage| (labels, board, stage));
        boards
            .iter()
            .map(|(labels, board)| (labels, *board))
            .flat_map(stages)
    };
    let name = format!("{prefix}_total");
    page.head(&name, Kind::Counter, "Checks of an access list.");
    for (labels, board, stage) in each() {
        let tally = board.tally(stage);
        for (outcome, word) in Outcome::ALL {
            let labels = format!("{labels}{},{}", of(stage), label("verdict", word));
            page.sample(&name, &labels, tally.outcomes[outcome as usize]);
        }
    }
    let name = format!("{prefix}_seconds");
    let help = "Seconds that the caller waited; quantiles of the last five to ten minutes.";
    page.head(&name, Kind::Summary, help);
    for (labels, board, stage) in each() {
        let labels = format!("{labels}{}", of(stage));
        board.tally(stage).seconds(&mut page, &name, &labels);
    }
    let name = format!("{prefix}_forbidden_stage_total");
    let help = "Checks at a stage where there should be none.";
    page.head(&name, Kind::Counter, help);
    for (labels, board, stage) in each().filter(|(.., stage)| stage.is_forbidden()) {
        let labels = format!("{labels}{}", of(stage));
        page.sample(&name, &labels, board.tally(stage).count_all());
    }
    page
}

fn of(stage: Stage) -> String {
    label("stage", stage.word())
}

impl Tally {
    fn count(&mut self, outcome: Outcome, took: Option<Duration>) {
        self.outcomes[outcome as usize] += 1;
        let Some(took) = took else { return };
        self.timed += 1;
        self.sum = self.sum.saturating_add(took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if self.times.is_none() {
            self.times = Times::new();
        }
        if let Some(times) = &mut self.times {
            times.rotate(Instant::now());
            times.now.saturating_record(micros);
        }
    }

    fn count_all(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    fn seconds(&mut self, page: &mut Exposition, name: &str, labels: &str) {
        let recent = self.times.as_mut().and_then(Times::recent);
        for quantile in QUANTILES {
            // Without samples there is no quantile; Prometheus writes NaN.
            let value = recent.as_ref().map_or(f64::NAN, |recent| {
                recent.value_at_quantile(quantile) as f64 / 1e6
            });
            let labels = format!("{labels},{}", label("quantile", quantile));
            page.sample(name, &labels, value);
        }
        page.sample(format_args!("{name}_count"), labels, self.timed);
        page.sample(format_args!("{name}_sum"), labels, self.sum.as_secs_f64());
    }
}

impl Times {
    fn new() -> Option<Times> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 2).ok()?;
        Some(Times {
            before: histogram.clone(),
            now: histogram,
            rotated: Instant::now(),
        })
    }

    fn rotate(&mut self, now: Instant) {
        let turns = (now - self.rotated).as_secs() / SWAP_EVERY.as_secs();
        if turns == 0 {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.reset();
        if turns > 1 {
            self.before.reset();
        }
        self.rotated = now;
    }

    /// Both histograms together, unless they are empty.
    fn recent(&mut self) -> Option<Histogram<u64>> {
        self.rotate(Instant::now());
        let mut both = self.now.clone();
        both.add(&self.before).ok()?;
        (!both.is_empty()).then_some(both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_as_they_are_written() {
        for (at, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage.word().parse(), Ok(stage));
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(json, format!("{:?}", stage.word()));
            assert_eq!(stage as usize, at);
        }
        let error = "mempool".parse::<Stage>().unwrap_err().to_string();
        assert!(error.contains("mempool-ingress, "), "{error}");
    }

    #[test]
    fn checks_are_counted_and_timed_by_stage() {
        let board = Board::default();
        for millis in 1..=100 {
            let took = Duration::from_millis(millis);
            assert_eq!(
                board.count(Stage::Monitor, Outcome::Refused, Some(took)),
                None
            );
        }
        board.count(Stage::Monitor, Outcome::Undecided, None);
        let alarm = board.count(Stage::Builder, Outcome::Accepted, Some(Duration::ZERO));
        assert!(alarm.unwrap().contains("stage builder asked"));
        assert_eq!(board.count(Stage::Builder, Outcome::Accepted, None), None);
        let text = exposed("haltbox_check", &[(String::new(), &board)]).to_string();
        for line in [
            "haltbox_check_total{stage=\"monitor\",verdict=\"refused\"} 100",
            "haltbox_check_total{stage=\"monitor\",verdict=\"accepted\"} 0",
            "haltbox_check_total{stage=\"builder\",verdict=\"accepted\"} 2",
            "haltbox_check_seconds{stage=\"proxyd\",quantile=\"0.5\"} NaN",
            "haltbox_check_seconds_count{stage=\"monitor\"} 100",
            "haltbox_check_seconds_sum{stage=\"monitor\"} 5.05",
            "haltbox_check_forbidden_stage_total{stage=\"builder\"} 2",
            "haltbox_check_forbidden_stage_total{stage=\"sequencer-ingress\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let median = "haltbox_check_seconds{stage=\"monitor\",quantile=\"0.5\"} ";
        let median = text.lines().find_map(|line| line.strip_prefix(median));
        let median: f64 = median.unwrap().parse().unwrap();
        assert!((0.049..0.052).contains(&median), "{median}");
    }

    #[test]
    fn old_times_go_and_an_alarm_sounds_once_a_minute() {
        let mut times = Times::new().unwrap();
        let begun = times.rotated;
        times.now.saturating_record(7);
        times.rotate(begun + SWAP_EVERY);
        assert_eq!((times.now.len(), times.before.len()), (0, 1));
        times.rotate(begun + 3 * SWAP_EVERY);
        assert!(times.recent().is_none());
        let mut alarm = OncePerMinute::default();
        let due = [0, 59, 60, 61].map(|s| alarm.is_due(begun + Duration::from_secs(s)));
        assert_eq!(due, [true, false, true, false]);
    }
}
