package main

import (
	"io"
	"os"
	"strconv"
	"testing"

	"cosmossdk.io/log"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/server"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"
	"github.com/haltbox/haltbox/ffi/go/sdk/example/internal/network"
)

// newLoadedApp is newApp for nodes that may go wrong.
func newLoadedApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), network.Options()...)
	app, err := NewApp(logger, db, traceStore, false, append(options, box.Option)...)
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
	network.Play(t, chain(t))
}

// TestANetworkOfFourAtRandom takes HALTBOX_ROUNDS rounds, 12 if that is not set.
func TestANetworkOfFourAtRandom(t *testing.T) {
	if os.Getenv("HALTBOX_LONG") == "" {
		t.Skip("HALTBOX_LONG=1 plays it")
	}
	rounds := 12
	if told, err := strconv.Atoi(os.Getenv("HALTBOX_ROUNDS")); err == nil {
		rounds = told
	}
	network.PlayAtRandom(t, chain(t), rounds)
}

func chain(t *testing.T) network.Chain {
	app, err := NewApp(log.NewNopLogger(), dbm.NewMemDB(), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return network.Chain{Codec: app.cdc, TxConfig: app.txConfig, Genesis: app.DefaultGenesis()}
}
