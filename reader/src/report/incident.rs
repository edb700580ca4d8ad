//! Incidents as the operator on duty needs them: what happened, how far it got, which blocks
//! were where and when, and what to do.

use std::fmt::Write as _;

use maud::{Markup, html};
use serde::Serialize;

use super::checks::Checks;
use super::page::{Shown, page};
use super::text::{Colour, paragraph};
use crate::vocabulary::messages::entry::{
    BlockSighting, Check, Child, Height, Incident, what_to_do,
};

/// Limit of the holes that are listed.
const HOLES: usize = 8;

/// The report about a recording; `docs/json.md` describes it.
#[derive(Debug, Serialize)]
pub struct Report {
    version: u32,
    source: String,
    kind: &'static str,
    /// Name of the box, if the source is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    incidents: Vec<Affair>,
    /// What is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holes: Vec<String>,
}

/// An incident, with all that its entries say.
#[derive(Debug, Serialize)]
struct Affair {
    #[serde(flatten)]
    incident: Incident,
    /// Safety levels, and when each was first reported.
    levels: Vec<Reached>,
    /// The source is the box of one of its heights.
    of_this_box: bool,
    /// The checks that saw its transaction.
    checks: Checks,
    what_to_do: String,
}

/// A safety level, and when it was first reported.
#[derive(Debug, Serialize)]
struct Reached {
    level: String,
    /// Milliseconds since 1970.
    at: u64,
}

impl Report {
    /// An empty report about a source.
    pub fn of(source: String, kind: &'static str) -> Report {
        Report {
            version: 1,
            source,
            kind,
            name: None,
            height: None,
            incidents: Vec::new(),
            holes: Vec::new(),
        }
    }

    /// Notes that the source is a box.
    pub fn of_box(&mut self, name: &str, height: Option<u64>) {
        self.name = Some(name.to_owned());
        self.height = height;
    }

    /// Takes a state of an incident, of the time `at`.
    pub fn take(&mut self, incident: Incident, at: u64) {
        let known = self.incidents.iter_mut();
        let known = known
            .into_iter()
            .find(|known| known.incident.id == incident.id);
        match known {
            Some(known) => known.take(incident, at),
            None => {
                let mut affair = Affair {
                    levels: Vec::new(),
                    of_this_box: false,
                    checks: Checks::default(),
                    what_to_do: String::new(),
                    incident: incident.clone(),
                };
                affair.take(incident, at);
                self.incidents.push(affair);
            }
        }
    }

    /// Takes a check of a transaction. All incidents must have been taken before.
    pub fn check(&mut self, check: &Check) {
        for affair in &mut self.incidents {
            affair.checks.take(&affair.incident, check);
        }
    }

    /// Notes that something is missing.
    pub fn hole(&mut self, text: &str) {
        if self.holes.len() < HOLES {
            self.holes.push(text.to_owned());
        }
    }

    /// Ends the report: all entries were read.
    pub fn end(&mut self) {
        for affair in &mut self.incidents {
            let mut heights = affair.incident.heights.iter();
            affair.of_this_box = heights.any(|height| Some(height.block) == self.height);
            affair.what_to_do = affair.advice();
            affair.checks.end();
        }
        // The incident of the box comes first.
        self.incidents
            .sort_by_key(|affair| (!affair.of_this_box, affair.incident.opened));
    }

    /// Whether no incident was recorded.
    pub fn is_empty(&self) -> bool {
        self.incidents.is_empty()
    }

    /// Whether some incident has not ended.
    pub fn is_open(&self) -> bool {
        let mut affairs = self.incidents.iter();
        affairs.any(|affair| affair.incident.ended.is_none())
    }

    fn boxed(&self, affair: &Affair) -> Option<String> {
        let own = self.name.clone().filter(|_| affair.of_this_box);
        own.or_else(|| affair.incident.frozen.clone())
    }
}

impl Affair {
    fn take(&mut self, incident: Incident, at: u64) {
        if self
            .levels
            .iter()
            .all(|known| known.level != incident.level)
        {
            let level = incident.level.clone();
            self.levels.push(Reached { level, at });
        }
        self.incident = incident;
    }

    fn advice(&self) -> String {
        let incident = &self.incident;
        if let Some(ended) = &incident.ended {
            let how = end_words(ended);
            return format!("no further action: {how}; keep the box until the cause is known");
        }
        let level = &incident.level;
        let mut text = what_to_do(level).map_or_else(
            || format!("this version does not know the level {level}: use a newer haltbox"),
            str::to_owned,
        );
        if incident.returns > 0 {
            text += "; the transaction came back: drop it, and engage the failsafe";
        }
        text
    }

    fn headline(&self) -> String {
        let level = self.incident.level.to_uppercase();
        match &self.incident.ended {
            Some(ended) => format!("INVALID MESSAGE, {level}, ended: {}", end_words(ended)),
            None => format!("INVALID MESSAGE, {level}"),
        }
    }

    /// The facts, each with its name.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let incident = &self.incident;
        let message = match incident.why.as_str() {
            "malformed" => incident.message.clone(),
            _ => format!("it names {}", incident.message),
        };
        let mut facts = vec![
            ("message", message),
            ("invalid", format!("{}: {}", incident.why, incident.text)),
            ("tx", incident.transaction.clone()),
            ("chain", incident.chain.clone()),
            ("opened", time(incident.opened)),
        ];
        facts.extend(self.levels.iter().map(|reached| {
            let delay = delay(incident.opened, reached.at);
            (
                "level",
                format!("{} {}, {delay}", reached.level, time(reached.at)),
            )
        }));
        let returns = match incident.returns {
            0 => "the transaction did not come back".to_owned(),
            1 => "the transaction came back once".to_owned(),
            times => format!("the transaction came back {times} times"),
        };
        facts.push(("returns", returns));
        facts.extend(incident.children.iter().map(|child| {
            let Child {
                chain,
                block,
                log,
                transaction,
            } = child;
            let words = format!(
                "chain {chain} block {block} log {log} tx {transaction} depends on it and is \
                 removed with it"
            );
            ("cascade", words)
        }));
        facts
    }
}

fn end_words(ended: &str) -> &str {
    match ended {
        "replaced" => {
            "deposits-only blocks replaced it at all its heights, and they are cross-safe"
        }
        "holds" => "the log that it names now exists, so the message is valid",
        other => other,
    }
}

fn shape_words(shape: &str) -> &str {
    match shape {
        "holds" => "holds the message",
        "null" => "no block",
        "deposits-only" => "a deposits-only block in its place",
        "other" => "another block without the message",
        other => other,
    }
}

fn seen_words(opened: u64, seen: &BlockSighting) -> String {
    let hash = seen.hash.as_deref().unwrap_or("-");
    let (shape, delay) = (shape_words(&seen.shape), delay(opened, seen.at));
    format!("{hash} {shape}, {delay}")
}

fn closed_words(opened: u64, height: &Height) -> Option<String> {
    let at = height.closed?;
    Some(format!(
        "its replacement is cross-safe, {}",
        delay(opened, at)
    ))
}

/// A time in RFC 3339.
fn time(millis: u64) -> String {
    let time = i64::try_from(millis).ok();
    let time = time.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.map_or_else(|| format!("{millis} ms"), |time| time.to_string())
}

/// The time since the incident was opened.
fn delay(opened: u64, at: u64) -> String {
    let millis = at.saturating_sub(opened);
    format!("+{}.{:03} s", millis / 1000, millis % 1000)
}

/// The report for a terminal.
pub fn text(report: &Report, colour: Colour) -> String {
    let mut out = String::new();
    for affair in &report.incidents {
        let style = match affair.incident.ended {
            Some(_) => "1;32",
            None => "1;31",
        };
        let _ = writeln!(out, "{}", colour.paint(style, &affair.headline()));
        for (name, fact) in affair.facts() {
            paragraph(&mut out, name, &fact, colour);
        }
        let opened = affair.incident.opened;
        for height in &affair.incident.heights {
            paragraph(&mut out, "height", &height.block.to_string(), colour);
            for words in sightings(opened, height) {
                paragraph(&mut out, " ", &words, colour);
            }
        }
        paragraph(&mut out, "checks", &affair.checks.say(), colour);
        for row in affair.checks.rows() {
            paragraph(&mut out, " ", &row, colour);
        }
        let name = report.boxed(affair);
        let name = name.unwrap_or_else(|| "the recording names no frozen box".to_owned());
        paragraph(&mut out, "box", &name, colour);
        paragraph(&mut out, "do", &affair.what_to_do, colour);
        out.push('\n');
    }
    paragraph(
        &mut out,
        "source",
        &format!("{} ({})", report.source, report.kind),
        colour,
    );
    for hole in &report.holes {
        paragraph(&mut out, "missing", hole, colour);
    }
    out
}

/// The report as one page.
pub fn html(report: &Report) -> String {
    let body = html! {
        @for affair in &report.incidents { (incident(report, affair)) }
        section {
            h2 { "Source" }
            p { (Shown(&report.source)) " (" (report.kind) ")" }
            ul { @for hole in &report.holes { li { "missing: " (Shown(hole)) } } }
        }
    };
    page("incidents - haltbox report", &body)
}

fn incident(report: &Report, affair: &Affair) -> Markup {
    let class = match affair.incident.ended {
        Some(_) => "good",
        None => "bad",
    };
    let boxed = report.boxed(affair).map(|name| ("box", name));
    html! {
        header class=(class) {
            h1 { (Shown(&affair.headline())) }
            p { b { (Shown(&affair.what_to_do)) } }
        }
        section {
            dl {
                @for (name, fact) in affair.facts().into_iter().chain(boxed) {
                    dt { (name) } dd { (Shown(&fact)) }
                }
            }
        }
        section {
            h2 { "Checks" }
            p { (Shown(&affair.checks.say())) }
            ul { @for row in affair.checks.rows() { li { (Shown(&row)) } } }
        }
        @for height in &affair.incident.heights {
            section {
                h2 { "Height " (height.block) }
                ul { @for words in sightings(affair.incident.opened, height) { li { code { (Shown(&words)) } } } }
            }
        }
    }
}

/// What stood at a height, and how it was closed.
fn sightings(opened: u64, height: &Height) -> impl Iterator<Item = String> + '_ {
    let seen = height.seen.iter().map(move |seen| seen_words(opened, seen));
    seen.chain(closed_words(opened, height))
}
