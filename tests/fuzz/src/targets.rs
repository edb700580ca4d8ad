//! The targets, one file for each kind of input.

use std::sync::LazyLock;

use haltbox_model::Profile;

pub mod agoric;
pub mod blackbox;
pub mod collect;
pub mod comet;
pub mod entries;
pub mod json;
pub mod op_node;
pub mod profile;
pub mod recordings;
pub mod ring;
pub mod servers;
pub mod watch;

/// The builtin profiles, parsed once.
static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| Profile::builtins().collect());

/// A builtin profile.
fn profile(name: &str) -> &'static Profile {
    let found = PROFILES.iter().find(|profile| profile.name == name);
    found.expect("a builtin profile")
}

/// An entry of each kind that a small execution of a SwingSet kernel has.
const SLOG: &str = include_str!("../seeds/swingset.slog");
/// Two blocks of a host that records transactions.
const TRANSACTIONS: &str = include_str!("../seeds/transactions.slog");
/// A node's log with an AppHash that differs.
const NODE_LOG: &str = include_str!("../../data/logs/gaia-1280.log");
