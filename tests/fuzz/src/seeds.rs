//! Writes what a target starts from into a folder, for libFuzzer.

use std::io::Result;
use std::path::Path;

use crate::Target;

/// Writes each seed of a target as a file.
///
/// # Errors
/// A file cannot be written.
pub fn write(target: &Target, folder: &Path) -> Result<()> {
    for (at, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{at}")), seed)?;
    }
    Ok(())
}
