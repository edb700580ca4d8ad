//! The Go module: its own tests against the library of this build, and what
//! they cannot see from inside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use haltbox_tests::c_library::installed;
use haltbox_tests::go_module::{go, link, link_into_programs, module};
use haltbox_tests::toolchain::needs;
use haltbox_tests::{forget_package, long, root, target_folder, text, valnode};

/// The module, and the adapters that have dependencies.
const MODULES: [&str; 3] = ["", "cometlog", "abci"];

fn in_every_module(arguments: &[&str], environment: &[(&str, &str)]) {
    link();
    for folder in MODULES {
        go(&module().join(folder), arguments, environment);
    }
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn vet_has_nothing_to_say() {
    in_every_module(&["vet", "./..."], &[]);
    go(&valnode::module(), &["vet", "./..."], &[]);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn its_tests_pass_under_the_race_detector() {
    in_every_module(&["test", "-race", "-count=1", "./..."], &[]);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn its_tests_pass_where_every_pointer_is_checked() {
    in_every_module(
        &["test", "-count=1", "./..."],
        &[("GOEXPERIMENT", "cgocheck2")],
    );
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn its_benchmarks_run() {
    in_every_module(
        &["test", "-run=^$", "-bench=.", "-benchtime=200x", "./..."],
        &[],
    );
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn without_the_library_it_builds_and_opening_says_so() {
    in_every_module(&["test", "-count=1", "./..."], &[("CGO_ENABLED", "0")]);
    in_every_module(&["test", "-count=1", "-tags=nolink_haltbox", "./..."], &[]);
    let elsewhere = [("GOOS", "darwin"), ("CGO_ENABLED", "0")];
    go(&module(), &["build", "./..."], &elsewhere);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn the_systems_library_can_be_linked() {
    link();
    let library = installed();
    let folder = library.prefix.join("lib");
    let search = format!("-L{}", folder.display());
    let found = [
        ("CGO_LDFLAGS", &*search),
        ("LD_LIBRARY_PATH", text(&folder)),
    ];
    let arguments = ["test", "-count=1", "-tags=sys_haltbox", "./..."];
    go(&module(), &arguments, &found);
}

/// It starts on a machine that has no file of the recorder's.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn a_program_can_have_the_library_in_it() {
    link_into_programs();
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    let tag = "-tags=static_haltbox";
    go(
        &module(),
        &["test", "-c", tag, "-o", text(&program), "."],
        &[],
    );
    let asks = Command::new("ldd").arg(&program).output().expect("ldd");
    let asks = String::from_utf8_lossy(&asks.stdout).into_owned();
    assert!(
        asks.contains("libc") && !asks.contains("libhaltbox"),
        "{asks}"
    );
    go(&module(), &["test", "-count=1", tag, "./..."], &[]);
}

/// With the C compiler of a musl system; Debian's `musl-gcc` has glibc's libgcc.
#[test]
#[ignore = "needs HALTBOX_LONG=1, Go, musl-tools and Python; `-- --ignored` runs it"]
fn a_static_program_for_musl_records() {
    if !long() {
        return println!("left out: HALTBOX_LONG=1 plays it");
    }
    ["musl-gcc", "python3"].into_iter().for_each(needs);
    link();
    let built = forget_package(&mut Command::new(module().join("build-lib")))
        .arg("--musl")
        .status();
    assert!(built.expect("bash").success(), "build-lib --musl");
    let compiler = format!("{} -m ziglang cc -target x86_64-linux-musl", zig());
    let flags = r#"-ldflags=-linkmode external -extldflags "-static -lunwind""#;
    let arguments = ["test", "-count=1", "-tags=muslc", flags, "./..."];
    go(&module(), &arguments, &[("CC", &compiler)]);
}

/// A Python that has the C compiler `zig cc`.
fn zig() -> String {
    let place = target_folder().join("zig");
    let python = place.join("bin/python");
    if !python.exists() {
        let mut made = Command::new("python3");
        let made = made.args(["-m", "venv"]).arg(&place).status();
        assert!(made.expect("python3").success(), "a venv");
    }
    let pip = ["-m", "pip", "install", "--quiet", "ziglang==0.17.1"];
    let installed = Command::new(&python).args(pip).status();
    assert!(installed.expect("pip").success(), "pip install ziglang");
    text(&python).to_owned()
}

/// An application of the Cosmos SDK up to 0.53 with the lines of docs/cosmos.md, in process,
/// started, and in a network of nodes that go wrong; `HALTBOX_LONG=1` also with the oldest
/// SDK, under the race detector, with failures in an order of chance, and with wasmd and the
/// application of ibc-go, which are others'.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn an_application_of_the_cosmos_sdk_records() {
    link();
    for folder in [sdk(), sdk_example()] {
        go(&folder, &["vet", "./..."], &[]);
        go(&folder, &["test", "-count=1", "./..."], &[]);
    }
    let off = [
        "test",
        "-count=1",
        "-tags=nolink_haltbox",
        "-run=TestTheChainIsTheSame",
        "./...",
    ];
    go(&sdk_example(), &off, &[]);
    if long() {
        let oldest = ["test", "-modfile=sdk-0.50.mod", "-count=1", "./..."];
        go(&sdk_example(), &oldest, &[]);
        go(&sdk_example(), &["test", "-race", "-count=1", "./..."], &[]);
        for application in ["wasmd", "ibc"] {
            let folder = sdk_example().join(application);
            go(&folder, &["test", "-count=1", "./..."], &[]);
        }
    }
}

/// The same of the SDK 0.47, on CometBFT 0.37; `HALTBOX_LONG=1` also all that can go wrong in
/// a network, with the oldest release, and under the race detector.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn an_application_of_the_cosmos_sdk_0_47_records() {
    link();
    let example = sdk47().join("example");
    for folder in [sdk47(), example.clone()] {
        go(&folder, &["vet", "./..."], &[]);
    }
    go(&sdk47(), &["test", "-count=1", "./..."], &[]);
    let one = [("HALTBOX_SCENARIO", "time.Now in EndBlock")];
    let played: &[(&str, &str)] = if long() { &[] } else { &one };
    go(&example, &["test", "-count=1", "./..."], played);
    let off = [
        "test",
        "-count=1",
        "-tags=nolink_haltbox",
        "-run=TestTheChainIsTheSame",
        "./...",
    ];
    go(&example, &off, &[]);
    if long() {
        let oldest = ["test", "-modfile=sdk-0.47.2.mod", "-count=1", "./..."];
        go(&example, &oldest, &one);
        go(&example, &["test", "-race", "-count=1", "./..."], &one);
    }
}

fn sdk47() -> PathBuf {
    module().join("sdk47")
}

/// The same of the SDK from 0.54 on: the module with the oldest of them, its example with the
/// newest; `HALTBOX_LONG=1` also that with the oldest, in a network, and under the race
/// detector.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn an_application_of_the_cosmos_sdk_from_0_54_on_records() {
    link();
    for folder in [sdk54(), sdk54_example()] {
        go(&folder, &["vet", "./..."], &[]);
    }
    go(&sdk54(), &["test", "-count=1", "./..."], &[]);
    let short = ["test", "-count=1", "-skip=TestANetwork", "./..."];
    go(&sdk54_example(), &short, &[]);
    if long() {
        let oldest = ["test", "-modfile=sdk-0.54.mod", "-count=1", "./..."];
        go(&sdk54_example(), &oldest, &[]);
        go(
            &sdk54_example(),
            &["test", "-race", "-count=1", "./..."],
            &[],
        );
    }
}

fn sdk() -> PathBuf {
    module().join("sdk")
}

fn sdk_example() -> PathBuf {
    sdk().join("example")
}

fn sdk54() -> PathBuf {
    module().join("sdk54")
}

fn sdk54_example() -> PathBuf {
    sdk54().join("example")
}

/// A chain decides its versions: an adapter asks for the lowest, and takes the newest.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn the_adapters_take_newer_releases_of_cometbft() {
    link();
    for version in ["v0.38.25", "v0.39.0", "v0.40.0"] {
        for name in ["abci", "cometlog"] {
            takes_cometbft(name, version);
        }
    }
}

fn takes_cometbft(name: &str, version: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = module().join(name);
    let modfile = folder.path().join(format!("{name}.mod"));
    let own = fs::read_to_string(adapter.join("go.mod")).expect("a go.mod");
    let newer = own.replace("cometbft v0.38.0", &format!("cometbft {version}"));
    assert_ne!(
        own, newer,
        "{name} asks for another version than the lowest"
    );
    fs::write(&modfile, newer).expect("a file");
    let modfile = format!("-modfile={}", modfile.display());
    go(&adapter, &["mod", "tidy", &modfile], &[]);
    go(&adapter, &["vet", &modfile, "./..."], &[]);
    go(&adapter, &["test", &modfile, "-count=1", "./..."], &[]);
}

#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn it_is_formatted_and_tidy() {
    link();
    let folders = [module(), valnode::module()];
    let unformatted = Command::new("gofmt").arg("-l").args(folders).output();
    let unformatted = unformatted.expect("gofmt comes with go").stdout;
    assert_eq!(String::from_utf8_lossy(&unformatted), "");
    in_every_module(&["mod", "tidy", "-diff"], &[]);
    let example = sdk47().join("example");
    let folders = [
        sdk(),
        sdk_example(),
        sdk47(),
        example,
        sdk54(),
        sdk54_example(),
    ];
    for folder in folders {
        go(&folder, &["mod", "tidy", "-diff"], &[]);
    }
}

#[test]
fn its_header_is_the_librarys() {
    let own = fs::read(module().join("internal/api/haltbox.h")).expect("a header");
    let librarys = fs::read(root().join("ffi/include/haltbox.h")).expect("a header");
    assert!(
        own == librarys,
        "copy ffi/include/haltbox.h to ffi/go/internal/api"
    );
}

/// A chain that vendors its dependencies has nothing but what `go mod vendor`
/// copies: the header and the library must be part of that.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn a_program_that_vendors_it_links_and_records() {
    link();
    let folder = tempfile::tempdir().expect("a folder");
    let chain = folder.path().join("chain");
    fs::create_dir(&chain).expect("a folder");
    fs::write(chain.join("go.mod"), chain_module()).expect("a file");
    fs::write(chain.join("main.go"), CHAIN).expect("a file");
    go(&chain, &["mod", "vendor"], &[("GOFLAGS", "-mod=mod")]);
    go(&chain, &["build", "-mod=vendor", "-o", "chain", "."], &[]);
    let dir = chain.join("haltbox");
    let ran = Command::new(chain.join("chain")).arg(&dir).status();
    assert!(ran.expect("it starts").success());
    let lines = haltbox_tests::output(0, &["cat", text(&dir)]);
    assert!(String::from_utf8_lossy(&lines).contains(r#"{"type":"begin-block","height":7"#));
}

fn chain_module() -> String {
    let module = module();
    format!(
        "module chain\n\ngo 1.22\n\nrequire github.com/haltbox/haltbox/ffi/go v0.0.0\n\n\
         replace github.com/haltbox/haltbox/ffi/go => {}\n",
        module.display()
    )
}

const CHAIN: &str = r#"package main

import (
	"os"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

func main() {
	recorder, err := haltbox.Open(haltbox.Options{Dir: os.Args[1], RingSize: 8 << 20})
	if err != nil {
		panic(err)
	}
	if err := recorder.BeginBlock(7, time.Now(), nil); err != nil {
		panic(err)
	}
}
"#;
