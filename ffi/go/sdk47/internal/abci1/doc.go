// Package abci1 marks the blocks of an application of CometBFT 0.37, and records what
// goes in and what comes out of each, as package abci does for later releases:
//
//	{"type":"begin-block","height":7,"time":"..","input":".."}
//	{"type":"step-input","dataHash":"..","lastCommit":"..","misbehavior":null,"nextValidators":"..","proposer":"..","block":".."}
//	...                                     what the application does as the block begins
//	{"type":"tx-input","tx":0,"digest":"..","bytes":212}
//	...                                     what it does in the transaction
//	{"type":"tx-result","tx":0,"code":0,"data":"..","gasWanted":200000,"gasUsed":71233}
//	...                                     what it does as the block ends
//	{"type":"step-updates","validators":"..","params":".."}
//	{"type":"end-block","height":7,"appHash":".."}
//	{"type":"commit-block","height":7,"appHash":".."}
//
// Two things differ from the later releases, because CometBFT 0.37 tells them at other
// times:
//
//   - It hands over the transactions one by one, behind BeginBlock. So step-input has no
//     digest of them but the header's DataHash, which is made of all: dataHash stands in
//     the place of txs and txsDigest. Each tx-input comes as its transaction does.
//   - The AppHash is what Commit answers. So end-block comes with it: a process that is
//     killed between the two leaves a block without an end.
//
// The input of begin-block is the SHA-256 of the step-input entry as it stands. lastCommit
// is the SHA-256 of RequestBeginBlock's member, whose votes say whether a validator
// signed, and not what.
//
// # When a block is released
//
// The header of block H+1 has the AppHash that the network has of H. CometBFT compares it
// with this node's before it calls BeginBlock(H+1), in consensus, in block sync and in the
// replay after a start. So BeginBlock(H+1) confirms H.
package abci1
