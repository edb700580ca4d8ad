package abci1

import (
	"github.com/cometbft/cometbft/abci/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// input is what a block brings, beside its transactions.
type input struct {
	dataHash, hash, nextValidators, proposer []byte
	lastCommit                               types.CommitInfo
	misbehavior                              []types.Misbehavior
}

func inputOf(req *types.RequestBeginBlock) input {
	return input{
		dataHash:       req.Header.DataHash,
		hash:           req.Hash,
		nextValidators: req.Header.NextValidatorsHash,
		proposer:       req.Header.ProposerAddress,
		lastCommit:     req.LastCommitInfo,
		misbehavior:    req.ByzantineValidators,
	}
}

// line is the entry whose digest stands for the whole input.
func (in *input) line(e *entry.Entry) *entry.Entry {
	e.Begin("step-input").Hex("dataHash", noneIfEmpty(in.dataHash))
	e.Hex("lastCommit", digest(marshalled(&in.lastCommit)))
	e.Hex("misbehavior", in.misbehaviorDigest())
	e.Hex("nextValidators", noneIfEmpty(in.nextValidators)).Hex("proposer", noneIfEmpty(in.proposer))
	return e.Hex("block", noneIfEmpty(in.hash))
}
