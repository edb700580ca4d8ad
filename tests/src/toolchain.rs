//! Programs that some tests need and a machine may lack.

use std::path::PathBuf;

/// Whether a program is on PATH. A test that lacks one is left out, with a word;
/// where everything has to be there (`CI=true`) it fails.
pub fn toolchain(name: &str) -> bool {
    let there = find(name).is_some();
    let required = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        there || !required,
        "CI=true, and there is no {name} on PATH"
    );
    if !there {
        println!("skipped: there is no {name} on PATH");
    }
    there
}

fn find(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&paths).map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}
