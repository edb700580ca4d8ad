//! The targets under libFuzzer. `HALTBOX_TARGET` names the one that runs; with `HALTBOX_SEEDS`
//! its seeds are written into that folder, and nothing runs.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use haltbox_fuzz::{TARGETS, Target, seeds, target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("HALTBOX_TARGET").unwrap_or_default();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    target(&name)
        .unwrap_or_else(|| panic!("HALTBOX_TARGET is {name:?}, one of {names:?} is expected"))
});

fn write_seeds() {
    if let Some(folder) = std::env::var_os("HALTBOX_SEEDS") {
        seeds::write(&CHOSEN, Path::new(&folder)).expect("a folder that can be written");
        std::process::exit(0);
    }
}

fuzz_target!(init: write_seeds(), |bytes: &[u8]| (CHOSEN.run)(bytes));
