//! A source beside one whose sender takes members out of entries and leaves entries
//! out: what may be compared of a block.
//!
//! Nobody is accused of what a sender did not write. What it leaves out without a
//! trace counts on neither side; where its absence shows, the block is not compared.

use haltbox_format::json;

use super::role::{self, Role};
use super::swingset;

/// Two types of entries that only come in pairs.
struct Span {
    opening: &'static str,
    closing: &'static str,
    /// Before its block begins the sender may leave out both.
    of_begun: bool,
}

const SPANS: [Span; 4] = [
    Span {
        opening: "cosmic-swingset-end-block-start",
        closing: "cosmic-swingset-end-block-finish",
        of_begun: true,
    },
    Span {
        opening: "cosmic-swingset-run-start",
        closing: "cosmic-swingset-run-finish",
        of_begun: true,
    },
    Span {
        opening: "crank-start",
        closing: "crank-finish",
        of_begun: false,
    },
    Span {
        opening: "deliver",
        closing: "deliver-result",
        of_begun: false,
    },
];

/// What the open block showed so far.
#[derive(Default)]
pub struct Told {
    begun: bool,
    in_crank: bool,
    open: Vec<usize>,
    /// Lines with a context were among its own, and lines without.
    forms: [bool; 2],
}

/// What a canonical entry is worth.
#[derive(Debug, PartialEq, Eq)]
pub enum Worth {
    /// It counts.
    Counts,
    /// The sender may leave it out without a trace: it counts on neither side.
    Unseen,
    /// It counts, and shows that another one is missing somewhere in its block.
    Lacks(String),
}

impl Told {
    /// The block begins; what is missing before.
    pub fn begin(&mut self) -> Option<String> {
        self.begun = true;
        self.in_crank = false;
        let open = self.open.drain(..).next();
        open.and_then(|span| Some(missing(SPANS.get(span)?.closing)))
    }

    /// Weighs the next canonical entry.
    pub fn weigh(&mut self, entry: &[u8], wrapped: bool) -> Worth {
        self.forms[usize::from(wrapped)] = true;
        let kind = role::type_of(entry);
        if self.is_unseen(&kind, entry) {
            return Worth::Unseen;
        }
        match role::of_type(&kind) {
            Role::CrankStart => self.in_crank = true,
            Role::CrankFinish => self.in_crank = false,
            _ => {}
        }
        match self.pair(&kind) {
            Some(kind) => Worth::Lacks(missing(kind)),
            None => Worth::Counts,
        }
    }

    fn is_unseen(&self, kind: &str, entry: &[u8]) -> bool {
        match kind {
            "clist" => !self.in_crank,
            "cosmic-swingset-run-start"
            | "cosmic-swingset-run-finish"
            | "cosmic-swingset-bootstrap-block-finish" => !self.begun,
            // The sender splits the number, and fails on anything but text.
            _ if role::of_type(kind) == Role::Input => {
                let number = json::find(entry, swingset::INPUT_NUMBER.as_bytes());
                number.is_some_and(|number| !number.starts_with(b"\""))
            }
            _ => false,
        }
    }

    /// The type of an entry that is missing before this one.
    fn pair(&mut self, kind: &str) -> Option<&'static str> {
        let is_of = |span: &Span| span.opening == kind || span.closing == kind;
        let at = SPANS.iter().position(is_of)?;
        let span = SPANS.get(at).filter(|span| self.begun || !span.of_begun)?;
        let place = self.open.iter().position(|open| *open == at);
        if span.opening == kind {
            self.open.truncate(place.unwrap_or(self.open.len()));
            self.open.push(at);
            return place.map(|_| span.closing);
        }
        let Some(place) = place else {
            return Some(span.opening);
        };
        let inner = self.open.get(place + 1).and_then(|inner| SPANS.get(*inner));
        self.open.truncate(place);
        inner.map(|inner| inner.closing)
    }

    /// The block is over: whether it has lines with a context, and why nothing of it
    /// can be compared.
    pub fn end(&mut self, ended: bool) -> (bool, Option<&'static str>) {
        let told = std::mem::take(self);
        let [plain, wrapped] = told.forms;
        let why = match (plain, wrapped) {
            (true, true) => Some("lines with and without their context stand in one block"),
            // What its sender left out shows at the end alone.
            (false, true) if !(told.begun && ended) => Some(""),
            _ => None,
        };
        (wrapped, why)
    }
}

fn missing(kind: &str) -> String {
    format!("a {kind} was not written: its sender leaves out entries that it does not expect")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(told: &mut Told, entries: &[&str]) -> Vec<Worth> {
        let line = |kind: &str| format!(r#"{{"type":"{kind}","crankNum":1}}"#);
        let worth = |kind: &&str| told.weigh(line(kind).as_bytes(), true);
        entries.iter().map(worth).collect()
    }

    #[test]
    fn what_leaves_no_trace_counts_on_neither_side() {
        let mut told = Told::default();
        let early = weigh(&mut told, &["clist", "cosmic-swingset-run-start"]);
        assert_eq!(early, [Worth::Unseen, Worth::Unseen]);
        assert_eq!(told.begin(), None);
        let in_crank = ["crank-start", "clist", "crank-finish", "clist"];
        let worth = weigh(&mut told, &in_crank);
        assert_eq!(worth[1..], [Worth::Counts, Worth::Counts, Worth::Unseen]);
    }

    #[test]
    fn what_stands_alone_shows_what_is_missing() {
        const WHOLE: [&str; 8] = [
            "cosmic-swingset-end-block-start",
            "cosmic-swingset-run-start",
            "crank-start",
            "deliver",
            "deliver-result",
            "crank-finish",
            "cosmic-swingset-run-finish",
            "cosmic-swingset-end-block-finish",
        ];
        let lacks = |entries: &[&str]| {
            let mut told = Told::default();
            told.begin();
            let worth = weigh(&mut told, entries);
            worth.iter().any(|worth| matches!(worth, Worth::Lacks(_)))
        };
        assert!(!lacks(&WHOLE));
        for out in &WHOLE[..7] {
            let mut rest = WHOLE.to_vec();
            rest.retain(|kind| kind != out);
            assert!(lacks(&rest), "without {out}");
        }
        // Without its end a block is not compared.
        let mut told = Told::default();
        told.begin();
        weigh(&mut told, &WHOLE[..7]);
        assert!(told.end(false).1.is_some());
    }
}
