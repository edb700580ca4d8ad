//! Comparing sources: the class of the fault and the first step at which two
//! nodes parted.
//!
//! Two readings. The first makes a tape of each source, block by block, a
//! digest for each crank ([`crate::tape`], cut by [`cutter`]), and lays the tapes side by side
//! ([`pair`]): memory does not grow with the sources. Where they part, the
//! second fetches the entries ([`evidence`]) and tells the class ([`verdict`]).
//! What an entry means is the business of its vocabulary alone ([`crate::vocabulary`]).

mod attempts;
mod branches;
pub mod chain;
pub mod changes;
pub mod cutter;
pub mod diff;
mod dispute;
pub mod document;
mod durable;
mod environment;
pub mod evidence;
pub mod groups;
pub mod inputs;
pub mod judgements;
pub mod last_write;
mod order;
mod outcome;
pub mod pair;
mod part;
pub mod party;
pub mod reads;
pub mod repeats;
pub mod replay;
mod roots;
pub mod settle;
mod standing;
pub mod streams;
mod told;
pub mod verdict;
pub mod version;
