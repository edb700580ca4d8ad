//! Arguments of the commands: chains with their nodes, and the dependency set.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use haltbox_daemon::rpc::{Endpoint, EndpointError};
use haltbox_model::ShowPath;
use thiserror::Error;

use crate::chain::Node;
use crate::dependency_set::{BadSet, DependencySet};
use crate::message::{BadChainId, ChainId};

/// Largest file of a dependency set, in bytes.
const LARGEST: u64 = 4 << 20;

/// Reasons why an argument does not say of a chain what its option wants.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// `--chain`.
    #[error("expected ID=RPC, such as 901=http://127.0.0.1:8545")]
    Nodes,
    /// `--op-node`.
    #[error("expected ID=URL, such as 901=http://127.0.0.1:9545")]
    OpNode,
    /// `--checks`.
    #[error("expected ID=FILE, such as 902=/var/log/proxyd.log")]
    Checks,
    /// What stands for the chain is not one.
    #[error(transparent)]
    Chain(#[from] BadChainId),
    /// What stands for a node is not one.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// `ID=RPC[,RPC]`.
#[derive(Clone)]
pub(crate) struct Nodes {
    chain: ChainId,
    endpoints: Vec<Endpoint>,
}

impl FromStr for Nodes {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Nodes, ArgumentError> {
        let (chain, nodes) = text.split_once('=').ok_or(ArgumentError::Nodes)?;
        let endpoints = nodes.split(',').map(str::parse);
        Ok(Nodes {
            chain: chain.parse()?,
            endpoints: endpoints.collect::<Result<_, EndpointError>>()?,
        })
    }
}

/// The file of a dependency set cannot be read.
#[derive(Debug, Error)]
#[error("{}: {error}", file.shown())]
pub(crate) struct SetFileError {
    file: PathBuf,
    error: Unreadable,
}

/// What is wrong with the file.
#[derive(Debug, Error)]
enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("found {length} bytes, expected a dependency set of at most {LARGEST} bytes")]
    TooLong { length: u64 },
    #[error(transparent)]
    Set(#[from] BadSet),
}

/// Reads the file of a dependency set.
pub(crate) fn read_set(file: &Path) -> Result<DependencySet, SetFileError> {
    read_file(file).map_err(|error| SetFileError {
        file: file.to_owned(),
        error,
    })
}

fn read_file(file: &Path) -> Result<DependencySet, Unreadable> {
    let length = std::fs::metadata(file)?.len();
    if length > LARGEST {
        return Err(Unreadable::TooLong { length });
    }
    Ok(DependencySet::read(&std::fs::read(file)?)?)
}

/// A chain that is not in the dependency set.
#[derive(Debug, Error)]
#[error(
    "--chain {chain} is not in the dependency set: leave it out, or give a --depset \
     that contains it"
)]
pub(crate) struct NotInSet {
    chain: ChainId,
}

/// The nodes of each chain. Every chain must be in the set.
pub(crate) fn by_chain(
    given: &[Nodes],
    set: &DependencySet,
) -> Result<BTreeMap<ChainId, Vec<Node>>, NotInSet> {
    let mut nodes: BTreeMap<ChainId, Vec<Node>> = BTreeMap::new();
    for Nodes { chain, endpoints } in given {
        if set.chain(*chain).is_none() {
            return Err(NotInSet { chain: *chain });
        }
        let of_chain = nodes.entry(*chain).or_default();
        of_chain.extend(endpoints.iter().cloned().map(Node::new));
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_set_that_is_not_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("set.json");
        let missing = read_set(&file).unwrap_err();
        let kind = std::io::ErrorKind::NotFound;
        assert!(matches!(&missing.error, Unreadable::Io(error) if error.kind() == kind));
        std::fs::write(&file, "{").unwrap();
        let torn = read_set(&file).unwrap_err();
        assert!(matches!(torn.error, Unreadable::Set(BadSet::Json(_))));
        File::create(&file).unwrap().set_len(LARGEST + 1).unwrap();
        let long = read_set(&file).unwrap_err();
        assert!(matches!(long.error, Unreadable::TooLong { .. }));
        let said = long.to_string();
        assert!(
            said.starts_with(&format!("{}: found", file.display())),
            "{said}"
        );
    }

    #[test]
    fn nodes_are_given_by_chain() {
        let nodes: Nodes = "0x385=http://a:1,http://b:2".parse().unwrap();
        assert_eq!(nodes.chain, ChainId::from(901));
        let shown: Vec<String> = nodes.endpoints.iter().map(Endpoint::to_string).collect();
        assert_eq!(shown, ["http://a:1", "http://b:2"]);
        for (text, words) in [
            ("http://a:1", "expected ID=RPC"),
            ("x=http://a:1", "a chain's number"),
            ("901=", "no scheme"),
            ("901=http://a:1,", "no scheme"),
        ] {
            let error = text.parse::<Nodes>().err().unwrap().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
