//! Answers of the nodes of OP Stack chains.

use std::sync::LazyLock;

use alloy_primitives::B256;
use haltbox_watch::chain::Node;
use haltbox_watch::message::Message;

use crate::Target;
use crate::stub::Stub;

/// An answer to everything that is asked of a node.
pub const ANSWERS: Target = Target {
    name: "op-node",
    run: |input| {
        static STUB: LazyLock<Stub> = LazyLock::new(Stub::start);
        static NODE: LazyLock<Node> =
            LazyLock::new(|| Node::new(STUB.url("").parse().expect("a URL")));
        let bytes = input.to_vec();
        STUB.says(move |_| bytes.clone());
        let _ = NODE.chain_id();
        let _ = NODE.heads();
        let _ = NODE.full_header(B256::ZERO);
        let _ = NODE.declared(B256::ZERO);
        let Ok(glance) = NODE.blocks_at(&[7]) else {
            return;
        };
        for block in glance.blocks.into_iter().flatten().flatten() {
            for emitted in &block.logs {
                if let Ok(Some(message)) = Message::read(&emitted.log) {
                    let _ = message.checksum();
                    assert_eq!(Message::read(&message.emitted()), Ok(Some(message)));
                }
            }
        }
    },
    seeds: || {
        let header = header();
        let one = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#);
        let transaction = format!(
            r#"{{"hash":"0x{0}","accessList":[{{"address":"0x4200000000000000000000000000000000000022","storageKeys":["0x{0}"]}}]}}"#,
            "03".repeat(32)
        );
        let block = header.replacen('{', &format!("{{\"transactions\":[{transaction}],"), 1);
        let refusal = r#"{"id":null,"error":{"code":-32000,"message":"no","data":{"a":1}}}"#;
        [
            glance(),
            one("\"0x385\""),
            one(&header),
            one(&block),
            refusal.to_owned(),
        ]
        .map(String::into_bytes)
        .to_vec()
    },
};

fn header() -> String {
    format!(
        r#"{{"number":"0x7","hash":"0x{0}","parentHash":"0x{0}","timestamp":"0x3e8"}}"#,
        "07".repeat(32)
    )
}

/// What a node answers about its heads and one block, which has an executing message.
pub fn glance() -> String {
    let (header, hash) = (header(), "07".repeat(32));
    let word = |byte: &str| format!("{byte:0>64}");
    let data = [word("1"), word("30"), word("0"), word("3e8"), word("385")].concat();
    let log = format!(
        r#"{{"address":"0x4200000000000000000000000000000000000022","topics":["0x5c37832d2e8d10e346e55ad62071a6a2f9fa5130614ef2ec6617555c6f467ba7","0x{hash}"],"data":"0x{data}","logIndex":"0x0"}}"#
    );
    let receipts = format!(
        r#"[{{"transactionHash":"0x{hash}","blockHash":"0x{hash}","type":"0x2","logs":[{log}]}}]"#
    );
    let results = ["\"0x385\"", &header, &header, &header, &receipts];
    let results = results.iter().enumerate();
    let answers: Vec<String> = results
        .map(|(id, result)| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
        .collect();
    format!("[{}]", answers.join(","))
}
