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

/// Files with unsafe code in these folders.
fn unsafe_files(folders: &[&str]) -> Vec<String> {
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
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    found.lines().map(str::to_owned).collect()
}

/// Unsafe code is in the map module alone, each block with its reason.
#[test]
fn unsafe_code_is_in_one_module() {
    assert_eq!(
        unsafe_files(&["recorder", "reader"]),
        ["recorder/src/ring/map.rs"]
    );
}

/// And at the borders to other languages.
#[test]
fn the_addon_is_unsafe_at_its_border_alone() {
    assert_eq!(unsafe_files(&["ffi/node"]), ["ffi/node/src/js.rs"]);
}
