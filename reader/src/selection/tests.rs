//! Checks which block the lines count for that come before its begin entry.

use std::io::Write;

use super::*;
use crate::source::{Item, Source};
use crate::source_summary::SourceSummary;

/// A host's slog. `prelude` comes between the end of block 1 and the begin of block 2.
fn slog(prelude: &str) -> tempfile::NamedTempFile {
    let lines = [
        r#"{"type":"begin-block","height":1,"time":"1.0"}"#,
        r#"{"type":"end-block","height":1,"appHash":"00"}"#,
        prelude,
        r#"{"type":"begin-block","height":2,"time":"2.0"}"#,
        r#"{"type":"end-block","height":2,"appHash":"01"}"#,
    ];
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    for line in lines.iter().filter(|line| !line.is_empty()) {
        writeln!(file, "{line}").expect("written");
    }
    file
}

fn host() -> Profile {
    Profile::builtin("host").expect("a profile")
}

fn opened(file: &tempfile::NamedTempFile) -> Source {
    crate::source::open(file.path()).expect("a slog")
}

/// Writes before the block; the value of one of them is given.
fn writes(count: usize, value: &str) -> String {
    let write = |at: usize| {
        let value = if at == 3 { value } else { "aa" };
        format!(
            r#"{{"type":"op-write","op":{at},"store":"bank","key":"{at:04x}","value":"{value}"}}"#
        )
    };
    (0..count).map(write).collect::<Vec<_>>().join("\n")
}

const COMMIT: &str = r#"{"type":"commit-block","height":1}"#;

fn name(prelude: &str) -> String {
    let summary = SourceSummary::of(&opened(&slog(prelude)), &host()).expect("read");
    summary.blocks[1].name.clone()
}

#[test]
fn each_line_before_a_begin_entry_counts_for_the_hash_however_many_there_are() {
    for count in [10, 1023, 1024, 1025, 1500, 5000] {
        let of = |value| name(&format!("{COMMIT}\n{}", writes(count, value)));
        let (one, other) = (of("01"), of("02"));
        assert!(
            one.starts_with("2-") && !one.ends_with("incomplete"),
            "{one}"
        );
        assert_ne!(one, other, "{count}");
        assert_eq!(one, of("01"));
    }
}

#[test]
fn lines_that_count_for_no_hash_do_not_end_what_prepares_a_block() {
    let (first, second) = (writes(10, "01"), writes(10, "02"));
    let between = r#"{"type":"op-read","op":1,"store":"bank","key":"00","value":"00"}"#;
    let local = r#"{"type":"commit-info"}"#;
    for between in [between, local, "not JSON"] {
        let of = |writes: &str| name(&format!("{COMMIT}\n{writes}\n{between}"));
        assert_ne!(of(&first), of(&second), "{between}");
        let plain = name(&format!("{COMMIT}\n{first}"));
        assert_eq!(of(&first), plain, "{between}");
    }
}

#[test]
fn the_commit_of_the_block_before_may_come_late_or_not_at_all() {
    let writes = writes(10, "01");
    let name_with = |prelude: String| name(&prelude);
    let usual = name_with(format!("{COMMIT}\n{writes}"));
    assert_eq!(name_with(format!("{writes}\n{COMMIT}")), usual);
    assert_eq!(name_with(writes), usual);
}

#[test]
fn all_lines_of_a_block_are_selected_with_it_in_their_order() {
    let file = slog(&format!("{COMMIT}\n{}", writes(3000, "01")));
    let (source, profile) = (opened(&file), host());
    let selection = Selection {
        height: Some(2),
        ..Selection::default()
    };
    let mut selector = Selector::new(&selection, &profile, source.blocks());
    let mut found = Vec::new();
    let mut take = |selected: &SelectedLine<'_>| {
        found.push(selected.line.counter);
        Ok(())
    };
    let read = source.read(&profile, &mut |item| {
        if let Item::Line(line) = item {
            selector.line(&line, &mut take)?;
        }
        Ok(true)
    });
    read.expect("read");
    selector.finish(&mut take).expect("finished");
    assert_eq!(found, (3..3 + 3000 + 2).collect::<Vec<u64>>());
}
