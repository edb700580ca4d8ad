//! The ways in which a chain halts or a validator drops out, played line by
//! line against a real recorder, in the forms of many loggers and versions.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use haltbox_tests::node::{FORMATS, Format, Node, VERSIONS, Version, app_hash, wrong};
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The height that is in dispute.
const H: u64 = 7;

struct Scene {
    name: &'static str,
    /// What the node prints; each part is written when the one before was read.
    play: fn(&mut Node),
    /// Words of the message about the box, if there is to be one.
    frozen: Option<&'static str>,
}

fn blocks(node: &mut Node) {
    node.start();
    (5..=H).for_each(|height| node.block(height));
}

const SCENES: [Scene; 15] = [
    Scene {
        name: "one against three, the one",
        play: |node| {
            blocks(node);
            node.refuse(H, 0);
            node.fail(&format!(
                "precommit step; +2/3 prevoted for an invalid block: {}",
                wrong("AppHash", H)
            ));
        },
        frozen: Some("DIVERGED at height 7: AppHash differs"),
    },
    Scene {
        name: "one against three, the three",
        play: |node| {
            blocks(node);
            node.refuse(H, 0);
            node.block(H + 1);
            node.block(H + 2);
        },
        frozen: None,
    },
    Scene {
        name: "two against two",
        play: |node| {
            blocks(node);
            (0..8).for_each(|round| node.refuse(H, 2 * round));
        },
        frozen: Some("height 7 was frozen: AppHash differs"),
    },
    Scene {
        name: "optimistic execution, thrown away and done again",
        play: |node| {
            blocks(node);
            node.refuse(H, 0);
            (0..3).for_each(|_| node.thrown_away(H + 1));
            node.block(H + 1);
            node.thrown_away(H + 2);
            node.block(H + 2);
        },
        frozen: None,
    },
    Scene {
        // A proposal of its own side is executed meanwhile: no agreement.
        name: "two against two, under optimistic execution",
        play: |node| {
            blocks(node);
            (0..8).for_each(|round| {
                node.thrown_away(H + 1);
                node.refuse(H, 2 * round);
            });
        },
        frozen: Some("height 7 was frozen: AppHash differs"),
    },
    Scene {
        name: "late: +2/3 committed it",
        play: |node| {
            blocks(node);
            node.fail(&format!(
                "+2/3 committed an invalid block: {}",
                wrong("AppHash", H)
            ));
        },
        frozen: Some("DIVERGED at height 7: AppHash differs"),
    },
    Scene {
        name: "restart into blocksync",
        play: |node| {
            blocks(node);
            node.start();
            (0..3).for_each(|_| node.blame(H));
        },
        frozen: Some("blames the peers"),
    },
    Scene {
        name: "panic at every start",
        play: |node| {
            blocks(node);
            node.refuse(H, 0);
            for _ in 0..3 {
                node.raw(&format!(
                    "panic: +2/3 committed an invalid block: {}",
                    wrong("AppHash", H)
                ));
                node.start();
            }
        },
        frozen: Some("among the node's last log lines"),
    },
    Scene {
        name: "results only",
        play: |node| {
            blocks(node);
            node.fail(&format!(
                "+2/3 committed an invalid block: {}",
                wrong("LastResultsHash", H)
            ));
        },
        frozen: Some("DIVERGED at height 7: LastResultsHash differs"),
    },
    Scene {
        name: "handshake",
        play: |node| {
            blocks(node);
            node.raw(&format!(
                "Error: error during handshake: error on replay: {}",
                wrong("LastResultsHash", H)
            ));
            node.start();
        },
        frozen: Some("among the node's last log lines"),
    },
    Scene {
        // The application's database was swapped: no line has an error level.
        name: "state differs at handshake",
        play: |node| {
            blocks(node);
            node.start();
            node.raw(&format!(
                "panic: state.AppHash does not match AppHash after replay. Got {}, expected {}.",
                app_hash(H, 0),
                app_hash(H, 0xEE)
            ));
            node.start();
        },
        frozen: Some("among the node's last log lines"),
    },
    Scene {
        name: "deterministic panic",
        play: |node| {
            blocks(node);
            node.fail("runtime error: index out of range [3] with length 3");
        },
        frozen: Some("so this is no divergence: runtime error"),
    },
    Scene {
        name: "upgrade halt",
        play: |node| {
            blocks(node);
            node.say(
                "ERR",
                "UPGRADE \"v2\" NEEDED at height: 8: ",
                &[("module", "x/upgrade")],
            );
            node.fail("UPGRADE \"v2\" NEEDED at height: 8: ");
            node.start();
            node.block(H + 1);
        },
        frozen: None,
    },
    Scene {
        name: "forged text",
        play: |node| {
            blocks(node);
            for _ in 0..20 {
                let wrong = wrong("AppHash", H);
                node.raw(&format!(
                    "SwingSet: vat: v9: CONSENSUS FAILURE!!! err=\"{wrong}\""
                ));
                node.raw(&format!("SwingSet: vat: v9: panic: {wrong}"));
                node.say("INF", "executed tx", &[("memo", &wrong), ("module", "tx")]);
                node.say(
                    "ERR",
                    "peer said CONSENSUS FAILURE!!!",
                    &[("text", &wrong), ("module", "p2p")],
                );
            }
            node.block(H + 1);
        },
        frozen: None,
    },
    Scene {
        name: "kernel cannot replay",
        play: |node| {
            blocks(node);
            node.raw("SwingSet: kernel: anachrophobia strikes v9 on delivery 5");
            node.start();
        },
        frozen: Some("the kernel could not replay"),
    },
];

/// Plays a scene; gives the names of the boxes and what the recorder said.
fn play(folder: &Path, scene: &Scene, format: Format, version: Version) -> (Vec<String>, String) {
    let mut node = Node::new(format, version);
    (scene.play)(&mut node);
    let Followed {
        recorder,
        slog,
        log,
    } = follow(folder, &[]);
    recorder.wait_for("recording into");
    node.ends.push((node.log.len(), node.slog.len()));
    let mut written = (0, 0);
    for end in node.ends {
        // A process writes its slog before the log speaks of it.
        append(&slog, &node.slog[written.1..end.1]);
        append(&log, &node.log[written.0..end.0]);
        written = end;
    }
    if let Some(words) = scene.frozen {
        recorder.wait_for(words);
        recorder.wait_for("do not roll back");
    }
    let said = said_until_the_end(recorder);
    let names = boxes(&folder.join("node"));
    // What differs is quoted, and not the AppHash alone, of which nobody knows.
    if scene.name == "results only" {
        let info = output(0, &["info", text(&names[0])]);
        let info = String::from_utf8_lossy(&info).into_owned();
        for told in [&info, &said] {
            let quote = told
                .lines()
                .find(|line| line.contains("quote "))
                .expect("a quote");
            assert!(quote.contains("/unknown results="), "{quote}");
        }
    }
    let name = |path: &std::path::PathBuf| {
        path.file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    (names.iter().map(name).collect(), said)
}

/// A recorder that follows a slog and a node log of a folder.
struct Followed {
    recorder: Recorder,
    slog: PathBuf,
    log: PathBuf,
}

fn follow(folder: &Path, more: &[&str]) -> Followed {
    let (slog, log) = (folder.join("slog"), folder.join("node.log"));
    let mut arguments = vec!["--size", "4MiB", "--persist-seconds", "20"];
    arguments.extend(["--slog", text(&slog), "--node-log", text(&log)]);
    arguments.extend(more);
    let recorder = Recorder::start(&folder.join("node"), &arguments, Stdio::null());
    Followed {
        recorder,
        slog,
        log,
    }
}

/// Appends, and gives the recorder time to read.
fn append(path: &Path, part: &str) {
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    file.expect("a file")
        .write_all(part.as_bytes())
        .expect("written");
    if !part.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(120));
    }
}

fn said_until_the_end(recorder: Recorder) -> String {
    let said = recorder.dir.with_extension("stderr");
    recorder.stop();
    std::fs::read_to_string(said).expect("what it said")
}

fn fault(scene: &Scene, format: Format, version: Version) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let (names, said) = play(folder.path(), scene, format, version);
    let as_expected = match scene.frozen {
        None => names.is_empty(),
        Some(words) => names.len() == 1 && names[0].starts_with("7-") && said.contains(words),
    };
    let context = format!("{} in {format:?} of {version:?}", scene.name);
    (!as_expected).then(|| format!("{context}: {names:?}\n{said}"))
}

/// Every scene in every form of every version in the long run, in a quarter of
/// them in the short one.
#[test]
fn every_halt_is_told_for_what_it_is() {
    let mut cases = Vec::new();
    for (index, scene) in SCENES.iter().enumerate() {
        for (n, format) in FORMATS.iter().enumerate() {
            for (m, version) in VERSIONS.iter().enumerate() {
                let chosen = (index + n + m) % 4 == 0;
                if long() || chosen {
                    cases.push((scene, *format, *version));
                }
            }
        }
    }
    let next = std::sync::atomic::AtomicUsize::new(0);
    let faults = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((scene, format, version)) =
                    cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    let found = fault(scene, *format, *version);
                    faults.lock().expect("no panic elsewhere").extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("no panic");
    let mut table = String::new();
    for scene in &SCENES {
        let of = |(of, ..): &&(&Scene, Format, Version)| of.name == scene.name;
        let played = cases.iter().filter(of).count();
        let wrong = faults
            .iter()
            .filter(|fault| fault.starts_with(&format!("{} in ", scene.name)))
            .count();
        let expected = scene.frozen.unwrap_or("no box");
        let _ = writeln!(
            table,
            "{:>3} of {played:>3}  {:<49} {expected}",
            played - wrong,
            scene.name
        );
    }
    println!("{table}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A log alone has no lines of blocks: the box itself has to know what it is of.
#[test]
fn a_box_is_of_a_divergence_where_its_message_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    for (number, scene) in [&SCENES[0], &SCENES[2]].into_iter().enumerate() {
        let mut node = Node::new(Format::Console, Version::V038);
        (scene.play)(&mut node);
        let log = folder.path().join(format!("{number}.log"));
        std::fs::write(&log, &node.log).expect("a log");
        let dir = folder.path().join(format!("node-{number}"));
        let options = [
            "--profile",
            "cosmos",
            "--size",
            "4MiB",
            "--node-log",
            text(&log),
        ];
        let recorder = Recorder::start(&dir, &options, Stdio::null());
        recorder.wait_for("do not roll back");
        let diverged = recorder.said().contains("DIVERGED at height");
        recorder.stop();
        assert_eq!(diverged, number == 0, "{}", scene.name);
        let boxes = boxes(&dir);
        assert_eq!(boxes.len(), 1, "{}", scene.name);
        let info = String::from_utf8(run(&["info", text(&boxes[0])]).stdout).expect("UTF-8");
        assert_eq!(info.starts_with("DIVERGED at height"), diverged, "{info}");
    }
}

/// A healthy node for 10,000 blocks, with divergent proposers and foreign text.
#[test]
fn a_healthy_node_gives_no_alarm_for_ten_thousand_blocks() {
    let mut node = Node::new(Format::Console, Version::V038);
    node.start();
    for height in 1..=10_000 {
        node.block(height);
        if height % 10 == 0 {
            node.refuse(height, 0);
        }
        if height % 7 == 0 {
            node.raw(&format!("SwingSet: vat: v9: {}", wrong("AppHash", height)));
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    record_all(
        &dir,
        node.slog.as_bytes(),
        Some(node.log.as_bytes()),
        "16MiB",
    )
    .wait();
    assert_eq!(boxes(&dir), Vec::<std::path::PathBuf>::new());
    let said = std::fs::read_to_string(dir.with_extension("stderr")).expect("what it said");
    assert!(
        !said.contains("frozen") && !said.contains("DIVERGED"),
        "{said}"
    );
}

fn alert(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("boxes/CONSENSUS_FAILURE.txt")).expect("an alert")
}

/// A node that executes to a height and fails over it.
fn failing(node: &mut Node, height: u64) {
    node.start();
    (5..=height).for_each(|height| node.block(height));
    node.fail(&format!(
        "+2/3 committed an invalid block: {}",
        wrong("AppHash", height)
    ));
}

/// A node that failed while the log was read further than the slog, as after a time without a
/// recorder. The slog has come to the first block, the log to the failure. Returns the rest of
/// the slog.
fn ahead(folder: &Path) -> (Followed, String) {
    let followed = follow(folder, &[]);
    let mut node = Node::new(Format::Console, Version::V038);
    node.start();
    node.block(5);
    let first = node.slog.len();
    (6..=H).for_each(|height| node.block(height));
    node.fail(&format!(
        "precommit step; +2/3 prevoted for an invalid block: {}",
        wrong("AppHash", H)
    ));
    append(&followed.slog, &node.slog[..first]);
    followed.recorder.wait_for("first block seen: 5");
    append(&followed.log, &node.log);
    (followed, node.slog.split_off(first))
}

/// The slog comes as far as the failure, which freezes the block that failed, and no other.
fn the_slog_comes_as_far(followed: Followed, rest: &str, dir: &Path) {
    append(&followed.slog, rest);
    followed.recorder.wait_for("DIVERGED at height 7");
    followed.recorder.stop();
    let found = boxes(dir);
    let names: Vec<&str> = found.iter().map(|path| text(path)).collect();
    let [name] = names[..] else {
        panic!("{names:?}")
    };
    assert!(
        name.contains("/7-") && !name.ends_with("incomplete"),
        "{name}"
    );
}

#[test]
fn a_failure_waits_until_the_slog_has_come_as_far() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (followed, rest) = ahead(folder.path());
    std::thread::sleep(Duration::from_secs(2));
    assert!(boxes(&dir).is_empty(), "{}", followed.recorder.said());
    the_slog_comes_as_far(followed, &rest, &dir);
}

#[test]
fn a_failure_that_waits_outlives_the_recorder() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let (followed, rest) = ahead(folder.path());
    std::thread::sleep(Duration::from_secs(2));
    assert!(boxes(&dir).is_empty(), "{}", followed.recorder.said());
    followed.recorder.kill();
    the_slog_comes_as_far(follow(folder.path(), &[]), &rest, &dir);
}

/// A slog that stands still does not hold back the failure for ever, and a recorder that ends
/// does not lose it.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_failure_waits_for_no_slog_that_stands_still() {
    for stops in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        let (followed, _) = ahead(folder.path());
        if stops {
            std::thread::sleep(Duration::from_secs(2));
            assert!(boxes(&dir).is_empty(), "{}", followed.recorder.said());
            followed.recorder.stop();
        }
        wait_until("a box", || boxes(&dir).len() == 1);
        assert!(text(&boxes(&dir)[0]).ends_with("7-incomplete"));
    }
}

/// The box is announced in a file and to the operator's command, which may hang.
#[test]
fn a_box_is_announced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, told) = (folder.path().join("node"), folder.path().join("told"));
    let pid = folder.path().join("pid");
    let command = format!(
        "echo $$ > {1}; echo \"$HALTBOX_HEIGHT $HALTBOX_STATE $HALTBOX_NAME $HALTBOX_REASON\" >> {0}; \
         test -f \"$HALTBOX_BOX\" && echo there >> {0}; exec sleep 300",
        text(&told),
        text(&pid)
    );
    let more = ["--on-freeze", &command, "--upload-hint", "to the thread"];
    let followed = follow(folder.path(), &more);
    let mut node = Node::new(Format::Console, Version::V038);
    failing(&mut node, H);
    append(&followed.slog, &node.slog);
    append(&followed.log, &node.log);
    followed.recorder.wait_for("do not roll back");
    let words = || std::fs::read_to_string(&told).unwrap_or_default();
    wait_until("the command", || words().ends_with("there\n"));
    assert!(words().starts_with("7 diverged 7-") && words().contains("AppHash differs"));
    let alert = alert(&dir);
    for words in [
        "DIVERGED at height 7",
        "to the thread",
        "priv_validator_state.json",
        "quote      7-",
    ] {
        assert!(alert.contains(words), "{words} is not in\n{alert}");
    }
    let begun = std::time::Instant::now();
    followed.recorder.stop();
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(10),
        "the command held up the end"
    );
    let pid = std::fs::read_to_string(pid).expect("its process id");
    let pid = pid.trim().parse().expect("a number");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the command outlives the recorder");
}

/// Of two failures one box fits: the newest stays, and the other is named.
#[test]
fn the_budget_of_boxes_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let followed = follow(folder.path(), &["--max-boxes", "1"]);
    let mut node = Node::new(Format::Console, Version::V038);
    failing(&mut node, H);
    append(&followed.slog, &node.slog);
    append(&followed.log, &node.log);
    followed.recorder.wait_for("do not roll back");
    let first = boxes(&dir);
    let mut node = Node::new(Format::Console, Version::V038);
    failing(&mut node, H + 2);
    append(&followed.slog, &node.slog);
    append(&followed.log, &node.log);
    followed
        .recorder
        .wait_for("the boxes exceeded --max-boxes or --max-bytes");
    followed.recorder.stop();
    let second = boxes(&dir);
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    let alert = alert(&dir);
    let at = |words: &str| {
        alert
            .find(words)
            .unwrap_or_else(|| panic!("{words} is not in\n{alert}"))
    };
    assert!(at("height 9") < at("height 7"), "the newest comes first");
}

/// Node and recorder die and come back, over and over, on the same failure.
#[test]
fn a_crash_loop_keeps_the_first_evidence_and_makes_one_box() {
    let loops = if long() { 1000 } else { 15 };
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut node = Node::new(Format::Console, Version::V038);
    blocks(&mut node);
    append(&folder.path().join("slog"), &node.slog);
    append(&folder.path().join("node.log"), &node.log);
    let mut first: Option<Vec<u8>> = None;
    for turn in 0..loops {
        let followed = follow(folder.path(), &[]);
        let mut node = Node::new(Format::Console, Version::V038);
        node.raw(&format!(
            "panic: +2/3 committed an invalid block: {}",
            wrong("AppHash", H)
        ));
        node.start();
        append(&followed.log, &node.log);
        append(&followed.slog, &node.slog);
        if turn == 0 {
            followed.recorder.wait_for("do not roll back");
        }
        followed.recorder.kill();
        let found = boxes(&dir);
        assert_eq!(found.len(), 1, "turn {turn}: {found:?}");
        let bytes = std::fs::read(&found[0]).expect("the box");
        assert!(
            first.get_or_insert_with(|| bytes.clone()) == &bytes,
            "turn {turn}: the box changed"
        );
    }
    let ring = std::fs::metadata(dir.join("ring")).expect("the ring").len();
    assert_eq!(ring, 4 << 20);
    assert!(alert(&dir).len() <= 64 << 10);
    let kept = output(0, &["cat", "--height", "7", text(&dir.join("ring"))]);
    assert!(String::from_utf8_lossy(&kept).contains("\"blockHeight\":7"));
    let files = std::fs::read_dir(&dir).expect("a folder").count();
    assert!(files < 8, "{files} files");
}

/// The folder of boxes cannot be written to for a while: nobody has to ask again.
#[test]
fn a_box_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let followed = follow(folder.path(), &["--archive-bytes", "0"]);
    let mut node = Node::new(Format::Console, Version::V038);
    blocks(&mut node);
    append(&followed.slog, &node.slog);
    append(&followed.log, &node.log);
    let dir = folder.path().join("node");
    let (there, away) = (dir.join("boxes"), dir.join("away"));
    followed.recorder.wait_for("first block seen");
    std::fs::rename(&there, &away).expect("renamed");
    std::fs::write(&there, b"").expect("a file");
    node.log.clear();
    node.fail(&format!(
        "precommit step; +2/3 prevoted for an invalid block: {}",
        wrong("AppHash", H)
    ));
    append(&followed.log, &node.log);
    followed.recorder.wait_for("NOT FROZEN: ");
    followed.recorder.wait_for("retrying in 5 s");
    std::fs::remove_file(&there).expect("removed");
    std::fs::rename(&away, &there).expect("renamed");
    followed.recorder.wait_for("DIVERGED at height 7");
    followed.recorder.stop();
    assert_eq!(boxes(&dir).len(), 1);
}

/// What a node prints that executed `H` by one hash, and finds in block sync that the
/// network has another. `salt` makes both, and the execution, another one.
fn in_block_sync(node: &mut Node, from: u64, salt: u8, network: u8, slog_differs: bool) {
    node.start();
    let (log, slog) = (node.log.len(), node.slog.len());
    (from..=H).for_each(|height| node.block(height));
    let (own, other) = (app_hash(H, salt), app_hash(H, network));
    let printed = node.log.split_off(log).replace(&app_hash(H, 0), &own);
    node.log += &printed;
    if slog_differs {
        let (was, is) = (
            app_hash(H, 1).to_lowercase(),
            app_hash(H, salt).to_lowercase(),
        );
        let executed = node.slog.split_off(slog).replace(&was, &is);
        node.slog += &executed;
    }
    let wrong = format!("wrong Block.Header.AppHash.  Expected {own}, got {other}");
    for _ in 0..3 {
        node.say(
            "ERR",
            "Error in validation",
            &[("err", &wrong), ("module", "blocksync")],
        );
    }
    let next = H + 1;
    node.raw(&format!(
        "panic: Failed to process committed block ({next}:{}): {wrong}",
        app_hash(next, 9)
    ));
}

/// How the recorder hears of the node.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Heard {
    Files,
    Pipe,
    Run,
}

/// A node diverges, is rolled back by one height, executes it again and diverges at
/// the very same height, with other hashes: that is told, and quoted.
fn second_divergence(heard: Heard, slog_differs: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut parts = Vec::new();
    let mut node = Node::new(Format::Console, Version::V038);
    for (from, salt, network) in [(5, 0x10, 0xE0), (H, 0x20, 0xD0)] {
        in_block_sync(&mut node, from, salt, network, slog_differs);
        parts.push((
            std::mem::take(&mut node.slog),
            std::mem::take(&mut node.log),
        ));
    }
    let quote = |salt, network| {
        format!(
            "app={}/{}",
            &app_hash(H, salt)[..8],
            &app_hash(H, network)[..8]
        )
    };
    let quotes = [quote(0x10, 0xE0), quote(0x20, 0xD0)];
    let said = match heard {
        Heard::Files => told_by_files(folder.path(), &parts, &quotes),
        Heard::Pipe => told_by_pipe(folder.path(), &parts, &quotes),
        Heard::Run => told_by_run(folder.path(), &parts, &quotes),
    };
    let context = format!("{heard:?}, slog differs: {slog_differs}\n{said}");
    for quote in &quotes {
        assert!(said.contains(quote.as_str()), "{quote}: {context}");
    }
    let found = status(&dir);
    let told = found["attention"].as_array().expect("a list");
    let newest = told.last().expect("a block");
    let (own, other) = (&newest["app_hash"], &newest["network_app_hash"]);
    assert_eq!(newest["height"], H, "{found} {context}");
    assert_eq!(*own, app_hash(H, 0x20), "{found} {context}");
    assert_eq!(*other, app_hash(H, 0xD0), "{found} {context}");
    // The box that it names is the one with these hashes.
    let name = newest["frozen"].as_str().expect("a box");
    let of_box = output(0, &["info", "--json", text(&dir.join("boxes").join(name))]);
    let of_box: serde_json::Value = serde_json::from_slice(&of_box).expect("JSON");
    let identity = &of_box["sources"][0]["identity"];
    let quoted = identity["quote"].as_str().expect("a quote");
    assert!(quoted.ends_with(quotes[1].as_str()), "{quoted}: {context}");
    let told_of = |of: &serde_json::Value, hashes: &str| {
        let name = of["frozen"].as_str().unwrap_or_default();
        of["quote"] == format!("{name} {hashes}")
    };
    assert!(told_of(newest, &quotes[1]), "{found} {context}");
    // The first evidence stands as it stood.
    assert_eq!(told[0]["app_hash"], app_hash(H, 0x10), "{found} {context}");
    assert!(told_of(&told[0], &quotes[0]), "{found} {context}");
    assert!(
        told[0]["frozen"]
            .as_str()
            .is_some_and(|first| first != name),
        "{found}"
    );
    let alert = alert(&dir);
    let at = |words: &str| alert.find(words).expect("it is in the alert");
    assert!(at(&quotes[1]) < at(&quotes[0]), "the newest comes first");
}

type Parts = [(String, String)];

fn told_by_files(folder: &Path, parts: &Parts, quotes: &[String; 2]) -> String {
    let followed = follow(folder, &[]);
    for ((slog, log), quote) in parts.iter().zip(quotes) {
        append(&followed.slog, slog);
        append(&followed.log, log);
        // The next start says that the process ended.
        append(&followed.log, &start_line());
        followed.recorder.wait_for(quote);
    }
    said_until_the_end(followed.recorder)
}

/// What the node prints first when it is started again.
fn start_line() -> String {
    let mut node = Node::new(Format::Console, Version::V038);
    node.start();
    node.log
}

/// The log through standard input; the slog is followed.
fn told_by_pipe(folder: &Path, parts: &Parts, quotes: &[String; 2]) -> String {
    let slog = folder.join("slog");
    let arguments = ["--size", "4MiB", "--slog", text(&slog), "--node-log", "-"];
    let mut recorder = Recorder::start(&folder.join("node"), &arguments, Stdio::piped());
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    for ((slog_part, log), quote) in parts.iter().zip(quotes) {
        append(&slog, slog_part);
        pipe.write_all(log.as_bytes()).expect("it reads");
        pipe.write_all(start_line().as_bytes()).expect("it reads");
        recorder.wait_for(quote);
    }
    drop(pipe);
    recorder.wait_however();
    std::fs::read_to_string(folder.join("node.stderr")).expect("what it said")
}

/// One process after the other under `haltbox run`, as a service manager starts them.
fn told_by_run(folder: &Path, parts: &Parts, _quotes: &[String; 2]) -> String {
    let mut said = String::new();
    for (n, (slog, log)) in parts.iter().enumerate() {
        let (slog_part, log_part) = (
            folder.join(format!("slog{n}")),
            folder.join(format!("log{n}")),
        );
        std::fs::write(&slog_part, slog).expect("a file");
        std::fs::write(&log_part, log).expect("a file");
        let script = format!(
            "cat {} >> $SLOGFILE; sleep 0.5; cat {}; exit 2",
            text(&slog_part),
            text(&log_part)
        );
        let dir = folder.join("node");
        let arguments = [
            "run",
            "--size",
            "4MiB",
            "--tee",
            "--wait-seconds",
            "30",
            "--dir",
        ];
        let mut command = haltbox();
        command
            .args(arguments)
            .arg(&dir)
            .args(["--", "sh", "-c", &script]);
        let done = command.stdin(Stdio::null()).output().expect("haltbox run");
        assert_eq!(done.status.code(), Some(2));
        said += &String::from_utf8_lossy(&done.stderr);
    }
    said
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_second_divergence_at_one_height_is_told() {
    for heard in [Heard::Files, Heard::Pipe, Heard::Run] {
        for slog_differs in [true, false] {
            second_divergence(heard, slog_differs);
        }
    }
}
