package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"cosmossdk.io/depinject"
	"cosmossdk.io/log"

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

// newModules makes all of it but the application that executes blocks, as any chain
// does: nothing of the recorder is in here.
func newModules(logger log.Logger) (*App, *runtime.AppBuilder, error) {
	app := &App{}
	var builder *runtime.AppBuilder
	modules := configurator.NewAppConfig(
		configurator.AuthModule(), configurator.BankModule(), configurator.StakingModule(), configurator.TxModule(),
		configurator.ConsensusModule(), configurator.GenutilModule(), configurator.MintModule(),
		configurator.DistributionModule(), configurator.WithCustomPreBlockersOrder("auth"), configurator.WithCustomEndBlockersOrder(),
	)
	err := depinject.Inject(depinject.Configs(modules, depinject.Supply(logger)),
		&builder, &app.cdc, &app.txConfig, &app.registry, &app.bank)
	if err != nil {
		return nil, nil, fmt.Errorf("the modules: %w", err)
	}
	return app, builder, nil
}

// load sets what happens at the end of a block, and loads the stores.
func (app *App) load(loadLatest bool) error {
	app.SetEndBlocker(func(ctx sdktypes.Context) (sdktypes.EndBlock, error) {
		end, err := app.EndBlocker(ctx)
		return end, errors.Join(err, lapse(ctx, app.bank))
	})
	return app.Load(loadLatest)
}

// lapse mints one token too many at the height in EXAMPLE_LAPSE: on one node of a
// test network, to see what the recorder makes of it.
func lapse(ctx sdktypes.Context, bank bankkeeper.BaseKeeper) error {
	if os.Getenv("EXAMPLE_LAPSE") != strconv.FormatInt(ctx.BlockHeight(), 10) {
		return nil
	}
	return bank.MintCoins(ctx, "mint", sdktypes.NewCoins(sdktypes.NewInt64Coin("stake", 1)))
}
