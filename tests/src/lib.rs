//! What the end-to-end tests share: the built programs, the recordings, a
//! small random generator, and a recorder that is driven as a user would.

pub mod anvil;
pub mod c_library;
pub mod comet;
pub mod context_sender;
pub mod divergence;
pub mod go_module;
pub mod guest;
pub mod imports;
pub mod kernel;
pub mod log_case;
pub mod loop_disk;
pub mod lying_proxy;
pub mod mutation;
pub mod node;
mod npm;
pub mod peer;
pub mod process;
pub mod slog_sender;
pub mod slog_writer;
pub mod stub_endpoint;
pub mod stub_node;
pub mod supersim;
pub mod toolchain;
pub mod valnode;
pub mod watcher;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ has a parent")
        .to_owned()
}

/// Where cargo puts what it builds with the profile of the tests.
pub fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("the program knows its path");
    let folder = own.parent().expect("target/PROFILE");
    // A test lies one folder below the programs.
    let above = folder.parent().filter(|_| folder.ends_with("deps"));
    above.unwrap_or(folder).to_owned()
}

/// The folder of the built programs: they are built if they are not yet, with
/// the profile of the tests. `HALTBOX_PROGRAMS` names a folder of others, such as
/// those of another machine.
pub fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(others) = std::env::var_os("HALTBOX_PROGRAMS") {
            return PathBuf::from(others);
        }
        let folder = target_folder();
        let mut build = Command::new(env!("CARGO"));
        forget_package(&mut build).current_dir(root()).args([
            "build",
            "--workspace",
            "--bins",
            "--quiet",
        ]);
        if folder.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        assert!(
            build.status().expect("cargo runs").success(),
            "the programs do not build"
        );
        folder
    })
}

/// Has a command that runs cargo not know of which package this test is: some
/// build scripts ask, and all that depends on them would be built anew, there and
/// back again.
pub fn forget_package(command: &mut Command) -> &mut Command {
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(told) {
            command.env_remove(name);
        }
    }
    command
}

/// The `haltbox` command.
pub fn haltbox() -> Command {
    Command::new(programs().join("haltbox"))
}

/// Runs `haltbox` with these arguments.
pub fn run(arguments: &[&str]) -> Output {
    haltbox().args(arguments).output().expect("haltbox runs")
}

/// What `haltbox status --json` says of a recorder's folder; null before there is
/// a ring.
pub fn status(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&run(&["status", "--json", text(dir)]).stdout).unwrap_or_default()
}

/// Standard output of `haltbox`, which must end with `code`.
pub fn output(code: i32, arguments: &[&str]) -> Vec<u8> {
    let done = run(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(
        done.status.code(),
        Some(code),
        "haltbox {arguments:?}: {said}"
    );
    done.stdout
}

/// The full recordings, where they are: `HALTBOX_DATA`, or `../shared/data`
/// beside the checkout.
pub fn data() -> Option<PathBuf> {
    let named = std::env::var_os("HALTBOX_DATA").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("../shared/data"));
    folder.is_dir().then_some(folder)
}

/// A full recording, decompressed; `None`, and a printed line, without them.
pub fn recording(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = data() else {
        println!("left out: the full recordings are not here (set HALTBOX_DATA)");
        return None;
    };
    Some(decompress(&folder.join(format!("{name}.slog.zst"))))
}

/// An excerpt that is part of the repository: blocks 12 and 13.
pub fn excerpt(name: &str) -> Vec<u8> {
    decompress(&root().join(format!("tests/data/{name}-12-13.slog.zst")))
}

fn decompress(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut decoder = zstd::stream::read::Decoder::new(file).expect("zstd");
    decoder.window_log_max(27).expect("a window of 128 MiB");
    let mut slog = Vec::new();
    decoder.read_to_end(&mut slog).expect("an intact recording");
    slog
}

/// What `zstd -dc` prints for a box.
pub fn zstd_dc(path: &Path) -> Vec<u8> {
    zstd::stream::decode_all(File::open(path).expect("a box")).expect("a valid Zstandard file")
}

/// A small generator (SplitMix64): the seed reproduces everything.
pub struct Random(pub u64);

impl Random {
    /// From `HALTBOX_SEED`, else `default`; printed.
    pub fn seeded(default: u64) -> Random {
        let asked = std::env::var("HALTBOX_SEED")
            .ok()
            .and_then(|text| text.parse().ok());
        let seed = asked.unwrap_or(default);
        println!("seed {seed} (HALTBOX_SEED changes it)");
        Random(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }
}

/// The long form of a suite was asked for.
pub fn long() -> bool {
    std::env::var_os("HALTBOX_LONG").is_some()
}

/// A recorder that runs.
pub struct Recorder {
    /// Its folder.
    pub dir: PathBuf,
    child: Child,
}

impl Recorder {
    /// Starts `haltbox record --dir DIR` with more arguments; what it says goes
    /// to `DIR.stderr`.
    pub fn start(dir: &Path, arguments: &[&str], stdin: Stdio) -> Recorder {
        Recorder::start_with_path(dir, arguments, stdin, None)
    }

    /// As [`Recorder::start`], with a folder whose programs come before all
    /// others.
    pub fn start_with_path(
        dir: &Path,
        arguments: &[&str],
        stdin: Stdio,
        first: Option<&Path>,
    ) -> Recorder {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let own = first.into_iter().map(Path::to_owned);
        let paths = std::env::join_paths(own.chain(std::env::split_paths(&paths)));
        let said = File::options()
            .create(true)
            .append(true)
            .open(said_path(dir))
            .expect("stderr");
        let child = Command::new(programs().join("haltbox"))
            .args(["record", "--dir"])
            .arg(dir)
            .args(arguments)
            .env("PATH", paths.expect("folders"))
            .stdin(stdin)
            .stderr(said)
            .spawn()
            .expect("haltbox record starts");
        Recorder {
            dir: dir.to_owned(),
            child,
        }
    }

    /// A recorder of `dir` that was started in another way.
    pub fn of(dir: &Path, child: Child) -> Recorder {
        Recorder {
            dir: dir.to_owned(),
            child,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Everything recorders of this folder said.
    pub fn said(&self) -> String {
        fs::read_to_string(said_path(&self.dir)).unwrap_or_default()
    }

    /// Waits until it said `words`.
    pub fn wait_for(&self, words: &str) {
        wait_until(
            &format!("the recorder to say {words:?}; it said {}", self.said()),
            || self.said().contains(words),
        );
    }

    /// Sends SIGTERM and waits.
    pub fn stop(mut self) {
        let pid = Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end, whatever its exit code.
    pub fn wait_however(mut self) {
        self.child.wait().expect("it ends");
    }

    /// Waits for its end, which must be in order.
    pub fn wait(mut self) {
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}: {}", self.said());
    }
}

/// None is left of a test that failed.
impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said_path(dir: &Path) -> PathBuf {
    dir.with_extension("stderr")
}

/// Waits for something that must come, at most a minute.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "waited in vain for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Records `slog` through a pipe to its end, beside this node log.
pub fn record_all(dir: &Path, slog: &[u8], node_log: Option<&[u8]>, size: &str) -> Recorder {
    let log = dir.with_extension("node.log");
    let mut arguments = vec!["--size", size, "--slog", "-"];
    let log_text = log.to_string_lossy().into_owned();
    if let Some(lines) = node_log {
        fs::write(&log, lines).expect("a node log");
        arguments.extend(["--node-log", &log_text]);
    }
    let mut recorder = Recorder::start(dir, &arguments, Stdio::piped());
    let mut pipe = recorder.child.stdin.take().expect("a pipe");
    pipe.write_all(slog).expect("the recorder reads");
    recorder
}

/// The node's log of a failure at `height`, zerolog form.
pub fn failure(height: u64) -> Vec<u8> {
    let (local, network) = ("11".repeat(32), "22".repeat(32));
    format!(
        "2:28PM INF finalized block block_app_hash={local} height={height} module=state \
         num_txs_res=0 num_val_updates=0\n2:28PM ERR CONSENSUS FAILURE!!! err=\"precommit step; \
         +2/3 prevoted for an invalid block: wrong Block.Header.AppHash.  Expected {local}, got \
         {network}\" module=consensus server=node stack=\"goroutine 175 [running]:\\n\"\n"
    )
    .into_bytes()
}

/// The boxes of a recorder's folder, if there is one.
pub fn boxes(dir: &Path) -> Vec<PathBuf> {
    let entries = match fs::read_dir(dir.join("boxes")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        entries => entries.expect("a folder of boxes"),
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('.') || name == "CONSENSUS_FAILURE.txt" || name.ends_with(".sig")
    };
    let mut paths: Vec<PathBuf> = paths.filter(|path| !hidden(path)).collect();
    paths.sort();
    paths
}

/// Processes whose command line has this text.
pub fn processes(of: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = std::process::id() as i32;
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line)
                .replace('\0', " ")
                .contains(of)
        })
        .map(Pid::from_raw)
        .collect()
}

/// Files of this folder can give a part of themselves back to the disk.
pub fn has_holes(folder: &Path) -> bool {
    use nix::fcntl::{FallocateFlags, fallocate};
    let path = folder.join("probe");
    fs::write(&path, vec![1; 1 << 20]).expect("a file");
    let file = File::options().write(true).open(&path).expect("a file");
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&file, punch, 0, 1 << 20).is_ok()
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The record of a counter, as `ring-writer` writes it: every byte follows from
/// the counter. Sizes vary from 0 bytes to a whole fragment.
pub fn record_bytes(counter: u64, out: &mut Vec<u8>) {
    let mut random = Random(counter);
    let length = match random.below(20) {
        0 => 60_000 + random.below(5_536),
        1..=3 => random.below(4096),
        _ => random.below(400),
    };
    out.clear();
    let word = random.draw().to_le_bytes();
    out.extend((0..length as usize).map(|at| word[at % 8] ^ (at / 8) as u8));
}

/// A block of a real slog with another height: the first run of block 12, some
/// 200 KB, from its begin to what follows its commit.
pub fn block(height: u64) -> Vec<u8> {
    static PARTS: OnceLock<Vec<u8>> = OnceLock::new();
    let parts = PARTS.get_or_init(|| {
        let excerpt = excerpt("honest-a");
        let lines: Vec<&[u8]> = excerpt.split_inclusive(|byte| *byte == b'\n').collect();
        let at = |words: &str| {
            let is = |line: &&[u8]| String::from_utf8_lossy(line).contains(words);
            lines.iter().position(is).expect("the excerpt")
        };
        let begin = at("begin-block\",\"blockHeight\":12");
        let run = at("run-finish\",\"blockHeight\":12,\"runNum\":0");
        let end = at("end-block-finish\",\"blockHeight\":12");
        let after = at("after-commit-stats\",\"blockHeight\":12");
        [&lines[begin..=run], &lines[end..=after]].concat().concat()
    });
    let text = String::from_utf8_lossy(parts);
    let height = format!("\"blockHeight\":{height},");
    text.replace("\"blockHeight\":12,", &height).into_bytes()
}

/// A small disk of its own.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts it. Needs root.
    pub fn mount(megabytes: u64) -> SmallDisk {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        assert!(mounted, "this test needs root, to mount a small disk");
        SmallDisk(folder)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
