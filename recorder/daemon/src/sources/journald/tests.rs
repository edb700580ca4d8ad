use super::*;

fn json(cursor: &str, message: &str, more: &str) -> String {
    format!("{{\"__CURSOR\":\"{cursor}\",\"MESSAGE\":{message}{more}}}\n")
}

/// The lines that a journal passes on from this output of journalctl.
fn read(journal: &mut Journal, printed: &str) -> (Vec<String>, Read) {
    let mut lines = Vec::new();
    let read = journal.take(printed.as_bytes(), &mut |given| {
        assert!(given.terminated);
        lines.push(String::from_utf8_lossy(given.bytes).into_owned());
    });
    (lines, read)
}

fn at(journal: &Journal) -> (&str, u64) {
    (&journal.place.cursor, journal.place.behind)
}

#[test]
fn messages_come_as_text_and_as_bytes() {
    let mut journal = Journal::new("agd.service", None);
    let printed = [
        json("a", "\"plain \\u00fc\"", ""),
        json("b", "[27,91,51,50,109,104,105,255]", ""),
        json("c", "null", ""),
        json("d", "\"two\\nlines\"", ""),
        json("e", "[\"one\",[104,105],null]", ""),
        "{\"__CURSOR\":\"f\"}\n".to_owned(),
    ];
    let (lines, outcome) = read(&mut journal, &printed.concat());
    let coloured = "\u{1b}[32mhi\u{fffd}";
    assert_eq!(
        lines,
        ["plain ü", coloured, "", "two", "lines", "one", "hi", ""]
    );
    assert_eq!(outcome, Read::Progress);
    assert_eq!(at(&journal), ("f", 0));
}

#[test]
fn a_line_in_several_entries_is_put_together() {
    let mut journal = Journal::new("agd.service", None);
    let cut = ",\"_LINE_BREAK\":\"line-max\",\"_STREAM_ID\":\"1\"";
    let printed = [
        json("a", "\"before\"", ",\"_STREAM_ID\":\"1\""),
        json("b", "\"x\"", cut),
        json("c", "\"other\"", ",\"_STREAM_ID\":\"2\""),
        json("d", "\"y\"", cut),
    ];
    let (lines, _) = read(&mut journal, &printed.concat());
    assert_eq!(lines, ["before", "other"]);
    assert_eq!(at(&journal), ("a", 6), "the line's beginning is read again");
    let (lines, _) = read(&mut journal, &json("e", "\"z\"", ",\"_STREAM_ID\":\"1\""));
    assert_eq!(lines, ["xyz"]);
    assert_eq!(at(&journal), ("e", 0));
}

/// A reader that continues from another one's mark.
fn resumed(journal: &Journal) -> Journal {
    let (path, offset) = journal.mark();
    let mut again = Journal::new("agd.service", Some((&path, offset)));
    assert_eq!(again.mark(), (path, offset));
    again.begin_at_cursor();
    again
}

#[test]
fn nothing_is_handed_on_twice_after_a_kill() {
    let mut journal = Journal::new("agd.service", None);
    let printed = [
        json("a", "\"one\"", ""),
        json(
            "b",
            "\"x\"",
            ",\"_LINE_BREAK\":\"line-max\",\"_STREAM_ID\":\"1\"",
        ),
        json("c", "\"two\"", ""),
        json("d", "\"y\"", ",\"_STREAM_ID\":\"1\""),
        json("e", "\"three\"", ""),
    ];
    read(&mut journal, &printed[..3].concat());
    let mut again = resumed(&journal);
    let (lines, outcome) = read(&mut again, &printed.concat());
    assert_eq!(lines, ["xy", "three"]);
    assert_eq!(outcome, Read::Progress);
    assert_eq!(at(&again), ("e", 0));
}

#[test]
fn an_entry_that_left_the_journal_is_missed() {
    let mut journal = Journal::new("agd.service", None);
    read(&mut journal, &json("a", "\"one\"", ""));
    let mut again = resumed(&journal);
    let (lines, outcome) = read(&mut again, &json("c", "\"three\"", ""));
    assert_eq!(lines, ["three"]);
    assert!(matches!(outcome, Read::Missed(_)), "{outcome:?}");
    let left = Some(("journal:agd.service after a", 0));
    let another = Journal::new("other.service", left);
    assert_eq!(another.mark(), ("journal:other.service".to_owned(), 0));
}

#[test]
fn what_is_no_entry_is_told_once() {
    let mut journal = Journal::new("agd.service", None);
    let entry = json("a", "\"one\"", "");
    let printed = format!("-- Boot 1234 --\n{entry}{{\"MESSAGE\":\n");
    let (lines, outcome) = read(&mut journal, &printed);
    assert_eq!(lines, ["one"]);
    assert!(matches!(outcome, Read::Message(_)), "{outcome:?}");
    assert_eq!(read(&mut journal, "[]\n"), (Vec::new(), Read::Progress));
}

#[test]
fn an_operator_sees_no_cursor() {
    let shown = shown_path("journal:agd.service after s=1;i=2");
    assert_eq!(shown, "journal:agd.service");
    let path = "/var/log/the day after tomorrow";
    assert_eq!(shown_path(path), path);
}
