//! The evidence kit: what a node is asked while its box is written, and nodes that
//! do not answer, or answer what must not be kept.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use haltbox_tests::toolchain::needs;
use haltbox_tests::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The height that is in dispute.
const H: u64 = 20;
/// Within this time a recorder ends that is told to, while a node does not answer. The
/// longest wait for all answers is 20 s.
const SOON: Duration = Duration::from_secs(8);
/// A node's own error.
const REFUSAL: &str = r#"{"error":{"code":-32603,"message":"no","data":"no"}}"#;

/// A node's RPC.
struct Rpc {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Rpc {
    /// `answer` gives the status line, with further headers, and the body. Where it gives
    /// nothing, the node takes the question and never answers.
    fn start(answer: impl Fn(&str) -> Option<(String, String)> + Send + Sync + 'static) -> Rpc {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("a port"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (calls, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (calls, answer) = (Arc::clone(&calls), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let call = request(&stream);
                    calls.lock().expect("a list").push(call.clone());
                    let Some((head, body)) = answer(&call) else {
                        return std::thread::sleep(Duration::from_secs(120));
                    };
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                    );
                    let _ = (&stream).write_all((head + &body).as_bytes());
                });
            }
        });
        Rpc { url, asked }
    }

    /// Refuses what is asked first, and does not answer what is asked of the block.
    fn that_hangs() -> Rpc {
        let of_block = |call: &str| call.starts_with("/block") || call.starts_with("/commit");
        Rpc::start(move |call| (!of_block(call)).then(|| told(REFUSAL)))
    }

    fn was_asked(&self, call: &str) -> bool {
        let asked = self.asked.lock().expect("a list");
        asked.iter().any(|known| known.starts_with(call))
    }

    fn wait_for(&self, call: &str) {
        wait_until(&format!("the node to be asked for {call}"), || {
            self.was_asked(call)
        });
    }
}

fn told(body: &str) -> (String, String) {
    ("200 OK".to_owned(), body.to_owned())
}

/// The path that is asked for.
fn request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    let _ = reader.read_line(&mut first);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    first.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn recorded() -> String {
    let path = root().join("tests/data/collect/recorded.jsonl");
    fs::read_to_string(path).expect("what was recorded")
}

/// A recorder that saw height 20 diverge, and what it reads.
fn diverged(dir: &Path, url: &str) -> Recorder {
    let log = dir.with_extension("log");
    fs::write(&log, failure(H)).expect("a log");
    let mut arguments = vec!["--size", "4MiB", "--node-log", text(&log), "--slog", "-"];
    arguments.extend(["--profile", "host", "--rpc", url]);
    let mut recorder = Recorder::start(dir, &arguments, Stdio::piped());
    let pipe = recorder.child().stdin.as_mut().expect("a pipe");
    pipe.write_all(recorded().as_bytes()).expect("it reads");
    recorder
}

/// A block as a host records it, of some 100 KB.
fn filler(height: u64) -> String {
    let mut block = format!("{{\"type\":\"begin-block\",\"height\":{height}}}\n");
    for op in 0..500 {
        let value = "7".repeat(150);
        block += &format!(r#"{{"type":"op-write","op":{op},"value":"{value}"}}"#);
        block.push('\n');
    }
    for kind in ["end-block", "commit-block"] {
        block += &format!("{{\"type\":\"{kind}\",\"height\":{height}}}\n");
    }
    block
}

fn evidence(bx: &Path) -> String {
    let told = output(0, &["cat", "--stream", "evidence", text(bx)]);
    String::from_utf8(told).expect("text")
}

fn only_box(dir: &Path) -> PathBuf {
    let mut found = boxes(dir);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// A signal to end, and its end within a time in which no node that hangs was waited for.
fn ends_soon(child: &mut Child) {
    let begun = Instant::now();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it runs");
    let status = child.wait().expect("it ends");
    let took = begun.elapsed();
    assert!(status.success() && took < SOON, "{status} after {took:?}");
}

/// A node that executes blocks at full rate while its RPC hangs: none of them is lost, and
/// the block in dispute is in the box, though the ring went round meanwhile.
#[test]
fn recording_goes_on_while_a_node_does_not_answer() {
    const LAST: u64 = H + 60;
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let rpc = Rpc::that_hangs();
    let mut recorder = diverged(&dir, &rpc.url);
    rpc.wait_for("/block?height=20");
    let pipe = recorder.child().stdin.as_mut().expect("a pipe");
    for height in H + 1..=LAST {
        pipe.write_all(filler(height).as_bytes()).expect("it reads");
    }
    wait_until("the last block", || status(&dir)["head"] == LAST);
    let now = status(&dir);
    assert_eq!(
        (&now["dropped"], &now["oldest"]),
        (&0.into(), &H.into()),
        "{now}"
    );
    assert_eq!(boxes(&dir), [] as [PathBuf; 0], "the node is still asked");
    ends_soon(recorder.child());
    let bx = only_box(&dir);
    output(0, &["verify", text(&bx)]);
    let told = String::from_utf8(zstd_dc(&bx)).expect("text");
    assert!(told.starts_with(&recorded()), "{told:.300}");
}

/// An end does not wait for a node; what it answered before is kept, and the box says
/// what it did not.
#[test]
fn an_end_keeps_what_was_answered_and_says_what_was_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let rpc = Rpc::that_hangs();
    let mut recorder = diverged(&dir, &rpc.url);
    rpc.wait_for("/block?height=20");
    ends_soon(recorder.child());
    let bx = only_box(&dir);
    let told = evidence(&bx);
    assert!(told.contains(r#""call":"/abci_info""#), "{told}");
    let cut = told.lines().last().expect("a line");
    for words in [
        r#""call":"/block?height=20""#,
        r#""error":"#,
        "was stopped before the answer",
    ] {
        assert!(cut.contains(words), "{told}");
    }
    let said = recorder.said();
    assert!(
        said.contains("DIVERGED at height 20") && said.contains("was stopped before the answer"),
        "{said}"
    );
}

/// Beside a host the log is read and what goes by age is archived, while a node does not
/// answer.
#[test]
fn a_watcher_goes_on_while_a_node_does_not_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, log) = (folder.path().join("node"), folder.path().join("log"));
    fs::write(&log, "").expect("a log");
    let mut host = std::process::Command::new(programs().join("host"))
        .arg(&dir)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the host starts");
    let mut calls = host.stdin.take().expect("a pipe");
    let rpc = Rpc::that_hangs();
    let said = fs::File::create(dir.with_extension("stderr")).expect("a file");
    let child = haltbox()
        .args(["record", "--attach", text(&dir.join("ring"))])
        .args(["--node-log", text(&log), "--rpc", &rpc.url])
        .stderr(said)
        .spawn()
        .expect("haltbox record starts");
    let mut watcher = Recorder::of(&dir, child);
    watcher.wait_for("attached to");
    (1..=5).for_each(|height| calls.write_all(&block(height)).expect("the host reads"));
    let (own, network) = ("01".repeat(32), "02".repeat(32));
    writeln!(calls, "!diverged 5 {own} {network}").expect("the host reads");
    rpc.wait_for("/block?height=5");
    fs::write(&log, "2:28PM INF a line that came meanwhile module=state\n").expect("a log");
    wait_until("the line of the log", || {
        let kept = fs::read(dir.join("attached/log.0")).unwrap_or_default();
        String::from_utf8_lossy(&kept).contains("came meanwhile")
    });
    assert_eq!(boxes(&dir), [] as [PathBuf; 0], "the node is still asked");
    ends_soon(watcher.child());
    let bx = only_box(&dir);
    let slog: Vec<u8> = (1..=5).flat_map(block).collect();
    assert!(zstd_dc(&bx) == slog, "the box holds what the host recorded");
    assert!(evidence(&bx).contains("was stopped before the answer"));
    drop(calls);
    host.wait().expect("it ends");
}

/// What the node's executable was built of, where Go built it.
#[test]
#[ignore = "needs Go; `-- --ignored` runs it"]
fn a_box_tells_the_versions_of_a_go_program() {
    needs("go");
    let found = std::process::Command::new("go")
        .args(["env", "GOROOT"])
        .output();
    let found = found.expect("go runs");
    let at = String::from_utf8(found.stdout).expect("text");
    let program = Path::new(at.trim()).join("bin/go");
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let log = dir.with_extension("log");
    fs::write(&log, failure(H)).expect("a log");
    let mut arguments = vec!["--size", "4MiB", "--node-log", text(&log), "--slog", "-"];
    arguments.extend(["--profile", "host", "--node-program", text(&program)]);
    let mut recorder = Recorder::start(&dir, &arguments, Stdio::piped());
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    pipe.write_all(recorded().as_bytes()).expect("it reads");
    drop(pipe);
    recorder.wait_for("do not roll back");
    recorder.wait();
    let info = output(0, &["info", "--json", text(&only_box(&dir))]);
    let info: serde_json::Value = serde_json::from_slice(&info).expect("JSON");
    let versions = &info["sources"][0]["host"]["versions"];
    let go = versions["go"].as_str().expect("a version");
    assert!(
        go.starts_with("go1.") && versions["modules"].is_string(),
        "{versions}"
    );
}

/// Whoever answers does not choose what a file holds that is handed to others.
#[test]
fn neither_a_redirect_nor_text_gets_into_a_box() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().join("node");
    let elsewhere = Rpc::start(|_| Some(told(r#"{"result":"a secret of another service"}"#)));
    let other = elsewhere.url.clone();
    let rpc = Rpc::start(move |call| match call {
        call if call.starts_with("/block?") => {
            let head = format!("302 Found\r\nLocation: {other}/elsewhere");
            Some((head, String::new()))
        }
        call if call.starts_with("/commit") => Some(told("root:x:0:0:a secret in a text")),
        _ => Some(told(REFUSAL)),
    });
    let mut recorder = diverged(&dir, &rpc.url);
    recorder.wait_for("do not roll back");
    ends_soon(recorder.child());
    let told = evidence(&only_box(&dir));
    assert!(rpc.was_asked("/block?height=20") && rpc.was_asked("/commit?height=20"));
    assert!(!elsewhere.was_asked("/"), "a redirect was followed");
    assert!(!told.contains("secret"), "{told}");
    let line = |call: &str| {
        let call = format!(r#""call":"{call}""#);
        told.lines()
            .find(|line| line.contains(&call))
            .expect("a line")
            .to_owned()
    };
    assert!(
        line("/block?height=20").contains(r#""error":"status 302"#),
        "{told}"
    );
    assert!(line("/commit?height=20").contains("not JSON"), "{told}");
}
