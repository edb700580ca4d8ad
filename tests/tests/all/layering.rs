use std::collections::BTreeSet;
use std::process::Command;

use haltbox_tests::imports::circles;
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

/// Of a library, the packages that only a program needs.
const OF_PROGRAMS: [&str; 9] = [
    "clap",
    "clap_complete",
    "clap_mangen",
    "httparse",
    "indicatif",
    "rustls",
    "sd-notify",
    "signal-hook",
    "ureq",
];

/// A host that links the recorder, and whoever reads a box in a program of their own, link
/// no HTTP client, no TLS and no parser of arguments.
#[test]
fn the_libraries_stand_on_nothing_of_the_programs() {
    for library in [
        "haltbox-format",
        "haltbox-recorder",
        "haltbox-ffi",
        "haltbox-node",
        "haltbox-reader",
    ] {
        let found: Vec<String> = dependencies(library)
            .into_iter()
            .filter(|name| {
                let is_program = ["haltbox-daemon", "haltbox-cli"].contains(&name.as_str());
                is_program || OF_PROGRAMS.contains(&name.as_str())
            })
            .collect();
        assert!(found.is_empty(), "{library} depends on {found:?}");
    }
    // Else the names above would be of no package.
    let programs = [dependencies("haltbox-daemon"), dependencies("haltbox-cli")].concat();
    for name in OF_PROGRAMS {
        assert!(
            programs.iter().any(|of| of == name),
            "who depends on {name}?"
        );
    }
}

/// The two programs know each other by their command line alone.
#[test]
fn neither_program_links_the_other() {
    let cli = dependencies("haltbox-cli");
    let daemon = dependencies("haltbox-daemon");
    assert!(!cli.iter().any(|name| name == "haltbox-recorder"));
    assert!(!daemon.iter().any(|name| name == "haltbox-reader"));
}

#[test]
fn what_runs_beside_a_validator_knows_no_ethereum() {
    for package in ["haltbox-daemon", "haltbox-cli"] {
        let all = dependencies(package);
        let found = all
            .iter()
            .find(|name| name.starts_with("alloy-") || *name == "haltbox-watch");
        assert_eq!(found, None, "of {package}");
    }
}

#[test]
fn the_format_stands_on_nothing_of_ours() {
    let format = dependencies("haltbox-format");
    let ours = format.iter().filter(|name| name.starts_with("haltbox-"));
    assert_eq!(ours.collect::<Vec<_>>(), ["haltbox-format"]);
    assert!(!format.iter().any(|name| name == "memmap2" || name == "nix"));
}

/// Whoever reads or writes the bytes in a program of their own takes all of these.
#[test]
fn the_format_needs_few_libraries() {
    let manifest = std::fs::read_to_string(root().join("recorder/format/Cargo.toml"));
    let manifest = manifest.expect("a manifest");
    let (_, listed) = manifest
        .split_once("[dependencies]\n")
        .expect("dependencies");
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let names: Vec<&str> = listed
        .filter_map(|line| line.split(['.', ' ']).next())
        .collect();
    assert_eq!(
        names,
        [
            "blake3",
            "crc32fast",
            "memchr",
            "serde",
            "serde_json",
            "thiserror",
            "zstd"
        ]
    );
}

#[test]
fn the_model_stands_on_the_format_alone() {
    let model = dependencies("haltbox-model");
    let ours = model.iter().filter(|name| name.starts_with("haltbox-"));
    let ours: BTreeSet<&String> = ours.collect();
    assert_eq!(
        ours.into_iter().collect::<Vec<_>>(),
        ["haltbox-format", "haltbox-model"]
    );
    assert!(!model.iter().any(|name| name == "memmap2" || name == "nix"));
    for user in ["haltbox-recorder", "haltbox-reader"] {
        assert!(
            dependencies(user)
                .iter()
                .any(|name| name == "haltbox-model"),
            "{user}"
        );
    }
}

/// The recorder and the reader ask ssh-keygen in one way.
#[test]
fn what_calls_ssh_keygen_stands_on_the_model_alone() {
    let signature = dependencies("haltbox-signature");
    let ours = signature.iter().filter(|name| name.starts_with("haltbox-"));
    let ours: BTreeSet<&String> = ours.collect();
    assert_eq!(
        ours.into_iter().collect::<Vec<_>>(),
        ["haltbox-format", "haltbox-model", "haltbox-signature"]
    );
    for user in ["haltbox-recorder", "haltbox-reader"] {
        let uses = |name: &String| name == "haltbox-signature";
        assert!(dependencies(user).iter().any(uses), "{user}");
    }
}

/// Each name is taken from the crate where it lives.
#[test]
#[ignore = "needs git; `-- --ignored` runs it"]
fn neither_format_nor_model_is_handed_out_by_another_crate() {
    let found = Command::new("git")
        .current_dir(root())
        .args([
            "grep",
            "-nE",
            "pub use haltbox_(format|model)",
            "--",
            "*.rs",
        ])
        .arg(":!tests/tests/all/layering.rs")
        .output()
        .expect("git runs");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn modules_do_not_import_each_other_in_a_circle() {
    for folder in [
        "recorder/format/src",
        "recorder/model/src",
        "recorder/src",
        "recorder/daemon/src",
        "watch/src",
        "ffi/src",
        "ffi/node/src",
        "reader/src",
        "reader/cli/src",
    ] {
        assert_eq!(
            circles(&root().join(folder)),
            Vec::<String>::new(),
            "{folder}"
        );
    }
}

/// Files with unsafe code in these folders, in order.
fn unsafe_files(folders: &[&str]) -> Vec<String> {
    let found = Command::new("grep")
        .current_dir(root())
        .args([
            "-rlE",
            "unsafe( fn)? *[{]|unsafe extern *[{\"]|allow\\(unsafe_code\\)",
            "--include=*.rs",
        ])
        .args(folders)
        .output()
        .expect("grep runs");
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let mut files: Vec<String> = found.lines().map(str::to_owned).collect();
    files.sort();
    files
}

/// Unsafe code is in the map module and at the borders to other languages, each
/// block with its reason.
#[test]
fn unsafe_code_is_where_it_has_to_be() {
    let places: [(&[&str], &[&str]); 3] = [
        (&["recorder", "reader"], &["recorder/src/ring/map.rs"]),
        (
            &["ffi/src"],
            &[
                "ffi/src/border.rs",
                "ffi/src/calls.rs",
                "ffi/src/calls/tests.rs",
                "ffi/src/shield.rs",
            ],
        ),
        (
            &["ffi/node"],
            &["ffi/node/src/addon.rs", "ffi/node/src/js.rs"],
        ),
    ];
    for (folders, expected) in places {
        assert_eq!(unsafe_files(folders), expected);
    }
}
