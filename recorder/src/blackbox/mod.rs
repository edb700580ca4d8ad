//! Writing black boxes and archive files; `docs/format.md` has their bytes.
//!
//! [`BoxWriter`] turns lines into a box on any [`std::io::Write`] that can
//! seek; [`BoxFolder`] makes a finished file visible under its name, durably,
//! and never in place of another.

mod compress;
mod folder;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

pub use folder::{BoxFolder, BoxName, Published, Unpublished};
pub use sink::BoxError;
pub use writer::{BlockFacts, BoxSummary, BoxWriter, ManifestFields, Options};
