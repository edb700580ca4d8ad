//! The targets under libFuzzer. `HALTBOX_TARGET` names the one that runs.
#![no_main]

use std::sync::LazyLock;

use haltbox_fuzz::{TARGETS, Target, target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("HALTBOX_TARGET").unwrap_or_default();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    target(&name)
        .unwrap_or_else(|| panic!("HALTBOX_TARGET is {name:?}, one of {names:?} is expected"))
});

fuzz_target!(|bytes: &[u8]| (CHOSEN.run)(bytes));
