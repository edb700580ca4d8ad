//! Whole recordings, as the commands open them.

use std::fs::File;

use haltbox_reader::compare::diff::diff;
use haltbox_reader::compare::recording::Recording;
use haltbox_reader::compare::verdict::Verdict;
use haltbox_reader::report::{diff_document::Document, html, text};
use haltbox_reader::{SourceSummary, open, verify, verify_reads};

use super::{SLOG, TRANSACTIONS, profile};
use crate::{Target, file};

/// A file of any kind: what `info`, `verify` and `verify --reads` ask.
pub const ANY: Target = Target {
    name: "recording",
    run: |input| {
        let file = file::file(input);
        let path = file::path(&file);
        for profile in [profile("agoric"), profile("host")] {
            let Ok(source) = open(&path) else {
                return;
            };
            let _ = SourceSummary::of(&source, profile);
            let _ = verify(&path, &source, profile);
            let _ = verify_reads(&Recording::new(path.clone(), source, profile.clone()));
        }
    },
    seeds: || {
        let packed = zstd::encode_all(SLOG.as_bytes(), 1).expect("room in memory");
        vec![
            SLOG.as_bytes().to_vec(),
            TRANSACTIONS.as_bytes().to_vec(),
            packed,
        ]
    },
};

/// Two recordings, a zero byte between them: what `diff` asks.
pub const PAIR: Target = Target {
    name: "pair",
    run: |input| {
        let middle = input
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(input.len());
        let (a, b) = input.split_at(middle);
        let (a, b) = (file::file(a), file::file(b.get(1..).unwrap_or_default()));
        compare(&a, &b, &mut |_| {});
    },
    seeds: || {
        let text = TRANSACTIONS.replacen("\"value\":\"", "\"value\":\"00", 1);
        let swingset = SLOG.replacen("\"compute\":", "\"compute\":1", 1);
        vec![
            joined(TRANSACTIONS, &text),
            joined(SLOG, &swingset),
            joined(SLOG, TRANSACTIONS),
        ]
    },
};

/// A recording against itself: nobody is accused, whatever it is.
pub const SAME: Target = Target {
    name: "same",
    run: |input| {
        let (a, b) = (file::file(input), file::file(input));
        compare(&a, &b, &mut |verdict| {
            // A replay that does not match its original shows in one recording alone.
            let accuses = !matches!(
                verdict,
                Verdict::Identical | Verdict::Insufficient | Verdict::Outside | Verdict::Replay
            );
            assert!(
                !accuses,
                "a recording differs from itself: {}",
                verdict.name()
            );
        });
    },
    seeds: || vec![SLOG.as_bytes().to_vec(), TRANSACTIONS.as_bytes().to_vec()],
};

fn joined(a: &str, b: &str) -> Vec<u8> {
    [a.as_bytes(), b"\0", b.as_bytes()].concat()
}

fn compare(a: &File, b: &File, judge: &mut dyn FnMut(Verdict)) {
    for profile in [profile("agoric"), profile("host")] {
        let recording = |file: &File| {
            let path = file::path(file);
            let source = open(&path).ok()?;
            Some(Recording::new(path, source, profile.clone()))
        };
        let (Some(a), Some(b)) = (recording(a), recording(b)) else {
            return;
        };
        let Ok(finding) = diff(&a, &b) else {
            return;
        };
        judge(finding.verdict());
        let _ = serde_json::to_vec(&Document::of(&finding));
        let _ = text::text(&finding, text::Colour(false));
        let _ = html::html(&finding);
    }
}
