//! How the environments of two nodes differ.

use std::collections::BTreeSet;

use haltbox_format::Digest;
use serde::Serialize;

use super::recording::Recording;
use crate::source::Source;

/// One thing in which the environments differ.
#[derive(Clone, Debug, Serialize)]
pub struct EnvironmentRow {
    /// Name of the thing, such as `kernel` or `CPU`.
    pub what: String,
    /// Its value on side A.
    pub a: String,
    /// Its value on side B.
    pub b: String,
}

/// The environment values that both boxes have and that differ.
pub(super) fn environment(a: &Recording, b: &Recording) -> Vec<EnvironmentRow> {
    let host = |recording: &Recording| match &recording.source {
        Source::BlackBox(bx) => bx
            .manifest()
            .map(|manifest| manifest.host.clone())
            .unwrap_or_default(),
        _ => Default::default(),
    };
    let (one, other) = (host(a), host(b));
    let hex = |digest: Option<Digest>| digest.map(|digest| digest.to_string());
    let mut rows = vec![
        ("recorder".to_owned(), one.recorder, other.recorder),
        ("system".to_owned(), one.os, other.os),
        ("kernel".to_owned(), one.kernel, other.kernel),
        ("CPU".to_owned(), one.cpu, other.cpu),
        (
            "node SHA-256".to_owned(),
            hex(one.node_sha256),
            hex(other.node_sha256),
        ),
    ];
    let names: BTreeSet<&String> = one.versions.keys().chain(other.versions.keys()).collect();
    rows.extend(names.into_iter().map(|name| {
        (
            name.clone(),
            one.versions.get(name).cloned(),
            other.versions.get(name).cloned(),
        )
    }));
    // A value that one side does not have is not a difference.
    let both = rows.into_iter().filter_map(|(what, a, b)| {
        let (a, b) = a.zip(b)?;
        (a != b).then_some(EnvironmentRow { what, a, b })
    });
    both.collect()
}
