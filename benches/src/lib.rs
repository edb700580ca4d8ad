//! Interleaved rounds and medians: the ratios of one run are sound on a noisy
//! machine, single figures are not.

use std::time::Instant;

/// Rounds of every measurement.
pub const ROUNDS: usize = 9;

/// Runs the candidates in turn, [`ROUNDS`] times, and gives each one's median
/// in seconds.
pub fn medians(candidates: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut times = vec![Vec::new(); candidates.len()];
    for _ in 0..ROUNDS {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            candidate();
            times.push(begun.elapsed().as_secs_f64());
        }
    }
    times.into_iter().map(median).collect()
}

/// The middle one.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// A number from the environment.
pub fn setting(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect(name))
}

/// A folder on the checkout's disk that version control does not see: a bench
/// that is ended leaves hundreds of megabytes.
pub fn scratch() -> tempfile::TempDir {
    let target = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&target).expect("target/");
    tempfile::tempdir_in(target).expect("a folder in target/")
}

/// A real slog: the full recording where it is (`HALTBOX_DATA`, or
/// `../shared/data` beside the checkout), else the excerpt of the tests.
pub fn real_slog() -> Vec<u8> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = std::env::var_os("HALTBOX_DATA").map(std::path::PathBuf::from);
    let full = named
        .unwrap_or_else(|| root.join("../shared/data"))
        .join("honest-a.slog.zst");
    let excerpt = root.join("tests/data/honest-a-12-13.slog.zst");
    let path = if full.is_file() { full } else { excerpt };
    let file = std::fs::File::open(&path).expect("a recording");
    let mut decoder = zstd::stream::read::Decoder::new(file).expect("zstd");
    decoder.window_log_max(27).expect("a window of 128 MiB");
    let mut slog = Vec::new();
    std::io::Read::read_to_end(&mut decoder, &mut slog).expect("an intact recording");
    slog
}
