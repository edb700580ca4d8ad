use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_tests::anvil::{Executed, Placed};
use haltbox_tests::process::Cost;
use haltbox_tests::wait_until;
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;

use super::{Both, after, forged, row, seconds, within};

/// Seconds of load.
const LOAD: Duration = Duration::from_secs(60);
/// For so long, from its block on, the peer is waited for to tell of an invalid message.
const LATE: Duration = Duration::from_secs(120);
/// Logs that the messages of a block name, each in a block of its own.
const NAMED: usize = 16;

/// Messages of a block that name these logs by turns, in one transaction that declares each.
fn messages(placed: &[Placed], count: usize) -> Vec<(Message, Vec<B256>)> {
    let named = placed.iter().map(Placed::message).collect::<Vec<_>>();
    let by_turns = named.iter().cycle().take(count).enumerate();
    let declared = |at: usize, message: &Message| match at < named.len() {
        true => Declared::of(message).entries(),
        false => Vec::new(),
    };
    by_turns
        .map(|(at, message)| (*message, declared(at, message)))
        .collect()
}

/// Costs of both at an instant.
struct Look {
    at: Instant,
    peer: Cost,
    own: Cost,
}

impl Look {
    fn at(both: &Both) -> Look {
        Look {
            at: Instant::now(),
            peer: both.peer().cost(),
            own: both.watcher().cost(),
        }
    }

    /// Parts of a core that both took since then.
    fn cores_since(&self, then: &Look) -> [f64; 2] {
        let seconds = (self.at - then.at).as_secs_f64();
        [
            (self.peer.cpu - then.peer.cpu) / seconds,
            (self.own.cpu - then.own.cpu) / seconds,
        ]
    }
}

/// A load, as it was played.
struct Played {
    sent: u64,
    wrong: Vec<(Executed, Instant)>,
    looks: [Look; 3],
}

/// Plays so many messages a block, and an invalid one every ten seconds.
fn play(both: &Both, placed: &[Placed], count: usize) -> Played {
    let first = Look::at(both);
    let mut middle = None;
    let (mut sent, mut wrong) = (0, Vec::new());
    let load = messages(placed, count);
    while first.at.elapsed() < LOAD {
        both.to.execute_together(&load);
        sent += count as u64;
        if first.at.elapsed() > LOAD / 2 && middle.is_none() {
            middle = Some(Look::at(both));
        }
        if first.at.elapsed() > (wrong.len() as u32 + 1) * Duration::from_secs(10) {
            wrong.push((both.execute(&forged(&placed[0])), Instant::now()));
        }
    }
    Played {
        sent,
        wrong,
        looks: [first, middle.expect("half of it"), Look::at(both)],
    }
}

/// How late the peer first told of each of these, if it did.
fn lateness(both: &Both, wrong: &[(Executed, Instant)]) -> Vec<Option<Duration>> {
    let mut told = Vec::new();
    for (executed, since) in wrong {
        let named = || both.peer().named(902, executed.block).first().copied();
        within(LATE, *since, || named().is_some());
        told.push(named().map(|at| at.saturating_duration_since(*since)));
    }
    told
}

fn load(count: usize) {
    let Some(both) = Both::start() else { return };
    let placed: Vec<Placed> = (0..NAMED).map(|_| both.from.emit(b"hello")).collect();
    both.to.catch_up_with(&both.from);
    let played = play(&both, &placed, count);
    let at_the_end = both.peer().open();
    let mut worst = Duration::ZERO;
    for (executed, since) in &played.wrong {
        worst = worst.max(both.alerted(executed, "the log index is out of range", *since));
    }
    let all = (played.sent, played.wrong.len() as u64);
    wait_until("all are judged", || {
        (both.own("valid"), both.own("invalid")) == all
    });
    assert_eq!(both.watcher().sum("dropped_entries", ""), 0);
    report(&both, count, &played, at_the_end, worst);
}

fn report(both: &Both, count: usize, played: &Played, open: u64, worst: Duration) {
    let [first, middle, last] = &played.looks;
    let halves = [middle.cores_since(first), last.cores_since(middle)];
    let memory = |cost: &Cost| {
        format!(
            "{} MiB ({} with mapped files)",
            cost.own >> 20,
            cost.resident >> 20
        )
    };
    let told = lateness(both, &played.wrong);
    let latest = told.iter().flatten().max().copied();
    let all = played.sent + played.wrong.len() as u64;
    let (later, open_later) = (last.at.elapsed(), both.peer().open());
    row(
        &format!(
            "{count} messages a block for {} s, {all} in all",
            LOAD.as_secs()
        ),
        &format!(
            "{:.2}, then {:.2} of a core; {}; {open} counted at the end, {open_later} {} later; {} of {} invalid ones told, the last {}",
            halves[0][0],
            halves[1][0],
            memory(&last.peer),
            seconds(later),
            told.iter().flatten().count(),
            told.len(),
            after(latest, LATE),
        ),
        &format!(
            "{:.2}, then {:.2} of a core; {}; all judged; {} of {} invalid ones told, the last after {}",
            halves[0][1],
            halves[1][1],
            memory(&last.own),
            told.len(),
            told.len(),
            seconds(worst),
        ),
    );
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn fifty_messages_a_block() {
    load(50);
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn five_hundred_messages_a_block() {
    load(500);
}
