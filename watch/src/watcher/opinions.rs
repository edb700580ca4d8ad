//! Second opinions: which endpoints the watcher asks, when, and how it handles the
//! answers.
//!
//! The watcher asks about a message when its own verdict changes, and again in rounds
//! while the message is open: an endpoint may change its answer, too. A round asks a
//! limited number of questions a second, so it takes longer if many messages are open.
//!
//! An endpoint that disagrees is asked again a round later. It may be behind the chain
//! that the message names, and rejects what it has not read yet like what is wrong. Only
//! a second disagreement is a divergence, and never in a window in which a node rewinds.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use haltbox_daemon::exposition::{label, labels};
use haltbox_recorder::host::HostError;

use super::{Input, Watcher, micros};
use crate::book::{Book, Change};
use crate::incident;
use crate::message::{ChainId, Site};
use crate::metrics::Metrics;
use crate::opinion::{Answer, Asked, Health, Opinion, Opinions, Question, Queue, Says};
use crate::tape::{Entry, RecalledOpinions};
use crate::watched_chain::WatchedChain;
use haltbox_recorder::clock::now_ms;

/// Most questions of a round in each second, to each endpoint.
const PER_SECOND: usize = 100;
/// Most disagreements that are tracked at a time. An endpoint that disagrees about
/// everything is one divergence, not a million.
const DOUBTS: usize = 4096;
/// Most alerts about one endpoint in a minute. More are counted and recorded.
const ALERTS: usize = 20;
const MINUTE: Duration = Duration::from_secs(60);

pub(super) struct SecondOpinions {
    endpoints: Vec<AskedEndpoint>,
    doubts: BTreeMap<(usize, Site), Doubt>,
    /// Divergences of an earlier session with its own verdict, until this session judges
    /// the message.
    recalled: BTreeMap<(usize, Site), Says>,
    round: Round,
}

/// One endpoint.
struct AskedEndpoint {
    name: String,
    queue: Arc<Queue>,
    health: Option<Health>,
    failsafe: Option<Failsafe>,
    /// Whether a probe was ever refused by the failsafe. Only then does an answered probe
    /// show that the failsafe is off.
    probe_tells: bool,
    alerted: VecDeque<Instant>,
}

/// A failsafe that is on.
struct Failsafe {
    /// Time when it was seen first, milliseconds since 1970: it may outlive the watcher.
    since: u64,
    /// Whether the endpoint was away since.
    was_away: bool,
}

/// An endpoint that disagrees.
struct Doubt {
    own: Says,
    since: Instant,
    asks: u32,
    /// Whether it was reported as a divergence.
    reported: bool,
    /// When to ask again.
    again: Instant,
}

/// A round over all open messages.
struct Round {
    every: Duration,
    begun: Instant,
    /// Index in the book to continue at. `None` while it waits for the next round.
    at: Option<usize>,
    looked: Instant,
    /// Duration of the last round.
    took: Duration,
}

impl SecondOpinions {
    /// The name of an endpoint.
    pub(super) fn name(&self, endpoint: usize) -> &str {
        let asking = self.endpoints.get(endpoint);
        asking.map_or("", |asking| &asking.name)
    }

    /// Starts a thread for each endpoint.
    pub(super) fn start(
        asked: Vec<Asked>,
        every: Duration,
        sender: &SyncSender<Input>,
    ) -> io::Result<SecondOpinions> {
        let numbered = asked.into_iter().enumerate();
        let endpoints = numbered.map(|(at, asked)| AskedEndpoint::start(at, asked, sender.clone()));
        let at = Instant::now();
        Ok(SecondOpinions {
            endpoints: endpoints.collect::<io::Result<_>>()?,
            doubts: BTreeMap::new(),
            recalled: BTreeMap::new(),
            round: Round {
                every,
                begun: at,
                at: Some(0),
                looked: at,
                took: Duration::ZERO,
            },
        })
    }

    /// Takes what an earlier session reported: it is not reported again, but its end is.
    pub(super) fn recall(&mut self, chain: ChainId, recalled: &RecalledOpinions) {
        for asking in &mut self.endpoints {
            if let Some(since) = recalled.failsafes.get(&asking.name)
                && asking.failsafe.is_none()
            {
                // Nobody watched the endpoint in the meantime.
                asking.failsafe = Some(Failsafe {
                    since: *since,
                    was_away: true,
                });
            }
        }
        for known in recalled.divergences.iter().take(DOUBTS) {
            let mut names = self.endpoints.iter().map(|asking| &asking.name);
            let at = names.position(|name| *name == known.endpoint);
            if let (Some(at), Some(own)) = (at, Says::of_word(&known.own)) {
                self.recalled.insert((at, known.site(chain)), own);
            }
        }
    }

    /// Resumes a divergence of an earlier session when its message is judged again.
    fn resume(&mut self, question: &Question) {
        for at in 0..self.endpoints.len() {
            let key = (at, question.site);
            if self.recalled.remove(&key) == Some(question.own) {
                let doubt = Doubt {
                    reported: true,
                    ..Doubt::new(question.own, self.round.every)
                };
                self.doubts.insert(key, doubt);
            }
        }
    }

    /// Tells the threads to end.
    pub(super) fn end(&self) {
        self.endpoints
            .iter()
            .for_each(|asking| asking.queue.close());
    }

    fn ask(&self, question: Question, metrics: &mut Metrics) {
        self.endpoints
            .iter()
            .for_each(|asking| asking.ask(question, metrics));
    }

    /// Asks what is due of the round and of the doubts.
    fn go_on(&mut self, book: &Book, metrics: &mut Metrics) {
        self.once_more(book, metrics);
        let is_new = self.round.begin_if_due();
        if is_new {
            self.doubts
                .retain(|(_, site), _| book.question(site).is_some());
            self.endpoints
                .iter()
                .for_each(|asking| asking.queue.probe());
        }
        let (from, most) = self.round.due();
        let Some(from) = from.filter(|_| most > 0) else {
            return;
        };
        let (questions, next) = book.questions(from, most);
        for (number, question) in questions.into_iter().enumerate() {
            let able = self.endpoints.iter().filter(|asking| {
                // An endpoint that rejects everything is asked about one message in each
                // round.
                asking.is_able() || from == 0 && number == 0
            });
            able.for_each(|asking| asking.ask(question, metrics));
        }
        self.round.reached(next);
    }

    fn once_more(&mut self, book: &Book, metrics: &mut Metrics) {
        let at = Instant::now();
        for ((endpoint, site), doubt) in &mut self.doubts {
            if doubt.reported || doubt.again > at {
                continue;
            }
            doubt.again = at + self.round.every;
            let question = book.question(site);
            if let (Some(asking), Some(question)) = (self.endpoints.get(*endpoint), question) {
                asking.ask(question, metrics);
            }
        }
    }

    fn show(&self, metrics: &mut Metrics) {
        for (at, asking) in self.endpoints.iter().enumerate() {
            let of = label("endpoint", &asking.name);
            let (backlog, age) = asking.queue.backlog();
            let told = self.doubts.iter();
            let told = told.filter(|((endpoint, _), doubt)| *endpoint == at && doubt.reported);
            let up = asking.health.is_some_and(|is| is != Health::Down);
            for (name, value) in [
                ("endpoint_up", u64::from(up)),
                ("opinion_backlog", backlog as u64),
                ("opinion_backlog_age_seconds", age.as_secs()),
                ("opinion_failsafe", asking.failsafe.is_some().into()),
                ("opinion_divergences", told.count() as u64),
            ] {
                metrics.set(name, of.clone(), value);
            }
        }
        if !self.endpoints.is_empty() {
            let seconds = self.round.took.as_secs();
            metrics.set("opinion_round_seconds", String::new(), seconds);
        }
    }

    pub(super) fn concerns(&self) -> Vec<String> {
        let mut concerns = Vec::new();
        for (at, asking) in self.endpoints.iter().enumerate() {
            let name = &asking.name;
            if asking.failsafe.is_some() {
                concerns.push(format!("{name}: its failsafe is on"));
            }
            let mut doubts = self.doubts.iter();
            if doubts.any(|((endpoint, _), doubt)| *endpoint == at && doubt.reported) {
                concerns.push(format!("{name}: it disagrees about a message"));
            }
        }
        concerns
    }
}

impl Round {
    fn begin_if_due(&mut self) -> bool {
        let first = self.looked == self.begun;
        if !first && (self.at.is_some() || self.begun.elapsed() < self.every) {
            return false;
        }
        let at = Instant::now();
        (self.begun, self.looked, self.at) = (at, at, Some(0));
        // The questions of the first second are due at once.
        self.looked = at.checked_sub(Duration::from_secs(1)).unwrap_or(at);
        true
    }

    /// Index to continue at, and the number of questions.
    fn due(&mut self) -> (Option<usize>, usize) {
        let elapsed = self.looked.elapsed().min(Duration::from_secs(1));
        self.looked = Instant::now();
        let most = PER_SECOND as u128 * elapsed.as_millis() / 1000;
        (self.at, usize::try_from(most).unwrap_or(PER_SECOND))
    }

    fn reached(&mut self, next: Option<usize>) {
        self.at = next;
        if next.is_none() {
            self.took = self.begun.elapsed();
        }
    }

    /// Makes the next round begin at once.
    fn restart(&mut self) {
        self.at = None;
        self.begun = self.begun.checked_sub(self.every).unwrap_or(self.begun);
    }
}

impl AskedEndpoint {
    fn start(at: usize, asked: Asked, sender: SyncSender<Input>) -> io::Result<AskedEndpoint> {
        let (name, queue) = (asked.to_string(), Arc::new(Queue::default()));
        let questions = Arc::clone(&queue);
        let work = move || {
            asked.work(&questions, |opinions| {
                // An error means that the watcher ends.
                let _ = sender.send(Input::Opinions(at, opinions));
            });
        };
        let thread = std::thread::Builder::new().name(format!("opinion-{at}"));
        thread.spawn(work)?;
        Ok(AskedEndpoint {
            name,
            queue,
            health: None,
            failsafe: None,
            probe_tells: false,
            alerted: VecDeque::new(),
        })
    }

    fn ask(&self, question: Question, metrics: &mut Metrics) {
        if !self.queue.push(question) {
            let of = label("endpoint", &self.name);
            metrics.add("opinion_dropped_total", of, 1);
        }
    }

    fn is_able(&self) -> bool {
        self.health.is_none_or(|is| is == Health::Answers) && self.failsafe.is_none()
    }

    /// Updates the state of the endpoint by an answer. Returns the state if it changed.
    fn update_health(&mut self, is_probe: bool, opinion: &Opinion) -> Option<Health> {
        let is = opinion.health();
        self.probe_tells |= is_probe && is == Health::Failsafe;
        if is_probe && is == Health::Answers && self.failsafe.is_some() && !self.probe_tells {
            return None;
        }
        if let Some(failsafe) = &mut self.failsafe {
            failsafe.was_away |= matches!(is, Health::Down | Health::NotReady);
        }
        (self.health.replace(is) != Some(is)).then_some(is)
    }

    /// Whether one more alert is within the limit.
    fn may_alert(&mut self) -> bool {
        self.alerted.retain(|at| at.elapsed() < MINUTE);
        let may = self.alerted.len() < ALERTS;
        if may {
            self.alerted.push_back(Instant::now());
        }
        may
    }
}

impl Watcher {
    /// Asks the endpoints about changed messages.
    pub(super) fn ask_others(&mut self, changes: &[Change]) {
        if self.second.endpoints.is_empty() {
            return;
        }
        for change in changes {
            if let Some(question) = self.book.question(&change.site) {
                self.second.resume(&question);
                self.second.ask(question, &mut self.metrics);
            }
        }
    }

    /// Does what is due by the clock.
    pub(super) fn look_at_opinions(&mut self) {
        if !self.second.endpoints.is_empty() {
            self.second.go_on(&self.book, &mut self.metrics);
            self.second.show(&mut self.metrics);
        }
    }

    /// Handles the answers of an endpoint, or its failure.
    pub(super) fn opinions(&mut self, endpoint: usize, told: Opinions) -> Result<(), HostError> {
        for (question, opinion) in told {
            let Some(asking) = self.second.endpoints.get_mut(endpoint) else {
                return Ok(());
            };
            if let Some(is) = asking.update_health(question.is_none(), &opinion) {
                self.health(endpoint, is, &opinion)?;
            }
            if let Some(question) = question {
                self.opinion(endpoint, &question, &opinion)?;
            }
        }
        Ok(())
    }

    fn health(&mut self, at: usize, is: Health, opinion: &Opinion) -> Result<(), HostError> {
        let Some(asking) = self.second.endpoints.get_mut(at) else {
            return Ok(());
        };
        let (name, why) = (asking.name.clone(), opinion.text());
        let mut text = why.clone();
        match is {
            Health::Failsafe if asking.failsafe.is_none() => {
                asking.failsafe = Some(Failsafe {
                    since: now_ms(),
                    was_away: false,
                });
                self.alerts.of_all(
                    "failsafe-on",
                    &format!("THE FAILSAFE of {name} is on, it refuses every message: {why}"),
                );
            }
            Health::Answers => match asking.failsafe.take() {
                Some(failsafe) => {
                    text = failsafe.cleared();
                    self.second.round.restart();
                    self.alerts.of_all(
                        "failsafe-off",
                        &format!("the failsafe of {name} is off: {text}"),
                    );
                }
                None => self.alerts.note(&format!("{name} answers")),
            },
            Health::Failsafe => {}
            Health::Down | Health::NotReady | Health::Refuses => {
                let text = format!("{name} gives no second opinion: {why}");
                self.alerts.of_all("endpoint-down", &text);
            }
        }
        self.everywhere(&Entry::Endpoint {
            endpoint: name,
            is: is.word().to_owned(),
            text,
            code: opinion.code,
            took_us: Some(micros(opinion.took)),
            at: now_ms(),
        })
    }

    fn opinion(
        &mut self,
        endpoint: usize,
        question: &Question,
        opinion: &Opinion,
    ) -> Result<(), HostError> {
        let answer = opinion.answer(question.own);
        self.count(endpoint, answer, opinion);
        let key = (endpoint, question.site);
        match answer {
            Answer::NoVerdict => Ok(()),
            Answer::Agrees => match self.second.doubts.remove(&key) {
                Some(doubt) if doubt.reported => {
                    self.diverges(endpoint, question, opinion, doubt.asks)
                }
                _ => Ok(()),
            },
            Answer::Disagrees => self.disagrees(endpoint, question, opinion),
        }
    }

    fn count(&mut self, endpoint: usize, answer: Answer, opinion: &Opinion) {
        let Some(asking) = self.second.endpoints.get(endpoint) else {
            return;
        };
        let word = match answer {
            Answer::Agrees => "agrees",
            Answer::Disagrees => "disagrees",
            Answer::NoVerdict => "no-verdict",
        };
        let code = opinion.code.map_or(String::new(), |code| code.to_string());
        let labels = labels(&[
            ("endpoint", &asking.name),
            ("answer", &word),
            ("code", &code),
        ]);
        self.metrics.add("opinions_total", labels, 1);
    }

    /// Whether a node rewinds, so that no conclusion about the chain is drawn.
    fn rewinds(&self, chain: ChainId) -> bool {
        let watched = self.chains.get(&chain);
        watched.is_some_and(WatchedChain::is_resetting) || self.sources.is_resetting(chain)
    }

    fn disagrees(
        &mut self,
        endpoint: usize,
        question: &Question,
        opinion: &Opinion,
    ) -> Result<(), HostError> {
        let key = (endpoint, question.site);
        let own = self.book.question(&question.site).map(|known| known.own);
        let both = [question.site.chain, question.message.place.chain];
        let proves_nothing =
            own != Some(question.own) || both.into_iter().any(|chain| self.rewinds(chain));
        let every = self.second.round.every;
        let doubts = &mut self.second.doubts;
        if proves_nothing {
            // It is asked again later. A reported divergence stays.
            if doubts.get(&key).is_some_and(|doubt| !doubt.reported) {
                doubts.remove(&key);
            }
            return Ok(());
        }
        if !doubts.contains_key(&key) && doubts.len() >= DOUBTS {
            return Ok(());
        }
        let doubt = doubts
            .entry(key)
            .or_insert_with(|| Doubt::new(question.own, every));
        if doubt.own != question.own {
            *doubt = Doubt::new(question.own, every);
        }
        doubt.asks += 1;
        let is_kept = doubt.asks >= 2 && doubt.since.elapsed() >= every;
        let is_new = is_kept && !doubt.reported;
        doubt.reported |= is_new;
        let asks = doubt.asks;
        match is_new {
            true => self.diverges(endpoint, question, opinion, asks),
            false => Ok(()),
        }
    }

    /// Reports that a divergence begins or ends, as the opinion shows.
    fn diverges(
        &mut self,
        endpoint: usize,
        question: &Question,
        opinion: &Opinion,
        asks: u32,
    ) -> Result<(), HostError> {
        let Some(asking) = self.second.endpoints.get_mut(endpoint) else {
            return Ok(());
        };
        let other = opinion.says.map_or("nothing", Says::word);
        let (own, name, site) = (question.own, asking.name.clone(), question.site);
        let differ = opinion.says != Some(own);
        let text = format!(
            "{}: the watcher says {}, {name} says {other}: {}",
            place(question),
            own.word(),
            opinion.text()
        );
        if differ {
            let labels = labels(&[("endpoint", &name), ("own", &own.word()), ("other", &other)]);
            self.metrics.add("opinion_divergence_total", labels, 1);
        }
        match differ && asking.may_alert() {
            true => {
                let text = format!("SECOND OPINIONS DIFFER: {text}");
                self.alerts.alert(site.chain, "opinion-divergence", &text);
            }
            false if differ => {}
            false => self.alerts.note(&format!("opinions agree again: {text}")),
        }
        let entry = Entry::opinion(question, opinion, name, asks, now_ms());
        match self.chains.get_mut(&site.chain) {
            Some(watched) => watched.tape.put(&entry),
            None => Ok(()),
        }
    }
}

impl Doubt {
    fn new(own: Says, every: Duration) -> Doubt {
        let since = Instant::now();
        Doubt {
            own,
            since,
            asks: 0,
            reported: false,
            again: since + every,
        }
    }
}

impl Failsafe {
    /// What is known about why the failsafe is off.
    fn cleared(&self) -> String {
        let how = match self.was_away {
            true => {
                "the endpoint was down in between: most likely a restart cleared the failsafe, \
                 and earlier messages are not checked again"
            }
            false => {
                "the endpoint answered all the time: its operator turned the failsafe off, or it \
                 was restarted between two requests"
            }
        };
        let millis = now_ms().saturating_sub(self.since);
        format!("after {}.{} s, {how}", millis / 1000, millis % 1000 / 100)
    }
}

fn place(question: &Question) -> String {
    let message = incident::words(&Ok(question.message));
    format!("{}: {message}", question.site)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(every: u64) -> Round {
        let at = Instant::now();
        Round {
            every: Duration::from_secs(every),
            begun: at,
            at: Some(0),
            looked: at,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_round_takes_so_many_questions_a_second_and_waits_for_the_next() {
        let mut round = round(60);
        assert!(round.begin_if_due());
        assert_eq!(round.due(), (Some(0), PER_SECOND));
        round.reached(Some(100));
        assert!(!round.begin_if_due(), "it goes on");
        let (at, most) = round.due();
        assert_eq!(at, Some(100));
        assert!(most < PER_SECOND, "no second went by: {most}");
        round.reached(None);
        assert!(!round.begin_if_due(), "the next one is not due");
        assert_eq!(round.due().0, None);
        round.restart();
        assert!(round.begin_if_due());
        assert_eq!(round.due(), (Some(0), PER_SECOND));
    }

    #[test]
    fn a_failsafe_that_is_off_says_what_can_be_known() {
        let cleared = |was_away| {
            let since = now_ms();
            Failsafe { since, was_away }.cleared()
        };
        assert!(cleared(true).contains("a restart cleared the failsafe"));
        assert!(cleared(false).contains("answered all the time"));
    }
}
