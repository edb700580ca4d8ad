use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use haltbox_reader::vocabulary::messages::entry::{WatchEntry, what_to_do};
use haltbox_tests::anvil::{Anvil, Executed, Mining, Options, Placed};
use haltbox_tests::lying_proxy::LyingProxy;
use haltbox_tests::watcher::{Watcher, Watching};
use haltbox_tests::{output, programs, run, text, wait_until};
use haltbox_watch::access_list::Declared;
use haltbox_watch::chain::FullHeader;
use haltbox_watch::checks::{Missing, Named, Sample};
use haltbox_watch::incident::{Child, End, Height, Level, Record, Seen, Shape};
use haltbox_watch::message::Message;
use haltbox_watch::stages::{Outcome, Stage};
use haltbox_watch::tape::{Cursor, Entry};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A chain that sends and one that executes, with a block each second.
struct Chains {
    from: Anvil,
    to: Anvil,
}

fn chains(epoch: u64) -> Chains {
    // What is to be built is built before blocks come.
    programs();
    let options = Options {
        mining: Mining::Every(1),
        epoch,
        ..Options::default()
    };
    let from = Anvil::start(901, options);
    from.install_emitter();
    let to = Anvil::start(902, options);
    to.install_inbox();
    Chains { from, to }
}

impl Chains {
    fn execute(&self, message: &Message) -> Executed {
        self.to.execute(message, &Declared::of(message).entries())
    }
}

/// A watcher and its folder.
struct Watch {
    watcher: Option<Watcher>,
    folder: TempDir,
}

impl Watch {
    fn start(from: &str, to: &str) -> Watch {
        let folder = tempfile::tempdir().expect("a folder");
        let watcher = Watching {
            dir: folder.path(),
            chains: &[(901, from), (902, to)],
            expiry: 6000,
            arguments: &[],
        };
        let watcher = Some(watcher.start());
        Watch { watcher, folder }
    }

    fn watcher(&self) -> &Watcher {
        self.watcher.as_ref().expect("it runs")
    }

    fn end(&mut self) {
        self.watcher.take().expect("it runs").end();
    }

    fn kill(&mut self) {
        self.watcher.take().expect("it runs").kill();
    }

    /// The ring of the chain that executes.
    fn ring(&self) -> PathBuf {
        self.folder.path().join("902/ring")
    }

    /// Entries of a type in that ring.
    fn entries(&self, kind: &str) -> Vec<Value> {
        let told = run(&["cat", text(&self.ring())]).stdout;
        let told = String::from_utf8(told).expect("lines");
        let entries = told
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut entries: Vec<Value> = entries.collect();
        entries.retain(|entry| entry["type"] == kind);
        entries
    }

    fn wait_settled(&self, block: u64) {
        wait_until("all is settled", || {
            let settled = self.entries("settled");
            settled
                .iter()
                .any(|entry| entry["block"].as_u64() >= Some(block))
        });
    }
}

/// What `haltbox diff` says of two, and what it says of them turned round, which must be
/// the same.
fn diff(code: i32, a: &Path, b: &Path) -> [Value; 2] {
    [[a, b], [b, a]].map(|[a, b]| {
        let told = output(code, &["diff", "--json", text(a), text(b)]);
        serde_json::from_slice(&told).expect("JSON")
    })
}

fn with(placed: &Placed, change: impl Fn(&mut Message)) -> Message {
    let mut message = placed.message();
    change(&mut message);
    message
}

/// Words of other kinds of hosts.
const FOREIGN: [&str; 7] = [
    "AppHash",
    "app=",
    "crank",
    "CRANK",
    "the kernel",
    "validator",
    "vat ",
];

/// A command's words, which are of messages alone.
fn words(code: i32, arguments: &[&str]) -> String {
    let done = run(arguments);
    let [said, told] = [done.stdout, done.stderr].map(|out| String::from_utf8(out).expect("UTF-8"));
    assert_eq!(
        done.status.code(),
        Some(code),
        "{arguments:?}: {said}{told}"
    );
    for word in FOREIGN {
        assert!(!said.contains(word), "{word:?} in {arguments:?}: {said}");
    }
    println!("--- haltbox {arguments:?}\n{said}");
    said
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn every_command_reads_a_watchers_tape() {
    let chains = chains(2);
    let placed = chains.from.emit(b"hello");
    let mut watch = Watch::start(chains.from.url(), chains.to.url());
    chains.execute(&placed.message());
    let forged = chains.execute(&with(&placed, |message| message.place.log = 7));
    chains.to.malformed(&[0; 96]);
    let line = watch.watcher().wait_for("black box", PATIENCE);
    let (_, boxed) = line.split_once("black box ").expect("its path");
    watch.wait_settled(forged.block);
    watch.end();
    let folder = watch.folder.path().join("902");
    let (ring, folder) = (watch.ring(), text(&folder).to_owned());
    let ring = text(&ring);
    for source in [ring, &folder, boxed] {
        assert!(words(0, &["cat", source]).contains("block-seen"));
        words(0, &["ls", source]);
        assert!(words(0, &["info", source]).contains("complete blocks:"));
        words(0, &["verify", source]);
    }
    let told = words(0, &["diff", ring, boxed]);
    assert!(
        told.contains("IDENTICAL") && told.contains("equal verdicts"),
        "{told}"
    );
    words(0, &["compare", ring, &folder]);
    let print = watch.folder.path().join("902.fingerprint");
    words(0, &["fingerprint", ring, "-o", text(&print)]);
    let told = words(0, &["diff", ring, text(&print)]);
    assert!(
        told.contains("is a fingerprint: it covers the contents of the blocks"),
        "{told}"
    );
    words(0, &["compare", text(&print), boxed]);
    let told = words(1, &["report", boxed]);
    let name = Path::new(boxed)
        .file_name()
        .expect("its name")
        .to_string_lossy();
    for part in [
        "INVALID MESSAGE",
        "no-log",
        &forged.transaction.to_string(),
        &forged.block_hash.to_string(),
        &*name,
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    let page = watch.folder.path().join("report.html");
    words(1, &["report", ring, "--html", text(&page)]);
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains(&forged.transaction.to_string()) && page.contains("</html>"));
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_node_that_lies_about_what_was_sent_is_named_by_the_message() {
    let chains = chains(6);
    let [honest, forged] = [b"world", b"hello"].map(|payload| chains.from.emit(payload));
    let before = chains.execute(&honest.message());
    let executed = chains.execute(&forged.message());
    let proxy = LyingProxy::start(chains.from.url());
    proxy.lie(forged.place.block, forged.place.log);
    let watches = [proxy.url(), chains.from.url(), chains.from.url()];
    let mut watches = watches.map(|from| Watch::start(from, chains.to.url()));
    for watch in &watches {
        wait_until("both messages are judged", || {
            watch
                .entries("status")
                .iter()
                .any(|entry| entry["block"] == executed.block && entry["is"] != "unknown")
        });
    }
    // Both judged by the same block: nothing that may still happen reconciles them.
    for document in diff(1, &watches[0].ring(), &watches[1].ring()) {
        assert_eq!(document["verdict"], "verdicts differ", "{document:#}");
        let summary = document["summary"].as_str().expect("a sentence");
        assert!(
            summary.contains("both based on the named block"),
            "{summary}"
        );
    }
    watches
        .iter()
        .for_each(|watch| watch.wait_settled(executed.block));
    watches.iter_mut().for_each(Watch::end);
    let [lied, truth, other] = watches.each_ref().map(Watch::ring);
    let documents = diff(1, &lied, &truth);
    for (document, lied) in documents.iter().zip(["a", "b"]) {
        assert_eq!(document["verdict"], "verdicts differ", "{document:#}");
        assert_eq!(document["place"]["height"], executed.block);
        assert_eq!(document["place"]["log"], executed.log);
        let summary = document["summary"].as_str().expect("a sentence");
        assert!(
            summary.contains(&executed.transaction.to_string()),
            "{summary}"
        );
        assert!(
            !summary.contains(&before.transaction.to_string()),
            "{summary}"
        );
        let line = |side: &str| document["sides"][side]["line"].to_string();
        let truth = if lied == "a" { "b" } else { "a" };
        assert!(line(lied).contains("other-payload"), "{}", line(lied));
        assert!(
            line(truth).contains(r#"\"is\":\"valid\""#),
            "{}",
            line(truth)
        );
    }
    for document in diff(0, &truth, &other) {
        assert_eq!(document["verdict"], "identical", "{document:#}");
    }
    let sources = [&truth, &lied, &other].map(|ring| text(ring));
    let told = words(1, &["compare", sources[0], sources[1], sources[2]]);
    assert!(told.contains("verdicts differ"), "{told}");
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_node_that_lies_about_what_was_executed_shows_in_the_blocks() {
    let chains = chains(32);
    let placed = chains.from.emit(b"hello");
    chains.execute(&placed.message());
    let executed = chains.execute(&placed.message());
    let proxy = LyingProxy::start(chains.to.url());
    proxy.lie(executed.block, executed.log);
    let watches = [proxy.url(), chains.to.url()];
    let mut watches = watches.map(|to| Watch::start(chains.from.url(), to));
    for watch in &watches {
        wait_until("both blocks are read", || {
            watch.entries("block-read").len() == 2
        });
    }
    watches.iter_mut().for_each(Watch::end);
    let [lied, truth] = watches.each_ref().map(Watch::ring);
    for document in diff(1, &lied, &truth) {
        assert_eq!(document["verdict"], "inputs differ", "{document:#}");
        assert_eq!(document["place"]["height"], executed.block);
        assert_eq!(document["place"]["log"], executed.log);
    }
    words(1, &["diff", text(&lied), text(&truth)]);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn who_was_away_is_not_accused() {
    let chains = chains(64);
    let placed = chains.from.emit(b"hello");
    let mut watches = [(); 2].map(|()| Watch::start(chains.from.url(), chains.to.url()));
    let executed = chains.execute(&placed.message());
    let second = chains.execute(&placed.message());
    for watch in &watches {
        wait_until("the messages are judged", || {
            let is_valid = |entry: &&Value| entry["is"] == "valid";
            watch.entries("status").iter().filter(is_valid).count() == 2
        });
    }
    watches[1].kill();
    let depth = chains.from.height("latest") - placed.place.block + 1;
    chains.from.reorg(depth);
    watches[0].watcher().wait_for("invalid now", PATIENCE);
    let mut late = Watch::start(chains.from.url(), chains.to.url());
    wait_until("the late one judges", || {
        late.entries("status")
            .iter()
            .any(|entry| entry["is"] == "invalid")
    });
    watches[0].end();
    late.end();
    let [whole, killed] = watches.each_ref().map(Watch::ring);
    for document in diff(2, &whole, &killed) {
        assert_eq!(document["verdict"], "evidence insufficient", "{document:#}");
        assert_eq!(document["place"]["height"], executed.block);
        let summary = document["summary"].as_str().expect("a sentence");
        assert!(
            summary.contains("at least one of them is not final"),
            "{summary}"
        );
    }
    for document in diff(0, &whole, &late.ring()) {
        assert_eq!(document["verdict"], "identical", "{document:#}");
    }
    // The chain that executes puts both messages into the block of the first.
    let mut watch = Watch::start(chains.from.url(), chains.to.url());
    wait_until("both are read", || watch.entries("block-read").len() == 2);
    let depth = chains.to.height("latest") - executed.block + 1;
    let kept = [executed, second].map(|one| (one.transaction, 0));
    chains.to.reorg_with(depth, &kept);
    wait_until("the new block is read", || {
        watch.entries("block-read").len() == 3
    });
    watch.end();
    for document in diff(2, &whole, &watch.ring()) {
        assert_eq!(document["verdict"], "evidence insufficient", "{document:#}");
        let summary = document["summary"].as_str().expect("a sentence");
        let another = format!(
            "the two sides have different blocks at height {}",
            executed.block
        );
        assert!(summary.contains(&another), "{summary}");
    }
}

/// Every kind of entry, as a watcher writes it.
fn entries() -> Vec<Entry> {
    let (hash, at) = (B256::repeat_byte(7), 1_700_000_000_123);
    let why = || "a reason".to_owned();
    vec![
        Entry::TapeStart { haltbox: why() },
        Entry::BlockSeen {
            block: 7,
            hash,
            parent: hash,
            timestamp: 5,
        },
        Entry::Message {
            log: 3,
            tx: hash,
            declared: "declared".to_owned(),
            chain: "901".to_owned(),
            named: 4,
            timestamp: 4,
            index: 1,
            origin: Address::repeat_byte(1),
            payload: hash,
        },
        Entry::Malformed {
            log: 3,
            tx: hash,
            why: why(),
        },
        Entry::BlockRead { block: 7 },
        Entry::Status {
            block: 7,
            hash,
            logs: vec![3],
            is: "invalid".to_owned(),
            why: Some("no-log".to_owned()),
            text: Some(why()),
            flip: true,
            named_hash: Some(hash),
            at,
        },
        Entry::Orphan {
            block: 7,
            hash,
            why: why(),
            at,
        },
        Entry::Settled { block: 7, at },
        Entry::Cursor(Cursor {
            block: 7,
            hash,
            finalized: None,
            from: 5,
            at,
        }),
        Entry::Gap {
            from: 1,
            to: 2,
            why: why(),
            at,
        },
        Entry::Node {
            up: false,
            why: why(),
            at,
        },
        Entry::Incident {
            incident: Box::new(incident()),
            at,
        },
    ]
}

/// Every kind of entry that tells what others said.
fn of_others() -> Vec<Entry> {
    let (hash, at) = (B256::repeat_byte(7), 1_700_000_000_123);
    let why = || "a reason".to_owned();
    let header = || FullHeader::of(serde_json::json!({"hash": hash, "stateRoot": hash}));
    vec![
        Entry::Endpoint {
            endpoint: why(),
            is: "failsafe".to_owned(),
            text: why(),
            code: Some(-320_602),
            took_us: Some(5),
            at,
        },
        Entry::Opinion {
            block: 7,
            hash,
            log: 3,
            tx: hash,
            endpoint: why(),
            own: "valid".to_owned(),
            other: "invalid".to_owned(),
            code: None,
            error: Some(why()),
            asks: 2,
            took_us: 5,
            at,
        },
        Entry::Reset {
            source: why(),
            open: false,
            why: why(),
            took_ms: Some(5),
            at,
        },
        Entry::Fork {
            node: why(),
            differs: true,
            block: Some(7),
            own_header: header(),
            other_header: header(),
            at,
        },
        Entry::Header {
            block: 7,
            hash,
            header: header(),
            text: None,
            at,
        },
        Entry::SuperRoots {
            timestamp: 5,
            differ: true,
            answers: Vec::new(),
            at,
        },
    ]
}

fn check(tx: Option<B256>) -> Sample {
    Sample {
        stage: Stage::MempoolInterval,
        backend: Some("http://a:1".to_owned()),
        part: true,
        chain: Some("902".to_owned()),
        tx,
        declares: vec![Named {
            chain: "901".to_owned(),
            block: 4,
            timestamp: 4,
            log: 1,
            checksum: B256::repeat_byte(3),
        }],
        verdict: Outcome::Undecided,
        error: Some("a reason".to_owned()),
        took_us: Some(5),
        at: 6,
    }
}

fn incident() -> Record {
    let shapes = [Shape::Holds, Shape::Null, Shape::DepositsOnly, Shape::Other];
    let seen = shapes.map(|shape| Seen {
        hash: (shape != Shape::Null).then(|| B256::repeat_byte(8)),
        shape,
        at: 5,
    });
    Record {
        id: B256::repeat_byte(1),
        transaction: B256::repeat_byte(2),
        chain: "902".to_owned(),
        message: "log 7".to_owned(),
        checksum: Some(B256::repeat_byte(3)),
        why: "no-log".to_owned(),
        text: "there is none".to_owned(),
        level: Level::CrossSafe,
        heights: vec![Height {
            block: 7,
            seen: seen.to_vec(),
            closed: Some(9),
        }],
        opened: 4,
        returns: 2,
        frozen: Some("7-ab".to_owned()),
        ended: Some(End::Replaced),
        children: vec![Child {
            chain: "901".to_owned(),
            block: 9,
            log: 3,
            transaction: B256::repeat_byte(4),
        }],
    }
}

#[test]
fn the_reader_knows_what_a_watcher_writes() {
    for entry in entries().into_iter().chain(of_others()) {
        let line = serde_json::to_vec(&entry).expect("JSON");
        let told = WatchEntry::read(&line).unwrap_or_else(|| panic!("{entry:?} is not read"));
        assert!(told.words().is_some(), "{entry:?} has no words");
        if let (Entry::Incident { incident, .. }, WatchEntry::Incident { incident: read, .. }) =
            (&entry, &told)
        {
            let [own, read] = [serde_json::to_value(incident), serde_json::to_value(read)];
            assert_eq!(own.expect("JSON"), read.expect("JSON"));
        }
    }
    for (check, incident) in [(check(None), true), (check(Some(B256::ZERO)), false)] {
        let Some(WatchEntry::Check(read)) = WatchEntry::read(&check.entry()) else {
            panic!("{check:?} is not read");
        };
        let [own, told] = [serde_json::to_value(&check), serde_json::to_value(&read)];
        let (mut own, told) = (own.expect("JSON"), told.expect("JSON"));
        // What the reader has no use for.
        let members = own.as_object_mut().expect("members");
        members.remove("chain");
        let declared = members["declares"][0].as_object_mut().expect("members");
        declared.remove("timestamp");
        assert_eq!(own, told);
        let Some(WatchEntry::Incident { incident: of, .. }) = WatchEntry::read(
            &serde_json::to_vec(&Entry::Incident {
                incident: Box::new(self::incident()),
                at: 1,
            })
            .expect("JSON"),
        ) else {
            panic!("an incident is not read");
        };
        assert_eq!(read.joins(&of).is_some(), incident);
    }
    let missing = Missing {
        why: "a reason".to_owned(),
        count: Some(7),
        at: 1,
    };
    let told = WatchEntry::read(&missing.entry()).and_then(|told| told.words());
    assert!(told.expect("words").starts_with("not recorded: 7 checks"));
    for level in [Level::Unsafe, Level::LocalSafe, Level::CrossSafe] {
        assert_eq!(what_to_do(level.word()), Some(level.what_to_do()));
    }
}
