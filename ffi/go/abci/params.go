package abci

import (
	"crypto/sha256"

	"github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
)

// params are the digests of the sections of the current consensus parameters, in the order of their
// fields. They are known from InitChain on; an application that was restarted does not get them.
type params struct {
	known    bool
	sections [5][sha256.Size]byte
}

// begin takes the parameters that a chain begins with: those of its genesis, with the application's
// changes.
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

// change applies the application's changes for the next block.
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

// digest returns nil if the parameters are not known.
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

// section returns the digest of a section. A missing section counts as one of zeros.
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
