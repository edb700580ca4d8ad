//! Answers of a node about one height, as `haltbox collect` turns them into a box.

use std::fs::File;

use haltbox_daemon::collect::{From, Options, collect};
use haltbox_reader::blackbox::BlackBox;

use crate::{Target, file};

/// The height of the seeds.
const HEIGHT: u64 = 20;

/// Answers that were kept, one line each. What is made of them is an intact box.
pub const ANSWERS: Target = Target {
    name: "collect",
    run: |input| {
        let folder = file::folder();
        let options = Options {
            from: From::Answers(input.to_vec()),
            height: HEIGHT,
            out: folder.path().to_owned(),
            stores: Vec::new(),
        };
        let Ok(collected) = collect(&options) else {
            return;
        };
        let opened = File::open(&collected.path).expect("the box that was written");
        let opened = BlackBox::open(opened).expect("a box");
        let found = opened.verify().expect("a file in memory");
        assert!(found.is_empty(), "damage in a new box: {found:?}");
    },
    seeds: || {
        const TEXTS: [&str; 2] = [
            include_str!("../../../data/collect/healthy.jsonl"),
            include_str!("../../../data/collect/divergent.jsonl"),
        ];
        // Proofs of stores are most of the bytes, so one seed goes without.
        let is_no_proof = |line: &&str| !line.contains("abci_query");
        let short: Vec<&str> = TEXTS[0].lines().filter(is_no_proof).collect();
        let whole = TEXTS.iter().map(|text| text.as_bytes().to_vec());
        whole.chain([short.join("\n").into_bytes()]).collect()
    },
};
