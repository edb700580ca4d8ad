//! `haltbox compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::progress::watched;
use super::{Outcome, output, party, shown};
use crate::compare::diff;
use crate::compare::document::Document;
use crate::compare::groups::{self, Group, Node};

use crate::compare::verdict::Verdict;
use crate::report::text::{self, Colour};

/// Group any number of nodes by agreement, and say where each group leaves
#[derive(Args)]
pub struct CompareArgs {
    /// Rings, boxes, slogs or fingerprints, one for each node.
    #[arg(required = true, num_args = 1..)]
    sources: Vec<PathBuf>,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// How the entries are to be read, where the sources do not say.
    #[arg(long, value_name = "agoric|cosmos|host|FILE.json")]
    profile: Option<String>,
}

/// Letters of names of one group in the table.
const NAMES: usize = 400;

#[derive(Serialize)]
struct Answer {
    version: u32,
    exit: u8,
    summary: String,
    nodes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_height: Option<u64>,
    groups: Vec<Group>,
    /// Nodes that cover no whole block.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_blocks: Vec<String>,
    /// Sources that could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
}

/// Runs the command.
pub fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let answer = compare(args)?;
    if args.json {
        output::json(&answer)?;
    } else {
        output::painted(&table(&answer, Colour::of_stdout()))?;
    }
    Ok(match answer.exit {
        0 => Outcome::Fine,
        1 => Outcome::Damaged,
        _ => Outcome::Trouble,
    })
}

fn compare(args: &CompareArgs) -> anyhow::Result<Answer> {
    let (mut nodes, mut paths, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    let mut rules = None;
    for path in &args.sources {
        match read(args, path) {
            Ok((node, digest)) => {
                if *rules.get_or_insert(digest) != digest {
                    anyhow::bail!(
                        "{} was recorded with another profile than the first source",
                        shown(path)
                    );
                }
                nodes.push(node);
                paths.push(path);
            }
            Err(error) => unreadable.push(format!("{error:#}")),
        }
    }
    let mut groups = groups::group(&nodes);
    name_differences(args, &nodes, &paths, &mut groups)?;
    let heights = || nodes.iter().flat_map(|node| node.heights.keys().copied());
    let without: Vec<String> = nodes
        .iter()
        .filter(|node| node.heights.is_empty())
        .map(|node| node.name.clone())
        .collect();
    let (exit, summary) = conclude(&nodes, &groups, without.len() + unreadable.len());
    Ok(Answer {
        version: 1,
        exit,
        summary,
        nodes: args.sources.len(),
        first_height: heights().min(),
        last_height: heights().max(),
        groups,
        without_blocks: without,
        unreadable,
    })
}

fn read(args: &CompareArgs, path: &Path) -> anyhow::Result<(Node, Option<haltbox_format::Digest>)> {
    let party = party(path, args.profile.as_deref())?;
    let node = watched(&[&party], || Node::read(shown(path), &party));
    let node = node.map_err(|error| anyhow::anyhow!("{}: {error}", shown(path)))?;
    Ok((node, party.rules()))
}

/// The step at which each group leaves the first one: one comparison a group.
fn name_differences(
    args: &CompareArgs,
    nodes: &[Node],
    paths: &[&PathBuf],
    groups: &mut [Group],
) -> anyhow::Result<()> {
    let Some((first, others)) = groups.split_first_mut() else {
        return Ok(());
    };
    // Digests tell where two part; only entries tell what differs.
    let speaker = |group: &Group| {
        let mut members = group.members.iter();
        let has_entries = |member: &&usize| nodes.get(**member).is_some_and(|n| n.has_entries);
        let chosen = members.clone().find(has_entries).or(members.next());
        chosen.and_then(|member| paths.get(*member))
    };
    let reference = speaker(first);
    for group in others {
        let (Some(reference), Some(path)) = (reference, speaker(group)) else {
            continue;
        };
        let document = difference(args, reference, path)?;
        if document.verdict != Verdict::Identical {
            let class = match document.verdict {
                Verdict::Insufficient => "class unknown",
                known => known.name(),
            };
            group.difference = Some(class.to_owned());
            group.place = document.place.as_ref().map(text::place_words);
        }
    }
    Ok(())
}

fn difference(args: &CompareArgs, a: &Path, b: &Path) -> anyhow::Result<Document> {
    let open = |path| party(path, args.profile.as_deref());
    let (a, b) = (open(a)?, open(b)?);
    Ok(watched(&[&a, &b], || diff::diff(&a, &b))?)
}

fn conclude(nodes: &[Node], groups: &[Group], unknown: usize) -> (u8, String) {
    let known: usize = groups.iter().map(|group| group.members.len()).sum();
    if groups.len() > 1 {
        let first = groups
            .iter()
            .filter_map(|group| group.leaves_at)
            .min()
            .unwrap_or(0);
        let sizes: Vec<String> = groups
            .iter()
            .map(|group| group.members.len().to_string())
            .collect();
        return (
            1,
            format!(
                "{known} nodes part into {} groups ({}), first at height {first}",
                groups.len(),
                sizes.join(", ")
            ),
        );
    }
    if known < 2 || unknown > 0 {
        return (
            2,
            format!(
                "only {known} of {} nodes could be compared",
                nodes.len().max(known + unknown)
            ),
        );
    }
    (
        0,
        format!("all {known} nodes agree wherever they can be compared"),
    )
}

/// One line a group, and then who is in it: a hundred nodes on a screen.
fn table(answer: &Answer, colour: Colour) -> String {
    let style = ["1;32", "1;31", "1;33"][usize::from(answer.exit.min(2))];
    let mut out = format!("{}\n\n", colour.paint(style, &answer.summary));
    let head = format!(
        "{:>5} {:>6} {:>10} {:>10}  ",
        "GROUP", "NODES", "LEAVES AT", "KNOWN TO"
    );
    out.push_str(&colour.paint("2", head.trim_end()));
    out.push('\n');
    for (index, group) in answer.groups.iter().enumerate() {
        let height = |height: Option<u64>| height.map_or("-".to_owned(), |at| at.to_string());
        let line = format!(
            "{:>5} {:>6} {:>10} {:>10}  ",
            index + 1,
            group.nodes.len(),
            height(group.leaves_at),
            height(group.last_height)
        );
        let what = what_of(answer, index, group);
        text::beside(&mut out, &line, &what);
    }
    out.push('\n');
    let short = short_names(answer);
    for (index, group) in answer.groups.iter().enumerate() {
        let names = group.nodes.iter().map(|name| short(name));
        let names = shortened(names.collect());
        text::beside(&mut out, &format!("{:>5}  ", index + 1), &names);
    }
    let lists = [
        ("no whole block", &answer.without_blocks),
        ("not read", &answer.unreadable),
    ];
    for (what, list) in lists {
        for entry in list {
            text::beside(&mut out, "    -  ", &format!("{what}: {entry}"));
        }
    }
    out
}

/// As many names as fit a few lines.
fn shortened(names: Vec<&str>) -> String {
    let count = names.len();
    let mut out = String::new();
    for (index, name) in names.into_iter().enumerate() {
        if out.len() > NAMES {
            return format!("{out}and {} more (--json names all)", count - index);
        }
        out.push_str(name);
        out.push_str("  ");
    }
    out
}

fn what_of(answer: &Answer, index: usize, group: &Group) -> String {
    if let Some(difference) = &group.difference {
        let place = group.place.clone().unwrap_or_default();
        return format!("{difference}: {place}");
    }
    match (group.majority, answer.groups.len()) {
        (_, 1) => String::new(),
        (true, _) => "the majority".to_owned(),
        (false, _) if index == 0 => "the largest group, no majority".to_owned(),
        (false, _) => String::new(),
    }
}

/// Names without the folder that all of them have, and without what every
/// fingerprint's name ends in.
fn short_names(answer: &Answer) -> impl Fn(&str) -> &str {
    let names = || answer.groups.iter().flat_map(|group| &group.nodes);
    let first = names().next().map_or("", String::as_str);
    let folder = first.rfind('/').map_or("", |at| &first[..=at]);
    let shared = names().count() > 1 && names().all(|name| name.starts_with(folder));
    let skipped = if shared { folder.len() } else { 0 };
    move |name: &str| {
        let name = name.get(skipped..).unwrap_or(name);
        name.strip_suffix(".fingerprint").unwrap_or(name)
    }
}
