//! What a node's RPC still tells: `haltbox collect`, and the kit of a divergence box.
//!
//! `tests/data/collect` has what two nodes of a real chain of the Cosmos SDK answered about
//! height 20, in which one of them minted a token too many, and what the recorder that is
//! linked into the other recorded of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use haltbox_tests::*;
use serde_json::{Value, json};

/// The height that is in dispute.
const H: u64 = 20;
/// The transactions of it.
const TXS: usize = 6;

/// What one node answered, by what was asked.
struct Answers(Vec<Value>);

impl Answers {
    fn of(node: &str) -> Answers {
        let path = root()
            .join("tests/data/collect")
            .join(format!("{node}.jsonl"));
        let text = fs::read_to_string(path).expect("answers");
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        Answers(lines.collect())
    }

    /// The result of the call that begins so.
    fn result(&mut self, call: &str) -> &mut Value {
        let of = |line: &&mut Value| line["call"].as_str().is_some_and(|of| of.starts_with(call));
        let line = self.0.iter_mut().find(of).expect("such a call");
        &mut line["answer"]["result"]
    }

    fn without(mut self, call: &str) -> Answers {
        self.0
            .retain(|line| !line["call"].as_str().is_some_and(|of| of.starts_with(call)));
        self
    }

    fn text(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Collects into a folder; the code, what is said, and the box.
    fn collect(&self, out: &Path) -> (i32, String, Option<PathBuf>) {
        fs::create_dir_all(out).expect("a folder");
        let (answers, boxes) = (out.join("answers"), out.join("boxes"));
        fs::write(&answers, self.text()).expect("written");
        let height = H.to_string();
        let mut arguments = vec!["collect", "--answers", text(&answers), "--height", &height];
        arguments.extend(["--out", text(&boxes)]);
        let done = run(&arguments);
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        let found = haltbox_tests::boxes(out).pop();
        (done.status.code().expect("a code"), said, found)
    }

    fn bx(&self, out: &Path) -> PathBuf {
        let (code, said, found) = self.collect(out);
        assert_eq!(code, 0, "{said}");
        found.expect("a box")
    }
}

fn lines(bx: &Path) -> Vec<String> {
    let text = String::from_utf8(output(0, &["cat", text(bx)])).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn diff(a: &Path, b: &Path) -> Value {
    let done = run(&["diff", "--json", text(a), text(b)]);
    serde_json::from_slice(&done.stdout).expect("JSON")
}

/// What both have is compared byte for byte: a difference in form would accuse a node.
#[test]
fn entries_are_those_that_a_linked_host_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let collected = Answers::of("healthy").bx(folder.path());
    let recorded = fs::read_to_string(root().join("tests/data/collect/recorded.jsonl"));
    let recorded = recorded.expect("what was recorded");
    let of_rpc = |line: &&str| {
        let not = ["step-phase", "step-updates", "tx-begin"];
        !not.iter().any(|kind| line.contains(kind))
    };
    let recorded: Vec<&str> = recorded.lines().filter(of_rpc).collect();
    let mut collected = lines(&collected);
    collected.retain(|line| !line.contains("step-events"));
    // As TestWhatANodeIsSetUpWithIsNoInput of ffi/go/abci has it. The linked host was started
    // again, and was not told.
    let params = "1abee63669d5b1c62a14dd5f58c9f189a774f6465f8e4a0516650e591748246d";
    let params = format!(r#","local":{{"params":"{params}"}}"#);
    let input = collected
        .iter_mut()
        .find(|line| line.contains("step-input"));
    let input = input.expect("an input");
    assert!(input.contains(&params), "{input}");
    *input = input.replace(&params, "");
    assert_eq!(collected, recorded);
}

/// CometBFT before 0.38 hands a block over in parts, and its linked recorder writes it so:
/// told by the release of the node, and of one that went on with 0.38 by the results, which
/// have no AppHash then.
#[test]
fn a_block_of_an_older_release_has_the_form_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let older = |version: &str| {
        let mut answers = Answers::of("healthy");
        answers.result("/status")["node_info"]["version"] = json!(version);
        let results = answers.result("/block_results").as_object_mut();
        results.expect("an object").remove("app_hash");
        answers
    };
    let of_old = lines(&older("0.37.5").bx(&folder.path().join("old")));
    let of_upgraded = lines(&older("0.38.21").bx(&folder.path().join("upgraded")));
    assert_eq!(of_old, of_upgraded);
    let data_hash =
        Answers::of("healthy").result("/block?height=20")["block"]["header"]["data_hash"].clone();
    let data_hash = data_hash.as_str().expect("a hash").to_lowercase();
    let begins = format!(r#"{{"type":"step-input","dataHash":"{data_hash}","lastCommit":""#);
    assert!(of_old[1].starts_with(&begins), "{}", of_old[1]);
    let kinds = of_old[2..2 + 2 * TXS].chunks(2);
    for (number, pair) in kinds.enumerate() {
        for (line, kind) in pair.iter().zip(["tx-input", "tx-result"]) {
            let begins = format!(r#"{{"type":"{kind}","tx":{number},"#);
            assert!(line.starts_with(&begins), "{line}");
        }
    }
    let unknown = older("other").without("/block_results");
    let (code, said, found) = unknown.collect(&folder.path().join("unknown"));
    assert!(code == 2 && found.is_none(), "{said}");
    assert!(said.contains("CometBFT release"), "{said}");
}

#[test]
fn the_store_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let [healthy, divergent] = ["healthy", "divergent"];
    let a = Answers::of(healthy).bx(&folder.path().join("a"));
    let b = Answers::of(divergent).bx(&folder.path().join("b"));
    let recorded = root().join("tests/data/collect/recorded.jsonl");
    // Of the recorded lines alone nothing tells that they are a host's.
    let host = ["--profile", "host"];
    let beside = run(&[&["diff", "--json"], &host[..], &[text(&recorded), text(&b)]].concat());
    let beside: Value = serde_json::from_slice(&beside.stdout).expect("JSON");
    for found in [diff(&a, &b), beside] {
        assert_eq!(found["verdict"], "state differs", "{found:#}");
        let summary = found["summary"].as_str().expect("a sentence");
        assert!(
            summary.contains("he root of store bank differs"),
            "{summary}"
        );
    }
    let same = Answers::of(healthy).bx(&folder.path().join("c"));
    assert_eq!(diff(&a, &same)["exit"], 0);
    let info = String::from_utf8(output(0, &["info", text(&a)])).expect("text");
    for part in [
        "20-incomplete",
        "collected by RPC from http://127.0.0.1:36657, and not recorded",
    ] {
        assert!(info.contains(part), "{info}");
    }
    output(0, &["verify", text(&a)]);
}

#[test]
fn the_transaction_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = Answers::of("healthy").bx(&folder.path().join("a"));
    let mut other = Answers::of("healthy");
    other.result("/block_results")["txs_results"][3]["gas_used"] = json!("52752");
    let b = other.bx(&folder.path().join("b"));
    let found = diff(&a, &b);
    assert_eq!(found["exit"], 1, "{found:#}");
    assert_eq!(found["place"]["tx"], 3, "{found:#}");
    assert_eq!(found["place"]["type"], "tx-result");
}

/// Two nodes that index otherwise, or whose events differ in what no header holds, agree.
#[test]
fn events_alone_accuse_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let a = Answers::of("healthy").bx(&folder.path().join("a"));
    let mut indexed = Answers::of("healthy");
    let event =
        |of: &mut Answers| of.result("/block_results")["txs_results"][2]["events"][0].take();
    let mut event_of = event(&mut Answers::of("healthy"));
    event_of["attributes"][0]["index"] = json!(false);
    indexed.result("/block_results")["txs_results"][2]["events"][0] = event_of.clone();
    let b = indexed.bx(&folder.path().join("b"));
    assert_eq!(lines(&a), lines(&b));
    event_of["attributes"][0]["value"] = json!("another");
    let mut changed = Answers::of("healthy");
    changed.result("/block_results")["txs_results"][2]["events"][0] = event_of.clone();
    let c = changed.bx(&folder.path().join("c"));
    assert_ne!(lines(&a), lines(&c));
    assert_eq!(diff(&a, &c)["exit"], 0);
    // Where the AppHash differs, they are told, and decide nothing.
    let mut divergent = Answers::of("divergent");
    divergent.result("/block_results")["txs_results"][2]["events"][0] = event_of;
    let d = divergent.bx(&folder.path().join("d"));
    let found = diff(&a, &d);
    let alone = diff(&a, &Answers::of("divergent").bx(&folder.path().join("e")));
    assert_eq!(
        (&found["verdict"], &found["place"], &found["summary"]),
        (&alone["verdict"], &alone["place"], &alone["summary"]),
        "{found:#}"
    );
    let notes = found["notes"].to_string();
    assert!(
        notes.contains("height 20: the events differ too") && notes.contains("\\\"tx\\\":2"),
        "{notes}"
    );
}

/// A root is a root by its proof, not by the node's word.
#[test]
fn what_is_not_proved_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let bank = "/abci_query?path=%22/store/bank/";
    let roots = |bx: &Path| {
        let lines = lines(bx);
        let roots = lines.iter().filter(|line| line.contains("step-store-root"));
        roots.count()
    };
    let whole = roots(&Answers::of("healthy").bx(&folder.path().join("whole")));
    let data = |of: &mut Answers| {
        let op = &mut of.result(bank)["response"]["proofOps"]["ops"][1];
        STANDARD
            .decode(op["data"].as_str().expect("data"))
            .expect("base64")
    };
    let proof = data(&mut Answers::of("healthy"));
    for at in (0..proof.len()).step_by(3) {
        let mut altered = proof.clone();
        altered[at] ^= 1;
        let mut answers = Answers::of("healthy");
        let op = &mut answers.result(bank)["response"]["proofOps"]["ops"][1];
        op["data"] = json!(STANDARD.encode(altered));
        let bx = answers.bx(&folder.path().join(format!("altered-{at}")));
        assert_eq!(roots(&bx), whole - 1, "byte {at}");
    }
    let mut renamed = Answers::of("healthy");
    renamed.result(bank)["response"]["proofOps"]["ops"][1]["key"] = json!("YWNj");
    assert_eq!(
        roots(&renamed.bx(&folder.path().join("renamed"))),
        whole - 1
    );
    // The AppHash that they lead to is another one.
    let mut other = Answers::of("healthy");
    other.result("/block_results")["app_hash"] = json!(STANDARD.encode([7; 32]));
    assert_eq!(roots(&other.bx(&folder.path().join("other"))), 0);
}

/// The block with what CometBFT 0.38 made of a double vote and of an attack on light clients.
fn with_evidence() -> Answers {
    let mut answers = Answers::of("healthy");
    answers.result("/block?height=20")["block"]["evidence"]["evidence"] =
        evidence_of_comet()["evidence"].clone();
    answers
}

fn evidence_of_comet() -> Value {
    let text = fs::read(root().join("tests/data/collect/evidence.json"));
    serde_json::from_slice(&text.expect("evidence")).expect("JSON")
}

/// The digest is the one of what CometBFT hands to the application: `EvidenceList.ToABCI`.
#[test]
fn evidence_against_validators_is_what_the_application_was_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = lines(&with_evidence().bx(&folder.path().join("with")));
    let digest = evidence_of_comet()["digest"].clone();
    let digest = digest.as_str().expect("a digest");
    let member = format!(r#""misbehavior":"{digest}""#);
    assert!(told[1].contains(&member), "{}", told[1]);
    let mut none = with_evidence();
    let list = &mut none.result("/block?height=20")["block"]["evidence"]["evidence"];
    list.as_array_mut().expect("a list").remove(0);
    list[0]["value"]["ByzantineValidators"] = json!([]);
    let told = lines(&none.bx(&folder.path().join("none")));
    assert!(told[1].contains(r#""misbehavior":null"#), "{}", told[1]);
}

/// What cannot be had whole is not made up.
#[test]
fn what_the_node_does_not_tell_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let healthy = || Answers::of("healthy");
    let (code, said, bx) = healthy()
        .without("/block_results")
        .collect(&folder.path().join("a"));
    assert!(
        code == 1
            && said.contains("missing    /block_results")
            && said.contains("written as for 0.38 or later"),
        "{said}"
    );
    let left = lines(&bx.expect("a box"));
    assert!(
        !left.iter().any(|line| line.contains("tx-result")),
        "{left:?}"
    );
    let mut evidence = healthy();
    evidence.result("/block?height=20")["block"]["evidence"]["evidence"] = json!([{}]);
    let mut no_address = with_evidence();
    let list = &mut no_address.result("/block?height=20")["block"]["evidence"]["evidence"];
    list[1]["value"]["ByzantineValidators"][0]["pub_key"]["type"] =
        json!("tendermint/PubKeySecp256k1");
    let mut voters = healthy();
    voters.result("/validators?height=19")["validators"][0]["address"] = json!("00".repeat(20));
    let mut unknown = healthy();
    let params = unknown.result("/consensus_params");
    params["consensus_params"]["synchrony"] = json!({"precision": "1"});
    let bx = unknown.bx(&folder.path().join("unknown"));
    assert!(
        !lines(&bx).iter().any(|line| line.contains("\"params\"")),
        "a digest of a part"
    );
    let mut another = healthy();
    another.result("/block?height=20")["block"]["header"]["height"] = json!("19");
    let none = [
        (
            healthy().without("/block?height=20"),
            "did not return the block",
        ),
        (
            healthy().without("/validators?height=19"),
            "votes for the previous block",
        ),
        (evidence, "evidence of an unknown kind against validators"),
        (no_address, "without an ed25519 key"),
        (voters, "votes for the previous block"),
        (another, "did not return the block"),
    ];
    for (number, (answers, why)) in none.into_iter().enumerate() {
        let out = folder.path().join(format!("none-{number}"));
        let (code, said, bx) = answers.collect(&out);
        assert!(code == 2 && said.contains(why), "{why:?} is not in {said}");
        assert_eq!(bx, None, "{said}");
    }
    // A result is missing: which transaction had it is not known.
    let mut fewer = healthy();
    let results = fewer.result("/block_results")["txs_results"].as_array_mut();
    results.expect("a list").pop();
    let (_, _, bx) = fewer.collect(&folder.path().join("fewer"));
    let left = lines(&bx.expect("a box"));
    assert_eq!(
        left.iter().filter(|line| line.contains("tx-input")).count(),
        TXS
    );
    assert!(
        !left.iter().any(|line| line.contains("tx-result")),
        "{left:?}"
    );
}

#[test]
fn wrong_arguments_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let answers = folder.path().join("answers");
    fs::write(&answers, "{\"type\":\"begin-block\"}\n").expect("written");
    let out = text(folder.path());
    let table: [(&[&str], &str); 4] = [
        (&["--height", "7"], "--rpc"),
        (
            &["--answers", text(&answers), "--height", "7"],
            "is not output of",
        ),
        (&["--rpc", "localhost", "--height", "7"], "no scheme"),
        (
            &[
                "--rpc",
                "http://127.0.0.1:1",
                "--height",
                "7",
                "--store",
                "a/b",
            ],
            "expected a store's name",
        ),
    ];
    for (arguments, why) in table {
        let done = run(&[&["collect", "--out", out], arguments].concat());
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            done.status.code() == Some(2) && said.contains(why),
            "{said}"
        );
    }
    assert!(boxes(folder.path()).is_empty());
}

/// A node that answers what another one did, until the test is over.
fn serve(answers: &Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!(
        "http://name:secret@{}",
        listener.local_addr().expect("a port")
    );
    let told = answers.0.iter().map(|line| {
        let call = line["call"].as_str().expect("a call").to_owned();
        (call, line["answer"].to_string())
    });
    let told: BTreeMap<String, String> = told.collect();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut first = String::new();
            let _ = reader.read_line(&mut first);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let call = first.split(' ').nth(1).unwrap_or_default();
            let refusal = r#"{"error":{"code":-32603,"message":"no","data":"no"}}"#.to_owned();
            let body = told.get(call).unwrap_or(&refusal);
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = (&stream).write_all((head + body).as_bytes());
        }
    });
    url
}

fn record(dir: &Path, rpc: Option<&str>) -> PathBuf {
    let log = dir.with_extension("log");
    fs::write(&log, failure(H)).expect("a log");
    let mut arguments = vec!["--size", "4MiB", "--node-log", text(&log), "--slog", "-"];
    arguments.extend(["--profile", "host"]);
    arguments.extend(rpc.iter().flat_map(|url| ["--rpc", url]));
    let mut recorder = Recorder::start(dir, &arguments, std::process::Stdio::piped());
    let recorded = fs::read(root().join("tests/data/collect/recorded.jsonl"));
    let mut pipe = recorder.child().stdin.take().expect("a pipe");
    pipe.write_all(&recorded.expect("what was recorded"))
        .expect("it reads");
    drop(pipe);
    recorder.wait_for("do not roll back");
    recorder.stop();
    let mut found = boxes(dir);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_divergence_box_has_what_the_node_still_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = serve(&Answers::of("divergent"));
    let bare = record(&folder.path().join("bare"), None);
    let kept = record(&folder.path().join("kept"), Some(&url));
    assert_eq!(
        bare.file_name(),
        kept.file_name(),
        "the kit is no part of the name"
    );
    assert_eq!(lines(&bare), lines(&kept));
    assert_eq!(zstd_dc(&bare), zstd_dc(&kept));
    output(0, &["verify", text(&kept)]);
    let evidence = output(0, &["cat", "--stream", "evidence", text(&kept)]);
    let evidence = String::from_utf8(evidence).expect("text");
    assert!(!evidence.contains("secret"), "{evidence}");
    for call in [
        "/status",
        "/block_results?height=20",
        "/dump_consensus_state",
        "/abci_query",
    ] {
        assert!(evidence.contains(&format!("\"call\":\"{call}")), "{call}");
    }
    let done = run(&["cat", "--stream", "evidence", text(&bare)]);
    assert_eq!(done.status.code(), Some(2));
    // It tells the block as the node itself would now.
    let answers = folder.path().join("answers");
    fs::write(&answers, &evidence).expect("written");
    let out = folder.path().join("out");
    let (from, height) = (text(&answers), H.to_string());
    output(
        0,
        &[
            "collect",
            "--answers",
            from,
            "--height",
            &height,
            "--out",
            text(&out),
        ],
    );
    let direct = Answers::of("divergent").bx(&folder.path().join("direct"));
    assert_eq!(lines(&out.join("20-incomplete")), lines(&direct));
    // Two operators read this to each other.
    let given = "inputs     time=1795993018.594507464 txs=915653e9 votes=957669bc evidence=none validators=e116bced";
    let said = fs::read_to_string(folder.path().join("bare.stderr")).expect("what it said");
    assert!(said.contains(given), "{said}");
    for bx in [&kept, &direct] {
        let info = String::from_utf8(output(0, &["info", text(bx)])).expect("text");
        assert!(info.contains(given), "{info}");
    }
    // Copies hold no more than what they are asked for.
    let part = folder.path().join("part");
    output(
        0,
        &["extract", text(&kept), "-o", text(&part), "--height", "20"],
    );
    let done = run(&["cat", "--stream", "evidence", text(&part)]);
    assert_eq!(done.status.code(), Some(2));
}

/// A node that takes the question and says nothing costs the kit, not the box.
#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn a_node_that_hangs_costs_no_box() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("a port"));
    // Building them takes its time.
    programs();
    let begun = std::time::Instant::now();
    let kept = record(&folder.path().join("node"), Some(&url));
    assert!(
        begun.elapsed() < Duration::from_secs(50),
        "{:?}",
        begun.elapsed()
    );
    let evidence = output(0, &["cat", "--stream", "evidence", text(&kept)]);
    assert!(String::from_utf8_lossy(&evidence).contains("\"error\":"));
    drop(listener);
}
