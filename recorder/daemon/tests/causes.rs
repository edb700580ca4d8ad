//! Each error holds the system's own in a typed field, and says it once.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;

use haltbox_daemon::intake::{self, Place, Source};
use haltbox_daemon::operator::guard::{self, NoFacts, ReleaseError, Unusable};
use haltbox_daemon::operator::inspect::{self, Unseen};
use haltbox_daemon::operator::try_log::{Reading, ReadingError};
use haltbox_daemon::run::output::Copying;
use haltbox_format::Stream;
use haltbox_model::Profile;

type Caused = (Box<dyn Error>, Option<io::ErrorKind>);

fn caused<E: Error + 'static>(error: E, cause: fn(&E) -> Option<&io::Error>) -> Caused {
    let kind = cause(&error).map(io::Error::kind);
    (error.into(), kind)
}

/// What fails if there is nothing at a path.
fn without(path: &Path) -> [Caused; 4] {
    let look = inspect::look(path).expect_err("no ring");
    let release = guard::release(path, 7).expect_err("no ring");
    let source = Source::open(Stream::Slog, &Place::Wrapped(path.into()), None, 0);
    let memory = File::open("/dev/null").expect("a file");
    let copying = Copying::begin(path, memory, 0, |_| {});
    [
        caused(look, |error| match &error.error {
            Unseen::NotOpened(error) => Some(error),
            _ => None,
        }),
        caused(release, |error| match error {
            ReleaseError::Ring(NoFacts {
                why: Unusable::Io(error),
                ..
            }) => Some(error),
            _ => None,
        }),
        caused(source.err().expect("no FIFO"), |error| match error {
            intake::OpenError::Wrapped { error, .. } => Some(error),
            _ => None,
        }),
        caused(copying.err().expect("no folder"), |error| {
            Some(&error.error)
        }),
    ]
}

/// A log that cannot be read.
struct Unreadable;

impl io::Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn unreadable_log() -> Caused {
    let profile = Profile::builtin("cosmos").expect("a profile");
    let mut log = io::BufReader::new(Unreadable);
    let read = Reading::of(&mut log, &profile).expect_err("no log");
    caused(read, |error| match error {
        ReadingError::Log(error) => Some(error),
        _ => None,
    })
}

/// The texts of an error and of all that it gives as its source.
fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said += &format!(": {error}");
        source = error.source();
    }
    said
}

#[test]
fn the_system_s_error_is_there_and_is_said_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing");
    for (error, kind) in without(&missing).into_iter().chain([unreadable_log()]) {
        assert_eq!(kind, Some(io::ErrorKind::NotFound), "{error:?}");
        assert_eq!(chain(error.as_ref()), error.to_string(), "{error:?}");
    }
}
