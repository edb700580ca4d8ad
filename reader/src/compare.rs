//! Compares sources: finds the class of the fault and the first step at which two nodes
//! diverged.
//!
//! A comparison reads the sources twice. The first reading makes a trace of each source, block
//! by block, with a digest for each crank ([`crate::trace`], cut by [`cutter`]). It lays the
//! two traces side by side ([`pair`]), and its memory does not grow with the sources. The
//! second reading fetches the entries at the place where the traces part ([`evidence`]), and
//! [`classify`] names the class. Only the vocabulary knows what an entry means
//! ([`crate::vocabulary`]).
//!
//! [`diff`] runs both readings and returns a [`finding`]: the conclusion, what weakens it, and
//! what else the user should know, as data. This module has no words for people. A new cause
//! or remark is a variant here and a sentence in [`crate::report`]; the compiler asks for
//! both.

mod app_hash_dispute;
mod attempts;
mod branches;
pub mod cause;
pub mod chain;
pub mod changes;
pub mod classify;
mod comparable;
pub mod cutter;
pub mod diff;
mod divergence;
mod durable;
pub mod environment;
mod equal;
pub mod evidence;
pub mod finding;
pub mod groups;
pub mod height_ranges;
pub mod inputs;
pub mod judgements;
pub mod last_write;
mod left_out;
mod list_difference;
pub mod located_parting;
pub mod location;
pub mod order;
pub mod outcome;
pub mod pair;
pub mod parting;
pub mod reads;
pub mod recording;
mod recording_facts;
pub mod remark;
pub mod replay;
mod roots;
pub mod side;
pub mod step_part;
pub mod streams;
pub mod verdict;
pub mod version;

#[cfg(test)]
mod tests;
