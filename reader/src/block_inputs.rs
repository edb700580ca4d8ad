//! The inputs of a block, as far as its first entries record them.
//!
//! Only the entry that begins a block and the entry directly behind it count. If such an input
//! differs between two sides, nothing that either node executed can be the cause.

use std::fmt;

use haltbox_model::ToldInput;
use haltbox_model::{InputRules, json};

/// The name of an input, and the member that holds it. Two sides compare only inputs from the
/// same member, because other members hash other things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputName {
    /// The name.
    pub name: String,
    /// Digest of the type of the entry and of the member.
    pub member: Word,
    /// It is outside the canonical form: it is the node's own.
    pub local: bool,
}

/// The first eight bytes of a digest.
pub type Word = [u8; 8];

/// One input.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: InputName,
    /// Digest of its value.
    pub value: Word,
    /// The value in short form; `None` in a fingerprint.
    pub short: Option<String>,
}

/// The inputs of one block.
#[derive(Clone, Debug, Default)]
pub struct BlockInputs {
    inputs: Vec<Input>,
    /// The block's first entry is its begin entry.
    opened: bool,
}

impl Input {
    fn of(input: &ToldInput<'_>, canonical: &[u8]) -> Option<Input> {
        let by = format!("{}\n{}", input.entry_type(), input.member());
        Some(Input {
            name: InputName {
                name: input.name().to_owned(),
                member: digest(&by),
                local: !input.is_in(canonical),
            },
            value: digest(&input.value()?),
            short: input.short(),
        })
    }

    fn is_from_same_member(&self, other: &Input) -> bool {
        let (own, other) = (&self.name, &other.name);
        own.name == other.name && own.member == other.member
    }
}

fn digest(text: &str) -> Word {
    let mut word = Word::default();
    word.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    word
}

impl BlockInputs {
    /// The inputs of a block in a fingerprint.
    pub fn of_digests(inputs: Vec<Input>) -> BlockInputs {
        BlockInputs {
            opened: !inputs.is_empty(),
            inputs,
        }
    }

    /// Takes the begin entry, which is the block's first.
    pub fn begin(&mut self, rules: &InputRules, line: &[u8], canonical: &[u8]) {
        self.opened = true;
        self.take(rules, line, canonical);
    }

    /// Takes the entry directly behind it.
    pub fn go_on(&mut self, rules: &InputRules, line: &[u8], canonical: &[u8]) {
        if self.opened {
            self.take(rules, line, canonical);
        }
    }

    /// A cut entry proves nothing.
    fn take(&mut self, rules: &InputRules, line: &[u8], canonical: &[u8]) {
        if rules.is_empty() || json::members(line).any(|member| member.is_err()) {
            return;
        }
        let inputs = rules.told(line);
        for input in inputs.filter_map(|input| Input::of(&input, canonical)) {
            self.inputs
                .retain(|known| !known.is_from_same_member(&input));
            self.inputs.push(input);
        }
    }

    /// All inputs.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The inputs that both sides have from the same member.
    pub fn pairs<'a>(
        &'a self,
        other: &'a BlockInputs,
    ) -> impl Iterator<Item = (&'a Input, &'a Input)> {
        let pair = |own: &'a Input| {
            let mut others = other.inputs.iter();
            Some((own, others.find(|of| own.is_from_same_member(of))?))
        };
        self.inputs.iter().filter_map(pair)
    }

    /// Names of the inputs that both sides have and that differ, sorted. Leaves out inputs of a
    /// node's own.
    pub fn others(&self, other: &BlockInputs) -> Vec<String> {
        let pairs = self.pairs(other);
        let differ = pairs.filter(|(own, other)| own.value != other.value && !is_local(own, other));
        let mut names: Vec<String> = differ.map(|(own, _)| own.name.name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// As the halt message and `haltbox info` show them.
impl fmt::Display for BlockInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = self.inputs.iter();
        let shown = inputs.filter_map(|input| Some((&input.name.name, input.short.as_ref()?)));
        for (at, (name, value)) in shown.enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{name}={value}")?;
        }
        Ok(())
    }
}

/// Whether either side says that the input is its own.
pub fn is_local(own: &Input, other: &Input) -> bool {
    own.name.local || other.name.local
}
