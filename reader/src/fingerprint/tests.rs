//! Holds the code to docs/format.md, and to its promise about damage.

use std::io::Seek;

use super::*;

const DOCUMENT: &str = include_str!("../../../docs/format.md");

/// Offset and size of a field in the document's table.
fn place(table: &str, field: &str) -> (usize, usize) {
    let marker = format!("<!-- fingerprint: {table} -->");
    let (_, rest) = DOCUMENT.split_once(&marker).expect("the table");
    let rows = rest
        .lines()
        .skip(3)
        .take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim));
    let mut found = cells.filter_map(|mut cells| {
        let (at, size, name) = (cells.next()?, cells.next()?, cells.next()?);
        (name == field).then(|| {
            (
                at.parse().expect("an offset"),
                size.parse().expect("a size"),
            )
        })
    });
    found
        .next()
        .unwrap_or_else(|| panic!("{field} is not in the table {table}"))
}

fn number(bytes: &[u8], (at, size): (usize, usize)) -> u64 {
    let of = bytes[at..at + size].iter().rev();
    of.fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn block(height: u64, whole: bool) -> BlockTape {
    let crank = What::Crank {
        number: 40 + height,
        end: Some(CrankEnd {
            crankhash: None,
            activityhash: Some(Digest([5; 32])),
        }),
    };
    let kinds = [What::Input([3; 16]), What::RunStart, crank, What::Entry];
    let unit = |(n, what)| Unit {
        digest: [0x11 * (n as u8 + 1) + height as u8; 16],
        what,
    };
    BlockTape {
        height,
        attempt: 2,
        begun: true,
        ended: whole,
        executed: true,
        units: kinds.into_iter().enumerate().map(unit).collect(),
        ..BlockTape::default()
    }
}

fn written() -> Vec<u8> {
    let mut writer = Writer::new(Digest([7; 32]));
    writer.block(&block(5, true), Some(BlockHash([9; 16])), false);
    writer.block(&block(6, false), None, true);
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).expect("written");
    bytes
}

struct Blocks(Vec<BlockTape>);

impl Finds for Blocks {
    fn block(&mut self, block: BlockTape) -> bool {
        self.0.push(block);
        true
    }
}

fn opened(bytes: &[u8]) -> io::Result<Fingerprint> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Fingerprint::open(file)
}

#[test]
fn bytes_stand_where_the_document_says() {
    let bytes = written();
    let head = |field| number(&bytes, place("head", field));
    assert_eq!(bytes[..8], *b"HBXFPRT\x02");
    assert_eq!((head("blocks"), head("units"), head("reserved")), (2, 8, 0));
    let (at, size) = place("head", "rules");
    assert_eq!(bytes[at..at + size], [7; 32]);
    let of = |index: usize, field| number(&bytes[HEAD + index * BLOCK..], place("block", field));
    let second = |field| of(1, field);
    assert_eq!((of(0, "height"), second("height")), (5, 6));
    assert_eq!(
        (second("first unit"), second("units"), second("attempt")),
        (4, 4, 2)
    );
    assert_eq!((of(0, "flags"), second("flags")), (7, 5 | 128));
    assert_eq!(second("first crank"), 46);
    assert_eq!((of(0, "HASH") as u8, second("HASH")), (9, 0));
    let units = &bytes[HEAD + 2 * BLOCK..];
    assert_eq!(units.len(), 8 * UNIT);
    let kinds: Vec<u64> = units
        .chunks(UNIT)
        .map(|unit| word(unit, 0) & KIND)
        .collect();
    assert_eq!(kinds, [2, 3, 1, 0, 2, 3, 1, 0]);
    assert_eq!(word(units, 0) >> 2, 0x1616_1616_1616_1616 >> 2);
    let activity = units.chunks(UNIT).map(|unit| unit[8]);
    assert_eq!(activity.collect::<Vec<_>>(), [0, 0, 5, 0, 0, 0, 5, 0]);
    assert_ne!(of(0, "activity"), 0);
}

#[test]
fn what_was_written_is_read() {
    let print = opened(&written()).expect("a fingerprint");
    assert!(print.is_intact().expect("read"));
    assert!(print.blocks[0].is_whole() && !print.blocks[1].is_whole());
    let mut blocks = Blocks(Vec::new());
    print.read(&mut blocks).expect("read");
    for (read, original) in blocks.0.iter().zip([block(5, true), block(6, false)]) {
        assert_eq!((read.height, read.attempt), (original.height, 2));
        assert_eq!(read.units[2].crank(), original.units[2].crank());
        let same = |(a, b): (&Unit, &Unit)| narrow(a) == narrow(b);
        assert!(read.units.iter().zip(&original.units).all(same));
    }
}

#[test]
fn no_damage_goes_unseen() {
    let bytes = written();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        let seen = match opened(&damaged) {
            Ok(print) => !print.is_intact().expect("read"),
            Err(_) => true,
        };
        assert!(seen || (HEAD - 8..HEAD).contains(&at), "byte {at}");
    }
    for length in 0..bytes.len() {
        let cut = opened(&bytes[..length]);
        assert!(cut.is_err() || cut.is_ok_and(|print| !print.is_intact().expect("read")));
    }
}

#[test]
fn claims_are_not_believed() {
    let mut many = written();
    many[8..16].fill(0xff);
    assert!(opened(&many).is_err(), "more blocks than a file can hold");
    let mut writer = Writer::new(Digest([7; 32]));
    writer.block(&block(5, true), None, false);
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).expect("written");
    // Units that are not there, under a digest that is right.
    bytes[HEAD + 16..HEAD + 20].fill(0xff);
    let digest = short(&[&bytes[..72], &bytes[HEAD..HEAD + BLOCK]].concat());
    bytes[72..88].copy_from_slice(&digest);
    let print = opened(&bytes).expect("its head is sound");
    assert!(print.read(&mut Blocks(Vec::new())).is_err());
}

/// The AppHash is in a fingerprint of a source that tells it, and changes no other one.
#[test]
fn an_app_hash_is_told_where_the_source_tells_it() {
    let with = |hash: &[u8]| {
        let told = BlockTape {
            app_hash: AppHash::new(hash),
            ..block(5, true)
        };
        let mut writer = Writer::new(Digest([7; 32]));
        writer.block(&told, None, false);
        writer.block(&block(6, true), None, false);
        let mut bytes = Vec::new();
        writer.finish(&mut bytes).expect("written");
        (told, bytes)
    };
    let (told, bytes) = with(&[1; 32]);
    assert_eq!(bytes[7], 3);
    let (at, size) = place("block", "AppHash");
    let block_size = Version::Third.block();
    assert_eq!(bytes[HEAD + at..HEAD + at + size], short(&[1; 32]));
    let second = HEAD + block_size + at;
    assert_eq!(bytes[second..second + size], [0; 16]);
    let read = |bytes: &[u8]| {
        let mut blocks = Blocks(Vec::new());
        let print = opened(bytes).expect("a fingerprint");
        print.read(&mut blocks).expect("read");
        blocks.0
    };
    let print = read(&bytes);
    let (_, other) = with(&[2; 32]);
    assert_eq!(is_same_app_hash(&print[0], &told), Some(true));
    assert_eq!(is_same_app_hash(&told, &print[0]), Some(true));
    assert_eq!(is_same_app_hash(&print[0], &read(&other)[0]), Some(false));
    assert_eq!(is_same_app_hash(&told, &read(&other)[0]), Some(false));
    assert_eq!(is_same_app_hash(&print[1], &told), None);
}
