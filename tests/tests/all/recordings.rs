use std::path::Path;

use haltbox_tests::*;

const NAMES: [&str; 5] = [
    "honest-a",
    "honest-b",
    "honest-d-restart",
    "divergent-kv",
    "divergent-swap",
];

/// Records a slog that fails at `height`, and compares everything that comes back.
fn there_and_back(slog: &[u8], height: u64, size: &str, everything: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    record_all(&dir, slog, Some(&failure(height)), size).wait();
    let ring = output(0, &["cat", text(&dir.join("ring"))]);
    let found = boxes(&dir);
    let [only] = found.as_slice() else {
        panic!("one box expected, found {found:?}")
    };
    let boxed = output(0, &["cat", text(only)]);
    assert!(zstd_dc(only) == boxed, "zstd -dc and haltbox cat differ");
    assert!(
        slog.ends_with(&boxed),
        "the box is not the slog's last lines, byte for byte"
    );
    assert!(
        slog.ends_with(&ring),
        "the ring is not the slog's last lines, byte for byte"
    );
    assert!(!ring.is_empty() && !boxed.is_empty());
    if everything {
        assert!(
            ring == slog && boxed == slog,
            "something is missing: {} {}",
            ring.len(),
            boxed.len()
        );
        assert!(name(only).starts_with(&format!("{height}-")));
        assert!(!name(only).contains("incomplete"), "{}", name(only));
    }
    output(0, &["verify", text(only)]);
    output(0, &["verify", text(&dir.join("ring"))]);
}

fn name(path: &Path) -> String {
    path.file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

#[test]
fn an_excerpt_comes_back_byte_for_byte() {
    for which in ["honest-a", "divergent-kv"] {
        there_and_back(&excerpt(which), 13, "16MiB", true);
    }
}

#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn full_recordings_come_back_byte_for_byte() {
    for which in NAMES {
        let Some(slog) = recording(which) else { return };
        there_and_back(&slog, 28, "100MiB", true);
        println!("{which}: {} bytes through a 100 MiB ring", slog.len());
    }
}

/// The failing block is the last: what wrapped away before it is not covered.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn full_recordings_wrap_a_small_ring_many_times() {
    for which in NAMES {
        let Some(slog) = recording(which) else { return };
        there_and_back(&slog, 28, "8MiB", false);
    }
}

fn names_of(slog: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slog");
    std::fs::write(&path, slog).expect("a slog");
    names_in(&path)
}

fn names_in(source: &Path) -> Vec<String> {
    let listed = output(0, &["ls", "--json", text(source)]);
    let json: serde_json::Value = serde_json::from_slice(&listed).expect("JSON");
    let blocks = json["sources"][0]["blocks"]
        .as_array()
        .expect("blocks")
        .clone();
    blocks
        .iter()
        .map(|block| block["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn honest_nodes_give_the_same_name_and_a_divergent_one_another() {
    let (honest, divergent) = (
        names_of(&excerpt("honest-a")),
        names_of(&excerpt("divergent-kv")),
    );
    assert_eq!(honest[1], divergent[1], "block 12 is the same");
    assert_ne!(honest[2], divergent[2], "block 13 is not");
    assert_eq!(
        honest[0], "11-incomplete",
        "only the end of block 11 is there"
    );
    let Some(a) = recording("honest-a").map(|slog| names_of(&slog)) else {
        return;
    };
    assert_eq!(a.len(), 28);
    assert!(a.iter().all(|name| !name.contains("incomplete")));
    assert_eq!(
        a[11..13],
        honest[1..3],
        "an excerpt gives the names of the whole"
    );
    for which in ["honest-b", "honest-d-restart"] {
        assert_eq!(
            recording(which).map(|slog| names_of(&slog)),
            Some(a.clone()),
            "{which}"
        );
    }
    let kv = names_of(&recording("divergent-kv").expect("recordings"));
    let differ: Vec<bool> = a.iter().zip(&kv).map(|(a, b)| a != b).collect();
    assert_eq!(
        differ,
        [vec![false; 12], vec![true; 16]].concat(),
        "from height 13 on"
    );
    let from_10 = from_block(&recording("honest-a").expect("recordings"), 10);
    let attached = names_of(&from_10);
    assert_eq!(attached[0], "10-incomplete");
    assert_eq!(attached[1..], a[10..], "a recorder attached in block 10");
}

/// Entries that prepare a block count for its HASH, and a ring or box that
/// lost them gives none instead of another.
#[test]
fn a_ring_and_its_box_give_a_block_the_slog_s_name_or_none() {
    let slogs = [("100MiB", excerpt("honest-a"))]
        .into_iter()
        .chain(recording("honest-a").map(|slog| ("100MiB", slog)))
        .chain(recording("divergent-kv").map(|slog| ("16MiB", slog)));
    for (size, slog) in slogs {
        let expected = names_of(&slog);
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        record_all(&dir, &slog, Some(&failure(last_height(&expected))), size).wait();
        let kept_all =
            std::fs::metadata(dir.join("ring")).expect("a ring").len() > slog.len() as u64;
        for source in [dir.join("ring"), boxes(&dir).remove(0)] {
            let found = names_in(&source);
            let (oldest, others) = found.split_first().expect("blocks");
            let same = &expected[expected.len() - others.len()..];
            assert_eq!(others, same, "{} of {size}", source.display());
            let height = oldest.split_once('-').expect("a name").0;
            let whole = &expected[expected.len() - found.len()];
            assert!(
                kept_all && oldest == whole || *oldest == format!("{height}-incomplete"),
                "{oldest} for {whole} in {} of {size}",
                source.display()
            );
            assert!(others.len() > 1 || kept_all);
        }
    }
}

fn last_height(names: &[String]) -> u64 {
    let last = names.last().and_then(|name| name.split_once('-'));
    last.expect("a name").0.parse().expect("a height")
}

/// The slog from the middle of a block on.
fn from_block(slog: &[u8], height: u64) -> Vec<u8> {
    let begin = format!("{{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":{height},");
    let at = slog
        .windows(begin.len())
        .position(|w| w == begin.as_bytes())
        .expect("the block");
    let inside = slog[at..]
        .split_inclusive(|b| *b == b'\n')
        .take(100)
        .map(<[u8]>::len);
    slog[at + inside.sum::<usize>()..].to_vec()
}

/// Ten megabytes of replay between two blocks push out not one block record.
#[test]
fn replay_evicts_no_block_record() {
    let slog = excerpt("honest-a");
    let mut with_replay = slog.clone();
    with_replay.extend_from_slice(b"{\"type\":\"kernel-init-start\",\"time\":1,\"monotime\":1}\n");
    let mut number = 0;
    while with_replay.len() < slog.len() + (10 << 20) {
        let line = format!(
            "{{\"type\":\"syscall\",\"vatID\":\"v6\",\"deliveryNum\":{number},\"syscallNum\":0,\
             \"replay\":true,\"syscall\":[\"vatstoreGet\",\"k\"],\"vsc\":\"{}\"}}\n",
            "x".repeat(300)
        );
        with_replay.extend_from_slice(line.as_bytes());
        number += 1;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    record_all(&dir, &with_replay, None, "8MiB").wait();
    let kept = output(0, &["cat", text(&dir.join("ring"))]);
    let profile = haltbox_model::Profile::builtin("agoric").expect("builtin");
    let rules = profile.slog.expect("a slog section");
    let of_blocks = |slog: &[u8]| {
        let lines = slog.split_inclusive(|b| *b == b'\n');
        let main =
            |line: &&[u8]| rules.read(line.trim_ascii_end()).lane == haltbox_format::Lane::Main;
        lines.filter(main).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(of_blocks(&kept).len(), of_blocks(&slog).len());
    assert!(of_blocks(&kept) == of_blocks(&slog), "a block record went");
}
