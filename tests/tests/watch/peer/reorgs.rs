use std::time::{Duration, Instant};

use haltbox_tests::anvil::{Anvil, Executed};
use haltbox_tests::wait_until;

use super::{Both, PATIENCE, PEER_PATIENCE, after, forged, row, seconds, within};

/// For so long the peer is asked whether it still counts a message whose block is gone.
const LOOKED_AT: Duration = Duration::from_secs(30);

/// Replaces the blocks of a chain from a height on by empty ones.
fn replace(chain: &Anvil, from: u64) -> Instant {
    let since = Instant::now();
    chain.reorg(chain.height("latest") - from + 1);
    since
}

impl Both {
    /// Waits until both have judged so many valid and invalid messages.
    fn judged(&self, valid: u64, invalid: u64) {
        wait_until("the watcher has judged all", || {
            (self.own("valid"), self.own("invalid")) == (valid, invalid)
        });
        let counts = [valid, invalid, 0, 0, 0];
        let peer = within(PEER_PATIENCE, Instant::now(), || {
            self.peer().counts() == counts
        });
        if peer.is_none() {
            println!("op-interop-mon counts {:?}", self.peer().counts());
        }
    }

    fn wait_gone(&self, since: Instant) -> Duration {
        self.watcher().wait_for("messages in them:", PATIENCE);
        let said = self.watcher().when("messages in them:");
        said.expect("it was said").saturating_duration_since(since)
    }
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn the_executing_block_is_replaced() {
    let Some(both) = Both::start() else { return };
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    let wrong = both.execute(&forged(&placed));
    both.execute(&placed.message());
    both.judged(1, 1);
    let since = replace(&both.to, wrong.block);
    let own = both.wait_gone(since);
    wait_until("nothing is open", || {
        both.watcher().sum("message_status", "") == 0
    });
    let peer = within(LOOKED_AT, since, || both.peer().counts()[1] == 0);
    let [valid, invalid, ..] = both.peer().counts();
    row(
        "the blocks of an invalid and a valid message are replaced by empty ones",
        &format!(
            "the invalid one is dropped {}; then it counts {invalid} invalid, {valid} valid",
            after(peer, LOOKED_AT)
        ),
        &format!("both are told to be gone after {}", seconds(own)),
    );
}

#[test]
#[ignore = "needs HALTBOX_PEER=1, Go, Node.js and npm; `-- --ignored` runs it"]
fn the_initiating_chain_is_reorganized() {
    let Some(both) = Both::start() else { return };
    let placed = both.from.emit(b"hello");
    both.to.catch_up_with(&both.from);
    let executed: Executed = both.execute(&placed.message());
    both.judged(1, 0);
    let since = replace(&both.from, placed.place.block);
    let own = both.alerted(&executed, "invalid now", since);
    let peer = within(PATIENCE, since, || {
        both.peer().sum("terminal_status_changes", "") == 1
    });
    row(
        "the block of a valid message's log is replaced",
        &format!("the change is told {}", after(peer, PATIENCE)),
        &format!("the change is told after {}", seconds(own)),
    );
}
