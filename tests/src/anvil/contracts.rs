//! The contracts of the tests, written by hand: a few opcodes each, so that what
//! they emit is known without a compiler. None of them checks anything.

use alloy_primitives::{Address, B256, Bytes, LogData, U256, address, hex, keccak256};
use haltbox_watch::message::{INBOX, Log, Message};

/// Where the emitter stands.
pub const EMITTER: Address = address!("00000000000000000000000000000000000e3177");

/// Where the relayer stands.
pub(super) const RELAYER: Address = address!("00000000000000000000000000000000000e3178");

/// First four bytes of a call of the inbox: `validateMessage(Identifier,bytes32)`.
const VALIDATE: [u8; 4] = hex!("ab4d6f75");

/// Emits the event of the real inbox, whatever it is called with: the bytes between
/// the selector and the last word as data, the last word as payload hash. A call as
/// the standard has it gives 160 bytes of data and with that a message; any other
/// length gives a log that is none.
pub(super) fn inbox() -> Vec<u8> {
    let before = hex!(
        "6024" // PUSH1 36            what is no data: selector and payload hash
        "36"   // CALLDATASIZE
        "03"   // SUB                 n = CALLDATASIZE - 36
        "80"   // DUP1                n n
        "6004" // PUSH1 4             n n 4
        "5f"   // PUSH0               n n 4 0
        "37"   // CALLDATACOPY        n; memory[0..n] = calldata[4..4 + n]
        "80"   // DUP1                n n
        "6004" // PUSH1 4             n n 4
        "01"   // ADD                 n n+4
        "35"   // CALLDATALOAD        n hash
        "90"   // SWAP1               hash n
        "7f"   // PUSH32 TOPIC        hash n topic
    );
    let after = hex!(
        "90" // SWAP1                 hash topic n
        "5f" // PUSH0                 hash topic n 0
        "a2" // LOG2                  memory[0..n] with topic and hash
        "00" // STOP
    );
    let topic = keccak256("ExecutingMessage(bytes32,(address,uint256,uint256,uint256,uint256))");
    [&before[..], topic.as_slice(), &after].concat()
}

/// Calls the inbox with each 196 bytes of what it is called with: many messages in one
/// transaction, none of which goes to the inbox itself.
pub(super) fn relayer() -> Vec<u8> {
    let before = hex!(
        "5f"   // PUSH0               at = 0
        "5b"   // JUMPDEST            place 1
        "60c4" // PUSH1 196           at 196
        "81"   // DUP2                at 196 at
        "5f"   // PUSH0               at 196 at 0
        "37"   // CALLDATACOPY        at; memory[0..196] = calldata[at..at + 196]
        "5f5f" // PUSH0 PUSH0         at, no place for an answer
        "60c4" // PUSH1 196           and the call's length,
        "5f"   // PUSH0               its place in memory,
        "5f"   // PUSH0               no value,
        "73"   // PUSH20 INBOX        whom to call
    );
    let after = hex!(
        "5a"     // GAS               and all the gas there is
        "f1"     // CALL              at success
        "50"     // POP               at
        "60c401" // PUSH1 196 ADD     at = at + 196
        "36"     // CALLDATASIZE      at size
        "81"     // DUP2              at size at
        "10"     // LT                at (at < size)
        "6001"   // PUSH1 1           at (at < size) 1
        "57"     // JUMPI             at; to place 1 while there is more
        "00"     // STOP
    );
    [&before[..], INBOX.as_slice(), &after].concat()
}

/// Emits a log with one topic, the first word of the call; the rest is its data.
pub(super) fn emitter() -> Vec<u8> {
    hex!(
        "6020" // PUSH1 32
        "36"   // CALLDATASIZE
        "03"   // SUB                 n = CALLDATASIZE - 32
        "80"   // DUP1                n n
        "6020" // PUSH1 32            n n 32
        "5f"   // PUSH0               n n 32 0
        "37"   // CALLDATACOPY        n; memory[0..n] = calldata[32..32 + n]
        "5f"   // PUSH0               n 0
        "35"   // CALLDATALOAD        n topic
        "90"   // SWAP1               topic n
        "5f"   // PUSH0               topic n 0
        "a1"   // LOG1                memory[0..n] with topic
        "00"   // STOP
    )
    .to_vec()
}

/// The log of the emitter for a payload.
pub(super) fn emitted(payload: &[u8]) -> Log {
    let topic = keccak256("Emitted(bytes)");
    Log {
        address: EMITTER,
        data: LogData::new_unchecked(vec![topic], Bytes::copy_from_slice(payload)),
    }
}

/// The call that has the emitter emit this log.
pub(super) fn emit(log: &Log) -> Vec<u8> {
    let topics = log.data.topics().iter().flatten();
    topics.chain(log.data.data.iter()).copied().collect()
}

/// The call that executes a message.
pub(super) fn execute(message: &Message) -> Vec<u8> {
    let place = &message.place;
    let word = |value: u64| B256::from(U256::from(value)).0;
    let words: [[u8; 32]; 5] = [
        message.origin.into_word().0,
        word(place.block),
        word(place.log.into()),
        word(place.timestamp),
        B256::from(place.chain.0).0,
    ];
    call(words.as_flattened(), &message.payload)
}

/// The call after which the inbox has a log with this data.
pub(super) fn call(data: &[u8], payload: &B256) -> Vec<u8> {
    [&VALIDATE, data, payload.as_slice()].concat()
}

/// What a transaction declares: these storage keys of the inbox.
pub(super) fn declares(keys: &[B256]) -> serde_json::Value {
    serde_json::json!([{
        "address": INBOX.to_string(),
        "storageKeys": keys.iter().map(B256::to_string).collect::<Vec<_>>(),
    }])
}
