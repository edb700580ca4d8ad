//! `haltbox completions`.

use clap::Args;
use clap_complete::Shell;

use super::{Outcome, output};

/// Print the completion script for a shell.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// Shell to complete for.
    shell: Shell,
}

/// Runs the command. `program` has all commands.
pub fn run(args: &CompletionsArgs, program: &mut clap::Command) -> anyhow::Result<Outcome> {
    // The generator panics if it cannot write, so it writes into memory first.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, program, "haltbox", &mut script);
    output::unchanged(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Fine)
}
