//! Compares the inputs of the blocks of two sources, by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::block_inputs::{BlockInputs, Input, is_local};

/// Limit of the names of inputs that are listed.
const NAMES_LIMIT: usize = 64;

/// How the inputs compare at the heights that both have.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Number of heights at which both record some input that is compared.
    heights: u64,
    /// Per name, the number of heights at which both record it.
    times: BTreeMap<String, u64>,
    /// The first height at which inputs differ, and their names.
    other: Option<(u64, Vec<String>)>,
    /// Inputs of a node's own that differ.
    local: Vec<LocalDifference>,
}

/// An input of a node's own that differs between the sides.
#[derive(Clone, Debug)]
pub struct LocalDifference {
    /// Its name.
    pub name: String,
    /// The first height at which it differs.
    pub height: u64,
    /// Number of heights at which it differs.
    pub heights: u64,
    /// The values of both sides at that height, if both record them.
    pub values: Option<[String; 2]>,
}

impl Inputs {
    /// Adds the inputs of one height.
    pub(super) fn take(&mut self, height: u64, a: &BlockInputs, b: &BlockInputs) {
        // Several members may hold inputs of one name, which counts once.
        let (mut names, mut local) = (BTreeSet::new(), BTreeSet::new());
        for (own, other) in a.pairs(b) {
            let name = own.name.name.as_str();
            if !is_local(own, other) {
                names.insert(name);
            } else if own.value != other.value && local.insert(name) {
                self.take_local(height, own, other);
            }
        }
        self.heights += u64::from(!names.is_empty());
        for name in names {
            if self.times.len() < NAMES_LIMIT || self.times.contains_key(name) {
                *self.times.entry(name.to_owned()).or_default() += 1;
            }
        }
        let others = a.others(b);
        if !others.is_empty() && self.other.is_none() {
            self.other = Some((height, others));
        }
    }

    fn take_local(&mut self, height: u64, own: &Input, other: &Input) {
        let has_room = self.local.len() < NAMES_LIMIT;
        let mut known = self.local.iter_mut();
        match known.find(|input| input.name == own.name.name) {
            Some(known) => known.heights += 1,
            None if has_room => self.local.push(LocalDifference {
                name: own.name.name.clone(),
                height,
                heights: 1,
                values: own.short.clone().zip(other.short.clone()).map(Into::into),
            }),
            None => {}
        }
    }

    /// Inputs of a node's own that differ. They accuse nobody.
    pub fn local(&self) -> &[LocalDifference] {
        &self.local
    }

    /// What digests say of the inputs, for a verdict that does not rest on them.
    pub(super) fn agreement(&self) -> Option<InputsAgreement> {
        if let Some((height, names)) = self.other.clone() {
            return Some(InputsAgreement::Differ { height, names });
        }
        let names = self
            .times
            .iter()
            .map(|(name, times)| (name.clone(), *times));
        (self.heights > 0).then(|| InputsAgreement::Same {
            heights: self.heights,
            names: names.collect(),
        })
    }
}

/// What is known of the inputs at the heights that both have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputsAgreement {
    /// They differ.
    Differ {
        /// The first height at which they differ.
        height: u64,
        /// Names of the inputs that differ there.
        names: Vec<String>,
    },
    /// They are the same.
    Same {
        /// Number of heights at which both recorded them.
        heights: u64,
        /// Names of the inputs, and at how many of these heights both recorded them.
        names: Vec<(String, u64)>,
    },
}

impl LocalDifference {
    /// The same difference with the sides swapped.
    pub fn turned(&self) -> LocalDifference {
        let mut turned = self.clone();
        turned.values.iter_mut().for_each(|values| values.reverse());
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_inputs::InputName;

    /// One name that two members hold, with different digests.
    fn given(local: bool, value: u8) -> BlockInputs {
        let input = |member: u8| Input {
            name: InputName {
                name: "txs".to_owned(),
                member: [member; 8],
                local,
            },
            value: [value; 8],
            short: None,
        };
        BlockInputs::of_digests(vec![input(1), input(2)])
    }

    #[test]
    fn a_name_counts_once_at_a_height() {
        let mut inputs = Inputs::default();
        for height in [1, 2] {
            inputs.take(height, &given(false, 1), &given(false, 1));
        }
        let expected = InputsAgreement::Same {
            heights: 2,
            names: vec![("txs".to_owned(), 2)],
        };
        assert_eq!(inputs.agreement(), Some(expected));
        let mut inputs = Inputs::default();
        for height in [1, 2] {
            inputs.take(height, &given(true, 1), &given(true, 2));
        }
        let own = &inputs.local()[0];
        assert_eq!((own.height, own.heights), (1, 2));
    }
}
