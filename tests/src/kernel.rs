//! A real SwingSet kernel with vats of its own (`tests/node/kernel`), run from
//! one bootstrapped database as often as one likes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::npm::run;
use crate::root;
use crate::slog_sender::{NodeHost, build_addon, copy_all};
use crate::toolchain::needs;

/// What runs begin with.
pub struct Kernel {
    host: &'static NodeHost,
    database: PathBuf,
}

/// What one run is asked for.
pub struct Asked<'a> {
    /// Where its database, and what its sender writes, goes: an empty folder.
    pub home: &'a Path,
    /// Blocks.
    pub blocks: u32,
    /// Actions of each block.
    pub actions: u32,
    /// A module that exports `makeSlogSender`; none: no slog.
    pub sender: Option<&'a Path>,
}

/// What a kernel computed.
#[derive(Debug, PartialEq, Eq)]
pub struct Computed {
    /// How often the store emitted a crankhash.
    pub cranks: u64,
    /// A digest of all of them, in order.
    pub crankhashes: String,
    /// The last activityhash.
    pub activityhash: String,
}

/// What that took.
pub struct Run {
    /// What must not depend on who listens.
    pub computed: Computed,
    /// Entries handed to the sender.
    pub entries: u64,
    /// From the first block to the end of the last one.
    pub seconds: f64,
    /// The same, of all threads on a core.
    pub cpu_seconds: f64,
    /// Greatest memory of the process.
    pub peak_mib: u64,
}

impl Kernel {
    /// Needs Node, npm, and what compiles the store's addon.
    pub fn prepared() -> &'static Kernel {
        static PREPARED: OnceLock<Kernel> = OnceLock::new();
        PREPARED.get_or_init(prepare)
    }

    /// Runs it; it must end well.
    pub fn run(&self, asked: &Asked) -> Run {
        let state = asked.home.join("data/agoric");
        fs::create_dir_all(&state).expect("a folder");
        copy_all(&self.database, &state, "");
        let mut command = self.host.program("kernel/run.js", asked.home);
        command
            .args([&asked.blocks.to_string(), &asked.actions.to_string()])
            .args(asked.sender)
            .env("SLOGFILE", state.join("slogfile"))
            .stderr(Stdio::inherit());
        Run::of(&self::run(&mut command))
    }

    /// The module of a sender that npm installed here.
    pub fn sender(&self, name: &str) -> PathBuf {
        let modules = self.host.folder().join("node_modules");
        modules.join("@agoric/telemetry/src").join(name)
    }

    /// A module that lies beside the kernel's vats.
    pub fn program(&self, name: &str) -> PathBuf {
        self.host.folder().join("kernel").join(name)
    }

    /// The module of Haltbox's sender.
    pub fn haltbox(&self) -> PathBuf {
        self.host.module()
    }
}

impl Run {
    fn of(printed: &str) -> Run {
        let told: Value = serde_json::from_str(printed).unwrap_or_else(|_| panic!("{printed}"));
        let text = |name: &str| told[name].as_str().expect(name).to_owned();
        let count = |name: &str| told[name].as_u64().expect(name);
        let seconds = |name: &str| told[name].as_f64().expect(name);
        Run {
            computed: Computed {
                cranks: count("cranks"),
                crankhashes: text("crankhashes"),
                activityhash: text("activityhash"),
            },
            entries: count("entries"),
            seconds: seconds("seconds"),
            cpu_seconds: seconds("cpuSeconds"),
            peak_mib: count("peakMiB"),
        }
    }
}

fn prepare() -> Kernel {
    let host = NodeHost::installed();
    build_store(host);
    let (sources, copies) = (
        root().join("tests/node/kernel"),
        host.folder().join("kernel"),
    );
    let database = host.folder().join("kernel-database");
    // Written last, the kernel's bundle tells that the database was finished.
    let finished = database.join("kernel-bundle.json");
    if !(finished.is_file() && same_files(&sources, &copies)) {
        let _ = fs::remove_dir_all(&database);
        let _ = fs::remove_dir_all(&copies);
        fs::create_dir_all(&copies).expect("a folder");
        copy_all(&sources, &copies, ".js");
        let mut command = Command::new("node");
        command.arg("--expose-gc").arg(copies.join("prepare.js"));
        run(command.arg(&database).current_dir(host.folder()));
    }
    Kernel { host, database }
}

/// The kernel's store is SQLite, in an addon for this machine.
fn build_store(host: &NodeHost) {
    let package = host.folder().join("node_modules/better-sqlite3");
    if package.join("build/Release/better_sqlite3.node").is_file() {
        return;
    }
    ["make", "c++", "python3"].into_iter().for_each(needs);
    build_addon(&package);
}

fn same_files(a: &Path, b: &Path) -> bool {
    let entries = fs::read_dir(a).expect("the sources");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .into_iter()
        .all(|name| fs::read(a.join(&name)).ok() == fs::read(b.join(&name)).ok())
}
