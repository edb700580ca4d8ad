use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use haltbox_format::ring::{SUPERBLOCK_SIZE, Superblock};
use haltbox_tests::*;

/// Lines that are no entries are kept as they came, and cost nothing else.
#[test]
fn odd_lines_are_kept_byte_for_byte() {
    let mut slog = excerpt("honest-a");
    let at = slog.iter().position(|b| *b == b'\n').expect("a line") + 1;
    let mut odd = b"not json\n\n\xff\xfe\x00 not utf-8\n{\"type\":\n{\"type\":7}\r\n".to_vec();
    odd.extend(std::iter::repeat_n(b'z', 5 << 20));
    odd.push(b'\n');
    slog.splice(at..at, odd);
    slog.extend_from_slice(b"{\"type\":\"a line without its end");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    record_all(&dir, &slog, None, "64MiB").wait();
    assert!(output(0, &["cat", text(&dir.join("ring"))]) == slog);
    let info = String::from_utf8(output(0, &["info", text(&dir.join("ring"))])).expect("UTF-8");
    assert!(info.contains("not JSON"), "{info}");
    assert!(
        info.contains("13-525b7328b707e9fc4ff00c52a8edfbbf"),
        "odd lines cost the HASH: {info}"
    );
}

/// A line larger than its lane is kept cut, counted, and said to be.
#[test]
fn a_line_larger_than_the_ring_is_cut_and_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let mut slog = vec![b'y'; 9 << 20];
    slog.extend_from_slice(b"\n{\"type\":\"after\"}\n");
    let recorder = record_all(&dir, &slog, None, "4MiB");
    recorder.wait_for("larger than the main lane");
    recorder.wait();
    let kept = output(0, &["cat", text(&dir.join("ring"))]);
    assert!(
        kept.ends_with(b"y\n{\"type\":\"after\"}\n"),
        "{} bytes",
        kept.len()
    );
}

/// Makes a ring, lets `spoil` at it, records again.
fn reopened(spoil: impl FnOnce(&Path)) -> (String, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    record_all(&dir, &excerpt("honest-a"), None, "8MiB").wait();
    spoil(&dir.join("ring"));
    fs::remove_file(dir.with_extension("stderr")).expect("what was said");
    let recorder = record_all(&dir, b"{\"type\":\"again\"}\n", None, "8MiB");
    let said = || fs::read_to_string(dir.with_extension("stderr")).unwrap_or_default();
    recorder.wait();
    let now = output(0, &["cat", text(&dir.join("ring"))]);
    assert!(
        now.ends_with(b"{\"type\":\"again\"}\n"),
        "recording did not go on: {}",
        said()
    );
    (said(), folder)
}

fn aside(folder: &tempfile::TempDir) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(folder.path().join("node")).expect("a folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    paths.find(|path| text(path).contains("aside"))
}

fn rewrite_superblocks(ring: &Path, change: impl Fn(&mut Superblock)) {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(ring)
        .expect("a ring");
    for offset in [0, 4096] {
        let mut bytes = [0; SUPERBLOCK_SIZE];
        file.read_exact_at(&mut bytes, offset)
            .expect("a superblock");
        let mut superblock = Superblock::decode(&bytes).expect("a sound superblock");
        change(&mut superblock);
        file.write_all_at(&superblock.encode(), offset)
            .expect("written");
    }
}

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_ring_that_cannot_be_gone_on_with_is_moved_aside_and_named() {
    type Spoil = fn(&Path);
    let table: [(&str, &str, Spoil); 7] = [
        ("foreign", "is not a Haltbox ring", |ring| {
            fs::write(ring, b"hello").expect("written")
        }),
        ("empty", "is empty", |ring| {
            fs::write(ring, b"").expect("written")
        }),
        ("zeroed", "only zeros", |ring| {
            fs::write(ring, vec![0; 8 << 20]).expect("written")
        }),
        ("truncated", "is truncated", |ring| {
            fs::File::options()
                .write(true)
                .open(ring)
                .expect("a ring")
                .set_len(3 << 20)
                .expect("cut");
        }),
        ("damaged", "no intact superblock", |ring| {
            let file = fs::File::options().write(true).open(ring).expect("a ring");
            file.write_all_at(&[0xAA; 8192], 0).expect("written");
        }),
        ("other-machine", "another machine", |ring| {
            rewrite_superblocks(ring, |superblock| superblock.machine = [9; 32]);
        }),
        ("version", "format version 2", |ring| {
            let file = fs::File::options()
                .read(true)
                .write(true)
                .open(ring)
                .expect("a ring");
            for offset in [0, 4096] {
                let mut bytes = [0; SUPERBLOCK_SIZE];
                file.read_exact_at(&mut bytes, offset)
                    .expect("a superblock");
                bytes[8] = 2;
                let crc = crc32fast::hash(&bytes[..252]);
                bytes[252..].copy_from_slice(&crc.to_le_bytes());
                file.write_all_at(&bytes, offset).expect("written");
            }
        }),
    ];
    for (word, sentence, spoil) in table {
        let (said, folder) = reopened(spoil);
        assert!(said.contains(sentence), "{word}: {said}");
        let aside = aside(&folder).unwrap_or_else(|| panic!("{word}: nothing was moved aside"));
        assert!(
            text(&aside).contains(&format!("aside-{word}-")),
            "{}",
            text(&aside)
        );
        assert!(
            said.contains(text(&aside)),
            "{word}: the file is not named: {said}"
        );
        let readable = matches!(word, "truncated" | "damaged" | "other-machine");
        let advice = format!("haltbox info {}", text(&aside));
        assert_eq!(said.contains(&advice), readable, "{word}: {said}");
        assert_eq!(
            said.contains("of the version that wrote it"),
            word == "version",
            "{said}"
        );
        if readable {
            let told = run(&["info", text(&aside)]);
            assert_ne!(told.status.code(), Some(2), "{word}: info refuses it");
            let kept = run(&["cat", text(&aside)]).stdout;
            assert!(
                !kept.is_empty(),
                "{word}: what was moved aside cannot be read"
            );
        }
    }
}

#[test]
fn another_size_opens_a_new_ring_and_keeps_the_old_one_readable() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = excerpt("honest-a");
    record_all(&dir, &slog, None, "16MiB").wait();
    record_all(&dir, b"{\"type\":\"again\"}\n", None, "8MiB").wait();
    let old = aside(&folder).expect("the old ring");
    assert!(output(0, &["cat", text(&old)]) == slog);
    assert_eq!(
        fs::metadata(dir.join("ring")).expect("a ring").len(),
        8 << 20
    );
}

#[test]
fn a_locked_ring_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let first = Recorder::start(
        &dir,
        &["--size", "8MiB", "--slog", "/dev/null"],
        Stdio::null(),
    );
    first.wait_for("recording into");
    let second = run(&[
        "record",
        "--dir",
        text(&dir),
        "--size",
        "8MiB",
        "--slog",
        "/dev/null",
    ]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2));
    assert!(
        said.contains("is being written by another recorder"),
        "{said}"
    );
    first.stop();
}

#[test]
#[ignore = "needs root; `-- --ignored` runs it"]
fn a_full_disk_at_open_is_refused_with_the_missing_bytes() {
    let disk = SmallDisk::mount(6);
    let dir = disk.path().join("node");
    let done = run(&[
        "record",
        "--dir",
        text(&dir),
        "--size",
        "8MiB",
        "--slog",
        "/dev/null",
    ]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(
        said.contains("8388608 bytes") && said.contains("are missing"),
        "{said}"
    );
    assert!(!dir.join("ring").exists());
}

/// The disk is full at the freeze: the ring stays pinned, the message says so,
/// and a retry works once there is room.
#[test]
#[ignore = "needs root; `-- --ignored` runs it"]
fn a_full_disk_at_freeze_keeps_the_evidence() {
    let disk = SmallDisk::mount(11);
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (dir, log) = (disk.path().join("node"), elsewhere.path().join("log"));
    let slog = excerpt("divergent-kv");
    fs::write(&log, b"").expect("a log");
    let arguments = ["--size", "8MiB", "--slog", "-", "--node-log", text(&log)];
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::piped());
    recorder.wait_for("recording into");
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut pipe, &slog).expect("the recorder reads");
    let filler = disk.path().join("filler");
    let _ = fs::remove_file(dir.join("boxes/.reserve"));
    assert!(
        fs::write(&filler, vec![1; 11 << 20]).is_err(),
        "the disk must be full"
    );
    fs::write(&log, failure(13)).expect("the failure");
    recorder.wait_for("NOT FROZEN");
    assert!(
        recorder.said().contains("The ring keeps the evidence"),
        "{}",
        recorder.said()
    );
    let status = run(&["status", text(&dir)]);
    assert_eq!(status.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&status.stdout).contains("not frozen yet"),
        "{status:?}"
    );
    fs::remove_file(&filler).expect("room again");
    let frozen = String::from_utf8(output(0, &["freeze", text(&dir)])).expect("UTF-8");
    assert!(
        frozen.contains("13-a54ed586985315d46cf177f2908abff6"),
        "{frozen}"
    );
    drop(pipe);
    recorder.wait();
}

/// Damage in a box is located, the rest is read, and nothing panics.
#[test]
fn a_damaged_box_is_read_as_far_as_it_is_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let slog = excerpt("honest-a");
    record_all(&dir, &slog, Some(&failure(13)), "16MiB").wait();
    let found = boxes(&dir).remove(0);
    let bytes = fs::read(&found).expect("a box");
    let mut random = Random::seeded(31);
    let damaged = folder.path().join("damaged");
    let known: std::collections::HashSet<&[u8]> = slog.split(|b| *b == b'\n').collect();
    for case in 0..60 {
        let mut copy = bytes.clone();
        if case % 3 == 0 {
            copy.truncate(random.below(copy.len() as u64) as usize);
        } else {
            let at = random.below(copy.len() as u64) as usize;
            copy[at] ^= 1 << random.below(8);
        }
        fs::write(&damaged, &copy).expect("a damaged box");
        let verified = run(&["verify", text(&damaged)]);
        let code = verified.status.code();
        assert!(matches!(code, Some(1 | 2)), "case {case}: {verified:?}");
        let read = run(&["cat", text(&damaged)]);
        assert!(read.status.code().is_some(), "case {case}: {read:?}");
        let text = String::from_utf8_lossy(&read.stderr).into_owned();
        assert!(!text.contains("panicked"), "case {case}: {text}");
        let lines = read
            .stdout
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty());
        for line in lines {
            assert!(known.contains(line), "case {case}: a line that never was");
        }
    }
}

/// A few kilobytes that unpack to one line of 256 MiB: no command holds more of
/// it than the longest entry.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_line_without_an_end_takes_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let (bomb, key) = (at("bomb.slog.zst"), at("key"));
    let file = fs::File::create(&bomb).expect("a file");
    let mut encoder = zstd::Encoder::new(file, 1).expect("zstd");
    encoder
        .write_all(&excerpt("honest-a"))
        .and_then(|()| encoder.write_all(b"{\"type\":\""))
        .expect("written");
    let piece = vec![b'y'; 1 << 20];
    (0..256).for_each(|_| encoder.write_all(&piece).expect("written"));
    encoder.finish().expect("written");
    fs::write(&key, [7; 32]).expect("a key");
    let program = programs().join("haltbox");
    let bomb = text(&bomb);
    for arguments in [
        format!("cat {bomb}"),
        format!("info {bomb}"),
        format!("ls {bomb}"),
        format!("verify {bomb}"),
        format!("verify --reads {bomb}"),
        format!("diff {bomb} {bomb}"),
        format!("compare {bomb} {bomb}"),
        format!("fingerprint {bomb} -o {}", text(&at("print"))),
        format!("extract {bomb} -o {}", text(&at("box"))),
        format!(
            "redact {bomb} --key-file {} -o {}",
            text(&key),
            text(&at("red"))
        ),
    ] {
        let script = format!("ulimit -v 400000; exec {} {arguments}", text(&program));
        let mut shell = std::process::Command::new("sh");
        let status = shell
            .args(["-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("a shell");
        assert!(
            matches!(status.code(), Some(0..=2)),
            "{arguments}: {status}"
        );
    }
}
