//! `haltbox info`: shows the verdict, then what the source covers and lost.

use std::path::Path;

use clap::Args;
use haltbox_format::AppHash;
use haltbox_format::blackbox::HostFingerprint;
use haltbox_format::mark::State;
use haltbox_model::{Inputs, Outside, Profile, quote};
use serde::Serialize;

use super::ls::table;
use super::source_document::{Document, SourceArgs};
use super::{Outcome, human_bytes, output, profile_for, shown};
use haltbox_reader::compare::cutter::{self, Depth};
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::compare::streams::{self, StreamFacts};
use haltbox_reader::count::counted;
use haltbox_reader::selection::{Selection, Selector};
use haltbox_reader::source::{self, Hole, Item, Source};
use haltbox_reader::source_summary::{Row, SourceSummary};
use haltbox_reader::trace::{BlockTrace, TraceSink};
use haltbox_reader::vocabulary::{self, ComparedAmount, Vocabulary};

/// Limit of the blocks that are listed; `haltbox ls` lists all.
const ROWS: usize = 20;

/// Show what a source is, what it covers and what it lost.
#[derive(Args, Debug)]
pub struct InfoArgs {
    #[command(flatten)]
    common: SourceArgs,
}

#[derive(Serialize)]
struct Info {
    path: String,
    kind: &'static str,
    verdict: String,
    profile: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<HostFingerprint>,
    losses: Vec<String>,
    notes: Vec<String>,
    /// Streams that it records. Other recordings of its kind may lack them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    streams: Vec<StreamFacts>,
    /// The inputs of the block that a box is about, in short form.
    #[serde(skip_serializing_if = "String::is_empty")]
    inputs: String,
    #[serde(flatten)]
    summary: SourceSummary,
    #[serde(skip)]
    vocabulary: &'static dyn Vocabulary,
}

#[derive(Serialize)]
struct Identity {
    name: String,
    height: Option<u64>,
    attempt: Option<u32>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    quote: String,
    app_hash: Option<AppHash>,
    network_app_hash: Option<AppHash>,
    /// The profile with which it was recorded.
    profile: String,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    complete: bool,
}

/// Runs the command.
pub fn run(args: &InfoArgs) -> anyhow::Result<Outcome> {
    let members = source::members(&args.common.source)?;
    let profile = args.common.profile.as_deref();
    let document = Document::of_each(&members, |path| look(path, profile))?;
    let damaged = document.sources.iter().any(Info::is_damaged);
    if args.common.json {
        document.print_json()?;
    } else {
        let texts = document.sources.iter().map(Info::text);
        let texts: Vec<String> = texts.chain(document.unreadable_lines()).collect();
        output::print(&texts.join("\n"))?;
    }
    Ok(match (damaged, document.has_unreadable()) {
        (true, _) => Outcome::Damaged,
        (false, true) => Outcome::Trouble,
        (false, false) => Outcome::Fine,
    })
}

fn look(path: &Path, profile: Option<&str>) -> anyhow::Result<Info> {
    let source = super::open(path)?;
    let profile = profile_for(profile, &source, path)?;
    let summary = SourceSummary::of(&source, &profile)?;
    let vocabulary = vocabulary::of(&profile);
    let identity = identity_of(&source, vocabulary);
    let mut info = Info {
        path: shown(path),
        kind: source.kind(),
        verdict: verdict(&source, identity.as_ref(), &summary, vocabulary),
        profile: profile.name.clone(),
        host: host_of(&source),
        losses: losses_of(&source),
        notes: notes_of(&source),
        identity,
        streams: Vec::new(),
        inputs: String::new(),
        summary,
        vocabulary,
    };
    if let Some(identity) = &info.identity {
        info.inputs = inputs_of(path, identity, &profile)?.to_string();
    }
    if vocabulary.step_tracker().is_some() {
        let recording = Recording::new(path.to_owned(), source, profile);
        let summary = cutter::read(&recording, Depth::Digests, &mut NoFinds)?;
        info.streams = streams::facts(vocabulary, &summary);
    }
    Ok(info)
}

/// The inputs of the block that a box is about.
fn inputs_of(path: &Path, identity: &Identity, profile: &Profile) -> anyhow::Result<Inputs> {
    let mut inputs = Inputs::default();
    if profile.inputs.is_empty() || identity.height.is_none() {
        return Ok(inputs);
    }
    let selection = Selection {
        height: identity.height,
        attempt: identity.attempt,
        ..Selection::default()
    };
    let mut source = super::open(path)?;
    source.narrow(&selection.heights());
    let mut selector = Selector::new(&selection, profile, source.blocks());
    source.read(profile, &mut |item| {
        if let Item::Line(line) = item {
            selector.line(&line, &mut |selected| {
                profile.inputs.read(selected.line.bytes, &mut inputs);
                Ok(())
            })?;
        }
        Ok(true)
    })?;
    selector.finish(&mut |selected| {
        profile.inputs.read(selected.line.bytes, &mut inputs);
        Ok(())
    })?;
    Ok(inputs)
}

struct NoFinds;

impl TraceSink for NoFinds {
    fn block(&mut self, _block: BlockTrace) -> bool {
        true
    }
}

fn identity_of(source: &Source, vocabulary: &dyn Vocabulary) -> Option<Identity> {
    let Source::BlackBox(bx) = source else {
        return None;
    };
    let identity = bx.identity()?.clone();
    let (own, network) = (identity.app_hash, identity.network_app_hash);
    Some(Identity {
        quote: match vocabulary.has_app_hashes() {
            true => quote(&identity.name, &identity.reason, own, network),
            false => identity.name.clone(),
        },
        name: identity.name,
        height: identity.height,
        attempt: identity.attempt,
        reason: identity.reason,
        state: identity.state,
        app_hash: identity.app_hash,
        network_app_hash: identity.network_app_hash,
        profile: identity.profile,
        created: identity.created,
        origin: identity.origin,
        complete: identity.complete,
    })
}

fn host_of(source: &Source) -> Option<HostFingerprint> {
    match source {
        Source::BlackBox(bx) => bx.manifest().map(|manifest| manifest.host.clone()),
        _ => None,
    }
}

fn losses_of(source: &Source) -> Vec<String> {
    match source {
        Source::Ring(ring) => {
            let losses = ring.history.losses.iter();
            losses
                .map(|(_, loss)| {
                    format!(
                        "{} of the {} lane: {}",
                        counted(loss.records, "record"),
                        loss.lane.name(),
                        loss.why
                    )
                })
                .collect()
        }
        Source::BlackBox(bx) => {
            let losses = bx.manifest().map(|m| m.losses.clone()).unwrap_or_default();
            losses.into_iter().map(|loss| loss.why).collect()
        }
        _ => Vec::new(),
    }
}

fn notes_of(source: &Source) -> Vec<String> {
    match source {
        Source::Ring(ring) => ring
            .history
            .notes
            .iter()
            .map(|(_, note)| note.text.clone())
            .collect(),
        _ => Vec::new(),
    }
}

/// What the source shows, in one line.
fn verdict(
    source: &Source,
    identity: Option<&Identity>,
    summary: &SourceSummary,
    vocabulary: &dyn Vocabulary,
) -> String {
    if let Some(identity) = identity {
        let mut rows = summary.blocks.iter();
        let row = rows.find(|row| {
            Some(row.height) == identity.height && Some(row.attempt) == identity.attempt
        });
        // A box that holds only the node's log has no rows.
        let state = row.and_then(|row| row.state).or(identity.state);
        let diverged = state == Some(State::Diverged);
        if identity.height.is_none() {
            return identity.reason.clone();
        }
        let word = if diverged {
            "DIVERGED at height"
        } else {
            "box of height"
        };
        let height = identity
            .height
            .map_or("unknown".to_owned(), |height| height.to_string());
        return format!("{word} {height}: {}", identity.reason);
    }
    let of = |state| {
        summary
            .blocks
            .iter()
            .filter(move |row| row.state == Some(state))
    };
    if let Some(row) = of(State::Diverged).next_back() {
        let why = row.why.as_deref().unwrap_or("hash");
        return format!("DIVERGED at height {}: {why} mismatch", row.height);
    }
    if let Some(row) = of(State::Pinned).next_back() {
        return format!(
            "pinned at height {}: {}",
            row.height,
            row.why.as_deref().unwrap_or("")
        );
    }
    match source {
        _ if summary.is_not_understood() => {
            "NOT UNDERSTOOD: no line is an entry that the profile knows".to_owned()
        }
        _ if summary.blocks.is_empty() => "contains no blocks".to_owned(),
        Source::Ring(_) => "nothing needs attention".to_owned(),
        _ if vocabulary.has_app_hashes() => "no verdict: a slog contains no AppHashes".to_owned(),
        _ => "no verdict: lines alone do not show the state of the blocks".to_owned(),
    }
}

impl Info {
    fn is_damaged(&self) -> bool {
        self.summary.holes.iter().any(Hole::needs_attention)
            || self.summary.is_not_understood()
            || self
                .identity
                .as_ref()
                .is_some_and(|identity| !identity.complete)
    }

    fn text(&self) -> String {
        let summary = &self.summary;
        let mut text = format!("{}\n", Outside::text(&self.verdict));
        let mut line = |label: &str, value: String| {
            text += &format!("{label:<10} {}\n", Outside::text(&value));
        };
        line(self.kind, self.path.clone());
        if let Some(identity) = &self.identity {
            line("quote", identity.quote.clone());
            if !self.inputs.is_empty() {
                line("inputs", self.inputs.clone());
            }
            line("frozen", identity.created.clone());
            identity
                .origin
                .iter()
                .for_each(|origin| line("origin", origin.clone()));
        }
        if summary.is_of_a_log_alone() {
            line("holds", holds(summary));
        } else {
            line("covers", covers(&summary.blocks));
            line("records", records(summary, self.vocabulary));
            if !self.streams.is_empty() {
                let blocks = || summary.blocks.iter().map(|row| row.height);
                let heights = blocks().min().zip(blocks().max());
                line("tells", streams::facts_words(&self.streams, heights));
            }
            also(summary)
                .into_iter()
                .for_each(|text| line("also", text));
        }
        for (label, text) in self.oddities() {
            line(label, text);
        }
        if let Some(text) = self.host.as_ref().and_then(host_text) {
            line("recorded", text);
        }
        self.losses
            .iter()
            .rev()
            .take(10)
            .rev()
            .for_each(|loss| line("lost", loss.clone()));
        summary
            .holes
            .iter()
            .take(10)
            .for_each(|hole| line("hole", hole.text.clone()));
        if summary.hole_count > 10 {
            line(
                "holes",
                format!("{} in total, the first 10 are shown", summary.hole_count),
            );
        }
        self.notes
            .iter()
            .rev()
            .take(5)
            .rev()
            .for_each(|note| line("note", note.clone()));
        text + &self.newest_blocks()
    }

    /// What is unusual about its lines.
    fn oddities(&self) -> Vec<(&'static str, String)> {
        let summary = &self.summary;
        let altered = altered(summary).into_iter();
        let mut texts: Vec<_> = altered.map(|text| ("no HASH", text)).collect();
        if summary.not_json > 0 {
            let text = format!("{}, kept unchanged", counted(summary.not_json, "line"));
            texts.push(("not JSON", text));
        }
        if summary.wrapped > 0 {
            let text = "with an entry and its context: the slog sender drops members \
                        and entries, so no block has a HASH, and diff never reports identical";
            texts.push((
                "wrapped",
                format!("{} {text}", counted(summary.wrapped, "line")),
            ));
        }
        if summary.is_not_understood() {
            let text = format!(
                "{} lines, none of them an entry that the profile {} knows: the slog has another \
                 format or is from another host; pass its profile: --profile FILE",
                summary.records, self.profile
            );
            texts.push(("unknown", text));
        }
        texts
    }

    /// The newest blocks: few enough that the verdict and the quote stay on the screen.
    fn newest_blocks(&self) -> String {
        let rows = &self.summary.blocks;
        let columns = self.vocabulary.columns();
        let before = rows.len().saturating_sub(ROWS);
        let newest = rows.get(before..).unwrap_or_default();
        match before {
            0 => table(newest, columns),
            before => format!(
                "{}{before} more before these; list all: haltbox ls {}\n",
                table(newest, columns),
                Outside::text(&self.path)
            ),
        }
    }
}

fn records(summary: &SourceSummary, vocabulary: &dyn Vocabulary) -> String {
    let cranks = vocabulary.amount(ComparedAmount {
        cranks: summary.cranks,
        ..ComparedAmount::default()
    });
    format!(
        "{} ({}){cranks}",
        summary.records,
        human_bytes(summary.bytes)
    )
}

/// Why whole blocks have no HASH.
fn altered(summary: &SourceSummary) -> Option<String> {
    let blocks = || summary.blocks.iter().filter(|row| row.altered);
    let altered = blocks().count();
    let what = match blocks().any(|row| row.rewritten) {
        true => "rewritten by another JSON writer",
        false => "delivered by a log shipper, which may have lost or duplicated lines",
    };
    (altered > 0).then(|| {
        format!(
            "{}: {what}; these are not the lines that the host wrote",
            counted(altered as u64, "block")
        )
    })
}

/// What a recorder kept of a node that has no slog, or whose slog it did not get.
fn holds(summary: &SourceSummary) -> String {
    let lines = counted(summary.node_records, "node-log line");
    format!("{lines}; no slog was recorded, so there are no steps to compare")
}

/// What the source holds besides the records of blocks.
fn also(summary: &SourceSummary) -> Option<String> {
    let counts = [
        (summary.node_records, "node-log lines"),
        (summary.outside, "entries outside blocks"),
        (
            summary.context_records,
            "node-local entries outside the covered blocks",
        ),
    ];
    let texts = counts.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = texts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn covers(rows: &[Row]) -> String {
    let complete = rows.iter().filter(|row| row.complete).count();
    match rows.first().zip(rows.last()) {
        Some((first, last)) => format!(
            "heights {} to {}, complete blocks: {complete} of {}",
            first.height,
            last.height,
            rows.len()
        ),
        None => "no blocks".to_owned(),
    }
}

/// An extract that was not made of a box says nothing about its host.
fn host_text(host: &HostFingerprint) -> Option<String> {
    let known = [&host.recorder, &host.os, &host.kernel, &host.cpu];
    let known: Vec<&str> = known
        .into_iter()
        .filter_map(|part| part.as_deref())
        .collect();
    (!known.is_empty()).then(|| format!("by haltbox {}", known.join(", ")))
}
