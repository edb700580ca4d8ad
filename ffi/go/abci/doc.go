// Package abci marks the blocks of an application of CometBFT 0.38, 0.39 or 0.40, and records the
// input and the results of each:
//
//	{"type":"begin-block","height":7,"time":"..","input":".."}
//	{"type":"step-input","txs":2,"txsDigest":"..","lastCommit":"..","misbehavior":null,"nextValidators":"..","proposer":"..","block":".."}
//	{"type":"tx-input","tx":0,"digest":"..","bytes":212}
//	...                                     what the application records itself
//	{"type":"tx-result","tx":0,"code":0,"data":"..","gasWanted":200000,"gasUsed":71233}
//	{"type":"step-updates","validators":"..","params":null}
//	{"type":"end-block","height":7,"appHash":".."}
//	{"type":"commit-block","height":7,"appHash":".."}
//
// The input of begin-block is the SHA-256 of the step-input entry, without its member "local". In
// that entry, txsDigest is the SHA-256 over the transactions' digests in their order, and
// lastCommit and misbehavior are the SHA-256 of the request's members in protobuf; null means
// nothing. The digest of a transaction is its SHA-256, which is CometBFT's hash of it. A tx-result
// has the members that LastResultsHash is made of. The codespace and the log of a failed
// transaction are in its member "local", which is not compared. If known, step-input ends with a
// member "local", which is not compared either: "params", a digest of the consensus parameters that
// the block is executed with, known from InitChain until the process ends, and "config", the
// application's [Options.Config]. A block that changes validators or consensus parameters has an
// entry step-updates.
//
// # When a block is released
//
// No request of ABCI 2.0 has the network's AppHash: CometBFT compares it itself. It calls
// FinalizeBlock(H+1) only after block H+1 was decided and AppHash(H) in its header was found equal
// to this node's, also in block sync and in the replay after a restart. So FinalizeBlock(H+1)
// confirms H with this node's AppHash, provided that the wrapper stands directly under CometBFT. An
// application that begins blocks on a mere proposal proves nothing by that. So with
// [Options.OptimisticExecution] nothing is confirmed; Commit of H+1 releases H a moment later.
//
// A node that differs never reaches FinalizeBlock(H+1), and the application does not learn why. The
// log says it: use the package cometlog, too.
package abci
