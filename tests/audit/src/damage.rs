//! What is left of a recording, and what carried it: nothing that a node did otherwise.

use serde_json::Value;

use crate::random::Random;
use crate::tape::{Line, Tape};

/// One kind of it, with the seed of all that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Its beginning is not there.
    Head(u64),
    /// Its end is not there.
    Tail(u64),
    /// It ends inside a line.
    Torn(u64),
    /// Lines are missing, as the recording says.
    Gap(u64),
    /// Another JSON writer wrote it anew.
    Rewritten(u64),
    /// Single lines stand there twice.
    Twice(u64),
    /// A part was sent again.
    Resent(u64),
    /// Rotated files were put together in another order, or overlap.
    Pieces(u64),
    /// A log shipper carried it.
    Carried(u64),
    /// A byte order mark stands at its beginning.
    Mark,
}

impl Damage {
    /// One of those that can befall such a recording.
    pub fn drawn(kernel: bool, random: &mut Random) -> Damage {
        let seed = random.draw();
        match random.below(if kernel { 14 } else { 10 }) {
            0 | 1 => Damage::Head(seed),
            2 | 3 => Damage::Tail(seed),
            4 => Damage::Torn(seed),
            5 | 6 => Damage::Gap(seed),
            7 => Damage::Rewritten(seed),
            8 => Damage::Carried(seed),
            9 => Damage::Mark,
            10 => Damage::Twice(seed),
            11 | 12 => Damage::Resent(seed),
            _ => Damage::Pieces(seed),
        }
    }

    /// In the order in which they happen: what is left, then what carried it.
    pub fn rank(&self) -> u8 {
        match self {
            Damage::Pieces(_) => 0,
            Damage::Twice(_) | Damage::Resent(_) => 1,
            Damage::Head(_) | Damage::Tail(_) => 2,
            Damage::Gap(_) => 3,
            Damage::Torn(_) => 4,
            Damage::Rewritten(_) => 5,
            Damage::Carried(_) => 6,
            Damage::Mark => 7,
        }
    }

    /// It needs a text file.
    pub fn is_of_text(&self) -> bool {
        !matches!(self, Damage::Head(_) | Damage::Tail(_) | Damage::Gap(_))
    }

    /// Does it.
    pub fn befalls(self, tape: &mut Tape) {
        if tape.lines.is_empty() {
            return;
        }
        match self {
            Damage::Head(seed) => head(tape, &mut Random::new(seed)),
            Damage::Tail(seed) => tail(tape, &mut Random::new(seed)),
            Damage::Torn(seed) => torn(tape, &mut Random::new(seed)),
            Damage::Gap(seed) => gap(tape, &mut Random::new(seed)),
            Damage::Rewritten(seed) => rewritten(tape, &mut Random::new(seed)),
            Damage::Twice(seed) => twice(tape, &mut Random::new(seed)),
            Damage::Resent(seed) => resent(tape, &mut Random::new(seed)),
            Damage::Pieces(seed) => pieces(tape, &mut Random::new(seed)),
            Damage::Carried(seed) => carried(tape, &mut Random::new(seed)),
            Damage::Mark => (tape.mark, tape.altered) = (true, true),
        }
    }
}

fn head(tape: &mut Tape, random: &mut Random) {
    let at = random.place(tape.lines.len());
    tape.remove(0, at);
}

fn tail(tape: &mut Tape, random: &mut Random) {
    let at = 1 + random.place(tape.lines.len());
    let ends = tape.lines.len();
    if at < ends {
        tape.remove(at, ends);
    }
}

fn torn(tape: &mut Tape, random: &mut Random) {
    tail(tape, random);
    let last = tape.lines.len() - 1;
    tape.breaks(last);
    tape.torn = 2 + random.place(tape.lines[last].text.len() - 1);
}

fn gap(tape: &mut Tape, random: &mut Random) {
    let from = random.place(tape.lines.len());
    let until = (from + random.place(1 + tape.lines.len() / 2)).min(tape.lines.len() - 1);
    tape.parts(from);
    tape.parts(until);
    tape.remove(from, until);
    tape.gaps.push(from);
}

fn twice(tape: &mut Tape, random: &mut Random) {
    let share = 1 + random.below(20);
    let mut lines = Vec::new();
    for line in std::mem::take(&mut tape.lines) {
        let again = random.percent(share).then(|| line.clone());
        lines.push(line);
        lines.extend(again);
    }
    (tape.lines, tape.altered) = (lines, true);
}

fn resent(tape: &mut Tape, random: &mut Random) {
    let from = random.place(tape.lines.len());
    let to = (from + 2 + random.place(60)).min(tape.lines.len());
    (from..to).for_each(|at| tape.breaks(at));
    let again: Vec<Line> = tape.lines[from..to].to_vec();
    tape.lines.splice(to..to, again);
    tape.altered = true;
}

fn pieces(tape: &mut Tape, random: &mut Random) {
    let length = tape.lines.len();
    let mut cuts: Vec<usize> = (0..1 + random.place(2))
        .map(|_| random.place(length))
        .collect();
    cuts.extend([0, length]);
    cuts.sort_unstable();
    let overlap = random.percent(50);
    let mut parts: Vec<Vec<Line>> = Vec::new();
    for pair in cuts.windows(2) {
        let more = if overlap { random.place(30) } else { 0 };
        parts.push(tape.lines[pair[0].saturating_sub(more)..pair[1]].to_vec());
    }
    if random.percent(60) {
        for at in (1..parts.len()).rev() {
            parts.swap(at, random.place(at + 1));
        }
    }
    tape.lines = parts.concat();
    tape.runs.iter_mut().for_each(|run| run.whole = false);
    tape.altered = true;
}

/// By another JSON writer, all of it or from a line on.
fn rewritten(tape: &mut Tape, random: &mut Random) {
    let from = match random.percent(30) {
        true => random.place(tape.lines.len()),
        false => 0,
    };
    let writer = random.below(4);
    let whole = tape.lines.len() - usize::from(tape.torn > 0);
    for line in &mut tape.lines[from..whole.max(from)] {
        let Ok(value) = serde_json::from_slice::<Value>(&line.text) else {
            continue;
        };
        if value.is_object() {
            line.text = match writer {
                0 => with_blanks(&line.text),
                1 => serde_json::to_vec(&value).unwrap_or_default(),
                2 => escaped(&line.text),
                _ => with_fractions(&line.text),
            };
        }
    }
    tape.altered = true;
}

/// As Python's `json.dumps` does: blanks behind separators.
fn with_blanks(line: &[u8]) -> Vec<u8> {
    let (mut out, mut quoted, mut escaped) = (Vec::new(), false, false);
    for byte in line {
        out.push(*byte);
        if !quoted && matches!(byte, b',' | b':') {
            out.push(b' ');
        }
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
    }
    out
}

/// Letters escaped that need not be; names and types stay.
fn escaped(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    text.replace("sacct", "sac\\u0063t")
        .replace("\"bank\"", "\"ban\\u006b\"")
        .into_bytes()
}

/// As writers do that know no whole numbers.
fn with_fractions(line: &[u8]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(line).into_owned();
    for name in [
        "crankNum",
        "deliveryNum",
        "syscallNum",
        "blockHeight",
        "runNum",
        "op",
        "of",
        "tx",
        "gasUsed",
        "bytes",
    ] {
        let name = format!("\"{name}\":");
        let Some(at) = text.find(&name).map(|at| at + name.len()) else {
            continue;
        };
        let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            text.insert_str(at + digits, ".0");
        }
    }
    text.into_bytes()
}

const PREFIXES: [&str; 5] = [
    "Nov 28 10:00:00 host agd[77]: ",
    "<14>1 2026-11-28T10:00:00Z host agd 7 - - ",
    "2026-11-28T10:00:00.123456789Z ",
    "2026-11-28T10:00:00.1Z stdout F ",
    "agd-1  | ",
];

fn carried(tape: &mut Tape, random: &mut Random) {
    let by = random.place(PREFIXES.len() + 2);
    let torn = tape.torn > 0;
    for line in &mut tape.lines {
        let text = String::from_utf8_lossy(&line.text).into_owned();
        let quoted = |end: &str| serde_json::to_string(&format!("{text}{end}")).unwrap_or_default();
        line.text = match PREFIXES.get(by) {
            Some(prefix) => format!("{prefix}{text}").into_bytes(),
            None if torn => continue,
            None if by == PREFIXES.len() => format!(
                r#"{{"log":{},"stream":"stdout","time":"2026"}}"#,
                quoted("\n")
            )
            .into_bytes(),
            None => format!(
                r#"{{"__CURSOR":"s=1","MESSAGE":{},"_PID":"7"}}"#,
                quoted("")
            )
            .into_bytes(),
        };
    }
    tape.altered = true;
}
