//! What recording costs, beside what it cannot cost less than.
//!
//! [`measure`] has the measurements, [`targets`] what each of them has to reach.
//! The suite prints all of them, each bench of its own one of them with more
//! detail.

pub mod machine;
pub mod measure;
pub mod plot;
pub mod programs;
pub mod report;
pub mod rounds;
pub mod targets;

use std::path::{Path, PathBuf};

/// A number from the environment.
pub fn setting(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| text.parse().expect(name))
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder on the checkout's disk that version control does not see: a bench
/// that is ended leaves hundreds of megabytes.
pub fn scratch() -> tempfile::TempDir {
    let target = root().join("target");
    std::fs::create_dir_all(&target).expect("target/");
    tempfile::tempdir_in(target).expect("a folder in target/")
}

/// A real slog: the full recording where it is (`HALTBOX_DATA`, or
/// `../shared/data` beside the checkout), else the excerpt of the tests.
pub fn real_slog() -> Vec<u8> {
    let named = std::env::var_os("HALTBOX_DATA").map(PathBuf::from);
    let full = named
        .unwrap_or_else(|| root().join("../shared/data"))
        .join("honest-a.slog.zst");
    let excerpt = root().join("tests/data/honest-a-12-13.slog.zst");
    let path = if full.is_file() { full } else { excerpt };
    let file = std::fs::File::open(&path).expect("a recording");
    let mut decoder = zstd::stream::read::Decoder::new(file).expect("zstd");
    decoder.window_log_max(27).expect("a window of 128 MiB");
    let mut slog = Vec::new();
    std::io::Read::read_to_end(&mut decoder, &mut slog).expect("an intact recording");
    slog
}
