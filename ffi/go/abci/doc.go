// Package abci marks the blocks of an application of CometBFT 0.38, 0.39 or
// 0.40, and records what goes in and what comes out of each:
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
// The input of begin-block is the SHA-256 of the step-input entry as it
// stands. In that, txsDigest is the SHA-256 over the transactions' digests in
// their order, lastCommit and misbehavior are the SHA-256 of what the request
// holds, in protobuf; null stands for nothing. A transaction's digest is its
// SHA-256, which is CometBFT's hash of it. A tx-result has what LastResultsHash
// is made of; codespace and log of a failed one are in its member "local",
// which is not compared. Where it is known, step-input ends with a member "local", which
// is not compared either and is no part of the input of begin-block: "params", a digest of
// the consensus parameters that the block is executed with, known from InitChain until
// the process ends, and "config", what the application gave as [Options.Config].
// step-updates stands where a block changes
// validators or consensus parameters.
//
// # When a block is released
//
// No request of ABCI 2.0 carries the network's AppHash: CometBFT compares it
// itself. It calls FinalizeBlock(H+1) only after block H+1 was decided and its
// header, with AppHash(H), was found to be this node's; also in block sync and
// in the replay after a restart. So FinalizeBlock(H+1) confirms H, with the
// AppHash this node has: provided that the wrapper stands right under CometBFT.
// An application that begins blocks on a mere proposal proves nothing by
// that, so with [Options.OptimisticExecution] nothing is confirmed: Commit of H+1
// releases H a moment later.
//
// A node that differs never gets to FinalizeBlock(H+1), and the application is
// not told why. The words are in the log: use the package cometlog beside this.
package abci
