//! The folder of black boxes and archive files.
//!
//! [`BoxFolder`] makes a finished file visible under its name, durably, and
//! replaces no other file. [`haltbox_format::blackbox::BoxWriter`] writes the
//! content. [`crate::held_boxes`] finds which blocks have a box.

mod folder;
#[cfg(test)]
mod tests;

pub use folder::{BoxFolder, FileStem, Published, Unpublished};
