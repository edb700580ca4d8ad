use std::time::{Duration, Instant};

use alloy_primitives::{B256, address};
use haltbox_tests::anvil::{Executed, Placed};
use haltbox_tests::peer::STATUSES;
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;

use super::{Both, PEER_PATIENCE, after, forged, row, seconds, with, within};

/// For so long lines of the peer about a message are counted.
const COUNTED: Duration = Duration::from_secs(10);

/// A message that was executed, and what both made of it.
struct Played {
    what: &'static str,
    /// What a line of the peer's says of it (`monitor/updater.go`, `monitor/service.go`).
    line: &'static str,
    executed: Executed,
    since: Instant,
    peer: String,
    own: String,
}

impl Both {
    /// Executes something, and has both tell.
    fn play(
        &self,
        (what, line): (&'static str, &'static str),
        execute: impl FnOnce(&Both) -> Executed,
        own: impl FnOnce(&Both, &Executed, Instant) -> String,
    ) -> Played {
        let before = self.peer().counts();
        let executed = execute(self);
        let since = Instant::now();
        let own = own(self, &executed, since);
        Played {
            what,
            line,
            executed,
            since,
            peer: self.counted(before, since),
            own,
        }
    }

    /// The status of which the peer counts one message more.
    fn counted(&self, before: [u64; 5], since: Instant) -> String {
        let mut risen = None;
        let took = within(PEER_PATIENCE, since, || {
            let rose = self.peer().counts().into_iter().zip(before);
            let mut rose = rose.zip(STATUSES).filter(|((now, then), _)| now > then);
            risen = rose.next().map(|(_, status)| status);
            risen.is_some_and(|status| status != "unknown")
        });
        match (risen, took) {
            (None, _) => "not counted".to_owned(),
            (Some(status), Some(took)) => format!("`{status}` after {}", seconds(took)),
            (Some(status), None) => {
                format!("`{status}`, also {} s later", PEER_PATIENCE.as_secs())
            }
        }
    }

    fn report(&self, played: &[Played]) {
        std::thread::sleep(COUNTED);
        for one in played {
            row(
                one.what,
                &format!("{}; {}", one.peer, self.lines(one)),
                &one.own,
            );
        }
    }

    /// What the peer's log says of it.
    fn lines(&self, one: &Played) -> String {
        let early = |times: Vec<Instant>| {
            let until = one.since + COUNTED;
            let own = times.iter().filter(|at| (one.since..until).contains(at));
            own.count()
        };
        let named = early(self.peer().named(902, one.executed.block));
        let texts = match one.line {
            "" => 0,
            text => early(self.peer().times(text)),
        };
        match (named, texts) {
            (0, 0) => "no line".to_owned(),
            (0, _) => format!("a line \"{}\" does not name its block", one.line),
            (named, _) => format!("{named} lines in {} s name its block", COUNTED.as_secs()),
        }
    }
}

/// An invalid message has one alert with this reason.
fn alert(words: &'static str) -> impl FnOnce(&Both, &Executed, Instant) -> String {
    move |both, executed, since| {
        let took = both.alerted(executed, words, since);
        format!(
            "invalid, \"{words}\" {}, one alert",
            after(Some(took), COUNTED)
        )
    }
}

fn is_valid(both: &Both, _: &Executed, since: Instant) -> String {
    let took = within(super::PATIENCE, since, || both.own("valid") >= 1);
    let took = took.expect("the message is judged");
    format!("valid after {}", seconds(took))
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn every_kind_of_message() {
    let Some(mut both) = Both::nodes(1) else {
        return;
    };
    let old = both.from.emit(b"old");
    for chain in [&both.from, &both.to] {
        chain.set_next_timestamp(old.place.timestamp + 2 * super::EXPIRY);
        chain.emit(b"the time passes");
    }
    both.start_monitors();
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    let execute_valid = |b: &Both| b.execute(&placed.message());
    let mut played = vec![both.play(("valid", ""), execute_valid, is_valid)];
    for (what, words, message) in wrong_messages(&placed, &old) {
        played.push(both.play(what, |b| b.execute(&message), alert(words)));
    }
    let malformed = alert("has 2 topics and 96 bytes");
    let what = ("a log of the inbox of 96 bytes", "");
    played.push(both.play(what, |b| b.to.malformed(&[0; 96]), malformed));
    both.report(&played);
    assert_told_once(&both, &played[1..]);
}

/// What is wrong and what the peer's log says of it, the watcher's words, and the message.
type Wrong = ((&'static str, &'static str), &'static str, Message);

/// Each breaks one rule.
fn wrong_messages(placed: &Placed, old: &Placed) -> [Wrong; 8] {
    let other = address!("00000000000000000000000000000000000000aa");
    let no_block = "error getting block receipts";
    let wrong = |change: fn(&mut Message)| with(placed, change);
    [
        (
            ("no such log", "initiating log not found"),
            "the log index is out of range",
            forged(placed),
        ),
        (
            ("another payload", "log hash mismatch"),
            "payload has another digest",
            wrong(|m| m.payload = B256::repeat_byte(1)),
        ),
        (
            ("another origin", "initiating log origin mismatch"),
            "another contract emitted the log",
            with(placed, |m| m.origin = other),
        ),
        (
            ("another timestamp", "initiating timestamp mismatch"),
            "the block has another timestamp",
            wrong(|m| m.place.timestamp -= 1),
        ),
        (
            ("expired", "executing message is expired"),
            "it expired",
            old.message(),
        ),
        (
            ("a block and a time to come", no_block),
            "its timestamp is later",
            wrong(|m| {
                m.place.block += 1000;
                m.place.timestamp += 1000;
            }),
        ),
        (
            ("a block to come, a time that was", no_block),
            "the block does not exist",
            wrong(|m| m.place.block += 1000),
        ),
        (
            ("a chain that is not in the set", "no updater found"),
            "not in the dependency set",
            wrong(|m| m.place.chain = 999.into()),
        ),
    ]
}

fn assert_told_once(both: &Both, played: &[Played]) {
    for one in played {
        let transaction = one.executed.transaction.to_string();
        let told = both.watcher().alerts(&transaction);
        assert_eq!(told.len(), 1, "{}: {told:#?}", one.what);
    }
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn what_is_not_declared() {
    let Some(both) = Both::start() else { return };
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    let other = with(&placed, |m| m.place.log = 9);
    let rows = [
        ("valid, no access list", Vec::new(), "declares no message"),
        (
            "valid, the access list of another message",
            Declared::of(&other).entries(),
            "declares other messages",
        ),
    ];
    let played = rows.map(|(what, keys, words)| {
        let execute = |b: &Both| b.to.execute(&placed.message(), &keys);
        both.play((what, ""), execute, move |both, executed, since| {
            let took = both.alerted(executed, words, since);
            format!("\"{words}\" {}, one alert", after(Some(took), COUNTED))
        })
    });
    both.report(&played);
    assert_told_once(&both, &played);
    assert_eq!(both.watcher().sum("access_list_violations_total", ""), 2);
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn a_log_that_stands_on_an_invalid_block() {
    let Some(both) = Both::start() else { return };
    let sent = both.to.emit(b"to 901");
    both.from.catch_up_with(&both.to);
    let wrong = forged(&sent);
    let below = both.from.execute(&wrong, &Declared::of(&wrong).entries());
    both.alerted(&below, "the log index is out of range", Instant::now());
    within(PEER_PATIENCE, Instant::now(), || {
        both.peer().counts()[1] == 1
    });
    let placed = both.from.emit(b"hello");
    assert!(placed.place.block > below.block, "it stands above");
    both.to.catch_up_with(&both.from);
    let what = "right, but its log's block stands on an invalid one";
    let doomed = both.play(
        (what, ""),
        |b| b.execute(&placed.message()),
        alert("contains an invalid message"),
    );
    both.report(&[doomed]);
}
