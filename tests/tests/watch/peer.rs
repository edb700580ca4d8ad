//! The real op-interop-mon beside `haltbox watch`, on the same two anvils with blocks of a
//! second. The tests assert what the watcher does, and print what both did as rows of a
//! table: what the peer does is seen and not judged.
//!
//! ```sh
//! HALTBOX_PEER=1 cargo test -p haltbox-tests --test watch peer:: -- --ignored --nocapture
//! ```

mod kinds; // each kind of message
mod loads; // tens and hundreds of messages a block
mod outages; // kills, and nodes and endpoints that are down
mod reorgs; // either chain is replaced from a height on

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use haltbox_tests::anvil::{Anvil, Executed, Mining, Options, Placed};
use haltbox_tests::peer::{self, Peer, Peering};
use haltbox_tests::programs;
use haltbox_tests::watcher::{Watcher, Watching};
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;
use tempfile::TempDir;

/// Long enough for the watcher on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The peer looks for blocks, judges, and counts once a second each: what it has not told
/// in this time it does not tell.
const PEER_PATIENCE: Duration = Duration::from_secs(10);
/// Seconds for which a message can be executed.
const EXPIRY: u64 = 600;
/// Blocks by which `safe` lags: nothing is finalized while a case is played.
const NEVER_FINAL: u64 = 20_000;
/// The peer looks once a second, which is no flag of its own: so does the watcher.
const EVERY: [&str; 2] = ["--every-ms", "1000"];

/// Both monitors on the same two nodes.
struct Both {
    from: Anvil,
    to: Anvil,
    folder: TempDir,
    peer: Option<Peer>,
    watcher: Option<Watcher>,
    /// One case after another: they share the machine.
    _turn: MutexGuard<'static, ()>,
}

impl Both {
    /// The nodes with blocks of so many seconds, and no monitor yet. `None`, and a printed
    /// line, unless asked for. Needs Go, Node and npm.
    fn nodes(seconds: u64) -> Option<Both> {
        static TURN: Mutex<()> = Mutex::new(());
        if std::env::var_os("HALTBOX_PEER").is_none() {
            println!("left out: HALTBOX_PEER=1 builds op-interop-mon and runs it");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        programs();
        peer::program();
        static HEAD: Once = Once::new();
        HEAD.call_once(head);
        let options = Options {
            mining: Mining::Every(seconds),
            epoch: NEVER_FINAL,
            ..Options::default()
        };
        let both = Both {
            from: Anvil::start(901, options),
            to: Anvil::start(902, options),
            folder: tempfile::tempdir().expect("a folder"),
            peer: None,
            watcher: None,
            _turn: turn,
        };
        for chain in [&both.from, &both.to] {
            chain.install_emitter();
            chain.install_inbox();
        }
        Some(both)
    }

    /// The nodes and both monitors.
    fn start() -> Option<Both> {
        let mut both = Both::nodes(1)?;
        both.start_monitors();
        Some(both)
    }

    fn start_monitors(&mut self) {
        self.watcher = Some(self.watch(&[]));
        self.peer = Some(self.peering(&[]).start());
    }

    /// The watcher with more arguments.
    fn watch(&self, arguments: &[&str]) -> Watcher {
        let chains = [(901, self.from.url()), (902, self.to.url())];
        let watching = Watching {
            dir: self.folder.path(),
            chains: &chains,
            expiry: EXPIRY,
            arguments: &[&EVERY, arguments].concat(),
        };
        watching.start()
    }

    fn peering<'a>(&'a self, arguments: &'a [&'a str]) -> Peering<'a> {
        Peering {
            dir: self.folder.path(),
            nodes: [self.from.url(), self.to.url()],
            expiry: EXPIRY,
            arguments,
        }
    }

    /// `kill -9` of both.
    fn kill(&mut self) {
        self.watcher.take().expect("it runs").kill();
        self.peer = None;
    }

    fn watcher(&self) -> &Watcher {
        self.watcher.as_ref().expect("it runs")
    }

    fn peer(&self) -> &Peer {
        self.peer.as_ref().expect("it runs")
    }

    fn execute(&self, message: &Message) -> Executed {
        self.to.execute(message, &Declared::of(message).entries())
    }

    /// Open messages of the watcher that have a status.
    fn own(&self, status: &str) -> u64 {
        let label = format!("status=\"{status}\"");
        self.watcher().sum("message_status", &label)
    }

    /// When the watcher said something of a transaction, and how long after `since`.
    fn alerted(&self, executed: &Executed, words: &str, since: Instant) -> Duration {
        let text = format!("tx {}: ", executed.transaction);
        let line = self.watcher().wait_for(&text, PATIENCE);
        assert!(line.contains(words), "expected {words:?}: {line}");
        let said = self.watcher().when(&text).expect("it was said");
        said.saturating_duration_since(since)
    }
}

/// A message that names a log otherwise than it is.
fn with(placed: &Placed, change: impl Fn(&mut Message)) -> Message {
    let mut message = placed.message();
    change(&mut message);
    message
}

fn forged(placed: &Placed) -> Message {
    with(placed, |m| m.place.log = 1_000_000)
}

fn head() {
    println!("| | op-interop-mon {} | `haltbox watch` |", peer::version());
    println!("|---|---|---|");
}

/// A row of the table.
fn row(case: &str, peer: &str, own: &str) {
    println!("| {case} | {peer} | {own} |");
}

/// After how long something is so, if within this time.
fn within(patience: Duration, since: Instant, mut is_so: impl FnMut() -> bool) -> Option<Duration> {
    while !is_so() {
        if since.elapsed() > patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(since.elapsed())
}

/// As in the table.
fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

/// As in the table: after how long, or that it was waited for in vain.
fn after(took: Option<Duration>, patience: Duration) -> String {
    match took {
        Some(took) => format!("after {}", seconds(took)),
        None => format!("not within {} s", patience.as_secs()),
    }
}
