//! The bytes of a mark's body.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a mark carries: JSON, unless its type says otherwise.
pub(super) trait Body: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// `None` if this version cannot read it.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl<T: Serialize + DeserializeOwned> Body for T {
    fn write(&self, out: &mut Vec<u8>) {
        // Only a writer that fails makes it fail.
        let _ = serde_json::to_writer(out, self);
    }

    fn read(bytes: &[u8]) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }
}
