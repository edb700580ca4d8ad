//! Makes a box from any source: an extract, or a redaction.

use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::bail;
use haltbox_format::blackbox::{
    BlockFacts, BoxWriter, Identity, LIST_MAX, Manifest, ManifestFields, Missing, Options, Span,
};
use haltbox_format::mark::{Attempt, State};
use haltbox_format::{BlockHash, BoxName, Digest, Lane, Stream};
use haltbox_model::history::History;
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{Event, Profile, Redactor};

use super::new_file::NewFile;
use super::{Outcome, shown};
use haltbox_reader::block_index::{IndexedBlock, IndexedHash};
use haltbox_reader::carrier::Origin;
use haltbox_reader::execution::{Execution, MissingRecords};
use haltbox_reader::selection::{SelectedLine, Selection, Selector};
use haltbox_reader::source::{Blocks, Hole, Item, Line, Source};

/// Limit of a line that is joined from parts, in bytes. A file of kilobytes may decompress to
/// a line of gigabytes.
const LINE_MAX: usize = 64 << 20;

/// What to make.
pub(crate) struct Making<'a> {
    /// The lines to copy.
    pub(crate) selection: &'a Selection,
    /// Also copy the node's log.
    pub(crate) node: bool,
    /// Redacts each line, if set.
    pub(crate) redactor: Option<Redactor>,
    /// How the origin in the box begins, such as `extract of`.
    pub(crate) verb: &'static str,
    /// What else the origin says.
    pub(crate) details: String,
}

/// What was made.
pub(crate) struct Made {
    /// Name of the box, `HEIGHT-HASH`.
    pub(crate) name: String,
    /// Number of slog lines, with those around evicted block records.
    pub(crate) lines: u64,
    /// Number of lines that were not JSON when they were redacted.
    pub(crate) not_json: u64,
    damaged: bool,
}

impl Made {
    pub(crate) fn outcome(&self) -> Outcome {
        match self.damaged {
            true => Outcome::Damaged,
            false => Outcome::Fine,
        }
    }
}

/// Makes the box.
pub(crate) fn make(
    path: &Path,
    source: &Source,
    profile: &Profile,
    making: &Making<'_>,
    output: &Path,
) -> anyhow::Result<Made> {
    check_profile(path, source, profile)?;
    let file = NewFile::create(output)?;
    let draft = Identity {
        profile: profile.name.clone(),
        ..Identity::default()
    };
    let options = Options {
        draft,
        ..Options::default()
    };
    let writer = BoxWriter::new(file.file(), &options)?;
    let target = Target::new(writer, source, profile, making);
    let target = Copy::new(source, profile, making, target).run(source)?;
    if target.lines + target.node_lines + target.context_lines == 0 {
        bail!(
            "{} contains nothing that was selected; haltbox info shows what it contains",
            shown(path)
        );
    }
    let made = target.finish(path, source)?;
    check_name(output, &made.name)?;
    file.publish()?;
    Ok(made)
}

/// Checks that the profile's rules are those of the source. HASHes are made by these rules, so
/// with other rules the box would get another name, and its index would not match its lines.
fn check_profile(path: &Path, source: &Source, profile: &Profile) -> anyhow::Result<()> {
    let by = source.profile().unwrap_or_default();
    let recorded = identity_of(source).and_then(|identity| identity.profile_digest);
    let rules = profile
        .slog
        .as_ref()
        .map(|slog| slog.canonical().name_digest());
    if !by.is_empty() && by != profile.name || recorded.is_some() && recorded != rules {
        bail!(
            "{} was recorded with the profile {by}, whose rules differ from those of the profile \
             {} in use; pass the profile file it was recorded with: --profile FILE",
            shown(path),
            profile.name
        );
    }
    Ok(())
}

/// Checks that the file does not have the name of another execution's box. It would be taken
/// for that box.
fn check_name(output: &Path, inside: &str) -> anyhow::Result<()> {
    let file = output.file_name().unwrap_or_default().to_string_lossy();
    if let (Ok(file), Ok(own)) = (file.parse::<BoxName>(), inside.parse::<BoxName>())
        && (file.height, file.hash) != (own.height, own.hash)
    {
        bail!(
            "the box is {inside}, but {file} is the name of another box; nothing was written: \
             name the file {inside}, or choose a name that is not HEIGHT-HASH"
        );
    }
    Ok(())
}

fn identity_of(source: &Source) -> Option<&Identity> {
    match source {
        Source::BlackBox(bx) => bx.identity(),
        _ => None,
    }
}

fn is_of(identity: Option<&Identity>, attempt: Attempt) -> bool {
    identity.is_some_and(|i| (i.height, i.attempt) == (Some(attempt.height), Some(attempt.attempt)))
}

/// The origin that a source records. The manifest has it uncut.
fn origin_of(source: &Source) -> Option<&String> {
    let Source::BlackBox(bx) = source else {
        return None;
    };
    let uncut = bx.manifest().and_then(|manifest| manifest.origin.as_ref());
    uncut.or_else(|| bx.identity()?.origin.as_ref())
}

/// A block in the box.
struct Written {
    attempt: Attempt,
    hash: Option<BlockHash>,
    known: IndexedBlock,
    /// Number of lines that were written when it ended.
    evidence: u64,
}

/// The block whose lines are being written.
struct Open {
    attempt: Attempt,
    execution: Execution,
    /// The execution by the rules of the source's HASH, if those differ.
    promised: Option<Execution>,
}

impl Open {
    fn executions(&mut self) -> impl Iterator<Item = &mut Execution> {
        std::iter::once(&mut self.execution).chain(&mut self.promised)
    }
}

/// One pass over a source into a box.
struct Copy<'a> {
    profile: &'a Profile,
    making: &'a Making<'a>,
    selector: Selector<'a>,
    /// The source itself shows where lines of the node's log belong.
    places_node: bool,
    /// Parts of a line that continues.
    parts: Vec<u8>,
    /// Holes behind the newest line, and whether that line is selected. A hole between two lines
    /// that are not selected is not copied.
    pending: Vec<Missing>,
    in_range: bool,
    target: Target<'a>,
}

impl<'a> Copy<'a> {
    fn new(
        source: &Source,
        profile: &'a Profile,
        making: &'a Making<'a>,
        target: Target<'a>,
    ) -> Copy<'a> {
        Copy {
            profile,
            making,
            selector: Selector::new(making.selection, profile, source.blocks()),
            places_node: matches!(source, Source::Ring(_)),
            parts: Vec::new(),
            pending: Vec::new(),
            in_range: making.selection.is_empty(),
            target,
        }
    }

    fn run(mut self, source: &Source) -> io::Result<Target<'a>> {
        source.read(self.profile, &mut |item| {
            match item {
                Item::Line(line) => self.part(&line)?,
                Item::Hole(hole) => self.hole(&hole),
            }
            Ok(true)
        })?;
        self.selector
            .finish(&mut |selected| self.target.slog(selected))?;
        self.settle_holes(false);
        self.target.end_block(self.selector.derived());
        if let Some(life) = self.selector.derived() {
            self.target.restate(life);
        }
        Ok(self.target)
    }

    /// Joins the parts of a line, because a line must be redacted and written as a whole.
    fn part(&mut self, line: &Line<'_>) -> io::Result<()> {
        if !line.goes_on && self.parts.is_empty() {
            return self.line(line);
        }
        if self.parts.len() + line.bytes.len() > LINE_MAX {
            let text = format!("cannot copy a line of more than {LINE_MAX} bytes");
            return Err(io::Error::other(text));
        }
        self.parts.extend_from_slice(line.bytes);
        if line.goes_on {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.parts);
        self.line(&Line {
            bytes: &bytes,
            ..*line
        })
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let everything = self.making.selection.is_empty();
        if line.stream == Stream::Node {
            return match (self.making.node, self.places_node) {
                (false, _) => Ok(()),
                (true, false) => self.target.node(line),
                (true, true) => {
                    let target = &mut self.target;
                    self.selector
                        .line(line, &mut |selected| target.node(&selected.line))
                }
            };
        }
        if line.context {
            return match everything {
                true => self.target.context(line),
                false => Ok(()),
            };
        }
        let before = self.target.lines;
        let target = &mut self.target;
        self.selector
            .line(line, &mut |selected| target.slog(selected))?;
        if !self.selector.is_holding() {
            self.settle_holes(self.target.lines > before);
        }
        Ok(())
    }

    fn hole(&mut self, hole: &Hole) {
        self.selector.hole(hole);
        if hole.of_blocks {
            self.target.spoil(hole.records);
        }
        self.target.damaged |= hole.damage;
        let (lane, from, to) = match hole.records {
            Some((lane, from, to)) => (Some(lane), from, to),
            None => (None, 0, 0),
        };
        self.pending.push(Missing {
            lane,
            from,
            to,
            bytes: None,
            line: Some(self.target.lines).filter(|_| hole.of_blocks),
            why: hole.reason().to_owned(),
        });
    }

    /// Keeps or drops the pending holes, once it is known whether the newest line is selected.
    fn settle_holes(&mut self, wanted: bool) {
        let everything = self.making.selection.is_empty();
        if self.in_range || wanted || everything {
            let room = LIST_MAX.saturating_sub(self.target.holes.len());
            self.target.holes.extend(self.pending.drain(..).take(room));
        }
        self.pending.clear();
        self.in_range = wanted;
    }
}

/// The box that is being written.
struct Target<'a> {
    writer: BoxWriter<&'a File>,
    profile: &'a Profile,
    making: &'a Making<'a>,
    blocks: Blocks,
    missing: MissingRecords,
    redacted: Vec<u8>,
    open: Option<Open>,
    written: Vec<Written>,
    lines: u64,
    node_lines: u64,
    context_lines: u64,
    not_json: u64,
    /// Counters of the main records that were written.
    main: Option<Span>,
    holes: Vec<Missing>,
    damaged: bool,
}

impl<'a> Target<'a> {
    fn new(
        writer: BoxWriter<&'a File>,
        source: &Source,
        profile: &'a Profile,
        making: &'a Making<'a>,
    ) -> Target<'a> {
        Target {
            writer,
            profile,
            making,
            blocks: source.blocks(),
            missing: MissingRecords::default(),
            redacted: Vec::new(),
            open: None,
            written: Vec::new(),
            lines: 0,
            node_lines: 0,
            context_lines: 0,
            not_json: 0,
            main: None,
            holes: Vec::new(),
            damaged: false,
        }
    }

    fn node(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.node_lines += 1;
        self.writer
            .node(line.bytes, line.newline)
            .map_err(io::Error::other)
    }

    fn context(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.context_lines += 1;
        let bytes = self.redact(line.as_it_stands());
        let done = self.writer.context(&bytes, line.newline);
        self.redacted = bytes;
        done.map_err(io::Error::other)
    }

    fn slog(&mut self, selected: &SelectedLine<'_>) -> io::Result<()> {
        let line = &selected.line;
        if selected.place.attempt != self.open.as_ref().map(|open| open.attempt) {
            self.end_block(selected.derived);
            selected
                .place
                .attempt
                .into_iter()
                .for_each(|attempt| self.begin_block(attempt));
        }
        self.lines += 1;
        if line.lane == Lane::Main {
            let (from, to) = (line.counter, line.counter);
            self.main.get_or_insert(Span { from, to }).to = to;
        }
        let bytes = self.redact(line.as_it_stands());
        let done = self.writer.slog(&bytes, line.newline);
        self.index(&bytes, line.whole, line.origin);
        self.redacted = bytes;
        done.map_err(io::Error::other)
    }

    /// The line as it will be written. The caller returns the buffer after use.
    fn redact(&mut self, line: &[u8]) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.redacted);
        out.clear();
        match &self.making.redactor {
            Some(redactor) => self.not_json += u64::from(!redactor.line(line, &mut out)),
            None => out.extend_from_slice(line),
        }
        out
    }

    /// Indexes the line that was written, and not the one that was read: the index must match what
    /// a reader finds in the box.
    fn index(&mut self, line: &[u8], whole: bool, origin: Origin) {
        let Some(rules) = &self.profile.slog else {
            return;
        };
        if let Some(open) = &mut self.open {
            open.executions()
                .for_each(|execution| execution.line(line, whole, origin));
        }
        for event in rules.read(line).events() {
            match event {
                Event::Crank {
                    number,
                    activityhash,
                    ..
                } => self.writer.crank(number, Some(activityhash)),
                Event::End { height } => {
                    let open = self
                        .open
                        .as_mut()
                        .filter(|open| open.attempt.height == height);
                    let executions = open.into_iter().flat_map(Open::executions);
                    executions.for_each(Execution::end);
                }
                _ => {}
            }
        }
    }

    /// Notes that block records are missing here.
    fn spoil(&mut self, records: Option<(Lane, u64, u64)>) {
        if let Some(open) = &mut self.open {
            open.executions().for_each(Execution::hole);
        }
        if let Some((Lane::Main, from, to)) = records {
            self.missing.add(from, to);
        }
    }

    fn begin_block(&mut self, attempt: Attempt) {
        self.writer.block_begin(attempt.height, attempt.attempt);
        let execution = match self.making.selection.selects_cranks() {
            true => Execution::of_a_part(self.profile),
            false => Execution::new(attempt.height, self.profile),
        };
        let promised = self
            .other_rules(attempt)
            .map(|by| Execution::new(attempt.height, &self.profile.clone().naming_by(Some(by))));
        self.open = Some(Open {
            attempt,
            execution,
            promised,
        });
    }

    /// The rules of the HASH in the source's index, if they differ from the profile's.
    fn other_rules(&self, attempt: Attempt) -> Option<Digest> {
        let by = self.known(attempt, None).promised?.by?;
        let own = self.profile.slog.as_ref()?.canonical().name_digest();
        (by != own).then_some(by)
    }

    fn end_block(&mut self, derived: Option<&Lifecycle>) {
        let Some(open) = self.open.take() else {
            return;
        };
        let known = self.known(open.attempt, derived);
        let hash = open.execution.finish(&known, &self.missing);
        let found = match open.promised {
            Some(promised) => promised.finish(&known, &self.missing),
            None => hash,
        };
        let hash = hash.filter(|_| self.is_promised(open.attempt, found, &known));
        self.writer.block_end(BlockFacts {
            state: known.state,
            app_hash: known.app_hash,
            network_app_hash: known.network,
            hash: hash.map(|hash| hash.to_string()),
        });
        self.written.push(Written {
            attempt: open.attempt,
            hash,
            known,
            evidence: self.lines + self.node_lines,
        });
    }

    /// Sets the states of all blocks again: lines behind a block show whether it was confirmed.
    fn restate(&mut self, life: &Lifecycle) {
        let state_of = |height, attempt| {
            let block = life.block(Attempt { height, attempt })?;
            IndexedBlock::by_lines(block).state
        };
        self.writer.restate(state_of);
        for w in &mut self.written {
            w.known.state = state_of(w.attempt.height, w.attempt.attempt);
        }
    }

    /// Whether the HASH of the lines is the one in the source's index. If not, the lines were
    /// changed, and copying must not make the box look sound. `found`: the HASH by the rules of
    /// the index.
    fn is_promised(
        &mut self,
        attempt: Attempt,
        found: Option<BlockHash>,
        known: &IndexedBlock,
    ) -> bool {
        let promised = known.promised.as_ref();
        let found = found.map(|hash| hash.to_string());
        let kept = |promised: &IndexedHash| found.as_ref() == Some(&promised.hash);
        if self.making.redactor.is_some() || promised.is_none_or(kept) {
            return true;
        }
        self.damaged = true;
        self.holes.push(Missing {
            why: format!(
                "height {}: the HASH of its lines is {}, the source gives another one",
                attempt.height,
                found.as_deref().unwrap_or("none")
            ),
            ..Missing::default()
        });
        false
    }

    fn known(&self, attempt: Attempt, derived: Option<&Lifecycle>) -> IndexedBlock {
        let indexed = match (&self.blocks, derived) {
            (_, Some(life)) => life.block(attempt).map(IndexedBlock::from),
            (Blocks::Told(blocks), None) => blocks
                .iter()
                .find(|block| block.attempt == attempt)
                .cloned(),
            (Blocks::Untold, None) => None,
        };
        indexed.unwrap_or_else(|| IndexedBlock::unknown(attempt))
    }

    fn finish(self, path: &Path, source: &Source) -> anyhow::Result<Made> {
        let identity = self.identity(path, source);
        let fields = self.fields(source, identity.origin.clone());
        let made = Made {
            name: identity.name.clone(),
            lines: self.lines + self.context_lines,
            not_json: self.not_json,
            damaged: self.damaged,
        };
        self.writer.finish(identity, fields)?;
        Ok(made)
    }

    /// The block that gives the box its name: the one of the source's name if it was copied, else
    /// one that diverged, else the last.
    fn subject(&self, identity: Option<&Identity>) -> Option<&Written> {
        let own = |w: &&Written| is_of(identity, w.attempt);
        let diverged = |w: &&Written| w.known.state == Some(State::Diverged);
        let written = || self.written.iter().rev();
        let found = written().find(own).or_else(|| written().find(diverged));
        found.or_else(|| self.written.last())
    }

    fn identity(&self, path: &Path, source: &Source) -> Identity {
        let original = identity_of(source);
        let subject = self.subject(original);
        let same = |w: &&Written| is_of(original, w.attempt);
        let original_of = subject.filter(same).and(original);
        let why = subject.and_then(|w| w.known.why.as_deref());
        let reason = match (original_of, why) {
            (Some(original), _) => original.reason.clone(),
            (None, Some(why)) => why.to_owned(),
            (None, None) => "no failure recorded".to_owned(),
        };
        Identity {
            name: subject.map_or_else(|| "unknown".to_owned(), Written::name),
            height: subject.map(|w| w.attempt.height),
            attempt: subject.map(|w| w.attempt.attempt),
            reason,
            state: subject
                .and_then(|w| w.known.state)
                .or_else(|| original_of?.state),
            broken: original_of.is_some_and(|original| original.broken),
            app_hash: subject
                .and_then(|w| w.known.app_hash)
                .or_else(|| original_of?.app_hash),
            network_app_hash: subject
                .and_then(|w| w.known.network)
                .or_else(|| original_of?.network_app_hash),
            profile: self.profile.name.clone(),
            profile_digest: self
                .profile
                .slog
                .as_ref()
                .map(|slog| slog.canonical().name_digest()),
            evidence: subject.map(|w| w.evidence),
            created: original.map_or_else(now, |original| original.created.clone()),
            origin: Some(self.origin(path, source)),
            ..Identity::default()
        }
    }

    /// The origin of the box. It includes the source's own origin, because an extract of a
    /// redacted box is redacted too.
    fn origin(&self, path: &Path, source: &Source) -> String {
        let file = || match path.file_name() {
            Some(name) if path != Path::new("-") => name.to_string_lossy().into_owned(),
            _ => "standard input".to_owned(),
        };
        let name = identity_of(source).map(|original| original.name.clone());
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(file);
        let mut text = format!("{} {name}", self.making.verb);
        if !self.making.details.is_empty() {
            text += &format!(", {}", self.making.details);
        }
        if let Some(before) = origin_of(source) {
            text += &format!("; {name} itself: {before}");
        }
        text
    }

    fn fields(&self, source: &Source, origin: Option<String>) -> ManifestFields {
        let mut fields = ManifestFields {
            holes: self.holes.clone(),
            origin,
            ..ManifestFields::default()
        };
        match source {
            Source::Ring(ring) => {
                fields.losses = self.losses(&ring.history);
                fields.coverage.main = self.main;
            }
            Source::BlackBox(bx) => {
                if let Some(manifest) = bx.manifest() {
                    self.inherit(manifest, &mut fields);
                }
            }
            Source::Folder(_)
            | Source::Agoric(_)
            | Source::BlockFiles(_)
            | Source::Slog(_)
            | Source::Stdin
            | Source::Fingerprint(_) => {}
        }
        let heights = || self.written.iter().map(|w| w.attempt.height);
        fields.coverage.first_height = heights().min();
        fields.coverage.last_height = heights().max();
        fields.holes.truncate(LIST_MAX);
        fields
    }

    fn losses(&self, history: &History) -> Vec<Missing> {
        let inside = |at: u64| {
            let span = self.main.unwrap_or_default();
            self.making.selection.is_empty() || (span.from..=span.to + 1).contains(&at)
        };
        let losses = history.losses.iter();
        losses
            .filter(|(stamp, _)| inside(stamp.at.main))
            .map(|(stamp, loss)| Missing::of_loss(loss, stamp.at, None))
            .take(LIST_MAX)
            .collect()
    }

    /// Copies the losses and holes of a box. They have no position among its lines, so all of them
    /// may concern the copied lines.
    fn inherit(&self, manifest: &Manifest, fields: &mut ManifestFields) {
        fields.losses.clone_from(&manifest.losses);
        fields.holes.extend_from_slice(&manifest.holes);
        fields.host = manifest.host.clone();
        if self.making.selection.is_empty() {
            fields.coverage = manifest.coverage.clone();
        }
    }
}

impl Written {
    fn name(&self) -> String {
        let name = BoxName {
            height: self.attempt.height,
            hash: self.hash,
            serial: NonZeroU32::MIN,
        };
        name.to_string()
    }
}

/// The time now, such as `2026-11-21T01:02:03Z`.
fn now() -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now).map_or_else(|_| "unknown".to_owned(), |t| t.to_string())
}
