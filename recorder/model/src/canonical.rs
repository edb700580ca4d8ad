//! The canonical form of an entry: what remains without the parts that differ between
//! honest nodes.
//!
//! The form is cut from the host's own bytes and never written anew. So two nodes that
//! executed the same give the same bytes, whatever their JSON writer does with numbers,
//! escapes or the order of members.

use std::collections::BTreeSet;
use std::sync::Arc;

use haltbox_format::Digest;
use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::entry_type::{TypeKey, TypeName, TypePattern, TypeTable};
use crate::fault::Fault;
use crate::json::{self, Key, Malformed, Member};
use crate::wrapped::WrapRules;

/// The `canonical` section of a profile. Its fields, and all fields inside it, are
/// declared in alphabetical order: the digest depends on that order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CanonicalSection {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cut: Vec<CutSection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<NameSection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<ReplaySection>,
    types: Vec<TypePattern>,
}

/// The parts of canonical entries that do not count for the HASH: honest nodes differ in
/// them, and they are still compared.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct NameSection {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cut: Vec<CutSection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    without: Vec<TypeName>,
}

/// What to leave out at one place in the entries of some types.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CutSection {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    at: Vec<Step>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keep: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    remove: Vec<Key>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    types: Vec<TypeName>,
}

/// The member by which an entry says that it repeats earlier work.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ReplaySection {
    is: bool,
    member: Key,
}

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "expected a member's name or the index of an element"
)]
pub(crate) enum Step {
    Element(usize),
    Member(Key),
}

/// Most steps to a place. The limit bounds the recursion of a walk.
pub(crate) const DEEPEST: usize = 8;

/// Rules for which entries are canonical, and which parts of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CanonicalRules {
    rules: Arc<Rules>,
    /// Set if not every canonical entry counts for the HASH.
    named: Option<Arc<NameRules>>,
}

#[derive(Debug)]
struct Rules {
    type_key: TypeKey,
    /// Has the allowed types only.
    cuts: TypeTable<Cut>,
    replay: Option<Replay>,
    digest: Digest,
    wrapped: Option<WrapRules>,
}

#[derive(Debug)]
struct NameRules {
    /// Has the allowed types only. `None`: the type does not count.
    cuts: TypeTable<Option<Cut>>,
    digest: Digest,
}

/// How a line counts for the HASH of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// The line is not canonical.
    Not,
    /// The line is canonical, but nothing of it counts for the HASH.
    Compared,
    /// The part that counts was appended.
    Named,
}

impl CanonicalRules {
    pub(crate) fn new(
        section: &CanonicalSection,
        type_key: TypeKey,
        wrapped: Option<WrapRules>,
    ) -> Result<CanonicalRules, Fault> {
        section.check()?;
        let named = section.name.as_ref().map(|name| name.rules(section));
        let cuts = section.table(|name| Cut::of(section.cuts_of(name)));
        Ok(CanonicalRules {
            rules: Arc::new(Rules {
                type_key,
                cuts,
                replay: section.replay.as_ref().map(Replay::new),
                digest: section.digest_without_name()?,
                wrapped,
            }),
            named: named.transpose()?.map(Arc::new),
        })
    }

    /// The rules by which earlier versions named blocks: every canonical entry counts.
    /// `None` if these rules are the same.
    pub fn former(&self) -> Option<CanonicalRules> {
        self.named.is_some().then(|| CanonicalRules {
            rules: Arc::clone(&self.rules),
            named: None,
        })
    }

    /// Rules for entries inside lines that hold more than the entry.
    pub(crate) fn wrapped(&self) -> Option<&WrapRules> {
        self.rules.wrapped.as_ref()
    }

    /// Appends the line's canonical form to `out`, without a newline. Returns `false` and
    /// appends nothing if the entry has none: its type is not allowed or cannot be read,
    /// or it repeats earlier work.
    ///
    /// An allowed entry whose JSON cannot be walked is appended whole.
    pub fn cut(&self, line: &[u8], out: &mut Vec<u8>) -> bool {
        match self.cut_of(line) {
            Some(cut) if !self.is_replay(line) => {
                cut.form(line, out);
                true
            }
            _ => false,
        }
    }

    /// Like [`CanonicalRules::cut`], for a line that `SlogRules::read` found to be
    /// canonical: this does not check again whether it repeats earlier work.
    pub fn cut_canonical(&self, line: &[u8], out: &mut Vec<u8>) {
        if let Some(cut) = self.cut_of(line) {
            cut.form(line, out);
        }
    }

    /// Appends the part of the line that counts for the HASH, without a newline.
    pub(crate) fn cut_named(&self, line: &[u8], out: &mut Vec<u8>) -> Counts {
        let Some(named) = &self.named else {
            return match self.cut(line, out) {
                true => Counts::Named,
                false => Counts::Not,
            };
        };
        let cut = self.rules.type_key.of(line);
        match cut.and_then(|name| named.cuts.get(name)) {
            Some(_) if self.is_replay(line) => Counts::Not,
            Some(Some(cut)) => {
                cut.form(line, out);
                Counts::Named
            }
            Some(None) => Counts::Compared,
            None => Counts::Not,
        }
    }

    fn cut_of(&self, line: &[u8]) -> Option<&Cut> {
        self.rules.cuts.get(self.rules.type_key.of(line)?)
    }

    /// BLAKE3 of the profile's `canonical` section without its `name`. Two recordings can
    /// be compared if it is equal. Comments and the rest of the profile do not change it.
    pub fn digest(&self) -> Digest {
        self.rules.digest
    }

    /// BLAKE3 of the whole section. Two HASHes can be compared if it is equal.
    pub fn name_digest(&self) -> Digest {
        self.named
            .as_ref()
            .map_or(self.digest(), |named| named.digest)
    }

    /// Whether the rules have a member that marks repeated work.
    pub(crate) fn knows_replays(&self) -> bool {
        self.rules.replay.is_some()
    }

    /// Whether the line says that it repeats earlier work.
    pub(crate) fn is_replay(&self, line: &[u8]) -> bool {
        self.rules
            .replay
            .as_ref()
            .is_some_and(|replay| replay.holds(line))
    }
}

impl CanonicalSection {
    /// The types whose entries are canonical unless they are replays.
    pub(crate) fn types(&self) -> &[TypePattern] {
        &self.types
    }

    /// Every type that the section names in full, once.
    pub(crate) fn names(&self) -> BTreeSet<TypeName> {
        let allowed = self.types.iter().filter_map(TypePattern::name);
        let name = self.name.iter();
        let without = name.clone().flat_map(|name| &name.without);
        let cuts = self.cut.iter().chain(name.flat_map(|name| &name.cut));
        allowed
            .chain(cuts.flat_map(|cut| &cut.types))
            .chain(without)
            .cloned()
            .collect()
    }

    /// The cuts for a type, or for types that have no name in the section.
    fn cuts_of(&self, name: Option<&TypeName>) -> impl Iterator<Item = &CutSection> {
        self.cut.iter().filter(move |cut| cut.applies_to(name))
    }

    /// A table with a rule for each allowed type.
    fn table<T: Clone>(&self, rule: impl Fn(Option<&TypeName>) -> T) -> TypeTable<T> {
        let names = self.names().into_iter();
        let common = rule(None);
        let prefixes = self.types.iter().filter_map(TypePattern::prefix);
        TypeTable::new(
            names.map(|name| {
                let own = rule(Some(&name));
                (name, own)
            }),
            prefixes.map(|prefix| (prefix.clone(), common.clone())),
        )
    }

    fn check(&self) -> Result<(), Fault> {
        self.check_cuts(&self.cut, "cut")?;
        let Some(name) = &self.name else {
            return Ok(());
        };
        self.check_cuts(&name.cut, "name.cut")?;
        let mut without = name.without.iter();
        match without.find(|name| !self.allows(name)) {
            Some(name) => Err(Fault::new(
                "slog.canonical.name.without",
                format!("expected types that `types` allows, found `{name}`"),
            )),
            None => Ok(()),
        }
    }

    fn check_cuts(&self, cuts: &[CutSection], key: &str) -> Result<(), Fault> {
        for (n, cut) in cuts.iter().enumerate() {
            let fault = |problem| Err(Fault::new(format!("slog.canonical.{key}[{n}]"), problem));
            if cut.keep.is_empty() == cut.remove.is_empty() {
                return fault(
                    "expected either `keep` or `remove`, with at least one name".to_owned(),
                );
            }
            if cut.at.len() > DEEPEST {
                let steps = cut.at.len();
                return fault(format!(
                    "expected at most {DEEPEST} steps in `at`, found {steps}"
                ));
            }
            if let Some(name) = cut.types.iter().find(|name| !self.allows(name)) {
                return fault(format!(
                    "expected types that `types` allows, found `{name}`"
                ));
            }
        }
        Ok(())
    }

    fn allows(&self, name: &TypeName) -> bool {
        self.types.iter().any(|t| t.covers(name.as_bytes()))
    }

    fn digest_without_name(&self) -> Result<Digest, Fault> {
        let compared = CanonicalSection {
            name: None,
            ..self.clone()
        };
        compared.digest()
    }

    fn digest(&self) -> Result<Digest, Fault> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Fault::new("slog.canonical".to_owned(), error.to_string()))?;
        Ok(Digest(blake3::hash(&text).into()))
    }
}

impl NameSection {
    fn rules(&self, of: &CanonicalSection) -> Result<NameRules, Fault> {
        let cuts = of.table(|name| {
            let counts = name.is_none_or(|name| !self.without.contains(name));
            let own = self.cut.iter().filter(|cut| cut.applies_to(name));
            counts.then(|| Cut::of(of.cuts_of(name).chain(own)))
        });
        Ok(NameRules {
            cuts,
            digest: of.digest()?,
        })
    }
}

impl CutSection {
    fn applies_to(&self, name: Option<&TypeName>) -> bool {
        self.types.is_empty() || name.is_some_and(|name| self.types.contains(name))
    }
}

/// Finds entries that repeat earlier work. For most entries a search for the quoted name,
/// and the first letter of the value behind it, is enough to rule it out.
#[derive(Debug)]
struct Replay {
    member: Key,
    is: bool,
    quoted: memmem::Finder<'static>,
}

impl Replay {
    fn new(section: &ReplaySection) -> Replay {
        let quoted = format!("\"{}\"", section.member);
        Replay {
            member: section.member.clone(),
            is: section.is,
            quoted: memmem::Finder::new(&quoted).into_owned(),
        }
    }

    fn holds(&self, line: &[u8]) -> bool {
        let mut sightings = self.quoted.find_iter(line);
        let length = self.quoted.needle().len();
        sightings.any(|at| self.may_hold(line.get(at + length..).unwrap_or_default()))
            && json::find(line, self.member.as_bytes()).and_then(json::read_bool) == Some(self.is)
    }

    /// Whether the bytes behind the name can be the value that is looked for.
    fn may_hold(&self, rest: &[u8]) -> bool {
        match rest {
            [b':', b't', ..] => self.is,
            [b':', b'f', ..] => !self.is,
            _ => true,
        }
    }
}

/// What to leave out of one value and of the values inside it.
#[derive(Clone, Debug, Default)]
struct Cut {
    /// For the members of an object: a member stays if every list lets it stay.
    lists: Vec<List>,
    inside: Vec<(Step, Cut)>,
}

#[derive(Clone, Debug)]
enum List {
    Keep(Names),
    Remove(Names),
}

impl List {
    fn lets_stay(&self, key: &[u8]) -> bool {
        match self {
            List::Keep(names) => names.have(key),
            List::Remove(names) => !names.have(key),
        }
    }
}

/// Names, and a bit for each of their lengths. Most keys have another length, so one test
/// rules them out.
#[derive(Clone, Debug)]
struct Names {
    names: Vec<Key>,
    lengths: u64,
}

impl Names {
    fn new(names: &[Key]) -> Names {
        let lengths = names.iter().map(|name| length_bit(name.as_bytes()));
        Names {
            names: names.to_vec(),
            lengths: lengths.fold(0, |bits, bit| bits | bit),
        }
    }

    fn have(&self, key: &[u8]) -> bool {
        self.lengths & length_bit(key) != 0 && self.names.iter().any(|name| name.as_bytes() == key)
    }
}

fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

impl Cut {
    fn of<'a>(sections: impl Iterator<Item = &'a CutSection>) -> Cut {
        let mut cut = Cut::default();
        for section in sections {
            cut.at(&section.at)
                .lists
                .push(match section.keep.is_empty() {
                    true => List::Remove(Names::new(&section.remove)),
                    false => List::Keep(Names::new(&section.keep)),
                });
        }
        cut
    }

    /// The cut of the value at `steps`, which is created if it does not exist.
    fn at(&mut self, steps: &[Step]) -> &mut Cut {
        let Some((step, rest)) = steps.split_first() else {
            return self;
        };
        let known = self.inside.iter().position(|(known, _)| known == step);
        let index = known.unwrap_or_else(|| {
            self.inside.push((step.clone(), Cut::default()));
            self.inside.len() - 1
        });
        self.inside[index].1.at(rest)
    }

    /// Appends the canonical form of an entry.
    fn form(&self, line: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        if self.object(line, out).is_err() {
            out.truncate(before);
            out.extend_from_slice(line);
        }
    }

    fn value(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        match value.first() {
            Some(b'{') => self.object(value, out),
            Some(b'[') => self.array(value, out),
            _ => {
                out.extend_from_slice(value);
                Ok(())
            }
        }
    }

    fn object(&self, object: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut separator = b'{';
        for member in json::members(object) {
            let member = member?;
            if self.lists.iter().all(|list| list.lets_stay(member.key)) {
                out.push(separator);
                self.member(member, out)?;
                separator = b',';
            }
        }
        close(out, separator, *b"{}");
        Ok(())
    }

    fn member(&self, member: Member<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let named = |step: &Step| matches!(step, Step::Member(key) if key.as_bytes() == member.key);
        let Some(cut) = self.inside(named) else {
            out.extend_from_slice(member.text);
            return Ok(());
        };
        let before_value = member.text.len() - member.value.len();
        out.extend_from_slice(member.text.get(..before_value).unwrap_or_default());
        cut.value(member.value, out)
    }

    fn array(&self, array: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let mut separator = b'[';
        for (n, element) in json::elements(array).enumerate() {
            let element = element?;
            out.push(separator);
            separator = b',';
            match self.inside(|step| *step == Step::Element(n)) {
                Some(cut) => cut.value(element, out)?,
                None => out.extend_from_slice(element),
            }
        }
        close(out, separator, *b"[]");
        Ok(())
    }

    fn inside(&self, leads_to: impl Fn(&Step) -> bool) -> Option<&Cut> {
        self.inside
            .iter()
            .find(|(step, _)| leads_to(step))
            .map(|(_, cut)| cut)
    }
}

/// Closes an object or array. If nothing was written, it is opened first.
fn close(out: &mut Vec<u8>, separator: u8, [open, close]: [u8; 2]) {
    if separator == open {
        out.push(open);
    }
    out.push(close);
}

#[cfg(test)]
mod tests;
