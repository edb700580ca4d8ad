//! `haltbox demo`.

use clap::Args;

use super::Outcome;

/// Show a halt: two validators, one of which diverges.
#[derive(Args, Debug)]
pub struct DemoArgs {}

/// Runs the command.
pub fn run(_args: &DemoArgs) -> anyhow::Result<Outcome> {
    anyhow::bail!("the demo is not part of this build")
}
