//! The C library as a user installs it, and C programs that call it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::toolchain::needs;
use crate::{forget_package, root, target_folder, text};

/// What `make install` made, and the same with a function that panics.
pub struct Installed {
    /// The prefix.
    pub prefix: PathBuf,
    /// A prefix whose libraries have `haltbox_test_panic`.
    pub panicking: PathBuf,
}

/// Installs it once per process. Needs a C compiler and what makes use of it.
pub fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    let needed = [
        "cc",
        "c++",
        "make",
        "ld",
        "objcopy",
        "ar",
        "nm",
        "pkg-config",
    ];
    needed.into_iter().for_each(needs);
    INSTALLED.get_or_init(|| {
        let folder = target_folder();
        let faulty = "--features=haltbox-ffi/test-panic";
        let panicking = install(&folder, "ffi-panicking", faulty);
        let prefix = install(&folder, "ffi-installed", "");
        Installed { prefix, panicking }
    })
}

fn install(folder: &Path, name: &str, features: &str) -> PathBuf {
    let prefix = folder.join(name);
    let release = folder.file_name().is_some_and(|name| name == "release");
    let profile = if release { "release" } else { "dev" };
    let made = forget_package(&mut Command::new("make"))
        .arg("-C")
        .arg(root().join("ffi"))
        .args(["install", &format!("PREFIX={}", prefix.display())])
        .arg(format!("PROFILE={profile}"))
        // With all the workspace, so that what is built already is taken.
        .arg(format!("CARGOFLAGS=--workspace --lib {features}"))
        .env("CARGO", env!("CARGO"))
        .output();
    succeeded("make install", &made.expect("make runs"));
    prefix
}

/// Fails with what a program said, unless it ended well.
pub fn succeeded(what: &str, done: &Output) {
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{what}: {}\n{said}", done.status);
}

/// How a program is translated.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    /// The compiler.
    pub compiler: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
}

/// What most programs are translated as.
pub const C11: Language = Language {
    compiler: "cc",
    arguments: &["-std=c11"],
};

/// Every language the header is for.
pub const LANGUAGES: [Language; 4] = [
    Language {
        compiler: "cc",
        arguments: &["-std=c99"],
    },
    C11,
    Language {
        compiler: "c++",
        arguments: &["-std=c++11", "-x", "c++"],
    },
    Language {
        compiler: "c++",
        arguments: &["-std=c++20", "-x", "c++"],
    },
];

/// The sources of the test programs, by name.
pub fn sources() -> Vec<String> {
    let entries = fs::read_dir(root().join("ffi/tests")).expect("the folder");
    let names = entries.filter_map(|entry| {
        let name = entry.expect("an entry").file_name().into_string();
        Some(name.expect("UTF-8").strip_suffix(".c")?.to_owned())
    });
    names.collect()
}

/// A compiler's command for `ffi/tests/NAME.c`; what it is linked with is still missing.
pub fn compiler(language: Language, name: &str, prefix: &Path) -> Command {
    let source = root().join("ffi/tests").join(format!("{name}.c"));
    let mut command = Command::new(language.compiler);
    command
        .args(language.arguments)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-O1"])
        .args(["-D_GNU_SOURCE", "-pthread"])
        .arg("-I")
        .arg(prefix.join("include"))
        .arg(source)
        .args(["-x", "none"]);
    command
}

/// Links with the shared library of `prefix`, and gives the program.
pub fn link_shared(mut command: Command, prefix: &Path, folder: &Path, name: &str) -> PathBuf {
    let program = folder.join(name);
    let library = prefix.join("lib");
    command
        .arg(format!("-L{}", library.display()))
        .arg(format!("-Wl,-rpath,{}", library.display()))
        .args(["-lhaltbox", "-o", text(&program)]);
    succeeded(name, &command.output().expect("the compiler runs"));
    program
}
