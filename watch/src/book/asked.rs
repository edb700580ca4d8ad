//! Questions about messages, for second opinions.

use super::{Book, Fault, Id, Open, Site, Standing};
use crate::opinion::{Question, Says};
use crate::validity::Broken;

/// Slots that are searched for each question: a book that was full once has many free
/// ones.
const SLOTS: usize = 64;

impl Book {
    /// The question about a message. `None` if it is no longer open, or others cannot
    /// know.
    pub fn question(&self, site: &Site) -> Option<Question> {
        let held = self.chains.get(&site.chain)?.blocks.get(&site.number)?;
        let open = |id: Id| self.open.get(id as usize).and_then(Option::as_ref);
        let at = held
            .messages
            .binary_search_by_key(&Some(site.log), |id| open(*id).map(|open| open.site().log));
        let open = open(*held.messages.get(at.ok()?)?)?;
        let is_it = open.site() == *site;
        is_it.then(|| open.question()).flatten()
    }

    /// The next questions from an index of the book on, at most `most`, and the index to
    /// continue at; `None` at the end.
    pub fn questions(&self, from: usize, most: usize) -> (Vec<Question>, Option<usize>) {
        let mut questions = Vec::new();
        let mut at = from;
        let end = from.saturating_add(most.saturating_mul(SLOTS));
        while at < self.open.len().min(end) && questions.len() < most {
            questions.extend(self.open[at].as_ref().and_then(Open::question));
            at += 1;
        }
        (questions, (at < self.open.len()).then_some(at))
    }
}

impl Open {
    /// The question about this message. A doomed message is valid by the rules, and
    /// others are asked about that alone.
    fn question(&self) -> Option<Question> {
        let message = self.executed().ok()?;
        // Others reject a message that is executed in the second in which it was sent,
        // although a block may contain it.
        if message.place.timestamp == self.timestamp() {
            return None;
        }
        let own = match &self.by_rules {
            Standing::Unknown => return None,
            Standing::Valid => Says::Valid,
            // An endpoint with another dependency set proves nothing against this one.
            Standing::Invalid(fault)
                if matches!(**fault, Fault::Broken(Broken::UnknownChain(_))) =>
            {
                return None;
            }
            Standing::Invalid(_) => Says::Invalid,
        };
        Some(Question {
            site: self.site(),
            message,
            timestamp: self.timestamp(),
            own,
        })
    }
}
