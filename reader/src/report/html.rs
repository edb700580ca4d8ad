//! The answer of `diff` as one page.

use haltbox_model::json;
use maud::{Markup, html};

use super::diff_document::{Document, SideFacts};
use super::page::{Shown, page};
use super::text::{caution, consequence_words, covers, place_words, sentence};
use super::timeline::timeline;
use crate::compare::changes::Change;
use crate::compare::finding::Finding;
use crate::compare::last_write::Write;
use crate::compare::side::Side;
use crate::compare::verdict::Verdict;
use crate::vocabulary::Vocabulary;

/// Characters of one value that the page holds.
const VALUE: usize = 64 << 10;
/// Values longer than this are folded.
const FOLDED: usize = 160;
/// Characters of an entry's line in the list.
const BRIEF: usize = 200;

/// The page.
pub fn html(finding: &Finding) -> String {
    let document = &Document::of(finding);
    let body = html! {
        (header(document))
        (sources(document))
        (timeline(document, finding.vocabulary))
        (changes(document))
        (keys(document))
        (step(document, finding.vocabulary))
        (last_write(document))
        (list("What to collect next", &document.collect))
        (list("Notes", &document.notes))
    };
    page(
        &format!("{} - haltbox diff", document.verdict.name()),
        &body,
    )
}

fn header(document: &Document) -> Markup {
    let class = match document.verdict {
        Verdict::Identical => "good",
        Verdict::Insufficient => "unsure",
        _ => "bad",
    };
    html! {
        header class=(class) {
            h1 { (document.verdict.name()) }
            p { (Shown(&sentence(&document.summary))) }
            @if let Some(place) = &document.place {
                p { b { (Shown(&place_words(place))) } }
            }
            @if let Some(words) = consequence_words(document) {
                p.dim { (Shown(&words)) }
            }
        }
    }
}

/// A section with a card for each side.
fn two(heading: &Markup, cards: [Markup; 2]) -> Markup {
    html! {
        section {
            h2 { (heading) }
            (pair(cards))
        }
    }
}

fn pair(cards: [Markup; 2]) -> Markup {
    html! {
        div.two { @for card in cards { (card) } }
    }
}

/// What belongs to one side, in its colour.
fn card(side: Side, heading: &str, content: &Markup) -> Markup {
    html! {
        div.card class=(side.name().to_lowercase()) {
            h3 { (Shown(heading)) }
            (content)
        }
    }
}

fn by_side<T>(a: T, b: T, draw: impl Fn(Side, T) -> Markup) -> [Markup; 2] {
    [draw(Side::A, a), draw(Side::B, b)]
}

fn sources(document: &Document) -> Markup {
    let cards = by_side(&document.sides.a, &document.sides.b, |side, facts| {
        let heading = format!("{}: {} ({})", side.name(), facts.path, facts.kind);
        let content = html! {
            p { (Shown(&covers(facts))) }
            (environment(document, side))
        };
        card(side, &heading, &content)
    });
    two(&html! { "Sources" }, cards)
}

fn environment(document: &Document, side: Side) -> Markup {
    html! {
        @if !document.environment.is_empty() {
            dl {
                @for row in &document.environment {
                    dt { (Shown(&row.what)) }
                    dd { (Shown(if side == Side::A { &row.a } else { &row.b })) }
                }
            }
        }
    }
}

fn changes(document: &Document) -> Markup {
    html! {
        @if !document.changes.is_empty() {
            section {
                h2 { "What differs" }
                @for change in &document.changes { (change_of(change)) }
            }
        }
    }
}

fn change_of(change: &Change) -> Markup {
    let Change { a, b, .. } = change;
    let path = match change.path.as_str() {
        "" => "the whole entry",
        path => path,
    };
    html! {
        h3 { code { (Shown(path)) } }
        (pair(by_side((a, b), (b, a), |side, (own, other)| {
            let text = html! {
                pre {
                    @match own {
                        Some(own) => (marked(own, other.as_deref().unwrap_or_default())),
                        None => span.dim { "absent" },
                    }
                }
            };
            card(side, side.name(), &text)
        })))
    }
}

/// What the key of each step is, and what was kept of its value.
fn keys(document: &Document) -> Markup {
    let (a, b) = (&document.sides.a, &document.sides.b);
    let tells = |side: &SideFacts| side.key_words.is_some() || side.value.is_some();
    if !tells(a) && !tells(b) {
        return Markup::default();
    }
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    let cards = by_side(a, b, |side, facts| {
        let content = html! {
            dl {
                dt { "key" } dd { (Shown(&known(&facts.key_words))) }
                dt { "value" } dd { (Shown(&known(&facts.value))) }
            }
        };
        card(side, side.name(), &content)
    });
    two(&html! { "Key and value" }, cards)
}

/// A value with the part marked that the other one does not share.
fn marked(own: &str, other: &str) -> Markup {
    let same = |(x, y): &(char, char)| x == y;
    let front = own.chars().zip(other.chars()).take_while(same).count();
    let count = own.chars().count();
    let most = count.min(other.chars().count()) - front;
    let pairs = own.chars().rev().zip(other.chars().rev());
    let back = pairs.take(most).take_while(same).count();
    let part = |from: usize, len: usize| -> String { own.chars().skip(from).take(len).collect() };
    html! {
        (Shown(&part(0, front)))
        mark { (Shown(&part(front, count - front - back))) }
        (Shown(&part(count - back, back)))
    }
}

/// The entries around the step, side by side.
fn step(document: &Document, vocabulary: &dyn Vocabulary) -> Markup {
    let Some(context) = &document.context else {
        return Markup::default();
    };
    let (a, b) = (&document.sides.a, &document.sides.b);
    let cards = by_side((a, &context.a), (b, &context.b), |side, (facts, around)| {
        let line = facts.line_number;
        let heading = line.map_or(side.name().to_owned(), |line| {
            format!("{}, line {line}", side.name())
        });
        let content = html! {
            @for line in &around.before { (entry(false, line, &vocabulary.brief(line))) }
            @match &facts.line {
                Some(line) => (entry(true, line, &vocabulary.brief(line))),
                None => p.dim { "this side does not have the step" },
            }
            @for line in &around.after { (entry(false, line, &vocabulary.brief(line))) }
        };
        card(side, &heading, &content)
    });
    two(&html! { "Around the step" }, cards)
}

/// An entry: one line, and all of it when it is opened. That of the step is open.
fn entry(is_step: bool, line: &str, brief: &str) -> Markup {
    let brief: String = brief.chars().take(BRIEF).collect();
    let mut members = json::members(line.as_bytes()).peekable();
    let is_json = members.peek().is_some_and(Result::is_ok);
    html! {
        details.step[is_step] open[is_step] {
            summary { (Shown(&brief)) }
            @if !is_json {
                pre { (shortened(line)) }
            }
            @for member in members.map_while(Result::ok) {
                (value(&String::from_utf8_lossy(member.key), &String::from_utf8_lossy(member.value)))
            }
        }
    }
}

fn value(key: &str, value: &str) -> Markup {
    let start: String = value.chars().take(FOLDED / 2).collect();
    html! {
        @if value.chars().count() <= FOLDED {
            pre { span.dim { (Shown(key)) } " " (shortened(value)) }
        } @else {
            details {
                summary { span.dim { (Shown(key)) } " " (Shown(&start)) "..." }
                pre { (shortened(value)) }
            }
        }
    }
}

fn shortened(text: &str) -> Markup {
    let kept: String = text.chars().take(VALUE).collect();
    let more = text.len() - kept.len();
    html! {
        (Shown(&kept))
        @if more > 0 { "... (" (more) " more bytes)" }
    }
}

fn last_write(document: &Document) -> Markup {
    let Some(last) = &document.last_write else {
        return Markup::default();
    };
    let cards = by_side(&last.a, &last.b, |side, write| {
        let text = html! {
            pre {
                @match write {
                    Some(write) => (written(write)),
                    None => "not in this recording",
                }
            }
        };
        card(side, side.name(), &text)
    });
    two(&html! { "Last write of " (Shown(&last.key)) }, cards)
}

fn written(write: &Write) -> Markup {
    html! {
        @if let Some(height) = write.height { "height " (height) ", " }
        @if let Some(crank) = write.crank { "crank " (crank) ", " }
        "line " (write.line_number) (Shown(caution(write))) "\n"
        (shortened(write.value.as_deref().unwrap_or("(deleted)")))
    }
}

fn list(name: &str, texts: &[String]) -> Markup {
    html! {
        @if !texts.is_empty() {
            section {
                h2 { (name) }
                ul { @for text in texts { li { (Shown(text)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_never_becomes_markup() {
        let line = "{\"type\":\"<b>\",\"x<i>\":\"<u>\"}";
        let no_json = "<script>no JSON</script>";
        for (is_step, line) in [(true, line), (false, no_json)] {
            let shown = entry(is_step, line, line).into_string();
            for tag in ["<b>", "<i>", "<u>", "<script>"] {
                assert!(!shown.contains(tag), "{tag} in {shown}");
            }
        }
    }

    #[test]
    fn the_part_is_marked_that_the_other_does_not_share() {
        let marked = |own, other| super::marked(own, other).into_string();
        assert_eq!(marked("abcdef", "abXdef"), "ab<mark>c</mark>def");
        assert_eq!(marked("aa", "aaa"), "aa<mark></mark>");
        assert_eq!(marked("aaa", "aa"), "aa<mark>a</mark>");
        assert_eq!(marked("new", ""), "<mark>new</mark>");
    }

    #[test]
    fn a_long_value_is_folded_and_a_longer_one_cut() {
        let shown = value("body", &"x".repeat(VALUE + 5)).into_string();
        assert!(shown.contains("<details>") && shown.contains("(5 more bytes)"));
        assert!(shown.len() < VALUE + 400);
    }
}
