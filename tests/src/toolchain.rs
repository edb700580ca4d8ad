//! Tools that are not Rust's: where one is missing, its tests are left out,
//! except on a machine that has to have them all.

use std::process::{Command, Stdio};

/// A program is on PATH. Without it, prints that the test is left out; with
/// the environment variable `CI=true` that is a failure.
pub fn toolchain(name: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", "command -v \"$0\"", name])
        .stdout(Stdio::null());
    if look.status().expect("sh runs").success() {
        return true;
    }
    let must = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!must, "CI=true, and {name} is missing");
    println!("skipped: {name} is missing");
    false
}
