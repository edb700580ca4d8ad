//! C programs that call the library: plain, under sanitizers, under valgrind.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use haltbox_tests::c_library::{
    C11, Installed, LANGUAGES, compiler, installed, link_shared, sources, succeeded,
};
use haltbox_tests::toolchain::needs;
use haltbox_tests::*;

/// How a program is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Watch {
    None,
    Sanitizers,
    Valgrind,
}

impl Watch {
    fn compiled(self) -> &'static [&'static str] {
        match self {
            Watch::Sanitizers => &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
            Watch::None | Watch::Valgrind => &[],
        }
    }

    fn command(self, program: &Path) -> Command {
        if self != Watch::Valgrind {
            return Command::new(program);
        }
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", "--error-exitcode=9", "--leak-check=full"])
            // Else a thread that never waits is nearly the only one to run.
            .arg("--fair-sched=yes")
            // Rust's own threads are known by a pointer into their middle: "possibly lost".
            .args([
                "--errors-for-leak-kinds=definite",
                "--show-leak-kinds=definite",
            ])
            .arg(program);
        command
    }
}

/// A C program, and a folder for what it records.
struct Program {
    path: PathBuf,
    watch: Watch,
    folder: tempfile::TempDir,
}

impl Program {
    fn build(name: &str, watch: Watch, prefix: &Path) -> Program {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = compiler(C11, name, prefix);
        command.args(watch.compiled());
        Program {
            path: link_shared(command, prefix, folder.path(), name),
            watch,
            folder,
        }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("recorder")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.watch.command(&self.path);
        let done = command.arg(self.dir()).args(arguments).output();
        let done = done.expect("it runs");
        succeeded(
            &format!("{:?} of {}", self.watch, self.path.display()),
            &done,
        );
        done
    }

    /// Runs it; neither it nor the library may print anything.
    fn run_silent(&self, arguments: &[&str]) {
        let done = self.run(arguments);
        let said = [done.stdout, done.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "{:?}", self.watch);
    }

    /// What is in its ring.
    fn recorded(&self) -> String {
        let ring = self.dir().join("ring");
        String::from_utf8(output(0, &["cat", text(&ring)])).expect("UTF-8")
    }
}

/// Runs a test in every way there is.
fn in_every_way(test: fn(&Installed, Watch)) {
    let library = installed();
    test(library, Watch::None);
    test(library, Watch::Sanitizers);
    needs("valgrind");
    test(library, Watch::Valgrind);
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn every_program_is_c_and_cpp() {
    let library = installed();
    let folder = tempfile::tempdir().expect("a folder");
    for language in LANGUAGES {
        for name in sources() {
            let mut command = compiler(language, &name, &library.prefix);
            command.args(["-c", "-o", text(&folder.path().join("object"))]);
            let done = command.output().expect("the compiler runs");
            succeeded(&format!("{name} as {language:?}"), &done);
        }
    }
}

#[test]
#[ignore = "needs C++, make, pkg-config and valgrind; `-- --ignored` runs it"]
fn no_argument_is_believed() {
    in_every_way(|library, watch| {
        Program::build("arguments", watch, &library.prefix).run_silent(&[]);
    });
}

#[test]
#[ignore = "needs C++, make, pkg-config and valgrind; `-- --ignored` runs it"]
fn the_process_is_left_as_it_was() {
    in_every_way(|library, watch| {
        Program::build("process", watch, &library.prefix).run_silent(&[]);
    });
}

#[test]
#[ignore = "needs C++, make, pkg-config and valgrind; `-- --ignored` runs it"]
fn entries_of_many_threads_are_there_once_and_in_order() {
    in_every_way(|library, watch| {
        let each = if watch == Watch::Valgrind { 500 } else { 5000 };
        let program = Program::build("threads", watch, &library.prefix);
        program.run_silent(&["8", &each.to_string()]);
        let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for line in program.recorded().lines() {
            let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
            if entry["type"] == "tx-thread" {
                let thread = entry["thread"].as_u64().expect("a number");
                let number = entry["entry"].as_u64().expect("a number");
                found.entry(thread).or_default().push(number);
            }
        }
        let expected: Vec<u64> = (0..each).collect();
        assert_eq!(found.len(), 8);
        for (thread, entries) in found {
            assert!(entries == expected, "thread {thread}, {watch:?}");
        }
    });
}

#[test]
#[ignore = "needs C++, make, pkg-config and valgrind; `-- --ignored` runs it"]
fn the_child_of_a_fork_is_refused_and_the_parent_goes_on() {
    in_every_way(|library, watch| {
        let program = Program::build("fork", watch, &library.prefix);
        let own = program.folder.path().join("child");
        let times = if watch == Watch::Valgrind { 3 } else { 20 };
        program.run_silent(&[text(&own), &times.to_string()]);
        let recorded = program.recorded();
        assert_eq!(recorded.matches("tx-parent").count(), 2 * times);
        assert!(!recorded.contains("tx-child"));
        // Under the sanitizers no child allocates beside a thread that does: see fork.c.
        let own_times = if watch == Watch::Sanitizers { 1 } else { 2 } * times;
        let own = output(0, &["cat", text(&own.join("ring"))]);
        let own = String::from_utf8_lossy(&own);
        assert_eq!(own.matches("tx-child").count(), own_times);
    });
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn a_child_of_a_raw_clone_is_refused_too() {
    let library = installed();
    for watch in [Watch::None, Watch::Sanitizers] {
        let program = Program::build("clone", watch, &library.prefix);
        program.run_silent(&[]);
        let recorded = program.recorded();
        assert_eq!(recorded.matches("tx-parent").count(), 3);
        assert!(!recorded.contains("tx-child"));
    }
}

/// Without a shield the C library unwinds the thread through Rust, which aborts.
#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn a_cancelled_thread_ends_behind_the_call() {
    let library = installed();
    let program = Program::build("cancel", Watch::None, &library.prefix);
    program.run_silent(&["40"]);
    assert!(program.recorded().contains("tx-last"));
}

#[test]
#[ignore = "needs C++, make, pkg-config and valgrind; `-- --ignored` runs it"]
fn a_limit_of_file_sizes_is_an_error_and_no_signal() {
    in_every_way(|library, watch| {
        Program::build("size_limit", watch, &library.prefix).run_silent(&[]);
    });
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn a_host_without_memory_is_told_so_and_lives() {
    let library = installed();
    Program::build("memory", Watch::None, &library.prefix).run_silent(&[]);
}

#[test]
#[ignore = "needs C++, make, pkg-config and valgrind; `-- --ignored` runs it"]
fn a_panic_inside_turns_the_recorder_off_and_no_more() {
    in_every_way(|library, watch| {
        let program = Program::build("panic", watch, &library.panicking);
        let done = program.run(&[]);
        assert!(done.stdout.is_empty());
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(said.matches("panicked at").count(), 1, "{said}");
        let recorded = program.recorded();
        let has = |word| recorded.contains(word);
        assert!(
            has("tx-before") && has("tx-next") && !has("tx-after"),
            "{recorded}"
        );
    });
}

#[test]
#[ignore = "needs C++, make, pkg-config and root; `-- --ignored` runs it"]
fn a_file_system_that_would_not_protect_the_host_is_refused() {
    let library = installed();
    let program = Program::build("file_system", Watch::None, &library.prefix);
    std::fs::create_dir(program.dir()).expect("a folder");
    // Its pages may go to nobody's disk, but ramfs is none of those that are known.
    let mount = |command: &mut Command| {
        let done = command.arg(program.dir()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    let mounted = mount(Command::new("mount").args(["-t", "ramfs", "ramfs"]));
    assert!(mounted, "this test needs root, to mount a file system");
    let done = Command::new(&program.path).arg(program.dir()).output();
    assert!(mount(Command::new("umount").arg("-l")));
    succeeded("file_system", &done.expect("it runs"));
}

/// Kills the program once it has told of `entries`; gives the last it told of.
fn killed_after(program: &Path, dir: &Path, entries: u64) -> u64 {
    let mut child = Command::new(program)
        .arg(dir)
        .arg("0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut told = child.stdout.take().expect("a pipe");
    let mut bytes = vec![0; entries as usize * 8];
    told.read_exact(&mut bytes).expect("it goes on");
    child.kill().expect("it runs");
    told.read_to_end(&mut bytes).expect("the rest");
    child.wait().expect("it ends");
    let last = bytes.chunks_exact(8).last().expect("an entry");
    u64::from_le_bytes(last.try_into().expect("eight bytes"))
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn what_a_call_returned_from_survives_a_kill() {
    let library = installed();
    let program = Program::build("kill", Watch::None, &library.prefix);
    let mut random = Random::seeded(11);
    for time in 0..20 {
        let dir = program.folder.path().join(time.to_string());
        let last = killed_after(&program.path, &dir, 1 + random.below(3000));
        let recorded = output(0, &["cat", text(&dir.join("ring"))]);
        let recorded = String::from_utf8(recorded).expect("UTF-8");
        let numbers = recorded.lines().filter_map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
            entry["entry"].as_u64()
        });
        let found: Vec<u64> = numbers.collect();
        let count = found.len() as u64;
        assert!(
            found.into_iter().eq(0..count),
            "a hole or a stranger among {count}"
        );
        assert!(count > last, "{last} was told of, {count} are there");
    }
}

#[test]
#[ignore = "needs C++, make and pkg-config; `-- --ignored` runs it"]
fn the_example_makes_a_box() {
    let library = installed();
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("make")
        .arg("-C")
        .arg(root().join("ffi/examples"))
        .arg(format!("PREFIX={}", library.prefix.display()))
        .arg(format!("out={}", folder.path().display()))
        .arg("CFLAGS=-std=c99 -Wall -Wextra -Wpedantic -Werror")
        .output();
    succeeded("make", &made.expect("make runs"));
    let dir = folder.path().join("recorder");
    let done = Command::new(folder.path().join("record"))
        .arg(&dir)
        .output();
    let done = done.expect("it runs");
    succeeded("record", &done);
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    let path = String::from_utf8(done.stdout).expect("UTF-8");
    let path = path.trim();
    assert_eq!(boxes(&dir), [Path::new(path)]);
    let info = String::from_utf8(output(0, &["info", path])).expect("UTF-8");
    assert!(info.contains("DIVERGED at height 3"), "{info}");
    assert!(info.contains("complete blocks: 3 of 3"), "{info}");
    let slog = String::from_utf8(output(0, &["cat", path])).expect("UTF-8");
    assert_eq!(slog.matches("tx-transfer").count(), 15);
    output(0, &["verify", path]);
    // Read as the host recorded it, without being told how.
    let frozen = output(0, &["freeze", text(&dir), "--height", "2"]);
    let frozen = String::from_utf8(frozen).expect("UTF-8");
    assert!(frozen.contains("quote      2-"), "{frozen}");
    assert_eq!(boxes(&dir).len(), 2);
}
