//! Commands that other programs run: `haltbox record` is `haltbox-record record`.

use haltbox_model::ShowPath;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// A program that is installed with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sibling {
    /// Records a validator.
    Record,
    /// Watches cross-chain messages.
    Watch,
}

impl Sibling {
    fn name(self) -> &'static str {
        match self {
            Sibling::Record => "haltbox-record",
            Sibling::Watch => "haltbox-watch",
        }
    }

    /// The path of the program: beside this executable, else on PATH.
    pub fn program(self) -> PathBuf {
        let here = std::env::current_exe().ok();
        let beside = here.and_then(|path| Some(path.parent()?.join(self.name())));
        beside
            .filter(|path| path.is_file())
            .unwrap_or_else(|| PathBuf::from(self.name()))
    }

    /// Replaces this process by the program. Returns only if that fails.
    pub fn exec(self, arguments: &[OsString]) -> anyhow::Error {
        let error = Command::new(self.program()).args(arguments).exec();
        self.cannot_start(&error)
    }

    /// Runs the program until it ends. Returns whether it succeeded.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn run(self, arguments: &[OsString]) -> anyhow::Result<bool> {
        let status = Command::new(self.program()).args(arguments).status();
        let status = status.map_err(|error| self.cannot_start(&error))?;
        Ok(status.success())
    }

    fn cannot_start(self, error: &std::io::Error) -> anyhow::Error {
        anyhow::anyhow!(
            "cannot start {}: {error}; it is part of haltbox: install it beside haltbox or on PATH",
            self.program().shown()
        )
    }
}
