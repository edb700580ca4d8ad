package main

import (
	"io"
	"os"
	"testing"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/libs/log"

	"github.com/cosmos/cosmos-sdk/server"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk47"
	"github.com/haltbox/haltbox/ffi/go/sdk47/example/internal/network"
)

// newLoadedApp is newApp for nodes that may go wrong.
func newLoadedApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	app, err := NewApp(logger, db, traceStore, false, append(server.DefaultBaseappOptions(appOpts), box.Option)...)
	if err == nil {
		err = network.Load(app, app.bank, appOpts)
	}
	if err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

// loadedNode is main for such nodes.
func loadedNode() {
	rootCmd := newRootCmd(newLoadedApp)
	haltbox.Command(rootCmd)
	if err := svrcmd.Execute(rootCmd, "EXAMPLE", home()); err != nil {
		os.Exit(1)
	}
}

func TestANetworkOfFourFindsWhoIsWrong(t *testing.T) {
	app, err := NewApp(log.NewNopLogger(), dbm.NewMemDB(), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	network.Play(t, network.Chain{Codec: app.cdc, TxConfig: app.txConfig, Genesis: app.DefaultGenesis()})
}
