//! `haltbox guard`: which starts of a node are refused, and that no other is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use haltbox_tests::node::{Format, Node, Version, wrong};
use haltbox_tests::*;

/// The height that is in dispute.
const H: u64 = 7;

/// A node whose recorder knows its executable.
struct Guarded {
    folder: tempfile::TempDir,
    recorder: Option<Recorder>,
    node: Node,
}

impl Guarded {
    /// A node that executed up to the height.
    fn start() -> Guarded {
        let mut guarded = Guarded {
            folder: tempfile::tempdir().expect("a folder"),
            recorder: None,
            node: Node::new(Format::Console, Version::V038),
        };
        fs::write(guarded.exe(), "the build").expect("a program");
        guarded.record();
        guarded.node.start();
        (5..=H).for_each(|height| guarded.node.block(height));
        guarded.write();
        wait_until("the node's blocks", || {
            status(&guarded.dir())["head"].as_u64() == Some(H)
        });
        guarded
    }

    /// The same, whose AppHash is proved to differ.
    fn diverged() -> Guarded {
        let mut guarded = Guarded::start();
        guarded.fail("AppHash");
        guarded
    }

    fn fail(&mut self, field: &str) {
        let words = wrong(field, H);
        self.node
            .fail(&format!("+2/3 committed an invalid block: {words}"));
        self.write();
        let recorder = self.recorder.as_ref().expect("it runs");
        recorder.wait_for("do not roll back");
    }

    fn record(&mut self) {
        let (slog, log, exe) = (self.path("slog"), self.path("node.log"), self.exe());
        let mut arguments = vec!["--size", "4MiB", "--slog", text(&slog)];
        arguments.extend(["--node-log", text(&log), "--node-program", text(&exe)]);
        arguments.extend(["--persist-rounds", "2"]);
        let recorder = Recorder::start(&self.dir(), &arguments, Stdio::null());
        recorder.wait_for("recording into");
        self.recorder = Some(recorder);
    }

    fn stop(&mut self) {
        self.recorder.take().expect("it runs").stop();
    }

    /// Lets the recorder read what the node wrote since.
    fn write(&mut self) {
        let (slog, log) = (self.path("slog"), self.path("node.log"));
        for (path, lines) in [(slog, &mut self.node.slog), (log, &mut self.node.log)] {
            let file = fs::File::options().create(true).append(true).open(path);
            file.expect("a file")
                .write_all(lines.as_bytes())
                .expect("written");
            lines.clear();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> PathBuf {
        self.path("node")
    }

    fn exe(&self) -> PathBuf {
        self.path("noded")
    }

    fn only_box(&self) -> PathBuf {
        let mut found = boxes(&self.dir());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    fn guard(&self, more: &[&str]) -> (i32, String) {
        let dir = self.dir();
        told(&run(&[&["guard", text(&dir)], more].concat()))
    }

    /// The guard lets the node start, and says why.
    fn starts(&self, more: &[&str], why: &str) {
        let (code, said) = self.guard(more);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("the node may start: "), "{said}");
        assert!(said.contains(why), "{why:?} is not in {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }

    fn refuses(&self, more: &[&str]) -> String {
        let (code, said) = self.guard(more);
        assert_eq!(code, 1, "{said}");
        said
    }
}

fn told(done: &Output) -> (i32, String) {
    let said = [&done.stdout[..], &done.stderr[..]].concat();
    let code = done.status.code().expect("a code");
    (code, String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_same_build_is_not_started_again_over_a_divergence() {
    let mut guarded = Guarded::diverged();
    let exe = guarded.exe();
    for more in [&["--exe", text(&exe)][..], &[]] {
        let said = guarded.refuses(more);
        let path = guarded.only_box();
        let height = format!("--release {H}");
        for part in ["AppHash of height 7 differs", text(&path), "app=", &height] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(said.lines().count() <= 24, "more than a screen: {said}");
    }
    guarded.stop();
    guarded.refuses(&[]);
    // A restart that does the same again is no agreement.
    guarded.record();
    guarded.node.start();
    guarded.node.block(H);
    guarded.write();
    guarded.stop();
    guarded.refuses(&[]);
}

#[test]
fn another_field_of_the_header_holds_as_well() {
    let mut guarded = Guarded::start();
    guarded.fail("LastResultsHash");
    let said = guarded.refuses(&[]);
    assert!(
        said.contains("LastResultsHash of height 7 differs"),
        "{said}"
    );
    guarded.stop();
}

#[test]
fn status_doctor_and_metrics_show_that_it_holds() {
    let mut guarded = Guarded::diverged();
    let name = guarded.only_box();
    let name = name
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let dir = guarded.dir();
    let found = &status(&dir)["guard"];
    assert_eq!((&found["height"], &found["box"]), (&H.into(), &name.into()));
    assert_eq!(found["build"].as_str().map(str::len), Some(64));
    let words = "haltbox guard refuses to start the build";
    for command in ["status", "doctor"] {
        let (code, said) = told(&run(&[command, text(&dir)]));
        assert!(code == 1 && said.contains(words), "{said}");
    }
    let metric = |value: &str| {
        let metrics = output(0, &["status", "--prometheus", text(&dir)]);
        let metrics = String::from_utf8_lossy(&metrics).into_owned();
        assert!(
            metrics.contains(&format!("haltbox_guard_holds {value}\n")),
            "{metrics}"
        );
    };
    metric("1");
    output(0, &["guard", text(&dir), "--release", "7"]);
    metric("0");
    assert!(status(&dir)["guard"].is_null());
    guarded.stop();
}

#[test]
fn what_was_released_starts_for_good() {
    let mut guarded = Guarded::diverged();
    let (code, said) = guarded.guard(&["--release", "8"]);
    assert!(code == 2 && said.contains("heights that are: 7"), "{said}");
    guarded.refuses(&[]);
    assert_eq!(guarded.guard(&["--release", "7"]).0, 0);
    guarded.starts(&[], "was released");
    let path = guarded.only_box();
    assert!(path.exists(), "the evidence stays");
    guarded.stop();
    guarded.record();
    guarded.starts(&[], "was released");
    let (code, said) = guarded.guard(&["--release", "7"]);
    assert!(code == 2 && said.contains("none"), "{said}");
    guarded.stop();
}

#[test]
fn another_build_starts() {
    let mut guarded = Guarded::diverged();
    let new = guarded.path("new");
    fs::write(&new, "another build").expect("a program");
    guarded.starts(&["--exe", text(&new)], "is another build");
    guarded.starts(&["--exe", "/nonexistent"], "No such file");
    fs::rename(&new, guarded.exe()).expect("renamed");
    guarded.starts(&[], "is another build");
    guarded.stop();
}

/// A box tells the file that lay there when it was written, not what ran.
#[test]
fn a_build_that_was_put_there_while_the_node_ran_starts() {
    let mut guarded = Guarded::start();
    std::thread::sleep(Duration::from_millis(1100));
    fs::write(guarded.exe(), "the next build").expect("a program");
    guarded.fail("AppHash");
    guarded.starts(&[], "was installed while the node");
    guarded.stop();
}

/// It went on with the network, and handed out the height in which another node diverged.
#[test]
fn a_healthy_witness_starts() {
    let mut guarded = Guarded::start();
    guarded.node.refuse(H, 0);
    guarded.node.block(H + 1);
    guarded.write();
    wait_until("the next block", || {
        status(&guarded.dir())["head"].as_u64() == Some(H + 1)
    });
    output(0, &["freeze", text(&guarded.dir()), "--height", "7"]);
    guarded.only_box();
    guarded.starts(&[], "no box here proves");
    guarded.stop();
}

/// Where nobody knows who is right, nobody is kept down.
#[test]
fn a_box_of_a_doubt_starts() {
    let mut guarded = Guarded::start();
    (0..3).for_each(|round| guarded.node.refuse(H, round));
    guarded.write();
    let recorder = guarded.recorder.as_ref().expect("it runs");
    recorder.wait_for("do not roll back");
    guarded.only_box();
    guarded.starts(&[], "no box here proves");
    guarded.stop();
}

/// A box of another node in the folder says nothing of this one.
#[test]
fn a_box_of_another_node_starts() {
    let (mut divergent, mut healthy) = (Guarded::diverged(), Guarded::start());
    let path = divergent.only_box();
    let to = healthy
        .dir()
        .join("boxes")
        .join(path.file_name().expect("a name"));
    fs::copy(&path, to).expect("copied");
    healthy.starts(&[], "no box here proves");
    divergent.stop();
    healthy.stop();
}

#[test]
fn a_node_that_recovered_starts() {
    let mut guarded = Guarded::diverged();
    guarded.refuses(&[]);
    guarded.node.start();
    guarded.node.block(H + 1);
    guarded.write();
    wait_until("the next block", || guarded.guard(&[]).0 == 0);
    guarded.starts(&[], "the chain has continued after height 7");
    guarded.stop();
}

fn damage(path: &Path, from: u64) {
    let mut bytes = fs::read(path).expect("a file");
    let from = usize::try_from(from).expect("a place");
    bytes.iter_mut().skip(from).for_each(|byte| *byte ^= 0x5A);
    fs::write(path, bytes).expect("written");
}

#[test]
fn what_cannot_be_read_starts() {
    let mut guarded = Guarded::diverged();
    guarded.stop();
    guarded.refuses(&[]);
    let released = guarded.dir().join("released");
    fs::create_dir(&released).expect("a folder");
    guarded.starts(&[], "released beside the ring");
    fs::remove_dir(&released).expect("removed");
    let (ring, path) = (guarded.dir().join("ring"), guarded.only_box());
    let whole = fs::read(&path).expect("a box");
    damage(&path, 0);
    guarded.starts(&[], "");
    fs::write(&path, &whole).expect("written");
    guarded.refuses(&[]);
    fs::remove_file(&path).expect("removed");
    guarded.starts(&[], "No such file");
    fs::write(&path, &whole).expect("written");
    // The superblocks are gone, then all of the ring.
    damage(&ring, 0x2000);
    guarded.starts(&[], "");
    fs::remove_file(&ring).expect("removed");
    guarded.starts(&[], "No such file");
    nix::unistd::mkfifo(&ring, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    guarded.starts(&[], "not a regular file");
    fs::remove_dir_all(guarded.dir()).expect("removed");
    guarded.starts(&[], "No such file");
}

/// A mistake in the unit, or an output that nobody takes.
#[test]
fn neither_wrong_arguments_nor_a_closed_output_keep_a_node_down() {
    for arguments in [
        &["guard"][..],
        &["guard", "a", "--exe"],
        &["guard", "a", "--no"],
    ] {
        let (code, said) = told(&run(arguments));
        assert!(code == 0 && said.contains("the node may start"), "{said}");
    }
    let (code, said) = told(&run(&["guard", "/nonexistent", "--release", "x"]));
    assert_eq!(code, 2, "{said}");
    let full = fs::File::options().write(true).open("/dev/full");
    let mut guard = haltbox();
    guard.args(["guard", "/nonexistent"]);
    guard.stdout(full.expect("/dev/full"));
    assert_eq!(guard.status().expect("it runs").code(), Some(0));
}
