//! How the entries of a ring are read by a program that did not write it.

use std::path::Path;

use haltbox_format::Profile;
use haltbox_format::ring::History;

use crate::regular;

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
        false => Profile::named(&copy.to_string_lossy(), |_| regular::read(&copy)),
    };
    found.map_err(|error| error.to_string())
}
