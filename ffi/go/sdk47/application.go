package sdk47

import (
	"errors"
	"io"

	abcitypes "github.com/cometbft/cometbft/abci/types"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/types"
)

// application passes everything on, and records on the way.
type application struct {
	servertypes.Application
	box *Box
}

// Info is what CometBFT asks first.
func (a *application) Info(req abcitypes.RequestInfo) abcitypes.ResponseInfo {
	a.box.start(a.Application)
	return a.box.marker.Info(func() abcitypes.ResponseInfo { return a.Application.Info(req) })
}

// InitChain makes the branch that the first block is executed on.
func (a *application) InitChain(req abcitypes.RequestInitChain) abcitypes.ResponseInitChain {
	a.box.start(a.Application)
	defer a.box.stores.expect()()
	return a.Application.InitChain(req)
}

func (a *application) BeginBlock(req abcitypes.RequestBeginBlock) abcitypes.ResponseBeginBlock {
	a.box.start(a.Application)
	return a.box.marker.BeginBlock(req, func() abcitypes.ResponseBeginBlock {
		a.box.stores.begin(req.Header)
		defer a.box.stores.expect()()
		a.box.stores.enter("BeginBlock")
		return a.Application.BeginBlock(req)
	})
}

// DeliverTx has the operations of the transaction stand in it.
func (a *application) DeliverTx(req abcitypes.RequestDeliverTx) abcitypes.ResponseDeliverTx {
	return a.box.marker.DeliverTx(req, func(number int) abcitypes.ResponseDeliverTx {
		a.box.stores.attempt().BeginTx(number, req.Tx, messageTypes(req.Tx)...)
		return a.Application.DeliverTx(req)
	})
}

func (a *application) EndBlock(req abcitypes.RequestEndBlock) abcitypes.ResponseEndBlock {
	return a.box.marker.EndBlock(func() abcitypes.ResponseEndBlock {
		a.box.stores.enter("EndBlock")
		return a.Application.EndBlock(req)
	})
}

func (a *application) Commit() abcitypes.ResponseCommit {
	return a.box.marker.Commit(func() abcitypes.ResponseCommit {
		response := a.Application.Commit()
		if !a.box.stores.wasWritten() {
			a.box.logger.Error(untraced.Error())
		}
		return response
	})
}

// CommitMultiStore is the application's own, for the server's commands, which need
// one of the SDK's own type.
func (a *application) CommitMultiStore() storetypes.CommitMultiStore {
	return a.box.bare(a.Application)
}

// Close is called by the server of later releases of the SDK 0.47.
func (a *application) Close() error {
	defer a.box.close()
	if inner, is := a.Application.(io.Closer); is {
		return inner.Close()
	}
	return nil
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
var untraced = errors.New("haltbox: this release of the SDK executes blocks on other stores than those that are traced; " +
	"reads and writes are not recorded any more, set haltbox.stores to roots")
