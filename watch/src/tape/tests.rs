use super::*;
use crate::book::{Fault, Standing};
use crate::chain::{Block, Header};
use crate::finder::{Declaration, FoundMessage};
use crate::message::Site;
use crate::message::tests::hello;
use crate::validity::Broken;

const SIZE: u64 = 16 << 20;

fn header(number: u64, byte: u8) -> Header {
    Header {
        number,
        hash: B256::repeat_byte(byte),
        parent: B256::ZERO,
        timestamp: number,
    }
}

fn found(number: u64, byte: u8) -> Found {
    let message = |log| FoundMessage {
        log,
        transaction: B256::repeat_byte(0xaa),
        message: Ok(hello().0),
        declared: Declaration::Declared,
    };
    Found {
        block: Block {
            header: header(number, byte),
            logs: Vec::new(),
            deposits_only: false,
        },
        messages: vec![message(0), message(4)],
    }
}

/// How far the chain was read, with all messages open from height 5 on.
fn at(block: u64) -> Cursor {
    Cursor {
        block,
        hash: B256::ZERO,
        finalized: None,
        from: 5,
        at: 7,
    }
}

fn change(number: u64, byte: u8, log: u32, to: Standing) -> Change {
    Change {
        site: Site {
            chain: 902.into(),
            number,
            block: B256::repeat_byte(byte),
            log,
            transaction: B256::repeat_byte(0xaa),
        },
        executed: Ok(hello().0),
        declared: Declaration::Declared,
        from: Standing::Unknown,
        to,
        flip: false,
        named: None,
    }
}

#[test]
fn what_is_open_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut tape = Tape::open(folder.path(), SIZE).unwrap().tape;
    tape.block(&found(5, 1)).unwrap();
    tape.block(&found(6, 2)).unwrap();
    tape.block(&found(7, 3)).unwrap();
    let no_log = Standing::Invalid(Box::new(Fault::Broken(Broken::NoLog { logs: 1 })));
    let changes = [change(6, 2, 0, Standing::Valid), change(6, 2, 4, no_log)];
    tape.changes(&changes, 1).unwrap();
    let left = Left {
        number: 5,
        block: B256::repeat_byte(1),
        messages: Vec::new(),
    };
    tape.settled(&[left], 2).unwrap();
    tape.orphan(7, B256::repeat_byte(3), "why", 3).unwrap();
    tape.cursor(Cursor { from: 6, ..at(9) }).unwrap();
    // A kill closes nothing. The lock ends with the process, here with the recorder.
    drop(tape);

    let opened = Tape::open(folder.path(), SIZE).unwrap();
    let recalled = opened.recalled;
    let open: Vec<u64> = recalled.blocks.keys().map(|(number, _)| *number).collect();
    assert_eq!(open, [6]);
    assert_eq!(recalled.from(), Some(5));
    let block = &recalled.blocks[&(6, B256::repeat_byte(2))];
    assert_eq!(block.messages[&0], ("valid".to_owned(), None));
    let invalid = ("invalid".to_owned(), Some("no-log".to_owned()));
    assert_eq!(block.messages[&4], invalid);
    assert_eq!(recalled.cursor.unwrap().block, 9);
    let attempt = |number, byte| {
        let of = opened.tape.attempt(number, B256::repeat_byte(byte))?;
        Some((of.height, of.attempt))
    };
    assert_eq!(attempt(6, 2), Some((6, 1)));
    assert_eq!(
        attempt(7, 3),
        Some((7, 1)),
        "a box of it may still be asked for"
    );
    assert_eq!(attempt(5, 1), None, "it is settled");
}

#[test]
fn a_block_whose_end_is_missing_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut tape = Tape::open(folder.path(), SIZE).unwrap().tape;
    tape.block(&found(5, 1)).unwrap();
    tape.put(&Entry::seen(&header(6, 2))).unwrap();
    tape.put(&Entry::of_message(&found(6, 2).messages[0]))
        .unwrap();
    drop(tape);
    let recalled = Tape::open(folder.path(), SIZE).unwrap().recalled;
    let open: Vec<u64> = recalled.blocks.keys().map(|(number, _)| *number).collect();
    assert_eq!(open, [5]);
}

#[test]
fn a_ring_that_is_too_small_says_so_and_forgets_no_height() {
    let folder = tempfile::tempdir().unwrap();
    let mut tape = Tape::open(folder.path(), 4 << 20).unwrap().tape;
    let cursor = |tape: &mut Tape, tip| tape.cursor(at(tip)).unwrap();
    tape.block(&found(5, 1)).unwrap();
    cursor(&mut tape, 5);
    assert!(!tape.is_short());
    let mut many = found(6, 2);
    many.messages = vec![many.messages[0].clone(); 1000];
    for number in 6..60 {
        many.block.header = header(number, 2);
        tape.block(&many).unwrap();
    }
    cursor(&mut tape, 59);
    assert!(tape.is_short());
    drop(tape);
    let recalled = Tape::open(folder.path(), 4 << 20).unwrap().recalled;
    let first = recalled.blocks.keys().next().map(|(number, _)| *number);
    assert!(first > Some(5), "{first:?}");
    assert_eq!(recalled.from(), Some(4));
}

#[test]
fn messages_that_are_judged_alike_stand_in_one_entry() {
    let changes = [
        change(6, 2, 0, Standing::Valid),
        change(6, 2, 4, Standing::Valid),
        change(7, 3, 0, Standing::Valid),
    ];
    let entries = entry::statuses(&changes, 1);
    let logs: Vec<Vec<u32>> = entries
        .into_iter()
        .map(|entry| match entry {
            Entry::Status { logs, .. } => logs,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(logs, [vec![0, 4], vec![0]]);
}

#[test]
fn every_entry_is_read_as_it_was_written() {
    let entries = [
        Entry::seen(&header(5, 1)),
        Entry::of_message(&found(5, 1).messages[0]),
        Entry::BlockRead { block: 5 },
        Entry::Cursor(at(5)),
    ];
    for entry in entries {
        let line = entry.line();
        assert!(
            line.starts_with(br#"{"type":""#),
            "{}",
            String::from_utf8_lossy(&line)
        );
        assert_eq!(Entry::read(&line), Some(entry));
    }
    assert_eq!(Entry::read(br#"{"type":"of-another-version"}"#), None);
}
