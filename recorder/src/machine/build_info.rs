//! Reads the build information in an executable made by Go. Never runs the
//! executable.

use std::collections::BTreeMap;
use std::path::Path;

use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{Endianness, ReadCache};
use sha2::{Digest as _, Sha256};

use crate::open_regular;

/// Most bytes of build information that are read. A chain with thousands of
/// modules has less.
const LONGEST: u64 = 1 << 20;
/// Most sections of an executable that is read. Go makes about forty. The
/// section table is held in memory, so it needs a limit.
const SECTIONS: u16 = 4096;
/// Most characters kept of a value.
const SHOWN: usize = 160;
const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Flag of Go 1.18 and newer: the texts follow the header. Older versions have
/// pointers there.
const INLINE: u8 = 2;
/// Bytes of the header, and of the marker at each end of the module list.
const HEADER: usize = 32;
const GUARD: usize = 16;
/// Modules whose versions decide what a node executes, by the name in a box.
const MODULES: [(&str, &str); 6] = [
    ("cosmos-sdk", "github.com/cosmos/cosmos-sdk"),
    ("cometbft", "github.com/cometbft/cometbft"),
    ("wasmvm", "github.com/CosmWasm/wasmvm"),
    ("store", "cosmossdk.io/store"),
    ("iavl", "github.com/cosmos/iavl"),
    ("ibc-go", "github.com/cosmos/ibc-go"),
];
/// Build settings that can change what is executed, by the name in a box.
const SETTINGS: [(&str, &str); 4] = [
    ("-tags", "build tags"),
    ("CGO_ENABLED", "cgo"),
    ("vcs.revision", "revision"),
    ("vcs.modified", "modified"),
];

/// Versions of an executable and its modules, by name. Empty if Go did not make
/// it.
pub(crate) fn versions(program: &Path) -> BTreeMap<String, String> {
    let section = section_of(program);
    let texts = section.as_deref().and_then(texts);
    texts.map_or_else(BTreeMap::new, |(go, modules)| listed(&go, &modules))
}

fn section_of(program: &Path) -> Option<Vec<u8>> {
    let cache = ReadCache::new(open_regular::open(program).ok()?);
    let header = FileHeader64::<Endianness>::parse(&cache).ok()?;
    let endian = header.endian().ok()?;
    // 0 means that the first section holds the number, which has no limit.
    // Refuse that.
    if !(1..=SECTIONS).contains(&header.e_shnum(endian)) {
        return None;
    }
    let sections = header.sections(endian, &cache).ok()?;
    let (_, section) = sections.section_by_name(endian, b".go.buildinfo")?;
    if section.sh_size(endian) > LONGEST {
        return None;
    }
    section.data(endian, &cache).ok().map(<[u8]>::to_vec)
}

/// Go's version, and the list of modules.
fn texts(section: &[u8]) -> Option<(String, String)> {
    let flags = section.get(MAGIC.len() + 1)?;
    if !section.starts_with(MAGIC) || flags & INLINE == 0 {
        return None;
    }
    let mut rest = section.get(HEADER..)?;
    let go = text(&mut rest)?;
    let modules = text(&mut rest)?;
    let inner = modules.len().checked_sub(GUARD);
    let inner = inner.and_then(|end| modules.get(GUARD..end));
    let modules = inner.unwrap_or_default();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((words(go), words(modules)))
}

/// Cuts one text off `rest`: a varint length, then the bytes.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for shift in (0..28).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            let (text, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            return Some(text);
        }
    }
    None
}

fn listed(go: &str, modules: &str) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    let mut put = |name: &str, value: &str| {
        let value: String = value.chars().take(SHOWN).collect();
        told.insert(name.to_owned(), value);
    };
    put("go", go);
    let mut lines = modules.lines().peekable();
    let mut all = Sha256::new();
    while let Some(line) = lines.next() {
        let mut parts = line.split('\t');
        let (kind, first) = (parts.next(), parts.next().unwrap_or_default());
        let other = lines.peek().and_then(|next| next.strip_prefix("=>\t"));
        match kind {
            Some("mod") => put("program", &version_of(line, other)),
            Some("dep") => {
                [line, other.unwrap_or_default(), "\n"]
                    .iter()
                    .for_each(|part| all.update(part));
                let known = MODULES.iter().find(|(_, path)| is_of(first, path));
                known
                    .iter()
                    .for_each(|(name, _)| put(name, &version_of(line, other)));
            }
            Some("build") => {
                let (key, value) = first.split_once('=').unwrap_or((first, ""));
                let known = SETTINGS.iter().find(|(setting, _)| *setting == key);
                known.iter().for_each(|(_, name)| put(name, value));
            }
            _ => {}
        }
    }
    let all: String = all
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    put("modules", &all);
    told
}

/// Whether a module path is `path` or a later major version of it.
fn is_of(found: &str, path: &str) -> bool {
    let rest = found.strip_prefix(path);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("/v"))
}

/// `PATH VERSION`, and the module that replaces it, if there is one.
fn version_of(line: &str, other: Option<&str>) -> String {
    let words = |text: &str| text.split('\t').take(2).collect::<Vec<_>>().join(" ");
    let own = words(line.split_once('\t').map_or("", |(_, rest)| rest));
    match other {
        Some(other) => format!("{own} => {}", words(other)),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "path\tgithub.com/CosmWasm/wasmd/cmd/wasmd\n\
        mod\tgithub.com/CosmWasm/wasmd\tv0.61.6\th1:x=\n\
        dep\tgithub.com/CosmWasm/wasmvm/v3\tv3.0.2\th1:y=\n\
        dep\tgithub.com/CosmWasm/wasmvmx\tv9.9.9\th1:y=\n\
        dep\tgithub.com/cosmos/cosmos-sdk\tv0.53.6\n\
        =>\tgithub.com/other/sdk\tv0.53.7\th1:z=\n\
        build\t-tags=netgo\nbuild\tvcs.revision=abc\n";

    fn blob(go: &str, list: &str) -> Vec<u8> {
        let mut blob = [MAGIC, &[8, INLINE]].concat();
        blob.resize(HEADER, 0);
        let guarded = format!("{0}{list}{0}", "0123456789abcdef");
        for text in [go, &guarded] {
            let length = text.len();
            assert!(length < 1 << 14);
            blob.extend([(length & 0x7F) as u8 | 0x80, (length >> 7) as u8]);
            blob.extend(text.as_bytes());
        }
        blob
    }

    /// An executable of one section.
    fn executable(blob: &[u8]) -> Vec<u8> {
        let names = b"\0.go.buildinfo\0.shstrtab\0";
        let at_names = 64 + blob.len();
        let at_table = at_names + names.len();
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        file.extend([0; 16]);
        file.extend((at_table as u64).to_le_bytes());
        file.extend([0; 4]);
        file.extend([64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        file.extend(blob);
        file.extend(names);
        let mut section = |name: u32, kind: u32, at: usize, size: usize| {
            file.extend(name.to_le_bytes());
            file.extend(kind.to_le_bytes());
            file.extend([0; 16]);
            file.extend((at as u64).to_le_bytes());
            file.extend((size as u64).to_le_bytes());
            file.extend([0; 24]);
        };
        section(0, 0, 0, 0);
        section(1, 1, 64, blob.len());
        section(16, 3, at_names, names.len());
        file
    }

    #[test]
    fn a_go_program_tells_its_modules() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("wasmd");
        std::fs::write(&program, executable(&blob("go1.24.5", LIST))).unwrap();
        let told = versions(&program);
        for (name, value) in [
            ("go", "go1.24.5"),
            ("program", "github.com/CosmWasm/wasmd v0.61.6"),
            ("wasmvm", "github.com/CosmWasm/wasmvm/v3 v3.0.2"),
            (
                "cosmos-sdk",
                "github.com/cosmos/cosmos-sdk v0.53.6 => github.com/other/sdk v0.53.7",
            ),
            ("build tags", "netgo"),
            ("revision", "abc"),
        ] {
            assert_eq!(told.get(name).map(String::as_str), Some(value), "{told:?}");
        }
        let other = LIST.replace("wasmvmx\tv9.9.9", "wasmvmx\tv9.9.8");
        std::fs::write(&program, executable(&blob("go1.24.5", &other))).unwrap();
        assert_ne!(versions(&program).get("modules"), told.get("modules"));
    }

    #[test]
    fn what_is_no_go_program_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let whole = executable(&blob("go1.24.5", LIST));
        for length in (0..whole.len()).step_by(7) {
            std::fs::write(&program, &whole[..length]).unwrap();
            assert_eq!(versions(&program), BTreeMap::new(), "{length}");
        }
        for at in 64..130 {
            let mut altered = whole.clone();
            altered[at] ^= 0xFF;
            std::fs::write(&program, &altered).unwrap();
            versions(&program);
        }
        assert_eq!(versions(&std::env::current_exe().unwrap()), BTreeMap::new());
        assert_eq!(versions(folder.path()), BTreeMap::new());
    }

    #[test]
    fn no_table_of_sections_is_longer_than_one_of_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let whole = executable(&blob("go1.24.5", LIST));
        let table = u64::from_le_bytes(whole[40..48].try_into().unwrap()) as usize;
        let mut told_by_a_section = whole.clone();
        told_by_a_section[60] = 0;
        told_by_a_section[table + 32] = 3;
        let mut long = whole.clone();
        long.resize(table + 64 * 5000, 0);
        long[60..62].copy_from_slice(&5000_u16.to_le_bytes());
        for file in [told_by_a_section, long] {
            std::fs::write(&program, &file).unwrap();
            assert_eq!(versions(&program), BTreeMap::new());
        }
    }
}
