//! Signatures of boxes, made and checked by the real ssh-keygen. The agent that hangs is a
//! stub.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use haltbox_tests::*;
use serde_json::Value;

/// The first line of a signature.
const HEAD: &str = "-----BEGIN SSH SIGNATURE-----\n";

/// A folder with keys in it, and with a box of height 13 that has no signature.
struct Scene {
    folder: tempfile::TempDir,
    bx: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join("node");
        record_all(&dir, &excerpt("honest-a"), Some(&failure(13)), "16MiB").wait();
        let bx = boxes(&dir).pop().expect("a box");
        Scene { folder, bx }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dir(&self) -> PathBuf {
        self.at("node")
    }

    /// A new key of this name and passphrase.
    fn key(&self, name: &str, passphrase: &str) -> PathBuf {
        let key = self.at(name);
        let mut made = keygen(&["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f"]);
        assert!(made.arg(&key).status().expect("it runs").success());
        key
    }

    /// A file of allowed signers: each line what stands before a key, and the key.
    fn signers(&self, name: &str, lines: &[(&str, &Path)]) -> PathBuf {
        let line = |(before, key): &(&str, &Path)| {
            let public = fs::read_to_string(key.with_extension("pub")).expect("a public key");
            format!("{before} {public}")
        };
        let path = self.at(name);
        fs::write(&path, lines.iter().map(line).collect::<String>()).expect("signers");
        path
    }

    /// A copy of the box with a signature of other bytes, or of none.
    fn copy(&self, name: &str, signature: Option<&[u8]>) -> PathBuf {
        let copy = self.at(name);
        fs::copy(&self.bx, &copy).expect("a copy");
        let bytes = signature.map(|bytes| fs::write(sig(&copy), bytes));
        bytes.transpose().expect("a signature");
        copy
    }

    fn freeze(&self, key: &Path) -> Command {
        let mut freeze = haltbox();
        freeze.args(["freeze", "--height", "13", text(&self.dir()), "--sign"]);
        freeze.arg(key).env_remove("SSH_AUTH_SOCK");
        freeze
    }
}

fn keygen(arguments: &[&str]) -> Command {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(arguments).stdin(Stdio::null());
    keygen
}

fn sig(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.sig", path.display()))
}

/// Signs a file as an operator does by hand.
fn sign_by_hand(key: &Path, namespace: &str, path: &Path) {
    let mut signed = keygen(&["-q", "-Y", "sign", "-n", namespace, "-f"]);
    let signed = signed.arg(key).arg(path).output().expect("it runs");
    assert!(signed.status.success(), "{}", said(&signed));
}

fn said(output: &Output) -> String {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn verify(signers: &Path, path: &Path) -> (i32, String) {
    let done = run(&["verify", "--signers", text(signers), text(path)]);
    (done.status.code().expect("a code"), said(&done))
}

#[track_caller]
fn is_told(signers: &Path, path: &Path, code: i32, words: &[&str]) {
    let (found, told) = verify(signers, path);
    assert_eq!(found, code, "{told}");
    let missing = words.iter().find(|words| !told.contains(**words));
    assert_eq!(missing, None, "{told}");
}

#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn a_box_is_signed_and_its_signer_is_told() {
    let scene = Scene::new();
    let (key, other) = (scene.key("alice", ""), scene.key("bob", ""));
    let frozen = scene.freeze(&key).output().expect("it runs");
    assert!(frozen.status.success(), "{}", said(&frozen));
    let signature = sig(&scene.bx);
    let told = format!("  signature  {}\n", signature.display());
    assert!(said(&frozen).contains(&told), "{}", said(&frozen));
    let mode = fs::metadata(&signature).expect("a signature").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    let lines = [("bob@example.com", &*other), ("alice@example.com", &*key)];
    let signers = scene.signers("signers", &lines);
    is_told(
        &signers,
        &scene.bx,
        0,
        &[
            "intact, signed: ",
            "by alice@example.com, ED25519 key SHA256:",
        ],
    );
    let json = run(&[
        "verify",
        "--json",
        "--signers",
        text(&signers),
        text(&scene.bx),
    ]);
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let found = &json["sources"][0]["signature"];
    assert_eq!(found["verdict"], "signed");
    assert_eq!(found["signer"], "alice@example.com");
    // And without Haltbox.
    let mut plain = keygen(&[
        "-Y",
        "verify",
        "-n",
        "haltbox-box",
        "-I",
        "alice@example.com",
    ]);
    let plain = plain.args(["-f", text(&signers), "-s", text(&signature)]);
    let plain = plain.stdin(fs::File::open(&scene.bx).expect("a box"));
    assert!(plain.status().expect("it runs").success());

    // A signature is no box, and none of the sources in the folder.
    is_told(&signers, &scene.dir().join("boxes"), 0, &["intact, signed"]);
    let listed = String::from_utf8(output(0, &["ls", text(&scene.dir())])).expect("text");
    assert_eq!(listed.matches(".sig").count(), 0, "{listed}");
    assert!(listed.contains("(signature not checked)"), "{listed}");
    let name = scene.bx.file_name().expect("a name").to_string_lossy();
    assert_eq!(status(&scene.dir())["boxes"], serde_json::json!([name]));

    // A signature is evidence too: it stays.
    let before = fs::read(&signature).expect("a signature");
    let again = scene.freeze(&other).output().expect("it runs");
    assert!(again.status.success() && said(&again).contains("already existed, unchanged"));
    assert_eq!(fs::read(&signature).expect("a signature"), before);
    // Unless it is no signature of this box: then nobody may take it for one.
    fs::write(&signature, HEAD).expect("written");
    let again = scene.freeze(&key).output().expect("it runs");
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(
        said(&again).contains("no signature of this box"),
        "{}",
        said(&again)
    );
}

#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn a_signature_of_something_else_is_no_signature_of_a_box() {
    let scene = Scene::new();
    let (alice, bob) = (scene.key("alice", ""), scene.key("bob", ""));
    let signers = scene.signers("signers", &[("alice@example.com", &alice)]);
    let signed = scene.copy("signed", None);
    sign_by_hand(&alice, "haltbox-box", &signed);
    is_told(&signers, &signed, 0, &["intact, signed"]);
    let signature = fs::read(sig(&signed)).expect("a signature");

    let unsigned = scene.copy("unsigned", None);
    is_told(
        &signers,
        &unsigned,
        1,
        &["UNSIGNED: ", "unsigned.sig does not exist"],
    );

    let altered = scene.copy("altered", Some(&signature));
    let mut bytes = fs::read(&altered).expect("a box");
    *bytes.get_mut(100_000).expect("a large box") ^= 1;
    fs::write(&altered, &bytes).expect("written");
    is_told(&signers, &altered, 1, &["DAMAGED: ", "not of these bytes"]);

    let mut bent = signature.clone();
    let at = bent.len() - 60;
    bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
    let bent = scene.copy("bent", Some(&bent));
    is_told(&signers, &bent, 1, &["ALTERED: ", "not of these bytes"]);

    // The box of another block, or the same block of another node: both are sound.
    let dir = scene.at("another");
    record_all(&dir, &excerpt("divergent-kv"), Some(&failure(13)), "16MiB").wait();
    let another = boxes(&dir).pop().expect("a box");
    fs::write(sig(&another), &signature).expect("written");
    is_told(&signers, &another, 1, &["ALTERED: ", "incorrect signature"]);

    let by_bob = scene.copy("by-bob", None);
    sign_by_hand(&bob, "haltbox-box", &by_bob);
    is_told(
        &signers,
        &by_bob,
        1,
        &["SIGNED BY ANOTHER KEY: ", "ED25519 key SHA256:"],
    );

    // What the same key signed for git or as a plain file counts for nothing.
    let as_file = scene.copy("as-file", None);
    sign_by_hand(&alice, "file", &as_file);
    is_told(&signers, &as_file, 1, &["ALTERED: ", "namespace"]);
    for (name, before, word) in [
        (
            "git-only",
            "alice@example.com namespaces=\"git\"",
            "not permitted",
        ),
        (
            "old",
            "alice@example.com valid-before=\"20200101\"",
            "has expired",
        ),
    ] {
        let signers = scene.signers(name, &[(before, &alice)]);
        is_told(&signers, &signed, 1, &["SIGNED BY ANOTHER KEY: ", word]);
    }
}

#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn what_cannot_be_decided_is_never_signed() {
    let scene = Scene::new();
    let alice = scene.key("alice", "");
    sign_by_hand(&alice, "haltbox-box", &scene.bx);
    let missing = scene.at("nobody");
    is_told(
        &missing,
        &scene.bx,
        2,
        &["cannot read the signers in ", "nobody"],
    );
    is_told(
        scene.folder.path(),
        &scene.bx,
        2,
        &["cannot read the signers in "],
    );
    let bad = scene.at("bad");
    fs::write(&bad, "alice@example.com ssh-ed25519 AAAAnokey\n").expect("written");
    is_told(
        &bad,
        &scene.bx,
        2,
        &["SIGNATURE NOT CHECKED: ", "invalid key"],
    );
    // A line that is not understood hides no other one.
    let signers = scene.signers("signers", &[("alice@example.com", &alice)]);
    let good = fs::read_to_string(&signers).expect("signers");
    fs::write(&bad, format!("nonsense\n{good}")).expect("written");
    is_told(&bad, &scene.bx, 0, &["intact, signed"]);

    // A stranger's signature may be anything.
    let hostile = [
        ("empty", Vec::new()),
        ("garbage", b"\x1b[2J".repeat(100)),
        ("torn", HEAD.as_bytes().to_vec()),
        ("endless", [HEAD.as_bytes(), &[b'A'; 1 << 20]].concat()),
        (
            "nonsense",
            format!("{HEAD}U1NIU0lH\x1b]0;x\x07\n-----END SSH SIGNATURE-----\n").into_bytes(),
        ),
    ];
    for (name, bytes) in hostile {
        let copy = scene.copy(name, Some(&bytes));
        let (code, told) = verify(&signers, &copy);
        assert_eq!(code, 1, "{name}: {told}");
        assert!(
            told.starts_with("ALTERED: ") && !told.contains('\x1b'),
            "{told}"
        );
    }
    let copy = scene.copy("fifo", None);
    nix::unistd::mkfifo(&sig(&copy), nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    is_told(&signers, &copy, 1, &["ALTERED: "]);
}

/// No ssh-keygen is on this PATH, so the test needs none.
#[test]
fn without_ssh_keygen_a_box_is_frozen_and_nothing_is_said_of_its_signer() {
    let scene = Scene::new();
    let empty = scene.at("bin");
    fs::create_dir(&empty).expect("a folder");
    let frozen = scene.freeze(&scene.at("key")).env("PATH", &empty).output();
    let frozen = frozen.expect("it runs");
    assert_eq!(frozen.status.code(), Some(1), "{}", said(&frozen));
    let by_hand = format!(
        "ssh-keygen -Y sign -n haltbox-box -f {} {}",
        scene.at("key").display(),
        scene.bx.display()
    );
    for words in [
        "black box",
        "UNSIGNED: ssh-keygen is not on PATH",
        "openssh-client",
        &by_hand,
    ] {
        assert!(said(&frozen).contains(words), "{}", said(&frozen));
    }
    assert!(!sig(&scene.bx).exists());
    fs::write(sig(&scene.bx), HEAD).expect("written");
    fs::write(scene.at("signers"), "").expect("written");
    let signers = scene.at("signers");
    let mut checked = haltbox();
    let checked = checked.args(["verify", "--signers", text(&signers), text(&scene.bx)]);
    let checked = checked.env("PATH", &empty).output().expect("it runs");
    assert_eq!(checked.status.code(), Some(2), "{}", said(&checked));
    assert!(
        said(&checked).starts_with("SIGNATURE NOT CHECKED: "),
        "{}",
        said(&checked)
    );
}

/// It runs at a terminal, where ssh-keygen would ask for the passphrase and wait.
#[test]
#[ignore = "needs ssh-keygen and script(1); `-- --ignored` runs it"]
fn a_key_with_a_passphrase_fails_at_once() {
    let scene = Scene::new();
    let key = scene.key("locked", "secret words");
    for key in [&key, &key.with_extension("pub"), &scene.at("no-key")] {
        let begun = Instant::now();
        let frozen = at_a_terminal(&scene.freeze(key));
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(frozen.status.code(), Some(1), "{}", said(&frozen));
        let words = match key.ends_with("no-key") {
            true => "No such file or directory",
            false => "has a passphrase, and nobody is asked for it",
        };
        assert!(said(&frozen).contains(words), "{}", said(&frozen));
        assert!(said(&frozen).contains("black box"), "{}", said(&frozen));
        assert!(scene.bx.exists() && !sig(&scene.bx).exists());
    }
}

/// Runs a command at a terminal of its own.
fn at_a_terminal(command: &Command) -> Output {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().expect("text")).collect();
    let mut script = Command::new("script");
    let script = script.args(["-qec", &words.join(" "), "/dev/null"]);
    let script = script.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    script.output().expect("script(1) runs")
}

/// A recorder of the excerpt's slog that signs, with this agent.
fn recorder(scene: &Scene, key: &Path, agent: &Path, more: &[&str]) -> Recorder {
    let dir = scene.at("recorder");
    let (slog, log) = (scene.at("slog"), scene.at("log"));
    fs::write(&slog, excerpt("honest-a")).expect("a slog");
    fs::write(&log, "").expect("a log");
    let said = fs::File::create(dir.with_extension("stderr")).expect("a file");
    let child = haltbox()
        .args(["record", "--size", "16MiB", "--dir", text(&dir)])
        .args(["--slog", text(&slog), "--node-log", text(&log)])
        .args(["--sign", text(key)])
        .args(more)
        .env("SSH_AUTH_SOCK", agent)
        .stdin(Stdio::null())
        .stderr(said)
        .spawn();
    Recorder::of(&dir, child.expect("it starts"))
}

/// A real ssh-agent that has a key, and whose key file is gone.
struct Agent(Child);

impl Agent {
    fn with(key: &Path, socket: &Path) -> Agent {
        let mut agent = Command::new("ssh-agent");
        let agent = agent.args(["-D", "-a", text(socket)]).stdout(Stdio::null());
        let agent = Agent(agent.spawn().expect("ssh-agent starts"));
        wait_until("the agent", || socket.exists());
        let mut add = Command::new("ssh-add");
        let add = add.args(["-q", text(key)]).env("SSH_AUTH_SOCK", socket);
        assert!(add.status().expect("it runs").success());
        fs::remove_file(key).expect("a key");
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn a_recorder_signs_what_it_freezes_with_a_key_of_the_agent() {
    let scene = Scene::new();
    let (key, socket) = (scene.key("alice", ""), scene.at("agent"));
    let signers = scene.signers("signers", &[("alice@example.com", &key)]);
    let agent = Agent::with(&key, &socket);
    let told = scene.at("told");
    let command = format!(
        "test -s \"$HALTBOX_SIGNATURE\" && echo \"$HALTBOX_SIGNATURE\" > {0}.new && mv {0}.new {0}",
        told.display()
    );
    let public = key.with_extension("pub");
    let recorder = recorder(&scene, &public, &socket, &["--on-freeze", &command]);
    fs::write(scene.at("log"), failure(13)).expect("a failure");
    wait_until("the command", || told.exists());
    let signature = fs::read_to_string(&told).expect("a path");
    let bx = PathBuf::from(signature.trim().strip_suffix(".sig").expect("a signature"));
    is_told(
        &signers,
        &bx,
        0,
        &["intact, signed", "by alice@example.com"],
    );
    assert!(
        recorder.said().contains(" is signed: "),
        "{}",
        recorder.said()
    );
    assert!(!recorder.said().contains("UNSIGNED"), "{}", recorder.said());

    // The recorder's answer tells where the box is. Who asks signs with a key of their own,
    // unless there is a signature.
    fs::remove_file(sig(&bx)).expect("a signature");
    let mut freeze = haltbox();
    let freeze = freeze.args(["freeze", "--height", "13", text(&recorder.dir), "--sign"]);
    let freeze = freeze.arg(&public).env("SSH_AUTH_SOCK", &socket).output();
    let freeze = freeze.expect("it runs");
    assert!(freeze.status.success(), "{}", said(&freeze));
    assert!(said(&freeze).contains("  signature  "), "{}", said(&freeze));
    is_told(&signers, &bx, 0, &["intact, signed"]);
    recorder.stop();
    drop(agent);
}

/// The agent is a stub: it takes calls and never answers.
#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn an_agent_that_hangs_holds_up_neither_the_box_nor_the_recorder() {
    let scene = Scene::new();
    let (key, socket) = (scene.key("alice", ""), scene.at("hanging-agent"));
    let public = key.with_extension("pub");
    let stub = UnixListener::bind(&socket).expect("a socket");
    let begun = Instant::now();
    let recorder = recorder(&scene, &public, &socket, &[]);
    fs::write(scene.at("log"), failure(13)).expect("a failure");
    let alert = recorder.dir.join("boxes/CONSENSUS_FAILURE.txt");
    wait_until("the alert", || alert.exists());
    let frozen = begun.elapsed();
    assert!(frozen < Duration::from_secs(9), "{frozen:?}");
    let bx = boxes(&recorder.dir).pop().expect("a box");
    // It goes on, and answers while it waits for the agent.
    let asked = Instant::now();
    output(0, &["freeze", "--height", "12", text(&recorder.dir)]);
    assert!(
        asked.elapsed() < Duration::from_secs(6),
        "{:?}",
        asked.elapsed()
    );
    // Who asks it for the box waits for the agent, and not for ever.
    let mut freeze = haltbox();
    let freeze = freeze.args(["freeze", "--height", "13", text(&recorder.dir), "--sign"]);
    let freeze = freeze.arg(&public).env("SSH_AUTH_SOCK", &socket).output();
    let freeze = freeze.expect("it runs");
    assert_eq!(freeze.status.code(), Some(1), "{}", said(&freeze));
    let words = "ssh-keygen did not answer within 10 s and was killed";
    assert!(said(&freeze).contains(words), "{}", said(&freeze));
    recorder.wait_for(&format!("{} is UNSIGNED: {words}", bx.display()));
    recorder.wait_for(&format!(
        "boxes will be UNSIGNED as long as this is so: {words}"
    ));
    assert!(!sig(&bx).exists());
    wait_until("no ssh-keygen to be left", || {
        processes(text(&public)).len() == 1
    });
    recorder.stop();
    drop(stub);
}

/// The end of a recorder waits two seconds for an agent, no more.
#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn an_agent_that_hangs_does_not_hold_up_the_end_of_a_recorder() {
    let scene = Scene::new();
    let (key, socket) = (scene.key("alice", ""), scene.at("hanging-agent"));
    let stub = UnixListener::bind(&socket).expect("a socket");
    let recorder = recorder(&scene, &key.with_extension("pub"), &socket, &[]);
    fs::write(scene.at("log"), failure(13)).expect("a failure");
    let alert = recorder.dir.join("boxes/CONSENSUS_FAILURE.txt");
    wait_until("the alert", || alert.exists());
    let (dir, begun) = (recorder.dir.clone(), Instant::now());
    recorder.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    let told = fs::read_to_string(dir.with_extension("stderr")).expect("what it said");
    assert!(
        told.contains("did not answer before the recorder ended"),
        "{told}"
    );
    assert_eq!(boxes(&dir).len(), 1);
    drop(stub);
}

#[test]
#[ignore = "needs ssh-keygen; `-- --ignored` runs it"]
fn what_is_collected_can_be_signed() {
    let scene = Scene::new();
    let key = scene.key("alice", "");
    let signers = scene.signers("signers", &[("alice@example.com", &key)]);
    let answers = root().join("tests/data/collect/healthy.jsonl");
    let out = scene.at("collected");
    let mut arguments = vec!["collect", "--answers", text(&answers), "--height", "20"];
    arguments.extend(["--out", text(&out), "--sign", text(&key)]);
    let collected = String::from_utf8(output(0, &arguments)).expect("text");
    assert!(collected.contains("  signature  "), "{collected}");
    is_told(&signers, &out, 0, &["intact, signed"]);
}
