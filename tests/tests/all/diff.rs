use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use haltbox_tests::*;
use serde_json::Value;

/// One recording as every kind of source.
fn kinds(folder: &Path, name: &str, slog: &[u8], height: u64) -> Vec<(&'static str, PathBuf)> {
    let (file, ring) = (folder.join(name), folder.join(format!("{name}.bin")));
    fs::write(&file, slog).expect("a slog");
    fs::write(&ring, agoric_ring(slog)).expect("an Agoric ring");
    let dir = folder.join(format!("{name}.node"));
    record_all(&dir, slog, Some(&failure(height)), "100MiB").wait();
    let bx = boxes(&dir).into_iter().next().expect("a box");
    vec![
        ("slog", file),
        ("agoric-ring", ring),
        ("ring", dir.join("ring")),
        ("box", bx),
    ]
}

/// As Agoric writes its words.
fn big_endian(word: u64) -> [u8; 8] {
    word.swap_bytes().to_le_bytes()
}

/// A file as Agoric's flight-recorder.js leaves it, large enough for all.
fn agoric_ring(slog: &[u8]) -> Vec<u8> {
    let lines = slog
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let mut arena = Vec::new();
    for line in lines {
        arena.extend(big_endian(line.len() as u64 + 1));
        arena.push(b'\n');
        arena.extend(line);
    }
    let end = arena.len() as u64;
    arena.resize(arena.len() + 4096, 0);
    let words = [0x4147_2d53_4c4f_4721, arena.len() as u64, 0, end];
    let mut file: Vec<u8> = words
        .iter()
        .flat_map(|word: &u64| big_endian(*word))
        .collect();
    file.extend(arena);
    file
}

fn diff(a: &Path, b: &Path) -> (i32, Value) {
    let done = run(&["diff", "--json", text(a), text(b)]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let json =
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (done.status.code().expect("a code"), json)
}

fn expect_kv(found: &(i32, Value), context: &str) {
    let (code, json) = found;
    assert_eq!(*code, 1, "{context}: {json}");
    assert_eq!(json["verdict"], "state differs", "{context}");
    let place = &json["place"];
    let steps = ["height", "crank", "delivery", "syscall"].map(|name| place[name].as_u64());
    assert_eq!(steps, [13, 5105, 792, 1].map(Some), "{context}: {place}");
    assert_eq!(
        (&place["vat"], &place["type"]),
        (&"v6".into(), &"syscall-result".into())
    );
    assert_eq!(json["consequence"]["crankhash_after"], 0, "{context}");
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn an_altered_row_is_named_from_every_kind_of_source_in_both_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let honest = kinds(folder.path(), "honest", &excerpt("honest-a"), 13);
    let divergent = kinds(folder.path(), "divergent", &excerpt("divergent-kv"), 13);
    for (kind_a, a) in &honest {
        for (kind_b, b) in &divergent {
            let (one, other) = (diff(a, b), diff(b, a));
            expect_kv(&one, &format!("{kind_a} against {kind_b}"));
            expect_kv(&other, &format!("{kind_b} against {kind_a}"));
            assert_eq!(one.1["changes"][0]["a"], other.1["changes"][0]["b"]);
        }
        for (kind_b, b) in &honest {
            let (code, json) = diff(a, b);
            assert_eq!(
                (code, &json["verdict"]),
                (0, &"identical".into()),
                "{kind_a} {kind_b}: {json}"
            );
        }
    }
}

/// The places listed beside the recordings, from every kind of source.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn the_recordings_part_where_it_is_listed() {
    let Some(honest_a) = recording("honest-a") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let names = [
        "honest-b",
        "honest-d-restart",
        "divergent-kv",
        "divergent-swap",
    ];
    let mut sources = vec![("honest-a", kinds(folder.path(), "honest-a", &honest_a, 28))];
    for name in names {
        let slog = recording(name).expect("all recordings are together");
        sources.push((name, kinds(folder.path(), name, &slog, 28)));
    }
    let (mut compared, honest) = (0, &sources[..if long() { 3 } else { 1 }]);
    for (name, healthy) in honest {
        for (other, kinds) in &sources {
            // Every kind of one side once, with another kind of the other side.
            for (index, (kind_a, a)) in healthy.iter().enumerate() {
                let (kind_b, b) = &kinds[(index + compared) % kinds.len()];
                let context = format!("{name} as {kind_a}, {other} as {kind_b}");
                check_listed(other, &diff(a, b), &context, false);
                check_listed(other, &diff(b, a), &context, true);
            }
            compared += 1;
        }
    }
    println!("{} comparisons", compared * 8);
}

fn check_listed(other: &str, found: &(i32, Value), context: &str, turned: bool) {
    let (code, json) = found;
    match other {
        "divergent-kv" => {
            expect_kv(found, context);
            let lines = ["a", "b"].map(|side| json["sides"][side]["line_number"].as_u64());
            assert!(lines.contains(&Some(55_502)), "{context}: {lines:?}");
            for side in ["a", "b"] {
                let write = &json["last_write"][side];
                let told = ["height", "crank"].map(|name| write[name].as_u64());
                assert_eq!(told, [Some(5), Some(1686)], "{context}: {write}");
                assert!(
                    write["value"]
                        .as_str()
                        .is_some_and(|value| value.contains("+677"))
                );
            }
        }
        "divergent-swap" => {
            assert_eq!(
                (*code, &json["verdict"]),
                (1, &"inputs differ".into()),
                "{context}"
            );
            assert!(
                json["summary"]
                    .as_str()
                    .is_some_and(|text| text.contains("another order"))
            );
            let place = &json["place"];
            assert_eq!(
                (&place["height"], &place["input"]),
                (&10.into(), &"10-1-".into()),
                "{context}"
            );
        }
        _ => assert_eq!(
            (*code, &json["verdict"]),
            (0, &"identical".into()),
            "{context} {turned}: {json}"
        ),
    }
    let replays = &json["sides"][if turned { "a" } else { "b" }]["replays"];
    if other == "honest-d-restart" {
        assert_eq!(replays["unknown"], 0, "{context}");
        assert!(
            replays["checked"].as_u64().is_some_and(|n| n > 500),
            "{context}: {replays}"
        );
        assert_eq!(
            replays["wrong"].as_array().map(Vec::len),
            Some(0),
            "{context}"
        );
    }
}

#[test]
fn each_thing_that_cannot_be_compared_has_its_own_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let honest = folder.path().join("honest");
    let slog = excerpt("honest-a");
    fs::write(&honest, &slog).expect("a slog");
    let lines: Vec<&[u8]> = slog.split_inclusive(|byte| *byte == b'\n').collect();
    let write = |name: &str, part: &[&[u8]]| {
        let path = folder.path().join(name);
        fs::write(&path, part.concat()).expect("a slog");
        path
    };
    let height_13 = lines.iter().position(|line| {
        line.starts_with(b"{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":13")
    });
    let at = height_13.expect("height 13");
    let cases = [
        (
            "in the middle",
            write("middle", &lines[at / 2..]),
            0,
            "B begins in the middle of height 12",
        ),
        (
            "other height",
            write("twelve", &lines[..at]),
            0,
            "1 complete block, ",
        ),
        (
            "a part",
            write("part", &lines[at / 2..at]),
            2,
            "no height is complete on both sides",
        ),
        ("the same", honest.clone(), 0, "identical"),
        (
            "no block",
            write("none", &lines[1..2]),
            2,
            "B contains no execution of a block",
        ),
    ];
    for (name, path, code, words) in cases {
        let done = run(&["diff", "--json", text(&honest), text(&path)]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
    let empty = folder.path().join("empty");
    fs::write(&empty, b"").expect("a file");
    let done = run(&["diff", text(&honest), text(&empty)]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("is empty"));
    // Both executions of a height that was begun twice.
    let twice = write("twice", &[&lines[..at / 2], &lines[..]].concat());
    let (code, json) = diff(&honest, &twice);
    assert_eq!((code, &json["verdict"]), (0, &"identical".into()), "{json}");
    assert!(
        json["notes"].to_string().contains("more than once"),
        "{json}"
    );
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn fingerprints_tell_where_and_whose_entries_are_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let print = |name: &str| {
        let (slog, out) = (
            folder.path().join(name),
            folder.path().join(format!("{name}.print")),
        );
        fs::write(&slog, excerpt(name)).expect("a slog");
        output(0, &["fingerprint", text(&slog), "-o", text(&out)]);
        assert_eq!(
            run(&["fingerprint", text(&slog), "-o", text(&out)])
                .status
                .code(),
            Some(2),
            "overwritten"
        );
        output(0, &["verify", text(&out)]);
        (slog, out)
    };
    let ((honest, honest_print), (kv, kv_print)) = (print("honest-a"), print("divergent-kv"));
    for (a, b) in [
        (&honest_print, &kv_print),
        (&honest, &kv_print),
        (&kv_print, &honest),
    ] {
        let (code, json) = diff(a, b);
        assert_eq!((code, &json["place"]["crank"]), (1, &5105.into()), "{json}");
        assert!(json["collect"].to_string().contains("height 13"), "{json}");
    }
    assert_eq!(diff(&honest, &honest_print).0, 0);
    let done = run(&[
        "compare",
        "--json",
        text(&honest_print),
        text(&honest),
        text(&kv_print),
        text(&kv),
    ]);
    let json: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(json["groups"][1]["leaves_at"], 13, "{json}");
    assert_eq!(
        json["groups"][1]["difference"], "state differs",
        "those with entries tell what the digests cannot: {json}"
    );
    let mut bytes = fs::read(&kv_print).expect("a fingerprint");
    bytes[100] ^= 1;
    fs::write(&kv_print, bytes).expect("a fingerprint");
    let done = run(&["diff", text(&honest), text(&kv_print)]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("damaged"));
}

/// A hundred validators on a screen: who left, where, and who they are.
#[test]
fn a_hundred_nodes_fit_a_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let print_of = |which: &str| {
        let (slog, print) = (
            folder.path().join(which),
            folder.path().join(format!("{which}.f")),
        );
        fs::write(&slog, excerpt(which)).expect("a slog");
        output(0, &["fingerprint", text(&slog), "-o", text(&print)]);
        fs::read(print).expect("a fingerprint")
    };
    let (honest, kv) = (print_of("honest-a"), print_of("divergent-kv"));
    let names: Vec<String> = (0..100)
        .map(|n| format!("validator-{n}.example.org"))
        .collect();
    let paths: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
    for (n, path) in paths.iter().enumerate() {
        fs::write(path, if n % 3 == 0 { &kv } else { &honest }).expect("written");
    }
    let mut arguments = vec!["compare"];
    arguments.extend(paths.iter().map(|path| text(path)));
    let table = String::from_utf8(output(1, &arguments)).expect("UTF-8");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() < 40, "{} lines\n{table}", lines.len());
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    assert!(
        table.starts_with("100 nodes form 2 groups (66, 34); they first diverge at height 13\n"),
        "{table}"
    );
    assert!(
        table.contains("the majority") && table.contains("  validator-3.example.org  "),
        "{table}"
    );
}

/// The divergent node's recording alone proves that its storage was changed.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn bad_storage_is_proved_by_one_recording() {
    let Some(slog) = recording("divergent-kv") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slog");
    fs::write(&path, slog).expect("a slog");
    let done = run(&["verify", "--reads", text(&path)]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(
        said.contains("line 55502") && said.contains("vc.4.sacct-77"),
        "{said}"
    );
    let honest = folder.path().join("honest");
    fs::write(&honest, recording("honest-d-restart").expect("a recording")).expect("a slog");
    output(0, &["verify", "--reads", text(&honest)]);
}

/// Neither taking the values out nor cutting to what matters changes the verdict.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn redacted_and_extracted_sources_give_the_same_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("key"), b"a key that both parties hold").expect("a key");
    for name in ["honest-a", "divergent-kv"] {
        fs::write(path(name), excerpt(name)).expect("a slog");
        let (slog, redacted, cut) = (
            path(name),
            path(&format!("{name}.red")),
            path(&format!("{name}.cut")),
        );
        output(
            0,
            &[
                "redact",
                text(&slog),
                "-o",
                text(&redacted),
                "--key-file",
                text(&path("key")),
            ],
        );
        output(
            0,
            &["extract", text(&slog), "-o", text(&cut), "--height", "13"],
        );
    }
    for kind in ["red", "cut"] {
        let (a, b) = (
            path(&format!("honest-a.{kind}")),
            path(&format!("divergent-kv.{kind}")),
        );
        expect_kv(&diff(&a, &b), kind);
        expect_kv(&diff(&b, &a), kind);
        assert_eq!(diff(&a, &a).0, 0);
    }
    let mixed = diff(&path("honest-a.cut"), &path("divergent-kv"));
    expect_kv(&mixed, "an extract against the whole");
    nobody_is_accused_beside(&path("honest-a"), &path("honest-a.red"));
}

/// A value and what replaces it are the same value: the commands say that they cannot tell.
fn nobody_is_accused_beside(original: &Path, redacted: &Path) {
    for [a, b] in [[original, redacted], [redacted, original]] {
        let told = diff(a, b);
        assert_eq!(told.0, 2, "{told:?}");
        let compared = run(&["compare", text(a), text(b)]);
        assert_eq!(compared.status.code(), Some(2), "{compared:?}");
    }
}

/// A page that loads and runs nothing, and says what the terminal says.
#[test]
fn the_page_stands_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = ["honest-a", "divergent-kv"].map(|which| {
        let path = folder.path().join(which);
        std::fs::write(&path, excerpt(which)).expect("a slog");
        path
    });
    let page = folder.path().join("page.html");
    output(1, &["diff", "--html", text(&page), text(&a), text(&b)]);
    let html = std::fs::read_to_string(&page).expect("a page");
    for told in [
        "default-src 'none'",
        "state differs",
        "vc.4.sacct-77",
        "A, line ",
        "diverged at height 13",
        "+67<mark>7</mark>",
        "+67<mark>8</mark>",
    ] {
        assert!(html.contains(told), "{told} is not in the page");
    }
    for loading in [
        "<script", "http:", "https:", "src=", "href=", "@import", "url(",
    ] {
        assert!(!html.contains(loading), "{loading} is in the page");
    }
    let done = haltbox()
        .args(["diff", "honest-a", "divergent-kv"])
        .current_dir(folder.path())
        .output();
    let told = String::from_utf8(done.expect("haltbox runs").stdout).expect("UTF-8");
    let wide = told.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "wider than 80 columns");
    assert!(
        !told.contains('\u{1b}'),
        "colour where there is no terminal"
    );
    let again = run(&["diff", "--html", text(&page), text(&a), text(&b)]);
    assert_eq!(again.status.code(), Some(1), "the verdict's code stays");
    let other = folder.path().join("notes");
    fs::write(&other, "mine").expect("a file");
    let again = run(&["diff", "--html", text(&other), text(&a), text(&b)]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
    assert_eq!(fs::read(&other).expect("a file"), b"mine");
}

/// Ten blocks or a thousand: the same memory, a stated one.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn memory_does_not_grow_with_the_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = excerpt("honest-a");
    let begin = slog
        .windows(60)
        .position(|w| {
            w.starts_with(b"{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":13")
        })
        .expect("block 13");
    let block = String::from_utf8(slog[begin..].to_vec()).expect("UTF-8");
    let path = folder.path().join("long.slog");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a slog"));
    for height in 13..213 {
        let renumbered = block.replace("\"blockHeight\":13", &format!("\"blockHeight\":{height}"));
        file.write_all(renumbered.as_bytes()).expect("written");
    }
    file.into_inner().expect("written");
    let bytes = std::fs::metadata(&path).expect("a slog").len();
    assert!(bytes > 200 << 20, "{bytes} bytes are no long source");
    let limited = format!(
        "ulimit -v 65536 && exec {} diff {path} {path}",
        programs().join("haltbox").display(),
        path = path.display()
    );
    let done = std::process::Command::new("sh")
        .args(["-c", &limited])
        .output()
        .expect("sh runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(
        done.status.code(),
        Some(0),
        "in 64 MiB of address space: {said}"
    );
    assert!(String::from_utf8_lossy(&done.stdout).contains("200 complete blocks"));
}

/// A node's log in which height 13 was finalized with `app_hash`, and, if
/// `field` is given, failed over that header field.
fn node_log(app_hash: &str, field: Option<&str>) -> Vec<u8> {
    let mut log = format!(
        "2:28PM INF finalized block block_app_hash={} height=13 module=state num_txs_res=0 \
         num_val_updates=0\n",
        app_hash.repeat(32)
    );
    if let Some(field) = field {
        log += &format!(
            "2:28PM ERR CONSENSUS FAILURE!!! err=\"precommit step; +2/3 prevoted for an invalid \
             block: wrong Block.Header.{field}.  Expected {}, got {}\" module=consensus \
             server=node\n",
            "11".repeat(32),
            "22".repeat(32)
        );
    }
    log.into_bytes()
}

fn box_with(dir: &Path, slog: &[u8], log: &[u8]) -> PathBuf {
    record_all(dir, slog, Some(log), "16MiB").wait();
    output(0, &["freeze", text(dir), "--height", "13"]);
    boxes(dir).remove(0)
}

/// Where every entry is equal, it is the hashes of the two that tell.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn what_no_entry_shows_is_outside_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = excerpt("honest-a");
    let honest =
        |hash: &str, name: &str| box_with(&folder.path().join(name), &slog, &node_log(hash, None));
    let failed = |field: &str, name: &str| {
        box_with(
            &folder.path().join(name),
            &slog,
            &node_log("11", Some(field)),
        )
    };
    let diverged = failed("AppHash", "diverged");
    let table = [
        (
            &diverged,
            honest("22", "other"),
            "outside the recording",
            "module hashes",
        ),
        (
            &failed("LastResultsHash", "results"),
            honest("11", "same"),
            "results only",
            "transaction results",
        ),
    ];
    for (a, b, verdict, collect) in &table {
        for (a, b) in [(*a, b), (b, *a)] {
            let (code, json) = diff(a, b);
            assert_eq!(
                (code, json["verdict"].as_str()),
                (1, Some(*verdict)),
                "{json:#}"
            );
            let asked = json["collect"].to_string();
            assert!(asked.contains(collect), "{asked}");
        }
    }
    // Who covers only what comes before the dispute cannot decide it.
    let before = folder.path().join("before.slog");
    let end = slog
        .windows(55)
        .position(|w| w == b"{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":13,")
        .expect("block 13");
    std::fs::write(&before, &slog[..end]).expect("a slog");
    let (code, json) = diff(&diverged, &before);
    assert_eq!(
        (code, json["verdict"].as_str()),
        (2, Some("evidence insufficient"))
    );
    assert!(
        json["collect"].to_string().contains("--height 13"),
        "{json:#}"
    );
}

/// Recordings made by two profiles are not compared, unless one is asked for.
#[test]
fn other_profiles_are_not_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let (slog, dir) = (folder.path().join("slog"), folder.path().join("node"));
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let builtin = fs::read_to_string(root().join("recorder/model/profiles/agoric.json"));
    let own = builtin
        .expect("the builtin profile")
        .replace("\"name\": \"agoric\"", "\"name\": \"own\"")
        .replacen("\"cosmic-swingset-end-block-start\",\n", "", 1);
    let profile = folder.path().join("own.json");
    fs::write(&profile, own).expect("a profile");
    let arguments = [
        "--size",
        "16MiB",
        "--slog",
        "-",
        "--profile",
        text(&profile),
    ];
    let input = fs::File::open(&slog).expect("the slog");
    Recorder::start(&dir, &arguments, input.into()).wait();
    let (code, json) = diff(&slog, &dir);
    assert_eq!(
        (code, json["verdict"].as_str()),
        (2, Some("evidence insufficient"))
    );
    let summary = json["summary"].to_string();
    assert!(
        summary.contains("different profiles, agoric and own"),
        "{summary}"
    );
    fs::remove_file(dir.join("profile.json")).expect("the copy");
    refused(
        &[text(&slog), text(&dir)],
        "recorded with the profile own, which is neither builtin",
    );
    output(0, &["diff", "--profile", "agoric", text(&slog), text(&dir)]);
    let cosmos = output(2, &["diff", "--profile", "cosmos", text(&slog), text(&dir)]);
    assert!(String::from_utf8_lossy(&cosmos).contains("no steps to compare"));
}

/// `haltbox diff` with these arguments is refused with a sentence.
fn refused(arguments: &[&str], words: &str) {
    let done = run(&[&["diff"], arguments].concat());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn standard_input_is_compared_as_a_file_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("slog");
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let compared = |input: &[u8]| {
        let piped = folder.path().join("piped");
        fs::write(&piped, input).expect("an input");
        let mut command = haltbox();
        command.args(["diff", "-", text(&slog)]);
        command.stdin(fs::File::open(&piped).expect("an input"));
        command.output().expect("haltbox runs").status.code()
    };
    assert_eq!(compared(&excerpt("honest-a")), Some(0));
    assert_eq!(compared(&excerpt("divergent-kv")), Some(1));
}

#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn other_chains_are_not_compared() {
    let Some(whole) = recording("honest-a") else {
        return;
    };
    let part = String::from_utf8_lossy(&whole[..20 << 20]);
    let other = part.replace(r#"chainID\":\"localtest"#, r#"chainID\":\"elsewhere"#);
    let folder = tempfile::tempdir().expect("a folder");
    let (one, another) = (folder.path().join("one"), folder.path().join("another"));
    fs::write(&one, part.as_bytes()).expect("a slog");
    fs::write(&another, other).expect("a slog");
    let (code, json) = diff(&one, &another);
    let summary = json["summary"].to_string();
    assert_eq!(code, 2, "{summary}");
    assert!(
        summary.contains("different chains, localtest and elsewhere"),
        "{summary}"
    );
}

/// Damage in the very crank that differs: nobody can say what happened there.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn damage_at_the_place_is_told_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let honest = folder.path().join("honest");
    fs::write(&honest, excerpt("honest-a")).expect("a slog");
    let dir = folder.path().join("node");
    record_all(&dir, &excerpt("divergent-kv"), Some(&failure(13)), "16MiB").wait();
    let bx = boxes(&dir).remove(0);
    let sound = fs::read(&bx).expect("a box");
    assert_eq!(diff(&honest, &bx).0, 1);
    // One of the frames holds the step.
    let mut told = 0;
    for at in (8192..sound.len()).step_by(sound.len() / 24) {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        let path = folder.path().join("damaged");
        fs::write(&path, damaged).expect("a box");
        for (a, b, side) in [(&honest, &path, "b"), (&path, &honest, "a")] {
            let (code, json) = diff(a, b);
            assert_ne!(code, 0, "damage at {at}: {}", json["summary"]);
            let verdict = json["verdict"].as_str().unwrap_or_default();
            let of_damage = verdict == "evidence insufficient";
            assert!(
                of_damage && code == 2
                    || verdict == "state differs" && json["place"]["crank"] == 5105,
                "damage at {at}: {json:#}"
            );
            let damage = json["sides"][side]["damage"].as_array().map_or(0, Vec::len);
            assert!(
                !of_damage || damage > 0,
                "damage at {at} is not told: {json:#}"
            );
            told += usize::from(of_damage);
        }
    }
    assert!(told > 0, "no damage was at the place");
}

/// A node that recovered from a divergence: what went wrong is what is asked for.
#[test]
fn the_attempt_that_diverged_is_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let (healthy, dir) = (folder.path().join("healthy"), folder.path().join("node"));
    let honest = excerpt("honest-a");
    fs::write(&healthy, &honest).expect("a slog");
    record_all(&dir, &excerpt("divergent-kv"), Some(&failure(13)), "16MiB").wait();
    let begin = honest
        .windows(55)
        .position(|w| w == b"{\"type\":\"cosmic-swingset-begin-block\",\"blockHeight\":13,")
        .expect("block 13");
    let start = b"{\"type\":\"kernel-init-start\",\"time\":1.5,\"monotime\":0.001}\n";
    let again = [start.as_slice(), &honest[begin..]].concat();
    record_all(&dir, &again, None, "16MiB").wait();
    let listed = String::from_utf8(output(0, &["ls", text(&dir.join("ring"))])).expect("UTF-8");
    assert!(
        listed.contains("13   1 diverged") && listed.contains("13   2"),
        "{listed}"
    );
    for source in [dir.join("ring"), dir.clone()] {
        let (a, b) = (diff(&healthy, &source), diff(&source, &healthy));
        expect_kv(&a, "the attempt that diverged");
        expect_kv(&b, "the attempt that diverged");
        assert!(
            a.1["notes"].to_string().contains("attempt 1 diverged"),
            "{a:?}"
        );
        assert_eq!(a.1["sides"]["b"]["attempt"], 1);
        let named = ["diff", "--attempt-b", "2", text(&healthy), text(&source)];
        output(0, &named);
        let named = ["diff", "--attempt-a", "2", text(&source), text(&healthy)];
        output(0, &named);
    }
}

/// Small recordings as kernels, crashes and log shippers leave them; in each the truth
/// is known.
#[test]
#[ignore = "needs HALTBOX_DATA; `-- --ignored` runs it"]
fn what_a_file_does_not_cover_is_neither_equal_nor_different() {
    let Some(whole) = recording("divergent-kv") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (honest, cut) = (folder.path().join("honest"), folder.path().join("cut"));
    fs::write(&honest, recording("honest-a").expect("a recording")).expect("a slog");
    fs::write(&cut, &whole[..20_000_000]).expect("a slog");
    for (a, b) in [(&honest, &cut), (&cut, &honest)] {
        let (code, json) = diff(a, b);
        assert_eq!((code, &json["verdict"]), (0, &"identical".into()), "{json}");
        assert_eq!(json["consequence"]["cranks_differing"], 0);
        let summary = json["summary"].as_str().unwrap_or_default();
        assert!(summary.contains("only partly compared"), "{summary}");
    }
}

/// A fingerprint of the first version is read, and says what it does not hold.
#[test]
fn an_old_fingerprint_says_what_it_cannot_see() {
    let folder = tempfile::tempdir().expect("a folder");
    let slog = folder.path().join("slog");
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let (new, print) = (folder.path().join("new"), folder.path().join("old"));
    output(0, &["fingerprint", text(&slog), "-o", text(&new)]);
    fs::write(
        &print,
        first_version(&fs::read(&new).expect("a fingerprint")),
    )
    .expect("written");
    output(0, &["verify", text(&print)]);
    for (a, b) in [(&slog, &print), (&print, &slog)] {
        let (code, json) = diff(a, b);
        assert_eq!((code, &json["verdict"]), (0, &"identical".into()), "{json}");
        let notes = json["notes"].to_string();
        assert!(notes.contains("fingerprint of version 1"), "{notes}");
    }
    output(0, &["compare", text(&slog), text(&print)]);
    let other = folder.path().join("other");
    fs::write(&other, excerpt("divergent-kv")).expect("a slog");
    assert_eq!(diff(&other, &print).1["place"]["crank"], 5105);
}

/// A fingerprint as the first version wrote it: without activityhashes.
fn first_version(print: &[u8]) -> Vec<u8> {
    let word = |at: usize| u64::from_le_bytes(print[at..at + 8].try_into().expect("8 bytes"));
    let blocks = word(8) as usize;
    let (table, units) = print[96..].split_at(80 * blocks);
    let table: Vec<u8> = table
        .chunks(80)
        .flat_map(|block| block[..64].to_vec())
        .collect();
    let units: Vec<u8> = units
        .chunks(12)
        .flat_map(|unit| unit[..8].to_vec())
        .collect();
    let short = |bytes: &[u8]| blake3::hash(bytes).as_bytes()[..16].to_vec();
    let mut head = [b"HBXFPRT\x01".as_slice(), &print[8..56], &short(&units)].concat();
    head.extend(short(&[head.as_slice(), &table].concat()));
    head.resize(96, 0);
    [head, table, units].concat()
}
