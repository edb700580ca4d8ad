//! The first frame of a box: which box it is, on one page.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::frame::{FrameError, FrameHead, HEAD_LEN, Tag};
use super::lenient;
use crate::mark::State;
use crate::{AppHash, Digest};

/// Bytes of the identity frame: one page and at most eight sectors, so that
/// the patch that completes it is one aligned write.
pub const IDENTITY_LEN: usize = 4096;

/// The version of the box format written by this code. A reader reads later
/// ones as far as it understands them.
pub const FORMAT_VERSION: u32 = 1;

const BODY_LEN: usize = IDENTITY_LEN - HEAD_LEN;

/// Characters a free text may have when the JSON would not fit the page
/// otherwise: even fully escaped (six bytes each) four such texts fit.
const TEXT_MAX: usize = 100;

/// Which box this is. The host's name is left out on purpose: a box is meant
/// to be handed to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Version of the box format.
    #[serde(deserialize_with = "lenient::value")]
    pub format: u32,
    /// The file's name when it was written, `HEIGHT-HASH`. For people: no
    /// program opens anything by it.
    #[serde(deserialize_with = "lenient::value")]
    pub name: String,
    /// Height that was executed.
    #[serde(deserialize_with = "lenient::value")]
    pub height: Option<u64>,
    /// Which execution of the height, counted from 1.
    #[serde(deserialize_with = "lenient::value")]
    pub attempt: Option<u32>,
    /// Why the box was made.
    #[serde(deserialize_with = "lenient::value")]
    pub reason: String,
    /// What was known of the execution when the freeze began: two hashes that differ
    /// are no proof of a divergence.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub state: Option<State>,
    /// The node had told that the block does not stand: no doubt, though no hash of
    /// the network is known.
    #[serde(
        skip_serializing_if = "std::ops::Not::not",
        deserialize_with = "lenient::value"
    )]
    pub broken: bool,
    /// This node's AppHash after the height.
    #[serde(deserialize_with = "lenient::value")]
    pub app_hash: Option<AppHash>,
    /// The network's AppHash after the height.
    #[serde(deserialize_with = "lenient::value")]
    pub network_app_hash: Option<AppHash>,
    /// Name of the chain profile.
    #[serde(deserialize_with = "lenient::value")]
    pub profile: String,
    /// Digest of the profile's canonical form, which HASH depends on.
    #[serde(deserialize_with = "lenient::value")]
    pub profile_digest: Option<Digest>,
    /// Main lines of the box before the first attempt at its height, and of the
    /// execution it is about: of two boxes of one execution the one with more
    /// reaches further back.
    #[serde(deserialize_with = "lenient::value")]
    pub evidence: Option<u64>,
    /// When the freeze began, UTC, RFC 3339.
    #[serde(deserialize_with = "lenient::value")]
    pub created: String,
    /// What the box was made from, if not from a ring: a part or a redaction
    /// must not pass as the whole.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub origin: Option<String>,
    /// False until all else is in the file: a box whose writing was cut off
    /// must not pass as a whole one.
    #[serde(deserialize_with = "lenient::value")]
    pub complete: bool,
}

impl Default for Identity {
    fn default() -> Self {
        Identity {
            format: FORMAT_VERSION,
            name: String::new(),
            height: None,
            attempt: None,
            reason: String::new(),
            state: None,
            broken: false,
            app_hash: None,
            network_app_hash: None,
            profile: String::new(),
            profile_digest: None,
            evidence: None,
            created: String::new(),
            origin: None,
            complete: false,
        }
    }
}

impl Identity {
    /// The frame. Texts too long for the page are cut, because no text may
    /// keep a box from being written.
    pub fn to_bytes(&self) -> [u8; IDENTITY_LEN] {
        let whole = self.json().filter(|json| json.len() <= BODY_LEN);
        let json = whole.or_else(|| self.clipped().json()).unwrap_or_default();
        let mut body = [b' '; BODY_LEN];
        body.iter_mut()
            .zip(&json)
            .for_each(|(place, byte)| *place = *byte);
        let mut frame = [0; IDENTITY_LEN];
        if let Some(head) = FrameHead::new(Tag::Identity, &body) {
            frame[..HEAD_LEN].copy_from_slice(&head.to_bytes());
        }
        frame[HEAD_LEN..].copy_from_slice(&body);
        frame
    }

    /// Reads the frame from the first [`IDENTITY_LEN`] bytes of a file.
    pub fn parse(frame: &[u8]) -> Result<Identity, IdentityError> {
        let head = FrameHead::parse(frame).map_err(IdentityError::Frame)?;
        if head.tag != Tag::Identity || head.frame_len() != IDENTITY_LEN as u64 {
            return Err(IdentityError::NotFirst);
        }
        let body = head.proven_body(frame).map_err(IdentityError::Frame)?;
        lenient::object(body).map_err(|e| IdentityError::Json(e.to_string()))
    }

    fn json(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    fn clipped(&self) -> Identity {
        let clip = |text: &str| -> String { text.chars().take(TEXT_MAX).collect() };
        Identity {
            name: clip(&self.name),
            reason: clip(&self.reason),
            profile: clip(&self.profile),
            created: self.created.chars().take(40).collect(),
            origin: self.origin.as_deref().map(clip),
            ..self.clone()
        }
    }
}

/// Why a file's first frame is not a sound identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityError {
    /// The frame is damaged or none of Haltbox's.
    Frame(FrameError),
    /// A Haltbox frame, but not of this kind and size.
    NotFirst,
    /// The frame is whole, its text is not JSON.
    Json(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Frame(e) => write!(f, "identity: {e}"),
            IdentityError::NotFirst => {
                write!(
                    f,
                    "identity: expected {IDENTITY_LEN} bytes tagged HBXIDENT at offset 0"
                )
            }
            IdentityError::Json(e) => write!(f, "identity: {e}"),
        }
    }
}

impl std::error::Error for IdentityError {}
