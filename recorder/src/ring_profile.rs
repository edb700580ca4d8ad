//! Finds the profile for reading a ring that another program wrote.

use std::path::{Path, PathBuf};

use haltbox_format::mark::Session;
use haltbox_model::history::History;
use haltbox_model::{Profile, ProfileError, ShowPath};
use thiserror::Error;

use crate::open_regular;

/// Reasons why the profile of a ring cannot be found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RingProfileError {
    /// The profile is not builtin, and the copy beside the ring cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The copy has other rules than the profile of the session.
    #[error(
        "{} has the name of the profile that the ring was recorded with, but other rules, which \
         would give its blocks other names. Restore the original profile there",
        .0.shown()
    )]
    OtherRules(PathBuf),
}

/// The profile of the ring's last session: a builtin one, or the copy that the
/// recorder left beside the ring. A ring without a session is read as Agoric's.
///
/// # Errors
/// [`RingProfileError`].
pub fn of_ring(ring: &Path, history: &History) -> Result<Profile, RingProfileError> {
    let name = match history.sessions.last() {
        Some((_, session)) => session.profile.as_str(),
        None => "agoric",
    };
    let copy = ring.with_file_name(Profile::BESIDE_RING);
    let found = match Profile::is_builtin(name) {
        true => Profile::builtin(name),
        false => Profile::named(&copy.to_string_lossy(), |_| open_regular::read(&copy)),
    };
    let found = found?;
    let own = !Profile::is_builtin(name);
    match history.sessions.last() {
        Some((_, session)) if own && !is_of(&found, session) => {
            Err(RingProfileError::OtherRules(copy))
        }
        _ => Ok(found),
    }
}

/// Whether a profile names blocks as a session's profile did.
pub fn is_of(profile: &Profile, session: &Session) -> bool {
    let rules = rules_of(profile);
    // Builtin profiles of one name have the same rules. Sessions of older
    // recorders have no digest.
    let known = !Profile::is_builtin(&profile.name) && session.rules.is_some();
    profile.name == session.profile && (!known || session.rules == rules)
}

/// Digest, in hex, of the rules by which a profile names blocks. `None` if it
/// has no slog.
pub(crate) fn rules_of(profile: &Profile) -> Option<String> {
    let slog = profile.slog.as_ref()?;
    Some(slog.canonical().name_digest().to_string())
}
