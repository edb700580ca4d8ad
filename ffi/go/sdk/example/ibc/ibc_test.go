package ibc

import (
	"errors"
	"io"
	"os"
	"testing"

	"cosmossdk.io/log"
	cmtconfig "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/server"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	"github.com/cosmos/cosmos-sdk/server/config"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"

	"github.com/cosmos/ibc-go/v10/testing/simapp"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"
	"github.com/haltbox/haltbox/ffi/go/sdk/example/internal/network"
)

// TestMain is a node where the test starts one.
func TestMain(m *testing.M) {
	if !network.IsNode() {
		os.Exit(m.Run())
	}
	rootCmd := newRootCmd()
	haltbox.Command(rootCmd)
	if err := svrcmd.Execute(rootCmd, "", simapp.DefaultNodeHome); err != nil {
		os.Exit(1)
	}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use: "simd",
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := client.SetCmdClientContextHandler(client.Context{}.WithViper(""), cmd); err != nil {
				return err
			}
			return server.InterceptConfigsPreRunHandler(cmd, config.DefaultConfigTemplate, config.DefaultConfig(), cmtconfig.DefaultConfig())
		},
	}
	server.AddCommands(root, simapp.DefaultNodeHome, newApp, export, func(*cobra.Command) {})
	return root
}

func newApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), box.Option)
	options = append(options, network.Options()...)
	app := simapp.NewSimApp(logger, db, traceStore, false, appOpts, options...)
	if err := network.Load(app, app.BankKeeper, appOpts); err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

func export(
	log.Logger, dbm.DB, io.Writer, int64, bool, []string, servertypes.AppOptions, []string,
) (servertypes.ExportedApp, error) {
	return servertypes.ExportedApp{}, errors.New("this program exports no genesis")
}

// TestANetworkOfIBCsSimulationApp plays the failures with the application that ibc-go is
// developed on.
func TestANetworkOfIBCsSimulationApp(t *testing.T) {
	if os.Getenv("HALTBOX_LONG") == "" {
		t.Skip("HALTBOX_LONG=1 plays it")
	}
	app := simapp.NewSimApp(log.NewNopLogger(), dbm.NewMemDB(), nil, true, simtestutil.NewAppOptionsWithFlagHome(t.TempDir()))
	network.Play(t, network.Chain{Codec: app.AppCodec(), TxConfig: app.TxConfig(), Genesis: app.DefaultGenesis()})
}
