//! Mutations of a real slog whose verdict and place are known by construction:
//! the measure of `haltbox diff`.
//!
//! Bytes are changed where they stand; no line is ever written anew, so that a
//! case differs from its base in what its name says and in nothing else.

mod cases;
pub mod forms;
pub mod honest;
pub mod mirror;
mod renumber;
mod slog;
mod writers;

pub use cases::cases;
pub use renumber::renumber;
pub use slog::Slog;

/// What `haltbox diff` must say of a case against its base.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The verdict.
    pub verdict: &'static str,
    /// The exit code.
    pub exit: i32,
    /// Parts of the place that are known.
    pub height: Option<u64>,
    /// Crank.
    pub crank: Option<u64>,
    /// Delivery.
    pub delivery: Option<u64>,
    /// Syscall.
    pub syscall: Option<u64>,
    /// Type of the entry.
    pub kind: Option<String>,
    /// Words that the summary must hold.
    pub words: Option<&'static str>,
}

/// One mutated slog.
pub struct Case {
    /// What was done, and where.
    pub name: String,
    /// What kind of mutation.
    pub kind: &'static str,
    /// The slog.
    pub bytes: Vec<u8>,
    /// What must be said of it.
    pub expected: Expected,
}

impl Expected {
    /// A verdict with the exit code that goes with it.
    pub fn new(verdict: &'static str) -> Expected {
        let exit = match verdict {
            "identical" => 0,
            "evidence insufficient" => 2,
            _ => 1,
        };
        Expected {
            verdict,
            exit,
            ..Expected::default()
        }
    }
}
