//! Pairs of recordings that a comparison once judged wrongly, or could.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use haltbox_tests::*;
use serde_json::Value;

use super::output_json;
use super::slogs::write;

/// What A and B are, the verdict, and the place or the words of it.
const PAIRS: [(&str, &str, &str, &str, &str); 99] = [
    (
        "a proposal without its end, and the next height",
        "start [1=A decided std ] [2=B decided std ] [3=C decided std ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7 [3=C decided std ]",
        "evidence insufficient",
        "executes what may be a proposal at height 2 whose end is not recorded",
    ),
    (
        "a proposal without its end, and its commit",
        "start [1=A decided std ] [2=B decided std ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7 commit",
        "identical",
        "executes what may be a proposal at height 2 whose end is not recorded",
    ),
    (
        "a block that is cut off right behind its beginning, which may be a proposal",
        "start [1=A decided std ] [2=B decided std ]",
        "start [1=A decided std ] [2/b",
        "identical",
        "executes what may be a proposal at height 2 whose end is not recorded",
    ),
    (
        "the same in a node that is killed and executes what is decided",
        "start [1=A decided std ] [2=B decided std ] [3=C decided std ]",
        "start [1=A decided std ] [2/b start [2=B decided std ] [3=C decided std ]",
        "identical",
        "1 to 3",
    ),
    (
        "the same in a node that goes on with the next height",
        "start [1=A decided std ] [2=B decided std ] [3=C decided std ]",
        "start [1=A decided std ] [2/b [3=C decided std ]",
        "evidence insufficient",
        "executes what may be a proposal at height 2 whose end is not recorded",
    ),
    (
        "inputs of another block, behind a gap that hides its beginning",
        "start [1=A given:txsDigest=a std ] [2=B given:txsDigest=b std ] [3=C given:txsDigest=c std ]",
        "start [1=A given:txsDigest=a std ] [2=B hole given:txsDigest=c std [3=C given:txsDigest=c std ]",
        "evidence insufficient",
        "B does not completely cover height 2",
    ),
    (
        "an input that a later proposal alone has on the other side",
        "start [1=A std ] [2=B in:0=d in:1=e std ] [3=C std ]",
        "start [1=A std ] [2=C in:0=d std ] [3/b proposed in:0=e",
        "inputs differ",
        "took an input here that",
    ),
    (
        "a block that is given other transactions",
        "start [1=A given:txsDigest=a std ] [2=B/b given:txsDigest=b std ]",
        "start [1=A given:txsDigest=a std ] [2=C/c given:txsDigest=c std ]",
        "inputs differ",
        "The block had another input: txs",
    ),
    (
        "the same of a host that has no digest of them where the block begins",
        "start [1=A given:txsDigest=a std ] [2=B given:txsDigest=b,lastCommit=a std ]",
        "start [1=A given:txsDigest=a std ] [2=C given:txsDigest=c,lastCommit=d std ]",
        "inputs differ",
        "The block had another input: txs, votes",
    ),
    (
        "transactions that are told by hashes of different things",
        "start [1=A std ] [2=B given:txsDigest=b std ]",
        "start [1=A std ] [2=C given:dataHash=c std ]",
        "execution differs",
        "height 2, step-input",
    ),
    (
        "nodes that are set up otherwise",
        "start [1=A given:txsDigest=a,local.config=a std ] [2=B given:txsDigest=b,local.config=a std ]",
        "start [1=A given:txsDigest=a,local.config=b std ] [2=B given:txsDigest=b,local.config=b std ]",
        "identical",
        "at height 1 and 1 other height",
    ),
    (
        "the same, and another write",
        "start [1=A given:txsDigest=a,local.config=a,local.params=e std ] [2=B given:txsDigest=b,local.config=a r:bank/01=1 w:bank/01=1 ]",
        "start [1=A given:txsDigest=a,local.config=a,local.params=f std ] [2=C given:txsDigest=b,local.config=b r:bank/01=1 w:bank/01=2 ]",
        "execution differs",
        "it is local to each node, so it decides nothing",
    ),
    (
        "another block that is a proposal, and begins alike",
        "start [1=A given:txsDigest=a std ] [2=B given:txsDigest=b std ]",
        "start [1=A given:txsDigest=a std ] [2 given:txsDigest=c,local.proposal=true r:bank/01=7",
        "identical",
        "executes what may be a proposal at height 2",
    ),
    (
        "a proposal that is executed before its decision, and another block is decided",
        "start [1=A decided std ] [2=B decided std ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7",
        "identical",
        "executes what may be a proposal at height 2 whose end is not recorded",
    ),
    (
        "the same in a node that is killed and executes what is decided",
        "start [1=A decided std ] [2=B decided std ] [3=C decided std ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7 start [2=B decided std ] [3=C proposed std ]",
        "identical",
        "1 to 3",
    ),
    (
        "the block that is decided, which a side begins on its proposal and executes otherwise",
        "start [1=A decided std ] [2=B decided r:bank/01=1 w:bank/01=1 w:bank/02=1 ]",
        "start [1=A decided std ] [2 proposed r:bank/01=1 w:bank/01=2 w:bank/02=1",
        "execution differs",
        "height 2, op 1, op-write",
    ),
    (
        "a long proposal, and then the decided block, which is executed otherwise",
        "start [1=A decided std ] [2=B decided r:bank/01=1 w:bank/01=1 w:bank/02=1 ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7 r:bank/02=7 r:bank/03=7 r:bank/04=7 r:bank/05=7 start [2 decided r:bank/01=1 w:bank/01=2 w:bank/02=1",
        "execution differs",
        "height 2, attempt 2, op 1, op-write",
    ),
    (
        "the same where that is still a proposal",
        "start [1=A decided std ] [2=B decided r:bank/01=1 w:bank/01=1 w:bank/02=1 ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7 r:bank/02=7 r:bank/03=7 r:bank/04=7 r:bank/05=7 start [2 proposed r:bank/01=1 w:bank/01=2 w:bank/02=1",
        "execution differs",
        "height 2, attempt 2, op 1, op-write",
    ),
    (
        "two proposals of which none is known to be decided",
        "start [1=A decided std ] [2/c proposed r:bank/01=8",
        "start [1=A decided std ] [2/b proposed r:bank/01=7",
        "identical",
        "both execute what may be proposals at height 2",
    ),
    (
        "a decided block that has other inputs, and is not executed to its end",
        "start [1=A decided std ] [2=B decided std ]",
        "start [1=A decided std ] [2/b decided r:bank/01=7",
        "inputs differ",
        "height 2, begin-block",
    ),
    (
        "the root of a store differs, and nothing that was recorded",
        "start [1=A std root:acc=1 root:bank=2 ] [2=B std root:acc=1 root:bank=3 root:mint=4 ]",
        "start [1=A std root:acc=1 root:bank=2 ] [2=C std root:acc=1 root:bank=5 root:mint=6 ]",
        "state differs",
        "The root of store bank differs, but everything that both recorded before is equal",
    ),
    (
        "the same of nodes without a tracer",
        "start [1=A root:acc=1 root:bank=2 ] [2=B root:acc=1 root:bank=3 ]",
        "start [1=A root:acc=1 root:bank=2 ] start [2=C root:acc=1 root:bank=5 ]",
        "state differs",
        "height 2, step-store-root",
    ),
    (
        "roots behind a write that differs",
        "start [1=A std root:bank=2 ] [2=B w:bank/01=1 root:bank=3 ]",
        "start [1=A std root:bank=2 ] [2=C w:bank/01=2 root:bank=5 ]",
        "execution differs",
        "height 2, op 0, op-write",
    ),
    (
        "a write to a store whose root says that the other side wrote nothing there",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=B std root:bank=3 root:gov=2 ]",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=C std w:gov/05=6 root:bank=3 root:gov=4 ]",
        "execution differs",
        "B has one more entry here: op-write",
    ),
    (
        "the same where that write came to nothing",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=B std root:bank=3 root:gov=2 ]",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=C std w:gov/05=6 root:bank=5 root:gov=2 ]",
        "state differs",
        "The root of store bank differs",
    ),
    (
        "the same where the other side wrote there too, and recorded nothing",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=B std root:bank=3 root:gov=5 ]",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=C std w:gov/05=6 root:bank=3 root:gov=4 ]",
        "state differs",
        "The root of store gov differs",
    ),
    (
        "the same where no root is known from before",
        "start [2=B std root:bank=3 root:gov=2 ]",
        "start [2=C std w:gov/05=6 root:bank=3 root:gov=4 ]",
        "state differs",
        "only B has entries of that store at this height",
    ),
    (
        "a node that records roots alone, and a read before a write to another store",
        "start [1=A std w:wasm/01=0 root:bank=1 root:wasm=1 ] [2=B std r:bank/01=5 w:wasm/01=1 w:bank/01=4 root:bank=2 root:wasm=2 ]",
        "start [1=A std root:bank=1 root:wasm=1 ] start [2=C root:bank=3 root:wasm=1 ]",
        "state differs",
        "The root of store bank differs",
    ),
    (
        "a key that is set here and removed there, and one more before it",
        "start [1=A set:bank/01=1 ] [2=B set:bank/02=5 ]",
        "start [1=A set:bank/01=1 ] [2=C unset:bank/01= unset:bank/02= ]",
        "state differs",
        "The block changes this key only on",
    ),
    (
        "keys of which each block changes its own",
        "start [1=A set:bank/01=1 ] [2=B set:bank/20=5 ]",
        "start [1=A set:bank/01=1 ] [2=C set:bank/10=5 ]",
        "state differs",
        "The block changes this key only on",
    ),
    (
        "a key that is removed and was never there, under the same AppHash",
        "start [1=A set:bank/01=1 ] [2=B set:bank/02=5 ]",
        "start [1=A set:bank/01=1 ] [2=B unset:bank/01= set:bank/02=5 ]",
        "identical",
        "the writes differ, but the resulting state is the same",
    ),
    (
        "a read and a write of a store whose root did not change on the other side",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=B std root:bank=3 root:gov=2 ]",
        "start [1=A std w:gov/05=5 root:bank=1 root:gov=2 ] [2=C std r:gov/05=5 w:gov/05=6 root:bank=3 root:gov=4 ]",
        "state differs",
        "only B has entries of that store at this height",
    ),
    (
        "what the blocks leave",
        "start [1=A set:bank/01=1 root:bank=1 ] [2=B set:bank/01=2 set:bank/02=2 root:bank=2 ]",
        "start [1=A set:bank/01=1 root:bank=1 ] start [2=C set:bank/01=2 set:bank/02=3 root:bank=3 ]",
        "state differs",
        "The block leaves another value under the same key; only recorded operations show",
    ),
    (
        "a key that one block alone changes",
        "start [1=A set:bank/01=1 root:bank=1 ] [2=B set:bank/01=2 set:bank/03=2 root:bank=2 ]",
        "start [1=A set:bank/01=1 root:bank=1 ] [2=C set:bank/01=2 set:bank/02=3 set:bank/03=2 root:bank=3 ]",
        "state differs",
        "The block changes this key only on",
    ),
    (
        "the last key that a block changes",
        "start [1=A set:bank/01=1 root:bank=1 ] [2=B set:bank/01=2 root:bank=2 ]",
        "start [1=A set:bank/01=1 root:bank=1 ] [2=C set:bank/01=2 set:bank/02=3 root:bank=3 ]",
        "state differs",
        "The block changes this key only on",
    ),
    (
        "what blocks leave beside operations of the other side",
        "start [1=A set:bank/01=1 root:bank=1 ] [2=B set:bank/01=2 root:bank=2 root:gov=1 ]",
        "start [1=A w:bank/01=1 root:bank=1 ] [2=C w:bank/01=2 root:bank=2 root:gov=2 ]",
        "state differs",
        "The root of store gov differs",
    ),
    (
        "a map in another order, and values that depend on it",
        "start [1=A std ] [2=B phase:EndBlock w:bank/01=1 w:bank/02=2 w:bank/03=3 ]",
        "start [1=A std ] [2=C phase:EndBlock w:bank/03=1 w:bank/02=2 w:bank/01=3 ]",
        "order differs",
        "height 2, EndBlock, op 0, op-write",
    ),
    (
        "the same with a read and a sum before each write",
        "start [1=A std ] [2=B r:bank/01=1 r:bank/09=0 w:bank/09=1 r:bank/02=2 r:bank/09=1 w:bank/09=3 ]",
        "start [1=A std ] [2=C r:bank/02=2 r:bank/09=0 w:bank/09=2 r:bank/01=1 r:bank/09=2 w:bank/09=4 ]",
        "order differs",
        "height 2, op 0, op-read",
    ),
    (
        "reads in another order, and what is made of them",
        "start [1=A std ] [2=B r:bank/01=1 r:bank/02=2 w:bank/09=3 ]",
        "start [1=A std ] [2=C r:bank/02=2 r:bank/01=1 w:bank/09=4 ]",
        "order differs",
        "height 2, op 0, op-read",
    ),
    (
        "reads in another order that did no harm a block before, and a write that differs behind them",
        "start [1=A r:bank/01=1 r:bank/02=2 w:bank/03=3 ] [2=B r:bank/01=3 r:bank/02=2 w:bank/03=4 ]",
        "start [1=A r:bank/02=2 r:bank/01=1 w:bank/03=3 ] [2=C r:bank/02=2 r:bank/01=3 w:bank/03=5 ]",
        "execution differs",
        "height 2, op 2, op-write",
    ),
    (
        "the same, noted",
        "start [1=A r:bank/01=1 r:bank/02=2 w:bank/03=3 ] [2=B r:bank/01=3 r:bank/02=2 w:bank/03=4 ]",
        "start [1=A r:bank/02=2 r:bank/01=1 w:bank/03=3 ] [2=C r:bank/02=2 r:bank/01=3 w:bank/03=5 ]",
        "execution differs",
        "the same reads in another order; this had no effect here",
    ),
    (
        "the same reads, and another AppHash alone",
        "start [1=A r:bank/01=1 r:bank/02=2 w:bank/03=3 ] [2=B r:bank/01=3 r:bank/02=2 w:bank/03=4 ]",
        "start [1=A r:bank/02=2 r:bank/01=1 w:bank/03=3 ] [2=C r:bank/02=2 r:bank/01=3 w:bank/03=4 ]",
        "outside the recording",
        "height 2",
    ),
    (
        "other reads in another order than those that did no harm",
        "start [1=A r:bank/01=1 r:bank/02=2 w:bank/03=3 ] [2=B r:bank/05=3 r:bank/06=2 w:bank/03=4 ]",
        "start [1=A r:bank/02=2 r:bank/01=1 w:bank/03=3 ] [2=C r:bank/06=2 r:bank/05=3 w:bank/03=5 ]",
        "order differs",
        "height 2, op 0, op-read",
    ),
    (
        "reads in another order that did no harm in another phase",
        "start [1=A phase:BeginBlock r:bank/01=1 r:bank/02=2 w:bank/03=3 phase:EndBlock w:bank/08=1 ] [2=B phase:BeginBlock w:bank/08=2 phase:EndBlock r:bank/01=1 r:bank/02=2 w:bank/03=4 ]",
        "start [1=A phase:BeginBlock r:bank/02=2 r:bank/01=1 w:bank/03=3 phase:EndBlock w:bank/08=1 ] [2=C phase:BeginBlock w:bank/08=2 phase:EndBlock r:bank/02=2 r:bank/01=1 w:bank/03=5 ]",
        "order differs",
        "height 2, EndBlock, op 0, op-read",
    ),
    (
        "reads in another order that did no harm in the same phase",
        "start [1=A phase:BeginBlock w:bank/08=1 phase:EndBlock r:bank/01=1 r:bank/02=2 w:bank/03=3 ] [2=B phase:BeginBlock w:bank/08=2 phase:EndBlock r:bank/01=1 r:bank/02=2 w:bank/03=4 ]",
        "start [1=A phase:BeginBlock w:bank/08=1 phase:EndBlock r:bank/02=2 r:bank/01=1 w:bank/03=3 ] [2=C phase:BeginBlock w:bank/08=2 phase:EndBlock r:bank/02=2 r:bank/01=1 w:bank/03=5 ]",
        "execution differs",
        "height 2, EndBlock, op 2, op-write",
    ),
    (
        "reads in another order that did no harm in another transaction",
        "start [1=A tx:0 0.r:bank/01=1 0.r:bank/02=2 0.w:bank/03=3 ] [2=B tx:0 0.w:bank/08=1 tx:1 1.r:bank/01=1 1.r:bank/02=2 1.w:bank/03=4 ]",
        "start [1=A tx:0 0.r:bank/02=2 0.r:bank/01=1 0.w:bank/03=3 ] [2=C tx:0 0.w:bank/08=1 tx:1 1.r:bank/02=2 1.r:bank/01=1 1.w:bank/03=5 ]",
        "order differs",
        "height 2, tx 1, op 1, op-read",
    ),
    (
        "reads in another order, and a write of which the AppHash tells nothing",
        "start [1 r:bank/01=1 r:bank/02=2 w:bank/03=3 ] [2 r:bank/01=3 r:bank/02=2 w:bank/03=4 ]",
        "start [1 r:bank/02=2 r:bank/01=1 w:bank/03=3 ] [2 r:bank/02=2 r:bank/01=3 w:bank/03=5 ]",
        "order differs",
        "height 2, op 0, op-read",
    ),
    (
        "keys in the same order, and other values",
        "start [1=A std ] [2=B w:bank/01=1 w:bank/02=2 ]",
        "start [1=A std ] [2=C w:bank/01=3 w:bank/02=2 ]",
        "execution differs",
        "height 2, op 0, op-write",
    ),
    (
        "another value first, and keys behind it in another order",
        "start [1=A std ] [2=B w:bank/01=1 w:bank/02=2 w:bank/03=3 ]",
        "start [1=A std ] [2=C w:bank/01=5 w:bank/03=2 w:bank/02=3 ]",
        "execution differs",
        "height 2, op 0, op-write",
    ),
    (
        "keys that are written in another order in two phases",
        "start [1=A std ] [2=B phase:BeginBlock w:bank/01=1 phase:EndBlock w:bank/02=2 ]",
        "start [1=A std ] [2=C phase:BeginBlock w:bank/02=3 phase:EndBlock w:bank/01=4 ]",
        "execution differs",
        "height 2, BeginBlock, op 0, op-write",
    ),
    (
        "a map in another order beside a store of one side",
        "start [1=A std ] [2=B tx:0 0.w:bank/01=1 0.w:gov/01=1 0.w:bank/02=2 ]",
        "start [1=A std ] [2=C tx:0 0.w:bank/02=1 0.w:bank/01=2 ]",
        "order differs",
        "height 2, tx 0, op 0, op-write",
    ),
    (
        "an AppHash that the commit alone tells",
        "start [1~A std ] [2~B std ]",
        "start [1~A std ] [2~C std ]",
        "outside the recording",
        "height 2",
    ),
    (
        "a write in a block in which the other side has no operation, and no AppHash",
        "start [1 std ] [2 ] [3 std ]",
        "start [1 std ] [2 w:bank/09=9 ] [3 std ]",
        "evidence insufficient",
        "at height 2 only B has entries of store bank",
    ),
    (
        "the same with another AppHash",
        "start [1=A std ] [2=B ] [3=D std ]",
        "start [1=A std ] [2=C w:bank/09=9 ] [3=E std ]",
        "evidence insufficient",
        "height 2 only B has entries of store bank",
    ),
    (
        "the same with the same AppHash",
        "start [1=A std ] [2=B ] [3=D std ]",
        "start [1=A std ] [2=B w:bank/09=9 ] [3=D std ]",
        "identical",
        "",
    ),
    (
        "a process that never touches a store, and no AppHash",
        "start [1 std w:gov/05=5 ] start [2 std ] [3 std ]",
        "start [1 std w:gov/05=5 ] [2 std w:gov/05=5 ] [3 std ]",
        "evidence insufficient",
        "height 2 only B has entries of store gov",
    ),
    (
        "the same with another AppHash",
        "start [1=A std w:gov/05=5 ] start [2=B std ] [3=D std ]",
        "start [1=A std w:gov/05=5 ] [2=C std w:gov/05=5 ] [3=E std ]",
        "evidence insufficient",
        "height 2 only B has entries of store gov",
    ),
    (
        "a process that tells no results, under the same AppHash",
        "start [1=A in:0 res:0 ] start [2=B in:0 ]",
        "start [1=A in:0 res:0 ] [2=B in:0 res:0/5 ]",
        "evidence insufficient",
        "height 2 only B has entries of tx-result",
    ),
    (
        "reads of a restart where a write differs",
        "start [1=A r:upgrade/00 std ] [2=B r:upgrade/00 r:bank/01=1 w:bank/01=2 ]",
        "start [1=A r:upgrade/00 std ] start [2=C it:upgrade next:upgrade r:upgrade/00 r:bank/01=1 w:bank/01=3 ]",
        "execution differs",
        "height 2, op 2, op-write",
    ),
    (
        "reads of a cache where a write differs",
        "start [1 std ] [2 r:bank/00=1 w:bank/09=2 ]",
        "start [1 std ] [2 r:bank/00=1 r:bank/01=1 r:bank/02=1 w:bank/09=3 ]",
        "execution differs",
        "height 2, op 1, op-write",
    ),
    (
        "one more read, and another AppHash",
        "start [1=A std ] [2=B std ]",
        "start [1=A std ] [2=C r:bank/07=7 std ]",
        "outside the recording",
        "height 2",
    ),
    (
        "an AppHash that differs before the first read that does",
        "start [1=A std ] [2=B std ] [3=D r:bank/01=1 ]",
        "start [1=A std ] [2=C std ] [3=E r:bank/01=2 ]",
        "outside the recording",
        "height 2",
    ),
    (
        "an execution that was thrown away at the end",
        "start [1=A std ] [2=B/d in:0=d tx:0=d 0.w:bank/01=d res:0 end abort",
        "start [1=A std ] [2=C/e in:0=e tx:0=e 0.w:bank/01=e res:0 ]",
        "identical",
        "1 complete block",
    ),
    (
        "one that was thrown away, and the next one cut off",
        "start [1=A std ] [2=B/d in:0=d tx:0=d 0.w:bank/01=d res:0 end abort [2=C/e in:0=e tx:0=e 0.w:bank/01=e res:0",
        "start [1=A std ] [2=C/e in:0=e tx:0=e 0.w:bank/01=e res:0 ]",
        "identical",
        "height 2 was only partly compared",
    ),
    (
        "one that was thrown away before its end",
        "start [1=A std ] [2=B/d in:0=d tx:0=d 0.w:bank/01=d abort",
        "start [1=A std ] [2=C/e in:0=e tx:0=e 0.w:bank/01=e res:0 ]",
        "identical",
        "1 complete block",
    ),
    (
        "a recording that begins inside a block with cranks",
        "[+1=A crank:1=1 w:bank/01=1 ] [2=B std ]",
        "start [1=A crank:1=1 r:bank/07=7 w:bank/01=1 ] [2=B std ]",
        "identical",
        "height 1 was only partly compared",
    ),
    (
        "another crankhash",
        "start [1 r:bank/07=7 crank:1=1 w:bank/01=1 ] [2 std ]",
        "start [1 r:bank/07=7 crank:1=2 w:bank/01=1 ] [2 std ]",
        "hash only",
        "height 1, crank 1",
    ),
    (
        "another crankhash, from another JSON writer",
        "start [1 r:bank/07=7 crank:1=1 w:bank/01=1 ] [2 std ]",
        "spaced start [1 r:bank/07=7 crank:1=2 w:bank/01=1 ] [2 std ]",
        "hash only",
        "height 1, crank 1",
    ),
    (
        "another crankhash under the same activityhash, from another JSON writer",
        "start [1 r:bank/07=7 crank:1=1/8 w:bank/01=1 ] [2 std ]",
        "spaced start [1 r:bank/07=7 crank:1=2/8 w:bank/01=1 ] [2 std ]",
        "hash only",
        "height 1, crank 1",
    ),
    (
        "gas alone",
        "start [1=A std ] [2=B in:0 tx:0 0.r:bank/01=1 0.w:bank/01=2 res:0 ]",
        "start [1=A std ] [2=B in:0 tx:0 0.r:bank/01=1 0.w:bank/01=2 res:0=6 ]",
        "results only",
        "height 2, tx 0, tx-result",
    ),
    (
        "a node that went back, and records more since",
        "start [1=1 std ] [2=2 std ] [3=3 std ] [4=4 std ] start [2=2 std w:gov/05=5 ] [3=3 std w:gov/05=5 ] [4=4 std w:gov/05=5 ]",
        "start [1=1 std w:gov/05=5 ] [2=2 std w:gov/05=5 ] [3=3 std w:gov/05=5 ] [4=4 std w:gov/05=5 ]",
        "identical",
        "4 complete blocks",
    ),
    (
        "the same without AppHashes",
        "start [1 std ] [2 std ] [3 std ] [4 std ] start [2 std w:gov/05=5 ] [3 std w:gov/05=5 ] [4 std w:gov/05=5 ]",
        "start [1 std w:gov/05=5 ] [2 std w:gov/05=5 ] [3 std w:gov/05=5 ] [4 std w:gov/05=5 ]",
        "evidence insufficient",
        "height 1 only B has entries of store gov",
    ),
    (
        "a read of what was taken back, under the same AppHash",
        "start [1 std ] [2~B in:0 tx:0 0.w:bank/01=9 0.r:bank/01=9 0.r:bank/01=1 0.w:bank/02=2 res:0 ]",
        "start [1 std ] [2~B in:0 tx:0 0.w:bank/01=9 0.r:bank/01=1 0.w:bank/02=2 res:0 ]",
        "identical",
        "2 complete blocks",
    ),
    (
        "the same, cut off before its results",
        "start [1=A std ] [2~B in:0 tx:0 0.w:bank/01=9 0.r:bank/01=9 0.r:bank/01=1 0.w:bank/02=2",
        "start [1=A std ] [2~B in:0 tx:0 0.w:bank/01=9 0.r:bank/01=1 0.w:bank/02=2 res:0 ]",
        "identical",
        "height 2 was only partly compared",
    ),
    (
        "recordings that begin inside the block after which the AppHashes differ",
        "[+5=A r:bank/01=1 ] [6=B std ] [7=E std ]",
        "[+5=C r:bank/01=1 ] [6=D std ] [7=F std ]",
        "evidence insufficient",
        "AppHashes already differ after height 5",
    ),
    (
        "one recording that does",
        "[+5=A r:bank/01=1 ] [6=B std ] [7=E std ]",
        "start [5=C std ] [6=D std ] [7=F std ]",
        "evidence insufficient",
        "AppHashes already differ after height 5",
    ),
    (
        "a recording that begins behind a read that only the other side made",
        "[+1=A crank:1=1/a crank:2=2/b w:bank/01=1 crank:3=3/c ] [2=B std ]",
        "start [1=A crank:1=1/a crank:2=2/b r:bank/07=7 w:bank/01=1 crank:3=3/c ] [2=B std ]",
        "identical",
        "height 1 was only partly compared",
    ),
    (
        "one that begins behind a write of it, under the same AppHash",
        "[+1=A crank:1=1/a crank:2=2/b w:bank/01=1 crank:3=3/c ] [2=B std ]",
        "start [1=A crank:1=1/a crank:2=2/b crank:3=3/c ] start [2=B std ]",
        "identical",
        "height 1 was only partly compared",
    ),
    (
        "results behind all, and behind each",
        "start [1~A in:0 in:1 tx:0 0.w:bank/01=1 tx:1 1.w:bank/02=1 res:0 res:1 ] [2 std ]",
        "start [1~A in:0 in:1 tx:0 0.w:bank/01=1 res:0 tx:1 1.w:bank/02=1 res:1 ] [2 std ]",
        "identical",
        "2 complete blocks",
    ),
    (
        "a second execution that records more",
        "start [1=A std ] start [1=A std w:gov/05=5 ] [2=B std w:gov/05=5 ]",
        "start [1=A std w:gov/05=5 ] [2=B std w:gov/05=5 ]",
        "identical",
        "A executed height 1 more than once",
    ),
    (
        "another answer under the same AppHash",
        "start [1=A std ] [2=B r:bank/01=1 w:bank/02=2 ]",
        "start [1=A std ] [2=B r:bank/01=2 w:bank/02=2 ]",
        "identical",
        "the same read returned different values",
    ),
    (
        "a store that one side alone ever has, and no AppHash",
        "start [1 std ] [2 std ]",
        "start [1 std ] [2 std w:gov/05=5 ]",
        "evidence insufficient",
        "height 2 only B has entries of store gov",
    ),
    (
        "the same with another AppHash",
        "start [1=A std ] [2=B std ]",
        "start [1=A std ] [2=C std w:gov/05=5 ]",
        "evidence insufficient",
        "height 2 only B has entries of store gov",
    ),
    (
        "reads of a restart, and an AppHash that the commit alone tells",
        "start [1~A std ] [2~B std ]",
        "start [1~A std ] start [2~B it:upgrade next:upgrade std ]",
        "identical",
        "2 complete blocks",
    ),
    (
        "the order of reads, and another AppHash",
        "start [1~A std ] [2~B r:bank/01=1 r:bank/02=2 w:bank/03=3 ]",
        "start [1~A std ] [2~C r:bank/02=2 r:bank/01=1 w:bank/03=3 ]",
        "order differs",
        "height 2, op 0, op-read",
    ),
    (
        "two executions that were cut off, of which the longer one lacks a store",
        "start [1=A std ] [2 std w:bank/02=1 w:bank/03=1 start [2 std w:gov/05=5",
        "start [1=A std w:gov/05=5 ] [2=B std w:gov/05=5 w:bank/02=1 w:bank/03=1 ]",
        "evidence insufficient",
        "attempt 1 is compared",
    ),
    (
        "a second execution that records more, and no AppHash",
        "start [1 std ] start [1 std w:gov/05=5 ] [2 std w:gov/05=5 ]",
        "start [1 std w:gov/05=5 ] [2 std w:gov/05=5 ]",
        "identical",
        "2 complete blocks",
    ),
    (
        "a read and gas with it",
        "start [1=A std ] [2=B in:0 tx:0 0.r:bank/01=1 0.w:bank/01=2 res:0 ]",
        "start [1=A std ] [2=B in:0 tx:0 0.r:bank/01=2 0.w:bank/01=2 res:0=6 ]",
        "state differs",
        "height 2, tx 0, op 0, op-read",
    ),
    (
        "a host that records more since its restart",
        "start [1 std ] [2 std ] start [3 std w:gov/05=5 ] [4 std w:gov/05=5 ]",
        "start [1 std w:gov/05=5 ] [2 std w:gov/05=5 ] [3 std w:gov/05=5 ] [4 std w:gov/05=5 ]",
        "evidence insufficient",
        "height 1 only B has entries of store gov",
    ),
    (
        "a host that records more from some block on",
        "[1 std ] [2 std ] [3 std w:gov/05=5 ] [4 std w:gov/05=5 ]",
        "start [1 std w:gov/05=5 ] [2 std w:gov/05=5 ] [3 std w:gov/05=5 ] [4 std w:gov/05=5 ]",
        "evidence insufficient",
        "height 1 only B has entries of store gov",
    ),
    (
        "the same with AppHashes",
        "[1=A std ] [2=B std ] [3=C std w:gov/05=5 ]",
        "start [1=A std w:gov/05=5 ] [2=B std w:gov/05=5 ] [3=C std w:gov/05=5 ]",
        "identical",
        "3 complete blocks",
    ),
    (
        "a tracer that is off for a block, and another AppHash there",
        "start [1=A std ] [2=B ] [3=C std ]",
        "start [1=A std ] [2=D std ] [3=E std ]",
        "evidence insufficient",
        "height 2 only B has entries of store bank",
    ),
    (
        "a tracer that is off for a block, and results that differ there",
        "start [1=A in:0 tx:0 0.w:bank/01=1 res:0 ] [2=B in:0 res:0 ]",
        "start [1=A in:0 tx:0 0.w:bank/01=1 res:0 ] [2=C in:0 tx:0 0.w:bank/01=1 res:0=7 ]",
        "execution differs",
        "height 2, tx 0, tx-result",
    ),
    (
        "a write that differs beside a store of one side",
        "start [1 std w:gov/05=5 ] [2 r:bank/01=1 w:bank/01=2 w:gov/05=5 ]",
        "start [1 std ] [2 r:bank/01=1 w:bank/01=3 ]",
        "execution differs",
        "height 2, op 1, op-write",
    ),
    (
        "a write that one side alone made before the other was cut off",
        "start [1=A std ] [2 r:bank/01=1 w:bank/01=2",
        "start [1=A std ] [2=B w:gov/05=5 r:bank/01=1 w:bank/01=2 w:bank/02=3 ]",
        "evidence insufficient",
        "height 2 only B has entries of store gov",
    ),
    (
        "a write that one side made where the other was cut off already",
        "start [1=A std ] [2 r:bank/01=1 w:bank/01=2",
        "start [1=A std ] [2=B r:bank/01=1 w:bank/01=2 w:gov/05=5 w:bank/02=3 ]",
        "identical",
        "height 2 was only partly compared",
    ),
    (
        "what a node executed before it went back",
        "start [1 std ] [2 std ] [3 r:bank/01=1 w:bank/01=9 ] [4 std ] start [3 ] [4 ] [5 ]",
        "start [1 std ] [2 std ] [3 std ] [4 std ] [5 std ]",
        "execution differs",
        "height 3, op 1, op-write",
    ),
    (
        "AppHashes alone",
        "start [1=A std ] [2=B std ]",
        "start [1=A std ] [2=C std ]",
        "outside the recording",
        "height 2",
    ),
    (
        "a read that differs in the first block that both have",
        "start [4=A std ] [5=B r:bank/01=1 ]",
        "start [5=C r:bank/01=2 ]",
        "state differs",
        "the fault may have happened before",
    ),
];

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn pairs_of_recordings_are_judged_by_what_both_tell() {
    let folder = tempfile::tempdir().expect("a folder");
    for (index, (what, one, other, verdict, words)) in PAIRS.iter().enumerate() {
        let [a, b] = [one, other].map(|_| folder.path().join("none"));
        let (a, b) = (
            a.with_file_name(format!("{index}a.slog")),
            b.with_file_name(format!("{index}b.slog")),
        );
        write(&a, one);
        write(&b, other);
        for (mirrored, [a, b]) in [(false, [&a, &b]), (true, [&b, &a])] {
            let arguments = ["--profile", "host", text(a), text(b)];
            let shown = run(&[&["diff"][..], &arguments].concat());
            let told = String::from_utf8_lossy(&shown.stdout)
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            let said = format!("{what}, mirrored: {mirrored}:\n{told}");
            assert!(told.contains(&verdict.to_uppercase()), "{verdict}: {said}");
            let words = if mirrored {
                swapped(words)
            } else {
                (*words).to_owned()
            };
            assert!(told.contains(&words), "{words:?}: {said}");
            let compared = run(&[&["compare"][..], &arguments].concat());
            assert_eq!(
                compared.status.code(),
                shown.status.code(),
                "compare: {said}"
            );
        }
    }
}

/// The words about the other side.
fn swapped(words: &str) -> String {
    let word = |word| match word {
        "A" => "B",
        "B" => "A",
        other => other,
    };
    words.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Recordings by their names.
fn written(folder: &Path, recordings: &[(&str, String)]) -> Vec<PathBuf> {
    let write = |(name, words): &(&str, String)| {
        let path = folder.join(name);
        write(&path, words);
        path
    };
    recordings.iter().map(write).collect()
}

/// Blocks with the same AppHash, each of these words.
fn blocks(
    heights: std::ops::RangeInclusive<u64>,
    hash: &str,
    words: impl Fn(u64) -> String,
) -> String {
    let block = |height| format!("[{height}{hash} {} ] ", words(height));
    format!("start {}", heights.map(block).collect::<String>())
}

/// The groups and what is undecided, whatever their order.
fn groups(document: &Value) -> (BTreeSet<Vec<String>>, usize, usize) {
    let groups = document["groups"].as_array().expect("groups");
    let names = |group: &Value| {
        let nodes = group["nodes"].as_array().expect("nodes").iter();
        let names = nodes.map(|name| {
            name.as_str()
                .expect("a name")
                .rsplit('/')
                .next()
                .expect("a file")
                .to_owned()
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    };
    let count = |list: &str| document[list].as_array().map_or(0, Vec::len);
    (
        groups.iter().map(names).collect(),
        count("undecided"),
        count("notes"),
    )
}

#[test]
fn who_agrees_with_whom_does_not_hang_on_the_names() {
    let std = |_| "std".to_owned();
    let bad = |height| {
        if height < 10 {
            "std"
        } else {
            "r:bank/01=1 w:bank/01=9"
        }
        .to_owned()
    };
    let full = |last: u64, value: &'static str| {
        blocks(1..=last, "", move |height| {
            let value = if height < 3 { "1" } else { value };
            format!("r:bank/01=1 w:bank/01={value} u:{height}")
        })
    };
    let cases = [
        (
            "one that ends before the others part",
            [
                ("a", blocks(1..=9, "", std)),
                ("b", blocks(8..=12, "", std)),
                ("c", blocks(8..=12, "", bad)),
            ],
            None,
            (0, 1),
        ),
        (
            "one without a tracer",
            [
                ("a", blocks(1..=8, "", |height| format!("u:{height}"))),
                ("b", full(4, "1")),
                ("c", full(4, "2")),
            ],
            Some([vec!["b"], vec!["c"]]),
            (1, 0),
        ),
    ];
    for (what, recordings, expected, open) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = written(folder.path(), &recordings);
        let mut seen = BTreeSet::new();
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let names = order.map(|at| text(&paths[at]));
            let document =
                output_json(&[&["compare", "--json", "--profile", "host"][..], &names].concat());
            assert_eq!(document["exit"], 1, "{what} {order:?}: {document:#}");
            let (groups, undecided, notes) = groups(&document);
            assert_eq!((undecided, notes), open, "{what} {order:?}: {document:#}");
            seen.insert(groups);
        }
        assert_eq!(seen.len(), 1, "{what}: {seen:?}");
        if let Some(expected) = expected {
            let expected =
                expected.map(|group| group.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(
                seen.into_iter().next(),
                Some(expected.into_iter().collect()),
                "{what}"
            );
        }
    }
}

/// What two fingerprints say, and one beside the other's recording: A and B, the exit code
/// and words.
const PRINTS: [(&str, &str, &str, i32, &str); 14] = [
    (
        "a block that is given other transactions",
        "start [1=A given:txsDigest=a std ] [2=B/b given:txsDigest=b std ]",
        "start [1=A given:txsDigest=a std ] [2=C/c given:txsDigest=c std ]",
        1,
        "The block had another input: txs",
    ),
    (
        "one that is given other votes, by a host without a digest where the block begins",
        "start [1=A given:txsDigest=a std ] [2 given:lastCommit=b std ]",
        "start [1=A given:txsDigest=a std ] [2 given:lastCommit=c std ]",
        1,
        "The block had another input: votes",
    ),
    (
        "other steps of blocks that were given the same",
        "start [1=A given:txsDigest=a std ] [2=B given:txsDigest=b,lastCommit=a std ]",
        "start [1=A given:txsDigest=a std ] [2=C given:txsDigest=b,lastCommit=a r:bank/01=1 w:bank/01=2 ]",
        1,
        "the inputs of the blocks are equal at all 2 heights where both recorded them: time, txs, votes (at 1 of them)",
    ),
    (
        "transactions that one side alone tells",
        "start [1=A given:txsDigest=a std ] [2=B given:txsDigest=b std ]",
        "start [1=A given:txsDigest=a std ] [2=B given:lastCommit=b std ]",
        2,
        "txs (at 1 of them)",
    ),
    (
        "nodes that are set up otherwise",
        "start [1=A given:txsDigest=a,local.config=a std ] [2=B std ]",
        "start [1=A given:txsDigest=a,local.config=b std ] [2=B std ]",
        0,
        "config differs between A and B at height 1",
    ),
    (
        "another block that is a proposal, and begins alike",
        "start [1=A given:txsDigest=a std ] [2=B given:txsDigest=b std ]",
        "start [1=A given:txsDigest=a std ] [2 given:txsDigest=c,local.proposal=true r:bank/01=7",
        0,
        "1 complete block",
    ),
    (
        "other transactions right behind heights that are missing",
        "start [1=A given:txsDigest=a std ] [2=B std ] [3=C/b given:txsDigest=b std ]",
        "start [1=A given:txsDigest=a std ] start [3=D/c given:txsDigest=c std ]",
        2,
        "The first difference comes directly after missing heights, which may contain its cause: the block had another input: txs",
    ),
    (
        "the decided block, which a side begins on its proposal and executes otherwise",
        "start [1=A decided std ] [2=B decided r:bank/01=1 w:bank/01=1 w:bank/02=1 ]",
        "start [1=A decided std ] [2 proposed r:bank/01=1 w:bank/01=2 w:bank/02=1",
        2,
        "height 2",
    ),
    (
        "a proposal that a side executes before its decision",
        "start [1=A decided std ] [2=B decided std ]",
        "start [1=A decided std ] [2/b proposed r:bank/01=7",
        0,
        "1 complete block",
    ),
    (
        "another AppHash",
        "start [1=A ] [2=B ]",
        "start [1=A ] [2=C ]",
        1,
        "but the AppHashes differ",
    ),
    (
        "the same AppHash",
        "start [1=A std ] [2=B std ]",
        "start [1=A std ] [2=B std ]",
        0,
        "2 complete blocks",
    ),
    (
        "no AppHash",
        "start [1 ] [2 ]",
        "start [1 ] [2 ]",
        2,
        "but the AppHash of height 1 is not known on both sides",
    ),
    (
        "an AppHash that one does not tell",
        "start [1=A ] [2=B ]",
        "start [1=A ] [2 ]",
        2,
        "but the AppHash of height 2 is not known on both sides",
    ),
    (
        "other steps and another AppHash",
        "start [1~A std ] [2~B std ]",
        "start [1~A std ] [2~C r:bank/01=1 w:bank/01=2 ]",
        1,
        "the AppHashes after it differ too",
    ),
];

#[test]
#[ignore = "long; `-- --ignored` runs it"]
fn fingerprints_tell_another_state() {
    let folder = tempfile::tempdir().expect("a folder");
    for (what, one, other, code, words) in PRINTS {
        let paths = written(
            folder.path(),
            &[("a", one.to_owned()), ("b", other.to_owned())],
        );
        let prints: Vec<PathBuf> = paths
            .iter()
            .map(|path| path.with_extension("fingerprint"))
            .collect();
        for (path, print) in paths.iter().zip(&prints) {
            let _ = std::fs::remove_file(print);
            output(
                0,
                &[
                    "fingerprint",
                    "--profile",
                    "host",
                    text(path),
                    "-o",
                    text(print),
                ],
            );
        }
        for [a, b] in [
            [&prints[0], &prints[1]],
            [&prints[1], &prints[0]],
            [&prints[0], &paths[1]],
            [&paths[0], &prints[1]],
        ] {
            for command in ["diff", "compare"] {
                let shown = run(&[command, "--profile", "host", text(a), text(b)]);
                let told = String::from_utf8_lossy(&shown.stdout)
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                assert_eq!(shown.status.code(), Some(code), "{what}: {command}: {told}");
                assert!(
                    command == "compare" || told.contains(words),
                    "{what}: {told}"
                );
            }
        }
    }
}

#[test]
fn a_recording_says_what_it_has_from_which_height_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = "start [1 std in:0 res:0 ] [2=B it:bank std w:gov/05=5 ] [3=C r:bank/01=2 ]";
    let paths = written(folder.path(), &[("a", words.to_owned())]);
    let path = text(&paths[0]);
    let expected =
        "AppHash (heights 2 to 3), store bank, store gov (height 2), tx-result (height 1)";
    for arguments in [&["info", path][..], &["diff", path, path]] {
        let shown = run(&[arguments, &["--profile", "host"]].concat());
        let told = String::from_utf8_lossy(&shown.stdout)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(told.contains(expected), "{told}");
    }
    let info = output_json(&["info", "--json", "--profile", "host", path]);
    let bank = &info["sources"][0]["streams"][1];
    assert_eq!(
        (&bank["first_height"], &bank["last_height"]),
        (&1.into(), &3.into()),
        "{info:#}"
    );
    let said = run(&["verify", "--reads", "--profile", "host", path]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("changed outside the host"), "{said}");
}
