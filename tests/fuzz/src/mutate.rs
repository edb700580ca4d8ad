//! Mutations without coverage, for toolchains that have no fuzzer.

use fastrand::Rng;

/// Longest input.
const LONGEST: usize = 64 << 10;

/// One input made from another.
pub fn mutated(input: &[u8], other: &[u8], random: &mut Rng) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..random.usize(1..=4) {
        mutate(&mut out, other, random);
    }
    out.truncate(LONGEST);
    out
}

fn mutate(out: &mut Vec<u8>, other: &[u8], random: &mut Rng) {
    let at = random.usize(0..=out.len());
    let len = random.usize(0..=16).min(out.len() - at);
    match random.u8(0..7) {
        0 => out
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|byte| *byte ^= 1 << random.u8(0..8)),
        1 => out
            .iter_mut()
            .skip(at)
            .take(len)
            .for_each(|byte| *byte = random.u8(..)),
        2 => drop(out.drain(at..at + len)),
        3 => {
            let part = out[at..at + len].to_vec();
            out.splice(at..at, part);
        }
        4 => {
            let from = random.usize(0..=other.len());
            let part = &other[from..(from + random.usize(0..=256)).min(other.len())];
            out.splice(at..at + len, part.iter().copied());
        }
        5 => {
            const TOKENS: [&[u8]; 10] = [
                b"\"",
                b"{",
                b"}",
                b"[",
                b",",
                b"\\u",
                b"\n",
                b"18446744073709551616",
                b"null",
                b"\0",
            ];
            out.splice(
                at..at,
                random.choice(TOKENS).unwrap_or_default().iter().copied(),
            );
        }
        _ => out.truncate(at),
    }
}
