//! Second opinions on a message: `op-interop-filter` and the older `op-supervisor`.
//!
//! Both answer `null` if a message is valid, and an error if it is not or if they do not
//! know. Only one error says that the message is invalid; any other proves nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::U64;
use haltbox_daemon::rpc::Endpoint;
use serde_json::{Value, json};

use crate::access_list::Declared;
use crate::message::{ChainId, Message, Site};
use crate::rpc::{Call, CallResult, Client, Trouble};

/// Error code for an invalid message: its log is another one, or does not exist.
pub const CONFLICT: i64 = -320_600;
/// Error code of an endpoint whose failsafe is on.
pub const FAILSAFE: i64 = -320_602;
/// Error code of an endpoint that is not ready.
pub const UNINITIALIZED: i64 = -320_400;
/// Error codes of an endpoint that does not know the call, or not its parameters.
const REFUSED: [i64; 2] = [-32_601, -32_602];

/// Most questions in one HTTP request.
const BATCH: usize = 50;
/// Capacity of the queue for one endpoint, in questions. The next round asks the rest.
const WAITING: usize = 4096;
/// Pause after an endpoint was not reached.
const REST: Duration = Duration::from_secs(1);

/// The program at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// op-interop-filter.
    Filter,
    /// op-supervisor.
    Supervisor,
}

impl Kind {
    fn method(self) -> &'static str {
        match self {
            Kind::Filter => "interop_checkAccessList",
            Kind::Supervisor => "supervisor_checkAccessList",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Filter => "filter",
            Kind::Supervisor => "supervisor",
        }
    }
}

/// One endpoint.
#[derive(Clone)]
pub struct Asked {
    kind: Kind,
    client: Client,
    /// Required safety of the log, in the endpoint's words.
    min_safety: String,
    /// The chain in a probe: a question without a message.
    chain: ChainId,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.client.endpoint())
    }
}

/// A verdict on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It holds.
    Valid,
    /// It does not hold.
    Invalid,
}

impl Says {
    /// One word for metrics and records.
    pub fn word(self) -> &'static str {
        match self {
            Says::Valid => "valid",
            Says::Invalid => "invalid",
        }
    }

    /// Parses the result of [`Says::word`].
    pub fn of_word(word: &str) -> Option<Says> {
        [Says::Valid, Says::Invalid]
            .into_iter()
            .find(|says| says.word() == word)
    }
}

/// A message to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it is executed.
    pub site: Site,
    /// The message.
    pub message: Message,
    /// Timestamp of the block that executes it, in seconds.
    pub timestamp: u64,
    /// The watcher's own verdict.
    pub own: Says,
}

/// The answer of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    /// Its verdict; `None` if it gave none.
    pub says: Option<Says>,
    /// Its error code.
    pub code: Option<i64>,
    /// Its error message.
    pub error: Option<String>,
    /// Time from the request to the answer. Other questions may share the request.
    pub took: Duration,
}

/// The answer compared with the watcher's own verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Both say the same.
    Agrees,
    /// The verdicts differ.
    Disagrees,
    /// The endpoint gave no verdict.
    NoVerdict,
}

/// The state of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It gives verdicts.
    Answers,
    /// Its failsafe is on: it refuses every message.
    Failsafe,
    /// It is not ready yet.
    NotReady,
    /// It does not know the call.
    Refuses,
    /// It is not reached.
    Down,
}

impl Health {
    /// One word for metrics and records.
    pub fn word(self) -> &'static str {
        match self {
            Health::Answers => "answers",
            Health::Failsafe => "failsafe",
            Health::NotReady => "not-ready",
            Health::Refuses => "refuses",
            Health::Down => "down",
        }
    }
}

impl Opinion {
    fn of(told: CallResult, took: Duration) -> Opinion {
        let (says, code, error) = match told {
            Ok(_) => (Some(Says::Valid), None, None),
            Err(Trouble::Refused { code, message }) => {
                let says = (code == CONFLICT).then_some(Says::Invalid);
                (says, Some(code), Some(message))
            }
            Err(trouble) => (None, None, Some(trouble.to_string())),
        };
        Opinion {
            says,
            code,
            error,
            took,
        }
    }

    /// Compares the answer with the watcher's own verdict.
    pub fn answer(&self, own: Says) -> Answer {
        match self.says {
            None => Answer::NoVerdict,
            Some(says) if says == own => Answer::Agrees,
            Some(_) => Answer::Disagrees,
        }
    }

    /// The state of the endpoint that the answer shows.
    pub fn health(&self) -> Health {
        match self.code {
            Some(FAILSAFE) => Health::Failsafe,
            Some(UNINITIALIZED) => Health::NotReady,
            Some(code) if REFUSED.contains(&code) => Health::Refuses,
            None if self.error.is_some() => Health::Down,
            Some(_) | None => Health::Answers,
        }
    }

    /// The answer in words.
    pub fn text(&self) -> String {
        match (self.code, &self.error) {
            (Some(code), Some(error)) => format!("error {code}: {error}"),
            (None, Some(error)) => error.clone(),
            (_, None) => "it holds".to_owned(),
        }
    }
}

/// The answers of one request. A `None` question is a probe.
pub type Opinions = Vec<(Option<Question>, Opinion)>;

impl Asked {
    /// An endpoint. This makes no request.
    pub fn new(kind: Kind, endpoint: Endpoint, min_safety: String, chain: ChainId) -> Asked {
        Asked {
            kind,
            client: Client::new(endpoint),
            min_safety,
            chain,
        }
    }

    fn call(&self, entries: Value, chain: ChainId, timestamp: u64) -> Call {
        let executing = json!({
            "chainID": chain.to_string(),
            "timestamp": U64::from(timestamp),
        });
        Call::new(
            self.kind.method(),
            [entries, json!(self.min_safety), executing],
        )
    }

    fn call_of(&self, question: Option<&Question>) -> Call {
        match question {
            Some(question) => {
                let entries = Declared::of(&question.message).entries();
                self.call(json!(entries), question.site.chain, question.timestamp)
            }
            None => self.call(
                json!([]),
                self.chain,
                haltbox_recorder::clock::now_ms() / 1000,
            ),
        }
    }

    fn ask(&self, questions: Vec<Option<Question>>) -> Opinions {
        let calls = questions.iter().map(|one| self.call_of(one.as_ref()));
        let calls: Vec<Call> = calls.collect();
        let since = Instant::now();
        let told = self.client.batch(&calls);
        let took = since.elapsed();
        let told = told.unwrap_or_else(|trouble| vec![Err(trouble); questions.len()]);
        let opinions = told.into_iter().map(|told| Opinion::of(told, took));
        questions.into_iter().zip(opinions).collect()
    }

    /// Asks the questions of the queue until it is closed. `tell` gets the answers.
    pub fn work(&self, queue: &Queue, mut tell: impl FnMut(Opinions)) {
        while let Some(questions) = queue.take() {
            let opinions = self.ask(questions);
            let is_down = opinions
                .iter()
                .any(|(_, opinion)| opinion.health() == Health::Down);
            tell(opinions);
            queue.answered();
            if is_down {
                std::thread::sleep(REST);
            }
        }
    }
}

/// The queue of questions for one endpoint. Pushing never blocks.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which they are asked.
    order: VecDeque<(Site, Instant)>,
    questions: HashMap<Site, Question>,
    /// Whether a probe waits.
    probe: bool,
    /// Number of questions in the current request, and when the oldest of them was
    /// pushed.
    out: Option<(usize, Instant)>,
    closed: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a question. It replaces a waiting question about the same message. `false` if
    /// the queue is full.
    pub fn push(&self, question: Question) -> bool {
        let mut waiting = self.waiting();
        let site = question.site;
        let is_known = waiting.questions.contains_key(&site);
        if !is_known {
            if waiting.order.len() >= WAITING {
                return false;
            }
            waiting.order.push_back((site, Instant::now()));
        }
        waiting.questions.insert(site, question);
        self.changed.notify_one();
        true
    }

    /// Adds a probe, which shows the state of the endpoint.
    pub fn probe(&self) {
        self.waiting().probe = true;
        self.changed.notify_one();
    }

    /// Closes the queue: the thread that takes questions ends.
    pub fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    /// Number of unanswered questions, and the age of the oldest.
    pub fn backlog(&self) -> (usize, Duration) {
        let waiting = self.waiting();
        let (out, asked) = waiting.out.map_or((0, None), |(out, at)| (out, Some(at)));
        let first = waiting.order.front().map(|(_, at)| *at);
        let oldest = asked.into_iter().chain(first).min();
        let age = oldest.map_or(Duration::ZERO, |at| at.elapsed());
        (waiting.order.len() + out, age)
    }

    fn take(&self) -> Option<Vec<Option<Question>>> {
        let waiting = self.waiting();
        let nothing =
            |waiting: &mut Waiting| !waiting.closed && !waiting.probe && waiting.order.is_empty();
        let waiting = self.changed.wait_while(waiting, nothing);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return None;
        }
        let mut batch = Vec::new();
        if std::mem::take(&mut waiting.probe) {
            batch.push(None);
        }
        let count = waiting.order.len().min(BATCH);
        let taken: Vec<(Site, Instant)> = waiting.order.drain(..count).collect();
        waiting.out = taken.first().map(|(_, at)| (count, *at));
        let questions = taken
            .iter()
            .filter_map(|(site, _)| waiting.questions.remove(site));
        batch.extend(questions.map(Some));
        Some(batch)
    }

    fn answered(&self) {
        self.waiting().out = None;
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;

    use super::*;
    use crate::message::tests::hello;

    fn question(log: u32, own: Says) -> Question {
        let (message, _) = hello();
        let site = Site {
            chain: 902.into(),
            number: 7,
            block: B256::ZERO,
            log,
            transaction: B256::ZERO,
        };
        Question {
            site,
            message,
            timestamp: message.place.timestamp + 2,
            own,
        }
    }

    fn asked() -> Asked {
        let endpoint = "http://127.0.0.1:1".parse().unwrap();
        Asked::new(
            Kind::Filter,
            endpoint,
            "cross-unsafe".to_owned(),
            902.into(),
        )
    }

    #[test]
    fn a_question_is_what_the_filter_was_seen_to_take() {
        let call = asked().call_of(Some(&question(0, Says::Valid)));
        let expected = json!([
            [
                "0x0100000000000000000003850000000000000030000000006b00dc6700000000",
                "0x036d8b154667ca4df524e881ff3962964cc9e4fd312ef642835c95ca263a3875"
            ],
            "cross-unsafe",
            {"chainID": "902", "timestamp": "0x6b00dc69"}
        ]);
        assert_eq!(
            (call.method, json!(call.params)),
            ("interop_checkAccessList", expected)
        );
    }

    #[test]
    fn one_error_alone_is_a_verdict() {
        let refused = |code| {
            let message = "no".to_owned();
            Opinion::of(Err(Trouble::Refused { code, message }), Duration::ZERO)
        };
        assert_eq!(refused(CONFLICT).answer(Says::Valid), Answer::Disagrees);
        assert_eq!(refused(CONFLICT).answer(Says::Invalid), Answer::Agrees);
        for (code, health) in [
            (FAILSAFE, Health::Failsafe),
            (UNINITIALIZED, Health::NotReady),
            (-321_401, Health::Answers),
            (-321_100, Health::Answers),
            (-320_501, Health::Answers),
            (-32_602, Health::Refuses),
            (-32_000, Health::Answers),
        ] {
            let opinion = refused(code);
            assert_eq!(opinion.health(), health, "{code}");
            for own in [Says::Valid, Says::Invalid] {
                assert_eq!(opinion.answer(own), Answer::NoVerdict, "{code}");
            }
        }
        let gone = Opinion::of(Err(Trouble::Unreached("gone".into())), Duration::ZERO);
        assert_eq!(gone.health(), Health::Down);
        assert_eq!(gone.answer(Says::Invalid), Answer::NoVerdict);
    }

    #[test]
    fn a_queue_asks_the_newest_question_of_each_message_and_is_bounded() {
        let queue = Queue::default();
        assert!(queue.push(question(0, Says::Valid)));
        assert!(queue.push(question(1, Says::Valid)));
        assert!(queue.push(question(0, Says::Invalid)));
        queue.probe();
        assert_eq!(queue.backlog().0, 2);
        let first = queue.take().unwrap();
        let expected = [
            None,
            Some(question(0, Says::Invalid)),
            Some(question(1, Says::Valid)),
        ];
        assert_eq!(first, expected);
        assert_eq!(queue.backlog().0, 2, "they are asked right now");
        queue.answered();
        assert_eq!(queue.backlog(), (0, Duration::ZERO));
        let most = u32::try_from(WAITING).unwrap();
        assert!((0..most).all(|log| queue.push(question(log, Says::Valid))));
        assert!(!queue.push(question(most, Says::Valid)));
        assert!(queue.push(question(0, Says::Invalid)), "it waits already");
        assert_eq!(queue.take().unwrap().len(), BATCH);
        queue.close();
        assert_eq!(queue.take(), None);
    }
}
