package sdk

import (
	"errors"

	abcitypes "github.com/cometbft/cometbft/abci/types"

	storetypes "cosmossdk.io/store/types"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
)

// application passes everything on, and records on the way.
type application struct {
	servertypes.Application
	box *Box
}

// Info is what CometBFT asks first.
func (a *application) Info(req *abcitypes.RequestInfo) (*abcitypes.ResponseInfo, error) {
	a.box.start(a.Application)
	return a.box.marker.Info(func() (*abcitypes.ResponseInfo, error) {
		return a.Application.Info(req)
	})
}

func (a *application) InitChain(req *abcitypes.RequestInitChain) (*abcitypes.ResponseInitChain, error) {
	a.box.start(a.Application)
	return a.box.marker.InitChain(req, func() (*abcitypes.ResponseInitChain, error) {
		defer a.box.stores.expect(first, nil)()
		return a.Application.InitChain(req)
	})
}

func (a *application) ProcessProposal(
	req *abcitypes.RequestProcessProposal,
) (*abcitypes.ResponseProcessProposal, error) {
	a.box.start(a.Application)
	return a.box.marker.ProcessProposal(req, func() (*abcitypes.ResponseProcessProposal, error) {
		defer a.box.stores.expect(second, req.Txs)()
		response, err := a.Application.ProcessProposal(req)
		if err != nil || response == nil || !response.IsAccepted() {
			a.box.stores.refuse()
		}
		return response, err
	})
}

func (a *application) FinalizeBlock(
	req *abcitypes.RequestFinalizeBlock,
) (*abcitypes.ResponseFinalizeBlock, error) {
	a.box.start(a.Application)
	return a.box.marker.FinalizeBlock(req, func() (*abcitypes.ResponseFinalizeBlock, error) {
		a.box.stores.decide(req)
		defer a.box.stores.expect(first, req.Txs)()
		response, err := a.Application.FinalizeBlock(req)
		if err == nil && !a.box.stores.wasWritten() {
			a.box.logger.Error(untraced.Error())
		}
		return response, err
	})
}

func (a *application) Commit() (*abcitypes.ResponseCommit, error) {
	return a.box.marker.Commit(a.Application.Commit)
}

// CommitMultiStore is the application's own, for the server's commands, which need
// one of the SDK's own type.
func (a *application) CommitMultiStore() storetypes.CommitMultiStore {
	return a.box.bare(a.Application)
}

func (a *application) Close() error {
	defer a.box.close()
	return a.Application.Close()
}

// bare is the store under the tracer.
func (b *Box) bare(app servertypes.Application) storetypes.CommitMultiStore {
	store := app.CommitMultiStore()
	if traced, is := store.(interface {
		bare() storetypes.CommitMultiStore
	}); is {
		return traced.bare()
	}
	return store
}

// untraced: what was traced is not what the block wrote.
var untraced = errors.New("haltbox: this node executes blocks in another way than the one that is traced; " +
	"reads and writes are not recorded any more, set haltbox.stores to writes")
