//! Compares with a source whose slog sender removes members from entries and drops entries:
//! decides what of a block may be compared.
//!
//! Nobody is accused of what a sender did not write. An entry that the sender may drop without
//! a trace counts on neither side. If the absence of an entry shows, the block is not
//! compared.

use crate::vocabulary::{Role, Span, Vocabulary, entry};

/// What the open block has shown so far.
pub struct OpenBlock {
    vocabulary: &'static dyn Vocabulary,
    begun: bool,
    in_crank: bool,
    open: Vec<usize>,
    /// Whether the block has lines without a context, and lines with one.
    forms: [bool; 2],
}

/// Whether a canonical entry counts.
#[derive(Debug, PartialEq, Eq)]
pub enum Countability {
    /// It counts.
    Counts,
    /// The sender may drop it without a trace, so it counts on neither side.
    Omittable,
    /// It counts, and shows that another entry is missing somewhere in its block.
    ShowsLoss(String),
}

impl OpenBlock {
    /// An empty block.
    pub fn new(vocabulary: &'static dyn Vocabulary) -> OpenBlock {
        OpenBlock {
            vocabulary,
            begun: false,
            in_crank: false,
            open: Vec::new(),
            forms: [false; 2],
        }
    }

    /// Begins the block. Returns what is missing before it.
    pub fn begin(&mut self) -> Option<String> {
        self.begun = true;
        self.in_crank = false;
        let open = self.open.drain(..).next();
        open.and_then(|span| Some(missing(self.vocabulary.spans().get(span)?.closing)))
    }

    /// Decides about the next canonical entry.
    pub fn weigh(&mut self, line: &[u8], wrapped: bool) -> Countability {
        self.forms[usize::from(wrapped)] = true;
        let vocabulary = self.vocabulary;
        if vocabulary.leaves_no_trace(line, self.begun, self.in_crank) {
            return Countability::Omittable;
        }
        let kind = entry::type_of(line);
        match vocabulary.role(kind.as_bytes()) {
            Role::CrankStart => self.in_crank = true,
            Role::CrankFinish => self.in_crank = false,
            _ => {}
        }
        match self.pair(&kind) {
            Some(kind) => Countability::ShowsLoss(missing(kind)),
            None => Countability::Counts,
        }
    }

    /// The type of the entry that is missing before this one.
    fn pair(&mut self, kind: &str) -> Option<&'static str> {
        let is_of = |span: &Span| span.opening == kind || span.closing == kind;
        let spans = self.vocabulary.spans();
        let at = spans.iter().position(is_of)?;
        let span = spans.get(at).filter(|span| self.begun || !span.of_begun)?;
        let place = self.open.iter().position(|open| *open == at);
        if span.opening == kind {
            self.open.truncate(place.unwrap_or(self.open.len()));
            self.open.push(at);
            return place.map(|_| span.closing);
        }
        let Some(place) = place else {
            return Some(span.opening);
        };
        let inner = self.open.get(place + 1).and_then(|inner| spans.get(*inner));
        self.open.truncate(place);
        inner.map(|inner| inner.closing)
    }

    /// Ends the block. Returns whether it has lines with a context, and why nothing of it can be
    /// compared.
    pub fn end(&mut self, ended: bool) -> (bool, Option<&'static str>) {
        let block = std::mem::replace(self, OpenBlock::new(self.vocabulary));
        let [plain, wrapped] = block.forms;
        let why = match (plain, wrapped) {
            (true, true) => Some("the block mixes lines with and without context"),
            // Only the end of a block shows what its sender dropped.
            (false, true) if !(block.begun && ended) => Some(""),
            _ => None,
        };
        (wrapped, why)
    }
}

fn missing(kind: &str) -> String {
    format!("a {kind} is missing: the slog sender drops entries that it does not expect")
}

#[cfg(test)]
mod tests {
    use haltbox_model::Profile;

    use super::*;

    fn vocabulary() -> &'static dyn Vocabulary {
        let profile = Profile::builtin("agoric").expect("a builtin profile");
        crate::vocabulary::of(&profile)
    }

    fn weigh(block: &mut OpenBlock, entries: &[&str]) -> Vec<Countability> {
        let line = |kind: &str| format!(r#"{{"type":"{kind}","crankNum":1}}"#);
        let countability = |kind: &&str| block.weigh(line(kind).as_bytes(), true);
        entries.iter().map(countability).collect()
    }

    #[test]
    fn what_leaves_no_trace_counts_on_neither_side() {
        let mut block = OpenBlock::new(vocabulary());
        let early = weigh(&mut block, &["clist", "cosmic-swingset-run-start"]);
        assert_eq!(early, [Countability::Omittable, Countability::Omittable]);
        assert_eq!(block.begin(), None);
        let in_crank = ["crank-start", "clist", "crank-finish", "clist"];
        let countability = weigh(&mut block, &in_crank);
        assert_eq!(
            countability[1..],
            [
                Countability::Counts,
                Countability::Counts,
                Countability::Omittable
            ]
        );
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
            let mut block = OpenBlock::new(vocabulary());
            block.begin();
            let countability = weigh(&mut block, entries);
            countability
                .iter()
                .any(|countability| matches!(countability, Countability::ShowsLoss(_)))
        };
        assert!(!lacks(&WHOLE));
        for out in &WHOLE[..7] {
            let mut rest = WHOLE.to_vec();
            rest.retain(|kind| kind != out);
            assert!(lacks(&rest), "without {out}");
        }
        // A block without its end is not compared.
        let mut block = OpenBlock::new(vocabulary());
        block.begin();
        weigh(&mut block, &WHOLE[..7]);
        assert!(block.end(false).1.is_some());
    }
}
