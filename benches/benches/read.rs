//! What reads: the entry gate, `haltbox cat`, `haltbox diff` and `haltbox compare`.

use haltbox_benches::{measure::read, report};

fn main() {
    report::print_all(&read::gate());
    for figures in [read::cat(), read::diff(), Ok(read::compare())] {
        match figures {
            Ok(figures) => report::print(&figures),
            Err(reason) => println!("left out: {reason}"),
        }
    }
}
