package abci

import (
	"crypto/sha256"
	"time"

	"github.com/cometbft/cometbft/abci/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// input is the input of a block, the same in a proposal and in its decision.
type input struct {
	height                         uint64
	time                           time.Time
	hash, nextValidators, proposer []byte
	txs                            [][]byte
	lastCommit                     types.CommitInfo
	misbehavior                    []types.Misbehavior
}

func inputOf(req *types.RequestFinalizeBlock) input {
	return input{
		height:         natural(req.Height),
		time:           req.Time,
		hash:           req.Hash,
		nextValidators: req.NextValidatorsHash,
		proposer:       req.ProposerAddress,
		txs:            req.Txs,
		lastCommit:     req.DecidedLastCommit,
		misbehavior:    req.Misbehavior,
	}
}

func inputOfProposal(req *types.RequestProcessProposal) input {
	return input{
		height:         natural(req.Height),
		time:           req.Time,
		hash:           req.Hash,
		nextValidators: req.NextValidatorsHash,
		proposer:       req.ProposerAddress,
		txs:            req.Txs,
		lastCommit:     req.ProposedLastCommit,
		misbehavior:    req.Misbehavior,
	}
}

func (in *input) txDigests() [][sha256.Size]byte {
	digests := make([][sha256.Size]byte, len(in.txs))
	for at, tx := range in.txs {
		digests[at] = sha256.Sum256(tx)
	}
	return digests
}

// line returns the entry whose digest is the digest of the whole input.
func (in *input) line(e *entry.Entry, txDigests [][sha256.Size]byte) []byte {
	return in.members(e, txDigests).End()
}

// members writes the members of the line; the caller may add others.
func (in *input) members(e *entry.Entry, txDigests [][sha256.Size]byte) *entry.Entry {
	all := sha256.New()
	for at := range txDigests {
		all.Write(txDigests[at][:])
	}
	e.Begin("step-input").Int("txs", int64(len(in.txs))).Hex("txsDigest", all.Sum(nil))
	e.Hex("lastCommit", digest(marshalled(&in.lastCommit)))
	e.Hex("misbehavior", in.misbehaviorDigest())
	e.Hex("nextValidators", noneIfEmpty(in.nextValidators)).Hex("proposer", noneIfEmpty(in.proposer))
	return e.Hex("block", noneIfEmpty(in.hash))
}

// misbehaviorDigest returns nil for no misbehavior.
func (in *input) misbehaviorDigest() []byte {
	if len(in.misbehavior) == 0 {
		return nil
	}
	all := sha256.New()
	for at := range in.misbehavior {
		all.Write(digest(marshalled(&in.misbehavior[at])))
	}
	return all.Sum(nil)
}

// marshalled is deterministic, because none of these messages has a map.
func marshalled(message interface{ Marshal() ([]byte, error) }) []byte {
	bytes, err := message.Marshal()
	if err != nil {
		return nil
	}
	return bytes
}

func digest(bytes []byte) []byte {
	sum := sha256.Sum256(bytes)
	return sum[:]
}

// noneIfEmpty returns nil for an empty slice. A client in the process passes nil where one behind a
// socket makes an empty slice, and both nodes got the same request.
func noneIfEmpty(bytes []byte) []byte {
	if len(bytes) == 0 {
		return nil
	}
	return bytes
}
