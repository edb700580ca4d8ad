//! Real CometBFT validators (`tests/cometbft`): four on loopback, a process
//! each, with the recorder linked.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::go_module::{go, link};
use crate::{boxes, root, target_folder, wait_until};

/// Validators of a chain.
pub const VALIDATORS: usize = 4;

/// A line of CometBFT's releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 0.37, whose validator has nothing of the recorder in it.
    V037,
    /// 0.38.
    V038,
    /// 0.40.
    V040,
}

impl Version {
    /// As in `go.mod` and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Version::V037 => "0.37",
            Version::V038 => "0.38",
            Version::V040 => "0.40",
        }
    }

    /// The program of this version. Needs Go.
    pub fn program(self) -> &'static Path {
        type Built = OnceLock<PathBuf>;
        static BUILT: [Built; 3] = [Built::new(), Built::new(), Built::new()];
        let package = match self {
            Version::V037 => "./abci1",
            Version::V038 | Version::V040 => ".",
        };
        BUILT[self as usize].get_or_init(|| self.build("valnode", package, ""))
    }

    /// CometBFT's own program, which knows nothing of a recorder.
    pub fn cometbft(self) -> PathBuf {
        let package = "github.com/cometbft/cometbft/cmd/cometbft";
        self.build("cometbft", package, "")
    }

    /// The same with another rounding: what a validator has that built it
    /// otherwise.
    pub fn other_build(self) -> PathBuf {
        let rounding = "-X github.com/haltbox/haltbox/tests/cometbft/app.Rounding=up";
        self.build("valnode-up", ".", rounding)
    }

    fn build(self, name: &str, package: &str, ldflags: &str) -> PathBuf {
        link();
        let program = target_folder().join(format!("{name}-{}", self.name()));
        let output = program.to_string_lossy();
        let (modfile, tags) = match self {
            Version::V037 => ("-modfile=comet-0.37.mod", "-tags=abci1"),
            Version::V038 => ("-modfile=go.mod", "-tags="),
            Version::V040 => ("-modfile=comet-0.40.mod", "-tags="),
        };
        let ldflags = format!("-ldflags={ldflags}");
        let arguments = ["build", modfile, tags, &ldflags, "-o", &output, package];
        go(&module(), &arguments, &[]);
        program
    }
}

/// The folder of the Go module.
pub fn module() -> PathBuf {
    root().join("tests/cometbft")
}

/// The homes of four validators.
pub struct Homes {
    folder: tempfile::TempDir,
    port: u16,
}

impl Homes {
    /// Writes them.
    pub fn of(program: &Path) -> Homes {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_ports(3 * VALIDATORS as u16);
        let made = Command::new(program)
            .arg("testnet")
            .arg(folder.path())
            .arg(port.to_string())
            .status();
        assert!(made.expect("valnode starts").success(), "valnode testnet");
        Homes { folder, port }
    }

    /// That of a node.
    pub fn home(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node{number}"))
    }

    /// Where a node answers.
    pub fn url(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}", self.port + 2 * number as u16 + 1)
    }

    /// Where a node's application may listen.
    pub fn application(&self, number: usize) -> String {
        let behind = self.port + 2 * VALIDATORS as u16;
        format!("127.0.0.1:{}", behind + number as u16)
    }
}

/// Four validators.
pub struct Chain {
    /// Each of them.
    pub nodes: Vec<Validator>,
    _homes: Homes,
}

impl Chain {
    /// Writes the homes, and starts all with these options of `valnode run`.
    pub fn start(program: &Path, options: &[&str]) -> Chain {
        let homes = Homes::of(program);
        let nodes = (0..VALIDATORS).map(|number| {
            let mut node = Validator {
                program: program.to_owned(),
                under: Vec::new(),
                home: homes.home(number),
                url: homes.url(number),
                options: options.iter().map(|&option| option.to_owned()).collect(),
                child: None,
                tie: None,
            };
            node.start();
            node
        });
        Chain {
            nodes: nodes.collect(),
            _homes: homes,
        }
    }

    /// Waits until all nodes that run take part in consensus and are at this
    /// height.
    pub fn wait_height(&self, height: u64) {
        for node in self.nodes.iter().filter(|node| node.child.is_some()) {
            node.wait_height(height);
        }
    }

    /// A height that no node has begun, and that all reach soon.
    pub fn soon(&self) -> u64 {
        let heights = self.nodes.iter().map(|node| node.height().unwrap_or(0));
        heights.max().unwrap_or(0) + 4
    }
}

/// One validator.
pub struct Validator {
    /// Its home.
    pub home: PathBuf,
    /// What `run` is given behind the home.
    pub options: Vec<String>,
    /// The program, which a test may exchange.
    pub program: PathBuf,
    /// A command that it is run by: `haltbox run ... --`.
    pub under: Vec<String>,
    url: String,
    child: Option<Child>,
    /// It ends when this does, so that nothing is left of a test that was killed.
    tie: Option<ChildStdin>,
}

impl Validator {
    /// Starts it; its log goes behind what it wrote before.
    pub fn start(&mut self) {
        let append = |name: &str| {
            let mut options = File::options();
            let options = options.create(true).append(true);
            options.open(self.home.join(name)).expect("a log")
        };
        let under = self.under.iter().map(OsStr::new);
        let mut words = under.chain([self.program.as_os_str()]);
        let child = Command::new(words.next().expect("the program"))
            .args(words)
            .arg("run")
            .arg(&self.home)
            .arg("-tied")
            .args(&self.options)
            .stdin(Stdio::piped())
            .stdout(append("log"))
            .stderr(append("errors"))
            .spawn();
        let mut child = child.expect("valnode starts");
        self.tie = child.stdin.take();
        self.child = Some(child);
    }

    /// What it logged, without the colours of the SDK's logger.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let mut parts = log.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, text)| text));
        std::iter::once(first.as_str()).chain(rest).collect()
    }

    /// What it wrote to standard error: the runtime's panics.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.home.join("errors")).unwrap_or_default()
    }

    /// The recorder's folder.
    pub fn haltbox(&self) -> PathBuf {
        self.home.join("haltbox")
    }

    /// Names of its boxes.
    pub fn boxes(&self) -> Vec<String> {
        let names = boxes(&self.haltbox()).into_iter();
        let names = names.map(|path| path.file_name().map(|n| n.to_string_lossy().into_owned()));
        names.flatten().collect()
    }

    /// The path of the box of its only block: of the last edition, where a doubt was
    /// frozen before it was proved.
    pub fn only_box(&self) -> PathBuf {
        let found = boxes(&self.haltbox());
        let first = found.first().expect("a box").clone();
        let edition = |path: &PathBuf| *path == first || path.with_extension("") == first;
        assert!(found.iter().all(edition), "{found:?}");
        found.into_iter().next_back().expect("one")
    }

    /// Puts a fault there.
    pub fn arm(&self, kind: &str, height: u64, tx: u32, op: u32) {
        let fault = json!({"kind": kind, "height": height, "tx": tx, "op": op});
        let next = self.home.join("fault.next");
        fs::write(&next, fault.to_string()).expect("a file");
        fs::rename(next, self.home.join("fault.json")).expect("a file");
    }

    /// What an RPC call gives; `None` if there is no answer.
    pub fn rpc(&self, call: &str) -> Option<Value> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let mut answer = agent.get(format!("{}/{call}", self.url)).call().ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        let mut answer: Value = serde_json::from_str(&text).ok()?;
        Some(answer["result"].take())
    }

    /// The newest block it committed.
    pub fn height(&self) -> Option<u64> {
        let status = self.rpc("status")?;
        status["sync_info"]["latest_block_height"]
            .as_str()?
            .parse()
            .ok()
    }

    /// Whether it takes part in consensus.
    pub fn takes_part(&self) -> bool {
        let status = self.rpc("status").unwrap_or_default();
        status["sync_info"]["catching_up"] == false
    }

    /// Waits until it takes part in consensus and is at this height.
    pub fn wait_height(&self, height: u64) {
        wait_until(
            &format!("{} at height {height}", self.home.display()),
            || self.height().is_some_and(|now| now >= height) && self.takes_part(),
        );
    }

    /// The AppHash of a height, out of the header of the next one.
    pub fn app_hash(&self, height: u64) -> String {
        let header = self.rpc(&format!("header?height={}", height + 1));
        let header = header.expect("an answer");
        header["header"]["app_hash"]
            .as_str()
            .expect("a hash")
            .to_owned()
    }

    /// Whether its process is there.
    pub fn runs(&mut self) -> bool {
        let Some(child) = &mut self.child else {
            return false;
        };
        child.try_wait().expect("a child").is_none()
    }

    /// Waits until its process ended by itself.
    pub fn wait_end(&mut self) -> ExitStatus {
        wait_until(&format!("the end of {}", self.home.display()), || {
            !self.runs()
        });
        let mut child = self.child.take().expect("it ran");
        child.wait().expect("a child")
    }

    /// Ends it in order.
    pub fn stop(&mut self) {
        self.end(Signal::SIGTERM);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// The AppHash that a fresh application has at a height, out of the blocks of
    /// this node, which does not run.
    pub fn reexecute(&self, height: u64) -> String {
        let done = Command::new(&self.program)
            .arg("reexecute")
            .arg(&self.home)
            .arg(height.to_string())
            .output();
        let done = done.expect("valnode starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = kill(Pid::from_raw(child.id() as i32), signal);
        child.wait().expect("a child");
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first of some ports in a row that nobody has. Each call of this process
/// looks behind the last one: its chain may not listen yet.
fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = 20_000 + (std::process::id() % 500) as u16 * 20;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let base = own + NEXT.fetch_add(count, Ordering::Relaxed) % 2_000;
        if (base..base + count).all(free) {
            return base;
        }
    }
}
