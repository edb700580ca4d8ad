//! `haltbox freeze`: asks the running recorder, or reads the ring alone.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use haltbox_daemon::console;
use haltbox_daemon::operator::control::{self, Reply, Request};
use haltbox_format::ring::RingView;
use haltbox_format::{Lane, RingId};
use haltbox_model::history::History;
use haltbox_model::{Profile, ShowPath};
use haltbox_recorder::archive::ArchivedBlock;
use haltbox_recorder::freeze::{self, Plan};
use haltbox_recorder::freeze_request::{BY_REQUEST, Holder, Subject};
use haltbox_recorder::host::program::Program;
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::ring_profile::{is_of, of_ring};
use haltbox_recorder::{attached, halt_message};

use super::load_profile;
use super::signing_args::SigningArgs;

#[derive(Args)]
pub(crate) struct FreezeArgs {
    /// The recorder's folder, or a ring.
    source: PathBuf,
    /// Height to freeze; default the pinned one, else the last committed one.
    #[arg(long)]
    height: Option<u64>,
    /// Folder to write the box to; default boxes/ beside the ring.
    #[arg(long)]
    boxes: Option<PathBuf>,
    /// How to read the ring's entries; default the profile that they were recorded with.
    #[arg(long, value_name = "NAME|FILE.json")]
    profile: Option<String>,
    #[command(flatten)]
    signing: SigningArgs,
}

pub(super) fn run(args: &FreezeArgs) -> anyhow::Result<ExitCode> {
    let ring = RecorderDir::ring_meant(&args.source);
    let dir = RecorderDir::of_ring(&ring);
    let folder = dir.path();
    // The recorder has another working folder than this command.
    let boxes = args.boxes.as_deref().map(std::path::absolute).transpose();
    let boxes = boxes.context("--boxes")?;
    let request = Request::Freeze {
        height: args.height,
        boxes: boxes.clone(),
    };
    // A recorder answers for the ring that it writes, not for a renamed one.
    let in_use = RecorderDir::is_ring(&ring);
    if in_use && args.profile.is_some() && answers(folder) {
        bail!(
            "a recorder is running in {}, and freezes with the profile it records with. Leave out \
             --profile",
            folder.shown()
        );
    }
    let asked = in_use.then(|| control::ask(folder, &request)).transpose();
    let asked = asked
        .map(Option::flatten)
        .with_context(|| format!("the recorder of {} did not answer", folder.shown()))?;
    match asked {
        Some(Reply::Frozen { told, path }) => answer(args, &told, path.map(PathBuf::from)),
        // A recorder of an older version does not tell the path.
        Some(Reply::Done(told)) => answer(args, &told, None),
        Some(Reply::Failed(text)) => Err(anyhow!(text)),
        Some(Reply::AtWork { .. }) => bail!("unexpected answer from the recorder"),
        None => freeze_alone(args, &ring, boxes.unwrap_or_else(|| dir.boxes())),
    }
}

/// Prints the message of a box, and signs the box if that was asked for.
fn answer(args: &FreezeArgs, told: &str, path: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    console::print(told)?;
    args.signing.sign(path.as_deref())
}

fn answers(folder: &Path) -> bool {
    let hello = control::ask_within(folder, &Request::Hello, Some(control::ALIVE));
    !matches!(hello, Ok(None))
}

/// Freezes without a recorder. Reads the ring, and writes only the box.
fn freeze_alone(args: &FreezeArgs, ring: &Path, boxes: PathBuf) -> anyhow::Result<ExitCode> {
    let file =
        std::fs::File::open(ring).with_context(|| format!("cannot open {}", ring.shown()))?;
    let view = RingView::read(&file).map_err(|error| anyhow!("{} {error}", ring.shown()))?;
    let mut history = History::read(&file, &view)?;
    let profile = Arc::new(profile_of_dead(args, ring, &history)?);
    let told = attached::state(ring).unwrap_or_default();
    let id = view.superblock.map(|superblock| RingId(superblock.uuid));
    history.life.apply_attached(&told, id, history.last.at);
    let oldest = view.lane(Lane::Main).first_counter().unwrap_or(0);
    let subject = Subject::of(&history.life, args.height, oldest);
    let folder = ring.parent().unwrap_or(Path::new("."));
    let holder = Holder::of(folder, subject, args.height)?;
    let Subject { of, reason, .. } = match holder {
        Holder::Ring(subject) => subject,
        Holder::Archive(block) => return freeze_archived(args, &block, &boxes),
    };
    let plan = Plan {
        of,
        reason,
        boxes,
        profile: Arc::clone(&profile),
        node_program: Program::of_folder(folder),
        ask: None,
    };
    let frozen = freeze::freeze_attached(&file, &plan, ring, &told)?;
    let told = halt_message::frozen(&frozen, None);
    answer(args, &told, Some(frozen.path))
}

/// The profile for a ring without a recorder. Refuses one whose rules differ
/// from the recorded ones: it would give the blocks names that no other node
/// has.
fn profile_of_dead(args: &FreezeArgs, ring: &Path, history: &History) -> anyhow::Result<Profile> {
    let Some(asked) = &args.profile else {
        return Ok(of_ring(ring, history)?);
    };
    let profile = load_profile(asked)?;
    match history.sessions.last() {
        Some((_, session)) if !is_of(&profile, session) => bail!(
            "{} was recorded with the profile {}, but --profile asks for {}, which would give its \
             blocks other names. Leave out --profile; a custom profile is read from profile.json \
             beside the ring",
            ring.shown(),
            session.profile,
            match profile.name == session.profile {
                true => "a profile of the same name with other rules",
                false => &profile.name,
            }
        ),
        _ => Ok(profile),
    }
}

fn freeze_archived(
    args: &FreezeArgs,
    block: &ArchivedBlock,
    boxes: &Path,
) -> anyhow::Result<ExitCode> {
    let frozen = block.freeze(boxes, BY_REQUEST)?;
    let told = halt_message::frozen(&frozen, None);
    answer(args, &told, Some(frozen.path))
}
