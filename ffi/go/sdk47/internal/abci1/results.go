// Code generated from abci/output.go; DO NOT EDIT.

package abci1

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/cometbft/cometbft/abci/types"
	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// longestLog is the kept length of a failed transaction's log, in bytes.
const longestLog = 256

// resultLine returns an entry with the members that LastResultsHash is made of, and separately
// those that help to understand a failure.
func resultLine(e *entry.Entry, number int, tx *types.ResponseDeliverTx) []byte {
	e.Begin("tx-result").Int("tx", int64(number))
	if tx == nil {
		return e.Bool("missing", true).End()
	}
	e.Int("code", int64(tx.Code))
	e.Digest("data", noneIfEmpty(tx.Data))
	e.Int("gasWanted", tx.GasWanted).Int("gasUsed", tx.GasUsed)
	if tx.Code != types.CodeTypeOK {
		log := tx.Log[:min(len(tx.Log), longestLog)]
		e.Open("local").Text("codespace", tx.Codespace).Text("log", log).Shut()
	}
	return e.End()
}

// changesRules reports whether the next headers get other hashes of validators or parameters.
func changesRules(response *types.ResponseEndBlock) bool {
	return len(response.ValidatorUpdates) > 0 || response.ConsensusParamUpdates != nil
}

func updatesLine(e *entry.Entry, response *types.ResponseEndBlock) []byte {
	e.Begin("step-updates").Hex("validators", validatorsDigest(response.ValidatorUpdates))
	if response.ConsensusParamUpdates == nil {
		return e.Hex("params", nil).End()
	}
	return e.Hex("params", digest(marshalled(response.ConsensusParamUpdates))).End()
}

// validatorsDigest does not depend on the order of the updates, as CometBFT's validator set does
// not. It is nil for none.
func validatorsDigest(updates []types.ValidatorUpdate) []byte {
	if len(updates) == 0 {
		return nil
	}
	digests := make([][]byte, len(updates))
	for at := range updates {
		digests[at] = digest(marshalled(&updates[at]))
	}
	slices.SortFunc(digests, bytes.Compare)
	all := sha256.New()
	for _, one := range digests {
		all.Write(one)
	}
	return all.Sum(nil)
}
