//! Why a source cannot be read, and what helps.

use std::io;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) why: String,
    pub(crate) mend: &'static str,
}

impl Failure {
    pub(crate) fn of(error: &io::Error) -> Failure {
        Failure {
            why: error.to_string(),
            mend: match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "give the recorder's user permission to read it (chmod, chgrp, logrotate's \
                     create)"
                }
                _ => "check the file and its disk (ls -l, dmesg)",
            },
        }
    }

    /// Something else is where the file should be.
    pub(crate) fn no_file(what: &str) -> Failure {
        Failure {
            why: format!("it is {what}"),
            mend: "put the file that the node writes back in its place",
        }
    }
}
