//! `haltbox cat` of a box beside `zstd -dc`, the gate that tells an entry by its
//! type, `haltbox diff` of two slogs beside jq and diff, and `haltbox compare`.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use haltbox_model::Profile;
use haltbox_reader::fingerprint::Writer;
use haltbox_reader::trace::{BlockTrace, CrankEnd, Unit, What};

use crate::programs::{missing, released, run};
use crate::report::time;
use crate::rounds::{Rounds, Spread, alone, beside, few, own_seconds, seconds, usual};
use crate::targets::Figure;
use crate::{real_slog, scratch};

/// How fast an entry's type is told, and how many need more than that.
pub fn gate() -> Vec<Figure> {
    let slog = real_slog();
    let profile = Profile::builtin("agoric").expect("builtin");
    let rules = profile.slog.as_ref().expect("the slog's rules");
    let lines = slog.split(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = lines.filter(|line| !line.is_empty()).collect();
    let mut telling = 0_usize;
    let rounds = alone(
        usual(),
        &mut own_seconds(|| {
            let told = lines.iter().map(|line| rules.read(black_box(line)));
            telling = told.filter(|entry| entry.events().next().is_some()).count();
        }),
    );
    let speed = rounds.own(|seconds| slog.len() as f64 / seconds / 1e9);
    let share = Spread::exact(100.0 * telling as f64 / lines.len() as f64);
    let (of_a_line, count) = (rounds.candidate() / lines.len() as f64, lines.len());
    let detail = format!("{} a line of {} B", time(of_a_line), slog.len() / count);
    vec![
        Figure::new("entry gate", speed, Some(rounds.control()), detail),
        Figure::new(
            "entry gate, members",
            share,
            None,
            format!("of {count} lines"),
        ),
    ]
}

/// `haltbox cat` of a box of the real slog.
pub fn cat() -> Result<Vec<Figure>, String> {
    missing(&["zstd"])?;
    let folder = scratch();
    let slog = folder.path().join("slog");
    let text = real_slog();
    std::fs::write(&slog, &text).expect("a slog");
    let recorded = frozen(folder.path(), &slog);
    let print = |command: &mut Command| assert_eq!(run(command.arg(&recorded)), 0);
    let rounds = beside(
        usual(),
        &mut seconds(|| print(Command::new("zstd").args(["-dc", "-q"]))),
        &mut seconds(|| print(haltbox().arg("cat"))),
    );
    let control = Some(rounds.control());
    Ok(vec![
        box_size(&recorded, &text),
        Figure::new("haltbox cat", rounds.speed(), control, times(&rounds)),
    ])
}

/// A box of all of a slog, beside the slog as zstd makes it smaller.
fn box_size(recorded: &Path, slog: &[u8]) -> Figure {
    let plain = zstd::stream::encode_all(slog, 1).expect("zstd").len();
    let size = std::fs::metadata(recorded).expect("the box").len();
    let ratio = Spread::exact(size as f64 / plain as f64);
    Figure::new(
        "box size",
        ratio,
        None,
        format!("{size} bytes, {plain} bytes"),
    )
}

fn haltbox() -> Command {
    Command::new(released().join("haltbox"))
}

fn times(rounds: &Rounds) -> String {
    format!("{}, {}", time(rounds.candidate()), time(rounds.base()))
}

/// A box of this slog.
fn frozen(folder: &Path, slog: &Path) -> PathBuf {
    let dir = folder.join("node");
    let mut record = haltbox();
    record.args(["record", "--size", "100MiB", "--slog", "-", "--dir"]);
    record.arg(&dir).stdin(File::open(slog).expect("the slog"));
    assert_eq!(run(&mut record), 0);
    assert_eq!(run(haltbox().arg("freeze").arg(&dir)), 0);
    let boxes = std::fs::read_dir(dir.join("boxes")).expect("boxes");
    let mut paths = boxes.flatten().map(|entry| entry.path());
    paths.find(|path| path.is_file()).expect("a box")
}

/// `haltbox diff` beside what Agoric's scripts did: jq without the times on both,
/// then diff.
pub fn diff() -> Result<Vec<Figure>, String> {
    missing(&["jq", "diff"])?;
    let folder = scratch();
    let slogs = ["a.slog", "b.slog"].map(|name| folder.path().join(name));
    let text = real_slog();
    for slog in &slogs {
        std::fs::write(slog, &text).expect("a slog");
    }
    let filter = "del(.time,.monotime,.seconds,.dr[2]?.timestamps?,.memoryUsage,.heapStats,.statsTime,.compressSeconds,.dbSaveSeconds)";
    let script = format!(
        "jq -c '{filter}' a.slog > a.jq && jq -c '{filter}' b.slog > b.jq && diff -q a.jq b.jq"
    );
    let in_folder = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(folder.path());
        assert_eq!(run(&mut shell), 0);
    };
    let rounds = beside(
        few(),
        &mut seconds(in_folder),
        &mut seconds(|| assert_eq!(run(haltbox().arg("diff").args(&slogs)), 0)),
    );
    Ok(vec![Figure::new(
        "haltbox diff",
        rounds.speed(),
        Some(rounds.control()),
        times(&rounds),
    )])
}

/// A hundred validators, 10,000 blocks each; one leaves at height 7,000.
pub fn compare() -> Vec<Figure> {
    let folder = scratch();
    let prints: Vec<_> = (0..100)
        .map(|node| fingerprint(node, folder.path()))
        .collect();
    let rounds = alone(
        usual(),
        &mut seconds(|| assert_eq!(run(haltbox().arg("compare").args(&prints)), 1)),
    );
    let found = rounds.own(|seconds| seconds);
    let control = Some(rounds.control());
    vec![Figure::new(
        "haltbox compare",
        found,
        control,
        String::new(),
    )]
}

fn fingerprint(node: u32, folder: &Path) -> PathBuf {
    let profile = Profile::builtin("agoric").expect("builtin");
    let rules = profile.slog.as_ref().expect("the slog's rules");
    let mut writer = Writer::new(rules.canonical().digest());
    for height in 1..=10_000_u64 {
        let left = node == 99 && height >= 7000;
        writer.block(&block(height, u8::from(left)), None, false);
    }
    let path = folder.join(format!("{node}.fingerprint"));
    let file = File::create(&path).expect("a file");
    writer.finish(file).expect("written");
    path
}

fn block(height: u64, salt: u8) -> BlockTrace {
    let unit = |n: u64| Unit {
        digest: [salt ^ (height + n) as u8; 16],
        what: What::Crank {
            number: height * 8 + n,
            end: Some(CrankEnd::default()),
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
