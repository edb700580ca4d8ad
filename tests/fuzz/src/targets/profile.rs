//! Profiles that operators write.

use haltbox_model::{NodeLog, Profile};

use super::{NODE_LOG, SLOG};
use crate::Target;

/// A profile that parses reads lines without a panic.
pub const PROFILE: Target = Target {
    name: "profile",
    run: |input| {
        let Ok(profile) = Profile::parse(input, "a file") else {
            return;
        };
        if let Some(rules) = &profile.slog {
            for line in SLOG.lines().step_by(11) {
                let entry = rules.read(line.as_bytes());
                let _ = entry.events().count();
                rules.canonical().cut(line.as_bytes(), &mut Vec::new());
            }
        }
        if let Some(rules) = &profile.node {
            let mut log = NodeLog::default();
            for line in NODE_LOG.lines().take(8) {
                rules.read(&mut log, line.as_bytes(), true, &mut |_| {});
            }
        }
    },
    seeds: || {
        const TEXTS: [&str; 3] = [
            include_str!("../../../../recorder/model/profiles/agoric.json"),
            include_str!("../../../../recorder/model/profiles/cosmos.json"),
            include_str!("../../../../recorder/model/profiles/host.json"),
        ];
        TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect()
    },
};
