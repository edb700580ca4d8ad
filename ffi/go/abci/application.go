package abci

import (
	"context"

	"github.com/cometbft/cometbft/abci/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

// Wrap returns an application whose blocks are marked and recorded. All requests and responses pass
// unchanged. Put it directly under CometBFT:
//
//	proxy.NewLocalClientCreator(abci.Wrap(app, recorder, abci.Options{}))
//
// It returns the application itself if the recorder is switched off.
func Wrap(app types.Application, recorder *haltbox.Recorder, options Options) types.Application {
	if recorder == nil {
		return app
	}
	return &application{Application: app, marker: NewMarker(recorder, options)}
}

type application struct {
	types.Application
	marker *Marker
}

func (a *application) Info(ctx context.Context, req *types.RequestInfo) (*types.ResponseInfo, error) {
	return a.marker.Info(func() (*types.ResponseInfo, error) {
		return a.Application.Info(ctx, req)
	})
}

func (a *application) InitChain(ctx context.Context, req *types.RequestInitChain) (*types.ResponseInitChain, error) {
	return a.marker.InitChain(req, func() (*types.ResponseInitChain, error) {
		return a.Application.InitChain(ctx, req)
	})
}

func (a *application) ProcessProposal(
	ctx context.Context, req *types.RequestProcessProposal,
) (*types.ResponseProcessProposal, error) {
	return a.marker.ProcessProposal(req, func() (*types.ResponseProcessProposal, error) {
		return a.Application.ProcessProposal(ctx, req)
	})
}

func (a *application) FinalizeBlock(
	ctx context.Context, req *types.RequestFinalizeBlock,
) (*types.ResponseFinalizeBlock, error) {
	return a.marker.FinalizeBlock(req, func() (*types.ResponseFinalizeBlock, error) {
		return a.Application.FinalizeBlock(ctx, req)
	})
}

func (a *application) Commit(ctx context.Context, req *types.RequestCommit) (*types.ResponseCommit, error) {
	return a.marker.Commit(func() (*types.ResponseCommit, error) {
		return a.Application.Commit(ctx, req)
	})
}
