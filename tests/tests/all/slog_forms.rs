//! Slogs in the forms of Agoric's newer senders: lines with their context, and a file
//! for each block.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use haltbox_tests::context_sender::wrap;
use haltbox_tests::mutation::{Slog, cases};
use haltbox_tests::*;
use serde_json::Value;

const CONTEXT: &str = "tests/data/honest-a-12-13.context-slog.zst";

fn diff(a: &Path, b: &Path) -> (i32, Value) {
    let done = run(&["diff", "--json", text(a), text(b)]);
    let json = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (done.status.code().unwrap_or(-1), json)
}

fn info(path: &Path) -> (i32, Value) {
    let done = run(&["info", "--json", text(path)]);
    let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    (done.status.code().unwrap_or(-1), json["sources"][0].clone())
}

/// `HEIGHT-HASH` of each execution that has one.
fn hashes(path: &Path) -> Vec<(u64, String)> {
    let (_, json) = info(path);
    let blocks = json["blocks"].as_array().cloned().unwrap_or_default();
    let hash = |block: &Value| {
        let name = block["name"]
            .as_str()
            .filter(|_| block["complete"] == true)?;
        Some((block["height"].as_u64()?, name.to_owned()))
    };
    blocks.iter().filter_map(hash).collect()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

#[test]
fn the_sender_here_writes_what_agoric_s_own_writes() {
    let own = zstd_dc(&root().join(CONTEXT));
    let made = wrap(&excerpt("honest-a"));
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        text.lines().map(str::to_owned).collect()
    };
    let (own, made) = (lines(&own), lines(&made));
    let differs = own.iter().zip(&made).find(|(own, made)| own != made);
    assert_eq!(differs, None);
    assert_eq!(own.len(), made.len());
}

/// What Agoric's own sender wrote is read, block by block and crank by crank.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn lines_with_a_context_are_read_and_have_no_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrapped = root().join(CONTEXT);
    let plain = written(folder.path(), "plain", &excerpt("honest-a"));
    let (code, found) = info(&wrapped);
    let (_, expected) = info(&plain);
    assert_eq!((code, &found["cranks"]), (0, &expected["cranks"]));
    assert_eq!(found["wrapped"], 9504);
    assert_eq!(hashes(&plain).len(), 2);
    assert_eq!(hashes(&wrapped), []);
    let names = found["blocks"].as_array().expect("blocks").iter();
    let names: Vec<&str> = names.filter_map(|block| block["name"].as_str()).collect();
    assert!(names.contains(&"12-incomplete") && names.contains(&"13-incomplete"));
    let said = String::from_utf8(run(&["info", text(&wrapped)]).stdout).expect("text");
    assert!(said.contains("no block has a HASH"), "{said}");
    let refused = run(&["fingerprint", text(&wrapped)]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("drops members and entries"), "{said}");
}

/// Members are not put back into what is copied: an entry made up here would look
/// like the host's own, and have a HASH.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn copies_keep_the_lines_as_they_stand() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = zstd_dc(&root().join(CONTEXT));
    let wrapped = written(folder.path(), "wrapped", &own);
    assert!(output(0, &["cat", text(&wrapped)]) == own);
    let block = output(0, &["cat", "--height", "12", text(&wrapped)]);
    assert!(block.len() > 1 << 20 && own.windows(200).any(|part| part == &block[..200]));
    let bx = folder.path().join("box");
    output(0, &["extract", text(&wrapped), "-o", text(&bx)]);
    assert!(zstd_dc(&bx) == own);
    assert_eq!(hashes(&bx), []);
    let key = written(folder.path(), "key", &[7; 32]);
    let redacted = folder.path().join("redacted");
    let arguments = [
        "redact",
        text(&wrapped),
        "--key-file",
        text(&key),
        "-o",
        text(&redacted),
    ];
    output(0, &arguments);
    assert_eq!(hashes(&redacted), []);
    let (_, found) = info(&redacted);
    assert_eq!(found["wrapped"], 9504, "{found}");
}

/// A sender of this form, its recorder, and the box of a block.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_box_of_such_a_slog_has_no_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = zstd_dc(&root().join(CONTEXT));
    let recorder = record_all(folder.path(), &own, None, "64MiB");
    output(0, &["freeze", text(folder.path()), "--height", "12"]);
    recorder.stop();
    let boxes = boxes(folder.path());
    let names: Vec<_> = boxes.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["12-incomplete"]);
    assert_eq!(hashes(&folder.path().join("ring")), []);
    assert_eq!(hashes(&boxes[0]), []);
    let plain = written(folder.path(), "plain", &excerpt("honest-a"));
    for (a, b) in [(&plain, &boxes[0]), (&boxes[0], &plain)] {
        let (code, json) = diff(a, b);
        assert_eq!(code, 2, "{}", json["summary"]);
    }
}

fn verdict(found: &(i32, Value)) -> String {
    let (code, json) = found;
    format!("{code} {}: {}", json["verdict"], json["summary"])
}

/// Hundreds of slogs, each as its own sender writes it. It must never be accused of what
/// was taken out of it, nor pass as equal; and what it still shows is found.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn nobody_is_accused_of_what_a_sender_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = excerpt("honest-a");
    let plain = written(folder.path(), "plain", &base);
    let honest = wrap(&base);
    let wrapped = written(folder.path(), "wrapped", &honest);
    let (mut told, mut all, mut unseen) = (0, 0, 0);
    let mut wrong = Vec::new();
    let share = if long() { 20 } else { 1 };
    cases(
        &Slog::new(&base),
        &mut Random::seeded(23),
        share,
        &mut |case| {
            if !is_made_of_entries(&case.bytes) {
                return;
            }
            all += 1;
            let own = written(folder.path(), "own", &case.bytes);
            let lines = wrap(&case.bytes);
            let sent = written(folder.path(), "sent", &lines);
            let mut expect = |what: &str, a: &Path, b: &Path, fits: &dyn Fn(i32) -> bool| {
                let found = diff(a, b);
                if !fits(found.0) {
                    wrong.push(format!("{}: {what}: {}", case.name, verdict(&found)));
                }
                found.0
            };
            // Of a node that went back and did otherwise its rises differ among themselves.
            if case.name.starts_with("went back, and did otherwise") {
                return;
            }
            let (known, _) = diff(&plain, &own);
            expect("its own lines", &own, &sent, &|code| code == 2);
            expect("its own lines, turned round", &sent, &own, &|code| {
                code == 2
            });
            // Never more than the entries themselves say.
            let fits = |code: i32| code == 2 || code == 1 && known != 0;
            let code = expect("the honest one", &plain, &sent, &fits);
            expect("turned round", &sent, &plain, &|other| other == code);
            expect("both wrapped", &wrapped, &sent, &|other| other == code);
            told += usize::from(known == 1 && code == 1);
            unseen += usize::from(known == 1 && code == 2);
            assert_eq!(hashes(&sent), [], "{}", case.name);
        },
    );
    println!("{all} cases, {told} told, {unseen} cannot be seen");
    assert_eq!(wrong, Vec::<String>::new());
    assert!(all > 50 && told > 10 * unseen, "{told} told, {unseen} not");
}

/// Members that the sender takes out, and whose value its lines do not tell.
const UNTOLD: [(&str, &str); 7] = [
    ("deliver", "replay"),
    ("deliver-result", "deliveryNum"),
    ("deliver-result", "replay"),
    ("syscall", "deliveryNum"),
    ("syscall", "replay"),
    ("syscall-result", "deliveryNum"),
    ("syscall-result", "replay"),
];

/// Members that tell where an entry belongs.
const PLACING: [&str; 5] = [
    "blockHeight",
    "runNum",
    "crankNum",
    "deliveryNum",
    "syscallNum",
];

/// Another value of the same kind.
fn other(value: &str) -> String {
    match value {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        "null" | "[]" | "{}" => "1".to_owned(),
        _ if value.starts_with('"') => format!("\"z{}", &value[1..]),
        _ if value.starts_with('[') => format!("[7,{}", &value[1..]),
        _ if value.starts_with('{') => format!("{{\"z\":7,{}", &value[1..]),
        _ => format!("{value}1"),
    }
}

/// One slog for each member of each type of entry: in it the last entry of the type has
/// another value there.
fn member_mutations(base: &Slog) -> Vec<(String, String, Vec<u8>)> {
    let mut seen = std::collections::BTreeMap::new();
    for (at, line) in base.lines.iter().enumerate() {
        let members = haltbox_model::json::members(line).map(|member| member.expect("JSON"));
        let members: Vec<_> = members.collect();
        let kind = String::from_utf8_lossy(members[0].value)
            .trim_matches('"')
            .to_owned();
        for member in &members[1..] {
            let key = String::from_utf8_lossy(member.key).into_owned();
            seen.insert((kind.clone(), key), at);
        }
    }
    let mutated = |((kind, key), at): ((String, String), usize)| {
        let line = String::from_utf8(base.lines[at].clone()).expect("text");
        let value = haltbox_model::json::find(line.as_bytes(), key.as_bytes()).expect("it");
        let value = String::from_utf8_lossy(value).into_owned();
        let (from, to) = (
            format!("\"{key}\":{value}"),
            format!("\"{key}\":{}", other(&value)),
        );
        let mut lines = base.lines.clone();
        lines[at] = line.replacen(&from, &to, 1).into_bytes();
        (kind, key, Slog { lines }.bytes())
    };
    seen.into_iter().map(mutated).collect()
}

/// What a line tells of a member is compared, and what it does not tell is neither
/// called different nor equal.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn every_member_that_a_line_tells_is_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let excerpt = Slog::new(&excerpt("honest-a"));
    let begins = excerpt.of_type("cosmic-swingset-begin-block");
    let base = Slog {
        lines: excerpt.lines[begins[1]..].to_vec(),
    };
    let plain = written(folder.path(), "plain", &base.bytes());
    let (mut told, mut untold, mut wrong) = (0, Vec::new(), Vec::new());
    for (kind, key, bytes) in member_mutations(&base) {
        let own = written(folder.path(), "own", &bytes);
        let (known, _) = diff(&plain, &own);
        let sent = written(folder.path(), "sent", &wrap(&bytes));
        let found = diff(&plain, &sent);
        let itself = diff(&own, &sent);
        if itself.0 != 2 {
            wrong.push(format!("{kind}.{key} itself: {}", verdict(&itself)));
        }
        match (known, found.0) {
            (0, 2) => {}
            (1, 2) => untold.push((kind, key)),
            // A number that does not follow is out of course. A sender that leaves entries
            // out tells no course: there it is a difference.
            (2, 1) if PLACING.contains(&key.as_str()) => {}
            (known, code) if known == code => told += usize::from(code == 1),
            _ => wrong.push(format!("{kind}.{key}: plain {known}, {}", verdict(&found))),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    println!("{told} members told, not told: {untold:?}");
    for (kind, key) in &untold {
        assert!(
            UNTOLD.contains(&(kind, key)),
            "{kind}.{key} is told and not compared"
        );
    }
    assert!(told > 40, "{told}");
}

fn is_made_of_entries(slog: &[u8]) -> bool {
    let mut lines = slog
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines.all(|line| line.starts_with(b"{\"type\":\"") && line.ends_with(b"}"))
}

/// Where the sender's own state leads it to leave entries out, or to call an execution
/// a replay.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn what_the_sender_left_out_is_no_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = Slog::new(&excerpt("honest-a"));
    let plain = written(folder.path(), "plain", &base.bytes());
    let begin = base.of_type("cosmic-swingset-begin-block")[1];
    let crank = base.of_type("crank-start")[500];
    let input = *base
        .of_type("cosmic-swingset-bridge-inbound")
        .last()
        .expect("one");
    let end = "\"time\":1795219107.5,\"monotime\":164.25}";
    let entry = |text: &str| format!("{{\"type\":{text},{end}").into_bytes();
    let replay = |text: &str| entry(&format!("{text},\"deliveryNum\":3,\"replay\":true"));
    let clist = "\"clist\",\"crankNum\":5040,\"mode\":\"import\",\"vatID\":\"v6\",\"kobj\":\"ko7\",\"vobj\":\"o-7\"";
    let run = "\"blockHeight\":13,\"runNum\":1,\"phase\":\"forced\"";
    let number = base.lines[input].clone();
    let number = String::from_utf8(number).expect("text").replacen(
        "\"inboundNum\":\"13",
        "\"inboundNum\":13,\"x\":\"13",
        1,
    );
    let cases: [(&str, usize, Vec<Vec<u8>>); 5] = [
        ("a clist outside a crank", crank, vec![entry(clist)]),
        (
            "a replay that did not end",
            crank,
            vec![entry("\"start-replay\",\"vatID\":\"v9\",\"deliveries\":1")],
        ),
        (
            "two replays at once",
            crank + 1,
            vec![
                entry("\"start-replay\",\"vatID\":\"v9\",\"deliveries\":1"),
                entry("\"start-replay\",\"vatID\":\"v6\",\"deliveries\":1"),
                entry("\"finish-replay\",\"vatID\":\"v9\""),
                replay("\"deliver\",\"vatID\":\"v6\""),
                replay("\"syscall\",\"vatID\":\"v6\",\"syscallNum\":0"),
                replay("\"syscall-result\",\"vatID\":\"v6\",\"syscallNum\":0"),
                replay("\"deliver-result\",\"vatID\":\"v6\",\"dr\":[\"ok\"]"),
                entry("\"finish-replay\",\"vatID\":\"v6\""),
            ],
        ),
        (
            "a run before its block",
            begin,
            vec![
                entry(&format!("\"cosmic-swingset-run-start\",{run}")),
                entry(&format!("\"cosmic-swingset-run-finish\",{run}")),
            ],
        ),
        (
            "an input with another number",
            input,
            vec![number.into_bytes()],
        ),
    ];
    for (name, at, more) in cases {
        let mut lines = base.lines.clone();
        lines.splice(at..at, more);
        let bytes = Slog { lines }.bytes();
        let own = written(folder.path(), "own", &bytes);
        let sent = written(folder.path(), "sent", &wrap(&bytes));
        for (a, b) in [
            (&own, &sent),
            (&sent, &own),
            (&plain, &sent),
            (&sent, &plain),
        ] {
            let found = diff(a, b);
            assert_eq!(found.0, 2, "{name}: {}", verdict(&found));
        }
        assert_eq!(hashes(&sent), [], "{name}");
    }
}

/// The entries of a slog as block-slog.js puts them into files: from the first entry of
/// a part to the one at which the sender closes it, and what stands between nowhere.
fn block_files(slog: &[u8], folder: &Path) -> Vec<PathBuf> {
    const OPENING: [(&str, &str); 4] = [
        ("kernel-init-start", "init"),
        ("cosmic-swingset-bootstrap-block-start", "bootstrap"),
        ("cosmic-swingset-upgrade-start", "upgrade"),
        ("cosmic-swingset-begin-block", "block"),
    ];
    const CLOSING: [&str; 4] = [
        "kernel-init-finish",
        "cosmic-swingset-bootstrap-block-finish",
        "cosmic-swingset-upgrade-finish",
        "cosmic-swingset-after-commit-stats",
    ];
    let (mut files, mut open): (Vec<(String, Vec<u8>)>, bool) = (Vec::new(), false);
    for line in slog.split_inclusive(|byte| *byte == b'\n') {
        let entry: Value = serde_json::from_slice(line).expect("an entry");
        let is = |kind: &str| entry["type"] == kind;
        if let Some((_, part)) = OPENING.iter().find(|(kind, _)| is(kind)) {
            let at = (entry["time"].as_f64().expect("a time") * 1000.0) as u64;
            let height = match *part {
                "block" => format!("{}_", entry["blockHeight"]),
                _ => String::new(),
            };
            files.push((format!("slogfile_{part}_{height}{at}"), Vec::new()));
            open = true;
        }
        if let Some((_, bytes)) = files.last_mut().filter(|_| open) {
            bytes.extend_from_slice(line);
        }
        open &= !CLOSING.iter().any(|kind| is(kind));
    }
    let write = |(name, bytes): &(String, Vec<u8>)| written(folder, name, bytes);
    files.iter().map(write).collect()
}

fn named<'a>(files: &'a [PathBuf], part: &str) -> &'a PathBuf {
    let is = |file: &&PathBuf| text(file).contains(part);
    files.iter().find(is).expect("a file")
}

/// What a folder says is what the whole slog says, or nothing: never another HASH.
fn check_block_files(folder: &Path, whole: &[(u64, String)], plain: &Path, lost: &[u64]) {
    let found = hashes(folder);
    for found in &found {
        assert!(whole.contains(found), "{found:?}");
    }
    let heights = whole.iter().map(|(height, _)| *height);
    let expected: Vec<u64> = heights.filter(|height| !lost.contains(height)).collect();
    let heights: Vec<u64> = found.iter().map(|(height, _)| *height).collect();
    assert_eq!(heights, expected);
    for (a, b) in [(plain, folder), (folder, plain)] {
        let (code, json) = diff(a, b);
        let fits = if lost.is_empty() {
            code == 0
        } else {
            code != 1
        };
        assert!(fits, "{}", verdict(&(code, json)));
    }
}

#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn a_folder_of_block_files_is_one_recording() {
    let Some(slog) = recording("honest-a") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let plain = written(folder.path(), "plain", &slog);
    let whole = hashes(&plain);
    assert_eq!(whole.len(), 28);
    let parts = folder.path().join("parts");
    fs::create_dir(&parts).expect("a folder");
    let files = block_files(&slog, &parts);
    assert_eq!(files.len(), 30);
    check_block_files(&parts, &whole, &plain, &[]);
    let block = |height: u64| named(&files, &format!("block_{height}_"));
    // The file that is being written.
    let last = block(28);
    let bytes = fs::read(last).expect("a file");
    fs::write(last, &bytes[..bytes.len() / 2]).expect("a file");
    check_block_files(&parts, &whole, &plain, &[28]);
    // One that is not here, and one with another's name.
    fs::remove_file(block(9)).expect("a file");
    check_block_files(&parts, &whole, &plain, &[9, 10, 28]);
    let (code, _) = info(&parts);
    assert_eq!(code, 1);
    let renamed = text(block(20)).replace("block_20_", "block_21_");
    fs::remove_file(block(21)).expect("a file");
    fs::rename(block(20), &renamed).expect("a file");
    let found = hashes(&parts);
    assert!(found.iter().all(|found| whole.contains(found)), "{found:?}");
    // One that was cut at its beginning, and at a line's end.
    let bytes = fs::read(block(15)).expect("a file");
    let line = bytes.iter().position(|byte| *byte == b'\n').expect("lines");
    fs::write(block(15), &bytes[line + 1..]).expect("a file");
    let found = hashes(&parts);
    assert!(found.iter().all(|found| whole.contains(found)), "{found:?}");
    assert!(!found.iter().any(|(height, _)| *height == 15));
    let half = bytes[..bytes.len() / 2]
        .iter()
        .rposition(|byte| *byte == b'\n');
    fs::write(block(15), &bytes[..half.expect("lines") + 1]).expect("a file");
    let found = hashes(&parts);
    assert!(found.iter().all(|found| whole.contains(found)), "{found:?}");
    assert!(!found.iter().any(|(height, _)| *height == 15));
}

/// What a bootstrap prepared is not the next block's whose file happens to be there.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn a_block_behind_a_bootstrap_is_the_first_one() {
    let Some(slog) = recording("honest-a") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let plain = written(folder.path(), "plain", &slog);
    let whole = hashes(&plain);
    let parts = folder.path().join("parts");
    fs::create_dir(&parts).expect("a folder");
    let files = block_files(&slog, &parts);
    check_block_files(&parts, &whole, &plain, &[]);
    fs::remove_file(named(&files, "block_1_")).expect("a file");
    check_block_files(&parts, &whole, &plain, &[1, 2]);
}

/// The sender does not tell whether an upgrade ran behind a start, so the first block
/// behind one has no HASH.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn block_files_of_a_node_that_was_started_again() {
    let Some(slog) = recording("honest-d-restart") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let plain = written(folder.path(), "plain", &slog);
    let whole = hashes(&plain);
    let parts = folder.path().join("parts");
    fs::create_dir(&parts).expect("a folder");
    let files = block_files(&slog, &parts);
    check_block_files(&parts, &whole, &plain, &[20]);
    // Both kernels of this recording ran in one process, so nothing shows the start.
    fs::remove_file(named(&files[3..], "init_")).expect("a file");
    check_block_files(&parts, &whole, &plain, &[]);
    // Killed in the middle of a block, which the next process executes again.
    let bytes = fs::read(named(&files, "block_20_")).expect("a file");
    let at = text(named(&files, "block_19_"))
        .rsplit_once('_')
        .expect("a time")
        .1;
    let again = at.parse::<u64>().expect("a time") + 1;
    written(
        &parts,
        &format!("slogfile_block_20_{again}"),
        &bytes[..bytes.len() / 2],
    );
    let found = hashes(&parts);
    assert!(found.iter().all(|found| whole.contains(found)), "{found:?}");
}

/// An operator who gave the recorder another form of slog must not hear that all is
/// well.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_slog_without_one_known_entry_is_told_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..150)
        .map(|n| format!("{{\"event\":\"block\",\"payload\":{{\"n\":{n}}}}}\n"))
        .collect();
    let slog = written(folder.path(), "slog", lines.as_bytes());
    let dir = folder.path().join("haltbox");
    let arguments = ["--slog", text(&slog)];
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    recorder.wait_for("the slog is not understood");
    wait_until("the note", || {
        status(&dir)["concerns"]
            .to_string()
            .contains("slog-not-understood")
    });
    for command in ["status", "doctor"] {
        let done = run(&[command, text(&dir)]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(1), "{said}");
        let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains("the slog is not understood: no known entry in 100 lines"),
            "{said}"
        );
        for shown in [
            "\"payload\":{\"n\":0}",
            "\"payload\":{\"n\":1}",
            "cosmic-swingset-begin-block",
        ] {
            assert!(flat.contains(shown), "{command}: {said}");
        }
    }
    let done = run(&["info", text(&slog)]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("NOT UNDERSTOOD"), "{said}");
    // An entry comes after all.
    let mut more = lines.into_bytes();
    more.extend_from_slice(&block(7));
    fs::write(&slog, &more).expect("a file");
    recorder.wait_for("the slog is understood again");
    wait_until("the note", || {
        !status(&dir)["concerns"]
            .to_string()
            .contains("slog-not-understood")
    });
    recorder.stop();
}
