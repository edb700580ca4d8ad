use std::collections::BTreeMap;

use super::*;
use crate::event::Event;
use crate::profile::Profile;
use crate::recordings::each_line;
use crate::slog::SlogRules;
use haltbox_format::Digest;

const DOCUMENT: &str = include_str!("../../../../docs/format.md");

fn agoric() -> SlogRules {
    Profile::builtin("agoric").unwrap().slog.unwrap()
}

/// HASHes by height, with ranges and attempts by the HASH rule.
fn hashes(recording: &str) -> Option<BTreeMap<u64, BlockHash>> {
    let rules = agoric();
    let mut attempt: Vec<Vec<u8>> = Vec::new();
    let mut executed = false;
    let mut hashes = BTreeMap::new();
    let read = each_line(recording, |line| {
        let entry = rules.read(line);
        let events: Vec<_> = entry.events().collect();
        if events.contains(&Event::ProcessStart) {
            attempt.clear();
            executed = false;
        }
        executed |= events.contains(&Event::Executed);
        if entry.canonical {
            attempt.push(line.to_owned());
        }
        if let [Event::End { height }] = events[..] {
            if executed {
                let mut hasher = BlockHasher::new(rules.canonical(), height);
                assert!(attempt.iter().all(|line| hasher.line(line)));
                hashes.insert(height, hasher.finish().unwrap());
            }
            attempt.clear();
            executed = false;
        }
    });
    read.then_some(hashes)
}

/// Heights at which two recordings have different HASHes.
fn different(a: &BTreeMap<u64, BlockHash>, b: &BTreeMap<u64, BlockHash>) -> Vec<u64> {
    assert_eq!(a.len(), 28);
    assert_eq!(b.len(), 28);
    a.iter()
        .filter(|(height, hash)| b[height] != **hash)
        .map(|(height, _)| *height)
        .collect()
}

#[test]
fn honest_nodes_agree_and_divergent_ones_part_at_their_block() {
    let Some(honest) = hashes("honest-a") else {
        return;
    };
    let parted_from = [
        ("honest-b", 29),
        ("honest-d-restart", 29),
        ("divergent-kv", 13),
        ("divergent-swap", 10),
    ];
    for (recording, first) in parted_from {
        let other = hashes(recording).unwrap();
        assert_eq!(
            different(&honest, &other),
            (first..=28).collect::<Vec<_>>(),
            "{recording}"
        );
    }
}

/// The first fenced block after a line of the document.
fn block_after(line: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(line).unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_documents_example_has_the_hash_it_prints() {
    let hashed = block_after("What is hashed:");
    let printed = block_after("Its HASH:").trim_end();
    let digest: [u8; 32] = blake3::hash(hashed.as_bytes()).into();
    assert_eq!(Digest(digest).to_string()[..32], *printed);

    let rules = agoric();
    let mut hasher = BlockHasher::new(rules.canonical(), 7);
    let mut canonical = 0;
    for line in block_after("A node wrote these lines").lines() {
        canonical += usize::from(hasher.line(line.as_bytes()));
    }
    assert_eq!(hasher.finish().unwrap().to_string(), *printed);
    assert_eq!(canonical + 3, hashed.lines().count());
}

#[test]
fn the_documents_example_names_the_digest_of_the_builtin_profile() {
    let digest = agoric().canonical().digest().to_string();
    assert_eq!(
        block_after("What is hashed:").lines().nth(1),
        Some(&*digest)
    );
}

#[test]
fn a_hash_depends_on_height_lines_and_where_they_end() {
    let rules = agoric();
    let hash = |height, lines: &[&str]| {
        let mut hasher = BlockHasher::new(rules.canonical(), height);
        lines.iter().for_each(|line| {
            hasher.line(line.as_bytes());
        });
        hasher.finish().unwrap()
    };
    let [a, b] = [r#"{"type":"clist","a":1}"#, r#"{"type":"clist","b":1}"#];
    let all = [
        hash(1, &[a, b]),
        hash(2, &[a, b]),
        hash(1, &[b, a]),
        hash(1, &[a]),
        hash(1, &[]),
    ];
    for (n, one) in all.iter().enumerate() {
        assert!(!all[..n].contains(one));
    }
    let console = r#"{"type":"console","args":["x"]}"#;
    assert_eq!(hash(1, &[a, console, b]), all[0]);
}

/// Reads depend on the process, not on the result: a process that has just started reads
/// more, and one that caches reads less, although both executed the same.
#[test]
fn reads_and_the_numbers_of_operations_do_not_name_a_block_of_the_host_profile() {
    let rules = Profile::builtin("host").unwrap().slog.unwrap();
    let former = rules.canonical().former().expect("earlier rules");
    let hash = |rules: &CanonicalRules, lines: &[&str]| {
        let mut hasher = BlockHasher::new(rules, 7);
        let canonical = lines.iter().all(|line| hasher.line(line.as_bytes()));
        assert!(canonical, "what is not named is still compared");
        hasher.finish().unwrap()
    };
    let begin = r#"{"type":"begin-block","height":7,"time":"7.000000000","input":"ab"}"#;
    let read = r#"{"type":"op-read","tx":0,"op":0,"store":"bank","key":"01","value":"aa"}"#;
    let write = |op: u8, value: &str| {
        format!(
            r#"{{"type":"op-write","tx":0,"op":{op},"store":"bank","key":"01","value":"{value}"}}"#
        )
    };
    let end = r#"{"type":"end-block","height":7,"appHash":"00"}"#;
    let (one, two, other) = (write(0, "bb"), write(1, "bb"), write(1, "cc"));
    let cached = [begin, &one, end];
    let fresh = [begin, read, &two, end];
    let wrong = [begin, read, &other, end];
    let own = rules.canonical();
    assert_eq!(hash(own, &cached), hash(own, &fresh));
    assert_ne!(hash(own, &fresh), hash(own, &wrong));
    assert_ne!(hash(&former, &cached), hash(&former, &fresh));
    assert_ne!(hash(own, &cached), hash(&former, &cached));
    // The digest in boxes of earlier versions.
    let known = "66e21a70e280f6bcd1a34f5c198dda8d";
    assert!(
        former.name_digest().to_string().starts_with(known),
        "{}",
        former.name_digest()
    );
    assert_eq!(former.name_digest(), own.digest());
    let hosts = Profile::builtin("host").unwrap();
    let old = hosts.naming_by(Some(former.name_digest())).slog.unwrap();
    assert_eq!(old.canonical().name_digest(), former.name_digest());
}

#[test]
fn long_blocks_are_hashed_as_if_at_once() {
    let rules = agoric();
    let line = format!(r#"{{"type":"clist","a":"{}"}}"#, "x".repeat(999));
    let mut hasher = BlockHasher::new(rules.canonical(), 1);
    let mut text = format!("haltbox-hash-1\n{}\n1\n", rules.canonical().digest());
    for _ in 0..1_000 {
        assert!(hasher.line(line.as_bytes()));
        text.push_str(&line);
        text.push('\n');
    }
    let whole: [u8; 32] = blake3::hash(text.as_bytes()).into();
    assert_eq!(hasher.finish().unwrap().0, whole[..16]);
}
