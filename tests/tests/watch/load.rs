use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_tests::anvil::{Anvil, Mining, Options, Placed};
use haltbox_tests::process::Cost;
use haltbox_tests::watcher::Watching;
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;

/// Seconds of the long form.
const LONG: u64 = 600;

/// A chain that sends and executes, on which nothing is finalized for hours.
fn chain(id: u64) -> Anvil {
    let options = Options {
        mining: Mining::Every(1),
        epoch: 20_000,
        ..Options::default()
    };
    let chain = Anvil::start(id, options);
    chain.install_emitter();
    chain.install_inbox();
    chain
}

/// The same message many times: one declaration is enough for all.
fn messages(placed: &Placed, count: usize) -> Vec<(Message, Vec<B256>)> {
    let message = placed.message();
    let mut messages = vec![(message, Vec::new()); count];
    messages[0].1 = Declared::of(&message).entries();
    messages
}

/// The look before this one.
struct Look {
    at: Instant,
    cpu: f64,
}

/// `HALTBOX_LONG=1` is ten minutes; `HALTBOX_MESSAGES` is messages of a block.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn many_messages_a_block_are_judged_at_once() {
    let seconds = match std::env::var_os("HALTBOX_LONG") {
        Some(_) => LONG,
        None => 12,
    };
    let given = std::env::var("HALTBOX_MESSAGES").ok();
    let count = given.and_then(|text| text.parse().ok()).unwrap_or(500);
    let (a, b) = (chain(901), chain(902));
    let folder = tempfile::tempdir().expect("a folder");
    let chains = [(901, a.url()), (902, b.url())];
    let watching = Watching {
        dir: folder.path(),
        chains: &chains,
        expiry: 600_000,
        arguments: &["--size", "256MiB"],
    };
    let watcher = watching.start();
    let placed = [a.emit(b"of a"), b.emit(b"of b")];
    let forged = {
        let mut message = placed[0].message();
        message.place.log = 1_000_000;
        message
    };
    let begun = Instant::now();
    let mut last = Look {
        at: begun,
        cpu: watcher.cost().cpu,
    };
    let mut sent = 0;
    let mut worst = Duration::ZERO;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let (to_a, to_b) = (messages(&placed[1], count), messages(&placed[0], count));
        std::thread::scope(|scope| {
            scope.spawn(|| a.execute_together(&to_a));
            scope.spawn(|| b.execute_together(&to_b));
        });
        sent += 2 * count;
        if sent % (20 * count) == 0 {
            worst = worst.max(report(&watcher, &b, &forged));
            let Cost { own, cpu, .. } = watcher.cost();
            println!(
                "{:>4} s: {sent} sent, {:.2} of a core, {} MiB, {} unjudged, worst report {worst:?}",
                begun.elapsed().as_secs(),
                (cpu - last.cpu) / last.at.elapsed().as_secs_f64(),
                own >> 20,
                watcher.sum("unjudged_messages", ""),
            );
            last = Look {
                at: Instant::now(),
                cpu,
            };
        }
    }
    let all = || watcher.sum("message_status", "status=\"valid\"") == sent as u64;
    let patience = if haltbox_tests::long() { 5 } else { 30 };
    let until = Instant::now() + Duration::from_secs(patience);
    while !all() {
        let open = watcher.sum("message_status", "status=\"valid\"");
        assert!(Instant::now() < until, "{open} of {sent} are judged");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(watcher.sum("dropped_entries", ""), 0);
    watcher.end();
}

/// From the block of an invalid message to what is said of it.
fn report(watcher: &haltbox_tests::watcher::Watcher, to: &Anvil, forged: &Message) -> Duration {
    let executed = to.execute(forged, &Declared::of(forged).entries());
    let included = Instant::now();
    let text = executed.transaction.to_string();
    watcher.wait_for(&text, Duration::from_secs(60));
    let said = watcher.when(&text).expect("it was said");
    said.saturating_duration_since(included)
}
