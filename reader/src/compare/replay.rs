//! Checks replayed deliveries against their originals. When a vat is loaded again, the kernel
//! executes its last deliveries again, and they must do the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use blake3::Hasher;
use haltbox_model::json;
use serde::Serialize;

use super::cutter::{self, Depth};
use super::location::Location;
use super::recording::Recording;
use crate::trace::{BlockTrace, Durability, Replayed, TraceSink};
use crate::values;
use crate::vocabulary::{Numbers, Role, Steps, Vocabulary, entry};

/// Limit of the mismatches that are listed.
const LIST_LIMIT: usize = 100;

/// A replayed delivery that did something else than its original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The vat.
    pub vat: String,
    /// Number of the delivery.
    pub delivery: u64,
    /// Number of the syscall at which they part; absent if it is the delivery itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscall: Option<u64>,
    /// Type of the entry at which they part.
    #[serde(rename = "type")]
    pub kind: String,
    /// Number of the slog line of the replay's step.
    pub line_number: u64,
    /// Number of the slog line of the original delivery.
    pub original_line: u64,
    /// Height of the block that was executed next after the replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_height: Option<u64>,
    /// The original is in the other source. Then it is unknown which of the two nodes is at fault.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub of_other: bool,
}

/// The result of checking the replays of a source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replays {
    /// Number of replayed deliveries with a known original.
    pub checked: u64,
    /// Number of replayed deliveries whose original neither source recorded.
    pub unknown: u64,
    /// Replays that do not match; at most 100.
    pub wrong: Vec<Mismatch>,
}

impl Mismatch {
    /// Whether the replay ran before this height was executed. True if that is unknown.
    pub(super) fn is_before(&self, height: u64) -> bool {
        self.before_height.is_none_or(|before| before <= height)
    }

    /// The location of the replay.
    pub fn location(&self) -> Location {
        Location {
            height: self.before_height.unwrap_or(0),
            vat: Some(self.vat.clone()),
            delivery: Some(self.delivery),
            syscall: self.syscall,
            kind: self.kind.clone(),
            ..Location::default()
        }
    }
}

impl Replays {
    /// Drops mismatches with the other source's originals. Once the two nodes diverge, the
    /// divergence says more, and a replay of something that only one node did is no fault.
    pub fn forget_others(&mut self) {
        self.wrong.retain(|mismatch| !mismatch.of_other);
    }
}

/// Which form of a step is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepForm {
    /// Its bytes.
    Bytes,
    /// Its JSON values. A mismatch is checked by value before anybody is accused, because another
    /// JSON writer may have changed the bytes.
    Values,
}

/// Original deliveries by vat and number, with the digests of their steps.
#[derive(Default)]
pub struct OriginalDeliveries {
    known: HashMap<(String, u64), Original>,
}

struct Original {
    steps: Box<[u64]>,
    line: u64,
}

/// Reads the originals of the deliveries `wanted` from a source.
///
/// # Errors
/// An error from reading the source.
pub fn originals(
    recording: &Recording,
    wanted: &Replayed,
    form: StepForm,
) -> io::Result<OriginalDeliveries> {
    let mut walk = Walk::new(recording.vocabulary, wanted, None, form);
    cutter::read(recording, Depth::Places, &mut walk)?;
    Ok(walk.originals)
}

/// Checks the replays of a source against its own originals, and against `others` where it has
/// none.
///
/// # Errors
/// An error from reading the source.
pub fn check(
    recording: &Recording,
    wanted: &Replayed,
    others: &OriginalDeliveries,
    form: StepForm,
) -> io::Result<Replays> {
    let mut walk = Walk::new(recording.vocabulary, wanted, Some(others), form);
    cutter::read(recording, Depth::Places, &mut walk)?;
    Ok(walk.replays)
}

struct Walk<'a> {
    vocabulary: &'static dyn Vocabulary,
    wanted: &'a Replayed,
    originals: OriginalDeliveries,
    others: Option<&'a OriginalDeliveries>,
    live: Option<Delivery>,
    replay: Option<Delivery>,
    replays: Replays,
    form: StepForm,
    /// The last line that was read.
    reached: u64,
    /// Originals that are not committed yet.
    fresh: Vec<(String, u64)>,
    /// Number of mismatches whose next height is not known yet.
    waiting: usize,
}

struct Delivery {
    key: (String, u64),
    line: u64,
    order: Steps,
    steps: Vec<(u64, u64, String, Option<u64>)>,
}

impl Delivery {
    /// Whether an entry is the next step of the delivery. If it is not, something behind the host
    /// lost or moved entries, and the rest of the delivery is unknown.
    fn goes_on(&mut self, role: Role, numbers: &Numbers) -> bool {
        let vat = numbers.vat.as_deref() == Some(self.key.0.as_str());
        let is_same = vat && numbers.delivery == Some(self.key.1);
        is_same && self.order.take(role, numbers.syscall).is_none()
    }
}

impl TraceSink for Walk<'_> {
    fn block(&mut self, block: BlockTrace) -> bool {
        let listed = self.replays.wrong.len();
        for mismatch in &mut self.replays.wrong[listed - self.waiting.min(listed)..] {
            mismatch.before_height = Some(block.height);
        }
        self.waiting = 0;
        self.others.is_none() || self.replay.is_some() || self.reached < self.wanted.last
    }

    /// A delivery that was discarded is not an original.
    fn durability(&mut self, durability: Durability) {
        if durability == Durability::Unknown {
            (self.live, self.replay) = (None, None);
        }
        for key in self.fresh.drain(..) {
            if durability == Durability::Discarded {
                self.originals.known.remove(&key);
            }
        }
    }

    fn any_line(&mut self, line: &[u8], number: u64) {
        self.reached = number;
        let begun = self.live.is_some() || self.replay.is_some();
        let role = self.vocabulary.role_of(line);
        if !begun && role != Role::Deliver {
            return;
        }
        if !matches!(
            role,
            Role::Deliver | Role::DeliverResult | Role::Syscall | Role::SyscallResult
        ) {
            return;
        }
        let is_replay = json::find(line, b"replay").and_then(json::read_bool) == Some(true);
        let numbers = self.vocabulary.numbers(line);
        if role == Role::Deliver {
            *self.slot(is_replay) = self.begin(&numbers, number);
        }
        let Some(mut delivery) = self.slot(is_replay).take() else {
            return;
        };
        if !delivery.goes_on(role, &numbers) {
            return;
        }
        delivery.steps.push((
            self.step(line, role),
            number,
            entry::type_of(line).into_owned(),
            numbers.syscall,
        ));
        match (role, is_replay) {
            (Role::DeliverResult, true) => self.judge(&delivery),
            (Role::DeliverResult, false) => self.keep(delivery),
            _ => *self.slot(is_replay) = Some(delivery),
        }
    }
}

impl<'a> Walk<'a> {
    fn new(
        vocabulary: &'static dyn Vocabulary,
        wanted: &'a Replayed,
        others: Option<&'a OriginalDeliveries>,
        form: StepForm,
    ) -> Walk<'a> {
        Walk {
            vocabulary,
            wanted,
            originals: OriginalDeliveries::default(),
            others,
            live: None,
            replay: None,
            replays: Replays::default(),
            form,
            reached: 0,
            fresh: Vec::new(),
            waiting: 0,
        }
    }

    /// The open delivery: replays and live deliveries each have a slot.
    fn slot(&mut self, is_replay: bool) -> &mut Option<Delivery> {
        match is_replay {
            true => &mut self.replay,
            false => &mut self.live,
        }
    }

    /// Begins a delivery, if it is wanted.
    fn begin(&self, numbers: &Numbers, line: u64) -> Option<Delivery> {
        let key = numbers.vat.clone().zip(numbers.delivery)?;
        self.wanted.deliveries.contains(&key).then(|| Delivery {
            key,
            line,
            order: Steps::default(),
            steps: Vec::new(),
        })
    }

    /// Keeps a delivery as an original. A later execution of the same delivery replaces it.
    fn keep(&mut self, delivery: Delivery) {
        let steps = delivery.steps.iter().map(|step| step.0).collect();
        let original = Original {
            steps,
            line: delivery.line,
        };
        self.fresh.push(delivery.key.clone());
        self.originals.known.insert(delivery.key, original);
    }

    fn judge(&mut self, delivery: &Delivery) {
        let Some(others) = self.others else { return };
        let own_original = self.originals.known.get(&delivery.key);
        let Some(original) = own_original.or_else(|| others.known.get(&delivery.key)) else {
            self.replays.unknown += 1;
            return;
        };
        self.replays.checked += 1;
        let equal = delivery
            .steps
            .iter()
            .zip(&original.steps)
            .take_while(|(step, digest)| step.0 == **digest)
            .count();
        if equal == delivery.steps.len() && equal == original.steps.len() {
            return;
        }
        let step = delivery.steps.get(equal).or(delivery.steps.last());
        if let (Some((_, number, kind, syscall)), true) =
            (step, self.replays.wrong.len() < LIST_LIMIT)
        {
            self.waiting += 1;
            self.replays.wrong.push(Mismatch {
                vat: delivery.key.0.clone(),
                delivery: delivery.key.1,
                syscall: *syscall,
                kind: kind.clone(),
                line_number: *number,
                original_line: original.line,
                before_height: None,
                of_other: own_original.is_none(),
            });
        }
    }

    /// Digest of the members that a replay must repeat.
    fn step(&self, line: &[u8], role: Role) -> u64 {
        let mut hasher = Hasher::new();
        hasher.update(&[role as u8]);
        for part in self.vocabulary.repeated(line, role) {
            let part = match self.form {
                StepForm::Bytes => Cow::Borrowed(part),
                StepForm::Values => values::normal(part),
            };
            hasher.update(&part);
        }
        let mut short = [0; 8];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(short)
    }
}
