// Command example is a small chain of the SDK's modules with a flight recorder in
// it: see newApp and main, that is all.
package main

import (
	"os"
	"path/filepath"

	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/server"
	svrcmd "github.com/cosmos/cosmos-sdk/server/cmd"
	"github.com/cosmos/cosmos-sdk/server/config"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"
)

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
