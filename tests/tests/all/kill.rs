use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use haltbox_format::Lane;
use haltbox_format::ring::{Found, Gap, RecordCursor, RingView};
use haltbox_tests::*;

fn kills() -> u64 {
    if long() { 10_000 } else { 200 }
}

/// What one look at the ring after a kill found wrong.
fn faults(ring: &Path, acknowledged: u64) -> Vec<String> {
    let file = File::open(ring).expect("a ring");
    let view = RingView::read(&file).expect("a readable ring");
    let mut faults = Vec::new();
    let mut cursor = RecordCursor::new(&file, &view, Lane::Main);
    // The oldest record's first fragments may have been overwritten.
    let mut next = None;
    let mut expected = Vec::new();
    while let Some(found) = cursor.next().expect("readable") {
        match found {
            Found::Record(record) => {
                if next.is_some_and(|next| record.counter != next) {
                    faults.push(format!("record {} after {next:?}", record.counter));
                }
                next = Some(record.last + 1);
                // Only whole records that fit one fragment follow from their counter.
                if record.last == record.counter {
                    record_bytes(record.counter, &mut expected);
                    if record.payload != expected {
                        faults.push(format!("record {} is wrong", record.counter));
                    }
                }
            }
            // The record being written when the kill came; it was not acknowledged.
            Found::Torn { to, .. } => next = Some(to + 1),
            other => faults.push(format!("{other:?}")),
        }
    }
    let lane = view.lane(Lane::Main);
    if lane.gap_before_first() == Some(Gap::Missing) {
        let (first, slots) = (lane.runs.first(), &lane.slots);
        faults.push(format!(
            "evicted and called missing: {first:?} of {slots:?}"
        ));
    }
    let next = next.unwrap_or(0);
    if next < acknowledged {
        faults.push(format!(
            "{acknowledged} were acknowledged, {next} are there"
        ));
    }
    faults
}

fn ring_writer() -> PathBuf {
    programs().join("ring-writer")
}

fn kill_writers(program: &Path, rounds: u64, arguments: &[&str]) -> (u64, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let (ring, acks) = (folder.path().join("ring"), folder.path().join("acks"));
    fs::write(&acks, 0_u64.to_le_bytes()).expect("an ack file");
    let mut random = Random::seeded(7);
    let mut wrong = Vec::new();
    let mut acknowledged = 0;
    for round in 0..rounds {
        let mut writer = Command::new(program)
            .args([&ring, &acks])
            .args(arguments)
            .spawn()
            .expect("ring-writer starts");
        std::thread::sleep(Duration::from_micros(1_000 + random.below(20_000)));
        writer.kill().expect("it runs");
        writer.wait().expect("it ends");
        let mut bytes = [0; 8];
        File::open(&acks)
            .expect("acks")
            .read_exact_at(&mut bytes, 0)
            .expect("eight bytes");
        acknowledged = u64::from_le_bytes(bytes);
        if ring.exists() {
            wrong.extend(
                faults(&ring, acknowledged)
                    .into_iter()
                    .map(|f| format!("{round}: {f}")),
            );
        }
    }
    (acknowledged, wrong)
}

#[test]
fn every_acknowledged_record_survives_sigkill() {
    let (acknowledged, wrong) = kill_writers(&ring_writer(), kills(), &[]);
    println!(
        "{} kills, {acknowledged} records acknowledged, {} wrong",
        kills(),
        wrong.len()
    );
    assert!(acknowledged > 10_000, "the writers hardly wrote");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The same harness on a writer that acknowledges before it writes: it must
/// find what that loses.
#[test]
fn the_kill_harness_can_fail() {
    let (_, wrong) = kill_writers(&ring_writer(), 60, &["--acknowledge-first"]);
    println!("60 kills of a wrong writer: {} faults found", wrong.len());
    assert!(
        !wrong.is_empty(),
        "a writer that loses records was not noticed"
    );
}

/// The same harness on a build of the recorder that publishes a record before
/// it writes its bytes. Long form: it compiles the workspace once more.
#[test]
#[ignore = "needs HALTBOX_LONG=1; `-- --ignored` runs it"]
fn a_build_that_publishes_before_it_writes_is_caught() {
    if !long() {
        println!("left out: HALTBOX_LONG=1 builds and runs it");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = build_with_fault(folder.path(), "publish-first", "ring-writer");
    let (acknowledged, wrong) = kill_writers(&program, 200, &[]);
    println!(
        "200 kills of that build, {acknowledged} acknowledged: {} faults",
        wrong.len()
    );
    assert!(
        !wrong.is_empty(),
        "publishing before writing was not noticed"
    );
}

/// The long form would find a fault that no longer fits only when it is too late.
#[test]
#[ignore = "needs git; `-- --ignored` runs it"]
fn the_faults_still_fit_the_sources() {
    for name in ["publish-first", "no-sync"] {
        let checked = Command::new("git")
            .args(["apply", "--check", "--unsafe-paths"])
            .arg(root().join(format!("tests/faults/{name}.patch")))
            .current_dir(root())
            .status();
        assert!(
            checked.expect("git runs").success(),
            "the patch {name} does not apply"
        );
    }
}

/// Copies the sources, applies `tests/faults/NAME.patch` and builds a program.
pub fn build_with_fault(folder: &Path, name: &str, program: &str) -> PathBuf {
    let script = format!(
        "git -C {root} ls-files -z | tar -C {root} --null -T - -cf - | tar xf - && \
         git apply --unsafe-paths {root}/tests/faults/{name}.patch && \
         {cargo} build --quiet --release --bin {program} --target-dir target",
        root = root().display(),
        cargo = env!("CARGO"),
    );
    let built = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(folder)
        .status();
    assert!(
        built.expect("sh runs").success(),
        "the faulty build does not build"
    );
    folder.join("target/release").join(program)
}

/// A followed slog grows while its recorder is killed and started again: in the
/// end the ring holds every line once, in order, byte for byte.
#[test]
fn a_killed_recorder_neither_loses_nor_repeats_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let text_of_slog = excerpt("honest-a");
    let lines: Vec<&[u8]> = text_of_slog.split_inclusive(|b| *b == b'\n').collect();
    let mut file = File::create(&slog).expect("a slog");
    let mut random = Random::seeded(11);
    let rounds = if long() { 1_000 } else { 200 };
    let mut written = 0;
    let arguments = ["--size", "16MiB", "--slog", text(&slog)];
    for round in 0..rounds {
        let recorder = Recorder::start(&dir, &arguments, Stdio::null());
        let until = lines.len() * (round + 1) / rounds;
        for line in &lines[written..until] {
            file.write_all(line).expect("a line");
        }
        written = until;
        std::thread::sleep(Duration::from_micros(random.below(60_000)));
        recorder.kill();
    }
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    let all = || output_unchecked(&dir) == text_of_slog;
    wait_until("the last lines", all);
    recorder.stop();
    let names = output(0, &["ls", "--json", text(&dir.join("ring"))]);
    let json: serde_json::Value = serde_json::from_slice(&names).expect("JSON");
    let found = json["sources"][0]["blocks"][2]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    assert_eq!(
        found, "13-525b7328b707e9fc4ff00c52a8edfbbf",
        "kills cost the HASH"
    );
}

fn output_unchecked(dir: &Path) -> Vec<u8> {
    run(&["cat", text(&dir.join("ring"))]).stdout
}

/// The writer of a FIFO is killed in the middle of a line and of a block.
#[test]
fn a_killed_writer_leaves_what_it_wrote_and_a_pinned_block() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, fifo) = (folder.path().join("node"), folder.path().join("fifo"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let recorder = Recorder::start(
        &dir,
        &["--size", "8MiB", "--slog", text(&fifo)],
        Stdio::null(),
    );
    recorder.wait_for("recording into");
    let slog = excerpt("honest-a");
    let part = &slog[..slog.len() / 4 + 17];
    let part_file = folder.path().join("part");
    fs::write(&part_file, part).expect("a part");
    let script = format!("cat {} > {}; kill -9 $$", text(&part_file), text(&fifo));
    let _ = Command::new("sh")
        .args(["-c", &script])
        .status()
        .expect("sh runs");
    recorder.wait_for("the stream ended in the middle of the block");
    recorder.stop();
    assert!(
        output(0, &["cat", text(&dir.join("ring"))]) == part,
        "other bytes than were written"
    );
    let status = run(&["status", text(&dir)]);
    assert_eq!(
        status.status.code(),
        Some(1),
        "a pinned block needs attention"
    );
    let said = output(0, &["freeze", text(&dir)]);
    let said = String::from_utf8(said).expect("UTF-8");
    assert!(
        said.contains("12-incomplete") && said.contains("do not roll back"),
        "{said}"
    );
}
