// Package kvtrace records what the execution of a block reads from and writes
// to its stores, in the order in which it does so:
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
// A value is the SHA-256 of its bytes, or null where there was none; a key is
// hex, or `sha256:` and a digest if it has more than 64 bytes. `tx` is left out
// of what stands outside a transaction. `op` counts from 0 in each
// transaction, and in each part of a block outside one.
//
// # Branches
//
// Many hosts write into a cache that is written to the store later, or thrown away: a
// transaction that fails, a call that a contract undoes. What was written there never
// took effect, and without a word of it a reader can only say that it does not know. So
// tell on which [Branch] a store is used ([WrapOn]), and when a branch is written
// ([Attempt.Written]):
//
//	{"type":"branch","branch":1,"of":0}
//	{"type":"op-write","op":0,"store":"bank","key":"02a1","bytes":5,"value":".."}
//	{"type":"branch-written","branch":1}
//
// What follows a `branch` is done on it, up to the next one. These entries are no part
// of a block's name, and are not compared.
//
// # What to wrap
//
// The order is evidence: two nodes are compared operation by operation, and it
// must be the same on all of them. So wrap the stores of the execution alone, as
// its code sees them, and never those that CheckTx, queries, simulation or
// background jobs read from: a node that answers more queries would seem to
// differ. Where transactions are executed in parallel their operations come in
// an order of chance; wrap the stores into which the results are merged, or
// leave the tracer off.
//
// Every step of an iteration is recorded as the iterator arrives there, with
// its key and value, whether or not the caller looks at them.
package kvtrace
