//! Real consensus failures, played by four validators. In short some of them
//! with one version of CometBFT;
//!
//! ```sh
//! HALTBOX_LONG=1 cargo test -p haltbox-tests --test divergence -- --include-ignored --nocapture
//! ```
//!
//! plays all with both, and prints a table. HALTBOX_SCENARIO=WORDS keeps to those
//! whose names have these words.

use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};

use haltbox_tests::divergence::{Row, SCENARIOS, scenario};
use haltbox_tests::long;
use haltbox_tests::valnode::Version;

/// Four validators are enough for two cores.
static ONE_CHAIN: Mutex<()> = Mutex::new(());

fn play(name: &str, version: Version) -> Row {
    version.program();
    let _alone = ONE_CHAIN.lock().unwrap_or_else(PoisonError::into_inner);
    (scenario(name).play)(version)
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn one_of_four_diverges() {
    play("one of four writes another value", Version::V038);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn the_chain_splits_in_two() {
    play("two of four: the chain halts", Version::V038);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn the_divergent_node_is_restarted() {
    play("the divergent node is restarted", Version::V038);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn a_node_is_killed_in_a_block() {
    play("SIGKILL inside FinalizeBlock", Version::V038);
}

#[test]
#[ignore = "needs HALTBOX_LONG=1 and Go; `-- --ignored` runs it"]
fn the_whole_matrix() {
    if !long() {
        println!("left out: HALTBOX_LONG=1 plays it");
        return;
    }
    let words = std::env::var("HALTBOX_SCENARIO").unwrap_or_default();
    println!("| scenario | CometBFT | froze | boxes | verdict | place | |");
    println!("|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for scenario in SCENARIOS.iter().filter(|s| s.name.contains(&words)) {
        for &version in scenario.versions {
            // One that fails leaves the others their rows.
            match catch_unwind(|| play(scenario.name, version)) {
                Ok(row) => print(scenario.name, version, &row),
                Err(_) => failed.push((scenario.name, version)),
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

fn print(name: &str, version: Version, row: &Row) {
    let froze: Vec<String> = row.froze.iter().map(|node| format!("node{node}")).collect();
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} |",
        version.name(),
        froze.join(", "),
        row.names.join(", "),
        row.verdict,
        row.place,
        row.note
    );
}
