//! docs/format.md once more, slowly: HASH, and the records of a ring. Nothing here is the
//! product's.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lines::hex;

const HOST: &str = include_str!("../../../recorder/model/profiles/host.json");

/// Digest of the canonical rules of the profile `host`.
fn rules_digest() -> String {
    let profile: Value = serde_json::from_str(HOST).expect("the profile is JSON");
    let text = compact(&profile["slog"]["canonical"]);
    hex(blake3::hash(text.as_bytes()).as_bytes())
}

/// Compact JSON, the keys of every object sorted.
fn compact(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            let member = |(name, value): (&String, &Value)| {
                format!("{}:{}", Value::from(name.as_str()), compact(value))
            };
            let members: Vec<String> = sorted.into_iter().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(compact).collect();
            format!("[{}]", elements.join(","))
        }
        other => other.to_string(),
    }
}

/// HASH of a block's lines, from its first canonical one to its end.
pub fn hash<'a>(height: u64, lines: impl Iterator<Item = &'a [u8]>) -> String {
    static DIGEST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let digest = DIGEST.get_or_init(rules_digest);
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("haltbox-hash-1\n{digest}\n{height}\n").as_bytes());
    for counted in lines.filter_map(counted) {
        hasher.update(&counted);
        hasher.update(b"\n");
    }
    hex(&hasher.finalize().as_bytes()[..16])
}

/// Types that count by the rules of `host`; one that ends with `*` stands for any ending.
const CANONICAL: [&str; 6] = [
    "begin-block",
    "end-block",
    "tx-*",
    "op-*",
    "crank",
    "step-*",
];
const UNNAMED: [&str; 4] = ["op-read", "op-has", "op-iterate", "op-next"];

/// Whether an entry is canonical; it need not count for the HASH.
pub fn is_canonical(line: &[u8]) -> bool {
    let is_of = |name: &str, pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    let name = type_of(line);
    name.is_some_and(|name| CANONICAL.iter().any(|pattern| is_of(&name, pattern)))
}

/// What of a line is hashed; `None` if it does not count.
fn counted(line: &[u8]) -> Option<Vec<u8>> {
    let name = type_of(line).filter(|_| is_canonical(line))?;
    if UNNAMED.contains(&name.as_str()) {
        return None;
    }
    let Some(members) = members(line) else {
        return Some(line.to_vec());
    };
    let goes = |member: &str| match member {
        "local" => true,
        "appHash" => name == "end-block",
        "op" => name == "op-write" || name == "op-delete",
        _ => false,
    };
    let kept = members.iter().filter(|(name, _)| !goes(name));
    let kept: Vec<&[u8]> = kept.map(|(_, bytes)| *bytes).collect();
    Some([&b"{"[..], &kept.join(&b","[..]), b"}"].concat())
}

fn type_of(line: &[u8]) -> Option<String> {
    const START: &[u8] = br#"{"type":""#;
    if let Some(rest) = line.strip_prefix(START) {
        let end = rest.iter().position(|byte| *byte == b'"')?;
        return Some(String::from_utf8_lossy(&rest[..end]).into_owned());
    }
    std::str::from_utf8(line).ok()?;
    let members = members(line)?;
    let (_, member) = members.iter().find(|(name, _)| name == "type")?;
    let value = String::from_utf8_lossy(member);
    let (_, value) = value.split_once(':')?;
    let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some(value.to_owned())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Members of an object: name, and the bytes from its name to the end of its value.
fn members(line: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let mut at = skip(line, 0);
    if line.get(at) != Some(&b'{') {
        return None;
    }
    at = skip(line, at + 1);
    let mut found = Vec::new();
    while line.get(at) != Some(&b'}') {
        let begin = at;
        let name_end = value_end(line, at).filter(|_| line[at] == b'"')?;
        let name = String::from_utf8_lossy(&line[at + 1..name_end - 1]).into_owned();
        at = skip(line, name_end);
        if line.get(at) != Some(&b':') {
            return None;
        }
        let end = value_end(line, skip(line, at + 1))?;
        found.push((name, &line[begin..end]));
        at = skip(line, end);
        match line.get(at)? {
            b',' if line.get(skip(line, at + 1)) != Some(&b'}') => at = skip(line, at + 1),
            b'}' => {}
            _ => return None,
        }
    }
    (skip(line, at + 1) == line.len()).then_some(found)
}

fn skip(line: &[u8], mut at: usize) -> usize {
    while line.get(at).is_some_and(|byte| is_space(*byte)) {
        at += 1;
    }
    at
}

/// Where a value ends, by structure alone.
fn value_end(line: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut depth) = (from, 0);
    loop {
        match line.get(at)? {
            b'"' => at = string_end(line, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b',' | b'}' | b']' if depth == 0 => return None,
            _ if depth > 0 => at += 1,
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']') || is_space(*byte);
                let rest = &line[at..];
                return Some(at + rest.iter().position(is_end).unwrap_or(rest.len()));
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn string_end(line: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// A record that proves itself.
#[derive(Clone, Debug)]
pub struct Record {
    /// How often the ring had been opened.
    pub epoch: u64,
    /// Its counter.
    pub counter: u64,
    /// The whole record, and not a part of one.
    pub full: bool,
    /// Its segment was begun again behind it.
    pub evicted: bool,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A ring's bytes, read by docs/format.md.
pub struct Ring<'a> {
    bytes: &'a [u8],
    segment: usize,
    salt: u64,
    /// Spine, local and main segments.
    lanes: [usize; 3],
    /// Revision and epoch of the superblock that counts.
    pub revision: u64,
    /// See `revision`.
    pub epoch: u64,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Ring<'_> {
    /// `None` without a sound superblock.
    pub fn read(bytes: &[u8]) -> Option<Ring<'_>> {
        let sound = |at: &usize| {
            let block = bytes.get(*at..*at + 256)?;
            let crc = crc32fast::hash(&block[..252]);
            (block[..8] == *b"HALTBOX\x01" && u32_at(block, 252) == crc).then_some(block)
        };
        let blocks = [0, 4096].iter().filter_map(sound);
        let block = blocks.max_by_key(|block| u64_at(block, 16))?;
        let lanes = [56, 60, 64].map(|at| u32_at(block, at) as usize);
        Some(Ring {
            bytes,
            segment: u32_at(block, 12) as usize,
            salt: u64_at(block, 40),
            lanes,
            revision: u64_at(block, 16),
            epoch: u64::from(u32_at(block, 68)),
        })
    }

    /// Every record of a lane, by counter. Lanes are numbered: 0 main, 1 spine, 2 local.
    pub fn lane(&self, lane: u64) -> BTreeMap<u64, Record> {
        let [spine, local, main] = self.lanes;
        let (first, count) = match lane {
            0 => (spine + local, main),
            1 => (0, spine),
            _ => (spine, local),
        };
        let key = self
            .salt
            .wrapping_add(lane.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut found = BTreeMap::new();
        for index in first..first + count {
            let base = 65536 + index * self.segment;
            let Some(segment) = self.bytes.get(base..base + self.segment) else {
                continue;
            };
            let begins = first_sequence(segment);
            let mut at = 64;
            while at + 16 <= segment.len() {
                let Some((mut record, end)) = record(key, segment, at) else {
                    at += 16;
                    continue;
                };
                record.evicted = begins.is_some_and(|begins| record.sequence() < begins);
                let newer = |old: &Record| old.epoch < record.epoch;
                if found.get(&record.counter).is_none_or(newer) {
                    found.insert(record.counter, record);
                }
                at = end;
            }
        }
        found
    }
}

impl Record {
    fn sequence(&self) -> u64 {
        self.epoch << 40 | self.counter
    }
}

/// The sequence number with which a segment begins, by a sound header.
fn first_sequence(segment: &[u8]) -> Option<u64> {
    let header = segment.get(..64)?;
    let sound = header[8..14] == *b"HBXSEG" && crc32fast::hash(&header[..60]) == u32_at(header, 60);
    sound.then(|| u64_at(header, 24))
}

fn record(key: u64, segment: &[u8], at: usize) -> Option<(Record, usize)> {
    let word = u32_at(segment, at + 8);
    let (length, kind) = ((word & 0xF_FFFF) as usize, word >> 24);
    let payload = segment.get(at + 16..at + 16 + length)?;
    if !(1..=4).contains(&kind) || length > 65536 {
        return None;
    }
    let masked = u64_at(segment, at);
    let mixed = (masked ^ u64::from(word).rotate_left(32)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let mut crc = crc32fast::Hasher::new_with_initial((mixed ^ mixed >> 32) as u32);
    crc.update(payload);
    let sequence = masked ^ key;
    if crc.finalize() != u32_at(segment, at + 12) || sequence >> 40 == 0 {
        return None;
    }
    let record = Record {
        epoch: sequence >> 40,
        counter: sequence & 0xFF_FFFF_FFFF,
        full: kind == 1,
        evicted: false,
        payload: payload.to_vec(),
    };
    Some((record, at + 16 + length.next_multiple_of(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_is_what_the_page_says() {
        let text = |line: &str| counted(line.as_bytes()).map(|b| String::from_utf8(b).unwrap());
        let end = r#"{"type":"end-block","height":7,"appHash":"AB"}"#;
        assert_eq!(
            text(end).as_deref(),
            Some(r#"{"type":"end-block","height":7}"#)
        );
        let write = r#"{ "op":1, "type" : "op-write","local":{"a":"}"},"x":[1, 2] }"#;
        assert_eq!(
            text(write).as_deref(),
            Some(r#"{"type" : "op-write","x":[1, 2]}"#)
        );
        assert_eq!(text(r#"{"type":"op-read","op":1}"#), None);
        assert_eq!(text(r#"no entry, "type":"tx-begin""#), None);
        let broken = r#"{"type":"tx-begin","local" 1}"#;
        assert_eq!(text(broken).as_deref(), Some(broken));
    }
}
