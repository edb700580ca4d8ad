//! The accusation audit: pairs of recordings whose truth is known, by the million.
//!
//! A machine executes a small chain; two nodes record it, each in its own way, and damage
//! takes what damage takes. Of two that executed the same nobody may be accused. Where
//! one did something otherwise, the two are never called identical. What is said is the
//! reader's own word: `diff`, `compare`, and the names of blocks.
//!
//! ```text
//! seed --> Case --> Kernel, Ledger   what is executed, with a fault or without
//!            |
//!            +--> Life, Damage, Form  how it is recorded, and what is left --> Tape
//!                                                                               |
//!                                        Checker: what is said, held to the truth
//! ```

pub mod case;
pub mod check;
pub mod damage;
pub mod fault;
pub mod form;
pub mod kernel;
pub mod ledger;
pub mod node;
pub mod random;
pub mod run;
pub mod tally;
pub mod tape;
