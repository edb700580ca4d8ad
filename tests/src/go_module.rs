//! The Go module and the library it links.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::toolchain::needs;
use crate::{forget_package, programs, root};

/// The module's folder.
pub fn module() -> PathBuf {
    root().join("ffi/go")
}

/// Puts the library of this build into its place, once. Needs Go and a C compiler.
pub fn link() {
    static LINKED: OnceLock<()> = OnceLock::new();
    ["go", "cc"].into_iter().for_each(needs);
    LINKED.get_or_init(|| build_library(None));
}

/// Puts the library into its place that programs have in them, linked with
/// `-tags static_haltbox`. Needs what [`link`] needs.
pub fn link_into_programs() {
    static LINKED: OnceLock<()> = OnceLock::new();
    link();
    LINKED.get_or_init(|| build_library(Some("--static")));
}

fn build_library(kind: Option<&str>) {
    let profile = programs();
    let release = profile.file_name().is_some_and(|name| name == "release");
    let mut build = Command::new(module().join("build-lib"));
    build.args(kind).args((!release).then_some("--dev"));
    build.env("CARGO_TARGET_DIR", profile.parent().expect("target"));
    forget_package(&mut build);
    assert!(build.status().expect("bash").success(), "build-lib");
}

/// Runs the go command, which must be content.
pub fn go(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) {
    let mut go = Command::new("go");
    go.current_dir(folder).args(arguments);
    go.env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false");
    go.env("HALTBOX_PROGRAMS", programs());
    go.envs(environment.iter().copied());
    let done = go.output().expect("go runs");
    let said = [done.stdout, done.stderr].concat();
    assert!(
        done.status.success(),
        "in {}: {environment:?} go {arguments:?}\n{}",
        folder.display(),
        String::from_utf8_lossy(&said)
    );
}
