//! What an entry is for a comparison. Two vocabularies are known, [`swingset`]'s
//! and that of [`transactions`]; their types have nothing in common. Everything
//! else in this module's neighbours knows only steps, units and inputs.

use std::borrow::Cow;

use haltbox_format::json;

use super::opening::Opening;
use super::{swingset, transactions, values};

/// What an entry is for a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Something that came in from outside: matched by its body.
    Input,
    /// Another trigger from outside the kernel.
    Trigger,
    /// A vat's heap is written down.
    Snapshot,
    /// The block's own parameters.
    Begin,
    /// A kernel run begins.
    RunStart,
    /// It ends.
    RunFinish,
    /// A crank begins.
    CrankStart,
    /// It ends.
    CrankFinish,
    /// A delivery to a vat.
    Deliver,
    /// What came of it.
    DeliverResult,
    /// A vat asks the kernel.
    Syscall,
    /// The kernel's answer.
    SyscallResult,
    /// A read, and what it gave.
    Read,
    /// What came of a transaction.
    Result,
    /// The block ends.
    End,
    /// Any other entry.
    Other,
}

impl Role {
    /// It comes from outside the kernel: what is not the same here is no fault of an
    /// execution.
    pub fn is_from_outside(self) -> bool {
        matches!(self, Role::Input | Role::Trigger | Role::Begin)
    }
}

/// Members that hold what a crank wrote, and all before it.
pub const HASHES: [&str; 2] = ["crankhash", "activityhash"];

/// The entry's type; empty if it has none.
pub fn type_of(line: &[u8]) -> Cow<'_, str> {
    let opening = Opening::new(line).and_then(|opening| str::from_utf8(opening.name).ok());
    opening.map_or_else(|| any_type(line), Cow::Borrowed)
}

/// The role of a kernel's entry; of other hosts' there is none.
pub(crate) fn of_kernel(line: &[u8], opening: Option<&Opening<'_>>) -> Role {
    match opening {
        Some(opening) => swingset::role(opening.name),
        None => swingset::role(any_type(line).as_bytes()),
    }
}

fn any_type(line: &[u8]) -> Cow<'_, str> {
    json::find(line, b"type")
        .and_then(json::read_str)
        .unwrap_or_default()
}

/// The role of an entry.
pub fn of(line: &[u8]) -> Role {
    of_type(&type_of(line))
}

/// The role of entries of a type.
pub fn of_type(name: &str) -> Role {
    match transactions::role(name) {
        Role::Other => swingset::role(name.as_bytes()),
        role => role,
    }
}

/// The numbers that place an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Crank.
    pub crank: Option<u64>,
    /// Vat.
    pub vat: Option<String>,
    /// Delivery to the vat, counted over its life.
    pub delivery: Option<u64>,
    /// Syscall within the delivery.
    pub syscall: Option<u64>,
    /// Transaction in the block, from 0.
    pub tx: Option<u64>,
    /// Operation in the transaction, or in the block outside of them, from 0.
    pub op: Option<u64>,
}

/// Reads them from an entry.
pub fn numbers(line: &[u8]) -> Numbers {
    if let Some(step) = Opening::new(line).and_then(Opening::step) {
        return Numbers {
            crank: step.crank,
            vat: Some(step.vat.to_owned()),
            delivery: Some(step.delivery),
            syscall: step.syscall,
            ..Numbers::default()
        };
    }
    if transactions::is_step(line) {
        let [tx, op] = json::pick(line, [b"tx", b"op"]).map(|n| n.and_then(values::read_u64));
        return Numbers {
            tx,
            op,
            ..Numbers::default()
        };
    }
    let [crank, vat, delivery, syscall] =
        json::pick(line, [b"crankNum", b"vatID", b"deliveryNum", b"syscallNum"]);
    Numbers {
        crank: crank.and_then(values::read_u64),
        vat: vat.and_then(json::read_str).map(Cow::into_owned),
        delivery: delivery.and_then(values::read_u64),
        syscall: syscall.and_then(values::read_u64),
        ..Numbers::default()
    }
}

/// Puts 0 in place of the value of a member of the entry that begins at `from`
/// of `text`: it stays JSON, and absence is still seen.
pub fn drop_value(text: &mut Vec<u8>, from: usize, member: &str) {
    let Some(entry) = text.get(from..) else {
        return;
    };
    if let Some(value) = json::find(entry, member.as_bytes()) {
        let begin = from + (value.as_ptr().addr() - entry.as_ptr().addr());
        let end = begin + value.len();
        text.splice(begin..end, *b"0");
    }
}

/// An entry without the hashes at a crank's end, where absence is not to be seen;
/// with its blanks between members gone.
pub fn without_hashes(entry: &[u8]) -> Vec<u8> {
    let kept = json::members(entry).flatten();
    let kept = kept.filter(|member| !HASHES.iter().any(|name| name.as_bytes() == member.key));
    let texts: Vec<&[u8]> = kept.map(|member| member.text).collect();
    [b"{".as_slice(), &texts.join(&b','), b"}"].concat()
}

/// Whether no version of a kernel that is known here writes such entries, or this
/// member into them. What other hosts write is theirs to choose.
pub fn is_of_unknown_version(name: &str, member: Option<&str>) -> bool {
    swingset::is_of_unknown_version(name, member)
}

/// Whether a line begins as hosts write it: its type first, without a blank.
pub fn opens_as_written(line: &[u8]) -> bool {
    line.starts_with(b"{\"type\":\"")
}

/// Whether a line can be as its host wrote it, and not as another JSON writer did
/// behind it.
pub fn is_as_written(line: &[u8]) -> bool {
    let mut rest = line.strip_prefix(b"{\"type\":\"").unwrap_or_default();
    let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
    rest = rest.get(end..).unwrap_or_default();
    let compact = rest.starts_with(b"\",\"") || rest == b"\"}";
    compact && swingset::is_as_written(line)
}

/// Whether an entry is of this type.
pub fn is_type(line: &[u8], name: &str) -> bool {
    match line.strip_prefix(b"{\"type\":\"") {
        Some(rest) => rest
            .strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.starts_with(b"\"")),
        None => type_of(line) == name,
    }
}

/// Whether an entry's type begins so.
pub fn type_starts(line: &[u8], start: &str) -> bool {
    match line.strip_prefix(b"{\"type\":\"") {
        Some(rest) => rest.starts_with(start.as_bytes()),
        None => type_of(line).starts_with(start),
    }
}

/// The member that says where an input came in, not what it is.
pub fn input_number_member(line: &[u8]) -> &'static str {
    match transactions::is_step(line) {
        true => "tx",
        false => swingset::INPUT_NUMBER,
    }
}

/// An entry in one line for people.
pub fn brief(line: &str) -> String {
    transactions::brief(line.as_bytes()).unwrap_or_else(|| swingset::brief(line))
}

/// An entry without the numbers that shift when something before it is moved,
/// inserted or left out: its own, and those of kernel and vat objects.
pub fn without_numbers(canonical: &[u8]) -> Vec<u8> {
    swingset::without_references(&without_own_numbers(canonical))
}

/// An entry without its own numbers.
pub fn without_own_numbers(canonical: &[u8]) -> Vec<u8> {
    let mut text = canonical.to_vec();
    let numbers: &[&str] = match transactions::is_step(canonical) {
        true => &transactions::OWN_NUMBERS,
        false => &swingset::OWN_NUMBERS,
    };
    numbers
        .iter()
        .for_each(|member| drop_value(&mut text, 0, member));
    text
}
