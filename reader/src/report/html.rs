//! The answer as one page: no script, no network, nothing of the recording
//! but as text.

use std::fmt::Write as _;

use haltbox_model::json;

use super::diff_document::{Document, SideFacts};
use super::text::{caution, consequence_words, covers, place_words, sentence};
use super::timeline::timeline;
use crate::compare::changes::Change;
use crate::compare::finding::Finding;
use crate::compare::last_write::Write;
use crate::compare::side::Side;
use crate::compare::verdict::Verdict;
use crate::vocabulary::Vocabulary;
use haltbox_model::outside::visible;

/// Characters of one value that the page holds.
const VALUE: usize = 64 << 10;
/// Values longer than this are folded.
const FOLDED: usize = 160;
/// Characters of an entry's line in the list.
const BRIEF: usize = 200;

/// The page.
pub fn html(finding: &Finding) -> String {
    let document = &Document::of(finding);
    let mut out = head(&format!("{} - haltbox diff", document.verdict.name()));
    header(&mut out, document);
    sides(&mut out, document);
    out.push_str(&timeline(document, finding.vocabulary));
    changes(&mut out, document);
    keys(&mut out, document);
    step(&mut out, document, finding.vocabulary);
    last_write(&mut out, document);
    rest(&mut out, document);
    out.push_str(&foot());
    out
}

/// How a page begins.
pub(super) fn head(title: &str) -> String {
    let mut out = String::from("<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n");
    out.push_str(
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src \
         'unsafe-inline'\">\n<meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <meta name=referrer content=no-referrer>\n",
    );
    let _ = writeln!(
        out,
        "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>",
        escaped(title),
        include_str!("style.css")
    );
    out
}

/// How it ends.
pub(super) fn foot() -> String {
    format!(
        "<footer class=dim>haltbox {}; this page loads no resources and runs no \
         scripts</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn header(out: &mut String, document: &Document) {
    let class = match document.verdict {
        Verdict::Identical => "good",
        Verdict::Insufficient => "unsure",
        _ => "bad",
    };
    let _ = writeln!(
        out,
        "<header class={class}>\n<h1>{}</h1>\n<p>{}</p>",
        escaped(document.verdict.name()),
        escaped(&sentence(&document.summary))
    );
    if let Some(place) = &document.place {
        let _ = writeln!(out, "<p><b>{}</b></p>", escaped(&place_words(place)));
    }
    if let Some(words) = consequence_words(document) {
        let _ = writeln!(out, "<p class=dim>{}</p>", escaped(&words));
    }
    out.push_str("</header>\n");
}

fn sides(out: &mut String, document: &Document) {
    out.push_str("<section><h2>Sources</h2>\n<div class=two>\n");
    for (name, side) in [("A", &document.sides.a), ("B", &document.sides.b)] {
        let _ = writeln!(
            out,
            "<div class=\"card {}\"><h3>{name}: {} ({})</h3>\n<p>{}</p>",
            name.to_lowercase(),
            escaped(&side.path),
            escaped(&side.kind),
            escaped(&covers(side))
        );
        environment(out, document, name);
        out.push_str("</div>\n");
    }
    out.push_str("</div></section>\n");
}

fn environment(out: &mut String, document: &Document, name: &str) {
    if document.environment.is_empty() {
        return;
    }
    out.push_str("<dl>\n");
    for row in &document.environment {
        let value = if name == "A" { &row.a } else { &row.b };
        let _ = writeln!(
            out,
            "<dt>{}</dt><dd>{}</dd>",
            escaped(&row.what),
            escaped(value)
        );
    }
    out.push_str("</dl>\n");
}

fn changes(out: &mut String, document: &Document) {
    if document.changes.is_empty() {
        return;
    }
    out.push_str("<section><h2>What differs</h2>\n");
    for change in &document.changes {
        let path = match change.path.as_str() {
            "" => "the whole entry",
            path => path,
        };
        let _ = writeln!(
            out,
            "<h3><code>{}</code></h3>\n<div class=two>",
            escaped(path)
        );
        let Change { a, b, .. } = change;
        for (name, own, other) in [("a", a, b), ("b", b, a)] {
            let text = match own {
                Some(own) => marked(own, other.as_deref().unwrap_or_default()),
                None => "<span class=dim>absent</span>".to_owned(),
            };
            let _ = writeln!(
                out,
                "<div class=\"card {name}\"><h3>{}</h3><pre>{text}</pre></div>",
                name.to_uppercase()
            );
        }
        out.push_str("</div>\n");
    }
    out.push_str("</section>\n");
}

/// What the key of each step is, and what was kept of its value.
fn keys(out: &mut String, document: &Document) {
    let sides = [("a", &document.sides.a), ("b", &document.sides.b)];
    let tells = |side: &SideFacts| side.key_words.is_some() || side.value.is_some();
    if !sides.iter().any(|(_, side)| tells(side)) {
        return;
    }
    out.push_str("<section><h2>Key and value</h2>\n<div class=two>\n");
    for (name, side) in sides {
        let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or("unknown"));
        let _ = writeln!(
            out,
            "<div class=\"card {name}\"><h3>{}</h3><dl><dt>key</dt><dd>{}</dd><dt>value</dt><dd>{}</dd></dl></div>",
            name.to_uppercase(),
            text(&side.key_words),
            text(&side.value)
        );
    }
    out.push_str("</div></section>\n");
}

/// A value with the part marked that the other one does not share.
fn marked(own: &str, other: &str) -> String {
    let same = |(x, y): &(char, char)| x == y;
    let front = own.chars().zip(other.chars()).take_while(same).count();
    let count = own.chars().count();
    let most = count.min(other.chars().count()) - front;
    let pairs = own.chars().rev().zip(other.chars().rev());
    let back = pairs.take(most).take_while(same).count();
    let part = |from: usize, len: usize| -> String { own.chars().skip(from).take(len).collect() };
    format!(
        "{}<mark>{}</mark>{}",
        escaped(&part(0, front)),
        escaped(&part(front, count - front - back)),
        escaped(&part(count - back, back))
    )
}

/// The entries around the step, side by side.
fn step(out: &mut String, document: &Document, vocabulary: &dyn Vocabulary) {
    let Some(context) = &document.context else {
        return;
    };
    out.push_str("<section><h2>Around the step</h2>\n<div class=two>\n");
    let sides = [
        (Side::A, &document.sides.a, &context.a),
        (Side::B, &document.sides.b, &context.b),
    ];
    let brief = |line: &str| vocabulary.brief(line);
    for (which, side, context) in sides {
        let name = which.name();
        let _ = writeln!(
            out,
            "<div class=\"card {}\"><h3>{}</h3>",
            name.to_lowercase(),
            title(name, side)
        );
        context
            .before
            .iter()
            .for_each(|line| entry(out, "", line, &brief(line)));
        match &side.line {
            Some(line) => entry(out, "step", line, &brief(line)),
            None => out.push_str("<p class=dim>this side does not have the step</p>\n"),
        }
        context
            .after
            .iter()
            .for_each(|line| entry(out, "", line, &brief(line)));
        out.push_str("</div>\n");
    }
    out.push_str("</div></section>\n");
}

fn title(name: &str, side: &SideFacts) -> String {
    let line = side.line_number;
    line.map_or(name.to_owned(), |line| format!("{name}, line {line}"))
}

/// An entry: one line, and all of it when it is opened.
fn entry(out: &mut String, class: &str, line: &str, brief: &str) {
    let brief: String = brief.chars().take(BRIEF).collect();
    let open = if class == "step" { " open" } else { "" };
    let _ = writeln!(
        out,
        "<details class=\"{class}\"{open}><summary>{}</summary>",
        escaped(&brief)
    );
    let mut members = json::members(line.as_bytes()).peekable();
    if members.peek().is_none_or(Result::is_err) {
        let _ = writeln!(out, "<pre>{}</pre>", shortened(line));
    }
    for member in members.map_while(Result::ok) {
        let key = String::from_utf8_lossy(member.key);
        value(out, &key, &String::from_utf8_lossy(member.value));
    }
    out.push_str("</details>\n");
}

fn value(out: &mut String, key: &str, value: &str) {
    let (key, text) = (escaped(key), shortened(value));
    let _ = if value.chars().count() <= FOLDED {
        writeln!(out, "<pre><span class=dim>{key}</span> {text}</pre>")
    } else {
        let start: String = value.chars().take(FOLDED / 2).collect();
        writeln!(
            out,
            "<details><summary><span class=dim>{key}</span> {}...</summary><pre>{text}</pre></details>",
            escaped(&start)
        )
    };
}

fn shortened(text: &str) -> String {
    let kept: String = text.chars().take(VALUE).collect();
    match text.len() - kept.len() {
        0 => escaped(&kept),
        more => format!("{}... ({more} more bytes)", escaped(&kept)),
    }
}

fn last_write(out: &mut String, document: &Document) {
    let Some(last) = &document.last_write else {
        return;
    };
    let _ = writeln!(
        out,
        "<section><h2>Last write of {}</h2>\n<div class=two>",
        escaped(&last.key)
    );
    for (name, write) in [("a", &last.a), ("b", &last.b)] {
        let text = write
            .as_ref()
            .map_or("not in this recording".to_owned(), written);
        let _ = writeln!(
            out,
            "<div class=\"card {name}\"><h3>{}</h3><pre>{text}</pre></div>",
            name.to_uppercase()
        );
    }
    out.push_str("</div></section>\n");
}

fn written(write: &Write) -> String {
    let number = |what: &str, number: Option<u64>| {
        number.map_or(String::new(), |number| format!("{what} {number}, "))
    };
    format!(
        "{}{}line {}{}\n{}",
        number("height", write.height),
        number("crank", write.crank),
        write.line_number,
        caution(write),
        shortened(write.value.as_deref().unwrap_or("(deleted)"))
    )
}

fn rest(out: &mut String, document: &Document) {
    let lists = [
        ("What to collect next", &document.collect),
        ("Notes", &document.notes),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let _ = writeln!(out, "<section><h2>{name}</h2>\n<ul>");
        for text in list {
            let _ = writeln!(out, "<li>{}</li>", escaped(text));
        }
        out.push_str("</ul></section>\n");
    }
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            other => out.push_str(&visible(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_recording_becomes_markup() {
        let hostile = "<script>\"'&\u{202e}\u{1b}[2J";
        let shown = escaped(hostile);
        assert_eq!(shown, "&lt;script&gt;&quot;&#39;&amp;\\u{202e}\\x1b[2J");
        let mut out = String::new();
        let line = "{\"type\":\"<b>\",\"x<i>\":\"<u>\"}";
        entry(&mut out, "step", line, line);
        let line = "<script>no JSON</script>";
        entry(&mut out, "", line, line);
        for tag in ["<b>", "<i>", "<u>", "<script>"] {
            assert!(!out.contains(tag), "{tag} in {out}");
        }
    }

    #[test]
    fn the_part_is_marked_that_the_other_does_not_share() {
        assert_eq!(marked("abcdef", "abXdef"), "ab<mark>c</mark>def");
        assert_eq!(marked("aa", "aaa"), "aa<mark></mark>");
        assert_eq!(marked("aaa", "aa"), "aa<mark>a</mark>");
        assert_eq!(marked("new", ""), "<mark>new</mark>");
    }

    #[test]
    fn a_long_value_is_folded_and_a_longer_one_cut() {
        let mut out = String::new();
        value(&mut out, "body", &"x".repeat(VALUE + 5));
        assert!(out.contains("<details>") && out.contains("(5 more bytes)"));
        assert!(out.len() < VALUE + 400);
    }
}
