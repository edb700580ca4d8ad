//! The numbers were computed apart from this crate, with the CRC-32 of zlib.

use super::*;

const SALT: u64 = 0x1122_3344_5566_7788;
const SEQ: Seq = Seq(3 << 40 | 9);

fn header(part: Part, flags: Flags) -> Header {
    Header { part, flags }
}

/// A record as the writer lays it, behind 16 bytes of something else.
fn laid(key: LaneKey, seq: Seq, header: Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF; ALIGN];
    bytes.extend(key.mask(seq).to_le_bytes());
    bytes.extend(key.commit_word(seq, header, &[], payload).to_le_bytes());
    bytes.extend(payload);
    bytes.resize(padded(bytes.len()), 0);
    bytes
}

#[test]
fn a_sequence_number_is_its_two_parts() {
    assert_eq!((FRAGMENT, MAX_EPOCH), (65536, 0xFF_FFFF));
    let last = Seq::new(MAX_EPOCH, (1 << 40) - 1);
    assert_eq!(last, Seq(u64::MAX));
    assert_eq!((last.epoch(), last.counter()), (MAX_EPOCH, (1 << 40) - 1));
    assert_eq!(Seq::new(3, 9), SEQ);
    assert_eq!((SEQ.epoch(), SEQ.counter()), (3, 9));
    let too_large = Seq::new(MAX_EPOCH + 6, (1 << 40) + 7);
    assert_eq!((too_large.epoch(), too_large.counter()), (5, 7));
}

#[test]
fn flags_are_bits() {
    let both = Flags::NODE.with(Flags::CUT);
    assert!(both.has(Flags::NODE) && both.has(Flags::CUT) && both.has(both));
    assert!(!both.has(Flags::UNTERMINATED) && !Flags::NODE.has(both));
    assert_eq!(both.with(Flags::NODE), both);
    for stream in [Stream::Slog, Stream::Node] {
        assert_eq!(Flags::of(stream).with(Flags::CUT).stream(), stream);
    }
}

#[test]
fn records_begin_at_multiples_of_16() {
    assert_eq!([0, 1, 16, 17].map(padded), [0, 16, 16, 32]);
}

#[test]
fn a_record_has_these_bytes() {
    let keys = [Lane::Main, Lane::Spine, Lane::Local].map(|lane| LaneKey::new(SALT, lane));
    let numbers = [SALT, 0xaf59_acfd_d4b0_f39d, 0x4d91_26b7_53fb_6fb2];
    assert_eq!(keys.map(LaneKey::number), numbers);
    let key = keys[2];
    assert_eq!(key.mask(SEQ), 0x4d91_25b7_53fb_6fbb);
    let cut = header(Part::Mid, Flags::NODE.with(Flags::CUT));
    let word = key.commit_word(SEQ, cut, b"abcdefgh", b"payload");
    assert_eq!(word, 0xa825_91f2_0350_000f);
    let whole = header(Part::Full, Flags::default());
    let word = key.commit_word(SEQ, whole, &[], b"line");
    assert_eq!(word, 0x81a3_fba4_0100_0004);
}

/// Miri runs the code some thousand times slower.
const STEP: usize = if cfg!(miri) { 15 } else { 1 };
const LONGEST: usize = if cfg!(miri) { 4096 } else { FRAGMENT };

#[test]
fn a_fragment_is_read_as_it_was_laid() {
    let key = LaneKey::new(SALT, Lane::Main);
    for part in [Part::Full, Part::First, Part::Mid, Part::Last] {
        for flags in (0..16).step_by(STEP).map(Flags) {
            for payload in [vec![b'x'; 0], vec![b'y'; 21], vec![b'z'; LONGEST]] {
                let bytes = laid(key, SEQ, header(part, flags), &payload);
                let found = key.fragment_at(&bytes, ALIGN, 3).expect("a fragment");
                let expected = Fragment {
                    seq: SEQ,
                    part,
                    flags,
                    payload: &payload,
                    end: bytes.len(),
                };
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn what_is_not_possible_is_no_fragment() {
    let key = LaneKey::new(SALT, Lane::Main);
    let whole = header(Part::Full, Flags::default());
    let bytes = laid(key, SEQ, whole, b"a line of the slog");
    assert!(key.fragment_at(&bytes, ALIGN, 2).is_none(), "its epoch");
    assert!(key.fragment_at(&bytes, 0, 3).is_none(), "another place");
    let short = &bytes[..ALIGN + HEADER_SIZE + 17];
    assert!(key.fragment_at(short, ALIGN, 3).is_none(), "its end");
    for at in ALIGN..ALIGN + HEADER_SIZE + 18 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let found = key.fragment_at(&damaged, ALIGN, MAX_EPOCH);
        assert!(found.is_none(), "byte {at}");
    }
    let unopened = laid(key, Seq::new(0, 9), whole, b"line");
    assert!(key.fragment_at(&unopened, ALIGN, 3).is_none(), "no opening");
    let large = laid(key, SEQ, whole, &vec![b'x'; FRAGMENT + 1]);
    assert!(key.fragment_at(&large, ALIGN, 3).is_none(), "its length");
}

#[test]
fn a_whole_record_of_the_slog_is_known_by_its_header() {
    let key = LaneKey::new(SALT, Lane::Main);
    let whole = header(Part::Full, Flags::default());
    let length_of = |header, payload: &[u8]| {
        let bytes = laid(key, SEQ, header, payload);
        key.whole_slog_record(&bytes[ALIGN..], SEQ)
    };
    assert_eq!(length_of(whole, b"line"), Some(4));
    let largest = vec![b'x'; FRAGMENT + 1];
    assert_eq!(length_of(whole, &largest[1..]), Some(FRAGMENT));
    assert_eq!(length_of(whole, &largest), None);
    assert_eq!(length_of(header(Part::First, whole.flags), b"line"), None);
    assert_eq!(length_of(header(Part::Full, Flags::NODE), b"line"), None);
    let bytes = laid(key, SEQ, whole, b"line");
    assert_eq!(key.whole_slog_record(&bytes[ALIGN..], Seq(SEQ.0 + 1)), None);
    assert_eq!(key.whole_slog_record(&bytes[ALIGN..][..11], SEQ), None);
}

#[test]
fn a_cut_record_has_its_length_and_digest_in_front() {
    let cut = CutHeader {
        length: 0x0102_0304,
        digest: Digest([7; 32]),
    };
    let head = cut.encode();
    assert_eq!(head[..8], [4, 3, 2, 1, 0, 0, 0, 0]);
    assert_eq!(head[8..], [7; 32]);
    let record = [&head[..], b"kept"].concat();
    assert_eq!(CutHeader::split(&record), Some((cut, &b"kept"[..])));
    assert_eq!(CutHeader::split(&record[..39]), None);
}
