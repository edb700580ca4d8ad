//! The result as text: 80 columns, the verdict first.

use std::fmt::Write as _;
use std::io::IsTerminal;

use super::diff_document::{Document, LastWrite, SideFacts};
use crate::compare::finding::Finding;
use crate::compare::last_write::Write;
use crate::compare::location::Location;
use crate::compare::side::Side;
use crate::compare::streams::facts_words;
use crate::compare::verdict::Verdict;
use crate::count::counted;
use crate::vocabulary::Vocabulary;
use haltbox_model::Outside;

const WIDTH: usize = 80;
/// Limit of the length of a word that may be a path, in characters.
const PATH: usize = 400;
/// Column at which the text of a section begins.
const INDENT: usize = 10;

/// Whether to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub bool);

impl Colour {
    /// Colours on a terminal, unless NO_COLOR is set.
    pub fn of_stdout() -> Colour {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Colour(std::io::stdout().is_terminal() && !refused)
    }

    /// Text in an ANSI style.
    pub fn paint(self, style: &str, text: &str) -> String {
        let text = Outside::text(text);
        match self.0 {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }
}

/// The result as text.
pub fn text(finding: &Finding, colour: Colour) -> String {
    let document = &Document::of(finding);
    let mut out = String::new();
    sides(&mut out, document, colour);
    paragraph(&mut out, "both", &common(finding), colour);
    environment(&mut out, document, colour);
    out.push('\n');
    let style = match document.verdict {
        Verdict::Identical => "1;32",
        Verdict::Insufficient => "1;33",
        _ => "1;31",
    };
    let headline = colour.paint(style, &document.verdict.name().to_uppercase());
    let _ = writeln!(out, "{headline}");
    paragraph(&mut out, "", &sentence(&document.summary), colour);
    out.push('\n');
    place(&mut out, document, colour);
    changes(&mut out, document, colour);
    keys(&mut out, document, colour);
    last_write(&mut out, document, colour);
    context(&mut out, document, finding.vocabulary, colour);
    consequence(&mut out, document, colour);
    for note in &document.notes {
        paragraph(&mut out, "note", note, colour);
    }
    for item in &document.collect {
        paragraph(&mut out, "collect", item, colour);
    }
    out
}

/// A summary as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// Writes a section: its name at the left, its text wrapped beside it.
pub(super) fn paragraph(out: &mut String, name: &str, text: &str, colour: Colour) {
    let indent = if name.is_empty() { 0 } else { INDENT };
    let wrapped = textwrap::wrap(text, options(WIDTH - indent, text));
    for (index, line) in wrapped.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let padded = format!("{name:indent$}");
        let _ = writeln!(out, "{}{line}", colour.paint("2", &padded));
    }
}

/// Names and paths are not broken, even if they are wider than the screen, because people copy
/// them. A word that is too long for a path comes from a recording, so it is broken.
fn options(width: usize, text: &str) -> textwrap::Options<'static> {
    let endless = text.split_whitespace().any(|word| word.len() > PATH);
    textwrap::Options::new(width)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(endless)
}

/// Wraps text to 80 columns beside a heading.
pub fn beside(out: &mut String, heading: &str, text: &str) {
    let indent = " ".repeat(heading.len());
    let shown = Outside::text(text).to_string();
    let options = options(WIDTH, &shown)
        .initial_indent(heading)
        .subsequent_indent(&indent);
    if shown.is_empty() {
        let _ = writeln!(out, "{}", heading.trim_end());
    }
    for line in textwrap::wrap(&shown, options) {
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// A location in words: height, input, run, crank, vat, delivery, syscall, transaction,
/// operation, log, type.
pub fn place_words(place: &Location) -> String {
    let mut words = vec![format!("height {}", place.height)];
    if place.attempt > 1 {
        words.push(format!("attempt {}", place.attempt));
    }
    words.extend(place.input.as_ref().map(|input| format!("input {input}")));
    words.extend(place.run.map(|run| format!("run {run}")));
    let in_block = place.crank_in_block.map_or(String::new(), |index| {
        format!(" (number {} of the block)", index + 1)
    });
    words.extend(place.crank.map(|crank| format!("crank {crank}{in_block}")));
    words.extend(place.vat.clone());
    words.extend(
        place
            .delivery
            .map(|delivery| format!("delivery {delivery}")),
    );
    words.extend(place.syscall.map(|syscall| format!("syscall {syscall}")));
    words.extend(place.tx.map(|tx| format!("tx {tx}")));
    words.extend(place.phase.clone());
    words.extend(place.behind_tx.map(|tx| format!("after tx {tx}")));
    words.extend(place.op.map(|op| format!("op {op}")));
    words.extend(place.log.map(|log| format!("log {log}")));
    if !place.kind.is_empty() {
        words.push(place.kind.clone());
    }
    words.join(", ")
}

fn place(out: &mut String, document: &Document, colour: Colour) {
    let Some(place) = &document.place else { return };
    paragraph(out, "place", &place_words(place), colour);
    if let Some(hash) = &place.tx_hash {
        let messages = place.messages.join(", ");
        let text = format!("transaction {hash} {messages}");
        paragraph(out, " ", text.trim_end(), colour);
    }
    let line = |side: &SideFacts, name| {
        side.line_number
            .map(|line| format!("line {line} of {name}"))
    };
    let lines = [line(&document.sides.a, "A"), line(&document.sides.b, "B")];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    if !lines.is_empty() {
        paragraph(out, " ", &lines.join(", "), colour);
    }
    if let Some(side) = document.inserted_on {
        paragraph(
            out,
            " ",
            &format!("only {} has this step", side.name()),
            colour,
        );
    }
    out.push('\n');
}

fn changes(out: &mut String, document: &Document, colour: Colour) {
    for change in &document.changes {
        let path = if change.path.is_empty() {
            "(entry)"
        } else {
            &change.path
        };
        paragraph(out, "changed", path, colour);
        value(
            out,
            "A",
            change.a.as_deref().unwrap_or("(absent)"),
            "31",
            colour,
        );
        value(
            out,
            "B",
            change.b.as_deref().unwrap_or("(absent)"),
            "32",
            colour,
        );
    }
    if document.changes.is_empty() {
        let only = match document.inserted_on {
            Some(Side::A) => document.sides.a.line.as_ref().map(|line| ("A", "31", line)),
            Some(Side::B) => document.sides.b.line.as_ref().map(|line| ("B", "32", line)),
            None => None,
        };
        if let Some((name, style, line)) = only {
            paragraph(out, "step", " ", colour);
            value(
                out,
                name,
                &cut(line, 4 * (WIDTH - INDENT - 3)),
                style,
                colour,
            );
        }
    }
    if !document.changes.is_empty() || document.inserted_on.is_some() {
        out.push('\n');
    }
}

/// Writes a value under the name of its side. Long words are broken without a hyphen.
fn value(out: &mut String, name: &str, text: &str, style: &str, colour: Colour) {
    let letters: Vec<char> = Outside::text(text).to_string().chars().collect();
    for (index, piece) in letters.chunks(WIDTH - INDENT - 3).enumerate() {
        let name = if index == 0 { name } else { " " };
        let piece: String = piece.iter().collect();
        let _ = writeln!(out, "{:INDENT$}{name}  {}", "", colour.paint(style, &piece));
    }
}

/// Writes the keys in words, and the values that the host recorded.
fn keys(out: &mut String, document: &Document, colour: Colour) {
    let (a, b) = (&document.sides.a, &document.sides.b);
    let keys = [&a.key_words, &b.key_words];
    let values = [&a.value, &b.value];
    let mut any = false;
    for (heading, words) in [("key", keys), ("value", values)] {
        if words == [&None, &None] {
            continue;
        }
        any = true;
        if heading == "key" && words[0] == words[1] {
            paragraph(
                out,
                heading,
                words[0].as_deref().unwrap_or_default(),
                colour,
            );
            continue;
        }
        paragraph(out, heading, " ", colour);
        for (name, words, style) in [("A", words[0], "31"), ("B", words[1], "32")] {
            let words = words.as_deref().unwrap_or("(unknown)");
            value(
                out,
                name,
                &cut(words, 4 * (WIDTH - INDENT - 3)),
                style,
                colour,
            );
        }
    }
    if any {
        out.push('\n');
    }
}

fn last_write(out: &mut String, document: &Document, colour: Colour) {
    let Some(last) = &document.last_write else {
        return;
    };
    paragraph(out, "written", &last_written(last), colour);
    for (name, write, style) in [("A", &last.a, "31"), ("B", &last.b, "32")] {
        value(
            out,
            name,
            &write
                .as_ref()
                .map_or("not in this recording".to_owned(), write_words),
            style,
            colour,
        );
    }
    out.push('\n');
}

fn last_written(last: &LastWrite) -> String {
    let words = last.key_words.as_ref();
    let words = words.map_or(String::new(), |words| format!(" ({words})"));
    format!("last write of {}{words}", last.key)
}

/// What weakens a write, in words to append.
pub(super) fn caution(write: &Write) -> &'static str {
    match write.unsure {
        true => " (unknown whether it took effect)",
        false => "",
    }
}

fn write_words(write: &Write) -> String {
    let height = write
        .height
        .map_or(String::new(), |height| format!("height {height}, "));
    let crank = write
        .crank
        .map_or(String::new(), |crank| format!("crank {crank}, "));
    let digest = write.value.as_deref().unwrap_or("(deleted)");
    let value = write.kept.as_deref().unwrap_or(digest);
    format!(
        "{height}{crank}line {}: {}{}",
        write.line_number,
        cut(value, 160),
        caution(write)
    )
}

fn context(out: &mut String, document: &Document, vocabulary: &dyn Vocabulary, colour: Colour) {
    let Some(context) = &document.context else {
        return;
    };
    let width = WIDTH - INDENT;
    for (index, line) in context.a.before.iter().enumerate() {
        let name = if index == 0 { "before" } else { "" };
        let _ = writeln!(
            out,
            "{}{}",
            colour.paint("2", &format!("{name:INDENT$}")),
            cut(&vocabulary.brief(line), width)
        );
    }
    let sides = [
        ("A", &document.sides.a, &context.a, "31"),
        ("B", &document.sides.b, &context.b, "32"),
    ];
    for (name, side, context, style) in sides {
        for line in side.line.iter().chain(context.after.iter().take(2)) {
            let text = cut(&vocabulary.brief(line), width - 3);
            let _ = writeln!(
                out,
                "{:INDENT$}{}",
                "",
                colour.paint(style, &format!("{name}  {text}"))
            );
        }
    }
    out.push('\n');
}

fn cut(line: &str, width: usize) -> String {
    let line: String = line.chars().take(width + 1).collect();
    let letters: Vec<char> = Outside::text(&line).to_string().chars().collect();
    if letters.len() <= width {
        return letters.into_iter().collect();
    }
    letters[..width - 1].iter().chain(&['…']).collect()
}

fn consequence(out: &mut String, document: &Document, colour: Colour) {
    if let Some(words) = consequence_words(document) {
        paragraph(out, "after", &words, colour);
        out.push('\n');
    }
}

/// What followed from the first difference, in words; `None` if nothing did.
pub(super) fn consequence_words(document: &Document) -> Option<String> {
    let consequence = &document.consequence;
    if consequence.cranks_differing == 0 && consequence.blocks_differing == 0 {
        return None;
    }
    let blocks = format!(
        "{} of {} blocks",
        consequence.blocks_differing,
        document.heights.len()
    );
    // The chain has no cranks.
    if consequence.cranks_compared == 0 {
        return Some(format!("in total, {blocks} differ"));
    }
    let in_crank = document.place.as_ref().is_some_and(|p| p.crank.is_some());
    let hash = match consequence.crankhash_after {
        Some(0) if in_crank => "the crankhash differs in the same crank".to_owned(),
        Some(0) => "the crankhash differs from the next crank on".to_owned(),
        Some(1) => "the crankhash first differs 1 crank later".to_owned(),
        Some(later) => format!("the crankhash first differs {later} cranks later"),
        None => "no crankhash is known to differ".to_owned(),
    };
    Some(format!(
        "{hash}; in total, {} of {} cranks and {blocks} differ",
        consequence.cranks_differing, consequence.cranks_compared,
    ))
}

fn sides(out: &mut String, document: &Document, colour: Colour) {
    for (name, side) in [("A", &document.sides.a), ("B", &document.sides.b)] {
        let text = format!("{} ({}): {}", side.path, side.kind, covers(side));
        paragraph(out, name, &text, colour);
        if !side.streams.is_empty() {
            let heights = side.first_height.zip(side.last_height);
            let text = format!("{name} {}", facts_words(&side.streams, heights));
            paragraph(out, "records", &text, colour);
        }
    }
}

fn environment(out: &mut String, document: &Document, colour: Colour) {
    for row in &document.environment {
        let text = format!("{}: A {}, B {}", row.what, row.a, row.b);
        paragraph(out, "differs", &text, colour);
    }
}

/// What both sources cover, in words.
fn common(finding: &Finding) -> String {
    let heights = &finding.heights;
    let whole = heights.iter().filter(|row| row.whole).count();
    match (heights.first(), heights.last()) {
        (Some(first), Some(last)) => format!(
            "heights {} to {}, completely compared: {whole} of {}",
            first.height,
            last.height,
            heights.len()
        ),
        _ => "no height".to_owned(),
    }
}

/// What a source covers and what it lacks, in words.
pub(super) fn covers(side: &SideFacts) -> String {
    let heights = match (side.first_height, side.last_height) {
        (Some(first), Some(last)) if first == last => format!("height {first}"),
        (Some(first), Some(last)) => format!("heights {first} to {last}"),
        _ => "no heights".to_owned(),
    };
    let mut text = heights;
    if side.cranks > 0 {
        let _ = write!(text, ", {}", counted(side.cranks, "crank"));
    }
    let lists = [("incomplete", &side.incomplete), ("missing", &side.missing)];
    for (what, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let shown: Vec<String> = list.iter().take(8).map(u64::to_string).collect();
        let more = if list.len() > 8 { " and more" } else { "" };
        let _ = write!(text, "; {what}: {}{more}", shown.join(", "));
    }
    if let Some(height) = side.kernel_starts.last() {
        let place = side.last_height.unwrap_or(*height).saturating_sub(*height);
        let _ = write!(
            text,
            "; node started before height {height}, {} before the end",
            counted(place, "block")
        );
    }
    if let Some(by) = &side.carried_by {
        let _ = write!(text, "; entries extracted from {by}");
    }
    if side.rewritten {
        text += "; rewritten by another JSON writer: not the bytes that the host wrote";
    }
    if !side.damage.is_empty() {
        let _ = write!(
            text,
            "; {}, the first: {}",
            counted(side.damage.len() as u64, "hole"),
            side.damage[0]
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_whole_and_endless_words_do_not() {
        let path = format!(
            "/home/agoric/.agoric/haltbox/{}/13-{}",
            "x".repeat(60),
            "a".repeat(32)
        );
        let mut out = String::new();
        beside(&mut out, "    1  ", &format!("one {path} two"));
        assert!(out.lines().any(|line| line.trim() == path), "{out}");
        let mut out = String::new();
        beside(&mut out, "", &"y".repeat(PATH * 10));
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
    }
}
