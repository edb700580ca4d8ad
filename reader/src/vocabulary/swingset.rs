//! Agoric's SwingSet: a kernel that runs vats, and the slog that it writes.

mod entry_order;
mod opening;

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use haltbox_model::json;
use memchr::memmem;

use super::entry::{self, is_type, type_of};
use super::{EntryOrder, Numbers, RequestTarget, Role, Span, Steps, Vocabulary, Written};
use crate::carrier::Origin;
use crate::values;
use opening::Opening;

/// Entries of a kernel of vats.
#[derive(Debug)]
pub struct SwingSet;

const BEGIN: &str = "cosmic-swingset-begin-block";

impl Vocabulary for SwingSet {
    fn outside(&self) -> &'static [&'static str] {
        &[
            "the chain's module hashes at that height, from both nodes (agd query or export)",
            "a backup of swing-store and of the application database, from both nodes",
            "a trace of the Cosmos side (trace-store) of that block",
        ]
    }

    fn runner(&self) -> &'static str {
        "kernel"
    }

    fn block_begins(&self) -> &'static str {
        BEGIN
    }

    fn role(&self, kind: &[u8]) -> Role {
        role(kind)
    }

    fn numbers(&self, line: &[u8]) -> Numbers {
        numbers(line)
    }

    fn brief(&self, line: &str) -> String {
        brief(line)
    }

    fn own_numbers(&self) -> &'static [&'static str] {
        &OWN_NUMBERS
    }

    fn without_references(&self, entry: Vec<u8>) -> Vec<u8> {
        without_references(&entry)
    }

    fn input_number(&self) -> &'static str {
        INPUT_NUMBER
    }

    fn input_name(&self, line: &[u8]) -> Option<String> {
        let value = json::find(line, INPUT_NUMBER.as_bytes())?;
        json::read_str(value).map(Cow::into_owned)
    }

    fn height(&self, line: &[u8]) -> Option<u64> {
        json::find(line, b"blockHeight").and_then(values::read_u64)
    }

    fn is_numbered(&self, role: Role) -> bool {
        is_numbered(role)
    }

    fn asked_key<'a>(&self, line: &'a [u8]) -> Option<(String, &'a [u8])> {
        let [name, vat, key] = syscall(line)?;
        (json::read_str(name)? == "vatstoreGet").then_some(())?;
        Some((json::read_str(vat)?.into_owned(), key))
    }

    fn answer<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        json::elements(json::find(line, b"ksr")?).nth(1)?.ok()
    }

    fn written<'a>(&self, line: &'a [u8]) -> Option<Written<'a>> {
        if !is_type(line, "syscall") {
            return None;
        }
        let [name, vat, key] = syscall(line)?;
        let value = match &*json::read_str(name)? {
            "vatstoreSet" => Some(json::elements(json::find(line, b"ksc")?).nth(3)?.ok()?),
            "vatstoreDelete" => None,
            _ => return None,
        };
        Some((json::read_str(vat)?.into_owned(), key, value))
    }

    fn settles_writes(&self, line: &[u8]) -> bool {
        is_type(line, "crank-finish")
    }

    /// True if the delivery failed, or the vat was terminated with a rejection.
    fn aborts(&self, line: &[u8]) -> bool {
        if is_type(line, "deliver-result") {
            let status = json::find(line, b"dr").and_then(|dr| json::elements(dr).next()?.ok());
            return status != Some(b"\"ok\"");
        }
        is_type(line, "terminate")
            && json::find(line, b"shouldReject").and_then(json::read_bool) == Some(true)
    }

    fn asked(&self, line: &[u8]) -> RequestTarget {
        asked(line)
    }

    /// The delivery, the syscall, its answer, or the status and compute of the result.
    fn repeated<'a>(&self, line: &'a [u8], role: Role) -> Vec<&'a [u8]> {
        let member: &[u8] = match role {
            Role::Deliver => b"vd",
            Role::Syscall => b"vsc",
            Role::SyscallResult => b"vsr",
            _ => b"dr",
        };
        let value = json::find(line, member).unwrap_or_default();
        if role != Role::DeliverResult {
            return vec![value];
        }
        let mut parts = json::elements(value).flatten();
        let status = parts.next().unwrap_or_default();
        let meter = parts.nth(1).unwrap_or_default();
        vec![status, json::find(meter, b"compute").unwrap_or_default()]
    }

    fn entry_order(&self) -> Box<dyn EntryOrder> {
        Box::new(entry_order::OfKernel::default())
    }

    fn structure_fault(&self, lines: &[&[u8]]) -> Option<(usize, String)> {
        structure_fault(lines)
    }

    fn spans(&self) -> &'static [Span] {
        &SPANS
    }

    fn leaves_no_trace(&self, entry: &[u8], begun: bool, in_crank: bool) -> bool {
        let kind = type_of(entry);
        match &*kind {
            "clist" => !in_crank,
            "cosmic-swingset-run-start"
            | "cosmic-swingset-run-finish"
            | "cosmic-swingset-bootstrap-block-finish" => !begun,
            // The sender splits the number, and fails if it is not a string.
            _ if role(kind.as_bytes()) == Role::Input => {
                let number = json::find(entry, INPUT_NUMBER.as_bytes());
                number.is_some_and(|number| !number.starts_with(b"\""))
            }
            _ => false,
        }
    }

    fn is_as_written(&self, line: &[u8], _origin: Origin) -> bool {
        is_as_written(line)
    }

    fn is_of_unknown_version(&self, kind: &str, member: Option<&str>) -> bool {
        is_of_unknown_version(kind, member)
    }

    fn begins_chain(&self, line: &[u8]) -> bool {
        is_type(line, "cosmic-swingset-bootstrap-block-start")
    }

    /// Only the first crank of a chain names the chain.
    fn chain_id(&self, line: &[u8]) -> Option<String> {
        chain_id(line)
    }

    fn loaded(&self, line: &[u8]) -> Option<String> {
        let loads = is_type(line, "heap-snapshot-load") || is_type(line, "start-replay");
        loads.then(|| numbers(line).vat)?
    }

    fn snapshot_id(&self) -> Option<&'static str> {
        Some(SNAPSHOT_ID)
    }

    fn snapshot(&self, line: &[u8]) -> String {
        Snapshot::read(line).to_string()
    }
}

/// Name, vat and key of a syscall to a vat's store.
fn syscall(line: &[u8]) -> Option<[&[u8]; 3]> {
    let mut parts = json::elements(json::find(line, b"ksc")?);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// The member that numbers an input. It says where the input came in, and not what it is.
const INPUT_NUMBER: &str = "inboundNum";

/// Members that number an entry, or follow from its numbers.
const OWN_NUMBERS: [&str; 6] = [
    "crankNum",
    "deliveryNum",
    "syscallNum",
    "runNum",
    "crankhash",
    INPUT_NUMBER,
];

fn role(name: &[u8]) -> Role {
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

/// Members of canonical entries that known kernels write, sorted.
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

/// Types of canonical entries. With `true`, a type that only begins so is known too.
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

/// Whether no known kernel writes such entries, or this member in them.
fn is_of_unknown_version(name: &str, member: Option<&str>) -> bool {
    let own = ["crank-", "deliver", "syscall"];
    let known = TYPES
        .iter()
        .any(|(of, more)| *of == name || *more && name.starts_with(of));
    match member {
        Some(member) => known && MEMBERS.binary_search(&member).is_err(),
        None => !known && own.iter().any(|start| name.starts_with(start)),
    }
}

fn role_of(line: &[u8]) -> Role {
    role(type_of(line).as_bytes())
}

fn numbers(line: &[u8]) -> Numbers {
    if let Some(step) = Opening::new(line).and_then(Opening::step) {
        return Numbers {
            crank: step.crank,
            vat: Some(step.vat.to_owned()),
            delivery: Some(step.delivery),
            syscall: step.syscall,
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

/// What the syscall of an entry, or of its answer, is addressed to.
fn asked(line: &[u8]) -> RequestTarget {
    let name = json::find(line, b"syscall").and_then(json::read_str);
    match name.as_deref() {
        Some("vatstoreGet" | "vatstoreGetNextKey" | "vatstoreGetAfter") => RequestTarget::Read,
        Some("callNow") => RequestTarget::Device,
        _ => RequestTarget::Other,
    }
}

/// Removes the numbers of references: `kp12` becomes `kp`, `o-34` becomes `o-`. Only whole
/// words count.
fn without_references(text: &[u8]) -> Vec<u8> {
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

/// The index of the number of the reference that begins at `at`.
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

/// Whether the kernel's `JSON.stringify` can have written the line: `time` comes before
/// `monotime` at its end, and only what JavaScript escapes is escaped.
fn is_as_written(line: &[u8]) -> bool {
    entry::is_compact(line)
        && has_times_in_order(line)
        && has_whole_numbers(line)
        && values::has_javascript_escapes(line)
}

fn has_times_in_order(line: &[u8]) -> bool {
    ends_with_times(line) || {
        let monotime = memmem::rfind(line, b",\"monotime\":");
        let time = memmem::rfind(line, b",\"time\":");
        monotime.is_none_or(|monotime| time.is_some_and(|time| time < monotime))
    }
}

/// A fast check that nearly every line passes, some with `seconds` behind the two times. It
/// reads no other member.
fn ends_with_times(line: &[u8]) -> bool {
    let before = |line: &[u8]| memchr::memrchr(b',', line).unwrap_or(0);
    let last = before(line);
    let second = before(&line[..last]);
    let is_monotime = |at: usize| line[at..].starts_with(b",\"monotime\":");
    let monotime = if is_monotime(last) { last } else { second };
    let time = before(&line[..monotime]);
    is_monotime(monotime) && line[time..].starts_with(b",\"time\":")
}

/// Members whose values are whole numbers.
static WHOLE: LazyLock<[memmem::Finder<'static>; 2]> =
    LazyLock::new(|| [b"\"crankNum\":".as_slice(), b"\"blockHeight\":"].map(memmem::Finder::new));

/// Whether these are whole numbers without a fraction or an exponent, as JavaScript writes
/// them.
fn has_whole_numbers(line: &[u8]) -> bool {
    WHOLE.iter().all(|name| {
        let at = name.find(line).map(|at| at + name.needle().len());
        let value = at.and_then(|at| line.get(at..));
        let end = value.and_then(|value| value.iter().find(|byte| !byte.is_ascii_digit()));
        end.is_none_or(|byte| matches!(byte, b',' | b'}'))
    })
}

/// The chain that the source belongs to, if the entry says. Only the first crank of a chain
/// does.
fn chain_id(line: &[u8]) -> Option<String> {
    let text = &line[..line.len().min(1 << 20)];
    let at = memmem::find(text, br#"chainID\":\""#)?;
    let rest = text.get(at + 12..)?;
    let end = rest.iter().position(|byte| *byte == b'\\')?;
    Some(String::from_utf8_lossy(&rest[..end.min(64)]).into_owned())
}

fn is_numbered(role: Role) -> bool {
    matches!(
        role,
        Role::Deliver
            | Role::DeliverResult
            | Role::Syscall
            | Role::SyscallResult
            | Role::CrankFinish
    )
}

/// Why the entries of one crank cannot be complete and in order: the index of the first wrong
/// one, and the reason.
fn structure_fault(lines: &[&[u8]]) -> Option<(usize, String)> {
    let starts = |line: &&[u8]| role_of(line) == Role::CrankStart;
    if lines.first().is_some_and(|line| !starts(line)) {
        return Some((0, "the crank's start is missing".to_owned()));
    }
    let mut steps = Steps::default();
    for (index, line) in lines.iter().enumerate() {
        let role = role_of(line);
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
        .is_some_and(|line| role_of(line) == Role::CrankFinish);
    (!whole).then(|| (lines.len(), "the crank's end is missing".to_owned()))
}

/// An entry in one line for people: its type, and its most useful member.
fn brief(line: &str) -> String {
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
const SNAPSHOT_ID: &str = "snapshotID";

/// What an entry says about a heap snapshot.
#[derive(Clone, Debug, Default)]
struct Snapshot {
    id: Option<String>,
    /// Sizes in bytes: uncompressed and compressed.
    sizes: [Option<u64>; 2],
}

impl Snapshot {
    /// Reads it from an entry.
    fn read(line: &[u8]) -> Snapshot {
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

const SPANS: [Span; 4] = [
    Span {
        opening: "cosmic-swingset-end-block-start",
        closing: "cosmic-swingset-end-block-finish",
        of_begun: true,
    },
    Span {
        opening: "cosmic-swingset-run-start",
        closing: "cosmic-swingset-run-finish",
        of_begun: true,
    },
    Span {
        opening: "crank-start",
        closing: "crank-finish",
        of_begun: false,
    },
    Span {
        opening: "deliver",
        closing: "deliver-result",
        of_begun: false,
    },
];
