//! Checks whether the entries of a recording are in the order in which the host wrote them. If
//! not, something behind the host lost, moved or mixed entries, and they do not describe an
//! execution.

use std::fmt;

use super::Entry;

/// Checks the order of the canonical entries of a recording.
pub trait EntryOrder: fmt::Debug + Send {
    /// Takes the next entry. Returns why it cannot be there. The following entries are then
    /// checked as if the recording began behind it.
    fn take(&mut self, entry: Entry<'_>) -> Option<Fault>;

    /// Returns why this entry, the next one to be taken, goes back behind earlier ones without a
    /// process start in between. The state at that point is then unknown.
    fn goes_back(&mut self, entry: Entry<'_>) -> Option<String>;

    /// A process starts: no block is open.
    fn starts_anew(&mut self);

    /// Forgets all earlier entries.
    fn forget(&mut self);

    /// A copy that continues separately.
    fn boxed(&self) -> Box<dyn EntryOrder>;
}

impl Clone for Box<dyn EntryOrder> {
    fn clone(&self) -> Box<dyn EntryOrder> {
        (**self).boxed()
    }
}

/// Why an entry cannot be where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason, in words.
    pub why: String,
    /// All entries before it in its block are in order.
    pub here: bool,
}

impl Fault {
    /// Earlier lines are repeated, and not each directly behind itself.
    pub fn resent_lines() -> Fault {
        Fault {
            why: "earlier entries are repeated here, with the same clock".to_owned(),
            here: false,
        }
    }
}

/// For a host whose entries may come in any order.
#[derive(Debug)]
pub(super) struct Any;

impl EntryOrder for Any {
    fn take(&mut self, _entry: Entry<'_>) -> Option<Fault> {
        None
    }

    fn goes_back(&mut self, _entry: Entry<'_>) -> Option<String> {
        None
    }

    fn starts_anew(&mut self) {}

    fn forget(&mut self) {}

    fn boxed(&self) -> Box<dyn EntryOrder> {
        Box::new(Any)
    }
}
