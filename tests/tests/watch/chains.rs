use std::time::Duration;

use haltbox_tests::anvil::{Anvil, Mining, Options, number, word};
use haltbox_watch::access_list::{self, Declared};
use haltbox_watch::message::{Malformed, Message};

/// The chain that sends and the chain that executes.
fn chains() -> (Anvil, Anvil) {
    let from = Anvil::start(901, Options::default());
    from.install_emitter();
    let to = Anvil::start(902, Options::default());
    to.install_inbox();
    (from, to)
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_message_is_read_back_as_it_was_meant() {
    let (from, to) = chains();
    let placed = from.emit_many(&[b"first", b"second"])[1];
    assert_eq!(placed.place.log, 1, "numbered in the block");
    let logs = from.logs(placed.place.block);
    assert_eq!(logs[1].payload(), placed.payload);
    assert_eq!(logs[1].address, placed.origin);
    let block = from.block_at(placed.place.block);
    assert_eq!(word(&block["hash"]), placed.block_hash);
    assert_eq!(number(&block["timestamp"]), placed.place.timestamp);

    let message = placed.message();
    let declared = Declared::of(&message);
    let executed = to.execute(&message, &declared.entries());
    let log = &to.logs(executed.block)[executed.log as usize];
    assert_eq!(Message::read(log), Ok(Some(message)));
    let keys = to.declared(executed.transaction);
    assert_eq!(access_list::read(&keys), Ok(vec![declared]));
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_message_need_not_be_declared() {
    let (from, to) = chains();
    let executed = to.execute(&from.emit(b"hello").message(), &[]);
    assert!(to.declared(executed.transaction).is_empty());
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_malformed_log_is_in_its_block() {
    let (_, to) = chains();
    let executed = to.malformed(&[0; 96]);
    let shape = Malformed::Shape {
        topics: 2,
        data: 96,
    };
    let log = &to.logs(executed.block)[executed.log as usize];
    assert_eq!(Message::read(log), Err(shape));
    let executed = to.malformed(&[0xff; 160]);
    let log = &to.logs(executed.block)[executed.log as usize];
    assert_eq!(Message::read(log), Err(Malformed::Words));
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_reorg_replaces_a_block_and_takes_its_logs() {
    let (from, _) = chains();
    let placed = from.emit(b"hello");
    from.mine(2);
    from.reorg(3);
    let block = from.block_at(placed.place.block);
    assert_ne!(word(&block["hash"]), placed.block_hash);
    assert_eq!(from.logs(placed.place.block), []);
    assert_eq!(from.height("latest"), placed.place.block + 2);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_reorg_may_keep_a_log_in_another_block() {
    let (from, _) = chains();
    let placed = from.emit(b"hello");
    from.mine(1);
    let height = placed.place.block;
    from.reorg_with(2, &[(placed.transaction, 0)]);
    assert_eq!(from.logs(height)[0].payload(), placed.payload);
    assert_ne!(
        word(&from.block_at(height)["hash"]),
        placed.block_hash,
        "the same transaction, another block"
    );
    from.reorg_with(2, &[(placed.transaction, 1)]);
    assert_eq!(from.logs(height), []);
    assert_eq!(from.logs(height + 1)[0].payload(), placed.payload);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn nothing_is_at_a_height_that_was_rolled_back() {
    let (from, _) = chains();
    let placed = from.emit(b"hello");
    from.rollback(1);
    assert!(from.block_at(placed.place.block).is_null());
    let again = from.emit(b"hello");
    assert_eq!(again.place.block, placed.place.block);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn timestamps_follow_the_blocks() {
    let (from, to) = chains();
    from.mine(7);
    let first = from.emit(b"hello").place;
    let second = from.emit(b"hello").place;
    assert_eq!(second.timestamp, first.timestamp + 1);
    to.catch_up_with(&from);
    let newest = to.block("latest");
    assert_eq!(number(&newest["timestamp"]), second.timestamp);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn a_chain_that_hangs_goes_on_where_it_was() {
    let (from, _) = chains();
    let before = from.emit(b"hello").place;
    from.stop();
    let hangs = || from.rpc("eth_chainId", serde_json::json!([]));
    let asked = std::thread::scope(|scope| {
        let asked = scope.spawn(hangs);
        std::thread::sleep(Duration::from_millis(300));
        assert!(!asked.is_finished(), "it answers");
        from.cont();
        asked.join().expect("an answer")
    });
    assert_eq!(number(&asked), from.id());
    assert_eq!(from.emit(b"hello").place.block, before.block + 1);
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn five_hundred_messages_fit_a_block() {
    let (from, to) = chains();
    let message = from.emit(b"hello").message();
    let entries = Declared::of(&message).entries();
    let executed = to.execute_many(&vec![(message, entries); 500]);
    let block = executed[0].block;
    for (at, one) in executed.iter().enumerate() {
        assert_eq!((one.block, one.log as usize), (block, at));
    }
    let read = to.logs(block).into_iter().map(|log| Message::read(&log));
    assert!(read.eq(vec![Ok(Some(message)); 500]));
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn one_transaction_executes_many_messages() {
    let (from, to) = chains();
    let placed = from.emit_many(&[b"first", b"second", b"third"]);
    let declared: Vec<Declared> = placed.iter().map(|p| Declared::of(&p.message())).collect();
    let messages = placed.iter().zip(&declared);
    let messages: Vec<_> = messages
        .map(|(placed, declared)| (placed.message(), declared.entries()))
        .collect();
    let executed = to.execute_together(&messages);
    let read = to.logs(executed[0].block);
    let read = read.iter().map(Message::read);
    assert!(read.eq(placed.iter().map(|p| Ok(Some(p.message())))));
    assert_eq!(executed[2].transaction, executed[0].transaction);
    assert_eq!(executed[2].log, 2);
    let keys = to.declared(executed[0].transaction);
    assert_eq!(access_list::read(&keys), Ok(declared));
}

#[test]
#[ignore = "needs Node.js and npm; `-- --ignored` runs it"]
fn safe_and_finalized_follow_the_newest_block() {
    let options = Options {
        mining: Mining::Every(1),
        ..Options::default()
    };
    let chain = Anvil::start(901, options);
    haltbox_tests::wait_until("block 5", || chain.height("latest") >= 5);
    assert!(chain.height("finalized") < chain.height("safe"));
    assert!(chain.height("safe") < chain.height("latest"));
}
