use haltbox_tests::supersim::Supersim;
use haltbox_tests::wait_until;
use haltbox_tests::watcher::Watching;

/// `HALTBOX_SUPERSIM=1` runs it: supersim is 80 MB.
#[test]
#[ignore = "needs HALTBOX_SUPERSIM=1, Node.js and npm; `-- --ignored` runs it"]
fn messages_of_the_real_contracts_are_valid_and_declared() {
    if std::env::var_os("HALTBOX_SUPERSIM").is_none() {
        println!("left out: HALTBOX_SUPERSIM=1 installs and runs supersim");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let supersim = Supersim::start(folder.path());
    let [from, to] = &supersim.urls;
    let chains = [(901, from.as_str()), (902, to.as_str())];
    let dir = folder.path().join("watch");
    let watching = Watching {
        dir: &dir,
        chains: &chains,
        expiry: 600_000,
        arguments: &[],
    };
    let watcher = watching.start();
    for sent in 1..=3 {
        supersim.send();
        let valid = || watcher.sum("message_status", "status=\"valid\"") == sent;
        wait_until("the message is relayed and judged", valid);
    }
    supersim.send_eth(1_500_000_000);
    for counter in ["eth_sent_gwei_total", "eth_relayed_gwei_total"] {
        wait_until("the ETH is seen", || {
            watcher.sum(counter, "executing_chain_id=\"902\"") == 1_500_000_000
        });
    }
    assert_eq!(watcher.sum("access_list_violations_total", ""), 0);
    let said = watcher.end();
    assert!(!said.iter().any(|line| line.contains("ALERT")), "{said:#?}");
}
