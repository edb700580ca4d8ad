//! `haltbox-record`: the program that runs beside a validator.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use haltbox_format::ShowPath;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand};
use haltbox_daemon::collect::{self, collect};
use haltbox_daemon::intake::Place;
use haltbox_daemon::operator::concerns::Judging;
use haltbox_daemon::operator::control::{self, Reply, Request};
use haltbox_daemon::operator::doctor::{self, Finding};
use haltbox_daemon::operator::guard::{self, Verdict};
use haltbox_daemon::operator::try_log::Reading;
use haltbox_daemon::operator::{prometheus, status};
use haltbox_daemon::run::link::Handed;
use haltbox_daemon::{attach, rpc, run, serve};
use haltbox_format::ring::{History, RingView};
use haltbox_format::{Lane, Outside, Profile, RingId};
use haltbox_recorder::after_freeze::{AfterFreeze, Budget};
use haltbox_recorder::archive::ArchivedBlock;
use haltbox_recorder::attached;
use haltbox_recorder::console;
use haltbox_recorder::freeze::{self, Plan};
use haltbox_recorder::halt_message;
use haltbox_recorder::host::program::Program;
use haltbox_recorder::ring_profile::{is_of, of_ring};
use haltbox_recorder::size::parse_size;
use haltbox_recorder::subject::{BY_REQUEST, Holder, Subject};
use haltbox_recorder::triggers::Policy;

/// Records what a blockchain node executes, and freezes a black box when its
/// AppHash turns out to differ from the network's.
#[derive(Parser)]
#[command(name = "haltbox", version, bin_name = "haltbox")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record a slog and a node log until they end.
    Record(RecordArgs),
    /// Run a node with a recorder beside it: its slog goes into a file or FIFO of
    /// the folder, its exit code comes back.
    Run(RunArgs),
    /// Freeze a black box now.
    Freeze(FreezeArgs),
    /// Ask a node by RPC what it still tells of a height, and write that as a box that
    /// diff takes: for nodes without a recorder, and for healthy ones beside them.
    ///
    /// Exit code 0 if the block, its results and its AppHash are told, 1 if a part of
    /// them is, 2 if nothing can be written.
    Collect(CollectArgs),
    /// Say what a recorder holds and whether anything needs attention.
    Status(StatusArgs),
    /// Say what keeps a recorder from helping at a halt, and how to mend it.
    Doctor(DoctorArgs),
    /// Say whether the node may be started: not the same build again over a block at
    /// which a box proves that it diverged.
    ///
    /// For ExecStartPre= of the node's unit. Exit code 1 refuses the start; 0 is given in
    /// every other case, doubts and errors included.
    Guard(GuardArgs),
    /// Write the manual's pages of these commands into a folder.
    #[command(hide = true)]
    Manual {
        /// The folder.
        folder: PathBuf,
    },
}

/// Sightings that freeze a block by default, and seconds between two questions.
const ROUNDS: u32 = 8;
const RPC_SECONDS: u64 = 2;

/// Options of a recorder that reads sources and writes its ring itself.
const ATTACHED_HAS_NO: [&str; 8] = [
    "dir",
    "slog",
    "wrapped_fifo",
    "of_run",
    "give_back",
    "size",
    "metrics",
    "max_block_age",
];

#[derive(Args)]
struct RecordArgs {
    /// Folder of the ring and the boxes; never under the node's data/.
    #[arg(long, required_unless_present = "attach")]
    dir: Option<PathBuf>,
    /// Beside a host that writes its ring itself: freeze and archive for it. Where the
    /// host knows no AppHash, give --node-log, --journal or --rpc too.
    #[arg(long, value_name = "RING", conflicts_with_all = ATTACHED_HAS_NO)]
    attach: Option<PathBuf>,
    /// The host's slog: a file that is followed, a folder into which the node writes
    /// a file for each block, a FIFO, - for standard input, or the FIFO that systemd
    /// holds and passes (fd:NAME if there are several).
    #[arg(long, value_name = "-|PATH|systemd|fd:NAME")]
    slog: Option<String>,
    /// Standard input is the slog, and comes from `haltbox run`, which reads
    /// this FIFO.
    #[arg(long, value_name = "PATH", hide = true, conflicts_with = "slog")]
    wrapped_fifo: Option<PathBuf>,
    /// What `haltbox run` leaves to its recorder: numbers of descriptors.
    #[arg(long, value_name = "end=N,...", hide = true)]
    of_run: Option<Handed>,
    /// The node's log: the same, but no folder. With --attach a file that is followed.
    #[arg(long, value_name = "-|PATH|systemd|fd:NAME")]
    node_log: Option<String>,
    /// The node's log out of systemd's journal: what this unit prints.
    #[arg(long, value_name = "UNIT", conflicts_with = "node_log", value_parser = parse_unit)]
    journal: Option<String>,
    /// Give the recorded part of the followed slog back to the disk: the file
    /// keeps its length, and takes some megabytes however long the node writes.
    #[arg(long)]
    give_back: bool,
    #[command(flatten)]
    recording: RecordingArgs,
}

/// How to record, wherever entries come from.
#[derive(Args)]
struct RecordingArgs {
    /// Size of the ring, allocated at once: 4MiB to 1TiB.
    #[arg(long, default_value = "100MiB", value_parser = parse_size)]
    size: u64,
    /// How to read them: agoric (the default), cosmos, host, op-node, op-geth,
    /// op-supernode, op-supervisor, op-interop-filter, proxyd, or a profile file.
    /// With --attach the host's own is the default.
    #[arg(long, value_name = "NAME|FILE.json")]
    profile: Option<String>,
    /// The node's executable (agd, or the chain's binary): its SHA-256 goes
    /// into the boxes, so that builds can be told apart.
    #[arg(long, value_name = "PATH")]
    node_program: Option<PathBuf>,
    /// Sightings of the same mismatch, one a round, that freeze its block; by default 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    persist_rounds: Option<u32>,
    /// Seconds that the same mismatch, or trouble without progress, has to last.
    #[arg(long, value_name = "N", default_value = "60")]
    persist_seconds: u64,
    /// Boxes kept; beyond that the oldest go, those that prove a divergence last.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..))]
    max_boxes: u32,
    /// Bytes of boxes kept.
    #[arg(long, value_name = "SIZE", default_value = "8GiB", value_parser = parse_size)]
    max_bytes: u64,
    /// Bytes of the archive: released blocks, compressed, the oldest go first;
    /// 0 for none.
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = parse_size)]
    archive_bytes: u64,
    /// Shell command to run when a box was frozen by itself: HALTBOX_BOX, _NAME,
    /// _HEIGHT, _STATE, _REASON, _APP_HASH and _NETWORK_APP_HASH tell it of what.
    #[arg(long, value_name = "CMD")]
    on_freeze: Option<String>,
    /// The node's RPC: confirms heights, and shows a proposal with another AppHash
    /// where a height stands still.
    #[arg(long, value_name = "URL")]
    rpc: Option<rpc::Endpoint>,
    /// The RPC of a node you trust, to compare AppHashes with; may be given again.
    #[arg(long, value_name = "URL")]
    peer_rpc: Vec<rpc::Endpoint>,
    /// Seconds between two questions to one of them; by default 2.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rpc_seconds: Option<u64>,
    /// Serve metrics for Prometheus at http://ADDR/metrics, for example at
    /// 127.0.0.1:9464.
    #[arg(long, value_name = "ADDR")]
    metrics: Option<SocketAddr>,
    /// Seconds since the last block after which metrics say that it needs
    /// attention; by default 60, or ten times the chain's own interval.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_block_age: Option<u64>,
    /// Where a black box is to be uploaded, for the halt message.
    #[arg(long, value_name = "TEXT")]
    upload_hint: Option<String>,
}

impl RecordingArgs {
    fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("agoric")
    }

    fn rpc(&self) -> Result<rpc::Options, String> {
        let options = rpc::Options {
            own: self.rpc.clone(),
            peers: self.peer_rpc.clone(),
            every: Duration::from_secs(self.rpc_seconds.unwrap_or(RPC_SECONDS)),
        };
        options.check()?;
        Ok(options)
    }

    fn after_freeze(&self) -> AfterFreeze {
        AfterFreeze {
            budget: Budget {
                boxes: self.max_boxes as usize,
                bytes: self.max_bytes,
            },
            on_freeze: self.on_freeze.clone(),
            upload_hint: self.upload_hint.clone(),
        }
    }
}

#[derive(Args)]
struct RunArgs {
    /// Folder of the ring, the boxes and the slog; never under the node's data/.
    #[arg(long)]
    dir: PathBuf,
    /// Keep the node's output in node.log in the folder, and show it too: the
    /// recorder then reads it as the node's log.
    #[arg(long)]
    tee: bool,
    /// Give the node a FIFO that is always read, instead of a file. What is left
    /// unread when this process and the recorder both die is lost.
    #[arg(long)]
    fifo: bool,
    /// Memory for what comes through the FIFO while the recorder is away; what
    /// is beyond is left out and counted.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    backlog: u64,
    /// Seconds that the node's exit code waits for the recorder to write its boxes;
    /// it goes on alone after that.
    #[arg(long, value_name = "N", default_value = "2")]
    wait_seconds: u64,
    #[command(flatten)]
    recording: RecordingArgs,
    /// The node and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Args)]
struct FreezeArgs {
    /// The recorder's folder, or a ring.
    source: PathBuf,
    /// Height to freeze; by default the pinned one, else the last committed.
    #[arg(long)]
    height: Option<u64>,
    /// Folder the box goes to; by default boxes/ beside the ring.
    #[arg(long)]
    boxes: Option<PathBuf>,
    /// How the ring's entries are to be read; by default as its last recorder
    /// read them.
    #[arg(long, value_name = "NAME|FILE.json")]
    profile: Option<String>,
}

#[derive(Args)]
struct CollectArgs {
    /// The node's RPC. Credentials in it are sent, and never shown.
    #[arg(long, value_name = "URL", required_unless_present = "answers")]
    rpc: Option<rpc::Endpoint>,
    /// In place of a node what it answered when a box was frozen: what haltbox cat
    /// --stream evidence BOX prints; - reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "rpc")]
    answers: Option<PathBuf>,
    /// The height that was executed: one less than that of the header that has its AppHash.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    height: u64,
    /// Folder the box goes to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// A store to ask for beside those that are known (docs/cosmos.md lists them); may be
    /// given again.
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
}

#[derive(Args)]
struct StatusArgs {
    /// The recorder's folder, or a ring.
    source: PathBuf,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// Print metrics for Prometheus' textfile collector; exit code 0 whatever
    /// they say.
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
    /// Seconds since the last block after which it needs attention; by default
    /// 60, or ten times the chain's own interval.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_block_age: Option<u64>,
}

#[derive(Args)]
struct GuardArgs {
    /// The recorder's folder.
    dir: PathBuf,
    /// The executable that is to be started; by default the one that the recorder or the
    /// host named.
    #[arg(long, value_name = "PATH", conflicts_with = "release")]
    exe: Option<PathBuf>,
    /// Let the node start over what stands at this height, from now on. Exit code 2 if
    /// nothing does.
    #[arg(long, value_name = "HEIGHT")]
    release: Option<u64>,
}

#[derive(Args)]
struct DoctorArgs {
    /// The recorder's folder.
    #[arg(required_unless_present = "try_log")]
    dir: Option<PathBuf>,
    /// Show what a recorder reads of a node's log, and what it does about each
    /// failure in it; - reads standard input. Exit code 1 if it is not understood.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    try_log: Option<PathBuf>,
    /// How to read that log: agoric, cosmos, host, op-node and the like, or a profile file.
    #[arg(long, value_name = "NAME|FILE", requires = "try_log")]
    profile: Option<String>,
}

/// Help, or what is wrong with the arguments: names that others chose may be among
/// them.
fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    console::tell(&error.render().to_string());
    let given = || std::env::args_os().skip(1);
    let releases = || given().any(|given| given.to_string_lossy().starts_with("--release"));
    if given().next().is_some_and(|command| command == "guard") && !releases() {
        console::tell("haltbox guard: nothing was looked at: the node may start\n");
        return ExitCode::SUCCESS;
    }
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let outcome = match cli.command {
        Command::Record(args) => record(&args),
        Command::Run(args) => run_node(&args),
        Command::Freeze(args) => freeze_now(&args),
        Command::Collect(args) => collect_from(args),
        Command::Status(args) => show_status(&args),
        Command::Doctor(args) => show_doctor(&args),
        Command::Guard(args) => guard_start(&args),
        Command::Manual { folder } => write_manual(&folder),
    };
    outcome.unwrap_or_else(|error| {
        console::tell(&format!("haltbox: {error}\n"));
        ExitCode::from(2)
    })
}

/// An attached recorder follows a log and asks nodes only if it is told to.
fn check_attached(args: &RecordArgs) {
    let asks = args.recording.rpc.is_some() || !args.recording.peer_rpc.is_empty();
    let hears = args.node_log.is_some() || args.journal.is_some() || asks;
    let refused = match args.attach.is_some() {
        true if args.recording.persist_rounds.is_some() && !hears => "--persist-rounds",
        true if args.recording.rpc_seconds.is_some() && !asks => "--rpc-seconds",
        _ => return,
    };
    let text = format!(
        "the argument '--attach <RING>' cannot be used with '{refused}' unless it follows what \
         that is about: give --node-log, --journal or --rpc"
    );
    let kind = clap::error::ErrorKind::ArgumentConflict;
    Cli::command().error(kind, text).exit()
}

fn record(args: &RecordArgs) -> Result<ExitCode, String> {
    check_attached(args);
    match (&args.attach, &args.dir) {
        (Some(ring), _) => attach_to(ring, args),
        (None, Some(dir)) => record_into(dir, args),
        (None, None) => Err("nowhere to record: give --dir".to_owned()),
    }
}

fn attach_to(ring: &Path, given: &RecordArgs) -> Result<ExitCode, String> {
    let args = &given.recording;
    let node_log = given.node_log.as_deref().map(Place::from);
    let node_log = node_log.or(given.journal.clone().map(Place::Journal));
    attach::attach(attach::Options {
        node_log,
        rpc: args.rpc()?,
        ring: absolute(ring)?,
        profile: args.profile.as_deref().map(load_profile).transpose()?,
        node_program: args.node_program.clone(),
        triggers: Policy {
            rounds: args.persist_rounds.unwrap_or(ROUNDS),
            time: Duration::from_secs(args.persist_seconds),
        },
        after_freeze: args.after_freeze(),
        archive_bytes: args.archive_bytes,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn record_into(dir: &Path, args: &RecordArgs) -> Result<ExitCode, String> {
    let wrapped = args.wrapped_fifo.clone().map(Place::Wrapped);
    let slog = args.slog.as_deref().map(Place::from).or(wrapped);
    let node_log = args.node_log.as_deref().map(Place::from);
    let node_log = node_log.or(args.journal.clone().map(Place::Journal));
    if slog.is_none() && node_log.is_none() {
        return Err("nothing to record: give --slog, and --node-log or --journal".to_owned());
    }
    let takes_stdin = matches!(slog, Some(Place::Stdin | Place::Wrapped(_)));
    if takes_stdin && node_log == Some(Place::Stdin) {
        return Err("only one of --slog and --node-log can be standard input".to_owned());
    }
    let profile = args.recording.profile();
    serve::serve(serve::Options {
        dir: absolute(dir)?,
        size: args.recording.size,
        slog,
        node_log,
        give_back: args.give_back,
        profile: load_profile(profile)?,
        profile_text: (!Profile::is_builtin(profile))
            .then(|| std::fs::read(profile).ok())
            .flatten(),
        node_program: args.recording.node_program.clone(),
        triggers: Policy {
            rounds: args.recording.persist_rounds.unwrap_or(ROUNDS),
            time: Duration::from_secs(args.recording.persist_seconds),
        },
        after_freeze: args.recording.after_freeze(),
        archive_bytes: args.recording.archive_bytes,
        rpc: args.recording.rpc()?,
        metrics: args.recording.metrics,
        max_block_age: args.recording.max_block_age.map(Duration::from_secs),
        of_run: args.of_run,
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What is told of boxes is read elsewhere: in other shells, by the command of
/// `--on-freeze`.
fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.shown()))
}

fn run_node(args: &RunArgs) -> Result<ExitCode, String> {
    // Told here, not by a recorder that ends while the node runs.
    load_profile(args.recording.profile())?;
    args.recording.rpc()?;
    let options = run::Options {
        dir: absolute(&args.dir)?,
        record: handed_on(std::env::args_os().skip(2)),
        tee: args.tee,
        fifo: args.fifo.then_some(args.backlog),
        patience: Duration::from_secs(args.wait_seconds),
        command: args.command.clone(),
    };
    run::run(&options).map(ExitCode::from)
}

/// Options of `run` that are not the recorder's, or are given to it anew.
const OF_WRAPPER: [&str; 3] = ["--dir=", "--backlog=", "--wait-seconds="];

/// The options of `run` that are the recorder's too, as they were given.
fn handed_on(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--tee" | "--fifo") => {}
            Some("--dir" | "--backlog" | "--wait-seconds") => drop(arguments.next()),
            Some(option) if OF_WRAPPER.iter().any(|own| option.starts_with(own)) => {}
            _ => kept.push(argument),
        }
    }
    kept
}

fn load_profile(name: &str) -> Result<Profile, String> {
    Profile::named(name, |file| std::fs::read(file)).map_err(|error| error.to_string())
}

fn freeze_now(args: &FreezeArgs) -> Result<ExitCode, String> {
    let ring = status::ring_path(&args.source);
    let folder = ring
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // The recorder works in another folder than this command.
    let boxes = args.boxes.as_deref().map(std::path::absolute).transpose();
    let boxes = boxes.map_err(|error| format!("--boxes: {error}"))?;
    let request = Request::Freeze {
        height: args.height,
        boxes: boxes.clone(),
    };
    // A recorder answers for the ring it writes, not for one set aside.
    let in_use = ring.file_name().is_some_and(|name| name == "ring");
    if in_use && args.profile.is_some() && answers(folder) {
        return Err(format!(
            "a recorder is at work in {}: it freezes by the profile it records by. Leave \
             --profile out",
            folder.shown()
        ));
    }
    let asked = in_use.then(|| control::ask(folder, &request)).transpose();
    let asked = asked
        .map(Option::flatten)
        .map_err(|error| format!("the recorder of {} did not answer: {error}", folder.shown()))?;
    match asked {
        Some(Reply::Done(text)) => {
            console::print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Reply::Failed(text)) => Err(text),
        Some(Reply::AtWork { .. }) => Err("the recorder answered another question".to_owned()),
        None => freeze_alone(args, &ring, boxes.unwrap_or_else(|| folder.join("boxes"))),
    }
}

fn answers(folder: &Path) -> bool {
    let hello = control::ask_within(folder, &Request::Hello, Some(control::ALIVE));
    !matches!(hello, Ok(None))
}

/// No recorder is at work: the ring is read, and nothing is written but the box.
fn freeze_alone(args: &FreezeArgs, ring: &Path, boxes: PathBuf) -> Result<ExitCode, String> {
    let file = std::fs::File::open(ring)
        .map_err(|error| format!("cannot open {}: {error}", ring.shown()))?;
    let view = RingView::read(&file).map_err(|error| format!("{} {error}", ring.shown()))?;
    let mut history = History::read(&file, &view).map_err(|error| error.to_string())?;
    let profile = Arc::new(profile_of_dead(args, ring, &history)?);
    let told = attached::told(ring).unwrap_or_default();
    let id = view.superblock.map(|superblock| RingId(superblock.uuid));
    told.apply(id, &mut history.life, history.last.at);
    let oldest = view.lane(Lane::Main).first_counter().unwrap_or(0);
    let subject = Subject::of(&history.life, args.height, oldest);
    let folder = ring.parent().unwrap_or(Path::new("."));
    let Subject { of, reason, .. } = match Holder::of(folder, subject, args.height)? {
        Holder::Ring(subject) => subject,
        Holder::Archive(block) => return freeze_archived(&block, &boxes),
    };
    let plan = Plan {
        of,
        reason,
        boxes,
        profile: Arc::clone(&profile),
        node_program: Program::of_folder(folder),
        ask: None,
    };
    let frozen =
        freeze::freeze_told(&file, &plan, ring, &told).map_err(|error| error.to_string())?;
    console::print(&halt_message::frozen(&frozen, None))?;
    Ok(ExitCode::SUCCESS)
}

/// The rules that the ring was recorded by name its blocks: others would give
/// names that no other node has.
fn profile_of_dead(args: &FreezeArgs, ring: &Path, history: &History) -> Result<Profile, String> {
    let Some(asked) = &args.profile else {
        return of_ring(ring, history);
    };
    let profile = load_profile(asked)?;
    match history.sessions.last() {
        Some((_, session)) if !is_of(&profile, session) => Err(format!(
            "{} was recorded by the profile {}, and --profile asks for {}: its blocks would get \
             other names. Leave --profile out; a profile of your own is read from profile.json \
             beside the ring",
            ring.shown(),
            session.profile,
            match profile.name == session.profile {
                true => "one of the same name with other rules",
                false => &profile.name,
            }
        )),
        _ => Ok(profile),
    }
}

fn freeze_archived(block: &ArchivedBlock, boxes: &Path) -> Result<ExitCode, String> {
    let frozen = block.freeze(boxes, BY_REQUEST);
    let frozen = frozen.map_err(|error| error.to_string())?;
    console::print(&halt_message::frozen(&frozen, None))?;
    Ok(ExitCode::SUCCESS)
}

/// No box has more of them.
const ANSWERS: u64 = 256 << 20;

fn answers_of(file: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("{}: {error}", file.shown());
    let mut input: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(file).map_err(cannot)?),
    };
    let mut bytes = Vec::new();
    let read = input.by_ref().take(ANSWERS).read_to_end(&mut bytes);
    read.map_err(cannot)?;
    Ok(bytes)
}

fn collect_from(args: CollectArgs) -> Result<ExitCode, String> {
    let from = match (args.rpc, &args.answers) {
        (Some(node), _) => collect::From::Rpc(node),
        (None, Some(file)) => collect::From::Answers(answers_of(file)?),
        (None, None) => return Err("expected --rpc or --answers".to_owned()),
    };
    let collected = collect(&collect::Options {
        from,
        height: args.height,
        out: args.out,
        stores: args.store,
    })?;
    let lack = |lack: &String| format!("  not told   {}\n", Outside::text(lack));
    let lacks: String = collected.lacks.iter().map(lack).collect();
    console::print(&format!(
        "{}\n  tells      {}\n{lacks}",
        collected.path.shown(),
        collected.tells.join(", ")
    ))?;
    Ok(ExitCode::from(u8::from(!collected.whole)))
}

fn show_status(args: &StatusArgs) -> Result<ExitCode, String> {
    let judging = Judging {
        max_block_age: args.max_block_age.map(Duration::from_secs),
        answers: None,
    };
    let status = status::judge(&args.source, &judging)?;
    if args.prometheus {
        console::print(&prometheus::text(&status))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        console::print_json(&status)?;
    } else {
        console::print(&status.text())?;
    }
    Ok(ExitCode::from(u8::from(status.needs_attention())))
}

fn show_doctor(args: &DoctorArgs) -> Result<ExitCode, String> {
    let dir = match (&args.dir, &args.try_log) {
        (_, Some(log)) => return show_log(log, args.profile.as_deref()),
        (Some(dir), None) => dir,
        (None, None) => return Err("expected the recorder's folder, or --try-log FILE".to_owned()),
    };
    let findings = doctor::examine(dir)?;
    let (mut wrong, mut text) = (false, String::new());
    for finding in findings {
        match finding {
            Finding::Good(what) => text += &format!("ok     {what}\n"),
            Finding::Wrong { what, mend } => {
                wrong = true;
                text += &format!("WRONG  {what}\n       {mend}\n");
            }
        }
    }
    console::print(&text)?;
    Ok(ExitCode::from(u8::from(wrong)))
}

/// What it prints counts for nothing: a closed output must not keep a node down.
fn guard_start(args: &GuardArgs) -> Result<ExitCode, String> {
    if let Some(height) = args.release {
        console::print(&guard::release(&args.dir, height)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (text, code) = match guard::judge(&args.dir, args.exe.as_deref()) {
        Verdict::Start(why) => (format!("haltbox guard: the node may start: {why}\n"), 0),
        Verdict::Refuse(screen) => (screen, 1),
    };
    let _ = console::print(&text);
    Ok(ExitCode::from(code))
}

fn show_log(log: &Path, profile: Option<&str>) -> Result<ExitCode, String> {
    let profile = load_profile(profile.unwrap_or("cosmos"))?;
    let cannot = |error: &dyn std::fmt::Display| format!("{}: {error}", log.shown());
    let mut input: Box<dyn BufRead> = match log == Path::new("-") {
        true => Box::new(std::io::stdin().lock()),
        false => {
            let file = std::fs::File::open(log).map_err(|error| cannot(&error))?;
            Box::new(BufReader::new(file))
        }
    };
    let reading = Reading::of(&mut input, &profile).map_err(|error| cannot(&error))?;
    console::print(&reading.text())?;
    Ok(ExitCode::from(u8::from(!reading.is_understood())))
}

/// One page for each command that this program does. The page of `haltbox`
/// itself is the reader's, which knows all of them.
fn write_manual(folder: &Path) -> Result<ExitCode, String> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    for command in program.get_subcommands().filter(|c| !c.is_hide_set()) {
        clap_mangen::Man::new(command.clone())
            .generate_to(folder)
            .map_err(|error| format!("cannot write into {}: {error}", folder.shown()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A unit's name, and no pattern: that would let others' lines in.
fn parse_unit(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let sound = !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed);
    let unit = || match text.contains('.') {
        true => text.to_owned(),
        false => format!("{text}.service"),
    };
    sound
        .then(unit)
        .ok_or_else(|| format!("expected a unit's name such as agd.service, found {text:?}"))
}
