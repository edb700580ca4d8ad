use std::time::{Duration, Instant};

use haltbox_tests::anvil::{Executed, Placed};
use haltbox_tests::wait_until;
use haltbox_watch::access_list::Declared;

use super::{Both, PATIENCE, PEER_PATIENCE, after, forged, row, seconds, within};

/// For so long a node hangs.
const OUTAGE: Duration = Duration::from_secs(30);
/// The peer begins so many blocks below the newest one (`monitor/finder.go`).
const BACKFILL: u64 = 100;
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:1";

impl Both {
    /// Open messages of the peer, once it has had the time to read what it reads at its
    /// start: ten blocks a second.
    fn peer_open(&self, expected: u64) -> u64 {
        let read = Duration::from_secs(BACKFILL / 10) + PEER_PATIENCE;
        within(read, Instant::now(), || self.peer().open() == expected);
        self.peer().open()
    }

    fn own_open(&self, expected: u64) {
        wait_until("all messages are open", || {
            self.watcher().sum("message_status", "") == expected
        });
    }

    fn executes(&self, placed: &Placed, count: usize) {
        for _ in 0..count {
            self.execute(&placed.message());
        }
    }
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn a_kill_and_a_restart() {
    let Some(mut both) = Both::start() else {
        return;
    };
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    let wrong = both.execute(&forged(&placed));
    both.executes(&placed, 6);
    both.own_open(7);
    let before = both.peer_open(7);

    both.kill();
    both.start_monitors();
    both.own_open(7);
    let peer = both.peer_open(7);
    row(
        "`kill -9`, started again at once; 7 open messages, all of the last 100 blocks",
        &format!("{before} before, {peer} after"),
        "7 before, 7 after",
    );

    both.kill();
    both.to.mine(BACKFILL + 20);
    both.from.mine(BACKFILL + 20);
    both.executes(&placed, 2);
    both.start_monitors();
    both.own_open(9);
    let peer = both.peer_open(9);
    let named = both.peer().named(902, wrong.block).len();
    let again = both.watcher().alerts(&wrong.transaction.to_string());
    assert!(again.is_empty(), "it was told before: {again:?}");
    assert_eq!(both.own("invalid"), 1);
    assert_eq!(both.watcher().sum("incidents_open", ""), 1);
    row(
        &format!(
            "`kill -9`, started again {} blocks later; 7 open messages, one of them invalid, and 2 new ones",
            BACKFILL + 20
        ),
        &format!("{peer} of 9 open; {named} lines about the invalid one"),
        "9 of 9 open; the invalid one is an open incident, and is not told again",
    );
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn the_initiating_chains_node_hangs() {
    let Some(both) = Both::start() else { return };
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    let mut messages = vec![(placed.message(), Vec::new()); 500];
    messages[0].1 = Declared::of(&placed.message()).entries();
    both.to.execute_together(&messages);
    wait_until("all are judged", || both.own("valid") == 500);
    within(2 * PEER_PATIENCE, Instant::now(), || {
        both.peer().counts()[0] == 500
    });
    both.from.stop();
    let since = Instant::now();
    both.watcher().wait_for("NOT WATCHED", PATIENCE);
    let own = both.watcher().when("NOT WATCHED").expect("it was said");
    std::thread::sleep(OUTAGE.saturating_sub(since.elapsed()));
    let [valid, .., unknown] = both.peer().counts();
    let up = both.peer().sum("up", "");
    let lines = both.peer().times("error getting block").len();
    let health = both.watcher().page("health");
    assert!(health.contains("chain 901: no node answers"), "{health}");
    assert_eq!(both.watcher().sum("node_up", "901"), 0);
    assert_eq!(both.own("valid"), 500);
    both.from.cont();
    wait_until("the node is up", || {
        both.watcher().sum("node_up", "901") == 1
    });
    row(
        "the node of the initiating chain hangs for 30 s, 500 valid messages are open",
        &format!(
            "`up` is {up}; {valid} valid, {unknown} unknown; {lines} lines \"error getting block ...\""
        ),
        &format!(
            "alert after {}, `/health` is 503, `node_up` is 0; 500 stay valid",
            seconds(own.saturating_duration_since(since))
        ),
    );
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn the_executing_chains_node_comes_back_blocks_of_a_second() {
    comes_back(1);
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn the_executing_chains_node_comes_back_blocks_of_two_seconds() {
    comes_back(2);
}

/// A node that comes back has the blocks of the meantime at once.
fn comes_back(block_time: u64) {
    let Some(mut both) = Both::nodes(block_time) else {
        return;
    };
    both.start_monitors();
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    both.execute(&placed.message());
    wait_until("it is judged", || both.own("valid") == 1);
    within(PEER_PATIENCE, Instant::now(), || {
        both.peer().counts()[0] == 1
    });
    both.to.stop();
    std::thread::sleep(OUTAGE);
    both.to.cont();
    both.to.mine(OUTAGE.as_secs() / block_time);
    let first = told_by_both(&both, &placed);
    std::thread::sleep(OUTAGE);
    let second = told_by_both(&both, &placed);
    row(
        &format!(
            "the node of the executing chain hangs for 30 s, blocks of {block_time} s; \
             an invalid message at its return, and another {} s later",
            OUTAGE.as_secs()
        ),
        &format!("told {} and {}", first.0, second.0),
        &format!("told {} and {}", first.1, second.1),
    );
}

/// After how long both tell of an invalid message that is executed now.
fn told_by_both(both: &Both, placed: &Placed) -> (String, String) {
    let executed: Executed = both.execute(&forged(placed));
    let since = Instant::now();
    let own = both.alerted(&executed, "the log index is out of range", since);
    let patience = 3 * OUTAGE;
    let named = || both.peer().named(902, executed.block).first().copied();
    within(patience, since, || named().is_some());
    let peer = named().map(|at| at.saturating_duration_since(since));
    (after(peer, patience), after(Some(own), patience))
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn what_is_down_at_the_start() {
    let Some(both) = Both::nodes(1) else { return };
    let down = [
        (
            "a filter",
            ["--interop-filter-endpoint", NOBODY],
            ["--filter", NOBODY],
        ),
        (
            "a supernode",
            ["--supernode-endpoints", NOBODY],
            ["--supernode", NOBODY],
        ),
    ];
    for (what, peer, own) in down {
        let watcher = both.watch(&own);
        let message = both.from.emit(b"hello");
        both.to.catch_up_with(&both.from);
        let wrong = both.execute(&forged(&message));
        watcher.wait_for(&format!("tx {}: ", wrong.transaction), PATIENCE);
        watcher.end();
        let peer = both.peering(&peer);
        row(
            &format!("{what} is down at the start"),
            &fate(peer.spawn()),
            "runs, and tells of an invalid message",
        );
    }
    let watcher = haltbox_tests::watcher::Watching {
        dir: &both.folder.path().join("blind"),
        chains: &[(901, NOBODY), (902, both.to.url())],
        expiry: super::EXPIRY,
        arguments: &super::EVERY,
    };
    let watcher = watcher.start();
    watcher.wait_for("chain 901: NOT WATCHED", PATIENCE);
    watcher.end();
    let mut peer = both.peering(&[]);
    peer.nodes[0] = NOBODY;
    row(
        "the node of one chain is down at the start",
        &fate(peer.spawn()),
        "runs, and alerts that it is blind there",
    );
}

/// What becomes of the peer in a minute.
fn fate(mut peer: haltbox_tests::peer::Peer) -> String {
    let minute = Duration::from_secs(60);
    let Some((status, took)) = peer.ended(minute) else {
        return "runs a minute later".to_owned();
    };
    let how = match peer.times("panic: ").is_empty() {
        true => "",
        false => " by a panic",
    };
    format!("ends{how} after {}, {status}", seconds(took))
}
