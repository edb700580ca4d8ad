use std::path::Path;
use std::time::{Duration, Instant};

use haltbox_format::blackbox::ALERT_FILE;

use super::*;
use crate::after_freeze::AfterFreeze;

const SIZE: u64 = 4 << 20;

fn hash(byte: u8) -> AppHash {
    AppHash::new(&[byte; 32]).expect("32 bytes")
}

fn options(dir: &Path, profile: &str) -> Options {
    let profile = Profile::builtin(profile).expect("a profile");
    Options {
        size: SIZE,
        ..Options::new(dir, profile)
    }
}

fn open(dir: &Path) -> HostRecorder {
    HostRecorder::open(options(dir, "host"))
        .expect("it opens")
        .0
}

/// Executes a block of three steps; `value` is what the second one writes.
fn execute(host: &HostRecorder, height: u64, value: u32) {
    let time = 1_732_196_000_000_000_000 + height as i64;
    host.begin_block(height, time, Some(Digest([height as u8; 32])))
        .expect("begun");
    for (op, kind, value) in [(0, "read", 1), (1, "write", value), (2, "read", 3)] {
        let step = format!(r#"{{"type":"op-{kind}","tx":0,"op":{op},"value":{value}}}"#);
        host.record(step.as_bytes()).expect("recorded");
    }
    host.end_block(height, Some(hash(value as u8)))
        .expect("ended");
    host.commit(height, Some(hash(value as u8)))
        .expect("committed");
}

fn boxes(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("boxes")).expect("a folder");
    let names = entries.map(|e| {
        e.expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    names.sort();
    names
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_network_s_word_releases_or_pins() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    (1..=3).for_each(|height| execute(&host, height, 7));
    let before = host.stats().expect("open");
    assert_eq!((before.head, before.released, before.pinned), (3, 2, 0));
    assert_eq!(host.confirm(3, hash(7)).expect("open"), Agreement::Equal);
    assert_eq!(host.stats().expect("open").released, 3);
    execute(&host, 4, 7);
    assert_eq!(host.confirm(4, hash(8)).expect("open"), Agreement::Differs);
    let after = host.stats().expect("open");
    assert_eq!((after.released, after.pinned, after.diverged), (3, 1, 0));
    assert_eq!(host.confirm(9, hash(8)).expect("open"), Agreement::Unknown);
}

/// Two hosts that executed the same get boxes of the same name. Another execution
/// gets another name. The box has what the calls recorded.
#[test]
fn a_box_is_named_by_what_the_host_executed() {
    let frozen = |value: u32| {
        let folder = tempfile::tempdir().expect("a folder");
        let host = open(folder.path());
        (1..=4).for_each(|height| execute(&host, height, 7));
        execute(&host, 5, value);
        let frozen = host.freeze(Some(5)).expect("a box");
        let bytes = std::fs::read(&frozen.path).expect("it is there");
        let mut text = Vec::new();
        zstd::stream::copy_decode(bytes.as_slice(), &mut text).expect("it is Zstandard");
        (frozen.name(), String::from_utf8(text).expect("text"))
    };
    let ((one, text), (same, _), (other, _)) = (frozen(7), frozen(7), frozen(8));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert!(
        one.starts_with("5-") && other.starts_with("5-"),
        "{one} {other}"
    );
    assert_eq!(
        text.lines().filter(|line| line.contains("op-read")).count(),
        10
    );
    assert!(text.ends_with("\"commit-block\",\"height\":5,\"appHash\":\"0707070707070707070707070707070707070707070707070707070707070707\"}\n"), "{text}");
}

#[test]
fn a_divergence_is_frozen_by_the_thread_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        background: Some(Background::default()),
        ..options(folder.path(), "host")
    };
    let (host, _) = HostRecorder::open(options.clone()).expect("it opens");
    (1..=3).for_each(|height| execute(&host, height, 7));
    host.diverged(3, hash(7), hash(9), "AppHash").expect("open");
    wait_until("a box", || host.stats().expect("open").diverged == 0);
    let found = boxes(folder.path());
    assert!(found.len() == 1 && found[0].starts_with("3-"), "{found:?}");
    // The alert is written after the box.
    let alert = folder.path().join("boxes").join(ALERT_FILE);
    wait_until("an alert", || alert.exists());
    drop(host);
    // The next opening has nothing left to freeze.
    let (host, _) = HostRecorder::open(options).expect("it opens again");
    execute(&host, 4, 7);
    host.diverged(4, hash(7), hash(9), "AppHash").expect("open");
    wait_until("the second box", || boxes(folder.path()).len() == 2);
    assert!(boxes(folder.path()).contains(&found[0]));
}

/// The message has the text of the alert file, for hosts that print it in their own log.
#[test]
fn what_the_thread_did_is_told_to_a_host_that_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let after_freeze = AfterFreeze {
        upload_hint: Some("to the forum".to_owned()),
        ..AfterFreeze::default()
    };
    let options = Options {
        background: Some(Background {
            after_freeze,
            ..Background::default()
        }),
        ..options(folder.path(), "host")
    };
    let (host, _) = HostRecorder::open(options).expect("it opens");
    (1..=3).for_each(|height| execute(&host, height, 7));
    assert_eq!(host.take_message().expect("open"), None);
    host.diverged(3, hash(7), hash(9), "AppHash").expect("open");
    let told = message_of(&host);
    assert!(told.starts_with("haltbox: DIVERGED at height 3: AppHash differs"));
    assert!(told.contains("\n  please upload the black box to the forum\n"));
    let alert = std::fs::read_to_string(folder.path().join("boxes").join(ALERT_FILE));
    assert!(alert.expect("an alert").contains(&told), "{told}");
    assert_eq!(host.take_message().expect("open"), None);
    // A box that cannot be written is reported too.
    std::fs::remove_dir_all(folder.path().join("boxes")).expect("removed");
    std::fs::write(folder.path().join("boxes"), b"in the way").expect("written");
    execute(&host, 4, 7);
    host.diverged(4, hash(7), hash(9), "AppHash").expect("open");
    let told = message_of(&host);
    assert!(told.starts_with("haltbox: NOT FROZEN: "), "{told}");
    host.shared.messages.put("the last".to_owned());
    host.close();
    assert_eq!(
        host.take_message().expect("left"),
        Some("the last".to_owned())
    );
    assert!(matches!(host.take_message(), Err(HostError::Closed)));
}

#[test]
fn messages_that_nobody_takes_are_bounded() {
    let messages = Messages::default();
    (0..100).for_each(|number| messages.put(number.to_string()));
    let left: Vec<String> = std::iter::from_fn(|| messages.take()).collect();
    assert_eq!(left.len(), 16);
    assert_eq!((left[0].as_str(), left[15].as_str()), ("84", "99"));
}

fn message_of(host: &HostRecorder) -> String {
    let told = std::cell::RefCell::new(None);
    wait_until("a message", || {
        *told.borrow_mut() = host.take_message().expect("open");
        told.borrow().is_some()
    });
    told.into_inner().expect("waited for")
}

#[test]
fn without_a_thread_a_divergence_stays_pinned_until_somebody_freezes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    (1..=3).for_each(|height| execute(&host, height, 7));
    host.diverged(3, hash(7), hash(9), "AppHash").expect("open");
    drop(host);
    let host = open(folder.path());
    assert_eq!(host.stats().expect("open").diverged, 1);
    let frozen = host.freeze(None).expect("a box");
    assert_eq!((frozen.of.height, frozen.network), (3, Some(hash(9))));
    assert_eq!(host.stats().expect("open").diverged, 0);
}

/// A discarded execution is not the block's. The next one is.
#[test]
fn an_aborted_execution_gives_way_to_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    execute(&host, 1, 7);
    host.begin_block(2, 5, None).expect("begun");
    host.record(br#"{"type":"op-read","tx":0,"op":0,"value":99}"#)
        .expect("recorded");
    host.abort(2).expect("open");
    execute(&host, 2, 7);
    let twice = host.freeze(Some(2)).expect("a box");
    assert_eq!(twice.of.attempt, 2);
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    (1..=2).for_each(|height| execute(&host, height, 7));
    assert_eq!(twice.name(), host.freeze(Some(2)).expect("a box").name());
}

#[test]
fn a_host_with_a_slog_of_its_own_gives_only_the_app_hash() {
    let folder = tempfile::tempdir().expect("a folder");
    let (host, _) = HostRecorder::open(options(folder.path(), "agoric")).expect("it opens");
    let refused = host.begin_block(1, 0, None);
    assert!(matches!(refused, Err(HostError::MarkedByEntries)));
    for kind in [
        "begin-block",
        "end-block-start",
        "end-block-finish",
        "commit-block-finish",
    ] {
        let line = format!(r#"{{"type":"cosmic-swingset-{kind}","blockHeight":1}}"#);
        host.record(line.as_bytes()).expect("recorded");
    }
    host.commit(1, Some(hash(1))).expect("open");
    assert_eq!(host.confirm(1, hash(2)).expect("open"), Agreement::Differs);
    assert_eq!(host.stats().expect("open").pinned, 1);
}

#[test]
fn line_ends_part_entries_and_nothing_else_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    let before = host.stats().expect("open").records;
    host.record(b"one\n").expect("recorded");
    host.record(b"two\nthree").expect("recorded");
    host.record(b"").expect("recorded");
    assert_eq!(host.stats().expect("open").records - before, 4);
}

#[test]
fn a_closed_recorder_says_so_and_another_may_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    let second = HostRecorder::open(options(folder.path(), "host"));
    assert!(matches!(second, Err(HostError::Open(OpenError::Locked(_)))));
    host.close();
    assert!(matches!(host.record(b"x"), Err(HostError::Closed)));
    assert!(matches!(host.freeze(None), Err(HostError::Closed)));
    open(folder.path());
}

#[test]
fn a_panic_under_the_lock_is_told_from_closing() {
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    let panicking = std::panic::AssertUnwindSafe(|| {
        host.with(|_| std::panic::resume_unwind(Box::new("asked for")))
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert!(matches!(host.record(b"x"), Err(HostError::Broken)));
    assert!(matches!(host.freeze(None), Err(HostError::Broken)));
    drop(host);
    open(folder.path());
}

#[test]
fn every_engine_records_the_same() {
    let name = |engine| {
        let folder = tempfile::tempdir().expect("a folder");
        let asked = Options {
            engine: Some(engine),
            ..options(folder.path(), "host")
        };
        let (host, _) = HostRecorder::open(asked.clone()).expect("it opens");
        (1..=3).for_each(|height| execute(&host, height, 7));
        let frozen = host.freeze(Some(2)).expect("a box").name();
        host.flush().expect("begun");
        drop(host);
        // The next opening finds all records, and continues behind them.
        let (host, _) = HostRecorder::open(asked).expect("it opens");
        (4..=5).for_each(|height| execute(&host, height, 7));
        let stats = host.stats().expect("open");
        assert_eq!((stats.oldest, stats.head, stats.dropped), (1, 5, 0));
        (frozen, host.freeze(Some(5)).expect("a box").name())
    };
    let mapped = name(Engine::Map);
    assert!(!mapped.0.contains("incomplete"), "{mapped:?}");
    assert_eq!(name(Engine::Write), mapped);
    assert_eq!(name(Engine::Queue), mapped);
}

#[test]
fn a_fifo_among_the_boxes_is_not_waited_for() {
    use nix::sys::stat::Mode;
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_owned();
    let host = open(&dir);
    execute(&host, 1, 7);
    let diverged = host.diverged(1, hash(7), hash(8), "AppHash");
    diverged.expect("pinned");
    drop(host);
    std::fs::create_dir(dir.join("archive")).expect("a folder");
    for fifo in [
        "boxes/1-0aef5617dd56cd0ccfbc8a9121546948",
        "archive/2026-11-27T20Z-1-1",
        "ring.aside-other-size-2026",
    ] {
        nix::unistd::mkfifo(&dir.join(fifo), Mode::S_IRWXU).expect("a FIFO");
    }
    let (sent, opened) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let host = open(&dir);
        // Only an archive could have this height, so every file of it is read.
        let looked = host.freeze(Some(900)).is_err();
        let _ = sent.send(looked);
    });
    let looked = opened.recv_timeout(Duration::from_secs(30));
    assert_eq!(looked, Ok(true), "it waits for the other end of a FIFO");
}

/// If the kernel cannot make pages present, a host would stop in a page fault. So nothing
/// is lent, and the host may ask again.
#[test]
fn nothing_is_lent_of_pages_that_cannot_be_made_present() {
    static LAID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let folder = tempfile::tempdir().expect("a folder");
    let host = open(folder.path());
    execute(&host, 1, 2);
    if matches!(host.lend(&LAID), Err(HostError::NotLent)) {
        return eprintln!("not run: this kernel or file system lends nothing");
    }
    host.end_lending().expect("ended");
    let path = folder.path().join("ring");
    let ring = std::fs::File::options()
        .write(true)
        .open(path)
        .expect("the ring");
    let length = ring.metadata().expect("its length").len();
    // Nothing touches the missing pages meanwhile.
    ring.set_len(1 << 16).expect("cut");
    let lent = host.lend(&LAID);
    ring.set_len(length).expect("as before");
    assert!(matches!(lent, Err(HostError::NotLent)), "{lent:?}");
    assert!(matches!(host.lend(&LAID), Ok(Some(_))));
    host.end_lending().expect("ended");
    execute(&host, 2, 2);
}

/// The entries that such marks are made of again stand before others: a block ends behind its
/// own end, and not behind all that there is when the ring is opened.
#[test]
fn a_power_cut_that_takes_marks_alone_leaves_a_block_its_name() {
    use std::os::unix::fs::FileExt;
    let names = [false, true].map(|cut| {
        let dir = tempfile::tempdir().expect("a folder");
        let host = open(dir.path());
        execute(&host, 1, 1);
        let mut options = std::fs::File::options();
        let ring = options.read(true).write(true).open(dir.path().join("ring"));
        let ring = ring.expect("a ring");
        let mut spine = vec![0; 2 * (256 << 10)];
        ring.read_exact_at(&mut spine, 64 << 10).expect("marks");
        execute(&host, 2, 7);
        host.record(br#"{"type":"step-next","of":3}"#)
            .expect("recorded");
        execute(&host, 3, 7);
        drop(host);
        if cut {
            ring.write_all_at(&spine, 64 << 10).expect("older marks");
        }
        let frozen = open(dir.path()).freeze(Some(2)).expect("a box");
        frozen.name()
    });
    assert_eq!(names[0], names[1]);
    assert!(!names[0].ends_with("incomplete"), "{names:?}");
}

/// What prepares a block may be the first that a lane has lost: nothing stands before it there,
/// so no gap shows.
#[test]
fn a_block_whose_first_entry_a_power_cut_took_has_no_name() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path());
    let mut options = std::fs::File::options();
    let ring = options.read(true).write(true).open(dir.path().join("ring"));
    let ring = ring.expect("a ring");
    let mut spine = vec![0; 2 * (256 << 10)];
    ring.read_exact_at(&mut spine, 64 << 10).expect("marks");
    let pad = "0".repeat(8192);
    let prepares = format!(r#"{{"type":"step-upgrade","pad":"{pad}"}}"#);
    host.record(prepares.as_bytes()).expect("recorded");
    execute(&host, 1, 1);
    drop(host);
    ring.write_all_at(&spine, 64 << 10).expect("older marks");
    let main = (64 << 10) + (2 + 3) * (256 << 10);
    ring.write_all_at(&[0; 4096], main).expect("a lost page");
    let frozen = open(dir.path()).freeze(Some(1)).expect("a box");
    assert_eq!(frozen.name(), "1-incomplete");
}

/// What the ring reused by age is no loss, whenever the marks were written last.
#[test]
fn entries_that_the_ring_reused_unmarked_are_no_loss() {
    use haltbox_format::mark::Mark;
    use haltbox_format::ring::{Entry, RingView, Timeline};
    use haltbox_model::history::History;
    let dir = tempfile::tempdir().expect("a folder");
    let host = open(dir.path());
    let pad = "0".repeat(1000);
    for number in 0..2 * SIZE / 1000 {
        let entry = format!(r#"{{"type":"numbered","number":{number},"pad":"{pad}"}}"#);
        host.record(entry.as_bytes()).expect("recorded");
    }
    // The file as a kill leaves it: its writer has not closed it.
    let killed = tempfile::tempdir().expect("a folder");
    std::fs::copy(dir.path().join("ring"), killed.path().join("ring")).expect("a copy");
    let next = open(killed.path());
    let ring = std::fs::File::open(killed.path().join("ring")).expect("a ring");
    let view = RingView::read(&ring).expect("a ring");
    assert!(
        view.lane(Lane::Main).first_counter() > Some(1000),
        "it never wrapped"
    );
    let history = History::read(&ring, &view).expect("marks");
    let mut timeline = Timeline::new(&ring, &view, history.marked());
    while let Some(entry) = timeline.next().expect("readable") {
        if let Entry::Marks(_, marks, _) = entry {
            let loss = marks.iter().find(|mark| matches!(mark, Mark::Loss(_)));
            assert_eq!(loss, None);
        }
    }
    drop(next);
}

/// Where a process died in a block, the next one prepares its own: the start between the two
/// tells them apart, and it stands where a power cut takes it without a trace.
#[test]
fn a_block_behind_a_start_that_a_power_cut_took_has_no_name() {
    use std::os::unix::fs::FileExt;
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let ring = |at: usize| folders[at].path().join("ring");
    let dead = open(folders[0].path());
    execute(&dead, 1, 1);
    dead.begin_block(2, 2, None).expect("begun");
    std::fs::copy(ring(0), ring(1)).expect("what a kill leaves");
    let besides = 5 * (256 << 10);
    let mut older = vec![0; besides];
    let file = std::fs::File::open(ring(1)).expect("a ring");
    file.read_exact_at(&mut older, 64 << 10)
        .expect("all but the main lane");
    let next = open(folders[1].path());
    next.record(br#"{"type":"step-upgrade"}"#)
        .expect("recorded");
    execute(&next, 3, 7);
    std::fs::copy(ring(1), ring(2)).expect("what a power cut leaves");
    let file = std::fs::File::options().write(true).open(ring(2));
    let file = file.expect("a ring");
    file.write_all_at(&older, 64 << 10).expect("older pages");
    let name = next.freeze(Some(3)).expect("a box").name();
    assert!(!name.ends_with("incomplete"), "{name}");
    let again = open(folders[2].path());
    let name = again.freeze(Some(3)).expect("a box").name();
    assert_eq!(name, "3-incomplete");
}

/// A start between two records that are both missing. The next block may have its first
/// entries among them.
#[test]
fn a_block_whose_beginning_is_missing_behind_a_start_has_no_name() {
    use std::os::unix::fs::FileExt;
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let ring = |at: usize| folders[at].path().join("ring");
    let read = |at: usize| std::fs::read(ring(at)).expect("a ring");
    let dead = open(folders[0].path());
    execute(&dead, 1, 1);
    dead.begin_block(2, 2, None).expect("begun");
    dead.record(br#"{"type":"step-first"}"#).expect("recorded");
    std::fs::copy(ring(0), ring(1)).expect("what a kill leaves");
    let spine = (64 << 10)..(64 << 10) + 2 * (256 << 10);
    let older = read(1)[spine.clone()].to_vec();
    let next = open(folders[1].path());
    for step in ["upgrade", "last"] {
        let entry = format!(r#"{{"type":"step-{step}"}}"#);
        next.record(entry.as_bytes()).expect("recorded");
    }
    execute(&next, 3, 7);
    let mut cut = read(1);
    let of = |text: &str, cut: &[u8]| {
        let mut windows = cut.windows(text.len());
        windows
            .rposition(|bytes| bytes == text.as_bytes())
            .expect("it is there")
    };
    let lost = of("step-first", &cut)..of("step-upgrade", &cut);
    cut[lost].fill(0);
    std::fs::write(ring(2), &cut).expect("what a power cut leaves");
    let file = std::fs::File::options().write(true).open(ring(2));
    let file = file.expect("a ring");
    file.write_all_at(&older, spine.start as u64)
        .expect("older marks");
    let again = open(folders[2].path());
    let name = again.freeze(Some(3)).expect("a box").name();
    assert_eq!(name, "3-incomplete");
}
