//! Agoric's `flight-recorder.bin`.

use haltbox_reader::agoric_ring::AgoricRing;

use super::SLOG;
use crate::Target;

/// A file as it is, with the order that its bytes show.
pub const RING: Target = Target {
    name: "agoric-ring",
    run: |input| {
        let Ok(mut ring) = AgoricRing::from_source(input.to_vec()) else {
            return;
        };
        let mut items = 0;
        while let Ok(Some(_)) = ring.next() {
            items += 1;
            assert!(items <= 2 * input.len(), "more items than bytes");
        }
    },
    seeds: || vec![ring(4096, 0), ring(65536, 0), ring(4096, 1000)],
};

/// What flight-recorder.js leaves: a header of magic, arena size, start and end, and records of
/// a length and bytes, around the arena's end.
fn ring(arena: u64, shift: u64) -> Vec<u8> {
    let mut bytes = vec![0; arena as usize];
    let mut at = shift;
    for line in SLOG.lines().map(|line| format!("\n{line}")) {
        let record = [&big_endian(line.len() as u64)[..], line.as_bytes()].concat();
        if at - shift + record.len() as u64 >= arena {
            break;
        }
        for byte in record {
            bytes[(at % arena) as usize] = byte;
            at += 1;
        }
    }
    let words = [arena, shift, at % arena].map(big_endian);
    [&b"AG-SLOG!"[..], &words.concat(), &bytes].concat()
}

/// The byte order that flight-recorder.js writes.
#[expect(clippy::big_endian_bytes, reason = "the file of another program")]
fn big_endian(word: u64) -> [u8; 8] {
    word.to_be_bytes()
}
