//! What the libraries export, and how they stand beside another Rust library.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use haltbox_tests::c_library::{C11, compiler, installed, succeeded};
use haltbox_tests::*;

/// The functions of the header.
fn declared(header: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(header).expect("the header");
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.skip_while(|line| !line.contains("extern \"C\""));
    let names = code.filter_map(|line| {
        let (before, _) = line.split_once('(')?;
        let name = before.rsplit([' ', '*']).next()?;
        name.starts_with("haltbox_").then(|| name.to_owned())
    });
    names.collect()
}

/// The names that a library gives to others.
fn exported(library: &Path, of: &[&str]) -> BTreeSet<String> {
    let listed = Command::new("nm").args(of).arg(library).output();
    let listed = listed.expect("nm runs");
    succeeded("nm", &listed);
    let text = String::from_utf8(listed.stdout).expect("UTF-8");
    let names = text.lines().filter_map(|line| line.split(' ').nth(2));
    names.map(str::to_owned).collect()
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn the_libraries_export_the_header_and_nothing_else() {
    let library = installed();
    let declared = declared(&library.prefix.join("include/haltbox.h"));
    assert_eq!(declared.len(), 19, "{declared:?}");
    let in_lib = |name| library.prefix.join("lib").join(name);
    let shared = exported(&in_lib("libhaltbox.so"), &["-D", "--defined-only"]);
    assert_eq!(shared, declared);
    let archived = exported(&in_lib("libhaltbox.a"), &["-g", "--defined-only"]);
    assert_eq!(archived, declared);
}

/// What a program needs that links the static library: as pkg-config says it.
fn private_libraries(prefix: &Path) -> Vec<String> {
    let asked = Command::new("pkg-config")
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .args(["--static", "--libs-only-l", "haltbox"])
        .output();
    let asked = asked.expect("pkg-config runs");
    succeeded("pkg-config", &asked);
    let text = String::from_utf8(asked.stdout).expect("UTF-8");
    let words = text.split_whitespace().filter(|word| *word != "-lhaltbox");
    words.map(str::to_owned).collect()
}

/// Another Rust library, of this toolchain or another one.
fn neighbour(toolchain: Option<&str>, folder: &Path) -> PathBuf {
    let library = folder.join("libneighbour.a");
    let mut command = Command::new("rustc");
    if let Some(name) = toolchain {
        command.env("RUSTUP_TOOLCHAIN", name);
    }
    let built = command
        .args(["--crate-type=staticlib", "--edition=2024", "-O", "-o"])
        .arg(&library)
        .arg(root().join("ffi/tests/neighbour.rs"))
        .output();
    succeeded("rustc", &built.expect("rustc runs"));
    library
}

fn version(toolchain: &str) -> Option<String> {
    let mut command = Command::new("rustc");
    command.env("RUSTUP_TOOLCHAIN", toolchain).arg("--version");
    let told = command.output().ok().filter(|told| told.status.success())?;
    String::from_utf8(told.stdout).ok()
}

/// A toolchain of another version than the one that runs the tests, if one is installed.
fn other_toolchain() -> Option<String> {
    let own = Command::new("rustc").arg("--version").output().ok()?;
    let own = String::from_utf8(own.stdout).ok()?;
    let listed = Command::new("rustup")
        .args(["toolchain", "list"])
        .output()
        .ok()?;
    let listed = String::from_utf8(listed.stdout).ok()?;
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    let mut others = names.filter(|name| version(name).is_some_and(|version| version != own));
    others.next().map(str::to_owned)
}

/// Links both libraries in this order and runs the program; false if it does not link.
fn stand_together(libraries: [&Path; 2], prefix: &Path) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("neighbours");
    let linked = compiler(C11, "neighbours", prefix)
        .args(libraries)
        .args(private_libraries(prefix))
        .args(["-o", text(&program)])
        .output();
    if !linked.expect("the compiler runs").status.success() {
        return false;
    }
    let done = Command::new(&program)
        .arg(folder.path().join("recorder"))
        .output();
    succeeded(&format!("{libraries:?}"), &done.expect("it runs"));
    true
}

fn both_catch_their_panics(toolchain: Option<&str>) {
    let library = installed();
    let prefix = &library.panicking;
    let folder = tempfile::tempdir().expect("a folder");
    let theirs = neighbour(toolchain, folder.path());
    let ours = prefix.join("lib/libhaltbox.a");
    assert!(stand_together([&ours, &theirs], prefix));
    assert!(stand_together([&theirs, &ours], prefix));
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn beside_a_library_of_the_same_toolchain_both_catch_their_panics() {
    both_catch_their_panics(None);
}

#[test]
#[ignore = "needs a second Rust toolchain, C++, make and pkg-config; `-- --ignored` runs it"]
fn beside_a_library_of_another_toolchain_both_catch_their_panics() {
    match other_toolchain() {
        Some(name) => both_catch_their_panics(Some(&name)),
        None => println!("left out: no second Rust toolchain is installed"),
    }
}
