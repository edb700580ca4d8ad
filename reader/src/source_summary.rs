//! What each block of a source holds, counted in one pass.

use std::collections::HashMap;
use std::io;

use haltbox_format::mark::{Attempt, State};
use haltbox_format::{AppHash, BlockHash, BoxName, Digest, Lane, Stream};
use haltbox_model::{Event, Profile, SlogRules};
use serde::Serialize;

use crate::attribution::Attribution;
use crate::block_index::IndexedBlock;
use crate::carrier::Origin;
use crate::execution::{Execution, MissingRecords};
use crate::repeats::Repeats;
use crate::selection::{Selection, Selector};
use crate::source::{Blocks, Hole, Item, Line, Source};
use crate::vocabulary::{self, Column, Vocabulary};

/// Limit of the holes that are listed.
const HOLES_TOLD: usize = 1000;

/// One attempt at a height, as far as the source has it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Height.
    pub height: u64,
    /// Number of the attempt.
    pub attempt: u32,
    /// State of the block, if the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// `HEIGHT-HASH`, or `HEIGHT-incomplete`.
    pub name: String,
    /// Its execution is recorded from the first entry to the last.
    pub complete: bool,
    /// Its lines are not the host's own bytes, or a carrier brought them and may have lost some.
    /// Then it has no HASH.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub altered: bool,
    /// Number of entries.
    pub records: u64,
    /// Bytes of the entries, with line feeds.
    pub bytes: u64,
    /// Number of cranks that finished.
    pub cranks: u64,
    /// Number of transactions, if the host records them.
    #[serde(skip_serializing_if = "is_none")]
    pub transactions: u64,
    /// Number of reads and writes of stores.
    #[serde(skip_serializing_if = "is_none")]
    pub operations: u64,
    /// Number of the first crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_crank: Option<u64>,
    /// Number of the last crank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_crank: Option<u64>,
    /// The last crank's activityhash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activityhash: Option<Digest>,
    /// This node's AppHash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_hash: Option<AppHash>,
    /// The network's AppHash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_app_hash: Option<AppHash>,
    /// Why it is pinned, or what diverged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// HASH of its entries, if it is complete.
    #[serde(skip)]
    pub hash: Option<BlockHash>,
    /// Another JSON writer rewrote its lines.
    #[serde(skip)]
    pub rewritten: bool,
    /// Its beginning is recorded.
    #[serde(skip)]
    begun: bool,
    /// Its end is recorded.
    #[serde(skip)]
    pub ended: bool,
    /// Its lines, as far as they were read.
    #[serde(skip)]
    execution: Option<Execution>,
}

/// What a source holds.
#[derive(Debug, Serialize)]
pub struct SourceSummary {
    /// Blocks, in the order of their entries.
    pub blocks: Vec<Row>,
    /// Number of slog entries, without context.
    pub records: u64,
    /// Bytes of these entries, with line feeds.
    pub bytes: u64,
    /// Number of entries of the node's log.
    pub node_records: u64,
    /// Number of node-local entries around evicted block records.
    pub context_records: u64,
    /// Number of entries that belong to no block.
    pub outside: u64,
    /// Number of entries that are not a JSON object.
    pub not_json: u64,
    /// Number of cranks that finished.
    pub cranks: u64,
    /// What is missing; at most a thousand holes.
    #[serde(serialize_with = "texts")]
    pub holes: Vec<Hole>,
    /// Number of holes.
    pub hole_count: u64,
    /// Number of lines that are there twice in a row, byte for byte.
    #[serde(skip_serializing_if = "is_none")]
    pub doubled: u64,
    /// Number of entries in a line with their context.
    #[serde(skip_serializing_if = "is_none")]
    pub wrapped: u64,
    /// Number of entries of a type that the profile knows.
    #[serde(skip)]
    pub known: u64,
    /// Where in `blocks` each attempt is.
    #[serde(skip)]
    rows: HashMap<Attempt, usize>,
    #[serde(skip)]
    repeats: Repeats,
    #[serde(skip)]
    missing: MissingRecords,
    #[serde(skip)]
    vocabulary: &'static dyn Vocabulary,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

fn texts<S: serde::Serializer>(holes: &[Hole], s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(holes.iter().map(|hole| &hole.text))
}

impl SourceSummary {
    fn new(vocabulary: &'static dyn Vocabulary) -> SourceSummary {
        SourceSummary {
            blocks: Vec::new(),
            records: 0,
            bytes: 0,
            node_records: 0,
            context_records: 0,
            outside: 0,
            not_json: 0,
            cranks: 0,
            holes: Vec::new(),
            hole_count: 0,
            doubled: 0,
            wrapped: 0,
            known: 0,
            rows: HashMap::new(),
            repeats: Repeats::default(),
            missing: MissingRecords::default(),
            vocabulary,
        }
    }

    /// Whether it holds lines of the node's log and no block records.
    pub fn is_of_a_log_alone(&self) -> bool {
        self.blocks.is_empty() && self.records == 0 && self.node_records > 0
    }

    /// Whether it has many lines and the profile knows none of them. Then it has another format,
    /// or comes from another host.
    pub fn is_not_understood(&self) -> bool {
        self.known == 0 && self.records >= SlogRules::MANY
    }

    /// Reads a source once, from beginning to end.
    ///
    /// # Errors
    /// An error from reading.
    pub fn of(source: &Source, profile: &Profile) -> io::Result<SourceSummary> {
        let mut source_summary = SourceSummary::new(vocabulary::of(profile));
        let everything = Selection::default();
        let mut selector = Selector::new(&everything, profile, source.blocks());
        let mut last: Option<usize> = None;
        source.read(profile, &mut |item| {
            match item {
                Item::Line(line) if source_summary.is_repeat(&line, last) => {}
                Item::Line(line) => selector.line(&line, &mut |selected| {
                    source_summary.line(&selected.line, selected.place, profile, &mut last);
                    Ok(())
                })?,
                Item::Hole(hole) => {
                    selector.hole(&hole);
                    source_summary.hole(hole, last);
                }
            }
            Ok(true)
        })?;
        selector.finish(&mut |selected| {
            source_summary.line(&selected.line, selected.place, profile, &mut last);
            Ok(())
        })?;
        let indexed = match (selector.derived(), source.blocks()) {
            (Some(life), _) => life.blocks().iter().map(IndexedBlock::by_lines).collect(),
            (None, Blocks::Told(blocks)) => blocks,
            (None, Blocks::Untold) => Vec::new(),
        };
        if selector.is_moved() {
            let executions = source_summary.blocks.iter_mut();
            let executions = executions.filter_map(|row| row.execution.as_mut());
            executions.for_each(Execution::doubt);
        }
        source_summary.finish(indexed);
        Ok(source_summary)
    }

    /// Whether something behind the host sent the last line again. The repeated line would begin
    /// or end a block twice.
    fn is_repeat(&mut self, line: &Line<'_>, last: Option<usize>) -> bool {
        let text = line.stream == Stream::Slog && line.whole && line.origin != Origin::Recorded;
        let repeat = text && self.repeats.is_repeat(line.bytes);
        if repeat {
            self.doubled += 1;
            let row = last.and_then(|index| self.blocks.get_mut(index));
            let execution = row.and_then(|row| row.execution.as_mut());
            execution.into_iter().for_each(Execution::doubt);
        }
        repeat
    }

    fn line(
        &mut self,
        line: &Line<'_>,
        place: Attribution,
        profile: &Profile,
        last: &mut Option<usize>,
    ) {
        if line.stream == Stream::Node {
            self.node_records += 1;
            return;
        }
        if line.context {
            self.context_records += 1;
            return;
        }
        let bytes = line.as_it_stands().len() as u64 + u64::from(line.newline);
        self.records += 1;
        self.bytes += bytes;
        self.not_json += u64::from(!line.bytes.starts_with(b"{"));
        self.wrapped += u64::from(line.wrapped.is_some());
        let rules = profile.slog.as_ref();
        self.known += u64::from(rules.is_some_and(|rules| rules.read(line.bytes).known));
        let Some(attempt) = place.attempt else {
            self.outside += 1;
            return;
        };
        let index = self.row(attempt, profile);
        *last = Some(index);
        let Some(row) = self.blocks.get_mut(index) else {
            return;
        };
        row.records += 1;
        row.bytes += bytes;
        let before = row.cranks;
        row.take(line, profile, self.vocabulary);
        self.cranks += row.cranks - before;
    }

    fn row(&mut self, attempt: Attempt, profile: &Profile) -> usize {
        *self.rows.entry(attempt).or_insert_with(|| {
            self.blocks.push(Row::new(attempt, profile));
            self.blocks.len() - 1
        })
    }

    fn hole(&mut self, hole: Hole, last: Option<usize>) {
        let open = last.and_then(|index| self.blocks.get_mut(index));
        if let Some(execution) = open.and_then(|row| row.execution.as_mut())
            && hole.of_blocks
        {
            execution.hole();
        }
        if let Some((Lane::Main, from, to)) = hole.records {
            self.missing.add(from, to);
        }
        self.hole_count += 1;
        if self.holes.len() < HOLES_TOLD {
            self.holes.push(hole);
        }
    }

    fn finish(&mut self, indexed: Vec<IndexedBlock>) {
        let indexed: HashMap<Attempt, IndexedBlock> =
            indexed.into_iter().map(|b| (b.attempt, b)).collect();
        for row in &mut self.blocks {
            let attempt = Attempt {
                height: row.height,
                attempt: row.attempt,
            };
            let unknown = IndexedBlock::unknown(attempt);
            let known = indexed.get(&attempt).unwrap_or(&unknown);
            row.learn(known);
            let execution = row.execution.take();
            row.altered = execution.as_ref().is_some_and(Execution::is_altered);
            row.rewritten = execution.as_ref().is_some_and(Execution::is_rewritten);
            row.hash = execution.and_then(|execution| execution.finish(known, &self.missing));
            row.complete = row.hash.is_some();
            let (height, hash) = (row.height, row.hash);
            row.name = BoxName {
                height,
                hash,
                serial: std::num::NonZeroU32::MIN,
            }
            .to_string();
            if row.altered {
                row.name = format!("{height}-altered");
            }
        }
    }
}

impl Row {
    fn new(attempt: Attempt, profile: &Profile) -> Row {
        Row {
            height: attempt.height,
            attempt: attempt.attempt,
            state: None,
            name: String::new(),
            complete: false,
            altered: false,
            rewritten: false,
            records: 0,
            bytes: 0,
            cranks: 0,
            transactions: 0,
            operations: 0,
            first_crank: None,
            last_crank: None,
            activityhash: None,
            app_hash: None,
            network_app_hash: None,
            why: None,
            hash: None,
            begun: false,
            ended: false,
            execution: Some(Execution::new(attempt.height, profile)),
        }
    }

    /// The count in a column.
    pub fn count(&self, column: Column) -> u64 {
        match column {
            Column::Cranks | Column::OwnCranks => self.cranks,
            Column::Txs => self.transactions,
            Column::Ops => self.operations,
        }
    }

    fn take(&mut self, line: &Line<'_>, profile: &Profile, vocabulary: &dyn Vocabulary) {
        let Some(rules) = &profile.slog else { return };
        match vocabulary.counts_as(line.bytes) {
            Some(Column::Txs) => self.transactions += 1,
            Some(Column::Ops) => self.operations += 1,
            _ => {}
        }
        // What is the node's own counts for no HASH, whole or not.
        let counts = line.whole || line.lane != Lane::Local;
        if let Some(execution) = self.execution.as_mut().filter(|_| counts) {
            execution.line(line.as_it_stands(), line.whole, line.origin);
        }
        for event in rules.read(line.bytes).events() {
            match event {
                Event::Crank {
                    number,
                    activityhash,
                    ..
                } => {
                    self.cranks += 1;
                    self.first_crank.get_or_insert(number);
                    self.last_crank = Some(number);
                    self.activityhash = Some(activityhash);
                }
                Event::Begin { height, .. } if height == self.height => self.begun = true,
                // What comes before its begin ended another execution.
                Event::End { height } if height == self.height && self.begun => {
                    self.ended = true;
                    self.execution.iter_mut().for_each(Execution::end);
                }
                _ => {}
            }
        }
    }

    /// Adds what the source's index says of the block.
    fn learn(&mut self, block: &IndexedBlock) {
        self.state = block.state;
        self.app_hash = block.app_hash;
        self.network_app_hash = block.network;
        self.why.clone_from(&block.why);
    }
}
