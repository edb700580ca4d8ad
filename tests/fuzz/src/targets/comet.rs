//! Answers of CometBFT nodes, and the verdicts that follow.

use std::sync::LazyLock;
use std::time::Duration;

use haltbox_daemon::rpc::at_once::AtOnce;
use haltbox_daemon::rpc::{Options, Outcome};
use haltbox_format::mark::Position;
use haltbox_format::{AppHash, Stream};
use haltbox_model::lifecycle::Lifecycle;
use haltbox_model::{Event, Weight};

use crate::Target;
use crate::stub::Stub;

/// Turns in which each node is asked. After five with one height, it makes no progress.
const TURNS: usize = 8;
/// The blocks that were executed.
const HEIGHTS: std::ops::Range<u64> = 5..8;

static STUB: LazyLock<Stub> = LazyLock::new(Stub::start);

/// Answers of the own node and of one peer, a zero byte behind each; they come again and
/// again. Another peer has what this node has. So nothing is ever proved against this node.
pub const ANSWERS: Target = Target {
    name: "comet",
    run: |input| {
        let answers: Vec<Vec<u8>> = input.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        let mut next = answers.into_iter().cycle();
        STUB.says(move |path| match path.strip_prefix("/honest/") {
            Some(call) => honest(call).into_bytes(),
            None => next.next().unwrap_or_default(),
        });
        let endpoint = |path| STUB.url(path).parse().expect("a URL");
        let mut asked = AtOnce::new(&Options {
            own: Some(endpoint("own")),
            peers: vec![endpoint("peer"), endpoint("honest")],
            every: Duration::ZERO,
        });
        let mut life = executed();
        let mut at = 100;
        for _ in 0..TURNS {
            for outcome in asked.turn(&life) {
                if let Outcome::Tell(event, _) | Outcome::Still(event) = &outcome {
                    assert!(!is_proof(event), "proved by one of two peers: {event:?}");
                    put(&mut life, event, &mut at);
                }
            }
        }
    },
    seeds,
};

fn is_proof(event: &Event) -> bool {
    matches!(event, Event::Mismatch(seen) if seen.weight == Weight::Proved)
}

fn put(life: &mut Lifecycle, event: &Event, at: &mut u64) {
    let place = |main| Position { main, local: 0 };
    life.on(event, Stream::Node, place(*at), place(*at + 1));
    *at += 1;
}

/// Blocks that this node executed, each with the AppHash that [`honest`] peers have.
fn executed() -> Lifecycle {
    let (mut life, mut at) = (Lifecycle::default(), 0);
    for height in HEIGHTS {
        let early = false;
        let app_hash = AppHash::new(&[height as u8; 4]);
        put(&mut life, &Event::Begin { height, early }, &mut at);
        put(&mut life, &Event::End { height }, &mut at);
        put(&mut life, &Event::Commit { height, app_hash }, &mut at);
    }
    life
}

/// The AppHash after a height, in hex.
fn app_hash(height: u64) -> String {
    format!("{height:02X}").repeat(4)
}

fn honest(call: &str) -> String {
    match call.strip_prefix("commit?height=") {
        Some(height) => commit(height.parse().expect("a height"), "chain-1"),
        None => status(7, "chain-1"),
    }
}

fn status(height: u64, chain: &str) -> String {
    format!(
        r#"{{"result":{{"node_info":{{"network":"{chain}"}},"sync_info":{{"latest_block_height":"{height}","latest_block_hash":"BB","latest_app_hash":"{}","catching_up":false}}}}}}"#,
        app_hash(height - 1)
    )
}

fn commit(height: u64, chain: &str) -> String {
    format!(
        r#"{{"result":{{"signed_header":{{"header":{}}}}}}}"#,
        header(height, chain, &app_hash(height - 1))
    )
}

fn header(height: u64, chain: &str, app_hash: &str) -> String {
    format!(
        r#"{{"chain_id":"{chain}","height":"{height}","app_hash":"{app_hash}","last_block_id":{{"hash":"BB"}}}}"#
    )
}

fn seeds() -> Vec<Vec<u8>> {
    let info =
        r#"{"result":{"response":{"last_block_height":"7","last_block_app_hash":"BwcHBw=="}}}"#;
    let proposal = format!(
        r#"{{"result":{{"round_state":{{"height":"8","round":1,"proposal_block":{{"header":{}}}}}}}}}"#,
        header(8, "chain-1", "FFFF")
    );
    let (status_1, status_2) = (status(7, "chain-1"), status(7, "chain-2"));
    let (other, commit_2) = (
        commit(8, "chain-1").replace("0707", "FFFF"),
        commit(7, "chain-2"),
    );
    let refusal = r#"{"error":{"code":-32603,"message":"no"}}"#;
    let answers = [
        vec![&*status_1, info, &status_1, &other],
        vec![&status_1, info, &status_2, &commit_2],
        vec![&status_1, info, &proposal],
        vec![refusal],
    ];
    answers.map(|all| all.join("\0").into_bytes()).to_vec()
}
