//! Other JSON writers: the same values in other bytes.

use serde_json::Value;

/// Writes a line anew.
type Writer = fn(&[u8]) -> Vec<u8>;

/// All of them, and what cases made with them are called.
pub const ALL: [(&str, Writer); 4] = [
    ("with blanks", with_blanks),
    ("with sorted members", sorted),
    ("with letters escaped", escaped),
    ("with fractions", with_fractions),
];

/// As Python's `json.dumps` does: blanks behind separators.
pub fn with_blanks(line: &[u8]) -> Vec<u8> {
    let (mut out, mut quoted, mut escaped) = (Vec::new(), false, false);
    for byte in line {
        out.push(*byte);
        if !quoted && matches!(byte, b',' | b':') {
            out.push(b' ');
        }
        quoted ^= *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
    }
    out
}

/// As `jq -S -c` does: members by name.
pub fn sorted(line: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(line).expect("an entry");
    serde_json::to_vec(&value).expect("JSON")
}

/// With every `k` in a string's inside escaped, which JSON allows and JavaScript does
/// not do; names and types stay.
pub fn escaped(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    text.replace("#k", "#\\u006b")
        .replace("kp", "k\\u0070")
        .into_bytes()
}

/// As writers do that know no whole numbers.
pub fn with_fractions(line: &[u8]) -> Vec<u8> {
    let mut line = line.to_vec();
    for member in [
        "crankNum",
        "deliveryNum",
        "syscallNum",
        "blockHeight",
        "runNum",
    ] {
        if let Some(value) = super::slog::raw(&line, member) {
            let with = [value, b".0"].concat();
            line = super::slog::replaced(&line, value, &with);
        }
    }
    line
}
