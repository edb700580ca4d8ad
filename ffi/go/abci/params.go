package abci

import (
	"crypto/sha256"

	"github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
)

// params are the digests of the sections of the consensus parameters that are in
// force, in the order of their fields. They are known from InitChain on; an
// application that was started again is not told them.
type params struct {
	known    bool
	sections [5][sha256.Size]byte
}

// begin takes the parameters that a chain begins with: those of its genesis, and what
// the application makes of them.
func (p *params) begin(req *types.RequestInitChain, response *types.ResponseInitChain) {
	if req == nil || response == nil || req.ConsensusParams == nil {
		return
	}
	of := req.ConsensusParams
	p.known = true
	p.sections = [5][sha256.Size]byte{
		section(of.Block), section(of.Evidence), section(of.Validator), section(of.Version), section(of.Abci),
	}
	p.change(response.ConsensusParams)
}

// change takes what the application changes of them for the next block.
func (p *params) change(changed *cmtproto.ConsensusParams) {
	if changed == nil {
		return
	}
	update(&p.sections[0], changed.Block)
	update(&p.sections[1], changed.Evidence)
	update(&p.sections[2], changed.Validator)
	update(&p.sections[3], changed.Version)
	update(&p.sections[4], changed.Abci)
}

// digest is nil where they are not known.
func (p *params) digest() []byte {
	if !p.known {
		return nil
	}
	all := sha256.New()
	for at := range p.sections {
		all.Write(p.sections[at][:])
	}
	return all.Sum(nil)
}

// message is a section of the parameters.
type message[T any] interface {
	*T
	Marshal() ([]byte, error)
}

// section: one that is not there is the same as one of zeros.
func section[T any, M message[T]](of M) [sha256.Size]byte {
	if of == nil {
		of = new(T)
	}
	return sha256.Sum256(marshalled(of))
}

func update[T any, M message[T]](into *[sha256.Size]byte, of M) {
	if of != nil {
		*into = section(of)
	}
}
