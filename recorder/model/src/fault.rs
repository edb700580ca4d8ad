//! An error in a profile, before the caller adds the file's name.

/// An error in the meaning of a profile, and the key that has it.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) problem: String,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, problem: String) -> Fault {
        Fault {
            key: key.into(),
            problem,
        }
    }
}
