use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use haltbox_tests::*;

struct Sources {
    _folder: tempfile::TempDir,
    slog: std::path::PathBuf,
    dir: std::path::PathBuf,
}

fn sources() -> Sources {
    let folder = tempfile::tempdir().expect("a folder");
    let (slog, dir) = (folder.path().join("slog"), folder.path().join("node"));
    let bytes = excerpt("divergent-kv");
    std::fs::write(&slog, &bytes).expect("a slog");
    record_all(&dir, &bytes, Some(&failure(13)), "16MiB").wait();
    Sources {
        _folder: folder,
        slog,
        dir,
    }
}

#[test]
fn a_height_or_crank_is_the_same_from_every_kind_of_source() {
    let all = sources();
    let found = boxes(&all.dir);
    let ring = all.dir.join("ring");
    for selection in [
        ["--height", "12"],
        ["--height", "13"],
        ["--from-height", "13"],
        ["--to-height", "12"],
        ["--crank", "5105"],
        ["--attempt", "1"],
    ] {
        let of = |source: &std::path::Path| {
            output(0, &["cat", text(source), selection[0], selection[1]])
        };
        let expected = of(&all.slog);
        assert!(!expected.is_empty(), "{selection:?}");
        assert!(of(&ring) == expected, "{selection:?} of the ring");
        assert!(of(&found[0]) == expected, "{selection:?} of the box");
        assert!(of(&all.dir) == expected, "{selection:?} of the folder");
    }
    let crank = output(0, &["cat", text(&all.slog), "--crank", "5105"]);
    let crank = String::from_utf8(crank).expect("UTF-8");
    let lines: Vec<&str> = crank.lines().collect();
    assert!(
        lines[0]
            .starts_with("{\"type\":\"crank-start\",\"crankType\":\"delivery\",\"crankNum\":5105")
    );
    assert!(lines[lines.len() - 1].starts_with("{\"type\":\"crank-finish\""));
}

#[test]
fn info_leads_with_the_verdict() {
    let all = sources();
    let info = String::from_utf8(output(0, &["info", text(&boxes(&all.dir)[0])])).expect("UTF-8");
    assert!(
        info.starts_with("DIVERGED at height 13: AppHash differs"),
        "{info}"
    );
    assert!(info.contains("quote      13-a54ed586985315d46cf177f2908abff6 app=11111111/22222222"));
    let ring = String::from_utf8(output(0, &["info", text(&all.dir.join("ring"))])).expect("UTF-8");
    assert!(ring.starts_with("DIVERGED at height 13"), "{ring}");
    let json = output(0, &["info", "--json", text(&all.dir)]);
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["version"], 1);
    let found = json["sources"].as_array().expect("sources");
    let archived = |source: &&serde_json::Value| {
        source["path"]
            .as_str()
            .expect("a path")
            .contains("/archive/")
    };
    let beside = found.iter().filter(|source| !archived(source)).count();
    assert_eq!(beside, 2, "the ring and the box");
}

#[test]
fn standard_input_and_compressed_slogs_are_read() {
    let packed = root().join("tests/data/honest-a-12-13.slog.zst");
    assert!(output(0, &["cat", text(&packed)]) == excerpt("honest-a"));
    let mut cat = haltbox()
        .args(["ls", "-"])
        .stdin(std::fs::File::open(&packed).expect("a slog"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("haltbox runs");
    let mut listed = String::new();
    cat.stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut listed)
        .expect("text");
    assert!(cat.wait().expect("it ends").success());
    assert!(
        listed.contains("13-525b7328b707e9fc4ff00c52a8edfbbf"),
        "{listed}"
    );
}

#[test]
fn a_broken_pipe_is_success() {
    let all = sources();
    let mut cat = haltbox()
        .args(["cat", text(&all.dir.join("ring"))])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("haltbox runs");
    let mut first = [0; 100];
    cat.stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("bytes");
    let done = cat.wait_with_output().expect("it ends");
    assert!(done.status.success(), "{done:?}");
    assert!(done.stderr.is_empty(), "{done:?}");
}

/// One file that cannot be read does not hide what the others say.
#[test]
fn a_source_that_cannot_be_read_hides_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let [sound, broken] = ["1", "2"].map(|name| folder.path().join(name));
    std::fs::write(&sound, block(7)).expect("a slog");
    std::fs::write(&broken, b"no slog").expect("a file");
    let missing = folder.path().join("3");
    let sources = [text(&missing), text(&broken), text(&sound)];
    let said = output(2, &[&["verify"], &sources[..]].concat());
    let said = String::from_utf8(said).expect("text");
    let starts = said.lines().filter(|line| !line.starts_with(' '));
    let words: Vec<&str> = starts.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(words, ["intact", "NOT READ", "NOT READ"], "{said}");
    assert!(
        said.contains("no slog") || said.contains("begins with"),
        "{said}"
    );
    let said = output(2, &["verify", "--json", text(&sound), text(&missing)]);
    let said: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
    assert_eq!(said["unreadable"][0]["path"], text(&missing), "{said}");
    let cut = cut_slog(folder.path());
    let said = output(1, &["verify", text(&missing), text(&cut)]);
    let said = String::from_utf8(said).expect("text");
    assert!(said.starts_with("DAMAGED: "), "damage weighs more: {said}");
}

/// Text that was compressed is no slog, however it is named.
#[test]
fn compressed_text_is_no_intact_slog() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slog.zst");
    let packed = zstd::encode_all(&b"no slog\n"[..], 1).expect("compressed");
    std::fs::write(&path, packed).expect("a file");
    let said = output(2, &["verify", text(&path)]);
    let said = String::from_utf8(said).expect("text");
    assert!(said.starts_with("NOTHING CHECKED: "), "{said}");
}

/// A compressed slog that was cut off.
fn cut_slog(folder: &Path) -> PathBuf {
    let path = folder.join("cut.zst");
    let whole = zstd::encode_all(&block(8)[..], 1).expect("compressed");
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("a file");
    path
}

#[test]
fn trouble_is_exit_code_2_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    std::fs::write(&empty, b"").expect("a file");
    let elf = std::env::current_exe().expect("this test");
    for arguments in [
        vec!["cat", "/nonexistent/ring"],
        vec!["cat", text(&empty)],
        vec!["info", text(&elf)],
        vec!["ls", text(folder.path())],
        vec!["record", "--dir", text(folder.path())],
        vec![
            "record",
            "--dir",
            text(folder.path()),
            "--slog",
            "-",
            "--node-log",
            "-",
        ],
        vec![
            "record",
            "--dir",
            text(folder.path()),
            "--slog",
            "-",
            "--profile",
            "/nonexistent",
        ],
        vec![
            "record",
            "--dir",
            text(folder.path()),
            "--slog",
            "-",
            "--size",
            "1KiB",
        ],
        vec!["status", "/nonexistent"],
        vec!["freeze", "/nonexistent"],
    ] {
        let done = run(&arguments);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.starts_with("haltbox: ") && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
    assert!(!std::path::Path::new("/nonexistent").exists());
}

#[test]
fn a_profile_error_names_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("mine.json");
    std::fs::write(
        &profile,
        "{\"profile\":1,\n \"name\":\"mine\",\n \"slug\":{}}",
    )
    .expect("a file");
    let done = run(&[
        "record",
        "--dir",
        text(folder.path()),
        "--slog",
        "-",
        "--profile",
        text(&profile),
    ]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2));
    assert!(
        said.contains("mine.json") && said.contains("slug") && said.contains('3'),
        "{said}"
    );
}

#[test]
fn the_demo_shows_where_two_validators_parted() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = haltbox()
        .arg("demo")
        .current_dir(folder.path())
        .output()
        .expect("haltbox runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    for words in [
        "please upload the black box",
        "do not roll back, resync or prune before you have copied it",
        "same       healthy 12-dfe7e3ec1526a7a094615e83c538ef5d",
        "DIFFERENT  healthy 13-525b7328b707e9fc4ff00c52a8edfbbf  divergent 13-a54ed586985315d46cf177f2908abff6",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

/// A pinned block keeps its ring through a change of size, until it has a box.
#[test]
fn a_ring_of_another_size_goes_when_it_is_drained() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = excerpt("honest-a");
    record_all(&dir, &slog[..slog.len() / 4], None, "16MiB").wait();
    record_all(&dir, &slog, None, "4MiB").wait();
    let old = aside(&dir);
    assert_eq!(old.len(), 1, "a pinned block went with its ring");
    let said = fs::read_to_string(dir.with_extension("stderr")).expect("what was said");
    assert!(
        said.contains("it is kept because height 12 is pinned"),
        "{said}"
    );
    let frozen = output(
        0,
        &["freeze", text(&old[0]), "--boxes", text(&dir.join("boxes"))],
    );
    assert!(String::from_utf8_lossy(&frozen).contains("12-incomplete"));
    record_all(&dir, &slog, None, "4MiB").wait();
    assert!(aside(&dir).is_empty(), "a drained ring was kept");
}

fn aside(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.to_string_lossy().contains("aside-other-size"))
        .collect()
}

/// The same name stays, unless the new box reaches further.
#[test]
fn a_box_with_greater_coverage_stands_beside_the_lesser() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = excerpt("honest-a");
    record_all(&dir, &slog[..slog.len() / 4], None, "16MiB").wait();
    let freeze = || {
        output(0, &["freeze", text(&dir), "--height", "12"]);
        boxes(&dir)
            .iter()
            .map(|path| path.file_name().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(freeze(), ["12-incomplete"]);
    assert_eq!(freeze(), ["12-incomplete"], "nothing new, another file");
    let first = fs::read(dir.join("boxes/12-incomplete")).expect("a box");
    record_all(&dir, &slog[slog.len() / 4..slog.len() / 3], None, "16MiB").wait();
    assert_eq!(freeze(), ["12-incomplete", "12-incomplete.2"]);
    assert!(fs::read(dir.join("boxes/12-incomplete")).expect("a box") == first);
}

/// The ring of a profile of one's own can be frozen when nobody records, and
/// the box tells the node's build.
#[test]
fn a_dead_ring_is_read_by_the_profile_it_was_written_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, profile) = (folder.path().join("node"), folder.path().join("mine.json"));
    let builtin = fs::read_to_string(root().join("recorder/model/profiles/agoric.json"));
    let mine = builtin
        .expect("a profile")
        .replacen("\"agoric\"", "\"mine\"", 1);
    fs::write(&profile, mine).expect("a profile");
    let slog = folder.path().join("slog");
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    let program = text(&profile);
    let recorder = Recorder::start(
        &dir,
        &[
            "--size",
            "16MiB",
            "--slog",
            text(&slog),
            "--profile",
            program,
            "--node-program",
            program,
        ],
        Stdio::null(),
    );
    wait_until("the slog", || {
        run(&["cat", text(&dir.join("ring"))]).stdout.len() == excerpt("honest-a").len()
    });
    output(0, &["freeze", text(&dir), "--height", "12"]);
    recorder.stop();
    output(0, &["freeze", text(&dir), "--height", "13"]);
    let infos: Vec<serde_json::Value> = boxes(&dir)
        .iter()
        .map(|path| {
            let json = output(0, &["info", "--json", text(path)]);
            serde_json::from_slice::<serde_json::Value>(&json).expect("JSON")["sources"][0].clone()
        })
        .collect();
    let told: Vec<&str> = infos
        .iter()
        .filter_map(|info| info["identity"]["profile"].as_str())
        .collect();
    assert_eq!(told, ["mine", "mine"]);
    let digest = infos[0]["host"]["node_sha256"].as_str().unwrap_or_default();
    let expected = Command::new("sha256sum")
        .arg(&profile)
        .output()
        .expect("sha256sum runs")
        .stdout;
    assert!(
        String::from_utf8_lossy(&expected).starts_with(digest) && digest.len() == 64,
        "{digest:?}"
    );
}

/// What is wired rightly is told as such, and what is not with how to mend it.
#[test]
fn the_doctor_finds_what_is_not_wired() {
    let folder = tempfile::tempdir_in(root().join("target")).expect("a folder on a disk");
    let dir = folder.path().join("node");
    let paths = (folder.path().join("slog"), folder.path().join("node.log"));
    std::fs::write(&paths.0, excerpt("honest-a")).expect("a slog");
    std::fs::write(&paths.1, "").expect("a log");
    let arguments = [
        "--size",
        "8MiB",
        "--slog",
        text(&paths.0),
        "--node-log",
        text(&paths.1),
    ];
    let recorder = Recorder::start(&dir, &arguments, std::process::Stdio::null());
    recorder.wait_for("recording into");
    wait_until("the slog to be read", || {
        let status = run(&["status", "--prometheus", text(&dir)]).stdout;
        String::from_utf8_lossy(&status).contains("haltbox_source_lag_bytes{stream=\"slog\"} 0")
    });
    let metrics =
        String::from_utf8(output(0, &["status", "--prometheus", text(&dir)])).expect("UTF-8");
    for line in [
        "haltbox_up 1",
        "haltbox_head_height 13",
        "haltbox_diverged_blocks 0",
        "# TYPE haltbox_up gauge",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    let well = run(&["doctor", text(&dir)]).stdout;
    let well = String::from_utf8(well).expect("UTF-8");
    // The test may run where no ring should lie.
    let wrong = |line: &str| line.starts_with("PROBLEM") && !line.contains("the ring is on");
    assert!(!well.lines().any(wrong), "{well}");
    assert!(well.contains("ok       a recorder is running"), "{well}");
    recorder.stop();
    std::fs::remove_file(&paths.1).expect("a log");
    std::fs::write(folder.path().join("priv_validator_state.json"), "{}").expect("a file");
    let ill = String::from_utf8(output(1, &["doctor", text(&dir)])).expect("UTF-8");
    for words in [
        "no recorder is running",
        "node.log does not exist",
        "is inside the node's data folder",
    ] {
        assert!(ill.contains(words), "{words} is not in\n{ill}");
    }
    output(2, &["doctor", text(folder.path())]);
}
