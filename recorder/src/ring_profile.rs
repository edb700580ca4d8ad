//! How the entries of a ring are read by a program that did not write it.

use std::path::Path;

use haltbox_format::mark::Session;
use haltbox_model::history::History;
use haltbox_model::{Profile, ShowPath};

use crate::open_regular;

/// The profile of the ring's last recorder: a builtin one, or the copy that the
/// recorder left beside it. A ring that nobody recorded into is Agoric's.
///
/// # Errors
/// What is wrong with the copy.
pub fn of_ring(ring: &Path, history: &History) -> Result<Profile, String> {
    let name = match history.sessions.last() {
        Some((_, session)) => session.profile.as_str(),
        None => "agoric",
    };
    let copy = ring.with_file_name(Profile::BESIDE_RING);
    let found = match Profile::is_builtin(name) {
        true => Profile::builtin(name),
        false => Profile::named(&copy.to_string_lossy(), |_| open_regular::read(&copy)),
    };
    let found = found.map_err(|error| error.to_string())?;
    let own = !Profile::is_builtin(name);
    match history.sessions.last() {
        Some((_, session)) if own && !is_of(&found, session) => Err(format!(
            "{} has the name of the profile that the ring was recorded with, but other rules, \
             which would give its blocks other names. Restore the original profile there",
            copy.shown()
        )),
        _ => Ok(found),
    }
}

/// Whether a profile names blocks as the one of a session did.
pub fn is_of(profile: &Profile, session: &Session) -> bool {
    let rules = rules_of(profile);
    // Builtin ones are the same by name; an older recorder wrote no digest.
    let known = !Profile::is_builtin(&profile.name) && session.rules.is_some();
    profile.name == session.profile && (!known || session.rules == rules)
}

/// The digest of the rules by which a profile names blocks, in hex.
pub(crate) fn rules_of(profile: &Profile) -> Option<String> {
    let slog = profile.slog.as_ref()?;
    Some(slog.canonical().name_digest().to_string())
}
