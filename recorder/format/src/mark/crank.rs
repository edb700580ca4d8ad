//! A crank and its hashes.

use super::body::Body;
use crate::app_hash::Digest;

/// Size of the body of a crank mark.
pub const CRANK_SIZE: usize = 72;

/// See [`Mark::Crank`](super::Mark::Crank).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crank {
    /// The kernel's number of the crank.
    pub number: u64,
    /// SHA-256 over the crank's consensus writes.
    pub crankhash: Digest,
    /// SHA-256 chain over all crankhashes.
    pub activityhash: Digest,
}

/// Binary, not JSON: a block has thousands of cranks.
impl Body for Crank {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.crankhash.0);
        out.extend_from_slice(&self.activityhash.0);
    }

    fn read(bytes: &[u8]) -> Option<Crank> {
        let (number, hashes) = bytes.split_first_chunk::<8>()?;
        let (crankhash, rest) = hashes.split_first_chunk::<32>()?;
        let activityhash = rest.first_chunk::<32>()?;
        Some(Crank {
            number: u64::from_le_bytes(*number),
            crankhash: Digest(*crankhash),
            activityhash: Digest(*activityhash),
        })
    }
}
