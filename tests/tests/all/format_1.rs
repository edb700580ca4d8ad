//! Files of format version 1, as a build of their time wrote them. What they hold is
//! read for ever: each later build gives what `told.json` says of them, gives every
//! block the same HASH, and goes on in their rings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use haltbox_format::blackbox::{IDENTITY_LEN, Identity};
use haltbox_format::ring::{SUPERBLOCK_SIZE, Superblock};
use haltbox_tests::*;
use serde_json::{Value, json};

/// The longest output that is held as text.
const AS_TEXT: usize = 4096;

/// Members of JSON documents that are sentences, or pieces cut to be read. Their words
/// may change.
const SENTENCES: [&str; 9] = [
    "summary", "notes", "collect", "losses", "holes", "what", "context", "why", "reason",
];

fn folder() -> PathBuf {
    root().join("tests/data/format-1")
}

/// Copies of the files, those in `.zst` unpacked, and their paths.
struct Unpacked {
    folder: tempfile::TempDir,
    paths: Vec<PathBuf>,
}

impl Unpacked {
    fn new() -> Unpacked {
        let mut all = Unpacked {
            folder: tempfile::tempdir().expect("a folder"),
            paths: Vec::new(),
        };
        all.take(Path::new(""));
        all.paths.sort();
        all
    }

    fn take(&mut self, under: &Path) {
        let at = |path: &Path| self.folder.path().join(path);
        fs::create_dir_all(at(under)).expect("a folder");
        let listed = fs::read_dir(folder().join(under)).expect("a folder");
        for entry in listed.map(|entry| entry.expect("an entry")) {
            let path = under.join(entry.file_name());
            if entry.path().is_dir() {
                self.take(&path);
            } else if path.extension().is_some_and(|end| end == "zst") {
                let plain = path.with_extension("");
                fs::write(self.at(&plain), zstd_dc(&entry.path())).expect("a file");
                self.paths.push(plain);
            } else {
                fs::copy(entry.path(), self.at(&path)).expect("a copy");
                self.paths.push(path);
            }
        }
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs `haltbox` where the files are, so that no answer holds the path.
    fn asked(&self, words: &[&str]) -> Output {
        let mut command: Command = haltbox();
        command.current_dir(self.folder.path()).args(words);
        command.output().expect("haltbox runs")
    }
}

/// The document without sentences.
fn facts(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .into_iter()
                .filter(|(name, value)| !is_sentence(name, value));
            kept.map(|(name, value)| (name, facts(value))).collect()
        }
        Value::Array(list) => list.into_iter().map(facts).collect(),
        other => other,
    }
}

/// `place` and `damage` are sentences in one command, and facts in another. What `info`
/// calls the verdict is its first line.
fn is_sentence(name: &str, value: &Value) -> bool {
    let in_one_only = match name {
        "place" => value.is_string(),
        "damage" => value.is_array(),
        _ => false,
    };
    in_one_only || SENTENCES.contains(&name)
}

/// Where `found` lacks something of `held`. Members that `held` does not have may be
/// there: docs/json.md says that fields are added.
fn lacking(held: &Value, found: &Value, at: &str) -> Option<String> {
    match (held, found) {
        (Value::Object(held), Value::Object(found)) => held.iter().find_map(|(name, value)| {
            let there = found.get(name).unwrap_or(&Value::Null);
            lacking(value, there, &format!("{at}.{name}"))
        }),
        (Value::Array(held), Value::Array(found)) if held.len() == found.len() => {
            let mut pairs = held.iter().zip(found).enumerate();
            pairs.find_map(|(n, (held, found))| lacking(held, found, &format!("{at}[{n}]")))
        }
        _ => (held != found).then(|| format!("{at}: held {held}, found {found}")),
    }
}

/// What an answer is, as it is held: a document, a file that is equal, text, or the
/// digest of what is too long.
fn answer(files: &Unpacked, words: &[&str], done: &Output) -> (&'static str, Value) {
    let out = &done.stdout;
    if words.contains(&"--json") && !out.is_empty() {
        let mut document: Value = serde_json::from_slice(out).expect("JSON");
        for source in document["sources"].as_array_mut().into_iter().flatten() {
            source.as_object_mut().expect("a source").remove("verdict");
        }
        return ("json", facts(document));
    }
    let mut paths = files.paths.iter();
    let is = |path: &&PathBuf| fs::read(files.at(path)).is_ok_and(|bytes| bytes == *out);
    if let Some(path) = paths.find(is).filter(|_| !out.is_empty()) {
        return ("is", text(path).into());
    }
    match std::str::from_utf8(out) {
        Ok(plain) if plain.len() <= AS_TEXT => ("lines", plain.lines().collect()),
        _ => ("blake3", blake3::hash(out).to_hex().as_str().into()),
    }
}

/// Fails where an answer is not what is held. Returns the answer of a question that has
/// none yet.
fn hold(files: &Unpacked, held: &Value) -> Option<Value> {
    let words: Vec<&str> = held["ask"]
        .as_array()
        .expect("words")
        .iter()
        .map(|word| word.as_str().expect("a word"))
        .collect();
    let done = files.asked(&words);
    let said = String::from_utf8_lossy(&done.stderr);
    let (kind, told) = answer(files, &words, &done);
    let code = json!(done.status.code());
    if held["exit"].is_null() {
        println!("{words:?}: {code}, {said}");
        return Some(json!({"ask": words, "exit": code, kind: told}));
    }
    assert_eq!(held["exit"], code, "haltbox {words:?}: {said}");
    let first = lacking(&held[kind], &told, "");
    assert_eq!(first, None, "haltbox {words:?}: {said}");
    None
}

/// A question without an answer gets one with HALTBOX_BLESS=1. One that has an answer
/// keeps it.
#[test]
fn every_file_gives_what_it_always_gave() {
    let path = folder().join("told.json");
    let told = fs::read(&path).expect("told.json");
    let mut told: Vec<Value> = serde_json::from_slice(&told).expect("JSON");
    let files = Unpacked::new();
    let mut open = 0;
    for held in &mut told {
        if let Some(answer) = hold(&files, held) {
            (*held, open) = (answer, open + 1);
        }
    }
    if std::env::var_os("HALTBOX_BLESS").is_some() && open > 0 {
        let lines: Vec<String> = told.iter().map(Value::to_string).collect();
        let whole = format!("[\n{}\n]\n", lines.join(",\n"));
        return fs::write(&path, whole).expect("written");
    }
    assert_eq!(
        open, 0,
        "questions without an answer: run with HALTBOX_BLESS=1"
    );
}

/// The fields of every superblock stand where they stood. Not all of them show in what a
/// command says.
#[test]
fn superblocks_are_read_where_their_fields_stand() {
    let files = Unpacked::new();
    let rings = files.paths.iter().filter(|path| path.ends_with("ring"));
    let mut sound = 0;
    for (path, at) in rings.flat_map(|path| [(path, 0), (path, 4096)]) {
        let page = &files.read(text(path))[at..at + SUPERBLOCK_SIZE];
        let number = |at: usize, size: usize| {
            let bytes = page[at..at + size].iter().rev();
            bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        let Ok(found) = Superblock::decode(page) else {
            continue;
        };
        sound += 1;
        let told = [
            found.revision,
            found.salt,
            found.file_size,
            found.created_ms,
        ];
        assert_eq!(told, [16, 40, 48, 120].map(|at| number(at, 8)), "{path:?}");
        let cut = found.geometry;
        let told = [
            cut.segment_size,
            cut.spine,
            cut.local,
            cut.main,
            found.epoch,
        ];
        let held = [12, 56, 60, 64, 68].map(|at| number(at, 4));
        assert_eq!(told.map(u64::from), held, "{path:?}");
        assert_eq!(found.uuid.as_slice(), &page[24..40], "{path:?}");
    }
    assert_eq!(sound, 11, "six rings, one without its first superblock");
}

/// The name of the block, as it is held of a ring.
fn name_held(ring: &str, height: u64) -> String {
    let told = fs::read(folder().join("told.json")).expect("told.json");
    let told: Vec<Value> = serde_json::from_slice(&told).expect("JSON");
    let of_ring = |held: &&Value| held["ask"] == json!(["info", "--json", ring]);
    let held = told.iter().find(of_ring).expect("the ring");
    let blocks = held["json"]["sources"][0]["blocks"].as_array();
    let mut blocks = blocks.expect("blocks").iter();
    let block = blocks.find(|block| block["height"] == height);
    block.expect("the block")["name"]
        .as_str()
        .expect("a name")
        .to_owned()
}

/// A recorder writes behind what is there, loses nothing of it, and names an old block
/// as it was named.
#[test]
fn a_recorder_goes_on_in_every_ring() {
    let files = Unpacked::new();
    for (name, old, next) in [("closed", 8, 10), ("killed", 8, 10), ("lapped", 13, 15)] {
        let (dir, ring) = (files.at(name), format!("{name}/ring"));
        let before = files.asked(&["cat", &ring]).stdout;
        let start = b"{\"type\":\"kernel-init-start\"}\n".to_vec();
        let more = [start, block(next)].concat();
        let size = fs::metadata(files.at(&ring)).expect("a ring").len();
        record_all(&dir, &more, None, &size.to_string()).wait();
        let said = fs::read_to_string(dir.with_extension("stderr")).expect("what it said");
        assert!(!said.contains("moved to"), "{name}: {said}");
        // Nobody knows what was written while no recorder ran: cat says so.
        let now = run(&["cat", text(&dir.join("ring"))]).stdout;
        // What went round may have cost the oldest records.
        let kept = now.strip_suffix(more.as_slice()).expect("the new lines");
        assert!(
            before.ends_with(kept) && kept.len() > before.len() / 2,
            "{name}"
        );
        assert!(name == "lapped" || kept == before, "{name}: {said}");
        for height in [old, next] {
            output(0, &["freeze", text(&dir), "--height", &height.to_string()]);
        }
        let made: Vec<String> = boxes(&dir)
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        assert!(made.contains(&name_held(&ring, old)), "{name}: {made:?}");
        // The plain slog gives the new block the same name.
        fs::write(files.at("plain"), [before, more].concat()).expect("a slog");
        let plain = files.asked(&["info", "--json", "plain"]).stdout;
        let plain: Value = serde_json::from_slice(&plain).expect("JSON");
        let blocks = plain["sources"][0]["blocks"].as_array().expect("blocks");
        let last = blocks.last().expect("a block")["name"].as_str();
        let last = last.expect("a name").to_owned();
        assert!(
            !last.ends_with("incomplete") && made.contains(&last),
            "{last}: {made:?}"
        );
    }
}

/// A name, a digest and a token are what they were: whoever compares holds some from
/// another build.
#[test]
fn what_is_made_of_them_is_what_was_made() {
    let files = Unpacked::new();
    let of = |begins: &str| {
        let mut paths = files.paths.iter();
        let path = paths.find(|path| text(path).starts_with(begins));
        text(path.expect("a box")).to_owned()
    };
    let [a, b, cosmos] = ["closed/boxes/", "killed/boxes/", "cosmos/boxes/"].map(of);
    let made = |words: &[&str]| {
        let done = files.asked(words);
        assert!(done.status.success(), "{words:?}: {done:?}");
    };
    for (source, held) in [(&a, "2-a"), (&b, "2-b"), (&cosmos, "4")] {
        made(&["fingerprint", source, "-o", "new"]);
        assert!(
            files.read("new") == files.read(&format!("fingerprint-{held}")),
            "{held}"
        );
        fs::remove_file(files.at("new")).expect("removed");
    }
    for (source, held) in [(&a, "redacted-a"), (&b, "redacted-b")] {
        made(&["redact", source, "-o", "new", "--key-file", "key"]);
        assert!(
            zstd_dc(&files.at("new")) == zstd_dc(&files.at(held)),
            "{held}"
        );
        fs::remove_file(files.at("new")).expect("removed");
    }
    made(&["extract", &b, "-o", "new", "--height", "9"]);
    assert!(zstd_dc(&files.at("new")) == zstd_dc(&files.at("extract-b")));
}

/// Both superblocks with the next version, and sums that hold.
fn newer_ring(ring: &mut [u8]) {
    for at in [0, 4096] {
        let page = &mut ring[at..at + 256];
        page[8] += 1;
        let sum = crc32fast::hash(&page[..252]);
        page[252..].copy_from_slice(&sum.to_le_bytes());
    }
}

fn newer_box(bytes: &mut [u8]) {
    let found = Identity::parse(&bytes[..IDENTITY_LEN]).expect("an identity");
    let format = found.format + 1;
    let page = Identity { format, ..found }.to_bytes();
    bytes[..IDENTITY_LEN].copy_from_slice(&page);
}

fn newer_fingerprint(bytes: &mut [u8]) {
    bytes[7] = 5;
}

/// The files of each kind as a later version would mark them, and the sentence.
fn newer(files: &Unpacked) -> Vec<(PathBuf, &'static str)> {
    type Change = fn(&mut [u8]);
    let kinds: [(&str, Change, &str); 6] = [
        (
            "closed/ring",
            newer_ring,
            "has ring format version 2, this program reads 1",
        ),
        (
            "closed/boxes/",
            newer_box,
            "has box format version 2, this program reads 1",
        ),
        (
            "lapped/archive/",
            newer_box,
            "has box format version 2, this program reads 1",
        ),
        (
            "redacted-a",
            newer_box,
            "has box format version 2, this program reads 1",
        ),
        (
            "extract-b",
            newer_box,
            "has box format version 2, this program reads 1",
        ),
        (
            "fingerprint-4",
            newer_fingerprint,
            "has fingerprint version 5, this program reads 1 to 4",
        ),
    ];
    let change = |(begins, change, sentence): (&str, Change, &'static str)| {
        let mut paths = files.paths.iter();
        let path = paths.find(|path| text(path).starts_with(begins));
        let path = path.expect("a file").clone();
        let mut bytes = files.read(text(&path));
        change(&mut bytes);
        fs::write(files.at(&path), bytes).expect("written");
        (path, sentence)
    };
    kinds.into_iter().map(change).collect()
}

/// A later version is refused by name, and nothing is said of what it holds.
#[test]
fn a_later_version_is_refused_by_every_command() {
    let files = Unpacked::new();
    for (path, sentence) in newer(&files) {
        let path = text(&path);
        let commands: [&[&str]; 6] = [
            &["info", path],
            &["ls", path],
            &["cat", path],
            &["verify", path],
            &["diff", path, "killed/ring"],
            &["extract", path, "-o", "not-made"],
        ];
        for words in commands {
            let done = files.asked(words);
            let said = String::from_utf8_lossy(&done.stderr);
            let code = done.status.code();
            assert!(
                code == Some(2) && said.contains(sentence),
                "{words:?}: {code:?} {said}"
            );
            assert!(done.stdout.is_empty(), "{words:?}: {done:?}");
        }
        assert!(!files.at("not-made").exists(), "{path}");
    }
}

/// A recorder moves a ring of a later version aside as it is, and archives nothing
/// together with a file of a later version.
#[test]
fn a_recorder_leaves_what_a_later_version_wrote() {
    let files = Unpacked::new();
    newer(&files);
    let held = files.read("closed/ring");
    let dir = files.at("closed");
    record_all(&dir, &block(10), None, "4MiB").wait();
    let mut listed = fs::read_dir(&dir).expect("a folder").flatten();
    let aside = listed.find(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("ring.aside-version-")
    });
    let aside = aside.expect("the old ring").path();
    assert!(fs::read(aside).expect("a ring") == held);
    let sound = files.asked(&["verify", "closed/ring"]);
    assert_eq!(sound.status.code(), Some(0), "{sound:?}");
    // Beside a ring of a host: what an attached recorder told counts as absent.
    let before = files.asked(&["cat", "--stream", "node", "hosted/ring"]);
    assert!(!before.stdout.is_empty(), "{before:?}");
    let mut told = files.read("hosted/attached/told");
    told[7] += 1;
    fs::write(files.at("hosted/attached/told"), told).expect("written");
    let after = files.asked(&["cat", "--stream", "node", "hosted/ring"]);
    assert_eq!((after.status.code(), after.stdout), (Some(0), Vec::new()));
}
