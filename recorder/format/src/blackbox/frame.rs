//! Haltbox's own skippable frames.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::Digest;

/// A field of a fixed layout: its offset and its size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in `docs/format.md`.
    pub name: &'static str,
    /// Bytes from the start of the structure.
    pub at: usize,
    /// Size in bytes.
    pub len: usize,
}

impl Field {
    pub(super) const fn new(name: &'static str, at: usize, len: usize) -> Field {
        Field { name, at, len }
    }

    /// The field's bytes; `None` if `bytes` is too short.
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.at..)?.get(..self.len)
    }

    pub(super) fn u32_of(&self, bytes: &[u8]) -> Option<u32> {
        Some(u32::from_le_bytes(self.of(bytes)?.try_into().ok()?))
    }

    pub(super) fn put(&self, bytes: &mut [u8], value: &[u8]) {
        if let Some(place) = bytes.get_mut(self.at..self.at + self.len) {
            place.copy_from_slice(value);
        }
    }
}

/// Magic number of every Haltbox frame. zstd skips it. Its last digit is neither 0, which
/// lz4 and pzstd use, nor 0xE, which seek tables use.
pub const FRAME_MAGIC: u32 = 0x184D_2A5B;

/// Bytes before the body of a Haltbox frame.
pub const HEAD_LEN: usize = 48;

const MAGIC: Field = Field::new("magic", 0, 4);
const LENGTH: Field = Field::new("length", 4, 4);
const TAG: Field = Field::new("tag", 8, 8);
const DIGEST: Field = Field::new("digest", 16, 32);

/// The layout of a Haltbox frame before its body.
pub const FRAME_FIELDS: [Field; 4] = [MAGIC, LENGTH, TAG, DIGEST];

/// Bytes that are not counted in a skippable frame's length: magic and length.
const UNCOUNTED: usize = 8;

/// Bytes of the head that the digest covers, besides the body. A frame whose length or
/// tag was changed must not pass as another frame.
const DIGESTED: usize = 16;

/// Whether a magic number begins any skippable frame.
pub fn is_skippable(magic: u32) -> bool {
    magic & 0xFFFF_FFF0 == 0x184D_2A50
}

/// What a Haltbox frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tag {
    /// The first frame: identity of the box.
    Identity,
    /// Lines of the node's log.
    Node,
    /// Node-local lines: process start, replay.
    Context,
    /// Marks of the spine lane.
    Marks,
    /// Answers of nodes about the block.
    Evidence,
    /// Where each crank ends.
    Cranks,
    /// Index of everything before it.
    Manifest,
}

impl Tag {
    /// Every tag.
    pub const ALL: [Tag; 7] = [
        Tag::Identity,
        Tag::Node,
        Tag::Context,
        Tag::Marks,
        Tag::Evidence,
        Tag::Cranks,
        Tag::Manifest,
    ];

    /// The eight bytes in the file.
    pub fn bytes(self) -> &'static [u8; 8] {
        match self {
            Tag::Identity => b"HBXIDENT",
            Tag::Node => b"HBXNODE1",
            Tag::Context => b"HBXCTX01",
            Tag::Marks => b"HBXMARK1",
            Tag::Evidence => b"HBXEVID1",
            Tag::Cranks => b"HBXCRNK1",
            Tag::Manifest => b"HBXMANI1",
        }
    }

    /// From the eight bytes in the file.
    pub fn from_bytes(bytes: &[u8]) -> Option<Tag> {
        Tag::ALL.into_iter().find(|tag| tag.bytes() == bytes)
    }
}

/// Content of any frame of a box, as the manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FrameKind {
    /// A zstd frame of slog lines.
    Slog,
    /// One of Haltbox's skippable frames.
    Tagged(Tag),
}

impl FrameKind {
    /// The word in the manifest and in messages.
    pub fn name(self) -> &'static str {
        match self {
            FrameKind::Slog => "slog",
            FrameKind::Tagged(Tag::Identity) => "identity",
            FrameKind::Tagged(Tag::Node) => "node",
            FrameKind::Tagged(Tag::Context) => "context",
            FrameKind::Tagged(Tag::Marks) => "marks",
            FrameKind::Tagged(Tag::Evidence) => "evidence",
            FrameKind::Tagged(Tag::Cranks) => "cranks",
            FrameKind::Tagged(Tag::Manifest) => "manifest",
        }
    }

    fn from_name(name: &str) -> Option<FrameKind> {
        let tagged = Tag::ALL.into_iter().map(FrameKind::Tagged);
        std::iter::once(FrameKind::Slog)
            .chain(tagged)
            .find(|kind| kind.name() == name)
    }
}

impl Serialize for FrameKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for FrameKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        FrameKind::from_name(&name)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown frame kind {name:?}")))
    }
}

/// The first [`HEAD_LEN`] bytes of a Haltbox frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// What the frame holds.
    pub tag: Tag,
    /// Bytes of the body that follows.
    pub body_len: u32,
    /// BLAKE3 of the head's first 16 bytes and the body.
    pub digest: Digest,
}

impl FrameHead {
    /// The head of a frame with this body. `None` if the body is longer than a skippable
    /// frame can hold (4 GiB less 41 bytes).
    pub fn new(tag: Tag, body: &[u8]) -> Option<FrameHead> {
        let counted = body.len().checked_add(HEAD_LEN - UNCOUNTED)?;
        u32::try_from(counted).ok()?;
        let body_len = u32::try_from(body.len()).ok()?;
        let mut head = FrameHead {
            tag,
            body_len,
            digest: Digest([0; 32]),
        };
        head.digest = Digest(*head.hasher().update(body).finalize().as_bytes());
        Some(head)
    }

    /// Parses a head. It does not check the digest, which needs the body.
    pub fn parse(bytes: &[u8]) -> Result<FrameHead, FrameError> {
        let cut = FrameError::Cut { have: bytes.len() };
        let head = bytes.get(..HEAD_LEN).ok_or(cut)?;
        let magic = MAGIC.u32_of(head).ok_or(cut)?;
        if magic != FRAME_MAGIC {
            return Err(FrameError::Magic { found: magic });
        }
        let tag = TAG.of(head).ok_or(cut)?;
        let tag = Tag::from_bytes(tag).ok_or(FrameError::Tag)?;
        let length = LENGTH.u32_of(head).ok_or(cut)?;
        let body_len = length
            .checked_sub((HEAD_LEN - UNCOUNTED) as u32)
            .ok_or(FrameError::Length { found: length })?;
        let digest = DIGEST
            .of(head)
            .and_then(|raw| raw.try_into().ok())
            .ok_or(cut)?;
        Ok(FrameHead {
            tag,
            body_len,
            digest: Digest(digest),
        })
    }

    /// The bytes in the file.
    pub fn to_bytes(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[..DIGESTED].copy_from_slice(&self.digested());
        DIGEST.put(&mut bytes, &self.digest.0);
        bytes
    }

    /// The length of the whole frame in the file.
    pub fn frame_len(&self) -> u64 {
        HEAD_LEN as u64 + u64::from(self.body_len)
    }

    /// A hasher that has consumed the head: give it the body, then compare.
    pub fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digested());
        hasher
    }

    /// The body of a frame in memory, after a check of its digest.
    pub fn proven_body<'a>(&self, frame: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let body = frame.get(HEAD_LEN..).unwrap_or_default();
        let body = body
            .get(..self.body_len as usize)
            .ok_or(FrameError::Cut { have: frame.len() })?;
        let found = self.hasher().update(body).finalize();
        if found.as_bytes() == &self.digest.0 {
            Ok(body)
        } else {
            Err(FrameError::Digest)
        }
    }

    fn digested(&self) -> [u8; DIGESTED] {
        let mut bytes = [0; DIGESTED];
        let length = self.body_len.saturating_add((HEAD_LEN - UNCOUNTED) as u32);
        MAGIC.put(&mut bytes, &FRAME_MAGIC.to_le_bytes());
        LENGTH.put(&mut bytes, &length.to_le_bytes());
        TAG.put(&mut bytes, self.tag.bytes());
        bytes
    }
}

/// Reasons why bytes are not a sound Haltbox frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end before the frame does.
    #[error("the frame is cut off after {have} bytes")]
    Cut {
        /// Bytes that exist.
        have: usize,
    },
    /// The magic number is not [`FRAME_MAGIC`].
    #[error("expected frame magic {FRAME_MAGIC:#010x}, found {found:#010x}")]
    Magic {
        /// The number found.
        found: u32,
    },
    /// This version does not know the tag.
    #[error("the frame's tag is unknown in this format version")]
    Tag,
    /// The length is too small for the head.
    #[error("expected a frame length of at least 40, found {found}")]
    Length {
        /// The length found.
        found: u32,
    },
    /// The digest does not match: head or body is damaged.
    #[error("the frame's bytes do not match its BLAKE3 digest")]
    Digest,
}
