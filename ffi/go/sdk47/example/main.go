// Command example is a small chain of the modules of the SDK 0.47 with a flight recorder in
// it: see newApp and main, that is all.
package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	dbm "github.com/cometbft/cometbft-db"
	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/server"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	"github.com/cosmos/cosmos-sdk/server/config"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk47"
)

func newApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), box.Option)
	app, err := NewApp(logger, db, traceStore, true, options...)
	if err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

func main() {
	rootCmd := newRootCmd(newApp)
	haltbox.Command(rootCmd)
	if err := svrcmd.Execute(rootCmd, "EXAMPLE", home()); err != nil {
		os.Exit(1)
	}
}

func home() string {
	base, _ := os.UserHomeDir()
	return filepath.Join(base, ".example")
}

func newRootCmd(newApp servertypes.AppCreator) *cobra.Command {
	root := &cobra.Command{
		Use:           "example",
		SilenceErrors: false,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.OutOrStdout())
			if err := client.SetCmdClientContextHandler(client.Context{}.WithHomeDir(home()).WithViper(""), cmd); err != nil {
				return err
			}
			template := config.DefaultConfigTemplate + haltbox.ConfigTemplate
			return server.InterceptConfigsPreRunHandler(cmd, template, config.DefaultConfig(), cmtconfig.DefaultConfig())
		},
	}
	server.AddCommands(root, home(), newApp, export, func(*cobra.Command) {})
	return root
}

func export(
	log.Logger, dbm.DB, io.Writer, int64, bool, []string, servertypes.AppOptions, []string,
) (servertypes.ExportedApp, error) {
	return servertypes.ExportedApp{}, errors.New("the example exports no genesis")
}
