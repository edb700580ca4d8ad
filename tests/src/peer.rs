//! op-interop-mon, the OP Stack's own monitor of cross-chain messages, built from its release
//! (`tests/op-interop-mon`) and started as its documentation says.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::go_module::go;
use crate::process::{self, Cost, Heard};
use crate::toolchain::needs;
use crate::{root, target_folder, wait_until};

/// Words of a message's status in its metrics (`monitor/job.go`).
pub const STATUSES: [&str; 5] = [
    "valid",
    "invalid",
    "expired",
    "timestamp_mismatch",
    "unknown",
];

/// Its package.
const PACKAGE: &str = "github.com/ethereum-optimism/optimism/op-interop-mon/cmd";

/// How to run it.
pub struct Peering<'a> {
    /// A folder for its dependency set.
    pub dir: &'a Path,
    /// The chains' nodes.
    pub nodes: [&'a str; 2],
    /// Seconds for which a message can be executed.
    pub expiry: u64,
    /// More arguments.
    pub arguments: &'a [&'a str],
}

/// The program at work.
pub struct Peer {
    child: Child,
    heard: Heard,
    page: String,
}

/// Its program, built once. Needs Go.
pub fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    needs("go");
    BUILT.get_or_init(|| {
        let program = target_folder().join("op-interop-mon");
        let output = program.to_string_lossy();
        go(&module(), &["build", "-o", &output, PACKAGE], &[]);
        program
    })
}

/// The release that is built.
pub fn version() -> String {
    let pinned = std::fs::read_to_string(module().join("go.mod")).expect("go.mod");
    let mut words = pinned.split_whitespace();
    words.find(|word| *word == "github.com/ethereum-optimism/optimism");
    words.next().expect("its version").to_owned()
}

fn module() -> PathBuf {
    root().join("tests/op-interop-mon")
}

impl Peering<'_> {
    /// It starts with no chain of the set that has no node: the set is of both chains alone.
    fn depset(&self) -> PathBuf {
        let path = self.dir.join("depset-of-both.json");
        let text = format!(
            r#"{{"dependencies": {{"901": {{}}, "902": {{}}}}, "overrideMessageExpiryWindow": {}}}"#,
            self.expiry
        );
        std::fs::create_dir_all(self.dir).expect("the folder");
        std::fs::write(&path, text).expect("the dependency set");
        path
    }

    /// Starts it, whatever becomes of it.
    pub fn spawn(&self) -> Peer {
        let mut command = Command::new(program());
        command.args(["--l2-rpcs", self.nodes[0], "--l2-rpcs", self.nodes[1]]);
        command.arg("--dependency-set").arg(self.depset());
        command.args(["--metrics.enabled", "--metrics.addr", "127.0.0.1"]);
        command.args(["--metrics.port", "0"]);
        command.args(["--rpc.addr", "127.0.0.1", "--rpc.port", "0"]);
        command.args(self.arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("op-interop-mon starts");
        let heard = Heard::of(child.stdout.take().expect("a pipe"));
        heard.hear(child.stderr.take().expect("a pipe"));
        Peer {
            heard,
            child,
            page: String::new(),
        }
    }

    /// Starts it, and waits until its metrics say that it is up.
    pub fn start(&self) -> Peer {
        let mut peer = self.spawn();
        let address = "started metrics server";
        wait_until("op-interop-mon serves metrics", || {
            peer.said().iter().any(|line| line.contains(address))
        });
        let line = peer.said().into_iter().find(|line| line.contains(address));
        let line = line.expect("it was said");
        let (_, address) = line.split_once("addr=").expect("its address");
        peer.page = format!("http://{}/metrics", address.trim());
        wait_until("op-interop-mon is up", || peer.sum("up", "") == 1);
        peer
    }
}

impl Peer {
    /// Lines that it said.
    pub fn said(&self) -> Vec<String> {
        self.heard.lines()
    }

    /// When it said something of a message that a block of a chain executes.
    pub fn named(&self, chain: u64, block: u64) -> Vec<Instant> {
        // The two forms of `monitor/job.go` and `monitor/metric_collector.go`.
        let of_job = format!("executing: {chain}@{block}:");
        let of_block = format!("executing_block_height={block} ");
        self.heard.times(|line| {
            // Of every message, until it has asked for finalized blocks.
            let is_early = line.contains("has no final block");
            !is_early && (line.contains(&of_job) || line.contains(&of_block))
        })
    }

    /// When it said a text.
    pub fn times(&self, text: &str) -> Vec<Instant> {
        self.heard.times(|line| line.contains(text))
    }

    /// Sum of all values of a metric whose labels hold a text.
    pub fn sum(&self, name: &str, label: &str) -> u64 {
        let name = format!("op_interop_mon_default_{name}");
        process::sum(&process::page(&self.page), &name, label)
    }

    /// Open messages of each status, in the order of [`STATUSES`].
    pub fn counts(&self) -> [u64; 5] {
        let page = process::page(&self.page);
        let name = "op_interop_mon_default_message_status";
        STATUSES.map(|status| process::sum(&page, name, &format!("status=\"{status}\"")))
    }

    /// Open messages.
    pub fn open(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// How it ended, if it did so in this time.
    pub fn ended(&mut self, within: Duration) -> Option<(ExitStatus, Duration)> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return Some((status, begun.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        Cost::of(self.child.id())
    }
}

/// `kill -9`.
impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
