//! The bytes of a mark's body.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The body of a mark: JSON, unless the type implements the bytes itself.
pub(super) trait Body: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// Parses a body; `None` if this version cannot read it.
    fn read(bytes: &[u8]) -> Option<Self>;
}

impl<T: Serialize + DeserializeOwned> Body for T {
    fn write(&self, out: &mut Vec<u8>) {
        // Writing into a `Vec` cannot fail.
        let _ = serde_json::to_writer(out, self);
    }

    fn read(bytes: &[u8]) -> Option<T> {
        serde_json::from_slice(bytes).ok()
    }
}
