//! A real SwingSet kernel computes what it computes, whoever records it.

use std::path::Path;

use haltbox_tests::kernel::{Asked, Kernel, Run};
use haltbox_tests::*;

const BLOCKS: u32 = 4;

fn run(kernel: &Kernel, home: &Path, sender: Option<&Path>) -> Run {
    let asked = Asked {
        home,
        blocks: BLOCKS,
        actions: 5,
        sender,
    };
    kernel.run(&asked)
}

/// The lines of a command, from `home/haltbox`.
fn lines(home: &Path, command: &[&str]) -> Vec<String> {
    let ring = home.join("haltbox");
    let arguments: Vec<&str> = command.iter().copied().chain([text(&ring)]).collect();
    let printed = String::from_utf8(output(0, &arguments)).expect("UTF-8");
    printed.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs Node.js, npm, C++, make and Python; `-- --ignored` runs it"]
fn a_kernel_computes_the_same_with_the_slog_sender_and_without() {
    let kernel = Kernel::prepared();
    let [without, with] = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    let alone = run(kernel, without.path(), None);
    let module = kernel.haltbox();
    let recorded = run(kernel, with.path(), Some(&module));
    println!("{:?}\n{:?}", alone.computed, recorded.computed);
    assert_eq!(recorded.computed, alone.computed);
    assert_eq!(alone.entries, 0);
    assert!(recorded.computed.cranks > 200, "{:?}", recorded.computed);

    let home = with.path();
    let entries = lines(home, &["cat"]);
    assert_eq!(entries.len() as u64, recorded.entries);
    let last_crank = entries
        .iter()
        .rfind(|entry| entry.contains("\"crank-finish\""));
    let last_crank = last_crank.expect("a crank");
    assert!(last_crank.contains(&recorded.computed.activityhash));
    assert_blocks(&lines(home, &["ls"]));
    lines(home, &["verify"]);
}

/// One line for each block: the last one is not released yet, as none followed.
fn assert_blocks(listed: &[String]) {
    let blocks: Vec<Vec<&str>> = listed[1..]
        .iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let expected: Vec<[String; 3]> = (1..=BLOCKS)
        .map(|height| {
            let state = if height == BLOCKS {
                "committed"
            } else {
                "confirmed"
            };
            [height.to_string(), "1".to_owned(), state.to_owned()]
        })
        .collect();
    let found: Vec<&[&str]> = blocks.iter().map(|block| &block[..3]).collect();
    assert_eq!(found, expected, "{listed:?}");
}
