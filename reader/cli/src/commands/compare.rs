//! `haltbox compare`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use haltbox_format::Digest;
use serde::Serialize;

use super::progress::watched;
use super::{Outcome, output, recording, shown};
use haltbox_reader::compare::diff;
use haltbox_reader::compare::finding::Finding;
use haltbox_reader::compare::groups::{self, Group, Node};
use haltbox_reader::compare::verdict::Verdict;
use haltbox_reader::report::remarks::own_input;
use haltbox_reader::report::summary;
use haltbox_reader::report::text::{self, Colour};

/// Group nodes by what they executed, and show where the groups diverge
#[derive(Args)]
pub struct CompareArgs {
    /// Rings, boxes, slogs or fingerprints, one for each node.
    #[arg(required = true, num_args = 1..)]
    sources: Vec<PathBuf>,
    /// Print one JSON document (docs/json.md).
    #[arg(long)]
    json: bool,
    /// Profile to read the entries with. Default: the one that each source names, else agoric.
    #[arg(long, value_name = "agoric|cosmos|host|messages|FILE.json")]
    profile: Option<String>,
}

/// Notes on what is each node's own.
const OWN_INPUTS: usize = 16;

/// Letters of names of one group in the table.
const NAMES: usize = 400;

/// What is said of any number of sources.
#[derive(Serialize)]
pub struct Answer {
    version: u32,
    /// How the command ends.
    pub exit: u8,
    /// One sentence.
    pub summary: String,
    nodes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_height: Option<u64>,
    /// Who agrees, the largest group first.
    pub groups: Vec<Group>,
    /// Nodes that cover no whole block.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_blocks: Vec<String>,
    /// What could not be decided, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undecided: Vec<String>,
    /// What should be known besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// Sources that could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
}

/// Runs the command.
pub fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let answer = compare(&args.sources, args.profile.as_deref())?;
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

/// Groups sources, read with the profile that is asked for.
///
/// # Errors
/// What comparing gives.
pub fn compare(sources: &[PathBuf], profile: Option<&str>) -> anyhow::Result<Answer> {
    let mut unreadable = Vec::new();
    let mut read_ones = Vec::new();
    for path in sources {
        match read(path, profile) {
            Ok(read) => read_ones.push((path, read)),
            Err(error) => unreadable.push(format!("{error:#}")),
        }
    }
    let unsupported = without_foreign(&mut read_ones);
    let (paths, nodes): (Vec<_>, Vec<_>) = read_ones
        .into_iter()
        .map(|(path, read)| (path, read.node))
        .unzip();
    let mut judged = Judging {
        profile,
        nodes: &nodes,
        paths: &paths,
        groups: groups::group(&nodes),
        homeless: Vec::new(),
        undecided: unsupported,
        own_inputs: RefCell::default(),
    };
    judged.confirm()?;
    let (groups, undecided) = (judged.groups, judged.undecided);
    let own_inputs = judged.own_inputs.into_inner();
    let heights = || nodes.iter().flat_map(|node| node.heights.keys().copied());
    let without: Vec<String> = nodes
        .iter()
        .filter(|node| node.heights.is_empty())
        .map(|node| node.name.clone())
        .collect();
    let unknown = without.len() + unreadable.len() + undecided.len();
    let (exit, summary) = conclude(sources.len(), &groups, unknown);
    Ok(Answer {
        version: 1,
        exit,
        summary,
        nodes: sources.len(),
        first_height: heights().min(),
        last_height: heights().max(),
        without_blocks: without,
        undecided,
        notes: notes_of(&nodes, &groups, own_inputs),
        groups,
        unreadable,
    })
}

fn notes_of(nodes: &[Node], groups: &[Group], own_inputs: BTreeSet<String>) -> Vec<String> {
    let own = nodes.iter().flat_map(|node| node.notes.clone());
    let parted = groups.iter().filter(|_| groups.len() > 1);
    let silent = parted.flat_map(|group| &group.silent).map(|member| {
        let name = &nodes[*member].name;
        format!(
            "{name} covers none of the heights at which the groups diverge, so it agrees with \
             more than one group"
        )
    });
    let inputs = own_inputs.into_iter().take(OWN_INPUTS);
    own.chain(silent).chain(inputs).collect()
}

/// A source, and how it was recorded.
struct Read {
    node: Node,
    rules: Option<Digest>,
    profile: String,
}

fn read(path: &Path, profile: Option<&str>) -> anyhow::Result<Read> {
    let recording = recording(path, profile)?;
    let node = watched(&[&recording], || Node::read(shown(path), &recording));
    let node = node.map_err(|error| anyhow::anyhow!("{}: {error}", shown(path)))?;
    Ok(Read {
        node,
        rules: recording.rules(),
        profile: recording.profile.name.clone(),
    })
}

/// Takes out what was recorded by other rules than most, or than the first: its digests
/// are of something else. Gives a sentence for each.
fn without_foreign(sources: &mut Vec<(&PathBuf, Read)>) -> Vec<String> {
    let count = |rules| sources.iter().filter(|(_, of)| of.rules == rules).count();
    let Some(most) = sources.iter().map(|(_, of)| count(of.rules)).max() else {
        return Vec::new();
    };
    let first = sources.iter().find(|(_, of)| count(of.rules) == most);
    let Some((rules, usual)) = first.map(|(_, of)| (of.rules, of.profile.clone())) else {
        return Vec::new();
    };
    let unsupported = sources.extract_if(.., |(_, of)| of.rules != rules);
    unsupported
        .map(|(path, of)| {
            format!(
                "{} was recorded with the profile {}, the others with {usual}: it cannot be \
                 compared with them",
                shown(path),
                of.profile
            )
        })
        .collect()
}

/// Nodes that are tried as the one that the others are held to.
const SEEDS: usize = 8;

/// Members of a group that are asked for its difference from another.
const SPEAKERS: usize = 3;

/// Digests say who agrees, and what they say is held to what comparing two sources
/// says: neither may contradict the other.
struct Judging<'a> {
    profile: Option<&'a str>,
    nodes: &'a [Node],
    paths: &'a [&'a PathBuf],
    groups: Vec<Group>,
    /// Nodes that differ from the group that their digests put them in.
    homeless: Vec<usize>,
    undecided: Vec<String>,
    /// What is each node's own and not the same, as far as two were compared.
    own_inputs: RefCell<BTreeSet<String>>,
}

impl Judging<'_> {
    fn confirm(&mut self) -> anyhow::Result<()> {
        self.check_members()?;
        self.place_others()?;
        self.find_silent()?;
        groups::order(&mut self.groups, self.nodes);
        self.name_differences()?;
        groups::order(&mut self.groups, self.nodes);
        Ok(())
    }

    fn diff(&self, one: usize, other: usize) -> anyhow::Result<Finding> {
        let finding = difference(self.profile, self.paths[one], self.paths[other])?;
        let name = |node: usize| self.nodes[node].name.as_str();
        // The same sentence whichever of the two was asked first.
        let own = finding.own_inputs().map(|own| match one < other {
            true => own_input(own, [name(one), name(other)]),
            false => own_input(&own.turned(), [name(other), name(one)]),
        });
        self.own_inputs.borrow_mut().extend(own);
        Ok(finding)
    }

    /// Whole blocks with equal digests are equal; what else a node tells, only its
    /// entries or units do.
    fn check_members(&mut self) -> anyhow::Result<()> {
        for at in 0..self.groups.len() {
            let mut members = self.groups[at].members.clone();
            members.sort_by_key(|member| std::cmp::Reverse(self.nodes[*member].heights.len()));
            let kept = self.connected(members)?;
            let group = &mut self.groups[at];
            group.silent.retain(|member| kept.contains(member));
            group.members = kept;
        }
        self.groups.retain(|group| !group.members.is_empty());
        Ok(())
    }

    /// Those of a group's members that agree with one another where they can be
    /// compared, each with some other one.
    fn connected(&mut self, mut members: Vec<usize>) -> anyhow::Result<Vec<usize>> {
        let mut kept: Vec<usize> = members.first().copied().into_iter().collect();
        members = members.split_off(kept.len());
        loop {
            let next = members
                .iter()
                .enumerate()
                .find_map(|(at, member)| Some((at, self.partner(&kept, *member)?)));
            let Some((at, partner)) = next else { break };
            let member = members.remove(at);
            self.check_member(&mut kept, member, partner)?;
        }
        for member in members {
            let name = &self.nodes[member].name;
            self.undecided.push(format!(
                "{name} and the others have no complete height in common"
            ));
        }
        Ok(kept)
    }

    /// The member that a node is compared with: one with entries, if some height is
    /// common to both, and of these the one that covers most.
    fn partner(&self, kept: &[usize], member: usize) -> Option<usize> {
        let shares = |other: &&usize| self.nodes[**other].shares(&self.nodes[member]);
        let entries = |other: &&usize| self.nodes[**other].has_entries;
        let with_entries = kept.iter().filter(entries).find(shares);
        with_entries.or_else(|| kept.iter().find(shares)).copied()
    }

    fn check_member(
        &mut self,
        kept: &mut Vec<usize>,
        member: usize,
        partner: usize,
    ) -> anyhow::Result<()> {
        let (own, other) = (&self.nodes[member], &self.nodes[partner]);
        if !(own.has_entries || other.has_entries || own.shares_parts(other)) {
            kept.push(member);
            return Ok(());
        }
        let finding = self.diff(partner, member)?;
        match finding.exit() {
            0 => kept.push(member),
            1 if is_of_a(&finding) => {
                kept.retain(|of| *of != partner);
                kept.push(member);
                self.groups.push(left(vec![partner], &finding));
            }
            // It may agree with those that left before: it covers no height at which they did.
            1 => self.homeless.push(member),
            _ => self.undecided.push(undecided(&finding)),
        }
        Ok(())
    }

    /// Nodes whose digests tell nothing, or not enough, go where their entries agree. Which
    /// groups come of it does not hang on the names.
    fn place_others(&mut self) -> anyhow::Result<()> {
        let all = self.nodes.iter().enumerate();
        let unsure = all.filter(|(_, node)| node.unsure && !node.heights.is_empty());
        let mut members = std::mem::take(&mut self.homeless);
        members.extend(unsure.map(|(at, _)| at));
        members.sort_by_cached_key(|member| self.nodes[*member].rank());
        let mut open = match self.groups.is_empty() {
            true => self.seed(&members)?,
            false => self.place_all(members)?,
        };
        open.sort_by_key(|(member, _)| *member);
        let words = open.iter().map(|(_, finding)| undecided(finding));
        self.undecided.extend(words.collect::<Vec<_>>());
        Ok(())
    }

    /// The first group is of a node that others agree with or differ from: one that tells
    /// nothing of any other decides nothing. Those that could not be placed.
    fn seed(&mut self, members: &[usize]) -> anyhow::Result<Vec<(usize, Finding)>> {
        let mut first = None;
        for seed in members.iter().take(SEEDS) {
            self.groups = vec![Group {
                members: vec![*seed],
                ..Group::default()
            }];
            let others = members.iter().copied().filter(|member| member != seed);
            let open = self.place_all(others.collect())?;
            if open.len() + 1 < members.len() {
                return Ok(open);
            }
            first.get_or_insert((std::mem::take(&mut self.groups), open));
        }
        let (groups, open) = first.unwrap_or_default();
        self.groups = groups;
        Ok(open)
    }

    /// Places what can be placed; what stands in a group then may tell where another node
    /// belongs.
    fn place_all(&mut self, mut members: Vec<usize>) -> anyhow::Result<Vec<(usize, Finding)>> {
        loop {
            let before = members.len();
            let mut open = Vec::new();
            for member in members {
                open.extend(self.place(member)?.map(|finding| (member, finding)));
            }
            if open.is_empty() || open.len() == before {
                return Ok(open);
            }
            members = open.into_iter().map(|(member, _)| member).collect();
        }
    }

    /// A node that agrees with another group too speaks for none: it covers no height at
    /// which they part.
    fn find_silent(&mut self) -> anyhow::Result<()> {
        for at in 0..self.groups.len() {
            for member in self.groups[at].members.clone() {
                if self.agrees_elsewhere(at, member)? && !self.groups[at].silent.contains(&member) {
                    self.groups[at].silent.push(member);
                }
            }
        }
        Ok(())
    }

    fn agrees_elsewhere(&self, group: usize, member: usize) -> anyhow::Result<bool> {
        let node = &self.nodes[member];
        let leaves = |at: usize| self.groups[at].leaves_at;
        let covers = |height: &u64| node.heights.contains_key(height);
        for other in (0..self.groups.len()).filter(|other| *other != group && node.unsure) {
            let parts = [group, other].into_iter().filter_map(leaves);
            if parts.into_iter().any(|height| covers(&height)) {
                continue;
            }
            let finding = self.asked_of(other, member)?;
            if finding.is_some_and(|finding| finding.exit() == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a node where it agrees, or by itself if it differs from all; else what could not
    /// be decided.
    fn place(&mut self, member: usize) -> anyhow::Result<Option<Finding>> {
        let (mut differs, mut open, mut agreeing) = (None::<Finding>, None, Vec::new());
        for at in 0..self.groups.len() {
            match self.asked_of(at, member)? {
                Some(finding) if finding.exit() == 0 => agreeing.push(at),
                // It leaves the group that it agrees with longest.
                Some(finding) if finding.exit() == 1 => {
                    differs = [finding].into_iter().chain(differs).max_by_key(parts_at);
                }
                Some(finding) => _ = open.get_or_insert(finding),
                None => {}
            }
        }
        if let Some(at) = agreeing.first() {
            let group = &mut self.groups[*at];
            group.members.push(member);
            group.silent.extend((agreeing.len() > 1).then_some(member));
            return Ok(None);
        }
        if let (Some(finding), None) = (&differs, &open) {
            self.groups.push(left(vec![member], finding));
        }
        Ok(open)
    }

    /// What a group says of a node: that it differs, if some member says so, else what was
    /// said first.
    fn asked_of(&self, group: usize, node: usize) -> anyhow::Result<Option<Finding>> {
        let mut asked = self.speakers(group);
        asked.truncate(1);
        if self.nodes[node].unsure {
            asked = self.witnesses(group, node);
        }
        let mut first: Option<Finding> = None;
        for partner in asked {
            let finding = self.diff(partner, node)?;
            match finding.exit() {
                1 => return Ok(Some(finding)),
                0 if first.as_ref().is_some_and(|first| first.exit() != 0) => first = Some(finding),
                _ => _ = first.get_or_insert(finding),
            }
        }
        Ok(first)
    }

    /// Members that are asked of a node whose digests do not tell: those that cover most, and
    /// those that reach highest, since the one may end where others part.
    fn witnesses(&self, group: usize, node: usize) -> Vec<usize> {
        let mut members = self.groups[group].members.clone();
        let common = |member: &usize| {
            let own = &self.nodes[node].heights;
            let heights = self.nodes[*member].heights.keys();
            heights.filter(|height| own.contains_key(height)).count()
        };
        members.sort_by_key(|member| std::cmp::Reverse(common(member)));
        let mut asked: Vec<usize> = members.iter().copied().take(SPEAKERS).collect();
        members.sort_by_key(|member| {
            std::cmp::Reverse(self.nodes[*member].heights.keys().next_back().copied())
        });
        let highest = members.into_iter().take(SPEAKERS);
        asked.extend(
            highest
                .filter(|member| !asked.contains(member))
                .collect::<Vec<_>>(),
        );
        asked
    }

    /// Who speaks for a group: digests tell where two part, only entries tell what
    /// differs.
    fn speakers(&self, group: usize) -> Vec<usize> {
        let mut members = self.groups[group].members.clone();
        members.sort_by_key(|member| {
            let node = &self.nodes[*member];
            (!node.has_entries, std::cmp::Reverse(node.heights.len()))
        });
        members.truncate(SPEAKERS);
        members
    }

    /// The step at which each group leaves the first one.
    fn name_differences(&mut self) -> anyhow::Result<()> {
        let mut at = 1;
        while at < self.groups.len() {
            let Some(finding) = self.difference_of(at)? else {
                at += 1;
                continue;
            };
            match finding.exit() {
                0 => {
                    let merged = self.groups.remove(at);
                    self.groups[0].members.extend(merged.members);
                    self.groups[0].silent.extend(merged.silent);
                }
                1 => {
                    name_difference(&mut self.groups[at], &finding);
                    at += 1;
                }
                _ => {
                    let group = self.groups.remove(at);
                    let names = group.members.iter();
                    self.undecided.extend(names.map(|member| {
                        format!("{}: {}", self.nodes[*member].name, undecided(&finding))
                    }));
                }
            }
        }
        Ok(())
    }

    /// The first comparison that tells a difference: who covers too little to see it
    /// does not speak against it. Else the first that decides, else the last one.
    fn difference_of(&self, group: usize) -> anyhow::Result<Option<Finding>> {
        let mut best: Option<Finding> = None;
        for reference in self.speakers(0) {
            for speaker in self.speakers(group) {
                let finding = self.diff(reference, speaker)?;
                if finding.exit() == 1 {
                    return Ok(Some(finding));
                }
                if best.as_ref().is_none_or(|best| best.exit() == 2) {
                    best = Some(finding);
                }
            }
        }
        Ok(best)
    }
}

/// What could not be decided of the second of two nodes.
fn undecided(finding: &Finding) -> String {
    let [a, b] = finding.recordings.each_ref().map(|of| of.path.display());
    format!("{b} (B) beside {a} (A): {}", summary::words(finding))
}

/// A comparison in which the first source alone is at fault.
fn is_of_a(finding: &Finding) -> bool {
    let [a, b] = finding.recordings.each_ref().map(|of| {
        let replays = of.replays.as_ref();
        replays.map_or(&[][..], |replays| &replays.wrong)
    });
    finding.verdict() == Verdict::Replay && b.is_empty() && a.iter().all(|of| !of.of_other)
}

/// The height at which a comparison says that two part.
fn parts_at(finding: &Finding) -> Option<u64> {
    finding.location().map(|place| place.height)
}

/// Nodes that leave the others where a comparison says so.
fn left(members: Vec<usize>, finding: &Finding) -> Group {
    let mut group = Group {
        members,
        leaves_at: parts_at(finding),
        ..Group::default()
    };
    name_difference(&mut group, finding);
    group
}

fn name_difference(group: &mut Group, finding: &Finding) {
    let class = match finding.verdict() {
        Verdict::Insufficient => "class unknown",
        known => known.name(),
    };
    group.difference = Some(class.to_owned());
    group.place = finding.location().as_ref().map(text::place_words);
}

fn difference(profile: Option<&str>, a: &Path, b: &Path) -> anyhow::Result<Finding> {
    let open = |path| recording(path, profile);
    let (a, b) = (open(a)?, open(b)?);
    Ok(watched(&[&a, &b], || diff::diff(&a, &b))?)
}

fn conclude(named: usize, groups: &[Group], unknown: usize) -> (u8, String) {
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
                "{known} nodes form {} groups ({}); they first diverge at height {first}",
                groups.len(),
                sizes.join(", ")
            ),
        );
    }
    if known < 2 || unknown > 0 {
        return (
            2,
            format!(
                "could not compare all nodes, only {} of {named}",
                if known < 2 { 0 } else { known }
            ),
        );
    }
    (
        0,
        format!("all {known} nodes agree at every height that can be compared"),
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
        ("no complete block", &answer.without_blocks),
        ("undecided", &answer.undecided),
        ("note", &answer.notes),
        ("error", &answer.unreadable),
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
            return format!("{out}and {} more (--json lists all)", count - index);
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
        (false, _) if index == 0 => "the group that the others are compared with; no group has a \
                                     majority"
            .to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(profile: &str, rules: u8) -> Read {
        Read {
            node: Node::default(),
            rules: Some(Digest([rules; 32])),
            profile: profile.to_owned(),
        }
    }

    #[test]
    fn who_was_recorded_with_a_foreign_profile_is_undecided() {
        let paths = ["a", "b", "c"].map(PathBuf::from);
        let mut sources: Vec<_> = paths
            .iter()
            .zip([read("host", 1), read("mine", 2), read("host", 1)])
            .collect();
        let unsupported = without_foreign(&mut sources);
        let expected = "b was recorded with the profile mine, the others with host: it cannot be compared with them";
        assert_eq!(unsupported, [expected]);
        let kept: Vec<&PathBuf> = sources.iter().map(|(path, _)| *path).collect();
        assert_eq!(kept, [&paths[0], &paths[2]]);
        // Two that agree do not make three.
        let agreeing = [Group {
            members: vec![0, 1],
            ..Group::default()
        }];
        assert_eq!(conclude(3, &agreeing, unsupported.len()).0, 2);
        assert_eq!(conclude(2, &agreeing, 0).0, 0);
        assert!(without_foreign(&mut sources).is_empty());
    }
}
