//! The header in the repository is what the source gives.

use std::fs;

use haltbox_tests::root;

/// What cbindgen makes of the source.
fn generated() -> String {
    let folder = root().join("ffi");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("the settings");
    let bindings = cbindgen::Builder::new()
        .with_crate(&folder)
        .with_config(config)
        .generate();
    let mut text = Vec::new();
    bindings.expect("the source is read").write(&mut text);
    String::from_utf8(text).expect("UTF-8")
}

/// `HALTBOX_BLESS=1 cargo test -p haltbox-tests header` writes it anew.
#[test]
fn the_header_is_what_the_source_gives() {
    let path = root().join("ffi/include/haltbox.h");
    let generated = generated();
    if std::env::var_os("HALTBOX_BLESS").is_some() {
        fs::write(&path, &generated).expect("the header");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there
        .lines()
        .zip(generated.lines())
        .find(|(there, new)| there != new);
    assert!(
        there == generated,
        "{} is not what ffi/src gives: {differs:?}; HALTBOX_BLESS=1 cargo test -p haltbox-tests \
         header writes it anew",
        path.display()
    );
}
