//! Whether the entries of a recording stand behind one another as their host wrote
//! them. Where they do not, something behind the host lost, moved or mixed them, and what
//! they tell there is of no execution.

use std::fmt;

use super::Entry;

/// Follows the entries of a recording, canonical ones alone.
pub trait EntryOrder: fmt::Debug + Send {
    /// Takes the next entry; says why it cannot stand here. What follows is then looked
    /// at as if the recording began behind it.
    fn take(&mut self, entry: Entry<'_>) -> Option<Fault>;

    /// Says why if this entry, the next one to be taken, goes back behind what stood
    /// before, and no process starts between the two: what was stored then is not known.
    fn goes_back(&mut self, entry: Entry<'_>) -> Option<String>;

    /// A process starts: no block is open.
    fn starts_anew(&mut self);

    /// Nothing is known of what stood before.
    fn forget(&mut self);

    /// The same course, to be followed by itself.
    fn boxed(&self) -> Box<dyn EntryOrder>;
}

impl Clone for Box<dyn EntryOrder> {
    fn clone(&self) -> Box<dyn EntryOrder> {
        (**self).boxed()
    }
}

/// Why an entry cannot stand where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In words.
    pub why: String,
    /// All before it in its block stands as it was written.
    pub here: bool,
}

impl Fault {
    /// Lines came again, and not right behind themselves.
    pub fn resent_lines() -> Fault {
        Fault {
            why: "earlier entries are repeated here, with the same clock".to_owned(),
            here: false,
        }
    }
}

/// Of a host whose entries may follow one another in any order.
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
