//! The recorder beside a node: one loop that reads the sources, answers
//! requests and starts boxes.
//!
//! Reading does not wait for writing: a thread reads the ring's file and writes
//! the box while the loop reads the sources.

mod error;
mod opening;
mod witnesses;

use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haltbox_format::Stream;
use haltbox_format::mark::State;
use haltbox_model::lifecycle::Finding;
use haltbox_model::{Event, Profile, ShowPath};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::console::{self, say};
use crate::intake::draining::Draining;
use crate::intake::trouble;
use crate::intake::{Place, Source, Turn};
use crate::operator::control::{self, Control, Reply, Request};
use crate::rpc::{self, Watch};
use crate::run::link::{Handed, Word, Wrapper};
use crate::run::output::{Copying, OutputError};
use crate::run::recorder_child::arguments_of_this_process;
use crate::service::{Pulse, Service};
use crate::signals::{self, Signals};
pub use error::ServeError;
use haltbox_model::size;
use haltbox_recorder::after_freeze::AfterFreeze;
use haltbox_recorder::archive;
use haltbox_recorder::freeze::progress::Progress;
use haltbox_recorder::freeze::{self, FreezeError, Frozen, Plan};
use haltbox_recorder::freeze_request::{BY_REQUEST, Holder, NotHeld, Subject, found_at_start};
use haltbox_recorder::host_threads;
use haltbox_recorder::old_rings::{self, OldRing};
use haltbox_recorder::recorder::{Opened, Recorder};
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::signing::Signer;
use haltbox_recorder::source_entry::LeftOut;
use haltbox_recorder::supervisor::{Brings, HeldBy, Supervisor, Wanted};
use haltbox_recorder::triggers::Policy;
pub(crate) use opening::followed;
use opening::{FirstBlock, config_of, keep_profile, note_program, open_sources};

/// Time between two looks at followed files.
const LOOK: Duration = Duration::from_millis(25);
/// How long another recorder counts as waiting after it asked. It asks more
/// often than that.
const WAITED_FOR: Duration = Duration::from_secs(10);
/// Most turns of one source before the others have theirs.
const TURNS: usize = 16;

/// What to record, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder for ring, boxes and archive.
    pub dir: PathBuf,
    /// Size of the ring in bytes.
    pub size: u64,
    /// The host's slog. `None` if there is none.
    pub slog: Option<Place>,
    /// The node's log. `None` if it is not read.
    pub node_log: Option<Place>,
    /// Whether to free the disk blocks of the recorded part of the followed
    /// slog.
    pub give_back: bool,
    /// The profile that says how to read both.
    pub profile: Profile,
    /// The profile's text if it is not builtin. It is copied beside the ring,
    /// so that `haltbox freeze` can read the ring while nobody records.
    pub profile_text: Option<Vec<u8>>,
    /// The node's executable. Its digest goes into the boxes.
    pub node_program: Option<PathBuf>,
    /// Which trouble leads to a freeze, and how soon.
    pub triggers: Policy,
    /// What follows a freeze.
    pub after_freeze: AfterFreeze,
    /// Who signs the boxes. `None` leaves them unsigned.
    pub signer: Option<Signer>,
    /// Most bytes of the archive. 0 turns archiving off.
    pub archive_bytes: u64,
    /// The nodes to ask by RPC.
    pub rpc: rpc::Options,
    /// Address at which to serve metrics.
    pub metrics: Option<SocketAddr>,
    /// Age of the last block above which metrics say that it needs attention.
    /// `None` takes it from the chain's own pace.
    pub max_block_age: Option<Duration>,
    /// The link that `haltbox run` left to this recorder, if it started it.
    pub of_run: Option<Handed>,
}

/// Records until a source has ended for good, or until a signal ends it.
///
/// # Errors
/// [`ServeError`].
pub fn serve(options: Options) -> Result<(), ServeError> {
    // `haltbox run` starts it in a background process group.
    if options.of_run.is_some() {
        let allowed = host_threads::speak_from_the_background();
        allowed.map_err(|error| ServeError::Terminal { error })?;
    }
    let signals = Signals::catch(&signals::ENDING);
    let mut signals = signals.map_err(|error| ServeError::Signals { error })?;
    Server::start(options)?.run(&mut signals);
    Ok(())
}

struct Server {
    options: Options,
    recorder: Recorder,
    sources: Vec<Source>,
    control: Option<Control>,
    /// Boxes are requested over the control socket.
    supervisor: Supervisor<UnixStream>,
    /// Bytes recorded since the start.
    recorded: u64,
    old_rings: Vec<OldRing>,
    watch: Option<Watch>,
    draining: Draining,
    pulse: Pulse,
    first_block: FirstBlock,
    /// The link to `haltbox run`, if that started this recorder.
    wrapper: Option<Wrapper>,
    /// Copies the node's output since the wrapper was killed.
    output: Option<Copying>,
    /// When another recorder last asked and had to wait for the end of this
    /// one.
    waited_for: Option<Instant>,
}

impl Server {
    fn start(options: Options) -> Result<Server, ServeError> {
        let dir = RecorderDir::at(&options.dir);
        dir.make()
            .map_err(|(path, error)| ServeError::Folder { path, error })?;
        if let Some(text) = &options.profile_text {
            keep_profile(&dir.profile(), text);
        }
        let ring = dir.ring();
        let opened = Recorder::open(&ring, config_of(&options))?;
        opened.notices.iter().for_each(|notice| say(notice));
        note_program(&options);
        let sources = open_sources(&options, &opened)?;
        let Opened {
            recorder,
            uncertain,
            resumed,
            ..
        } = opened;
        let wrapper = options.of_run.map(Wrapper::open).transpose();
        let wrapper = wrapper.map_err(|error| ServeError::Link { error })?;
        let control = Control::listen(&options.dir)
            .map_err(|error| {
                say(&format!(
                    "cannot open the control socket, so haltbox freeze cannot reach this \
                     recorder: {error}"
                ))
            })
            .ok();
        let (policy, after) = (options.triggers, options.after_freeze.clone());
        let mut supervisor = Supervisor::new(dir.boxes(), policy, after, console::voice());
        supervisor.reserve(options.size / 4);
        if let Some(signer) = options.signer.clone() {
            supervisor.sign_with(signer);
        }
        let mut server = Server {
            recorder,
            sources,
            control,
            supervisor,
            recorded: 0,
            old_rings: old_rings::find(&ring),
            watch: Watch::or_say(&options.rpc),
            draining: Draining::default(),
            pulse: Pulse::new(),
            first_block: FirstBlock::default(),
            wrapper,
            output: None,
            waited_for: None,
            options,
        };
        server.begin(resumed, &uncertain);
        server.start_archiving();
        server.serve_metrics();
        Ok(server)
    }

    /// Acts on what the last session left: gaps in the sources, and blocks
    /// without a box.
    fn begin(&mut self, resumed: bool, uncertain: &[Stream]) {
        let recorder = &mut self.recorder;
        for source in &mut self.sources {
            if let Some(told) = source.take_told() {
                say(&told);
                recorder.note(told);
            }
            let certain = !uncertain.contains(&source.stream());
            if resumed && !(source.goes_on() && certain) {
                recorder.event(&Event::Gap, source.stream());
            }
            recorder.source(source.mark());
        }
        say(&format!(
            "recording into {} ({})",
            recorder.path().shown(),
            size::human_bytes(self.options.size)
        ));
        self.sources
            .iter()
            .for_each(|source| say(&followed(&source.mark())));
        self.first_block.known(recorder.life());
        recorder.learn_of_boxes(self.supervisor.boxes());
        let left = recorder.life().blocks().iter().filter(|b| b.is_pinned());
        let left: Vec<_> = left.cloned().collect();
        recorder.take_news();
        for block in left {
            let of = block.of;
            match block.state {
                State::Diverged => {
                    let (finding, reason) = (block.finding(), found_at_start(&block));
                    self.supervisor.want_box(of, finding, reason);
                }
                // The triggers handle a rejected block.
                _ => say(&format!(
                    "height {} is still pinned: {}",
                    of.height,
                    block.why.unwrap_or_default()
                )),
            }
        }
        self.want_from_old_rings();
    }

    fn start_archiving(&mut self) {
        let budget = self.options.archive_bytes;
        if budget == 0 {
            return;
        }
        let (dir, part) = (&self.options.dir, archive::part_of(self.options.size));
        let old_rings = self.old_rings.iter().map(|old| old.path.clone());
        let ring = self.recorder.file();
        self.supervisor
            .archive(dir, ring, part, |ring| archive::Plan {
                ring,
                old_rings: old_rings.collect(),
                profile: Arc::clone(self.recorder.profile()),
                node_program: self.options.node_program.clone(),
                budget,
            });
    }

    fn run(mut self, signals: &mut Signals) {
        let mut stopping: Option<Instant> = None;
        let mut service = Service::ready();
        loop {
            service.live();
            self.pulse.beat();
            let progress = self.read_sources();
            self.recorder.end_long_wait(Instant::now());
            self.tell_news();
            self.supervisor.recorded(self.recorded);
            self.hear();
            self.hear_witnesses();
            self.pull_triggers();
            self.finish_writing();
            self.start_writing();
            self.hold_what_is_copied();
            self.drop_drained();
            let ended = self.hear_wrapper();
            let asked = signals.arrived().next().is_some();
            if asked {
                self.supervisor.hurry();
            }
            if stopping.is_none() && (asked || ended || self.sources_over()) {
                stopping = Some(Instant::now());
                service.stopping();
            }
            let drained = stopping.is_some_and(|since| self.is_drained(since));
            if drained {
                self.end_wait();
            }
            if drained && self.supervisor.is_idle() && !self.supervisor.is_signing() {
                break;
            }
            if !progress {
                self.wait(signals);
            }
        }
        self.mark_sources();
        // Close it before the ring is free: the next recorder's socket has the
        // same name.
        self.control = None;
        self.recorder.close();
    }

    /// Whether a source has ended for good. Only standard input and what
    /// `haltbox run` leaves can, and then nothing of the node is to come.
    fn sources_over(&self) -> bool {
        let mut over = self.sources.iter().filter(|source| source.is_over());
        over.next().is_some()
    }

    fn is_drained(&self, since: Instant) -> bool {
        let all = self.all_was_read();
        all.is_some_and(|all| self.draining.is_over(since, all))
    }

    /// Whether everything available was read. `None` while bytes of the wrapper
    /// are left, which are waited for without a limit.
    fn all_was_read(&self) -> Option<bool> {
        let rest = self.sources.iter().any(Source::has_rest);
        (!rest).then(|| !self.sources.iter().any(Source::holds_back))
    }

    fn read_sources(&mut self) -> bool {
        let mut progress = false;
        for index in 0..self.sources.len() {
            for _ in 0..TURNS {
                match self.read_source(index) {
                    Turn::Progress
                    | Turn::Appeared
                    | Turn::Message(_)
                    | Turn::Missed(_)
                    | Turn::MissedMore
                    | Turn::Rotated(_) => progress = true,
                    Turn::Quiet | Turn::Over | Turn::WriterGone => break,
                }
            }
        }
        if progress {
            self.draining.progress();
        }
        progress
    }

    fn read_source(&mut self, index: usize) -> Turn {
        let Some(source) = self.sources.get_mut(index) else {
            return Turn::Quiet;
        };
        let recorder = &mut self.recorder;
        let stream = source.stream();
        // `haltbox run` writes node.log too, and its own lines there count what
        // is missing.
        let wrapped = source.is_wrapped() || stream == Stream::Node;
        let recorded = &mut self.recorded;
        let (turn, news) = source.turn(&mut |given| {
            *recorded += given.bytes.len() as u64;
            match wrapped.then(|| LeftOut::read(given.bytes)).flatten() {
                Some(left_out) if stream == Stream::Node => missing_log(recorder, left_out),
                Some(left_out) => recorder.left_out(stream, left_out),
                None => {
                    recorder.record(stream, given);
                }
            }
        });
        match &turn {
            Turn::Over | Turn::WriterGone => {
                recorder.event(&Event::StreamEnd, stream);
                self.supervisor.node_ended();
            }
            Turn::Rotated(why) => {
                recorder.note(why.clone());
                recorder.source(source.mark());
            }
            Turn::Appeared => recorder.source(source.mark()),
            Turn::Message(what) => {
                say(what);
                recorder.note(what.clone());
                recorder.source(source.mark());
            }
            Turn::Missed(what) => {
                say(what);
                recorder.note(what.clone());
                recorder.event(&Event::Gap, stream);
                recorder.source(source.mark());
            }
            Turn::MissedMore => {
                recorder.event(&Event::Gap, stream);
                recorder.source(source.mark());
            }
            Turn::Progress => {
                if source.mark_is_due() {
                    recorder.source(source.mark());
                    if self.options.give_back && stream == Stream::Slog {
                        source.give_back();
                    }
                }
            }
            Turn::Quiet => {}
        }
        match news {
            Some(trouble::News::Turned(told)) => {
                say(&told);
                recorder.note(told);
                recorder.source(source.mark());
            }
            Some(trouble::News::Lasts(told)) => say(&told),
            None => {}
        }
        self.tell_news();
        turn
    }

    fn mark_sources(&mut self) {
        let marks = self.sources.iter().map(Source::mark);
        marks.for_each(|mark| self.recorder.source(mark));
    }

    /// Tells the operator, and has diverged blocks frozen.
    fn tell_news(&mut self) {
        if let Some(height) = self.first_block.seen(self.recorder.life()) {
            say(&format!("first block seen: {height}"));
        }
        for piece in self.recorder.take_news() {
            if let Some(brings) = self.supervisor.hear(piece) {
                self.bring(brings);
            }
        }
    }

    fn pull_triggers(&mut self) {
        for due in self.supervisor.due(self.recorder.life()) {
            let brings = self.supervisor.follow(due);
            self.bring(brings);
        }
    }

    fn bring(&mut self, brings: Brings) {
        match brings {
            Brings::Box(of, finding, reason) => self.supervisor.want_box(of, finding, reason),
            Brings::Note(text) => self.recorder.note(text),
        }
    }

    /// Adds the boxes that rings of another size still need.
    fn want_from_old_rings(&mut self) {
        for old in &self.old_rings {
            say(&old.describe());
            for (of, finding, reason) in &old.unfrozen {
                let boxes = self.supervisor.boxes();
                let wanted = Wanted {
                    held_by: HeldBy::OldRing(old.path.clone()),
                    ..Wanted::unasked(*of, *finding, reason.clone(), boxes)
                };
                self.supervisor.want(wanted);
            }
        }
    }

    /// Removes the old rings that nothing needs, once this ring has overwritten
    /// records of its own, which are younger.
    fn drop_drained(&mut self) {
        if self.old_rings.is_empty() || !self.recorder.has_wrapped() {
            return;
        }
        let (drained, kept) = std::mem::take(&mut self.old_rings)
            .into_iter()
            .partition::<Vec<_>, _>(OldRing::is_drained);
        self.old_rings = kept;
        for old in drained {
            match fs::remove_file(&old.path) {
                Ok(()) => say(&format!(
                    "{} is no longer needed and was removed",
                    old.path.shown()
                )),
                Err(error) => say(&format!("cannot remove {}: {error}", old.path.shown())),
            }
        }
    }

    /// Notes that a box has the attempt, in the ring that it is from.
    fn mark_frozen(&mut self, wanted: &Wanted<UnixStream>, frozen: &Frozen) {
        match &wanted.held_by {
            HeldBy::OldRing(path) => {
                let held = self.old_rings.iter_mut().filter(|old| old.path == *path);
                held.for_each(|old| old.unfrozen.retain(|(of, ..)| *of != wanted.of));
            }
            HeldBy::Ring => {
                let (of, name) = (frozen.of, frozen.name());
                self.recorder.frozen(of, name, frozen.finding);
            }
            HeldBy::Archive(_) => {}
        }
    }

    /// Answers the requests of the control socket.
    fn hear(&mut self) {
        let requests = self.control.as_mut().map(Control::requests);
        for (request, stream) in requests.unwrap_or_default() {
            let (height, boxes) = match request {
                Request::Freeze { height, boxes } => (height, boxes),
                Request::Hello => {
                    control::answer(&stream, &Reply::Done(String::new()));
                    continue;
                }
                Request::Who { waiting } => {
                    control::answer(&stream, &self.at_work(waiting));
                    continue;
                }
                Request::NodeEnded { how } => {
                    self.node_ended(how);
                    control::answer(&stream, &Reply::Done(String::new()));
                    continue;
                }
            };
            match self.held(height) {
                Ok(held) => self.supervisor.want(Wanted {
                    boxes: boxes.unwrap_or_else(|| self.supervisor.boxes().to_owned()),
                    asked_by: Some(stream),
                    unasked: false,
                    ..held
                }),
                Err(error) => control::answer(&stream, &Reply::Failed(error.to_string())),
            }
        }
    }

    fn at_work(&mut self, waiting: Option<Vec<String>>) -> Reply {
        let arguments = arguments_of_this_process();
        if waiting.is_some_and(|others| others != arguments) {
            self.waited_for = Some(Instant::now());
        }
        Reply::AtWork {
            pid: std::process::id(),
            arguments,
            unrecorded: self.waited_for.is_some_and(|at| at.elapsed() < WAITED_FOR),
        }
    }

    /// Reads what `haltbox run` says. Returns true once the node ended.
    fn hear_wrapper(&mut self) -> bool {
        if let Some(output) = &mut self.output
            && output.turn_alone()
        {
            self.draining.progress();
        }
        match self.wrapper.as_mut().and_then(Wrapper::word) {
            None => false,
            Some(Word::Ended(how)) => {
                self.take_the_rest();
                self.node_ended(how);
                true
            }
            Some(Word::Gone) => {
                self.copy_output();
                false
            }
        }
    }

    fn take_the_rest(&mut self) {
        let rest = self.wrapper.as_ref().map(Wrapper::rest).transpose();
        let rest = rest.map(Option::flatten).unwrap_or_else(|error| {
            say(&format!("the last lines of the slog are lost: {error}"));
            None
        });
        if let (Some(source), Some(rest)) = (self.sources.first_mut(), rest) {
            source.wrapper_ended(rest);
        }
    }

    /// Continues to copy the node's output, because the wrapper was killed.
    fn copy_output(&mut self) {
        self.output = self.inherited_output().unwrap_or_else(|error| {
            say(&format!(
                "the node's output is no longer written to node.log: {error}"
            ));
            None
        });
    }

    fn inherited_output(&self) -> Result<Option<Copying>, OutputError> {
        let inherited = self.wrapper.as_ref().map(Wrapper::output).transpose();
        let inherited = inherited.map_err(OutputError::Inherited)?.flatten();
        let begin = |(memory, copied)| Copying::begin(&self.options.dir, memory, copied, say);
        Ok(inherited.map(begin).transpose()?)
    }

    /// The box for a request, and where its records are.
    fn held(&self, height: Option<u64>) -> Result<Wanted<UnixStream>, NotHeld> {
        let subject = Subject::of(self.recorder.life(), height, self.recorder.oldest());
        let boxes = self.supervisor.boxes();
        let holder = Holder::of(&self.options.dir, subject, height);
        Ok(match holder? {
            Holder::Ring(subject) => Wanted {
                settled: subject.settled,
                ..Wanted::unasked(subject.of, Finding::Nothing, subject.reason, boxes)
            },
            Holder::Archive(block) => Wanted {
                settled: true,
                held_by: HeldBy::Archive(block.clone()),
                ..Wanted::unasked(block.of(), Finding::Nothing, BY_REQUEST.to_owned(), boxes)
            },
        })
    }

    /// After the node's end: first reads what is left of its log, because that
    /// says why.
    fn node_ended(&mut self, how: String) {
        let begun = Instant::now();
        while !self.is_drained(begun) {
            if !self.read_sources() {
                std::thread::sleep(LOOK);
            }
        }
        self.end_wait();
        self.recorder.note(how);
        self.supervisor.node_ended();
        self.pull_triggers();
    }

    /// Nothing more is to be read: acts on what the node's log reported and the slog has not come
    /// as far as.
    fn end_wait(&mut self) {
        self.recorder.end_wait();
        self.tell_news();
        self.pull_triggers();
    }

    /// Begins to write the first wanted box, once the sources are read far
    /// enough for it.
    fn start_writing(&mut self) {
        let (draining, all) = (&self.draining, self.all_was_read());
        let ready = |wanted: &Wanted<_>| {
            wanted.settled || all.is_some_and(|all| draining.is_over(wanted.since, all))
        };
        let Some(wanted) = self.supervisor.next(ready) else {
            return;
        };
        let plan = Plan {
            of: wanted.of,
            reason: wanted.reason.clone(),
            boxes: wanted.boxes.clone(),
            profile: Arc::clone(self.recorder.profile()),
            node_program: self.options.node_program.clone(),
            ask: self.options.rpc.own_node(),
        };
        let ring = match wanted.held_by.clone() {
            HeldBy::Archive(block) => {
                let work = move |_: &Progress| block.freeze(&plan.boxes, &plan.reason);
                return self.supervisor.write(wanted, work);
            }
            HeldBy::OldRing(path) => fs::File::open(path),
            HeldBy::Ring => {
                // Keep the history that the box needs while it is copied.
                self.recorder.hold_history();
                self.recorder.file()
            }
        };
        self.supervisor.write(wanted, move |progress| {
            let ring = ring.map_err(|error| FreezeError::Io {
                doing: "open the ring for a box in",
                path: plan.boxes.clone(),
                error,
            })?;
            freeze::freeze_beside(&ring, &plan, None, progress)
        });
    }

    fn finish_writing(&mut self) {
        let Some(done) = self.supervisor.take_done() else {
            return;
        };
        if let Ok(frozen) = &done.outcome {
            self.mark_frozen(&done.wanted, frozen);
        }
        let answer = self.supervisor.follow_up(done);
        self.let_history_go();
        if let Some(stream) = answer.asked_by {
            let reply = match answer.told {
                Ok(message) => Reply::Frozen {
                    told: message,
                    path: answer
                        .path
                        .and_then(|path| path.to_str().map(str::to_owned)),
                },
                Err(why) => Reply::Failed(why.to_string()),
            };
            control::answer(&stream, &reply);
        }
    }

    /// Protects the ring's history until the box has copied it. Waiting for the
    /// node's answers after that costs no record.
    fn hold_what_is_copied(&mut self) {
        match self.supervisor.needs_ring() {
            Some(true) => self.recorder.hold_history(),
            Some(false) => self.recorder.release_history(),
            None => {}
        }
    }

    /// Ends the protection once no box is wanted or written.
    fn let_history_go(&mut self) {
        if self.supervisor.is_idle() {
            self.recorder.release_history();
        }
    }

    /// Waits for bytes, a request, a signal, or the next look at the files.
    fn wait(&self, signals: &Signals) {
        let mut waiting: Vec<PollFd<'_>> = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let control = self.control.as_ref().map(Control::wait_on);
        let pipes = self.sources.iter().filter_map(Source::wait_on);
        waiting.extend(
            control
                .into_iter()
                .flatten()
                .chain(pipes)
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN)),
        );
        let _ = poll(
            &mut waiting,
            PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO),
        );
    }
}

/// Notes that `haltbox run` could not write lines into node.log, because its
/// disk was full.
fn missing_log(recorder: &mut Recorder, left_out: LeftOut) {
    let LeftOut { lines, bytes } = left_out;
    let what =
        format!("lines of the node's log that could not be written: {lines} ({bytes} bytes)");
    say(&what);
    recorder.note(what);
    recorder.event(&Event::Gap, Stream::Node);
}
