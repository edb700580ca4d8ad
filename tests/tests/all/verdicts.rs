//! Heights 1 to 7 of a real recording, cut to the blocks that matter and edited as a
//! kernel, a crash or a log shipper would: what the commands must say of each.

use std::fs;
use std::path::{Path, PathBuf};

use haltbox_tests::*;
use serde_json::Value;

/// A file, the one it is compared with, and what is true of the two.
struct Truth {
    name: &'static str,
    other: &'static str,
    verdict: &'static str,
    exit: i32,
    /// Words of the answer, by JSON pointer.
    told: &'static [(&'static str, &'static str)],
}

const fn truth(
    name: &'static str,
    verdict: &'static str,
    exit: i32,
    told: &'static [(&'static str, &'static str)],
) -> Truth {
    Truth {
        name,
        other: "base",
        verdict,
        exit,
        told,
    }
}

const TRUTHS: [Truth; 12] = [
    truth(
        "1-snapshotID",
        "snapshot differs",
        1,
        &[
            ("/place/vat", "v6"),
            ("/place/crank", "137"),
            ("/notes", "13114059 bytes"),
        ],
    ),
    truth(
        "4a-extra-timer-poll",
        "inputs differ",
        1,
        &[(
            "/summary",
            "one more entry here: cosmic-swingset-timer-poll",
        )],
    ),
    truth(
        "4d-missing-input",
        "inputs differ",
        1,
        &[("/place/input", "2-2-"), ("/place/type", "bridge-inbound")],
    ),
    Truth {
        other: "8-base",
        ..truth("8a-crash-mid-block", "identical", 0, &[])
    },
    truth(
        "8l-reexecuted-uncommitted",
        "execution differs",
        1,
        &[
            ("/place/crank", "130"),
            ("/notes", "attempt 1 at height 2 differs"),
        ],
    ),
    truth(
        "10a-truncated",
        "identical",
        0,
        &[("/summary", "height 2 was only partly compared")],
    ),
    truth(
        "10b-unfinished-crank",
        "state differs",
        1,
        &[("/place/crank", "131"), ("/place/type", "syscall-result")],
    ),
    truth(
        "11d-dup-input",
        "identical",
        0,
        &[("/notes", "sent twice by something after the node: 1 line,")],
    ),
    truth(
        "12b-jqS",
        "identical",
        0,
        &[("/notes", "rewritten by another JSON writer")],
    ),
    truth(
        "13b-hidden-crank",
        "hidden crank",
        1,
        &[("/place/crank", "148")],
    ),
    truth(
        "14-no-crankhash",
        "identical",
        0,
        &[("/notes", "has no crankhash for 16 cranks")],
    ),
    Truth {
        other: "20b-a",
        ..truth(
            "20b-b",
            "evidence insufficient",
            2,
            &[("/summary", "no height is complete on both")],
        )
    },
];

fn unpacked(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let packed = root().join(format!("tests/data/verdicts/{name}.slog.zst"));
    fs::write(&path, zstd_dc(&packed)).expect("a slog");
    path
}

fn diff(a: &Path, b: &Path) -> (i32, Value) {
    let done = run(&["diff", "--json", text(a), text(b)]);
    let json = serde_json::from_slice(&done.stdout).expect("JSON");
    (done.status.code().expect("a code"), json)
}

#[test]
fn every_small_recording_is_told_for_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    for truth in TRUTHS {
        let (own, other) = (
            unpacked(folder.path(), truth.name),
            unpacked(folder.path(), truth.other),
        );
        for (a, b) in [(&other, &own), (&own, &other)] {
            let (code, json) = diff(a, b);
            let name = truth.name;
            assert_eq!(
                (code, json["verdict"].as_str()),
                (truth.exit, Some(truth.verdict)),
                "{name}: {json:#}"
            );
            for (pointer, words) in truth.told {
                let found = json
                    .pointer(pointer)
                    .map(Value::to_string)
                    .unwrap_or_default();
                assert!(found.contains(words), "{name}: {pointer} is {found}");
            }
            let differing = json["consequence"]["cranks_differing"].as_u64();
            assert!(code == 1 || differing == Some(0), "{name}: {json:#}");
            let compared = run(&["compare", text(a), text(b)]);
            assert_eq!(
                compared.status.code(),
                Some(truth.exit),
                "{name}: {compared:?}"
            );
        }
        let reads = run(&["verify", "--reads", text(&own)]);
        assert_ne!(reads.status.code(), Some(1), "{}: {reads:?}", truth.name);
    }
    // What the node read after it died in a block is what was committed before.
    let died = unpacked(folder.path(), "8a-crash-mid-block");
    output(0, &["verify", "--reads", text(&died)]);
}

/// A HASH names what a host executed. Bytes that another program wrote have none.
#[test]
fn what_is_not_the_hosts_own_has_no_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = unpacked(folder.path(), "base");
    let listed = |path: &Path| String::from_utf8(output(0, &["ls", text(path)])).expect("UTF-8");
    let known = listed(&base);
    let hashes: Vec<&str> = known
        .split_whitespace()
        .filter(|word| word.len() > 30 && word.contains('-'))
        .collect();
    assert_eq!(hashes.len(), 2, "{known}");
    let slog = fs::read_to_string(&base).expect("a slog");
    let with = |name: &str, change: &dyn Fn(&str) -> String| {
        let path = folder.path().join(name);
        let lines: Vec<String> = slog.lines().map(change).collect();
        fs::write(&path, lines.join("\n") + "\n").expect("a slog");
        path
    };
    let rewritten = [
        unpacked(folder.path(), "12b-jqS"),
        with("blanks", &|line| line.replacen("\":", "\": ", 1)),
        with("slashes", &|line| line.replace('/', "\\/")),
    ];
    for path in &rewritten {
        assert!(!listed(path).contains("2-5404"), "{}", listed(path));
        let info = String::from_utf8(output(0, &["info", text(path)])).expect("UTF-8");
        assert!(info.contains("no HASH"), "{info}");
        let print = path.with_extension("print");
        let refused = run(&["fingerprint", text(path), "-o", text(&print)]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let cut = path.with_extension("box");
        output(0, &["extract", text(path), "-o", text(&cut)]);
        assert!(listed(&cut).contains("2-incomplete"), "{}", listed(&cut));
        assert_eq!(diff(&base, &cut).0, 0);
    }
    // A fingerprint of the host's bytes accuses nobody who wrote them anew.
    let print = folder.path().join("print");
    output(0, &["fingerprint", text(&base), "-o", text(&print)]);
    for path in &rewritten {
        let (code, json) = diff(&print, path);
        assert_eq!(code, 2, "{json}");
    }
    let marked = folder.path().join("marked");
    fs::write(&marked, format!("\u{feff}{slog}")).expect("a slog");
    assert_eq!(listed(&marked), known, "a byte order mark costs nothing");
    let carried = with("carried", &|line| {
        format!("Nov 28 10:00:00 host agd[7]: {line}")
    });
    assert!(
        listed(&carried).contains("3-altered"),
        "{}",
        listed(&carried)
    );
    assert_eq!(
        diff(&base, &carried).1["sides"]["b"]["carried_by"],
        "syslog or journald"
    );
    let unknown = with("unknown", &|line| format!("weird> {line}"));
    let (code, json) = diff(&base, &unknown);
    let summary = json["summary"].to_string();
    assert!(
        code == 2 && summary.contains("an unknown prefix"),
        "{summary}"
    );
}

/// Any number of nodes: one that is written anew is in its group, one that differs in
/// half a block is not, and who shares no height is in none.
#[test]
fn groups_are_what_comparing_two_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths: Vec<PathBuf> = [
        "base",
        "12b-jqS",
        "14-no-crankhash",
        "11d-dup-input",
        "10b-unfinished-crank",
    ]
    .iter()
    .map(|name| unpacked(folder.path(), name))
    .collect();
    let mut arguments = vec!["compare", "--json"];
    arguments.extend(paths.iter().map(|path| text(path)));
    let done = run(&arguments);
    let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(done.status.code(), Some(1), "{json:#}");
    let sizes = [0, 1].map(|group| {
        json["groups"][group]["nodes"]
            .as_array()
            .map_or(0, Vec::len)
    });
    assert_eq!(sizes, [4, 1], "{json:#}");
    assert_eq!(json["groups"][1]["difference"], "state differs");
    assert_eq!(json["groups"][1]["leaves_at"], 2);
}

/// The lines of a recording of five blocks.
fn five_blocks() -> Vec<String> {
    let unpack = |name: &str| {
        let packed = root().join(format!("tests/data/verdicts/{name}.slog.zst"));
        String::from_utf8(zstd_dc(&packed)).expect("UTF-8")
    };
    let text = unpack("base") + &unpack("8-base");
    text.lines().map(str::to_owned).collect()
}

/// The index of the first line from `from` on that holds these words.
fn line_of(lines: &[String], words: &str, from: usize) -> usize {
    let mut all = lines.iter().enumerate().skip(from);
    let found = all.find(|(_, line)| line.contains(words));
    found.expect("the line").0
}

/// At another time of the same process.
fn later(lines: &[String]) -> Vec<String> {
    let later = |line: &String| line.replace("\"monotime\":", "\"monotime\":9");
    lines.iter().map(later).collect()
}

/// What somebody behind an honest node does to its recording, or the node itself goes
/// through, and the exit code of comparing it: nobody is accused of any of it, neither by
/// entries nor by digests nor by `verify --reads`.
#[test]
fn what_is_not_in_order_accuses_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let at = |words: &str| line_of(&lines, words, 0);
    let start = |crank: u64| {
        at(&format!(
            "crank-start\",\"crankType\":\"delivery\",\"crankNum\":{crank},"
        ))
    };
    let (third, fourth) = (
        at("begin-block\",\"blockHeight\":3"),
        at("begin-block\",\"blockHeight\":4"),
    );
    let fifth = at("begin-block\",\"blockHeight\":5");
    let mid = start(579) + 20;
    let start_of_process = "{\"type\":\"kernel-init-start\",\"time\":1.5,\"monotime\":0.001}";
    let finish = start(579) + 64;
    assert!(lines[finish].contains("crank-finish"), "{}", lines[finish]);
    let half = format!("{}{start_of_process}", &lines[finish][..150]);
    let third_end = at("end-block-finish\",\"blockHeight\":3");
    let second = at("begin-block\",\"blockHeight\":2");
    let run_ends = line_of(&lines, "run-finish", second);
    let inner = line_of(&lines, "\"syscall\",\"crankNum\":1467,", 0);
    let result = line_of(&lines, "\"deliver-result\",\"crankNum\":1467,", 0);
    let cases: [(&str, i32, Vec<String>); 15] = [
        (
            "half an entry, and the next process in its line",
            2,
            [&lines[..finish], &[half]].concat(),
        ),
        (
            "saved in mid-recording, and run again empty",
            0,
            [
                &lines[mid..=third_end],
                &[start_of_process.to_owned()],
                &later(&lines[third..third + 2]),
                &later(&lines[third_end..fourth]),
                &lines[fourth..],
            ]
            .concat(),
        ),
        (
            "a chunk sent again",
            0,
            [&lines[..mid], &lines[mid - 30..]].concat(),
        ),
        (
            "a chunk of two blocks sent again",
            0,
            [&lines[..third + 4], &lines[third - 9..]].concat(),
        ),
        (
            "halves in the other order",
            2,
            [&lines[mid..fourth], &lines[third..mid]].concat(),
        ),
        (
            "a half behind a block",
            2,
            [&lines[mid..fourth - 8], &lines[third..]].concat(),
        ),
        (
            "the end of another block",
            2,
            [&lines[third..mid], &lines[start(1467) + 9..]].concat(),
        ),
        (
            "half a crank lost",
            2,
            [&lines[..mid], &lines[mid + 9..]].concat(),
        ),
        (
            "a whole crank lost",
            2,
            [&lines[..start(579)], &lines[start(579) + 65..]].concat(),
        ),
        (
            "a piece whose place looks whole, at the end",
            2,
            [
                &lines[..run_ends],
                &lines[start(131)..],
                &lines[run_ends..start(131)],
            ]
            .concat(),
        ),
        (
            "blocks that stand behind later ones, cut where a process starts",
            2,
            [
                &later(&lines[fifth..fifth + 2])[..],
                &later(&lines[line_of(&lines, "end-block-finish", fifth)..]),
                &lines[third..line_of(&lines, "end-block-finish", fifth)],
            ]
            .concat(),
        ),
        (
            "a crank behind all blocks",
            2,
            [
                &lines[..start(579)],
                &lines[start(579) + 65..],
                &lines[start(579)..start(579) + 65],
            ]
            .concat(),
        ),
        (
            "steps of a delivery in another crank",
            2,
            [
                &lines[..mid],
                &lines[inner..result],
                &lines[mid..inner],
                &lines[result..],
            ]
            .concat(),
        ),
        (
            "put back to the block before",
            0,
            [&lines[..], &later(&lines[fourth..])].concat(),
        ),
        (
            "put back by one",
            0,
            [&lines[..], &later(&lines[fifth..])].concat(),
        ),
    ];
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, lines: &[String]| {
        fs::write(path(name), lines.join("\n") + "\n").expect("a slog")
    };
    write("base", &lines);
    output(
        0,
        &[
            "fingerprint",
            text(&path("base")),
            "-o",
            text(&path("base.print")),
        ],
    );
    for (name, exit, case) in cases {
        write("case", &case);
        let print = path("case.print");
        fs::remove_file(&print).ok();
        for (a, b) in [("base", "case"), ("case", "base")] {
            let (code, json) = diff(&path(a), &path(b));
            assert_eq!(code, exit, "{name}: {json:#}");
            let compared = run(&["compare", text(&path(a)), text(&path(b))]);
            assert_eq!(compared.status.code(), Some(exit), "{name}: {compared:?}");
        }
        let reads = run(&["verify", "--reads", text(&path("case"))]);
        let said = String::from_utf8_lossy(&reads.stdout).into_owned();
        assert!(!said.contains("READS DIFFER"), "{name}: {said}");
        run(&["fingerprint", text(&path("case")), "-o", text(&print)]);
        for b in ["base", "base.print"] {
            let (code, json) = diff(&print, &path(b));
            assert_ne!(code, 1, "{name}, its fingerprint: {json:#}");
        }
        let (code, json) = diff(&path("case"), &path("base.print"));
        assert_ne!(code, 1, "{name}, beside a fingerprint: {json:#}");
    }
}

/// A member or a type of entry that no known kernel writes tells of the version that
/// wrote it, and of no execution: also where there are only a few of them.
#[test]
fn another_version_is_not_another_execution() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, lines: &[String]| {
        fs::write(path(name), lines.join("\n") + "\n").expect("a slog")
    };
    let last = &lines[line_of(&lines, "begin-block\",\"blockHeight\":4", 0)..];
    write("base", last);
    for kind in [
        "deliver",
        "crank-start",
        "crank-finish",
        "cosmic-swingset-begin-block",
    ] {
        let head = format!("{{\"type\":\"{kind}\",");
        let with = format!("{head}\"novel\":true,");
        let changed: Vec<String> = last.iter().map(|line| line.replace(&head, &with)).collect();
        write("case", &changed);
        for (a, b) in [("base", "case"), ("case", "base")] {
            let (code, json) = diff(&path(a), &path(b));
            let summary = json["summary"].to_string();
            assert!(
                code == 2 && summary.contains("another version"),
                "{kind}: {json:#}"
            );
        }
    }
    // A kernel that writes no hashes has no other ones.
    let hashless: Vec<String> = last
        .iter()
        .map(|line| match line.find(",\"crankhash\":") {
            Some(at) => line[..at].to_owned() + &line[line.find(",\"time\":").expect("a time")..],
            None => line.clone(),
        })
        .collect();
    let novel = "{\"type\":\"crank-finish\",\"novel\":true,";
    let changed = last
        .iter()
        .map(|line| line.replace("{\"type\":\"crank-finish\",", novel));
    write("hashless", &hashless);
    write("case", &changed.collect::<Vec<_>>());
    for (a, b) in [("hashless", "case"), ("case", "hashless")] {
        let (code, json) = diff(&path(a), &path(b));
        assert_eq!(code, 2, "{json:#}");
    }
    // What known kernels write differs in what they did.
    let changed = last
        .iter()
        .map(|line| line.replace("\"added\":", "\"error\":\"x\",\"added\":"));
    let changed: Vec<String> = changed
        .map(|line| {
            line.replace(
                "\"dispatch\":\"message\",\"dr\"",
                "\"dispatch\":\"message\",\"error\":1,\"dr\"",
            )
        })
        .collect();
    write("case", &changed);
    assert_eq!(diff(&path("base"), &path("case")).0, 1);
}

/// A node that covers too little to see a difference does not speak for the others.
#[test]
fn who_sees_too_little_hides_no_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, lines: &[String]| {
        fs::write(path(name), lines.join("\n") + "\n").expect("a slog")
    };
    write("base", &lines);
    let fifth = line_of(&lines, "begin-block\",\"blockHeight\":5", 0);
    write("late", &lines[fifth + 3..]);
    let mut hidden = lines.clone();
    let mut hash = 0;
    for line in &mut hidden[fifth..] {
        if let Some(at) = line.find("\"activityhash\":\"") {
            hash += 1;
            line.replace_range(at + 16..at + 24, &format!("{hash:08}"));
        }
    }
    write("hidden", &hidden);
    assert_eq!(diff(&path("base"), &path("hidden")).0, 1);
    for names in [
        ["late", "hidden", "base"],
        ["base", "hidden", "late"],
        ["hidden", "late", "base"],
    ] {
        let paths = names.map(path);
        let mut arguments = vec!["compare"];
        arguments.extend(paths.iter().map(|path| text(path)));
        let done = run(&arguments);
        assert_eq!(done.status.code(), Some(1), "{names:?}: {done:?}");
    }
}

/// How a host writes is known of the builtin profiles' alone: no other one's file
/// is called rewritten.
#[test]
fn a_host_with_a_profile_of_its_own_writes_as_it_likes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (profile, slog) = (folder.path().join("own.json"), folder.path().join("slog"));
    let agoric = fs::read_to_string(root().join("recorder/model/profiles/agoric.json"));
    let own = agoric
        .expect("the profile")
        .replace("\"name\": \"agoric\"", "\"name\": \"own\"")
        .replace("\"type\": \"type\"", "\"type\": \"kind\"");
    fs::write(&profile, own).expect("a profile");
    let lines = String::from_utf8(excerpt("honest-a")).expect("UTF-8");
    fs::write(&slog, lines.replace("{\"type\":", "{\"kind\":")).expect("a slog");
    let listed = output(0, &["ls", "--profile", text(&profile), text(&slog)]);
    let listed = String::from_utf8(listed).expect("UTF-8");
    assert!(
        listed.contains(" 13-") || listed.contains("13-"),
        "{listed}"
    );
    assert!(!listed.contains("altered"), "{listed}");
    assert!(!listed.contains("13-incomplete"), "{listed}");
}

/// A crank alone has no block to be compared in: that is said with the next step,
/// and of nobody that another writer wrote it.
#[test]
fn a_crank_alone_is_told_for_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (slog, crank) = (at("slog"), at("crank"));
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    output(
        0,
        &[
            "extract",
            text(&slog),
            "--crank",
            "5034",
            "-o",
            text(&crank),
        ],
    );
    for pair in [[&slog, &crank], [&crank, &slog]] {
        let told = output(2, &["diff", text(pair[0]), text(pair[1])]);
        let told = String::from_utf8(told).expect("UTF-8");
        assert!(told.contains("EVIDENCE INSUFFICIENT"), "{told}");
        assert!(told.contains("haltbox extract --height"), "{told}");
        assert!(!told.contains("JSON writer"), "{told}");
    }
}

/// A node that dies in mid-block and executes it again reads what stood there before,
/// wherever its recording begins and whoever wrote its lines anew.
#[test]
fn what_was_executed_again_accuses_nobody_wherever_the_recording_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = unpacked(folder.path(), "8-base");
    let crashed = fs::read_to_string(unpacked(folder.path(), "8a-crash-mid-block"));
    let crashed = crashed
        .expect("a slog")
        .replace("\"blockHeight\":5,", "\"blockHeight\":5.0,");
    let lines: Vec<&str> = crashed.lines().collect();
    let started = lines
        .iter()
        .position(|line| line.contains("kernel-init-start"));
    let started = started.expect("a start");
    for from in [0, 8, 16, 24] {
        // A process that is killed leaves half a line, and the next one writes behind it.
        let half = &lines[started - 3][..lines[started - 3].len() / 2];
        let torn = [half, lines[started]].concat();
        let died = [
            &lines[from..started - 3],
            &[torn.as_str()],
            &lines[started + 2..],
        ]
        .concat();
        for lines in [&lines[from..], died.as_slice()] {
            let node = folder.path().join("node");
            fs::write(&node, lines.join("\n") + "\n").expect("a slog");
            let reads = run(&["verify", "--reads", text(&node)]);
            assert_eq!(reads.status.code(), Some(0), "from line {from}: {reads:?}");
            for (a, b) in [(&base, &node), (&node, &base)] {
                let (code, json) = diff(a, b);
                assert_ne!(code, 1, "from line {from}: {json}");
            }
        }
    }
}

/// As a kernel writes them that tells no hashes of cranks.
fn without_hashes(lines: &[String]) -> Vec<String> {
    let without = |line: &str, name: &str| match line.find(name) {
        Some(at) => line[..at].to_owned() + &line[at + name.len() + 66..],
        None => line.to_owned(),
    };
    let both = |line: &String| without(&without(line, ",\"crankhash\":"), ",\"activityhash\":");
    lines.iter().map(both).collect()
}

/// Lines of which the one at `index` tells another compute, as an execution that differs.
fn executed_otherwise(lines: &[String], index: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    let at = lines[index].find("\"compute\":").expect("a compute") + 10;
    let end = lines[index][at..].find(',').expect("its end") + at;
    lines[index].replace_range(at..end, "7");
    lines
}

/// A node that was put back executes some heights again. Those below stand as they were
/// executed before: what parted there is the first place, whatever parts above.
#[test]
fn what_stands_below_a_rollback_is_compared_with_what_was_executed_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let [base, back] = ["base", "back"].map(|name| folder.path().join(name));
    fs::write(&base, lines.join("\n") + "\n").expect("a slog");
    let third = line_of(&lines, "begin-block\",\"blockHeight\":3", 0);
    let of = |crank: u64| {
        line_of(
            &lines,
            &format!("\"deliver-result\",\"crankNum\":{crank},"),
            0,
        )
    };
    let first = executed_otherwise(&lines, of(149));
    let last = executed_otherwise(&lines, of(1467));
    for (before, after, height) in [
        (&first, &last, 2),
        (&first, &lines, 2),
        (&lines, &last, 5),
        // Thrown away, and told where nothing else differs.
        (&last, &lines, 5),
    ] {
        let again = later(&after[third..]);
        let slog = [before.as_slice(), &again].concat().join("\n") + "\n";
        fs::write(&back, slog).expect("a slog");
        for (a, b) in [(&base, &back), (&back, &base)] {
            let (code, json) = diff(a, b);
            assert_eq!(code, 1, "{json:#}");
            assert_eq!(json["place"]["height"], height, "{json:#}");
        }
    }
}

/// What was executed before a rollback, and cannot be compared, is not equal because
/// what was executed last is.
#[test]
fn an_earlier_execution_that_cannot_be_compared_is_not_equal() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let [base, back] = ["base", "back"].map(|name| folder.path().join(name));
    fs::write(&base, lines.join("\n") + "\n").expect("a slog");
    let crank = line_of(&lines, "\"deliver-result\",\"crankNum\":149,", 0);
    let before: Vec<String> = without_hashes(&executed_otherwise(&lines, crank));
    let slog = [before, later(&lines)].concat().join("\n") + "\n";
    fs::write(&back, slog).expect("a slog");
    let prints = [(&base, "a.fp"), (&back, "b.fp")].map(|(slog, name)| {
        let print = folder.path().join(name);
        let done = run(&["fingerprint", text(slog), "-o", text(&print)]);
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        print
    });
    let [of_base, of_back] = &prints;
    for (a, b) in [(of_base, of_back), (of_back, of_base), (of_base, &back)] {
        let (code, json) = diff(a, b);
        assert_eq!(code, 2, "{json:#}");
        let together = run(&["compare", text(a), text(b)]);
        assert_eq!(together.status.code(), Some(2), "{together:?}");
    }
    assert_eq!(diff(&base, &back).0, 1);
}

/// A replay that does not match what another node executed: one of the two did otherwise,
/// and only who has the original too tells which. A node goes to the group that its
/// entries agree with, though its blocks agree with all.
#[test]
fn a_replay_held_to_another_nodes_original_accuses_neither() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let third = line_of(&lines, "begin-block\",\"blockHeight\":3", 0);
    let crank = "\"crankNum\":149,";
    let steps = lines.iter().filter(|line| {
        let step = line.contains("\"type\":\"deliver") || line.contains("\"type\":\"syscall");
        step && line.contains(crank)
    });
    let replayed = steps.map(|line| {
        line.replace(crank, "")
            .replace("\"replay\":false", "\"replay\":true")
    });
    let mut replays =
        vec!["{\"type\":\"kernel-init-start\",\"time\":1.5,\"monotime\":0.001}".to_owned()];
    replays.extend(replayed);
    replays.extend_from_slice(&lines[third..]);
    let of = line_of(&lines, "\"deliver-result\",\"crankNum\":149,", 0);
    let write = |name: &str, lines: &[String]| {
        let path = folder.path().join(name);
        fs::write(&path, lines.join("\n") + "\n").expect("a slog");
        path
    };
    let replays = write("replays", &replays);
    let original = write("original", &lines);
    let otherwise = write("otherwise", &executed_otherwise(&lines, of));
    let late = write("late", &lines[third..]);
    assert_eq!(diff(&replays, &original).0, 0);
    for (a, b) in [(&replays, &otherwise), (&otherwise, &replays)] {
        let (code, json) = diff(a, b);
        assert_eq!(code, 1, "{json:#}");
        let words = json["summary"].as_str().unwrap_or_default();
        assert!(words.contains("either side may be wrong"), "{words}");
        assert_eq!(json["replays"][0][1]["of_other"], true, "{json:#}");
    }
    for order in [
        [&replays, &otherwise, &original, &late],
        [&late, &otherwise, &original, &replays],
        [&original, &otherwise, &late, &replays],
    ] {
        let mut arguments = vec!["compare", "--json"];
        arguments.extend(order.iter().map(|path| text(path)));
        let done = run(&arguments);
        let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
        assert_eq!(done.status.code(), Some(1), "{json:#}");
        let group_of = |path: &PathBuf| {
            let groups = json["groups"].as_array().expect("groups");
            let has = |group: &Value| {
                let nodes = group["nodes"].as_array().expect("nodes");
                nodes.iter().any(|node| *node == text(path))
            };
            groups.iter().position(has)
        };
        assert_eq!(group_of(&replays), group_of(&original), "{json:#}");
        assert_ne!(group_of(&otherwise), group_of(&original), "{json:#}");
        let notes = json["notes"].to_string();
        assert!(notes.contains("late covers none of the heights"), "{notes}");
        assert_eq!(json["groups"][0]["majority"], false, "{json:#}");
    }
}

/// Another writer may have left every entry's beginning as it was: what was moved is told
/// by what the entries mean, and no digest of them is taken.
#[test]
fn a_writer_that_escapes_otherwise_hides_no_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = without_hashes(&five_blocks());
    let crank = |number: u64| {
        line_of(
            &lines,
            &format!("crank-start\",\"crankType\":\"routing\",\"crankNum\":{number},"),
            0,
        )
    };
    let renumbered = |lines: &[String], from: u64, to: u64| -> Vec<String> {
        let number = |of: u64| format!("\"crankNum\":{of},");
        lines
            .iter()
            .map(|line| line.replace(&number(from), &number(to)))
            .collect()
    };
    // Two cranks that only route, one behind the other.
    let routed = |at: &u64| {
        lines[crank(*at) + 1].contains("crank-finish")
            && lines[crank(*at) + 2].contains("\"routing\"")
    };
    let first = (131..150)
        .filter(|at| {
            lines
                .iter()
                .any(|line| line.contains(&format!("\"routing\",\"crankNum\":{at},")))
        })
        .find(routed)
        .expect("two cranks");
    let at = crank(first);
    let moved = [
        &lines[..at],
        &renumbered(&lines[at + 2..at + 4], first + 1, first),
        &renumbered(&lines[at..at + 2], first, first + 1),
        &lines[at + 4..],
    ]
    .concat();
    let write = |name: &str, lines: &[String]| {
        let path = folder.path().join(name);
        fs::write(&path, lines.join("\n") + "\n").expect("a slog");
        path
    };
    let base = write("base", &lines);
    let escaped: Vec<String> = moved
        .iter()
        .map(|line| line.replace(":\"ko", ":\"k\\u006f"))
        .collect();
    for (name, lines) in [("moved", &moved), ("escaped", &escaped)] {
        let other = write(name, lines);
        for (a, b) in [(&base, &other), (&other, &base)] {
            let (code, json) = diff(a, b);
            assert_eq!(
                (code, &json["verdict"]),
                (1, &Value::from("order differs")),
                "{name}: {json:#}"
            );
            assert_eq!(json["place"]["crank"], first, "{name}: {json:#}");
        }
    }
    let print = folder.path().join("print");
    let refused = run(&[
        "fingerprint",
        text(&folder.path().join("escaped")),
        "-o",
        text(&print),
    ]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

/// A height that one has in part and the other lacks between its own: comparing two and
/// any number say the same of it, by entries and by digests.
#[test]
fn a_missing_height_is_told_alike_by_diff_and_compare() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = five_blocks();
    let begins = |height: u64| {
        line_of(
            &lines,
            &format!("begin-block\",\"blockHeight\":{height}"),
            0,
        )
    };
    let write = |name: &str, lines: &[String]| {
        let path = folder.path().join(name);
        fs::write(&path, lines.join("\n") + "\n").expect("a slog");
        let print = path.with_extension("print");
        output(0, &["fingerprint", text(&path), "-o", text(&print)]);
        [path, print]
    };
    let [a, of_a] = write("a", &lines[begins(3)..begins(4) + 1]);
    let [b, of_b] = write(
        "b",
        &[&lines[begins(3)..begins(4)], &lines[begins(5)..]].concat(),
    );
    for pair in [
        [&a, &b],
        [&b, &a],
        [&of_a, &of_b],
        [&of_b, &of_a],
        [&a, &of_b],
        [&of_a, &b],
    ] {
        let (code, json) = diff(pair[0], pair[1]);
        let compared = run(&["compare", text(pair[0]), text(pair[1])]);
        assert_eq!(compared.status.code(), Some(code), "{json:#}: {compared:?}");
    }
}
