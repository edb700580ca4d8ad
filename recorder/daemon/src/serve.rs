//! The recorder beside a node: one loop that reads the sources, hears requests
//! and has boxes written.
//!
//! Reading never waits for writing: a box is written by a thread that reads the
//! ring's file, while the loop goes on draining the sources.

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
use crate::run::output::Copying;
use crate::run::recorder_child::arguments_of_this_process;
use crate::service::{Pulse, Service};
use crate::signals::{self, Signals};
use haltbox_recorder::after_freeze::AfterFreeze;
use haltbox_recorder::archive;
use haltbox_recorder::freeze::progress::Progress;
use haltbox_recorder::freeze::{self, FreezeError, Frozen, Plan};
use haltbox_recorder::freeze_request::{BY_REQUEST, Holder, Subject, found_at_start};
use haltbox_recorder::host_threads;
use haltbox_recorder::old_rings::{self, OldRing};
use haltbox_recorder::recorder::{Opened, Recorder};
use haltbox_recorder::recorder_dir::RecorderDir;
use haltbox_recorder::size;
use haltbox_recorder::source_entry::LeftOut;
use haltbox_recorder::supervisor::{Brings, HeldBy, Supervisor, Wanted};
use haltbox_recorder::triggers::Policy;
pub(crate) use opening::followed;
use opening::{FirstBlock, config_of, keep_profile, note_program, open_sources};

/// How often followed files are looked at.
const LOOK: Duration = Duration::from_millis(25);
/// Others ask so often whether this recorder is still there that one who asked is
/// waiting for that long.
const WAITED_FOR: Duration = Duration::from_secs(10);
/// Turns of one source before the others have theirs.
const TURNS: usize = 16;

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
    /// What a durable box brings about.
    pub after_freeze: AfterFreeze,
    /// Bytes the archive may have; 0 for none.
    pub archive_bytes: u64,
    /// Nodes that are asked by RPC.
    pub rpc: rpc::Options,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// How old the last block may be before metrics say that it needs attention;
    /// by default it goes by the chain's own pace.
    pub max_block_age: Option<Duration>,
    /// What `haltbox run` left to this recorder, if it started it.
    pub of_run: Option<Handed>,
}

/// Records until every source is over or a signal ends it.
pub fn serve(options: Options) -> Result<(), String> {
    // `haltbox run` starts it in a process group of its own.
    if options.of_run.is_some() {
        let allowed = host_threads::speak_from_the_background();
        allowed.map_err(|error| format!("cannot block SIGTTOU: {error}"))?;
    }
    let signals = Signals::catch(&signals::ENDING);
    let mut signals = signals.map_err(|error| format!("cannot catch signals: {error}"))?;
    Server::start(options)?.run(&mut signals)
}

struct Server {
    options: Options,
    recorder: Recorder,
    sources: Vec<Source>,
    control: Option<Control>,
    /// Boxes are asked for over the control socket.
    supervisor: Supervisor<UnixStream>,
    /// Bytes recorded since the start.
    recorded: u64,
    old_rings: Vec<OldRing>,
    watch: Option<Watch>,
    draining: Draining,
    pulse: Pulse,
    first_block: FirstBlock,
    /// `haltbox run`, if it started this recorder.
    wrapper: Option<Wrapper>,
    /// The node's output, since the wrapper that copied it was killed.
    output: Option<Copying>,
    /// When another recorder was last told to wait for this one's end.
    waited_for: Option<Instant>,
}

impl Server {
    fn start(options: Options) -> Result<Server, String> {
        let dir = RecorderDir::at(&options.dir);
        dir.make()
            .map_err(|(path, error)| format!("cannot make the folder {}: {error}", path.shown()))?;
        if let Some(text) = &options.profile_text {
            keep_profile(&dir.profile(), text);
        }
        let ring = dir.ring();
        let opened = Recorder::open(&ring, config_of(&options)).map_err(|e| e.to_string())?;
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
        let wrapper =
            wrapper.map_err(|error| format!("cannot open the link to haltbox run: {error}"))?;
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

    /// What the last session left: gaps, and what it meant to freeze.
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
                // The triggers want one that does not stand.
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

    fn run(mut self, signals: &mut Signals) -> Result<(), String> {
        let mut stopping: Option<Instant> = None;
        let mut service = Service::ready();
        loop {
            service.live();
            self.pulse.beat();
            let progress = self.read_sources();
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
            if drained && self.supervisor.is_idle() {
                break;
            }
            if !progress {
                self.wait(signals);
            }
        }
        self.mark_sources();
        // Before the ring is free: the next one's socket has the same name.
        self.control = None;
        self.recorder.close();
        Ok(())
    }

    /// Standard input is over, or all sources are: nothing more can come.
    fn sources_over(&self) -> bool {
        let mut over = self.sources.iter().filter(|source| source.is_over());
        over.next().is_some()
    }

    fn is_drained(&self, since: Instant) -> bool {
        let all = self.all_was_read();
        all.is_some_and(|all| self.draining.is_over(since, all))
    }

    /// Whether all that is there was read; `None` while the wrapper's rest is left, which
    /// is waited for however long it takes.
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
                    | Turn::Told(_)
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
        // `haltbox run` writes node.log too: a line of its own says what is missing.
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
            Turn::Told(what) => {
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

    /// Tells the operator, and has divergences frozen.
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

    /// What rings of another size still owe the operator.
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

    /// Removes the old rings whose records are all older than what this ring
    /// itself has let go.
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

    /// Notes where it matters that a box holds the attempt.
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

    /// Answers requests.
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
                Err(text) => control::answer(&stream, &Reply::Failed(text)),
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

    /// What `haltbox run` says, which is all when the node ended.
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

    /// The wrapper was killed: nobody else copies the node's output.
    fn copy_output(&mut self) {
        let inherited = self.wrapper.as_ref().map(Wrapper::output).transpose();
        let inherited = inherited.map(Option::flatten);
        let copying = inherited.map_err(|error| error.to_string());
        let copying = copying.and_then(|inherited| {
            let begin = |(memory, copied)| Copying::begin(&self.options.dir, memory, copied, say);
            inherited.map(begin).transpose()
        });
        self.output = copying.unwrap_or_else(|error| {
            say(&format!(
                "the node's output is no longer written to node.log: {error}"
            ));
            None
        });
    }

    /// The box an operator means, and where its records are.
    fn held(&self, height: Option<u64>) -> Result<Wanted<UnixStream>, String> {
        let subject = Subject::of(self.recorder.life(), height, self.recorder.oldest());
        let boxes = self.supervisor.boxes();
        Ok(match Holder::of(&self.options.dir, subject, height)? {
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

    /// What its log still holds comes first: it says why.
    fn node_ended(&mut self, how: String) {
        let begun = Instant::now();
        while !self.is_drained(begun) {
            if !self.read_sources() {
                std::thread::sleep(LOOK);
            }
        }
        self.recorder.note(how);
        self.supervisor.node_ended();
        self.pull_triggers();
    }

    /// Begins to write the first wanted box, once what the sources still hold
    /// of it is in the ring.
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
                // From here on the box needs what the ring holds now.
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
                Ok(message) => Reply::Done(message),
                Err(why) => Reply::Failed(why),
            };
            control::answer(&stream, &reply);
        }
    }

    /// A box needs what the ring holds until it was copied: what it waits for then, the
    /// answers of a node, costs no record.
    fn hold_what_is_copied(&mut self) {
        match self.supervisor.needs_ring() {
            Some(true) => self.recorder.hold_history(),
            Some(false) => self.recorder.release_history(),
            None => {}
        }
    }

    /// No box needs what the ring holds beside what is pinned.
    fn let_history_go(&mut self) {
        if self.supervisor.is_idle() {
            self.recorder.release_history();
        }
    }

    /// Waits for bytes, a request, a signal or the next look at the files.
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

/// The disk was full for the node's log.
fn missing_log(recorder: &mut Recorder, left_out: LeftOut) {
    let LeftOut { lines, bytes } = left_out;
    let what =
        format!("lines of the node's log that could not be written: {lines} ({bytes} bytes)");
    say(&what);
    recorder.note(what);
    recorder.event(&Event::Gap, Stream::Node);
}
