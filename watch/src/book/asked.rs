//! Messages as others are asked about them.

use super::{Book, Fault, Id, Open, Site, Standing};
use crate::opinion::{Question, Says};
use crate::validity::Broken;

/// Slots that are looked at for one question: a book that was full once has free ones.
const SLOTS: usize = 64;

impl Book {
    /// What to ask of a message. `None`: it is open no more, or others cannot tell.
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

    /// The next questions from a place in the book on, at most so many, and the place where
    /// to go on; `None`: that was all.
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
    /// A message that is doomed holds by itself, and others are asked about that alone.
    fn question(&self) -> Option<Question> {
        let message = self.executed().ok()?;
        // Others refuse what is executed in the second in which it was sent, which a block
        // may hold.
        if message.place.timestamp == self.timestamp() {
            return None;
        }
        let own = match &self.alone {
            Standing::Unknown => return None,
            Standing::Valid => Says::Valid,
            // Whoever has another dependency set is no witness against this one.
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
