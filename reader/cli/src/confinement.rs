//! Gives up what a command that reads does not need, before it reads what others wrote.
//!
//! A box comes from somebody else, and is decoded by a large decompressor and parsers. If one of
//! them had a fault that a hostile file could use, the process could still only read: it writes
//! no file but the one it was asked for, starts no program, and reaches no network.

#[cfg(target_os = "linux")]
mod rules;

use std::path::Path;

/// What a command does besides reading files.
#[derive(Debug, Default)]
pub struct Needs<'a> {
    /// The file that it writes.
    pub output: Option<&'a Path>,
    /// Whether it starts a program, such as ssh-keygen.
    pub programs: bool,
}

impl<'a> Needs<'a> {
    /// Writing this file, if any.
    pub fn writing(output: Option<&'a Path>) -> Needs<'a> {
        Needs {
            output,
            programs: false,
        }
    }
}

/// Gives up everything else, for good, as far as this system can. Call it before any other thread
/// runs: it binds the calling thread, and those that it starts.
///
/// # Errors
/// The system refuses the rules.
pub fn confine(needs: &Needs<'_>) -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    rules::restrict(needs, &std::env::temp_dir())?;
    #[cfg(not(target_os = "linux"))]
    let _ = needs;
    Ok(())
}
