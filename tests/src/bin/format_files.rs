//! Makes the files of a format version, with the recorder and the commands of this
//! build, out of what two nodes wrote. It reads what `FROM` holds of these, and writes
//! a new folder: files that were made once are never made again.
//!
//! `format-files FROM TO`; `tests/data/format-1/README.md` says what they are.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use haltbox_format::Lane;
use haltbox_format::ring::{RingView, SUPERBLOCK_OFFSETS, SUPERBLOCK_SIZE, Superblock};
use haltbox_tests::{boxes, failure, haltbox, programs, root, status, text, wait_until, zstd_dc};

/// What the folders hold that is kept.
const RINGS: [&str; 6] = ["closed", "odd", "killed", "damaged", "lapped", "hosted"];

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = arguments.as_slice() else {
        panic!("usage: format-files FROM TO");
    };
    fs::create_dir(to).expect("a folder that is not there yet");
    let work = tempfile::tempdir().expect("a folder");
    let make = Make {
        from: from.canonicalize().expect("a folder"),
        at: work.path().to_owned(),
    };
    make.closed();
    make.killed();
    make.damaged();
    make.lapped();
    make.hosted();
    make.cosmos();
    make.fingerprints();
    make.copies();
    make.keep(to);
}

struct Make {
    /// What the nodes wrote.
    from: PathBuf,
    /// Where all is made: paths in the files are relative to it.
    at: PathBuf,
}

impl Make {
    fn slog(&self, node: &str) -> Vec<u8> {
        zstd_dc(&self.from.join(format!("{node}.slog.zst")))
    }

    fn haltbox(&self, arguments: &[&str]) -> Command {
        let mut command = haltbox();
        command.current_dir(&self.at).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) {
        let done = self.haltbox(arguments).output().expect("haltbox runs");
        assert!(done.status.success(), "{arguments:?}: {done:?}");
    }

    /// A recorder of a slog from its pipe, beside this log.
    fn record(&self, dir: &str, log: &[u8], more: &[&str]) -> Child {
        let node_log = format!("{dir}.log");
        fs::write(self.at.join(&node_log), log).expect("a log");
        let said = fs::File::create(self.at.join(format!("{dir}.said"))).expect("a file");
        let fixed = ["record", "--dir", dir, "--size", "4MiB", "--slog", "-"];
        let mut command = self.haltbox(&fixed);
        command.args(["--node-log", &node_log]).args(more);
        let started = command.stdin(Stdio::piped()).stderr(said).spawn();
        started.expect("haltbox record starts")
    }

    fn said(&self, dir: &str) -> String {
        fs::read_to_string(self.at.join(format!("{dir}.said"))).unwrap_or_default()
    }

    fn only_box(&self, dir: &str) -> PathBuf {
        let found = boxes(&self.at.join(dir));
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].strip_prefix(&self.at).expect("inside").to_owned()
    }

    /// Rings that were closed in order, and a healthy node's box of its last block.
    fn closed(&self) {
        let log = fs::read(self.from.join("node-a.log")).expect("a log");
        ends(self.record("closed", &log, &[]), &self.slog("node-a"));
        self.run(&["freeze", "closed", "--height", "9"]);
        ends(self.record("odd", b"", &[]), &self.slog("node-odd"));
    }

    /// A ring whose recorder was killed inside block 10, and the box of the divergence
    /// at 9.
    fn killed(&self) {
        let log = fs::read(self.from.join("node-b.log")).expect("a log");
        let mut recorder = self.record("killed", &log, &[]);
        let slog = [self.slog("node-b"), begun(10)].concat();
        let lines = slog.iter().filter(|byte| **byte == b'\n').count();
        feed(&mut recorder, &slog);
        wait_until("the box", || {
            self.said("killed").contains("do not roll back")
        });
        let in_ring = || RingView::read(&fs::File::open(self.at.join("killed/ring"))?);
        wait_until("all lines", || {
            let held = in_ring().map_or(0, |view| {
                let lanes = [Lane::Main, Lane::Local];
                lanes
                    .iter()
                    .map(|lane| view.lane(*lane).next_counter())
                    .sum()
            });
            held >= lines as u64
        });
        recorder.kill().expect("it runs");
        recorder.wait().expect("it ends");
    }

    /// The closed ring without its first superblock, and without a page of block 8.
    fn damaged(&self) {
        let mut ring = fs::read(self.at.join("closed/ring")).expect("a ring");
        ring[..4096].fill(0);
        let long = ring.windows(4096).position(|page| page == [b'x'; 4096]);
        let page = long.expect("the long line").next_multiple_of(4096);
        ring[page..page + 4096].fill(0xAA);
        fs::create_dir(self.at.join("damaged")).expect("a folder");
        fs::write(self.at.join("damaged/ring"), ring).expect("a ring");
    }

    /// A ring that went round, and the archive of what it let go.
    fn lapped(&self) {
        let mut recorder = self.record("lapped", b"", &["--archive-bytes", "1GiB"]);
        for height in 1..=14 {
            feed(&mut recorder, &filler(height));
            wait_until("the block", || {
                status(&self.at.join("lapped"))["head"] == height
            });
        }
        ends(recorder, &[]);
    }

    /// A ring that its host wrote, and what a recorder beside it learned of the log.
    fn hosted(&self) {
        let log = fs::read(self.from.join("node-a.log")).expect("a log");
        fs::write(self.at.join("hosted.log"), b"").expect("a log");
        let mut host = Command::new(programs().join("host"))
            .current_dir(&self.at)
            .args(["hosted", "4"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let said = fs::File::create(self.at.join("hosted.said")).expect("a file");
        let attach = [
            "record",
            "--attach",
            "hosted/ring",
            "--node-log",
            "hosted.log",
        ];
        let beside = self.haltbox(&attach).stderr(said).spawn();
        let mut beside = beside.expect("haltbox record starts");
        wait_until("the host's ring", || {
            self.said("hosted").contains("attached to")
        });
        feed(&mut host, &self.slog("node-a"));
        fs::write(self.at.join("hosted.log"), &log).expect("a log");
        wait_until("the log", || {
            let kept = fs::metadata(self.at.join("hosted/attached/log.0"));
            kept.is_ok_and(|kept| kept.len() > log.len() as u64)
        });
        stop(&mut beside);
        ends(host, &[]);
    }

    /// The box of a host that records stores.
    fn cosmos(&self) {
        let slog = root().join("tests/data/collect/recorded.jsonl");
        let mut recorder = self.record("cosmos", &failure(20), &["--profile", "host"]);
        // Without the end of the block before, nobody knows where block 20 begins.
        feed(&mut recorder, &without_inputs(19));
        feed(&mut recorder, &fs::read(slog).expect("a slog"));
        wait_until("the box", || {
            self.said("cosmos").contains("do not roll back")
        });
        ends(recorder, &[]);
        fs::remove_file(self.at.join("cosmos/ring")).expect("a ring");
    }

    fn fingerprints(&self) {
        let [a, b] = ["closed", "killed"].map(|dir| self.only_box(dir));
        let cosmos = self.only_box("cosmos");
        let print = |source: &Path, to: &str, more: &[&str]| {
            let arguments = ["fingerprint", text(source), "-o", to];
            self.run(&[&arguments[..], more].concat());
        };
        print(&a, "fingerprint-2-a", &[]);
        print(&b, "fingerprint-2-b", &[]);
        print(&cosmos, "fingerprint-4", &["--profile", "host"]);
        let plain: Vec<u8> = (1..=2).flat_map(without_inputs).collect();
        fs::write(self.at.join("plain.slog"), plain).expect("a slog");
        print(
            Path::new("plain.slog"),
            "fingerprint-3",
            &["--profile", "host"],
        );
        let first = in_version_1(&fs::read(self.at.join("fingerprint-2-a")).expect("a file"));
        fs::write(self.at.join("fingerprint-1-a"), first).expect("a file");
    }

    /// A part of a box, and two with tokens for values.
    fn copies(&self) {
        let [a, b] = ["closed", "killed"].map(|dir| self.only_box(dir));
        let key = self.from.join("key");
        let redact = |source: &Path, to: &str| {
            self.run(&["redact", text(source), "-o", to, "--key-file", text(&key)]);
        };
        redact(&a, "redacted-a");
        redact(&b, "redacted-b");
        self.run(&["extract", text(&b), "-o", "extract-b", "--height", "9"]);
    }

    /// Takes what is kept: rings compressed, and as of a machine without an id, so that
    /// every machine goes on in them.
    fn keep(&self, to: &Path) {
        for name in RINGS {
            let ring = self.at.join(name).join("ring");
            of_no_machine(&ring);
            let bytes = fs::read(&ring).expect("a ring");
            let packed = zstd::bulk::compress(&bytes, 19).expect("memory");
            put(&to.join(name).join("ring.zst"), &packed);
        }
        let folders = ["closed/boxes", "killed/boxes", "cosmos/boxes"];
        for folder in folders
            .iter()
            .chain(&["lapped/archive", "hosted/attached", "."])
        {
            let listed = fs::read_dir(self.at.join(folder)).expect("a folder");
            for path in listed.map(|entry| entry.expect("an entry").path()) {
                let name = path.file_name().expect("a name").to_string_lossy();
                let left = [".log", ".said", ".slog", "lock", ".txt"];
                if path.is_file()
                    && !name.starts_with('.')
                    && !left.iter().any(|end| name.ends_with(end))
                {
                    let bytes = fs::read(&path).expect("a file");
                    put(&to.join(folder).join(&*name), &bytes);
                }
            }
        }
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("written");
}

fn feed(child: &mut Child, bytes: &[u8]) {
    let pipe = child.stdin.as_mut().expect("a pipe");
    pipe.write_all(bytes).expect("it reads");
}

/// Gives it the rest of its input, and waits for its end in order.
fn ends(mut child: Child, rest: &[u8]) {
    feed(&mut child, rest);
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

fn stop(child: &mut Child) {
    let id = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    assert!(child.wait().expect("it ends").success());
}

fn of_no_machine(ring: &Path) {
    let file = fs::File::options().read(true).write(true).open(ring);
    let file = file.expect("a ring");
    for offset in SUPERBLOCK_OFFSETS {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        file.read_exact_at(&mut bytes, offset).expect("a page");
        if let Ok(found) = Superblock::decode(&bytes) {
            let changed = Superblock {
                machine: [0; 32],
                boot: [0; 16],
                ..found
            };
            let written = file.write_all_at(&changed.encode(), offset);
            written.expect("written");
        }
    }
}

/// The beginning of a block.
fn begun(height: u64) -> Vec<u8> {
    format!(
        "{{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":{height}}}\n\
         {{\"type\":\"cosmic-swingset-end-block-start\",\"blockHeight\":{height}}}\n\
         {{\"type\":\"cosmic-swingset-run-start\",\"blockHeight\":{height},\"runNum\":0}}\n"
    )
    .into_bytes()
}

/// A whole block of some 400 KB, nearly all of it the same letter.
fn filler(height: u64) -> Vec<u8> {
    let mut block = begun(height);
    for call in 0..6 {
        let long = "x".repeat(64_000);
        let line = format!(
            "{{\"type\":\"syscall\",\"crankNum\":{height},\"syscallNum\":{call},\"long\":\"{long}\"}}\n"
        );
        block.extend(line.bytes());
    }
    let rest = format!(
        "{{\"type\":\"cosmic-swingset-end-block-finish\",\"blockHeight\":{height}}}\n\
         {{\"type\":\"cosmic-swingset-commit-block-finish\",\"blockHeight\":{height}}}\n"
    );
    block.extend(rest.bytes());
    block
}

/// A block of a host that tells its AppHash and none of its inputs.
fn without_inputs(height: u64) -> Vec<u8> {
    let hash = format!("{height:02X}").repeat(32);
    format!(
        "{{\"type\":\"begin-block\",\"height\":{height}}}\n\
         {{\"type\":\"op-write\",\"op\":0,\"store\":\"bank\",\"key\":\"6b\",\"value\":\"76\"}}\n\
         {{\"type\":\"end-block\",\"height\":{height},\"appHash\":\"{hash}\"}}\n\
         {{\"type\":\"commit-block\",\"height\":{height},\"appHash\":\"{hash}\"}}\n"
    )
    .into_bytes()
}

/// A fingerprint of version 2 as version 1, which nothing writes any more: without the
/// activityhashes.
fn in_version_1(second: &[u8]) -> Vec<u8> {
    let number = |at: usize| {
        let bytes = second[at..at + 8].try_into().expect("eight bytes");
        u64::from_le_bytes(bytes) as usize
    };
    let (blocks, rest) = second[96..].split_at(number(8) * 80);
    let blocks: Vec<u8> = blocks
        .chunks(80)
        .flat_map(|block| &block[..64])
        .copied()
        .collect();
    let units: Vec<u8> = rest
        .chunks(12)
        .flat_map(|unit| &unit[..8])
        .copied()
        .collect();
    let digest = |bytes: &[u8]| blake3::hash(bytes).as_bytes()[..16].to_vec();
    let mut head = second[..56].to_vec();
    head[7] = 1;
    head.extend(digest(&units));
    head.extend(digest(&[&head[..], &blocks].concat()));
    head.resize(96, 0);
    [head, blocks, units].concat()
}
