//! A ring of 256 MiB to the finished box, beside zstd -1 and fsync.

use haltbox_benches::{measure, report};

fn main() {
    report::print_all(&measure::freeze::figures());
}
