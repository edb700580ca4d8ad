//! The Go modules as importers get them: a release is made of the work tree, laid out as a
//! module proxy, and imported by version into an empty module, without any replace line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use haltbox_tests::go_module::{go, link_into_programs, module};
use haltbox_tests::toolchain::needs;
use haltbox_tests::{root, text};

const TOP: &str = "github.com/haltbox/haltbox/ffi/go";

/// What a release needs of the work tree.
const RELEASED: [&str; 4] = ["ffi/go", "packaging/go", "Cargo.toml", "LICENSE*"];

/// A repository of its own with a copy of the work tree, and the built libraries.
struct Checkout {
    folder: tempfile::TempDir,
    version: String,
}

impl Checkout {
    /// Needs Go and git.
    fn made() -> Checkout {
        needs("git");
        link_into_programs();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("a clock after 1970").as_nanos();
        // Nobody's module cache has another module of this version.
        let version = format!("{}-test.{now}", env!("CARGO_PKG_VERSION"));
        let folder = tempfile::tempdir().expect("a folder");
        let checkout = Checkout { folder, version };
        copy_work_tree(&checkout.repository());
        checkout.git(&["init", "--quiet", "--initial-branch=main"]);
        checkout.git(&["add", "--all"]);
        checkout.git(&["commit", "--quiet", "--message=a copy"]);
        checkout.fill_libraries();
        checkout
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn libraries(&self) -> PathBuf {
        self.folder.path().join("libraries")
    }

    fn fill_libraries(&self) {
        let to = self.libraries();
        fs::create_dir(&to).expect("a folder");
        let machine = std::env::consts::ARCH;
        let shared = format!("libhaltbox.{machine}.so");
        for name in [shared, format!("libhaltbox_static.{machine}.a")] {
            let from = module().join("internal/api").join(&name);
            fs::copy(from, to.join(name)).expect("a library");
        }
        let commit = to.join(format!("commit.{machine}"));
        fs::write(commit, self.git(&["rev-parse", "HEAD"])).expect("a file");
    }

    fn git(&self, arguments: &[&str]) -> String {
        let done = by_nobody(Command::new("git").arg("-C").arg(self.repository()))
            .args(arguments)
            .output()
            .expect("git runs");
        assert!(done.status.success(), "git {arguments:?}: {}", said(&done));
        String::from_utf8(done.stdout).expect("text")
    }

    fn release(&self, version: &str) -> Output {
        let script = self.repository().join("packaging/go/release");
        by_nobody(&mut Command::new(script))
            .arg(version)
            .arg(self.libraries())
            .output()
            .expect("bash runs")
    }

    fn released(self) -> Release {
        let done = self.release(&self.version);
        assert!(done.status.success(), "{}", said(&done));
        let proxy = self.folder.path().join("proxy");
        let repository = self.repository();
        let tool = repository.join("packaging/go");
        let arguments = ["run", ".", "proxy", text(&repository), &self.version];
        go(&tool, &[&arguments[..], &[text(&proxy)]].concat(), &[]);
        Release(self)
    }
}

fn copy_work_tree(to: &Path) {
    let mut list = Command::new("git");
    let listed = ["ls-files", "--cached", "--others", "--exclude-standard"];
    list.arg("-C").arg(root()).args(listed).args(RELEASED);
    let listed = list.output().expect("git runs");
    assert!(listed.status.success(), "{}", said(&listed));
    for name in String::from_utf8(listed.stdout).expect("text").lines() {
        let (from, to) = (root().join(name), to.join(name));
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        if from.exists() {
            fs::copy(from, to).expect("a copy");
        }
    }
}

/// Commits need an author, and git may know none here.
fn by_nobody(command: &mut Command) -> &mut Command {
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "nobody");
        command.env(format!("GIT_{role}_EMAIL"), "nobody@localhost");
    }
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-buildvcs=false")
}

fn said(done: &Output) -> String {
    String::from_utf8_lossy(&[&done.stdout[..], &done.stderr[..]].concat()).into_owned()
}

/// A release that a module proxy in a folder serves.
struct Release(Checkout);

impl Release {
    /// An empty module in a folder of its own, and the modules in it.
    fn importer(&self, modules: &[&str], main: &str) -> Importer<'_> {
        let folder = tempfile::tempdir().expect("a folder");
        let importer = Importer {
            release: self,
            folder,
        };
        importer.go(&["mod", "init", "example.org/chain"]);
        for name in modules {
            importer.go(&["get", &format!("{TOP}{name}@v{}", self.0.version)]);
        }
        fs::write(importer.path("main.go"), main).expect("a file");
        importer
    }
}

/// The module cache is the user's, so that nothing that others publish is fetched again. What
/// is of this release goes from it.
impl Drop for Release {
    fn drop(&mut self) {
        let cache = Command::new("go").args(["env", "GOMODCACHE"]).output();
        let cache = String::from_utf8(cache.expect("go runs").stdout).expect("text");
        for place in ["", "cache/download"] {
            let folder = Path::new(cache.trim()).join(place).join(TOP);
            remove_version(folder.parent().expect("a folder"), &self.0.version);
        }
    }
}

fn remove_version(folder: &Path, version: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let of_version = entry.file_name().to_string_lossy().contains(version);
        match (of_version, path.is_dir()) {
            (true, true) => fs::remove_dir_all(path).expect("a folder of this test"),
            (true, false) => fs::remove_file(path).expect("a file of this test"),
            (false, true) => remove_version(&path, version),
            (false, false) => {}
        }
    }
}

struct Importer<'a> {
    release: &'a Release,
    folder: tempfile::TempDir,
}

impl Importer<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn go(&self, arguments: &[&str]) {
        self.go_with(arguments, &[]);
    }

    fn go_with(&self, arguments: &[&str], more: &[(&str, &str)]) {
        let users = Command::new("go").args(["env", "GOPROXY"]).output();
        let users = String::from_utf8(users.expect("go runs").stdout).expect("text");
        let ours = self.release.0.folder.path().join("proxy");
        let proxies = format!("file://{},{}", ours.display(), users.trim());
        let settings = [
            ("GOPROXY", &*proxies),
            ("GONOSUMDB", TOP),
            ("GOFLAGS", "-mod=mod -modcacherw -buildvcs=false"),
        ];
        go(self.folder.path(), arguments, &[&settings, more].concat());
    }

    /// Runs the built program, which records a block, and looks for the block.
    fn records(&self, program: &str) {
        let dir = self.path(&format!("{program}.haltbox"));
        let ran = Command::new(self.path(program)).arg(&dir).output();
        let ran = ran.expect("it starts");
        assert!(ran.status.success(), "{program}: {}", said(&ran));
        let lines = haltbox_tests::output(0, &["cat", text(&dir)]);
        let lines = String::from_utf8_lossy(&lines).into_owned();
        assert!(
            lines.contains(r#"{"type":"begin-block","height":7"#),
            "{lines}"
        );
    }

    fn shared_library(&self, program: &str) -> Option<String> {
        let asks = Command::new("ldd").arg(self.path(program)).output();
        let asks = String::from_utf8(asks.expect("ldd").stdout).expect("text");
        let line = asks.lines().find(|line| line.contains("libhaltbox"));
        line.map(str::to_owned)
    }
}

const MAIN: &str = r#"package main

import (
	"errors"
	"os"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	_ "github.com/haltbox/haltbox/ffi/go/abci"
	_ "github.com/haltbox/haltbox/ffi/go/cometlog"
	_ "github.com/haltbox/haltbox/ffi/go/kvtrace"
)

func main() {
	recorder, err := haltbox.Open(haltbox.Options{Dir: os.Args[1], RingSize: 8 << 20})
	if errors.Is(err, haltbox.ErrNotLinked) {
		os.Exit(3)
	}
	if err != nil {
		panic(err)
	}
	if err := recorder.BeginBlock(7, time.Now(), nil); err != nil {
		panic(err)
	}
}
"#;

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn the_tool_that_releases_is_formatted_vetted_and_tidy() {
    needs("go");
    let tool = root().join("packaging/go");
    let unformatted = Command::new("gofmt").arg("-l").arg(&tool).output();
    let unformatted = unformatted.expect("gofmt comes with go").stdout;
    assert_eq!(String::from_utf8_lossy(&unformatted), "");
    go(&tool, &["vet", "./..."], &[]);
    go(&tool, &["mod", "tidy", "-diff"], &[]);
}

#[test]
#[ignore = "needs Go and git; `-- --ignored` runs it"]
fn an_importer_gets_the_libraries_with_the_module() {
    let checkout = Checkout::made();
    let release = checkout.released();
    let importer = release.importer(&["", "/abci", "/cometlog"], MAIN);
    let asked = fs::read_to_string(importer.path("go.mod")).expect("a file");
    assert!(!asked.contains("replace"), "{asked}");

    importer.go(&["build", "-o", "shared", "."]);
    let library = importer.shared_library("shared").expect("it asks for it");
    let cached = format!("ffi/go@v{}/internal/api", release.0.version);
    assert!(library.contains(&cached), "{library}");
    importer.records("shared");

    importer.go(&["build", "-tags=static_haltbox", "-o", "static", "."]);
    assert_eq!(importer.shared_library("static"), None);
    importer.records("static");

    let off = [("CGO_ENABLED", "0")];
    importer.go_with(&["build", "-o", "off", "."], &off);
    let ran = Command::new(importer.path("off")).arg("nowhere").status();
    assert_eq!(
        ran.expect("it starts").code(),
        Some(3),
        "Open tells that nothing is linked"
    );
    vendors(&importer);
}

/// A chain that vendors has only what `go mod vendor` copies.
fn vendors(importer: &Importer) {
    importer.go(&["mod", "tidy"]);
    importer.go(&["mod", "vendor"]);
    let api = importer.path("vendor").join(TOP).join("internal/api");
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&api)
        .output()
        .expect("sha256sum runs");
    assert!(sums.status.success(), "{}", said(&sums));
    importer.go(&["build", "-mod=vendor", "-o", "vendored", "."]);
    let library = importer.shared_library("vendored").expect("it asks for it");
    assert!(library.contains(text(&api)), "{library}");
    importer.records("vendored");
}

/// Each in a module of its own: they ask for different releases of the SDK.
#[test]
#[ignore = "needs Go and git; `-- --ignored` runs it"]
fn an_importer_gets_the_adapters_of_the_cosmos_sdk() {
    let checkout = Checkout::made();
    let release = checkout.released();
    for name in ["/sdk", "/sdk47", "/sdk54"] {
        let source = format!("package chain\n\nimport _ \"{TOP}{name}\"\n");
        let importer = release.importer(&[name], &source);
        importer.go(&["build", "./..."]);
    }
}

#[test]
#[ignore = "needs Go and git; `-- --ignored` runs it"]
fn a_release_of_the_go_modules_changes_nothing_but_tags() {
    let checkout = Checkout::made();
    let state = || {
        let branches = checkout.git(&["branch", "--list", "--all", "--verbose"]);
        let changes = checkout.git(&["status", "--porcelain"]);
        branches + &changes
    };
    let before = state();
    let done = checkout.release(&checkout.version);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(before, state());
    let tags = checkout.git(&["tag", "--list"]);
    let expected = ["abci", "cometlog", "sdk", "sdk47", "sdk54", ""].map(|name| {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("ffi/go/{name}{slash}v{}", checkout.version)
    });
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(tags.lines().collect::<Vec<_>>(), expected);
}

#[test]
#[ignore = "needs Go and git; `-- --ignored` runs it"]
fn a_release_of_the_go_modules_is_of_one_commit_and_made_once() {
    let checkout = Checkout::made();
    let refuses = |version: &str, why: &str| {
        let done = checkout.release(version);
        assert_eq!(done.status.code(), Some(2), "{}", said(&done));
        assert!(said(&done).contains(why), "{}", said(&done));
    };
    refuses("77.0.0", "Cargo.toml has version");
    let code = checkout.repository().join("ffi/go/doc.go");
    let unchanged = fs::read(&code).expect("a file");
    fs::write(&code, "package haltbox\n").expect("a file");
    refuses(&checkout.version, "has changes");
    checkout.git(&["commit", "--quiet", "--all", "--message=another"]);
    refuses(&checkout.version, "and HEAD is");
    checkout.git(&["reset", "--quiet", "--hard", "HEAD~"]);
    assert_eq!(unchanged, fs::read(&code).expect("a file"));
    assert_eq!(checkout.git(&["tag", "--list"]), "");
    assert!(checkout.release(&checkout.version).status.success());
    refuses(&checkout.version, "no tag was made");
}
