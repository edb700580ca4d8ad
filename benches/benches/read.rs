//! `haltbox cat` of a box beside `zstd -dc`, the gate that tells an entry by its
//! type, and `haltbox diff` of two slogs beside jq and diff.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use haltbox_benches::{medians, real_slog, scratch};
use haltbox_model::Profile;
use haltbox_reader::fingerprint::Writer;
use haltbox_reader::trace::{BlockTrace, Unit, What};

fn main() {
    let folder = scratch();
    let slog = real_slog();
    gate(&slog);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release");
    let haltbox = programs.join("haltbox");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--workspace", "--bins"])
        .status();
    assert!(
        built.expect("cargo runs").success(),
        "the programs do not build"
    );
    let (a, b) = (folder.path().join("a.slog"), folder.path().join("b.slog"));
    std::fs::write(&a, &slog).expect("a slog");
    std::fs::write(&b, &slog).expect("a slog");
    cat(&haltbox, folder.path(), &a);
    diff(&haltbox, &a, &b);
    compare(&haltbox, folder.path());
}

fn gate(slog: &[u8]) {
    let profile = Profile::builtin("agoric").expect("builtin");
    let rules = profile.slog.as_ref().expect("the slog's rules");
    let lines: Vec<&[u8]> = slog
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let mut canonical = 0_usize;
    let mut telling = 0_usize;
    let times = medians(&mut [&mut || {
        (canonical, telling) = (0, 0);
        for line in &lines {
            let entry = rules.read(std::hint::black_box(line));
            canonical += usize::from(entry.canonical);
            telling += usize::from(entry.events().next().is_some());
        }
    }]);
    println!(
        "entry gate: {:.1} GB/s, {:.1} % of {} lines have members read ({canonical} canonical)",
        slog.len() as f64 / times[0] / 1e9,
        100.0 * telling as f64 / lines.len() as f64,
        lines.len()
    );
}

fn cat(haltbox: &Path, folder: &Path, slog: &Path) {
    let dir = folder.join("node");
    let record = Command::new(haltbox)
        .args(["record", "--size", "100MiB", "--slog", "-", "--dir"])
        .arg(&dir)
        .stdin(File::open(slog).expect("the slog"))
        .stderr(Stdio::null())
        .status();
    assert!(record.expect("haltbox runs").success());
    let frozen = Command::new(haltbox)
        .arg("freeze")
        .arg(&dir)
        .stdout(Stdio::null())
        .status();
    assert!(frozen.expect("haltbox runs").success());
    let mut boxes = std::fs::read_dir(dir.join("boxes"))
        .expect("boxes")
        .flatten()
        .map(|e| e.path());
    let bx = boxes.find(|path| path.is_file()).expect("a box");
    let run = |command: &mut Command| {
        let done = command.arg(&bx).stdout(Stdio::null()).status();
        assert!(done.expect("it runs").success());
    };
    let times = medians(
        &mut [&mut || run(Command::new(haltbox).arg("cat")), &mut || {
            run(Command::new("zstd").args(["-dc", "-q"]))
        }],
    );
    println!(
        "cat {:.0} ms, zstd -dc {:.0} ms: {:.2}x its speed",
        times[0] * 1e3,
        times[1] * 1e3,
        times[1] / times[0]
    );
}

/// What Agoric's scripts did: jq without the times on both, then diff.
fn diff(haltbox: &Path, a: &Path, b: &Path) {
    let filter = "del(.time,.monotime,.seconds,.dr[2]?.timestamps?,.memoryUsage,.heapStats,.statsTime,.compressSeconds,.dbSaveSeconds)";
    let script = format!(
        "jq -c '{filter}' {0} > {0}.jq && jq -c '{filter}' {1} > {1}.jq && diff -q {0}.jq {1}.jq",
        a.display(),
        b.display()
    );
    let begun = std::time::Instant::now();
    let done = Command::new("sh")
        .args(["-c", &script])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let jq = begun.elapsed().as_secs_f64();
    if done.is_err()
        || Command::new("jq")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_err()
    {
        println!("diff: jq is not here to compare with");
        return;
    }
    let times = medians(&mut [&mut || {
        let done = Command::new(haltbox)
            .arg("diff")
            .args([a, b])
            .stdout(Stdio::null())
            .status();
        assert!(done.expect("haltbox runs").success());
    }]);
    println!(
        "diff {:.0} ms, jq + diff {:.0} ms: {:.0}x faster",
        times[0] * 1e3,
        jq * 1e3,
        jq / times[0]
    );
}

/// A hundred validators, 10,000 blocks each; one leaves at height 7,000.
fn compare(haltbox: &Path, folder: &Path) {
    let profile = Profile::builtin("agoric").expect("builtin");
    let rules = profile
        .slog
        .as_ref()
        .expect("the slog's rules")
        .canonical()
        .digest();
    let print = |node: u32| {
        let mut writer = Writer::new(rules);
        for height in 1..=10_000_u64 {
            let left = node == 99 && height >= 7000;
            writer.block(&block(height, u8::from(left)), None, false);
        }
        let path = folder.join(format!("{node}.fingerprint"));
        writer
            .finish(File::create(&path).expect("a file"))
            .expect("written");
        path
    };
    let paths: Vec<_> = (0..100).map(print).collect();
    let times = medians(&mut [&mut || {
        let done = Command::new(haltbox)
            .arg("compare")
            .args(&paths)
            .stdout(Stdio::null())
            .status();
        assert_eq!(done.expect("haltbox runs").code(), Some(1));
    }]);
    println!(
        "compare of 100 fingerprints of 10,000 blocks: {:.0} ms",
        times[0] * 1e3
    );
}

fn block(height: u64, salt: u8) -> BlockTrace {
    let unit = |n: u64| Unit {
        digest: [salt ^ (height + n) as u8; 16],
        what: What::Crank {
            number: height * 8 + n,
            end: Some(haltbox_reader::trace::CrankEnd::default()),
        },
    };
    BlockTrace {
        height,
        attempt: 1,
        begun: true,
        ended: true,
        units: (0..8).map(unit).collect(),
        ..BlockTrace::default()
    }
}
