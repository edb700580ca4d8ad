use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use haltbox_format::blackbox::{
    BlockFacts, BoxWriter, Identity, Manifest, ManifestFields, Options,
};
use haltbox_model::{CanonicalRules, Profile};
use haltbox_reader::blackbox::BlackBox;
use haltbox_tests::*;
use serde_json::Value;

const NAME: &str = "13-a54ed586985315d46cf177f2908abff6";

/// One failing node's recording as every kind of source, and a key.
struct Node {
    folder: tempfile::TempDir,
    slog: PathBuf,
    dir: PathBuf,
    key: PathBuf,
}

fn node(which: &str) -> Node {
    let folder = tempfile::tempdir().expect("a folder");
    let [slog, dir, key] = ["slog", "node", "key"].map(|name| folder.path().join(name));
    let bytes = excerpt(which);
    fs::write(&slog, &bytes).expect("a slog");
    fs::write(&key, b"sixteen bytes ok").expect("a key");
    record_all(&dir, &bytes, Some(&failure(13)), "16MiB").wait();
    Node {
        folder,
        slog,
        dir,
        key,
    }
}

impl Node {
    fn sources(&self) -> [PathBuf; 3] {
        let frozen = boxes(&self.dir).remove(0);
        [self.slog.clone(), self.dir.join("ring"), frozen]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs extract; gives the new box, which must be sound, and its name.
    fn extract(&self, source: &Path, to: &str, more: &[&str]) -> (PathBuf, String) {
        let path = self.path(to);
        let arguments = [&["extract", text(source), "-o", text(&path)], more].concat();
        let name = output(0, &arguments);
        output(0, &["verify", text(&path)]);
        (path, said(&name))
    }

    fn redact(&self, source: &Path, to: &str) -> (PathBuf, String) {
        let path = self.path(to);
        let key = text(&self.key);
        let name = output(
            0,
            &["redact", text(source), "-o", text(&path), "--key-file", key],
        );
        output(0, &["verify", text(&path)]);
        (path, said(&name))
    }
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn cat(source: &Path, more: &[&str]) -> Vec<u8> {
    output(0, &[&["cat", text(source)], more].concat())
}

fn info(path: &Path) -> Value {
    let json = output(0, &["info", "--json", text(path)]);
    serde_json::from_slice::<Value>(&json).expect("JSON")["sources"][0].clone()
}

fn manifest(path: &Path) -> Manifest {
    let found = BlackBox::open(fs::File::open(path).expect("a box")).expect("a box");
    found.manifest().expect("a manifest").clone()
}

fn refused(arguments: &[&str], words: &str) {
    let done = run(arguments);
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {why}");
    assert!(why.starts_with("haltbox: ") && why.contains(words), "{why}");
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn an_extract_is_what_cat_prints_from_every_kind_of_source() {
    let node = node("divergent-kv");
    let selections: [&[&str]; 6] = [
        &[],
        &["--height", "13"],
        &["--from-height", "12", "--to-height", "13"],
        &["--crank", "5105"],
        &[
            "--from-crank",
            "5000",
            "--to-crank",
            "5105",
            "--height",
            "13",
        ],
        &["--attempt", "1", "--to-height", "12"],
    ];
    for (n, source) in node.sources().iter().enumerate() {
        for (m, selection) in selections.iter().enumerate() {
            let (path, name) = node.extract(source, &format!("{n}-of-{m}"), selection);
            let expected = cat(source, selection);
            assert!(
                !expected.is_empty() && cat(&path, &[]) == expected,
                "{selection:?}"
            );
            assert!(zstd_dc(&path) == expected, "{selection:?}");
            let cranks = selection.iter().any(|word| word.contains("crank"));
            let complete = [NAME, "12-dfe7e3ec1526a7a094615e83c538ef5d"].contains(&name.as_str());
            assert_eq!(complete, !cranks, "{name} of {selection:?}");
            assert_eq!(info(&path)["identity"]["name"], name.as_str());
            output(0, &["ls", text(&path)]);
        }
    }
}

#[test]
fn an_extract_names_its_origin_and_carries_its_identity() {
    let node = node("divergent-kv");
    let [_, ring, frozen] = node.sources();
    let heights = ["--from-height", "12", "--to-height", "13"];
    let (path, name) = node.extract(&frozen, "extract", &heights);
    let (before, after) = (info(&frozen), info(&path));
    assert_eq!(name, NAME);
    for key in ["height", "attempt", "reason", "quote", "profile", "created"] {
        assert_eq!(after["identity"][key], before["identity"][key], "{key}");
    }
    assert_eq!(after["host"], before["host"]);
    let (whole, part) = (manifest(&frozen), manifest(&path));
    assert_eq!(part.identity.profile_digest, whole.identity.profile_digest);
    let origin = format!("extract of {NAME}, heights 12 to 13");
    assert_eq!(part.origin.as_ref(), Some(&origin));
    assert_eq!(part.identity.origin, part.origin);
    assert_eq!(
        (part.coverage.first_height, part.coverage.last_height),
        (Some(12), Some(13))
    );
    let state = |m: &Manifest| {
        m.blocks
            .iter()
            .map(|b| (b.height, b.state, b.hash.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(state(&part), state(&whole)[1..]);
    assert!(said(&output(0, &["info", text(&path)])).contains(&origin));
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(
        cat(&path, &["--stream", "node"]).is_empty(),
        "the node's log was not asked for"
    );
    let (with_node, _) = node.extract(&frozen, "with-node", &["--height", "13", "--node"]);
    assert!(!cat(&with_node, &["--stream", "node"]).is_empty());
    let (of_ring, _) = node.extract(&ring, "of-ring", &heights);
    let of_ring = manifest(&of_ring);
    assert_eq!(of_ring.identity.app_hash, whole.identity.app_hash);
    assert!(of_ring.coverage.main.is_some());
}

#[test]
fn what_cannot_be_written_is_refused_and_leaves_nothing() {
    let node = node("honest-a");
    let slog = text(&node.slog);
    let there = node.path("there");
    fs::write(&there, b"mine").expect("a file");
    let key = text(&node.key);
    refused(
        &["extract", slog, "-o", text(&there)],
        "already exists and was not changed",
    );
    refused(
        &["redact", slog, "-o", text(&there), "--key-file", key],
        "exists",
    );
    assert_eq!(fs::read(&there).expect("a file"), b"mine");
    let other = node.path(NAME);
    refused(
        &["extract", slog, "-o", text(&other)],
        "is the name of another box",
    );
    let nothing = node.path("nothing");
    refused(
        &["extract", slog, "-o", text(&nothing), "--height", "99"],
        "contains nothing",
    );
    refused(
        &["extract", slog, "-o", "/nonexistent/box"],
        "cannot create",
    );
    let both = ["--height", "12", "--to-height", "13"];
    let done = run(&[&["extract", slog, "-o", text(&nothing)], both.as_slice()].concat());
    assert_eq!(done.status.code(), Some(2));
    let names: Vec<String> = fs::read_dir(node.folder.path())
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.starts_with(".haltbox") || name == NAME || name == "nothing")
        .collect();
    assert!(names.is_empty(), "{names:?}");
}

/// Damage is handed on as a hole. A block that lost lines to it has no HASH,
/// also if it begins in the hole; one behind it is as it was.
#[test]
fn damage_of_the_origin_is_told_in_the_extract() {
    let node = node("honest-a");
    let [_, _, frozen] = node.sources();
    let whole = |m: &Manifest| {
        let blocks = m.blocks.iter();
        blocks
            .map(|b| (b.height, b.hash.is_some()))
            .collect::<Vec<_>>()
    };
    let before = manifest(&frozen);
    assert_eq!(whole(&before), [(11, false), (12, true), (13, true)]);
    let cases = [
        vec![(12, false), (13, true)],
        vec![(11, false), (12, false), (13, false)],
    ];
    for (n, expected) in cases.iter().enumerate() {
        let mut bytes = fs::read(&frozen).expect("a box");
        let broken = &before.frames[n];
        bytes[(broken.offset + broken.compressed / 2) as usize] ^= 0x55;
        let (damaged, path) = (node.path("damaged"), node.path(&format!("extract-{n}")));
        fs::write(&damaged, bytes).expect("a file");
        output(1, &["extract", text(&damaged), "-o", text(&path)]);
        output(1, &["verify", text(&path)]);
        let after = manifest(&path);
        assert_eq!(
            after.holes.len(),
            before.holes.len() + 1,
            "{:?}",
            after.holes
        );
        assert_eq!(&whole(&after), expected, "frame {n}");
        if n == 0 {
            let height = ["--height", "13"];
            assert!(cat(&path, &height) == cat(&frozen, &height));
        }
    }
}

/// Copying a box must not make sound what was changed in it.
#[test]
fn a_block_that_is_not_what_its_box_promises_gets_no_hash() {
    let node = node("honest-a");
    let (forged, path) = (node.path("forged"), node.path("extract"));
    let file = fs::File::create(&forged).expect("a file");
    let mut writer = BoxWriter::new(&file, &Options::default()).expect("a box");
    writer.block_begin(13, 1);
    for line in cat(&node.slog, &["--height", "13"]).split_inclusive(|b| *b == b'\n') {
        writer.slog(line.trim_ascii_end(), true).expect("room");
    }
    writer.block_end(BlockFacts {
        hash: Some("00".repeat(16)),
        ..BlockFacts::default()
    });
    let identity = Identity {
        height: Some(13),
        attempt: Some(1),
        ..Identity::default()
    };
    writer
        .finish(identity, ManifestFields::default())
        .expect("room");
    let name = output(1, &["extract", text(&forged), "-o", text(&path)]);
    assert_eq!(said(&name), "13-incomplete");
    let hole = &manifest(&path).holes[0].why;
    assert!(hole.contains("the source gives another one"), "{hole}");
}

fn canonical(slog: &[u8]) -> Vec<Vec<u8>> {
    let profile = Profile::builtin("agoric").expect("builtin");
    let rules: CanonicalRules = profile.slog.expect("a slog section").canonical().clone();
    let lines = slog.split(|b| *b == b'\n').map(|line| {
        let mut out = Vec::new();
        rules.cut(line, &mut out).then_some(out)
    });
    lines.flatten().collect()
}

#[test]
fn redacted_sources_differ_where_the_originals_do() {
    let (honest, divergent) = (node("honest-a"), node("divergent-kv"));
    let (a, b) = (
        honest.redact(&honest.slog, "r"),
        divergent.redact(&divergent.slog, "r"),
    );
    for height in ["12", "13"] {
        let of = |path: &Path| canonical(&cat(path, &["--height", height]));
        let (plain_a, plain_b) = (of(&honest.slog), of(&divergent.slog));
        let (red_a, red_b) = (of(&a.0), of(&b.0));
        assert_eq!((red_a.len(), red_b.len()), (plain_a.len(), plain_b.len()));
        let plain: Vec<bool> = plain_a.iter().zip(&plain_b).map(|(a, b)| a == b).collect();
        let red: Vec<bool> = red_a.iter().zip(&red_b).map(|(a, b)| a == b).collect();
        assert_eq!(plain, red, "height {height}");
        assert_eq!(red.iter().all(|same| *same), height == "12");
    }
    let names = |path: &Path| {
        manifest(path)
            .blocks
            .iter()
            .map(|b| b.name.clone())
            .collect::<Vec<_>>()
    };
    let (a, b) = (names(&a.0), names(&b.0));
    assert_eq!(a[1], b[1], "block 12 is the same");
    assert!(
        a[1].is_some() && a[2].is_some() && a[2] != b[2],
        "block 13 is not"
    );
    assert!(
        !names(&boxes(&honest.dir)[0]).contains(&a[1]),
        "a redacted block has its own HASH"
    );
}

#[test]
fn a_redacted_box_has_no_fingerprint() {
    let node = node("honest-a");
    let (redacted, _) = node.redact(&node.slog, "r");
    let (print, of_original) = (node.path("r.fp"), node.path("slog.fp"));
    refused(
        &["fingerprint", text(&redacted), "-o", text(&print)],
        "is redacted: digests of its values differ",
    );
    assert!(!print.exists());
    let original = text(&node.slog);
    output(0, &["fingerprint", original, "-o", text(&of_original)]);
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_redaction_is_the_same_from_every_kind_of_source_and_names_its_origin() {
    let node = node("divergent-kv");
    let [slog, ring, frozen] = node.sources();
    let (of_slog, _) = node.redact(&slog, "of-slog");
    let expected = cat(&of_slog, &[]);
    let (of_ring, _) = node.redact(&ring, "of-ring");
    let (of_box, name) = node.redact(&frozen, "of-box");
    assert!(cat(&of_ring, &[]) == expected && cat(&of_box, &[]) == expected);
    let redacted = said(&expected);
    assert_eq!(
        redacted.lines().count(),
        excerpt("divergent-kv").split(|b| *b == b'\n').count() - 1
    );
    for value in ["\"body\":\"#", "vc.4", "Alleged", "methargs\":\"", "sacct"] {
        assert!(!redacted.contains(value), "{value}");
    }
    let (before, after) = (manifest(&frozen), manifest(&of_box));
    assert!(name.starts_with("13-") && name != NAME);
    assert_eq!(after.identity.name, name);
    let origin = after.origin.expect("an origin");
    assert!(
        origin.starts_with(&format!("redacted from {NAME}, key ")),
        "{origin}"
    );
    assert_eq!(after.identity.origin.as_ref(), Some(&origin));
    assert_eq!(
        after.identity.profile_digest,
        before.identity.profile_digest
    );
    assert_eq!(after.identity.app_hash, before.identity.app_hash);
    assert!(cat(&of_box, &["--stream", "node"]).is_empty());
    let (part, _) = node.extract(&of_box, "part", &["--height", "13"]);
    let part = manifest(&part).origin.expect("an origin");
    assert!(
        part.contains(&format!("; {name} itself: {origin}")),
        "{part}"
    );
    fs::write(&node.key, b"other sixteen bytes").expect("a key");
    let (other, _) = node.redact(&slog, "other");
    assert!(cat(&other, &[]) != expected);
    assert_ne!(manifest(&other).origin, manifest(&of_slog).origin);
}

#[test]
fn bad_keys_and_profiles_that_say_nothing_are_refused() {
    let node = node("honest-a");
    let (slog, out) = (text(&node.slog), node.path("out"));
    let redact = |key: &Path, words: &str| {
        refused(
            &["redact", slog, "-o", text(&out), "--key-file", text(key)],
            words,
        );
    };
    fs::write(&node.key, [7; 15]).expect("a key");
    redact(&node.key, "has 15 bytes, expected at least 16");
    fs::write(&node.key, vec![7; 65537]).expect("a key");
    redact(&node.key, "more than 65536 bytes");
    redact(node.folder.path(), "cannot read the key file");
    redact(&node.path("none"), "cannot read the key file");
    fs::write(&node.key, [7; 16]).expect("a key");
    let profile = node.path("mine.json");
    let mine = r#"{"profile":1,"name":"mine","slog":{"type":"type","events":{},"canonical":{"types":[]}}}"#;
    fs::write(&profile, mine).expect("a profile");
    let more = ["--key-file", text(&node.key), "--profile", text(&profile)];
    refused(
        &[&["redact", slog, "-o", text(&out)], more.as_slice()].concat(),
        "no slog.redact section",
    );
    let frozen = boxes(&node.dir).remove(0);
    let more = ["--profile", text(&profile)];
    refused(
        &[
            &["extract", text(&frozen), "-o", text(&out)],
            more.as_slice(),
        ]
        .concat(),
        "was recorded with the profile agoric",
    );
    assert!(!out.exists());
}

#[test]
fn hostile_lines_become_tokens() {
    let node = node("honest-a");
    let hostile: [&[u8]; 8] = [
        b"secret: a library prints",
        b"{\"type\":\"syscall\",\"crankNum\":secret}",
        b"{\"type\":\"syscall\",\"ksc\":[\"vatstoreSet\",\"secret",
        b"\xff\xfe secret \x00",
        b"",
        b"{\"secret\":{\"type\":\"secret\",\"time\":\"secret\"}}",
        b"{\"type\":\"console\",\"args\":[{\"secret\":[\"\\u0073ecret\",\"secret\"]}]}",
        b"{\"t\\u0079pe\":\"syscall\",\"vatID\":\"secret\"}",
    ];
    let mut slog = Vec::new();
    for (n, line) in excerpt("honest-a")
        .split_inclusive(|b| *b == b'\n')
        .enumerate()
    {
        if n % 100 == 50 {
            slog.extend_from_slice(hostile[n / 100 % hostile.len()]);
            slog.push(b'\n');
        }
        slog.extend_from_slice(line);
    }
    slog.extend_from_slice(b"{\"type\":\"console\",\"args\":[\"secret");
    let lines = slog.split(|b| *b == b'\n').count();
    fs::write(&node.slog, &slog).expect("a slog");
    let (path, name) = node.redact(&node.slog, "out");
    assert_eq!(name, node.redact(&node.slog, "again").1);
    let redacted = said(&cat(&path, &[]));
    assert!(!redacted.contains("ecret"));
    assert_eq!(redacted.lines().count(), lines);
    let sound = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    assert!(redacted.lines().all(sound));
    let to = node.path("third");
    let done = run(&[
        "redact",
        text(&node.slog),
        "-o",
        text(&to),
        "--key-file",
        text(&node.key),
    ]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(told.contains(&format!("of {lines}\n")), "{told}");
}
