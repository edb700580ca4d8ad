//! What users do to a ring and its disk with ordinary commands, while a host records: it goes on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use haltbox_tests::c_library::{C11, compiler, installed, link_shared};
use haltbox_tests::loop_disk::{FileSystem, LoopDisk};
use haltbox_tests::*;

const AUTO: &str = "0";
const MAP: &str = "1";
const WRITE: &str = "2";
const QUEUE: &str = "3";

/// A C program.
fn program(name: &str, folder: &Path) -> PathBuf {
    let library = installed();
    let command = compiler(C11, name, &library.prefix);
    link_shared(command, &library.prefix, folder, name)
}

/// A host that executes blocks until it is told to end.
struct Host {
    child: Child,
    height: Arc<AtomicU64>,
    told: JoinHandle<String>,
}

impl Host {
    fn start(program: &Path, dir: &Path, engine: &str) -> Host {
        let mut command = Command::new(program);
        command.arg(dir).arg(engine);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let height = Arc::new(AtomicU64::new(0));
        let reached = Arc::clone(&height);
        let told = std::thread::spawn(move || {
            let mut last = String::new();
            for line in lines.map_while(Result::ok) {
                if let Some(height) = line.strip_prefix("height ") {
                    reached.store(height.parse().expect("a number"), Ordering::Relaxed);
                }
                last = line;
            }
            last
        });
        let host = Host {
            child,
            height,
            told,
        };
        host.goes_on("it was started");
        host
    }

    /// Waits for two hundred blocks more. One that is blocked, or ended, never gets there.
    fn goes_on(&self, after: &str) {
        let begun = self.height.load(Ordering::Relaxed);
        let what = format!("a host to go on after: {after}");
        wait_until(&what, || {
            self.height.load(Ordering::Relaxed) >= begun + 200 || self.told.is_finished()
        });
        assert!(!self.told.is_finished(), "the host ended after: {after}");
    }

    /// Ends it in order; gives what was dropped.
    fn end(mut self) -> u64 {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        let told = self.told.join().expect("the reader");
        assert!(status.success(), "{status}: {told}");
        let dropped = told.rsplit(' ').next().expect("a word");
        dropped.parse().expect("a number")
    }
}

fn runs(command: &str, arguments: &[&Path]) -> bool {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    let command = command.args(words).args(arguments);
    let status = command.stderr(Stdio::null()).stdout(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Copies the ring in every way there is, so that its blocks are shared where that can be.
fn copy(disk: &LoopDisk, ring: &Path) {
    let to = |name: &str| disk.path().join(name);
    assert!(runs("cp", &[ring, &to("copy")]));
    runs("cp --reflink=always", &[ring, &to("reflink")]);
    runs("btrfs subvolume snapshot", &[&disk.path(), &to("snapshot")]);
}

/// Everything that users do, one behind the other, beside one host.
fn nothing_ends_the_host(kind: FileSystem, engine: &str) {
    let disk = LoopDisk::mount(kind);
    let folder = tempfile::tempdir().expect("a folder");
    let steady = program("steady", folder.path());
    let dir = disk.path().join("haltbox");
    let ring = dir.join("ring");
    let host = Host::start(&steady, &dir, engine);
    disk.fill();
    host.goes_on("the disk was filled");
    disk.free();
    copy(&disk, &ring);
    host.goes_on("the ring was copied");
    disk.fill();
    host.goes_on("the ring was copied and the disk filled");
    disk.free();
    host.goes_on("room was freed");
    // What was refused meanwhile is told of: what is there is sound, and has holes at most.
    let seen = run_program(&["verify", text(&ring)]);
    assert!(matches!(seen.status.code(), Some(0 | 1)), "{seen:?}");
    std::fs::rename(&ring, dir.join("renamed")).expect("renamed");
    host.goes_on("the ring was renamed");
    std::fs::remove_file(dir.join("renamed")).expect("removed");
    host.goes_on("the ring was removed");
    host.end();
}

fn run_program(arguments: &[&str]) -> std::process::Output {
    haltbox().args(arguments).output().expect("it runs")
}

#[test]
#[ignore = "needs root, loop devices, mkfs, C++, make and pkg-config; `-- --ignored` runs it"]
fn nothing_that_users_do_ends_a_host_on_ext4() {
    nothing_ends_the_host(FileSystem::Ext4, AUTO);
    nothing_ends_the_host(FileSystem::Ext4, QUEUE);
}

#[test]
#[ignore = "needs root, loop devices, mkfs, C++, make and pkg-config; `-- --ignored` runs it"]
fn nothing_that_users_do_ends_a_host_on_xfs() {
    nothing_ends_the_host(FileSystem::Xfs, AUTO);
    nothing_ends_the_host(FileSystem::Xfs, WRITE);
}

#[test]
#[ignore = "needs root, loop devices, mkfs, C++, make and pkg-config; `-- --ignored` runs it"]
fn nothing_that_users_do_ends_a_host_on_xfs_without_reflinks() {
    nothing_ends_the_host(FileSystem::XfsWithoutReflinks, AUTO);
}

#[test]
#[ignore = "needs root, loop devices, mkfs, C++, make and pkg-config; `-- --ignored` runs it"]
fn nothing_that_users_do_ends_a_host_on_btrfs() {
    nothing_ends_the_host(FileSystem::Btrfs, AUTO);
}

/// A quota ends where the disk goes on: nothing of the ring can be written anew.
#[test]
#[ignore = "needs root, loop devices, mkfs, C++, make and pkg-config; `-- --ignored` runs it"]
fn a_quota_ends_no_host() {
    let disk = LoopDisk::mount(FileSystem::Btrfs);
    let folder = tempfile::tempdir().expect("a folder");
    let steady = program("steady", folder.path());
    let limited = disk.path().join("limited");
    let made = runs("btrfs subvolume create", &[&limited])
        && runs("btrfs quota enable", &[&disk.path()])
        && runs("btrfs qgroup limit 96M", &[&limited]);
    assert!(made, "this test needs quotas on btrfs");
    let dir = limited.join("haltbox");
    let host = Host::start(&steady, &dir, AUTO);
    let fill = format!("dd if=/dev/zero of={} bs=64k", text(&limited.join("fill")));
    assert!(!runs(&fill, &[]), "the quota holds");
    host.goes_on("the quota was used up");
    runs(
        "cp --reflink=always",
        &[&dir.join("ring"), &limited.join("copy")],
    );
    host.goes_on("the ring was copied within the quota");
    std::fs::remove_file(limited.join("fill")).expect("removed");
    host.goes_on("room was freed");
    let seen = run_program(&["verify", text(&dir.join("ring"))]);
    assert!(matches!(seen.status.code(), Some(0 | 1)), "{seen:?}");
    host.end();
}

/// A file that is not mapped may even be cut under the host.
#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn a_ring_that_is_written_can_be_truncated() {
    let folder = tempfile::tempdir().expect("a folder");
    let steady = program("steady", folder.path());
    for engine in [QUEUE, WRITE] {
        let dir = folder.path().join(engine);
        let host = Host::start(&steady, &dir, engine);
        let ring = std::fs::File::options().write(true).open(dir.join("ring"));
        ring.expect("the ring").set_len(0).expect("cut");
        host.goes_on("the ring was truncated");
        host.end();
    }
}

/// A ring that came to btrfs by a copy is copied on write: it must not be mapped there.
#[test]
#[ignore = "needs root, loop devices, mkfs, C++, make and pkg-config; `-- --ignored` runs it"]
fn a_copied_ring_is_not_mapped_on_btrfs() {
    let disk = LoopDisk::mount(FileSystem::Btrfs);
    let folder = tempfile::tempdir().expect("a folder");
    let steady = program("steady", folder.path());
    let made = folder.path().join("made");
    Host::start(&steady, &made, AUTO).end();
    let dir = disk.path().join("haltbox");
    std::fs::create_dir(&dir).expect("a folder");
    assert!(runs("cp", &[&made.join("ring"), &dir.join("ring")]));
    let refused = Command::new(&steady).arg(&dir).arg(MAP).output();
    let refused = String::from_utf8(refused.expect("it runs").stdout).expect("UTF-8");
    assert!(
        refused.contains("refused") && refused.contains("copy-on-write"),
        "{refused}"
    );
    assert_eq!(Host::start(&steady, &dir, AUTO).end(), 0);
}

/// Kills a host that tells of each entry; gives (what it told of, what is in the ring).
fn killed(kill: &Path, dir: &Path, engine: &str, entries: u64) -> (u64, Vec<u64>) {
    let mut command = Command::new(kill);
    command.arg(dir).arg(engine).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut told = child.stdout.take().expect("a pipe");
    let mut bytes = vec![0; entries as usize * 8];
    std::io::Read::read_exact(&mut told, &mut bytes).expect("it goes on");
    child.kill().expect("it runs");
    std::io::Read::read_to_end(&mut told, &mut bytes).expect("the rest");
    child.wait().expect("it ends");
    let recorded = String::from_utf8(output(0, &["cat", text(&dir.join("ring"))])).expect("UTF-8");
    let found = recorded.lines().filter_map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        entry["entry"].as_u64()
    });
    (bytes.len() as u64 / 8, found.collect())
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn a_kill_takes_nothing_that_was_written_and_of_a_queue_its_end_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let kill = program("kill", folder.path());
    let (mut random, mut queue_found) = (Random::seeded(12), 0);
    for (engine, time) in [WRITE, QUEUE]
        .into_iter()
        .flat_map(|e| (0..8).map(move |t| (e, t)))
    {
        let dir = folder.path().join(format!("{engine}-{time}"));
        let (told, found) = killed(&kill, &dir, engine, 1000 + random.below(20_000));
        let count = found.len() as u64;
        assert!(found.into_iter().eq(0..count), "a hole or a stranger");
        println!("engine {engine}: {told} told of, {count} found");
        assert!(
            engine == QUEUE || count >= told,
            "{told} told of, {count} found"
        );
        queue_found += if engine == QUEUE { count } else { 0 };
    }
    // A thread that never wrote would have left nothing; one of a busy machine begins late.
    assert!(queue_found > 0, "nothing of eight queues was written");
}
