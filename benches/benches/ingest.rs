//! A pipe into the recorder, beside a reader that discards.

use haltbox_benches::{measure, report};

fn main() {
    report::print_all(&measure::ingest::figures());
}
