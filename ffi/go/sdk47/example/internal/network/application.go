package network

import (
	"path/filepath"

	abci "github.com/cometbft/cometbft/abci/types"

	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
)

// isNode is in the environment of a node that a test starts.
const isNode = "NETWORK_NODE"

// Application is what every application of the SDK is, before its stores are loaded.
type Application interface {
	servertypes.Application
	EndBlocker(sdktypes.Context, abci.RequestEndBlock) abci.ResponseEndBlock
	SetEndBlocker(sdktypes.EndBlocker)
	SetPostHandler(sdktypes.PostHandler)
	LoadLatestVersion() error
}

// Bank is what a fault needs of the chain.
type Bank interface {
	MintCoins(ctx sdktypes.Context, module string, amount sdktypes.Coins) error
	SendCoinsFromModuleToAccount(ctx sdktypes.Context, from string, to sdktypes.AccAddress, amount sdktypes.Coins) error
	SetDenomMetaData(ctx sdktypes.Context, metadata banktypes.Metadata)
}

// Load gives the application work at the end of each block and of each transaction,
// which a node with a [Fault] does otherwise, and loads its stores.
func Load(app Application, bank Bank, options servertypes.AppOptions) error {
	home, _ := options.Get("home").(string)
	work := &work{bank: bank, file: filepath.Join(home, faultFile)}
	app.SetEndBlocker(func(ctx sdktypes.Context, req abci.RequestEndBlock) abci.ResponseEndBlock {
		end := app.EndBlocker(ctx, req)
		if err := work.endBlock(ctx); err != nil {
			panic(err)
		}
		return end
	})
	app.SetPostHandler(func(ctx sdktypes.Context, _ sdktypes.Tx, _, _ bool) (sdktypes.Context, error) {
		ctx.GasMeter().ConsumeGas(work.gas(ctx), "a parameter of the chain")
		return ctx, nil
	})
	return app.LoadLatestVersion()
}
