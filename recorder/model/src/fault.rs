//! What is wrong with a profile, before its file and line are known.

/// What is wrong with the meaning of a profile, and at which key.
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
