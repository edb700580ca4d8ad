//! What the entries of a SwingSet slog mean to a comparison.

use std::borrow::Cow;
use std::fmt;

use haltbox_format::json;
use memchr::memmem;

use super::role::{self, Role, numbers, type_of};
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
pub(crate) fn role(name: &[u8]) -> Role {
    match name {
        b"cosmic-swingset-bridge-inbound"
        | b"cosmic-swingset-deliver-inbound"
        | b"cosmic-swingset-install-bundle"
        | b"cosmic-swingset-inject-kernel-upgrade-events"
        | b"cosmic-swingset-upgrade-start"
        | b"cosmic-swingset-bootstrap-block-start" => Role::Input,
        b"cosmic-swingset-timer-poll" => Role::Trigger,
        b"cosmic-swingset-begin-block" => Role::Begin,
        b"cosmic-swingset-end-block-finish" => Role::End,
        b"heap-snapshot-save" => Role::Snapshot,
        b"cosmic-swingset-run-start" => Role::RunStart,
        b"cosmic-swingset-run-finish" => Role::RunFinish,
        b"crank-start" => Role::CrankStart,
        b"crank-finish" => Role::CrankFinish,
        b"deliver" => Role::Deliver,
        b"deliver-result" => Role::DeliverResult,
        b"syscall" => Role::Syscall,
        b"syscall-result" => Role::SyscallResult,
        _ => Role::Other,
    }
}

/// Members of canonical entries that known kernels write, in order.
const MEMBERS: [&str; 66] = [
    "ack",
    "activityhash",
    "added",
    "afterCommitHangoverSeconds",
    "args",
    "blockHeight",
    "blockLagSeconds",
    "blockTime",
    "body",
    "compressSeconds",
    "compressedSize",
    "coreProposals",
    "count",
    "crankNum",
    "crankType",
    "crankhash",
    "dbSaveSeconds",
    "deliveryNum",
    "dispatch",
    "dr",
    "endPosition",
    "endoZipBase64Sha512",
    "error",
    "finishBeans",
    "inboundNum",
    "inboundQueueStartLengths",
    "inboundQueueStats",
    "info",
    "interBlockSeconds",
    "kd",
    "kobj",
    "ksc",
    "ksr",
    "level",
    "message",
    "messageType",
    "messages",
    "mode",
    "monotime",
    "phase",
    "processedActionCounts",
    "remainingBeans",
    "replay",
    "restartWorker",
    "runNum",
    "seconds",
    "sender",
    "shouldReject",
    "snapshotID",
    "source",
    "startBeans",
    "state",
    "stats",
    "syscall",
    "syscallNum",
    "time",
    "type",
    "uncompressedSize",
    "uncompressedSizeDelta",
    "usedBeans",
    "vatID",
    "vd",
    "vobj",
    "vsc",
    "vsr",
    "work",
];

/// Types of canonical entries, or how they begin, and whether a kernel writes entries
/// that begin so and are not called so.
const TYPES: [(&str, bool); 12] = [
    ("cosmic-swingset-", true),
    ("kernel-stats", false),
    ("crank-start", false),
    ("crank-finish", false),
    ("deliver", false),
    ("deliver-result", false),
    ("syscall", false),
    ("syscall-result", false),
    ("clist", false),
    ("terminate", false),
    ("vat-cleanup", true),
    ("heap-snapshot-save", false),
];

/// Whether no kernel that is known here writes such entries, or this member into them.
pub(super) fn is_of_unknown_version(name: &str, member: Option<&str>) -> bool {
    let own = ["crank-", "deliver", "syscall"];
    let known = TYPES
        .iter()
        .any(|(of, more)| *of == name || *more && name.starts_with(of));
    match member {
        Some(member) => known && MEMBERS.binary_search(&member).is_err(),
        None => !known && own.iter().any(|start| name.starts_with(start)),
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

/// Whether the numbers of such entries tell where in their crank they belong.
pub(super) fn is_numbered(role: Role) -> bool {
    matches!(
        role,
        Role::Deliver
            | Role::DeliverResult
            | Role::Syscall
            | Role::SyscallResult
            | Role::CrankFinish
    )
}

/// Deliveries and syscalls of one crank, as far as they were followed.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// What waits for its result; of a syscall, its number.
    waits: Option<(Role, Option<u64>)>,
    next_syscall: u64,
}

impl Steps {
    /// Followed from this entry on: what stood before it was not seen.
    pub fn from(role: Role, syscall: Option<u64>) -> Steps {
        let next_syscall = syscall.map_or(0, |number| number.saturating_add(1));
        let waits = match role {
            Role::Syscall => Some((Role::Syscall, syscall)),
            Role::SyscallResult | Role::Deliver => Some((Role::Deliver, None)),
            _ => None,
        };
        Steps {
            waits,
            next_syscall,
        }
    }

    /// Takes the next entry of the crank; says why it cannot follow.
    pub fn take(&mut self, role: Role, syscall: Option<u64>) -> Option<String> {
        let fault = |what: &str| Some(what.to_owned());
        match (role, self.waits) {
            (Role::Deliver, Some(_)) => {
                return fault("a delivery begins before the last one ended");
            }
            (Role::Syscall, Some((Role::Syscall, _))) => {
                return fault("a syscall follows one without its result");
            }
            (Role::SyscallResult, Some((Role::Syscall, of))) if of == syscall => {
                self.waits = Some((Role::Deliver, None));
            }
            (Role::SyscallResult, _) => {
                return fault("a syscall's result stands without its syscall");
            }
            (Role::Syscall, None) => return fault("a syscall stands outside a delivery"),
            (Role::Syscall, Some(_)) => {
                let next = self.next_syscall;
                if syscall != Some(next) {
                    let number = syscall.map_or("none".to_owned(), |n| n.to_string());
                    return Some(format!("syscall {number} stands where {next} was expected"));
                }
                self.next_syscall += 1;
                self.waits = Some((Role::Syscall, syscall));
            }
            (Role::Deliver, _) => {
                self.next_syscall = 0;
                self.waits = Some((Role::Deliver, None));
            }
            (Role::DeliverResult, Some((Role::Deliver, _))) => self.waits = None,
            (Role::DeliverResult, _) => {
                return fault("a delivery's result does not follow its delivery");
            }
            (Role::CrankFinish, Some(_)) => return fault("a crank ends inside a delivery"),
            _ => {}
        }
        None
    }
}

/// Why the entries of one crank cannot all be there as they were written: the
/// index of the first that does not follow.
pub fn structure_fault(lines: &[&[u8]]) -> Option<(usize, String)> {
    let starts = |line: &&[u8]| role::of(line) == Role::CrankStart;
    if lines.first().is_some_and(|line| !starts(line)) {
        return Some((0, "the crank's start is missing".to_owned()));
    }
    let mut steps = Steps::default();
    for (index, line) in lines.iter().enumerate() {
        let role = role::of(line);
        let what = match role {
            Role::CrankStart if index > 0 => Some("a crank begins inside a crank".to_owned()),
            _ => steps.take(role, numbers(line).syscall),
        };
        if let Some(what) = what {
            return Some((index, what));
        }
        if role == Role::CrankFinish && index + 1 < lines.len() {
            return Some((index, "entries follow the crank's end".to_owned()));
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
