//! The first frame of a box: it identifies the box, on one page.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::frame::{FrameError, FrameHead, HEAD_LEN, Tag};
use super::lenient;
use crate::mark::State;
use crate::{AppHash, Digest};

/// Bytes of the identity frame: one page, at most eight sectors. So the patch that
/// completes it is one aligned write.
pub const IDENTITY_LEN: usize = 4096;

/// Version of the box format. Readers refuse every later one: it is raised only when this
/// code would say something wrong of the file.
pub const FORMAT_VERSION: u32 = 1;

const BODY_LEN: usize = IDENTITY_LEN - HEAD_LEN;

/// Most characters of a free text if the JSON would not fit the page otherwise. Four such
/// texts fit even if every character is escaped as six bytes.
const TEXT_MAX: usize = 100;

/// Identifies a box. It has no host name on purpose: people pass boxes on to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Version of the box format.
    #[serde(deserialize_with = "lenient::value")]
    pub format: u32,
    /// Name of the file when it was written, `HEIGHT-HASH`. It is for people; no program
    /// opens a file by it.
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
    /// State of the execution when the freeze began. Two hashes that differ do not prove
    /// a divergence.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub state: Option<State>,
    /// The node had said that the block does not stand. That is certain even though no
    /// hash of the network is known.
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
    /// Number of main lines before the first attempt at the height, and of the execution
    /// that the box is about. Of two boxes of one execution, the one with more reaches
    /// further back.
    #[serde(deserialize_with = "lenient::value")]
    pub evidence: Option<u64>,
    /// When the freeze began, UTC, RFC 3339.
    #[serde(deserialize_with = "lenient::value")]
    pub created: String,
    /// Source of the box if that is not a ring: a part or a redacted copy must not pass
    /// as the whole box.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "lenient::value"
    )]
    pub origin: Option<String>,
    /// False until everything else is in the file: a box whose writing was interrupted
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
    /// Encodes the frame. Texts too long for the page are cut, because no text may
    /// prevent the writing of a box.
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

    /// Parses the frame from the first [`IDENTITY_LEN`] bytes of a file.
    pub fn parse(frame: &[u8]) -> Result<Identity, IdentityError> {
        let head = FrameHead::parse(frame).map_err(IdentityError::Frame)?;
        if head.tag != Tag::Identity || head.frame_len() != IDENTITY_LEN as u64 {
            return Err(IdentityError::NotFirst);
        }
        let body = head.proven_body(frame).map_err(IdentityError::Frame)?;
        lenient::object(body).map_err(|e| IdentityError::Json(e.to_string()))
    }

    /// The version of the box, if this code does not know it.
    pub fn newer_version(&self) -> Option<u32> {
        (self.format > FORMAT_VERSION).then_some(self.format)
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

/// Reasons why the first frame of a file is not a sound identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The frame is damaged, or not a Haltbox frame.
    #[error("identity: {0}")]
    Frame(FrameError),
    /// A Haltbox frame, but not of this kind and size.
    #[error("identity: expected {IDENTITY_LEN} bytes tagged HBXIDENT at offset 0")]
    NotFirst,
    /// The frame is sound, but its text is not a JSON object.
    #[error("identity: {0}")]
    Json(String),
}
