//! Any number of nodes: who agrees with whom at each height, and where each
//! group leaves the others.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::pair::TapeReader;
use super::party::Party;
use crate::fingerprint::{self, Fingerprint};
use crate::source::Source;
use crate::tape::UnitDigest;

/// What one node executed, a digest by height; absent where it is not whole.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// How people are told of it.
    pub name: String,
    /// Digests.
    pub heights: BTreeMap<u64, UnitDigest>,
    /// Its source has the entries too, not digests alone.
    pub has_entries: bool,
}

impl Node {
    /// Reads a node's digests: 56 bytes a block.
    ///
    /// # Errors
    /// What reading gives.
    pub fn read(name: String, party: &Party) -> io::Result<Node> {
        let heights = match &party.source {
            Source::Fingerprint(print) => of_fingerprint(print),
            _ => of_tape(party)?,
        };
        Ok(Node {
            name,
            heights,
            has_entries: !party.source.is_fingerprint(),
        })
    }
}

fn of_fingerprint(print: &Fingerprint) -> BTreeMap<u64, UnitDigest> {
    let whole = print.blocks.iter().filter(|block| block.is_whole());
    whole.map(|block| (block.height, block.digest)).collect()
}

fn of_tape(party: &Party) -> io::Result<BTreeMap<u64, UnitDigest>> {
    std::thread::scope(|scope| {
        let mut heights = BTreeMap::new();
        let mut tape = TapeReader::start(scope, party);
        while let Some(block) = tape.next_height() {
            if block.is_whole() {
                heights.insert(block.height, fingerprint::block_digest(&block.units));
            }
        }
        tape.finish()?;
        Ok(heights)
    })
}

/// Nodes that agree wherever they can be compared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Group {
    /// Names of its nodes.
    pub nodes: Vec<String>,
    /// Their places among the sources.
    #[serde(skip)]
    pub members: Vec<usize>,
    /// Height at which it leaves the group it was part of; absent for the
    /// group that the others leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<u64>,
    /// The last height it is known at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_height: Option<u64>,
    /// More than half of all nodes.
    pub majority: bool,
    /// What the first difference from the first group is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// The step, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// Groups nodes by agreement, the largest group first.
pub fn group(nodes: &[Node]) -> Vec<Group> {
    let comparable = |node: &&usize| {
        nodes
            .get(**node)
            .is_some_and(|node| !node.heights.is_empty())
    };
    let all: Vec<usize> = (0..nodes.len()).collect();
    let mut groups = vec![Group {
        members: all.iter().filter(comparable).copied().collect(),
        ..Group::default()
    }];
    let heights: std::collections::BTreeSet<u64> = nodes
        .iter()
        .flat_map(|node| node.heights.keys().copied())
        .collect();
    for height in heights {
        groups = groups
            .into_iter()
            .flat_map(|group| split(group, nodes, height))
            .collect();
    }
    for group in &mut groups {
        group.nodes = group
            .members
            .iter()
            .map(|member| nodes[*member].name.clone())
            .collect();
        group.majority = group.members.len() * 2 > nodes.len();
        let last = |member: &usize| nodes[*member].heights.keys().next_back().copied();
        group.last_height = group.members.iter().filter_map(last).max();
    }
    groups.sort_by_key(|group| {
        (
            std::cmp::Reverse(group.members.len()),
            group.leaves_at,
            group.members.first().copied(),
        )
    });
    groups
}

/// Splits a group where its members' digests differ. Who does not cover the
/// height stays with the most.
fn split(group: Group, nodes: &[Node], height: u64) -> Vec<Group> {
    let mut parts: Vec<(UnitDigest, Vec<usize>)> = Vec::new();
    let mut unknown = Vec::new();
    for member in &group.members {
        match nodes[*member].heights.get(&height) {
            None => unknown.push(*member),
            Some(digest) => match parts.iter_mut().find(|(of, _)| of == digest) {
                Some((_, members)) => members.push(*member),
                None => parts.push((*digest, vec![*member])),
            },
        }
    }
    if parts.len() < 2 {
        return vec![group];
    }
    parts.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    let parts = parts.into_iter().enumerate();
    parts
        .map(|(index, (_, mut members))| {
            if index == 0 {
                members.append(&mut unknown);
                members.sort_unstable();
            }
            let leaves_at = if index == 0 {
                group.leaves_at
            } else {
                Some(height)
            };
            Group {
                members,
                leaves_at,
                ..Group::default()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, digests: &str) -> Node {
        let heights = digests
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte != b'.');
        let heights = heights.map(|(at, byte)| (at as u64, [byte; 16])).collect();
        Node {
            name: name.to_owned(),
            heights,
            has_entries: true,
        }
    }

    fn told(nodes: &[Node]) -> Vec<(String, Option<u64>, bool)> {
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
        assert_eq!(told(&nodes), expected);
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
        assert_eq!(told(&nodes), expected);
    }

    #[test]
    fn a_node_that_covers_nothing_is_in_no_group() {
        let nodes = [node("a", "xx"), node("b", "")];
        assert_eq!(told(&nodes), vec![("a".to_owned(), None, false)]);
    }
}
