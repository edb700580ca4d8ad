//! The activityhash is a chain: each follows from the one before and from the crank's
//! crankhash. So a recording proves its own order. (swing-store, `emitCrankHashes`.)

use haltbox_format::Digest;
use sha2::{Digest as _, Sha256};

/// The chain of one source, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    last: Option<Digest>,
}

impl Chain {
    /// Takes the next crank. Returns false if its activityhash does not follow from the one
    /// before. The first crank cannot be checked.
    pub fn follows(&mut self, crankhash: Digest, activityhash: Digest) -> bool {
        let before = self.last.replace(activityhash);
        before.is_none_or(|before| next(before, crankhash) == activityhash)
    }

    /// Starts anew: the next crank cannot be checked.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// The last activityhash.
    pub fn last(&self) -> Option<Digest> {
        self.last
    }

    /// Goes back to an earlier crank, because an execution was discarded.
    pub fn go_back(&mut self, to: Option<Digest>) {
        self.last = to;
    }
}

fn next(before: Digest, crankhash: Digest) -> Digest {
    let mut text = [b'\n'; 13 + 65 + 65];
    text[..12].copy_from_slice(b"activityhash");
    hex(before, &mut text[13..77]);
    hex(crankhash, &mut text[78..142]);
    Digest(Sha256::digest(text).into())
}

fn hex(digest: Digest, out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(digest.0) {
        *pair = [
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_digest_of_the_words_as_swing_store_writes_them() {
        let (before, crankhash) = (Digest([0x1a; 32]), Digest([0xb2; 32]));
        let text = format!("activityhash\n{before}\n{crankhash}\n");
        assert_eq!(
            next(before, crankhash).0,
            <[u8; 32]>::from(Sha256::digest(text))
        );
    }
}
