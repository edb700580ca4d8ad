//! Beside a host that links the recorder: freezing and archiving for it.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use haltbox_format::{AppHash, Profile};
use haltbox_recorder::host::{HostRecorder, Options};
use haltbox_tests::*;

struct Host {
    child: Child,
    calls: ChildStdin,
}

impl Host {
    fn start(dir: &Path) -> Host {
        let mut child = Command::new(programs().join("host"))
            .arg(dir)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let calls = child.stdin.take().expect("a pipe");
        Host { child, calls }
    }

    fn execute(&mut self, height: u64) {
        self.calls
            .write_all(&block(height))
            .expect("the host reads");
    }

    fn call(&mut self, call: &str) {
        writeln!(self.calls, "!{call}").expect("the host reads");
    }

    fn end(mut self) {
        drop(self.calls);
        assert!(self.child.wait().expect("it ends").success());
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

fn attached(dir: &Path, more: &[&str]) -> Watcher {
    let ring = dir.join("ring");
    let said = dir.with_extension("attached");
    let child = haltbox()
        .args(["record", "--attach", text(&ring)])
        .args(more)
        .stderr(std::fs::File::create(&said).expect("a file"))
        .spawn()
        .expect("haltbox record starts");
    Watcher { child, said }
}

struct Watcher {
    child: Child,
    said: std::path::PathBuf,
}

impl Watcher {
    fn wait_for(&self, words: &str) {
        wait_until(&format!("{words:?} in {}", self.said.display()), || {
            std::fs::read_to_string(&self.said).is_ok_and(|said| said.contains(words))
        });
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hash(byte: u8) -> String {
    format!("{byte:02X}").repeat(32)
}

#[test]
fn a_divergence_that_the_host_tells_of_is_frozen_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    // Before the host: its ring is waited for, and never locked.
    let watcher = attached(&dir, &[]);
    watcher.wait_for("is not there yet; waiting for it");
    let mut host = Host::start(&dir);
    watcher.wait_for("attached to");
    (1..=5).for_each(|height| host.execute(height));
    host.call(&format!("diverged 5 {} {}", hash(1), hash(2)));
    watcher.wait_for("DIVERGED at height 5");
    let found = boxes(&dir);
    let [only] = found.as_slice() else {
        panic!("one box expected, found {found:?}")
    };
    output(0, &["verify", text(only)]);
    let slog: Vec<u8> = (1..=5).flat_map(block).collect();
    assert!(
        zstd_dc(only) == slog,
        "the box holds what the host recorded"
    );
    assert!(dir.join("boxes/CONSENSUS_FAILURE.txt").exists());
    // The host goes on, dies, and starts again: it learns of the box, and whoever
    // attaches then finds nothing to do.
    host.execute(6);
    host.kill();
    let host = Host::start(&dir);
    host.end();
    let five = &status(&dir)["attention"][0];
    assert_eq!(five["height"], 5, "{five}");
    let name = only.file_name().expect("a name").to_string_lossy();
    assert_eq!(five["frozen"], name.as_ref(), "{five}");
    assert_eq!(boxes(&dir), found);
}

/// The host says in its ring how its entries are read.
#[test]
fn the_host_s_own_profile_is_what_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let watcher = attached(&dir, &[]);
    let profile = Profile::builtin("host").expect("a profile");
    let options = Options {
        size: 8 << 20,
        ..Options::new(&dir, profile)
    };
    let (host, _) = HostRecorder::open(options).expect("it opens");
    watcher.wait_for("attached to");
    let own = AppHash::new(&[1; 32]).expect("32 bytes");
    for height in 1..=3 {
        host.begin_block(height, 0, None).expect("begun");
        host.record(br#"{"type":"step-one"}"#).expect("recorded");
        host.commit(height, Some(own)).expect("committed");
    }
    let network = AppHash::new(&[2; 32]).expect("32 bytes");
    host.diverged(3, own, network, "").expect("told");
    watcher.wait_for("DIVERGED at height 3");
    let found = boxes(&dir);
    assert_eq!(found.len(), 1);
    assert!(!text(&found[0]).contains("incomplete"), "{found:?}");
    let info = String::from_utf8(output(0, &["info", text(&found[0])])).expect("UTF-8");
    assert!(info.contains("3 of 3 blocks complete"), "{info}");
}

#[test]
fn a_hash_that_differs_and_is_not_proved_is_frozen_when_it_lasts() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut host = Host::start(&dir);
    let watcher = attached(&dir, &["--persist-seconds", "2"]);
    (1..=3).for_each(|height| host.execute(height));
    for (height, local, network) in [(2, 1, 1), (3, 3, 4)] {
        host.call(&format!("local {height} {}", hash(local)));
        host.call(&format!("confirm {height} {}", hash(network)));
    }
    watcher.wait_for("height 3");
    wait_until("the box", || !boxes(&dir).is_empty());
    let found = boxes(&dir);
    assert_eq!(found.len(), 1, "{found:?}");
    let name = found[0]
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    assert!(name.starts_with("3-"), "{name}");
    host.end();
}

#[test]
fn what_the_host_s_ring_lets_go_is_archived_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut host = Host::start(&dir);
    let _watcher = attached(&dir, &[]);
    let archived = || {
        let archive = std::fs::read_dir(dir.join("archive")).into_iter().flatten();
        let names = archive.map(|entry| entry.expect("an entry").file_name());
        let last = names.filter_map(|name| name.to_str()?.rsplit('-').next()?.parse::<u64>().ok());
        last.max().unwrap_or(0)
    };
    for height in 1..=60 {
        host.execute(height);
        wait_until(&format!("the archive at height {height}"), || {
            archived() + 15 >= height
        });
    }
    host.end();
    let whole = output(0, &["cat", text(&dir)]);
    let slog: Vec<u8> = (1..=60).flat_map(block).collect();
    assert!(whole == slog, "{} of {} bytes", whole.len(), slog.len());
}
