use std::process::Command;

use haltbox_tests::root;

/// Names of a package's normal dependencies, its own and theirs.
fn dependencies(package: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--offline",
        ])
        .output()
        .expect("cargo tree runs");
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let text = String::from_utf8(tree.stdout).expect("UTF-8");
    text.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_reader_never_stands_on_the_recorder_or_on_maps() {
    let reader = dependencies("haltbox-reader");
    assert!(reader.iter().any(|name| name == "haltbox-format"));
    for forbidden in ["haltbox-recorder", "memmap2"] {
        assert!(
            !reader.iter().any(|name| name == forbidden),
            "the reader depends on {forbidden}"
        );
    }
}

#[test]
fn the_format_stands_on_nothing_of_ours() {
    let format = dependencies("haltbox-format");
    let ours = format.iter().filter(|name| name.starts_with("haltbox-"));
    assert_eq!(ours.collect::<Vec<_>>(), ["haltbox-format"]);
    assert!(!format.iter().any(|name| name == "memmap2" || name == "nix"));
}

/// Files under these folders that have unsafe code.
fn unsafe_files(folders: &[&str]) -> String {
    let found = Command::new("grep")
        .current_dir(root())
        .args([
            "-rlE",
            "unsafe( extern| fn)? *[{\"]|allow\\(unsafe_code\\)",
            "--include=*.rs",
        ])
        .args(folders)
        .output()
        .expect("grep runs");
    let mut files: Vec<String> = String::from_utf8_lossy(&found.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    files.sort();
    files.join(" ")
}

/// Unsafe code is in the map module alone, and at the border to C, each block
/// with its reason.
#[test]
fn unsafe_code_is_where_it_has_to_be() {
    assert_eq!(
        unsafe_files(&["recorder", "reader"]),
        "recorder/src/ring/map.rs"
    );
    assert_eq!(
        unsafe_files(&["ffi/src"]),
        "ffi/src/border.rs ffi/src/calls.rs ffi/src/calls/tests.rs"
    );
}
