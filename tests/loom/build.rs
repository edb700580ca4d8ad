//! Takes sources of the recorder and puts loom's atomics, locks and threads in the place of
//! the standard library's. So the tests play the product's own lines.
//!
//! A change of such a line stops this build: each replacement says how often it is expected.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is put in the place of what, and how often that is expected.
type Change = (&'static str, &'static str, usize);

/// Steps that are taken out of the ring's writer, one a module. A model has to notice each.
const WRITERS: [(&str, &str, &[Change]); 6] = [
    ("ring", "ring.rs", &[]),
    (
        "ring_without_fence",
        "ring.rs",
        &[("loom::sync::atomic::fence(Ordering::Release);", "", 1)],
    ),
    (
        "ring_without_zero",
        "ring.rs",
        &[("self.surface.publish(at, 0);", "true;", 1)],
    ),
    (
        "ring_with_relaxed_laid",
        "lent.rs",
        &[(
            "laid.load(Ordering::Acquire)",
            "laid.load(Ordering::Relaxed)",
            1,
        )],
    ),
    (
        "ring_with_old_laid",
        "lent.rs",
        &[("laid.store(0, Ordering::Relaxed);", "", 1)],
    ),
    (
        "ring_that_takes_twice",
        "lent.rs",
        &[("lent.taken += size(length);", "", 1)],
    ),
];

const QUEUES: [(&str, &[Change]); 3] = [
    ("queue", &[]),
    (
        "queue_without_wake",
        &[("if wake {", "if wake && false {", 1)],
    ),
    (
        "queue_that_settles_early",
        &[("state.writing = true;", "", 1)],
    ),
];

const ATOMICS: Change = ("std::sync::atomic", "loom::sync::atomic", 1);

fn main() -> io::Result<()> {
    let recorder = PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("../../recorder/src");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", recorder.display());
    let mut out = String::new();
    for (name, file, broken) in WRITERS {
        writer(&mut out, &recorder, name, file, broken)?;
    }
    for (name, broken) in QUEUES {
        queue(&mut out, &recorder, name, broken)?;
    }
    populate(&mut out, &recorder)?;
    births(&mut out, &recorder)?;
    fs::write(Path::new(&var("OUT_DIR")?).join("product.rs"), out)
}

fn writer(
    out: &mut String,
    recorder: &Path,
    name: &str,
    file: &str,
    broken: &[Change],
) -> io::Result<()> {
    let modules: Change = (
        "pub mod engine;\npub mod file;\npub mod lent;\nmod map;\npub mod populate;\nmod queue;\nmod surface;\nmod written;\n",
        "use crate::stand_in::{engine, map, surface};\n",
        1,
    );
    // The writer names the atomics in its imports and at its fence.
    let mut ring = taken(recorder, "ring.rs", &[(ATOMICS.0, ATOMICS.1, 2), modules])?;
    let mut lent = taken(recorder, "ring/lent.rs", &[ATOMICS])?;
    let target = if file == "ring.rs" {
        &mut ring
    } else {
        &mut lent
    };
    *target = changed(file, target, broken)?;
    let lent = format!("pub mod lent {{\n{lent}}}\n");
    module(out, name, &format!("{ring}\n{lent}"), "writer.rs");
    Ok(())
}

fn queue(out: &mut String, recorder: &Path, name: &str, broken: &[Change]) -> io::Result<()> {
    let text = taken(
        recorder,
        "ring/queue.rs",
        &[
            ("use std::sync::{", "use crate::stand_in::sync::{", 1),
            (
                "use std::thread::JoinHandle;",
                "use loom::thread::JoinHandle;",
                1,
            ),
            ("std::thread::Builder", "loom::thread::Builder", 1),
            ("std::thread::sleep(AGAIN)", "loom::thread::yield_now()", 1),
            (
                "use crate::host_threads;",
                "use crate::stand_in::host_threads;",
                1,
            ),
            ("use super::map::", "use crate::stand_in::map::", 1),
            ("use super::written::", "use crate::stand_in::written::", 1),
            (
                "file.write_all_at(bytes, ",
                "crate::stand_in::written::write_all_at(file, bytes, ",
                1,
            ),
            // Each empty look is one more step that loom has to try everywhere.
            ("const QUIET: u32 = 20;", "const QUIET: u32 = 1;", 1),
        ],
    )?;
    module(out, name, &changed("queue.rs", &text, broken)?, "queue.rs");
    Ok(())
}

fn populate(out: &mut String, recorder: &Path) -> io::Result<()> {
    let text = taken(
        recorder,
        "ring/populate.rs",
        &[
            ATOMICS,
            (
                "use std::thread::JoinHandle;",
                "use loom::thread::JoinHandle;",
                1,
            ),
            ("std::thread::Builder", "loom::thread::Builder", 1),
            ("std::thread::sleep(pause)", "loom::thread::yield_now()", 1),
            (
                "use crate::host_threads;",
                "use crate::stand_in::host_threads;",
                1,
            ),
            (
                "use crate::ring::Heads;",
                "use crate::product::ring::Heads;",
                1,
            ),
            ("use crate::ring::map::", "use crate::stand_in::map::", 1),
        ],
    )?;
    module(out, "populate", &text, "populate.rs");
    Ok(())
}

/// `number_here` alone: the rest of its module is mapped memory.
fn births(out: &mut String, recorder: &Path) -> io::Result<()> {
    let text = fs::read_to_string(recorder.join("ring/map.rs"))?;
    let from = text
        .find("fn number_here(")
        .ok_or_else(|| moved("map.rs", "fn number_here("))?;
    let until = text[from..]
        .find("\n}\n")
        .ok_or_else(|| moved("map.rs", "its end"))?;
    let text = changed(
        "map.rs",
        &text[from..from + until + 3],
        &[(
            "static LAST: AtomicU32 = AtomicU32::new(0);",
            "loom::lazy_static! { static ref LAST: AtomicU32 = AtomicU32::new(0); }",
            1,
        )],
    )?;
    let text = format!("use loom::sync::atomic::{{AtomicU32, Ordering}};\n{text}");
    module(out, "births", &text, "births.rs");
    Ok(())
}

/// Appends a module: the product's text, and the model that plays it.
fn module(out: &mut String, name: &str, text: &str, model: &str) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/model")
        .join(model);
    println!("cargo::rerun-if-changed={}", model.display());
    let _ = write!(
        out,
        "#[allow(dead_code, unused, missing_docs, clippy::all)]\npub mod {name} {{\n{text}\npub mod model {{\nuse super::*;\ninclude!({model:?});\n}}\n}}\n"
    );
}

/// A source of the recorder without its tests and its module's comment.
fn taken(recorder: &Path, file: &str, changes: &[Change]) -> io::Result<String> {
    let text = fs::read_to_string(recorder.join(file))?;
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.starts_with("//!"));
    let code = lines.fold(String::new(), |code, line| code + line + "\n");
    changed(file, &code, changes)
}

fn changed(file: &str, text: &str, changes: &[Change]) -> io::Result<String> {
    let mut text = text.to_owned();
    for (from, to, times) in changes {
        if text.matches(from).count() != *times {
            return Err(moved(file, from));
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

fn moved(file: &str, what: &str) -> io::Error {
    io::Error::other(format!(
        "{file} of the recorder has no longer {what:?} where a model of tests/loom stands on it: \
         look whether the model still holds, then change tests/loom/build.rs"
    ))
}

fn var(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}
