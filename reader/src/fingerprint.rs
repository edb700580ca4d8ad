//! Fingerprints: the digests of a source without its bodies. With them validators can publish
//! what they executed without publishing the data. A block takes 80 bytes, or 96 if the source
//! records AppHashes, and 8 more for each input. A unit takes 12 (docs/format.md).

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use haltbox_format::{AppHash, BlockHash, Digest};

use crate::block_inputs::{BlockInputs, Input, InputName, Word};
use crate::trace::{BlockTrace, CrankEnd, Summary, TraceSink, Unit, UnitDigest, What, spanning};

/// The first bytes of a fingerprint, before its version.
pub const MAGIC: &[u8; 7] = b"HBXFPRT";
/// Length of the head in bytes.
pub const HEAD: usize = 96;
/// Length of one block in bytes, in version 2.
pub const BLOCK: usize = Version::Second.block();
/// Length of one unit in bytes, in version 2.
pub const UNIT: usize = Version::Second.unit();
/// Limit of the blocks of one fingerprint.
pub const MOST_BLOCKS: u32 = 1 << 22;
/// Limit of the units of one block.
pub const MOST_UNITS: u32 = 1 << 22;
/// Limit of the inputs whose digests a block has.
pub const MOST_INPUTS: usize = 16;
/// Length of the name of an input in the file, in bytes.
pub const NAME: usize = 40;
/// Limit of the length of an input's name, in bytes.
const LONGEST_NAME: usize = 30;
/// Bytes that are read at once to be hashed.
const PIECE: usize = 1 << 20;
/// Flag of an input's name: the input is the node's own.
const LOCAL: u8 = 1;
/// Bytes of the head that its first digest covers.
const COVERED: usize = 72;
/// Offset of the number of inputs in the head.
const INPUTS: usize = 88;
/// Bits of a unit that hold its kind.
const KIND: u64 = 3;

const BEGUN: u16 = 1;
const ENDED: u16 = 2;
const EXECUTED: u16 = 4;
const HOLES: u16 = 8;
const DIVERGED: u16 = 16;
const HASHLESS: u16 = 32;
const BROKEN: u16 = 64;
const NEWER: u16 = 128;
const DISORDERED: u16 = 256;
const PROPOSED: u16 = 512;
/// Offset of the flags behind a block's height and first unit.
const FLAGS: usize = 6;

/// The fault of a block that the fingerprint marks as out of order.
const DISORDER: &str = "the fingerprint marks them as out of order";

/// The layout of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Without activityhashes.
    First,
    /// With activityhashes, without AppHashes.
    Second,
    /// With AppHashes.
    Third,
    /// With digests of the inputs too.
    Fourth,
}

impl Version {
    /// Length of a block without its inputs, in bytes.
    const fn block(self) -> usize {
        match self {
            Version::First => 64,
            Version::Second => 80,
            Version::Third | Version::Fourth => 96,
        }
    }

    const fn unit(self) -> usize {
        match self {
            Version::First => 8,
            Version::Second | Version::Third | Version::Fourth => 12,
        }
    }

    fn of(head: &[u8]) -> Option<Version> {
        match head.strip_prefix(MAGIC)?.first()? {
            1 => Some(Version::First),
            2 => Some(Version::Second),
            3 => Some(Version::Third),
            4 => Some(Version::Fourth),
            _ => None,
        }
    }

    fn has_app_hashes(self) -> bool {
        matches!(self, Version::Third | Version::Fourth)
    }

    /// Whether it shows kernel work that no entry shows.
    pub fn has_activity(self) -> bool {
        self != Version::First
    }

    const fn number(self) -> u8 {
        match self {
            Version::First => 1,
            Version::Second => 2,
            Version::Third => 3,
            Version::Fourth => 4,
        }
    }
}

/// One block of a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPrint {
    /// Height.
    pub height: u64,
    /// Index of its first unit.
    pub first_unit: u64,
    /// Number of its units.
    pub units: u32,
    /// Attempt at the height.
    pub attempt: u16,
    flags: u16,
    /// Number of its first crank.
    pub first_crank: Option<u64>,
    /// Digest of the digests of its units.
    pub digest: UnitDigest,
    /// Digest of its cranks' activityhashes; `None` in version 1.
    pub activity: Option<UnitDigest>,
    /// HASH of the execution, if it is whole.
    pub hash: Option<BlockHash>,
    /// Digest of this node's AppHash after it, if known.
    app_hash: Option<UnitDigest>,
}

/// An open fingerprint.
#[derive(Debug)]
pub struct Fingerprint {
    file: File,
    /// Its layout.
    pub version: Version,
    /// Digest of the canonical rules with which it was made.
    pub profile: Digest,
    /// Its blocks, with rising heights unless the node went back.
    pub blocks: Vec<BlockPrint>,
    /// The names of the inputs whose digests its blocks have.
    inputs: Vec<InputName>,
    /// The digests of the inputs of all blocks, one block after the other. Zero if a block does
    /// not have the input.
    values: Vec<Word>,
    units: u64,
    units_digest: UnitDigest,
}

/// A fingerprint that is being made.
pub struct Writer {
    blocks: Vec<Drafted>,
    profile: Digest,
}

struct Drafted {
    height: u64,
    /// Its record without the index of its first unit and without its AppHash.
    record: Vec<u8>,
    app_hash: Option<UnitDigest>,
    given: Vec<Input>,
    units: Vec<u8>,
}

impl Drafted {
    /// The digest of one of its inputs; zero if it does not have the input.
    fn value(&self, name: &InputName) -> Word {
        let mut given = self.given.iter();
        let found = given.find(|input| is_same_input(&input.name, name));
        found.map_or(Word::default(), |input| input.value)
    }
}

fn is_same_input(one: &InputName, other: &InputName) -> bool {
    one.name == other.name && one.member == other.member
}

/// Whether the name can be shown and fits into the file.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(char::is_control)
}

/// The names of the inputs of all blocks. An input that is a node's own in one block counts as
/// such in all.
fn names_of(blocks: &[Drafted]) -> Vec<InputName> {
    let mut names: Vec<InputName> = Vec::new();
    for input in blocks.iter().flat_map(|block| &block.given) {
        let has_room = names.len() < MOST_INPUTS && is_name(&input.name.name);
        match names
            .iter_mut()
            .find(|name| is_same_input(name, &input.name))
        {
            Some(name) => name.local |= input.name.local,
            None if has_room => names.push(input.name.clone()),
            None => {}
        }
    }
    names
}

/// A name as the file has it.
fn name_bytes(name: &InputName) -> Vec<u8> {
    let mut bytes = vec![if name.local { LOCAL } else { 0 }, name.name.len() as u8];
    bytes.extend(name.name.as_bytes());
    bytes.resize(2 + LONGEST_NAME, 0);
    bytes.extend(name.member);
    bytes
}

fn parse_name(bytes: &[u8]) -> io::Result<InputName> {
    let broken = || wrong("contains an input whose name cannot be read");
    let [flags, length, rest @ ..] = bytes else {
        return Err(broken());
    };
    let (name, member) = rest.split_at_checked(LONGEST_NAME).ok_or_else(broken)?;
    let name = name.get(..usize::from(*length));
    let name = name.and_then(|name| str::from_utf8(name).ok());
    let name = name.filter(|name| is_name(name));
    Ok(InputName {
        name: name.ok_or_else(broken)?.to_owned(),
        member: *member.first_chunk().ok_or_else(broken)?,
        local: flags & LOCAL != 0,
    })
}

/// Reads the names of the inputs. A name that is there twice would give a block two values, so
/// it is an error.
fn parse_names(bytes: &[u8]) -> io::Result<Vec<InputName>> {
    let mut names: Vec<InputName> = Vec::new();
    for name in bytes.chunks_exact(NAME).map(parse_name) {
        let name = name?;
        if names.iter().any(|known| is_same_input(known, &name)) {
            return Err(wrong(&format!("contains the input {} twice", name.name)));
        }
        names.push(name);
    }
    Ok(names)
}

/// Checks that the units of the blocks follow each other, and that the head counts them all.
fn check_units(blocks: &[BlockPrint], units: u64) -> io::Result<()> {
    let mut next: u64 = 0;
    for block in blocks {
        let BlockPrint {
            height, first_unit, ..
        } = block;
        if *first_unit != next {
            return Err(wrong(&format!(
                "says that the units of height {height} begin at {first_unit}; they begin at \
                 {next}, behind those of the blocks before"
            )));
        }
        next = next.saturating_add(u64::from(block.units));
    }
    if next != units {
        return Err(wrong(&format!(
            "claims {units} units; its blocks have {next}"
        )));
    }
    Ok(())
}

/// Adds a part of a file to a digest, piece by piece.
fn hash_part(hasher: &mut blake3::Hasher, file: &File, at: u64, length: u64) -> io::Result<()> {
    let mut piece = vec![0; length.min(PIECE as u64) as usize];
    let (mut at, mut left) = (at, length);
    while left > 0 {
        let take = left.min(piece.len() as u64) as usize;
        file.read_exact_at(&mut piece[..take], at)?;
        hasher.update(&piece[..take]);
        at = at.saturating_add(take as u64);
        left -= take as u64;
    }
    Ok(())
}

/// An AppHash as a fingerprint has it: a digest.
fn app_digest(hash: &AppHash) -> UnitDigest {
    short(hash.as_bytes())
}

/// Whether the AppHashes after two executions are equal; `None` unless both are known. A
/// fingerprint has only a digest, so the digest of the other side is compared.
pub fn is_same_app_hash(a: &BlockTrace, b: &BlockTrace) -> Option<bool> {
    let (of_a, of_b) = (a.app_hash.as_ref()?, b.app_hash.as_ref()?);
    if a.narrow == b.narrow {
        return Some(of_a == of_b);
    }
    let (print, other) = if a.narrow { (of_a, of_b) } else { (of_b, of_a) };
    Some(*print.as_bytes() == app_digest(other))
}

/// Digest of a block's units. Equal units give equal digests, whether the source is a
/// fingerprint or not.
pub fn block_digest(units: &[Unit]) -> UnitDigest {
    let words: Vec<u8> = units
        .iter()
        .flat_map(|unit| narrow(unit).to_le_bytes())
        .collect();
    short(&words)
}

/// Digest of a block's activityhashes. It differs if hidden kernel work does.
pub fn activity_digest(units: &[Unit]) -> UnitDigest {
    let words: Vec<u8> = units
        .iter()
        .flat_map(|unit| activity_word(unit).to_le_bytes())
        .collect();
    short(&words)
}

/// The part of an activityhash that a fingerprint has: its first four bytes.
pub fn word_of(hash: &Digest) -> u32 {
    let [a, b, c, d, ..] = hash.0;
    u32::from_le_bytes([a, b, c, d])
}

/// The same of a unit; 0 if it has none.
fn activity_word(unit: &Unit) -> u32 {
    unit.activityhash().map_or(0, |hash| word_of(&hash))
}

/// A unit's digest as a fingerprint has it: 62 bits of the digest, and two bits for the kind.
pub fn narrow(unit: &Unit) -> u64 {
    let kind = match unit.what {
        What::Entry | What::Step(_) => 0,
        What::Crank { .. } => 1,
        What::Input(_) => 2,
        What::RunStart => 3,
    };
    let [a, b, c, d, e, f, g, h, ..] = unit.digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) & !KIND | kind
}

impl BlockPrint {
    /// Whether its beginning, its end, and all between are recorded.
    pub fn is_whole(&self) -> bool {
        self.flags & (BEGUN | ENDED | HOLES) == BEGUN | ENDED
    }

    /// Whether it holds entries, or members of them, that no kernel writes which was known to the
    /// program that made the fingerprint.
    pub fn is_newer(&self) -> bool {
        self.flags & NEWER != 0
    }

    /// Whether some of its cranks have no crankhash or no activityhash.
    pub fn is_hashless(&self) -> bool {
        self.flags & HASHLESS != 0
    }
}

impl Writer {
    /// For a source that is read with these canonical rules.
    pub fn new(profile: Digest) -> Writer {
        Writer {
            blocks: Vec::new(),
            profile,
        }
    }

    /// Adds an execution and its HASH. Of an execution that is not whole, adds the covered units.
    /// `newer`: an unknown version of the kernel wrote it.
    pub fn block(&mut self, block: &BlockTrace, hash: Option<BlockHash>, newer: bool) {
        let units = &block.units[..block.covered()];
        let first_crank = units.iter().find_map(Unit::crank);
        let flag = |set: bool, flag: u16| if set { flag } else { 0 };
        let flags = flag(block.begun, BEGUN)
            | flag(block.ended, ENDED)
            | flag(block.executed, EXECUTED)
            | flag(!block.holes.is_empty(), HOLES)
            | flag(block.diverged, DIVERGED)
            | flag(block.hashless, HASHLESS)
            | flag(block.fault.is_some(), BROKEN)
            | flag(block.proposed, PROPOSED)
            | flag(newer, NEWER);
        let attempt = u16::try_from(block.attempt).unwrap_or(u16::MAX);
        let mut record = Vec::with_capacity(BLOCK);
        record.extend((units.len() as u32).to_le_bytes());
        record.extend(attempt.to_le_bytes());
        record.extend(flags.to_le_bytes());
        record.extend(first_crank.unwrap_or(u64::MAX).to_le_bytes());
        record.extend(block_digest(units));
        record.extend(hash.map_or([0; 16], |hash| hash.0));
        record.extend(activity_digest(units));
        let mut words = Vec::with_capacity(units.len() * UNIT);
        for unit in units {
            words.extend(narrow(unit).to_le_bytes());
            words.extend(activity_word(unit).to_le_bytes());
        }
        self.blocks.push(Drafted {
            height: block.height,
            record,
            app_hash: block.app_hash.as_ref().map(app_digest),
            given: block.given.inputs().to_vec(),
            units: words,
        });
    }

    /// Marks all blocks: entries of the recording are not in the order in which they were written,
    /// so a difference in any block may have its cause elsewhere.
    pub fn disordered(&mut self) {
        for Drafted { record, .. } in &mut self.blocks {
            let flags = record.get_mut(FLAGS..FLAGS + 2);
            if let Some(flags) = flags.and_then(|flags| <&mut [u8; 2]>::try_from(flags).ok()) {
                *flags = (u16::from_le_bytes(*flags) | DISORDERED).to_le_bytes();
            }
        }
    }

    /// Number of its blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Writes the whole file.
    ///
    /// # Errors
    /// An error from writing.
    pub fn finish(self, mut out: impl Write) -> io::Result<()> {
        let names = names_of(&self.blocks);
        let version = self.version(&names);
        let mut table: Vec<u8> = names.iter().flat_map(name_bytes).collect();
        let mut units = Vec::new();
        for block in &self.blocks {
            table.extend(block.height.to_le_bytes());
            table.extend(((units.len() / UNIT) as u64).to_le_bytes());
            table.extend(&block.record);
            if version.has_app_hashes() {
                table.extend(block.app_hash.unwrap_or_default());
            }
            table.extend(names.iter().flat_map(|name| block.value(name)));
            units.extend(&block.units);
        }
        let mut head = Vec::with_capacity(HEAD);
        head.extend(MAGIC);
        head.push(version.number());
        head.extend((self.blocks.len() as u64).to_le_bytes());
        head.extend(((units.len() / UNIT) as u64).to_le_bytes());
        head.extend(self.profile.0);
        head.extend(short(&units));
        let inputs = (names.len() as u64).to_le_bytes();
        let mut hasher = proof(version, &head, &inputs);
        hasher.update(&table);
        head.extend(short_of(&hasher));
        head.extend(inputs);
        out.write_all(&head)?;
        out.write_all(&table)?;
        out.write_all(&units)?;
        out.flush()
    }

    fn version(&self, inputs: &[InputName]) -> Version {
        let tells_hash = self.blocks.iter().any(|block| block.app_hash.is_some());
        match (inputs, tells_hash) {
            ([], false) => Version::Second,
            ([], true) => Version::Third,
            _ => Version::Fourth,
        }
    }
}

/// Begins the digest of everything but the units. The caller adds names and blocks. Only
/// version 4 has the number of inputs.
fn proof(version: Version, head: &[u8], inputs: &[u8]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head);
    if version == Version::Fourth {
        hasher.update(inputs);
    }
    hasher
}

fn unknown(version: u8) -> io::Error {
    wrong(&format!(
        "has fingerprint version {version}, this program reads 1 to 4; use a newer haltbox"
    ))
}

impl Fingerprint {
    /// Opens a fingerprint. Reads and proves head and blocks; does not read the units.
    ///
    /// # Errors
    /// An error from reading, or a description of what is wrong with the file.
    pub fn open(file: File) -> io::Result<Fingerprint> {
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)
            .map_err(|_| wrong("is truncated: it ends inside its header"))?;
        let version = Version::of(&head).ok_or_else(|| unknown(head[MAGIC.len()]))?;
        let (count, units) = (word(&head, 8), word(&head, 16));
        if count > u64::from(MOST_BLOCKS) {
            return Err(wrong(&format!(
                "claims {count} blocks; at most {MOST_BLOCKS} are supported"
            )));
        }
        let inputs = inputs_of(version, &head)?;
        let size = version.block() + inputs * size_of::<Word>();
        let table_size = inputs * NAME + count as usize * size;
        let length = file.metadata()?.len();
        let needed = (HEAD + table_size) as u64;
        if length < needed {
            return Err(wrong(&format!(
                "is truncated: it has {length} bytes, its header and blocks need {needed}"
            )));
        }
        // The table is proved piece by piece before memory is allocated for all of it.
        let mut hasher = proof(version, &head[..COVERED], &head[INPUTS..]);
        hash_part(&mut hasher, &file, HEAD as u64, table_size as u64)?;
        if short_of(&hasher) != head[COVERED..INPUTS] {
            return Err(wrong("does not match its digest: it is damaged"));
        }
        let mut table = vec![0; table_size];
        file.read_exact_at(&mut table, HEAD as u64)?;
        let mut profile = Digest([0; 32]);
        profile.0.copy_from_slice(&head[24..56]);
        let mut units_digest = [0; 16];
        units_digest.copy_from_slice(&head[56..COVERED]);
        let (names, blocks) = table.split_at(inputs * NAME);
        let inputs = parse_names(names)?;
        let blocks = blocks.chunks_exact(size);
        let values = blocks
            .clone()
            .flat_map(|bytes| words(bytes, version.block()));
        let values = values.collect();
        let blocks: Vec<_> = blocks.map(|bytes| parse_block(bytes, version)).collect();
        check_units(&blocks, units)?;
        Ok(Fingerprint {
            file,
            version,
            profile,
            inputs,
            values,
            blocks,
            units,
            units_digest,
        })
    }

    /// Whether the units match the digest in the head.
    ///
    /// # Errors
    /// An error from reading.
    pub fn is_intact(&self) -> io::Result<bool> {
        let mut hasher = blake3::Hasher::new();
        let length = self.units.saturating_mul(self.version.unit() as u64);
        if hash_part(&mut hasher, &self.file, self.units_at(), length).is_err() {
            return Ok(false);
        }
        Ok(short_of(&hasher) == self.units_digest)
    }

    /// Passes the blocks to `sink` as a trace.
    ///
    /// # Errors
    /// An error from reading.
    pub fn read(&self, sink: &mut dyn TraceSink) -> io::Result<Summary> {
        let mut summary = Summary::default();
        for (ordinal, block) in self.blocks.iter().enumerate() {
            let trace = self.trace(block, ordinal as u64)?;
            summary.cranks += trace.cranks() as u64;
            if trace.hashless {
                summary.without_hashes += trace.cranks() as u64;
                summary.without_crankhashes += trace.cranks() as u64;
            }
            if trace.app_hash.is_some() {
                summary.app_hashes = Some(spanning(summary.app_hashes, trace.height));
            }
            if block.flags & DISORDERED != 0 || trace.fault.is_some() {
                summary.disorder.get_or_insert(DISORDER.to_owned());
            }
            if !sink.block(trace) {
                break;
            }
        }
        Ok(summary)
    }

    fn trace(&self, block: &BlockPrint, ordinal: u64) -> io::Result<BlockTrace> {
        let end = block.first_unit.saturating_add(u64::from(block.units));
        if end > self.units || block.units > MOST_UNITS {
            return Err(wrong(
                "claims more units than it contains or than are supported",
            ));
        }
        let unit_size = self.version.unit();
        let before = block.first_unit.saturating_mul(unit_size as u64);
        let at = self.units_at().saturating_add(before);
        let length = self.file.metadata()?.len();
        if at.saturating_add(u64::from(block.units) * unit_size as u64) > length {
            return Err(wrong("is truncated"));
        }
        let mut bytes = vec![0; block.units as usize * unit_size];
        self.file.read_exact_at(&mut bytes, at)?;
        let mut crank = block.first_crank.unwrap_or(0);
        let units = bytes.chunks_exact(unit_size);
        let mut units: Vec<Unit> = units.map(|bytes| unit(bytes, &mut crank)).collect();
        if self.version == Version::First && block.flags & ENDED == 0 {
            forget_end(&mut units);
        }
        Ok(BlockTrace {
            torn: false,
            roots: Vec::new(),
            height: block.height,
            attempt: u32::from(block.attempt),
            ordinal,
            begun: block.flags & BEGUN != 0,
            ended: block.flags & ENDED != 0,
            proposed: block.flags & PROPOSED != 0,
            executed: block.flags & EXECUTED != 0,
            diverged: block.flags & DIVERGED != 0,
            hashless: block.flags & HASHLESS != 0,
            holes: self.holes(block, units.len()),
            units,
            breaks: Vec::new(),
            narrow: true,
            wrapped: false,
            fault: (block.flags & BROKEN != 0).then(|| DISORDER.to_owned()),
            app_hash: block.app_hash.and_then(|digest| AppHash::new(&digest)),
            given: self.given(ordinal),
        })
    }

    /// The inputs of the block with this index.
    fn given(&self, ordinal: u64) -> BlockInputs {
        let first = (ordinal as usize).saturating_mul(self.inputs.len());
        let values = self.values.iter().skip(first);
        let inputs = self.inputs.iter().zip(values);
        let inputs = inputs.filter(|(_, value)| **value != Word::default());
        let inputs = inputs.map(|(name, value)| Input {
            name: name.clone(),
            value: *value,
            short: None,
        });
        BlockInputs::of_digests(inputs.collect())
    }

    fn units_at(&self) -> u64 {
        let block = self.version.block() + self.inputs.len() * size_of::<Word>();
        (HEAD + self.inputs.len() * NAME + self.blocks.len() * block) as u64
    }

    /// Version 1 does not record where something is missing, so the hole is before the first unit.
    fn holes(&self, block: &BlockPrint, units: usize) -> Vec<usize> {
        let at = if self.version == Version::First {
            0
        } else {
            units
        };
        let missing = block.flags & HOLES != 0;
        missing.then_some(at).into_iter().collect()
    }
}

/// Version 1 does not record whether a recording ends inside its last crank.
fn forget_end(units: &mut [Unit]) {
    if let Some(Unit {
        what: What::Crank { end, .. },
        ..
    }) = units.last_mut()
    {
        *end = None;
    }
}

fn unit(bytes: &[u8], crank: &mut u64) -> Unit {
    let value = word(bytes, 0);
    let activity = bytes.get(8..).and_then(|rest| rest.first_chunk::<4>());
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&(value & !KIND).to_le_bytes());
    let what = match value & KIND {
        1 => {
            let number = *crank;
            *crank = number.wrapping_add(1);
            let end = Some(CrankEnd {
                crankhash: None,
                activityhash: activity.filter(|word| **word != [0; 4]).map(padded),
            });
            What::Crank { number, end }
        }
        2 => What::Input(digest),
        3 => What::RunStart,
        _ => What::Entry,
    };
    Unit { digest, what }
}

/// The known part of an activityhash, padded with zeros.
fn padded(word: &[u8; 4]) -> Digest {
    let mut digest = Digest([0; 32]);
    digest.0[..4].copy_from_slice(word);
    digest
}

fn parse_block(bytes: &[u8], version: Version) -> BlockPrint {
    let mut digest = [0; 16];
    digest.copy_from_slice(&bytes[32..48]);
    let mut hash = [0; 16];
    hash.copy_from_slice(&bytes[48..64]);
    BlockPrint {
        height: word(bytes, 0),
        first_unit: word(bytes, 8),
        units: (word(bytes, 16) & u64::from(u32::MAX)) as u32,
        attempt: (word(bytes, 16) >> 32 & 0xffff) as u16,
        flags: (word(bytes, 16) >> 48) as u16,
        first_crank: Some(word(bytes, 24)).filter(|crank| *crank != u64::MAX),
        digest,
        activity: version
            .has_activity()
            .then(|| bytes.get(64..)?.first_chunk::<16>().copied())
            .flatten(),
        hash: (hash != [0; 16]).then_some(BlockHash(hash)),
        app_hash: version
            .has_app_hashes()
            .then(|| bytes.get(80..)?.first_chunk::<16>().copied())
            .flatten()
            .filter(|digest| *digest != [0; 16]),
    }
}

/// The number of inputs in a fingerprint.
fn inputs_of(version: Version, head: &[u8]) -> io::Result<usize> {
    match (version, word(head, INPUTS)) {
        (Version::Fourth, count) if count > MOST_INPUTS as u64 => Err(wrong(&format!(
            "contains {count} inputs; at most {MOST_INPUTS} are read"
        ))),
        (Version::Fourth, count) => Ok(count as usize),
        _ => Ok(0),
    }
}

/// The words from an offset on.
fn words(bytes: &[u8], from: usize) -> impl Iterator<Item = Word> {
    let words = bytes.get(from..).unwrap_or_default().as_chunks::<8>();
    words.0.iter().copied()
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    part.map_or(0, |part| u64::from_le_bytes(*part))
}

fn short(bytes: &[u8]) -> UnitDigest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    short_of(&hasher)
}

fn short_of(hasher: &blake3::Hasher) -> UnitDigest {
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests;
