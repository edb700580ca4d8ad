//! `--sign` of `freeze` and `collect`: the command itself signs its box.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use haltbox_daemon::console;
use haltbox_model::ShowPath;
use haltbox_recorder::signing::Signer;

#[derive(Args)]
pub(super) struct SigningArgs {
    /// Sign the box by ssh-keygen: a private key without a passphrase, or a public one that
    /// the ssh-agent has. The signature is BOX.sig. Exit code 1 if the box is written, but
    /// not signed.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
}

impl SigningArgs {
    /// Signs a box if that was asked for, and prints where the signature is.
    /// `path` is `None` if the recorder did not tell it. The exit code is 1 if
    /// the box has no signature: the box is there all the same.
    pub(super) fn sign(&self, path: Option<&Path>) -> anyhow::Result<ExitCode> {
        let Some(signer) = self.sign.clone().map(Signer::new) else {
            return Ok(ExitCode::SUCCESS);
        };
        let Some(path) = path else {
            let by_hand = signer.by_hand(Path::new("BOX"));
            return Ok(unsigned(&format!(
                "the recorder does not tell where the box is; to sign it by hand: {by_hand}"
            )));
        };
        match signer.sign(path, &|| false) {
            Ok(signed) => {
                let existed = match signed.existed {
                    true => " (already existed, unchanged)",
                    false => "",
                };
                console::print(&format!("  signature  {}{existed}\n", signed.path.shown()))?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Ok(unsigned(&format!(
                "{error}; to sign it by hand: {}",
                signer.by_hand(path)
            ))),
        }
    }
}

fn unsigned(why: &str) -> ExitCode {
    console::say(&format!("the box is written, but UNSIGNED: {why}"));
    ExitCode::from(1)
}
