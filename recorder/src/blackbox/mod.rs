//! The folder of black boxes and archive files.
//!
//! [`BoxFolder`] makes a finished file visible under its name, durably, and
//! never in place of another. What is in it is written by
//! [`haltbox_format::blackbox::BoxWriter`]. [`crate::held_boxes`] tells
//! which blocks have one.

mod folder;
#[cfg(test)]
mod tests;

pub use folder::{BoxFolder, BoxName, Published, Unpublished};
