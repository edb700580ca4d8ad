//! What the entries of a SwingSet slog mean to a comparison.

use std::borrow::Cow;
use std::fmt;

use haltbox_format::json;
use memchr::memmem;

use super::role::{self, Numbers, Role, numbers, type_of};
use super::values;

/// What a syscall is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It reads the vat's own store.
    Read,
    /// It asks a device, and so the host.
    Device,
    /// Anything else.
    Other,
}

/// The member that numbers an input: where it came in, not what it is.
pub const INPUT_NUMBER: &str = "inboundNum";

/// Members that number an entry, and what follows from its numbers.
pub(super) const OWN_NUMBERS: [&str; 6] = [
    "crankNum",
    "deliveryNum",
    "syscallNum",
    "runNum",
    "crankhash",
    INPUT_NUMBER,
];

/// The role of entries of a type.
pub(super) fn role(name: &str) -> Role {
    match name {
        "cosmic-swingset-bridge-inbound"
        | "cosmic-swingset-deliver-inbound"
        | "cosmic-swingset-install-bundle"
        | "cosmic-swingset-inject-kernel-upgrade-events"
        | "cosmic-swingset-upgrade-start"
        | "cosmic-swingset-bootstrap-block-start" => Role::Input,
        "cosmic-swingset-timer-poll" => Role::Trigger,
        "cosmic-swingset-begin-block" => Role::Begin,
        "heap-snapshot-save" => Role::Snapshot,
        "cosmic-swingset-run-start" => Role::RunStart,
        "cosmic-swingset-run-finish" => Role::RunFinish,
        "crank-start" => Role::CrankStart,
        "crank-finish" => Role::CrankFinish,
        "deliver" => Role::Deliver,
        "deliver-result" => Role::DeliverResult,
        "syscall" => Role::Syscall,
        "syscall-result" => Role::SyscallResult,
        _ => Role::Other,
    }
}

/// What the syscall of an entry, or of its answer, is for.
pub fn asked(line: &[u8]) -> Asked {
    let name = json::find(line, b"syscall").and_then(json::read_str);
    match name.as_deref() {
        Some("vatstoreGet" | "vatstoreGetNextKey" | "vatstoreGetAfter") => Asked::Read,
        Some("callNow") => Asked::Device,
        _ => Asked::Other,
    }
}

/// `kp12` becomes `kp`, `o-34` becomes `o-`: only as whole words.
pub(super) fn without_references(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let prefix = reference_prefix(text, at);
        match prefix {
            Some(end) => {
                out.extend_from_slice(&text[at..end]);
                at = end + digits(&text[end..]);
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Where the number of a reference that begins at `at` begins.
fn reference_prefix(text: &[u8], at: usize) -> Option<usize> {
    const PREFIXES: [&[u8]; 9] = [
        b"ko", b"kp", b"kd", b"o+", b"o-", b"p+", b"p-", b"d+", b"d-",
    ];
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    if before.is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = text.get(at..)?;
    let prefix = PREFIXES.iter().find(|prefix| rest.starts_with(prefix))?;
    let end = at + prefix.len();
    let length = digits(&text[end..]);
    let after = text.get(end + length);
    (length > 0 && !after.is_some_and(u8::is_ascii_alphanumeric)).then_some(end)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether a line can be as the kernel's `JSON.stringify` wrote it: the time stands
/// before the monotonic one at its end, and only what JavaScript escapes is escaped.
pub(super) fn is_as_written(line: &[u8]) -> bool {
    let Some(monotime) = memmem::rfind(line, b",\"monotime\":") else {
        return true;
    };
    let time = memmem::rfind(line, b",\"time\":");
    time.is_some_and(|time| time < monotime)
        && values::has_javascript_escapes(line)
        && has_whole_numbers(line)
}

/// JavaScript writes whole numbers without a fraction or an exponent.
fn has_whole_numbers(line: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"\"crankNum\":", b"\"blockHeight\":"];
    names.iter().all(|name| {
        let value = memmem::find(line, name).and_then(|at| line.get(at + name.len()..));
        let end = value.and_then(|value| value.iter().find(|byte| !byte.is_ascii_digit()));
        end.is_none_or(|byte| matches!(byte, b',' | b'}'))
    })
}

/// A chain's very first block begins with its bootstrap.
pub fn begins_chain(line: &[u8]) -> bool {
    type_of(line) == "cosmic-swingset-bootstrap-block-start"
}

/// The chain a source is of, if the entry tells: only the first crank of a
/// chain does.
pub fn chain_id(line: &[u8]) -> Option<String> {
    let text = &line[..line.len().min(1 << 20)];
    let at = memmem::find(text, br#"chainID\":\""#)?;
    let rest = text.get(at + 12..)?;
    let end = rest.iter().position(|byte| *byte == b'\\')?;
    Some(String::from_utf8_lossy(&rest[..end.min(64)]).into_owned())
}

/// Why the entries of one crank cannot all be there as they were written: the
/// index of the first that does not follow.
pub fn structure_fault(lines: &[&[u8]]) -> Option<(usize, String)> {
    let mut waits: Option<(Role, Numbers)> = None;
    let mut next_syscall = 0;
    if lines
        .first()
        .is_some_and(|line| role::of(line) != Role::CrankStart)
    {
        return Some((0, "the crank's start is missing".to_owned()));
    }
    for (index, line) in lines.iter().enumerate() {
        let role = role::of(line);
        let numbers = numbers(line);
        let fault = |what: String| Some((index, what));
        match (role, waits.as_ref().map(|(role, _)| *role)) {
            (Role::CrankStart, _) if index > 0 => {
                return fault("a crank begins inside a crank".into());
            }
            (Role::Deliver, Some(Role::Deliver)) => {
                return fault("a delivery begins before the last one ended".into());
            }
            (Role::Syscall, Some(Role::Syscall)) => {
                return fault("a syscall follows one without its result".into());
            }
            (Role::SyscallResult, _) => match waits.take() {
                Some((Role::Syscall, of)) if of.syscall == numbers.syscall => {
                    waits = Some((Role::Deliver, of));
                }
                _ => return fault("a syscall's result stands without its syscall".into()),
            },
            (Role::Syscall, found) => {
                if found.is_none() {
                    return fault("a syscall stands outside a delivery".into());
                }
                if numbers.syscall != Some(next_syscall) {
                    let number = numbers.syscall.map_or("none".to_owned(), |n| n.to_string());
                    return fault(format!(
                        "syscall {number} stands where {next_syscall} was expected"
                    ));
                }
                next_syscall += 1;
                waits = Some((Role::Syscall, numbers));
            }
            (Role::Deliver, _) => {
                next_syscall = 0;
                waits = Some((Role::Deliver, numbers));
            }
            (Role::DeliverResult, Some(Role::Deliver)) => waits = None,
            (Role::DeliverResult, _) => {
                return fault("a delivery's result does not follow its delivery".into());
            }
            (Role::CrankFinish, Some(_)) => return fault("a crank ends inside a delivery".into()),
            (Role::CrankFinish, None) if index + 1 < lines.len() => {
                return fault("entries follow the crank's end".into());
            }
            _ => {}
        }
    }
    let whole = lines
        .last()
        .is_some_and(|line| role::of(line) == Role::CrankFinish);
    (!whole).then(|| (lines.len(), "the crank's end is missing".to_owned()))
}

/// An entry in one line for people: its type, and the member that says most.
pub fn brief(line: &str) -> String {
    let bytes = line.as_bytes();
    let kind = type_of(bytes);
    let member = |name: &str| json::find(bytes, name.as_bytes()).map(String::from_utf8_lossy);
    let numbers = numbers(bytes);
    let syscall = numbers
        .syscall
        .map_or(String::new(), |number| format!(" {number}"));
    let telling = [
        "vsc",
        "vsr",
        "vd",
        "dr",
        "message",
        "crankhash",
        "body",
        "vobj",
        "blockHeight",
        "stats",
    ];
    match telling.iter().find_map(|name| member(name)) {
        Some(value) => format!("{kind}{syscall} {value}"),
        None => line.to_owned(),
    }
}

/// The member that names a heap snapshot by its content.
pub const SNAPSHOT_ID: &str = "snapshotID";

/// What an entry tells of a heap snapshot.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    id: Option<String>,
    /// Bytes, plain and compressed.
    sizes: [Option<u64>; 2],
}

impl Snapshot {
    /// Reads it.
    pub fn read(line: &[u8]) -> Snapshot {
        let [id, plain, compressed] = json::pick(
            line,
            [
                SNAPSHOT_ID.as_bytes(),
                b"uncompressedSize",
                b"compressedSize",
            ],
        );
        Snapshot {
            id: id.and_then(json::read_str).map(Cow::into_owned),
            sizes: [plain, compressed].map(|size| size.and_then(json::read_u64)),
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: Option<u64>| size.map_or("unknown".to_owned(), |size| size.to_string());
        let [plain, compressed] = self.sizes.map(size);
        let id = self.id.as_deref().unwrap_or("unknown");
        write!(f, "snapshot {id}, {plain} bytes, {compressed} compressed")
    }
}

/// The number an input came with.
pub fn input_number(line: &[u8]) -> Option<String> {
    let value = json::find(line, INPUT_NUMBER.as_bytes())?;
    json::read_str(value).map(Cow::into_owned)
}
