use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy_primitives::{B256, address};
use haltbox_tests::anvil::{Anvil, Mining, Options, number};
use haltbox_tests::watcher::Watching;
use haltbox_tests::{long, programs};
use haltbox_watch::access_list::Declared;
use haltbox_watch::message::Message;
use serde_json::{Value, json};

/// A `haltbox check` that serves.
pub struct Checker {
    child: Child,
    url: String,
}

impl Checker {
    fn start(watching: &Watching<'_>) -> Checker {
        Checker::start_with(watching, &[])
    }

    /// With more arguments.
    pub fn start_with(watching: &Watching<'_>, arguments: &[&str]) -> Checker {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let mut command = Command::new(programs().join("haltbox-watch"));
        command.args(["check", "--serve", &address.to_string(), "--depset"]);
        command.arg(watching.depset()).stderr(Stdio::null());
        command.args(arguments);
        for (id, url) in watching.chains {
            command.arg("--chain").arg(format!("{id}={url}"));
        }
        let checker = Checker {
            child: command.spawn().expect("haltbox-watch"),
            url: format!("http://{address}/proxyd"),
        };
        let connects = || std::net::TcpStream::connect(address).is_ok();
        haltbox_tests::wait_until("the checker serves", connects);
        checker
    }

    /// What it answers.
    pub fn ask(&self, agent: &ureq::Agent, calls: &Value) -> Value {
        let mut answer = agent
            .post(&self.url)
            .send(calls.to_string())
            .expect("an answer");
        let text = answer.body_mut().read_to_string().expect("text");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call of the check of one message.
pub fn call(message: &Message, timestamp: u64) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "interop_checkAccessList",
        "params": [
            Declared::of(message).entries(),
            "unsafe",
            {"chainID": "902", "timestamp": format!("{timestamp:#x}")},
        ],
    })
}

fn chain(id: u64) -> Anvil {
    let options = Options {
        mining: Mining::Every(1),
        epoch: 2,
        ..Options::default()
    };
    Anvil::start(id, options)
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn the_check_and_the_watcher_say_the_same() {
    let (from, to) = (chain(901), chain(902));
    from.install_emitter();
    to.install_inbox();
    let old = from.emit(b"old");
    for chain in [&from, &to] {
        chain.set_next_timestamp(old.place.timestamp + 1000);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let chains = [(901, from.url()), (902, to.url())];
    let watching = Watching {
        dir: folder.path(),
        chains: &chains,
        expiry: 600,
        arguments: &[],
    };
    let watcher = watching.start();
    let checker = Checker::start(&watching);
    let agent = ureq::Agent::new_with_defaults();
    let placed = from.emit(b"hello").message();
    std::thread::sleep(Duration::from_millis(1500));
    type Change = fn(&mut Message);
    let changes: [Change; 8] = [
        |_| {},
        |m| m.place.log = 7,
        |m| m.payload = B256::repeat_byte(1),
        |m| m.origin = address!("00000000000000000000000000000000000000aa"),
        |m| m.place.timestamp -= 1,
        |m| m.place.chain = 999.into(),
        |m| m.place.block += 1000,
        |m| m.place.timestamp += 1000,
    ];
    let changed = changes.map(|change| {
        let mut message = placed;
        change(&mut message);
        message
    });
    for message in changed.into_iter().chain([old.message()]) {
        let executed = to.execute(&message, &Declared::of(&message).entries());
        let block = to.block_at(executed.block);
        let told = checker.ask(&agent, &call(&message, number(&block["timestamp"])));
        let accepted = told["result"].is_null() && told.get("error").is_none();
        if !accepted {
            let code = told["error"]["code"].as_i64().expect("a code");
            assert!([-320_600, -320_501].contains(&code), "no verdict: {told}");
            watcher.wait_for(&executed.transaction.to_string(), Duration::from_secs(10));
        }
        let read = || watcher.sum("read_block", "\"902\"") >= executed.block;
        haltbox_tests::wait_until("the block is read", read);
        let alerts = watcher.alerts(&format!("tx {}: ", executed.transaction));
        let invalid = alerts.iter().any(|line| line.contains("INVALID"));
        assert_eq!(accepted, !invalid, "{message:?}: {told}, {alerts:#?}");
    }
    watcher.end();
}

/// HALTBOX_LONG=1: 200 singles and a batch of 200, and 1,000 requests a second for a minute.
#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn many_checks_a_second_are_answered() {
    let (from, to) = (chain(901), chain(902));
    from.install_emitter();
    to.install_inbox();
    let folder = tempfile::tempdir().expect("a folder");
    let chains = [(901, from.url()), (902, to.url())];
    let watching = Watching {
        dir: folder.path(),
        chains: &chains,
        expiry: 600,
        arguments: &[],
    };
    let checker = Checker::start(&watching);
    let payloads: Vec<Vec<u8>> = (0..200_u32).map(|n| n.to_string().into_bytes()).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    let placed = from.emit_many(&payloads);
    let timestamp = placed
        .iter()
        .map(|one| one.place.timestamp)
        .max()
        .expect("some")
        + 1;
    let calls: Vec<Value> = placed
        .iter()
        .map(|one| call(&one.message(), timestamp))
        .collect();
    let agent = ureq::Agent::new_with_defaults();
    let begun = Instant::now();
    for one in &calls {
        assert!(checker.ask(&agent, one)["result"].is_null());
    }
    let singles = begun.elapsed();
    let begun = Instant::now();
    let told = checker.ask(&agent, &Value::Array(calls.clone()));
    let batch = begun.elapsed();
    let told = told.as_array().expect("answers");
    assert!(told.len() == 200 && told.iter().all(|one| one.get("error").is_none()));
    println!("200 singles {singles:?}, a batch of 200 {batch:?}");
    if long() {
        assert!(batch < singles, "{batch:?} and {singles:?}");
    }
    let seconds = if long() { 60 } else { 2 };
    let (threads, each) = (8, 125 * seconds);
    let begun = Instant::now();
    let ask_many = &|thread: u64| {
        let agent = ureq::Agent::new_with_defaults();
        let mut times = Vec::new();
        for turn in 0..each {
            let due = begun + Duration::from_millis(turn * 8 + thread);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let asked = Instant::now();
            let one = &calls[(turn as usize * 7 + thread as usize) % calls.len()];
            assert!(checker.ask(&agent, one).get("error").is_none());
            times.push(asked.elapsed());
        }
        times
    };
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let threads = (0..threads).map(|thread| scope.spawn(move || ask_many(thread)));
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("answers"))
            .collect()
    });
    let took = begun.elapsed();
    times.sort();
    let at = |part: usize| times[times.len() * part / 100];
    println!(
        "{} requests in {took:?}: half within {:?}, 99 of 100 within {:?}",
        times.len(),
        at(50),
        at(99)
    );
}
