//! `haltbox collect`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use haltbox_daemon::console;
use haltbox_daemon::{collect, rpc};
use haltbox_model::{Outside, ShowPath};

use super::signing_args::SigningArgs;

#[derive(Args)]
pub(crate) struct CollectArgs {
    /// RPC endpoint of the node. Credentials in the URL are sent, but never shown.
    #[arg(long, value_name = "URL", required_unless_present = "answers")]
    rpc: Option<rpc::Endpoint>,
    /// Use the answers that a node gave when a box was frozen, instead of a node: the output
    /// of haltbox cat --stream evidence BOX; - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "rpc")]
    answers: Option<PathBuf>,
    /// The height that was executed: one less than that of the header with its AppHash.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    height: u64,
    /// Folder to write the box to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// A store to query in addition to the known ones (listed in docs/cosmos.md). Can be
    /// repeated.
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
    #[command(flatten)]
    signing: SigningArgs,
}

pub(super) fn run(args: CollectArgs) -> anyhow::Result<ExitCode> {
    let from = match (args.rpc, &args.answers) {
        (Some(node), _) => collect::From::Rpc(node),
        (None, Some(file)) => collect::From::Answers(answers_of(file)?),
        (None, None) => bail!("expected --rpc or --answers"),
    };
    let collected = collect::collect(&collect::Options {
        from,
        height: args.height,
        out: args.out,
        stores: args.store,
    })?;
    let lack = |lack: &String| format!("  missing    {}\n", Outside::text(lack));
    let lacks: String = collected.lacks.iter().map(lack).collect();
    console::print(&format!(
        "{}\n  contains   {}\n{lacks}",
        collected.path.shown(),
        collected.tells.join(", ")
    ))?;
    let signed = args.signing.sign(Some(&collected.path))?;
    Ok(match collected.whole {
        true => signed,
        false => ExitCode::from(1),
    })
}

/// Most bytes of answers that are read. No box has more.
const ANSWERS: u64 = 256 << 20;

fn answers_of(file: &Path) -> anyhow::Result<Vec<u8>> {
    let name = || file.shown().to_string();
    let mut input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(file).with_context(name)?),
    };
    let mut bytes = Vec::new();
    let read = input.by_ref().take(ANSWERS).read_to_end(&mut bytes);
    read.with_context(name)?;
    Ok(bytes)
}
