//! The slog senders of a Node process: how they are run, and what the whole path
//! of an entry costs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haltbox_tests::root;
use haltbox_tests::slog_sender::NodeHost;
use serde_json::Value;

use crate::programs::missing;
use crate::report::time;
use crate::rounds::{Rounds, few};
use crate::targets::Figure;
use crate::{real_slog, scratch};

/// The sender that is measured.
pub const OURS: &str = "haltbox";
/// No sender: JSON alone.
pub const ALONE: &str = "stringify";
/// No thread makes the ring's pages present.
pub const BARE: &str = "haltbox-bare";

/// A folder with the programs, and the slog that they send.
pub struct Bench {
    host: &'static NodeHost,
    slog: PathBuf,
}

/// The whole path of an entry, beside JSON alone.
pub fn figures() -> Result<Vec<Figure>, String> {
    missing(&["node", "npm"])?;
    let folder = scratch();
    let bench = Bench::prepared(folder.path());
    let mut rounds = Rounds::new();
    for _ in 0..few() {
        rounds.push([ALONE, OURS, ALONE].map(|sender| {
            let fed = bench.feed(sender, "burst");
            fed["seconds"].as_f64().expect("seconds")
        }));
    }
    let detail = format!("{}, {}", time(rounds.candidate()), time(rounds.base()));
    let control = Some(rounds.control());
    Ok(vec![Figure::new(
        "Node slog sender",
        rounds.cost(),
        control,
        detail,
    )])
}

impl Bench {
    /// Installs the package if it is not, and writes the slog into the folder.
    pub fn prepared(folder: &Path) -> Bench {
        let host = NodeHost::installed();
        let programs = host.folder().join("bench");
        fs::create_dir_all(&programs).expect("a folder");
        for name in ["senders.mjs", "feed.mjs", "acknowledge.mjs"] {
            let source = root().join("benches/node").join(name);
            fs::copy(source, programs.join(name)).expect("a copy");
        }
        let slog = folder.join("slog");
        fs::write(&slog, real_slog()).expect("a slog");
        Bench { host, slog }
    }

    /// A program with one of the senders, in a home of its own.
    pub fn program(&self, name: &str, sender: &str, home: &Path) -> Command {
        let mut command = self.host.program(&format!("bench/{name}"), home);
        let state = state(home);
        fs::create_dir_all(&state).expect("a folder");
        command
            .arg(sender)
            .args([&self.slog, &state])
            .env("HALTBOX_MODULE", self.host.module())
            .env("HALTBOX_DIR", state.join("haltbox"))
            .env("HALTBOX_SIZE", "256MiB")
            .env("HALTBOX_BACKGROUND", u8::from(sender != BARE).to_string())
            .env("SLOGFILE", state.join("slogfile.jsonl"))
            .stdout(Stdio::piped());
        command
    }

    /// Sends the slog at a pace, and gives what the program tells of it.
    pub fn feed(&self, sender: &str, pace: &str) -> Value {
        let home = scratch();
        let mut command = self.program("feed.mjs", sender, home.path());
        let done = command.arg(pace).output().expect("node runs");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{sender}, {pace}: {said}");
        serde_json::from_slice(&done.stdout).expect("JSON")
    }
}

/// Where a sender keeps its files.
pub fn state(home: &Path) -> PathBuf {
    home.join("data/agoric")
}
