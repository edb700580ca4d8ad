//! `haltbox record|freeze|status`: done by the sibling program.

use haltbox_format::ShowPath;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The recorder's program.
const SIBLING: &str = "haltbox-record";

/// The sibling beside this executable, else the one on PATH.
pub fn sibling() -> PathBuf {
    let here = std::env::current_exe().ok();
    let beside = here.and_then(|path| Some(path.parent()?.join(SIBLING)));
    beside
        .filter(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(SIBLING))
}

/// Becomes the sibling. Comes back only if that fails.
pub fn exec(arguments: &[OsString]) -> anyhow::Error {
    let program = sibling();
    let error = Command::new(&program).args(arguments).exec();
    anyhow::anyhow!(
        "cannot start {}: {error}; it is looked for beside haltbox and on PATH, and comes with it",
        program.shown()
    )
}
