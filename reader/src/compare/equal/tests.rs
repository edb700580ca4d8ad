use std::fmt::Write;
use std::path::Path;

use haltbox_model::Profile;

use crate::compare::diff::diff;
use crate::compare::recording::Recording;
use crate::compare::verdict::Verdict;
use crate::source::Source;

/// More heights than the list of rows holds.
const MANY: u64 = 10_100;

/// What is special at a height of a recording.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// A step that the other side may not have.
    Extra(u64),
    /// Its end is missing, and what the node did before it.
    Cut(u64),
    /// Its beginning is missing, and so are all heights before it.
    Begin(u64),
    /// Its end is missing, and so are all heights behind it.
    End(u64),
    /// Its end is missing, and the node executes it again.
    Again(u64),
    Nothing,
}

fn block(out: &mut String, height: u64, [begin, end]: [bool; 2], extra: bool) {
    let mut line = |text: std::fmt::Arguments<'_>| {
        out.write_fmt(text).unwrap();
        out.push('\n');
    };
    if begin {
        line(format_args!(
            r#"{{"type":"begin-block","height":{height},"time":"{height}.0"}}"#
        ));
        line(format_args!(
            r#"{{"type":"tx-input","tx":0,"digest":"aa"}}"#
        ));
    }
    line(format_args!(r#"{{"type":"tx-result","tx":0,"code":0}}"#));
    if extra {
        line(format_args!(
            r#"{{"type":"step-extra","store":"bank","root":"99"}}"#
        ));
    }
    if end {
        line(format_args!(
            r#"{{"type":"end-block","height":{height},"appHash":"{height:064x}"}}"#
        ));
    }
}

fn slog(heights: u64, at: At) -> String {
    let mut out = String::new();
    for height in 1..=heights {
        let has = match at {
            At::Begin(first) if height < first => continue,
            At::End(last) if height > last => break,
            At::Begin(first) => [height > first, true],
            At::Cut(cut) | At::End(cut) => [true, height != cut],
            At::Again(again) if height == again => {
                block(&mut out, height, [true, false], false);
                [true, true]
            }
            _ => [true, true],
        };
        block(&mut out, height, has, at == At::Extra(height));
    }
    out
}

fn verdict(a: &str, b: &str) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let recording = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let profile = Profile::builtin("host").unwrap();
        Recording::new(Path::new(name).to_owned(), Source::Slog(path), profile)
    };
    let [a, b] = [recording("a.slog", a), recording("b.slog", b)];
    let found = diff(&a, &b).unwrap().verdict();
    assert_eq!(
        diff(&b, &a).unwrap().verdict(),
        found,
        "the other way round"
    );
    found
}

#[test]
fn a_height_that_a_side_lacks_in_part_is_found_however_late_it_is() {
    for (heights, at) in [(100, 50), (MANY, MANY - 50)] {
        let (extra, cut) = (slog(heights, At::Extra(at)), slog(heights, At::Cut(at)));
        assert_eq!(verdict(&extra, &cut), Verdict::Insufficient, "{at}");
    }
}

#[test]
fn a_missing_height_is_found_behind_many_that_the_other_side_does_not_claim() {
    let whole = slog(MANY, At::Nothing);
    let at = |height: u64| {
        let begin = format!(r#"{{"type":"begin-block","height":{height},"#);
        whole.find(&begin).unwrap()
    };
    // One height, then more than a list of missing heights holds.
    let first = &whole[..at(2)];
    let (one, other) = (&whole[at(10_010)..at(10_050)], &whole[at(10_051)..]);
    let gap = [first, one, other].concat();
    assert_eq!(verdict(&gap, &whole[at(10_010)..]), Verdict::Insufficient);
    let equal = [first, &whole[at(10_010)..]].concat();
    assert_eq!(verdict(&equal, &whole[at(10_010)..]), Verdict::Identical);
}

#[test]
fn a_missing_end_is_no_edge_of_a_recording_that_goes_on() {
    let extra = slog(100, At::Extra(50));
    let whole = slog(100, At::Cut(50));
    let begin = whole.find(r#"{"type":"begin-block","height":50,"#).unwrap();
    assert_eq!(verdict(&extra, &whole[begin..]), Verdict::Insufficient);
    // The other recording ends at the height.
    let until = extra.find(r#"{"type":"begin-block","height":51,"#).unwrap();
    assert_eq!(verdict(&extra[..until], &whole), Verdict::Insufficient);
}

#[test]
fn a_recording_that_begins_or_ends_inside_a_block_is_not_accused() {
    let whole = slog(100, At::Nothing);
    for at in [
        At::Begin(50),
        At::End(50),
        At::Begin(1),
        At::End(100),
        At::Again(50),
        At::Again(1),
    ] {
        assert_eq!(verdict(&whole, &slog(100, at)), Verdict::Identical);
    }
}
