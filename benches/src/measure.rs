//! The measurements. Each gives its figures; a bench of its own and the suite
//! both print them.

pub mod append;
pub mod count;
pub mod curves;
pub mod freeze;
pub mod ingest;
pub mod node;
pub mod paced;
pub mod read;
pub mod run;
pub mod tails;

use crate::targets::Figure;

/// A measurement of the suite: its name, and what it found. An error says why it
/// is left out.
pub type Measurement = (&'static str, fn() -> Result<Vec<Figure>, String>);

/// All of them, in the order of the targets.
pub const ALL: [Measurement; 10] = [
    ("append", || Ok(append::figures())),
    ("paced", paced::figures),
    ("ingest", || Ok(ingest::figures())),
    ("gate", || Ok(read::gate())),
    ("freeze", || Ok(freeze::figures())),
    ("cat", read::cat),
    ("diff", read::diff),
    ("compare", || Ok(read::compare())),
    ("run", || Ok(run::figures())),
    ("node", node::figures),
];
