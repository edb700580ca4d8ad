//! Real entries for tests: a few that are committed, and whole recordings if this machine
//! has them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use zstd::Decoder;

/// One real entry of every type in the recordings, the shortest one, and a second one as
/// a replay if there is any.
pub(crate) fn samples() -> impl Iterator<Item = &'static [u8]> {
    include_str!("../testdata/types.slog")
        .lines()
        .map(str::as_bytes)
}

/// Calls `take` with every line of a recording. If this machine has no recordings: prints
/// a line and returns `false`.
pub(crate) fn each_line(name: &str, mut take: impl FnMut(&[u8])) -> bool {
    let path = folder().join(format!("{name}.slog.zst"));
    let Ok(file) = File::open(&path) else {
        println!(
            "skipped: no recording at {} (set HALTBOX_DATA)",
            path.display()
        );
        return false;
    };
    let mut decoder = Decoder::new(file).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut lines = BufReader::with_capacity(1 << 20, decoder);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        take(line.strip_suffix(b"\n").unwrap_or(&line));
        line.clear();
    }
    true
}

fn folder() -> PathBuf {
    match std::env::var_os("HALTBOX_DATA") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    }
}

/// Random numbers that are the same in every run, and of another seed with `HALTBOX_SEED`.
/// A test that fails prints the seed.
pub(crate) fn seeded(seed: u64) -> Rng {
    let given = std::env::var("HALTBOX_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or(seed);
    println!("HALTBOX_SEED={seed}");
    Rng::with_seed(seed)
}

/// A copy of the line with up to three bytes changed, cut out or put in.
pub(crate) fn damaged(line: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut damaged = line.to_vec();
    for _ in 0..=random.usize(..3) {
        let at = random.usize(..damaged.len());
        let byte = br#""\{}[],:tf0 "#[random.usize(..12)];
        match random.usize(..3) {
            0 => damaged[at] = byte,
            1 => damaged.insert(at, byte),
            _ if damaged.len() > 1 => drop(damaged.remove(at)),
            _ => {}
        }
    }
    damaged
}
