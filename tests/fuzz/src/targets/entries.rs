//! Entries of a slog, and lines of a node's log.

use haltbox_format::BlockHash;
use haltbox_format::Stream;
use haltbox_format::mark::Position;
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{BlockHasher, NodeLog, Profile, RedactKey, Redactor};
use haltbox_reader::carrier;
use haltbox_reader::vocabulary;
use haltbox_sim::reference;

use super::{PROFILES, TRANSACTIONS};
use crate::Target;

/// Lines of a slog, under every profile: events, canonical form, redaction, the life of blocks.
pub const SLOG: Target = Target {
    name: "slog",
    run: |input| {
        PROFILES
            .iter()
            .for_each(|profile| slog_lines(profile, input))
    },
    seeds: || {
        let lines: Vec<&str> = super::SLOG.lines().chain(TRANSACTIONS.lines()).collect();
        let parts = lines.chunks(5).step_by(3);
        parts.map(|part| part.join("\n").into_bytes()).collect()
    },
};

fn slog_lines(profile: &Profile, input: &[u8]) {
    let Some(rules) = &profile.slog else {
        return;
    };
    let vocabulary = vocabulary::of(profile);
    let redactor = rules
        .redact()
        .zip(RedactKey::derive(b"a secret of thirty-two bytes at least"));
    let redactor = redactor.map(|(rules, key)| Redactor::new(rules.clone(), key));
    let mut life = Lifecycle::default();
    for (at, line) in input.split(|byte| *byte == b'\n').enumerate() {
        let at = Position {
            main: at as u64,
            local: 0,
        };
        let after = Position {
            main: at.main + 1,
            local: 0,
        };
        let entry = rules.read(line);
        life.entry(entry.canonical, at);
        for event in entry.events() {
            life.on(&event, Stream::Slog, at, after);
        }
        let mut cut = Vec::new();
        if rules.canonical().cut(line, &mut cut) {
            assert!(!cut.contains(&b'\n'), "a canonical form is one line");
        }
        if let Some(redactor) = &redactor {
            redactor.line(line, &mut Vec::new());
        }
        let _ = vocabulary.brief(&String::from_utf8_lossy(line));
        let _ = vocabulary.role_of(line);
        let _ = carrier::carried(line);
    }
    life.checkpoint();
}

/// The HASH of lines by the rules of `host` against a slow one, written from docs/format.md.
pub const SLOW_HASH: Target = Target {
    name: "hash-slow",
    run: |input| {
        let rules = super::profile("host").slog.as_ref();
        let rules = rules.expect("a profile with a slog");
        let lines = || input.split(|byte| *byte == b'\n');
        for line in lines() {
            assert_eq!(
                rules.read(line).canonical,
                reference::is_canonical(line),
                "whether it is canonical: {}",
                String::from_utf8_lossy(line)
            );
        }
        let mut hasher = BlockHasher::new(rules.canonical(), 7);
        lines().for_each(|line| {
            hasher.line(line);
        });
        if let Some(own) = hasher.finish() {
            assert_eq!(own.to_string(), reference::hash(7, lines()));
        }
    },
    seeds: || {
        let lines: Vec<&str> = TRANSACTIONS.lines().collect();
        lines
            .chunks(5)
            .map(|part| part.join("\n").into_bytes())
            .collect()
    },
};

/// What the HASH of lines keeps and what it does not, under every profile.
pub const HASH: Target = Target {
    name: "hash",
    run: |input| {
        for profile in PROFILES.iter() {
            let Some(rules) = &profile.slog else {
                continue;
            };
            let mut hasher = BlockHasher::new(rules.canonical(), 7);
            let lines = || input.split(|byte| *byte == b'\n');
            lines().for_each(|line| {
                hasher.line(line);
            });
            let wrapped = hasher.is_wrapped();
            let own = hasher.finish();
            assert_eq!(
                own.is_none(),
                wrapped,
                "a block of wrapped entries alone has no HASH"
            );
            // Lines that come in other pieces, and lines that do not count, change nothing.
            let mut again = BlockHasher::new(rules.canonical(), 7);
            lines()
                .filter(|line| rules.canonical().cut(line, &mut Vec::new()) || wrapped)
                .for_each(|line| {
                    again.line(line);
                });
            assert_eq!(
                own,
                again
                    .finish()
                    .filter(|_| !wrapped)
                    .or(own.filter(|_| wrapped))
            );
            let mut other = BlockHasher::new(rules.canonical(), 8);
            lines().for_each(|line| {
                other.line(line);
            });
            let other: Option<BlockHash> = other.finish();
            assert!(
                own.is_none() || own != other,
                "the height is part of the HASH"
            );
        }
    },
    seeds: SLOG.seeds,
};

fn node_log(profile: &Profile, input: &[u8]) {
    let Some(rules) = &profile.node else {
        return;
    };
    let (mut log, mut life) = (NodeLog::default(), Lifecycle::default());
    let mut events = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        rules.read(&mut log, line, true, &mut |event| events.push(event));
    }
    rules.end(&mut log, &mut |event| events.push(event));
    for (at, event) in events.iter().enumerate() {
        let at = Position {
            main: 0,
            local: at as u64,
        };
        let after = Position {
            main: 0,
            local: at.local + 1,
        };
        life.accused(event);
        life.on(event, Stream::Node, at, after);
    }
    let _ = rules.unread(&log);
}

/// Lines of a node's log, under every profile that reads one.
pub const NODE_LOG: Target = Target {
    name: "node-log",
    run: |input| PROFILES.iter().for_each(|profile| node_log(profile, input)),
    seeds: || {
        let lines: Vec<&str> = super::NODE_LOG.lines().collect();
        lines
            .chunks(3)
            .map(|part| part.join("\n").into_bytes())
            .collect()
    },
};
