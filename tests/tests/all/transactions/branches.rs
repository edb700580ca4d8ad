//! Branches of an execution: what took effect, what was thrown away, and what a recording
//! does not tell.

use haltbox_tests::*;

use super::output_json;
use super::slogs::write;

/// What a recording is, and of its reads: how many were checked, do not match, are of
/// unknown keys, and cannot be judged.
const READS: [(&str, &str, [u64; 4]); 28] = [
    (
        "a branch that was thrown away",
        "start [1=A on:0 r:bank/01=1 on:1/0 w:bank/01=2 r:bank/01=2 on:0 r:bank/01=1 ]",
        [2, 0, 1, 0],
    ),
    (
        "one that was written",
        "start [1=A on:0 r:bank/01=1 on:1/0 w:bank/01=2 put:1 on:0 r:bank/01=2 ]",
        [1, 0, 1, 0],
    ),
    (
        "one that was written, and a read of what stood there before",
        "start [1=A on:0 r:bank/01=1 on:1/0 w:bank/01=2 put:1 on:0 r:bank/01=1 ]",
        [1, 1, 1, 0],
    ),
    (
        "one that was thrown away, and a read of it",
        "start [1=A on:0 r:bank/01=1 on:1/0 w:bank/01=2 on:0 r:bank/01=2 ]",
        [1, 1, 1, 0],
    ),
    (
        "an inner branch that was written to one that was thrown away",
        "start [1=A on:0 r:bank/01=1 on:1/0 on:2/1 w:bank/01=2 put:2 on:1/0 r:bank/01=2 on:0 r:bank/01=1 ]",
        [2, 0, 1, 0],
    ),
    (
        "a failed transaction, of which the fee stands",
        "start [1=A on:0 r:bank/01=1 r:bank/02=1 tx:0 on:1/0 0.w:bank/01=2 put:1 on:2/0 0.w:bank/02=3 tx:1 on:3/0 1.r:bank/01=2 1.r:bank/02=1 res:0/5 res:1 ]",
        [2, 0, 2, 0],
    ),
    (
        "what was thrown away, in the next block",
        "start [1=A on:0 r:bank/01=1 on:1/0 w:bank/01=2 ] [2=B on:0 r:bank/01=1 ]",
        [1, 0, 1, 0],
    ),
    (
        "what a branch may have read before it was written elsewhere",
        "start [1=A on:0 r:bank/01=1 on:1/0 r:bank/01=1 on:0 w:bank/01=2 on:1/0 r:bank/01=1 ]",
        [1, 0, 1, 1],
    ),
    (
        "a store that is emptied with each block, as it has no root",
        "start [1=A on:0 w:tmp/01=2 w:bank/01=2 root:bank=1 ] [2=B on:0 r:tmp/01=5 r:bank/01=2 root:bank=1 ]",
        [1, 0, 0, 1],
    ),
    (
        "a store without a root that is kept in memory",
        "start [1=A on:0 w:mem/01=2 w:bank/01=2 root:bank=1 ] [2=B on:0 r:mem/01=2 root:bank=1 ]",
        [1, 0, 0, 0],
    ),
    (
        "one that is read twice in a block, with another value",
        "start [1=A on:0 w:tmp/01=2 root:bank=1 ] [2=B on:0 r:tmp/01=5 r:tmp/01=6 root:bank=1 ]",
        [1, 1, 0, 1],
    ),
    (
        "one that is gone with its process",
        "start [1=A on:0 w:mem/01=2 root:bank=1 ] [2=B on:0 r:mem/01=2 r:mem/01=2 start [2=B on:0 r:mem/01= root:bank=1 ]",
        [2, 0, 0, 1],
    ),
    (
        "without a word of branches, what stood there before",
        "start [1=A r:bank/01=1 w:bank/01=2 r:bank/01=1 ]",
        [0, 0, 1, 1],
    ),
    (
        "the same in the next block, which decides it",
        "start [1=A r:bank/01=1 w:bank/01=2 ] [2=B r:bank/01=1 r:bank/01=2 ]",
        [1, 1, 1, 1],
    ),
    (
        "the same, and what nobody wrote",
        "start [1=A r:bank/01=1 w:bank/01=2 r:bank/01=3 ]",
        [1, 1, 1, 0],
    ),
    (
        "without a word of branches, a key that was not read before",
        "start [1=A w:bank/01=2 ] [2=B r:bank/01=3 r:bank/01=2 ]",
        [1, 1, 0, 1],
    ),
    (
        "a recording that begins inside a block, and goes on on a branch",
        "[+1=A on:1/0 r:bank/01=2 on:0 r:bank/01=1 ]",
        [0, 0, 1, 1],
    ),
    (
        "the same in the other order",
        "[+1=A on:0 r:bank/01=1 on:1/0 r:bank/01=2 ]",
        [0, 0, 1, 1],
    ),
    (
        "a write that no branch is told of, between two of one",
        "start [1=A on:0 r:bank/01=1 on:1/0 w:bank/01=2 on:null w:bank/01=3 on:1/0 r:bank/01=3 ]",
        [0, 0, 1, 1],
    ),
    (
        "a failed transaction that wrote on the execution's own branch as well",
        "start [1=A on:0 r:bank/02=1 tx:0 on:0 0.w:bank/01=2 on:1/0 0.w:bank/02=3 put:1 on:0 res:0/5 ] [2=B on:0 r:bank/02=1 ]",
        [0, 0, 2, 0],
    ),
    (
        "an iterator that was made before a write",
        "start [1=A on:0 it:bank w:bank/01=2 next:bank/01 ] [2=B on:0 r:bank/01=2 ]",
        [1, 0, 0, 0],
    ),
    (
        "what a killed execution read behind such a word, which may be its own write",
        "start [1=A on:0 r:bank/01=1 w:bank/01=1 ] [2=B on:0 w:bank/01=2 put:7 on:0 r:bank/01=2 start [2=B on:0 r:bank/01=1 ]",
        [0, 0, 3, 0],
    ),
    (
        "what a killed execution read of a store in memory",
        "[1=A on:0 w:bank/01=1 root:bank=1 ] [2=B on:0 r:mem/01=2 start [2=B on:0 r:mem/01= root:bank=1 ]",
        [0, 0, 2, 0],
    ),
    (
        "what a failed transaction wrote, and read by the block behind such a word",
        "start [1=A on:0 r:bank/01=1 tx:0 0.w:bank/01=2 put:7 on:0 r:bank/01=2 res:0/5 r:bank/01=1 ] [2=B on:0 r:bank/01=1 ]",
        [0, 0, 2, 2],
    ),
    (
        "what a transaction wrote on the block's own branch, and read before it fails",
        "start [1=A on:0 r:bank/01=1 tx:0 0.w:bank/01=2 r:bank/01=2 res:0/5 r:bank/01=1 r:bank/01=1 ]",
        [1, 0, 3, 0],
    ),
    (
        "a store that a commit empties, where no roots are told",
        "start [1=A on:0 w:tmp/01=2 ] [2=B on:0 r:tmp/01= r:tmp/01=3 ]",
        [1, 1, 0, 1],
    ),
    (
        "the same of another value, which no store can have",
        "start [1=A on:0 w:tmp/01=2 ] [2=B on:0 r:tmp/01=3 ]",
        [1, 1, 0, 0],
    ),
    (
        "a word that comes too late",
        "start [1=A r:bank/01=1 put:7 r:bank/01=2 on:3/2 r:bank/01=4 ]",
        [0, 0, 2, 1],
    ),
];

#[test]
fn reads_are_held_against_what_took_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    for (index, (what, words, expected)) in READS.iter().enumerate() {
        for form in ["", "spaced "] {
            let path = folder.path().join(format!("{index}.slog"));
            write(&path, &format!("{form}{words}"));
            let arguments = [
                "verify",
                "--reads",
                "--json",
                "--profile",
                "host",
                text(&path),
            ];
            let found = output_json(&arguments);
            let reads = &found["sources"][0]["reads"];
            let counts =
                ["checked", "differ", "unknown", "untold"].map(|name| reads[name].as_u64());
            assert_eq!(counts, expected.map(Some), "{form}{what}: {found:#}");
        }
    }
}

/// The line of the last write of a key, and whether it is sure to have taken effect.
type LastWrite = Option<(u64, bool)>;

/// What two recordings are, and the last write of the key that differs, which is the same
/// on both sides.
const LAST: [(&str, &str, &str, LastWrite); 6] = [
    (
        "a write that was thrown away behind one that was not",
        "start [1=A on:0 w:bank/01=1 on:1/0 w:bank/01=5 ] [2=B on:0 r:bank/01=1 w:bank/02=1 ]",
        "start [1=A on:0 w:bank/01=1 on:1/0 w:bank/01=5 ] [2=C on:0 r:bank/01=7 w:bank/02=2 ]",
        Some((4, true)),
    ),
    (
        "one that was written",
        "start [1=A on:0 w:bank/01=1 on:1/0 w:bank/01=5 put:1 ] [2=B on:0 r:bank/01=5 w:bank/02=1 ]",
        "start [1=A on:0 w:bank/01=1 on:1/0 w:bank/01=5 put:1 ] [2=C on:0 r:bank/01=7 w:bank/02=2 ]",
        Some((6, true)),
    ),
    (
        "one of the branch that reads",
        "start [1=A on:0 ] [2=B on:0 w:bank/01=1 on:1/0 w:bank/01=5 r:bank/01=5 w:bank/02=1 ]",
        "start [1=A on:0 ] [2=C on:0 w:bank/01=1 on:1/0 w:bank/01=5 r:bank/01=7 w:bank/02=2 ]",
        Some((10, true)),
    ),
    (
        "a failed transaction, of which the fee stands",
        "start [1=A tx:0 on:1/0 0.w:bank/01=2 put:1 on:2/0 0.w:bank/01=3 res:0/5 ] [2=B on:0 r:bank/01=2 w:bank/02=1 ]",
        "start [1=A tx:0 on:1/0 0.w:bank/01=2 put:1 on:2/0 0.w:bank/01=3 res:0/5 ] [2=C on:0 r:bank/01=7 w:bank/02=2 ]",
        Some((5, true)),
    ),
    (
        "without a word of branches",
        "start [1=A w:bank/01=1 ] [2=B r:bank/01=1 w:bank/02=1 ]",
        "start [1=A w:bank/01=1 ] [2=C r:bank/01=7 w:bank/02=2 ]",
        Some((3, false)),
    ),
    (
        "without it, and a later block has read it",
        "start [1=A w:bank/01=1 ] [2=B r:bank/01=1 ] [3=C r:bank/01=1 w:bank/02=1 ]",
        "start [1=A w:bank/01=1 ] [2=B r:bank/01=1 ] [3=D r:bank/01=7 w:bank/02=2 ]",
        Some((3, true)),
    ),
];

#[test]
fn the_last_write_is_one_that_took_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    for (what, one, other, expected) in LAST {
        let [a, b] = ["a.slog", "b.slog"].map(|name| folder.path().join(name));
        write(&a, one);
        write(&b, other);
        let arguments = ["diff", "--json", "--profile", "host", text(&a), text(&b)];
        let found = output_json(&arguments);
        assert_eq!(found["verdict"], "state differs", "{what}: {found:#}");
        for side in ["a", "b"] {
            let last = &found["last_write"][side];
            let line = last["line_number"].as_u64();
            let told = line.map(|line| (line, last["unsure"].is_null()));
            assert_eq!(told, expected, "{what}: {found:#}");
        }
        let shown = run(&["diff", "--profile", "host", text(&a), text(&b)]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        let unsure = expected.is_some_and(|(_, sure)| !sure);
        // Lines are broken wherever they are full.
        let words: String = shown.split_whitespace().collect();
        assert_eq!(words.contains("whetherittookeffect"), unsure, "{shown}");
    }
}

/// A host's folder has files of its own beside the ring, which are no recordings.
#[test]
fn a_recorders_own_files_are_no_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("haltbox");
    let made = super::execute(&dir, 1, |_| {});
    let dir = made
        .parent()
        .and_then(|boxes| boxes.parent())
        .expect("a folder");
    for (name, text) in [
        ("host.json", "{\"node_program\":\"/bin/true\",\"size\":1}"),
        ("profile.json", "{\n  \"profile\": 1\n}\n"),
        ("node.log", "{\"level\":\"info\",\"msg\":\"started\"}\n"),
        ("boxes/note.json", "{\"told\":1}\n"),
    ] {
        std::fs::write(dir.join(name), text).expect("a file");
    }
    for arguments in [&["info"][..], &["verify", "--reads"], &["ls"]] {
        let shown = run(&[arguments, &[text(dir)]].concat());
        let said = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert_eq!(shown.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(
            !said.contains(".json") && !said.contains("node.log"),
            "{said}"
        );
    }
}

#[test]
fn a_table_of_blocks_has_the_columns_of_its_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slog");
    for (words, head, row) in [
        (
            "start [1=A in:0 in:1 std res:0 res:1 ]",
            "TXS OPS NAME",
            "2 2 1-",
        ),
        (
            "start [1=A std crank:1=1/a ]",
            "TXS OPS CRANKS NAME",
            "0 2 1 1-",
        ),
    ] {
        write(&path, words);
        for command in ["ls", "info"] {
            let shown = run(&[command, "--profile", "host", text(&path)]);
            let said = String::from_utf8_lossy(&shown.stdout)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            assert!(
                said.contains(head) && said.contains(row),
                "{command}: {said}"
            );
        }
    }
}
