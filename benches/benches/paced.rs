//! Single appends at a validator's pace, on disk and on tmpfs in the same loop.

use haltbox_benches::{measure, report};

fn main() {
    report::print_all(&measure::paced::figures().expect("a folder in memory"));
}
