//! Beside a host that links the recorder: freezing and archiving for it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use haltbox_format::AppHash;
use haltbox_model::Profile;
use haltbox_recorder::host::{HostRecorder, Options};
use haltbox_tests::comet::Comet;
use haltbox_tests::node::Version;
use haltbox_tests::*;
use nix::sys::signal::Signal;

struct Host {
    child: Child,
    calls: ChildStdin,
}

impl Host {
    fn start(dir: &Path) -> Host {
        Host::with(dir, &[])
    }

    fn with(dir: &Path, more: &[&str]) -> Host {
        let mut child = Command::new(programs().join("host"))
            .arg(dir)
            .args(more)
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

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("what it said")
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).expect("it runs");
    }

    /// A signal to end, and its end in order.
    fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.child.wait().expect("it ends").success());
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
    watcher.wait_for("does not exist yet; retrying every second");
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
    assert!(info.contains("complete blocks: 3 of 3"), "{info}");
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

/// A host whose log is followed beside its ring.
struct Node {
    _folder: tempfile::TempDir,
    dir: PathBuf,
    log: PathBuf,
    host: Option<Host>,
}

impl Node {
    fn start() -> Node {
        Node::with(&[])
    }

    fn with(more: &[&str]) -> Node {
        let folder = tempfile::tempdir().expect("a folder");
        let (dir, log) = (folder.path().join("node"), folder.path().join("log"));
        std::fs::write(&log, "").expect("a log");
        Node {
            host: Some(Host::with(&dir, more)),
            _folder: folder,
            dir,
            log,
        }
    }

    fn attach(&self) -> Watcher {
        let watcher = attached(&self.dir, &["--node-log", text(&self.log)]);
        watcher.wait_for("attached to");
        watcher
    }

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().expect("a host")
    }

    fn kill_host(&mut self) {
        self.host.take().expect("a host").kill();
    }

    /// A block, in the ring and in the log.
    fn execute(&mut self, height: u64) {
        self.host().execute(height);
        self.say(&agreed(height));
    }

    fn say(&self, lines: &[u8]) {
        let log = std::fs::OpenOptions::new().append(true).open(&self.log);
        log.expect("a log").write_all(lines).expect("written");
    }

    fn alert(&self) -> Option<String> {
        std::fs::read_to_string(self.dir.join("boxes/CONSENSUS_FAILURE.txt")).ok()
    }

    /// Until all that was executed is in the ring, and was looked at.
    fn settle(&self, height: u64) {
        wait_until(&format!("height {height}"), || {
            status(&self.dir)["head"].as_u64() == Some(height)
        });
        std::thread::sleep(Duration::from_millis(2500));
    }
}

/// What a node prints of a block that the network agreed with.
fn agreed(height: u64) -> Vec<u8> {
    let hash = format!("{height:064X}");
    format!(
        "2:28PM INF finalized block block_app_hash={hash} height={height} module=state \
         num_txs_res=0 num_val_updates=0\n2:28PM INF committed state block_app_hash={hash} \
         height={height} module=state\n"
    )
    .into_bytes()
}

/// The name of a height of these blocks by the HASH rule alone.
fn name_of(height: u64) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("slog");
    std::fs::write(&slog, (1..=height).flat_map(block).collect::<Vec<u8>>()).expect("a slog");
    let list = output(0, &["ls", "--json", text(&slog)]);
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    let blocks = list["sources"][0]["blocks"].as_array().expect("a list");
    let last = blocks.last().expect("a block");
    assert_eq!(last["height"], height);
    last["name"].as_str().expect("a name").to_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let names = boxes(dir).into_iter();
    let name = |path: PathBuf| path.file_name().expect("a name").to_owned();
    names
        .map(|path| name(path).into_string().expect("UTF-8"))
        .collect()
}

/// The host's ring has no AppHash: the node's log has it.
#[test]
fn a_failure_in_the_followed_log_is_frozen_beside_the_host_as_a_recorder_would() {
    let mut node = Node::start();
    let watcher = node.attach();
    (1..=5).for_each(|height| node.host().execute(height));
    node.say(&failure(5));
    watcher.wait_for("DIVERGED at height 5");
    let found = boxes(&node.dir);
    assert_eq!(found.len(), 1, "{found:?}");
    let alone = node.dir.with_extension("alone");
    let slog: Vec<u8> = (1..=5).flat_map(block).collect();
    record_all(&alone, &slog, Some(&failure(5)), "8MiB").wait();
    let other = &boxes(&alone)[0];
    assert_eq!(other.file_name(), found[0].file_name());
    let quote = |dir: &Path| {
        let alert = std::fs::read_to_string(dir.join("boxes/CONSENSUS_FAILURE.txt"));
        let alert = alert.expect("an alert");
        let quote = alert.lines().find(|line| line.contains("quote "));
        quote.expect("a quote").to_owned()
    };
    assert_eq!(quote(&node.dir), quote(&alone));
    // The box holds the same: the slog, and the lines that judged.
    assert!(zstd_dc(&found[0]) == slog);
    let log = |found: &Path| output(0, &["cat", "--stream", "node", text(found)]);
    assert_eq!(log(&found[0]), failure(5));
    assert_eq!(log(other), failure(5));
    let info: serde_json::Value =
        serde_json::from_slice(&output(0, &["info", "--json", text(&found[0])])).expect("JSON");
    assert_eq!(info["sources"][0]["node_records"], 2, "{info}");
    output(0, &["verify", text(&found[0])]);
    // Nothing is frozen or announced twice by the next one.
    let before = node.alert();
    drop(watcher);
    let _next = node.attach();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(boxes(&node.dir), found);
    assert_eq!(node.alert(), before);
}

#[test]
fn an_old_failure_in_the_log_accuses_no_block_of_today() {
    let mut node = Node::start();
    node.say(&failure(5));
    (100..=105).for_each(|height| node.host().execute(height));
    let _watcher = node.attach();
    node.settle(105);
    assert!(boxes(&node.dir).is_empty());
    assert_eq!(node.alert(), None);
}

/// Whoever is killed, and in which order they come back: one box, of the HASH that
/// the ring gives, with every line of the log once.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn kills_in_every_order_cost_no_box_and_double_none() {
    let expected = name_of(8);
    for order in ["ah", "ha", "aH", "hA", "AH", "HA", "a", "h", "A", "H"] {
        let mut node = Node::start();
        let mut watcher = Some(node.attach());
        (1..=4).for_each(|height| node.execute(height));
        node.settle(4);
        // Small letters: killed before the failure. Capitals: before the next block.
        for who in order.chars() {
            match who {
                'a' | 'A' => drop(watcher.take()),
                _ => node.kill_host(),
            }
        }
        let played: Vec<char> = order.chars().rev().collect();
        if node.host.is_none() {
            node.host = Some(Host::start(&node.dir));
        }
        (5..=8).for_each(|height| node.host().execute(height));
        (5..=7).for_each(|height| node.say(&agreed(height)));
        let late = played.iter().all(|who| who.is_ascii_uppercase());
        if watcher.is_none() && !late {
            watcher = Some(node.attach());
        }
        node.say(&failure(8));
        let watcher = watcher.unwrap_or_else(|| node.attach());
        watcher.wait_for("DIVERGED at height 8");
        let found = names(&node.dir);
        assert_eq!(found, [expected.as_str()], "{order}: {}", watcher.said());
        let log = output(0, &["cat", "--stream", "node", text(&boxes(&node.dir)[0])]);
        assert!(log == std::fs::read(&node.log).expect("the log"), "{order}");
    }
}

/// A service manager ends all of a unit with its node.
#[test]
fn an_end_that_is_asked_for_waits_for_the_last_words() {
    let mut node = Node::start();
    let watcher = node.attach();
    (1..=5).for_each(|height| node.execute(height));
    node.settle(5);
    node.say(&failure(5));
    node.kill_host();
    watcher.stop();
    assert_eq!(names(&node.dir), [name_of(5)]);
}

#[test]
fn one_alone_stands_beside_a_ring() {
    let node = Node::start();
    let first = node.attach();
    let second = haltbox()
        .args(["record", "--attach", text(&node.dir.join("ring"))])
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8(second.stderr).expect("UTF-8");
    assert!(
        said.contains(&format!("(process {})", first.child.id())),
        "{said}"
    );
    assert!(said.contains("; stop it before"), "{said}");
    drop(first);
    node.attach();
}

/// The host freezes by a thread of its own what it is told of; the one beside it does
/// what the log tells of.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_host_that_freezes_itself_gets_no_second_box() {
    let mut node = Node::with(&["8", "background"]);
    let watcher = node.attach();
    (1..=5).for_each(|height| node.host().execute(height));
    node.host()
        .call(&format!("diverged 5 {} {}", hash(0x11), hash(0x22)));
    node.say(&failure(5));
    wait_until("a box", || !boxes(&node.dir).is_empty());
    node.settle(5);
    std::thread::sleep(Duration::from_secs(3));
    let expected = name_of(5);
    assert_eq!(names(&node.dir), [expected], "{}", watcher.said());
    let alert = node.alert().expect("an alert");
    assert_eq!(alert.matches("DIVERGED").count(), 1, "{alert}");
}

/// The host sets its ring aside and makes another of another size.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_ring_that_the_host_renews_is_followed_on() {
    let mut node = Node::start();
    let watcher = node.attach();
    (1..=4).for_each(|height| node.execute(height));
    node.settle(4);
    node.kill_host();
    node.host = Some(Host::with(&node.dir, &["16"]));
    (1..=6).for_each(|height| node.host().execute(height));
    node.settle(6);
    node.say(&failure(6));
    watcher.wait_for("DIVERGED at height 6");
    assert_eq!(names(&node.dir), [name_of(6)]);
}

/// The log of a node whose blocks are replaced, as op-node prints it.
fn replaced(height: u64) -> String {
    format!(
        "{{\"lvl\":\"info\",\"msg\":\"Invalidating block\",\"block\":\"BlockSeal(hash:0x{}, \
         number:{height}, time:1)\"}}\n",
        "ab".repeat(32)
    )
}

/// The slog of one host with the log of another, as a profile file.
fn of_replaced_blocks(folder: &Path) -> PathBuf {
    let builtin = |name: &str| -> serde_json::Value {
        let file = root().join(format!("recorder/model/profiles/{name}.json"));
        serde_json::from_slice(&std::fs::read(file).expect("a profile")).expect("JSON")
    };
    let mut profile = builtin("agoric");
    profile["node"] = builtin("op-node")["node"].take();
    let path = folder.join("profile.json");
    std::fs::write(&path, profile.to_string()).expect("a profile");
    path
}

/// A node that replaces block after block gets as many boxes at once as beside a recorder
/// of its own. Those that wait for theirs are not forgotten because the host goes on.
#[test]
fn a_storm_of_blocks_that_do_not_stand_brings_few_boxes_beside_a_ring_too() {
    let mut node = Node::start();
    let profile = of_replaced_blocks(node.dir.parent().expect("a folder"));
    let more = ["--node-log", text(&node.log), "--profile", text(&profile)];
    let watcher = attached(&node.dir, &more);
    watcher.wait_for("attached to");
    (1..=12).for_each(|height| node.host().execute(height));
    node.settle(12);
    let breaks: String = (1..=12).map(replaced).collect();
    node.say(breaks.as_bytes());
    watcher.wait_for("many blocks are in doubt: more boxes follow within minutes");
    wait_until("the first boxes", || boxes(&node.dir).len() >= 8);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(boxes(&node.dir).len(), 8, "{}", watcher.said());
    node.host().execute(13);
    node.settle(13);
    let seen = status(&node.dir);
    let blocks = seen["attention"].as_array().expect("a list");
    let heights: Vec<_> = blocks
        .iter()
        .map(|block| block["height"].as_u64())
        .collect();
    assert_eq!(heights, (1..=12).map(Some).collect::<Vec<_>>(), "{seen}");
    let waiting = blocks.iter().filter(|block| block["frozen"].is_null());
    assert_eq!(waiting.count(), 4, "{seen}");
    assert_eq!(boxes(&node.dir).len(), 8, "{}", watcher.said());
}

/// Segments of the ring are used again meanwhile, and the one beside it restarts.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_healthy_run_brings_neither_box_nor_alert_and_a_failure_then_brings_one() {
    let mut node = Node::with(&["4"]);
    let mut watcher = node.attach();
    let last = if long() { 3000 } else { 400 };
    for height in 1..=last {
        node.execute(height);
        if height % 150 == 0 {
            node.settle(height);
            drop(watcher);
            watcher = node.attach();
        }
    }
    node.settle(last);
    assert!(boxes(&node.dir).is_empty(), "{}", watcher.said());
    assert_eq!(node.alert(), None);
    let seen = status(&node.dir);
    assert!(
        seen["oldest"].as_u64() > Some(1),
        "the ring wrapped: {seen}"
    );
    assert_eq!(seen["sessions"], 1, "its marks went by age, too: {seen}");
    assert_eq!(seen["attention"], serde_json::json!([]), "{seen}");
    assert_eq!(seen["concerns"], serde_json::json!([]), "{seen}");
    node.host().execute(last + 1);
    node.say(&failure(last + 1));
    watcher.wait_for(&format!("DIVERGED at height {}", last + 1));
    assert_eq!(names(&node.dir), [name_of(last + 1)]);
    // The node goes on complaining, and a restart hears the end of it.
    drop(watcher);
    node.say(&failure(last + 1));
    let _watcher = node.attach();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(names(&node.dir).len(), 1);
}

/// In the log alone stands that something is wrong: all commands tell of it.
#[test]
fn an_operator_sees_who_stands_beside_the_ring_and_what_it_was_told() {
    let mut node = Node::start();
    (1..=3).for_each(|height| node.host().execute(height));
    node.settle(3);
    let words = |seen: &serde_json::Value| -> Vec<String> {
        let concerns = seen["concerns"].as_array().expect("a list").iter();
        concerns
            .map(|c| c["word"].as_str().expect("a word").to_owned())
            .collect()
    };
    let doctor =
        |code| String::from_utf8(output(code, &["doctor", text(&node.dir)])).expect("UTF-8");
    // Nobody tells the AppHash.
    let seen = status(&node.dir);
    assert!(words(&seen).contains(&"not-followed".to_owned()), "{seen}");
    assert!(seen["attached"].is_null(), "{seen}");
    assert!(doctor(1).contains("PROBLEM  "));
    // Somebody does, and is killed.
    let watcher = node.attach();
    node.settle(3);
    let seen = status(&node.dir);
    assert_eq!(words(&seen), Vec::<String>::new(), "{seen}");
    let beside = &seen["attached"];
    assert_eq!(beside["alive"], true, "{seen}");
    assert_eq!(beside["pid"], watcher.child.id(), "{seen}");
    assert_eq!(beside["sources"][0]["path"], text(&node.log), "{seen}");
    let line = format!("is running and follows {}", node.log.display());
    assert!(doctor(0).contains(&line), "{}", doctor(0));
    watcher.signal(Signal::SIGSTOP);
    wait_until("it is stopped", || {
        words(&status(&node.dir)).contains(&"not-answering".to_owned())
    });
    watcher.signal(Signal::SIGCONT);
    drop(watcher);
    let seen = status(&node.dir);
    assert_eq!(words(&seen), ["attached-gone"], "{seen}");
    assert_eq!(seen["attached"]["alive"], false, "{seen}");
    // One that ended in order is missed only because nobody else tells the AppHash.
    node.attach().stop();
    let seen = status(&node.dir);
    assert_eq!(words(&seen), ["not-followed"], "{seen}");
    assert_eq!(seen["attached"]["closed"], true, "{seen}");
}

/// Who freezes by hand, or lists, knows what the log told.
#[test]
fn freeze_and_ls_know_what_was_told_beside_the_ring() {
    let mut node = Node::start();
    let watcher = node.attach();
    (1..=5).for_each(|height| node.execute(height));
    node.settle(5);
    let hash = format!("{:064X}", 4);
    let list = output(0, &["ls", "--json", text(&node.dir.join("ring"))]);
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    let block = &list["sources"][0]["blocks"][3];
    assert_eq!(block["app_hash"], hash, "{list}");
    output(0, &["freeze", "--height", "4", text(&node.dir)]);
    let [ref only] = boxes(&node.dir)[..] else {
        panic!("one box expected")
    };
    let info = output(0, &["info", "--json", text(only)]);
    let info: serde_json::Value = serde_json::from_slice(&info).expect("JSON");
    assert_eq!(info["sources"][0]["identity"]["app_hash"], hash, "{info}");
    let log = output(0, &["cat", "--stream", "node", text(only)]);
    assert!(log == std::fs::read(&node.log).expect("the log"));
    assert_eq!(node.alert(), None);
    watcher.stop();
}

/// The log is rotated, and lines stand in two files.
#[test]
fn a_log_that_is_rotated_is_read_on() {
    let mut node = Node::start();
    let watcher = node.attach();
    (1..=3).for_each(|height| node.execute(height));
    node.settle(3);
    let old = node.log.with_extension("1");
    std::fs::rename(&node.log, &old).expect("rotated");
    std::fs::write(&node.log, "").expect("a log");
    node.host().execute(4);
    node.say(&failure(4));
    watcher.wait_for("DIVERGED at height 4");
    let log = output(0, &["cat", "--stream", "node", text(&boxes(&node.dir)[0])]);
    let both = [old, node.log.clone()].map(|path| std::fs::read(path).expect("a log"));
    assert!(log == both.concat());
}

#[test]
fn a_pipe_is_no_log_beside_a_ring() {
    let node = Node::start();
    let fifo = node.log.with_extension("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    for place in [text(&fifo), "-"] {
        let ring = node.dir.join("ring");
        let refused = run(&["record", "--attach", text(&ring), "--node-log", place]);
        assert_eq!(refused.status.code(), Some(2));
        let said = String::from_utf8(refused.stderr).expect("UTF-8");
        assert!(said.contains("a full pipe would block the node"), "{said}");
    }
}

/// The node was started again without its sender: its log goes on, the ring does not.
/// No block of the ring is to blame.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_failure_far_above_the_ring_accuses_no_block_of_it() {
    let told = [
        (6, "DIVERGED at height 50", "50-incomplete".to_owned()),
        // Behind a gap in the log.
        (50, "the log does not say at which height", name_of(5)),
    ];
    for (from, words, name) in told {
        let mut node = Node::start();
        let watcher = node.attach();
        (1..=5).for_each(|height| node.execute(height));
        node.settle(5);
        node.kill_host();
        (from..50).for_each(|height| node.say(&agreed(height)));
        node.say(&failure(50));
        watcher.wait_for(words);
        watcher.wait_for("do not roll back");
        assert_eq!(names(&node.dir), [name], "{}", watcher.said());
        let seen = status(&node.dir);
        let attention = seen["attention"].as_array().expect("a list").iter();
        let mut diverged = attention.filter(|block| block["state"] == "diverged");
        assert!(diverged.all(|block| block["height"] == 50), "{seen}");
    }
}

fn witnessed(node: &Node, more: &[&str]) -> Watcher {
    let watcher = attached(&node.dir, &[&["--rpc-seconds", "1"], more].concat());
    watcher.wait_for("attached to");
    watcher
}

/// No log at all: the node's own RPC and peers tell.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn peers_that_contradict_the_node_prove_it_beside_its_ring() {
    let mut node = Node::start();
    let own = Comet::start(Version::V034, 7);
    let peers = [
        Comet::start(Version::V038, 10),
        Comet::start(Version::V1, 8),
    ];
    let mut more = vec!["--rpc", own.url()];
    for peer in &peers {
        peer.state().parts_at = Some((8, 0xEE));
        more.extend(["--peer-rpc", peer.url()]);
    }
    let watcher = witnessed(&node, &more);
    (1..=7).for_each(|height| node.host().execute(height));
    watcher.wait_for("DIVERGED at height 7: AppHash differs");
    assert_eq!(names(&node.dir), [name_of(7)], "{}", watcher.said());
    let asks = status(&node.dir)["attached"]["asks"].clone();
    assert_eq!(
        asks,
        serde_json::json!([own.url(), peers[0].url(), peers[1].url()])
    );
    drop(watcher);
    witnessed(&node, &more);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(names(&node.dir).len(), 1);
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_proposal_that_lasts_is_a_doubt_beside_a_ring_too() {
    let mut node = Node::start();
    let own = Comet::start(Version::V038, 7);
    own.state().proposal = Some((0, 0xEE));
    let watcher = witnessed(&node, &["--rpc", own.url(), "--persist-seconds", "4"]);
    (1..=7).for_each(|height| node.host().execute(height));
    watcher.wait_for("do not roll back");
    let said = watcher.said();
    assert!(said.contains("who is right is not known yet"), "{said}");
    assert!(!said.contains("DIVERGED"), "{said}");
    assert_eq!(names(&node.dir), [name_of(7)]);
}

/// Nobody is there at night to free some room and to start the recorder anew.
#[test]
#[ignore = "needs root; `-- --ignored` runs it"]
fn a_box_that_finds_no_room_is_tried_again() {
    let disk = SmallDisk::mount(14);
    let dir = disk.path().join("node");
    let watcher = attached(&dir, &["--archive-bytes", "0"]);
    let mut host = Host::start(&dir);
    watcher.wait_for("attached to");
    (1..=5).for_each(|height| host.execute(height));
    let filler = disk.path().join("filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    let page = [1; 4096];
    while file.write_all(&page).is_ok() {}
    host.call(&format!("diverged 5 {} {}", hash(1), hash(2)));
    watcher.wait_for("NOT FROZEN: ");
    watcher.wait_for("retrying in 5 s");
    assert!(boxes(&dir).is_empty());
    std::fs::remove_file(&filler).expect("removed");
    drop(file);
    watcher.wait_for("DIVERGED at height 5");
    assert_eq!(boxes(&dir).len(), 1);
    host.end();
    watcher.stop();
    assert_eq!(boxes(&dir).len(), 1);
}

/// What is kept beside the ring of the node's log is the node stream of all sources
/// that hold it: the folder, the ring, the box.
#[test]
fn the_log_beside_a_live_ring_can_be_read() {
    let mut node = Node::start();
    let watcher = node.attach();
    (1..=5).for_each(|height| node.host().execute(height));
    node.say(&failure(5));
    watcher.wait_for("DIVERGED at height 5");
    let ring = node.dir.join("ring");
    let cat = |source: &Path| output(0, &["cat", "--stream", "node", text(source)]);
    assert_eq!(cat(&boxes(&node.dir)[0]), failure(5));
    assert_eq!(cat(&ring), failure(5), "the ring");
    assert_eq!(cat(&node.dir), failure(5), "the folder");
    let all = output(0, &["cat", "--stream", "all", text(&node.dir)]);
    let all = String::from_utf8_lossy(&all).into_owned();
    assert!(all.contains("CONSENSUS FAILURE!!!") && all.contains("begin-block"));
}

/// A host that is started again a thousand times, and goes on: the marks of its spine
/// went by age, those beside the ring did not.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_spine_that_wrapped_leaves_what_was_told_beside_it_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, log) = (folder.path().join("node"), folder.path().join("node.log"));
    std::fs::write(&log, b"").expect("a log");
    let open = || {
        let options = Options {
            size: 4 << 20,
            ..Options::new(&dir, Profile::builtin("agoric").expect("a profile"))
        };
        HostRecorder::open(options).expect("it opens").0
    };
    let entry = |host: &HostRecorder, kind: &str, height: u64| {
        let line = format!(
            "{{\"type\":\"cosmic-swingset-{kind}\",\"blockHeight\":{height},\"blockTime\":1,\"time\":1,\"monotime\":1}}"
        );
        host.record(line.as_bytes()).expect("recorded");
    };
    let execute = |host: &HostRecorder, height: u64| {
        for kind in [
            "begin-block",
            "end-block-start",
            "end-block-finish",
            "commit-block-finish",
        ] {
            entry(host, kind, height);
        }
    };
    let host = open();
    (1..=5).for_each(|height| execute(&host, height));
    let arguments = ["--node-log", text(&log), "--archive-bytes", "0"];
    let watcher = attached(&dir, &arguments);
    watcher.wait_for("attached to");
    std::fs::write(&log, failure(5)).expect("a log");
    watcher.wait_for("DIVERGED at height 5");
    watcher.stop();
    let found = boxes(&dir);
    assert_eq!(found.len(), 1);
    host.close();
    for height in 6..1006 {
        let host = open();
        execute(&host, height);
        drop(host);
    }
    let host = open();
    execute(&host, 1006);
    let watcher = attached(&dir, &arguments);
    watcher.wait_for("attached to");
    std::thread::sleep(Duration::from_secs(3));
    assert!(!watcher.said().contains("NOT FROZEN"), "{}", watcher.said());
    assert_eq!(boxes(&dir), found, "frozen twice");
    let state = status(&dir);
    assert_eq!(state["needs_attention"], false, "{state}");
    assert!(state["oldest"].as_u64() > Some(5), "{state}");
    // The box has it. Where its entries stand in the ring nothing tells any more.
    let asked = run(&["freeze", text(&dir), "--height", "5"]);
    let words = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(2), "{words}");
    assert!(words.contains("height 5 is in neither"), "{words}");
    assert_eq!(boxes(&dir), found);
    drop(host);
    watcher.stop();
}
