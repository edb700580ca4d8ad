//! The programs that are measured, and those that they are measured beside.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::root;

/// The folder of the released programs, which are built first.
pub fn released() -> &'static PathBuf {
    static RELEASED: OnceLock<PathBuf> = OnceLock::new();
    RELEASED.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--release", "--quiet", "--locked"]);
        build.args(["-p", "haltbox-cli", "-p", "haltbox-daemon"]);
        let built = build.current_dir(root()).status();
        assert!(built.expect("cargo runs").success(), "they do not build");
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        target
            .unwrap_or_else(|| root().join("target"))
            .join("release")
    })
}

/// Why a measurement is left out if one of these programs is not here.
pub fn missing(needed: &[&str]) -> Result<(), String> {
    let lacks = needed.iter().filter(|program| !is_here(program));
    match lacks.copied().collect::<Vec<_>>() {
        lacks if lacks.is_empty() => Ok(()),
        lacks => Err(format!("{} is not here", lacks.join(", "))),
    }
}

fn is_here(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    let told = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    told.is_ok()
}

/// Runs a command whose output nobody needs, and gives its exit code.
pub fn run(command: &mut Command) -> i32 {
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    let ended = ended.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    ended.code().unwrap_or(-1)
}
