//! Checks the code against docs/format.md, and that damage is found.

use std::io::Seek;

use haltbox_model::InputRules;

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

fn block(height: u64, whole: bool) -> BlockTrace {
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
    BlockTrace {
        height,
        attempt: 2,
        begun: true,
        ended: whole,
        executed: true,
        units: kinds.into_iter().enumerate().map(unit).collect(),
        ..BlockTrace::default()
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

struct Blocks(Vec<BlockTrace>);

impl TraceSink for Blocks {
    fn block(&mut self, block: BlockTrace) -> bool {
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
    assert_eq!((head("blocks"), head("units"), head("inputs")), (2, 8, 0));
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

/// `given`: the first two entries of the first block, with its inputs.
fn written_of_inputs(given: [&str; 2]) -> Vec<u8> {
    let mut writer = Writer::new(Digest([7; 32]));
    let recorded = BlockTrace {
        given: given_by(given),
        ..block(5, true)
    };
    writer.block(&recorded, Some(BlockHash([9; 16])), false);
    writer.block(&block(6, true), None, false);
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).expect("written");
    bytes
}

fn given_by([begin, input]: [&str; 2]) -> BlockInputs {
    let rules = r#"[{"name":"time","type":"begin-block","member":"time"},
        {"name":"txs","type":"step-input","member":"txsDigest"},
        {"name":"config","type":"step-input","member":"local.config"},
        {"name":"a name that is longer than thirty bytes","type":"step-input","member":"x"}]"#;
    let rules: InputRules = serde_json::from_str(rules).expect("rules");
    // The node's own members are not part of the canonical form.
    let canonical = |line: &str| line.split(r#","local""#).next().expect("a part").to_owned() + "}";
    let mut given = BlockInputs::default();
    given.begin(&rules, begin.as_bytes(), begin.as_bytes());
    given.go_on(&rules, input.as_bytes(), canonical(input).as_bytes());
    given
}

const GIVEN: [&str; 2] = [
    r#"{"type":"begin-block","time":"7.5"}"#,
    r#"{"type":"step-input","txsDigest":"ab","x":"y","local":{"config":"cd"}}"#,
];

#[test]
fn inputs_stand_where_the_document_says() {
    let bytes = written_of_inputs(GIVEN);
    assert_eq!(bytes[7], 4);
    assert_eq!(number(&bytes, place("head", "inputs")), 3);
    let inputs = [
        ("time", 0, "begin-block\ntime", "\"7.5\""),
        ("txs", 0, "step-input\ntxsDigest", "\"ab\""),
        ("config", 1, "step-input\nlocal.config", "\"cd\""),
    ];
    let of = |text: &str| number(&short(text.as_bytes()), (0, 8));
    let block = Version::Fourth.block() + 3 * 8;
    let blocks = HEAD + 3 * NAME;
    for (index, (name, local, member, value)) in inputs.into_iter().enumerate() {
        let input = &bytes[HEAD + index * NAME..][..NAME];
        let field = |field| number(input, place("input", field));
        assert_eq!(
            (field("local"), field("length")),
            (local, name.len() as u64)
        );
        let (at, size) = place("input", "name");
        assert_eq!(
            input[at..at + size],
            [name.as_bytes(), &vec![0; size - name.len()]].concat()
        );
        assert_eq!(field("told by"), of(member));
        let place = (Version::Fourth.block() + index * 8, 8);
        assert_eq!(number(&bytes[blocks..], place), of(value), "{name}");
        assert_eq!(number(&bytes[blocks + block..], place), 0, "{name}");
    }
    assert_eq!(bytes.len(), blocks + 2 * block + 8 * UNIT);
    assert_eq!(
        number(&bytes[blocks + block..], place("block", "height")),
        6
    );
    assert_eq!(
        number(&bytes[blocks + block..], place("block", "AppHash")),
        0
    );
}

#[test]
fn inputs_that_were_written_are_read() {
    let print = opened(&written_of_inputs(GIVEN)).expect("a fingerprint");
    let mut blocks = Blocks(Vec::new());
    print.read(&mut blocks).expect("read");
    let [recorded, without] = blocks.0.as_slice() else {
        panic!("two blocks");
    };
    let original = given_by(GIVEN);
    let names = |given: &BlockInputs, other: &BlockInputs| -> Vec<(String, bool)> {
        let pairs = given.pairs(other);
        let equal = pairs.filter(|(own, other)| own.value == other.value);
        equal
            .map(|(own, _)| (own.name.name.clone(), own.name.local))
            .collect()
    };
    let expected = [("time", false), ("txs", false), ("config", true)];
    let expected = expected.map(|(name, local)| (name.to_owned(), local));
    assert_eq!(names(&recorded.given, &original), expected);
    assert_eq!(recorded.units.len(), without.units.len());
    assert!(without.given.inputs().is_empty());
    assert!(recorded.given.others(&original).is_empty());
    // Neither the node's own inputs differ, nor inputs that one side does not have.
    let other = given_by([
        r#"{"type":"begin-block"}"#,
        r#"{"type":"step-input","txsDigest":"AB","local":{"config":"x"}}"#,
    ]);
    assert_eq!(recorded.given.others(&other), ["txs"]);
    assert!(without.given.others(&other).is_empty());
}

/// A source without inputs does not get the version that has them.
#[test]
fn a_version_is_written_for_what_is_told() {
    let version = |given| written_of_inputs(given)[7];
    assert_eq!(version(GIVEN), 4);
    assert_eq!(version([r#"{"type":"begin-block"}"#, "{}"]), 2);
    let long = r#"{"type":"step-input","x":"y"}"#;
    assert_eq!(version(["{}", long]), 2, "its name does not fit");
}

#[test]
fn more_inputs_than_are_read_are_refused() {
    let mut bytes = written_of_inputs(GIVEN);
    let (at, _) = place("head", "inputs");
    bytes[at] = MOST_INPUTS as u8 + 1;
    let refused = opened(&bytes).expect_err("too many").to_string();
    assert!(refused.contains("17 inputs; at most 16"), "{refused}");
}

#[test]
fn no_damage_goes_unseen() {
    for (bytes, unproved) in [
        (written(), HEAD - 8..HEAD),
        (written_of_inputs(GIVEN), 0..0),
    ] {
        no_damage_to_goes_unseen(&bytes, unproved);
    }
}

fn no_damage_to_goes_unseen(bytes: &[u8], unproved: std::ops::Range<usize>) {
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 0x40;
        let seen = match opened(&damaged) {
            Ok(print) => !print.is_intact().expect("read"),
            Err(_) => true,
        };
        assert!(seen || unproved.contains(&at), "byte {at}");
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
    let claims = [
        (
            HEAD + 16,
            vec![0xff; 4],
            "claims 8 units; its blocks have 8589934590",
        ),
        (
            HEAD + 8,
            vec![1],
            "units of height 5 begin at 1; they begin at 0",
        ),
        (
            HEAD + BLOCK + 8,
            vec![0],
            "units of height 6 begin at 0; they begin at",
        ),
        (
            16,
            vec![0xff; 8],
            "claims 18446744073709551615 units; its blocks have 8",
        ),
    ];
    for (at, claim, words) in claims {
        let mut bytes = written();
        bytes[at..at + claim.len()].copy_from_slice(&claim);
        if at == HEAD + 16 {
            let second = HEAD + BLOCK;
            bytes[second + 8..second + 16].copy_from_slice(&u64::from(u32::MAX).to_le_bytes());
            bytes[second + 16..second + 20].fill(0xff);
        }
        proved(&mut bytes);
        let refused = opened(&bytes).expect_err(words).to_string();
        assert!(refused.contains(words), "{refused}");
    }
    // The units are missing. The head counts them, and its digest is right.
    let mut bytes = written();
    let second = HEAD + BLOCK;
    bytes[second + 16..second + 20].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes[16..24].copy_from_slice(&(4 + u64::from(u32::MAX)).to_le_bytes());
    proved(&mut bytes);
    let print = opened(&bytes).expect("its head is sound");
    assert!(!print.is_intact().expect("read"));
    assert!(print.read(&mut Blocks(Vec::new())).is_err());
}

/// Sets the right digest in a head with two blocks.
fn proved(bytes: &mut [u8]) {
    let inputs = match bytes[7] {
        4 => word(bytes, INPUTS) as usize,
        _ => 0,
    };
    let block = match bytes[7] {
        4 => Version::Fourth.block() + inputs * 8,
        _ => BLOCK,
    };
    let end = HEAD + inputs * NAME + 2 * block;
    let counted = if inputs > 0 { INPUTS..HEAD } else { 0..0 };
    let all = [&bytes[..COVERED], &bytes[counted], &bytes[HEAD..end]].concat();
    bytes[COVERED..INPUTS].copy_from_slice(&short(&all));
}

#[test]
fn names_of_inputs_are_not_believed() {
    let second = HEAD + NAME;
    let of = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = written_of_inputs(GIVEN);
        change(&mut bytes);
        proved(&mut bytes);
        opened(&bytes)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(of(&|_| ()), Ok(()));
    let twice = of(&|bytes| bytes.copy_within(HEAD..second, second));
    let words = twice.expect_err("one name twice");
    assert!(words.contains("contains the input time twice"), "{words}");
    let local = of(&|bytes| {
        bytes.copy_within(HEAD..second, second);
        bytes[second] = LOCAL;
    });
    assert!(local.is_err(), "one of the two is the node's own");
    for (what, at, byte) in [("empty", 1, 0), ("a control character", 3, 7)] {
        let words = of(&|bytes| bytes[HEAD + at] = byte).expect_err(what);
        assert!(words.contains("whose name cannot be read"), "{words}");
    }
}

/// A fingerprint has the AppHashes of a source that records them, and keeps its version
/// otherwise.
#[test]
fn an_app_hash_is_told_where_the_source_tells_it() {
    let with = |hash: &[u8]| {
        let recorded = BlockTrace {
            app_hash: AppHash::new(hash),
            ..block(5, true)
        };
        let mut writer = Writer::new(Digest([7; 32]));
        writer.block(&recorded, None, false);
        writer.block(&block(6, true), None, false);
        let mut bytes = Vec::new();
        writer.finish(&mut bytes).expect("written");
        (recorded, bytes)
    };
    let (recorded, bytes) = with(&[1; 32]);
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
    assert_eq!(is_same_app_hash(&print[0], &recorded), Some(true));
    assert_eq!(is_same_app_hash(&recorded, &print[0]), Some(true));
    assert_eq!(is_same_app_hash(&print[0], &read(&other)[0]), Some(false));
    assert_eq!(is_same_app_hash(&recorded, &read(&other)[0]), Some(false));
    assert_eq!(is_same_app_hash(&print[1], &recorded), None);
}
