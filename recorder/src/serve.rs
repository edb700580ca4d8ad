//! The recorder beside a node: one loop that reads the sources, hears requests
//! and has boxes written.
//!
//! Reading never waits for writing: a box is written by a thread that reads the
//! ring's file, while the loop goes on draining the sources.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use haltbox_format::blackbox::ALERT_FILE;
use haltbox_format::lifecycle::State;
use haltbox_format::mark::{Attempt, Pin};
use haltbox_format::{Event, Lane, Profile, Stream};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::after_freeze::{self, Budget};
use crate::control::{self, Control, Reply, Request};
use crate::freeze::{self, FreezeError, Frozen, Plan};
use crate::intake::{Place, Source, Turn};
use crate::message;
use crate::old_rings::{self, OldRing};
use crate::recorder::{Config, News, Opened, Recorder};
use crate::reserve::Reserve;
use crate::ring_file::RingOptions;
use crate::service::Service;
use crate::triggers::{Policy, Triggers};

/// Sources are drained before a freeze until they were quiet this long ...
const QUIET: Duration = Duration::from_millis(250);
/// ... but no longer than this.
const DRAIN_AT_MOST: Duration = Duration::from_secs(5);
/// How often followed files are looked at.
const LOOK: Duration = Duration::from_millis(25);
/// Turns of one source before the others have theirs.
const TURNS: usize = 16;
/// How far a source is read between two source marks.
const MARK_EVERY: u64 = 8 << 20;

/// What to record, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of ring and boxes.
    pub dir: PathBuf,
    /// Bytes of the ring.
    pub size: u64,
    /// The host's slog.
    pub slog: Option<Place>,
    /// The node's log.
    pub node_log: Option<Place>,
    /// Give the consumed part of the followed slog back to the disk.
    pub give_back: bool,
    /// How to read them.
    pub profile: Profile,
    /// The profile's own text, if it is not a builtin one: a copy beside the
    /// ring lets `haltbox freeze` read the ring when nobody records.
    pub profile_text: Option<Vec<u8>>,
    /// The node's executable, whose digest goes into the boxes.
    pub node_program: Option<PathBuf>,
    /// When trouble becomes a freeze.
    pub triggers: Policy,
    /// What the folder of boxes may hold.
    pub budget: Budget,
    /// A shell command to run when a box was frozen without being asked for.
    pub on_freeze: Option<String>,
    /// Where to upload a box, for the halt message.
    pub upload_hint: Option<String>,
}

/// Says a sentence to the operator.
fn say(text: &str) {
    eprintln!("haltbox: {text}");
}

/// Records until every source is over or a signal ends it.
pub fn serve(options: Options) -> Result<(), String> {
    let signals = catch_signals().map_err(|error| format!("cannot catch signals: {error}"))?;
    let mut server = Server::start(options)?;
    server.run(&signals)
}

fn catch_signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .for_each(|s| set.add(s));
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// A freeze that is wanted, and who asked.
struct Wanted {
    of: Attempt,
    reason: String,
    boxes: PathBuf,
    since: Instant,
    asked_by: Option<UnixStream>,
    /// The ring that holds it, if that is not the one in use.
    old_ring: Option<PathBuf>,
}

/// A freeze that is being written.
struct Writing {
    wanted: Wanted,
    done: Receiver<Result<Frozen, FreezeError>>,
}

struct Server {
    options: Options,
    recorder: Option<Recorder>,
    sources: Vec<Source>,
    control: Option<Control>,
    reserve: Option<Reserve>,
    old_rings: Vec<OldRing>,
    triggers: Triggers,
    /// What the node said before it stopped, if it announced that.
    farewell: Option<String>,
    wanted: Vec<Wanted>,
    writing: Option<Writing>,
    last_progress: Instant,
    marked: [u64; 2],
}

impl Server {
    fn start(options: Options) -> Result<Server, String> {
        let boxes = options.dir.join("boxes");
        make_folder(&options.dir)?;
        make_folder(&boxes)?;
        if let Some(text) = &options.profile_text {
            keep_profile(&options.dir.join(Profile::BESIDE_RING), text);
        }
        let config = Config {
            ring: RingOptions {
                size: options.size,
                in_host: false,
            },
            profile: Arc::new(options.profile.clone()),
            node_lane: if options.slog.is_some() {
                Lane::Local
            } else {
                Lane::Main
            },
            populate: true,
        };
        let ring = options.dir.join("ring");
        let opened = Recorder::open(&ring, config).map_err(|e| e.to_string())?;
        opened.notices.iter().for_each(|notice| say(notice));
        let sources = open_sources(&options, &opened)?;
        let reserve = Reserve::take(&boxes, options.size / 4)
            .map_err(|error| {
                say(&format!(
                    "no room is kept for a freeze in {}: {error}",
                    boxes.display()
                ))
            })
            .ok();
        let control = Control::listen(&options.dir)
            .map_err(|error| {
                say(&format!(
                    "haltbox freeze cannot reach this recorder: {error}"
                ))
            })
            .ok();
        let mut server = Server {
            recorder: None,
            sources,
            control,
            reserve,
            old_rings: old_rings::find(&ring),
            triggers: Triggers::new(options.triggers),
            farewell: None,
            wanted: Vec::new(),
            writing: None,
            last_progress: Instant::now(),
            marked: [0; 2],
            options,
        };
        server.begin(opened);
        Ok(server)
    }

    /// What the last session left: gaps, and what it meant to freeze.
    fn begin(&mut self, opened: Opened) {
        let mut recorder = opened.recorder;
        for source in &self.sources {
            let known = opened
                .sources
                .iter()
                .any(|mark| mark.stream == source.stream() && mark.offset == source.mark().offset);
            let certain = !opened.uncertain.contains(&source.stream());
            if opened.resumed && !(source.is_followed() && known && certain) {
                recorder.event(&Event::Gap, source.stream());
            }
            recorder.source(source.mark());
        }
        say(&format!(
            "recording into {} ({})",
            recorder.path().display(),
            message::human_bytes(self.options.size)
        ));
        let left = recorder.life().blocks().iter().filter(|b| b.is_pinned());
        let left: Vec<_> = left.map(|b| (b.of, b.state, b.why.clone())).collect();
        recorder.take_news();
        self.recorder = Some(recorder);
        for (of, state, why) in left {
            let why = why.unwrap_or_default();
            match state {
                State::Diverged => {
                    self.want(of, format!("{why} mismatch (found at start)"), None, None)
                }
                _ => say(&format!("height {} is still pinned: {why}", of.height)),
            }
        }
        self.want_from_old_rings();
    }

    fn run(&mut self, signals: &SignalFd) -> Result<(), String> {
        let mut stopping: Option<Instant> = None;
        let mut service = Service::ready();
        loop {
            service.live();
            let progress = self.read_sources();
            self.hear();
            self.pull_triggers();
            self.finish_writing();
            self.start_writing();
            self.drop_drained();
            if stopping.is_none() && (signalled(signals) || self.sources_over()) {
                stopping = Some(Instant::now());
                service.stopping();
            }
            let drained = stopping.is_some_and(|since| self.is_drained(since));
            if drained && self.wanted.is_empty() && self.writing.is_none() {
                break;
            }
            if !progress {
                self.wait(signals);
            }
        }
        self.mark_sources();
        if let Some(recorder) = self.recorder.take() {
            recorder.close();
        }
        Ok(())
    }

    /// Standard input is over, or all sources are: nothing more can come.
    fn sources_over(&self) -> bool {
        let mut over = self.sources.iter().filter(|source| source.is_over());
        over.next().is_some()
    }

    fn is_drained(&self, since: Instant) -> bool {
        let quiet = self.last_progress.max(since).elapsed() >= QUIET;
        quiet || since.elapsed() >= DRAIN_AT_MOST
    }

    fn read_sources(&mut self) -> bool {
        let mut progress = false;
        for index in 0..self.sources.len() {
            for _ in 0..TURNS {
                match self.read_source(index) {
                    Turn::Progress => progress = true,
                    _ => break,
                }
            }
        }
        if progress {
            self.last_progress = Instant::now();
        }
        progress
    }

    fn read_source(&mut self, index: usize) -> Turn {
        let (Some(source), Some(recorder)) = (self.sources.get_mut(index), self.recorder.as_mut())
        else {
            return Turn::Quiet;
        };
        let stream = source.stream();
        let turn = source.turn(&mut |given| recorder.record(stream, given));
        let turn = turn.unwrap_or_else(|error| {
            say(&format!(
                "reading the {} source {}: {error}",
                stream.name(),
                source.name()
            ));
            Turn::Quiet
        });
        match &turn {
            Turn::Over | Turn::WriterGone => {
                recorder.event(&Event::StreamEnd, stream);
                self.triggers.node_ended();
            }
            Turn::Rotated(why) => {
                recorder.note(why.clone());
                recorder.source(source.mark());
            }
            Turn::Progress => {
                let (read, marked) = (source.mark().offset, &mut self.marked[stream as usize]);
                if source.is_followed() && read >= *marked + MARK_EVERY {
                    *marked = read;
                    recorder.source(source.mark());
                    if self.options.give_back && stream == Stream::Slog {
                        source.give_back();
                    }
                }
            }
            Turn::Quiet => {}
        }
        self.tell_news();
        turn
    }

    fn mark_sources(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            self.sources
                .iter()
                .for_each(|source| recorder.source(source.mark()));
        }
    }

    /// Tells the operator, and has divergences frozen.
    fn tell_news(&mut self) {
        let news = self
            .recorder
            .as_mut()
            .map(Recorder::take_news)
            .unwrap_or_default();
        for piece in news {
            match piece {
                News::Pinned(Pin { of, why, .. }) => self.tell_pinned(of, &why),
                News::Trouble(event, of) => self.triggers.hear(&event, of, Instant::now()),
                News::NodeStarted => {
                    self.triggers.node_ended();
                    self.farewell = None;
                }
                News::Farewell(why) => {
                    say(&format!("the node announced that it stops: {why}"));
                    self.farewell = Some(why);
                }
                News::Lost(loss) if loss.records > 0 => {
                    say(&format!(
                        "{} records in the {} lane: {}",
                        loss.records,
                        loss.lane.name(),
                        loss.why
                    ));
                }
                News::Lost(_) => {}
                News::Diverged(diverged) => {
                    let (local, network) = (diverged.local, diverged.network);
                    let reason = format!(
                        "{} differs, this node has {local}, the network {network}",
                        diverged.field
                    );
                    say(&format!(
                        "consensus failure at height {}: {reason}",
                        diverged.of.height
                    ));
                    self.want(diverged.of, reason, None, None);
                }
            }
        }
    }

    /// An end that was announced is no alarm.
    fn tell_pinned(&self, of: Attempt, why: &str) {
        match &self.farewell {
            Some(farewell) => say(&format!(
                "height {} is kept until it is executed again; the node stopped as announced: {farewell}",
                of.height
            )),
            None => say(&format!("height {} is pinned: {why}", of.height)),
        }
    }

    fn pull_triggers(&mut self) {
        let Some(recorder) = &self.recorder else {
            return;
        };
        for due in self.triggers.due(recorder.life(), Instant::now()) {
            say(&format!("height {}: {}", due.of.height, due.reason));
            self.want(due.of, due.reason, None, None);
        }
    }

    fn want(
        &mut self,
        of: Attempt,
        reason: String,
        boxes: Option<PathBuf>,
        asked_by: Option<UnixStream>,
    ) {
        let being_done = self
            .wanted
            .iter()
            .chain(self.writing.iter().map(|w| &w.wanted));
        if asked_by.is_none() && being_done.into_iter().any(|wanted| wanted.of == of) {
            return;
        }
        let boxes = boxes.unwrap_or_else(|| self.options.dir.join("boxes"));
        let since = Instant::now();
        self.wanted.push(Wanted {
            of,
            reason,
            boxes,
            since,
            asked_by,
            old_ring: None,
        });
    }

    /// What rings of another size still owe the operator.
    fn want_from_old_rings(&mut self) {
        for old in &self.old_rings {
            say(&old.describe());
            for (of, field) in &old.unfrozen {
                self.wanted.push(Wanted {
                    of: *of,
                    reason: format!("{field} mismatch (found at start)"),
                    boxes: self.options.dir.join("boxes"),
                    since: Instant::now(),
                    asked_by: None,
                    old_ring: Some(old.path.clone()),
                });
            }
        }
    }

    /// Removes the old rings whose records are all older than what this ring
    /// itself has let go.
    fn drop_drained(&mut self) {
        let wrapped = self.recorder.as_ref().is_some_and(Recorder::has_wrapped);
        if self.old_rings.is_empty() || !wrapped {
            return;
        }
        let (drained, kept) = std::mem::take(&mut self.old_rings)
            .into_iter()
            .partition::<Vec<_>, _>(OldRing::is_drained);
        self.old_rings = kept;
        for old in drained {
            match fs::remove_file(&old.path) {
                Ok(()) => say(&format!(
                    "{} is drained and was removed",
                    old.path.display()
                )),
                Err(error) => say(&format!("cannot remove {}: {error}", old.path.display())),
            }
        }
    }

    /// Notes where it matters that a box holds the attempt.
    fn mark_frozen(&mut self, wanted: &Wanted, frozen: &Frozen) {
        match (&wanted.old_ring, &mut self.recorder) {
            (Some(path), _) => {
                let held = self.old_rings.iter_mut().filter(|old| old.path == *path);
                held.for_each(|old| old.unfrozen.retain(|(of, _)| *of != wanted.of));
            }
            (None, Some(recorder)) => recorder.frozen(frozen.of, frozen.name()),
            (None, None) => {}
        }
    }

    /// Answers requests.
    fn hear(&mut self) {
        while let Some((request, stream)) = self.control.as_ref().and_then(Control::accept) {
            let (height, boxes) = match request {
                Request::Freeze { height, boxes } => (height, boxes),
                Request::Hello => {
                    control::answer(&stream, &Reply::Done(String::new()));
                    continue;
                }
                Request::NodeEnded { how } => {
                    self.node_ended(how);
                    control::answer(&stream, &Reply::Done(String::new()));
                    continue;
                }
            };
            match self.subject(height) {
                Some((of, reason)) => self.want(of, reason, boxes, Some(stream)),
                None => {
                    let asked = height.map_or("no height".to_owned(), |h| format!("height {h}"));
                    let text = format!("nothing to freeze: {asked} is in the ring");
                    let text = height.map_or(text, |h| FreezeError::NoBlock(h).to_string());
                    control::answer(&stream, &Reply::Failed(text));
                }
            }
        }
    }

    /// What its log still holds comes first: it says why.
    fn node_ended(&mut self, how: String) {
        let begun = Instant::now();
        while !self.is_drained(begun) {
            if !self.read_sources() {
                std::thread::sleep(LOOK);
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.note(how);
        }
        self.triggers.node_ended();
        self.pull_triggers();
    }

    fn subject(&self, height: Option<u64>) -> Option<(Attempt, String)> {
        subject_of(self.recorder.as_ref()?.life(), height)
    }

    /// Begins to write the first wanted box, once what the sources still hold
    /// of it is in the ring.
    fn start_writing(&mut self) {
        let due = self
            .wanted
            .first()
            .is_some_and(|wanted| self.is_drained(wanted.since));
        if self.writing.is_some() || !due {
            return;
        }
        let wanted = self.wanted.remove(0);
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        // From here on the box needs what the ring holds now.
        recorder.hold_history();
        let plan = Plan {
            of: wanted.of,
            reason: wanted.reason.clone(),
            boxes: wanted.boxes.clone(),
            profile: Arc::clone(recorder.profile()),
            node_program: self.options.node_program.clone(),
        };
        if let Some(reserve) = &self.reserve {
            reserve.give_up();
        }
        let (sender, done) = channel();
        let file = match &wanted.old_ring {
            Some(path) => fs::File::open(path),
            None => recorder.file(),
        };
        let writer = std::thread::Builder::new()
            .name("haltbox-freeze".to_owned())
            .spawn(move || {
                let frozen = match file {
                    Ok(file) => freeze::freeze(&file, &plan),
                    Err(error) => Err(FreezeError::Io {
                        doing: "open",
                        path: plan.boxes.clone(),
                        error,
                    }),
                };
                let _ = sender.send(frozen);
            });
        match writer {
            Ok(_) => self.writing = Some(Writing { wanted, done }),
            Err(error) => say(&format!("no thread to write the box: {error}")),
        }
    }

    fn finish_writing(&mut self) {
        let Some(writing) = &self.writing else { return };
        let outcome = match writing.done.try_recv() {
            Ok(outcome) => outcome,
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                let error = io::Error::other("the writing thread ended without a word");
                let path = writing.wanted.boxes.clone();
                Err(FreezeError::Io {
                    doing: "write a box in",
                    path,
                    error,
                })
            }
        };
        let Some(Writing { wanted, .. }) = self.writing.take() else {
            return;
        };
        if let Some(reserve) = &self.reserve {
            let _ = reserve.refill();
        }
        let reply = match outcome {
            Ok(frozen) => {
                self.mark_frozen(&wanted, &frozen);
                self.follow_up(&wanted, &frozen);
                Reply::Done(message::frozen(
                    &frozen,
                    self.options.upload_hint.as_deref(),
                ))
            }
            Err(error) => Reply::Failed(error.to_string()),
        };
        if self.wanted.is_empty()
            && let Some(recorder) = &mut self.recorder
        {
            recorder.release_history();
        }
        tell(&reply);
        if let Some(stream) = wanted.asked_by {
            control::answer(&stream, &reply);
        }
    }

    /// What a durable box brings about. Who asked for it needs no alert.
    fn follow_up(&self, wanted: &Wanted, frozen: &Frozen) {
        if wanted.asked_by.is_none() && !frozen.existed {
            let hint = self.options.upload_hint.as_deref();
            if let Err(error) = after_freeze::alert(&wanted.boxes, frozen, hint) {
                say(&format!("no {} could be written: {error}", ALERT_FILE));
            }
            let command = self.options.on_freeze.as_deref();
            let run = command.map(|command| after_freeze::run_command(command, frozen));
            if let Some(Err(error)) = run {
                say(&format!(
                    "the command of --on-freeze cannot be started: {error}"
                ));
            }
        }
        match after_freeze::keep_budget(&wanted.boxes, self.options.budget) {
            Ok(removed) => removed.iter().for_each(|path| {
                say(&format!(
                    "{} was removed to keep the budget of boxes",
                    path.display()
                ));
            }),
            Err(error) => say(&format!("the budget of boxes cannot be kept: {error}")),
        }
    }

    /// Waits for bytes, a request, a signal or the next look at the files.
    fn wait(&self, signals: &SignalFd) {
        let mut waiting: Vec<PollFd<'_>> = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let control = self
            .control
            .as_ref()
            .map(|control| control.listener().as_fd());
        let pipes = self.sources.iter().filter_map(Source::wait_on);
        waiting.extend(
            control
                .into_iter()
                .chain(pipes)
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        let _ = poll(
            &mut waiting,
            PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO),
        );
    }
}

fn signalled(signals: &SignalFd) -> bool {
    matches!(signals.read_signal(), Ok(Some(_)))
}

fn tell(reply: &Reply) {
    match reply {
        Reply::Done(text) => eprint!("{text}"),
        Reply::Failed(text) => say(&format!("NOT FROZEN: {text}")),
    }
}

fn make_folder(path: &Path) -> Result<(), String> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| format!("cannot make the folder {}: {error}", path.display()))
}

/// Replaced as a whole: a kill must not leave half a profile. Recording does
/// not depend on it.
fn keep_profile(path: &Path, text: &[u8]) {
    let temporary = path.with_extension("new");
    let kept = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = kept {
        say(&format!(
            "no copy of the profile at {}: {error}",
            path.display()
        ));
    }
}

fn open_sources(options: &Options, opened: &Opened) -> Result<Vec<Source>, String> {
    let places = [
        (Stream::Slog, &options.slog),
        (Stream::Node, &options.node_log),
    ];
    let given = places
        .into_iter()
        .filter_map(|(stream, place)| Some((stream, place.as_ref()?)));
    given
        .map(|(stream, place)| {
            let resume = opened.sources.iter().find(|mark| mark.stream == stream);
            Source::open(stream, place, resume)
        })
        .collect()
}

/// The attempt an operator means, and the words for the box.
pub fn subject_of(
    life: &haltbox_format::lifecycle::Lifecycle,
    height: Option<u64>,
) -> Option<(Attempt, String)> {
    let block = match height {
        Some(height) => life.subject(height),
        None => life.default_subject(),
    }?;
    let why = match (block.state, &block.why) {
        (State::Diverged, Some(field)) => format!("{field} mismatch, frozen by request"),
        (State::Pinned, Some(why)) => format!("{why}, frozen by request"),
        _ => "frozen by request".to_owned(),
    };
    Some((block.of, why))
}
