//! Lines that a node recorded, and what is true of them.

use std::collections::BTreeSet;

/// A digest of what was executed.
pub type Digest = [u8; 32];

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Without its line feed.
    pub text: Vec<u8>,
    /// Of which block; 0 for none.
    pub height: u64,
    /// It begins a block.
    pub begins: bool,
    /// It stands behind the block's end.
    pub behind: bool,
    /// Of which execution on the tape, if it is of one.
    pub run: Option<usize>,
}

impl Line {
    /// Of a block.
    pub fn of(height: u64, text: String) -> Line {
        Line {
            text: text.into_bytes(),
            height,
            begins: false,
            behind: false,
            run: None,
        }
    }
}

/// One execution of a block.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The block.
    pub height: u64,
    /// What its name stands on.
    pub named: Digest,
    /// It is there from its beginning to its end.
    pub has_name: bool,
    /// All of it is there.
    pub whole: bool,
    /// All that the node did was recorded.
    pub detailed: bool,
}

/// A recording of one node.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// Its lines.
    pub lines: Vec<Line>,
    /// What was executed, in order.
    pub runs: Vec<Run>,
    /// Lines before which some are missing, as the recording says.
    pub gaps: Vec<usize>,
    /// Bytes that are missing of the last line.
    pub torn: usize,
    /// Something carried or wrote its lines anew: they have no names.
    pub altered: bool,
    /// Its file begins with a byte order mark.
    pub mark: bool,
}

impl Tape {
    /// Takes the lines of an execution; `whole`: all of them.
    pub fn takes(&mut self, lines: Vec<Line>, run: Run) {
        let number = self.runs.len();
        self.runs.push(run);
        let lines = lines.into_iter().map(|line| Line {
            run: Some(number),
            ..line
        });
        self.lines.extend(lines);
    }

    /// A height of which an execution is there whole.
    pub fn is_whole(&self, height: u64) -> bool {
        self.runs
            .iter()
            .any(|run| run.height == height && run.whole)
    }

    /// All that was executed at a height and is there whole was recorded in full.
    pub fn is_detailed(&self, height: u64) -> bool {
        let mut runs = self.runs.iter();
        runs.all(|run| run.height != height || run.detailed)
    }

    /// Digests of what the names of a height stand on.
    pub fn named(&self, height: u64) -> BTreeSet<Digest> {
        let runs = self.runs.iter();
        let named = runs.filter(|run| run.height == height && run.has_name);
        named.map(|run| run.named).collect()
    }

    /// A line of this place is not there, or not where it was written.
    pub fn breaks(&mut self, at: usize) {
        let Some(line) = self.lines.get(at) else {
            return;
        };
        if let Some(run) = line.run.and_then(|run| self.runs.get_mut(run)) {
            run.whole = false;
            run.has_name &= line.behind;
        }
    }

    /// Something is missing before a line.
    pub fn parts(&mut self, at: usize) {
        let of = |at: Option<usize>| {
            at.and_then(|at| self.lines.get(at))
                .and_then(|line| line.run)
        };
        if of(at.checked_sub(1)) == of(Some(at)) {
            self.breaks(at);
        }
        // Work of a block may stand before its own first entry.
        let begun = self.lines.get(at).filter(|line| line.begins);
        if let Some(run) = begun.and_then(|line| line.run) {
            self.runs[run].whole = false;
        }
    }

    /// Takes lines out.
    pub fn remove(&mut self, from: usize, to: usize) {
        (from..to).for_each(|at| self.breaks(at));
        self.lines.drain(from..to);
        for gap in &mut self.gaps {
            *gap -= (*gap).clamp(from, to) - from;
        }
    }

    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = if self.mark {
            b"\xef\xbb\xbf".to_vec()
        } else {
            Vec::new()
        };
        for line in &self.lines {
            bytes.extend(&line.text);
            bytes.push(b'\n');
        }
        bytes.truncate(bytes.len() - self.torn.min(bytes.len()));
        bytes
    }
}
