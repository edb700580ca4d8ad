package main

import (
	"os"
	"strconv"
	"testing"

	"cosmossdk.io/log"
	dbm "github.com/cosmos/cosmos-db"

	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"
	"github.com/haltbox/haltbox/ffi/go/sdk/example/internal/network"
)

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
	app, err := newChain(log.NewNopLogger(), dbm.NewMemDB(), true)
	if err != nil {
		t.Fatal(err)
	}
	return network.Chain{Codec: app.cdc, TxConfig: app.txConfig, Genesis: app.DefaultGenesis()}
}
