use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use haltbox_tests::anvil::{Anvil, Executed, Mining, Options};
use haltbox_tests::stub_endpoint::{Reply, StubEndpoint};
use haltbox_tests::wait_until;
use haltbox_tests::watcher::{Watcher, Watching, soon};
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;
use serde_json::{Value, json};
use tempfile::TempDir;

/// From a block to what the watcher says of it.
const SOON: Duration = Duration::from_secs(2);
/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for two rounds of questions, a second apart.
const ROUNDS: Duration = Duration::from_secs(4);

const CONFLICT: i64 = -320_600;
const FAILSAFE: i64 = -320_602;
const FILTER: &str = "interop_checkAccessList";

/// A chain that sends and one that executes, with a block each second, of which none gets
/// safe by itself while a test runs.
struct Chains {
    from: Arc<Anvil>,
    to: Arc<Anvil>,
    folder: TempDir,
}

fn chains() -> Chains {
    let options = Options {
        mining: Mining::Every(1),
        epoch: 500,
        ..Options::default()
    };
    let from = Anvil::start(901, options);
    from.install_emitter();
    let to = Anvil::start(902, options);
    to.install_inbox();
    from.mine(1);
    to.mine(1);
    Chains {
        from: Arc::new(from),
        to: Arc::new(to),
        folder: tempfile::tempdir().expect("a folder"),
    }
}

impl Chains {
    fn watch(&self, arguments: &[&str]) -> Watcher {
        let chains = [(901, self.from.url()), (902, self.to.url())];
        let arguments = [arguments, &["--ask-again-seconds", "1"]].concat();
        let watching = Watching {
            dir: self.folder.path(),
            chains: &chains,
            expiry: 6000,
            arguments: &arguments,
        };
        watching.start()
    }

    /// Executes a message of an earlier second: others refuse one of the same.
    fn execute(&self, change: impl Fn(&mut Message)) -> Executed {
        let mut message = self.from.emit(b"hello").message();
        let sent = message.place.timestamp;
        change(&mut message);
        self.from.mine(1);
        self.to.set_next_timestamp(self.newest().max(sent + 2));
        self.to.execute(&message, &Declared::of(&message).entries())
    }

    fn valid(&self) -> Executed {
        self.execute(|_| {})
    }

    fn invalid(&self) -> Executed {
        self.execute(|message| message.place.log = 7)
    }

    /// The newest block's timestamp of the executing chain, and a second.
    fn newest(&self) -> u64 {
        let time = self.to.block("latest")["timestamp"].clone();
        let time = time.as_str().expect("a quantity").trim_start_matches("0x");
        u64::from_str_radix(time, 16).expect("a number") + 2
    }

    /// Entries of a type on the tape of the chain that executes.
    fn entries(&self, kind: &str) -> Vec<Value> {
        entries(self.folder.path(), kind)
    }
}

fn entries(folder: &Path, kind: &str) -> Vec<Value> {
    let ring = folder.join("902/ring");
    let told = haltbox_tests::output(0, &["cat", haltbox_tests::text(&ring)]);
    let told = String::from_utf8(told).expect("lines");
    let entries = told
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut entries: Vec<Value> = entries.collect();
    entries.retain(|entry| entry["type"] == kind);
    entries
}

fn holds(_: &str, _: &Value) -> Reply {
    Ok(Value::Null)
}

/// Refuses every message, and answers where there is none.
fn refuses(code: i64, why: &'static str) -> impl FnMut(&str, &Value) -> Reply + Send {
    move |_, params| match params[0].as_array().is_none_or(Vec::is_empty) {
        true => Ok(Value::Null),
        false => Err((code, why)),
    }
}

fn is_asked(filter: &StubEndpoint) -> bool {
    let asked = filter.asked(FILTER);
    asked.iter().any(|params| !params[0][0].is_null())
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_slow_filter_holds_nothing_up() {
    let chains = chains();
    let filter = StubEndpoint::start(refuses(CONFLICT, "no such log"));
    filter.slow(Duration::from_secs(3));
    let watcher = chains.watch(&["--filter", filter.url()]);
    let executed = chains.invalid();
    let since = Instant::now();
    let text = format!("tx {}: ", executed.transaction);
    watcher.wait_for(&text, PATIENCE);
    let took = watcher.when(&text).expect("it was said");
    let took = took.saturating_duration_since(since);
    println!("beside a filter of 3 s: {took:?}");
    assert!(took <= soon(), "{took:?}");
    wait_until("the filter's verdict", || {
        watcher.sum("opinions_total", "answer=\"agrees\"") > 0
    });
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    assert_eq!(watcher.sum("endpoint_up", "filter"), 1);
    let asked = filter.asked(FILTER);
    let own = asked.iter().find(|params| !params[0][0].is_null());
    let own = own.expect("a question");
    assert_eq!(own[1], "cross-unsafe");
    assert_eq!(own[2]["chainID"], "902");
    assert!(
        own[2]["timestamp"]
            .as_str()
            .expect("text")
            .starts_with("0x")
    );
    watcher.end();
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_filter_that_changes_its_mind_is_one_divergence() {
    let chains = chains();
    let filter = StubEndpoint::start(holds);
    let supervisor = StubEndpoint::start(holds);
    let watcher = chains.watch(&["--filter", filter.url(), "--supervisor", supervisor.url()]);
    let executed = chains.valid();
    wait_until("both agree", || {
        let agrees = |of| watcher.sum("opinions_total", of) > 0;
        agrees("endpoint=\"filter") && agrees("endpoint=\"supervisor")
    });
    std::thread::sleep(ROUNDS);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    filter.answer_with(refuses(CONFLICT, "checksum mismatch"));
    let line = watcher.wait_for("SECOND OPINIONS DIFFER", PATIENCE);
    assert!(line.contains(&executed.transaction.to_string()), "{line}");
    assert!(line.contains("error -320600: checksum mismatch"), "{line}");
    std::thread::sleep(ROUNDS);
    let counted = "own=\"valid\",other=\"invalid\"";
    assert_eq!(watcher.sum("opinion_divergence_total", counted), 1);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 1);
    assert_eq!(watcher.alerts("SECOND OPINIONS DIFFER").len(), 1);
    assert!(watcher.page("health").contains("disagrees about a message"));
    filter.answer_with(holds);
    watcher.wait_for("opinions agree again", PATIENCE);
    wait_until("none is left", || {
        watcher.sum("opinion_divergences", "") == 0
    });
    assert!(!supervisor.asked("supervisor_checkAccessList").is_empty());
    watcher.end();
    let told = chains.entries("opinion");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        (&told[0]["own"], &told[0]["other"]),
        (&json!("valid"), &json!("invalid"))
    );
    assert_eq!(told[0]["code"], CONFLICT);
    assert_eq!(told[0]["error"], "checksum mismatch");
    assert_eq!(told[0]["tx"], executed.transaction.to_string());
    assert!(told[0]["took_us"].as_u64().is_some_and(|took| took > 0));
    assert_eq!(told[1]["other"], "valid");
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_filter_that_is_behind_is_no_divergence() {
    let chains = chains();
    let mut asked = 0;
    let filter = StubEndpoint::start(move |_, params| {
        asked += usize::from(!params[0][0].is_null());
        match asked {
            1 => Err((CONFLICT, "not read yet")),
            _ => Ok(Value::Null),
        }
    });
    let watcher = chains.watch(&["--filter", filter.url()]);
    chains.valid();
    let answers = |of: &str| watcher.sum("opinions_total", &format!("answer=\"{of}\""));
    wait_until("it comes to agree", || answers("agrees") >= 2);
    std::thread::sleep(SOON);
    assert_eq!(answers("disagrees"), 1);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    watcher.end();
    assert!(chains.entries("opinion").is_empty());
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_failsafe_is_told_on_and_off_and_is_no_divergence() {
    let chains = chains();
    let filter = StubEndpoint::start(holds);
    let watcher = chains.watch(&["--filter", filter.url()]);
    chains.valid();
    wait_until("it is asked", || is_asked(&filter));
    let on = || watcher.sum("opinion_failsafe", "") == 1;
    let failsafe = |_: &str, _: &Value| Err((FAILSAFE, "failsafe: invalid message"));
    filter.answer_with(failsafe);
    watcher.wait_for("THE FAILSAFE of filter", PATIENCE);
    wait_until("it is on", on);
    filter.answer_with(holds);
    let line = watcher.wait_for("the endpoint answered all the time", PATIENCE);
    assert!(
        line.contains("its operator turned the failsafe off"),
        "{line}"
    );
    wait_until("it is off", || !on());

    filter.answer_with(failsafe);
    wait_until("it is on again", on);
    filter.down(true);
    watcher.wait_for("gives no second opinion: status 503", PATIENCE);
    assert!(on(), "what is away says nothing of its failsafe");
    filter.answer_with(holds);
    filter.down(false);
    watcher.wait_for("most likely a restart cleared the failsafe", PATIENCE);
    assert_eq!(watcher.alerts("THE FAILSAFE of").len(), 2);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    watcher.end();
    let told = chains.entries("endpoint");
    let is: Vec<&str> = told.iter().filter_map(|one| one["is"].as_str()).collect();
    assert_eq!(
        is,
        [
            "answers", "failsafe", "answers", "failsafe", "down", "answers"
        ]
    );
    assert_eq!(told[1]["code"], FAILSAFE);
    assert_eq!(told[1]["text"], "error -320602: failsafe: invalid message");
    assert!(told[1]["took_us"].as_u64().is_some());
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn what_an_earlier_session_told_of_others_is_not_told_again_and_its_end_is() {
    let chains = chains();
    let (filter, other) = (StubEndpoint::start(holds), StubEndpoint::start(holds));
    let arguments = ["--filter", filter.url(), "--filter", other.url()];
    let watcher = chains.watch(&arguments);
    chains.valid();
    wait_until("both are asked", || is_asked(&filter) && is_asked(&other));
    filter.answer_with(|_, _| Err((FAILSAFE, "failsafe: invalid message")));
    other.answer_with(refuses(CONFLICT, "checksum mismatch"));
    watcher.wait_for("THE FAILSAFE of filter", PATIENCE);
    watcher.wait_for("SECOND OPINIONS DIFFER", PATIENCE);
    watcher.kill();

    let watcher = chains.watch(&arguments);
    let both = |metric: &str| watcher.sum(metric, "") == 1;
    wait_until("both are known", || {
        both("opinion_failsafe") && both("opinion_divergences")
    });
    std::thread::sleep(ROUNDS);
    for told in ["THE FAILSAFE of", "SECOND OPINIONS DIFFER"] {
        assert!(watcher.alerts(told).is_empty(), "{:#?}", watcher.said());
    }
    other.answer_with(holds);
    watcher.wait_for("opinions agree again", PATIENCE);
    watcher.kill();

    // The filter is restarted while nobody looks.
    filter.answer_with(holds);
    let watcher = chains.watch(&arguments);
    watcher.wait_for("most likely a restart cleared the failsafe", PATIENCE);
    wait_until("none is on", || watcher.sum("opinion_failsafe", "") == 0);
    assert_eq!(watcher.sum("opinion_divergences", ""), 0);
    watcher.end();
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn what_is_no_verdict_is_no_divergence() {
    let chains = chains();
    let codes = [
        -320_602, -320_400, -321_401, -321_100, -320_501, -32_602, -32_000,
    ];
    let filters = codes.map(|code| StubEndpoint::start(refuses(code, "cannot tell")));
    let hangs = StubEndpoint::start(holds);
    hangs.down(true);
    let mut arguments = vec!["--filter", hangs.url()];
    for filter in &filters {
        arguments.extend(["--filter", filter.url()]);
    }
    let watcher = chains.watch(&arguments);
    chains.valid();
    chains.invalid();
    for (filter, code) in filters.iter().zip(codes) {
        let label = format!(
            "endpoint=\"filter {}\",answer=\"no-verdict\",code=\"{code}\"",
            filter.url()
        );
        wait_until("each answers twice", || {
            watcher.sum("opinions_total", &label) >= 2
        });
    }
    std::thread::sleep(ROUNDS);
    assert_eq!(watcher.sum("opinions_total", "disagrees"), 0);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    assert!(watcher.alerts("SECOND OPINIONS DIFFER").is_empty());
    watcher.end();
    assert!(chains.entries("opinion").is_empty());
}

/// A block as a status names it.
fn head(chain: &Anvil, number: u64) -> Value {
    let block = chain.block_at(number);
    json!({"number": number, "hash": block["hash"], "timestamp": 0})
}

fn zero() -> Value {
    json!({"number": 0, "hash": B256::ZERO, "timestamp": 0})
}

fn status(newest: &Value, local_safe: &Value, safe: &Value) -> Value {
    json!({
        "unsafe_l2": newest, "local_safe_l2": local_safe, "safe_l2": safe,
        "finalized_l2": zero(), "current_l1": zero(),
    })
}

fn tells(status: Value) -> impl FnMut(&str, &Value) -> Reply + Send {
    move |_, _| Ok(status.clone())
}

/// The line of the box of a block, once it is written.
fn boxed(watcher: &Watcher, executed: &Executed) -> String {
    let line = watcher.wait_for("black box", PATIENCE);
    let (_, path) = line.split_once("black box ").expect("its path");
    let name = Path::new(path).file_name().expect("its name");
    let name = name.to_string_lossy();
    assert!(name.starts_with(&format!("{}-", executed.block)), "{name}");
    let text = zstd::decode_all(&std::fs::read(path).expect("the box")[..]).expect("Zstandard");
    String::from_utf8(text).expect("lines")
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_supernode_that_promotes_an_invalid_block_is_critical() {
    let chains = chains();
    let idle = status(&zero(), &zero(), &zero());
    let supernode = StubEndpoint::start(tells(json!({"chains": {"902": idle}})));
    let watcher = chains.watch(&["--supernode", supernode.url()]);
    let executed = chains.invalid();
    watcher.wait_for(&format!("tx {}: ", executed.transaction), PATIENCE);
    let stands = head(&chains.to, executed.block);
    let promoted = status(&stands, &stands, &stands);
    supernode.answer_with(tells(json!({"chains": {"902": promoted}})));
    let line = watcher.wait_for("CRITICAL, an invalid message is CROSS-SAFE", PATIENCE);
    assert!(line.contains(&executed.transaction.to_string()), "{line}");
    let text = boxed(&watcher, &executed);
    assert!(
        text.contains(&executed.block_hash.to_string()),
        "the canonical hash"
    );
    watcher.end();
    let told = chains.entries("incident");
    let last = told.last().expect("an incident");
    assert_eq!(last["incident"]["level"], "cross-safe", "{last}");
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_local_safe_head_freezes_what_is_below_it() {
    let chains = chains();
    let idle = status(&zero(), &zero(), &zero());
    let node = StubEndpoint::start(tells(idle));
    let named = format!("902={}", node.url());
    let watcher = chains.watch(&["--op-node", &named]);
    let executed = chains.invalid();
    watcher.wait_for(&format!("tx {}: ", executed.transaction), PATIENCE);
    let below = head(&chains.to, executed.block - 1);
    wait_until("a block above it", || {
        chains.to.height("latest") > executed.block
    });
    let above = head(&chains.to, executed.block + 1);
    node.answer_with(tells(status(&above, &below, &below)));
    wait_until("the node's head is known", || {
        watcher.sum("level_block", "level=\"local-safe\"") == executed.block - 1
    });
    assert!(watcher.alerts("is local-safe").is_empty());
    node.answer_with(tells(status(&above, &above, &below)));
    watcher.wait_for("an invalid message is local-safe", PATIENCE);
    boxed(&watcher, &executed);
    assert!(watcher.alerts("CROSS-SAFE").is_empty());
    watcher.end();
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn an_orphan_that_is_called_safe_is_no_violation() {
    let chains = chains();
    let idle = status(&zero(), &zero(), &zero());
    let supernode = StubEndpoint::start(tells(json!({"chains": {"902": idle}})));
    let watcher = chains.watch(&["--supernode", supernode.url()]);
    let executed = chains.invalid();
    watcher.wait_for(&format!("tx {}: ", executed.transaction), PATIENCE);
    let orphan = head(&chains.to, executed.block);
    let depth = chains.to.height("latest") - executed.block + 1;
    chains.to.reorg(depth);
    watcher.wait_for("blocks removed: 1, messages in them: 1", PATIENCE);
    let told = status(&orphan, &orphan, &orphan);
    supernode.answer_with(tells(json!({"chains": {"902": told}})));
    let line = watcher.wait_for("the watched chain has", PATIENCE);
    assert!(line.contains("not usable for now"), "{line}");
    assert!(line.contains(&executed.block_hash.to_string()), "{line}");
    std::thread::sleep(ROUNDS);
    assert!(watcher.alerts("CRITICAL").is_empty());
    assert!(watcher.alerts("local-safe").is_empty());
    assert_eq!(watcher.sum("reset_window", "chain_id=\"902\""), 1);
    watcher.end();
    assert!(haltbox_tests::boxes(&chains.folder.path().join("902")).is_empty());
    let windows = chains.entries("reset");
    let with = |hash: &str| {
        windows
            .iter()
            .any(|one| one["why"].as_str().is_some_and(|why| why.contains(hash)))
    };
    let own = chains.to.block_at(executed.block);
    assert!(with(&executed.block_hash.to_string()), "{windows:?}");
    assert!(with(own["hash"].as_str().expect("a hash")), "{windows:?}");
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn nothing_is_concluded_of_an_innocent_chain_while_a_supernode_rewinds() {
    let chains = chains();
    let (from, to) = (Arc::clone(&chains.from), Arc::clone(&chains.to));
    // A filter that is of no help while the supernode rewinds.
    let filter = StubEndpoint::start(holds);
    let sound = move |_: &str, _: &Value| {
        let of = |chain: &Anvil| {
            let safe = head(chain, 1);
            status(&safe, &safe, &safe)
        };
        Ok(json!({"chains": {"901": of(&from), "902": of(&to)}}))
    };
    let supernode = StubEndpoint::start(sound.clone());
    let watcher = chains.watch(&["--supernode", supernode.url(), "--filter", filter.url()]);
    chains.valid();
    wait_until("the filter agrees", || {
        watcher.sum("opinions_total", "agrees") > 0
    });
    supernode.answer_with(|_, _| Err((-32_000, "rewinding")));
    watcher.wait_for(
        "it returned no valid status: error -32000: rewinding",
        PATIENCE,
    );
    filter.answer_with(refuses(CONFLICT, "no such block"));
    let zeros = status(&zero(), &zero(), &zero());
    supernode.answer_with(tells(json!({"chains": {"901": zeros, "902": zeros}})));
    std::thread::sleep(ROUNDS);
    for chain in ["901", "902"] {
        let label = format!("chain_id=\"{chain}\"");
        assert_eq!(watcher.sum("reset_window", &label), 1, "{chain}");
    }
    filter.answer_with(holds);
    wait_until("the filter agrees again", || {
        let agreed = watcher.sum("opinions_total", "answer=\"agrees\"");
        std::thread::sleep(Duration::from_millis(1200));
        watcher.sum("opinions_total", "answer=\"agrees\"") > agreed
    });
    supernode.answer_with(sound);
    watcher.wait_for("are usable again, after", PATIENCE);
    std::thread::sleep(SOON);
    assert_eq!(watcher.sum("reset_window", ""), 0);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    let alerts = watcher.alerts("");
    assert!(alerts.is_empty(), "{alerts:#?}");
    watcher.end();
    let windows = chains.entries("reset");
    let open: Vec<&Value> = windows.iter().map(|one| &one["open"]).collect();
    // Errors and zeros, and the end of both.
    assert_eq!(open, [true, true, false], "{windows:?}");
    let took = windows[2]["took_ms"].as_u64().expect("its length");
    assert!(took >= ROUNDS.as_millis() as u64, "{took}");
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_watcher_starts_and_lives_with_every_endpoint_down() {
    let chains = chains();
    let nobody = "http://127.0.0.1:1";
    let watcher = chains.watch(&[
        "--filter",
        nobody,
        "--supervisor",
        nobody,
        "--supernode",
        nobody,
        "--op-node",
        "902=http://127.0.0.1:1",
    ]);
    let executed = chains.invalid();
    let since = Instant::now();
    let text = format!("tx {}: ", executed.transaction);
    watcher.wait_for(&text, PATIENCE);
    let took = watcher.when(&text).expect("it was said");
    assert!(took.saturating_duration_since(since) <= soon());
    for name in ["filter", "supervisor"] {
        watcher.wait_for(
            &format!("{name} {nobody} gives no second opinion"),
            PATIENCE,
        );
    }
    for name in ["supernode", "op-node"] {
        watcher.wait_for(&format!("{name} {nobody} does not answer"), PATIENCE);
    }
    std::thread::sleep(ROUNDS);
    assert_eq!(watcher.sum("endpoint_up", ""), 0);
    assert_eq!(watcher.sum("opinion_divergence_total", ""), 0);
    assert_eq!(watcher.sum("reset_window", ""), 0);
    watcher.end();
}

/// A supernode that has finalized up to a timestamp, and tells these roots.
fn finalized(
    at: u64,
    root: impl Fn(u64) -> B256 + Send + 'static,
) -> impl FnMut(&str, &Value) -> Reply + Send {
    move |method, params| {
        if method == "supernode_syncStatus" {
            return Ok(json!({"chains": {}, "finalized_timestamp": at}));
        }
        assert_eq!(method, "superroot_atTimestamp");
        let asked = params[0].as_str().expect("a quantity");
        let asked = u64::from_str_radix(asked.trim_start_matches("0x"), 16).expect("a number");
        let data = json!({"super_root": root(asked), "super": {"timestamp": asked}});
        let data = if asked <= at { data } else { Value::Null };
        Ok(json!({"chain_ids": ["901", "902"], "data": data}))
    }
}

fn root(at: u64) -> B256 {
    B256::repeat_byte(at as u8)
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn supernodes_are_compared_where_all_have_finalized() {
    let chains = chains();
    let one = StubEndpoint::start(finalized(90, root));
    // It lags, and has another root where the first one alone has finalized.
    let lags = StubEndpoint::start(finalized(50, |at| root(at.min(50))));
    let set = StubEndpoint::start(|method: &str, _: &Value| match method {
        "supernode_syncStatus" => Ok(json!({"chains": {}, "finalized_timestamp": 60})),
        _ => Ok(json!({"chain_ids": ["901"], "data": {"super_root": B256::ZERO}})),
    });
    let arguments = [one.url(), lags.url(), set.url()].map(|url| ["--supernode", url]);
    let watcher = chains.watch(arguments.as_flattened());
    wait_until("all were asked", || {
        [&one, &lags, &set]
            .iter()
            .all(|node| !node.asked("superroot_atTimestamp").is_empty())
    });
    wait_until("they are compared at 50", || {
        one.asked("superroot_atTimestamp")
            .contains(&json!(["0x32"]))
    });
    std::thread::sleep(ROUNDS);
    assert_eq!(watcher.sum("super_root_divergence_total", ""), 0);
    let alerts = watcher.alerts("");
    assert!(alerts.is_empty(), "{alerts:#?}");

    lags.answer_with(finalized(55, |_| root(1)));
    let line = watcher.wait_for("SUPERNODES DIFFER at timestamp 55", PATIENCE);
    assert!(line.contains(&root(1).to_string()), "{line}");
    lags.answer_with(finalized(56, |_| root(1)));
    std::thread::sleep(ROUNDS);
    assert_eq!(watcher.sum("super_root_divergence_total", ""), 1);
    assert_eq!(watcher.alerts("SUPERNODES DIFFER").len(), 1);
    assert!(watcher.page("health").contains("different roots"));
    watcher.end();
    let told = chains.entries("super-roots");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["timestamp"], &told[0]["differ"]),
        (&json!(55), &json!(true))
    );
    let roots: Vec<&Value> = told[0]["answers"]
        .as_array()
        .expect("answers")
        .iter()
        .collect();
    assert_eq!(roots[0]["super_root"], root(55).to_string());
    assert_eq!(roots[1]["super_root"], root(1).to_string());
    assert!(
        roots[1]["answer"]
            .as_str()
            .is_some_and(|text| text.contains("super_root"))
    );
}
