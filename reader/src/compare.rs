//! Comparing sources: the class of the fault and the first step at which two
//! nodes parted.
//!
//! Two readings. The first makes a trace of each source, block by block, a
//! digest for each crank ([`crate::trace`], cut by [`cutter`]), and lays the traces side by side
//! ([`pair`]): memory does not grow with the sources. Where they part, the
//! second fetches the entries ([`evidence`]) and tells the class ([`classify`]).
//! What an entry means is the business of its vocabulary alone ([`crate::vocabulary`]).
//!
//! [`diff`] reads, and hands on a [`finding`]: what is concluded, what weakens that, and what
//! should be known besides, as data. This module has no words for people: a new cause or remark
//! is a variant here and a sentence in [`crate::report`], and the compiler asks for both.

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
