package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"cosmossdk.io/depinject"
	dbm "github.com/cometbft/cometbft-db"
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/libs/log"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/runtime"
	"github.com/cosmos/cosmos-sdk/testutil/configurator"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	_ "github.com/cosmos/cosmos-sdk/x/auth"
	_ "github.com/cosmos/cosmos-sdk/x/auth/tx/config"
	_ "github.com/cosmos/cosmos-sdk/x/bank"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	_ "github.com/cosmos/cosmos-sdk/x/consensus"
	_ "github.com/cosmos/cosmos-sdk/x/distribution"
	_ "github.com/cosmos/cosmos-sdk/x/genutil"
	_ "github.com/cosmos/cosmos-sdk/x/mint"
	_ "github.com/cosmos/cosmos-sdk/x/params"
	_ "github.com/cosmos/cosmos-sdk/x/staking"
)

// App is a small chain of the SDK's own modules.
type App struct {
	*runtime.App
	cdc      codec.Codec
	txConfig client.TxConfig
	registry codectypes.InterfaceRegistry
	bank     bankkeeper.BaseKeeper
}

// NewApp makes it as any chain does: nothing of the recorder is in here.
func NewApp(
	logger log.Logger, db dbm.DB, traceStore io.Writer, loadLatest bool, options ...func(*baseapp.BaseApp),
) (*App, error) {
	app := &App{}
	var builder *runtime.AppBuilder
	modules := configurator.NewAppConfig(
		configurator.AuthModule(), configurator.BankModule(), configurator.StakingModule(), configurator.TxModule(),
		configurator.ConsensusModule(), configurator.GenutilModule(), configurator.MintModule(),
		configurator.DistributionModule(), configurator.ParamsModule(),
	)
	err := depinject.Inject(modules,
		&builder, &app.cdc, &app.txConfig, &app.registry, &app.bank)
	if err != nil {
		return nil, fmt.Errorf("the modules: %w", err)
	}
	app.App = builder.Build(logger, db, traceStore, options...)
	if err := app.Load(false); err != nil {
		return nil, err
	}
	app.SetEndBlocker(func(ctx sdktypes.Context, req abci.RequestEndBlock) abci.ResponseEndBlock {
		end := app.EndBlocker(ctx, req)
		if err := lapse(ctx, app.bank); err != nil {
			panic(err)
		}
		return end
	})
	if loadLatest {
		return app, app.LoadLatestVersion()
	}
	return app, nil
}

// lapse mints one token too many at the height in EXAMPLE_LAPSE: on one node of a
// test network, to see what the recorder makes of it.
func lapse(ctx sdktypes.Context, bank bankkeeper.BaseKeeper) error {
	if os.Getenv("EXAMPLE_LAPSE") != strconv.FormatInt(ctx.BlockHeight(), 10) {
		return nil
	}
	return bank.MintCoins(ctx, "mint", sdktypes.NewCoins(sdktypes.NewInt64Coin("stake", 1)))
}
