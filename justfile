# The tasks of a contributor. `just --list` prints them. Each is one command, so
# nobody needs `just` for them.

# what the README calls the tests: about three minutes
test:
    cargo test --workspace

# the tests that those leave out: about half an hour
test-rest:
    cargo test --workspace --tests -- --ignored

# everything that a change has to pass
test-full:
    .ci/run

# all tests, longer: 10,000 kills, 10,000 power cuts, 100,000 pairs of recordings
test-long:
    HALTBOX_LONG=1 cargo test --workspace --tests -- --include-ignored

# a virtual machine that loses its power, hundreds of times (root, qemu, .ci/guest-kernel): a quarter of an hour
power-cuts:
    HALTBOX_LONG=1 cargo test -p haltbox-tests --test all machine:: -- --include-ignored --nocapture

# the bugs that the simulator has to find: about twenty minutes
prove-sim:
    tests/sim/prove

# breaks modules that every HASH stands on, one small change at a time, and says what no
# test of their crate notices (needs cargo-mutants)
mutants:
    CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=0 cargo mutants -p haltbox-format -p haltbox-model

# how much of the format crate its own tests run (needs a nightly toolchain with `llvm-tools`)
coverage:
    tests/coverage

# the tests of the format crate under Miri (needs a nightly toolchain with `miri`)
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p haltbox-format --lib

# the ring's protocols in more orders than `cargo test` plays: about a minute
loom:
    cargo test -p haltbox-loom -- --include-ignored --nocapture

# the recorder's threads under ThreadSanitizer (needs a nightly toolchain with `rust-src`)
tsan:
    RUSTFLAGS=-Zsanitizer=thread cargo +nightly test -Zbuild-std --target x86_64-unknown-linux-gnu -p haltbox-recorder -p haltbox-ffi --lib

# one end-to-end test, such as `just one all kill`
one BINARY NAME:
    cargo test -p haltbox-tests --test {{BINARY}} {{NAME}} -- --include-ignored

# one benchmark, such as `just bench append`; all of them without a name
bench NAME="":
    cargo bench -p haltbox-benches {{ if NAME == "" { "" } else { "--bench " + NAME } }}

# every target of docs/performance.md, measured: a quarter of an hour
bench-all:
    cargo bench -p haltbox-benches --bench suite

# the oldest compiler that Cargo.toml promises (rustup toolchain install 1.88 --profile minimal)
msrv:
    CARGO_TARGET_DIR=target/msrv cargo +1.88 check --workspace --all-targets --locked

# the crates' documentation
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# writes ffi/include/haltbox.h anew out of ffi/src
header:
    HALTBOX_BLESS=1 cargo test -p haltbox-tests header

# formats Rust and Go
format:
    cargo fmt
    gofmt -w $(git ls-files '*.go')

# licences and sources of the libraries (needs cargo-deny)
deny:
    cargo deny check

# the libraries that a release of the Go modules holds, for this machine, into a folder
libraries-go FOLDER:
    packaging/go/libraries {{FOLDER}}

# the tags of the Go modules; the folder has the libraries of all machines
release-go VERSION FOLDER:
    packaging/go/release {{VERSION}} {{FOLDER}}

# the Debian package
deb:
    packaging/deb/build

# the RPM package
rpm:
    packaging/rpm/build

# a CycloneDX file for each program: the libraries in it, their versions and licences (needs jq)
sbom:
    packaging/sbom

# the programs and the library of arm64 under qemu, beside those of this machine: half an hour
arm64:
    packaging/arm64/check

# builds the programs twice, from two folders, and compares them: about ten minutes
reproducible FOLDER:
    packaging/reproducible {{FOLDER}}
