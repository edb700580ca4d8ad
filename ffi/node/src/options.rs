//! What slog-sender.js asks for, as the recorder takes it.

use std::path::Path;

use haltbox_format::Profile;
use haltbox_recorder::host::{Background, DEFAULT_SIZE, Options};
use haltbox_recorder::operator::size::parse_size;

/// Bytes of the archive for which the environment gives no other number.
const DEFAULT_ARCHIVE: u64 = 2 << 30;

/// The settings as texts; empty where the environment has none.
pub(crate) struct Asked {
    pub(crate) dir: String,
    pub(crate) size: String,
    pub(crate) background: String,
    pub(crate) archive_bytes: String,
}

impl Asked {
    /// # Errors
    /// A sentence that names the setting.
    pub(crate) fn options(&self) -> Result<Options, String> {
        let profile = Profile::builtin("agoric").map_err(|error| error.to_string())?;
        Ok(Options {
            size: size("HALTBOX_SIZE", &self.size, DEFAULT_SIZE)?,
            background: self.background()?,
            ..Options::new(Path::new(&self.dir), profile)
        })
    }

    fn background(&self) -> Result<Option<Background>, String> {
        let archive_bytes = size(
            "HALTBOX_ARCHIVE_BYTES",
            &self.archive_bytes,
            DEFAULT_ARCHIVE,
        )?;
        match self.background.as_str() {
            "" | "0" => Ok(None),
            "1" => Ok(Some(Background {
                archive_bytes,
                ..Background::default()
            })),
            other => Err(format!(
                "HALTBOX_BACKGROUND: expected 1 or 0, found {other:?}"
            )),
        }
    }
}

fn size(name: &str, text: &str, default: u64) -> Result<u64, String> {
    match text {
        "" => Ok(default),
        text => parse_size(text).map_err(|why| format!("{name}: {why}")),
    }
}
