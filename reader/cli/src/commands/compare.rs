//! `haltbox compare`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use haltbox_format::Digest;
use serde::Serialize;

use super::progress::watched;
use super::{Outcome, PROFILE_NAMES, output, recording, shown};
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
    #[arg(long, value_name = PROFILE_NAMES)]
    profile: Option<String>,
}

/// Limit of the notes about inputs of a node's own.
const OWN_INPUTS: usize = 16;

/// Limit of the names of one group in the table, in bytes.
const NAMES: usize = 400;

/// The result for any number of sources.
#[derive(Serialize)]
pub struct Answer {
    version: u32,
    /// The exit code.
    pub exit: u8,
    /// One sentence.
    pub summary: String,
    nodes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_height: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_height: Option<u64>,
    /// Which nodes agree, the largest group first.
    pub groups: Vec<Group>,
    /// Nodes without a whole block.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_blocks: Vec<String>,
    /// What could not be decided, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undecided: Vec<String>,
    /// What else the user should know.
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

/// Groups sources. `profile`: the one that the user asked for.
///
/// # Errors
/// An error from comparing two sources. A source that cannot be read is listed in the answer.
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
        unplaced: Vec::new(),
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
    let by_replay = groups.iter().any(|group| group.by_replay);
    let silent = parted.flat_map(|group| &group.silent).map(|member| {
        let name = &nodes[*member].name;
        match by_replay {
            true => format!(
                "{name} has neither the replay nor its original at which the groups diverge, so \
                 it may belong to more than one group"
            ),
            false => format!(
                "{name} covers none of the heights at which the groups diverge, so it agrees with \
                 more than one group"
            ),
        }
    });
    let inputs = own_inputs.into_iter().take(OWN_INPUTS);
    own.chain(silent).chain(inputs).collect()
}

/// A source that was read, and how it was recorded.
struct Read {
    node: Node,
    rules: Option<Digest>,
    profile: String,
    /// Keys with which its values were replaced.
    keys: Vec<String>,
}

impl Read {
    /// Digests of two sources for which this differs are of something else.
    fn kind(&self) -> (Option<Digest>, &[String]) {
        (self.rules, &self.keys)
    }

    fn recorded(&self) -> String {
        match &self.keys[..] {
            [] => format!("recorded with the profile {}", self.profile),
            keys => format!(
                "recorded with the profile {} and redacted with key {}",
                self.profile,
                keys.join(" and ")
            ),
        }
    }
}

fn read(path: &Path, profile: Option<&str>) -> anyhow::Result<Read> {
    let recording = recording(path, profile)?;
    let node = watched(&[&recording], || Node::read(shown(path), &recording));
    let node = node.map_err(|error| anyhow::anyhow!("{}: {error}", shown(path)))?;
    Ok(Read {
        node,
        rules: recording.rules(),
        profile: recording.profile.name.clone(),
        keys: recording.source.redaction_keys(),
    })
}

/// Removes the sources whose rules or keys differ from those of most, or of the first if none
/// has most. Their digests are of something else. Returns a sentence for each.
fn without_foreign(sources: &mut Vec<(&PathBuf, Read)>) -> Vec<String> {
    let count = |of: &Read| {
        let alike = |(_, other): &&(&PathBuf, Read)| other.kind() == of.kind();
        sources.iter().filter(alike).count()
    };
    let Some(most) = sources.iter().map(|(_, of)| count(of)).max() else {
        return Vec::new();
    };
    let first = sources.iter().find(|(_, of)| count(of) == most);
    let Some((rules, keys, usual)) =
        first.map(|(_, of)| (of.rules, of.keys.clone(), of.recorded()))
    else {
        return Vec::new();
    };
    let unsupported = sources.extract_if(.., |(_, of)| of.kind() != (rules, &keys[..]));
    unsupported
        .map(|(path, of)| {
            format!(
                "{} was {}, the others were {usual}: it cannot be compared with them",
                shown(path),
                of.recorded()
            )
        })
        .collect()
}

/// Number of nodes that are tried as the start of the first group.
const SEEDS: usize = 8;

/// Number of members of a group that are compared with another group.
const SPEAKERS: usize = 3;

/// Number of members that a node is compared with because of heights that are not whole.
const PARTNERS: usize = 8;

/// Confirms groups. Digests group the nodes, and comparisons of two sources check the groups:
/// neither may contradict the other.
struct Judging<'a> {
    profile: Option<&'a str>,
    nodes: &'a [Node],
    paths: &'a [&'a PathBuf],
    groups: Vec<Group>,
    /// Nodes that differ from the group that their digests put them in.
    unplaced: Vec<usize>,
    undecided: Vec<String>,
    /// Inputs of a node's own that differ, from all comparisons.
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
        // Always in the order of the sources, so that the sentence does not depend on which one was
        // compared first.
        let own = finding.own_inputs().map(|own| match one < other {
            true => own_input(own, [name(one), name(other)]),
            false => own_input(&own.turned(), [name(other), name(one)]),
        });
        self.own_inputs.borrow_mut().extend(own);
        Ok(finding)
    }

    /// Checks the members of each group. Equal digests prove equal whole blocks; about the rest,
    /// only entries or units decide.
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

    /// The members of a group that agree, each with at least one other where they can be compared.
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
            match self.differs_in_part(&kept, member, partner)? {
                true => self.unplaced.push(member),
                false => self.check_member(&mut kept, member, partner)?,
            }
        }
        for member in members {
            let name = &self.nodes[member].name;
            self.undecided.push(format!(
                "{name} and the others have no complete height in common"
            ));
        }
        Ok(kept)
    }

    /// The member that a node is compared with: it shares a height, has entries if possible, and
    /// covers most.
    fn partner(&self, kept: &[usize], member: usize) -> Option<usize> {
        let shares = |other: &&usize| self.nodes[**other].shares(&self.nodes[member]);
        let entries = |other: &&usize| self.nodes[**other].has_entries;
        let with_entries = kept.iter().filter(entries).find(shares);
        with_entries.or_else(|| kept.iter().find(shares)).copied()
    }

    /// Whether a node differs from a member, besides this partner, at a height that is not whole
    /// on both. One partner does not show that: it may lack that very height.
    fn differs_in_part(
        &self,
        kept: &[usize],
        member: usize,
        partner: usize,
    ) -> anyhow::Result<bool> {
        let others = self.partners_in_part(kept, member).into_iter();
        for other in others.filter(|other| *other != partner) {
            let finding = self.diff(other, member)?;
            if finding.exit() == 1 && !is_of_a(&finding) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Members that show whether the heights of a node that are not whole on both are equal. Digests
    /// prove the others.
    fn partners_in_part(&self, kept: &[usize], member: usize) -> Vec<usize> {
        let own = &self.nodes[member];
        let node = |other: &usize| &self.nodes[*other];
        let whole_at = |height: &u64| {
            let mut kept = kept.iter();
            kept.find(|other| node(other).heights.contains_key(height))
        };
        let part_at = |height: &u64| kept.iter().find(|other| node(other).parts.contains(height));
        let of_own = own
            .parts
            .iter()
            .filter_map(|at| whole_at(at).or(part_at(at)));
        let alone = |at: &u64| own.heights.contains_key(at) && whole_at(at).is_none();
        let of_others = kept
            .iter()
            .filter(|other| node(other).parts.iter().any(alone));
        let mut partners: Vec<usize> = Vec::new();
        for partner in of_own.chain(of_others) {
            if partners.len() < PARTNERS && !partners.contains(partner) {
                partners.push(*partner);
            }
        }
        partners
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
            // It may agree with nodes that left the group before, because it covers no height at
            // which they left.
            1 => self.unplaced.push(member),
            _ => self.undecided.push(undecided(&finding)),
        }
        Ok(())
    }

    /// Places nodes whose digests prove too little, by their entries. The result does not depend
    /// on names.
    fn place_others(&mut self) -> anyhow::Result<()> {
        let all = self.nodes.iter().enumerate();
        let unsure = all.filter(|(_, node)| node.unsure && !node.heights.is_empty());
        let mut members = std::mem::take(&mut self.unplaced);
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

    /// Starts the first group with a node that others agree with or differ from. A node that
    /// cannot be compared with any other decides nothing. Returns the nodes that could not be
    /// placed.
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

    /// Places all nodes that can be placed. A node in a group may decide where another one
    /// belongs, so it tries again after each success.
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

    /// Finds members that agree with another group too. They cover no height at which the groups
    /// part, so they do not count for a majority.
    fn find_silent(&mut self) -> anyhow::Result<()> {
        for at in 0..self.groups.len() {
            for member in self.groups[at].members.clone() {
                if !self.groups[at].silent.contains(&member) && self.agrees_elsewhere(at, member)? {
                    self.groups[at].silent.push(member);
                }
            }
        }
        Ok(())
    }

    fn agrees_elsewhere(&self, group: usize, member: usize) -> anyhow::Result<bool> {
        if self.is_beside_replay(group, member)? {
            return Ok(true);
        }
        let node = &self.nodes[member];
        let leaves = |at: usize| self.groups[at].leaves_at;
        let covers = |height: &u64| node.heights.contains_key(height);
        for other in (0..self.groups.len()).filter(|other| *other != group) {
            let parts = [group, other].into_iter().filter_map(leaves);
            if parts.into_iter().any(|height| covers(&height)) {
                continue;
            }
            let finding = self.compare_with_group(other, member)?;
            if finding.is_some_and(|finding| finding.exit() == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether groups part by a replay alone, and no member of another group differs from this one:
    /// it has neither the replay nor its original.
    fn is_beside_replay(&self, group: usize, member: usize) -> anyhow::Result<bool> {
        let own = &self.groups[group];
        let parted = self.groups.iter().any(|group| group.by_replay);
        let mut groups = self.groups.iter();
        let by_replay = groups.all(|group| group.by_replay || group.leaves_at.is_none());
        // The first member of such a group is the one that was found to differ.
        let left = own.by_replay && own.members.first() == Some(&member);
        if !parted || !by_replay || left {
            return Ok(false);
        }
        let others = self.groups.iter().enumerate();
        let others = others.filter(|(at, _)| *at != group);
        for other in others.flat_map(|(_, group)| group.members.iter().take(PARTNERS)) {
            if self.diff(*other, member)?.exit() == 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts a node into the group that it agrees with, or into a new one if it differs from all.
    /// Returns the comparison that decided nothing, if it cannot be placed.
    fn place(&mut self, member: usize) -> anyhow::Result<Option<Finding>> {
        let (mut differs, mut open, mut agreeing) = (None::<Finding>, None, Vec::new());
        for at in 0..self.groups.len() {
            match self.compare_with_group(at, member)? {
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

    /// Compares a node with a group: the comparison that finds a difference if there is one, else
    /// one that finds none, else the first.
    fn compare_with_group(&self, group: usize, node: usize) -> anyhow::Result<Option<Finding>> {
        let mut partners = self.speakers(group);
        partners.truncate(1);
        if self.nodes[node].unsure {
            partners = self.partners_for(group, node);
        }
        for partner in self.partners_in_part(&self.groups[group].members, node) {
            if partner != node && !partners.contains(&partner) {
                partners.push(partner);
            }
        }
        let mut first: Option<Finding> = None;
        for partner in partners {
            let finding = self.diff(partner, node)?;
            match finding.exit() {
                1 => return Ok(Some(finding)),
                0 if first.as_ref().is_some_and(|first| first.exit() != 0) => first = Some(finding),
                _ => _ = first.get_or_insert(finding),
            }
        }
        Ok(first)
    }

    /// Members that are compared with a node whose digests prove too little: those that share most
    /// heights with it, and those that reach highest, because the first may end before others
    /// part.
    fn partners_for(&self, group: usize, node: usize) -> Vec<usize> {
        let mut members = self.groups[group].members.clone();
        let common = |member: &usize| {
            let own = &self.nodes[node].heights;
            let heights = self.nodes[*member].heights.keys();
            heights.filter(|height| own.contains_key(height)).count()
        };
        members.sort_by_key(|member| std::cmp::Reverse(common(member)));
        let mut partners: Vec<usize> = members.iter().copied().take(SPEAKERS).collect();
        members.sort_by_key(|member| {
            std::cmp::Reverse(self.nodes[*member].heights.keys().next_back().copied())
        });
        let highest = members.into_iter().take(SPEAKERS);
        partners.extend(
            highest
                .filter(|member| !partners.contains(member))
                .collect::<Vec<_>>(),
        );
        partners
    }

    /// Members that speak for a group. Digests show where two part, and only entries show what
    /// differs, so members with entries come first.
    fn speakers(&self, group: usize) -> Vec<usize> {
        let mut members = self.groups[group].members.clone();
        members.sort_by_key(|member| {
            let node = &self.nodes[*member];
            (!node.has_entries, std::cmp::Reverse(node.heights.len()))
        });
        members.truncate(SPEAKERS);
        members
    }

    /// Names the step at which each group leaves the first one.
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

    /// Compares the speakers of a group with those of the first group. Returns the first
    /// comparison that finds a difference: a member that covers too little to see it proves
    /// nothing. Else returns the first that decides, else the last.
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

/// What could not be decided about the second of two nodes, in words.
fn undecided(finding: &Finding) -> String {
    let [a, b] = finding.recordings.each_ref().map(|of| of.path.display());
    format!("{b} (B) beside {a} (A): {}", summary::words(finding))
}

/// Whether only the first source is at fault in a comparison.
fn is_of_a(finding: &Finding) -> bool {
    let [a, b] = finding.recordings.each_ref().map(|of| {
        let replays = of.replays.as_ref();
        replays.map_or(&[][..], |replays| &replays.wrong)
    });
    finding.verdict() == Verdict::Replay && b.is_empty() && a.iter().all(|of| !of.of_other)
}

/// The height at which two sources diverge, by a comparison.
fn parts_at(finding: &Finding) -> Option<u64> {
    finding.location().map(|place| place.height)
}

/// A new group of nodes that leave the others where a comparison says.
fn left(members: Vec<usize>, finding: &Finding) -> Group {
    let mut group = Group {
        members,
        leaves_at: parts_at(finding),
        by_replay: finding.verdict() == Verdict::Replay,
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

/// The table: one line for each group, and then the members of each. A hundred nodes fit on a
/// screen.
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

/// As many names as fit on a few lines.
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

/// Shortens names by the folder that all of them share, and by the ending of fingerprints.
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
            keys: Vec::new(),
            profile: profile.to_owned(),
        }
    }

    /// A block of a host, with its end or without.
    fn block(height: u64, operation: u64, ends: bool) -> String {
        let mut lines = vec![
            format!(r#"{{"type":"begin-block","height":{height},"time":"42.0","input":"0a"}}"#),
            r#"{"type":"op-write","op":0,"store":"bank","key":"00","value":"aa"}"#.to_owned(),
        ];
        if ends {
            lines.push(format!(
                r#"{{"type":"op-write","op":1,"store":"bank","key":"01","value":"{operation:02x}"}}"#
            ));
            lines.push(format!(
                r#"{{"type":"end-block","height":{height},"appHash":"AA"}}"#
            ));
        }
        lines.join("\n") + "\n"
    }

    /// C has the beginning of the block alone, so it agrees with both. D lacks the end, and not
    /// the operation that differs.
    #[test]
    fn who_differs_where_a_block_is_not_whole_is_in_no_group_with_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["c", "a", "d"].map(|name| folder.path().join(name));
        let whole = block(7, 1, true);
        let cut =
            block(8, 2, true).replace(r#"{"type":"end-block","height":8,"appHash":"AA"}"#, "");
        let slogs = [
            whole.clone() + &block(8, 1, false),
            whole.clone() + &block(8, 1, true),
            whole + cut.trim_end() + "\n",
        ];
        for (path, slog) in paths.iter().zip(slogs) {
            std::fs::write(path, slog).expect("a slog");
        }
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let sources = order.map(|at| paths[at].clone());
            let answer = compare(&sources, Some("host")).expect("an answer");
            assert_eq!(answer.exit, 1, "{}", answer.summary);
            let group_of = |node: usize| {
                let at = order.iter().position(|own| *own == node).expect("a node");
                let mut groups = answer.groups.iter();
                groups.position(|group| group.members.contains(&at))
            };
            assert_ne!(group_of(1), group_of(2), "{}", answer.summary);
        }
    }

    /// A block of a kernel's with a delivery, as `value` was written in it.
    fn delivered(height: u64, value: &str) -> String {
        let delivery = steps(r#""crankNum":1,"#, false, value);
        format!(
            r#"{{"type":"cosmic-swingset-begin-block","blockHeight":{height},"blockTime":42}}
{{"type":"cosmic-swingset-end-block-start","blockHeight":{height},"blockTime":42}}
{{"type":"cosmic-swingset-run-start","blockHeight":{height},"runNum":0}}
{{"type":"crank-start","crankType":"delivery","crankNum":1}}
{delivery}{{"type":"crank-finish","crankNum":1}}
{{"type":"cosmic-swingset-run-finish","blockHeight":{height},"runNum":0}}
{{"type":"cosmic-swingset-end-block-finish","blockHeight":{height},"blockTime":42}}
"#
        )
    }

    /// A delivery with a syscall, as a kernel executes it or replays it.
    fn steps(crank: &str, replay: bool, value: &str) -> String {
        let of = format!(r#"{crank}"vatID":"v1","deliveryNum":4"#);
        let ends = format!(r#""replay":{replay}"#);
        format!(
            r#"{{"type":"deliver",{of},{ends},"vd":["message"]}}
{{"type":"syscall",{of},"syscallNum":0,{ends},"vsc":["vatstoreSet","k","{value}"]}}
{{"type":"syscall-result",{of},"syscallNum":0,{ends},"vsr":["ok",null]}}
{{"type":"deliver-result",{of},{ends},"dr":["ok",null,{{"compute":1}}]}}
"#
        )
    }

    /// B replays what A executed, and otherwise. C has neither: it does not show which is right.
    #[test]
    fn who_has_neither_replay_nor_original_makes_no_majority() {
        let folder = tempfile::tempdir().expect("a folder");
        let plain = |height: u64| {
            let block = delivered(height, "1");
            let lines = block
                .lines()
                .filter(|line| line.contains("cosmic-swingset"));
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        let start = "{\"type\":\"kernel-init-start\"}\n";
        let slogs = [
            delivered(7, "1") + &plain(8) + &plain(9),
            start.to_owned() + &steps("", true, "2") + &plain(8),
            plain(8) + &plain(9),
        ];
        let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
        for (path, slog) in paths.iter().zip(slogs) {
            std::fs::write(path, slog).expect("a slog");
        }
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
            let sources = order.map(|at| paths[at].clone());
            let answer = compare(&sources, Some("agoric")).expect("an answer");
            assert_eq!(
                (answer.exit, answer.groups.len()),
                (1, 2),
                "{}",
                answer.summary
            );
            let of_c = order.iter().position(|node| *node == 2).expect("c");
            let silent: Vec<&usize> = answer
                .groups
                .iter()
                .flat_map(|group| &group.silent)
                .collect();
            assert_eq!(silent, [&of_c]);
            assert!(answer.groups.iter().all(|group| !group.majority));
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
        let expected = "b was recorded with the profile mine, the others were recorded with the profile host: it cannot be compared with them";
        assert_eq!(unsupported, [expected]);
        let kept: Vec<&PathBuf> = sources.iter().map(|(path, _)| *path).collect();
        assert_eq!(kept, [&paths[0], &paths[2]]);
        // Two nodes that agree say nothing about a third.
        let agreeing = [Group {
            members: vec![0, 1],
            ..Group::default()
        }];
        assert_eq!(conclude(3, &agreeing, unsupported.len()).0, 2);
        assert_eq!(conclude(2, &agreeing, 0).0, 0);
        assert!(without_foreign(&mut sources).is_empty());
    }
}
