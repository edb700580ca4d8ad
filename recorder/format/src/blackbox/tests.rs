use std::path::Path;

use super::*;
use crate::mark::State;
use crate::{AppHash, Digest};

/// The document that is the authority for the layouts.
fn document() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    ["format.md"]
        .iter()
        .filter_map(|name| std::fs::read_to_string(docs.join(name)).ok())
        .find(|text| text.contains("\n## The black box\n") || text.starts_with("## The black box"))
        .expect("docs/format.md describes the black box")
}

/// The rows of a layout table: offset, size, field.
fn table(document: &str, name: &str) -> Vec<(usize, usize, String)> {
    let marker = format!("<!-- table: {name} -->");
    let rows = document.split_once(&marker).expect("the table is there").1;
    let rows = rows
        .trim_start()
        .lines()
        .take_while(|row| row.starts_with('|'))
        .skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (
            cells[1].parse().unwrap(),
            cells[2].parse().unwrap(),
            cells[3].to_owned(),
        )
    })
    .collect()
}

fn layout(fields: &[Field]) -> Vec<(usize, usize, String)> {
    fields
        .iter()
        .map(|field| (field.at, field.len, field.name.to_owned()))
        .collect()
}

#[test]
#[cfg_attr(miri, ignore = "searches a document, which takes minutes under Miri")]
fn the_document_and_the_code_have_the_same_layouts() {
    let document = document();
    assert_eq!(table(&document, "frame"), layout(&FRAME_FIELDS));
    assert_eq!(table(&document, "seek entry"), layout(&SEEK_ENTRY_FIELDS));
    assert_eq!(table(&document, "footer"), layout(&FOOTER_FIELDS));
    for fields in [&FRAME_FIELDS[..], &SEEK_ENTRY_FIELDS, &FOOTER_FIELDS] {
        let mut end = 0;
        for field in fields {
            assert_eq!(field.at, end, "{} leaves a gap or overlaps", field.name);
            end = field.at + field.len;
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "searches a document, which takes minutes under Miri")]
fn the_document_and_the_code_have_the_same_constants() {
    let document = document();
    let section = document.split("## The black box").nth(1).unwrap();
    let says = |text: String| assert!(section.contains(&text), "the document lacks {text:?}");
    says(format!("magic number is 0x{FRAME_MAGIC:08X}"));
    says(format!("The body begins at offset {HEAD_LEN}."));
    says(format!("exactly {IDENTITY_LEN} bytes at offset 0"));
    says(format!(
        "at most {MANIFEST_MAX} bytes, at most {LIST_MAX} entries"
    ));
    says(format!("skippable frame of magic 0x{SEEK_MAGIC:08X}"));
    says(format!("0x{FOOTER_MAGIC:08X}"));
    says(format!("0x{EMPTY_CHECKSUM:08X}"));
    says(format!("the file's last {FOOTER_LEN} bytes"));
    says(format!("at most {SEEK_FRAMES_MAX} are read"));
    says(format!("| `format` | {FORMAT_VERSION} |"));
    for tag in Tag::ALL {
        says(format!(
            "| `{}` |",
            std::str::from_utf8(tag.bytes()).unwrap()
        ));
    }
}

/// The document has every key that the code writes, between backquotes.
#[test]
#[cfg_attr(miri, ignore = "searches a document, which takes minutes under Miri")]
fn the_document_names_every_key() {
    let document = document();
    let one = Some(Span { from: 1, to: 2 });
    let hash = AppHash::new(&[1, 2]);
    let digest = Some(Digest([7; 32]));
    let text = || Some("x".to_owned());
    let manifest = Manifest {
        coverage: Coverage {
            ring: Some(crate::RingId([7; 16])),
            main: one,
            local: one,
            first_height: Some(1),
            last_height: Some(2),
        },
        losses: vec![Missing {
            lane: Some(crate::Lane::Main),
            bytes: Some(1),
            ..Missing::default()
        }],
        blocks: vec![BlockEntry {
            state: Some(State::Pinned),
            app_hash: hash,
            network_app_hash: hash,
            name: text(),
            hash: text(),
            first_crank: Some(1),
            last_crank: Some(2),
            activityhash: digest,
            ..BlockEntry::default()
        }],
        frames: vec![FrameEntry {
            kind: Some(FrameKind::Slog),
            blake3: digest,
            ..FrameEntry::default()
        }],
        host: HostFingerprint {
            recorder: text(),
            os: text(),
            kernel: text(),
            cpu: text(),
            node_sha256: digest,
            versions: [("x".to_owned(), "y".to_owned())].into(),
        },
        origin: text(),
        identity: Identity {
            origin: text(),
            ..Identity::default()
        },
        ..Manifest::default()
    };
    let json = serde_json::to_string(&manifest).unwrap();
    let keys = json
        .split('"')
        .zip(json.split('"').skip(1))
        .filter(|(_, after)| after.starts_with(':'));
    let mut named = 0;
    for (key, _) in keys.filter(|(key, _)| *key != "x") {
        assert!(
            document.contains(&format!("`{key}`")),
            "the document does not name `{key}`"
        );
        named += 1;
    }
    assert!(named > 40, "only {named} keys were looked at");
}

#[test]
fn a_frame_head_is_what_the_document_says() {
    let head = FrameHead::new(Tag::Node, b"body").unwrap();
    let bytes = head.to_bytes();
    assert_eq!(bytes[..4], [0x5B, 0x2A, 0x4D, 0x18]);
    assert_eq!(bytes[4..8], 44u32.to_le_bytes());
    assert_eq!(&bytes[8..16], b"HBXNODE1");
    let digest = blake3::hash(&[&bytes[..16], b"body"].concat());
    assert_eq!(&bytes[16..], digest.as_bytes());
    assert_eq!(FrameHead::parse(&bytes), Ok(head));
    assert_eq!(head.frame_len(), 52);
}

#[test]
fn every_flipped_bit_of_a_frame_is_seen() {
    let body = b"some lines";
    let whole = [
        FrameHead::new(Tag::Marks, body)
            .unwrap()
            .to_bytes()
            .as_slice(),
        body,
    ]
    .concat();
    for bit in 0..whole.len() * 8 {
        let mut frame = whole.clone();
        frame[bit / 8] ^= 1 << (bit % 8);
        let proven = FrameHead::parse(&frame).and_then(|head| head.proven_body(&frame).map(drop));
        assert!(proven.is_err(), "bit {bit}");
    }
    for cut in 0..whole.len() {
        let frame = &whole[..cut];
        assert!(
            FrameHead::parse(frame)
                .and_then(|head| head.proven_body(frame))
                .is_err()
        );
    }
}

fn full_identity() -> Identity {
    Identity {
        name: "20-00112233445566778899aabbccddeeff".to_owned(),
        height: Some(20),
        attempt: Some(2),
        reason: "AppHash mismatch".to_owned(),
        app_hash: AppHash::new(&[0xAB; 64]),
        network_app_hash: AppHash::new(&[0xCD; 64]),
        profile: "agoric".to_owned(),
        profile_digest: Some(Digest([9; 32])),
        created: "2026-11-21T01:02:03Z".to_owned(),
        complete: true,
        ..Identity::default()
    }
}

#[test]
fn an_identity_survives_the_page() {
    let identity = full_identity();
    assert_eq!(Identity::parse(&identity.to_bytes()), Ok(identity));
    assert!(!Identity::default().complete);
}

#[test]
fn another_frame_in_the_place_of_an_identity_is_refused() {
    let body = [b' '; IDENTITY_LEN - HEAD_LEN];
    let parse = |tag, body: &[u8]| {
        let head = FrameHead::new(tag, body).expect("a small body");
        Identity::parse(&[&head.to_bytes(), body].concat())
    };
    assert_eq!(parse(Tag::Cranks, &body), Err(IdentityError::NotFirst));
    let short = &body[1..];
    assert_eq!(parse(Tag::Identity, short), Err(IdentityError::NotFirst));
    let json = parse(Tag::Identity, &body);
    assert!(matches!(json, Err(IdentityError::Json(_))), "{json:?}");
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes under Miri")]
fn no_text_keeps_an_identity_off_its_page() {
    for text in [
        "\u{1}".repeat(5000),
        "\u{1F4E6}".repeat(5000),
        "\"".repeat(4000),
    ] {
        let identity = Identity {
            name: text.clone(),
            reason: text.clone(),
            origin: Some(text.clone()),
            profile: text.clone(),
            created: text,
            ..full_identity()
        };
        let read = Identity::parse(&identity.to_bytes()).unwrap();
        assert_eq!(
            (read.height, read.app_hash),
            (identity.height, identity.app_hash)
        );
        assert!(read.complete && identity.reason.starts_with(&read.reason));
        assert!(!read.reason.is_empty());
    }
}

#[test]
fn an_unsound_value_counts_as_absent_alone() {
    let json = br#"{"height":-3,"attempt":1e99,"app_hash":"xyz","name":["a"],"complete":true,
        "created":"now","someday":{"a":[1,2]}}"#;
    let identity: Identity = serde_json::from_slice(json).unwrap();
    let expected = Identity {
        format: 0,
        created: "now".to_owned(),
        complete: true,
        ..Identity::default()
    };
    assert_eq!(
        Identity {
            format: 0,
            ..identity
        },
        expected
    );
    let manifest = br#"{"frames":[{"offset":7},5,"x",{"offset":-1,"lines":3}],"blocks":7,
        "coverage":{"main":{"from":1,"to":"y"},"first_height":9},"host":{"os":5,"cpu":"c",
        "versions":{"a":"1","b":[2]}},"origin":null}"#;
    let manifest = Manifest::parse(manifest).unwrap();
    let offsets: Vec<_> = manifest
        .frames
        .iter()
        .map(|f| (f.offset, f.lines))
        .collect();
    assert_eq!(offsets, [(7, 0), (0, 3)]);
    assert_eq!(manifest.coverage.main, Some(Span { from: 1, to: 0 }));
    assert_eq!(manifest.coverage.first_height, Some(9));
    assert_eq!(manifest.host.cpu.as_deref(), Some("c"));
    assert_eq!(manifest.host.versions.len(), 1);
    assert_eq!((manifest.blocks.len(), manifest.host.os), (0, None));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes under Miri")]
fn lists_are_bounded_and_depth_is_no_matter() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let many = vec!["{}"; LIST_MAX + 10].join(",");
    let json = format!("{{\"new\":{deep},\"coverage\":{deep},\"blocks\":[{many}]}}");
    let manifest = Manifest::parse(json.as_bytes()).unwrap();
    assert_eq!(manifest.blocks.len(), LIST_MAX);
    assert_eq!(manifest.coverage, Coverage::default());
    assert!(Manifest::parse(b"[]").is_none() && Manifest::parse(deep.as_bytes()).is_none());
}

#[test]
fn a_seek_table_survives_and_is_bounded() {
    let entry = |compressed, decompressed| SeekEntry {
        compressed,
        decompressed,
        checksum: Some(EMPTY_CHECKSUM),
    };
    let table = SeekTable {
        entries: vec![entry(4096, 0), entry(100, 1000), entry(60, 0)],
    };
    let bytes = table.to_bytes().unwrap();
    let file_len = 4256 + bytes.len() as u64;
    let read = |bytes: &[u8], file_len| {
        let footer = Footer::parse(&bytes[bytes.len() - FOOTER_LEN..], file_len)?;
        SeekTable::parse(footer, bytes, file_len)
    };
    assert_eq!(read(&bytes, file_len), Ok(table));
    let sum = SeekTableError::Sum {
        found: 4256,
        expected: 4257,
    };
    assert_eq!(read(&bytes, file_len + 1), Err(sum));
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Sizes of content and checksums are not this table's to check.
        let entry_at = (bit / 8)
            .checked_sub(8)
            .filter(|at| *at < 36)
            .map(|at| at % 12);
        let elsewhere = entry_at.is_some_and(|at| at >= 4) || bit / 8 == 48;
        assert!(elsewhere || read(&bytes, file_len).is_err(), "bit {bit}");
    }
    let mut hostile = [0; FOOTER_LEN];
    hostile[..4].copy_from_slice(&1_000_000_000u32.to_le_bytes());
    hostile[5..].copy_from_slice(&FOOTER_MAGIC.to_le_bytes());
    let refused = Footer::parse(&hostile, u64::MAX);
    assert!(matches!(
        refused,
        Err(SeekTableError::Frames {
            claimed: 1_000_000_000,
            ..
        })
    ));
    hostile[..4].copy_from_slice(&1000u32.to_le_bytes());
    assert!(Footer::parse(&hostile, 8016).is_err());
    assert!(Footer::parse(&hostile, 8017).is_ok());
    hostile[4] = 0x04;
    let reserved = SeekTableError::Descriptor { found: 0x04 };
    assert_eq!(Footer::parse(&hostile, 8017).err(), Some(reserved));
}

#[test]
fn a_crank_index_survives_and_goes_back() {
    let cranks: Vec<Crank> = [
        (5, 100),
        (6, 100),
        (7, 90_000),
        (6, 90_001),
        (u64::MAX, 1 << 60),
    ]
    .map(|(number, offset)| Crank { number, offset })
    .to_vec();
    let mut writer = CrankIndexWriter::default();
    cranks.iter().for_each(|crank| writer.push(*crank));
    assert_eq!(CrankIndex::new(writer.bytes()).collect::<Vec<_>>(), cranks);
    for cut in 0..writer.bytes().len() {
        let mut index = CrankIndex::new(&writer.bytes()[..cut]);
        let read = index.by_ref().count();
        assert!(read < cranks.len());
    }
    let endless = [0xFF; 40];
    let mut index = CrankIndex::new(&endless);
    assert_eq!((index.next(), index.rest().len()), (None, 40));
    let far = [
        0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 1,
    ];
    assert_eq!(
        CrankIndex::new(&far).count(),
        1,
        "an offset beyond 64 bits ends the index"
    );
}

#[test]
fn zstd_headers_are_read_as_rfc_8878_has_them() {
    let magic = ZSTD_MAGIC.to_le_bytes();
    let head = |rest: &[u8]| ZstdHead::parse(&[magic.as_slice(), rest].concat());
    let parsed = |len, content_len, checksum| {
        Some(ZstdHead {
            len,
            content_len,
            checksum,
        })
    };
    assert_eq!(head(&[0x00, 0x58]), parsed(6, None, false));
    assert_eq!(head(&[0x24, 7]), parsed(6, Some(7), true));
    assert_eq!(head(&[0x64, 1, 1]), parsed(7, Some(513), true));
    assert_eq!(
        head(&[0x84, 0x58, 0, 0, 16, 0]),
        parsed(10, Some(1 << 20), true)
    );
    assert_eq!(
        head(&[0xE0, 0, 0, 0, 0, 1, 0, 0, 0]),
        parsed(13, Some(1 << 32), false)
    );
    assert_eq!(head(&[0x08, 0x58]), None, "reserved bit");
    assert_eq!(head(&[0x01, 0x58, 1]), None, "dictionary");
    assert_eq!(head(&[0x84, 0x58, 0, 0]), None, "cut off");
    let block = |raw: u32| BlockHead::parse(raw.to_le_bytes()[..3].try_into().unwrap());
    assert_eq!(
        block(1 | (1000 << 3)),
        Some(BlockHead {
            last: true,
            len: 1000
        })
    );
    assert_eq!(
        block((1 << 1) | (1000 << 3)),
        Some(BlockHead {
            last: false,
            len: 1
        })
    );
    assert_eq!(block(3 << 1), None, "reserved type");
    assert_eq!(block((BLOCK_MAX + 1) << 3), None, "too large");
}
