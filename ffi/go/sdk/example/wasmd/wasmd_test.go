package wasmd

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

	"github.com/CosmWasm/wasmd/app"
	wasmtypes "github.com/CosmWasm/wasmd/x/wasm/types"

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
	if err := svrcmd.Execute(rootCmd, "", app.DefaultNodeHome); err != nil {
		os.Exit(1)
	}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use: "wasmd",
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := client.SetCmdClientContextHandler(client.Context{}.WithViper(""), cmd); err != nil {
				return err
			}
			template := config.DefaultConfigTemplate + wasmtypes.DefaultConfigTemplate()
			settings := struct {
				config.Config
				Wasm wasmtypes.NodeConfig `mapstructure:"wasm"`
			}{*config.DefaultConfig(), wasmtypes.DefaultNodeConfig()}
			return server.InterceptConfigsPreRunHandler(cmd, template, settings, cmtconfig.DefaultConfig())
		},
	}
	server.AddCommands(root, app.DefaultNodeHome, newApp, export, func(*cobra.Command) {})
	return root
}

func newApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), box.Option)
	options = append(options, network.Options()...)
	app := app.NewWasmApp(logger, db, traceStore, false, appOpts, nil, options...)
	if err := network.Load(app, app.BankKeeper, appOpts); err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

func export(
	log.Logger, dbm.DB, io.Writer, int64, bool, []string, servertypes.AppOptions, []string,
) (servertypes.ExportedApp, error) {
	return servertypes.ExportedApp{}, errors.New("no genesis is exported here")
}

// TestANetworkOfWasmd plays the failures with an application that nobody here wrote.
func TestANetworkOfWasmd(t *testing.T) {
	if os.Getenv("HALTBOX_LONG") == "" {
		t.Skip("HALTBOX_LONG=1 plays it")
	}
	app := app.NewWasmApp(log.NewNopLogger(), dbm.NewMemDB(), nil, true, simtestutil.NewAppOptionsWithFlagHome(t.TempDir()), nil)
	network.Play(t, network.Chain{Codec: app.AppCodec(), TxConfig: app.TxConfig(), Genesis: app.DefaultGenesis()})
}
