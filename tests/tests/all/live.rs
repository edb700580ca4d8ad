use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use haltbox_format::Lane;
use haltbox_format::ring::{Found, Gap, RecordCursor, RingView, Run};
use haltbox_tests::*;

/// A process that ends with the test, however that ends.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads a ring again and again while a process writes it as fast as it can.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_live_ring_shows_no_wrong_line_and_no_false_gap() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ring, acks) = (folder.path().join("ring"), folder.path().join("acks"));
    std::fs::write(&acks, 0_u64.to_le_bytes()).expect("an ack file");
    let writer = Command::new(programs().join("ring-writer"))
        .args([&ring, &acks])
        .spawn()
        .expect("ring-writer starts");
    let _writer = Ended(writer);
    wait_until("the ring", || ring.exists());
    let file = File::open(&ring).expect("a ring");
    let (mut records, mut overruns, mut reads) = (0_u64, 0_u64, 0_u64);
    let begun = Instant::now();
    let time = Duration::from_secs(if long() { 60 } else { 10 });
    let mut expected = Vec::new();
    while begun.elapsed() < time {
        let view = RingView::read(&file).expect("a readable ring");
        let newest = view.lane(Lane::Main).next_counter();
        let mut cursor = RecordCursor::new(&file, &view, Lane::Main);
        reads += 1;
        while let Some(found) = cursor.next().expect("readable") {
            match found {
                Found::Record(record) => {
                    records += 1;
                    if record.last == record.counter {
                        record_bytes(record.counter, &mut expected);
                        assert!(
                            record.payload == expected,
                            "record {} is wrong",
                            record.counter
                        );
                    }
                }
                Found::Overrun { .. } => overruns += 1,
                Found::Gap {
                    why: Gap::Evicted, ..
                } => {}
                // The writer may be between two fragments of its newest record.
                Found::Torn { to, .. } => assert!(to + 2 >= newest, "torn {to} of {newest}"),
                Found::Gap {
                    from,
                    to,
                    why: Gap::Missing,
                } => {
                    let lane = view.lane(Lane::Main);
                    let near = |run: &&Run| run.first <= to + 1 && run.last + 1 >= from;
                    let near: Vec<&Run> = lane.runs.iter().filter(near).collect();
                    panic!(
                        "false gap {from} to {to}, newest {newest}: {near:?} {:?}",
                        lane.slots
                    )
                }
            }
        }
    }
    println!("{reads} reads, {records} records, {overruns} overruns");
    assert!(reads > 10 && records > 10_000);
}

/// `haltbox cat` again and again while a recorder takes numbered lines as fast
/// as they can be fed: every line printed is whole, and numbers go up by one
/// but where cat said that it was overtaken.
#[test]
fn cat_of_a_live_ring_prints_whole_lines_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut recorder = Recorder::start(&dir, &["--size", "16MiB", "--slog", "-"], Stdio::piped());
    let mut pipe = std::io::BufWriter::new(recorder.child().stdin.take().expect("a pipe"));
    let ring = dir.join("ring");
    wait_until("the ring", || ring.exists());
    let over = std::sync::atomic::AtomicBool::new(false);
    let time = Duration::from_secs(if long() { 60 } else { 10 });
    let (mut reads, mut lines, mut overtaken) = (0_u64, 0_u64, 0_u64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                if over.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                pipe.write_all(&numbered_line(number))
                    .expect("the recorder reads");
            }
        });
        let _over = Set(&over);
        let begun = Instant::now();
        while begun.elapsed() < time {
            let done = run(&["cat", text(&ring)]);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            let jumps = jumps_in(&done.stdout);
            reads += 1;
            lines += done.stdout.iter().filter(|byte| **byte == b'\n').count() as u64;
            overtaken += u64::from(jumps > 0);
            let admitted = said.lines().filter(|line| line.contains("overrun")).count();
            assert!(jumps <= admitted, "{jumps} jumps, cat said: {said}");
            assert!(!said.contains("missing"), "a false gap: {said}");
        }
    });
    println!("{reads} reads, {lines} lines, {overtaken} times overtaken");
    assert!(reads > 5 && lines > 10_000);
    recorder.stop();
}

/// Is set when it goes out of scope: a thread that waits for it also ends
/// where an assertion fails.
struct Set<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A line whose length and filling follow from its number.
fn numbered_line(number: u64) -> Vec<u8> {
    let filling = "x".repeat((number * 7919 % 600) as usize);
    format!("{{\"type\":\"numbered\",\"n\":{number},\"x\":\"{filling}\"}}\n").into_bytes()
}

/// How often a number does not follow from the one before; panics at a line
/// that nobody wrote.
fn jumps_in(printed: &[u8]) -> usize {
    let (mut jumps, mut next) = (0, None);
    for line in printed.split_inclusive(|byte| *byte == b'\n') {
        let shown = String::from_utf8_lossy(line);
        let digits = shown
            .split("\"n\":")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        let number: u64 = digits
            .and_then(|d| d.parse().ok())
            .unwrap_or_else(|| panic!("{shown}"));
        assert!(
            line == numbered_line(number),
            "line {number} is wrong: {shown}"
        );
        jumps += usize::from(next.is_some_and(|next| next != number));
        next = Some(number + 1);
    }
    jumps
}

/// `haltbox cat` of a ring that is written meanwhile, and a freeze by request.
#[test]
fn a_freeze_by_request_does_not_disturb_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = excerpt("honest-a");
    let mut recorder = Recorder::start(&dir, &["--size", "16MiB", "--slog", "-"], Stdio::piped());
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    let half = slog.len() / 2;
    pipe.write_all(&slog[..half]).expect("the recorder reads");
    wait_until("block 12 to be committed", || {
        let said = run(&["status", "--json", text(&dir)]).stdout;
        String::from_utf8_lossy(&said).contains("\"head\": 13")
    });
    let frozen =
        String::from_utf8(output(0, &["freeze", text(&dir), "--height", "12"])).expect("UTF-8");
    assert!(
        frozen.contains("12-dfe7e3ec1526a7a094615e83c538ef5d"),
        "{frozen}"
    );
    pipe.write_all(&slog[half..])
        .expect("the recorder reads on");
    drop(pipe);
    recorder.wait();
    assert!(
        output(0, &["cat", text(&dir.join("ring"))]) == slog,
        "the recording was disturbed"
    );
    let again =
        String::from_utf8(output(0, &["freeze", text(&dir), "--height", "12"])).expect("UTF-8");
    assert!(
        again.contains("12-dfe7e3ec1526a7a094615e83c538ef5d"),
        "{again}"
    );
    let missing = run(&["freeze", text(&dir), "--height", "99"]);
    assert_eq!(missing.status.code(), Some(2));
}

/// The failure is read before the slog's last lines are: the box has them.
#[test]
fn sources_are_drained_before_a_freeze() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, log) = (folder.path().join("node"), folder.path().join("node.log"));
    let slog = excerpt("honest-a");
    std::fs::write(&log, failure(13)).expect("a node log");
    let arguments = ["--size", "16MiB", "--slog", "-", "--node-log", text(&log)];
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::piped());
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    for part in slog.chunks(slog.len() / 20) {
        pipe.write_all(part).expect("the recorder reads");
        std::thread::sleep(Duration::from_millis(20));
    }
    recorder.wait_for("do not roll back");
    drop(pipe);
    recorder.wait();
    let found = boxes(&dir);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with("13-525b7328b707e9fc4ff00c52a8edfbbf"),
        "{found:?}"
    );
    let node = output(0, &["cat", "--stream", "node", text(&found[0])]);
    assert_eq!(node, failure(13));
}
