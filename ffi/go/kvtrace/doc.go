// Package kvtrace records what the execution of a block reads from and writes to its stores, in
// order:
//
//	{"type":"tx-begin","tx":3,"digest":"..","bytes":212,"local":{"messages":["/cosmos.bank.v1beta1.MsgSend"]}}
//	{"type":"op-read","tx":3,"op":0,"store":"bank","key":"02a1","value":".."}
//	{"type":"op-write","tx":3,"op":1,"store":"bank","key":"02a1","bytes":5,"value":".."}
//	{"type":"op-has","tx":3,"op":2,"store":"bank","key":"02a2","found":false}
//	{"type":"op-delete","tx":3,"op":3,"store":"bank","key":"02a2"}
//	{"type":"op-iterate","tx":3,"op":4,"store":"bank","start":"02","end":"03","reverse":false}
//	{"type":"op-next","tx":3,"op":5,"store":"bank","of":4,"key":"02a1","value":".."}
//	{"type":"op-next","tx":3,"op":6,"store":"bank","of":4,"key":null}
//
// A value is the SHA-256 of its bytes, or null if there was none. A key is hex, or `sha256:` and a
// digest if it has more than 64 bytes. Entries outside a transaction have no `tx`. `op` counts from
// 0 in each transaction, and in each part of a block outside one.
//
// # Branches
//
// Many hosts write into a cache that is written to the store later or discarded: a transaction that
// fails, a call that a contract reverts. Discarded writes never took effect. Without a record of
// branches a reader cannot know which writes did. So say on which [Branch] a store is used
// ([WrapOn]), and when a branch is written ([Attempt.Written]):
//
//	{"type":"branch","branch":1,"of":0}
//	{"type":"op-write","op":0,"store":"bank","key":"02a1","bytes":5,"value":".."}
//	{"type":"branch-written","branch":1}
//
// The operations behind a `branch` entry are done on that branch, up to the next such entry. These
// entries do not count for a block's HASH, and are not compared.
//
// # What to wrap
//
// The order is evidence: two nodes are compared operation by operation, and the order must be the
// same on all of them. So wrap only the stores of the execution, as its code sees them. Do not wrap
// stores that CheckTx, queries, simulation or background jobs read from: a node that answers more
// queries would seem to differ. If transactions are executed in parallel, the order of their
// operations is random; wrap the stores into which the results are merged, or leave the tracer off.
//
// Every step of an iteration is recorded when the iterator reaches it, with its key and value,
// whether or not the caller reads them.
package kvtrace
