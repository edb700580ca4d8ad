//! Groups any number of nodes: which nodes agree at each height, and where each group leaves
//! the others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;

use serde::Serialize;

use super::pair;
use super::recording::Recording;
use crate::fingerprint::{self, Fingerprint};
use crate::source::Source;
use crate::trace::UnitDigest;

/// The digests of one node by height. A height that is not whole has none.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Name for users.
    pub name: String,
    /// Digests of the heights that it has whole.
    pub heights: BTreeMap<u64, Digests>,
    /// Its source has entries, and not digests alone.
    pub has_entries: bool,
    /// Heights of which it has only a part.
    pub parts: BTreeSet<u64>,
    /// Its digests are not those of the bytes that its host wrote, so only its entries show
    /// whether it agrees.
    pub unsure: bool,
    /// Sentences for users: what its digests cannot show.
    pub notes: Vec<String>,
    /// Number of streams that it records.
    pub tells: usize,
}

/// The digests of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Digest of its units.
    pub units: UnitDigest,
    /// Digest of its activityhashes, where they are recorded.
    pub activity: Option<UnitDigest>,
}

impl Digests {
    /// Whether two blocks are equal in all that both record.
    fn agrees(&self, other: &Digests) -> bool {
        let activity = self.activity.zip(other.activity);
        self.units == other.units && activity.is_none_or(|(own, other)| own == other)
    }
}

impl Node {
    /// Reads the digests of a node.
    ///
    /// # Errors
    /// An error from reading the source.
    pub fn read(name: String, recording: &Recording) -> io::Result<Node> {
        let mut node = match &recording.source {
            Source::Fingerprint(print) => of_fingerprint(name, print),
            _ => of_recording(name, recording)?,
        };
        // The digests cover everything that was recorded, and not all of it decides the outcome.
        node.unsure |= recording.vocabulary.step_tracker().is_some();
        Ok(node)
    }

    /// The order in which nodes that digests cannot group are compared: first those that record
    /// more. Names do not count, so that renaming a file changes nothing.
    pub fn rank(&self) -> impl Ord + use<> {
        let digests = self.heights.iter();
        let all: Vec<(u64, UnitDigest)> = digests.map(|(at, of)| (*at, of.units)).collect();
        (Reverse((self.has_entries, self.tells, all.len())), all)
    }

    /// Whether both have some height whole.
    pub fn shares(&self, other: &Node) -> bool {
        let mut heights = self.heights.keys();
        heights.any(|height| other.heights.contains_key(height))
    }

    /// Whether it lacks heights between its lowest and its highest. Whether that matters, only a
    /// comparison of two sources shows.
    fn has_gaps(&self) -> bool {
        let known: BTreeSet<&u64> = self.heights.keys().chain(&self.parts).collect();
        let range = known.first().zip(known.last());
        range.is_some_and(|(low, high)| *high - *low >= known.len() as u64)
    }

    /// Whether both have a height of which at least one has only a part.
    pub fn shares_parts(&self, other: &Node) -> bool {
        let has = |node: &Node, height: &u64| {
            node.heights.contains_key(height) || node.parts.contains(height)
        };
        self.parts.iter().any(|height| has(other, height))
            || other.parts.iter().any(|height| has(self, height))
    }
}

fn of_fingerprint(name: String, print: &Fingerprint) -> Node {
    let (whole, parts): (Vec<_>, Vec<_>) = print.blocks.iter().partition(|block| block.is_whole());
    let digests = |block: &&fingerprint::BlockPrint| {
        let (units, activity) = (block.digest, block.activity);
        (block.height, Digests { units, activity })
    };
    let old = !print.version.has_activity();
    let note = format!(
        "{name} is a fingerprint of version 1: kernel work that no entry shows cannot be detected \
         there; make a new fingerprint"
    );
    let mut node = Node {
        heights: whole.iter().map(digests).collect(),
        parts: parts.iter().map(|block| block.height).collect(),
        notes: old.then_some(note).into_iter().collect(),
        unsure: !print.blocks.is_sorted_by_key(|block| block.height)
            || print
                .blocks
                .iter()
                .any(fingerprint::BlockPrint::is_hashless),
        name,
        ..Node::default()
    };
    node.unsure |= node.has_gaps();
    node
}

fn of_recording(name: String, recording: &Recording) -> io::Result<Node> {
    let mut node = Node {
        name,
        has_entries: true,
        ..Node::default()
    };
    let (summary, executions) = pair::each_height(recording, &mut |block| -> io::Result<()> {
        let height = block.height;
        node.heights.remove(&height);
        node.parts.remove(&height);
        if block.is_whole() {
            let units = fingerprint::block_digest(&block.units);
            let activity = Some(fingerprint::activity_digest(&block.units));
            node.heights.insert(height, Digests { units, activity });
        } else {
            node.parts.insert(height);
        }
        Ok(())
    })?;
    if node.heights.is_empty() && node.parts.is_empty() && !recording.is_by_value() {
        // Another JSON writer may have formatted the heights differently.
        recording.read_by_value();
        return of_recording(node.name, recording);
    }
    if let Some(what) = summary.changed_by() {
        node.notes.push(format!("{}: {what}", node.name));
    }
    node.tells = summary.streams.len();
    node.unsure = summary.rewritten
        || summary.wrapped > 0
        || summary.without_hashes > 0
        || executions.height_runs > 1
        || node.has_gaps()
        || recording.is_by_value();
    Ok(node)
}

/// Nodes that agree wherever they can be compared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    /// Names of the nodes.
    pub nodes: Vec<String>,
    /// Indices of the nodes among the sources.
    #[serde(skip)]
    pub members: Vec<usize>,
    /// Members that cover no height at which the groups part. They agree with every group.
    #[serde(skip)]
    pub silent: Vec<usize>,
    /// Height at which it leaves the group it was part of; absent for the group that the others
    /// leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<u64>,
    /// The highest height of its nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_height: Option<u64>,
    /// More than half of all nodes are in it and cover a height at which the groups part.
    pub majority: bool,
    /// It left the others because of a replay that does not match its original. Whoever has
    /// neither of the two does not show which group is right, whatever heights it covers.
    #[serde(skip)]
    pub by_replay: bool,
    /// The first difference from the first group, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// The location of that difference, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// Groups nodes by their digests. Leaves out nodes whose digests prove nothing.
pub fn group(nodes: &[Node]) -> Vec<Group> {
    let comparable = |node: &&Node| !node.heights.is_empty() && !node.unsure;
    let all = nodes.iter().enumerate();
    let members = all.filter(|(_, node)| comparable(node)).map(|(at, _)| at);
    let mut groups = vec![Group {
        members: members.collect(),
        ..Group::default()
    }];
    let heights: BTreeSet<u64> = nodes
        .iter()
        .filter(comparable)
        .flat_map(|node| node.heights.keys().copied())
        .collect();
    for height in heights {
        groups = groups
            .into_iter()
            .flat_map(|group| split(group, nodes, height))
            .collect();
    }
    groups.retain(|group| !group.members.is_empty());
    order(&mut groups, nodes);
    groups
}

/// Names the members of each group and puts the largest group first. The largest is the group
/// that the others leave.
pub fn order(groups: &mut [Group], nodes: &[Node]) {
    for group in groups.iter_mut() {
        group.members.sort_unstable();
        group.nodes = group
            .members
            .iter()
            .map(|member| nodes[*member].name.clone())
            .collect();
        group.majority = group.speaking() * 2 > nodes.len();
        let last = |member: &usize| nodes[*member].heights.keys().next_back().copied();
        group.last_height = group.members.iter().filter_map(last).max();
    }
    groups.sort_by_key(|group| {
        (
            Reverse(group.speaking()),
            Reverse(group.members.len()),
            group.leaves_at,
            group.members.first().copied(),
        )
    });
    let left = groups.iter().position(|group| group.leaves_at.is_none());
    if let Some(left) = left.filter(|left| *left > 0) {
        groups[left].leaves_at = groups[0].leaves_at.take();
    }
    if let Some(first) = groups.first_mut() {
        (first.difference, first.place) = (None, None);
    }
}

impl Group {
    /// Number of members that cover a height at which the groups part.
    fn speaking(&self) -> usize {
        let silent = |member: &&usize| self.silent.contains(member);
        self.members.len() - self.members.iter().filter(silent).count()
    }
}

/// Splits a group where the digests of its members differ. A member that does not cover the
/// height goes to the part that it agrees with longest. If it agrees with several equally
/// long, it stays with the largest.
fn split(group: Group, nodes: &[Node], height: u64) -> Vec<Group> {
    let digests = |member: &usize| nodes[*member].heights.get(&height).copied();
    let known = group.members.iter().copied();
    let known = known.filter_map(|member| Some((member, digests(&member)?)));
    let mut parts = by_digests(&known.collect::<Vec<_>>());
    if parts.len() < 2 {
        return vec![group];
    }
    let unknown = group
        .members
        .iter()
        .filter(|member| digests(member).is_none());
    let placed: Vec<_> = unknown
        .map(|member| (*member, part_of(*member, &parts, nodes, height)))
        .collect();
    let mut undecided = Vec::new();
    for (member, part) in placed {
        part.map_or(&mut undecided, |part| &mut parts[part])
            .push(member);
    }
    let silent = |member: &usize| group.silent.contains(member) || undecided.contains(member);
    parts.sort_by_key(|members| {
        let speak = members.iter().filter(|member| !silent(member));
        (Reverse(speak.count()), members.iter().min().copied())
    });
    parts[0].extend(&undecided);
    parts[0].sort_unstable();
    let parts = parts.into_iter().enumerate();
    parts
        .map(|(index, members)| Group {
            silent: members.iter().copied().filter(silent).collect(),
            members,
            leaves_at: match index {
                0 => group.leaves_at,
                _ => Some(height),
            },
            ..Group::default()
        })
        .collect()
}

/// Splits nodes by their digests of a height. Nodes without activityhashes come last and join
/// a part that they agree with otherwise.
fn by_digests(known: &[(usize, Digests)]) -> Vec<Vec<usize>> {
    let mut parts: Vec<(Digests, Vec<usize>)> = Vec::new();
    for is_known in [true, false] {
        let nodes = known
            .iter()
            .filter(|(_, digests)| digests.activity.is_some() == is_known);
        for (member, digests) in nodes {
            let agreeing = parts.iter_mut().filter(|(part, _)| part.agrees(digests));
            match agreeing.max_by_key(|(_, members)| members.len()) {
                Some((_, members)) => members.push(*member),
                None => parts.push((*digests, vec![*member])),
            }
        }
    }
    parts.into_iter().map(|(_, members)| members).collect()
}

/// The part that a node agrees with longest above a height; `None` if that is not exactly one.
fn part_of(member: usize, parts: &[Vec<usize>], nodes: &[Node], height: u64) -> Option<usize> {
    let until = parts
        .iter()
        .map(|part| agrees_until(member, part, nodes, height));
    let until: Vec<u64> = until.collect();
    let longest = until.iter().max()?;
    let mut best = until
        .iter()
        .enumerate()
        .filter(|(_, height)| *height == longest);
    let (part, _) = best.next()?;
    best.next().is_none().then_some(part)
}

/// The first height above this one at which a node agrees with none of those that cover it;
/// `u64::MAX` if there is none.
fn agrees_until(member: usize, others: &[usize], nodes: &[Node], height: u64) -> u64 {
    let above = nodes[member]
        .heights
        .range((Bound::Excluded(height), Bound::Unbounded));
    let parts_at = |(height, own): (&u64, &Digests)| {
        let digests = |other: &usize| nodes[*other].heights.get(height);
        let mut covering = others.iter().filter_map(digests).peekable();
        covering.peek()?;
        (!covering.any(|other| other.agrees(own))).then_some(*height)
    };
    above.filter_map(parts_at).next().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, digests: &str) -> Node {
        let heights = digests
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte != b'.');
        let digests = |byte| Digests {
            units: [byte; 16],
            activity: None,
        };
        let heights = heights
            .map(|(at, byte)| (at as u64, digests(byte)))
            .collect();
        Node {
            name: name.to_owned(),
            heights,
            has_entries: true,
            ..Node::default()
        }
    }

    fn grouped(nodes: &[Node]) -> Vec<(String, Option<u64>, bool)> {
        let groups = group(nodes);
        groups
            .iter()
            .map(|g| (g.nodes.join(" "), g.leaves_at, g.majority))
            .collect()
    }

    #[test]
    fn groups_leave_where_their_digests_part() {
        let nodes = [
            node("a", "xxxxx"),
            node("b", "xxyyy"),
            node("c", "xxxxx"),
            node("d", "xxyzz"),
        ];
        let expected = [
            ("a c", None, false),
            ("b", Some(2), false),
            ("d", Some(3), false),
        ];
        let expected: Vec<_> = expected.map(|(n, h, m)| (n.to_owned(), h, m)).to_vec();
        assert_eq!(grouped(&nodes), expected);
    }

    #[test]
    fn who_does_not_cover_the_height_stays_with_the_most() {
        let nodes = [
            node("a", "xxx"),
            node("b", "x.x"),
            node("c", "xyy"),
            node("d", "xxx"),
        ];
        let expected = vec![
            ("a b d".to_owned(), None, true),
            ("c".to_owned(), Some(1), false),
        ];
        assert_eq!(grouped(&nodes), expected);
    }

    #[test]
    fn who_does_not_cover_the_height_goes_where_it_agrees_later() {
        for nodes in [
            [
                node("b", "xbbbb"),
                node("o", "xoooo"),
                node("a", "...oo"),
                node("c", "....o"),
            ],
            [
                node("a", "...oo"),
                node("c", "....o"),
                node("o", "xoooo"),
                node("b", "xbbbb"),
            ],
        ] {
            let groups = group(&nodes);
            let names: Vec<Vec<&str>> = groups
                .iter()
                .map(|group| {
                    let mut names: Vec<&str> = group.nodes.iter().map(String::as_str).collect();
                    names.sort_unstable();
                    names
                })
                .collect();
            assert_eq!(names, [vec!["a", "c", "o"], vec!["b"]]);
            assert_eq!(groups[0].leaves_at, None);
            assert!(groups[0].majority);
        }
    }

    #[test]
    fn who_covers_no_height_at_which_they_part_makes_no_majority() {
        let nodes = [
            node("a", "xx"),
            node("b", "xx"),
            node("c", "xy"),
            node("d", "x."),
        ];
        let expected = vec![
            ("a b d".to_owned(), None, false),
            ("c".to_owned(), Some(1), false),
        ];
        assert_eq!(grouped(&nodes), expected);
    }

    #[test]
    fn a_node_that_covers_nothing_is_in_no_group() {
        let nodes = [node("a", "xx"), node("b", "")];
        assert_eq!(grouped(&nodes), vec![("a".to_owned(), None, false)]);
    }
}
