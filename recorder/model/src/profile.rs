//! The profile: the meaning of the streams of one kind of host, as data.
//!
//! `docs/profile.md` documents the file.

use std::fmt;
use std::io;

use haltbox_format::Digest;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use thiserror::Error;

use crate::fault::Fault;
use crate::inputs::InputRules;
use crate::node_log::NodeRules;
use crate::slog::{SlogRules, SlogSection};

/// The version of the profile file that this code reads.
const VERSION: u64 = 1;

const BUILTIN: [(&str, &str); 10] = [
    ("agoric", include_str!("../profiles/agoric.json")),
    ("cosmos", include_str!("../profiles/cosmos.json")),
    ("host", include_str!("../profiles/host.json")),
    ("messages", include_str!("../profiles/messages.json")),
    ("op-node", include_str!("../profiles/op-node.json")),
    ("op-geth", include_str!("../profiles/op-geth.json")),
    (
        "op-supernode",
        include_str!("../profiles/op-supernode.json"),
    ),
    (
        "op-supervisor",
        include_str!("../profiles/op-supervisor.json"),
    ),
    (
        "op-interop-filter",
        include_str!("../profiles/op-interop-filter.json"),
    ),
    ("proxyd", include_str!("../profiles/proxyd.json")),
];

/// Rules to read the streams of one kind of host.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Name of the profile, as in `haltbox record --profile NAME`.
    pub name: String,
    /// Rules for the host's slog, if it has one.
    pub slog: Option<SlogRules>,
    /// Rules for the node's log, if the profile has them.
    pub node: Option<NodeRules>,
    /// Rules for the inputs of a block in the slog.
    pub inputs: InputRules,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    #[serde(rename = "profile")]
    _version: u64,
    name: String,
    #[serde(default, rename = "note")]
    _note: String,
    slog: Option<SlogSection>,
    node: Option<NodeSection>,
    #[serde(default)]
    inputs: InputRules,
}

/// The version alone: a file of another version may have any other keys.
#[derive(Deserialize)]
struct Version {
    profile: u64,
}

enum NodeSection {
    /// The node section of a builtin profile.
    Builtin(String),
    Own(Box<NodeRules>),
}

impl Profile {
    /// File name under which a recorder stores a profile that is not builtin, beside its
    /// ring. So the ring stays readable if the profile's own file is removed.
    pub const BESIDE_RING: &str = "profile.json";

    /// Parses a profile file. `where_from` is its name in errors.
    pub fn parse(text: &[u8], where_from: &str) -> Result<Profile, ProfileError> {
        let place = |place| {
            move |problem| ProfileError {
                file: where_from.to_owned(),
                place,
                problem,
            }
        };
        let in_text = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            place(Place::Text { line, column })(without_place(&error))
        };
        let at_key = |fault: Fault| place(Place::Key(fault.key))(fault.problem);
        let version: Version = serde_json::from_slice(text).map_err(in_text)?;
        check_version(version.profile).map_err(at_key)?;
        let file: ProfileFile = serde_json::from_slice(text).map_err(in_text)?;
        Profile::from_file(file).map_err(at_key)
    }

    /// A builtin profile, such as `agoric` or `op-node`.
    pub fn builtin(name: &str) -> Result<Profile, ProfileError> {
        let own = BUILTIN.iter().find(|(own, _)| *own == name);
        let (own, text) = own.ok_or_else(|| ProfileError {
            file: format!("profile {name:?}"),
            place: Place::Whole,
            problem: format!("expected a file or one of {}", builtin_names()),
        })?;
        Profile::parse(text.as_bytes(), &format!("builtin profile {own}"))
    }

    /// All builtin profiles.
    pub fn builtins() -> impl Iterator<Item = Profile> {
        BUILTIN
            .into_iter()
            .filter_map(|(name, _)| Profile::builtin(name).ok())
    }

    /// A builtin profile, or one from a file. `read` reads the file, because this crate
    /// opens none.
    pub fn named(
        name_or_file: &str,
        read: impl FnOnce(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Profile, ProfileError> {
        if Profile::is_builtin(name_or_file) {
            return Profile::builtin(name_or_file);
        }
        let text = read(name_or_file).map_err(|error| ProfileError {
            file: name_or_file.to_owned(),
            place: Place::Whole,
            problem: format!("{error}; builtin profiles are {}", builtin_names()),
        })?;
        Profile::parse(&text, name_or_file)
    }

    /// Whether something in the streams gives events of blocks. A profile may also only
    /// keep lines.
    pub fn tells_of_blocks(&self) -> bool {
        let node = self.node.as_ref();
        self.slog.is_some() || node.is_some_and(NodeRules::tells_of_blocks)
    }

    /// The profile with the rules by which a box with this digest names its blocks: those
    /// of an earlier version if the digest is theirs.
    #[must_use]
    pub fn naming_by(self, digest: Option<Digest>) -> Profile {
        let slog = self.slog.map(|slog| slog.naming_by(digest));
        Profile { slog, ..self }
    }

    /// Whether a profile of this name is builtin.
    pub fn is_builtin(name: &str) -> bool {
        BUILTIN.iter().any(|(own, _)| *own == name)
    }

    fn from_file(file: ProfileFile) -> Result<Profile, Fault> {
        check_name(&file.name)?;
        if file.slog.is_none() && file.node.is_none() {
            let problem = "expected a `slog` or a `node` section, found neither".to_owned();
            return Err(Fault::new("slog", problem));
        }
        let node = file.node.map(NodeSection::into_rules).transpose()?;
        if let Some(rules) = &node {
            rules
                .check()
                .map_err(|error| Fault::new("node", error.to_string()))?;
        }
        let slog = file.slog.map(SlogRules::new).transpose()?;
        Ok(Profile {
            name: file.name,
            slog,
            node,
            inputs: file.inputs,
        })
    }
}

fn check_version(found: u64) -> Result<(), Fault> {
    if found == VERSION {
        return Ok(());
    }
    Err(Fault::new(
        "profile",
        format!("expected version {VERSION}, found {found}; use a Haltbox version that reads it"),
    ))
}

/// Checks the name, which stands in boxes and on command lines.
fn check_name(name: &str) -> Result<(), Fault> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    let problem = format!("expected 1 to 64 of a-z, 0-9 and `-`, found {name:?}");
    Err(Fault::new("name", problem))
}

fn builtin_names() -> String {
    BUILTIN.map(|(name, _)| name).join(", ")
}

impl NodeSection {
    fn into_rules(self) -> Result<NodeRules, Fault> {
        let name = match self {
            NodeSection::Own(rules) => return Ok(*rules),
            NodeSection::Builtin(name) => name,
        };
        let builtin = BUILTIN.iter().find(|(own, _)| *own == name);
        builtin
            .and_then(|(_, text)| serde_json::from_str::<NodePart>(text).ok()?.node)
            .ok_or_else(|| {
                let expected = "rules or the name of a builtin profile that has its own (cosmos)";
                Fault::new("node", format!("expected {expected}, found {name:?}"))
            })
    }
}

/// The node section of a builtin profile, if it has its own.
#[derive(Deserialize)]
struct NodePart {
    node: Option<NodeRules>,
}

impl<'de> Deserialize<'de> for NodeSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

/// Written by hand, because an untagged enum would hide which key is wrong.
struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = NodeSection;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rules for a node's log or the name of a builtin profile")
    }

    fn visit_str<E>(self, name: &str) -> Result<NodeSection, E> {
        Ok(NodeSection::Builtin(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NodeSection, A::Error> {
        NodeRules::deserialize(MapAccessDeserializer::new(map))
            .map(|rules| NodeSection::Own(Box::new(rules)))
    }
}

/// A profile that cannot be used: what was found, what was expected, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}: {place}{problem} (docs/profile.md describes every key)")]
pub struct ProfileError {
    file: String,
    place: Place,
    problem: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Text { line: usize, column: usize },
    Key(String),
    Whole,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Text { line, column } => write!(f, "line {line} column {column}: "),
            Place::Key(key) => write!(f, "{key}: "),
            Place::Whole => Ok(()),
        }
    }
}

/// The message without the line and column that serde_json appends to it.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place)
        .map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests;
