//! A Node process writes the slog at full block rate while recorder and node
//! die, files are rotated, and nobody reads. HALTBOX_LONG=1 gives each of these
//! ten minutes.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use haltbox_tests::slog_writer::SlogWriter;
use haltbox_tests::*;

/// A write of the node is done in a thread of its own and takes a millisecond;
/// a machine that is busy with other things may take this many.
const LONGEST_WRITE: f64 = 5_000.0;

/// Bytes a followed file may take once it was read: what stays behind the
/// reader, what goes between two source marks, and what is on its way.
const KEPT: u64 = (64 + 8 + 16) << 20;

fn seconds(short: f64) -> f64 {
    if long() { 600.0 } else { short }
}

/// A folder on a disk: where memory is the disk nothing is slow.
fn folder() -> tempfile::TempDir {
    let target = root().join("target");
    fs::create_dir_all(&target).expect("target/");
    tempfile::tempdir_in(target).expect("a folder")
}

fn record(dir: &Path, writer: &SlogWriter, size: &str) -> Recorder {
    let arguments = ["--size", size, "--give-back", "--slog", text(&writer.slog)];
    Recorder::start(dir, &arguments, Stdio::null())
}

fn wait_until_read(dir: &Path) {
    wait_until("the recorder to read the rest", || {
        status(dir)["sources"][0]["lag"] == 0
    });
}

/// What `cat` prints and what it says.
fn cat(dir: &Path) -> (Vec<u8>, String) {
    let done = run(&["cat", text(&dir.join("ring"))]);
    (done.stdout, String::from_utf8_lossy(&done.stderr).into())
}

/// Entries of a process start go to another lane, which keeps them longer.
fn without_starts(slog: &[u8]) -> Vec<u8> {
    let is_start = |line: &&[u8]| line.starts_with(b"{\"type\":\"kernel-init-");
    let lines = slog.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| !is_start(line))
        .flatten()
        .copied()
        .collect()
}

/// The end of a file, which must not have been given back.
fn tail(path: &Path, length: u64) -> Vec<u8> {
    let file = File::open(path).expect("a slog");
    let end = file.metadata().expect("a slog").len();
    let mut bytes = vec![0; length.min(end) as usize];
    let from = end - bytes.len() as u64;
    file.read_exact_at(&mut bytes, from).expect("its end");
    bytes
}

/// The ring holds the end of what was written, byte for byte and at least so
/// much of it.
fn assert_end_is_recorded(dir: &Path, slog: &Path, at_least: u64) {
    let (kept, said) = cat(dir);
    assert!(!said.contains("missing"), "records are missing: {said}");
    let kept = without_starts(&kept);
    let written = without_starts(&tail(slog, kept.len() as u64 + (1 << 20)));
    let count = kept.len() as u64;
    assert!(count >= at_least, "only {count} bytes are kept");
    assert!(written.ends_with(&kept), "other bytes than were written");
    println!("{count} bytes are kept, as they were written");
}

fn assert_nothing_was_lost(dir: &Path) {
    let status = status(dir);
    assert_eq!(status["lost"], 0, "{status}");
    assert_eq!(status["attention"], serde_json::json!([]), "{status}");
}

/// Bytes that a file takes on its disk.
fn held(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.blocks() * 512)
}

/// The recorder is killed again and again: the node does not notice, and what
/// it writes meanwhile is read later.
#[test]
#[ignore = "needs Node.js; `-- --ignored` runs it"]
fn a_killed_recorder_costs_the_node_nothing() {
    let folder = folder();
    let rate = if long() { 8.0 } else { 6.0 };
    let writer = SlogWriter::new(folder.path(), rate);
    let dir = folder.path().join("node");
    let time = seconds(5.0);
    let mut random = Random::seeded(21);
    let mut recorder = record(&dir, &writer, "100MiB");
    recorder.wait_for("recording into");
    let begun = Instant::now();
    let node = writer.start(time, None);
    let mut kills = 0;
    while begun.elapsed().as_secs_f64() < time {
        std::thread::sleep(Duration::from_millis(random.below(600)));
        recorder.kill();
        std::thread::sleep(Duration::from_millis(random.below(400)));
        recorder = record(&dir, &writer, "100MiB");
        kills += 1;
    }
    let report = node.wait();
    wait_until_read(&dir);
    recorder.stop();
    println!("{kills} kills");
    report.assert_unharmed(rate, LONGEST_WRITE);
    assert_nothing_was_lost(&dir);
    let all = report.number("bytes") as u64;
    assert_end_is_recorded(&dir, &writer.slog, (all - (1 << 20)).min(40 << 20));
    if has_holes(folder.path()) {
        assert!(held(&writer.slog) < KEPT, "{} held", held(&writer.slog));
    }
}

/// The node is killed in mid-write, its file rotated or cut, and the next
/// process goes on with the block that was not committed.
#[test]
#[ignore = "needs Node.js; `-- --ignored` runs it"]
fn a_killed_node_s_next_process_is_recorded_too() {
    let folder = folder();
    let writer = SlogWriter::new(folder.path(), 8.0);
    let dir = folder.path().join("node");
    let recorder = record(&dir, &writer, "200MiB");
    recorder.wait_for("recording into");
    let mut random = Random::seeded(22);
    let begun = Instant::now();
    let mut written = Vec::new();
    let mut rounds = 0;
    while begun.elapsed().as_secs_f64() < seconds(6.0) || rounds < 4 {
        let next = last_commit(&written).map(|height| height + 1);
        let node = writer.start(60.0, next);
        std::thread::sleep(Duration::from_millis(500 + random.below(1_000)));
        node.kill();
        wait_until_read_to_the_line(&dir, &writer);
        written.extend(tail(&writer.slog, u64::MAX));
        match rounds % 2 {
            0 => {
                fs::rename(&writer.slog, writer.slog.with_extension("1")).expect("rotated");
            }
            _ => {
                let file = File::options().write(true).open(&writer.slog);
                file.expect("a slog").set_len(0).expect("cut");
            }
        }
        // The recorder looks at files by the clock.
        std::thread::sleep(Duration::from_millis(300));
        keep_end(&mut written, 256 << 20);
        rounds += 1;
    }
    let node = writer.start(2.0, last_commit(&written).map(|height| height + 1));
    node.wait().assert_unharmed(writer.rate, LONGEST_WRITE);
    wait_until_read(&dir);
    recorder.stop();
    written.extend(tail(&writer.slog, u64::MAX));
    let (kept, said) = cat(&dir);
    // Where the file was cut nobody knows whether something was lost.
    assert!(!said.contains(": missing"), "records are missing: {said}");
    assert_nothing_was_lost(&dir);
    assert_same_lines(&kept, &written);
    println!("{rounds} processes were killed");
}

/// Drops the oldest lines.
fn keep_end(written: &mut Vec<u8>, length: usize) {
    let over = written.len().saturating_sub(length);
    let line = written[over..].iter().position(|byte| *byte == b'\n');
    if over > 0 {
        written.drain(..over + line.map_or(0, |at| at + 1));
    }
}

/// All that is kept is the end of what was written. A line that a killed process
/// left without its newline ends where its file did.
fn assert_same_lines(kept: &[u8], written: &[u8]) {
    let words =
        |bytes: Vec<u8>| -> Vec<u8> { bytes.into_iter().filter(|byte| *byte != b'\n').collect() };
    let kept = words(without_starts(kept));
    let written = words(without_starts(written));
    let count = kept.len();
    assert!(count > 4 << 20, "only {count} bytes are kept");
    assert!(written.ends_with(&kept), "other bytes than were written");
    println!(
        "{count} of {} bytes are kept, as they were written",
        written.len()
    );
}

/// Everything up to the last newline was read.
fn wait_until_read_to_the_line(dir: &Path, writer: &SlogWriter) {
    let end = tail(&writer.slog, 1 << 20);
    let unfinished = end.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
    wait_until(
        &format!("the recorder to read to the last {unfinished}"),
        || status(dir)["sources"][0]["lag"] == unfinished,
    );
}

fn last_commit(written: &[u8]) -> Option<u64> {
    let written = &written[written.len().saturating_sub(16 << 20)..];
    let text = String::from_utf8_lossy(written);
    let commit = "\"cosmic-swingset-commit-block-finish\",\"blockHeight\":";
    let (_, behind) = text.rsplit_once(commit)?;
    behind.split(',').next()?.parse().ok()
}

/// Nobody reads for minutes: the node goes on, its file grows by what it writes
/// and by nothing else, and the recorder that comes back reads all of it. Blocks
/// that the ring has no room for go by age; that is no loss.
#[test]
#[ignore = "needs Node.js; `-- --ignored` runs it"]
fn a_recorder_that_was_away_reads_what_it_missed() {
    let folder = folder();
    let rate = if long() { 8.0 } else { 30.0 };
    let writer = SlogWriter::new(folder.path(), rate);
    let (dir, slog) = (folder.path().join("node"), &writer.slog);
    let recorder = record(&dir, &writer, "32MiB");
    recorder.wait_for("recording into");
    let away = Duration::from_secs_f64(seconds(4.0));
    let node = writer.start(4.0 + away.as_secs_f64() + 4.0, None);
    std::thread::sleep(Duration::from_secs(4));
    recorder.kill();
    let (length, taken) = (writer.length(), held(slog));
    std::thread::sleep(away);
    let (grown, more) = (writer.length() - length, held(slog).saturating_sub(taken));
    println!("away for {away:?}: {grown} bytes written, {more} more held");
    // File systems allocate ahead of a file that grows.
    assert!(more < grown + (64 << 20), "{more} held for {grown}");
    let recorder = record(&dir, &writer, "32MiB");
    let report = node.wait();
    wait_until_read(&dir);
    report.assert_unharmed(rate, LONGEST_WRITE);
    assert_eq!(writer.length(), report.number("bytes") as u64);
    assert_nothing_was_lost(&dir);
    assert_end_is_recorded(&dir, slog, 14 << 20);
    recorder.stop();
    if has_holes(folder.path()) {
        let held = held(slog);
        assert!(held < KEPT, "{held} of {} held", writer.length());
    }
    let heights = heights(&dir);
    let last = report.number("last") as u64;
    assert_eq!(heights.last(), Some(&last), "the last block is there");
    let unbroken = heights.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    assert!(unbroken, "{heights:?}");
}

/// The file was rotated twice while nobody read: what stood in the one between
/// is gone, and the ring says so.
#[test]
#[ignore = "needs Node.js; `-- --ignored` runs it"]
fn what_was_rotated_away_unread_is_a_gap() {
    let folder = folder();
    let writer = SlogWriter::new(folder.path(), 8.0);
    let dir = folder.path().join("node");
    let recorder = record(&dir, &writer, "100MiB");
    recorder.wait_for("recording into");
    let first = writer.start(1.0, None).wait();
    wait_until_read(&dir);
    recorder.kill();
    let rotate = |to: &str| fs::rename(&writer.slog, folder.path().join(to)).expect("rotated");
    rotate("slog.1");
    let unread = first.number("last") as u64 + 1;
    let unread = writer.start(1.0, Some(unread)).wait();
    rotate("slog.2");
    let recorder = record(&dir, &writer, "100MiB");
    let after = unread.number("last") as u64 + 1;
    writer.start(1.0, Some(after)).wait();
    wait_until_read(&dir);
    recorder.stop();
    let heights = heights(&dir);
    let known = |height: f64| heights.contains(&(height as u64));
    assert!(known(first.number("last")) && heights.contains(&after));
    assert!(!known(unread.number("first")), "{heights:?}");
    assert_gap_is_told(&dir);
}

fn assert_gap_is_told(dir: &Path) {
    let shown = run(&["info", text(&dir.join("ring"))]).stdout;
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("the recorder was not reading"), "{shown}");
}

fn heights(dir: &Path) -> Vec<u64> {
    let listed = output(0, &["ls", "--json", text(&dir.join("ring"))]);
    let json: serde_json::Value = serde_json::from_slice(&listed).expect("JSON");
    let blocks = json["sources"][0]["blocks"].as_array().expect("blocks");
    blocks
        .iter()
        .filter_map(|block| block["height"].as_u64())
        .collect()
}

/// A file that is not there at first, and one that takes the place of another:
/// a killed recorder goes on in them where it stopped.
#[test]
fn a_file_that_appears_is_resumed_like_one_that_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let arguments = ["--size", "8MiB", "--slog", text(&slog)];
    let whole = excerpt("honest-a");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::null());
    recorder.wait_for("recording into");
    for (number, part) in lines[..4_000].chunks(1_000).enumerate() {
        if number == 2 {
            fs::rename(&slog, folder.path().join("slog.1")).expect("rotated");
        }
        let file = File::options().create(true).append(true).open(&slog);
        std::io::Write::write_all(&mut file.expect("a slog"), &part.concat()).expect("written");
        wait_until_read(&dir);
        recorder.kill();
        recorder = Recorder::start(&dir, &arguments, Stdio::null());
    }
    recorder.stop();
    assert!(cat(&dir).0 == lines[..4_000].concat(), "lost or repeated");
}

/// The file was cut while nobody read, and has grown beyond the place since: what
/// stands in front of that place is read, and what was cut off is a gap.
#[test]
fn a_file_that_was_cut_and_grew_again_is_read_from_its_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let arguments = ["--size", "8MiB", "--slog", text(&slog)];
    let whole = excerpt("honest-a");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&slog, lines[..1_000].concat()).expect("a slog");
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    wait_until("the ring", || dir.join("ring").exists());
    wait_until_read(&dir);
    recorder.kill();
    // The same file, other content.
    let file = File::options().write(true).open(&slog).expect("a slog");
    file.set_len(0).expect("cut");
    file.write_all_at(&lines[2_000..4_000].concat(), 0)
        .expect("written");
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    wait_until("the recorder to begin anew", || {
        cat(&dir).0.ends_with(lines[3_999])
    });
    recorder.stop();
    let expected = [lines[..1_000].concat(), lines[2_000..4_000].concat()].concat();
    assert!(cat(&dir).0 == expected, "other bytes than were written");
    assert_gap_is_told(&dir);
}

/// A recorder that was held up sees a file that was cut and is longer than
/// before: it begins anew, and the end of a line that never came is no line.
#[test]
fn a_file_that_was_cut_and_grew_while_the_recorder_was_held_up_is_read_from_its_start() {
    use nix::sys::signal::{Signal, kill};
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let arguments = ["--size", "8MiB", "--slog", text(&slog)];
    let whole = excerpt("honest-a");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let torn = &lines[1_000][..lines[1_000].len() / 2];
    fs::write(&slog, [&lines[..1_000].concat(), torn].concat()).expect("a slog");
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::null());
    wait_until("the ring", || dir.join("ring").exists());
    wait_until("all but the torn line", || {
        status(&dir)["sources"][0]["lag"] == torn.len()
    });
    let pid = nix::unistd::Pid::from_raw(recorder.child().id() as i32);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    let file = File::options().write(true).open(&slog).expect("a slog");
    file.set_len(0).expect("cut");
    file.write_all_at(&lines[2_000..4_000].concat(), 0)
        .expect("written");
    kill(pid, Signal::SIGCONT).expect("it runs");
    wait_until("the recorder to begin anew", || {
        cat(&dir).0.ends_with(lines[3_999])
    });
    recorder.stop();
    let expected = [
        &lines[..1_000].concat(),
        torn,
        &lines[2_000..4_000].concat(),
    ]
    .concat();
    assert!(cat(&dir).0 == expected, "other bytes than were written");
    assert_gap_is_told(&dir);
}

/// Nobody knows what an empty file had while the recorder was held up. Its first lines are
/// recorded, and no truncation is told of that nobody saw.
#[test]
fn an_empty_file_that_grew_while_the_recorder_was_held_up_may_have_been_truncated() {
    use nix::sys::signal::{Signal, kill};
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    fs::write(&slog, b"").expect("a slog");
    let arguments = ["--size", "8MiB", "--slog", text(&slog)];
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::null());
    recorder.wait_for("recording into");
    let pid = nix::unistd::Pid::from_raw(recorder.child().id() as i32);
    kill(pid, Signal::SIGSTOP).expect("it runs");
    std::thread::sleep(Duration::from_millis(700));
    fs::write(&slog, b"{\"type\":\"one\"}\n").expect("a slog");
    kill(pid, Signal::SIGCONT).expect("it runs");
    wait_until("the first line", || cat(&dir).0.ends_with(b"one\"}\n"));
    recorder.wait_for("if it was truncated meanwhile, earlier lines are lost");
    let said = recorder.said();
    recorder.stop();
    assert!(!said.contains("was truncated: lines"), "{said}");
    assert_gap_is_told(&dir);
}

/// A process that was killed in mid-line leaves a part of one: it is the last
/// that is known of that process, also if its file is then cut.
#[test]
fn a_torn_line_outlives_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, slog) = (folder.path().join("node"), folder.path().join("slog"));
    let arguments = ["--size", "8MiB", "--slog", text(&slog)];
    fs::write(&slog, b"{\"type\":\"one\"}\n{\"type\":\"to").expect("a slog");
    let recorder = Recorder::start(&dir, &arguments, Stdio::null());
    recorder.wait_for("recording into");
    wait_until("the first line", || cat(&dir).0.ends_with(b"one\"}\n"));
    let file = File::options().write(true).open(&slog).expect("a slog");
    file.set_len(0).expect("cut");
    recorder.wait_for("was truncated");
    fs::write(&slog, b"{\"type\":\"two\"}\n").expect("a slog");
    wait_until("the last line", || cat(&dir).0.ends_with(b"two\"}\n"));
    recorder.stop();
    let kept = cat(&dir).0;
    let expected = b"{\"type\":\"one\"}\n{\"type\":\"to{\"type\":\"two\"}\n";
    assert!(kept == expected, "{}", kept.escape_ascii());
}
