//! What has to be reached: the one table, which docs/performance.md repeats.

use std::fmt;

use crate::rounds::Spread;

/// The side of a number on which a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Not above it.
    AtMost(f64),
    /// Not below it.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug)]
pub struct Target {
    /// What is measured.
    pub name: &'static str,
    /// What it is measured beside, or what its figure is.
    pub beside: &'static str,
    /// What it has to reach.
    pub bound: Bound,
    /// What follows the number.
    pub unit: &'static str,
    /// How far the control may lie from 1: where the bound is far from what a
    /// machine varies, a noisy one measures it as well.
    pub noise: f64,
}

/// Of a figure that its bound is near.
const NEAR: f64 = 0.05;
/// Of a figure that is a multiple.
const FAR: f64 = 0.25;

const fn target(
    name: &'static str,
    beside: &'static str,
    bound: Bound,
    unit: &'static str,
    noise: f64,
) -> Target {
    Target {
        name,
        beside,
        bound,
        unit,
        noise,
    }
}

use Bound::{AtLeast, AtMost};

const COPY: &str = "its cost, of memcpy + crc32fast into the same mapping";
const FLUSH: &str = "times cheaper than BufWriter + flush per record, ext4";
const PACED: &str = "on disk, of tmpfs in the same loop";
const DISCARD: &str = "its speed, of discarding from the same pipe";

/// All of them, in the order in which they are measured and printed.
pub const TARGETS: [Target; 22] = [
    target("append, 100 B", COPY, AtMost(1.35), "x", NEAR),
    target("append, 300 B", COPY, AtMost(1.25), "x", NEAR),
    target("append, 1 KiB", COPY, AtMost(1.15), "x", NEAR),
    target("append, 4 KiB", COPY, AtMost(1.15), "x", NEAR),
    target("append, 64 KiB", COPY, AtMost(1.15), "x", NEAR),
    target("append, 100 B, buffered", FLUSH, AtLeast(5.0), "x", FAR),
    target("append, 300 B, buffered", FLUSH, AtLeast(5.0), "x", FAR),
    target("append, 1 KiB, buffered", FLUSH, AtLeast(5.0), "x", FAR),
    target("paced append, p99", PACED, AtMost(1.3), "x", NEAR),
    target("paced append, p99.9", PACED, AtMost(1.3), "x", NEAR),
    target("pipe, one line a write", DISCARD, AtLeast(0.95), "x", NEAR),
    target("pipe, 16 lines a write", DISCARD, AtLeast(0.75), "x", NEAR),
    target("pipe, 64 KiB a write", DISCARD, AtLeast(0.4), "x", NEAR),
    target(
        "entry gate",
        "bytes of slog whose types are told",
        AtLeast(5.0),
        " GB/s",
        NEAR,
    ),
    target(
        "entry gate, members",
        "of all lines have members read",
        AtMost(15.0),
        " %",
        NEAR,
    ),
    target(
        "freeze of 256 MiB",
        "to the finished box, of zstd -1 + fsync",
        AtMost(1.15),
        "x",
        NEAR,
    ),
    target(
        "box size",
        "of zstd -1 of the whole slog",
        AtMost(1.05),
        "x",
        NEAR,
    ),
    target(
        "haltbox cat",
        "its speed, of zstd -dc",
        AtLeast(0.9),
        "x",
        NEAR,
    ),
    target(
        "haltbox diff",
        "times faster than jq (drop time fields) + diff",
        AtLeast(50.0),
        "x",
        FAR,
    ),
    target(
        "haltbox compare",
        "100 fingerprints of 10,000 blocks",
        AtMost(1.0),
        " s",
        FAR,
    ),
    target(
        "haltbox run",
        "a node's time, of the node alone",
        AtMost(1.01),
        "x",
        NEAR,
    ),
    target(
        "Node slog sender",
        "whole path, of JSON.stringify alone",
        AtMost(1.35),
        "x",
        NEAR,
    ),
];

/// What one measurement found.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it has to reach, with its name.
    pub target: &'static Target,
    /// The figure and its spread.
    pub found: Spread,
    /// The same thing measured against itself in the same run. None of what is
    /// counted and not timed.
    pub control: Option<Spread>,
    /// The two times, or what else says more.
    pub detail: String,
}

/// What a figure says of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is reached.
    Reached,
    /// It is not.
    Missed,
    /// The machine varies too much to say.
    Noisy,
}

impl Figure {
    /// Of the target with this name.
    pub fn new(name: &str, found: Spread, control: Option<Spread>, detail: String) -> Figure {
        let target = TARGETS.iter().find(|target| target.name == name);
        Figure {
            target: target.unwrap_or_else(|| panic!("no target is named {name:?}")),
            found,
            control,
            detail,
        }
    }

    /// What it says.
    pub fn verdict(&self) -> Verdict {
        let off = self.control.map_or(0.0, |control| control.off());
        match self.target.bound {
            _ if off > self.target.noise => Verdict::Noisy,
            AtMost(most) if self.found.median <= most => Verdict::Reached,
            AtLeast(least) if self.found.median >= least => Verdict::Reached,
            _ => Verdict::Missed,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bound {
            AtMost(number) => write!(out, "<= {number}{}", self.unit),
            AtLeast(number) => write!(out, ">= {number}{}", self.unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(found: f64, control: [f64; 2]) -> Figure {
        let control = Spread::of(control);
        Figure::new(
            "append, 300 B",
            Spread::exact(found),
            Some(control),
            String::new(),
        )
    }

    #[test]
    fn a_noisy_control_says_nothing_of_the_target() {
        assert_eq!(figure(1.2, [0.99, 1.01]).verdict(), Verdict::Reached);
        assert_eq!(figure(1.3, [0.99, 1.01]).verdict(), Verdict::Missed);
        assert_eq!(figure(1.2, [0.99, 1.20]).verdict(), Verdict::Noisy);
        assert_eq!(figure(1.2, [0.80, 1.01]).verdict(), Verdict::Noisy);
    }

    /// The page has every target with its bound, and no other in that table.
    #[test]
    fn the_page_repeats_the_table() {
        let page = crate::root().join("docs/performance.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, table) = page.split_once("| figure | what it is | target |").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let rows: Vec<_> = table.lines().skip(2).collect();
        let expected = TARGETS
            .iter()
            .map(|target| format!("| {} | {} | {target} |", target.name, target.beside));
        let expected: Vec<_> = expected.collect();
        assert_eq!(rows.len(), expected.len(), "other rows: {rows:#?}");
        for (row, expected) in rows.into_iter().zip(expected) {
            assert!(row.starts_with(&expected), "{row}\n{expected}");
        }
    }
}
